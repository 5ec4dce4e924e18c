"""Control metrics on cases whose answer is known, and the judge's cache."""

import pytest
import torch

from lab_utils import judges
from lab_utils.data.batches import to_unit
from lab_utils.metrics import control
from lab_utils.models.classifier import DigitClassifier, FaceClassifier


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
    fresh = judges.digit_judge(run, *blobs, epochs=40, cache=tmp_path)
    assert "from the cache" not in capsys.readouterr().out
    x = blobs[0].float() / 255
    assert control.hits(fresh, x, blobs[1]).mean() > 0.9
    cached = judges.digit_judge(run, *blobs, epochs=40, cache=tmp_path)
    assert "from the cache" in capsys.readouterr().out
    with torch.no_grad():
        assert torch.equal(fresh(x), cached(x))
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_other_data_or_another_seed_trains_another_judge(run, blobs, tmp_path):
    judges.digit_judge(run, *blobs, epochs=1, cache=tmp_path)
    judges.digit_judge(run, blobs[0].flip(0), blobs[1], epochs=1, cache=tmp_path)
    judges.digit_judge(type(run)(1, run.device, run.precision), *blobs, epochs=1, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


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


def test_the_face_judge_learns_and_is_the_same_from_the_cache(run, portraits, tmp_path, capsys):
    images, attributes = portraits
    fresh = judges.face_judge(run, images, attributes, epochs=12, cache=tmp_path)
    assert "from the cache" not in capsys.readouterr().out
    assert control.balanced_accuracy(control.attributes_read(fresh, images), attributes).min() > 0.9
    cached = judges.face_judge(run, images, attributes, epochs=12, cache=tmp_path)
    assert "face judge: from the cache" in capsys.readouterr().out
    assert not fresh.training
    assert not cached.training
    with torch.no_grad():
        assert torch.equal(fresh(to_unit(images)), cached(to_unit(images)))
    assert cached.head.out_features == 2


def test_judges_of_digits_and_of_faces_are_not_mixed_up(run, blobs, portraits, tmp_path, capsys):
    for _ in range(2):
        assert isinstance(judges.digit_judge(run, *blobs, epochs=1, cache=tmp_path), DigitClassifier)
        assert isinstance(judges.face_judge(run, *portraits, epochs=1, cache=tmp_path), FaceClassifier)
    assert sorted(path.name.rsplit("-", 1)[0] for path in tmp_path.iterdir()) == ["digit-judge", "face-judge"]
    assert capsys.readouterr().out.count("from the cache") == 2


def test_other_attributes_or_fewer_images_train_another_face_judge(run, portraits, tmp_path):
    images, attributes = portraits
    for split in (portraits, (images, 1 - attributes), (images[:100], attributes[:100])):
        judges.face_judge(run, *split, epochs=1, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
