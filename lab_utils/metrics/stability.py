"""How steadily a loss went down, and how it moves about its level."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

STRETCHES = 20  # of a training that are compared, at most


def share_of_rises(losses: Sequence[float]) -> float:
    """Rises as a share of all movement between the means of equal stretches of a training, in [0, 1].

    0 for a loss that only fell, 0.5 for one that is back where it began, 1 for one that only rose; 0, too, for one
    that did not move. ``losses`` are taken at equal distances, in order. The means are over twenty parts, so
    that the noise of single batches counts for little and runs of different length can be compared.
    """
    parts = np.array_split(np.asarray(losses, dtype=float), min(STRETCHES, len(losses)))
    moves = np.diff([part.mean() for part in parts])
    total = np.abs(moves).sum()
    return float(moves.clip(0).sum() / total) if total else 0.0


def swing(losses: Sequence[float]) -> float:
    """Standard deviation of a loss over the size of its mean: how far it swings about its level.

    Depends on where the loss has its zero, so that losses of different kinds compare badly.
    """
    values = pd.Series(losses, dtype=float)
    return float(values.std(ddof=0) / abs(values.mean()))


def roughness(losses: Sequence[float]) -> float:
    """How jagged a curve is, whatever its scale and its zero: near 0 for a smooth line, 1 for noise about a level.

    The standard deviation of the changes from one point to the next, over √2 times the curve's own, which is what
    independent noise would have. NaN for a curve that does not move.
    """
    values = pd.Series(losses, dtype=float)
    return float(values.diff().std(ddof=0) / (2**0.5 * values.std(ddof=0)))


def of_discriminator(curves: Sequence[pd.DataFrame]) -> dict[str, list[float]]:
    """Of D's loss in each of several trainings: ``end``, its mean over the last third; ``swing``, in the last fifth;
    ``roughness``, over the second half. Each curve has a column ``discriminator``.
    """
    losses = [curve["discriminator"] for curve in curves]
    return {
        "end": [float(loss.iloc[-max(1, len(loss) // 3) :].mean()) for loss in losses],
        "swing": [swing(loss.iloc[-max(1, len(loss) // 5) :]) for loss in losses],
        "roughness": [roughness(loss.iloc[len(loss) // 2 :]) for loss in losses],
    }


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's, in [−1, 1]; NaN where one of the two does not move."""
    both = [pd.Series(np.asarray(values), dtype=float) for values in (a, b)]
    if min(one.nunique() for one in both) < 2:
        return float("nan")
    return float(both[0].corr(both[1], "spearman"))


def first_below(values: Sequence[float], share: float) -> float | None:
    """How far into a training, in [0, 1], a curve first falls below a share of its start; None if it never does."""
    array = np.asarray(values, dtype=float)
    below = np.flatnonzero(array < share * array[0])
    return float((below[0] + 1) / len(array)) if len(below) else None
