"""What `make report` does again and why: a project is copied, touched in one place, and asked for its report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_report import FIGURE, METRICS, PARAMETERS, alive, wait_for

from lab_utils import handover
from lab_utils.config import ROOT, LabError
from lab_utils.files import held_if_free, locked
from lab_utils.report import depends, request

# The report of two toy notebooks, whose labs are files of the package. The first imports a module that imports another
# and shows a source, a metric and a reading; the second uses data and a third module.
MAIN = """
import signal, sys
from pathlib import Path
from lab_utils import config
from lab_utils.data import digits
from lab_utils.labs import first, second
from lab_utils.report.__main__ import main
digits.load = lambda data_dir, split: Path(data_dir, "MNIST/raw/a").read_text()
digits.describe = lambda text: {"source": "mnist", "split": "test", "train": 1, "test": 1, "sha256": text}
config.gpu_present = lambda: Path("gpu").exists()
for name in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are born deaf to the first
    signal.signal(name, signal.default_int_handler)
sys.exit(main(sys.argv[1:], labs={lab.name: lab for lab in (first.LAB, second.LAB)}))
"""
LAB = """
from dataclasses import dataclass
from lab_utils.labs.spec import UNSTATED, Claim, Deliverable, HOLDS, Lab, Metric, Tolerance, always

@dataclass(frozen=True)
class Settings:
    steps: int = 1281
    sides: tuple[int, ...] = (28, 28)

READING = always("The loss is {a.loss}.")
LAB = Lab(
    name=NAME, title=TITLE, question="?", data=DATA, profiles={"quick": Settings(), "full": Settings(steps=5000)},
    deliverables={"toy.1": Deliverable("Pictures"), "toy.2": Deliverable("A line")},
    metrics={"a.loss": Metric("Loss", "nats/image", targets={"quick": 2.0}, tolerance=Tolerance(relative=0.1))},
    readings={"loss": READING},
    claims=(Claim("It is small.", "A", "toy", "it", READING, {"always": HOLDS}, ("01/toy.1",), UNSTATED),),
)
"""
# What trains in these toys, and what it imports.
STEP = '''"""Steps."""

from lab_utils.training.toy_losses import loss


def step():
    """One step."""
    return loss()
'''
SHOWING = f"""
from lab_utils.training import toy_step
from IPython.display import display
display({{{handover.SOURCE!r}: {{"module": "lab_utils.training.toy_step", "name": "step"}},
         "text/markdown": "```python\\n" + "as it " + "ran\\n```"}}, raw=True)
display({{{handover.READING!r}: {{"name": "loss", "values": {{"a.loss": 1.5}}}},
         "text/markdown": "as it " + "ran"}}, raw=True)
"""


def toy(name: str, *cells: tuple[str, ...]) -> nbformat.NotebookNode:
    code = [new_code_cell(text, metadata={"tags": tags}, id=f"code-{i}") for i, (text, *tags) in enumerate(cells)]
    return new_notebook(cells=[new_markdown_cell(f"# {name}\n\nAs it was.", id="words"), *code])


FIRST = toy("First", PARAMETERS, (SHOWING, "toy.2"), (FIGURE, "toy.1"), (METRICS,))
SECOND = toy("Second", PARAMETERS, ("import os\nfrom lab_utils.metrics import light", "toy.2"), ("print(os.getpid())",))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project with two toy notebooks, and its finished report."""
    root = tmp_path_factory.mktemp("finished")
    shutil.copytree(ROOT / "lab_utils", root / "lab_utils", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "lab_utils/metrics/light.py").write_text("X = 1\n")
    (root / "lab_utils/training/toy_step.py").write_text(STEP)
    (root / "lab_utils/training/toy_losses.py").write_text("def loss():\n    return 1\n")
    (root / "lab_utils/labs/__init__.py").write_text("from lab_utils.labs import first, second\nLABS = {}\n")
    for name, (number, data) in {"first": ("01", ()), "second": ("02", ("digits",))}.items():
        facts = f"NAME, TITLE, DATA = '{number}_{name}', '{name.capitalize()}', {data!r}"
        (root / f"lab_utils/labs/{name}.py").write_text(f"{facts}\n{LAB}")
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
    edit(root / "notebooks/01_first.ipynb", "import toy_step", "import toy_step  # !")


def words(root):
    edit(root / "notebooks/02_second.ipynb", "As it was.", "As it is now.")


def tag(root):
    edit(root / "notebooks/02_second.ipynb", '"toy.2"', '"toy.9"')


def setting(root):
    edit(root / "lab_utils/labs/first.py", "steps: int = 1281", "steps: int = 1500")


def settings(root):
    edit(root / "lab_utils/labs/second.py", "(28, 28)", "(14, 14, 7)")


def setting_of_another_profile(root):
    edit(root / "lab_utils/labs/first.py", "steps=5000", "steps=6000")


def title(root):
    edit(root / "lab_utils/labs/first.py", "'First'", "'Foremost'")


def target(root):
    edit(root / "lab_utils/labs/first.py", '"quick": 2.0', '"quick": 1.0')


def tolerance(root):
    edit(root / "lab_utils/labs/second.py", "relative=0.1", "relative=0.2")


def unit(root):
    edit(root / "lab_utils/labs/first.py", "nats/image", "bits/image")


def deliverable(root):
    edit(root / "lab_utils/labs/first.py", '"Pictures"', '"Drawings"')


def claim(root):
    edit(root / "lab_utils/labs/second.py", "It is small.", "It is large.")


def reading(root):
    edit(root / "lab_utils/labs/first.py", "The loss is", "The loss became")


def imported_by_imported(root):
    edit(root / "lab_utils/training/toy_losses.py", "return 1", "return 2")


def step_that_trains(root):
    edit(root / "lab_utils/training/toy_step.py", "return loss()", "return 2 * loss()")


def docstring_that_a_page_shows(root):
    edit(root / "lab_utils/training/toy_step.py", '"""One step."""', '"""One step more."""')


def comment(root):
    (root / "lab_utils/metrics/light.py").write_text("# A comment.\nX = 1  # and another\n")


def imported(root):
    (root / "lab_utils/metrics/light.py").write_text("X = 2\n")


def new_module(root):
    (root / "lab_utils/training/__init__.py").write_text("from lab_utils import config\n")


def not_imported(root):
    with open(root / "lab_utils/losses.py", "a") as file:
        file.write("X = 1\n")


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
LAB_SAYS = "rendered again: its lab's words changed"
OTHERS = "rendered again: what it says of other notebooks or seeds changed"
MATRIX = [  # what is touched, what is asked for beside it, what becomes of the two notebooks
    (code_cell, (), "runs: its code cells changed", HOLDS),
    (words, (), HOLDS, "rendered again: its prose changed"),
    (tag, (), HOLDS, "rendered again: its prose changed"),
    (setting, (), "runs: steps is 1,500, was 1,281", HOLDS),
    (settings, (), HOLDS, "runs: sides is (14, 14, 7), was (28, 28)"),
    (setting_of_another_profile, (), LAB_SAYS, HOLDS),
    (title, (), LAB_SAYS, OTHERS),  # which links to it
    (target, (), LAB_SAYS, HOLDS),
    (tolerance, (), HOLDS, LAB_SAYS),
    (unit, (), LAB_SAYS, HOLDS),
    (deliverable, (), LAB_SAYS, HOLDS),
    (claim, (), HOLDS, LAB_SAYS),
    (reading, (), LAB_SAYS, HOLDS),
    (imported_by_imported, (), "runs: lab_utils/training/toy_losses.py changed", HOLDS),
    (step_that_trains, (), "runs: lab_utils/training/toy_step.py changed", HOLDS),
    (docstring_that_a_page_shows, (), "rendered again: a source that it shows changed", HOLDS),
    (comment, (), HOLDS, HOLDS),
    (imported, (), HOLDS, "runs: lab_utils/metrics/light.py changed"),
    (new_module, (), "runs: lab_utils/config.py, lab_utils/training/__init__.py changed", HOLDS),
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


SAID = {  # what stands after that on pages and in the index, by what was touched
    title: {"html/01_first.html": "Foremost", "html/02_second.html": "01 Foremost", "index.html": "01 Foremost"},
    target: {"html/01_first.html": "≤ 1.000", "index.html": "≤ 1.000 not met"},
    unit: {"html/01_first.html": "bits/image", "metrics/01_first.json": '"bits/image"'},
    deliverable: {"index.html": "toy.1 Drawings"},
    claim: {"index.html": "It is large."},
    reading: {"html/01_first.html": "The loss became 1.500.", "index.html": "The loss became 1.500."},
    docstring_that_a_page_shows: {"html/01_first.html": '"""One step more."""'},
    words: {"html/02_second.html": "As it is now."},
}


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
            kept = ("figures/",) if touch is unit else ("metrics/", "figures/")  # a unit stands beside its metric
            if name.startswith(kept) and name.split("/")[1][:2] not in ran:
                assert content == before[name], name
    for file, words_now in SAID.get(touch, {}).items():
        written = (project / "reports/quick" / file).read_text()
        shown = BeautifulSoup(written, "html.parser").get_text(" ", strip=True) if file.endswith("html") else written
        assert words_now in " ".join(shown.split())
        assert "as it ran" not in shown
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


@pytest.mark.parametrize("text", ["Y = 1", pytest.param("this is no Python", marks=pytest.mark.slow)])
def test_a_notebook_whose_source_changed_while_it_ran_runs_again(project, text):
    module = project / "lab_utils/metrics/light.py"
    edits = f"with open({str(module)!r}, 'a') as file: file.write({text!r})"
    edited = toy("Second", PARAMETERS, ("from lab_utils.metrics import light", "toy.2"), (edits,))
    nbformat.write(edited, project / "notebooks/02_second.ipynb")
    assert report(project)[0] == 0
    module.write_text("X = 1\n")
    nbformat.write(SECOND, project / "notebooks/02_second.ipynb")
    code, said = report(project)
    assert code == 0
    assert lines(said)["02"] == "runs: what it depends on changed while it ran"
    assert lines(report(project)[1])["02"].startswith("holds")


def test_a_notebook_is_told_of_which_data_it_must_be(project):
    """As they are when it starts; a page compares them with what it loads."""
    tells = "import json, os\nprint(json.loads(os.environ['LAB_CHECKPOINTS'])['data'])"
    nbformat.write(toy("Second", PARAMETERS, (tells, "toy.2")), project / "notebooks/02_second.ipynb")
    data(project)
    code, said = report(project)
    assert code == 0
    assert "02 | {'digits': 'bbb'}" in said


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
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


def test_what_was_being_written_when_a_command_was_killed_is_removed_an_hour_later(project):
    (project / "data/cache/.config").mkdir(parents=True)
    left = [project / name for name in ("reports/quick/metrics/.01_first.json.123", "data/cache/.avatars-ab.npy.7")]
    fresh, held = project / "data/cache/.avatars-cd.npy.8", project / "data/cache/.avatars-ef.npy.9"
    others = [".digit-judge.lock", ".notes.2024", ".notes.txt.3", ".config/.app.12", ".config/.avatars-ab.npy.7"]
    others = [project / "data/cache" / name for name in others]  # which may be a person's own
    for path in (*left, fresh, held, *others):
        path.write_text("half")
    for path in (*left, held, *others):
        os.utime(path, (time.time() - 3700,) * 2)
    with open(held, "ab") as file:
        assert held_if_free(file)  # as its writer does, whose clock may be another
        assert report(project)[0] == 0
    assert [path.exists() for path in (*left, fresh, held, *others)] == [
        False,
        False,
        True,
        True,
        *(True for _ in others),
    ]


PLACES = (
    "notebooks/02_second.ipynb figures/01_first/toy.1.png html/01_first.html index.html manifest.json .data.json .lock "
    "seeds.json metrics/01_first.json logs/02_second.log"
)


@pytest.mark.parametrize("place", PLACES.split())
@pytest.mark.parametrize("other", [Path.mkdir, os.mkfifo], ids=lambda other: other.__name__)
def test_what_is_no_file_in_the_place_of_one_is_known_before_anything_runs(tmp_path, place, other):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    other(path)
    toys = dict.fromkeys(("01_first", "02_second"))
    places = request.Places(tmp_path, tmp_path, toys, tmp_path)
    with pytest.raises(LabError, match=f"^{path} should be a file and is .*: remove it and run again"):
        places.check()


def test_whatever_is_in_the_way_is_one_line_and_nothing_runs(project):
    folder = project / "reports/quick"
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")
    link = "reports/quick should be a directory and is a link that leads to nothing"
    assert report(project) == (2, f"error: {link}: remove it and run again\n")
    folder.unlink()
    (folder / "html/01_first.html").mkdir(parents=True)
    page = "reports/quick/html/01_first.html should be a file and is a directory"
    assert report(project) == (2, f"error: {page}: remove it and run again\n")


DATA_JSON = ["", "[]", '{"digits": []}', '{"digits": {"traces": 1}}', "sha256", "described", "traces", "mnist"]


@pytest.mark.parametrize("damage", DATA_JSON)
def test_what_is_known_of_the_data_and_was_damaged_is_found_again(project, damage):
    path = project / "reports/quick/.data.json"
    text = path.read_text()
    path.write_text(text.replace(damage, f"{damage[:-1]}~") if damage in DATA_JSON[-4:] else damage)
    assert path.read_text() != text
    code, said = report(project)
    assert (code, len(said.splitlines())) == (0, 3), said
    assert "holds" in lines(said)["02"]
    assert path.read_text() == text


def test_a_lack_of_memory_is_one_line(capsys, tmp_path):
    def fails():
        raise MemoryError

    assert request.exit_code(fails, tmp_path, "interrupted") == 2
    assert capsys.readouterr().err == "error: there is not enough memory; end other programs and run again\n"


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
    hold = "import sys, time; from pathlib import Path; from lab_utils.files import locked\n"
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
    assert said.count(f"threads {max(1, joblib.cpu_count() // 2)}\n") == 2


def test_many_changes_are_named_in_part():
    before = depends.Depends(
        code="c", parameters={"PROFILE": "quick"}, settings={f"s{n}": 0.5 for n in range(5)}, data={}, device="cpu",
        modules={f"m{n}.py": "a" for n in range(4)}, packages={f"p{n}": "1" for n in range(4)},
    )  # fmt: skip
    now = before.model_copy(
        update={
            "settings": {f"s{n}": 1000.5 for n in range(1, 5)},
            "modules": dict.fromkeys(before.modules, "b"),
            "packages": dict.fromkeys(before.packages, "2"),
        }
    )
    assert depends.changes(before, now) == [
        "s0 is not set, was 0.5", "s1 is 1,000.5, was 0.5", "s2 is 1,000.5, was 0.5 and 2 more",
        "m0.py, m1.py, m2.py and 1 more changed", "p0 changed", "p1 changed", "p2 changed and 1 more",
    ]  # fmt: skip
    assert depends.changes(before, before) == []


def test_settings_that_were_read_equal_those_that_were_written():
    given = {"PROFILE": "quick"}
    settings = {"sides": (28, 28), "pairs": ((1, 2), (3, 4)), "rate": 1e-3, "name": None, "by": {"a": (1,)}}
    before = depends.Depends(
        code="c", parameters=given, settings=settings, modules={}, data={}, packages={}, device="cpu"
    )
    read = depends.Depends.model_validate_json(before.model_dump_json())
    assert read == before
    assert depends.changes(read, before) == []
