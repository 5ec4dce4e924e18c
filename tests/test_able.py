"""What make and each command begin with: an interpreter that can run the project, and an output that may go away."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make, one_line_of_make

from lab_utils import able
from lab_utils.config import ROOT
from lab_utils.report import lab


def installed(folder, *packages):
    """A folder in which some packages seem to be installed, in versions."""
    for name, version in packages:
        (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / f"{name}-{version}.dist-info/METADATA").write_text(text)


@pytest.mark.parametrize(
    ("interpreter", "says"),
    [
        ("/no/python", "error: PY=/no/python: there is no such program; leave PY out"),
        (str(ROOT), "there is no such program"),
        ("python-of-no-version -X dev", "PY=python-of-no-version: there is no such program"),
        (f"{sys.executable} -S", "lacks torch, torchvision, torchmetrics and "),
    ],
)
def test_an_interpreter_that_cannot_run_the_project_is_one_line(interpreter, says):
    one_line_of_make(make(f"PY={interpreter}", "report", "SEED=x"), says)


@pytest.mark.parametrize("nothing", ["", " "])
def test_no_interpreter_means_the_project_s_own(nothing):
    done = make("-n", f"PY={nothing}", "data")
    assert ".venv/bin/python -m lab_utils.report data" in done.stdout


def test_an_interpreter_in_a_folder_with_a_space(tmp_path):
    script = tmp_path / "my it's/python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    one_line_of_make(make(f"PY={script}", "report", "SEED=x"), "SEED='x'")


def test_a_python_that_is_too_old_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert able.main() == 2
    assert "this is Python 3.10, and 3.11 or newer is needed" in capsys.readouterr().err


def test_what_only_stand_ins_need_may_be_missing_and_what_is_old_is_a_warning(tmp_path, monkeypatch, capsys):
    asked = '"torch>=2.11", "mlxtend>=0.23", "resvg-py>=0.5", "numpy>=2", "nbconvert>=7.16.5"'
    (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = [{asked}]\n")
    installed(tmp_path / "site", ("torch", "2.11.0+cu130"), ("numpy", "2.0.0rc1"), ("nbconvert", "7.16.4"))
    monkeypatch.setattr(able, "ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert able.main() == 0
    assert capsys.readouterr().err == (
        f"warning: {sys.executable} has nbconvert 7.16.4, older than 7.16.5: it may fail\n"
    )


def test_every_package_that_is_asked_for_is_looked_for():
    assert able.compared(ROOT / "pyproject.toml") == ([], [])


@pytest.mark.parametrize(("name", "hides"), [("random.py", True), ("torch.py", True), ("mine.py", False), ("x", False)])
def test_a_file_that_hides_a_module_is_named(tmp_path, monkeypatch, capsys, name, hides):
    (tmp_path / name).touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(able, "ROOT", str(tmp_path))
    assert able.main() == (2 if hides else 0)
    said = f"error: {name} in the project's folder hides Python's own or an installed module; rename it\n"
    assert capsys.readouterr().err == (said if hides else "")


def test_a_file_that_hides_a_module_of_the_check_itself(tmp_path):
    for name in ("Makefile", "pyproject.toml", "lab_utils/able.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "re.py").write_text("raise SystemExit('hidden')")
    command = ["make", "-C", tmp_path, f"PY={sys.executable}", "report"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MAKEFLAGS": ""})
    one_line_of_make(done, "re.py in the project's folder hides")


def test_make_works_on_no_other_folder(tmp_path):
    (tmp_path / "reports/mine").mkdir(parents=True)
    done = subprocess.run(["make", "-f", ROOT / "Makefile", "clean"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "this is not the folder of the project; go there, or name it with make -C" in done.stderr
    assert (tmp_path / "reports/mine").is_dir()


def test_nothing_in_the_environment_is_run_or_keeps_a_command_from_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"$(shell touch {tmp_path / 'ran'})")
    monkeypatch.setenv("PYTHONINSPECT", "1")
    one_line_of_make(make(f"PY={sys.executable}", "report", "SEED=x"), "SEED='x'")
    assert not (tmp_path / "ran").exists()


# Output

SCRIPT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from lab_utils.report.command import begin
begin()
for i in range(20_000):
    print("a line of output ü", i, flush=i % 10 == 0)
print("ended", file=sys.stderr)
"""


@pytest.mark.parametrize("to", ["| head -n 1", "> /dev/full", ">&-", "| true"])
def test_the_work_goes_on_where_the_output_cannot(to):
    command = ["bash", "-c", f'"$0" -c "$1" {to}', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONUTF8": "1"})
    assert done.stderr == "ended\n"


def test_what_is_said_stands_in_its_order_in_a_file(tmp_path):
    script = SCRIPT + "print('said later')\n"
    with open(tmp_path / "log", "wb") as log:
        subprocess.run([sys.executable, "-c", script], stdout=log, stderr=log)
    assert (tmp_path / "log").read_text().splitlines()[-2:] == ["ended", "said later"]


def test_letters_that_a_terminal_does_not_have_are_escaped():
    env = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=env)
    assert done.stdout.splitlines()[0] == r"a line of output \xfc 0"
    assert len(done.stdout.splitlines()) == 20_000


def test_help_of_a_command_may_be_read_in_part():
    command = f"{sys.executable} -m lab_utils.report help | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# JupyterLab


def test_lab_without_a_home_keeps_what_is_a_person_s_in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", "given")
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path))
    env = lab.environment({})
    assert env["JUPYTER_RUNTIME_DIR"] == str(tmp_path / "runtime")
    assert env["JUPYTER_DATA_DIR"] == "given"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Path(lab.environment({}).get("JUPYTER_RUNTIME_DIR", "")) != tmp_path / "runtime"
