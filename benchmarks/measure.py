"""One measurement in a process of its own, so that neither loop inherits the other's settings or memory.

As a program (``python -m benchmarks.measure TASK ARGUMENTS``) it prints what it measured as its last line, in JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Subset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import memory, quality, usual_loop
from benchmarks.cases import CASES, GAME, RATE, Case, lab_training, usual_networks, vae
from lab_utils.data import batches, digits, faces
from lab_utils.run import Run, device_name, start


def usual(case: str, workers: int, scratch: str) -> dict[str, Any]:
    """The usual loop on a case: seconds, images, peak memory."""
    chosen, device = CASES[case], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, epochs = chosen.sizes[device.type]
    dataset = usual_dataset(chosen, Path(scratch))
    torch.manual_seed(0)

    def training(images: int, epochs: int) -> Callable[[], Any]:
        first = Subset(dataset, range(images))
        loader = usual_loop.loader(first, chosen.batch_size, workers, device)
        if chosen.network:
            model = vae(chosen).to(device)
            return lambda: usual_loop.train_vae(model, loader, device, epochs, RATE, lambda model: None)
        attributes = table(Path(scratch)).shape[1] if chosen.data == "faces" else 0
        generator, discriminator = (network.to(device) for network in usual_networks(chosen, attributes))
        return lambda: usual_loop.train_gan(generator, discriminator, loader, device, epochs, GAME, chosen.task)

    return timed(training, chosen, min(images, len(dataset)), epochs, device)


def usual_dataset(case: Case, scratch: Path) -> Dataset:
    signed = not case.network
    if case.data == "digits":
        return usual_loop.digits(scratch, signed=signed)
    files = sorted((scratch / "faces").glob("*.png"))
    return usual_loop.ImageFiles(files, table(scratch)[: len(files)], usual_loop.to_tensor(signed))


def table(scratch: Path) -> np.ndarray:
    return np.load(scratch / "attributes.npy")


def ours(case: str, data_dir: str) -> dict[str, Any]:
    """The same with this project's ``fit``, and the flops that there were to be had right after it."""
    chosen, run = CASES[case], start(0)
    images, epochs = chosen.sizes[run.device.type]
    split = (digits if chosen.data == "digits" else faces).load(data_dir).train
    to_device = batches.to_device if chosen.data == "digits" else batches.faces_to_device

    def training(images: int, epochs: int) -> Callable[[], Any]:
        return lab_training(chosen, run, to_device(split, run.device, images), epochs)

    measured = timed(training, chosen, min(images, len(split.images)), epochs, run.device)
    with FlopCounterMode(display=False) as counter:
        training(chosen.batch_size, 1)()
    per_image = counter.get_total_flops() / chosen.batch_size
    return measured | {"flops_per_image": per_image, "peak_flops": peak_flops(run)}


def timed(
    training: Callable[[int, int], Callable[[], Any]], case: Case, images: int, epochs: int, device: torch.device
) -> dict[str, Any]:
    """Seconds of a whole training, what it has to start up included, after one of two batches to wake the libraries."""
    training(2 * case.batch_size, 1)()
    train = training(images, epochs)
    wait(device)
    begun = time.perf_counter()
    train()
    wait(device)
    seconds = time.perf_counter() - begun
    seen = images // case.batch_size * case.batch_size * epochs
    return {"seconds": seconds, "images": seen, "memory": peak_memory(device)}


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> dict[str, float]:
    """Bytes: of the process without its workers, and of tensors on the GPU."""
    found = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    return found | ({"device": torch.cuda.max_memory_allocated()} if device.type == "cuda" else {})


def peak_flops(run: Run) -> float:
    """Flop/s of a large matrix product in the precision that is trained in."""
    side = 2048 if run.device.type == "cpu" else 8192
    a, b = (torch.randn(side, side, device=run.device, dtype=run.precision) for _ in range(2))
    return 2 * side**3 / best(lambda: a @ b, run.device)


def machine() -> dict[str, Any]:
    """What the machine is, and its own best: a large matrix product, and a copy."""
    run = start(0)
    source = torch.ones(2**26, device=run.device)  # 256 MiB
    target = torch.empty_like(source)
    return {
        "flops": peak_flops(run),
        "bandwidth": 2 * source.nbytes / best(lambda: target.copy_(source), run.device),
        "device": device_name(run.device),
        "precision": str(run.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def best(work: Callable[[], Any], device: torch.device, times: int = 20) -> float:
    """The shortest of many durations, in seconds."""
    durations = []
    for _ in range(times):
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        durations.append(time.perf_counter() - begun)
    return min(durations)


TASKS = {
    "usual": usual,
    "ours": ours,
    "machine": machine,
    "usual_quality": quality.usual,
    "our_quality": quality.ours,
    "memory": memory.train,
}


def main() -> None:
    measured = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
