"""Lists of images and their attributes, as authors, pandas and spreadsheets write them.

What can only mean one thing is read; all else is one line with the file, the row, the column and what to do.
"""

import contextlib
import csv
import functools
import hashlib
import io
import itertools
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lab_utils.config import LabError
from lab_utils.data import contents
from lab_utils.data.contents import short

IMAGE_NAME = "image_name"  # the column that names the images; Kaggle's CelebA calls it the other
IMAGE_NAMES = {IMAGE_NAME, "image_id"}
SEPARATORS = ",;\t|"
UNNAMED = re.compile(r"(unnamed: ?\d+(_level_\d+)?(\.\d+)?)?", re.IGNORECASE)  # pandas' name for a column without one
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}

# How an attribute may be written. Absent is 0 or -1, but not both in one column.
ABSENT, PRESENT, MINUS, UNKNOWN = 0, 1, 2, 3
NUMBERS = {0: ABSENT, 1: PRESENT, -1: MINUS}
# pandas and programmers, then spreadsheets in German, French, Spanish, Italian.
WORDS = dict.fromkeys(["true", "t", "yes", "y", "wahr", "vrai", "verdadero", "vero"], PRESENT)
WORDS |= dict.fromkeys(["false", "f", "no", "n", "falsch", "faux", "falso"], ABSENT)
BLANK = {"", "nan", "na", "n/a", "<na>", "#n/a", "null", "none", "nil", "-", "?"}

# A row is its line number and its cells.
Row = tuple[int, list[str]]


def read(path: Path) -> tuple[str, str]:
    """The text of a list and the SHA-256 of its bytes. LabError, with what the file is, if it is no text."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: {contents.unreadable(path, error)}") from None
    if what := contents.what(content):
        how = "save it as CSV in UTF-8" if "UTF" in what or "workbook" in what or ".xls" in what else "replace it"
        raise LabError(f"{path}: is not a list but {what}; {how}")
    text = _decoded(path, content)
    if not text.strip():
        raise LabError(f"{path}: is empty; replace it")
    return text, hashlib.sha256(content).hexdigest()


def _decoded(path: Path, content: bytes) -> str:
    """UTF-8, with or without the mark of a spreadsheet, or else what Windows writes in Western Europe."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\x00-\x08\x0e-\x1f\x7f]", text):
            return text
    raise LabError(f"{path}: is not text in UTF-8; replace it")


def attributes(path: Path) -> tuple[dict[str, int], pd.DataFrame, str]:
    """The images of a CSV, or of CelebA's list as its authors or Kaggle wrote it.

    Returns their names with the line of each, the attributes (uint8 N×K, 0 or 1, a column each), and the SHA-256 of
    the file. LabError names file and row.
    """
    text, digest = read(path)
    rows = _rows(path, text)
    line, header = next(rows, (1, []))
    columns = [_column(name) for name in header]
    if IMAGE_NAME in columns:
        lines, table = _table(path, columns, rows)
    elif len(header) == 1 and header[0].strip().isdigit():
        lines, table = _authors_table(path, header[0].strip(), rows)
    else:
        raise LabError(f"{path}, line {line}: has no column {IMAGE_NAME} ({short(','.join(header))}); add one")
    return lines, table, digest


def _authors_table(path: Path, count: str, rows: Iterator[Row]) -> tuple[dict[str, int], pd.DataFrame]:
    """How many images on line 1, the attributes' names on line 2, then an image and its values on each."""
    _, header = next(rows, (2, []))
    names = [_column(name) for name in header]
    lines, table = _table(path, names if IMAGE_NAME in names else [IMAGE_NAME, *names], rows)
    if count.lstrip("0") != str(len(lines)):
        raise LabError(f"{path}, line 1: says {short(count)}, but {len(lines)} images follow; replace the file")
    return lines, table


def partitions(path: Path) -> tuple[dict[str, str], str]:
    """The partition of each image, "0", "1" or "2", by its name, and the SHA-256 of the file. LabError as above."""
    text, digest = read(path)
    at, of, width = 0, 1, 2
    parts: dict[str, str] = {}
    for line, cells in _rows(path, text):
        where = f"{path}, line {line}"
        columns = [_column(cell).casefold() for cell in cells]
        if not parts and IMAGE_NAME in columns and "partition" in columns:
            at, of, width = columns.index(IMAGE_NAME), columns.index("partition"), len(columns)
            continue
        value = cells[of].strip().removesuffix(".0") if _width(cells) <= width <= len(cells) else ""
        if value not in PARTITIONS:
            raise LabError(f"{where}: {short(' '.join(cells))} is not an image and 0, 1 or 2; replace the file")
        name = cells[at].strip()
        if name in parts:
            raise LabError(f"{where}: {short(name)} is listed a second time; replace the file")
        parts[name] = value
    if not parts:
        raise LabError(f"{path}: lists no image; replace the file")
    return parts, digest


# Rows


def _column(name: str) -> str:
    """The name of a column without blanks around it; that of the images' names as it is called here."""
    name = name.strip()
    return IMAGE_NAME if re.sub(r"[\s-]+", "_", name.casefold()) in IMAGE_NAMES else name


def _rows(path: Path, text: str) -> Iterator[Row]:
    """Every row that is not blank: of a CSV with any separator, or of words between blanks."""
    first = next(line for line in text.splitlines() if line.strip())
    told = re.fullmatch(r'"?sep=([,;|])"?', first.strip())  # Excel's own first line
    separator = told[1] if told else _separator(first)
    if separator:
        rows = _csv_rows(path, text, separator)
    else:
        rows = ((n, line.split()) for n, line in enumerate(io.StringIO(text, newline=None), start=1))
    kept = ((line, cells) for line, cells in rows if any(map(str.strip, cells)))
    return itertools.islice(kept, 1 if told else 0, None)


def _separator(first: str) -> str | None:
    """What stands between the cells of a CSV by its first line; None if they are words between blanks."""
    for separator in SEPARATORS:
        header: list[str] = []
        with contextlib.suppress(csv.Error):  # a cell longer than any in a list; the rows say so
            header = next(csv.reader([first], delimiter=separator, skipinitialspace=True), [])
        if len(header) > 1 and IMAGE_NAME in map(_column, header):
            return separator
    most = max(SEPARATORS, key=first.count)
    return most if most in first and not most.isspace() else None


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise LabError(f"{path}, line {reader.line_num}: is not CSV ({error}); put it right") from None


def _table(path: Path, columns: list[str], rows: Iterable[Row]) -> tuple[dict[str, int], pd.DataFrame]:
    """Names with their lines, and attributes as uint8 0 or 1, from rows of a name and a value per attribute."""
    at = columns.index(IMAGE_NAME)
    unnamed = {i: [] for i, column in enumerate(columns) if UNNAMED.fullmatch(column)}
    names = _attribute_names(path, columns, {at, *unnamed})
    kept = [i for i in range(len(columns)) if i != at and i not in unnamed]
    lines: dict[str, int] = {}
    values = bytearray()
    for line, cells in rows:
        if len(cells) != len(columns):
            cells = _cut(path, line, cells, len(columns))
        name = cells[at].strip()
        if trouble := _name_trouble(name, lines):
            raise LabError(f"{path}, line {line}: {IMAGE_NAME} {short(name)} {trouble}")
        lines[name] = line
        for i, before in unnamed.items():
            before.append(cells[i].strip())
        row = bytes(meaning(cells[i]) for i in kept)
        if UNKNOWN in row:
            odd = row.index(UNKNOWN)
            _refuse_value(path, line, name, names[odd], cells[kept[odd]])
        values += row
    if not lines:
        raise LabError(f"{path}: lists no image; add a line for each")
    for i, cells in unnamed.items():
        _check_unnamed(path, columns[i], cells)
    matrix = np.frombuffer(values, np.uint8).reshape(len(lines), len(names))
    _check_mixed(path, names, list(lines.values()), matrix)
    return lines, pd.DataFrame((matrix == PRESENT).astype(np.uint8), columns=names)


def _width(cells: list[str]) -> int:
    """How many cells a row has, without blank ones at its end such as a spreadsheet leaves."""
    return max((i for i, cell in enumerate(cells, start=1) if cell.strip()), default=0)


def _cut(path: Path, line: int, cells: list[str], n: int) -> list[str]:
    """A row without blank cells beyond its ``n`` columns. LabError if it has fewer cells, or more that hold values."""
    if len(cells) < n or _width(cells) > n:
        raise LabError(f"{path}, line {line}: has {len(cells)} values for {n} columns; put it right")
    return cells[:n]


def _attribute_names(path: Path, columns: list[str], taken_out: Container[int]) -> list[str]:
    """The names of the columns that are not taken out. LabError if there are none, or one stands there twice."""
    names = [column for i, column in enumerate(columns) if i not in taken_out]
    if not names:
        raise LabError(f"{path}: has no attribute; add a column for each")
    counts = Counter(columns)
    for name in (IMAGE_NAME, *names):
        if counts[name] > 1:
            raise LabError(f"{path}: a column is named {short(name)} twice; each needs its own name")
    return names


def _check_unnamed(path: Path, column: str, cells: list[str]) -> None:
    """LabError if a column without a name is neither blank nor the numbers of pandas' rows: it may mean something."""
    numbers = {cell for cell in cells if re.fullmatch(r"\d+(\.0)?", cell)}
    if any(cells) and len(numbers) < len(cells):
        raise LabError(f"{path}: a column is named {short(column)}, but holds values; name it, or take it out")


def _name_trouble(name: str, before: dict[str, int]) -> str:
    """What is wrong with the name of an image, empty if nothing is."""
    if name in before:
        return f"stands on line {before[name]} already; remove one"
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        return "is not the name of a file in the folder of the split; give that"
    return ""


# Values


@functools.lru_cache(maxsize=4096)
def meaning(cell: str) -> int:
    """What the text of a cell says of an attribute: ABSENT, PRESENT, MINUS or UNKNOWN."""
    word = cell.strip().casefold()
    if word in WORDS:
        return WORDS[word]
    try:
        return NUMBERS.get(float(word.replace(",", ".").replace("\N{MINUS SIGN}", "-")), UNKNOWN)
    except ValueError:
        return UNKNOWN


def _refuse_value(path: Path, line: int, name: str, column: str, cell: str) -> None:
    hint = "put it right, or take the column out if it is no attribute"
    if cell.strip().casefold() in BLANK:
        hint = "it says nothing; write 0 or 1, or take the line out"
    raise LabError(
        f"{path}, line {line} ({short(name)}): {short(column)} is {short(cell)}, not 0 or 1 (or -1 or 1); {hint}"
    )


def _check_mixed(path: Path, names: list[str], lines: list[int], matrix: np.ndarray) -> None:
    """LabError if a column writes absent in two ways: one of them may mean something else, "unknown" perhaps."""
    for column, values in zip(names, matrix.T, strict=True):
        zero, minus = values == ABSENT, values == MINUS
        if zero.any() and minus.any():
            odd, is_, other = (zero, 0, -1) if zero.sum() < minus.sum() else (minus, -1, 0)
            raise LabError(
                f"{path}, line {lines[odd.argmax()]}: {short(column)} is {is_}, but {other} on other lines; "
                "write 0 and 1, or -1 and 1"
            )
