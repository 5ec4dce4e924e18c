"""Images that are painted once, by all cores, and kept in a file: prepared photographs, drawn avatars.

A file in the cache is ``<name>-<key>.npy``: numpy's own format, followed by the 32 bytes of the pixels' SHA-256.
One file, put in place by one rename, is there whole or not at all. Nothing here imports torch.
"""

import contextlib
import hashlib
import io
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import joblib
import numpy as np
from tqdm import tqdm

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.files import alone, must_be_file, whole
from lab_utils.watch import watched

Task = TypeVar("Task")
Paint = Callable[[Task], np.ndarray]

CHUNK = 64  # images that a process paints before it writes them
PER_PROCESS = 256  # images that are worth starting a process for, which takes half a second
REPORT_EVERY = 10.0  # seconds between two lines where nobody watches
DIGEST = hashlib.sha256().digest_size


def prepare(
    name: str, facts: dict[str, Any], tasks: Sequence[Task], paint: Paint, size: int, cache: Path = config.CACHE
) -> tuple[np.ndarray, str]:
    """The images that ``paint`` makes of ``tasks``, from the cache if they are there and have not changed.

    Parameters: ``name`` and ``facts`` (what JSON can hold: source, versions, size) say which file of the cache it
    is; ``paint(task)`` gives uint8 3×size×size. Tasks and ``paint`` are sent to other processes, so ``paint``
    is a function at the top of a module, or a ``functools.partial`` of one.

    Returns the images, uint8 N×3×size×size, mapped from the file (what is written to them stays in memory), and the
    SHA-256 of their bytes. Neither depends on the number of processes.

    Raises LabError if the cache cannot be read or written, or something else is in the place of the file, and the
    LabError of the first task (in their order) that raised one. After any error or interrupt the cache is as it was. Of
    processes that want the same images at the same time one paints them, and the others wait.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = cache / f"{name}-{key}.npy"
    shape = (len(tasks), 3, size, size)
    try:
        sha256 = _verified(path, shape)
        if sha256 is None:
            with alone(path):  # meanwhile another process may have put it there
                sha256 = _verified(path, shape, again=True) or _build(path, name, tasks, paint, shape)
        return np.load(path, mmap_mode="c"), sha256
    except OSError as error:
        raise LabError(
            f"{path}: {math.prod(shape) / 1e6:,.0f} MB of prepared images cannot be kept there "
            f"({error.strerror or error}); make room, change the permissions, or keep them elsewhere with CACHE=dir"
        ) from None
    except BrokenProcessPool:
        raise LabError(
            f"{name}: a process that prepares images was ended, perhaps for lack of memory; try again"
        ) from None


# The file


def _header(shape: tuple[int, ...]) -> bytes:
    """How numpy begins a file of uint8 in this shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _verified(path: Path, shape: tuple[int, ...], again: bool = False) -> str | None:
    """The SHA-256 of the pixels in the file if they are the ones that were put there.

    It says so if they are not, unless that has been said and this is to look ``again``.
    """
    must_be_file(path)
    if not path.exists():
        return None
    header = _header(shape)
    with open(path, "rb") as file:
        whole = os.fstat(file.fileno()).st_size == len(header) + math.prod(shape) + DIGEST
        if whole and file.read(len(header)) == header:
            file.seek(-DIGEST, os.SEEK_END)
            sha256 = _sha256(path)
            if file.read() == bytes.fromhex(sha256):
                return sha256
    if not again:
        print(f"{path.name} in the cache was cut short or altered; it is made again", flush=True)
    return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(np.load(path, mmap_mode="r")).hexdigest()


def _build(path: Path, name: str, tasks: Sequence[Task], paint: Paint, shape: tuple[int, ...]) -> str:
    """Paint into a file beside ``path`` and put it there when it is whole; returns the SHA-256 of the pixels."""
    header = _header(shape)
    with whole(path) as part:
        with open(part, "wb") as file:
            file.write(header)
            # The room is taken at once: a full disk is better known before an hour of work than after it.
            if hasattr(os, "posix_fallocate"):  # which macOS lacks
                os.posix_fallocate(file.fileno(), 0, len(header) + math.prod(shape))
        _paint_all(name, tasks, partial(_paint_chunk, paint, part, len(header), shape[1:]))
        sha256 = _sha256(part)
        with open(part, "ab") as file:
            file.write(bytes.fromhex(sha256))
    return sha256


# Painting


def _paint_all(name: str, tasks: Sequence[Task], paint_chunk: Callable[[tuple[int, Sequence[Task]]], int]) -> None:
    chunks = [(start, tasks[start : start + CHUNK]) for start in range(0, len(tasks), CHUNK)]
    with _processes(len(tasks)) as run:
        # Results come in the order of the tasks, and so does the first error.
        _follow(run(paint_chunk, chunks), name, len(tasks))


def _paint_chunk(
    paint: Paint, path: Path, offset: int, shape: tuple[int, ...], chunk: tuple[int, Sequence[Task]]
) -> int:
    """Paint some tasks and write them where they belong in the file; returns how many. Runs in any process."""
    start, tasks = chunk
    images = np.stack([paint(task) for task in tasks])
    if images.shape[1:] != shape or images.dtype != np.uint8:
        raise ValueError(f"painted {images.dtype} {images.shape[1:]}, not uint8 {shape}")
    with open(path, "r+b") as file:
        file.seek(offset + start * math.prod(shape))
        file.write(images.tobytes())
    return len(tasks)


@contextlib.contextmanager
def _processes(n: int) -> Iterator[Callable[..., Iterable[int]]]:
    """A ``map`` that runs in as many processes as the cores and ``n`` tasks are worth, or here if that is one.

    Processes are spawned: a fork of one that holds torch, or a kernel's threads, may hang. What they do is in this
    package, so they do not import the script that is run: it may be one without ``if __name__ == "__main__"``, which
    would start all over in each of them.
    """
    wanted = min(joblib.cpu_count(), math.ceil(n / PER_PROCESS))
    if multiprocessing.current_process().daemon:  # which may start none, such as a worker of multiprocessing.Pool
        wanted = 1
    if wanted <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(wanted, mp_context=context, initializer=_start_process)
    try:
        yield partial(_without_main, pool.map)
    finally:
        pool.shutdown(cancel_futures=True)


def _without_main(submit: Callable[..., Iterable[int]], *tasks: Any) -> Iterable[int]:
    """Submit tasks, at which processes start, with an empty module in place of the script that is run.

    A new process imports what ``sys.modules`` holds as ``__main__``, and nothing where that has no file.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        return submit(*tasks)
    finally:
        sys.modules["__main__"] = main


def _start_process() -> None:
    """Leave an interrupt to the parent, and end when the parent ends, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _follow(counts: Iterable[int], name: str, total: int) -> None:
    """Wait for all, with a bar where a person watches and a line now and then where none does."""
    if watched():
        with tqdm(total=total, desc=name, unit="image", mininterval=0.5) as bar:
            for count in counts:
                bar.update(count)
        return
    print(f"{name}: preparing {total:,} images, once", flush=True)
    done, last = 0, time.monotonic()
    for count in counts:
        done += count
        if time.monotonic() - last >= REPORT_EVERY:
            last = time.monotonic()
            print(f"{name}: {done:,} of {total:,} images", flush=True)
