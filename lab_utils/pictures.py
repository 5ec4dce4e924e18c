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
LARGE_PICTURE = 60_000  # bytes of a WebP without loss; most plots are below, sheets of photographs above
THUMBNAIL = (416, 256)  # pixels at most, twice of what a page shows


def webp(png: str) -> str:
    """A PNG as a WebP that looks the same, both base64: photographs make a page five times as heavy otherwise.

    Without loss where that is small enough, or smaller; the PNG itself is in ``figures/`` if the picture is a
    deliverable.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    written = saved_as_webp(picture, lossless=True)
    if len(written) > LARGE_PICTURE:
        written = min(written, saved_as_webp(picture, quality=90), key=len)
    return base64.b64encode(written).decode()


def saved_as_webp(picture: Image.Image, **choice: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "webp", method=4, **choice)
    return buffer.getvalue()


@cache
def thumbnail(path: Path, content: str) -> str:
    """A picture as a small WebP in a ``data:`` address; ``content`` is its hash, for a file may be written again."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail(THUMBNAIL)
    return f"data:image/webp;base64,{base64.b64encode(saved_as_webp(small, quality=75)).decode()}"


def local_picture(address: str, folder: Path | None) -> Path | None:
    """The picture that a relative address names in the folder or below it, else None."""
    try:
        parts = urlsplit(address)
        path = (folder / unquote(parts.path)).resolve() if folder and not parts.scheme and parts.path else None
        if path and path.suffix.lower() in PICTURES and path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    except (OSError, ValueError):  # no address, no path
        pass
    return None
