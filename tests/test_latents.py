"""Latent measures against closed forms, and on codes whose structure is known."""

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.distributions import Normal, kl_divergence

from lab_utils import losses
from lab_utils.metrics import latents
from lab_utils.models.vae import reparameterise


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


def test_active_units_are_the_same_after_a_rotation():
    mu = normal(2000, 12) * torch.tensor([1.0] + 11 * [0.0])
    rotation = torch.linalg.qr(normal(12, 12, seed=1)).Q
    assert ((mu @ rotation).var(0) > 0.01).sum() > 6  # what counting axes would say
    assert latents.active_units(mu @ rotation) == latents.active_units(mu) == 1


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


def test_a_mixture_finds_clusters_and_draws_from_them():
    codes, labels = clusters()
    mixture = latents.fit_mixture(codes, 3, seed=0)
    centres = torch.stack([codes[labels == k].mean(0) for k in range(3)])
    nearest = torch.cdist(centres, mixture.means).min(1)
    assert nearest.values.max() < 0.01
    assert sorted(nearest.indices.tolist()) == [0, 1, 2]
    torch.testing.assert_close(mixture.weights.sum(), torch.tensor(1.0))
    drawn = latents.draw_mixture(mixture, normal(6000, 10, seed=5), torch.Generator().manual_seed(0))
    of = torch.cdist(drawn, centres).argmin(1)
    for k in range(3):
        assert (of == k).float().mean() == pytest.approx(1 / 3, abs=0.03)
        torch.testing.assert_close(drawn[of == k].mean(0), centres[k], rtol=0, atol=0.15)
        torch.testing.assert_close(torch.cov(drawn[of == k].T), torch.cov(codes[labels == k].T), rtol=0, atol=0.25)
    again = latents.draw_mixture(mixture, normal(6000, 10, seed=5), torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


def test_one_component_is_the_fitted_gaussian():
    codes = normal(3000, 4) @ normal(4, 4, seed=1) + 3
    mixture, gaussian = latents.fit_mixture(codes, 1, seed=0), latents.fit_gaussian(codes)
    noise = normal(50, 4, seed=2)
    drawn = latents.draw_mixture(mixture, noise, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, latents.draw(gaussian, noise), rtol=0, atol=0.02)


def labelled(n=3000):
    """Codes of three labels: μ, log σ² (n×4) and the labels."""
    labels = torch.arange(n) % 3
    spread = torch.stack([normal(4, 4, seed=k) for k in (5, 6, 7)])
    mu = (spread[labels] @ normal(n, 4)[:, :, None]).squeeze(2) + 3 * labels[:, None]
    return mu, normal(n, 4, seed=9) * 0.1 - 1, labels


def test_the_moments_of_a_label_are_those_of_its_codes():
    mu, log_var, labels = labelled(30_000)
    means, covariances = latents.moments_by_label(mu, log_var, labels, 3)
    z = mu + (0.5 * log_var).exp() * normal(*mu.shape, seed=4)
    for k in range(3):
        torch.testing.assert_close(means[k], mu[labels == k].mean(0), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(covariances[k], torch.cov(z[labels == k].T), rtol=0.05, atol=0.15)


def test_the_aggregate_is_a_mixture_of_posteriors():
    mu, log_var, _ = labelled(40)
    z = normal(30, 4, seed=2) * 3
    parts = torch.distributions.Independent(Normal(mu, (0.5 * log_var).exp()), 1)
    weights = torch.distributions.Categorical(torch.ones(40))
    expected = torch.distributions.MixtureSameFamily(weights, parts).log_prob(z)
    torch.testing.assert_close(latents.log_aggregate(z, mu, log_var, batch=7).float(), expected, rtol=1e-4, atol=1e-3)


def test_the_density_of_a_code_is_that_of_torch_distributions():
    mu, log_var, z = normal(30, 3, seed=1), normal(30, 3, seed=2), normal(30, 3, seed=3)
    expected = torch.distributions.Normal(mu, (0.5 * log_var).exp()).log_prob(z).sum(1)
    torch.testing.assert_close(latents.log_normal(z, mu, log_var), expected, rtol=1e-5, atol=1e-5)


def test_the_parts_of_the_kl_add_up_and_each_is_nothing_where_it_should_be():
    labels, seen_labels = torch.arange(60) % 3, torch.arange(90) % 3
    own = normal(3, 2, seed=1), normal(3, 2, seed=2)  # one posterior for each label: the code tells the label alone
    codes, seen = (tuple(t[of] for t in own) for of in (labels, seen_labels))
    noise = normal(60, 2, seed=3)
    information, gap = latents.kl_parts(seen, seen_labels, codes, labels, noise)
    torch.testing.assert_close(information, torch.zeros(60), rtol=0, atol=1e-5)
    z = reparameterise(*codes, noise)
    log_p = latents.log_normal(z, torch.zeros(60, 2), torch.zeros(60, 2))
    torch.testing.assert_close(information + gap, latents.log_normal(z, *codes) - log_p, rtol=1e-5, atol=1e-5)

    # Points spread like the prior: hardly any gap, and all that a code tells is which image it is of.
    codes, seen = ((normal(n, 2, seed=n), torch.full((n, 2), -4.0)) for n in (60, 3000))
    information, gap = latents.kl_parts(seen, torch.zeros(3000), codes, torch.zeros(60), noise)
    assert information.mean() > 3
    assert information.mean() > 5 * gap.mean().abs()


def test_a_density_on_a_grid_sums_to_one():
    grid = torch.linspace(-8, 8, 801)
    densities = latents.density_on_grid(torch.tensor([[0.0], [1.5]]), torch.tensor([[0.0], [-2.0]]), grid)
    torch.testing.assert_close(densities.sum(1) * (grid[1] - grid[0]), torch.ones(2), rtol=0, atol=1e-3)
    assert grid[densities.argmax(1)].tolist() == pytest.approx([0, 1.5], abs=0.03)
