"""How well a model explains images: the ELBO per image and the importance-weighted bound. Units: nats/image."""

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor, nn

from lab_utils.data.batches import Prepare, Tensors
from lab_utils.losses import LOG_2PI, kl_to_standard_normal
from lab_utils.models.vae import reparameterise
from lab_utils.repro import noise

Nll = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def elbo_terms(
    model: nn.Module, split: Tensors, prepare: Prepare, nll: Nll, stream: torch.Generator, batch: int = 1000
) -> tuple[Tensor, Tensor]:
    """Both terms of the negative ELBO for each image, N and N, with one sample of z per image, in float32.

    ``split`` is what lies on the device, images uint8 and perhaps labels; ``prepare`` makes x and conditions of it.
    The noise of all images is drawn at once, so that the value does not depend on ``batch``.
    """
    eps = noise(len(split[0]), model.latent, stream)
    reconstruction, kl = [], []
    with evaluating(model):
        for *tensors, eb in parts((*split, eps), batch):
            x, *c = prepare(*tensors)
            logits, mu, log_var = model(x, *c, eb)
            reconstruction.append(nll(logits, x))
            kl.append(kl_to_standard_normal(mu, log_var))
    return torch.cat(reconstruction), torch.cat(kl)


@torch.no_grad()
def posteriors(model: nn.Module, split: Tensors, prepare: Prepare, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """μ and log σ² of q(z|x, c) for each image, each N×latent."""
    with evaluating(model):
        codes = [model.encode(*prepare(*tensors)) for tensors in parts(split, batch)]
    mu, log_var = zip(*codes, strict=True)
    return torch.cat(mu), torch.cat(log_var)


def sampled_latents(model: nn.Module, split: Tensors, prepare: Prepare, stream: torch.Generator) -> Tensor:
    """One z ~ q(z|x, c) for each image, N×latent."""
    mu, log_var = posteriors(model, split, prepare)
    return reparameterise(mu, log_var, noise(len(mu), model.latent, stream))


@torch.no_grad()
def importance_bound(
    model: nn.Module,
    split: Tensors,
    prepare: Prepare,
    nll: Nll,
    samples: int,
    stream: torch.Generator,
    batch: int = 100,
) -> Tensor:
    """−log of the importance-weighted estimate of p(x|c) per image, N, with ``samples`` draws from q(z|x, c).

    Burda, Grosse and Salakhutdinov 2016, equation 8. One draw gives the negative ELBO; more draws come closer to
    −log p(x|c) from above.
    """
    bounds = []
    with evaluating(model):
        for tensors in parts(split, batch):
            x, *c = prepare(*tensors)
            mu, log_var = model.encode(x, *c)
            n = len(x)
            eps = noise(n * samples, model.latent, stream)
            x, mu, log_var, *c = (t.repeat_interleave(samples, 0) for t in (x, mu, log_var, *c))
            z = reparameterise(mu, log_var, eps)
            log_weight = -nll(model.decode(z, *c), x) + log_normal_ratio(z, eps, log_var)
            bounds.append(math.log(samples) - log_weight.view(n, samples).logsumexp(1))
    return torch.cat(bounds)


@torch.no_grad()
def mean_images(model: nn.Module, z: Tensor, batch: int = 500) -> Tensor:
    """The decoder's mean images N×C×H×W in [0, 1] for latents N×latent of a model without a condition."""
    with evaluating(model):
        return torch.cat([model.decode(part).sigmoid() for part in z.split(batch)])


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Batch norm uses its running statistics inside, and what it used before after."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def parts(tensors: Tensors, batch: int) -> Iterator[tuple[Tensor, ...]]:
    """The tensors cut alike into pieces of at most ``batch`` rows."""
    return zip(*(t.split(batch) for t in tensors), strict=True)


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
