"""How the files of a data set look from outside: what tells, without reading them, that one of them changed."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab_utils import config
from lab_utils.data import layouts
from lab_utils.files import digest

# Where a data set is looked for first, below DATA_DIR and data/.
HOMES = {
    "digits": ("MNIST/raw",),
    "faces": ("faces", "celeba", "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"),
}


def traces(kind: str, data_dir: Path | None, asked: Mapping[str, Any]) -> str:
    """Changes when a file that a data set may come from does, by its name, size or time; it is found, not read."""
    folders = dict.fromkeys((data_dir or config.DATA, config.DATA))
    found = [sorted(stamps(folder / home)) for folder in folders for home in HOMES[kind]]
    elsewhere = [
        [str(path), sorted(stamps(path))]
        for folder in folders
        for path in layouts.sources(kind, folder)
        if not any(path.is_relative_to(folder / home) for home in HOMES[kind])
    ]
    return digest([found, elsewhere, dict(asked)])


def stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of a file, or of all the files in a directory and those below it.

    What leads nowhere or may not be read is told from what can: it has the size -1. Whether that matters, and what to
    do then, says who loads it.
    """
    if os.path.isdir(path):
        yield from _stamps_below(path, set())
    elif os.path.lexists(path):
        yield _stamp(path.name, path)


def _stamps_below(folder: Path, seen: set[str]) -> Iterator[tuple[str, int, int]]:
    """Those of all files below; ``seen`` are the folders that links need not lead into once more."""
    seen.add(os.path.realpath(folder))
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not layouts.is_folder(entry):
                    yield _stamp(entry.name, entry)
                elif os.path.realpath(entry.path) not in seen:
                    yield from _stamps_below(Path(entry.path), seen)
    except OSError:
        yield folder.name, -1, 0


def _stamp(name: str, file: Path | os.DirEntry) -> tuple[str, int, int]:
    try:
        about = file.stat()
    except OSError:
        return name, -1, 0
    return name, about.st_size, about.st_mtime_ns
