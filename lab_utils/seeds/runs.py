"""A run: one notebook with one seed at one point of a grid, known by the hash of all that it depends on.

Its folder is named by that hash, so that nothing runs twice, whatever command asks for it, and no seed replaces
another. It holds the executed notebook, metrics.json, run.json, which vouches for them, and a log.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from pydantic import Field

from lab_utils.files import digest, lock, lock_file, must_be_file, read_json, sha256, to_json, write_whole
from lab_utils.report import collect, depends
from lab_utils.report.record import Data, Depends, Files, Manifest, Record, same
from lab_utils.report.request import Places, new_token
from lab_utils.seeds.request import Wanted


class Result(Record):
    """What is kept of a run, in its ``run.json``."""

    id: str  # of this result and no other
    depends: Depends
    status: str  # ok, failed, interrupted
    reason: str  # one line; empty if all is well
    seconds: float
    changes: dict[str, Any]  # settings that differ from the profile
    seed: int
    threads: int | None  # that it computed with; None if it does not say
    finished: str
    files: Files = Field(default_factory=dict)  # hashes of the notebook and of the metrics, by name


@dataclass(frozen=True, eq=False)
class Run:
    """One run and where it is kept."""

    name: str  # of the notebook
    changes: dict[str, Any]
    seed: int
    depends: Depends
    folder: Path

    @property
    def label(self) -> str:
        """As in ``03 seed 2 {"first_beta": 5}``."""
        changes = f" {json.dumps(self.changes)}" if self.changes else ""
        return f"{self.name.split('_')[0]} seed {self.seed}{changes}"

    @property
    def executed(self) -> Path:
        return self.folder / f"{self.name}.ipynb"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def record(self) -> Path:
        return self.folder / "run.json"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"


def runs_of(wanted: Wanted, places: Places, data: Data) -> list[Run]:
    """Every run that is wanted: for each notebook its points, for each point its seeds."""
    found = []
    for name in wanted.request.NB:
        lab, source = places.labs[name], places.source(name)
        for point in wanted.points:
            for seed in wanted.seeds:
                asked = replace(wanted.request, SEED=seed, CHANGES=point)
                now = depends.dependencies(source, lab, depends.parameters(asked, lab), data)
                key = digest(now.model_dump(mode="json", exclude={"changed"}))
                found.append(Run(name, point, seed, now, places.folder / "runs" / name / key[:16]))
    return found


@contextlib.contextmanager
def held(run: Run) -> Iterator[bool]:
    """Hold the folder of a run, made if need be; False if another command holds it."""
    with lock_file(run.folder) as file:
        yield lock(file, wait=False)


def read_result(path: Path) -> Result | None:
    """The record of a run; None if it is not there, or damaged: it can be made again."""
    try:
        return Result.model_validate(read_json(path))
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def outdated(folder: Path, anew: bool) -> set[str]:
    """Ids of the results that are there as a command begins and do not hold for it: failed ones, or all if ``anew``.

    A run that fails from now on, in the hands of another command, is not tried again.
    """
    found = filter(None, map(read_result, folder.glob("runs/*/*/run.json")))
    return {result.id for result in found if anew or result.status != "ok"}


def result_of(run: Run, before: Collection[str]) -> Result | None:
    """How a run ended that need not be done again, else None: with other dependencies, altered, or of ``before``.

    LabError if something else is in the place of one of its files: before it runs, and not when it has.
    """
    for path in (run.record, run.executed, run.metrics, run.log):
        must_be_file(path)
    result = read_result(run.record)
    if result is None or result.id in before or result.depends != run.depends:
        return None
    whole = all(same(path, result.files.get(path.name)) for path in (run.executed, run.metrics))
    return result if whole and result.status in ("ok", "failed") else None


def tidy(run: Run) -> None:
    """Remove what only a run under way needs: a command that was killed as it ended may have left it."""
    if left := [path for path in (run.checkpoints, *run.folder.glob(".work-*")) if path.exists()]:
        with held(run) as mine:  # else another command makes it anew
            for path in left if mine else ():
                shutil.rmtree(path, ignore_errors=True)


def write_result(run: Run, notebook: NotebookNode, metrics: Mapping[str, Any], result: Result) -> None:
    """Write what a run gave; the record that vouches for the rest goes first and comes last."""
    run.record.unlink(missing_ok=True)
    write_whole(run.executed, nbformat.writes(notebook) + "\n")
    write_whole(run.metrics, to_json(metrics))
    result.files = {path.name: sha256(path) for path in (run.executed, run.metrics)}
    write_whole(run.record, to_json(result.model_dump(mode="json")))


def take_over(run: Run, manifest: Manifest, places: Places, before: Collection[str]) -> None:
    """Keep the result of the report of this profile as this run's, if it depends on the very same and is unaltered."""
    known = manifest.notebooks.get(run.name)
    if known is None or known.status != "ok" or known.depends != run.depends:
        return
    try:
        written = places.executed(run.name).read_bytes()
    except FileNotFoundError:
        return
    if hashlib.sha256(written).hexdigest() != manifest.files.get(f"notebooks/{run.name}.ipynb"):
        return
    notebook = nbformat.reads(written.decode(), as_version=4)
    lab = places.labs[run.name]
    metrics = collect.metrics_record(notebook, lab, known.profile, known.seed, known.status, known.data)
    result = Result(
        id=new_token(), depends=run.depends, status="ok", reason="", seconds=known.seconds, changes=run.changes,
        seed=run.seed, threads=known.provenance.get("threads"), finished=known.finished,
    )  # fmt: skip
    with held(run) as mine:
        if mine and not result_of(run, before):
            write_result(run, notebook, metrics, result)
