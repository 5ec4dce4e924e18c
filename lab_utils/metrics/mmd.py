"""The maximum mean discrepancy, whatever the kernel."""

from collections.abc import Callable

from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]  # n×D and m×D to the values of all pairs, n×m

ROWS = 2000  # of a kernel matrix at once: 160 MB beside 10,000 columns


def unbiased_mmd(x: Tensor, y: Tensor, kernel: Kernel) -> float:
    """Squared maximum mean discrepancy between N×D and M×D, the unbiased estimate (Gretton et al. 2012, equation 3).

    Near 0 for equal distributions, and may then fall below it. N and M are at least 2; computed in float64.
    """
    x, y = x.double(), y.double()
    between = sum(kernel(rows, y).sum() for rows in x.split(ROWS)) / (len(x) * len(y))
    return (within(x, kernel) + within(y, kernel) - 2 * between).item()


def within(x: Tensor, kernel: Kernel) -> Tensor:
    """Mean of the kernel over all ordered pairs of two different rows of N×D."""
    total = 0.0
    for i, rows in enumerate(x.split(ROWS)):
        values = kernel(rows, x)
        total += values.sum() - values.diagonal(i * ROWS).sum()  # a row with itself lies on a shifted diagonal
    return total / (len(x) * (len(x) - 1))
