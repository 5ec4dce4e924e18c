"""How well a model explains images: the ELBO per image and the importance-weighted bound. Units: nats/image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.data.batches import Prepare, Tensors, by_parts, parts
from lab_utils.losses import LOG_2PI, kl_to_standard_normal, squared_error
from lab_utils.metrics.latents import log_normal
from lab_utils.models.vae import reparameterise
from lab_utils.run import evaluating, noise

Nll = Callable[[Tensor, Tensor], Tensor]


@spend("metrics")
@torch.no_grad()
def elbo_terms(
    model: nn.Module, split: Tensors, prepare: Prepare, nll: Nll, rng: torch.Generator, batch: int = 1000
) -> tuple[Tensor, Tensor]:
    """Both terms of the negative ELBO for each image, N and N, with one sample of z per image, in float32.

    ``split`` is what lies on the device, images uint8 and perhaps labels; ``prepare`` makes x and conditions of it.
    The noise of all images is drawn at once, so that the value does not depend on ``batch``.
    """
    eps = noise(len(split[0]), model.latent, rng)
    reconstruction, kl = [], []
    with evaluating(model):
        for *tensors, eb in parts((*split, eps), batch):
            x, *c = prepare(*tensors)
            logits, mu, log_var = model(x, *c, eb)
            reconstruction.append(nll(logits, x))
            kl.append(kl_to_standard_normal(mu, log_var))
    return torch.cat(reconstruction), torch.cat(kl)


def best_variance(model: nn.Module, split: Tensors, prepare: Prepare, rng: torch.Generator) -> float:
    """The best σ² of a Gaussian decoder for some images: their mean squared error per value, at one sampled z for each.

    The maximum-likelihood estimate, one number for all images (Rybkin, Daniilidis and Levine 2021, equation 6), from
    images in [0, 1] and the model's mean images. Take it from training images and hold it fixed.
    """

    def error(decoded: Tensor, x: Tensor) -> Tensor:
        return squared_error(model.mean(decoded), x) / x[0].numel()

    return elbo_terms(model, split, prepare, error, rng)[0].mean().item()


@spend("metrics")
@torch.no_grad()
def posteriors(model: nn.Module, split: Tensors, prepare: Prepare, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """μ and log σ² of q(z|x, c) for each image, each N×latent."""
    with evaluating(model):
        codes = [model.encode(*prepare(*tensors)) for tensors in parts(split, batch)]
    mu, log_var = zip(*codes, strict=True)
    return torch.cat(mu), torch.cat(log_var)


def sampled_latents(model: nn.Module, split: Tensors, prepare: Prepare, rng: torch.Generator) -> Tensor:
    """One z ~ q(z|x, c) for each image, N×latent."""
    mu, log_var = posteriors(model, split, prepare)
    return reparameterise(mu, log_var, noise(len(mu), model.latent, rng))


@spend("metrics")
@torch.no_grad()
def rate_under(prior: nn.Module, mu: Tensor, log_var: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """log q(z|x) − log p(z|y) of one z ~ q(z|x) for each image, N: what its code costs under the prior of its label.

    μ and log σ² are N×latent, labels N. Its mean over z is KL(q(z|x) ‖ p(z|y)).
    """
    z = reparameterise(mu, log_var, noise(*mu.shape, rng))
    return log_normal(z, mu, log_var) - prior.log_prob(z, labels)


@spend("metrics")
@torch.no_grad()
def importance_bound(
    model: nn.Module,
    split: Tensors,
    prepare: Prepare,
    nll: Nll,
    samples: int,
    rng: torch.Generator,
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
            eps = noise(n * samples, model.latent, rng)
            x, mu, log_var, *c = (t.repeat_interleave(samples, 0) for t in (x, mu, log_var, *c))
            z = reparameterise(mu, log_var, eps)
            log_weight = -nll(model.decode(z, *c), x) + log_normal_ratio(z, eps, log_var)
            bounds.append(math.log(samples) - log_weight.view(n, samples).logsumexp(1))
    return torch.cat(bounds)


@spend("metrics")
def mean_images(model: nn.Module, z: Tensor, batch: int = 500) -> Tensor:
    """The decoder's mean images N×C×H×W, clipped to [0, 1], for latents N×latent of a model without a condition."""
    with evaluating(model):
        return by_parts(lambda part: model.mean(model.decode(part)).clamp(0, 1), z, size=batch)


def rebuilt(model: nn.Module, images: Tensor, prepare: Prepare) -> Tensor:
    """:func:`mean_images` of uint8 images N×C×H×W at z = μ."""
    return mean_images(model, posteriors(model, (images,), prepare)[0])


def log_normal_ratio(z: Tensor, eps: Tensor, log_var: Tensor) -> Tensor:
    """log p(z) − log q(z|x, c) for z = μ + σε, per row: the constants ½ log 2π cancel."""
    log_prior = -0.5 * (z.square() + LOG_2PI).sum(1)
    log_posterior = -0.5 * (eps.square() + log_var + LOG_2PI).sum(1)
    return log_prior - log_posterior


@torch.no_grad()
def posterior_on_grid(model: nn.Module, x: Tensor, nll: Nll, grid: Tensor) -> tuple[Tensor, Tensor]:
    """p(z|x) of N images or points on a grid of M equally spaced z (M, for one latent dimension), and log p(x).

    By Bayes' rule with the sum over the grid in place of the integral: densities N×M and N values in nats.
    """
    with evaluating(model):
        decoded = model.decode(grid[:, None])
    joint = torch.stack([-nll(decoded, one.expand(len(grid), *one.shape)) for one in x])  # log p(x|z), N×M
    joint = joint - 0.5 * (grid.square() + LOG_2PI)
    step = (grid[1] - grid[0]).log()
    log_p = torch.logsumexp(joint, dim=1) + step
    return (joint - log_p[:, None]).exp(), log_p
