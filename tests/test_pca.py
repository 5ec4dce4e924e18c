"""Principal components against those of scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from lab_utils.metrics import pca

pytestmark = pytest.mark.usefixtures("run")  # on one thread


@pytest.fixture(scope="module")
def images():
    """1500 images (uint8, N×3×10×10), so more than one part: a mean, directions of falling variance, and noise."""
    stream = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(300, 300, generator=stream)).Q
    scale = 300 / torch.arange(1, 301)
    x = 120 + (torch.randn(1500, 300, generator=stream) * scale) @ directions.T
    return x.clamp(0, 255).round().byte().view(1500, 3, 10, 10)


@pytest.fixture(scope="module")
def reference(images):
    """Scikit-learn's components of the same rows."""
    rows = images.flatten(1).numpy() / 255
    with threadpool_limits(1):  # threads that wait for one another take long where other work shares the cores
        return PCA(12, svd_solver="full").fit(rows), rows


def stream():
    return torch.Generator().manual_seed(3)


def test_the_basis_is_orthonormal(images):
    mean, basis = pca.fit_pca(images, 12, stream())
    assert mean.shape == (300,)
    assert basis.shape == (300, 12)
    assert mean.dtype == basis.dtype == torch.float32
    torch.testing.assert_close(basis.T @ basis, torch.eye(12), rtol=0, atol=1e-5)


def test_the_components_are_those_of_scikit_learn(images, reference):
    mean, basis = pca.fit_pca(images, 12, stream())
    np.testing.assert_allclose(mean.numpy(), reference[0].mean_, atol=1e-6)
    cosines = np.abs((reference[0].components_ * basis.T.numpy()).sum(1))
    assert cosines.min() > 0.99  # in the same order, largest variance first


def test_no_linear_code_leaves_less(images, reference):
    theirs, rows = reference
    best = np.square(theirs.inverse_transform(theirs.transform(rows)) - rows).mean()
    mean, basis = pca.fit_pca(images, 12, stream())
    x = pca.centred(images, mean)
    ours = (x - x @ basis @ basis.T).square().mean().item()
    assert best * (1 - 1e-5) <= ours <= best * 1.001


def test_the_error_falls_with_the_components(images):
    x = images.float() / 255
    errors = []
    for components in (1, 4, 16, 64, 300):
        errors.append((pca.reconstruct(images, *pca.fit_pca(images, components, stream())) - x).square().mean().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9  # as many components as there are pixels


def test_the_fit_depends_on_the_stream_alone(images):
    one, other = (pca.fit_pca(images, 12, stream())[1] for _ in range(2))
    assert torch.equal(one, other)


def test_fewer_images_than_components(images):
    few = images[:8]
    mean, basis = pca.fit_pca(few, 12, stream())
    assert basis.shape == (300, 8)
    torch.testing.assert_close(pca.reconstruct(few, mean, basis), few.float() / 255, rtol=0, atol=1e-4)


def test_reconstructions_are_clipped_to_the_range_of_pixels():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 1, 2).contiguous()
    mean, basis = torch.tensor([0.5, 0.5]), torch.tensor([[1.0], [0.0]])
    assert pca.reconstruct(images, mean, basis).flatten(1).tolist() == [[0, 0.5], [1, 0.5]]
    wide = torch.tensor([[2.0], [0.0]])  # a basis that overshoots: 0.5 ± 4·0.5
    assert pca.reconstruct(images, mean, wide).flatten(1).tolist() == [[0, 0.5], [1, 0.5]]


def test_the_log_likelihood_is_that_of_scikit_learn(images, reference):
    theirs, rows = reference
    ppca = pca.fit_ppca(images, 12, stream())
    others = images[:200]
    # Scikit-learn divides variances by N − 1, and has exact components where these come of a few rounds.
    found, expected = pca.log_likelihood(ppca, others).numpy(), theirs.score_samples(rows[:200])
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert found.mean() == pytest.approx(expected.mean(), rel=2e-3)


def test_the_log_likelihood_is_that_of_a_gaussian_in_full(images):
    small = images[:, :, :3, :3].contiguous()
    ppca = pca.fit_ppca(small, 5, stream())
    covariance = ppca.basis @ torch.diag(ppca.variances - ppca.noise) @ ppca.basis.T + ppca.noise * torch.eye(27)
    full = torch.distributions.MultivariateNormal(ppca.mean.double(), covariance.double())
    expected = full.log_prob(small.flatten(1).double() / 255)
    torch.testing.assert_close(pca.log_likelihood(ppca, small), expected, rtol=1e-4, atol=0.01)


def test_no_other_noise_explains_the_images_better(images):
    best = pca.fit_ppca(images, 12, stream())
    highest = pca.log_likelihood(best, images).mean()
    for factor in (0.9, 1.1):
        assert pca.log_likelihood(best._replace(noise=best.noise * factor), images).mean() < highest
        assert pca.log_likelihood(best._replace(variances=best.variances * factor), images).mean() < highest


@pytest.mark.parametrize("beta", [1e-4, 0.05, 3.0])
def test_the_linear_optimum_has_the_rate_and_distortion_that_are_predicted(images, beta):
    ppca = pca.fit_ppca(images, 12, stream())
    best = pca.linear_optimum(ppca, beta)
    x = pca.centred(images, ppca.mean).double()
    back = (best.basis * (best.variances - best.noise).sqrt()).double()  # as VAEFromPPCA starts
    mu = x @ (back / best.variances)
    variance = (best.noise / best.variances).double()
    kl = 0.5 * (mu.square() + variance - variance.log() - 1).sum(1).mean().item()
    error = (x - mu @ back.T).square().sum(1).mean().item() + (back.square().sum(0) * variance).sum().item()
    rate, distortion = pca.linear_prediction(ppca, beta)
    assert kl == pytest.approx(rate, rel=2e-3, abs=1e-3)
    assert 0.5 * error == pytest.approx(distortion, rel=2e-3)


def test_dearer_nats_are_fewer(images):
    ppca = pca.fit_ppca(images, 12, stream())
    rates, distortions = zip(*(pca.linear_prediction(ppca, beta) for beta in (0, 1e-3, 0.1, 1, 100)), strict=True)
    assert list(rates) == sorted(rates, reverse=True)
    assert rates[-1] == 0
    assert list(distortions) == sorted(distortions)


# The linear generator


def test_without_conditions_it_draws_eigenfaces(images, reference):
    theirs, _ = reference
    start = pca.fit_linear_generator(images, 12, stream())
    assert start.directions.shape == (12, 300)
    np.testing.assert_allclose((start.mean.numpy() + 1) / 2, theirs.mean_, atol=1e-5)
    sizes = start.directions.norm(dim=1).numpy() / 2  # of images in [−1, 1]
    np.testing.assert_allclose(sizes, np.sqrt(theirs.explained_variance_), rtol=0.01)
    cosines = np.abs((start.directions.numpy() / (2 * sizes[:, None]) * theirs.components_).sum(1))
    assert cosines.min() > 0.99


def test_with_as_much_noise_as_there_are_pixels_it_draws_the_covariance_of_the_images(images):
    start = pca.fit_linear_generator(images, 300, stream())
    x = 2 * images.flatten(1).double() / 255 - 1
    torch.testing.assert_close(start.mean, x.mean(0).float())
    covariance = start.directions.double().T @ start.directions.double()  # of standard normal noise
    torch.testing.assert_close(covariance, torch.cov(x.T, correction=0), rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def told(images):
    """Two conditions, 1500×2 of 0 and 1, of which the first adds to the first 30 values; and the images with it."""
    conditions = torch.randint(0, 2, (1500, 2), generator=torch.Generator().manual_seed(5)).float()
    changed = images.flatten(1).float()
    changed[:, :30] += 40 * conditions[:, :1]
    return changed.clamp(0, 255).round().byte().view(images.shape), conditions


def test_conditions_are_their_regression_and_come_after_the_noise(told):
    images, conditions = told
    start = pca.fit_linear_generator(images, 6, stream(), conditions)
    assert start.directions.shape == (8, 300)
    x = 2 * images.flatten(1).double().numpy() / 255 - 1
    c = conditions.double().numpy() - conditions.double().numpy().mean(0)
    ridge = np.linalg.solve(c.T @ c + pca.RIDGE * np.eye(2), c.T @ (x - x.mean(0)))
    np.testing.assert_allclose(start.directions[6:].numpy(), ridge, atol=1e-4)
    assert start.directions[6, :30].mean().item() == pytest.approx(2 * 40 / 255, rel=0.15)
    assert start.directions[7, :30].abs().mean() < 0.1
    expected = x.mean(0) - conditions.double().numpy().mean(0) @ ridge  # an image that is told nothing
    np.testing.assert_allclose(start.mean.numpy(), expected, atol=1e-4)


def test_the_noise_moves_along_what_conditions_leave_open(told):
    images, conditions = told
    start = pca.fit_linear_generator(images, 6, stream(), conditions)
    x = 2 * images.flatten(1).float() / 255 - 1
    rest = x - start.mean - conditions @ start.directions[6:]
    assert rest.mean(0).abs().max() < 1e-3
    theirs = PCA(6, svd_solver="full").fit(rest.numpy())
    sizes = start.directions[:6].norm(dim=1)
    np.testing.assert_allclose(sizes.numpy(), np.sqrt(theirs.explained_variance_), rtol=0.01)
    unit = start.directions[:6] / sizes[:, None]
    torch.testing.assert_close(unit @ unit.T, torch.eye(6), rtol=0, atol=1e-4)
    assert np.abs((unit.numpy() * theirs.components_).sum(1)).min() > 0.98


def test_conditions_that_always_go_together_share_what_they_say(told):
    images, conditions = told
    twice = torch.cat([conditions[:, :1], conditions[:, :1]], dim=1)
    start = pca.fit_linear_generator(images, 3, stream(), twice)
    assert start.directions.isfinite().all()
    torch.testing.assert_close(start.directions[3], start.directions[4], rtol=1e-2, atol=1e-3)
    one_hot = torch.cat([conditions[:, :1], 1 - conditions[:, :1]], dim=1)  # which add up to one
    assert pca.fit_linear_generator(images, 3, stream(), one_hot).directions.isfinite().all()


def test_principal_directions_are_those_of_the_table(images):
    x = images.flatten(1).float() / 255
    x = x - x.mean(0)
    found = pca.principal(lambda: x.split(400), 300, 24, stream())
    assert found.shape == (300, 24)
    torch.testing.assert_close(found.T @ found, torch.eye(24), rtol=0, atol=1e-5)
    theirs = torch.linalg.svd(x, full_matrices=False).Vh[:12]
    assert (found[:, :12].T * theirs).sum(1).abs().min() > 0.99
    assert pca.principal(lambda: [x], 300, 999, stream()).shape == (300, 300)  # no more than there are
