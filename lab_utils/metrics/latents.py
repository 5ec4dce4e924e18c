"""What a code is like: how many of its dimensions are used, who is whose neighbour, how far it is from the prior."""

import math
import warnings
from typing import NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import TSNE, trustworthiness
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from lab_utils.clock import spend
from lab_utils.losses import LOG_2PI, kl_to_standard_normal
from lab_utils.metrics.mmd import unbiased_mmd
from lab_utils.models.vae import reparameterise


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """Number of directions in which μ, N×latent, varies over the images: eigenvalues of its covariance above 0.01.

    Burda et al. 2016, section 5.2, count axes; but a rotation of the latent, which changes nothing that a model says,
    spreads one direction over many axes.
    """
    return int((torch.linalg.eigvalsh(torch.cov(mu.double().T)) > threshold).sum())


def kl_per_dimension(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(q(z_j|x) ‖ N(0, 1)) of each dimension, latent, averaged over images; inputs N×latent."""
    return kl_to_standard_normal(mu.reshape(-1, 1), log_var.reshape(-1, 1)).view(mu.shape).mean(0)


@spend("metrics")
def tsne(mu: Tensor, seed: int) -> tuple[Tensor, float]:
    """t-SNE of N codes as N×2 (van der Maaten and Hinton 2008), and its trustworthiness in [0, 1].

    Trustworthiness with 12 neighbours (Venna and Kaski 2001): 1 if all neighbours in the map are neighbours in the
    latent space.
    """
    codes = mu.cpu().numpy()
    perplexity = min(30.0, (len(codes) - 1) / 3)
    flat = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(codes)
    return torch.from_numpy(flat), float(trustworthiness(codes, flat, n_neighbors=12))


@spend("metrics")
def neighbour_votes(mu_train: Tensor, y_train: Tensor, mu_test: Tensor, y_test: Tensor, k: int = 15) -> Tensor:
    """1 where the majority of the k nearest training codes has the test image's label, else 0, N of the test split."""
    probe = KNeighborsClassifier(k).fit(mu_train.cpu().numpy(), y_train.cpu().numpy())
    return torch.from_numpy(probe.predict(mu_test.cpu().numpy()) == y_test.cpu().numpy()).float()


@spend("metrics")
def mmd(x: Tensor, y: Tensor) -> float:
    """Squared maximum mean discrepancy between two sets of codes, N×latent and M×latent, the unbiased estimate.

    Kernel C / (C + ‖x − y‖²) with C = 2·latent, the expected squared distance of two prior samples (Tolstikhin et al.
    2018, section 4). Near 0 for equal distributions, and may then fall below it.
    """
    scale = 2 * x.shape[1]
    return unbiased_mmd(x, y, lambda a, b: scale / (scale + torch.cdist(a, b).square()))


def fit_gaussian(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (latent) and Cholesky factor (latent×latent) of a Gaussian with full covariance for codes N×latent."""
    ridge = 1e-5 * torch.eye(z.shape[1], dtype=torch.float64, device=z.device)  # for dimensions that never move
    return z.mean(0), torch.linalg.cholesky(torch.cov(z.double().T) + ridge).float()


def draw(gaussian: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
    """Codes N×latent from what :func:`fit_gaussian` returned and standard normal noise N×latent."""
    mean, factor = gaussian
    return mean + noise @ factor.T


class Mixture(NamedTuple):
    """A mixture of K Gaussians with full covariances over codes."""

    weights: Tensor  # K, in [0, 1], sum 1
    means: Tensor  # K×latent
    factors: Tensor  # K×latent×latent, lower Cholesky factors of the covariances


@spend("metrics")
def fit_mixture(z: Tensor, components: int, seed: int, n: int = 12_000) -> Mixture:
    """A Gaussian mixture for codes N×latent by expectation-maximisation (scikit-learn), from the first ``n`` of them.

    A thousandth on the diagonal of each covariance keeps a component with few codes from collapsing onto them.
    """
    model = GaussianMixture(components, max_iter=30, reg_covar=1e-3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # good enough long before
        model.fit(z[:n].cpu().numpy())
    factors = np.linalg.cholesky(model.covariances_)
    return Mixture(
        *(torch.as_tensor(t, dtype=z.dtype, device=z.device) for t in (model.weights_, model.means_, factors))
    )


def draw_mixture(mixture: Mixture, noise: Tensor, rng: torch.Generator) -> Tensor:
    """Codes N×latent from standard normal noise N×latent; which component each is of comes from ``rng``."""
    k = torch.multinomial(mixture.weights, len(noise), replacement=True, generator=rng)
    return mixture.means[k] + (mixture.factors[k] @ noise[:, :, None]).squeeze(2)


def moments_by_label(mu: Tensor, log_var: Tensor, labels: Tensor, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Mean (K×latent) and covariance (K×latent×latent) of z ~ q(z|x) over the images of each of K labels.

    From μ and log σ² (N×latent) and labels (N, int64). The covariance is that of μ plus the mean of σ².
    """
    of = [(mu[labels == k].double(), log_var[labels == k].double()) for k in range(classes)]
    means = torch.stack([m.mean(0) for m, _ in of])
    covariances = torch.stack([torch.cov(m.T, correction=0) + v.exp().mean(0).diag() for m, v in of])
    return means.float(), covariances.float()


def log_normal(z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; μ, σ²) of codes N×latent: N, in nats."""
    return -0.5 * ((z - mu).square() * (-log_var).exp() + log_var + LOG_2PI).sum(1)


@spend("metrics")
def log_aggregate(z: Tensor, mu: Tensor, log_var: Tensor, batch: int = 500) -> Tensor:
    """log q(z) of codes M×latent under the mixture of the posteriors of N images, μ and log σ² N×latent: M, in nats."""
    mu, log_var = mu.double(), log_var.double()
    constant = -0.5 * (log_var + LOG_2PI).sum(1) - math.log(len(mu))
    found = []
    for part in z.double().split(batch):
        # ‖(z − μ)/σ‖² for each pair, as sums of products: no batch×N×latent in memory
        precision = (-log_var).exp()
        squares = part.square() @ precision.T - 2 * part @ (mu * precision).T + (mu.square() * precision).sum(1)
        found.append(torch.logsumexp(constant - 0.5 * squares, dim=1))
    return torch.cat(found).float()


def kl_parts(
    seen: tuple[Tensor, Tensor], seen_labels: Tensor, codes: tuple[Tensor, Tensor], labels: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Estimates of log q(z|x, c)/q(z|c) and log q(z|c)/p(z) at one z ~ q(z|x, c) for each image, N and N, in nats.

    Their means are I(x; z|c) and E KL(q(z|c) ‖ p(z)). ``codes``, with labels N and standard normal noise N×latent, are
    μ and log σ² of the images, N×latent each; q(z|c) is the mixture of the posteriors of the ``seen`` images of the
    label, which are others.
    """
    (mu, log_var), (seen_mu, seen_log_var) = codes, seen
    z = reparameterise(mu, log_var, noise)
    log_q_label = torch.empty_like(z[:, 0])
    for label in labels.unique():
        own, others = labels == label, seen_labels == label
        log_q_label[own] = log_aggregate(z[own], seen_mu[others], seen_log_var[others])
    log_p = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    return log_normal(z, mu, log_var) - log_q_label, log_q_label - log_p


def density_on_grid(mu: Tensor, log_var: Tensor, grid: Tensor) -> Tensor:
    """N(μ, σ²) of N codes of one dimension, N×1 each, on a grid of M values: densities N×M."""
    return torch.distributions.Normal(mu, (0.5 * log_var).exp()).log_prob(grid).exp()


def interpolated(start: Tensor, end: Tensor, n: int) -> Tensor:
    """Codes n×latent at equal steps on the straight line from one code (latent) to another, both ends included."""
    return torch.lerp(start, end, torch.linspace(0, 1, n, device=start.device)[:, None])


def quantile_lattice(side: int, tail: float = 0.03) -> tuple[Tensor, Tensor]:
    """A square lattice over the 2-D prior, side²×2, and the side values that each coordinate takes, in rising order.

    The values are quantiles of the standard normal from ``tail`` to 1 − ``tail``, so that equal steps are equally
    probable. z₁ rises along a row; the first row has the largest z₂.
    """
    ticks = torch.special.ndtri(torch.linspace(tail, 1 - tail, side))
    z2, z1 = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
    return torch.stack([z1.flatten(), z2.flatten()], dim=1), ticks
