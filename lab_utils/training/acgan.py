"""What AC-GAN adds to the game: attributes beside the noise, and a head that reads them (Odena et al. 2017)."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.data.batches import Tensors, by_parts, to_signed
from lab_utils.metrics.changes import extremes
from lab_utils.metrics.control import Coupled, JudgeScores, PairReadings, balanced_accuracy, read_pairs
from lab_utils.metrics.estimate import Estimate
from lab_utils.metrics.fidelity import as_bytes, fcd_estimate
from lab_utils.run import evaluating
from lab_utils.training.conditions import Condition, Logits
from lab_utils.training.fit import History
from lab_utils.training.gan import Gan, samples


def pairs(attributes: Tensor) -> Tensor:
    """Attributes N×K, 0 and 1 or between, as one-hot pairs (off, on) side by side, N×2K."""
    return torch.stack([1 - attributes, attributes], dim=2).flatten(1)


def given(noise: Tensor, attributes: Tensor) -> Tensor:
    """What the generator is given, N×(d + 2K): noise N×d, and beside it attributes N×K as :func:`pairs`."""
    return torch.cat([noise, pairs(attributes)], dim=1)


def attributes(columns: Sequence[int], rng: torch.Generator, weight: float, on_fakes: bool = False) -> Condition:
    """AC-GAN's condition: some columns of the batch's table of attributes (Odena et al. 2017).

    Fake images are told the attributes of real ones in another order, so that D cannot tell them by how often an
    attribute occurs. Real images teach the head; with ``on_fakes`` fake ones do, too, and the networks may collude.
    """

    chosen = torch.tensor(columns, device=rng.device)

    def of_real(images: Tensor, table: Tensor) -> Tensor:
        return pairs(table[:, chosen])

    def draw(images: Tensor, table: Tensor) -> Tensor:
        order = torch.randperm(len(table), generator=rng, device=rng.device)
        return of_real(images, table[order])

    def read(logits: Logits, c: Tensor) -> dict[str, Tensor]:
        return {"class": weight * F.binary_cross_entropy_with_logits(logits["attributes"], c[:, 1::2])}

    return Condition(2 * len(columns), draw, read, of_real, on_fakes, rng=rng)


# Pairs: the same noise with an attribute off and on


def make_pairs(gan: Gan, noise: Tensor, requests: Coupled) -> list[Tensor]:
    """Images of the same noise, N×d, asked for without an attribute and with it: twice N×3×S×S, uint8."""
    return [as_bytes(samples(gan, given(noise, wanted))) for wanted in requests]


def steps(gan: Gan, noise: Tensor, requests: Coupled, shares: Sequence[float]) -> Iterator[Tensor]:
    """Images of the same noise, N×3×S×S in [0, 1], for each of some shares of the way from off (0) to on (1)."""
    return (samples(gan, given(noise, torch.lerp(*requests, share))) for share in shares)


def change_by_region(off: Tensor, on: Tensor, squares: int = 4) -> dict[str, Any]:
    """Where the images of pairs, N×3×S×S in [0, 1], change most and least: areas of squares×squares, with how much.

    The mean over pairs first, so that what changes differently in each does not count; then the mean size of the change
    over the pixels and channels of an area, in [0, 1]. ``jaw`` is the middle of the lower half, where a face is
    centred, ``beside`` all other areas.
    """
    change = (on - off).mean(0).abs().mean(0)
    areas = F.avg_pool2d(change[None, None], len(change) // squares)[0, 0]
    found = {
        key: f"at the {value}" if key.endswith("_at") else value for key, value in extremes(areas)._asdict().items()
    }
    half, quarter = squares // 2, squares // 4
    jaw = areas[half:, quarter:-quarter]
    return found | {
        "jaw": jaw.mean().item(),
        "beside": (areas.sum() - jaw.sum()).item() / (areas.numel() - jaw.numel()),
    }


def read_by(scores: JudgeScores, columns: Sequence[int], chance: float = 0.6) -> list[int]:
    """Those of some columns that a judge reads better than by chance: with a balanced accuracy of 0.6 or more."""
    return [k for k in columns if scores.balanced[k] >= chance]


# What the class head says of images: a reader from inside the game


class HeadReadings(NamedTuple):
    """How the class head reads pairs from the same noise, an attribute off and on: a value for each pair, N."""

    right: Tensor  # the share of the two images read as asked: 0, ½ or 1; its mean is a balanced accuracy
    loss: Tensor  # cross-entropy of what was asked, nats


@spend("metrics")
def head_logits(discriminator: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Logits of the class head, N×K, of uint8 images N×3×S×S."""
    with evaluating(discriminator):
        return by_parts(lambda part: discriminator(to_signed(part))["attributes"], images, size=batch)


def head_accuracy(gan: Gan, images: Tensor, attributes: Tensor) -> Tensor:
    """Balanced accuracy of the class head, K, on uint8 images of known attributes N×K."""
    return balanced_accuracy((head_logits(gan.discriminator, images) > 0).float(), attributes)


def head_on_pairs(gan: Gan, off: Tensor, on: Tensor, k: int) -> HeadReadings:
    """Readings of the k-th attribute told, of uint8 images that were asked for without it (off) and with it (on)."""
    without, having = (head_logits(gan.discriminator, images)[:, k] for images in (off, on))
    right = ((without <= 0).float() + (having > 0).float()) / 2
    return HeadReadings(right, (F.softplus(without) + F.softplus(-having)) / 2)


class Examined(NamedTuple):
    """What pairs of a generator look like and how they are read, an entry for each attribute told."""

    pairs: list[list[Tensor]]  # see make_pairs
    judge: list[PairReadings]
    head: list[HeadReadings]
    head_on_real: Tensor  # balanced accuracy of the class head on real images, K
    fcd: Estimate  # of samples that are asked for what the real images have


def examine(
    gan: Gan,
    judge: nn.Module,
    noise: Tensor,
    requests: Sequence[Coupled],
    columns: Sequence[int],
    real: Tensors,
    like_real: Tensor,
) -> Examined:
    """Pairs for each attribute told (``columns`` of the table), and what the judge and the class head read of them.

    ``noise`` N×d is that of all pairs, ``requests`` what is asked for in either half, ``real`` test images (uint8) and
    their whole table of attributes, ``like_real`` what the generator is :func:`given` for samples with the same.
    """
    images, table = real
    pairs = [make_pairs(gan, noise, rows) for rows in requests]
    return Examined(
        pairs,
        [read_pairs(judge, *both, j) for both, j in zip(pairs, columns, strict=True)],
        [head_on_pairs(gan, *both, k) for k, both in enumerate(pairs)],
        head_accuracy(gan, images, table[:, list(columns)]),
        fcd_estimate(judge, samples(gan, like_real), images),
    )


# What a training left behind


def thirds(curve: pd.DataFrame, weight: float) -> dict[str, tuple[float, int]]:
    """Means over the middle and the last third of a training, with how many points they are of.

    ``g_loss``, the generator's whole loss; ``g_class``, the class loss in it, nats/attribute before its weight;
    ``d_lead``, the mean logit of real images above that of fakes.
    """
    third, found = len(curve) // 3, {}
    for when, part in {"middle": curve.iloc[third:-third], "end": curve.iloc[-third:]}.items():
        mean = part.mean()
        values = {"g_loss": mean["generator"] + mean["class"], "g_class": mean["class"] / weight}
        values["d_lead"] = mean["real"] - mean["fake"]
        found |= {f"{name}_{when}": (float(value), len(part)) for name, value in values.items()}
    return found


Lines = dict[str, tuple[pd.Series, pd.Series]]  # named curves: steps and values


def class_losses(curve: pd.DataFrame, weight: float, over: int) -> Lines:
    """The class loss on real images and on fakes along a training, nats/attribute, before its weight.

    Each value is the mean of the last ``over`` that were logged, as below.
    """
    named = {"class_real": "on real images", "class": "on fakes"}
    return {named[key]: (x, y / weight) for key, (x, y) in smoothed(curve, list(named), over).items()}


def class_losses_of(logs: Sequence[History], weight: float, over: int) -> dict[str, tuple[Any, np.ndarray]]:
    """The same of several trainings, as far as the shortest of them goes: the steps, and values N×trainings."""
    n = min(len(log.curve) for log in logs)
    each = [class_losses(log.curve[:n], weight, over) for log in logs]
    return {on: (x, np.stack([one[on][1] for one in each], 1)) for on, (x, _) in each[0].items()}


def smoothed(curve: pd.DataFrame, columns: Sequence[str], over: int) -> Lines:
    """Some columns of a training's curve against its steps."""
    return {key: (curve["step"], curve[key].rolling(over, min_periods=1).mean()) for key in columns}


def reached(term: Tensor, network: nn.Module) -> int:
    """How many tensors of a network's weights the gradient of a term reaches; the term's graph stays."""
    gradients = torch.autograd.grad(term, list(network.parameters()), allow_unused=True, retain_graph=True)
    return sum(gradient is not None for gradient in gradients)
