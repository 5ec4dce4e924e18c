"""What a notebook shows: figures with alt text and caption, tables, sources, metrics. The report reads these outputs.

Nothing here draws or measures; ``figures`` and ``metrics`` do.
"""

import inspect
import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
import torch
from IPython.display import Code, Image, Markdown, display
from matplotlib.figure import Figure
from torch import Tensor, nn

from lab_utils.catalogue import NOTEBOOKS, Metric, number, target
from lab_utils.config import LabError
from lab_utils.report import tables

METRICS_MIME = "application/vnd.lab.metrics+json"
PROVENANCE_MIME = "application/vnd.lab.provenance+json"
DPI = 144  # of the PNG; shown at 96 per inch, so that it stays sharp on dense screens


def png(fig: Figure) -> Image:
    """A figure as a PNG with its alt text (``fig.alt``) and its width in CSS pixels; equal arrays, equal bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    width = round(fig.get_figwidth() * 96)
    return Image(buffer.getvalue(), format="png", width=width, alt=fig.alt)


def figure(fig: Figure, caption: str) -> None:
    """Show a figure and, under it, its caption (Markdown)."""
    display(png(fig))
    display(Markdown(f"*{caption}*"))


def text(sentence: str) -> None:
    """Show Markdown that quotes measured numbers."""
    display(Markdown(sentence))


def table(frame: pd.DataFrame, caption: str = "", digits: int = 2) -> None:
    """Show a table, numbers with the given digits, and its caption."""
    display({"text/html": html_table(frame, digits), "text/plain": frame.to_string(index=False)}, raw=True)
    if caption:
        display(Markdown(f"*{caption}*"))


def html_table(frame: pd.DataFrame, digits: int = 2) -> str:
    """A table with text to the left and numbers to the right, real numbers with the given digits."""
    side = ["right" if pd.api.types.is_numeric_dtype(frame[name]) else "left" for name in frame]

    def shown(value: Any) -> Any:
        return f"{value:.{digits}f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value

    rows = [[shown(row[name]) for name in frame] for row in frame.to_dict("records")]
    return tables.markup(list(frame), rows, side)


def settings(lab: Any) -> None:
    """Show the settings of a lab, one row each."""
    rows = [(name, str(value) if isinstance(value, tuple) else f"{value:,}") for name, value in asdict(lab).items()]
    table(pd.DataFrame(rows, columns=["setting", "value"]), "Settings of this run.")


def plural(n: int, word: str) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{n:,} {word}{'s' * (n != 1)}"


def source(*objects: Any) -> None:
    """Show the source of functions or classes from ``lab_utils``: what is read is what runs."""
    for item in objects:
        where = f"# {item.__module__.replace('.', '/')}.py\n"
        display(Code(where + inspect.getsource(item), language="python"))


def layers(model: nn.Module, *inputs: Tensor) -> pd.DataFrame:
    """The layers that ``model(*inputs)`` runs through, with output shapes (N for the batch) and parameter counts."""
    rows, hooks = [], []

    def note(name: str, layer: nn.Module):
        def hook(_module, args, output) -> None:
            rows.append(
                {
                    "layer": name,
                    "what": type(layer).__name__.removeprefix("Parametrized")
                    + (f"({layer.extra_repr()})" if layer.extra_repr() else ""),
                    "input": shape(args[0]),
                    "output": shape(output),
                    "parameters": sum(p.numel() for p in layer.parameters()),
                }
            )  # fmt: skip

        return hook

    for name, layer in model.named_modules():
        # A layer under spectral norm holds the norm as a child; it is still one layer.
        if "parametrizations" not in name and {*dict(layer.named_children())} <= {"parametrizations"}:
            hooks.append(layer.register_forward_hook(note(name, layer)))
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows)


def shape(tensor: Tensor) -> str:
    return "×".join(["N", *map(str, tensor.shape[1:])])


def metrics(
    notebook: str, measured: Mapping[str, Mapping], *, data: dict, device: str, seed: int, profile: str
) -> None:
    """Show the notebook's metrics beside targets and reference figures, and hand them to the report.

    ``measured[name]`` holds value and n, and perhaps interval and seeds. LabError if a name of the catalogue is
    missing or one is there that the catalogue does not know.
    """
    specs = NOTEBOOKS[notebook].metrics
    if odd := sorted(set(specs) ^ set(measured)):
        raise LabError(f"{notebook}: metrics and catalogue differ in {', '.join(odd)}; measure them or list them")
    full = {
        name: {"unit": spec.unit, "higher_is_better": spec.higher_is_better, **measured[name]}
        for name, spec in specs.items()
    }
    sources = {entry["source"] for entry in data.values()}
    rows = [
        {
            "metric": name,
            "value": number(measured[name]["value"]),  # next to the name, so that a telephone shows both
            "95 % interval": " to ".join(map(number, measured[name].get("interval", ()))),
            "unit": spec.unit,
            "n": f"{measured[name]['n']:,}",
            "target": bound(spec, profile, sources),
            "what": spec.title,
            "reference": f"{spec.reference:g} ({spec.reference_note})" if spec.reference else "",
        }
        for name, spec in specs.items()
    ]
    frame = pd.DataFrame(rows)
    display(
        {
            METRICS_MIME: {"data": data, "device": device, "seed": seed, "metrics": full},
            "text/html": html_table(frame),
            "text/plain": frame.to_string(index=False),
        },
        raw=True,
    )


def bound(spec: Metric, profile: str, sources: set[str]) -> str:
    """The target of a metric in a profile, in words; empty where there is none."""
    goal, elsewhere = target(spec, profile, sources)
    if goal is None:
        return ""
    return f"{'≥' if spec.higher_is_better else '≤'} {goal:g}{' (set for other data)' if elsewhere else ''}"


def comparison(
    rows: Mapping[str, Mapping[str, str]], measured: Mapping[str, Mapping], *, notebook: str, kind: str, data: dict
) -> None:
    """Show numbers of this notebook beside those of others, which the report fills in when it makes the page.

    ``rows`` maps a line of words to ``{notebook: metric}``, in the names of the catalogue, this notebook among them;
    ``measured`` and ``data`` are as for ``metrics``. Numbers of another notebook are filled in if it ended well on
    data of this ``kind``, "digits" or "faces", with the same SHA-256. LabError if the catalogue does not know a
    metric, or if this notebook has not measured one.
    """
    for wanted in rows.values():
        for name, metric in wanted.items():
            check_comparable(name, metric, kind)
    own = {wanted[notebook] for wanted in rows.values() if notebook in wanted}
    if missing := sorted(own - set(measured)):
        raise LabError(f"{notebook}: its comparison needs {', '.join(missing)}; measure it first")
    units = {name: spec.unit for name, spec in NOTEBOOKS[notebook].metrics.items()}
    asked = {
        "notebook": notebook,
        "measured": {name: {"unit": units[name], **measured[name]} for name in sorted(own)},
        "kind": kind,
        "sha256": data[kind]["sha256"],
        "rows": list(rows.items()),  # a notebook's file sorts the keys of a dict
    }
    head, cells = tables.compared(asked, {}, tables.titles(NOTEBOOKS))
    note = f"The report (make report) fills in what other notebooks measured on the same {kind}."
    frame = pd.DataFrame(cells, columns=head)
    display(
        {
            tables.COMPARISON: asked,
            "text/html": f"{html_table(frame)}<p>{note}</p>",
            "text/plain": f"{frame.to_string(index=False)}\n{note}",
        },
        raw=True,
    )


def check_comparable(name: str, metric: str, kind: str) -> None:
    """LabError unless the catalogue says that a notebook uses this kind of data and measures the metric."""
    entry = NOTEBOOKS.get(name)
    if entry is None or metric not in entry.metrics or kind not in entry.data:
        raise LabError(
            f"comparison: the catalogue has no {metric} of {name} on {kind}; take notebook and metric from it"
        )


def in_words(value: Any) -> str:
    """A nested dict as one line: ``torch 2.14.1, numpy 2.4.6``."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_words(entry)}" for key, entry in value.items())
    return str(value)


def provenance(facts: dict[str, Any]) -> None:
    """Show what identifies the run, and hand it to the report."""
    rows = [(key.replace("_", " "), in_words(value)) for key, value in facts.items()]
    frame = pd.DataFrame(rows, columns=["what", "value"])
    display(
        {
            PROVENANCE_MIME: facts,
            "text/html": html_table(frame),
            "text/plain": frame.to_string(index=False),
        },
        raw=True,
    )
