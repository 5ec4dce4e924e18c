"""Points in the plane whose distribution is known, on which an idea can be checked in seconds."""

import math

import torch
from torch import Tensor

OPEN = 0.25  # of the circle
MODES, SPREAD = 8, 0.1  # Gaussians on the unit circle, and their standard deviation


def arc(n: int, noise: float, rng: torch.Generator) -> Tensor:
    """Points n×2 on three quarters of the unit circle, evenly in the angle, with Gaussian noise on both coordinates."""
    angle = 2 * math.pi * (1 - OPEN) * torch.rand(n, generator=rng, device=rng.device)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    return points + noise * torch.randn(n, 2, generator=rng, device=rng.device)


def centres() -> Tensor:
    """Where the eight Gaussians lie, 8×2."""
    angle = 2 * math.pi * torch.arange(MODES) / MODES
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def ring(n: int, rng: torch.Generator) -> Tensor:
    """Points n×2 of eight equal Gaussians evenly spaced on the unit circle."""
    which = torch.randint(MODES, (n,), generator=rng, device=rng.device)
    return centres().to(rng.device)[which] + SPREAD * torch.randn(n, 2, generator=rng, device=rng.device)


def log_ring(x: Tensor) -> Tensor:
    """Log-density of the eight Gaussians at points N×2, N."""
    apart = torch.cdist(x.double(), centres().to(x.device).double()).square()
    each = -apart / (2 * SPREAD**2) - math.log(2 * math.pi * SPREAD**2)
    return (each.logsumexp(1) - math.log(MODES)).float()


def log_normal(x: Tensor) -> Tensor:
    """Log-density of the standard normal at points N×2, N: what a generator that passes its noise on draws."""
    return -0.5 * x.square().sum(1) - math.log(2 * math.pi)
