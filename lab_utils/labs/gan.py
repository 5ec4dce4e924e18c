"""Notebook 04: its settings, what it delivers and measures, and what is said of its numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    PARTLY,
    PHOTOGRAPHS,
    REAL_FACES,
    TOY,
    UNDECIDED,
    WITNESS,
    Budget,
    Check,
    Claim,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Values,
    all_of,
    sign,
)
from lab_utils.labs.vae import PROFILES as VAE

MODES = 8  # Gaussians of the toy
ALL = 7.5  # of them, on average over seeds, are as good as all
FOLLOWS = 0.7  # size of a rank correlation from which on one number follows another
CLEARLY = 2  # more of them are clearly more


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 04."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of an image, to which faces are reduced
    noise: PositiveInt  # dimensions of what the generator starts from
    width: PositiveInt  # channels of the widest pictures; 128 at side 64 is the coursework's 4×4×1024
    batch_size: PositiveInt  # of a discriminator step
    steps: PositiveInt  # of the GAN with this course's recipe; as all steps here, batches of real images
    evaluate_every: PositiveInt  # steps
    arm_width: PositiveInt  # of the networks by which recipes are compared
    arm_batch_size: PositiveInt
    arm_steps: PositiveInt  # of each recipe and seed in that comparison
    arm_seeds: PositiveInt  # SEED and the next ones
    toy_steps: PositiveInt  # of each recipe on the eight Gaussians
    toy_seeds: PositiveInt  # side by side
    vae_latent: PositiveInt  # as all that begins with vae: of notebook 01's main VAE, which stands beside the GAN
    vae_width: PositiveInt
    vae_batch_size: PositiveInt
    vae_learning_rate: PositiveFloat
    vae_steps: PositiveInt
    vae_evaluate_every: PositiveInt
    vae_log_every: PositiveInt
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # steps between two points of the training curves


def of_vae(profile: str) -> dict[str, Any]:
    """The settings of notebook 01's main VAE, as this notebook names them."""
    vae = VAE[profile]
    return {
        "vae_latent": vae.latent, "vae_width": vae.width, "vae_batch_size": vae.batch_size,
        "vae_learning_rate": vae.learning_rate, "vae_steps": vae.steps, "vae_evaluate_every": vae.evaluate_every,
        "vae_log_every": vae.log_every,
    }  # fmt: skip


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, side=32, noise=100, width=8, batch_size=20, steps=60,
        evaluate_every=20, arm_width=8, arm_batch_size=20, arm_steps=20, arm_seeds=2, toy_steps=40, toy_seeds=2,
        **of_vae("smoke"), checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=32, batch_size=16, steps=10_500,
        evaluate_every=1050, arm_width=16, arm_batch_size=16, arm_steps=500, arm_seeds=3, toy_steps=2000, toy_seeds=5,
        **of_vae("quick"), checkpoint_every=200, log_every=20,
    ),
    "long": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=32, batch_size=16, steps=16_000,
        evaluate_every=2000, arm_width=16, arm_batch_size=16, arm_steps=1000, arm_seeds=3, toy_steps=4000, toy_seeds=8,
        **of_vae("long"), checkpoint_every=200, log_every=20,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, side=64, noise=100, width=64, batch_size=32, steps=40_000,
        evaluate_every=2000, arm_width=64, arm_batch_size=64, arm_steps=3125, arm_seeds=3, toy_steps=4000, toy_seeds=8,
        **of_vae("full"), checkpoint_every=1000, log_every=20,
    ),
}  # fmt: skip


DELIVERABLES = {
    "gan.1": Deliverable("Architecture and settings"),
    "gan.2": Deliverable(
        "Learning curves: losses, D(x), D(G(z))", ("gan.d_loss_fcd_correlation", "gan.g_loss_fcd_correlation")
    ),
    "gan.3": Deliverable(
        "32 images",
        ("gan.faces_found", "real.faces_found", "gan.kid", "gan.fcd", "gan.density", "gan.coverage"),
        checks=(
            Check("gan.faces_found", 0.9, 0.5, PHOTOGRAPHS),
            Check("gan.coverage", 0.7, 0.3),
        ),
    ),
    "gan.4": Deliverable("The same noise over training"),
    "gan.5": Deliverable(
        "Three recipes side by side, same budget: on faces and on eight Gaussians",
        ("dcgan.fcd", "wgangp.fcd", "small.fcd", "toy_report.modes", "toy_wgangp.modes"),
        checks=(
            Check("toy_wgangp.modes", 7.5, 4.0),
            Check("dcgan.fcd", 40.0, 120.0, PHOTOGRAPHS),  # at three times eigenfaces there is little to compare
            Check("wgangp.fcd", 40.0, 120.0, PHOTOGRAPHS),
        ),
    ),
    "gan.6": Deliverable(
        "VAE against GAN: pictures and numbers",
        ("gan.fcd", "vae_beside.fcd", "real.fcd", "gan.sharpness_ratio", "vae_beside.sharpness_ratio"),
        checks=(
            Check("gan.faces_found", 0.9, 0.5, PHOTOGRAPHS),
            Check("vae_beside.faces_found", 0.9, 0.5, PHOTOGRAPHS),
        ),
    ),
    "gan.7": Deliverable(
        "Nearest training images of samples",
        ("gan.nn_distance_ratio",),
        checks=(Check("gan.nn_distance_ratio", 0.95, 0.8),),
    ),
    "gan.8": Deliverable(
        "Discussion", ("dcgan_one_to_two.d_loss", "dcgan_one_to_one.d_loss", "toy_dcgan.modes", "toy_five_to_one.modes")
    ),
}

OF_FCD = {
    "dcgan": "DCGAN's recipe (non-saturating, batch norm), small network and short budget, mean of the seeds",
    "wgangp": "WGAN-GP, small network and short budget, mean of the seeds",
    "small": "This course's recipe, small network and short budget, mean of the seeds",
}
OF_MODES = {
    "report": "Report C's settings (rate 1e-3, momentum 0.9, D : G = 1 : 2)",
    "report_early": "The same after half of the steps",
    "half_width": "The same after half of the steps, half as wide",
    "dcgan": "DCGAN's rate and momentum, D : G = 1 : 2",
    "one_to_one": "DCGAN, D : G = 1 : 1",
    "five_to_one": "DCGAN, D : G = 5 : 1",
    "wgangp": "WGAN-GP",
}

METRICS = {
    "gan.fcd": Metric(
        "GAN: Fréchet classifier distance of samples to test images",
        "squared distance",
        higher_is_better=False,
        targets={"quick/photographs": 6.0, "long/photographs": 2.8},
    ),
    "gan.kid": Metric(
        "GAN: kernel distance of samples to test images, in the judge's features",
        "squared MMD",
        higher_is_better=False,
    ),
    "gan.density": Metric("GAN: samples among the test images (1: as real ones)", "ratio"),
    "gan.coverage": Metric(
        "GAN: test images with a sample among their neighbours",
        "fraction",
        higher_is_better=True,
        targets={"quick": 0.85, "quick/avatars": 0.3, "long": 0.92, "long/avatars": 0.6, "full": 0.92},
    ),
    "gan.faces_found": Metric(
        "GAN: samples in which a detector finds a face",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.95, "long/photographs": 0.97},
    ),
    "real.faces_found": REAL_FACES,
    "gan.sharpness_ratio": Metric(
        "GAN: variance of the Laplacian, samples over test images", "ratio"
    ),
    "gan.spectrum_ratio": Metric(
        "Distance of the GAN's power spectrum from that of test images, over that of the VAE's rebuilt images",
        "ratio",
        higher_is_better=False,
        targets={"quick/photographs": 0.5, "long/photographs": 0.3},
    ),
    "gan.nn_distance_ratio": Metric(
        "Median distance to the nearest training image, samples over test images",
        "ratio",
        higher_is_better=True,
        targets={"quick": 0.95, "long": 0.95},
    ),
    "gan.diversity": Metric(
        "GAN: mean distance of two samples in the judge's features, over that of test images",
        "ratio",
    ),
    "linear.fcd": Metric(
        "The linear generator that the GAN begins as: Fréchet classifier distance of its samples to test images",
        "squared distance",
        higher_is_better=False,
    ),
    "vae_beside.fcd": Metric(
        "Notebook 01's VAE, its chosen sampler: Fréchet classifier distance of samples to test images",
        "squared distance",
        higher_is_better=False,
    ),
    "vae_beside.sharpness_ratio": Metric(
        "Notebook 01's VAE: variance of the Laplacian, samples over test images", "ratio"
    ),
    "vae_beside.faces_found": Metric(
        "Notebook 01's VAE: samples in which a detector finds a face", "fraction"
    ),
    "vae_beside.diversity": Metric(
        "Notebook 01's VAE: mean distance of two samples in the judge's features, over that of test images",
        "ratio",
    ),
    "real.fcd": Metric(
        "Training images, as many: Fréchet classifier distance to test images, the floor for samples",
        "squared distance",
        higher_is_better=False,
    ),
    "gan.no_hair": Metric(
        "GAN: samples in which the judge reads no attribute of hair", "fraction"
    ),
    "vae_beside.no_hair": Metric(
        "Notebook 01's VAE: samples in which the judge reads no attribute of hair", "fraction"
    ),
    "real.no_hair": Metric(
        "Training images in which the judge reads no attribute of hair", "fraction"
    ),
    "rebuilt.no_hair": Metric(
        "Test images as the VAE rebuilds them, blurred too: those in which the judge reads no attribute of hair",
        "fraction",
    ),
    "gan.d_loss_fcd_correlation": Metric(
        "GAN, over its training: FCD after each stretch of steps with D's mean loss in it (1: the lower the better)",
        "rank correlation",
    ),
    "gan.g_loss_fcd_correlation": Metric(
        "GAN, over its training: FCD after each stretch of steps with G's mean loss in it (1: the lower the better)",
        "rank correlation",
    ),
    **{
        f"{key}.fcd": Metric(
            f"{title}: FCD of samples to test images",
            "squared distance",
            higher_is_better=False,
        )
        for key, title in OF_FCD.items()
    },
    **{
        f"{key}.loss_{measure}": Metric(f"{name}: {title}, mean of the seeds", unit)
        for key, name in {"dcgan": "DCGAN", "wgangp": "WGAN-GP"}.items()
        for measure, title, unit in (
            ("swing", "standard deviation of D's loss over its mean, last fifth", "ratio"),
            ("roughness", "how jagged D's loss is in the second half (0: smooth, 1: noise about a level)", "index"),
        )
    },
    "dcgan_one_to_one.d_loss": Metric(
        "DCGAN, one G step for each of D: D's loss, last third, mean of the seeds",
        "nats",
    ),
    "dcgan_one_to_two.d_loss": Metric(
        "DCGAN, two G steps for each of D: D's loss, last third, mean of the seeds",
        "nats",
    ),
    **{
        f"toy_{key}.modes": Metric(
            f"Eight Gaussians, {title}: how many are found, mean of the seeds", "Gaussians",
            higher_is_better=True,
        )
        for key, title in OF_MODES.items()
    },
    **{
        f"toy_{key}.loss_distance": Metric(
            f"Eight Gaussians, {OF_MODES[key]}: rank correlation of D's loss with the distance to the data, mean of "
            "the seeds",
            "rank correlation",
        )
        for key in ("report", "one_to_one", "wgangp")
    },
    **{
        f"toy_{key}.d_loss": Metric(
            f"Eight Gaussians, {OF_MODES[key]}: D's loss on new points, second half, mean of the seeds",
            "nats",
        )
        for key in ("dcgan", "one_to_one")
    },
    **{
        f"toy_{key}.loss_{measure}": Metric(
            f"Eight Gaussians, {OF_MODES[key]}: {title}, mean of the seeds", unit
        )
        for key in ("dcgan", "wgangp")
        for measure, title, unit in (
            ("swing", "standard deviation of D's loss over its mean, second half", "ratio"),
            ("roughness", "how jagged D's loss is in the second half (0: smooth, 1: noise about a level)", "index"),
        )
    },
    "toy_d.loss": Metric("Eight Gaussians against noise: loss of a trained D", "nats"),
}  # fmt: skip

# Readings


def judge(v: Values) -> Sequence[str]:
    blind = ["blind"] if v["judge_accuracy"] <= v["judge_majority"] else []
    return ["accuracy", *blind, "hair" if v["hair"] else "no_hair"]


def leads(v: Values) -> Mapping[str, Any]:
    """How far D's logits of real images lie above those of fakes, in the first and the last fifth of training."""
    return {f"lead.{when}": v[f"{when}.real"] - v[f"{when}.fake"] for when in ("first", "last")}


def curves(v: Values) -> Sequence[str]:
    first, last = v["lead.first"], v["lead.last"]
    change = sign(last - first, 0.1)
    stands = "lost" if last <= 0.1 else {1: "ahead", 0: "as_before", -1: "harder"}[change]
    return [*(["ended"] if v["ended"] else []), "losses", "lead", stands]


def best_possible(v: Values) -> Sequence[str]:
    return ["losses", "near" if v["toy_d.loss"] < v["toy_best_loss"] + 0.03 else "short"]


def plane(v: Values) -> Sequence[str]:
    found = {name: v[f"toy_{name}.modes"] for name in OF_MODES}
    collapse = "collapse" if found["report"] < 4 else "part" if found["report"] < 7 else "none"
    ratio = sign(found["five_to_one"] - found["dcgan"], 1.0)
    ways = {1: "more_d", 0: "ratio_tie", -1: "more_g"}
    return ["found", collapse, "ratios", ways[ratio], *(["cures"] if v["cures"] else ["no_cure"])]


def cures(v: Values) -> Mapping[str, Any]:
    """Which settings find all eight Gaussians with every seed."""
    titles = {
        "report": "report C's settings", "dcgan": "DCGAN at 1 : 2", "one_to_one": "DCGAN at 1 : 1",
        "five_to_one": "DCGAN at 5 : 1", "wgangp": "WGAN-GP",
    }  # fmt: skip
    return {"cures": [title for key, title in titles.items() if min(v[f"toy_{key}.modes.by_seed"]) == MODES]}


def toy_losses(v: Values) -> Sequence[str]:
    correlations = {key: v[f"toy_{key}.loss_distance"] for key in ("one_to_one", "wgangp")}
    follows = {"one_to_one": abs(correlations["one_to_one"]) >= FOLLOWS, "wgangp": correlations["wgangp"] <= -FOLLOWS}
    return ["levels", *(f"{key}_{'follows' if yes else 'silent'}" for key, yes in follows.items())]


def loss_and_quality(v: Values) -> Sequence[str]:
    found = {network: v[f"gan.{network}_loss_fcd_correlation"] for network in "dg"}
    ways = [
        f"{network}_{'lower' if value >= 0.5 else 'higher' if value <= -0.5 else 'apart'}"
        for network, value in found.items()
    ]
    if max(abs(value) for value in found.values()) < 0.5:
        says = "nothing"
    else:
        says = "as_usual" if min(found.values()) >= 0.8 else "something"
    few = ["few"] if v["gan.d_loss_fcd_correlation.n"] < 10 else []
    return ["correlation", *ways, says, *few]


def samples(v: Values) -> Sequence[str]:
    detector = ["faces"] if v["real.faces_found"] >= WITNESS else ["no_faces"]
    begun = "better" if v["gan.fcd"] < v["linear.fcd"] else "no_better"
    return [*detector, "begun", begun, "spectrum", "closer" if v["gan.spectrum_ratio"] < 1 else "further"]


def shortened(v: Values) -> Sequence[str]:
    shares = v["truncated_coverage"]
    return ["ends", "price" if shares[0] < shares[-1] - 0.02 else "no_price"]


def ranking(v: Values) -> Mapping[str, Any]:
    """Three recipes, by the mean distance of their samples over the seeds, with the range of each."""
    titles = {"dcgan": "DCGAN", "wgangp": "WGAN-GP", "small": "this course's recipe"}
    order = sorted(titles, key=lambda key: v[f"{key}.fcd"])
    found = {}
    for place, key in zip(("best", "second", "worst"), order, strict=True):
        each = v[f"{key}.fcd.by_seed"]
        found |= {place: titles[key], f"{place}.fcd": v[f"{key}.fcd"]}
        found |= {f"{place}.low": min(each), f"{place}.high": max(each)}
    return found


def recipes(v: Values) -> Sequence[str]:
    apart = ["close"] if v["second.low"] <= v["best.high"] else ["apart"]
    start = ["start"] if v["best"] == "this course's recipe" and v["small.fcd"] > 0.9 * v["linear.fcd"] else []
    return ["order", *apart, *start, *(["fewest"] if v["worst"] == "WGAN-GP" else [])]


def alike(pairs: Sequence[tuple[float, float]]) -> int:
    """Whether WGAN-GP's measure is clearly below DCGAN's: 1, or −1 for above, if every seed says so; else 0."""
    signs = {sign(dcgan - wgangp, 0.2 * dcgan) for dcgan, wgangp in pairs}
    return signs.pop() if len(signs) == 1 else 0


def steadier(v: Values, of: str = "") -> Sequence[str]:
    """On faces, or with ``of="toy_"`` on the eight Gaussians."""
    measures = {"swing": "deviation_tie", "roughness": "roughness_tie"}
    of_seeds = {key: [v[f"{of}{name}.loss_{key}.by_seed"] for name in ("dcgan", "wgangp")] for key in measures}
    signs = [alike(list(zip(*both, strict=True))) for both in of_seeds.values()]
    verdict = {HOLDS: "by_both", PARTLY: "by_one", FAILS: "by_neither", UNDECIDED: "undecided"}[all_of(signs)]
    return ["deviation", "roughness", verdict, *ties(signs, measures.values())]


def ties(signs: Sequence[int], names: Sequence[str]) -> list[str]:
    return [name for name, one in zip(names, signs, strict=True) if one == 0]


def sharper(v: Values) -> Sequence[str]:
    gan, vae = v["gan.sharpness_ratio"], v["vae_beside.sharpness_ratio"]
    ahead = sign(gan - vae, 0.05 * vae)
    if ahead <= 0:
        return ["ratios", "softer" if ahead else "tie"]
    return ["ratios", "sharper" if abs(1 - gan) < abs(1 - vae) else "overdone"]


def vae_and_gan(v: Values) -> Sequence[str]:
    closer = {v["gan.kid"] < v["vae_beside.kid"], v["gan.fcd"] < v["vae_beside.fcd"]}
    distances = "disagree" if len(closer) == 2 else "closer" if closer == {True} else "further"
    return ["distances", distances, "coverage", "seen"]


def bald(v: Values) -> Sequence[str]:
    vae, gan = v["vae_beside.diversity"], v["gan.diversity"]
    hairless = {name: v[f"{name}.no_hair"] for name in ("vae_beside", "rebuilt", "gan", "real")}
    others = max(share for name, share in hairless.items() if name != "vae_beside")
    signs = [sign(gan - vae, 0.05 * gan), sign(hairless["vae_beside"] - others, 0.05)]
    if 1 in signs:
        verdict = {(1, 1): "both"}.get(tuple(signs), "varied_only" if signs[0] == 1 else "hair_only")
    else:
        verdict = "neither" if -1 in signs else "undecided"
    blur = ["blur"] if hairless["rebuilt"] > hairless["real"] + 0.05 else []
    return ["variety", "hair", "rebuilt", *blur, verdict, *ties(signs, ("variety_tie", "hair_tie"))]


def copies(v: Values) -> Sequence[str]:
    ratio = v["gan.nn_distance_ratio"]
    found = "close" if ratio < 0.8 else "closer" if ratio < 0.97 else "no_closer" if ratio <= 1.15 else "further"
    return ["distance", found]


def two_steps(v: Values) -> Sequence[str]:
    one, two = v["dcgan_one_to_one.d_loss"], v["dcgan_one_to_two.d_loss"]
    raised, zero = sign(two - one, 0.2 * one), 0.05
    if raised < 0 or two < zero:
        return ["ends", "lower" if raised < 0 else "zero"]
    of_seeds = (v[f"dcgan_one_to_{ratio}.d_loss.by_seed"] for ratio in ("one", "two"))
    same = {sign(high - low, 0.2 * low) for low, high in zip(*of_seeds, strict=True)} == {1}
    return ["ends", "tie" if raised == 0 or not same else "kept_up" if one < zero else "higher"]


def two_steps_in_the_plane(v: Values) -> Sequence[str]:
    pairs = list(zip(*(v[f"toy_{key}.d_loss.by_seed"] for key in ("one_to_one", "dcgan")), strict=True))
    zero = 0.05
    if max(two for _, two in pairs) < zero:
        return ["ends", "zero"]
    raised = {sign(two - one, 0.2 * one) for one, two in pairs}
    if raised != {1}:
        return ["ends", "lower" if raised == {-1} else "tie"]
    return ["ends", "kept_up" if max(one for one, _ in pairs) < zero else "higher"]


def readable(v: Values) -> Sequence[str]:
    """Whether D's loss follows the distance of the drawn points to the data: high where it is far, or low."""
    report, wgangp = (
        [abs(one) >= FOLLOWS for one in v[f"toy_{key}.loss_distance.by_seed"]] for key in ("report", "wgangp")
    )
    if all(report):
        return ["ranks", "read"]
    if any(report):
        return ["ranks", "open"]
    return ["ranks", "better" if all(wgangp) else "silent"]


def remedies(v: Values) -> Mapping[str, Any]:
    """Which of the report's remedies, each by itself, found clearly more of the Gaussians."""
    before = {"fewer steps": "report", "half the width": "report_early"}
    then = {"fewer steps": "report_early", "half the width": "half_width"}
    pairs = {name: (v[f"toy_{before[name]}.modes"], v[f"toy_{then[name]}.modes"]) for name in before}
    better = [name for name, (old, new) in pairs.items() if new >= old + CLEARLY or new >= ALL > old]
    return {"remedies": better, "most": max(v[f"toy_{then[name]}.modes"] for name in before)}


def cured(v: Values) -> Sequence[str]:
    if v["toy_report.modes"] >= ALL:
        return ["whole", "no_collapse"]
    verdict = "cured" if v["most"] >= ALL else "helped" if v["remedies"] else "not_cured"
    return ["whole", "remedied", verdict]


def discussion(v: Values) -> Sequence[str]:
    return ["spread", "broken" if v["broken"] else "none_broken", "coverage"]


READINGS = {
    "judge": Reading(
        judge,
        {
            "accuracy": "The judge reads {judge_accuracy:.1%} of the attributes of test images correctly; always "
            "giving the more frequent answer would be right in {judge_majority:.1%}.",
            "blind": "It does no better than that, so distances in its features say little here.",
            "hair": "The attributes of hair among them are {hair:list}.",
            "no_hair": "None of them names a colour or a shape of hair.",
        },
    ),
    "best_possible": Reading(
        best_possible,
        {
            "losses": "On new points the trained discriminator's loss is {toy_d.loss} nats. The formula gives the best "
            "one {toy_best_loss}, with a divergence of {toy_divergence} nats.",
            "near": "It has found nearly all that there is to tell the two apart by.",
            "short": "So there is something left that it could learn.",
        },
        lambda v: {"toy_divergence": math.log(2) - v["toy_best_loss"] / 2},
    ),
    "plane": Reading(
        plane,
        {
            "found": "Under report C's rate, momentum and ratio the generators find {toy_report.modes:.1f} of the "
            "eight Gaussians on average over {toy_seeds:plural seed}.",
            "collapse": "That is mode collapse as one draws it: nearly all noise leads to the same place.",
            "part": "That is a partial collapse.",
            "none": "That is no collapse.",
            "ratios": "With DCGAN's rate and momentum it is {toy_dcgan.modes:.1f} at two steps of G for each of D, "
            "{toy_one_to_one.modes:.1f} at one, and {toy_five_to_one.modes:.1f} at five steps of D for each of G.",
            "more_d": "A discriminator that is nearly the best against the generator it faces leaves it no single "
            "place to flee to. Here two steps of G for each of D are the wrong way round.",
            "ratio_tie": "Between the first and the last of these there is no clear difference.",
            "more_g": "More steps of D do not help here.",
            "cures": "All eight, with every seed, are found by {cures:list}.",
            "no_cure": "None of these settings finds all eight with every seed.",
        },
        cures,
    ),
    "toy_losses": Reading(
        toy_losses,
        {
            "levels": "Along training D's loss on new points and the distance of the samples have a rank correlation, "
            "in the mean over the seeds, of {toy_one_to_one.loss_distance:.2f} for DCGAN at 1 : 1 and of "
            "{toy_wgangp.loss_distance:.2f} for WGAN-GP.",
            "one_to_one_follows": "DCGAN's loss follows the distance.",
            "one_to_one_silent": "DCGAN's loss does not say how far the samples are from the data.",
            "wgangp_follows": "Of WGAN-GP's this holds: the nearer the samples, the nearer its loss is to zero.",
            "wgangp_silent": "WGAN-GP's cannot be read as a distance here.",
        },
    ),
    "curves": Reading(
        curves,
        {
            "ended": "Training ended early: {ended}.",
            "losses": "From the first to the last fifth of training the discriminator's loss goes from "
            "{first.discriminator:.2f} to {last.discriminator:.2f}. The generator's goes from {first.generator:.2f} to "
            "{last.generator:.2f}.",
            "lead": "The mean logit of real images less that of fakes was {lead.first:.2f} in the first fifth and is "
            "{lead.last:.2f} in the last.",
            "ahead": "So D has pulled ahead.",
            "as_before": "So D tells them apart as well as at the start.",
            "harder": "So D finds it harder to tell them apart, and still can.",
            "lost": "So D cannot tell them apart.",
        },
        leads,
    ),
    "loss_and_quality": Reading(
        loss_and_quality,
        {
            "correlation": "Over {gan.d_loss_fcd_correlation.n:plural evaluation} in the course of training its FCD "
            "has a rank correlation of {gan.d_loss_fcd_correlation} with D's mean loss since the one before and of "
            "{gan.g_loss_fcd_correlation} with G's (1: the lower the loss, the closer the images).",
            "d_lower": "As images get closer D's loss falls.",
            "d_higher": "As images get closer D's loss rises.",
            "d_apart": "D's loss goes its own way.",
            "g_lower": "As images get closer G's loss falls.",
            "g_higher": "As images get closer G's loss rises.",
            "g_apart": "G's loss goes its own way.",
            "nothing": "Neither loss says much about the quality of the images.",
            "something": "So the losses are not silent here, but they cannot both be read as usual; and whatever "
            "drifts in the same training correlates.",
            "as_usual": "Both can be read as usual here, the lower the better; but whatever drifts in the same "
            "training correlates.",
            "few": "Over so few, a correlation may be chance.",
        },
    ),
    "samples": Reading(
        samples,
        {
            "faces": "A detector of faces finds one in {gan.faces_found:.1%} of samples and in {real.faces_found:.1%} "
            "of test images.",
            "no_faces": "The detector of faces knows no such faces: it finds one in {real.faces_found:.1%} of the test "
            "images themselves, so that it is not heard here.",
            "begun": "The linear generator had an FCD of {linear.fcd}, the GAN has {gan.fcd}; other real images have "
            "{real_fcd}.",
            "better": "What the game has added to eigenfaces is what lies between the first two.",
            "no_better": "At this budget the game has not improved on eigenfaces by this measure.",
            "spectrum": "The power spectrum of samples is {gan_spectrum:.2f} nats from that of test images on average "
            "over the frequencies, that of the images that notebook 01's VAE rebuilds {vae_spectrum:.2f}.",
            "closer": "So the GAN has more nearly the detail of real images, coarse and fine.",
            "further": "So the VAE's blur is nearer to the detail of real images than what the GAN draws.",
        },
    ),
    "shortened": Reading(
        shortened,
        {
            "ends": "From the shortest noise to the whole the share of test images that are covered goes from "
            "{covered_least:.0%} to {covered_most:.0%}.",
            "price": "Plainer faces are paid for with variety.",
            "no_price": "At this budget shorter noise costs no coverage.",
        },
        lambda v: {"covered_least": v["truncated_coverage"][0], "covered_most": v["truncated_coverage"][-1]},
    ),
    "recipes": Reading(
        recipes,
        {
            "order": "Over {arm_seeds:plural seed} the smallest mean FCD is {best.fcd} ({best}; {best.low} to "
            "{best.high}), the largest {worst.fcd} ({worst}; {worst.low} to {worst.high}).",
            "close": "The seeds of {best} and {second} ({second.low} to {second.high}) overlap.",
            "apart": "Every seed of {best} is ahead of every seed of {second} ({second.low} to {second.high}).",
            "start": "All of its lead, or nearly all, is the start: eigenfaces have {linear.fcd}. So short a training "
            "says nothing yet of the rest of the recipe.",
            "fewest": "For the same number of images WGAN-GP's generator makes the fewest steps of the three.",
        },
        ranking,
    ),
    "steadier": Reading(
        steadier,
        {
            "deviation": "The standard deviation of D's loss is {dcgan.loss_swing:.1%} of its mean at the end with "
            "DCGAN's recipe and {wgangp.loss_swing:.1%} with WGAN-GP.",
            "roughness": "Its roughness (0: a smooth line, 1: noise about a level) is {dcgan.loss_roughness} and "
            "{wgangp.loss_roughness}.",
            "by_both": "By both measures, and with every seed, WGAN-GP's loss is clearly steadier.",
            "by_one": "By one of the two, with every seed, WGAN-GP's loss is clearly steadier.",
            "by_neither": "By neither is WGAN-GP's loss clearly steadier.",
            "undecided": "Neither measure tells the two apart.",
            "deviation_tie": "By the standard deviation the seeds disagree, or it is a near-tie.",
            "roughness_tie": "By the roughness the seeds disagree, or it is a near-tie.",
        },
    ),
    "vae_and_gan": Reading(
        vae_and_gan,
        {
            "distances": "The kernel distance to the test images, whose mean does not depend on how many there are, is "
            "{gan.kid} for the GAN and {vae_beside.kid} for the VAE; the Fréchet distances are {gan.fcd} and "
            "{vae_beside.fcd}.",
            "closer": "By both the GAN is closer to real faces.",
            "further": "By neither is the GAN closer to real faces.",
            "disagree": "The two do not agree on which of them is closer to real faces.",
            "coverage": "The GAN's samples cover {gan.coverage:.0%} of the test images, the VAE's "
            "{vae_beside.coverage:.0%}.",
            "seen": "The GAN has seen {gan_seen:,} images in its training, the VAE {vae_seen:,}.",
        },
        lambda v: {"gan_seen": v["steps"] * v["batch_size"], "vae_seen": v["vae_steps"] * v["vae_batch_size"]},
    ),
    "sharper": Reading(
        sharper,
        {
            "ratios": "The variance of the Laplacian, over that of real images, is {gan.sharpness_ratio} for the GAN "
            "and {vae_beside.sharpness_ratio} for the VAE.",
            "sharper": "The GAN's images are the sharper ones, and nearer to real ones in it.",
            "overdone": "The GAN's images are the sharper ones, but it overdoes it, and noise counts as sharp.",
            "tie": "That is a near-tie.",
            "softer": "The GAN's images are not the sharper ones.",
        },
    ),
    "bald": Reading(
        bald,
        {
            "variety": "Two samples are {vae_beside.diversity} (VAE) and {gan.diversity} (GAN) times as far apart as "
            "two real images.",
            "hair": "No attribute says bald, but the judge reads none of hair in {vae_beside.no_hair:.1%} of the VAE's "
            "samples, {gan.no_hair:.1%} of the GAN's and {real.no_hair:.1%} of real images.",
            "rebuilt": "In real images as the VAE rebuilds them, blurred too, it is {rebuilt.no_hair:.1%}.",
            "blur": "So a part of what looks bald to the judge is blur.",
            "both": "The VAE's samples are the less varied ones, and are read as hairless more often than any others.",
            "varied_only": "The VAE's samples are the less varied ones, but are not clearly read as hairless more "
            "often than all others.",
            "hair_only": "The VAE's samples are read as hairless more often than any others, but are not clearly less "
            "varied than the GAN's.",
            "neither": "The VAE's samples are neither clearly less varied than the GAN's nor clearly read as hairless "
            "more often than all others.",
            "undecided": "Neither measure tells them apart.",
            "variety_tie": "In variety VAE and GAN are a near-tie.",
            "hair_tie": "In hair the VAE's samples and the highest of the others are a near-tie.",
        },
    ),
    "copies": Reading(
        copies,
        {
            "distance": "The median distance from a sample to its nearest training image is "
            "{gan.nn_distance_ratio:.2f} times that from a test image to its nearest.",
            "close": "Samples are closer to training images than new images are: some of them may be copies.",
            "closer": "Samples are somewhat closer to training images than new images are; copies would be much "
            "closer, but plain, average faces are somewhat closer, too.",
            "no_closer": "On the whole samples are no closer to the training images than images that the GAN has "
            "never seen.",
            "further": "On the whole samples are further from the training images than images that the GAN has never "
            "seen, as images of lesser quality are.",
        },
    ),
    "two_steps": Reading(
        two_steps,
        {
            "ends": "On faces, over the last third, D's loss is {dcgan_one_to_two.d_loss} nats with two steps of G for "
            "each of D, and {dcgan_one_to_one.d_loss} with one ({cannot_tell} if D cannot tell), means of "
            "{d_seeds:plural seed}.",
            "kept_up": "One step of G lets it fall to zero, the second keeps it up.",
            "higher": "It is higher with two, with every seed, but one step does not bring it to zero either.",
            "tie": "That is a near-tie, or the seeds disagree.",
            "lower": "The second step did not hold it up.",
            "zero": "It is near zero with two steps, too.",
        },
        lambda v: {"cannot_tell": 2 * math.log(2), "d_seeds": len(v["dcgan_one_to_one.d_loss.by_seed"])},
    ),
    "cured": Reading(
        cured,
        {
            "whole": "Under the report's settings the generators of the plane find {toy_report.modes:.1f} of eight "
            "Gaussians.",
            "remedied": "After half of the steps they had found {toy_report_early.modes:.1f}; networks of half the "
            "width, after half of the steps, too, {toy_half_width.modes:.1f}.",
            "no_collapse": "There was no collapse to cure.",
            "cured": "A remedy found nearly all; what helped is {remedies:list}.",
            "helped": "Clearly more were found by {remedies:list}, but not all.",
            "not_cured": "Neither cures it.",
        },
        remedies,
    ),
    "discussion": Reading(
        discussion,
        {
            "spread": "**Instability.** On faces the same small networks gave Fréchet distances from {smallest} to "
            "{largest} under three recipes and {arm_seeds:plural seed}, after the same number of images.",
            "broken": "Ended early: {broken:list}.",
            "none_broken": "None of the trainings ended early.",
            "coverage": "\n\n**Mode collapse.** On the eight Gaussians one counts what is missing. On faces coverage "
            "is the number to watch, {gan.coverage:.0%} of the test images for this course's recipe: a generator that "
            "draws few faces well has a good density and a poor coverage.",
        },
        lambda v: {
            "smallest": min(min(v[f"{key}.fcd.by_seed"]) for key in OF_FCD),
            "largest": max(max(v[f"{key}.fcd.by_seed"]) for key in OF_FCD),
        },
    ),
}


# Claims


STEADIER_TOY = Reading(
    lambda v: steadier(v, "toy_"),
    {
        "deviation": "The standard deviation of D's loss is {toy_dcgan.loss_swing:.1%} of its mean with DCGAN's rate "
        "and the report's ratio, and {toy_wgangp.loss_swing:.1%} with WGAN-GP.",
        "roughness": "Its roughness (0: a smooth line, 1: noise about a level) is {toy_dcgan.loss_roughness} and "
        "{toy_wgangp.loss_roughness}. (On faces, after a training too short to decide, they are {dcgan.loss_swing:.1%} "
        "and {wgangp.loss_swing:.1%}, {dcgan.loss_roughness} and {wgangp.loss_roughness}.)",
        "by_one": "By the {steadier_by}, with every seed, WGAN-GP's loss is clearly steadier; by the other it is not.",
        **{key: READINGS["steadier"].sentences[key] for key in ("by_both", "by_neither", "undecided")},
        **{key: READINGS["steadier"].sentences[key] for key in ("deviation_tie", "roughness_tie")},
    },
    lambda v: {
        "steadier_by": "roughness"
        if v["toy_wgangp.loss_roughness"] < v["toy_dcgan.loss_roughness"]
        else "standard deviation"
    },
)

TWO_STEPS_TOY = Reading(
    two_steps_in_the_plane,
    {
        "ends": "In the second half of training D's loss is {toy_dcgan.d_loss} nats with two steps of G for each of "
        "D, and {toy_one_to_one.d_loss} with one. (On faces, after a training too short to decide, "
        "{dcgan_one_to_two.d_loss} and {dcgan_one_to_one.d_loss}.)",
        "kept_up": "One step of G lets it fall to zero, the second keeps it up.",
        "higher": "It is higher with two, with every seed, but one step does not bring it to zero either.",
        "tie": "The second step does not clearly raise it.",
        "lower": "The second step does not hold it up.",
        "zero": "It is near zero with two steps, too.",
    },
)

READABLE = Reading(
    readable,
    {
        "ranks": "Along training D's loss on new points and the distance of the drawn points to the data have a rank "
        "correlation of {toy_report.loss_distance:.2f} under the report's settings and of "
        "{toy_wgangp.loss_distance:.2f} with WGAN-GP. (The long training on faces, by this course's recipe: D's loss "
        "and the FCD {gan.d_loss_fcd_correlation:.2f}, G's {gan.g_loss_fcd_correlation:.2f}.)",
        "read": "So the loss does follow the quality, with every seed.",
        "open": "Some seeds' losses follow the quality, others' do not.",
        "better": "So no seed's loss says how good the points are, and with WGAN-GP every seed's does.",
        "silent": "So no seed's loss says how good the points are, and with WGAN-GP not every seed's does either.",
    },
)

EPOCHS_OF_C = Budget(99_900, 64, "150 epochs of 666 batches", "steps")
ARM_OF_C = Budget(99_900, 64, "150 epochs of 666 batches", "arm_steps", "arm_batch_size")

STRONG_IN_THE_END = Reading(
    lambda v: ["level", "strong" if v["dcgan_one_to_two.d_loss"] < math.log(2) else "matched"],
    {
        "level": "Over the last third D's loss is {dcgan_one_to_two.d_loss} nats, where 2 ln 2 = {cannot_tell} would "
        "say that it cannot tell.",
        "strong": "That is less than half: D is strong.",
        "matched": "That is half or more: D is not very strong.",
    },
    lambda _: {"cannot_tell": 2 * math.log(2)},
)

SWINGS = Reading(
    lambda v: ["swing", "swings" if v["dcgan.loss_swing"] >= 0.25 else "steady"],
    {
        "swing": "At the end of a short training on faces the standard deviation of D's loss is {dcgan.loss_swing:.1%} "
        "of its mean.",
        "swings": "So it swings.",
        "steady": "So it hardly swings.",
    },
)

CLAIMS = (
    Claim(
        "From the same noise a GAN's images are clear, a VAE's very blurry.",
        "C",
        "VAE and DCGAN, question 5",
        "this course's GAN and notebook 01's VAE",
        READINGS["sharper"],
        {"sharper": HOLDS, "overdone": PARTLY, "tie": UNDECIDED, "softer": FAILS},
        ("04/gan.6",),
        EPOCHS_OF_C,
    ),
    Claim(
        "The quality cannot be read from a GAN's losses; with WGAN-GP this improves.",
        "C",
        "DCGAN, question 2",
        "the report's rate, momentum and ratio, and WGAN-GP",
        READABLE,
        {"better": HOLDS, "silent": PARTLY, "open": UNDECIDED, "read": FAILS},
        ("04/gan.2", "04/gan.5"),
        TOY,
    ),
    Claim(
        "Two G steps for each D step keep D's loss from zero.",
        "C",
        "DCGAN, question 1",
        "DCGAN's rate and momentum at either ratio",
        TWO_STEPS_TOY,
        {"kept_up": HOLDS, "higher": PARTLY, "tie": UNDECIDED, "lower": FAILS, "zero": FAILS},
        ("04/gan.5", "04/gan.8"),
        TOY,
    ),
    Claim(
        "From the same noise nearly all of a VAE's images are bald, and less varied than a GAN's.",
        "C",
        "VAE and DCGAN, question 5",
        "notebook 01's VAE and this course's GAN",
        READINGS["bald"],
        {"both": HOLDS, "varied_only": PARTLY, "hair_only": PARTLY, "undecided": UNDECIDED, "neither": FAILS},
        ("04/gan.6",),
        EPOCHS_OF_C,
    ),
    Claim(
        "WGAN-GP steadies the loss.",
        "C",
        "DCGAN, question 2",
        "DCGAN's rate at the report's ratio, and WGAN-GP",
        STEADIER_TOY,
        {"by_both": HOLDS, "by_one": PARTLY, "undecided": UNDECIDED, "by_neither": FAILS},
        ("04/gan.5",),
        TOY,
    ),
    Claim(
        "In the end D is very strong.",
        "C",
        "DCGAN, question 2",
        "DCGAN's recipe at the report's ratio, in a small network",
        STRONG_IN_THE_END,
        {"strong": HOLDS, "matched": FAILS},
        ("04/gan.2",),
        ARM_OF_C,
    ),
    Claim(
        "Fewer epochs, then fewer parameters, cured the mode collapse.",
        "C",
        "DCGAN, question 4",
        "the report's rate, momentum and ratio",
        READINGS["cured"],
        {"cured": HOLDS, "helped": PARTLY, "no_collapse": UNDECIDED, "not_cured": FAILS},
        ("04/gan.5",),
        TOY,
    ),
    Claim(
        "DCGAN's training is very unstable: its losses swing.",
        "C",
        "DCGAN, question 2",
        "DCGAN's recipe at the report's ratio, in a small network",
        SWINGS,
        {"swings": HOLDS, "steady": FAILS},
        ("04/gan.5",),
        ARM_OF_C,
    ),
)

FINDING = Reading(
    lambda v: ["toy", "better" if v["gan.fcd"] < v["linear.fcd"] else "no_better"],
    {
        "toy": "On eight Gaussians the report's settings find {toy_report.modes:.1f} of the eight and WGAN-GP "
        "{toy_wgangp.modes:.1f}.",
        "better": "On faces the game leads from eigenfaces, at an FCD of {linear.fcd:.1f}, to {gan.fcd:.1f}; other "
        "real images have {real.fcd:.1f}.",
        "no_better": "On faces the game does not improve on eigenfaces at this budget: an FCD of {gan.fcd:.1f} against "
        "{linear.fcd:.1f}.",
    },
)

LAB = Lab(
    name="04_gan",
    title="GAN: faces from a game",
    question="What does a game between two networks draw that a likelihood does not, and what does it cost?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
)
