"""``make bench``: both loops in turn, each time in a process of its own; prints tables, writes JSON and a picture."""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.memory import make_faces
from benchmarks.picture import draw
from lab_utils.config import ROOT, LabError, data_dir, gpu_present
from lab_utils.data import digits, faces
from lab_utils.report.files import to_json, write_whole

OUTPUT = ROOT / "reports" / "bench"
MODELS = ("cvae_mlp", "cvae_conv", "vae", "dcgan", "acgan", "infogan")
REPETITIONS = 3
SEEDS = (0, 1, 2)
WORKERS = {"cpu": (0, 2), "cuda": (0, 2, 4, 8)}
EXPORTED = {"cpu": 640, "cuda": 10_240}  # faces as files, for the usual loop
# Goals of ours over usual, by class of device; of 50 usual epochs over ours to the same quality; bytes.
GOALS = {
    "cpu": {"cvae_mlp": 2.5, "cvae_conv": 2.5, "dcgan": 1.6, "quality": 10, "memory": 4 * 2**30},
    "cuda": {"cvae_mlp": 40, "cvae_conv": 40, "dcgan": 3, "quality": 100, "memory": 4 * 2**30},
}


def main(arguments: list[str]) -> int:
    parts = {"speed": speed, "quality": quality, "memory": memory}
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="measure these alone")
    parser.add_argument("--data-dir", default="")
    given = parser.parse_args(arguments)
    kind = "cuda" if gpu_present() else "cpu"
    path = OUTPUT / f"{kind}.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    try:
        home = data_dir(given.data_dir)
        found["machine"] = machine = measure("ceiling")
        say(
            f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}: "
            f"{machine['flops'] / 1e9:,.0f} GFLOP/s in {machine['precision']}, {machine['bandwidth'] / 1e9:,.0f} GB/s"
        )
        for part in given.parts or parts:
            with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
                found[part] = parts[part](home, Path(scratch), kind, machine)
            write_whole(path, to_json(found))  # what is measured stays if the rest is interrupted
        draw(found, GOALS[kind], path.with_suffix(".png"))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    say(f"written: {path} and {path.with_suffix('.png').name}")
    return 0


def say(line: str) -> None:
    print(line, flush=True)


def measure(task: str, **arguments: Any) -> dict[str, Any]:
    """What :mod:`benchmarks.measure` prints of a task, in a process of its own. LabError if it fails."""
    command = [sys.executable, "-m", "benchmarks.measure", task, json.dumps(arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it left no message"])[-1]
        raise LabError(f"bench: {task} of {arguments.get('case', 'all')} failed: {last}")
    return json.loads(ended.stdout.splitlines()[-1])


# Speed


def speed(home: Path | None, scratch: Path, kind: str, machine: dict[str, Any]) -> dict[str, Any]:
    """Images/s of both loops, in turn, for each model."""
    export_digits(home, scratch)
    export_faces(home, scratch, EXPORTED[kind])
    found = {}
    say("model      usual (workers)   ours   ratio (each repetition)   share of ceiling   memory usual, ours")
    for case in MODELS:
        found[case] = row = compared(case, home, scratch, kind, machine)
        ratios = " ".join(f"{ratio:.2f}" for ratio in row["ratios"])
        say(
            f"{case:10} {row['usual']:8,.0f} ({row['workers']})  {row['ours']:9,.0f}  {row['ratio']:6.2f} ({ratios})  "
            f"{row['share']:.0%}  {row['memory']['usual'] / 2**30:.2f}, {row['memory']['ours'] / 2**30:.2f} GiB"
        )
    return found


def compared(case: str, home: Path | None, scratch: Path, kind: str, machine: dict[str, Any]) -> dict[str, Any]:
    """One model: the usual loop with its best number of workers and ours, alternating."""
    paths = {"data_dir": str(home or ""), "scratch": str(scratch)}

    def usual(workers: int) -> dict[str, Any]:
        return measure("usual", case=case, workers=workers, scratch=paths["scratch"])

    trials = {workers: usual(workers)["seconds"] for workers in WORKERS[kind]}
    workers = min(trials, key=trials.get)
    pairs = [(usual(workers), measure("ours", case=case, data_dir=paths["data_dir"])) for _ in range(REPETITIONS)]
    rates = [[one["images"] / one["seconds"] for one in pair] for pair in pairs]
    ratios = [ours / usual for usual, ours in rates]
    usual_rate, our_rate = (statistics.median(column) for column in zip(*rates, strict=True))
    flops = pairs[0][1]["flops_per_image"]
    return {
        "usual": usual_rate,
        "ours": our_rate,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "workers": workers,
        "trials": {str(n): seconds for n, seconds in trials.items()},
        "flops_per_image": flops,
        "share": flops * our_rate / machine["flops"],
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


def quality(home: Path | None, scratch: Path, kind: str, machine: dict[str, Any]) -> dict[str, Any]:
    """The usual loop's 50 epochs against ours to 127.5 nats/image, on full MNIST."""
    export_digits(home, scratch)
    if digits.load(home).source != "mnist":
        raise LabError("bench: time to quality is defined on full MNIST, which is not there; see data/README.md")
    say("time to quality: the usual loop, all of its epochs")
    trials = {n: measure("usual_quality", workers=n, scratch=str(scratch), epochs=1)["seconds"] for n in WORKERS[kind]}
    usual = measure("usual_quality", workers=min(trials, key=trials.get), scratch=str(scratch))
    say(f"usual: {usual['seconds']:.1f} s, best test loss {min(usual['test_loss']):.2f} nats/image")
    ours = []
    for seed in SEEDS:
        ours.append(measure("our_quality", seed=seed, data_dir=str(home or "")))
        at, losses = ours[-1]["seconds"], ours[-1]["test_loss"]
        came = f"{at:.1f} s, {usual['seconds'] / at:.1f} times as fast" if at else "not within its schedule"
        say(f"ours, seed {seed}: {came}; last test loss {losses[-1]:.2f} after {len(losses)} epochs")
    return {"usual": usual, "ours": ours}


# Memory


def memory(home: Path | None, scratch: Path, kind: str, machine: dict[str, Any]) -> dict[str, Any]:
    """Peak memory with 200,000 faces."""
    say("memory: writing 200,000 files")
    make_faces(scratch)
    found = measure("memory", folder=str(scratch))
    shutil.rmtree(scratch / "faces")
    say(f"{found['faces']:,} faces of 64×64: {found['peak']['process'] / 2**30:.2f} GiB at the peak")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
