"""The VAE of faces that two notebooks share: trained once, the same from the cache, known by what it depends on."""

import os
import threading
import time
from dataclasses import fields, replace

import pandas as pd
import pytest
import torch

from lab_utils.labs.gan import PROFILES as GAN
from lab_utils.labs.vae import PROFILES as VAE
from lab_utils.training import checkpoint, face_vae, kept
from lab_utils.training import fit as loop

SIZE = face_vae.Size(latent=4, width=4, batch_size=20, learning_rate=1e-3, steps=6, evaluate_every=3, log_every=1)


@pytest.fixture
def train(run, portraits, tmp_path):
    """Train a VAE of a few steps, or find it; gives it with its history."""

    def make(*, size=SIZE, seed=0, images=None, photographs=False, cache=tmp_path):
        own, images = replace(run, seed=seed), portraits[0][:100] if images is None else images
        _, vae = face_vae.begin(own, images, size)
        return vae, face_vae.train(own, vae, images, portraits[0][100:], size, photographs, cache=cache)

    return make


def files(folder):
    return sorted(folder.glob("face-vae-*.safetensors"))


def assert_same(one, other):
    for (name, p), q in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(p, q), name


def test_a_vae_learns_and_is_the_same_from_the_cache(train, tmp_path, capsys):
    vae, history = train()
    assert "from the cache" not in capsys.readouterr().out
    again, its_history = train()
    assert f"vae: from the cache ({files(tmp_path)[0].name})" in capsys.readouterr().out
    assert_same(vae, again)
    for name in ("curve", "stretches"):
        pd.testing.assert_frame_equal(getattr(its_history, name), getattr(history, name), check_exact=True)
    assert its_history.ended == history.ended == ""
    assert its_history.epochs == history.epochs


def test_the_history_is_that_of_the_training(train, tmp_path, monkeypatch):
    seen = []
    of_loop = face_vae.train_vae
    monkeypatch.setattr(face_vae, "train_vae", lambda *args, **told: seen.append(of_loop(*args, **told)) or seen[-1])
    _, history = train()
    (trained,) = seen
    for name in ("curve", "stretches"):
        pd.testing.assert_frame_equal(getattr(history, name), getattr(trained, name), check_exact=True)
    assert history.curve["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history.stretches["step"].tolist() == [3, 6]
    measured = {f"{split}_{term}" for split in ("seen", "test") for term in ("reconstruction", "kl")}
    assert measured < set(history.stretches)


def test_it_begins_as_the_linear_optimum(run, portraits):
    start, vae = face_vae.begin(run, portraits[0], SIZE)
    assert start.basis.shape == (3 * 32 * 32, 4)
    assert torch.equal(vae.linear["mean"], start.mean)
    _, again = face_vae.begin(run, portraits[0], SIZE)
    assert_same(vae, again)


def test_training_changes_it_and_another_seed_otherwise(run, train, portraits):
    _, before = face_vae.begin(run, portraits[0][:100], SIZE)
    one, other = train()[0], train(seed=1)[0]
    for name, value in before.linear.items():
        assert not torch.equal(one.linear[name], value), name
    assert not torch.equal(one.linear["mean"], other.linear["mean"])


@pytest.mark.parametrize("photographs", [True, False])
def test_only_photographs_are_taken_again(run, portraits, photographs, monkeypatch, tmp_path):
    told = {}

    def only_look(*args, **arguments):
        told.update(arguments)
        raise InterruptedError

    monkeypatch.setattr(face_vae, "train_vae", only_look)
    _, vae = face_vae.begin(run, portraits[0], SIZE)
    with pytest.raises(InterruptedError):
        face_vae.train(run, vae, portraits[0], portraits[0], SIZE, photographs, cache=tmp_path)
    assert (told["augment"] is face_vae.retaken) == photographs
    assert told["mirror"]
    assert {id(p) for p in told["slow"]} == {id(p) for p in vae.linear.parameters()}
    assert not files(tmp_path)


def test_whatever_it_depends_on_makes_another(train, portraits, tmp_path):
    images = portraits[0]
    train()
    train(images=images[:100].flip(0))
    train(images=images[:99])
    train(seed=1)
    train(photographs=True)
    for change in ({"steps": 5}, {"learning_rate": 2e-3}, {"width": 5}, {"latent": 5}, {"log_every": 3}):
        train(size=replace(SIZE, **change))
    assert len(files(tmp_path)) == 10
    train()
    assert len(files(tmp_path)) == 10


def test_the_test_images_that_are_looked_at_belong_to_it(run, portraits, monkeypatch):
    """Only the first 500 are, here 20: the history holds what was measured on them."""
    monkeypatch.setattr(face_vae, "SOME", 20)
    images = portraits[0]
    keys = [face_vae.key(run, images, test, SIZE, False) for test in (images[:20], images[:30], images[1:30])]
    assert keys[0] == keys[1] != keys[2]


def test_the_number_of_threads_belongs_to_it(run, portraits):
    """Another number rounds otherwise."""
    one = face_vae.key(run, portraits[0], portraits[0], SIZE, False)
    torch.set_num_threads(2)  # the fixture puts it back
    assert face_vae.key(run, portraits[0], portraits[0], SIZE, False) != one


def test_a_training_that_a_person_stopped_is_shown_and_not_kept(train, tmp_path, monkeypatch):
    of_step = loop.run_steps

    def interrupted(step, batches, after_step, watch, progress):
        if progress.done >= 3:
            raise KeyboardInterrupt
        of_step(step, batches, after_step, watch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_steps", interrupted)
        patch.setattr(loop, "in_jupyter", lambda: True)
        _, history = train()
    assert history.stretches["step"].tolist() == [3]
    assert not files(tmp_path)
    _, history = train()
    assert history.stretches["step"].tolist() == [3, 6]
    assert len(files(tmp_path)) == 1


def test_two_notebooks_train_the_same_vae():
    """By the sizes of their labs in every profile, and so with the same key."""
    assert set(VAE) == set(GAN)
    for profile, settings in VAE.items():
        size = face_vae.size_of(settings)
        assert size == face_vae.size_of(GAN[profile], "vae_")
        assert [getattr(size, field.name) for field in fields(size)] == [
            settings.latent, settings.width, settings.batch_size, settings.learning_rate, settings.steps,
            settings.evaluate_every, settings.log_every,
        ]  # fmt: skip
        assert settings.train_images == GAN[profile].train_images
        assert GAN[profile].side == 64 or profile == "smoke"  # which notebook 01 always has


def test_samples_are_mean_images_and_the_same_again(run, portraits):
    _, vae = face_vae.begin(run, portraits[0], SIZE)
    drawn = face_vae.chosen_samples(run, vae, portraits[0], 30)
    assert drawn.shape == (30, 3, 32, 32)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert len(drawn.flatten(1).unique(dim=0)) == 30
    assert torch.equal(drawn, face_vae.chosen_samples(run, vae, portraits[0], 30))
    # A mixture fitted to the codes of the images draws images like them.
    mean = portraits[0].float().mean(0) / 255
    assert (drawn.mean(0) - mean).abs().mean() < 0.03


def test_terms_are_those_of_images_as_they_are(run, portraits):
    images = portraits[0]
    _, vae = face_vae.begin(run, images, SIZE)
    found = face_vae.terms_on_both(run, vae, images[:100], images[100:])
    variance = face_vae.likelihood.best_variance(vae, (images[:100],), face_vae.unconditional, run.rng("evaluation z"))
    for split, some in (("seen", images[:100]), ("test", images[100:])):
        reconstruction, kl = face_vae.terms(run, vae, some, variance)
        assert reconstruction.shape == kl.shape == (100,)
        assert found[f"{split}_reconstruction"] == pytest.approx(reconstruction.mean().item())
        assert found[f"{split}_kl"] == pytest.approx(kl.mean().item())
        for factor in (0.9, 1.1):  # the variance is the best for what was seen
            worse, _ = face_vae.terms(run, vae, images[:100], factor * variance)
            assert worse.mean() > found["seen_reconstruction"]


# What is kept


def saying(text):
    """Makes a model of one tensor, with a text beside it."""
    return lambda: ({"weight": torch.arange(6.0).reshape(2, 3)}, text)


def said(made):
    (_, text), was_there = made
    return text, was_there


def test_what_is_there_is_not_made_again(tmp_path):
    path = tmp_path / "folder" / "one.bin"
    assert said(kept.made_once(path, saying("first"))) == ("first", False)
    (tensors, text), was_there = kept.made_once(path, saying("second"))
    assert (text, was_there) == ("first", True)
    assert torch.equal(tensors["weight"], saying("")()[0]["weight"])


def test_two_that_want_the_same_make_it_once_and_the_second_says_that_it_waits(tmp_path, capsys):
    made, found = [], []

    def make():
        time.sleep(0.05)  # so that the other one comes meanwhile
        made.append(1)
        return saying("x")()

    both = [threading.Thread(target=lambda: found.append(said(kept.made_once(tmp_path / "x", make)))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert made == [1]
    assert sorted(found) == [("x", False), ("x", True)]
    assert capsys.readouterr().out == "waiting: another process is making x\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_failed_is_made_by_the_next(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(ZeroDivisionError):
        kept.made_once(path, lambda: 1 // 0)
    assert not path.exists()
    assert said(kept.made_once(path, saying("x"))) == ("x", False)


def test_what_was_made_before_a_command_that_trusts_nothing_is_made_again(tmp_path, monkeypatch):
    path = tmp_path / "x"
    kept.made_once(path, saying("old"))
    os.utime(path, (time.time() + 86_400,) * 2)  # the clock was another
    asked = checkpoint.Asked(tmp_path, "", {}, token="a token")
    monkeypatch.setattr(checkpoint, "asked", lambda: asked)
    assert said(kept.made_once(path, saying("new"))) == ("new", False)
    assert said(kept.made_once(path, saying("newer"))) == ("new", True)


def test_what_was_damaged_is_made_again_wherever_that_is(tmp_path, capsys):
    """A bit of the weights, of the text, of a name or of the hash: nothing of it is loaded."""
    path = tmp_path / "x"
    kept.made_once(path, saying("old"))
    whole = path.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(len(whole))]
    cut = [whole[:n] for n in (0, 1, 8, 100, len(whole) - 1)]
    for content in [*flipped, *cut, whole + b"x"]:
        path.write_bytes(content)
        found = kept.read(path)
        assert found is None or (found[1], found[0]["weight"].tolist()) == ("old", [[0, 1, 2], [3, 4, 5]])
    assert capsys.readouterr().out.count("left aside: x in the cache, which was cut short or altered") > len(whole) // 2
    assert said(kept.made_once(path, saying("new"))) == ("new", False)
    assert said(kept.made_once(path, saying("newer"))) == ("new", True)
