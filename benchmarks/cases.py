"""What is measured: for each model its networks, its data and how long it trains, the same for both loops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from lab_utils import losses
from lab_utils.models.cvae import MLPCVAE, ConvCVAE
from lab_utils.models.gan import Discriminator, Generator
from lab_utils.models.vae import FaceVAE
from lab_utils.run import Run
from lab_utils.training import acgan, infogan
from lab_utils.training.conditions import Condition, nothing
from lab_utils.training.cvae import with_label
from lab_utils.training.gan import DCGAN, make_gan, train_gan
from lab_utils.training.vae import train_vae, unconditional

RATE = 1e-3  # of Adam for the VAEs, the one-cycle schedule's peak in ours
GAME = 2e-4  # for the GANs


@dataclass(frozen=True)
class Case:
    """One model. Sizes are (images of an epoch, epochs) by class of device: what a measurement takes seconds for."""

    title: str
    data: str  # digits or faces (64×64)
    batch_size: int
    sizes: dict[str, tuple[int, int]]
    network: Callable[..., Any] | None = None  # of a VAE
    arguments: dict[str, Any] | None = None
    task: str = ""  # of a GAN's discriminator beside telling real from fake
    noise: int = 100
    width: int = 64
    goals: dict[str, float] = field(default_factory=dict)  # images/s of ours over the usual loop, by class of device


CASES = {
    "cvae_mlp": Case(
        "MLP CVAE", "digits", 100, {"cpu": (20_000, 2), "cuda": (60_000, 10)}, MLPCVAE, {},
        goals={"cpu": 4, "cuda": 40},
    ),
    "cvae_conv": Case(
        "conv CVAE", "digits", 100, {"cpu": (10_000, 2), "cuda": (60_000, 10)}, ConvCVAE, {},
        goals={"cpu": 4, "cuda": 40},
    ),
    "vae": Case(
        "face VAE", "faces", 64, {"cpu": (320, 2), "cuda": (10_240, 4)}, FaceVAE,
        {"latent": 128, "width": 64, "side": 64},
    ),
    "dcgan": Case("DCGAN", "faces", 64, {"cpu": (192, 2), "cuda": (10_240, 4)}, goals={"cpu": 2, "cuda": 3}),
    "acgan": Case("AC-GAN", "faces", 64, {"cpu": (192, 2), "cuda": (10_240, 4)}, task="attributes"),
    "infogan": Case(
        "InfoGAN", "digits", 128, {"cpu": (1_280, 2), "cuda": (60_000, 4)}, task="code", noise=62, width=32
    ),
}  # fmt: skip


def vae(case: Case) -> torch.nn.Module:
    return case.network(**case.arguments)


def gan_arguments(case: Case, attributes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of generator and discriminator."""
    told = {"attributes": 2 * attributes, "code": 10, "": 0}[case.task]
    heads = {"attributes": {"attributes": attributes}, "code": {"code": 10}, "": {}}[case.task]
    shape = {"width": case.width, "side": 64, "channels": 3} if case.data == "faces" else {
        "width": case.width, "side": 28, "channels": 1}  # fmt: skip
    return {"inputs": case.noise + told, **shape}, {"heads": heads, **shape}


def usual_networks(case: Case, attributes: int) -> tuple[Generator, Discriminator]:
    of_generator, of_discriminator = gan_arguments(case, attributes)
    return Generator(**of_generator), Discriminator(
        **of_discriminator | {"heads": {"real": 1} | of_discriminator["heads"]}
    )


def lab_training(case: Case, run: Run, tensors: tuple[torch.Tensor, ...], epochs: int) -> Callable[[], Any]:
    """This project's training, ready to be called: networks are made."""
    attributes = tensors[1].shape[1] if case.data == "faces" else 0
    train = lab_vae(case, run) if case.network else lab_gan(case, run, attributes)
    every = len(tensors[0]) // case.batch_size
    told = {"steps": epochs * every, "every": every, "batch_size": case.batch_size}
    return partial(train, tensors=tensors, name=case.title, **told)


def lab_vae(case: Case, run: Run) -> Callable[..., Any]:
    model = run.build("weights", case.network, **case.arguments)
    prepare = with_label if case.data == "digits" else unconditional
    return partial(train_vae, run, model, nll=losses.bernoulli_nll, max_lr=RATE, prepare=prepare, purpose="")


def lab_gan(case: Case, run: Run, attributes: int) -> Callable[..., Any]:
    """The game of the usual loop: batch norm, cross-entropy, as many steps of one network as of the other."""
    recipe = replace(DCGAN, generator_steps=1, discriminator_rate=GAME, generator_rate=GAME)
    of_generator, of_discriminator = gan_arguments(case, attributes)
    gan = make_gan(run, "gan", recipe, heads=of_discriminator["heads"], **of_generator)
    return partial(train_gan, run, gan, recipe=recipe, condition=lab_condition(case, run, attributes))


def lab_condition(case: Case, run: Run, attributes: int) -> Condition:
    if case.task == "attributes":
        return acgan.attributes(range(attributes), run.rng("condition"), 1.0)
    return infogan.codes([10], 0, run.rng("condition"), 1.0, 0.0) if case.task == "code" else nothing()
