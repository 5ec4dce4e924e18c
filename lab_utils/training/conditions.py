"""What stands beside the noise, and how it is read back: the form that AC-GAN and InfoGAN fill."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Logits = dict[str, Tensor]  # of the discriminator's heads, by name


@dataclass(frozen=True)
class Condition:
    """What the generator is told beside the noise, and which images teach the discriminator's heads to read it.

    ``draw(images, *rest)`` gives what as many fake images are told, N×width, from the stream ``rng``; ``of_real`` gives
    the same for the real images of a batch, where it is known. ``read(logits, c)`` gives the loss terms of reading c,
    each weighted.
    """

    width: int
    draw: Callable[..., Tensor]
    read: Callable[[Logits, Tensor], dict[str, Tensor]]
    of_real: Callable[..., Tensor] | None = None  # None: real images teach the heads nothing
    on_fakes: bool = False  # whether fake images teach the discriminator's heads, too; the generator always hears them
    rng: torch.Generator | None = None  # None: nothing is drawn


@dataclass(frozen=True)
class OnReal:
    """Further terms of real images alone: ``terms(discriminator, *batch)``, and the stream that they draw from."""

    terms: Callable[..., dict[str, Tensor]]
    rng: torch.Generator


def nothing() -> Condition:
    """A plain GAN."""
    return Condition(0, lambda images, *_: images.new_zeros(len(images), 0, dtype=torch.float32), lambda logits, c: {})
