"""Measure what a metric may differ by between machines: write lab_utils/labs/tolerances.json.

python -m lab_utils.seeds.tolerances REPORT [OTHER ...]

REPORT is a folder that holds a report and its seeds.json, each OTHER one of the same profile and data that was made
with another number of threads, or in float32; it may lack notebooks. Training turns a rounding into what another seed
would be, so all of these are draws of the same number. A metric's tolerance is the distance from its value in REPORT
within which one more draw lies with a probability of 95 % (Student's prediction interval), or that of the farthest draw
if that is more.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from lab_utils.config import LabError
from lab_utils.files import shown, to_json, write_whole
from lab_utils.labs.spec import MEASURED
from lab_utils.report.record import read_metrics, read_report
from lab_utils.report.request import exit_code
from lab_utils.spread import of_report
from lab_utils.words import number

FEWEST_SEEDS = 3
SURE = 0.95


def measure(report: Path, others: Sequence[Path]) -> dict[str, dict[str, list[float]]]:
    """By notebook and metric, its value in the report and its tolerance; metrics without a value are left out."""
    records = records_of(report)
    spread, beside = of_report(report, records), [records_of(other) for other in others]
    found: dict[str, dict[str, list[float]]] = {}
    for name, record in records.items():
        if len(spread.get(name, {}).get("seeds", [])) < FEWEST_SEEDS:
            raise LabError(f"{report}: its seeds.json has fewer than {FEWEST_SEEDS} seeds of {name}: make seeds N=3")
        more = [one[name]["metrics"] for one in beside if name in one]
        for metric, entry in record["metrics"].items():
            seen = spread[name]["metrics"][metric]["values"] + [one[metric]["value"] for one in more if metric in one]
            draws = [one for one in seen if one is not None]
            if entry["value"] is not None:
                found.setdefault(name, {})[metric] = [entry["value"], apart(entry["value"], draws)]
    return found


def apart(value: float, draws: Sequence[float]) -> float:
    """How far one more draw may lie from a value, if ``draws`` are what was seen, the value among them."""
    n, mean = len(draws), fmean(draws)
    if n < FEWEST_SEEDS:
        return max(abs(one - value) for one in draws)
    within = student.ppf((1 + SURE) / 2, n - 1) * stdev(draws) * (1 + 1 / n) ** 0.5
    return max(abs(mean - value) + within, *(abs(one - value) for one in draws))


def records_of(folder: Path) -> dict[str, Mapping]:
    """The metrics files of a report by notebook. LabError if it holds none."""
    names = read_report(folder, "give a folder that holds a manifest.json").notebooks
    return {name: read_metrics(folder / "metrics" / f"{name}.json") for name in names}


def main(folders: Sequence[str], target: Path = MEASURED) -> int:
    """The command line; returns the exit code."""

    def carry_out() -> int:
        if not folders:
            raise LabError("give the folder of a report, and those of others beside it")
        report, *others = map(Path, folders)
        found = measure(report, others)
        write_whole(target, to_json(found))
        for name, metrics in found.items():
            for metric, (value, within) in metrics.items():
                print(f"{name.split('_')[0]} {metric}: {number(value)} ± {number(within)}")
        print(f"tolerances: {shown(target)}")
        return 0

    if folders and folders[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    return exit_code(carry_out, target, "interrupted")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
