"""How steadily a loss went down."""

from collections.abc import Sequence

import numpy as np


def share_of_rises(losses: Sequence[float], stretches: int = 20) -> float:
    """Rises as a share of all movement between the means of equal stretches of a training, in [0, 1].

    0 for a loss that only fell, 0.5 for one that is back where it began, 1 for one that only rose; 0, too, for one
    that did not move. ``losses`` are taken at equal distances, in order. The means are over ``stretches`` parts, so
    that the noise of single batches counts for little and runs of different length can be compared.
    """
    parts = np.array_split(np.asarray(losses, dtype=float), min(stretches, len(losses)))
    moves = np.diff([part.mean() for part in parts])
    total = np.abs(moves).sum()
    return float(moves.clip(0).sum() / total) if total else 0.0
