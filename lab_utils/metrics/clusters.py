"""What codes found without labels have to do with labels: counts, the best one-to-one assignment, information."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from lab_utils.data.batches import to_signed
from lab_utils.metrics.likelihood import evaluating


def confusion(codes: Tensor, labels: Tensor, k: int, classes: int) -> np.ndarray:
    """How many images have each code (row) and label (column), k×classes; codes and labels int64, N."""
    counts = np.zeros((k, classes), dtype=np.int64)
    np.add.at(counts, (codes.cpu().numpy(), labels.cpu().numpy()), 1)
    return counts


@torch.no_grad()
def codes_read(discriminator: nn.Module, images: Tensor, size: int, batch: int = 1000) -> Tensor:
    """The categorical code that the head ``code`` reads from each image, N (int64); images uint8 N×C×S×S.

    ``size`` is the number of its values: the first so many logits of the head.
    """
    with evaluating(discriminator):
        logits = [discriminator(to_signed(part))["code"] for part in images.split(batch)]
    return torch.cat(logits)[:, :size].argmax(1)


def assignment(codes: Tensor, labels: Tensor, k: int, classes: int) -> Tensor:
    """The class of each code, k, one to one, for which most images have the class of their code (Kuhn 1955).

    With more codes than classes, those left over get −1, which is no label; with fewer, some classes have no code.
    A code that no image has may still get a class that is free. Codes and labels int64, N.
    """
    rows, columns = linear_sum_assignment(confusion(codes, labels, k, classes), maximize=True)
    found = torch.full((k,), -1)
    found[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return found.to(codes.device)


def assigned_hits(codes: Tensor, labels: Tensor, classes_of_codes: Tensor) -> Tensor:
    """1 where the label is the class of the code, else 0, N; its mean is the accuracy.

    ``classes_of_codes`` is what :func:`assignment` found on other images: on the same ones it would flatter.
    """
    return (classes_of_codes[codes] == labels).float()


def code_information(logits: Tensor, codes: Tensor) -> Tensor:
    """ln K + log Q′(c|x) of each image, N, in nats: logits N×K of a reader Q′, the true codes c int64, N.

    For codes drawn uniformly its mean over new samples estimates a lower bound on I(c; x), which is tight where Q′ is
    the true posterior (Barber and Agakov 2003; Chen et al. 2016, equation 5). At most ln K; negative where Q′ does
    worse than a guess.
    """
    return math.log(logits.shape[1]) - F.cross_entropy(logits, codes, reduction="none")
