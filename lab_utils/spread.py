"""What other seeds gave for the numbers of a report: its ``seeds.json``, as far as that is of the same report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from lab_utils.config import LabError
from lab_utils.files import read_json

Entry = dict[str, Any]  # one of the results in seeds.json: notebook, changes, seeds, data, metrics


Values = list[FiniteFloat | None]


class Numbers(BaseModel):
    """What seeds gave for a metric, as the file has it."""

    model_config = ConfigDict(strict=True)
    values: Values
    mean: FiniteFloat | None
    interval: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)] | None
    unit: str
    n: int
    by_seed: list[Values | None] | None = None


class Stored(BaseModel):
    """One of the results, as the file has it."""

    model_config = ConfigDict(strict=True)
    notebook: str
    changes: dict[str, Any]
    seeds: list[int]
    data: dict[str, str]
    metrics: dict[str, Numbers]


def check(entries: Any) -> None:
    """ValueError if entries of the file are not of the form that is written, or have not a value for each seed."""
    for entry in TypeAdapter(list[Stored]).validate_python(entries):
        for one in entry.metrics.values():
            if any(values is not None and len(values) != len(entry.seeds) for values in (one.values, one.by_seed)):
                raise ValueError


def read_results(folder: Path) -> list[Entry]:
    """The entries of earlier commands. LabError if their file is damaged."""
    path = folder / "seeds.json"
    try:
        entries = read_json(path)["results"]
        check(entries)
        return entries
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LabError(f"{path} is damaged: remove it and run again; finished runs stay") from None


def of_report(folder: Path, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    """By notebook, what several seeds gave: those entries that have the report's own run among theirs.

    ``records`` are its metrics files. An entry of other code, settings or data has another number somewhere, or
    lacks one.
    """
    found = {}
    for entry in read_results(folder):
        record = records.get(entry["notebook"])
        if record and len(entry["seeds"]) > 1 and not entry["changes"] and has(entry, record):
            found[entry["notebook"]] = entry
    return found


def has(entry: Entry, record: Mapping[str, Any]) -> bool:
    """Whether one of the entry's runs is the one of a metrics file."""
    data = {kind: one.get("sha256") for kind, one in record["data"].items()}
    if record["status"] != "ok" or record["seed"] not in entry["seeds"] or data != entry["data"]:
        return False
    measured = record["metrics"]
    return all(
        at_seed(entry, record["seed"], what) == {name: one[key] for name, one in measured.items() if key in one}
        for what, key in {"values": "value", "by_seed": "by_seed"}.items()
    )


def at_seed(entry: Entry, seed: int, what: str = "values") -> dict[str, Any]:
    """What a seed gave, by metric."""
    place = entry["seeds"].index(seed)
    return {name: one[what][place] for name, one in entry["metrics"].items() if what in one}


def common_seeds(entries: Sequence[Entry]) -> list[int]:
    """The seeds that all of the entries have."""
    return [seed for seed in entries[0]["seeds"] if all(seed in entry["seeds"] for entry in entries)]
