"""A mean over images with what another draw of images could have made of it."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
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
