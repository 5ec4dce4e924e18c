"""02: the same z through the decoders of several weights of the KL term."""

from collections.abc import Mapping

from torch import Tensor, nn

from lab_utils.explore.exhibit import network, noise_of, show
from lab_utils.page import Page


def show_weights(page: Page, vaes: Mapping[float, nn.Module], shown: Mapping[float, Tensor]) -> None:
    """An exhibit of VAEs by weight; ``shown`` are the codes, N×latent, that each has of the same test faces."""
    networks = {
        f"{beta:g}": network(page, vae, noise_of(page.run, vae.latent), f"KL × {beta:g}") for beta, vae in vaes.items()
    }
    show(page, "kl", networks, {f"{beta:g}": codes for beta, codes in shown.items()})
