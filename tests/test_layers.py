"""Who may import whom: no circles, each layer from those below, no torch in the report, no family in vain."""

import ast
import graphlib
import json
import subprocess
import sys

import grimp
import pytest

from lab_utils import sources
from lab_utils.config import ROOT

# A module may import from its own layer and from those before it.
LAYERS = (
    {"able", "gpu", "config", "files", "words", "clock", "equations", "pictures", "spread"},
    {"losses", "models", "figures", "sources"},
    {"watch", "run", "labs", "data"},
    {"metrics", "handover"},
    {"training", "page"},
    {"explore"},
    {"report"},
    {"seeds"},
)
HEAVY = {"training", "page", "metrics", "models", "figures"}  # what the report does without
# Imports inside a function, which run when it is called: from, to.
DELAYED = {("lab_utils.watch", "lab_utils.figures"), ("lab_utils.gpu", "torch")}

GAME = {"training/gan", "models/gan", "training/acgan", "training/infogan"}
LABELLED = {"models/cvae", "training/cvae"}
NOT_NEEDED = {
    "01_vae": GAME | LABELLED,
    "02_kl_ablation": GAME | LABELLED,
    "03_cvae_disentanglement": GAME,
    "04_gan": LABELLED | {"training/acgan", "training/infogan"},
    "05_acgan": LABELLED | {"training/infogan"},
    "06_infogan": {"training/acgan"},
}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("lab_utils", include_external_packages=True, cache_dir=None)


@pytest.fixture(scope="module")
def own(graph):
    return {module for module in graph.modules if module.split(".")[0] == "lab_utils"}


def part(module):
    """The part of the package that a module belongs to, as in ``models``; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imported_at_once(module):
    """The modules of the package that importing this one imports: not those inside functions."""
    waiting, found = [ast.parse(sources.files_of(module, ROOT)[0].read_text())], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(ast.unparse(node))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def test_every_part_has_a_layer(own):
    assert {part(module) for module in own} - {""} == set().union(*LAYERS)


def test_there_is_no_circle(graph, own):
    wanted = {module: graph.find_modules_directly_imported_by(module) & own for module in own}
    order = list(graphlib.TopologicalSorter(wanted).static_order())  # CycleError names the circle
    assert set(order) == own


def test_the_parts_stand_in_no_circle(graph, own):
    wanted = {}
    for module in own:
        others = {part(other) for other in graph.find_modules_directly_imported_by(module) & own}
        wanted.setdefault(part(module), set()).update(others - {part(module)})
    assert len(list(graphlib.TopologicalSorter(wanted).static_order())) == len(wanted)


def test_modules_import_from_their_own_layer_and_those_before(graph, own):
    height = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        (module, other)
        for module in sorted(own - {"lab_utils"})
        for other in sorted(graph.find_modules_directly_imported_by(module) & own - {"lab_utils"})
        if height[part(other)] > height[part(module)]
    ]
    assert not wrong


def test_a_model_knows_no_loss_and_no_training(graph, own):
    for module in own:
        if part(module) == "models":
            known = {part(other) for other in graph.find_modules_directly_imported_by(module) & own}
            assert known <= {"models", "config"}, module


def test_figures_and_losses_know_no_model(graph):
    assert not graph.find_modules_directly_imported_by("lab_utils.losses") - {"torch", "math", "collections"}
    assert "torch" not in graph.find_modules_directly_imported_by("lab_utils.figures")


def test_the_report_imports_nothing_that_computes(own):
    for module in own:
        if part(module) in ("report", "seeds"):
            text = "\n".join(imported_at_once(module))
            assert not {part(other) for other in sources.imports(text, own)} & HEAVY, module


@pytest.mark.parametrize("module", ["lab_utils.report.__main__", "lab_utils.seeds.__main__", "lab_utils.labs"])
def test_no_chain_of_imports_leads_to_torch(graph, module):
    for importer, imported in DELAYED:
        lines = "\n".join(imported_at_once(importer))
        assert imported not in set(sources.imports(lines, graph.modules)), "it is not delayed any more"
    light = grimp.build_graph("lab_utils", include_external_packages=True, cache_dir=None)
    for importer, imported in DELAYED:
        light.remove_import(importer=importer, imported=imported)
    assert "torch" in light.modules
    for heavy in ("torch", "torchmetrics"):
        assert light.find_shortest_chain(module, heavy) is None


@pytest.mark.parametrize(
    "name", ["report.__main__", "seeds.__main__", "labs", "handover", "config", "words", "files", "sources"]
)
def test_the_report_loads_no_torch(name):
    module = f"lab_utils.{name}"
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert module in loaded
    assert not loaded & {"torch", "matplotlib", "sklearn", *(f"lab_utils.{part}" for part in HEAVY)}


def test_nothing_imports_notebooks_tests_or_benchmarks(graph):
    assert not {"notebooks", "tests", "benchmarks"} & set(graph.modules)


def cells(notebook):
    """The code cells of a notebook."""
    found = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOT_NEEDED)
def test_a_notebook_depends_on_what_it_shows_and_no_other_family(notebook, own):
    code = cells(notebook)
    for cell in code:
        assert set(sources.imports(cell, own)) != own, "a cell is no Python"
    files = {name.removeprefix("lab_utils/").removesuffix(".py") for name in sources.closure(code)}
    assert {"page", "losses"} <= files
    assert not files & NOT_NEEDED[notebook]
    assert not {name for name in files if name.startswith(("report", "labs"))}


@pytest.mark.parametrize("notebook", NOT_NEEDED)
def test_a_notebook_imports_what_there_is(notebook, own):
    for cell in cells(notebook):
        for node in ast.walk(sources.parsed(cell)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lab_utils"):
                assert node.module in own
                tree = sources.parsed(sources.files_of(node.module, ROOT)[0].read_text())
                names = {name for part in tree.body for name in bound(part)}
                for alias in node.names:
                    assert alias.name in names or f"{node.module}.{alias.name}" in own, alias.name


def bound(node):
    """The names that a statement at the top of a module gives."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign):
        return [one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) else [node.name] if hasattr(node, "name") else []
