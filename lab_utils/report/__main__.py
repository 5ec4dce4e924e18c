"""Run notebooks and write their report.

python -m lab_utils.report run [NAME=VALUE ...]    run notebooks, write reports/<profile>/
python -m lab_utils.report data [NAME=VALUE ...]   fetch or make what they need, and say what it is
python -m lab_utils.report verify [NAME=VALUE ...] run again elsewhere, compare with reports/published/
python -m lab_utils.report publish PROFILE=name    put a finished report into reports/published/
python -m lab_utils.report submit NAME=person [PROFILE=name]   pack a report into one file to hand in
python -m lab_utils.report compare A=folder B=folder           say what differs between two reports, and why
python -m lab_utils.report lab [LAB=options]       open JupyterLab with a kernel that finds lab_utils

  PROFILE   smoke, quick, long, full, or auto: full with a GPU, else quick
  NB        numbers of the notebooks, as in "03 05"; all of them if not given
  DATA_DIR  where the data is, if not in data/
  FACES     auto, photographs or avatars
  SEED      whole number, 0 or more
  SPLIT     test, or validation: train without held-out training images and judge on them, to choose settings
  CHANGES   settings that differ from the profile, JSON, as in '{"steps": 1200}'
  FORCE     1: run whatever holds, from the beginning
  REPORTS   where reports are written, if not in reports/
  CACHE     where models and images are kept that are made once, if not in data/cache/
  JOBS      how many notebooks run at once

A notebook runs only if its code, its parameters, its settings, what it imports of lab_utils, the data, the packages
or the kind of device changed since it ran well; its page is written again if its words changed. An empty value means
the default. Exit code: 0 all well, 1 a notebook failed or a number (compare: or a figure) differs, 2 something that
you can put right, 130 interrupted.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_utils.config import ROOT, LabError
from lab_utils.labs import LABS
from lab_utils.labs.spec import Lab
from lab_utils.report.command import begin
from lab_utils.report.compare import compare
from lab_utils.report.limits import check_folder
from lab_utils.report.plan import fetch, run
from lab_utils.report.publish import publish
from lab_utils.report.request import exit_code, parse, path_of, places_of, taken
from lab_utils.report.submit import submit
from lab_utils.report.verify import verify

COMMANDS = {"run": run, "data": fetch, "verify": verify, "publish": publish}  # of a request
WORDS = {"submit": ("NAME",), "compare": ("A", "B")}  # that these two know beside those of a request
OTHERS = (*WORDS, "lab")


def main(
    arguments: Sequence[str],
    notebooks: Path = ROOT / "notebooks",
    reports: Path = ROOT / "reports",
    labs: Mapping[str, Lab] = LABS,
) -> int:
    """The command line; returns the exit code."""

    def carry_out() -> int:
        command = arguments[0]
        if command not in (*COMMANDS, *OTHERS):
            raise LabError(f"there is no command {command!r}; there are {', '.join((*COMMANDS, *OTHERS))}")
        check_folder()
        if command == "lab":
            from lab_utils.report.lab import lab  # with what starts notebooks, which no other command imports at once

            return lab(arguments[1:])
        own, others = taken(arguments[1:], WORDS.get(command, ()))
        if command == "compare":
            return compare(*(path_of(word, own[word]) for word in ("A", "B")))
        request = parse(others, labs)
        places = places_of(request, notebooks, reports, labs)
        return submit(own["NAME"], places) if command == "submit" else COMMANDS[command](request, places)

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    return exit_code(carry_out, reports, "interrupted")  # before any notebook ran


if __name__ == "__main__":
    begin()
    sys.exit(main(sys.argv[1:]))
