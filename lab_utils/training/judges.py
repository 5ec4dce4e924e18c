"""Judges: the one classifier of each source of data and side that measures every model.

Frozen: its seed, its steps and its recipe are the same in every profile but smoke, for every SPLIT and number of cores,
so that distances in its features can be compared. It is trained on the training images that validation does not hold
out, and so has seen none that it judges; it never shares a weight with a model that it judges.
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils import config, sources
from lab_utils.data.augment import moved_if_few, noisy
from lab_utils.data.batches import by_parts, faces_to_device, to_device, to_unit
from lab_utils.files import digest
from lab_utils.metrics.control import judge_scores, logits_of
from lab_utils.metrics.fidelity import as_bytes, fcd
from lab_utils.run import Run, device_name, start
from lab_utils.training.classifier import DIGITS, FACES, train_classifier
from lab_utils.training.kept import Kept, made_once
from lab_utils.watch import end_with_parent

SEED = 0  # whatever the seed of a run
THREADS = 2  # likewise: another number of threads would round otherwise
STEPS = {"digits": 2880, "faces": 2200}  # chosen on validation images
SMOKE_STEPS = {"digits": 8, "faces": 6}
MOST, SMOKE_MOST = 40_000, 400  # training images, the first so many

BLOCKS = 4  # into as many rows and columns an image is cut to be shuffled
NOISE = 0.1  # σ, on [0, 1]
COARSE = 3 / 16  # of the side: 12 pixels of 64


def judge(run: Run, kind: str, images: Tensor, labels: Tensor, profile: str, cache: Path = config.CACHE) -> nn.Module:
    """The judge of ``digits`` (logits of ten classes) or ``faces`` (a logit for each attribute), ready to evaluate.

    From the cache if it was trained on the same images (uint8, N×C×S×S) and labels in the same way, else trained and
    put there; processes that want the same one at the same time wait for the first.
    """
    run, steps = replace(run, seed=SEED), (SMOKE_STEPS if profile == "smoke" else STEPS)[kind]
    recipe = DIGITS if kind == "digits" else FACES
    arguments = {} if kind == "digits" else {"attributes": labels.shape[1], "side": images.shape[-1]}
    path = cache / f"{recipe.name.replace(' ', '-')}-{key(run, images, labels, steps)}.safetensors"

    def make() -> Kept:
        augment = moved_if_few(images) if kind == "digits" else None
        with threads(THREADS):
            trained = train_classifier(run, recipe.name, images, labels, steps, recipe, augment=augment, **arguments)
        return trained.state_dict(), ""

    (weights, _), was_there = made_once(path, make)
    if was_there:
        print(f"{recipe.name}: from the cache ({path.name})")
    model = run.build(f"{recipe.name} weights", recipe.make, **arguments)
    model.load_state_dict(weights)
    return model.eval()


def examples(loaded: Any, kind: str, images: Tensor, profile: str) -> tuple[Tensor, Tensor]:
    """What a judge is trained on, on the device and as large as ``images``: the rows of a loaded set that are its."""
    rows = loaded.for_judges[: SMOKE_MOST if profile == "smoke" else MOST]
    if kind == "digits":
        split = replace(loaded.train, images=loaded.train.images[rows], labels=loaded.train.labels[rows])
        return to_device(split, images.device)
    attributes = loaded.train.attributes.iloc[rows]
    split = replace(loaded.train, images=loaded.train.images[rows], attributes=attributes)
    return faces_to_device(split, images.device, side=images.shape[-1])


def scores(judge: nn.Module, kind: str, images: Tensor, labels: Tensor) -> dict[str, float]:
    """How far a judge is to be trusted, on real images: accuracies in [0, 1], for faces means over the attributes."""
    if kind == "digits":
        right = (logits_of(judge, to_unit(images)).argmax(1) == labels).float().mean().item()
        return {"accuracy": right, "majority": labels.bincount().max().item() / len(labels)}
    found = judge_scores(judge, images, labels)
    return {name: values.nanmean().item() for name, values in found._asdict().items()}


def key(run: Run, images: Tensor, labels: Tensor, steps: int) -> str:
    facts = {
        "data": [hashlib.sha256(t.contiguous().cpu().numpy()).hexdigest() for t in (images, labels)],
        "code": sources.closure(["import lab_utils.training.classifier"]),
        "run": [device_name(run.device), str(run.precision), torch.__version__, SEED, steps, THREADS],
    }
    return digest(facts)[:16]


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute with so many threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# What a distance means: that of real images that were made worse in known ways


def anchors(run: Run, judge: nn.Module, images: Tensor, real: Tensor) -> dict[str, float]:
    """FCD to the images ``real`` of as many others as they are and made worse, uint8 N×C×S×S, the same in every run."""
    images, run = images[: len(real)], replace(run, seed=SEED)
    worse = {
        "as they are": images,
        f"noised, σ {NOISE:g}": as_bytes(noisy(to_unit(images), run.rng("anchors"), NOISE).clamp(0, 1)),
        f"blurred to {round(COARSE * images.shape[-1])} pixels": by_parts(blurred, images, size=1000),
        f"shuffled in {BLOCKS}×{BLOCKS} blocks": by_parts(shuffled, images, size=1000),
    }
    return {name: fcd(judge, some, real) for name, some in worse.items()}


def blurred(images: Tensor) -> Tensor:
    """Images N×C×S×S, reduced to a few pixels and enlarged again."""
    side = images.shape[-1]
    few = F.interpolate(to_unit(images), size=round(COARSE * side), mode="bilinear", antialias=True)
    return as_bytes(F.interpolate(few, size=side, mode="bilinear").clamp(0, 1))


def shuffled(images: Tensor) -> Tensor:
    """Images N×C×S×S with their square blocks in another order, the same for all."""
    order = torch.randperm(BLOCKS**2, generator=torch.Generator().manual_seed(SEED)).to(images.device)
    size = images.shape[-1] // BLOCKS
    blocks = images.unfold(2, size, size).unfold(3, size, size).flatten(2, 3)[:, :, order]
    return blocks.unflatten(2, (BLOCKS, BLOCKS)).transpose(3, 4).flatten(4, 5).flatten(2, 3)


# A process that makes them before others want them


def main(profile: str, data_dir: str, choice: str, split: str, *wanted: str) -> int:
    """Have judges in the cache, each wanted as ``digits`` or ``faces:64``, for faces of that side; the exit code.

    The data are those that a page would load. What a person can put right is said in one line, with exit code 2.
    """
    from lab_utils.data import digits, faces  # which a judge does not need

    run = start(SEED)
    try:
        for kind, _, side in (one.partition(":") for one in wanted):
            if kind == "digits":
                loaded = digits.load(config.data_dir(data_dir), split=split)
                like, _ = to_device(loaded.train, run.device, 1)
            else:
                drawn = config.AVATARS[profile]
                loaded = faces.load(config.data_dir(data_dir), choice, avatars_drawn=drawn, split=split)
                like, _ = faces_to_device(loaded.train, run.device, 1, int(side))
            judge(run, kind, *examples(loaded, kind, like, profile), profile)
    except config.LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(*sys.argv[1:]))
