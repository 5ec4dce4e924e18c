"""Reports that are killed by step inside a training go on, and end with the bytes of one that was never stopped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab_utils.config import ROOT
from tests.conftest import SHARED

# Placed where Python looks when it starts: in the kernel it counts the steps of one training and kills once.
KILLER = """
import importlib.util, os, signal, sys
name, step, whom, done = os.environ["KILL"].split("|")

class Hook:
    def find_spec(self, module, path=None, target=None):
        if module != "lab_utils.watch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(module)
        load = spec.loader.exec_module
        def exec_module(made):
            load(made)
            tick, taken = made.Watch.tick, []
            def counted(watch):
                tick(watch)
                if watch.name == name:
                    taken.append(1)
                if watch.name == name and len(taken) == int(step) and not os.path.exists(done):
                    open(done, "w").close()
                    if whom == "report":
                        os.kill(int(os.environ["REPORT"]), signal.SIGKILL)
                    os.kill(os.getpid(), signal.SIGKILL)
            made.Watch.tick = counted
        spec.loader.exec_module = exec_module
        return spec

if "lab_utils.report.kernel" in " ".join(sys.orig_argv):
    sys.meta_path.insert(0, Hook())
"""
RUN = """
import os, sys
from pathlib import Path
os.environ["REPORT"] = str(os.getpid())
from lab_utils.report.__main__ import main
sys.exit(main(sys.argv[2:], reports=Path(sys.argv[1])))
"""


def report(folder: Path, notebook: str, kill: str = "", *more: str) -> subprocess.CompletedProcess:
    """A smoke report of one notebook, killed as ``kill`` says: ``name|step|whom|a file that says that it was done``."""
    hook = folder.parent / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(KILLER)
    path = [str(hook), str(ROOT)] if kill else [str(ROOT)]
    env = os.environ | {"KILL": kill, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}
    data = [f"DATA_DIR={SHARED}"] if SHARED.is_dir() else []
    command = [sys.executable, "-c", RUN, folder, "run", "PROFILE=smoke", f"NB={notebook}", *data, *more]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def results(folder: Path) -> dict[str, bytes]:
    files = [path for kind in ("metrics", "figures") for path in (folder / "smoke" / kind).rglob("*.*")]
    assert files
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def killed_and_gone_on(tmp_path: Path, notebook: str, name: str, step: int, whom: str) -> tuple[str, dict[str, bytes]]:
    """What the second command says, and its results."""
    folder, done = tmp_path / "reports", tmp_path / "killed"
    first = report(folder, notebook, f"{name}|{step}|{whom}|{done}")
    assert done.exists(), first.stdout + first.stderr
    assert first.returncode != 0
    second = report(folder, notebook)
    assert second.returncode == 0, second.stdout + second.stderr
    return second.stdout, results(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results of a notebook that was never stopped, each made once."""
    made = {}

    def of(notebook):
        if notebook not in made:
            folder = tmp_path_factory.mktemp("whole") / "reports"
            done = report(folder, notebook)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "goes on" not in done.stdout
            made[notebook] = results(folder)
        return made[notebook]

    return of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "name", "step", "steps", "whom"),
    [
        ("03", "cvae_mlp", 17, 30, "kernel"),
        ("03", "completion CVAE", 9, 10, "report"),
        ("04", "GAN", 45, 60, "report"),
        ("04", "WGAN-GP, seed 1", 4, 4, "kernel"),
    ],
)
def test_a_report_that_is_killed_in_a_training_goes_on_to_the_same_bytes(
    whole, tmp_path, notebook, name, step, steps, whom
):
    said, found = killed_and_gone_on(tmp_path, notebook, name, step, whom)
    assert f"{notebook} | goes on: {name} at step {(step - 1) // 2 * 2} of {steps}\n" in said
    assert found == whole(notebook)


@pytest.mark.slow
def test_nothing_is_trained_again_when_a_later_cell_changed_and_all_is_with_force(whole, tmp_path):
    folder = tmp_path / "reports"
    killed = report(folder, "03", f"completion baseline|3|kernel|{tmp_path / 'killed'}")
    assert "ok after" not in killed.stdout
    again = report(folder, "03")
    assert again.stdout.count("was trained before") >= 10
    assert results(folder) == whole("03")
    forced = report(folder, "03", "", "FORCE=1")
    assert "runs: FORCE=1" in forced.stdout
    assert "goes on" not in forced.stdout
    assert "from the cache" not in forced.stdout
    assert results(folder) == whole("03")
