"""What InfoGAN adds to the game: codes beside the noise, and a head Q that reads them back (Chen et al. 2016)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lab_utils.data.augment import noisy
from lab_utils.data.batches import to_unit
from lab_utils.metrics.clusters import code_information
from lab_utils.metrics.control import logits_of
from lab_utils.run import Run
from lab_utils.training.classifier import Kind, train_classifier
from lab_utils.training.conditions import Condition, Logits
from lab_utils.training.gan import Gan, samples, with_noise


def codes(
    sizes: Sequence[int],
    continuous: int,
    rng: torch.Generator,
    weight: float,
    continuous_weight: float,
    view: Callable[[Tensor], Tensor] | None = None,
) -> Condition:
    """InfoGAN's condition: uniform categorical codes of the given sizes, then continuous ones in [−1, 1].

    Chen et al. 2016. The head gives logits of each categorical code and the mean of each continuous one, whose
    variance is fixed: −log Q(c|x) is a cross-entropy for the former and a squared error for the latter. Only fake
    images have codes, so only they teach the head, which sees the ``view`` of them, if there is one.
    """

    def draw(images: Tensor, *_: Tensor) -> Tensor:
        return draw_codes(len(images), sizes, continuous, rng)

    def read(logits: Logits, c: Tensor) -> dict[str, Tensor]:
        read_parts, true_parts = (t.split([*sizes, continuous], dim=1) for t in (logits["code"], c))
        entropy = sum(F.cross_entropy(r, t) for r, t in zip(read_parts[:-1], true_parts[:-1], strict=True))
        terms = {"entropy": weight * entropy}
        if continuous:
            terms["error"] = continuous_weight * (read_parts[-1] - true_parts[-1]).square().mean()
        return terms

    return Condition(sum(sizes) + continuous, draw, read, on_fakes=True, view=view, rng=rng)


def coarse(x: Tensor, side: int = 8) -> Tensor:
    """Images N×C×S×S seen from afar: each becomes side×side squares of one colour. ``side`` divides S.

    A code that must be read from these cannot hide in a pattern of single pixels.
    """
    block = x.shape[-1] // side
    return F.avg_pool2d(x, block).repeat_interleave(block, 2).repeat_interleave(block, 3)


def draw_codes(n: int, sizes: Sequence[int], continuous: int, rng: torch.Generator) -> Tensor:
    """n codes as the generator is told them, n×(sum of sizes + continuous): one-hot, then uniform in [−1, 1]."""
    device = rng.device
    categorical = [F.one_hot(torch.randint(k, (n,), generator=rng, device=device), k).float() for k in sizes]
    return torch.cat([*categorical, 2 * torch.rand(n, continuous, generator=rng, device=device) - 1], dim=1)


def sampled(gan: Gan, codes: Tensor, rng: torch.Generator) -> Tensor:
    """Images N×C×S×S in [0, 1] for codes N×width, the noise beside them drawn from ``rng``."""
    return samples(gan, with_noise(codes, gan.generator.inputs, rng))


def information_bound(
    run: Run, name: str, images: Tensor, codes: Tensor, steps: int, kind: Kind, **arguments: Any
) -> Tensor:
    """A lower bound on I(c; x), in nats, from a fresh reader Q′ that took no part in the game: its terms, one an image.

    Q′ learns to read the codes (int64, N) of the last five sixths of the images (uint8, N×C×S×S); the bound is taken
    on the first sixth, with noise in every pixel of both. ``arguments`` are those of the reader's network.
    """
    held = len(images) // 6
    reader = train_classifier(run, name, images[held:], codes[held:], steps, kind, **arguments)
    x = noisy(to_unit(images[:held]), run.rng(f"{name} test"))
    return code_information(logits_of(reader, x), codes[:held])
