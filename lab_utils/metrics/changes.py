"""What changes in an image when one input of its generator does: pixels, the light of large areas, strokes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lab_utils.data.batches import to_unit


def by_code_and_noise(sheet: Tensor) -> tuple[float, float]:
    """How much a pixel changes from one value of a code to the next, and from one draw of noise to the next.

    Images in [0, 1], draws×values×C×S×S, in which a row has one draw of noise and a column one value. Both are mean
    absolute differences, in [0, 1]; after the last comes the first.
    """
    return tuple((sheet - sheet.roll(1, dim)).abs().mean().item() for dim in (1, 0))


class Means(NamedTuple):
    """Of each value of a code the mean image, and where it differs from the mean of all; lists of C×S×S in [0, 1]."""

    faces: list[Tensor]
    differences: list[Tensor]  # grey is no difference


def means_by_code(images: Tensor, code: Tensor, k: int, gain: float = 3.0) -> Means:
    """The means of images (uint8, N×C×S×S) by their code (int64, N, of k values), and ``gain`` times what is special.

    Each is 1×C×S×S.
    """
    means = [to_unit(images[code == value]).mean(0, keepdim=True) for value in range(k)]
    middle = torch.cat(means).mean(0, keepdim=True)
    return Means(means, [(0.5 + gain * (one - middle)).clamp(0, 1) for one in means])


def brightness_change(before: Tensor, after: Tensor, squares: int = 8) -> Tensor:
    """How much brighter each of squares×squares areas of the image is after, averaged over images and channels.

    Images N×C×S×S in [0, 1], a pair in each row; ``squares`` divides S. In [−1, 1].
    """
    change = (after - before).mean((0, 1))
    return F.avg_pool2d(change[None, None], change.shape[-1] // squares)[0, 0]


class Extremes(NamedTuple):
    """The highest and the lowest value of a table K×K over an image, each with where it lies, in words."""

    most: float
    most_at: str
    least: float
    least_at: str


def extremes(table: Tensor) -> Extremes:
    """Both, of a table K×K of areas of an image; at the first of equal values."""
    most, least = table.argmax().item(), table.argmin().item()
    return Extremes(table.max().item(), place(most, len(table)), table.min().item(), place(least, len(table)))


def place(index: int, squares: int) -> str:
    """Where the square with this index, row by row, lies among squares×squares: ``upper left``, ``centre``."""
    row, column = divmod(index, squares)
    third_down, third_across = (3 * (2 * i + 1) // (2 * squares) for i in (row, column))  # in which its centre lies
    down, across = ("upper", "middle", "lower")[third_down], ("left", "middle", "right")[third_across]
    return f"{down} {across}".replace("middle middle", "centre")


def ink(images: Tensor) -> Tensor:
    """Mean pixel of each image, N; images N×1×H×W in [0, 1], light strokes on black."""
    return images.mean((1, 2, 3))


def lean(images: Tensor) -> Tensor:
    """How far the ink of each image N×1×H×W leans to the right, N: columns for each row upwards.

    The slope of the least-squares line through the ink, columns against rows. 0 for an image without ink.
    """
    mass = images[:, 0] / images.sum((1, 2, 3)).clamp_min(1e-6)[:, None, None]
    row, column = (
        torch.arange(n, dtype=images.dtype, device=images.device).view(shape)
        for n, shape in zip(images.shape[2:], ((1, -1, 1), (1, 1, -1)), strict=True)
    )
    row, column = (at - (mass * at).sum((1, 2), keepdim=True) for at in (row, column))
    return -(mass * row * column).sum((1, 2)) / (mass * row**2).sum((1, 2)).clamp_min(1e-6)
