"""Carries out a plan: runs notebooks, records what they deliver, and has the pages written."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from lab_utils.config import LabError
from lab_utils.report import cache, outputs, provenance
from lab_utils.report.execute import INJECTED, Children, Outcome, run_notebook
from lab_utils.report.files import say, shown, to_json, write_whole
from lab_utils.report.index import duration
from lab_utils.report.pages import write_pages
from lab_utils.report.pipeline import Places, Plan, dependencies, source_of
from lab_utils.report.request import Request, number_of


def carry_out(plan: Plan, request: Request, places: Places, manifest: dict[str, Any]) -> int:
    """Run what must run and write every page that is no longer true; the exit code."""
    environment = provenance.environment(places.notebooks)
    (places.folder / "logs").mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".work-", dir=places.folder))
    ended: dict[str, Outcome] = {}

    def finish(name: str, outcome: Outcome) -> None:
        ended[name] = outcome
        used = {kind: plan.data[kind] for kind in places.catalogue[name].data}
        entry = record(name, outcome, request, places, used)
        depends = plan.depends[name]
        if depends != dependencies(name, request, places, plan.data):  # then nobody knows which of the two ran
            depends = depends | {"changed": True}
        entry |= {"environment": environment, "depends": depends}
        manifest["notebooks"][name] = entry
        write_pages(manifest, places, request, coming=[other for other in plan.running if other not in ended])
        announce(name, outcome, places)

    try:
        settle(plan, places, manifest)
        if manifest["notebooks"]:  # else there is no page to write yet
            write_pages(manifest, places, request, coming=plan.running)
        try:
            execute_all(plan.running, request, places, scratch, finish)
        finally:
            if manifest["notebooks"] and len(ended) < len(plan.running):  # then no link may lead to what did not come
                write_pages(manifest, places, request)
    except KeyboardInterrupt:
        print("interrupted: what is missing runs the next time", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return exit_code(ended)


# Running


def execute_all(
    names: list[str], request: Request, places: Places, scratch: Path, finish: Callable[[str, Outcome], None]
) -> None:
    """Run JOBS notebooks at a time, each in its own process, and hand over each as it ends.

    On an interrupt those under way are ended and handed over too, then KeyboardInterrupt is raised again.
    """
    children = Children()
    with ThreadPoolExecutor(request.JOBS) as pool:
        waiting = {pool.submit(run_one, name, request, places, scratch, children): name for name in names}
        try:
            for future in as_completed(list(waiting)):
                finish(waiting[future], future.result())
                del waiting[future]
        except BaseException:
            for future in waiting:
                future.cancel()
            children.stop()
            for future, name in waiting.items():
                if not future.cancelled():
                    finish(name, future.result())
            raise


def run_one(name: str, request: Request, places: Places, scratch: Path, children: Children) -> Outcome:
    number = number_of(name)
    say(f"{number} | {name}, profile {request.PROFILE}, seed {request.SEED}")
    return run_notebook(
        source_of(name, places), scratch / f"{name}.ipynb", log_of(name, places),
        cache.parameters(request, places.catalogue[name]), request.DATA_DIR, threads(request.JOBS),
        children, lambda line: say(f"{number} | {line}"),
    )  # fmt: skip


def threads(jobs: int) -> int | None:
    """Each notebook's share of the cores, for two that both want all of them are several times slower."""
    return max(1, len(os.sched_getaffinity(0)) // jobs) if jobs > 1 else None


def log_of(name: str, places: Places) -> Path:
    return places.folder / "logs" / f"{name}.log"


# Records


def record(name: str, outcome: Outcome, request: Request, places: Places, data: dict[str, Any]) -> dict[str, Any]:
    """Write what a notebook delivered and return its entry in the manifest."""
    ids = set(places.catalogue[name].deliverables)
    metrics = outputs.metrics_record(outcome.notebook, name, request.PROFILE, request.SEED, outcome.status, data)
    write_results(name, outcome.notebook, metrics, places)
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "cell": outcome.cell,
        "where": where(outcome),
        "seconds": round(outcome.seconds, 1),
        "spent": {kind: round(seconds, 1) for kind, seconds in outcome.spent.items()},
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": request.SEED,
        "device": metrics["device"],
        "data": metrics["data"],
        "deliverables": outputs.deliverables(outcome.notebook, ids, outcome.cell),
        "provenance": outputs.collect(outcome.notebook, outputs.PROVENANCE),
        "prose": cache.prose(source_of(name, places)),
    }


def write_results(name: str, notebook: nbformat.NotebookNode, metrics: dict[str, Any], places: Places) -> None:
    ids = set(places.catalogue[name].deliverables)
    write_whole(places.folder / "notebooks" / f"{name}.ipynb", nbformat.writes(notebook) + "\n")
    write_whole(places.folder / "metrics" / f"{name}.json", to_json(metrics))
    outputs.write_figures(notebook, ids, places.folder / "figures" / name)


def settle(plan: Plan, places: Places, manifest: dict[str, Any]) -> None:
    """Make the record true of what is there before anything runs: results whose notebook is gone are gone."""
    altered = provenance.altered(places.folder, manifest)
    for name in list(manifest["notebooks"]):
        if name not in places.catalogue or f"notebooks/{name}.ipynb" in altered:
            del manifest["notebooks"][name]
        elif name in plan.running:
            continue
        elif name in plan.reasons and manifest["notebooks"][name]["prose"] != cache.prose(source_of(name, places)):
            refresh(name, manifest["notebooks"][name], places, source_of(name, places))
        elif any(name in file for file in altered):  # with the words it had, for it was not asked for
            refresh(name, manifest["notebooks"][name], places, places.folder / "notebooks" / f"{name}.ipynb")


def refresh(name: str, run: dict[str, Any], places: Places, words: Path) -> None:
    """Write a result that holds anew, with the prose of the notebook ``words``; mends what was altered or removed."""
    executed = nbformat.read(places.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    own = words.parent == places.folder / "notebooks"
    notebook = executed if own else outputs.reworded(executed, nbformat.read(words, as_version=4))
    about = (name, run["depends"]["parameters"]["PROFILE"], run["seed"], run["status"], run["data"])
    write_results(name, notebook, outputs.metrics_record(notebook, *about), places)
    run["deliverables"] = outputs.deliverables(notebook, set(places.catalogue[name].deliverables), run["cell"])
    run["prose"] = run["prose"] if own else cache.prose(words)


def where(outcome: Outcome) -> str:
    """The cell that a run ended in, as a person finds it; empty when it did not end in one."""
    if outcome.cell is None:
        return ""
    heading = outputs.heading_above(outcome.notebook, outcome.cell)
    own = [INJECTED not in cell.metadata.get("tags", []) for cell in outcome.notebook.cells]
    place = f"cell {sum(own[: outcome.cell + 1])} of {sum(own)}"
    return f"{place}, under “{heading}”" if heading else place


# Endings


def announce(name: str, outcome: Outcome, places: Places) -> None:
    number = number_of(name)
    text = f"{number} | {outcome.status} after {duration(outcome.seconds)}"
    if outcome.status == "failed":
        place = where(outcome) or "before the first cell"
        text += f": {outcome.reason} ({place}; log: {shown(log_of(name, places))})"
    say(text)
    ids = places.catalogue[name].deliverables
    missing = [i for i in ids if i not in outputs.deliverables(outcome.notebook, set(ids))]
    if missing and outcome.status == "ok":
        say(f"{number} | not delivered: {', '.join(missing)}")


def exit_code(ended: dict[str, Outcome]) -> int:
    """0, or 1 if a notebook failed. LabError if one of them met something that a person can put right."""
    for outcome in ended.values():
        if outcome.user_error:
            raise LabError(outcome.reason)
    return int(any(outcome.status != "ok" for outcome in ended.values()))
