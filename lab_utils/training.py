"""fit(): epochs over a device-resident split, the history of the scalars, and what a person sees meanwhile.

Knows no model: a step turns a batch into scalars, an evaluation returns numbers, a preview returns a figure.
"""

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

from lab_utils.capture import WORTHWHILE, captured
from lab_utils.config import LabError
from lab_utils.data.batches import shuffled, steps_per_epoch
from lab_utils.show import png
from lab_utils.steps import Step


@dataclass(frozen=True)
class History:
    """What a training left behind: ``curve`` has one row every few batches, ``epochs`` one row per epoch.

    Columns of ``curve``: step, then the step's scalars. Columns of ``epochs``: epoch, ``train_`` and the mean of
    each scalar over the epoch, then whatever the evaluation returned. ``ended`` says, in one line, why training ended
    early; it is empty if it did not.
    """

    curve: pd.DataFrame
    epochs: pd.DataFrame
    ended: str = ""


def adam(model: nn.Module, peak: float, steps: int) -> tuple[torch.optim.Optimizer, object]:
    """AdamW with a one-cycle learning rate (Smith and Topin 2018): up to ``peak``, then down to almost nothing.

    Annealing is what lets a short budget end where a constant rate arrives much later. The decoupled decay leaves
    the objective as written (Loshchilov and Hutter 2019). LabError if there is no step to take.
    """
    if steps < 1:
        raise LabError("the training images do not fill one batch; raise train_images or lower the batch size")
    on_gpu = next(model.parameters()).is_cuda  # there a captured step reads its rate and its count from the device
    rate = torch.tensor(peak, device="cuda") if on_gpu else peak
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.05, fused=True, capturable=on_gpu
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=steps, pct_start=0.3, cycle_momentum=False, final_div_factor=100
    )
    return optimizer, schedule


def anneal(value: Tensor, start: float, end: float, steps: int) -> Callable[[], None]:
    """Let ``value`` go from start to end in a straight line over the first half of ``steps`` calls, then stay."""
    value.fill_(start)
    done = itertools.count(1)

    def advance() -> None:
        value.fill_(end + (start - end) * max(0.0, 1 - 2 * next(done) / steps))

    return advance


def fit(
    step: Step,
    tensors: tuple[Tensor, ...],
    *,
    name: str,
    epochs: int,
    batch_size: int,
    stream: torch.Generator,
    after_step: Callable[[], object] | None = None,
    evaluate: Callable[[], dict[str, float]] | None = None,
    preview: Callable[[], Figure] | None = None,
    log_every: int = 10,
    keep: Sequence[nn.Module] = (),
) -> History:
    """Run ``step`` over shuffled full batches of ``tensors`` and return the history.

    ``after_step`` moves learning rate and the like; ``evaluate`` runs after each epoch and its numbers join the
    history; ``preview`` draws a figure that renews itself in JupyterLab. Headless, one line is printed per epoch.
    Scalars stay on the device within an epoch. An interrupt in JupyterLab keeps what was reached. LabError if the data
    does not fill a batch or a loss is not finite. On a GPU the step runs as a CUDA graph (:mod:`lab_utils.capture`).

    A game between networks may fail without anybody's mistake. With ``keep``, the modules in it, such an epoch (see
    :func:`trouble`) ends the training with one line, and they get back the weights they had before it.
    """
    per_epoch = steps_per_epoch(len(tensors[0]), batch_size)
    if per_epoch == 0:
        raise LabError(f"{name}: {len(tensors[0])} images do not fill one batch of {batch_size}; lower batch_size")
    if tensors[0].is_cuda and epochs * per_epoch >= WORTHWHILE:
        step = captured(step, name)
    curve, rows, ended = [], [], ""
    good = copies(keep)
    watch = Watch(name, epochs, per_epoch)
    try:
        for epoch in range(1, epochs + 1):
            scalars = run_epoch(step, shuffled(tensors, batch_size, stream), after_step, watch)
            what = trouble(scalars) or unsound(keep)
            if what and not keep:
                raise LabError(f"{name}: {what} in epoch {epoch}; lower learning_rate or raise batch_size")
            curve += [
                {"step": (epoch - 1) * per_epoch + i + 1, **row}
                for i, row in enumerate(scalars.to_dict("records"))
                if (i + 1) % log_every == 0
            ]
            if what:
                put_back(keep, good)
                ended = f"{what} in epoch {epoch} of {epochs}; the weights from before that epoch are kept"
                print(f"{name}: {ended}")
                break
            good = copies(keep)
            rows.append({"epoch": epoch, **{f"train_{k}": v for k, v in scalars.mean().items()}})
            rows[-1] |= evaluate() if evaluate else {}
            watch.epoch(rows[-1], preview)
    except KeyboardInterrupt:
        if not interactive():
            raise
        print(f"{name}: interrupted after {len(rows)} of {epochs} epochs; the weights reached so far are kept")
    finally:
        watch.close()
    return History(pd.DataFrame(curve), pd.DataFrame(rows), ended)


def run_epoch(step: Step, batches, after_step, watch: "Watch") -> pd.DataFrame:
    """One epoch; the scalars of every step, moved off the device once at its end."""
    collected: list[dict[str, Tensor]] = []
    for batch in batches:
        collected.append(step(*batch))
        if after_step is not None:
            after_step()
        watch.tick()
    return pd.DataFrame({key: torch.stack([s[key] for s in collected]).cpu().numpy() for key in collected[0]})


def trouble(scalars: pd.DataFrame) -> str:
    """What went wrong in an epoch, in a few words; nothing if nothing did.

    A scalar that is not finite; or a discriminator's loss that was zero for nearly all of the epoch, which leaves its
    generator nothing to learn from.
    """
    for key, values in scalars.items():
        if not np.isfinite(values.to_numpy()).all():
            return f"{key} is not finite"
    if "discriminator" in scalars and scalars["discriminator"].between(0, 1e-3).mean() > 0.9:
        return "the discriminator's loss is zero"
    return ""


def unsound(modules: Sequence[nn.Module]) -> str:
    """Likewise for weights, which the last step of an epoch may have ruined unseen."""
    sound = all(value.isfinite().all() for module in modules for value in module.state_dict().values())
    return "" if sound else "a weight is not finite"


def copies(modules: Sequence[nn.Module]) -> list[dict[str, Tensor]]:
    return [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]


def put_back(modules: Sequence[nn.Module], states: Sequence[dict[str, Tensor]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.load_state_dict(state)


def interactive() -> bool:
    """Whether a person watches in JupyterLab, as against papermill, a script or a test."""
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel") and not os.environ.get("LAB_HEADLESS")


class Watch:
    """What is seen while a model trains: a bar and a renewed picture in JupyterLab, else one line per epoch."""

    def __init__(self, name: str, epochs: int, per_epoch: int):
        self.name, self.epochs = name, epochs
        self.live = interactive()
        self.handle = None
        self.bar = tqdm(
            total=epochs * per_epoch, desc=name, unit="batch", file=sys.stdout, disable=not self.live, mininterval=0.5
        )

    def tick(self) -> None:
        self.bar.update()

    def epoch(self, row: dict[str, float], preview: Callable[[], Figure] | None) -> None:
        numbers = "  ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in row.items() if k != "epoch")
        if not self.live:
            print(f"{self.name}: epoch {row['epoch']}/{self.epochs}  {numbers}", flush=True)
            return
        self.bar.set_postfix_str(numbers)
        if preview is None:
            return
        picture = png(preview())
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)

    def close(self) -> None:
        self.bar.close()
