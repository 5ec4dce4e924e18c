"""How well points in the plane match the eight Gaussians: which are found, and how far the points have to go."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lab_utils.clock import spend
from lab_utils.data.toys import MODES, SPREAD, centres

NEAR = 3 * SPREAD  # of a centre
ENOUGH = 0.02  # of all points: a Gaussian that holds as many is found; an eighth would be its share


def modes_found(points: Tensor) -> int:
    """How many of the eight Gaussians hold a fiftieth of the points N×2 or more, within three standard deviations."""
    distance, which = torch.cdist(points, centres().to(points.device)).min(1)
    shares = torch.bincount(which[distance < NEAR], minlength=MODES) / len(points)
    return int((shares >= ENOUGH).sum())


@spend("metrics")
def transport_distance(points: Tensor, others: Tensor) -> float:
    """Wasserstein-1 distance of two sets of as many points, N×2: how far a point has to go, in the best pairing."""
    apart = torch.cdist(points, others).cpu().numpy()
    return float(apart[linear_sum_assignment(apart)].mean())
