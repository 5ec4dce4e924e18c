"""Points in the plane whose distribution is known, on which an idea can be checked in seconds."""

import math

import torch
from torch import Tensor

OPEN = 0.25  # of the circle


def arc(n: int, noise: float, rng: torch.Generator) -> Tensor:
    """Points n×2 on three quarters of the unit circle, evenly in the angle, with Gaussian noise on both coordinates."""
    angle = 2 * math.pi * (1 - OPEN) * torch.rand(n, generator=rng, device=rng.device)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    return points + noise * torch.randn(n, 2, generator=rng, device=rng.device)
