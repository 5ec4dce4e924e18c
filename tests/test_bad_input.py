"""Whatever is wrong with what a command is given, it says so in one line with what to do, and leaves nothing behind.

A table for each kind of input: what is given, and words of the line that must be said.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output
from test_report import PARAMETERS, TOYS, notebook

from benchmarks import __main__ as bench
from lab_utils import config, handover
from lab_utils.config import ROOT, LabError
from lab_utils.labs import LABS
from lab_utils.report import __main__ as report
from lab_utils.report import build, compare, depends, plan, publish, record, submit, verify, written
from lab_utils.report.execute import Outcome
from lab_utils.report.record import Git
from lab_utils.report.request import Places, Request, check_environment
from lab_utils.seeds import __main__ as seeds
from lab_utils.seeds import pool
from tests.conftest import make, one_line, one_line_of_make

DEEP = "[" * 100_000 + "]" * 100_000
NESTED = '{"steps":' * 5_000 + "1" + "}" * 5_000
DIGITS = "9" * 5_000  # more than Python turns into a number
MANY = json.dumps({name: list(range(40)) for name in ("steps", "batch_size", "learning_rate")})

# Words of the commands


WORDS = {
    # command and words, what must be said
    "no such command": ("runn", "there is no command 'runn'; there are run, data"),
    "command of nothing": ("", "there is no command ''"),
    "command in capitals": ("RUN", "there is no command 'RUN'"),
    "command and a line": ("run\n", r"'run\n'"),
    "word without a value": ("run PROFILE", "'PROFILE' is not NAME=VALUE"),
    "value without a word": ("run =quick", "there is no ''"),
    "equals alone": ("run =", "there is no ''"),
    "nothing": ("run ", "'' is not NAME=VALUE"),
    "option": ("run --fast", "'--fast' is not NAME=VALUE"),
    "unknown word": ("run BANANA=1", "there are PROFILE, NB"),
    "slip in a word": ("run PROFIL=quick", "did you mean PROFILE?"),
    "word in small letters": ("run profile=quick", "did you mean PROFILE?"),
    "word in other letters": ("run Ü=1", "there is no 'Ü'"),
    "word with a line": ("run a\nb=1", r"there is no 'a\nb'"),
    "word with NUL": ("run \0=1", "there is no"),
    "word that is no UTF-8": ("run \udcff=1", "there is no"),
    "word of 100,000 letters": (f"run {'X' * 100_000}=1", "…"),
    "word of another command": ("run N=3", "there is no 'N'"),
    "word of seeds for verify": ("verify GRID={}", "there is no 'GRID'"),
    "word of submit for publish": ("publish NAME=Ada", "there is no 'NAME'"),
    "unknown profile": ("run PROFILE=fast", "choose one of auto, smoke, quick, long, full"),
    "profile in capitals": ("run PROFILE=QUICK", "choose one of"),
    "two profiles": ("run PROFILE=quick full", "choose one of"),
    "profile that is a path": ("run PROFILE=../quick", "choose one of"),
    "profile that is a device": ("run PROFILE=/dev/null", "choose one of"),
    "profile of two lines": ("run PROFILE=quick\nfull", r"'quick\nfull'"),
    "profile with NUL": ("run PROFILE=quick\0", "choose one of"),
    "profile that is no UTF-8": ("run PROFILE=\udcff", "choose one of"),
    "profile of 100,000 letters": (f"run PROFILE={'x' * 100_000}", "choose one of"),
    "no such notebook": ("run NB=7", "there is no notebook '7'; there are 01 02 03 04 05 06"),
    "notebook 0": ("run NB=0", "there is no notebook '0'"),
    "notebook below 0": ("run NB=-1", "there is no notebook '-1'"),
    "notebooks with a comma": ("run NB=1,3", "there is no notebook '1,3'"),
    "range of notebooks": ("run NB=01-03", "there is no notebook '01-03'"),
    "notebook in Arabic digits": ("run NB=٣", "there is no notebook '٣'"),
    "notebook by its name": ("run NB=01_vae", "there is no notebook '01_vae'"),
    "notebooks as JSON": ("run NB=[1]", "there is no notebook '[1]'"),
    "notebook that is a path": ("run NB=../notebooks/01_vae.ipynb", "there is no notebook"),
    "notebook of 5,000 digits": (f"run NB={DIGITS}", "there are 01 02"),
    "all notebooks": ("run NB=all", "there is no notebook 'all'"),
    "seed in words": ("run SEED=one", "SEED='one': give a whole number, 0 to 2147483647"),
    "seed below 0": ("run SEED=-1", "SEED='-1'"),
    "seed with a fraction": ("run SEED=1.5", "SEED='1.5'"),
    "seed with an exponent": ("run SEED=1e3", "SEED='1e3'"),
    "seed in base 16": ("run SEED=0x10", "SEED='0x10'"),
    "seed in Arabic digits": ("run SEED=٣", "SEED='٣'"),
    "seed in small digits": ("run SEED=²", "SEED='²'"),
    "seed that is not finite": ("run SEED=NaN", "SEED='NaN'"),
    "seed of 32 bits": ("run SEED=2147483648", "0 to 2147483647"),
    "seed of 64 bits": ("run SEED=18446744073709551616", "0 to 2147483647"),
    "seed of 5,000 digits": (f"run SEED={DIGITS}", "0 to 2147483647"),
    "two seeds": ("run SEED=1 2", "SEED='1 2'"),
    "list of seeds": ("run SEED=[0, 1]", "SEED='[0, 1]'"),
    "no jobs": ("run JOBS=0", "JOBS='0': give a whole number, 1 to 1000"),
    "jobs below 0": ("run JOBS=-2", "JOBS='-2'"),
    "jobs in words": ("run JOBS=auto", "JOBS='auto'"),
    "a billion jobs": ("run JOBS=1000000000", "1 to 1000"),
    "jobs of 5,000 digits": (f"run JOBS={DIGITS}", "1 to 1000"),
    "split that there is not": ("run SPLIT=train", "choose one of test, validation"),
    "split in capitals": ("run SPLIT=Test", "choose one of test, validation"),
    "two splits": ("run SPLIT=test,validation", "choose one of"),
    "force in words": ("run FORCE=please", "FORCE='please': give 1, or leave it out"),
    "force of 2": ("run FORCE=2", "FORCE='2'"),
    "faces that there are not": ("run FACES=celeba", "choose one of auto, photographs, avatars"),
    "faces of two lines": ("run FACES=auto\navatars", "FACES="),
    # settings
    "changes that are no JSON": ("run CHANGES=steps", "CHANGES='steps': give settings as JSON"),
    "changes in single quotes": ("run CHANGES={'steps': 1}", "give settings as JSON"),
    "changes cut short": ('run CHANGES={"steps": 1', "give settings as JSON"),
    "changes in a list": ("run CHANGES=[1]", "give settings as JSON"),
    "changes of null": ("run CHANGES=null", "give settings as JSON"),
    "changes of a number": ("run CHANGES=3", "give settings as JSON"),
    "changes of a text": ('run CHANGES="steps"', "give settings as JSON"),
    "changes that are not a number": ('run CHANGES={"steps": NaN}', "finite numbers"),
    "changes without an end": ('run CHANGES={"learning_rate": Infinity}', "finite numbers"),
    "changes too large for a float": ('run CHANGES={"learning_rate": 1e999}', "finite numbers"),
    "the same setting twice": ('run CHANGES={"steps": 1, "steps": 2}', "each once"),
    "changes 100,000 deep": (f"run CHANGES={DEEP}", "give settings as JSON"),
    "changes nested": (f"run CHANGES={NESTED}", "error: CHANGES"),  # how deep is too deep depends on Python
    "changes of 5,000 digits": (f'run CHANGES={{"steps": {DIGITS}}}', "give settings as JSON"),
    "slip in a setting": ('run NB=1 CHANGES={"stepz":1}', "did you mean 'steps'?"),
    "setting of no name": ('run NB=1 CHANGES={"":1}', "no setting ''"),
    "setting that is Python's": ('run NB=1 CHANGES={"__class__":1}', "no setting '__class__'"),
    "setting with half a letter": ('run NB=1 CHANGES={"\\ud800":1}', "no setting"),
    "setting with a line": ('run NB=1 CHANGES={"a\\nb":1}', r"no setting 'a\nb'"),
    "steps without an end": (f'run NB=1 CHANGES={{"steps": 1{"0" * 50}}}', "give at most 1,000,000,000"),
    "a rate of an atlas": ('run NB=1 CHANGES={"learning_rate": 1e308}', "learning_rate=1e+308: give at most"),
    "steps below 0": ('run NB=1 CHANGES={"steps":-5}', "CHANGES: steps=-5"),
    "no steps": ('run NB=1 CHANGES={"steps":0}', "CHANGES: steps=0"),
    "steps in words": ('run NB=1 CHANGES={"steps":"many"}', "CHANGES: steps='many'"),
    "steps of null": ('run NB=1 CHANGES={"steps":null}', "CHANGES: steps=None"),
    "steps in a list": ('run NB=1 CHANGES={"steps":[1]}', "CHANGES: steps=[1]"),
    "steps and a half": ('run NB=1 CHANGES={"steps":1.5}', "CHANGES: steps=1.5"),
    "learning rate below 0": ('run NB=1 CHANGES={"learning_rate":-1}', "CHANGES: learning_rate=-1"),
    # seeds
    "no seeds": ("seeds N=0", "N='0': give a whole number, 1 to 1000"),
    "seeds below 0": ("seeds N=-1", "N='-1'"),
    "seeds with a fraction": ("seeds N=1.5", "N='1.5'"),
    "seeds in Arabic digits": ("seeds N=٣", "N='٣'"),
    "seeds without end": ("seeds N=999999999999", "1 to 1000"),
    "seeds of 5,000 digits": (f"seeds N={DIGITS}", "1 to 1000"),
    "seeds and no number": ("seeds N", "'N' is not NAME=VALUE"),
    "seeds with a name": ("seeds NAME=Ada", "there is no 'NAME'"),
    "seeds of a bad seed": ("seeds SEED=-1", "SEED='-1'"),
    "grid that is no JSON": ("seeds GRID=steps", "give a list of values for each setting"),
    "grid in a list": ("seeds GRID=[1]", "give a list of values"),
    "grid of null": ("seeds GRID=null", "give a list of values"),
    "grid of a value": ('seeds GRID={"steps": 1}', "give a list of values"),
    "grid of an empty list": ('seeds GRID={"steps": []}', "give a list of values"),
    "grid of a number that is none": ('seeds GRID={"steps": [NaN]}', "give a list of values"),
    "grid that is not finite": ('seeds GRID={"steps": [1e400]}', "give a list of values"),
    "grid with a setting twice": ('seeds GRID={"steps": [1], "steps": [2]}', "give a list of values"),
    "grid 100,000 deep": (f"seeds GRID={DEEP}", "give a list of values"),
    "grid of 64,000 points": (f"seeds GRID={MANY}", "more than 1000 points"),
    "grid with a slip": ('seeds NB=1 GRID={"stepz":[1]}', "GRID: notebook 01 has no setting 'stepz'"),
    "grid of a bad value": ('seeds NB=1 GRID={"steps":[1,"x"]}', "GRID: steps='x'"),
    # who hands in, and what is compared
    "no name": ("submit", "NAME is not given"),
    "empty name": ("submit NAME=  ", "NAME is not given"),
    "name of a path": ("submit NAME=../..", "NAME='../..': give the name"),
    "name of NUL": ("submit NAME=\0", "give the name"),
    "name of what is not seen": ("submit NAME=\u200b", "give the name"),
    "name of a report that is not there": ("submit NAME=Ada", "holds no report"),
    "name and a bad profile": ("submit NAME=Ada PROFILE=x", "choose one of"),
    "name of 100,000 letters": (f"submit NAME={'ü' * 100_000}", "holds no report"),
    "publish what is not there": ("publish", "holds no report: make report PROFILE="),
    "nothing to compare": ("compare", "A is not given"),
    "one to compare": ("compare A=.", "B is not given"),
    "compare what is not there": ("compare A=x B=y", "there is no such directory"),
    "compare a device": ("compare A=/dev/null B=/dev/null", "there is no such directory"),
    "compare what is no report": ("compare A=tests B=tests", "holds no report"),
    "compare a path with NUL": ("compare A=a\0b B=.", "NUL"),
    "compare a path of two lines": ("compare A=a\nb B=.", r"a\nb: there is no such directory"),
    "compare a path of no UTF-8": ("compare A=\udcff B=.", "there is no such directory"),
    "compare what is too long": (f"compare A={'x' * 5_000} B=.", "File name too long"),
    "compare with nobody's folder": ("compare A=~nobody-of-this-name B=.", "there is no such user"),
}


def words_of(text: str) -> list[str]:
    """A command and its words; a space parts them if a word follows it, so that values may hold some."""
    command, _, rest = text.partition(" ")
    found: list[str] = []
    for piece in rest.split(" ") if _ else []:
        head = piece.partition("=")[0]
        if found and not (head.isupper() and head.isascii() and "=" in piece):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return [command, *found]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Give a command of the real labs its words; it must refuse them and leave nothing."""

    def accepted(*_):
        pytest.fail("was accepted")

    for command in report.COMMANDS:
        if command != "publish":  # which looks at the report alone
            monkeypatch.setitem(report.COMMANDS, command, accepted)
    monkeypatch.setattr(seeds, "repeat", accepted)
    monkeypatch.setattr(config, "gpu_present", lambda: False)
    monkeypatch.setattr(config, "DATA", tmp_path / "data")
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)

    def run(words: list[str], says: str) -> None:
        command, *others = words
        given = (others, seeds.main) if command == "seeds" else (words, report.main)
        code = given[1](given[0], ROOT / "notebooks", tmp_path / "reports", LABS)
        printed = capsys.readouterr()
        assert code == 2
        one_line(printed, says)
        assert len(printed.err) < 500
        printed.err.encode()  # in letters that UTF-8 has
        assert not (tmp_path / "reports").exists()
        assert not (tmp_path / "data").exists()

    return run


@pytest.mark.parametrize(("text", "says"), WORDS.values(), ids=WORDS)
def test_words(refused, text, says):
    refused(words_of(text), says)


# Folders


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


PATHS = {
    "not there": ("{}/nowhere", "there is no such directory; give one that holds the data"),
    "file": ("/etc/passwd", "this is not a directory"),
    "device": ("/dev/null", "this is not a directory"),
    "fifo": (fifo, "this is not a directory"),
    "loop": (loop, "cannot be read (Too many levels of symbolic links)"),
    "link to nowhere": (dangling, "there is no such directory"),
    "below a file": ("/etc/passwd/data", "this is not a directory"),
    "name too long": ("x" * 300, "File name too long"),
    "path too long": ("x/" * 5_000, "File name too long"),
    "NUL": ("a\0b", "NUL"),
    "no UTF-8": ("\udcff", "there is no such directory"),
    "two lines": ("a\nb", r"DATA_DIR=a\nb: there is no such directory"),
    "nobody's home": ("~nobody-of-this-name/data", "there is no such user"),
    "address": ("https://example.org/data", "there is no such directory"),
    "variable": ("$HOME/nowhere", "there is no such directory"),
    "closed file": ("/proc/self/fd/999", "there is no such directory"),
}


@pytest.mark.parametrize("command", ["run", "seeds"])
@pytest.mark.parametrize(("path", "says"), PATHS.values(), ids=PATHS)
def test_folders_of_data(refused, tmp_path, command, path, says):
    if callable(path):
        path(tmp_path / "made")
        path = str(tmp_path / "made")
    refused([command, f"DATA_DIR={path.format(tmp_path)}"], says)


# The environment


ENVIRONMENT = {
    "threads in words": ("OMP_NUM_THREADS", "abc", "give a whole number, 1 or more, or leave it out"),
    "no threads": ("OMP_NUM_THREADS", "0", "OMP_NUM_THREADS='0'"),
    "threads below 0": ("OMP_NUM_THREADS", "-1", "OMP_NUM_THREADS='-1'"),
    "threads with a fraction": ("OMP_NUM_THREADS", "1.5", "OMP_NUM_THREADS='1.5'"),
    "threads without end": ("OMP_NUM_THREADS", "99999999", "OMP_NUM_THREADS="),
    "threads in Arabic digits": ("OMP_NUM_THREADS", "٣", "OMP_NUM_THREADS="),
    "GPU by a name": ("CUDA_VISIBLE_DEVICES", "x", "as in 0,1, or -1 for none"),
    "all GPUs": ("CUDA_VISIBLE_DEVICES", "all", "as in 0,1"),
    "GPUs with a gap": ("CUDA_VISIBLE_DEVICES", "0,,1", "CUDA_VISIBLE_DEVICES='0,,1'"),
    "GPU by torch's name": ("CUDA_VISIBLE_DEVICES", "cuda:0", "CUDA_VISIBLE_DEVICES='cuda:0'"),
}


@pytest.mark.parametrize("command", ["run", "seeds"])
@pytest.mark.parametrize(("name", "value", "says"), ENVIRONMENT.values(), ids=ENVIRONMENT)
def test_variables(refused, monkeypatch, command, name, value, says):
    monkeypatch.setenv(name, value)
    refused([command], says)


@pytest.mark.parametrize("value", ["", " ", "-1", "0", "0, 1", "GPU-8932f937-d72c", "MIG-GPU-89/1/0", "NoDevFiles"])
def test_what_names_gpus_or_none_is_taken(value):
    check_environment({"CUDA_VISIBLE_DEVICES": value})


MADE = {  # what a person types, and what stands in their environment
    "unknown word": (["report", "PROFIEL=quick"], {}, "did you mean PROFILE?"),
    "profile of two lines": (["report", "PROFILE=quick\nfull"], {}, r"PROFILE='quick\nfull' is not a profile"),
    "profile in the environment": (["report"], {"PROFILE": "fast"}, "PROFILE='fast' is not a profile"),
    "threads in the environment": (["report", "PROFILE=smoke"], {"OMP_NUM_THREADS": "abc"}, "OMP_NUM_THREADS='abc'"),
}


@pytest.mark.parametrize(("words", "variables", "says"), MADE.values(), ids=MADE)
def test_through_make(monkeypatch, words, variables, says):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = {*ROOT.iterdir(), *(ROOT / "reports").iterdir()}
    done = make(f"PY={sys.executable}", *words)
    one_line_of_make(done, says)
    assert {*ROOT.iterdir(), *(ROOT / "reports").iterdir()} == before


@pytest.mark.parametrize("part", ["sped", "speed sped", "--help", "-x", "../speed", "speed\x00", "1"])
def test_parts_of_the_benchmark(capsys, part):
    assert bench.main([f"PARTS={part}"]) == 2
    one_line(capsys.readouterr(), "there are speed, quality, memory, explore")


BENCH_WORDS = {
    "DATA_DIR=-x": "DATA_DIR=-x: there is no such directory",
    "DATA_DIR=a\0b": "a path holds no NUL",
    "DATA_DIR=~no-such-user/x": "~no-such-user/x: there is no such user",
    f"CACHE={__file__}": "this is not a directory",
    "PROFILE=quick": "there is no 'PROFILE'; there are PARTS, DATA_DIR, CACHE",
    "--data-dir": "'--data-dir' is not NAME=VALUE",
}


@pytest.mark.parametrize(("word", "says"), BENCH_WORDS.items(), ids=range(len(BENCH_WORDS)))
def test_words_of_the_benchmark(capsys, word, says):
    assert bench.main([word]) == 2
    one_line(capsys.readouterr(), says)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "\xff"])
def test_a_damaged_measurement(capsys, tmp_path, monkeypatch, content):
    monkeypatch.setattr(bench, "OUTPUT", tmp_path)
    monkeypatch.setattr(bench, "gpu_present", lambda: False)
    (tmp_path / "cpu.json").write_bytes(content.encode("latin-1"))
    assert bench.main(["PARTS=speed"]) == 2
    one_line(capsys.readouterr(), "is damaged: remove it")


# Notebooks


def a_notebook(**changes) -> bytes:
    """A notebook that would run, with other values of some fields; None for a field that is not there."""
    content = json.loads(nbformat.writes(notebook(PARAMETERS)))
    content = {name: value for name, value in (content | changes).items() if value is not None}
    return json.dumps(content).encode()


def a_cell(**changes) -> bytes:
    """The same with other values of its cell of parameters, which was not run."""
    cell = json.loads(a_notebook())["cells"][1] | changes
    wanted = {name: value for name, value in cell.items() if value is not None or name == "execution_count"}
    return a_notebook(cells=[wanted])


def nested(levels: int) -> dict:
    """Objects in one another."""
    return {"a": nested(levels - 1)} if levels else {}


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(written.LARGEST + 1)


NOTEBOOKS = {
    "0 bytes": (b"", "it is empty"),
    "a space": (b" ", "it is empty"),
    "a web page": (b"<!DOCTYPE html><html>", "it is not JSON"),
    "Python": (b"import torch\n", "it is not JSON"),
    "cut short": (a_notebook()[:-20], "it is not JSON"),
    "conflicts of git": (b"<<<<<<< HEAD\n" + a_notebook(), "marks of a merge"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\xff", "it is not UTF-8"),
    "zeros": (b"\0" * 100, "it is not JSON"),
    "UTF-16": (a_notebook().decode().encode("utf-16"), "it is not UTF-8"),
    "null": (b"null", "take it from git again"),
    "number": (b"3", "take it from git again"),
    "text": (b'"cells"', "take it from git again"),
    "list": (b"[1, 2]", "take it from git again"),
    "deep": (DEEP.encode(), "take it from git again"),
    "object of nothing": (b"{}", "take it from git again"),
    "more than 100 MB": (huge, "outputs that nobody needs"),
    "folder": (Path.mkdir, "is a directory"),
    "fifo": (fifo, "is not there"),
    "loop": (loop, "is not there"),
    "not there": (lambda path: None, "is not there"),
    "format 3": (a_notebook(nbformat=3, cells=None, worksheets=[]), "its format is 3, not 4"),
    "format 5": (a_notebook(nbformat=5), "its format is 5, not 4"),
    "format in words": (a_notebook(nbformat="four"), "its format is four"),
    "no format": (a_notebook(nbformat=None), "is not a notebook that can run"),
    "format with a point": (a_notebook(nbformat=4.0), "it has nbformat that should be a valid integer"),
    "format of true": (a_notebook(nbformat=True), "its format is True, not 4"),
    "minor format below 0": (a_notebook(nbformat_minor=-1), "it has nbformat_minor that should be"),
    "minor format of true": (a_notebook(nbformat_minor=True), "it has nbformat_minor that should be"),
    "no minor format": (a_notebook(nbformat_minor=None), "is not a notebook that can run"),
    "no metadata": (a_notebook(metadata=None), "is not a notebook that can run"),
    "metadata in a list": (a_notebook(metadata=[]), "is not a notebook that can run"),
    "metadata of papermill": (a_notebook(metadata={"papermill": 3}), "it has metadata.papermill that should be"),
    "kernel of a number": (a_notebook(metadata={"kernelspec": 3}), "it has metadata.kernelspec that should be"),
    "kernel without a name": (a_notebook(metadata={"kernelspec": {}}), "it has no metadata.kernelspec.name"),
    "language without a name": (a_notebook(metadata={"language_info": {}}), "it has no metadata.language_info.name"),
    "kernel named by a number": (a_notebook(metadata={"kernelspec": {"name": 3}}), "metadata.kernelspec.name that"),
    "language of a text": (a_notebook(metadata={"language_info": "python"}), "it has metadata.language_info that"),
    "title of a number": (a_notebook(metadata={"title": 3}), "it has metadata.title that should be"),
    "metadata 900 deep": (a_notebook(metadata=nested(900)), "JSON that not every program reads (recursion limit"),
    "half a letter in metadata": (a_notebook(metadata={"a": "\ud800"}), "JSON that not every program reads"),
    "half a letter in a name": (a_notebook(metadata={"\ud800": 1}), "JSON that not every program reads"),
    "no cells": (a_notebook(cells=None), "is not a notebook that can run"),
    "cells of an object": (a_notebook(cells={}), "is not a notebook that can run"),
    "cells of a text": (a_notebook(cells="x"), "is not a notebook that can run"),
    "cells of numbers": (a_notebook(cells=[1]), "is not a notebook that can run"),
    "not one cell": (a_notebook(cells=[]), "the tag 'parameters'"),
    "cell of no kind": (a_cell(cell_type=None), "is not a notebook that can run"),
    "cell of another kind": (a_cell(cell_type="heading"), "is not a notebook that can run"),
    "cell without source": (a_cell(source=None), "is not a notebook that can run"),
    "source of a number": (a_cell(source=1), "is not a notebook that can run"),
    "source of numbers": (a_cell(source=[1]), "is not a notebook that can run"),
    "cell without metadata": (a_cell(metadata=None), "is not a notebook that can run"),
    "metadata of a text": (a_cell(metadata="x"), "is not a notebook that can run"),
    "half a letter in code": (a_cell(source="SEED = '\ud800'"), "JSON that not every program reads"),
    "half a letter in words": (a_cell(cell_type="markdown", source=["# \udfff"]), "JSON that not every program reads"),
    "attachments of a number": (a_cell(attachments=3), "its cell 1 has attachments that should be an object"),
    "attachment of a text": (a_cell(attachments={"a.png": "x"}), "its cell 1 has attachments.a.png that should be"),
    "name of a number": (a_cell(metadata={"name": 3}), "its cell 1 has metadata.name that should be"),
    "cell's metadata of papermill": (a_cell(metadata={"papermill": 3}), "its cell 1 has metadata.papermill that"),
    "cell's metadata of Jupyter": (a_cell(metadata={"jupyter": []}), "its cell 1 has metadata.jupyter that should be"),
    "scrolled in words": (a_cell(metadata={"scrolled": "yes"}), "its cell 1 has metadata.scrolled"),
    "tag with a comma": (a_cell(metadata={"tags": ["a,b"]}), "its cell 1 has metadata.tags.0 that should match"),
    "tag twice": (a_cell(metadata={"tags": ["a", "a"]}), "its cell 1 has metadata.tags that should name each once"),
    "id with a space": (a_cell(id="a b"), "its cell 1 has id that should match"),
    "id of 65 letters": (a_cell(id="a" * 65), "its cell 1 has id that should match"),
    "count below 0": (a_cell(execution_count=-1), "its cell 1 has execution_count that should be"),
    "times of a cell": (a_cell(metadata={"execution": 3}), "its cell 1 has metadata.execution that should be"),
    "count in words": (a_cell(execution_count="one"), "its cell 1 has execution_count that should be"),
    "output of no kind": (a_cell(outputs=[{}]), "its cell 1 has no outputs.0.output_type"),
    "output of another kind": (a_cell(outputs=[{"output_type": "pyout"}]), "its cell 1 has outputs.0.output_type that"),
    "outputs of a text": (a_cell(outputs="x"), "is not a notebook that can run"),
    "outputs of null": (a_cell(outputs=[None]), "is not a notebook that can run"),
    "id of a list": (a_cell(id=[]), "is not a notebook that can run"),
    "tags of a text": (a_cell(metadata={"tags": "parameters"}), "is not a notebook that can run"),
    "tags of numbers": (a_cell(metadata={"tags": [1]}), "is not a notebook that can run"),
    "no tag": (a_cell(metadata={}), "the tag 'parameters'"),
    "tag on a text": (a_cell(cell_type="markdown"), "the tag 'parameters'"),
}


@pytest.mark.parametrize("command", ["run", "seeds"])
@pytest.mark.parametrize(("content", "says"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_notebooks(tmp_path, capsys, command, content, says):
    path = tmp_path / "notebooks" / "01_good.ipynb"
    path.parent.mkdir()
    path.write_bytes(content) if isinstance(content, bytes) else content(path)
    main = seeds.main if command == "seeds" else report.main
    words = ["PROFILE=quick", "NB=1"]
    code = main(words if command == "seeds" else [command, *words], path.parent, tmp_path / "reports", TOYS)
    assert code == 2
    one_line(capsys.readouterr(), says)
    assert not (tmp_path / "reports").exists()


# Reports that are there already


METRICS = {
    "data": {"digits": {"source": "mnist", "train": 3, "test": 2}}, "device": "cpu", "seed": 0, "profile": "quick",
    "metrics": {"a.loss": {"value": 1.5, "n": 2}},
}  # fmt: skip


def without_a_kernel(source, target, log, given, env, children, tell) -> Outcome:
    """What a run of the toy notebook gives, without running it."""
    executed = nbformat.read(source, as_version=4)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.outputs = [new_output("display_data", {handover.METRICS: METRICS | {"seed": given["SEED"]}})]
    return Outcome(executed, "ok", 2.0, "", None)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Path]:
    """A folder with a toy notebook, its report with numbers over seeds, and its published set."""
    at = tmp_path_factory.mktemp("made")
    (at / "notebooks").mkdir()
    nbformat.write(notebook(PARAMETERS, ("1",)), at / "notebooks/01_good.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        assert command(at, "run") == command(at, "seeds") == command(at, "run") == command(at, "publish") == 0
        yield at


def prepare(patch) -> None:
    """A clean checkout on a CPU, without kernels."""
    patch.setattr(depends, "git_state", lambda: Git(commit="a" * 40, dirty=False))
    patch.setattr(config, "gpu_present", lambda: False)
    patch.setattr(build, "run_notebook", without_a_kernel)
    patch.setattr(pool, "run_notebook", without_a_kernel)


LAB = TOYS["01_good"]
ONE = {"01_good": type(LAB)(**{**vars(LAB), "deliverables": {}})}


def command(at: Path, name: str) -> int:
    words = ["PROFILE=quick", *(["N=2"] if name == "seeds" else ["NAME=Ada"] if name == "submit" else [])]
    if name == "seeds":
        return seeds.main(words, at / "notebooks", at / "reports", ONE)
    if name == "compare":
        words = [f"A={at / 'reports/quick'}", f"B={at / 'reports/quick'}"]
    return report.main([name, *words], at / "notebooks", at / "reports", ONE)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder by its hash, but for locks, which are empty."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def spoil(made, monkeypatch, capsys):
    """Put something else in the place of a file of the report, have a command refuse it, and put it back."""
    prepare(monkeypatch)
    put_back: dict[Path, bytes] = {}

    def run(name: str, file: str, content: bytes, says: str) -> None:
        path = made / "reports" / file
        put_back[path] = path.read_bytes()
        path.write_bytes(content)
        before = contents(made)
        assert command(made, name) == 2
        one_line(capsys.readouterr(), says)
        assert contents(made) == before

    yield run
    for path, content in put_back.items():
        path.write_bytes(content)


BROKEN = {
    "nothing": b"",
    "cut short": b'{"format": 4, "notebooks"',
    "list": b"[]",
    "null": b"null",
    "number": b"3",
    "no UTF-8": b"\xff",
    "deep": DEEP.encode(),
}
MANIFESTS = BROKEN | {
    "notebooks in a list": b'{"format": 4, "notebooks": []}',
    "another field": b'{"format": 4, "profile": "quick", "colour": "red"}',
    "notebook of nothing": b'{"format": 4, "notebooks": {"01_good": {}}}',
    "file above the folder": b'{"format": 4, "files": {"../../secret": "aa"}}',
    "file elsewhere": b'{"format": 4, "files": {"/etc/passwd": "aa"}}',
}


@pytest.mark.parametrize("name", ["seeds", "publish", "submit", "compare"])
@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_manifests(spoil, name, content):
    spoil(name, "quick/manifest.json", content, "manifest.json is damaged: run the report again (make report)")


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_a_report_sets_a_damaged_manifest_aside(made, tmp_path, monkeypatch, capsys, content):
    prepare(monkeypatch)
    shutil.copytree(made, tmp_path / "at")
    folder = tmp_path / "at/reports/quick"
    (folder / "manifest.json").write_bytes(content)
    before = {name: text for name, text in contents(folder).items() if Path(name).name == "seeds.json"}
    assert command(tmp_path / "at", "run") == 0
    printed = capsys.readouterr()
    assert "manifest.json is damaged: set aside as manifest.json.damaged; the notebooks run again\n" in printed.out
    assert (printed.err, printed.out.count("damaged:")) == ("", 1)
    assert (folder / "manifest.json.damaged").read_bytes() == content
    assert before.items() <= contents(folder).items()
    assert command(tmp_path / "at", "run") == 0
    assert "01 | holds" in capsys.readouterr().out


def test_no_flipped_bit_of_a_manifest_is_taken_for_what_was_written(made, tmp_path):
    written = (made / "reports/quick/manifest.json").read_bytes()
    whole = record.read_manifest(made / "reports/quick")
    assert whole.notebooks
    for at in range(0, len(written), 7):
        flipped = bytearray(written)
        flipped[at] ^= 1 << at % 8
        (tmp_path / "manifest.json").write_bytes(flipped)
        try:
            found = record.read_manifest(tmp_path)
        except record.DamagedError:
            continue
        assert found in (whole, record.Manifest())  # a space that is another, or the version


def renamed(content) -> Iterator[object]:
    """The same with one key that is another, for each of its keys."""
    for name, value in content.items():
        yield {("~" if key == name else key): one for key, one in content.items()}
        if isinstance(value, dict):
            yield from (content | {name: other} for other in renamed(value))


@pytest.mark.parametrize("folder", ["quick", "published/quick-cpu-none"])
def test_a_manifest_without_a_hash_that_lacks_a_key_stops_nothing_but_with_a_line(made, tmp_path, monkeypatch, folder):
    prepare(monkeypatch)
    shutil.copytree(made, tmp_path / "at")
    places = Places(made / "notebooks", tmp_path / "at/reports/quick", ONE, tmp_path / "at/reports/published")
    request = Request("quick", ("01_good",))
    data = {"digits": {"source": "mnist", "sha256": "ab"}}
    whole = json.loads((tmp_path / "at/reports" / folder / "manifest.json").read_text())
    del whole["sha256"]
    asked = [
        lambda: verify.find_set(request, places.published, data),
        lambda: publish.set_name(record.read_manifest(places.folder)),
        lambda: next(publish.obstacles(record.read_manifest(places.folder), places), None),
        lambda: compare.compare(places.folder, places.published / "quick-cpu-none"),
        lambda: submit.submit("Ada", places),
        lambda: plan.make_plan(request, places, record.read_manifest(places.folder), data),
    ]
    for content in [whole, *renamed(whole)]:
        (tmp_path / "at/reports" / folder / "manifest.json").write_text(json.dumps(content))
        for command in asked:
            with contextlib.suppress(LabError):
                command()


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_nor_does_one_that_cannot_be_read_stop_it(made, tmp_path, monkeypatch, capsys, error):
    def refuse(path):
        raise error(5, "no", str(path))

    prepare(monkeypatch)
    shutil.copytree(made, tmp_path / "at")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "read_json", refuse)
        assert command(tmp_path / "at", "submit") == 2
        one_line(capsys.readouterr(), "manifest.json is damaged: run the report again")
        assert isinstance(record.read_or_set_aside(tmp_path / "at/reports/quick"), record.Manifest)
    assert (tmp_path / "at/reports/quick/manifest.json.damaged").is_file()


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("published/quick-cpu-none", "git checkout -- "),
        ("verify/quick-cpu-none", "make verify again"),
        ("quick", "run the report again (make report)"),
    ],
)
def test_what_mends_a_report_depends_on_where_it_lies(tmp_path, monkeypatch, folder, says):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "manifest.json").write_bytes(b"")
    for where in (tmp_path / folder, Path(".")):
        with pytest.raises(record.DamagedError, match=re.escape(says)):
            record.read_manifest(where)
        monkeypatch.chdir(tmp_path / folder)


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_manifests_of_a_published_set(spoil, content):
    spoil("verify", "published/quick-cpu-none/manifest.json", content, "manifest.json is damaged")


def a_record(**changes) -> bytes:
    """A metrics file with other values of some fields; None for a field that is not there."""
    whole = {"notebook": "01_good", "status": "ok", **METRICS} | changes
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


RECORDS = BROKEN | {
    "object of nothing": b"{}",
    "no metrics": a_record(metrics=None),
    "metrics in a list": a_record(metrics=[]),
    "metric of a number": a_record(metrics={"a.loss": 1.5}),
    "metric without a value": a_record(metrics={"a.loss": {"n": 2}}),
    "value in words": a_record(metrics={"a.loss": {"value": "1.5"}}),
    "value that is not finite": a_record(metrics={"a.loss": {"value": float("nan")}}),
    "value that is true": a_record(metrics={"a.loss": {"value": True}}),
    "count in words": a_record(metrics={"a.loss": {"value": 1.5, "n": "many"}}),
    "no data": a_record(data=None),
    "data in a list": a_record(data=[]),
    "data of a text": a_record(data={"digits": "mnist"}),
    "no status": a_record(status=None),
    "no seed": a_record(seed=None),
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_metrics(spoil, content):
    spoil("compare", "quick/metrics/01_good.json", content, "metrics/01_good.json is damaged: run the report again")


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_metrics_of_a_published_set_are_looked_at_before_anything_runs(spoil, monkeypatch, content):
    monkeypatch.setattr(verify, "run", lambda *_: pytest.fail("it ran"))
    spoil("verify", "published/quick-cpu-none/metrics/01_good.json", content, "metrics/01_good.json is damaged")


ENTRY = {
    "notebook": "01_good", "changes": {}, "seeds": [0, 1], "data": {},
    "metrics": {"a.loss": {"values": [1.5, 1.5], "mean": 1.5, "interval": [1.5, 1.5], "unit": "", "n": 2}},
}  # fmt: skip


def results(**changes) -> bytes:
    """Numbers over seeds with other values of some fields; None for a field that is not there."""
    entry = {name: value for name, value in (ENTRY | changes).items() if value is not None}
    return json.dumps({"profile": "quick", "results": [entry]}).encode()


def numbers(**changes) -> bytes:
    return results(metrics={"a.loss": ENTRY["metrics"]["a.loss"] | changes})


RESULTS = BROKEN | {
    "object of nothing": b"{}",
    "results of null": b'{"results": null}',
    "results in an object": b'{"results": {"01_good": {}}}',
    "result of a text": b'{"results": ["01_good"]}',
    "no notebook": results(notebook=None),
    "notebook of a number": results(notebook=1),
    "no seeds": results(seeds=None),
    "seeds in words": results(seeds=["zero", "one"]),
    "seeds of a number": results(seeds=2),
    "data in a list": results(data=[]),
    "changes in a list": results(changes=[]),
    "no metrics": results(metrics=None),
    "metrics in a list": results(metrics=[]),
    "a value too few": numbers(values=[1.5]),
    "values of a number": numbers(values=1.5),
    "values in words": numbers(values=["1.5", "1.5"]),
    "mean that is not finite": numbers(mean=float("inf")),
    "interval of one end": numbers(interval=[1.5]),
    "no unit": numbers(unit=None),
    "seeds within of one run": numbers(by_seed=[[1.0]]),
}


@pytest.mark.parametrize("name", ["run", "seeds"])
@pytest.mark.parametrize("content", RESULTS.values(), ids=RESULTS)
def test_numbers_over_seeds(spoil, name, content):
    spoil(name, "quick/seeds.json", content, "seeds.json is damaged: remove it and run again")


@pytest.mark.parametrize("content", [BROKEN["list"], b'{"digits": 1}', b'{"digits": {}}', BROKEN["cut short"]])
def test_what_is_known_of_the_data_is_made_again(tmp_path, content):
    (tmp_path / ".data.json").write_bytes(content)
    assert depends.known_data(tmp_path, {"digits": "ab"}) is None


def test_what_can_be_made_again_is(made, monkeypatch, capsys):
    """A metrics file of another shape is written anew from the notebook, and the page with it."""
    prepare(monkeypatch)
    path = made / "reports/quick/metrics/01_good.json"
    whole = path.read_bytes()
    for content in (RECORDS["list"], RECORDS["no data"]):
        path.write_bytes(content)
        assert command(made, "run") == 0
        assert path.read_bytes() == whole
    assert record.read_metrics(path)
    assert "rendered again" in capsys.readouterr().out
