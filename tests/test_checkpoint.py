"""Checkpoints: a training that was stopped anywhere goes on to the same bytes; what is not its own is not loaded."""

import os
from dataclasses import replace

import pandas as pd
import pytest
import torch

from lab_utils import losses
from lab_utils.data.augment import moved
from lab_utils.models.cvae import MLPCVAE, QuarterNet
from lab_utils.models.vae import FaceVAE
from lab_utils.training import acgan, checkpoint, infogan, neighbours
from lab_utils.training import fit as loop
from lab_utils.training.classifier import DIGITS, FACES, fit_classifier
from lab_utils.training.cvae import missing_nll, train_completion, with_label
from lab_utils.training.fit import Batches, Watching, fit
from lab_utils.training.gan import DCGAN, INFOGAN, PROJECT, WGAN_GP, make_gan, train_gan
from lab_utils.training.vae import train_vae

MODULES = {"lab_utils/training/fit.py": "as it is"}


class Killed(BaseException):
    """As if the process had ended here."""


@pytest.fixture
def headless(tmp_path, monkeypatch):
    """A report asks for checkpoints every three steps; the call is a new process, in which ``changed`` is other."""

    def process(cells=("import lab_utils.training.fit",), every=3, threads=1, **changed):
        asked = checkpoint.Asked(tmp_path, "settings and data", MODULES)
        monkeypatch.setattr(checkpoint, "asked", lambda: replace(asked, **changed))
        monkeypatch.setattr(checkpoint, "executed_cells", lambda: list(cells))
        monkeypatch.setattr(checkpoint, "_every", every)
        checkpoint._trained.clear()
        torch.set_num_threads(threads)

    process()
    return process


@pytest.fixture
def kill(monkeypatch):
    """End trainings after so many steps; None lets them live."""
    tick = loop.Watch.tick

    def after(steps):
        taken = iter(range(1, 10_000))

        def counted(watch):
            tick(watch)
            if next(taken) == steps:
                raise Killed

        monkeypatch.setattr(loop.Watch, "tick", counted)

    return after


# Every training of the project; each gives its parts, its history and what was kept meanwhile.


def vae(run, blobs, portraits):
    model, kept = run.build("weights", FaceVAE, latent=4, width=4, side=32), {}
    history = train_vae(
        run, model, portraits[:1], losses.bernoulli_nll, name="vae", steps=14, batch_size=40, max_lr=2e-3,
        mirror=True, betas=(5.0, 1.0), every=4, log_every=2, kept=kept,
        after_step=lambda done: kept.update({done: model.state_dict()["encoder.0.weight"].clone()}) if done == 5 else 0,
        evaluate=lambda: {"score": model.decode(torch.ones(1, 4)).mean().item()},
    )  # fmt: skip
    return [model], history, kept


def cvae(run, blobs, portraits):
    model = run.build("weights", MLPCVAE)
    told = {"name": "β = 1, a CVAE", "steps": 14, "batch_size": 60, "max_lr": 5e-3, "every": 5}
    history = train_vae(run, model, blobs, losses.bernoulli_nll, prepare=with_label, augment=moved, **told)
    return [model], history, {}


def completion(run, blobs, portraits):
    model = run.build("weights", QuarterNet)
    told = {"name": "completion", "steps": 14, "batch_size": 60, "max_lr": 5e-3, "every": 5}
    return [model], train_completion(run, model, blobs, missing_nll, **told), {}


def digit_classifier(run, blobs, portraits):
    model, history = fit_classifier(run, "digit judge", *blobs, 14, DIGITS)
    return [model], history, {}


def face_classifier(run, blobs, portraits):
    model, history = fit_classifier(run, "face judge", *portraits, 14, FACES, attributes=2, side=32)
    return [model], history, {}


def game(recipe, condition=None, told=0, heads=None, on_real=None, digits=False):
    def training(run, blobs, portraits):
        tensors, kept, turns = (blobs if digits else portraits), {"seen": []}, recipe.discriminator_steps
        gan = make_gan(run, "gan", recipe, 6 + told, heads or {}, 4, 28 if digits else 32, 1 if digits else 3)
        history = train_gan(
            run, gan, tensors, recipe, name=recipe.name, steps=14 * turns, batch_size=20, every=5 * turns,
            log_every=2, kept=kept,
            condition=condition(run) if condition else None, on_real=on_real(run, blobs[0]) if on_real else None,
            evaluate=lambda: kept["seen"].extend(loop.copies([gan.sampler])) or {"score": float(len(kept["seen"]))},
        )  # fmt: skip
        return [*gan.networks, gan.generator_optimizer, gan.discriminator_optimizer], history, kept

    return training


def agreement(run, images):
    rng = run.rng("near")
    near = neighbours.nearest_neighbours(images, 3, rng)
    return neighbours.agreement(run, rng, images, near, 10, 1.0)


TRAININGS = {
    "VAE": vae,
    "CVAE, moved digits": cvae,
    "completion": completion,
    "digit judge": digit_classifier,
    "face judge": face_classifier,
    "DCGAN": game(DCGAN),
    "WGAN-GP": game(WGAN_GP),
    "with an average": game(PROJECT),
    "AC-GAN": game(
        PROJECT, lambda run: acgan.attributes([0, 1], run.rng("told"), 3.0, on_fakes=True), 4, {"attributes": 2}
    ),
    "InfoGAN, neighbours": game(
        INFOGAN, lambda run: infogan.codes([10], 2, run.rng("codes"), 1.0, 0.1), 12, {"code": 12}, agreement, True
    ),
}


@pytest.fixture(params=TRAININGS)
def training(request, run, blobs, portraits):
    return lambda: TRAININGS[request.param](run, blobs, portraits)


def assert_same(one, other):
    (parts, history, kept), (others, their_history, their_kept) = one, other
    pd.testing.assert_frame_equal(history.curve, their_history.curve, check_exact=True)
    pd.testing.assert_frame_equal(history.stretches, their_history.stretches, check_exact=True)
    assert history.ended == their_history.ended
    for part, its in zip(parts, others, strict=True):
        state, theirs = {}, {}
        tree = checkpoint.packed(checkpoint.state_of(part), state)
        assert tree == checkpoint.packed(checkpoint.state_of(its), theirs)
        assert all(torch.equal(state[name], theirs[name]) for name in state)
        assert state
    first, second = {}, {}
    assert checkpoint.packed(kept, first) == checkpoint.packed(their_kept, second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_that_is_killed_goes_on_to_the_same_bytes(training, headless, kill, capsys, tmp_path):
    for path in tmp_path.iterdir():
        path.unlink()
    kill(None)
    whole = training()
    lines = capsys.readouterr().out.splitlines()
    (file,) = tmp_path.iterdir()
    for steps in (1, 4, 8):  # before the first checkpoint; in a stretch; in a later one
        file.unlink()
        headless()
        kill(steps)
        with pytest.raises(Killed):
            training()
        headless()
        kill(None)
        capsys.readouterr()
        assert_same(whole, training())
        said = capsys.readouterr().out.splitlines()
        going = [line for line in said if line.startswith("goes on: ")]
        assert bool(going) == (steps > 3)
        assert [line for line in said if line not in going] == lines


def test_a_line_says_where_a_training_goes_on(run, blobs, portraits, headless, kill, capsys):
    kill(8)
    with pytest.raises(Killed):
        vae(run, blobs, portraits)
    headless()
    kill(None)
    vae(run, blobs, portraits)
    assert "goes on: vae at step 6 of 14\n" in capsys.readouterr().out


def test_a_training_that_ended_is_loaded_and_takes_no_step(training, headless, kill, capsys):
    kill(None)
    whole = training()
    headless()
    kill(1)  # the first step would end it
    assert_same(whole, training())
    assert "was trained before" in capsys.readouterr().out


def test_a_checkpoint_changes_nothing(training, headless, monkeypatch):
    kept = training()
    monkeypatch.setattr(checkpoint, "asked", lambda: None)
    assert_same(kept, training())


# What is not loaded


@pytest.fixture
def taken(headless, kill):
    """Whether a training in a changed process goes on where the first one was killed."""

    def goes_on(run, blobs, capsys, **changed):
        headless()
        kill(8)
        with pytest.raises(Killed):
            cvae(run, blobs, None)
        headless(**changed)
        kill(None)
        capsys.readouterr()
        cvae(run, blobs, None)
        return "goes on" in capsys.readouterr().out

    return goes_on


def test_the_same_process_again_goes_on(taken, run, blobs, capsys):
    assert taken(run, blobs, capsys)


@pytest.mark.parametrize(
    "changed",
    [
        {"cells": ("import lab_utils.training.fit", "x = 1")},
        {"cells": ("import lab_utils.training.fit  ",)},
        {"modules": {"lab_utils/training/fit.py": "otherwise"}},
        {"depends": "other settings"},
        {"threads": 2},
        {"token": "that of another command"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_depends_on_something_else_is_not_loaded(taken, run, blobs, capsys, changed):
    assert not taken(run, blobs, capsys, **changed)


def test_more_steps_are_another_training(headless, run, blobs, capsys):
    step, batches = (lambda images: {"loss": images.float().mean()}), Batches((blobs[0],), 50, run.rng("order"))
    fit(step, batches, 6, name="toy", state={})
    headless()
    fit(step, Batches((blobs[0],), 50, run.rng("order")), 9, name="toy", state={})
    assert "goes on" not in capsys.readouterr().out


def test_nobody_asks_in_jupyterlab(run, blobs, monkeypatch, tmp_path):
    asked = {"folder": str(tmp_path), "depends": "", "modules": {}}
    monkeypatch.setenv("LAB_CHECKPOINTS", checkpoint.json.dumps(asked))
    monkeypatch.setattr(checkpoint, "executed_cells", lambda: ["import lab_utils.training.fit"])
    monkeypatch.setattr(checkpoint, "_every", 3)
    for live in (True, False):
        checkpoint.asked.cache_clear()
        monkeypatch.setattr(checkpoint, "in_jupyter", lambda live=live: live)
        cvae(run, blobs, None)
        assert bool(list(tmp_path.iterdir())) == (not live)
    checkpoint.asked.cache_clear()


def test_trainings_of_one_name_are_kept_apart(run, blobs, headless, kill, tmp_path, capsys):
    kill(None)
    first, second = cvae(run, blobs, None), cvae(replace(run, seed=1), blobs, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["β-1-a-CVAE-2.safetensors", "β-1-a-CVAE.safetensors"]
    headless()
    kill(1)
    assert_same(first, cvae(run, blobs, None))
    assert_same(second, cvae(replace(run, seed=1), blobs, None))


# Files that are not whole


def spoilt(content):
    """A file that was cut or altered, in several places."""
    yield from (content[: len(content) * part // 5] for part in range(5))
    for place in (0, 9, 200, len(content) // 2, len(content) - 1):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    yield b"\0" * len(content)
    yield content + b"\0"


def test_a_cut_or_altered_checkpoint_is_left_aside_with_a_line(run, blobs, headless, kill, tmp_path, capsys):
    kill(None)
    whole = completion(run, blobs, None)
    (file,) = tmp_path.iterdir()
    for content in spoilt(file.read_bytes()):
        file.write_bytes(content)
        headless()
        capsys.readouterr()
        assert_same(whole, completion(run, blobs, None))
        said = capsys.readouterr().out
        assert "left aside: the checkpoint of completion, which was cut short or altered\n" in said
        assert "goes on" not in said


def test_a_training_that_cannot_be_kept_goes_on_and_says_so(run, blobs, headless, kill, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    kill(None)
    monkeypatch.setattr(os, "replace", full)
    cvae(run, blobs, None)
    assert (
        "not kept: the checkpoint of β = 1, a CVAE cannot be written (No space left on device)"
        in capsys.readouterr().out
    )
    assert not list(tmp_path.iterdir())


# Trainings that fail


def failing(run, weight, bad):
    """Steps of two-step stretches that add one to a weight; a row of ``bad`` is not finite."""
    counter = torch.zeros(())

    def step(images):
        counter.add_(1)
        weight.weight.data += 1
        return {"loss": torch.tensor(float("nan") if int(counter) in bad else 1.0)}

    return fit(
        step, Batches((torch.zeros(20),), 10, run.rng("order")), 12, name="toy",
        state={"weight": weight, "counter": counter}, watching=Watching(every=4), restore_on_failure=[weight],
    )  # fmt: skip


@pytest.mark.parametrize("bad", [8, 7, 6])
def test_a_game_that_fails_after_it_went_on_has_the_weights_from_before_the_stretch(run, headless, kill, bad):
    def weight():
        return run.build("weights", torch.nn.Linear, in_features=1, out_features=1, bias=False)

    start = weight().weight.item()
    headless(every=3)
    kill(6 if bad > 6 else 3)
    with pytest.raises(Killed):
        failing(run, weight(), {bad})
    headless(every=3)
    kill(None)
    again = weight()
    history = failing(run, again, {bad})
    assert history.ended == "loss is not finite before step 8 of 12; the weights of step 4 are kept"
    assert again.weight.item() == pytest.approx(start + 4)
    headless(every=3)
    kill(1)
    loaded = weight()
    assert failing(run, loaded, {bad}).ended == history.ended
    assert loaded.weight.item() == again.weight.item()


# The file itself


def test_a_tree_comes_back_as_it_was():
    tree = {
        "a": [1, 2.5, None, "text", {3: torch.arange(3), 0.1: (True, [torch.zeros(0)])}],
        "b": torch.tensor(7),
        "nan": float("inf"),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    tensors = {}
    text = checkpoint.json.dumps(checkpoint.packed(tree, tensors))
    back = checkpoint.unpacked(checkpoint.json.loads(text), tensors)
    assert repr(back) == repr(tree)


@pytest.mark.parametrize("lr", [1e-3, torch.tensor(1e-3)])
def test_an_optimiser_has_its_moments_in_the_layout_of_its_weights(lr):
    """A fused optimiser goes through both in the order of memory."""
    layers = [torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last) for _ in range(2)]
    first, second = (torch.optim.AdamW(layer.parameters(), lr=lr, fused=not torch.is_tensor(lr)) for layer in layers)
    layers[0](torch.ones(1, 3, 4, 4)).sum().backward()
    first.step()
    checkpoint.put(second, checkpoint.state_of(first))
    for one, other in zip(first.state.values(), second.state.values(), strict=True):
        for name in one:
            assert torch.equal(one[name], other[name])
            assert one[name].stride() == other[name].stride()
