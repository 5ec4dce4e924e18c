"""What codes begin as, what is shown of them, and what a fresh reader says of continuous ones."""

import math

import pytest
import torch
import torch.nn.functional as F

from lab_utils.data.batches import to_unit
from lab_utils.metrics import changes, pca
from lab_utils.models.gan import GeneratorFromLinear
from lab_utils.training import infogan
from lab_utils.training.classifier import DIGIT_READER
from lab_utils.training.gan import PROJECT, make_gan, samples

SIZES = [2, 3]


@pytest.fixture(scope="module")
def tinted():
    """120 noisy images (uint8, N×3×16×16): bright left or right by one group, with a red, green or blue floor by
    another, and both groups; the first difference is the larger one."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(40, 70, (120, 3, 16, 16), generator=stream, dtype=torch.uint8)
    half = torch.randint(0, 2, (120,), generator=stream)
    floor = torch.randint(0, 3, (120,), generator=stream)
    for image, left, colour in zip(images, half.tolist(), floor.tolist(), strict=True):
        image[:, :, 8 * left : 8 * left + 8] += 120
        image[colour, 12:] += 60
    return images, half, floor


def same_groups(one, other):
    """Whether two groupings are one another under other names."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


# What codes begin as


def test_clusters_are_the_differences_one_after_the_other(run, tinted):
    images, half, floor = tinted
    found = infogan.clustered(images, SIZES, 12, run)
    assert [one.dtype for one in found] == [torch.int64] * 2
    assert same_groups(found[0], half)
    assert same_groups(found[1], floor)  # what the first code leaves open


def test_equal_seeds_give_equal_clusters(run, tinted):
    one, other = (infogan.clustered(tinted[0], SIZES, 12, run) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def begin(run, tinted, noise=4, continuous=2):
    images, *groups = tinted
    return infogan.linear_start(images, noise, groups, SIZES, continuous, run.rng("pca"))


def drawn(start, inputs):
    return start.mean + inputs @ start.directions


def test_a_value_of_a_code_begins_as_the_mean_of_its_group(run, tinted):
    images, half, floor = tinted
    start = begin(run, tinted)
    assert start.directions.shape == (4 + 2 + 3 + 2, 3 * 16 * 16)
    told = torch.cat([torch.zeros(120, 4), F.one_hot(half, 2), F.one_hot(floor, 3), torch.zeros(120, 2)], dim=1)
    made, real = drawn(start, told), 2 * to_unit(images).flatten(1) - 1
    for group in (half, floor):
        for value in group.unique():
            mean, expected = (x[group == value].mean(0) for x in (made, real))
            assert (mean - expected).abs().max() < 0.03  # but for the ridge


def test_continuous_codes_begin_as_the_first_components_of_the_rest_and_noise_as_the_next(run, tinted):
    images, half, floor = tinted
    start = begin(run, tinted)
    told = torch.cat([F.one_hot(half, 2), F.one_hot(floor, 3)], dim=1).float()
    reference = pca.fit_linear_generator(images, 6, run.rng("pca"), told)
    assert torch.equal(start.mean, reference.mean)
    components = reference.directions[:6]
    torch.testing.assert_close(start.directions[:4], components[2:])
    torch.testing.assert_close(start.directions[-2:], math.sqrt(3) * components[:2])
    assert torch.equal(start.directions[4:9], reference.directions[6:])
    # A uniform code in [−1, 1] moves images as much as standard normal noise would.
    codes = infogan.draw_codes(4000, [], 2, run.rng("codes"))
    moved, expected = (codes @ start.directions[-2:]).var(0).sum(), components[:2].square().sum()
    assert moved.item() == pytest.approx(expected.item(), rel=0.05)


def test_without_continuous_codes_the_noise_has_the_first_components(run, tinted):
    start = begin(run, tinted, continuous=0)
    assert start.directions.shape == (4 + 5, 3 * 16 * 16)
    sizes = start.directions[:4].norm(dim=1)
    assert sizes.tolist() == sorted(sizes.tolist(), reverse=True)


def test_a_generator_that_begins_so_is_told_what_the_condition_draws(run, tinted):
    """Noise, then categorical codes, then continuous ones: as draw_codes lays them out."""
    start = begin(run, tinted)
    condition = infogan.codes(SIZES, 2, run.rng("codes"), 1.0, 0.1)
    gan = make_gan(run, "toy", PROJECT, start, {"code": condition.width}, 8, 16)
    assert isinstance(gan.generator, GeneratorFromLinear)
    assert gan.generator.inputs == 4 + condition.width
    codes = torch.cat([F.one_hot(torch.tensor([0, 1]), 2), torch.zeros(2, 5)], dim=1)
    images = infogan.sampled(gan, codes, run.rng("noise"))
    left, right = (images[:, :, :, part].mean((1, 2, 3)) for part in (slice(0, 8), slice(8, 16)))
    assert left[0] > right[0] + 0.2
    assert right[1] > left[1] + 0.2


# What is shown of codes


@pytest.fixture
def gan(run, tinted):
    return make_gan(run, "toy", PROJECT, begin(run, tinted, continuous=0), {"code": 5}, 8, 16)


@pytest.mark.parametrize("which", [0, 1])
def test_a_sheet_has_a_draw_in_each_row_and_a_value_in_each_column(run, gan, which):
    size, seen = SIZES[which], []
    gan.sampler.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    sheet = infogan.code_sheet(gan, 4, SIZES, which, 3, run.rng("sheet"))
    assert sheet.shape == (3, size, 3, 16, 16)
    assert torch.equal(sheet, infogan.code_sheet(gan, 4, SIZES, which, 3, run.rng("sheet")))
    noise, *codes = seen[0].unflatten(0, (3, size)).split([4, *SIZES], dim=2)
    other = codes.pop(1 - which)
    assert torch.equal(codes[0], torch.eye(size).expand(3, size, size))  # each value in turn
    for fixed in (noise, other):
        assert torch.equal(fixed, fixed[:, :1].expand_as(fixed))  # along a row
        assert len(noise[:, 0].unique(dim=0)) == 3
    assert other.sum(2).eq(1).all()


@pytest.mark.parametrize("which", [0, 1])
def test_a_strip_moves_one_continuous_code_and_nothing_else(run, tinted, which):
    images, half, _ = tinted
    start = infogan.linear_start(images, 3, [half], [2], 2, run.rng("pca"))
    gan, seen = make_gan(run, "toy", PROJECT, start, {"code": 4}, 8, 16), []
    gan.sampler.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    noise, span = run.noise(1, 3, "z"), torch.linspace(-2, 2, 5)
    shown = infogan.strip(gan, noise, torch.eye(2), which, span)
    assert shown.shape == (2 * 5, 3, 16, 16)  # a row for each value, as a sheet of five columns shows it
    z, value, continuous = seen[0].split([3, 2, 2], dim=1)
    assert torch.equal(z, noise.expand(10, 3))
    assert torch.equal(value, torch.eye(2).repeat_interleave(5, 0))
    assert torch.equal(continuous[:, which], span.repeat(2))
    assert not continuous[:, 1 - which].any()
    assert torch.equal(shown, samples(gan, seen[0]))


def test_means_by_code_and_what_is_special_of_each():
    images = torch.tensor([0, 102, 204, 255], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    found = changes.means_by_code(images, torch.tensor([1, 0, 0, 1]), 2)
    assert [one.shape for one in (*found.faces, *found.differences)] == [(1, 3, 2, 2)] * 4
    assert [one.mean().item() for one in found.faces] == pytest.approx([0.6, 0.5])
    assert [one.mean().item() for one in found.differences] == pytest.approx([0.65, 0.35])  # 0.5 ± 3·0.05
    steep = changes.means_by_code(images, torch.tensor([1, 0, 0, 1]), 2, gain=100)
    assert [one.mean().item() for one in steep.differences] == [1, 0]


# What a fresh reader says of continuous codes


def bars(codes):
    """Digits (uint8, N×1×28×28) of a soft bar whose height is the first code in [−1, 1], and nothing of the second."""
    place = torch.arange(28) - 13.5
    ink = (-(place[:, None] - 8 * codes[:, :1, None]).square() / 8).exp().expand(-1, 28, 28)
    return (255 * ink).round().byte()[:, None]


def test_a_reader_finds_the_code_that_is_there_and_none_that_is_not(run):
    codes = infogan.draw_codes(900, [], 2, run.rng("codes"))
    read, blind = infogan.continuous_bound(run, "reader", bars(codes), codes, 60, DIGIT_READER, classes=2).tolist()
    assert read > 1
    assert blind == pytest.approx(0, abs=0.05)
    assert min(read, blind) >= 0


@pytest.mark.parametrize("error", [1 / 3, 0.1, 0.001, 2.0])
def test_the_bound_is_that_of_a_gaussian_reader_with_its_error_on_images_it_has_not_seen(run, monkeypatch, error):
    codes = infogan.draw_codes(60, [], 1, run.rng("codes"))
    given = {}

    def train(run, name, images, labels, steps, kind, **arguments):
        given.update(images=images, labels=labels, criterion=kind.criterion)
        return None

    images = torch.zeros(60, 1, 28, 28, dtype=torch.uint8)
    monkeypatch.setattr(infogan, "train_classifier", train)
    monkeypatch.setattr(infogan, "logits_of", lambda reader, x: codes[: len(x)] + error**0.5)
    (bound,) = infogan.continuous_bound(run, "reader", images, codes, 1, DIGIT_READER).tolist()
    # h(c) = ln 2 for a uniform code in [−1, 1], less the entropy of a Gaussian of that variance.
    gaussian = torch.distributions.Normal(0.0, error**0.5).entropy().item()
    assert bound == pytest.approx(max(0, math.log(2) - gaussian), rel=1e-4)
    assert len(given["images"]) == len(given["labels"]) == 50
    assert torch.equal(given["labels"], codes[10:])
    assert given["criterion"] is F.mse_loss
