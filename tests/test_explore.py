"""Networks taken apart, made small and stored, and the page that computes them: against torch, in a real browser."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch import nn

from lab_utils.config import LabError
from lab_utils.explore import EXHIBIT, exhibit, layers, small, stored
from lab_utils.explore.acgan import show_attributes
from lab_utils.explore.cvae import show_labels
from lab_utils.explore.gan import show_noise
from lab_utils.explore.infogan import show_codes
from lab_utils.explore.kl import show_weights
from lab_utils.explore.vae import show_faces
from lab_utils.labs import LABS
from lab_utils.metrics import latents
from lab_utils.models.average import Average
from lab_utils.models.cvae import MLPCVAE, ConvCVAE
from lab_utils.models.gan import Generator, GeneratorFromLinear
from lab_utils.models.linear import LinearGenerator
from lab_utils.models.prior import LabelPrior
from lab_utils.models.vae import PPCA, FaceVAE, VAEFromPPCA
from lab_utils.report import explore
from lab_utils.run import Run
from lab_utils.training.gan import Gan
from tests.conftest import CHROMIUM

in_browser = pytest.mark.skipif(not CHROMIUM, reason="needs a browser; on Debian: apt-get install chromium")

PIXELS = 3 * 64 * 64
NAMES = ["Male", "Smiling", "Big_Lips", "Young"]
READY = "html[data-ready]"
COMPUTED = """([id, name, rows]) => rows.map(row => {
  const { data, channels, side } = lab.found[id].networks[name](Float32Array.from(row));
  const area = side * side;  // torch has a channel after the other
  return Array.from({ length: data.length }, (_, i) => data[(i % area) * channels + Math.floor(i / area)]);
})"""
PAINTED = """([id, place]) => {
  const canvas = document.querySelectorAll(`#${id} canvas:not(.map)`)[place];
  return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
}"""


def lively(module: nn.Module, seed: int = 0) -> nn.Module:
    """A network as after training: no weight is zero, batch norms have seen something."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if "running_mean" in name:
                buffer.normal_(std=0.3, generator=stream)
            elif "running_var" in name:
                buffer.uniform_(0.5, 2, generator=stream)
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02, generator=stream)
    return module.eval()


def smooth(n: int) -> torch.Tensor:
    """n pictures without detail, flattened, as eigenfaces are."""
    low = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(n))
    return nn.functional.interpolate(low, size=64, mode="bicubic").flatten(1)


def generator(inputs: int, width: int = 4) -> GeneratorFromLinear:
    return lively(GeneratorFromLinear(LinearGenerator(0.1 * smooth(1)[0], 0.05 * smooth(inputs)), width))


def vae_from_ppca(latent: int = 128, width: int = 4) -> VAEFromPPCA:
    basis, _ = torch.linalg.qr(smooth(latent).T)
    return lively(VAEFromPPCA(PPCA(torch.full((PIXELS,), 0.5), basis, torch.linspace(60, 1, latent), 0.01), width))


def gan_of(network: nn.Module) -> Gan:
    return Gan(network, nn.Identity(), Average(network, 0.9).eval(), None, None)


def prior_of() -> LabelPrior:
    """The same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        covariances = torch.stack([torch.eye(20) * (k + 1) / 5 for k in range(10)])
        return lively(LabelPrior(torch.randn(10, 20), covariances))


# Taken apart


def decoded_face(model, z):
    return model.mean(model.decode(z)).clamp(0, 1)


def drawn(model, z):
    return ((model(z) + 1) / 2).clamp(0, 1)


def drawn_digit(model, given):
    return model.decode(given[:, :-10], given[:, -10:]).sigmoid()


@pytest.mark.parametrize(
    ("model", "inputs", "picture"),
    [
        (FaceVAE(50, 4), 50, decoded_face),
        (vae_from_ppca(16), 16, decoded_face),
        (Generator(30, 4, 64), 30, drawn),
        (Generator(74, 4, 28, 1), 74, drawn),
        (generator(20), 20, drawn),
        (GeneratorFromLinear(LinearGenerator(torch.zeros(784), torch.randn(9, 784)), 4, 28, 1), 9, drawn),
        (Average(generator(20), 0.9), 20, drawn),
        (MLPCVAE(2), 12, drawn_digit),
        (ConvCVAE(20), 30, drawn_digit),
    ],
    ids=lambda one: type(one).__name__,
)
def test_layers_draw_what_the_network_draws(model, inputs, picture):
    lively(model)
    x = torch.randn(5, inputs)
    with torch.no_grad():
        torch.testing.assert_close(layers.run(layers.layers_of(model), x), picture(model, x))


def test_the_label_prior_gives_the_same_codes():
    prior, u, labels = prior_of(), torch.randn(30, 20), torch.arange(30) % 10
    found = layers.run_flow(layers.flow_of(prior), prior.means, prior.root, u, labels)
    torch.testing.assert_close(found, prior.decode(u, labels))


class Strange(nn.Linear):
    """A layer that computes something else."""


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (nn.Softmax(1), "Softmax: the page to play with has no such layer"),
        (Strange(2, 2), "Strange"),
        (nn.Sequential(nn.Linear(2, 2), nn.GELU()), "GELU"),
        (nn.Conv2d(1, 1, 5, padding=2), "Conv2d with kernel_size"),
        (nn.Conv2d(2, 2, 3, padding=1, groups=2), "Conv2d with groups=2"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "Conv2d with padding_mode=reflect"),
        (nn.ConvTranspose2d(1, 1, 4, stride=2), "ConvTranspose2d with padding"),
        (nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, dilation=2), "ConvTranspose2d with dilation"),
        (nn.GroupNorm(2, 4), "GroupNorm of 2 groups"),
    ],
    ids=str,
)
def test_what_is_not_known_is_an_error(module, says):
    with pytest.raises(LabError, match=re.escape(says)):
        layers.layers_of(module)


@pytest.mark.parametrize(
    "read", [lambda op: stored.read_layers([{"op": op}]), lambda op: layers.run((layers.Layer(op),), torch.zeros(1, 1))]
)
def test_an_unknown_step_is_an_error(read):
    with pytest.raises(LabError, match="a layer 'twirl'"):
        read("twirl")


def test_products_are_counted():
    model = nn.Sequential(nn.Linear(10, 8 * 16), nn.Unflatten(1, (8, 4, 4)), nn.ConvTranspose2d(8, 3, 4, 2, 1))
    assert layers.multiplications(layers.layers_of(model), 10) == 10 * 128 + 16 * 8 * 3 * 16
    assert layers.weights(layers.layers_of(model)) == sum(p.numel() for p in model.parameters())


# Made small


def test_a_network_that_is_small_enough_stays_as_it_is(run):
    whole = layers.layers_of(FaceVAE(50, 4))
    assert small.small_enough(run, whole, lambda n: torch.zeros(n, 50), 5, "toy") is whole


def test_a_smooth_linear_part_is_the_same_at_half_the_side():
    whole = layers.layers_of(generator(20))
    half = small.halved(whole)
    assert layers.weights(half) < 0.4 * layers.weights(whole)
    x = torch.randn(5, 20)
    assert (layers.run(whole, x) - layers.run(half, x)).abs().mean() < 0.01


def test_a_product_of_full_rank_is_the_layer():
    linear, wide = layers.layers_of(nn.Linear(6, 40))[0], layers.layers_of(nn.ConvTranspose2d(6, 40, 4, 2, 1))[0]
    for layer, x in ((linear, torch.randn(3, 6)), (wide, torch.randn(3, 6, 5, 5))):
        two = small.factored(layer, 6)
        assert len(two) == 2
        torch.testing.assert_close(layers.run(two, x), layers.run((layer,), x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("width", [32, 64])
def test_networks_of_the_course_become_small_enough(width):
    whole = layers.layers_of(generator(100, width))
    found = small.narrowed(small.halved(whole), small.MOST_WEIGHTS)
    assert layers.weights(found) <= small.MOST_WEIGHTS < layers.weights(whole)
    assert layers.multiplications(found, 100) <= 35_000_000
    assert layers.run(found, torch.randn(1, 100)).shape == (1, 3, 64, 64)


def test_a_copy_learns_to_draw_what_the_network_draws(run):
    whole, draw = layers.layers_of(generator(20, 8)), exhibit.noise_of(run, 20)
    begun = small.narrowed(small.halved(whole), 50_000)
    taught = small.taught(run, begun, whole, draw, 60, "toy")
    x = torch.randn(64, 20)
    before, after = ((layers.run(one, x) - layers.run(whole, x)).square().mean() for one in (begun, taught))
    assert after < 0.7 * before
    assert not any(tensor.requires_grad for tensor in small.tensors(taught))


# Stored


@pytest.mark.parametrize("shape", [(7,), (30, 5), (80, 70), (6, 40, 4, 4), (100, 50, 1)])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_what_is_stored_is_read_within_half_a_step(shape, axis):
    if axis is not None and axis >= len(shape):
        pytest.skip("no such axis")
    tensor = torch.randn(shape) * torch.logspace(-2, 2, shape[-1])
    content = json.loads(json.dumps(stored.stored(tensor, axis)))
    found = stored.read(content)
    if content["bits"] == 16:
        step = tensor.abs().max() / 32767
    else:
        step = tensor.abs().amax(tuple(i for i in range(tensor.ndim) if i != axis), keepdim=True) / 127
    assert found.shape == tensor.shape
    assert ((found - tensor).abs() <= 0.51 * step).all()


def test_nothing_but_zeros_is_stored_as_zeros():
    for tensor in (torch.zeros(3), torch.zeros(80, 70)):
        assert not stored.read(stored.stored(tensor, 0)).any()


def test_a_stored_network_is_nearly_the_network():
    whole, x = layers.layers_of(generator(20, 8)), torch.randn(20, 20)
    kept = stored.as_stored(whole)
    assert [layer.op for layer in kept] == [layer.op for layer in whole]
    assert (layers.run(kept, x) - layers.run(whole, x)).abs().max() < 4 / 255


# The page


def until(page, true: str) -> None:
    """Wait for something to be true in the page, whose policy forbids the browser's own way to wait."""
    for _ in range(250):
        if page.evaluate(true):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never {true}")


def toy_exhibits() -> dict:
    """One of each, with networks that learned nothing."""
    run, stream = Run(0, torch.device("cpu"), torch.float32), torch.Generator().manual_seed(5)
    page, handed_over = SimpleNamespace(run=run, profile="smoke", budget="Toy."), []
    seen = torch.randn(300, 128, generator=stream)
    labels = torch.randint(0, 2, (300, len(NAMES)), generator=stream).float()
    samplers = latents.fit_gaussian(seen), latents.fit_mixture(seen, 2, 0)
    vaes = {beta: lively(FaceVAE(50, 4), k) for k, beta in enumerate((1.0, 100.0, 0.0))}
    plane = lively(MLPCVAE(2)), torch.randn(50, 2, generator=stream), torch.arange(50) % 10
    linear = LinearGenerator(torch.zeros(784), torch.randn(74, 784, generator=stream))
    digits = gan_of(lively(GeneratorFromLinear(linear, 4, 28, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exhibit, "display", lambda data, raw: handed_over.append(data[EXHIBIT]))
        show_faces(page, vae_from_ppca(), seen, labels, NAMES, seen[:12], *samplers)
        show_weights(page, vaes, dict.fromkeys(vaes, seen[:12, :50]))
        show_labels(page, *plane, lively(ConvCVAE(20)), prior_of())
        show_noise(page, gan_of(generator(100)))
        show_attributes(page, gan_of(generator(106)), labels[:, :3], NAMES[:3], torch.rand(3, 4), NAMES)
        show_codes(page, gan_of(generator(115)), [2, 13], digits, [*range(9, -1, -1)])
    return dict(zip(LABS, handed_over, strict=True))


@pytest.fixture(scope="module")
def toys():
    return toy_exhibits()


@pytest.fixture(scope="module")
def file(toys, tmp_path_factory):
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    path.write_text(explore.render_explore(toys, LABS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser, file):
    """The page with all exhibits alive."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector(READY)
    yield page
    page.close()


def test_an_exhibit_says_how_far_its_pictures_are_from_the_network(toys):
    for toy in toys.values():
        for network in toy["networks"].values():
            assert 0 <= network["mean_apart"] <= network["most_apart"]
            assert network["weights"] <= min(network["of"], small.MOST_WEIGHTS)
    [whole] = toys["04_gan"]["networks"].values()
    assert "stored in 8 and 16 bits" in explore.in_words("a", whole | {"of": whole["weights"]})
    assert "a smaller copy" in explore.in_words("a", whole | {"of": whole["weights"] + 1})
    assert "12.75 of 255 on average, at most 51" in explore.in_words(
        "a", whole | {"mean_apart": 0.05, "most_apart": 0.2}
    )


def test_the_page_is_one_file_whose_only_script_is_allowed_by_its_hash(file):
    text = file.read_text()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    assert f'content="{explore.policy(scripts[0])}"'.replace("'", "&#39;") in text
    assert not re.search(r"eval\(|new Function|<link|src=|@import|https?://(?!www\.w3\.org)", text)


@in_browser
@pytest.mark.parametrize("name", LABS)
def test_the_page_computes_what_torch_computes(name, toys, opened):
    page = opened
    for title, network in toys[name]["networks"].items():
        rows = torch.randn(100, network["inputs"], generator=torch.Generator().manual_seed(1))
        wanted = layers.run(stored.read_layers(network["layers"]), rows).flatten(1)
        found = torch.tensor(page.evaluate(COMPUTED, [toys[name]["id"], title, rows.tolist()]))
        assert (found - wanted).abs().max() < 1 / 255


@in_browser
def test_the_page_computes_the_label_prior(toys, opened):
    page = opened
    prior = prior_of()
    u, labels = torch.randn(20, 20), torch.arange(20) % 10
    asked = "([us, ks]) => us.map((u, i) => [...lab.found.cvae.flow(Float32Array.from(u), ks[i])])"
    found = torch.tensor(page.evaluate(asked, [u.tolist(), labels.tolist()]))
    torch.testing.assert_close(found, prior.decode(u, labels), atol=2e-3, rtol=2e-3)  # it is stored in 16 bits


@in_browser
def test_noise_is_standard_normal_and_the_same_for_a_seed(opened):
    page = opened
    first, again, other = (torch.tensor(page.evaluate(f"[...normal({seed}, 20000)]")) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert abs(first.mean()) < 0.03
    assert abs(first.std() - 1) < 0.02
    assert abs((first * other).mean()) < 0.03


@in_browser
def test_a_moved_slider_changes_the_picture_and_equals_torch(toys, opened):
    page = opened
    [network] = toys["04_gan"]["networks"].values()
    before = page.evaluate(PAINTED, ["gan", 0])
    slider = page.locator("#gan").get_by_label("truncation")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    until(page, "location.hash.endsWith('size=0.8')")  # 0.85 is on the way
    painted = torch.tensor(page.evaluate(PAINTED, ["gan", 0])).view(64, 64, 4)
    assert painted.flatten().tolist() != before
    z = 0.8 * torch.tensor(page.evaluate(f"[...normal(0, {network['inputs']})]"))
    wanted = layers.run(stored.read_layers(network["layers"]), z[None])[0].permute(1, 2, 0)
    assert (painted[:, :, :3] - 255 * wanted).abs().max() <= 1.01  # a canvas has whole numbers
    assert (painted[:, :, 3] == 255).all()


@in_browser
def test_every_control_changes_a_picture(toys, opened):
    page = opened
    for toy in toys.values():
        place = page.locator(f"#{toy['id']}")
        place.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        for slider in place.locator("input[type=range]").all():
            before = pictures(place)
            middle = slider.evaluate("one => (Number(one.min) + 3 * Number(one.max)) / 4")
            slider.evaluate("(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", middle)
            changed(page, place, before, slider.evaluate("one => one.closest('label').textContent"))
        for button in place.locator("button:not([aria-pressed=true])").all():
            if button.text_content() not in ("Save the picture", "Walk"):
                before = pictures(place)
                button.click()
                changed(page, place, before, button.text_content())


def pictures(place) -> list[str]:
    return place.locator("canvas").evaluate_all("all => all.map(one => one.toDataURL())")


def changed(page, place, before, what) -> None:
    for _ in range(50):
        if pictures(place) != before:
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"nothing changed: {what}")


@in_browser
def test_a_link_brings_the_state_back(browser, file):
    page = browser.new_page()
    page.goto(f"{file.as_uri()}#acgan?seed=3&a1=0.5&nothing=1&a2=x")
    page.wait_for_selector(READY)
    assert page.evaluate("[lab.panels.acgan.state.seed, lab.panels.acgan.state.a1, lab.panels.acgan.state.a2]") == [
        3,
        0.5,
        0,
    ]
    assert page.evaluate("document.getElementById('acgan').getBoundingClientRect().top") < 200
    page.locator("#acgan").get_by_role("button", name="Another", exact=True).click()
    until(page, "location.hash === '#acgan?seed=4&a1=0.5'")
    shown = page.evaluate(PAINTED, ["acgan", 1])
    page.reload()
    page.wait_for_selector(READY)
    assert page.evaluate(PAINTED, ["acgan", 1]) == shown
    page.close()


@in_browser
def test_the_plane_is_dragged_and_the_digit_follows(opened):
    page = opened
    page.locator("canvas.map").scroll_into_view_if_needed()
    box = page.locator("canvas.map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    page.mouse.up()
    page.wait_for_timeout(100)
    z = page.evaluate("[lab.panels.cvae.state.z1, lab.panels.cvae.state.z2]")
    assert z == pytest.approx([1.5, 1.5], abs=0.05)


@in_browser
def test_a_picture_is_saved_and_all_is_put_back(opened):
    page = opened
    with page.expect_download() as download:
        page.locator("#kl").get_by_role("button", name="Save the picture").click()
    assert download.value.suggested_filename == "kl.png"
    page.locator("#kl").get_by_role("button", name="As it was").click()
    until(page, "location.hash === '#kl'")
    assert page.evaluate("lab.panels.kl.state.size") == 1


@in_browser
def test_walking_goes_on_and_respects_those_who_want_no_motion(browser, file):
    for motion, label in (("no-preference", "Walk"), ("reduce", "A step")):
        page = browser.new_page(reduced_motion=motion)
        page.goto(f"{file.as_uri()}#gan")
        page.wait_for_selector(READY)
        button = page.get_by_role("button", name=label)
        button.click()
        until(page, "lab.panels.gan.state.turn > 10")
        if motion == "reduce":
            page.wait_for_timeout(200)
            assert page.evaluate("lab.panels.gan.state.turn") == 20
        else:
            button.click()
            page.wait_for_timeout(100)
            at = page.evaluate("lab.panels.gan.state.turn")
            page.wait_for_timeout(200)
            assert page.evaluate("lab.panels.gan.state.turn") == at
        page.close()


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_and_nothing_sticks_out(browser, file, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.wait_for_selector(READY)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    found = Axe().run(page, options=options).response["violations"]
    assert {rule["id"]: [node["html"][:150] for node in rule["nodes"][:3]] for rule in found} == {}
    page.close()


@in_browser
def test_nothing_is_asked_for_and_nothing_complains(browser, file):
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector(READY)
    for button in page.locator("button").all():
        button.click()
    page.wait_for_timeout(200)
    assert asked == [file.as_uri()]
    assert said == []
    page.close()


# In a report


def test_a_report_has_the_page_and_its_pages_lead_to_it(smoke):
    text = (smoke / "explore.html").read_text()
    assert len(text.encode()) <= explore.LARGEST
    ids = [explore_id for explore_id in explore.EXHIBITS if f'<section class="exhibit" id="{explore_id}"' in text]
    assert ids == [*explore.EXHIBITS]
    assert 'href="explore.html"' in (smoke / "index.html").read_text()
    for name, id in zip(LABS, ids, strict=True):
        page = (smoke / "html" / f"{name}.html").read_text()
        assert f'href="../explore.html#{id}"' in page
        assert "<script" not in page
        assert EXHIBIT in (smoke / "notebooks" / f"{name}.ipynb").read_text()


def test_equal_exhibits_give_an_equal_page(toys):
    assert explore.render_explore(toys, LABS) == explore.render_explore(toys, LABS)
