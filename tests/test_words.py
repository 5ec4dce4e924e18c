"""How numbers, times and data are written, and sentences that are filled with them."""

import functools
import itertools
import operator

import pytest

from lab_utils import words
from lab_utils.labs.spec import MissingValueError, Values


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "not finite"),
        (0, "0"),
        (12345, "12,345"),
        (0.0, "0.000"),
        (1234.5, "1,234.50"),
        (10.0, "10.00"),
        (9.8765, "9.877"),
        (-9.8765, "-9.877"),
        (0.1, "0.100"),
        (0.09876, "0.0988"),
        (0.001, "0.001"),
        (0.00012345, "1.23·10⁻⁴"),
        (-0.00012345, "-1.23·10⁻⁴"),
    ],
)
def test_numbers(value, written):
    assert words.number(value) == written


def test_plural():
    assert [words.plural(n, "epoch") for n in (0, 1, 2, 1000)] == ["0 epochs", "1 epoch", "2 epochs", "1,000 epochs"]


def test_lists():
    assert [words.listed(list("abcd")[:n]) for n in range(5)] == ["", "a", "a and b", "a, b and c", "a, b, c and d"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (8.4, "8 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3725, "62 min 05 s")],
)
def test_durations(seconds, written):
    assert words.duration(seconds) == written


def test_sources_and_their_sizes():
    data = {
        "faces": {"source": "avatars", "train": 18_000, "test": 2000},
        "digits": {"source": "mnist", "train": 60_000},
        "odd": {},
    }
    assert words.source_lines(data) == [
        "digits: mnist (60,000 training)",
        "faces: avatars (18,000 training, 2,000 test)",
        "odd: ? (sizes not stated)",
    ]
    assert words.source_lines({}) == []


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        (
            {"device": "cpu", "device_name": "a processor", "threads": 2, "precision": "bfloat16"},
            "a processor, 2 threads, bfloat16",
        ),
        ({"device": "cpu", "threads": 1}, "cpu, 1 thread"),
        ({"device": "cuda", "device_name": "a GPU", "threads": 16, "precision": "bfloat16"}, "a GPU, bfloat16"),
        ({}, ""),
    ],
)
def test_devices(stated, written):
    assert words.device_line(stated) == written


def test_nested_facts_are_one_line():
    assert words.nested({"torch": "2.14.1", "numpy": {"a": 1, "b": [2]}}) == "torch 2.14.1, numpy a 1, b [2]"
    assert words.nested(3.5) == "3.5"


VALUES = {
    "gan.fcd": 12.3456,
    "gan.fcd.n": 10_000,
    "gan.coverage": 0.8765,
    "epochs": 1,
    "images": 2000,
    "names": ["Male", "Hat", "Smiling"],
    "one": ["Male"],
    "none": [],
    "attribute": "Smiling",
    "down": -0.25,
    "range": "2-way",
}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Nothing to fill.", "Nothing to fill."),
        ("FCD is {gan.fcd}.", "FCD is 12.35."),
        ("of {gan.fcd.n} images", "of 10,000 images"),
        ("{gan.fcd:.0f} and {gan.fcd:,.3f}", "12 and 12.346"),
        ("{gan.coverage:.0%}", "88%"),
        ("{gan.coverage}", "0.876"),
        ("after {epochs:plural epoch} of {images:plural training image}", "after 1 epoch of 2,000 training images"),
        ("{names:list}; {one:list}; {none:list}", "Male, Hat and Smiling; Male; "),
        ("{attribute} of a {range} code", "Smiling of a 2-way code"),
        ("{down}, {down:.2f}, {down:+.0%}", "−0.250, −0.25, −25%"),  # the minus sign of print
        ("{{braces}} and 100%", "{braces} and 100%"),
    ],
)
def test_a_sentence_is_filled(template, said):
    assert words.fill(template, VALUES) == said


@pytest.mark.parametrize("template", ["{gan.kid}", "{gan}", "{epochs} and {gan.fcd.low:.2f}", "{kid:plural image}"])
def test_a_missing_name_is_an_error_that_names_it(template):
    with pytest.raises(KeyError) as error:
        words.fill(template, VALUES)
    assert error.value.args[0] in template


def test_a_value_that_is_not_finite_is_missing_in_a_sentence():
    values = Values({"gan.fcd": None})
    with pytest.raises(MissingValueError) as error:
        words.fill("{gan.fcd:.2f}", values)
    assert error.value.args == ("gan.fcd",)


def test_a_duration_does_not_depend_on_the_order_of_a_sum():
    parts = [0.1, 0.7, 1.1, 0.6]
    sums = {functools.reduce(operator.add, order) for order in itertools.permutations(parts)}  # sum() may round once
    assert len(sums) > 1
    assert len({words.duration(one) for one in sums}) == 1
