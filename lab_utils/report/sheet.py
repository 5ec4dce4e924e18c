"""The CSV that a grader fills in, as a report writes it and as spreadsheets give it back."""

import contextlib
import csv
import hashlib
import io
from collections.abc import Iterable, Sequence

NAME = "marks.csv"
HEAD = ("id", "kind", "title", "status", "values", "page", "points", "comment")
OURS = HEAD.index("points")  # so many columns are the report's, the others the grader's
DELIVERABLE, CLAIM = KINDS = ("deliverable", "claim")  # of the rows that a report writes
BOM = "\ufeff"  # by which spreadsheets know UTF-8
DELIMITERS = ",;\t"  # that they write; which one depends on the country


def text_of(rows: Iterable[Sequence[str]]) -> str:
    """The file with these rows below its head, UTF-8 with a mark of its own."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([HEAD, *rows])
    return BOM + text.getvalue()


def rows_of(content: bytes) -> list[list[str]]:
    """The rows below the head, each of as many cells. ValueError if it is no such file."""
    text = content.decode("utf-8-sig")
    delimiter = next((c for c in text.partition("\n")[0] if c in DELIMITERS), ",")
    try:
        head, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise ValueError(error) from None
    if cells(head) != [*HEAD]:
        raise ValueError(head)
    return [cells(row) for row in rows if any(row)]


def cells(row: Sequence[str]) -> list[str]:
    """A row without the empty cells that a spreadsheet leaves out or adds. ValueError if it has more than the head."""
    if any(row[len(HEAD) :]):
        raise ValueError
    return [*row, *[""] * len(HEAD)][: len(HEAD)]


def unfilled_hash(content: bytes) -> str:
    """SHA-256 of the file as the report wrote it, whatever a grader filled in; of the bytes if it is no such file."""
    with contextlib.suppress(ValueError):
        content = text_of([*row[:OURS], *[""] * (len(HEAD) - OURS)] for row in rows_of(content)).encode()
    return hashlib.sha256(content).hexdigest()


def filled(rows: Sequence[Sequence[str]], before: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """The rows with what a grader filled in ``before`` for each; then what was filled in for none of them."""
    given, others = dict.fromkeys(map(place, rows)), []
    for row in before:
        if place(row) in given and given[place(row)] is None:
            given[place(row)] = row[OURS:]
        elif any(row[OURS:]) or row[1] not in KINDS:  # a row of the grader's own, or of what is no longer asked
            others.append(row)
    return [[*row[:OURS], *(given[place(row)] or row[OURS:])] for row in rows] + others


def place(row: Sequence[str]) -> tuple[str, str]:
    """What a row is about: its id, and where that is found."""
    return row[0], row[HEAD.index("page")]
