"""The moving average of a network's weights, which draws the samples of a GAN (Yazıcı et al. 2019)."""

import copy

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """A copy of a network whose weights and running statistics follow those of the network.

    The first update copies them; from the second on, what is kept is ``decay`` of what was and the rest of what is.
    """

    def __init__(self, model: nn.Module, decay: float):
        super().__init__()
        self.module, self.decay = copy.deepcopy(model).requires_grad_(False), decay
        first = next(model.parameters())
        self.register_buffer("weight", torch.ones((), device=first.device))  # of what is, at the next update

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.module(*inputs)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move on towards the network as it is now, without waiting for the device."""
        mine, theirs = (list(one.state_dict().values()) for one in (self.module, model))
        pairs = [pair for pair in zip(mine, theirs, strict=True) if pair[0].is_floating_point()]
        torch._foreach_lerp_([one for one, _ in pairs], [other for _, other in pairs], self.weight)
        self.weight.fill_(1 - self.decay)
