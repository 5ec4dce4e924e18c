"""What makes a code follow the digit: neighbours among real images, slightly distorted, are asked to share it.

InfoGAN alone finds whatever code is easy to draw and to read. Which differences between images a code should *not*
describe is knowledge that has to be put in; no label is needed for it (Hu et al. 2017; Ji et al. 2019; Van Gansbeke et
al. 2020; for InfoGAN, Ojha et al. 2020).
"""

import math

import torch
from torch import Tensor, nn

from lab_utils.data.augment import distorted
from lab_utils.data.batches import to_signed, to_unit
from lab_utils.losses import shared_information
from lab_utils.metrics.pca import fit_pca
from lab_utils.run import Run, autocast
from lab_utils.training.conditions import OnReal

BALANCE = 3.0  # of the entropy of the codes in the information that neighbours share


def nearest_neighbours(images: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """Indices N×k of the nearest other images in squared error, after PCA to 50 dimensions; images uint8 N×C×H×W."""
    mean, basis = fit_pca(images, 50, rng)
    z = (to_unit(images).flatten(1) - mean) @ basis
    nearest = []
    for own, part in zip(torch.arange(len(z), device=z.device).split(1000), z.split(1000), strict=True):
        apart = torch.cdist(part, z).scatter_(1, own[:, None], math.inf)  # not the image itself, which may have a twin
        nearest.append(apart.topk(k, largest=False).indices)
    return torch.cat(nearest)


def walk(index: Tensor, neighbours: Tensor, steps: int, rng: torch.Generator) -> Tensor:
    """From each image of ``index`` to a neighbour at random, ``steps`` times; indices N."""
    for _ in range(steps):
        turn = torch.randint(neighbours.shape[1], (len(index),), generator=rng, device=index.device)
        index = neighbours[index, turn]
    return index


def agreement(
    run: Run, rng: torch.Generator, images: Tensor, neighbours: Tensor, steps: int, size: int, weight: float
) -> OnReal:
    """The term ``agreement`` for :func:`lab_utils.training.gan.gan_step`: minus the information that neighbours share.

    Between as many of ``images`` (uint8 N×C×H×W, with ``neighbours`` N×k) as a batch holds, drawn at random, and where
    a walk of so many ``steps`` from each ends. The first ``size`` logits of the head ``code`` are those of the
    categorical code. The value is −weight times :func:`lab_utils.losses.shared_information` with the balance above, in
    nats.
    """

    def probabilities(discriminator: nn.Module, x: Tensor) -> Tensor:
        with autocast(run):
            logits = discriminator(distorted(to_signed(x), rng))["code"]
        return logits[:, :size].float().softmax(1)

    def terms(discriminator: nn.Module, batch: Tensor, *_: Tensor) -> dict[str, Tensor]:
        start = torch.randint(len(images), (len(batch),), generator=rng, device=images.device)
        end = walk(start, neighbours, steps, rng)
        here, there = (probabilities(discriminator, images[index]) for index in (start, end))
        return {"agreement": -weight * shared_information(here, there, BALANCE)}

    return OnReal(terms, rng)
