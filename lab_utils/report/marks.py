"""What a grader fills in: a row for each deliverable and claim of a report, with how far it was delivered."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.files import say, shown, write_whole
from lab_utils.handover import Record
from lab_utils.labs.spec import DELIVERED, FAILED, NOT_RUN, Deliverable, Lab
from lab_utils.report import sheet
from lab_utils.report.claims import ClaimRow, claim_rows
from lab_utils.report.record import Manifest, Run, set_aside
from lab_utils.report.request import Places
from lab_utils.spread import of_report
from lab_utils.words import number


@dataclass(frozen=True)
class Mark:
    """How far a deliverable of a notebook was delivered."""

    id: str
    deliverable: Deliverable
    status: str  # delivered, weak, failed or not run
    checks: list[str]  # that it was held against, in words


def marks_of(lab: Lab, run: Run | None, record: Record) -> list[Mark]:
    """A mark for each deliverable of a lab. In the smoke profile numbers mean nothing: what is there is delivered."""
    values = {name: one["value"] for name, one in record.get("metrics", {}).items()}
    sources = [one.get("source") for one in record.get("data", {}).values()]
    found = []
    for name, deliverable in lab.deliverables.items():
        status, checks = deliverable.status(values, sources)
        if run is None:
            status, checks = NOT_RUN, []
        elif name not in run.deliverables:
            status, checks = FAILED, ["it is not there"]
        elif run.profile == "smoke":
            status, checks = DELIVERED, []
        found.append(Mark(name, deliverable, status, checks))
    return found


@dataclass(frozen=True)
class Grades:
    """What a report can be graded by: marks of its deliverables by notebook, and the claims."""

    marks: Mapping[str, Sequence[Mark]]
    claims: Sequence[ClaimRow]


def grades(manifest: Manifest, records: Mapping[str, Record], places: Places) -> Grades:
    runs, labs = manifest.notebooks, places.labs
    marks = {name: marks_of(lab, runs.get(name), records.get(name, {})) for name, lab in labs.items()}
    return Grades(marks, claim_rows(labs, runs, records, of_report(places.folder, records)))


def write_marks(path: Path, records: Mapping[str, Record], graded: Grades) -> None:
    """Write the sheet; points and comment are the grader's, and stay."""
    rows = [
        (
            mark.id,
            sheet.DELIVERABLE,
            mark.deliverable.title,
            mark.status,
            in_words(mark.deliverable, records.get(name, {})),
            f"html/{name}.html#{mark.id}",
            "",
            "",
        )
        for name, some in graded.marks.items()
        for mark in some
    ]
    rows += [
        (
            row.id,
            sheet.CLAIM,
            f"Report {row.claim.report}: {row.claim.text}",
            row.decision.verdict,
            f"{row.decision.measured} {row.decision.evidence}".strip(),
            f"index.html#{row.id}",
            "",
            "",
        )
        for row in graded.claims
    ]
    now = [[plain(cell) for cell in row] for row in rows]
    write_whole(path, sheet.text_of(sheet.filled(now, written_before(path))))


def written_before(path: Path) -> list[list[str]]:
    """The rows of the sheet that is there. What is no sheet is set aside, with a line: it may hold points."""
    try:
        return sheet.rows_of(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        pass
    say(f"{shown(path)} is damaged, or has other columns: set aside as {set_aside(path).name}, and written anew")
    return []


def in_words(deliverable: Deliverable, record: Record) -> str:
    """The numbers that a grader wants beside a picture, as in ``gan.fcd 6.610 squared distance; …``."""
    measured = record.get("metrics", {})
    shown = [name for name in deliverable.numbers if name in measured]
    return "; ".join(f"{name} {number(measured[name]['value'])} {measured[name].get('unit', '')}" for name in shown)


def plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula, on one line."""
    text = " ".join(text.split())
    seen = next((c for c in text if unicodedata.category(c)[0] not in "CZ"), "")  # the first that is not invisible
    return f"'{text}" if unicodedata.normalize("NFKC", seen).startswith(("=", "+", "-", "@")) else text
