"""What some code depends on: files found by their imports, hashed by what they say to Python."""

import os
import shutil
import subprocess
import sys

import pytest

from lab_utils import sources
from lab_utils.config import ROOT, LabError
from lab_utils.data.batches import by_parts
from lab_utils.training.gan import Recipe

TOY = {  # a package as large as it has to be
    "__init__.py": "",
    "config.py": "A = 1\n",
    "losses.py": '"""Losses."""\n\n\ndef loss():\n    """One."""\n    return 1  # always\n',
    "run.py": "from lab_utils import config\n",
    "lonely.py": "B = 2\n",
    "data/__init__.py": "from lab_utils.data import helper\n",
    "data/helper.py": "C = 3\n",
    "data/faces.py": "from . import near\nfrom ..losses import loss\n",
    "data/near.py": "def later():\n    from lab_utils import run\n    return run\n",
    "labs/__init__.py": "from lab_utils.labs import vae\n",
    "labs/vae.py": "import lab_utils.lonely\n",
    "page.py": "from lab_utils.labs import vae\n",
}


@pytest.fixture
def root(tmp_path):
    for name, text in TOY.items():
        path = tmp_path / "lab_utils" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return tmp_path


def found(root, *code):
    return {name.removeprefix("lab_utils/") for name in sources.closure(code, root)}


def rewrite(root, name, text):
    """Write a file again, later than all others."""
    later = max(path.stat().st_mtime_ns for path in root.rglob("*.py")) + 1_000_000
    path = root / "lab_utils" / name
    path.write_text(text)
    os.utime(path, ns=(later, later))


# Which files


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import torch", set()),
        ("", set()),
        ("import lab_utils.losses as l", {"__init__.py", "losses.py"}),
        ("from lab_utils import losses", {"__init__.py", "losses.py"}),
        ("from lab_utils.losses import loss", {"__init__.py", "losses.py"}),
        ("from lab_utils.losses import *", {"__init__.py", "losses.py"}),
        ("def f():\n    from lab_utils import losses", {"__init__.py", "losses.py"}),
        ("if False:\n    import lab_utils.losses", {"__init__.py", "losses.py"}),
        ("%matplotlib inline\n!ls\nfrom lab_utils import losses", {"__init__.py", "losses.py"}),
        ("x = !ls\nfrom lab_utils import losses", {"__init__.py", "losses.py"}),
        ("  from lab_utils import losses", {"__init__.py", "losses.py"}),
        ("%time from lab_utils import losses", {"__init__.py", "losses.py"}),
        ("%%capture out\n%%time\nfrom lab_utils import losses", {"__init__.py", "losses.py"}),
        ("%timeit -n 10 -r 3 import lab_utils.losses", {"__init__.py", "losses.py"}),
        ("%%bash\nfrom lab_utils import losses", set()),
        ("from lab_utils import run", {"__init__.py", "run.py", "config.py"}),
    ],
)
def test_what_a_cell_imports_is_found_wherever_it_stands(root, code, files):
    assert found(root, code) == files


def test_imports_of_imports_are_followed_relative_ones_and_those_in_functions_too(root):
    data = {"data/__init__.py", "data/helper.py", "data/faces.py", "data/near.py"}
    others = {"__init__.py", "losses.py", "run.py", "config.py"}
    assert found(root, "from lab_utils.data.faces import x") == others | data


def test_a_package_runs_before_its_modules(root):
    rewrite(root, "losses.py", "from lab_utils.data import near\n")
    assert {"data/__init__.py", "data/helper.py", "data/near.py"} <= found(root, "import lab_utils.losses")


def test_the_cells_of_a_notebook_are_taken_together(root):
    assert found(root, "from lab_utils import losses", "import lab_utils.lonely") == {
        "__init__.py", "losses.py", "lonely.py"
    }  # fmt: skip


def test_labs_are_left_out_with_what_only_they_import(root):
    assert found(root, "from lab_utils.page import Page") == {"__init__.py", "page.py"}
    assert found(root, "from lab_utils.labs import vae") == set()
    assert "lonely.py" in found(root, "import lab_utils.page, lab_utils.lonely")


@pytest.mark.parametrize("text", ["this is no Python", "def f(:", "print 'a'", "%%time\nx = ("])
def test_text_that_is_no_python_could_import_anything(root, text):
    assert found(root, text) == {name for name in TOY if not name.startswith("labs")}


def test_a_new_import_is_followed(root):
    before = found(root, "from lab_utils import losses")
    rewrite(root, "losses.py", "from lab_utils import lonely\n")
    assert found(root, "from lab_utils import losses") - before == {"lonely.py"}


def test_the_real_package():
    files = sources.closure(["from lab_utils.training.vae import train_vae"])
    imported = ("training/vae", "training/fit", "training/__init__", "losses", "run", "config", "__init__")
    assert {f"lab_utils/{name}.py" for name in imported} <= set(files)
    assert not [name for name in files if name.startswith(("lab_utils/report", "lab_utils/labs"))]
    assert "lab_utils/training/gan.py" not in files
    assert "lab_utils/models/gan.py" in sources.closure(["this is no Python"])
    assert list(files) == sorted(files)
    assert sys.modules["lab_utils"].__file__ == str(ROOT / "lab_utils" / "__init__.py")


def test_a_copy_of_the_package_depends_on_its_own_files(tmp_path):
    shutil.copytree(ROOT / "lab_utils", tmp_path / "lab_utils", ignore=shutil.ignore_patterns("__pycache__"))
    code = ["from lab_utils.training.vae import train_vae"]
    assert sources.closure(code, tmp_path) == sources.closure(code)
    rewrite(tmp_path, "losses.py", "from lab_utils.metrics import pca\n")
    there = sources.closure(code, tmp_path)
    assert "lab_utils/metrics/pca.py" in set(there) - set(sources.closure(code))
    assert there["lab_utils/losses.py"] != sources.closure(code)["lab_utils/losses.py"]
    assert sys.modules["lab_utils"].__file__ == str(ROOT / "lab_utils" / "__init__.py")


def test_looking_imports_nothing():
    code = "import sys; from lab_utils.sources import closure; assert closure(['import lab_utils.page']); "
    code += "sys.exit(bool({'torch', 'lab_utils.page'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# What counts as a change


WORDS = {
    "nothing": TOY["losses.py"],
    "a comment": TOY["losses.py"].replace("# always", "# never"),
    "a comment more": "# Of games.\n" + TOY["losses.py"],
    "a docstring": TOY["losses.py"].replace("Losses.", "What is made small."),
    "no docstrings": "def loss():\n    return 1\n",
    "a function's docstring": TOY["losses.py"].replace("One.", "Always one."),
    "layout": "\n\n\ndef loss():\n\n    return (\n        1\n    )\n",
}
CODE = {
    "a value": TOY["losses.py"].replace("return 1", "return 2"),
    "a name": TOY["losses.py"].replace("def loss", "def lost"),
    "an argument": TOY["losses.py"].replace("loss()", "loss(x=1)"),
    "a text": TOY["losses.py"] + 'NAME = "one"\n',
    "no function": '"""Losses."""\n',
    "a string that is no docstring": TOY["losses.py"].replace("return 1", 'return "One."'),
}


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_words_are_no_change(root, text):
    before = sources.closure(["from lab_utils.data import faces"], root)
    rewrite(root, "losses.py", text)
    assert sources.closure(["from lab_utils.data import faces"], root) == before


@pytest.mark.parametrize("text", CODE.values(), ids=CODE)
def test_code_is_a_change_of_that_file_alone(root, text):
    before = sources.closure(["from lab_utils.data import faces"], root)
    rewrite(root, "losses.py", text)
    after = sources.closure(["from lab_utils.data import faces"], root)
    assert {name for name in before if before[name] != after[name]} == {"lab_utils/losses.py"}


def test_a_file_that_is_no_python_is_one_line(root):
    rewrite(root, "losses.py", "A = 1\ndef f(:\n")
    with pytest.raises(LabError, match=r"^lab_utils/losses.py, line 2: this is not Python: 'def f\(:'$"):
        sources.closure(["from lab_utils.data import faces"], root)


def test_two_texts_of_one_constant_are_two_changes(root):
    seen = set()
    for value in ("1", "1.0", "True", "'1'", "1j"):
        rewrite(root, "config.py", f"A = {value}\n")
        seen.add(sources.closure(["from lab_utils import config"], root)["lab_utils/config.py"])
    assert len(seen) == 5


def test_what_is_not_imported_does_not_count(root):
    before = sources.closure(["from lab_utils.data import faces"], root)
    rewrite(root, "lonely.py", "B = 3\n")
    rewrite(root, "labs/vae.py", "B = 3\n")
    assert sources.closure(["from lab_utils.data import faces"], root) == before


# Source that is shown


def test_the_text_of_a_function_is_that_of_the_file_under_its_place():
    shown = sources.text_of("lab_utils.data.batches", "by_parts")
    first, *rest = shown.splitlines()
    assert first == "# lab_utils/data/batches.py"
    assert rest[0] == "@torch.no_grad()"  # what decorates it belongs to it
    assert "\n".join(rest) in (ROOT / "lab_utils/data/batches.py").read_text()
    assert by_parts.__doc__ in shown
    assert rest[-1].strip() == "return torch.cat([function(*part) for part in parts(tensors, size)])"


def test_the_text_of_a_class_has_its_decorators_and_comments():
    shown = sources.text_of(Recipe.__module__, Recipe.__qualname__)
    assert shown.startswith("# lab_utils/training/gan.py\n@dataclass(frozen=True)\nclass Recipe:\n")
    assert shown.count("  # ") > 5


def test_the_text_is_that_of_another_root(root):
    assert sources.text_of("lab_utils.losses", "loss", root) == (
        '# lab_utils/losses.py\ndef loss():\n    """One."""\n    return 1  # always\n'
    )
