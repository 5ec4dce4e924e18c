"""Batches from a split that lives on the device whole: a batch is an index and a cast, with no worker processes."""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Tensors = tuple[Tensor, ...]  # a split on the device: images (uint8, N×C×H×W), then labels or attributes
Prepare = Callable[..., Tensors]  # a batch of those to what a model sees: images x in [0, 1], then its conditions


def to_device(split, device: torch.device, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """The first ``limit`` images (uint8, N×C×H×W) and labels (int64, N) of a split, on the device."""
    images = torch.from_numpy(split.images[:limit]).to(device)
    labels = torch.from_numpy(split.labels[:limit]).to(device)
    return images, labels


def faces_to_device(split, device: torch.device, limit: int | None = None, side: int | None = None) -> Tensors:
    """The first ``limit`` images (uint8, N×3×S×S) and attributes (float32 0 and 1, N×K) of a split, on the device.

    With ``side``, which divides S, images are reduced to it: each pixel becomes the mean of those it covers.
    """
    images = torch.from_numpy(split.images[:limit]).to(device)
    if side and side != images.shape[-1]:
        smaller = [F.avg_pool2d(part.float(), images.shape[-1] // side).round().byte() for part in images.split(1000)]
        images = torch.cat(smaller)
    attributes = torch.tensor(split.attributes[:limit].to_numpy(), dtype=torch.float32, device=device)
    return images, attributes


def to_unit(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.float() / 255


def to_signed(images: Tensor) -> Tensor:
    """uint8 images as float32 in [−1, 1], the range of a generator's tanh."""
    return 2 * to_unit(images) - 1


@torch.no_grad()
def by_parts(function: Callable[..., Tensor], *tensors: Tensor, size: int) -> Tensor:
    """``function`` of at most ``size`` rows of the tensors at a time, without gradients, put together again."""
    return torch.cat([function(*part) for part in parts(tensors, size)])


def parts(tensors: Iterable[Tensor], size: int) -> Iterator[Tensors]:
    """The tensors cut alike into pieces of at most ``size`` rows."""
    return zip(*(t.split(size) for t in tensors), strict=True)
