"""The notebooks as they are written: read, and refused before anything runs if they would not run as asked."""

import ast
import re
import symtable
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from lab_utils import sources
from lab_utils.config import LabError
from lab_utils.files import read_json, shown

TAG = "parameters"
LARGEST = 100_000_000  # bytes of a notebook, which is text
ALWAYS = ("PROFILE", "SEED")  # what every cell of parameters sets
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")  # how git marks two versions of a line
SUBJECT = re.compile("^(Input|String|Value error,|Invalid JSON:) ")  # how pydantic begins to say what is wrong
ADVICE = "open it in JupyterLab and save it, or take it from git again"

Cell = tuple[str, list[str], str]  # kind, tags and text

# What a notebook holds, as far as what runs it and what makes its page insist on it; anything else may stand beside it.
# nbformat's schema says the same, and takes longer to import than it takes to find that a report holds.


def each_once(tags: list[str]) -> list[str]:
    """ValueError if a tag is there twice."""
    if len(set(tags)) < len(tags):
        raise ValueError("should name each once")
    return tags


Text = str | list[str]  # whole or by lines
ALTERNATIVES = ("str", "list[str]")  # as pydantic names those of a text
Tags = Annotated[list[Annotated[str, Field(pattern="^[^,]+$")]], AfterValidator(each_once)]


class CellMetadata(BaseModel):
    tags: Tags = []
    name: str = Field("a", pattern="^.+$")
    format: str = ""
    collapsed: bool = False
    scrolled: bool | Literal["auto"] = False
    jupyter: dict[str, Any] = {}
    papermill: dict[str, Any] = {}
    execution: dict[str, str] = {}


class TextCell(BaseModel):
    cell_type: Literal["markdown", "raw"]
    id: str = Field("a", pattern="^[a-zA-Z0-9_-]{1,64}$")
    metadata: CellMetadata
    source: Text
    attachments: dict[str, dict[str, Text]] = {}  # by name and format


class Output(BaseModel):
    output_type: Literal["execute_result", "display_data", "stream", "error"]
    data: dict[str, Any] = {}
    text: Text = ""


class CodeCell(TextCell):
    cell_type: Literal["code"]
    outputs: list[Output]
    execution_count: int | None = Field(ge=0)


class Kernel(BaseModel):
    name: str
    display_name: str


class Language(BaseModel):
    name: str
    codemirror_mode: str | dict[str, Any] = ""
    file_extension: str = ""
    mimetype: str = ""
    pygments_lexer: str = ""


class Metadata(BaseModel):
    kernelspec: Kernel = Kernel(name="", display_name="")
    language_info: Language = Language(name="")
    title: str = ""
    authors: list[Any] = []
    papermill: dict[str, Any] = {}


class Notebook(BaseModel):
    nbformat: int = Field(ge=4, le=4)
    nbformat_minor: int = Field(ge=0)
    metadata: Metadata
    cells: list[Annotated[CodeCell | TextCell, Field(discriminator="cell_type")]]


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
    try:  # from its text, for half a letter and levels without an end, which Python reads, cannot be written or shown
        notebook = Notebook.model_validate_json(source.read_bytes(), strict=True)
    except ValidationError as error:
        raise broken(source, in_words(error)) from None
    return [(cell.cell_type, cell.metadata.tags, "".join(cell.source)) for cell in notebook.cells]


def in_words(error: ValidationError) -> str:
    """The first thing that is wrong with a notebook, and where."""
    first = error.errors(include_url=False)[0]
    whose, at, says = "it", first["loc"], SUBJECT.sub("", first["msg"])
    if first["type"] == "json_invalid":
        return f"it is JSON that not every program reads ({says})"
    if at[0] == "cells" and len(at) > 1:
        whose, at = f"its cell {at[1] + 1}", at[3:]  # without the kind of the cell
    if not at:
        return f"{whose} is none of code, markdown, raw"
    what = ".".join(str(part) for part in at if part not in ALTERNATIVES)
    return f"{whose} has no {what}" if first["type"] == "missing" else f"{whose} has {what} that {says}"


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
