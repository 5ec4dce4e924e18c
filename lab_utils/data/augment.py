"""Images changed a little at random, each time that they are seen: N×C×H×W in any range, drawn from ``rng``."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]

FEW = 10_000  # digits, under which a set is moved
ROTATION, STRETCH, SHEAR, SHIFT = math.radians(10), 0.1, 0.3, 0.05  # largest; the shift as a share of the side


def shifted(x: Tensor, rng: torch.Generator) -> Tensor:
    """Square images, all moved by −1, 0 or 1 pixel in each direction; what leaves on one side enters on the other."""
    pixels = torch.arange(x.shape[-1], device=x.device)
    down, right = torch.randint(-1, 2, (2, 1), generator=rng, device=rng.device)
    return x[:, :, (pixels + down) % len(pixels)][:, :, :, (pixels + right) % len(pixels)]


def mirrored(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image with left and right exchanged with probability one half."""
    chosen = torch.rand(len(x), 1, 1, 1, generator=rng, device=rng.device) < 0.5
    return torch.where(chosen, x.flip(3), x)


def shifted_and_mirrored(x: Tensor, rng: torch.Generator) -> Tensor:
    """First :func:`shifted`, then :func:`mirrored`."""
    return mirrored(shifted(x, rng), rng)


def noisy(x: Tensor, rng: torch.Generator, sigma: float = 0.05) -> Tensor:
    """Gaussian noise in each pixel: what is read from such images is not written in differences too faint to see."""
    return x + sigma * torch.randn(x.shape, generator=rng, device=x.device)


def distorted(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image turned, stretched, sheared and shifted a little."""
    a, b, shear, *shift = 2 * torch.rand(5, len(x), generator=rng, device=x.device) - 1
    angle, tall, wide = ROTATION * a, 1 + STRETCH * b, 1 - STRETCH * b
    rows = [
        torch.stack([angle.cos() * wide, (SHEAR * shear - angle.sin()) * tall, 2 * SHIFT * shift[0]], dim=1),
        torch.stack([angle.sin() * wide, angle.cos() * tall, 2 * SHIFT * shift[1]], dim=1),
    ]
    return warped(x, rows, "border")


def moved(images: Tensor, rng: torch.Generator) -> Tensor:
    """Digits (uint8, N×1×H×W), each turned, scaled, sheared and shifted a little: a small set seen as a larger one."""
    return nudged(images, rng, angle=0.12, scale=0.08, shear=0.12, shift=0.06, beyond="zeros")


def half_moved(images: Tensor, rng: torch.Generator) -> Tensor:
    """Digits (uint8, N×1×H×W), each :func:`moved` with probability one half."""
    chosen = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < 0.5
    return torch.where(chosen, moved(images, rng), images)


def retaken(images: Tensor, rng: torch.Generator) -> Tensor:
    """Photographs (uint8, N×3×H×W), each turned, scaled and shifted a little, as if it had been taken again."""
    return nudged(images, rng, angle=0.05, scale=0.05, shear=0.0, shift=0.03, beyond="border")


def nudged(
    images: Tensor, rng: torch.Generator, angle: float, scale: float, shear: float, shift: float, beyond: str
) -> Tensor:
    """uint8 images, each moved by up to so many radians, shares of its size and of half its side."""
    a, b, c, *at = 2 * torch.rand(5, len(images), generator=rng, device=images.device) - 1
    turn, size = angle * a, 1 + scale * b
    rows = [
        torch.stack([turn.cos() * size, (shear * c - turn.sin()) * size, shift * at[0]], dim=1),
        torch.stack([turn.sin() * size, turn.cos() * size, shift * at[1]], dim=1),
    ]
    return warped(images.float(), rows, beyond).round().byte()


def moved_if_few(images: Tensor) -> Augment | None:
    """:func:`moved` for a set of digits under ten thousand; for a larger one nothing, as it would change nothing."""
    return moved if len(images) < FEW else None


def warped(x: Tensor, rows: list[Tensor], beyond: str) -> Tensor:
    """Images N×C×H×W under an affine map for each, given by its two rows N×3; ``beyond`` is what lies outside.

    In float32 whatever surrounds it: bfloat16 would place what it samples up to an eighth of a pixel off.
    """
    with torch.autocast(x.device.type, enabled=False):
        grid = F.affine_grid(torch.stack(rows, dim=1).float(), list(x.shape), align_corners=False)
        return F.grid_sample(x.float(), grid, padding_mode=beyond, align_corners=False)
