"""Figures: pixels where they belong, equal bytes for equal images, however they are given."""

import inspect
import io
import struct

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lab_utils import figures
from lab_utils.data.batches import to_unit

TEN = np.random.default_rng(0).random((10, 1, 28, 28), dtype=np.float32)
COLOUR = np.random.default_rng(1).random((6, 3, 16, 16), dtype=np.float32)
POINTS, KINDS = np.random.default_rng(2).normal(size=(30, 2)), np.arange(30) % 3 // 2  # 10 of the second kind
PANELS = {
    "first": {"a": ([1, 2, 3], [300.0, 20, 10]), "b": ([1, 3], [200.0, 30])},
    "second": {"b": ([1, 2], [20.0, 10]), "c": ([2, 3], [40.0, 20])},
}
MODELS = {f"model {k}": np.linspace(0, k, 5) for k in range(3)}
RATES = {name: (10.0 * k, 100.0 - k) for k, name in enumerate(MODELS)}
SWEPT = {f"swept {k}": (k, 9.0 - k) for k in range(5)}
AXIS = np.linspace(-3, 3, 30)
BELLS = np.exp(-0.5 * (AXIS - np.array([[-1.0], [1.0]])) ** 2)  # of two points
FIELD = BELLS[0][:, None] * BELLS[1]  # highest where x₁ is −1 and x₂ is 1
CENTRES = np.array([[1.0, 0], [0, 1], [-1, 0]])
CODES = {name: np.random.default_rng(3).normal(scale=k + 0.5, size=(50, 4)) for k, name in enumerate(MODELS)}
TABLES = {"one": np.arange(9).reshape(3, 3), "none": np.zeros((3, 3))}
CURVE = pd.DataFrame({"step": range(0, 500, 10), "loss": np.linspace(200, 130, 50)})
EPOCHS = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [150.0, 140, 135], "test_loss": [151.0, 142, 138]})

DRAWINGS = {
    "grid": lambda: figures.grid(TEN, columns=5, column_labels="abcde", row_labels="xy"),
    "panels": lambda: figures.panels({str(k): TEN[:4] for k in range(10)}, columns=2),
    "lines": lambda: figures.lines({"a": ([1, 2], [3, 4])}, x_label="x", y_label="y"),
    "learning": lambda: figures.learning_curves(CURVE, EPOCHS, batches="batch", levels={"report": 127.5}),
    "entry": lambda: figures.label_entry(TEN[:1], 5),
    "plane": lambda: figures.plane(TEN[:9], ticks=[-1.0, 0.0, 1.0], points=[[0.5, -0.5], [3.0, 0.0]]),
    "colour grid": lambda: figures.grid(COLOUR, columns=3, row_labels=["one", "two"], y_label="rows"),
    "colour panels": lambda: figures.panels({"a": COLOUR[:4], "b": COLOUR[2:]}, columns=2, across=2),
    "line panels": lambda: figures.line_panels(PANELS, x_label="x", y_labels=["y", ""], levels={"goal": 50}),
    "log panels": lambda: figures.line_panels(PANELS, x_label="x", y_labels=["y", ""], log=True),
    "one panel": lambda: figures.line_panels({"a": PANELS["first"]}, x_label="x", y_labels=["y"]),
    "scatter": lambda: figures.scatter(POINTS, KINDS, ("no", "yes")),
    "matrices": lambda: figures.matrices(TABLES, x_label="code", y_label="label", columns="abc"),
    "bars": lambda: figures.bars({"a": {"x": 0.1, "y": 0.5}, "b": {"x": 0.3, "y": 0.0}}, x_label="nats"),
    "rates": lambda: figures.rate_distortion(RATES, SWEPT, [(0, 9), (5, 1)], MODELS),
    "prior": lambda: figures.against_prior(CODES),
    "one prior": lambda: figures.against_prior({"a": CODES["model 1"]}),
    "toy": lambda: figures.curves_and_posteriors(
        POINTS, {"a": np.stack([AXIS, AXIS**2], 1)}, POINTS[:2], AXIS, {"a": BELLS}, {"a": BELLS}
    ),
    "fields": lambda: figures.fields({"a": FIELD, "b": 1 - FIELD}, AXIS),
    "clouds": lambda: figures.clouds({"a": POINTS, "b": 2 * POINTS}, CENTRES),
    "ratios": lambda: figures.ratios({"a": [1.0, 2, 3], "b": [2.0, 2, 2.5]}, {"b": 2.2}, "times"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_equal_arrays_give_equal_bytes(name):
    one, other = (figures.png(DRAWINGS[name]()) for _ in range(2))
    assert one == other
    assert one.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_has_its_alt_text_and_is_as_wide_as_said(name):
    picture = figures.image(DRAWINGS[name](), "What is seen.")
    assert picture.alt == "What is seen."
    width = struct.unpack(">I", picture.data[16:20])[0]
    assert width == pytest.approx(picture.width * figures.DPI / 96, abs=2)


BYTES = (TEN * 255).astype(np.uint8)
KINDS_OF_IMAGES = {
    "array": lambda x: x,
    "float array": lambda x: x.astype(np.float32) / 255,
    "tensor": torch.from_numpy,
    "float tensor": lambda x: to_unit(torch.from_numpy(x)),
    "tensor with a gradient": lambda x: to_unit(torch.from_numpy(x)).requires_grad_(),
}
DRAWN_OF_IMAGES = {
    "grid": lambda x: figures.grid(x, columns=5),
    "a list of sets": lambda x: figures.grid([x[:3], x[3:]], columns=5),
    "panels": lambda x: figures.panels({"a": x[:4], "b": [x[4:6], x[6:8]]}, columns=2, across=2),
    "plane": lambda x: figures.plane(x[:9], ticks=[-1.0, 0.0, 1.0], points=[[0.5, -0.5], [3.0, 0.0]]),
    "entry": lambda x: figures.label_entry(x[:1], 5),
}


@pytest.mark.parametrize("name", DRAWN_OF_IMAGES)
def test_images_may_be_arrays_or_tensors_bytes_or_not(name):
    drawn = {figures.png(DRAWN_OF_IMAGES[name](make(BYTES))) for make in KINDS_OF_IMAGES.values()}
    assert len(drawn) == 1


def test_a_list_of_sets_is_drawn_one_after_the_other():
    whole = figures.png(figures.grid(BYTES, columns=5))
    assert figures.png(figures.grid([BYTES[:3], torch.from_numpy(BYTES[3:])], columns=5)) == whole
    mixed = [BYTES[:3], to_unit(torch.from_numpy(BYTES[3:]))]  # real images beside samples
    assert figures.png(figures.grid(mixed, columns=5)) == whole


@pytest.mark.parametrize(
    ("draw", "values"),
    [
        (lambda points, kinds: figures.scatter(points, kinds, ("no", "yes")), (POINTS, KINDS)),
        (lambda table: figures.matrices({"a": table}, x_label="x", y_label="y", columns="abc"), (TABLES["one"],)),
        (
            lambda kl: figures.rate_distortion({"a": (1.0, 2.0)}, SWEPT, [(0, 9), (5, 1)], {"a": kl}),
            (MODELS["model 1"],),
        ),
        (lambda codes: figures.against_prior({"a": codes}), (CODES["model 1"],)),
        (lambda values, axis: figures.fields({"a": values}, axis), (FIELD, AXIS)),
        (lambda points, centres: figures.clouds({"a": points}, centres), (POINTS, CENTRES)),
    ],
    ids=["scatter", "matrices", "rates", "prior", "fields", "clouds"],
)
def test_other_figures_take_tensors_too(draw, values):
    assert figures.png(draw(*values)) == figures.png(draw(*map(torch.from_numpy, values)))


def test_every_figure_says_what_it_takes():
    """A reader's tooltip shows the parameters and not ``*args``."""
    names = ["against_prior", "bars", "clouds", "curves_and_posteriors", "fields", "grid", "label_entry"]
    names += ["learning_curves"]
    names += ["line_panels", "lines", "matrices", "panels", "plane", "rate_distortion", "ratios", "scatter"]
    for name in names:
        function = getattr(figures, name)
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}, name
        assert function.__name__ == name
        assert function.__doc__
        assert "alt" not in inspect.signature(function).parameters
    assert list(inspect.signature(figures.lines).parameters) == ["series", "x_label", "y_label", "levels", "zoom"]


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


def test_a_grid_shows_colours_as_they_are():
    plain = np.zeros((3, 3, 20, 20), dtype=np.float32)
    plain[[0, 1, 2], [0, 1, 2]] = 1  # red, green and blue
    picture = Image.open(io.BytesIO(figures.png(figures.grid(plain, columns=3)))).convert("RGB")
    seen = np.asarray(picture)[picture.height // 2]
    for third, colour in enumerate(np.eye(3, dtype=int) * 255):
        assert (seen[(2 * third + 1) * picture.width // 6] == colour).all()


def test_a_name_has_one_colour_in_every_panel():
    fig = DRAWINGS["line panels"]()
    first, second = ({line.get_label(): line for line in ax.lines} for ax in fig.axes)
    assert list(first) == ["a", "b", "c", "goal"]
    assert list(second) == ["a", "b", "c"]
    for name, line in second.items():
        assert line.get_color() == first[name].get_color()
    assert len({line.get_color() for line in second.values()}) == 3
    assert second["b"].get_ydata().tolist() == [20, 10]
    assert len(second["a"].get_xdata()) == 0
    assert [text.get_text() for text in fig.legends[0].texts] == ["a", "b", "c", "goal"]
    assert [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes] == ["first", "second"]
    assert {ax.get_yscale() for ax in DRAWINGS["log panels"]().axes} == {"log"}


def test_a_map_shows_every_point_as_its_kind():
    ax = DRAWINGS["scatter"]().axes[0]
    for kind, name, drawn in zip((0, 1), ("no (20)", "yes (10)"), ax.collections, strict=True):
        assert drawn.get_label() == name
        assert np.array_equal(drawn.get_offsets(), POINTS[kind == KINDS])


def test_no_model_is_left_out_of_rate_and_distortion():
    left, right = DRAWINGS["rates"]().axes
    theory, swept, *points = left.lines
    assert theory.get_xydata().tolist() == [[0, 9], [5, 1]]
    assert swept.get_xydata().tolist() == [list(point) for point in SWEPT.values()]
    assert [text.get_text() for text in left.texts] == list(SWEPT)
    assert [line.get_xydata()[0].tolist() for line in points[:3]] == [list(point) for point in RATES.values()]
    assert [line.get_color() for line in points[:3]] == [line.get_color() for line in right.lines]
    assert right.lines[2].get_ydata().tolist() == [2, 1.5, 1, 0.5, 0]  # largest first


def test_a_point_beyond_the_plane_lies_at_its_edge():
    ax = DRAWINGS["plane"]().axes[0]
    inside, beyond = ax.collections[0].get_offsets()
    step, centre = TEN.shape[-1] + 1, (TEN.shape[-1] - 1) / 2
    assert inside.tolist() == pytest.approx(
        [centre + 1.5 * step, centre + 1.5 * step]
    )  # z₂ falls from the first row on
    assert beyond.tolist() == pytest.approx([centre + 2 * step, centre + step])


def test_each_marked_point_has_two_posteriors():
    above, below = DRAWINGS["toy"]().axes
    assert len(above.lines) == 2 + 2
    assert len(below.lines) == 1 + 2
    assert len(below.collections) == 2
    assert all(line.get_ydata().max() == pytest.approx(1, abs=0.01) for line in below.lines)


def test_codes_beyond_the_limit_are_counted():
    fig = figures.against_prior({"far": np.array([[-50.0, 0.1, 0.1, 50]])})
    heights = [bar.get_height() for bar in fig.axes[0].patches]
    width = 12 / 48
    assert [h * width for h in (heights[0], heights[24], heights[-1])] == pytest.approx([0.25, 0.5, 0.25])
    curve = fig.axes[0].lines[0].get_ydata()
    assert curve.max() == pytest.approx((2 * np.pi) ** -0.5, abs=1e-3)


def test_style_does_not_leak_into_the_notebook():
    before = mpl.rcParams["font.size"]
    DRAWINGS["lines"]()
    assert mpl.rcParams["font.size"] == before


def test_tables_show_the_share_of_each_row():
    ax = figures.matrices({"a": np.array([[1, 3], [0, 0]])}, x_label="", y_label="", columns="xy").axes[0]
    assert [(*text.get_position(), text.get_text()) for text in ax.texts] == [(0, 0, "25"), (1, 0, "75")]


def test_bars_of_all_groups_have_one_scale():
    left, right = figures.bars({"a": {"x": 0.1}, "b": {"x": 0.5}}, x_label="nats").axes
    assert left.get_xlim() == right.get_xlim()


def test_a_curve_that_is_not_in_the_first_panel_has_no_marker_in_the_legend():
    long = (range(100), range(100))
    fig = figures.line_panels({"a": {"one": long}, "b": {"two": long}}, x_label="x", y_labels=["", ""])
    assert [line.get_marker() for line in fig.legends[0].get_lines()] == ["", ""]


# Pixels of images become whole pixels of the figure


def pattern(n, channels, side):
    """Images in which no pixel looks like another nearby, none of them white: N×channels×side×side, in [0, 1]."""
    levels = np.random.default_rng(side).integers(0, 216, (n, channels, side, side))
    return levels.astype(np.float32) / 255


def decoded(fig):
    """A figure's PNG, H×W×3."""
    return np.asarray(Image.open(io.BytesIO(figures.png(fig))).convert("RGB"))


def boxes(fig, picture):
    """Where the sheets of a figure lie in its PNG, each as slices down and across, and their images."""
    height, width = picture.shape[:2]
    for ax in fig.axes:
        box = ax.get_position()
        edges = (1 - box.y1) * height, (1 - box.y0) * height, box.x0 * width, box.x1 * width
        top, bottom, left, right = (round(edge) for edge in edges)
        assert edges == pytest.approx((top, bottom, left, right), abs=1e-6)  # on whole pixels
        yield (slice(top, bottom), slice(left, right)), ax.images[0].get_array()


def factor_of(fig, covered=()):
    """By how much the images of a figure were enlarged: each pixel to a square of one colour, the same for all.

    What is ``covered`` by something else than the image, a share of the pixels at most, is left out.
    """
    picture, found = decoded(fig), set()
    assert picture.shape[:2] == tuple(round(size * figures.DPI) for size in fig.get_size_inches()[::-1])
    for place, sheet in boxes(fig, picture):
        seen, sheet = picture[place], np.asarray(sheet)
        sheet = np.broadcast_to(sheet[:, :, None], (*sheet.shape, 3)) if sheet.ndim == 2 else sheet
        factor, rest = divmod(len(seen), len(sheet))
        assert rest == 0
        assert seen.shape == (factor * sheet.shape[0], factor * sheet.shape[1], 3)
        blocks = seen.reshape(sheet.shape[0], factor, sheet.shape[1], factor, 3).transpose(0, 2, 1, 3, 4)
        expected = np.floor(sheet * 255 + 0.5).astype(int)[:, :, None, None]
        off = (np.abs(blocks.astype(int) - expected) > 1).any((2, 3, 4))
        same = (blocks == blocks[:, :, :1, :1]).all((2, 3, 4))
        assert not (off | ~same)[~covered if len(covered) else ...].any()
        found.add(factor)
    (factor,) = found
    return factor


SHEETS = {
    "ten digits": lambda width: figures.grid(pattern(10, 1, 28), columns=10, width=width),
    "digits with labels": lambda width: figures.grid(
        pattern(12, 1, 28), columns=6, column_labels=["a", "long label"] * 3, row_labels=["one", "the other row"],
        x_label="columns", y_label="rows", width=width,
    ),
    "an odd sheet": lambda width: figures.grid(pattern(7, 3, 13), columns=3, width=width),
    "faces": lambda width: figures.grid(pattern(8, 3, 64), columns=4, column_labels="abcd", width=width),
    "panels": lambda width: figures.panels(
        {"a": pattern(4, 3, 32), "a very long title indeed": pattern(9, 3, 32), "c": pattern(4, 3, 32)}, columns=2,
        across=3, width=width,
    ),
    "two rows of panels": lambda width: figures.panels(
        {str(i): pattern(4, 1, 28) for i in range(5)}, columns=2, across=3, width=width
    ),
}  # fmt: skip


@pytest.mark.parametrize("width", [4.0, 6.5, 8.2])
@pytest.mark.parametrize("name", SHEETS)
def test_each_pixel_of_an_image_is_as_many_whole_pixels_of_the_figure(name, width):
    fig = SHEETS[name](width)
    factor = factor_of(fig)
    across = {}
    for ax in fig.axes:
        across.setdefault(round(ax.get_position().y1, 6), []).append(ax.images[0].get_array().shape[1])
    widest = max(sum(sizes) for sizes in across.values())
    nearest = min(range(2, 60), key=lambda k: abs(k * widest - width * figures.DPI))
    assert factor == nearest


def test_images_are_at_least_doubled_though_they_are_wider_than_asked_for():
    assert factor_of(figures.grid(pattern(20, 3, 64), columns=20, width=6.5)) == 2


def test_each_pixel_of_a_plane_is_whole_beside_its_points():
    fig = figures.plane(pattern(49, 1, 28), ticks=np.linspace(-2, 2, 7), points=[[-2.0, -2.0]])
    sheet = fig.axes[0].images[0].get_array()
    covered = np.zeros(sheet.shape[:2], dtype=bool)
    covered[-29:, :29] = True  # the image that the point lies on
    factor = factor_of(fig, covered)
    assert factor * sheet.shape[1] == pytest.approx(5.6 * figures.DPI, abs=sheet.shape[1] / 2)


def test_sheets_do_not_lie_over_one_another_nor_does_a_word_leave_the_figure():
    for name in ("digits with labels", "panels", "two rows of panels"):
        fig = SHEETS[name](6.5)
        fig.draw_without_rendering()
        found = [ax.get_tightbbox() for ax in fig.axes]
        for i, box in enumerate(found):
            assert box.x0 >= fig.bbox.x0
            assert box.x1 <= fig.bbox.x1
            assert box.y0 >= fig.bbox.y0
            assert box.y1 <= fig.bbox.y1
            assert not any(box.overlaps(other) for other in found[i + 1 :])


def test_panels_keep_their_order_and_their_titles():
    fig = SHEETS["two rows of panels"](6.5)
    assert [ax.get_title(loc="center") for ax in fig.axes] == list("01234")
    corners = [(-ax.get_position().y1, ax.get_position().x0) for ax in fig.axes]
    assert corners == sorted(corners)  # row by row
    assert len({y for y, _ in corners}) == 2


# Points and probabilities in the plane


def test_a_field_is_drawn_from_below_over_its_axis():
    fig = DRAWINGS["fields"]()
    left, right, bar = fig.axes
    for ax, title, values in ((left, "a", FIELD), (right, "b", 1 - FIELD)):
        (drawn,) = ax.images
        assert ax.get_title(loc="left") == title
        assert drawn.origin == "lower"
        assert drawn.get_extent() == [-3, 3, -3, 3]
        assert drawn.get_clim() == (0, 1)
        assert np.array_equal(drawn.get_array(), values.T)  # columns are what the first axis of the values counts
    assert "real" in bar.get_ylabel()


def test_values_of_a_field_may_stand_in_one_row():
    one, other = (figures.png(figures.fields({"a": values}, AXIS)) for values in (FIELD, FIELD.reshape(-1, 1)))
    assert one == other


def test_a_cloud_shows_every_point_and_every_centre():
    left, right = DRAWINGS["clouds"]().axes
    for ax, points in ((left, POINTS), (right, 2 * POINTS)):
        cloud, rings = ax.lines
        assert np.array_equal(cloud.get_xydata(), points)
        assert np.array_equal(rings.get_xydata(), CENTRES)
        assert rings.get_markerfacecolor() == "none"
        assert ax.get_xlim() == ax.get_ylim()
        assert ax.get_aspect() == 1


def test_a_curve_of_several_seeds_is_their_mean_in_the_band_of_all():
    fig = figures.lines({"a": ([1, 2], [[1.0, 3.0], [2.0, 6.0]]), "b": ([1, 2], [5, 5])}, x_label="x", y_label="y")
    (ax,) = fig.axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [[2.0, 4.0], [5, 5]]
    (band,) = ax.collections
    low, high = band.get_paths()[0].get_extents().intervaly
    assert (low, high) == (1.0, 6.0)
