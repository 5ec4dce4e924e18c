"""A prior for the codes of each label, so that one u ~ N(0, I) means alike under every label."""

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from lab_utils.models.cvae import one_hot


class LabelPrior(nn.Module):
    """p(z|y) for each of K labels: from u ~ N(0, I) by an invertible network to w, then z = m_y + C_y^½ w.

    The network is a flow of affine couplings (Dinh, Sohl-Dickstein and Bengio 2017): each moves one half of the
    coordinates by what the other half and the label say. Its last layers begin at zero, so that w = u at first: a
    Gaussian for each label, the best by its mean m_y (K×latent) and covariance C_y (K×latent×latent). Of all roots of
    C_y the symmetric one moves u least (it is the optimal transport from N(0, I)), so that what is a slant under one
    label is a slant under the next; a Cholesky factor would turn the axes of each label otherwise.
    """

    def __init__(self, means: Tensor, covariances: Tensor, layers: int = 6, hidden: int = 128):
        super().__init__()
        labels, self.latent = means.shape
        values, vectors = torch.linalg.eigh(covariances.double())
        for name, power in (("root", 0.5), ("inverse_root", -0.5)):
            matrices = (vectors * values.pow(power).unsqueeze(1)) @ vectors.mT
            self.register_buffer(name, matrices.to(means.dtype))
        self.register_buffer("means", means.clone())
        self.register_buffer("log_volume", 0.5 * values.log().sum(1).to(means.dtype))
        half = self.latent // 2
        self.couplings = nn.ModuleList(
            nn.Sequential(
                nn.Linear(half + labels, hidden), nn.ReLU(),
                nn.Linear(hidden, hidden), nn.ReLU(),
                nn.Linear(hidden, 2 * (self.latent - half)),
            )
            for _ in range(layers)
        )  # fmt: skip
        for coupling in self.couplings:
            nn.init.zeros_(coupling[-1].weight)
            nn.init.zeros_(coupling[-1].bias)
        orders = torch.stack([torch.randperm(self.latent) for _ in range(layers)])  # the first half of each is left
        self.register_buffer("orders", orders)

    def encode(self, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Codes N×latent of labels N to u, N×latent, and log |∂u/∂z|, N."""
        u = (self.inverse_root[labels] @ (z - self.means[labels])[:, :, None]).squeeze(2)
        log_det, c = -self.log_volume[labels], one_hot(labels, len(self.means))
        for coupling, order in zip(self.couplings, self.orders, strict=True):
            kept, moved, shift, log_scale = self.parts(u, c, coupling, order)
            u = torch.cat([kept, (moved + shift) * log_scale.exp()], dim=1)[:, order.argsort()]
            log_det = log_det + log_scale.sum(1)
        return u, log_det

    def decode(self, u: Tensor, labels: Tensor) -> Tensor:
        """u, N×latent, and labels N to codes N×latent: the inverse of :meth:`encode`."""
        c = one_hot(labels, len(self.means))
        for coupling, order in zip(reversed(self.couplings), self.orders.flip(0), strict=True):
            kept, moved, shift, log_scale = self.parts(u, c, coupling, order)
            u = torch.cat([kept, moved * (-log_scale).exp() - shift], dim=1)[:, order.argsort()]
        return self.means[labels] + (self.root[labels] @ u[:, :, None]).squeeze(2)

    def parts(self, u: Tensor, c: Tensor, coupling: nn.Module, order: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a coupling leaves, what it moves, by how much, and the log of its scale in (−1, 1)."""
        kept, moved = u[:, order].tensor_split([self.latent // 2], dim=1)
        shift, log_scale = coupling(torch.cat([kept, c], dim=1)).chunk(2, dim=1)
        return kept, moved, shift, log_scale.tanh()

    def log_prob(self, z: Tensor, labels: Tensor) -> Tensor:
        """log p(z|y) of codes N×latent and labels N: N, in nats."""
        u, log_det = self.encode(z, labels)
        return Normal(0, 1).log_prob(u).sum(1) + log_det
