"""Training of generative adversarial networks: the recipe is a value that is passed in, the networks are the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lab_utils import losses
from lab_utils.data.augment import Augment, mirrored
from lab_utils.data.batches import by_parts, to_signed
from lab_utils.models.average import Average
from lab_utils.models.gan import Discriminator, Generator, GeneratorFromLinear
from lab_utils.models.linear import LinearGenerator
from lab_utils.run import Run, autocast, evaluating, noise
from lab_utils.training.conditions import Condition, Logits, OnReal, nothing
from lab_utils.training.fit import Batches, History, Watching, fit
from lab_utils.training.schedule import SLOWER
from lab_utils.training.step import Scalars, Step, descend, detached


@dataclass(frozen=True)
class Recipe:
    """Everything that may differ between two ways to train the same pair of networks."""

    name: str
    discriminator_loss: Callable[[Tensor, Tensor], Tensor]  # of logits for real and fake images
    generator_loss: Callable[[Tensor], Tensor]  # of logits for fake images
    norm: str  # of the discriminator (see models.gan)
    discriminator_rate: float  # learning rates of Adam
    generator_rate: float
    betas: tuple[float, float]  # of Adam
    discriminator_steps: int = 1  # to generator_steps of the generator
    generator_steps: int = 1
    penalty: float = 0.0  # weight of the gradient penalty
    average: float = 0.0  # decay of the moving average of the generator's weights that draws the samples; 0: none
    mirror: bool = False  # exchange left and right in half of the real images
    same_fakes: bool = False  # G's first turn looks at the fakes of D's, which are then drawn once


# Report C's settings as its text gives them: rate 1e-3 and Adam's default momentum, two G steps for each of D.
REPORT = Recipe(
    "report C's own", losses.non_saturating, losses.non_saturating_generator, "batch",
    discriminator_rate=1e-3, generator_rate=1e-3, betas=(0.9, 0.999), generator_steps=2,
)  # fmt: skip
# The same game with the rates and the momentum of Radford et al. 2016, section 4.
DCGAN = replace(REPORT, name="DCGAN", discriminator_rate=2e-4, generator_rate=2e-4, betas=(0.5, 0.999))
EVEN = replace(DCGAN, name="DCGAN, 1 : 1", generator_steps=1)
# For the digits of InfoGAN (Chen et al. 2016, appendix C.1), with a faster discriminator: with batch norm its code
# follows the digits sooner than with spectral norm.
INFOGAN = replace(DCGAN, name="InfoGAN's", discriminator_rate=5e-4, generator_rate=1e-3, generator_steps=1)
# Gulrajani et al. 2017, algorithm 1, at twice its rate, as DCGAN's.
WGAN_GP = Recipe(
    "WGAN-GP", losses.wasserstein, losses.critic_value, "none",
    discriminator_rate=2e-4, generator_rate=2e-4, betas=(0.0, 0.9), discriminator_steps=5, penalty=10.0,
)  # fmt: skip
# Spectral norm (Miyato et al. 2018), hinge, two time scales (Heusel et al. 2017), an averaged generator (Yazıcı et al.
# 2019), mirrored images; one set of fakes for both turns, which saves a sixth of the time.
PROJECT = Recipe(
    "this course's", losses.hinge, losses.critic_value, "spectral",
    discriminator_rate=1.6e-3, generator_rate=5e-4, betas=(0.0, 0.9), average=0.995, mirror=True,
    same_fakes=True,
)  # fmt: skip


def recipe_table(*recipes: Recipe) -> pd.DataFrame:
    """Recipes side by side, a row each, in words and numbers that a page can show."""
    return pd.DataFrame(
        {
            "recipe": recipe.name,
            "loss": recipe.discriminator_loss.__name__.replace("_", "-"),
            "D : G steps": f"{recipe.discriminator_steps} : {recipe.generator_steps}",
            "norm in D": recipe.norm,
            "rates of D, G": f"{recipe.discriminator_rate:g}, {recipe.generator_rate:g}",
            "Adam's β": f"{recipe.betas[0]:g}, {recipe.betas[1]:g}",
            "penalty λ": f"{recipe.penalty:g}" if recipe.penalty else "none",
            "average of G": f"decay {recipe.average:g}" if recipe.average else "none",
            "real images mirrored": "half" if recipe.mirror else "none",
            "fakes of a step": "the same for D and G" if recipe.same_fakes else "new in each turn",
        }
        for recipe in recipes
    )


@dataclass(frozen=True)
class Gan:
    """Two networks, their optimisers, and ``sampler``: the generator that draws the samples, averaged or not."""

    generator: nn.Module
    discriminator: nn.Module
    sampler: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer

    @property
    def size(self) -> int:
        """Parameters of both networks."""
        return sum(p.numel() for network in (self.generator, self.discriminator) for p in network.parameters())

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All that training changes; ``fit`` restores it on a failure."""
        return self.generator, self.discriminator, self.sampler

    @property
    def state(self) -> dict[str, Any]:
        """The same with the optimisers, by name; what a checkpoint holds."""
        average = {} if self.sampler is self.generator else {"sampler": self.sampler}
        return average | {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


def make_gan(
    run: Run,
    name: str,
    recipe: Recipe,
    inputs: int | LinearGenerator,
    heads: Mapping[str, int],
    width: int,
    side: int,
    channels: int = 3,
) -> Gan:
    """Both networks for a recipe, with weights drawn from streams named after ``name``; equal names, equal weights.

    ``inputs`` is the width of what the generator is given, or the linear generator that it begins as; ``heads`` that
    of the discriminator's heads beside ``real`` (see :mod:`lab_utils.models.gan`).
    """
    size = {"width": width, "side": side, "channels": channels}
    if isinstance(inputs, LinearGenerator):
        generator = run.build(f"{name} generator", GeneratorFromLinear, start=inputs, **size)
    else:
        generator = run.build(f"{name} generator", Generator, inputs=inputs, **size)
    heads = {"real": 1, **heads}
    discriminator = run.build(f"{name} discriminator", Discriminator, heads=heads, norm=recipe.norm, **size)
    return paired(run, recipe, generator, discriminator)


def paired(run: Run, recipe: Recipe, generator: nn.Module, discriminator: nn.Module) -> Gan:
    """Two networks with a recipe's optimisers and sampler.

    What a generator begins as (``generator.linear``), where there is such a part, has a fiftieth of the rate: at the
    full rate it is torn apart before the rest is of use.
    """
    slow = list(generator.linear.parameters()) if hasattr(generator, "linear") else []
    rest = [p for p in generator.parameters() if not any(p is one for one in slow)]
    groups = [{"params": rest, "lr": recipe.generator_rate}]
    groups += [{"params": slow, "lr": recipe.generator_rate / SLOWER}] if slow else []
    adam = partial(torch.optim.Adam, betas=recipe.betas, fused=True, capturable=run.device.type == "cuda")
    return Gan(
        generator,
        discriminator,
        Average(generator, recipe.average) if recipe.average else generator,
        adam(groups),
        adam(discriminator.parameters(), recipe.discriminator_rate),
    )


def samples(gan: Gan, inputs: Tensor, batch: int = 500) -> Tensor:
    """The sampler's images N×C×S×S in [0, 1] for inputs N×(noise and condition), in float32."""
    with evaluating(gan.sampler):
        return by_parts(lambda part: ((gan.sampler(part) + 1) / 2).clamp(0, 1), inputs, size=batch)


# One step of the game


def plain_gan_step(gan: Gan, recipe: Recipe, real: Tensor, noises: tuple[Tensor, Tensor]) -> Scalars:
    """The game in its plain form: D learns to tell real images from fake ones, then G to be taken for real.

    ``real`` are images in [−1, 1], ``noises`` what G is given in either turn. :func:`gan_step` takes the same step, in
    the run's precision and with whatever else a recipe and a condition ask for.
    """
    fake = gan.generator(noises[0]).detach()  # D's turn moves D alone
    d_loss = recipe.discriminator_loss(gan.discriminator(real)["real"], gan.discriminator(fake)["real"])
    descend(d_loss, gan.discriminator_optimizer)

    fake = gan.generator(noises[1])
    g_loss = recipe.generator_loss(gan.discriminator(fake)["real"])
    descend(g_loss, gan.generator_optimizer)
    return detached(discriminator=d_loss, generator=g_loss)


@dataclass(frozen=True)
class Game:
    """What a step of the game is played with."""

    gan: Gan
    run: Run
    rng: torch.Generator
    recipe: Recipe
    condition: Condition
    on_real: OnReal | None = None
    prepare: Callable[[Tensor], Tensor] = to_signed  # of what a batch holds, to what the discriminator sees


def gan_step(game: Game) -> Step:
    """A step of the game: the discriminator's turns, each on its share of the batch, then the generator's.

    A batch is uint8 images (or what ``prepare`` makes images of), then what ``condition`` and ``on_real`` want of them;
    a recipe with several discriminator steps divides it among them, so that each image is shown once. The condition
    says what the generator is told and what the heads read; ``on_real`` adds terms of real images alone. Last, the
    average of the generator moves on.

    The step returns the losses ``discriminator`` and ``generator``, the mean logits ``real`` and ``fake``, and each
    further term under its name, with ``_real`` or ``_fake`` where the discriminator learns it; the generator's bears
    the name alone.
    """
    recipe, discriminator = game.recipe, game.gan.discriminator

    def step(*batch: Tensor) -> Scalars:
        for share in zip(*(t.tensor_split(recipe.discriminator_steps) for t in batch), strict=True):
            with torch.set_grad_enabled(recipe.same_fakes):
                c, fake = drawn(game, share)
            terms = discriminator_turn(game, share, c, fake.detach().float())
        discriminator.requires_grad_(False)  # its gradients are not wanted in the generator's turn
        try:
            for turn in range(recipe.generator_steps):
                if turn or not recipe.same_fakes:
                    c, fake = drawn(game, share)
                terms |= generator_turn(game, c, fake)
        finally:  # even if a person interrupts here and trains on
            discriminator.requires_grad_(True)
        if recipe.average:
            game.gan.sampler.update(game.gan.generator)
        return detached(**terms)

    return step


def drawn(game: Game, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """What as many fakes as there are images in a batch are told, and the fakes."""
    generator, c = game.gan.generator, game.condition.draw(*batch)
    with autocast(game.run):
        return c, generator(with_noise(c, generator.inputs, game.rng))


def discriminator_turn(game: Game, batch: tuple[Tensor, ...], c: Tensor, fake: Tensor) -> Scalars:
    """The discriminator learns to tell real images from fake ones, and its heads to read what they can be taught."""
    gan, recipe, condition = game.gan, game.recipe, game.condition
    real = game.prepare(batch[0])
    if recipe.mirror:
        real = mirrored(real, game.rng)
    with autocast(game.run):
        if recipe.norm == "batch":  # it would let the real images of a batch speak of the fake ones
            on_reals, on_fakes = (in_float(gan.discriminator(x)) for x in (real, fake))
        else:
            on_both = in_float(gan.discriminator(torch.cat([real, fake])))
            on_reals, on_fakes = ({name: t[part] for name, t in on_both.items()} for part in halves(len(real)))
    loss = recipe.discriminator_loss(on_reals["real"], on_fakes["real"])
    terms = {"discriminator": loss, "real": on_reals["real"].mean(), "fake": on_fakes["real"].mean()}
    further = {}
    if recipe.penalty:
        further["penalty"] = recipe.penalty * steepness(game, real, fake)
    if condition.of_real is not None:
        further |= suffixed(condition.read(on_reals, condition.of_real(*batch)), "real")
    if condition.on_fakes:
        further |= suffixed(condition.read(on_fakes, c), "fake")
    if game.on_real is not None:
        further |= game.on_real.terms(gan.discriminator, *batch)
    descend(loss + sum(further.values()), gan.discriminator_optimizer)
    return terms | further


def generator_turn(game: Game, c: Tensor, fake: Tensor) -> Scalars:
    """The generator learns to be taken for real, and to draw what it was told so that the heads can read it."""
    gan, condition = game.gan, game.condition
    with autocast(game.run):
        logits = in_float(gan.discriminator(fake))
    loss = game.recipe.generator_loss(logits["real"])
    further = condition.read(logits, c)
    descend(loss + sum(further.values()), gan.generator_optimizer)
    return {"generator": loss} | further


def halves(n: int) -> tuple[slice, slice]:
    return slice(None, n), slice(n, None)


def steepness(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """The gradient penalty of the critic between real and fake images, N×C×H×W in [−1, 1], or points, N×2."""
    mix = torch.rand(len(real), *(1 for _ in real.shape[1:]), generator=game.rng, device=game.rng.device)
    with autocast(game.run):
        return losses.gradient_penalty(lambda x: game.gan.discriminator(x)["real"], real, fake, mix)


def with_noise(c: Tensor, inputs: int, rng: torch.Generator) -> Tensor:
    """What a generator is given, N×inputs: standard normal noise, then the condition c."""
    return torch.cat([noise(len(c), inputs - c.shape[1], rng), c], dim=1)


def in_float(logits: Logits) -> Logits:
    return {name: value.float() for name, value in logits.items()}


def suffixed(terms: Scalars, suffix: str) -> Scalars:
    return {f"{name}_{suffix}": value for name, value in terms.items()}


# Whole trainings


def tried(
    runs: Sequence[Run], recipe: Recipe, inputs: int | LinearGenerator, images: Tensor, width: int, **training: Any
) -> tuple[list[Gan], list[History]]:
    """A recipe with several seeds, each from weights of its own; ``training`` is what :func:`train_gan` is told."""
    gans, histories = [], []
    for run in runs:
        gan = make_gan(run, "arm", recipe, inputs, {}, width, images.shape[-1])
        name = f"{recipe.name}, seed {run.seed}"
        histories.append(train_gan(run, gan, (images,), recipe, name=name, **training))
        gans.append(gan)
    return gans, histories


def train_gan(
    run: Run,
    gan: Gan,
    tensors: Sequence[Tensor],
    recipe: Recipe,
    *,
    name: str,
    steps: int,
    batch_size: int,
    condition: Condition | None = None,
    on_real: OnReal | None = None,
    purposes: tuple[str, str] = ("game", "order"),
    augment: Augment | None = None,
    prepare: Callable[[Tensor], Tensor] = to_signed,
    every: int | None = None,
    log_every: int = 10,
    **watching: Any,
) -> History:
    """Train a pair of networks by a recipe on ``tensors``: uint8 images, then what ``condition`` wants of them.

    ``steps`` and ``every`` (of :class:`lab_utils.training.fit.Watching`, as ``watching`` is) count batches of
    ``batch_size`` real images, each a turn of the discriminator's: the budget is the images shown, whatever a recipe
    makes of them, and as many points are logged. ``augment`` changes the images at each draw, ``prepare`` makes of them
    what the discriminator sees. ``purposes`` name the
    random streams of the game (noise and conditions) and of the order of images. A game that fails ends early with the
    weights from before the stretch that failed, and ``History.ended`` says why.
    """
    for network in (gan.generator, gan.discriminator):
        network.train()  # a page may have looked at them before: without its norms at work a game is another one
    rng, order = map(run.rng, purposes)
    condition = condition or nothing()
    step = gan_step(Game(gan, run, rng, recipe, condition, on_real, prepare))
    turns = recipe.discriminator_steps
    every = every and max(1, every // turns)
    watching = Watching(every, log_every=max(1, log_every // turns), **watching)
    state = gan.state | {"game": rng, "condition": condition.rng, "on_real": on_real.rng if on_real else None}
    return fit(
        step,
        Batches(tensors, batch_size * turns, order, augment),
        steps // turns,
        name=name,
        state={part: value for part, value in state.items() if value is not None},
        watching=watching,
        restore_on_failure=gan.networks,
    )
