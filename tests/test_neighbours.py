"""Neighbours against brute force, small distortions, and what neighbours are asked to share, before and in a game."""

import math

import pytest
import torch

from lab_utils import losses
from lab_utils.data import augment
from lab_utils.data.batches import to_unit
from lab_utils.metrics import changes
from lab_utils.metrics.clusters import codes_read
from lab_utils.models.gan import Discriminator
from lab_utils.training import infogan, neighbours
from lab_utils.training.gan import PROJECT, Game, gan_step, make_gan
from lab_utils.training.step import descend

CONSTANTS = ("ROTATION", "STRETCH", "SHEAR", "SHIFT")


@pytest.fixture
def still(monkeypatch):
    """No distortion at all."""
    for name in CONSTANTS:
        monkeypatch.setattr(augment, name, 0.0)


def bytes_of(n, side, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, side, side), generator=stream, dtype=torch.uint8)


@pytest.mark.parametrize(("n", "side"), [(40, 6), (30, 20), (1100, 5)])  # as many dimensions as pixels, images; parts
def test_nearest_neighbours_are_those_of_brute_force(run, n, side):
    images = bytes_of(n, side)
    found = neighbours.nearest_neighbours(images, 4, run.rng("pca"))
    x = images.flatten(1).double()
    apart = (x[:, None] - x[None]).square().sum(2).fill_diagonal_(math.inf)
    nearest = apart.topk(4, largest=False)
    assert found.shape == (n, 4)
    # Compared by distance, for two neighbours may be equally far to within rounding.
    torch.testing.assert_close(apart.gather(1, found).sqrt(), nearest.values.sqrt(), rtol=1e-4, atol=0)
    assert (found == nearest.indices).float().mean() > 0.99


def test_components_of_little_variance_are_left_out(run):
    images = bytes_of(200, 12)
    images[:, :, 6:] = 128  # 72 pixels vary; 50 directions remain
    found = neighbours.nearest_neighbours(images, 3, run.rng("pca"))
    x = images.flatten(1).double()
    apart = (x[:, None] - x[None]).square().sum(2).fill_diagonal_(math.inf)
    assert apart.gather(1, found).mean() < 0.75 * apart[apart.isfinite()].mean()


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_no_image_is_its_own_neighbour(run, copies):
    images = bytes_of(30, 6).repeat(copies, 1, 1, 1)  # the nearest are then its twins
    found = neighbours.nearest_neighbours(images, 3, run.rng("pca"))
    assert (found != torch.arange(len(images))[:, None]).all()
    assert all(len(set(row)) == 3 for row in found.tolist())
    twins = (found % 30 == (torch.arange(len(images)) % 30)[:, None]).sum(1)
    assert twins.eq(min(copies - 1, 3)).all()


GRAPH = torch.tensor([[1, 2], [3, 4], [3, 5], [0, 0], [0, 0], [0, 0]])


def test_a_partner_is_one_of_the_neighbours_each_as_often(run):
    index = torch.zeros(400, dtype=torch.int64)
    ends = neighbours.partners(index, GRAPH, run.rng("pairs"))
    assert ends.bincount(minlength=6).tolist() == pytest.approx([0, 200, 200, 0, 0, 0], abs=40)
    assert torch.equal(ends, neighbours.partners(index, GRAPH, run.rng("pairs")))
    assert not index.any()  # what was given is not written to


def test_each_image_has_a_partner_of_its_own(run):
    graph = torch.tensor([[1], [2], [3], [0]])
    assert neighbours.partners(torch.tensor([2, 0, 3]), graph, run.rng("pairs")).tolist() == [3, 1, 0]


def test_mutual_neighbours_by_hand():
    near = torch.tensor([[2, 1, 3], [0, 3, 4], [3, 1, 4], [0, 2, 1], [0, 1, 2]])
    # 2 does not have 0, which has it; 1 not 2; 0 not 4. All others have one another.
    assert neighbours.mutual(near).tolist() == [[1, 3, 1], [0, 3, 4], [3, 4, 3], [0, 2, 1], [1, 2, 1]]
    alone = torch.tensor([[1, 2], [0, 2], [0, 1], [0, 1]])  # nobody has 3
    assert neighbours.mutual(alone).tolist() == [[1, 2], [0, 2], [0, 1], [3, 3]]
    assert neighbours.mutual(torch.tensor([[1], [2], [0]])).tolist() == [[0], [1], [2]]


def test_mutual_neighbours_are_those_of_brute_force():
    n, k = 1200, 4  # more than one part
    stream = torch.Generator().manual_seed(0)
    place = torch.rand(n, 2, generator=stream)
    near = torch.cdist(place, place).fill_diagonal_(math.inf).topk(k, largest=False).indices
    rows = near.tolist()
    found = neighbours.mutual(near).tolist()
    for own, others in enumerate(rows):
        both = [other for other in others if own in rows[other]] or [own]  # nearest first
        assert found[own] == [both[i % len(both)] for i in range(k)]


def test_purity_by_hand():
    graph = torch.tensor([[1, 1], [0, 2], [2, 2]])
    labels = torch.tensor([4, 4, 5, 9])  # of which the last has no row
    same, alone = neighbours.purity(graph, labels)
    assert same == pytest.approx(5 / 6)
    assert alone == pytest.approx(1 / 3)


@pytest.mark.parametrize("shape", [(20, 1, 28, 28), (20, 3, 16, 16)])
def test_distorted_images_keep_shape_and_range_and_differ(run, shape):
    x = 2 * torch.rand(shape, generator=run.rng("x")) - 1
    seen = augment.distorted(x, run.rng("distortion"))
    assert seen.shape == x.shape
    assert seen.dtype == x.dtype
    assert x.min() - 1e-5 <= seen.min()
    assert seen.max() <= x.max() + 1e-5
    assert ((seen - x).abs().flatten(1).amax(1) > 0.1).all()
    assert torch.equal(seen, augment.distorted(x, run.rng("distortion")))
    same = augment.distorted(x[:1].expand(shape), run.rng("distortion"))
    assert not torch.allclose(same[0], same[1], atol=0.1)  # each image in its own way


@pytest.mark.usefixtures("still")
def test_without_distortion_an_image_is_itself(run):
    x = 2 * torch.rand(5, 3, 16, 16, generator=run.rng("x")) - 1
    torch.testing.assert_close(augment.distorted(x, run.rng("distortion")), x, rtol=0, atol=1e-4)


def leaning(side, down, right, lean):
    """A soft stroke, uint8 1×1×side×side, so many pixels off the middle, which leans ``lean`` columns for each row."""
    place = torch.arange(side) - (side - 1) / 2
    row, column = place[:, None] - down, place[None] - right
    ink = (-((column + lean * row) / 1.5).square() - (row / 5).square()).exp()
    return (255 * ink).round().byte()[None, None]


def test_deskewed_digits_stand_upright_in_the_middle():
    slants = {(2, -3, 0.5), (-1, 2, -0.4), (0, 0, 0.3)}
    images = torch.cat([leaning(28, *one) for one in slants])
    seen = neighbours.deskewed(images)
    assert (seen.dtype, seen.shape) == (torch.uint8, images.shape)
    before, after = (changes.lean(to_unit(x)).abs() for x in (images, seen))
    assert before.min() > 0.2
    assert after.max() < 0.02
    centre, _ = moments(seen.float())
    assert moments(images.float())[0].abs().amax() > 2
    assert centre.abs().max() < 0.1
    upright = leaning(28, 0, 0, 0.0)
    assert (seen.float() - upright.float()).abs().mean() < 4  # of 255; all are the same stroke
    assert torch.equal(neighbours.deskewed(images[1:2]), seen[1:2])  # each by itself


def test_a_blank_image_stays_blank():
    assert not neighbours.deskewed(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).any()


def moments(x):
    """Of images N×1×S×S: the centre of mass in pixels from the middle (N×2, down and right), and the angle of the
    longest axis against the horizontal, N."""
    w = x[:, 0] / x[:, 0].sum((1, 2), keepdim=True)
    place = torch.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    down, right = place[:, None], place[None]
    centre = torch.stack([(w * down).sum((1, 2)), (w * right).sum((1, 2))], dim=1)
    down, right = down - centre[:, :1, None], right - centre[:, 1:, None]
    both, yy, xx = ((w * product).sum((1, 2)) for product in (down * right, down * down, right * right))
    return centre, 0.5 * torch.atan2(2 * both, xx - yy)


@pytest.fixture
def bar():
    """400 equal pictures, 1×28×28, of a soft horizontal bar in the middle."""
    place = torch.arange(28) - 13.5
    return (-(place[:, None] / 1.5).square() - (place[None] / 5).square()).exp().expand(400, 1, 28, 28)


@pytest.mark.usefixtures("still")
def test_shifts_are_a_share_of_the_side(run, bar, monkeypatch):
    monkeypatch.setattr(augment, "SHIFT", 0.05)
    centre, angle = moments(augment.distorted(bar, run.rng("distortion")))
    assert centre.abs().amax(0).tolist() == pytest.approx([1.4, 1.4], abs=0.05)  # 0.05·28 pixels, either way
    assert centre.mean(0).tolist() == pytest.approx([0, 0], abs=0.15)
    assert angle.abs().max() < 0.01


@pytest.mark.usefixtures("still")
def test_turns_are_at_most_the_angle(run, bar, monkeypatch):
    monkeypatch.setattr(augment, "ROTATION", math.radians(10))
    centre, angle = moments(augment.distorted(bar, run.rng("distortion")))
    assert angle.min().item() == pytest.approx(-math.radians(10), abs=0.01)
    assert angle.max().item() == pytest.approx(math.radians(10), abs=0.01)
    assert centre.abs().max() < 0.05


def test_distortion_is_small(run, bar):
    centre, angle = moments(augment.distorted(bar, run.rng("distortion")))
    assert centre.abs().max() < 2
    assert angle.abs().max() < math.radians(25)  # a turn and a shear at once
    assert angle.abs().max() > math.radians(5)


def test_digits_are_moved_by_little_and_stay_bytes(run, bar):
    digits = (255 * bar).round().byte()
    moved = augment.moved(digits, run.rng("order"))
    assert (moved.dtype, moved.shape) == (torch.uint8, digits.shape)
    centre, angle = moments(moved.float())
    assert centre.abs().max() < 1.5  # pixels
    assert (centre.amax(0) > 0.5).all()  # in each direction, either way
    assert (centre.amin(0) < -0.5).all()
    assert angle.abs().max() < math.radians(20)  # a turn and a shear at once
    assert angle.amin() < -math.radians(4)
    assert angle.amax() > math.radians(4)
    ink = moved.float().sum((1, 2, 3)) / digits[0].float().sum()
    assert 0.8 < ink.min() < 0.95  # smaller and larger
    assert 1.05 < ink.max() < 1.25
    assert len(moved.flatten(1).unique(dim=0)) == len(moved)  # each in its own way
    assert torch.equal(moved, augment.moved(digits, run.rng("order")))
    assert not augment.moved(torch.zeros_like(digits), run.rng("order")).any()
    white = augment.moved(torch.full_like(digits, 255), run.rng("order"))
    assert white.flatten(1).amin(1).float().mean() < 128  # what comes in from outside is black
    assert white[:, :, 6:22, 6:22].eq(255).all()


HEADS = {"real": 1, "code": 6}  # a code of 4 and two continuous ones


@pytest.fixture
def digits(blobs):
    """60 images, and 3 neighbours of each: those with the same label."""
    images = blobs[0][:60]
    return images, (torch.arange(60)[:, None] + torch.tensor([10, 20, 30])) % 60


def reader(run):
    return run.build("weights", Discriminator, heads=HEADS, width=8, side=28, channels=1, norm="spectral")


def test_agreement_is_minus_the_information_that_neighbours_share(run, digits):
    images, graph = digits
    index = torch.arange(5, 25)
    on_real = neighbours.agreement(run, run.rng("agreement"), images, graph, size=4, weight=0.5)
    terms = on_real.terms(reader(run), images[:20])

    stream, discriminator = run.rng("agreement"), reader(run)
    index = torch.randint(len(images), (20,), generator=stream)
    near = images[neighbours.partners(index, graph, stream)]
    p, q = (
        discriminator(augment.distorted(2 * to_unit(x) - 1, stream))["code"][:, :4].softmax(1)
        for x in (images[index], near)
    )
    assert set(terms) == {"agreement"}
    expected = -0.5 * losses.shared_information(p, q, neighbours.BALANCE)
    torch.testing.assert_close(terms["agreement"], expected)
    assert terms["agreement"].shape == ()


def test_agreement_teaches_the_trunk_and_the_code_but_not_the_verdict(run, digits):
    images, graph = digits
    discriminator = reader(run)
    on_real = neighbours.agreement(run, run.rng("agreement"), images, graph, size=4, weight=1.0)
    on_real.terms(discriminator, images)["agreement"].backward()
    for name, parameter in discriminator.named_parameters():
        if name.startswith("heads.real"):
            assert parameter.grad is None, name
        else:
            assert parameter.grad.abs().sum() > 0, name
    bias = discriminator.heads["code"].bias.grad
    assert bias[:4].abs().min() > 0
    assert not bias[4:].any()  # the continuous codes are not asked to agree


def test_descending_on_agreement_gives_neighbours_the_same_code_and_uses_all_of_them(run, digits):
    images, graph = digits
    discriminator = run.build("weights", Discriminator, heads=HEADS, width=8, side=28, channels=1, norm="none")
    with torch.no_grad():
        discriminator.heads["code"].weight *= 10  # where nothing tells the codes apart, the gradient is almost nothing
    on_real = neighbours.agreement(run, run.rng("agreement"), images, graph, size=4, weight=1.0)
    optimizer = torch.optim.Adam(discriminator.parameters(), 5e-3)

    def probabilities():
        with torch.no_grad():
            return discriminator(2 * to_unit(images) - 1)["code"][:, :4].softmax(1)

    def shared(p):
        return losses.shared_information(p, p[graph[:, 0]]).item()

    assert shared(probabilities()) < 0.05
    for _ in range(40):
        descend(on_real.terms(discriminator, images)["agreement"], optimizer)
    assert 1 < shared(probabilities()) <= math.log(4)
    codes = probabilities().argmax(1)
    assert len(codes.unique()) == 4
    assert (codes == codes[graph[:, 0]]).float().mean() > 0.9


def test_agreement_joins_the_game(run, digits):
    images, graph = digits
    condition = infogan.codes([4], 2, run.rng("condition"), 1.0, 0.1)
    gan = make_gan(run, "toy", PROJECT, 5 + condition.width, {"code": 6}, width=8, side=28, channels=1)
    on_real = neighbours.agreement(run, run.rng("agreement"), images, graph, size=4, weight=1.0)
    step = gan_step(Game(gan, run, run.rng("noise"), PROJECT, condition, on_real))
    for start in (0, 20, 40):
        scalars = step(images[start : start + 20])
        assert all(value.isfinite() and not value.requires_grad for value in scalars.values())
    assert set(scalars) == {
        "discriminator", "generator", "real", "fake", "agreement", "entropy", "error", "entropy_fake", "error_fake"
    }  # fmt: skip
    assert -neighbours.BALANCE * math.log(4) <= scalars["agreement"] <= 1e-3


def test_images_are_distorted_in_float32_whatever_surrounds_it(run):
    x = torch.randn(6, 1, 28, 28, generator=run.rng("x"))
    plain = augment.distorted(x, run.rng("moves"))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment.distorted(x, run.rng("moves")), plain)
        half = augment.distorted(x.bfloat16(), run.rng("moves"))
    assert half.dtype == torch.float32


def test_half_of_the_digits_are_moved(run, bar):
    digits = (255 * bar).round().byte()
    seen = augment.half_moved(digits, run.rng("order"))
    assert (seen.dtype, seen.shape) == (torch.uint8, digits.shape)
    as_they_are = (seen == digits).flatten(1).all(1)
    assert as_they_are.sum().item() == pytest.approx(200, abs=40)
    assert len(seen[~as_they_are].flatten(1).unique(dim=0)) == (~as_they_are).sum()  # each in its own way


def test_faces_are_retaken_by_little_and_stay_bytes(run, bar):
    grey = torch.full((400, 3, 64, 64), 100, dtype=torch.uint8)
    assert torch.equal(augment.retaken(grey, run.rng("order")), grey)  # what lies outside is as bright as the edge

    bars = (150 * bar).round().byte().expand(-1, 3, -1, -1)
    seen = augment.retaken(bars, run.rng("order"))
    assert (seen.dtype, seen.shape) == (torch.uint8, bars.shape)
    centre, angle = moments(seen[:, :1].float())
    assert 0.3 < centre.abs().max() < 0.6  # pixels; 3 in 100 of half of 28 are 0.42
    assert math.radians(2) < angle.abs().max() < math.radians(3.5)
    ink = seen.float().sum((1, 2, 3)) / bars[0].float().sum()
    assert 0.87 < ink.min() < 0.93  # smaller and larger
    assert 1.07 < ink.max() < 1.13
    assert len(seen.flatten(1).unique(dim=0)) == len(seen)  # each in its own way
    assert torch.equal(seen, augment.retaken(bars, run.rng("order")))


# Groups before the game


@pytest.fixture
def quarters():
    """80 noisy images, uint8 80×1×16×16, in which one quarter is bright, and 3 of each one's kind."""
    images = torch.randint(0, 40, (80, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for i, image in enumerate(images):
        row, column = 8 * (i % 4 // 2), 8 * (i % 2)
        image[0, row : row + 8, column : column + 8] += 180
    return images, (torch.arange(80)[:, None] + torch.tensor([4, 8, 12])) % 80


def sort(run, quarters):
    return neighbours.group(run, "groups", *quarters, 4, width=8, steps=60, batch_size=32)


@pytest.fixture
def grouped(run, quarters):
    return sort(run, quarters)


def test_groups_are_those_of_neighbours_and_no_label_is_needed(quarters, grouped):
    images, graph = quarters
    groups = codes_read(grouped.network, images, 4, grouped.head)
    assert groups[:4].sort().values.tolist() == [0, 1, 2, 3]
    assert torch.equal(groups, groups[graph[:, 0]])
    assert not grouped.network.training
    curve = grouped.history.curve
    assert list(curve["step"]) == [10, 20, 30, 40, 50, 60]
    heads = [f"group{i}" for i in range(neighbours.HEADS)]
    assert list(curve.columns) == ["step", *heads] == ["step", *grouped.shared]
    assert grouped.shared[grouped.head] == max(grouped.shared.values())
    assert grouped.shared[grouped.head] <= neighbours.BALANCE * math.log(4)
    assert curve[grouped.head].iloc[-1] > curve[grouped.head].iloc[0]
    assert len({round(value, 4) for value in grouped.shared.values()}) == 5  # heads begin from different weights
    assert grouped.network.heads["real"].out_features == 1  # which the discriminator that is taught has, too


def test_equal_seeds_give_equal_groups(run, quarters, grouped):
    again = sort(run, quarters)
    assert again.shared == grouped.shared
    for one, other in zip(again.network.parameters(), grouped.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_discriminator_that_was_taught_reads_the_groups(run, quarters, grouped):
    images, _ = quarters
    shape = {"width": 8, "side": 16, "channels": 1}
    discriminator = run.build("fresh", Discriminator, heads=HEADS, norm="batch", **shape)
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    neighbours.teach(discriminator, grouped)
    expected = codes_read(grouped.network, images, 4, grouped.head)
    assert torch.equal(codes_read(discriminator, images, 4), expected)
    after = discriminator.state_dict()
    for name, value in grouped.network.trunk.state_dict().items():
        assert torch.equal(after[f"trunk.{name}"], value)
    for name in ("heads.real.weight", "heads.real.bias"):  # the verdict is learned in the game
        assert torch.equal(after[name], before[name])
    assert torch.equal(after["heads.code.weight"][4:], before["heads.code.weight"][4:])  # continuous codes, too
    assert torch.equal(after["heads.code.bias"][4:], before["heads.code.bias"][4:])
    with torch.no_grad():  # what is taught is a copy: the game does not change the grouping
        discriminator.heads["code"].weight.zero_()
        next(discriminator.trunk.parameters()).zero_()
    assert torch.equal(codes_read(grouped.network, images, 4, grouped.head), expected)
