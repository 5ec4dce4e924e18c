"""What a result came from: the source by its content, the lock, the packages, the files that came out."""

import hashlib
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lab_utils.config import ROOT, LabError
from lab_utils.report.cache import prose
from lab_utils.report.files import digest, read_json, sha256, to_json, write_whole

LOCK = "requirements.lock"
FORMAT = 2  # of the manifest; what an earlier version of this package left is run again


def source_hash(notebooks: Path, root: Path = ROOT) -> str:
    """One hash over the package, the notebooks' cells and the lock; outputs in a notebook do not count."""
    digest = hashlib.sha256()
    package = [path for path in (root / "lab_utils").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    for path in sorted([*package, root / LOCK]):
        if path.exists():
            digest.update(f"{path.relative_to(root).as_posix()}\0{sha256(path)}\n".encode())
    for path in sorted(notebooks.glob("*.ipynb")):
        digest.update(f"{path.name}\0{prose(path)}\n".encode())
    return digest.hexdigest()


def git_state(root: Path = ROOT) -> dict[str, Any] | None:
    """Commit and whether files differ from it; None outside a git checkout. Reports do not make a checkout dirty."""
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True).stdout
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", ".", ":(exclude)reports"))
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
        "lock": lock_hash(),
        "python": platform.python_version(),
        "packages": package_versions(),
    }


def lock_hash() -> str | None:
    return sha256(ROOT / LOCK) if (ROOT / LOCK).exists() else None


def packages() -> dict[str, str | None]:
    """What decides the numbers beside the code: the lock, and the versions that are installed whatever it says."""
    return {LOCK: lock_hash()} | package_versions()


def renderer() -> str:
    """One hash over what turns results into pages."""
    report = Path(__file__).parent
    files = [path for path in report.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return digest([[path.name, sha256(path)] for path in sorted([*files, report.parent / "catalogue.py"])])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The record of earlier runs in a profile's folder, empty if there is none. LabError if it is damaged."""
    path, empty = folder / "manifest.json", {"format": FORMAT, "notebooks": {}}
    try:
        manifest = read_json(path)
    except FileNotFoundError:
        return empty
    except ValueError:
        raise LabError(f"{path} is damaged: remove the folder {folder} and run again") from None
    return manifest if manifest.get("format") == FORMAT else empty


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the record with the hash of every file it stands beside; logs are for people, not part of it."""
    manifest["files"] = {path.relative_to(folder).as_posix(): sha256(path) for path in results(folder)}
    write_whole(folder / "manifest.json", to_json(manifest))


def altered(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The files that the manifest vouches for and that are not there, or not as they were written."""
    return [name for name, known in manifest.get("files", {}).items() if not same(folder / name, known)]


def same(path: Path, known: str | None) -> bool:
    """Whether a file is there with the hash that is known of it."""
    return path.is_file() and sha256(path) == known


def results(folder: Path) -> Iterable[Path]:
    kinds = ("index.html", "html/*.html", "notebooks/*.ipynb", "metrics/*.json", "figures/*/*.png")
    return sorted(path for kind in kinds for path in folder.glob(kind) if not path.name.startswith("."))
