"""A mean over images with what another draw of images could have made of it."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from lab_utils.clock import spend


@spend("metrics")
def mean_estimate(values: Tensor) -> dict[str, Any]:
    """Mean of per-image values N with its 95 % bootstrap interval over images and their number."""
    array = values.double().cpu().numpy()
    result = bootstrap((array,), np.mean, n_resamples=1000, batch=50, method="percentile", rng=0)
    low, high = result.confidence_interval
    return {"value": float(array.mean()), "n": len(array), "interval": [float(low), float(high)]}


class Estimate(float):
    """A number of a set of images with its 95 % interval, which :meth:`lab_utils.page.Page.measure` records with it."""

    interval: tuple[float, float]


@spend("metrics")
def by_halves(
    statistic: Callable[..., float], *sets: tuple[Tensor, ...], value: float | None = None, draws: int = 50
) -> Estimate:
    """A statistic of whole sets of images, with an interval that says how far other images of them would move it.

    ``statistic`` takes the tensors of all sets, and those of one set have a row for each image. It is computed again of
    random halves of each set, drawn without replacement, so that no image is twice in one: its standard deviation over
    halves of n images is its standard error for n (the delete-d jackknife, Shao and Wu 1989). The interval is 1.96 of
    these on either side of ``value``, what is measured if it is not the statistic of the whole itself. It holds for
    images that were drawn independently; where several are of one person it is too narrow.
    """
    rng = torch.Generator().manual_seed(0)

    def half(tensors: tuple[Tensor, ...]) -> list[Tensor]:
        n = len(tensors[0])
        chosen = torch.randperm(n, generator=rng)[: max(2, n // 2)].to(tensors[0].device)
        return [one[chosen] for one in tensors]

    whole = value if value is not None else statistic(*(one for tensors in sets for one in tensors))
    halves = [statistic(*(one for tensors in sets for one in half(tensors))) for _ in range(draws)]
    found, reach = Estimate(whole), 1.96 * float(np.std(halves, ddof=1))
    found.interval = (found - reach, found + reach)
    return found


def together(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates from the same images; its interval is as wide as if all of them moved as one."""
    found = Estimate(sum(estimates) / len(estimates))
    low, high = (sum(ends) / len(estimates) for ends in zip(*(one.interval for one in estimates), strict=True))
    found.interval = (low, high)
    return found


def over_seeds(values: Sequence[float], n: int) -> dict[str, Any]:
    """What a page measures of one number from each of some seeds: their mean, with each of them; each of n images."""
    values = [float(value) for value in values]
    found = {"value": sum(values) / len(values), "n": n, "range": [min(values), max(values)], "seeds": len(values)}
    return found | {"by_seed": values}


def of_seeds(values: Sequence[Tensor]) -> dict[str, Any]:
    """What a page measures of per-image values N from each of some seeds, as arguments of its ``measure``.

    The values themselves if there is one seed; of several the median of their means, with its range.
    """
    if len(values) == 1:
        return {"value": values[0]}
    means = sorted(one.mean().item() for one in values)
    return {"value": median(means), "n": len(values[0]), "range": [means[0], means[-1]], "seeds": len(means)}
