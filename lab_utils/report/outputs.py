"""Takes from an executed notebook what it delivers: figures, metrics, provenance."""

import base64
import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from lab_utils.report.execute import INJECTED
from lab_utils.report.files import write_whole
from lab_utils.report.tables import COMPARISON, filled, notebooks_of

METRICS = "application/vnd.lab.metrics+json"
PROVENANCE = "application/vnd.lab.provenance+json"


@dataclass(frozen=True)
class Figure:
    name: str  # file name, <id>.png or <id>-2.png
    deliverable: str
    alt: str
    png: bytes


def delivered(cell: NotebookNode, ids: set[str]) -> list[str]:
    """The deliverables that a cell's tags name, of those in ``ids``."""
    return [tag for tag in cell.metadata.get("tags", []) if tag in ids]


def displayed(cell: NotebookNode, mime: str) -> list[NotebookNode]:
    return [output for output in cell.get("outputs", []) if mime in output.get("data", {})]


def figures(notebook: NotebookNode, ids: set[str]) -> list[Figure]:
    """Every PNG in a cell that delivers, in order; its bytes are those of the notebook."""
    found: list[Figure] = []
    for cell in notebook.cells:
        for name in delivered(cell, ids):
            for output in displayed(cell, "image/png"):
                number = 1 + sum(figure.deliverable == name for figure in found)
                file = f"{name}.png" if number == 1 else f"{name}-{number}.png"
                alt = output.metadata.get("image/png", {}).get("alt", "")
                found.append(Figure(file, name, alt, base64.b64decode(output.data["image/png"])))
    return found


def deliverables(notebook: NotebookNode, ids: set[str], failed: int | None = None) -> dict[str, list[dict[str, str]]]:
    """Figures by deliverable; an empty list is a delivery as text or table, an id left out is missing.

    A code cell delivers once it has shown something, unless the run ended in it: the cell with index ``failed``.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for index, cell in enumerate(notebook.cells):
        if index != failed and (cell.cell_type == "markdown" or cell.get("outputs")):
            found |= {name: [] for name in delivered(cell, ids) if name not in found}
    for figure in figures(notebook, ids):
        if figure.deliverable in found:
            found[figure.deliverable].append({"file": figure.name, "alt": figure.alt})
    return found


def collect(notebook: NotebookNode, mime: str) -> dict[str, Any]:
    """Everything shown under a mime type as one dict; later entries win, ``metrics`` and ``data`` merge."""
    merged: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in displayed(cell, mime):
            shown = dict(output.data[mime])
            for key in ("metrics", "data"):
                if key in shown or key in merged:
                    shown[key] = {**merged.get(key, {}), **shown.get(key, {})}
            merged |= shown
    return finite(merged)


def finite(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have and a kernel sends as words."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if value in ("nan", "inf", "-inf") else value


def metrics_record(
    notebook: NotebookNode, name: str, profile: str, seed: int, status: str, data: dict[str, Any]
) -> dict[str, Any]:
    """The content of ``metrics/<notebook>.json``: no times, so that equal runs give equal bytes.

    ``data`` is what the report itself loaded, for a notebook that did not come to its metrics.
    """
    shown, stated = collect(notebook, METRICS), collect(notebook, PROVENANCE)
    return {
        "notebook": name,
        "profile": profile,
        "device": shown.get("device", stated.get("device")),
        "seed": shown.get("seed", seed),
        "status": status,
        "data": shown.get("data") or data,
        "metrics": shown.get("metrics", {}),
    }


def reworded(executed: NotebookNode, source: NotebookNode) -> NotebookNode:
    """The cells of ``source`` with the outputs that ``executed`` has; both have the same code cells in the same order.

    The cell with the parameters of the run, which only ``executed`` has, stays where it was put.
    """
    code = iter([cell for cell in executed.cells if cell.cell_type == "code"])
    renewed, cells = copy.deepcopy(source), []
    for cell in renewed.cells:
        if cell.cell_type == "code":
            ran = next(code)
            if INJECTED in ran.metadata.get("tags", []):
                cells.append(ran)
                ran = next(code)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
        cells.append(cell)
    renewed.cells, renewed.metadata = cells, executed.metadata
    return renewed


def compared_with(notebook: Mapping[str, Any]) -> list[str]:
    """The notebooks whose numbers stand in comparisons of this one, itself among them."""
    asked = (output["data"][COMPARISON] for cell in notebook["cells"] for output in displayed(cell, COMPARISON))
    return sorted({name for comparison in asked for name in notebooks_of(comparison)})


def fill_comparisons(notebook: NotebookNode, records: Mapping[str, dict], named: Mapping[str, str]) -> None:
    """Put the table, filled from the metrics files, in the place of every comparison across notebooks."""
    for cell in notebook.cells:
        for output in displayed(cell, COMPARISON):
            asked = finite(output.data[COMPARISON])
            output.data = NotebookNode({"text/html": filled(asked, records, named)})


def write_figures(notebook: NotebookNode, ids: set[str], folder: Path) -> None:
    """Write every figure into ``folder`` and remove those of an earlier run that are no longer made."""
    made = figures(notebook, ids)
    folder.mkdir(parents=True, exist_ok=True)
    for figure in made:
        write_whole(folder / figure.name, figure.png)
    for stale in set(folder.glob("*.png")) - {folder / figure.name for figure in made}:
        stale.unlink()


def heading_above(notebook: NotebookNode, cell: int) -> str:
    """Text of the nearest heading at or above a cell, empty if there is none."""
    for above in reversed(notebook.cells[: cell + 1]):
        if above.cell_type == "markdown":
            headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", above.source, re.MULTILINE)
            if headings:
                return headings[-1]
    return ""
