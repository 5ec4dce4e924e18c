"""Where a report runs: whatever machine, checkout and settings of a person, it gives the same or says what to do."""

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils import files, sources
from lab_utils.config import ROOT, LabError
from lab_utils.data import prepared
from lab_utils.labs import LABS
from lab_utils.report import depends, execute, lab, limits, request
from lab_utils.report.__main__ import main
from lab_utils.report.kernel import START, Manager
from lab_utils.report.record import Git
from lab_utils.report.request import parse
from lab_utils.report.written import check
from lab_utils.seeds.__main__ import main as seeds
from lab_utils.training import kept
from tests.conftest import one_line

PARAMETERS = 'PROFILE = "auto"  # or another\nSEED = 0\nFACES: str = "auto"\nCHANGES = {}'
GIVEN = ("PROFILE", "SEED", "SPLIT", "FACES")


# Parameters


def saved(path, *cells):
    """A notebook of code cells, each its source and its tags, below one of Markdown."""
    code = [new_code_cell(source, metadata={"tags": list(tags)}) for source, *tags in cells]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Toy"), *code]), path)
    return path


@pytest.mark.parametrize("name", LABS)
def test_the_notebooks_of_the_course_run_as_asked(name):
    check(ROOT / "notebooks" / f"{name}.ipynb", (*GIVEN, "CHANGES", "DATA_DIR"))


@pytest.mark.parametrize(
    "after",
    [
        "def f():\n    SEED = 3\n    return SEED",
        "%matplotlib inline\nprint(SEED)",
        "!SEED=3 make\nfiles = !ls\nprint?",
        "%time print(SEED)",
        "%timeit -n 10 -r 3 print(SEED)",
        "%%capture SEEN\n%%time\nprint(SEED)",
        "%env SEED=3",
        "%%bash\nSEED=3",
        "%%time\nthis is no Python",
        "get_ipython().run_line_magic()",
        "def f(SEED):\n    SEED += 1",
        "def f(a, a):\n    pass",
        "class A:\n    SEED = 3",
        "(lambda: (SEED := 3))()",
        "SEED = 3\n\0",
        f"SEED = {'-' * 10_000}1",
        "PROFILES = [PROFILE]; other = dict(SEED=3)",
        "this is no Python",
        "",
    ],
)
def test_what_changes_no_parameter_may_stand_in_a_cell(tmp_path, after):
    check(saved(tmp_path / "a.ipynb", (PARAMETERS, "parameters"), (after,)), GIVEN)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([(PARAMETERS,)], "no cell has the tag 'parameters'"),
        ([(PARAMETERS, "Parameters")], "no cell has the tag 'parameters'"),
        ([(PARAMETERS, "parameters"), ("1", "parameters")], "cells 2, 3 all have the tag"),
        ([("import os\n" + PARAMETERS, "parameters")], "cell 2, with the tag 'parameters', holds more"),
        ([(PARAMETERS + "\nSEED = int('3')", "parameters")], "holds more"),
        ([(PARAMETERS + "\nSEED += 1", "parameters")], "holds more"),
        ([("this is no Python", "parameters")], "holds more"),
        ([("", "parameters"), (PARAMETERS,)], "does not set PROFILE"),
        ([("PROFILE = 'auto'", "parameters")], "does not set SEED"),
        ([(PARAMETERS, "parameters"), ("%time\nSEED = 7",)], "cell 3 sets SEED"),
        ([("SEED = 7",), (PARAMETERS, "parameters")], "cell 2 sets SEED"),
        ([(PARAMETERS, "parameters"), (PARAMETERS, "injected-parameters")], "cell 3 sets FACES"),
        ([(PARAMETERS, "parameters"), ("from os import name as PROFILE",)], "cell 3 sets PROFILE"),
        ([(PARAMETERS, "parameters"), ("for SEED in range(3):\n    pass",)], "cell 3 sets SEED"),
        ([(PARAMETERS, "parameters"), ("SPLIT: str = 'test'",)], "cell 3 sets SPLIT"),
    ],
)
def test_a_notebook_that_would_not_run_as_asked_is_refused(tmp_path, cells, says):
    with pytest.raises(LabError, match=r"a\.ipynb would not run as asked: ") as error:
        check(saved(tmp_path / "a.ipynb", *cells), GIVEN)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cell",
    [
        "x = !ls\nSEED = 3",
        "print?\nSEED = 3",
        "  SEED = 3",
        ">>> SEED = 3",
        "%time SEED = 3",
        "x = %time SEED = 3",
        "%prun -l 5 -q SEED = 3",
        "if True:\n    %time SEED = 3",
        "%time for SEED in (3,): pass",
        "%%time\nSEED = 3",
        "%%capture out\n%%time\nSEED = 3",
        "%%capture --no-stderr\n%time SEED = 3",
        "def f():\n    global SEED\n    SEED = 3\nf()",
        "class A:\n    def f(self):\n        global SEED\n        import os as SEED",
        "class A:\n    global SEED\n    SEED = 3",
        "[SEED := 3 for _ in (1,)]",
        "(SEED := 3)",
        "with open('x') as SEED: pass",
        "async with a as SEED: pass",
        "await f()\nSEED = 3",
        "def SEED(): pass",
        "match 3:\n    case SEED: pass",
        "del SEED",
    ],
)
def test_a_parameter_is_set_in_whatever_way_it_is_written(tmp_path, cell):
    with pytest.raises(LabError, match="cell 3 sets SEED, in place of what is asked for: remove that line"):
        check(saved(tmp_path / "a.ipynb", (PARAMETERS, "parameters"), (cell,)), GIVEN)


def test_so_is_one_whose_tag_stands_on_text(tmp_path):
    notebook = nbformat.read(saved(tmp_path / "a.ipynb", (PARAMETERS,)), as_version=4)
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    with pytest.raises(LabError, match="cell 1, with the tag 'parameters', is markdown and not code"):
        check(tmp_path / "a.ipynb", GIVEN)


# Broken notebooks


def toy_labs(tmp_path):
    """One toy, which need not be there, and where its report is written."""
    from tests.test_report import lab_of  # which is slow to import

    (tmp_path / "notebooks").mkdir(exist_ok=True)
    return tmp_path / "notebooks", tmp_path / "reports", {"01_good": lab_of("01_good")}


CELLS = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [%s]}'
BROKEN = {
    "it is empty": b"",
    "it is empty ": b" \n",
    "it is not JSON": b"<html>Sign in</html>",
    "it is not JSON ": CELLS.encode()[:40],
    "it is not JSON  ": "\ufeff{}".encode(),
    "it holds a JSON list": b"[]",
    "it holds a JSON NoneType": b"null",
    "its format is 3, not 4": b'{"nbformat": 3, "worksheets": []}',
    "its format is not stated, not 4": b"{}",
    "it has no cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "marks of a merge": b'{\n<<<<<<< HEAD\n "cells": [],\n=======\n "cells": [1],\n>>>>>>> theirs\n "nbformat": 4\n}',
    "it is not UTF-8": '{"nbformat": 4, "cells": ["Größe"]}'.encode("latin-1"),
    "it is not UTF-8 ": CELLS.encode("utf-16"),
    "its cell 1 is none of code": (CELLS % "3").encode(),
    "its cell 1 has no metadata": (CELLS % '{"cell_type": "code"}').encode(),
    "its cell 1 has metadata.tags that should be a valid array": (
        CELLS % '{"cell_type": "raw", "metadata": {"tags": "parameters"}, "source": ""}'
    ).encode(),
    "its cell 1 has source that should be": (CELLS % '{"cell_type": "raw", "metadata": {}, "source": null}').encode(),
    "its cell 1 has no outputs": (CELLS % '{"cell_type": "code", "metadata": {}, "source": ""}').encode(),
    "its cell 1 has no execution_count": (
        CELLS % '{"cell_type": "code", "metadata": {}, "source": "", "outputs": []}'
    ).encode(),
}


@pytest.mark.parametrize("says", BROKEN)
def test_a_broken_notebook_is_one_line_before_anything_runs(tmp_path, capsys, says):
    where = toy_labs(tmp_path)
    (tmp_path / "notebooks/01_good.ipynb").write_bytes(BROKEN[says])
    for command in (lambda: main(["run", "PROFILE=quick"], *where), lambda: seeds(["PROFILE=quick"], *where)):
        assert command() == 2
        one_line(capsys.readouterr(), says.strip())
    assert not (tmp_path / "reports").exists()


def test_so_is_a_directory_in_its_place(tmp_path, capsys):
    where = toy_labs(tmp_path)
    (tmp_path / "notebooks/01_good.ipynb").mkdir()
    assert main(["run", "PROFILE=quick"], *where) == 2
    one_line(capsys.readouterr(), "is a directory, and no notebook")


def test_a_broken_notebook_that_nobody_asks_for_stops_nothing(tmp_path):
    whole = depends.environment(tmp_path).source
    (tmp_path / "Untitled.ipynb").write_bytes(b"")
    (tmp_path / "folder.ipynb").mkdir()
    assert depends.environment(tmp_path).source != whole


# Git


def git(folder, *arguments):
    names = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *names, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit, as this project is one."""
    folder = tmp_path / "it's a répo"
    folder.mkdir()
    git(folder, "init", "--initial-branch=main")
    (folder / "a.txt").write_text("a")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_commit_is_stated_with_whether_files_differ(repository):
    state = depends.git_state(repository)
    assert isinstance(state, Git)
    assert not state.dirty
    (repository / "reports").mkdir()
    (repository / "reports/index.html").write_text("made by a run")
    assert not depends.git_state(repository).dirty
    (repository / "a.txt").write_text("b")
    assert depends.git_state(repository).dirty


def test_of_a_worktree_a_submodule_a_shallow_clone_and_below_a_link(repository, tmp_path):
    git(repository, "worktree", "add", str(tmp_path / "worktree"))
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init")
    git(outer, "submodule", "add", str(repository), "inner")
    git(tmp_path, "clone", "--depth=1", repository.as_uri(), "shallow")
    (tmp_path / "link").symlink_to(repository)
    for folder in (tmp_path / "worktree", outer / "inner", tmp_path / "shallow", tmp_path / "link"):
        state = depends.git_state(folder)
        assert state == depends.git_state(repository)
        assert isinstance(state, Git)


def test_no_commit_of_a_repository_around_the_project(repository):
    inside = repository / "unpacked.zip"
    inside.mkdir()
    assert depends.git_state(inside) == f"it lies in another repository, {repository}"


def test_no_commit_where_there_is_none(tmp_path):
    assert depends.git_state(tmp_path) == "it is no git checkout"
    git(tmp_path, "init")
    assert depends.git_state(tmp_path) == "it has no commit yet"


def test_no_commit_of_a_checkout_of_another_user(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # which may trust all
    state = depends.git_state(repository)
    assert "belongs to another user" in state
    assert f"safe.directory '{repository}'" in state


@pytest.mark.parametrize("content", ["gitdir: /gone\n", "nonsense"])
def test_no_commit_of_a_broken_checkout(repository, content):
    shutil.rmtree(repository / ".git")
    (repository / ".git").write_text(content)
    assert depends.git_state(repository).startswith("git says: ")


def test_no_commit_without_git(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert depends.git_state(repository) == "there is no command git"


def test_no_commit_from_a_git_that_hangs(repository, monkeypatch, tmp_path):
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(depends, "GIT_TIMEOUT", 0.2)
    assert depends.git_state(repository) == "git did not answer in 0.2 seconds"


def test_a_hook_of_another_repository_does_not_mislead(repository, tmp_path, monkeypatch):
    before = depends.git_state(repository)
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert depends.git_state(repository) == before


def test_the_reason_is_kept_and_told(tmp_path, monkeypatch):
    from lab_utils.report.index import commit_line

    monkeypatch.setattr(depends, "git_state", lambda: "it lies in another repository, /x")
    found = depends.environment(tmp_path)
    assert (found.git, found.no_git) == (None, "it lies in another repository, /x")
    assert commit_line(SimpleNamespace(environment=found)) == "not known: it lies in another repository, /x"


# JupyterLab


class Became(Exception):  # noqa: N818, no error
    """What this process would have become."""


@pytest.fixture
def become(monkeypatch):
    """The options and the environment of the JupyterLab that `make lab` with these arguments becomes."""

    def execve(_, command, env):
        raise Became(command, env)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    for name in ("DATA_DIR", "JUPYTER_PATH", "OMP_NUM_THREADS", *lab.SCREENS):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        with pytest.raises(Became) as became:
            lab.lab(arguments)
        command, env = became.value.args
        assert command[:4] == [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
        return command[4:], env

    return run


@pytest.mark.parametrize(("user", "there"), [(0, True), (1000, False)])
def test_jupyterlab_runs_as_root_too(become, monkeypatch, user, there):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    options, _ = become()
    assert ("--allow-root" in options) is there
    assert not any("ip" in option.partition("=")[0] for option in options)  # on this machine alone


def test_options_of_jupyterlab_come_last_so_that_they_win(become):
    options, _ = become("LAB=--no-browser --ip=0.0.0.0 --notebook-dir='/my notes'", "PROFILE=", "DATA_DIR=")
    assert options[-3:] == ["--no-browser", "--ip=0.0.0.0", "--notebook-dir=/my notes"]


@pytest.mark.parametrize(("screen", "browser"), [(None, False), ("DISPLAY", True), ("WAYLAND_DISPLAY", True)])
def test_no_browser_is_looked_for_where_there_is_no_screen(become, monkeypatch, screen, browser):
    monkeypatch.setattr(sys, "platform", "linux")
    if screen:
        monkeypatch.setenv(screen, ":0")
    assert ("--no-browser" not in become()[0]) is browser


@pytest.mark.parametrize("name", ["my data", "o'b", "Ke$ha", "Größe", "数据", "a#b", "100%", 'say "so"'])
def test_jupyterlab_is_told_where_the_data_is(become, monkeypatch, tmp_path, name):
    (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in (str(tmp_path / name), f"~/{name}", os.path.relpath(tmp_path / name)):
        _, env = become(f"DATA_DIR={written}", f"CACHE={written}")
        assert Path(env["DATA_DIR"]).is_absolute()
        assert Path(env["DATA_DIR"]).samefile(tmp_path / name)
        assert Path(env["LAB_CACHE"]).samefile(tmp_path / name)
    assert "DATA_DIR" not in become()[1]


def test_jupyterlab_has_this_interpreters_kernel_whatever_is_on_the_path(become, monkeypatch, tmp_path):
    from jupyter_client.kernelspec import KernelSpecManager

    stale_kernel(tmp_path, "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "odd")
    _, env = become()
    assert "MPLBACKEND" not in env
    assert env["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    monkeypatch.setenv("JUPYTER_PATH", env["JUPYTER_PATH"])
    found = KernelSpecManager().get_kernel_spec("python3")
    assert found.argv[:3] == ["python", "-m", "ipykernel_launcher"]  # "python" is the interpreter of the server


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("LAB=--ip='", "LAB=--ip=': No closing quotation"),
        ("DATA_DIR=/no where", "DATA_DIR=/no where: there is no such directory"),
        ("CACHE=/etc/passwd", "CACHE=/etc/passwd: this is not a directory"),
        (f"CACHE={'x' * 300}", "File name too long; give another folder"),
        ("LABB=1", "there is no 'LABB'"),
        ("DATA_DIR=~nobody-of-that-name/x", "there is no such user"),
    ],
)
def test_wrong_arguments_of_lab_are_one_line(capsys, argument, says):
    assert main(["lab", argument]) == 2
    one_line(capsys.readouterr(), says)


# The share of cores


@pytest.mark.parametrize(
    ("quota", "seen", "jobs", "threads"),
    [(2, 2, 1, None), (64, 64, 1, None), (2, 64, 1, 2), (1, 8, 1, 1), (8, 8, 2, 4), (4, 64, 2, 2), (1, 64, 2, 1)],
)
def test_threads_follow_the_quota_and_are_torchs_own_without_one(monkeypatch, quota, seen, jobs, threads):
    monkeypatch.setattr(execute.joblib, "cpu_count", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(seen)), raising=False)
    assert execute.threads_each(jobs) == threads
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: seen)
    assert execute.threads_each(jobs) == threads


@pytest.mark.parametrize(("given", "threads"), [(None, "2"), ("3", "3")])
def test_threads_that_are_given_win(monkeypatch, given, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert execute.environment(parse(["PROFILE=smoke"], LABS), 2, {})["OMP_NUM_THREADS"] == threads


# What libraries are told by their environment, and what a kernel would then compute with: threads, instructions, TF32.
TOLD = {
    "MKL_NUM_THREADS": "1", "MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "MKL_DYNAMIC": "TRUE",
    "OMP_THREAD_LIMIT": "1", "OMP_DYNAMIC": "TRUE", "GOMP_CPU_AFFINITY": "0", "KMP_DETERMINISTIC_REDUCTION": "1",
    "ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "OPENBLAS_NUM_THREADS": "1", "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "NVIDIA_TF32_OVERRIDE": "1", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "CUBLAS_WORKSPACE_CONFIG": ":0:0",
    "TORCHINDUCTOR_MAX_AUTOTUNE": "1", "PYTORCH_JIT": "0", "SKLEARN_WORKING_MEMORY": "1",
}  # fmt: skip
OF_A_MACHINE = {
    "OMP_NUM_THREADS": "2", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "CUDA_VISIBLE_DEVICES": "0", "CUDA_HOME": "/c",
    "LD_LIBRARY_PATH": "/x", "HOME": "/h", "PATH": "/p", "TMPDIR": "/t", "https_proxy": "http://p", "LANG": "C",
    "SSL_CERT_FILE": "/s", "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True", "KMP_DUPLICATE_LIB_OK": "TRUE",
    "TORCH_HOME": "/h", "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512",
    "LOKY_MAX_CPU_COUNT": "2", "XDG_CACHE_HOME": "/c", "MINE": "1",
}  # fmt: skip


def test_of_what_libraries_are_told_only_what_is_said_of_the_machine_reaches_kernels(monkeypatch):
    for name, value in (TOLD | OF_A_MACHINE).items():
        monkeypatch.setenv(name, value)
    env = execute.environment(parse(["PROFILE=smoke", "NB=01"], LABS), 4, {})
    assert not TOLD.keys() & env.keys()
    assert {name: env.get(name) for name in OF_A_MACHINE} == OF_A_MACHINE


def test_a_kernel_computes_the_same_whatever_they_are_told(monkeypatch):
    code = "import torch; print(torch.get_num_threads(), torch.backends.cpu.get_cpu_capability())"

    def computes_with(env):
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    plain = execute.environment(parse(["PROFILE=smoke"], LABS), None, {})
    for name in ("MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY"):
        monkeypatch.setenv(name, TOLD[name])
    told = execute.environment(parse(["PROFILE=smoke"], LABS), None, {})
    assert computes_with(told) == computes_with(plain)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="control groups are of Linux")
@pytest.mark.parametrize(
    ("files_of", "cores"),
    [
        ({"/sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        (
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            2,
        ),
    ],
)
def test_joblib_counts_the_quota_of_a_container(monkeypatch, files_of, cores):
    """What this project relies on, for both versions of control groups."""
    from joblib.externals.loky.backend import context

    real = open

    def opened(path, *arguments, **keywords):
        if str(path) in files_of:
            return SimpleNamespaceFile(files_of[str(path)])
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os.path, "exists", lambda path: str(path) in files_of)
    monkeypatch.setattr(context, "open", opened, raising=False)
    assert context._cpu_count_cgroup(64) == (cores or 64)


class SimpleNamespaceFile:
    """An open file that holds a text."""

    def __init__(self, text):
        self.text = text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self):
        return self.text


# What the system allows


@pytest.mark.parametrize(
    ("name", "allowed", "says"),
    [
        (
            "RLIMIT_NOFILE",
            64,
            "the system allows 64, and a notebook needs 128 files open at once: allow more with ulimit",
        ),
        ("RLIMIT_AS", 200_000_000, "the system allows 200,000,000, and a notebook needs a gigabyte of addresses"),
    ],
)
@pytest.mark.parametrize("command", [main, seeds])
def test_a_limit_under_which_no_notebook_runs_is_one_line(tmp_path, monkeypatch, capsys, command, name, allowed, says):
    real = limits.resource.getrlimit
    number = getattr(limits.resource, name)
    monkeypatch.setattr(limits.resource, "getrlimit", lambda kind: (allowed,) * 2 if kind == number else real(kind))
    assert command((["run"] if command is main else []) + ["PROFILE=quick"], *toy_labs(tmp_path)) == 2
    one_line(capsys.readouterr(), says)
    assert not (tmp_path / "reports").exists()


def test_so_is_one_that_leaves_too_few_threads(tmp_path, monkeypatch, capsys):
    real, running = limits.threading.Thread.start, []

    def start(thread):
        if len(running) == 3:
            raise RuntimeError("can't start new thread")
        running.append(thread)
        real(thread)

    with monkeypatch.context() as patch:
        patch.setattr(limits.threading.Thread, "start", start)
        assert main(["run", "PROFILE=quick"], *toy_labs(tmp_path)) == 2
    one_line(capsys.readouterr(), "lets this user start 3 more threads, and a notebook needs 40: end other programs")
    assert not any(thread.is_alive() for thread in running)


def test_where_there_are_no_limits_none_are_looked_at(monkeypatch):
    limits.check()
    monkeypatch.setattr(limits, "resource", None)
    limits.check()


def test_imports_that_cannot_be_read_for_want_of_threads_are_one_line(tmp_path, monkeypatch):
    class PanicException(BaseException):  # as Rust calls it
        pass

    def panics(*_, **__):
        raise PanicException("The global thread pool has not been initialized.")

    monkeypatch.setattr(sources.grimp, "build_graph", panics)
    with pytest.raises(LabError, match="the imports of the package cannot be read: The global thread pool"):
        sources.import_graph.__wrapped__(ROOT, 0)


def test_a_folder_whose_name_is_no_text_is_one_line(monkeypatch, capsys):
    folder = Path(os.fsdecode(b"/tmp/\xff\xfe"))
    with pytest.raises(LabError, match="this is no name in UTF-8; move the project to a folder that has one"):
        limits.check_folder(folder)
    monkeypatch.setattr(limits.check_folder, "__defaults__", (folder,))
    for arguments in (["run"], ["data"], ["lab"], ["compare", "A=x", "B=y"]):
        assert main(arguments) == 2
        one_line(capsys.readouterr(), r"/tmp/\udcff\udcfe: this is no name in UTF-8")


def test_what_a_process_says_last_is_its_reason_if_it_leaves_no_other(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("OSError: before\nzmq.error.ZMQError: Too many open files\n\n----\nException encountered at 3\n\n")
    said = "the process ended with status 1 (zmq.error.ZMQError: Too many open files)"
    assert execute.process_reason(tmp_path / "a.ipynb", 1, log) == said
    (tmp_path / "a.error").write_text("OSError: other")
    assert execute.process_reason(tmp_path / "a.ipynb", 1, log) == "OSError: other"
    log.write_text("nothing\n")
    (tmp_path / "a.error").unlink()
    assert execute.process_reason(tmp_path / "a.ipynb", 1, log) == "the process ended with status 1"


# Where things are written


def test_reports_and_cache_are_where_a_person_says(tmp_path):
    given = parse(["PROFILE=smoke", f"REPORTS={tmp_path}/my reports", f"CACHE={tmp_path}/c"], LABS)
    places = request.places_of(given, ROOT / "notebooks", ROOT / "reports", LABS)
    assert places.folder == tmp_path / "my reports" / "smoke"
    assert places.published == ROOT / "reports" / "published"  # a part of the project
    assert execute.environment(given, None, {})["LAB_CACHE"] == f"{tmp_path}/c"
    code = "from lab_utils import config; print(config.CACHE)"
    for name, folder in {f"{tmp_path}/c": f"{tmp_path}/c", "": str(ROOT / "data/cache")}.items():
        env = os.environ | {"LAB_CACHE": name}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.stdout == f"{folder}\n"


def test_prepared_images_are_too(tmp_path, monkeypatch):
    from lab_utils.data import faces

    asked = {}
    monkeypatch.setattr(faces, "load", lambda *_, **keywords: asked.update(keywords))
    monkeypatch.setattr(faces, "describe", lambda _: {})
    depends.load_data(parse(["PROFILE=smoke", "NB=02", f"CACHE={tmp_path}"], LABS), LABS)
    assert asked["cache"] == tmp_path


@pytest.mark.parametrize("word", ["REPORTS", "CACHE"])
def test_a_file_is_no_place_to_write_to(capsys, word):
    assert main(["run", "PROFILE=smoke", f"{word}=/etc/passwd"]) == 2
    one_line(capsys.readouterr(), f"{word}=/etc/passwd: this is not a directory")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_checkout_that_cannot_be_written_to_is_one_line_that_says_what_to_do(capsys, tmp_path, number):
    def refused():
        raise OSError(number, os.strerror(number), str(tmp_path / "reports/quick"))

    assert request.exit_code(refused, tmp_path / "reports", "") == 2
    one_line(capsys.readouterr(), "; write reports elsewhere with REPORTS=dir")
    assert request.exit_code(refused, tmp_path / "elsewhere", "") == 2
    assert "REPORTS" not in capsys.readouterr().err


def test_so_is_a_cache(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="with CACHE=dir"):
        kept.made_once(tmp_path / "file" / "judge.safetensors", bytes)
    with pytest.raises(LabError, match="with CACHE=dir"):
        prepared.prepare("a", {}, [0], None, 8, tmp_path / "file")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, capsys, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.fcntl, "flock", flock)
    for _ in range(2):
        with files.locked(tmp_path / "reports"):
            pass
    _, was_there = kept.made_once(tmp_path / "judge", lambda: ({"weight": torch.ones(1)}, ""))
    assert not was_there
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2  # once for each folder
    assert all(line.startswith("warning: ") and "has no locks; run one command at a time" in line for line in said)


def test_another_trouble_with_a_lock_is_none_to_pass_over(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"), files.locked(tmp_path):
        pass


def test_one_that_is_held_is_not_taken(tmp_path):
    with open(tmp_path / "lock", "ab") as first, open(tmp_path / "lock", "ab") as second:
        assert files.lock(first)
        assert not files.lock(second, wait=False)
        first.close()
        assert files.lock(second, wait=False)


def linked_to_nothing(path):
    path.symlink_to("nowhere/at/all")


OTHERS = {
    Path.mkdir: "a directory",
    os.mkfifo: "neither a file nor a directory",
    linked_to_nothing: "a link that leads",
}


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.__name__)
def test_what_is_no_file_in_the_place_of_one_is_a_line_that_says_so(tmp_path, other):
    """And neither waited for, as a pipe would be, nor written to."""
    for name in ("x", ".lock", ".judge.lock", "prepared-44136fa355b3678a.npy"):  # the key of no facts
        other(tmp_path / name)
    uses = {
        "x": lambda: files.read_json(tmp_path / "x"),
        "x ": lambda: files.write_whole(tmp_path / "x", "text"),
        "x  ": lambda: kept.made_once(tmp_path / "x", bytes),
        ".lock": lambda: files.locked(tmp_path).__enter__(),
        ".judge.lock": lambda: kept.made_once(tmp_path / "judge.safetensors", bytes),
        "prepared-44136fa355b3678a.npy": lambda: prepared.prepare("prepared", {}, [0], None, 8, tmp_path),
    }
    before = sorted(tmp_path.iterdir())
    for name, use in uses.items():
        with pytest.raises(
            LabError, match=f"should be a file and is {OTHERS[other]}.*: remove it and run again"
        ) as error:
            use()
        assert str(error.value).startswith(f"{tmp_path / name.strip()} ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("other", [Path.touch, linked_to_nothing], ids=lambda other: other.__name__)
def test_so_is_what_is_no_folder_in_the_place_of_one(tmp_path, other):
    other(tmp_path / "reports")
    for use in (
        lambda: files.write_whole(tmp_path / "reports/quick/index.html", "text"),
        lambda: files.locked(tmp_path / "reports/quick").__enter__(),
    ):
        with pytest.raises(
            LabError, match=f"^{tmp_path / 'reports'} should be a directory and is a .*: remove it and run"
        ):
            use()


def test_a_link_to_a_folder_or_file_is_as_good(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "reports").symlink_to(tmp_path / "elsewhere")
    files.write_whole(tmp_path / "reports/quick/a", "1")
    (tmp_path / "reports/quick/b").symlink_to(tmp_path / "reports/quick/a")
    assert files.read_json(tmp_path / "reports/quick/b") == 1


def test_images_are_prepared_where_room_cannot_be_taken_at_once(tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    images, _ = prepared.prepare("a", {}, [1, 2], lambda n: np.full((3, 2, 2), n, np.uint8), 2, tmp_path)
    assert images[:, 0, 0, 0].tolist() == [1, 2]


def test_the_words_are_in_the_readme_and_in_help():
    known = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("KNOWN :="))
    readme = (ROOT / "README.md").read_text()
    for word in [*known.split(":=")[1].split(), "LAB"]:
        assert f"{word}=" in readme
        assert f"{word}=" in (ROOT / "Makefile").read_text()


# The kernel


def stale_kernel(folder, name):
    """A kernel whose interpreter is gone, as an environment that was removed leaves it."""
    home = folder / "kernels" / name
    home.mkdir(parents=True)
    (home / "kernel.json").write_text(
        json.dumps({"argv": ["/gone/python", "-f", "{connection_file}"], "display_name": "gone", "language": "python"})
    )


def test_the_kernel_is_this_interpreters(tmp_path, monkeypatch):
    stale_kernel(tmp_path, "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    for name in ("python3", "conda-env-x"):
        argv = Manager(kernel_name=name).kernel_spec.argv
        assert (argv[0], argv[-2:]) == (sys.executable, ["-f", "{connection_file}"])


def test_it_finds_this_package_from_wherever(tmp_path):
    start = START.format(root='/x/it\'s \\ "a" {b}: é').replace("from lab_utils", "print(ascii(sys.path[0])) #")
    done = subprocess.run([sys.executable, "-c", start], cwd=tmp_path, capture_output=True, text=True)
    assert ast.literal_eval(done.stdout) == '/x/it\'s \\ "a" {b}: é'


@pytest.mark.parametrize("trouble", [RuntimeError("Kernel didn't respond in 600 seconds"), OSError("Address in use")])
@pytest.mark.parametrize(("failures", "code"), [(0, 0), (1, 0), (2, None)])
def test_a_kernel_that_does_not_start_is_tried_once_more(tmp_path, monkeypatch, capsys, trouble, failures, code):
    import papermill

    tries = []

    def execute_notebook(*_, **asked):
        tries.append(asked["start_timeout"])
        if len(tries) <= failures:
            raise trouble

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(execute, "end_with_parent", lambda: None)
    monkeypatch.setattr(execute.signal, "signal", lambda *_: None)
    monkeypatch.setenv("IPYTHONDIR", "")
    asked = [str(tmp_path / "a.ipynb"), str(tmp_path / "b.ipynb"), "{}", "60"]
    if code is None:
        with pytest.raises(type(trouble)):
            execute.execute(*asked)
        assert execute.process_reason(tmp_path / "b.ipynb", 1).startswith("the kernel did not start, tried twice (")
    else:
        assert execute.execute(*asked) == code
    assert tries == [600] * min(2, 1 + failures)
    assert capsys.readouterr().err.count("once more") == min(1, failures)


def test_a_kernel_that_dies_later_is_not(tmp_path, monkeypatch):
    import papermill

    tries = []

    def execute_notebook(*_, **__):
        tries.append(1)
        cell = new_code_cell("1", metadata={"papermill": {"start_time": "now"}})
        nbformat.write(new_notebook(cells=[cell]), tmp_path / "b.ipynb")
        raise RuntimeError("Kernel died")

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setenv("IPYTHONDIR", "")
    with pytest.raises(RuntimeError):
        execute.run_cells(tmp_path / "a.ipynb", tmp_path / "b.ipynb", {}, 60)
    assert len(tries) == 1


# Python, personal settings, locale


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_the_syntax_is_that_of_each_python(version):
    for path in [*(ROOT / "lab_utils").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=version)


def test_every_text_is_read_and_written_as_utf_8():
    """A call that names no encoding takes that of the locale."""
    for path in [*(ROOT / "lab_utils").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and takes_text(node):
                named = {keyword.arg for keyword in node.keywords}
                assert "encoding" in named or None in named, f"{path.relative_to(ROOT)}:{node.lineno}"


def takes_text(call):
    """Whether a call opens text: read_text and write_text without arguments that say how, open without a b."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("run", "Popen"):
        return any(keyword.arg in ("text", "universal_newlines") for keyword in call.keywords)
    if name == "read_text":
        return not call.args
    if name == "write_text":
        return len(call.args) < 2
    if name == "open" and isinstance(call.func, ast.Name):
        return not (len(call.args) > 1 and isinstance(call.args[1], ast.Constant) and "b" in call.args[1].value)
    return False


def test_kernels_see_no_settings_of_the_person(monkeypatch):
    personal = ("MPLBACKEND", "MATPLOTLIBRC", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT")
    for name in (*personal, "PYTHONHOME"):
        monkeypatch.setenv(name, "odd")
    monkeypatch.setenv("PYTHONUTF8", "0")
    env = execute.environment(parse(["PROFILE=smoke"], LABS), None, {})
    assert not {*personal} & env.keys()
    assert (env["PYTHONHOME"], env["PYTHONUTF8"]) == ("odd", "1")


# A report of this, in words that an ASCII terminal does not have, is made twice.
TOY = r"""
import json, os, sys
import matplotlib
from IPython.display import display
from lab_utils import figures
print("·⁻⁵ − σ²", matplotlib.rcParams["savefig.bbox"], matplotlib.rcParams["font.size"], matplotlib.get_backend())
print(sorted(name for name in globals() if name.startswith("MINE")), os.path.basename(os.getcwd()))
print(json.dumps(open("words.txt").read()), "DATA_DIR" in os.environ)
display({"image/png": figures.png(figures.lines({"a": ([0, 1], [1, 2])}, x_label="x", y_label="y"))}, raw=True)
"""
COMMAND = r"""
import os, sys
sys.path.insert(0, os.getcwd())
from dataclasses import dataclass
from pathlib import Path
from lab_utils.labs.spec import Deliverable, Lab
from lab_utils.report.__main__ import main
from lab_utils.report.command import in_utf8
in_utf8()
@dataclass(frozen=True)
class Settings:
    steps: int = 1
lab = Lab("01_toy", "Toy", "Does it run?", (), {"smoke": Settings()}, {"toy.1": Deliverable("A picture")}, {})
at = Path(sys.argv[1])
sys.exit(main(["run", "PROFILE=smoke"], at / "notebooks", at / "reports", {"01_toy": lab}))
"""


def toy_project(at):
    """A copy of the package, and a notebook beside it."""
    at.mkdir()
    shutil.copytree(ROOT / "lab_utils", at / "lab_utils", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, at)
    (at / "notebooks").mkdir()
    (at / "notebooks/words.txt").write_text("Größe −", encoding="utf-8")
    notebook = new_notebook(
        cells=[
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, id="one"),
            new_code_cell(TOY, metadata={"tags": ["toy.1"]}, id="two"),
        ],
        metadata={"kernelspec": {"name": "conda-env-x", "display_name": "gone", "language": "julia"}},
    )
    nbformat.write(notebook, at / "notebooks/01_toy.ipynb")
    return at


def hostile(at, home):
    """Settings of a person who has set everything, in a locale without UTF-8; returns their environment."""
    startup = home / ".ipython/profile_default"
    (startup / "startup").mkdir(parents=True)
    (startup / "startup/00.py").write_text("MINE = 1; print('started')")
    (startup / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['MINE_TOO = 1', 'print(2)']")
    (startup / "ipython_kernel_config.py").write_text("c.IPKernelApp.exec_lines = ['MINE_THREE = 1']; 1 / 0")
    rc = "savefig.bbox: tight\nfont.size: 33\nbackend: agg\nno.such.key: 1\n"
    (home / ".config/matplotlib").mkdir(parents=True)
    for path in (home / ".config/matplotlib/matplotlibrc", home / "rc", at / "notebooks/matplotlibrc"):
        path.write_text(rc)
    (home / "mine.py").write_text("MINE_FOUR = 1; print('mine')")
    templates = home / "jupyter/nbconvert/templates/lab"
    templates.mkdir(parents=True)
    (templates / "index.html.j2").write_text("mine")
    (templates / "conf.json").write_text('{"base_template": "lab"}')
    for name in ("python3", "conda-env-x"):
        stale_kernel(home / "jupyter", name)
    personal = {
        "HOME": str(home), "IPYTHONDIR": str(home / ".ipython"), "MATPLOTLIBRC": str(home / "rc"), "MPLBACKEND": "odd",
        "PYTHONSTARTUP": str(home / "mine.py"), "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"), "XDG_CONFIG_HOME": str(home / ".config"),
        "PYTHONWARNINGS": "always", "DATA_DIR": "/gone", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
    }  # fmt: skip
    kept_names = ("PATH", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR")
    return {name: os.environ[name] for name in kept_names if name in os.environ} | personal


@pytest.mark.slow
def test_a_hostile_environment_changes_no_byte(tmp_path):
    """Personal settings, a stale kernel, an ASCII terminal and a checkout in a folder of an odd name."""
    plain, odd = toy_project(tmp_path / "plain"), toy_project(tmp_path / "o'b $x é:# 100% 数据")
    environments = {plain: dict(os.environ), odd: hostile(odd, tmp_path / "home")}
    for at, env in environments.items():
        done = subprocess.run([sys.executable, "-c", COMMAND, str(at)], cwd=at, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    first, second = (at / "reports/smoke" for at in environments)
    for name in ("notebooks/01_toy.ipynb", "figures/01_toy/toy.1.png", "metrics/01_toy.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    executed = (second / "notebooks/01_toy.ipynb").read_text(encoding="utf-8")
    assert "·⁻⁵ − σ² None 10.0" in executed or "·⁻⁵ − σ² standard 10.0" in executed
    assert r"[] notebooks\n" in executed
    assert "figure" in (second / "html/01_toy.html").read_text(encoding="utf-8")
    assert (second / "html/01_toy.html").read_text(encoding="utf-8") != "mine"


@pytest.mark.slow
@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_without_a_home(tmp_path, home):
    at = toy_project(tmp_path / "project")
    env = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    env |= {"HOME": home} if home else {}
    done = subprocess.run(
        ["bash", "-c", 'umask 077; exec "$@"', "bash", sys.executable, "-c", COMMAND, str(at)],
        cwd=at, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (at / "reports/smoke/figures/01_toy/toy.1.png").is_file()
