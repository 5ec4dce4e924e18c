"""What a result came from: the source by its content, the lock, the packages, the files that came out."""

import hashlib
import json
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lab_utils.config import ROOT, LabError
from lab_utils.report.files import write_whole
from lab_utils.report.outputs import to_json

LOCK = "requirements.lock"


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_hash(notebooks: Path, root: Path = ROOT) -> str:
    """One hash over the package, the notebooks' cells and the lock; outputs in a notebook do not count."""
    digest = hashlib.sha256()
    package = [path for path in (root / "lab_utils").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    for path in sorted([*package, root / LOCK]):
        if path.exists():
            digest.update(f"{path.relative_to(root).as_posix()}\0{sha256(path)}\n".encode())
    for path in sorted(notebooks.glob("*.ipynb")):
        digest.update(f"{path.name}\0{notebook_hash(path)}\n".encode())
    return digest.hexdigest()


def notebook_hash(path: Path) -> str:
    """Hash of what a person wrote in a notebook: kind, tags and text of each cell."""
    cells = read_json(path)["cells"]
    written = [[c["cell_type"], c["metadata"].get("tags", []), "".join(c["source"])] for c in cells]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def git_state(root: Path = ROOT) -> dict[str, Any] | None:
    """Commit and whether files differ from it; None outside a git checkout."""
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True).stdout
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(changes.strip())}


def package_versions(root: Path = ROOT) -> dict[str, str | None]:
    """Installed versions of what the project depends on directly; the lock holds the rest."""
    try:
        wanted = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    except FileNotFoundError:
        return {}
    return {name: installed(name) for name in (re.match(r"[\w.-]+", line)[0] for line in wanted)}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def environment(notebooks: Path) -> dict[str, Any]:
    """What is the same for every notebook of one command."""
    return {
        "source": source_hash(notebooks),
        "git": git_state(),
        "lock": sha256(ROOT / LOCK) if (ROOT / LOCK).exists() else None,
        "python": platform.python_version(),
        "packages": package_versions(),
    }


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The record of earlier runs in a profile's folder, empty if there is none. LabError if it is damaged."""
    path = folder / "manifest.json"
    try:
        return read_json(path)
    except FileNotFoundError:
        return {"notebooks": {}}
    except ValueError:
        raise LabError(f"{path} is damaged: remove the folder {folder} and run again") from None


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the record with the hash of every file it stands beside; logs are for people, not part of it."""
    manifest["files"] = {path.relative_to(folder).as_posix(): sha256(path) for path in results(folder)}
    write_whole(folder / "manifest.json", to_json(manifest))


def results(folder: Path) -> Iterable[Path]:
    kinds = ("index.html", "html/*.html", "notebooks/*.ipynb", "metrics/*.json", "figures/*/*.png")
    return sorted(path for kind in kinds for path in folder.glob(kind) if not path.name.startswith("."))
