"""A small copy of the project in which a report takes seconds.

The notebook of a trial is the fourth with most of its cells left out: it prepares photographs, trains a judge, a GAN
and a VAE, draws and measures, and so passes through all that a report keeps: caches, checkpoints, results, pages.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from PIL import Image

from lab_utils.config import ROOT, LabError
from lab_utils.report.request import Request

NOTEBOOK = "04_gan"
# What the cells that a trial keeps hold, each in one cell.
CELLS = (
    'PROFILE = "auto"', "page = Page(", "page.faces(", "fit_linear_generator(train.images", 'page.judge("faces")',
    "game.train_gan(", "figures.line_panels(panels", '"gan.d_loss_fcd_correlation"', "images = samples(gan, many)",
    "face_vae.train(", "page.metrics()", "page.end()",
)  # fmt: skip
# Of two of them only a part: a trial measures less than the lab lists, and measures no sample.
REPLACED = {
    "page.metrics()": "for name in set(page.lab.metrics) - set(page.measured):\n    del page.lab.metrics[name]\n"
    "page.metrics()",
    "face_vae.train(": 'size = face_vae.size_of(settings, "vae_")\n_, vae = face_vae.begin(run, train.images, size)\n'
    "history = face_vae.train(run, vae, train.images, test.images, size, page.photographs)\n"
    'page.measure("gan.fcd", fidelity.fcd_estimate(judge, images, test.images), n=len(images))\n'
    'page.table(history.stretches, "The VAE.")',
}
CHANGES = {"steps": 12, "evaluate_every": 6, "vae_steps": 4, "vae_evaluate_every": 2}
PARTS = ("lab_utils", "notebooks", "data", "Makefile", "pyproject.toml", "requirements.lock")
PHOTOGRAPHS = {"train": 280, "test": 40}  # so many that two processes prepare them


def plant(root: Path, whole: bool) -> None:
    """Put a copy of the project that nobody has run at ``root``, with ``whole`` notebooks or the short one."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *PARTS]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        raise LabError(f"{ROOT} is no git checkout: chaos copies the files that git lists")
    for name in filter(None, listed.stdout.split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    if not whole:
        path = source(root)
        path.write_text(nbformat.writes(shortened(nbformat.read(path, as_version=4))), encoding="utf-8")
    make_photographs(root / "photographs" / "faces")


def source(root: Path) -> Path:
    return root / "notebooks" / f"{NOTEBOOK}.ipynb"


def shortened(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the cells of a trial alone. LabError if one of them is not there as it was."""
    kept = []
    for text in CELLS:
        found = [cell for cell in notebook.cells if cell.cell_type == "code" and text in cell.source]
        if len(found) != 1:
            raise LabError(f"{NOTEBOOK}: {len(found)} cells hold {text!r}; in chaos/tree.py name a text that one holds")
        found[0].source = REPLACED.get(text, found[0].source)
        kept += found
    notebook.cells = [notebook.cells[0], *kept]
    return notebook


def make_photographs(folder: Path) -> None:
    """The course's layout with a few pictures of noise and two attributes."""
    rng = np.random.default_rng(0)
    for split, n in PHOTOGRAPHS.items():
        (folder / split).mkdir(parents=True)
        rows = ["image_name,Black_Hair,Smiling"]
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / split / f"{i:03d}.png")
            rows.append(f"{i:03d}.png,{i % 2},{i // 2 % 2}")
        (folder / f"{split}.csv").write_text("\n".join(rows) + "\n")


def edit(root: Path, old: str, new: str) -> None:
    text = source(root).read_text(encoding="utf-8")
    assert old in text
    source(root).write_text(text.replace(old, new), encoding="utf-8")


def results(root: Path) -> dict[str, str]:
    """Hashes of metrics and figures by path."""
    folder = root / "reports" / "smoke"
    files = [path for kind in ("metrics", "figures") for path in (folder / kind).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(root: Path, whole: bool) -> list[str]:
    """``make report``, as a trial gives it."""
    words = ["NB=03 04"] if whole else ["NB=04", f"CHANGES={json.dumps(CHANGES)}"]
    fixed = [f"PY={sys.executable}", "PROFILE=smoke", "DATA_DIR=photographs"]
    return ["make", "--no-print-directory", "-C", str(root), "report", *fixed, *words]


def environment(root: Path, hook: Mapping[str, Any]) -> dict[str, str]:
    """What a command of a trial sees: the hook, and the trial's own folders in place of a person's."""
    of_make = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")
    dropped = (*of_make, "LAB_CHECKPOINTS", *Request.__dataclass_fields__)
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    aside = root.parent / "aside"
    folders = {"TMPDIR": aside / "tmp", "JUPYTER_RUNTIME_DIR": aside / "runtime", "IPYTHONDIR": aside / "ipython"}
    for folder in (aside / "hits", *folders.values()):
        folder.mkdir(parents=True, exist_ok=True)
    told = {"root": str(root), "aside": str(aside), **hook}
    env |= {name: str(folder) for name, folder in folders.items()}
    env |= {"PYTHONPATH": str(Path(__file__).parent / "hook"), "CHAOS": json.dumps(told)}
    return env | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}


def processes(folder: Path) -> dict[int, str]:
    """The command lines of the processes of trials in a folder, by id: their environment names a folder below it."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = f'"aside": "{folder}/'.encode() in (entry / "environ").read_bytes()
            zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if ours and not zombie:
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")[:100]
        except OSError:  # it has ended, or is another person's
            continue
    return found
