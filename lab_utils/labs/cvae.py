"""Notebook 03: its settings, what it delivers and measures, and what is said of its numbers."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import (
    BEATEN,
    FAILS,
    HOLDS,
    PARTLY,
    UNDECIDED,
    UNSTATED,
    Budget,
    Check,
    Claim,
    Comparison,
    Deliverable,
    Lab,
    Metric,
    MissingValueError,
    Reading,
    Values,
    majority,
    named,
    sign,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 03."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule, the same for every model of the notebook
    mlp_steps: PositiveInt  # the 2-D MLP CVAE and, for a fair comparison, the VAE of its size
    encoder_steps: PositiveInt  # of the encoders of these two alone, afterwards
    z20_steps: PositiveInt
    evaluate_every: PositiveInt  # steps of the MLPs
    conv_steps: PositiveInt
    conv_evaluate_every: PositiveInt  # steps
    conv_batch_size: PositiveInt
    prior_steps: PositiveInt  # of the prior that is fitted to the codes of the convolutional model
    seeds: PositiveInt  # of the MLP CVAE with 20 dimensions: SEED and the next ones
    loss_steps: PositiveInt  # each arm of cross-entropy against squared error
    completion_steps: PositiveInt  # the completion CVAE and its deterministic baseline
    cas_steps: PositiveInt  # the judge's architecture trained on samples alone
    samples: PositiveInt  # digits generated for label consistency
    importance_samples: PositiveInt  # per test image, for the completion bound
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # batches between two points of the training curve


PROFILES = {
    "smoke": Settings(
        train_images=1000, test_images=400, batch_size=100, learning_rate=5e-3, mlp_steps=30, encoder_steps=10,
        z20_steps=10, evaluate_every=10, conv_steps=20, conv_evaluate_every=10, conv_batch_size=100, prior_steps=10,
        seeds=2, loss_steps=10, completion_steps=10, cas_steps=8, samples=200,
        importance_samples=10, checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=60_000, test_images=10_000, batch_size=250, learning_rate=5e-3, mlp_steps=5760,
        encoder_steps=2880, z20_steps=1440, evaluate_every=240, conv_steps=5250, conv_evaluate_every=750,
        conv_batch_size=80, prior_steps=1500, seeds=3, loss_steps=2250, completion_steps=960, cas_steps=960,
        samples=10_000, importance_samples=100, checkpoint_every=500, log_every=10,
    ),
    "long": Settings(
        train_images=60_000, test_images=10_000, batch_size=250, learning_rate=5e-3, mlp_steps=19_200,
        encoder_steps=14_400, z20_steps=4800, evaluate_every=480, conv_steps=15_000, conv_evaluate_every=1500,
        conv_batch_size=80, prior_steps=4000, seeds=3, loss_steps=4500, completion_steps=2880, cas_steps=1440,
        samples=10_000, importance_samples=100, checkpoint_every=500, log_every=10,
    ),
    "full": Settings(
        train_images=60_000, test_images=10_000, batch_size=250, learning_rate=5e-3, mlp_steps=12_000,
        encoder_steps=12_000, z20_steps=12_000, evaluate_every=240, conv_steps=37_500, conv_evaluate_every=750,
        conv_batch_size=80, prior_steps=6000, seeds=5, loss_steps=15_000, completion_steps=4800, cas_steps=3840,
        samples=10_000, importance_samples=100, checkpoint_every=2000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "cvae.1": Deliverable("Both architectures, layer by layer"),
    "cvae.2": Deliverable("How the label enters encoder and decoder"),
    "cvae.3": Deliverable(
        "Learning curves and the last three evaluations",
        ("cvae_mlp.train_loss", "cvae_mlp.test_loss", "cvae_conv.test_loss"),
        checks=(Check("cvae_mlp.test_loss", 127.52, 130.0, ("mnist",)),),
    ),
    "cvae.4": Deliverable(
        "Digits 0 to 9 on demand",
        ("cvae_conv.label_consistency", "cvae_label_prior.label_consistency", "cvae_label_prior.cas"),
        checks=(Check("cvae_label_prior.label_consistency", 0.95, 0.8),),
    ),
    "cvae.5": Deliverable(
        "Disentanglement grid: a row is one z (or one u), a column one label",
        ("cvae_conv.label_leakage", "cvae_label_prior.label_leakage", "cvae_label_prior.diversity"),
        checks=(
            Check("cvae_label_prior.label_leakage", 0.2, 0.5),
            Check("cvae_label_prior.diversity", 0.7, 0.4),
        ),
    ),
    "cvae.6": Deliverable("The 2-D latent plane for one label"),
    "cvae.7": Deliverable(
        "CVAE against VAE of the same size",
        ("cvae_mlp.test_loss", "vae_mlp.test_loss", "cvae_z20.test_loss", "vae_z20.test_loss"),
        checks=(Check("cvae_z20.test_loss", 105.0, 115.0, ("mnist",)),),
    ),
    "cvae.8": Deliverable(
        "What the loss does: cross-entropy against squared error",
        ("cross_entropy.sharpness_ratio", "squared_error.sharpness_ratio", "squared_error.test_mse"),
    ),
    "cvae.9": Deliverable(
        "Completion of a digit from one quarter",
        ("completion.nll_cvae", "completion.nll_baseline"),
        checks=(Check("completion.nll_cvae", 75.0, 90.0, ("mnist",)),),
    ),
    "cvae.10": Deliverable(
        "Discussion", ("cvae_label_prior.sharpness_ratio", "cvae_label_prior.fcd", "cvae_z20.loss_range")
    ),
}

# By metric, then by profile.
LABEL_PRIOR = {
    "test_loss": {"quick": 102.0, "long": 98.0, "full": 98.0},
    "label_consistency": {"quick": 0.97, "long": 0.985, "full": 0.985},
    "cas": {"quick": 0.9, "long": 0.9, "full": 0.9},
    "label_leakage": {"quick": 0.15, "long": 0.13, "full": 0.13},
    "diversity": {"quick": 0.7, "long": 0.75, "full": 0.75},
}


def metrics_of(model: str, title: str, targets: Mapping[str, Mapping[str, float]]) -> dict[str, Metric]:
    """What is measured of the convolutional model under one of its two priors."""
    read = "z" if model == "cvae_conv" else "u"
    found = {
        "test_loss": Metric("−ELBO on the test split", "nats/image", False),
        "kl": Metric("what the code costs on the test split (the rate)", "nats/image"),
        "label_consistency": Metric("samples in which the judge reads the wanted digit", "fraction", True),
        "cas": Metric(
            "accuracy on real test digits of a classifier trained on samples",
            "fraction",
            True,
        ),
        "label_leakage": Metric(
            f"accuracy of the better of two probes from {read} to the label (chance 0.1)",
            "fraction",
            False,
        ),
        "diversity": Metric(
            "mean distance within a label in the judge's features, samples over real",
            "ratio",
            True,
        ),
        "sharpness_ratio": Metric("variance of the Laplacian, samples over test digits", "ratio"),
        "fcd": Metric("Fréchet classifier distance of samples to test digits", "squared distance", False),
    }
    return named(model, title, {name: replace(one, targets=targets.get(name, {})) for name, one in found.items()})


METRICS = {
    "cvae_mlp.train_loss": Metric(
        "MLP CVAE, −ELBO on the training split",
        "nats/image",
        higher_is_better=False,
    ),
    "cvae_mlp.running_loss": Metric(
        "MLP CVAE, before its encoder goes on alone: mean training loss of the last stretch of steps",
        "nats/image",
        higher_is_better=False,
        reference=123.3,
        whence="report D, the mean over its last epoch",
    ),
    "cvae_mlp.test_loss": Metric(
        "MLP CVAE, −ELBO on the test split",
        "nats/image",
        higher_is_better=False,
        targets={"quick": 127.4, "long": 126.0, "full": 125.0},
        reference=127.52,
        whence="report D, 50 epochs, batch 100",
    ),
    "cvae_z20.test_loss": Metric(
        "MLP CVAE with 20 latent dimensions, −ELBO on the test split",
        "nats/image",
        higher_is_better=False,
        targets={"quick": 104.0, "long": 104.0, "full": 104.0},
    ),
    "vae_z20.test_loss": Metric(
        "VAE of the MLP CVAE's layers with 20 latent dimensions, −ELBO on the test split",
        "nats/image",
        higher_is_better=False,
        reference=105.6,
        whence="the common PyTorch VAE example (20 dimensions), 10 epochs",
    ),
    "cvae_z20.loss_range": Metric(
        "MLP CVAE with 20 latent dimensions: highest less lowest test −ELBO over seeds",
        "nats/image",
        higher_is_better=False,
    ),
    "cvae_z20.read_range": Metric(
        "MLP CVAE with 20 latent dimensions: highest less lowest share of samples read as wanted, over seeds",
        "fraction",
        higher_is_better=False,
    ),
    "cvae_mlp.information": Metric(
        "MLP CVAE: I(x; z | c), what z says of the image beyond its label, on the test split",
        "nats/image",
    ),
    "cvae_mlp.prior_gap": Metric(
        "MLP CVAE: E KL(q(z|c) ‖ p(z)), how far the codes of a label are from the prior, on the test split",
        "nats/image",
        higher_is_better=False,
    ),
    "vae_mlp.test_loss": Metric(
        "VAE of the MLP CVAE's size, −ELBO on the test split",
        "nats/image",
        higher_is_better=False,
    ),
    **metrics_of("cvae_conv", "Convolutional CVAE, z from N(0, I)", {}),
    **metrics_of("cvae_label_prior", "Convolutional CVAE, prior of the label", LABEL_PRIOR),
    "cvae_conv.image_energy_least": Metric(
        "First convolution: share of a filter's squared weights on the image, least (even: 0.091)",
        "fraction",
    ),
    "cvae_conv.image_energy_most": Metric(
        "First convolution: share of a filter's squared weights on the image, most (even: 0.091)",
        "fraction",
    ),
    "cvae_conv.label_filters": Metric(
        "Of the decoder's eleven filters, those with more than half of their response under one label",
        "filters",
    ),
    "cross_entropy.test_mse": Metric(
        "Trained on cross-entropy: squared error on test images, sampled z",
        "per pixel",
        higher_is_better=False,
    ),
    "cross_entropy.label_consistency": Metric(
        "Trained on cross-entropy: samples that the judge reads as wanted",
        "fraction",
        higher_is_better=True,
    ),
    "cross_entropy.sharpness_ratio": Metric(
        "Trained on cross-entropy: variance of the Laplacian, samples over test digits",
        "ratio",
    ),
    "squared_error.test_mse": Metric(
        "Trained on squared error: squared error on test images, sampled z",
        "per pixel",
        higher_is_better=False,
    ),
    "squared_error.label_consistency": Metric(
        "Trained on squared error: samples that the judge reads as wanted",
        "fraction",
        higher_is_better=True,
    ),
    "squared_error.sharpness_ratio": Metric(
        "Trained on squared error: variance of the Laplacian, samples over test digits",
        "ratio",
    ),
    "completion.nll_cvae": Metric(
        "Missing three quarters given one, CVAE, importance-weighted bound",
        "nats/image",
        higher_is_better=False,
    ),
    "completion.nll_baseline": Metric(
        "Missing three quarters given one, deterministic network",
        "nats/image",
        higher_is_better=False,
    ),
}

# Readings. What no metric holds comes from the page's notes, which are named where they are used.


def finite(v: Values, name: str) -> Any:
    """A note of several numbers, by arm. MissingValueError if one of them is not finite."""
    if None in v[name].values():
        raise MissingValueError(name)
    return v[name]


REPORT_D = 127.52  # nats/image on MNIST's 10,000 test digits, after 50 epochs
RUNNING_D = 123.3  # nats/image, the mean of the training loss over the last of them


def rule_refined(v: Values) -> list[str]:
    """Notes: ``test_before`` and ``train_before``, the losses before the encoder went on alone."""
    gain = v["test_before"] - v["cvae_mlp.test_loss"]
    return ["losses", "falls" if gain > 0.05 else "rises" if gain < -0.05 else "stays"]


REFINED = Reading(
    rule_refined,
    {
        "losses": "In {encoder_steps:plural step} of the encoder alone the loss on test images goes from "
        "{test_before:.2f} to {cvae_mlp.test_loss:.2f}, that on training images from {train_before:.2f} to "
        "{cvae_mlp.train_loss:.2f}.",
        "falls": "The decoder is the same, so that {gain:.2f} nats of what the test loss was lay in the inference "
        "alone.",
        "stays": "So the encoder was as good as so many steps make it.",
        "rises": "So moved digits did not help this encoder with new ones.",
    },
    lambda v: {"gain": v["test_before"] - v["cvae_mlp.test_loss"]},
)


def rule_test_loss(v: Values) -> list[str]:
    below = REPORT_D - v["cvae_mlp.test_loss"]
    return ["near" if abs(below) <= 1 else "below" if below > 0 else "above", "gap"]


TEST_LOSS = Reading(
    rule_test_loss,
    {
        "near": "On test images the negative ELBO is {cvae_mlp.test_loss} nats/image, a near-tie with report D's "
        "{report_d}.",
        "below": "On test images the negative ELBO is {cvae_mlp.test_loss} nats/image, below report D's {report_d}.",
        "above": "On test images the negative ELBO is {cvae_mlp.test_loss} nats/image, above report D's {report_d}.",
        "gap": "The gap to the training loss, with the same weights on the whole training split, is {gap:.2f}; report "
        "D has one of 4.22 and does not discuss it.",
    },
    lambda v: {"report_d": REPORT_D, "gap": v["cvae_mlp.test_loss"] - v["cvae_mlp.train_loss"]},
)


def rule_fit(v: Values) -> list[str]:
    """Notes: ``digits``, where they come from; ``test_rises``, how often the test loss rose; ``grey_floor``, nats."""
    gap = v["cvae_mlp.test_loss"] - v["cvae_mlp.train_loss"]
    yardstick = v["digits"] == "mnist" and v["cvae_mlp.test_loss.n"] == 10_000
    return [
        "apart" if gap > 1 else "close",
        *(["rose" if v["test_rises"] else "never_rose"] if v["mlp_steps"] > v["evaluate_every"] else []),
        "floor",
        "yardstick" if yardstick else "no_yardstick",
    ]


FIT = Reading(
    rule_fit,
    {
        "apart": "The model explains training images better than new ones: part of what it learnt may be about them "
        "alone.",
        "close": "Training images are explained hardly better than new ones.",
        "rose": "From one evaluation to the next the test loss rose {test_rises:plural time}; a rise that lasts would "
        "say that the model trains too long.",
        "never_rose": "The test loss did not rise from any evaluation to the next: the model does not train too long.",
        "floor": "Grey targets cost {grey_floor:.1f} nats/image even where every pixel is met exactly, so that what a "
        "model can be better or worse in is the {excess:.1f} above that.",
        "yardstick": "Report D trained for 30,000 steps, this model for {mlp_steps:,} and its encoder for "
        "{encoder_steps:,} more; both losses are of the same test images. The interval from "
        "{cvae_mlp.test_loss.low:.1f} to {cvae_mlp.test_loss.high:.1f} says how far another test set could differ.",
        "no_yardstick": "Report D's figures are of MNIST's 10,000 test digits. These are of "
        "{cvae_mlp.test_loss.n:plural image}, so that the two cannot be compared.",
    },
    lambda v: {"excess": v["cvae_mlp.test_loss"] - v["grey_floor"]},
)


def rule_eleven_filters(v: Values) -> list[str]:
    found = v["cvae_conv.label_filters"]
    return ["channels", "ten" if found >= 10 else "some" if found > 1 else "one" if found == 1 else "none"]


ELEVEN_FILTERS = Reading(
    rule_eleven_filters,
    {
        "channels": "Eleven are the channels that the encoder's first convolution sees. Each of its filters reaches "
        "over all of them and has {cvae_conv.image_energy_least:.0%} to {cvae_conv.image_energy_most:.0%} of its "
        "squared weights on the image, where an even spread would put 9%.",
        "ten": "Of the decoder's eleven filters {cvae_conv.label_filters} answer mostly to one label, as a filter for "
        "each label would.",
        "some": "Of the decoder's eleven filters {cvae_conv.label_filters} answer mostly to one label, where one for "
        "each label would make ten.",
        "one": "Of the decoder's eleven filters {cvae_conv.label_filters} answers mostly to one label, where one for "
        "each label would make ten.",
        "none": "None of the decoder's eleven filters answers mostly to one label, where one for each label would make "
        "ten.",
    },
)


def rule_own(v: Values) -> list[str]:
    """Notes: ``judge_accuracy`` on real test digits, and ``judge_majority``, the share of their most frequent label."""
    unread = v["cvae_conv.label_leakage"] < v["judge_majority"] + 0.05
    return [
        "judge",
        *(["mistrusted"] if v["judge_accuracy"] < 0.9 else []),
        "controls" if v["cvae_conv.label_consistency"] >= 0.95 else "does_not_control",
        "probe",
        "unread" if unread else "read",
    ]


OWN = Reading(
    rule_own,
    {
        "judge": "The judge reads {judge_accuracy:.1%} of the real test digits correctly; always naming the most "
        "frequent label would be right in {judge_majority:.1%}.",
        "mistrusted": "A judge that errs so often says little about samples.",
        "controls": "Of {samples:,} samples with z from N(0, I) it reads the wanted digit in "
        "{cvae_conv.label_consistency:.1%}: what is asked for is drawn.",
        "does_not_control": "Of {samples:,} samples with z from N(0, I) it reads the wanted digit in "
        "{cvae_conv.label_consistency:.1%}: what is asked for is not reliably drawn.",
        "probe": "From z the better of two probes names the label of {cvae_conv.label_leakage:.1%} of the test images.",
        "unread": "So next to nothing of the label is left in z.",
        "read": "So z repeats what the label has said already. The two findings are one: where a digit's codes lie "
        "depends on its label, so that a z from N(0, I) may be one that the decoder never met under the wanted label.",
    },
)


def rule_priors(v: Values) -> list[str]:
    own, fitted = (v[f"{model}.label_consistency"] for model in ("cvae_conv", "cvae_label_prior"))
    unread = v["cvae_label_prior.label_leakage"] < v["judge_majority"] + 0.05
    return [
        "rates",
        "better" if fitted > own + 0.01 else "no_better",
        "cheaper" if v["cvae_label_prior.test_loss"] < v["cvae_conv.test_loss"] else "dearer",
        "unread" if unread else "read",
    ]


PRIORS = Reading(
    rule_priors,
    {
        "rates": "A test image's code costs {cvae_conv.kl:.1f} nats under N(0, I) and {cvae_label_prior.kl:.1f} under "
        "the prior of its label. So I(x; z | c) is at most {cvae_label_prior.kl:.1f} nats, and E KL(q(z|c) ‖ p(z)) at "
        "least {saved:.1f}: so much was paid for codes that lie elsewhere than N(0, I) puts them.",
        "better": "\n\nOf {samples:,} samples the judge now reads the wanted digit in "
        "{cvae_label_prior.label_consistency:.1%}, against {cvae_conv.label_consistency:.1%}, with the very same "
        "network.",
        "no_better": "\n\nOf {samples:,} samples the judge now reads the wanted digit in "
        "{cvae_label_prior.label_consistency:.1%}, not clearly more than {cvae_conv.label_consistency:.1%}.",
        "cheaper": "The negative ELBO falls from {cvae_conv.test_loss:.1f} to {cvae_label_prior.test_loss:.1f} "
        "nats/image.",
        "dearer": "The negative ELBO does not fall: it is {cvae_conv.test_loss:.1f} and "
        "{cvae_label_prior.test_loss:.1f} "
        "nats/image.",
        "unread": "From u a probe names the label of {cvae_label_prior.label_leakage:.1%} of the test images, where "
        "guessing is right in {judge_majority:.1%}: u holds next to nothing of it.",
        "read": "From u a probe still names the label of {cvae_label_prior.label_leakage:.1%} of the test images.",
    },
    lambda v: {"saved": v["cvae_conv.kl"] - v["cvae_label_prior.kl"]},
)


def rule_control(v: Values) -> list[str]:
    diversity = v["cvae_label_prior.diversity"]
    return [
        "fewer" if v["cvae_label_prior.cas"] < v["judge_accuracy"] - 0.02 else "as_many",
        "alike" if diversity < 0.95 else "varied" if diversity < 1.05 else "more_varied",
    ]


CONTROL = Reading(
    rule_control,
    {
        "fewer": "A classifier trained on samples alone reads {cvae_label_prior.cas:.1%} of the real test digits "
        "({cvae_conv.cas:.1%} if they are drawn from N(0, I)), fewer than the judge, which learnt from real ones: "
        "something of real handwriting is missing in the samples.",
        "as_many": "A classifier trained on samples alone reads {cvae_label_prior.cas:.1%} of the real test digits "
        "({cvae_conv.cas:.1%} if they are drawn from N(0, I)), about as many as the judge, which learnt from real "
        "ones.",
        "alike": "Two samples of one label are {cvae_label_prior.diversity:.2f} times as far apart as two real digits "
        "of it, in the judge's features: the decoder's means are more alike than real handwriting.",
        "varied": "Two samples of one label are {cvae_label_prior.diversity:.2f} times as far apart as two real digits "
        "of it, in the judge's features: about as varied as real handwriting.",
        "more_varied": "Two samples of one label are {cvae_label_prior.diversity:.2f} times as far apart as two real "
        "digits of it, in the judge's features: more varied than real handwriting.",
    },
)


def rule_information(v: Values) -> list[str]:
    return ["split", "mostly" if v["cvae_mlp.prior_gap"] < 0.1 * v["cvae_mlp.information"] else "partly"]


INFORMATION = Reading(
    rule_information,
    {
        "split": "Of the {total:.2f} nats/image that the code of a test image costs here, {cvae_mlp.information:.2f} "
        "are "
        "I(x; z | c), what z says of the image beyond its label, and {cvae_mlp.prior_gap:.2f} are E KL(q(z|c) ‖ p(z)).",
        "mostly": "The codes of every label fill the prior: hardly anything is paid for a place that the label "
        "foretells.",
        "partly": "So part of the price is for places that the label alone foretells.",
    },
    lambda v: {"total": v["cvae_mlp.information"] + v["cvae_mlp.prior_gap"]},
)


def rule_plane(v: Values) -> list[str]:
    """Notes: ``plane_label``; ``plane_read``, how many of its images the judge reads as that; ``plane_leakage``."""
    if v["plane_read"] <= 0.9:
        return ["probe", "not_drawn"]
    return ["probe", "drawn", "hardly" if v["plane_leakage"] < v["judge_majority"] + 0.1 else "still"]


PLANE = Reading(
    rule_plane,
    {
        "probe": "From these two dimensions a probe names the label of {plane_leakage:.1%} of the test images, "
        "against {judge_majority:.1%} by guessing.",
        "not_drawn": "The judge reads a {plane_label} in {plane_read:.1%} of the images on the plane: at this budget "
        "what is asked for is not reliably drawn.",
        "drawn": "The judge reads a {plane_label} in {plane_read:.1%} of the images on the plane.",
        "hardly": "So a place on the plane says how the digit is written, and hardly which digit it is.",
        "still": "So a place on the plane still says something of which digit it is.",
    },
)


def rule_label_worth(v: Values) -> list[str]:
    worth = v["vae_mlp.test_loss"] - v["cvae_mlp.test_loss"]
    return [
        "told",
        "more" if worth > 4 else "less",
        "lower" if v["cvae_z20.test_loss"] < v["cvae_mlp.test_loss"] - 5 else "not_lower",
        "example",
    ]


LABEL_WORTH = Reading(
    rule_label_worth,
    {
        "told": "With two dimensions the negative ELBO on test images is {cvae_mlp.test_loss} nats/image if the label "
        "is told and {vae_mlp.test_loss} if it is not.",
        "more": "So the label is worth {worth:.2f} nats, more than the ln 10 = {ln10:.2f} that naming one of ten "
        "digits costs: dimensions that need not hold the digit are free to hold its handwriting.",
        "less": "So the label is worth {worth:.2f} nats at this budget; naming one of ten digits costs "
        "ln 10 = {ln10:.2f}.",
        "lower": "With twenty dimensions the CVAE reaches {cvae_z20.test_loss}: much of what is left to explain at two "
        "is the price of so small a z, not of the VAE.",
        "not_lower": "With twenty dimensions the CVAE reaches {cvae_z20.test_loss}, not clearly less, at this budget.",
        "example": "Without the label, and with twenty dimensions, this network reaches {vae_z20.test_loss}; "
        "PyTorch's own "
        "example of a VAE, which has as many, is commonly found at about 105.6 after ten epochs.",
    },
    lambda v: {"worth": v["vae_mlp.test_loss"] - v["cvae_mlp.test_loss"], "ln10": math.log(10)},
)


MEASURES = {  # of squared error against cross-entropy
    "the sharpness of samples": "sharpness_ratio",
    "what the judge reads": "label_consistency",
    "the error on test images": "test_mse",
}


def worse(v: Values) -> dict[str, int]:
    """By measure: 1 if squared error is worse than cross-entropy, −1 if better, 0 for a near-tie."""
    sharp, read, error = ((v[f"squared_error.{name}"], v[f"cross_entropy.{name}"]) for name in MEASURES.values())
    off = abs(1 - sharp[0]) - abs(1 - sharp[1])
    signs = sign(off, 0.02), sign(read[1] - read[0], 0.01), sign(error[0] - error[1], 0.02 * error[1])
    return dict(zip(MEASURES, signs, strict=True))


def rule_squared_error(v: Values) -> list[str]:
    signs = [*worse(v).values()]
    verdict = {HOLDS: "worse", PARTLY: "mixed", FAILS: "better", UNDECIDED: "even"}[majority(signs)]
    return ["sharpness", "reading", "error", *(["ties"] if 0 in signs else []), verdict]


def by_sign(v: Values) -> dict[str, Any]:
    found = worse(v)
    kinds = {"tied": 0, "worse": 1, "better": -1}
    return {kind: [name for name, one in found.items() if one == value] for kind, value in kinds.items()}


SQUARED_ERROR = Reading(
    rule_squared_error,
    {
        "sharpness": "Samples of the model trained on squared error have {squared_error.sharpness_ratio} of the "
        "sharpness of real digits, those of the model trained on cross-entropy {cross_entropy.sharpness_ratio}.",
        "reading": "The judge reads {squared_error.label_consistency:.1%} and {cross_entropy.label_consistency:.1%} of "
        "them as wanted.",
        "error": "The squared error on test images is {squared_error.test_mse} and {cross_entropy.test_mse} per pixel.",
        "ties": "Near-ties: {tied:list}.",
        "worse": "So squared error is worse than cross-entropy in {worse:list}.",
        "mixed": "So squared error is worse than cross-entropy in {worse:list}, and better in {better:list}.",
        "better": "So squared error is better than cross-entropy in {better:list}, and worse in nothing.",
        "even": "So the two do not clearly differ.",
    },
    by_sign,
)


def rule_noise(v: Values) -> list[str]:
    """Notes, by arm: ``mse`` per pixel, ``kl`` in nats/image, both on test images, and ``read``, samples as wanted."""
    mse, kl, read = (finite(v, name) for name in ("mse", "kl", "read"))
    by_error = sorted(mse, key=mse.get)
    expected = by_error == ["gaussian", "cross_entropy", "squared_error"] and min(kl, key=kl.get) == "squared_error"
    opposed = sorted(kl, key=kl.get) == sorted(read, key=read.get, reverse=True)
    return ["noise" if expected else "no_order", *(["opposed"] if opposed else [])]


NOISE = Reading(
    rule_noise,
    {
        "noise": "It is not the square that reconstructs worse. Under the noise that plain squared error implies, "
        "z carries {plain_kl:.1f} nats/image, the least of the three; with the best σ² it carries {best_kl:.1f}, "
        "and the error, {best_mse}, is the lowest of the three.",
        "no_order": "At this budget the three do not come in the expected order: under plain squared error the least "
        "in z and the highest error, under the best σ² the lowest.",
        "opposed": "The fewer nats z carries, the more samples are read as wanted: a z from the prior is then closer "
        "to what the decoder was trained on, and the label has more to say. Reconstruction and sampling pull in "
        "opposite directions.",
    },
    lambda v: {"plain_kl": v["kl"]["squared_error"], "best_kl": v["kl"]["gaussian"], "best_mse": v["mse"]["gaussian"]},
)


def rule_completion(v: Values) -> list[str]:
    return ["cost", "better" if v["completion.nll_cvae"] < v["completion.nll_baseline"] else "not_better"]


COMPLETION = Reading(
    rule_completion,
    {
        "cost": "The missing pixels cost {completion.nll_baseline} nats/image under the deterministic network and at "
        "most {completion.nll_cvae} under the CVAE, by a bound with {importance_samples:plural sample} of z.",
        "better": "The CVAE explains them better: it may commit itself to one of several plausible digits where the "
        "deterministic network has to average them.",
        "not_better": "At this budget the bound does not show that the CVAE explains them better.",
    },
)


def rule_discussion(v: Values) -> list[str]:
    sharpness = v["cvae_label_prior.sharpness_ratio"]
    return ["spread", "blurred" if sharpness < 0.9 else "sharp" if sharpness <= 1.1 else "noisy"]


DISCUSSION = Reading(
    rule_discussion,
    {
        "spread": "**Stability.** Trained from {seeds:plural seed}, the MLP CVAE with twenty dimensions ends within "
        "{cvae_z20.loss_range:.2f} nats/image of test loss, and within {cvae_z20.read_range:.1%} of samples that are "
        "read as wanted.",
        "blurred": "\n\n**Blur.** The convolutional model's samples have {cvae_label_prior.sharpness_ratio:.2f} times "
        "the variance of the Laplacian of real digits: the decoder draws means, and a mean over plausible strokes is "
        "grey.",
        "sharp": "\n\n**Blur.** The convolutional model's samples have {cvae_label_prior.sharpness_ratio:.2f} times "
        "the "
        "variance of the Laplacian of real digits: they are about as sharp.",
        "noisy": "\n\n**Blur.** The convolutional model's samples have {cvae_label_prior.sharpness_ratio:.2f} times "
        "the "
        "variance of the Laplacian of real digits: more than blur allows, so that noise is likely.",
    },
)

READINGS = {
    "refined": REFINED,
    "test_loss": TEST_LOSS,
    "fit": FIT,
    "eleven_filters": ELEVEN_FILTERS,
    "own": OWN,
    "priors": PRIORS,
    "control": CONTROL,
    "information": INFORMATION,
    "plane": PLANE,
    "label_worth": LABEL_WORTH,
    "squared_error": SQUARED_ERROR,
    "noise": NOISE,
    "completion": COMPLETION,
    "discussion": DISCUSSION,
}


# Claims


def rule_stable_but_blurry(v: Values) -> list[str]:
    blurry = v["cvae_conv.sharpness_ratio"] < 0.9 * min(1, v["06/infogan_digits.sharpness_ratio"])
    return ["sharpness", "blurry" if blurry else "not_blurry", "spread"]


STABLE_BUT_BLURRY = Reading(  # needs notebook 06, so that the index alone shows it
    rule_stable_but_blurry,
    {
        "sharpness": "Samples of the convolutional CVAE have {cvae_conv.sharpness_ratio} of the sharpness of real "
        "digits, InfoGAN's {06/infogan_digits.sharpness_ratio}.",
        "blurry": "So the CVAE is blurrier.",
        "not_blurry": "So the CVAE is not clearly blurrier.",
        "spread": "Stability is not decided: from one seed to another the test loss of the MLP CVAE with twenty "
        "dimensions differs by {cvae_z20.loss_range:.2f} nats/image at most, and a game has no such loss.",
    },
)


def rule_running_loss(v: Values) -> list[str]:
    below = RUNNING_D - v["cvae_mlp.running_loss"]
    return ["near" if abs(below) <= 1 else "below" if below > 0 else "above"]


RUNNING_LOSS = Reading(
    rule_running_loss,
    {
        "near": "The mean training loss of the last stretch of steps is {cvae_mlp.running_loss} nats/image, a near-tie "
        "with report D's {report_d}.",
        "below": "The mean training loss of the last stretch of steps is {cvae_mlp.running_loss} nats/image, below "
        "report D's {report_d}.",
        "above": "The mean training loss of the last stretch of steps is {cvae_mlp.running_loss} nats/image, above "
        "report D's {report_d}.",
    },
    lambda v: {"report_d": RUNNING_D},
)


def rule_obeyed(v: Values) -> list[str]:
    read = v["cvae_conv.label_consistency"]
    return ["read", "obeyed" if read >= 0.9 else "partly" if read >= 0.5 else "ignored"]


OBEYED = Reading(
    rule_obeyed,
    {
        "read": "With the reports' own loss and z from N(0, I) the judge reads the wanted digit in "
        "{cvae_conv.label_consistency:.1%} of samples.",
        "obeyed": "So the condition decides the digit.",
        "partly": "So the condition decides the digit more often than not, and far from always.",
        "ignored": "So the condition does not decide the digit.",
    },
)


def rule_disentangled(v: Values) -> list[str]:
    leak = v["cvae_conv.label_leakage"]
    return ["leak", "free" if leak <= 0.2 else "part" if leak <= 0.5 else "entangled"]


DISENTANGLED = Reading(
    rule_disentangled,
    {
        "leak": "A classifier reads the label from z alone in {cvae_conv.label_leakage:.1%} of test images, where "
        "chance is 10 %; in a disentangled z it could not.",
        "free": "So z is nearly free of the label.",
        "part": "So z keeps a part of the label.",
        "entangled": "So z keeps most of the label, and a grid does not show that.",
    },
)


def rule_fills(v: Values) -> list[str]:
    ahead = sign(v["completion.nll_baseline"] - v["completion.nll_cvae"], 0.01 * v["completion.nll_baseline"])
    return ["levels", {1: "better", 0: "tie", -1: "worse"}[ahead]]


FILLS = Reading(
    rule_fills,
    {
        "levels": "Given one quarter of a digit, the rest costs a CVAE at most {completion.nll_cvae} nats/image and "
        "a network that gives one answer {completion.nll_baseline}.",
        "better": "So a CVAE fills the hole, and does it better than one answer can.",
        "tie": "That is a near-tie.",
        "worse": "So one answer fills the hole better.",
    },
)

TOLD = Reading(
    lambda v: [
        "read",
        "told" if v["cvae_label_prior.label_consistency"] >= 0.9 else "partly" if both_told(v) else "not",
    ],
    {
        "read": "A VAE has no place for a wish: of ten labels it would meet one in ten by chance. The CVAE meets it in "
        "{cvae_conv.label_consistency:.1%} of samples with z from N(0, I), and in "
        "{cvae_label_prior.label_consistency:.1%} by way of the prior of the label.",
        "told": "So it can be told, and does what it is told.",
        "partly": "So it can be told, and often does it.",
        "not": "So telling it does not help.",
    },
)


def both_told(v: Values) -> bool:
    return min(v["cvae_conv.label_consistency"], v["cvae_label_prior.label_consistency"]) >= 0.5


CLAIMS = (
    Claim(
        "The CVAE's test loss is 127.5 nats/image.",
        "D",
        "MLP CVAE with two dimensions, results",
        "the same, with an encoder that was trained on",
        TEST_LOSS,
        {"near": HOLDS, "below": BEATEN, "above": FAILS},
        ("03/cvae.3",),
        Budget(30_000, 100, "50 epochs of 600 batches", "mlp_steps"),
        figures_of="mnist",
        test_images=10_000,
    ),
    Claim(
        "A CVAE is much more stable than InfoGAN, and a little blurry.",
        "B",
        "convolutional CVAE, discussion",
        "this course's convolutional CVAE and notebook 06's InfoGAN on digits",
        STABLE_BUT_BLURRY,
        {"blurry": PARTLY, "not_blurry": FAILS},
        ("03/cvae.10", "06/infogan.7"),
        UNSTATED,
    ),
    Claim(
        "Squared error makes the pictures worse than cross-entropy does.",
        "A",
        "convolutional CVAE, discussion (of the “optimisation function”)",
        "this course's convolutional CVAE, whose encoder sees the label, too, with either loss",
        SQUARED_ERROR,
        {"worse": HOLDS, "mixed": PARTLY, "better": FAILS, "even": UNDECIDED},
        ("03/cvae.8",),
        UNSTATED,
    ),
    Claim(
        "Of the eleven filters one is the image and ten take care of the labels.",
        "A",
        "convolutional CVAE, implementation (offered as a guess)",
        "this course's convolutional CVAE, whose encoder sees the label, too",
        ELEVEN_FILTERS,
        {"ten": HOLDS, "some": PARTLY, "one": PARTLY, "none": FAILS},
        ("03/cvae.2",),
        UNSTATED,
    ),
    Claim(
        "The mean training loss of the last epoch is 123.3 nats/image.",
        "D",
        "MLP CVAE with two dimensions, results",
        "the same, before its encoder goes on alone",
        RUNNING_LOSS,
        {"near": HOLDS, "below": BEATEN, "above": FAILS},
        ("03/cvae.3",),
        Budget(30_000, 100, "50 epochs of 600 batches", "mlp_steps"),
        figures_of="mnist",
        test_images=10_000,
    ),
    Claim(
        "A CVAE can fill holes in an image.",
        "D",
        "CVAE, motivation",
        "the MLP CVAE that is given one quarter of a digit",
        FILLS,
        {"better": HOLDS, "tie": UNDECIDED, "worse": FAILS},
        ("03/cvae.9",),
        UNSTATED,
    ),
    Claim(
        "Filling the condition with a digit draws that digit.",
        "A",
        "convolutional CVAE, results",
        "this course's convolutional CVAE, whose encoder sees the label, too; β = 1 and z from N(0, I)",
        OBEYED,
        {"obeyed": HOLDS, "partly": PARTLY, "ignored": FAILS},
        ("03/cvae.4", "03/cvae.5"),
        UNSTATED,
    ),
    Claim(
        "A grid of noise against label shows that the representation is disentangled.",
        "B",
        "convolutional CVAE, results",
        "this course's convolutional CVAE, β = 1 and z from N(0, I)",
        DISENTANGLED,
        {"free": HOLDS, "part": PARTLY, "entangled": FAILS},
        ("03/cvae.5",),
        UNSTATED,
    ),
    Claim(
        "A VAE cannot be told what to draw, a CVAE can.",
        "D",
        "CVAE, motivation",
        "this course's convolutional CVAE",
        TOLD,
        {"told": HOLDS, "partly": PARTLY, "not": FAILS},
        ("03/cvae.4", "03/cvae.7"),
        UNSTATED,
    ),
)

CVAE, INFOGAN = "03_cvae_disentanglement", "06_infogan"

COMPARISONS = {  # shown here and by notebook 06
    "cvae_infogan": Comparison(
        "digits",
        {
            "control: samples in which the judge reads the wanted digit": {
                CVAE: "cvae_label_prior.label_consistency",
                INFOGAN: "infogan_digits.label_consistency",
            },
            "sharpness, variance of the Laplacian over real": {
                CVAE: "cvae_label_prior.sharpness_ratio",
                INFOGAN: "infogan_digits.sharpness_ratio",
            },
            "distance to test digits, FCD": {CVAE: "cvae_label_prior.fcd", INFOGAN: "infogan_digits.fcd"},
        },
    )
}


FINDING = Reading(
    lambda v: ["drawn", "leak"],
    {
        "drawn": "With a prior for each label, and no weight on any term, the CVAE draws the wanted digit in "
        "{cvae_label_prior.label_consistency:.1%} of samples, where from N(0, I) it is "
        "{cvae_conv.label_consistency:.1%}.",
        "leak": "A classifier reads the label from its noise in {cvae_label_prior.label_leakage:.1%} (one in ten would "
        "be chance).",
    },
)

LAB = Lab(
    name="03_cvae_disentanglement",
    title="CVAE: digits on demand",
    question="What does a variational autoencoder keep in z once it is told the label?",
    data=("digits",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
    comparisons=COMPARISONS,
)
