"""Where the files of a data set lie below a folder, however a download, an archive or a person left them.

What a file is of, by its name or how it begins, says ``kinds``; what it holds is for the loaders to check. Folders
of pictures are never read through: they may hold 200,000.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import contents, kinds
from lab_utils.data.kinds import CELEBA, CELEBA_NAMES, IDX, MNIST_CSV, MNIST_NPZ

FOLDERS = 10_000  # how many are looked through for files
NESTED = 12  # how many folders that hold nothing but one folder are gone through for pictures
# Hidden folders that are looked into, and what for: where packages keep what they download.
HIDDEN = {".cache": ("huggingface", "kagglehub"), ".keras": ("datasets",)}

COURSE = ("train.csv", "train", "test.csv", "test")
OURS = ("raw", "img", "anno", "eval", *COURSE, *CELEBA)  # besides those that are called after a set


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
    while level:
        here = [folder for path in level if (folder := _look(path, meant=path == root or _is_ours(path))) is not None]
        found += here
        seen.update(map(os.path.realpath, level))  # a link may lead back up
        below = [path for folder in here for path in _below(folder, root) if os.path.realpath(path) not in seen]
        level = below[: FOLDERS - len(found)]
    return found


def _below(folder: Folder, root: Path) -> list[Path]:
    """The folders in a folder that are worth a look: not those of nothing but pictures."""
    inner = [(low, folder.at(low)) for low in sorted(folder.folders)]
    wanted = folder.folders if folder.path == root else HIDDEN.get(folder.path.name, folder.folders)
    return [
        path
        for low, path in inner
        if path != config.CACHE
        and low in wanted
        and not ((f"{low}.csv" in folder.names or CELEBA_NAMES[0].fullmatch(low)) and _holds_a_picture(path))
    ]


def _is_ours(path: Path) -> bool:
    low = path.name.lower()
    return low in OURS or kinds.told(low) in ("digits", "faces") or bool(CELEBA_NAMES[0].fullmatch(low))


def _look(path: Path, meant: bool = True) -> Folder | None:
    """None for a folder that is not there, or that may not be read and is not ``meant``."""
    try:
        with os.scandir(path) as entries:
            kept = [(entry.name, is_folder(entry)) for entry in entries if _is_worth_a_look(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if meant:
            raise LabError(f"{path}: {contents.unreadable(path, error)}") from None
        return None
    kept.sort()
    names = {name.lower(): name for name, _ in kept}
    return Folder(path, names, frozenset(name.lower() for name, is_folder in kept if is_folder))


def _is_worth_a_look(entry: os.DirEntry) -> bool:
    """Not what is hidden or left by a system, and no pipe or device, which may never end.

    A link that leads nowhere stays: it may be a part of a data set that cannot be read, which is not one less.
    """
    if kinds.left_over(entry.name):
        return entry.name in HIDDEN and is_folder(entry)
    with contextlib.suppress(OSError):
        return entry.is_dir() or entry.is_file() or not os.path.exists(entry.path)
    return True  # a link to itself


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder, or leads to one; a link that leads nowhere is none."""
    with contextlib.suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _holds_a_picture(path: Path) -> bool:
    """Whether there is one, found without reading a folder of pictures to its end."""
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return any(kinds.is_picture(entry.name) and not kinds.left_over(entry.name) for entry in entries)
    return False


def pictures(folder: Path) -> Path:
    """The folder that holds the pictures: ``folder``, or the only one in it, as an archive in a folder leaves it."""
    for _ in range(NESTED):
        if _holds_a_picture(folder):
            break
        look = _look(folder)
        inner = look.folders - HIDDEN.keys() if look else ()
        if len(inner) != 1:
            break
        folder = look.at(*inner)
    return folder


# Digits


def idx_files(found: list[Folder]) -> dict[tuple[str, str], Path]:
    """The nearest file that is named as one of MNIST's four, ``MNIST/raw`` first and what is not zipped first.

    By ("train" or "t10k", "image" or "label").
    """
    files: dict[tuple[str, str], Path] = {}
    nearest = sorted(found, key=lambda folder: folder.path.parts[-2:] != ("MNIST", "raw"))
    root = found[0].path if found else Path()
    for folder in nearest:
        for match, path in sorted(_mnist_s(root, [folder], IDX), key=lambda file: file[0][0].endswith(".gz")):
            split = "train" if match["split"] == "train" else "t10k"
            files.setdefault((split, match["what"]), path)
    return files


def mnist_tables(found: list[Folder]) -> tuple[Path | None, dict[str, Path]]:
    """``mnist.npz`` as Keras has it, and ``mnist_train.csv`` and ``mnist_test.csv`` by split; the nearest of each."""
    root = found[0].path if found else Path()
    npz = next((path for _, path in _mnist_s(root, found, MNIST_NPZ)), None)
    csvs: dict[str, Path] = {}
    for match, path in _mnist_s(root, found, MNIST_CSV):
        csvs.setdefault(match["split"], path)
    return npz, csvs


def _mnist_s(root: Path, found: list[Folder], pattern: re.Pattern) -> Iterator[tuple[re.Match, Path]]:
    """Files that are named so, without those of other sets, which are named as MNIST's."""
    for folder in found:
        for low, path in folder.files():
            if (match := pattern.fullmatch(low)) and kinds.told(_within(root, path)) != kinds.OTHER:
                yield match, path


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
    return (not missing or pair) and _lists_faces(folder, sure=bool(missing))


def _lists_faces(folder: Folder, sure: bool) -> bool:
    """Whether a CSV there is a list of faces or, unless that must be ``sure``, may be one: others call theirs alike."""
    listings = [folder.at(f"{split}.csv") for split in ("train", "test") if f"{split}.csv" in folder.names]
    said = set(map(kinds.lists_faces, listings))
    return True in said or (None in said and not sure)


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
    if images:
        parts[1:] = [part or _beside(images[0], name) for part, name in zip(parts[1:], CELEBA[1:], strict=True)]
    there = [path for path in parts if path]
    if not there:
        return None
    return (_common([path.parent for path in there]) if len(there) > 1 else there[0].parent), parts


def _beside(images: Path, name: str) -> Path | None:
    """A list that lies among the pictures, whose folder is not read through for it."""
    there = (pictures(images) / f"{Path(name).stem}{ending}" for ending in (".txt", ".csv"))
    return next(filter(os.path.isfile, there), None)


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
            if IDX.fullmatch(low) or not kinds.is_archive(path):
                continue
            if low.split(".")[0] in stems or kind in kinds.of_archive(path, _within(root, path)):
                yield path


def _clues(kind: str, found: list[Folder]) -> Iterator[Path]:
    root = found[0].path if found else Path()
    for folder in found:
        for _, path in folder.files():
            if not kinds.is_archive(path) and kinds.of_file(path, _within(root, path), root.resolve().name) == kind:
                yield path
        numbered = [path for low, path in folder.files() if kinds.NUMBERED.search(low)]
        if kind == "faces" and any(map(kinds.has_celeba_s_size, numbered[:1])):
            yield numbered[0]


def _advice(kind: str, path: Path, root: Path) -> str:
    """What a file is that is of that kind but not read, and what to do."""
    low = path.name.lower()
    instead = {"digits": "or move it away, and MNIST is downloaded", "faces": "or give FACES=avatars"}[kind]
    if low.endswith(kinds.IN_CLOUD):
        return f"this file is at Apple's and not here; open it there, so that it is fetched, {instead}"
    if kinds.is_unfinished(low):
        return f"this download did not end; fetch it again, {instead}"
    what = contents.what(contents.beginning(path)) or ""
    if kinds.LIKE_IDX.search(low) and what in ("", "a gzip archive"):
        return (
            "this looks like one of MNIST's four idx files under another name; call it as MNIST does, such as "
            f"train-images-idx3-ubyte{'.gz' if what else ''}, {instead}"
        )
    if kinds.is_archive(path):
        return f"this archive is not unpacked; unpack it there, {instead}"
    if kind == "digits":
        form = {".parquet": "as Parquet", ".csv": "as CSV", ".pt": "as torchvision once kept it"}.get(
            path.suffix.lower()
        )
        form = "as pictures" if kinds.is_picture(low) else form or "in another form"
        return (
            f"this looks like digits {form}, which is not read; put MNIST's four idx files (train-images-idx3-ubyte "
            f"and so on) or Keras's mnist.npz in {root}, {instead} (data/README.md has lines that convert)"
        )
    what = "a photograph of a face without its lists" if kinds.is_picture(low) else "a part of a set of faces"
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
