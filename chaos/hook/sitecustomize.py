"""Lies where Python looks when it starts, in every process of a trial: knows which one it is, and hurts it as told.

Python announces each file that it opens, renames or removes before it does so. From the n-th of those on that would
write to the trial's folders, or at it, a signal is sent, an error raised, the clock put: a trial can be replayed.
"""

import contextlib
import json
import os
import resource
import sys
import time

TOLD = json.loads(os.environ["CHAOS"])
OWN = (TOLD["root"] + os.sep, TOLD["aside"] + os.sep)  # folders of the trial
ROLES = {  # of processes, by what stands in their command lines; the first that does counts
    "lab_utils.report.execute": "executor", "lab_utils.report.kernel": "kernel", "ipykernel_launcher": "kernel",
    "--multiprocessing-fork": "worker", "-m lab_utils.report": "report",
}  # fmt: skip
WRITES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
REMOVES = ("os.remove", "os.rmdir")  # which a full disk allows
LASTING = {"disk full": (28, "No space left on device"), "read-only": (30, "Read-only file system")}

count = 0  # operations of this process
busy = False  # with what the hook itself does


def here() -> str:
    line = " ".join(sys.orig_argv)
    return next((role for part, role in ROLES.items() if part in line), "")


def written(event: str, args: tuple) -> str | None:
    """The path below the trial's folders that is about to be written or removed, if any."""
    path = args[0]
    if event == "open":
        _, mode, flags = args
        if not (set(mode) & set("wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)):
            return None
    if not isinstance(path, (str, bytes, os.PathLike)):
        return None
    path = os.path.abspath(os.fsdecode(path))
    return path if path.startswith(OWN) and "__pycache__" not in path else None


def hook(event: str, args: tuple) -> None:
    global count
    if busy or event not in WRITES or (path := written(event, args)) is None:
        return
    count += 1
    where = f"{ROLE}, operation {count}: {event} {os.path.relpath(path, TOLD['root'])}"
    what, due = TOLD.get("what"), TOLD.get("role") == ROLE and count >= TOLD["at"]
    if what == "count":
        note(f"operations-{ROLE}", where)
    elif what in LASTING:  # for every process, once it has begun
        begun = os.path.exists(hit("struck")) or (due and note("struck", where))
        below = os.path.join(TOLD["root"], TOLD["below"]) if TOLD["below"] else ""
        if begun and path.startswith(below) and not (what == "disk full" and event in REMOVES):
            raise OSError(*LASTING[what], path)
    elif due and not os.path.exists(hit("struck")):
        note("struck", where)
        strike(what)


def strike(what: str) -> None:
    global busy
    if what == "signal":
        os.kill(os.getpid(), TOLD["signal"])
    elif what == "memory error":
        raise MemoryError
    elif what == "data moved":
        busy = True
        os.rename(*(os.path.join(TOLD["root"], name) for name in TOLD["move"]))
        busy = False
    elif what == "clock":
        now, now_ns, seconds = time.time, time.time_ns, TOLD["seconds"]
        time.time, time.time_ns = lambda: now() + seconds, lambda: now_ns() + seconds * 10**9


def hit(name: str) -> str:
    return os.path.join(TOLD["aside"], "hits", name)


def note(name: str, text: str) -> bool:
    """Add a line to a file that the trial reads."""
    global busy
    busy = True
    with contextlib.suppress(OSError), open(hit(name), "a") as sink:
        sink.write(text + "\n")
    busy = False
    return True


ROLE = here()
if ROLE:
    note(f"pids-{ROLE}", str(os.getpid()))
    if TOLD.get("what") == "little memory" and TOLD["role"] == ROLE:
        resource.setrlimit(resource.RLIMIT_AS, (TOLD["bytes"], TOLD["bytes"]))
        note("struck", f"{ROLE}, from its start")
    sys.addaudithook(hook)
