"""The page that a grader opens first: runs, deliverables, metrics against targets, how to do it again."""

from typing import Any

from lab_utils.catalogue import FALLBACKS, Metric, Notebook, number, target
from lab_utils.report.render import css, environment


def render_index(
    profile: str, runs: dict[str, Any], metrics: dict[str, Any], catalogue: dict[str, Notebook], command: str
) -> str:
    """The index as HTML.

    ``runs`` is the manifest's record and ``metrics`` the content of the metrics file, both by notebook;
    notebooks of the catalogue that are in neither are listed as not run. ``command`` does all of it again.
    """
    sections = [section(name, entry, runs.get(name), metrics.get(name), profile) for name, entry in catalogue.items()]
    sources = {run["environment"]["source"] for run in runs.values()}
    page = environment().get_template("index.html.j2")
    return page.render(
        css=css(),
        profile=profile,
        sections=sections,
        command=command,
        mixed=len(sources) > 1,
        facts=facts(runs),
    )


def section(name: str, entry: Notebook, run: dict | None, metrics: dict | None, profile: str) -> dict[str, Any]:
    """Everything the page says of one notebook."""
    made = run["deliverables"] if run else {}
    return {
        "name": name,
        "number": name.split("_")[0],
        "entry": entry,
        "run": run,
        "status": run["status"] if run else "not run",
        "time": duration(run["seconds"]) if run else "",
        "sources": ", ".join(source_lines(run["data"])) if run else "",
        "deliverables": [(i, title, made.get(i)) for i, title in entry.deliverables.items()],
        "metrics": metric_rows(entry, metrics, profile) if run else [],
    }


def facts(runs: dict[str, Any]) -> list[tuple[str, str]]:
    """What produced these results: each fact once, all its values where notebooks differ."""
    found: dict[str, list[str]] = {}
    for run in sorted(runs.values(), key=lambda run: run["finished"], reverse=True):
        for name, text in run_facts(run):
            if text and text not in found.setdefault(name, []):
                found[name].append(text)
    return [(name, "; ".join(texts)) for name, texts in found.items() if texts]


def run_facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    environment, git = run["environment"], run["environment"]["git"]
    versions = environment["packages"]
    return [
        ("Device", device_line(run)),
        ("Data", ", ".join(source_lines(run["data"]))),
        ("Seed", str(run["seed"])),
        ("Commit", f"{git['commit'][:10]}{' with changes' if git['dirty'] else ''}" if git else ""),
        ("Source", environment["source"][:12]),
        ("Python", environment["python"]),
        (
            "Packages",
            ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy") if versions.get(name)),
        ),
        ("Finished", run["finished"]),
    ]


def device_line(run: dict[str, Any]) -> str:
    """The device as the notebook states it, with its name, threads and precision where it gives them."""
    stated = run["provenance"]
    threads = f"{stated['threads']} threads" if stated.get("threads") and stated.get("device") == "cpu" else ""
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
