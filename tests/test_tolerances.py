"""Tolerances that are measured: from the spread over seeds, and over other reports of the same seed."""

import json
import random
from types import SimpleNamespace

import pytest

from lab_utils.labs import LABS
from lab_utils.labs.spec import Tolerance, with_tolerances
from lab_utils.seeds.tolerances import apart, main
from tests.conftest import one_line


def report(folder, *values, seeds=(0, 1, 2)):
    """A folder with the record of one notebook, whose value is the first, and the values of its seeds."""
    (folder / "metrics").mkdir(parents=True)
    data = {"faces": {"source": "photographs", "sha256": "aa"}}
    record = {"status": "ok", "seed": 0, "data": data, "metrics": {"gan.fcd": {"value": values[0]}}}
    (folder / "metrics/04_gan.json").write_text(json.dumps(record))
    entry = {"notebook": "04_gan", "changes": {}, "seeds": list(seeds), "data": {"faces": "aa"}}
    entry["metrics"] = {"gan.fcd": {"values": list(values), "mean": None, "interval": None, "unit": "", "n": 9}}
    (folder / "seeds.json").write_text(json.dumps({"results": [entry]}))
    return str(folder)


@pytest.fixture(autouse=True)
def manifests(monkeypatch):
    known = SimpleNamespace(notebooks={"04_gan": None})
    monkeypatch.setattr("lab_utils.seeds.tolerances.read_report", lambda *_: known)


def test_one_more_draw_lies_within_the_tolerance_19_times_in_20():
    draw = random.Random(0)
    runs = [[draw.gauss(6.0, 0.5) for _ in range(4)] for _ in range(4000)]
    inside = [abs(new - value) <= apart(value, [value, *others]) for value, *others, new in runs]
    assert 0.94 <= sum(inside) / len(inside) <= 1.0


def test_a_tolerance_covers_every_draw_and_is_nothing_where_nothing_moves():
    assert apart(1.0, [1.0, 1.0, 1.0]) == 0.0
    assert apart(0.0, [0.0] * 30 + [1.0]) == 1.0


def test_reports_beside_the_seeds_are_further_draws(tmp_path):
    target, quick = tmp_path / "tolerances.json", report(tmp_path / "quick", 6.0, 6.5, 5.8)
    assert main([quick], target) == 0
    value, alone = json.loads(target.read_text())["04_gan"]["gan.fcd"]
    assert (value, alone) == (6.0, pytest.approx(apart(6.0, [6.0, 6.5, 5.8])))
    assert main([quick, report(tmp_path / "float32", 9.9, 9.9, 9.9)], target) == 0
    assert json.loads(target.read_text())["04_gan"]["gan.fcd"][1] == pytest.approx(apart(6.0, [6.0, 6.5, 5.8, 9.9]))


def test_too_few_seeds_and_no_folder_are_one_line(tmp_path, capsys):
    assert main([report(tmp_path / "two", 6.0, 6.5, seeds=(0, 1))], tmp_path / "t.json") == 2
    one_line(capsys.readouterr(), "fewer than 3 seeds of 04_gan")
    assert main([], tmp_path / "t.json") == 2
    one_line(capsys.readouterr(), "give the folder")
    assert not (tmp_path / "t.json").exists()


def test_a_lab_takes_what_was_measured_and_keeps_the_rest():
    lab = LABS["04_gan"]
    found = with_tolerances(lab, {"04_gan": {"gan.fcd": [6.0, 0.5], "gan.kid": [0.0, 0.1], "gone": [1.0, 1.0]}})
    assert found.metrics["gan.fcd"].tolerance == Tolerance(relative=0.5 / 6.0, absolute=0.5)
    assert found.metrics["gan.kid"].tolerance == Tolerance(absolute=0.1)
    assert found.metrics["gan.coverage"] == lab.metrics["gan.coverage"]
    assert set(found.metrics) == set(lab.metrics)
