"""Whether the condition controls the sample: label consistency, leakage into z, diversity within a label."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.data.batches import Prepare, Tensors, by_parts, to_unit
from lab_utils.metrics.estimate import Estimate, by_halves
from lab_utils.metrics.fidelity import SOME, judge_features, relative_distance
from lab_utils.metrics.likelihood import sampled_latents
from lab_utils.run import Run

Readings = TypeVar("Readings", bound=tuple)  # what is read of pairs: tensors, a value for each pair


@spend("metrics")
def logits_of(classifier: nn.Module, x: Tensor, batch: int = 1000) -> Tensor:
    """Logits N×K of images N×C×H×W in [0, 1]."""
    return by_parts(classifier, x, size=batch)


def predictions(classifier: nn.Module, x: Tensor) -> Tensor:
    """Predicted labels, N, of images N×1×28×28 in [0, 1]."""
    return logits_of(classifier, x).argmax(1)


def correct(classifier: nn.Module, x: Tensor, wanted: Tensor) -> Tensor:
    """1 where the classifier reads the wanted label, else 0, N; its mean is the accuracy."""
    return (predictions(classifier, x) == wanted).float()


@spend("metrics")
def label_leakage(
    z_train: Tensor, labels_train: Tensor, z_test: Tensor, labels_test: Tensor, seed: int
) -> dict[str, Tensor]:
    """What two probes read of the label from sampled z (N×latent), N of 0 and 1 on the test split, by probe.

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


def best_probe(z_train: Tensor, labels_train: Tensor, z_test: Tensor, labels_test: Tensor, seed: int) -> Tensor:
    """What the better probe of :func:`label_leakage` reads, 1 where right, else 0, N of the test split."""
    found = label_leakage(z_train, labels_train, z_test, labels_test, seed)
    return max(found.values(), key=torch.mean)


def label_read_from_z(run: Run, model: nn.Module, train: Tensors, test: Tensors, prepare: Prepare) -> Tensor:
    """1 where the better probe of :func:`label_leakage` names the label from z ~ q(z|x, c), else 0, N of ``test``.

    Both splits are uint8 images and labels on the device; ``prepare`` makes x and c of them.
    """
    z_train = sampled_latents(model, train, prepare, run.rng("leakage train z"))
    z_test = sampled_latents(model, test, prepare, run.rng("leakage test z"))
    return best_probe(z_train, train[1], z_test, test[1], run.seed)


@torch.no_grad()
def within_label_distance(features: Tensor, labels: Tensor) -> float:
    """Mean Euclidean distance between two images of one label in feature space N×D, averaged over labels."""
    return torch.stack([torch.pdist(features[labels == k]).mean() for k in labels.unique()]).mean().item()


@spend("metrics")
@torch.no_grad()
def label_diversity(judge: nn.Module, samples: Tensor, real: Tensor, labels: Tensor) -> Estimate:
    """:func:`within_label_distance` of samples over that of as many real images, N×1×28×28 in [0, 1], by ``judge``.

    Below 1 for samples that are more alike than real images of their label. With an interval over images.
    """

    def ratio(made: Tensor, of_made: Tensor, true: Tensor, of_true: Tensor) -> float:
        return within_label_distance(made, of_made) / within_label_distance(true, of_true)

    made, true = (judge.features(x) for x in (samples, real))
    return by_halves(ratio, (made, labels), (true, labels))


def first_of_each(labels: Tensor, n: int, classes: int = 10) -> Tensor:
    """Indices of the first n images of each label, in label order: a fixed choice, not a picked one."""
    return torch.cat([torch.nonzero(labels == k).flatten()[:n] for k in range(classes)])


@spend("metrics")
def attributes_read(judge: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """What a judge of attributes reads, N×K of 0 and 1; images uint8 or in [0, 1], N×3×S×S."""

    def read(part: Tensor) -> Tensor:
        return (judge(to_unit(part) if part.dtype == torch.uint8 else part) > 0).float()

    return by_parts(read, images, size=batch)


def none_of(judge: nn.Module, images: Tensor, columns: Sequence[int]) -> Tensor:
    """1 for an image in which a judge reads none of the attributes in ``columns``, else 0, N; images as above."""
    return (attributes_read(judge, images)[:, list(columns)].sum(1) == 0).float()


class JudgeScores(NamedTuple):
    """How far a judge of attributes is to be trusted, on real images: a value for each attribute, K, in [0, 1]."""

    accuracy: Tensor
    majority: Tensor  # what always giving the more frequent answer would reach
    balanced: Tensor  # see balanced_accuracy


def judge_scores(judge: nn.Module, images: Tensor, attributes: Tensor) -> JudgeScores:
    """Scores of a judge on real images N×3×S×S with known attributes N×K."""
    read, share = attributes_read(judge, images), attributes.mean(0)
    accuracy = (read == attributes).float().mean(0)
    return JudgeScores(accuracy, torch.maximum(share, 1 - share), balanced_accuracy(read, attributes))


def by_attribute(
    judge: nn.Module, train: Tensor, images: Tensor, attributes: Tensor, names: Sequence[str]
) -> pd.DataFrame:
    """By attribute: how often it is set in the training labels (N×K) and the test labels (M×K), and how the judge reads
    it, balanced accuracy on test images, on all of them and on those with and without Male.
    """
    read = attributes_read(judge, images)
    table = {
        "attribute": names,
        "set, training": train.mean(0).tolist(),
        "set, test": attributes.mean(0).tolist(),
        "judge": balanced_accuracy(read, attributes).tolist(),
    }
    if "Male" in names:
        male = attributes[:, names.index("Male")] == 1
        for title, group in {"judge, Male": male, "judge, not Male": ~male}.items():
            table[title] = balanced_accuracy(read[group], attributes[group]).tolist()
    return pd.DataFrame(table)


def by_digit(judge: nn.Module, train: Tensor, images: Tensor, labels: Tensor) -> pd.DataFrame:
    """By digit: its share of the training and the test labels, and of its test images that the judge reads right."""
    right = correct(judge, to_unit(images), labels)
    return pd.DataFrame(
        {
            "digit": range(10),
            "share, training": (train.bincount(minlength=10) / len(train)).tolist(),
            "share, test": (labels.bincount(minlength=10) / len(labels)).tolist(),
            "judge": [right[labels == k].mean().item() if (labels == k).any() else torch.nan for k in range(10)],
        }
    )


def hair_columns(names: Sequence[str]) -> list[int]:
    """Which attributes name a colour or a shape of hair. Bangs do not: they say where it falls."""
    return [i for i, name in enumerate(names) if name.endswith("_Hair")]


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


class Coupled(NamedTuple):
    """Rows of a table of attributes in pairs, n×K each: without one of the attributes, and with it."""

    without: Tensor
    having: Tensor


@spend("metrics")
def coupled(table: Tensor, column: int, n: int, rng: torch.Generator) -> Coupled:
    """n pairs of rows of a table N×K of 0 and 1, one without and one with the attribute in ``column``, else alike.

    Rows of either kind are drawn as often as they occur, and paired so that as few of the other attributes as possible
    differ (optimal assignment): of all couplings of p(others | off) and p(others | on) the one with the largest
    expected agreement. What the data hardly ever combine is then changed together, and nothing else.
    """
    sides = []
    for value in (0, 1):
        rows = table[table[:, column] == value]
        sides.append(rows[torch.randint(len(rows), (n,), generator=rng, device=table.device)])
    rows, partners = linear_sum_assignment(torch.cdist(*sides, p=1).cpu().numpy())
    return Coupled(sides[0][torch.from_numpy(rows)], sides[1][torch.from_numpy(partners)])


def attainable_agreement(table: Tensor, column: int, n: int, rng: torch.Generator) -> Tensor:
    """Share of the other attributes on which :func:`coupled` rows agree, n: no faithful generator has a larger mean."""
    return others_agree(*coupled(table, column, n, rng), column)


class PairReadings(NamedTuple):
    """What a judge reads of pairs from the same noise, an attribute off and on: a value for each pair, N."""

    right: Tensor  # the share of the two images read as asked: 0, ½ or 1; its mean is a balanced accuracy
    flipped: Tensor  # see flipped
    others: Tensor  # see others_agree
    strangers: Tensor  # the same of images from two pairs
    changed: Tensor  # 1 where an attribute reads differently in the two images, else 0; N×K


def read_pairs(judge: nn.Module, off: Tensor, on: Tensor, column: int) -> PairReadings:
    """Readings of images N×3×S×S, uint8 or in [0, 1], asked for without and with the attribute in ``column``."""
    without, having = (attributes_read(judge, images) for images in (off, on))
    return PairReadings(
        right=(1 - without[:, column] + having[:, column]) / 2,
        flipped=flipped(without, having, column),
        others=others_agree(without, having, column),
        strangers=others_agree(without, having.roll(1, 0), column),
        changed=(without != having).float(),
    )


def averaged(readings: Sequence[Readings]) -> Readings:
    """The mean over several readings, such as those of several attributes, still with a value for each pair."""
    return type(readings[0])(*(torch.stack(values).mean(0) for values in zip(*readings, strict=True)))


def means(readings: Sequence[Readings]) -> dict[str, float]:
    """The mean over pairs, and over several readings, of whatever has one value for each pair, by name."""
    together = averaged(readings)
    return {name: values.mean().item() for name, values in together._asdict().items() if values.ndim == 1}


@spend("metrics")
def balanced_estimate(read: Tensor, true: Tensor) -> Estimate:
    """:func:`balanced_accuracy`, mean over attributes, with an interval over images."""
    return by_halves(lambda *both: balanced_accuracy(*both).mean().item(), (read, true))


@spend("metrics")
def diversity(judge: nn.Module, pairs: Sequence[Tensor], real: Tensor, has: Tensor) -> Estimate:
    """How far apart two images asked for alike are in the judge's features, over two real ones of that label.

    ``pairs`` are the images asked for without and with an attribute, ``has`` says which real ones have it (N of 0 and
    1); the two ratios of mean distances are averaged. Below 1 samples are more alike than real images. With an
    interval over images.
    """
    groups = zip(pairs, (real[has == 0], real[has == 1]), strict=True)
    features = [judge_features(judge, images[:SOME]) for both in groups for images in both]

    def ratio(off: Tensor, without: Tensor, on: Tensor, with_it: Tensor) -> float:
        return (relative_distance(off, without) + relative_distance(on, with_it)) / 2

    return by_halves(ratio, *((one,) for one in features))


def turning(path: Tensor) -> tuple[float, float]:
    """Shares of draws that turn once, from 0 to 1, and that never turn; readings steps×N of 0 and 1 along a path."""
    turns = (path[1:] != path[:-1]).sum(0)
    once = (turns == 1) & (path[-1] > path[0])
    return once.float().mean().item(), (turns == 0).float().mean().item()
