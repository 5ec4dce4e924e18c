"""Runs the requested notebooks and writes what they deliver: records first, then the pages made of them."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from lab_utils.catalogue import Notebook
from lab_utils.config import AVATARS, ROOT, LabError
from lab_utils.report import outputs, provenance
from lab_utils.report.execute import INJECTED, Children, Outcome, run_notebook
from lab_utils.report.files import write_whole
from lab_utils.report.index import device_line, duration, render_index, source_lines
from lab_utils.report.render import render
from lab_utils.report.request import Request
from lab_utils.report.tables import titles


@dataclass(frozen=True)
class Places:
    """The directories of a report, and what it is about."""

    notebooks: Path
    folder: Path  # of the profile, below reports/
    catalogue: dict[str, Notebook]


def fingerprints(request: Request, catalogue: dict[str, Notebook]) -> dict[str, dict[str, Any]]:
    """Load what the notebooks will use, so that bad data is one line now and not a traceback later."""
    found = {}
    used = {kind for name in request.NB for kind in catalogue[name].data}
    # Imported here and not at the top: a wrong argument is answered at once.
    if "digits" in used:
        from lab_utils.data import digits

        found["digits"] = digits.describe(digits.load(request.DATA_DIR))
    if "faces" in used:
        from lab_utils.data import faces

        drawn = AVATARS[request.PROFILE]
        found["faces"] = faces.describe(faces.load(request.DATA_DIR, request.FACES, avatars_drawn=drawn))
    return found


def fetch(request: Request, places: Places) -> int:
    """Get the data that the requested notebooks use, and print what it is; the exit code."""
    for line in source_lines(fingerprints(request, places.catalogue)):
        print(line)
    return 0


def run(request: Request, places: Places) -> int:
    """Run the requested notebooks and write everything about them; the exit code."""
    for name in request.NB:
        source_of(name, places)
    data = fingerprints(request, places.catalogue)
    manifest = provenance.read_manifest(places.folder)
    manifest |= {"profile": request.PROFILE}
    environment = provenance.environment(places.notebooks)
    (places.folder / "logs").mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".work-", dir=places.folder))
    ended: dict[str, Outcome] = {}

    def finish(name: str, outcome: Outcome) -> None:
        ended[name] = outcome
        used = {key: data[key] for key in places.catalogue[name].data if key in data}
        manifest["notebooks"][name] = record(name, outcome, request, places, used) | {"environment": environment}
        write_pages(manifest, places, request)
        announce(name, outcome, places)

    try:
        execute_all(request, places, scratch, finish)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"report: {shown(places.folder / 'index.html')}")
    return exit_code(ended)


def execute_all(request: Request, places: Places, scratch: Path, finish: Callable[[str, Outcome], None]) -> None:
    """Run JOBS notebooks at a time, each in its own process, and hand over each as it ends.

    On an interrupt those under way are ended and handed over too, then KeyboardInterrupt is raised again.
    """
    children = Children()
    with ThreadPoolExecutor(request.JOBS) as pool:
        waiting = {pool.submit(run_one, name, request, places, scratch, children): name for name in request.NB}
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
    number = name.split("_")[0]
    print(f"{number} | {name}, profile {request.PROFILE}, seed {request.SEED}", flush=True)
    parameters = {"PROFILE": request.PROFILE, "SEED": request.SEED}
    parameters |= {"FACES": request.FACES} if "faces" in places.catalogue[name].data else {}
    return run_notebook(
        source_of(name, places), scratch / f"{name}.ipynb", log_of(name, places), parameters, request.DATA_DIR,
        children, lambda line: print(f"{number} | {line}", flush=True),
    )  # fmt: skip


def source_of(name: str, places: Places) -> Path:
    path = places.notebooks / f"{name}.ipynb"
    if not path.is_file():
        raise LabError(f"{path} is not there: the notebook is listed but its file is missing")
    return path


def log_of(name: str, places: Places) -> Path:
    return places.folder / "logs" / f"{name}.log"


def record(name: str, outcome: Outcome, request: Request, places: Places, data: dict[str, Any]) -> dict[str, Any]:
    """Write what a notebook delivered and return its entry in the manifest."""
    ids = set(places.catalogue[name].deliverables)
    metrics = outputs.metrics_record(outcome.notebook, name, request.PROFILE, request.SEED, outcome.status, data)
    write_whole(places.folder / "notebooks" / f"{name}.ipynb", nbformat.writes(outcome.notebook) + "\n")
    write_whole(places.folder / "metrics" / f"{name}.json", outputs.to_json(metrics))
    outputs.write_figures(outcome.notebook, ids, places.folder / "figures" / name)
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "cell": outcome.cell,
        "where": where(outcome),
        "seconds": round(outcome.seconds, 1),
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": request.SEED,
        "device": metrics["device"],
        "data": metrics["data"],
        "deliverables": outputs.deliverables(outcome.notebook, ids),
        "provenance": outputs.collect(outcome.notebook, outputs.PROVENANCE),
    }


def where(outcome: Outcome) -> str:
    """The cell that a run ended in, as a person finds it; empty when it did not end in one."""
    if outcome.cell is None:
        return ""
    heading = outputs.heading_above(outcome.notebook, outcome.cell)
    own = [INJECTED not in cell.metadata.get("tags", []) for cell in outcome.notebook.cells]
    place = f"cell {sum(own[: outcome.cell + 1])} of {sum(own)}"
    return f"{place}, under “{heading}”" if heading else place


def write_pages(manifest: dict[str, Any], places: Places, request: Request) -> None:
    """Write every page anew, then the index, then the manifest that vouches for them.

    All of them, because a page links to its neighbours and compares its numbers with theirs.
    """
    runs = manifest["notebooks"]
    known = [name for name in runs if name in places.catalogue]
    metrics = {name: provenance.read_json(places.folder / "metrics" / f"{name}.json") for name in known}
    for name in known:
        write_whole(places.folder / "html" / f"{name}.html", page(name, runs, metrics, places))
    text = render_index(manifest["profile"], runs, metrics, places.catalogue, command(manifest, request))
    write_whole(places.folder / "index.html", text)
    provenance.write_manifest(places.folder, manifest)


def page(name: str, runs: dict[str, Any], metrics: dict[str, Any], places: Places) -> str:
    """The page of one notebook, from what lies in the profile's folder."""
    notebook = nbformat.read(places.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs.fill_comparisons(notebook, metrics, titles(places.catalogue))
    run, entry = runs[name], places.catalogue[name]
    order = [other for other in places.catalogue if other in runs]
    at = order.index(name)
    about = {
        "title": entry.title,
        "facts": page_facts(run, places.folder.name),
        "failure": failure(name, run, places),
        "previous": neighbour(order[at - 1], places) if at > 0 else None,
        "next": neighbour(order[at + 1], places) if at + 1 < len(order) else None,
    }
    return render(notebook, about, set(entry.deliverables))


def page_facts(run: dict[str, Any], profile: str) -> list[tuple[str, str]]:
    return [
        ("Profile", profile),
        ("Device", device_line(run) or run["device"] or "not stated"),
        ("Data", "; ".join(source_lines(run["data"])) or "none"),
        ("Seed", str(run["seed"])),
        ("Time", duration(run["seconds"])),
        ("Run", run["finished"]),
    ]


def neighbour(name: str, places: Places) -> dict[str, str]:
    return {"href": f"{name}.html", "title": titles(places.catalogue)[name]}


def failure(name: str, run: dict[str, Any], places: Places) -> dict[str, Any] | None:
    if run["status"] == "ok":
        return None
    title = "This run was interrupted" if run["status"] == "interrupted" else "This run failed"
    log = log_of(name, places).relative_to(places.folder.parent.parent)
    return {
        "title": title,
        "reason": run["reason"],
        "cell": run["cell"],
        "where": run["where"],
        "log": log.as_posix(),
    }


def command(manifest: dict[str, Any], request: Request) -> str:
    """The command that makes this folder again, with what differs from the defaults."""
    seeds = {run["seed"] for run in manifest["notebooks"].values()}
    words = [f"PROFILE={manifest['profile']}"]
    words += [f"DATA_DIR={shlex.quote(os.path.relpath(request.DATA_DIR, ROOT))}"] if request.DATA_DIR else []
    words += [f"FACES={request.FACES}"] if request.FACES != "auto" else []
    words += [f"SEED={seed}" for seed in seeds if len(seeds) == 1 and seed]
    return " ".join(["make report", *words])


def announce(name: str, outcome: Outcome, places: Places) -> None:
    number = name.split("_")[0]
    text = f"{number} | {outcome.status} after {duration(outcome.seconds)}"
    if outcome.status == "failed":
        place = where(outcome) or "before the first cell"
        text += f": {outcome.reason} ({place}; log: {shown(log_of(name, places))})"
    print(text, flush=True)
    ids = places.catalogue[name].deliverables
    missing = [i for i in ids if i not in outputs.deliverables(outcome.notebook, set(ids))]
    if missing and outcome.status == "ok":
        print(f"{number} | not delivered: {', '.join(missing)}", flush=True)


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def exit_code(ended: dict[str, Outcome]) -> int:
    """0, or 1 if a notebook failed. LabError if one of them met something that a person can put right."""
    for outcome in ended.values():
        if outcome.user_error:
            raise LabError(outcome.reason)
    return int(any(outcome.status != "ok" for outcome in ended.values()))
