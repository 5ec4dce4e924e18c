"""The repository itself: one set of packages in three files, tidy code, a Makefile that says what it does."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from lab_utils.config import ROOT
from tests.conftest import make

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE))
REQUIRED = {"torch", "torchvision", "jupyterlab", "papermill", "nbconvert", "matplotlib", "scikit-learn", "pandas"}


def names(requirements):
    return {re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower() for requirement in requirements}


def direct():
    project = PYPROJECT["project"]
    return names(project["dependencies"]) | names(project["optional-dependencies"]["dev"])


def test_required_packages_are_asked_for():
    assert names(PYPROJECT["project"]["dependencies"]) >= REQUIRED


def test_the_lock_pins_all_that_pyproject_asks_for():
    assert direct() <= {name.lower() for name in PINS}


def test_the_lock_holds_versions_that_pyproject_allows():
    from packaging.requirements import Requirement

    project = PYPROJECT["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(PINS[requirement.name]), text


def test_torch_and_torchvision_are_the_published_pair():
    assert (PINS["torch"], PINS["torchvision"]) == ("2.14.1", "0.29.1")
    assert PYPROJECT["tool"]["uv"]["constraint-dependencies"] == ["torch==2.14.1", "torchvision==0.29.1"]


def test_every_pin_has_a_hash():
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    assert len(entries) >= len(PINS)
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_the_lock_names_no_address():
    assert "://" not in LOCK


def test_the_lock_is_what_pyproject_compiles_to(tmp_path):
    """Compiling with the lock as preference changes nothing, unless pyproject asks for something else."""
    target = tmp_path / "requirements.lock"
    target.write_text(LOCK)
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal",
        "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet",
        "--output-file", str(target),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode and re.search(r"(?i)connect|network|dns|fetch|offline", done.stderr):
        pytest.skip("no package index in reach")
    assert done.returncode == 0, done.stderr
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", target.read_text(), re.MULTILINE))
    assert pinned == PINS


def test_conda_installs_the_lock():
    environment = (ROOT / "environment.yml").read_text()
    wanted = PYPROJECT["project"]["requires-python"]
    assert f"python {wanted}" in environment
    assert re.search(r"^\s*- pip$", environment, re.MULTILINE)
    # On two lines, for pip passes over what else stands on the line of a -r.
    assert environment.endswith("  - pip:\n      - --require-hashes\n      - -r requirements.lock\n")
    # Nothing else: a package named here could differ from the lock.
    assert set(re.findall(r"^\s+- ([a-z]+)", environment, re.MULTILINE)) == {"conda", "python", "pip", "make"}


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_make_alone_prints_every_target():
    printed = make().stdout
    makefile = (ROOT / "Makefile").read_text()
    for target in re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split():
        assert re.search(rf"^\s+{target}\s+\S", printed, re.MULTILINE), target


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("PROFILE=fast", "error: PROFILE='fast' is not a profile"),
        ("NB=99", "error: NB: there is no notebook '99'"),
        ("NB=03 99", "error: NB: there is no notebook '99'"),
        ("SEED=x", "error: SEED='x'"),
        ("SEEDS=1", "error: there is no 'SEEDS'; did you mean SEED?"),
        ("DATA_DIR=/nowhere", "error: DATA_DIR=/nowhere: there is no such directory"),
    ],
)
def test_make_report_refuses_in_one_line(assignment, says):
    done = make("report", f"PY={sys.executable}", assignment)
    assert done.returncode == 2
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(ours) == 1, done.stderr
    assert ours[0].startswith(says)


AS_WRITTEN = [
    '{"steps": 10}', "/x/my data", "it's", '"', "a;b", "$$HOME", "", "ü * ?", "Ke$ha", "A$AP Rocky", "/tmp/my $x dir",
    "a # b", "back\\slash\\", "a, b) (c", "$(NAME) ${A}", "$(unclosed", "two\nlines", "`id`", "%~!",
]  # fmt: skip


@pytest.fixture
def echo(tmp_path):
    """An argument of make in whose place of Python stands what prints its arguments and DATA_DIR."""
    script = tmp_path / "echo.py"
    seen = "print([*sys.argv[1:], 'environment ' + os.environ.get('DATA_DIR', '')])"
    script.write_text(f"import os, sys\nif 'lab_utils/able.py' not in sys.argv: {seen}")
    return f"PY={sys.executable} {script}"


@pytest.mark.parametrize("value", AS_WRITTEN)
def test_what_stands_on_the_command_line_arrives_as_it_was_written(value, echo):
    arrived = ast.literal_eval(make("-s", echo, "report", f"DATA_DIR={value}", f"CHANGES={value}").stdout)
    assert {f"DATA_DIR={value}", f"CHANGES={value}", f"environment {value}", "PROFILE="} <= {*arrived}


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("seeds", ["GRID"]), ("verify", ["DATA_DIR"]), ("publish", ["PROFILE"]), ("data", ["DATA_DIR"]),
        ("submit", ["NAME"]), ("compare", ["A", "B"]), ("lab", ["DATA_DIR", "LAB"]), ("report", ["REPORTS", "CACHE"]),
        ("bench", ["DATA_DIR", "PARTS", "CACHE"]),
    ],
)  # fmt: skip
def test_to_every_target(target, names, echo):
    value = "it's 'A$AP # \\ $(x'\nü"
    arrived = ast.literal_eval(make("-s", echo, target, *(f"{name}={value}" for name in names)).stdout)
    assert {f"{name}={value}" for name in names} <= {*arrived}


def test_nothing_that_is_given_is_run(echo, tmp_path):
    value = f"$(shell touch {tmp_path / 'ran'})"
    arrived = ast.literal_eval(make("-s", echo, "submit", f"NAME={value}", f"DATA_DIR={value}").stdout)
    assert {f"NAME={value}", f"DATA_DIR={value}"} <= {*arrived}
    parts = f"PARTS=speed; touch {tmp_path / 'ran'}"
    assert parts in ast.literal_eval(make("-s", echo, "bench", parts).stdout)
    assert not (tmp_path / "ran").exists()


def test_the_environment_gives_what_a_report_is_made_of_and_no_name(echo, monkeypatch):
    for name in ("NAME", "A", "B", "DATA_DIR"):
        monkeypatch.setenv(name, "my $x")
    for target in ("submit", "compare"):
        arrived = ast.literal_eval(make("-s", echo, target).stdout)
        assert "DATA_DIR=my $x" in arrived
        assert not any(argument.startswith(("NAME=", "A=", "B=")) for argument in arrived)
