"""Faces: exact pixels and attributes, everything a person can get wrong, and the cache that stays whole."""

import errno
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import PIL
import pytest
from PIL import Image

from lab_utils import config, data
from lab_utils.config import LabError
from lab_utils.data import faces, layouts, prepared

SHARED = config.ROOT.parent / "shared" / "data"  # photographs, where a developer has them
SIZE = 16
ROWS = {"train": 5, "test": 3}
ATTRIBUTES = ["Male", "Smiling", "Bangs"]


def pixels(seed, height=SIZE, width=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def value(split, row, column):
    """0 or 1, every attribute with both."""
    return (row + column + (split == "test")) % 2


def csv_text(split, names, write="{}.0".format):
    lines = [",".join(["image_name", *ATTRIBUTES])]
    lines += [",".join([name, *(write(value(split, i, j)) for j in range(3))]) for i, name in enumerate(names)]
    return "\n".join(lines) + "\n"


def names_of(split):
    return [f"{i:05}.png" for i in range(ROWS[split])]  # the same names in both splits


def put_course(folder):
    """Photographs in the course's layout, PNG of the wanted size so that pixels are known; returns ``faces/``."""
    home = folder / "faces"
    for s, split in enumerate(ROWS):
        (home / split).mkdir(parents=True)
        (home / f"{split}.csv").write_text(csv_text(split, names_of(split)))
        for i, name in enumerate(names_of(split)):
            (home / split / name).write_bytes(encoded(pixels(100 * s + i)))
    return home


CELEBA_NAMES = [f"{i:06}.jpg" for i in range(1, 8)]
CELEBA_PARTITIONS = dict(zip(CELEBA_NAMES, (0, 0, 1, 2, 0, 2, 1), strict=True))


def put_celeba(home):
    """Seven images of CelebA's size in torchvision's layout, plain but for a square that the crop keeps."""
    (home / "img_align_celeba").mkdir(parents=True)
    for i, name in enumerate(CELEBA_NAMES):
        image = np.zeros((218, 178, 3), np.uint8)
        image[35:183, 15:163] = 20 * i + 10  # 148×148 in the middle
        (home / "img_align_celeba" / name).write_bytes(encoded(image, "PNG"))
    rows = [f"{name} {'  '.join(['-1', ' 1', '-1'][i % 2 :][:2])} " for i, name in enumerate(CELEBA_NAMES)]
    (home / "list_attr_celeba.txt").write_text("\n".join(["7", "Male Smiling ", *rows]) + "\n")
    lines = [f"{name} {part}" for name, part in CELEBA_PARTITIONS.items()]
    (home / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    return home


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """The project's own data directory is empty."""
    monkeypatch.setattr(config, "DATA", tmp_path / "project")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def load(folder, cache):
    return partial(faces.load, data_dir=folder, size=SIZE, cache=cache)


@pytest.fixture
def no_painting(monkeypatch):
    def refuse(task, size, crop):
        raise AssertionError(f"{task} is prepared again")

    return lambda: monkeypatch.setattr(faces, "paint", refuse)


def snapshot(cache):
    """Every file of the cache, hidden ones too, with its content and time."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in cache.rglob("*") if p.is_file()}


def assert_refused(load, cache, *parts):
    """One line with all of ``parts``, and nothing new or changed in the cache."""
    before = snapshot(cache)
    with pytest.raises(LabError) as error:
        load()
    for part in parts:
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert snapshot(cache) == before


def fingerprint(found, *painted):
    """The SHA-256 of what was loaded, where each of ``painted`` lists the splits whose pixels count as one piece."""
    pieces = [hashlib.sha256(b"".join(part.images.tobytes() for part in piece)).hexdigest() for piece in painted]
    digest = hashlib.sha256("".join(pieces).encode())
    for part in (found.train, found.test):
        digest.update("\n".join(part.attributes).encode() + part.attributes.to_numpy().tobytes())
    return digest.hexdigest()


def assert_course(found):
    assert found.source == "photographs"
    for s, (split, n) in enumerate(ROWS.items()):
        part = getattr(found, split)
        wanted = np.stack([pixels(100 * s + i) for i in range(n)]).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(part.images, wanted, strict=True)
        values = np.array([[value(split, i, j) for j in range(3)] for i in range(n)], np.uint8)
        pd.testing.assert_frame_equal(part.attributes, pd.DataFrame(values, columns=ATTRIBUTES))


# The course's layout


def test_exact_values(folder, load):
    put_course(folder)
    found = load()
    assert_course(found)
    assert found.note == "5 training and 3 test face photographs in the course's layout from DATA_DIR/faces."
    assert faces.describe(found) == {
        "source": "photographs",
        "split": "test",
        "train": 5,
        "test": 3,
        "sha256": fingerprint(found, [found.train, found.test]),
    }
    assert isinstance(found.train.images, np.memmap)
    found.train.images[0] = 0  # torch wants memory that can be written
    assert_course(load())


@pytest.mark.parametrize("write", ["{}".format, "{}.0".format, lambda v: f"{2 * v - 1}", lambda v: f"{2 * v - 1}.0"])
def test_ways_to_write_an_attribute(folder, load, write):
    home = put_course(folder)
    for split in ROWS:
        (home / f"{split}.csv").write_text(csv_text(split, names_of(split), write))
    assert_course(load())


WRITTEN = {
    "mark of a spreadsheet": lambda text: "\ufeff" + text,
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "no end of the last line": str.rstrip,
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "blanks after commas": lambda text: text.replace(",", ", "),
    "quotes": lambda text: text.replace("00000.png", '"00000.png"'),
    "semicolons": lambda text: text.replace(",", ";"),
    "the rows' numbers": lambda text: pd.read_csv(io.StringIO(text)).to_csv(),
    "names last": lambda text: "".join(
        ",".join([*line.split(",")[1:], line.split(",")[0]]) + "\n" for line in text.splitlines()
    ),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_ways_to_write_a_csv(folder, load, write):
    home = put_course(folder)
    for split in ROWS:
        path = home / f"{split}.csv"
        path.write_bytes(write(path.read_text()).encode())
    assert_course(load())


def test_columns_in_another_order(folder, load):
    home = put_course(folder)
    table = pd.read_csv(home / "test.csv", dtype=str)
    table[table.columns[::-1]].to_csv(home / "test.csv", index=False)
    assert_course(load())


def test_images_that_are_not_listed_are_left_alone(folder, load):
    home = put_course(folder)
    (home / "train" / "99999.png").write_bytes(b"not read")
    (home / "train" / "notes").mkdir()
    assert_course(load())


def test_the_project_directory_is_the_default_and_serves_another_data_dir(folder, cache, load):
    put_course(config.DATA)
    found = faces.load(None, size=SIZE, cache=cache)
    assert_course(found)
    assert found.note.endswith("from data/faces.")
    assert_course(load())
    assert not list(folder.iterdir())


# Images


def painted(tmp_path, content, size=SIZE, crop=None):
    path = tmp_path / "image"
    path.write_bytes(content)
    return faces.paint((str(path), "train.csv, line 2"), size, crop)


def test_the_middle_square_is_kept(tmp_path):
    wide, tall = pixels(0, SIZE, 31), pixels(1, 40, SIZE)
    np.testing.assert_array_equal(painted(tmp_path, encoded(wide)), wide[:, 7:23].transpose(2, 0, 1), strict=True)
    np.testing.assert_array_equal(painted(tmp_path, encoded(tall)), tall[12:28].transpose(2, 0, 1), strict=True)
    large = pixels(2, 40, 50)
    np.testing.assert_array_equal(painted(tmp_path, encoded(large), crop=SIZE), large[12:28, 17:33].transpose(2, 0, 1))
    assert painted(tmp_path, encoded(pixels(3, 1, 9)), crop=148).shape == (3, SIZE, SIZE), "smaller than the crop"


def test_reduction_averages(tmp_path):
    """A fine checkerboard is grey when it is reduced; without a filter it would be black or white."""
    board = np.indices((160, 160)).sum(axis=0) % 2 * np.uint8(255)
    small = painted(tmp_path, encoded(np.repeat(board[..., None], 3, axis=2).astype(np.uint8)))
    assert np.abs(small.astype(int) - 127).max() <= 2


FLAT = (200, 100, 50)


def flat(mode, color, **info):
    image = Image.new(mode, (24, 20), color)
    image.info.update(info)
    return image


def palette(**options):
    image = Image.new("P", (24, 20), 1)
    image.putpalette([0, 0, 0, *FLAT])
    return encoded(image, **options)


def sixteen_bits():
    return encoded(Image.fromarray(np.full((20, 24), 50_000, np.uint16)))


MODES = {
    "RGB": (encoded(flat("RGB", FLAT)), FLAT),
    "JPEG": (encoded(flat("RGB", FLAT), "JPEG", quality=95), FLAT),
    "grey": (encoded(flat("L", 77)), (77,) * 3),
    "grey JPEG": (encoded(flat("L", 77), "JPEG", quality=95), (77,) * 3),
    "one bit": (encoded(flat("1", 1)), (255,) * 3),
    "grey and alpha": (encoded(flat("LA", (0, 51))), (204,) * 3),
    "palette": (palette(), FLAT),
    "palette, transparent": (palette(transparency=1), (255,) * 3),
    "opaque RGBA": (encoded(flat("RGBA", (*FLAT, 255))), FLAT),
    "transparent RGBA": (encoded(flat("RGBA", (*FLAT, 0))), (255,) * 3),
    "half transparent RGBA": (encoded(flat("RGBA", (*FLAT, 51))), (244, 224, 214)),
    "a transparent colour": (encoded(flat("RGB", FLAT), transparency=FLAT), (255,) * 3),
    "16 bit": (sixteen_bits(), (195,) * 3),
    "CMYK": (encoded(flat("CMYK", (55, 155, 205, 0)), "JPEG", quality=95), FLAT),
}


@pytest.mark.parametrize(("content", "color"), MODES.values(), ids=MODES)
def test_every_mode_becomes_rgb(tmp_path, content, color):
    image = painted(tmp_path, content)
    assert image.shape == (3, SIZE, SIZE)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - np.array(color)[:, None, None]).max() <= 2


def test_a_photograph_is_turned_as_the_camera_noted(tmp_path):
    upright, exif = pixels(0), Image.Exif()
    exif[0x0112] = 6  # to be turned right
    lying = encoded(np.rot90(upright).copy(), exif=exif.tobytes())
    np.testing.assert_array_equal(painted(tmp_path, lying), upright.transpose(2, 0, 1))


def test_damaged_notes_beside_a_picture_are_passed_over(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a long description"
    content = encoded(flat("RGB", FLAT), "JPEG", exif=exif.tobytes())
    at = content.index(b"Exif") + 6
    damaged = content[: at + 14] + b"\xff" * 6 + content[at + 20 :]
    assert damaged != content
    np.testing.assert_array_equal(painted(tmp_path, damaged), painted(tmp_path, content))


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")


def bomb(pixels):
    """A PNG that says it has so many pixels, and has none."""
    header = (pixels // 1000).to_bytes(4, "big") + (1000).to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


noise_png, noise_jpeg = encoded(pixels(0)), encoded(pixels(0, 64, 64), "JPEG")
flipped = bytearray(noise_png)
flipped[len(flipped) // 2] ^= 1
BAD_IMAGES = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is not a PNG, JPEG or WebP image"),
    "GIF": (encoded(flat("P", 0), "GIF"), "is not a PNG, JPEG or WebP image"),
    "PNG cut": (noise_png[: len(noise_png) // 2], "is cut short or corrupt"),
    "JPEG cut": (noise_jpeg[: len(noise_jpeg) // 2], "is cut short or corrupt"),
    "header alone": (noise_png[:20], "is cut short or corrupt"),
    "one bit": (bytes(flipped), "is cut short or corrupt"),
    "bomb": (bomb(100_000_000), "has more than 89,478,485 pixels"),
    "large bomb": (bomb(1_000_000_000), "has more than 89,478,485 pixels"),
}


@pytest.mark.parametrize(("content", "complaint"), BAD_IMAGES.values(), ids=BAD_IMAGES)
@pytest.mark.parametrize("split", ROWS)
def test_a_bad_image_is_named_with_its_row(folder, cache, load, split, content, complaint):
    home = put_course(folder)
    load()
    path = home / split / "00001.png"
    path.write_bytes(content)
    assert_refused(load, cache, f"{path} ({split}.csv, line 3): {complaint}", "replace it")


def test_a_bad_image_leaves_no_cache_behind(folder, cache, load):
    home = put_course(folder)
    (home / "test" / "00002.png").write_bytes(b"hello")
    assert_refused(load, cache, "test.csv, line 4")
    assert snapshot(cache) == {}


def test_the_first_bad_image_is_named_by_processes_too(folder, cache, load, monkeypatch):
    monkeypatch.setattr(prepared.joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(prepared, "PER_PROCESS", 2)
    monkeypatch.setattr(prepared, "CHUNK", 1)
    home = put_course(folder)
    for path in (home / "train" / "00003.png", home / "test" / "00000.png"):
        path.write_bytes(b"hello")
    assert_refused(load, cache, f"{home}/train/00003.png (train.csv, line 5): is not a PNG, JPEG or WebP image")
    assert snapshot(cache) == {}


def test_an_image_that_may_not_be_read(folder, cache, load, monkeypatch):
    home = put_course(folder)
    path = home / "train" / "00001.png"
    real = open

    def guarded(file, *args):
        if str(file) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, *args)

    monkeypatch.setattr(faces, "open", guarded, raising=False)
    assert_refused(load, cache, f"{path} (train.csv, line 3): cannot be read (Permission denied)")


# Lists


def lines_of(change):
    """An edit of a text as a list of lines."""

    def edit(text):
        lines = text.splitlines()
        change(lines)
        return "\n".join(lines) + "\n"

    return edit


def replaced(line, old, new):
    def change(lines):
        assert old in lines[line - 1]
        lines[line - 1] = lines[line - 1].replace(old, new, 1)

    return lines_of(change)


BAD_CSVS = {
    "no image_name": (replaced(1, "image_name", "file"), "line 1: has no column image_name ('file,Male,Smiling,"),
    "no header": (lines_of(lambda lines: lines.pop(0)), "has no column image_name ('00000.png,"),
    "no attribute": (lambda text: "image_name\n00000.png\n", "has no attribute"),
    "a value of 2": (replaced(3, ",1.0", ",2"), "line 3 ('00001.png'): 'Male' is '2', not 0 or 1"),
    "a value of 0.5": (replaced(4, ",1.0", ",0.5"), "line 4 ('00002.png'): 'Smiling' is '0.5', not 0 or 1"),
    "a value missing": (replaced(2, ",1.0", ","), "line 2 ('00000.png'): 'Smiling' is '', not 0 or 1"),
    "a word": (replaced(2, ",0.0", ",maybe"), "line 2 ('00000.png'): 'Male' is 'maybe', not 0 or 1"),
    "0 and -1 mixed": (replaced(4, ",0.0", ",-1"), "line 4: 'Male' is -1, but 0 on other lines"),
    "-1 and 0 mixed": (replaced(2, ",0.0", ",-1"), "line 2: 'Male' is -1, but 0 on other lines"),
    "too few values": (replaced(3, ",1.0", ""), "line 3: has 3 values for 4 columns"),
    "too many values": (replaced(3, ",1.0", ",1.0,1.0"), "line 3: has 5 values for 4 columns"),
    "zero rows": (lambda text: text.splitlines()[0] + "\n", "lists no image"),
    "empty": (lambda text: "", "is empty"),
    "blank": (lambda text: "\n \n", "is empty"),
    "NUL": (replaced(2, "1.0", "\0"), "is not text in UTF-8"),
    "an open quote": (replaced(3, "00001", '"00001'), "is not CSV (unexpected end of data)"),
    "a name twice": (replaced(4, "00002", "00000"), "line 4: image_name '00000.png' stands on line 2 already"),
    "a column twice": (replaced(1, "Bangs", "Male"), "a column is named 'Male' twice"),
    "image_name twice": (replaced(1, "Bangs", "image_name"), "a column is named 'image_name' twice"),
    "a column without a name": (replaced(1, "Bangs", ""), "a column is named '', but holds values"),
    "out of the folder": (replaced(3, "00001.png", "../x.jpg"), "line 3: image_name '../x.jpg' is not the name of"),
    "absolute": (replaced(3, "00001.png", "/etc/x.jpg"), "line 3: image_name '/etc/x.jpg' is not the name of"),
    "with its folder": (replaced(3, "00001", "train/00001"), "image_name 'train/00001.png' is not the name of"),
    "of Windows": (replaced(3, "00001", "..\\00001"), "line 3: image_name '..\\\\00001.png' is not the name of"),
    "the folder": (replaced(3, "00001.png", ".."), "line 3: image_name '..' is not the name of"),
    "no name": (replaced(3, "00001.png", ""), "line 3: image_name '' is not the name of"),
    "not there": (replaced(3, "00001", "00009"), "line 3: '00009.png' is not in {folder}"),
    "a line break in a name": (replaced(3, "00001.png", '"a\nb.png"'), "line 4: 'a\\nb.png' is not in {folder}"),
}  # fmt: skip


@pytest.mark.parametrize("split", ROWS)
@pytest.mark.parametrize(("edit", "complaint"), BAD_CSVS.values(), ids=BAD_CSVS)
def test_a_bad_csv_is_named_with_its_row(folder, cache, load, split, edit, complaint):
    home = put_course(folder)
    load()
    for each in ROWS:  # the values of both begin alike
        (home / f"{each}.csv").write_text(csv_text("train", names_of(each)))
    path = home / f"{split}.csv"
    path.write_text(edit(path.read_text()))
    assert_refused(load, cache, str(path), complaint.format(folder=home / split))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("image_name,Male\n".encode("utf-16"), "is not a list but text in UTF-16"),
        (b"PK\x03\x04\x8f\x91", "is not a list but a ZIP archive"),
        (b"\0", "is not text in UTF-8"),
    ],
)
def test_a_csv_that_is_not_text(folder, cache, load, content, says):
    home = put_course(folder)
    (home / "test.csv").write_bytes(content)
    assert_refused(load, cache, f"{home}/test.csv: {says}")


@pytest.mark.parametrize(("lacks", "has"), [("test", "train"), ("train", "test")])
def test_attributes_that_differ_between_the_splits(folder, cache, load, lacks, has):
    home = put_course(folder)
    text = (home / f"{has}.csv").read_text()
    (home / f"{has}.csv").write_text(text.replace("\n", ",1\n").replace("Bangs,1", "Bangs,Hat"))
    assert_refused(load, cache, f"{home}/{lacks}.csv: has no column 'Hat', but {has}.csv has")


@pytest.mark.parametrize("part", ["train.csv", "train", "test.csv", "test"])
def test_an_incomplete_layout(folder, cache, load, part):
    home = put_course(folder)
    (home / part).rename(folder / "elsewhere")
    assert_refused(load, cache, f"{home}: has no {part}; add it")


def test_a_listed_directory_and_a_dead_link_are_no_images(folder, cache, load):
    home = put_course(folder)
    path = home / "train" / "00001.png"
    path.unlink()
    path.mkdir()
    assert_refused(load, cache, f"{home}/train.csv, line 3: '00001.png' is not in {home}/train")
    path.rmdir()
    path.symlink_to(folder / "nowhere")
    assert_refused(load, cache, f"{home}/train.csv, line 3: '00001.png' is not in {home}/train")


def test_parts_of_the_wrong_kind(folder, cache, load):
    home = put_course(folder)
    (home / "test.csv").unlink()
    (home / "test.csv").mkdir()
    assert_refused(load, cache, f"{home}/test.csv: cannot be read (Is a directory)")
    (home / "train").rename(home / "before")
    (home / "train").write_text("a file")
    assert_refused(load, cache, f"{home}/train: cannot be read (Not a directory)")


def test_photographs_one_level_too_high(folder, cache, load):
    home = put_course(folder)
    assert_course(load(data_dir=home))


def test_a_message_is_short(folder, cache, load):
    home = put_course(folder)
    (home / "train.csv").write_text("x" * 100_000)
    with pytest.raises(LabError, match="has no column image_name") as error:
        load()
    assert len(str(error.value)) < len(str(home)) + 200


@pytest.mark.parametrize("owner", ["scandir", "listdir", "read_bytes"])
def test_refused_by_the_system(folder, cache, load, monkeypatch, owner):
    put_course(folder)

    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os if owner in ("scandir", "listdir") else Path, owner, refuse)
        with pytest.raises(LabError, match=r"cannot be read \(Permission denied\)") as error:
            load()
    assert str(folder) in str(error.value)
    assert not cache.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("locked", ["", "faces", "faces/train", "faces/train.csv", "faces/test/00000.png"])
def test_not_readable(folder, cache, load, locked):
    put_course(folder)
    mode = (folder / locked).stat().st_mode
    (folder / locked).chmod(0)
    try:
        assert_refused(load, cache, "cannot be read")
    finally:
        (folder / locked).chmod(mode)


@pytest.mark.parametrize(("name", "trouble"), [("absent", "there is no such"), ("file", "this is not a")])
def test_no_directory(folder, cache, load, name, trouble):
    (folder / "file").touch()
    assert_refused(partial(load, data_dir=folder / name), cache, f"DATA_DIR={folder}/{name}: {trouble} directory")


# CelebA


@pytest.mark.parametrize("place", ["celeba", ""])
def test_celeba(folder, load, place):
    put_celeba(folder / place)
    found = load()
    assert found.source == "celeba"
    for split, chosen in ((found.train, (0, 1, 4)), (found.test, (3, 5))):
        wanted = np.array([20 * i + 10 for i in chosen], np.uint8)[:, None, None, None]
        np.testing.assert_array_equal(split.images, np.broadcast_to(wanted, (len(chosen), 3, SIZE, SIZE)))
        values = np.array([[i % 2, (i + 1) % 2] for i in chosen], np.uint8)
        pd.testing.assert_frame_equal(split.attributes, pd.DataFrame(values, columns=["Male", "Smiling"]))
    assert found.note.startswith("CelebA, aligned and cropped, 3 training and 2 test face photographs")
    assert "Z. Liu, P. Luo, X. Wang and X. Tang (ICCV 2015), for non-commercial research use." in found.note


def test_celeba_is_cut_to_148_pixels(folder, load):
    home, picture = put_celeba(folder), pixels(0, 218, 178)
    (home / "img_align_celeba" / "000001.jpg").write_bytes(encoded(picture))
    found = load(size=148)
    np.testing.assert_array_equal(found.train.images[0], picture[35:183, 15:163].transpose(2, 0, 1))


def test_the_course_s_layout_goes_before_celeba(folder, load):
    put_course(folder)
    put_celeba(folder / "celeba")
    assert_course(load())


LISTS = {"attributes": "list_attr_celeba.txt", "partition": "list_eval_partition.txt"}
BAD_CELEBA = {
    "count too high": ("attributes", replaced(1, "7", "8"), "line 1: says '8', but 7 images follow"),
    "no count": ("attributes", lines_of(lambda lines: lines.pop(0)), "line 1: has no column image_name ('Male,Smiling"),
    "count alone": ("attributes", lambda text: "7\n", "has no attribute"),
    "a line cut": ("attributes", lambda text: text[:-6], "line 9: has 2 values for 3 columns"),
    "lines missing": ("attributes", lines_of(lambda lines: lines.pop()), "line 1: says '7', but 6 images follow"),
    "a value of 2": ("attributes", replaced(4, "-1", "2"), "line 4 ('000002.jpg'): 'Smiling' is '2', not 0 or 1"),
    "mixed": ("attributes", replaced(4, "-1", "0"), "line 4: 'Smiling' is 0, but -1 on other lines"),
    "a name twice": ("attributes", replaced(4, "000002", "000001"), "'000001.jpg' stands on line 3 already"),
    "out of the folder": ("attributes", replaced(4, "000002", "../000002"), "line 4: image_name '../000002.jpg'"),
    "empty attributes": ("attributes", lambda text: "", "is empty"),
    "attributes not text": ("attributes", lambda text: "\0", "is not text"),
    "partition 3": ("partition", replaced(2, " 0", " 3"), "line 2: '000002.jpg 3' is not an image and 0, 1 or 2"),
    "partition lacks": ("partition", replaced(2, " 0", ""), "line 2: '000002.jpg' is not an image and 0, 1 or 2"),
    "partition twice": ("partition", replaced(2, "000002", "000001"), "line 2: '000001.jpg' is listed a second time"),
    "not in attributes": ("partition", lambda text: text + "000008.jpg 1\n", "has '000008.jpg', but list_attr_"),
    "no test": ("partition", lambda text: text.replace(" 2", " 1"), "has no image in partition 2"),
    "no training": ("partition", lambda text: text.replace(" 0", " 1"), "has no image in partition 0"),
    "empty partition": ("partition", lambda text: "", "is empty"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "complaint"), BAD_CELEBA.values(), ids=BAD_CELEBA)
def test_bad_lists_of_celeba(folder, cache, load, name, edit, complaint):
    path = put_celeba(folder / "celeba") / LISTS[name]
    load()
    path.write_text(edit(path.read_text()))
    assert_refused(load, cache, f"{path}", complaint)


def test_lists_of_celeba_that_disagree(folder, cache, load):
    home = put_celeba(folder / "celeba")
    path = home / "list_eval_partition.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert_refused(load, cache, f"{home}/list_attr_celeba.txt: has '000007.jpg', but list_eval_partition.txt has not")


def test_a_folder_of_celeba_that_disagrees(folder, cache, load):
    home = put_celeba(folder / "celeba")
    image = home / "img_align_celeba" / "000003.jpg"
    content = image.read_bytes()
    image.rename(image.with_name("000009.jpg"))
    assert_refused(load, cache, f"{home}/list_attr_celeba.txt, line 5: '000003.jpg' is not in {home}/img_align_celeba")
    image.write_bytes(b"")
    assert_refused(load, cache, f"{home}/img_align_celeba: has '000009.jpg', but list_attr_celeba.txt has not")
    (image.with_name("000009.jpg")).rename(image.with_name("Thumbs.db"))
    image.write_bytes(content)
    assert load().source == "celeba", "other files do not count"


@pytest.mark.parametrize("part", layouts.CELEBA)
@pytest.mark.parametrize("place", ["celeba", ""])
def test_celeba_incomplete(folder, cache, load, place, part):
    home = put_celeba(folder / place)
    (home / part).rename(home / "elsewhere")
    assert_refused(load, cache, f"{home}: has no {part}; add it")


@pytest.mark.parametrize("split", config.SPLITS)
@pytest.mark.parametrize(("name", "line"), [("000006.jpg", 8), ("000003.jpg", 5)], ids=["of test", "of validation"])
def test_a_bad_image_of_celeba(folder, cache, load, name, line, split):
    home = put_celeba(folder)
    (home / "img_align_celeba" / name).write_bytes(noise_jpeg[:700])
    says = f"{home}/img_align_celeba/{name} (list_attr_celeba.txt, line {line}): is cut short"
    assert_refused(partial(load, split=split), cache, says)


# The cache


def test_the_second_time_nothing_is_prepared(folder, load, cache, no_painting, capsys):
    put_course(folder)
    first, before = load(), snapshot(cache)
    capsys.readouterr()
    no_painting()
    assert faces.describe(load()) == faces.describe(first)
    assert snapshot(cache) == before
    assert len(before) == 1
    assert capsys.readouterr() == ("", "")


def touch(home):
    path = home / "test" / "00002.png"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def another_picture(home):
    """Of the same time, and another size."""
    path = home / "test" / "00002.png"
    time_ns = path.stat().st_mtime_ns
    path.write_bytes(encoded(flat("RGB", FLAT)))
    os.utime(path, ns=(0, time_ns))


def another_value(home):
    path = home / "train.csv"
    path.write_text(path.read_text().replace("00000.png,0.0", "00000.png,1.0"))


def another_order(home):
    lines = (home / "test.csv").read_text().splitlines()
    (home / "test.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))


CHANGES = {"touched": touch, "another picture": another_picture, "value": another_value, "order": another_order}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_source_is_prepared_again(folder, load, cache, change):
    home = put_course(folder)
    before = load()
    change(home)
    after = load()
    assert len(snapshot(cache)) == 2
    assert (after.sha256 == before.sha256) is (change is touch)


def test_size_and_decoder_are_known_to_the_cache(folder, load, cache, monkeypatch):
    put_course(folder)
    load()
    assert load(size=8).train.images.shape == (5, 3, 8, 8)
    assert len(snapshot(cache)) == 2
    monkeypatch.setattr(PIL, "__version__", "0")
    load()
    assert len(snapshot(cache)) == 3


@pytest.mark.parametrize(("addition", "files"), [("", 1), ("LATER = 1\n", 2)])
def test_what_other_code_prepared_is_not_used(folder, load, cache, tmp_path, monkeypatch, addition, files):
    put_course(folder)
    before = load()
    path = tmp_path / "another.py"
    path.write_text(Path(faces.__file__).read_text() + addition)
    spec = importlib.util.spec_from_file_location("another_faces", path)
    another = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "another_faces", another)
    spec.loader.exec_module(another)
    assert another.load(folder, size=SIZE, cache=cache).sha256 == before.sha256
    assert len(snapshot(cache)) == files


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-50], lambda content: content[:300] + b"!" + content[301:]]
)
def test_a_damaged_cache_is_made_again(folder, load, cache, capsys, damage):
    put_course(folder)
    first = load()
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    capsys.readouterr()
    again = load()
    assert_course(again)
    assert again.sha256 == first.sha256
    assert file.read_bytes() == content
    assert "cut short or altered" in capsys.readouterr().out


def test_processes_prepare_the_same(folder, load, cache, monkeypatch):
    put_course(folder)
    here = load()
    before = snapshot(cache)
    (file,) = cache.iterdir()
    file.unlink()
    monkeypatch.setattr(prepared.joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(prepared, "PER_PROCESS", 1)
    monkeypatch.setattr(prepared, "CHUNK", 1)
    there = load()
    assert there.sha256 == here.sha256
    assert snapshot(cache)[file.name][0] == before[file.name][0]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_interrupt_leaves_the_cache_as_it_was(folder, load, cache, monkeypatch, trouble):
    home = put_course(folder)
    load()
    touch(home)
    before, real = snapshot(cache), faces.paint

    def interrupted(task, size, crop):
        if task[0].endswith("test/00001.png"):
            raise trouble
        return real(task, size, crop)

    monkeypatch.setattr(faces, "paint", interrupted)
    with pytest.raises(type(trouble)):
        load()
    assert snapshot(cache) == before


# What is taken where there are no photographs


def fake_paint(task, size):
    return np.full((3, size, size), task, np.uint8)


@pytest.fixture
def avatars(monkeypatch):
    """Grey squares in place of avatars."""

    def tasks(split, n):
        start = {"train": 0, "test": 100, "validation": 200}[split]
        return list(range(start, start + n)), pd.DataFrame({"Hat": (np.arange(n) % 2).astype(np.uint8)})

    fake = SimpleNamespace(
        NOTE="NOT photographs: avatars.", tasks=tasks, paint=fake_paint, facts=lambda: {"version": 1}
    )
    monkeypatch.setitem(sys.modules, "lab_utils.data.avatars", fake)
    monkeypatch.setattr(data, "avatars", fake, raising=False)
    return fake


def test_the_fallback_is_announced(load, avatars, capsys):
    found = load(avatars_drawn=(6, 4))
    assert found.source == "avatars"
    assert found.note == avatars.NOTE
    announced = "There are no photographs in faces/ or celeba/ under DATA_DIR or data. NOT photographs: avatars."
    assert capsys.readouterr().out.splitlines()[0] == announced
    assert faces.describe(found) == {
        "source": "avatars",
        "split": "test",
        "train": 6,
        "test": 4,
        "sha256": fingerprint(found, [found.train], [found.test]),
    }
    assert found.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.test.images[:, 0, 0, 0].tolist() == [100, 101, 102, 103]
    assert found.test.attributes.to_dict("list") == {"Hat": [0, 1, 0, 1]}


def test_avatars_that_were_asked_for_are_not_announced(folder, load, avatars, capsys):
    put_course(folder)
    assert load(faces="avatars", avatars_drawn=(6, 4)).source == "avatars"
    assert "no photographs" not in capsys.readouterr().out


def test_avatars_are_kept_by_number_size_and_version(load, cache, avatars):
    draw = partial(load, faces="avatars")
    first = draw(avatars_drawn=(6, 4))
    assert len(snapshot(cache)) == 2
    assert draw(avatars_drawn=(6, 4)).sha256 == first.sha256
    assert len(snapshot(cache)) == 2
    draw(avatars_drawn=(6, 3))
    assert len(snapshot(cache)) == 3, "the training split is the same"
    draw(avatars_drawn=(6, 4), size=8)
    avatars.facts = lambda: {"version": 2}
    draw(avatars_drawn=(6, 4))
    assert len(snapshot(cache)) == 7


def test_attributes_count_in_the_fingerprint(load, avatars):
    first = load(avatars_drawn=(6, 4)).sha256
    tasks = avatars.tasks
    avatars.tasks = lambda split, n: (tasks(split, n)[0], 1 - tasks(split, n)[1])
    other = load(avatars_drawn=(6, 4)).sha256
    avatars.tasks = lambda split, n: (tasks(split, n)[0], tasks(split, n)[1].rename(columns={"Hat": "Beard"}))
    assert len({first, other, load(avatars_drawn=(6, 4)).sha256}) == 3


def test_bad_photographs_are_not_replaced_by_avatars(folder, cache, load, avatars, capsys):
    home = put_course(folder)
    (home / "train" / "00000.png").unlink()
    assert_refused(load, cache, "'00000.png' is not in")
    assert "avatars" not in capsys.readouterr().out


def test_photographs_or_nothing(folder, cache, load):
    looked = " or ".join(f"{place}/{name}" for place in (folder, config.DATA) for name in ("faces", "celeba"))
    assert_refused(partial(load, faces="photographs"), cache, f"FACES=photographs: there are none in {looked};")
    put_course(folder)
    assert_course(load(faces="photographs"))


def test_without_the_packages_that_draw(load, cache, avatars):
    def absent():
        raise ModuleNotFoundError("No module named 'dicebear'", name="dicebear")

    avatars.facts = absent
    assert_refused(load, cache, "no package dicebear to draw avatars")


def test_no_such_choice(load, cache):
    assert_refused(partial(load, faces="cartoons"), cache, "FACES='cartoons': choose one of auto, photographs, avatars")


# Validation


def put_large_course(folder):
    """As :func:`put_course`, with 30 training images."""
    home = put_course(folder)
    names = [f"{i:05}.png" for i in range(30)]
    for i, name in enumerate(names):
        (home / "train" / name).write_bytes(encoded(pixels(i)))
    (home / "train.csv").write_text(csv_text("train", names))


def put_nothing(folder):
    """So that avatars are drawn."""


# How each source is put there, and how many training, test and validation images it has.
SOURCES = {
    "photographs": (put_large_course, 30, 3, 3),
    "celeba": (put_celeba, 3, 2, 2),
    "avatars": (put_nothing, 6, 4, 4),
}


@pytest.fixture(params=SOURCES)
def source(request, folder, avatars):
    SOURCES[request.param][0](folder)
    return request.param


@pytest.fixture
def both(source, load):
    """What is loaded for the test split and for validation."""
    return tuple(load(avatars_drawn=(6, 4), split=split) for split in config.SPLITS)


def rows(split):
    """Each image's bytes with its attributes; no two images are the same."""
    values = map(tuple, split.attributes.to_numpy().tolist())
    return [(image.tobytes(), value) for image, value in zip(split.images, values, strict=True)]


def test_validation_holds_no_test_image(both, source):
    tested, found = both
    _, train, test, held = SOURCES[source]
    assert (len(tested.train.images), len(tested.test.images), len(found.test.images)) == (train, test, held)
    given = rows(found.train) + rows(found.test)
    assert len(set(given)) == len(given), "nothing is trained on and judged on"
    assert not {image for image, _ in given} & {image.tobytes() for image in tested.test.images}
    for loaded in both:
        assert list(loaded.train.attributes) == list(loaded.test.attributes)
        for part in (loaded.train, loaded.test):
            assert part.attributes.index.equals(pd.RangeIndex(len(part.images)))
            assert part.images.flags.writeable


def test_photographs_that_are_held_out_leave_training(folder, load):
    put_large_course(folder)
    everything, found = rows(load().train), load(split="validation")
    held = rows(found.test)
    assert len(held) == 3
    assert held == [face for face in everything if face in held], "in their order, with their attributes"
    assert rows(found.train) == [face for face in everything if face not in held]


def test_celeba_is_judged_on_its_own_validation_images(folder, load):
    put_celeba(folder)
    tested, found = load(), load(split="validation")
    assert rows(found.train) == rows(tested.train)
    assert found.test.images[:, 0, 0, 0].tolist() == [50, 130]
    assert found.test.attributes.to_dict("list") == {"Male": [0, 0], "Smiling": [1, 1]}


def test_avatars_for_validation_are_drawn_in_addition(load, avatars):
    tested, found = (load(avatars_drawn=(6, 4), split=split) for split in config.SPLITS)
    assert rows(found.train) == rows(tested.train)
    assert found.test.images[:, 0, 0, 0].tolist() == [200, 201, 202, 203]
    assert found.test.attributes.to_dict("list") == {"Hat": [0, 1, 0, 1]}


def test_judges_see_the_same_faces_whatever_the_split(both):
    tested, found = both
    for loaded in both:
        assert loaded.for_judges.dtype == np.int64
        assert (np.diff(loaded.for_judges) > 0).all()
    images = [loaded.train.images[loaded.for_judges] for loaded in both]
    np.testing.assert_array_equal(*images, strict=True)
    attributes = [loaded.train.attributes.to_numpy()[loaded.for_judges] for loaded in both]
    np.testing.assert_array_equal(*attributes, strict=True)
    assert found.for_judges.tolist() == list(range(len(found.train.images)))
    seen = {image.tobytes() for image in images[0]}
    assert not seen & {image.tobytes() for loaded in (tested, found) for image in loaded.test.images}


def test_fingerprints_are_those_of_what_is_given(both, source):
    for split, loaded in zip(config.SPLITS, both, strict=True):
        parts = [loaded.train, loaded.test]
        painted = [[part] for part in parts] if source == "avatars" else [parts]
        assert faces.describe(loaded) == {
            "source": source,
            "split": split,
            "train": len(loaded.train.images),
            "test": len(loaded.test.images),
            "sha256": fingerprint(loaded, *painted),
        }
    assert both[0].sha256 != both[1].sha256


JUDGED_ON = {
    "photographs": "judged on 3 of the 30 training photographs",
    "celeba": "judged on the 2 photographs of CelebA's validation partition",
    "avatars": "judged on 4 avatars drawn in addition",
}


def test_the_note_says_which_faces_are_held_out(both, source):
    tested, found = both
    assert found.note.startswith(tested.note)
    assert f"SPLIT=validation: {JUDGED_ON[source]}" in found.note
    assert "The test split is not read" in found.note
    assert "where the page says “test” it means the validation images" in found.note
    says = "the list names nobody, so validation shares people with training: pictures of one person may be on both"
    assert (says in found.note) is (source == "photographs")
    assert "SPLIT" not in tested.note


def test_validation_is_always_the_same_and_prepares_no_image_twice(source, load, cache):
    draw = partial(load, avatars_drawn=(6, 4))
    first = draw(split="validation")
    before = snapshot(cache)
    again = draw(split="validation")
    assert rows(first.test) == rows(again.test)
    assert first.sha256 == again.sha256
    draw()
    added = {name for name in snapshot(cache) if name not in before}
    assert len(added) == (source == "avatars"), "the test split of avatars alone"
    assert before.items() <= snapshot(cache).items()
    assert isinstance(draw().train.images, np.memmap), "the whole training split is not copied"


@pytest.mark.parametrize(
    ("n", "held"), [(40_000, 1_200), (2_400, 1_200), (2_399, 239), (25, 2), (19, 1), (2, 1), (1, 0)]
)
def test_how_many_photographs_are_held_out(n, held):
    stay, out = faces._hold_out(n)
    assert len(out) == held
    assert sorted([*stay, *out]) == list(range(n))
    assert (np.diff(stay) > 0).all()
    assert (np.diff(out) > 0).all()


def test_the_choice_of_photographs_is_random_and_always_the_same():
    _, out = faces._hold_out(40_000)
    assert np.histogram(out, 4, (0, 40_000))[0] == pytest.approx([300] * 4, abs=60), "from everywhere"
    assert len(set(np.diff(out).tolist())) > 50
    # Pinned: with other photographs held out every setting was chosen on others.
    assert out[:5].tolist() == [2, 26, 49, 172, 182]


def test_one_photograph_cannot_be_held_out_and_trained_on(folder, cache, load):
    home = put_course(folder)
    (home / "train.csv").write_text(csv_text("train", names_of("train")[:1]))
    assert load().for_judges.tolist() == [0]
    says = f"{home}/train.csv: lists a single image, and SPLIT=validation needs one more"
    assert_refused(partial(load, split="validation"), cache, says, "or give SPLIT=test")


def test_celeba_without_validation_images(folder, cache, load):
    home = put_celeba(folder)
    path = home / "list_eval_partition.txt"
    path.write_text(path.read_text().replace(" 1\n", " 0\n"))
    assert len(load().train.images) == 5
    says = f"{path}: has no image in partition 1, which SPLIT=validation is judged on"
    assert_refused(partial(load, split="validation"), cache, says, "or SPLIT=test")


@pytest.mark.parametrize("split", ["train", "Test", ""])
def test_no_such_split(folder, cache, load, split):
    put_course(folder)
    assert_refused(partial(load, split=split), cache, f"SPLIT={split!r}: choose one of test, validation")


# The real things


def test_real_avatars(load):
    pytest.importorskip("dicebear")
    found = load(faces="avatars", avatars_drawn=(4, 2), size=32)
    assert found.train.images.shape == (4, 3, 32, 32)
    assert len(found.test.attributes) == 2
    assert found.note.startswith("NOT photographs")


@pytest.mark.skipif(not (SHARED / "faces").is_dir(), reason="no photographs on this machine")
def test_real_photographs(tmp_path, cache):
    """The first hundred of each split, whose images are as large as wanted: their pixels arrive untouched."""
    home = tmp_path / "some" / "faces"
    for split in ROWS:
        (home / split).mkdir(parents=True)
        lines = (SHARED / "faces" / f"{split}.csv").read_text().splitlines()[:101]
        (home / f"{split}.csv").write_text("\n".join(lines))
        for line in lines[1:]:
            (home / split / line.split(",")[0]).symlink_to(SHARED / "faces" / split / line.split(",")[0])
    found = faces.load(home.parent, cache=cache)
    assert (found.source, len(found.train.images), len(found.test.images)) == ("photographs", 100, 100)
    assert found.train.attributes["Male"].head(2).tolist() == [1, 0]
    with Image.open(home / "test" / "00007.jpg") as image:
        np.testing.assert_array_equal(found.test.images[7], np.asarray(image).transpose(2, 0, 1))


def test_nothing_here_imports_torch():
    code = "import sys; from lab_utils.data import faces; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=True)
