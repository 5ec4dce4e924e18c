"""The moving average of a network's weights, which draws the samples of a GAN (Yazıcı et al. 2019)."""

import copy
from itertools import chain

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """A copy of a network whose weights and running statistics follow those of the network.

    The first update copies them; from the second on, what is kept is ``decay`` of what was and the rest of what is.
    Whole numbers, such as how many batches a batch norm has seen, are those of the network after every update.
    """

    def __init__(self, model: nn.Module, decay: float):
        super().__init__()
        self.module, self.decay = copy.deepcopy(model).requires_grad_(False), decay
        # On the host: to ask a tensor on a GPU would wait for it, and the weight of many a lerp is a number
        # anyway. A step that is captured has been taken before, as its optimisers want, too: its graph holds the lerp.
        self.begun = False

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.module(*inputs)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move on towards the network as it is now, without waiting for the device."""
        pairs = list(zip(*(chain(one.parameters(), one.buffers()) for one in (self.module, model)), strict=True))
        floats, whole = ([p for p in pairs if p[0].is_floating_point() == wanted] for wanted in (True, False))
        mine, theirs = map(list, zip(*floats, strict=True))
        torch._foreach_lerp_(mine, theirs, 1 - self.decay if self.begun else 1.0)
        if whole:
            torch._foreach_copy_(*map(list, zip(*whole, strict=True)))
        self.begun = True

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.begun)

    def set_extra_state(self, state: Tensor) -> None:
        self.begun = bool(state)
