"""What makes a code follow the digit: neighbours among real images, slightly distorted, are asked to share it.

InfoGAN alone finds whatever code is easy to draw and to read. Which differences between images a code should *not*
describe is knowledge that has to be put in; no label is needed for it (Hu et al. 2017; Ji et al. 2019; Van Gansbeke et
al. 2020; for InfoGAN, Ojha et al. 2020).
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lab_utils import losses
from lab_utils.data.augment import distorted, warped
from lab_utils.data.batches import to_signed, to_unit
from lab_utils.metrics.pca import fit_pca
from lab_utils.models.gan import Discriminator
from lab_utils.run import Run, autocast
from lab_utils.training.conditions import OnReal
from lab_utils.training.fit import Batches, History, Watching, fit
from lab_utils.training.schedule import one_cycle_adamw
from lab_utils.training.step import Scalars, descend, detached

BALANCE = 3.0  # of the entropy of the codes in the information that neighbours share
HEADS = 5  # groupings side by side on one trunk, of which one is taken
RATE = 2e-3  # peak of the one-cycle schedule


def deskewed(images: Tensor) -> Tensor:
    """Digits (uint8, N×1×H×W), each moved to the centre of its ink and sheared until that stands upright.

    Slant is what people's hands differ by most, and says nothing of the digit.
    """
    x = to_unit(images)[:, 0]
    at = torch.linspace(-1, 1, x.shape[-1], device=x.device) * (1 - 1 / x.shape[-1])
    x = x / x.sum((1, 2), keepdim=True).clamp_min(1e-6)
    right, down = (x * at).sum((1, 2)), (x * at[:, None]).sum((1, 2))
    across, along = at - right[:, None, None], (at - down[:, None])[:, :, None]
    slant = (x * across * along).sum((1, 2)) / (x * along.square()).sum((1, 2)).clamp_min(1e-6)
    one, zero = torch.ones_like(slant), torch.zeros_like(slant)
    rows = [torch.stack([one, slant, right], dim=1), torch.stack([zero, one, down], dim=1)]
    return warped(images.float(), rows, "zeros").round().byte()


def nearest_neighbours(images: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """Indices N×k of the nearest other images in squared error, after PCA to 50 dimensions; images uint8 N×C×H×W."""
    mean, basis = fit_pca(images, 50, rng)
    z = (to_unit(images).flatten(1) - mean) @ basis
    nearest = []
    for own, part in zip(torch.arange(len(z), device=z.device).split(1000), z.split(1000), strict=True):
        apart = torch.cdist(part, z).scatter_(1, own[:, None], math.inf)  # not the image itself, which may have a twin
        nearest.append(apart.topk(k, largest=False).indices)
    return torch.cat(nearest)


def mutual(neighbours: Tensor) -> Tensor:
    """Of the neighbours of each image, N×k, those that have it among theirs, too; N×k, again from the first if fewer.

    An image without any is its own neighbour. What is near from one side alone lies at the edge of a group.
    """
    own = torch.arange(len(neighbours), device=neighbours.device)
    both = torch.cat([(neighbours[part] == own_part[:, None, None]).any(2)
                      for part, own_part in zip(neighbours.split(1000), own.split(1000), strict=True)])  # fmt: skip
    order = (~both).long().argsort(dim=1, stable=True)  # mutual ones first, nearest first among them
    count = both.sum(1, keepdim=True)
    turn = torch.arange(neighbours.shape[1], device=neighbours.device) % count.clamp_min(1)
    found = neighbours.gather(1, order.gather(1, turn))
    return torch.where(count > 0, found, own[:, None])


def purity(neighbours: Tensor, labels: Tensor) -> tuple[float, float]:
    """Shares of neighbours N×k of the same label (int64, at least N), and of images that have none but themselves."""
    same = (labels[neighbours] == labels[: len(neighbours), None]).float().mean().item()
    own = torch.arange(len(neighbours), device=neighbours.device)
    return same, (neighbours[:, 0] == own).float().mean().item()


def partners(index: Tensor, neighbours: Tensor, rng: torch.Generator) -> Tensor:
    """For each image of ``index`` one of its neighbours at random; indices N."""
    turn = torch.randint(neighbours.shape[1], (len(index),), generator=rng, device=index.device)
    return neighbours[index, turn]


def read_pairs(
    run: Run, rng: torch.Generator, discriminator: nn.Module, images: Tensor, neighbours: Tensor, n: int
) -> list[Mapping[str, Tensor]]:
    """What the heads say of n images at random and of a neighbour of each, all a little distorted: logits, twice."""
    start = torch.randint(len(images), (n,), generator=rng, device=images.device)
    with autocast(run):
        both = (start, partners(start, neighbours, rng))
        return [discriminator(distorted(to_signed(images[index]), rng)) for index in both]


def agreement(run: Run, rng: torch.Generator, images: Tensor, neighbours: Tensor, size: int, weight: float) -> OnReal:
    """The term ``agreement`` for :func:`lab_utils.training.gan.gan_step`: minus the information that neighbours share.

    Between as many of ``images`` (uint8 N×C×H×W, with ``neighbours`` N×k) as a batch holds, drawn at random, and a
    neighbour of each. The first ``size`` logits of the head ``code`` are those of the categorical code. The value is
    −weight times :func:`lab_utils.losses.shared_information` with the balance above, in nats.
    """

    def terms(discriminator: nn.Module, batch: Tensor, *_: Tensor) -> dict[str, Tensor]:
        read = read_pairs(run, rng, discriminator, images, neighbours, len(batch))
        here, there = (logits["code"][:, :size].float().softmax(1) for logits in read)
        return {"agreement": -weight * losses.shared_information(here, there, BALANCE)}

    return OnReal(terms, rng)


class Grouping(NamedTuple):
    """A network that has learned to sort images into groups, by several heads, and which of them is best."""

    network: Discriminator
    head: str
    shared: dict[str, float]  # what neighbours share by each head at the end of training, nats; the best has most
    history: History


def group(
    run: Run, name: str, images: Tensor, neighbours: Tensor, size: int, *, width: int, steps: int, batch_size: int,
    log_every: int = 10,
) -> Grouping:  # fmt: skip
    """Sort images (uint8 N×1×S×S) into ``size`` groups that neighbours share (Ji et al. 2019, with neighbours).

    Several heads begin from different weights on one trunk, that of a discriminator with batch norm, and each maximises
    :func:`lab_utils.losses.shared_information`. A head may end with one group for two kinds of image and two for
    another; it shares less then, so that the best head is known without a label.
    """
    heads = {f"group{i}": size for i in range(HEADS)}
    shape = {"width": width, "side": images.shape[-1], "channels": images.shape[1]}
    network = run.build(f"{name} weights", Discriminator, heads={"real": 1, **heads}, norm="batch", **shape)
    optimizer, rate = one_cycle_adamw(network, RATE, steps)
    rng = run.rng(f"{name} pairs")

    def step(*_: Tensor) -> Scalars:
        here, there = read_pairs(run, rng, network, images, neighbours, batch_size)
        shared = {
            head: losses.shared_information(here[head].float().softmax(1), there[head].float().softmax(1), BALANCE)
            for head in heads
        }
        descend(-sum(shared.values()), optimizer)
        return detached(**shared)

    index = torch.arange(len(images), device=images.device)
    history = fit(
        step, Batches((index,), batch_size, run.rng(f"{name} order")), steps, name=name,
        state={"network": network, "optimizer": optimizer, "rate": rate, "pairs": rng},
        after_step=lambda done: rate.step(), watching=Watching(log_every=log_every),
    )  # fmt: skip
    last = history.curve.tail(max(1, len(history.curve) // 10))
    shared = {head: float(last[head].mean()) for head in heads}
    return Grouping(network.eval(), max(shared, key=shared.__getitem__), shared, history)


@torch.no_grad()
def teach(discriminator: Discriminator, grouping: Grouping) -> None:
    """Let a discriminator begin with the trunk of a grouping, and its head ``code`` with the best of its heads."""
    discriminator.trunk.load_state_dict(grouping.network.trunk.state_dict())
    best, code = grouping.network.heads[grouping.head], discriminator.heads["code"]
    code.weight[: len(best.weight)] = best.weight
    code.bias[: len(best.bias)] = best.bias
