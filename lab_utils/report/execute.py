"""Runs one notebook in a process of its own, and says from the run itself how it ended.

As a program (``python -m lab_utils.report.execute SOURCE TARGET PARAMETERS``) it is that process: papermill
and, below it, the kernel.
"""

import json
import os
import re
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import joblib
import nbformat
from nbformat import NotebookNode
from nbformat.reader import NotJSONError

from lab_utils import config
from lab_utils.config import ROOT
from lab_utils.handover import SPENT
from lab_utils.report.request import Request
from lab_utils.watch import end_with_parent

CELL_TIMEOUT = 3600  # seconds; a cell that takes longer hangs
START_TIMEOUT = 600  # seconds; a kernel imports from a network drive, or from a disk that others use
STOP_TIMEOUT = 15  # seconds that papermill is given to shut its kernel down
# Lines on checkpoints, and on what another process makes, which no result shows.
RESUMED = ("goes on: ", "left aside: ", "not kept: ", "waiting: ")
MARKER = "papermill-error-cell-tag"  # on cells that papermill adds to say that something failed
INJECTED = "injected-parameters"  # on the cell that papermill adds after the one tagged `parameters`
ERROR = re.compile(r"[\w.]*(Error|Exception)(:|$)")  # how the last line of a traceback begins
# What else Python and matplotlib are told by their environment is a person's own, and could change what a page shows.
PYTHON = {f"PYTHON{name}" for name in ("HOME", "PATH", "DONTWRITEBYTECODE", "PYCACHEPREFIX", "NOUSERSITE", "USERBASE")}
PERSONAL = ("MPLBACKEND", "MATPLOTLIBRC", "DATA_DIR")
# How names begin of variables by which the libraries that compute are told to round otherwise, to take other code or
# another number of threads. No record holds them, so a report that was made with them would seem to hold without.
ARITHMETIC = (
    "ATEN_", "BLIS_", "CUBLAS", "CUDNN_", "DISABLE_ADDMM_", "DNNL_", "FBGEMM_", "GOMP_", "GOTO_", "INDUCTOR_", "KMP_",
    "LIBOMP_", "MKL_", "MKLDNN_", "NPY_", "NUMEXPR_", "NUMPY_", "NVIDIA_TF32_", "OMP_", "ONEDNN_", "OPENBLAS_",
    "PYTORCH_", "SCIPY_", "SKLEARN_", "TORCH", "TRITON_", "VECLIB_", "XNNPACK_",
)  # fmt: skip
# Of these, what is said of a machine: how many threads, two copies of OpenMP, how memory is taken, where it lies, and
# which processor OpenBLAS has before it where it cannot tell, as on some virtual ones.
OF_MACHINES = {
    "OMP_NUM_THREADS", "KMP_DUPLICATE_LIB_OK", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_HOME",
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``reason`` is one line, empty when ``status`` is ``"ok"``."""

    notebook: NotebookNode  # as far as it came, without the executor's marks
    status: str  # ok | failed | interrupted
    seconds: float
    reason: str = ""
    cell: int | None = None  # index of the cell that it ended in
    user_error: bool = False  # a LabError: something a person can put right
    spent: dict[str, float] = field(default_factory=dict)  # the seconds by kind; empty if it does not say


@dataclass
class Children:
    """The processes under way, so that an interrupt reaches those that run and keeps others from starting."""

    running: set[subprocess.Popen] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Ask every process to end its kernel, and end those that do not within 15 seconds."""
        self.stopping.set()
        for child in list(self.running):
            child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in list(self.running):
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)  # the kernel notices that its parent is gone


def run_notebook(
    source: Path,
    target: Path,
    log: Path,
    parameters: dict[str, Any],
    env: dict[str, str],
    children: Children,
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Execute ``source`` into ``target`` and wait for it.

    Every line the notebook prints goes to ``tell`` as it comes, and with its standard error to ``log``.
    """
    begun = time.monotonic()
    given = json.dumps(parameters), str(CELL_TIMEOUT)
    command = [sys.executable, "-m", "lab_utils.report.execute", source, target, *given]
    with (
        open(log, "w", encoding="utf-8") as sink,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, cwd=ROOT, text=True,
            encoding="utf-8", errors="replace", env=env, start_new_session=True,
        ) as child,
    ):  # fmt: skip
        children.running.add(child)
        if children.stopping.is_set():
            child.terminate()
        for line in child.stdout:
            sink.write(line)
            sink.flush()
            tell(last_state(line.rstrip("\n")))
        child.wait()  # before its input is closed, which would end it
        children.running.discard(child)
    return outcome_of(source, target, child.returncode, time.monotonic() - begun, children.stopping.is_set(), log)


def environment(request: Request, threads: int | None, checkpoints: Mapping[str, Any]) -> dict[str, str]:
    """What the process and its kernel see: this package first, no window, UTF-8, no settings of the person.

    Of all that tells libraries how to compute, only what is said of the machine counts, as ``OMP_NUM_THREADS``.
    It computes with so many ``threads``, unless the environment already says how many; None leaves that to torch.
    ``checkpoints`` is what :class:`lab_utils.training.checkpoint.Asked` holds.
    """
    env = {name: value for name, value in os.environ.items() if reaches(name)}
    env["LAB_CHECKPOINTS"] = json.dumps(checkpoints)
    if request.DATA_DIR:  # not a parameter: a page that others read is no place for a path of this machine
        env["DATA_DIR"] = str(request.DATA_DIR)
    if request.CACHE:
        env["LAB_CACHE"] = str(request.CACHE)
    others = [env["PYTHONPATH"]] if env.get("PYTHONPATH") else []
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *others])
    if threads:
        env.setdefault("OMP_NUM_THREADS", str(threads))
    if not any(distributions(path=[site.getusersitepackages()])):  # nothing is installed there: no usercustomize either
        env["PYTHONNOUSERSITE"] = "1"
    env["PYTHONUTF8"] = "1"  # whatever the locale: pages and data are UTF-8
    env["LAB_HEADLESS"] = "1"
    env["LAB_DEVICE"] = "cuda" if config.gpu_present() else "cpu"
    env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger's remark on frozen modules
    return env


def reaches(name: str) -> bool:
    """Whether a variable of the person's environment is one that a notebook of a report may see."""
    if name.startswith("PYTHON"):
        return name in PYTHON
    return name in OF_MACHINES or not (name in PERSONAL or name.startswith(ARITHMETIC))


def threads_each(jobs: int) -> int | None:
    """The threads of each of so many notebooks at once; None leaves them to torch.

    Torch takes all cores that it sees, and does not see that a container may use fewer of them.
    """
    cores = joblib.cpu_count()  # those of a container's quota
    if jobs > 1:
        return max(1, cores // jobs)
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores if seen and cores < seen else None


def last_state(line: str) -> str:
    """What a terminal would show of a line that carriage returns have written over."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]


def outcome_of(
    source: Path, target: Path, code: int, seconds: float, stopped: bool, log: Path | None = None
) -> Outcome:
    """How a run ended, from the process's exit status and the outputs, not from papermill's metadata.

    papermill marks every cell as completed when the kernel is killed.
    """
    notebook = read_executed(target, source)
    cells = code_cells(notebook)
    failed = next((i for i, cell in cells if any(out.output_type == "error" for out in cell.outputs)), None)
    unfinished = next((i for i, cell in cells if cell.execution_count is None), None)
    started = [i for i, cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    reached = started[-1] if started else None  # the last that was given to the kernel
    spent = take_spent(notebook, seconds)
    clean(notebook)

    def ended(status: str, reason: str, cell: int | None, user_error: bool = False) -> Outcome:
        return Outcome(notebook, status, seconds, reason, cell, user_error, spent)

    if stopped or code == 130:
        return ended("interrupted", "interrupted", reached)
    if failed is not None:
        error = next(out for out in notebook.cells[failed].outputs if out.output_type == "error")
        mine = error.ename == "LabError"
        reason = one_line(error.evalue if mine else f"{error.ename}: {error.evalue}".removesuffix(": "))
        return ended("failed", reason, failed, mine)
    if code != 0:
        return ended("failed", process_reason(target, code, log), reached)
    if unfinished is not None:
        return ended("failed", "this cell has not run", unfinished)
    return ended("ok", "", None)


def process_reason(target: Path, code: int, log: Path | None = None) -> str:
    """Why a process ended that says so itself, in a note beside ``target``, or in the last error of its ``log``."""
    if code < 0:
        return f"the process was killed by {signal.Signals(-code).name}"
    note, said = target.with_suffix(".error"), last_error(log) if log else ""
    ended = f"the process ended with status {code}" + (f" ({said})" if said else "")
    reason = note.read_text(encoding="utf-8") if note.exists() else ended
    if reason.startswith("NoStart"):
        return f"the kernel did not start, tried twice ({reason.removeprefix('NoStart: ')})"
    if reason.startswith("DeadKernelError"):
        return "the kernel died: it was killed, or ran out of memory"
    if reason.startswith("CellTimeoutError"):
        return f"this cell had not ended after {CELL_TIMEOUT:,} s"
    return reason


def last_error(log: Path) -> str:
    """The last line of a log that names an error; empty if none does."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line[:300] for line in reversed(lines) if ERROR.match(line)), "")


def take_spent(notebook: NotebookNode, seconds: float) -> dict[str, float]:
    """The seconds of a run by kind, which add up to all of them; empty if the notebook does not say.

    What it has not counted is start-up: the processes, and the messages between them. The output that says it is taken
    out of the notebook, so that equal runs give equal files.
    """
    counted: dict[str, float] = {}
    for _, cell in code_cells(notebook):
        for output in [output for output in cell.outputs if SPENT in output.get("data", {})]:
            counted = dict(output.data[SPENT])
            cell.outputs.remove(output)
    return counted and counted | {"start-up": max(0.0, seconds - sum(counted.values()))}


def read_executed(target: Path, source: Path) -> NotebookNode:
    """The notebook as far as it came, without the cells in which papermill says that something failed.

    ``source`` without outputs where the process ended before or while it wrote ``target``.
    """
    try:
        notebook = nbformat.read(target, as_version=4)
    except (FileNotFoundError, NotJSONError):
        notebook = nbformat.read(source, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    notebook.cells = [cell for cell in notebook.cells if MARKER not in cell.metadata.get("tags", [])]
    return notebook


def code_cells(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]


def clean(notebook: NotebookNode) -> None:
    """Remove times, paths, random ids and where a stream was cut, so that equal runs give equal files."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if INJECTED in cell.metadata.get("tags", []):
            cell["id"] = INJECTED
        if cell.cell_type == "code":
            cell.outputs = [output for output in joined(cell.outputs) if without_resumption(output)]


def without_resumption(output: NotebookNode) -> bool:
    """Take the lines of a training that was stopped out of an output; whether anything is left of it."""
    if output.output_type != "stream":
        return True
    output.text = "".join(line for line in output.text.splitlines(keepends=True) if not line.startswith(RESUMED))
    return bool(output.text)


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs with neighbouring pieces of one stream made one; a kernel cuts them by time."""
    whole: list[NotebookNode] = []
    for output in outputs:
        before = whole[-1] if whole else None
        if before and output.output_type == before.output_type == "stream" and output.name == before.name:
            before.text += output.text
        else:
            whole.append(output)
    return whole


def one_line(text: str) -> str:
    """The first line that says something, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "no message"


def execute(source: str, target: str, parameters: str, cell_timeout: str) -> int:
    """The process: run the notebook, leave what went wrong outside of a cell beside ``target``."""
    import papermill  # here, so that the report itself does not wait for it

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # raising makes nbclient shut its kernel down
    end_with_parent()
    try:
        run_cells(Path(source), Path(target), json.loads(parameters), int(cell_timeout))
    except KeyboardInterrupt:
        return 130
    except papermill.PapermillExecutionError as error:  # the notebook holds it
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # whatever it is, the report must be able to say it in one line
        name = type(error).__name__ if begun(Path(target)) else "NoStart"
        note = f"{name}: {one_line(str(error))}"
        Path(target).with_suffix(".error").write_text(note, encoding="utf-8")
        raise
    return 0


def run_cells(source: Path, target: Path, parameters: Mapping[str, Any], cell_timeout: int) -> None:
    """Run a notebook in a kernel, which is started once more if it ends before the first cell: a port may be taken."""
    import papermill

    from lab_utils.report.kernel import Manager

    own = target.with_suffix(".ipython")  # in the place of the person's IPython, and of a folder that cannot be written
    own.mkdir(exist_ok=True)
    os.environ["IPYTHONDIR"] = str(own)
    for last in (False, True):
        try:
            papermill.execute_notebook(
                str(source), str(target), parameters=parameters, kernel_name="python3", language="python",
                cwd=str(source.parent), progress_bar=False, request_save_on_cell_execute=True,
                start_timeout=START_TIMEOUT, execution_timeout=cell_timeout, kernel_manager_class=Manager,
                stdout_file=sys.stdout, stderr_file=sys.stderr, shutdown_kernel="immediate",
            )  # fmt: skip
            return
        except (RuntimeError, OSError) as error:
            if last or begun(target):
                raise
            print(f"the kernel did not start ({one_line(str(error))}); once more", file=sys.stderr)


def begun(target: Path) -> bool:
    """Whether a cell was given to the kernel, as papermill notes."""
    try:
        cells = nbformat.read(target, as_version=4).cells
    except (OSError, ValueError):
        return False
    return any(cell.metadata.get("papermill", {}).get("start_time") for cell in cells)


if __name__ == "__main__":
    sys.exit(execute(*sys.argv[1:]))
