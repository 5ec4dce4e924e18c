"""One generator and one discriminator trunk with heads, for GAN, AC-GAN and InfoGAN (Radford et al. 2016)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from lab_utils.config import LabError
from lab_utils.models.layers import smallest

NORMS = ("batch", "spectral", "none")  # of a discriminator


class Generator(nn.Module):
    """Noise, with whatever condition or code stands beside it, to images, by transposed convolutions.

    A linear layer makes the smallest picture; each further layer doubles its side and halves its channels, down to
    ``width`` before the last. Side 64 at width 128 is the coursework's: 4×4×1024, 512, 256, 128, 3.
    """

    def __init__(self, inputs: int, width: int = 128, side: int = 64, channels: int = 3):
        super().__init__()
        self.inputs = inputs
        low, doublings = smallest(side)
        wide = width * 2 ** (doublings - 1)
        layers = [
            nn.Linear(inputs, wide * low * low),
            nn.Unflatten(1, (wide, low, low)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(wide, wide // 2, 4, stride=2, padding=1),
                nn.BatchNorm2d(wide // 2),
                nn.ReLU(),
            ]
            wide //= 2
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(wide, channels, 4, stride=2, padding=1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Inputs N×inputs to images N×channels×side×side in [−1, 1], the range of the tanh."""
        return self.layers(z)


class Discriminator(nn.Module):
    """A trunk of convolutions that halve the side, and named linear heads on its features.

    The mirror image of the generator. ``heads`` gives the width of each head: ``real`` is the discriminator itself,
    others classify or read a code. ``norm`` is ``batch`` (from the second layer on), ``spectral`` (every layer,
    Miyato et al. 2018) or ``none``; LabError for any other.
    """

    def __init__(
        self, heads: Mapping[str, int], width: int = 128, side: int = 64, channels: int = 3, norm: str = "batch"
    ):
        super().__init__()
        if norm not in NORMS:
            raise LabError(f"norm={norm!r}: choose one of {', '.join(NORMS)}")
        low, halvings = smallest(side)
        bound = spectral_norm if norm == "spectral" else lambda layer: layer
        layers, wide = [], channels
        for i in range(halvings):
            layers.append(bound(nn.Conv2d(wide, width * 2**i, 4, stride=2, padding=1)))
            wide = width * 2**i
            layers += [nn.BatchNorm2d(wide)] if norm == "batch" and i else []
            layers.append(nn.LeakyReLU(0.2))
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.heads = nn.ModuleDict({name: bound(nn.Linear(wide * low * low, n)) for name, n in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images N×channels×side×side in [−1, 1] to the logits of each head, N×its width, by name."""
        with parametrize.cached():
            self.normalise()
            features = self.trunk(x)
            return {name: head(features) for name, head in self.heads.items()}

    def normalise(self) -> None:
        """Compute the weights under spectral norm, in float32: its power iteration is worth little in bfloat16."""
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            for layer in self.modules():
                if parametrize.is_parametrized(layer):
                    _ = layer.weight  # kept until the pass ends
