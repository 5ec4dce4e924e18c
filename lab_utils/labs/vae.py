"""Notebook 01: its settings, what it delivers and measures, and what is said of its numbers."""

from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    OTHER_DATA,
    PARTLY,
    PHOTOGRAPHS,
    REAL_FACES,
    UNSTATED,
    WITNESS,
    Check,
    Claim,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Values,
    always,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 01."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    latent: PositiveInt
    width: PositiveInt  # channels of the first convolution; 64 is the coursework's
    batch_size: PositiveInt
    plain_rate: PositiveFloat  # peak of the one-cycle schedule of the coursework's network
    plain_steps: PositiveInt
    learning_rate: PositiveFloat  # peak for the network that starts from the linear optimum
    steps: PositiveInt
    evaluate_every: PositiveInt  # steps
    small_width: PositiveInt  # of the two networks that show report C's parametrisation
    small_images: PositiveInt  # that they see, the first so many of the training images
    small_steps: PositiveInt
    importance_images: PositiveInt  # test images of the importance-weighted bound
    importance_samples: PositiveInt  # and draws of z for each
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # batches between two points of the training curve


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, latent=128, width=8, batch_size=50, plain_rate=3e-3,
        plain_steps=8, learning_rate=4e-3, steps=24, evaluate_every=8, small_width=8, small_images=400, small_steps=8,
        importance_images=20,
        importance_samples=4, checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, latent=128, width=32, batch_size=64, plain_rate=4e-3,
        plain_steps=366, learning_rate=3e-3, steps=2196, evaluate_every=366, small_width=16, small_images=6000,
        small_steps=93,
        importance_images=200, importance_samples=20, checkpoint_every=100, log_every=10,
    ),
    "long": Settings(
        train_images=12_000, test_images=10_000, latent=128, width=32, batch_size=64, plain_rate=4e-3,
        plain_steps=1830, learning_rate=3e-3, steps=7686, evaluate_every=549, small_width=16, small_images=6000,
        small_steps=186, importance_images=200, importance_samples=20, checkpoint_every=100, log_every=10,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, latent=128, width=64, batch_size=64, plain_rate=2e-3,
        plain_steps=6250, learning_rate=1e-3, steps=37_500, evaluate_every=625, small_width=64, small_images=40_000,
        small_steps=3125,
        importance_images=1000, importance_samples=100, checkpoint_every=1000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "vae.1": Deliverable("Pre-processing, architecture and settings"),
    "vae.2": Deliverable("Learning curves of both terms, training and test", ("vae.test_elbo", "vae.kl")),
    "vae.3": Deliverable(
        "Ten test images and their reconstructions, beside PCA",
        ("vae.test_mse", "vae.test_mse_sampled", "vae.pca_test_mse", "plain.test_mse", "vae.psnr", "vae.ssim"),
        checks=(Check("vae.mse_ratio", 1.0, 1.2),),
    ),
    "vae.4": Deliverable(
        "32 images from the prior and 32 from the chosen sampler",
        ("vae.prior_faces_found", "vae.faces_found", "vae.fcd"),
        checks=(Check("vae.faces_found", 0.9, 0.5, PHOTOGRAPHS),),
    ),
    "vae.5": Deliverable(
        "Map of the latent means, coloured by an attribute",
        ("vae.tsne_trustworthiness", "vae.map_accuracy", "vae.knn_accuracy"),
        checks=(Check("vae.tsne_trustworthiness", 0.8, 0.6),),
    ),
    "vae.6": Deliverable("Interpolation between two test images"),
    "vae.7": Deliverable("Discussion", ("pca.log_likelihood", "vae.iwae_bound", "vae.active_units")),
}

METRICS = {
    "vae.test_mse": Metric(
        "Mean squared error on test images, z = μ, pixels in [0, 1]",
        "per pixel",
        higher_is_better=False,
        reference=0.016,
        whence="report C, 0.0641 on [−1, 1], 40,000 other photographs",
    ),
    "vae.test_mse_sampled": Metric(
        "Mean squared error on test images, sampled z, pixels in [0, 1]",
        "per pixel",
        higher_is_better=False,
    ),
    "vae.pca_test_mse": Metric(
        "Mean squared error on test images of PCA with as many dimensions as z, pixels in [0, 1]",
        "per pixel",
        higher_is_better=False,
    ),
    "plain.test_mse": Metric(
        "Mean squared error on test images of the coursework's network, z = μ, pixels in [0, 1]",
        "per pixel",
        higher_is_better=False,
    ),
    "vae.mse_ratio": Metric(
        "Mean squared error on test images over that of PCA with as many dimensions, z = μ",
        "ratio",
        higher_is_better=False,
        targets={"quick": 0.95, "long/photographs": 0.88, "long/avatars": 0.75},
    ),
    "vae.psnr": Metric("Peak signal-to-noise ratio on test images, z = μ", "dB", higher_is_better=True),
    "vae.ssim": Metric(
        "Structural similarity on test images, z = μ (at most 1)",
        "index",
        higher_is_better=True,
    ),
    "vae.test_elbo": Metric(
        "ELBO on the test split, σ² from the training split",
        "nats/image",
        higher_is_better=True,
    ),
    "pca.log_likelihood": Metric(
        "Probabilistic PCA with as many dimensions as z, log p(x) on the test split",
        "nats/image",
        higher_is_better=True,
    ),
    "vae.elbo_gain": Metric(
        "ELBO over the log p(x) of probabilistic PCA with as many dimensions, on the test split",
        "nats/image",
        higher_is_better=True,
        targets={"quick/photographs": 250, "quick/avatars": 400, "long/photographs": 500, "long/avatars": 1500},
    ),
    "vae.iwae_bound": Metric(
        "Importance-weighted bound on log p(x), the first test images",
        "nats/image",
        higher_is_better=True,
    ),
    "vae.kl": Metric("KL term on the test split", "nats/image"),
    "vae.active_units": Metric(
        "Directions of the latent space in use, eigenvalues of Cov(μ) above 0.01",
        "directions",
        higher_is_better=True,
        targets={"quick": 116, "full": 116},
    ),
    "vae.tsne_trustworthiness": Metric(
        "Trustworthiness of the t-SNE map, 12 neighbours (1: no false ones)",
        "index",
        higher_is_better=True,
    ),
    "vae.map_accuracy": Metric(
        "Points of the map whose attribute 15 neighbours on it vote for, balanced accuracy (chance: 0.5)",
        "fraction",
        higher_is_better=True,
    ),
    "vae.knn_accuracy": Metric(
        "Test images whose attribute the 15 nearest training codes vote for",
        "fraction",
        higher_is_better=True,
    ),
    "vae.fcd": Metric(
        "Fréchet classifier distance, samples of the chosen sampler to test images",
        "squared distance",
        higher_is_better=False,
    ),
    "vae.fcd_ratio": Metric(
        "FCD of the chosen sampler over that of rebuilt test images",
        "ratio",
        higher_is_better=False,
        targets={"quick": 1.3, "long": 1.2},
    ),
    "vae.prior_faces_found": Metric(
        "Samples from the prior in which a detector finds a face",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.95, "long/photographs": 0.97},
    ),
    "vae.faces_found": Metric(
        "Samples of the chosen sampler in which a detector finds a face",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.97, "long/photographs": 0.97},
    ),
    "real.faces_found": REAL_FACES,
}

# Readings

CHANCE = 0.6  # mean balanced accuracy below which a judge says little


def code(v: Values) -> Sequence[str]:
    units, latent = v["vae.active_units"], v["latent"]
    used = "all_units" if units == latent else "most_units" if units >= 0.9 * latent else "few_units"
    split = "test_alike" if v["drift"] < 0.5 else "test_higher" if v["test_above"] > 0 else "test_lower"
    linear = "gains" if v["vae.elbo_gain"] > 0 else "loses"
    return ["noise", used, split, linear, "bounds", "posterior" if v["gap"] > 1 else "no_gap"]


CODE = Reading(
    code,
    {
        "noise": "The best noise is σ = {sigma} on a range of 1, from {sigma_images:plural training image}. With it a "
        "test image costs {vae.kl:.0f} nats of KL.",
        "all_units": "All {latent} directions of the code are in use.",
        "most_units": "Of the {latent} directions of the code {vae.active_units} are in use, nine in ten or more.",
        "few_units": "Of the {latent} directions of the code {vae.active_units} are in use; this training has not "
        "opened the others.",
        "test_higher": "In the end the reconstruction term is {drift:,.0f} nats higher on test images than on as many "
        "training images. They are other images, so that only how the gap moved along the curves tells what was "
        "learned by heart.",
        "test_lower": "In the end the reconstruction term is {drift:,.0f} nats lower on test images than on as many "
        "training images. They are other images, so that only how the gap moved along the curves tells what was "
        "learned by heart.",
        "test_alike": "In the end the reconstruction term on test images equals that on as many training images to "
        "half a nat. They are other images, so that only how the gap moved along the curves tells what was learned by "
        "heart.",
        "gains": "The ELBO on test images is {vae.test_elbo:,.0f} nats, {vae.elbo_gain:,.0f} above the "
        "{pca.log_likelihood:,.0f} nats of log p(x) of the linear model that it began from.",
        "loses": "The ELBO on test images is {vae.test_elbo:,.0f} nats, {lost:,.0f} below the "
        "{pca.log_likelihood:,.0f} nats of log p(x) of the linear model: this training has lost more than it gained.",
        "bounds": "On the first {vae.iwae_bound.n} test images the ELBO is {elbo_few:,.0f} nats. With "
        "{importance_samples:plural draw} of z for each of them the importance-weighted bound is "
        "{vae.iwae_bound:,.0f}.",
        "posterior": "So log p(x) lies at least about {gap:,.0f} nats above the ELBO, and what lies between the two is "
        "the KL divergence of q(z|x) from the exact posterior.",
        "no_gap": "So few draws do not tell the two apart.",
    },
    lambda v: {
        "drift": abs(v["test_above"]),
        "gap": v["vae.iwae_bound"] - v["elbo_few"],
        "lost": -v["vae.elbo_gain"],
    },
)


def linear(v: Values) -> Sequence[str]:
    ratio, plain = v["vae.mse_ratio"], v["plain"]
    ours = "alike" if abs(ratio - 1) < 0.01 else "below" if ratio < 1 else "above"
    return ["errors", ours, "plain_alike" if abs(plain - 1) < 0.01 else "plain_below" if plain < 1 else "plain_above"]


LINEAR = Reading(
    linear,
    {
        "errors": "The VAE's mean squared error is {vae.test_mse} at z = μ and {vae.test_mse_sampled} at a sampled z; "
        "that of PCA is {vae.pca_test_mse}.",
        "below": "At z = μ the VAE's is {below:.0%} lower than PCA's: its decoder has used its freedom.",
        "alike": "At z = μ the two are within one per cent of each other.",
        "above": "At z = μ the VAE's is {vae.mse_ratio:.2f} times PCA's: this training has unlearned some of what it "
        "began with.",
        "plain_below": "The coursework's network, from random weights, has {plain:.2f} times the error of PCA.",
        "plain_alike": "The coursework's network, from random weights, is within one per cent of PCA.",
        "plain_above": "The coursework's network, from random weights, has {plain:.2f} times the error of PCA: in "
        "{plain_steps:plural step} it has not caught up with what takes seconds.",
    },
    lambda v: {"plain": v["plain.test_mse"] / v["vae.pca_test_mse"], "below": 1 - v["vae.mse_ratio"]},
)

TEST_ERROR = always(
    "The error at z = μ is {vae.test_mse} on [0, 1], which is {signed} on [−1, 1], where squares are four times as "
    "large. Report C's 0.0641 on [−1, 1], or 0.0160 on [0, 1], is of other photographs: it gives the scale, and is "
    "not there to be beaten.",
    lambda v: {"signed": 4 * v["vae.test_mse"]},
)


def prior(v: Values) -> Sequence[str]:
    detector = ["faces"] if v["real.faces_found"] >= WITNESS else ["no_faces"]
    if v["judge_balanced"] < CHANCE:
        return [*detector, "judge", "chance", "distances"]
    nearer = "mended" if codes_stray(v) else "undecided" if v["vae.fcd"] < 0.95 * v["prior_fcd"] else "not_mended"
    able = v["vae.fcd_ratio"] > 1.3 and v["kid_ratio"] > 1.1
    return [*detector, "judge", "distances", nearer, "able" if able else "unable"]


def codes_stray(v: Values) -> bool:
    """Whether samples get closer to test images, by both distances, when they are drawn from where the codes lie."""
    nearer = v["vae.fcd"] < 0.95 * v["prior_fcd"] and v["mixture_kid"] < 0.95 * v["prior_kid"]
    return v["judge_balanced"] >= CHANCE and nearer


PRIOR = Reading(
    prior,
    {
        "faces": "The detector finds a face in {real.faces_found:.0%} of the test images, in "
        "{vae.prior_faces_found:.0%} of the samples from the prior and in {vae.faces_found:.0%} of those from the "
        "mixture; of the coursework's network it is {plain_faces:.0%}.",
        "no_faces": "The detector finds a face in no more than {real.faces_found:.0%} of the test images themselves: "
        "it does not know such pictures, and what it finds in samples says nothing.",
        "judge": "The judge reads {attribute} correctly in {judge_accuracy:.1%} of test images; the more frequent "
        "answer alone would be right in {majority:.1%}. Over all attributes its balanced accuracy is "
        "{judge_balanced:.1%} on average, where 50% is chance.",
        "chance": "That is so near to chance that its distances mean little.",
        "distances": "In its features the KID of samples from the prior is {prior_kid}, that of the mixture "
        "{mixture_kid} and that of reconstructions {rebuilt_kid}; their FCDs are {prior_fcd}, {vae.fcd} and "
        "{rebuilt_fcd}.",
        "mended": "So part of what the prior's samples lack is not the decoder's fault: the codes do not fill the "
        "prior.",
        "undecided": "By FCD the mixture is nearer, by KID it is not: whether another sampler helps is not settled.",
        "not_mended": "So the codes fill the prior well enough, and another sampler hardly helps.",
        "able": "Samples of the mixture are {vae.fcd_ratio:.2f} times as far off as reconstructions by FCD and "
        "{kid_ratio:.2f} times by KID: the decoder can draw better images than it is asked for.",
        "unable": "Samples of the mixture are {vae.fcd_ratio:.2f} times as far off as reconstructions by FCD and "
        "{kid_ratio:.2f} times by KID: most of what is missing is missing in the decoder.",
    },
    lambda v: {"kid_ratio": v["mixture_kid"] / v["rebuilt_kid"]},
)


def above_chance(v: Values) -> bool:
    return v["vae.map_accuracy"] >= 0.55


def neighbours(v: Values) -> Sequence[str]:
    written = v["vae.knn_accuracy.low"] > v["majority"]
    return ["trust", "map", regions(v), "vote", "written" if written else "not_written", "taught"]


def regions(v: Values) -> str:
    """How far the colours of the map lie in regions."""
    return "keeps" if v["vae.map_accuracy"] >= 0.65 else "little" if above_chance(v) else "mixed"


IN_REGIONS = {
    "keeps": "So the colours do lie in regions.",
    "little": "So the colours are not spread at random, but hardly lie in regions.",
    "mixed": "So the colours are mixed.",
}


NEIGHBOURS = Reading(
    neighbours,
    {
        "trust": "The trustworthiness of the map is {vae.tsne_trustworthiness}.",
        "map": "On the map the vote of 15 neighbours gets {attribute} right for {map_vote:.1%} of the points, where "
        "the more frequent answer alone would be right for {majority:.1%}; its balanced accuracy is "
        "{vae.map_accuracy:.1%}, where chance is 50 %.",
        **IN_REGIONS,
        "vote": "With neighbours in z itself it is right for {vae.knn_accuracy:.1%} of test images.",
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
        "prior": "\n\n**What the samplers give.** Samples from the prior are {prior_fcd} from the test images in "
        "FCD, those from the mixture {vae.fcd}, reconstructions {rebuilt_fcd}.",
        "stray": "Codes that lie elsewhere than the prior are one reason why a VAE samples worse than it rebuilds.",
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

MAP_KEEPS = Reading(
    lambda v: ["vote", regions(v)],
    {
        "vote": "On the map the vote of 15 neighbours reads the attribute (Male, where there is one) with a balanced "
        "accuracy of {vae.map_accuracy:.1%}, where chance is 50 %.",
        **IN_REGIONS,
    },
)

CLAIMS = (
    Claim(
        "The VAE's mean squared error on test images is 0.0641, about the mean of its loss.",
        "C",
        "VAE, question 3",
        "this course's VAE",
        TEST_ERROR,
        {"always": OTHER_DATA},
        ("01/vae.3",),
        UNSTATED,
        figures_of="report C's photographs",
    ),
    Claim(
        "The map of the latent means keeps some of the sex.",
        "C",
        "VAE, question 5",
        "this course's VAE, t-SNE",
        MAP_KEEPS,
        {"keeps": HOLDS, "little": PARTLY, "mixed": FAILS},
        ("01/vae.5",),
        UNSTATED,
        only_on=("photographs", "celeba"),
    ),
)

FINDING = Reading(
    lambda v: ["ahead" if v["vae.mse_ratio"] < 1 else "behind", "samples"],
    {
        "ahead": "Begun at probabilistic PCA, the VAE rebuilds unseen faces with {vae.mse_ratio:.2f} of the squared "
        "error of PCA with as many numbers.",
        "behind": "Begun at probabilistic PCA, the VAE still makes {vae.mse_ratio:.2f} times the squared error of PCA "
        "with as many numbers on unseen faces.",
        "samples": "Faces drawn from a mixture of twenty Gaussians that is fitted to its codes are {vae.fcd_ratio:.2f} "
        "times as far from real ones, in FCD, as rebuilt faces are.",
    },
)

LAB = Lab(
    name="01_vae",
    title="VAE: faces from noise",
    question="What can a latent vector of 128 numbers keep of a face, and can faces be drawn from noise?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
)
