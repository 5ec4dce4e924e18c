"""Pairs that are asked for without and with an attribute, what is read of them, and what a training left behind."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils.data.batches import to_signed, to_unit
from lab_utils.metrics import control, fidelity
from lab_utils.metrics.control import Coupled
from lab_utils.training import acgan

NOISE, COLUMNS = 5, [2, 0]  # blue, then red, is what the generator is told


class Painter(nn.Module):
    """Makes what it is told bright, 0.1 or 0.9 of blue and of red, and green by its first noise."""

    def forward(self, inputs):
        noise, told = inputs.split([NOISE, 4], dim=1)
        levels = torch.stack([told[:, 3] - told[:, 2], noise[:, 0].tanh(), told[:, 1] - told[:, 0]], dim=1)
        return 0.8 * levels[:, :, None, None].expand(-1, 3, 8, 8)


class Judge(nn.Module):
    """Three attributes: whether red, green and blue are bright."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.AvgPool2d(8), nn.Flatten())
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(3))
            self.head.bias.fill_(-0.5)

    def forward(self, x):
        return self.head(self.features(x))


class Head(nn.Module):
    """A discriminator whose class head reads blue from blue and red from green."""

    def forward(self, x):
        return {"attributes": 3 * x.mean((2, 3))[:, [2, 1]]}


@pytest.fixture
def gan():
    return SimpleNamespace(sampler=Painter(), discriminator=Head())


@pytest.fixture
def noise(run):
    return run.noise(40, NOISE, "pairs")


def requests(n):
    """For each of the two told the attributes asked for in either half; the other one is on in every second pair."""
    other = torch.arange(n).float() % 2
    off, on = torch.zeros(n), torch.ones(n)
    return [
        Coupled(torch.stack([off, other], dim=1), torch.stack([on, other], dim=1)),
        Coupled(torch.stack([other, off], dim=1), torch.stack([other, on], dim=1)),
    ]


def test_what_is_given_is_noise_and_then_pairs(noise):
    told = torch.tensor([[1.0, 0.0]]).expand(40, 2)
    given = acgan.given(noise, told)
    assert torch.equal(given, torch.cat([noise, acgan.pairs(told)], dim=1))
    assert given[0, NOISE:].tolist() == [0, 1, 1, 0]


def test_pairs_have_the_same_noise_and_what_was_asked_for(gan, noise):
    off, on = acgan.make_pairs(gan, noise, requests(40)[0])
    assert off.dtype == on.dtype == torch.uint8
    assert off.shape == on.shape == (40, 3, 8, 8)
    for images, blue in ((off, 0.1), (on, 0.9)):
        levels = to_unit(images).mean((2, 3))
        assert levels[:, 2].tolist() == pytest.approx([blue] * 40, abs=1 / 255)
        torch.testing.assert_close(levels[:, 1], (0.8 * noise[:, 0].tanh() + 1) / 2, atol=1 / 255, rtol=0)
        assert levels[:, 0].tolist() == pytest.approx([0.1, 0.9] * 20, abs=1 / 255)


def test_the_halves_of_a_pair_may_be_asked_for_different_others(gan, noise):
    """What the data hardly ever combine is changed together."""
    wanted = Coupled(torch.tensor([[0.0, 1.0]]).expand(40, 2), torch.tensor([[1.0, 0.0]]).expand(40, 2))
    off, on = acgan.make_pairs(gan, noise, wanted)
    assert to_unit(off).mean((2, 3))[0].tolist()[::2] == pytest.approx([0.9, 0.1], abs=1 / 255)
    assert to_unit(on).mean((2, 3))[0].tolist()[::2] == pytest.approx([0.1, 0.9], abs=1 / 255)


def test_steps_lead_from_one_half_to_the_other(gan, noise):
    shares = [0.0, 0.25, 0.5, 1.0]
    wanted = requests(40)[0]
    path = list(acgan.steps(gan, noise, wanted, shares))
    assert len(path) == 4
    assert [images[:, 2].mean().item() for images in path] == pytest.approx([0.1, 0.3, 0.5, 0.9])
    for images in path:  # nothing else changes
        assert torch.equal(images[:, :2], path[0][:, :2])
    for images, half in zip((path[0], path[-1]), acgan.make_pairs(gan, noise, wanted), strict=True):
        assert torch.equal(fidelity.as_bytes(images), half)


@pytest.fixture
def real(run):
    """60 images (uint8) with their table of three attributes, which their colours show."""
    table = torch.randint(0, 2, (60, 3), generator=run.rng("table")).float()
    levels = (60 + 140 * table).byte()
    images = levels[:, :, None, None].expand(-1, 3, 8, 8) + torch.randint(
        0, 9, (60, 3, 8, 8), generator=run.rng("grain"), dtype=torch.uint8
    )
    return images, table


def test_what_is_examined_is_what_its_parts_say(gan, noise, real):
    images, table = real
    like_real = acgan.given(noise[torch.arange(60) % 40], table[:, COLUMNS])
    found = acgan.examine(gan, Judge(), noise, requests(40), COLUMNS, real, like_real)
    assert len(found.pairs) == len(found.judge) == len(found.head) == 2
    for k, column in enumerate(COLUMNS):
        pairs = acgan.make_pairs(gan, noise, requests(40)[k])
        assert all(torch.equal(*both) for both in zip(found.pairs[k], pairs, strict=True))
        for one, other in zip(found.judge[k], control.read_pairs(Judge(), *pairs, column), strict=True):
            assert torch.equal(one, other)
        assert torch.equal(found.head[k].right, acgan.head_on_pairs(gan, *pairs, k).right)
    assert [one.flipped.mean() for one in found.judge] == [1, 1]
    assert found.head[0].right.mean() == 1
    assert found.head[1].right.mean() == 0.5  # green does not move with red
    expected = acgan.head_accuracy(gan, images, table[:, COLUMNS])
    assert torch.equal(found.head_on_real, expected)
    assert found.head_on_real[0] == 1
    drawn = (gan.sampler(like_real) + 1) / 2
    assert found.fcd == pytest.approx(fidelity.fcd(Judge(), drawn, images), rel=1e-5)


def test_readings_of_the_head_by_hand():
    class Says(nn.Module):
        def forward(self, x):
            return {"attributes": x.mean((1, 2, 3), keepdim=False)[:, None] * torch.tensor([[2.0, -2.0]])}

    off, on = (
        torch.tensor(t, dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 4, 4) for t in ([0, 255, 0], [255, 255, 0])
    )
    found = acgan.head_on_pairs(SimpleNamespace(discriminator=Says()), off, on, 0)
    assert found.right.tolist() == [1, 0.5, 0.5]
    right, wrong = F.softplus(torch.tensor([-2.0, 2.0])).tolist()
    assert found.loss.tolist() == pytest.approx([right, (wrong + right) / 2, (right + wrong) / 2])
    assert to_signed(off).min() == -1


# Where the images of pairs change


def test_where_pairs_change_by_hand():
    off, on = (torch.full((2, 3, 8, 8), 0.5) for _ in range(2))
    on[:, :, :2, :2] += 0.4  # the upper left of 4×4 areas
    on[:, :, 4:6, 2:4] += 0.2
    on[0, :, 6:, 6:] += 0.3
    on[1, :, 6:, 6:] -= 0.3  # what changes differently in each does not count
    found = acgan.change_by_region(off, on)
    assert found["most"] == pytest.approx(0.4)
    assert found["most_at"] == "at the upper left"
    assert found["least"] == pytest.approx(0)
    assert found["jaw"] == pytest.approx(0.2 / 4)  # of four areas, the middle of the lower half
    assert found["beside"] == pytest.approx(0.4 / 12)
    assert acgan.change_by_region(on, off)["most"] == pytest.approx(0.4)  # its size, not its direction


def test_channels_that_change_apart_do_not_cancel():
    off, on = (torch.full((3, 3, 8, 8), 0.5) for _ in range(2))
    on[:, 0] += 0.1
    on[:, 1] -= 0.1
    found = acgan.change_by_region(off, on)
    assert found["most"] == pytest.approx(0.2 / 3)
    assert found["least"] == pytest.approx(0.2 / 3)


# What a training left behind


def test_thirds_of_a_training_by_hand():
    n = 9
    curve = pd.DataFrame(
        {
            "step": range(n),
            "generator": [9.0] * 3 + [1, 2, 3] + [4, 5, 6],
            "class": [9.0] * 3 + [3, 3, 3] + [6, 6, 9],
            "real": [9.0] * 3 + [1, 1, 1] + [2, 2, 2],
            "fake": [0.0] * 3 + [-1, -1, -1] + [1, 1, 1],
        }
    )
    found = acgan.thirds(curve, 3.0)
    assert found == {
        "g_loss_middle": (5.0, 3), "g_class_middle": (1.0, 3), "d_lead_middle": (2.0, 3),
        "g_loss_end": (12.0, 3), "g_class_end": (pytest.approx(7 / 3), 3), "d_lead_end": (1.0, 3),
    }  # fmt: skip
    longer = pd.concat([curve, curve.iloc[-2:]])  # 11 points: the middle takes what is left over
    assert {key: n for key, (_, n) in acgan.thirds(longer, 3.0).items() if key.startswith("g_loss")} == {
        "g_loss_middle": 5, "g_loss_end": 3
    }  # fmt: skip
