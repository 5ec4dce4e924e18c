"""An extension of IPython that sees where the kernel of a notebook spends its time. The report loads it.

A thread looks at what the main thread is doing, fifty times a second, and adds the time since its last look to one
kind. It calls nothing of the notebook and prints nothing, so no number and no output depends on it.
"""

import contextlib
import functools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from types import FrameType
from typing import Any

FILE = "LAB_SPENT"  # the environment variable that names the file for the sums
LOOK_EVERY, WRITE_EVERY = 0.02, 1.0  # seconds; a kernel that is killed loses what it has not written
START_UP, DATA, TRAINING, METRICS, FIGURES, OTHER = "start-up", "data", "training", "metrics", "figures", "other"
KINDS = (START_UP, DATA, TRAINING, METRICS, FIGURES, OTHER)

# What a call is for, by the file that its function stands in, and its rank: a library that draws or fits is used by
# one of ours or by a cell, or is being imported. The first pattern that is found in the file's name counts.
OURS, LIBRARY, CELL = range(3)
PACKAGE = re.escape(str(Path(__file__).parents[1]))
MEANINGS = {
    rf"^{PACKAGE}/data/(?!batches)": (OURS, DATA),  # a batch is made for whoever asks for it
    rf"^{PACKAGE}/(training|steps|recipes|neighbours)\.py$": (OURS, TRAINING),
    rf"^{PACKAGE}/(metrics/|judges\.py$)": (OURS, METRICS),
    rf"^{PACKAGE}/(figures|show)\.py$": (OURS, FIGURES),
    r"^<frozen importlib\.": (OURS, START_UP),
    r"-packages/matplotlib": (LIBRARY, FIGURES),
    r"-packages/sklearn/": (LIBRARY, METRICS),
    r"/ipykernel_\d+/": (CELL, OTHER),
}


def load_ipython_extension(shell: Any) -> None:
    """Begin to look, and write the sums to the file, if one is named, after every cell and every second."""
    path = os.environ.get(FILE)
    if not path:
        return
    spent = dict.fromkeys(KINDS, 0.0)
    lock = threading.Lock()

    def write(_result: object = None) -> None:
        # An error would be an output of the cell; and where the directory is gone, the report has ended.
        with lock, contextlib.suppress(OSError):
            write_whole(Path(path), json.dumps(spent))

    looking = (threading.main_thread().ident, spent, write)
    threading.Thread(target=look_for_ever, args=looking, daemon=True).start()
    shell.events.register("post_run_cell", write)


def write_whole(path: Path, content: str) -> None:
    """Unlike that of the report: it makes no directory, for a kernel may outlive the one it was given."""
    part = path.with_suffix(".part")
    part.write_text(content, encoding="utf-8")
    os.replace(part, path)


def look_for_ever(thread: int, spent: dict[str, float], write: Callable[[], None]) -> None:
    looked = written = time.monotonic()
    while True:
        time.sleep(LOOK_EVERY)
        kind, now = kind_of(sys._current_frames().get(thread)), time.monotonic()
        if kind:
            spent[kind] += now - looked
        looked = now
        if now - written > WRITE_EVERY:
            write()
            written = now


def kind_of(frame: FrameType | None) -> str | None:
    """What a thread is doing, from its innermost call; None if it waits for a cell.

    The innermost call that means something decides, among those of the lowest rank. What is trained in order to
    measure, as a judge is, counts as measuring.
    """
    stack = list(meanings(frame))
    _, kind = min(stack, key=itemgetter(0), default=(CELL, None))
    return METRICS if kind == TRAINING and (OURS, METRICS) in stack else kind


def meanings(frame: FrameType | None) -> Iterator[tuple[int, str]]:
    """What the calls of a stack mean, the innermost first, without those that mean nothing."""
    while frame is not None:
        code = frame.f_code
        found = meaning(code.co_filename)
        # The lines of a module itself run while it is imported, which a call further out says.
        if found and (code.co_name != "<module>" or found[0] == CELL):
            yield found
        frame = frame.f_back


@functools.cache
def meaning(file: str) -> tuple[int, str] | None:
    return next((found for pattern, found in MEANINGS.items() if re.search(pattern, file)), None)
