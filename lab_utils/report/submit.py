"""Packs a report into one file to hand in: pages, metrics, manifest and marks, as they are."""

import glob
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lab_utils.config import LabError
from lab_utils.files import locked, remove_parts, sha256, shown, whole
from lab_utils.report.record import Manifest, read_report
from lab_utils.report.request import Places

HANDED_IN = ("index.html", "explore.html", "marks.csv", "seeds.json", "manifest.json", "html/*.html", "metrics/*.json")
LONGEST = 120  # bytes of a name; file systems allow 255, with what stands around it
UNWRITTEN = {"Zs", "Zl", "Zp", "Cc", "Cf"}  # kinds of characters that show nothing
WHEN = (1980, 1, 1, 0, 0, 0)  # of every file in it, so that equal reports give equal files
RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])(?=\.|$)", re.IGNORECASE)  # on Windows
JOINERS = dict.fromkeys(map(ord, "\u00ad\u200c\u200d\u200e\u200f\u2060\ufeff"))  # within words, and not to be seen


def submit(name: str, places: Places) -> int:
    """Write ``<name>-<profile>.zip`` beside the profile's folder; the exit code. LabError if there is no report."""
    folder, name = places.folder, on_one_line(name)
    stem, hint = f"{file_name(name)}-{folder.name}", f"make report PROFILE={folder.name}"
    read_report(folder, hint)  # before a folder is made to hold it
    with locked(folder):
        manifest = read_report(folder, hint)
        target = folder.parent / f"{stem}.zip"
        there = files_in(folder)
        kept = [file for file in there if file == "manifest.json" or file in manifest.files]
        trouble = {"missing": missing(manifest, places), "altered": touched(manifest, places)}
        replaced = target.exists()
        remove_parts(target.parent.glob(f".{glob.escape(target.name)}.*"))  # of a command that was killed
        with whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            add(packed, f"{stem}/handed-in.txt", cover(name, folder.name, trouble).encode())
            for file in kept:
                add(packed, f"{stem}/{file}", (folder / file).read_bytes())
    for what, files in (trouble | {"left out, not of this report": [f for f in there if f not in kept]}).items():
        for file in files:
            print(f"{what}: {file}")
    earlier = ", in place of an earlier file of this name" if replaced else ""
    print(f"to hand in: {shown(target)}, {target.stat().st_size / 1e6:.1f} MB{earlier}; open its index.html")
    return 0


def files_in(folder: Path) -> list[str]:
    """The files of a folder that may be handed in."""
    found = (path for kind in HANDED_IN for path in folder.glob(kind) if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, WHEN)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content, zipfile.ZIP_DEFLATED)


def on_one_line(name: str) -> str:
    """A person's name as they wrote it, in characters that UTF-8 has and without any that break a line."""
    text = "".join(map(encodable, name))
    return " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())


def encodable(c: str) -> str:
    """A character that UTF-8 has: a byte of the command line that was not UTF-8 is taken for Latin-1."""
    if "\udc80" <= c <= "\udcff":  # by which Python stands for such a byte
        return chr(ord(c) - 0xDC00)
    return "\ufffd" if unicodedata.category(c) == "Cs" else c


def file_name(name: str) -> str:
    """A person's name as a part of a file's name, on any system. LabError if nothing is left of it."""
    written = unicodedata.normalize("NFC", on_one_line(name).translate(JOINERS))
    kept = "".join(" " if unicodedata.category(c) in UNWRITTEN or c in r'\/:*?"<>|' else c for c in written)
    kept = re.sub(r"\s+", "-", kept.strip()).strip(".-")
    kept = kept.encode()[:LONGEST].decode(errors="ignore").rstrip(".-")
    if not kept:
        raise LabError(f"NAME={name!r}: give the name to hand in under, as in NAME='Ada Lovelace'")
    return RESERVED.sub(r"\1-", kept)


def missing(manifest: Manifest, places: Places) -> list[str]:
    """What a whole report has and this one has not, a line each."""
    found = absent(manifest, places)
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


def absent(manifest: Manifest, places: Places) -> list[str]:
    """The files that are not there: those that every report has, and those that this one vouches for."""
    pages = [f"html/{name}.html" for name in manifest.notebooks]
    metrics = [f"metrics/{name}.json" for name, run in manifest.notebooks.items() if run.status == "ok"]
    unknown = {"index.html", "marks.csv", *pages, *metrics} - manifest.files.keys()
    return sorted(unknown | {file for file in manifest.files if not (places.folder / file).is_file()})


def touched(manifest: Manifest, places: Places) -> list[str]:
    """The files that are there, and not as they were written: marks are handed in for others to fill in."""
    there = {file: known for file, known in manifest.files.items() if (places.folder / file).is_file()}
    return [file for file, known in there.items() if sha256(places.folder / file) != known]


def cover(name: str, profile: str, trouble: Mapping[str, list[str]]) -> str:
    """What lies on top: whose report it is, what is missing from it and what was altered."""
    lines = [f"Handed in by: {name}", f"Profile: {profile}", "Open index.html; no network is needed.", ""]
    for what, found in trouble.items():
        lines += [f"{what.capitalize()}:", *(f"- {line}" for line in found)] if found else []
    return "\n".join(lines if any(trouble.values()) else [*lines, "Nothing is missing."]) + "\n"
