"""DATA_DIR as people have it: what downloads, unzipping tools, file managers, pandas and spreadsheets leave.

Each case is a folder of tiny files that is read as what it is, or refused in one line. No case that holds digits or
faces ends in the digits or avatars that stand in where there are none.
"""

import builtins
import errno
import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import archives, digits, faces, layouts, lists, prepared, traces

SIZE = 8
STOOD_IN = "stood in"  # what the loaders give where there is no data, instead of slow stand-ins


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """The project's own data directory is empty, MNIST is ten made-up digits, stand-ins are a word."""
    monkeypatch.setattr(config, "DATA", tmp_path / "project")
    monkeypatch.setattr(digits, "CHECKSUMS", {name: hashlib.sha256(raw).hexdigest() for name, raw in IDX.items()})
    monkeypatch.setitem(digits.HELD_OUT, "mnist", 3)
    monkeypatch.setattr(digits, "_fallback", lambda split: STOOD_IN)
    monkeypatch.setattr(faces, "_avatars", lambda *args, **named: STOOD_IN)


@pytest.fixture
def load(folder, tmp_path):
    """Loads a kind of data from the folder."""
    cache = tmp_path / "cache"
    return {
        "digits": partial(digits.load, folder, mirrors=[]),
        "faces": partial(faces.load, folder, size=SIZE, cache=cache),
    }


def put(folder, files):
    """Files by their paths, from bytes or text."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(files, packed=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files, packed=""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packed}") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content.encode() if isinstance(content, str) else content))
    return buffer.getvalue()


def ended(files, ending):
    """The files with something after their names."""
    return {f"{name}{ending}": content for name, content in files.items()}


def under(home, files):
    return {f"{home}/{name}": content for name, content in files.items()}


def renamed(files, *changes):
    for old, new in changes:
        files = {name.replace(old, new): content for name, content in files.items()}
    return files


def without(files, part):
    """All but the files that have ``part`` in their names."""
    return {name: content for name, content in files.items() if part not in name}


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# Digits

TRAIN = (np.arange(6 * 784) % 251).astype(np.uint8).reshape(6, 28, 28), np.array([5, 0, 4, 4, 5, 0], np.uint8)
TEST = (np.arange(4 * 784) % 241).astype(np.uint8).reshape(4, 28, 28), np.array([7, 2, 1, 0], np.uint8)


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


IDX = {
    "train-images-idx3-ubyte": idx(TRAIN[0]),
    "train-labels-idx1-ubyte": idx(TRAIN[1]),
    "t10k-images-idx3-ubyte": idx(TEST[0]),
    "t10k-labels-idx1-ubyte": idx(TEST[1]),
}
GZ = {f"{name}.gz": gzip.compress(content) for name, content in IDX.items()}
DOTTED = renamed(IDX, ("-idx", ".idx"))
JUNK = {
    "__MACOSX/._t10k-images-idx3-ubyte": b"\0\5\26\7",
    ".DS_Store": b"\0\0\0\1Bud1",
    "._train-images-idx3-ubyte": b"x",
}


def keras(**changes):
    arrays = dict(zip(("x_train", "y_train", "x_test", "y_test"), (*TRAIN, *TEST), strict=True)) | changes
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def kaggle_csv(split, header=True):
    images, labels = split
    table = pd.DataFrame(np.column_stack([labels, images.reshape(len(labels), -1)]))
    table.columns = ["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))]
    return table.to_csv(index=False, header=header)


KAGGLE_CSV = {"mnist_train.csv": kaggle_csv(TRAIN), "mnist_test.csv": kaggle_csv(TEST)}
DIGITS_READ = {
    "torchvision": under("MNIST/raw", IDX),
    "torchvision, as downloaded": under("MNIST/raw", GZ | IDX),
    "in DATA_DIR itself": GZ,
    "a folder mnist": under("mnist", IDX),
    "a folder raw": under("raw", GZ),
    "in capitals": under("MNIST/RAW", renamed(IDX, ("idx3-ubyte", "IDX3-UBYTE"), ("train", "TRAIN"))),
    "dots": DOTTED,
    "dots, gz": renamed(GZ, ("-idx", ".idx")),
    "Kaggle, a folder for each file": {f"{name}/{name}": content for name, content in IDX.items()},
    "Kaggle, both": DOTTED | {f"{name}/{name}": content for name, content in IDX.items()},
    "Kaggle, archive/": under("archive", {f"{name}/{name}": content for name, content in IDX.items()}),
    "many folders down": under("a/b/c/d/e/f/g/h", IDX),
    "unzipped on a Mac": under("mnist", IDX | JUNK),
    "unpacked by the browser, still .gz": renamed(IDX, ("ubyte", "ubyte.gz")),
    "gzip without its .gz": renamed(GZ, (".gz", "")),
    "downloaded twice": renamed(GZ, (".gz", " (1).gz")),
    "images and labels apart": {
        f"{'images' if 'images' in name else 'labels'}/{name}": raw for name, raw in GZ.items()
    },
    "a long way down": under("course/lab 3/data/MNIST/raw", IDX),
    "beside Fashion-MNIST": under("FashionMNIST/raw", renamed(IDX, ("x", "x"))) | under("MNIST/raw", IDX),
    "more folders down than a person makes": under("/".join("abcdefghijklmnopqrst"), IDX),
    "in a folder for another set": under("fashion-lab/MNIST/raw", IDX),
    "in a folder of another word": under("old-fashioned/MNIST/raw", IDX),
    "in a folder for two sets": under("mnist and kmnist", IDX),
    "in a folder for two sets, by name": under("mnist and kmnist/MNIST/raw", IDX),
    "in a folder for another set, in small letters": under("lab kmnist/mnist", IDX),
    "in a folder for a variant": under("mnist-c course/mnist", IDX),
    "in a course's folder": under("course_mnist", IDX),
    "beside others in one folder": under("datasets/fashion", renamed(IDX, ("x", "x")))
    | under("datasets/mnist", IDX)
    | under("datasets/emnist/gzip", ended(renamed(IDX, ("t", "emnist-mnist-t")), ".gz")),
    "Keras's file in a folder for another set": {"kmnist/mnist.npz": keras()},
    "copies": renamed(IDX, ("ubyte", "ubyte - Copy (2)")),
    "German copies": renamed(IDX, ("ubyte", "ubyte - Kopie")),
    "copies in Drive": {f"Copy of {name}": content for name, content in GZ.items()},
    "where Keras keeps it": {".keras/datasets/mnist.npz": keras()},
    "where Kaggle's package keeps it": under(".cache/kagglehub/datasets/hojjatk/mnist-dataset/versions/1", DOTTED),
    "Keras": {"mnist.npz": keras()},
    "Keras's folder": {".keras/a": b"", "datasets/mnist.npz": keras()},
    "CSV": KAGGLE_CSV,
    "CSV without a header": {
        "a/mnist_train.csv": kaggle_csv(TRAIN, False),
        "a/mnist_test.csv": kaggle_csv(TEST, False),
    },
}


@pytest.mark.parametrize("files", DIGITS_READ.values(), ids=DIGITS_READ)
def test_digits_are_read(folder, load, files):
    put(folder, files)
    found = load["digits"]()
    assert found.source == "mnist"
    for split, (images, labels) in ((found.train, TRAIN), (found.test, TEST)):
        np.testing.assert_array_equal(split.images, images[:, None], strict=True)
        np.testing.assert_array_equal(split.labels, labels.astype(np.int64), strict=True)


ZST = b"\x28\xb5\x2f\xfd"
LABELS = b'{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["0", "1", "2", "3"]}}}}'
PARQUET = b"PAR1" + bytes(100_000) + b"huggingface" + LABELS + b"\0\1\0\0PAR1"
PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
DIGITS_REFUSED = {
    "one file is missing": (without(DOTTED, "t10k-labels"), "no t10k-labels-idx1-ubyte or .gz; add it"),
    "an archive": ({"archive.zip": zipped(DOTTED)}, "archive.zip: this archive is not unpacked; unpack it there"),
    "an archive of a name": ({"mnist-dataset.7z": b"7z"}, "mnist-dataset.7z: this archive is not unpacked"),
    "an archive in MNIST/raw": ({"MNIST/raw/mnist.tar.gz": b"\x1f\x8b"}, "mnist.tar.gz: this archive is not unpacked"),
    "a download that goes on": ({"mnist.zip.crdownload": b"PK"}, "this download did not end; fetch it again"),
    "a web page": (
        GZ | {"t10k-images-idx3-ubyte.gz": PAGE},
        "t10k-images-idx3-ubyte.gz: is no idx file but a web page",
    ),
    "a pointer": (IDX | {"train-labels-idx1-ubyte": LFS}, "is no idx file but a pointer of Git LFS"),
    "a zip called idx": (IDX | {"train-labels-idx1-ubyte": zipped({"a": b""})}, "is no idx file but a ZIP archive"),
    "other digits": (renamed(IDX, ("t10k", "x")) | renamed(without(IDX, "t10k"), ("train", "t10k")), "its checksum"),
    "Keras, other digits": ({"mnist.npz": keras(y_test=TEST[1][::-1])}, "mnist.npz: is not MNIST as Keras has it"),
    "Keras, one array less": ({"mnist.npz": zipped({"x_train.npy": b""})}, "mnist.npz: is not MNIST as Keras has it"),
    "Keras, cut": ({"mnist.npz": keras()[:500]}, "mnist.npz: is not MNIST as Keras has it"),
    "Keras, a web page": ({"mnist.npz": PAGE}, "mnist.npz: is not MNIST as Keras has it"),
    "Keras, a pointer": ({"mnist.npz": LFS}, "mnist.npz: is not MNIST as Keras has it but a pointer of Git LFS"),
    "Keras, what it is": ({"mnist.npz": PAGE}, "mnist.npz: is not MNIST as Keras has it but a web page"),
    "Keras, an array": ({"mnist.npz": b"\x93NUMPY\1\0"}, "is not MNIST as Keras has it but an array of NumPy"),
    "CSV, a page": (KAGGLE_CSV | {"mnist_test.csv": PAGE}, "is not MNIST's test split as CSV but a web page"),
    "CSV, a pointer": (
        KAGGLE_CSV | {"mnist_test.csv": LFS},
        "is not MNIST's test split as CSV but a pointer of Git LFS",
    ),
    "CSV, a ZIP": (
        KAGGLE_CSV | {"mnist_test.csv": zipped({"a": b"\xff"})},
        "is not MNIST's test split as CSV but a ZIP archive",
    ),
    "CSV, gzip": (
        KAGGLE_CSV | {"mnist_test.csv": gzip.compress(KAGGLE_CSV["mnist_test.csv"].encode())},
        "is not MNIST's test split as CSV but a gzip archive",
    ),
    "CSV, UTF-16": (
        KAGGLE_CSV | {"mnist_test.csv": KAGGLE_CSV["mnist_test.csv"].encode("utf-16")},
        "is not MNIST's test split as CSV but text in UTF-16",
    ),
    "CSV, one of two": ({"mnist_train.csv": kaggle_csv(TRAIN)}, "there is no mnist_test.csv beside it; add it"),
    "CSV, cut": (KAGGLE_CSV | {"mnist_test.csv": kaggle_csv(TEST)[:9000]}, "mnist_test.csv: is not MNIST's test split"),
    "Kaggle's competition": ({"train.csv": "label,pixel0,pixel1\n1,0,0\n"}, "train.csv: this looks like digits as CSV"),
    "its test digits": ({"digit-recognizer/test.csv": "pixel0,pixel1\n0,0\n"}, "this looks like digits as CSV"),
    "Parquet": (
        {"mnist/train-00000-of-00001.parquet": b"PAR1"},
        "this looks like digits as Parquet, which is not read",
    ),
    "pictures": ({"mnist_png/training/0/1.png": b"\x89PNG"}, "this looks like digits as pictures"),
    "pictures by label": ({"trainingSet/3/img_7.jpg": b"\xff\xd8\xff"}, "this looks like digits as pictures"),
    "an archive that was cut": (
        {"archive (1).zip": zipped(DOTTED)[:-40]},
        "archive (1).zip: this archive is not unpacked",
    ),
    "an archive of which there is a part": ({"archive.zip": zipped(DOTTED)[:500]}, "this archive is not unpacked"),
    "an archive in an archive": ({"archive.zip": zipped({"a.zip": zipped(DOTTED)})}, "this archive is not unpacked"),
    "tar": ({"archive.tar": tarred(under("raw", IDX))}, "archive.tar: this archive is not unpacked; unpack it there"),
    "tar.gz": ({"data.tar.gz": tarred(IDX, "gz")}, "data.tar.gz: this archive is not unpacked; unpack it there"),
    "tgz, cut": ({"data.tgz": tarred(IDX, "gz")[:-50]}, "data.tgz: this archive is not unpacked; unpack it there"),
    "tar.bz2": ({"data.tar.bz2": tarred(IDX, "bz2")}, "data.tar.bz2: this archive is not unpacked; unpack it there"),
    "tar.xz": ({"data.tar.xz": tarred(IDX, "xz")}, "data.tar.xz: this archive is not unpacked; unpack it there"),
    "an archive without an ending": (
        {"download": zipped(IDX)},
        "download: this archive is not unpacked; unpack it there",
    ),
    "an archive of both kinds": (
        {"archive.zip": zipped(KAGGLE_CSV | {"celeba/1.jpg": b""})},
        "archive.zip: this archive",
    ),
    "Kaggle's competition, its archive": (
        {"digit-recognizer.zip": zipped({"train.csv": "label,pixel0\n", "test.csv": "pixel0\n"})},
        "digit-recognizer.zip: this archive is not unpacked",
    ),
    "its archive, packed": (
        {"a.zip": zipped({"a.txt": b"x" * 9000, "train.csv": "label,pixel0\n"}, zipfile.ZIP_DEFLATED)},
        "a.zip: this archive is not unpacked",
    ),
    "its tar": ({"a.tar": tarred({"train.csv": "label,pixel0\n"})}, "a.tar: this archive is not unpacked"),
    "its table, packed": ({"a.csv.gz": gzip.compress(b"label,pixel0\n")}, "a.csv.gz: this archive is not unpacked"),
    "its table in UTF-16": ({"train.csv": "label,pixel0\n".encode("utf-16")}, "this looks like digits as CSV"),
    "idx files, fetched twice by wget": (ended(GZ, ".1"), "under another name; call it as MNIST does"),
    "idx files, a text": (ended(IDX, ".txt"), "call it as MNIST does, such as train-images-idx3-ubyte, or move it"),
    "idx files, kept by an editor": (ended(IDX, "~"), "under another name"),
    "idx files, zipped twice": (ended(GZ, ".gz"), "such as train-images-idx3-ubyte.gz, or move it away"),
    "idx files, called after the set": ({f"mnist-{n}": raw for n, raw in IDX.items()}, "under another name"),
    "idx files in xz": ({f"{n}.xz": lzma.compress(raw) for n, raw in IDX.items()}, "this archive is not unpacked"),
    "idx files in zst": (dict.fromkeys(ended(IDX, ".zst"), ZST), "not unpacked"),
    "idx files in Z": (dict.fromkeys(ended(IDX, ".Z"), b"\x1f\x9d\x90"), "this archive is not unpacked"),
    "idx files, Safari's": (ended(GZ, ".download"), "this download did not end; fetch it again"),
    "idx files at Apple's": ({f".{name}.icloud": b"bplist00" for name in GZ}, "this file is at Apple's and not here"),
    "Parquet, DATA_DIR is its folder": ({"data/train-00000-of-00001.parquet": PARQUET}, "digits as Parquet"),
    "Arrow": ({"digits/train/data-00000-of-00001.arrow": b"ARROW1" + LABELS}, "this looks like digits in another form"),
    "Arrow, told beside": (
        {"digits/train/data-00000-of-00001.arrow": b"ARROW1", "digits/train/dataset_info.json": LABELS},
        "data-00000-of-00001.arrow: this looks like digits in another form",
    ),
    "Hugging Face's cache": ({"hub/datasets--ylecun--mnist/blobs/abcdef": b"PAR1"}, "abcdef: this looks like digits"),
    "its usual place": (
        {".cache/huggingface/hub/datasets--ylecun--mnist/snapshots/7/mnist/train-00000-of-00001.parquet": b"PAR1"},
        "this looks like digits as Parquet",
    ),
    "its download that goes on": (
        {"mnist/.cache/huggingface/download/mnist/x.incomplete": b""},
        "this download did not end; fetch it again",
    ),
    "TensorFlow's records": ({"a/mnist-train.tfrecord-00000-of-00001": b""}, "this looks like digits in another form"),
    "tensors": ({"mnist.pt": b"PK"}, "mnist.pt: this looks like digits"),
    "a database": ({"mnist.db": b"SQLite format 3"}, "mnist.db: this looks like digits in another form"),
    "R": ({"mnist.rds": b"\x1f\x8b"}, "mnist.rds: this looks like digits in another form"),
    "numbers in a text": ({"mnist_data.txt": "5 0 0\n"}, "mnist_data.txt: this looks like digits in another form"),
    "bitmaps by label": ({"trainingSet/0/1.bmp": b"BM"}, "this looks like digits as pictures"),
    "TIFF by label": ({"trainingSet/0/1.tif": b"II"}, "this looks like digits as pictures"),
    "digits in a folder of faces' course": (
        {"celeba lab/mnist/a.png": b"\x89PNG"},
        "this looks like digits as pictures",
    ),
    "an older torchvision": ({"MNIST/processed/training.pt": b"PK"}, "as torchvision once kept it"),
    "MATLAB": ({"mnist-original.mat": b"MATLAB"}, "this looks like digits in another form"),
    "pickled": ({"mnist.pkl.gz": b"\x1f\x8b"}, "mnist.pkl.gz: this archive is not unpacked"),
}


@pytest.mark.parametrize(("files", "says"), DIGITS_REFUSED.values(), ids=DIGITS_REFUSED)
def test_digits_are_refused_in_one_line(folder, load, capsys, files, says):
    put(folder, files)
    with pytest.raises(LabError) as error:
        load["digits"]()
    assert says in one_line(error)
    assert str(folder) in str(error.value)
    assert capsys.readouterr().out == ""


# Names of folders and files that are not one line

ODD_NAMES = {
    "a line end": ("a\nb", "a\\nb"),
    "a line end of typesetters": ("a\u2028b", "a\\u2028b"),
    "not UTF-8": (os.fsdecode(b"a\xffb"), "a\\udcffb"),
}


@pytest.mark.parametrize(("home", "shown"), ODD_NAMES.values(), ids=ODD_NAMES)
@pytest.mark.parametrize(
    ("kind", "files", "says"),
    [
        ("digits", IDX | {"train-images-idx3-ubyte": b""}, "train-images-idx3-ubyte: is empty"),
        ("digits", without(GZ, "t10k-labels"), "no t10k-labels-idx1-ubyte"),
        ("digits", {"mnist.csv": "5,0"}, "mnist.csv: this looks like digits as CSV"),
        ("faces", {"faces/train.csv": "image_name,Male\n"}, "has no train and no test.csv and no test; add it"),
    ],
)
def test_a_refusal_is_one_line_whatever_a_folder_is_called(folder, load, home, shown, kind, files, says):
    put(folder, under(home, files))
    with pytest.raises(LabError) as error:
        load[kind]()
    assert says in one_line(error)
    assert f"{folder}/{shown}" in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    str(error.value).encode()


# Faces: CelebA

NAMES = [f"{i:06}.jpg" for i in range(1, 7)]
PARTS = (0, 0, 1, 2, 0, 2)
MALE = [(1, -1)[i % 2] for i in range(6)]


def picture(i=0, kind="JPEG", size=(178, 218)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (40 * i,) * 3).save(buffer, kind)
    return buffer.getvalue()


PICTURES = {name: picture(i) for i, name in enumerate(NAMES)}
IMAGES = under("img_align_celeba", PICTURES)
ATTR = {
    "list_attr_celeba.txt": "6\nMale Young \n"
    + "".join(f"{name} {male:2} {-male:2}\n" for name, male in zip(NAMES, MALE, strict=True))
}
EVAL = {"list_eval_partition.txt": "".join(f"{name} {part}\n" for name, part in zip(NAMES, PARTS, strict=True))}
ATTR_CSV = {
    "list_attr_celeba.csv": "image_id,Male,Young\n"
    + "".join(f"{name},{male},{-male}\n" for name, male in zip(NAMES, MALE, strict=True))
}
EVAL_CSV = {
    "list_eval_partition.csv": "image_id,partition\n"
    + "".join(f"{name},{part}\n" for name, part in zip(NAMES, PARTS, strict=True))
}
TORCHVISION = IMAGES | ATTR | EVAL
KAGGLE = under("img_align_celeba", IMAGES) | ATTR_CSV | EVAL_CSV
AUTHORS = under("Img", IMAGES) | under("Anno", ATTR) | under("Eval", EVAL)
OTHER_LISTS = {"list_bbox_celeba.csv": "image_id,x_1\n", "list_landmarks_align_celeba.csv": "image_id,lefteye_x\n"}
MAC = {
    "__MACOSX/img_align_celeba/._000001.jpg": b"\0\5\26\7",
    "img_align_celeba/.DS_Store": b"\0",
    "img_align_celeba/._000001.jpg": b"\0\5\26\7",
}


def ending(files, new, kind):
    """The pictures converted: other endings, and what these say."""
    return {
        name.replace(".jpg", new): picture(NAMES.index(name[-10:]), kind) if name.endswith(".jpg") else content
        for name, content in files.items()
    }


CELEBA_READ = {
    "torchvision": under("celeba", TORCHVISION),
    "torchvision, in DATA_DIR": TORCHVISION,
    "Kaggle": KAGGLE | OTHER_LISTS,
    "Kaggle, archive/": under("archive", KAGGLE | OTHER_LISTS),
    "Kaggle, celeba-dataset/": under("celeba-dataset", KAGGLE),
    "Kaggle, unzipped twice": under("archive/archive", KAGGLE),
    "Kaggle, its own downloader": under("kagglehub/datasets/jessicali9530/celeba-dataset/versions/2", KAGGLE),
    "Kaggle, img once": IMAGES | ATTR_CSV | EVAL_CSV,
    "Kaggle's lists called txt": IMAGES | renamed(ATTR_CSV | EVAL_CSV, (".csv", ".txt")),
    "Kaggle, each list in a folder": IMAGES
    | {f"{name}/{name}": content for name, content in (ATTR_CSV | EVAL_CSV).items()},
    "Kaggle, saved again by pandas": KAGGLE
    | {name: pd.read_csv(io.StringIO(text)).to_csv() for name, text in (ATTR_CSV | EVAL_CSV).items()},
    "Kaggle, saved by a spreadsheet": KAGGLE
    | {name: "\ufeff" + text.replace(",", ";").replace("\n", "\r\n") for name, text in (ATTR_CSV | EVAL_CSV).items()},
    "authors": under("CelebA", AUTHORS),
    "authors, in DATA_DIR": AUTHORS,
    "authors, a folder in a folder": under("CelebA/Img/img_align_celeba", IMAGES)
    | under("CelebA", without(AUTHORS, "Img")),
    "authors, archive kept": AUTHORS | {"Img/img_align_celeba.zip": b"PK\3\4", "README.txt": "CelebA\n"},
    "in capitals": renamed(
        under("CELEBA", AUTHORS), ("img_align_celeba", "IMG_ALIGN_CELEBA"), ("list_attr", "List_Attr")
    ),
    "unzipped on a Mac": under("celeba", TORCHVISION | MAC),
    "unzipped on Windows": under(
        "celeba", TORCHVISION | {"img_align_celeba/Thumbs.db": b"\xd0\xcf", "desktop.ini": "[x]"}
    ),
    "lists downloaded twice": IMAGES | renamed(ATTR | EVAL, (".txt", " (1).txt")),
    "PNG": ending(TORCHVISION, ".png", "PNG"),
    "the authors' PNG": renamed(ending(AUTHORS, ".png", "PNG"), ("img_align_celeba", "img_align_celeba_png")),
    ".JPG": ending(TORCHVISION, ".JPG", "JPEG"),
    ".jpeg": ending(KAGGLE, ".jpeg", "JPEG"),
    ".webp": ending(TORCHVISION, ".webp", "WEBP"),
    "PNG beside JPEG": TORCHVISION | ending(IMAGES, ".png", "PNG"),
    "some are PNG": without(TORCHVISION, "000003") | ending({"img_align_celeba/000003.jpg": b""}, ".png", "PNG"),
    "lists among the pictures": under("img_align_celeba", PICTURES | ATTR | EVAL),
    "one list among the pictures": under("img_align_celeba", PICTURES | EVAL_CSV) | ATTR,
    "Kaggle's lists among the pictures": under("img_align_celeba/img_align_celeba", PICTURES | ATTR_CSV | EVAL_CSV),
    "copies of the lists": IMAGES | renamed(ATTR | EVAL, (".txt", " - Copy (2).txt")),
    "copies of the lists in Drive": IMAGES | {f"Copy of {name}": text for name, text in (ATTR | EVAL).items()},
    "beside somebody's cats": under("celeba", TORCHVISION)
    | {"cats/train.csv": "id,label\n1,0\n", "cats/train/1.jpg": picture()},
    "beside a part of another course": under("celeba", TORCHVISION)
    | {"portraits/train.csv": "image_name,Male\n1.jpg,1\n", "portraits/train/1.jpg": picture()},
    "in a folder for digits": under("mnist and more/celeba", TORCHVISION),
    "with Hugging Face's notes": under("img_align_celeba", IMAGES | {".cache/huggingface/x": b""}) | ATTR | EVAL,
    "a header in capitals": IMAGES | ATTR | {n: "Image_ID,Partition" + t[18:] for n, t in EVAL_CSV.items()},
    "lists without endings": IMAGES | {name: text.replace(".jpg", "") for name, text in (ATTR | EVAL).items()},
    "Windows' line ends and a mark": IMAGES
    | {name: "\ufeff" + text.replace("\n", "\r\n") for name, text in (ATTR | EVAL).items()},
    "an old Mac's line ends": IMAGES | {name: text.replace("\n", "\r") for name, text in (ATTR | EVAL).items()},
    "a long way down": under("my courses/lab 3/data/celeba", TORCHVISION),
}


@pytest.mark.parametrize("files", CELEBA_READ.values(), ids=CELEBA_READ)
def test_celeba_is_read(folder, load, files):
    put(folder, files)
    found = load["faces"]()
    assert found.source == "celeba"
    for split, wanted in ((found.train, 0), (found.test, 2)):
        chosen = [i for i, part in enumerate(PARTS) if part == wanted]
        grey = split.images.mean(axis=(1, 2, 3))
        np.testing.assert_allclose(grey, [40 * i for i in chosen], atol=3)
        assert split.attributes["Male"].tolist() == [int(MALE[i] > 0) for i in chosen]
        assert list(split.attributes) == ["Male", "Young"]


HALF = without(without(without(IMAGES, "000004"), "000005"), "000006")
CELEBA_REFUSED = {
    "archive": (
        {"img_align_celeba.zip": zipped(PICTURES)} | ATTR_CSV | EVAL_CSV,
        "has no img_align_celeba; unpack img_align_celeba.zip, which lies there",
    ),
    "Kaggle's archive": ({"archive.zip": zipped(KAGGLE)}, "archive.zip: this archive is not unpacked; unpack it there"),
    "the authors' archive": (
        under("CelebA/Img", {"img_align_celeba.zip": b"PK"}) | under("CelebA/Anno", ATTR),
        "unpack CelebA/Img/img_align_celeba.zip",
    ),
    "in parts": ({"CelebA/Img/img_align_celeba_png.7z.001": b"7z"}, "img_align_celeba_png.7z.001: this archive is not"),
    "a download that goes on": ({"celeba-dataset.zip.part": b""}, "this download did not end; fetch it again"),
    "lists zipped one by one": (
        IMAGES | {"list_attr_celeba.csv.zip": zipped(ATTR_CSV)} | EVAL_CSV,
        "has no list_attr_celeba.txt; unpack list_attr_celeba.csv.zip",
    ),
    "images alone": (under("img_align_celeba", IMAGES), "has no list_attr_celeba.txt and no list_eval_partition.txt"),
    "lists alone": (ATTR_CSV | EVAL_CSV, "has no img_align_celeba; add it"),
    "no partition": (IMAGES | ATTR, "has no list_eval_partition.txt; add it"),
    "a folder not filled": (
        without(KAGGLE, ".jpg") | {"img_align_celeba/img_align_celeba/x.txt": ""},
        "where 0 pictures lie: it holds no picture; unpack the archive",
    ),
    "half of the images": (HALF | ATTR | EVAL, "line 6: '000004.jpg' and 2 more of the 6 listed are not in"),
    "half, why": (HALF | ATTR | EVAL, "where 3 pictures lie: perhaps the archive was not unpacked to its end"),
    "one image": (without(TORCHVISION, "000004"), "list_attr_celeba.txt, line 6: '000004.jpg' is not in"),
    "other names": (renamed(TORCHVISION, ("/0000", "/img_")), "the pictures there have other names"),
    "two of one": (
        without(TORCHVISION, "000003") | {f"img_align_celeba/000003.{e}": b"" for e in ("png", "webp")},
        "but 000003.png and 000003.webp are; keep one of them",
    ),
    "pictures alone": (PICTURES, "000001.jpg: this looks like a photograph of a face without its lists"),
    "CelebA-HQ": ({"celeba_hq_256/00000.jpg": b""}, "this looks like a photograph of a face without its lists"),
    "Parquet": ({"celeba/data/train-00000-of-00019.parquet": b"PAR1"}, "this looks like a part of a set of faces"),
    "an archive that was cut": ({"archive.zip": zipped(KAGGLE)[:5000]}, "archive.zip: this archive is not unpacked"),
    "a course in tar": (
        {"archive.tar": tarred({"faces/train.csv": "image_name\n"})},
        "archive.tar: this archive is not",
    ),
    "a list in an archive": (
        {"a.zip": zipped({"labels.csv": "image_id,Male\n"})},
        "a.zip: this archive is not unpacked",
    ),
    "an archive of both kinds": (
        {"archive.zip": zipped(KAGGLE_CSV | {"celeba/1.jpg": b""})},
        "archive.zip: this archive",
    ),
    "an archive without an ending": ({"img_align_celeba": zipped(IMAGES)}, "img_align_celeba: this archive is not"),
    "an archive without an ending, with lists": (
        {"img_align_celeba": zipped(IMAGES)} | ATTR | EVAL,
        "has no img_align_celeba; unpack img_align_celeba, which lies there",
    ),
    "gdown's name": ({"uc?id=0B7EVK8r0v71pZjFTYXZWM3FlRnM": zipped(IMAGES)}, "this archive is not unpacked"),
    "the first of parts": ({"img_align_celeba.z01": b"PK"}, "img_align_celeba.z01: this archive is not unpacked"),
    "the second of parts": ({"img_align_celeba_png.7z.002": b"x"}, "img_align_celeba_png.7z.002: this archive is not"),
    "Parquet by its columns": (
        {"data/train-00000-of-00003-b.parquet": b"PAR1" + bytes(90_000) + b"5_o_Clock_Shadow" + b"PAR1"},
        "this looks like a part of a set of faces",
    ),
    "Hugging Face's cache": ({"hub/datasets--flwrlabs--celeba/blobs/abc": b"PAR1"}, "abc: this looks like a part of"),
    "TensorFlow's records": (
        {"a/celeb_a-train.tfrecord-00000-of-00016": b""},
        "this looks like a part of a set of faces",
    ),
    "FFHQ's records": ({"ffhq-r10.tfrecords": b""}, "this looks like a part of a set of faces"),
    "LMDB": ({"celeba_lmdb/data.mdb": b""}, "data.mdb: this looks like a part of a set of faces"),
    "bitmaps": ({"faces/1.bmp": b"BM"}, "1.bmp: this looks like a photograph of a face without its lists"),
    "GIF": ({"celeba/1.gif": b"GIF8"}, "1.gif: this looks like a photograph of a face without its lists"),
    "PGM": ({"att_faces/s1/1.pgm": b"P5"}, "1.pgm: this looks like a photograph of a face without its lists"),
    "who is who": ({"Anno/identity_CelebA.txt": "000001.jpg 2880\n"}, "identity_CelebA.txt: this looks like a part of"),
    "landmarks": ({"list_landmarks_align_celeba.txt": "202599\n"}, "this looks like a part of a set of faces"),
    "attributes under another name": (
        {"a.txt": "6\n5_o_Clock_Shadow Male\n"},
        "a.txt: this looks like a part of a set",
    ),
    "a list at Apple's": ({".list_attr_celeba.txt.icloud": b"bplist00"}, "this file is at Apple's and not here"),
    "numbered pictures in folders that say nothing": (
        {"data/train/00001.png": b"\x89PNG"},
        "this looks like a photograph",
    ),
    "pictures of CelebA's size wherever they lie": (
        {"holiday/000001.jpg": picture()},
        "000001.jpg: this looks like a photograph of a face without its lists",
    ),
    "in a folder of digits' course": ({"mnist lab/celeba/a.png": b"\x89PNG"}, "this looks like a photograph of a face"),
    "bitmaps and their lists": (
        ending(TORCHVISION, ".bmp", "BMP"),
        "of the pictures there 6 end in .bmp, which is not read; convert them to PNG or JPEG",
    ),
    "a list of faces": ({"labels.csv": "image_id,Male\n000001.jpg,1\n"}, "labels.csv: this looks like a part of a set"),
}
NOT_LISTS = {
    "web page": (PAGE.encode(), "is not a list but a web page"),
    "quota": (b"\n <html><body>Too many users have viewed or downloaded", "is not a list but a web page"),
    "page with a mark": (b"\xef\xbb\xbf" + PAGE.encode(), "is not a list but a web page"),
    "a part of a page": (b"<table><tr><td>image_name</td></tr></table>", "is not a list but a web page"),
    "a heading of a page": (b"\n<h1>404 Not Found</h1>", "is not a list but a web page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "is not a list but a web page"),
    "ZIP": (zipped(ATTR), "is not a list but a ZIP archive or a spreadsheet's workbook; save it as CSV in UTF-8"),
    "gzip": (gzip.compress(b"text"), "is not a list but a gzip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "is not a list but a 7z archive"),
    "RAR": (b"Rar!\x1a\7", "is not a list but a RAR archive"),
    "JPEG": (picture(), "is not a list but a JPEG image"),
    "PNG": (picture(kind="PNG"), "is not a list but a PNG image"),
    "WebP": (picture(kind="WEBP"), "is not a list but a WebP image"),
    "BMP": (picture(kind="BMP"), "is not a list but a BMP image"),
    "PDF": (b"%PDF-1.7\n", "is not a list but a PDF"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", "is not a list but an old Office file (.xls or .doc); save it as CSV"),
    "UTF-16": ("image_id,Male\n".encode("utf-16"), "is not a list but text in UTF-16; save it as CSV in UTF-8"),
    "UTF-16, big": ("\ufeffimage_id,Male\n".encode("utf-16-be"), "is not a list but text in UTF-16"),
    "UTF-16, no mark": ("image_id,Male\n".encode("utf-16-le"), "is not a list but text in UTF-16"),
    "UTF-32": ("image_id,Male\n".encode("utf-32"), "is not a list but text in UTF-32"),
    "JSON": (b'{"error": "not found"}', "is not a list but JSON"),
    "Git LFS": (LFS.encode(), "is not a list but a pointer of Git LFS"),
    "pickle": (b"\x80\x04\x95", "is not a list but a pickle of Python"),
    "Parquet": (b"PAR1\x15\4", "is not a list but a Parquet file"),
    "binary": (bytes(range(256)), "is not text in UTF-8"),
    "empty": (b"", "is empty; replace it"),
    "blank": (b"\xef\xbb\xbf \r\n\r\n", "is empty; replace it"),
    "blank in another way": (b"\xa0\r\n", "is empty; replace it"),
}


@pytest.mark.parametrize(("files", "says"), CELEBA_REFUSED.values(), ids=CELEBA_REFUSED)
def test_celeba_is_refused_in_one_line(folder, load, capsys, files, says):
    put(folder, files)
    with pytest.raises(LabError) as error:
        load["faces"]()
    assert says in one_line(error)
    assert str(folder) in str(error.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["celeba/list_attr_celeba.txt", "celeba/list_eval_partition.txt", "faces/train.csv"])
@pytest.mark.parametrize(("content", "says"), NOT_LISTS.values(), ids=NOT_LISTS)
def test_a_list_that_is_none_is_called_what_it_is(folder, load, name, content, says):
    files = under("celeba", TORCHVISION) if "celeba" in name else course()
    put(folder, files | {name: content})
    with pytest.raises(LabError) as error:
        load["faces"]()
    assert one_line(error).startswith(f"{folder / name}: {says}")


def test_a_picture_of_which_only_the_beginning_is_there(folder, load):
    put(folder, TORCHVISION | {"img_align_celeba/000003.jpg": picture()[:20]})
    with pytest.raises(
        LabError, match=r"000003.jpg \(list_attr_celeba.txt, line 5\): is cut short or corrupt"
    ) as error:
        load["faces"]()
    one_line(error)


# Faces: the course's CSV

CSV = "image_name,Male,Smiling\n00000.png,1,0\n00001.png,0,1\n00002.png,1,1\n"


def course(text=CSV, home="faces"):
    """The same three pictures and list for training and test."""
    content = text.encode() if isinstance(text, str) else text
    pictures = {f"{i:05}.png": picture(i, "PNG", (SIZE, SIZE)) for i in range(3)}
    return {
        path: file
        for split in ("train", "test")
        for path, file in ({f"{home}/{split}.csv": content} | under(f"{home}/{split}", pictures)).items()
    }


def cells(present, absent):
    """The list with other words for 1 and 0."""
    words = {",1": f",{present}", ",0": f",{absent}"}
    return re.sub(r",[01]", lambda cell: words[cell[0]], CSV)


TABLE = pd.read_csv(io.StringIO(CSV))
AS_BOOL = TABLE.astype({"Male": bool, "Smiling": bool})
CSV_READ = {
    "0 and 1": CSV,
    "floats": cells("1.0", "0.0"),
    "many digits": cells("1.000000e+00", "0.00"),
    "-1 and 1": cells("1", "-1"),
    "a minus sign of typesetters": cells("1", "−1"),
    "True and False": AS_BOOL.to_csv(index=False),
    "TRUE and FALSE": cells("TRUE", "FALSE"),
    "yes and no": cells("yes", "No"),
    "a German spreadsheet": cells("WAHR", "FALSCH").replace(",", ";"),
    "a French spreadsheet": cells("VRAI", "FAUX").replace(",", ";"),
    "semicolons": TABLE.to_csv(index=False, sep=";"),
    "semicolons and decimal commas": TABLE.astype({"Male": float, "Smiling": float}).to_csv(
        index=False, sep=";", decimal=","
    ),
    "decimal commas in quotes": cells('"1,0"', '"0,0"'),
    "tabs": TABLE.to_csv(index=False, sep="\t"),
    "Excel's first line": "sep=;\r\n" + CSV.replace(",", ";").replace("\n", "\r\n"),
    "a mark": "\ufeff" + CSV,
    "Windows' line ends": CSV.replace("\n", "\r\n"),
    "an old Mac's line ends": CSV.replace("\n", "\r"),
    "the rows' numbers": TABLE.to_csv(),
    "the rows' numbers twice": pd.read_csv(io.StringIO(TABLE.to_csv())).to_csv(),
    "the rows' numbers, shuffled": TABLE.set_axis([17, 3, 9]).to_csv(),
    "columns that are blank": CSV.replace("\n", ",,\n"),
    "cells beyond the columns": CSV.replace("\n", ",,\n").replace("Smiling,,", "Smiling"),
    "rows that are blank": CSV + ",,\n\n,,\n",
    "all in quotes": TABLE.to_csv(index=False, quoting=1),
    "blanks around all": CSV.replace(",", " , "),
    "a header in capitals": CSV.replace("image_name", "Image Name"),
    "Kaggle's name of the column": CSV.replace("image_name", "image_id"),
    "endings that were changed": CSV.replace(".png", ".jpg"),
}


@pytest.mark.parametrize("text", CSV_READ.values(), ids=CSV_READ)
def test_the_course_s_csv_is_read(folder, load, text):
    put(folder, course(text))
    for split in (load["faces"]().train, load["faces"]().test):
        assert split.attributes.to_dict("list") == {"Male": [1, 0, 1], "Smiling": [0, 1, 1]}
        assert split.images[:, 0, 0, 0].tolist() == [0, 40, 80]


def test_latin_1_is_read(folder, load):
    put(folder, course(CSV.replace("Male", "Männlich").encode("latin-1")))
    assert list(load["faces"]().train.attributes) == ["Männlich", "Smiling"]


COURSE_READ = {
    "faces": course(),
    "DATA_DIR is faces": course(home="."),
    "in capitals": renamed(course(home="Faces"), ("train", "Train")),
    "a folder in a folder": course(home="faces/faces"),
    "archive/": course(home="archive/faces"),
    "another name": course(home="portraits"),
    ".jfif": {name.replace(".png", ".jfif"): content for name, content in course().items()},
    "an older converter's .jpe": {name.replace(".png", ".jpe"): content for name, content in course().items()},
    "pictures a folder too deep": renamed(course(), ("train/", "train/train/"), ("test/", "test/test/")),
    "unzipped on a Mac": course()
    | {"faces/train/._00000.png": b"", "__MACOSX/faces/train.csv": b"", "faces/.DS_Store": b""},
}


@pytest.mark.parametrize("files", COURSE_READ.values(), ids=COURSE_READ)
def test_the_course_s_layout_is_read(folder, load, files):
    put(folder, files)
    found = load["faces"]()
    assert found.source == "photographs"
    assert found.train.images[:, 0, 0, 0].tolist() == [0, 40, 80]


CSV_REFUSED = {
    "nan": (cells("1", "nan"), "line 2 ('00000.png'): 'Smiling' is 'nan', not 0 or 1"),
    "nan, a hint": (cells("1", "nan"), "it says nothing; write 0 or 1, or take the line out"),
    "blank": (cells("1", ""), "'Smiling' is '', not 0 or 1 (or -1 or 1); it says nothing"),
    "a question": (cells("1", "?"), "'Smiling' is '?', not 0 or 1 (or -1 or 1); it says nothing"),
    "#N/A": (cells("1", "#N/A"), "'Smiling' is '#N/A', not 0 or 1 (or -1 or 1); it says nothing"),
    "an age": (CSV.replace("Smiling", "Age").replace(",1\n", ",34\n"), "take the column out if it is no attribute"),
    "1 and 2": (cells("1", "2"), "line 2 ('00000.png'): 'Smiling' is '2', not 0 or 1"),
    "0 and -1": (
        CSV.replace("00001.png,0", "00001.png,-1").replace("00002.png,1", "00002.png,0"),
        "but 0 on other lines",
    ),
    "a row twice": (CSV + CSV.splitlines()[-1], "line 5: image_name '00002.png' stands on line 4 already; remove one"),
    "values without a name": (CSV.replace("Smiling", ""), "a column is named '', but holds values; name it"),
    "Unnamed with values": (CSV.replace("Smiling", "Unnamed: 2"), "a column is named 'Unnamed: 2', but holds values"),
    "no header": (CSV.split("\n", 1)[1], "line 1: has no column image_name ('00000.png,1,0'); add one"),
    "half of the lines' pictures": (
        CSV + "".join(f"1{i:04}.png,0,0\n" for i in range(3)),
        "and 2 more of the 6 listed",
    ),
    "a cell without end": ("x," + "x" * 200_000, "line 1: is not CSV (field larger than field limit"),
    "a cell without end or neighbour": ("x" * 200_000, "line 1: has no column image_name"),
    "a mixed separator": (CSV.replace("00001.png,0,1", "00001.png;0;1"), "line 3: has 1 values for 3 columns"),
}


@pytest.mark.parametrize(("text", "says"), CSV_REFUSED.values(), ids=CSV_REFUSED)
def test_the_course_s_csv_is_refused_in_one_line(folder, load, text, says):
    put(folder, course(text))
    with pytest.raises(LabError) as error:
        load["faces"]()
    assert says in one_line(error)
    assert str(error.value).startswith(f"{folder}/faces/train.csv")


def test_a_list_of_many_columns_is_read_in_no_time(folder):
    n = 40_000  # seconds, where time goes with the columns; an hour, where it goes with their square
    names = ",".join(f"a{i}" for i in range(n))
    put(folder, {"list.csv": f"image_name,{names}{',' * n}\n1.png{',1' * n}{',' * n}\n"})
    started = time.monotonic()
    _, table, _ = lists.attributes(folder / "list.csv")
    assert table.shape == (1, n)
    assert time.monotonic() - started < 10


COURSE_REFUSED = {
    "not unzipped": ({"faces.zip": zipped(course())}, "faces.zip: this archive is not unpacked"),
    "pictures not unzipped": (
        {"faces/train.csv": CSV, "faces/test.csv": CSV, "faces/train.zip": b"PK", "faces/test.zip": b"PK"},
        "faces: has no train and no test; unpack test.zip and train.zip, which lies there",
    ),
    "no list": (without(course(), ".csv"), "faces: has no train.csv and no test.csv; add it"),
    "a workbook": (renamed(course(), (".csv", ".xlsx")), "faces: has no train.csv and no test.csv; add it"),
    "bitmaps": (
        renamed(course(), (".png", ".bmp")),
        "of the pictures there 3 end in .bmp, which is not read; convert them to PNG or",
    ),
    "HEIC": (
        renamed(course(), (".png", ".heic")),
        "of the pictures there 3 end in .heic, which is not read; convert them to PNG or",
    ),
    "one of them HEIC": (
        without(course(), "train/00001") | {"faces/train/00001.heic": b""},
        "line 3: '00001.png' is not in",
    ),
    "one of them HEIC, why": (
        without(course(), "train/00001") | {"faces/train/00001.heic": b""},
        "of the pictures there 1 end in .heic, which is not read",
    ),
    "a header in other words": (
        course(CSV.replace("image_name", "filename"), home="portraits"),
        "portraits/train.csv, line 1: has no column image_name",
    ),
    "a list in other words": (
        {"labels.csv": CSV.replace("image_name", "filename")},
        "labels.csv: this looks like a part",
    ),
    "both lists are pointers": (
        course(LFS, home="portraits"),
        "portraits/train.csv: is not a list but a pointer of Git",
    ),
    "a list without its header": (course(CSV.split("\n", 1)[1], home="portraits"), "has no column image_name"),
    "no test": (without(course(home="."), "test"), "has no test.csv and no test; add it"),
}


@pytest.mark.parametrize(("files", "says"), COURSE_REFUSED.values(), ids=COURSE_REFUSED)
def test_the_course_s_layout_is_refused_in_one_line(folder, load, files, says):
    put(folder, files)
    with pytest.raises(LabError) as error:
        load["faces"]()
    assert says in one_line(error)


# What is not data


NOTHING = {
    "empty": {},
    "notes": {"notes.txt": "buy milk", "MNIST/raw/notes": b"", "paper.pdf": b"%PDF", "plot.png": b"\x89PNG"},
    "another table": {"titanic/train.csv": "PassengerId,Survived\n1,0\n"},
    "another archive": {"archive.zip": zipped({"titanic/train.csv": "a"})},
    "other digits than MNIST's": under("FashionMNIST/raw", GZ),
    "Zalando's own folders": under("fashion", GZ),
    "other digits, an archive": {"fashion-mnist.zip": zipped(IDX)},
    "other digits, Kaggle's archive": {"archive.zip": zipped({"fashion-mnist_train.csv": "label,pixel1"} | IDX)},
    "other digits, all of EMNIST": under("gzip", {f"emnist-mnist-{name}": content for name, content in GZ.items()})
    | under("gzip", {f"emnist-digits-{name}": content for name, content in GZ.items()}),
    "other digits, where Keras keeps them": under(".keras/datasets/fashion-mnist", GZ),
    "other digits as records": {"fashion_mnist/3.0.1/fashion_mnist-train.tfrecord-00000-of-00001": b""},
    "hidden": {".mnist/mnist.npz": keras(), ".cache/pip/mnist.npz": keras(), ".celeba/a.jpg": b""},
    "a model": {"mnist_cnn.pt": b"PK", "mnist/best.pth": b"PK"},
    "notes of a set": {"mnist-notes.txt": "buy milk", "celeba.md": "# CelebA", "MNIST": "x"},
    "checksums of MNIST": {"train-images-idx3-ubyte.gz.md5": "f68b3c2dcbeaaa9fbdd348bbdeb94873\n"},
    "cats": {"cats/train.csv": "id,label\n", "cats/train/1.jpg": b"", "cats/test.csv": "id\n", "cats/test/1.jpg": b""},
    "plants": {"plants/train.csv": "image_id,label\n1000015157.jpg,0\n", "plants/train/1000015157.jpg": b""},
    "skin": {"skin/HAM10000_metadata.csv": "lesion_id,image_id,dx,age,sex\n"},
    "numbered pictures of things": {"VOC2007/JPEGImages/000001.jpg": picture(size=(500, 375))},
    "numbered pictures of what a folder says": {"cifar/train/00001.png": b"\x89PNG"},
    "their archive": {"a.tar": tarred({"VOCdevkit/VOC2007/JPEGImages/000001.jpg": b""})},
    "a hub": {"hugging-face/models.json": "{}", "huggingface/a.csv": "x"},
    "a celebration": {"celebration/1.jpg": b""},
    "Parquet of other things": {"data/train-00000-of-00001.parquet": b"PAR1", "a/dataset_info.json": LABELS},
    "an archive that is none": {"archive.zip": b"PK\3\4", "a.tar.gz": b"\x1f\x8b", "b.tar": b"x", "c.zip": b""},
}


@pytest.mark.parametrize("kind", ["digits", "faces"])
@pytest.mark.parametrize("files", NOTHING.values(), ids=NOTHING)
def test_only_where_there_is_no_data_something_stands_in(folder, load, kind, files):
    put(folder, files)
    assert load[kind]() == STOOD_IN


ENDLESS = {
    "notes": ({}, "notes.txt", dict.fromkeys(("digits", "faces"), STOOD_IN)),
    "a table": ({}, "labels.csv", dict.fromkeys(("digits", "faces"), STOOD_IN)),
    "an archive": ({}, "archive.zip", dict.fromkeys(("digits", "faces"), STOOD_IN)),
    "without an ending": ({}, "mnist and celeba", dict.fromkeys(("digits", "faces"), STOOD_IN)),
    "Keras": ({}, "mnist.npz", {"digits": STOOD_IN}),
    "CSV": ({}, "mnist_train.csv", {"digits": STOOD_IN}),
    "idx beside gz": (GZ, "train-images-idx3-ubyte", {"digits": "mnist"}),
    "idx": (without(IDX, "train-images"), "train-images-idx3-ubyte", {"digits": "no train-images-idx3-ubyte"}),
    "a list": (without(TORCHVISION, "attr"), "list_attr_celeba.txt", {"faces": "has no list_attr_celeba.txt"}),
    "a list of the course": (without(course(), "train.csv"), "faces/train.csv", {"faces": "has no train.csv"}),
    "a picture": (without(course(), "train/00001"), "faces/train/00001.png", {"faces": "'00001.png' is not in"}),
    "a picture that nothing lists": (course(), "faces/train/9.png", {"faces": "photographs"}),
}


def outcome(read):
    """Where the data came from, or why they were refused."""
    try:
        found = read()
    except LabError as error:
        return str(error)
    return getattr(found, "source", found)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
@pytest.mark.parametrize(("files", "name", "wanted"), ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_passed_over(folder, load, files, name, wanted, make):
    put(folder, files)
    (folder / name).parent.mkdir(exist_ok=True)
    make(folder / name)
    for kind, result in wanted.items():
        assert result in outcome(load[kind])


LOCKED = {
    "MNIST's data set": ("digits", under("mnist-dataset", IDX), "mnist-dataset"),
    "MNIST as pictures": ("digits", {"mnist_png/0/1.png": b""}, "mnist_png"),
    "CelebA's data set": ("faces", under("celeba-dataset", KAGGLE), "celeba-dataset"),
    "CelebA's lists": ("faces", under("CelebA", AUTHORS), "CelebA/Anno"),
    "CelebA's partition": ("faces", under("CelebA", AUTHORS), "CelebA/Eval"),
    "CelebA's images": ("faces", renamed(TORCHVISION, ("celeba/", "celeba (1)/")), "img_align_celeba (1)"),
    "faces": ("faces", {"lfw-deepfunneled/A/A_0001.jpg": b""}, "lfw-deepfunneled"),
}


@pytest.mark.parametrize(("kind", "files", "locked"), LOCKED.values(), ids=LOCKED)
def test_a_folder_called_after_data_must_be_readable(folder, load, kind, files, locked, monkeypatch):
    put(folder, files)
    refused_to(folder / locked, monkeypatch)
    with pytest.raises(LabError) as error:
        load[kind]()
    assert one_line(error) == f"{folder / locked}: cannot be read (Permission denied); change its permissions"


@pytest.mark.parametrize("locked", ["private", "FashionMNIST", ".cache", "surfaces"])
def test_other_folders_may_be_locked(folder, load, locked, monkeypatch):
    put(folder, {f"{locked}/a": ""})
    refused_to(folder / locked, monkeypatch)
    assert [read() for read in load.values()] == [STOOD_IN, STOOD_IN]


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("digits", "mnist/train-00000-of-00001.parquet", b"PAR1"),
        ("faces", "celeba/data/train-00000-of-00003-b.parquet", b"PAR1"),
    ],
)
def test_tables_that_are_all_called_alike_are_told_by_data_dir_itself(
    folder, tmp_path, kind, name, content, monkeypatch
):
    put(folder, {name: content})
    home = folder / name.split("/")[0]
    read = {"digits": partial(digits.load, mirrors=[]), "faces": partial(faces.load, cache=tmp_path / "cache")}[kind]
    with pytest.raises(LabError, match="this looks like"):
        read(home)
    monkeypatch.chdir(home)
    with pytest.raises(LabError, match="this looks like"):
        read(".")


def test_of_a_large_archive_little_is_read(folder, monkeypatch):
    put(folder, {"a.zip": zipped({"a": b"x", "train.csv": "label,pixel0\n"}), "a.tar": tarred({"a": bytes(9_000_000)})})
    with open(folder / "a.zip", "r+b") as file:  # one gigabyte before the directory at its end
        whole = file.read()
        file.seek(1 << 30)
        file.write(whole)
    read = []
    real = open

    def counted(*args, **named):
        file = real(*args, **named)
        inner = file.read

        class Counted:
            def __getattr__(self, name):
                return getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *args):
                file.close()

            def read(self, *args):
                read.append(len(content := inner(*args)))
                return content

        return Counted()

    monkeypatch.setattr(archives, "open", counted, raising=False)
    for name in ("a.zip", "a.tar"):
        assert {member for member, _ in archives.members(folder / name)} >= {"a"}
    assert sum(read) < 5_000_000


@pytest.mark.parametrize("kind", ["digits", "faces"])
def test_a_stand_in_takes_no_place_that_was_not_looked_through(folder, load, kind, monkeypatch):
    put(folder, {f"{i}/a.txt": "" for i in range(9)})
    monkeypatch.setattr("lab_utils.data.layouts.FOLDERS", 9)
    with pytest.raises(LabError, match=f"no {kind} in the nearest 9 of its folders; name the one they are in") as error:
        load[kind]()
    one_line(error)


def test_a_link_that_leads_back_up_is_not_followed(folder):
    put(folder, {"a/b.txt": ""})
    for name in ("x", "y", "a/z"):
        (folder / name).symlink_to(folder)
    assert [found.path for found in layouts.search(folder)] == [folder, folder / "a"]


@pytest.mark.parametrize(("kind", "files"), [("digits", under("celeba", TORCHVISION)), ("faces", GZ)])
def test_the_other_kind_does_not_count(folder, load, kind, files):
    put(folder, files)
    assert load[kind]() == STOOD_IN


def test_an_archive_in_data_dir_goes_before_what_the_project_has(folder, load):
    put(config.DATA, under("celeba", TORCHVISION) | under("MNIST/raw", IDX))
    put(folder, {"celeba.zip": zipped(KAGGLE), "mnist.zip": zipped(GZ)})
    for read in load.values():
        with pytest.raises(LabError, match="this archive is not unpacked"):
            read()


@pytest.mark.parametrize(
    ("kind", "files", "changed"),
    [
        ("digits", under("archive", DOTTED), "archive/t10k-labels.idx1-ubyte"),
        ("digits", {"mnist.npz": keras()}, "mnist.npz"),
        ("faces", under("archive", KAGGLE), "archive/img_align_celeba/img_align_celeba/000002.jpg"),
        ("faces", under("CelebA", AUTHORS), "CelebA/Anno/list_attr_celeba.txt"),
        ("faces", course(home="portraits"), "portraits/test/00001.png"),
    ],
)
def test_a_report_sees_that_a_file_changed_wherever_it_lies(folder, kind, files, changed):
    put(folder, files)
    before = traces.traces(kind, folder, {})
    assert traces.traces(kind, folder, {}) == before
    os.utime(folder / changed, ns=(0, 1))
    assert traces.traces(kind, folder, {}) != before


@pytest.mark.parametrize(
    ("kind", "files", "link", "leads"),
    [
        ("digits", under("MNIST/raw", IDX), "MNIST/raw/old", "/nowhere"),
        ("digits", under("MNIST/raw", IDX), "MNIST/raw/old", "old"),
        ("digits", under("MNIST/raw", IDX), "MNIST/raw/up", "."),
        ("faces", course(), "faces/train/old.png", "/nowhere"),
        ("faces", course(), "faces/train/old.png", "old.png"),
        ("faces", course(), "faces/up", ".."),
        ("faces", course(), "faces/train/up", ".."),
        ("faces", under("celeba", TORCHVISION), "celeba/img_align_celeba/zzz.jpg", "zzz.jpg"),
        ("faces", under("celeba", TORCHVISION), "celeba/img_align_celeba/zzz.jpg", "/nowhere"),
    ],
)
def test_a_link_that_leads_nowhere_or_back_does_no_harm(folder, load, kind, files, link, leads):
    put(folder, files)
    (folder / link).symlink_to(leads)
    (folder / f"{link} 2").symlink_to(leads)
    assert load[kind]() != STOOD_IN
    before = traces.traces(kind, folder, {})
    (folder / next(iter(files))).touch()
    assert traces.traces(kind, folder, {}) != before


def refused_to(path, monkeypatch, owner=os, name="scandir"):
    """The system does not let anybody look at ``path`` and what lies below: root, who may run this, may do all."""
    real = getattr(owner, name)

    def guarded(file, *args, **named):
        if isinstance(file, str | Path) and Path(file).is_relative_to(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return real(file, *args, **named)

    monkeypatch.setattr(owner, name, guarded)


@pytest.mark.parametrize(
    ("kind", "files", "locked"),
    [("digits", under("MNIST/raw", IDX), "MNIST/raw"), ("faces", under("celeba", TORCHVISION), "celeba")],
)
def test_what_may_not_be_read_stops_the_load_and_not_the_look_from_outside(
    folder, load, kind, files, locked, monkeypatch
):
    put(folder, files)
    refused_to(folder / locked, monkeypatch)
    assert list(traces.stamps(folder / locked)) == [(Path(locked).name, -1, 0)]
    with pytest.raises(LabError, match=r"cannot be read \(Permission denied\); change its permissions"):
        load[kind]()


def test_a_folder_of_pictures_is_read_through_once(folder, load, monkeypatch):
    put(folder, KAGGLE)
    real, read = os.scandir, []

    class Counted:
        def __init__(self, path):
            self.path, self.entries = str(path), real(path)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.entries.close()

        def __iter__(self):
            yield from self.entries
            read.append(self.path)  # to its end

    monkeypatch.setattr(os, "scandir", Counted)
    load["faces"]()
    assert read.count(str(folder / "img_align_celeba/img_align_celeba")) == 1


# Files and folders that the system does not give

KINDS_OF_TROUBLE = {
    "no permission": (lambda path: None, "cannot be read (Permission denied); change its permissions"),
    "a link that leads nowhere": (
        lambda path: path.symlink_to("/nowhere"),
        "cannot be read (No such file or directory); if it is a link, what it leads to is gone",
    ),
    "a link to itself": (lambda path: path.symlink_to(path.name), "it is a link to itself; put the file itself there"),
}


@pytest.mark.parametrize(
    ("kind", "files", "name"),
    [
        ("digits", IDX, "train-images-idx3-ubyte"),
        ("digits", {"mnist.npz": keras()}, "mnist.npz"),
        ("digits", KAGGLE_CSV, "mnist_test.csv"),
        ("faces", course(), "faces/train.csv"),
        ("faces", TORCHVISION, "list_eval_partition.txt"),
    ],
)
@pytest.mark.parametrize(("make", "says"), KINDS_OF_TROUBLE.values(), ids=KINDS_OF_TROUBLE)
def test_advice_is_for_the_trouble_that_there_is(folder, load, kind, files, name, make, says, monkeypatch):
    put(folder, files)
    if says.startswith("cannot be read (Perm"):
        refused_to(folder / name, monkeypatch, io, "open")
        refused_to(folder / name, monkeypatch, builtins, "open")
    else:
        (folder / name).unlink()
        make(folder / name)
    with pytest.raises(LabError) as error:
        load[kind]()
    assert one_line(error).startswith(f"{folder / name}: cannot be read")
    assert says in str(error.value)


WRONG_KIND = {
    "a folder for a file": (
        without(course(), "train.csv") | {"faces/train.csv/train.csv": CSV},
        "faces/train.csv: cannot be read (Is a directory); put the file itself there, not a folder",
    ),
    "an archive for a folder": (
        without(course(), "train/") | {"faces/train": zipped({"00000.png": b""})},
        "faces/train: cannot be read (Not a directory); it is an archive; unpack it there",
    ),
    "a file for a folder": (
        without(course(), "train/") | {"faces/train": "pictures"},
        "faces/train: cannot be read (Not a directory); put the folder itself there",
    ),
}


@pytest.mark.parametrize(("files", "says"), WRONG_KIND.values(), ids=WRONG_KIND)
def test_a_part_of_the_wrong_kind(folder, load, files, says):
    put(folder, files)
    with pytest.raises(LabError) as error:
        load["faces"]()
    assert one_line(error) == f"{folder}/{says}"


# A script without a guard

SCRIPT = """
import sys
from lab_utils.data import prepared, faces
prepared.joblib.cpu_count, prepared.PER_PROCESS, prepared.CHUNK = (lambda: 2), 1, 1
from pathlib import Path
found = faces.load(sys.argv[1], size=8, cache=Path(sys.argv[2]))
print("loaded", found.source, len(found.train.images))
"""


@pytest.mark.parametrize("way", ["file", "input", "argument"])
def test_a_script_without_a_guard_prepares_images(folder, tmp_path, way):
    put(folder, course())
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    how = {"file": [str(script)], "input": ["-"], "argument": ["-c", SCRIPT]}[way]
    done = subprocess.run(
        [sys.executable, *how, folder, tmp_path / "cache"],
        input=SCRIPT if way == "input" else "",
        env=os.environ | {"PYTHONPATH": str(config.ROOT)},
        capture_output=True,
        text=True,
    )
    first, *progress, last = done.stdout.splitlines() or [""]
    assert (first, last) == ("photographs: preparing 6 images, once", "loaded photographs 3"), done.stderr
    assert all(line.endswith("of 6 images") for line in progress), "the script is not run again"


def test_a_process_that_may_start_none_prepares_images(monkeypatch):
    monkeypatch.setattr(prepared, "PER_PROCESS", 1)
    monkeypatch.setattr(prepared.joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(prepared.multiprocessing, "current_process", lambda: SimpleNamespace(daemon=True))
    with prepared._processes(2) as run:
        assert run is map


def test_the_script_is_back_when_processes_have_started():
    main = sys.modules["__main__"]
    with pytest.raises(RuntimeError):
        prepared._without_main(partial(_fail, main))
    assert sys.modules["__main__"] is main


def _fail(main):
    assert sys.modules["__main__"] is not main
    raise RuntimeError
