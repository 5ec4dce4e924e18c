"""What is seen while something takes its time: a bar and a renewed picture where a person watches, else lines."""

import os
import sys
from collections.abc import Callable

from tqdm import tqdm


def in_jupyter() -> bool:
    """Whether a person watches in JupyterLab, as against papermill, a script or a test."""
    ipython = sys.modules.get("IPython")  # not imported for this: it would delay every process
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel") and not os.environ.get("LAB_HEADLESS")


def watched() -> bool:
    """Whether anybody does: in JupyterLab, or at a terminal."""
    return sys.stderr.isatty() or in_jupyter()


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
        numbers = "  ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in row.items() if k not in ("step", "epoch"))
        if not self.live:
            print(f"{self.name}: step {row['step']:,}/{self.steps:,}  {numbers}", flush=True)
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
