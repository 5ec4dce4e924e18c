"""Measure what a metric may differ by between machines: write lab_utils/labs/tolerances.json.

python -m lab_utils.seeds.tolerances REPORT [OTHER ...]

REPORT is a folder that holds a report and its seeds.json, each OTHER one of the same profile, seed and data that was
made with another number of threads, or in float32. A metric's tolerance is the farthest that any of these, a seed or
another report, lies from its value in REPORT: training turns a rounding into what another seed would be.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_utils.config import LabError
from lab_utils.files import read_json, shown, to_json, write_whole
from lab_utils.labs.spec import MEASURED
from lab_utils.report.record import read_manifest
from lab_utils.report.request import exit_code
from lab_utils.spread import of_report
from lab_utils.words import number

FEWEST_SEEDS = 3


def measure(report: Path, others: Sequence[Path]) -> dict[str, dict[str, list[float]]]:
    """By notebook and metric, its value in the report and the farthest of the others from it."""
    records = records_of(report)
    spread = of_report(report, records)
    found: dict[str, dict[str, list[float]]] = {}
    for name, record in records.items():
        if len(spread.get(name, {}).get("seeds", [])) < FEWEST_SEEDS:
            raise LabError(f"{report}: its seeds.json has fewer than {FEWEST_SEEDS} seeds of {name}: make seeds N=3")
        beside = [records_of(other)[name]["metrics"] for other in others]
        values = {metric: one["value"] for metric, one in record["metrics"].items()}
        for metric, value in values.items():
            seen = spread[name]["metrics"][metric]["values"] + [one[metric]["value"] for one in beside if metric in one]
            apart = [abs(one - value) for one in seen if one is not None and value is not None]
            found.setdefault(name, {})[metric] = [value, max(apart, default=0.0)]
    return found


def records_of(folder: Path) -> dict[str, Mapping]:
    """The metrics files of a report by notebook. LabError if it holds none."""
    names = read_manifest(folder).notebooks
    if not names:
        raise LabError(f"{folder}: it holds no report; give a folder that holds a manifest.json")
    return {name: read_json(folder / "metrics" / f"{name}.json") for name in names}


def main(folders: Sequence[str], target: Path = MEASURED) -> int:
    """The command line; returns the exit code."""

    def carry_out() -> int:
        if not folders:
            raise LabError("give the folder of a report, and those of others beside it")
        report, *others = map(Path, folders)
        found = measure(report, others)
        write_whole(target, to_json(found))
        for name, metrics in found.items():
            for metric, (value, apart) in metrics.items():
                print(f"{name.split('_')[0]} {metric}: {number(value)} ± {number(apart)}")
        print(f"tolerances: {shown(target)}")
        return 0

    if folders and folders[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    return exit_code(carry_out, target, "interrupted")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
