"""04: a generator of noise."""

from lab_utils.explore.exhibit import network, noise_of, show
from lab_utils.page import Page
from lab_utils.training.gan import Gan


def show_noise(page: Page, gan: Gan) -> None:
    """An exhibit of what a GAN draws."""
    draw = noise_of(page.run, gan.generator.inputs)
    show(page, "gan", {"generator": network(page, gan.sampler, draw, "GAN")}, {})
