"""Arrays in, Figure out, with its alt text in ``fig.alt``. The only owner of style; knows no model."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours: told apart with any colour vision, and in grey.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def styled(function):
    """Draw under the course's style, whatever a notebook has set."""

    def inside(*args, **kwargs) -> Figure:
        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "backend": mpl.get_backend()}):
            return function(*args, **kwargs)

    inside.__doc__, inside.__name__ = function.__doc__, function.__name__
    return inside


def mosaic(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images N×C×H×W in [0, 1] as one H'×W'×C picture, row by row, white between them."""
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), dtype=np.float32)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet


def draw_mosaic(ax: Axes, images: np.ndarray, columns: int, row_labels=(), column_labels=()) -> None:
    """Draw images N×C×H×W in [0, 1] on ``ax`` in one pixel scale, 0 black and 1 white, with labels beside them."""
    sheet = mosaic(images, columns)
    ax.imshow(sheet.squeeze(-1) if sheet.shape[2] == 1 else sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    step = (np.array(images.shape[2:]) + 1).tolist()
    centre = [(size - 1) / 2 for size in images.shape[2:]]
    ax.set_yticks([centre[0] + step[0] * i for i in range(len(row_labels))], row_labels)
    ax.set_xticks([centre[1] + step[1] * i for i in range(len(column_labels))], column_labels)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)


@styled
def grid(
    images: np.ndarray,
    alt: str,
    *,
    columns: int,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    x_label: str = "",
    y_label: str = "",
    width: float = 6.5,
) -> Figure:
    """A sheet of images N×C×H×W in [0, 1], ``columns`` to a row, with row and column labels."""
    rows = -(-len(images) // columns)
    beside = 0.08 * max((len(str(label)) for label in row_labels), default=0) + (0.3 if y_label else 0)
    above = (0.25 if len(column_labels) else 0) + (0.2 if x_label else 0)
    cell = (width - beside) / columns * images.shape[2] / images.shape[3]
    fig = Figure(figsize=(width, rows * cell + above + 0.05), layout="compressed")
    ax = fig.add_subplot()
    draw_mosaic(ax, images, columns, row_labels, column_labels)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    fig.alt = alt
    return fig


@styled
def panels(sheets: Mapping[str, np.ndarray], alt: str, *, columns: int, across: int = 5, width: float = 6.5) -> Figure:
    """Several titled sheets side by side, each images N×C×H×W in [0, 1] with ``columns`` to a row."""
    down = -(-len(sheets) // across)
    rows = max(-(-len(images) // columns) for images in sheets.values())
    fig = Figure(figsize=(width, down * ((width / across - 0.1) * rows / columns + 0.32)))
    for ax, (title, images) in zip(fig.subplots(down, across, squeeze=False).flat, sheets.items(), strict=False):
        draw_mosaic(ax, images, columns)
        ax.set_title(title, loc="center")
    fig.alt = alt
    return fig


@styled
def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    alt: str,
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
    zoom: bool = True,
) -> Figure:
    """Named curves in one plot; ``levels`` are dashed reference values. ``zoom`` cuts off the steep start."""
    fig = Figure(figsize=(6.5, 3.2))
    draw_lines(fig.add_subplot(), series, x_label, y_label, levels or {}, zoom)
    fig.alt = alt
    return fig


def draw_lines(ax: Axes, series, x_label: str, y_label: str, levels: Mapping[str, float], zoom: bool) -> None:
    """Curves on ``ax``; the vertical range leaves out the highest tenth of the points if ``zoom``."""
    for (name, (x, y)), colour in zip(series.items(), COLOURS, strict=False):
        few = len(x) <= 60
        ax.plot(x, y, color=colour, label=name, lw=1.8 if few else 0.9, marker="o" if few else "", ms=3.5)
    for (name, value), dash in zip(levels.items(), ("--", ":", "-."), strict=False):
        ax.axhline(value, color="#444444", ls=dash, lw=1.2, label=name)
    if zoom:
        values = np.concatenate([np.asarray(y, float) for _, y in series.values()] + [[*levels.values()]])
        low, high = values.min(), np.quantile(values, 0.9)
        ax.set_ylim(low - 0.08 * (high - low), high + 0.12 * (high - low))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(fontsize=9)


@styled
def learning_curves(curve, epochs, alt: str, *, batches: str, levels: Mapping[str, float]) -> Figure:
    """Training loss along the batches (left) and training and test loss per epoch (right), in nats/image.

    ``curve`` and ``epochs`` are the tables of a training history; ``epochs`` has train_loss and test_loss.
    """
    fig = Figure(figsize=(8.2, 3.3))
    left, right = fig.subplots(1, 2)
    draw_lines(left, {"training": (curve["step"], curve["loss"])}, batches, "−ELBO, nats/image", {}, True)
    both = {name: (epochs["epoch"], epochs[key]) for name, key in [("training", "train_loss"), ("test", "test_loss")]}
    draw_lines(right, both, "epoch", "", levels, True)
    fig.alt = alt
    return fig


@styled
def label_entry(image: np.ndarray, label: int, alt: str) -> Figure:
    """How a label enters the networks: the one-hot table of all labels, and the encoder's 11 channels for one image.

    ``image`` is 28×28 in [0, 1]; the chosen label's row and plane stand out.
    """
    fig = Figure(figsize=(8.2, 3.0))
    left, right = fig.subfigures(1, 2, width_ratios=[1, 1.9])
    draw_one_hot(left.subplots(), label)
    channels = {"image": image, **{f"label {k}?": np.full((28, 28), float(k == label)) for k in range(10)}}
    axes = right.subplots(2, 6).flat
    for ax, (name, channel) in zip(axes, channels.items(), strict=False):
        ax.imshow(channel, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, loc="center", fontsize=9, color=RED if name == f"label {label}?" else "black")
        ax.spines[:].set(visible=True, color="#777777")
    axes[11].set_visible(False)
    fig.alt = alt
    return fig


def draw_one_hot(ax: Axes, label: int) -> None:
    """The ten one-hot rows as a table, with the row of one label framed."""
    ax.imshow(np.eye(10), cmap="Blues", vmin=0, vmax=1.3)
    for i in range(10):
        for j in range(10):
            ax.text(j, i, int(i == j), ha="center", va="center", fontsize=8, color="white" if i == j else "#666666")
    ax.add_patch(mpl.patches.Rectangle((-0.5, label - 0.5), 10, 1, fill=False, ec=RED, lw=2))
    ax.set(xticks=range(10), yticks=range(10), xlabel="entry of c", ylabel="label")
    ax.grid(False)


@styled
def plane(images: np.ndarray, alt: str, *, ticks: Sequence[float], width: float = 6.0) -> Figure:
    """Images decoded on a square lattice of a 2-D latent, K²×1×28×28, first row at the largest z₂."""
    side = len(ticks)
    fig = Figure(figsize=(width, width), layout="compressed")
    ax = fig.add_subplot()
    draw_mosaic(ax, images, side)
    step, centre = images.shape[-1] + 1, (images.shape[-1] - 1) / 2
    shown = range(0, side, max(1, (side - 1) // 4))
    ax.set_xticks([centre + step * i for i in shown], [f"{ticks[i]:.1f}" for i in shown])
    ax.set_yticks([centre + step * i for i in shown], [f"{ticks[side - 1 - i]:.1f}" for i in shown])
    ax.tick_params(top=False, labeltop=False, bottom=False, labelbottom=True)
    ax.set(xlabel="z₁", ylabel="z₂")
    fig.alt = alt
    return fig
