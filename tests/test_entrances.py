"""Other ways in, as far as they can be read: a container, an editor's container, conda, Colab."""

import json
import re
from fnmatch import fnmatch

import pytest

from lab_utils.config import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(" ", 1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
DEVCONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
README, CONTRIBUTING = ((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())


def targets(text: str) -> set[str]:
    """What is made, in text that shows commands."""
    return set(re.findall(r"(?:^|[!`\s]|&& )make ([a-z-]+)(?=[ `&,:;.)]|$)", text, re.MULTILINE))


def test_the_container_is_built_of_known_steps():
    """One base, Debian's packages, a user, the checkout, the command: nothing is fetched by hand."""
    known = ["ARG", "FROM", "ARG", "RUN", "RUN", "USER", "RUN", "WORKDIR", "COPY", "CMD"]
    assert [step for step, _ in STEPS] == known
    assert not re.search(r"curl|wget|pip|https?://|sudo|chmod 777", DOCKERFILE)


def test_the_base_is_given_by_a_build_argument():
    assert STEPS[0] == ["ARG", "BASE=debian:bookworm-slim"]
    assert STEPS[1] == ["FROM", "${BASE}"]
    cuda = re.findall(r"BASE=(nvidia/cuda:[\w.-]+)", (ROOT / "Dockerfile").read_text() + README)
    assert len(cuda) == 2
    assert len(set(cuda)) == 1


def test_the_container_has_what_the_two_commands_need():
    """The packages that CI installs, and git, by which a report names its commit."""
    installed = set(DOCKERFILE.partition("--no-install-recommends")[2].partition("&&")[0].split())
    assert {"make", "git", "python3-venv"} <= installed
    wanted = re.findall(r"missing\+=\((\S+)\)", (ROOT / ".ci/run").read_text())
    assert wanted
    assert set(wanted) <= installed
    optional = re.search(r'MORE="([^"]*)"', (ROOT / "Dockerfile").read_text())[1]
    assert DEVCONTAINER["build"]["args"] == {"MORE": optional}
    assert optional in (ROOT / ".ci/run").read_text()


def test_nobody_is_root_in_it():
    user = dict(STEPS)["USER"]
    assert user not in ("root", "0")
    assert f"useradd --create-home {user}" in DOCKERFILE
    assert dict(STEPS)["COPY"] == f"--chown={user} . ."
    assert DEVCONTAINER["remoteUser"] == user


@pytest.mark.parametrize(
    "command", [" ".join(json.loads(dict(STEPS)["CMD"])), DEVCONTAINER["postCreateCommand"]], ids=["image", "editor"]
)
def test_what_it_runs_is_a_command_of_the_project(command):
    program, target, *words = command.split()
    assert (program, target) == ("make", "report")
    assert all(re.fullmatch(r"[A-Z]+=\w+", word) for word in words)


def test_the_paths_of_the_editors_container_are_there():
    build = DEVCONTAINER["build"]
    at = ROOT / ".devcontainer"
    assert (at / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (at / build["context"]).resolve() == ROOT
    assert set(build["args"]) <= set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    assert (
        f"VENV := {DEVCONTAINER['customizations']['vscode']['settings']['python.defaultInterpreterPath'][:5]}"
        in MAKEFILE
    )


@pytest.mark.parametrize(
    "needed", ["Makefile", "requirements.lock", "pyproject.toml", "notebooks/01_vae.ipynb", "tests/conftest.py",
               "lab_utils/report/__main__.py", "data/README.md", "reports/published/quick-cpu-avatars/manifest.json"]
)  # fmt: skip
def test_all_that_the_two_commands_need_goes_into_the_image(needed):
    assert (ROOT / needed).exists()
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept = True
    for line in lines:  # the last that matches a file, or a folder above it, decides
        pattern = line.removeprefix("!").removeprefix("**/")
        if any(fnmatch("/".join(needed.split("/")[:n]), pattern) for n in range(1, needed.count("/") + 2)):
            kept = line.startswith("!")
    assert kept


def test_nothing_of_this_machine_goes_into_the_image():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", "data/*", "reports/*"} <= set(ignored)


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_target_that_is_named_is_there(text):
    found = targets(text)
    assert found
    assert found <= TARGETS | {"test-slow"}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_file_that_is_linked_is_there(text):
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / path).exists(), path


def test_what_is_said_of_colab_is_said_to_be_untested():
    colab = README.partition("**In Colab**")[2].partition("**On a server**")[0]
    assert "not tested on Colab" in colab
    assert "make report PY=python3" in colab
    assert "--require-hashes -r requirements.lock" in colab
