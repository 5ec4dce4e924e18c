"""Classifiers that measure: trained once per data source by one function, and cached by what they depend on.

A judge never shares a weight with a model that it judges.
"""

import hashlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lab_utils import config, steps, training
from lab_utils.data import batches
from lab_utils.models import classifier
from lab_utils.models.classifier import DigitClassifier
from lab_utils.repro import Run, device_name
from lab_utils.steps import classifier_step
from lab_utils.training import adam, fit


def train_classifier(run: Run, name: str, images: Tensor, labels: Tensor, epochs: int) -> nn.Module:
    """A digit classifier trained on images (uint8 or [0, 1], N×1×28×28) and labels, ready to evaluate.

    KeyboardInterrupt if it was interrupted: a classifier trained by half measures nothing.
    """
    model = run.build(f"{name} weights", DigitClassifier)
    batch_size = min(125, len(images))
    optimizer, schedule = adam(model, 2e-3, epochs * (len(images) // batch_size))
    history = fit(
        classifier_step(model, optimizer, run, run.generator(f"{name} dropout")), (images, labels), name=name,
        epochs=epochs, batch_size=batch_size, stream=run.generator(f"{name} order"), after_step=schedule.step,
    )  # fmt: skip
    if len(history.epochs) < epochs:
        raise KeyboardInterrupt
    return model.eval()


def digit_judge(run: Run, images: Tensor, labels: Tensor, epochs: int, cache: Path = config.CACHE) -> nn.Module:
    """The judge of a digit source, from the cache if one was trained on the same data in the same way."""
    facts = {
        "data": hashlib.sha256(images.cpu().numpy().tobytes() + labels.cpu().numpy().tobytes()).hexdigest(),
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
    path = cache / f"digit-judge-{key}.safetensors"
    if path.exists():
        model = run.build("digit judge weights", DigitClassifier)
        model.load_state_dict(load_file(path, device=str(run.device)))
        print(f"digit judge: from the cache ({path.name})")
        return model.eval()
    model = train_classifier(run, "digit judge", images, labels, epochs)
    save_whole(model.state_dict(), path)
    return model


def save_whole(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.close()
        save_file({k: v.contiguous() for k, v in tensors.items()}, part.name)
        os.replace(part.name, path)
