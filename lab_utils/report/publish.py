"""Puts a finished report where it is committed: ``reports/published/<profile>-<device>-<source of the faces>/``."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab_utils.config import LabError
from lab_utils.files import locked, shown, write_whole
from lab_utils.report import depends
from lab_utils.report.pages import page_reasons
from lab_utils.report.record import Manifest, altered, read_manifest, read_report, with_hash
from lab_utils.report.request import Places, Request

LARGEST = 16_000_000  # bytes of a set, for it is kept in the repository
SCRATCH = ".publish-"  # how folders begin in which a set is made, beside the others
LEFT_OUT = ("figures/", "notebooks/")  # the pages hold both


def publish(request: Request, places: Places) -> int:
    """Copy the report of a profile, whole; the exit code. LabError says why one cannot be published."""
    read_report(places.folder, f"make report PROFILE={places.folder.name}")  # before a folder is made to hold it
    # The lock lies beside the sets, and not among what is committed.
    with locked(places.published.parent), locked(places.folder):
        for left in places.published.glob(f"{SCRATCH}*"):  # by a command that was killed
            clear(left)
        manifest = read_manifest(places.folder)
        for obstacle in obstacles(manifest, places):
            raise LabError(f"{shown(places.folder)} is not published: {obstacle}")
        target = places.published / set_name(manifest)
        places.published.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=places.published))
        try:
            made = scratch / "new"
            copy(places.folder, manifest, made)
            size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
            if size > LARGEST:
                raise LabError(f"{shown(places.folder)} is not published: it has {size:,} bytes, more than {LARGEST:,}")
            for path in (made, *made.rglob("*")):  # for all to read, whatever a person keeps for themselves
                path.chmod(0o755 if path.is_dir() else 0o644)
            put(made, target)
        finally:
            clear(scratch)
    print(f"published: {shown(target)}, {size / 1e6:.1f} MB; commit it")
    return 0


def put(made: Path, target: Path) -> None:
    """Put a set in the place of the one that is there, which is kept beside it until :func:`clear` is called."""
    if target.exists():
        (made.parent / "old").mkdir()
        os.replace(target, made.parent / "old" / target.name)
    os.replace(made, target)


def clear(scratch: Path) -> None:
    """Remove what a command made beside the sets, after putting back a set for which it brought no other."""
    for old in scratch.glob("old/*"):
        if not (scratch.parent / old.name).exists():
            os.replace(old, scratch.parent / old.name)
    shutil.rmtree(scratch)


def copy(folder: Path, manifest: Manifest, target: Path) -> None:
    """The pages, metrics and the manifest, which still knows the hashes of what is left out."""
    kept = {name: known for name, known in manifest.files.items() if not name.startswith(LEFT_OUT)}
    for name in kept:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
    left = {name: known for name, known in manifest.files.items() if name not in kept}
    published = manifest.model_copy(update={"files": kept, "left_out": left})
    write_whole(target / "manifest.json", with_hash(published))


def set_name(manifest: Manifest) -> str:
    runs = manifest.notebooks.values()
    device = {run.device or "unknown devices" for run in runs}
    source = {run.data["faces"]["source"] for run in runs if "faces" in run.data}
    if len(device) != 1 or len(source) > 1:
        raise LabError(f"its notebooks ran on {', '.join(sorted(device))} with faces from {', '.join(sorted(source))}")
    return "-".join([manifest.profile, *device, *(source or {"none"})])


def obstacles(manifest: Manifest, places: Places) -> Iterator[str]:
    """Why a report cannot be published, the plainest reason first."""
    runs = manifest.notebooks
    missing = (name for name, lab in places.labs.items() if manifest.profile in lab.profiles and name not in runs)
    yield from (f"{name} has not run; make report" for name in missing)
    yield from (f"{name}: {run.status}; make report" for name, run in runs.items() if run.status != "ok")
    for name, run in runs.items():
        if run.depends.parameters.get("CHANGES"):
            yield f"{name} ran with changed settings; make report without CHANGES"
        if run.depends.parameters.get("SPLIT") != "test":
            yield f"{name} was judged on held-out training images; make report with SPLIT=test"
    for name in runs.keys() - places.labs.keys():
        yield f"{name} is no notebook of this package; remove {shown(places.folder)} and make report"
    for name, run in runs.items():
        for deliverable in places.labs[name].deliverables:
            if deliverable not in run.deliverables:
                yield f"{name} does not deliver {deliverable}"
    if len({run.seed for run in runs.values()}) > 1:
        yield "its notebooks have different seeds; make report with one SEED"
    here = depends.git_state()
    if isinstance(here, str):
        yield f"there is no commit to say what it was made from: {here}"
    elif here.dirty:
        yield "there are changes that are not committed; commit them and make report"
    unclean = [name for name, run in runs.items() if run.environment.git is None or run.environment.git.dirty]
    again = f"make report FORCE=1 NB='{' '.join(places.labs[name].number for name in unclean)}'"
    for name, run in runs.items():
        if run.environment.git is None:
            yield f"{name} ran without a commit: {run.environment.no_git or 'none was stated'}; {again}"
        elif run.environment.git.dirty:
            yield f"{name} ran with changes that were not committed; {again}"
        yield from (f"{name}: {reason} since; make report" for reason in outdated(name, manifest, places))
    yield from (f"{file} was altered or removed; make report" for file in altered(places.folder, manifest))


def outdated(name: str, manifest: Manifest, places: Places) -> list[str]:
    """What of the source a run or its page does not have; device, data and packages are those of the run."""
    run, lab = manifest.notebooks[name], places.labs[name]
    now = depends.dependencies(places.source(name), lab, run.depends.parameters, run.data)
    same = {"data": run.depends.data, "packages": run.depends.packages, "device": run.depends.device}
    found = depends.reasons(run, now.model_copy(update=same))
    return found + page_reasons(name, manifest, places)
