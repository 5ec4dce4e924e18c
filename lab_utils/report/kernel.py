"""The kernel that the report runs notebooks in: this interpreter's, as it is, without what a person set for their own.

A kernel of any name that is installed elsewhere, startup files, configuration and styles of IPython, Jupyter and
matplotlib are for the sessions of a person. In a report they would change bytes, or end it.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

from lab_utils.config import ROOT

# Not `-m`, for which the package would have to be found from the folder of the notebooks: PYTHONPATH takes no colon.
START = (
    "import sys; sys.path[:] = [{root!r}, *filter(None, sys.path)]; from lab_utils.report.kernel import main; main()"
)


class Manager(AsyncKernelManager):
    """Starts that kernel, whatever is installed under the name that is asked for."""

    @property
    def kernel_spec(self) -> KernelSpec:
        start = START.format(root=str(ROOT))
        known = get_kernel_dict()
        return KernelSpec(**known | {"argv": [sys.executable, "-c", start, "-f", "{connection_file}"]})


class LabKernel(IPKernelApp):
    """IPython's kernel that reads no configuration, neither a person's nor the machine's, and runs no startup files."""

    def load_config_file(self, *_, **__) -> None:
        pass

    def _run_startup_files(self) -> None:
        pass


def import_matplotlib() -> None:
    """Import it with its own defaults, for it looks for settings where it is imported, in the environment and at home.

    What it says of a person's files and fonts then is said in the log, and not below a cell.
    """
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["MATPLOTLIBRC"] = str(Path(find_spec("matplotlib").origin).with_name("mpl-data") / "matplotlibrc")
    notebooks = Path.cwd()
    os.chdir(os.environ["IPYTHONDIR"])  # which is new and empty
    import matplotlib.font_manager
    import matplotlib.style  # noqa: F401, reads a person's styles

    os.chdir(notebooks)


def main() -> None:
    import_matplotlib()
    LabKernel.launch_instance()
