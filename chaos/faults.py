"""What can happen to a report, drawn at random: each kind of fault says what it hurts, when, and how it is lifted."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from chaos.tree import processes

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ROLES = ("report", "executor", "kernel", "worker")
GIB = 2**30
DAY = 86_400


def nothing(*_: Any) -> None:
    """What most faults do at most times."""


@dataclass(frozen=True)
class Fault:
    """What happens in a trial. A command is hurt, unless files were ``damaged``; then the next command must mend it."""

    said: str  # what it is, in a line
    state: str  # of the tree, from which it begins
    hook: Mapping[str, Any] = field(default_factory=dict)  # what the processes of the hurt command are told
    before: Callable[[Path], None] = nothing  # the hurt command: given the tree
    meanwhile: Callable[[Path, subprocess.Popen], None] = nothing  # while it runs
    after: Callable[[Path], None] = nothing  # it, before the next one
    damaged: bool = False
    killed: bool = False  # what the hurt command says is nobody's concern
    twice: bool = False  # two commands are started at once


@dataclass(frozen=True)
class Known:
    """What is known of a report that begins in a state and is not hurt."""

    seconds: float
    operations: Mapping[str, int]  # by role, that write


Ask = Callable[[], Known]  # a report is run for the answer
Draw = Callable[[random.Random, str, Ask], Fault]


# Signals


def killed_at_a_moment(rng: random.Random, state: str, known: Ask) -> Fault:
    roles = ["make", *(role for role in ROLES if role in known().operations)]
    role, how, share = rng.choice(roles), rng.choice(SIGNALS), rng.random()
    seconds = 1.0 * share if role == "worker" else known().seconds * share
    said = f"{how.name} to {role} {seconds:.1f} s after it began"
    return Fault(said, state, meanwhile=partial(kill, role, how, seconds), killed=True)


def kill(role: str, how: signal.Signals, seconds: float, root: Path, command: subprocess.Popen) -> None:
    """Send a signal to a process some time after it began, unless the command has ended before."""
    pids = root.parent / "aside" / "hits" / f"pids-{role}"
    while role != "make" and not pids.exists():
        if command.poll() is not None:
            return
        time.sleep(0.05)
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(seconds)
        return
    pid = command.pid if role == "make" else int(pids.read_text().split()[0])
    if pid in processes(root.parent):  # else it has ended, and its number may be that of another
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
            note(root, role)


def killed_at_an_operation(rng: random.Random, state: str, known: Ask) -> Fault:
    how, (role, at) = rng.choice(SIGNALS), operation(rng, known)
    hook = {"what": "signal", "role": role, "at": at, "signal": int(how)}
    return Fault(f"{how.name} to {role} at its operation {at}", state, hook, killed=True)


def operation(rng: random.Random, known: Ask, roles: tuple[str, ...] = ROLES) -> tuple[str, int]:
    """A process, and which of the files that it writes."""
    role = rng.choice([role for role in roles if role in known().operations])
    return role, 1 + int(rng.random() * known().operations[role])


# Disks


def disk_full(rng: random.Random, state: str, known: Ask) -> Fault:
    role, at = operation(rng, known)
    hook = {"what": "disk full", "role": role, "at": at, "below": ""}
    return Fault(f"disk full from operation {at} of {role} on", state, hook)


def small_disk(rng: random.Random, state: str, known: Ask) -> Fault:
    folder, free = rng.choice(("reports", "data/cache")), int(2 ** rng.uniform(14, 22.5))
    said = f"{folder} on a disk with {free:,} bytes free"
    return Fault(said, state, before=partial(mount, folder, free), after=partial(enlarge, folder))


def mount(folder: str, free: int, root: Path) -> None:
    """Put a folder on a disk of its own."""
    place, apart = root / folder, root.parent / "apart"
    place.mkdir(parents=True, exist_ok=True)
    place.rename(apart)
    place.mkdir()
    pages = sum(-(-path.lstat().st_size // 4096) + 1 for path in apart.rglob("*"))
    size = f"size={4096 * (pages + 1) + free}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "chaos", str(place)], check=True)
    shutil.copytree(apart, place, dirs_exist_ok=True)
    note(root, folder)


def enlarge(folder: str, root: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1g", str(root / folder)], check=True)


def read_only(rng: random.Random, state: str, known: Ask) -> Fault:
    folder = rng.choice(("", "reports", "reports/smoke", "reports/smoke/metrics", "reports/smoke/checkpoints", "data"))
    role, at = rng.choice((("report", 1), operation(rng, known)))
    said = f"{folder or 'everything'} read-only from operation {at} of {role} on"
    return Fault(said, state, {"what": "read-only", "role": role, "at": at, "below": folder})


# Files


def damaged_result(rng: random.Random, state: str, known: Ask) -> Fault:
    return damaged(rng, state, ("reports/smoke/*", "reports/smoke/[!c]*/**/*"))


def damaged_store(rng: random.Random, state: str, known: Ask) -> Fault:
    return damaged(rng, state, ("data/cache/*", "reports/smoke/checkpoints/**/*"))


def damaged(rng: random.Random, state: str, globs: tuple[str, ...]) -> Fault:
    how, which, where = rng.choice(tuple(DAMAGES)), rng.random(), rng.random()
    return Fault(f"a file {how}", state, before=partial(damage, globs, how, which, where), damaged=True)


def damage(globs: tuple[str, ...], how: str, which: float, where: float, root: Path) -> None:
    """Damage one of the files, at a share ``where`` of its length."""
    files = sorted({path for glob in globs for path in root.glob(glob) if path.is_file()})
    path = files[int(which * len(files))]
    DAMAGES[how](path, where)
    note(root, path.relative_to(root))


def note(root: Path, where: object) -> None:
    """Say, as the hook does, where a fault struck."""
    hits = root.parent / "aside" / "hits"
    hits.mkdir(parents=True, exist_ok=True)
    (hits / "struck").write_text(f"{where}\n")


def shorten(path: Path, where: float) -> None:
    os.truncate(path, int(path.stat().st_size * where))


def empty(path: Path, where: float) -> None:
    os.truncate(path, 0)


def flip(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[int(where * len(content))] ^= 1 << int(where * 1e6) % 8
    path.write_bytes(content)


def remove(path: Path, where: float) -> None:
    path.unlink()


DAMAGES = {"cut short": shorten, "emptied": empty, "with a flipped bit": flip, "removed": remove}


# The rest


def clock_jumps(rng: random.Random, state: str, known: Ask) -> Fault:
    (role, at), seconds = operation(rng, known, ("report", "kernel")), rng.choice((-10_000, -1, 1, 10_000)) * DAY
    hook = {"what": "clock", "role": role, "at": at, "seconds": seconds}
    return Fault(f"the clock of {role} jumps {seconds / DAY:+,.0f} days at operation {at}", state, hook)


def other_times(rng: random.Random, state: str, known: Ask) -> Fault:
    to = rng.choice((0, 4e9))
    said = f"all files are of {time.gmtime(to).tm_year}"
    return Fault(said, state, before=partial(date, to), damaged=True)


def date(to: float, root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (to, to))
    note(root, "all files")


def two_at_once(rng: random.Random, state: str, known: Ask) -> Fault:
    return Fault("two reports at once", state, before=partial(note, where="both"), twice=True)


def data_moved(rng: random.Random, state: str, known: Ask) -> Fault:
    (role, at), back = operation(rng, known, ("report", "kernel", "worker")), rng.random() < 0.7
    said = f"DATA_DIR moved away at operation {at} of {role}{', and back' if back else ''}"
    hook = {"what": "data moved", "role": role, "at": at, "move": ["photographs", "moved"]}
    return Fault(said, state, hook, after=move_back if back else nothing)


def move_back(root: Path) -> None:
    if (root / "moved").exists():
        (root / "moved").rename(root / "photographs")


def memory_error(rng: random.Random, state: str, known: Ask) -> Fault:
    role, at = operation(rng, known)
    return Fault(f"no memory for {role} at operation {at}", state, {"what": "memory error", "role": role, "at": at})


def little_memory(rng: random.Random, state: str, known: Ask) -> Fault:
    role = rng.choice(("kernel", "kernel", "executor"))  # what is left to a report that cannot begin is Python's to say
    room = int(GIB * (rng.uniform(0.5, 6) if role == "kernel" else rng.uniform(0.1, 1.5)))
    said = f"{room / GIB:.1f} GiB of addresses for {role}"
    return Fault(said, state, {"what": "little memory", "role": role, "bytes": room})


RUNS = ("fresh", "half", "edited", "worded")  # states in which a report has something to do
TRAINS = ("fresh", "half", "edited")
# Each kind of fault: how often it comes in a cycle, how it is drawn, from which states.
KINDS: dict[str, tuple[int, Draw, tuple[str, ...]]] = {
    "signal, any moment": (3, killed_at_a_moment, RUNS),
    "signal, at a file": (5, killed_at_an_operation, RUNS),
    "disk full": (3, disk_full, RUNS),
    "small disk": (1, small_disk, RUNS),
    "read-only": (2, read_only, (*RUNS, "finished")),
    "damaged result": (5, damaged_result, ("finished", "finished", "edited")),
    "damaged store": (4, damaged_store, ("half", "edited")),
    "clock jumps": (1, clock_jumps, RUNS),
    "file times": (1, other_times, ("half", "finished")),
    "two at once": (1, two_at_once, RUNS),
    "data moved": (2, data_moved, TRAINS),
    "memory error": (1, memory_error, RUNS),
    "little memory": (1, little_memory, TRAINS),
}
ROOT_ALONE = ("small disk",)  # a disk is mounted


def kind_of(number: int, may_mount: bool) -> str:
    """The kind of a trial: each comes in its turn, often ones again in the same cycle."""
    most = max(often for often, _, _ in KINDS.values())
    known = [kind for kind in KINDS if may_mount or kind not in ROOT_ALONE]
    cycle = [kind for turn in range(most) for kind in known if KINDS[kind][0] > turn]
    return cycle[number % len(cycle)]
