"""The picture of a benchmark."""

from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from lab_utils import figures


def draw(speed: dict[str, Any], kind: str, path: Path) -> None:
    """How many times as fast as the usual loop each model trains, with each repetition and the goals."""
    rows = {case.title: speed["models"][name]["ratios"] for name, case in CASES.items()}
    goals = {case.title: case.goals[kind] for case in CASES.values() if kind in case.goals}
    machine = speed["machine"]
    label = f"images/s of this project over the usual loop\n{machine['device']}, {machine['precision']}"
    path.write_bytes(figures.png(figures.ratios(rows, goals, label)))
