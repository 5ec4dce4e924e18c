"""Where the time went: what a stack means, what a kernel notes however it ends, and what the index says of it."""

import copy
import functools
import importlib
import json
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup
from test_report import CATALOGUE, PARAMETERS, notebook

from lab_utils.config import ROOT
from lab_utils.report import index, pages, provenance, spent
from lab_utils.report.__main__ import main
from lab_utils.report.execute import spent_note, time_spent
from lab_utils.report.pipeline import Places

PACKAGE = ROOT / "lab_utils"
CELL = "/tmp/ipykernel_123/456.py"
IMPORT = "<frozen importlib._bootstrap>"
LIBRARIES = "/env/lib/python3/site-packages"
TORCH, MATPLOTLIB, SKLEARN = (f"{LIBRARIES}/{name}.py" for name in ("torch/a", "matplotlib/a", "sklearn/a"))
BATCHES, DIGITS, TRAINING, STEPS, JUDGES, FIDELITY, FIGURES, SHOW = (
    str(PACKAGE / f"{name}.py")
    for name in (
        "data/batches", "data/digits", "training", "steps", "judges", "metrics/fidelity", "figures", "show",
    )
)  # fmt: skip

# In a kernel: a function that stands in another file, so that its time is of that file's kind.
STAND_IN = """
import time
import lab_utils.config
def stand_in(name):
    made = {}
    exec(compile("def wait(seconds):\\n    time.sleep(seconds)", lab_utils.config.ROOT / "lab_utils" / name, "exec"),
         {"time": time}, made)
    return made["wait"]
"""
SLEEPY = "import time\ntime.sleep(3)\n"  # a module that takes long to import
PARTS = "import sleepy\nstand_in('training.py')(1.5)\nstand_in('metrics/pca.py')(0.6)\ntime.sleep(0.1)"
KILLED = "import os\nstand_in('metrics/pca.py')(4)\nos.kill(os.getpid(), 9)"


# What a stack means


def inside(*files: str) -> str | None:
    """What is said of a stack of functions that stand in these files, each called by the one before.

    A file after ``+`` is being imported: it is not a function of it that runs, but its own lines.
    """
    call = ask
    for file in reversed(files):
        scope: dict = {"call": call}
        if file.startswith("+"):
            run = functools.partial(exec, compile("answer = call()", file[1:], "exec"))
            call = functools.partial(answer_of, run, scope)
        else:
            exec(compile("def function(call):\n    return call()", file, "exec"), scope)
            call = functools.partial(scope["function"], call)
    return call()


def ask() -> str | None:
    return spent.kind_of(sys._getframe())


def answer_of(run, scope: dict) -> str | None:
    run(scope)
    return scope["answer"]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ([], None),
        (["/env/selectors.py", TORCH], None),  # no cell runs: the kernel waits
        ([CELL], "other"),
        (["+" + CELL], "other"),
        ([CELL, TORCH], "other"),
        ([CELL, "/elsewhere/lab_utils/training.py"], "other"),
        ([CELL, DIGITS], "data"),
        ([CELL, BATCHES, TORCH], "other"),
        ([CELL, TRAINING, BATCHES, TORCH], "training"),
        ([CELL, TRAINING, STEPS, TORCH], "training"),
        ([CELL, TRAINING, CELL, TORCH], "training"),
        ([CELL, TRAINING, CELL, FIDELITY, TORCH], "metrics"),
        ([CELL, JUDGES, TRAINING, STEPS, TORCH], "metrics"),
        ([CELL, TRAINING, CELL, JUDGES, TRAINING, STEPS], "metrics"),
        ([CELL, FIDELITY, SKLEARN], "metrics"),
        ([CELL, SKLEARN, TORCH], "metrics"),
        ([CELL, FIGURES, MATPLOTLIB], "figures"),
        ([CELL, TRAINING, SHOW, MATPLOTLIB], "figures"),
        ([CELL, JUDGES, SHOW], "figures"),
        ([CELL, MATPLOTLIB], "figures"),
        ([MATPLOTLIB], "figures"),  # pictures that a cell left open are drawn after it
        ([CELL, IMPORT, TORCH], "start-up"),
        ([CELL, IMPORT, MATPLOTLIB], "start-up"),
        ([CELL, FIGURES, MATPLOTLIB, IMPORT, MATPLOTLIB], "start-up"),
        ([CELL, JUDGES, TRAINING, IMPORT, TORCH], "start-up"),
        ([CELL, IMPORT, "+" + FIDELITY], "start-up"),
        ([CELL, IMPORT, "+" + FIDELITY, IMPORT, "+" + SKLEARN], "start-up"),
        ([CELL, IMPORT, "+" + FIDELITY, DIGITS], "data"),
    ],
)
def test_the_innermost_call_that_means_something_decides(files, kind):
    assert inside(*files) == kind


def test_an_import_is_start_up_wherever_it_stands(tmp_path, monkeypatch):
    (tmp_path / "asking_module.py").write_text("from test_spent import ask\nKIND = ask()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "test_spent", sys.modules[__name__])
    kinds = []
    for files in ([CELL], [CELL, TRAINING]):
        monkeypatch.delitem(sys.modules, "asking_module", raising=False)
        scope = {"load": importlib.import_module}
        exec(compile("def load_it():\n    return load('asking_module').KIND", files[-1], "exec"), scope)
        kinds.append(scope["load_it"]())
    assert kinds == ["start-up", "start-up"]


def test_the_files_that_mean_something_are_those_of_the_package():
    kinds = {path.relative_to(PACKAGE).as_posix(): spent.meaning(str(path)) for path in PACKAGE.rglob("*.py")}
    named = {
        "training.py": "training", "steps.py": "training", "recipes.py": "training", "neighbours.py": "training",
        "judges.py": "metrics", "figures.py": "figures", "show.py": "figures",
    }  # fmt: skip
    named |= {file: "metrics" for file in kinds if file.startswith("metrics/")}
    named |= {file: "data" for file in kinds if file.startswith("data/") and file != "data/batches.py"}
    assert {file: found[1] for file, found in kinds.items() if found} == named
    assert {"data/digits.py", "data/faces.py", "data/avatars.py", "metrics/fidelity.py"} <= set(named)


# In a kernel


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Two toy notebooks and their report: one with time of several kinds, one whose kernel was killed."""
    at = tmp_path_factory.mktemp("spent")
    (at / "notebooks").mkdir()
    (at / "notebooks" / "sleepy.py").write_text(SLEEPY)
    for name, last in (("01_good", PARTS), ("02_other", KILLED)):
        cells = (PARAMETERS, (STAND_IN,), ("stand_in('training.py')(0.5)",), (last, "toy.1"))
        nbformat.write(notebook(*cells), at / "notebooks" / f"{name}.ipynb")
    assert report(at) == 1  # for the one that was killed
    return at


@pytest.fixture
def at(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "at")
    return tmp_path / "at"


def report(at: Path, *arguments: str) -> int:
    return main(["run", "PROFILE=quick", *arguments], at / "notebooks", at / "reports", CATALOGUE)


def manifest_of(at: Path) -> dict:
    return provenance.read_manifest(at / "reports/quick")


def index_of(at: Path) -> BeautifulSoup:
    return BeautifulSoup((at / "reports/quick/index.html").read_text(), "html.parser")


def test_the_parts_of_a_run_add_up_to_it_and_each_is_where_it_belongs(ran):
    run = manifest_of(ran)["notebooks"]["01_good"]
    parts = dict(run["spent"])
    assert parts.pop("rendering") >= 0  # which comes after the run
    assert set(parts) == set(spent.KINDS)
    assert sum(parts.values()) == pytest.approx(run["seconds"], abs=0.5)  # all are rounded
    assert parts["training"] > parts["metrics"] > parts["other"]
    assert parts["start-up"] > parts["training"]  # the module that takes long to import is not of its cell
    assert parts["data"] == parts["figures"] == 0


def test_looking_leaves_no_trace_in_the_notebook(ran):
    executed = nbformat.read(ran / "reports/quick/notebooks/01_good.ipynb", as_version=4)
    assert [cell.outputs for cell in executed.cells if cell.cell_type == "code"] == [[]] * 5


def test_a_kernel_that_was_killed_leaves_the_parts(ran):
    run = manifest_of(ran)["notebooks"]["02_other"]
    parts = dict(run["spent"])
    parts.pop("rendering")
    assert (run["status"], run["reason"]) == ("failed", "the kernel died: it was killed, or ran out of memory")
    assert parts["metrics"] > parts["training"] > 0  # the cell that it was killed in is counted, too
    assert sum(parts.values()) == pytest.approx(run["seconds"], abs=0.5)


@pytest.mark.parametrize("content", [None, "", '{"data": 1.0, '])
def test_where_the_kernel_left_no_word_nothing_is_known(tmp_path, content):
    target = tmp_path / "a.ipynb"
    if content is not None:
        spent_note(target).write_text(content)
    assert time_spent(target, 10.0) == {}


def test_what_the_kernel_did_not_count_is_start_up(tmp_path):
    target = tmp_path / "a.ipynb"
    spent_note(target).write_text(json.dumps(dict.fromkeys(spent.KINDS, 1.0)))
    assert time_spent(target, 10.0) == dict.fromkeys(spent.KINDS, 1.0) | {"start-up": 5.0}


def loaded() -> list:
    """What the extension has a shell call after each cell."""
    registered = []
    shell = SimpleNamespace(events=SimpleNamespace(register=lambda name, call: registered.append((name, call))))
    spent.load_ipython_extension(shell)
    return registered


def test_sums_that_cannot_be_written_are_no_error_of_a_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(spent.threading, "Thread", lambda **_: SimpleNamespace(start=lambda: None))
    monkeypatch.setenv(spent.FILE, str(tmp_path / "gone" / "a.spent"))
    [(name, write)] = loaded()
    assert name == "post_run_cell"
    write("result")
    assert not (tmp_path / "gone").exists()  # nor is a directory made again that the report has removed
    (tmp_path / "gone").mkdir()
    write("result")
    assert json.loads((tmp_path / "gone" / "a.spent").read_text()) == dict.fromkeys(spent.KINDS, 0.0)


def test_without_a_file_nobody_looks(monkeypatch):
    monkeypatch.delenv(spent.FILE, raising=False)
    assert loaded() == []


# In the report


def test_a_page_that_is_rendered_again_adds_its_time_and_no_other(at, monkeypatch):
    quick = pages.page
    before = {name: run["spent"] for name, run in manifest_of(at)["notebooks"].items()}
    untouched = (at / "reports/quick/manifest.json").read_bytes()
    report(at, "NB=1")
    assert (at / "reports/quick/manifest.json").read_bytes() == untouched

    def page(*given):
        time.sleep(1)
        return quick(*given)

    monkeypatch.setattr(pages, "page", page)
    (at / "reports/quick/html/01_good.html").unlink()
    assert report(at, "NB=1") == 0
    after = {name: run["spent"] for name, run in manifest_of(at)["notebooks"].items()}
    assert after["01_good"].pop("rendering") > before["01_good"].pop("rendering")
    assert after == before
    now = (at / "reports/quick/manifest.json").read_bytes()
    report(at, "NB=1")
    assert (at / "reports/quick/manifest.json").read_bytes() == now


def test_a_report_from_before_times_were_noted_says_nothing_of_them(at):
    path = at / "reports/quick/manifest.json"
    manifest = json.loads(path.read_text())
    for run in manifest["notebooks"].values():
        del run["spent"]
    path.write_text(json.dumps(manifest))
    for page in ("index.html", "html/01_good.html"):
        (at / "reports/quick" / page).unlink()
    assert report(at, "NB=1") == 0
    assert (at / "reports/quick/html/01_good.html").is_file()
    assert index_of(at).find(id="spent") is None
    assert not index_of(at).select('a[href="#spent"]')
    assert "Rendering" not in index_of(at).get_text()
    assert not any("spent" in run for run in manifest_of(at)["notebooks"].values())


def test_the_index_says_where_the_time_of_its_runs_went(ran):
    noted = [run["spent"] for _, run in sorted(manifest_of(ran)["notebooks"].items())]
    page = index_of(ran)
    assert len(page.select('.toc a[href="#spent"]')) == 2
    [region] = [table for table in page.select("div.table") if "time" in table["aria-label"]]
    head, *rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in region.find_all("tr")]
    assert head == ["No.", "Start-up", "Data", "Training", "Metrics", "Figures", "Rendering", "Other", "Total"]
    noted.append({kind: sum(times[kind] for times in noted) for kind in noted[0]})
    for (name, *cells), expected, times in zip(rows, ("01", "02", "All"), noted, strict=True):
        assert name == expected
        assert cells[:-1] == [index.duration(times[kind.lower()]) for kind in head[1:-1]]
        assert cells[-1] == index.duration(sum(times.values()))
    share = (noted[-1]["start-up"] + noted[-1]["figures"] + noted[-1]["rendering"]) / (
        noted[-1]["training"] + noted[-1]["metrics"]
    )
    sentence = region.find_next_sibling("p").get_text()
    assert sentence == (
        f"(start-up + figures + rendering) / (training + metrics) = {100 * share:.1f} % (goal: at most 10 %): not met."
    )


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
    ],
)
def test_the_sentence_is_true_for_the_numbers(ran, profile, times, says):
    manifest = copy.deepcopy(manifest_of(ran)) | {"profile": profile}
    del manifest["notebooks"]["01_good"]["spent"]  # a run of before beside one of now
    manifest["notebooks"]["02_other"]["spent"] = times
    metrics = {name: {"metrics": {}, "data": {}} for name in manifest["notebooks"]}
    places = Places(ran / "notebooks", ran / "reports/quick", CATALOGUE)
    page = BeautifulSoup(index.render_index(manifest, metrics, places, "make report"), "html.parser")
    region = page.find(id="spent").find_next_sibling("div")
    assert [row.th.get_text() for row in region.select("tbody tr")] == ["02", "All"]
    said = [text.get_text() for text in region.find_next_siblings("p") if "training + metrics" in text.get_text()]
    assert said == ([f"(start-up + figures + rendering) / (training + metrics) = {says}"] if says else [])
