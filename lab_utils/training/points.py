"""The game in the plane: eight Gaussians, on which what a recipe does is seen in seconds, and over several seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lab_utils import losses
from lab_utils.data.toys import log_normal, log_ring, ring
from lab_utils.metrics.modes import modes_found, transport_distance
from lab_utils.metrics.stability import rank_correlation, roughness, swing
from lab_utils.models.toys import PointDiscriminator, PointGenerator, of_each
from lab_utils.run import Run, evaluating, noise
from lab_utils.training.fit import History
from lab_utils.training.gan import DCGAN, EVEN, REPORT, WGAN_GP, Recipe, paired, train_gan
from lab_utils.training.step import descend

HIDDEN = 64  # units of either hidden layer
BATCH = 128  # points for each seed in a batch
POINTS = 200_000  # that training draws from
MANY = 100_000  # points by which a loss is measured
JUDGED = 4_000  # of each seed, by which D's loss is measured
LOOKED_AT = 400  # of those, by which modes and distance are

# Report C's settings, then one thing changed at a time. WGAN-GP's rate and λ are chosen for points (its authors' toy
# has a λ of 0.1); all count batches of real points, so that more steps of D are fewer of G.
ARMS: Mapping[str, Recipe] = {
    "report": replace(REPORT, name="report C's, 1 : 2"),
    "dcgan": replace(DCGAN, name="DCGAN, 1 : 2"),
    "one_to_one": EVEN,
    "five_to_one": replace(EVEN, name="DCGAN, 5 : 1", discriminator_steps=5),
    "wgangp": replace(WGAN_GP, name="WGAN-GP, 5 : 1", discriminator_rate=1e-3, generator_rate=1e-3, penalty=1.0),
}

NAMES = {key: recipe.name for key, recipe in ARMS.items()} | {
    "report_early": "report C's, half of the steps",
    "half_width": "the same, half as wide",
}
EVALUATIONS = 20  # along a training


@dataclass(frozen=True)
class Played:
    """What a recipe led to, a column for each seed; rows are evaluations along the training."""

    points: Tensor  # that the generators draw at the end, seeds×400×2
    modes: Tensor  # Gaussians found, of eight, E×seeds
    distance: Tensor  # Wasserstein-1 to new points of the eight, E×seeds
    d_loss: Tensor  # on new points, E×seeds, nats or the recipe's own unit
    seen: list[int]  # batches of real points before each evaluation
    history: History


def play(run: Run, recipe: Recipe, seeds: int, steps: int, every: int, hidden: int = HIDDEN) -> Played:
    """Train as many pairs of networks as seeds side by side by a recipe on the eight Gaussians."""
    generator = run.build("points generator", PointGenerator, copies=seeds, hidden=hidden)
    discriminator = run.build("points discriminator", PointDiscriminator, copies=seeds, hidden=hidden)
    gan = paired(run, recipe, generator, discriminator)
    known = ring(POINTS, run.rng("points"))
    new = ring(seeds * JUDGED, run.rng("new points"))
    z = noise(seeds * JUDGED, generator.inputs, run.rng("noise of points"))
    kept: dict[str, list[Any]] = {"modes": [], "distance": [], "d_loss": []}

    def evaluate() -> dict[str, float]:
        with torch.no_grad(), evaluating(generator):
            drawn = generator(z)
            logits = [of_each(discriminator(x)["real"], seeds) for x in (new, drawn)]
        each = list(zip(*(of_each(x, seeds)[:, :LOOKED_AT] for x in (drawn, new)), strict=True))
        kept["modes"].append([modes_found(points) for points, _ in each])
        kept["distance"].append([transport_distance(points, others) for points, others in each])
        kept["d_loss"].append([recipe.discriminator_loss(*pair).item() for pair in zip(*logits, strict=True)])
        return {"modes": sum(kept["modes"][-1]) / seeds, "distance": sum(kept["distance"][-1]) / seeds}

    history = train_gan(
        run, gan, (known,), recipe, name=f"points, {recipe.name}", steps=steps, batch_size=seeds * BATCH,
        prepare=lambda points: points, purposes=("points game", "points order"), every=every, evaluate=evaluate,
        kept=kept,
    )  # fmt: skip
    if not kept["modes"]:  # it failed in its first stretch
        evaluate()
    with torch.no_grad():
        points = of_each(generator(z), seeds)[:, :LOOKED_AT]
    along = {name: torch.tensor(rows, dtype=torch.float32) for name, rows in kept.items()}
    seen = [int(step) * recipe.discriminator_steps for step in history.stretches.get("step", [0])]
    return Played(points, **along, seen=seen, history=history)


def play_all(run: Run, seeds: int, steps: int) -> dict[str, Played]:
    """All arms, and report C's settings once more in networks of half the width for half of the steps."""
    every = max(1, steps // EVALUATIONS)
    half = every * max(1, steps // 2 // every)  # at an evaluation
    played = {key: play(run, recipe, seeds, steps, every) for key, recipe in ARMS.items()}
    slim = replace(ARMS["report"], name=NAMES["half_width"])
    return played | {"half_width": play(run, slim, seeds, half, every, hidden=HIDDEN // 2)}


def found(played: Mapping[str, Played]) -> dict[str, list[float]]:
    """How many Gaussians each seed found at the end, by arm, and under report C's settings after half of the steps."""
    early = played["report"].modes[: len(played["half_width"].modes)][-1]
    last = {key: one.modes[-1].tolist() for key, one in played.items()}
    first = {"report": last["report"], "report_early": early.tolist(), "half_width": last["half_width"]}
    return first | last


def of_losses(played: Mapping[str, Played]) -> dict[str, list[float]]:
    """What D's losses on new points say of a training, for each seed, as ``arm.measure``.

    ``loss_distance`` is the rank correlation, along it, with the distance of the drawn points to the data; ``d_loss``
    the mean over the second half, in nats, of the two ratios of steps; ``loss_swing`` and ``loss_roughness``, over
    the second half, too, are of :mod:`lab_utils.metrics.stability`.
    """
    found = {f"{key}.loss_distance": loss_against_distance(played[key]) for key in ("report", "one_to_one", "wgangp")}
    late = {key: one.d_loss[len(one.d_loss) // 2 :].T for key, one in played.items()}
    found |= {f"{key}.d_loss": late[key].mean(1).tolist() for key in ("dcgan", "one_to_one")}
    for key in ("dcgan", "wgangp"):
        found[f"{key}.loss_swing"] = [swing(losses) for losses in late[key].tolist()]
        found[f"{key}.loss_roughness"] = [roughness(losses) for losses in late[key].tolist()]
    return found


def loss_against_distance(played: Played) -> list[float]:
    """For each seed the rank correlation, along its training, of D's loss on new points with the distance."""
    return [rank_correlation(*pair) for pair in zip(played.d_loss.T, played.distance.T, strict=True)]


def best_discriminator(run: Run, steps: int, batch: int = 512, rate: float = 3e-3) -> tuple[PointDiscriminator, float]:
    """A discriminator that learns to tell the eight Gaussians from standard normal noise, which stands still.

    With its loss on new points, nats, in the form of :func:`lab_utils.losses.non_saturating`.
    """
    discriminator = run.build("best discriminator", PointDiscriminator, copies=1)
    optimizer, rng = torch.optim.Adam(discriminator.parameters(), rate), run.rng("best discriminator")

    def loss(n: int) -> Tensor:
        logits = [discriminator(x)["real"] for x in (ring(n, rng), noise(n, 2, rng))]
        return losses.non_saturating(*logits)

    for _ in range(steps):
        descend(loss(batch), optimizer)
    with torch.no_grad():
        return discriminator, loss(MANY).item()


def best_logit(x: Tensor) -> Tensor:
    """D* at points N×2, N: the log-density of the eight Gaussians less that of standard normal noise."""
    return log_ring(x) - log_normal(x)


def best_loss(run: Run) -> float:
    """The loss of D* on the two, nats: 2 ln 2 less twice their Jensen–Shannon divergence."""
    rng = run.rng("theory")
    return losses.non_saturating(*(best_logit(x) for x in (ring(MANY, rng), noise(MANY, 2, rng)))).item()


def lattice(run: Run, k: int = 81, limit: float = 2.0) -> tuple[Tensor, Tensor]:
    """k positions along an axis, from −limit to limit, and the k²×2 points of the square lattice, x₁ slowest."""
    axis = torch.linspace(-limit, limit, k, device=run.device)
    return axis, torch.cartesian_prod(axis, axis)
