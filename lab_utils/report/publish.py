"""Puts a finished report where it is committed: ``reports/published/<profile>-<device>-<source of the faces>/``."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lab_utils.config import LabError
from lab_utils.report import cache, provenance
from lab_utils.report.files import locked, shown, to_json, write_whole
from lab_utils.report.pipeline import Places, source_of
from lab_utils.report.request import Request

LARGEST = 8_000_000  # bytes of a set, for it is kept in the repository
LEFT_OUT = ("figures/", "notebooks/")  # the pages hold both


def publish(request: Request, places: Places) -> int:
    """Copy the report of a profile, whole; the exit code. LabError says why one cannot be published."""
    with locked(places.folder):
        manifest = provenance.read_manifest(places.folder)
        for trouble in troubles(manifest, places):
            raise LabError(f"{shown(places.folder)} is not published: {trouble}")
        target = places.folder.parent / "published" / set_name(manifest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".publish-", dir=target.parent) as scratch:
            made = Path(scratch, "new")
            copy(places.folder, manifest, made)
            size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
            if size > LARGEST:
                raise LabError(f"{shown(places.folder)} is not published: it has {size:,} bytes, more than {LARGEST:,}")
            made.chmod(0o755)
            if target.exists():
                os.replace(target, Path(scratch, "old"))
            os.replace(made, target)
    print(f"published: {shown(target)}, {size / 1e6:.1f} MB; commit it")
    return 0


def copy(folder: Path, manifest: dict[str, Any], target: Path) -> None:
    """The pages, metrics and the manifest, which still knows the hashes of what is left out."""
    kept = {name: known for name, known in manifest["files"].items() if not name.startswith(LEFT_OUT)}
    for name in kept:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
    left = {name: known for name, known in manifest["files"].items() if name not in kept}
    write_whole(target / "manifest.json", to_json(manifest | {"files": kept, "left_out": left}))


def set_name(manifest: dict[str, Any]) -> str:
    runs = manifest["notebooks"].values()
    device = {run["device"] for run in runs}
    source = {run["data"]["faces"]["source"] for run in runs if "faces" in run["data"]}
    if len(device) != 1 or len(source) > 1:
        raise LabError(f"its notebooks ran on {', '.join(sorted(device))} with faces from {', '.join(sorted(source))}")
    return "-".join([manifest["profile"], *device, *(source or {"none"})])


def troubles(manifest: dict[str, Any], places: Places) -> list[str]:
    """Why a report cannot be published, the plainest reason first."""
    runs = manifest["notebooks"]
    found = [f"{name} has not run; make report" for name in places.catalogue if name not in runs]
    found += [f"{name}: {run['status']}; make report" for name, run in runs.items() if run["status"] != "ok"]
    found += [
        f"{name} does not deliver {deliverable}"
        for name, run in runs.items()
        for deliverable in places.catalogue[name].deliverables
        if deliverable not in run["deliverables"]
    ]
    if found:
        return found
    if len({run["seed"] for run in runs.values()}) > 1:
        found.append("its notebooks have different seeds; make report with one SEED")
    here = provenance.git_state()
    if here and here["dirty"]:
        found.append("there are changes that are not committed; commit them and make report")
    for name, run in runs.items():
        if run["environment"]["git"] and run["environment"]["git"]["dirty"]:
            found.append(
                f"{name} ran with changes that were not committed; remove {shown(places.folder)} and make report"
            )
        found += [f"{name}: {reason} since; make report" for reason in outdated(name, run, manifest, places)]
    altered = provenance.altered(places.folder, manifest)
    return found + [f"{file} was altered or removed; make report" for file in altered]


def outdated(name: str, run: dict[str, Any], manifest: dict[str, Any], places: Places) -> list[str]:
    """What of the source a run or its page does not have; device, data and packages are those of the run."""
    source, before = source_of(name, places), run["depends"]
    now = cache.dependencies(source, before["parameters"], {}, before["packages"])
    found = cache.reasons(run, before | {"code": now["code"], "modules": now["modules"]})
    found += ["its prose changed"] if run["prose"] != cache.prose(source) else []
    return found + (["what renders it changed"] if manifest["renderer"] != provenance.renderer() else [])
