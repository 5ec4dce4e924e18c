"""Judges: one for each source and side, frozen; their cache; and what a distance in their features means."""

import os
import shutil
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils import sources
from lab_utils.config import ROOT
from lab_utils.data.batches import to_unit
from lab_utils.data.faces import Split
from lab_utils.labs import LABS
from lab_utils.metrics import control
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.training import checkpoint, judges


@pytest.fixture
def judge(run, blobs, portraits, tmp_path, monkeypatch):
    """Train or find a judge of a few steps, on all of the images or as it is told."""
    monkeypatch.setattr(judges, "THREADS", 1)

    def make(kind, split=None, *, steps=1, seed=0, profile="quick", cache=tmp_path):
        monkeypatch.setitem(judges.STEPS, kind, steps)
        split = split or (blobs if kind == "digits" else portraits)
        return judges.judge(replace(run, seed=seed), kind, *split, profile, cache)

    return make


def kept(folder):
    return sorted(folder.glob("*.safetensors"))


@pytest.mark.parametrize(("kind", "steps"), [("digits", 40), ("faces", 36)])
def test_a_judge_learns_and_is_the_same_from_the_cache(judge, request, tmp_path, capsys, kind, steps):
    images, labels = request.getfixturevalue("blobs" if kind == "digits" else "portraits")
    fresh = judge(kind, steps=steps)
    assert "from the cache" not in capsys.readouterr().out
    assert judges.scores(fresh, kind, images, labels)["accuracy"] > 0.9
    cached = judge(kind, steps=steps)
    assert f"{kind[:-1]} judge: from the cache" in capsys.readouterr().out
    assert not fresh.training
    assert not cached.training
    with torch.no_grad():
        assert torch.equal(fresh(to_unit(images)), cached(to_unit(images)))
    assert len(kept(tmp_path)) == 1


def test_other_data_or_another_training_makes_another_judge(judge, blobs, portraits, tmp_path):
    images, labels = blobs
    for split, steps in ((blobs, 1), ((images.flip(0), labels), 1), ((images, 9 - labels), 1), (blobs, 2)):
        judge("digits", split, steps=steps)
    assert len(kept(tmp_path)) == 4
    images, attributes = portraits
    for split in (portraits, (images, 1 - attributes), (images[:100], attributes[:100])):
        judge("faces", split)
    assert len(kept(tmp_path)) == 7


def test_judges_of_digits_and_of_faces_are_not_mixed_up(judge, tmp_path, capsys):
    for _ in range(2):
        assert isinstance(judge("digits"), DigitClassifier)
        assert isinstance(judge("faces"), FaceClassifier)
    assert [path.name.rsplit("-", 1)[0] for path in kept(tmp_path)] == ["digit-judge", "face-judge"]
    assert capsys.readouterr().out.count("from the cache") == 2


@pytest.mark.parametrize("kind", ["digits", "faces"])
def test_a_judge_depends_on_neither_seed_nor_profile_nor_threads(judge, tmp_path, capsys, kind):
    """Another judge would rescale every distance, and reports could not be compared."""
    judge(kind, cache=tmp_path / "one")
    torch.set_num_threads(2)  # the fixture puts it back
    judge(kind, seed=7, profile="full", cache=tmp_path / "other")
    assert torch.get_num_threads() == 2
    (first,), (second,) = kept(tmp_path / "one"), kept(tmp_path / "other")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    assert "from the cache" not in capsys.readouterr().out


def test_smoke_has_a_judge_of_its_own(judge, tmp_path, monkeypatch):
    monkeypatch.setitem(judges.SMOKE_STEPS, "digits", 2)
    judge("digits")
    judge("digits", profile="smoke")
    assert len(kept(tmp_path)) == 2


def test_no_lab_says_how_a_judge_is_trained():
    for lab in LABS.values():
        for settings in lab.profiles.values():
            assert not [name for name in vars(settings) if "judge" in name]


@pytest.fixture
def judged_elsewhere(judge, portraits, tmp_path, monkeypatch):
    """Train or find the face judge as a copy of the package would; gives the names of all judges so far."""
    shutil.copytree(ROOT / "lab_utils", tmp_path / "lab_utils", ignore=shutil.ignore_patterns("__pycache__"))
    of_files = sources.closure
    monkeypatch.setattr(sources, "closure", lambda code: of_files(code, tmp_path))

    def judged():
        judge("faces", tuple(t[:64] for t in portraits), cache=tmp_path / "cache")
        return {path.name for path in kept(tmp_path / "cache")}

    return judged


TRAINING = ["training/classifier", "training/fit", "training/capture", "training/schedule", "training/step"]
OTHERS = ["models/gan", "models/cvae", "training/gan", "metrics/fidelity", "page", "labs/vae"]


@pytest.mark.parametrize("module", [*TRAINING, "models/classifier", "data/augment", "data/batches", "run"])
def test_a_judge_is_known_by_the_code_that_trains_it_and_not_by_its_words(judged_elsewhere, tmp_path, module):
    assert len(judged_elsewhere()) == 1
    path = tmp_path / "lab_utils" / f"{module}.py"
    text = path.read_text()
    path.write_text(text.replace('"""', '"""In other words: ', 1) + "\n# A comment.\n")
    assert len(judged_elsewhere()) == 1
    path.write_text(text + "\nLATER = 1\n")
    assert len(judged_elsewhere()) == 2


@pytest.mark.parametrize("module", OTHERS)
def test_code_that_no_judge_needs_does_not_change_it(judged_elsewhere, tmp_path, module):
    before = judged_elsewhere()
    path = tmp_path / "lab_utils" / f"{module}.py"
    path.write_text(path.read_text() + "\nLATER = 1\n")
    assert judged_elsewhere() == before


def test_two_that_want_the_same_judge_train_it_once(judge, capsys):
    both = [threading.Thread(target=judge, args=("digits",), kwargs={"steps": 20}) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    out = capsys.readouterr().out
    assert out.count("from the cache") == 1
    assert out.count("step 20/20") == 1


def test_a_judge_from_before_a_command_that_trusts_nothing_is_trained_again(judge, tmp_path, monkeypatch, capsys):
    judge("digits")
    (path,) = kept(tmp_path)
    os.utime(path, (time.time() + 86_400,) * 2)  # the clock was another
    asked = checkpoint.Asked(tmp_path, "", {}, token="a token")
    monkeypatch.setattr(checkpoint, "asked", lambda: asked)
    judge("digits")
    assert "from the cache" not in capsys.readouterr().out
    judge("digits")  # made by the same command
    assert "from the cache" in capsys.readouterr().out


# What a judge is trained on


def loaded(n, rows):
    images = np.random.default_rng(0).integers(0, 256, (n, 3, 64, 64), dtype=np.uint8)
    table = pd.DataFrame({"a": np.arange(n) % 2, "b": np.arange(n) % 3 == 0}).astype(np.uint8)
    return SimpleNamespace(train=Split(images, table), for_judges=np.array(rows))


def test_a_judge_learns_from_what_validation_does_not_hold_out():
    whole = loaded(8, [0, 2, 3, 6])
    images, attributes = judges.examples(whole, "faces", torch.zeros(1, 3, 64, 64), "quick")
    assert torch.equal(images, torch.from_numpy(whole.train.images[[0, 2, 3, 6]]))
    assert attributes.tolist() == [[0, 1], [0, 0], [1, 1], [0, 1]]
    reduced, _ = judges.examples(whole, "faces", torch.zeros(1, 3, 32, 32), "quick")
    assert reduced.shape == (4, 3, 32, 32)


def test_a_judge_learns_from_so_many_images_at_most(monkeypatch):
    monkeypatch.setattr(judges, "MOST", 3)
    monkeypatch.setattr(judges, "SMOKE_MOST", 2)
    whole, like = loaded(8, range(8)), torch.zeros(1, 3, 64, 64)
    assert [len(judges.examples(whole, "faces", like, profile)[0]) for profile in ("full", "smoke")] == [3, 2]


# Anchors


def test_worse_images_lie_farther_and_the_same_in_every_run(judge, run, portraits):
    images, attributes = portraits
    trained = judge("faces", (images[:100], attributes[:100]), steps=60)
    found = judges.anchors(run, trained, images[:100], images[100:])
    plain, *worse = found.values()
    assert next(iter(found)) == "as they are"
    assert all(value > plain for value in worse)
    assert judges.anchors(replace(run, seed=5), trained, images[:100], images[100:]) == found


def test_blurred_images_keep_their_mean_and_lose_their_detail(portraits):
    images, _ = portraits
    soft = judges.blurred(images)
    assert soft.dtype == torch.uint8
    assert soft.shape == images.shape
    assert soft.float().mean((2, 3)) == pytest.approx(images.float().mean((2, 3)), abs=1.5)
    assert soft.float().var() < 0.7 * images.float().var()


@pytest.mark.parametrize("side", [28, 32, 64])
def test_shuffled_images_have_the_same_blocks_in_another_order(side):
    images = torch.randint(0, 256, (3, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moved, size = judges.shuffled(images), side // 4
    assert moved.shape == images.shape

    def blocks(sheet):
        return [sheet[0, 0, r : r + size, c : c + size] for r in range(0, side, size) for c in range(0, side, size)]

    before, now = blocks(images), blocks(moved)
    places = [next(i for i, block in enumerate(before) if torch.equal(block, one)) for one in now]
    assert sorted(places) == list(range(16))
    assert places != list(range(16))


def test_scores_of_digits_by_hand():
    class Says(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot(torch.tensor([3, 3, 1, 0]), 10).float()[: len(x)]

    found = judges.scores(Says(), "digits", torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([3, 3, 3, 0]))
    assert found == {"accuracy": 0.75, "majority": 0.75}


def test_scores_of_faces_are_means_over_attributes(judge, portraits):
    images, attributes = portraits
    trained = judge("faces", steps=2)
    by_attribute = control.judge_scores(trained, images, attributes)
    found = judges.scores(trained, "faces", images, attributes)
    assert found["accuracy"] == pytest.approx(by_attribute.accuracy.mean().item())
    assert found["balanced"] == pytest.approx(by_attribute.balanced.mean().item())
