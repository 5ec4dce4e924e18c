"""What a page shows beside its notebook, and whether the one that is there still shows what is so.

Looks at files and records only: a report in which nothing changed loads none of what renders.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache

from lab_utils import handover, sources
from lab_utils.config import ROOT, LabError
from lab_utils.files import digest, sha256
from lab_utils.handover import Record
from lab_utils.labs.spec import Lab
from lab_utils.report.depends import prose
from lab_utils.report.record import Manifest, PageKey, Run, read_metrics
from lab_utils.report.request import Places
from lab_utils.spread import of_report
from lab_utils.words import device_line, duration, source_lines

# What renders: these files, by what they say.
RENDERERS = (
    "report", "handover.py", "spread.py", "words.py", "equations.py", "pictures.py", "labs/spec.py", "labs/evidence.py",
    "labs/tolerances.json",
)  # fmt: skip
REASONS = {  # what a person is told if one of the hashes of a page is another
    "renderer": "what renders it changed",
    "words": "its lab's words changed",
    "sources": "a source that it shows changed",
    "around": "what it says of other notebooks or seeds changed",
}


@dataclass(frozen=True)
class Link:
    href: str
    title: str


@dataclass(frozen=True)
class Failure:
    """The banner of a page whose run did not come to its end."""

    title: str
    reason: str
    cell: int | None
    where: str
    log: str


@dataclass(frozen=True)
class Head:
    """What stands above and around a notebook on its page."""

    title: str
    facts: list[tuple[str, str]]
    failure: Failure | None = None
    previous: Link | None = None
    next: Link | None = None


def head(name: str, manifest: Manifest, places: Places, coming: Collection[str] = ()) -> Head:
    """The head of a page. Links lead to the notebooks that have run or are ``coming``."""
    order = [other for other in places.labs if other in manifest.notebooks or other in coming]
    at = order.index(name)
    links = [Link(f"{other}.html", handover.title(other, places.labs)) for other in order]
    return Head(
        title=places.labs[name].title,
        facts=facts(manifest.notebooks[name]),
        failure=failure(name, manifest.notebooks[name], places),
        previous=links[at - 1] if at > 0 else None,
        next=links[at + 1] if at + 1 < len(order) else None,
    )


def facts(run: Run) -> list[tuple[str, str]]:
    return [
        ("Profile", run.profile),
        ("Device", device_line(run.provenance) or run.device or "not stated"),
        ("Data", "; ".join(source_lines(run.data)) or "none"),
        ("Seed", str(run.seed)),
        ("Time", duration(run.seconds)),
        ("Run", run.finished),
    ]


def failure(name: str, run: Run, places: Places) -> Failure | None:
    if run.status == "ok":
        return None
    title = "This run was interrupted" if run.status == "interrupted" else "This run failed"
    log = places.log(name).relative_to(places.folder.parent.parent).as_posix()
    return Failure(title, run.reason, run.cell, run.where, log)


# Keys


def page_key(
    name: str, manifest: Manifest, places: Places, records: Mapping[str, Record], coming: Collection[str] = ()
) -> PageKey:
    """What the page of a notebook is made of; ``records`` are the metrics files by notebook."""
    run, lab = manifest.notebooks[name], places.labs[name]
    compared = [
        handover.filled(lab.comparisons[shown], name, sha, records, places.labs)
        for shown, sha in run.comparisons
        if shown in lab.comparisons
    ]
    return PageKey(
        renderer=renderer(),
        words=words_of(lab),
        sources=digest([source_text(*shown) for shown in run.sources]),
        around=digest(
            [asdict(head(name, manifest, places, coming)), compared, of_report(places.folder, records).get(name)]
        ),
        executed=sha256(places.executed(name)),
    )


def index_key(places: Places) -> str:
    """What the index is made of beside the results."""
    return digest([renderer(), {name: words_of(lab) for name, lab in places.labs.items()}, seeds_hash(places)])


def seeds_hash(places: Places) -> str:
    """Of what other seeds gave, empty if there is none."""
    path = places.folder / "seeds.json"
    return sha256(path) if path.is_file() else ""


@cache  # what renders and what is said are those that this process has loaded, whatever their files become
def renderer() -> str:
    """One hash over what turns results into pages."""
    package = ROOT / "lab_utils"
    files = [path for name in RENDERERS for path in [package / name, *(package / name).rglob("*")]]
    files = [path for path in files if path.is_file() and path.suffix != ".pyc"]
    return digest({path.relative_to(package).as_posix(): sha256(path) for path in files})


def words_of(lab: Lab) -> str:
    """Hash of all that is said of a lab: of the text of its file, or, without one, of what it is made of.

    An instance does not know where it was made, but the class of its settings does.
    """
    modules = sorted({type(settings).__module__ for settings in lab.profiles.values()})
    return digest([text_hash(module) for module in modules if sources.by_value(module)] or repr(lab))


@cache
def text_hash(module: str) -> str:
    return sha256(sources.files_of(module, ROOT)[0])


def source_text(module: str, name: str) -> str | None:
    """A function or class as it is written now; None if there is none of that name any more."""
    try:
        return sources.text_of(module, name)
    except (StopIteration, IndexError, SyntaxError):
        return None


def page_reasons(
    name: str, manifest: Manifest, places: Places, coming: Collection[str] = (), touched: Collection[str] = ()
) -> list[str]:
    """Why the page of a notebook whose result holds must be written again, in words.

    ``coming`` are the notebooks that will run, ``touched`` the files that are not as they were written.
    """
    run = manifest.notebooks.get(name)
    if run is None or not places.executed(name).is_file():
        return []
    found = ["its prose changed"] if run.prose != prose(places.source(name)) else []
    known = manifest.pages.get(name)
    if known is None:
        return [*found, "it has no page yet"]
    now = page_key(name, manifest, places, read_records(manifest, places), coming)
    found += [said for part, said in REASONS.items() if getattr(known, part) != getattr(now, part)]
    return found + [f"{file} was altered or removed" for file in touched if name in file]


def read_records(manifest: Manifest, places: Places) -> dict[str, Record]:
    """The metrics files of the runs that are known, by notebook; without those that were removed or damaged."""
    found = {}
    for name in places.labs:
        if name in manifest.notebooks:
            with contextlib.suppress(LabError):
                found[name] = read_metrics(places.metrics(name))
    return found
