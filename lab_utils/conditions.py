"""What stands beside the noise, and how it is read back: nothing (GAN), attributes (AC-GAN), codes (InfoGAN)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = dict[str, Tensor]  # of the discriminator's heads, by name


@dataclass(frozen=True)
class Condition:
    """What the generator is told beside the noise, and which images teach the discriminator's heads to read it.

    ``draw(images, *rest)`` gives what as many fake images are told, N×width; ``of_real`` gives the same for the real
    images of a batch, where it is known. ``read(logits, c)`` gives the loss terms of reading c, each weighted.
    """

    width: int
    draw: Callable[..., Tensor]
    read: Callable[[Logits, Tensor], dict[str, Tensor]]
    of_real: Callable[..., Tensor] | None = None  # None: real images teach the heads nothing
    on_fakes: bool = False  # whether fake images teach the discriminator's heads, too; the generator always hears them
    through: Callable[[Tensor], Tensor] | None = None  # what the heads see of a fake image; None: all of it


def nothing() -> Condition:
    """A plain GAN."""
    return Condition(0, lambda images, *_: images.new_zeros(len(images), 0, dtype=torch.float32), lambda logits, c: {})


def pairs(attributes: Tensor) -> Tensor:
    """Attributes N×K, 0 and 1 or between, as one-hot pairs (off, on) side by side, N×2K."""
    return torch.stack([1 - attributes, attributes], dim=2).flatten(1)


def attributes(columns: Sequence[int], stream: torch.Generator, weight: float, on_fakes: bool = False) -> Condition:
    """AC-GAN's condition: some columns of the batch's table of attributes (Odena et al. 2017).

    Fake images are told the attributes of real ones in another order, so that D cannot tell them by how often an
    attribute occurs. Real images teach the head; with ``on_fakes`` fake ones do, too, and the networks may collude.
    """

    chosen = torch.tensor(columns, device=stream.device)

    def of_real(images: Tensor, table: Tensor) -> Tensor:
        return pairs(table[:, chosen])

    def draw(images: Tensor, table: Tensor) -> Tensor:
        order = torch.randperm(len(table), generator=stream, device=stream.device)
        return of_real(images, table[order])

    def read(logits: Logits, c: Tensor) -> dict[str, Tensor]:
        return {"class": weight * F.binary_cross_entropy_with_logits(logits["attributes"], c[:, 1::2])}

    return Condition(2 * len(columns), draw, read, of_real, on_fakes)


def codes(
    sizes: Sequence[int],
    continuous: int,
    stream: torch.Generator,
    weight: float,
    continuous_weight: float,
    through: Callable[[Tensor], Tensor] | None = None,
) -> Condition:
    """InfoGAN's condition: uniform categorical codes of the given sizes, then continuous ones in [−1, 1].

    Chen et al. 2016. The head gives logits of each categorical code and the mean of each continuous one, whose
    variance is fixed: −log Q(c|x) is a cross-entropy for the former and a squared error for the latter. Only fake
    images have codes, so only they teach the head, which sees them ``through`` a function, if there is one.
    """

    def draw(images: Tensor, *_: Tensor) -> Tensor:
        return draw_codes(len(images), sizes, continuous, stream)

    def read(logits: Logits, c: Tensor) -> dict[str, Tensor]:
        read_parts, true_parts = (t.split([*sizes, continuous], dim=1) for t in (logits["code"], c))
        entropy = sum(F.cross_entropy(r, t) for r, t in zip(read_parts[:-1], true_parts[:-1], strict=True))
        terms = {"entropy": weight * entropy}
        if continuous:
            terms["error"] = continuous_weight * (read_parts[-1] - true_parts[-1]).square().mean()
        return terms

    return Condition(sum(sizes) + continuous, draw, read, on_fakes=True, through=through)


def coarse(x: Tensor, side: int = 8) -> Tensor:
    """Images N×C×S×S seen from afar: each becomes side×side squares of one colour. ``side`` divides S.

    A code that must be read from these cannot hide in a pattern of single pixels.
    """
    block = x.shape[-1] // side
    return F.avg_pool2d(x, block).repeat_interleave(block, 2).repeat_interleave(block, 3)


def draw_codes(n: int, sizes: Sequence[int], continuous: int, stream: torch.Generator) -> Tensor:
    """n codes as the generator is told them, n×(sum of sizes + continuous): one-hot, then uniform in [−1, 1]."""
    device = stream.device
    categorical = [F.one_hot(torch.randint(k, (n,), generator=stream, device=device), k).float() for k in sizes]
    return torch.cat([*categorical, 2 * torch.rand(n, continuous, generator=stream, device=device) - 1], dim=1)
