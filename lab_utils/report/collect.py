"""Takes from an executed notebook what it delivers, and makes anew what it hands over: figures, metrics, readings."""

import base64
import copy
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from lab_utils import handover
from lab_utils.explore import EXHIBIT
from lab_utils.files import write_whole
from lab_utils.handover import COMPARISON, METRICS, PROVENANCE, READING, SOURCE, Record
from lab_utils.labs.spec import Lab, Values
from lab_utils.report.execute import INJECTED
from lab_utils.report.pages import source_text
from lab_utils.report.record import Data, Figure, Run


def delivered(cell: NotebookNode, ids: set[str]) -> list[str]:
    """The deliverables that a cell's tags name, of those in ``ids``."""
    return [tag for tag in cell.metadata.get("tags", []) if tag in ids]


def displayed(cell: NotebookNode, mime: str) -> list[NotebookNode]:
    return [output for output in cell.get("outputs", []) if mime in output.get("data", {})]


def handed_over(notebook: NotebookNode, mime: str) -> Iterator[tuple[NotebookNode, dict[str, Any]]]:
    """Every output under a name of :mod:`lab_utils.handover`, with its payload."""
    for cell in notebook.cells:
        for output in displayed(cell, mime):
            yield output, finite(output.data[mime])


def finite(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have and a kernel sends as words."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if value in ("nan", "inf", "-inf") else value


# Figures and deliverables


def figures(notebook: NotebookNode, ids: set[str]) -> dict[str, list[tuple[Figure, bytes]]]:
    """Every PNG in a cell that delivers, in order, by deliverable; its bytes are those of the notebook."""
    found: dict[str, list[tuple[Figure, bytes]]] = {}
    for cell in notebook.cells:
        for name in delivered(cell, ids):
            for output in displayed(cell, "image/png"):
                others = found.setdefault(name, [])
                file = f"{name}-{len(others) + 1}.png" if others else f"{name}.png"
                alt = output.metadata.get("image/png", {}).get("alt", "")
                others.append((Figure(file=file, alt=alt), base64.b64decode(output.data["image/png"])))
    return found


def deliverables(notebook: NotebookNode, ids: set[str], failed: int | None = None) -> dict[str, list[Figure]]:
    """Figures by deliverable; an empty list is a delivery as text or table, an id left out is missing.

    A code cell delivers once it has shown something, unless the run ended in it: the cell with index ``failed``.
    """
    made = figures(notebook, ids)
    return {
        name: [figure for figure, _ in made.get(name, [])]
        for index, cell in enumerate(notebook.cells)
        if index != failed and (cell.cell_type == "markdown" or cell.get("outputs"))
        for name in delivered(cell, ids)
    }


def write_figures(notebook: NotebookNode, ids: set[str], folder: Path) -> None:
    """Write every figure into ``folder`` and remove those of an earlier run that are no longer made."""
    folder.mkdir(parents=True, exist_ok=True)
    stale = set(folder.glob("*.png"))
    for figure, png in (pair for pairs in figures(notebook, ids).values() for pair in pairs):
        write_whole(folder / figure.file, png)
        stale.discard(folder / figure.file)
    for path in stale:
        path.unlink()


# Numbers


def merged(notebook: NotebookNode, mime: str) -> dict[str, Any]:
    """Everything handed over under one name; later entries win, ``metrics`` and ``data`` merge."""
    found: dict[str, Any] = {}
    for _, payload in handed_over(notebook, mime):
        for key in ("metrics", "data"):
            if key in payload or key in found:
                payload[key] = {**found.get(key, {}), **payload.get(key, {})}
        found |= payload
    return found


def metrics_record(notebook: NotebookNode, lab: Lab, profile: str, seed: int, status: str, data: Data) -> Record:
    """The content of ``metrics/<notebook>.json``: no times, so that equal runs give equal bytes.

    ``data`` is what the report itself loaded, for a notebook that did not come to its metrics.
    """
    shown, stated = merged(notebook, METRICS), merged(notebook, PROVENANCE)
    said = {name: {"unit": one.unit, "higher_is_better": one.higher_is_better} for name, one in lab.metrics.items()}
    return {
        "notebook": lab.name,
        "profile": profile,
        "device": shown.get("device", stated.get("device")),
        "seed": shown.get("seed", seed),
        "status": status,
        "data": shown.get("data") or data,
        "metrics": {name: entry | said.get(name, {}) for name, entry in shown.get("metrics", {}).items()},
    }


# What a page makes anew


def make_anew(
    notebook: NotebookNode,
    lab: Lab,
    run: Run,
    records: Mapping[str, Record],
    labs: Mapping[str, Lab],
    over_seeds: Mapping[str, Any] | None = None,
):
    """Put in the place of what the kernel showed of each payload what is said of it now.

    ``over_seeds`` holds what other seeds gave, by metric. What the lab or the package no longer knows stays as it was
    shown.
    """
    for output, payload in handed_over(notebook, METRICS):
        used = payload.get("data") or run.data
        profile = payload.get("profile", run.profile)
        rows = handover.metric_rows(lab, payload.get("metrics", {}), profile, used, over_seeds)
        output.data = NotebookNode({"text/html": handover.table(handover.METRIC_HEAD, rows)})
    for output, payload in handed_over(notebook, READING):
        if payload["name"] in lab.readings:
            said = lab.readings[payload["name"]].say(Values(payload["values"]))
            output.data = NotebookNode({"text/markdown": said})
    for output, payload in handed_over(notebook, COMPARISON):
        if payload["name"] in lab.comparisons:
            comparison = lab.comparisons[payload["name"]]
            html = handover.filled(comparison, lab.name, payload["sha256"], records, labs)
            output.data = NotebookNode({"text/html": html})
    for output, payload in handed_over(notebook, EXHIBIT):
        said = f"**[Play with these networks](../explore.html#{payload['id']})**: sliders and buttons, in one page."
        output.data = NotebookNode({"text/markdown": said})
    for output, payload in handed_over(notebook, SOURCE):
        if text := source_text(payload["module"], payload["name"]):
            output.data = NotebookNode({"text/markdown": f"```python\n{text}```"})


# Cells


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


def heading_above(notebook: NotebookNode, cell: int) -> str:
    """Text of the nearest heading at or above a cell, empty if there is none."""
    for above in reversed(notebook.cells[: cell + 1]):
        if above.cell_type == "markdown":
            headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", above.source, re.MULTILINE)
            if headings:
                return headings[-1]
    return ""
