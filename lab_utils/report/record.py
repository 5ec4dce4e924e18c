"""What a report keeps of its runs: records that know their fields, written to ``manifest.json`` beside the results."""

import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from lab_utils.config import LabError
from lab_utils.files import digest, read_json, sha256, shown, to_json, write_whole
from lab_utils.report import sheet

FORMAT = 4  # of the manifest; what an earlier version of this package left is run again

Data = dict[str, dict[str, Any]]  # by kind (digits, faces): source, train, test and sha256, as metrics files have it


class DamagedError(LabError):
    """A file of a report that is there, and cannot be read as one."""


def with_tuples(value: Any) -> Any:
    """The same with tuples where JSON has lists, so that settings that were read equal those that were written."""
    if isinstance(value, dict):
        return {name: with_tuples(entry) for name, entry in value.items()}
    return tuple(map(with_tuples, value)) if isinstance(value, (list, tuple)) else value


def within(files: dict[str, str]) -> dict[str, str]:
    """The same names. ValueError if one leads out of its folder: a record may be somebody else's."""
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(name)
    return files


def with_sources(data: Data) -> Data:
    """The same data. ValueError if one does not say where it came from."""
    if not all(map(is_source, data.values())):
        raise ValueError
    return data


def with_profile(parameters: dict[str, Any]) -> dict[str, Any]:
    """The same parameters. ValueError if they do not say of which profile they are."""
    if not isinstance(parameters.get("PROFILE"), str):
        raise ValueError
    return parameters


Files = Annotated[dict[str, str], AfterValidator(within)]  # hashes by path below the folder


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Depends(Record):
    """All that decides what a run gives: two runs with equal dependencies have equal numbers."""

    code: str  # hash of the code cells
    parameters: Annotated[dict[str, str | int | dict[str, Any]], AfterValidator(with_profile)]
    settings: Annotated[dict[str, Any], AfterValidator(with_tuples)]  # of the lab in the profile
    modules: dict[str, str]  # hashes of the code of what the cells import, by path
    data: dict[str, str]  # hashes by kind
    packages: dict[str, str | None]  # the lock's hash, and versions
    device: str  # cuda or cpu
    changed: bool = False  # while it ran: nobody knows then which of the two ran


class Git(Record):
    commit: str
    dirty: bool


class Environment(Record):
    """What is the same for every notebook of one command."""

    source: str  # hash of the package, the notebooks' cells and the lock
    git: Git | None
    no_git: str = ""  # why not
    lock: str | None
    python: str
    packages: dict[str, str | None]


class Figure(Record):
    file: str
    alt: str


class Run(Record):
    """A notebook's entry in the manifest."""

    status: str  # ok, failed, interrupted
    reason: str  # one line; empty if all is well
    cell: int | None  # that it ended in
    where: str  # the same for a person
    seconds: float
    spent: dict[str, float]  # the seconds by kind; empty if that is not known
    finished: str
    seed: int
    device: str | None
    data: Annotated[Data, AfterValidator(with_sources)]
    deliverables: dict[str, list[Figure]]
    provenance: dict[str, Any]  # what identifies the run, as the notebook itself states it
    comparisons: list[tuple[str, str]]  # that it shows: name, and hash of the data that the numbers are of
    sources: list[tuple[str, str]]  # that it shows: module, and name in it
    prose: str  # hash of the notebook's cells
    environment: Environment
    depends: Depends

    @property
    def profile(self) -> str:
        return self.depends.parameters["PROFILE"]


class PageKey(Record):
    """Hashes of what a page is made of; a page is written again if one of them is another."""

    renderer: str
    words: str  # of its lab
    sources: str  # that it shows
    around: str  # what it says of its run and of the other notebooks
    executed: str  # the notebook


class Row(Record):
    """A number of a run beside the published one."""

    notebook: str
    name: str
    published: str
    here: str
    tolerance: str
    verdict: str


class Verification(Record):
    published_set: str
    source: str  # from which the set was made
    verdict: str
    counts: str
    figures: str
    differences: list[str]
    rows: list[Row]  # those that are not identical


class Manifest(Record):
    """All that is known of a folder; ``files`` vouches for each result in it by its hash."""

    format: Literal[4] = FORMAT
    profile: str = ""
    notebooks: dict[str, Run] = {}
    pages: dict[str, PageKey] = {}
    index: str = ""  # the key of the index
    files: Files = {}
    left_out: Files = {}  # files of the report that a published set does not hold
    verification: Verification | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done for each notebook that was asked for."""

    depends: dict[str, Depends]
    reasons: dict[str, list[str]]  # to run; none if the result that is there holds
    pages: dict[str, list[str]]  # reasons to render what holds
    index: bool  # whether it must be written again
    data: Data

    @property
    def running(self) -> list[str]:
        return [name for name, reasons in self.reasons.items() if reasons]

    @property
    def empty(self) -> bool:
        return not (self.index or self.running or any(self.pages.values()))


def read_manifest(folder: Path) -> Manifest:
    """The record of earlier runs in a profile's folder, empty if there is none. DamagedError if it was altered.

    It holds a hash of itself, but for what was written before there was one: that is read if its fields are these.
    """
    content = stored(folder)
    if content.get("format") != FORMAT:
        return Manifest()
    known = content.pop("sha256", None)
    try:
        if known in (None, digest(content)):
            return Manifest.model_validate(content)
    except (ValueError, RecursionError):  # other fields than these, or deeper than any
        pass
    raise damaged(folder / "manifest.json", folder)


def read_or_set_aside(folder: Path) -> Manifest:
    """The same to go on from: a damaged record is kept under another name, and a line says so.

    The results that it vouched for are made again, from the trainings that lie beside it.
    """
    try:
        return read_manifest(folder)
    except DamagedError:
        path = folder / "manifest.json"
        print(f"{shown(path)} is damaged: set aside as {set_aside(path).name}; the notebooks run again", flush=True)
        return Manifest()


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, so that it can be looked at and is in nobody's way; the path it has now."""
    names = (f"{path.name}.damaged{f'-{n}' * (n > 1)}" for n in itertools.count(1))
    aside = next(other for name in names if not os.path.lexists(other := path.with_name(name)))
    os.replace(path, aside)
    return aside


def read_report(folder: Path, hint: str) -> Manifest:
    """The record of a folder that must hold a report. LabError, with what to do, if it holds none of this version.

    DamagedError if it cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest.notebooks:
        return manifest
    version = stored(folder).get("format", FORMAT)
    if version != FORMAT:
        which = "a newer" if isinstance(version, int) and version > FORMAT else "an older"
        raise LabError(f"{shown(folder)}: its report is of {which} version of this package; run it again with this one")
    raise LabError(f"{shown(folder)} holds no report: {hint}")


def stored(folder: Path) -> dict[str, Any]:
    """What ``manifest.json`` holds, of any version; nothing if it is not there. DamagedError if it cannot be read."""
    path = folder / "manifest.json"
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):  # no JSON, or none that was ever written here
        raise damaged(path, folder) from None
    if not isinstance(content, dict):
        raise damaged(path, folder)
    return content


def damaged(path: Path, folder: Path) -> DamagedError:
    """The error of a file of the report in ``folder``."""
    return DamagedError(f"{path} is damaged: {remedy(folder)}")


def remedy(folder: Path) -> str:
    """What mends a report: where it lies says which command wrote it. A published one may be of another machine."""
    of_others = {
        "published": f"git checkout -- {shown(folder)} brings it back, or make publish",
        "verify": "make verify again",
    }
    return of_others.get(folder.absolute().parent.name, "run the report again (make report); what was trained stays")


def read_metrics(path: Path) -> dict[str, Any]:
    """A metrics file of a report. LabError if it is not there, DamagedError if it cannot be read."""
    folder = path.parent.parent
    try:
        found = read_json(path)
        of_metrics, of_data = found["metrics"].values(), found["data"].values()
        if {"status", "seed"} <= found.keys() and all(map(is_metric, of_metrics)) and all(map(is_source, of_data)):
            return found
    except FileNotFoundError:
        raise LabError(f"{path} is not there: {remedy(folder)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise damaged(path, folder)


def is_metric(entry: Any) -> bool:
    """Whether an entry of a metrics file has a value, which is a finite number or none, and a count if it has one."""
    if not isinstance(entry, dict) or "value" not in entry:
        return False
    return all(entry.get(what) is None or is_finite(entry[what]) for what in ("value", "n"))


def is_finite(value: Any) -> bool:
    """Whether a value is a number that a float can hold; JSON may have others."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def is_source(entry: Any) -> bool:
    """Whether an entry of a metrics file may say of a data set what it is."""
    return isinstance(entry, dict) and isinstance(entry.get("source"), str)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the record with the hash of every file it stands beside; logs are for people, not part of it."""
    kinds = ("index.html", "explore.html", sheet.NAME, "seeds.json", "html/*.html", "notebooks/*.ipynb")
    kinds += ("metrics/*.json", "figures/*/*.png")
    files = [path for kind in kinds for path in folder.glob(kind) if not path.name.startswith(".")]
    manifest.files = {path.relative_to(folder).as_posix(): hash_of(path) for path in files}
    write_whole(folder / "manifest.json", with_hash(manifest))


def with_hash(manifest: Manifest) -> str:
    """The record as it is written, with a hash of all that it holds: it vouches for the rest, and nothing for it."""
    content = manifest.model_dump(mode="json")
    return to_json(content | {"sha256": digest(content)})


def altered(folder: Path, manifest: Manifest) -> list[str]:
    """The files that the manifest vouches for and that are not there, or not as they were written."""
    return [name for name, known in manifest.files.items() if not same(folder / name, known)]


def same(path: Path, known: str | None) -> bool:
    """Whether a file is there with the hash that is known of it."""
    return path.is_file() and hash_of(path) == known


def hash_of(path: Path) -> str:
    """That by which a file is known; what a grader fills in does not count."""
    return sheet.unfilled_hash(path.read_bytes()) if path.name == sheet.NAME else sha256(path)
