"""Where the files of a data set lie below a folder, however a download, an archive or a person left them.

Files are told by their names, an archive by the names in it, a CSV by its first line. What they hold is for the
loaders to check. Folders of pictures are never read through: they may hold 200,000.
"""

import contextlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import contents

DEEP, FOLDERS = 12, 10_000  # how many levels, and how many folders of them, are looked through for files
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".001")
UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".aria2")  # as browsers name what they still fetch
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".parquet", ".arrow", ".feather", ".json", ".jsonl")
NUMBERS = (".npz", ".npy", ".pkl", ".pickle", ".mat", ".h5", ".hdf5", ".arff", ".amat", ".tfrecord")
LEFT_BY_SYSTEMS = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "lost+found"}

COURSE = ("train.csv", "train", "test.csv", "test")
CELEBA = ("img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt")
# The same with what downloads and file managers add: _png, (1), " - Copy", and Kaggle's lists as CSV.
COPY = r"([ _.-]*\(\d+\)|[ _-]+copy|[ _-]+\d)?"
CELEBA_NAMES = (
    re.compile(rf"img_align_celeba([_-]?(png|jpg))?{COPY}"),
    re.compile(rf"list_attr_celeba{COPY}\.(txt|csv|tsv)(\.txt)?"),
    re.compile(rf"list_eval_partition(_celeba)?{COPY}\.(txt|csv|tsv)(\.txt)?"),
)
IDX = re.compile(
    rf"(?P<split>train|t10k|test)[ _.-]*(?P<what>image|label)s?([ _.-]*idx[13])?([ _.-]*ubyte)?{COPY}"
    r"(\.(idx[13]?|ubyte|bin|dat))?(\.gz)?"
)
MNIST_NPZ = re.compile(rf"mnist([_.-]?(data|keras))?{COPY}\.npz")
MNIST_CSV = re.compile(rf"mnist[_-]?(?P<split>train|test){COPY}\.csv")
MNIST_PT = re.compile(r"(^|/)processed/(training|test)\.pt$")

OTHER_DIGITS = re.compile(r"fashion|kuzushiji|(med|not|[ekq])[_-]?mnist|mnist[_-]?(m|1d|c)\b")  # of the same file names
LABEL_FOLDER = re.compile(r"(^|/)[0-9]/[^/]+$")  # digits as pictures, a folder for each label
FACES = re.compile(r"celeb|ffhq|utkface|(^|[^a-z])(lfw|faces?)([^a-z]|$)|list_eval_partition")
NUMBERED = re.compile(rf"(^|/)\d{{5,6}}({'|'.join(map(re.escape, PICTURES))})$")  # as the course and CelebA name them


@dataclass(frozen=True)
class Folder:
    """What lies in one folder, without what is hidden or left by a system."""

    path: Path
    names: dict[str, str]  # every name by the same in small letters
    folders: frozenset[str]  # those in small letters that are folders

    def files(self) -> Iterator[tuple[str, Path]]:
        """Name in small letters and path of each file."""
        return ((low, self.path / name) for low, name in self.names.items() if low not in self.folders)

    def at(self, name: str) -> Path:
        """The path of a name, which may be written with other letters' case there."""
        return self.path / self.names.get(name.lower(), name)


# Looking


def search(root: Path) -> list[Folder]:
    """``root`` and the folders below, the nearest first, by name. LabError if one that is meant cannot be read.

    Meant are ``root`` and what is named as a part of a data set; others, such as a system's own, are passed over.
    """
    level, found, seen = [root], [], set()
    for _ in range(DEEP):
        here = [folder for path in level if (folder := _look(path, meant=path == root or _is_ours(path))) is not None]
        found += here
        seen.update(map(os.path.realpath, level))  # a link may lead back up
        below = [path for folder in here for path in _below(folder) if os.path.realpath(path) not in seen]
        level = below[: FOLDERS - len(found)]
    return found


def _below(folder: Folder) -> list[Path]:
    """The folders in a folder that are worth a look: not those of nothing but pictures."""
    inner = [(low, folder.at(low)) for low in sorted(folder.folders)]
    return [
        path
        for low, path in inner
        if path != config.CACHE
        and not ((f"{low}.csv" in folder.names or CELEBA_NAMES[0].fullmatch(low)) and _holds_a_picture(path))
    ]


def _is_ours(path: Path) -> bool:
    return path.name.lower() in ("faces", "celeba", "mnist", "raw", *COURSE, *CELEBA)


def _look(path: Path, meant: bool = True) -> Folder | None:
    """None for a folder that is not there, or that may not be read and is not ``meant``."""
    try:
        with os.scandir(path) as entries:
            kept = [(entry.name, is_folder(entry)) for entry in entries if not _left_over(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if meant:
            raise LabError(f"{path}: {contents.unreadable(path, error)}") from None
        return None
    kept.sort()
    names = {name.lower(): name for name, _ in kept}
    return Folder(path, names, frozenset(name.lower() for name, is_folder in kept if is_folder))


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder, or leads to one; a link that leads nowhere is none."""
    with contextlib.suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _left_over(name: str) -> bool:
    """Hidden, or left by an operating system beside what is meant: .DS_Store, ._000001.jpg, __MACOSX."""
    return name.startswith(".") or name.lower() in LEFT_BY_SYSTEMS


def _holds_a_picture(path: Path) -> bool:
    """Whether there is one, found without reading a folder of pictures to its end."""
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return any(entry.name.lower().endswith(PICTURES) and not _left_over(entry.name) for entry in entries)
    return False


def pictures(folder: Path) -> Path:
    """The folder that holds the pictures: ``folder``, or the only one in it, as an archive in a folder leaves it."""
    for _ in range(DEEP):
        if _holds_a_picture(folder):
            break
        inner = _look(folder)
        if inner is None or len(inner.folders) != 1:
            break
        folder = inner.at(*inner.folders)
    return folder


# Digits


def idx_files(found: Iterable[Folder]) -> dict[tuple[str, str], Path]:
    """The nearest file that is named as one of MNIST's four, ``MNIST/raw`` first and what is not zipped first.

    By ("train" or "t10k", "image" or "label").
    """
    files: dict[tuple[str, str], Path] = {}
    for folder in sorted(_without_others(found), key=lambda folder: folder.path.parts[-2:] != ("MNIST", "raw")):
        for low, path in sorted(folder.files(), key=lambda file: file[0].endswith(".gz")):
            if match := IDX.fullmatch(low):
                split = "train" if match["split"] == "train" else "t10k"
                files.setdefault((split, match["what"]), path)
    return files


def mnist_tables(found: Iterable[Folder]) -> tuple[Path | None, dict[str, Path]]:
    """``mnist.npz`` as Keras has it, and ``mnist_train.csv`` and ``mnist_test.csv`` by split; the nearest of each."""
    npz, csvs = None, {}
    for folder in _without_others(found):
        for low, path in folder.files():
            if npz is None and MNIST_NPZ.fullmatch(low):
                npz = path
            elif match := MNIST_CSV.fullmatch(low):
                csvs.setdefault(match["split"], path)
    return npz, csvs


def _without_others(found: Iterable[Folder]) -> list[Folder]:
    """Without the folders of sets whose files are named as MNIST's."""
    found = list(found)
    root = found[0].path if found else Path()
    return [folder for folder in found if not OTHER_DIGITS.search(_within(root, folder.path))]


def _within(root: Path, path: Path) -> str:
    """``path`` from ``root`` on, in small letters: what the folders above are called tells nothing."""
    return path.relative_to(root).as_posix().lower()


# Faces


def course(found: list[Folder]) -> tuple[Folder, list[str]] | None:
    """The folder in the course's layout, and which of its parts are missing there; None if there is no such folder.

    A folder with all parts goes before others, then one named ``faces``.
    """
    parts = {folder.path: [part for part in COURSE if part not in folder.names] for folder in found}
    some = [folder for folder in found if _meant_for_the_course(folder, parts[folder.path])]
    some.sort(key=lambda folder: (len(parts[folder.path]) > 0, folder.path.name.lower() != "faces"))
    return (some[0], parts[some[0].path]) if some else None


def _meant_for_the_course(folder: Folder, missing: list[str]) -> bool:
    if folder.path.name.lower() == "faces":
        return len(missing) < len(COURSE)
    pair = any(f"{split}.csv" in folder.names and split in folder.names for split in ("train", "test"))
    return not missing or pair


def celeba(found: list[Folder]) -> tuple[Path, list[Path | None]] | None:
    """CelebA's images and its two lists, None for a part that is missing, and the folder where all of them lie.

    None if there is none of them. Lists are those nearest to the images.
    """
    images, *lists = ([*_named(found, pattern, of=at == 0)] for at, pattern in enumerate(CELEBA_NAMES))
    images.sort(key=lambda path: not _holds_a_picture(pictures(path)))
    parts: list[Path | None] = [next(iter(images), None)]
    for some in lists:
        some.sort(key=lambda path: -len(_common([path, *filter(None, parts[:1])]).parts))
        parts.append(next(iter(some), None))
    there = [path for path in parts if path]
    if not there:
        return None
    return (_common([path.parent for path in there]) if len(there) > 1 else there[0].parent), parts


def _named(found: list[Folder], pattern: re.Pattern, of: bool) -> Iterator[Path]:
    """Paths whose name is of a kind, the folders ``of`` them or the files."""
    for folder in found:
        for low in sorted(folder.names, reverse=True):  # txt, the authors' own, before csv
            if (low in folder.folders) is of and pattern.fullmatch(low):
                yield folder.at(low)


def _common(paths: list[Path]) -> Path:
    return Path(os.path.commonpath(paths))


# What is there, but not as a loader reads it


def refuse(kind: str, found: list[Folder]) -> None:
    """LabError if something in the folders is of a kind, "digits" or "faces", and nothing could be read."""
    for path in [*archives(kind, found), *_clues(kind, found)][:1]:
        raise LabError(f"{path}: {_advice(kind, path, found[0].path)}")
    if len(found) >= FOLDERS:
        raise LabError(
            f"{found[0].path}: no {kind} in the nearest {FOLDERS:,} of its folders; name the one they are in"
        )


def archives(kind: str, found: list[Folder], named: Sequence[str] = ()) -> Iterator[Path]:
    """Archives, and downloads that did not end, with a data set of that kind, or ``named`` as a part of one."""
    root = found[0].path if found else Path()
    stems = {name.split(".")[0] for name in named}
    for folder in found:
        for low, path in folder.files():
            if not low.endswith((*ARCHIVES, *UNFINISHED)) or IDX.fullmatch(low):
                continue
            if low.split(".")[0] in stems or _archived(path, root) == kind:
                yield path


def _archived(path: Path, root: Path) -> str | None:
    """What kind of data an archive holds, by the names in it, or else by its own."""
    # zipfile raises whatever it trips over in what is none.
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:
        if kind := next(filter(None, map(kind_of, archive.namelist())), None):
            return kind
    return kind_of(_within(root, path))


def _clues(kind: str, found: list[Folder]) -> Iterator[Path]:
    root = found[0].path if found else Path()
    for folder in found:
        for low, path in folder.files():
            within = _within(root, path)
            of = kind_of(within) or (_kind_of_table(path) if low.endswith((".csv", ".tsv", ".txt")) else None)
            if of == kind:
                yield path


def kind_of(name: str) -> str | None:
    """ "digits", "faces" or None: what the file is of by its path, as seen from DATA_DIR or in an archive."""
    name = name.lower()
    base = name.rsplit("/", 1)[-1]
    if _left_over(base) or "__macosx/" in name or OTHER_DIGITS.search(name):
        return None
    if IDX.fullmatch(base) or MNIST_PT.search(name):
        return "digits"
    if CELEBA_NAMES[1].fullmatch(base) or CELEBA_NAMES[2].fullmatch(base) or base.startswith("list_attr_celeba"):
        return "faces"
    picture = base.endswith(PICTURES)
    if not picture and not base.endswith((*ARCHIVES, *UNFINISHED, *TABLES, *NUMBERS)):
        return None
    if "mnist" in name or (picture and LABEL_FOLDER.search(name)):
        return "digits"
    return "faces" if FACES.search(name) or NUMBERED.search(name) else None


def _kind_of_table(path: Path) -> str | None:
    """By the first line of a CSV: Kaggle's digits have a column for each pixel, lists of faces one for the names."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096).lower().split(b"\n")[0]
    except OSError:
        return None
    if re.search(rb"pixel_?0\b|\b1x1\b", start):
        return "digits"
    return "faces" if re.search(rb"image[ _-]?(name|id)\b", start) else None


def _advice(kind: str, path: Path, root: Path) -> str:
    """What a file is that is of that kind but not read, and what to do."""
    low = path.name.lower()
    instead = {"digits": "or move it away, and MNIST is downloaded", "faces": "or give FACES=avatars"}[kind]
    if low.endswith(UNFINISHED):
        return f"this download did not end; fetch it again, {instead}"
    if low.endswith(ARCHIVES):
        return f"this archive is not unpacked; unpack it there, {instead}"
    if kind == "digits":
        form = {".parquet": "as Parquet", ".csv": "as CSV", ".pt": "as torchvision once kept it"}.get(
            path.suffix.lower()
        )
        form = "as pictures" if low.endswith(PICTURES) else form or "in another form"
        return (
            f"this looks like digits {form}, which is not read; put MNIST's four idx files (train-images-idx3-ubyte "
            f"and so on) or Keras's mnist.npz in {root}, {instead} (data/README.md has lines that convert)"
        )
    what = "a photograph of a face without its lists" if low.endswith(PICTURES) else "a part of a set of faces"
    return (
        f"this looks like {what}; put faces/train.csv, faces/train, faces/test.csv and faces/test, or CelebA's "
        f"{', '.join(CELEBA)}, in {root}, {instead}"
    )


def sources(kind: str, root: Path) -> list[Path]:
    """Files and folders below ``root`` that a data set of that kind is read from, as far as they are there."""
    found = search(root)
    if kind == "digits":
        npz, csvs = mnist_tables(found)
        return [*idx_files(found).values(), *([npz] if npz else []), *csvs.values()]
    home, parts = course(found), celeba(found)
    paths = [home[0].at(part) for part in COURSE] if home else []
    return paths + [path for path in (parts[1] if parts else []) if path]
