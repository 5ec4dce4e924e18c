"""From a request to a report: what must run and why, and what is only rendered again."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.catalogue import Notebook
from lab_utils.config import AVATARS, LabError
from lab_utils.report import cache, provenance
from lab_utils.report.files import locked, shown
from lab_utils.report.request import Request, number_of


@dataclass(frozen=True)
class Places:
    """The directories of a report, and what it is about."""

    notebooks: Path
    folder: Path  # of the profile, below reports/
    catalogue: dict[str, Notebook]


@dataclass(frozen=True)
class Plan:
    """What is to be done for each notebook that was asked for."""

    depends: dict[str, dict[str, Any]]
    reasons: dict[str, list[str]]  # to run; none if the result that is there holds
    pages: dict[str, list[str]]  # reasons to render what holds; by notebook, and for the index
    data: dict[str, dict[str, Any]]

    @property
    def running(self) -> list[str]:
        return [name for name, reasons in self.reasons.items() if reasons]


def fetch(request: Request, places: Places) -> int:
    """Get the data that the requested notebooks use, and print what it is; the exit code."""
    from lab_utils.report.index import source_lines

    for line in source_lines(load_data(request, places.catalogue)):
        print(line)
    return 0


def run(request: Request, places: Places) -> int:
    """Bring the requested notebooks and everything about them up to date; the exit code."""
    for name in request.NB:
        source_of(name, places)
    known = known_data(request, places)
    data = load_data(request, places.catalogue) if known is None else known
    with locked(places.folder):
        for left in places.folder.glob(".work-*"):  # by a command that was killed, for none runs beside this one
            shutil.rmtree(left, ignore_errors=True)
        manifest = provenance.read_manifest(places.folder) | {"profile": request.PROFILE}
        plan = make_plan(request, places, manifest, data)
        if plan.running and known is not None:  # a bad file must be found before an hour of work
            data = load_data(request, places.catalogue)
            plan = make_plan(request, places, manifest, data)
        cache.remember_data(places.folder, looks(request, places), data)
        tell(plan, manifest)
        code = 0
        if plan.running or any(plan.pages.values()):
            # Imported here: all that executes and renders takes longer to import than finding nothing to do.
            from lab_utils.report.results import carry_out

            code = carry_out(plan, request, places, manifest)
    print(f"report: {shown(places.folder / 'index.html')}")
    return code


def source_of(name: str, places: Places) -> Path:
    path = places.notebooks / f"{name}.ipynb"
    if not path.is_file():
        raise LabError(f"{path} is not there: the notebook is listed but its file is missing")
    return path


# Data


def load_data(request: Request, catalogue: dict[str, Notebook]) -> dict[str, dict[str, Any]]:
    """Load what the notebooks will use, so that bad data is one line now and not a traceback later."""
    found = {}
    used = kinds(request, catalogue)
    # Imported here and not at the top: a wrong argument is answered at once.
    if "digits" in used:
        from lab_utils.data import digits

        found["digits"] = digits.describe(digits.load(request.DATA_DIR))
    if "faces" in used:
        from lab_utils.data import faces

        drawn = AVATARS[request.PROFILE]
        found["faces"] = faces.describe(faces.load(request.DATA_DIR, request.FACES, avatars_drawn=drawn))
    return found


def kinds(request: Request, catalogue: dict[str, Notebook]) -> set[str]:
    return {kind for name in request.NB for kind in catalogue[name].data}


def looks(request: Request, places: Places) -> dict[str, str]:
    """How the files of each kind of data look from outside."""
    asked = {"FACES": request.FACES} | provenance.packages()
    return {kind: cache.traces(kind, request.DATA_DIR, asked) for kind in kinds(request, places.catalogue)}


def known_data(request: Request, places: Places) -> dict[str, dict[str, Any]] | None:
    return cache.known_data(places.folder, looks(request, places))


# Plan


def make_plan(request: Request, places: Places, manifest: dict[str, Any], data: dict[str, dict]) -> Plan:
    runs = manifest["notebooks"]
    altered = provenance.altered(places.folder, manifest)
    depends, reasons = {}, {}
    for name in request.NB:
        depends[name] = dependencies(name, request, places, data)
        reasons[name] = cache.reasons(runs.get(name), depends[name])
        if not reasons[name] and f"notebooks/{name}.ipynb" in altered:
            reasons[name] = ["its executed notebook is not there or was altered"]
    return Plan(depends, reasons, page_reasons(request, places, manifest, altered), data)


def dependencies(name: str, request: Request, places: Places, data: dict[str, dict]) -> dict[str, Any]:
    """What decides the result of a notebook, as it is now."""
    entry = places.catalogue[name]
    used = {kind: data[kind] for kind in entry.data}
    return cache.dependencies(source_of(name, places), cache.parameters(request, entry), used, provenance.packages())


def page_reasons(
    request: Request, places: Places, manifest: dict[str, Any], altered: list[str]
) -> dict[str, list[str]]:
    """Why the page of each notebook, and the index, must be rendered although nothing runs."""
    runs = manifest["notebooks"]
    common = ["what renders it changed"] if manifest.get("renderer") != provenance.renderer() else []
    found = {"index": common + [f"{file} was altered or removed" for file in altered if file == "index.html"]}
    for name in request.NB:
        reworded = name in runs and runs[name].get("prose") != cache.prose(source_of(name, places))
        found[name] = (["its prose changed"] if reworded else []) + common
        found[name] += [f"{file} was altered or removed" for file in altered if name in file]
    return found


def tell(plan: Plan, manifest: dict[str, Any]) -> None:
    """One line for each notebook: what becomes of it, and why."""
    for name, reasons in plan.reasons.items():
        if reasons:
            text = f"runs: {'; '.join(reasons)}"
        elif plan.pages[name]:
            text = f"rendered again: {'; '.join(plan.pages[name])}"
        else:
            text = f"holds: nothing that it depends on changed since {manifest['notebooks'][name]['finished']}"
        print(f"{number_of(name)} | {text}", flush=True)
