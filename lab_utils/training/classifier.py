"""Training of classifiers: judges (:mod:`lab_utils.training.judges`), readers of codes, pupils of samples."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.data.augment import Augment, noisy, shifted, shifted_and_mirrored
from lab_utils.data.batches import to_unit
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.run import Run, autocast
from lab_utils.training.fit import Batches, History, Watching, fit
from lab_utils.training.schedule import one_cycle_adamw
from lab_utils.training.step import Scalars, Step, descend, detached


@dataclass(frozen=True)
class Kind:
    """How the judge of one kind of image is made and trained."""

    name: str
    make: Callable[..., nn.Module]
    criterion: Callable[[Tensor, Tensor], Tensor]
    augment: Callable[[Tensor, torch.Generator], Tensor]
    dropout: float
    max_lr: float
    batch_size: int


DIGITS = Kind("digit judge", DigitClassifier, F.cross_entropy, shifted, 0.5, 2e-3, 125)
FACES = Kind("face judge", FaceClassifier, F.binary_cross_entropy_with_logits, shifted_and_mirrored, 0.0, 4e-3, 64)


# Fresh readers of a code from samples: the judges' networks and settings, with noise in place of shifts.
DIGIT_READER = replace(DIGITS, name="digit code reader", augment=noisy, dropout=0.0)
FACE_READER = replace(FACES, name="face code reader", criterion=F.cross_entropy, augment=noisy)


@spend("metrics")
def train_classifier(
    run: Run, name: str, images: Tensor, labels: Tensor, steps: int, kind: Kind = DIGITS, **arguments: Any
) -> nn.Module:
    """A classifier trained on images (uint8 or [0, 1], N×C×H×W) and labels, ready to evaluate.

    Labels are classes (int64, N) for digits, attributes (float32 0 and 1, N×K) for faces. ``arguments`` are those of
    :func:`fit_classifier`. KeyboardInterrupt if it was interrupted: a classifier trained by half measures nothing.
    """
    model, history = fit_classifier(run, name, images, labels, steps, kind, **arguments)
    if history.stretches.empty or history.stretches["step"].iloc[-1] < steps:
        raise KeyboardInterrupt
    return model.eval()


def fit_classifier(
    run: Run,
    name: str,
    images: Tensor,
    labels: Tensor,
    steps: int,
    kind: Kind,
    *,
    augment: Augment | None = None,
    log_every: int = 10,
    **arguments: Any,
) -> tuple[nn.Module, History]:
    """The same with its history, one point of the curve every ``log_every`` steps.

    ``augment`` changes uint8 images at each draw, before ``kind.augment`` does; ``arguments`` are the network's.
    """
    model = run.build(f"{name} weights", kind.make, **arguments)
    batches = Batches((images, labels), min(kind.batch_size, len(images)), run.rng(f"{name} order"), augment)
    optimizer, rate = one_cycle_adamw(model, kind.max_lr, steps)
    rng = run.rng(f"{name} dropout")
    step = classifier_step(model, optimizer, run, rng, kind.criterion, kind.augment, kind.dropout)
    state = {"model": model, "optimizer": optimizer, "rate": rate, "dropout": rng}
    history = fit(
        step, batches, steps, name=name, state=state, after_step=lambda done: rate.step(),
        watching=Watching(log_every=log_every),
    )  # fmt: skip
    return model, history


def classifier_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Run,
    rng: torch.Generator,
    criterion: Callable[[Tensor, Tensor], Tensor],
    augment: Callable[[Tensor, torch.Generator], Tensor],
    dropout: float,
) -> Step:
    """A step on the cross-entropy of a classifier, from logits; images may be uint8 or already in [0, 1].

    ``criterion(logits, labels)`` is the mean over the batch, over classes or over a table of attributes. ``model`` has
    ``features`` and a ``head``; a fraction ``dropout`` of the features is dropped (Srivastava et al. 2014). That and
    ``augment(x, rng)`` draw from ``rng``.
    """

    def step(images: Tensor, labels: Tensor) -> Scalars:
        x = augment(to_unit(images) if images.dtype == torch.uint8 else images, rng)
        with autocast(run):
            features = model.features(x)
            if dropout:
                kept = torch.rand(features.shape, generator=rng, device=rng.device) < 1 - dropout
                features = features * kept / (1 - dropout)
            logits = model.head(features)
        loss = criterion(logits.float(), labels)
        descend(loss, optimizer)
        return detached(loss=loss)

    return step
