"""Repeat notebooks over seeds and grids of settings, write reports/<profile>/seeds.json.

python -m lab_utils.seeds [NAME=VALUE ...]

  N         how many seeds: SEED, 0 if not given, and those that follow; 5 if not given
  GRID      lists of values by setting, JSON, as in '{"first_beta": [1, 5]}': every combination is a point
  JOBS      how many run at once: one for each core, or for each GPU, if not given

PROFILE, NB, DATA_DIR, FACES, SEED, SPLIT, CHANGES and FORCE are as for the report (python -m lab_utils.report help). A
run whose code, parameters, settings, data, packages and kind of device are those of one that ended well does not run
again, and neither does one that the report of this profile made. Two commands at once share the work. Exit code: 0 all
well, 1 a run failed, 2 something that you can put right, 130 interrupted: the same command goes on.
"""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lab_utils.config import ROOT
from lab_utils.files import read_json, shown
from lab_utils.labs import LABS
from lab_utils.labs.spec import Lab
from lab_utils.report.command import begin
from lab_utils.report.depends import check_notebooks, known_data, load_data, looks, remember_data
from lab_utils.report.record import read_manifest
from lab_utils.report.request import Places, exit_code, places_of
from lab_utils.seeds.pool import prepare_judges, run_all
from lab_utils.seeds.request import Wanted, parse
from lab_utils.seeds.results import add_results, aligned, over_seeds, seeds_in_words, table
from lab_utils.seeds.runs import Result, Run, held, outdated, result_of, runs_of, take_over, tidy
from lab_utils.spread import read_results


def repeat(wanted: Wanted, places: Places) -> int:
    """Run what of the wanted is missing, write and print what the numbers are over seeds; the exit code."""
    request = wanted.request
    places.check()
    before = outdated(places.folder, request.FORCE)
    read_results(places.folder)  # a damaged file must be found before hours of work
    seen = looks(request, places.labs)
    known = known_data(places.folder, seen)
    data = load_data(request, places.labs) if known is None else known
    runs = runs_of(wanted, places, data)
    results = finished(runs, places, before, request.FORCE)
    if len(results) < len(runs) and known is not None:  # so must bad data
        data = load_data(request, places.labs)
        runs = runs_of(wanted, places, data)
        results = finished(runs, places, before, request.FORCE)
    remember_data(places.folder, seen, data)
    print(states(runs, results), flush=True)
    missing = [run for run in runs if run not in results]
    if missing:
        prepare_judges(missing, request, places)
        results |= run_all(missing, request, places, data, before)
    summarise(runs, results, places, request.PROFILE)
    return int(any(result.status != "ok" for result in results.values()))


def finished(runs: Sequence[Run], places: Places, before: Collection[str], anew: bool) -> dict[Run, Result]:
    """The runs that hold, those that the report has made among them unless all are to be made ``anew``."""
    if not anew:
        manifest = read_manifest(places.folder)
        for run in runs:
            if result_of(run, before) is None:
                take_over(run, manifest, places, before)
    known = {run: result_of(run, before) for run in runs}
    found = {run: result for run, result in known.items() if result is not None}
    for run, result in found.items():
        if result.status == "ok":
            tidy(run)
    return found


def states(runs: Sequence[Run], results: Mapping[Run, Result]) -> str:
    """A line for each notebook and point: what becomes of each seed.

    One that another command is at runs already; the others that do not hold wait for their turn.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        state = "holds" if run in results else "runs" if at_work(run) else "waits"
        rows.setdefault((run.name, changes_in_words(run)), []).append(state)
    seeds = [f"seed {seed}" for seed in dict.fromkeys(run.seed for run in runs)]
    return aligned([("notebook", "changes", *seeds), *((*key, *row) for key, row in rows.items())])


def at_work(run: Run) -> bool:
    """Whether another command is at a run."""
    if not run.folder.exists():
        return False
    with held(run) as free:
        return not free


def changes_in_words(run: Run) -> str:
    return json.dumps(run.changes) if run.changes else "none"


def summarise(runs: Sequence[Run], results: Mapping[Run, Result], places: Places, profile: str) -> None:
    """Write and print the numbers of each notebook at each point over the seeds that ended well."""
    entries, said = [], []
    points: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        points.setdefault((run.name, changes_in_words(run)), []).append(run)
    for (name, changes), group in points.items():
        well = [run for run in group if results[run].status == "ok"]
        failed = [run.seed for run in group if run not in well]
        title = f"{name}, changes: {changes}"
        if failed:
            title += f"; failed: {seeds_in_words(failed)}"
        said.append(f"\n{title}")
        if well:
            records = {run.seed: read_json(run.metrics) for run in well}
            entries.append(over_seeds(name, group[0].changes, group[0].depends.data, records))
            said[-1] += f"; mean over {seeds_in_words(list(records))}\n{table(entries[-1])}"
    add_results(places.folder, profile, entries)
    print("\n".join(said))
    print(f"\nseeds: {shown(places.folder / 'seeds.json')}", flush=True)


def main(
    arguments: Sequence[str],
    notebooks: Path = ROOT / "notebooks",
    reports: Path = ROOT / "reports",
    labs: Mapping[str, Lab] = LABS,
) -> int:
    """The command line; returns the exit code."""

    def carry_out() -> int:
        wanted = parse(arguments, labs)
        places = places_of(wanted.request, notebooks, reports, labs)
        check_notebooks(wanted.request, places)
        return repeat(wanted, places)

    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    return exit_code(carry_out, reports, "interrupted: what is missing runs the next time")


if __name__ == "__main__":
    begin()
    sys.exit(main(sys.argv[1:]))
