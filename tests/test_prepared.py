"""Prepared images: painted once, equal for any number of processes, whole or not there."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lab_utils import config, files
from lab_utils.config import LabError
from lab_utils.data import prepared
from lab_utils.data.prepared import CHUNK, prepare

SIZE = 4
TASKS = list(range(2 * CHUNK + 22))  # three chunks, the last one short
TESTS = Path(__file__).parent


# What is sent to other processes has to stand at the top of a module.


def paint(task, size=SIZE):
    return np.random.default_rng(task).integers(0, 256, (3, size, size), dtype=np.uint8)


def paint_flat(task, size):
    return np.full((3, size, size), task % 256, np.uint8)


def paint_process(task):
    return np.frombuffer(os.getpid().to_bytes(SIZE, "little") * 3 * SIZE, np.uint8).reshape(3, SIZE, SIZE)


def paint_no_more(task):
    raise AssertionError(f"task {task} is painted again")


def paint_or_raise(task, trouble):
    if task == CHUNK + 1:
        raise trouble
    return paint(task)


def paint_with_two_bad(task):
    """The earlier of two bad tasks fails long after the later one."""
    if task == 3:
        time.sleep(0.5)
    if task in (3, CHUNK):
        raise LabError(f"image {task} is bad")
    return paint(task)


def paint_and_die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def paint_slowly(task):
    """The first two chunks take two processes two seconds; one has the third to do, the other nothing."""
    time.sleep(0.03 if task < 2 * CHUNK else 0.05)
    return paint_process(task)


def paint_torch(task):
    return np.full((3, SIZE, SIZE), "torch" in sys.modules, np.uint8)


def wait(seconds):
    time.sleep(seconds)


EXPECTED = np.stack([paint(task) for task in TASKS])
FACTS = {"what": "noise", "size": SIZE}
make = partial(prepare, "noise", FACTS, TASKS)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "project" / "cache"  # made when it is needed


@pytest.fixture
def two_processes(monkeypatch):
    monkeypatch.setattr(prepared.joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(prepared, "PER_PROCESS", 10)


def names(cache):
    return sorted(path.name for path in cache.rglob("*")) if cache.exists() else []


def test_exact_values(cache):
    images, sha256 = make(paint, SIZE, cache)
    np.testing.assert_array_equal(images, EXPECTED, strict=True)
    assert sha256 == hashlib.sha256(EXPECTED.tobytes()).hexdigest()
    (name,) = names(cache)
    assert name.startswith("noise-")
    np.testing.assert_array_equal(np.load(cache / name), EXPECTED, strict=True)
    umask = os.umask(0)
    os.umask(umask)
    assert (cache / name).stat().st_mode & 0o777 == 0o666 & ~umask, "others may read it too"


def test_the_second_time_nothing_is_painted(cache, capsys):
    first, sha256 = make(paint, SIZE, cache)
    capsys.readouterr()
    (file,) = cache.iterdir()
    written = file.stat()
    images, again = make(paint_no_more, SIZE, cache)
    np.testing.assert_array_equal(images, first, strict=True)
    assert again == sha256
    assert capsys.readouterr() == ("", "")
    assert file.stat().st_mtime_ns == written.st_mtime_ns


def test_images_can_be_written_to_and_the_file_stays(cache):
    images, _ = make(paint, SIZE, cache)
    assert isinstance(images, np.memmap)
    images[0] = 0
    again, _ = make(paint_no_more, SIZE, cache)
    np.testing.assert_array_equal(again, EXPECTED)


def test_name_facts_and_number_say_which_file_it_is(cache):
    make(paint, SIZE, cache)
    prepare("noise", FACTS | {"version": 2}, TASKS, paint, SIZE, cache)
    prepare("other", FACTS, TASKS, paint, SIZE, cache)
    assert len(names(cache)) == 3
    reordered, _ = prepare("noise", dict(reversed(FACTS.items())), TASKS, paint_no_more, SIZE, cache)
    np.testing.assert_array_equal(reordered, EXPECTED)


def test_the_memory_is_a_few_chunks(cache):
    size, n = 32, 2000
    tracemalloc.start()
    try:
        images, _ = prepare("flat", {}, range(n), partial(paint_flat, size=size), size, cache)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert images.nbytes == n * 3 * size * size
    assert peak < 6 * CHUNK * 3 * size * size < images.nbytes / 4


@pytest.mark.parametrize("bad", [np.zeros((SIZE, SIZE), np.uint8), np.zeros((3, SIZE, SIZE))])
def test_a_picture_of_another_kind_is_refused(cache, bad):
    with pytest.raises(ValueError, match=f"not uint8 \\(3, {SIZE}, {SIZE}\\)"):
        make(lambda task: bad, SIZE, cache)
    assert names(cache) == []


# A file that is not what was put there

DAMAGE = {
    "one bit": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "its digest": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "cut": lambda content: content[:-100],
    "cut in the header": lambda content: content[:20],
    "empty": lambda content: b"",
    "too long": lambda content: content + b"x",
    "another header": lambda content: content.replace(b"|u1", b"|i1", 1),
    "other": lambda content: b"x" * len(content),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_made_again(cache, capsys, damage):
    _, sha256 = make(paint, SIZE, cache)
    (file,) = cache.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    capsys.readouterr()
    images, again = make(paint, SIZE, cache)
    assert f"{file.name} in the cache was cut short or altered" in capsys.readouterr().out
    np.testing.assert_array_equal(images, EXPECTED, strict=True)
    assert again == sha256
    assert file.read_bytes() == content


def test_a_file_of_another_number_of_images_is_made_again(cache, capsys):
    prepare("noise", FACTS, TASKS[:-1], paint, SIZE, cache)
    images, _ = make(paint, SIZE, cache)
    assert "cut short or altered" in capsys.readouterr().out
    np.testing.assert_array_equal(images, EXPECTED, strict=True)


# Errors


@pytest.mark.parametrize("trouble", [LabError("a line"), KeyboardInterrupt(), RuntimeError("a bug")])
def test_after_an_error_the_cache_is_as_it_was(cache, trouble):
    prepare("before", {}, TASKS, paint, SIZE, cache)
    before = names(cache)
    with pytest.raises(type(trouble)) as error:
        make(partial(paint_or_raise, trouble=trouble), SIZE, cache)
    assert error.value is trouble
    assert names(cache) == before


@pytest.mark.parametrize("full", ["posix_fallocate", "replace"])
def test_a_full_disk(cache, monkeypatch, full):
    def refuse(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, full, refuse)
    with pytest.raises(LabError, match=r"0 MB .* cannot be kept there \(No space left on device\); make room") as error:
        make(paint, SIZE, cache)
    assert str(error.value).startswith(str(cache / "noise-"))
    assert names(cache) == []


def test_the_room_is_taken_before_the_work(cache):
    sizes = []

    def look(task):
        (part,) = cache.glob("*.npy.*")
        sizes.append(part.stat().st_size)
        return paint(task)

    make(look, SIZE, cache)
    assert min(sizes) == max(sizes) > EXPECTED.nbytes


def test_a_cache_that_cannot_be(cache):
    cache.parent.write_text("a file")
    with pytest.raises(LabError, match="cannot be kept there") as error:
        make(paint, SIZE, cache)
    assert "\n" not in str(error.value)


# Processes


def test_processes_paint_the_same(cache, two_processes):
    images, sha256 = make(paint, SIZE, cache)
    np.testing.assert_array_equal(images, EXPECTED, strict=True)
    assert sha256 == hashlib.sha256(EXPECTED.tobytes()).hexdigest()


def test_processes_are_used_where_there_are_enough_images(cache, two_processes):
    images, _ = make(paint_process, SIZE, cache)
    assert not (images == paint_process(0)).all(axis=(1, 2, 3)).any(), "none was painted here"
    few, _ = prepare("few", {}, TASKS[:10], paint_process, SIZE, cache)
    assert (few == paint_process(0)).all()


def test_processes_are_not_copies_of_one_that_holds_torch(cache, two_processes):
    import torch  # noqa: F401

    images, _ = make(paint_torch, SIZE, cache)
    assert images.max() == 0
    assert paint_torch(0).max() == 1


def test_what_has_not_begun_is_left_when_something_is_wrong(two_processes):
    def begin_and_fail():
        with prepared._processes(20) as run:
            run(wait, [0.2] * 200)
            raise RuntimeError

    begun = time.monotonic()
    with pytest.raises(RuntimeError):
        begin_and_fail()
    assert time.monotonic() - begun < 10, "all of it takes twenty seconds"


def test_the_first_bad_image_is_named(cache, two_processes):
    with pytest.raises(LabError, match=r"^image 3 is bad$"):
        make(paint_with_two_bad, SIZE, cache)
    assert names(cache) == []


def test_a_process_that_is_killed(cache, two_processes):
    with pytest.raises(LabError, match="noise: a process that prepares images was ended"):
        make(paint_and_die, SIZE, cache)
    assert names(cache) == []


SCRIPT = """
import sys
from pathlib import Path
import test_prepared
from lab_utils.data import prepared

if __name__ == "__main__":
    prepared.joblib.cpu_count, prepared.PER_PROCESS = (lambda: 2), 10
    tasks = range(3 * prepared.CHUNK)
    prepared.prepare("slow", {}, tasks, test_prepared.paint_slowly, test_prepared.SIZE, Path(sys.argv[1]))
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def painters(cache):
    """The ids of the processes that have painted so far: the content of what they paint."""
    content = b"".join(part.read_bytes() for part in cache.iterdir()) if cache.exists() else b""
    return {int(pid) for pid in np.frombuffer(content[128:], np.uint32) if pid}


@pytest.fixture
def preparing(cache, tmp_path):
    """A process in the midst of painting in two others."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(config.ROOT), str(TESTS)])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, script, cache], env=env, start_new_session=True, **pipes) as parent:
        wait_for(lambda: len(painters(cache)) == 2)
        yield parent
        parent.kill()


def test_an_interrupt_at_the_terminal_leaves_nothing(cache, preparing):
    workers = painters(cache)
    os.killpg(preparing.pid, signal.SIGINT)  # as Ctrl-C does, to all of them
    _, errors = preparing.communicate(timeout=20)
    assert preparing.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1, "the parent's"
    assert names(cache) == []
    wait_for(lambda: not any(map(alive, workers)))


def test_who_wants_the_same_images_meanwhile_waits_for_them(cache, preparing):
    """Whatever number its process has: in two containers they are equal."""
    script = SCRIPT.replace("_slowly", "_no_more")
    second = subprocess.Popen(
        [sys.executable, "-c", script, cache], env=os.environ | {"PYTHONPATH": f"{config.ROOT}:{TESTS}"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    (made,) = cache.iterdir()
    assert said == f"waiting: another process is making {made.name}\n"
    preparing.communicate(timeout=20)
    assert preparing.returncode == 0
    assert (np.load(made) != 0).any(axis=(1, 2, 3)).all()


def test_two_processes_of_one_number_write_to_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)
    with files.whole(tmp_path / "a") as one, files.whole(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "one"


def test_processes_end_with_a_parent_that_is_killed(cache, preparing):
    workers = painters(cache)
    assert all(map(alive, workers))
    preparing.kill()
    wait_for(lambda: not any(map(alive, workers)))
    make(paint, SIZE, cache)  # nobody waits for it


def test_in_a_notebook_that_has_imported_torch(cache, monkeypatch):
    import nbclient  # here, for every process that paints imports this file
    import nbformat

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(config.ROOT), str(TESTS)]))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    source = f"""
        import pathlib, torch, test_prepared
        from lab_utils.data import prepared
        torch.ones(200, 200) @ torch.ones(200, 200)
        prepared.joblib.cpu_count, prepared.PER_PROCESS = (lambda: 2), 10
        images, _ = test_prepared.make(test_prepared.paint_process, test_prepared.SIZE, pathlib.Path({str(cache)!r}))
        here = test_prepared.paint_process(0)
        print("elsewhere:", int((images != here).any(axis=(1, 2, 3)).sum()), torch.from_numpy(images).shape[0])
    """
    cell = nbformat.v4.new_code_cell("\n".join(line.strip() for line in source.splitlines()))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
    assert f"elsewhere: {len(TASKS)} {len(TASKS)}" in printed


# Progress


def test_a_line_now_and_then_where_nobody_watches(cache, monkeypatch, capsys):
    make(paint, SIZE, cache)
    printed = capsys.readouterr()
    assert printed == ("noise: preparing 150 images, once\n", ""), "quick work prints no more"
    monkeypatch.setattr(prepared, "REPORT_EVERY", 0.0)
    prepare("again", FACTS, TASKS, paint, SIZE, cache)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [f"again: {n} of 150 images" for n in (64, 128, 150)]


def test_a_bar_where_a_person_watches(cache, monkeypatch, capsys):
    monkeypatch.setattr(prepared, "watched", lambda: True)
    make(paint, SIZE, cache)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "noise: 100%" in printed.err


def test_nothing_here_imports_torch():
    code = "import sys; from lab_utils.data import prepared; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=True)
