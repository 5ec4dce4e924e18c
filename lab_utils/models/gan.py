"""One generator and one discriminator trunk with heads, for GAN, AC-GAN and InfoGAN (Radford et al. 2016)."""

from collections.abc import Mapping
from itertools import chain, pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from lab_utils.config import LabError
from lab_utils.models.layers import smallest, up
from lab_utils.models.linear import LinearGenerator

NORMS = ("batch", "spectral", "none")  # of a discriminator
BEYOND = 1.05  # how far an image may leave [−1, 1], so that black and white are within reach


class Generator(nn.Module):
    """Noise, with whatever condition or code stands beside it, to images, by transposed convolutions.

    A linear layer makes the smallest picture; each further layer doubles its side and halves its channels, down to
    ``width`` before the last. Side 64 at width 128 is the coursework's: 4×4×1024, 512, 256, 128, 3.
    """

    def __init__(self, inputs: int, width: int = 128, side: int = 64, channels: int = 3):
        super().__init__()
        self.inputs = inputs
        low, doublings = smallest(side)
        wide = [width * 2**i for i in range(doublings)][::-1]  # 8w, 4w, 2w, w
        self.layers = nn.Sequential(
            nn.Linear(inputs, wide[0] * low * low), nn.Unflatten(1, (wide[0], low, low)),
            nn.BatchNorm2d(wide[0]), nn.ReLU(), *chain.from_iterable(up(*pair) for pair in pairwise(wide)),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        """Inputs N×inputs to images N×channels×side×side in [−1, 1], the range of the tanh."""
        return self.layers(z)


class GeneratorFromLinear(Generator):
    """A generator that begins as a linear one, and learns what that leaves out.

    G(u) = m + uW + conv(u), cut off a little beyond [−1, 1] in place of a tanh. The last layer of the convolutional
    part begins at zero, so that the first images are those of ``start``; all of it is trained.
    """

    def __init__(self, start: LinearGenerator, width: int = 128, side: int = 64, channels: int = 3):
        super().__init__(len(start.directions), width, side, channels)
        self.layers = self.layers[:-1]  # no tanh
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)
        self.linear = nn.ParameterDict({"mean": start.mean.clone(), "directions": start.directions.clone()})

    def forward(self, z: Tensor) -> Tensor:
        """Inputs N×inputs to images N×channels×side×side within ±1.05."""
        image = self.layers(z)
        return (image + (self.linear["mean"] + z @ self.linear["directions"]).view(image.shape)).clamp(-BEYOND, BEYOND)


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
