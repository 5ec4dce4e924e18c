"""The convolutional variational autoencoder for square colour images (Kingma and Welling 2014)."""

from itertools import chain, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.models.layers import down, smallest, up


def reparameterise(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε, N×latent, for standard normal ε (Kingma and Welling 2014, section 2.4)."""
    return mu + torch.exp(0.5 * log_var) * noise


class FaceVAE(nn.Module):
    """Encoder convolutions w, 2w, 4w, 8w, decoder transposed convolutions 4w, 2w, w/2, 3, all 4×4 with stride 2.

    w = ``width``; 64 gives the coursework's 64, 128, 256, 512 and 256, 128, 32, 3. ``side`` is a power of two, at least
    16: halved until 4 are left, so that 32 does without 8w and 4w. Between encoder and decoder lie the heads for μ and
    log σ² and the decoder's first layer, all linear.
    """

    def __init__(self, latent: int = 128, width: int = 64, side: int = 64):
        super().__init__()
        self.latent = latent
        low, halvings = smallest(side)
        wide = [width * 2**i for i in range(halvings)]  # w, 2w, 4w, 8w
        back = [*wide[:0:-1], width // 2]  # 8w, 4w, 2w, w/2
        features = wide[-1] * low * low
        self.encoder = nn.Sequential(
            *chain.from_iterable(down(*pair) for pair in pairwise([3, *wide])),  # → N×8w×low×low
            nn.Flatten(),
            nn.Linear(features, 2 * latent),  # μ and log σ² side by side
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, features), nn.Unflatten(1, (wide[-1], low, low)), nn.BatchNorm2d(wide[-1]), nn.ReLU(),
            *chain.from_iterable(up(*pair) for pair in pairwise(back)),
            nn.ConvTranspose2d(back[-1], 3, 4, stride=2, padding=1),  # → N×3×side×side
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×3×side×side in [0, 1] to μ and log σ², each N×latent."""
        mu, log_var = self.encoder(2 * x - 1).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Latents N×latent to logits N×3×side×side, whose sigmoid is the mean image."""
        return self.decoder(z)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits N×3×side×side at z = μ + σ·noise, with μ and log σ²."""
        mu, log_var = self.encode(x)
        return self.decode(reparameterise(mu, log_var, noise)), mu, log_var


class BatchNormalisedVAE(FaceVAE):
    """What not to do: μ normalised over the batch, log σ² = softplus(·) ≥ 0. Its KL cannot fall below ½·latent.

    Over a batch μ² then averages 1 in each dimension, and σ ≥ 1, so that every z is at least half noise. Kept as a
    counter-example for notebook 01; encode images in large batches.
    """

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×3×side×side in [0, 1] to μ, of mean 0 and variance 1 over the batch, and log σ² ≥ 0."""
        mu, raw = super().encode(x)
        mu = mu.float()
        return (mu - mu.mean(0)) / mu.std(0, correction=0), F.softplus(raw.float())
