"""Principal components of a split: the best linear code of as many dimensions, by which an autoencoder is read."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from lab_utils.clock import spend
from lab_utils.data.batches import to_unit
from lab_utils.losses import LOG_2PI
from lab_utils.models.linear import LinearGenerator
from lab_utils.models.vae import PPCA

ROUNDS = 3  # of subspace iteration


@spend("metrics")
def fit_pca(images: Tensor, components: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mean (D) and orthonormal basis (D×components) of uint8 images N×C×H×W, in [0, 1] and flattened to D.

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) with twice as many directions as
    asked for: only one part of the split is float at a time, so that 200,000 images need little memory.
    """
    mean = mean_image(images)
    rows = lambda: (centred(part, mean) for part in images.split(1000))  # noqa: E731
    return mean, principal(rows, len(mean), min(2 * components, len(images)), rng)[:, :components]


def mean_image(images: Tensor) -> Tensor:
    """The mean of uint8 images N×C×H×W, in [0, 1] and flattened to D."""
    total = sum(to_unit(part).sum(0).double() for part in images.split(1000))
    return (total.flatten() / len(images)).float()


def principal(rows: Callable[[], Iterable[Tensor]], size: int, width: int, rng: torch.Generator) -> Tensor:
    """The first ``width`` principal directions, size×width, of ``rows()``: parts of a table of mean 0, each M×size."""
    basis = torch.randn(size, min(width, size), generator=rng, device=rng.device)
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(basis).Q
        basis = sum(part.T @ (part @ basis) for part in rows())
    # Rotate the subspace so that its columns are the components, largest variance first.
    directions, _, _ = torch.linalg.svd(basis, full_matrices=False)
    return directions


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


RIDGE = 1.0  # image, which keeps conditions apart that always go together


@spend("metrics")
def fit_linear_generator(
    images: Tensor, noise: int, rng: torch.Generator, conditions: Tensor | None = None
) -> LinearGenerator:
    """The best linear generator of uint8 images N×C×H×W from so many dimensions of noise, then ``conditions`` N×K.

    What conditions say of an image is their ridge regression; the noise moves it along the principal components of what
    they leave open, each with its standard deviation. Images in [−1, 1].
    """
    mean = mean_image(images)
    c = torch.zeros(len(images), 0, device=images.device) if conditions is None else conditions.float()
    told = c - c.mean(0)
    parts = list(zip(images.split(1000), told.split(1000), strict=True))
    products = sum((part.T @ centred(x, mean)).double() for x, part in parts)
    weights = torch.linalg.solve((told.T @ told).double() + RIDGE * torch.eye(c.shape[1]).to(told), products).float()

    def rest() -> Iterable[Tensor]:
        return (centred(x, mean) - part @ weights for x, part in parts)

    directions = principal(rest, len(mean), min(2 * noise, len(images)), rng)[:, :noise]
    deviations = (sum((x @ directions).double().square().sum(0) for x in rest()) / len(images)).sqrt().float()
    moves = torch.cat([(directions * deviations).T, weights])
    return LinearGenerator(2 * (mean - c.mean(0) @ weights) - 1, 2 * moves)


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
