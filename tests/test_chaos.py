"""The tool that hurts reports: it sees what a report does not mend, and a few trials of each sort are good."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest

from chaos import __main__ as chaos
from chaos import faults, tree, trial
from lab_utils.config import ROOT, LabError
from lab_utils.labs import LABS

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="chaos runs on Linux alone")
KNOWN = faults.Known(10.0, {"report": 50, "executor": 30, "kernel": 60, "worker": 4})
METRICS = "reports/smoke/metrics/a.json"
FROM = {  # states in which little is left to run
    "signal, at a file": ("fresh",), "damaged store": ("edited",), "damaged result": ("finished",),
    "disk full": ("worded",),
}  # fmt: skip
MENDS = f"echo whole > {METRICS}"
ADVICE = f"echo 'error: remove {METRICS}; run again'; exit 2"


@pytest.fixture
def states(tmp_path, monkeypatch):
    """A finished report of one file; ``states.says`` is the shell command that stands for ``make report``."""
    made = trial.States(tmp_path / "states")
    made.finished = tmp_path / "states/finished/root"
    (made.finished / METRICS).parent.mkdir(parents=True)
    (made.finished / "data").mkdir()
    (made.finished / METRICS).write_text("whole\n")
    made.expected = tree.results(made.finished)
    made.says = MENDS
    monkeypatch.setattr(tree, "command", lambda root, whole: ["bash", "-c", f"cd {root} && {made.says}"])
    monkeypatch.setattr(trial, "FAREWELL", 0.1)
    return made


def outcome(states, tmp_path, fault=None):
    """Outcome and reason of a trial in which, if nothing else is said, the one file is damaged."""
    damage = faults.partial(faults.damage, ("reports/**/*.json",), "with a flipped bit", 0.0, 0.5)
    fault = fault or faults.Fault("a flipped bit", "finished", before=damage, damaged=True)
    result = trial.carry_out(0, "damaged result", fault, states, tmp_path / "trial")
    return result.outcome, result.why


@pytest.mark.parametrize(
    ("says", "expected", "why"),
    [
        (MENDS, trial.SAME, ""),
        ("true", trial.FAILED, "other bytes: metrics/a.json"),
        (f"rm {METRICS}", trial.FAILED, "other bytes: metrics/a.json"),
        (f"{MENDS}; echo x > reports/smoke/metrics/b.json", trial.FAILED, "other bytes: metrics/b.json"),
        ("echo 'error: a.json: it is damaged; run again'; exit 2", trial.ONE_LINE, "error: a.json: it is damaged; run"),
        ("echo 'Traceback (most recent call last):'; echo 'error: a'; exit 2", trial.FAILED, "exit code 2"),
        ("echo 'error: a'; echo 'error: b'; exit 2", trial.FAILED, "exit code 2"),
        (f"{MENDS}; exit 1", trial.FAILED, "exit code 1"),
        ("echo 'error: a'; echo 'make: *** [Makefile:44: report] Error 1'; exit 2", trial.FAILED, "exit code 1"),
        (f"{MENDS}; touch -d '2 days ago' data/.a.1", trial.FAILED, "files are left: data/.a.1"),
        (f"{MENDS}; mkdir reports/smoke/.work-x", trial.FAILED, "files are left: reports/smoke/.work-x"),
        (f"{MENDS}; touch data/.a.json.1", trial.SAME, ""),
        ("echo 'error: remove /usr/nowhere; run again'; exit 2", trial.FAILED, "after that: error: remove"),
        (f"{MENDS}; sleep 60 > /dev/null & {MENDS}", trial.FAILED, "processes are left: sleep 60"),
        (f"test ! -e {METRICS} && {MENDS} || {{ {ADVICE}; }}", trial.ONE_LINE, ""),
        (ADVICE, trial.FAILED, "after that: error: remove"),
    ],
)  # fmt: skip
def test_what_the_next_command_does_is_judged(states, tmp_path, says, expected, why):
    states.says = says
    found = outcome(states, tmp_path)
    assert found[0] == expected, found
    assert why in found[1]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("echo 'Traceback (most recent call last):'; echo 'OSError: full'; exit 1", "a traceback: OSError: full"),
        (f"echo other > {METRICS}", "exit code 0 with other bytes: metrics/a.json"),
        ("echo no; exit 2", "exit code 2 without one line"),
        ("exit 3", "exit code 3"),
    ],
)
def test_a_hurt_command_is_judged_too(states, tmp_path, says, why):
    states.says = f"[[ -e once ]] && {MENDS} || {{ touch once; {says}; }}"
    found = outcome(states, tmp_path, faults.Fault("disk full", "finished"))
    assert found[0] == trial.FAILED
    assert found[1].startswith(f"hurt command: {why}")
    killed = faults.Fault("killed", "finished", killed=True)
    (tmp_path / "again").mkdir()
    assert outcome(states, tmp_path / "again", killed) == (trial.SAME, "")


def test_the_exit_code_says_that_a_trial_failed_and_its_logs_are_kept(states, tmp_path, monkeypatch, capsys):
    states.says = "echo nothing to do"
    monkeypatch.setattr(chaos, "States", lambda *_: states)
    monkeypatch.setattr(chaos, "kind_of", lambda *_: "damaged result")
    monkeypatch.setattr(states, "known", {"finished": KNOWN, "fresh": KNOWN, "edited": KNOWN})
    states.edited = states.finished
    assert chaos.main(["N=2"], output=tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "FAILED: trial 1" in said
    assert (tmp_path / "out/trial-0/next.log").read_text() == "nothing to do\n"
    assert [one["outcome"] for one in json.loads((tmp_path / "out/trials.json").read_text())["trials"]] == [
        "FAILED"
    ] * 2
    states.says = MENDS
    assert chaos.main(["TRIAL=1"], output=tmp_path / "out") == 0
    assert not (tmp_path / "out/trial-1").exists()


def test_a_process_that_is_none_of_the_trial_is_not_killed(tmp_path):
    """A worker may have ended, and its number be given to another."""
    hits = tmp_path / "aside" / "hits"
    hits.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as other, subprocess.Popen(["sleep", "60"]) as command:
        (hits / "pids-worker").write_text(f"{other.pid}\n")
        faults.kill("worker", signal.SIGKILL, 0.1, tmp_path / "root", command)
        assert other.poll() is None
        assert not (hits / "struck").exists()
        other.kill()
        command.kill()


def test_an_interrupt_ends_the_trials_under_way(states, tmp_path, monkeypatch, capsys):
    states.says = f"echo $$ > {tmp_path}/pid; sleep 60"
    monkeypatch.setattr(chaos, "States", lambda *_: states)
    monkeypatch.setattr(chaos, "kind_of", lambda *_: "damaged result")
    states.edited = states.finished
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where the tests run in the background
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    assert chaos.main(["N=9"], output=tmp_path / "out") == 130
    signal.signal(signal.SIGINT, usual)
    assert capsys.readouterr().err == "interrupted\n"
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("kind", faults.KINDS)
def test_the_same_seed_and_number_draw_the_same_fault(kind):
    _, drawn, states = faults.KINDS[kind]
    said = [drawn(random.Random(f"7-{i % 20}"), states[0], lambda: KNOWN).said for i in range(40)]
    assert said[:20] == said[20:]


def test_trials_with_whole_notebooks_begin_in_states_that_are_quickly_made(tmp_path):
    states = trial.States(tmp_path, whole=True)
    states.finished, states.known = tmp_path, {"fresh": KNOWN}
    begun = {kind: trial.draw(3, kind, 0, states).state for kind in faults.KINDS}
    assert set(begun.values()) == {"fresh", "edited", "finished"}
    assert (begun["disk full"], begun["damaged store"], begun["file times"]) == ("fresh", "edited", "finished")


def test_a_cycle_has_all_kinds():
    cycle = [faults.kind_of(number, True) for number in range(sum(often for often, _, _ in faults.KINDS.values()))]
    assert {kind: cycle.count(kind) for kind in cycle} == {kind: often for kind, (often, _, _) in faults.KINDS.items()}
    assert "small disk" not in [faults.kind_of(number, False) for number in range(100)]


def test_the_notebook_of_a_trial_is_cut_from_the_fourth():
    notebook = nbformat.read(ROOT / "notebooks" / f"{tree.NOTEBOOK}.ipynb", as_version=4)
    LABS[tree.NOTEBOOK].settings("smoke", tree.CHANGES)
    assert len(tree.shortened(notebook).cells) == len(tree.CELLS) + 1
    with pytest.raises(LabError, match="0 cells hold"):
        tree.shortened(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("nothing")]))


WRITER = """
import os, sys, time
from pathlib import Path
root = Path(sys.argv[1])
for i in range(4):
    (root / f"{i}.part").write_text("x")
    os.replace(root / f"{i}.part", root / f"{i}")
Path("outside").write_text("not of the trial")
print(time.time() > 4e9)
"""


def written(tmp_path, **told) -> subprocess.CompletedProcess:
    """What came of a process, one of a report by its command line, that writes four files."""
    root = tmp_path / "root"
    root.mkdir()
    command = [sys.executable, "-c", WRITER, root, "-m", "lab_utils.report"]
    env = tree.environment(root, {"role": "report", **told})
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)


def test_the_hook_kills_at_an_operation(tmp_path):
    assert written(tmp_path, what="signal", at=4, signal=int(signal.SIGKILL)).returncode == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path / "root")) == ["0", "1.part"]
    assert (tmp_path / "aside/hits/struck").read_text() == "report, operation 4: os.rename 1.part\n"


@pytest.mark.parametrize(("what", "says"), [("disk full", "No space left"), ("read-only", "Read-only file system")])
def test_the_hook_raises_from_an_operation_on(tmp_path, what, says):
    assert says in written(tmp_path, what=what, at=5, below="").stderr
    assert sorted(os.listdir(tmp_path / "root")) == ["0", "1"]


def test_the_hook_raises_one_memory_error(tmp_path):
    assert "MemoryError" in written(tmp_path, what="memory error", at=1).stderr


def test_the_hook_puts_the_clock(tmp_path):
    assert written(tmp_path, what="clock", at=8, seconds=3 * 10**9).stdout == "True\n"


def test_the_hook_leaves_other_processes_alone(tmp_path):
    assert written(tmp_path, what="signal", role="kernel", at=1, signal=int(signal.SIGKILL)).stdout == "False\n"


def test_a_trial_does_not_know_that_make_runs_it(tmp_path, monkeypatch):
    """Else its make says make[1], and a line is taken for one of the report."""
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("SEED", "7")
    (tmp_path / "root").mkdir()
    env = tree.environment(tmp_path / "root", {})
    assert not {"MAKELEVEL", "MAKEFLAGS", "SEED"} & set(env)
    told = subprocess.run(["make", "-f-"], input="a:\n\t@false", capture_output=True, text=True, env=env).stderr
    assert told.startswith("make: *** [")


@pytest.mark.slow
def test_trials_of_some_kinds_are_good(monkeypatch, tmp_path, capsys):
    kinds = ("signal, at a file", "damaged store", "damaged result", "disk full")
    monkeypatch.setattr(chaos, "kind_of", lambda number, _: kinds[number])
    monkeypatch.setattr(trial, "KINDS", {kind: (1, faults.KINDS[kind][1], FROM[kind]) for kind in kinds})
    assert chaos.main(["N=4", "SEED=1"], output=tmp_path) == 0, capsys.readouterr().out


def test_names_that_are_not_known_are_one_line(capsys):
    assert chaos.main(["SEDE=1"], output=Path("nowhere")) == 2
    assert capsys.readouterr().err == "error: there is no 'SEDE'; did you mean SEED?\n"
