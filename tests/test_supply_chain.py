"""What the project is made of: licences that it may pass on, nothing that is not used, nothing that is not declared."""

import ast
import json
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions

import pytest
from packaging.markers import Marker
from test_project import LOCK, PYPROJECT, names

from lab_utils.config import ROOT

# As SPDX names them. "BSD" and "Apache" stand for any of their versions, where a package does not say which.
ACCEPTED = {
    "0BSD", "Apache", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC",
    "LLVM-exception", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip
NVIDIA = "proprietary, free to use and to pass on with what needs it: torch loads it where there is a GPU"
OTHER_SYSTEM = "is not installed here, as its wheel says"
# What the metadata do not say, or say in other words: the licence, and why it is known or accepted.
KNOWN = {
    "axe-playwright-python": ("MIT", "the LICENSE in its wheel"),
    "cuda-toolkit": ("NVIDIA", "holds no file, only names the packages of NVIDIA that torch asks for"),
    "dicebear-styles": ("MIT", "its code; of the styles only Avataaars is used, free for personal and commercial use"),
    "resvg-py": ("MIT", "the LICENSE in its wheel"),
    "nvidia-nvtx": ("Apache-2.0", "the License.txt in its wheel"),
    "nvidia-cusparselt-cu13": ("NVIDIA", NVIDIA),
    "aiohappyeyeballs": ("PSF-2.0", OTHER_SYSTEM),
    "aiohttp": ("Apache-2.0 AND MIT", OTHER_SYSTEM),
    "aiosignal": ("Apache-2.0", OTHER_SYSTEM),
    "appnope": ("BSD-2-Clause", OTHER_SYSTEM),
    "brotlicffi": ("MIT", OTHER_SYSTEM),
    "colorama": ("BSD", OTHER_SYSTEM),
    "frozenlist": ("Apache-2.0", OTHER_SYSTEM),
    "multidict": ("Apache-2.0", OTHER_SYSTEM),
    "propcache": ("Apache-2.0", OTHER_SYSTEM),
    "pywinpty": ("MIT", OTHER_SYSTEM),
    "yarl": ("Apache-2.0", OTHER_SYSTEM),
}
WORDS = {  # what metadata say, and what it is
    "LicenseRef-NVIDIA-Proprietary": "NVIDIA",
    "Apache Software License": "Apache",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "ISC license": "ISC",
    "MIT license": "MIT",
    "PSFL": "PSF-2.0",
}
PINNED = re.findall(r"^([A-Za-z0-9._-]+)==[^ ;\\]+(?: ; ([^\\\n]+))?", LOCK, re.MULTILINE)

PARTS = ("lab_utils", "benchmarks", "chaos", "tests")  # the project's own modules

# Distributions that no module imports, and what they are for.
NOT_IMPORTED = {
    "jupyterlab": "make lab starts it",
    "dicebear-styles": "the drawings that dicebear-core reads",
    "ruff": "make test runs it",
    "nbstripout": "keeps outputs out of commits",
    "uv": "make lock runs it",
    "setuptools": "builds the package",
    "pytest-regressions": "gives pytest a fixture",
}


def stated(name: str) -> str:
    """What the metadata of an installed package say of its licence; nothing if that is not to be understood."""
    found = metadata(name)
    classifiers = [one.split(" :: ")[-1] for one in found.get_all("Classifier", []) if one.startswith("License")]
    told = [found.get("License-Expression"), found.get("License"), *classifiers]
    short = [one for one in told if one and len(one) < 120 and one != "UNKNOWN"]
    return WORDS.get(short[0], short[0]) if short else ""


def licences(name: str) -> set[str]:
    """The licences that a package is under, one word each."""
    text = KNOWN[name][0] if name in KNOWN else stated(name)
    return set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", text)) - {""}


@pytest.mark.parametrize("name", sorted({name for name, _ in PINNED}))
def test_every_package_has_a_licence_that_is_accepted(name):
    try:
        found = licences(name)
    except PackageNotFoundError:
        marks = [mark for pinned, mark in PINNED if pinned == name]
        assert not any(not mark or Marker(mark).evaluate() for mark in marks), f"{name} is locked and not installed"
        pytest.fail(f"{name} is for another system: look its licence up and add it to KNOWN")
    assert found, f"{name} states no licence: look it up and add it to KNOWN, with where it stands"
    if found == {"NVIDIA"}:
        assert name.startswith(("nvidia-", "cuda-")), name
    else:
        assert found <= ACCEPTED, f"{name} is under {', '.join(sorted(found - ACCEPTED))}, which is not accepted"


def test_what_is_known_of_licences_is_of_packages_that_there_are():
    assert KNOWN.keys() <= {name for name, _ in PINNED}


# What is imported


@cache
def imported() -> set[str]:
    """The names at the top of all that modules, tests and notebooks import, but for Python's and the project's own."""
    texts = [path.read_text() for part in PARTS for path in (ROOT / part).rglob("*.py")]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    found = {name.partition(".")[0] for text in texts for name in imports(text)}
    own = {*PARTS, *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    return found - own - sys.stdlib_module_names


def imports(text: str) -> list[str]:
    nodes = [*ast.walk(ast.parse(text))]
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]


@cache
def distributions() -> dict[str, str]:
    """The distribution, as pyproject writes its name, that each imported name comes from."""
    there = packages_distributions()
    return {name: there[name][0].lower().replace("_", "-") for name in imported() if name in there}


def declared(extra: str | None = None) -> set[str]:
    project = PYPROJECT["project"]
    return names(project["optional-dependencies"][extra] if extra else project["dependencies"])


def test_all_that_is_imported_is_declared():
    known = distributions()
    missing = {name for name in imported() if known.get(name) not in declared() | declared("dev")}
    assert not missing, f"imported, but not asked for in pyproject.toml: {', '.join(sorted(missing))}"


def test_all_that_is_declared_is_imported_or_has_a_reason():
    unused = (declared() | declared("dev")) - {*distributions().values()} - NOT_IMPORTED.keys()
    assert not unused, f"in pyproject.toml, but nothing imports it: {', '.join(sorted(unused))}"


def test_no_reason_is_given_for_what_is_imported_or_gone():
    assert NOT_IMPORTED.keys() <= declared() | declared("dev")
    assert not NOT_IMPORTED.keys() & {*distributions().values()}
