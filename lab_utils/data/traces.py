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
    """Changes when a file that a data set may come from does, by its name, size or time; nothing is read."""
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
