"""Codes against labels: counts and assignments against slow ones, and the information against its exact value."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, mutual_info_score

from lab_utils.metrics import clusters
from lab_utils.models.gan import Discriminator


def pairs(k, classes, n=200, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(0, k, (n,), generator=stream), torch.randint(0, classes, (n,), generator=stream)


def test_confusion_by_hand():
    codes, labels = torch.tensor([0, 1, 1, 1, 0]), torch.tensor([2, 0, 0, 1, 2])
    counts = clusters.confusion(codes, labels, k=3, classes=4)
    assert counts.tolist() == [[0, 0, 2, 0], [2, 1, 0, 0], [0, 0, 0, 0]]


def test_confusion_is_that_of_scikit_learn():
    codes, labels = pairs(6, 6)
    assert np.array_equal(clusters.confusion(codes, labels, 6, 6), confusion_matrix(codes, labels))


def test_a_code_or_label_that_there_is_not_is_an_error():
    codes, labels = pairs(4, 3)
    for k, classes in ((3, 3), (4, 2)):
        with pytest.raises(IndexError):
            clusters.confusion(codes, labels, k, classes)


def test_a_renaming_is_found():
    names = torch.tensor([3, 0, 4, 1, 2])
    codes = pairs(5, 5)[0]
    found = clusters.assignment(codes, names[codes], 5, 5)
    assert torch.equal(found, names)
    assert clusters.assigned_right(codes, names[codes], found).tolist() == [1] * 200


def test_each_code_its_commonest_label_is_not_always_possible():
    # Both codes are mostly class 0: 9 + 0 images agree if code 0 gets it, 6 + 8 if code 1 does.
    codes = torch.tensor([0] * 15 + [1] * 8)
    labels = torch.tensor([0] * 9 + [1] * 6 + [0] * 8)
    found = clusters.assignment(codes, labels, 2, 2)
    assert found.tolist() == [1, 0]
    assert clusters.assigned_right(codes, labels, found).sum() == 14


@pytest.mark.parametrize(("k", "classes"), [(5, 5), (6, 4), (4, 6)])
def test_no_other_assignment_agrees_more_often(k, classes):
    for seed in range(5):
        codes, labels = pairs(k, classes, n=60, seed=seed)
        counts = clusters.confusion(codes, labels, k, classes)
        tall = counts if k >= classes else counts.T
        best = max(
            sum(tall[row, i] for i, row in enumerate(rows)) for rows in permutations(range(len(tall)), tall.shape[1])
        )
        found = clusters.assignment(codes, labels, k, classes)
        assert clusters.assigned_right(codes, labels, found).sum() == best
        given = found[found >= 0].tolist()
        assert len(given) == len(set(given)) == min(k, classes)  # one to one
        assert (found == -1).sum() == max(k - classes, 0)


def test_codes_left_over_hit_nothing():
    codes, labels = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 0])
    found = clusters.assignment(codes, labels, 3, 2)
    assert found.tolist() == [0, -1, 1]
    assert clusters.assigned_right(codes, labels, found).tolist() == [1, 1, 0, 1, 1, 0]


def test_the_assignment_of_one_split_is_scored_on_another():
    found = clusters.assignment(torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0]), 2, 2)
    right = clusters.assigned_right(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 0, 0, 1]), found)
    assert right.tolist() == [1, 0, 1, 0]
    assert right.dtype == torch.float32


def test_information_by_hand():
    codes = torch.tensor([0, 1, 2, 0])
    sure, blank = torch.zeros(4, 4), torch.zeros(4, 4)
    sure[torch.arange(4), codes] = 1000
    assert clusters.code_information(sure, codes).tolist() == pytest.approx([math.log(4)] * 4)  # two bits
    assert clusters.code_information(blank, codes).tolist() == pytest.approx([0] * 4, abs=1e-6)
    shares = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log() + 3  # logits may be shifted
    assert clusters.code_information(shares, codes[:1]).item() == pytest.approx(math.log(2))
    assert clusters.code_information(shares, codes[2:3]).item() == pytest.approx(-math.log(2))


def test_information_is_the_mutual_information_for_the_true_posterior_and_less_for_others():
    # Three codes, each once for x in 0, 1, 2, 3 as often as the table says; the codes are equally frequent.
    table = torch.tensor([[6, 2, 0, 2], [1, 7, 1, 1], [0, 0, 10, 0]])
    codes, x = torch.nonzero(table).repeat_interleave(table[table > 0], 0).T
    posterior = (table / table.sum(0)).log()  # of the code given x
    exact = mutual_info_score(codes, x)
    assert clusters.code_information(posterior.T[x], codes).mean().item() == pytest.approx(exact, abs=1e-6)
    for seed in range(20):
        noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))
        other = clusters.code_information((posterior + 0.5 * noise).T[x], codes)
        assert other.mean() < exact
        assert other.max() <= math.log(3) + 1e-6


def test_codes_are_read_from_the_first_logits_in_evaluation():
    network = Discriminator({"real": 1, "code": 6}, width=4, side=28, channels=1)
    images = torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    read = clusters.codes_read(network, images, 4, batch=2)
    assert network.training
    with torch.no_grad():
        expected = network.eval()(2 * images.float() / 255 - 1)["code"][:, :4].argmax(1)
    assert torch.equal(read, expected)


def test_codes_are_read_by_the_head_that_is_named():
    network = Discriminator({"real": 1, "code": 4, "group1": 4}, width=4, side=28, channels=1)
    images = torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network.eval()(2 * images.float() / 255 - 1)
    for head in ("code", "group1"):
        assert torch.equal(clusters.codes_read(network, images, 4, head), logits[head].argmax(1))
    labels = torch.arange(9) % 4
    scores = clusters.code_scores(network, (images, labels), (images, labels), 4, "group1")
    assert torch.equal(scores.codes, logits["group1"].argmax(1))


def test_the_most_information_is_zero_by_chance_and_all_of_it_for_the_code_itself():
    rng = torch.Generator().manual_seed(0)
    codes = torch.randint(2, (600,), generator=rng)
    strangers = torch.randint(2, (600, 5), generator=rng)
    assert abs(clusters.most_information(codes, strangers)) < 3e-3
    found = clusters.most_information(codes, torch.cat([strangers, codes[:, None]], 1))
    assert found == pytest.approx(math.log(2), abs=0.02)
