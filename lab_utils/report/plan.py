"""The commands `run` and `data`: say what is to be done for a request, and why, and have it done."""

import contextlib
import shutil
from pathlib import Path

from lab_utils import config
from lab_utils.files import locked, remove_parts, shown
from lab_utils.report import depends, sheet
from lab_utils.report.depends import known_data, load_data, looks, remember_data
from lab_utils.report.pages import index_key, page_reasons
from lab_utils.report.record import Data, Manifest, Plan, altered, read_or_set_aside
from lab_utils.report.request import Places, Request
from lab_utils.words import source_lines

HOUR = 3600  # seconds; who has not written to a file for so long does not write to it any more
RESULTS = (".html", ".json", ".csv", ".ipynb", ".png", ".safetensors")  # what is written in a profile's folder
MADE_ONCE = (".npy", ".safetensors")  # and in the cache
WHOLE = {"index.html", "explore.html", sheet.NAME}  # what is of all notebooks together


def fetch(request: Request, places: Places) -> int:
    """Get the data that the requested notebooks use, and print what it is; the exit code."""
    for line in source_lines(load_data(request, places.labs)):
        print(line)
    return 0


def run(request: Request, places: Places) -> int:
    """Bring the requested notebooks and everything about them up to date; the exit code."""
    depends.check_notebooks(request, places)
    places.check()
    clear(places.folder, request.CACHE or config.CACHE)
    known = known_data(places.folder, looks(request, places.labs))
    data = load_data(request, places.labs) if known is None else known
    with locked(places.folder):
        for left in places.folder.glob(".work-*"):  # by a command that was killed, for none runs beside this one
            shutil.rmtree(left, ignore_errors=True)
        manifest = read_or_set_aside(places.folder)
        manifest.profile = request.PROFILE
        plan = make_plan(request, places, manifest, data)
        if plan.running and known is not None:  # a bad file must be found before an hour of work
            data = load_data(request, places.labs)
            plan = make_plan(request, places, manifest, data)
        remember_data(places.folder, looks(request, places.labs), data)
        tell(plan, places, manifest)
        code = 0
        if not plan.empty:
            # Imported here: all that executes and renders takes longer to import than finding nothing to do.
            from lab_utils.report.build import build

            code = build(plan, request, places, manifest)
    print(f"report: {shown(places.folder / 'index.html')}")
    return code


def clear(folder: Path, cache: Path) -> None:
    """Remove what was being written when its process was killed: it may be as large as all prepared images.

    The cache may be a folder that a person has other files in: there it is what lies at its top and is named as ours.
    """
    for found, kinds in ((folder.rglob(".*"), RESULTS), (cache.glob(".*"), MADE_ONCE)):
        with contextlib.suppress(OSError):  # a folder that goes meanwhile, or that nobody may read
            remove_parts((path for path in found if Path(path.stem).suffix in kinds), HOUR)


def make_plan(request: Request, places: Places, manifest: Manifest, data: Data) -> Plan:
    touched = altered(places.folder, manifest)
    now, reasons = {}, {}
    for name in request.NB:
        lab, source = places.labs[name], places.source(name)
        now[name] = depends.dependencies(source, lab, depends.parameters(request, lab), data)
        reasons[name] = depends.reasons(manifest.notebooks.get(name), now[name])
        if request.FORCE:
            reasons[name] = ["FORCE=1"]
        if not reasons[name] and f"notebooks/{name}.ipynb" in touched:
            reasons[name] = ["its executed notebook is not there or was altered"]
    running = [name for name in request.NB if reasons[name]]
    pages = {name: page_reasons(name, manifest, places, running, touched) for name in request.NB}
    index = manifest.index != index_key(places) or not WHOLE.isdisjoint(touched)
    return Plan(now, reasons, pages, index, data)


def tell(plan: Plan, places: Places, manifest: Manifest) -> None:
    """One line for each notebook: what becomes of it, and why."""
    for name, reasons in plan.reasons.items():
        if reasons:
            text = f"runs: {'; '.join(reasons)}"
        elif plan.pages[name]:
            text = f"rendered again: {'; '.join(plan.pages[name])}"
        else:
            text = f"holds: nothing that it depends on changed since {manifest.notebooks[name].finished}"
        print(f"{places.labs[name].number} | {text}", flush=True)
