"""Control metrics on cases whose answer is known."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from lab_utils.data.batches import to_unit
from lab_utils.metrics import control
from lab_utils.training import classifier


def test_probes_find_a_label_that_is_there_and_none_that_is_not():
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(1500) % 10
    z = torch.randn(1500, 4, generator=stream)
    told = z.clone()
    angle = labels * (2 * torch.pi / 10)
    told[:, :2] += 10 * torch.stack([angle.cos(), angle.sin()], dim=1)  # two coordinates hold the label
    for latents, low, high in [(z, 0.05, 0.16), (told, 0.9, 1.0)]:
        found = control.label_leakage(latents[:1000], labels[:1000], latents[1000:], labels[1000:], seed=0)
        assert set(found) == {"logistic", "mlp"}
        assert low <= max(right.mean().item() for right in found.values()) <= high


def test_the_mlp_probe_sees_what_a_linear_one_cannot():
    stream = torch.Generator().manual_seed(0)
    z = torch.randn(3000, 2, generator=stream)
    labels = (z[:, 0] * z[:, 1] > 0).long()
    found = control.label_leakage(z[:2000], labels[:2000], z[2000:], labels[2000:], seed=0)
    assert found["logistic"].mean() < 0.65
    assert found["mlp"].mean() > 0.9


def test_distance_within_labels_is_exact():
    features = torch.tensor([[0.0, 0], [3, 4], [100, 0], [100, 1]])
    labels = torch.tensor([0, 0, 1, 1])
    assert control.within_label_distance(features, labels) == pytest.approx((5 + 1) / 2)


def test_first_of_each_takes_the_first():
    labels = torch.tensor([1, 0, 1, 2, 0, 2, 1])
    assert control.first_of_each(labels, 2, classes=3).tolist() == [1, 4, 0, 2, 3, 5]


class Brightness(torch.nn.Module):
    """Reads 1 in a bright image and 0 in a dark one."""

    def forward(self, x):
        bright = x.mean((1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], dim=1)


def test_what_is_correct_compares_reading_and_wish():
    x = torch.tensor([0.9, 0.1, 0.8]).view(3, 1, 1, 1)
    assert control.correct(Brightness(), x, torch.tensor([1, 1, 1])).tolist() == [1, 0, 1]


def test_two_readers_of_two_seeds_differ(run, blobs):
    """What is trained for one run alone, as a reader of its samples, follows the run's seed."""
    one, other = (classifier.train_classifier(replace(run, seed=seed), "reader", *blobs, steps=1) for seed in (0, 1))
    assert not torch.equal(one.head.weight, other.head.weight)


class Channels(torch.nn.Module):
    """Three attributes: whether red, green and blue are bright."""

    def forward(self, x):
        return x.mean((2, 3)) - 0.5


def test_attributes_are_read_where_logits_are_positive():
    images = torch.zeros(5, 3, 2, 2, dtype=torch.uint8)
    images[0, 0] = images[1, 1:] = images[3] = 200
    images[4] = 127  # just below the middle
    expected = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]
    for seen in (images, to_unit(images)):
        assert control.attributes_read(Channels(), seen, batch=2).tolist() == expected


def test_balanced_accuracy_by_hand():
    true = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 1], [1, 0, 1, 1], [0, 0, 0, 1]]).float()
    read = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]).float()
    # 2 of 3 with and 1 of 1 without; all; 0 of 1 with and 3 of 3 without; nobody is without
    found = control.balanced_accuracy(read, true)
    assert found[:3].tolist() == pytest.approx([5 / 6, 1, 0.5])
    assert found[3].isnan()
    assert control.balanced_accuracy(read, 0 * true).isnan().all()


def test_one_answer_for_all_is_chance():
    true = torch.tensor([[1.0], [1], [1], [0]])
    assert control.balanced_accuracy(torch.ones(4, 1), true).item() == 0.5
    assert control.balanced_accuracy(1 - true, true).item() == 0


def test_flips_and_other_attributes_by_hand():
    off = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]]).float()
    on = torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 0, 1], [0, 1, 0, 1]]).float()
    assert control.flipped(off, on, 0).tolist() == [1, 0, 0, 0]  # backwards, in the last pair, is no flip
    assert control.flipped(off, on, 1).tolist() == [0, 1, 0, 1]
    assert control.others_agree(off, on, 0).tolist() == pytest.approx([1, 2 / 3, 2 / 3, 0])
    assert control.others_agree(off, on, 1).tolist() == pytest.approx([2 / 3, 1, 2 / 3, 0])
    assert control.others_agree(off[:, :1], on[:, :1], 0).isnan().all()


def test_flips_and_other_attributes_of_pictures():
    off = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    on = off.clone()
    on[0, 0] = 200  # red alone, as asked
    on[1] = 200  # everything
    read = [control.attributes_read(Channels(), images) for images in (off, on)]
    assert control.flipped(*read, 0).tolist() == [1, 1, 0]
    assert control.others_agree(*read, 0).tolist() == [1, 0, 1]


def test_images_without_any_of_some_attributes():
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    images[0, 0] = images[1, 2] = images[2, 0] = images[2, 2] = 200
    assert control.none_of(Channels(), images, [0, 2]).tolist() == [0, 0, 0, 1]
    assert control.none_of(Channels(), images, [1]).tolist() == [1, 1, 1, 1]
    assert control.none_of(Channels(), to_unit(images), [0]).tolist() == [0, 1, 0, 1]


# Rows of a table in pairs


@pytest.fixture
def people(run):
    """300 rows of four attributes: the second goes with the first, the third never, the fourth has nothing to do with
    it."""
    table = torch.randint(0, 2, (300, 4), generator=run.rng("table")).float()
    often = torch.rand(300, generator=run.rng("often")) < 0.8
    table[:, 1] = torch.where(often, table[:, 0], table[:, 1])
    table[:, 2] = 1 - table[:, 0]
    return table


def test_pairs_are_rows_of_the_table_without_and_with_the_attribute(run, people):
    pairs = control.coupled(people, 0, 200, run.rng("pairs"))
    assert pairs.without.shape == pairs.having.shape == (200, 4)
    rows = {tuple(row) for row in people.tolist()}
    for half, value in ((pairs.without, 0), (pairs.having, 1)):
        assert half[:, 0].eq(value).all()
        assert {tuple(row) for row in half.tolist()} <= rows
        # Rows are drawn as often as they occur.
        kind = people[people[:, 0] == value]
        assert half.mean(0).tolist() == pytest.approx(kind.mean(0).tolist(), abs=0.12)
    again = control.coupled(people, 0, 200, run.rng("pairs"))
    assert all(torch.equal(*both) for both in zip(pairs, again, strict=True))
    other = control.coupled(people, 0, 200, run.rng("other pairs"))
    assert not torch.equal(pairs.without, other.without)


def test_no_other_pairing_of_these_rows_agrees_more(run, people):
    pairs = control.coupled(people, 0, 6, run.rng("pairs"))
    cost = (pairs.without[:, None] != pairs.having).sum(2)
    found = cost.diagonal().sum().item()
    assert found == min(sum(cost[i, j].item() for i, j in enumerate(order)) for order in permutations(range(6)))


def test_what_the_data_never_combine_is_changed_together_and_little_else(run, people):
    pairs = control.coupled(people, 0, 200, run.rng("pairs"))
    changed = (pairs.without != pairs.having).float().mean(0)
    assert changed[0] == changed[2] == 1
    assert changed[3] < 0.15  # equally frequent on either side
    share = [people[people[:, 0] == value, 1].mean() for value in (0, 1)]
    assert changed[1] == pytest.approx(abs(share[1] - share[0]).item(), abs=0.15)  # no coupling changes it less often
    # Rows that are paired as they come agree less.
    strangers = control.others_agree(pairs.without, pairs.having.roll(1, 0), 0).mean()
    assert control.others_agree(*pairs, 0).mean() > strangers + 0.05


def test_attainable_agreement_is_that_of_coupled_rows(run, people):
    found = control.attainable_agreement(people, 0, 150, run.rng("pairs"))
    expected = control.others_agree(*control.coupled(people, 0, 150, run.rng("pairs")), 0)
    assert found.shape == (150,)
    assert torch.equal(found, expected)
    assert found.max() <= 2 / 3 + 1e-6  # the third never agrees
    free = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).repeat(20, 1)
    assert control.attainable_agreement(free, 0, 400, run.rng("pairs")).mean() > 0.9


def test_pairs_keep_other_attributes_that_neither_side_lacks(run):
    table = torch.tensor([[0.0, 1, 0], [1, 1, 0]]).repeat(10, 1)
    assert control.attainable_agreement(table, 0, 30, run.rng("pairs")).eq(1).all()
