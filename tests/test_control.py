"""Control metrics on cases whose answer is known, and the judge's cache."""

import pytest
import torch

from lab_utils import judges
from lab_utils.metrics import control


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
        assert low <= max(hit.mean().item() for hit in found.values()) <= high


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


def test_hits_compare_reading_and_wish():
    x = torch.tensor([0.9, 0.1, 0.8]).view(3, 1, 1, 1)
    assert control.hits(Brightness(), x, torch.tensor([1, 1, 1])).tolist() == [1, 0, 1]


def test_the_judge_learns_and_is_the_same_from_the_cache(run, blobs, tmp_path, capsys):
    fresh = judges.digit_judge(run, *blobs, epochs=20, cache=tmp_path)
    assert "from the cache" not in capsys.readouterr().out
    x = blobs[0].float() / 255
    assert control.hits(fresh, x, blobs[1]).mean() > 0.9
    cached = judges.digit_judge(run, *blobs, epochs=20, cache=tmp_path)
    assert "from the cache" in capsys.readouterr().out
    with torch.no_grad():
        assert torch.equal(fresh(x), cached(x))
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_other_data_or_another_seed_trains_another_judge(run, blobs, tmp_path):
    judges.digit_judge(run, *blobs, epochs=1, cache=tmp_path)
    judges.digit_judge(run, blobs[0].flip(0), blobs[1], epochs=1, cache=tmp_path)
    judges.digit_judge(type(run)(1, run.device, run.precision), *blobs, epochs=1, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
