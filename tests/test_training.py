"""Batches, steps and fit: what is seen, in which order, and what is left behind."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils import losses, steps, training
from lab_utils.config import LabError
from lab_utils.data import batches
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.models.cvae import MLPCVAE, ConvCVAE, QuarterNet
from lab_utils.models.vae import FaceVAE, reparameterise


def test_an_epoch_sees_every_image_once(run):
    n = torch.arange(12)
    seen = torch.cat([batch for (batch,) in batches.shuffled((n,), 4, run.generator("order"))])
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
    drawn = list(batches.shuffled((images, labels), 4, run.generator("order")))
    assert [len(x) for x, _ in drawn] == [4, 4] == [4] * batches.steps_per_epoch(10, 4)
    assert all(torch.equal(x, y * 7) for x, y in drawn)


def test_order_depends_on_the_stream_alone(run):
    n = torch.arange(50)
    first, second = (torch.cat([b for (b,) in batches.shuffled((n,), 10, run.generator("order"))]) for _ in range(2))
    assert torch.equal(first, second)
    other = torch.cat([b for (b,) in batches.shuffled((n,), 10, run.generator("another"))])
    assert not torch.equal(first, other)


def test_unit_range():
    assert batches.to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])


def test_the_quarter_shows_the_lower_left_alone(blobs):
    x, quarter = steps.with_quarter(*blobs)
    quarter = quarter.view(-1, 14, 14)
    assert torch.equal(quarter, x[:, 0, 14:, :14])
    visible = steps.visible_quarter(blobs[0])
    assert visible.sum() == 196
    assert visible[14:, :14].eq(1).all()


def cvae_case(make, prepare, **arguments):
    def build(run):
        model = run.build("weights", make, **arguments)
        optimizer, schedule = training.adam(model, 2e-3, 40)
        nll = losses.bernoulli_nll
        return model, steps.vae_step(model, optimizer, run, run.generator("z"), nll, prepare), schedule

    return build


def best_sigma(logits, x):
    return losses.optimal_gaussian_nll(logits.sigmoid(), x)


def face_case(run):
    model = run.build("weights", FaceVAE, latent=8, width=8, side=32)
    optimizer, schedule = training.adam(model, 2e-3, 40)
    prepare = steps.mirrored(run.generator("mirror"))
    return model, steps.vae_step(model, optimizer, run, run.generator("z"), best_sigma, prepare), schedule


def quarter_case(run):
    model = run.build("weights", QuarterNet)
    optimizer, schedule = training.adam(model, 2e-3, 40)
    return model, steps.completion_step(model, optimizer, run, losses.bernoulli_nll), schedule


def judge_case(make, criterion, augment, dropout, **arguments):
    def build(run):
        model = run.build("weights", make, **arguments)
        optimizer, schedule = training.adam(model, 2e-3, 40)
        stream = run.generator("dropout")
        return model, steps.classifier_step(model, optimizer, run, stream, criterion, augment, dropout), schedule

    return build


CASES = {
    "mlp": cvae_case(MLPCVAE, steps.with_label),
    "vae": cvae_case(MLPCVAE, steps.without_label, condition=0),
    "conv": cvae_case(ConvCVAE, steps.with_label),
    "completion": cvae_case(MLPCVAE, steps.with_quarter, latent=20, condition=196),
    "quarter": quarter_case,
    "digit judge": judge_case(DigitClassifier, F.cross_entropy, steps.shifted, dropout=0.5),
    "face vae": face_case,
    "face judge": judge_case(
        FaceClassifier, F.binary_cross_entropy_with_logits, steps.shifted_and_mirrored, 0.0, attributes=2, side=32
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def tensors(request, case):
    return request.getfixturevalue("portraits" if case.startswith("face") else "blobs")


def train(run, case, tensors, epochs=4):
    model, step, schedule = CASES[case](run)
    history = training.fit(
        step, tensors, name=case, epochs=epochs, batch_size=20, stream=run.generator("order"), after_step=schedule.step
    )
    return model, history


def test_every_step_learns_and_repeats_itself(run, tensors, case):
    model, history = train(run, case, tensors)
    assert history.epochs["train_loss"].iloc[-1] < history.epochs["train_loss"].iloc[0]
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
    curve = train(run, case, tensors, epochs=1)[1].curve
    assert curve["loss"].to_numpy() == pytest.approx((curve["reconstruction"] + curve["kl"]).to_numpy(), rel=1e-6)


def counting_step(values):
    source = iter(values)
    return lambda images: {"loss": torch.tensor(float(next(source)))}


def test_history_holds_means_per_epoch_and_every_nth_batch(run):
    history = training.fit(
        counting_step(range(12)), (torch.zeros(60),), name="toy", epochs=2, batch_size=10,
        stream=run.generator("order"), evaluate=lambda: {"test_loss": 7.0}, log_every=3,
    )  # fmt: skip
    assert history.epochs.to_dict("list") == {"epoch": [1, 2], "train_loss": [2.5, 8.5], "test_loss": [7.0, 7.0]}
    assert history.curve.to_dict("list") == {"step": [3, 6, 9, 12], "loss": [2.0, 5.0, 8.0, 11.0]}


def test_headless_prints_one_line_per_epoch(run, capsys):
    training.fit(counting_step(range(6)), (torch.zeros(20),), name="toy", epochs=3, batch_size=10,
                 stream=run.generator("order"))  # fmt: skip
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"toy: epoch {i}/3" for i in (1, 2, 3)]


def test_data_that_does_not_fill_a_batch_is_one_line(run):
    with pytest.raises(LabError, match="5 images do not fill one batch of 10"):
        training.fit(counting_step([1]), (torch.zeros(5),), name="toy", epochs=1, batch_size=10,
                     stream=run.generator("order"))  # fmt: skip


def test_a_loss_that_is_not_finite_ends_the_training(run):
    with pytest.raises(LabError, match="toy: loss is not finite in epoch 2"):
        training.fit(counting_step([1, 2, float("nan"), 3]), (torch.zeros(20),), name="toy", epochs=2, batch_size=10,
                     stream=run.generator("order"))  # fmt: skip


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


def fit_tally(run, models, rows, epochs, **more):
    """Two steps an epoch; the first model counts them."""
    return training.fit(
        models[0].step_over(rows), (torch.zeros(20),), name="toy", epochs=epochs, batch_size=10,
        stream=run.generator("order"), log_every=1, **more,
    )  # fmt: skip


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_game_that_fails_ends_early_and_keeps_the_weights_from_before(run, bad, capsys):
    models, evaluated = [Tally()], []
    rows = [{"discriminator": 1.0, "generator": 2.0}] * 5 + [{"discriminator": 1.0, "generator": bad}]
    history = fit_tally(run, models, rows, 9, keep=models, evaluate=lambda: evaluated.append(1) or {"score": 3.0})
    assert history.ended == "generator is not finite in epoch 3 of 9; the weights from before that epoch are kept"
    assert capsys.readouterr().out.splitlines()[2:] == [f"toy: {history.ended}"]  # after a line for each good epoch
    assert models[0].steps() == 4
    assert history.epochs["epoch"].tolist() == [1, 2]
    assert history.epochs["train_generator"].tolist() == [2, 2]
    assert history.epochs["score"].tolist() == [3, 3]
    assert len(evaluated) == 2


def test_a_game_that_fails_at_once_has_the_weights_it_began_with(run):
    models = [Tally(), nn.Linear(2, 2)]
    start = models[1].weight.detach().clone()
    history = fit_tally(run, models, [{"loss": float("nan")}] * 2, 3, keep=models)
    assert "in epoch 1 of 3" in history.ended
    assert models[0].steps() == 0
    assert torch.equal(models[1].weight, start)
    assert history.epochs.empty


def test_all_kept_modules_get_back_their_weights_and_no_other(run):
    kept, other = Tally(), Tally()
    count, rest = kept.step_over([{"loss": 1.0}] * 3 + [{"loss": float("nan")}]), other.step_over([{}] * 4)
    training.fit(
        lambda images: count(images) | rest(images), (torch.zeros(20),), name="toy", epochs=2, batch_size=10,
        stream=run.generator("order"), keep=[kept],
    )  # fmt: skip
    assert kept.steps() == 2
    assert other.steps() == 4


def test_a_game_that_goes_well_keeps_its_last_weights(run, capsys):
    models = [Tally()]
    history = fit_tally(run, models, [{"discriminator": 0.3}] * 6, 3, keep=models)
    assert history.ended == ""
    assert models[0].steps() == 6
    assert len(history.epochs) == 3
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_is_kept_unless_it_is_asked_for(run):
    model = Tally()
    with pytest.raises(LabError, match="toy: the discriminator's loss is zero in epoch 2; lower learning_rate"):
        fit_tally(run, [model], [{"discriminator": 1.0}] * 2 + [{"discriminator": 0.0}] * 2, 3)
    assert model.steps() == 4


@pytest.mark.parametrize("epochs", [2, 3])  # the last epoch, and one that another follows
def test_weights_that_are_not_finite_are_not_good_though_the_scalars_were(run, epochs):
    """A step's scalars are those of the weights it found; its last update may ruin them unseen."""
    model = Tally()
    count = model.step_over([{"loss": 1.0}] * 6)

    def step(images):
        scalars = {"loss": count(images)["loss"] * model.weight.sum() / model.weight.sum()}
        if model.seen == 4:
            model.weight.data.fill_(float("nan"))
        return {key: value.detach() for key, value in scalars.items()}

    history = training.fit(
        step, (torch.zeros(20),), name="toy", epochs=epochs, batch_size=10, stream=run.generator("order"), keep=[model]
    )
    assert model.weight.isfinite().all()
    assert model.steps() == 2
    assert "epoch 2" in history.ended
    assert history.epochs["epoch"].tolist() == [1]


def table(**columns):
    return pd.DataFrame({name: [float(v) for v in values] for name, values in columns.items()})


@pytest.mark.parametrize(
    ("scalars", "what"),
    [
        (table(discriminator=[0.5] * 20, generator=[2] * 20), ""),
        (table(discriminator=[0.5, float("nan")], generator=[2, 2]), "discriminator is not finite"),
        (table(discriminator=[0] * 20, generator=[9] * 20), "the discriminator's loss is zero"),
        (table(discriminator=[0.9] + [1e-4] * 19), "the discriminator's loss is zero"),  # for nearly all of the epoch
        (table(discriminator=[0.9] * 3 + [0] * 17), ""),  # now and then is no trouble
        (table(discriminator=[0.01] * 20), ""),  # low is not zero
        (table(discriminator=[-3.0] * 20), ""),  # a critic's loss is minus a distance
        (table(discriminator=[-1e-4] * 20), ""),
        (table(generator=[0] * 20, entropy_fake=[0] * 20), ""),  # a generator that wins, a code that is read
    ],
)
def test_trouble(scalars, what):
    assert training.trouble(scalars) == what


def interrupting_step(after):
    count = iter(range(after))

    def step(images):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return {"loss": torch.tensor(1.0)}

    return step


def test_an_interrupt_ends_a_headless_training(run):
    with pytest.raises(KeyboardInterrupt):
        training.fit(interrupting_step(3), (torch.zeros(20),), name="toy", epochs=9, batch_size=10,
                     stream=run.generator("order"))  # fmt: skip


def test_an_interrupt_in_jupyterlab_keeps_what_was_reached(run, monkeypatch, capsys):
    monkeypatch.setattr(training, "interactive", lambda: True)
    history = training.fit(interrupting_step(5), (torch.zeros(20),), name="toy", epochs=9, batch_size=10,
                           stream=run.generator("order"))  # fmt: skip
    assert history.epochs["epoch"].tolist() == [1, 2]
    assert "interrupted after 2 of 9 epochs" in capsys.readouterr().out


def test_annealing_goes_straight_down_and_stays():
    value = torch.tensor(0.0)
    advance = training.anneal(value, 20.0, 4.0, 8)
    seen = [value.item()]
    for _ in range(8):
        advance()
        seen.append(value.item())
    assert seen == [20, 16, 12, 8, 4, 4, 4, 4, 4]


def test_beta_weighs_the_kl_but_the_loss_stays_the_negative_elbo(run, blobs):
    x, y = blobs[0][:20], blobs[1][:20]
    ends = {}
    for beta in (1.0, 100.0):
        model = run.build("weights", MLPCVAE)
        optimizer, _ = training.adam(model, 2e-3, 40)
        step = steps.vae_step(
            model, optimizer, run, run.generator("z"), losses.bernoulli_nll, steps.with_label, torch.tensor(beta)
        )
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
    terms = steps.vae_step(
        model, optimizer, run, run.generator("z"), losses.bernoulli_nll, steps.alone, beta
    )(images)  # fmt: skip

    x = images.float() / 255
    mu, log_var = reference.encode(x)
    z = reparameterise(mu, log_var, torch.randn(20, 8, generator=run.generator("z")))
    reconstruction = losses.bernoulli_nll(reference.decode(z), x).mean()
    kl = losses.kl_to_standard_normal(mu, log_var).mean()
    (reconstruction + beta * kl).backward()
    torch.testing.assert_close((terms["reconstruction"], terms["kl"]), (reconstruction.detach(), kl.detach()))
    torch.testing.assert_close(terms["loss"], (reconstruction + kl).detach())
    for (name, moved), start in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(moved, start - rate * start.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_rate_rises_to_its_peak_and_falls():
    optimizer, schedule = training.adam(nn.Linear(1, 1), 1e-2, 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(1e-2)
    assert rates.index(max(rates)) == 29
    assert rates[-1] < 1e-5


def test_shifts_move_every_image_by_at_most_a_pixel(run, blobs):
    x = batches.to_unit(blobs[0])
    stream = run.generator("shift")
    moves = {(0, 0), (0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1), (1, -1), (-1, 1)}
    seen = set()
    for _ in range(200):
        moved = steps.shifted(x, stream)
        seen |= {move for move in moves if torch.equal(moved, torch.roll(x, move, (2, 3)))}
    assert seen == moves


def test_mirrored_images_are_themselves_or_their_mirror_images(run, portraits):
    x = batches.to_unit(portraits[0])
    stream = run.generator("mirror")
    turned = 0
    for _ in range(10):
        seen = steps.mirror(x, stream)
        same, mirrored = ((seen == other).flatten(1).all(1) for other in (x, x.flip(3)))
        assert (same ^ mirrored).all()  # no image of these is its own mirror image
        assert 0 < mirrored.sum() < len(x)
        turned += mirrored.sum().item()
    assert turned == pytest.approx(1000, abs=80)  # of 2000; 3.6 standard deviations


def test_training_sees_mirrored_images_and_evaluation_does_not(run, portraits):
    images, attributes = portraits
    (x,) = steps.alone(images, attributes)
    assert torch.equal(x, batches.to_unit(images))
    (first,), (again,) = (steps.mirrored(run.generator("mirror"))(images, attributes) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, steps.mirror(x, run.generator("mirror")))
    prepare = steps.mirrored(run.generator("mirror"))
    assert not torch.equal(prepare(images)[0], prepare(images)[0])  # another half in the next epoch


def test_faces_are_shifted_and_mirrored(run, portraits):
    x = batches.to_unit(portraits[0][:20])
    seen, stream = steps.shifted_and_mirrored(x, run.generator("a")), run.generator("a")
    assert torch.equal(seen, steps.mirror(steps.shifted(x, stream), stream))


@pytest.mark.parametrize("seen", [lambda images: images, batches.to_unit], ids=["bytes", "unit range"])
def test_a_judges_loss_is_its_criterion(run, portraits, seen):
    images, attributes = portraits[0][:20], portraits[1][:20]
    model, reference = (run.build("weights", FaceClassifier, attributes=2, side=32) for _ in range(2))
    loss = F.binary_cross_entropy_with_logits
    step = steps.classifier_step(
        model, torch.optim.SGD(model.parameters(), 1e-3), run, run.generator("s"), loss, lambda x, _: x, 0.0
    )
    expected = loss(reference(batches.to_unit(images)), attributes)
    torch.testing.assert_close(step(seen(images), attributes)["loss"], expected.detach())
