"""Carries out a plan: runs notebooks, keeps what they deliver, and writes the pages that are no longer true."""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.explore import EXHIBIT
from lab_utils.files import digest, say, shown, to_json, write_whole
from lab_utils.handover import COMPARISON, PROVENANCE, SOURCE, Record
from lab_utils.report import collect, depends, record, sheet
from lab_utils.report.collect import handed_over
from lab_utils.report.execute import INJECTED, Children, Outcome, environment, run_notebook, threads_each
from lab_utils.report.explore import render_explore
from lab_utils.report.html import render
from lab_utils.report.index import render_index
from lab_utils.report.marks import grades, write_marks
from lab_utils.report.pages import head, index_key, page_key, read_records, renderer, words_of
from lab_utils.report.record import Data, Depends, Environment, Manifest, Plan, Run
from lab_utils.report.request import Places, Request
from lab_utils.spread import of_report
from lab_utils.words import duration


def build(plan: Plan, request: Request, places: Places, manifest: Manifest) -> int:
    """Run what must run and write every page that is no longer true; the exit code, 1 if a notebook failed.

    LabError if one of them met something that a person can put right.
    """
    source = depends.environment(places.notebooks)
    (places.folder / "logs").mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".work-", dir=places.folder))
    ended: dict[str, Outcome] = {}

    def finish(name: str, outcome: Outcome) -> None:
        ended[name] = outcome
        manifest.notebooks[name] = keep(name, outcome, plan, request, places, source)
        write_pages(manifest, places, request, coming=[other for other in plan.running if other not in ended])
        announce(name, manifest.notebooks[name], places)

    try:
        mend(plan, places, manifest)
        if manifest.notebooks:  # else there is no page to write yet
            write_pages(manifest, places, request, coming=plan.running)
        try:
            execute_all(plan, request, places, scratch, finish)
        finally:
            if manifest.notebooks and len(ended) < len(plan.running):  # then no link may lead to what did not come
                write_pages(manifest, places, request)
    except KeyboardInterrupt:
        print("interrupted: what is missing runs the next time", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for outcome in ended.values():
        if outcome.user_error:
            raise LabError(outcome.reason)
    return int(any(outcome.status != "ok" for outcome in ended.values()))


# Running


def execute_all(
    plan: Plan, request: Request, places: Places, scratch: Path, finish: Callable[[str, Outcome], None]
) -> None:
    """Run JOBS notebooks at a time, each in its own process, and hand over each as it ends.

    On an interrupt those under way are ended and handed over too, then KeyboardInterrupt is raised again.
    """
    children = Children()
    jobs = request.JOBS or jobs_here()
    # Each has its share of the cores, for two that both want all of them are several times slower.
    threads = threads_each(jobs)
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {
            pool.submit(run_one, name, plan.depends[name], request, places, scratch, children, threads): name
            for name in plan.running
        }
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


def jobs_here() -> int:
    """How many notebooks run at once if nobody says: two on a GPU, which one leaves idle at times; four cores each.

    It does not depend on how many there are to run: with its number of threads a result would change.
    """
    return 2 if config.gpu_present() else max(1, joblib.cpu_count() // 4)


def run_one(
    name: str, now: Depends, request: Request, places: Places, scratch: Path, children: Children, threads: int | None
) -> Outcome:
    lab = places.labs[name]
    say(f"{lab.number} | {name}, profile {request.PROFILE}, seed {request.seed}")
    return run_notebook(
        places.source(name), scratch / f"{name}.ipynb", places.log(name), now.parameters,
        environment(request, threads, checkpoints(name, now, places)), children,
        lambda line: say(f"{lab.number} | {line}"),
    )  # fmt: skip


def checkpoints(name: str, now: Depends, places: Places) -> dict[str, Any]:
    """What a notebook is told of where its trainings are kept, and of what they depend on beside its code."""
    others = now.model_dump(include={"settings", "data", "packages", "device"})
    folder = str(places.checkpoints(name).absolute())
    told = {"modules": now.modules, "data": now.data, "token": places.token}
    return {"folder": folder, "depends": digest(others)} | told


# Records


def keep(name: str, outcome: Outcome, plan: Plan, request: Request, places: Places, source: Environment) -> Run:
    """Write what a notebook delivered and return its entry in the manifest."""
    lab = places.labs[name]
    loaded = {kind: plan.data[kind] for kind in lab.data}
    metrics = collect.metrics_record(outcome.notebook, lab, request.PROFILE, request.seed, outcome.status, loaded)
    write_results(name, outcome.notebook, metrics, places)
    return Run(
        status=outcome.status, reason=outcome.reason, cell=outcome.cell, where=where(outcome),
        seconds=round(outcome.seconds, 1), spent={kind: round(seconds, 1) for kind, seconds in outcome.spent.items()},
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seed=request.seed, device=metrics["device"], data=metrics["data"],
        deliverables=collect.deliverables(outcome.notebook, set(lab.deliverables), outcome.cell),
        provenance=collect.merged(outcome.notebook, PROVENANCE),
        comparisons=[(asked["name"], asked["sha256"]) for _, asked in handed_over(outcome.notebook, COMPARISON)],
        sources=[(asked["module"], asked["name"]) for _, asked in handed_over(outcome.notebook, SOURCE)],
        prose=depends.prose(places.source(name)), environment=source,
        depends=depended(name, plan.depends[name], places, plan.data),
    )  # fmt: skip


def depended(name: str, before: Depends, places: Places, data: Data) -> Depends:
    """What a run that has ended depended on; it says so if that changed meanwhile."""
    try:
        now = depends.dependencies(places.source(name), places.labs[name], before.parameters, data)
    except LabError:  # a file of the package that is being edited, and is no Python as it is
        now = None
    return before.model_copy(update={"changed": before != now})


def write_results(name: str, notebook: NotebookNode, metrics: Record, places: Places) -> None:
    write_whole(places.executed(name), nbformat.writes(notebook) + "\n")
    write_whole(places.metrics(name), to_json(metrics))
    collect.write_figures(notebook, set(places.labs[name].deliverables), places.folder / "figures" / name)


def mend(plan: Plan, places: Places, manifest: Manifest) -> None:
    """Make the record true of what is there before anything runs: results whose notebook is gone are gone."""
    altered = record.altered(places.folder, manifest)
    for name, run in list(manifest.notebooks.items()):
        if name not in places.labs or f"notebooks/{name}.ipynb" in altered:
            del manifest.notebooks[name]
        elif name in plan.running:
            continue
        elif name in plan.reasons and run.prose != depends.prose(places.source(name)):
            renew(name, run, places, places.source(name))
        elif any(name in file for file in altered) or other_words(name, places, manifest):
            renew(name, run, places)  # with the words it had, for it was not asked for


def other_words(name: str, places: Places, manifest: Manifest) -> bool:
    """Whether what is said of the numbers of a notebook, or who says it, is not what it was."""
    known = manifest.pages.get(name)
    return known is None or (known.words, known.renderer) != (words_of(places.labs[name]), renderer())


def renew(name: str, run: Run, places: Places, source: Path | None = None) -> None:
    """Write a result that holds anew, with the prose of the notebook ``source`` or its own.

    Mends what was altered or removed, and says of its numbers what its lab says now.
    """
    lab, notebook = places.labs[name], nbformat.read(places.executed(name), as_version=4)
    if source:
        notebook = collect.reworded(notebook, nbformat.read(source, as_version=4))
        run.prose = depends.prose(source)
    metrics = collect.metrics_record(notebook, lab, run.profile, run.seed, run.status, run.data)
    write_results(name, notebook, metrics, places)
    run.deliverables = collect.deliverables(notebook, set(lab.deliverables), run.cell)


def where(outcome: Outcome) -> str:
    """The cell that a run ended in, as a person finds it; empty when it did not end in one."""
    if outcome.cell is None:
        return ""
    heading = collect.heading_above(outcome.notebook, outcome.cell)
    own = [INJECTED not in cell.metadata.get("tags", []) for cell in outcome.notebook.cells]
    place = f"cell {sum(own[: outcome.cell + 1])} of {sum(own)}"
    return f"{place}, under “{heading}”" if heading else place


# Pages


def write_pages(manifest: Manifest, places: Places, request: Request, coming: Collection[str] = ()) -> None:
    """Write the pages that are not there or no longer true, then the index, then the manifest that vouches for them.

    Any page may be touched by a run: it links to its neighbours and compares its numbers with theirs. Links lead to
    the notebooks that are ``coming`` too, so that a page need not be written again when they have run.
    """
    records = read_records(manifest, places)
    manifest.pages = {name: key for name, key in manifest.pages.items() if name in manifest.notebooks}
    for name in records:
        key = page_key(name, manifest, places, records, coming)
        whole = record.same(places.page(name), manifest.files.get(f"html/{name}.html"))
        if manifest.pages.get(name) != key or not whole:
            begun = time.monotonic()
            try:
                text = page(name, manifest, places, records, coming)
                manifest.pages[name] = key
            except Exception as error:  # whatever is wrong with one page, the others are written
                text = unrendered(name, manifest, places, error, coming)
                manifest.pages.pop(name, None)  # tried again by the next command
            write_whole(places.page(name), text)
            add_rendering(manifest.notebooks[name], time.monotonic() - begun)
    manifest.index = index_key(places)
    graded = grades(manifest, records, places)
    write_marks(places.folder / sheet.NAME, records, graded)
    write_explore(manifest, places)
    text = render_index(manifest, records, places, command(manifest, request), graded)
    write_whole(places.folder / "index.html", text)
    record.write_manifest(places.folder, manifest)


def write_explore(manifest: Manifest, places: Places) -> None:
    """Write the page to play with from what the notebooks handed over; without any there is none."""
    found = {}
    for name in places.labs:
        if name in manifest.notebooks and places.executed(name).is_file():
            notebook = nbformat.read(places.executed(name), as_version=4)
            for _, payload in handed_over(notebook, EXHIBIT):
                found[name] = payload
    target = places.folder / "explore.html"
    if found:
        write_whole(target, render_explore(found, places.labs))
    else:
        target.unlink(missing_ok=True)


def page(
    name: str, manifest: Manifest, places: Places, records: dict[str, Record], coming: Collection[str] = ()
) -> str:
    """The page of one notebook, from what lies in the profile's folder."""
    lab, notebook = places.labs[name], nbformat.read(places.executed(name), as_version=4)
    spread = of_report(places.folder, records).get(name, {}).get("metrics")
    collect.make_anew(notebook, lab, manifest.notebooks[name], records, places.labs, spread)
    return render(
        notebook, head(name, manifest, places, coming), set(lab.deliverables), places.source(name).parent
    )  # fmt: skip


def unrendered(name: str, manifest: Manifest, places: Places, error: Exception, coming: Collection[str]) -> str:
    """A page that says, as the terminal does, that the notebook could not be shown, and why."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    say(f"{places.labs[name].number} | its page could not be rendered: {reason}")
    text = (
        f"**This notebook ran, but its page could not be rendered.** Its numbers and figures are kept.\n\n    {reason}"
    )
    return render(new_notebook(cells=[new_markdown_cell(text)]), head(name, manifest, places, coming), set())


def add_rendering(run: Run, seconds: float) -> None:
    """Add to the times of a run, if they are known, how long its page took."""
    if run.spent:
        run.spent["rendering"] = round(run.spent.get("rendering", 0.0) + seconds, 1)


def command(manifest: Manifest, request: Request) -> str:
    """The command that makes this folder again, with what differs from the defaults."""
    seeds = {run.seed for run in manifest.notebooks.values()}
    words = [f"PROFILE={manifest.profile}"]
    words += ["DATA_DIR=/path/to/data"] if request.DATA_DIR else []  # others have it elsewhere
    words += [f"FACES={request.FACES}"] if request.FACES != "auto" else []
    words += [f"SEED={seed}" for seed in seeds if len(seeds) == 1 and seed]
    words += [f"SPLIT={request.SPLIT}"] if request.SPLIT != "test" else []
    words += [f"CHANGES='{json.dumps(request.CHANGES)}'"] if request.CHANGES else []
    return " ".join(["make report", *words])


def announce(name: str, run: Run, places: Places) -> None:
    lab = places.labs[name]
    text = f"{lab.number} | {run.status} after {duration(run.seconds)}"
    if run.status == "failed":
        text += f": {run.reason} ({run.where or 'before the first cell'}; log: {shown(places.log(name))})"
    say(text)
    missing = [name for name in lab.deliverables if name not in run.deliverables]
    if missing and run.status == "ok":
        say(f"{lab.number} | not delivered: {', '.join(missing)}")
