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
        self.encoder = nn.Sequential(
            nn.Conv2d(1 + condition, 3, 3, padding=1), nn.LeakyReLU(0.1),  # 11×28×28 → 3×28×28
            nn.Conv2d(3, 1, 3, padding=1), nn.LeakyReLU(0.1),  # → 1×28×28
            nn.Flatten(),
            nn.Linear(PIXELS, 400), nn.ReLU(),
            nn.Linear(400, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent + condition, 392), nn.ReLU(),
            nn.Unflatten(1, (2, 14, 14)),
            nn.Conv2d(2, 11, 3, padding=1), nn.LeakyReLU(0.1),  # → 11×14×14
            nn.Upsample(scale_factor=2, mode="nearest"),  # → 11×28×28
            nn.Conv2d(11, 3, 3, padding=1), nn.LeakyReLU(0.1),  # → 3×28×28
            nn.Conv2d(3, 1, 3, padding=1),  # → 1×28×28
        )  # fmt: skip

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×1×28×28 in [0, 1] and conditions N×10 to μ and log σ², each N×latent."""
        mu, log_var = self.encoder(torch.cat([x, label_planes(c)], dim=1)).chunk(2, dim=1)
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
