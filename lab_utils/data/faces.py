"""Faces: photographs in the course's layout or CelebA, prepared once; else, announced, avatars.

Every list is checked against its folder before an image is read, and every image is read before the cache
holds any. Nothing here imports torch: the report checks the data with this module before it starts a notebook,
and the processes that prepare images start quickly.
"""

import csv
import hashlib
import inspect
import io
import os
import sys
import warnings
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import splits
from lab_utils.data.prepared import prepare

IMAGE_NAME = "image_name"  # the column of a CSV that names the images
COURSE_PARTS = ("train.csv", "train", "test.csv", "test")

CELEBA_PARTS = ("img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt")
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}
SUFFIXES = (".jpg", ".jpeg", ".png")

CROPS = {"photographs": None, "celeba": 148}  # pixels: the square around the face in CelebA's 178×218

# How an attribute may be written. Absent is 0 or -1, but not both in one column.
ABSENT, PRESENT, MINUS = 0, 1, 2
VALUES = {"0": ABSENT, "0.0": ABSENT, "1": PRESENT, "1.0": PRESENT, "-1": MINUS, "-1.0": MINUS}

NOTES = {
    "photographs": "{train:,} training and {test:,} test face photographs in the course's layout from {place}/faces.",
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

    Photographs are looked for in ``data_dir`` and then in the project's ``data/``, there in the course's layout
    (``faces/train.csv``, ``faces/train/``, likewise test) and then as CelebA in torchvision's (``celeba/``, or the
    directory itself). A photograph is turned as its camera noted, laid on white where it is transparent, cut to
    the square in its middle, reduced with Lanczos' filter, and kept in ``cache``.

    Parameters: ``data_dir``, where None or nothing means the project's ``data/``; ``faces``, "auto",
    "photographs" (no fallback) or "avatars" (no search); ``avatars_drawn``, how many for training and for what is
    judged on; ``split``, "test" for all training images and the test images, "validation" for no test image: a part
    of the training images, always the same, or CelebA's validation partition, or other avatars in their place.

    Raises LabError if there is no such ``split``, if ``data_dir`` is not a readable directory, if photographs are
    wanted and there are none, if a layout is incomplete, a list is malformed or disagrees with its folder, or an
    image cannot be read, or if validation is asked for and there are no images for it.
    """
    splits.check(split)
    if faces not in config.FACES:
        raise LabError(f"FACES={faces!r}: choose one of {', '.join(config.FACES)}")
    if faces == "avatars":
        return _avatars(size, avatars_drawn, cache, split)
    places = {"DATA_DIR": config.directory(data_dir, "faces or celeba")} if data_dir else {}
    places["data"] = config.DATA
    for place, folder in places.items():
        if found := _course(folder):
            return _photographs("photographs", found, place, size, cache, split)
        if found := _celeba(folder):
            return _photographs("celeba", found, place, size, cache, split)
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
    lines: dict[str, int]  # names of the images, and the line of the list on which each stands
    attributes: pd.DataFrame
    fingerprint: str  # another one if a list has changed, or name, size or time of an image


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
            f"{train.listing.with_name(CELEBA_PARTS[2])}: has no image in partition 1, which SPLIT=validation is "
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
        trouble = f"cannot be read ({error.strerror}); change its permissions"
    except ValueError as error:
        trouble = f"{error}; replace it, or take it out of the list"
    else:
        square = _square(image, crop).resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(square).transpose(2, 0, 1)
    raise LabError(f"{path} ({listed}): {trouble}")


def _open(path: str) -> Image.Image:
    """A PNG or JPEG upright and in RGB. OSError if the file cannot be read, ValueError if what is in it cannot."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged notes beside the picture, in the words of the decoder
        # Pillow warns where it finds up to twice as many pixels as it allows, and raises beyond.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=("PNG", "JPEG"))
            ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image)
        except UnidentifiedImageError:
            raise ValueError("is not a PNG or JPEG image" if os.fstat(file.fileno()).st_size else "is empty") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
        except Exception as error:  # decoders raise whatever they trip over: OSError, SyntaxError, struct.error, ...
            if isinstance(error, OSError) and error.errno:  # the system's fault, not the image's
                raise
            raise ValueError(f"is cut short or corrupt ({' '.join(str(error).split())})") from None


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


# The course's layout


def _course(folder: Path) -> dict[str, Listed] | None:
    """Both splits in ``folder/faces``, None if nothing of them is there, LabError if a part is missing or bad."""
    home = folder / "faces"
    if not _complete(home, COURSE_PARTS):
        if all((folder / part).exists() for part in COURSE_PARTS[:2]):
            raise LabError(f"{folder}: train.csv lies here, but photographs are looked for in {home}; move them there")
        return None
    train, test = (_course_split(home / f"{split}.csv", home / split) for split in ("train", "test"))
    for one, other in ((train, test), (test, train)):
        odd = [column for column in other.attributes if column not in one.attributes]
        if odd:
            raise LabError(f"{one.listing}: has no column {odd[0]!r}, but {other.listing.name} has; give both the same")
    return {"train": train, "test": replace(test, attributes=test.attributes[list(train.attributes)])}


def _course_split(listing: Path, folder: Path) -> Listed:
    text, digest = _text(listing)
    rows = _csv_rows(listing, text)
    line, header = next(rows)
    columns = [name.strip() for name in header]
    if IMAGE_NAME not in columns:
        raise LabError(f"{listing}, line {line}: has no column {IMAGE_NAME} ({_short(','.join(header))}); add one")
    lines, attributes = _table(listing, columns, rows)
    files = _files(folder)
    _check_present(folder, listing, lines, files)
    return Listed(folder, listing, lines, attributes, _fingerprint(digest, lines, files))


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with its line number."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise LabError(f"{path}, line {reader.line_num}: is not CSV ({error}); put it right") from None


# CelebA


def _celeba(folder: Path) -> dict[str, Listed] | None:
    """The three partitions in ``folder/celeba`` or ``folder``, as :func:`_course` returns both splits."""
    for home in (folder / "celeba", folder):
        if _complete(home, CELEBA_PARTS):
            return _celeba_splits(*(home / part for part in CELEBA_PARTS))
    return None


def _celeba_splits(folder: Path, listing: Path, partition: Path) -> dict[str, Listed]:
    lines, attributes, digest = _celeba_attributes(listing)
    parts, parts_digest = _celeba_partition(partition)
    files = _files(folder)
    _agree(listing, lines, partition, parts)
    _agree(partition, parts, listing, lines)
    _check_present(folder, listing, lines, files)
    _agree(folder, [name for name in files if name.lower().endswith(SUFFIXES)], listing, lines)
    found = {}
    for wanted, split in PARTITIONS.items():
        chosen = {name: line for name, line in lines.items() if parts[name] == wanted}
        if not chosen and split != "validation":
            raise LabError(f"{partition}: has no image in partition {wanted}; replace the file")
        rows = attributes[[parts[name] == wanted for name in lines]].reset_index(drop=True)
        found[split] = Listed(folder, listing, chosen, rows, _fingerprint(digest + parts_digest, chosen, files))
    return found


def _celeba_attributes(path: Path) -> tuple[dict[str, int], pd.DataFrame, str]:
    """The list: how many images on line 1, the attributes' names on line 2, then an image and its values on each."""
    text, digest = _text(path)
    rows = _split_rows(text)
    _, count = next(rows)
    _, header = next(rows, (2, []))
    lines, attributes = _table(path, [IMAGE_NAME, *header], rows)
    if count != [str(len(lines))]:
        raise LabError(
            f"{path}, line 1: says {_short(' '.join(count))}, but {len(lines)} images follow; replace the file"
        )
    return lines, attributes, digest


def _celeba_partition(path: Path) -> tuple[dict[str, str], str]:
    """The partition of each image by its name."""
    text, digest = _text(path)
    parts: dict[str, str] = {}
    for line, cells in _split_rows(text):
        where = f"{path}, line {line}"
        if len(cells) != 2 or cells[1] not in PARTITIONS:
            raise LabError(f"{where}: {_short(' '.join(cells))} is not an image and 0, 1 or 2; replace the file")
        if cells[0] in parts:
            raise LabError(f"{where}: {_short(cells[0])} is listed a second time; replace the file")
        parts[cells[0]] = cells[1]
    return parts, digest


def _split_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not blank, its number and its words."""
    return ((n, line.split()) for n, line in enumerate(text.split("\n"), start=1) if line.strip())


def _agree(one: Path, names: Iterable[str], other: Path, known: Container[str]) -> None:
    for name in names:
        if name not in known:
            raise LabError(f"{one}: has {_short(name)}, but {other.name} has not; use files of one download")


# Lists and folders


def _complete(home: Path, parts: Sequence[str]) -> bool:
    """Whether all parts of a layout are in a directory; False if there is none, LabError if there are only some."""
    try:
        missing = [part for part in parts if not (home / part).exists()]
    except OSError as error:  # a directory on the way that may not be searched
        raise LabError(f"{home}: cannot be read ({error.strerror}); change its permissions") from None
    if missing and len(missing) < len(parts):
        raise LabError(f"{home}: has no {' and no '.join(missing)}; add it, or remove {', '.join(parts)} altogether")
    return not missing


def _text(path: Path) -> tuple[str, str]:
    """The text of a list and the SHA-256 of its bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror}); change its permissions") from None
    try:
        text = content.decode("utf-8-sig")  # a spreadsheet may put a mark before it
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or not text.strip():
        trouble = "is not text in UTF-8" if "\0" in text else "is empty"
        raise LabError(f"{path}: {trouble}; replace it")
    return text, hashlib.sha256(content).hexdigest()


def _table(
    path: Path, columns: list[str], rows: Iterable[tuple[int, list[str]]]
) -> tuple[dict[str, int], pd.DataFrame]:
    """Names with their lines, and attributes as uint8 0 or 1, from rows of a name and a value per attribute."""
    at = columns.index(IMAGE_NAME)
    attributes = _attribute_names(path, columns, at)
    lines: dict[str, int] = {}
    values = bytearray()
    for line, cells in rows:
        if len(cells) != len(columns):
            raise LabError(f"{path}, line {line}: has {len(cells)} values for {len(columns)} columns; put it right")
        name = cells.pop(at)
        if trouble := _name_trouble(name, lines):
            raise LabError(f"{path}, line {line}: {IMAGE_NAME} {_short(name)} {trouble}")
        lines[name] = line
        try:
            values += bytes([VALUES[cell] for cell in cells])
        except KeyError:
            column, cell = next((c, v) for c, v in zip(attributes, cells, strict=True) if v not in VALUES)
            raise LabError(
                f"{path}, line {line} ({_short(name)}): {column!r} is {_short(cell)}, not 0 or 1 (or -1 or 1)"
            ) from None
    if not lines:
        raise LabError(f"{path}: lists no image; add a line for each")
    matrix = np.frombuffer(values, np.uint8).reshape(len(lines), len(attributes))
    _check_mixed(path, attributes, list(lines.values()), matrix)
    return lines, pd.DataFrame((matrix == PRESENT).astype(np.uint8), columns=attributes)


def _attribute_names(path: Path, columns: list[str], at: int) -> list[str]:
    """All columns but the one of the names. LabError if there are none, or one has no name or that of another."""
    attributes = columns[:at] + columns[at + 1 :]
    if not attributes:
        raise LabError(f"{path}: has no attribute; add a column for each")
    for column in columns:
        if not column or columns.count(column) > 1:
            raise LabError(f"{path}: a column is named {column!r}{' twice' if column else ''}; each needs its own name")
    return attributes


def _name_trouble(name: str, before: dict[str, int]) -> str:
    """What is wrong with the name of an image, empty if nothing is."""
    if name in before:
        return f"stands on line {before[name]} already; remove one"
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        return "is not the name of a file in the folder of the split; give that"
    return ""


def _check_mixed(path: Path, attributes: list[str], lines: list[int], matrix: np.ndarray) -> None:
    """LabError if a column writes absent in two ways: one of them may mean something else, "unknown" perhaps."""
    for column, values in zip(attributes, matrix.T, strict=True):
        zero, minus = values == ABSENT, values == MINUS
        if zero.any() and minus.any():
            odd, is_, other = (zero, 0, -1) if zero.sum() < minus.sum() else (minus, -1, 0)
            raise LabError(
                f"{path}, line {lines[odd.argmax()]}: {column!r} is {is_}, but {other} on other lines; "
                "write 0 and 1, or -1 and 1"
            )


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file in a folder."""
    try:
        with os.scandir(folder) as entries:
            stats = ((entry.name, entry.stat()) for entry in entries if entry.is_file())
            return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats}
    except OSError as error:
        raise LabError(f"{folder}: cannot be read ({error.strerror}); change its permissions") from None


def _check_present(folder: Path, listing: Path, lines: dict[str, int], files: Container[str]) -> None:
    for name, line in lines.items():
        if name not in files:
            raise LabError(f"{listing}, line {line}: {_short(name)} is not in {folder}; add it, or remove the line")


def _fingerprint(lists: str, names: Iterable[str], files: dict[str, tuple[int, int]]) -> str:
    """SHA-256 of the lists' own and of the name, size and time of every image."""
    digest = hashlib.sha256(lists.encode())
    for name in names:
        size, time = files[name]
        digest.update(f"{name}/{size}/{time}/".encode())
    return digest.hexdigest()


def _short(text: str) -> str:
    """Text from a file in quotes and on one line, with its middle left out if it is long."""
    return repr(text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}")
