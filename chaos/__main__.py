"""``make chaos N=200``: hurts so many reports, each in its own way, and checks what the next command makes of them.

A trial is good if the next command ends with the very metrics and figures of a report that nobody hurt, or with one
line that says what to do. SEED chooses the faults, TRIAL replays one of them, FULL adds trials with whole notebooks
(03 and 04), JOBS does some at a time. Exit code: 0 all are good, 1 one is not, 2 something that you can put right.
"""

import dataclasses
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos.faults import KINDS, kind_of
from chaos.trial import FAILED, ONE_LINE, SAME, Result, States, carry_out, draw, end_all
from lab_utils.config import ROOT, LabError
from lab_utils.files import say, shown, to_json, write_whole
from lab_utils.report.command import begin
from lab_utils.report.request import assigned, exit_code

OUTPUT = ROOT / "reports" / "chaos"
OUTCOMES = (SAME, ONE_LINE, FAILED)
WHOLE = 10_000  # number of the first trial with whole notebooks


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a person asked for, as NAME=VALUE."""

    N: int = 20  # trials with the short notebook
    FULL: int = 0  # trials beside them with whole notebooks
    SEED: int = 0
    TRIAL: int | None = None  # this one alone
    JOBS: int = 1  # trials at a time

    @property
    def numbers(self) -> Sequence[int]:
        every = [*range(self.N), *range(WHOLE, WHOLE + self.FULL)]
        return every if self.TRIAL is None else [self.TRIAL]


def main(arguments: Sequence[str], output: Path = OUTPUT) -> int:
    def carry_out() -> int:
        given = parse(arguments)
        if not sys.platform.startswith("linux"):
            raise LabError("chaos looks at processes as Linux shows them; run it there")
        with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
            results = carry_out_all(given, Path(scratch).resolve(), output)
        say(table(results))
        bad = [result for result in results if result.outcome == FAILED]
        for result in bad:
            logs = shown(kept(output, result.number))
            say(f"FAILED: trial {result.number}, {result.said}: {result.why}\n  logs: {logs}")
        return int(bool(bad))

    return exit_code(carry_out, output, "interrupted")


def parse(arguments: Sequence[str]) -> Asked:
    """LabError if a name is not known or a value no whole number."""
    given = assigned(arguments, [field.name for field in dataclasses.fields(Asked)])
    for name, value in given.items():
        if not value.isdecimal():
            raise LabError(f"{name}={value!r}: give a whole number, 0 or more")
    return Asked(**{name: int(value) for name, value in given.items()})


def carry_out_all(given: Asked, scratch: Path, output: Path) -> list[Result]:
    """Each trial, with a line as it ends."""
    states = {whole: States(scratch / f"whole-{whole}", whole) for whole in (False, True)}
    say("number  kind               outcome     seconds  fault")

    def one(number: int) -> Result:
        try:
            return carried_out(number, given.SEED, states[number >= WHOLE], scratch, output)
        except LabError:
            raise
        except Exception as error:  # whatever is wrong with one trial, the others are done
            return Result(number, kind(number), "", "", FAILED, f"the trial broke: {error!r}", 0.0)

    results = []
    with ThreadPoolExecutor(max(1, given.JOBS)) as pool:
        try:
            for result in pool.map(one, given.numbers):
                results.append(result)
                say(line(result))
                if given.TRIAL is None:
                    write(results, given, output)  # what is found stays if the rest is interrupted
        except BaseException:
            for some in states.values():
                some.stopping.set()
            end_all(scratch)
            raise
    return results


def line(result: Result) -> str:
    about = f"{result.said} ({result.struck or 'came too late'}){': ' if result.why else ''}{result.why}"
    return f"{result.number:>6}  {result.kind:<17}  {result.outcome:<10}  {result.seconds:>7.1f}  {about}"


def write(results: Sequence[Result], given: Asked, output: Path) -> None:
    command = f"make chaos N={given.N} FULL={given.FULL} SEED={given.SEED}"
    found = [dataclasses.asdict(result) for result in results]
    write_whole(output / "trials.json", to_json({"command": command, "trials": found}))


def carried_out(number: int, seed: int, states: States, scratch: Path, output: Path) -> Result:
    """A trial in a folder of its own, which is removed; what a failed one leaves for a person to read is kept."""
    folder = scratch / f"trial-{number}"
    with states.lock:
        fault = draw(number, kind(number), seed, states)
        getattr(states, fault.state)  # made before others want it too
    try:
        result = carry_out(number, kind(number), fault, states, folder)
        shutil.rmtree(kept(output, number), ignore_errors=True)
        if result.outcome == FAILED:
            keep_logs(folder, kept(output, number))
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kind(number: int) -> str:
    return kind_of(number, os.geteuid() == 0)


def kept(output: Path, number: int) -> Path:
    return output / f"trial-{number}"


def keep_logs(folder: Path, target: Path) -> None:
    """What the commands said, what the hook did, and the report as it was left."""
    ignored = shutil.ignore_patterns("ipython", "tmp", "runtime")
    shutil.copytree(folder / "aside", target, ignore=ignored, dirs_exist_ok=True)
    if (folder / "root" / "reports").is_dir():
        shutil.copytree(folder / "root" / "reports", target / "reports", dirs_exist_ok=True)


def table(results: Sequence[Result]) -> str:
    """How many trials of each kind ended how; those whose fault came too late stand apart."""
    head = f"{'kind of fault':<18}{'trials':>8}{'too late':>10}" + "".join(f"{outcome:>12}" for outcome in OUTCOMES)
    rows = [head]
    for kind in [*KINDS, "all"]:
        those = [result for result in results if kind in (result.kind, "all")]
        if those:
            counts = Counter(result.outcome for result in those)
            late = sum(not result.struck for result in those)
            numbers = "".join(f"{counts[outcome]:>12}" for outcome in OUTCOMES)
            rows.append(f"{kind:<18}{len(those):>8}{late:>10}{numbers}")
    return "\n".join(rows)


if __name__ == "__main__":
    begin()  # ended like Ctrl-C, with the trials under way
    sys.exit(main(sys.argv[1:]))
