"""Notebook 01's VAE of faces, which notebook 04 sets beside its GAN: trained by one function and kept."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lab_utils import config, sources
from lab_utils.data.augment import retaken
from lab_utils.files import digest
from lab_utils.losses import gaussian_nll, optimal_gaussian_nll
from lab_utils.metrics import latents, likelihood
from lab_utils.metrics.pca import fit_ppca
from lab_utils.models.vae import PPCA, VAEFromPPCA, reparameterise
from lab_utils.run import Run, device_name
from lab_utils.training.fit import History
from lab_utils.training.kept import Kept, made_once
from lab_utils.training.vae import of_mean, train_vae, unconditional

COMPONENTS = 20  # of the mixture
SOME = 500  # images of either split on which the terms are measured in the course of training


@dataclass(frozen=True)
class Size:
    """How large the network is and how long it learns."""

    latent: int
    width: int
    batch_size: int
    learning_rate: float  # peak of the one-cycle schedule
    steps: int
    evaluate_every: int  # steps
    log_every: int  # steps


def size_of(settings: Any, prefix: str = "") -> Size:
    """The size that a lab's settings give, each name behind ``prefix``."""
    return Size(*(getattr(settings, prefix + field.name) for field in fields(Size)))


def begin(run: Run, images: Tensor, size: Size) -> tuple[PPCA, VAEFromPPCA]:
    """The linear optimum of training images (uint8, N×3×S×S), and the VAE that begins as it."""
    start = fit_ppca(images, size.latent, run.rng("pca"))
    return start, run.build("vae weights", VAEFromPPCA, start=start, width=size.width, side=images.shape[-1])


def train(
    run: Run,
    vae: VAEFromPPCA,
    images: Tensor,
    test: Tensor,
    size: Size,
    photographs: bool,
    preview: Callable[[], Figure] | None = None,
    cache: Path = config.CACHE,
) -> History:
    """Train the VAE on ``images``, with the σ² that suits each batch best; from the cache if that was done before.

    Half of the images are mirrored, and photographs moved a little whenever they are drawn, as if they had been taken
    again. ``test`` is looked at, never learned from. LabError as for :func:`lab_utils.training.fit.fit`.
    """
    path = cache / f"face-vae-{key(run, images, test, size, photographs)}.safetensors"

    def make() -> Kept:
        history = train_vae(
            run, vae, (images,), of_mean(optimal_gaussian_nll, vae.mean), name="vae", slow=vae.linear.parameters(),
            mirror=True, augment=retaken if photographs else None, steps=size.steps, batch_size=size.batch_size,
            max_lr=size.learning_rate, every=size.evaluate_every, log_every=size.log_every,
            evaluate=lambda: terms_on_both(run, vae, images, test), preview=preview,
        )  # fmt: skip
        if len(history.stretches) == 0 or history.stretches["step"].iloc[-1] < size.steps:
            raise StoppedError(history)
        tables = {name: getattr(history, name).to_dict("list") for name in ("curve", "stretches")}
        return vae.state_dict(), json.dumps(tables)

    try:
        (weights, text), was_there = made_once(path, make)
    except StoppedError as stopped:
        return stopped.history
    if was_there:
        print(f"vae: from the cache ({path.name})")
    vae.load_state_dict(weights)
    tables = json.loads(text)
    return History(*(pd.DataFrame(tables[name]) for name in ("curve", "stretches")), "")


class StoppedError(Exception):
    """A person interrupted the training: what was reached is shown, and not kept for others."""

    def __init__(self, history: History):
        super().__init__()
        self.history = history


def key(run: Run, images: Tensor, test: Tensor, size: Size, photographs: bool) -> str:
    """Hash of all that the trained VAE and its history depend on."""
    computed = [run.seed, device_name(run.device), str(run.precision), torch.__version__, torch.get_num_threads()]
    facts = {
        "data": [hashlib.sha256(t.contiguous().cpu().numpy()).hexdigest() for t in (images, test[:SOME])],
        "code": sources.closure(["import lab_utils.training.face_vae"]),
        "run": [*computed, asdict(size), photographs],
    }
    return digest(facts)[:16]


def chosen_samples(run: Run, vae: VAEFromPPCA, images: Tensor, n: int) -> Tensor:
    """n mean images in [0, 1] from the sampler that notebook 01 chose: a mixture fitted to codes of training images."""
    mu, log_var = likelihood.posteriors(vae, (images,), unconditional)
    codes = reparameterise(mu, log_var, run.noise(*mu.shape, "aggregate z"))
    mixture = latents.fit_mixture(codes, COMPONENTS, run.seed)
    z = latents.draw_mixture(mixture, run.noise(n, vae.latent, "sampler z"), run.rng("component"))
    return likelihood.mean_images(vae, z)


def terms(run: Run, vae: VAEFromPPCA, images: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL of each image, N and N, at one sampled z, the same at every call."""
    nll = of_mean(gaussian_nll, vae.mean, variance=variance)
    return likelihood.elbo_terms(vae, (images,), unconditional, nll, run.rng("evaluation z"))


def terms_on_both(run: Run, vae: VAEFromPPCA, train: Tensor, test: Tensor) -> dict[str, float]:
    """Both terms on the first 500 images of either split as they are, with the σ² of the former: seen and test."""
    splits, found = {"seen": train[:SOME], "test": test[:SOME]}, {}
    variance = likelihood.best_variance(vae, (splits["seen"],), unconditional, run.rng("evaluation z"))
    for split, images in splits.items():
        reconstruction, kl = terms(run, vae, images, variance)
        found[f"{split}_reconstruction"] = reconstruction.mean().item()
        found[f"{split}_kl"] = kl.mean().item()
    return found
