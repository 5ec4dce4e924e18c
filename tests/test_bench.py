"""The benchmark: both loops train the same thing, and what is printed is what was measured."""

import functools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from benchmarks import __main__ as bench
from benchmarks import cases, measure, memory, quality, usual_loop
from lab_utils import losses
from lab_utils.config import LabError
from lab_utils.data import batches, digits, faces
from lab_utils.training.cvae import with_label
from lab_utils.training.gan import DCGAN, make_gan
from lab_utils.training.vae import vae_step
from tests.conftest import one_line

pytestmark = pytest.mark.usefixtures("run")  # on one thread
CPU = torch.device("cpu")


OFFLINE, PREPARED = functools.cache(digits._fallback), faces.load


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Files for the usual loop, made from the 5,000 digits and from noise, which ours loads, too."""
    monkeypatch.setattr(digits, "load", lambda home: OFFLINE())
    monkeypatch.setattr(faces, "load", lambda home: PREPARED(home, cache=tmp_path / "cache"))
    memory.make_faces(tmp_path / "home", 40)
    bench.export_digits(None, tmp_path)
    bench.export_faces(tmp_path / "home", tmp_path, 32)
    return tmp_path


def test_both_loops_see_the_same_pixels(scratch):
    dataset, loaded = MNIST(scratch, train=True), OFFLINE()
    assert np.array_equal(dataset.data.numpy(), loaded.train.images[:, 0])
    assert np.array_equal(dataset.targets.numpy(), loaded.train.labels)
    files = measure.usual_dataset(cases.CASES["dcgan"], scratch)
    images, table = batches.faces_to_device(faces.load(scratch / "home").train, CPU, 32)
    for i in (0, 7, 31):
        x, attributes = files[i]
        torch.testing.assert_close(x, batches.to_signed(images[i]))
        assert torch.equal(attributes, table[i])


def test_both_loops_descend_on_the_same_loss(run):
    """Equal weights, images and noise: the loss of a usual step is that of ours."""
    case = cases.CASES["cvae_mlp"]
    model = run.build("weights", case.network)
    images = torch.randint(0, 256, (50, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(50) % 10
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    stream = torch.Generator().manual_seed(3)
    step = vae_step(model, optimizer, run, stream, losses.bernoulli_nll, with_label)
    torch.manual_seed(3)
    usual = usual_loop.negative_elbo(model, batches.to_unit(images), labels) / 50
    torch.testing.assert_close(usual, step(images, labels)["loss"])


@pytest.mark.parametrize("name", cases.CASES)
def test_both_loops_train_every_case(name, scratch, run, monkeypatch):
    case = cases.CASES[name]
    small = {"width": 8} if not case.network else {}
    if case.data == "faces" and case.network:
        small = {"arguments": case.arguments | {"width": 4}}
    case = replace(case, sizes={"cpu": (32, 1)}, batch_size=16, **small)
    monkeypatch.setitem(cases.CASES, name, case)
    monkeypatch.setattr(measure, "start", lambda seed: run)
    monkeypatch.setattr(measure, "best", functools.partial(measure.best, times=1))
    usual = measure.usual(name, 0, str(scratch))
    ours = measure.ours(name, str(scratch / "home"))
    assert usual["images"] == ours["images"] == 32
    assert min(usual["seconds"], ours["seconds"], ours["flops_per_image"], ours["memory"]["process"]) > 0


def test_networks_are_the_same(run):
    for case in cases.CASES.values():
        if case.network:
            continue
        of_generator, of_discriminator = cases.gan_arguments(case, 3)
        usual = cases.usual_networks(case, 3)
        gan = make_gan(run, "g", DCGAN, heads=of_discriminator["heads"], **of_generator)
        for one, two in zip(usual, gan.networks, strict=False):
            assert [p.shape for p in one.parameters()] == [p.shape for p in two.parameters()]


def test_flops_of_the_mlp_are_those_of_its_layers(run):
    """Two products for each weight and image, and two more for each gradient; the images need none."""
    sizes = [(794, 512), (512, 256), (256, 4), (12, 256), (256, 512), (512, 784)]
    by_hand = 2 * sum(3 * i * o for i, o in sizes) - 2 * 794 * 512
    images = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)
    train = cases.lab_training(cases.CASES["cvae_mlp"], run, (images, torch.zeros(100, dtype=torch.int64)), 1)
    with measure.FlopCounterMode(display=False) as counter:
        train()
    assert counter.get_total_flops() / 100 == pytest.approx(by_hand, rel=0.02)


def test_ours_takes_as_many_steps_as_the_epochs_of_the_usual_loop_in_stretches_of_one(run):
    images = torch.zeros(250, 1, 28, 28, dtype=torch.uint8)  # two batches and a half
    train = cases.lab_training(cases.CASES["cvae_mlp"], run, (images, torch.zeros(250, dtype=torch.int64)), 3)
    stretches = train().stretches
    assert stretches["step"].tolist() == [2, 4, 6]
    assert stretches["epoch"].tolist() == [1, 2, 3]


def test_time_to_quality_is_that_of_the_first_epoch_that_is_good_enough(monkeypatch, scratch):
    monkeypatch.setattr(quality, "EPOCHS", 3)
    monkeypatch.setattr(quality, "GOAL", 1e9)
    found = quality.ours(0, "")
    assert found["seconds"] > 0
    assert len(found["test_loss"]) == 1  # of three epochs the last third
    monkeypatch.setattr(quality, "GOAL", 0.0)
    found = quality.ours(0, "")
    assert found["seconds"] is None
    assert len(found["test_loss"]) == 1
    usual = quality.usual(0, str(scratch), epochs=1)
    assert len(usual["test_loss"]) == 1
    assert usual["test_loss"][0] == pytest.approx(found["test_loss"][0], rel=0.5)


@pytest.mark.parametrize("loop", ["usual", "ours"])
def test_the_device_is_awake_before_either_clock_starts(monkeypatch, scratch, loop):
    asked, perf_counter, wake = [], quality.time.perf_counter, quality.wake
    monkeypatch.setattr(quality, "wake", lambda device: asked.append("wake") or wake(device))
    clock = SimpleNamespace(perf_counter=lambda: asked.append("clock") or perf_counter())
    monkeypatch.setattr(quality, "time", clock)
    monkeypatch.setattr(quality, "EPOCHS", 1)
    if loop == "usual":
        quality.usual(0, str(scratch), epochs=1)
    else:
        quality.ours(0, "")
    assert asked[0] == "wake"
    assert set(asked[1:]) == {"clock"}


def test_memory_is_measured_on_as_many_faces_as_there_are(tmp_path):
    memory.make_faces(tmp_path, 600)  # more than there are different files
    assert memory.train(str(tmp_path))["faces"] == 600


def test_what_is_written_is_what_was_measured(tmp_path, monkeypatch, capsys):
    machine = {"device": "a processor", "threads": 2, "torch": "2", "flops": 1e9, "bandwidth": 1e9,
               "precision": "float32"}  # fmt: skip
    asked = []

    def measured(task, **arguments):
        asked.append((task, arguments.get("workers")))
        if task == "machine":
            return machine
        slow = {"usual": 8.0 - arguments.get("workers", 0), "ours": 2.0}[task]
        return {"seconds": slow, "images": 100, "memory": {"process": 2**30}, "flops_per_image": 1e6,
                "peak_flops": 1e9}  # fmt: skip

    monkeypatch.setattr(bench, "measure", measured)
    monkeypatch.setattr(bench, "OUTPUT", tmp_path)
    monkeypatch.setattr(bench, "gpu_present", lambda: False)
    for export in ("export_digits", "export_faces"):
        monkeypatch.setattr(bench, export, lambda *_: None)
    assert bench.main(["PARTS=speed"]) == 0
    found = json.loads((tmp_path / "cpu.json").read_text())
    assert found["speed"]["machine"] == machine
    row = found["speed"]["models"]["dcgan"]
    assert (row["usual"], row["ours"], row["ratio"], row["workers"]) == (100 / 6, 50, 3, 2)
    assert row["share"] == pytest.approx(0.05)
    assert [task for task, _ in asked[1:9]] == ["usual", "usual", *["usual", "ours"] * 3]  # in turn
    assert (tmp_path / "cpu.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("dcgan") and "3.00" in line and line.endswith("goal 2: met")]
    assert [line for line in said if line.startswith("vae") and "3.00" in line and "goal" not in line]


def test_time_to_quality_is_told_with_its_goal(tmp_path, monkeypatch, capsys):
    def measured(task, tell=None, **arguments):
        if task == "usual_quality":
            return {"seconds": 500.0 / arguments.get("epochs", 1), "test_loss": [130.0, 128.0]}
        return {"seconds": [30.0, 60.0, None][arguments["seed"]], "test_loss": [127.6]}

    monkeypatch.setattr(bench, "measure", measured)
    monkeypatch.setattr(bench, "export_digits", lambda *_: None)
    monkeypatch.setattr(bench.digits, "load", lambda home: replace(OFFLINE(), source="mnist"))
    found = bench.quality(None, tmp_path, "cpu")
    assert [one["seconds"] for one in found["ours"]] == [30, 60, None]
    told = capsys.readouterr().out.splitlines()[-4:]
    assert "500.0 s, best test loss 128.00" in told[0]
    assert [line.split(", ", 1)[1].split(";")[0] for line in told[1:]] == [
        "seed 0: 30.0 s, 16.7 times as fast, goal 15: met",
        "seed 1: 60.0 s, 8.3 times as fast, goal 15: missed",
        "seed 2: not within its schedule, goal 15: missed",
    ]


def test_a_part_that_there_is_not_is_named(capsys):
    assert bench.main(["PARTS=speed sped"]) == 2
    one_line(capsys.readouterr(), "PARTS=sped: there are speed, quality, memory")


def test_lines_of_a_measurement_are_told_and_the_last_is_what_it_found(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho one\necho two\necho '{\"seconds\": 1}'\n")
    script.chmod(0o755)
    monkeypatch.setattr(bench.sys, "executable", str(script))
    told = []
    assert bench.measure("any", told.append) == {"seconds": 1}
    assert told == ["one", "two"]


def test_what_a_failing_measurement_says_last_is_told_in_one_line(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho Traceback >&2\necho \"KeyError: 'nothing'\" >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(bench.sys, "executable", str(script))
    with pytest.raises(bench.LabError, match=r"^bench: usual of nothing failed: KeyError: 'nothing'$"):
        bench.measure("usual", case="nothing", workers=0, scratch="")


@pytest.mark.slow
def test_a_measurement_that_fails_is_one_line():
    with pytest.raises(bench.LabError, match="bench: usual of nothing failed: KeyError"):
        bench.measure("usual", case="nothing", workers=0, scratch="")


def test_large_pages_are_for_ours_alone(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    seen = []

    def started(command, env, **_):
        seen.append("GLIBC_TUNABLES" in env)
        raise LabError("seen")

    monkeypatch.setattr(bench.subprocess, "Popen", started)
    for task in ("usual", "ours", "usual_quality", "our_quality", "memory"):
        with pytest.raises(LabError, match="seen"):
            bench.measure(task)
    assert seen == [False, True, False, True, True]
