"""The game between two networks: what each recipe and each condition does, against gradients by hand."""

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils import losses
from lab_utils.data import augment
from lab_utils.data.batches import to_unit
from lab_utils.metrics.pca import fit_linear_generator
from lab_utils.models.gan import Discriminator
from lab_utils.run import Run
from lab_utils.training import acgan, infogan
from lab_utils.training.conditions import OnReal, nothing
from lab_utils.training.fit import Batches, Watching, fit
from lab_utils.training.gan import (
    DCGAN,
    EVEN,
    PROJECT,
    REPORT,
    WGAN_GP,
    Game,
    discriminator_turn,
    drawn,
    gan_step,
    generator_turn,
    make_gan,
    paired,
    plain_gan_step,
    recipe_table,
    samples,
    train_gan,
    tried,
    with_noise,
)

NOISE = 4  # width of the noise, beside which the condition stands
WEIGHT, CONTINUOUS = 0.7, 0.3  # of the terms that read the condition


class Painter(nn.Sequential):
    """A small generator of images 3×16×16."""

    inputs = 4

    def __init__(self):
        super().__init__(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 768), nn.Tanh(), nn.Unflatten(1, (3, 16, 16)))


@pytest.fixture(params=[REPORT, DCGAN, WGAN_GP, PROJECT], ids=lambda r: r.name)
def recipe(request):
    return request.param


@pytest.fixture(scope="module")
def tiles():
    """40 images (uint8, 40×3×16×16), half of each one grey of its own, the rest noise; three attributes (40×3)."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 16, 16), generator=stream, dtype=torch.uint8)
    images[:, :, :8] = (5 * torch.arange(40) + 20).byte().view(-1, 1, 1, 1)
    return images, torch.randint(0, 2, (40, 3), generator=stream).float()


def attributes_read(logits, c):
    return WEIGHT * F.binary_cross_entropy_with_logits(logits["attributes"], c[:, [1, 3]])


def codes_read(logits, c):
    three, two, line = logits["code"].split([3, 2, 1], dim=1)
    entropy = F.cross_entropy(three, c[:, :3].argmax(1)) + F.cross_entropy(two, c[:, 3:5].argmax(1))
    return WEIGHT * entropy + CONTINUOUS * F.mse_loss(line, c[:, 5:])


KINDS = {  # condition, heads, the terms that read it by hand, and the names of D's terms and of G's
    "nothing": (lambda stream: nothing(), {}, lambda logits, c: 0.0, set(), set()),
    "attributes": (
        lambda stream: acgan.attributes([2, 0], stream, WEIGHT),
        {"attributes": 2}, attributes_read, {"class_real"}, {"class"},
    ),
    "attributes of fakes": (
        lambda stream: acgan.attributes([2, 0], stream, WEIGHT, on_fakes=True),
        {"attributes": 2}, attributes_read, {"class_real", "class_fake"}, {"class"},
    ),
    "codes": (
        lambda stream: infogan.codes([3, 2], 1, stream, WEIGHT, CONTINUOUS),
        {"code": 6}, codes_read, {"entropy_fake", "error_fake"}, {"entropy", "error"},
    ),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def players(run, recipe, kind="nothing"):
    """Two networks, always with the same weights for a recipe and a kind, and the condition from a fresh stream."""
    make, heads, *_ = KINDS[kind]
    condition = make(run.rng("condition"))
    return make_gan(run, "toy", recipe, NOISE + condition.width, heads, width=8, side=16), condition


def game(run, recipe, kind="nothing", on_real=None):
    gan, condition = players(run, recipe, kind)
    return gan, gan_step(Game(gan, run, run.rng("noise"), recipe, condition, on_real))


def learn(game, batch):
    """The discriminator's turn, on fakes that it is shown and not taught to draw."""
    c, fake = drawn(game, batch)
    return discriminator_turn(game, batch, c, fake.detach())


def draw(game, batch):
    """The generator's turn."""
    return generator_turn(game, *drawn(game, batch))


def play(run, recipe, tiles, kind="nothing", n=5):
    gan, step = game(run, recipe, kind)
    scalars = []
    for i in range(n):
        scalars.append(step(*(t[8 * i : 8 * i + 8] for t in tiles)))
    return gan, scalars


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def linear(tiles):
    """The linear generator of the tiles."""
    return fit_linear_generator(tiles[0], NOISE, torch.Generator().manual_seed(0))


def without_batch_norm(run, recipe):
    """Two networks whose every weight has a gradient: ahead of a batch norm a bias has none but rounding.

    The estimate of spectral norm, which moves on once a pass, stands still.
    """
    generator = run.build("generator", Painter)
    discriminator = run.build("discriminator", Discriminator, heads={"real": 1}, width=8, side=16, norm=recipe.norm)
    return paired(run, recipe, generator, discriminator.eval())


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# What every recipe promises.


def test_a_recipe_moves_both_networks_and_its_scalars_are_finite(run, tiles, recipe, kind):
    (gan, scalars), (fresh, _) = play(run, recipe, tiles, kind), players(run, recipe, kind)
    for terms in scalars:
        assert all(value.shape == () and not value.requires_grad and value.isfinite() for value in terms.values())
    for after, before in [(gan.generator, fresh.generator), (gan.discriminator, fresh.discriminator)]:
        for (name, moved), start in zip(after.named_parameters(), before.parameters(), strict=True):
            assert moved.isfinite().all(), name
            # The bias of the head "real" shifts real and fake alike, which neither a critic nor a hinge feels.
            assert name == "heads.real.bias" or not torch.equal(moved, start), name


def test_the_scalars_are_named_after_what_they_are(run, tiles, recipe, kind):
    _, scalars = play(run, recipe, tiles, kind, n=1)
    *_, of_discriminator, of_generator = KINDS[kind]
    penalty = {"penalty"} if recipe is WGAN_GP else set()
    assert set(scalars[0]) == {"discriminator", "generator", "real", "fake"} | of_discriminator | of_generator | penalty


def test_equal_seeds_give_equal_weights(run, tiles, recipe, kind):
    (gan, scalars), (again, scalars_again) = (play(run, recipe, tiles, kind) for _ in range(2))
    assert scalars == scalars_again
    for part in ("generator", "discriminator", "sampler"):
        after = state(getattr(again, part))
        for name, value in getattr(gan, part).state_dict().items():
            assert torch.equal(value, after[name]), name
    other, _ = play(Run(1, run.device, run.precision), recipe, tiles, kind)
    assert not equal(weights(gan.generator), weights(other.generator))


def test_weights_depend_on_the_name(run):
    one, same, other = (
        make_gan(run, name, DCGAN, NOISE, {}, width=8, side=16) for name in ("faces", "faces", "digits")
    )
    for part in ("generator", "discriminator"):
        assert equal(weights(getattr(one, part)), weights(getattr(same, part)))
        assert not equal(weights(getattr(one, part)), weights(getattr(other, part)))


def test_optimisers_have_the_rates_and_momentum_of_the_recipe(run, recipe):
    gan, _ = players(run, recipe)
    for optimizer, network, rate in [
        (gan.generator_optimizer, gan.generator, recipe.generator_rate),
        (gan.discriminator_optimizer, gan.discriminator, recipe.discriminator_rate),
    ]:
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.Adam)
        assert (group["lr"], group["betas"], group["weight_decay"]) == (rate, recipe.betas, 0)
        assert {id(p) for p in group["params"]} == {id(p) for p in network.parameters()}


def test_a_page_says_of_the_recipes_what_their_sources_say():
    table = recipe_table(REPORT, DCGAN, WGAN_GP, PROJECT).set_index("recipe")
    assert table["D : G steps"].tolist() == ["1 : 2", "1 : 2", "5 : 1", "1 : 1"]  # report C: two G steps for each of D
    assert table["loss"].tolist() == ["non-saturating", "non-saturating", "wasserstein", "hinge"]
    assert table["rates of D, G"].tolist()[:2] == ["0.001, 0.001", "0.0002, 0.0002"]
    assert table["Adam's β"].tolist() == ["0.9, 0.999", "0.5, 0.999", "0, 0.9", "0, 0.9"]
    assert table["penalty λ"].tolist() == ["none", "none", "10", "none"]
    assert table["average of G"].tolist() == ["none", "none", "none", "decay 0.995"]
    assert table["real images mirrored"].tolist() == ["none", "none", "none", "half"]
    assert recipe_table(EVEN)["D : G steps"].tolist() == ["1 : 1"]
    assert replace(DCGAN, name=EVEN.name, generator_steps=1) == EVEN
    assert [recipe.same_fakes for recipe in (REPORT, DCGAN, EVEN, WGAN_GP, PROJECT)] == [False] * 4 + [True]


def test_a_critic_with_a_penalty_judges_each_image_alone(run, tiles, recipe):
    """The penalty is of each image, so that batch norm, which lets images speak of one another, would spoil it."""
    discriminator = players(run, recipe)[0].discriminator
    x = to_unit(tiles[0]) * 2 - 1
    with torch.no_grad():
        discriminator.eval()(x)  # spectral norm moves its estimate in training
        if recipe.norm == "batch":
            discriminator.train()
        alike = torch.allclose(discriminator(x[:8])["real"], discriminator(x)["real"][:8], atol=1e-5)
    assert alike == (recipe in (WGAN_GP, PROJECT))


@pytest.mark.parametrize("batch_size", [40, 32, 16])
def test_a_step_is_as_many_of_each_optimiser_as_the_recipe_says(run, tiles, recipe, batch_size):
    gan, step = game(run, recipe)
    order = []
    gan.generator_optimizer.register_step_post_hook(lambda *_: order.append("G"))
    gan.discriminator_optimizer.register_step_post_hook(lambda *_: order.append("D"))
    step(*(t[:batch_size] for t in tiles))
    assert order == ["D"] * recipe.discriminator_steps + ["G"] * recipe.generator_steps


@pytest.mark.parametrize("batch_size", [40, 20, 8])
def test_the_discriminator_is_shown_each_image_once_before_any_again(run, tiles, recipe, batch_size):
    gan, step = game(run, recipe)
    seen = []

    def look(module, arguments):
        x = 255 * (arguments[0].detach() + 1) / 2
        upper = x[:, :, :8].flatten(1)
        is_real = upper.amax(1) - upper.amin(1) < 1e-3  # half of a real image is one grey; no other image is like that
        seen.extend(((upper[is_real].mean(1) - 20) / 5).round().int().tolist())

    gan.discriminator.register_forward_pre_hook(look)
    batches = Batches(tiles, batch_size, run.rng("order"))
    fit(step, batches, batches.per_epoch, name="toy", state={})
    assert Counter(seen) == Counter(range(40))


def test_the_gradients_of_the_discriminator_are_asked_for_again_after_a_step(run, tiles, recipe):
    gan, step = game(run, recipe)
    step(*(t[:8] for t in tiles))
    for network in (gan.generator, gan.discriminator):
        assert all(p.requires_grad for p in network.parameters())


def test_each_turn_leaves_the_others_weights_as_they_were(run, tiles, recipe, kind):
    gan, condition = players(run, recipe, kind)
    played, batch = Game(gan, run, run.rng("noise"), recipe, condition), tuple(t[:8] for t in tiles)
    for turn, moved, still in [(learn, "discriminator", "generator"), (draw, "generator", "discriminator")]:
        before = {part: weights(getattr(gan, part)) for part in (moved, still)}
        turn(played, batch)
        assert equal(weights(getattr(gan, still)), before[still])
        assert not equal(weights(getattr(gan, moved)), before[moved])


def test_an_interrupt_in_the_generators_turn_leaves_the_discriminator_able_to_learn(run, tiles):
    gan, step = game(run, PROJECT)
    batch = tuple(t[:8] for t in tiles)

    def interrupt(*_):
        raise KeyboardInterrupt

    hook = gan.generator_optimizer.register_step_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        step(*batch)
    hook.remove()
    assert all(p.requires_grad for p in gan.discriminator.parameters())
    step(*batch)


def test_losses_are_in_float32_whatever_the_networks_compute_in(run, tiles, recipe, kind):
    half = replace(run, precision=torch.bfloat16)
    _, scalars = play(half, recipe, tiles, kind, n=2)
    _, exact = play(run, recipe, tiles, kind, n=2)
    for terms, expected in zip(scalars, exact, strict=True):
        for name, value in terms.items():
            assert value.dtype == torch.float32, name
            assert value.item() == pytest.approx(expected[name].item(), rel=0.1, abs=0.05), name


def test_the_generators_turn_asks_for_no_gradient_of_the_discriminator(run, tiles, recipe):
    gan, step = game(run, recipe)
    kept = []
    gan.discriminator_optimizer.register_step_post_hook(
        lambda *_: kept.append([p.grad.clone() for p in gan.discriminator.parameters()])
    )
    step(*(t[:20] for t in tiles))
    assert equal([p.grad for p in gan.discriminator.parameters()], kept[-1])


@pytest.mark.parametrize("same", [False, True], ids=["two sets of fakes", "one set of fakes"])
@pytest.mark.parametrize("recipe", [DCGAN, replace(PROJECT, mirror=False, average=0.0)], ids=lambda r: r.name)
def test_the_step_that_is_shown_is_the_step_that_is_taken(run, tiles, recipe, same):
    """plain_gan_step is gan_step for a plain game in float32, one step of either network.

    Where both turns look at the same fakes, it is given equal noise in both.
    """
    recipe = replace(recipe, generator_steps=1, same_fakes=same)
    if recipe.norm == "batch":
        gan, plain = (players(run, recipe)[0] for _ in range(2))
    else:  # both turns of D in one pass, which rounds otherwise
        gan, plain = (without_batch_norm(run, recipe) for _ in range(2))
    step, noise = gan_step(Game(gan, run, run.rng("noise"), recipe, nothing())), run.rng("noise")
    for i in range(3):
        batch = tiles[0][8 * i : 8 * i + 8]
        terms = step(batch)
        first = torch.randn(8, NOISE, generator=noise)
        noises = first, first if same else torch.randn(8, NOISE, generator=noise)
        by_hand = plain_gan_step(plain, recipe, to_unit(batch) * 2 - 1, noises)
        assert set(by_hand) == {"discriminator", "generator"}
        for name, value in by_hand.items():
            assert not value.requires_grad
            assert value.item() == pytest.approx(terms[name].item(), rel=1e-4), name
    for one, other in zip(gan.networks, plain.networks, strict=True):
        for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5, msg=name)


def test_the_discriminators_turn_asks_nothing_of_the_generator(run, tiles, recipe):
    """Neither does one set of fakes, which the generator learns from afterwards."""
    gan, step = game(run, recipe)
    asked = []
    gan.discriminator_optimizer.register_step_pre_hook(
        lambda *_: asked.extend(p.grad for p in gan.generator.parameters())
    )
    step(*(t[:20] for t in tiles))
    assert asked
    assert all(gradient is None for gradient in asked)


@pytest.mark.parametrize("same", [False, True])
def test_one_set_of_fakes_is_drawn_once_and_shown_twice(run, tiles, same):
    recipe = replace(PROJECT, same_fakes=same)
    gan, condition = players(run, recipe, "codes")
    told, shown = [], []
    gan.generator.register_forward_hook(lambda module, inputs, images: told.append((inputs[0], images.detach())))
    gan.discriminator.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].detach()))
    gan_step(Game(gan, run, run.rng("noise"), recipe, condition))(*(t[:8] for t in tiles))
    assert len(told) == (1 if same else 2)
    assert torch.equal(shown[0][8:], told[0][1])  # behind the real images
    assert torch.equal(shown[1], told[-1][1])
    assert torch.equal(told[0][0], told[-1][0]) == same


def test_several_turns_of_the_discriminator_each_have_fakes_of_their_own(run, tiles):
    recipe = replace(PROJECT, discriminator_steps=2)
    gan, step = game(run, recipe)
    shown = []
    gan.discriminator.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].detach()))
    step(tiles[0][:16])
    first, second, last = shown
    assert not torch.equal(first[8:], second[8:])
    assert torch.equal(last, second[8:])


def test_a_game_of_other_data_is_prepared_as_it_says(run, tiles):
    gan, condition = players(run, DCGAN)
    seen = []
    gan.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))

    def prepare(images):
        return to_unit(images) - 0.5

    gan_step(Game(gan, run, run.rng("noise"), DCGAN, condition, prepare=prepare))(tiles[0][:8])
    assert torch.equal(seen[0], prepare(tiles[0][:8]))
    history = train_gan(run, gan, tiles[:1], DCGAN, name="toy", steps=2, batch_size=40, prepare=prepare, log_every=1)
    assert len(history.curve) == 2
    assert seen[-4].min() >= -0.5
    assert seen[-4].max() <= 0.5


# A generator that begins as a linear one.


def test_a_game_from_a_linear_generator_begins_with_its_images(run, tiles):
    start = linear(tiles)
    gan = make_gan(run, "toy", PROJECT, start, {}, width=8, side=16)
    z = torch.randn(9, NOISE, generator=run.rng("z"))
    expected = ((start.mean + z @ start.directions + 1) / 2).clamp(0, 1).view(9, 3, 16, 16)
    torch.testing.assert_close(samples(gan, z), expected)
    step = gan_step(Game(gan, run, run.rng("noise"), PROJECT, nothing()))
    for _ in range(3):
        step(tiles[0])
    assert not torch.allclose(samples(gan, z), expected, atol=1e-5)
    assert torch.equal(linear(tiles).directions, start.directions)  # what was given is not trained


def test_the_linear_part_has_a_fiftieth_of_the_rate(run, tiles, recipe):
    gan = make_gan(run, "toy", recipe, linear(tiles), {}, width=8, side=16)
    rest, slow = gan.generator_optimizer.param_groups
    assert slow["lr"] == pytest.approx(recipe.generator_rate / 50)
    assert rest["lr"] == recipe.generator_rate
    assert {id(p) for p in slow["params"]} == {id(p) for p in gan.generator.linear.parameters()}
    every = [id(p) for group in (rest, slow) for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in gan.generator.parameters())
    assert {(group["betas"], group["weight_decay"]) for group in (rest, slow)} == {(recipe.betas, 0)}
    before = {name: p.detach().clone() for name, p in gan.generator.named_parameters()}
    gan_step(Game(gan, run, run.rng("noise"), replace(recipe, generator_steps=1), nothing()))(tiles[0])
    for name, p in gan.generator.named_parameters():  # the first step of Adam is as long as its rate
        rate = recipe.generator_rate / (50 if name.startswith("linear") else 1)
        assert (p - before[name]).abs().max().item() <= 1.01 * rate, name
    moved = (gan.generator.linear["mean"] - before["linear.mean"]).abs().max().item()
    assert moved == pytest.approx(recipe.generator_rate / 50, rel=0.05)


def test_two_networks_that_are_at_hand_are_paired(run):
    generator, discriminator = nn.Linear(NOISE, 2), nn.Linear(2, 1)
    gan = paired(run, PROJECT, generator, discriminator)
    assert gan.generator is generator
    assert gan.discriminator is discriminator
    assert gan.sampler.decay == PROJECT.average
    (group,) = gan.generator_optimizer.param_groups
    assert group["lr"] == PROJECT.generator_rate
    assert gan.size == 4 * 2 + 2 + 3
    assert paired(run, DCGAN, generator, discriminator).sampler is generator


# Whole trainings.


def test_a_recipe_is_tried_with_several_seeds(run, tiles):
    told = {"steps": 2, "batch_size": 20, "log_every": 1}
    gans, histories = tried(run.seeds(2), DCGAN, NOISE, tiles[0], 8, **told)
    assert len(gans) == len(histories) == 2
    assert not equal(weights(gans[0].generator), weights(gans[1].generator))
    for one, gan, history in zip(run.seeds(2), gans, histories, strict=True):
        alone = make_gan(one, "arm", DCGAN, NOISE, {}, 8, 16)
        by_itself = train_gan(one, alone, tiles[:1], DCGAN, name="alone", **told)
        pd.testing.assert_frame_equal(history.curve, by_itself.curve, check_exact=True)
        assert equal(weights(gan.discriminator), weights(alone.discriminator))
    (from_linear,), _ = tried(run.seeds(1), PROJECT, linear(tiles), tiles[0], 8, **told)
    assert from_linear.generator.linear["mean"].shape == (3 * 16 * 16,)


def test_a_gan_is_trained_as_its_parts_say(run, tiles, recipe, kind):
    """train_gan is gan_step and fit, with random streams named after its purposes."""
    gan, condition = players(run, recipe, kind)
    told = {"name": "toy", "steps": 10, "every": 5, "batch_size": 8, "condition": condition, "log_every": 5}
    history = train_gan(run, gan, tiles, recipe, purposes=("noise", "images"), **told)
    reference, step = game(run, recipe, kind)
    seen = Batches(tiles, 8 * recipe.discriminator_steps, run.rng("images"))
    turns = recipe.discriminator_steps  # each a batch of images: the budget is what is shown
    watching = Watching(every=5 // turns, log_every=5 // turns)
    by_hand = fit(step, seen, 10 // turns, name="toy", state={}, watching=watching)
    pd.testing.assert_frame_equal(history.curve, by_hand.curve, check_exact=True)
    pd.testing.assert_frame_equal(history.stretches, by_hand.stretches, check_exact=True)
    assert len(history.curve) == 2  # as many points whatever a step takes
    for one, other in zip(gan.networks, reference.networks, strict=True):
        assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_the_budget_is_the_images_shown_whatever_the_recipe_makes_of_them(run, tiles, recipe):
    """WGAN-GP, with five turns of the discriminator's to one of the generator's, is shown as many as the others."""
    gan, _ = players(run, recipe)
    turns, generator_steps = [], []
    gan.generator_optimizer.register_step_post_hook(lambda *_: generator_steps.append(1))
    history = train_gan(
        run, gan, tiles[:1], recipe, name="toy", steps=20, every=10, batch_size=8,
        on_real=OnReal(lambda discriminator, images: turns.append(images[:, 0, 0, 0].tolist()) or {}, run.rng("none")),
    )  # fmt: skip
    assert [len(greys) for greys in turns] == [8] * 20
    assert Counter(grey for greys in turns for grey in greys) == dict.fromkeys((5 * torch.arange(40) + 20).tolist(), 4)
    assert len(generator_steps) == 20 // recipe.discriminator_steps * recipe.generator_steps
    assert (recipe.discriminator_steps == 5) == (recipe is WGAN_GP)
    assert history.stretches["epoch"].tolist() == [2, 4]
    assert history.epochs == 4


def test_a_game_goes_the_same_way_whoever_looked_at_its_networks_before(run, tiles, recipe):
    """A page that shows their layers leaves them in evaluation."""
    histories = []
    for looked_at in (False, True):
        gan, _ = players(run, recipe)
        if looked_at:
            gan.generator.eval()
            gan.discriminator.eval()
        history = train_gan(run, gan, tiles[:1], recipe, name="toy", steps=10, batch_size=8, log_every=1)
        assert gan.generator.training
        assert gan.discriminator.training
        histories.append(history)
    pd.testing.assert_frame_equal(histories[0].curve, histories[1].curve, check_exact=True)


def test_a_stretch_shorter_than_a_step_of_the_recipe_is_one_such_step(run, tiles):
    gan, _ = players(run, WGAN_GP)
    history = train_gan(run, gan, tiles[:1], WGAN_GP, name="toy", steps=10, every=4, batch_size=8)
    assert history.stretches["step"].tolist() == [1, 2]


def test_a_training_told_no_condition_is_a_plain_game(run, tiles):
    scores = []
    watching = {"evaluate": lambda: scores.append(1) or {"score": 2.0}}
    extra = OnReal(
        lambda discriminator, images: {"extra": discriminator(to_unit(images))["real"].mean()}, run.rng("none")
    )
    history = train_gan(
        run, players(run, DCGAN)[0], tiles[:1], DCGAN, name="toy", steps=4, every=2, batch_size=20,
        on_real=extra, **watching,
    )  # fmt: skip
    assert set(history.stretches) == {
        "step", "epoch", "train_discriminator", "train_generator", "train_real", "train_fake", "train_extra", "score"
    }  # fmt: skip
    assert len(scores) == 2


def test_a_whole_training_that_diverges_ends_early_with_weights_that_draw(run, tiles, recipe):
    wild = replace(recipe, generator_rate=1e20, discriminator_rate=1e20)
    gan, _ = players(run, wild)
    history = train_gan(run, gan, tiles[:1], wild, name="toy", steps=40, every=10, batch_size=4)
    assert "the weights of step " in history.ended
    for network in gan.networks:
        assert all(value.isfinite().all() for value in network.state_dict().values())


# The moving average.


def test_the_sampler_is_the_generator_unless_the_recipe_averages(run, tiles, recipe):
    gan, _ = play(run, recipe, tiles)
    z = torch.randn(6, NOISE, generator=run.rng("z"))
    gan.generator.eval()
    gan.sampler.eval()
    with torch.no_grad():
        made, sampled = gan.generator(z), gan.sampler(z)
    assert (gan.sampler is gan.generator) == (recipe.average == 0)
    assert torch.equal(made, sampled) == (recipe.average == 0)
    assert sampled.shape == (6, 3, 16, 16)
    assert sampled.isfinite().all()


def test_the_sampler_is_the_moving_average(run, tiles):
    recipe = replace(PROJECT, average=0.9)
    gan, step = game(run, recipe)
    expected = None
    for i in range(4):
        step(*(t[8 * i : 8 * i + 8] for t in tiles))
        # Not the integers: batch norm counts its batches.
        now = {name: value for name, value in state(gan.generator).items() if value.is_floating_point()}
        expected = now if expected is None else {k: 0.9 * expected[k] + 0.1 * now[k] for k in now}
    seen = gan.sampler.module.state_dict()
    torch.testing.assert_close({k: seen[k] for k in expected}, expected)
    assert any("running_mean" in name for name in expected)  # what batch norm has seen is averaged, too


def test_the_average_takes_no_part_in_the_game(run, tiles):
    gan, _ = play(run, PROJECT, tiles)
    alone, _ = play(run, replace(PROJECT, average=0.0), tiles)
    assert equal(weights(gan.generator), weights(alone.generator))
    assert equal(weights(gan.discriminator), weights(alone.discriminator))


# Each turn against its gradient by hand.


def game_loss(recipe, real, fake):
    """The discriminator's loss by hand, from logits."""
    if recipe is WGAN_GP:
        return fake.mean() - real.mean()
    if recipe is PROJECT:
        return (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
    return F.binary_cross_entropy_with_logits(
        torch.cat([real, fake]), torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    ) * 2  # fmt: skip


def fakes(gan, condition, batch, stream):
    c = condition.draw(*batch)
    return gan.generator(torch.cat([torch.randn(len(c), NOISE, generator=stream), c], dim=1)), c


def assert_equal_gradients(one, other):
    for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_which_images_teach_the_discriminator_and_its_heads(run, tiles, recipe, kind):
    batch = tuple(t[:12] for t in tiles)
    gan, condition = players(run, recipe, kind)
    terms = learn(Game(gan, run, run.rng("noise"), recipe, condition), batch)

    reference, condition = players(run, recipe, kind)
    stream, read = run.rng("noise"), KINDS[kind][2]
    fake, c = fakes(reference, condition, batch, stream)
    real, fake = to_unit(batch[0]) * 2 - 1, fake.detach()
    if recipe is PROJECT:
        real = augment.mirrored(real, stream)
        together = reference.discriminator(torch.cat([real, fake]))  # the norm's estimate moves on once
        on_real, on_fake = ({name: t.unflatten(0, (2, 12))[i] for name, t in together.items()} for i in range(2))
    else:
        on_real, on_fake = reference.discriminator(real), reference.discriminator(fake)
    loss = game_loss(recipe, on_real["real"], on_fake["real"])
    torch.testing.assert_close(terms["discriminator"], loss)
    torch.testing.assert_close((terms["real"], terms["fake"]), (on_real["real"].mean(), on_fake["real"].mean()))
    if recipe is WGAN_GP:
        mix = torch.rand(12, 1, 1, 1, generator=stream)
        penalty = losses.gradient_penalty(lambda x: reference.discriminator(x)["real"], real, fake, mix)
        torch.testing.assert_close(terms["penalty"], 10 * penalty)
        loss = loss + 10 * penalty
    if kind.startswith("attributes"):
        third, first = batch[1][:, 2], batch[1][:, 0]
        loss = loss + read(on_real, torch.stack([1 - third, third, 1 - first, first], dim=1))
    if kind in ("attributes of fakes", "codes"):
        loss = loss + read(on_fake, c)
    loss.backward()
    assert_equal_gradients(gan.discriminator, reference.discriminator)
    assert all(p.grad is None for p in gan.generator.parameters())


def test_the_generator_hears_the_condition_in_every_case(run, tiles, recipe, kind):
    batch = tuple(t[:12] for t in tiles)
    gan, condition = players(run, recipe, kind)
    terms = draw(Game(gan, run, run.rng("noise"), recipe, condition), batch)

    reference, condition = players(run, recipe, kind)
    shown, c = fakes(reference, condition, batch, run.rng("noise"))
    logits = reference.discriminator(shown)
    fake, read = logits["real"], KINDS[kind][2](logits, c)
    entropy = F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    loss = entropy if recipe in (REPORT, DCGAN) else -fake.mean()
    torch.testing.assert_close(terms["generator"], loss)
    assert sum(terms.values()).item() == pytest.approx((loss + read).item(), rel=1e-5)
    (loss + read).backward()
    assert_equal_gradients(gan.generator, reference.generator)


@pytest.mark.parametrize(("kind", "taught"), [("attributes", False), ("attributes of fakes", True)])
def test_what_fakes_are_told_teaches_the_class_head_only_if_it_is_asked_to(run, tiles, kind, taught):
    heads = []
    for seed in ("one", "another"):  # other noise and another order of attributes, the same real images
        gan, _ = players(run, DCGAN, kind)
        condition = KINDS[kind][0](run.rng(seed))
        learn(Game(gan, run, run.rng(seed), DCGAN, condition), tuple(t[:12] for t in tiles))
        heads.append(gan.discriminator.heads)
    assert torch.equal(heads[0]["attributes"].weight, heads[1]["attributes"].weight) == (not taught)
    assert not torch.equal(heads[0]["real"].weight, heads[1]["real"].weight)


def test_the_class_term_of_real_images_is_not_in_the_generators_loss(run, tiles):
    """Its gradient would be none; it would only lift the curve."""
    images, table = (t[:12] for t in tiles)
    seen = []
    for real in (images, 255 - images):
        gan, condition = players(run, DCGAN, "attributes")
        seen.append(draw(Game(gan, run, run.rng("noise"), DCGAN, condition), (real, table)))
    assert seen[0] == seen[1]


def test_terms_of_real_images_join_the_discriminators_loss(run, tiles):
    batch = tuple(t[:12] for t in tiles)

    def on_real(discriminator, images, table):
        assert torch.equal(images, batch[0])
        assert torch.equal(table, batch[1])
        return {"extra": 3 * discriminator(to_unit(images))["real"].mean()}

    moved, still = (game(run, DCGAN, on_real=hook) for hook in (OnReal(on_real, run.rng("none")), None))
    terms, without = moved[1](*batch), still[1](*batch)
    assert set(terms) - set(without) == {"extra"}
    assert terms["discriminator"] == without["discriminator"]  # the first step: the game's own term is the same
    assert not equal(weights(moved[0].discriminator), weights(still[0].discriminator))


@pytest.mark.parametrize("mirror", [True, False])
def test_only_a_recipe_that_says_so_mirrors_real_images(run, tiles, mirror):
    gan, condition = players(run, PROJECT)
    seen = []
    gan.discriminator.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    recipe = replace(PROJECT, mirror=mirror)
    learn(Game(gan, run, run.rng("noise"), recipe, condition), tiles)
    x, shown = to_unit(tiles[0]) * 2 - 1, seen[0][:40]  # the fakes stand behind them
    same, mirrored = ((shown == other).flatten(1).all(1) for other in (x, x.flip(3)))
    assert (same ^ mirrored).all()
    assert (0 < mirrored.sum() < 40) if mirror else same.all()


# What stands beside the noise.


def test_attributes_are_pairs_of_off_and_on():
    table = torch.tensor([[1.0, 0.0], [0.25, 1.0]])
    assert acgan.pairs(table).tolist() == [[0, 1, 1, 0], [0.75, 0.25, 0, 1]]


def test_a_plain_gan_is_told_nothing(run, tiles):
    condition = nothing()
    c = condition.draw(*tiles)
    assert c.shape == (40, 0)
    assert c.dtype == torch.float32
    assert condition.read({}, c) == {}
    assert (condition.width, condition.of_real, condition.on_fakes) == (0, None, False)


def test_fake_images_are_told_the_attributes_of_real_ones_in_another_order(run, tiles):
    condition = acgan.attributes([2, 0], run.rng("condition"), WEIGHT)
    table = tiles[1]
    real = condition.of_real(*tiles)
    assert condition.width == 4
    assert torch.equal(real, torch.stack([1 - table[:, 2], table[:, 2], 1 - table[:, 0], table[:, 0]], dim=1))
    first, second = condition.draw(*tiles), condition.draw(*tiles)
    for told in (first, second):
        assert Counter(map(tuple, told.tolist())) == Counter(map(tuple, real.tolist()))
        assert not torch.equal(told, real)
    assert not torch.equal(first, second)
    again = acgan.attributes([2, 0], run.rng("condition"), WEIGHT).draw(*tiles)
    assert torch.equal(first, again)


def test_codes_are_one_hot_and_uniform(run, tiles):
    condition = infogan.codes([3, 2], 2, run.rng("condition"), WEIGHT, CONTINUOUS)
    assert condition.width == 7
    c = torch.cat([condition.draw(*tiles) for _ in range(75)])  # 3,000
    assert c.shape == (3000, 7)
    for block in (c[:, :3], c[:, 3:5]):
        assert block.unique().tolist() == [0, 1]
        assert block.sum(1).eq(1).all()
        expected = 3000 / block.shape[1]
        assert block.sum(0).tolist() == pytest.approx([expected] * block.shape[1], abs=120)  # 4 standard deviations
    joint = (c[:, :3].T @ c[:, 3:5]).flatten()
    assert joint.tolist() == pytest.approx([500] * 6, abs=85)  # codes do not depend on one another
    line = c[:, 5:]
    assert -1 <= line.min() < -0.99
    assert 0.99 < line.max() <= 1
    assert line.mean(0).tolist() == pytest.approx([0, 0], abs=0.05)
    assert line.var(0).tolist() == pytest.approx([1 / 3, 1 / 3], abs=0.03)
    assert torch.corrcoef(line.T)[0, 1].item() == pytest.approx(0, abs=0.08)


def test_draw_codes_depends_on_its_stream_alone(run):
    one, same = (infogan.draw_codes(20, [4], 1, run.rng("c")) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, infogan.draw_codes(20, [4], 1, run.rng("d")))


def test_attributes_are_read_by_cross_entropy(run):
    condition = acgan.attributes([2, 0], run.rng("condition"), WEIGHT)
    logits = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
    c = acgan.pairs(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    hand = -(F.logsigmoid(logits[0, 0]) + F.logsigmoid(-logits[0, 1]) + F.logsigmoid(-logits[1]).sum()) / 4
    assert condition.read({"attributes": logits}, c)["class"].item() == pytest.approx(WEIGHT * hand.item())


def test_codes_are_read_by_cross_entropy_and_squared_error(run):
    stream = run.rng("condition")
    condition = infogan.codes([3, 2], 2, stream, WEIGHT, CONTINUOUS)
    c = infogan.draw_codes(9, [3, 2], 2, stream)
    logits = torch.randn(9, 7, generator=stream)
    terms = condition.read({"code": logits, "real": logits[:, :1]}, c)
    three, two = (F.cross_entropy(logits[:, s], c[:, s].argmax(1)) for s in (slice(0, 3), slice(3, 5)))
    assert terms["entropy"].item() == pytest.approx(WEIGHT * (three + two).item())
    assert terms["error"].item() == pytest.approx(CONTINUOUS * (logits[:, 5:] - c[:, 5:]).square().mean().item())
    sure = condition.read({"code": torch.cat([50 * c[:, :5], c[:, 5:]], dim=1)}, c)
    assert [value.item() for value in sure.values()] == pytest.approx([0, 0], abs=1e-6)


def test_a_single_categorical_code_has_no_error(run):
    stream = run.rng("condition")
    condition = infogan.codes([10], 0, stream, 1.0, 1.0)
    c = condition.draw(torch.zeros(7, 1))
    assert c.shape == (7, 10)
    terms = condition.read({"code": torch.zeros(7, 10)}, c)
    assert terms["entropy"].item() == pytest.approx(torch.tensor(10.0).log().item())  # H(c), when nothing is known
    assert set(terms) == {"entropy"}


def test_noise_stands_before_the_condition(run):
    c = infogan.draw_codes(5, [3], 1, run.rng("c"))
    given = with_noise(c, 10, run.rng("noise"))
    assert given.shape == (5, 10)
    assert torch.equal(given[:, 6:], c)
    assert torch.equal(given[:, :6], torch.randn(5, 6, generator=run.rng("noise")))


# Training that goes wrong.


@pytest.mark.parametrize("batch_size", [20, 40])  # two steps a stretch, and one
def test_a_game_that_diverges_ends_with_a_line_and_weights_that_draw(run, tiles, recipe, batch_size, capsys):
    wild = replace(recipe, generator_rate=1e20, discriminator_rate=1e20)
    gan, step = game(run, wild)
    batches = Batches(tiles, batch_size, run.rng("order"))
    told = {"watching": Watching(every=batches.per_epoch), "restore_on_failure": gan.networks}
    history = fit(step, batches, 4 * batches.per_epoch, name="toy", state={}, **told)
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("toy: step")]
    assert printed == [f"toy: {history.ended}"]
    assert history.ended
    for network in (gan.generator, gan.discriminator, gan.sampler):
        assert all(value.isfinite().all() for value in network.state_dict().values())
    with torch.no_grad():
        assert gan.sampler.eval()(torch.randn(6, NOISE, generator=run.rng("z"))).isfinite().all()


def test_samples_are_in_the_unit_range_and_do_not_depend_on_the_batch(run, tiles):
    gan, _ = play(run, PROJECT, tiles)
    z = torch.randn(7, gan.generator.inputs, generator=torch.Generator().manual_seed(0))
    images = samples(gan, z)
    assert images.shape == (7, 3, 16, 16)
    assert 0 <= images.min() < images.max() <= 1
    torch.testing.assert_close(samples(gan, z, batch=3), images)
    assert gan.generator.training
