"""Says what two reports have in common and what not, and why: any two, finished or not, published or not."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_utils.config import LabError
from lab_utils.report import depends
from lab_utils.report.record import Manifest, read_metrics, read_report
from lab_utils.words import number

SHOWN = 20  # lines about the metrics of a notebook; the others are counted
STATED = ("device_name", "threads", "precision", "python")


def compare(a: Path, b: Path) -> int:
    """Print what differs; the exit code: 0 if all metrics and figures are equal, 1 if not."""
    first, second = opened(a), opened(b)
    names = sorted({*first.notebooks, *second.notebooks})
    found = {name: differences(name, a, first, b, second) for name in names}
    print(f"A: {a}\nB: {b}")
    for name, lines in found.items():
        print(f"{name.split('_')[0]} | {'different' if lines else 'equal'}")
        for line in lines:
            print(f"   {line}")
    same = not any(found.values())
    print("equal" if same else "different")
    return int(not same)


def opened(folder: Path) -> Manifest:
    """The manifest of a report. LabError if the folder holds none."""
    if not folder.is_dir():
        raise LabError(
            f"{folder}: there is no such directory; give two folders that hold an index.html, as in A=reports/quick"
        )
    return read_report(folder, "give a folder that holds a manifest.json, as in A=reports/quick")


def differences(name: str, a: Path, first: Manifest, b: Path, second: Manifest) -> list[str]:
    """What is not the same in a notebook of two reports: first what it shows, then why that may be."""
    for side, manifest in {"A": first, "B": second}.items():
        if name not in manifest.notebooks:
            return [f"{side} has not run it"]
    runs = first.notebooks[name], second.notebooks[name]
    found = [f"A: {runs[0].status}, B: {runs[1].status}"] if runs[0].status != runs[1].status else []
    found += metrics_apart(*(read_metrics(folder / "metrics" / f"{name}.json")["metrics"] for folder in (a, b)))
    found += figures_apart(name, first, second)
    return found + [f"because: {cause}" for cause in causes(*runs)] if found else []


def metrics_apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """A line for each metric whose value, or how many images it is of, is another."""
    lines = []
    for name in sorted({*first, *second}):
        old, new = first.get(name), second.get(name)
        if old is None or new is None:
            lines.append(f"{name}: only in {'B' if old is None else 'A'}")
        elif old["value"] != new["value"]:
            lines.append(f"{name}: {both(old['value'], new['value'])}{apart(old['value'], new['value'])}")
        elif old.get("n") != new.get("n"):
            lines.append(f"{name}: {counted(old.get('n'), new.get('n'))}")
    return [*lines[:SHOWN], *([f"and {len(lines) - SHOWN} more metrics"] if len(lines) > SHOWN else [])]


def both(old: float | None, new: float | None) -> str:
    """Two values that are not equal, with all their digits if they would look alike."""
    texts = number(old), number(new)
    if None not in (old, new) and float(texts[0].replace(",", "")) == float(texts[1].replace(",", "")):
        texts = repr(old), repr(new)
    return ", ".join(texts)


def apart(old: float | None, new: float | None) -> str:
    """By how much a value is another, as in `` (+1.2 %)``, and never 0.0 %."""
    percent = 100 * ((float(new) - float(old)) / abs(float(old))) if old and new is not None else 0
    return f" ({percent:{'+.1f' if abs(percent) >= 0.05 else '+.1g'}} %)".replace("-", "−") if percent else ""


def counted(old: int | None, new: int | None) -> str:
    """Of how many images two equal values are, where that is not the same."""
    if old is None or new is None:
        return f"of {number(new if old is None else old)} images in {'B, A' if old is None else 'A, B'} does not say"
    return f"of {number(old)} and {number(new)} images"


def figures_apart(name: str, first: Manifest, second: Manifest) -> list[str]:
    """How many figures are not equal to the byte, of those that both manifests know."""
    known = [{**manifest.files, **manifest.left_out} for manifest in (first, second)]
    files = sorted({file for files in known for file in files if file.startswith(f"figures/{name}/")})
    kinds = Counter(known[0].get(file) == known[1].get(file) for file in files)
    return [f"{kinds[False]} of {len(files)} figures are not equal"] if kinds[False] else []


def causes(first: Any, second: Any) -> list[str]:
    """Everything that decides the numbers of two runs of a notebook and is not the same."""
    facts = [{what: run.provenance.get(what) for what in STATED} for run in (first, second)]
    found = [f"{what} is {stated(old)} in A, {stated(new)} in B" for what, old, new in depends.differing(*facts)]
    return (found + depends.changes(first.depends, second.depends)) or ["nothing that is recorded"]


def stated(fact: Any) -> str:
    return "not stated" if fact is None else str(fact)
