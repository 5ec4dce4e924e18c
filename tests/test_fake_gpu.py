"""Every training step of the notebooks on a GPU that is not there: no wait for it, no mix of devices.

Tensors on it have a shape, a type and a device but no values (torch's ``FakeTensorMode``), so that reading one on the
host raises, as does an operation on tensors of two devices. What is faked beside them is what asks for a CUDA context.
"""

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, library, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lab_utils import losses
from lab_utils import run as run_module
from lab_utils.data.augment import mirrored
from lab_utils.metrics import fidelity
from lab_utils.models.classifier import FaceClassifier
from lab_utils.models.cvae import MLPCVAE, ConvCVAE, QuarterNet
from lab_utils.models.gan import Discriminator
from lab_utils.models.linear import LinearGenerator
from lab_utils.models.toys import PointDiscriminator, PointGenerator
from lab_utils.models.vae import BatchNormalisedVAE, FaceVAE
from lab_utils.run import Run
from lab_utils.training import acgan, cvae, infogan, neighbours, points
from lab_utils.training.classifier import DIGIT_READER, DIGITS, FACE_READER, FACES, classifier_step
from lab_utils.training.conditions import nothing
from lab_utils.training.gan import DCGAN, EVEN, INFOGAN, PROJECT, REPORT, WGAN_GP, Game, gan_step, make_gan, paired
from lab_utils.training.schedule import anneal, one_cycle_adamw
from lab_utils.training.vae import of_mean, unconditional, vae_step

CUDA = torch.device("cuda", 0)


# The emulation


class Stream(torch.Generator):
    """A random stream that says it lies on the GPU."""

    device = CUDA


def differentiate(outputs, gradients, inputs=None, create_graph=False):
    """What torch's engine does, which wants a context: gradients of ``inputs``, or those of the leaves where None."""
    waiting, met, stack = Counter(), set(), [output.grad_fn for output in outputs]
    while stack:
        if (node := stack.pop()) not in met:
            met.add(node)
            after = [following for following, _ in node.next_functions if following is not None]
            waiting.update(after)
            stack += after
    arrived, found = defaultdict(dict), {}

    def arrive(node, place, gradient):
        if gradient is None:
            return
        wanted = node._input_metadata[place] if place < len(node._input_metadata) else gradient
        gradient = gradient.sum_to_size(wanted.shape).to(wanted.dtype)
        before = arrived[node].get(place)
        arrived[node][place] = gradient if before is None else before + gradient

    for output, gradient in zip(outputs, gradients, strict=True):
        arrive(output.grad_fn, output.output_nr, gradient)
    ready = [node for node in dict.fromkeys(output.grad_fn for output in outputs) if not waiting[node]]
    with torch.set_grad_enabled(create_graph):
        while ready:
            node = ready.pop()
            got = arrived.pop(node, {})
            if hasattr(node, "variable"):
                reach_leaf(node.variable, got.get(0), inputs, found)
                continue
            passed = [None] * len(node.next_functions)
            if got:
                arguments = [got.get(place) for place in range(max(1, len(node._input_metadata)))]
                passed = node.apply(*arguments) if hasattr(node, "_forward_cls") else node(*arguments)
                passed = passed if isinstance(passed, tuple) else (passed,)
            for (following, place), gradient in zip(node.next_functions, passed, strict=False):
                if following is not None:
                    arrive(following, place, gradient)
                    waiting[following] -= 1
                    if not waiting[following]:
                        ready.append(following)
    return found


def reach_leaf(leaf, gradient, inputs, found):
    if inputs is not None:
        if any(leaf is wanted for wanted in inputs):
            found[id(leaf)] = gradient
    elif gradient is not None:  # in the layout of the leaf, as torch has it
        gradient = torch.empty_like(leaf).copy_(gradient) if gradient.stride() != leaf.stride() else gradient
        leaf.grad = gradient.detach() if leaf.grad is None else leaf.grad + gradient


def backward(loss):
    differentiate([loss], [torch.ones_like(loss)])


def grad(outputs, inputs, create_graph=False):
    found = differentiate([outputs], [torch.ones_like(outputs)], [inputs], create_graph)
    return (found[id(inputs)],)


def moved_module(module, device, memory_format):
    """``Module.to``, which puts the new tensors in the place of the old ones in a way that fake tensors refuse."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, old in tensors.items():
                layout = memory_format if old.dim() == 4 else torch.preserve_format
                new = old.detach().to(device, memory_format=layout)
                tensors[name] = nn.Parameter(new) if isinstance(old, nn.Parameter) else new
    return module


def adamw(groups, **options):
    """AdamW, which looks once at whether a rate is below zero: on the host, and no step does that again."""
    groups = [dict(group) for group in groups]
    rates = [group.pop("lr") for group in groups]
    optimizer = ADAMW(groups, 1e-3, **options)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    return optimizer


def fused_adam(weights, gradients, *moments, **_):
    """What the fused kernels ask of their tensors; torch has none without values for a rate on the device."""
    for tensors in zip(weights, gradients, *moments[:2], strict=True):
        assert len({(t.dtype, t.shape, t.device) for t in tensors}) == 1
        assert len({tuple(s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1) for t in tensors}) == 1


def copied(module):
    """A deep copy, for which the tensors copy themselves in a way that fake ones refuse."""
    known = {id(p): nn.Parameter(p.detach().clone()) for p in module.parameters()}
    return DEEPCOPY(module, known | {id(b): b.clone() for b in module.buffers()})


ADAMW, DEEPCOPY = torch.optim.AdamW, copy.deepcopy


@pytest.fixture(scope="module")
def _kernels():
    operations = library.Library("aten", "IMPL")
    for name in ("_fused_adamw_.tensor_lr", "_fused_adam_.tensor_lr"):
        operations.impl(name, fused_adam, "Meta")
    yield
    operations._destroy()


@pytest.fixture
def gpu(monkeypatch, _kernels):
    """A run on the GPU, in bfloat16."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    monkeypatch.setattr(torch.optim, "AdamW", adamw)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(nn.Module, "to", moved_module)
    monkeypatch.setattr(run_module, "rng", lambda seed, purpose, device: Stream())
    monkeypatch.setattr(copy, "deepcopy", copied)
    with FakeTensorMode():
        yield Run(0, CUDA, torch.bfloat16)


class Launched(TorchDispatchMode):
    """The operations that are asked for, with their tensors."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.namespace == "prim":
            return result
        tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
        self.kernels.append((func._schema.name.removeprefix("aten::"), tensors))
        return result

    def of(self, *names):
        return [tensors for name, tensors in self.kernels if name in names]


# The steps of the notebooks, in the sizes of the full profile


@dataclass
class Trained:
    """A step, what it is given, and what follows it."""

    step: object
    batch: tuple
    after: object = lambda done: None


def images(n, channels, side):
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8, device=CUDA)


def labels(n):
    return torch.randint(0, 10, (n,), device=CUDA)


def table(n):
    return torch.randint(0, 2, (n, 40), device=CUDA).float()


def digits(n=250):
    return images(n, 1, 28), labels(n)


def vae(run, make, batch, prepare, nll, **arguments):
    model = run.build("weights", make, **arguments)
    optimizer, rate = one_cycle_adamw(model, 1e-3, 100)
    beta = torch.ones((), device=run.device)
    change_beta = anneal(beta, 5.0, 1.0, 100)

    def after(done):
        rate.step()
        change_beta(done)

    return Trained(vae_step(model, optimizer, run, run.rng("z"), nll, prepare, beta), batch, after)


def face_vae(run, make, nll, n, **arguments):
    stream = run.rng("mirror")
    return vae(run, make, (images(n, 3, 64),), lambda x: (mirrored(*unconditional(x), stream),), nll, **arguments)


def quarter(run):
    model = run.build("weights", QuarterNet)
    optimizer, rate = one_cycle_adamw(model, 1e-3, 100)
    return Trained(cvae.completion_step(model, optimizer, run, cvae.missing_nll), digits(), lambda done: rate.step())


def classifier(run, kind, batch, **arguments):
    model = run.build("weights", kind.make, **arguments)
    optimizer, rate = one_cycle_adamw(model, kind.max_lr, 100)
    step = classifier_step(model, optimizer, run, run.rng("draws"), kind.criterion, kind.augment, kind.dropout)
    return Trained(step, batch, lambda done: rate.step())


def linear(side, channels, inputs):
    """A linear generator, which a generator begins as."""
    values = channels * side**2
    return LinearGenerator(torch.zeros(values, device=CUDA), torch.zeros(inputs, values, device=CUDA))


def game(run, recipe, batch, condition=None, heads=None, on_real=None, noise=100, begins=True, **shape):
    condition = condition or nothing()
    shape = {"width": 64, "side": 64, "channels": 3, **shape}
    inputs = noise + condition.width
    inputs = linear(shape["side"], shape["channels"], inputs) if begins else inputs
    gan = make_gan(run, "gan", recipe, inputs, heads or {}, **shape)
    return Trained(gan_step(Game(gan, run, run.rng("game"), recipe, condition, on_real)), batch)


def acgan_game(run, on_fakes):
    condition = acgan.attributes([1, 2, 3], run.rng("condition"), 3.0, on_fakes)
    return game(run, PROJECT, (images(32, 3, 64), table(32)), condition, {"attributes": 3})


def infogan_faces(run):
    condition = infogan.codes([2, 13], 0, run.rng("codes"), 1.0, 0.0)
    return game(run, PROJECT, (images(32, 3, 64),), condition, {"code": 15})


def infogan_digits(run, agree):
    condition, on_real = infogan.codes([10], 2, run.rng("codes"), 1.0, 0.1), None
    if agree:
        on_real = neighbours.agreement(run, run.rng("near"), *near_digits(), 10, 2.0)
    size = {"noise": 62, "side": 28, "channels": 1, "begins": agree}
    return game(run, INFOGAN, (images(128, 1, 28),), condition, {"code": 12}, on_real, **size)


def near_digits():
    return images(60_000, 1, 28), torch.randint(0, 60_000, (60_000, 10), device=CUDA)


def groups(run):
    """The step that sorts digits into groups, as it is given to the loop that takes it."""
    given = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "fit", lambda step, *_, **others: given.append((step, others)) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            neighbours.group(run, "groups", *near_digits(), 10, width=64, steps=100, batch_size=128)
    ((step, others),) = given
    return Trained(step, (torch.zeros(128, dtype=torch.int64, device=CUDA),), others["after_step"])


def points_game(run, recipe):
    networks = run.build("G", PointGenerator, copies=8), run.build("D", PointDiscriminator, copies=8)
    batch = torch.zeros(8 * 128 * recipe.discriminator_steps, 2, device=CUDA)
    played = Game(paired(run, recipe, *networks), run, run.rng("game"), recipe, nothing(), prepare=lambda x: x)
    return Trained(gan_step(played), (batch,))


def of_probabilities(logits, c):
    return F.cross_entropy(logits.softmax(1), c)


STEPS = {
    "MLP CVAE": lambda run: vae(run, MLPCVAE, digits(), cvae.with_label, losses.bernoulli_nll),
    "MLP VAE": lambda run: vae(run, MLPCVAE, digits(), cvae.without_label, losses.bernoulli_nll, condition=0),
    "MLP CVAE, squared error": lambda run: vae(
        run, MLPCVAE, digits(), cvae.with_label, of_mean(losses.squared_error), latent=20
    ),
    "MLP CVAE, best σ": lambda run: vae(
        run, MLPCVAE, digits(), cvae.with_label, of_mean(losses.optimal_gaussian_nll), latent=20
    ),
    "conv CVAE": lambda run: vae(run, ConvCVAE, digits(80), cvae.with_label, losses.bernoulli_nll),
    "completion": lambda run: vae(
        run, MLPCVAE, digits(), cvae.with_quarter, cvae.missing_nll, latent=20, condition=196
    ),
    "completion by a network": quarter,
    "face VAE": lambda run: face_vae(run, FaceVAE, of_mean(losses.optimal_gaussian_nll), 64, latent=128, width=64),
    "batch-normalised face VAE": lambda run: face_vae(
        run, BatchNormalisedVAE, of_mean(partial(losses.gaussian_nll, variance=7.5)), 64, latent=128, width=64
    ),
    "digit judge": lambda run: classifier(run, DIGITS, digits(125)),
    "face judge": lambda run: classifier(run, FACES, (images(64, 3, 64), table(64)), attributes=40, side=64),
    "pupil": lambda run: classifier(run, DIGITS, (digits(125)[0].float() / 255, labels(125))),
    "digit reader": lambda run: classifier(run, DIGIT_READER, digits(125)),
    "face reader": lambda run: classifier(run, FACE_READER, (images(64, 3, 64), labels(64)), attributes=13, side=64),
    "reader of probabilities": lambda run: classifier(
        run,
        replace(FACE_READER, criterion=of_probabilities),
        (images(64, 3, 64), labels(64) % 2),
        attributes=2,
        side=64,
    ),
    "GAN, this course's": lambda run: game(run, PROJECT, (images(32, 3, 64),)),
    "GAN, DCGAN": lambda run: game(run, DCGAN, (images(64, 3, 64),), begins=False),
    "GAN, DCGAN, 1 : 1": lambda run: game(run, EVEN, (images(64, 3, 64),), begins=False),
    "GAN, report C's": lambda run: game(run, REPORT, (images(64, 3, 64),), begins=False),
    "GAN, WGAN-GP": lambda run: game(run, WGAN_GP, (images(320, 3, 64),), begins=False),
    "AC-GAN": lambda run: acgan_game(run, on_fakes=False),
    "AC-GAN, on fakes": lambda run: acgan_game(run, on_fakes=True),
    "InfoGAN, faces": infogan_faces,
    "InfoGAN, digits": lambda run: infogan_digits(run, agree=True),
    "InfoGAN, digits alone": lambda run: infogan_digits(run, agree=False),
    "groups of digits": groups,
    **{f"points, {recipe.name}": partial(points_game, recipe=recipe) for recipe in points.ARMS.values()},
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_neither_waits_nor_leaves_the_gpu(gpu, name):
    trained = STEPS[name](gpu)
    trained.step(*trained.batch)  # makes the optimisers' state
    trained.after(1)
    with Launched() as launched:
        scalars = trained.step(*trained.batch)
    assert all(value.device == CUDA and value.shape == () for value in scalars.values())
    assert off_the_gpu(launched) == set()
    trained.after(2)


def off_the_gpu(launched):
    """Operations on tensors of the host, which are copied in each step or stay in a graph as they are."""
    return {
        name
        for name, tensors in launched.kernels
        # What is assigned to a part of a tensor is a constant that is no copy.
        if name not in ("fill_", "lift_fresh") and not all(t.is_cuda for t in tensors)
    }


FAULTS = {
    "reads a number": lambda x: x * x.mean().item(),
    "asks whether": lambda x: x if x.sum() > 0 else -x,
    "selects as many as there are": lambda x: x[x > 0],
    "mixes devices": lambda x: x + torch.ones(3, 4),
    "copies from the host": lambda x: x + torch.ones(3, 4).to(CUDA),
    "keeps a number of the host": lambda x: x * torch.ones(()),
    "makes a constant": lambda x: x * torch.tensor([1.0, 2.0, 3.0, 4.0], device=CUDA),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_step_must_not_do_is_found(gpu, fault):
    x = torch.ones(3, 4, device=CUDA)
    try:
        with Launched() as launched:
            FAULTS[fault](x)
        found = off_the_gpu(launched)
    except (DataDependentOutputException, DynamicOutputShapeException, RuntimeError) as error:
        found = {type(error).__name__}
    assert found


def test_the_emulation_differentiates_as_torch_does(monkeypatch):
    torch.manual_seed(0)
    model, x = Discriminator({"real": 1}, width=4, side=16, norm="spectral").eval(), torch.rand(5, 3, 16, 16)

    def loss():
        images = (2 * x).requires_grad_()
        return model(images)["real"].square().mean() + losses.gradient_penalty(
            lambda seen: model(seen)["real"], x, 1 - x, torch.full((5, 1, 1, 1), 0.3)
        )

    loss().backward()
    expected = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    monkeypatch.setattr(torch.autograd, "grad", grad)
    backward(loss())
    torch.testing.assert_close({name: p.grad for name, p in model.named_parameters()}, expected)


@pytest.mark.parametrize("name", ["MLP CVAE", "face VAE", "face judge", "AC-GAN", "GAN, WGAN-GP", "InfoGAN, digits"])
def test_products_are_in_half_precision_and_power_iterations_are_not(gpu, name):
    trained = STEPS[name](gpu)
    with Launched() as launched:
        trained.step(*trained.batch)
    products, iterations = launched.of("addmm", "convolution"), launched.of("mv", "vdot")
    assert products
    assert all(t.dtype == torch.bfloat16 for tensors in products for t in tensors)
    assert bool(iterations) == (name == "AC-GAN")  # under spectral norm
    assert all(t.dtype == torch.float32 for tensors in iterations for t in tensors)


def test_the_average_moves_on_in_one_operation(gpu):
    trained = STEPS["AC-GAN"](gpu)
    for _ in range(3):
        with Launched() as launched:
            trained.step(*trained.batch)
        assert len(launched.of("_foreach_lerp_")) == 1


def test_eigenvalues_are_found_on_the_host_and_the_judge_stays(gpu, monkeypatch):
    judge = gpu.build("judge", FaceClassifier, attributes=40, side=64).eval()
    where = []

    def to(metric, device):
        for name, state in metric.metric_state.items():
            setattr(metric, name, state.to(device))
        return metric

    def compute(metric):
        where.extend(state.device.type for state in metric.metric_state.values())
        return SimpleNamespace(item=lambda: 1.5)

    monkeypatch.setattr("torchmetrics.metric.deepcopy", torch.clone)
    monkeypatch.setattr(fidelity.FrechetInceptionDistance, "to", to)
    monkeypatch.setattr(fidelity.FrechetInceptionDistance, "compute", compute)
    assert fidelity.fcd(judge, images(20, 3, 64), images(20, 3, 64)) == 1.5
    assert set(where) == {"cpu"}
    assert all(p.is_cuda for p in judge.parameters())
