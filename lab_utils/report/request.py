"""What a person asks for on the command line, checked before anything else happens."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from lab_utils.catalogue import Notebook
from lab_utils.config import LabError, resolve_profile

MAKE_ONLY = ("PY", "V")  # make passes all it knows; these two are its own
HINTS = {
    "SEED": "give a whole number, 0 or more",
    "JOBS": "give a whole number, 1 or more",
    "FACES": "choose one of auto, photographs, avatars",
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Request:
    """What a person asked for, checked."""

    PROFILE: str
    NB: tuple[str, ...]  # full names, in the catalogue's order
    DATA_DIR: Path | None = None  # absolute
    FACES: Literal["auto", "photographs", "avatars"] = "auto"
    SEED: Annotated[int, Field(ge=0)] = 0
    JOBS: Annotated[int, Field(ge=1)] = 1


def parse(arguments: Sequence[str], catalogue: dict[str, Notebook]) -> Request:
    """Check the NAME=VALUE arguments; LabError says in one line what is wrong with the first that is."""
    given = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise LabError(f"{argument!r} is not NAME=VALUE; NAME is one of {', '.join(fields())}")
        if name not in (*fields(), *MAKE_ONLY):
            raise LabError(f"there is no {name!r}; {hint(name, fields())}")
        if value.strip() and name not in MAKE_ONLY:
            given[name] = value.strip()
    given["PROFILE"] = resolve_profile(given.get("PROFILE", "auto"))
    given["NB"] = notebook_names(given.get("NB", ""), catalogue)
    if "DATA_DIR" in given:
        given["DATA_DIR"] = data_directory(given["DATA_DIR"])
    try:
        return Request(**given)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise LabError(f"{name}={given[name]!r}: {HINTS[name]}") from None


def fields() -> list[str]:
    return list(Request.__dataclass_fields__)


def hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def notebook_names(numbers: str, catalogue: dict[str, Notebook]) -> tuple[str, ...]:
    """Full names for ``"03 5"``, each once and in order; all of them for nothing."""
    by_number = {number_of(name): name for name in catalogue}
    wanted = {number.zfill(2): number for number in numbers.split()} or by_number
    for number, written in wanted.items():
        if number not in by_number:
            raise LabError(f"NB: there is no notebook {written!r}; there are {' '.join(by_number)}")
    return tuple(name for number, name in by_number.items() if number in wanted)


def number_of(name: str) -> str:
    """``"03"`` for ``"03_cvae_disentanglement"``: what NB takes and every line begins with."""
    return name.split("_")[0]


def data_directory(text: str) -> Path:
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise LabError(f"DATA_DIR={text!r} is not a directory: give the folder that holds the data")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise LabError(f"DATA_DIR={text!r} cannot be read: check its permissions")
    return folder
