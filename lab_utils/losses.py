"""Loss terms.

Likelihoods: one value per image in nats/image, summed over pixels and dimensions, never averaged over them. Games
between two networks: means over the batch.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) per image, N; inputs N×latent (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mu.square() + log_var.exp() - log_var - 1).flatten(1).sum(1)


def bernoulli_nll(logits: Tensor, x: Tensor, where: Tensor | None = None) -> Tensor:
    """Cross-entropy of pixels x in [0, 1] under Bernoulli logits, per image, N; inputs N×C×H×W.

    Grey targets are allowed; the value is then not a normalised likelihood. ``where`` (H×W of 0 and 1) restricts
    the sum to some pixels.
    """
    return _sum(CrossEntropy.apply(logits, x), where)


class CrossEntropy(torch.autograd.Function):
    """``binary_cross_entropy_with_logits(logits, x, reduction="none")`` in less than half of its time on a CPU.

    Torch takes log1p(e^−|logit|), which is slow. Here it is log(1 + e^−|logit|), at most 1e-7 nats off, and the
    gradient, σ(logit) − x, does not come from it. None flows to ``x``.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        return logits.abs().neg_().exp_().add_(1).log_().add_(logits.relu()).sub_(x * logits)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return logits.sigmoid().sub_(x).mul_(gradient), None


def squared_error(mean: Tensor, x: Tensor) -> Tensor:
    """‖x − x̂‖² per image, N; inputs N×C×H×W."""
    return _sum((x - mean).square())


def half_squared_error(mean: Tensor, x: Tensor) -> Tensor:
    """½‖x − x̂‖² per image, N: a Gaussian decoder with σ = 1, without its constant."""
    return 0.5 * squared_error(mean, x)


def bernoulli_floor(x: Tensor) -> Tensor:
    """The least that :func:`bernoulli_nll` can be for targets N×… in [0, 1], N, in nats: their own entropy.

    Zero for black and white targets; grey ones cost something even where every pixel is met exactly.
    """
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).sum(1)


def gaussian_nll(mean: Tensor, x: Tensor, variance: Tensor | float) -> Tensor:
    """−log N(x; x̂, σ²I) per image, N, with its constant; ``variance`` is σ², one number for all pixels."""
    pixels = x[0].numel()
    log_variance = variance.log() if isinstance(variance, Tensor) else math.log(variance)
    return 0.5 * (squared_error(mean, x) / variance + pixels * (log_variance + LOG_2PI))


def optimal_gaussian_nll(mean: Tensor, x: Tensor) -> Tensor:
    """Gaussian loss per image, N, with σ² at its maximum-likelihood value, the batch's mean squared error.

    Rybkin, Daniilidis and Levine 2021 (σ-VAE), equation 6: the weight between the terms is then not a setting.
    """
    return gaussian_nll(mean, x, (x - mean).square().mean())


def non_saturating(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's cross-entropy, from logits N (Goodfellow et al. 2014, equation 1, negated)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """−log D(G(z)) in place of log(1 − D(G(z))), whose gradient vanishes early (ibid., section 3)."""
    return F.softplus(-fake).mean()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Zero once every logit is beyond ±1 on its side (Lim and Ye 2017; Miyato et al. 2018, equation 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Minus the estimate of the Wasserstein distance, for a 1-Lipschitz critic (Arjovsky et al. 2017, equation 2)."""
    return fake.mean() - real.mean()


def critic_value(fake: Tensor) -> Tensor:
    """The generator's side of the hinge and of the Wasserstein loss: what the critic says of it, negated."""
    return -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (‖∇critic(x)‖ − 1)² at x between real and fake images, both N×C×H×W (Gulrajani et al. 2017, equation 3).

    ``mix``, N×1×1×1 in [0, 1], says where between them.
    """
    between = torch.lerp(real, fake, mix).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.float().flatten(1).norm(dim=1) - 1).square().mean()


def shared_information(p: Tensor, q: Tensor, balance: float = 1.0) -> Tensor:
    """Mutual information, in nats, of the codes given to pairs of images: their probabilities N×K and N×K.

    H(c) − H(c|c′), at most ln K: all codes are used alike, each surely, and both images of a pair always get the same
    (Ji et al. 2019, equation 3, symmetrised). ``balance`` multiplies H(c), which keeps codes from sharing out one class
    while two classes share another.
    """
    joint = p.T @ q / len(p)
    joint = (0.5 * (joint + joint.T)).clamp_min(1e-8)
    entropy, joint_entropy = (-(t * t.log()).sum() for t in (joint.sum(0), joint))
    return balance * entropy - (joint_entropy - entropy)


def _sum(values: Tensor, where: Tensor | None = None) -> Tensor:
    return (values if where is None else values * where).flatten(1).sum(1)
