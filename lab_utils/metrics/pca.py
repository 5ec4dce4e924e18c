"""Principal components of a split: the best linear code of as many dimensions, by which an autoencoder is read."""

import torch
from torch import Tensor

from lab_utils.clock import spend
from lab_utils.data.batches import to_unit

ROUNDS = 3  # of subspace iteration


@spend("metrics")
def fit_pca(images: Tensor, components: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mean (D) and orthonormal basis (D×components) of uint8 images N×C×H×W, in [0, 1] and flattened to D.

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) with twice as many directions as
    asked for: only one part of the split is float at a time, so that 200,000 images need little memory.
    """
    parts = images.split(1000)
    mean = sum(to_unit(part).sum(0).double() for part in parts).flatten() / len(images)
    mean = mean.float()
    width = min(2 * components, len(images), len(mean))
    basis = torch.randn(len(mean), width, generator=rng, device=images.device)
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(basis).Q
        basis = sum(centred(part, mean).T @ (centred(part, mean) @ basis) for part in parts)
    # Rotate the subspace so that its columns are the components, largest variance first.
    directions, _, _ = torch.linalg.svd(basis, full_matrices=False)
    return mean, directions[:, :components]


def reconstruct(images: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    """Images (uint8, N×C×H×W) projected on the components, in [0, 1] by clipping, N×C×H×W."""
    x = centred(images, mean)
    return (mean + (x @ basis) @ basis.T).clamp(0, 1).view(images.shape)


def centred(images: Tensor, mean: Tensor) -> Tensor:
    """uint8 images as rows N×D in [0, 1] less the mean."""
    return to_unit(images).flatten(1) - mean
