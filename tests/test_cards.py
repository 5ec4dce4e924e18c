"""Data cards: what is said of each source, and what a stranger's file beside the data may say."""

import re

import pandas as pd
import pytest
import torch
from torch import nn

from lab_utils.config import FALLBACKS
from lab_utils.data.cards import CARDS, MOST, card_text, said_beside
from lab_utils.metrics.control import by_attribute, by_digit


@pytest.mark.parametrize("source", CARDS)
def test_a_card_says_whence_under_which_licence_and_how_labels_were_made(source):
    said = card_text(source, "")
    for name in ("Whence", "Licence", "Labels", "What they cannot mean"):
        assert f"**{name}.**" in said
    assert "a file beside" not in said


def test_every_source_has_a_card():
    assert {"mnist", "photographs", "celeba"} | FALLBACKS == set(CARDS)


@pytest.mark.parametrize("name", ["README.md", "readme.txt", "SOURCE", "LICENCE.txt"])
def test_a_file_beside_the_data_is_quoted_where_it_speaks_of_it(name, tmp_path):
    (tmp_path / name).write_text("# Data\n\n- `digits/`: not these.\n- `faces/`: from a\n  collection of the web.\n")
    assert said_beside(tmp_path, "faces") == f"{name}: `faces/`: from a collection of the web."
    assert said_beside(tmp_path, "cats") == ""


def test_a_file_in_the_folder_comes_first_and_a_long_one_is_cut(tmp_path):
    (tmp_path / "README").write_text("These faces come from somewhere else.")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/README").write_text("These faces are mine. " + "x" * 5000)
    said = said_beside(tmp_path, "faces")
    assert said.startswith("README: These faces are mine.")
    assert len(said) <= MOST + len("README: ")


def test_no_file_no_folder_and_bytes_that_are_no_text_say_nothing_or_no_harm(tmp_path):
    assert said_beside(None, "faces") == said_beside(tmp_path / "gone", "faces") == said_beside(tmp_path, "faces") == ""
    (tmp_path / "README").write_bytes(b"\xff\xfe faces and a good many other bytes \x00")
    assert "faces" in said_beside(tmp_path, "faces")


def test_what_a_stranger_wrote_is_no_markdown():
    said = card_text("photographs", "README: <script>1</script> [a](javascript:b) **c** $d$ ![e](f)")
    quoted = said.rpartition("beside the data says:**")[2]
    assert not re.search(r"(?<!\\)[<>\[\]*$!`]", quoted)


class Dark(nn.Module):
    """Reads 1 for the first attribute of a dark image, and 0 for the second always."""

    def forward(self, x):
        dark = (0.5 - x.mean((1, 2, 3)))[:, None]
        return torch.cat([dark, -torch.ones_like(dark)], 1)


def test_a_judge_is_seen_by_group():
    images = torch.zeros(8, 3, 4, 4)
    images[4:] = 1.0
    attributes = torch.tensor([[1.0, k % 2] for k in range(4)] + [[0.0, k % 2] for k in range(4)])
    table = by_attribute(Dark(), attributes, images, attributes, ["Smiling", "Male"])
    assert list(table["judge"]) == [1.0, 0.5]
    assert list(table["set, test"]) == [0.5, 0.5]
    assert table["judge, Male"][0] == table["judge, not Male"][0] == 1.0
    assert pd.isna(table["judge, Male"][1])  # there is but one answer in the group
    assert "judge, Male" not in by_attribute(Dark(), attributes, images, attributes, ["Smiling", "Hat"])


def test_digits_are_counted_and_read_by_label():
    labels = torch.tensor([0, 0, 1, 2])

    class Zero(nn.Module):
        def forward(self, x):
            return torch.eye(10)[:1].expand(len(x), 10)

    table = by_digit(Zero(), labels, torch.zeros(4, 1, 28, 28, dtype=torch.uint8), labels)
    assert list(table["share, test"])[:3] == [0.5, 0.25, 0.25]
    assert list(table["judge"])[:3] == [1.0, 0.0, 0.0]
    assert pd.isna(table["judge"][9])
