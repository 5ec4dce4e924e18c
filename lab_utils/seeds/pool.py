"""Runs side by side: how the cores and GPUs are shared out, what is prepared for all, and what is said meanwhile."""

import math
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import joblib

from lab_utils import config
from lab_utils.config import ROOT, LabError
from lab_utils.files import must_be_file, say, shown
from lab_utils.handover import PROVENANCE
from lab_utils.report import build, collect
from lab_utils.report.execute import Children, Outcome, environment, run_notebook, threads_each
from lab_utils.report.record import Data
from lab_utils.report.request import Places, Request, new_token
from lab_utils.seeds.runs import Result, Run, held, result_of, write_result
from lab_utils.words import duration

POLL = 1.0  # seconds between two looks at runs that another command is at
DIGITS_SIDE, FACES_SIDE = 28, 64  # of the images that a judge sees, unless a lab's setting `side` reduces faces


# What runs where


@dataclass(frozen=True)
class Slot:
    """The share of the machine that one run has to itself."""

    threads: int
    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES names it; None on a CPU

    @property
    def env(self) -> dict[str, str]:
        return {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}


def slots_here(jobs: int | None) -> list[Slot]:
    """``jobs`` slots; if nobody says how many, one for each GPU, or for each core where there is none.

    The threads of a slot do not depend on how many runs are left: a rerun would compute with another number of them,
    and its results would round otherwise.
    """
    cores, cards = joblib.cpu_count(), gpus()
    n = jobs or len(cards) or cores
    return [Slot(max(1, cores // n), cards[i % len(cards)] if cards else None) for i in range(n)]


def gpus() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them; found without torch where there are none."""
    if not config.gpu_present():
        return []
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return [one.strip() for one in visible.split(",")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, encoding="utf-8", errors="replace").stdout
    except OSError:  # a container may have the driver alone
        listed = ""
    n = sum(line.startswith("GPU ") for line in listed.splitlines())
    return [str(i) for i in range(max(1, n))]


# What all of them need


def prepare_judges(runs: Sequence[Run], request: Request, places: Places) -> None:
    """Have one process train the judges that the runs will ask for, so that they do not wait for one another.

    LabError if it fails.
    """
    wanted = sorted({judge for run in runs for judge in judges_of(run)})
    if not wanted:
        return
    log = places.folder / "runs" / "judges.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    must_be_file(log)
    say(f"judges | {', '.join(wanted)}: from the cache, else trained now")
    given = [request.PROFILE, str(request.DATA_DIR or ""), request.FACES, request.SPLIT]
    command = [sys.executable, "-m", "lab_utils.training.judges", *given, *wanted]
    asked = {"folder": str(log.parent.absolute()), "depends": "", "modules": {}, "token": places.token}
    env = environment(request, threads_each(1), asked)
    with (
        open(log, "w", encoding="utf-8") as sink,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, cwd=ROOT, env=env, text=True,
            encoding="utf-8", errors="replace",
        ) as child,
    ):  # fmt: skip
        try:
            for line in child.stdout:
                sink.write(line)
                sink.flush()
                if line.startswith("waiting: "):  # all others are in the log
                    say(f"judges | {line.rstrip()}")
            code = child.wait()  # before its input is closed, which would end it
        except BaseException:  # an interrupt
            child.terminate()
            raise
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [f"status {code}"]
        raise LabError(f"no judge: {lines[-1].removeprefix('error: ')} (log: {shown(log)})")


def judges_of(run: Run) -> set[str]:
    """The judges that measure a run: kind of data and side of its images, as in ``faces:32``."""
    sides = {"digits": DIGITS_SIDE, "faces": run.depends.settings.get("side", FACES_SIDE)}
    return {f"{kind}:{sides[kind]}" for kind in run.depends.data}


# Running


@dataclass
class Progress:
    """What is said of runs as they begin and end."""

    total: int
    slots: int
    seconds: list[float] = field(default_factory=list)  # of those that ended
    waited: set[Run] = field(default_factory=set)

    def waits(self, run: Run) -> None:
        if run not in self.waited:
            self.waited.add(run)
            say(f"{run.label} | another command runs it: its result is waited for")

    def ended(self, run: Run, result: Result) -> None:
        self.seconds.append(result.seconds)
        text = f"{result.status} after {duration(result.seconds)}"
        if result.status == "failed":
            text += f": {result.reason} (log: {shown(run.log)})"
        say(f"{run.label} | {text} | {self.standing()}")

    def standing(self) -> str:
        """As in ``4 of 10, about 12 min left``."""
        done = len(self.seconds)
        if done == self.total:
            return f"{done} of {self.total}"
        left = math.ceil((self.total - done) / self.slots) * sum(self.seconds) / done
        return f"{done} of {self.total}, about {duration(left) if left < 60 else f'{left / 60:.0f} min'} left"


def run_all(
    runs: Sequence[Run], request: Request, places: Places, data: Data, before: Collection[str]
) -> dict[Run, Result]:
    """Run each, in as many slots as there are, and return how they ended.

    A run that another command is at is left to it, and its result taken at the end; if it gives none, it runs here. A
    result that was there ``before`` does not hold. On an interrupt those under way are ended, what is finished is kept,
    and KeyboardInterrupt is raised again.
    """
    slots, children = slots_here(request.JOBS), Children()
    free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
    for slot in slots:
        free.put(slot)
    progress, results, waiting = Progress(len(runs), len(slots)), {}, list(runs)

    def attempt(run: Run) -> Result | None:
        slot = free.get()
        try:
            with held(run) as mine:
                if not mine:
                    return None
                known = result_of(run, before)
                if known or build.depended(run.name, run.depends, places, data).changed:
                    return known or made(
                        run, "failed", "what it depends on changed before it ran: run again", 0.0, None
                    )
                return run_one(run, slot, request, places, data, children)
        finally:
            free.put(slot)

    with ThreadPoolExecutor(min(len(slots), len(runs))) as pool:
        while waiting:
            futures = {pool.submit(attempt, run): run for run in waiting}
            waiting = []
            try:
                for future in as_completed(futures):
                    run, result = futures[future], future.result()
                    if result is None:
                        waiting.append(run)
                        progress.waits(run)
                    else:
                        results[run] = result
                        progress.ended(run, result)
                if waiting:
                    time.sleep(POLL)
            except BaseException:
                for future in futures:
                    future.cancel()
                children.stop()
                raise
    return results


def run_one(run: Run, slot: Slot, request: Request, places: Places, data: Data, children: Children) -> Result:
    """Execute the notebook of a run whose folder is held, and keep what it gives."""
    say(f"{run.label} | starts")
    for left in run.folder.glob(".work-*"):  # by a command that was killed
        shutil.rmtree(left, ignore_errors=True)
    kept = build.checkpoints(run.name, run.depends, replace(places, folder=run.folder))
    env = environment(request, slot.threads, kept) | slot.env

    def tell(line: str) -> None:
        if line.startswith(("goes on: ", "waiting: ")):  # all others are in the log
            say(f"{run.label} | {line}")

    scratch = Path(tempfile.mkdtemp(prefix=".work-", dir=run.folder))
    try:
        target, given = scratch / run.executed.name, run.depends.parameters
        outcome = run_notebook(places.source(run.name), target, run.log, given, env, children, tell)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return keep(run, outcome, slot, places, data)


def keep(run: Run, outcome: Outcome, slot: Slot, places: Places, data: Data) -> Result:
    """Write what a run gave and return its record; checkpoints go once it has ended well, for they are large."""
    lab = places.labs[run.name]
    status, reason = outcome.status, outcome.reason
    if status == "failed":
        reason = f"{reason} ({build.where(outcome) or 'before the first cell'})"
    elif status == "ok" and build.depended(run.name, run.depends, places, data).changed:
        status, reason = "failed", "what it depends on changed while it ran: run again"
    loaded = {kind: data[kind] for kind in lab.data}
    # As the run itself states it: the shell may have said otherwise, in any form that OpenMP knows, as in "4,2".
    threads = collect.merged(outcome.notebook, PROVENANCE).get("threads", slot.threads)
    metrics = collect.metrics_record(outcome.notebook, lab, run.depends.parameters["PROFILE"], run.seed, status, loaded)
    result = made(run, status, reason, outcome.seconds, threads)
    if status != "interrupted":  # else what an earlier command made stays, and the checkpoints of this one
        write_result(run, outcome.notebook, metrics, result)
    if status == "ok":
        shutil.rmtree(run.checkpoints, ignore_errors=True)
    return result


def made(run: Run, status: str, reason: str, seconds: float, threads: int | None) -> Result:
    """The record of a run that ends now."""
    return Result(
        id=new_token(), depends=run.depends, status=status, reason=reason, seconds=round(seconds, 1),
        changes=run.changes, seed=run.seed, threads=threads, finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
