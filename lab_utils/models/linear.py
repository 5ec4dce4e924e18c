"""The zeroth generator of notebooks 04 to 06, which needs no training: a value that others begin as."""

from typing import NamedTuple

from torch import Tensor


class LinearGenerator(NamedTuple):
    """The zeroth generator: images m + uW, flattened to D, in [−1, 1] or a little beyond, for inputs u.

    With standard normal noise for u and W = Λ^½Vᵀ it draws eigenfaces, the best linear-Gaussian model of the images.
    """

    mean: Tensor  # m, D
    directions: Tensor  # W, inputs×D
