"""The prior of codes for each label: a density, a map that is inverted, a fit that follows the codes."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from lab_utils.metrics import latents, likelihood
from lab_utils.models.prior import LabelPrior
from lab_utils.training.cvae import train_label_prior

pytestmark = pytest.mark.usefixtures("run")


def moments(labels=3, latent=5):
    stream = torch.Generator().manual_seed(1)
    a = torch.randn(labels, latent, latent, generator=stream)
    return torch.randn(labels, latent, generator=stream), a @ a.mT + 0.2 * torch.eye(latent)


def stirred(prior, size=0.3):
    """The prior with couplings that are not zero."""
    stream = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for coupling in prior.couplings:
            coupling[-1].weight.copy_(size * torch.randn(coupling[-1].weight.shape, generator=stream))
    return prior


def some(n=40, labels=3, latent=5):
    return torch.randn(n, latent, generator=torch.Generator().manual_seed(3)), torch.arange(n) % labels


def test_before_training_it_is_a_gaussian_for_each_label(run):
    means, covariances = moments()
    prior = run.build("prior", LabelPrior, means=means, covariances=covariances)
    z, y = some()
    expected = MultivariateNormal(means[y], covariances[y]).log_prob(z)
    torch.testing.assert_close(prior.log_prob(z, y), expected, rtol=1e-4, atol=1e-3)


def test_the_root_is_symmetric_so_that_axes_keep_their_meaning(run):
    means, covariances = moments()
    prior = run.build("prior", LabelPrior, means=means, covariances=covariances)
    moved = prior.decode(torch.eye(5), torch.ones(5, dtype=torch.int64)) - means[1]
    torch.testing.assert_close(moved, moved.T, rtol=0, atol=1e-4)
    torch.testing.assert_close(moved @ moved, covariances[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("latent", [2, 5])
def test_decoding_undoes_encoding_and_the_log_determinant_is_that_of_autograd(run, latent):
    means, covariances = moments(latent=latent)
    prior = stirred(run.build("prior", LabelPrior, means=means, covariances=covariances))
    z, y = some(latent=latent)
    u, log_det = prior.encode(z, y)
    assert not torch.allclose(u, z, atol=0.1)
    torch.testing.assert_close(prior.decode(u, y), z, rtol=1e-3, atol=1e-3)
    for i in range(6):
        jacobian = torch.autograd.functional.jacobian(
            lambda one, i=i: prior.encode(one[None], y[i : i + 1])[0][0], z[i]
        )
        torch.testing.assert_close(log_det[i], torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-3, atol=1e-3)


def test_the_label_says_which_prior_it_is(run):
    prior = stirred(run.build("prior", LabelPrior, means=torch.zeros(3, 4), covariances=torch.eye(4).repeat(3, 1, 1)))
    u = some(latent=4)[0]
    drawn = [prior.decode(u, torch.full((len(u),), k)) for k in range(3)]
    assert (drawn[0] - drawn[1]).abs().max() > 0.1
    assert (drawn[1] - drawn[2]).abs().max() > 0.1


def crescents(n=3000):
    """Codes of two labels that no Gaussian describes, as μ and log σ² (n×2), and the labels."""
    stream = torch.Generator().manual_seed(5)
    labels, x = torch.arange(n) % 2, torch.randn(n, generator=stream)
    mu = torch.stack([x, (1 - 2 * labels) * (x.square() - 1)], dim=1) + 0.1 * torch.randn(n, 2, generator=stream)
    return mu, torch.full((n, 2), -4.0), labels


def test_training_brings_it_closer_to_the_codes_than_any_gaussian(run, monkeypatch):
    mu, log_var, labels = crescents()
    means, covariances = latents.moments_by_label(mu, log_var, labels, 2)
    prior = run.build("prior", LabelPrior, means=means, covariances=covariances, hidden=32)
    others = [t[2000:] for t in (mu, log_var, labels)]
    before = likelihood.rate_under(prior, *others, run.rng("rate")).mean()
    seen = mu[:2000], log_var[:2000], labels[:2000]
    history = train_label_prior(run, prior, seen, name="prior", steps=150, batch_size=200, log_every=1)
    after = likelihood.rate_under(prior, *others, run.rng("rate")).mean()
    assert after < before - 0.3
    assert history.curve["loss"].iloc[-1] < history.curve["loss"].iloc[0]
    drawn = prior.decode(torch.randn(500, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(500).long())
    assert torch.corrcoef(torch.stack([drawn[:, 0].square(), drawn[:, 1]]))[0, 1] > 0.7  # the crescent, upwards


def test_the_rate_is_the_kl_on_average(run):
    means, covariances = moments()
    prior = run.build("prior", LabelPrior, means=means, covariances=covariances)
    mu, y = some()
    log_var = -torch.ones(40, 5)
    drawn = [likelihood.rate_under(prior, mu, log_var, y, run.rng(f"rate {i}")) for i in range(2000)]
    q = MultivariateNormal(mu, log_var.exp().diag_embed())
    expected = kl_divergence(q, MultivariateNormal(means[y], covariances[y]))
    torch.testing.assert_close(torch.stack(drawn).mean(0), expected, rtol=0.1, atol=0.2)
