"""Whether the condition controls the sample: label consistency, leakage into z, diversity within a label."""

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from lab_utils.data.batches import to_unit


@torch.no_grad()
def logits_of(classifier: nn.Module, x: Tensor, batch: int = 1000) -> Tensor:
    """Logits N×K of images N×C×H×W in [0, 1]."""
    return torch.cat([classifier(part) for part in x.split(batch)])


def predictions(classifier: nn.Module, x: Tensor) -> Tensor:
    """Predicted labels, N, of images N×1×28×28 in [0, 1]."""
    return logits_of(classifier, x).argmax(1)


def hits(classifier: nn.Module, x: Tensor, wanted: Tensor) -> Tensor:
    """1 where the classifier reads the wanted label, else 0, N; its mean is the accuracy."""
    return (predictions(classifier, x) == wanted).float()


def label_leakage(
    z_train: Tensor, labels_train: Tensor, z_test: Tensor, labels_test: Tensor, seed: int
) -> dict[str, Tensor]:
    """What two probes read of the label from sampled z (N×latent): hits on the test split, N, by probe.

    The probes are a logistic regression and an MLP with 128 hidden units, trained on the training split. A
    disentangled z holds nothing of the label, so that the accuracy of the better probe is chance.
    """
    probes = {
        "logistic": LogisticRegression(max_iter=1000),
        # Stops when the accuracy on a held-out tenth has not risen for ten epochs.
        "mlp": MLPClassifier((128,), batch_size=200, early_stopping=True, n_iter_no_change=10, random_state=seed),
    }
    arrays = [t.cpu().numpy() for t in (z_train, labels_train, z_test, labels_test)]
    found = {}
    for name, probe in probes.items():
        fitted = make_pipeline(StandardScaler(), probe).fit(arrays[0], arrays[1])
        found[name] = torch.from_numpy(fitted.predict(arrays[2]) == arrays[3]).float()
    return found


@torch.no_grad()
def within_label_distance(features: Tensor, labels: Tensor) -> float:
    """Mean Euclidean distance between two images of one label in feature space N×D, averaged over labels."""
    return torch.stack([torch.pdist(features[labels == k]).mean() for k in labels.unique()]).mean().item()


def first_of_each(labels: Tensor, n: int, classes: int = 10) -> Tensor:
    """Indices of the first n images of each label, in label order: a fixed choice, not a picked one."""
    return torch.cat([torch.nonzero(labels == k).flatten()[:n] for k in range(classes)])


@torch.no_grad()
def attributes_read(judge: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """What a judge of attributes reads, N×K of 0 and 1; images uint8 or in [0, 1], N×3×S×S."""
    x = (to_unit(part) if part.dtype == torch.uint8 else part for part in images.split(batch))
    return torch.cat([(judge(part) > 0).float() for part in x])


def balanced_accuracy(read: Tensor, true: Tensor) -> Tensor:
    """Mean of the accuracies on images with and without each attribute, K, in [0, 1]; 0.5 is chance. Inputs N×K.

    NaN for an attribute that all images or none have.
    """
    right = (read == true).float()
    return 0.5 * sum((right * group).sum(0) / group.sum(0) for group in (true, 1 - true))


def flipped(off: Tensor, on: Tensor, column: int) -> Tensor:
    """1 for a pair that reads 0 with the attribute off and 1 with it on, else 0, N.

    Readings N×K of 0 and 1 of images made from the same noise, row by row; the attribute is ``column``.
    """
    return (1 - off[:, column]) * on[:, column]


def others_agree(off: Tensor, on: Tensor, column: int) -> Tensor:
    """Share of the other attributes, in [0, 1], that read the same in both images of a pair, N; inputs as above.

    NaN if there is no other attribute.
    """
    same = (off == on).float()
    return (same.sum(1) - same[:, column]) / (same.shape[1] - 1)
