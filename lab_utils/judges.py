"""Classifiers that measure: trained once per data source by one function, and cached by what they depend on.

A judge never shares a weight with a model that it judges.
"""

import hashlib
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lab_utils import config, steps, training
from lab_utils.data import batches
from lab_utils.models import classifier
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.repro import Run, device_name
from lab_utils.steps import classifier_step, shifted, shifted_and_mirrored
from lab_utils.training import adam, fit


@dataclass(frozen=True)
class Kind:
    """How the judge of one kind of image is made and trained."""

    name: str
    make: Callable[..., nn.Module]
    criterion: Callable[[Tensor, Tensor], Tensor]
    augment: Callable[[Tensor, torch.Generator], Tensor]
    dropout: float
    peak: float  # of the learning rate
    batch_size: int


DIGITS = Kind("digit judge", DigitClassifier, F.cross_entropy, shifted, 0.5, 2e-3, 125)
FACES = Kind("face judge", FaceClassifier, F.binary_cross_entropy_with_logits, shifted_and_mirrored, 0.0, 4e-3, 64)


def noisy(x: Tensor, stream: torch.Generator, sigma: float = 0.05) -> Tensor:
    """Images with Gaussian noise in each pixel, so that a reader cannot live on what nobody sees."""
    return x + sigma * torch.randn(x.shape, generator=stream, device=x.device)


# Fresh readers of a code from samples: the judges' networks and settings, with noise in place of shifts.
DIGIT_READER = replace(DIGITS, name="digit code reader", augment=noisy, dropout=0.0)
FACE_READER = replace(FACES, name="face code reader", criterion=F.cross_entropy, augment=noisy)


def train_classifier(
    run: Run, name: str, images: Tensor, labels: Tensor, epochs: int, kind: Kind = DIGITS, **arguments
) -> nn.Module:
    """A classifier trained on images (uint8 or [0, 1], N×C×H×W) and labels, ready to evaluate.

    Labels are classes (int64, N) for digits, attributes (float32 0 and 1, N×K) for faces. ``arguments`` are the
    network's. KeyboardInterrupt if it was interrupted: a classifier trained by half measures nothing.
    """
    model = run.build(f"{name} weights", kind.make, **arguments)
    batch_size = min(kind.batch_size, len(images))
    optimizer, schedule = adam(model, kind.peak, epochs * (len(images) // batch_size))
    history = fit(
        classifier_step(
            model, optimizer, run, run.generator(f"{name} dropout"), kind.criterion, kind.augment, kind.dropout
        ),
        (images, labels), name=name, epochs=epochs, batch_size=batch_size, stream=run.generator(f"{name} order"),
        after_step=schedule.step,
    )  # fmt: skip
    if len(history.epochs) < epochs:
        raise KeyboardInterrupt
    return model.eval()


def digit_judge(run: Run, images: Tensor, labels: Tensor, epochs: int, cache: Path = config.CACHE) -> nn.Module:
    """The judge of a digit source: logits of ten classes. From the cache if there is one (see :func:`judge`)."""
    return judge(run, DIGITS, images, labels, epochs, cache)


def face_judge(run: Run, images: Tensor, attributes: Tensor, epochs: int, cache: Path = config.CACHE) -> nn.Module:
    """The judge of a face source: a logit for each attribute. From the cache if there is one (see :func:`judge`)."""
    arguments = {"attributes": attributes.shape[1], "side": images.shape[-1]}
    return judge(run, FACES, images, attributes, epochs, cache, **arguments)


def judge(run: Run, kind: Kind, images: Tensor, labels: Tensor, epochs: int, cache: Path, **arguments) -> nn.Module:
    """A classifier from the cache, if one was trained on the same data in the same way, else trained and put there."""
    facts = {
        "data": [hashlib.sha256(t.contiguous().cpu().numpy()).hexdigest() for t in (images, labels)],
        "code": [inspect.getsource(module) for module in (classifier, steps, training, batches, sys.modules[__name__])],
        "run": [
            run.seed,
            device_name(run.device),
            str(run.precision),
            torch.get_num_threads(),
            torch.__version__,
            epochs,
        ],
    }
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = cache / f"{kind.name.replace(' ', '-')}-{key}.safetensors"
    if path.exists():
        model = run.build(f"{kind.name} weights", kind.make, **arguments)
        model.load_state_dict(load_file(path, device=str(run.device)))
        print(f"{kind.name}: from the cache ({path.name})")
        return model.eval()
    model = train_classifier(run, kind.name, images, labels, epochs, kind, **arguments)
    save_whole(model.state_dict(), path)
    return model


def save_whole(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.close()
        save_file({k: v.contiguous() for k, v in tensors.items()}, part.name)
        os.replace(part.name, path)
