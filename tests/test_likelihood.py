"""Bounds against a model whose likelihood is known, and batched evaluation against whole."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from lab_utils import losses, repro, steps
from lab_utils.metrics import likelihood
from lab_utils.models.cvae import MLPCVAE, ConvCVAE


class GaussianChain(nn.Module):
    """z ~ N(0, 1), x|z ~ N(z, 1): the posterior is N(x/2, ½) and x ~ N(0, 2), so every bound can be checked."""

    latent = 1

    def __init__(self, log_var: float = -0.6931471805599453):
        super().__init__()
        self.log_var = log_var

    def encode(self, x, c):
        return x.flatten(1) / 2, torch.full_like(x.flatten(1), self.log_var)

    def decode(self, z, c):
        return z.view(-1, 1, 1, 1)

    def forward(self, x, c, noise):
        mu, log_var = self.encode(x, c)
        return self.decode(mu + (0.5 * log_var).exp() * noise, c), mu, log_var


@pytest.fixture
def chain():
    x = torch.linspace(-2, 2, 40).view(-1, 1, 1, 1)
    exact = -Normal(0.0, 2**0.5).log_prob(x).flatten()
    return x, torch.zeros(40, 0), exact


def as_it_is(*tensors):
    return tensors


def unit_gaussian(mean, x):
    return losses.gaussian_nll(mean, x, 1.0)


@pytest.mark.parametrize("samples", [1, 10])
def test_importance_bound_is_exact_under_the_true_posterior(chain, samples):
    x, c, exact = chain
    stream = repro.generator(0, "bound")
    bound = likelihood.importance_bound(GaussianChain(), (x, c), as_it_is, unit_gaussian, samples, stream)
    torch.testing.assert_close(bound, exact)


def test_more_samples_come_closer_to_the_likelihood_from_above(chain):
    x, c, exact = (t.repeat(25, *[1] * (t.dim() - 1)) for t in chain)
    model = GaussianChain(log_var=0.5)  # a posterior that is too wide
    means = [
        likelihood.importance_bound(model, (x, c), as_it_is, unit_gaussian, k, repro.generator(0, "bound"))
        .mean()
        .item()
        for k in (1, 10, 1000)
    ]
    assert means[0] > means[1] > means[2] > exact.mean().item() - 0.01
    assert means[2] == pytest.approx(exact.mean().item(), abs=0.02)


def test_elbo_of_the_true_posterior_is_the_likelihood_on_average(chain):
    x, c, exact = chain
    x, c, exact = x.repeat(500, 1, 1, 1), c.repeat(500, 1), exact.repeat(500)
    terms = likelihood.elbo_terms(GaussianChain(), (x, c), as_it_is, unit_gaussian, repro.generator(0, "z"))
    assert sum(terms).mean().item() == pytest.approx(exact.mean().item(), abs=0.02)


@pytest.mark.parametrize("make", [MLPCVAE, ConvCVAE])
def test_batched_evaluation_equals_whole(run, make, blobs):
    model = run.build("weights", make)
    whole, parts = (
        likelihood.elbo_terms(model, blobs, steps.with_label, losses.bernoulli_nll, run.generator("z"), batch=b)
        for b in (200, 7)
    )
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_mean_estimate_covers_the_mean():
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0)) + 3
    estimate = likelihood.mean_estimate(values)
    assert estimate["n"] == 4000
    assert estimate["value"] == pytest.approx(values.double().mean().item())
    low, high = estimate["interval"]
    assert low < estimate["value"] < high
    assert high - low == pytest.approx(2 * 1.96 / 4000**0.5, rel=0.15)
    assert likelihood.mean_estimate(values) == estimate
