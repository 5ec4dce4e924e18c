"""06: generators of noise and codes, for faces and for digits."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lab_utils.explore.exhibit import Draw, network, noise_of, show
from lab_utils.page import Page
from lab_utils.training.gan import Gan

TEN, CONTINUOUS, SPAN = [10], 2, 2.0  # the codes of digits, and how far sliders go


def show_codes(page: Page, faces: Gan, sizes: Sequence[int], digits: Gan, classes: Sequence[int]) -> None:
    """An exhibit of two InfoGANs: faces with categorical codes of some ``sizes``, digits with one and two continuous.

    ``classes`` are the digits that the values of the 10-way code stand for.
    """
    noise = {"faces": faces.generator.inputs - sum(sizes), "digits": digits.generator.inputs - sum(TEN) - CONTINUOUS}
    networks = {
        "faces": network(page, faces.sampler, with_codes(page, noise["faces"], sizes, 0), "InfoGAN, faces"),
        "digits": network(page, digits.sampler, with_codes(page, noise["digits"], TEN, CONTINUOUS), "InfoGAN, digits"),
    }
    show(page, "infogan", networks, {}, sizes=[*sizes], classes=[*classes], noise=noise)


def with_codes(page: Page, noise: int, sizes: Sequence[int], continuous: int) -> Draw:
    normal, rng = noise_of(page.run, noise), page.run.rng("exhibit codes")

    def draw(n: int) -> Tensor:
        values = [torch.randint(k, (n,), generator=rng, device=rng.device) for k in sizes]
        one_hot = [torch.eye(k, device=rng.device)[value] for k, value in zip(sizes, values, strict=True)]
        free = SPAN * (2 * torch.rand(n, continuous, generator=rng, device=rng.device) - 1)
        return torch.cat([normal(n), *one_hot, free], dim=1)

    return draw
