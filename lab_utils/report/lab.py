"""Opens JupyterLab on this project, in the place of this process: with a kernel that finds lab_utils."""

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from lab_utils.config import ROOT, LabError, directory
from lab_utils.report.execute import threads_each
from lab_utils.report.request import Request, assigned, path_of, to_write

KERNELS = Path(__file__).parent / "jupyter"  # a kernel of the usual name that is this interpreter's
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")  # by one of which Linux says that a browser can be opened
# Where Jupyter and IPython keep what is a person's own, by the variable that says so.
OWN_FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "IPYTHONDIR": "ipython",
}


def lab(arguments: Sequence[str]) -> int:
    """Become JupyterLab. LabError if an argument is wrong, or JupyterLab is not installed."""
    given = assigned(arguments, [*Request.__dataclass_fields__, "LAB"])
    env, options = environment(given), own_options(given.get("LAB", ""))
    if find_spec("jupyterlab") is None:
        raise LabError("JupyterLab is not installed for this interpreter; leave PY out, or install jupyterlab")
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *options], env)


def own_options(asked: str) -> list[str]:
    """Options of JupyterLab: those of this project, then those that are ``asked`` for, which win.

    It listens on this machine alone, whoever starts it. LabError if a quote is not closed.
    """
    options = [f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/notebooks"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # as in a container, where Jupyter would refuse
        options.append("--allow-root")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, SCREENS)):
        options.append("--no-browser")  # else a browser of the terminal, if there is one, takes the terminal
    try:
        return [*options, *shlex.split(asked)]
    except ValueError as error:
        raise LabError(
            f'LAB={asked}: {error}; give options of JupyterLab, as in LAB="--no-browser --port=8890"'
        ) from None


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What JupyterLab and its kernels see. LabError if DATA_DIR or CACHE is no folder."""
    env = {name: value for name, value in os.environ.items() if name not in ("DATA_DIR", "MPLBACKEND")}
    if "DATA_DIR" in given:
        env["DATA_DIR"] = str(directory(path_of("DATA_DIR", given["DATA_DIR"]), "the data").absolute())
    if "CACHE" in given:
        env["LAB_CACHE"] = str(to_write("CACHE", given["CACHE"]))
    for name, first in {"PYTHONPATH": ROOT, "JUPYTER_PATH": KERNELS}.items():
        env[name] = os.pathsep.join(filter(None, [str(first), env.get(name)]))
    env |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUTF8": "1"}
    if not os.access(os.path.expanduser("~"), os.W_OK):  # as for a user whom a container has no home for
        home = tempfile.mkdtemp(prefix="lab-")
        for name, folder in OWN_FOLDERS.items():
            env.setdefault(name, os.path.join(home, folder))
    if threads := threads_each(1):
        env.setdefault("OMP_NUM_THREADS", str(threads))
    return env
