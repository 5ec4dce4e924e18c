"""Faces: photographs in the course's layout or CelebA, prepared once; else, announced, avatars.

Every list is checked against its folder before an image is read, and every image is read before the cache
holds any. Nothing here imports torch: the report checks the data with this module before it starts a notebook,
and the processes that prepare images start quickly.
"""

import errno
import hashlib
import inspect
import os
import sys
import unicodedata
import warnings
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import contents, kinds, layouts, lists, splits
from lab_utils.data.contents import short
from lab_utils.data.lists import PARTITIONS
from lab_utils.data.prepared import prepare

FORMATS = ("PNG", "JPEG", "WEBP")
CROPS = {"photographs": None, "celeba": 148}  # pixels: the square around the face in CelebA's 178×218

NOTES = {
    "photographs": "{train:,} training and {test:,} test face photographs in the course's layout from {place}.",
    "celeba": "CelebA, aligned and cropped, {train:,} training and {test:,} test face photographs from {place}, by "
    "Z. Liu, P. Luo, X. Wang and X. Tang (ICCV 2015), for non-commercial research use.",
}

HELD_OUT = 1_200  # training photographs in the course's layout that validation is judged on, if there are many
HELD_OUT_SEED = 0  # of the choice, not of a run: every run holds out the same

# Which n images validation is judged on; total counts them and those trained on.
JUDGED_ON = {
    "photographs": "{n:,} of the {total:,} training photographs, always the same, chosen at random, not trained on "
    "(the list names nobody, so validation shares people with training: pictures of one person may be on both sides)",
    "celeba": "the {n:,} photographs of CelebA's validation partition, which is never trained on",
    "avatars": "{n:,} avatars drawn in addition, from random numbers of their own, not trained on",
}

describe = splits.describe


@dataclass(frozen=True)
class Split:
    """One split, image ``i`` with row ``i`` of the attributes."""

    images: np.ndarray  # uint8, N×3×S×S, RGB, mapped from the cache or copied; writing to it leaves the cache alone
    attributes: pd.DataFrame  # uint8, 0 or 1, a column per attribute, numbered from 0


@dataclass(frozen=True)
class Faces:
    """What a run is trained on and judged on, with the same attributes in the same order, and where they came from.

    For validation ``test`` holds no test image: it is a part held out from the training images, which ``train`` is
    without, in their order; or, where the source has validation images of its own, those.
    """

    train: Split
    test: Split  # what a run is judged on
    source: str  # "photographs", "celeba" or "avatars"
    split: str  # "test" or "validation"
    for_judges: np.ndarray  # int64, ascending: rows of ``train`` that validation does not hold out, for judges alone
    sha256: str  # of the SHA-256 of the images and the attributes, names and bytes, of ``train`` and ``test``
    note: str  # for a page: which data this is, by whom, under which licence, and what is held out, if anything is


def load(
    data_dir: str | Path | None = None,
    faces: str = "auto",
    size: int = 64,
    avatars_drawn: tuple[int, int] = (18_000, 2_000),
    cache: Path = config.CACHE,
    split: str = "test",
) -> Faces:
    """The faces: photographs if there are any, else the announced fallback, at ``size``×``size`` pixels.

    Photographs are looked for in ``data_dir`` and then in the project's ``data/``, there and in the folders below, in
    the course's layout (``faces/train.csv``, ``faces/train/``, likewise test) and then as CelebA, however its authors,
    torchvision or Kaggle pack it. A photograph is turned as its camera noted, laid on white where it is transparent,
    cut to the square in its middle, reduced with Lanczos' filter, and kept in ``cache``.

    Parameters: ``data_dir``, where None or nothing means the project's ``data/``; ``faces``, "auto",
    "photographs" (no fallback) or "avatars" (no search); ``avatars_drawn``, how many for training and for what is
    judged on; ``split``, "test" for all training images and the test images, "validation" for no test image: a part
    of the training images, always the same, or CelebA's validation partition, or other avatars in their place.

    Raises LabError if there is no such ``split``, if ``data_dir`` is not a readable directory, if photographs are
    wanted and there are none, if there is something like them in another form (an archive, pictures without lists),
    if a layout is incomplete, a list is malformed or disagrees with its folder, or an image cannot be read, or if
    validation is asked for and there are no images for it.
    """
    splits.check(split)
    if faces not in config.FACES:
        raise LabError(f"FACES={faces!r}: choose one of {', '.join(config.FACES)}")
    if faces == "avatars":
        return _avatars(size, avatars_drawn, cache, split)
    places = {"DATA_DIR": config.directory(data_dir, "faces or celeba")} if data_dir else {}
    places["data"] = config.DATA
    for place, folder in places.items():
        below = layouts.search(folder)
        celeba = layouts.celeba(below)
        home = layouts.course(below)
        if home and not (_is_by_the_way(*home) and celeba and all(celeba[1])):
            shown = f"{place}/{home[0].path.relative_to(folder).as_posix()}".removesuffix("/.")
            return _photographs("photographs", _course(*home), shown, size, cache, split)
        if celeba:
            return _photographs("celeba", _celeba(*celeba, below), place, size, cache, split)
        layouts.refuse("faces", below)
    if faces == "photographs":
        looked = " or ".join(f"{folder}/{layout}" for folder in places.values() for layout in ("faces", "celeba"))
        raise LabError(f"FACES=photographs: there are none in {looked}; put them there, or give FACES=avatars")
    return _avatars(size, avatars_drawn, cache, split, missing_in=" or ".join(places))


def _avatars(size: int, drawn: tuple[int, int], cache: Path, split: str, missing_in: str = "") -> Faces:
    try:
        from lab_utils.data import avatars

        facts = avatars.facts()
    except ImportError as error:
        raise LabError(
            f"FACES: there is no package {error.name} to draw avatars; install it, or put photographs in DATA_DIR/faces"
        ) from None
    if missing_in:
        print(f"There are no photographs in faces/ or celeba/ under {missing_in}. {avatars.NOTE}")
    pair, digests = [], []
    for part, n in zip(("train", split), drawn, strict=True):
        tasks, attributes = avatars.tasks(part, n)
        identity = facts | {"split": part, "n": n, "size": size}
        images, sha256 = prepare(f"avatars-{part}", identity, tasks, partial(avatars.paint, size=size), size, cache)
        pair.append(Split(images, attributes))
        digests.append(sha256)
    return _faces("avatars", split, pair, np.arange(drawn[0]), digests, avatars.NOTE)


def _faces(
    source: str, split: str, pair: Sequence[Split], for_judges: np.ndarray, pixels: Sequence[str], note: str
) -> Faces:
    """What :func:`load` returns. The SHA-256 of the ``pixels`` are given, so that those are read once."""
    train, test = pair
    digest = hashlib.sha256("".join(pixels).encode())
    for part in pair:
        digest.update("\n".join(part.attributes.columns).encode())
        digest.update(part.attributes.to_numpy().tobytes())
    if split == "validation":
        n = len(test.images)
        note = splits.validation_note(note, JUDGED_ON[source].format(n=n, total=len(train.images) + n))
    return Faces(train, test, source, split, for_judges, digest.hexdigest(), note)


# Photographs


@dataclass(frozen=True)
class Listed:
    """One split of photographs as its list has it: checked, but no image read."""

    folder: Path
    listing: Path
    lines: dict[str, int]  # names of the images as they lie there, and the line of the list on which each stands
    attributes: pd.DataFrame
    fingerprint: str  # another one if a list has changed, or name, size or time of an image
    partition: Path | None = None  # CelebA's other list


def _photographs(source: str, found: dict[str, Listed], place: str, size: int, cache: Path, split: str) -> Faces:
    """All parts are prepared as one array: a bad image in any leaves the cache as it was, and either split uses it."""
    if split == "validation":
        _check_validation(found)
    crop = CROPS[source]
    tasks = [
        (f"{part.folder}/{name}", f"{part.listing.name}, line {line}")
        for part in found.values()
        for name, line in part.lines.items()
    ]
    facts = {
        "lists and files": [part.fingerprint for part in found.values()],
        "size": size,
        "crop": crop,
        "code": hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest(),
        "pillow": PIL.__version__,
    }
    images, sha256 = prepare(source, facts, tasks, partial(paint, size=size, crop=crop), size, cache)
    cuts = np.cumsum([len(part.lines) for part in found.values()])[:-1]
    pieces = zip(found.items(), np.split(images, cuts), strict=True)
    parts = {name: Split(some, part.attributes) for (name, part), some in pieces}
    pair, for_judges = _pair(parts, split)
    if sum(len(part.images) for part in pair) < len(images):  # else they are all, in their order
        sha256 = _sha256(pair)
    note = NOTES[source].format(train=len(found["train"].lines), test=len(found["test"].lines), place=place)
    return _faces(source, split, pair, for_judges, [sha256], note)


def _check_validation(found: dict[str, Listed]) -> None:
    """LabError if there is no image that validation could be judged on."""
    train = found["train"]
    if "validation" not in found and len(train.lines) < 2:
        raise LabError(
            f"{train.listing}: lists a single image, and SPLIT=validation needs one more to be judged on; add some, "
            "or give SPLIT=test"
        )
    if "validation" in found and not found["validation"].lines:
        raise LabError(
            f"{found['validation'].partition}: has no image in partition 1, which SPLIT=validation is "
            "judged on; give CelebA's full list, or SPLIT=test"
        )


def _pair(parts: dict[str, Split], split: str) -> tuple[list[Split], np.ndarray]:
    """What is trained on, what is judged on, and the rows of the first that validation does not hold out."""
    train = parts["train"]
    if "validation" in parts:
        return [train, parts[split]], np.arange(len(train.images))
    rest, held = _hold_out(len(train.images))
    if split == "test":
        return [train, parts["test"]], rest
    return [_rows(train, rest), _rows(train, held)], np.arange(len(rest))


def _hold_out(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ``n`` images that stay and rows that are held out, each ascending, always the same. One image stays."""
    count = HELD_OUT if n >= 2 * HELD_OUT else min(n - 1, max(1, n // 10))
    shuffled = np.random.default_rng(HELD_OUT_SEED).permutation(n)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def _rows(split: Split, rows: np.ndarray) -> Split:
    """Some of the images, copied into memory, and their attributes, numbered from 0."""
    return Split(np.asarray(split.images)[rows], split.attributes.iloc[rows].reset_index(drop=True))


def _sha256(pair: Sequence[Split]) -> str:
    """Of the bytes of the images, one split after the other."""
    digest = hashlib.sha256()
    for part in pair:
        digest.update(part.images)
    return digest.hexdigest()


def paint(task: tuple[str, str], size: int, crop: int | None) -> np.ndarray:
    """One photograph as uint8 3×size×size; ``task`` is its path and where it is listed.

    The square in its middle has ``crop`` pixels a side, or is as large as it can be. LabError names the file and
    the place in the list if it cannot be read.
    """
    path, listed = task
    try:
        image = _open(path)
    except OSError as error:
        trouble = contents.unreadable(path, error)
    except ValueError as error:
        trouble = f"{error}; replace it, or take it out of the list"
    else:
        square = _square(image, crop).resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(square).transpose(2, 0, 1)
    raise LabError(f"{path} ({listed}): {trouble}")


def _open(path: str) -> Image.Image:
    """A picture upright and in RGB. OSError if the file cannot be read, ValueError if what is in it cannot."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged notes beside the picture, in the words of the decoder
        # Pillow warns where it finds up to twice as many pixels as it allows, and raises beyond.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
            ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image)
        except UnidentifiedImageError:
            raise ValueError(_no_picture(file)) from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
        except Exception as error:  # decoders raise whatever they trip over: OSError, SyntaxError, struct.error, ...
            if isinstance(error, OSError) and error.errno:  # the system's fault, not the image's
                raise
            raise ValueError(f"is cut short or corrupt ({' '.join(str(error).split())})") from None


def _no_picture(file: BinaryIO) -> str:
    """What is wrong with a file that no decoder takes."""
    file.seek(0)
    start = file.read(contents.START)
    what = contents.what(start)
    if not start:
        return "is empty"
    if what and what.endswith(("PNG image", "JPEG image", "WebP image")):
        return "is cut short or corrupt (there is only the beginning of the picture)"
    return "is not a PNG, JPEG or WebP image" + (f" but {what}" if what else "")


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB. Colour profiles are not applied."""
    if image.mode.startswith("I"):  # 16 bit; Pillow's own conversion would clip it
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _square(image: Image.Image, crop: int | None) -> Image.Image:
    width, height = image.size
    side = min(width, height, crop or width)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


# The two layouts


def _course(home: layouts.Folder, missing: list[str]) -> dict[str, Listed]:
    """Both splits of a folder in the course's layout. LabError if a part is missing or bad."""
    if missing:
        _refuse_incomplete(home.path, missing, layouts.COURSE, [home])
    train, test = (_course_split(home.at(f"{split}.csv"), home.at(split)) for split in ("train", "test"))
    for one, other in ((train, test), (test, train)):
        odd = [column for column in other.attributes if column not in one.attributes]
        if odd:
            raise LabError(f"{one.listing}: has no column {odd[0]!r}, but {other.listing.name} has; give both the same")
    return {"train": train, "test": replace(test, attributes=test.attributes[list(train.attributes)])}


def _course_split(listing: Path, folder: Path) -> Listed:
    lines, attributes, digest = lists.attributes(listing)
    folder = layouts.pictures(folder)
    files = _files(folder)
    names = _as_they_lie(folder, listing, lines, files)
    lines = {names[name]: line for name, line in lines.items()}
    return Listed(folder, listing, lines, attributes, _fingerprint(digest, lines, files))


def _is_by_the_way(home: layouts.Folder, missing: list[str]) -> bool:
    """Whether a folder is only in part in the course's layout and not called so: something else where CelebA is."""
    return bool(missing) and home.path.name.lower() != "faces"


def _celeba(home: Path, parts: list[Path | None], below: list[layouts.Folder]) -> dict[str, Listed]:
    """The three partitions of CelebA, as :func:`_course` returns both splits."""
    missing = [name for name, path in zip(layouts.CELEBA, parts, strict=True) if path is None]
    if missing:
        _refuse_incomplete(home, missing, layouts.CELEBA, below)
    folder, listing, partition = parts
    folder = layouts.pictures(folder)
    lines, attributes, digest = lists.attributes(listing)
    parts_of, parts_digest = lists.partitions(partition)
    files = _files(folder)
    _agree(listing, lines, partition, parts_of)
    _agree(partition, parts_of, listing, lines)
    names = _as_they_lie(folder, listing, lines, files)
    known = set(map(_stem, lines))
    _agree(folder, [name for name in files if _is_picture(name) and _stem(name) not in known], listing, lines)
    found = {}
    for wanted, split in PARTITIONS.items():
        chosen = {names[name]: line for name, line in lines.items() if parts_of[name] == wanted}
        if not chosen and split != "validation":
            raise LabError(f"{partition}: has no image in partition {wanted}; replace the file")
        rows = attributes[[parts_of[name] == wanted for name in lines]].reset_index(drop=True)
        marks = _fingerprint(digest + parts_digest, chosen, files)
        found[split] = Listed(folder, listing, chosen, rows, marks, partition)
    return found


def _refuse_incomplete(home: Path, missing: Sequence[str], parts: Sequence[str], below: list[layouts.Folder]) -> None:
    """LabError that names what a layout lacks, and an archive that may hold it."""
    todo = f"add it, or remove {', '.join(parts)} altogether"
    packed = [path.relative_to(below[0].path).as_posix() for path in layouts.archives("faces", below, parts)][:3]
    if packed:
        todo = f"unpack {' and '.join(packed)}, which lies there"
    raise LabError(f"{home}: has no {' and no '.join(missing)}; {todo}")


# Lists and folders


def _agree(one: Path, names: Iterable[str], other: Path, known: Container[str]) -> None:
    odd = [name for name in names if name not in known]
    if odd:
        more = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
        raise LabError(f"{one}: has {short(odd[0])}{more}, but {other.name} has not; use files of one download")


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file in a folder, without hidden ones and links that lead nowhere."""
    files = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and _is_file(entry):
                    files[entry.name] = (entry.stat().st_size, entry.stat().st_mtime_ns)
        return files
    except OSError as error:
        raise LabError(f"{folder}: {contents.unreadable(folder, error)}") from None


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise


def _is_picture(name: str) -> bool:
    return name.lower().endswith(kinds.PICTURES)


def _stem(name: str) -> str:
    """What stays the same of a name when a picture is converted or copied: no ending, small letters, one Unicode."""
    stem = os.path.splitext(name)[0] if kinds.is_picture(name) else name
    return unicodedata.normalize("NFC", stem).casefold()


def _as_they_lie(
    folder: Path, listing: Path, lines: dict[str, int], files: dict[str, tuple[int, int]]
) -> dict[str, str]:
    """The file of each listed name: of that name or, where only one can be meant, of that name with another ending.

    LabError says how many have none, and why that may be.
    """
    missing = [name for name in lines if name not in files]
    if not missing:
        return {name: name for name in lines}
    others: dict[str, list[str]] = {}
    for file in files:
        if _is_picture(file) and file not in lines:
            others.setdefault(_stem(file), []).append(file)
    wanted = Counter(map(_stem, missing))
    names = {name: name for name in lines}
    lost = []
    for name in missing:
        meant = others.get(_stem(name), [])
        if len(meant) == 1 and wanted[_stem(name)] == 1:
            names[name] = meant[0]
        else:
            lost.append((name, meant))
    if lost:
        _refuse_lost(folder, listing, lines, lost, files)
    return names


def _refuse_lost(
    folder: Path, listing: Path, lines: dict[str, int], lost: list[tuple[str, list[str]]], files: Iterable[str]
) -> None:
    name, meant = lost[0]
    where = f"{listing}, line {lines[name]}: {short(name)}"
    pictures = sum(map(_is_picture, files))
    unread = [file for file in files if kinds.is_picture(file) and not _is_picture(file)]
    if unread and not meant and (not pictures or _stem(name) in map(_stem, unread)):
        (ending, n), *_ = Counter(os.path.splitext(file)[1].lower() for file in unread).most_common(1)
        raise LabError(
            f"{where} is not in {folder}: of the pictures there {n:,} end in {ending}, which is not read; convert them "
            "to PNG or JPEG"
        )
    if len(lost) == 1 and not meant:
        raise LabError(f"{where} is not in {folder}; add it, or remove the line")
    if len(meant) > 1:
        raise LabError(f"{where} is not in {folder}, but {' and '.join(sorted(meant)[:3])} are; keep one of them")
    if not pictures:
        why = "it holds no picture; unpack the archive of the images there"
    elif len(lost) == len(lines):
        why = "the pictures there have other names; put those there that the list is of"
    else:
        why = "perhaps the archive was not unpacked to its end; unpack it again, or take the lines out"
    raise LabError(
        f"{where} and {len(lost) - 1:,} more of the {len(lines):,} listed are not in {folder}, where {pictures:,} "
        f"pictures lie: {why}"
    )


def _fingerprint(lists: str, names: Iterable[str], files: dict[str, tuple[int, int]]) -> str:
    """SHA-256 of the lists' own and of the name, size and time of every image."""
    digest = hashlib.sha256(lists.encode())
    for name in names:
        size, time = files[name]
        digest.update(f"{name}/{size}/{time}/".encode())
    return digest.hexdigest()
