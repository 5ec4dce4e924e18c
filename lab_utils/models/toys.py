"""Small networks of points in the plane, as many side by side as there are seeds."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class SideBySide(nn.Module):
    """Perceptrons of one shape, each with weights of its own, that do not know of one another.

    Rows of the input belong to them by turns (:func:`of_each`), so that sets may be cut and joined between rows.
    Trained by an optimiser that looks at each weight by itself, such as Adam, each goes as it would alone: a training
    over many seeds at the price of one.
    """

    def __init__(self, copies: int, sizes: Sequence[int]):
        super().__init__()
        self.copies = copies
        shapes = list(pairwise(sizes))
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(copies, *shape)) for shape in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.empty(copies, 1, shape[1])) for shape in shapes)
        for (inputs, _), *both in zip(shapes, self.weights, self.biases, strict=True):
            for parameter in both:
                nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))  # as nn.Linear does

    def forward(self, x: Tensor) -> Tensor:
        """Rows N×inputs to N×outputs; N is a multiple of the number of networks."""
        x = of_each(x, self.copies)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu()
        return torch.baddbmm(self.biases[-1], x, self.weights[-1]).transpose(0, 1).flatten(0, 1)


def of_each(x: Tensor, copies: int) -> Tensor:
    """The rows of each of some networks side by side: N×D to copies×(N/copies)×D."""
    return x.unflatten(0, (-1, copies)).transpose(0, 1)


class PointGenerator(SideBySide):
    """Noise N×inputs to points N×2."""

    def __init__(self, copies: int, inputs: int = 2, hidden: int = 64):
        super().__init__(copies, (inputs, hidden, hidden, 2))
        self.inputs = inputs


class PointDiscriminator(SideBySide):
    """Points N×2 to logits N×1 under the name ``real``, as the discriminator of images gives them."""

    def __init__(self, copies: int, hidden: int = 64):
        super().__init__(copies, (2, hidden, hidden, 1))

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        return {"real": super().forward(x)}
