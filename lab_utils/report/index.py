"""The page that a grader opens first: runs, deliverables, metrics against targets, how to do it again."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab_utils.config import FALLBACKS
from lab_utils.files import sha256
from lab_utils.handover import Record, bound, sureness
from lab_utils.labs.spec import DELIVERED, FAILED, NOT_RUN, WEAK, Lab, Metric, MissingValueError, values_of
from lab_utils.pictures import thumbnail
from lab_utils.report.allowed import POLICY
from lab_utils.report.html import CSS, TEMPLATES, environment
from lab_utils.report.marks import Grades
from lab_utils.report.record import Manifest, Run
from lab_utils.report.request import Places
from lab_utils.spread import of_report
from lab_utils.words import device_line, duration, source_lines

PREVIEW = TEMPLATES / "explore" / "preview.webp"  # of the page to play with
SPENT = ("start-up", "data", "training", "metrics", "figures", "rendering", "other")
ORDER = (DELIVERED, WEAK, FAILED, NOT_RUN)
AROUND, WORK = ("start-up", "figures", "rendering"), ("training", "metrics")
MOST_AROUND = 0.1  # of the work; the smoke profile hardly works

Records = Mapping[str, Record]


@dataclass(frozen=True)
class MetricRow:
    name: str
    metric: Metric
    measured: Mapping[str, Any]  # empty: it was not
    sure: str  # how far it could be another, in words
    target: str
    verdict: str

    @property
    def judged(self) -> bool:
        """Whether there is something to hold the value against."""
        return bool(self.target) or self.metric.reference is not None


@dataclass(frozen=True)
class Spent:
    """Where the time went: seconds by kind, of each notebook and of all, and what share of it was no work."""

    rows: dict[str, dict[str, float]]
    share: str
    goal: str
    verdict: str
    kinds: tuple[str, ...] = SPENT
    ratio: str = f"({' + '.join(AROUND)}) / ({' + '.join(WORK)})"


def render_index(manifest: Manifest, records: Records, places: Places, command: str, graded: Grades) -> str:
    """The index as HTML.

    ``records`` are the metrics files by notebook; labs that are not in the manifest are listed as not run. ``command``
    does all of it again.
    """
    runs, labs, profile = dict(sorted(manifest.notebooks.items())), places.labs, manifest.profile
    spread = of_report(places.folder, records)
    rows = {
        name: metric_rows(lab, records.get(name, {}), profile, spread.get(name, {}).get("metrics", {}))
        for name, lab in labs.items()
        if name in runs
    }
    data = {kind: one for run in runs.values() for kind, one in run.data.items()}
    devices = [device_line(run.provenance) or "a device not stated" for run in runs.values()]
    return environment().get_template("index.html.j2").render(
        css=CSS, policy=POLICY, profile=profile, labs=labs, runs=runs, records=records, rows=rows, command=command,
        summary=summary(labs, runs, rows, graded), findings=findings(labs, records), bounds=by_verdict(rows),
        facts=facts(runs), verification=manifest.verification,
        claims=graded.claims, marks=graded.marks,
        by_number={lab.number: name for name, lab in labs.items()},
        spent=spent(runs, profile), origin=origin(runs), data="; ".join(source_lines(data)),
        devices=" and ".join(dict.fromkeys(devices)), seconds=sum(run.seconds for run in runs.values()),
        mixed=len({run.environment.source for run in runs.values()}) > 1, commit_line=commit_line,
        explore=(places.folder / "explore.html").is_file(), preview=PREVIEW,
        thumbnail=lambda path: thumbnail(path, sha256(path)), figures=places.folder / "figures",
        other_data=lambda metric, record: bool(metric.sources(record.get("data", {})) & FALLBACKS),
    )  # fmt: skip


def summary(
    labs: Mapping[str, Lab], runs: Mapping[str, Run], rows: Mapping[str, list[MetricRow]], graded: Grades
) -> list[tuple[str, str]]:
    """How many of what there should be there is, in words."""
    made = Counter(mark.status for some in graded.marks.values() for mark in some)
    marked = ", ".join(f"{made[word]} {word}{named(word, graded)}" for word in ORDER if made[word])
    verdicts = Counter(row.verdict for some in rows.values() for row in some)
    words = {"met": "met", "not met": "not met", "other data": "set for other data", "missing": "not measured"}
    bounds = ", ".join(f"{verdicts[key]} {word}" for key, word in words.items() if verdicts[key])
    return [
        ("Notebooks", f"{sum(run.status == 'ok' for run in runs.values())} of {len(labs)} ran to their end"),
        ("Deliverables", marked),
        ("Targets", bounds or "none for this profile"),
        ("Time", duration(sum(run.seconds for run in runs.values()))),
    ]


def named(word: str, graded: Grades) -> str:
    """The deliverables that are weak or failed, as in `` (vae.5)``."""
    some = [mark.id for marks in graded.marks.values() for mark in marks if mark.status == word]
    return f" ({', '.join(some)})" if word in (WEAK, FAILED) else ""


def findings(labs: Mapping[str, Lab], records: Records) -> dict[str, str]:
    """What was found, by notebook, of those that came to their end and measured what it takes."""
    found = {}
    for name, lab in labs.items():
        if lab.finding and records.get(name, {}).get("status") == "ok":
            with contextlib.suppress(MissingValueError):
                found[name] = lab.finding.text(values_of(records[name]["metrics"]))
    return found


def by_verdict(rows: Mapping[str, list[MetricRow]]) -> dict[str, list[tuple[str, MetricRow]]]:
    """The metrics with a target, with their notebooks: missed, met, or without a word here."""
    found: dict[str, list[tuple[str, MetricRow]]] = {"not met": [], "met": [], "other data": [], "missing": []}
    for name, some in rows.items():
        for row in some:
            if row.target and row.verdict in found:
                found[row.verdict].append((name, row))
    return {said: some for said, some in found.items() if some}


# Metrics


def metric_rows(lab: Lab, record: Record, profile: str, over_seeds: Mapping[str, Any]) -> list[MetricRow]:
    """One row for each metric of the lab, then those that only the notebook knows.

    ``over_seeds`` holds what other seeds gave, by metric.
    """
    measured, rows = record.get("metrics", {}), []
    unknown = {name: Metric(name, one.get("unit", "")) for name, one in measured.items()}
    for name in dict.fromkeys([*lab.metrics, *measured]):
        metric, found = lab.metrics.get(name) or unknown[name], measured.get(name, {})
        sources = metric.sources(record.get("data", {}))
        said = verdict(found.get("value"), *metric.target(profile, sources), bool(metric.higher_is_better))
        sure = sureness(metric, found, over_seeds.get(name)) if found else ""
        rows.append(MetricRow(name, metric, found, sure, bound(metric, profile, sources), said))
    return rows


def verdict(value: float | None, goal: float | None, elsewhere: bool, at_least: bool) -> str:
    """In words: met, not met, no target, other data, or missing. The goal is a bound from below or from above."""
    if value is None:
        return "missing"
    if goal is None:
        return "no target"
    if elsewhere:
        return "other data"
    return "met" if (value >= goal if at_least else value <= goal) else "not met"


# Time


def spent(runs: Mapping[str, Run], profile: str) -> Spent | None:
    """Where the time went, by notebook and in all; None if no run has noted it."""
    noted = {name.split("_")[0]: run.spent for name, run in sorted(runs.items()) if run.spent}
    if not noted:
        return None
    total = {kind: sum(times.get(kind, 0.0) for times in noted.values()) for kind in SPENT}
    around, work = (sum(total[kind] for kind in kinds) for kinds in (AROUND, WORK))
    share = round(around / work, 3) if work else None  # as it is shown, so that the verdict is of what is read
    return Spent(
        noted | {"All": total},
        "" if share is None else f"{100 * share:.1f} %",
        "" if profile == "smoke" else f"{100 * MOST_AROUND:.0f} %",
        verdict(share, MOST_AROUND, elsewhere=False, at_least=False),
    )


# How to do it again


def origin(runs: Mapping[str, Run]) -> str:
    """How to get the source: from git if one commit holds all of it."""
    states = [run.environment.git for run in runs.values()]
    if any(state is None for state in states):
        return "Have the same source: no commit is known of it, its content hash is below."
    if any(state.dirty for state in states):
        return "Have the same source: it had changes that are in no commit; its content hash is below."
    commits = list(dict.fromkeys(state.commit for state in states))
    return f"Check out commit {commits[-1]}" + (", or for single notebooks those below." if len(commits) > 1 else ".")


def commit_line(run: Run) -> str:
    git = run.environment.git
    if git is None:
        why = run.environment.no_git.partition(";")[0]  # without what to do
        return f"not known: {why}" if why else "not known"
    return f"{git.commit[:10]}{' with changes' if git.dirty else ''}"


def facts(runs: Mapping[str, Run]) -> list[tuple[str, str]]:
    """What produced these results: each fact once, all its values where notebooks differ."""
    found: dict[str, dict[str, None]] = {}
    for run in sorted(runs.values(), key=lambda run: run.finished, reverse=True):
        for name, text in filter(all, run_facts(run)):
            found.setdefault(name, {})[text] = None
    finished = [("Finished", max(run.finished for run in runs.values()))] if runs else []
    return [(name, "; ".join(texts)) for name, texts in found.items()] + finished


def run_facts(run: Run) -> list[tuple[str, str]]:
    made_from, versions = run.environment, run.environment.packages
    return [
        ("Device", device_line(run.provenance)),
        *(("Data", line) for line in source_lines(run.data)),
        ("Seed", str(run.seed)),
        ("Commit", commit_line(run)),
        ("Source", made_from.source[:12]),
        ("Python", made_from.python),
        ("Packages", ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy") if versions.get(name))),
    ]
