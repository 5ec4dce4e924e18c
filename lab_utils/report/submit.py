"""Packs a report into one file to hand in: pages, metrics, manifest and marks, as they are."""

import re
import unicodedata
import zipfile

from lab_utils.config import LabError
from lab_utils.files import locked, shown, whole
from lab_utils.report.record import Manifest, read_manifest
from lab_utils.report.request import Places

HANDED_IN = ("index.html", "marks.csv", "seeds.json", "manifest.json", "html/*.html", "metrics/*.json")
LONGEST = 120  # bytes of a name; file systems allow 255, with what stands around it
WHEN = (1980, 1, 1, 0, 0, 0)  # of every file in it, so that equal reports give equal files
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows refuses


def submit(name: str, places: Places) -> int:
    """Write ``<name>-<profile>.zip`` beside the profile's folder; the exit code. LabError if there is no report."""
    folder = places.folder
    with locked(folder):
        manifest = read_manifest(folder)
        if not manifest.notebooks:
            raise LabError(f"{shown(folder)} holds no report: make report PROFILE={folder.name}")
        stem = f"{file_name(name)}-{folder.name}"
        target = folder.parent / f"{stem}.zip"
        lacks = missing(manifest, places)
        with whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            add(packed, f"{stem}/handed-in.txt", cover(name, folder.name, lacks).encode())
            for path in sorted(path for kind in HANDED_IN for path in folder.glob(kind)):
                add(packed, f"{stem}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    for line in lacks:
        print(f"missing: {line}")
    print(f"to hand in: {shown(target)}, {target.stat().st_size / 1e6:.1f} MB; open its index.html")
    return 0


def add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, WHEN)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content, zipfile.ZIP_DEFLATED)


def file_name(name: str) -> str:
    """A person's name as a part of a file's name, on any system. LabError if nothing is left of it."""
    written = unicodedata.normalize("NFC", name)
    kept = "".join(" " if unicodedata.category(c)[0] in "ZC" or c in r'\/:*?"<>|' else c for c in written)
    kept = re.sub(r"\s+", "-", kept.strip()).strip(".-")
    while len(kept.encode()) > LONGEST:
        kept = kept[:-1]
    if not kept:
        raise LabError(f"NAME={name!r}: give the name to hand in under, as in NAME='Ada Lovelace'")
    return f"{kept}-" if RESERVED.fullmatch(kept) else kept


def missing(manifest: Manifest, places: Places) -> list[str]:
    """What a whole report has and this one has not, a line each."""
    found = []
    for name, lab in places.labs.items():
        run = manifest.notebooks.get(name)
        if run is None:
            found.append(f"notebook {lab.number}, which has not run")
            continue
        if run.status != "ok":
            found.append(
                f"the end of notebook {lab.number}, which {'failed' if run.status == 'failed' else 'was interrupted'}"
            )
        found += [f"{one}, of notebook {lab.number}" for one in lab.deliverables if one not in run.deliverables]
    return found


def cover(name: str, profile: str, lacks: list[str]) -> str:
    """What lies on top: whose report it is and what is missing from it."""
    lines = [f"Handed in by: {name}", f"Profile: {profile}", "Open index.html; no network is needed.", ""]
    lines += ["Missing:", *(f"- {line}" for line in lacks)] if lacks else ["Nothing is missing."]
    return "\n".join(lines) + "\n"
