"""What the result of a notebook depends on, and why one that is there does not hold any more.

Quick enough to be asked every time: it reads sources and compares hashes, and runs and loads nothing.
"""

import ast
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lab_utils import config
from lab_utils.catalogue import Notebook
from lab_utils.config import ROOT
from lab_utils.report.files import digest, read_json, sha256, to_json, write_whole
from lab_utils.report.request import Request

PACKAGE = "lab_utils"
# Where a data set is looked for, below DATA_DIR and data/.
HOMES = {
    "digits": ("MNIST/raw",),
    "faces": ("faces", "celeba", "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"),
}
NAMED = 3  # changed modules that a reason names


def dependencies(
    source: Path, parameters: Mapping[str, Any], data: Mapping[str, dict], packages: Mapping[str, Any]
) -> dict[str, Any]:
    """All that decides what a run of ``source`` gives: two runs with equal dependencies have equal numbers.

    ``data`` is described by kind, with the ``sha256`` of each; ``packages`` are the lock's hash and the versions.
    """
    code = code_cells(source)
    return {
        "code": digest(code),
        "parameters": dict(parameters),
        "modules": modules(code),
        "data": {kind: described["sha256"] for kind, described in data.items()},
        "packages": dict(packages),
        "device": device(),
    }


def device() -> str:
    """The class of device that a notebook would run on: cuda or cpu."""
    return "cuda" if config.gpu_present() else "cpu"


def parameters(request: Request, entry: Notebook) -> dict[str, Any]:
    """What a notebook is given in place of the values in its cell tagged ``parameters``."""
    faces = {"FACES": request.FACES} if "faces" in entry.data else {}
    return {"PROFILE": request.PROFILE, "SEED": request.SEED} | faces


# Reasons


def reasons(run: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Why a notebook must run, in words; empty if the result of ``run`` (its entry in the manifest) holds."""
    if run is None:
        return ["it has not run yet"]
    if run["status"] != "ok":
        return [f"its last run {'was interrupted' if run['status'] == 'interrupted' else 'failed'}"]
    before = run["depends"]
    if before.get("changed"):
        return ["what it depends on changed while it ran"]
    found = ["its code cells changed"] if before["code"] != now["code"] else []
    found += [f"{name} is {value!r}" for name, value in differing(before["parameters"], now["parameters"])]
    found += changed_modules(before["modules"], now["modules"])
    found += [f"the {kind} changed" for kind, _ in differing(before["data"], now["data"])]
    found += [f"{name} changed" for name, _ in differing(before["packages"], now["packages"])][:NAMED]
    found += [f"the device is {now['device']}, not {before['device']}"] if before["device"] != now["device"] else []
    return found


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names whose values differ, in either, and the value that they have now."""
    return [(name, now.get(name)) for name in sorted({*before, *now}) if before.get(name) != now.get(name)]


def changed_modules(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = [name for name, _ in differing(before, now)]
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{', '.join(names[:NAMED])}{more} changed"]


# What a notebook says and imports


def cells(source: Path) -> list[tuple[str, list[str], str]]:
    """Kind, tags and text of each cell of a notebook; outputs do not count."""
    written = read_json(source)["cells"]
    return [(cell["cell_type"], cell["metadata"].get("tags", []), "".join(cell["source"])) for cell in written]


def code_cells(source: Path) -> list[str]:
    return [text for kind, _, text in cells(source) if kind == "code"]


def prose(source: Path) -> str:
    """Hash of all that a page takes from its notebook: the text of its cells, their order and their tags."""
    return digest(cells(source))


def modules(code: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """Hashes of the files of the package that some code imports, those that these import, and so on."""
    found: dict[str, str] = {}
    waiting = [name for text in code for name in imports(text)]
    while waiting:
        for path in files_of(waiting.pop(), root):
            name = path.relative_to(root).as_posix()
            if name not in found:
                package = ".".join(path.relative_to(root).parent.parts)
                found[name], more = examined(path, package, path.stat().st_mtime_ns)
                waiting += more
    return dict(sorted(found.items()))


@functools.cache
def examined(path: Path, package: str, _time: int) -> tuple[str, list[str]]:
    """Hash and imports of a file, which six notebooks ask for; its time tells one state of it from another."""
    return sha256(path), list(imports(path.read_text(encoding="utf-8"), package))


def imports(text: str, package: str = "") -> Iterator[str]:
    """Every module that a text may import from the package, wherever in it the import stands.

    ``from a import b`` gives ``a.b`` too, which may be a module. Text that is no Python, as a student may
    leave it in a cell, could import anything.
    """
    tree = parsed(text) or parsed(re.sub(r"(?m)^\s*[%!].*$", "", text))  # without the lines that are for IPython
    if tree is None:
        yield from (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / PACKAGE).rglob("*.py"))
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def files_of(module: str, root: Path) -> list[Path]:
    """The file of a module of the package and the ``__init__.py`` above it; nothing for others."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return []
    path = root.joinpath(*parts)
    above = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    return [file for file in (path.with_suffix(".py"), *above) if file.is_file()]


# Data


def traces(kind: str, data_dir: Path | None, packages: Mapping[str, Any]) -> str:
    """Changes when a file that a data set may come from does, by its name, size or time; nothing is read."""
    found = []
    for folder in dict.fromkeys((data_dir or config.DATA, config.DATA)):
        for home in HOMES[kind]:
            found.append(sorted(stamps(folder / home)))
    return digest([found, dict(packages)])


def stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of a file, or of all the files in a directory and those below it."""
    if path.is_file():
        yield path.name, path.stat().st_size, path.stat().st_mtime_ns
    elif path.is_dir():
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from stamps(Path(entry.path))
                else:
                    about = entry.stat()
                    yield entry.name, about.st_size, about.st_mtime_ns


def remember_data(folder: Path, seen: Mapping[str, str], data: Mapping[str, dict]) -> None:
    """Keep what the data sets were when their files looked like this."""
    before = read_known(folder)
    now = before | {kind: {"traces": seen[kind], "described": data[kind]} for kind in data}
    if now != before:
        write_whole(folder / ".data.json", to_json(now))


def known_data(folder: Path, seen: Mapping[str, str]) -> dict[str, dict] | None:
    """What the data sets are, if their files look as they did when last read; else None."""
    known = read_known(folder)
    if any(known.get(kind, {}).get("traces") != look for kind, look in seen.items()):
        return None
    return {kind: known[kind]["described"] for kind in seen}


def read_known(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / ".data.json")
    except (FileNotFoundError, ValueError):  # it can be made again
        return {}
