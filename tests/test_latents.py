"""Latent measures against closed forms, and on codes whose structure is known."""

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.distributions import Normal, kl_divergence

from lab_utils import losses
from lab_utils.metrics import latents


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of t-SNE that wait for one another take thirty times as long where other work shares the cores."""
    with threadpool_limits(1):
        yield


def normal(n, dimensions, seed=0):
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def clusters(n=60, dimensions=10):
    """3·n codes around three centres that lie twenty deviations apart, and their labels."""
    labels = torch.arange(3 * n) % 3
    codes = normal(3 * n, dimensions)
    codes[torch.arange(3 * n), labels] += 20
    return codes, labels


def test_active_units_count_the_dimensions_that_move():
    mu = normal(5000, 5) * torch.tensor([1.0, 0.2, 0.11, 0.09, 0.0]) + 7  # variances 1, 0.04, 0.012, 0.008, 0
    assert latents.active_units(mu) == 3
    assert latents.active_units(mu, threshold=0.5) == 1
    assert latents.active_units(torch.ones(10, 4)) == 0


def test_kl_per_dimension_is_that_of_torch_distributions():
    mu, log_var = normal(50, 6), normal(50, 6, seed=1)
    expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).mean(0)
    found = latents.kl_per_dimension(mu, log_var)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(), losses.kl_to_standard_normal(mu, log_var).mean())


def test_the_map_keeps_clusters_apart_and_repeats_itself():
    codes, labels = clusters()
    flat, trust = latents.tsne(codes, seed=0)
    assert flat.shape == (180, 2)
    assert 0.9 < trust <= 1
    centres = torch.stack([flat[labels == k].mean(0) for k in range(3)])
    assert torch.equal(torch.cdist(flat, centres).argmin(1), labels)
    again, trust_again = latents.tsne(codes, seed=0)
    assert torch.equal(flat, again)
    assert trust == trust_again


def test_a_map_of_more_than_two_dimensions_of_noise_is_not_trusted_as_much():
    _, clear = latents.tsne(clusters(dimensions=3)[0], seed=0)
    _, noise = latents.tsne(normal(180, 30), seed=0)
    assert noise < clear - 0.05


def test_few_codes_have_a_map():
    assert latents.tsne(normal(30, 4), seed=0)[0].shape == (30, 2)  # fewer than the usual perplexity


def test_neighbours_vote():
    train = torch.tensor([[0.0], [1], [2], [10], [11], [12]])
    labels = torch.tensor([0, 0, 1, 1, 1, 0])
    test, wanted = torch.tensor([[0.9], [0.9], [11.1]]), torch.tensor([0, 1, 1])
    votes = latents.neighbour_votes(train, labels, test, wanted, k=3)
    assert votes.tolist() == [1, 0, 1]
    assert votes.dtype == torch.float32


def test_neighbours_know_their_cluster():
    codes, labels = clusters()
    assert latents.neighbour_votes(codes[:120], labels[:120], codes[120:], labels[120:]).mean() == 1


def test_mmd_is_the_mean_over_pairs():
    x, y = normal(5, 3).double(), normal(4, 3, seed=1).double()

    def mean(a, b, same=False):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (same and i == j)]
        return sum(6 / (6 + (a[i] - b[j]).square().sum().item()) for i, j in pairs) / len(pairs)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y)
    assert latents.mmd(x, y) == pytest.approx(expected, abs=1e-10)
    assert latents.mmd(y, x) == pytest.approx(expected, abs=1e-10)


def test_mmd_is_unbiased():
    values = torch.tensor([latents.mmd(normal(40, 8, seed=i), normal(60, 8, seed=1000 + i)) for i in range(300)])
    assert abs(values.mean()) < 4 * values.std() / 300**0.5
    assert (values < 0).sum() > 60  # an estimate that cannot be negative is above zero on average


@pytest.mark.parametrize("change", [lambda z, s: z + s, lambda z, s: z * (1 + s)], ids=["shift", "scale"])
def test_mmd_grows_with_the_difference(change):
    x, y = normal(1000, 8), normal(1000, 8, seed=1)
    values = [latents.mmd(change(x, s), y) for s in (0.0, 0.2, 0.5, 1.0, 2.0)]
    assert abs(values[0]) < 0.001
    assert values == sorted(values)
    assert values[1] > 4 * abs(values[0])


def test_a_fitted_gaussian_draws_what_it_was_fitted_to():
    mix = torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [-1, 0.3, 0.1]])
    codes = normal(20_000, 3) @ mix.T + torch.tensor([5.0, 0, -3])
    gaussian = latents.fit_gaussian(codes)
    mean, factor = gaussian
    torch.testing.assert_close(mean, codes.mean(0))
    torch.testing.assert_close(factor @ factor.T, torch.cov(codes.T), rtol=1e-3, atol=1e-4)
    drawn = latents.draw(gaussian, normal(20_000, 3, seed=1))
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), rtol=0, atol=0.06)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(codes.T), rtol=0.05, atol=0.02)
    assert drawn.dtype == torch.float32


def test_a_dimension_that_never_moves_can_be_fitted():
    codes = normal(500, 3) * torch.tensor([1.0, 0, 2]) + torch.tensor([0.0, 4, 0])
    drawn = latents.draw(latents.fit_gaussian(codes), normal(500, 3, seed=1))
    torch.testing.assert_close(drawn[:, 1], torch.full((500,), 4.0), rtol=0, atol=0.02)
