"""One trial: a copy of a state is hurt, the next command is run, and what came of it is judged."""

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chaos import tree
from chaos.faults import KINDS, Fault, Known
from chaos.tree import processes
from lab_utils.config import LabError
from lab_utils.files import PART, held_if_free

SAME, ONE_LINE, FAILED = "same bytes", "one line", "FAILED"
PATIENCE = 1200  # seconds that a command may take, slow as the machine may be
FAREWELL = 20  # seconds in which the last process of a trial must have ended
YESTERDAY = 86_400
ADVICE = re.compile(r"remove (?:the folder )?(\S+?)[;:,.]? ")


@dataclass(frozen=True)
class Result:
    number: int
    kind: str
    said: str  # the fault
    struck: str  # where it did; empty if it came too late
    outcome: str
    why: str  # the line that was said, or what is wrong
    seconds: float


class States:
    """The states from which trials begin, each made when it is first wanted, and what a report gives from all of them.

    fresh: nothing ran. half: the kernel was killed late in a training. finished: all ran. edited: a cell was changed
    afterwards, so that the notebook runs again and finds all its trainings. worded: only its prose was changed.
    """

    def __init__(self, scratch: Path, whole: bool = False):
        self.scratch, self.whole = scratch, whole
        self.known: dict[str, Known] = {}
        self.lock = threading.Lock()  # a state is made once
        self.stopping = threading.Event()  # no command begins any more

    @cached_property
    def fresh(self) -> Path:
        root = self.scratch / "fresh" / "root"
        tree.plant(root, self.whole)
        return root

    @cached_property
    def finished(self) -> Path:
        root, self.known["fresh"] = self.counted(self.fresh, self.scratch / "finished" / "root")
        return root

    @cached_property
    def half(self) -> Path:
        root = self.scratch / "half" / "root"
        at = int(0.75 * self.of("fresh").operations["kernel"])
        shutil.copytree(self.fresh, root)
        self.run(root, {"what": "signal", "role": "kernel", "at": at, "signal": int(signal.SIGKILL)})
        return root

    @cached_property
    def edited(self) -> Path:
        return self.changed("edited", "page.end()", "page.end()  # edited")

    @cached_property
    def worded(self) -> Path:
        return self.changed("worded", "**Question.**", "**The question.**")

    def changed(self, name: str, old: str, new: str) -> Path:
        """The finished state with another text in its notebook."""
        root = self.scratch / name / "root"
        shutil.copytree(self.finished, root)
        tree.edit(root, old, new)
        return root

    @cached_property
    def expected(self) -> dict[str, str]:
        """Hashes of metrics and figures of a report that nobody hurt."""
        return tree.results(self.finished)

    def of(self, state: str) -> Known:
        """What is known of a report that begins in a state; it is run once for that."""
        if state not in self.known:
            if state == "fresh":
                return self.finished and self.known["fresh"]
            root, self.known[state] = self.counted(getattr(self, state), self.scratch / "counted" / "root")
            if (found := tree.results(root)) != self.expected:
                raise LabError(f"a report that begins {state} gives other bytes: {', '.join(differing(found, self))}")
            shutil.rmtree(root.parent)
        return self.known[state]

    def counted(self, state: Path, root: Path) -> tuple[Path, Known]:
        """A copy of a state in which a report ran, and what is known of that."""
        shutil.copytree(state, root)
        begun = time.monotonic()
        said = self.run(root, {"what": "count"})
        if said.code != 0:
            raise LabError(f"a report that nobody hurts ends with {said.code}: {said.text[-500:]}")
        files = (root.parent / "aside" / "hits").glob("operations-*")
        # Of several workers or kernels each counts for itself.
        operations = {path.name.partition("-")[2]: len(path.read_text().splitlines()) for path in files}
        shutil.rmtree(root.parent / "aside")
        return root, Known(time.monotonic() - begun, operations)

    def run(self, root: Path, hook: dict) -> "Said":
        return Command(self, root, "first", hook).ended()


@dataclass(frozen=True)
class Said:
    """How a command ended, and all that it printed."""

    code: int | None  # None: it did not end
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line and not line.startswith("make: ")]

    @property
    def error(self) -> str:
        """The one line in which an error is said; empty if it is not said so."""
        found = [line for line in self.lines if line.startswith("error: ")]
        return found[0] if len(found) == 1 and self.lines[-1] == found[0] and not self.traceback else ""

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.text


class Command:
    """A report under way. What it prints goes to a file, for others may go on to write to it when it was killed."""

    def __init__(self, states: States, root: Path, name: str, hook: dict | None = None):
        if states.stopping.is_set():
            raise LabError("stopped")
        env = tree.environment(root, hook or {})
        self.log = root.parent / "aside" / f"{name}.log"
        with open(self.log, "w") as sink:
            given = {"stdin": subprocess.DEVNULL, "stdout": sink, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(tree.command(root, states.whole), env=env, start_new_session=True, **given)

    def ended(self) -> Said:
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        text = self.log.read_text(errors="replace")
        of_report = re.search(r"^make: \*\*\* .* Error (\d+)$", text, re.MULTILINE)  # make itself ends with 2
        return Said(int(of_report[1]) if code and of_report else code, text)


def draw(number: int, kind: str, seed: int, states: States) -> Fault:
    """The fault of a trial: the same for the same seed and number."""
    rng = random.Random(f"{seed}-{number}")
    _, drawn, begins = KINDS[kind]
    if states.whole:  # in which each state costs minutes
        state = "fresh" if "fresh" in begins else begins[-1]
        return drawn(rng, state, lambda: states.of("fresh"))
    state = rng.choice(begins)
    return drawn(rng, state, lambda: states.of("fresh" if state == "finished" else state))


def carry_out(number: int, kind: str, fault: Fault, states: States, folder: Path) -> Result:
    """Hurt a copy of a state in ``folder`` and see that the next command mends it."""
    begun, root = time.monotonic(), folder / "root"
    shutil.copytree(getattr(states, fault.state), root)
    try:
        outcome, why = judged(fault, states, root)
    finally:
        end_all(folder)
        unmount(folder)
    struck = root.parent / "aside" / "hits" / "struck"
    where = struck.read_text().splitlines()[0] if struck.exists() else ""
    return Result(number, kind, f"{fault.said}, {fault.state}", where, outcome, why, time.monotonic() - begun)


def judged(fault: Fault, states: States, root: Path) -> tuple[str, str]:
    """Outcome of a trial, and the line that was said, or what is wrong."""
    fault.before(root)
    if not fault.damaged:
        hurt = Command(states, root, "hurt", dict(fault.hook))
        other = Command(states, root, "other") if fault.twice else None
        fault.meanwhile(root, hurt.process)
        for said in [command.ended() for command in (hurt, other) if command]:
            if wrong := wrong_when_hurt(said, fault, states, root):
                return FAILED, f"hurt command: {wrong}"
    fault.after(root)
    grow_old(root)
    outcome, why = next_command(states, root, "next")
    if outcome == ONE_LINE and (advice := ADVICE.search(f"{why} ")):
        take_away((root / advice[1]).resolve(), root)
        if (after := next_command(states, root, "advised"))[0] != SAME:
            return FAILED, f"{why} | after that: {after[1]}"
    if outcome == FAILED:
        return outcome, why
    if alive := left_alive(root.parent):
        return FAILED, f"processes are left: {alive}"
    if litter := left_behind(root):
        return FAILED, f"files are left: {', '.join(litter)}"
    return outcome, why


def wrong_when_hurt(said: Said, fault: Fault, states: States, root: Path) -> str:
    """What is wrong with how a command ended that was hurt; empty if nothing is."""
    if said.code is None:
        return f"did not end in {PATIENCE} s"
    if fault.killed:
        return ""
    if said.traceback:
        return f"a traceback: {said.lines[-1]}"
    if said.code == 0 and (others := differing(tree.results(root), states)):
        return f"exit code 0 with other bytes: {', '.join(others)}"
    if said.code == 2 and not said.error:
        return f"exit code 2 without one line: {' | '.join(said.lines[-2:])}"
    return "" if said.code in (0, 1, 2, 130) and not (fault.twice and said.code) else f"exit code {said.code}"


def next_command(states: States, root: Path, name: str) -> tuple[str, str]:
    """What comes of a command that nobody hurts."""
    said = Command(states, root, name).ended()
    if said.code is None:
        return FAILED, f"did not end in {PATIENCE} s"
    if said.code == 2 and said.error:
        return ONE_LINE, said.error
    if said.code != 0:
        return FAILED, f"exit code {said.code}: {' | '.join(said.lines[-3:])}"
    others = differing(tree.results(root), states)
    return (FAILED, f"other bytes: {', '.join(others)}") if others else (SAME, "")


def differing(found: dict[str, str], states: States) -> list[str]:
    """Names of the files in which results are not those of a report that nobody hurt."""
    expected = states.expected
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def take_away(path: Path, root: Path) -> None:
    """Remove a file or folder, as a line said, if it is one of the trial's."""
    if path.is_relative_to(root / "reports") or path.is_relative_to(root / "data"):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def grow_old(root: Path) -> None:
    """Let the next command come a day later for files that were left half-written, unless one is being written."""
    for path in parts(root):
        with open(path, "rb") as file:
            if held_if_free(file):
                os.utime(path, (time.time() - YESTERDAY,) * 2)


def left_behind(root: Path) -> list[str]:
    """Files half-written the day before, and folders for a command alone."""
    folders = list((root / "reports").rglob(".work-*"))
    old = [path for path in parts(root) if path.stat().st_mtime < time.time() - YESTERDAY / 2]
    return [path.relative_to(root).as_posix() for path in (*folders, *old)]


def parts(root: Path) -> list[Path]:
    """Files that are written to be renamed, as lab_utils.files names them."""
    found = [path for folder in ("reports", "data") for path in (root / folder).rglob(".*")]
    return [path for path in found if PART.match(path.name)]


# Processes of a trial


def left_alive(folder: Path) -> str:
    """What has not ended some time after the last command did; empty if all has."""
    deadline = time.monotonic() + FAREWELL
    while (alive := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return "; ".join(alive.values())


def end_all(folder: Path) -> None:
    for pid in processes(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def unmount(folder: Path) -> None:
    for line in Path("/proc/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", place], check=False)
