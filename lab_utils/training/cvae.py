"""What conditional VAEs of digits are told beside the image, the prior fitted to their codes, and completion."""

from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.data.augment import Augment
from lab_utils.data.batches import to_unit
from lab_utils.losses import bernoulli_nll
from lab_utils.models.cvae import one_hot
from lab_utils.models.prior import LabelPrior
from lab_utils.models.vae import reparameterise
from lab_utils.run import Run, autocast, noise
from lab_utils.training.fit import Batches, History, Watching, fit
from lab_utils.training.schedule import one_cycle_adamw
from lab_utils.training.step import Scalars, Step, descend, detached
from lab_utils.training.vae import Nll


def with_label(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The CVAE's inputs: images in [0, 1] and one-hot labels N×10."""
    return to_unit(images), one_hot(labels)


def without_label(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The VAE's inputs: images in [0, 1] and a condition of width 0."""
    return to_unit(images), images.new_zeros(len(images), 0, dtype=torch.float32)


def visible_quarter(images: Tensor) -> Tensor:
    """Which pixels the completion model is given: 1 in the lower left quarter, 0 elsewhere, 28×28."""
    side = images.shape[-1]
    visible = torch.zeros(side, side, device=images.device)
    visible[side // 2 :, : side // 2] = 1
    return visible


def with_quarter(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The completion model's inputs: images in [0, 1], and the pixels of the lower left quarter, N×196."""
    x = to_unit(images)
    side = x.shape[-1]
    return x, x[:, :, side // 2 :, : side // 2].flatten(1)


def missing_nll(logits: Tensor, x: Tensor) -> Tensor:
    """Cross-entropy of the pixels outside the visible quarter, per image, N, in nats; inputs N×1×S×S."""
    return bernoulli_nll(logits, x, where=1 - visible_quarter(x))


def completed(answer: Tensor, x: Tensor) -> Tensor:
    """Images N×1×S×S in [0, 1] with the visible quarter of ``x`` and the other pixels of ``answer``."""
    visible = visible_quarter(x)
    return visible * x + (1 - visible) * answer


def completion_step(model: nn.Module, optimizer: torch.optim.Optimizer, run: Run, nll: Nll) -> Step:
    """A step of the deterministic completion: ``nll`` of the missing pixels given the visible ones."""

    def step(images: Tensor, labels: Tensor) -> Scalars:
        x, visible = with_quarter(images, labels)
        with autocast(run):
            logits = model(visible)
        loss = nll(logits.float(), x).mean()
        descend(loss, optimizer)
        return detached(loss=loss)

    return step


def train_completion(
    run: Run,
    model: nn.Module,
    tensors: tuple[Tensor, Tensor],
    nll: Nll,
    *,
    name: str,
    steps: int,
    batch_size: int,
    max_lr: float,
    purpose: str | None = None,
    augment: Augment | None = None,
    **watching: Any,
) -> History:
    """Train the deterministic completion as :func:`lab_utils.training.vae.train_vae` trains its rival."""
    batches = Batches(tensors, batch_size, run.rng(f"{name if purpose is None else purpose} order"), augment)
    optimizer, rate = one_cycle_adamw(model, max_lr, steps)
    step = completion_step(model, optimizer, run, nll)
    state = {"model": model, "optimizer": optimizer, "rate": rate}
    return fit(
        step, batches, steps, name=name, state=state, after_step=lambda done: rate.step(), watching=Watching(**watching)
    )


def train_label_prior(
    run: Run,
    prior: LabelPrior,
    codes: tuple[Tensor, Tensor, Tensor],
    *,
    name: str,
    steps: int,
    batch_size: int = 1000,
    max_lr: float = 5e-3,
    **watching: Any,
) -> History:
    """Fit p(z|y) to the codes of training images, μ and log σ² (N×latent) and labels (N): minimises −E log p(z|y).

    z ~ q(z|x) is drawn anew each time, so that the prior comes close to q(z|y) as a whole.
    """
    rng, batches = run.rng(f"{name} z"), Batches(codes, min(batch_size, len(codes[0])), run.rng(f"{name} order"))
    optimizer, rate = one_cycle_adamw(prior, max_lr, steps)

    def step(mu: Tensor, log_var: Tensor, labels: Tensor) -> Scalars:
        z = reparameterise(mu, log_var, noise(*mu.shape, rng))
        loss = -prior.log_prob(z, labels).mean()
        descend(loss, optimizer)
        return detached(loss=loss)

    state = {"prior": prior, "optimizer": optimizer, "rate": rate, "rng": rng}
    return fit(
        step, batches, steps, name=name, state=state, after_step=lambda done: rate.step(), watching=Watching(**watching)
    )
