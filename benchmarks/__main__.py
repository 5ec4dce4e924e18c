"""``make bench``: both loops in turn, each time in a process of its own; prints tables, writes JSON and a picture."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.cases import CASES
from benchmarks.explore import explore
from benchmarks.memory import GOAL as MEMORY
from benchmarks.memory import make_faces
from benchmarks.picture import draw
from benchmarks.quality import EPOCHS, TIMES_AS_FAST
from lab_utils.config import ROOT, LabError, data_dir, directory, gpu_present
from lab_utils.data import digits, faces
from lab_utils.files import say, shown, to_json, write_whole
from lab_utils.report.command import begin
from lab_utils.report.request import assigned, exit_code, path_of, to_write

OUTPUT = ROOT / "reports" / "bench"
WORDS = ("PARTS", "DATA_DIR", "CACHE")
REPETITIONS = 5
SEEDS = (0, 1, 2)
WORKERS = {"cpu": (0, 2), "cuda": (0, 2, 4, 8)}
# Faces as files, for the usual loop: as many as an epoch of any case has.
EXPORTED = {kind: max(case.sizes[kind][0] for case in CASES.values() if case.data == "faces") for kind in WORKERS}


def main(arguments: Sequence[str]) -> int:
    """The command line, as NAME=VALUE; returns the exit code. CACHE is handed on by make."""
    parts = {"speed": speed, "quality": quality, "memory": memory, "explore": lambda *_: explore()}

    def carry_out() -> int:
        given = assigned(arguments, WORDS)
        wanted = given.get("PARTS", "").split()
        if unknown := set(wanted) - set(parts):
            raise LabError(f"PARTS={' '.join(sorted(unknown))}: there are {', '.join(parts)}")
        home = data_dir(given.get("DATA_DIR", ""))
        if home:
            directory(path_of("DATA_DIR", str(home)), "the data")
        if "CACHE" in given:
            to_write("CACHE", given["CACHE"])
        kind = "cuda" if gpu_present() else "cpu"
        path = OUTPUT / f"{kind}.json"
        found = measured_before(path)
        machine = measure("machine")
        say(
            f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}: "
            f"{machine['flops'] / 1e9:,.0f} GFLOP/s in {machine['precision']}, {machine['bandwidth'] / 1e9:,.0f} GB/s"
        )
        for part in wanted or parts:
            with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
                found[part] = {"machine": machine} | parts[part](home, Path(scratch), kind)
            write_whole(path, to_json(found))  # what is measured stays if the rest is interrupted
        if "speed" in found:
            draw(found["speed"], kind, path.with_suffix(".png"))
        say(f"written: {shown(path)}" + (f" and {path.with_suffix('.png').name}" if "speed" in found else ""))
        return 0

    return exit_code(carry_out, OUTPUT, "interrupted")


def measured_before(path: Path) -> dict[str, Any]:
    """What an earlier command measured, which this one adds to. LabError if its file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LabError(f"{path} is damaged: remove it and measure again")
    return found


def measure(task: str, tell: Callable[[str], object] | None = None, **arguments: Any) -> dict[str, Any]:
    """What :mod:`benchmarks.measure` prints of a task last, in a process of its own. LabError if it fails.

    The lines before it go to ``tell`` as they come. Only ours has the large pages that the Makefile asks for.
    """
    env = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES" or not task.startswith("usual")}
    command = [sys.executable, "-m", "benchmarks.measure", task, json.dumps(arguments)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8") as child,
    ):
        line = ""
        for following in child.stdout:
            if tell and line:
                tell(line)
            line = following.rstrip("\n")
        if child.wait():
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it left no message"])[-1]
            raise LabError(f"bench: {task} of {arguments.get('case', 'all')} failed: {last}")
    return json.loads(line)


def met(reached: bool, goal: str) -> str:
    return f"goal {goal}: {'met' if reached else 'missed'}"


# Speed


def speed(home: Path | None, scratch: Path, kind: str) -> dict[str, Any]:
    """Images/s of both loops, in turn, for each model."""
    export_digits(home, scratch)
    export_faces(home, scratch, EXPORTED[kind])
    found = {}
    say("model      usual (workers)   ours   ratio (each repetition)   share of ceiling   memory usual, ours")
    runs = len(CASES) * (len(WORKERS[kind]) + 2 * REPETITIONS)
    with tqdm(total=runs, desc="speed", unit="run", disable=None, leave=False) as bar:
        for name, case in CASES.items():
            found[name] = row = compared(name, home, scratch, kind, bar)
            bar.write(speed_line(name, row, case.goals.get(kind)))
    return {"models": found}


def speed_line(name: str, row: dict[str, Any], goal: float | None) -> str:
    ratios = " ".join(f"{ratio:.2f}" for ratio in row["ratios"])
    memory = ", ".join(f"{row['memory'][loop] / 2**30:.2f}" for loop in ("usual", "ours"))
    return (
        f"{name:10} {row['usual']:8,.0f} ({row['workers']})  {row['ours']:9,.0f}  {row['ratio']:6.2f} ({ratios})  "
        f"{row['share']:.0%}  {memory} GiB" + (f"  {met(row['ratio'] >= goal, f'{goal:g}')}" if goal else "")
    )


def compared(case: str, home: Path | None, scratch: Path, kind: str, bar: tqdm) -> dict[str, Any]:
    """One model: the usual loop with its best number of workers and ours, alternating."""

    def usual(workers: int) -> dict[str, Any]:
        bar.update()
        return measure("usual", case=case, workers=workers, scratch=str(scratch))

    def ours() -> dict[str, Any]:
        bar.update()
        return measure("ours", case=case, data_dir=str(home or ""))

    trials = {workers: usual(workers)["seconds"] for workers in WORKERS[kind]}
    workers = min(trials, key=trials.get)
    pairs = [(usual(workers), ours()) for _ in range(REPETITIONS)]
    rates = [[one["images"] / one["seconds"] for one in pair] for pair in pairs]
    ratios = [ours / usual for usual, ours in rates]
    usual_rate, our_rate = (statistics.median(column) for column in zip(*rates, strict=True))
    # Each repetition's share is of what the machine gave at that time, for other work may slow it down.
    shares = [
        rate * mine["flops_per_image"] / mine["peak_flops"] for (_, rate), (_, mine) in zip(rates, pairs, strict=True)
    ]
    return {
        "usual": usual_rate,
        "ours": our_rate,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "workers": workers,
        "trials": {str(n): seconds for n, seconds in trials.items()},
        "share": statistics.median(shares),
        "memory": {"usual": pairs[0][0]["memory"]["process"], "ours": pairs[0][1]["memory"]["process"]},
        "measurements": pairs,
    }


def export_digits(home: Path | None, scratch: Path) -> None:
    """MNIST as files that torchvision reads."""
    loaded = digits.load(home)
    folder = scratch / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, split in (("train", loaded.train), ("t10k", loaded.test)):
        write_idx(folder / f"{name}-images-idx3-ubyte", split.images.squeeze(1))
        write_idx(folder / f"{name}-labels-idx1-ubyte", split.labels.astype(np.uint8))


def write_idx(path: Path, array: np.ndarray) -> None:
    """MNIST's own format: type and rank, the sizes, the bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(head + np.ascontiguousarray(array).tobytes())


def export_faces(home: Path | None, scratch: Path, n: int) -> None:
    """The first faces as files, with their attributes: the very pixels that ours trains on."""
    train = faces.load(home).train
    (scratch / "faces").mkdir()
    for i, image in enumerate(train.images[:n]):
        Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(scratch / "faces" / f"{i:06d}.png")
    np.save(scratch / "attributes.npy", train.attributes.to_numpy())


# Time to quality


def quality(home: Path | None, scratch: Path, kind: str) -> dict[str, Any]:
    """The usual loop's 50 epochs against ours to 127.5 nats/image, on full MNIST."""
    export_digits(home, scratch)
    if digits.load(home).source != "mnist":
        raise LabError("bench: time to quality is defined on full MNIST, which is not there; see data/README.md")
    say("time to quality: which number of workers is the faster, then the usual loop, all of its epochs")
    trials = {n: measure("usual_quality", workers=n, scratch=str(scratch), epochs=1)["seconds"] for n in WORKERS[kind]}
    usual = measure("usual_quality", say, workers=min(trials, key=trials.get), scratch=str(scratch))
    say(f"usual: {usual['seconds']:.1f} s, best test loss {min(usual['test_loss']):.2f} nats/image")
    goal, ours = TIMES_AS_FAST[kind], []
    for seed in SEEDS:
        ours.append(measure("our_quality", say, seed=seed, data_dir=str(home or "")))
        at, losses = ours[-1]["seconds"], ours[-1]["test_loss"]
        came = f"{at:.1f} s, {usual['seconds'] / at:.1f} times as fast" if at else "not within its schedule"
        say(
            f"ours, seed {seed}: {came}, {met(bool(at) and usual['seconds'] / at >= goal, str(goal))}; "
            f"last test loss {losses[-1]:.2f} after {EPOCHS} epochs"
        )
    return {"usual": usual, "ours": ours}


# Memory


def memory(home: Path | None, scratch: Path, kind: str) -> dict[str, Any]:
    """Peak memory with 200,000 faces."""
    say("memory: writing 200,000 files")
    make_faces(scratch)
    found = measure("memory", say, folder=str(scratch))
    peak = found["peak"]["process"]
    say(
        f"{found['faces']:,} faces of 64×64: {peak / 2**30:.2f} GiB at the peak, "
        + met(peak <= MEMORY, f"{MEMORY / 2**30:g} GiB")
    )
    return found


if __name__ == "__main__":
    begin()
    sys.exit(main(sys.argv[1:]))
