"""The optimiser of everything that is no game between networks, and weights that move while a model trains."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lab_utils.config import LabError


def one_cycle_adamw(
    model: nn.Module, max_lr: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
    """AdamW with a one-cycle learning rate (Smith and Topin 2018): up to ``max_lr``, then down to almost nothing.

    Annealing is what lets a short budget end where a constant rate arrives much later. The decoupled decay leaves
    the objective as written (Loshchilov and Hutter 2019). LabError if there is no step to take.
    """
    if steps < 1:
        raise LabError("the training images do not fill one batch; raise train_images or lower the batch size")
    on_gpu = next(model.parameters()).is_cuda  # there a captured step reads its rate and its count from the device
    rate = torch.tensor(max_lr, device="cuda") if on_gpu else max_lr
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.05, fused=True, capturable=on_gpu
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr, total_steps=steps, pct_start=0.3, cycle_momentum=False, final_div_factor=100
    )
    return optimizer, schedule


def anneal(value: Tensor, start: float, end: float, steps: int) -> Callable[[int], None]:
    """Let ``value`` go from start to end in a straight line over the first half of ``steps``, then stay.

    Returns the function to call after a step, with how many were done.
    """
    value.fill_(start)

    def advance(done: int) -> None:
        value.fill_(end + (start - end) * max(0.0, 1 - 2 * done / steps))

    return advance
