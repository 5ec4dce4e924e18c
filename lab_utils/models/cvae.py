"""Conditional variational autoencoders for 28×28 digits (Sohn, Lee and Yan 2015).

Both networks see a condition c: the encoder is q(z|x, c) = N(μ, diag σ²), the decoder p(x|z, c). A condition of
width 0 leaves the plain VAE of Kingma and Welling (2014), in the same code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.models.vae import reparameterise

SIDE = 28
PIXELS = SIDE * SIDE


class MLPCVAE(nn.Module):
    """The MLP CVAE: encoder 784+condition–512–256–(latent, latent), decoder latent+condition–256–512–784.

    condition=10 takes one-hot labels, condition=0 is the VAE of the same size.
    """

    def __init__(self, latent: int = 2, condition: int = 10):
        super().__init__()
        self.latent = latent
        self.condition = condition
        self.encoder = nn.Sequential(
            nn.Linear(PIXELS + condition, 512), nn.ReLU(),
            nn.Linear(512, 256), nn.ReLU(),
            nn.Linear(256, 2 * latent),  # μ and log σ² side by side
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent + condition, 256), nn.ReLU(),
            nn.Linear(256, 512), nn.ReLU(),
            nn.Linear(512, PIXELS),
        )  # fmt: skip

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×1×28×28 in [0, 1] and conditions N×condition to μ and log σ², each N×latent."""
        mu, log_var = self.encoder(torch.cat([x.flatten(1), c], dim=1)).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """Latents N×latent and conditions N×condition to pixel logits N×1×28×28."""
        return self.decoder(torch.cat([z, c], dim=1)).view(-1, 1, SIDE, SIDE)

    def forward(self, x: Tensor, c: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits N×1×28×28 at z = μ + σ·noise, with μ and log σ²."""
        mu, log_var = self.encode(x, c)
        return self.decode(reparameterise(mu, log_var, noise), c), mu, log_var


class ConvCVAE(nn.Module):
    """The convolutional CVAE: the label enters the encoder as ten constant planes beside the image.

    Encoder: 11→3→1 channels (3×3), 784–400–(20, 20). Decoder: 30–392 as 2×14×14, 2→11, ×2 nearest, 11→3→1.
    Encoder and decoder share no layer. The convolutions are so narrow that a ReLU could die in every channel of one
    and cut the image off, so they leak.
    """

    def __init__(self, latent: int = 20, condition: int = 10):
        super().__init__()
        self.latent = latent
        self.condition = condition
        self.beside_label = PlanesConv2d(condition, 3)  # image and label planes, 11×28×28 → 3×28×28
        self.encoder = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv2d(3, 1, 3, padding=1), nn.LeakyReLU(0.1),  # → 1×28×28
            nn.Flatten(),
            nn.Linear(PIXELS, 400), nn.ReLU(),
            nn.Linear(400, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent + condition, 392), nn.ReLU(),
            nn.Unflatten(1, (2, 14, 14)),
            nn.Conv2d(2, 11, 3, padding=1), nn.LeakyReLU(0.1),  # → 11×14×14
            UpsampledConv2d(11, 3), nn.LeakyReLU(0.1),  # ×2 nearest, then 3×3 → 3×28×28
            nn.Conv2d(3, 1, 3, padding=1),  # → 1×28×28
        )  # fmt: skip

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×1×28×28 in [0, 1] and conditions N×10 to μ and log σ², each N×latent."""
        mu, log_var = self.encoder(self.beside_label(x, c)).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """Latents N×latent and conditions N×10 to pixel logits N×1×28×28."""
        return self.decoder(torch.cat([z, c], dim=1))

    def forward(self, x: Tensor, c: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits N×1×28×28 at z = μ + σ·noise, with μ and log σ²."""
        mu, log_var = self.encode(x, c)
        return self.decode(reparameterise(mu, log_var, noise), c), mu, log_var


def label_planes(c: Tensor) -> Tensor:
    """Conditions N×K as K constant planes, N×K×28×28: what a convolution can see of a label."""
    return c[:, :, None, None].expand(-1, -1, SIDE, SIDE)


def convolve_beside_planes(x: Tensor, c: Tensor, layer: nn.Conv2d) -> Tensor:
    """A 3×3 convolution of images N×1×28×28 side by side with the planes of their conditions N×K.

    ``layer`` has 1 + K input channels, the image first.
    """
    return F.conv2d(torch.cat([x, label_planes(c)], dim=1), layer.weight, layer.bias, padding=1)


def upsample_then_convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Pictures N×C×H×W enlarged twice by repeating each pixel, then a 3×3 convolution: N×channels×2H×2W."""
    return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=1)


# The same two layers as they run: nothing is computed twice, neither constant planes nor repeated pixels.


class PlanesConv2d(nn.Conv2d):
    """:func:`convolve_beside_planes` without making the planes of each image.

    The sum is the same in another order: a convolution is linear, so the planes are convolved once for each of the K
    entries, not for each image, and their part is a matrix product.
    """

    def __init__(self, condition: int, channels: int):
        super().__init__(1 + condition, channels, 3, padding=1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        of_image, of_planes = self.weight.split([1, c.shape[1]], dim=1)
        planes = label_planes(torch.eye(c.shape[1], device=c.device))
        seen = F.conv2d(planes, of_planes, padding=1)  # K×channels×28×28: what each entry adds
        return F.conv2d(x, of_image, self.bias, padding=1) + (c @ seen.flatten(1)).unflatten(1, seen.shape[1:])


class UpsampledConv2d(nn.Conv2d):
    """:func:`upsample_then_convolve` without enlarging the pictures.

    Each pixel would be repeated, so that every output pixel sees 2×2 pixels of the small picture, each through the sum
    of the weights that fall on it: four small kernels, one for each place in a 2×2 block (Shi et al. 2016).
    """

    def __init__(self, wide: int, channels: int):
        super().__init__(wide, channels, 3, padding=1)
        # summed[a, i, p]: whether weight p of three falls on small pixel i − 1 for the outputs at place a of a block
        summed = torch.tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]])
        self.register_buffer("summed", summed.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernels = torch.einsum("aip,bjq,ocpq->oabcij", self.summed, self.summed, self.weight)
        return F.pixel_shuffle(F.conv2d(x, kernels.flatten(0, 2), self.bias.repeat_interleave(4), padding=1), 2)


class QuarterNet(nn.Module):
    """Deterministic completion: the visible quarter 196–512–512–784 to logits of all pixels, no latent."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(PIXELS // 4, 512), nn.ReLU(),
            nn.Linear(512, 512), nn.ReLU(),
            nn.Linear(512, PIXELS),
        )  # fmt: skip

    def forward(self, visible: Tensor) -> Tensor:
        """Visible pixels N×196 to logits N×1×28×28."""
        return self.layers(visible).view(-1, 1, SIDE, SIDE)


def one_hot(labels: Tensor, classes: int = 10) -> Tensor:
    """Labels N (int64) as one-hot rows N×classes, float32."""
    return F.one_hot(labels, classes).float()
