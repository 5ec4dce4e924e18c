"""Whether the system lets notebooks run here at all, asked before anything starts: later it would end in a riddle."""

import threading
from pathlib import Path

from lab_utils.config import ROOT, LabError

try:
    import resource
except ImportError:  # where there is no such module, there are no such limits
    resource = None

FILES = 128  # that a kernel with torch has open at once, and some to spare
ADDRESSES = 2**30  # bytes; what computes does not even load with fewer
THREADS = 40  # of a kernel, of what runs it, and of the libraries in both, on few cores


def check() -> None:
    """LabError if the system gives too little for a notebook to run, or the project lies where libraries fail."""
    check_folder()
    check_limit("RLIMIT_NOFILE", FILES, f"{FILES} files open at once: allow more with ulimit -n {4 * FILES}")
    check_limit("RLIMIT_AS", ADDRESSES, "a gigabyte of addresses: allow more with ulimit -v unlimited")
    check_threads()


def check_folder(root: Path = ROOT) -> None:
    """LabError if the project's folder has a name that is no text, which libraries take for granted."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise LabError(f"{root}: this is no name in UTF-8; move the project to a folder that has one") from None


def check_limit(name: str, wanted: int, words: str) -> None:
    """LabError if a process may have less of something than is ``wanted``."""
    if not hasattr(resource, name):
        return
    allowed, _ = resource.getrlimit(getattr(resource, name))
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        raise LabError(f"the system allows {allowed:,}, and a notebook needs {words}")


def check_threads() -> None:
    """LabError if so many threads as a notebook has cannot be started now: others may use what a limit leaves."""
    over, started = threading.Event(), []
    try:
        for _ in range(THREADS):
            started.append(threading.Thread(target=over.wait, daemon=True))
            started[-1].start()
    except RuntimeError:
        raise LabError(
            f"the system lets this user start {len(started) - 1} more threads, and a notebook needs {THREADS}: "
            "end other programs, or allow more with ulimit -u"
        ) from None
    finally:
        over.set()
        for thread in started:
            if thread.ident:
                thread.join()
