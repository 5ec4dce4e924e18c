"""What the result of a notebook depends on, why one that is there does not hold any more, and what it came from.

Quick enough to be asked every time: it reads sources and compares hashes, and runs and loads nothing.
"""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab_utils import config, sources
from lab_utils.config import ROOT, LabError
from lab_utils.data.traces import traces
from lab_utils.files import digest, read_json, sha256, to_json, write_whole
from lab_utils.labs.spec import Lab
from lab_utils.pictures import local_picture
from lab_utils.report import limits
from lab_utils.report.record import Data, Depends, Environment, Git, Run
from lab_utils.report.request import Places, Request
from lab_utils.report.written import cells, check

LOCK = "requirements.lock"
PICTURE = re.compile(r"""(?:!\[[^\]]*\]\(\s*<?|\bsrc\s*=\s*["']?)([^)>\s"']+)""")  # an address of one, in Markdown
# Variables by which a command that git itself started, such as a hook, is told of another repository.
GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
GIT_TIMEOUT = 30  # seconds; a git that takes longer waits for something, and a report needs none
NAMED = 3  # changes of one kind that a reason names


def dependencies(source: Path, lab: Lab, given: Mapping[str, Any], data: Data) -> Depends:
    """What decides the result of the notebook ``source`` with these parameters, as it is now."""
    code = code_cells(source)
    return Depends(
        code=digest(code), parameters=dict(given),
        settings=asdict(lab.settings(given["PROFILE"], given.get("CHANGES"))),
        modules=sources.closure(code), data={kind: data[kind]["sha256"] for kind in lab.data},
        packages=packages(), device=device(),
    )  # fmt: skip


def parameters(request: Request, lab: Lab) -> dict[str, Any]:
    """What a notebook is given in place of the values in its cell tagged ``parameters``."""
    given = {"PROFILE": request.PROFILE, "SEED": request.seed, "SPLIT": request.SPLIT}
    given |= {"FACES": request.FACES} if "faces" in lab.data else {}
    return given | ({"CHANGES": request.CHANGES} if request.CHANGES else {})


def check_notebooks(request: Request, places: Places) -> None:
    """LabError if a notebook that is asked for is not there, is broken, would not run as asked, or could not run."""
    limits.check()
    for name in request.NB:
        check(places.source(name), parameters(request, places.labs[name]))


def device() -> str:
    """The class of device that a notebook would run on: cuda or cpu."""
    return "cuda" if config.gpu_present() else "cpu"


# Reasons


def reasons(run: Run | None, now: Depends) -> list[str]:
    """Why a notebook must run, in words; empty if the result of ``run`` holds."""
    if run is None:
        return ["it has not run yet"]
    if run.status != "ok":
        return [f"its last run {'was interrupted' if run.status == 'interrupted' else 'failed'}"]
    if run.depends.changed:
        return ["what it depends on changed while it ran"]
    return changes(run.depends, now)


def changes(before: Depends, now: Depends) -> list[str]:
    """What of two states differs, in words."""
    found = ["its code cells changed"] if before.code != now.code else []
    given = differing(before.parameters, now.parameters)
    found += [  # settings are named below
        f"{name} is {'not stated' if value is None else repr(value)}" for name, _, value in given if name != "CHANGES"
    ]
    settings = differing(before.settings, now.settings)
    found += at_most_named([f"{name} is {as_written(new)}, was {as_written(old)}" for name, old, new in settings])
    if names := [name for name, _, _ in differing(before.modules, now.modules)]:
        found.append(f"{', '.join(at_most_named(names))} changed")
    found += [f"the {kind} changed" for kind, _, _ in differing(before.data, now.data)]
    found += at_most_named([f"{name} changed" for name, _, _ in differing(before.packages, now.packages)])
    found += [f"the device is {now.device}, not {before.device}"] if before.device != now.device else []
    return found


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Names whose values differ, in either, with the value that each had and has; None where there is none."""
    names = sorted({*before, *now})
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def at_most_named(texts: Sequence[str]) -> list[str]:
    """The first of the texts; the last of them says how many there are beside them."""
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return [f"{text}{more if place == NAMED else ''}" for place, text in enumerate(texts[:NAMED], start=1)]


def as_written(value: Any) -> str:
    """A setting as a person writes it: 1,281 and not 1281."""
    if value is None:
        return "not set"
    return f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


# What a notebook says


def code_cells(source: Path) -> list[str]:
    return [text for kind, _, text in cells(source) if kind == "code"]


def prose(source: Path) -> str:
    """Hash of all that a page takes from its notebook: cells, their order and tags, and the pictures that they show."""
    written = cells(source)
    addresses = [found for kind, _, text in written if kind == "markdown" for found in PICTURE.findall(text)]
    pictures = [sha256(path) for address in addresses if (path := local_picture(address, source.parent))]
    return digest([written, pictures] if pictures else written)


# What a result came from


def environment(notebooks: Path) -> Environment:
    """What is the same for every notebook of one command; outputs in a notebook do not count in its source."""
    package = [path for path in (ROOT / "lab_utils").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files = {path.relative_to(ROOT).as_posix(): sha256(path) for path in package}
    cells_of = {path.name: said_in(path) for path in notebooks.glob("*.ipynb") if path.is_file()}
    git, no_git = git_state(), ""
    if isinstance(git, str):
        git, no_git = None, git
    return Environment(
        source=digest([files, cells_of, lock_hash()]), git=git, no_git=no_git, lock=lock_hash(),
        python=platform.python_version(), packages=sources.package_versions(),
    )  # fmt: skip


def said_in(path: Path) -> str:
    """Hash of what a notebook says, or of the file if it is broken: one that is not asked for stops nothing."""
    try:
        return prose(path)
    except LabError:
        return sha256(path)


def git_state(root: Path = ROOT) -> Git | str:
    """Commit and whether files differ from it, or why there is none to state. Reports do not make a checkout dirty.

    The project must be a repository of its own: the commit of one that it merely lies in says nothing of it.
    """
    try:
        top = git(root, "rev-parse", "--show-toplevel").rstrip("\n")
        if not top or not os.path.samefile(top, root):
            return f"it lies in another repository, {top or 'inside of its .git'}"
        commit = git(root, "rev-parse", "--verify", "HEAD").strip()
        dirty = bool(git(root, "status", "--porcelain", "--", ".", ":(exclude)reports").strip())
    except FileNotFoundError:
        return "there is no command git"
    except subprocess.CalledProcessError as error:
        return git_trouble(error.stderr, root)
    except subprocess.TimeoutExpired:
        return f"git did not answer in {GIT_TIMEOUT} seconds"
    except OSError as error:
        return f"git cannot be run: {error.strerror}"
    return Git(commit=commit, dirty=dirty)


def git(root: Path, *command: str) -> str:
    """What git answers about the repository that ``root`` is in.

    CalledProcessError, OSError if it does not, TimeoutExpired if not in time.
    """
    env = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}  # in English, and without a write to a checkout that only reads
    asked = ["git", "-C", str(root), *command]
    done = subprocess.run(asked, capture_output=True, check=True, env=env, timeout=GIT_TIMEOUT)
    return os.fsdecode(done.stdout)


def git_trouble(said: bytes, root: Path) -> str:
    """Why git states no commit, from what it says, in one line."""
    text = said.decode("utf-8", "replace")
    if "dubious ownership" in text:
        return (
            "the checkout belongs to another user, so git does not read it; "
            f"git config --global --add safe.directory '{root}' lets it"
        )
    if "Needed a single revision" in text:
        return "it has no commit yet"
    if "not a git repository" in text and not (root / ".git").exists():
        return "it is no git checkout"
    lines = [line.strip().removeprefix("fatal: ") for line in text.splitlines() if line.strip()]
    return f"git says: {lines[0][:200]}" if lines else "git says nothing"


def packages() -> dict[str, str | None]:
    """What decides the numbers beside the code: the lock, and the versions that are installed whatever it says."""
    return {LOCK: lock_hash()} | sources.package_versions()


def lock_hash() -> str | None:
    return sha256(ROOT / LOCK) if (ROOT / LOCK).exists() else None


# Data


def load_data(request: Request, labs: Mapping[str, Lab]) -> Data:
    """Load what the notebooks will use, so that bad data is one line now and not a traceback later."""
    found, used = {}, kinds(request, labs)
    # Imported here and not at the top: a wrong argument is answered at once.
    if "digits" in used:
        from lab_utils.data import digits

        found["digits"] = digits.describe(digits.load(request.DATA_DIR, split=request.SPLIT))
    if "faces" in used:
        from lab_utils.data import faces

        drawn = config.AVATARS[request.PROFILE]
        asked = {"avatars_drawn": drawn, "split": request.SPLIT}
        asked |= {"cache": request.CACHE} if request.CACHE else {}
        found["faces"] = faces.describe(faces.load(request.DATA_DIR, request.FACES, **asked))
    return found


def kinds(request: Request, labs: Mapping[str, Lab]) -> set[str]:
    return {kind for name in request.NB for kind in labs[name].data}


def looks(request: Request, labs: Mapping[str, Lab]) -> dict[str, str]:
    """How the files of each kind of data look from outside."""
    asked = {"FACES": request.FACES, "SPLIT": request.SPLIT} | packages()
    return {kind: traces(kind, request.DATA_DIR, asked) for kind in kinds(request, labs)}


def remember_data(folder: Path, seen: Mapping[str, str], data: Data) -> None:
    """Keep what the data sets were when their files looked like this."""
    before = read_known(folder)
    now = before | {kind: entry(seen[kind], data[kind]) for kind in data}
    if now != before:
        write_whole(folder / ".data.json", to_json(now))


def entry(look: str, described: Mapping[str, Any]) -> dict[str, Any]:
    return {"traces": look, "described": described, "sha256": digest([look, described])}


def known_data(folder: Path, seen: Mapping[str, str]) -> Data | None:
    """What the data sets are, if their files look as they did when last read and it is as it was written; else None."""
    known = read_known(folder)
    for kind, look in seen.items():
        if not isinstance(known.get(kind), dict) or known[kind] != entry(look, known[kind].get("described")):
            return None
    return {kind: known[kind]["described"] for kind in seen}


def read_known(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        found = read_json(folder / ".data.json")
    except (FileNotFoundError, ValueError, RecursionError):  # it can be made again
        return {}
    return found if isinstance(found, dict) else {}
