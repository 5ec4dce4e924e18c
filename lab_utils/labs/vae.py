"""Notebook 01: its settings, what it delivers and measures, and what is said of its numbers."""

from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import OTHER_DATA, Claim, Deliverable, Lab, Metric, Reading, Tolerance, Values, always


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 01."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    latent: PositiveInt
    width: PositiveInt  # channels of the first convolution; 64 is the coursework's
    batch_size: PositiveInt
    learning_rate: PositiveFloat  # peak of the one-cycle schedule
    steps: PositiveInt
    evaluate_every: PositiveInt  # steps
    first_beta: PositiveFloat  # weight of the KL term at the start, falling to 1 over the first half of training
    small_width: PositiveInt  # of the two networks that show report C's parametrisation
    small_images: PositiveInt  # that they see, the first so many of the training images
    small_steps: PositiveInt
    importance_images: PositiveInt  # test images of the importance-weighted bound
    importance_samples: PositiveInt  # and draws of z for each
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # batches between two points of the training curve


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, latent=128, width=8, batch_size=50, learning_rate=3e-3,
        steps=24, evaluate_every=8, first_beta=5.0, small_width=8, small_images=400, small_steps=8,
        importance_images=20,
        importance_samples=4, checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, latent=128, width=24, batch_size=64,
        learning_rate=4e-3, steps=1281, evaluate_every=183, first_beta=5.0, small_width=16, small_images=6000,
        small_steps=93,
        importance_images=200, importance_samples=20, checkpoint_every=100, log_every=10,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, latent=128, width=64, batch_size=64,
        learning_rate=2e-3, steps=37_500, evaluate_every=625, first_beta=5.0, small_width=64, small_images=40_000,
        small_steps=3125,
        importance_images=1000, importance_samples=100, checkpoint_every=1000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "vae.1": Deliverable("Pre-processing, architecture and settings"),
    "vae.2": Deliverable("Learning curves of both terms, training and test", ("vae.test_elbo", "vae.kl")),
    "vae.3": Deliverable(
        "Ten test images and their reconstructions, beside PCA",
        ("vae.test_mse", "vae.test_mse_sampled", "vae.pca_test_mse", "vae.psnr", "vae.ssim"),
    ),
    "vae.4": Deliverable("32 images from the prior", ("vae.fcd",)),
    "vae.5": Deliverable(
        "Map of the latent means, coloured by an attribute", ("vae.tsne_trustworthiness", "vae.knn_accuracy")
    ),
    "vae.6": Deliverable("Interpolation between two test images"),
    "vae.7": Deliverable("Discussion", ("vae.iwae_bound", "vae.active_units")),
}

METRICS = {
    "vae.test_mse": Metric(
        "Mean squared error on test images, z = μ, pixels in [0, 1]",
        "per pixel",
        Tolerance(relative=0.02),
        higher_is_better=False,
        targets={"quick/photographs": 0.006, "full/photographs": 0.0054, "quick/avatars": 0.0025},
        reference=0.016,
        whence="report C, 0.0641 on [−1, 1], 40,000 other photographs",
    ),
    "vae.test_mse_sampled": Metric(
        "Mean squared error on test images, sampled z, pixels in [0, 1]",
        "per pixel",
        Tolerance(relative=0.02),
        higher_is_better=False,
    ),
    "vae.pca_test_mse": Metric(
        "Mean squared error on test images of PCA with as many dimensions as z, pixels in [0, 1]",
        "per pixel",
        Tolerance(relative=0.01),
        higher_is_better=False,
    ),
    "vae.psnr": Metric(
        "Peak signal-to-noise ratio on test images, z = μ", "dB", Tolerance(relative=0.02), higher_is_better=True
    ),
    "vae.ssim": Metric(
        "Structural similarity on test images, z = μ (at most 1)",
        "index",
        Tolerance(relative=0.02),
        higher_is_better=True,
    ),
    "vae.test_elbo": Metric(
        "ELBO on the test split, σ² from the training split",
        "nats/image",
        Tolerance(relative=0.02),
        higher_is_better=True,
    ),
    "vae.iwae_bound": Metric(
        "Importance-weighted bound on log p(x), the first test images",
        "nats/image",
        Tolerance(relative=0.02),
        higher_is_better=True,
    ),
    "vae.kl": Metric("KL term on the test split", "nats/image", Tolerance(relative=0.02)),
    "vae.active_units": Metric(
        "Latent dimensions in use, Var(μ) > 0.01",
        "dimensions",
        Tolerance(absolute=3.0),
        higher_is_better=True,
        targets={"quick": 116, "full": 116},
    ),
    "vae.tsne_trustworthiness": Metric(
        "Trustworthiness of the t-SNE map, 12 neighbours (1: no false ones)",
        "index",
        Tolerance(relative=0.02),
        higher_is_better=True,
    ),
    "vae.knn_accuracy": Metric(
        "Test images whose attribute the 15 nearest training codes vote for",
        "fraction",
        Tolerance(relative=0.02),
        higher_is_better=True,
    ),
    "vae.fcd": Metric(
        "Fréchet classifier distance, prior samples to test images",
        "squared distance",
        Tolerance(relative=0.15),
        higher_is_better=False,
    ),
}

# Readings

CHANCE = 0.6  # mean balanced accuracy below which a judge says little


def code(v: Values) -> Sequence[str]:
    units, latent = v["vae.active_units"], v["latent"]
    used = "all_units" if units == latent else "most_units" if units >= 0.9 * latent else "few_units"
    split = "test_alike" if v["drift"] < 0.5 else "test_higher" if v["test_above"] > 0 else "test_lower"
    return ["noise", used, split, "bounds", "posterior" if v["gap"] > 1 else "no_gap"]


CODE = Reading(
    code,
    {
        "noise": "The best noise is σ = {sigma} on a range of 1, from {sigma_images:plural training image}. With it a "
        "test image costs {vae.kl:.0f} nats of KL.",
        "all_units": "All {latent} dimensions of the code are in use.",
        "most_units": "Of the {latent} dimensions of the code {vae.active_units} are in use, nine in ten or more.",
        "few_units": "Of the {latent} dimensions of the code {vae.active_units} are in use; this training has not "
        "opened the others.",
        "test_higher": "Over the last {evaluate_every:plural step} the reconstruction term is {drift:,.0f} nats higher "
        "on test images than its mean over the training batches.",
        "test_lower": "Over the last {evaluate_every:plural step} the reconstruction term is {drift:,.0f} nats lower "
        "on test images than its mean over the training batches, which met the earlier weights, too.",
        "test_alike": "Over the last {evaluate_every:plural step} the reconstruction term on test images equals its "
        "mean over the training batches to half a nat.",
        "bounds": "On the first {vae.iwae_bound.n} test images the ELBO is {elbo_few:,.0f} nats. With "
        "{importance_samples:plural draw} of z for each of them the importance-weighted bound is "
        "{vae.iwae_bound:,.0f}.",
        "posterior": "So log p(x) lies at least about {gap:,.0f} nats above the ELBO, and what lies between the two is "
        "the KL divergence of q(z|x) from the exact posterior.",
        "no_gap": "So few draws do not tell the two apart.",
    },
    lambda v: {"drift": abs(v["test_above"]), "gap": v["vae.iwae_bound"] - v["elbo_few"]},
)


def linear(v: Values) -> Sequence[str]:
    ratio = v["ratio"]
    return ["errors", "alike" if abs(ratio - 1) < 0.01 else "below" if ratio < 1 else "above"]


LINEAR = Reading(
    linear,
    {
        "errors": "The VAE's mean squared error is {vae.test_mse} at z = μ and {vae.test_mse_sampled} at a sampled z; "
        "that of PCA is {vae.pca_test_mse}.",
        "below": "At z = μ the VAE's is {below:.0%} lower than PCA's: its decoder has used its freedom.",
        "alike": "At z = μ the two are within one per cent of each other.",
        "above": "At z = μ the VAE's is {ratio:.2f} times PCA's: this training has not overtaken the linear code.",
    },
    lambda v: {
        "ratio": v["vae.test_mse"] / v["vae.pca_test_mse"],
        "below": 1 - v["vae.test_mse"] / v["vae.pca_test_mse"],
    },
)

TEST_ERROR = always(
    "The error at z = μ is {vae.test_mse} on [0, 1], which is {signed} on [−1, 1], where squares are four times as "
    "large. Report C's 0.0641 on [−1, 1], or 0.0160 on [0, 1], is of other photographs: it gives the scale, and is "
    "not there to be beaten.",
    lambda v: {"signed": 4 * v["vae.test_mse"]},
)


def prior(v: Values) -> Sequence[str]:
    if v["judge_balanced"] < CHANCE:
        return ["judge", "chance", "distances"]
    able = "able" if v["vae.fcd"] > v["rebuilt_fcd"] else "unable"
    return ["judge", "distances", able, "mended" if codes_stray(v) else "not_mended"]


def codes_stray(v: Values) -> bool:
    """Whether samples get closer to test images when the draws are moved to where the codes lie on average."""
    return v["judge_balanced"] >= CHANCE and v["fitted_fcd"] < 0.9 * v["vae.fcd"]


PRIOR = Reading(
    prior,
    {
        "judge": "The judge reads {attribute} correctly in {judge_accuracy:.1%} of test images; the more frequent "
        "answer alone would be right in {majority:.1%}. Over all attributes its balanced accuracy is "
        "{judge_balanced:.1%} on average, where 50% is chance.",
        "chance": "That is so near to chance that its distances mean little.",
        "distances": "In its features samples from the prior are {vae.fcd} away from the test images, and "
        "reconstructions {rebuilt_fcd}. For as many training images it is {real_fcd}, which is the floor.",
        "able": "Samples are further off than reconstructions: the decoder can draw better images than it draws from "
        "the prior.",
        "unable": "Samples are no further off than reconstructions: what is missing is missing in the decoder.",
        "mended": "With the draws moved to the Gaussian fitted to the codes it is {fitted_fcd}: part of what is wrong "
        "with the samples is not the decoder's fault.",
        "not_mended": "With the draws moved to the Gaussian fitted to the codes it is {fitted_fcd}: moving them hardly "
        "helps, if at all.",
    },
)


def neighbours(v: Values) -> Sequence[str]:
    written = v["vae.knn_accuracy.low"] > v["majority"]
    regions = v["map_vote"] > v["majority"] + 0.02
    return ["trust", "regions" if regions else "mixed", "vote", "written" if written else "not_written", "taught"]


NEIGHBOURS = Reading(
    neighbours,
    {
        "trust": "The trustworthiness of the map is {vae.tsne_trustworthiness}.",
        "regions": "On the map the vote of 15 neighbours gets {attribute} right for {map_vote:.1%} of the points, "
        "where the more frequent answer alone would be right for {majority:.1%}: the colours are not spread at random.",
        "mixed": "On the map the vote of 15 neighbours gets {attribute} right for {map_vote:.1%} of the points, where "
        "the more frequent answer alone would be right for {majority:.1%}: as far as {attribute} goes, this is a cloud "
        "without structure.",
        "vote": "With neighbours in z itself it is {vae.knn_accuracy:.1%} of test images.",
        "written": "So {attribute} can be read from z, although no label was given.",
        "not_written": "So nearness in z says hardly anything of {attribute} here.",
        "taught": "The judge, which was taught it, reaches {judge_accuracy:.1%}.",
    },
)


def floor(v: Values) -> Sequence[str]:
    on = "on_floor" if v["kl_report"] < 1.01 * v["floor"] else "above_floor"
    hidden = ["hidden"] if v["kl_plain"] < v["floor"] / 2 else []
    apart = v["report_worse_by"]
    objective = "as_good" if abs(apart) < 0.05 else "worse" if apart > 0 else "better"
    return [on, "plain", *hidden, "best", objective]


FLOOR = Reading(
    floor,
    {
        "on_floor": "With report C's parametrisation the KL term ends at {kl_report:.2f} nats/image, on its floor of "
        "{floor:g}: the optimiser has put every σ close to 1, the smallest value it may have.",
        "above_floor": "With report C's parametrisation the KL term ends at {kl_report:.2f} nats/image, above its "
        "floor of {floor:g}.",
        "plain": "With the plain one and the same λ it ends at {kl_plain:.2f}.",
        "hidden": "So little is a code worth to a decoder whose noise is wider than the range of a pixel. The floor "
        "had hidden it.",
        "best": "With the best σ the code of the model above carries {vae.kl:.0f} nats.",
        "worse": "By the objective that both minimise, report C's parametrisation is {apart:.1f} nats/image worse over "
        "their training.",
        "better": "By the objective that both minimise, report C's parametrisation is {apart:.1f} nats/image better "
        "over their training.",
        "as_good": "By the objective that both minimise, the two parametrisations do not differ over their training.",
    },
    lambda v: {"floor": v["latent"] / 2, "apart": abs(v["report_worse_by"])},
)


def discussion(v: Values) -> Sequence[str]:
    sampled = "narrow" if v["vae.test_mse_sampled"] < 1.05 * v["vae.test_mse"] else "wide"
    return ["survives", sampled, "prior", *(["stray"] if codes_stray(v) else []), "noise", "price"]


def prices(v: Values) -> Mapping[str, float]:
    """How much a sampled z adds to the error, and by what factor report C's noise exceeds the best."""
    return {"added": v["vae.test_mse_sampled"] / v["vae.test_mse"] - 1, "factor": v["report_sigma"] / v["sigma"]}


DISCUSSION = Reading(
    discussion,
    {
        "survives": "**What survives.** From {latent} numbers the decoder rebuilds a test image at {vae.psnr:.1f} dB "
        "and a structural similarity of {vae.ssim:.2f}.",
        "narrow": "A sampled z in place of its mean costs little: the posterior is narrow enough for the decoder.",
        "wide": "A sampled z in place of its mean adds {added:.0%} to the error.",
        "prior": "\n\n**What the prior gives.** Samples are {vae.fcd} from the test images in FCD, "
        "reconstructions {rebuilt_fcd}.",
        "stray": "With the mean and the covariance of the codes in place of the prior's it is {fitted_fcd}: even in "
        "these the codes do not match the prior.",
        "noise": "\n\n**What the noise does.** σ is {sigma} here because the data said so. Report C's λ stands for "
        "{report_sigma:.2f} on the same scale, {factor:.0f} times as much.",
        "price": "To be worth its price a nat of the code had to save that factor squared times as much error, and the "
        "plain network ended with {kl_plain:.2f} nats.",
    },
    prices,
)

READINGS: dict[str, Reading] = {
    "code": CODE,
    "linear": LINEAR,
    "test_error": TEST_ERROR,
    "prior": PRIOR,
    "neighbours": NEIGHBOURS,
    "floor": FLOOR,
    "discussion": DISCUSSION,
}

CLAIMS = (
    Claim(
        "The VAE's mean squared error on test images is 0.0641.",
        "C",
        TEST_ERROR,
        {"always": OTHER_DATA},
        ("01/vae.3",),
        figures_of="report C's photographs",
    ),
)

LAB = Lab(
    name="01_vae",
    title="VAE: faces from noise",
    question="What can a latent vector of 128 numbers keep of a face, and can faces be drawn from noise?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    readings=READINGS,
    claims=CLAIMS,
)
