"""Pictures as a page embeds them: as WebP, which is a fraction of a PNG; and those that lie beside a notebook."""

import base64
import io
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image

PICTURES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
    ".svg": "image/svg+xml",
}  # fmt: skip
LARGEST_FILE = 5_000_000  # bytes of a picture that lies beside a notebook
LONGEST_WEBP = 16_383  # pixels of a side
LARGE_PICTURE = 60_000  # bytes of a WebP without loss; most plots are below, sheets of photographs above
HEAVY_PICTURE = 100_000  # and after a first loss: sheets of many photographs
THUMBNAIL = (416, 256)  # pixels at most, twice of what a page shows


def picture_address(mime: str, content: str) -> str | None:
    """A picture of an output, base64, as a ``data:`` address; None if it is none of that kind, or broken.

    A PNG becomes a WebP that looks the same, for photographs make a page five times as heavy otherwise: without loss
    where that is small enough, or smaller. The PNG itself is in ``figures/`` if the picture is a deliverable.
    """
    try:
        raw = base64.b64decode("".join(content.split()), validate=True)
        with Image.open(io.BytesIO(raw)) as picture:
            picture.load()
            if mime != PICTURES.get(f".{(picture.format or '').lower()}"):
                return None
            fits = max(picture.size) <= LONGEST_WEBP and not picture.mode.startswith("I")  # 16 bits
            if mime == "image/png" and fits:
                mime, raw = "image/webp", as_webp(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return f"data:{mime};base64,{base64.b64encode(raw).decode()}"


def as_webp(picture: Image.Image) -> bytes:
    picture = picture.convert("RGBA")
    written = saved_as_webp(picture, lossless=True)
    for limit, quality in ((LARGE_PICTURE, 90), (HEAVY_PICTURE, 80)):
        if len(written) > limit:
            written = min(written, saved_as_webp(picture, quality=quality), key=len)
    return written


def saved_as_webp(picture: Image.Image, **choice: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "webp", method=4, **choice)
    return buffer.getvalue()


@cache
def thumbnail(path: Path, content: str) -> str:
    """A picture as a small WebP in a ``data:`` address; ``content`` is its hash, for a file may be written again."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError):  # its page says so
        small = Image.new("RGB", (1, 1), "white")
    small.thumbnail(THUMBNAIL)
    return f"data:image/webp;base64,{base64.b64encode(saved_as_webp(small, quality=75)).decode()}"


def local_picture(address: str, folder: Path | None) -> Path | None:
    """The picture that a relative address names in the folder or below it, else None."""
    try:
        parts = urlsplit(address)
        path = (folder / unquote(parts.path)).resolve() if folder and not parts.scheme and parts.path else None
        if path and path.suffix.lower() in PICTURES and path.is_relative_to(folder.resolve()) and is_picture(path):
            return path
    except (OSError, ValueError):  # no address, no path
        pass
    return None


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, and not too large for a page."""
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        return False
    if path.suffix.lower() == ".svg":
        return b"<svg" in path.read_bytes()
    try:
        with Image.open(path) as picture:
            picture.verify()
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return False
    return True
