"""Loss terms, one value per image: summed over pixels and dimensions, never averaged over them. Units: nats/image."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) per image, N; inputs N×latent (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mu.square() + log_var.exp() - log_var - 1).flatten(1).sum(1)


def bernoulli_nll(logits: Tensor, x: Tensor, where: Tensor | None = None) -> Tensor:
    """Cross-entropy of pixels x in [0, 1] under Bernoulli logits, per image, N; inputs N×C×H×W.

    Grey targets are allowed; the value is then not a normalised likelihood. ``where`` (H×W of 0 and 1) restricts
    the sum to some pixels.
    """
    return _sum(F.binary_cross_entropy_with_logits(logits, x, reduction="none"), where)


def squared_error(mean: Tensor, x: Tensor) -> Tensor:
    """‖x − x̂‖² per image, N; inputs N×C×H×W."""
    return _sum((x - mean).square())


def gaussian_nll(mean: Tensor, x: Tensor, variance: Tensor | float) -> Tensor:
    """−log N(x; x̂, σ²I) per image, N, with its constant; ``variance`` is σ², one number for all pixels."""
    pixels = x[0].numel()
    log_variance = torch.as_tensor(variance, dtype=mean.dtype, device=mean.device).log()
    return 0.5 * (squared_error(mean, x) / variance + pixels * (log_variance + LOG_2PI))


def optimal_gaussian_nll(mean: Tensor, x: Tensor) -> Tensor:
    """Gaussian loss per image, N, with σ² at its maximum-likelihood value, the batch's mean squared error.

    Rybkin, Daniilidis and Levine 2021 (σ-VAE), equation 6: the weight between the terms is then not a setting.
    """
    return gaussian_nll(mean, x, (x - mean).square().mean())


def _sum(values: Tensor, where: Tensor | None = None) -> Tensor:
    return (values if where is None else values * where).flatten(1).sum(1)
