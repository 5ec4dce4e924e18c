"""Principal components of a split: the best linear code of as many dimensions, by which an autoencoder is read."""

import math

import torch
from torch import Tensor

from lab_utils.clock import spend
from lab_utils.data.batches import to_unit
from lab_utils.losses import LOG_2PI
from lab_utils.models.vae import PPCA

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


@spend("metrics")
def fit_ppca(images: Tensor, components: int, rng: torch.Generator) -> PPCA:
    """The maximum-likelihood linear-Gaussian model of uint8 images N×C×H×W (Tipping and Bishop 1999, equation 8)."""
    mean, basis = fit_pca(images, components, rng)
    total, along = 0.0, torch.zeros(basis.shape[1], dtype=torch.float64, device=images.device)
    for part in images.split(1000):
        x = centred(part, mean)
        total += x.double().square().sum().item()
        along += (x @ basis).double().square().sum(0)
    variances = along / len(images)
    others = len(mean) - basis.shape[1]
    return PPCA(mean, basis, variances.float(), (total / len(images) - variances.sum().item()) / others)


@spend("metrics")
def log_likelihood(ppca: PPCA, images: Tensor) -> Tensor:
    """log p(x) of each image, N (float64), in nats, of uint8 images N×C×H×W taken to [0, 1] (ibid., equation 4)."""
    variances, pixels = ppca.variances.double(), len(ppca.mean)
    log_determinant = variances.log().sum() + (pixels - len(variances)) * math.log(ppca.noise)
    found = []
    for part in images.split(1000):
        x = centred(part, ppca.mean)
        along = (x @ ppca.basis).double().square()
        beside = x.double().square().sum(1) - along.sum(1)
        distance = (along / variances).sum(1) + beside / ppca.noise
        found.append(-0.5 * (pixels * LOG_2PI + log_determinant + distance))
    return torch.cat(found)


def linear_optimum(ppca: PPCA, beta: float) -> PPCA:
    """The linear-Gaussian model that is best for ½‖x − x̂‖² + β·KL, as :class:`VAEFromPPCA` starts from it.

    A direction whose variance is below β costs more than it saves: its code is the prior (Lucas et al. 2019). β > 0.
    """
    return ppca._replace(variances=ppca.variances.clamp_min(beta), noise=beta)


def linear_prediction(ppca: PPCA, beta: float) -> tuple[float, float]:
    """Rate and distortion of the linear optimum on training images, in nats/image and as ½‖x − x̂‖² per image.

    R = ½ Σ max(0, ln λ/β) and D = ½ Σ min(λ, β), and what no component holds adds to D whatever β is: reverse
    water-filling (Cover and Thomas 2006, theorem 10.3.3).
    """
    variances = ppca.variances.double()
    rest = ppca.noise * (len(ppca.mean) - len(variances))
    rate = 0.5 * (variances / beta).log().clamp_min(0).sum().item() if beta else math.inf
    return rate, 0.5 * (variances.clamp_max(beta).sum().item() + rest)


def reconstruct(images: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    """Images (uint8, N×C×H×W) projected on the components, in [0, 1] by clipping, N×C×H×W."""
    x = centred(images, mean)
    return (mean + (x @ basis) @ basis.T).clamp(0, 1).view(images.shape)


def centred(images: Tensor, mean: Tensor) -> Tensor:
    """uint8 images as rows N×D in [0, 1] less the mean."""
    return to_unit(images).flatten(1) - mean
