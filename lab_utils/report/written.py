"""The notebooks as they are written: read, and refused before anything runs if they would not run as asked."""

import ast
import symtable
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab_utils import sources
from lab_utils.config import LabError
from lab_utils.files import read_json, shown

TAG = "parameters"
LARGEST = 100_000_000  # bytes of a notebook, which is text
ALWAYS = ("PROFILE", "SEED")  # what every cell of parameters sets
KINDS = ("code", "markdown", "raw")
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")  # how git marks two versions of a line
ADVICE = "open it in JupyterLab and save it, or take it from git again"

Cell = tuple[str, list[str], str]  # kind, tags and text


def cells(source: Path) -> list[Cell]:
    """Kind, tags and text of each cell of a notebook; outputs do not count. LabError if the file is no notebook."""
    if (size := source.stat().st_size) > LARGEST:
        raise broken(source, f"it has {size:,} bytes, more than {LARGEST:,} of outputs that nobody needs")
    try:
        written = read_json(source)
    except UnicodeDecodeError:
        raise broken(source, "it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise broken(source, what_it_is(source)) from None
    if not isinstance(written, dict):
        raise broken(source, f"it holds a JSON {type(written).__name__}")
    if written.get("nbformat") != 4:
        raise broken(source, f"its format is {written.get('nbformat', 'not stated')}, not 4")
    if not isinstance(written.get("nbformat_minor"), int) or not isinstance(written.get("metadata"), dict):
        raise broken(source, "it lacks its minor format or its metadata")
    if not isinstance(written.get("cells"), list):
        raise broken(source, "it holds no list of cells")
    for number, cell in enumerate(written["cells"], start=1):
        if trouble := trouble_in(cell):
            raise broken(source, f"its cell {number} {trouble}")
    return [(cell["cell_type"], cell["metadata"].get("tags", []), text_of(cell)) for cell in written["cells"]]


def broken(source: Path, why: str) -> LabError:
    return LabError(f"{shown(source)} is not a notebook that can run: {why}; {ADVICE}")


def what_it_is(source: Path) -> str:
    """What a file that is not JSON seems to be."""
    text = source.read_text(encoding="utf-8")
    if not text.strip():
        return "it is empty"
    if any(line.startswith(CONFLICT) for line in text.splitlines()):
        return "it holds marks of a merge that git could not finish"
    return "it is not JSON"


def trouble_in(cell: Any) -> str:
    """What makes a cell none, in words; empty if nothing does."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in KINDS:
        return f"is none of {', '.join(KINDS)}"
    if not isinstance(cell.get("metadata"), dict):
        return "has no metadata"
    tags, text = cell["metadata"].get("tags", []), cell.get("source")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return "has tags that are no list of words"
    if not isinstance(text, str) and not (isinstance(text, list) and all(isinstance(line, str) for line in text)):
        return "has no source"
    if not isinstance(cell.get("id", ""), str):
        return "has an id that is no text"
    outputs = cell.get("outputs", None if cell["cell_type"] == "code" else [])
    lists = isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)
    return "" if lists else "has no list of outputs"


def text_of(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


# Parameters


def check(source: Path, given: Collection[str]) -> None:
    """Refuse a notebook in which what the report gives, by name, would not be what runs.

    The report's values stand in a cell of their own after the one tagged ``parameters``, or above all others if there
    is none, so that the notebook's own would win. LabError says in one line which cell is to be put right.
    """
    written = cells(source)
    names = {*ALWAYS, *given}
    tagged = [number for number, (_, tags, _) in enumerate(written, start=1) if TAG in tags]
    if not tagged:
        raise refused(source, f"no cell has the tag {TAG!r}: give it to the cell that sets {' and '.join(ALWAYS)}")
    if len(tagged) > 1:
        raise refused(source, f"cells {', '.join(map(str, tagged))} all have the tag {TAG!r}: leave it to one of them")
    (place,) = tagged
    kind, _, text = written[place - 1]
    if kind != "code":
        raise refused(source, f"cell {place}, with the tag {TAG!r}, is {kind} and not code")
    found = literals(text)
    if found is None:
        raise refused(source, f"cell {place}, with the tag {TAG!r}, holds more than names that are set to plain values")
    for name in ALWAYS:
        if name not in found:
            raise refused(source, f"cell {place}, with the tag {TAG!r}, does not set {name}")
    for number, (kind, _, text) in enumerate(written, start=1):
        again = sorted(names & set_in(text)) if kind == "code" and number != place else []
        if again:
            raise refused(source, f"cell {number} sets {again[0]}, in place of what is asked for: remove that line")


def refused(source: Path, why: str) -> LabError:
    return LabError(f"{shown(source)} would not run as asked: {why}")


def literals(text: str) -> set[str] | None:
    """The names that a cell sets, if all it does is to set names to plain values; else None."""
    tree, found = sources.parsed(text), set()
    for node in tree.body if tree else []:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not all(isinstance(one, ast.Name) for one in targets):
            return None
        try:
            ast.literal_eval(node.value)
        except (ValueError, TypeError):
            return None
        found |= {one.id for one in targets}
    return found if tree else None


def set_in(text: str) -> set[str]:
    """The names that a cell sets or imports, functions' own apart; none if it is no Python, for then it fails."""
    return {name for piece in sources.pieces(text) for name in set_by(piece)}


def set_by(code: str) -> Iterator[str]:
    """The same for code as Python is given it; a name that a function declares global is the notebook's."""
    try:
        tables = [symtable.symtable(code, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    top = tables[0]
    for table in tables:  # which grows
        tables += table.get_children()
        for one in table.get_symbols():
            if (one.is_assigned() or one.is_imported()) and (table is top or one.is_declared_global()):
                yield one.get_name()
