"""The page that a grader opens first: runs, deliverables, metrics against targets, how to do it again."""

import base64
import io
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from lab_utils.catalogue import FALLBACKS, NOTEBOOKS, NUMBERS, Metric, Notebook, number, target
from lab_utils.report import claims
from lab_utils.report.files import sha256
from lab_utils.report.pipeline import Places
from lab_utils.report.render import css, environment
from lab_utils.report.request import number_of

THUMBNAIL = (416, 256)  # pixels at most, twice of what a page shows
SPENT = ("start-up", "data", "training", "metrics", "figures", "rendering", "other")
AROUND, WORK = ("start-up", "figures", "rendering"), ("training", "metrics")
MOST_AROUND = 0.1  # of the work; the smoke profile hardly works


def render_index(manifest: dict[str, Any], metrics: dict[str, Any], places: Places, command: str) -> str:
    """The index as HTML.

    ``metrics`` holds the content of the metrics file by notebook; notebooks of the catalogue that are not in the
    manifest are listed as not run. ``command`` does all of it again.
    """
    runs, profile = manifest["notebooks"], manifest["profile"]
    sections = [
        section(name, entry, runs.get(name), metrics.get(name), profile, places.folder)
        for name, entry in places.catalogue.items()
    ]
    page = environment().get_template("index.html.j2")
    return page.render(
        css=css(),
        profile=profile,
        sections=sections,
        summary=summary(sections),
        claims=claims.rows(metrics) if set(places.catalogue) == set(NOTEBOOKS) else [],
        verification=manifest.get("verification"),
        spent=spent(runs, profile),
        command=command,
        again=again(runs),
        mixed=len({run["environment"]["source"] for run in runs.values()}) > 1,
        facts=facts(runs),
    )


def summary(sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """How many of what there should be there is, in words."""
    made = [figures is not None for part in sections for _, _, figures, _ in part["deliverables"]]
    verdicts = Counter(row["verdict"] for part in sections for row in part["metrics"])
    words = {"met": "met", "not met": "not met", "other data": "set for other data", "missing": "not measured"}
    bounds = ", ".join(f"{verdicts[key]} {word}" for key, word in words.items() if verdicts[key])
    return [
        ("Notebooks", f"{sum(part['status'] == 'ok' for part in sections)} of {len(sections)} ran to their end"),
        ("Deliverables", f"{sum(made)} of {len(made)} delivered"),
        ("Targets", bounds or "none for this profile"),
        ("Time", duration(sum(part["run"]["seconds"] for part in sections if part["run"]))),
    ]


def section(
    name: str, entry: Notebook, run: dict | None, metrics: dict | None, profile: str, folder: Path
) -> dict[str, Any]:
    """Everything the page says of one notebook."""
    delivered = run["deliverables"] if run else {}
    made = {i: thumbnails(figures, folder / "figures" / name) for i, figures in delivered.items()}
    measured = metrics["metrics"] if metrics else {}
    return {
        "name": name,
        "number": number_of(name),
        "entry": entry,
        "run": run,
        "status": run["status"] if run else "not run",
        "time": duration(run["seconds"]) if run else "",
        "sources": ", ".join(source_lines(run["data"])) if run else "",
        "deliverables": [
            (i, title, made.get(i), numbers_of(i, entry, measured)) for i, title in entry.deliverables.items()
        ],
        "metrics": metric_rows(entry, metrics, profile) if run else [],
    }


def spent(runs: dict[str, Any], profile: str) -> dict[str, Any] | None:
    """Where the time went, by notebook and in all, and what share of it was no work; None if no run has noted it."""
    noted = {number_of(name): run["spent"] for name, run in sorted(runs.items()) if run.get("spent")}
    if not noted:
        return None
    total = {kind: sum(times.get(kind, 0.0) for times in noted.values()) for kind in SPENT}
    around, work = (sum(total[kind] for kind in kinds) for kinds in (AROUND, WORK))
    share = round(around / work, 3) if work else None  # as it is shown, so that the verdict is of what is read
    return {
        "kinds": SPENT,
        "rows": [
            (name, [duration(seconds) for seconds in (*(times.get(kind, 0.0) for kind in SPENT), sum(times.values()))])
            for name, times in [*noted.items(), ("All", total)]
        ],
        "ratio": f"({' + '.join(AROUND)}) / ({' + '.join(WORK)})",
        "share": None if share is None else f"{100 * share:.1f} %",
        "goal": None if profile == "smoke" else f"{100 * MOST_AROUND:.0f} %",
        "verdict": verdict(share, MOST_AROUND, others=False, higher_is_better=False),
    }


def again(runs: dict[str, Any]) -> dict[str, Any]:
    """What must be the same to get the same numbers."""
    data = {kind: one for run in runs.values() for kind, one in run["data"].items()}
    return {
        "source": origin(runs),
        "data": "; ".join(source_lines(data)),
        "time": duration(sum(run["seconds"] for run in runs.values())),
        "device": " and ".join(dict.fromkeys(device_line(run) or "a device not stated" for run in runs.values())),
        "rows": [
            {
                "number": number_of(name),
                "source": run["environment"]["source"][:12],
                "commit": commit_line(run),
                "lock": (run["environment"]["lock"] or "none")[:12],
                "seed": run["seed"],
                "device": device_line(run),
                "data": [(kind, (one.get("sha256") or "?")[:12]) for kind, one in sorted(run["data"].items())],
            }
            for name, run in sorted(runs.items())
        ],
    }


def origin(runs: dict[str, Any]) -> str:
    """How to get the source: from git if one commit holds all of it."""
    states = [run["environment"]["git"] for run in runs.values()]
    if any(state is None for state in states):
        return "Have the same source: no commit is known of it, its content hash is below."
    if any(state["dirty"] for state in states):
        return "Have the same source: it had changes that are in no commit; its content hash is below."
    commits = list(dict.fromkeys(state["commit"] for state in states))
    return f"Check out commit {commits[-1]}" + (", or for single notebooks those below." if len(commits) > 1 else ".")


def commit_line(run: dict[str, Any]) -> str:
    git = run["environment"]["git"]
    return f"{git['commit'][:10]}{' with changes' if git['dirty'] else ''}" if git else "not known"


def thumbnails(figures: list[dict[str, str]], folder: Path) -> list[dict[str, str]]:
    """The figures of a deliverable, the first of them with its picture made small."""
    if not figures:
        return []
    first = folder / figures[0]["file"]
    return [figures[0] | {"thumbnail": thumbnail(first, sha256(first))}, *figures[1:]]


@cache
def thumbnail(path: Path, content: str) -> str:
    """A picture as a small WebP in a ``data:`` address; ``content`` is its hash, for a file may be written again."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    small.save(buffer, "webp", quality=75, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def numbers_of(deliverable: str, entry: Notebook, measured: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each metric that belongs to a deliverable."""
    return [
        (name, f"{number(measured[name]['value'])} {entry.metrics[name].unit}")
        for name in NUMBERS.get(deliverable, ())
        if name in measured and name in entry.metrics
    ]


def facts(runs: dict[str, Any]) -> list[tuple[str, str]]:
    """What produced these results: each fact once, all its values where notebooks differ."""
    found: dict[str, list[str]] = {}
    for run in sorted(runs.values(), key=lambda run: run["finished"], reverse=True):
        for name, text in run_facts(run):
            if text and text not in found.setdefault(name, []):
                found[name].append(text)
    finished = [("Finished", max(run["finished"] for run in runs.values()))] if runs else []
    return [(name, "; ".join(texts)) for name, texts in found.items() if texts] + finished


def run_facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    environment = run["environment"]
    versions = environment["packages"]
    return [
        ("Device", device_line(run)),
        *(("Data", line) for line in source_lines(run["data"])),
        ("Seed", str(run["seed"])),
        ("Commit", commit_line(run)),
        ("Source", environment["source"][:12]),
        ("Python", environment["python"]),
        (
            "Packages",
            ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy") if versions.get(name)),
        ),
    ]


def device_line(run: dict[str, Any]) -> str:
    """The device as the notebook states it, with its name, threads and precision where it gives them."""
    stated = run["provenance"]
    count = stated.get("threads")
    threads = f"{count} thread{'s' * (count != 1)}" if count and stated.get("device") == "cpu" else ""
    parts = [stated.get("device_name") or stated.get("device"), threads, stated.get("precision")]
    return ", ".join(str(part) for part in parts if part)


def source_lines(data: dict[str, Any]) -> list[str]:
    return [f"{name}: {one.get('source', '?')} ({counts(one)})" for name, one in sorted(data.items())]


def counts(data: dict[str, Any]) -> str:
    """Sizes of the splits, as in ``60,000 training, 10,000 test``."""
    sizes = [(data.get("train"), "training"), (data.get("test"), "test")]
    return ", ".join(f"{n:,} {what}" for n, what in sizes if isinstance(n, int)) or "sizes not stated"


def metric_rows(entry: Notebook, record: dict[str, Any], profile: str) -> list[dict[str, Any]]:
    """One row for each metric of the catalogue, then those that only the notebook knows."""
    measured = record.get("metrics", {})
    sources = {one.get("source") for one in record.get("data", {}).values()}
    extra = {name: Metric(name, one.get("unit", "")) for name, one in measured.items() if name not in entry.metrics}
    return [
        metric_row(name, metric, measured.get(name), profile, sources)
        for name, metric in (entry.metrics | extra).items()
    ]


def metric_row(name: str, metric: Metric, measured: dict | None, profile: str, sources: set) -> dict[str, Any]:
    goal, others = target(metric, profile, sources)
    value = (measured or {}).get("value")
    return {
        "name": name,
        "metric": metric,
        "value": number(value) if measured else "missing",
        "interval": [number(end) for end in (measured or {}).get("interval") or []],
        "n": (measured or {}).get("n"),
        "seeds": (measured or {}).get("seeds"),
        "target": "" if goal is None else f"{'≥' if metric.higher_is_better else '≤'} {number(goal)}",
        "verdict": verdict(value, goal, others, metric.higher_is_better),
        "reference": "" if metric.reference is None else number(metric.reference),
        "other_data": bool(sources & FALLBACKS),
    }


def verdict(value: float | None, goal: float | None, others: bool, higher_is_better: bool | None) -> str:
    """In words: met, not met, no target, other data, or missing."""
    if value is None:
        return "missing"
    if goal is None or higher_is_better is None:
        return "no target"
    if others:
        return "other data"
    return "met" if (value >= goal if higher_is_better else value <= goal) else "not met"


def duration(seconds: float) -> str:
    """As in ``8 s`` or ``3 min 20 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
