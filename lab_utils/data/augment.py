"""Images changed a little at random, each time that they are seen: N×C×H×W in any range, drawn from ``rng``."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

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
    grid = F.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
