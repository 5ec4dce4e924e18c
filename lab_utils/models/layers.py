"""Pieces that networks of different families share."""

from collections.abc import Callable

from torch import nn

Norm = Callable[[int], nn.Module]  # a normalisation of so many channels


def image_norm(channels: int) -> nn.GroupNorm:
    """Normalises each image by itself, over all channels and pixels: a group norm of one group (Wu and He 2018)."""
    return nn.GroupNorm(1, channels)


def smallest(side: int) -> tuple[int, int]:
    """The side of the smallest picture, at most 7, and how often it doubles to ``side``: 64 → (4, 4), 28 → (7, 2)."""
    doublings = 0
    while side > 7:
        side, doublings = side // 2, doublings + 1
    return side, doublings


def down(channels: int, wider: int, norm: Norm = nn.BatchNorm2d) -> list[nn.Module]:
    """A convolution that halves the side, N×channels×2S×2S → N×wider×S×S, with a norm and a leaky ReLU."""
    return [nn.Conv2d(channels, wider, 4, stride=2, padding=1), norm(wider), nn.LeakyReLU(0.2)]


def up(channels: int, narrower: int, norm: Norm = nn.BatchNorm2d) -> list[nn.Module]:
    """A transposed convolution that doubles the side, N×channels×S×S → N×narrower×2S×2S, with a norm and ReLU."""
    return [nn.ConvTranspose2d(channels, narrower, 4, stride=2, padding=1), norm(narrower), nn.ReLU()]
