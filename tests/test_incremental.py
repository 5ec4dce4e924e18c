"""What `make report` does again and why: a project is copied, touched in one place, and asked for its report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_report import FIGURE, METRICS, PARAMETERS, alive, wait_for

from lab_utils.catalogue import NOTEBOOKS
from lab_utils.config import ROOT
from lab_utils.report import cache
from lab_utils.report.files import locked

# A catalogue of two toys. The first imports a module that imports another; the second uses data and a third module.
MAIN = """
import signal, sys
from pathlib import Path
from lab_utils import config
from lab_utils.catalogue import Notebook
from lab_utils.data import digits
from lab_utils.report.__main__ main_import
digits.load = lambda data_dir: Path(data_dir, "MNIST/raw/a").read_text()
digits.describe = lambda text: {"source": "mnist", "train": 1, "test": 1, "sha256": text}
config.gpu_present = lambda: Path("gpu").exists()
toy = dict(question="?", deliverables={"toy.1": "Pictures", "toy.2": "A line"}, metrics={})
catalogue = {
    "01_first": Notebook(title="First", data=(), **toy),
    "02_second": Notebook(title="Second", data=("digits",), **toy),
}
for name in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are born deaf to the first
    signal.signal(name, signal.default_int_handler)
sys.exit(main(sys.argv[1:], catalogue=catalogue))
""".replace("__main__ main_import", "__main__ import main")


def toy(name: str, *cells: tuple[str, ...]) -> nbformat.NotebookNode:
    code = [new_code_cell(text, metadata={"tags": tags}, id=f"code-{i}") for i, (text, *tags) in enumerate(cells)]
    return new_notebook(cells=[new_markdown_cell(f"# {name}\n\nAs it was.", id="words"), *code])


FIRST = toy("First", PARAMETERS, ("from lab_utils.report import tables", "toy.2"), (FIGURE, "toy.1"), (METRICS,))
SECOND = toy("Second", PARAMETERS, ("import os\nfrom lab_utils.metrics import light", "toy.2"), ("print(os.getpid())",))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project with two toy notebooks, and its finished report."""
    root = tmp_path_factory.mktemp("finished")
    shutil.copytree(ROOT / "lab_utils", root / "lab_utils", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "lab_utils/metrics/light.py").write_text("X = 1\n")
    (root / "requirements.lock").write_text("a==1\n")
    (root / "main.py").write_text(MAIN)
    (root / "data/MNIST/raw").mkdir(parents=True)
    (root / "data/MNIST/raw/a").write_text("aa")
    (root / "notebooks").mkdir()
    nbformat.write(FIRST, root / "notebooks/01_first.ipynb")
    nbformat.write(SECOND, root / "notebooks/02_second.ipynb")
    code, said = report(root)
    assert code == 0, said
    return root


@pytest.fixture
def project(finished, tmp_path):
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    return root


def report(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a report of the quick profile in a copy of the project."""
    command = [sys.executable, "main.py", "run", "PROFILE=quick", "DATA_DIR=data", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment(root), timeout=120)
    return done.returncode, done.stdout + done.stderr


def environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


def lines(said: str) -> dict[str, str]:
    """What was first said of each notebook."""
    found = {}
    for line in said.splitlines():
        number, bar, text = line.partition(" | ")
        if bar:
            found.setdefault(number, text)
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def results(root: Path) -> dict[str, bytes]:
    folder = root / "reports/quick"
    kinds = ("metrics/*.json", "figures/*/*.png", "html/*.html", "notebooks/*.ipynb", "index.html")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for kind in kinds for path in folder.glob(kind)}


def test_nothing_to_do_is_one_line_each_and_changes_nothing(project):
    before = {path: path.stat().st_mtime_ns for path in (project / "reports").rglob("*.[hijp]*")}
    code, said = report(project)
    assert code == 0
    assert [text[:6] for text in lines(said).values()] == ["holds:", "holds:"]
    assert len(said.splitlines()) == 3  # and where the report is
    assert {path: path.stat().st_mtime_ns for path in (project / "reports").rglob("*.[hijp]*")} == before


def code_cell(root):
    edit(
        root / "notebooks/01_first.ipynb",
        "from lab_utils.report import tables",
        "from lab_utils.report import tables  # !",
    )


def words(root):
    edit(root / "notebooks/02_second.ipynb", "As it was.", "As it is now.")


def tag(root):
    edit(root / "notebooks/02_second.ipynb", '"toy.2"', '"toy.9"')


def imported_by_imported(root):
    edit(root / "lab_utils/catalogue.py", "FALLBACKS = {", "# changed\nFALLBACKS = {")


def imported(root):
    (root / "lab_utils/metrics/light.py").write_text("X = 2\n")


def new_module(root):
    (root / "lab_utils/report/__init__.py").write_text("from lab_utils import config\n")


def not_imported(root):
    edit(root / "lab_utils/losses.py", '"""', '""" ')


def renderer(root):
    edit(root / "lab_utils/report/templates/page.css", ":root", "/* */ :root")


def data(root):
    (root / "data/MNIST/raw/a").write_text("bbb")


def same_data_written_again(root):
    time.sleep(0.02)
    (root / "data/MNIST/raw/a").write_text("aa")


def lock(root):
    (root / "requirements.lock").write_text("a==2\n")


def device(root):
    (root / "gpu").touch()


def page_removed(root):
    (root / "reports/quick/html/02_second.html").unlink()


def metrics_tampered_with(root):
    edit(root / "reports/quick/metrics/01_first.json", "1.5", "0.5")


def figure_tampered_with(root):
    (root / "reports/quick/figures/01_first/toy.1.png").write_bytes(b"x")


def executed_removed(root):
    (root / "reports/quick/notebooks/01_first.ipynb").unlink()


def index_tampered_with(root):
    edit(root / "reports/quick/index.html", "First", "Worst")


def nothing(root):
    pass


HOLDS = "holds"
MATRIX = [  # what is touched, what is asked for beside it, what becomes of the two notebooks
    (code_cell, (), "runs: its code cells changed", HOLDS),
    (words, (), HOLDS, "rendered again: its prose changed"),
    (tag, (), HOLDS, "rendered again: its prose changed"),
    (imported_by_imported, (), "runs: lab_utils/catalogue.py changed", "rendered again: what renders it changed"),
    (imported, (), HOLDS, "runs: lab_utils/metrics/light.py changed"),
    (new_module, (), "runs: lab_utils/config.py, lab_utils/report/__init__.py changed", "rendered again: what"),
    (not_imported, (), HOLDS, HOLDS),
    (renderer, (), "rendered again: what renders it changed", "rendered again: what renders it changed"),
    (data, (), HOLDS, "runs: the digits changed"),
    (same_data_written_again, (), HOLDS, HOLDS),
    (lock, (), "runs: requirements.lock changed", "runs: requirements.lock changed"),
    (device, (), "runs: the device is cuda, not cpu", "runs: the device is cuda, not cpu"),
    (nothing, ("SEED=1",), "runs: SEED is 1", "runs: SEED is 1"),
    (nothing, ("NB=2", "SEED=1"), None, "runs: SEED is 1"),
    (page_removed, (), HOLDS, "rendered again: html/02_second.html was altered or removed"),
    (metrics_tampered_with, (), "rendered again: metrics/01_first.json was altered or removed", HOLDS),
    (figure_tampered_with, (), "rendered again: figures/01_first/toy.1.png was altered or removed", HOLDS),
    (executed_removed, (), "runs: its executed notebook is not there or was altered", HOLDS),
    (index_tampered_with, (), HOLDS, HOLDS),
]


@pytest.mark.parametrize(
    ("touch", "arguments", "first", "second"), MATRIX, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_is_touched_decides_what_runs(project, touch, arguments, first, second):
    before = results(project)
    touch(project)
    code, said = report(project, *arguments)
    assert code == 0, said
    expected = {"01": first, "02": second}
    for number, text in expected.items():
        assert lines(said).get(number, "").startswith(text or ""), said
    assert [number for number, text in lines(said).items() if text.startswith("runs")] == [
        number for number, text in expected.items() if text and text.startswith("runs")
    ]
    ran = {number for number in expected if f"{number} | ok after" in said}
    assert ran == {number for number, text in expected.items() if text and text.startswith("runs")}
    if not arguments:  # what did not run has the results it had
        for name, content in results(project).items():
            if name.startswith(("metrics/", "figures/")) and name.split("/")[1][:2] not in ran:
                assert content == before[name], name
    code, said = report(project, *arguments)
    assert [text[:6] for text in lines(said).values()] == ["holds:"] * (2 - arguments.count("NB=2")), said


def test_changed_words_are_on_the_page_with_the_results_they_had(project):
    words(project)
    executed = nbformat.read(project / "reports/quick/notebooks/02_second.ipynb", as_version=4)
    report(project)
    page = (project / "reports/quick/html/02_second.html").read_text()
    assert "As it is now." in page
    again = nbformat.read(project / "reports/quick/notebooks/02_second.ipynb", as_version=4)
    assert [cell.get("outputs") for cell in again.cells] == [cell.get("outputs") for cell in executed.cells]
    assert [cell.metadata.get("tags") for cell in again.cells][2] == ["injected-parameters"]


def test_a_tag_that_is_gone_is_a_deliverable_that_is_missing(project):
    tag(project)
    report(project)
    index = BeautifulSoup((project / "reports/quick/index.html").read_text(), "html.parser")
    assert "A line: missing" in index.get_text(" ", strip=True)


def test_an_index_that_was_altered_is_written_again(project):
    before = results(project)["index.html"]
    index_tampered_with(project)
    report(project)
    assert results(project)["index.html"] == before


def test_a_notebook_whose_source_changed_while_it_ran_runs_again(project):
    edits = f"with open({str(project / 'lab_utils/metrics/light.py')!r}, 'a') as file: file.write('# edited')"
    edited = toy("Second", PARAMETERS, ("from lab_utils.metrics import light", "toy.2"), (edits,))
    nbformat.write(edited, project / "notebooks/02_second.ipynb")
    assert report(project)[0] == 0
    nbformat.write(toy("Second", PARAMETERS, ("from lab_utils.metrics import light", "toy.2"), ("1",)),
                   project / "notebooks/02_second.ipynb")  # fmt: skip
    code, said = report(project)
    assert code == 0
    assert lines(said)["02"] == "runs: what it depends on changed while it ran"
    assert lines(report(project)[1])["02"].startswith("holds")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_report_that_was_stopped_goes_on_with_what_is_missing(project, how):
    shutil.rmtree(project / "reports")
    sleep = f"import time, os\nopen({str(project / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    stuck = toy("Second", PARAMETERS, (sleep, "toy.2"))
    nbformat.write(stuck, project / "notebooks/02_second.ipynb")
    command = [sys.executable, "main.py", "run", "PROFILE=quick", "DATA_DIR=data"]
    started = subprocess.Popen(command, cwd=project, env=environment(project), stdout=subprocess.DEVNULL)
    wait_for(lambda: (project / "pid").exists() and (project / "pid").read_text())
    started.send_signal(how)
    started.wait(timeout=60)
    assert started.returncode == (-9 if how == signal.SIGKILL else 130)
    wait_for(lambda: not alive(int((project / "pid").read_text())))
    folder = project / "reports/quick"
    assert json.loads((folder / "metrics/01_first.json").read_text())["status"] == "ok"
    assert ("Notebook 02 was interrupted" in (folder / "index.html").read_text()) == (how != signal.SIGKILL)
    nbformat.write(SECOND, project / "notebooks/02_second.ipynb")
    code, said = report(project)
    assert code == 0
    assert lines(said)["01"].startswith("holds")
    assert lines(said)["02"].startswith(
        "runs: it has not run yet" if how == signal.SIGKILL else "runs: its last run was inter"
    )
    assert not list(folder.glob(".work-*"))


def test_two_reports_at_once_wait_for_one_another(project):
    folder = project / "reports/quick"
    shutil.rmtree(folder)
    command = [sys.executable, "main.py", "run", "PROFILE=quick", "DATA_DIR=data"]
    both = [
        subprocess.Popen(command, cwd=project, env=environment(project), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    waited = [text for text in said if text.startswith("waiting: another command is writing to")]
    assert len(waited) == 1
    assert "holds" in lines(waited[0])["01"]
    assert sum(text.count("ok after") for text in said) == 2  # each notebook ran once


def test_a_lock_is_let_go_of_when_its_holder_is_killed(tmp_path):
    hold = "import sys, time; from pathlib import Path; from lab_utils.report.files import locked\n"
    hold += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.communicate()
    with locked(tmp_path):
        pass


def test_notebooks_side_by_side_share_the_cores(project):
    for name in ("01_first", "02_second"):
        asks = toy(name, PARAMETERS, ("import os\nprint('threads', os.environ.get('OMP_NUM_THREADS'))", "toy.2"))
        nbformat.write(asks, project / f"notebooks/{name}.ipynb")
    env = {name: value for name, value in environment(project).items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "main.py", "run", "PROFILE=quick", "DATA_DIR=data", "JOBS=2"]
    said = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True).stdout
    assert said.count(f"threads {max(1, len(os.sched_getaffinity(0)) // 2)}\n") == 2


@pytest.mark.parametrize(
    ("name", "depends", "not_on"),
    [
        ("01_vae", {"models/vae.py", "losses.py", "data/prepared.py"}, {"data/digits.py", "neighbours.py"}),
        ("03_cvae_disentanglement", {"models/cvae.py", "data/digits.py"}, {"data/faces.py", "neighbours.py"}),
        ("06_infogan", {"models/gan.py", "neighbours.py", "metrics/clusters.py"}, {"metrics/latents.py"}),
    ],
)
def test_real_notebooks_depend_on_what_they_import(name, depends, not_on):
    found = cache.modules(cache.code_cells(ROOT / "notebooks" / f"{name}.ipynb"))
    assert {f"lab_utils/{file}" for file in depends} <= set(found)
    assert not {f"lab_utils/{file}" for file in {*not_on, "report/pipeline.py", "report/render.py"}} & set(found)
    assert name in NOTEBOOKS


@pytest.mark.parametrize(
    ("text", "package", "found"),
    [
        ("import lab_utils.losses as l", "", {"lab_utils.losses"}),
        ("from lab_utils import losses", "", {"lab_utils", "lab_utils.losses"}),
        ("def f():\n    from lab_utils.data import faces", "", {"lab_utils.data", "lab_utils.data.faces"}),
        ("from . import a", "lab_utils.data", {"lab_utils.data", "lab_utils.data.a"}),
        ("from ..metrics.pca import fit", "lab_utils.data", {"lab_utils.metrics.pca", "lab_utils.metrics.pca.fit"}),
        ("%matplotlib inline\n!ls\nimport torch", "", {"torch"}),
    ],
)
def test_imports_are_found_wherever_they_stand(text, package, found):
    assert set(cache.imports(text, package)) == found


def test_a_cell_that_is_no_python_may_import_anything():
    assert "lab_utils/models/gan.py" in cache.modules(["this is no Python"])
