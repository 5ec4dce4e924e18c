"""Avatars: the attributes are what is drawn, chance is ours alone, and the bytes are the same everywhere."""

import hashlib
import importlib.metadata
import importlib.resources
import io
import itertools
import json
import multiprocessing
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import dicebear
import numpy as np
import pytest
import resvg_py
from PIL import Image

from lab_utils import config
from lab_utils.data import avatars

HAIR = [*avatars.HAIR]
NAMES = ["Long_Hair", "Eyeglasses", "Beard", "Smiling", "Hat", *HAIR, "Pale_Skin", "Dark_Skin"]
TASKS, ATTRIBUTES = avatars.tasks("train", 200)
POOLS = {
    "topVariant": avatars.HATS + avatars.LONG_HAIR + avatars.SHORT_HAIR,
    "mouthVariant": avatars.SMILES + avatars.OTHER_MOUTHS,
    "eyesVariant": avatars.EYES,
    "eyebrowsVariant": avatars.EYEBROWS,
    "accessoriesVariant": avatars.GLASSES,
    "facialHairVariant": avatars.BEARDS,
    "clothesVariant": avatars.CLOTHES,
}


def rgb(color):
    return np.array([int(color[i : i + 2], 16) for i in (0, 2, 4)], np.uint8)


@pytest.fixture(scope="module")
def pictures():
    return np.stack([avatars.paint(task, 64) for task in TASKS])


def colored(pictures, option):
    """Where each picture has exactly the colour that its option names: bool, N×S×S."""
    colors = np.stack([rgb(task[option]) for task in TASKS])
    return (pictures == colors[:, :, None, None]).all(axis=1)


# What is drawn


@pytest.mark.parametrize("size", [64, 32])
def test_a_picture_is_opaque_rgb(size, monkeypatch):
    drawn = []
    rasterise = resvg_py.svg_to_bytes
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **options: drawn.append(rasterise(**options)) or drawn[-1])
    for task in TASKS[:20]:
        picture = avatars.paint(task, size)
        assert picture.dtype == np.uint8
        assert picture.shape == (3, size, size)
        assert picture.flags.c_contiguous
        rgba = np.asarray(Image.open(io.BytesIO(drawn[-1])).convert("RGBA"))
        assert (rgba[..., 3] == 255).all()
        np.testing.assert_array_equal(picture, rgba[..., :3].transpose(2, 0, 1))


def test_skin_is_what_is_seen_on_the_nose(pictures):
    nose = pictures[:, :, 31, 32]
    for name in ("Pale_Skin", "Dark_Skin"):
        shades = np.stack([rgb(shade) for shade in avatars.SKIN[name]])
        seen = (nose[:, None] == shades).all(axis=2).any(axis=1)
        np.testing.assert_array_equal(seen, ATTRIBUTES[name])


def test_the_background_is_seen_in_the_corners(pictures):
    assert colored(pictures, "backgroundColor")[:, 0, [0, -1]].all()


def test_a_hat_is_seen_at_the_top_and_nowhere_else(pictures):
    count = colored(pictures, "hatColor")[:, :24].sum(axis=(1, 2))
    np.testing.assert_array_equal(count > 50, ATTRIBUTES["Hat"])
    assert (count[ATTRIBUTES["Hat"] == 0] == 0).all()


def test_hair_and_its_length_are_seen():
    """Beards off, for they have the same colour. Long hair hangs beside the neck, short hair does not."""
    shaved = np.stack([avatars.paint(task | {"facialHairProbability": 0}, 64) for task in TASKS])
    hair = colored(shaved, "hairColor")
    covered = ATTRIBUTES["Hat"].to_numpy() == 1
    assert (hair[~covered].sum(axis=(1, 2)) > 80).all()
    assert (hair[covered].sum(axis=(1, 2)) == 0).all()
    np.testing.assert_array_equal(hair[:, 42:50].sum(axis=(1, 2)) > 35, ATTRIBUTES["Long_Hair"])
    for name in HAIR:
        shown = np.array([task["hairColor"] in avatars.HAIR[name] for task in TASKS])
        np.testing.assert_array_equal(shown & ~covered, ATTRIBUTES[name])


# The rows of a picture that an attribute may change, and by how many pixels it does at least.
REGIONS = {"accessoriesProbability": ("Eyeglasses", 22, 40, 100), "facialHairProbability": ("Beard", 26, 62, 150)}


@pytest.mark.parametrize("option", REGIONS)
def test_glasses_and_beards_change_their_region_alone(option):
    name, top, bottom, least = REGIONS[option]
    for task, present in zip(TASKS[:60], ATTRIBUTES[name], strict=False):
        assert present == (task[option] == 100)
        with_it, without = (avatars.paint(task | {option: value}, 64).astype(int) for value in (100, 0))
        changed = (abs(with_it - without) > 8).any(axis=0)
        assert changed[top:bottom].sum() == changed.sum() >= least, task


def test_a_smile_differs_from_every_other_mouth():
    """At the mouth alone, on every skin and behind every beard."""
    plain = TASKS[0] | {"topVariant": "shortFlat", "accessoriesProbability": 0}
    for skin, beard in itertools.product(sum(avatars.SKIN.values(), ()), (None, *avatars.BEARDS)):
        face = plain | {"skinColor": skin, "facialHairProbability": 100 if beard else 0}
        face |= {"facialHairVariant": beard or avatars.BEARDS[0]}
        mouths = [avatars.paint(face | {"mouthVariant": mouth}, 64) for mouth in POOLS["mouthVariant"]]
        smiles, others = mouths[: len(avatars.SMILES)], mouths[len(avatars.SMILES) :]
        for smile, other in itertools.product(smiles, others):
            changed = (abs(smile.astype(int) - other) > 20).any(axis=0)
            assert changed[38:52, 22:42].sum() == changed.sum() >= 6


def test_smiling_is_the_mouth():
    smiling = [task["mouthVariant"] in avatars.SMILES for task in TASKS]
    np.testing.assert_array_equal(smiling, ATTRIBUTES["Smiling"])


def test_hair_skin_and_background_never_blend():
    groups = {**avatars.HAIR, **avatars.SKIN, "background": avatars.BACKGROUNDS}
    for (one, shades), (other, others) in itertools.combinations(groups.items(), 2):
        for a, b in itertools.product(shades, others):
            assert np.linalg.norm(rgb(a).astype(int) - rgb(b)) > 40, (one, a, other, b)


# Who decides


@pytest.mark.parametrize("option", POOLS)
def test_the_style_has_every_drawing(option):
    """dicebear leaves out what it does not know, without a word."""
    style = json.loads((importlib.resources.files("dicebear_styles") / "avataaars.json").read_text("utf-8"))
    assert set(POOLS[option]) <= set(style["components"][option.removesuffix("Variant")]["variants"])
    assert len(set(POOLS[option])) == len(POOLS[option])


def test_no_option_is_left_to_the_library():
    for task in TASKS:
        resolved = dicebear.Avatar(avatars._style(), task).to_json()["options"]
        chosen = {key: value for key, value in resolved.items() if key.endswith(("Variant", "Color"))}
        for key, value in chosen.items():
            assert value == ([f"#{task[key]}"] if key.endswith("Color") else task[key])


def test_the_library_s_own_seed_changes_nothing():
    for task in TASKS[:20]:
        np.testing.assert_array_equal(avatars.paint(task | {"seed": "another"}, 64), avatars.paint(task, 64))


def test_an_unknown_option_is_refused():
    with pytest.raises(dicebear.OptionsValidationError):
        avatars.paint(TASKS[0] | {"scale": "large"}, 64)


# Chance


def test_the_table():
    assert list(ATTRIBUTES.columns) == NAMES
    assert (ATTRIBUTES.dtypes == np.uint8).all()
    assert list(ATTRIBUTES.index) == list(range(200))
    assert set(np.unique(ATTRIBUTES)) == {0, 1}


@pytest.mark.parametrize("split", avatars.SPLITS)
def test_fewer_are_a_prefix_of_more(split):
    many, table = avatars.tasks(split, 500)
    for n in (0, 1, 137):
        few, head = avatars.tasks(split, n)
        assert few == many[:n]
        assert head.equals(table[:n])


def test_marginals():
    _, table = avatars.tasks("train", 5000)
    expected = dict.fromkeys(NAMES, 0.2) | {
        "Long_Hair": 0.4, "Eyeglasses": 0.4, "Beard": 0.4, "Smiling": 0.5, "Pale_Skin": 0.3, "Dark_Skin": 0.3,
    }  # fmt: skip
    for name, p in expected.items():
        assert abs(table[name].mean() - p) < 4 * np.sqrt(p * (1 - p) / 5000), name


def test_the_stated_dependences():
    _, table = avatars.tasks("train", 5000)
    np.testing.assert_array_equal(table[HAIR].sum(axis=1), 1 - table["Hat"])
    assert not (table["Hat"] & table["Long_Hair"]).any()
    assert not (table["Pale_Skin"] & table["Dark_Skin"]).any()


def test_all_others_are_independent():
    _, table = avatars.tasks("train", 5000)
    bound = 4 / np.sqrt((table["Hat"] == 0).sum())
    everywhere, bare = table.corr(), table[table["Hat"] == 0].corr()
    under_a_hat = {"Hat", "Long_Hair", *HAIR}
    for one, other in itertools.combinations(NAMES, 2):
        if {one, other} == {"Pale_Skin", "Dark_Skin"} or {one, other} <= {"Hat", *HAIR}:
            continue
        if "Hat" in (one, other) and "Long_Hair" in (one, other):
            continue
        correlations = bare if {one, other} <= under_a_hat else everywhere
        assert abs(correlations.loc[one, other]) < bound, (one, other)


def seen(task):
    """The options that can be seen: a hat hides the hair's colour, and a part that is not drawn has none."""
    hidden = {"hairColor"} if task["topVariant"] in avatars.HATS else {"hatColor"}
    for part in ("facialHair", "accessories"):
        if not task[f"{part}Probability"]:
            hidden |= {f"{part}Variant", f"{part}Color"}
    return tuple((key, value) for key, value in task.items() if key not in hidden)


def test_the_splits_share_no_drawing():
    drawn = {split: {seen(task) for task in avatars.tasks(split, 2000)[0]} for split in ("test", "validation")}
    drawn["train"] = {seen(task) for task in avatars.tasks("train", 18_000)[0]}
    for one, other in itertools.combinations(drawn, 2):
        assert not drawn[one] & drawn[other], (one, other)
    assert len(drawn["train"]) > 17_990


# Pinned: another split, or another place in SPLITS, must not change what the others draw.
DRAWN = {
    "train": "ea4b84aac224099c8ccaf0afcfe4a9d8fbe782654b1748259d220b8c916d83c9",
    "test": "6981fb3af764fea960b3628766c1d978d4c1195bfce673da253f98093cc63137",
    "validation": "537b6bc42070ebbd5a560ed91168765787684fa959f84c21b26a1fd63ac5eb0b",
}


def test_every_split_keeps_its_stream():
    found = {split: json.dumps(avatars.tasks(split, 100)[0], default=int) for split in avatars.SPLITS}
    assert {split: hashlib.sha256(text.encode()).hexdigest() for split, text in found.items()} == DRAWN


# The same everywhere


def test_other_processes_draw_the_same_bytes():
    paint = partial(avatars.paint, size=32)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        theirs = list(pool.map(paint, TASKS[:60], chunksize=7))
    np.testing.assert_array_equal(theirs, [paint(task) for task in TASKS[:60]])


def locked():
    lock = (config.ROOT / "requirements.lock").read_text()
    return all(f"{name}=={importlib.metadata.version(name)} " in lock for name in avatars.PACKAGES)


def test_the_drawings_have_not_changed(pictures, image_regression):
    """To the byte with the locked packages on the usual machine; elsewhere an edge may be rounded otherwise."""
    sheet = np.concatenate([np.concatenate(pictures[row : row + 6], axis=2) for row in (0, 6)], axis=1)
    exact = locked() and platform.machine() == "x86_64"
    image_regression.check(Image.fromarray(sheet.transpose(1, 2, 0)), diff_threshold=0 if exact else 0.05)


def test_facts_change_with_the_packages_and_with_the_source(tmp_path, monkeypatch):
    before = avatars.facts()
    assert {name: before[name] for name in avatars.PACKAGES} == {
        name: importlib.metadata.version(name) for name in avatars.PACKAGES
    }
    changed = tmp_path / "avatars.py"
    shutil.copy(avatars.__file__, changed)
    monkeypatch.setattr(avatars, "__file__", str(changed))
    assert avatars.facts() == before
    changed.write_text(changed.read_text() + "# another line\n")
    assert avatars.facts()["source"] == hashlib.sha256(changed.read_bytes()).hexdigest() != before["source"]
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0")
    assert avatars.facts()["resvg-py"] == "0"


def test_drawing_needs_no_torch():
    code = (
        "import sys; from lab_utils.data import avatars; assert 'dicebear' not in sys.modules; "
        "avatars.paint(avatars.tasks('test', 1)[0][0], 32); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=True)


def test_the_credit_is_the_style_s_own():
    meta = avatars._style().meta()
    for text in (avatars.NOTE, avatars.__doc__, (config.ROOT / "README.md").read_text()):
        words = " ".join(text.split())
        for credit in (meta.creator().name(), meta.source().name(), meta.license().name().replace("Free", "free")):
            assert credit in words, credit
    assert avatars.NOTE.startswith("NOT photographs")
