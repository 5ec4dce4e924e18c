"""Files that appear whole or not at all, a folder that one command at a time writes to, hashes, JSON."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}  # how a file system says that it has none


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to: what was written is put in place in one step, or removed on an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file that is there whole or not at all; text is UTF-8."""
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be; wait, and say so, while another command holds it.

    The system lets go of it when a process ends, however it ends, so no lock is ever left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "ab") as file:
        if not lock(file, wait=False):
            print(f"waiting: another command is writing to {shown(folder)}", flush=True)
            lock(file)
        yield


def lock(file: IO[bytes], wait: bool = True) -> bool:
    """Hold an open file until it is closed; False if another process holds it and this one does not ``wait``.

    Where the file system knows no locks, a line says so and all goes on as if it were held: one command at a time is
    then for people to see to.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warn_of_no_locks(Path(file.name).parent)
    return True


@functools.cache
def warn_of_no_locks(folder: Path) -> None:
    advice = "run one command at a time"
    print(f"warning: the file system of {shown(folder)} has no locks; {advice}", file=sys.stderr, flush=True)


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def to_json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def say(line: str) -> None:
    """Print a line in one piece: two notebooks side by side print at the same time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
