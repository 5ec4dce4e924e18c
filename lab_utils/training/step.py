"""What a training step is: a batch in, detached scalars out.

A step sees one shape, never waits for the device and keeps nothing between calls but the weights, so that
:func:`lab_utils.training.fit.fit` may run it as it is or from a CUDA graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Scalars = dict[str, Tensor]
Step = Callable[..., Scalars]  # of the tensors of a batch


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Gradients of the loss, one step of the optimiser."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def detached(**terms: Tensor) -> Scalars:
    """The terms without their graphs, by name."""
    return {name: value.detach() for name, value in terms.items()}
