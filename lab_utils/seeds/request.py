"""What a person asks for: which seeds, and which points of a grid, checked before anything runs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_utils.config import LabError
from lab_utils.labs.spec import Lab
from lab_utils.report import request as report
from lab_utils.report.request import Request

SEEDS = 5  # if nobody says how many
MOST = 1000  # seeds, and points of a grid: more would be a slip, and each is a run of minutes or hours


@dataclass(frozen=True)
class Wanted:
    """What a person asked for, checked: each notebook at each point with each seed is a run."""

    request: Request  # its SEED is the first
    seeds: tuple[int, ...]
    points: tuple[dict[str, Any], ...]  # the settings of each that differ from the profile


def parse(arguments: Sequence[str], labs: Mapping[str, Lab]) -> Wanted:
    """Check the NAME=VALUE arguments; LabError says in one line what is wrong with the first that is."""
    own, others = {"N": "", "GRID": ""}, []
    known = [*Request.__dataclass_fields__, *own]
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name not in (*known, *report.MAKE_ONLY):
            raise LabError(f"there is no {name!r}; {report.hint(name, known)}")
        if equals and name in own:
            own[name] = value.strip()
        else:
            others.append(argument)
    request = report.parse(others, labs)
    points = grid(own["GRID"], request.CHANGES)
    for name, point in itertools.product(request.NB, points):
        try:
            labs[name].settings(request.PROFILE, point)
        except LabError as error:  # CHANGES alone was checked
            raise LabError(str(error).replace("CHANGES", "GRID", 1)) from None
    return Wanted(request, tuple(range(request.seed, request.seed + how_many(own["N"]))), points)


def how_many(text: str) -> int:
    """The number of seeds. LabError if it is none."""
    if not text:
        return SEEDS
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise LabError(f"N={text!r}: give a whole number, 1 to {MOST}")
    return int(text)


def grid(text: str, changes: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Every combination of the listed values, each once, on top of ``changes``; these alone for an empty text.

    LabError if it is no JSON object of lists that hold something, or has too many points.
    """
    axes = report.from_json(text or "{}")
    if not isinstance(axes, dict) or not all(isinstance(values, list) and values for values in axes.values()):
        raise LabError(
            f"GRID={text!r}: give a list of values for each setting, as in GRID='{{\"steps\": [600, 1200]}}'"
        )
    if math.prod(map(len, axes.values())) > MOST:
        raise LabError(f"GRID={text!r}: these lists make more than {MOST} points, each a run; give shorter ones")
    points: list[dict[str, Any]] = []
    for values in itertools.product(*axes.values()):
        point = {**changes, **dict(zip(axes, values, strict=True))}
        if point not in points:
            points.append(point)
    return tuple(points)
