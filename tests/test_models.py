"""What every model promises, written once and run over all of them."""

import copy
import functools
import re

import pytest
import torch
import torch.nn.functional as F

from lab_utils import losses
from lab_utils.config import LabError
from lab_utils.data.batches import to_unit
from lab_utils.metrics import likelihood, pca
from lab_utils.models import classifier, cvae, gan, layers
from lab_utils.models import vae as vae_module
from lab_utils.models.classifier import DigitClassifier, FaceClassifier
from lab_utils.models.cvae import MLPCVAE, ConvCVAE, PlanesConv2d, QuarterNet, UpsampledConv2d, label_planes, one_hot
from lab_utils.models.gan import Discriminator, Generator
from lab_utils.models.layers import smallest
from lab_utils.models.vae import BatchNormalisedVAE, FaceVAE, VAEFromPPCA, reparameterise
from lab_utils.page import layer_table
from lab_utils.run import Run
from lab_utils.training.vae import train_vae, unconditional

VAES = {  # class, shape of an image, arguments
    "mlp": (MLPCVAE, (1, 28, 28), {"latent": 2, "condition": 10}),
    "mlp z20": (MLPCVAE, (1, 28, 28), {"latent": 20, "condition": 10}),
    "vae": (MLPCVAE, (1, 28, 28), {"latent": 2, "condition": 0}),
    "completion": (MLPCVAE, (1, 28, 28), {"latent": 20, "condition": 196}),
    "conv": (ConvCVAE, (1, 28, 28), {"latent": 20, "condition": 10}),
    "face": (FaceVAE, (3, 64, 64), {"latent": 12, "width": 8}),
    "face 32": (FaceVAE, (3, 32, 32), {"latent": 5, "width": 4, "side": 32}),
    "batch-normalised": (BatchNormalisedVAE, (3, 32, 32), {"latent": 12, "width": 8, "side": 32}),
}
CONDITIONAL = [name for name, (_, _, arguments) in VAES.items() if arguments.get("condition")]
CLASSIFIERS = {  # class, arguments, shape of an input and of an output
    "judge": (DigitClassifier, {}, (1, 28, 28), (10,)),
    "quarter": (QuarterNet, {}, (196,), (1, 28, 28)),
    "face judge": (FaceClassifier, {"attributes": 7}, (3, 64, 64), (7,)),
    "face judge 32": (FaceClassifier, {"attributes": 2, "side": 32}, (3, 32, 32), (2,)),
}


@pytest.fixture(params=VAES)
def name(request):
    return request.param


@pytest.fixture
def vae(run, name):
    """The model as it is evaluated, so that what batch norm has seen does not change."""
    make, _, arguments = VAES[name]
    return run.build("weights", make, **arguments).eval()


@pytest.fixture
def batch(name):
    """Six images, their conditions if the model takes any, and the noise for z."""
    _, shape, arguments = VAES[name]
    stream = torch.Generator().manual_seed(0)
    conditions = [torch.rand(6, arguments["condition"], generator=stream)] if "condition" in arguments else []
    x = torch.rand(6, *shape, generator=stream)
    return x, *conditions, torch.randn(6, arguments["latent"], generator=stream)


@pytest.mark.parametrize("n", [2, 6])
def test_shapes(vae, batch, n):
    x = batch[0][:n]
    logits, mu, log_var = vae(*(t[:n] for t in batch))
    assert logits.shape == x.shape
    assert mu.shape == log_var.shape == (n, vae.latent)
    assert logits.dtype == mu.dtype == log_var.dtype == torch.float32


@pytest.mark.parametrize("name", [name for name in VAES if name != "batch-normalised"], indirect=True)
def test_a_single_image_is_a_batch(vae, batch):
    assert all(output.isfinite().all() for output in vae(*(t[:1] for t in batch)))


def test_output_is_logits_not_probabilities(vae, batch):
    _, *c, noise = batch
    with torch.no_grad():
        for parameter in [*vae.decoder.parameters()][-2:]:  # what the last layer gives may be as large as it likes
            parameter *= 100
    logits = vae.decode(100 * noise, *c)
    assert logits.min() < 0
    assert logits.max() > 1


def test_forward_is_encode_reparameterise_decode(vae, batch):
    x, *c, noise = batch
    mu, log_var = vae.encode(x, *c)
    torch.testing.assert_close(vae(*batch)[0], vae.decode(reparameterise(mu, log_var, noise), *c))


def test_every_parameter_has_a_gradient(vae, batch):
    logits, mu, log_var = vae(*batch)
    (losses.bernoulli_nll(logits, batch[0]) + losses.kl_to_standard_normal(mu, log_var)).mean().backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_images_of_a_batch_do_not_mix_but_where_it_is_meant(vae, batch, name):
    whole = vae(*batch)[0]
    pairs = torch.cat([vae(*(t[i : i + 2] for t in batch))[0] for i in range(0, 6, 2)])
    if name == "batch-normalised":
        assert not torch.allclose(whole, pairs, rtol=1e-2, atol=1e-2)
    else:
        torch.testing.assert_close(whole, pairs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONDITIONAL, indirect=True)
def test_the_condition_reaches_encoder_and_decoder(vae, batch):
    x, c, noise = batch
    assert not torch.allclose(vae.encode(x, c)[0], vae.encode(x, 1 - c)[0])
    assert not torch.allclose(vae.decode(noise, c), vae.decode(noise, 1 - c))


def test_encoder_and_decoder_share_nothing(vae):
    assert not {id(p) for p in vae.encoder.parameters()} & {id(p) for p in vae.decoder.parameters()}


def test_weights_depend_on_seed_and_purpose_alone(run):
    first = run.build("weights", MLPCVAE).encoder[0].weight
    torch.manual_seed(99)
    torch.testing.assert_close(run.build("weights", MLPCVAE).encoder[0].weight, first, rtol=0, atol=0)
    assert not torch.equal(run.build("other weights", MLPCVAE).encoder[0].weight, first)
    assert not torch.equal(Run(1, run.device, run.precision).build("weights", MLPCVAE).encoder[0].weight, first)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers(run, kind):
    make, arguments, shape, output = CLASSIFIERS[kind]
    model = run.build("weights", make, **arguments).eval()
    x = torch.rand(4, *shape, generator=run.rng("x"))
    logits = model(x)
    assert logits.shape == (4, *output)
    assert (logits < 0).any()
    if "judge" in kind:
        torch.testing.assert_close(model.head(model.features(x)), logits)
        assert model.features(x).shape == (4, 128)


def test_architectures_are_those_of_the_reports(run):
    sizes = {name: list(linear_sizes(run.build("w", make, **a))) for name, (make, _, a) in VAES.items()}
    assert sizes["mlp"] == [(794, 512), (512, 256), (256, 4), (12, 256), (256, 512), (512, 784)]
    assert sizes["vae"] == [(784, 512), (512, 256), (256, 4), (2, 256), (256, 512), (512, 784)]
    assert sizes["conv"] == [(784, 400), (400, 40), (30, 392)]
    assert convolutions(run.build("w", ConvCVAE)) == [
        (i, o, (3, 3), (1, 1)) for i, o in [(11, 3), (3, 1), (2, 11), (11, 3), (3, 1)]
    ]


@pytest.mark.parametrize(("side", "levels"), [(32, 3), (64, 4)])
def test_the_face_vae_is_the_courseworks_at_width_64_and_starts_from_4_by_4(run, side, levels):
    model = run.build("w", FaceVAE, width=64, side=side)
    down = [(3, 64), (64, 128), (128, 256), (256, 512)][:levels]
    up = [(512, 256), (256, 128), (128, 32), (32, 3)][-levels:]
    assert convolutions(model.encoder) == [(i, o, (4, 4), (2, 2)) for i, o in down]
    assert convolutions(model.decoder) == [(i, o, (4, 4), (2, 2)) for i, o in [(down[-1][1], up[0][1]), *up[1:]]]
    inner = down[-1][1] * 4 * 4
    assert list(linear_sizes(model)) == [(inner, 2 * 128), (128, inner)]


def convolutions(model):
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    return [(m.in_channels, m.out_channels, m.kernel_size, m.stride) for m in model.modules() if isinstance(m, kinds)]


def linear_sizes(model):
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, torch.nn.Linear)]


def test_label_planes_are_constant():
    planes = label_planes(one_hot(torch.tensor([3])))
    assert planes.shape == (1, 10, 28, 28)
    assert planes[0, 3].eq(1).all()
    assert planes[0, [0, 1, 2, 4, 5, 6, 7, 8, 9]].eq(0).all()


@pytest.mark.parametrize("told", ["one label", "any numbers"])
def test_planes_need_not_be_made_to_be_convolved(told):
    layer = PlanesConv2d(10, 3)
    x = torch.rand(6, 1, 28, 28)
    c = one_hot(torch.arange(6)) if told == "one label" else torch.randn(6, 10)
    expected = F.conv2d(torch.cat([x, label_planes(c)], dim=1), layer.weight, layer.bias, padding=1)
    same_with_gradients(layer(x, c), expected, layer)


def test_pictures_need_not_be_enlarged_to_be_convolved():
    layer = UpsampledConv2d(5, 3)
    x = torch.randn(4, 5, 7, 6)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=1)
    same_with_gradients(layer(x), expected, layer)


def same_with_gradients(output, expected, layer):
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(output)
    one, two = (torch.autograd.grad((y * weights).sum(), list(layer.parameters())) for y in (output, expected))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)


def test_layer_table_counts_every_parameter(vae, batch):
    table = layer_table(vae, *batch)
    assert table["parameters"].sum() == sum(p.numel() for p in vae.parameters())
    assert table["output"].iloc[-1] in ("N×784", "×".join(["N", *map(str, batch[0].shape[1:])]))


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_kl_of_a_batch_normalised_code_has_a_floor(run, portraits, scale):
    x = to_unit(portraits[0])
    for seed in range(3):
        model = run.build(f"weights {seed}", BatchNormalisedVAE, latent=12, width=8, side=32)
        with torch.no_grad():
            model.encoder[-1].weight *= scale
            model.encoder[-1].bias += seed
            mu, log_var = model.encode(x)
        torch.testing.assert_close(mu.mean(0), torch.zeros(12), rtol=0, atol=1e-3)
        torch.testing.assert_close(mu.var(0, correction=0), torch.ones(12), rtol=1e-3, atol=0)
        assert (log_var >= 0).all()
        assert losses.kl_to_standard_normal(mu, log_var).mean() >= 12 / 2 - 1e-3


def test_the_floor_of_a_batch_normalised_code_is_reached_without_noise(run, portraits):
    model = run.build("weights", BatchNormalisedVAE, latent=12, width=8, side=32)
    with torch.no_grad():
        model.encoder[-1].bias[12:] = -100  # softplus of it is nothing: σ = 1
        mu, log_var = model.encode(to_unit(portraits[0]))
    assert losses.kl_to_standard_normal(mu, log_var).mean().item() == pytest.approx(6, abs=1e-3)


SIDES = {16: (4, 2), 28: (7, 2), 32: (4, 3), 64: (4, 4)}  # the smallest picture and how often it doubles
NORMS = ["batch", "spectral", "none"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
def test_generators_draw_pictures_in_the_range_of_the_tanh(run, side, channels):
    assert smallest(side) == SIDES[side]
    model = run.build("weights", Generator, inputs=9, width=8, side=side, channels=channels)
    z = 30 * torch.randn(3, 9, generator=run.rng("z"))
    images = model(z)
    assert model.inputs == 9
    assert images.shape == (3, channels, side, side)
    assert images.dtype == torch.float32
    assert -1 <= images.min() < 0 < images.max() <= 1
    assert not torch.allclose(images[0], images[1], atol=1e-2)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
def test_discriminators_answer_by_name(run, side, channels, norm):
    heads = {"real": 1, "attributes": 4, "code": 13}
    model = run.build("weights", Discriminator, heads=heads, width=8, side=side, channels=channels, norm=norm)
    x = 2 * torch.rand(5, channels, side, side, generator=run.rng("x")) - 1
    logits = model(x)
    assert {name: tuple(value.shape) for name, value in logits.items()} == {n: (5, k) for n, k in heads.items()}
    assert (logits["code"] < 0).any()  # logits, not probabilities
    features = model.trunk(x)
    low, halvings = SIDES[side]
    assert features.shape == (5, 8 * 2 ** (halvings - 1) * low * low)


def test_the_generator_is_the_courseworks_at_width_128(run):
    model = run.build("weights", Generator, inputs=100, width=128, side=64)
    assert list(linear_sizes(model)) == [(100, 4 * 4 * 1024)]
    up = [(1024, 512), (512, 256), (256, 128), (128, 3)]
    assert convolutions(model) == [(i, o, (4, 4), (2, 2)) for i, o in up]
    table = layer_table(model.eval(), torch.zeros(1, 100))["output"]
    assert [size for size in dict.fromkeys(table) if size.count("×") == 3] == [
        "N×1024×4×4", "N×512×8×8", "N×256×16×16", "N×128×32×32", "N×3×64×64"
    ]  # fmt: skip


@pytest.mark.parametrize("norm", NORMS)
def test_the_discriminator_mirrors_the_generator(run, norm):
    model = run.build("weights", Discriminator, heads={"real": 1, "code": 3}, width=128, side=64, norm=norm)
    down = [(3, 128), (128, 256), (256, 512), (512, 1024)]
    assert convolutions(model) == [(i, o, (4, 4), (2, 2)) for i, o in down]
    assert list(linear_sizes(model)) == [(4 * 4 * 1024, 1), (4 * 4 * 1024, 3)]


@pytest.mark.parametrize(("norm", "widths"), [("batch", [16, 32]), ("spectral", []), ("none", [])])
def test_batch_norm_stands_behind_every_convolution_but_the_first(run, norm, widths):
    model = run.build("weights", Discriminator, heads={"real": 1}, width=8, side=32, norm=norm)
    kinds = [type(m) for m in model.trunk]
    normalised = [m.num_features for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert normalised == widths
    assert kinds[1] is torch.nn.LeakyReLU
    assert all(kinds[i - 1] is not torch.nn.LeakyReLU for i, k in enumerate(kinds) if k is torch.nn.BatchNorm2d)


@pytest.mark.parametrize("norm", ["spectal", "", "Batch", None])
def test_a_misspelt_norm_is_one_line(run, norm):
    with pytest.raises(LabError, match=r"norm=.*choose one of batch, spectral, none") as error:
        run.build("weights", Discriminator, heads={"real": 1}, width=8, side=32, norm=norm)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("norm", NORMS)
def test_spectral_norm_bounds_every_layer_and_only_where_it_is_asked_for(run, norm):
    heads = {"real": 1, "code": 7}
    model = run.build("weights", Discriminator, heads=heads, width=8, side=32, norm=norm)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    with torch.no_grad():
        for _, weight in model.named_parameters():
            weight *= 5  # so that a layer that is not bound has a norm far from 1
        for _ in range(60):  # a power iteration each
            model(torch.rand(4, 3, 32, 32, generator=run.rng("x")))
    norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]
    assert len(norms) == 3 + 2
    if norm == "spectral":
        assert norms == pytest.approx([1] * 5, abs=0.02)
    else:
        assert min(abs(n - 1) for n in norms) > 0.5


@pytest.mark.parametrize("norm", NORMS)
def test_every_parameter_of_a_game_has_a_gradient(run, norm):
    generator = run.build("weights", Generator, inputs=5, width=8, side=16)
    discriminator = run.build("weights", Discriminator, heads={"real": 1, "code": 3}, width=8, side=16, norm=norm)
    logits = discriminator(generator(torch.randn(6, 5, generator=run.rng("z"))))
    (logits["real"].square().mean() + logits["code"].square().mean()).backward()
    for model in (generator, discriminator):
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("module", [classifier, cvae, gan, layers, vae_module])
def test_models_hold_no_loss(module):
    assert not {name for name in vars(module) if re.search("nll|kl_|loss|entropy", name)}


# Spectral norm


def test_weights_under_spectral_norm_are_computed_in_float32_once_a_pass():
    torch.manual_seed(0)
    model = Discriminator({"real": 1, "code": 3}, width=4, side=16, norm="spectral")
    seen = []
    layers = [layer for layer in model.modules() if hasattr(layer, "parametrizations")]
    for layer in layers:
        norm = layer.parametrizations.weight[0]
        norm.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(5, 3, 16, 16))
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False] * len(layers)
    assert len(layers) == 4


def test_a_discriminator_under_spectral_norm_is_its_layers_one_after_another():
    torch.manual_seed(0)
    one = Discriminator({"real": 1}, width=4, side=16, norm="spectral")
    other, x = copy.deepcopy(one), torch.randn(5, 3, 16, 16)
    for _ in range(3):
        logits, plain = one(x)["real"], other.heads["real"](other.trunk(x))
        assert torch.equal(logits, plain)
        for result in (logits, plain):
            result.sum().backward()
    for weight, its in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(weight.grad, its.grad)


@pytest.fixture
def from_ppca(run, portraits):
    """A VAE at its start, and the linear model that it starts from."""
    start = pca.fit_ppca(portraits[0], 6, run.rng("pca"))
    return run.build("weights", VAEFromPPCA, start=start, width=4, side=32), start


def test_it_begins_as_probabilistic_pca_with_its_exact_posterior(run, portraits, from_ppca):
    model, start = from_ppca
    few = portraits[0][:50]
    rebuilt = likelihood.rebuilt(model, few, unconditional)
    x = pca.centred(few, start.mean)
    shrunk = (start.variances - start.noise) / start.variances  # the posterior's mean lies nearer to 0 than x
    expected = (start.mean + (x @ start.basis * shrunk) @ start.basis.T).clamp(0, 1).view(few.shape)
    torch.testing.assert_close(rebuilt, expected, rtol=0, atol=1e-5)
    # With the exact posterior one draw of z gives log p(x), whichever it is.
    nll = functools.partial(losses.gaussian_nll, variance=start.noise)
    bound = likelihood.importance_bound(model, (few,), unconditional, nll, 1, run.rng("z"))
    torch.testing.assert_close(-bound, pca.log_likelihood(start, few).float(), rtol=1e-4, atol=0.05)


def test_training_leaves_what_it_began_from_as_it_was(run, portraits, from_ppca):
    model, start = from_ppca
    before = [t.clone() for t in start[:3]]
    arguments = {"name": "vae", "steps": 6, "batch_size": 50, "max_lr": 1e-2, "slow": model.linear.parameters()}
    history = train_vae(run, model, portraits[:1], losses.optimal_gaussian_nll, **arguments)
    assert all(torch.equal(t, b) for t, b in zip(start[:3], before, strict=True))
    assert history.curve.empty or history.curve["loss"].notna().all()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_no_image_depends_on_others_of_its_batch(run, portraits, from_ppca):
    model = from_ppca[0].train()
    for last in (model.encoder[-1], model.decoder[-1]):
        torch.nn.init.normal_(last.weight, std=0.1)
    x, noise = portraits[0][:6].float() / 255, run.noise(6, 6, "z")
    whole = model(x, noise)
    for i in range(6):
        for one, all_ in zip(model(x[i : i + 1], noise[i : i + 1]), whole, strict=True):
            torch.testing.assert_close(one[0], all_[i], rtol=1e-4, atol=1e-5)


@pytest.fixture
def from_linear(run, portraits):
    """A generator at its start, and the linear one that it starts from, of six dimensions of noise and two told."""
    start = pca.fit_linear_generator(portraits[0], 6, run.rng("pca"), portraits[1])
    return run.build("weights", gan.GeneratorFromLinear, start=start, width=4, side=32), start


def test_it_begins_with_the_images_of_the_linear_generator(run, from_linear):
    model, start = from_linear
    assert model.inputs == 8
    z = 0.1 * torch.randn(5, 8, generator=run.rng("z"))
    for mode in (model.train(), model.eval()):
        torch.testing.assert_close(mode(z), (start.mean + z @ start.directions).view(5, 3, 32, 32))
    far = model(1000 * z)  # what the linear one draws far beyond black and white is cut off
    assert far.min().item() == pytest.approx(-gan.BEYOND)
    assert far.max().item() == pytest.approx(gan.BEYOND)


def test_all_of_it_is_trained_and_what_it_began_from_is_not(run, from_linear):
    model, start = from_linear
    before = [t.clone() for t in start]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    z, wanted = torch.randn(12, 8, generator=run.rng("z")), torch.rand(12, 3, 32, 32, generator=run.rng("x"))
    for _ in range(2):  # at the first step nothing reaches what lies before a layer of zeros
        optimizer.zero_grad()
        (model(z) - wanted).square().mean().backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert not torch.equal(model.linear["directions"], start.directions)
    assert all(torch.equal(t, b) for t, b in zip(start, before, strict=True))


def test_beyond_the_linear_part_it_is_the_plain_generator(run, from_linear):
    model, _ = from_linear
    plain = run.build("weights", Generator, inputs=8, width=4, side=32)
    assert convolutions(model) == convolutions(plain)
    sizes = [sum(p.numel() for p in network.parameters()) for network in (model, plain)]
    assert sizes[0] - sizes[1] == 3 * 32 * 32 * (1 + 8)
    assert not any(isinstance(layer, torch.nn.Tanh) for layer in model.modules())
