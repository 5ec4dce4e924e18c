"""Pixel errors against values by hand, and the Fréchet classifier distance against its closed form."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from lab_utils.data.batches import to_unit
from lab_utils.metrics import fidelity
from lab_utils.models.classifier import FaceClassifier


class LinearJudge(nn.Module):
    """A judge whose five features are a fixed linear map of the twelve values of a 3×2×2 image."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        self.head = nn.Linear(5, 2)
        with torch.no_grad():
            self.features[1].weight.copy_(torch.randn(5, 12, generator=torch.Generator().manual_seed(0)))
            self.features[1].bias.copy_(torch.arange(5.0))


def gaussian_images(mean, covariance, seed, n=4000):
    """Images N×3×2×2 whose sample mean and covariance are exactly those given."""
    noise = np.random.default_rng(seed).standard_normal((n, 12))
    noise -= noise.mean(0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T)).T)
    x = mean + white @ np.linalg.cholesky(covariance).T
    assert 0 < x.min() < x.max() < 1  # nothing is clipped
    return torch.from_numpy(x).float().view(n, 3, 2, 2)


def spread(seed, size=0.07):
    """A covariance of twelve values that depend on one another."""
    mix = np.random.default_rng(seed).standard_normal((12, 12))
    return size**2 * (mix @ mix.T / 24 + np.eye(12) / 2)


def test_fcd_is_the_closed_form_for_gaussian_features():
    judge = LinearJudge()
    means, covariances = (np.full(12, 0.5), np.linspace(0.42, 0.55, 12)), (spread(1), spread(2, 0.04))
    one, other = (gaussian_images(m, c, seed) for seed, (m, c) in enumerate(zip(means, covariances, strict=True)))
    weight = judge.features[1].weight.detach().double().numpy()
    shift = weight @ (means[0] - means[1])
    first, second = (weight @ c @ weight.T for c in covariances)
    expected = shift @ shift + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert fidelity.fcd(judge, one, other) == pytest.approx(expected, rel=0.01)  # compared as bytes
    assert fidelity.fcd(judge, other, one) == pytest.approx(fidelity.fcd(judge, one, other), rel=1e-5)


def test_fcd_of_gaussians_that_differ_in_mean_alone_is_the_squared_distance():
    judge, covariance = LinearJudge(), spread(1)
    one, other = (gaussian_images(np.full(12, mean), covariance, 0) for mean in (0.45, 0.55))
    step = judge.features[1].weight.detach().sum(1) * 0.1
    assert fidelity.fcd(judge, one, other) == pytest.approx(step.square().sum().item(), rel=0.01)


@pytest.fixture
def judge(run):
    """Untrained, so that its features are arbitrary; batch norm at rest."""
    return run.build("weights", FaceClassifier, attributes=2, side=32).eval()


@pytest.fixture(scope="module")
def faces(portraits):
    return portraits[0]


def test_fcd_of_equal_sets_is_zero_and_of_different_ones_is_not(judge, faces):
    judge.features[-2].weight.data *= 100  # so that distances are not all small
    apart = fidelity.fcd(judge, 255 - faces, faces)
    assert apart > 0.1
    assert abs(fidelity.fcd(judge, faces, faces)) < 1e-3 * apart
    assert abs(fidelity.fcd(judge, faces.flip(0), faces)) < 1e-3 * apart  # a set has no order
    assert fidelity.fcd(judge, faces, 255 - faces) == pytest.approx(apart, rel=1e-3)


def test_fcd_takes_bytes_and_numbers_alike_in_any_batches(judge, faces):
    worse = 255 - faces
    whole = fidelity.fcd(judge, worse, faces)
    for off in (0, 0.4, -0.4):  # of a byte: it is rounded
        assert fidelity.fcd(judge, to_unit(worse) + off / 255, faces) == pytest.approx(whole, rel=1e-5)
    assert fidelity.fcd(judge, worse, to_unit(faces)) == pytest.approx(whole, rel=1e-5)
    assert fidelity.fcd(judge, worse, faces, batch=33) == pytest.approx(whole, rel=1e-3)


def test_fcd_does_not_disturb_the_judge(judge, faces):
    before = {key: value.clone() for key, value in judge.state_dict().items()}
    fidelity.fcd(judge, faces, 255 - faces)
    assert not judge.training
    for key, value in judge.state_dict().items():
        assert torch.equal(value, before[key]), key


def noisy(x, amount):
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + amount * noise).clamp(0, 1)


def blurred(x, amount):
    return gaussian_blur(x, 9, amount) if amount else x


CORRUPTIONS = {"noise": (noisy, (0, 0.05, 0.1, 0.2, 0.4)), "blur": (blurred, (0, 0.4, 0.7, 1.0, 2.0))}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_fcd_grows_with_the_corruption(judge, faces, name):
    corrupt, amounts = CORRUPTIONS[name]
    values = [fidelity.fcd(judge, corrupt(to_unit(faces), amount), faces) for amount in amounts]
    assert all(better < worse for better, worse in pairwise(values)), values


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pairs_get_worse_with_the_corruption(faces, name):
    corrupt, amounts = CORRUPTIONS[name]
    x = to_unit(faces)
    for measure, sign in ((fidelity.mse, 1), (fidelity.psnr, -1), (fidelity.ssim, -1)):
        values = torch.stack([sign * measure(corrupt(x, amount), x) for amount in amounts[1:]])
        assert (values.diff(dim=0) > 0).all()  # of every image


def test_mse_and_psnr_by_hand():
    x = torch.zeros(3, 3, 2, 2)
    x_hat = x.clone()
    x_hat[1] = 0.1
    x_hat[2, 0] = 1.0  # a third of the values
    assert fidelity.mse(x_hat, x).tolist() == pytest.approx([0, 0.01, 1 / 3])
    assert fidelity.psnr(x_hat, x).tolist() == pytest.approx([float("inf"), 20, 4.7712], abs=1e-4)


def test_ssim_of_equal_images_is_one(faces):
    x = to_unit(faces[:7])
    assert fidelity.ssim(x, x).tolist() == pytest.approx([1] * 7)
    assert fidelity.ssim(x[:1], x[:1]).shape == (1,)


def test_ssim_is_of_each_pair(faces):
    x = to_unit(faces[:3])
    x_hat = torch.cat([x[:1], noisy(x[1:], 0.2)])
    values = fidelity.ssim(x_hat, x)
    assert values[0].item() == pytest.approx(1)
    assert (values[1:] < 0.9).all()
    torch.testing.assert_close(values[2:], fidelity.ssim(x_hat[2:], x[2:]))


def test_ssim_of_constant_images_by_hand():
    dark, bright = torch.full((1, 3, 32, 32), 0.2), torch.full((1, 3, 32, 32), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)  # Wang et al. 2004, equation 6
    assert fidelity.ssim(dark, bright).item() == pytest.approx(expected, rel=1e-3)
