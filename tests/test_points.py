"""The game in the plane: the eight Gaussians by formula, networks side by side as alone, what an arm leaves behind."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lab_utils import losses
from lab_utils.data import toys
from lab_utils.metrics import modes
from lab_utils.models.toys import PointDiscriminator, PointGenerator, SideBySide, of_each
from lab_utils.run import Run
from lab_utils.training import points
from lab_utils.training.fit import History
from lab_utils.training.step import descend


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer points and shorter trainings than a notebook's."""
    monkeypatch.setattr(points, "POINTS", 2000)
    monkeypatch.setattr(points, "LOOKED_AT", 60)
    monkeypatch.setattr(points, "JUDGED", 60)
    monkeypatch.setattr(points, "BATCH", 16)


# The eight Gaussians


def test_the_centres_lie_evenly_on_the_unit_circle():
    centres = toys.centres()
    assert centres.shape == (8, 2)
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))
    apart = (centres - centres.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(apart, torch.full((8,), 2 * math.sin(math.pi / 8)))


def test_points_of_the_ring_are_those_of_eight_equal_gaussians(run):
    n = 8000
    drawn = toys.ring(n, run.rng("ring"))
    apart, which = torch.cdist(drawn, toys.centres()).min(1)
    assert which.bincount(minlength=8).tolist() == pytest.approx([n / 8] * 8, abs=130)  # 4 standard deviations
    rest = drawn - toys.centres()[which]
    assert rest.mean(0).tolist() == pytest.approx([0, 0], abs=0.005)
    assert rest.std(0).tolist() == pytest.approx([0.1, 0.1], abs=0.004)
    assert apart.square().mean().item() == pytest.approx(2 * 0.1**2, rel=0.05)
    assert torch.equal(drawn, toys.ring(n, run.rng("ring")))
    assert not torch.equal(drawn, toys.ring(n, run.rng("another")))


def test_log_densities_are_those_of_torch(run):
    x = 2 * torch.randn(300, 2, generator=run.rng("x"))
    each = torch.distributions.MultivariateNormal(toys.centres().double(), 0.01 * torch.eye(2).double())
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(8).double()), each)
    torch.testing.assert_close(toys.log_ring(x), mixture.log_prob(x.double()).float(), rtol=1e-4, atol=1e-3)
    normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    torch.testing.assert_close(toys.log_normal(x), normal.log_prob(x))


def test_the_density_of_the_ring_is_one_in_all():
    axis = torch.linspace(-2, 2, 401)
    lattice = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=2).flatten(0, 1)
    assert toys.log_ring(lattice).exp().sum().item() * 0.01**2 == pytest.approx(1, abs=1e-3)


# How well points match them


def near(centre, n, distance=0.0):
    return toys.centres()[centre].repeat(n, 1) * (1 + distance)


def test_a_gaussian_is_found_that_holds_a_fiftieth_of_the_points_nearby():
    assert modes.modes_found(toys.centres()) == 8
    assert modes.modes_found(torch.zeros(10, 2)) == 0  # near none
    assert modes.modes_found(torch.cat([near(0, 98), near(1, 2)])) == 2
    assert modes.modes_found(torch.cat([near(0, 99), near(1, 1)])) == 1
    assert modes.modes_found(torch.cat([near(0, 50, 0.29), near(3, 50, 0.31)])) == 1  # three standard deviations


def test_all_are_found_in_their_own_points_and_few_in_those_of_one(run):
    drawn = toys.ring(400, run.rng("ring"))
    assert modes.modes_found(drawn) == 8
    assert modes.modes_found(drawn[torch.cdist(drawn, toys.centres()).argmin(1) == 3]) == 1


def test_the_distance_is_that_of_the_best_pairing(run):
    one = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    moved = one[[2, 0, 1]] + torch.tensor([0.0, 0.5])
    assert modes.transport_distance(one, moved) == pytest.approx(0.5)
    assert modes.transport_distance(one, one.flip(0)) == 0
    # Each point to its nearest would let two go to the same place: (0 + 1 + 5) / 3 for these.
    assert modes.transport_distance(one, torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])) == pytest.approx(2)
    x, y = (torch.randn(50, 1, generator=run.rng(name)) for name in ("x", "y"))
    line = [torch.cat([t, torch.zeros_like(t)], dim=1) for t in (x, y)]
    in_order = (x.flatten().sort().values - y.flatten().sort().values).abs().mean()  # what is best on a line
    assert modes.transport_distance(*line) == pytest.approx(in_order.item(), rel=1e-5)


# Networks side by side


def alone(network, i):
    """The i-th of some networks side by side, by itself."""
    one = SideBySide(1, [network.weights[0].shape[1], *(w.shape[2] for w in network.weights)])
    for mine, all_ in zip(one.parameters(), network.parameters(), strict=True):
        mine.data = all_.data[i : i + 1].clone()
    return one


def test_each_network_sees_its_own_rows(run):
    network = run.build("three", SideBySide, copies=3, sizes=(2, 5, 4))
    x = torch.randn(12, 2, generator=run.rng("x"))
    whole = network(x)
    assert whole.shape == (12, 4)
    for i in range(3):
        torch.testing.assert_close(whole[i::3], alone(network, i)(x[i::3]))
    plain = torch.nn.functional.linear(x[::3], network.weights[0][0].T, network.biases[0][0, 0]).relu()
    plain = torch.nn.functional.linear(plain, network.weights[1][0].T, network.biases[1][0, 0])
    torch.testing.assert_close(whole[::3], plain)


def test_sets_may_be_joined_and_cut_between_rows(run):
    """As the game does, which shows real and fake points in one pass, or cuts a batch into turns."""
    network = run.build("three", PointDiscriminator, copies=3, hidden=8)
    real, fake = torch.randn(2, 12, 2, generator=run.rng("x"))
    both = network(torch.cat([real, fake]))["real"]
    torch.testing.assert_close(both, torch.cat([network(real)["real"], network(fake)["real"]]))
    torch.testing.assert_close(network(real[6:])["real"], network(real)["real"][6:])


def test_networks_begin_apart_and_as_linear_layers_do(run):
    network = run.build("three", SideBySide, copies=40, sizes=(16, 25, 1))
    assert not torch.equal(network.weights[0][0], network.weights[0][1])
    for inputs, *both in zip((16, 25), network.weights, network.biases, strict=True):
        for parameter in both:
            assert parameter.abs().max() <= inputs**-0.5
    assert network.weights[0].abs().max().item() == pytest.approx(1 / 4, rel=1e-2)
    assert network.weights[0].std().item() == pytest.approx(1 / 4 / math.sqrt(3), rel=0.02)


def test_rows_that_the_networks_cannot_share_are_an_error(run):
    with pytest.raises(RuntimeError):
        run.build("three", SideBySide, copies=3, sizes=(2, 1))(torch.zeros(4, 2))


def test_trained_side_by_side_each_goes_as_it_would_alone(run):
    """Of a loss that is a mean over all rows each has a third of its gradient, which Adam does not feel."""
    network = run.build("three", PointDiscriminator, copies=3, hidden=8).double()
    each = [alone(network, i).double() for i in range(3)]
    x = toys.ring(3 * 20, run.rng("x")).double()
    adam = partial(torch.optim.Adam, lr=1e-2, eps=1e-20)  # but for what it adds to the size of a gradient

    def loss(logits):
        return losses.non_saturating(logits, logits.flip(0) - 1)

    together, optimizers = adam(network.parameters()), [adam(one.parameters()) for one in each]
    for _ in range(20):
        logits = of_each(network(x)["real"], 3)
        descend(torch.stack([loss(one) for one in logits]).mean(), together)
        for one, optimizer, rows in zip(each, optimizers, of_each(x, 3), strict=True):
            descend(loss(one(rows)), optimizer)
    for i, one in enumerate(each):
        for mine, all_ in zip(one.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(mine[0], all_[i])


def test_points_are_drawn_and_judged_in_the_shapes_of_the_game(run):
    generator = run.build("g", PointGenerator, copies=2, hidden=8)
    discriminator = run.build("d", PointDiscriminator, copies=2, hidden=8)
    drawn = generator(torch.randn(10, generator.inputs, generator=run.rng("z")))
    assert drawn.shape == (10, 2)
    logits = discriminator(drawn)
    assert set(logits) == {"real"}
    assert logits["real"].shape == (10, 1)


# Whole games


@pytest.fixture(params=points.ARMS)
def recipe(request):
    return points.ARMS[request.param]


def test_a_game_is_played_by_every_recipe_and_is_the_same_again(run, recipe):
    played = points.play(run, recipe, seeds=2, steps=20, every=10, hidden=8)
    assert played.points.shape == (2, 60, 2)
    for values in (played.modes, played.distance, played.d_loss):
        assert values.shape == (2, 2)  # evaluations, seeds
        assert values.isfinite().all()
    assert ((played.modes >= 0) & (played.modes <= 8)).all()
    assert played.distance.min() > 0
    again = points.play(run, recipe, seeds=2, steps=20, every=10, hidden=8)
    assert torch.equal(played.points, again.points)
    other = points.play(Run(1, run.device, run.precision), recipe, seeds=2, steps=20, every=10, hidden=8)
    assert not torch.equal(played.points, other.points)
    stretches = played.history.stretches
    assert stretches["modes"].tolist() == pytest.approx(played.modes.mean(1).tolist())
    assert stretches["distance"].tolist() == pytest.approx(played.distance.mean(1).tolist())
    assert stretches["step"].tolist() == [10 // recipe.discriminator_steps * i for i in (1, 2)]


def test_the_last_evaluation_is_of_the_points_at_the_end(run):
    recipe = points.ARMS["one_to_one"]
    played = points.play(run, recipe, seeds=3, steps=12, every=4, hidden=8)
    assert played.modes[-1].tolist() == [modes.modes_found(one) for one in played.points]
    new = of_each(toys.ring(3 * 60, run.rng("new points")), 3)
    distances = [modes.transport_distance(*pair) for pair in zip(played.points, new, strict=True)]
    assert played.distance[-1].tolist() == pytest.approx(distances)


def test_a_game_learns(run, monkeypatch):
    monkeypatch.setattr(points, "BATCH", 128)
    played = points.play(run, points.ARMS["wgangp"], seeds=2, steps=600, every=50, hidden=32)
    assert played.modes[0].mean() <= 1
    assert played.modes[-3:].mean() >= 3
    assert played.distance[-3:].mean() < 0.7 * played.distance[0].mean()


def test_arms_differ_in_one_thing_at_a_time():
    arms = points.ARMS
    assert arms["report"].generator_steps == arms["dcgan"].generator_steps == 2
    same = {"name": "", "discriminator_rate": 0, "generator_rate": 0, "betas": (0, 0)}
    assert replace(arms["report"], **same) == replace(arms["dcgan"], **same)
    assert replace(arms["dcgan"], generator_steps=1, name="") == replace(arms["one_to_one"], name="")
    assert replace(arms["one_to_one"], discriminator_steps=5, name="") == replace(arms["five_to_one"], name="")
    assert arms["wgangp"].penalty == 1
    assert len({recipe.name for recipe in arms.values()}) == len(arms)
    assert set(points.NAMES) == {*arms, "report_early", "half_width"}


def test_all_arms_are_played_and_one_at_half_the_width_for_half_the_steps(run):
    played = points.play_all(run, seeds=2, steps=20)
    assert list(played) == [*points.ARMS, "half_width"]
    assert {key: len(one.modes) for key, one in played.items()} == {
        "report": 20, "dcgan": 20, "one_to_one": 20, "five_to_one": 4, "wgangp": 4, "half_width": 10
    }  # fmt: skip
    assert played["half_width"].history.stretches["step"].iloc[-1] == 10
    found = points.found(played)
    assert set(found) == {*played, "report_early"}
    assert found["report_early"] == played["report"].modes[9].tolist()  # after 10 steps
    assert found["dcgan"] == played["dcgan"].modes[-1].tolist()


def test_the_loss_against_the_distance_is_a_rank_correlation_of_each_seed():
    stream = torch.Generator().manual_seed(0)
    loss, distance = torch.rand(12, 2, generator=stream), torch.rand(12, 2, generator=stream)
    distance[:, 1] = loss[:, 1].exp()
    played = points.Played(torch.zeros(2, 1, 2), loss, distance, loss, list(range(12)), History(None, None))
    found = points.loss_against_distance(played)
    assert found[0] == pytest.approx(spearmanr(loss[:, 0], distance[:, 0]).statistic)
    assert found[1] == pytest.approx(1)


# What theory says of the best discriminator


def test_the_best_logit_is_the_ratio_of_the_densities(run):
    x = torch.randn(20, 2, generator=run.rng("x"))
    torch.testing.assert_close(points.best_logit(x), toys.log_ring(x) - toys.log_normal(x))


def test_no_discriminator_has_a_lower_loss_than_the_best(run, monkeypatch):
    monkeypatch.setattr(points, "MANY", 20_000)
    best = points.best_loss(run)
    # 2 ln 2 less twice the Jensen–Shannon divergence, by a sum over a lattice.
    axis = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    lattice = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=2).flatten(0, 1)
    p, q = (log(lattice).double().exp().numpy() for log in (toys.log_ring, toys.log_normal))
    m = (p + q) / 2
    cell = 0.01**2
    divergence = sum(0.5 * cell * np.sum(d * np.log(d / m, where=d > 0, out=np.zeros_like(d))) for d in (p, q))
    assert best == pytest.approx(2 * math.log(2) - 2 * divergence, abs=0.02)
    for change in (lambda logit: 0.5 * logit, lambda logit: logit + 0.7, lambda logit: 2 * logit):
        rng = run.rng("theory")
        real, fake = (toys.ring(20_000, rng), torch.randn(20_000, 2, generator=rng))
        assert losses.non_saturating(*(change(points.best_logit(x)) for x in (real, fake))) > best


def test_what_learns_against_noise_that_stands_still_comes_near_the_best(run, monkeypatch):
    monkeypatch.setattr(points, "MANY", 5000)
    best = points.best_loss(run)
    (_, early), (discriminator, late) = (points.best_discriminator(run, steps, batch=256) for steps in (1, 300))
    assert early > 1.2
    assert best - 0.03 < late < best + 0.15
    x = toys.ring(2000, run.rng("x"))
    with torch.no_grad():
        learned, formula = discriminator(x)["real"][:, 0], points.best_logit(x)
    assert torch.corrcoef(torch.stack([learned, formula.clamp(-5, 5)]))[0, 1] > 0.5


def test_the_lattice_is_square_and_its_first_axis_the_slowest(run):
    axis, lattice = points.lattice(run, 5, 1.0)
    assert axis.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert lattice.shape == (25, 2)
    assert lattice[:6].tolist() == [[-1, -1], [-1, -0.5], [-1, 0], [-1, 0.5], [-1, 1], [-0.5, -1]]
