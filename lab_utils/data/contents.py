"""What a file is by how it begins, why it cannot be read, and its text in quotes: for messages of those who load it."""

import errno
import re
from pathlib import Path

START = 4096  # bytes at the beginning of a file that tell what it is

STARTS = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet's workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x1f\x9d": "a compress archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text document (RTF)",
    b"\xd0\xcf\x11\xe0": "an old Office file (.xls or .doc)",
    b"\x93NUMPY": "an array of NumPy",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"\x80\x02": "a pickle of Python",
    b"\x80\x03": "a pickle of Python",
    b"\x80\x04": "a pickle of Python",
    b"\x80\x05": "a pickle of Python",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"version https://git-lfs": "a pointer of Git LFS (`git lfs pull` fetches the file)",
    b"\xff\xfe\x00\x00": "text in UTF-32",
    b"\x00\x00\xfe\xff": "text in UTF-32",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
ADVICE = {
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EISDIR: "put the file itself there, not a folder",
    errno.ENOENT: "if it is a link, what it leads to is gone; put the file itself there",
    errno.ELOOP: "it is a link to itself; put the file itself there",
}
PAGE = re.compile(
    rb"\s*<(!doctype|!--|\?xml|(html|head|body|script|svg|error|meta|title|table|div|p|h[1-6])\b)", re.IGNORECASE
)
JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[{\["\]])')


def what(content: bytes) -> str | None:
    """What the bytes are, such as "a web page"; None for what may be a list, an idx file or unknown."""
    content = content.removeprefix(b"\xef\xbb\xbf")[:START]  # the mark that a text may begin with
    for start, name in STARTS.items():
        if content.startswith(start) and (len(start) > 2 or not content[:200].isascii() or b"\0" in content[:200]):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "a WebP image"
    if content[257:262] == b"ustar":
        return "a tar archive"
    if PAGE.match(content):
        return "a web page, perhaps one that asks to log in or to confirm"
    if JSON.match(content):
        return "JSON"
    zeros = content[:200].count(0)
    return "text in UTF-16" if zeros and _every_other(content[:200]) else None


def _every_other(content: bytes) -> bool:
    """Whether one of two bytes is zero and the others are letters: UTF-16 without its mark."""
    for first in (0, 1):
        letters, zeros = content[first::2], content[1 - first :: 2]
        if len(content) >= 8 and not any(zeros) and letters.isascii() and 0 not in letters:
            return True
    return False


def beginning(path: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(START)
    except OSError:
        return b""


def unreadable(path: str | Path, error: OSError) -> str:
    """That a file or a folder cannot be read, and what to do, by what the system says."""
    if error.errno == errno.ENOTDIR:  # where a folder is wanted
        packed = "archive" in (what(beginning(Path(path))) or "")
        advice = "it is an archive; unpack it there" if packed else "put the folder itself there"
    else:
        advice = ADVICE.get(error.errno, "copy it there once more")
    return f"cannot be read ({error.strerror or short(str(error))}); {advice}"


def short(text: str) -> str:
    """Text from a file in quotes and on one line, with its middle left out if it is long."""
    return repr(text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}")
