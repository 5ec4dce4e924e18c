"""How much memory 200,000 faces take: prepared from files, on the device, and trained on for an epoch's first steps."""

import csv
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FACES = 200_000  # as many as CelebA has
GOAL = 4 * 2**30  # bytes at the most
DISTINCT = 500  # files; the others are links to them
STEPS = 20


def make_faces(folder: Path, faces: int = FACES) -> None:
    """The course's layout with so many photographs of noise, 64×64, and two attributes."""
    rng = np.random.default_rng(0)
    for split, n in (("train", faces), ("test", 10)):
        (folder / "faces" / split).mkdir(parents=True)
        with open(folder / "faces" / f"{split}.csv", "w", newline="", encoding="utf-8") as listing:
            rows = csv.writer(listing)
            rows.writerow(["image_name", "Smiling", "Male"])
            for i in range(n):
                path = folder / "faces" / split / f"{i:06d}.jpg"
                if i < DISTINCT:
                    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
                else:
                    os.link(folder / "faces" / split / f"{i % DISTINCT:06d}.jpg", path)
                rows.writerow([path.name, i % 2, i // 2 % 2])


def train(folder: str) -> dict[str, Any]:
    """Load them as a notebook does and train the face VAE for a few steps; bytes at the peak of this process."""
    from benchmarks.measure import peak_memory
    from lab_utils import losses
    from lab_utils.data import augment, batches, faces
    from lab_utils.models.vae import FaceVAE
    from lab_utils.run import start
    from lab_utils.training.fit import Batches
    from lab_utils.training.schedule import one_cycle_adamw
    from lab_utils.training.vae import vae_step

    run = start(0)
    loaded = faces.load(folder, "photographs", cache=Path(folder) / "cache")
    prepared = peak_memory(run.device)
    images, _ = batches.faces_to_device(loaded.train, run.device)
    model = run.build("weights", FaceVAE, width=16)
    optimizer, rate = one_cycle_adamw(model, 1e-3, STEPS)
    mirror = run.rng("mirror")
    step = vae_step(
        model, optimizer, run, run.rng("z"), losses.bernoulli_nll,
        lambda part: (augment.mirrored(batches.to_unit(part), mirror),),
    )  # fmt: skip
    for batch in itertools.islice(Batches((images,), 64, run.rng("order")), STEPS):
        step(*batch)
        rate.step()
    return {"faces": len(images), "prepared": prepared, "peak": peak_memory(run.device)}
