"""Models that several notebooks need: trained once by whoever comes first, and kept by what they depend on."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lab_utils.config import LabError
from lab_utils.files import alone, must_be_file, say, write_whole
from lab_utils.training import checkpoint

Kept = tuple[Mapping[str, Tensor], str]  # a model's tensors by name, and a text beside them


def made_once(path: Path, make: Callable[[], Kept]) -> tuple[Kept, bool]:
    """What is kept at ``path``, and whether it was there: ``make()`` gives it if not, and it is written.

    Processes that want the same one at the same time wait for the first. LabError if the folder cannot be written to,
    or something else than a file is at ``path``.
    """
    if found := read(path):
        return found, True
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(path))
        except OSError as error:  # known before the training, not after it
            advice = "keep what is trained elsewhere, with CACHE=dir"
            raise LabError(f"{error.filename}: {error.strerror}; {advice}") from None
        if found := read(path):  # which another process may have made meanwhile
            return found, True
        tensors, text = make()
        made = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        known = json.dumps([text, checkpoint.fingerprint(path.name, text, made), checkpoint.token()])
        write_whole(path, save(made, metadata={"known": known}))  # under one name: several come in any order
    return (made, text), False


def read(path: Path) -> Kept | None:
    """What is kept at ``path``, on the CPU; None if there is nothing that may be loaded.

    A file that was cut or altered is left aside, with a line: another judge would give other numbers, and no error.
    """
    must_be_file(path)
    try:
        with safe_open(path, "pt") as file:
            text, sha256, token = json.loads(file.metadata()["known"])
            if checkpoint.token() not in ("", token):
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        if sha256 == checkpoint.fingerprint(path.name, text, tensors):
            return tensors, text
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        pass
    say(f"left aside: {path.name} in the cache, which was cut short or altered")
    return None
