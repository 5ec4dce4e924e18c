"""What codes found without labels have to do with labels: counts, the best one-to-one assignment, information."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, mutual_info_score, normalized_mutual_info_score
from torch import Tensor, nn

from lab_utils.clock import spend
from lab_utils.data.batches import by_parts, to_signed
from lab_utils.metrics.estimate import Estimate, by_halves
from lab_utils.run import evaluating


def confusion(codes: Tensor, labels: Tensor, k: int, classes: int) -> np.ndarray:
    """How many images have each code (row) and label (column), k×classes; codes and labels int64, N."""
    counts = np.zeros((k, classes), dtype=np.int64)
    np.add.at(counts, (codes.cpu().numpy(), labels.cpu().numpy()), 1)
    return counts


@spend("metrics")
def codes_read(discriminator: nn.Module, images: Tensor, size: int, head: str = "code", batch: int = 1000) -> Tensor:
    """The categorical code that a head, ``code``, reads from each image, N (int64); images uint8 N×C×S×S.

    ``size`` is the number of its values: the first so many logits of the head.
    """
    with evaluating(discriminator):
        logits = by_parts(lambda part: discriminator(to_signed(part))[head], images, size=batch)
    return logits[:, :size].argmax(1)


def assignment(codes: Tensor, labels: Tensor, k: int, classes: int) -> Tensor:
    """The class of each code, k, one to one, for which most images have the class of their code (Kuhn 1955).

    With more codes than classes, those left over get −1, which is no label; with fewer, some classes have no code.
    A code that no image has may still get a class that is free. Codes and labels int64, N.
    """
    rows, columns = linear_sum_assignment(confusion(codes, labels, k, classes), maximize=True)
    found = torch.full((k,), -1)
    found[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return found.to(codes.device)


def assigned_right(codes: Tensor, labels: Tensor, classes_of_codes: Tensor) -> Tensor:
    """1 where the label is the class of the code, else 0, N; its mean is the accuracy.

    ``classes_of_codes`` is what :func:`assignment` found on other images: on the same ones it would flatter.
    """
    return (classes_of_codes[codes] == labels).float()


class CodeScores(NamedTuple):
    """How far the codes that a head reads from labelled images are the labels."""

    right: Tensor  # see assigned_right, N
    codes: Tensor  # N, int64
    classes: Tensor  # of each code, K, int64
    table: np.ndarray  # see confusion, K×K, rows in the order of the classes that the codes are assigned to


def code_scores(
    discriminator: nn.Module,
    known: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    k: int,
    head: str = "code",
) -> CodeScores:
    """Codes of ``test``, each assigned to one of as many classes, k, by the images of ``known``.

    Both are images (uint8, N×C×S×S) and labels (int64, N); no image should be in both.
    """
    classes = assignment(codes_read(discriminator, known[0], k, head), known[1], k, k)
    codes = codes_read(discriminator, test[0], k, head)
    table = confusion(codes, test[1], k, k)[classes.argsort().cpu().numpy()]
    return CodeScores(assigned_right(codes, test[1], classes), codes, classes, table)


def code_information(logits: Tensor, codes: Tensor) -> Tensor:
    """ln K + log Q′(c|x) of each image, N, in nats: logits N×K of a reader Q′, the true codes c int64, N.

    For codes drawn uniformly its mean over new samples estimates a lower bound on I(c; x), which is tight where Q′ is
    the true posterior (Barber and Agakov 2003; Chen et al. 2016, equation 5). At most ln K; negative where Q′ does
    worse than a guess.
    """
    return math.log(logits.shape[1]) - F.cross_entropy(logits, codes, reduction="none")


def nmi_and_ari(codes: Tensor, labels: Tensor) -> tuple[Estimate, Estimate]:
    """Normalised mutual information, in [0, 1], and adjusted Rand index, at most 1, of codes and labels (int64, N).

    Neither needs an assignment. 1 if codes are labels under other names; the Rand index is 0 on average for codes drawn
    at random. With intervals over images.
    """
    both = labels.cpu(), codes.cpu()
    return by_halves(normalized_mutual_info_score, both), by_halves(adjusted_rand_score, both)


def attribute_information(codes: Tensor, attributes: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Mutual information, in nats, of codes (int64, N) with each attribute (N×K of 0 and 1), by its name.

    Estimated from counts: for codes of k values that have nothing to do with an attribute (k − 1)/2N on average.
    """
    found, table = codes.cpu().numpy(), attributes.cpu().numpy()
    return {name: float(mutual_info_score(found, table[:, i])) for i, name in enumerate(names)}


@spend("metrics")
def most_information(codes: Tensor, attributes: Tensor, draws: int = 50) -> float:
    """The largest mutual information, in nats, of codes (int64, N) with one of some attributes (N×K of 0 and 1).

    Less what shuffled codes have on average: the largest of several is larger by chance than that of one.
    """
    table, rng = attributes.cpu().numpy(), np.random.default_rng(0)

    def largest(found: np.ndarray) -> float:
        return max(float(mutual_info_score(found, column)) for column in table.T)

    found = codes.cpu().numpy()
    return largest(found) - float(np.mean([largest(rng.permutation(found)) for _ in range(draws)]))


def worst_confusion(table: np.ndarray) -> tuple[float, int, int]:
    """The largest share of a label's images with the code of another: the share, the label, whose code it is.

    ``table`` is a :func:`confusion` whose rows are in the order of the labels that the codes are assigned to, K×K.
    """
    share = table / table.sum(0).clip(1)
    np.fill_diagonal(share, 0)
    code, label = np.unravel_index(share.argmax(), share.shape)
    return float(share.max()), int(label), int(code)
