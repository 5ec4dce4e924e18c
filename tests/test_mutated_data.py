"""Files of data with anything wrong in them: each is loaded, or refused in one line, and never anything else.

Real-looking files are cut, overwritten, and their lines moved, doubled and taken out. `--hypothesis-profile=hour`
tries a thousand times as many, for about an hour.
"""

import contextlib
import gzip
import hashlib
import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st
from test_users_data import (
    ATTR,
    ATTR_CSV,
    CSV,
    EVAL,
    EVAL_CSV,
    GZ,
    IDX,
    IMAGES,
    KAGGLE_CSV,
    TEST,
    TRAIN,
    cells,
    course,
    keras,
    picture,
    put,
    tarred,
    zipped,
)

from lab_utils.config import LabError
from lab_utils.data import archives, contents, digits, faces, kinds, lists

# Words that names are made of
WORDS = ["mnist", "fashion-", "e", "celeba", "/", "0", "000001", ".jpg", ".csv", ".zip", ".tar.gz", ".icloud", "train-"]
WORDS += [
    "images",
    "labels",
    "-idx3",
    "-ubyte",
    " (1)",
    " - Copy",
    "\n",
    "hugging-face",
    "list_attr_",
    "data",
    "set",
    ".",
]

# Mutations


@st.composite
def damaged(draw, content):
    """Bytes with one to three things done to them."""
    for damage in draw(st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=3)):
        content = draw(damage(content)) if content else content
    return content


def cut(content):
    return st.integers(0, len(content)).map(lambda n: content[:n])


def begins_later(content):
    return st.integers(0, min(len(content), 64)).map(lambda n: content[n:])


@st.composite
def overwritten(draw, content):
    """Some bytes are others, near the beginning as often as anywhere."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        last = draw(st.sampled_from([min(20, len(content)), len(content)])) - 1
        changed[draw(st.integers(0, last))] = draw(st.integers(0, 255))
    return bytes(changed)


@st.composite
def inserted(draw, content):
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.sampled_from(ODD) | st.binary(max_size=8)) + content[at:]


@st.composite
def lines_changed(draw, content):
    """A line is taken out, doubled, or changes places with another."""
    lines = content.splitlines(keepends=True)
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    match draw(st.sampled_from(["out", "double", "swap", "empty"])):
        case "out":
            del lines[i]
        case "double":
            lines.insert(j, lines[i])
        case "swap":
            lines[i], lines[j] = lines[j], lines[i]
        case "empty":
            lines.insert(i, b"\n")
    return b"".join(lines)


def encoded_anew(content):
    """Text in another encoding, or with other line ends or separators."""
    text = content.decode("latin-1")
    return st.sampled_from(
        [
            *(text.encode(name, "replace") for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252")),
            *(content.replace(b"\n", end) for end in (b"\r\n", b"\r", b"\n\n", b"\0")),
            *(content.replace(b",", other) for other in (b";", b"\t", b"|", b" ", b",,", b'"')),
            gzip.compress(content, mtime=0),
        ]
    )


def words_replaced(content):
    old = st.sampled_from([b"1", b"0", b"-1", b"image", b"00000", b".", b"\n", b"Male"])
    return st.tuples(old, st.sampled_from(ODD)).map(lambda pair: content.replace(*pair, 1))


ODD = [
    b"",
    b"nan",
    b"True",
    b"1.0",
    b"-1",
    b"2",
    b"1e999",
    b"1_0",
    b'"',
    b"'",
    b",",
    b";",
    b"sep=;\n",
    b"\xff\xfe",
    b"\0",
]
ODD += [b"../", b"/", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xd9\xa1", b"\xc2\xb2", b"\x1a", b"<html>", b"PK\3\4", b"\r"]
DAMAGES = [cut, begins_later, overwritten, inserted, lines_changed, encoded_anew, words_replaced]


@contextlib.contextmanager
def folder(files):
    """A folder with files. Not ``tmp_path``, which all examples of a test would share."""
    with tempfile.TemporaryDirectory() as home:
        put(Path(home), files)
        yield Path(home)


def loaded_or_refused(load):
    """What is loaded, or None where it was refused in one line."""
    try:
        return load()
    except LabError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    assert len(said) < 700
    return None


# Digits


@pytest.fixture(autouse=True, scope="module")
def apart(tmp_path_factory):
    """The project's own data directory is empty, MNIST is ten made-up digits, nothing stands in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab_utils.config.DATA", tmp_path_factory.mktemp("project"))
        patch.setattr(digits, "CHECKSUMS", {name: hashlib.sha256(raw).hexdigest() for name, raw in IDX.items()})
        patch.setitem(digits.HELD_OUT, "mnist", 3)
        patch.setattr(digits, "_fallback", stands_in)
        patch.setattr(faces, "_avatars", stands_in)
        yield


def stands_in(*args, **named):
    raise AssertionError("there was data, and something stood in for it")


def one_damaged(sets):
    """Which of the ``sets``, files by name, which of its files, and what is in that now."""
    choices = [(which, name) for which, (files, names) in sets.items() for name in names]

    def damage(choice):
        content = sets[choice[0]][0][choice[1]]
        return st.tuples(st.just(choice), damaged(content.encode() if isinstance(content, str) else content))

    return st.sampled_from(choices).flatmap(damage)


SETS = {
    "idx": (IDX, IDX),
    "gz": (GZ, GZ),
    "Keras": ({"mnist.npz": keras()}, ["mnist.npz"]),
    "CSV": (KAGGLE_CSV, KAGGLE_CSV),
}


@given(one_damaged(SETS))
@example((("gz", "t10k-labels-idx1-ubyte.gz"), b"\x1f\x8b"))
@example((("idx", "t10k-labels-idx1-ubyte"), b"\0\0\x08\x01\xff\xff\xff\xff"))
@example((("Keras", "mnist.npz"), b"PK\3\4"))
@example((("CSV", "mnist_train.csv"), KAGGLE_CSV["mnist_train.csv"].replace("\n", "\n1e999", 1).encode()))
def test_digits(changed):
    (which, name), content = changed
    with folder(SETS[which][0] | {name: content}) as home:
        found = loaded_or_refused(partial(digits.load, home, mirrors=[]))
    if found:  # then it is MNIST, to the byte: a checksum says so
        for split, (images, labels) in ((found.train, TRAIN), (found.test, TEST)):
            np.testing.assert_array_equal(split.images, images[:, None], strict=True)
            np.testing.assert_array_equal(split.labels, labels)


# Lists

WRITTEN = [CSV, cells("True", "False"), cells("1.0", "-1.0"), CSV.replace(",", ";"), CSV.replace("Male", "Männlich")]
WRITTEN += [pd.read_csv(io.StringIO(CSV)).to_csv(), *ATTR.values(), *ATTR_CSV.values()]


def assert_table(lines, table):
    assert len(lines) == len(table) > 0
    assert table.shape[1] > 0
    assert set(table.dtypes) == {np.dtype(np.uint8)}
    assert set(np.unique(table.to_numpy())) <= {0, 1}
    assert all(name and "/" not in name for name in lines)


@given(st.sampled_from([text.encode() for text in WRITTEN]).flatmap(damaged))
@example(b"sep=;")
@example(b'""')
@example(b"\xa0")
@example(b"\xe2\x80\xa8")
@example(b"7")
@example(b"7\n\n")
@example(b"image_name,Male\n")
@example(b"image_id,\n1,1\n")
@example(b"image_name,Male\n\xd9\xa1.jpg,\xd9\xa1\n")
def test_lists_of_attributes(content):
    with folder({"list.csv": content}) as home:
        read = loaded_or_refused(partial(lists.attributes, home / "list.csv"))
    if read:
        lines, table, digest = read
        assert_table(lines, table)
        assert digest == hashlib.sha256(content).hexdigest()


@given(st.sampled_from([text.encode() for text in (*EVAL.values(), *EVAL_CSV.values())]).flatmap(damaged))
@example(b"image_id,partition\n")
@example(b"sep=,")
def test_lists_of_partitions(content):
    with folder({"list.csv": content}) as home:
        read = loaded_or_refused(partial(lists.partitions, home / "list.csv"))
    if read:
        assert read[0]
        assert set(read[0].values()) <= {"0", "1", "2"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_at_all(content):
    with folder({"list.csv": content, "train-images-idx3-ubyte": content}) as home:
        for read in (lists.attributes, lists.partitions):
            loaded_or_refused(partial(read, home / "list.csv"))
        loaded_or_refused(partial(digits._read, "train-images-idx3-ubyte", home / "train-images-idx3-ubyte"))


@given(st.text(max_size=12))
@example("1_0")
@example("١")
@example("1" * 5000)
def test_a_cell_says_present_absent_or_nothing(cell):
    assert lists.meaning(cell) in (lists.ABSENT, lists.PRESENT, lists.MINUS, lists.UNKNOWN)
    assert lists.meaning(f" {cell} ") == lists.meaning(cell)


# Archives

CONTENT = IDX | {"train.csv": "label,pixel0\n", "faces/train.csv": CSV}
PACKED = [zipped(CONTENT), zipped(CONTENT, zipfile.ZIP_DEFLATED)]
PACKED += [tarred(CONTENT, packed) for packed in ("", "gz", "bz2", "xz")]


@given(st.sampled_from(PACKED).flatmap(damaged) | st.binary(max_size=200), st.sampled_from(["a.zip", "b.tar", "c"]))
@example(b"PK\1\2" + b"\xff" * 50, "a.zip")
@example(b"PK\3\4" * 20, "a.zip")
@example(b"\xfd7zXZ\0", "b.tar")
@example(bytes(512), "b.tar")
def test_archives(content, name):
    with folder({name: content}) as home:
        for member, start in archives.members(home / name):
            assert isinstance(member, str)
            assert len(start) <= contents.START
        assert kinds.of_archive(home / name, name) <= {"digits", "faces"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"\0" * 200)
@example(b"\r\n\x1c")
def test_what_any_bytes_are_of(content):
    names = ("a.csv", "mnist.txt", "celeba.txt", "a.parquet", "a.arrow", "mnist", "000001.jpg")
    with folder(dict.fromkeys(names, content)) as home:
        for name in names:
            assert kinds.of_file(home / name, name, "given") in ("digits", "faces", None)
            assert kinds.lists_faces(home / name) in (True, False, None)
            kinds.has_celeba_s_size(home / name)


@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=6).map("".join))
@example("dataset" * 40 + "!.jpg")
@example("dataset" * 40 + "/00001.jpg")
@example("mnist" * 60 + "!.pth")
def test_what_any_name_is_of(name):
    assert kinds.kind_of(name) in ("digits", "faces", None)
    assert kinds.told(name) in ("digits", "faces", kinds.OTHER, None)


# Faces

WEBP = course() | {"faces/train/00001.png": picture(1, "WEBP")}
SETS_OF_FACES = {
    "course": (course(), ["faces/train.csv", "faces/test.csv", "faces/train/00001.png"]),
    "authors": (IMAGES | ATTR | EVAL, [*ATTR, *EVAL, "img_align_celeba/000002.jpg"]),
    "Kaggle": (IMAGES | ATTR_CSV | EVAL_CSV, [*ATTR_CSV, *EVAL_CSV]),
    "WebP": (WEBP, ["faces/train/00001.png"]),
}


@given(one_damaged(SETS_OF_FACES))
def test_faces(changed):
    (which, name), content = changed
    files = SETS_OF_FACES[which][0] | {name: content}
    with folder(files) as home, contextlib.redirect_stdout(io.StringIO()):
        found = loaded_or_refused(partial(faces.load, home, size=4, cache=home / "cache"))
        if found:
            assert found.source == ("photographs" if which in ("course", "WebP") else "celeba")
            for split in (found.train, found.test):
                assert len(split.images) == len(split.attributes) > 0
                assert split.images.shape[1:] == (3, 4, 4)


# What is left of a set in which files are missing, and are called something else


WHOLE = {name: files for name, (files, _) in (SETS | SETS_OF_FACES).items() if name not in ("Keras", "CSV", "WebP")}


@given(
    st.sampled_from(sorted(WHOLE)).flatmap(
        lambda which: st.tuples(st.just(which), st.sets(st.sampled_from(sorted(WHOLE[which])), max_size=3))
    ),
    st.sampled_from([".", "archive", "a/b", "MNIST/raw", "celeba", "faces"]),
    st.sampled_from([str, str.upper, str.title]),
)
def test_files_that_are_missing(which_and_lost, home, write):
    which, lost = which_and_lost
    left = {f"{home}/{write(name)}": content for name, content in WHOLE[which].items() if name not in lost}
    with folder(left) as root, contextlib.redirect_stdout(io.StringIO()):
        if which in SETS:
            load = partial(digits.load, root, mirrors=[])
        else:
            load = partial(faces.load, root, size=4, cache=root / "cache")
        found = loaded_or_refused(load)
    assert found is not None or lost, "a whole set is read"
