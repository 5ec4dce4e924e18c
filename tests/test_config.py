"""Profiles and the values that a person types."""

import dataclasses
import subprocess
import sys

import pytest

from lab_utils import config, repro
from lab_utils.catalogue import NOTEBOOKS
from lab_utils.config import LabError


@pytest.mark.parametrize("notebook", config.LABS)
def test_every_lab_has_every_profile(notebook):
    assert set(config.LABS[notebook]) == set(config.PROFILES)


@pytest.mark.parametrize(("gpu", "profile"), [(True, "full"), (False, "quick")])
def test_auto_follows_the_hardware(monkeypatch, gpu, profile):
    monkeypatch.setattr(config, "gpu_present", lambda: gpu)
    assert config.resolve_profile("auto") == config.resolve_profile("") == profile
    assert config.resolve_profile("smoke") == "smoke"


def test_changes_replace_single_settings():
    lab = config.settings("03", "smoke", {"mlp_epochs": 7})
    assert lab.mlp_epochs == 7
    assert dataclasses.replace(lab, mlp_epochs=3) == config.settings("03", "smoke")


@pytest.mark.parametrize("weights", [(), (0.1, 3.0), (5,)])
def test_a_setting_may_hold_several_values(weights):
    assert config.settings("02", "smoke", {"more_weights": weights}).more_weights == weights


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([10.0], r"more_weights=\[10.0\].*tuple"),
        (10.0, "more_weights=10.0.*tuple"),
        ((10.0, -1.0), "more_weights=-1.0.*greater than or equal to 0"),
        (("10",), "more_weights='10'.*number"),
    ],
)
def test_bad_values_among_several_are_one_line(weights, says):
    with pytest.raises(LabError, match=f"CHANGES: {says}") as error:
        config.settings("02", "smoke", {"more_weights": weights})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("profile", config.PROFILES)
def test_notebooks_01_and_02_share_the_face_judge(profile):
    one, other = (config.settings(notebook, profile) for notebook in ("01", "02"))
    for name in ("train_images", "test_images", "judge_epochs"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("profile", config.PROFILES)
@pytest.mark.parametrize("notebook", config.LABS)
def test_every_lab_has_batches_to_train_on(notebook, profile):
    lab = config.settings(notebook, profile)
    drawn = config.AVATARS[profile][0] if "faces" in data_of(notebook) else lab.train_images
    assert min(lab.train_images, drawn) >= lab.batch_size


def data_of(notebook):
    return next(entry.data for name, entry in NOTEBOOKS.items() if name.startswith(notebook))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mlp_epoch": 7}, "no setting 'mlp_epoch'; did you mean 'mlp_epochs'"),
        ({"zzz": 7}, "no setting 'zzz'; there are"),
        ({"mlp_epochs": "7"}, "mlp_epochs='7'.*integer"),
        ({"mlp_epochs": 0}, "mlp_epochs=0.*greater than 0"),
        ({"mlp_epochs": 2.5}, "mlp_epochs=2.5"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
    ],
)
def test_bad_changes_are_one_line(changes, says):
    with pytest.raises(LabError, match=says) as error:
        config.settings("03", "smoke", changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_bad_seeds_are_one_line(seed):
    with pytest.raises(LabError, match="SEED="):
        repro.start(seed)


def test_unknown_profile_is_one_line():
    with pytest.raises(LabError, match="'fast' is not a profile: choose one of auto, smoke, quick, full"):
        config.resolve_profile("fast")


def test_a_user_error_shows_as_one_line_in_jupyter():
    assert LabError("DATA_DIR: not there")._render_traceback_() == ["LabError: DATA_DIR: not there"]


def test_streams_do_not_disturb_one_another():
    alone = repro.noise(3, 2, repro.generator(0, "a"))
    repro.noise(100, 2, repro.generator(0, "b"))
    assert repro.noise(3, 2, repro.generator(0, "a")).equal(alone)
    assert not repro.noise(3, 2, repro.generator(1, "a")).equal(alone)


def test_names_and_numbers_of_notebooks_agree():
    assert {name.split("_")[0] for name in NOTEBOOKS} == set(config.LABS)


@pytest.mark.parametrize("module", ["lab_utils.config", "lab_utils.catalogue", "lab_utils.report.__main__"])
def test_the_report_does_not_import_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=config.ROOT).returncode == 0
