"""Bounds against a model whose likelihood is known, and batched evaluation against whole."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from lab_utils import losses
from lab_utils.metrics import likelihood
from lab_utils.metrics.estimate import mean_estimate
from lab_utils.models.cvae import MLPCVAE, ConvCVAE
from lab_utils.models.vae import FaceVAE
from lab_utils.run import noise, rng
from lab_utils.training.cvae import with_label
from lab_utils.training.vae import unconditional


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
    stream = rng(0, "bound")
    bound = likelihood.importance_bound(GaussianChain(), (x, c), as_it_is, unit_gaussian, samples, stream)
    torch.testing.assert_close(bound, exact)


def test_more_samples_come_closer_to_the_likelihood_from_above(chain):
    x, c, exact = (t.repeat(25, *[1] * (t.dim() - 1)) for t in chain)
    model = GaussianChain(log_var=0.5)  # a posterior that is too wide
    means = [
        likelihood.importance_bound(model, (x, c), as_it_is, unit_gaussian, k, rng(0, "bound")).mean().item()
        for k in (1, 10, 1000)
    ]
    assert means[0] > means[1] > means[2] > exact.mean().item() - 0.01
    assert means[2] == pytest.approx(exact.mean().item(), abs=0.02)


def test_elbo_of_the_true_posterior_is_the_likelihood_on_average(chain):
    x, c, exact = chain
    x, c, exact = x.repeat(500, 1, 1, 1), c.repeat(500, 1), exact.repeat(500)
    terms = likelihood.elbo_terms(GaussianChain(), (x, c), as_it_is, unit_gaussian, rng(0, "z"))
    assert sum(terms).mean().item() == pytest.approx(exact.mean().item(), abs=0.02)


def face_vae(run):
    """A face VAE whose batch norm has seen other images than those it is evaluated on."""
    model = run.build("weights", FaceVAE, latent=6, width=4, side=32)
    seen = 0.3 * torch.rand(50, 3, 32, 32, generator=run.rng("seen"))
    for _ in range(5):
        model(seen, noise(50, 6, run.rng("z")))
    return model


CASES = {  # model, images that it evaluates, how they are prepared
    "mlp": (lambda run: run.build("weights", MLPCVAE), "blobs", with_label),
    "conv": (lambda run: run.build("weights", ConvCVAE), "blobs", with_label),
    "face": (face_vae, "portraits", unconditional),
}


@pytest.fixture(params=CASES)
def case(request, run):
    make, images, prepare = CASES[request.param]
    return make(run), request.getfixturevalue(images), prepare


def test_batched_evaluation_equals_whole(run, case):
    model, split, prepare = case
    whole, parts = (
        likelihood.elbo_terms(model, split, prepare, losses.bernoulli_nll, run.rng("z"), batch=b) for b in (200, 7)
    )
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_batched_codes_equal_whole(case):
    model, split, prepare = case
    for one, other in zip(*(likelihood.posteriors(model, split, prepare, batch=b) for b in (200, 7)), strict=True):
        assert one.shape == (200, model.latent)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_bound_of_one_sample_is_the_negative_elbo(run, case):
    model, split, prepare = case
    split = tuple(t[:50] for t in split)
    bound = likelihood.importance_bound(model, split, prepare, losses.bernoulli_nll, 1, run.rng("z"))
    many = likelihood.importance_bound(model, split, prepare, losses.bernoulli_nll, 30, run.rng("z"))
    # Both draw the same noise, so that only the KL term differs: one sample of it against its mean.
    reconstruction, kl = likelihood.elbo_terms(model, split, prepare, losses.bernoulli_nll, run.rng("z"))
    mu, log_var = likelihood.posteriors(model, split, prepare)
    eps = noise(50, model.latent, run.rng("z"))
    z = mu + (0.5 * log_var).exp() * eps
    sampled = Normal(mu, (0.5 * log_var).exp()).log_prob(z).sum(1) - Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(bound, reconstruction + sampled, rtol=1e-5, atol=1e-3)
    assert many.mean() <= bound.mean() + 0.05
    assert kl.mean() > 0


def test_sampled_codes_are_drawn_from_the_posterior(run, case):
    model, split, prepare = case
    mu, log_var = likelihood.posteriors(model, split, prepare)
    z = likelihood.sampled_latents(model, split, prepare, run.rng("z"))
    eps = noise(200, model.latent, run.rng("z"))
    torch.testing.assert_close(z, mu + (0.5 * log_var).exp() * eps)


def test_mean_images_are_what_the_decoder_means(run):
    model, z = face_vae(run), noise(11, 6, run.rng("prior"))
    images = likelihood.mean_images(model, z, batch=4)
    with torch.no_grad():
        torch.testing.assert_close(images, model.eval().decode(z).sigmoid())
    assert images.shape == (11, 3, 32, 32)
    assert images.min() >= 0
    assert images.max() <= 1


EVALUATIONS = {
    "elbo": lambda m, x, z: likelihood.elbo_terms(m, x, unconditional, losses.bernoulli_nll, z),
    "posteriors": lambda m, x, z: likelihood.posteriors(m, x, unconditional),
    "sampled": lambda m, x, z: likelihood.sampled_latents(m, x, unconditional, z),
    "bound": lambda m, x, z: likelihood.importance_bound(m, x, unconditional, losses.bernoulli_nll, 3, z),
    "images": lambda m, x, z: likelihood.mean_images(m, torch.zeros(4, 6)),
}


@pytest.mark.parametrize("name", EVALUATIONS)
@pytest.mark.parametrize("training", [True, False])
def test_evaluation_changes_nothing_and_does_not_depend_on_the_mode(run, portraits, name, training):
    model = face_vae(run).train(training)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    measured = EVALUATIONS[name](model, (portraits[0][:20],), run.rng("z"))
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    again = EVALUATIONS[name](model.eval(), (portraits[0][:20],), run.rng("z"))
    torch.testing.assert_close(measured, again, rtol=0, atol=0)


def test_the_mode_is_restored_after_an_error(run):
    model = face_vae(run)
    with pytest.raises(RuntimeError, match="shape"):
        likelihood.mean_images(model, torch.zeros(1, 7))  # one dimension too many
    assert model.training


def test_mean_estimate_covers_the_mean():
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0)) + 3
    estimate = mean_estimate(values)
    assert estimate["n"] == 4000
    assert estimate["value"] == pytest.approx(values.double().mean().item())
    low, high = estimate["interval"]
    assert low < estimate["value"] < high
    assert high - low == pytest.approx(2 * 1.96 / 4000**0.5, rel=0.15)
    assert mean_estimate(values) == estimate


def test_the_posterior_on_a_grid_is_that_of_a_linear_model():
    """x = a·z + noise has the posterior N(aᵀx/(|a|² + s²), s²/(|a|² + s²)) and the evidence N(0, aaᵀ + s²I)."""

    class Line(torch.nn.Module):
        def decode(self, z):
            return z @ torch.tensor([[1.5, -0.5]])

    s2, a, x = 0.2, torch.tensor([1.5, -0.5]), torch.tensor([[1.0, 0.3], [-2.0, 1.0]])
    grid = torch.linspace(-8, 8, 4001)
    density, log_p = likelihood.posterior_on_grid(Line(), x, lambda m, y: losses.gaussian_nll(m, y, s2), grid)
    precision = a @ a + s2
    exact = torch.distributions.Normal((x @ a / precision)[:, None], (s2 / precision).sqrt())
    torch.testing.assert_close(density, exact.log_prob(grid).exp(), rtol=1e-3, atol=1e-4)
    evidence = torch.distributions.MultivariateNormal(torch.zeros(2), torch.outer(a, a) + s2 * torch.eye(2))
    torch.testing.assert_close(log_p, evidence.log_prob(x), rtol=1e-4, atol=1e-4)
