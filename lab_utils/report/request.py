"""What a person asks for on the command line, checked before anything else happens, and where it is carried out."""

import dataclasses
import errno
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from lab_utils import config
from lab_utils.config import LabError, directory, expanded, printable, resolve_profile
from lab_utils.files import must_be_file, must_be_folder
from lab_utils.labs.spec import Lab

MAKE_ONLY = ("PY", "V", "VENV")  # make passes all it knows; these are its own
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}  # as in a checkout of somebody else's, or one that is only read
LAST_SEED = 2**31 - 1  # scikit-learn takes 32 bits, and the seeds that follow are used too
MOST_JOBS = 1000  # each has a thread that waits for it
LONGEST = 400  # characters of a message: a value may be a file that somebody pasted
HINTS = {
    "SEED": f"give a whole number, 0 to {LAST_SEED}",
    "JOBS": f"give a whole number, 1 to {MOST_JOBS}",
    "FACES": f"choose one of {', '.join(config.FACES)}",
    "SPLIT": f"choose one of {', '.join(config.SPLITS)}",
    "FORCE": "give 1, or leave it out",
}
GPU = r"(-?\d+|(GPU|MIG)-[\w/-]+)"
VARIABLES = {  # of the environment, that decide what runs: what they look like, and what to do
    "OMP_NUM_THREADS": (r"([1-9]\d{0,3}(\s*,\s*[1-9]\d{0,3})*)?", "give a whole number, 1 or more, or leave it out"),
    "CUDA_VISIBLE_DEVICES": (
        rf"({GPU}(\s*,\s*{GPU})*|none|void|NoDevFiles)?",
        "give numbers of GPUs, as in 0,1, or -1 for none, or leave it out",
    ),
}
EXAMPLES = {
    "NAME": "under which name to hand in, as in NAME='Ada Lovelace'",
    "A": "the folders of two reports, as in A=reports/quick B=reports/verify/quick-cpu-photographs",
    "B": "the folders of two reports, as in A=reports/quick B=reports/verify/quick-cpu-photographs",
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Request:
    """What a person asked for, checked."""

    PROFILE: str
    NB: tuple[str, ...]  # full names, in the order of the labs
    DATA_DIR: Path | None = None  # absolute
    FACES: Literal[config.FACES] = "auto"
    SEED: Annotated[int, Field(ge=0, le=LAST_SEED)] | None = None
    JOBS: Annotated[int, Field(ge=1, le=MOST_JOBS)] | None = None
    SPLIT: Literal[config.SPLITS] = "test"
    CHANGES: dict[str, Any] = Field(default_factory=dict)  # settings that differ from the profile
    REPORTS: Path | None = None  # absolute; where reports are written, if not in reports/
    CACHE: Path | None = None  # absolute; where models and images are kept, if not in data/cache/
    FORCE: bool = False  # run whatever holds, and load nothing that was made before

    @property
    def seed(self) -> int:
        """The seed to run with: 0 if nobody gave one."""
        return self.SEED or 0


@dataclasses.dataclass(frozen=True)
class Places:
    """The directories of a report, and the labs that it is about."""

    notebooks: Path
    folder: Path  # of the profile, below reports/
    labs: Mapping[str, Lab]
    published: Path  # where the published sets lie
    token: str = ""  # of this command, which then loads only checkpoints and judges that bear it; "" loads all

    def check(self) -> None:
        """LabError if something else is in the place of a file or folder of the report: known before hours of work."""
        names = "html", "notebooks", "metrics", "figures", "checkpoints", "logs", "runs"
        folders = [self.folder, *(self.folder / name for name in names)]
        names = "index.html", "explore.html", "marks.csv", "manifest.json", "seeds.json", ".data.json", ".lock"
        files = [self.folder / name for name in names]
        for name in self.labs:
            files += [self.executed(name), self.metrics(name), self.page(name), self.log(name)]
            for folder, kind in ((self.folder / "figures" / name, "*.png"), (self.checkpoints(name), "*.safetensors")):
                folders.append(folder)
                files += folder.glob(kind)
        for folder in folders:
            must_be_folder(folder)
        for file in files:
            must_be_file(file)

    def source(self, name: str) -> Path:
        """The notebook as it is written. LabError if it is not there."""
        path = self.notebooks / f"{name}.ipynb"
        if path.is_dir():
            raise LabError(f"{path} is a directory, and no notebook; put the notebook in its place")
        if not path.is_file():
            raise LabError(f"{path} is not there: the notebook is listed but its file is missing")
        return path

    def executed(self, name: str) -> Path:
        return self.folder / "notebooks" / f"{name}.ipynb"

    def metrics(self, name: str) -> Path:
        return self.folder / "metrics" / f"{name}.json"

    def page(self, name: str) -> Path:
        return self.folder / "html" / f"{name}.html"

    def checkpoints(self, name: str) -> Path:
        return self.folder / "checkpoints" / name

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"


def places_of(request: Request, notebooks: Path, reports: Path, labs: Mapping[str, Lab]) -> Places:
    """Where a request is carried out: each profile has a folder, and so has its validation.

    What is published is a part of the project, wherever reports are written.
    """
    folder = request.PROFILE if request.SPLIT == "test" else f"{request.PROFILE}-{request.SPLIT}"
    token = new_token() if request.FORCE else ""
    return Places(notebooks, (request.REPORTS or reports) / folder, labs, reports / "published", token)


def new_token() -> str:
    """A mark that no other command bears. Times would not do: a clock is set back, and machines have their own."""
    return secrets.token_hex(8)


def exit_code(carry_out: Callable[[], int], reports: Path, interrupted: str) -> int:
    """That of a command, which says in one line what a person can put right, or that it was ``interrupted``."""
    try:
        return carry_out()
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except LabError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print("error: there is not enough memory; end other programs and run again", file=sys.stderr)
        return 2
    except OSError as error:  # no disk, no permission
        at = error.filename or reports
        refused = error.errno in UNWRITABLE and Path(at).is_relative_to(reports)
        advice = "; write reports elsewhere with REPORTS=dir" if refused else ""
        if isinstance(error, (IsADirectoryError, NotADirectoryError, FileExistsError)):
            advice = "; remove what is in its place and run again"
        print(f"error: {one_line(f'{at}: {error.strerror or error}{advice}')}", file=sys.stderr)
        return 2


def one_line(text: str) -> str:
    """A message as one line that any terminal can show; of a long one, which quotes a long value, the middle is cut."""
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def parse(arguments: Sequence[str], labs: Mapping[str, Lab]) -> Request:
    """Check the NAME=VALUE arguments; LabError says in one line what is wrong with the first that is."""
    given: dict[str, Any] = assigned(arguments, list(Request.__dataclass_fields__))
    check_environment(os.environ)
    given["PROFILE"] = resolve_profile(given.get("PROFILE", "auto"))
    of_profile = {name: lab for name, lab in labs.items() if given["PROFILE"] in lab.profiles}
    given["NB"] = notebook_names(given["NB"], labs) if "NB" in given else tuple(of_profile or labs)
    if "DATA_DIR" in given:
        given["DATA_DIR"] = directory(path_of("DATA_DIR", given["DATA_DIR"]), "the data").absolute()
    given |= {name: to_write(name, given[name]) for name in ("REPORTS", "CACHE") if name in given}
    if "CHANGES" in given:
        given["CHANGES"] = changes(given["CHANGES"])
    try:
        request = Request(**given)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise LabError(f"{name}={given[name]!r}: {HINTS[name]}") from None
    for name in request.NB:
        labs[name].settings(request.PROFILE, request.CHANGES)
    return request


def to_write(name: str, path: str) -> Path:
    """A folder that may be written to, absolute; it is made when it is needed. LabError if it is none."""
    folder = path_of(name, path).absolute()
    try:
        is_other = folder.exists() and not folder.is_dir()
    except OSError as error:  # a name that is too long, a link to itself
        raise LabError(f"{name}={path}: {error.strerror}; give another folder") from None
    if is_other:
        raise LabError(f"{name}={path}: this is not a directory")
    return folder


def assigned(arguments: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """The values of NAME=VALUE arguments by name, empty ones left out. LabError if a name is not known."""
    given = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise LabError(f"{argument!r} is not NAME=VALUE; NAME is one of {', '.join(known)}")
        if name not in (*known, *MAKE_ONLY):
            raise LabError(f"there is no {name!r}; {hint(name, known)}")
        if value.strip() and name not in MAKE_ONLY:
            given[name] = value.strip()
    return given


def check_environment(variables: Mapping[str, str]) -> None:
    """LabError if a variable that the libraries would pass over in silence is not what it looks like."""
    for name, (form, hint) in VARIABLES.items():
        if not re.fullmatch(form, variables.get(name, "").strip()):
            raise LabError(f"{name}={variables[name]!r} in the environment: {hint}")


def path_of(name: str, text: str) -> Path:
    """The path that a word gives. LabError if none can be written so."""
    if "\0" in text:
        raise LabError(f"{name}={text!r}: a path holds no NUL character; write it again")
    return expanded(text)


def taken(arguments: Sequence[str], words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The values of some words, and the other arguments. LabError if a word is not given, or another is not known."""
    given = assigned(arguments, [*words, *Request.__dataclass_fields__])
    for word in words:
        if word not in given:
            raise LabError(f"{word} is not given: {EXAMPLES[word]}")
    others = [argument for argument in arguments if argument.partition("=")[0] not in words]
    return {word: given[word] for word in words}, others


def changes(text: str) -> dict[str, Any]:
    """Settings by name from JSON. LabError if it is none."""
    found = from_json(text)
    if not isinstance(found, dict):
        raise LabError(
            f"CHANGES={text!r}: give settings as JSON, each once and with finite numbers, "
            "as in CHANGES='{\"steps\": 1200}'"
        )
    return found


def from_json(text: str) -> Any:
    """What a text says in JSON; None if it is none, repeats a name, or holds a number that is not finite."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):  # Python would take the last
            raise ValueError
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
        json.dumps(found, allow_nan=False)  # Python reads NaN, which JSON does not have and no file could hold
    except (ValueError, RecursionError):
        return None
    return found


def hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def notebook_names(numbers: str, labs: Mapping[str, Lab]) -> tuple[str, ...]:
    """Full names for ``"03 5"``, each once and in order."""
    by_number = {lab.number: name for name, lab in labs.items()}
    wanted = {number.zfill(2): number for number in numbers.split()}
    for number, written in wanted.items():
        if number not in by_number:
            raise LabError(f"NB: there is no notebook {written!r}; there are {' '.join(by_number)}")
    return tuple(name for number, name in by_number.items() if number in wanted)
