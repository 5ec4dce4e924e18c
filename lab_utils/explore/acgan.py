"""05: a generator that is told attributes, wholly or in part."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lab_utils.explore.exhibit import network, noise_of, show
from lab_utils.page import Page
from lab_utils.training.acgan import given
from lab_utils.training.gan import Gan

ASKED = 64  # rows of attributes that the page has


def show_attributes(
    page: Page, gan: Gan, asked: Tensor, told: Sequence[str], changed: Tensor, names: Sequence[str]
) -> None:
    """An exhibit of an AC-GAN; ``asked``, N×K, are the attributes of test faces that it is ``told``.

    ``changed``, K×all ``names``, is the share of pairs in which each reading changes when one that is told is switched.
    """
    rng, noise = page.run.rng("exhibit attributes"), gan.generator.inputs - 2 * len(told)
    normal = noise_of(page.run, noise)

    def draw(n: int) -> Tensor:
        rows = asked[torch.randint(len(asked), (n,), generator=rng, device=rng.device)]
        moved = torch.rand(rows.shape, generator=rng, device=rng.device)  # by sliders, half of them
        moved = torch.where(torch.rand(rows.shape, generator=rng, device=rng.device) < 0.5, 0.0, moved)
        return given(normal(n), rows + moved * (1 - 2 * rows))

    networks = {"generator": network(page, gan.sampler, draw, "AC-GAN")}
    arrays = {"asked": asked[:ASKED], "changed": changed}
    show(page, "acgan", networks, arrays, told=[*told], names=[*names], noise=noise)
