"""How well a model explains images: the ELBO per image and the importance-weighted bound. Units: nats/image."""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor, nn

from lab_utils.losses import LOG_2PI, kl_to_standard_normal
from lab_utils.models.cvae import reparameterise
from lab_utils.repro import noise

Nll = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def elbo_terms(model: nn.Module, x: Tensor, c: Tensor, nll: Nll, stream: torch.Generator, batch: int = 1000):
    """Both terms of the negative ELBO for each image, N and N, with one sample of z per image.

    x is N×C×H×W in [0, 1], c N×condition. The noise of all images is drawn at once, so that the value does not
    depend on ``batch``. Evaluated in float32.
    """
    eps = noise(len(x), model.latent, stream)
    reconstruction, kl = [], []
    for xb, cb, eb in zip(x.split(batch), c.split(batch), eps.split(batch), strict=True):
        logits, mu, log_var = model(xb, cb, eb)
        reconstruction.append(nll(logits, xb))
        kl.append(kl_to_standard_normal(mu, log_var))
    return torch.cat(reconstruction), torch.cat(kl)


@torch.no_grad()
def sampled_latents(model: nn.Module, x: Tensor, c: Tensor, stream: torch.Generator, batch: int = 1000) -> Tensor:
    """One z ~ q(z|x, c) for each image, N×latent."""
    codes = [model.encode(xb, cb) for xb, cb in zip(x.split(batch), c.split(batch), strict=True)]
    mu, log_var = (torch.cat(parts) for parts in zip(*codes, strict=True))
    return reparameterise(mu, log_var, noise(len(x), model.latent, stream))


@torch.no_grad()
def importance_bound(
    model: nn.Module, x: Tensor, c: Tensor, nll: Nll, samples: int, stream: torch.Generator, batch: int = 100
) -> Tensor:
    """−log of the importance-weighted estimate of p(x|c) per image, N, with ``samples`` draws from q(z|x, c).

    Burda, Grosse and Salakhutdinov 2016, equation 8. One draw gives the negative ELBO; more draws come closer to
    −log p(x|c) from above.
    """
    bounds = []
    for xb, cb in zip(x.split(batch), c.split(batch), strict=True):
        mu, log_var = model.encode(xb, cb)
        n = len(xb)
        eps = noise(n * samples, model.latent, stream)
        mu, log_var, cb, xb = (t.repeat_interleave(samples, 0) for t in (mu, log_var, cb, xb))
        z = reparameterise(mu, log_var, eps)
        log_weight = -nll(model.decode(z, cb), xb) + log_normal_ratio(z, eps, log_var)
        bounds.append(math.log(samples) - log_weight.view(n, samples).logsumexp(1))
    return torch.cat(bounds)


def log_normal_ratio(z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """log p(z) − log q(z|x, c) for z = μ + σε, per row: the constants ½ log 2π cancel."""
    log_prior = -0.5 * (z.square() + LOG_2PI).sum(1)
    log_posterior = -0.5 * (eps.square() + log_var + LOG_2PI).sum(1)
    return log_prior - log_posterior


def mean_estimate(values: Tensor, stream: int = 0) -> dict[str, object]:
    """Mean of per-image values with its 95 % bootstrap interval over images and their number."""
    array = values.double().cpu().numpy()
    result = bootstrap((array,), np.mean, n_resamples=1000, batch=50, method="percentile", rng=stream)
    low, high = result.confidence_interval
    return {"value": float(array.mean()), "n": len(array), "interval": [float(low), float(high)]}
