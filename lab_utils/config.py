"""Profiles: one frozen dataclass per lab says how large a run is, and every value a person types is checked here.

Budgets are counted in epochs and steps, never in seconds, so that a profile gives the same numbers on a slow
machine. Nothing here imports torch: the report checks its arguments with this module before anything starts.
"""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # where data is looked for and downloaded to unless DATA_DIR says otherwise
CACHE = DATA / "cache"  # what is computed once and can be computed again: judges, prepared images

PROFILES = ("smoke", "quick", "full")


class LabError(Exception):
    """Something a person can put right: one line that says what is wrong, where, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in Jupyter, which asks an exception for this method first."""
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class VAELab:
    """Settings of notebook 01."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    judge_epochs: PositiveInt  # these three as in notebook 02, which then finds the judge in the cache
    latent: PositiveInt
    width: PositiveInt  # channels of the first convolution; 64 is the coursework's
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule
    epochs: PositiveInt
    first_beta: PositiveFloat  # weight of the KL term at the start, falling to 1 over the first half of training
    small_width: PositiveInt  # of the two networks that show report C's parametrisation
    small_images: PositiveInt  # that they see, the first so many of the training images
    small_epochs: PositiveInt  # times
    importance_images: PositiveInt  # test images of the importance-weighted bound
    importance_samples: PositiveInt  # and draws of z for each
    log_every: PositiveInt  # batches between two points of the training curve


VAE_LAB = {
    "smoke": VAELab(
        train_images=400, test_images=200, judge_epochs=1, latent=128, width=8, batch_size=50, learning_rate=3e-3,
        epochs=3, first_beta=5.0, small_width=8, small_images=400, small_epochs=1, importance_images=20,
        importance_samples=4, log_every=2,
    ),
    "quick": VAELab(
        train_images=12_000, test_images=10_000, judge_epochs=3, latent=128, width=24, batch_size=64,
        learning_rate=4e-3, epochs=7, first_beta=5.0, small_width=16, small_images=6000, small_epochs=1,
        importance_images=200, importance_samples=20, log_every=10,
    ),
    "full": VAELab(
        train_images=40_000, test_images=10_000, judge_epochs=8, latent=128, width=64, batch_size=64,
        learning_rate=2e-3, epochs=60, first_beta=5.0, small_width=64, small_images=40_000, small_epochs=5,
        importance_images=1000, importance_samples=100, log_every=10,
    ),
}  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class KLLab:
    """Settings of notebook 02."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    judge_epochs: PositiveInt  # these three as in notebook 01, which then finds the judge in the cache
    latent: PositiveInt
    width: PositiveInt  # channels of the first convolution
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule
    epochs: PositiveInt  # of each weight
    more_weights: tuple[NonNegativeFloat, ...]  # beside 1, 100 and 0, for the rate-distortion curve
    log_every: PositiveInt  # batches between two points of the training curve


KL_LAB = {
    "smoke": KLLab(
        train_images=400, test_images=200, judge_epochs=1, latent=50, width=8, batch_size=50, learning_rate=2e-3,
        epochs=3, more_weights=(10.0,), log_every=2,
    ),
    "quick": KLLab(
        train_images=12_000, test_images=10_000, judge_epochs=3, latent=50, width=16, batch_size=100,
        learning_rate=3e-3, epochs=5, more_weights=(), log_every=10,
    ),
    "full": KLLab(
        train_images=40_000, test_images=10_000, judge_epochs=8, latent=50, width=64, batch_size=100,
        learning_rate=1e-4, epochs=100, more_weights=(0.1, 3.0, 10.0, 30.0), log_every=10,
    ),
}  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class CVAELab:
    """Settings of notebook 03."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule, the same for every model of the notebook
    mlp_epochs: PositiveInt  # the 2-D MLP CVAE and, for a fair comparison, the VAE of its size
    z20_epochs: PositiveInt
    conv_epochs: PositiveInt
    conv_batch_size: PositiveInt
    conv_beta_start: PositiveFloat  # weight of the KL term at the start of training, falling to
    conv_beta: PositiveFloat  # the weight of the second half
    loss_epochs: PositiveInt  # each arm of cross-entropy against squared error
    completion_epochs: PositiveInt  # the completion CVAE and its deterministic baseline
    judge_epochs: PositiveInt
    cas_epochs: PositiveInt  # the judge's architecture trained on samples alone
    samples: PositiveInt  # digits generated for label consistency
    importance_samples: PositiveInt  # per test image, for the completion bound
    log_every: PositiveInt  # batches between two points of the training curve


CVAE_LAB = {
    "smoke": CVAELab(
        train_images=1000, test_images=400, batch_size=100, learning_rate=5e-3, mlp_epochs=3, z20_epochs=1,
        conv_epochs=2, conv_batch_size=100, conv_beta_start=20.0, conv_beta=7.5, loss_epochs=1, completion_epochs=1,
        judge_epochs=1, cas_epochs=1, samples=200, importance_samples=10, log_every=2,
    ),
    "quick": CVAELab(
        train_images=60_000, test_images=10_000, batch_size=250, learning_rate=5e-3, mlp_epochs=20, z20_epochs=6,
        conv_epochs=7, conv_batch_size=80, conv_beta_start=20.0, conv_beta=7.5, loss_epochs=3, completion_epochs=4,
        judge_epochs=3, cas_epochs=3, samples=10_000, importance_samples=100, log_every=10,
    ),
    "full": CVAELab(
        train_images=60_000, test_images=10_000, batch_size=250, learning_rate=5e-3, mlp_epochs=50, z20_epochs=50,
        conv_epochs=50, conv_batch_size=80, conv_beta_start=20.0, conv_beta=7.5, loss_epochs=20,
        completion_epochs=20, judge_epochs=8, cas_epochs=8, samples=10_000, importance_samples=100, log_every=10,
    ),
}  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class GANLab:
    """Settings of notebook 04."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of an image, to which faces are reduced
    judge_epochs: PositiveInt  # these four as in notebooks 05 and 06, which then find the judge in the cache
    noise: PositiveInt  # dimensions of what the generator starts from
    width: PositiveInt  # channels of the widest pictures; 128 at side 64 is the coursework's 4×4×1024
    batch_size: PositiveInt  # of a discriminator step
    epochs: PositiveInt  # of the GAN with this course's recipe, and of the VAE beside it
    arm_epochs: PositiveInt  # of each recipe in the comparison; the GAN above is compared as it was after so many
    trial_epochs: PositiveInt  # of each small experiment
    vae_latent: PositiveInt
    vae_width: PositiveInt  # channels of the VAE's first convolution
    vae_batch_size: PositiveInt
    vae_rate: PositiveFloat  # peak of its one-cycle schedule
    log_every: PositiveInt  # steps between two points of the training curves


GAN_LAB = {
    "smoke": GANLab(
        train_images=400, test_images=200, side=32, judge_epochs=1, noise=100, width=8, batch_size=20, epochs=3,
        arm_epochs=2, trial_epochs=1, vae_latent=16, vae_width=8, vae_batch_size=40,
        vae_rate=3e-3, log_every=2,
    ),
    "quick": GANLab(
        train_images=12_000, test_images=10_000, side=32, judge_epochs=3, noise=100, width=32, batch_size=32,
        epochs=7, arm_epochs=2, trial_epochs=1, vae_latent=128, vae_width=32, vae_batch_size=64,
        vae_rate=4e-3, log_every=10,
    ),
    "full": GANLab(
        train_images=40_000, test_images=10_000, side=64, judge_epochs=8, noise=100, width=128, batch_size=64,
        epochs=20, arm_epochs=5, trial_epochs=2, vae_latent=128, vae_width=64, vae_batch_size=64,
        vae_rate=2e-3, log_every=10,
    ),
}  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class ACGANLab:
    """Settings of notebook 05."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of an image, to which faces are reduced
    judge_epochs: PositiveInt  # these four as in notebooks 04 and 06, which then find the judge in the cache
    noise: PositiveInt  # dimensions of the noise beside the attributes
    width: PositiveInt  # channels of the widest pictures; 128 at side 64 is the coursework's 4×4×1024
    batch_size: PositiveInt
    epochs: PositiveInt
    trial_epochs: PositiveInt  # of the experiment on collusion; the model above is compared as it was after so many
    class_weight: PositiveFloat  # of the classification loss beside the game's
    pairs: PositiveInt  # of samples with an attribute off and on, for each attribute
    cas_epochs: PositiveInt  # the judge's architecture trained on samples alone
    log_every: PositiveInt  # steps between two points of the training curves


ACGAN_LAB = {
    "smoke": ACGANLab(
        train_images=400, test_images=200, side=32, judge_epochs=1, noise=100, width=8, batch_size=20, epochs=3,
        trial_epochs=1, class_weight=3.0, pairs=100, cas_epochs=1, log_every=2,
    ),
    "quick": ACGANLab(
        train_images=12_000, test_images=10_000, side=32, judge_epochs=3, noise=100, width=32, batch_size=32,
        epochs=7, trial_epochs=2, class_weight=3.0, pairs=1000, cas_epochs=2, log_every=10,
    ),
    "full": ACGANLab(
        train_images=40_000, test_images=10_000, side=64, judge_epochs=8, noise=100, width=128, batch_size=64,
        epochs=15, trial_epochs=3, class_weight=3.0, pairs=1000, cas_epochs=8, log_every=10,
    ),
}  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class InfoGANLab:
    """Settings of notebook 06."""

    train_images: PositiveInt  # faces: the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of a face, to which they are reduced
    judge_epochs: PositiveInt  # these four as in notebooks 04 and 05, which then find the judge in the cache
    noise: PositiveInt  # dimensions of the noise beside the codes, for faces
    width: PositiveInt  # channels of the widest pictures of faces
    batch_size: PositiveInt  # faces
    epochs: PositiveInt  # faces
    train_digits: PositiveInt
    test_digits: PositiveInt
    digit_judge_epochs: PositiveInt  # as in notebook 03
    digit_noise: PositiveInt
    digit_width: PositiveInt
    digit_batch_size: PositiveInt
    digit_epochs: PositiveInt
    plain_digit_epochs: PositiveInt  # of the InfoGAN without neighbours
    neighbours: PositiveInt  # of a digit, among which a walk goes on
    walk: PositiveInt  # steps from a digit to the one that should share its code
    agreement_weight: PositiveFloat  # of what neighbours share, beside the game's loss
    compared_digits: PositiveInt  # the first so many training digits, among which neighbours are looked for
    seeds: PositiveInt  # digits: SEED and the next ones, for the median
    reader_images: PositiveInt  # samples that a fresh reader of the codes is trained on; a fifth as many test it
    reader_epochs: PositiveInt
    log_every: PositiveInt  # steps between two points of the training curves


INFOGAN_LAB = {
    "smoke": InfoGANLab(
        train_images=400, test_images=200, side=32, judge_epochs=1, noise=100, width=8, batch_size=20, epochs=2,
        train_digits=1000, test_digits=400, digit_judge_epochs=1, digit_noise=62, digit_width=8, digit_batch_size=100,
        digit_epochs=2, plain_digit_epochs=1, neighbours=5, walk=3, agreement_weight=2.0,
        compared_digits=1000, seeds=1, reader_images=500,
        reader_epochs=1, log_every=2,
    ),
    "quick": InfoGANLab(
        train_images=12_000, test_images=10_000, side=32, judge_epochs=3, noise=100, width=32, batch_size=32, epochs=4,
        train_digits=60_000, test_digits=10_000, digit_judge_epochs=3, digit_noise=62, digit_width=32,
        digit_batch_size=128, digit_epochs=2, plain_digit_epochs=1, neighbours=10, walk=3, agreement_weight=2.0,
        compared_digits=20_000,
        seeds=1, reader_images=5_000, reader_epochs=2, log_every=10,
    ),
    "full": InfoGANLab(
        train_images=40_000, test_images=10_000, side=64, judge_epochs=8, noise=100, width=128, batch_size=64,
        epochs=8, train_digits=60_000, test_digits=10_000, digit_judge_epochs=8, digit_noise=62, digit_width=64,
        digit_batch_size=128, digit_epochs=8, plain_digit_epochs=4, neighbours=10, walk=3, agreement_weight=2.0,
        compared_digits=60_000,
        seeds=5, reader_images=20_000, reader_epochs=4, log_every=10,
    ),
}  # fmt: skip

LABS = {"01": VAE_LAB, "02": KL_LAB, "03": CVAE_LAB, "04": GAN_LAB, "05": ACGAN_LAB, "06": INFOGAN_LAB}
AVATARS = {"smoke": (400, 200), "quick": (18_000, 2_000), "full": (18_000, 2_000)}  # drawn for training and test


def gpu_present() -> bool:
    """Whether the CUDA driver answers and shows a device, found without importing torch."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def resolve_profile(name: str) -> str:
    """The profile to run: ``auto`` is full with a GPU and quick without. LabError if there is no such profile."""
    if name in ("", "auto"):
        return "full" if gpu_present() else "quick"
    if name not in PROFILES:
        raise LabError(f"PROFILE={name!r} is not a profile: choose one of auto, {', '.join(PROFILES)}")
    return name


def settings(notebook: str, profile: str, changes: Mapping[str, Any] | None = None) -> Any:
    """Settings of one notebook (``"03"``) for a profile, with single fields changed by name.

    LabError names a field that does not exist or a value of the wrong type or range.
    """
    lab = LABS[notebook][resolve_profile(profile)]
    changes = dict(changes or {})
    known = asdict(lab)
    for name in changes:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise LabError(f"CHANGES: notebook {notebook} has no setting {name!r}; {hint}")
    try:
        return replace(lab, **changes)
    except ValidationError as error:
        first = error.errors()[0]
        raise LabError(f"CHANGES: {first['loc'][0]}={first['input']!r}: {first['msg']}") from None


def data_dir(name: str) -> Path | None:
    """The folder that a notebook's DATA_DIR names, or the shell's variable DATA_DIR; None for neither."""
    name = name or os.environ.get("DATA_DIR", "")
    return Path(name) if name else None


def directory(data_dir: str | Path, holds: str) -> Path:
    """A DATA_DIR that is there and can be read; ``holds`` says in the LabError what it is wanted for."""
    try:
        os.listdir(data_dir)
    except FileNotFoundError:
        trouble = "there is no such directory"
    except NotADirectoryError:
        trouble = "this is not a directory"
    except OSError as error:
        trouble = f"cannot be read ({error.strerror})"
    else:
        return Path(data_dir)
    raise LabError(f"DATA_DIR={data_dir}: {trouble}; give one that holds {holds}, or leave DATA_DIR out")
