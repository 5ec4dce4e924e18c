"""What some code depends on in this package: the files that it imports, by what they say; and their text, to be shown.

Nothing is imported that is looked at.
"""

import ast
import contextlib
import functools
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grimp

from lab_utils.config import ROOT, LabError

PACKAGE = "lab_utils"
# Compared by value and not by text: a lab's settings are a part of what a run depends on, its words are not.
BY_VALUE = f"{PACKAGE}.labs"
MAGICS = ("run_line_magic", "run_cell_magic")  # what IPython makes of % and %%
RUNNING = ("time", "timeit", "prun", "capture")  # the magics whose text is code of the notebook
OPTIONS = re.compile(r"^(\s*--?[\w-]+(\s+\d+)?(\s+|$))+")  # of a magic, before the code


def closure(code: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """Hashes of the files of the package that some code imports, those that these import, and so on.

    By path below ``root``; labs, which are compared by value, are left out with what only they import. LabError if a
    file of the package is not Python.
    """
    graph = import_graph(root, _newest(root))
    waiting = [module for text in code for module in imports(text, graph.modules)]
    wanted = set()
    while waiting:
        module = waiting.pop()
        if module not in wanted and not by_value(module):
            wanted.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
            waiting += filter(None, [module.rpartition(".")[0]])  # its package, whose __init__.py runs first
    files = {file for module in wanted for file in files_of(module, root)}
    return {file.relative_to(root).as_posix(): code_digest(file, file.stat().st_mtime_ns) for file in sorted(files)}


def _newest(root: Path) -> int:
    """When the package last changed, as far as the times of its files tell; for the caches below."""
    return max(path.stat().st_mtime_ns for path in (root / PACKAGE).rglob("*.py"))


def by_value(module: str) -> bool:
    return module == BY_VALUE or module.startswith(f"{BY_VALUE}.")


@functools.lru_cache(maxsize=4)
def import_graph(root: Path, _newest: int) -> grimp.ImportGraph:
    """Who imports whom in the package, as :mod:`grimp` reads it from the text.

    LabError if a file is not Python, or if the system does not let grimp work: it may start no thread.
    """
    with contextlib.nullcontext() if root == ROOT else _imported_from(root):
        try:
            return grimp.build_graph(PACKAGE, cache_dir=None)
        except grimp.exceptions.SourceSyntaxError as error:
            path = Path(error.filename).relative_to(root)
            raise LabError(f"{path}, line {error.lineno}: this is not Python: {error.text.strip()!r}") from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Rust, which is no Exception and cannot be imported
                raise
            raise LabError(f"the imports of the package cannot be read: {error}") from None


@contextlib.contextmanager
def _imported_from(root: Path) -> Iterator[None]:
    """Let grimp find the package below ``root`` in the place of the one that runs."""
    running = sys.modules.pop(PACKAGE)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        sys.modules[PACKAGE] = running


def imports(text: str, modules: Iterable[str]) -> Iterator[str]:
    """The modules of the package that a cell imports, wherever in it the import stands.

    ``from a import b`` gives ``a.b`` if that is a module. Text that is no Python, as a student may leave it in a cell,
    could import anything.
    """
    known = set(modules)
    for piece in pieces(text):
        tree = parsed(piece)
        if tree is None:
            yield from known
            return
        yield from (name for name in _named(tree) if name in known)


def _named(tree: ast.Module) -> Iterator[str]:
    """What the imports in some code name: modules, and what could be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def pieces(text: str) -> Iterator[str]:
    """The code of a cell as Python is given it by IPython, then what its magics run, each as text; it may be no Python.

    What shows only when it runs (``exec``, ``%run``) is not among it.
    """
    waiting = [text]
    while waiting:
        piece = waiting.pop()
        if parsed(piece) is None:
            piece = _as_python(piece)
        yield piece
        waiting += [code for node in ast.walk(parsed(piece) or ast.Module()) for code in _run_by(node)]


def _as_python(text: str) -> str:
    """A cell without what Python does not know: magics and commands become calls, and an indent of all lines goes."""
    from IPython.core.inputtransformer2 import TransformerManager  # here, for it takes long to import and is rare

    try:
        return TransformerManager().transform_cell(text)
    except (SyntaxError, RuntimeError):  # the kernel cannot read it either
        return text


def _run_by(node: ast.AST) -> list[str]:
    """The code that a call to a magic runs among the names of the notebook; nothing if the node is none."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in MAGICS:
        return []
    texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [OPTIONS.sub("", one) for one in texts[1:]] if texts and texts[0] in RUNNING else []


def parsed(text: str) -> ast.Module | None:
    """The tree of some code; None if it is no Python, or deeper than Python reads."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def files_of(module: str, root: Path) -> list[Path]:
    """The file of a module and the ``__init__.py`` of the packages above it."""
    parts = module.split(".")
    above = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    return [file for file in (root.joinpath(*parts).with_suffix(".py"), *above) if file.is_file()]


@functools.cache
def code_digest(path: Path, _time: int) -> str:
    """Hash of what a file says to Python: comments, docstrings and layout do not count.

    ``_time`` tells one state of the file from another.
    """
    text = path.read_text(encoding="utf-8")
    tree = parsed(text)
    if tree is None:
        return hashlib.sha256(text.encode()).hexdigest()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and _documented(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _documented(node: ast.AST) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def text_of(module: str, name: str, root: Path = ROOT) -> str:
    """The source of a function or class at the top of a module, under a line that says where it stands."""
    path = files_of(module, root)[0]
    text = path.read_text(encoding="utf-8")
    node = next(node for node in ast.parse(text).body if getattr(node, "name", None) == name)
    begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines()[begin - 1 : node.end_lineno]
    return "\n".join([f"# {path.relative_to(root).as_posix()}", *lines]) + "\n"


@functools.cache
def package_versions() -> dict[str, str | None]:
    """Installed versions of what the project depends on directly; the lock holds the rest."""
    if not (ROOT / "pyproject.toml").exists():
        return {}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found = dict.fromkeys(re.match(r"[\w.-]+", line)[0] for line in wanted)
    for name in found:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
