"""Writes the pages of a report from what lies in its folder, each only when something that it shows has changed."""

import time
from collections.abc import Collection
from typing import Any

import nbformat

from lab_utils.report import outputs, provenance
from lab_utils.report.files import digest, read_json, sha256, write_whole
from lab_utils.report.index import device_line, duration, render_index, source_lines
from lab_utils.report.pipeline import Places
from lab_utils.report.render import render
from lab_utils.report.request import Request
from lab_utils.report.tables import titles


def write_pages(manifest: dict[str, Any], places: Places, request: Request, coming: Collection[str] = ()) -> None:
    """Write the pages that are not there or no longer true, then the index, then the manifest that vouches for them.

    Any page may be touched by a run: it links to its neighbours and compares its numbers with theirs. Links lead to
    the notebooks that are ``coming`` too, so that a page need not be written again when they have run.
    """
    runs, renderer = manifest["notebooks"], provenance.renderer()
    known = [name for name in places.catalogue if name in runs]
    metrics = {name: read_json(places.folder / "metrics" / f"{name}.json") for name in known}
    rendered = {}
    for name in known:
        file, about = f"html/{name}.html", head(name, runs, places, coming)
        key = digest([renderer, about, contents(name, metrics, places)])
        whole = provenance.same(places.folder / file, manifest.get("files", {}).get(file))
        if manifest.get("pages", {}).get(name) != key or not whole:
            begun = time.monotonic()
            write_whole(places.folder / file, page(name, about, metrics, places))
            add_rendering(runs[name], time.monotonic() - begun)
        rendered[name] = key
    manifest |= {"pages": rendered, "renderer": renderer}
    write_whole(places.folder / "index.html", render_index(manifest, metrics, places, command(manifest, request)))
    provenance.write_manifest(places.folder, manifest)


def add_rendering(run: dict[str, Any], seconds: float) -> None:
    """Add to the times of a run, if they are known, how long its page took."""
    if run.get("spent"):
        run["spent"]["rendering"] = round(run["spent"].get("rendering", 0.0) + seconds, 1)


def contents(name: str, metrics: dict[str, Any], places: Places) -> list[Any]:
    """What a page is made of: its notebook, and the numbers of the others that it compares itself with."""
    executed = places.folder / "notebooks" / f"{name}.ipynb"
    return [sha256(executed), {other: metrics.get(other) for other in outputs.compared_with(read_json(executed))}]


def page(name: str, about: dict[str, Any], metrics: dict[str, Any], places: Places) -> str:
    """The page of one notebook, from what lies in the profile's folder."""
    notebook = nbformat.read(places.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs.fill_comparisons(notebook, metrics, titles(places.catalogue))
    return render(notebook, about, set(places.catalogue[name].deliverables))


def head(name: str, runs: dict[str, Any], places: Places, coming: Collection[str]) -> dict[str, Any]:
    """What stands above and around a notebook on its page."""
    order = [other for other in places.catalogue if other in runs or other in coming]
    at = order.index(name)
    return {
        "title": places.catalogue[name].title,
        "facts": page_facts(runs[name]),
        "failure": failure(name, runs[name], places),
        "previous": neighbour(order[at - 1], places) if at > 0 else None,
        "next": neighbour(order[at + 1], places) if at + 1 < len(order) else None,
    }


def page_facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Profile", run["depends"]["parameters"]["PROFILE"]),
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
    return {
        "title": "This run was interrupted" if run["status"] == "interrupted" else "This run failed",
        "reason": run["reason"],
        "cell": run["cell"],
        "where": run["where"],
        "log": f"{places.folder.parent.name}/{places.folder.name}/logs/{name}.log",
    }


def command(manifest: dict[str, Any], request: Request) -> str:
    """The command that makes this folder again, with what differs from the defaults."""
    seeds = {run["seed"] for run in manifest["notebooks"].values()}
    words = [f"PROFILE={manifest['profile']}"]
    words += ["DATA_DIR=/path/to/data"] if request.DATA_DIR else []  # others have it elsewhere
    words += [f"FACES={request.FACES}"] if request.FACES != "auto" else []
    words += [f"SEED={seed}" for seed in seeds if len(seeds) == 1 and seed]
    return " ".join(["make report", *words])
