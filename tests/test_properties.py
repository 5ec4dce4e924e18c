"""Whatever a notebook's file or a word holds, it is accepted or refused in one line; nothing else is raised."""

import json
import os

import nbformat
import pytest

from lab_utils.config import ROOT, LabError
from lab_utils.labs import LABS
from lab_utils.report import depends, html, request, written
from lab_utils.report.pages import Head
from lab_utils.report.request import one_line
from lab_utils.seeds import request as seeds

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

REAL = json.loads((ROOT / "notebooks/01_vae.ipynb").read_text())
REAL["cells"] = REAL["cells"][:3]
PICTURE = {"image/png": "aa==", "text/plain": ["a", "b"]}
# The same with what other programs write beside it.
RICH = REAL | {
    "metadata": REAL["metadata"] | {"title": "VAE", "authors": [{"name": "Ada"}], "papermill": {"parameters": {}}},
    "cells": [
        REAL["cells"][0] | {"attachments": {"a.png": PICTURE}, "metadata": {"name": "one", "jupyter": {}}},
        *REAL["cells"][1:],
        {
            "cell_type": "code", "id": "out", "source": "1", "execution_count": 1,
            "metadata": {"collapsed": True, "execution": {"iopub.status.idle": "now"}, "papermill": {}},
            "outputs": [
                {"output_type": "execute_result", "data": PICTURE, "metadata": {}, "execution_count": 1},
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
                {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["a"]},
            ],
        },
    ],
}  # fmt: skip

# What may stand anywhere in JSON, and words as a person types them, or a program gone wrong.
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(LEAVES, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=4), some))
WORDS = st.sampled_from([*request.Request.__dataclass_fields__, "N", "GRID", "NAME", "PY", ""])
VALUES = st.one_of(
    st.text(max_size=20),
    st.text("0123456789-+.eE_ ", max_size=12),
    st.sampled_from(["quick", "01", "test", "auto", "1", "/", "~", "."]),
    st.dictionaries(st.sampled_from(["steps", "learning_rate", "x"]), ANYTHING, max_size=2).map(json.dumps),
)

GIVEN = st.tuples(WORDS, st.sampled_from(["=", ""]), VALUES).map("".join)


def places(value, at=()) -> list[tuple]:
    """Where something stands in JSON, each as the way to it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inside for place in places(one, (*at, key)))]


def mutated(value, place, other):
    """The same JSON with something else in one place."""
    if not place:
        return other
    copied = value.copy()
    copied[place[0]] = mutated(value[place[0]], place[1:], other)
    return copied


def refused_in_one_line(error: LabError) -> None:
    said = one_line(str(error))
    assert said
    assert len(said) <= request.LONGEST + 3
    assert len(said.splitlines()) == 1
    said.encode()


@given(place=st.sampled_from(places(RICH)), other=ANYTHING)
def test_a_notebook_of_any_shape(tmp_path, place, other):
    path = tmp_path / "any.ipynb"  # all examples write this one file, each anew
    path.write_text(json.dumps(mutated(RICH, place, other)))
    try:
        written.check(path, ())
    except LabError as error:
        refused_in_one_line(error)
    else:  # what is accepted can be read by what runs it
        read = nbformat.read(path, as_version=4)
        assert read.cells
        assert depends.prose(path)
        for cell in read.cells:  # papermill takes outputs out before it runs anything
            cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
        assert html.render(read, Head("Toy", []), set())


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | ANYTHING.map(json.dumps).map(str.encode))
def test_a_notebook_of_any_bytes(tmp_path, content):
    path = tmp_path / "any.ipynb"
    path.write_bytes(content)
    with pytest.raises(LabError) as error:
        written.check(path, ())
    refused_in_one_line(error.value)


@given(words=st.lists(GIVEN, max_size=4), many=st.booleans())
def test_words_of_any_kind(words, many):
    try:
        found = seeds.parse(words, LABS).request if many else request.parse(words, LABS)
    except LabError as error:
        refused_in_one_line(error)
    else:
        assert set(found.NB) <= set(LABS)
        assert found.DATA_DIR is None or os.path.isdir(found.DATA_DIR)
        json.dumps(found.CHANGES, allow_nan=False)
