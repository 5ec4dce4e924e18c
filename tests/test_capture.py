"""Steps that run compiled or captured do what they do one by one."""

import contextlib
import shutil
from dataclasses import replace

import pytest
import torch

from lab_utils import losses
from lab_utils import run as run_module
from lab_utils.models.cvae import MLPCVAE
from lab_utils.run import rng, start, streams
from lab_utils.training import capture
from lab_utils.training.conditions import nothing
from lab_utils.training.cvae import with_label
from lab_utils.training.gan import DCGAN, PROJECT, REPORT, WGAN_GP, Game, gan_step, make_gan
from lab_utils.training.schedule import one_cycle_adamw
from lab_utils.training.vae import vae_step
from tests.conftest import epoch

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
compiled = pytest.mark.filterwarnings("ignore::UserWarning:torch")  # the compiler's remarks on its own tracing
GAME = {"noise": 8, "width": 8, "side": 32}
RECIPES = [REPORT, DCGAN, WGAN_GP, PROJECT]


def cvae(run):
    """A CVAE's step and what follows it."""
    model = run.build("weights", MLPCVAE)
    optimizer, schedule = one_cycle_adamw(model, 1e-3, 100)
    step = vae_step(model, optimizer, run, run.rng("z"), losses.bernoulli_nll, with_label)
    return step, schedule.step


def game(run, recipe):
    gan = make_gan(run, "gan", recipe, GAME["noise"], {}, GAME["width"], GAME["side"])
    step = gan_step(Game(gan, run, run.rng("game"), recipe, nothing()))
    return step, lambda: None


def trained(step, after_step, tensors, run, batch_size, n):
    """The scalars of ``n`` steps, n×K."""
    rows, stream = [], run.rng("order")
    while len(rows) < n:
        for batch in epoch(tensors, batch_size, stream):
            if len(rows) < n:
                rows.append(torch.stack([value.float() for value in step(*batch).values()]))
                after_step()
    return torch.stack(rows).cpu()


def same_training(make, transform, tensors, run, batch_size, n):
    """Train twice, once with a transformed step, and compare every scalar of every step."""
    step, after_step = make(run)
    plain = trained(step, after_step, tensors, run, batch_size, n)
    step, after_step = make(run)
    again = trained(transform(step), after_step, tensors, run, batch_size, n)
    assert len(plain) == n
    assert not torch.equal(plain[0], plain[-1])  # it learned something
    torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@needs_compiler
@compiled
def test_compiled_cvae_steps_are_eager_ones(run, blobs):
    same_training(cvae, torch.compile, blobs, run, 50, 100)


@pytest.mark.slow
@needs_compiler
@compiled
def test_compiled_gan_steps_are_eager_ones(run, portraits):
    same_training(lambda run: game(run, DCGAN), torch.compile, portraits[:1], run, 20, 5)  # a game magnifies rounding


@pytest.fixture
def gpu():
    return replace(start(0), precision=torch.float32)


@needs_gpu
def test_captured_cvae_steps_are_eager_ones(gpu, blobs):
    tensors = tuple(t.cuda() for t in blobs)
    same_training(cvae, lambda step: capture.captured(step, "CVAE"), tensors, gpu, 50, 100)


@needs_gpu
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_captured_gan_steps_are_eager_ones(gpu, portraits, recipe):
    tensors = (portraits[0].cuda(),)
    same_training(lambda run: game(run, recipe), lambda step: capture.captured(step, "GAN"), tensors, gpu, 20, 10)


@needs_gpu
@pytest.mark.parametrize("recipe", [None, *RECIPES], ids=lambda recipe: recipe.name if recipe else "CVAE")
def test_no_step_waits_for_the_gpu(gpu, blobs, portraits, recipe):
    step, after_step = game(gpu, recipe) if recipe else cvae(gpu)
    take = capture.captured(step, "step")
    tensors, size = (portraits[:1], 20) if recipe else (blobs, 50)
    tensors = tuple(t.cuda() for t in tensors)
    trained(take, after_step, tensors, gpu, size, 10)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in epoch(tensors, size, gpu.rng("more")):
            take(*batch)
            after_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_what_cannot_be_captured_goes_on_as_it_is(run, blobs, monkeypatch, capsys):
    monkeypatch.setattr(capture, "on_side_stream", lambda step, batch: step(*batch))
    monkeypatch.setattr(capture, "graph_of", refuse)
    same_training(cvae, lambda step: capture.captured(step, "CVAE"), blobs, run, 50, 10)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "CVAE: runs step by step, for its step cannot be captured as a CUDA graph (operation not permitted)"
    ]


def refuse(step, batch, drawn):
    raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_a_graph_is_asked_for_once_and_gets_every_further_batch(run, blobs, monkeypatch):
    """The order of things, with an eager step in the place of the graph."""
    seen = {"on the side": 0, "captures": 0, "replays": 0}

    def on_side_stream(step, batch):
        seen["on the side"] += 1
        return step(*batch)

    def graph_of(step, batch, drawn):
        seen["captures"] += 1

        def replay(*batch):
            seen["replays"] += 1
            return step(*batch)

        return replay

    monkeypatch.setattr(capture, "on_side_stream", on_side_stream)
    monkeypatch.setattr(capture, "graph_of", graph_of)
    same_training(cvae, lambda step: capture.captured(step, "CVAE"), blobs, run, 50, 10)
    assert seen == {"on the side": capture.WARM_UP, "captures": 1, "replays": 10 - capture.WARM_UP}


class Gpu:
    """What torch.cuda is asked for, in its order; a capture may be refused."""

    def __init__(self, monkeypatch, refuses=False):
        self.asked = []
        for name in ("stream", "graph"):
            monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: self.within(name))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: "current")
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        self.refuses = refuses

    @contextlib.contextmanager
    def within(self, name):
        self.asked.append(f"into {name}")
        try:
            yield
            if name == "graph" and self.refuses:
                raise RuntimeError("the capture could not be ended")
        except (ValueError, KeyboardInterrupt) as error:
            raise RuntimeError("the capture could not be ended") from error
        finally:
            self.asked.append(f"out of {name}")

    def register_generator_state(self, stream):
        self.asked.append(stream)

    def replay(self):
        self.asked.append("replay")


@pytest.mark.parametrize(("version", "registers"), [("2.11.0+cu130", True), ("2.13.1", True), ("2.14.0", False)])
def test_the_streams_of_a_step_are_registered_where_torch_does_not_find_them(monkeypatch, version, registers):
    gpu, drawn, other = Gpu(monkeypatch), torch.Generator(), torch.Generator()
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion(version))
    take = capture.graph_of(lambda x: {"loss": x.sum()}, (torch.ones(3),), [drawn])
    assert gpu.asked == [*([drawn] if registers else []), "into stream", "into graph", "out of graph", "out of stream"]
    assert take(torch.ones(3))["loss"] == 3
    assert other not in gpu.asked


def test_the_streams_of_a_step_are_those_that_it_draws_from(monkeypatch):
    used, idle = torch.Generator(), torch.Generator()
    monkeypatch.setattr(run_module, "streams", lambda: [used, idle])
    monkeypatch.setattr(capture, "on_side_stream", lambda step, batch: step(*batch))
    asked = []
    monkeypatch.setattr(capture, "graph_of", lambda step, batch, drawn: asked.append(drawn) or step)
    take = capture.captured(lambda x: {"loss": x + torch.rand(1, generator=used)}, "toy")
    for _ in range(5):
        take(torch.zeros(1))
    assert asked == [[used]]


def test_an_error_without_words_is_named(monkeypatch, capsys):
    monkeypatch.setattr(run_module, "streams", list)

    def graph_of(step, batch, drawn):
        raise RuntimeError("the capture could not be ended") from AssertionError()

    monkeypatch.setattr(capture, "graph_of", graph_of)
    capture.graph_or_eager(lambda x: {"loss": x.sum()}, (torch.ones(1),), "toy", [])
    assert capsys.readouterr().out.endswith("cannot be captured as a CUDA graph (AssertionError)\n")


@pytest.mark.parametrize("refuses", [True, False])
def test_a_capture_that_fails_leaves_the_stream_and_says_what_went_wrong_first(monkeypatch, capsys, refuses):
    gpu = Gpu(monkeypatch, refuses)
    monkeypatch.setattr(run_module, "streams", list)

    def step(x):
        if not refuses:
            raise ValueError("this operation waits for the device")
        return {"loss": x.sum()}

    assert capture.graph_or_eager(step, (torch.ones(1),), "toy", []) is step
    assert gpu.asked[-2:] == ["out of graph", "out of stream"]
    reason = "the capture could not be ended" if refuses else "this operation waits for the device"
    assert capsys.readouterr().out.endswith(f"cannot be captured as a CUDA graph ({reason})\n")


def test_an_interrupt_of_a_capture_stays_one(monkeypatch, capsys):
    gpu = Gpu(monkeypatch)
    monkeypatch.setattr(run_module, "streams", list)

    def step(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture.graph_or_eager(step, (torch.ones(1),), "toy", [])
    assert gpu.asked[-1] == "out of stream"
    assert not capsys.readouterr().out


def test_streams_on_a_gpu_are_known_while_they_are_in_use(run):
    on_cpu = run.rng("z")
    assert on_cpu not in streams()
    if torch.cuda.is_available():
        on_gpu = rng(0, "z", "cuda")
        assert on_gpu in streams()
