"""Runs a report again in a directory of its own and compares every metric with the published ones."""

import math
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab_utils.config import LabError
from lab_utils.files import locked, shown
from lab_utils.handover import Record
from lab_utils.labs.spec import Lab, Tolerance
from lab_utils.report import depends
from lab_utils.report.depends import load_data
from lab_utils.report.plan import run
from lab_utils.report.record import (
    DamagedError,
    Data,
    Manifest,
    Row,
    Verification,
    altered,
    read_manifest,
    read_metrics,
    read_or_set_aside,
)
from lab_utils.report.request import Places, Request, new_token
from lab_utils.words import number

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
ORDER = (DIFFERENT, WITHIN, IDENTICAL)


def verify(request: Request, places: Places) -> int:
    """Run the notebooks again and compare; the exit code, 1 if anything differs.

    An interrupted verification goes on where it stopped; a finished one is done anew.
    """
    for word in ("CHANGES", "FORCE"):
        if getattr(request, word):
            raise LabError(f"{word}: a verification compares a whole run with the published one; leave {word} out")
    if request.SPLIT != "test":
        raise LabError(f"SPLIT={request.SPLIT}: what is published was judged on the test split; leave SPLIT out")
    depends.check_notebooks(request, places)
    data = load_data(request, places.labs)
    reports = places.folder.parent
    published = find_set(request, places.published, data)
    known = read_manifest(published)
    for name in request.NB:  # a damaged file must be found before hours of work
        read_metrics(published / "metrics" / f"{name}.json")
    seed = known.notebooks[request.NB[0]].seed
    if request.SEED not in (None, seed):
        raise LabError(f"SEED={request.SEED}: {published.name} was published with seed {seed}; leave SEED out")
    request = replace(request, SEED=seed)
    scratch = replace(places, folder=reports / "verify" / published.name, token=new_token())
    if read_or_set_aside(scratch.folder).verification:
        shutil.rmtree(scratch.folder)
    code = run(request, scratch)
    if code not in (0, 1):  # interrupted
        return code
    from lab_utils.report.build import write_pages  # with all that renders, which takes long to import

    with locked(scratch.folder):
        manifest = read_manifest(scratch.folder)
        rows = [row for name in request.NB for row in compared(places.labs[name], published, scratch.folder)]
        found = conclusion(request, rows, known, manifest, places, published.name)
        found.differences += [f"{file} is not as it was published" for file in altered(published, known)]
        manifest.verification = found
        write_pages(manifest, scratch, request)
    tell(request, rows, found, places)
    print(f"verification: {shown(scratch.folder / 'index.html')}")
    return int(found.verdict == DIFFERENT)


def find_set(request: Request, sets: Path, data: Data) -> Path:
    """The published set of this profile, class of device and sources of data. LabError if there is none.

    A damaged one is passed over with a line, unless it may be the one: then DamagedError says what mends it.
    """
    device = depends.device()
    folders = sorted(sets.glob(f"{request.PROFILE}-{device}-*"))
    runs, broken = {}, []
    for folder in folders:
        try:
            runs[folder] = read_manifest(folder).notebooks
        except DamagedError as error:
            broken.append(error)
    for folder, known in runs.items():
        if all(name in known and same_sources(known[name].data, data) for name in request.NB):
            for error in broken:
                print(f"passed over: {error}", flush=True)
            return folder
    if broken:
        raise broken[0]
    if folders and not any(runs.values()):
        raise LabError(
            f"{folders[0].name} was published by an earlier version of this package; publish one of this first"
        )
    here = ", ".join(f"{kind} from {one['source']}" for kind, one in sorted(data.items()))
    there = ", ".join(sorted(folder.parent.name for folder in sets.glob("*/manifest.json"))) or "none"
    raise LabError(
        f"no published set has profile {request.PROFILE}, device {device} and {here}; published: {there}; give another "
        "PROFILE, DATA_DIR or FACES"
    )


def same_sources(before: Data, now: Data) -> bool:
    return all(before[kind]["source"] == one["source"] for kind, one in now.items() if kind in before)


# Numbers


def compared(lab: Lab, published: Path, scratch: Path) -> list[Row]:
    """One row for every metric that either run of a notebook has, and one for each of its data sets that differs."""
    before, now = (read_metrics(folder / "metrics" / f"{lab.name}.json") for folder in (published, scratch))
    rows = [
        Row(
            notebook=lab.name, name=f"{lab.number} data: {kind}", tolerance="", verdict=DIFFERENT,
            published=fingerprint(before, kind), here=fingerprint(now, kind),
        )
        for kind in before["data"]
        if before["data"][kind] != now["data"].get(kind)
    ]  # fmt: skip
    names = sorted({*before["metrics"], *now["metrics"]})
    return rows + [row(lab, name, before["metrics"].get(name), now["metrics"].get(name)) for name in names]


def row(lab: Lab, metric: str, old: Mapping | None, new: Mapping | None) -> Row:
    allowed = lab.metrics[metric].tolerance if metric in lab.metrics else Tolerance()
    return Row(
        notebook=lab.name, name=f"{lab.number} {metric}",
        tolerance=in_words(allowed), verdict=verdict(allowed, old, new),
        published=number(old["value"]) if old else "missing", here=number(new["value"]) if new else "missing",
    )  # fmt: skip


def fingerprint(record: Record, kind: str) -> str:
    return record["data"].get(kind, {}).get("sha256", "missing")[:12]


def verdict(allowed: Tolerance, before: Mapping | None, now: Mapping | None) -> str:
    """How a metric of one run stands to that of another; both as the metrics files have it."""
    if before == now:
        return IDENTICAL
    if before is None or now is None or before.get("n") != now.get("n"):
        return DIFFERENT
    old, new = before["value"], now["value"]
    if old is None or new is None:
        return IDENTICAL if old is new else DIFFERENT
    return WITHIN if math.isclose(old, new, rel_tol=allowed.relative, abs_tol=allowed.absolute) else DIFFERENT


def in_words(allowed: Tolerance) -> str:
    parts = [f"{allowed.relative:.0%}"] if allowed.relative else []
    return " or ".join([*parts, *([f"{allowed.absolute:g}"] if allowed.absolute else [])])


# What is said of them


def conclusion(
    request: Request, rows: list[Row], known: Manifest, manifest: Manifest, places: Places, name: str
) -> Verification:
    """What a page says of the comparison with the published set ``name``."""
    failed = [f"{n} {manifest.notebooks[n].status}" for n in request.NB if manifest.notebooks[n].status != "ok"]
    verdicts = Counter(row.verdict for row in rows)
    worst = DIFFERENT if failed else next((word for word in ORDER if verdicts[word]), IDENTICAL)
    texts = [f"{places.labs[n].number}: {text}" for n in request.NB for text in differences(n, known, manifest)]
    unlike = [row for row in rows if row.verdict != IDENTICAL]
    return Verification(
        published_set=name,
        source=", ".join(sorted({known.notebooks[n].environment.source[:12] for n in request.NB})),
        verdict=worst,
        counts=f"of {len(rows)} values " + ", ".join(f"{verdicts[word]} {word}" for word in reversed(ORDER)),
        figures=figures_equal(request, known, manifest),
        differences=failed + texts,
        rows=sorted(unlike, key=lambda row: ORDER.index(row.verdict)),
    )


def figures_equal(request: Request, known: Manifest, manifest: Manifest) -> str:
    """How many pictures are the very same."""
    before = {**known.files, **known.left_out}
    names = [file for file in before if file.startswith(tuple(f"figures/{name}/" for name in request.NB))]
    same = sum(manifest.files.get(file) == before[file] for file in names)
    return f"Of {len(names)} figures {same} are equal to the byte."


def differences(name: str, known: Manifest, manifest: Manifest) -> list[str]:
    """What may be the cause where numbers differ: everything that decides them and is not the same."""
    runs = known.notebooks[name], manifest.notebooks[name]
    stated = ("device_name", "threads", "precision", "python")
    before, now = ({what: run.provenance.get(what) for what in stated} | run.environment.packages for run in runs)
    found = [f"{what} was {old}, is {new}" for what, old, new in depends.differing(before, now)]
    then, today = (run.depends.model_copy(update={"packages": {}}) for run in runs)
    return found + depends.changes(then, today)


def tell(request: Request, rows: list[Row], found: Verification, places: Places) -> None:
    """One line for each notebook, and one for each metric that differs."""
    for name in request.NB:
        verdicts = Counter(row.verdict for row in rows if row.notebook == name)
        counts = ", ".join(f"{verdicts[word]} {word}" for word in reversed(ORDER) if verdicts[word])
        print(f"{places.labs[name].number} | {counts}")
    for row in rows:
        if row.verdict == DIFFERENT:
            print(f"{row.name}: published {row.published}, here {row.here}, tolerance {row.tolerance or 'none'}")
    for text in found.differences:
        print(text)
    print(f"{found.verdict}: {found.counts}. {found.figures}")
