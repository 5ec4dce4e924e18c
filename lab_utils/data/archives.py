"""What an archive holds: the names in it, and how its tables begin, whether it is whole or was cut short.

Only its beginning and its end are read, and what stands at the beginning of a few tables: it may have gigabytes.
"""

import bz2
import contextlib
import io
import itertools
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lab_utils.data import contents

FIRST = 1 << 16  # bytes that tell whether it is one with names in it
READ = 1 << 20  # bytes at its beginning and at its end in which these are looked for
UNPACKED = 1 << 22  # bytes that those at the beginning may become
MEMBERS = 2_000  # of a tar archive, whose names lie all over it
NAME = 4096  # bytes that the name of a file and what is noted of it may have
TABLES, LOOKED_INTO = (".csv", ".tsv", ".txt"), 20  # of which the beginnings are read, and how many of them

# How a ZIP archive announces a file: before it, and once more in the directory at the end. The name's length stands
# in both, the place of the first in the second.
BEFORE, IN_DIRECTORY = re.compile(rb"PK\x03\x04"), re.compile(rb"PK\x01\x02")


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names in a ZIP, tar or gzip file as far as they are found, each with the first bytes where it is a table.

    None of another file, or of one that cannot be read.
    """
    with contextlib.suppress(Exception), open(path, "rb") as file:  # libraries raise whatever they trip over
        start = file.read(FIRST)
        if start.startswith(b"PK"):
            yield from _zipped(file, start + file.read(READ - FIRST))
        elif not (unpacked := _unpacked(start, FIRST)):
            yield from _tarred(file)
        elif "tar" in (contents.what(unpacked) or ""):
            yield from _tarred(io.BytesIO(_unpacked(start + file.read(READ - FIRST), UNPACKED)))
        else:  # a file alone
            yield path.stem, unpacked[: contents.START]


def _zipped(file: BinaryIO, start: bytes) -> Iterator[tuple[str, bytes]]:
    for found in BEFORE.finditer(start):
        with contextlib.suppress(struct.error, zlib.error):
            name, content = _member(start, found.start())
            yield name, content
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - READ))
    end = file.read()
    looked_into = 0
    for found in IN_DIRECTORY.finditer(end):
        with contextlib.suppress(struct.error, zlib.error):
            (length,) = struct.unpack_from("<H", end, found.start() + 28)
            (at,) = struct.unpack_from("<I", end, found.start() + 42)
            name, content = _decoded(end[found.start() + 46 : found.start() + 46 + length]), b""
            if name.lower().endswith(TABLES) and looked_into < LOOKED_INTO:
                looked_into += 1
                file.seek(at)
                _, content = _member(file.read(NAME + contents.START), 0)
            yield name, content


def _member(held: bytes, at: int) -> tuple[str, bytes]:
    """The name of the file that is announced there, and the first bytes of a table, as far as they are held."""
    method, length, extra = (struct.unpack_from("<H", held, at + place)[0] for place in (8, 26, 28))
    name = _decoded(held[at + 30 : at + 30 + length])
    if not name.lower().endswith(TABLES):
        return name, b""
    begins = at + 30 + length + extra
    content = held[begins : begins + contents.START]
    if method == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, contents.START)
    return name, content[: contents.START]


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace").replace("\\", "/")


def _tarred(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    file.seek(0)
    looked_into = 0
    with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=file, mode="r:") as archive:
        for member in itertools.islice(archive, MEMBERS):
            content = b""
            if member.isfile() and member.name.lower().endswith(TABLES) and looked_into < LOOKED_INTO:
                looked_into += 1
                content = archive.extractfile(member).read(contents.START)
            yield member.name, content


def _unpacked(start: bytes, n: int) -> bytes:
    """The first ``n`` bytes of what is packed with gzip, bzip2 or xz and begins so; none where it is not."""
    if start.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, n)
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor().decompress(start, n)
    if start.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(start, n)
    return b""
