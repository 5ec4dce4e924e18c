"""What is seen while something takes its time: a bar and a renewed picture where a person watches, else lines.

And whether the one who waits for it is still there.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from tqdm import tqdm

WIDTH = 96  # characters of a line on a page


def in_jupyter() -> bool:
    """Whether a person watches in JupyterLab, as against papermill, a script or a test."""
    ipython = sys.modules.get("IPython")  # not imported for this: it would delay every process
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel") and not os.environ.get("LAB_HEADLESS")


def watched() -> bool:
    """Whether anybody does: in JupyterLab, or at a terminal."""
    return sys.stderr.isatty() or in_jupyter()


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went: the pipe to this one then closes."""

    def follow() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def in_words(row: Mapping[str, float]) -> str:
    """Numbers of a stretch by name; those of training, whose names begin with ``train_``, come after one "train"."""
    of_training = {name.removeprefix("train_"): value for name, value in row.items() if name.startswith("train_")}
    others = {name: value for name, value in row.items() if not name.startswith("train_")}
    parts = ["train", *named(of_training)] if of_training else []
    return "  ".join([*parts, *named(others)])


def named(row: Mapping[str, float]) -> list[str]:
    return [f"{name.replace('_', ' ')} {value:.2f}" for name, value in row.items()]


def wrapped(text: str) -> str:
    """A line in as many as a page has room for, broken between two numbers; what follows the first is indented."""
    lines, line = [], ""
    for part in text.split("  "):
        if line and len(line) + 2 + len(part) > WIDTH:
            lines, line = [*lines, line], f"   {part}"
        else:
            line = f"{line}  {part}" if line else part
    return "\n".join([*lines, line])


class Watch:
    """What is seen while a model trains: a bar and a renewed picture in JupyterLab, else a line now and then."""

    def __init__(self, name: str, steps: int):
        self.name, self.steps = name, steps
        self.live = in_jupyter()
        self.handle = None
        self.bar = tqdm(total=steps, desc=name, unit="step", file=sys.stdout, disable=not self.live, mininterval=0.5)

    def tick(self) -> None:
        self.bar.update()

    def resume(self, done: int) -> None:
        """Begin after so many steps."""
        self.bar.update(done)

    def stretch(self, row: dict[str, float], preview: Callable[[], object] | None) -> None:
        """Say how a stretch of steps went; ``preview()`` draws a figure, a :class:`matplotlib.figure.Figure`."""
        numbers = in_words({k: v for k, v in row.items() if k not in ("step", "epoch")})
        if not self.live:
            print(wrapped(f"{self.name}: step {row['step']:,}/{self.steps:,}  {numbers}"), flush=True)
            return
        self.bar.set_postfix_str(numbers)
        if preview is not None:
            self.show(preview())

    def show(self, fig: object) -> None:
        from IPython.display import display  # a person is watching, so it is there

        from lab_utils.figures import image

        picture = image(fig, "What the model draws now.")
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)

    def close(self) -> None:
        self.bar.close()
