"""Loss terms against closed forms and torch.distributions."""

import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mutual_info_score
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


def test_cross_entropy_and_its_gradient_are_those_of_torch():
    logits = torch.cat([torch.linspace(-110, 110, 999), torch.zeros(1)]).view(-1, 1, 1, 1).requires_grad_()
    for x in (torch.zeros(1), torch.full((1,), 0.3), torch.ones(1)):
        found, expected = (
            loss(logits, x.expand_as(logits))
            for loss in (losses.bernoulli_nll, lambda *of: F.binary_cross_entropy_with_logits(*of, reduction="none"))
        )
        torch.testing.assert_close(found, expected.flatten(), rtol=1e-6, atol=5e-7)
        weight = torch.linspace(1, 2, 1000)
        gradients = (torch.autograd.grad((weight * loss.flatten()).sum(), logits) for loss in (found, expected))
        torch.testing.assert_close(*gradients)


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


def test_half_the_squared_error_is_a_gaussian_without_its_constant(images, logits):
    constant = 0.5 * 12 * math.log(2 * math.pi)
    expected = losses.gaussian_nll(logits, images, 1.0) - constant
    torch.testing.assert_close(losses.half_squared_error(logits, images), expected)


def test_optimal_variance_is_a_minimum(images, logits):
    best = losses.optimal_gaussian_nll(logits, images).mean()
    variance = (images - logits).square().mean()
    torch.testing.assert_close(best, 0.5 * 12 * (1 + torch.log(2 * math.pi * variance)))
    for factor in (0.9, 1.1):
        assert losses.gaussian_nll(logits, images, factor * variance).mean() > best


@pytest.fixture
def verdicts() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits N×1 of a discriminator for as many real and fake images."""
    real, fake = 2 * torch.randn(2, 50, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return real, fake


def test_non_saturating_losses_are_cross_entropies(verdicts):
    real, fake = verdicts
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    entropy = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(losses.non_saturating(real, fake), entropy(real, ones) + entropy(fake, zeros))
    torch.testing.assert_close(losses.non_saturating_generator(fake), entropy(fake, ones))
    expected = -Bernoulli(logits=real).log_prob(ones).mean() - Bernoulli(logits=fake).log_prob(zeros).mean()
    torch.testing.assert_close(losses.non_saturating(real, fake), expected)


def test_a_generator_that_fools_nobody_still_has_a_gradient():
    fake = torch.full((4, 1), -30.0, requires_grad=True)
    losses.non_saturating_generator(fake).backward()
    assert fake.grad.flatten().tolist() == pytest.approx([-0.25] * 4)


def test_losses_of_extreme_logits_are_finite():
    huge = torch.tensor([[1e4], [-1e4]])
    assert losses.non_saturating(huge, huge).item() == pytest.approx(1e4)
    assert losses.non_saturating_generator(huge).item() == pytest.approx(5e3)


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([1.0, 7.0], [-1.0, -9.0], 0.0),  # beyond ±1 on the right side
        ([0.0, 0.0], [0.0, 0.0], 2.0),
        ([0.5, 3.0], [-2.0, -0.5], 0.25 + 0.25),
        ([-1.0, -3.0], [1.0, 3.0], 3.0 + 3.0),  # on the wrong side it grows in a straight line
    ],
)
def test_hinge(real, fake, expected):
    real, fake = (torch.tensor(v).view(-1, 1).requires_grad_() for v in (real, fake))
    loss = losses.hinge(real, fake)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    if expected == 0:
        assert not real.grad[1].any()
        assert not fake.grad[1].any()


def test_wasserstein_is_a_difference_of_means(verdicts):
    real, fake = verdicts
    assert losses.wasserstein(real, fake).item() == pytest.approx((fake.sum() - real.sum()).item() / 50)
    assert losses.wasserstein(real + 7, fake + 7).item() == pytest.approx(losses.wasserstein(real, fake).item())
    assert losses.critic_value(fake).item() == pytest.approx(-fake.sum().item() / 50)


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope(images):
    slope = torch.linspace(-1, 2, 12, dtype=torch.float64).view(1, 4, 3)
    slope = (3 * slope / slope.norm()).requires_grad_()
    mix = torch.rand(5, 1, 1, 1, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    penalty = losses.gradient_penalty(lambda x: (x * slope).flatten(1).sum(1, keepdim=True), images, 1 - images, mix)
    assert penalty.item() == pytest.approx((3 - 1) ** 2)
    penalty.backward()  # d(‖w‖ − 1)²/dw
    torch.testing.assert_close(slope.grad, 2 * (3 - 1) * slope.detach() / 3, rtol=1e-5, atol=1e-6)


def test_the_penalty_is_taken_between_the_images(images):
    real, fake = images, 3 * images.flip(0)
    mix = torch.tensor([0, 1, 0.5, 0.25, 0.9], dtype=torch.float64).view(5, 1, 1, 1)
    seen = losses.gradient_penalty(lambda x: 0.5 * x.square().flatten(1).sum(1), real, fake, mix)  # its gradient is x
    norms = ((1 - mix) * real + mix * fake).flatten(1).norm(dim=1)
    assert seen.item() == pytest.approx((norms - 1).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("k", [2, 10])
def test_codes_that_agree_and_are_used_alike_share_the_logarithm_of_their_number(k):
    sure = torch.eye(k).repeat(7, 1)
    assert losses.shared_information(sure, sure).item() == pytest.approx(math.log(k), abs=1e-4)
    unused = F.one_hot(torch.zeros(7 * k, dtype=torch.int64), k).float()
    assert losses.shared_information(unused, unused).item() == pytest.approx(0, abs=1e-4)
    unsure = torch.full((7 * k, k), 1 / k)
    assert losses.shared_information(unsure, unsure).item() == pytest.approx(0, abs=1e-4)


def test_independent_codes_share_nothing():
    one, other = torch.cartesian_prod(torch.arange(4), torch.arange(4)).T
    p, q = (F.one_hot(c, 4).float() for c in (one, other))
    assert losses.shared_information(p, q).item() == pytest.approx(0, abs=1e-5)


def test_shared_information_of_sure_codes_is_that_of_scikit_learn():
    stream = torch.Generator().manual_seed(5)
    one = torch.randint(5, (400,), generator=stream)
    other = torch.where(torch.rand(400, generator=stream) < 0.7, one, torch.randint(5, (400,), generator=stream))
    seen = losses.shared_information(*(F.one_hot(c, 5).double() for c in (one, other)))
    both_ways = mutual_info_score(torch.cat([one, other]), torch.cat([other, one]))
    assert seen.item() == pytest.approx(both_ways, abs=1e-5)


def test_shared_information_is_symmetric_bounded_and_pulls_unsure_pairs_together():
    p, q = torch.randn(2, 30, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64).softmax(2)
    shared = losses.shared_information(p, q)
    torch.testing.assert_close(shared, losses.shared_information(q, p))
    assert 0 < shared < losses.shared_information(p, p) < math.log(6)


@pytest.mark.parametrize("balance", [1.0, 3.0])
def test_the_balance_weighs_how_evenly_codes_are_used(balance):
    p, q = torch.randn(2, 30, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64).softmax(2)
    used = 0.5 * (p + q).mean(0)  # each of a pair may be named first
    entropy = -(used * used.log()).sum()
    expected = losses.shared_information(p, q) + (balance - 1) * entropy
    torch.testing.assert_close(losses.shared_information(p, q, balance), expected)
    sure = torch.eye(5).repeat(4, 1)
    assert losses.shared_information(sure, sure, balance).item() == pytest.approx(balance * math.log(5), abs=1e-4)


def test_the_floor_of_a_cross_entropy_is_reached_by_the_targets_themselves():
    x = torch.rand(5, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(losses.bernoulli_floor(x), losses.bernoulli_nll(torch.logit(x), x), atol=1e-5)
    assert torch.equal(losses.bernoulli_floor((x > 0.5).float()), torch.zeros(5))
    assert torch.all(losses.bernoulli_nll(torch.zeros_like(x), x) >= losses.bernoulli_floor(x))
