"""Training of variational autoencoders, conditional or not (Kingma and Welling 2014; Higgins et al. 2017 for β)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.data.augment import Augment, mirrored
from lab_utils.data.batches import Prepare, to_unit
from lab_utils.losses import kl_to_standard_normal
from lab_utils.run import Run, autocast, noise
from lab_utils.training.fit import Batches, History, Watching, fit
from lab_utils.training.schedule import anneal, one_cycle_adamw
from lab_utils.training.step import Scalars, Step, descend, detached

Nll = Callable[[Tensor, Tensor], Tensor]  # −log p(x|z) per image, N, from what the decoder gives and x, both N×C×H×W


def of_mean(loss: Callable[..., Tensor], mean: Callable[[Tensor], Tensor] = torch.sigmoid, **settings: float) -> Nll:
    """A loss of the mean image as one of what the decoder gives, of which ``mean`` makes it: for logits the sigmoid."""
    return lambda decoded, x: loss(mean(decoded), x, **settings)


def unconditional(images: Tensor, *_: Tensor) -> tuple[Tensor]:
    """The face VAE's input: images in [0, 1] and no condition."""
    return (to_unit(images),)


def vae_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Run,
    rng: torch.Generator,
    nll: Nll,
    prepare: Prepare,
    beta: Tensor | float = 1.0,
) -> Step:
    """A step on −log p(x|z, c) + β·KL(q(z|x, c) ‖ p(z)), with one sample of z per image.

    ``nll(logits, x)`` gives the first term per image; ``prepare(*batch)`` gives x and, for a conditional model, c.
    β is 1 for the ELBO; a tensor may change while the model trains. The step returns ``loss``, the negative ELBO
    whatever β is, and its terms ``reconstruction`` and ``kl``: means over the batch in nats/image.
    """

    def step(*batch: Tensor) -> Scalars:
        x, *c = prepare(*batch)
        with autocast(run):
            logits, mu, log_var = model(x, *c, noise(len(x), model.latent, rng))
        reconstruction = nll(logits.float(), x).mean()
        kl = kl_to_standard_normal(mu.float(), log_var.float()).mean()
        descend(reconstruction + beta * kl, optimizer)
        return detached(loss=reconstruction + kl, reconstruction=reconstruction, kl=kl)

    return step


def train_vae(
    run: Run,
    model: nn.Module,
    tensors: Sequence[Tensor],
    nll: Nll,
    *,
    name: str,
    steps: int,
    batch_size: int,
    max_lr: float,
    prepare: Prepare = unconditional,
    mirror: bool = False,
    augment: Augment | None = None,
    betas: tuple[float, float] = (1.0, 1.0),
    slow: Iterable[nn.Parameter] = (),
    purpose: str | None = None,
    after_step: Callable[[int], object] | None = None,
    **watching: Any,
) -> History:
    """Train a VAE with AdamW and a one-cycle rate on ``tensors``: uint8 images, then what ``prepare`` wants of them.

    β, the weight of the KL term, goes from the first to the second of ``betas`` in a straight line over the first half
    of training, then stays. ``slow`` parameters have a fiftieth of the rate. ``mirror`` exchanges left and right in
    half of the images. Random streams are named ``<purpose> z``, ``<purpose> order`` and ``<purpose> mirror``,
    ``purpose`` being ``name`` unless it is given, so that models trained for the same purpose see the same noise in the
    same order. ``watching`` is that of :class:`lab_utils.training.fit.Watching`. LabError as for ``fit``.
    """
    prefix = name if purpose is None else purpose
    order, rngs = run.rng(f"{prefix} order".strip()), {w: run.rng(f"{prefix} {w}".strip()) for w in ("z", "mirror")}

    def seen(*batch: Tensor) -> tuple[Tensor, ...]:
        x, *c = prepare(*batch)
        return (mirrored(x, rngs["mirror"]) if mirror else x), *c

    batches = Batches(tensors, batch_size, order, augment)
    optimizer, rate = one_cycle_adamw(model, max_lr, steps, slow)
    beta = torch.ones((), device=run.device)
    change_beta = anneal(beta, *betas, steps)

    def advance(done: int) -> None:
        rate.step()
        change_beta(done)
        if after_step is not None:
            after_step(done)

    step = vae_step(model, optimizer, run, rngs["z"], nll, seen, beta)
    state = {"model": model, "optimizer": optimizer, "rate": rate, "beta": beta, **rngs}
    return fit(step, batches, steps, name=name, state=state, after_step=advance, watching=Watching(**watching))
