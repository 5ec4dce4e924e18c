"""What everything stands on: profiles and seeds, files, who watches."""

import inspect
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from lab_utils import clock, config, files, gpu, watch
from lab_utils.config import LabError
from lab_utils.run import Run, noise, rng, start


@pytest.mark.parametrize(("gpu", "profile"), [(True, "full"), (False, "quick")])
def test_auto_follows_the_hardware(monkeypatch, gpu, profile):
    monkeypatch.setattr(config, "gpu_present", lambda: gpu)
    assert config.resolve_profile("auto") == config.resolve_profile("") == profile
    assert config.resolve_profile("smoke") == "smoke"


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_bad_seeds_are_one_line(seed):
    with pytest.raises(LabError, match="SEED="):
        start(seed)


def test_unknown_profile_is_one_line():
    with pytest.raises(LabError, match="'fast' is not a profile: choose one of auto, smoke, quick, long, full"):
        config.resolve_profile("fast")


def test_a_user_error_shows_as_one_line_in_jupyter():
    assert LabError("DATA_DIR: not there")._render_traceback_() == ["LabError: DATA_DIR: not there"]


# Files


def test_a_file_is_there_whole_with_what_was_written(tmp_path):
    path = tmp_path / "new" / "folder" / "page.html"
    files.write_whole(path, "µ = 1\n")
    assert path.read_bytes() == "µ = 1\n".encode()
    files.write_whole(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [one.name for one in path.parent.iterdir()] == ["page.html"]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OSError, RuntimeError])
@pytest.mark.parametrize("before", [None, "as it was"])
def test_after_an_error_a_file_is_as_it_was(tmp_path, trouble, before):
    path = tmp_path / "page.html"
    if before:
        path.write_text(before)

    def write():
        with files.whole(path) as part:
            part.write_text("half of it")
            assert part.parent == path.parent  # one rename puts it in place
            raise trouble

    with pytest.raises(trouble):
        write()
    assert [one.read_text() for one in tmp_path.iterdir()] == ([before] if before else [])


def test_nothing_written_is_an_error_that_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), files.whole(tmp_path / "page.html"):
        pass
    assert not list(tmp_path.iterdir())


def test_hashes_know_the_content_and_not_the_order_of_names(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.digest({"a": 1, "b": [2, None]}) == files.digest({"b": [2, None], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 1.5})


def test_json_comes_back_as_it_was(tmp_path):
    value = {"b": [1, 2.5, None], "a": "σ² and ≥"}
    text = files.to_json(value)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert files.read_json(tmp_path / "a.json") == value
    assert text.endswith("}\n")
    assert "σ²" in text
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.to_json({"a": float("nan")})


def test_a_path_is_said_as_short_as_it_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.shown(tmp_path / "a" / "b") == "a/b"
    assert files.shown(tmp_path.parent) == str(tmp_path.parent)


def test_a_clocked_function_keeps_what_it_is():
    @clock.spend("metrics")
    def twice(x: int) -> int:
        """Twice x."""
        return 2 * x

    before = clock.spent()["metrics"]
    assert [twice(1), twice(2)] == [2, 4]
    assert clock.spent()["metrics"] > before
    assert twice.__doc__ == "Twice x."
    assert list(inspect.signature(twice).parameters) == ["x"]


# Who watches, and streams


def test_streams_do_not_disturb_one_another():
    alone = noise(3, 2, rng(0, "a"))
    noise(100, 2, rng(0, "b"))
    assert noise(3, 2, rng(0, "a")).equal(alone)
    assert not noise(3, 2, rng(1, "a")).equal(alone)


def test_what_is_compared_over_seeds_begins_with_that_of_the_run():
    run = Run(seed=3, device=torch.device("cpu"), precision=torch.float32)
    assert run.seeds(3) == [run, replace(run, seed=4), replace(run, seed=5)]
    assert run.seeds(1)[0].noise(3, 2, "a").equal(run.noise(3, 2, "a"))


@pytest.mark.parametrize(
    ("terminal", "kernel", "headless", "jupyter"),
    [(True, False, False, False), (False, False, False, False), (False, True, False, True), (False, True, True, False)],
)
def test_who_watches(monkeypatch, terminal, kernel, headless, jupyter):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.delenv("LAB_HEADLESS", raising=False)
    shell = SimpleNamespace(kernel=None) if kernel else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    if headless:
        monkeypatch.setenv("LAB_HEADLESS", "1")
    assert watch.in_jupyter() is jupyter
    assert watch.watched() is (terminal or jupyter)


# A GPU that torch can use

STUB = """
int cuInit(unsigned f) {{ return 0; }}
int cuDeviceGetCount(int *n) {{ *n = {devices}; return 0; }}
"""
ASK = """
import sys
from lab_utils import config
print(config.gpu_present(), config.gpu_present(), config.resolve_profile("auto"), "torch" in sys.modules)
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")
@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU")
@pytest.mark.parametrize("devices", [0, 1])
def test_a_driver_that_torch_cannot_use_is_no_gpu(tmp_path, devices):
    (tmp_path / "stub.c").write_text(STUB.format(devices=devices))
    stub = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", stub, tmp_path / "stub.c"], check=True)
    env = os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(config.ROOT)}
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False False quick False\n"
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == devices
    assert all("cannot use it" in line and "CPU" in line and "quick" in line for line in said)


@pytest.mark.parametrize(
    ("cuda", "error", "says"),
    [
        (
            "13.0",
            RuntimeError("no kernel image\nCompile with"),  # as where only an allocation fails
            "(built for CUDA 13.0; CUDA initialization: the driver is too old (found version 12040); "
            "RuntimeError: no kernel image)",
        ),
        (None, AssertionError("Torch not compiled with CUDA enabled"), "(built without CUDA; CUDA initialization"),
        ("13.0", torch.OutOfMemoryError("CUDA out of memory"), "OutOfMemoryError: CUDA out of memory"),
    ],
)
def test_why_torch_cannot_use_the_gpu_is_said_in_one_line(monkeypatch, recwarn, cuda, error, says):
    def ones(*_, **__):
        warnings.warn("CUDA initialization: the driver is too old\n(found version 12040)", stacklevel=1)
        raise error

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    said = gpu.trouble()
    assert says in said
    assert "\n" not in said
    assert not recwarn.list


@pytest.mark.parametrize("trouble", ["", "torch cannot use it (built without CUDA)"])
def test_a_gpu_is_one_that_torch_computed_on(monkeypatch, capsys, trouble):
    monkeypatch.delenv("LAB_DEVICE", raising=False)
    monkeypatch.setattr(config, "driver_answers", lambda: True)
    monkeypatch.setattr(config, "gpu_trouble", lambda: trouble)
    assert config.gpu_present.__wrapped__() is not bool(trouble)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == bool(trouble)
    assert all(trouble in line and "CPU" in line and "quick" in line for line in said)


@pytest.mark.parametrize(("visible", "lines"), [("", 0), ("-1", 0), ("99", 1), ("GPU-none", 1)])
def test_a_list_of_gpus_that_names_none_is_said(monkeypatch, capsys, visible, lines):
    monkeypatch.delenv("LAB_DEVICE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(config, "driver_answers", lambda: False)
    assert config.gpu_present.__wrapped__() is False
    assert capsys.readouterr().err.count(f"warning: CUDA_VISIBLE_DEVICES={visible} shows no GPU") == lines


@pytest.mark.parametrize(("told", "present"), [("cuda", True), ("cpu", False)])
def test_a_notebook_of_a_report_computes_where_the_report_says(monkeypatch, told, present):
    monkeypatch.setenv("LAB_DEVICE", told)
    monkeypatch.setattr(config, "driver_answers", lambda: not present)
    assert config.gpu_present.__wrapped__() is present


def test_a_library_that_only_has_the_name_of_a_driver_is_none(monkeypatch):
    monkeypatch.setattr(config.ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not config.driver_answers()


def test_both_names_of_tf32_can_be_read_after_a_start():
    code = "from lab_utils.run import start; start(0); import torch; b = torch.backends; "
    code += "print(b.cudnn.allow_tf32, b.cuda.matmul.allow_tf32, b.cudnn.conv.fp32_precision)"
    env = os.environ | {"PYTHONPATH": str(config.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == ["False", "False"]
    assert "tf32" not in done.stdout
