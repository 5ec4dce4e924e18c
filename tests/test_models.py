"""What every model promises, written once and run over all of them."""

import pytest
import torch

from lab_utils import losses, models, repro, show
from lab_utils.models.classifier import DigitClassifier
from lab_utils.models.cvae import MLPCVAE, ConvCVAE, QuarterNet, label_planes, one_hot, reparameterise

CVAES = {
    "mlp": (MLPCVAE, {"latent": 2, "condition": 10}),
    "mlp z20": (MLPCVAE, {"latent": 20, "condition": 10}),
    "vae": (MLPCVAE, {"latent": 2, "condition": 0}),
    "completion": (MLPCVAE, {"latent": 20, "condition": 196}),
    "conv": (ConvCVAE, {"latent": 20, "condition": 10}),
}
CLASSIFIERS = {"judge": (DigitClassifier, {}, (10,)), "quarter": (QuarterNet, {}, (1, 28, 28))}


@pytest.fixture(params=CVAES)
def cvae(request, run):
    make, arguments = CVAES[request.param]
    return run.build("weights", make, **arguments)


def inputs(model, n=6):
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(n, 1, 28, 28, generator=stream)
    c = torch.rand(n, model.condition, generator=stream)
    return x, c, torch.randn(n, model.latent, generator=stream)


@pytest.mark.parametrize("n", [1, 6])
def test_shapes(cvae, n):
    x, c, noise = inputs(cvae, n)
    logits, mu, log_var = cvae(x, c, noise)
    assert logits.shape == (n, 1, 28, 28)
    assert mu.shape == log_var.shape == (n, cvae.latent)
    assert logits.dtype == torch.float32


def test_output_is_logits_not_probabilities(cvae):
    x, c, noise = inputs(cvae)
    logits = cvae(x, c, noise)[0]
    assert (logits < 0).any()


def test_forward_is_encode_reparameterise_decode(cvae):
    x, c, noise = inputs(cvae)
    mu, log_var = cvae.encode(x, c)
    torch.testing.assert_close(cvae(x, c, noise)[0], cvae.decode(reparameterise(mu, log_var, noise), c))


def test_every_parameter_has_a_gradient(cvae):
    x, c, noise = inputs(cvae)
    logits, mu, log_var = cvae(x, c, noise)
    (losses.bernoulli_nll(logits, x) + losses.kl_to_standard_normal(mu, log_var)).mean().backward()
    for name, parameter in cvae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_images_of_a_batch_do_not_mix(cvae):
    x, c, noise = inputs(cvae)
    together = cvae(x, c, noise)[0]
    alone = torch.cat([cvae(x[i : i + 1], c[i : i + 1], noise[i : i + 1])[0] for i in range(len(x))])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_condition_reaches_encoder_and_decoder(cvae):
    if cvae.condition == 0:
        pytest.skip("the VAE has no condition")
    x, c, noise = inputs(cvae)
    assert not torch.allclose(cvae.encode(x, c)[0], cvae.encode(x, 1 - c)[0])
    assert not torch.allclose(cvae.decode(noise, c), cvae.decode(noise, 1 - c))


def test_encoder_and_decoder_share_nothing(cvae):
    assert not {id(p) for p in cvae.encoder.parameters()} & {id(p) for p in cvae.decoder.parameters()}


def test_weights_depend_on_seed_and_purpose_alone(run):
    first = run.build("weights", MLPCVAE).encoder[0].weight
    torch.manual_seed(99)
    torch.testing.assert_close(run.build("weights", MLPCVAE).encoder[0].weight, first, rtol=0, atol=0)
    assert not torch.equal(run.build("other weights", MLPCVAE).encoder[0].weight, first)
    assert not torch.equal(repro.Run(1, run.device, run.precision).build("weights", MLPCVAE).encoder[0].weight, first)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(run, name):
    make, arguments, shape = CLASSIFIERS[name]
    model = run.build("weights", make, **arguments)
    x = torch.rand(4, 1, 28, 28) if name == "judge" else torch.rand(4, 196)
    assert model(x).shape == (4, *shape)


def test_architectures_are_those_of_the_reports(run):
    sizes = {name: list(linear_sizes(run.build("w", make, **a))) for name, (make, a) in CVAES.items()}
    assert sizes["mlp"] == [(794, 512), (512, 256), (256, 4), (12, 256), (256, 512), (512, 784)]
    assert sizes["vae"] == [(784, 512), (512, 256), (256, 4), (2, 256), (256, 512), (512, 784)]
    assert sizes["conv"] == [(784, 400), (400, 40), (30, 392)]
    convolutions = [
        (m.in_channels, m.out_channels, m.kernel_size)
        for m in run.build("w", ConvCVAE).modules()
        if isinstance(m, torch.nn.Conv2d)
    ]
    assert convolutions == [(i, o, (3, 3)) for i, o in [(11, 3), (3, 1), (2, 11), (11, 3), (3, 1)]]


def linear_sizes(model):
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, torch.nn.Linear)]


def test_label_planes_are_constant():
    planes = label_planes(one_hot(torch.tensor([3])))
    assert planes.shape == (1, 10, 28, 28)
    assert planes[0, 3].eq(1).all()
    assert planes[0, [0, 1, 2, 4, 5, 6, 7, 8, 9]].eq(0).all()


def test_layer_table_counts_every_parameter(cvae):
    table = show.layers(cvae, *inputs(cvae))
    assert table["parameters"].sum() == sum(p.numel() for p in cvae.parameters())
    assert table["output"].iloc[-1] in ("N×784", "N×1×28×28")


def test_models_hold_no_loss():
    assert not any(hasattr(models.cvae, name) for name in ("bernoulli_nll", "kl_to_standard_normal"))
