"""A network as a list of plain layers, which torch and the page (``network.js``) compute alike.

A picture is C×H×W. Whatever is not listed here is an error when the exhibit is made, never a wrong picture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.config import LabError


@dataclass(frozen=True)
class Layer:
    """One step: ``op`` names it, ``numbers`` are its sizes and constants, ``tensors`` its weights.

    A ``sum`` adds what its ``parts``, each a list of layers, make of the same input.
    """

    op: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    parts: tuple[tuple["Layer", ...], ...] = ()


Layers = tuple[Layer, ...]


# What each of them computes: inputs N×… and the layer


def _norm(x: Tensor, layer: Layer) -> Tensor:
    return F.group_norm(x, 1, layer.tensors["weight"], layer.tensors["bias"], layer.numbers["eps"])


def _affine(x: Tensor, layer: Layer) -> Tensor:
    return x * layer.tensors["weight"][:, None, None] + layer.tensors["bias"][:, None, None]


def _transposed(x: Tensor, layer: Layer) -> Tensor:
    return F.conv_transpose2d(x, layer.tensors["weight"], layer.tensors["bias"], stride=2, padding=1)


def _smooth(x: Tensor, layer: Layer) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _sum(x: Tensor, layer: Layer) -> Tensor:
    return sum(run(part, x) for part in layer.parts)


OPS: Mapping[str, Callable[[Tensor, Layer], Tensor]] = {
    "linear": lambda x, layer: F.linear(x, layer.tensors["weight"], layer.tensors.get("bias")),
    "reshape": lambda x, layer: x.view(len(x), *layer.numbers["shape"]),
    "norm": _norm,  # over a whole picture: a group norm of one group
    "affine": _affine,  # by channel: a batch norm that has learned
    "transposed": _transposed,  # 4×4, stride 2: twice the side
    "convolution": lambda x, layer: F.conv2d(x, layer.tensors["weight"], layer.tensors["bias"], padding=1),  # 3×3
    "mix": lambda x, layer: F.conv2d(x, layer.tensors["weight"][:, :, None, None]),  # of channels, at each pixel
    "repeat": lambda x, layer: F.interpolate(x, scale_factor=2, mode="nearest"),
    "smooth": _smooth,  # twice the side, bilinear
    "leaky": lambda x, layer: F.leaky_relu(x, layer.numbers["slope"]),  # a ReLU has the slope 0
    "tanh": lambda x, layer: x.tanh(),
    "sigmoid": lambda x, layer: x.sigmoid(),
    "scale": lambda x, layer: x * layer.numbers["by"] + layer.numbers["plus"],
    "clamp": lambda x, layer: x.clamp(layer.numbers["low"], layer.numbers["high"]),
    "sum": _sum,
}


def run(layers: Layers, x: Tensor) -> Tensor:
    """What a list of layers makes of inputs, N×…; LabError for an op that there is not."""
    for layer in layers:
        if layer.op not in OPS:
            raise LabError(f"a layer {layer.op!r}: there are {', '.join(OPS)}")
        x = OPS[layer.op](x, layer)
    return x


# Networks taken apart


def layers_of(module: nn.Module) -> Layers:
    """The layers of a module as it computes after training. LabError for one of a type that is not known.

    Decoders and generators end in a picture in [0, 1], whatever they return themselves.
    """
    try:
        take_apart = KNOWN.get(type(module)) or OWN[f"{type(module).__module__}.{type(module).__name__}"]
    except KeyError:
        raise LabError(f"{type(module).__name__}: the page to play with has no such layer") from None
    return take_apart(module)


def _sequential(module: nn.Sequential) -> Layers:
    return tuple(layer for part in module for layer in layers_of(part))


def _linear(module: nn.Linear) -> Layers:
    biases = {} if module.bias is None else {"bias": module.bias}
    return (_layer("linear", weight=module.weight, **biases),)


def _batch_norm(module: nn.BatchNorm2d) -> Layers:
    weight = module.weight / (module.running_var + module.eps).sqrt()
    return (_layer("affine", weight=weight, bias=module.bias - module.running_mean * weight),)


def _group_norm(module: nn.GroupNorm) -> Layers:
    if module.num_groups != 1:
        raise LabError(f"GroupNorm of {module.num_groups} groups: the page to play with knows one group")
    return (Layer("norm", {"eps": module.eps}, _kept(weight=module.weight, bias=module.bias)),)


def _transposed_of(module: nn.ConvTranspose2d) -> Layers:
    _must_be(module, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1), output_padding=(0, 0), **PLAIN)
    return (_layer("transposed", weight=module.weight, bias=module.bias),)


def _convolution(module: nn.Conv2d) -> Layers:
    _must_be(module, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), **PLAIN)
    return (_layer("convolution", weight=module.weight, bias=module.bias),)


PLAIN = {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}


def _must_be(module: nn.Module, **wanted: Any) -> None:
    for name, value in wanted.items():
        if getattr(module, name) != value:
            said = f"{name}={getattr(module, name)}"
            raise LabError(f"{type(module).__name__} with {said}: the page to play with knows {value}")


def _with_linear(network: nn.Sequential, weight: Tensor, mean: Tensor) -> Layer:
    """What a network of transposed convolutions draws, and to it what a linear one draws."""
    doublings = [layer for layer in network if isinstance(layer, nn.ConvTranspose2d)]
    side = network[1].unflattened_size[1] * 2 ** len(doublings)
    picture = Layer("reshape", {"shape": (doublings[-1].out_channels, side, side)})
    return Layer("sum", parts=(layers_of(network), (_layer("linear", weight=weight, bias=mean), picture)))


def _vae_from_ppca(module: nn.Module) -> Layers:
    linear = module.linear
    return (
        _with_linear(module.decoder, linear["decode"], linear["mean"]),
        Layer("clamp", {"low": 0.0, "high": 1.0}),
    )


TO_UNIT = (Layer("scale", {"by": 0.5, "plus": 0.5}), Layer("clamp", {"low": 0.0, "high": 1.0}))


def _generator_from_linear(module: nn.Module) -> Layers:
    linear = module.linear
    return (_with_linear(module.layers, linear["directions"].T, linear["mean"]), *TO_UNIT)


def _digits(module: nn.Module) -> Layers:
    return (*layers_of(module.decoder), Layer("reshape", {"shape": (1, 28, 28)}), Layer("sigmoid"))


def _layer(op: str, **tensors: Tensor) -> Layer:
    return Layer(op, {}, _kept(**tensors))


def _kept(**tensors: Tensor) -> dict[str, Tensor]:
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}


KNOWN: Mapping[type, Callable[[Any], Layers]] = {
    nn.Sequential: _sequential,
    nn.Linear: _linear,
    nn.Unflatten: lambda module: (Layer("reshape", {"shape": tuple(module.unflattened_size)}),),
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.ReLU: lambda module: (Layer("leaky", {"slope": 0.0}),),
    nn.LeakyReLU: lambda module: (Layer("leaky", {"slope": module.negative_slope}),),
    nn.Tanh: lambda module: (Layer("tanh"),),
    nn.ConvTranspose2d: _transposed_of,
    nn.Conv2d: _convolution,
}
# Networks of this package by name: whoever takes one apart need not import those of other notebooks.
OWN: Mapping[str, Callable[[Any], Layers]] = {
    f"lab_utils.models.{name}": take_apart
    for name, take_apart in {
        "average.Average": lambda module: layers_of(module.module),
        "vae.FaceVAE": lambda module: (*layers_of(module.decoder), Layer("sigmoid")),
        "vae.VAEFromPPCA": _vae_from_ppca,
        "gan.Generator": lambda module: (*layers_of(module.layers), *TO_UNIT),
        "gan.GeneratorFromLinear": _generator_from_linear,
        "cvae.UpsampledConv2d": lambda module: (Layer("repeat"), *_convolution(module)),
        "cvae.MLPCVAE": _digits,
        "cvae.ConvCVAE": _digits,
    }.items()
}


def flow_of(prior: nn.Module) -> list[dict[str, Any]]:
    """The label prior as what the page computes from u to z: its couplings, the last first, then means and roots.

    See :meth:`lab_utils.models.prior.LabelPrior.decode`.
    """
    return [
        {"order": order.tolist(), "layers": layers_of(coupling)}
        for coupling, order in zip(reversed(prior.couplings), prior.orders.flip(0), strict=True)
    ]


def run_flow(couplings: list[dict[str, Any]], means: Tensor, roots: Tensor, u: Tensor, labels: Tensor) -> Tensor:
    """Codes N×latent for u, N×latent, and labels N, as the page computes them."""
    c = F.one_hot(labels, len(means)).float()
    for coupling in couplings:
        order = torch.tensor(coupling["order"])
        kept, moved = u[:, order].tensor_split([u.shape[1] // 2], dim=1)
        shift, log_scale = run(coupling["layers"], torch.cat([kept, c], dim=1)).chunk(2, dim=1)
        u = torch.cat([kept, moved * (-log_scale.tanh()).exp() - shift], dim=1)[:, order.argsort()]
    return means[labels] + (roots[labels] @ u[:, :, None]).squeeze(2)


# Sizes


def weights(layers: Layers) -> int:
    """How many numbers a list of layers stores."""
    return sum(
        sum(tensor.numel() for tensor in layer.tensors.values()) + sum(weights(part) for part in layer.parts)
        for layer in layers
    )


def multiplications(layers: Layers, inputs: int) -> int:
    """How many products one picture takes: those of weights with values."""
    return _count(layers, (inputs,))[0]


def _count(layers: Layers, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    total = 0
    for layer in layers:
        if layer.op == "sum":
            counts, shapes = zip(*(_count(part, shape) for part in layer.parts), strict=True)
            total, shape = total + sum(counts), shapes[0]
            continue
        made = tuple(OPS[layer.op](torch.zeros(1, *shape), layer).shape[1:])
        if "weight" in layer.tensors:
            weight = layer.tensors["weight"]
            pixels = {
                "linear": 1,
                "transposed": shape[-1] ** 2 if len(shape) == 3 else 1,
                "convolution": made[-1] ** 2,
                "mix": made[-1] ** 2,
            }
            total += weight.numel() * pixels[layer.op] if layer.op in pixels else torch.Size(shape).numel()
        shape = made
    return total, shape
