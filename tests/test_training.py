"""Batches, steps and fit: what is seen, in which order, and what is left behind."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils import losses
from lab_utils.config import LabError
from lab_utils.data import augment, batches
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.models.cvae import MLPCVAE, ConvCVAE, QuarterNet
from lab_utils.models.vae import FaceVAE, reparameterise
from lab_utils.training import fit as loop
from lab_utils.training.classifier import classifier_step
from lab_utils.training.cvae import (
    completion_step,
    train_completion,
    visible_quarter,
    with_label,
    with_quarter,
    without_label,
)
from lab_utils.training.fit import Batches, Watching, failure, fit
from lab_utils.training.schedule import anneal, one_cycle_adamw
from lab_utils.training.vae import train_vae, unconditional, vae_step
from tests.conftest import epoch


def test_an_epoch_sees_every_image_once(run):
    n = torch.arange(12)
    seen = torch.cat([batch for (batch,) in epoch((n,), 4, run.rng("order"))])
    assert sorted(seen.tolist()) == list(range(12))
    assert seen.tolist() != list(range(12))


def test_faces_are_reduced_by_the_mean_of_what_a_pixel_covers():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    split = SimpleNamespace(images=images, attributes=pd.DataFrame({"a": [0, 1, 0, 1, 1]}))
    small, table = batches.faces_to_device(split, torch.device("cpu"), limit=4, side=4)
    assert (small.dtype, small.shape) == (torch.uint8, (4, 3, 4, 4))
    expected = images[:4].reshape(4, 3, 4, 2, 4, 2).mean((3, 5)).round()
    assert np.abs(small.numpy() - expected).max() == 0
    assert table.tolist() == [[0], [1], [0], [1]]
    assert torch.equal(batches.faces_to_device(split, torch.device("cpu"))[0], torch.from_numpy(images))


def test_batches_are_full_and_keep_images_with_their_labels(run):
    images, labels = torch.arange(10) * 7, torch.arange(10)
    drawn = list(epoch((images, labels), 4, run.rng("order")))
    assert [len(x) for x, _ in drawn] == [4, 4] == [4] * Batches((images, labels), 4, run.rng("order")).per_epoch
    assert all(torch.equal(x, y * 7) for x, y in drawn)


def test_order_depends_on_the_stream_alone(run):
    n = torch.arange(50)
    first, second = (torch.cat([b for (b,) in epoch((n,), 10, run.rng("order"))]) for _ in range(2))
    assert torch.equal(first, second)
    other = torch.cat([b for (b,) in epoch((n,), 10, run.rng("another"))])
    assert not torch.equal(first, other)


def test_unit_range():
    assert batches.to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])


def test_the_quarter_shows_the_lower_left_alone(blobs):
    x, quarter = with_quarter(*blobs)
    quarter = quarter.view(-1, 14, 14)
    assert torch.equal(quarter, x[:, 0, 14:, :14])
    visible = visible_quarter(blobs[0])
    assert visible.sum() == 196
    assert visible[14:, :14].eq(1).all()


def cvae_case(make, prepare, **arguments):
    def build(run):
        model = run.build("weights", make, **arguments)
        optimizer, schedule = one_cycle_adamw(model, 2e-3, 40)
        nll = losses.bernoulli_nll
        return model, vae_step(model, optimizer, run, run.rng("z"), nll, prepare), schedule

    return build


def best_sigma(logits, x):
    return losses.optimal_gaussian_nll(logits.sigmoid(), x)


def face_case(run):
    model = run.build("weights", FaceVAE, latent=8, width=8, side=32)
    optimizer, schedule = one_cycle_adamw(model, 2e-3, 40)
    mirror = run.rng("mirror")

    def seen(images, attributes):
        return (augment.mirrored(batches.to_unit(images), mirror),)

    return model, vae_step(model, optimizer, run, run.rng("z"), best_sigma, seen), schedule


def quarter_case(run):
    model = run.build("weights", QuarterNet)
    optimizer, schedule = one_cycle_adamw(model, 2e-3, 40)
    return model, completion_step(model, optimizer, run, losses.bernoulli_nll), schedule


def judge_case(make, criterion, augment, dropout, **arguments):
    def build(run):
        model = run.build("weights", make, **arguments)
        optimizer, schedule = one_cycle_adamw(model, 2e-3, 40)
        stream = run.rng("dropout")
        return model, classifier_step(model, optimizer, run, stream, criterion, augment, dropout), schedule

    return build


CASES = {
    "mlp": cvae_case(MLPCVAE, with_label),
    "vae": cvae_case(MLPCVAE, without_label, condition=0),
    "conv": cvae_case(ConvCVAE, with_label),
    "completion": cvae_case(MLPCVAE, with_quarter, latent=20, condition=196),
    "quarter": quarter_case,
    "digit judge": judge_case(DigitClassifier, F.cross_entropy, augment.shifted, dropout=0.5),
    "face vae": face_case,
    "face judge": judge_case(
        FaceClassifier, F.binary_cross_entropy_with_logits, augment.shifted_and_mirrored, 0.0, attributes=2, side=32
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def tensors(request, case):
    return request.getfixturevalue("portraits" if case.startswith("face") else "blobs")


def train(run, case, tensors, steps=40):
    model, step, schedule = CASES[case](run)
    seen = Batches(tensors, 20, run.rng("order"))
    watching = Watching(every=10)
    return model, fit(
        step, seen, steps, name=case, state={}, after_step=lambda done: schedule.step(), watching=watching
    )


def test_every_step_learns_and_repeats_itself(run, tensors, case):
    model, history = train(run, case, tensors)
    assert history.stretches["train_loss"].iloc[-1] < history.stretches["train_loss"].iloc[0]
    again, history_again = train(run, case, tensors)
    pd.testing.assert_frame_equal(history.curve, history_again.curve, check_exact=True)
    after = again.state_dict()  # weights, and what batch norm has seen
    for name, value in model.state_dict().items():
        assert torch.equal(value, after[name]), name


def test_steps_return_detached_scalars(run, tensors, case):
    _, step, _ = CASES[case](run)
    for value in step(*(t[:20] for t in tensors)).values():
        assert value.shape == ()
        assert not value.requires_grad


@pytest.mark.parametrize("case", ["mlp", "face vae"])
def test_the_loss_is_the_sum_of_its_terms(run, tensors, case):
    curve = train(run, case, tensors, steps=10)[1].curve
    assert curve["loss"].to_numpy() == pytest.approx((curve["reconstruction"] + curve["kl"]).to_numpy(), rel=1e-6)


def zeros(run, n=20):
    """Batches of ten of so many images."""
    return Batches((torch.zeros(n),), 10, run.rng("order"))


def counting_step(values):
    source = iter(values)
    return lambda images: {"loss": torch.tensor(float(next(source)))}


def test_history_holds_means_per_stretch_and_every_nth_step(run):
    watching = Watching(every=6, evaluate=lambda: {"test_loss": 7.0}, log_every=3)
    history = fit(counting_step(range(12)), zeros(run, 60), 12, name="toy", state={}, watching=watching)
    assert history.stretches.to_dict("list") == {
        "step": [6, 12], "epoch": [1, 2], "train_loss": [2.5, 8.5], "test_loss": [7.0, 7.0]
    }  # fmt: skip
    assert history.epochs == 2
    assert history.curve.to_dict("list") == {"step": [3, 6, 9, 12], "loss": [2.0, 5.0, 8.0, 11.0]}


def test_a_small_set_trains_as_long_as_a_large_one(run):
    """So many steps in the same stretches, whatever the data; how often it then passed is the epoch."""
    watching = Watching(every=2, log_every=1)
    histories = {
        n: fit(counting_step(range(6)), zeros(run, n), 6, name="toy", state={}, watching=watching) for n in (20, 30, 60)
    }
    for n, epochs in ((20, 3), (30, 2), (60, 1)):
        history = histories[n]
        pd.testing.assert_frame_equal(history.curve, histories[60].curve)
        pd.testing.assert_frame_equal(
            history.stretches.drop(columns="epoch"), histories[60].stretches[["step", "train_loss"]]
        )
        assert history.stretches["epoch"].tolist() == pytest.approx([epochs / 3, 2 * epochs / 3, epochs])
        assert history.epochs == epochs
    assert histories[20].stretches["step"].tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("every", "ends", "means"), [(3, [3, 6, 7], [1, 4, 6]), (5, [5, 7], [2, 5.5]), (9, [7], [3]), (None, [7], [3])]
)
def test_a_stretch_that_does_not_divide_the_steps_leaves_a_shorter_last_one(run, every, ends, means):
    seen, evaluated = iter(range(7)), []  # an eighth step would find nothing
    watching = Watching(every, evaluate=lambda: evaluated.append(1) or {}, log_every=1)
    history = fit(counting_step(seen), zeros(run, 30), 7, name="toy", state={}, watching=watching)
    assert next(seen, None) is None
    assert history.stretches["step"].tolist() == ends
    assert history.stretches["epoch"].tolist() == pytest.approx([end / 3 for end in ends])
    assert history.stretches["train_loss"].tolist() == means
    assert history.curve.to_dict("list") == {"step": [*range(1, 8)], "loss": [*range(7)]}
    assert history.epochs == 2
    assert len(evaluated) == len(ends)


def test_the_order_goes_on_from_one_stretch_to_the_next(run):
    """A stretch may end in the middle of an epoch; every image is still seen once in each."""
    seen = []
    step = lambda images: seen.append(images) or {"loss": torch.tensor(0.0)}  # noqa: E731
    fit(step, Batches((torch.arange(30),), 10, run.rng("order")), 6, name="toy", state={}, watching=Watching(every=2))
    for pass_ in (seen[:3], seen[3:]):
        assert sorted(torch.cat(pass_).tolist()) == list(range(30))


def brighter(images, rng):
    """Each pixel by an amount of its own."""
    return images + torch.randint(1, 99, images.shape, generator=rng, device=rng.device).byte()


def test_images_are_changed_anew_at_each_draw_from_the_stream_of_their_order(run):
    images, labels = torch.zeros(20, 1, 4, 4, dtype=torch.uint8), torch.arange(20)
    drawn = list(itertools.islice(Batches((images, labels), 10, run.rng("order"), brighter), 4))
    order = run.rng("order")
    expected = [(brighter(part, order), own) for _ in range(2) for part, own in epoch((images, labels), 10, order)]
    for batch, by_hand in zip(drawn, expected, strict=True):
        assert all(map(torch.equal, batch, by_hand))
    once, again = (
        {n: x for xs, ns in half for n, x in zip(ns.tolist(), xs, strict=True)} for half in (drawn[:2], drawn[2:])
    )
    assert set(once) == set(again) == set(range(20))
    assert not any(torch.equal(once[n], again[n]) for n in once)
    assert not images.any()  # the split itself stays as it was


def test_few_digits_are_moved_and_many_are_not():
    assert augment.moved_if_few(torch.empty(1)) is augment.moved
    assert augment.moved_if_few(torch.empty(9_999)) is augment.moved
    assert augment.moved_if_few(torch.empty(10_000)) is None
    assert augment.moved_if_few(torch.empty(60_000)) is None


def test_headless_prints_one_line_per_stretch(run, capsys):
    fit(counting_step(range(6)), zeros(run), 6, name="toy", state={}, watching=Watching(every=2))
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"toy: step {i}/6" for i in (2, 4, 6)]


def test_data_that_does_not_fill_a_batch_is_one_line(run):
    with pytest.raises(LabError, match="5 images do not fill one batch of 10"):
        fit(counting_step([1]), zeros(run, 5), 1, name="toy", state={})


def test_a_loss_that_is_not_finite_ends_the_training(run):
    with pytest.raises(LabError, match="toy: loss is not finite before step 4"):
        fit(counting_step([1, 2, float("nan"), 3]), zeros(run), 4, name="toy", state={}, watching=Watching(every=2))


class Tally(nn.Module):
    """A weight and a buffer that count the steps taken, as weights and batch norm move while a model trains."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 3))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def step_over(self, rows):
        """A step that counts itself and returns the next row of scalars."""
        source = iter(rows)

        def step(images):
            with torch.no_grad():
                self.weight += 1
            self.seen += 1
            return {key: torch.tensor(float(value)) for key, value in next(source).items()}

        return step

    def steps(self):
        assert self.weight.unique().item() == self.seen.item()
        return self.seen.item()


def fit_tally(run, models, rows, stretches, evaluate=None, **more):
    """Two steps a stretch; the first model counts them."""
    watching = Watching(every=2, evaluate=evaluate, log_every=1)
    return fit(models[0].step_over(rows), zeros(run), 2 * stretches, name="toy", state={}, watching=watching, **more)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_game_that_fails_ends_early_and_keeps_the_weights_from_before(run, bad, capsys):
    models, evaluated = [Tally()], []
    rows = [{"discriminator": 1.0, "generator": 2.0}] * 5 + [{"discriminator": 1.0, "generator": bad}]
    history = fit_tally(
        run, models, rows, 9, restore_on_failure=models, evaluate=lambda: evaluated.append(1) or {"score": 3.0}
    )
    assert history.ended == "generator is not finite before step 6 of 18; the weights of step 4 are kept"
    assert capsys.readouterr().out.splitlines()[2:] == [f"toy: {history.ended}"]  # after a line for each good stretch
    assert models[0].steps() == 4
    assert history.stretches["epoch"].tolist() == [1, 2]
    assert history.stretches["train_generator"].tolist() == [2, 2]
    assert history.stretches["score"].tolist() == [3, 3]
    assert len(evaluated) == 2


def test_a_game_that_fails_at_once_has_the_weights_it_began_with(run):
    models = [Tally(), nn.Linear(2, 2)]
    start = models[1].weight.detach().clone()
    history = fit_tally(run, models, [{"loss": float("nan")}] * 2, 3, restore_on_failure=models)
    assert "before step 2 of 6" in history.ended
    assert models[0].steps() == 0
    assert torch.equal(models[1].weight, start)
    assert history.stretches.empty


def test_all_kept_modules_get_back_their_weights_and_no_other(run):
    kept, other = Tally(), Tally()
    count, rest = kept.step_over([{"loss": 1.0}] * 3 + [{"loss": float("nan")}]), other.step_over([{}] * 4)
    fit(
        lambda images: count(images) | rest(images),
        zeros(run),
        4,
        name="toy",
        state={},
        watching=Watching(every=2),
        restore_on_failure=[kept],
    )
    assert kept.steps() == 2
    assert other.steps() == 4


def test_a_game_that_goes_well_keeps_its_last_weights(run, capsys):
    models = [Tally()]
    history = fit_tally(run, models, [{"discriminator": 0.3}] * 6, 3, restore_on_failure=models)
    assert history.ended == ""
    assert models[0].steps() == 6
    assert len(history.stretches) == 3
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_is_kept_unless_it_is_asked_for(run):
    model = Tally()
    with pytest.raises(LabError, match="toy: the discriminator's loss is zero before step 4; lower learning_rate"):
        fit_tally(run, [model], [{"discriminator": 1.0}] * 2 + [{"discriminator": 0.0}] * 2, 3)
    assert model.steps() == 4


@pytest.mark.parametrize("steps", [4, 6])  # the last stretch, and one that another follows
def test_weights_that_are_not_finite_are_not_good_though_the_scalars_were(run, steps):
    """A step's scalars are those of the weights it found; its last update may ruin them unseen."""
    model = Tally()
    count = model.step_over([{"loss": 1.0}] * 6)

    def step(images):
        scalars = {"loss": count(images)["loss"] * model.weight.sum() / model.weight.sum()}
        if model.seen == 4:
            model.weight.data.fill_(float("nan"))
        return {key: value.detach() for key, value in scalars.items()}

    history = fit(step, zeros(run), steps, name="toy", state={}, watching=Watching(every=2), restore_on_failure=[model])
    assert model.weight.isfinite().all()
    assert model.steps() == 2
    assert "before step 4" in history.ended
    assert history.stretches["epoch"].tolist() == [1]


def table(**columns):
    return pd.DataFrame({name: [float(v) for v in values] for name, values in columns.items()})


@pytest.mark.parametrize(
    ("scalars", "what"),
    [
        (table(discriminator=[0.5] * 20, generator=[2] * 20), ""),
        (table(discriminator=[0.5, float("nan")], generator=[2, 2]), "discriminator is not finite"),
        (table(discriminator=[0] * 20, generator=[9] * 20), "the discriminator's loss is zero"),
        (table(discriminator=[0.9] + [1e-4] * 19), "the discriminator's loss is zero"),  # for nearly all of the steps
        (table(discriminator=[0.9] * 3 + [0] * 17), ""),  # now and then is no failure
        (table(discriminator=[0.01] * 20), ""),  # low is not zero
        (table(discriminator=[-3.0] * 20), ""),  # a critic's loss is minus a distance
        (table(discriminator=[-1e-4] * 20), ""),
        (table(generator=[0] * 20, entropy_fake=[0] * 20), ""),  # a generator that wins, a code that is read
    ],
)
def test_what_went_wrong_is_said_in_a_few_words(scalars, what):
    assert failure(scalars) == what


def interrupting_step(after):
    count = iter(range(after))

    def step(images):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return {"loss": torch.tensor(1.0)}

    return step


def test_an_interrupt_ends_a_headless_training(run):
    with pytest.raises(KeyboardInterrupt):
        fit(interrupting_step(3), zeros(run), 18, name="toy", state={}, watching=Watching(every=2))


def test_an_interrupt_in_jupyterlab_keeps_what_was_reached(run, monkeypatch, capsys):
    monkeypatch.setattr(loop, "in_jupyter", lambda: True)
    history = fit(interrupting_step(5), zeros(run), 18, name="toy", state={}, watching=Watching(every=2))
    assert history.stretches["epoch"].tolist() == [1, 2]
    assert "interrupted after 4 of 18 steps" in capsys.readouterr().out


def test_annealing_goes_straight_down_and_stays():
    value = torch.tensor(0.0)
    advance = anneal(value, 20.0, 4.0, 8)
    seen = [value.item()]
    for done in range(1, 9):
        advance(done)
        seen.append(value.item())
    assert seen == [20, 16, 12, 8, 4, 4, 4, 4, 4]


def test_beta_weighs_the_kl_but_the_loss_stays_the_negative_elbo(run, blobs):
    x, y = blobs[0][:20], blobs[1][:20]
    ends = {}
    for beta in (1.0, 100.0):
        model = run.build("weights", MLPCVAE)
        optimizer, _ = one_cycle_adamw(model, 2e-3, 40)
        step = vae_step(model, optimizer, run, run.rng("z"), losses.bernoulli_nll, with_label, torch.tensor(beta))
        for _ in range(20):
            terms = step(x, y)
        torch.testing.assert_close(terms["loss"], terms["reconstruction"] + terms["kl"])
        ends[beta] = terms["kl"].item()
    assert ends[100.0] < 0.2 * ends[1.0]


@pytest.mark.parametrize("beta", [0.0, 1.0, torch.tensor(7.5)])
def test_a_step_descends_on_the_weighted_sum(run, portraits, beta):
    images, rate = portraits[0][:20], 1e-3
    model, reference = (run.build("weights", FaceVAE, latent=8, width=8, side=32) for _ in range(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    terms = vae_step(
        model, optimizer, run, run.rng("z"), losses.bernoulli_nll, unconditional, beta
    )(images)  # fmt: skip

    x = images.float() / 255
    mu, log_var = reference.encode(x)
    z = reparameterise(mu, log_var, torch.randn(20, 8, generator=run.rng("z")))
    reconstruction = losses.bernoulli_nll(reference.decode(z), x).mean()
    kl = losses.kl_to_standard_normal(mu, log_var).mean()
    (reconstruction + beta * kl).backward()
    torch.testing.assert_close((terms["reconstruction"], terms["kl"]), (reconstruction.detach(), kl.detach()))
    torch.testing.assert_close(terms["loss"], (reconstruction + kl).detach())
    for (name, moved), start in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(moved, start - rate * start.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_rate_rises_to_its_peak_and_falls():
    optimizer, schedule = one_cycle_adamw(nn.Linear(1, 1), 1e-2, 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(1e-2)
    assert rates.index(max(rates)) == 29
    assert rates[-1] < 1e-5


def test_slow_parameters_have_a_fiftieth_of_the_rate_and_do_not_decay():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    optimizer, schedule = one_cycle_adamw(model, 1e-2, 100, slow=model[1].parameters())
    fast, slow = optimizer.param_groups
    assert [id(p) for p in fast["params"]] == [id(p) for p in model[0].parameters()]
    assert [id(p) for p in slow["params"]] == [id(p) for p in model[1].parameters()]
    assert (fast["weight_decay"], slow["weight_decay"]) == (0.05, 0)
    for _ in range(100):
        assert slow["lr"] == pytest.approx(fast["lr"] / 50)
        optimizer.step()
        schedule.step()


def test_shifts_move_every_image_by_at_most_a_pixel(run, blobs):
    x = batches.to_unit(blobs[0])
    stream = run.rng("shift")
    moves = {(0, 0), (0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1), (1, -1), (-1, 1)}
    seen = set()
    for _ in range(200):
        moved = augment.shifted(x, stream)
        seen |= {move for move in moves if torch.equal(moved, torch.roll(x, move, (2, 3)))}
    assert seen == moves


def test_mirrored_images_are_themselves_or_their_mirror_images(run, portraits):
    x = batches.to_unit(portraits[0])
    stream = run.rng("mirror")
    turned = 0
    for _ in range(10):
        seen = augment.mirrored(x, stream)
        same, mirrored = ((seen == other).flatten(1).all(1) for other in (x, x.flip(3)))
        assert (same ^ mirrored).all()  # no image of these is its own mirror image
        assert 0 < mirrored.sum() < len(x)
        turned += mirrored.sum().item()
    assert turned == pytest.approx(1000, abs=80)  # of 2000; 3.6 standard deviations


# Whole trainings.


class Looking(FaceVAE):
    """A face VAE that keeps what it is shown."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.seen = []

    def forward(self, x, noise):
        self.seen.append((x, noise))
        return super().forward(x, noise)


def train_faces(run, portraits, make=FaceVAE, **arguments):
    model = run.build("weights", make, latent=8, width=4, side=32)
    arguments = {"name": "toy", "steps": 8, "every": 4, "batch_size": 50, "max_lr": 2e-3} | arguments
    return model, train_vae(run, model, portraits, losses.bernoulli_nll, **arguments)


def test_training_sees_mirrored_images_and_evaluation_does_not(run, portraits):
    (x,) = unconditional(*portraits)
    assert torch.equal(x, batches.to_unit(portraits[0]))
    order, mirror = run.rng("toy order"), run.rng("toy mirror")
    expected = [
        augment.mirrored(unconditional(*batch)[0], mirror)
        for batch in itertools.islice(Batches(portraits, 50, order), 8)
    ]
    turned, plain = (
        [seen for seen, _ in train_faces(run, portraits, Looking, mirror=mirror)[0].seen] for mirror in (True, False)
    )
    assert all(map(torch.equal, turned, expected))
    order = torch.randperm(200, generator=run.rng("toy order"))
    assert torch.equal(torch.cat(plain[:4]), x[order])  # an epoch is the split in another order


def test_a_vae_is_trained_as_its_parts_say(run, portraits):
    """train_vae is vae_step, one_cycle_adamw, anneal and fit, with random streams named after its purpose."""
    extra = []
    told = {"betas": (5.0, 1.0), "purpose": "faces", "log_every": 1, "after_step": extra.append}
    model, history = train_faces(run, portraits, **told)
    reference = run.build("weights", FaceVAE, latent=8, width=4, side=32)
    seen = Batches(portraits, 50, run.rng("faces order"))
    optimizer, rate = one_cycle_adamw(reference, 2e-3, 8)
    beta = torch.ones(())
    change = anneal(beta, 5.0, 1.0, 8)
    step = vae_step(reference, optimizer, run, run.rng("faces z"), losses.bernoulli_nll, unconditional, beta)
    watching = Watching(every=4, log_every=1)
    told = {"after_step": lambda done: (rate.step(), change(done)), "watching": watching}
    by_hand = fit(step, seen, 8, name="toy", state={}, **told)
    pd.testing.assert_frame_equal(history.curve, by_hand.curve, check_exact=True)
    pd.testing.assert_frame_equal(history.stretches, by_hand.stretches, check_exact=True)
    assert all(map(torch.equal, model.state_dict().values(), reference.state_dict().values()))
    assert extra == [1, 2, 3, 4, 5, 6, 7, 8]


def test_models_of_one_purpose_see_the_same_noise_in_the_same_order(run, portraits):
    seen = {
        (name, purpose): train_faces(run, portraits, Looking, name=name, purpose=purpose, steps=4)[0].seen
        for name, purpose in [("a", "both"), ("b", "both"), ("a", None), ("a", "")]
    }
    one, other, named, bare = ([t for pair in pairs for t in pair] for pairs in seen.values())
    assert all(map(torch.equal, one, other))
    assert not any(map(torch.equal, one, named))
    z = run.rng("z")
    assert all(torch.equal(noise, torch.randn(50, 8, generator=z)) for noise in bare[1::2])


def test_watching_joins_the_history_of_a_whole_training(run, blobs):
    told = {"name": "toy", "steps": 8, "batch_size": 50, "max_lr": 1e-3}
    told |= {"every": 4, "evaluate": lambda: {"score": 3.0}}
    for history in (
        train_vae(run, run.build("w", MLPCVAE), blobs, losses.bernoulli_nll, prepare=with_label, **told),
        train_completion(run, run.build("w", QuarterNet), blobs, losses.bernoulli_nll, **told),
    ):
        assert history.stretches["score"].tolist() == [3, 3]
        assert history.stretches["train_loss"].iloc[1] < history.stretches["train_loss"].iloc[0]
        assert history.curve.empty  # stretches of four steps, and a point every ten


def test_a_completion_and_its_rival_see_the_same_digits_in_the_same_order(run, blobs):
    class Noted(QuarterNet):
        def forward(self, visible):
            rows.append(visible)
            return super().forward(visible)

    rows = []
    told = {"name": "baseline", "purpose": "completion", "steps": 4, "batch_size": 50, "max_lr": 1e-3}
    train_completion(run, run.build("w", Noted), blobs, losses.bernoulli_nll, **told)
    expected = [
        with_quarter(*batch)[1] for batch in itertools.islice(Batches(blobs, 50, run.rng("completion order")), 4)
    ]
    assert all(map(torch.equal, rows, expected))


def test_a_whole_training_sees_images_as_they_are_changed(run, portraits, blobs):
    model, _ = train_faces(run, portraits, Looking, augment=brighter)
    expected = itertools.islice(Batches(portraits, 50, run.rng("toy order"), brighter), 8)
    assert all(torch.equal(seen, batches.to_unit(x)) for (seen, _), (x, _) in zip(model.seen, expected, strict=True))
    told = {"name": "toy", "steps": 4, "batch_size": 50, "max_lr": 1e-3, "every": 1, "log_every": 1}
    curves = [
        train_completion(run, run.build("w", QuarterNet), blobs, losses.bernoulli_nll, augment=how, **told).curve
        for how in (brighter, brighter, None)
    ]
    pd.testing.assert_frame_equal(curves[0], curves[1], check_exact=True)
    assert (curves[0]["loss"] != curves[2]["loss"]).all()


@pytest.mark.parametrize("train", [train_vae, train_completion])
def test_a_training_without_a_batch_is_one_line(run, blobs, train):
    with pytest.raises(LabError, match="do not fill one batch"):
        train(run, run.build("w", MLPCVAE), blobs, losses.bernoulli_nll, name="toy", steps=1, batch_size=201,
              max_lr=1e-3)  # fmt: skip


def test_faces_are_shifted_and_mirrored(run, portraits):
    x = batches.to_unit(portraits[0][:20])
    seen, stream = augment.shifted_and_mirrored(x, run.rng("a")), run.rng("a")
    assert torch.equal(seen, augment.mirrored(augment.shifted(x, stream), stream))


@pytest.mark.parametrize("seen", [lambda images: images, batches.to_unit], ids=["bytes", "unit range"])
def test_a_judges_loss_is_its_criterion(run, portraits, seen):
    images, attributes = portraits[0][:20], portraits[1][:20]
    model, reference = (run.build("weights", FaceClassifier, attributes=2, side=32) for _ in range(2))
    loss = F.binary_cross_entropy_with_logits
    step = classifier_step(
        model, torch.optim.SGD(model.parameters(), 1e-3), run, run.rng("s"), loss, lambda x, _: x, 0.0
    )
    expected = loss(reference(batches.to_unit(images)), attributes)
    torch.testing.assert_close(step(seen(images), attributes)["loss"], expected.detach())
