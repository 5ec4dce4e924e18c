"""Runs a report again in a directory of its own and compares every metric with the published ones."""

import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab_utils.catalogue import number
from lab_utils.config import LabError
from lab_utils.report import cache, provenance
from lab_utils.report.files import locked, read_json, shown
from lab_utils.report.pipeline import Places, load_data, run
from lab_utils.report.request import Request, number_of
from lab_utils.report.tolerances import tolerance

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
ORDER = (DIFFERENT, WITHIN, IDENTICAL)


def verify(request: Request, places: Places) -> int:
    """Run the notebooks again and compare; the exit code, 1 if anything differs.

    An interrupted verification goes on where it stopped; a finished one is done anew.
    """
    data = load_data(request, places.catalogue)
    reports = places.folder.parent
    published = find_set(request, reports / "published", data)
    known = provenance.read_manifest(published)
    seed = known["notebooks"][request.NB[0]]["seed"]
    if request.SEED not in (0, seed):  # 0 is also what it is if nobody gives one
        raise LabError(f"SEED={request.SEED}: {published.name} was published with seed {seed}; leave SEED out")
    request = replace(request, SEED=seed)
    scratch = replace(places, folder=reports / "verify" / published.name)
    if "verification" in provenance.read_manifest(scratch.folder):
        shutil.rmtree(scratch.folder)
    code = run(request, scratch)
    if code not in (0, 1):  # interrupted
        return code
    from lab_utils.report.pages import write_pages

    with locked(scratch.folder):
        manifest = provenance.read_manifest(scratch.folder)
        rows = [row for name in request.NB for row in compared(name, published, scratch.folder)]
        found = conclusion(request, rows, known, manifest, published.name)
        found["differences"] += [f"{file} is not as it was published" for file in provenance.altered(published, known)]
        manifest["verification"] = found
        write_pages(manifest, scratch, request)
    tell(request, rows, found)
    print(f"verification: {shown(scratch.folder / 'index.html')}")
    return int(found["verdict"] == DIFFERENT)


def find_set(request: Request, sets: Path, data: dict[str, dict]) -> Path:
    """The published set of this profile, class of device and sources of data. LabError if there is none."""
    device = cache.device()
    for folder in sorted(sets.glob(f"{request.PROFILE}-{device}-*")):
        runs = provenance.read_manifest(folder)["notebooks"]
        if all(name in runs and same_sources(runs[name]["data"], data) for name in request.NB):
            return folder
    here = ", ".join(f"{kind} from {one['source']}" for kind, one in sorted(data.items()))
    there = ", ".join(sorted(folder.parent.name for folder in sets.glob("*/manifest.json"))) or "none"
    raise LabError(
        f"no published set has profile {request.PROFILE}, device {device} and {here}; published: {there}; give another "
        "PROFILE, DATA_DIR or FACES"
    )


def same_sources(before: dict[str, dict], now: dict[str, dict]) -> bool:
    return all(before[kind]["source"] == one["source"] for kind, one in now.items() if kind in before)


def compared(name: str, published: Path, scratch: Path) -> list[dict[str, Any]]:
    """One row for every metric that either run of a notebook has, and one for each of its data sets that differs."""
    before, now = (read_json(folder / "metrics" / f"{name}.json") for folder in (published, scratch))
    prefix = number_of(name)
    rows = [
        {"notebook": name, "name": f"{prefix} data: {kind}", "tolerance": "", "verdict": DIFFERENT}
        | {"published": fingerprint(before, kind), "here": fingerprint(now, kind)}
        for kind in before["data"]
        if before["data"][kind] != now["data"].get(kind)
    ]
    for metric in sorted({*before["metrics"], *now["metrics"]}):
        old, new = before["metrics"].get(metric), now["metrics"].get(metric)
        rows.append(
            {
                "notebook": name,
                "name": f"{prefix} {metric}",
                "published": number(old["value"]) if old else "missing",
                "here": number(new["value"]) if new else "missing",
                "tolerance": in_words(metric),
                "verdict": verdict(metric, old, new),
            }
        )
    return rows


def fingerprint(record: dict[str, Any], kind: str) -> str:
    return record["data"].get(kind, {}).get("sha256", "missing")[:12]


def verdict(metric: str, before: dict | None, now: dict | None) -> str:
    """How a metric of one run stands to that of another; both as the metrics files have it."""
    if before == now:
        return IDENTICAL
    if before is None or now is None or before.get("n") != now.get("n"):
        return DIFFERENT
    old, new = before["value"], now["value"]
    if old is None or new is None:
        return IDENTICAL if old is new else DIFFERENT
    relative, absolute = tolerance(metric)
    return WITHIN if math.isclose(old, new, rel_tol=relative, abs_tol=absolute) else DIFFERENT


def in_words(metric: str) -> str:
    relative, absolute = tolerance(metric)
    return " or ".join([*([f"{relative:.0%}"] if relative else []), *([f"{absolute:g}"] if absolute else [])])


def conclusion(
    request: Request, rows: list[dict[str, Any]], known: dict[str, Any], manifest: dict[str, Any], name: str
) -> dict[str, Any]:
    """What a page says of the comparison."""
    failed = [
        f"{n} {manifest['notebooks'][n]['status']}" for n in request.NB if manifest["notebooks"][n]["status"] != "ok"
    ]
    verdicts = Counter(row["verdict"] for row in rows)
    worst = DIFFERENT if failed else next((word for word in ORDER if verdicts[word]), IDENTICAL)
    return {
        "set": name,
        "published": ", ".join(sorted({known["notebooks"][n]["environment"]["source"][:12] for n in request.NB})),
        "verdict": worst,
        "counts": f"of {len(rows)} values " + ", ".join(f"{verdicts[word]} {word}" for word in reversed(ORDER)),
        "figures": figures_equal(request, known, manifest),
        "differences": failed + [text for n in request.NB for text in differences(n, known, manifest)],
        "rows": sorted(
            (row for row in rows if row["verdict"] != IDENTICAL), key=lambda row: ORDER.index(row["verdict"])
        ),
    }


def figures_equal(request: Request, known: dict[str, Any], manifest: dict[str, Any]) -> str:
    """How many pictures are the very same."""
    before = {**known["files"], **known.get("left_out", {})}
    names = [file for file in before if file.startswith(tuple(f"figures/{name}/" for name in request.NB))]
    same = sum(manifest["files"].get(file) == before[file] for file in names)
    return f"Of {len(names)} figures {same} are equal to the byte."


def differences(name: str, known: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """What may be the cause where numbers differ: everything that decides them and is not the same."""
    runs = known["notebooks"][name], manifest["notebooks"][name]
    stated = ("device_name", "threads", "precision", "python")
    before, now = (
        {what: run["provenance"].get(what) for what in stated} | run["environment"]["packages"] for run in runs
    )
    found = [f"{what} was {before.get(what)}, is {value}" for what, value in cache.differing(before, now)]
    then, today = (run["depends"] for run in runs)
    changed = [file for file, _ in cache.differing(then["modules"], today["modules"])]
    changed += ["its code cells"] if then["code"] != today["code"] else []
    found += [f"changed since: {', '.join(changed)}"] if changed else []
    return [f"{number_of(name)}: {text}" for text in found]


def tell(request: Request, rows: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """One line for each notebook, and one for each metric that differs."""
    for name in request.NB:
        verdicts = Counter(row["verdict"] for row in rows if row["notebook"] == name)
        counts = ", ".join(f"{verdicts[word]} {word}" for word in reversed(ORDER) if verdicts[word])
        print(f"{number_of(name)} | {counts}")
    for row in rows:
        if row["verdict"] == DIFFERENT:
            allowed = row["tolerance"] or "none"
            print(f"{row['name']}: published {row['published']}, here {row['here']}, tolerance {allowed}")
    for text in found["differences"]:
        print(text)
    print(f"{found['verdict']}: {found['counts']}. {found['figures']}")
