"""Loss terms against closed forms and torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from lab_utils import losses


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 1, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(5, 1, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_kl_is_that_of_torch_distributions():
    stream = torch.Generator().manual_seed(0)
    mu, log_var = torch.randn(2, 7, 20, generator=stream, dtype=torch.float64)
    expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(losses.kl_to_standard_normal(mu, log_var), expected)


def test_kl_of_the_prior_is_zero_and_of_a_shift_half_its_square():
    zero = torch.zeros(3, 4)
    assert losses.kl_to_standard_normal(zero, zero).tolist() == [0, 0, 0]
    assert losses.kl_to_standard_normal(zero + 2, zero).tolist() == [8, 8, 8]  # 4 dimensions, ½·2² each


def test_cross_entropy_of_binary_pixels_is_bernoulli(images, logits):
    binary = images.round()
    expected = -Bernoulli(logits=logits).log_prob(binary).sum((1, 2, 3))
    torch.testing.assert_close(losses.bernoulli_nll(logits, binary), expected)


def test_cross_entropy_of_grey_pixels_is_lowest_at_their_own_logits(images):
    best = losses.bernoulli_nll(images.logit(), images)
    entropy = -(images * images.log() + (1 - images) * (1 - images).log()).sum((1, 2, 3))
    torch.testing.assert_close(best, entropy)
    assert (losses.bernoulli_nll(images.logit() + 0.1, images) > best).all()


def test_where_restricts_the_sum(images, logits):
    mask = torch.zeros(4, 3, dtype=torch.float64)
    mask[:2] = 1
    parts = losses.bernoulli_nll(logits, images, mask) + losses.bernoulli_nll(logits, images, 1 - mask)
    torch.testing.assert_close(parts, losses.bernoulli_nll(logits, images))
    torch.testing.assert_close(
        losses.bernoulli_nll(logits, images, mask), losses.bernoulli_nll(logits[:, :, :2], images[:, :, :2])
    )


@pytest.mark.parametrize("variance", [0.01, 0.5, 1.0, 7.0])
def test_gaussian_is_that_of_torch_distributions(images, logits, variance):
    expected = -Normal(logits, math.sqrt(variance)).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(losses.gaussian_nll(logits, images, variance), expected)


def test_optimal_variance_is_a_minimum(images, logits):
    best = losses.optimal_gaussian_nll(logits, images).mean()
    variance = (images - logits).square().mean()
    torch.testing.assert_close(best, 0.5 * 12 * (1 + torch.log(2 * math.pi * variance)))
    for factor in (0.9, 1.1):
        assert losses.gaussian_nll(logits, images, factor * variance).mean() > best
