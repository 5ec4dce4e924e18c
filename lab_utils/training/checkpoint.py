"""Checkpoints: all that a training is, kept every so many steps, so that one that was killed goes on to the same bytes.

The report says where they lie and what they depend on; in JupyterLab, where nobody does, a training always runs. A file
is loaded only if it was made of the same code up to this cell, on the same settings, data, packages and device.
"""

import functools
import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lab_utils import sources
from lab_utils.config import LabError
from lab_utils.files import digest, must_be_file, say, write_whole
from lab_utils.run import device_name, precision_for
from lab_utils.watch import in_jupyter


@dataclass(frozen=True)
class Asked:
    """What the report asks of the trainings of one notebook; see ``lab_utils.report.execute``."""

    folder: Path
    depends: str  # hash of what its run depends on beside its code
    modules: dict[str, str]  # hashes of the code of the package, by path
    data: dict[str, str] = field(default_factory=dict)  # hashes of what the report found, by kind
    token: str = ""  # borne by what is written; only what bears it is loaded, or all if it is empty


@dataclass(frozen=True)
class Checkpoint:
    """Where one training is kept, and the hash of all that it depends on."""

    path: Path
    key: str
    name: str
    token: str  # of the command


_every: int | None = None  # steps between two checkpoints, once a notebook has said so
_trained: Counter[str] = Counter()  # trainings of this process, by name


def use(every: int) -> None:
    """Keep the trainings that follow every so many steps, if the report asks for it."""
    global _every
    _every = every


@functools.cache
def asked() -> Asked | None:
    """What the report asks for; None where no report does."""
    text = os.environ.get("LAB_CHECKPOINTS")
    if not text or in_jupyter():
        return None
    wanted = json.loads(text)
    return Asked(**wanted | {"folder": Path(wanted["folder"])})


def check_data(kind: str, sha256: str) -> None:
    """LabError if data are not those that the report found: trainings would be kept as if they were of these."""
    wanted = asked()
    if wanted and wanted.data.get(kind, sha256) != sha256:
        raise LabError(
            f"the {kind} are not those that the report found: they changed since, or the notebook names a folder of "
            "its own; run again, with DATA_DIR=dir for such a folder"
        )


def token() -> str:
    """The mark that what this command makes bears, and what it loads must bear; empty if it loads anything."""
    wanted = asked()
    return wanted.token if wanted else ""


def checkpoint_of(name: str, device: torch.device, steps: int) -> tuple[Checkpoint | None, int]:
    """Where a training that begins now is kept, and every how many steps; None and ``steps`` where it is not."""
    wanted, cells = asked(), executed_cells()
    if wanted is None or _every is None or not cells:
        return None, steps
    _trained[name] += 1
    again = f"-{_trained[name]}" if _trained[name] > 1 else ""
    try:
        needed = sources.closure(cells)
    except LabError:  # a file of the package that is being edited, and is no Python as it is
        return None, steps
    plain = re.sub(r"\W+", "-", name).strip("-")
    path = wanted.folder / f"{plain}{again}.safetensors"
    computed = [device_name(device), str(precision_for(device)), torch.get_num_threads(), torch.__version__]
    facts = [
        name,
        path.name,
        cells,
        {file: wanted.modules.get(file) for file in needed},
        wanted.depends,
        computed,
        steps,
    ]
    return Checkpoint(path, digest(facts), name, wanted.token), _every


def executed_cells() -> list[str]:
    """The text of the cells that ran in this kernel up to this one: what decides a training beside what it imports."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return list(shell.user_ns["In"][1:]) if shell else []


# The file: tensors under numbers, and a tree of all the rest that refers to them


def write(checkpoint: Checkpoint, content: Mapping[str, Any]) -> None:
    """Keep ``content``: dicts, lists, tuples, texts and numbers, with tensors among them, whole or not at all.

    A training does not end because it cannot be kept; a line says so.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(packed(content, tensors))
    known = {"key": checkpoint.key, "tree": tree, "sha256": fingerprint(checkpoint.key, tree, tensors)}
    known["token"] = checkpoint.token
    try:
        write_whole(checkpoint.path, save(tensors, metadata=known))
    except OSError as error:
        say(f"not kept: the checkpoint of {checkpoint.name} cannot be written ({error.strerror}); make room")


def read(checkpoint: Checkpoint) -> Any | None:
    """What was kept under this key; None if nothing was. A file that was cut or altered is left aside, with a line.

    LabError if it is no file.
    """
    must_be_file(checkpoint.path)
    try:
        with safe_open(checkpoint.path, "pt") as file:
            known = file.metadata()
            if checkpoint.token not in ("", known.get("token")):
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        if known["sha256"] == fingerprint(known["key"], known["tree"], tensors):
            return unpacked(json.loads(known["tree"]), tensors) if known["key"] == checkpoint.key else None
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        pass
    say(f"left aside: the checkpoint of {checkpoint.name}, which was cut short or altered")
    return None


def packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The same as JSON has it, tensors moved to ``tensors``."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, packed(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [packed(entry, tensors) for entry in value]}
    return [packed(entry, tensors) for entry in value] if isinstance(value, list) else value


def unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [unpacked(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(unpacked(entry, tensors) for entry in content)
    return {key: unpacked(entry, tensors) for key, entry in content}


def fingerprint(key: str, tree: str, tensors: Mapping[str, Tensor]) -> str:
    whole = hashlib.sha256(f"{key} {tree}".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()


# What a training changes


@functools.singledispatch
def state_of(part: Any) -> Any:
    """All of a part of a training that its steps change: a module, optimiser, schedule, random stream or tensor."""
    return part.state_dict()


@functools.singledispatch
def put(part: Any, state: Any) -> None:
    """Give a part the state that :func:`state_of` took, in place."""
    part.load_state_dict(state)


@state_of.register
def _(part: Tensor) -> Tensor:
    return part


@put.register
def _(part: Tensor, state: Tensor) -> None:
    part.copy_(state)


@state_of.register
def _(part: torch.Generator) -> Tensor:
    return part.get_state()


@put.register
def _(part: torch.Generator, state: Tensor) -> None:
    part.set_state(state)


@state_of.register
def _(part: nn.Module) -> dict[str, Tensor]:
    return dict(part.state_dict())


@state_of.register
def _(part: torch.optim.Optimizer) -> dict[str, Any]:
    weights = [weight for group in part.param_groups for weight in group["params"]]
    return {"rates": [group["lr"] for group in part.param_groups], "moments": [dict(part.state[w]) for w in weights]}


@put.register
def _(part: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """In the layout of the weights, which fused optimisers go through in the order of memory."""
    weights = [weight for group in part.param_groups for weight in group["params"]]
    for group, rate in zip(part.param_groups, state["rates"], strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    for weight, moments in zip(weights, state["moments"], strict=True):
        for name, value in moments.items():
            like = weight if value.shape == weight.shape else value
            on = weight.device if part.defaults.get("capturable") or like is weight else value.device
            part.state[weight][name] = torch.empty_like(like, dtype=value.dtype, device=on).copy_(value)
