"""How losses move, and what is said of several seeds, against values by hand."""

import math

import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from lab_utils.metrics import estimate, stability
from lab_utils.run import rng, stream_seed


def test_the_discriminator_of_several_trainings_by_hand():
    losses = [[9.0] * 10 + [2, 4] * 10, list(range(30))]
    found = stability.of_discriminator([pd.DataFrame({"step": range(30), "discriminator": one}) for one in losses])
    assert set(found) == {"end", "swing", "roughness"}
    assert found["end"] == [3, 24.5]  # means of the last ten
    assert found["swing"] == pytest.approx([1 / 3, (35 / 12) ** 0.5 / 26.5])  # of the last six
    rough = stability.roughness([2.0, 4] * 8)  # of the last fifteen, which begin with the second of a pair
    assert found["roughness"][0] == pytest.approx(stability.roughness([4.0, 2] * 7 + [4.0]))
    assert found["roughness"][0] == pytest.approx(rough, rel=0.1)
    assert found["roughness"][1] == 0  # a straight line


def test_a_training_with_few_points_still_has_an_end():
    found = stability.of_discriminator([pd.DataFrame({"discriminator": [3.0, 1.0]})])
    assert found["end"] == [1]
    assert found["swing"] == [0]


def test_rank_correlations_are_those_of_scipy():
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 9, (2, 20), generator=stream).tolist()  # with ties
    assert stability.rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert stability.rank_correlation(a, [math.exp(x) for x in a]) == pytest.approx(1)
    assert stability.rank_correlation(a, [-x for x in a]) == pytest.approx(-1)
    tensors = (torch.tensor(one).float() for one in (a, b))
    assert stability.rank_correlation(*tensors) == pytest.approx(spearmanr(a, b).statistic)


def test_a_number_of_each_seed_has_their_mean_its_range_and_each_of_them():
    assert estimate.over_seeds([3.0, 1.0, 2.0], 500) == {
        "value": 2.0,
        "n": 500,
        "range": [1.0, 3.0],
        "seeds": 3,
        "by_seed": [3, 1, 2],
    }
    assert estimate.over_seeds([4.0], 9) == {"value": 4.0, "n": 9, "range": [4.0, 4.0], "seeds": 1, "by_seed": [4]}


def test_seeds_to_compare_begin_with_that_of_the_run(run):
    runs = run.seeds(3)
    assert [one.seed for one in runs] == [0, 1, 2]
    assert runs[0] == run
    assert {(one.device, one.precision) for one in runs} == {(run.device, run.precision)}
    drawn = [torch.rand(3, generator=one.rng("x")).tolist() for one in runs]
    assert len({tuple(row) for row in drawn}) == 3
    assert drawn[1] == torch.rand(3, generator=rng(1, "x")).tolist()
    assert stream_seed(1, "x") != stream_seed(0, "x")
    assert run.seeds(0) == []
