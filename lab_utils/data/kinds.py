"""Which kind of data a file is of, "digits" or "faces": by its name and those of its folders, or by how it begins.

On the way from a file outwards, the first name that says something decides: MNIST in a folder for work on another set
is MNIST. An archive is told by the names in it. Nothing is read but beginnings and ends of files.
"""

import contextlib
import re
import warnings
from pathlib import Path

from lab_utils.data import archives, contents

PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")  # as they are read
OTHER_PICTURES = (".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".heic", ".heif", ".avif", ".jp2")
PACKED = re.compile(r"\.(zip|7z|rar|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|lz4|lzma|z|[zr]?\d{2,3})$")  # .z01, .7z.002: parts
UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".aria2", ".incomplete")  # what still is fetched
IN_CLOUD = ".icloud"  # what a Mac leaves, hidden, of a file that is not there but at Apple's
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".parquet", ".arrow", ".feather", ".json", ".jsonl")
COLUMNS = (".parquet", ".arrow")  # Hugging Face's tables, which are all called alike and say inside what they hold
NUMBERS = re.compile(
    r"\.(npz|npy|pkl|pickle|mat|h5|hdf5|arff|amat|tfrecords?(-\d+-of-\d+)?|mdb|lmdb|db|sqlite3?|rds|rda|rdata|beton)$"
)
TENSORS = re.compile(r"(mnist|train(ing)?|test|data(set)?|images?|labels?|[ _.-])+\.pth?$")  # what is no trained model
LEFT_BY_SYSTEMS = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "lost+found"}

CELEBA = ("img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt")
# The same with what downloads and file managers add: _png, (1), " - Copy", and Kaggle's lists as CSV.
COPY_OF = r"((copy of|kopie von|copie de|copia de) )?"
COPY = r"([ _.-]*\(\d+\)|[ _-]+(copy|kopie|copie|copia)([ _-]*\(?\d+\)?)?|[ _-]+\d)?"
CELEBA_NAMES = (
    re.compile(rf"{COPY_OF}img_align_celeba([_-]?(png|jpg))?{COPY}"),
    re.compile(rf"{COPY_OF}list_attr_celeba{COPY}\.(txt|csv|tsv)(\.txt)?"),
    re.compile(rf"{COPY_OF}list_eval_partition(_celeba)?{COPY}\.(txt|csv|tsv)(\.txt)?"),
)
CELEBA_LISTS = re.compile(r"list_attr_celeba|(list_\w+|identity)_celeba.*\.txt$")  # the authors' other ones too
CELEBA_SIZE = (178, 218)  # pixels of its aligned photographs, and of hardly any others
IDX = re.compile(
    rf"{COPY_OF}(?P<split>train|t10k|test)[ _.-]*(?P<what>image|label)s?([ _.-]*idx[13])?([ _.-]*ubyte)?{COPY}"
    r"(\.(idx[13]?|ubyte|bin|dat))?(\.gz)?"
)
# With any beginning, and any ending but those of checksums, programs and texts about the files.
LIKE_IDX = re.compile(
    r"(train(ing)?|t10k|test)[ _.-]*(image|label)s?[ _.-]*idx[13](?!.*\.(md5|sha\d+|asc|sig|py|ipynb|md|html?|pdf)$)"
)
MNIST_NPZ = re.compile(rf"{COPY_OF}mnist([_.-]?(data|keras))?{COPY}\.npz")
MNIST_CSV = re.compile(rf"{COPY_OF}mnist[_-]?(?P<split>train|test){COPY}\.csv")
MNIST_PT = re.compile(r"(^|/)processed/(training|test)\.pt$")

# Sets whose files are named as MNIST's, and MNIST itself.
OTHER_DIGITS = re.compile(
    r"fashion[ _-]?mnist|^fashion$|kuzushiji|(?<![a-z])(med|not|[ekq])[_-]?mnist([_-]mnist)?|mnist[_-]?(m|1d|c)\b"
)
MNIST = re.compile(r"(?<![a-z])mnist")
LABEL_FOLDER = re.compile(r"(^|/)[0-9]/[^/]+$")  # digits as pictures, a folder for each label
FACES = re.compile(r"celeb(?!rat)|ffhq|utkface|(^|[^a-z])(lfw|(?<!hugging[ _-])faces?)([^a-z]|$)|list_eval_partition")
# As the course and CelebA name photographs, and many other sets theirs. They are taken for faces where no folder on
# the way to them says what they are of.
NUMBERED = re.compile(r"(^|/)\d{5,6}\.[a-z]+$")
NEUTRAL = re.compile(
    r"([\W\d_x]|train(ing)?|test(ing)?|val(id(ation)?)?|images?|imgs?|pictures?|pics|photos?|photographs|portraits?|"
    r"people|jpe?g|png|data|sets?|archive|downloads?|unzipped|raw|input|course|lab|part|new|folder|all|and|the|my|of|"
    r"[a-h](?![a-z]))*"
)
# What the columns of a table say: Kaggle's digits have one for each pixel, lists of faces the names and what they show.
PIXELS = re.compile(rb"pixel_?0\b|\b1x1\b")
IMAGE_NAME, IMAGE_ID = re.compile(rb"image[ _-]?name\b"), re.compile(rb"image[ _-]?id\b")
OF_FACES = re.compile(
    rb"(?<![a-z])((fe)?male|young|smil(e|ing)|(eye)?glasses|no_beard|beard|goatee|mou?stache|bald|bangs|chubby|"
    rb"attractive|heavy_makeup|wearing_\w+|(black|blond|brown|gray|wavy|straight)_hair)(?![a-z])"
)
CELEBA_COLUMN = b"5_o_clock_shadow"  # the first of CelebA's
NAMES_A_PICTURE = re.compile(rb"\.(jpe?g|png|webp)\b")
ONLY_NUMBERS = re.compile(rb"\s*-?\d[\d\s.,;+-]*")
# What Hugging Face writes into its tables, or beside them, of the columns.
TEN_LABELS = re.compile(rb'"names":\s*\[\s*"0",\s*"1",\s*"2"')
INFO = "dataset_info.json"
SCHEMA = 1 << 16  # bytes at both ends of a table in which that stands
BLOB = re.compile(r"(^|/)datasets--[^/]+/blobs/[^/]+$")  # in Hugging Face's cache, where names are checksums

OTHER = "other digits"


def left_over(name: str) -> bool:
    """Hidden, or left by an operating system beside what is meant: .DS_Store, ._000001.jpg, __MACOSX."""
    low = name.lower()
    return (low.startswith(".") and not low.endswith(IN_CLOUD)) or low in LEFT_BY_SYSTEMS


def is_archive(path: Path) -> bool:
    """Whether a file is one by its ending or, without an ending, by how it begins; or a download that did not end."""
    low = path.name.lower()
    if "." in low:
        return bool(PACKED.search(low)) or is_unfinished(low)
    return "archive" in (contents.what(contents.beginning(path)) or "")


def is_unfinished(name: str) -> bool:
    return name.lower().endswith(UNFINISHED)


def is_picture(name: str) -> bool:
    """Whether it is one by its ending, of those that are read or of others."""
    return name.lower().endswith((*PICTURES, *OTHER_PICTURES))


# By names


def told(name: str) -> str | None:
    """ "digits", "faces" or OTHER, by the innermost part of a path that says one of them; None if none does."""
    for part in reversed(name.lower().split("/")):
        rest = OTHER_DIGITS.sub(" ", part)
        if MNIST.search(rest):
            return "digits"
        if rest != part:
            return OTHER
        if FACES.search(part):
            return "faces"
    return None


def kind_of(name: str) -> str | None:
    """ "digits", "faces" or None: what the file is of by its path, as seen from DATA_DIR or in an archive."""
    *folders, base = name.lower().split("/")
    if base.endswith(IN_CLOUD):
        base = base.removeprefix(".").removesuffix(IN_CLOUD)
    if left_over(base) or "__macosx" in folders:
        return None
    name = "/".join([*folders, base])
    if LIKE_IDX.search(base) or IDX.fullmatch(base) or MNIST_PT.search(name):
        return None if told(name) == OTHER else "digits"
    if CELEBA_LISTS.match(base) or any(known.fullmatch(base) for known in CELEBA_NAMES[1:]):
        return "faces"
    if is_picture(base):
        return _kind_of_picture(name)
    tensors = TENSORS.fullmatch(base) and "mnist" in name
    if tensors or PACKED.search(base) or is_unfinished(base) or base.endswith(TABLES) or NUMBERS.search(base):
        said = told(name) or ("digits" if "mnist" in name else None)  # as in mymnist.csv
        return None if said == OTHER else said
    return None


def _kind_of_picture(name: str) -> str | None:
    said = told(name)
    if said is None and ("mnist" in name or LABEL_FOLDER.search(name)):
        return "digits"
    if said is None and NUMBERED.search(name) and all(map(NEUTRAL.fullmatch, name.split("/")[:-1])):
        return "faces"
    return None if said == OTHER else said


# By what is in a file


def of_file(path: Path, name: str, root: str) -> str | None:
    """ "digits", "faces" or None: by its path as seen from ``root``, DATA_DIR's name, or else by how it begins."""
    if kind := kind_of(name):
        return kind
    base = name.lower().rsplit("/", 1)[-1]
    if base.endswith((".csv", ".tsv", ".txt")):
        return of_table(contents.beginning(path)) or _of_numbers(path, base)
    if base.endswith(COLUMNS):
        return _of_columns(path) or kind_of(f"{root}/{name}")
    return _of_unnamed(path, name) if "." not in base else None


def of_archive(path: Path, name: str) -> set[str]:
    """The kinds of data that an archive holds, by the names in it, or else by its own as seen from DATA_DIR.

    Other sets have files that are called as MNIST's: these are theirs where a name in the archive is such a set's, and
    none MNIST's own.
    """
    held = list(archives.members(path))
    said = {told(f"{name}/{member}") for member, _ in held}
    kinds = {kind_of(member) or of_table(start) for member, start in held} - {None}
    if OTHER in said and "digits" not in said:
        return kinds - {"digits"}
    return kinds or {kind_of(name) or _told_of_unnamed(name)} - {None, OTHER}


def of_table(start: bytes) -> str | None:
    """By the header of a CSV, the names of pictures below it, or the second line of CelebA's list."""
    start = start.replace(b"\0", b"").lower()  # UTF-16, too
    first = _first_line(start)
    if PIXELS.search(first):
        return "digits"
    of_pictures = IMAGE_ID.search(first) or NAMES_A_PICTURE.search(start)
    if IMAGE_NAME.search(first) or (of_pictures and OF_FACES.search(first)) or CELEBA_COLUMN in start:
        return "faces"
    return None


def lists_faces(path: Path) -> bool | None:
    """Whether a CSV lists photographs of faces, by its first line; None where it may, such as a web page or a pointer.

    A list of pictures without anything that is said of faces only is None, too.
    """
    start = contents.beginning(path)
    if of_table(start) == "faces":
        return True
    first = _first_line(start.lower())
    may_be = contents.what(start) or not first.strip() or IMAGE_ID.search(first) or NAMES_A_PICTURE.search(first)
    return None if may_be else False


def _first_line(start: bytes) -> bytes:
    return next(iter(start.splitlines()), b"")


def _of_numbers(path: Path, base: str) -> str | None:
    """What a text is of that is called after a set and holds its numbers, or a picture's name and numbers."""
    said = told(base)
    if said in (None, OTHER) or not base.endswith(".txt"):
        return None
    first = _first_line(contents.beginning(path))
    return said if ONLY_NUMBERS.fullmatch(first) or NAMES_A_PICTURE.search(first) else None


def _of_columns(path: Path) -> str | None:
    """What Hugging Face's table is of, by what is written at one of its ends or beside it."""
    held = b""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        held = file.read(SCHEMA)
        file.seek(max(0, path.stat().st_size - SCHEMA))
        held += file.read()
    with contextlib.suppress(OSError), open(path.with_name(INFO), "rb") as file:
        held += file.read(SCHEMA)
    if TEN_LABELS.search(held):
        return "digits"
    return "faces" if CELEBA_COLUMN in held.lower() else None


def _of_unnamed(path: Path, name: str) -> str | None:
    """What a file without an ending is of, if it begins as a table or an idx file does."""
    start = contents.beginning(path)
    if contents.what(start) is None and not start.startswith(b"\0\0\x08"):
        return None
    said = _told_of_unnamed(name)
    return None if said == OTHER else said


def _told_of_unnamed(name: str) -> str | None:
    """By its own name, for anything may lie in a folder; in Hugging Face's cache by the folder's."""
    return told(name if BLOB.search(name) else name.rsplit("/", 1)[-1])


def has_celeba_s_size(path: Path) -> bool:
    """Whether a picture is as large as CelebA's aligned photographs."""
    from PIL import Image  # here, for digits have no need of it

    with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise whatever they trip over
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            return image.size == CELEBA_SIZE
    return False
