"""Repeats over seeds and grids: what runs and what does not, how runs share the machine, and what is said of them."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from scipy import stats
from test_report import PARAMETERS, TOYS, alive, notebook, wait_for

from lab_utils import files, handover
from lab_utils.config import ROOT, LabError
from lab_utils.data import digits, faces
from lab_utils.report.__main__ import main as report
from lab_utils.report.execute import Outcome
from lab_utils.report.record import Depends
from lab_utils.seeds import pool, results, runs
from lab_utils.seeds.__main__ import main
from lab_utils.training import judges
from tests.conftest import make, one_line

MEASURES = """
display({"application/vnd.lab.metrics+json": {"device": "cpu", "seed": SEED, "profile": PROFILE,
         "metrics": {"a.loss": {"value": 1.5 + SEED, "n": 2}}}}, raw=True)
"""


@pytest.fixture
def seeds(tmp_path):
    """Repeat toy notebooks in a directory of the test; returns the exit code and the folder of the profile."""
    (tmp_path / "notebooks").mkdir()
    for name in TOYS:
        nbformat.write(notebook(PARAMETERS, (MEASURES,)), tmp_path / "notebooks" / f"{name}.ipynb")

    def run(*arguments: str) -> tuple[int, Path]:
        given = ["PROFILE=quick", "NB=1", *arguments]
        return main(given, tmp_path / "notebooks", tmp_path / "reports", TOYS), tmp_path / "reports/quick"

    return run


@pytest.fixture
def ran(monkeypatch):
    """Runs without a kernel: each is noted with its parameters and environment, and gives what the test tells."""
    noted = SimpleNamespace(runs=[], envs=[], status=lambda given: "ok", lines=[], meanwhile=lambda: None)

    def run_notebook(source, target, log, given, env, children, tell):
        noted.runs.append((source.stem, given["SEED"], given.get("CHANGES", {})))
        noted.envs.append(env)
        for line in noted.lines:
            tell(line)
        noted.meanwhile()
        value = given["SEED"] + given.get("CHANGES", {}).get("steps", 0)
        payload = {"metrics": {"a.loss": {"value": value, "n": 2}}, "seed": given["SEED"]}
        cell = new_code_cell("1", execution_count=1, outputs=[new_output("display_data", {handover.METRICS: payload})])
        status = noted.status(given)
        return Outcome(new_notebook(cells=[cell]), status, 2.0, "" if status == "ok" else "ValueError: bad", None)

    monkeypatch.setattr(pool, "run_notebook", run_notebook)
    return noted


def stored(folder: Path) -> list[dict]:
    return json.loads((folder / "seeds.json").read_text())["results"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# What is asked for


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("N=0", "N='0': give a whole number, 1 to 1000"),
        ("N=two", "N='two'"),
        ("N=-1", "N='-1'"),
        ("N=²", "N='²'"),
        ("GRID=steps", "GRID='steps': give a list of values"),
        ("GRID=[1]", "GRID='[1]'"),
        ('GRID={"steps": 1}', "GRID="),
        ('GRID={"steps": []}', "GRID="),
        ('GRID={"steps": [NaN]}', "GRID="),
        ('GRID={"stepz": [1]}', "GRID: notebook 01 has no setting 'stepz'; did you mean 'steps'?"),
        ('CHANGES={"stepz": 1}', "CHANGES: notebook 01 has no setting 'stepz'"),
        ("GRIDS=1", "did you mean GRID?"),
        ("banana=1", "there are PROFILE, NB"),
        ("SEED=x", "SEED='x'"),
        ("N", "not NAME=VALUE"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(seeds, ran, capsys, tmp_path, argument, says):
    code, _ = seeds(argument)
    assert code == 2
    one_line(capsys.readouterr(), says)
    assert not ran.runs
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("target", "argument", "says"),
    [("seeds", "N=0", "N='0'"), ("seeds", "GRID=3", "GRID='3'"), ("report", "N=3", "there is no 'N'")],
)
def test_make_passes_n_and_grid_to_this_target_alone(target, argument, says):
    done = make(target, f"PY={sys.executable}", "PROFILE=smoke", argument)
    assert done.returncode == 2
    assert f"error: {says}" in done.stderr


def test_every_point_of_the_grid_runs_with_every_seed(seeds, ran, capsys):
    grid = 'GRID={"steps": [600, 1200, 600], "sides": [[28, 28], [14, 14]]}'
    code, folder = seeds("N=2", "SEED=3", "NB=1 2", grid, 'CHANGES={"steps": 5}')
    assert code == 0
    points = [{"steps": steps, "sides": sides} for steps in (600, 1200) for sides in ([28, 28], [14, 14])]
    wanted = [(name, seed, point) for name in TOYS for point in points for seed in (3, 4)]
    assert sorted(map(str, ran.runs)) == sorted(map(str, wanted))
    assert [(entry["notebook"], entry["changes"], entry["seeds"]) for entry in stored(folder)] == [
        (name, point, [3, 4]) for name in TOYS for point in points
    ]
    assert stored(folder)[2]["metrics"]["a.loss"]["values"] == [1203, 1204]
    said = capsys.readouterr().out
    assert "\n".join(said.splitlines()[:3]) == (
        "notebook  changes                             seed 3  seed 4\n"
        '01_good   {"steps": 600, "sides": [28, 28]}   waits   waits\n'
        '01_good   {"steps": 600, "sides": [14, 14]}   waits   waits'
    )


def test_a_grid_comes_on_top_of_changes(seeds, ran):
    seeds("N=1", 'GRID={"steps": [600]}', 'CHANGES={"steps": 5, "sides": [1]}')
    assert ran.runs == [("01_good", 0, {"steps": 600, "sides": [1]})]


def test_five_seeds_from_zero_if_nobody_says(seeds, ran):
    seeds()
    assert sorted(seed for _, seed, _ in ran.runs) == [0, 1, 2, 3, 4]


# What runs again


def test_nothing_runs_twice_and_no_seed_replaces_another(seeds, ran, capsys):
    _, folder = seeds("N=3")
    before = {path: path.read_bytes() for path in folder.glob("runs/*/*/*.*")}
    assert len(list(folder.glob("runs/01_good/*/run.json"))) == 3
    ran.runs.clear()
    capsys.readouterr()
    assert seeds("N=3", "SEED=1")[0] == 0
    assert ran.runs == [("01_good", 3, {})]
    assert re.search(r"01_good +none +holds +holds +waits\n", capsys.readouterr().out)
    assert stored(folder)[0]["metrics"]["a.loss"]["values"] == [1, 2, 3]
    assert {path: path.read_bytes() for path in before} == before


def test_what_a_run_leaves(seeds, ran):
    _, folder = seeds("N=1", 'CHANGES={"steps": 7}')
    (run,) = folder.glob("runs/01_good/*")
    assert re.fullmatch("[0-9a-f]{16}", run.name)
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["seed"], record["changes"], record["seconds"]) == ("ok", 0, {"steps": 7}, 2.0)
    assert record["threads"] == int(ran.envs[0]["OMP_NUM_THREADS"])
    assert record["depends"]["settings"]["steps"] == 7
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["notebook"], metrics["metrics"]["a.loss"]["unit"]) == ("01_good", "nats/image")
    assert nbformat.read(run / "01_good.ipynb", as_version=4).cells
    assert not list(run.glob(".work-*"))


@pytest.mark.parametrize("touch", ["code", "damaged record", "no metrics", "no notebook", "a digit", "a word", "FORCE"])
def test_what_does_not_hold_runs_again(seeds, ran, tmp_path, touch):
    _, folder = seeds("N=1")
    (run,) = folder.glob("runs/01_good/*")
    if touch == "code":
        nbformat.write(notebook(PARAMETERS, ("2",)), tmp_path / "notebooks/01_good.ipynb")
    elif touch == "damaged record":
        (run / "run.json").write_text('{"status": "ok"')
    elif touch == "no metrics":
        (run / "metrics.json").unlink()
    elif touch == "no notebook":
        (run / "01_good.ipynb").unlink()
    elif touch == "a digit":
        edit(run / "metrics.json", '"value": 0', '"value": 8')
    elif touch == "a word":
        edit(run / "01_good.ipynb", "display_data", "displax_data")
    elif touch == "FORCE":
        os.utime(run / "run.json", (time.time() + 86_400,) * 2)  # the clock was another
    seeds("N=1", *(["FORCE=1"] if touch == "FORCE" else []))
    assert len(ran.runs) == 2
    seeds("N=1")
    assert len(ran.runs) == 2
    assert len(list(folder.glob("runs/01_good/*"))) == (2 if touch == "code" else 1)
    assert stored(folder)[0]["metrics"]["a.loss"]["values"] == [0]


@pytest.mark.parametrize("place", ["run.json", "metrics.json", "01_good.ipynb", "01_good.log", ".lock"])
def test_what_is_no_file_in_the_place_of_one_is_known_before_anything_runs(seeds, ran, capsys, place):
    _, folder = seeds("N=1")
    (run,) = folder.glob("runs/01_good/*")
    (run / place).unlink(missing_ok=True)
    (run / place).mkdir()
    ran.runs.clear()
    capsys.readouterr()
    assert seeds("N=1", "FORCE=1")[0] == 2
    assert capsys.readouterr().err == (
        f"error: {run / place} should be a file and is a directory: remove it and run again\n"
    )
    assert not ran.runs


def test_checkpoints_lie_with_the_run_and_go_when_it_ended_well(seeds, ran):
    def keep():
        asked = json.loads(ran.envs[-1]["LAB_CHECKPOINTS"])
        Path(asked["folder"]).mkdir(parents=True, exist_ok=True)
        folders.append(Path(asked["folder"]))

    folders, ran.meanwhile, ran.status = [], keep, lambda given: "failed"
    _, folder = seeds("N=1")
    assert folders[0].is_dir()
    assert folders[0].is_relative_to((folder / "runs/01_good").absolute())
    ran.status = lambda given: "ok"
    seeds("N=1")
    assert folders[1] == folders[0]
    assert not folders[0].exists()


def test_what_a_command_that_was_killed_left_of_a_run_that_holds_goes(seeds, ran):
    _, folder = seeds("N=1")
    (run,) = folder.glob("runs/01_good/*")
    for name in ("checkpoints", ".work-ab"):
        (run / name / "01_good").mkdir(parents=True)
    with open(run / ".lock", "ab") as file:
        assert files.lock(file)  # as one that makes it anew does
        assert seeds("N=1")[0] == 0
    assert (run / "checkpoints").exists()
    assert seeds("N=1")[0] == 0
    assert len(ran.runs) == 1
    assert not [path for path in run.iterdir() if path.is_dir()]


def test_what_a_run_depends_on_must_not_change_meanwhile(seeds, ran, tmp_path, capsys):
    file = tmp_path / "notebooks/01_good.ipynb"
    ran.meanwhile = lambda: nbformat.write(notebook(PARAMETERS, ("2",)), file)
    assert seeds("N=1")[0] == 1
    assert "failed after 2 s: what it depends on changed while it ran" in capsys.readouterr().out


def test_a_run_whose_notebook_changed_while_others_ran_is_not_begun(seeds, ran, tmp_path, capsys):
    file = tmp_path / "notebooks/01_good.ipynb"
    ran.meanwhile = lambda: nbformat.write(notebook(PARAMETERS, (f"{len(ran.envs)}",)), file)
    assert seeds("N=3", "JOBS=1")[0] == 1
    assert len(ran.envs) == 1
    assert capsys.readouterr().out.count("what it depends on changed before it ran: run again") == 2


def test_an_interrupted_run_leaves_what_an_earlier_one_made(seeds, ran):
    _, folder = seeds("N=1")
    (record,) = folder.glob("runs/01_good/*/run.json")
    before = record.read_bytes()
    ran.status = lambda given: "interrupted"
    seeds("N=1", "FORCE=1")
    assert record.read_bytes() == before


def test_the_run_of_the_report_is_taken_over_unless_it_was_altered(seeds, ran, tmp_path, capsys):
    places = tmp_path / "notebooks", tmp_path / "reports", TOYS
    assert report(["run", "PROFILE=quick", "NB=1", "SEED=1"], *places) == 0
    executed = tmp_path / "reports/quick/notebooks/01_good.ipynb"
    whole = executed.read_bytes()
    executed.write_bytes(whole + b"\n")
    assert seeds("N=1", "SEED=1", "FORCE=1")[0] == 0
    (run,) = (tmp_path / "reports/quick/runs/01_good").iterdir()
    for path in run.glob("*.*"):
        path.unlink()
    assert seeds("N=1", "SEED=1")[0] == 0
    assert len(ran.runs) == 2
    for path in run.glob("*.*"):
        path.unlink()
    executed.write_bytes(whole)
    capsys.readouterr()
    assert seeds("N=1", "SEED=1")[0] == 0
    assert len(ran.runs) == 2
    assert "01_good   none     holds" in capsys.readouterr().out
    assert (run / "01_good.ipynb").read_bytes() == whole
    assert (run / "metrics.json").read_text() == (tmp_path / "reports/quick/metrics/01_good.json").read_text()
    assert stored(tmp_path / "reports/quick")[0]["metrics"]["a.loss"]["values"] == [2.5]
    assert report(["run", "PROFILE=quick", "NB=1", "SEED=1"], *places) == 0  # whose folder is as it was
    assert "01 | holds" in capsys.readouterr().out
    ran.runs.clear()
    assert seeds("N=2", "SEED=1")[0] == 0
    assert ran.runs == [("01_good", 2, {})]  # for which the report's is none


def test_a_failed_run_stops_no_other_and_is_tried_again(seeds, ran, capsys):
    ran.status = lambda given: "failed" if given["SEED"] == 1 else "ok"
    code, folder = seeds("N=3", "JOBS=1")
    assert code == 1
    said = capsys.readouterr().out
    assert re.search(r"01 seed 1 \| failed after 2 s: ValueError: bad \(before the first cell\) \(log: .*\.log\)", said)
    assert "failed: seed 1; mean over seeds 0 and 2" in said
    assert stored(folder)[0]["seeds"] == [0, 2]
    for record in folder.glob("runs/*/*/run.json"):
        os.utime(record, (time.time() + 86_400,) * 2)  # the clock was another
    ran.runs.clear()
    ran.status = lambda given: "ok"
    assert seeds("N=3")[0] == 0
    assert [seed for _, seed, _ in ran.runs] == [1]
    assert stored(folder)[0]["seeds"] == [0, 1, 2]


def test_a_run_that_failed_meanwhile_for_another_command_is_not_tried_again(seeds, ran):
    ran.status = lambda given: "failed"
    _, folder = seeds("N=1")
    (record,) = folder.glob("runs/*/*/run.json")
    before = runs.outdated(folder, anew=False)
    failed = json.loads(record.read_text())
    asked = SimpleNamespace(
        record=record, executed=record.parent / "01_good.ipynb", metrics=record.parent / "metrics.json",
        log=record.parent / "01_good.log", depends=Depends.model_validate(failed["depends"]),
    )  # fmt: skip
    assert runs.result_of(asked, before) is None
    record.write_text(json.dumps(failed | {"id": "of another command"}))
    assert runs.result_of(asked, before).status == "failed"


# The machine


@pytest.mark.parametrize(
    ("cores", "cards", "jobs", "threads", "seen"),
    [
        (8, [], None, [1] * 8, [None] * 8),
        (8, [], 2, [4, 4], [None, None]),
        (2, [], 3, [1, 1, 1], [None] * 3),
        (16, ["0", "1"], None, [8, 8], ["0", "1"]),
        (16, ["2", "5"], 3, [5, 5, 5], ["2", "5", "2"]),
    ],
)
def test_slots_share_the_cores_and_the_gpus(monkeypatch, cores, cards, jobs, threads, seen):
    monkeypatch.setattr(pool.joblib, "cpu_count", lambda: cores)
    monkeypatch.setattr(pool, "gpus", lambda: cards)
    slots = pool.slots_here(jobs)
    assert [slot.threads for slot in slots] == threads
    assert [slot.env.get("CUDA_VISIBLE_DEVICES") for slot in slots] == seen


def test_gpus_are_those_that_may_be_used(monkeypatch):
    listed = "GPU 0: H100 (UUID: a)\n  MIG 1g (UUID: c)\nGPU 1: H100 (UUID: b)\n"
    monkeypatch.setattr(pool.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=listed))
    monkeypatch.setattr(pool.config, "gpu_present", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert pool.gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 1")
    assert pool.gpus() == ["3", "1"]
    monkeypatch.setattr(pool.config, "gpu_present", lambda: False)
    assert pool.gpus() == []


@pytest.mark.parametrize("given", ["", "4,2"])
def test_threads_that_the_shell_gives_in_any_form_end_no_run(seeds, ran, monkeypatch, given):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    code, folder = seeds("N=1")
    assert code == 0
    (record,) = folder.glob("runs/*/*/run.json")
    assert isinstance(json.loads(record.read_text())["threads"], int)
    assert ran.envs[0]["OMP_NUM_THREADS"] == given


def test_a_run_has_its_threads_and_its_gpu(seeds, ran, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(pool.joblib, "cpu_count", lambda: 6)
    monkeypatch.setattr(pool, "gpus", lambda: ["4", "7"])
    ran.meanwhile = threading.Barrier(2, timeout=10).wait  # which one alone would not pass
    seeds("N=2")
    assert {env["OMP_NUM_THREADS"] for env in ran.envs} == {"3"}
    assert sorted(env["CUDA_VISIBLE_DEVICES"] for env in ran.envs) == ["4", "7"]
    ran.envs.clear()
    ran.meanwhile = lambda: None
    seeds("N=3")  # one run is left, and computes with as many threads as it would beside others
    assert [env["OMP_NUM_THREADS"] for env in ran.envs] == ["3"]


def test_judges_are_prepared_once_before_any_run(seeds, ran, monkeypatch, capsys):
    loaded = lambda *_, **__: "loaded"  # noqa: E731
    for kind in (digits, faces):
        monkeypatch.setattr(kind, "load", loaded)
        monkeypatch.setattr(kind, "describe", lambda _: {"source": "x", "train": 1, "test": 1, "sha256": "ab"})
    monkeypatch.setitem(TOYS, "01_good", replace(TOYS["01_good"], data=("digits", "faces")))
    commands, codes = [], [0, 0, 3]

    class Child:
        def __init__(self, command, stdin, env, **_):
            assert not ran.runs
            assert stdin == subprocess.PIPE  # with which it ends when this process does
            self.stdout = ["waiting: another\n", "judge: step 1\n", "error: the digits are cut short\n"]
            commands.append((command, json.loads(env["LAB_CHECKPOINTS"])["token"]))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return codes.pop(0)

    monkeypatch.setattr(pool.subprocess, "Popen", Child)
    assert seeds("N=2", "FACES=avatars")[0] == 0
    assert [command[1:] for command, _ in commands] == [
        ["-m", "lab_utils.training.judges", "quick", "", "avatars", "test", "digits:28", "faces:64"]
    ]
    assert len(ran.runs) == 2
    assert seeds("N=2", "FACES=avatars")[0] == 0
    assert len(commands) == 1  # for nothing was to run
    ran.runs.clear()
    assert seeds("N=2", "FACES=avatars", "FORCE=1")[0] == 0
    assert commands[0][1] == "" != commands[1][1]  # a judge that was made before is not used either
    ran.runs.clear()
    capsys.readouterr()
    assert seeds("N=3", "FACES=avatars")[0] == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: no judge: the digits are cut short (log: ")
    assert "judges | waiting: another\n" in printed.out
    assert "step 1" not in printed.out
    assert not ran.runs


def test_the_side_of_a_judge_is_that_of_its_lab():
    run = SimpleNamespace(depends=SimpleNamespace(settings={"side": 32}, data={"faces": "a", "digits": "b"}))
    assert pool.judges_of(run) == {"faces:32", "digits:28"}


def test_the_process_that_makes_judges_asks_for_those_of_a_page(monkeypatch, capsys):
    asked = []
    drawn = np.zeros((6, 1, 28, 28), np.uint8)
    train = SimpleNamespace(images=drawn, labels=np.arange(6))
    monkeypatch.setattr(
        judges, "examples", lambda loaded, kind, like, profile: (like.shape[-1], (loaded.source, kind, profile))
    )
    monkeypatch.setattr(judges, "judge", lambda run, kind, side, about, profile: asked.append((side, *about)))
    monkeypatch.setattr(judges, "start", lambda seed: SimpleNamespace(device=torch.device("cpu")))
    monkeypatch.setattr(digits, "load", lambda at, split: SimpleNamespace(source=f"{at} {split}", train=train))
    assert judges.main("smoke", "", "auto", "validation", "digits:28") == 0
    assert judges.main("smoke", "/there", "auto", "test", "digits:28") == 0
    assert asked == [(28, "None validation", "digits", "smoke"), (28, "/there test", "digits", "smoke")]

    def load(*_, **__):
        raise LabError("no digits")

    monkeypatch.setattr(digits, "load", load)
    assert judges.main("smoke", "", "auto", "test", "digits:28") == 2
    assert capsys.readouterr().err == "error: no digits\n"


def test_the_process_that_makes_judges_ends_with_the_command_that_wants_them():
    command = [sys.executable, "-m", "lab_utils.training.judges", "smoke", "", "avatars", "test", "faces:64"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        child.stdin.close()
        assert child.wait(timeout=120) == -signal.SIGTERM


def test_of_the_lines_of_a_notebook_only_those_on_checkpoints_are_shown(seeds, ran, capsys):
    ran.lines = ["epoch 1", "goes on: this course's at step 3 of 9"]
    seeds("N=2", "JOBS=1", 'CHANGES={"steps": 7}')
    said = capsys.readouterr().out
    assert "epoch 1" not in said
    assert '01 seed 0 {"steps": 7} | goes on: this course\'s at step 3 of 9\n' in said
    assert '01 seed 0 {"steps": 7} | starts\n' in said
    assert '01 seed 0 {"steps": 7} | ok after 2 s | 1 of 2, about 2 s left\n' in said
    assert '01 seed 1 {"steps": 7} | ok after 2 s | 2 of 2\n' in said


def test_a_run_that_another_command_holds_is_waited_for(seeds, ran, monkeypatch, capsys):
    """It is left to the other, which here ends it while we wait; the others of ours are done meanwhile."""
    _, folder = seeds("N=2")
    (folder / "seeds.json").unlink()
    (run,) = [
        record.parent for record in folder.glob("runs/*/*/run.json") if json.loads(record.read_text())["seed"] == 0
    ]
    whole = (run / "run.json").read_bytes()
    (run / "run.json").unlink()
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(run / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    ran.runs.clear()
    capsys.readouterr()

    def other_ends(_):
        (run / "run.json").write_bytes(whole)
        holder.communicate()

    monkeypatch.setattr(pool.time, "sleep", other_ends)
    assert seeds("N=3", "JOBS=1")[0] == 0
    assert [seed for _, seed, _ in ran.runs] == [2]
    said = capsys.readouterr().out
    assert re.search(r"01_good +none +runs +holds +waits\n", said)
    assert said.count("01 seed 0 | another command runs it: its result is waited for") == 1
    assert stored(folder)[0]["seeds"] == [0, 1, 2]


# Whole commands, with kernels


@pytest.fixture
def command(tmp_path):
    """Start the command in a process of its own; each of its runs says so in ``ran``, with its seed and its kernel."""
    for name in ("notebooks", "ran", "written"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "stuck").touch()
    script = (
        "import signal, sys; sys.path.insert(0, 'tests'); from pathlib import Path; from test_report import TOYS\n"
        "for name in (signal.SIGINT, signal.SIGTERM): signal.signal(name, signal.default_int_handler)\n"
        "from lab_utils.seeds.__main__ import main; at = Path(sys.argv[1])\n"
        "sys.exit(main(sys.argv[2:], at / 'notebooks', at / 'reports', TOYS))"
    )
    begins = (
        f"import os, time, uuid\nfrom pathlib import Path\nat = Path({str(tmp_path)!r})\n"
        "written = at / 'written' / f'{SEED}-{uuid.uuid4()}'\nwritten.write_text(str(os.getpid()))\n"
        "written.rename(at / 'ran' / written.name)\ntime.sleep(1)\n"  # whoever sees it finds it whole
        "while SEED == 1 and (at / 'stuck').exists():\n    time.sleep(0.05)"
    )
    nbformat.write(notebook(PARAMETERS, (begins,), (MEASURES,)), tmp_path / "notebooks/01_good.ipynb")

    started = []

    def start(*arguments: str) -> subprocess.Popen:
        given = ["PROFILE=quick", "NB=1", *arguments]
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), *given], cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:  # a test that failed leaves none behind
        if process.poll() is None:
            process.kill()
        process.communicate()


def begun(folder: Path) -> list[int]:
    """The seeds of the runs that began."""
    return sorted(int(path.name.split("-")[0]) for path in (folder / "ran").iterdir())


@pytest.mark.slow
def test_two_commands_at_once_share_the_work(command, tmp_path):
    (tmp_path / "stuck").unlink()
    both = [command("N=3", "JOBS=1") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert begun(tmp_path) == [0, 1, 2]
    assert all(re.search(r"^a\.loss +2\.500 ", text, re.MULTILINE) for text, _ in said)
    entry = stored(tmp_path / "reports/quick")[0]
    assert entry["metrics"]["a.loss"]["values"] == [1.5, 2.5, 3.5]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_was_stopped_goes_on_with_what_is_missing(command, tmp_path, how):
    first = command("N=2", "JOBS=1")
    wait_for(lambda: begun(tmp_path) == [0, 1], seconds=60)
    (kernel,) = [int(path.read_text()) for path in (tmp_path / "ran").iterdir() if path.name.startswith("1-")]
    first.send_signal(how)
    _, messages = first.communicate(timeout=60)
    assert first.returncode == (-9 if how == signal.SIGKILL else 130)
    assert messages == ("" if how == signal.SIGKILL else "interrupted: what is missing runs the next time\n")
    wait_for(lambda: not alive(kernel))
    (tmp_path / "stuck").unlink()
    again = command("N=2", "JOBS=1")
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert re.search(r"01_good +none +holds +waits\n", said)
    assert begun(tmp_path) == [0, 1, 1]
    folder = tmp_path / "reports/quick"
    assert stored(folder)[0]["metrics"]["a.loss"]["values"] == [1.5, 2.5]
    assert not list(folder.glob("runs/*/*/.work-*"))


# Numbers


@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0, 1.0, 4.0, 1.0, 5.0], [2.0, 2.0, 2.0]])
def test_the_interval_is_that_of_student(values):
    low, high = results.interval(values)
    spread = stats.sem(values)
    wanted = stats.t.interval(0.95, len(values) - 1, np.mean(values), spread) if spread else (values[0], values[0])
    assert (low, high) == pytest.approx(wanted)


def entry_of(*metrics: dict, changes=None, sha="ab", name="01_good"):
    records = {seed: {"metrics": one} for seed, one in enumerate(metrics)}
    return results.over_seeds(name, changes or {}, {"digits": sha}, records)


def test_one_seed_has_no_interval():
    assert results.interval([1.0]) is None
    assert entry_of({"a": {"value": 1.0, "unit": "s"}})["metrics"]["a"] == {
        "values": [1.0], "mean": 1.0, "interval": None, "unit": "s", "n": 1
    }  # fmt: skip


def test_what_is_not_finite_is_not_counted_and_what_is_no_number_left_out():
    entry = entry_of(
        {"a": {"value": 1.0}, "b": {"value": None}, "c": {"value": "x"}, "d": {"value": True}},
        {"a": {"value": None}, "b": {"value": None}, "c": {"value": "x"}, "d": {"value": False}},
        {"a": {"value": 3, "unit": "s"}},
    )
    assert set(entry["metrics"]) == {"a", "b"}
    a = entry["metrics"]["a"]
    assert (a["values"], a["mean"], a["n"], a["unit"]) == ([1.0, None, 3], 2.0, 2, "s")
    assert a["interval"] == pytest.approx(results.interval([1.0, 3.0]))
    assert entry["metrics"]["b"] == {"values": [None] * 3, "mean": None, "interval": None, "unit": "", "n": 0}
    _, first, second = results.table(entry).splitlines()
    assert re.fullmatch(r"a +2\.000 +-10\.71 to 14\.71 +s +1\.000  not finite  3", first)
    assert re.fullmatch(r"b +not finite +– +not finite  not finite  not finite", second)


def test_an_entry_replaces_the_one_for_the_same_alone(tmp_path, capsys):
    old = [
        entry_of({"a": {"value": 1.0}}),
        entry_of({"a": {"value": 2.0}}, changes={"steps": 5}),
        entry_of({"a": {"value": 3.0}}, sha="cd"),
        entry_of({"a": {"value": 4.0}}, name="02_other"),
    ]
    results.add_results(tmp_path, "quick", old)
    new = entry_of({"a": {"value": 9.0}}, {"a": {"value": 9.0}})
    results.add_results(tmp_path, "quick", [new])
    written = json.loads((tmp_path / "seeds.json").read_text())
    assert written == {"profile": "quick", "results": [*old[1:], new]}


def test_a_damaged_file_of_results_is_one_line_before_anything_runs(seeds, ran, tmp_path, capsys):
    (tmp_path / "reports/quick").mkdir(parents=True)
    (tmp_path / "reports/quick/seeds.json").write_text("{")
    assert seeds("N=1")[0] == 2
    assert "seeds.json is damaged: remove it" in capsys.readouterr().err
    assert not ran.runs


def test_what_is_printed_at_the_end(seeds, ran, capsys):
    seeds("N=2", 'GRID={"steps": [600, 1200]}')
    said = capsys.readouterr().out
    assert said.endswith(
        '01_good, changes: {"steps": 1200}; mean over seeds 0 and 1\n'
        "metric  mean      95 % interval         unit        values\n"
        "a.loss  1,200.50  1,194.15 to 1,206.85  nats/image  1,200  1,201\n"
        f"\nseeds: {said.rsplit('seeds: ', 1)[1]}"
    )
    assert said.count("mean over") == 2


def test_validation_has_a_folder_of_its_own(seeds, ran, tmp_path):
    assert seeds("N=1", "SPLIT=validation")[0] == 0
    assert len(stored(tmp_path / "reports/quick-validation")) == 1
    assert not (tmp_path / "reports/quick").exists()
