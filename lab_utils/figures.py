"""Arrays in, Figure out. The only owner of style; knows no model.

Images are N×C×H×W, arrays or tensors, uint8 or in [0, 1].
"""

import functools
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lab_utils.clock import spend

# Okabe and Ito's colours: told apart with any colour vision, and in grey.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
DPI = 144  # of the PNG; shown at 96 per inch, so that it stays sharp on dense screens
GAP = 16  # pixels between two sheets of images
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

    @functools.wraps(function)
    def inside(*args, **kwargs) -> Figure:
        with spend("figures"), mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "backend": mpl.get_backend()}):
            return function(*args, **kwargs)

    return inside


@spend("figures")
def png(fig: Figure) -> bytes:
    """A figure as a PNG; equal arrays, equal bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def image(fig: Figure, alt: str) -> Image:
    """A figure as IPython displays it, with its alt text and its width in CSS pixels."""
    return Image(png(fig), format="png", width=round(fig.get_figwidth() * 96), alt=alt)


def array(values: Any) -> np.ndarray:
    """Tensors and whatever else numpy takes as an array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def pixels(images: Any) -> np.ndarray:
    """Images in [0, 1], N×C×H×W, from an array or a tensor, bytes or not; of a list all, one after the other."""
    if isinstance(images, (list, tuple)):
        return np.concatenate([pixels(part) for part in images])
    found = array(images)
    return found.astype(np.float32) / 255 if found.dtype == np.uint8 else found


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Images N×C×H×W in [0, 1] as one H'×W'×C picture, row by row, a white line between them."""
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), dtype=np.float32)
    for i, one in enumerate(images):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = one.transpose(1, 2, 0)
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
    images: Any,
    *,
    columns: int,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    x_label: str = "",
    y_label: str = "",
    width: float = 6.5,
) -> Figure:
    """A sheet of images, ``columns`` to a row, with row and column labels; a list of sets, one after the other.

    As near to ``width`` inches as whole pixels allow (:func:`fit_to_pixels`).
    """
    images = pixels(images)
    fig = Figure(dpi=DPI, layout="none")
    ax = fig.add_subplot()
    draw_mosaic(ax, images, columns, row_labels, column_labels)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    fit_to_pixels(fig, [[ax]], width)
    return fig


@styled
def panels(sheets: Mapping[str, Any], *, columns: int, across: int = 5, width: float = 6.5) -> Figure:
    """Several titled sheets of images side by side, each with ``columns`` to a row, about ``width`` inches together."""
    fig = Figure(dpi=DPI, layout="none")
    axes = fig.subplots(-(-len(sheets) // across), across, squeeze=False)
    for ax, (title, images) in zip(axes.flat, sheets.items(), strict=False):
        draw_mosaic(ax, pixels(images), columns)
        ax.set_title(title, loc="center")
    for ax in axes.flat[len(sheets) :]:
        ax.remove()
    fit_to_pixels(fig, [[ax for ax in row if ax.figure] for row in axes], width)
    return fig


def fit_to_pixels(fig: Figure, axes: Sequence[Sequence[Axes]], width: float) -> None:
    """Lay sheets of images out in rows so that each pixel of an image becomes as many whole pixels of the figure.

    Other factors would make some pixels of a face wider than others. The factor is the same for all sheets, at least
    two, and the one with which the widest row comes nearest to ``width`` inches; what is written beside a sheet keeps
    its size.
    """
    sides = [[tuple(reversed(ax.images[0].get_array().shape[:2])) for ax in row] for row in axes]
    factor = max(2, round(width * DPI / max(sum(wide for wide, _ in row) for row in sides)))
    boxes, across, down = {}, 0, 0
    for row, sizes in zip(axes, sides, strict=True):
        x, lowest = 0, down
        for ax, (wide, tall) in zip(row, sizes, strict=True):
            left, below, right, above = margin(ax, fig)
            boxes[ax] = (x + left, down + above, factor * wide, factor * tall)
            x += left + factor * wide + right + GAP
            lowest = max(lowest, down + above + factor * tall + below)
        across, down = max(across, x - GAP), lowest + GAP
    down -= GAP
    fig.set_size_inches(across / DPI, down / DPI)
    for ax, (left, top, wide, tall) in boxes.items():
        ax.set_position([left / across, 1 - (top + tall) / down, wide / across, tall / down])
        ax.set_aspect("auto")  # the box has the shape of the sheet


def margin(ax: Axes, fig: Figure) -> tuple[int, int, int, int]:
    """Whole pixels that is written on beside an axes: left, below, right, above."""
    fig.draw_without_rendering()
    box, all_of_it = ax.get_window_extent(), ax.get_tightbbox()
    beside = (box.x0 - all_of_it.x0, box.y0 - all_of_it.y0, all_of_it.x1 - box.x1, all_of_it.y1 - box.y1)
    return tuple(math.ceil(max(0.0, size)) + 2 for size in beside)


@styled
def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
    zoom: bool = True,
) -> Figure:
    """Named curves, of one seed or of several (N×seeds), in one plot; ``levels`` are dashed reference values.

    ``zoom`` cuts off the steep start.
    """
    fig = Figure(figsize=(6.5, 3.2))
    draw_lines(fig.add_subplot(), series, x_label, y_label, levels or {}, zoom)
    return fig


def draw_lines(ax: Axes, series, x_label: str, y_label: str, levels: Mapping[str, float], zoom: bool) -> None:
    """Curves on ``ax``; the vertical range leaves out the highest tenth of the points if ``zoom``.

    A curve with a column for each of several seeds is drawn as their mean, in the band from the least to the most.
    """
    for (name, (x, values)), colour in zip(series.items(), COLOURS, strict=False):
        y, few = array(values), 0 < len(x) <= 60
        if y.ndim == 2:
            ax.fill_between(x, y.min(1), y.max(1), color=colour, alpha=0.2, lw=0)
            y = y.mean(1)
        ax.plot(x, y, color=colour, label=name, lw=1.8 if few else 0.9, marker="o" if few else "", ms=3.5)
    for (name, value), dash in zip(levels.items(), ("--", ":", "-."), strict=False):
        ax.axhline(value, color="#444444", ls=dash, lw=1.2, label=name)
    if zoom:
        values = np.concatenate([np.ravel(array(y)).astype(float) for _, y in series.values()] + [[*levels.values()]])
        low, high = values.min(), np.quantile(values, 0.9)
        ax.set_ylim(low - 0.08 * (high - low), high + 0.12 * (high - low))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))  # of four digits, in half a page
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(fontsize=9)


@styled
def learning_curves(curve: Any, stretches: Any, *, batches: str, levels: Mapping[str, float]) -> Figure:
    """Training loss along the batches (left) and training and test loss over the epochs (right), in nats/image.

    ``curve`` and ``stretches`` are the tables of a training history; ``stretches`` has train_loss and test_loss.
    """
    fig = Figure(figsize=(8.2, 3.3))
    left, right = fig.subplots(1, 2)
    draw_lines(left, {"training": (curve["step"], curve["loss"])}, batches, "−ELBO, nats/image", {}, True)
    both = {
        name: (stretches["epoch"], stretches[key]) for name, key in [("training", "train_loss"), ("test", "test_loss")]
    }
    draw_lines(right, both, "epoch", "", levels, True)
    return fig


@styled
def label_entry(digit: Any, label: int) -> Figure:
    """How a label enters the networks: the one-hot table of all labels, and the encoder's 11 channels for one image.

    ``digit`` is one image, 1×1×28×28; the chosen label's row and plane stand out.
    """
    fig = Figure(figsize=(8.2, 3.0))
    left, right = fig.subfigures(1, 2, width_ratios=[1, 1.9])
    draw_one_hot(left.subplots(), label)
    channels = {
        "image": pixels(digit)[0, 0],
        **{f"label {k}?": np.full((28, 28), float(k == label)) for k in range(10)},
    }
    axes = right.subplots(2, 6).flat
    for ax, (name, channel) in zip(axes, channels.items(), strict=False):
        ax.imshow(channel, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, loc="center", fontsize=9, color=RED if name == f"label {label}?" else "black")
        ax.spines[:].set(visible=True, color="#777777")
    axes[11].set_visible(False)
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
def plane(images: Any, *, ticks: Sequence[float], points: Any) -> Figure:
    """Images decoded on a square lattice of a 2-D latent, K²×1×28×28, first row at the largest z₂.

    ``points``, codes N×2, are laid over it; those that lie beyond it are drawn at its edge.
    """
    images, side = pixels(images), len(ticks)
    fig = Figure(dpi=DPI, layout="none")
    ax = fig.add_subplot()
    draw_mosaic(ax, images, side)
    step, centre = images.shape[-1] + 1, (images.shape[-1] - 1) / 2
    place = np.interp(array(points), ticks, np.arange(side))  # between the values of ``ticks``
    x, y = centre + step * place[:, 0], centre + step * (side - 1 - place[:, 1])
    ax.scatter(x, y, s=22, color=ORANGE, edgecolors="white", linewidths=0.8, label="a test image")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, fontsize=9)
    shown = range(0, side, max(1, (side - 1) // 4))
    ax.set_xticks([centre + step * i for i in shown], [f"{ticks[i]:.1f}" for i in shown])
    ax.set_yticks([centre + step * i for i in shown], [f"{ticks[side - 1 - i]:.1f}" for i in shown])
    ax.tick_params(top=False, labeltop=False, bottom=False, labelbottom=True)
    ax.set(xlabel="z₁", ylabel="z₂")
    fit_to_pixels(fig, [[ax]], 5.6)
    return fig


@styled
def line_panels(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    *,
    x_label: str,
    y_labels: Sequence[str],
    levels: Mapping[str, float] | None = None,
    log: bool = False,
) -> Figure:
    """Titled plots of named curves, of one seed or of several (N×seeds), side by side, each name in one colour.

    ``levels`` stand in the first.
    """
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    fig = Figure(figsize=(8.2, 3.3))
    for i, (ax, (title, series)) in enumerate(zip(np.ravel(fig.subplots(1, len(panels))), panels.items(), strict=True)):
        ordered = {name: series.get(name, ((), ())) for name in names}
        draw_lines(ax, ordered, x_label, y_labels[i], (levels or {}) if i == 0 else {}, zoom=False)
        ax.set_title(title)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        if log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
        ax.get_legend().remove()
    handles, labels = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    return fig


@styled
def scatter(points: Any, marked: Any, names: tuple[str, str]) -> Figure:
    """Points N×2 of two kinds: names[0] where ``marked`` is 0, names[1] where it is 1; a map without units."""
    points, marked = array(points), array(marked)
    fig = Figure(figsize=(6.2, 5.2))
    ax = fig.add_subplot()
    for value, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        chosen = points[marked == value]
        label = f"{names[value]} ({len(chosen):,})"
        ax.scatter(*chosen.T, s=14, color=colour, marker=marker, alpha=0.75, linewidths=0, label=label)
    ax.set(xticks=[], yticks=[], xlabel="t-SNE, no units", aspect="equal")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=1.6)
    return fig


@styled
def fields(maps: Mapping[str, Any], axis: Any) -> Figure:
    """Titled maps of probabilities over the plane side by side: K² values each, the first axis slowest.

    ``axis`` is the K positions along either.
    """
    axis = array(axis)
    fig = Figure(figsize=(8.2, 3.6))
    axes = np.ravel(fig.subplots(1, len(maps), sharey=True))
    for ax, (title, values) in zip(axes, maps.items(), strict=True):
        edges = (axis[0], axis[-1], axis[0], axis[-1])
        drawn = ax.imshow(
            array(values).reshape(len(axis), -1).T, origin="lower", extent=edges, cmap="cividis", vmin=0, vmax=1
        )
        ax.set_title(title)
        ax.grid(False)
    fig.colorbar(drawn, ax=axes.tolist(), label='probability of "real"', shrink=0.85)
    return fig


@styled
def clouds(sets: Mapping[str, Any], centres: Any) -> Figure:
    """For each set of points, N×2, a titled plot, with a ring around each of the ``centres``, M×2."""
    fig = Figure(figsize=(8.2, 8.2 / len(sets) + 0.35))
    for ax, (title, points) in zip(
        np.ravel(fig.subplots(1, len(sets), sharex=True, sharey=True)), sets.items(), strict=True
    ):
        ax.plot(*array(points).T, ".", color=BLUE, ms=2.5, alpha=0.5)
        ax.plot(*array(centres).T, "o", mfc="none", mec=RED, ms=9)
        ax.set(aspect="equal", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
    return fig


@styled
def rate_distortion(
    points: Mapping[str, tuple[float, float]],
    swept: Mapping[str, tuple[float, float]],
    predicted: Sequence[tuple[float, float]],
    kl: Mapping[str, Any],
) -> Figure:
    """Left, distortion against rate; right, the KL of the dimensions of each model in ``kl``, sorted.

    ``points`` are the models of ``kl``, in its order and colours; ``swept`` further ones, in black with their names,
    on the curve of the ``predicted`` that theory lays under them.
    """
    fig = Figure(figsize=(8.2, 4.2))
    left, right = fig.subplots(1, 2)
    left.plot(*zip(*predicted, strict=True), color="#444444", ls="--", lw=1.2, zorder=1, label="linear, in theory")
    left.plot(*zip(*swept.values(), strict=True), "o", color="black", ms=6, label="from the linear optimum")
    for (name, at), (ha, off) in zip(swept.items(), itertools.cycle([("left", (2, 7)), ("center", (0, -14))])):
        left.annotate(name, at, xytext=off, textcoords="offset points", ha=ha, fontsize=8)  # by turns: they are near
    for at, colour in zip(points.values(), COLOURS, strict=False):
        left.plot(*at, "D", color=colour, ms=8)
    left.plot([], [], "D", color="#777777", label="from random weights, in their colours")
    left.set_xscale("symlog", linthresh=1)
    left.margins(x=0.12, y=0.18)
    left.set(xlabel="rate: KL, nats/image (logarithmic above 1)", ylabel="distortion: ½‖x − x̂‖², per image")
    for (name, values), colour in zip(kl.items(), COLOURS, strict=False):
        right.plot(range(1, len(values) + 1), np.sort(array(values))[::-1], color=colour, label=name, lw=1.8)
    right.set_yscale("symlog", linthresh=0.01)
    right.set_ylim(bottom=0)
    right.set(xlabel="dimension of z, largest KL first", ylabel="KL, nats/image")
    (lines, names), (more_lines, more_names) = (ax.get_legend_handles_labels() for ax in (left, right))
    fig.legend(lines + more_lines, names + more_names, loc="outside lower center", ncols=3, fontsize=9)
    return fig


@styled
def curves_and_posteriors(
    points: Any, drawn: Mapping[str, Any], few: Any, grid: Any, posteriors: Mapping[str, Any], q: Mapping[str, Any]
) -> Figure:
    """For each model of points in the plane (N×2) with one latent, a column.

    Above, the points and the curve that the decoder draws over ``grid`` (``drawn``, M×2 each); below, for each of the
    marked points ``few`` (K×2), its exact posterior (``posteriors``, K×M, filled) and what the encoder says (``q``,
    K×M, dashed), each scaled to a height of one.
    """
    fig = Figure(figsize=(8.2, 5.4))
    axes = fig.subplots(2, len(drawn), gridspec_kw={"height_ratios": (3, 2)}, sharey="row", squeeze=False)
    points, few, grid = array(points), array(few), array(grid)
    for column, (name, curve) in enumerate(drawn.items()):
        above, below = axes[:, column]
        above.plot(*points[:400].T, ".", color="#bbbbbb", ms=3, label="data")
        above.plot(*array(curve).T, color="black", lw=2, label="x̂ over all z")
        below.plot(grid, np.exp(-0.5 * grid**2), color="#bbbbbb", lw=1.5, label="prior p(z)")
        for point, exact, own, colour in zip(few, array(posteriors[name]), array(q[name]), COLOURS, strict=False):
            above.plot(*point, "o", color=colour, ms=9, mec="black")
            below.fill_between(grid, exact / exact.max(), color=colour, alpha=0.4, lw=0, label="p(z|x), exact")
            below.plot(grid, own / own.max(), color=colour, ls="--", lw=1.6, label="q(z|x), the encoder's")
        above.set(title=name, aspect="equal", xticks=[], yticks=[])
        below.set(xlabel="z", yticks=[])
    axes[1, 0].set_ylabel("density, highest = 1")
    found = {}
    for ax in (axes[0, 0], axes[1, 0]):
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    fig.legend(found.values(), found.keys(), loc="outside lower center", ncols=5, fontsize=9)
    return fig


@styled
def against_prior(codes: Mapping[str, Any]) -> Figure:
    """For each model, where its z lie over all images and dimensions, beside the standard normal prior.

    ``codes`` are N×latent; what lies beyond ±6 is counted in the outermost bars.
    """
    limit = 6.0
    fig = Figure(figsize=(8.2, 2.7))
    grid = np.linspace(-limit, limit, 200)
    axes = np.ravel(fig.subplots(1, len(codes), sharex=True, sharey=True))
    for ax, (name, z), colour in zip(axes, codes.items(), COLOURS, strict=False):
        inside = np.clip(array(z).ravel(), -limit, limit)
        ax.hist(inside, bins=48, range=(-limit, limit), density=True, color=colour, alpha=0.6, label="z of test images")
        ax.plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color="black", lw=1.5, label="prior")
        ax.set(title=name, xlabel="value of a dimension of z")
    axes[0].set_ylabel("density")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return fig


@styled
def matrices(
    counts: Mapping[str, Any],
    *,
    x_label: str,
    y_label: str,
    columns: Sequence[str],
) -> Figure:
    """Titled tables of counts side by side, rows×columns each, shaded by the share of their row."""
    counts = {title: array(table) for title, table in counts.items()}
    fig = Figure(figsize=(8.2, 8.2 / len(counts) + 0.2 if len(counts) > 1 else 0.6 * 8.2))
    for i, (ax, (title, table)) in enumerate(zip(np.ravel(fig.subplots(1, len(counts))), counts.items(), strict=True)):
        share = table / np.maximum(table.sum(1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.01:
                ax.text(
                    column,
                    row,
                    f"{100 * value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if value > 0.6 else "black",
                )
        ax.set(title=title, xticks=range(len(columns)), xticklabels=columns, yticks=range(len(table)), xlabel=x_label)
        ax.set_ylabel(y_label if i == 0 else "")
        ax.grid(False)
    return fig


@styled
def bars(groups: Mapping[str, Mapping[str, float]], *, x_label: str) -> Figure:
    """Horizontal bars, one panel for each group side by side, with the same names down the side and the same scale."""
    names = list(next(iter(groups.values())))
    fig = Figure(figsize=(8.2, 0.27 * len(names) + 0.9))
    axes = np.ravel(fig.subplots(1, len(groups), sharex=True, sharey=True))
    for ax, (title, values), colour in zip(axes, groups.items(), COLOURS, strict=False):
        ax.barh(range(len(names)), [values[name] for name in names], color=colour)
        ax.set(title=title, xlabel=x_label, yticks=range(len(names)), yticklabels=names)
        ax.grid(axis="y", visible=False)
    axes[0].invert_yaxis()
    return fig


@styled
def ratios(rows: Mapping[str, Sequence[float]], goals: Mapping[str, float], x_label: str) -> Figure:
    """A bar for the median of each row, which its label states, dots for its values, a mark for its goal."""
    fig = Figure(figsize=(6.5, 0.4 * len(rows) + 1.2))
    ax = fig.subplots()
    for y, values in enumerate(rows.values()):
        ax.barh(y, np.median(values), color=BLUE, height=0.6, label="median" if y == 0 else None)
        ax.plot(values, [y] * len(values), ".", color="black", markersize=5, label="repetition" if y == 0 else None)
    marked = {y: goals[name] for y, name in enumerate(rows) if name in goals}
    if marked:
        low, high = ([y + half for y in marked] for half in (-0.4, 0.4))
        ax.vlines(list(marked.values()), low, high, color=RED, linewidth=2, label="goal")
    ax.axvline(1, color="black", linewidth=1, linestyle=":")
    labels = [f"{name}  {np.median(values):.2f}" for name, values in rows.items()]
    ax.set(xlabel=x_label, yticks=range(len(rows)), yticklabels=labels)
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    fig.legend(loc="outside upper right", ncols=3)
    return fig
