"""The optimiser of everything that is no game between networks, and weights that move while a model trains."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from lab_utils.config import LabError

SLOWER = 50  # times


def one_cycle_adamw(
    model: nn.Module, max_lr: float, steps: int, slow: Iterable[nn.Parameter] = ()
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
    """AdamW with a one-cycle learning rate (Smith and Topin 2018): up to ``max_lr``, then down to almost nothing.

    Annealing is what lets a short budget end where a constant rate arrives much later. The decoupled decay leaves
    the objective as written (Loshchilov and Hutter 2019). The parameters in ``slow``, which begin where others have yet
    to go, have a fiftieth of the rate and do not decay. LabError if there is no step to take.
    """
    if steps < 1:
        raise LabError("the training images do not fill one batch; raise train_images or lower the batch size")
    on_gpu = next(model.parameters()).is_cuda  # there a captured step reads its rate and its count from the device
    slow = list(slow)
    others = [parameter for parameter in model.parameters() if not any(parameter is one for one in slow)]
    groups = [{"params": others, "lr": max_lr}]
    if slow:
        groups.append({"params": slow, "lr": max_lr / SLOWER, "weight_decay": 0.0})
    rates = [group["lr"] for group in groups]
    for group in groups:
        group["lr"] = torch.tensor(group["lr"], device="cuda") if on_gpu else group["lr"]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.05, fused=True, capturable=on_gpu)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=steps, pct_start=0.3, cycle_momentum=False, final_div_factor=100
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
