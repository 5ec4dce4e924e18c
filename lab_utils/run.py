"""Where and how a notebook computes: device and precision, named random streams, and a record of what ran."""

import contextlib
import ctypes
import hashlib
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from lab_utils import config
from lab_utils.config import LabError


@dataclass(frozen=True)
class Run:
    """Where and how this process computes; made once by :func:`start` at the top of a notebook."""

    seed: int
    device: torch.device
    precision: torch.dtype  # of matrix products and convolutions while training; evaluation is float32

    def rng(self, purpose: str) -> torch.Generator:
        """A random stream of its own for each purpose (see :func:`rng`)."""
        return rng(self.seed, purpose, self.device)

    def seeds(self, n: int) -> list["Run"]:
        """The same with this seed and the next ones, n in all: what is compared over seeds begins with this run's."""
        return [replace(self, seed=self.seed + i) for i in range(n)]

    def noise(self, n: int, dimensions: int, purpose: str) -> Tensor:
        """Standard normal noise, n×dimensions, the same for equal seed and purpose."""
        return noise(n, dimensions, self.rng(purpose))

    def build(self, purpose: str, make: type[nn.Module], **arguments: Any) -> nn.Module:
        """``make(**arguments)`` on the device, its initial weights drawn from the stream named ``purpose``."""
        with seeded(self.seed, purpose):
            # Channels last is what convolutions are fast in, on CPU and GPU; layers without channels ignore it.
            return make(**arguments).to(self.device, memory_format=torch.channels_last)


def start(seed: int) -> Run:
    """Choose the device and the precision, and ask torch for deterministic kernels."""
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise LabError(f"SEED={seed!r}: give a whole number, 0 or more")
    # cuBLAS is deterministic only with a fixed workspace, which it reads when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    keep_freed_memory()
    # Deterministic mode also fills fresh memory, which costs a twentieth of the time and changes no result of ours.
    torch.utils.deterministic.fill_uninitialized_memory = False
    # Not TF32: what is evaluated in float32 is float32. After a newer name was set, a read of these would raise.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device("cuda" if config.gpu_present() else "cpu")
    return Run(seed, device, precision_for(device))


def keep_freed_memory() -> None:
    """Let the C library keep what is freed for the next step, where it is glibc.

    It would give large blocks back to the system after each step, which then clears every page of them anew: a tenth to
    half of the time of a convolutional network on a CPU.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: blocks up to so many bytes come from the heap
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: of which so much may lie free


def precision_for(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it faster than float32, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed from the run's seed and the name of what it is for."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


if torch.Generator.__weakrefoffset__:
    Stream = torch.Generator
else:  # as in torch 2.11

    class Stream(torch.Generator):
        """A generator to which a weak reference may point. What compiles a step knows none but torch's own."""


def rng(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random stream that depends on (seed, purpose) alone.

    Streams of different purposes do not disturb one another, so a cell that is run twice, or in another order,
    gives the same numbers.
    """
    stream = Stream(device).manual_seed(stream_seed(seed, purpose))
    _streams.add(stream)
    return stream


def streams() -> list[torch.Generator]:
    """The streams on a GPU that are in use; a CUDA graph must know those that a step draws from."""
    return [stream for stream in _streams if stream.device.type == "cuda"]


_streams: WeakSet[Stream] = WeakSet()


@contextlib.contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Let torch's own initialisers draw from the stream (seed, purpose); the global state is put back after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, purpose))
        yield


def autocast(run: Run) -> torch.autocast:
    """Matrix products and convolutions in the run's precision; a no-op when that is float32."""
    return torch.autocast(run.device.type, run.precision, enabled=run.precision != torch.float32)


def noise(n: int, dimensions: int, rng: torch.Generator) -> Tensor:
    """Standard normal noise, n×dimensions, on the device of ``rng``."""
    return torch.randn(n, dimensions, generator=rng, device=rng.device)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Batch norm uses its running statistics inside, and what it used before after."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def provenance(run: Run, profile: str, settings: Any, sources: dict[str, Any]) -> dict[str, Any]:
    """What identifies a run: everything that must be equal for its numbers to be equal again."""
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")
    return {
        "profile": profile,
        "seed": run.seed,
        "device": run.device.type,
        "device_name": device_name(run.device),
        "precision": str(run.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "settings": asdict(settings),
        "data": sources,
    }


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's as the system states it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
