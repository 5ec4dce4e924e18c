"""01: codes of faces, moved along attributes and principal directions; draws of each sampler."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lab_utils.explore.exhibit import network, show
from lab_utils.metrics.latents import Mixture, draw_mixture
from lab_utils.page import Page

DRAWS = 64  # of the mixture, which the page has ready
DIRECTIONS = 6


def show_faces(
    page: Page, vae: nn.Module, seen: Tensor, labels: Tensor, names: Sequence[str], shown: Tensor,
    gaussian: tuple[Tensor, Tensor], mixture: Mixture,
) -> None:  # fmt: skip
    """An exhibit of a VAE of faces, which begins with the codes of some test faces (``shown``, N×latent).

    ``seen`` are codes of training faces, N×latent, with attributes N×K called ``names``; the samplers are those of
    :mod:`lab_utils.metrics.latents` that were fitted to them.
    """
    rng, latent = page.run.rng("exhibit"), seen.shape[1]

    def draw(n: int) -> Tensor:  # half from the prior, half codes of faces
        of_faces = seen[torch.randint(len(seen), (n // 2,), generator=rng, device=rng.device)]
        return torch.cat([torch.randn(n - n // 2, latent, generator=rng, device=rng.device), of_faces])

    along = [seen[labels[:, k] == 1].mean(0) - seen[labels[:, k] == 0].mean(0) for k in range(len(names))]
    values, vectors = torch.linalg.eigh(torch.cov(seen.double().T))
    principal = (vectors * values.clamp_min(0).sqrt()).T.flip(0)[:DIRECTIONS].float()
    normal = torch.randn(DRAWS, latent, generator=rng, device=rng.device)
    arrays = {
        "shown": shown, "along": torch.stack(along), "principal": principal,
        "mean": gaussian[0], "factor": gaussian[1], "mixture": draw_mixture(mixture, normal, rng),
    }  # fmt: skip
    show(page, "vae", {"decoder": network(page, vae, draw, "VAE")}, arrays, names=[*names])
