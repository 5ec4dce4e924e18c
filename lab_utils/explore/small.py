"""A network made small enough for a page: fewer numbers for the same pictures, then trained to give them again.

Eigenfaces are smooth, so the linear part of a network of faces is stored at half the side. If that does not suffice,
the largest matrices are replaced by products of two narrow ones (the best of their rank), and all of it learns from
what the network itself draws.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from lab_utils.explore.layers import Layer, Layers, run, weights
from lab_utils.run import Run, autocast
from lab_utils.watch import in_jupyter

MOST_WEIGHTS = 1_000_000  # of a network: six notebooks of them in 8 MB of text
RATE = 1e-3
BATCH = 32
LEAST_RANK = 8


def small_enough(
    run_: Run, layers: Layers, draw: Callable[[int], Tensor], steps: int, name: str, most: int = MOST_WEIGHTS
) -> Layers:
    """The layers themselves if they store at most ``most`` numbers, else fewer that were trained to draw the same.

    ``draw(n)`` gives n inputs N×… of the kind that the page will give.
    """
    if weights(layers) <= most:
        return layers
    return taught(run_, narrowed(halved(layers), most), layers, draw, steps, name)


# Fewer numbers


def halved(layers: Layers) -> Layers:
    """The same with the linear part of each sum at half the side, enlarged by bilinear interpolation."""
    return tuple(
        replace(layer, parts=(layer.parts[0], _halved(*layer.parts[1]))) if layer.op == "sum" else layer
        for layer in layers
    )


def _halved(linear: Layer, picture: Layer) -> Layers:
    channels, side, _ = picture.numbers["shape"]
    columns = torch.cat([linear.tensors["weight"], linear.tensors["bias"][:, None]], dim=1)
    planes = columns.T.reshape(-1, side * side).T.double()  # side²×(inputs + 1)·channels
    low = torch.linalg.lstsq(_enlarging(side), planes).solution.float()  # the best of their size
    low = low.T.reshape(len(columns.T), -1)
    small = {"weight": low[:-1].T.contiguous(), "bias": low[-1].contiguous()}
    shape = {"shape": (channels, side // 2, side // 2)}
    return (replace(linear, tensors=small), Layer("reshape", shape), Layer("smooth"))


@lru_cache(maxsize=1)
def _enlarging(side: int) -> Tensor:
    """The matrix of the bilinear enlargement to ``side``: side²×(side/2)²."""
    half = side // 2
    basis = torch.eye(half * half, dtype=torch.float64).view(-1, 1, half, half)
    return F.interpolate(basis, scale_factor=2, mode="bilinear", align_corners=False).flatten(1).T.contiguous()


def narrowed(layers: Layers, most: int) -> Layers:
    """The same with the wide layers replaced by products of a rank that leaves at most ``most`` numbers."""
    shares = (percent / 100 for percent in range(100, 0, -2))
    share = next((share for share in shares if _narrowed_weights(layers, share) <= most), 0.0)
    return _narrowed(layers, share)


def _narrowed(layers: Layers, share: float) -> Layers:
    made: list[Layer] = []
    for layer in layers:
        if layer.op == "sum":  # its linear part is left: it is at half the side already
            first, *others = layer.parts
            made.append(replace(layer, parts=(_narrowed(first, share), *others)))
        else:
            made += factored(layer, rank) if (rank := _rank(layer, share)) else (layer,)
    return tuple(made)


def _narrowed_weights(layers: Layers, share: float) -> int:
    total = 0
    for layer in layers:
        if layer.op == "sum":
            total += _narrowed_weights(layer.parts[0], share) + sum(weights(part) for part in layer.parts[1:])
        elif rank := _rank(layer, share):
            total += weights((layer,)) - layer.tensors["weight"].numel() + rank * sum(_matrix(layer).shape)
        else:
            total += weights((layer,))
    return total


def _matrix(layer: Layer) -> Tensor:
    """The weights of a linear or transposed layer, inputs×…"""
    weight = layer.tensors["weight"]  # out×in, or in×out×4×4
    return weight.T if layer.op == "linear" else weight.flatten(1)


def _rank(layer: Layer, share: float) -> int:
    """That of the two matrices in the place of one, for a share of the full rank; 0 if they would not be smaller."""
    if layer.op not in ("linear", "transposed"):
        return 0
    inputs, outputs = _matrix(layer).shape
    rank = max(LEAST_RANK, int(share * min(inputs, outputs)))
    return rank if rank * (inputs + outputs) < inputs * outputs else 0


def factored(layer: Layer, rank: int) -> Layers:
    """A linear or transposed layer as two, the best of that rank."""
    weight = layer.tensors["weight"]
    u, s, v = torch.linalg.svd(_matrix(layer).double(), full_matrices=False)
    root = s[:rank].sqrt()
    first, second = (u[:, :rank] * root).T.float().contiguous(), (root[:, None] * v[:rank]).float()
    if layer.op == "linear":
        wide = {"weight": second.T.contiguous()}
        return (Layer("linear", tensors={"weight": first}), replace(layer, tensors=layer.tensors | wide))
    wide = {"weight": second.view(rank, *weight.shape[1:]).contiguous()}
    return (Layer("mix", tensors={"weight": first}), replace(layer, tensors=layer.tensors | wide))


# Taught by the network itself


def taught(run_: Run, small: Layers, full: Layers, draw: Callable[[int], Tensor], steps: int, name: str) -> Layers:
    """The small layers after so many steps of Adam on the squared error to what the full ones draw."""
    small, full = on(small, run_.device, trained=True), on(full, run_.device)
    parameters = list(tensors(small))
    optimizer = torch.optim.Adam(parameters, RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps), pct_start=0.1)
    title = f"{name}: {weights(small):,} of {weights(full):,} weights"
    for _ in tqdm(range(steps), title, unit="step", file=sys.stdout, disable=not in_jupyter()):
        x = draw(BATCH)
        with torch.no_grad(), autocast(run_):
            wanted = run(full, x).float()
        with autocast(run_):
            made = run(small, x).float()
        loss = (made - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    print(f"{title}, {steps:,} steps, root mean squared error {loss.item() ** 0.5:.4f} of the range", flush=True)
    return on(small, torch.device("cpu"))


def tensors(layers: Layers) -> Iterator[Tensor]:
    """Every tensor of a list of layers."""
    for layer in layers:
        yield from layer.tensors.values()
        for part in layer.parts:
            yield from tensors(part)


def on(layers: Layers, device: torch.device, trained: bool = False) -> Layers:
    """The same layers on a device, as tensors of their own."""
    return tuple(
        replace(
            layer,
            tensors={
                name: one.detach().clone().to(device).requires_grad_(trained) for name, one in layer.tensors.items()
            },
            parts=tuple(on(part, device, trained) for part in layer.parts),
        )
        for layer in layers
    )
