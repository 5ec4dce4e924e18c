"""Files that appear whole or not at all, a folder that one command at a time writes to, hashes, JSON."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from lab_utils.config import LabError

PART = re.compile(r"^\..+\.\d+$")  # the name of a file that is being written
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}  # how a file system says that it has none


# What is in the place of a file or folder


def kind_of(path: Path) -> str:
    """What is at a path, in words; empty if there is nothing, or nothing that this one may see."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        broken = error.errno in (errno.ENOENT, errno.ELOOP) and path.is_symlink()
        return "a link that leads to nothing" if broken else ""
    if stat.S_ISREG(mode):
        return "a file"
    return "a directory" if stat.S_ISDIR(mode) else "neither a file nor a directory"


def must_be_file(path: Path) -> None:
    """LabError if something else is in the place of a file. A pipe there would keep its reader waiting for ever."""
    if (found := kind_of(path)) not in ("", "a file"):
        raise LabError(f"{shown(path)} should be a file and is {found}: remove it and run again")


def must_be_folder(folder: Path) -> None:
    """LabError if something else is in the place of a folder, or of one above it."""
    for above in (folder, *folder.parents):
        found = kind_of(above)
        if found not in ("", "a directory"):
            raise LabError(f"{shown(above)} should be a directory and is {found}: remove it and run again")
        if found:
            return


# Writing


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to: what was written is put in place in one step, or removed on an error.

    Its name is nobody else's, for two machines or containers may share a folder and have equal processes; and it is
    held while it is written, by which :func:`remove_parts` knows it from one whose writer was killed. LabError if
    something else than a file or a folder is in the place of one, FileNotFoundError if nothing was written.
    """
    must_be_file(path)
    must_be_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.randbelow(10**18):018}")
    with open(part, "xb") as file:
        held_if_free(file)
        try:
            yield part
            if not part.stat().st_size:  # its writer may have given it an ending of its own
                raise FileNotFoundError(errno.ENOENT, "nothing was written", str(part))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def held_if_free(file: IO[bytes]) -> bool:
    """Hold an open file until it is closed; False if another process does, or nobody can tell for want of locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_parts(paths: Iterable[Path], age: float = 0.0) -> None:
    """Remove those of the paths that were being written when their process was killed, at least ``age`` seconds ago.

    One that is written now is held by its writer, and stays whatever the clock says.
    """
    for path in paths:
        with contextlib.suppress(OSError):  # gone by now, or not ours to remove: the next command will try
            if PART.match(path.name) and path.is_file() and time.time() - path.stat().st_mtime >= age:
                with open(path, "ab") as file:
                    if held_if_free(file):
                        path.unlink()


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file that is there whole or not at all; text is UTF-8."""
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be; wait, and say so, while another command holds it.

    The system lets go of it when a process ends, however it ends, so no lock is ever left behind. LabError if
    something else is in its place.
    """
    with lock_file(folder) as file:
        wait_for(file, f"another command is writing to {shown(folder)}")
        yield


def lock_file(folder: Path) -> IO[bytes]:
    """The open file by which a folder, made if need be, is held. LabError if something else is in its place."""
    must_be_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    must_be_file(folder / ".lock")
    return open(folder / ".lock", "ab")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only one to make what is kept at ``path``; wait, and say so, while another process makes it.

    The lock is a file beside it, in a folder made if need be, which goes with its holder. LabError if something else
    is in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = path.with_name(f".{path.stem}.lock")
    must_be_file(mark)
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(open(mark, "ab"))
            wait_for(file, f"another process is making {path.name}")
            if is_at(file, mark):  # else who held it before removed it, and another may be new there
                break
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


def is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that is at a path now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def wait_for(file: IO[bytes], why: str) -> None:
    """Hold an open file until it is closed, and say why this one waits if another process holds it."""
    if not lock(file, wait=False):
        say(f"waiting: {why}")
        lock(file)


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
    """What a file says. ValueError or RecursionError if it is damaged, LabError if it is no file."""
    must_be_file(path)
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
