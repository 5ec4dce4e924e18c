"""The claims of the coursework reports, decided by what a report measured and what other seeds say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_utils.handover import Record
from lab_utils.labs.evidence import NONE, Decision, budget_in_words, decide
from lab_utils.labs.spec import NOT_RUN, OTHER_DATA, Claim, Lab, MissingValueError, Tolerance, Values, values_of
from lab_utils.report.record import Run
from lab_utils.spread import Entry, at_seed, common_seeds

Records = Mapping[str, Record]  # metrics files by notebook


@dataclass(frozen=True)
class ClaimRow:
    id: str  # as in claim-04-2: the second of notebook 04; new ones of a lab come last
    claim: Claim
    decision: Decision


def claim_rows(
    labs: Mapping[str, Lab], runs: Mapping[str, Run], records: Records, spread: Mapping[str, Entry]
) -> list[ClaimRow]:
    """One row for each claim of the labs, decided by the metrics of the runs that came to their end.

    ``spread`` holds what other seeds gave, by notebook.
    """
    ran = {name: record for name, record in records.items() if record["status"] == "ok"}
    return [
        ClaimRow(f"claim-{lab.number}-{place}", claim, decision(claim, lab, labs, ran, spread, settings))
        for name, lab in labs.items()
        for settings in [settings_of(runs.get(name), lab)]
        for place, claim in enumerate(lab.claims, start=1)
    ]


def settings_of(run: Run | None, lab: Lab) -> Any:
    """The settings that a lab was run with; None if it was not, or has other settings by now."""
    if run is None:
        return None
    kind = type(next(iter(lab.profiles.values())))
    try:
        return kind(**run.depends.settings)
    except (TypeError, ValueError):
        return None


def decision(
    claim: Claim, lab: Lab, labs: Mapping[str, Lab], ran: Records, spread: Mapping[str, Entry], settings: Any
) -> Decision:
    own = claim_values(lab, labs, ran)
    try:
        words, _ = claim.decide(own)
    except MissingValueError as missing:
        return Decision(f"needs {needed(missing.args[0], lab, labs, ran)}", NOT_RUN, "", NONE)
    used = deciding(claim, lab, labs, ran)
    data = data_of([ran[name] for name in used])
    if unlike := [kind for kind, all_used in data.items() if len({one.get("sha256") for one in all_used}) > 1]:
        return Decision(f"needs its notebooks on the same {', '.join(unlike)}", NOT_RUN, "", NONE)
    if not same_data(claim, data):
        said = f"{words} That was measured on other data than the report's."
        return Decision(said, OTHER_DATA, budget_in_words(claim.budget, settings), NONE)
    return decide(claim, by_seed(own, lab, labs, used, spread), tolerances(lab, labs), settings)


# Numbers


def claim_values(lab: Lab, labs: Mapping[str, Lab], ran: Records) -> Values:
    """What a claim of a lab is decided from: its own metrics by name, and everybody's behind the notebook's number."""
    found = Values()
    for name, record in ran.items():
        for prefix in prefixes(name, lab, labs):
            found |= values_of(record["metrics"], prefix)
    return found


def prefixes(name: str, lab: Lab, labs: Mapping[str, Lab]) -> list[str]:
    """What stands before a metric of a notebook in a claim of the lab."""
    return [f"{labs[name].number}/", *([""] if name == lab.name else [])]


def by_seed(
    own: Values, lab: Lab, labs: Mapping[str, Lab], used: Sequence[str], spread: Mapping[str, Entry]
) -> dict[int, Values]:
    """The values of the report and those of the other seeds that all of the used notebooks have."""
    if not used or not all(name in spread for name in used):
        return {0: own}
    found = {}
    for seed in common_seeds([spread[name] for name in used]):
        found[seed] = Values(own)
        for name in used:
            values, arms = (at_seed(spread[name], seed, what) for what in ("values", "by_seed"))
            for prefix in prefixes(name, lab, labs):
                found[seed] |= {f"{prefix}{metric}": value for metric, value in values.items()}
                found[seed] |= {f"{prefix}{metric}.by_seed": value for metric, value in arms.items()}
    return dict(sorted(found.items(), key=lambda one: one[1] != own))


def tolerances(lab: Lab, labs: Mapping[str, Lab]) -> dict[str, Tolerance]:
    """The tolerances of all metrics, by the names that they have in a claim of the lab."""
    return {
        f"{prefix}{metric}": spec.tolerance
        for name, one in labs.items()
        for prefix in reversed(prefixes(name, lab, labs))
        for metric, spec in one.metrics.items()
    }


# Whether a claim can be decided


def needed(metric: str, lab: Lab, labs: Mapping[str, Lab], ran: Records) -> str:
    """What a claim waits for: a notebook that has not run, or a metric of one that has."""
    notebook, slash, name = metric.rpartition("/")
    notebook = notebook if slash else lab.number
    return f"{notebook}/{name}" if any(labs[one].number == notebook for one in ran) else f"notebook {notebook}"


def deciding(claim: Claim, lab: Lab, labs: Mapping[str, Lab], ran: Records) -> list[str]:
    """The notebooks without which a claim cannot be decided."""

    def is_decided(without: str) -> bool:
        try:
            claim.decide(claim_values(lab, labs, {name: record for name, record in ran.items() if name != without}))
        except MissingValueError:
            return False
        return True

    return [name for name in ran if not is_decided(without=name)]


def data_of(records: Sequence[Record]) -> dict[str, list[Mapping[str, Any]]]:
    """What some notebooks used, by kind of data."""
    kinds = dict.fromkeys(kind for record in records for kind in record["data"])
    return {kind: [record["data"][kind] for record in records if kind in record["data"]] for kind in kinds}


def same_data(claim: Claim, used: Mapping[str, list[Mapping[str, Any]]]) -> bool:
    """Whether a figure may be set beside the report's, or a claim be tried on this data; most may on all."""
    every = [one for all_used in used.values() for one in all_used]
    if claim.only_on and not any(one.get("source") in claim.only_on for one in every):
        return False
    return claim.figures_of is None or any(
        one.get("source") == claim.figures_of and claim.test_images in (None, one.get("test")) for one in every
    )
