"""fit(): so many steps over a device-resident split, the history of the scalars, and what a person sees meanwhile.

Knows no model: a step turns a batch into scalars, an evaluation returns numbers, a preview returns a figure.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.config import LabError
from lab_utils.data.augment import Augment
from lab_utils.files import say
from lab_utils.training import checkpoint
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


@dataclass
class Batches:
    """A split on the device, in full batches of one size, in an order drawn from ``rng``, epoch after epoch.

    Every batch is full, so that a step sees one shape; what is left of an epoch waits for the next.
    ``augment(images, rng)`` changes the images, uint8 to uint8, each time that they are drawn.
    """

    tensors: Sequence[Tensor]
    size: int
    rng: torch.Generator
    augment: Augment | None = None
    order: Tensor | None = None  # of this epoch, of which ``place`` images were drawn
    place: int = 0

    @property
    def per_epoch(self) -> int:
        return len(self.tensors[0]) // self.size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self.per_epoch:
            if self.order is None or self.place + self.size > len(self.order):
                self.order = torch.randperm(len(self.tensors[0]), generator=self.rng, device=self.rng.device)
                self.place = 0
            index = self.order[self.place : self.place + self.size]
            self.place += self.size
            images, *others = (t.index_select(0, index) for t in self.tensors)  # whole rows, a fifth of t[index]'s time
            yield (self.augment(images, self.rng) if self.augment else images), *others

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order, "place": self.place, "rng": self.rng.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order = state["order"] if state["order"] is None else state["order"].to(self.rng.device)
        self.place = state["place"]
        self.rng.set_state(state["rng"])


@dataclass(frozen=True)
class Watching:
    """What is looked at while a model trains, and how often."""

    every: int | None = None  # steps of a stretch, after which is evaluated and one line is said; None: all of them
    evaluate: Callable[[], dict[str, float]] | None = None  # its numbers join the history
    preview: Callable[[], Figure] | None = None  # a figure that renews itself in JupyterLab
    log_every: int = 10  # steps between two points of the curve
    kept: dict[Any, Any] = field(default_factory=dict)  # that what is called meanwhile fills: tensors, numbers, texts


@dataclass
class Progress:
    """How far a training has come, beside the state of what it changes."""

    done: int = 0  # steps
    curve: list[dict[str, float]] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)  # of the stretches that ended
    ended: str = ""
    scalars: dict[str, list[np.ndarray]] = field(default_factory=dict)  # of the stretch under way
    good: list[dict[str, Tensor]] = field(default_factory=list)  # weights from before it


@spend("training")
def fit(
    step: Step,
    batches: Batches,
    steps: int,
    *,
    name: str,
    state: Mapping[str, Any],
    after_step: Callable[[int], object] | None = None,
    watching: Watching | None = None,
    restore_on_failure: Sequence[nn.Module] = (),
) -> History:
    """Run so many steps over shuffled full batches and return the history.

    ``state`` names all that the steps change beside the batches: modules, optimisers, schedules, random streams,
    tensors. ``after_step(done)`` moves learning rate and the like. Headless, one line is printed per stretch. Scalars
    stay on the device within a stretch. An interrupt in JupyterLab keeps what was reached. LabError if the data does
    not fill a batch or a loss is not finite. On a GPU the step runs as a CUDA graph
    (:mod:`lab_utils.training.capture`).

    A game between networks may fail without anybody's mistake. The modules in ``restore_on_failure`` get back the
    weights that they had before a stretch that failed (see :func:`failure`), and the training ends with one line.

    Where a report asks for it, a training is kept every so many steps (:mod:`lab_utils.training.checkpoint`), and one
    that was stopped goes on.
    """
    watching = watching or Watching()
    if batches.per_epoch == 0:
        n = len(batches.tensors[0])
        raise LabError(f"{name}: {n} images do not fill one batch of {batches.size}; lower batch_size")
    whole = {**state, "batches": batches}
    kept, kept_every = checkpoint.checkpoint_of(name, batches.tensors[0].device, steps)
    watch, progress = Watch(name, steps), Progress(good=copies(restore_on_failure))
    if kept and (found := checkpoint.read(kept)):
        progress = resumed(found, whole, watching, watch)
        progress.good = progress.good or copies(restore_on_failure)
    if batches.tensors[0].is_cuda and steps - progress.done >= WORTHWHILE:
        step = captured(step, name)
    stream = iter(batches)
    try:
        while progress.done < steps and not progress.ended:
            until = [after(progress.done, watching.every or steps), after(progress.done, kept_every), steps]
            run_steps(step, itertools.islice(stream, min(until) - progress.done), after_step, watch, progress)
            if progress.done in (until[0], steps):
                end_stretch(progress, steps, batches, watching, watch, restore_on_failure)
            if kept:
                checkpoint.write(kept, taken(progress, whole, watching))
    except KeyboardInterrupt:
        if not in_jupyter():
            raise
        print(f"{name}: interrupted after {progress.done:,} of {steps:,} steps; the weights reached so far are kept")
    finally:
        watch.close()
    return History(pd.DataFrame(progress.curve), pd.DataFrame(progress.rows), progress.ended)


def after(done: int, every: int) -> int:
    """The next multiple of ``every``."""
    return (done // every + 1) * every


def run_steps(
    step: Step,
    batches: Iterable[tuple[Tensor, ...]],
    after_step: Callable[[int], object] | None,
    watch: Watch,
    progress: Progress,
) -> None:
    """Some steps; their scalars, moved off the device once at the end, join those of the stretch."""
    collected: list[dict[str, Tensor]] = []
    for done, batch in enumerate(batches, start=progress.done + 1):
        collected.append(step(*batch))
        if after_step is not None:
            after_step(done)
        watch.tick()
    for key in collected[0]:
        progress.scalars.setdefault(key, []).append(torch.stack([s[key] for s in collected]).cpu().numpy())
    progress.done += len(collected)


def end_stretch(
    progress: Progress, steps: int, batches: Batches, watching: Watching, watch: Watch, restore: Sequence[nn.Module]
) -> None:
    """Take a stretch into the history, evaluate and say how it went; or end the training, if it failed."""
    scalars = pd.DataFrame({key: np.concatenate(parts) for key, parts in progress.scalars.items()})
    done, before = progress.done, progress.done - len(scalars)
    failed = failure(scalars) or broken_weights(restore)
    if failed and not restore:
        raise LabError(f"{watch.name}: {failed} before step {done:,}; lower learning_rate or raise batch_size")
    progress.curve += logged(scalars, before, watching.log_every)
    progress.scalars = {}
    if failed:
        put_back(restore, progress.good)
        progress.ended = f"{failed} before step {done:,} of {steps:,}; the weights of step {before:,} are kept"
        print(f"{watch.name}: {progress.ended}")
        return
    progress.good = copies(restore)
    row = {"step": done, "epoch": done / batches.per_epoch}
    row |= {f"train_{key}": float(value) for key, value in scalars.mean().items()}
    row |= watching.evaluate() if watching.evaluate else {}
    progress.rows.append(row)
    watch.stretch(row, watching.preview)


def taken(progress: Progress, state: Mapping[str, Any], watching: Watching) -> dict[str, Any]:
    """What a checkpoint holds. Weights to go back to are those that are there if a stretch has just ended."""
    scalars = {key: torch.from_numpy(np.concatenate(parts)) for key, parts in progress.scalars.items()}
    return {
        **vars(progress),
        "scalars": scalars,
        "good": progress.good if scalars else [],
        "state": {name: checkpoint.state_of(part) for name, part in state.items()},
        "kept": watching.kept,
    }


def resumed(found: Mapping[str, Any], state: Mapping[str, Any], watching: Watching, watch: Watch) -> Progress:
    """Put everything back as it was when ``found`` was taken, and say again what had been said."""
    with torch.no_grad():
        for name, part in state.items():
            checkpoint.put(part, found["state"][name])
    watching.kept.update(found["kept"])
    progress = Progress(**{name: found[name] for name in Progress.__dataclass_fields__})
    progress.scalars = {key: [values.numpy()] for key, values in found["scalars"].items()}
    for row in progress.rows:
        watch.stretch(row, None)
    watch.resume(progress.done)
    if progress.ended:
        print(f"{watch.name}: {progress.ended}")
    if progress.done == watch.steps or progress.ended:
        say(f"goes on: {watch.name} was trained before, {progress.done} of {watch.steps} steps")
    else:
        say(f"goes on: {watch.name} at step {progress.done} of {watch.steps}")
    return progress


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
) -> tuple[dict[float, Tensor], Callable[[int], None]]:
    """What ``take()`` gives after these shares of ``steps``, by share, and the function to call after a step.

    The dict fills while the model trains; of shares that fall on the same step the last one counts.
    """
    taken: dict[float, Tensor] = {}
    wanted = {math.ceil(steps * share): share for share in shares}

    def after_step(done: int) -> None:
        if (share := wanted.get(done)) is not None:
            taken[share] = take()

    return taken, after_step


def copies(modules: Sequence[nn.Module]) -> list[dict[str, Tensor]]:
    return [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]


def put_back(modules: Sequence[nn.Module], states: Sequence[dict[str, Tensor]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.load_state_dict(state)
