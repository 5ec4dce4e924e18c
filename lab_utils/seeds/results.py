"""What the numbers of a notebook are over its seeds.

Every interval here is of the mean over seeds of training, on the same data and with the same judge: it says how far
another set of seeds would move the mean, and nothing of other images.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from lab_utils.files import locked, to_json, write_whole
from lab_utils.spread import Entry, read_results
from lab_utils.words import listed, number

SAME = ("notebook", "changes", "data")  # an entry with these replaces another
HEAD = ("metric", "mean", "95 % interval", "unit", "values")


def interval(values: Sequence[float]) -> list[float] | None:
    """The 95 % t-interval of the mean over seeds of training; None for fewer than two."""
    if len(values) < 2:
        return None
    half = t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return [fmean(values) - half, fmean(values) + half]


def over_seeds(name: str, changes: Mapping[str, Any], data: Mapping[str, str], records: Mapping[int, Entry]) -> Entry:
    """The entry of a notebook with these changes: ``records`` are its ``metrics.json`` by seed, ``data`` hashes.

    A value that is not finite, or that a seed does not have, is None and not counted; what is no number is left out.
    """
    metrics = {}
    for metric in dict.fromkeys(metric for record in records.values() for metric in record["metrics"]):
        entries = [record["metrics"].get(metric, {}) for record in records.values()]
        values = [entry.get("value") for entry in entries]
        if any(isinstance(value, bool) or not isinstance(value, int | float | None) for value in values):
            continue
        counted = [value for value in values if value is not None]
        metrics[metric] = {
            "values": values,
            "mean": fmean(counted) if counted else None,
            "interval": interval(counted),
            "unit": next((entry["unit"] for entry in entries if "unit" in entry), ""),
            "n": len(counted),
        }
        if any("by_seed" in entry for entry in entries):  # of trainings within each run
            metrics[metric]["by_seed"] = [entry.get("by_seed") for entry in entries]
    return {"notebook": name, "changes": dict(changes), "seeds": list(records), "data": dict(data), "metrics": metrics}


def add_results(folder: Path, profile: str, entries: Sequence[Entry]) -> None:
    """Put entries into ``seeds.json``, in the place of those for the same notebook, changes and data."""
    with locked(folder / "runs"):
        same = [[entry[key] for key in SAME] for entry in entries]
        others = [entry for entry in read_results(folder) if [entry[key] for key in SAME] not in same]
        write_whole(folder / "seeds.json", to_json({"profile": profile, "results": [*others, *entries]}))


def table(entry: Entry) -> str:
    """The metrics of an entry in aligned columns."""
    rows = [
        (
            name,
            number(metric["mean"]),
            " to ".join(map(number, metric["interval"])) if metric["interval"] else "–",
            metric["unit"],
            "  ".join(map(number, metric["values"])),
        )
        for name, metric in sorted(entry["metrics"].items())
    ]
    return aligned([HEAD, *rows])


def seeds_in_words(seeds: Sequence[int]) -> str:
    """``seed 3``, ``seeds 0, 1 and 2``."""
    return f"seed{'s' * (len(seeds) != 1)} {listed([str(seed) for seed in seeds])}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as lines, each column as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
