"""One optimisation step per model: a batch in, a dict of detached scalars out.

A step sees one shape, never waits for the device and keeps nothing between calls but the weights, so that
:func:`lab_utils.training.fit` may run it as it is, compiled or captured.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lab_utils.conditions import Condition
from lab_utils.data.batches import Prepare, to_signed, to_unit
from lab_utils.losses import gradient_penalty, kl_to_standard_normal
from lab_utils.models.cvae import one_hot
from lab_utils.recipes import Gan, Recipe
from lab_utils.repro import Run, autocast, noise

Scalars = dict[str, Tensor]
Step = Callable[..., Scalars]


def alone(images: Tensor, *_: Tensor) -> tuple[Tensor]:
    """The face VAE's input: images in [0, 1] and no condition."""
    return (to_unit(images),)


def mirrored(stream: torch.Generator) -> Prepare:
    """The same for training, half of the images at random with left and right exchanged."""

    def prepare(images: Tensor, *_: Tensor) -> tuple[Tensor]:
        return (mirror(to_unit(images), stream),)

    return prepare


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


def vae_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Run,
    stream: torch.Generator,
    nll: Callable[[Tensor, Tensor], Tensor],
    prepare: Prepare,
    beta: Tensor | float = 1.0,
) -> Step:
    """A step on −log p(x|z, c) + β·KL(q(z|x, c) ‖ p(z)), with one sample of z per image.

    ``nll(logits, x)`` gives the first term per image; ``prepare(*batch)`` gives x and, for a conditional model, c.
    β is 1 for the ELBO (Higgins et al. 2017 for other values); a tensor may change while the model trains. The step
    returns ``loss``, the negative ELBO whatever β is, and its terms ``reconstruction`` and ``kl``: means over the
    batch in nats/image.
    """

    def step(*batch: Tensor) -> Scalars:
        x, *c = prepare(*batch)
        with autocast(run):
            logits, mu, log_var = model(x, *c, noise(len(x), model.latent, stream))
        reconstruction = nll(logits.float(), x).mean()
        kl = kl_to_standard_normal(mu.float(), log_var.float()).mean()
        descend(reconstruction + beta * kl, optimizer)
        return detached(loss=reconstruction + kl, reconstruction=reconstruction, kl=kl)

    return step


def completion_step(model: nn.Module, optimizer, run: Run, nll) -> Step:
    """A step of the deterministic completion: ``nll`` of the missing pixels given the visible ones."""

    def step(images: Tensor, labels: Tensor) -> Scalars:
        x, visible = with_quarter(images, labels)
        with autocast(run):
            logits = model(visible)
        loss = nll(logits.float(), x).mean()
        descend(loss, optimizer)
        return detached(loss=loss)

    return step


def gan_step(
    gan: Gan,
    run: Run,
    stream: torch.Generator,
    recipe: Recipe,
    condition: Condition,
    on_real: Callable[..., dict[str, Tensor]] | None = None,
) -> Step:
    """A step of the game: the discriminator's, on its share of the batch, then the generator's.

    A batch is uint8 images, then what ``condition`` and ``on_real`` want of them; a recipe with several discriminator
    steps divides it among them, so that an epoch shows each image once. ``condition`` says what the generator is told
    and what the heads read; ``on_real(discriminator, *batch)`` adds terms of real images alone.

    The step returns the losses ``discriminator`` and ``generator``, the mean logits ``real`` and ``fake``, and each
    further term under its name, with ``_real`` or ``_fake`` where the discriminator learns it; the generator's bears
    the name alone.
    """

    def step(*batch: Tensor) -> Scalars:
        for share in zip(*(t.tensor_split(recipe.discriminator_steps) for t in batch), strict=True):
            terms = discriminator_turn(gan, run, stream, recipe, condition, on_real, share)
        gan.discriminator.requires_grad_(False)  # its gradients are not wanted in the generator's turn
        try:
            for _ in range(recipe.generator_steps):
                terms |= generator_turn(gan, run, stream, recipe, condition, share)
        finally:  # even if a person interrupts here and trains on
            gan.discriminator.requires_grad_(True)
        return detached(**terms)

    return step


def discriminator_turn(gan, run, stream, recipe, condition, on_real, batch) -> Scalars:
    """The discriminator learns to tell real images from fake ones, and its heads to read what they can be taught."""
    real = to_signed(batch[0])
    if recipe.mirror:
        real = mirror(real, stream)
    c = condition.draw(*batch)
    with autocast(run):
        with torch.no_grad():
            fake = gan.generator(with_noise(c, gan.generator.inputs, stream)).float()
        # Each in a pass of its own: batch norm would otherwise let the real images of a batch speak of the fake ones.
        on_reals, on_fakes = (in_float(gan.discriminator(x)) for x in (real, fake))
        read = in_float(gan.discriminator(condition.through(fake))) if condition.through else on_fakes
    loss = recipe.discriminator_loss(on_reals["real"], on_fakes["real"])
    terms = {"discriminator": loss, "real": on_reals["real"].mean(), "fake": on_fakes["real"].mean()}
    further = {}
    if recipe.penalty:
        mix = torch.rand(len(real), 1, 1, 1, generator=stream, device=stream.device)
        with autocast(run):
            steepness = gradient_penalty(lambda x: gan.discriminator(x)["real"], real, fake, mix)
        further["penalty"] = recipe.penalty * steepness
    if condition.of_real is not None:
        further |= suffixed(condition.read(on_reals, condition.of_real(*batch)), "real")
    if condition.on_fakes:
        further |= suffixed(condition.read(read, c), "fake")
    if on_real is not None:
        further |= on_real(gan.discriminator, *batch)
    descend(loss + sum(further.values()), gan.discriminator_optimizer)
    return terms | further


def generator_turn(gan, run, stream, recipe, condition, batch) -> Scalars:
    """The generator learns to be taken for real, and to draw what it was told so that the heads can read it."""
    c = condition.draw(*batch)
    with autocast(run):
        fake = gan.generator(with_noise(c, gan.generator.inputs, stream))
        logits = in_float(gan.discriminator(fake))
        read = in_float(gan.discriminator(condition.through(fake))) if condition.through else logits
    loss = recipe.generator_loss(logits["real"])
    further = condition.read(read, c)
    descend(loss + sum(further.values()), gan.generator_optimizer)
    return {"generator": loss} | further


def with_noise(c: Tensor, inputs: int, stream: torch.Generator) -> Tensor:
    """What a generator is given, N×inputs: standard normal noise, then the condition c."""
    return torch.cat([noise(len(c), inputs - c.shape[1], stream), c], dim=1)


def in_float(logits: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in logits.items()}


def suffixed(terms: dict[str, Tensor], suffix: str) -> dict[str, Tensor]:
    return {f"{name}_{suffix}": value for name, value in terms.items()}


def classifier_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Run,
    stream: torch.Generator,
    criterion: Callable[[Tensor, Tensor], Tensor],
    augment: Callable[[Tensor, torch.Generator], Tensor],
    dropout: float,
) -> Step:
    """A step on the cross-entropy of a classifier, from logits; images may be uint8 or already in [0, 1].

    ``criterion(logits, labels)`` is the mean over the batch, over classes or over a table of attributes. ``model`` has
    ``features`` and a ``head``; a fraction ``dropout`` of the features is dropped (Srivastava et al. 2014). That and
    ``augment(x, stream)`` draw from ``stream``.
    """

    def step(images: Tensor, labels: Tensor) -> Scalars:
        x = augment(to_unit(images) if images.dtype == torch.uint8 else images, stream)
        with autocast(run):
            features = model.features(x)
            if dropout:
                kept = torch.rand(features.shape, generator=stream, device=stream.device) < 1 - dropout
                features = features * kept / (1 - dropout)
            logits = model.head(features)
        loss = criterion(logits.float(), labels)
        descend(loss, optimizer)
        return detached(loss=loss)

    return step


def shifted(x: Tensor, stream: torch.Generator) -> Tensor:
    """Square images, all moved by −1, 0 or 1 pixel in each direction; what leaves on one side enters on the other."""
    pixels = torch.arange(x.shape[-1], device=x.device)
    down, right = torch.randint(-1, 2, (2, 1), generator=stream, device=stream.device)
    return x[:, :, (pixels + down) % len(pixels)][:, :, :, (pixels + right) % len(pixels)]


def mirror(x: Tensor, stream: torch.Generator) -> Tensor:
    """Images N×C×H×W, each with left and right exchanged with probability one half."""
    chosen = torch.rand(len(x), 1, 1, 1, generator=stream, device=stream.device) < 0.5
    return torch.where(chosen, x.flip(3), x)


def shifted_and_mirrored(x: Tensor, stream: torch.Generator) -> Tensor:
    """Both, for faces."""
    return mirror(shifted(x, stream), stream)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Gradients of the loss, one step of the optimiser."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def detached(**terms: Tensor) -> Scalars:
    return {name: value.detach() for name, value in terms.items()}
