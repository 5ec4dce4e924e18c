"""What a lab is made of: settings, deliverables, metrics, readings and claims, all of it plain data.

Imports no torch: the report says of a number what the page says of it, from the same rule.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab_utils.config import FALLBACKS, LabError, resolve_profile
from lab_utils.words import fill, number

HOLDS, PARTLY, FAILS = "holds", "holds in part", "does not hold"
UNDECIDED = "undecided"  # a near-tie, or a run too short to tell
BEATEN = "beaten"  # a figure, on the report's own data
OTHER_DATA = "other data"  # a figure that was measured on other data than the report's: neither beaten nor missed
NOT_RUN = "not run"

WITNESS = 0.9  # share of test images in which the detector of faces must find one to be heard


MOST = 10**9  # of a setting: beyond, no training ends and no array fits


@dataclass(frozen=True)
class Tolerance:
    """What `make verify` lets a metric change between machines; the larger of the two counts.

    On one machine nothing changes. Another number of threads, another processor or a GPU rounds otherwise, and training
    makes of that what a change of seed would: little in the likelihood of a VAE, much in a game between two networks.
    """

    relative: float = 0.0  # to the value
    absolute: float = 0.0  # in the metric's unit

    def around(self, value: float) -> float:
        """How far a value may lie from this one, in the metric's unit."""
        return max(self.relative * abs(value), self.absolute)


@dataclass(frozen=True)
class Metric:
    """One named number of a report, and all that is said of it but its value."""

    title: str  # to be understood alone, without the row above it
    unit: str
    higher_is_better: bool | None = None  # None: neither end is better
    targets: Mapping[str, float] = field(default_factory=dict)  # bound by profile, or by ``profile/source``
    reference: float | None = None  # somebody else's figure for the same quantity
    whence: str = ""  # that it comes from
    kind: str = ""  # of data that it is of, in a lab of several: digits or faces
    tolerance: Tolerance = Tolerance()  # of a lab's metrics: measured, see :func:`with_tolerances`

    def sources(self, data: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Where the data of this metric comes from; ``data`` is what a notebook used, by kind."""
        used = [data[self.kind]] if self.kind in data else data.values()
        return {one.get("source", "") for one in used}

    def target(self, profile: str, sources: Iterable[str]) -> tuple[float | None, bool]:
        """The bound for this profile and data, and whether it was set for other data than these."""
        sources = set(sources)
        for source in sources:
            if f"{profile}/{source}" in self.targets:
                return self.targets[f"{profile}/{source}"], False
        return self.targets.get(profile), bool(sources & FALLBACKS)


MEASURED = Path(__file__).with_name("tolerances.json")  # written by lab_utils.seeds.tolerances


def with_tolerances(lab: "Lab", measured: Mapping[str, Mapping[str, Sequence[float]]]) -> "Lab":
    """The lab with the tolerances that were measured, by notebook and metric: a value, and how far others lay from it.

    The distance counts as it is and in proportion to the value, so that it serves other profiles, too.
    """
    found = dict(lab.metrics)
    for name, (value, apart) in measured.get(lab.name, {}).items():
        if name in found and value is not None:
            relative = apart / abs(value) if value else 0.0
            found[name] = replace(found[name], tolerance=Tolerance(min(relative, 1.0), apart))
    return replace(lab, metrics=found)


def named(model: str, title: str, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The same metrics of one of several models: each name behind ``model.`` and each title behind ``title:``."""
    return {f"{model}.{name}": replace(metric, title=f"{title}: {metric.title}") for name, metric in metrics.items()}


REAL_FACES = Metric("Test images in which a detector finds a face", "fraction", higher_is_better=True)


DELIVERED, WEAK, FAILED = "delivered", "weak", "failed"


@dataclass(frozen=True)
class Check:
    """What a metric must reach for a deliverable to show what it is about; a bound from above if ``good`` is lower."""

    metric: str
    good: float  # delivered from here on
    least: float  # weak from here on; else it failed
    only_on: tuple[str, ...] = ()  # sources of data on which that can be asked, if not all

    def status(self, value: float | None) -> str:
        if value is None:
            return FAILED
        way = 1 if self.good >= self.least else -1
        return DELIVERED if way * value >= way * self.good else WEAK if way * value >= way * self.least else FAILED

    @property
    def words(self) -> str:
        """As in ``gan.faces_found ≥ 0.900, weak from 0.500``."""
        sign = "≥" if self.good >= self.least else "≤"
        return f"{self.metric} {sign} {number(self.good)}, weak from {number(self.least)}"


PHOTOGRAPHS = ("photographs", "celeba")


@dataclass(frozen=True)
class Deliverable:
    title: str
    numbers: tuple[str, ...] = ()  # metrics that a grader wants beside its picture
    checks: tuple[Check, ...] = ()  # beside that it is there

    def status(self, values: Mapping[str, Any], sources: Iterable[str]) -> tuple[str, list[str]]:
        """How far one that is there delivers, from its metrics and the sources of the data, and each check in words."""
        finite = all(values.get(name) is not None for name in self.numbers)
        asked = [check for check in self.checks if not check.only_on or set(sources) & set(check.only_on)]
        found = [DELIVERED if finite else FAILED, *(check.status(values.get(check.metric)) for check in asked)]
        stated = "there, with numbers that are finite" if self.numbers else "there"
        return max(found, key=(DELIVERED, WEAK, FAILED).index), [stated, *(check.words for check in asked)]


class MissingValueError(KeyError):
    """A value that a rule or a sentence needs and that was not measured, or is not finite; its name is the argument."""


class Values(dict[str, Any]):
    """What a rule decides from: metrics and notes by name, ``name.n``, ``name.low`` and ``name.high`` of a metric.

    And ``name.by_seed``, the values of one that is a mean over seeds.

    MissingValueError for a name that is not there or has no finite value.
    """

    def __missing__(self, name: str) -> Any:
        raise MissingValueError(name)

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is None:
            raise MissingValueError(name)
        return value


def values_of(measured: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Values:
    """The values of metrics as ``metrics/*.json`` has them, each name behind ``prefix``."""
    found = Values()
    for name, entry in measured.items():
        found[f"{prefix}{name}"], found[f"{prefix}{name}.n"] = entry["value"], entry.get("n")
        if entry.get("interval"):
            found[f"{prefix}{name}.low"], found[f"{prefix}{name}.high"] = entry["interval"]
        if entry.get("by_seed"):
            finite = None not in entry["by_seed"]
            found[f"{prefix}{name}.by_seed"] = entry["by_seed"] if finite else None
    return found


@dataclass(frozen=True)
class Reading:
    """What is said of some numbers, on a page and in the index: sentences, and the rule that says which are true.

    ``rule(values)`` names the sentences, in the order in which they are said. A sentence is a template for
    :func:`lab_utils.words.fill`; ``derived(values)`` gives further numbers that it quotes, such as a ratio.
    """

    rule: Callable[[Values], Sequence[str]]
    sentences: Mapping[str, str]
    derived: Callable[[Values], Mapping[str, Any]] | None = None

    def outcomes(self, values: Values) -> list[str]:
        """The names of the sentences that are true. MissingValueError if a number is not there."""
        return list(self.rule(self.known(values)))

    def text(self, values: Values) -> str:
        """The sentences that are true, with their numbers. MissingValueError if a number is not there."""
        known = self.known(values)
        said = " ".join(fill(self.sentences[name], known) for name in self.rule(known))
        return said.replace(" \n", "\n").replace("\n ", "\n")

    def known(self, values: Values) -> Values:
        return Values(values | self.derived(values)) if self.derived else values

    def say(self, values: Values) -> str:
        """The same as Markdown, or a line that says which number there is not."""
        try:
            return self.text(values)
        except MissingValueError as missing:
            return f"*Nothing is said of this: `{missing.args[0]}` is not finite or was not measured.*"


def always(sentence: str, derived: Callable[[Values], Mapping[str, Any]] | None = None) -> Reading:
    """A reading of one sentence that is true whatever the numbers are."""
    return Reading(lambda _: ["always"], {"always": sentence}, derived)


@dataclass(frozen=True)
class Budget:
    """Optimiser steps of the training that a report speaks of, and which setting holds those of the same one here."""

    report: int
    batch: int  # images in each
    words: str  # how these steps come about, as in "50 epochs of 600 batches"
    setting: str
    batch_setting: str = "batch_size"

    def here(self, settings: Any) -> int:
        return getattr(settings, self.setting)

    def share(self, settings: Any) -> float | None:
        """Steps here over steps there; None where the settings of a run are not known."""
        return None if settings is None else self.here(settings) / self.report


UNSTATED = "the report does not state its budget"
TOY = "on eight Gaussians, where the distribution is known and a training takes seconds"


@dataclass(frozen=True)
class Claim:
    """What a coursework report claimed, and the reading that decides it here, by metrics alone.

    ``verdicts`` gives a verdict for each sentence of the reading that is one; the first that the rule names counts.
    Metrics of another lab are named with its number, as in ``06/infogan_digits.fcd``.
    """

    text: str  # what it says, in our words and one sentence
    report: str  # A to E
    said_of: str  # the model that the report says it of, and its section, as in "convolutional CVAE, discussion"
    tested_on: str  # the model that decides it here
    reading: Reading
    verdicts: Mapping[str, str]
    shown: tuple[str, ...]  # deliverables to look at, as in "04/gan.6"
    budget: Budget | str  # or, in words, why there is none to compare
    figures_of: str | None = None  # the source whose figure it is ("mnist"); on any other the verdict is OTHER_DATA
    only_on: tuple[str, ...] = ()  # sources that can decide it, if not all: what is claimed is not to be seen on others
    test_images: int | None = None  # of that source, on which the figure was measured; on others OTHER_DATA, too

    def decide(self, values: Values) -> tuple[str, str]:
        """What was measured, in words, and the verdict. MissingValueError if a number is not there."""
        text, outcomes = self.reading.text(values), self.reading.outcomes(values)
        return text, next(self.verdicts[name] for name in outcomes if name in self.verdicts)


@dataclass(frozen=True)
class Comparison:
    """Numbers of several notebooks side by side, on the same data: a line of words, then metrics by notebook."""

    kind: str  # digits or faces
    rows: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Lab:
    """One notebook: what it asks, how large it runs, what it delivers and what is said of its numbers."""

    name: str  # of its notebook, as in 04_gan
    title: str
    question: str
    data: tuple[str, ...]  # digits, faces
    profiles: Mapping[str, Any]  # settings by profile, a frozen dataclass
    deliverables: Mapping[str, Deliverable]
    metrics: Mapping[str, Metric]
    finding: Reading | None = None  # what was found, in a sentence or two, for the first screen of the index
    readings: Mapping[str, Reading] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """``"03"``: what NB takes and every line begins with."""
        return self.name.split("_")[0]

    def settings(self, profile: str, changes: Mapping[str, Any] | None = None) -> Any:
        """Settings for a profile, with single fields changed by name.

        LabError names a profile or a field that does not exist or a value of the wrong type or range.
        """
        profile = resolve_profile(profile)
        if profile not in self.profiles:
            raise LabError(f"notebook {self.number} has no profile {profile!r}: it has {', '.join(self.profiles)}")
        chosen = self.profiles[profile]
        changes, known = dict(changes or {}), asdict(chosen)
        for name in changes:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
                raise LabError(f"CHANGES: notebook {self.number} has no setting {name!r}; {hint}")
            if isinstance(changes[name], (int, float)) and changes[name] > MOST:
                raise LabError(f"CHANGES: {name}={changes[name]}: give at most {MOST:,}")
        try:
            return replace(chosen, **changes)
        except ValidationError as error:
            first = error.errors()[0]
            raise LabError(f"CHANGES: {first['loc'][0]}={first['input']!r}: {first['msg']}") from None


# Rules


def sign(worse: float, margin: float) -> int:
    """1 if something is worse by more than the margin, −1 if better, 0 for a near-tie."""
    return 0 if abs(worse) <= margin else 1 if worse > 0 else -1


def majority(signs: Sequence[int]) -> str:
    """What several measures say together of the claim that something is worse: a verdict."""
    if 1 not in signs:
        return FAILS if -1 in signs else UNDECIDED
    return PARTLY if -1 in signs else HOLDS


def all_of(signs: Sequence[int]) -> str:
    """What several measures say of a claim that needs each of them: a verdict."""
    if 1 in signs:
        return HOLDS if set(signs) == {1} else PARTLY
    return FAILS if -1 in signs else UNDECIDED
