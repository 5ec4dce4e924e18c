"""fit(): so many steps over a device-resident split, the history of the scalars, and what a person sees meanwhile.

Knows no model: a step turns a batch into scalars, an evaluation returns numbers, a preview returns a figure.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.config import LabError
from lab_utils.data.augment import Augment
from lab_utils.data.batches import shuffled
from lab_utils.training.capture import WORTHWHILE, captured
from lab_utils.training.step import Step
from lab_utils.watch import Watch, in_jupyter


@dataclass(frozen=True)
class History:
    """What a training left behind: ``curve`` has one row every few steps, ``stretches`` one row per stretch of steps.

    Columns of ``curve``: step, then the step's scalars. Columns of ``stretches``: step, at which it ended; epoch, how
    often the data had then passed; ``train_`` and the mean of each scalar over the stretch; then whatever the
    evaluation returned. ``ended`` says, in one line, why training ended early; it is empty if it did not.
    """

    curve: pd.DataFrame
    stretches: pd.DataFrame
    ended: str = ""

    @property
    def epochs(self) -> int:
        """How often the data passed, to a whole number."""
        return 0 if self.stretches.empty else round(self.stretches["epoch"].iloc[-1])


@dataclass(frozen=True)
class Batches:
    """A split on the device, in full batches of one size, in an order drawn from ``rng``, epoch after epoch.

    ``augment(images, rng)`` changes the images, uint8 to uint8, each time that they are drawn.
    """

    tensors: Sequence[Tensor]
    size: int
    rng: torch.Generator
    augment: Augment | None = None

    @property
    def per_epoch(self) -> int:
        return len(self.tensors[0]) // self.size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self.per_epoch:
            for images, *others in shuffled(tuple(self.tensors), self.size, self.rng):
                yield (self.augment(images, self.rng) if self.augment else images), *others


@dataclass(frozen=True)
class Watching:
    """What is looked at while a model trains, and how often."""

    every: int | None = None  # steps of a stretch, after which is evaluated and one line is said; None: all of them
    evaluate: Callable[[], dict[str, float]] | None = None  # its numbers join the history
    preview: Callable[[], Figure] | None = None  # a figure that renews itself in JupyterLab
    log_every: int = 10  # steps between two points of the curve


@spend("training")
def fit(
    step: Step,
    batches: Batches,
    steps: int,
    *,
    name: str,
    after_step: Callable[[], object] | None = None,
    watching: Watching | None = None,
    restore_on_failure: Sequence[nn.Module] = (),
) -> History:
    """Run so many steps over shuffled full batches and return the history.

    ``after_step`` moves learning rate and the like. Headless, one line is printed per stretch. Scalars stay on the
    device within a stretch. An interrupt in JupyterLab keeps what was reached. LabError if the data does not fill a
    batch or a loss is not finite. On a GPU the step runs as a CUDA graph (:mod:`lab_utils.training.capture`).

    A game between networks may fail without anybody's mistake. The modules in ``restore_on_failure`` get back the
    weights that they had before a stretch that failed (see :func:`failure`), and the training ends with one line.
    """
    watching = watching or Watching()
    if batches.per_epoch == 0:
        n = len(batches.tensors[0])
        raise LabError(f"{name}: {n} images do not fill one batch of {batches.size}; lower batch_size")
    if batches.tensors[0].is_cuda and steps >= WORTHWHILE:
        step = captured(step, name)
    curve, rows, ended, done = [], [], "", 0
    good = copies(restore_on_failure)
    stream, watch = iter(batches), Watch(name, steps)
    try:
        while done < steps:
            length = min(watching.every or steps, steps - done)
            scalars = run_stretch(step, itertools.islice(stream, length), after_step, watch)
            failed = failure(scalars) or broken_weights(restore_on_failure)
            if failed and not restore_on_failure:
                raise LabError(
                    f"{name}: {failed} before step {done + length:,}; lower learning_rate or raise batch_size"
                )
            curve += logged(scalars, done, watching.log_every)
            if failed:
                put_back(restore_on_failure, good)
                ended = f"{failed} before step {done + length:,} of {steps:,}; the weights of step {done:,} are kept"
                print(f"{name}: {ended}")
                break
            good, done = copies(restore_on_failure), done + length
            rows.append({"step": done, "epoch": done / batches.per_epoch})
            rows[-1] |= {f"train_{key}": value for key, value in scalars.mean().items()}
            rows[-1] |= watching.evaluate() if watching.evaluate else {}
            watch.stretch(rows[-1], watching.preview)
    except KeyboardInterrupt:
        if not in_jupyter():
            raise
        print(f"{name}: interrupted after {done:,} of {steps:,} steps; the weights reached so far are kept")
    finally:
        watch.close()
    return History(pd.DataFrame(curve), pd.DataFrame(rows), ended)


def run_stretch(
    step: Step, batches: Iterable[tuple[Tensor, ...]], after_step: Callable[[], object] | None, watch: Watch
) -> pd.DataFrame:
    """Some steps; the scalars of each, moved off the device once at the end."""
    collected: list[dict[str, Tensor]] = []
    for batch in batches:
        collected.append(step(*batch))
        if after_step is not None:
            after_step()
        watch.tick()
    return pd.DataFrame({key: torch.stack([s[key] for s in collected]).cpu().numpy() for key in collected[0]})


def logged(scalars: pd.DataFrame, before: int, every: int) -> list[dict[str, float]]:
    """The rows of the curve that a stretch adds, after so many steps ``before`` it."""
    rows = enumerate(scalars.to_dict("records"), start=1)
    return [{"step": before + i, **row} for i, row in rows if i % every == 0]


def failure(scalars: pd.DataFrame) -> str:
    """What went wrong in a stretch of steps, in a few words; empty if nothing did.

    A scalar that is not finite; or a discriminator's loss that was zero for nearly all of the steps, which leaves its
    generator nothing to learn from.
    """
    for key, values in scalars.items():
        if not np.isfinite(values.to_numpy()).all():
            return f"{key} is not finite"
    if "discriminator" in scalars and scalars["discriminator"].between(0, 1e-3).mean() > 0.9:
        return "the discriminator's loss is zero"
    return ""


def broken_weights(modules: Sequence[nn.Module]) -> str:
    """The same for weights: the last step of a stretch may break them, and no scalar of it shows that."""
    finite = all(value.isfinite().all() for module in modules for value in module.state_dict().values())
    return "" if finite else "a weight is not finite"


def snapshots(
    take: Callable[[], Tensor], steps: int, shares: Sequence[float] = (0.1, 0.5, 1.0)
) -> tuple[dict[float, Tensor], Callable[[], None]]:
    """What ``take()`` gives after these shares of ``steps`` calls, by share, and the function to call after a step.

    The dict fills while the model trains; of shares that fall on the same step the last one counts.
    """
    taken: dict[float, Tensor] = {}
    wanted, done = {math.ceil(steps * share): share for share in shares}, itertools.count(1)

    def after_step() -> None:
        if (share := wanted.get(next(done))) is not None:
            taken[share] = take()

    return taken, after_step


def copies(modules: Sequence[nn.Module]) -> list[dict[str, Tensor]]:
    return [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]


def put_back(modules: Sequence[nn.Module], states: Sequence[dict[str, Tensor]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.load_state_dict(state)
