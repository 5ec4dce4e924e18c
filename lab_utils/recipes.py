"""How a generator and a discriminator are trained: a recipe is a value that is passed in; the networks are the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lab_utils import losses
from lab_utils.metrics.likelihood import evaluating
from lab_utils.models.gan import Discriminator, Generator
from lab_utils.repro import Run


@dataclass(frozen=True)
class Recipe:
    """Everything that may differ between two ways to train the same pair of networks."""

    name: str
    discriminator_loss: Callable[[Tensor, Tensor], Tensor]  # of logits for real and fake images
    generator_loss: Callable[[Tensor], Tensor]  # of logits for fake images
    norm: str  # of the discriminator (see models.gan)
    discriminator_rate: float  # learning rates of Adam
    generator_rate: float
    betas: tuple[float, float]  # of Adam
    discriminator_steps: int = 1  # to generator_steps of the generator
    generator_steps: int = 1
    penalty: float = 0.0  # weight of the gradient penalty
    average: float = 0.0  # decay of the moving average of the generator's weights that draws the samples; 0: none
    mirror: bool = False  # exchange left and right in half of the real images


# Report C's settings as its text gives them: rate 1e-3 and Adam's default momentum, two G steps for each of D.
REPORT = Recipe(
    "report C's own", losses.non_saturating, losses.non_saturating_generator, "batch",
    discriminator_rate=1e-3, generator_rate=1e-3, betas=(0.9, 0.999), generator_steps=2,
)  # fmt: skip
# The same game with the rates and the momentum of Radford et al. 2016, section 4.
DCGAN = replace(REPORT, name="DCGAN", discriminator_rate=2e-4, generator_rate=2e-4, betas=(0.5, 0.999))
# For the digits of InfoGAN (Chen et al. 2016, appendix C.1), with a faster discriminator: with batch norm its code
# follows the digits sooner than with spectral norm.
INFOGAN = replace(DCGAN, name="InfoGAN's", discriminator_rate=5e-4, generator_rate=1e-3, generator_steps=1)
# Gulrajani et al. 2017, algorithm 1, at twice its rate, as DCGAN's.
WGAN_GP = Recipe(
    "WGAN-GP", losses.wasserstein, losses.critic_value, "none",
    discriminator_rate=2e-4, generator_rate=2e-4, betas=(0.0, 0.9), discriminator_steps=5, penalty=10.0,
)  # fmt: skip
# Spectral norm (Miyato et al. 2018), hinge, two time scales (Heusel et al. 2017), an averaged generator (Yazıcı et al.
# 2019), mirrored images.
PROJECT = Recipe(
    "this course's", losses.hinge, losses.critic_value, "spectral",
    discriminator_rate=8e-4, generator_rate=2e-4, betas=(0.0, 0.9), average=0.995, mirror=True,
)  # fmt: skip


@dataclass(frozen=True)
class Gan:
    """Two networks, their optimisers, and ``sampler``: the generator that draws the samples, averaged or not."""

    generator: nn.Module
    discriminator: nn.Module
    sampler: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All that training changes; for ``fit`` to keep."""
        return self.generator, self.discriminator, self.sampler

    def after_step(self) -> None:
        """Move the average on; for ``fit``."""
        if self.sampler is not self.generator:
            self.sampler.update_parameters(self.generator)


def make_gan(
    run: Run, name: str, recipe: Recipe, inputs: int, heads: Mapping[str, int], width: int, side: int, channels: int = 3
) -> Gan:
    """Both networks for a recipe, with weights drawn from streams named after ``name``; equal names, equal weights.

    ``inputs`` is the width of what the generator is given, ``heads`` that of the discriminator's heads beside
    ``real`` (see :mod:`lab_utils.models.gan`).
    """
    generator = run.build(f"{name} generator", Generator, inputs=inputs, width=width, side=side, channels=channels)
    discriminator = run.build(
        f"{name} discriminator", Discriminator, heads={"real": 1, **heads}, width=width, side=side, channels=channels,
        norm=recipe.norm,
    )  # fmt: skip
    averaging = get_ema_multi_avg_fn(recipe.average)
    adam = partial(torch.optim.Adam, betas=recipe.betas, fused=True, capturable=run.device.type == "cuda")
    return Gan(
        generator,
        discriminator,
        AveragedModel(generator, multi_avg_fn=averaging, use_buffers=True) if recipe.average else generator,
        adam(generator.parameters(), recipe.generator_rate),
        adam(discriminator.parameters(), recipe.discriminator_rate),
    )


@torch.no_grad()
def samples(gan: Gan, inputs: Tensor, batch: int = 500) -> Tensor:
    """The sampler's images N×C×S×S in [0, 1] for inputs N×(noise and condition), in float32."""
    with evaluating(gan.sampler):
        return torch.cat([(gan.sampler(part) + 1) / 2 for part in inputs.split(batch)])
