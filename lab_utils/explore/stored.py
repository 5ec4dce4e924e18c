"""Numbers as a page stores them: whole ones of 8 or 16 bits with a scale, as text.

Weights of a layer that has many have 8 bits and a scale for each output; everything else 16 bits and one scale.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab_utils.config import LabError
from lab_utils.explore.layers import OPS, Layer, Layers

MANY = 4096  # numbers: from here on 8 bits suffice
OUTPUTS = {"linear": 0, "convolution": 0, "mix": 0, "transposed": 1}  # along which axis a weight's outputs lie


def stored_layers(layers: Layers) -> list[dict[str, Any]]:
    """Layers as JSON."""
    return [
        {"op": layer.op, **layer.numbers}
        | {name: stored(tensor, OUTPUTS.get(layer.op)) for name, tensor in layer.tensors.items()}
        | ({"parts": [stored_layers(part) for part in layer.parts]} if layer.parts else {})
        for layer in layers
    ]


def read_layers(content: list[Mapping[str, Any]]) -> Layers:
    """What :func:`stored_layers` wrote, with the weights as they are stored. LabError for an op that there is not."""
    return tuple(map(_read_layer, content))


def _read_layer(one: Mapping[str, Any]) -> Layer:
    if one["op"] not in OPS:
        raise LabError(f"a layer {one['op']!r}: there are {', '.join(OPS)}")
    parts = tuple(read_layers(part) for part in one.get("parts", ()))
    tensors = {name: read(value) for name, value in one.items() if isinstance(value, Mapping)}
    numbers = {name: value for name, value in one.items() if name not in {*tensors, "op", "parts"}}
    return Layer(one["op"], numbers, tensors, parts)


def stored(tensor: Tensor, axis: int | None = None) -> dict[str, Any]:
    """A tensor as JSON: its shape, its numbers as text, and what one of them is worth.

    With an ``axis`` and many numbers each place along that has a scale of its own.
    """
    values = tensor.detach().double().cpu().numpy()
    if axis is None or values.ndim < 2 or values.size < MANY:
        scale = max(float(np.abs(values).max(initial=0.0)), 1e-30) / 32767
        whole = np.rint(values / scale).astype("<i2")
        return {"shape": [*values.shape], "bits": 16, "scale": scale, "data": _text(whole)}
    across = tuple(i for i in range(values.ndim) if i != axis)
    scales = np.maximum(np.abs(values).max(axis=across), 1e-30).astype("<f4") / np.float32(127)
    around = [-1 if i == axis else 1 for i in range(values.ndim)]
    whole = np.rint(values / scales.reshape(around)).clip(-127, 127).astype("i1")
    return {"shape": [*values.shape], "bits": 8, "axis": axis, "scales": _text(scales), "data": _text(whole)}


def read(content: Mapping[str, Any]) -> Tensor:
    """The tensor that :func:`stored` wrote, as the page reads it: float32."""
    shape = tuple(content["shape"])
    if content["bits"] == 16:
        whole = np.frombuffer(base64.b64decode(content["data"]), "<i2").reshape(shape)
        return torch.from_numpy((whole * content["scale"]).astype(np.float32))
    whole = np.frombuffer(base64.b64decode(content["data"]), "i1").reshape(shape)
    scales = np.frombuffer(base64.b64decode(content["scales"]), "<f4")
    around = [-1 if i == content["axis"] else 1 for i in range(len(shape))]
    return torch.from_numpy(whole.astype(np.float32) * scales.reshape(around))


def as_stored(layers: Layers) -> Layers:
    """The layers with the weights that a page has."""
    return read_layers(stored_layers(layers))


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
