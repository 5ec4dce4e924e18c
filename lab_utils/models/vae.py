"""The convolutional variational autoencoder for square colour images (Kingma and Welling 2014)."""

from itertools import chain, pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.models.layers import down, image_norm, smallest, up


def reparameterise(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε, N×latent, for standard normal ε (Kingma and Welling 2014, section 2.4)."""
    return mu + torch.exp(0.5 * log_var) * noise


class FaceVAE(nn.Module):
    """Encoder convolutions w, 2w, 4w, 8w, decoder transposed convolutions 4w, 2w, w/2, 3, all 4×4 with stride 2.

    w = ``width``; 64 gives the coursework's 64, 128, 256, 512 and 256, 128, 32, 3. ``side`` is a power of two, at least
    16: halved until 4 are left, so that 32 does without 8w and 4w. Between encoder and decoder lie the heads for μ and
    log σ² and the decoder's first layer, all linear. Each image is normalised by itself, so that none depends on
    others of its batch.
    """

    def __init__(self, latent: int = 128, width: int = 64, side: int = 64):
        super().__init__()
        self.latent = latent
        low, halvings = smallest(side)
        wide = [width * 2**i for i in range(halvings)]  # w, 2w, 4w, 8w
        back = [*wide[:0:-1], width // 2]  # 8w, 4w, 2w, w/2
        features = wide[-1] * low * low
        self.encoder = nn.Sequential(
            *chain.from_iterable(down(*pair, image_norm) for pair in pairwise([3, *wide])),  # → N×8w×low×low
            nn.Flatten(),
            nn.Linear(features, 2 * latent),  # μ and log σ² side by side
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, features), nn.Unflatten(1, (wide[-1], low, low)), image_norm(wide[-1]), nn.ReLU(),
            *chain.from_iterable(up(*pair, image_norm) for pair in pairwise(back)),
            nn.ConvTranspose2d(back[-1], 3, 4, stride=2, padding=1),  # → N×3×side×side
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×3×side×side in [0, 1] to μ and log σ², each N×latent."""
        mu, log_var = self.encoder(2 * x - 1).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Latents N×latent to logits N×3×side×side, whose sigmoid is the mean image."""
        return self.decoder(z)

    def mean(self, decoded: Tensor) -> Tensor:
        """The mean image of what :meth:`decode` returned."""
        return decoded.sigmoid()

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits N×3×side×side at z = μ + σ·noise, with μ and log σ²."""
        mu, log_var = self.encode(x)
        return self.decode(reparameterise(mu, log_var, noise)), mu, log_var


class PPCA(NamedTuple):
    """Probabilistic PCA: x ~ N(m, VΛVᵀ + s²(I − VVᵀ)) for images flattened to D, in [0, 1]."""

    mean: Tensor  # m, D
    basis: Tensor  # V, D×components, orthonormal columns
    variances: Tensor  # the diagonal of Λ, components: of the data along each column, falling, s² included
    noise: float  # s², the mean variance along each of the other directions


class VAEFromPPCA(FaceVAE):
    """A VAE that begins as probabilistic PCA, the best linear one, and learns what that leaves out.

    To each output of the convolutional networks, whose last layers begin at zero, comes that of the linear model:
    μ = E(x − m), log σ² = log(s²/λ), and the mean image m + Wz, with W = V(Λ − s²)^½ and E = Λ⁻¹Wᵀ, where x ~
    N(m, WWᵀ + s²I) is the model and N(μ, σ²) its exact posterior (Tipping and Bishop 1999; Lucas et al. 2019). All of
    it is trained.
    """

    def __init__(self, start: PPCA, width: int = 64, side: int = 64):
        super().__init__(start.basis.shape[1], width, side)
        back = start.basis * (start.variances - start.noise).clamp_min(0).sqrt()
        self.linear = nn.ParameterDict(
            {
                "mean": start.mean.clone(),  # m, D
                "decode": back,  # W, D×latent
                "encode": back / start.variances,  # Eᵀ, D×latent
                "log_var": (start.noise / start.variances).log(),  # latent
            }
        )
        for last in (self.encoder[-1], self.decoder[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images N×3×side×side in [0, 1] to μ and log σ², each N×latent."""
        mu, log_var = super().encode(x)
        return mu + (x.flatten(1) - self.linear["mean"]) @ self.linear["encode"], log_var + self.linear["log_var"]

    def decode(self, z: Tensor) -> Tensor:
        """Latents N×latent to mean images N×3×side×side, which may leave [0, 1] by a little."""
        image = super().decode(z)
        return image + (self.linear["mean"] + z @ self.linear["decode"].T).view(image.shape)

    def mean(self, decoded: Tensor) -> Tensor:
        return decoded


class CurveVAE(nn.Module):
    """Points in the plane by one number: the decoder draws a curve. So small that its exact posterior can be drawn."""

    def __init__(self, hidden: int = 32):
        super().__init__()
        self.latent = 1
        self.encoder, self.decoder = (
            nn.Sequential(
                nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
            )
            for inputs in (2, 1)
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Points N×2 to μ and log σ², each N×1."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Latents N×1 to mean points N×2."""
        return self.decoder(z)

    def mean(self, decoded: Tensor) -> Tensor:
        return decoded

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean points N×2 at z = μ + σ·noise, with μ and log σ²."""
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
