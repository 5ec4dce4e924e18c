"""Figures: pixels where they belong, equal bytes for equal arrays, alt text on each."""

import struct

import numpy as np
import pandas as pd
import pytest

from lab_utils import figures, show

TEN = np.random.default_rng(0).random((10, 1, 28, 28), dtype=np.float32)
CURVE = pd.DataFrame({"step": range(0, 500, 10), "loss": np.linspace(200, 130, 50)})
EPOCHS = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [150.0, 140, 135], "test_loss": [151.0, 142, 138]})

DRAWINGS = {
    "grid": lambda: figures.grid(TEN, "ten", columns=5, column_labels="abcde", row_labels="xy"),
    "panels": lambda: figures.panels({str(k): TEN[:4] for k in range(10)}, "ten panels", columns=2),
    "lines": lambda: figures.lines({"a": ([1, 2], [3, 4])}, "a line", x_label="x", y_label="y"),
    "learning": lambda: figures.learning_curves(CURVE, EPOCHS, "curves", batches="batch", levels={"report": 127.5}),
    "entry": lambda: figures.label_entry(TEN[0, 0], 5, "entry"),
    "plane": lambda: figures.plane(TEN[:9], "plane", ticks=[-1.0, 0.0, 1.0]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_equal_arrays_give_equal_bytes_and_alt_text(name):
    one, other = (show.png(DRAWINGS[name]()) for _ in range(2))
    assert one.data == other.data
    assert one.alt


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_picture_is_as_wide_as_said(name):
    picture = show.png(DRAWINGS[name]())
    width = struct.unpack(">I", picture.data[16:20])[0]
    assert width == pytest.approx(picture.width * show.DPI / 96, abs=2)


def test_mosaic_puts_each_image_in_its_place():
    sheet = figures.mosaic(TEN, columns=4)
    assert sheet.shape == (3 * 29 - 1, 4 * 29 - 1, 1)
    assert np.array_equal(sheet[29:57, 58:86, 0], TEN[6, 0])  # row 1, column 2
    assert (sheet[58:, 58:] == 1).all()  # nothing in the last two places


def test_colour_images_keep_their_channels():
    colour = np.zeros((2, 3, 4, 4), dtype=np.float32)
    colour[1, 2] = 1
    sheet = figures.mosaic(colour, columns=2)
    assert sheet[0, 5].tolist() == [0, 0, 1]
    assert sheet[0, 0].tolist() == [0, 0, 0]


def test_style_does_not_leak_into_the_notebook():
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    DRAWINGS["lines"]()
    assert mpl.rcParams["font.size"] == before
