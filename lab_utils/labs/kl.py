"""Notebook 02: its settings, what it delivers and measures, and what is said of its numbers."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    PARTLY,
    PHOTOGRAPHS,
    REAL_FACES,
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
    always,
    named,
    sign,
)

# The weights of the KL term that report E compares, in the order of the pages; ``sweep`` below is another matter.
# Metrics, readings and claims name them (``beta100.mse``): who changes one here changes it there.
WEIGHTS = (1.0, 100.0, 0.0)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 02."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    latent: PositiveInt
    width: PositiveInt  # channels of the first convolution
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule
    steps: PositiveInt  # of each weight
    evaluate_every: PositiveInt  # steps
    sweep: tuple[PositiveFloat, ...]  # weights, rising, each from its linear optimum
    sweep_rate: PositiveFloat  # peak of their one-cycle schedule
    sweep_steps: Annotated[int, Field(ge=2)]  # of each of them
    toy_points: PositiveInt
    toy_steps: PositiveInt  # of each weight
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # batches between two points of the training curve


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, latent=50, width=8, batch_size=50, learning_rate=2e-3,
        steps=24, evaluate_every=8, sweep=(0.005, 100.0), sweep_rate=1e-3, sweep_steps=20, toy_points=200, toy_steps=20,
        checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, latent=50, width=16, batch_size=100,
        learning_rate=3e-3, steps=468, evaluate_every=117, sweep=(0.005, 0.1, 1.0, 10.0, 100.0), sweep_rate=1e-3,
        sweep_steps=240, toy_points=2000, toy_steps=1500, checkpoint_every=100, log_every=10,
    ),
    "long": Settings(
        train_images=12_000, test_images=10_000, latent=50, width=16, batch_size=100,
        learning_rate=3e-3, steps=4000, evaluate_every=400, sweep=(0.005, 0.03, 0.2, 1.0, 5.0, 25.0, 100.0),
        sweep_rate=1e-3, sweep_steps=300, toy_points=2000, toy_steps=3000, checkpoint_every=100, log_every=10,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, latent=50, width=64, batch_size=100,
        learning_rate=1e-4, steps=40_000, evaluate_every=400, sweep=(0.005, 0.03, 0.2, 1.0, 5.0, 25.0, 100.0),
        sweep_rate=1e-3, sweep_steps=4000, toy_points=2000, toy_steps=3000, checkpoint_every=2000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "kl.1": Deliverable("Pre-processing, architecture and settings"),
    "kl.2": Deliverable(
        "For each weight: the objective and the true −ELBO", ("beta0.neg_elbo", "beta1.neg_elbo", "beta100.neg_elbo")
    ),
    "kl.3": Deliverable(
        "For each weight: reconstructions early, midway and at the end",
        ("beta0.mse", "beta1.mse", "beta100.mse", "beta0.chroma_ratio", "beta1.chroma_ratio"),
    ),
    "kl.4": Deliverable(
        "For each weight: images from the prior",
        ("beta0.prior_fcd", "beta1.prior_fcd", "beta100.prior_fcd"),
        checks=(Check("beta1.prior_faces_found", 0.9, 0.5, PHOTOGRAPHS),),
    ),
    "kl.5": Deliverable("For each weight: interpolation between two test images"),
    "kl.6": Deliverable(
        "The weights side by side: rate, distortion, active units, posterior",
        (
            "beta0.kl",
            "beta1.kl",
            "beta100.kl",
            "beta0.active_units",
            "beta1.active_units",
            "beta100.active_units",
            "sweep100.kl",
            "sweep100.active_units",
            "sweep100.kl_change",
        ),
        checks=(Check("sweep100.kl_change", 0.1, 0.5),),
    ),
    "kl.7": Deliverable(
        "Weight 0: the prior against a fitted Gaussian",
        ("beta0.prior_fcd", "beta0.fitted_fcd", "beta0.prior_faces_found", "beta0.fitted_faces_found"),
        checks=(Check("beta0.fitted_faces_found", 0.9, 0.5, PHOTOGRAPHS),),
    ),
    "kl.8": Deliverable("Discussion of the KL term"),
}


FEW = dict.fromkeys(("quick", "long", "full"), 2)  # directions in use at weight 100, at most


def metrics_of(weight: str, *, most_units: Mapping[str, float]) -> dict[str, Metric]:
    """The metrics of one weight; ``most_units`` bounds the dimensions in use."""
    nats = "nats/image"
    found = {
        "recon": Metric("½‖x − x̂‖² on test images, without the constant", nats, False),
        "kl": Metric("KL term on test images (the rate)", nats),
        "neg_elbo": Metric("−ELBO on test images, without the constant", nats, False),
        "mse": Metric("mean squared error at z = μ, pixels in [0, 1]", "per pixel", False),
        "mse_early": Metric(
            "mean squared error at z = μ of 64 test images after a tenth of the training",
            "per pixel",
            False,
        ),
        "mse_midway": Metric(
            "mean squared error at z = μ of 64 test images after half of the training",
            "per pixel",
            False,
        ),
        "loss_rises": Metric(
            "rises in all movement of the objective, over twenty stretches (0: it only fell)",
            "fraction",
            False,
        ),
        "prior_sharpness_ratio": Metric("variance of the Laplacian of prior samples over that of test images", "ratio"),
        "prior_chroma_ratio": Metric("depth of colour of prior samples over that of test images", "ratio"),
        "prior_variety": Metric(
            "pixel distance between two prior samples over that between two test images",
            "ratio",
        ),
        "active_units": Metric(
            "directions of the latent space in use, eigenvalues of Cov(μ) above 0.01",
            "directions",
            higher_is_better=False if most_units else None,
            targets=most_units,
        ),
        "prior_fcd": Metric("FCD of prior samples to test images", "squared distance", False),
        "fitted_fcd": Metric("FCD of samples from a Gaussian fitted to z, to test images", "squared distance", False),
        "prior_faces_found": Metric("prior samples in which a detector finds a face", "fraction", True),
        "fitted_faces_found": Metric(
            "samples from a Gaussian fitted to z in which a detector finds a face",
            "fraction",
            True,
        ),
        "prior_mmd": Metric("MMD² between z of test images and the prior", "squared MMD", False),
        "sharpness_ratio": Metric("variance of the Laplacian, reconstructions over test images", "ratio"),
        "chroma_ratio": Metric(
            "chroma (largest less smallest of red, green, blue), reconstructions over test images",
            "ratio",
        ),
    }
    return named(f"beta{weight}", f"KL weight {weight}", found)


METRICS = {
    **metrics_of("0", most_units={}),
    **metrics_of("1", most_units={}),
    **metrics_of("100", most_units=FEW),
    "sweep100.kl": Metric(
        "KL weight 100 from its linear optimum: KL term on test images (the rate)",
        "nats/image",
    ),
    "sweep100.active_units": Metric(
        "KL weight 100 from its linear optimum: directions in use, eigenvalues of Cov(μ) above 0.01",
        "directions",
        higher_is_better=False,
        targets=FEW,
    ),
    "sweep100.kl_change": Metric(
        "KL weight 100 from its linear optimum: change of the KL term over the last tenth of training",
        "fraction",
        higher_is_better=False,
        targets=dict.fromkeys(("quick", "long", "full"), 0.02),
    ),
    "real.faces_found": REAL_FACES,
}


# What is said of the training. Notes: elbo_first, elbo_highest and elbo_last, the −ELBO on test images in the course of
# training at weight 0; kl_hundred and loss_hundred, KL term and −ELBO at the end of training at weight 100.


def objective_rule(v: Values) -> list[str]:
    first, highest, last = v["elbo_first"], v["elbo_highest"], v["elbo_last"]
    zero = "falls" if last <= first else "rises" if highest <= last else "peaks"
    return [
        "one_look" if v["steps"] <= v["evaluate_every"] else zero,
        "met" if 100 * v["kl_hundred"] < 0.1 * v["loss_hundred"] else "apart",
    ]


def collapse_rule(v: Values) -> list[str]:
    if v["beta100.active_units"] == 0:
        return ["one_face"]
    return ["no_bit" if v["beta100.kl"] < math.log(2) else "left"]


def colours_rule(v: Values) -> list[str]:
    zero, one = v["beta0.chroma_ratio"], v["beta1.chroma_ratio"]
    ahead = sign(zero - one, 0.02 * one)
    return ["chroma", "tie" if ahead == 0 else "paler" if ahead < 0 else "nearer" if zero <= 1 else "deeper"]


# What is said of samples. Notes: judge_accuracy, judge_majority and judge_balanced of the judge on test images;
# real_fcd, the FCD of as many training images.


def judge_rule(v: Values) -> list[str]:
    return ["judge", *(["chance"] if v["judge_balanced"] < 0.6 else []), "floor"]


def heard(v: Values) -> bool:
    return v["real.faces_found"] >= WITNESS


def fewer_faces(v: Values, samples: str) -> bool:
    """Whether a detector that is to be heard finds clearly fewer faces than in samples of weight 1."""
    return heard(v) and v[f"beta0.{samples}_faces_found"] < 0.8 * v["beta1.prior_faces_found"]


def strays(v: Values) -> bool:
    """Whether samples from the prior are clearly worse at weight 0 than at weight 1, to the judge or the detector."""
    return v["beta0.prior_fcd"] > 1.1 * v["beta1.prior_fcd"] or fewer_faces(v, "prior")


def mended(v: Values) -> bool:
    """Whether a Gaussian fitted to the codes of weight 0 makes its samples about as good as those of weight 1."""
    return v["beta0.fitted_fcd"] <= 1.1 * v["beta1.prior_fcd"] and not fewer_faces(v, "fitted")


def samples_rule(v: Values) -> list[str]:
    zero, one, hundred = (v[f"beta{weight}.prior_fcd"] for weight in (0, 1, 100))
    closest = "between" if 1.1 * one < min(zero, hundred) else "zero" if 1.1 * zero < min(one, hundred) else "undecided"
    return [
        "distances",
        closest,
        "detector" if heard(v) else "deaf",
        *(["disagree"] if fewer_faces(v, "prior") and zero < one else []),
    ]


def toy_rule(v: Values) -> list[str]:
    """Notes, by weight: ``toy_gap``, −ELBO less −log p(x), and ``toy_kl``, the KL term, in nats/point."""
    gap, kl = v["toy_gap"], v["toy_kl"]
    return ["gaps", *(["collapsed"] if kl["100"] < 0.05 else []), *(["spikes"] if gap["0"] > gap["1"] + 1 else [])]


def toy_numbers(v: Values) -> dict[str, Any]:
    gap, kl = v["toy_gap"], v["toy_kl"]
    return {"gap0": gap["0"], "gap1": gap["1"], "gap100": gap["100"], "kl1": kl["1"], "kl100": kl["100"]}


def foretold(v: Values) -> float:
    """By how much a distortion of the sweep is off what theory says, at most, relative to that."""
    return max(abs(row["distortion"] / row["by theory"] - 1) for row in v["swept"])


def sweep_rule(v: Values) -> list[str]:
    """Note ``swept``: a row of the table of the sweep for each of its weights, in their order."""
    mse, fcd = ([row[key] for row in v["swept"]] for key in ("error at z = μ", "FCD"))
    lowest = min(mse) == mse[0]
    return [
        "theory" if foretold(v) < 0.1 else "off",
        *(["both"] if lowest and min(fcd) == fcd[0] else ["errors"] if lowest else []),
        "settled" if v["sweep100.kl_change"] <= 0.02 else "unsettled",
        "lower" if v["beta100.kl"] < 0.5 * v["sweep100.kl"] else "alike",
    ]


def sweep_numbers(v: Values) -> dict[str, Any]:
    mse, fcd = ([row[key] for row in v["swept"]] for key in ("error at z = μ", "FCD"))
    return {
        "furthest": foretold(v),
        "least": v["sweep"][0],
        "least_mse": mse[0],
        "most_mse": mse[-1],
        "closest": v["sweep"][fcd.index(min(fcd))],
        "closest_fcd": min(fcd),
        "linear_100": v["swept"][-1]["in theory"],
    }


def trade_rule(v: Values) -> list[str]:
    rate, distortion, elbo = ([v[f"beta{w}.{key}"] for w in (0, 1, 100)] for key in ("kl", "recon", "neg_elbo"))
    traded = rate[0] > rate[1] > rate[2] and distortion[0] < distortion[1] < distortion[2]
    lowest = elbo[1] < min(elbo[0], elbo[2])
    dear = 0 < distortion[1] - distortion[0] < rate[0] - rate[1]
    far = v["beta0.prior_mmd"] > max(0.01, 10 * v["beta1.prior_mmd"])
    return [
        *("rates", "traded" if traded else "not_traded", "lowest" if lowest else "not_lowest"),
        *(["dear"] if dear else []),
        "far" if far else "near",
    ]


def trade_numbers(v: Values) -> dict[str, Any]:
    return {
        "nats_more": v["beta0.kl"] - v["beta1.kl"],
        "nats_saved": v["beta1.recon"] - v["beta0.recon"],
    }


def fitted_rule(v: Values) -> list[str]:
    prior, fitted = v["beta1.prior_fcd"], v["beta1.fitted_fcd"]
    better = v["beta0.fitted_fcd"] < prior and v["beta0.mse"] < v["beta1.mse"]
    return [
        "zero",
        *(["detector"] if heard(v) else []),
        *(["decoder"] if strays(v) and mended(v) else []),
        "one_off" if fitted < 0.9 * prior else "one_alike" if fitted <= 1.1 * prior else "one_worse",
        *(["better"] if better else []),
    ]


def weights_rule(v: Values) -> list[str]:
    sharp, error = ({w: v[f"beta{w}.{key}"] for w in (0, 1, 100)} for key in ("sharpness_ratio", "mse"))
    blurs, best = sharp[100] < 0.9 * sharp[1], error[0] < 0.95 * min(error[1], error[100])
    cannot = strays(v) and not mended(v)
    parts = [blurs, best, cannot]
    return [
        "blurs" if blurs else "no_blur",
        "best" if best else "not_best",
        "cannot" if cannot else "prior_fails" if strays(v) else "no_worse",
        *(["witness"] if heard(v) else []),
        *(["not_decoder"] if strays(v) and not cannot else []),
        "holds" if all(parts) else "partly" if any([*parts, strays(v)]) else "fails",
    ]


READINGS = {
    "settings": always(
        "Images are of 64×64 pixels in [0, 1], half of them mirrored at random in training. z has {latent} "
        "dimensions. AdamW with a one-cycle rate that peaks at {learning_rate:g}, batches of {batch_size} images, "
        "{steps:plural step} for each weight."
    ),
    "constant": always(
        "The constant that is left out everywhere below is D/2 · log 2π = {constant:,.0f} nats/image for D = "
        "{pixels} values in an image; it is the same for every weight.",
        lambda v: {"constant": v["pixels"] / 2 * math.log(2 * math.pi)},
    ),
    "objective": Reading(
        objective_rule,
        {
            "one_look": "At weight 0 the KL term does not count, and nothing holds it down: the negative ELBO on test "
            "images is {elbo_last:.0f} nats/image at the end.",
            "falls": "At weight 0 the KL term does not count. Even so the negative ELBO on test images goes down, "
            "from {elbo_first:.0f} nats/image after {evaluate_every:plural step} to {elbo_last:.0f} at the end.",
            "rises": "At weight 0 the KL term does not count, and nothing holds it down: the negative ELBO on test "
            "images rises from {elbo_first:.0f} nats/image after {evaluate_every:plural step} to {elbo_last:.0f} at "
            "the end.",
            "peaks": "At weight 0 the KL term does not count, and nothing holds it down: the negative ELBO on test "
            "images is {elbo_first:.0f} nats/image after {evaluate_every:plural step}, {elbo_highest:.0f} at its "
            "highest and {elbo_last:.0f} at the end.",
            "met": "At weight 100 objective and negative ELBO come together, because hardly any KL is left that "
            "could be weighed: {kl_hundred} nats/image at the end.",
            "apart": "At weight 100 objective and negative ELBO have not come together: the KL term is still "
            "{kl_hundred} nats/image, which count a hundred times.",
        },
    ),
    "collapse": Reading(
        collapse_rule,
        {
            "one_face": "At weight 100 the code varies in no direction from image to image: every image "
            "is rebuilt as nearly the same face, which is no likeness of anybody. This is posterior collapse, a "
            "code that says nothing.",
            "no_bit": "At weight 100 the means of the codes still move in {beta100.active_units:plural direction} of "
            "{latent}, but all in all the code carries {beta100.kl} nats/image: less than one bit, the answer to one "
            "yes-or-no question. This is posterior collapse, a code that says next to nothing.",
            "left": "At weight 100 the code still carries {beta100.kl} nats/image, in "
            "{beta100.active_units:plural direction} of {latent}. Either they are worth a hundred times "
            "their price, or the training was too short to empty the code.",
        },
    ),
    "colours": Reading(
        colours_rule,
        {
            "chroma": "The chroma of reconstructions over that of test images is {beta0.chroma_ratio} at weight 0, "
            "{beta1.chroma_ratio} at weight 1 and {beta100.chroma_ratio} at weight 100.",
            "tie": "Weights 0 and 1 are a near-tie.",
            "nearer": "Weight 0 gives deeper colours than weight 1: nearer to those of the images, not beyond them.",
            "deeper": "Weight 0 gives deeper colours than weight 1, and deeper ones than the images have.",
            "paler": "Weight 0 gives paler colours than weight 1.",
        },
    ),
    "judge": Reading(
        judge_rule,
        {
            "judge": "The judge is right about {judge_accuracy:.1%} of the attributes of test images, where always "
            "giving the more frequent answer would be right about {judge_majority:.1%}; its balanced accuracy is "
            "{judge_balanced:.1%}.",
            "chance": "That is close to guessing, so the distances below mean little.",
            "floor": "As many training images as there are test images have an FCD of {real_fcd}: no sample can be "
            "expected to come closer.",
        },
    ),
    "samples": Reading(
        samples_rule,
        {
            "distances": "The FCD of samples from the prior is {beta1.prior_fcd} at weight 1, {beta100.prior_fcd} at "
            "weight 100 and {beta0.prior_fcd} at weight 0.",
            "between": "Of the three, weight 1 comes clearly closest to the test images.",
            "zero": "Of the three, weight 0 comes clearly closest to the test images.",
            "undecided": "None of the three comes clearly closest to the test images.",
            "detector": "The detector finds a face in {beta1.prior_faces_found:.0%} of the samples at weight 1, "
            "{beta100.prior_faces_found:.0%} at weight 100 and {beta0.prior_faces_found:.0%} at weight 0, and in "
            "{real.faces_found:.0%} of the test images. It counts faces: one that is always the same counts each time.",
            "disagree": "Judge and detector disagree about weights 0 and 1: a distance between means and covariances "
            "may be small where no single picture is right.",
            "deaf": "The detector, which was made for photographs, finds a face in no more than "
            "{real.faces_found:.0%} of the test images themselves and is not heard.",
        },
    ),
    "toy": Reading(
        toy_rule,
        {
            "gaps": "On average the bound lies {gap1:.2f} nats below log p(x) at weight 1, {gap100:.2f} at weight 100 "
            "and {gap0:.2f} at weight 0: that is KL(q(z|x) ‖ p(z|x)), the distance between the two curves.",
            "collapsed": "At weight 100 the code says nothing (its KL term is {kl100:.3f} nats, against {kl1:.2f} at "
            "weight 1), the decoder draws one point, and q agrees with a posterior that says nothing either.",
            "spikes": "At weight 0 nothing keeps q wide or near the prior: it is a spike where the decoder alone puts "
            "the point.",
        },
        toy_numbers,
    ),
    "sweep": Reading(
        sweep_rule,
        {
            "theory": "The measured distortions lie within {furthest:.1%} of the prediction, which knows nothing of "
            "the images but the variances of their principal components.",
            "off": "The measured distortions lie up to {furthest:.1%} off the prediction, which knows nothing of "
            "the images but the variances of their principal components.",
            "both": "The lowest weight, {least:g}, has the lowest error ({least_mse}, against {most_mse} at the "
            "highest), and its samples are the closest to test images, too (FCD {closest_fcd}).",
            "errors": "The lowest weight, {least:g}, has the lowest error ({least_mse}, against {most_mse} at the "
            "highest), while the samples closest to test images are those of weight {closest:g} (FCD {closest_fcd}).",
            "settled": "\n\nAt weight 100 the KL term is {sweep100.kl:.3f} nats/image, where theory has "
            "{linear_100:.3f}, and changed by {sweep100.kl_change:.1%} over the last tenth of training: it has "
            "settled, with {sweep100.active_units:plural direction} in use.",
            "unsettled": "\n\nAt weight 100 the KL term is {sweep100.kl:.3f} nats/image, where theory has "
            "{linear_100:.3f}. It still changed by {sweep100.kl_change:.1%} over the last tenth of training: it has "
            "not settled.",
            "lower": "From random weights the same weight ended at {beta100.kl:.4f}: it had collapsed before it found "
            "what is worth a hundred times its price.",
            "alike": "From random weights the same weight ended at {beta100.kl:.3f}.",
        },
        sweep_numbers,
    ),
    "trade": Reading(
        trade_rule,
        {
            "rates": "The rate is {beta0.kl} nats/image at weight 0, {beta1.kl} at weight 1 and {beta100.kl} at "
            "weight 100.",
            "traded": "It falls as the weight grows, and the distortion rises.",
            "not_traded": "Rate and distortion are not in the order of the weights: the training was too short for "
            "that.",
            "lowest": "The negative ELBO is lowest at weight 1, where it is the objective.",
            "not_lowest": "The negative ELBO is not lowest at weight 1, although it is the objective there: a longer "
            "training should put that right.",
            "dear": "The code of weight 0 is {nats_more:,.0f} nats/image longer than that of weight 1 and saves "
            "{nats_saved:,.0f} nats/image of distortion: it costs more than it is worth.",
            "far": "The codes of weight 0 lie far from the prior: their MMD² to it is {beta0.prior_mmd:.4f}, against "
            "{beta1.prior_mmd:.4f} at weight 1.",
            "near": "The MMD² between codes and prior is {beta0.prior_mmd:.4f} at weight 0 and {beta1.prior_mmd:.4f} "
            "at weight 1.",
        },
        trade_numbers,
    ),
    "fitted": Reading(
        fitted_rule,
        {
            "zero": "At weight 0 the FCD is {beta0.prior_fcd} with z from the prior and {beta0.fitted_fcd} with z "
            "from the fitted Gaussian.",
            "detector": "The detector finds a face in {beta0.prior_faces_found:.0%} of the former and in "
            "{beta0.fitted_faces_found:.0%} of the latter.",
            "decoder": "So the decoder can generate; it is the prior that does not know where.",
            "one_off": "At weight 1 the same step takes the FCD from {beta1.prior_fcd} to {beta1.fitted_fcd}: even "
            "there the codes are not quite where the prior puts them.",
            "one_alike": "At weight 1 the same step takes the FCD from {beta1.prior_fcd} to {beta1.fitted_fcd}: "
            "there the prior is about as good as the fit, which is what the KL term is for.",
            "one_worse": "At weight 1 the same step takes the FCD from {beta1.prior_fcd} to {beta1.fitted_fcd}: "
            "there the fit is worse than the prior.",
            "better": "Weight 0 with a Gaussian fitted afterwards even beats weight 1 with its prior, in FCD and in "
            "the error of its reconstructions (Ghosh and others make a method of it).",
        },
    ),
    "weights_of_kl": Reading(
        weights_rule,
        {
            "blurs": "Weight 100 blurs: its reconstructions have {beta100.sharpness_ratio} of the sharpness of test "
            "images, those of weight 1 {beta1.sharpness_ratio}.",
            "no_blur": "Weight 100 does not clearly blur more than weight 1: reconstructions have "
            "{beta100.sharpness_ratio} and {beta1.sharpness_ratio} of the sharpness of test images.",
            "best": "Weight 0 reconstructs best: its mean squared error is {beta0.mse}, against {beta1.mse} at "
            "weight 1 and {beta100.mse} at weight 100.",
            "not_best": "Weight 0 does not clearly reconstruct best: the mean squared error is {beta0.mse}, against "
            "{beta1.mse} at weight 1 and {beta100.mse} at weight 100.",
            "cannot": "Samples of weight 0 are worse whichever way z is drawn: their FCD is {beta0.prior_fcd} with z "
            "from the prior and {beta0.fitted_fcd} with z from a Gaussian fitted to its codes, against "
            "{beta1.prior_fcd} at weight 1.",
            "prior_fails": "Samples of weight 0 have an FCD of {beta0.prior_fcd} with z from the prior and "
            "{beta0.fitted_fcd} with z from a Gaussian fitted to its codes, against {beta1.prior_fcd} at weight 1.",
            "witness": "The detector finds a face in {beta0.prior_faces_found:.0%} of the former, "
            "{beta0.fitted_faces_found:.0%} of the latter and {beta1.prior_faces_found:.0%} at weight 1.",
            "not_decoder": "It is the prior that fails, not the decoder.",
            "no_worse": "Samples of weight 0 are not clearly worse than those of weight 1: their FCD is "
            "{beta0.prior_fcd} against {beta1.prior_fcd}, and {beta0.fitted_fcd} with z from a Gaussian "
            "fitted to the codes.",
            "holds": "So all of it is seen here.",
            "partly": "So part of it is seen here.",
            "fails": "So nothing of it is seen here.",
        },
    ),
}


def steady_rule(v: Values) -> list[str]:
    steady = [v[f"beta{weight}.loss_rises"] < 0.1 for weight in (1, 100)]
    return ["rises", "both" if all(steady) else "one" if any(steady) else "neither"]


STEADY = Reading(
    steady_rule,
    {
        "rises": "Of all that the objective moved between the means of twenty stretches of training, "
        "{beta1.loss_rises:.1%} were rises at weight 1 and {beta100.loss_rises:.1%} at weight 100.",
        "both": "So both curves fall steadily.",
        "one": "So one of the curves falls steadily.",
        "neither": "So neither curve falls steadily.",
    },
)


def clearer_rule(v: Values) -> list[str]:
    errors = {weight: [v[f"beta{weight}.mse_{when}"] for when in ("early", "midway")] for weight in (0, 1)}
    ends = {weight: v[f"beta{weight}.mse"] for weight in errors}
    grow = [ends[weight] < 0.98 * midway < 0.98**2 * early for weight, (early, midway) in errors.items()]
    return ["errors", "both" if all(grow) else "one" if any(grow) else "neither"]


CLEARER = Reading(
    clearer_rule,
    {
        "errors": "After a tenth, a half and all of the training the squared error at z = μ is {beta1.mse_early}, "
        "{beta1.mse_midway} and {beta1.mse} at weight 1, and {beta0.mse_early}, {beta0.mse_midway} and {beta0.mse} at "
        "weight 0 (64 test images; all of them at the end).",
        "both": "So reconstructions grow clearer at both.",
        "one": "So reconstructions grow clearer all along at one of the two.",
        "neither": "So reconstructions do not grow clearer all along.",
    },
)


def blurry(weight: int) -> Reading:
    """Whether prior samples of a weight are mostly blurry."""
    ratio = f"beta{weight}.prior_sharpness_ratio"
    return Reading(
        lambda v: ["sharpness", "blurry" if v[ratio] < 0.5 else "clear"],
        {
            "sharpness": f"Prior samples at weight {weight} have {{{ratio}}} of the sharpness of test images.",
            "blurry": "That is less than half: they are blurry.",
            "clear": "That is half or more: they are not mostly blurry.",
        },
    )


def blurred_rule(v: Values) -> list[str]:
    far = [v[f"beta100.mse{when}"] >= 2 * v["beta1.mse"] for when in ("_early", "_midway", "")]
    return ["errors", "all" if all(far) else "some" if any(far) else "none"]


BLURRED_AT_HUNDRED = Reading(
    blurred_rule,
    {
        "errors": "At weight 100 the squared error at z = μ is {beta100.mse_early}, {beta100.mse_midway} and "
        "{beta100.mse} after a tenth, a half and all of the training, where weight 1 ends at {beta1.mse}; in the end "
        "reconstructions have {beta100.sharpness_ratio} of the sharpness of test images.",
        "all": "So they are very blurry all along.",
        "some": "So they are very blurry a part of the time.",
        "none": "So they are not much worse than those of weight 1.",
    },
)


def deeper_rule(v: Values) -> list[str]:
    others = max(v[f"beta{weight}.prior_chroma_ratio"] for weight in (1, 100))
    ahead = sign(v["beta0.prior_chroma_ratio"] - others, 0.02 * others)
    return ["chroma", {1: "deeper", 0: "tie", -1: "paler"}[ahead]]


DEEPER = Reading(
    deeper_rule,
    {
        "chroma": "Colours of prior samples are {beta0.prior_chroma_ratio} times as deep as those of test images at "
        "weight 0, {beta1.prior_chroma_ratio} at weight 1 and {beta100.prior_chroma_ratio} at weight 100.",
        "deeper": "So at weight 0 they are the deepest.",
        "tie": "Weight 0 and the deeper of the others are a near-tie.",
        "paler": "So at weight 0 they are not the deepest.",
    },
)


def disperse_rule(v: Values) -> list[str]:
    ahead = sign(v["beta100.prior_variety"] - v["beta1.prior_variety"], 0.1 * v["beta1.prior_variety"])
    return ["variety", {1: "wider", 0: "tie", -1: "closer"}[ahead]]


DISPERSE = Reading(
    disperse_rule,
    {
        "variety": "Two samples from the prior lie {beta100.prior_variety} times as far apart as two test images at "
        "weight 100, and {beta1.prior_variety} times at weight 1.",
        "wider": "So at weight 100 pictures do lie further apart.",
        "tie": "That is a near-tie.",
        "closer": "So at weight 100 pictures do not disperse, they grow alike: the divergence is one of distributions "
        "of codes, and the posterior collapses onto the prior.",
    },
)

EPOCHS_OF_E = Budget(40_000, 100, "100 epochs of 400 batches", "steps")

CLAIMS = (
    Claim(
        "The KL term times 100 blurs; times 0 reconstructs best and leaves an autoencoder that cannot generate.",
        "E",
        "VAE with the KL term ×1, ×100 and ×0, results and discussion",
        "the same three",
        READINGS["weights_of_kl"],
        {"holds": HOLDS, "partly": PARTLY, "fails": FAILS},
        ("02/kl.3", "02/kl.4", "02/kl.7"),
        EPOCHS_OF_E,
    ),
    Claim(
        "The KL term times 0 gives reconstructions deeper colours.",
        "E",
        "VAE with the KL term ×0, results",
        "the same",
        READINGS["colours"],
        {"tie": UNDECIDED, "nearer": HOLDS, "deeper": HOLDS, "paler": FAILS},
        ("02/kl.3",),
        EPOCHS_OF_E,
    ),
    Claim(
        "The KL term times 0 gives samples from the prior deeper colours than times 1 and times 100 do.",
        "E",
        "VAE with the KL term ×0, results",
        "the same",
        DEEPER,
        {"deeper": HOLDS, "tie": UNDECIDED, "paler": FAILS},
        ("02/kl.4",),
        EPOCHS_OF_E,
    ),
    Claim(
        "The curve falls steadily with the KL term times 1 and times 100.",
        "E",
        "VAE with the KL term ×1 and ×100, results",
        "the same two",
        STEADY,
        {"both": HOLDS, "one": PARTLY, "neither": FAILS},
        ("02/kl.2",),
        EPOCHS_OF_E,
    ),
    Claim(
        "Reconstructions grow clearer from epoch 10 to 50 to 100 with the KL term times 1 and times 0.",
        "E",
        "VAE with the KL term ×1 and ×0, results",
        "the same two, after the same shares of the training",
        CLEARER,
        {"both": HOLDS, "one": PARTLY, "neither": FAILS},
        ("02/kl.3",),
        EPOCHS_OF_E,
    ),
    Claim(
        "With the KL term times 1 samples from the prior are mostly blurry.",
        "E",
        "VAE with the KL term ×1, results",
        "the same",
        blurry(1),
        {"blurry": HOLDS, "clear": FAILS},
        ("02/kl.4",),
        EPOCHS_OF_E,
    ),
    Claim(
        "With the KL term times 0 samples from the prior are mostly blurry.",
        "E",
        "VAE with the KL term ×0, results",
        "the same",
        blurry(0),
        {"blurry": HOLDS, "clear": FAILS},
        ("02/kl.4",),
        EPOCHS_OF_E,
    ),
    Claim(
        "With the KL term times 100 reconstructions are very blurry at epochs 10, 50 and 100.",
        "E",
        "VAE with the KL term ×100, results",
        "the same, after the same shares of the training",
        BLURRED_AT_HUNDRED,
        {"all": HOLDS, "some": PARTLY, "none": FAILS},
        ("02/kl.3",),
        EPOCHS_OF_E,
    ),
    Claim(
        "KL is a divergence of pictures, so that the KL term times 100 makes them disperse.",
        "E",
        "VAE, discussion",
        "weights 1 and 100",
        DISPERSE,
        {"wider": HOLDS, "tie": UNDECIDED, "closer": FAILS},
        ("02/kl.4", "02/kl.8"),
        EPOCHS_OF_E,
    ),
)


def closest_error(v: Values) -> bool:
    return v["beta0.mse"] < v["beta1.mse"]


FINDING = Reading(
    lambda v: ["collapse" if v["beta100.active_units"] == 0 else "left", "closer" if closest_error(v) else "no_closer"],
    {
        "collapse": "From random weights a KL term that counts a hundred times leaves no dimension of the code in use "
        "and makes every picture the same.",
        "left": "From random weights a KL term that counts a hundred times leaves "
        "{beta100.active_units:plural dimension} of the code in use.",
        "closer": "Without it faces are rebuilt best, with {error_share:.2f} of the squared error at weight 1.",
        "no_closer": "Without it faces are rebuilt with {error_share:.2f} times the squared error at weight 1.",
    },
    lambda v: {"error_share": v["beta0.mse"] / v["beta1.mse"]},
)

LAB = Lab(
    name="02_kl_ablation",
    title="What the KL term does",
    question="What happens to a VAE if its KL term counts a hundred times, or not at all?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
)
