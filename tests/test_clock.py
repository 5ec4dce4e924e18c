"""Where the time went: the clock that code starts and stops, what the report takes from a notebook, and the table."""

import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from bs4 import BeautifulSoup
from test_report import METRICS, PARAMETERS, TOYS, notebook

from lab_utils import clock, handover
from lab_utils.config import ROOT
from lab_utils.report import build, index
from lab_utils.report.__main__ import main
from lab_utils.report.marks import grades
from lab_utils.report.record import Manifest, read_manifest
from lab_utils.report.request import Places
from lab_utils.words import duration


class Time:
    """A clock that tells the time that a test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def tick(monkeypatch):
    """Let so many seconds pass, on a clock that has counted nothing."""
    told = Time()
    monkeypatch.setattr(clock, "time", told)
    monkeypatch.setattr(clock, "_spent", dict.fromkeys(clock.KINDS, 0.0))

    def pass_by(seconds: float) -> None:
        told.now += seconds

    return pass_by


def test_seconds_are_counted_by_kind_and_what_is_between_is_not(tick):
    with clock.spend("data"):
        tick(1)
    tick(10)
    for _ in range(2):
        with clock.spend("training"):
            tick(3)
    assert clock.spent() == {"data": 1, "training": 6, "metrics": 0, "figures": 0}


def test_the_outermost_counts(tick):
    @clock.spend("metrics")
    def measure() -> None:
        tick(2)
        with clock.spend("training"):  # of a judge, to measure with
            tick(5)

    with clock.spend("training"):
        measure()
        tick(1)
    measure()
    assert clock.spent() == {"data": 0, "training": 8, "metrics": 7, "figures": 0}


def test_an_error_stops_the_clock(tick):
    @clock.spend("figures")
    def fails() -> None:
        tick(1)
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    with clock.spend("data"):
        tick(2)
    assert clock.spent() == {"data": 2, "training": 0, "metrics": 0, "figures": 1}


def test_what_was_told_does_not_change(tick):
    before = clock.spent()
    with clock.spend("data"):
        tick(2)
    assert before["data"] == 0


def test_the_clock_needs_nothing_that_is_slow_to_import():
    check = "import sys, lab_utils.clock; sys.exit('numpy' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


# In the report

COUNTED = {"data": 0.1, "training": 0.3, "metrics": 0.2, "figures": 0.1, "other": 0.2}
SPENT = f"""
display({{{handover.SPENT!r}: {COUNTED!r}, "text/plain": ""}}, raw=True)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two toy notebooks and their report; the first says where its time went."""
    at = tmp_path_factory.mktemp("finished")
    (at / "notebooks").mkdir()
    imports = ("from IPython.display import display",)
    says = notebook(PARAMETERS, imports, (METRICS,), ("print('end')\n" + SPENT, "toy.2"))
    nbformat.write(says, at / "notebooks/01_good.ipynb")
    nbformat.write(notebook(PARAMETERS, ("print('here')", "toy.2")), at / "notebooks/02_other.ipynb")
    assert report(at) == 0
    return at


@pytest.fixture
def at(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "at")


def report(at, *arguments: str) -> int:
    return main(["run", "PROFILE=quick", *arguments], at / "notebooks", at / "reports", TOYS)


def spent_of(at) -> dict[str, dict[str, float]]:
    return {name: run.spent for name, run in read_manifest(at / "reports/quick").notebooks.items()}


def index_of(at) -> BeautifulSoup:
    return BeautifulSoup((at / "reports/quick/index.html").read_text(), "html.parser")


def test_the_parts_of_a_run_add_up_to_it_and_what_is_not_counted_is_start_up(finished):
    runs = read_manifest(finished / "reports/quick").notebooks
    spent = dict(runs["01_good"].spent)
    assert spent.pop("rendering") > 0
    assert {kind: seconds for kind, seconds in spent.items() if kind != "start-up"} == COUNTED
    assert sum(spent.values()) == pytest.approx(runs["01_good"].seconds, abs=0.1)
    assert runs["02_other"].spent == {}  # it does not say


def test_where_the_time_went_leaves_no_trace_in_the_notebook(finished):
    written = (finished / "reports/quick/notebooks/01_good.ipynb").read_text()
    assert handover.SPENT not in written.replace(SPENT.strip().replace('"', '\\"'), "")
    last = nbformat.reads(written, as_version=4).cells[-1]
    assert [output.output_type for output in last.outputs] == ["stream"]


def test_a_page_that_is_rendered_again_adds_its_time_and_no_other(at, monkeypatch):
    page, before = build.page, spent_of(at)
    untouched = (at / "reports/quick/manifest.json").read_bytes()
    report(at)
    assert (at / "reports/quick/manifest.json").read_bytes() == untouched

    def slow_page(*given):
        time.sleep(0.3)
        return page(*given)

    monkeypatch.setattr(build, "page", slow_page)
    for name in TOYS:
        (at / f"reports/quick/html/{name}.html").unlink()
    assert report(at) == 0
    after = spent_of(at)
    assert after["01_good"].pop("rendering") > before["01_good"].pop("rendering")
    assert after == before


def test_the_index_says_where_the_time_of_its_runs_went(finished):
    noted = spent_of(finished)["01_good"]
    page = index_of(finished)
    assert len(page.select('.toc a[href="#spent"]')) == 1
    [region] = [table for table in page.select("div.table") if "time" in table["aria-label"]]
    head, *rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in region.find_all("tr")]
    assert head == ["No.", "Start-up", "Data", "Training", "Metrics", "Figures", "Rendering", "Other", "Total"]
    expected = [duration(noted[kind.lower()]) for kind in head[1:-1]] + [duration(sum(noted.values()))]
    assert rows == [["01", *expected], ["All", *expected]]


@pytest.mark.parametrize(
    ("profile", "times", "says"),
    [
        (
            "quick",
            {"training": 60, "metrics": 40, "rendering": 2, "start-up": 3, "figures": 1.1},
            "6.1 % (goal: at most 10 %): met.",
        ),
        ("quick", {"training": 100, "start-up": 10.04, "other": 99, "data": 99}, "10.0 % (goal: at most 10 %): met."),
        ("full", {"metrics": 100, "figures": 10.06}, "10.1 % (goal: at most 10 %): not met."),
        ("smoke", {"training": 1, "start-up": 3}, "300.0 % (no goal for this profile)."),
        ("quick", {"start-up": 3, "other": 1}, None),
        ("quick", {}, None),
    ],
)
def test_the_sentence_is_true_for_the_numbers(finished, profile, times, says):
    manifest = read_manifest(finished / "reports/quick").model_copy(deep=True, update={"profile": profile})
    manifest.notebooks["01_good"].spent = {}
    manifest.notebooks["02_other"].spent = times
    page = BeautifulSoup(rendered(manifest, finished), "html.parser")
    if not times:
        assert page.find(id="spent") is None
        assert not page.select('a[href="#spent"]')
        return
    region = page.find(id="spent").find_next_sibling("div")
    assert [row.th.get_text() for row in region.select("tbody tr")] == ["02", "All"]
    said = [text.get_text() for text in region.find_next_siblings("p") if "training + metrics" in text.get_text()]
    assert said == ([f"(start-up + figures + rendering) / (training + metrics) = {says}"] if says else [])


def rendered(manifest: Manifest, at) -> str:
    places = Places(at / "notebooks", at / "reports/quick", TOYS, at / "reports/published")
    return index.render_index(manifest, {}, places, "make report", grades(manifest, {}, places))
