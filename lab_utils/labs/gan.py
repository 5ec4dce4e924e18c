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
    UNDECIDED,
    Claim,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Tolerance,
    Values,
    all_of,
    sign,
)


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
    arm_steps: PositiveInt  # of each recipe in the comparison; the GAN above is compared as it was after so many
    trial_steps: PositiveInt  # of each small experiment
    vae_steps: PositiveInt  # of the VAE beside it: as many images
    vae_latent: PositiveInt
    vae_width: PositiveInt  # channels of the VAE's first convolution
    vae_batch_size: PositiveInt
    vae_rate: PositiveFloat  # peak of its one-cycle schedule
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # steps between two points of the training curves


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, side=32, noise=100, width=8, batch_size=20, steps=60,
        evaluate_every=20, arm_steps=40, trial_steps=20, vae_steps=30, vae_latent=16, vae_width=8, vae_batch_size=40,
        vae_rate=3e-3, checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, side=32, noise=100, width=32, batch_size=32,
        steps=2569, evaluate_every=367, arm_steps=734, trial_steps=367, vae_steps=1281,
        vae_latent=128, vae_width=32, vae_batch_size=64,
        vae_rate=4e-3, checkpoint_every=100, log_every=10,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, side=64, noise=100, width=128, batch_size=64,
        steps=12_500, evaluate_every=625, arm_steps=3125, trial_steps=1250, vae_steps=12_500,
        vae_latent=128, vae_width=64, vae_batch_size=64,
        vae_rate=2e-3, checkpoint_every=1000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "gan.1": Deliverable("Architecture and settings"),
    "gan.2": Deliverable(
        "Learning curves: losses, D(x), D(G(z))", ("gan.d_loss_fcd_correlation", "gan.g_loss_fcd_correlation")
    ),
    "gan.3": Deliverable("32 images", ("gan.kid", "gan.fcd", "gan.density", "gan.coverage")),
    "gan.4": Deliverable("The same noise over training"),
    "gan.5": Deliverable("Three recipes side by side, same budget", ("dcgan.fcd", "wgangp.fcd", "gan_short.fcd")),
    "gan.6": Deliverable(
        "VAE against GAN: pictures and numbers",
        ("gan.fcd_ratio", "vae.fcd", "real.fcd", "gan.sharpness_ratio", "vae.sharpness_ratio"),
    ),
    "gan.7": Deliverable("Nearest training images of samples", ("gan.nn_distance_ratio",)),
    "gan.8": Deliverable(
        "Discussion", ("dcgan_one_to_two.d_loss", "dcgan_one_to_one.d_loss", "report.diversity", "dcgan.diversity")
    ),
}

METRICS = {
    "gan.fcd": Metric(
        "GAN: Fréchet classifier distance of samples to test images",
        "squared distance",
        Tolerance(relative=0.3),
        higher_is_better=False,
    ),
    "gan.kid": Metric(
        "GAN: kernel distance of samples to test images, in the judge's features",
        "squared MMD",
        Tolerance(relative=0.3),
        higher_is_better=False,
    ),
    "gan.density": Metric("GAN: samples among the test images (1: as real ones)", "ratio", Tolerance(relative=0.15)),
    "gan.coverage": Metric(
        "GAN: test images with a sample among their neighbours",
        "fraction",
        Tolerance(absolute=0.05),
        higher_is_better=True,
        targets={"quick": 0.5, "full": 0.7},
    ),
    "gan.sharpness_ratio": Metric(
        "GAN: variance of the Laplacian, samples over test images", "ratio", Tolerance(relative=0.3)
    ),
    "vae.fcd": Metric(
        "VAE that saw as many images: Fréchet classifier distance of prior samples to test images",
        "squared distance",
        Tolerance(relative=0.15),
        higher_is_better=False,
    ),
    "vae.sharpness_ratio": Metric(
        "VAE: variance of the Laplacian, prior samples over test images", "ratio", Tolerance(relative=0.15)
    ),
    "gan.fcd_ratio": Metric(
        "FCD of the GAN over that of the VAE",
        "ratio",
        Tolerance(relative=0.3),
        higher_is_better=False,
        targets={"quick": 0.6, "full": 0.33},
    ),
    "real.fcd": Metric(
        "Training images, as many: Fréchet classifier distance to test images, the floor for samples",
        "squared distance",
        Tolerance(relative=0.15),
        higher_is_better=False,
    ),
    "dcgan.fcd": Metric(
        "DCGAN's recipe (non-saturating, batch norm), short budget: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "wgangp.fcd": Metric(
        "WGAN-GP, short budget: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "gan_short.fcd": Metric(
        "This course's recipe, short budget: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "gan.nn_distance_ratio": Metric(
        "Median distance to the nearest training image, samples over test images", "ratio", Tolerance(relative=0.15)
    ),
    "gan.diversity": Metric(
        "GAN: mean distance of two samples in the judge's features, over that of test images",
        "ratio",
        Tolerance(relative=0.15),
    ),
    "vae.diversity": Metric(
        "VAE: mean distance of two samples in the judge's features, over that of test images",
        "ratio",
        Tolerance(relative=0.15),
    ),
    "gan.no_hair": Metric(
        "GAN: samples in which the judge reads no attribute of hair", "fraction", Tolerance(absolute=0.1)
    ),
    "vae.no_hair": Metric(
        "VAE: samples in which the judge reads no attribute of hair", "fraction", Tolerance(absolute=0.1)
    ),
    "real.no_hair": Metric(
        "Training images in which the judge reads no attribute of hair", "fraction", Tolerance(absolute=0.1)
    ),
    "rebuilt.no_hair": Metric(
        "Test images as the VAE rebuilds them, blurred too: those in which the judge reads no attribute of hair",
        "fraction",
        Tolerance(absolute=0.1),
    ),
    "gan.d_loss_fcd_correlation": Metric(
        "GAN, over its training: FCD after each stretch of steps with D's mean loss in it (1: the lower the better)",
        "rank correlation",
        Tolerance(absolute=0.3),
    ),
    "gan.g_loss_fcd_correlation": Metric(
        "GAN, over its training: FCD after each stretch of steps with G's mean loss in it (1: the lower the better)",
        "rank correlation",
        Tolerance(absolute=0.3),
    ),
    "dcgan.loss_swing": Metric(
        "DCGAN: standard deviation of D's loss over its mean, last fifth", "ratio", Tolerance(relative=0.3)
    ),
    "wgangp.loss_swing": Metric(
        "WGAN-GP: standard deviation of D's loss over its mean, last fifth", "ratio", Tolerance(relative=0.3)
    ),
    "dcgan.loss_roughness": Metric(
        "DCGAN: how jagged D's loss is in the second half (0: smooth, 1: noise about a level)",
        "index",
        Tolerance(absolute=0.3),
    ),
    "wgangp.loss_roughness": Metric(
        "WGAN-GP: how jagged D's loss is in the second half (0: smooth, 1: noise about a level)",
        "index",
        Tolerance(absolute=0.3),
    ),
    "dcgan_one_to_one.d_loss": Metric(
        "DCGAN, one G step for each of D: D's loss, last third", "nats", Tolerance(relative=0.6, absolute=0.3)
    ),
    "dcgan_one_to_two.d_loss": Metric(
        "DCGAN, two G steps for each of D: D's loss, last third", "nats", Tolerance(relative=0.6, absolute=0.3)
    ),
    "dcgan.diversity": Metric(
        "DCGAN, short budget: diversity of samples, as gan.diversity", "ratio", Tolerance(relative=0.3)
    ),
    "report.fcd": Metric(
        "Report C's settings, short budget: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "report.diversity": Metric(
        "Report C's settings, short budget: diversity of samples, as gan.diversity", "ratio", Tolerance(absolute=0.35)
    ),
    "report_few_epochs.fcd": Metric(
        "Report C's settings, half of the short budget: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "report_few_epochs.diversity": Metric(
        "Report C's settings, half of the short budget: diversity of samples, as gan.diversity",
        "ratio",
        Tolerance(absolute=0.35),
    ),
    "report_half_width.fcd": Metric(
        "Report C's settings, half of the short budget and half the width: FCD of samples to test images",
        "squared distance",
        Tolerance(relative=0.6),
        higher_is_better=False,
    ),
    "report_half_width.diversity": Metric(
        "Report C's settings, half of the short budget and half the width: diversity of samples, as gan.diversity",
        "ratio",
        Tolerance(absolute=0.35),
    ),
    "report.g_loss_middle": Metric(
        "Report C's settings: G's loss, middle third of the training", "nats", Tolerance(relative=0.6)
    ),
    "report.g_loss_end": Metric(
        "Report C's settings: G's loss, last third of the training", "nats", Tolerance(relative=0.6)
    ),
    "report.d_lead_middle": Metric(
        "Report C's settings: mean logit of real images above that of fakes, middle third",
        "logits",
        Tolerance(relative=0.6),
    ),
    "report.d_lead_end": Metric(
        "Report C's settings: mean logit of real images above that of fakes, last third",
        "logits",
        Tolerance(relative=0.6),
    ),
}

# Readings


def judge(v: Values) -> Sequence[str]:
    trusted = ["blind"] if v["judge_accuracy"] <= v["judge_majority"] else []
    return ["accuracy", *trusted, "hair" if v["hair"] else "no_hair"]


def leads(v: Values) -> Mapping[str, Any]:
    """How far the mean logit of real images is above that of fakes, at the beginning and at the end."""
    return {f"lead.{when}": v[f"{when}.real"] - v[f"{when}.fake"] for when in ("first", "last")}


def curves(v: Values) -> Sequence[str]:
    first, last = v["lead.first"], v["lead.last"]
    stands = "lost" if last <= 0 else "ahead" if last > first else "harder"
    return [*(["ended"] if v["ended"] else []), "losses", "lead", stands]


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


def ranking(v: Values) -> Mapping[str, Any]:
    """Three recipes, by the distance of their samples."""
    found = {"DCGAN": v["dcgan.fcd"], "WGAN-GP": v["wgangp.fcd"], "this course's recipe": v["gan_short.fcd"]}
    places = zip(("best", "second", "worst"), sorted(found, key=found.get), strict=True)
    return {key: value for place, name in places for key, value in ((place, name), (f"{place}.fcd", found[name]))}


def recipes(v: Values) -> Sequence[str]:
    close = ["close"] if v["second.fcd"] < 1.1 * v["best.fcd"] else []
    return ["order", *close, *(["fewest"] if v["worst"] == "WGAN-GP" else [])]


def steadier(v: Values) -> Sequence[str]:
    measures = {"swing": "deviation_tie", "roughness": "roughness_tie"}
    pairs = [(v[f"dcgan.loss_{key}"], v[f"wgangp.loss_{key}"]) for key in measures]
    signs = [sign(dcgan - wgangp, 0.2 * dcgan) for dcgan, wgangp in pairs]
    verdict = {HOLDS: "by_both", PARTLY: "by_one", FAILS: "by_neither", UNDECIDED: "undecided"}[all_of(signs)]
    return ["deviation", "roughness", verdict, *ties(signs, measures.values())]


def ties(signs: Sequence[int], names: Sequence[str]) -> list[str]:
    return [name for name, one in zip(names, signs, strict=True) if one == 0]


def sharper(v: Values) -> Sequence[str]:
    gan, vae = v["gan.sharpness_ratio"], v["vae.sharpness_ratio"]
    ahead = sign(gan - vae, 0.05 * vae)
    if ahead <= 0:
        return ["ratios", "softer" if ahead else "tie"]
    return ["ratios", "sharper" if abs(1 - gan) < abs(1 - vae) else "overdone"]


def vae_and_gan(v: Values) -> Sequence[str]:
    closer = {v["gan.kid"] < v["vae.kid"], v["gan.fcd_ratio"] < 1}
    distances = "disagree" if len(closer) == 2 else "closer" if closer == {True} else "further"
    opponent = "better_than_pca" if v["vae_mse"] < v["pca_mse"] else "worse_than_pca"
    return ["distances", distances, "coverage", "opponent", opponent]


def bald(v: Values) -> Sequence[str]:
    vae, gan = v["vae.diversity"], v["gan.diversity"]
    hairless = {name: v[f"{name}.no_hair"] for name in ("vae", "rebuilt", "gan", "real")}
    others = max(share for name, share in hairless.items() if name != "vae")
    signs = [sign(gan - vae, 0.05 * gan), sign(hairless["vae"] - others, 0.05)]
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
    return ["ends", "tie" if raised == 0 else "kept_up" if one < zero else "higher"]


def report_settings(v: Values) -> Sequence[str]:
    narrow, further = v["report.diversity"] < 0.9 * v["dcgan.diversity"], v["report.fcd"] > v["dcgan.fcd"]
    if narrow:
        return ["collapsed" if further else "narrow"]
    return ["further" if further else "harmless"]


def remedies(v: Values) -> Mapping[str, Any]:
    """Which remedies, each by itself, made samples clearly more varied and closer to real faces too."""
    tried = {
        "fewer steps": ("report", "report_few_epochs"),
        "half the width": ("report_few_epochs", "report_half_width"),
    }
    return {
        "remedies": [
            name
            for name, (before, then) in tried.items()
            if v[f"{then}.diversity"] > 1.1 * v[f"{before}.diversity"] and v[f"{then}.fcd"] < 0.95 * v[f"{before}.fcd"]
        ]
    }


def cured(v: Values) -> Sequence[str]:
    arms, enough = {"fewer steps": "report_few_epochs", "half the width": "report_half_width"}, 0.9
    if v["report.diversity"] >= enough * v["dcgan.diversity"]:
        verdict = "no_collapse"
    elif any(v[f"{arms[name]}.diversity"] >= enough * v["dcgan.diversity"] for name in v["remedies"]):
        verdict = "cured"
    else:
        verdict = "helped" if v["remedies"] else "not_cured"
    return ["whole", "remedied", verdict]


def strong_discriminator(v: Values) -> Sequence[str]:
    loss, lead = ((v[f"report.{key}_middle"], v[f"report.{key}_end"]) for key in ("g_loss", "d_lead"))
    rise, gain = (sign(then - before, 0.1 * abs(before)) for before, then in (loss, lead))
    if rise <= 0:
        return ["thirds", "falls" if rise else "level"]
    worse = v["report.fcd"] > 1.05 * v["report_few_epochs.fcd"]
    return ["thirds", "no_lead" if gain < 1 else "worse" if worse else "strong"]


def extremes(v: Values) -> Mapping[str, Any]:
    found = [v[f"{arm}.fcd"] for arm in ("dcgan", "wgangp", "gan_short")]
    return {"smallest": min(found), "largest": max(found)}


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
            "harder": "So D finds it harder to tell them apart, and still can.",
            "lost": "So D cannot tell them apart any more.",
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
    "recipes": Reading(
        recipes,
        {
            "order": "At this budget the smallest FCD is {best.fcd} ({best}), the largest {worst.fcd} ({worst}).",
            "close": "Another seed might exchange {best} and {second}, with {second.fcd}.",
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
            "by_both": "By both measures WGAN-GP's loss is clearly steadier.",
            "by_one": "By one of the two WGAN-GP's loss is clearly steadier.",
            "by_neither": "By neither is WGAN-GP's loss clearly steadier.",
            "undecided": "Neither measure tells the two apart.",
            "deviation_tie": "The standard deviations are a near-tie.",
            "roughness_tie": "The roughnesses are a near-tie.",
        },
    ),
    "vae_and_gan": Reading(
        vae_and_gan,
        {
            "distances": "The kernel distance to the test images, whose mean does not depend on how many there are, is "
            "{gan.kid} for the GAN and {vae.kid} for the VAE; the Fréchet distance of the GAN is {gan.fcd_ratio:.2f} "
            "times the VAE's.",
            "closer": "By both the GAN is closer to real faces.",
            "further": "By neither is the GAN closer to real faces.",
            "disagree": "The two do not agree on which of them is closer to real faces.",
            "coverage": "The GAN's samples cover {gan.coverage:.0%} of the test images, the VAE's {vae.coverage:.0%}.",
            "opponent": "How good an opponent is this VAE? It rebuilds test images with a mean squared error of "
            "{vae_mse}; PCA with as many dimensions has {pca_mse}.",
            "better_than_pca": "So it is better than the best linear code of its size.",
            "worse_than_pca": "So it has not yet reached the best linear code of its size.",
        },
    ),
    "sharper": Reading(
        sharper,
        {
            "ratios": "The variance of the Laplacian, over that of real images, is {gan.sharpness_ratio} for the GAN "
            "and {vae.sharpness_ratio} for the VAE.",
            "sharper": "The GAN's images are the sharper ones, and nearer to real ones in it.",
            "overdone": "The GAN's images are the sharper ones, but it overdoes it, and noise counts as sharp.",
            "tie": "That is a near-tie.",
            "softer": "The GAN's images are not the sharper ones.",
        },
    ),
    "bald": Reading(
        bald,
        {
            "variety": "Two samples are {vae.diversity} (VAE) and {gan.diversity} (GAN) times as far apart as two real "
            "images.",
            "hair": "No attribute says bald, but the judge reads none of hair in {vae.no_hair:.1%} of the VAE's "
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
            "ends": "Over the last third D's loss is {dcgan_one_to_two.d_loss} nats with two steps of G for each of D, "
            "and {dcgan_one_to_one.d_loss} with one ({cannot_tell} if D cannot tell).",
            "kept_up": "One step of G lets it fall to zero, the second keeps it up.",
            "higher": "It is higher with two, but one step does not bring it to zero either.",
            "tie": "That is a near-tie.",
            "lower": "The second step did not hold it up.",
            "zero": "It is near zero with two steps, too.",
        },
        lambda v: {"cannot_tell": 2 * math.log(2)},
    ),
    "report_settings": Reading(
        report_settings,
        {
            "collapsed": "Beside DCGAN's settings the report's give samples that are less varied and further from "
            "real faces, by the rate and the momentum alone.",
            "narrow": "Beside DCGAN's settings the report's give samples that are less varied, but not further from "
            "real faces.",
            "further": "Beside DCGAN's settings the report's give samples that are further from real faces, but not "
            "clearly less varied.",
            "harmless": "At this budget the report's settings do no harm beside DCGAN's.",
        },
    ),
    "cured": Reading(
        cured,
        {
            "whole": "Under the report's settings samples have a diversity of {report.diversity} (test images: 1) and "
            "an FCD of {report.fcd}; under DCGAN's a diversity of {dcgan.diversity}.",
            "remedied": "After half of the steps it is {report_few_epochs.diversity}, with an FCD of "
            "{report_few_epochs.fcd}. After as few at half the width it is {report_half_width.diversity}, with an FCD "
            "of {report_half_width.fcd}.",
            "no_collapse": "There was no collapse to cure.",
            "cured": "A remedy made samples as varied as DCGAN's, or nearly so, and brought them closer to real faces; "
            "what helped is {remedies:list}.",
            "helped": "Samples that are clearly more varied and closer to real faces came from {remedies:list}, but "
            "they are not as varied as DCGAN's.",
            "not_cured": "Neither of the two made samples clearly more varied and brought them closer to real faces, "
            "too.",
        },
        remedies,
    ),
    "strong_discriminator": Reading(
        strong_discriminator,
        {
            "thirds": "Under the report's settings, from the middle to the last third of training, G's loss goes from "
            "{report.g_loss_middle} to {report.g_loss_end} nats. D's lead, the mean logit of real images less that of "
            "fakes, goes from {report.d_lead_middle} to {report.d_lead_end}. The FCD was {report_few_epochs.fcd} "
            "after half of the steps and is {report.fcd} at the end.",
            "strong": "So G's loss rises while D gains, and the images did not get worse.",
            "worse": "So G's loss rises while D gains, but the images got worse, too.",
            "no_lead": "So G's loss rises, but D does not gain.",
            "level": "In G's loss that is a near-tie, so there is no rise to explain.",
            "falls": "So G's loss does not rise; it falls.",
        },
    ),
    "discussion": Reading(
        discussion,
        {
            "spread": "**Instability.** The same networks gave Fréchet distances from {smallest} to {largest} under "
            "three recipes, after the same number of images.",
            "broken": "These trainings ended early: {broken:list}.",
            "none_broken": "None of the trainings ended early.",
            "coverage": "\n\n**Mode collapse.** Coverage is the number to watch, {gan.coverage:.0%} of the test images "
            "for this course's recipe: a generator that draws few faces well has a good density and a poor coverage.",
        },
        extremes,
    ),
}


# Claims


CLAIMS = (
    Claim(
        "A GAN's images are sharper than a VAE's.",
        "C",
        READINGS["sharper"],
        {"sharper": HOLDS, "overdone": PARTLY, "tie": UNDECIDED, "softer": FAILS},
        shown=("04/gan.6",),
    ),
    Claim(
        "A GAN's loss says nothing about quality.",
        "C",
        READINGS["loss_and_quality"],
        {"nothing": HOLDS, "something": PARTLY, "as_usual": FAILS},
        shown=("04/gan.2",),
    ),
    Claim(
        "Two G steps for each D step keep D's loss from zero.",
        "C",
        READINGS["two_steps"],
        {"kept_up": HOLDS, "higher": PARTLY, "tie": UNDECIDED, "lower": FAILS, "zero": FAILS},
        shown=("04/gan.8",),
    ),
    Claim(
        "A VAE's samples are bald and less varied than a GAN's.",
        "C",
        READINGS["bald"],
        {"both": HOLDS, "varied_only": PARTLY, "hair_only": PARTLY, "undecided": UNDECIDED, "neither": FAILS},
        shown=("04/gan.6",),
    ),
    Claim(
        "WGAN-GP steadies the loss.",
        "C",
        READINGS["steadier"],
        {"by_both": HOLDS, "by_one": PARTLY, "undecided": UNDECIDED, "by_neither": FAILS},
        shown=("04/gan.5",),
    ),
    Claim(
        "Fewer epochs or fewer parameters cured the collapse.",
        "C",
        READINGS["cured"],
        {"cured": HOLDS, "helped": PARTLY, "no_collapse": UNDECIDED, "not_cured": FAILS},
        shown=("04/gan.8",),
    ),
    Claim(
        "G's loss rises at the end because D is strong.",
        "C",
        READINGS["strong_discriminator"],
        {"strong": HOLDS, "worse": PARTLY, "no_lead": PARTLY, "level": UNDECIDED, "falls": FAILS},
        shown=("04/gan.2", "04/gan.8"),
    ),
)

LAB = Lab(
    name="04_gan",
    title="GAN: faces from a game",
    question="What does a game between two networks draw that a likelihood does not, and what does it cost?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    readings=READINGS,
    claims=CLAIMS,
)
