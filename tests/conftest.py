"""What the tests share: a small run on the CPU in float32, made-up digits and faces, and reports in smoke size."""

import contextlib
import http.server
import itertools
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import torch

from lab_utils.config import ROOT
from lab_utils.run import Run
from lab_utils.training.fit import Batches

# How often the tests of mutated files try: always the same few here, `pytest --hypothesis-profile=hour` ever new ones.
with contextlib.suppress(ImportError):  # an environment of one's own may be without it
    from hypothesis import HealthCheck, settings

    UNHURRIED = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    settings.register_profile("few", max_examples=60, derandomize=True, **UNHURRIED)
    settings.register_profile("hour", max_examples=80_000, print_blob=True, **UNHURRIED)
    settings.load_profile("few")

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright  # here, for the tests that need no browser

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def make(*arguments: str) -> subprocess.CompletedProcess:
    """``make`` as a person runs it, whatever the make that these tests run under was given."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")}
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=env)


def one_line(printed, says: str) -> None:
    """What a command printed (of ``capsys``) is one line that says what is wrong, and nothing else."""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert says in printed.err
    assert printed.out == ""


def one_line_of_make(done: subprocess.CompletedProcess, says: str) -> None:
    """A command through make ended with one line that says what to put right, beside make's own."""
    assert done.returncode == 2
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(ours) == 1, done.stderr
    assert ours[0].startswith("error: ")
    assert says in ours[0]


def epoch(tensors, size, rng):
    """The batches of one pass over the data."""
    batches = Batches(tensors, size, rng)
    return itertools.islice(batches, batches.per_epoch)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "given"
    made.mkdir()
    return made


@contextlib.contextmanager
def serving(handler: type):
    """A server on this machine that notes what it was ``asked``; ``over`` is set before it ends."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = False  # so that closing waits for them
        running.asked, running.over = [], threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def run():
    """On one thread: two that wait for one another take ten times as long where other work shares the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Run(seed=0, device=torch.device("cpu"), precision=torch.float32)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    """200 images (uint8, 200×1×28×28) whose label is where a bright bar lies, and the labels."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10
    images = torch.randint(0, 40, (200, 1, 28, 28), generator=stream, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label + 2 : 2 * label + 5] = 220
    return images, labels


@pytest.fixture(scope="session")
def portraits() -> tuple[torch.Tensor, torch.Tensor]:
    """200 noisy images (uint8, 200×3×32×32) and two attributes (float32 0 and 1, 200×2): red hair, a blue shirt."""
    stream = torch.Generator().manual_seed(1)
    attributes = torch.randint(0, 2, (200, 2), generator=stream).float()
    images = torch.randint(60, 120, (200, 3, 32, 32), generator=stream, dtype=torch.uint8)
    images[attributes[:, 0] == 1, 0, 4:12, 6:26] += 100
    images[attributes[:, 1] == 1, 2, 24:, 4:28] += 100
    return images, attributes


def smoke_report(folder: Path) -> Path:
    """A smoke report of all notebooks, made by the command that `make report` runs."""
    from lab_utils.report.__main__ import main  # here, so that other tests run although the report is broken

    arguments = ["run", "PROFILE=smoke", *([f"DATA_DIR={SHARED}"] if SHARED.is_dir() else [])]
    assert main(arguments, reports=folder) == 0
    return folder / "smoke"


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    return smoke_report(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="session")
def smoke_again(tmp_path_factory) -> Path:
    return smoke_report(tmp_path_factory.mktemp("second"))
