"""What a page hands the report: named outputs whose payload is plain data, and the tables that are made of it.

A page shows each of these at once, in JupyterLab; the report makes it anew when it writes the page, so that a changed
title, target or sentence needs no run. Imports no torch.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lab_utils.labs.spec import Comparison, Lab, Metric, Tolerance
from lab_utils.words import nested, number

MIME = "application/vnd.lab.{}+json"
METRICS = MIME.format("metrics")  # {"data", "device", "seed", "profile", "metrics": {name: {value, n, interval, …}}}
PROVENANCE = MIME.format("provenance")  # what identifies the run
READING = MIME.format("reading")  # {"name", "values"}
COMPARISON = MIME.format("comparison")  # {"name", "sha256"}
SOURCE = MIME.format("source")  # {"module", "name"}
SPENT = MIME.format("spent")  # seconds by kind; the report takes it out of the notebook

Record = Mapping[str, Any]  # a metrics file: notebook, profile, device, seed, status, data, metrics


def bundle(mime: str, payload: Any, html: str, text: str) -> dict[str, Any]:
    """What is displayed: the payload for the report, and what JupyterLab shows of it."""
    return {mime: payload, "text/html": html, "text/plain": text}


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]], sides: Sequence[str] | None = None) -> str:
    """A table as HTML: escaped cells, each column aligned to its side, to the left if nothing is said."""
    sides = sides or ["left"] * len(head)

    def line(tag: str, cells: Sequence[Any]) -> str:
        aligned = zip(sides, cells, strict=True)
        return "".join(f'<{tag} style="text-align: {side}">{escape(str(cell))}</{tag}>' for side, cell in aligned)

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def plain(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """The same for a terminal: a line for each row."""
    return "\n".join("  ".join(map(str, row)) for row in (head, *rows))


# Metrics


METRIC_HEAD = ("metric", "value", "how sure", "unit", "n", "target", "what", "reference")


def metric_rows(
    lab: Lab,
    measured: Mapping[str, Mapping],
    profile: str,
    data: Mapping[str, Mapping[str, Any]],
    over_seeds: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[list[str]]:
    """A row for each metric of the lab that was measured, as METRIC_HEAD names the columns.

    ``data`` is what was used, by kind; ``over_seeds`` holds what other seeds gave, by metric.
    """
    others = over_seeds or {}
    return [
        [
            name,
            number(measured[name]["value"]),  # next to the name, so that a telephone shows both
            sureness(spec, measured[name], others.get(name)),
            spec.unit,
            "" if measured[name].get("n") is None else f"{measured[name]['n']:,}",
            bound(spec, profile, spec.sources(data)),
            spec.title,
            referred(spec, measured[name]),
        ]
        for name, spec in lab.metrics.items()
        if name in measured
    ]


def sureness(spec: Metric, entry: Mapping[str, Any], over_seeds: Mapping[str, Any] | None = None) -> str:
    """How far a value could be another: over seeds, over images, or else the tolerance.

    As in ``mean 6.520 (95 %: 5.901 to 7.139; 3 seeds)`` or ``± 30 %``.
    """
    parts = []
    if over_seeds and over_seeds.get("interval"):
        low, high = map(number, over_seeds["interval"])
        parts.append(f"mean {number(over_seeds['mean'])} (95 %: {low} to {high}; {over_seeds['n']} seeds)")
    elif entry.get("range") and entry.get("seeds", 0) > 1:
        low, high = map(number, entry["range"])
        parts.append(f"{low} to {high} ({entry['seeds']} seeds)")
    if entry.get("interval"):
        parts.append("95 %: " + " to ".join(map(number, entry["interval"])) + (" (images)" if parts else ""))
    return "; ".join(parts) or allowed_in_words(spec.tolerance)


def allowed_in_words(allowed: Tolerance) -> str:
    """As in ``± 30 % or 0.1``."""
    parts = [f"{allowed.relative:.0%}".replace("%", " %")] if allowed.relative else []
    parts += [f"{allowed.absolute:g}"] if allowed.absolute else []
    return f"± {' or '.join(parts)}" if parts else ""


def referred(spec: Metric, entry: Mapping[str, Any]) -> str:
    """What a number is to be seen beside: somebody else's figure, or what real images reach."""
    parts = [f"{spec.reference:g} ({spec.whence})"] if spec.reference is not None else []
    return "; ".join([*parts, *([f"real images: {scale_in_words(entry['anchors'])}"] if entry.get("anchors") else [])])


def scale_in_words(anchors: Mapping[str, float]) -> str:
    """As in ``1.5 as they are; 14.0 noised, σ 0.1``, from near to far."""
    return "; ".join(f"{number(value)} {name}" for name, value in sorted(anchors.items(), key=lambda one: one[1]))


def bound(spec: Metric, profile: str, sources: set[str]) -> str:
    """The target of a metric in a profile, in words; empty where there is none."""
    goal, elsewhere = spec.target(profile, sources)
    if goal is None:
        return ""
    return f"{'≥' if spec.higher_is_better else '≤'} {number(goal)}{' (set for other data)' if elsewhere else ''}"


# Comparisons across notebooks


def compared(
    comparison: Comparison, own: str, sha256: str, records: Mapping[str, Record], labs: Mapping[str, Lab]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a comparison on the page of the notebook ``own``, whose data has this ``sha256``.

    ``records`` are the metrics files by notebook, that of ``own`` among them. What cannot stand beside its numbers is
    "not run".
    """
    names = notebooks_of(comparison)
    head = ["measured", *(title(name, labs) for name in names)]
    found = {name: measurements(comparison, own, sha256, records.get(name), name) for name in names}
    rows = [
        [
            words,
            *(
                quoted(found[name].get(wanted[name]), wanted[name], labs[name]) if name in wanted else ""
                for name in names
            ),
        ]
        for words, wanted in comparison.rows.items()
    ]
    return head, rows


def notebooks_of(comparison: Comparison) -> list[str]:
    """The notebooks of a comparison, in the same order on every page."""
    return sorted({name for wanted in comparison.rows.values() for name in wanted})


def title(name: str, labs: Mapping[str, Lab]) -> str:
    """Number and title of a notebook."""
    return f"{labs[name].number} {labs[name].title}" if name in labs else name


def measurements(
    comparison: Comparison, own: str, sha256: str, record: Record | None, name: str
) -> Mapping[str, Mapping[str, Any]]:
    """What a notebook measured, as far as it can be compared."""
    if record is None or (name != own and obstacle(comparison, sha256, record)):
        return {}
    return record["metrics"]


def obstacle(comparison: Comparison, sha256: str, record: Record | None) -> str:
    """Why the numbers of another notebook cannot stand beside these; empty if they can."""
    if record is None:
        return "not run in this report"
    if record["status"] != "ok":
        return f"not run to its end ({record['status']})"
    theirs = record["data"].get(comparison.kind, {})
    if theirs.get("sha256") != sha256:
        return f"not run on the {comparison.kind} of this page, but on others ({theirs.get('source', 'none')})"
    return ""


def quoted(measured: Mapping[str, Any] | None, metric: str, lab: Lab) -> str:
    """As in ``0.983 fraction (95 %: 0.980 to 0.986; n 10,000)``."""
    if measured is None:
        return "not run"
    details = []
    if measured.get("interval"):
        details.append("95 %: " + " to ".join(map(number, measured["interval"])))
    if measured.get("n"):
        details.append(f"n {measured['n']:,}")
    value = f"{number(measured['value'])} {lab.metrics[metric].unit}".strip()
    return f"{value} ({'; '.join(details)})" if details else value


def filled(
    comparison: Comparison, own: str, sha256: str, records: Mapping[str, Record], labs: Mapping[str, Lab]
) -> str:
    """A comparison as HTML, and under it where each notebook's numbers come from, or why they are not there."""
    origins = (
        origin(comparison, own, sha256, records.get(name), name, title(name, labs)) for name in notebooks_of(comparison)
    )
    return f"{table(*compared(comparison, own, sha256, records, labs))}<p>{' '.join(origins)}</p>"


def origin(comparison: Comparison, own: str, sha256: str, record: Record | None, name: str, titled: str) -> str:
    """One sentence on a notebook of a comparison, with a link to its page if there is one."""
    said = "" if name == own and record else obstacle(comparison, sha256, record)
    if not said:
        said = f"seed {record['seed']}, {record['device'] or 'device not stated'}"
        wanted = {row[name] for row in comparison.rows.values() if name in row}
        if lacking := sorted(wanted - set(record["metrics"])):
            said += f", but its record holds no {', '.join(lacking)}"
    if name == own:
        return f"{escape(titled)} (this page): {escape(said)}."
    link = f'<a href="{escape(name)}.html">{escape(titled)}</a>' if record else escape(titled)
    return f"{link}: {escape(said)}."


# Provenance


def provenance_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What identifies a run, a row each."""
    return [(key.replace("_", " "), nested(value)) for key, value in facts.items()]
