"""What notebook 06 says of its numbers, the claims that these sentences decide, and the measures that it needs."""

import math

import numpy as np
import pytest
import torch

from lab_utils.labs.infogan import LAB
from lab_utils.labs.spec import FAILS, HOLDS, PARTLY, UNDECIDED, Values
from lab_utils.metrics import changes, clusters
from lab_utils.metrics.estimate import of_seeds
from lab_utils.metrics.stability import first_below
from lab_utils.run import start
from lab_utils.training.classifier import DIGIT_READER
from lab_utils.training.infogan import information_bound

SETTINGS = {"seeds": 1, "width": 32, "side": 32, "noise": 100, "batch_size": 32, "digit_batch_size": 128}
LIT, EVEN = [0.13, "upper right", -0.21, "lower right"], [0.01, "centre", -0.02, "upper left"]


def bounds(digits=2.29, faces2=0.69, faces13=2.55, accuracy=0.87):
    """The bounds on the information in each code, and the accuracy on test digits."""
    found = {"digits": digits, "faces2": faces2, "faces13": faces13}
    return {f"infogan_{code}.mi_bound": bound for code, bound in found.items()} | {"infogan_digits.accuracy": accuracy}


def shared(hair, sex, best, bound=0.69):
    """What the 2-way code shares with attributes, and the bound on its information."""
    names = ("hair_information", "sex_information", "best_attribute", "mi_bound")
    return {f"infogan_faces2.{name}": v for name, v in zip(names, (hair, sex, best, bound), strict=True)}


def entropy(faces_soon=0.5, digits_soon=0.2):
    ends = {"faces_start": 3.25, "faces_end": 0.05, "digits_start": 2.2, "digits_end": 0.02}
    return ends | {"faces_soon": faces_soon, "digits_soon": digits_soon}


def floor(probabilities):
    return {"loss_from_probabilities": probabilities, "loss_from_logits": 0.0067}


def strokes(most):
    return {"first_ink": 0.1, "first_lean": -most, "second_ink": 0.2, "second_lean": 0.0}


def grouped(seeds=1, heads=(0.96, 0.94), taken=0.96):
    """How digits were sorted into groups: by each seed, by each head of the first, and by the head that was taken."""
    graph = {"purity": 0.97, "loners": 0.05, "of_heads": list(heads), "taken": taken}
    return graph | {"seeds": seeds, "accuracies": [0.96, 0.8, 0.97][:seeds], "infogan_digits.group_accuracy": 0.96}


def digits(accuracy=0.96):
    """Where the groups had reached 96 %."""
    read = {"infogan_digits.accuracy": accuracy, "infogan_digits.label_consistency": 0.69, "confusion": [0.33, 5, 8]}
    return read | {"taken": 0.96, "digit_judge_accuracy": 0.989, "digit_judge_majority": 0.114}


def continuous(first, second):
    return {"infogan_digits.first_bound": first, "infogan_digits.second_bound": second}


def faces(nats, bound=0.69, squares=LIT, judge=0.88):
    attributes = {"attribute2": ["Mouth_Slightly_Open", 0.25, nats], "attribute13": ["Bangs", 0.1, 0.055]}
    trust = {"judge_accuracy": judge, "judge_majority": 0.76}
    return attributes | trust | shared(0, 0, nats, bound) | {"code2_squares": squares}


def plain(accuracy=0.29, left=0.04, steps=400, best=0.87):
    run = {"plain_steps": steps, "plain_left": left}
    return bounds(accuracy=best) | run | {"infogan_plain.accuracy": accuracy}


def twice(squares=EVEN, effect=0.5, diversity=0.8):
    """What the 2-way code does: to squares of the picture, beside the noise, and to the variety of samples."""
    found = {"code2_change": [0.09, 0.18], "code2_squares": squares}
    return found | {"infogan_faces2.code_effect": effect, "infogan_faces2.diversity": diversity}


def columns(darkest=0.54, effect=0.5, diversity=0.8):
    """What the 13-way code does: to the brightness of its faces, beside the noise, and to the variety of samples."""
    found = {"code13_change": [0.09, 0.18], "column_light": [0.55, darkest, 0.545]}
    return found | {"infogan_faces13.code_effect": effect, "infogan_faces13.diversity": diversity}


def steady(seeds):
    return grouped(seeds) | {"infogan_digits.loss_rises": 0.41}


CASES = {
    "sizes": {"always": SETTINGS | {"d_rate": 0.0005, "g_rate": 0.001}},
    "ended": {
        "early": {"ended": ["the discriminator's loss is zero before step 734 of 1,468"]},
        "whole": {"ended": []},
    },
    "two_way": {
        "change": twice(),
        "seen": twice(effect=0.3),
        "faint": twice(effect=0.29),
        "narrow": twice(diversity=0.69),
        "squares": twice(LIT),
        "light": twice([0.03, "centre", -0.051, "upper left"]),
        "even": twice([0.05, "centre", -0.05, "upper left"]),
        "attributes": twice(),
    },
    "thirteen_way": {
        "change": columns(),
        "seen": columns(effect=0.3),
        "faint": columns(effect=0.29),
        "narrow": columns(diversity=0.69),
        "columns": columns(),
        "light": columns(0.499),
    },
    "entropy": {"course": entropy(), "soon": entropy(), "on_its_way": entropy(digits_soon=None)},
    "floor": {"levels": floor(0.3149), "flat": floor(0.3149), "above": floor(0.6)},
    "continuous": {"levels": strokes(0.4), "faint": strokes(0.4), "seen": strokes(0.6)},
    "large_entropy": {
        "levels": bounds(),
        "large": bounds(0.9, 0.1, 0.3),
        "small": bounds(),
        "open": bounds(-0.1, 0.0, 0.0, 0.1),
    },
    "groups": {
        "graph": grouped(),
        "groups": grouped(),
        "seeds": grouped(seeds=2),
        "heads": grouped(),
        "best": grouped(heads=(0.969, 0.96)),
        "not_best": grouped(heads=(0.971, 0.96)),
    },
    "digits": {
        "assigned": digits(),
        "better": digits(0.971),
        "worse": digits(0.949),
        "kept": digits(0.969),
        "confusion": digits(),
        "samples": digits(),
        "judge": digits(),
    },
    "continuous_read": {
        "bounds": continuous(0.7, 0.6),
        "read": continuous(0.51, 0.6),
        "unread": continuous(0.19, -0.1),
        "one_alone": continuous(1.4, 0.19),
        "part": continuous(0.5, 1.4),
    },
    "faces": {
        "two_way": faces(0.009),
        "hardly": faces(0.009),
        "part": faces(0.18),
        "most": faces(0.4),
        "nameless": faces(0.009, squares=EVEN),
        "light": faces(0.009),
        "thirteen_way": faces(0.18),
        "judge": faces(0.18),
        "weak": faces(0.0, judge=0.77),
    },
    "neighbours": {"plain": plain(), "obeyed": plain(0.81, left=0.69), "paper": plain(0.89)},
    "meaning": {"two_numbers": plain(), "neighbours": plain(0.76)},
    "hair_not_sex": {
        "shared": shared(0.3, 0.02, 0.31),
        "disobeyed": shared(0.3, 0.02, 0.31, bound=0.1),
        "neither": shared(0.014, 0.002, 0.02),
        "hair": shared(0.3, 0.02, 0.31),
        "both": shared(0.3, 0.25, 0.3),
        "sex": shared(0.1, 0.25, 0.25),
    },
    "steadiness": {"range": steady(3), "one_seed": steady(1), "rises": steady(1)},
}


@pytest.mark.parametrize(
    ("reading", "outcome"), [(name, said) for name, one in LAB.readings.items() for said in one.sentences]
)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(SETTINGS | CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


@pytest.mark.parametrize(
    ("reading", "values", "unsaid"),
    [
        ("two_way", twice(), {"faint", "narrow", "squares", "light"}),
        ("two_way", twice(LIT), {"even"}),
        ("two_way", twice(diversity=0.7), {"narrow"}),
        ("thirteen_way", columns(0.501), {"faint", "narrow", "light"}),
        ("thirteen_way", columns(diversity=0.7), {"narrow"}),
        ("faces", faces(0.0, bound=0.0, squares=EVEN), {"nameless", "light", "weak"}),  # no code is obeyed yet
        ("faces", faces(0.18), {"nameless", "light"}),  # an attribute names it
        ("groups", grouped(), {"seeds", "not_best"}),
        ("digits", digits(0.951), {"better", "worse"}),
        ("continuous_read", continuous(0.2, 0.1), {"read", "unread"}),
        ("neighbours", plain(0.9), {"paper"}),
        ("neighbours", plain(0.83), {"obeyed"}),  # plain InfoGAN comes within five points
        ("neighbours", plain(left=0.7), {"obeyed"}),  # plain InfoGAN's code is not obeyed either
        ("meaning", plain(0.78), {"neighbours"}),
    ],
)
def test_nothing_is_said_that_the_numbers_do_not_show(reading, values, unsaid):
    assert not unsaid & set(LAB.readings[reading].outcomes(Values(SETTINGS | values)))


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (0.51, 1.4, "read"),
        (0.5, 1.4, "part"),
        (1.4, 0.2, "part"),
        (1.4, 0.19, "one_alone"),
        (0.19, 1.4, "one_alone"),  # either of them
        (-0.1, 1.4, "one_alone"),
        (0.2, 0.2, "part"),
        (0.19, 0.19, "unread"),
    ],
)
def test_two_continuous_codes_are_judged_together_in_one_sentence(first, second, outcome):
    values = Values(continuous(first, second))
    assert LAB.readings["continuous_read"].outcomes(values) == ["bounds", outcome]


def test_there_are_no_cases_of_sentences_that_are_gone():
    assert {name: set(cases) for name, cases in CASES.items()} == {
        name: set(reading.sentences) for name, reading in LAB.readings.items()
    }


def test_words_state_the_numbers():
    said = {name: LAB.readings[name].text(Values(SETTINGS | next(iter(CASES[name].values())))) for name in CASES}
    assert (
        "a pixel changes by 9.0% of its range on average, from one draw of noise to the next by 18.0%"
        in said["two_way"]
    )
    assert "runs from 0.54 to 0.55" in said["thirteen_way"]
    assert "97.0% are of the same digit; 5.0% of the digits have none" in said["groups"]
    assert "reach 96.0%, 94.0%; taken is the one whose readings share most, with 96.0%" in said["groups"]
    several = LAB.readings["groups"].text(Values(SETTINGS | grouped(seeds=3)))
    assert "the median over 3 seeds, which run from 80.0% to 97.0%" in several
    assert "96.0% of the test digits have the code" in said["digits"]
    assert "before it 96.0% were in its group" in said["digits"]
    assert "33% of the 5s have the code of 8" in said["digits"]
    assert "at least 0.70 and 0.60 nats" in said["continuous_read"]
    assert "reaches 29.0% after 400 steps" in said["neighbours"]
    assert "leaves only 0.69 of 2.30 nats" in LAB.readings["neighbours"].text(Values(plain(0.81, left=0.69)))
    assert "at least 99.5% of the ln 10 nats" in said["meaning"]


@pytest.mark.parametrize(
    ("words", "values", "verdict", "said"),
    [
        ("conditional entropy", bounds(), FAILS, ["0.0126 of 2.303", "87.0%", "0.0149 of 2.565"]),
        ("conditional entropy", bounds(0.9, 0.1, 0.3), HOLDS, ["1.403 of 2.303"]),
        ("conditional entropy", bounds(-0.1, 0.0, 0.0, 0.1), UNDECIDED, ["2.303 of 2.303", "10.0%"]),
        ("hair style", shared(0.3, 0.02, 0.31), HOLDS, ["0.300", "0.02", "0.310", "0.693"]),
        ("hair style", shared(0.3, 0.25, 0.3), PARTLY, ["0.300", "0.250"]),
        ("hair style", shared(0.1, 0.25, 0.25), FAILS, ["0.100", "0.250"]),
        ("hair style", shared(0.014, 0.002, 0.02), FAILS, ["0.014", "0.002", "neither"]),
        ("hair style", shared(0.3, 0.02, 0.31, bound=0.1), UNDECIDED, ["0.300", "do not obey"]),
    ],
)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    (claim,) = (one for one in LAB.claims if words in one.text)
    text, decided = claim.decide(Values(values))
    assert decided == verdict, text
    for number in said:
        assert number in text


def test_claims_are_report_c_s_use_metrics_alone_and_are_shown_by_a_reading_of_the_page():
    for claim in LAB.claims[:2]:  # the others are in test_claims.py
        assert claim.report == "C"
        (name,) = (name for name, reading in LAB.readings.items() if reading is claim.reading)
        assert set(claim.verdicts) == set(claim.reading.sentences) - {"levels", "shared"}
        for values in CASES[name].values():
            assert set(values) <= set(LAB.metrics)
            assert "**" not in claim.reading.text(Values(values))


# Measures


def test_a_change_by_code_and_one_by_noise_are_told_apart():
    sheet = torch.zeros(3, 2, 1, 4, 4)  # draws × values × images
    sheet[:, 1] = 0.5  # the second value is lighter, whatever the noise
    assert changes.by_code_and_noise(sheet) == (0.5, 0.0)
    assert changes.by_code_and_noise(sheet.transpose(0, 1))[0] == 0.0


def test_each_value_of_a_code_has_its_mean_face_and_what_is_special_to_it():
    images = torch.tensor([0, 51, 102, 51], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    faces, differences = changes.means_by_code(images, torch.tensor([0, 0, 1, 1]), 2)
    assert [tuple(one.shape) for one in (*faces, *differences)] == [(1, 3, 2, 2)] * 4
    assert [one.mean().item() for one in faces] == pytest.approx([0.1, 0.3])
    assert [one.mean().item() for one in differences] == pytest.approx([0.2, 0.8])  # grey and three times the rest


def test_where_brightness_changes_is_said_in_words():
    before, after = torch.full((2, 2, 3, 16, 16), 0.5)
    after[:, :, :2, -2:] += 0.25  # one of 8×8 squares
    after[:, :, 8:10, 6:8] -= 0.5
    found = changes.extremes(changes.brightness_change(before, after))
    assert found == (0.25, "upper right", -0.5, "centre")
    assert [changes.place(i, 8) for i in (2, 16, 23, 40, 63)] == [
        "upper left", "upper left", "upper right", "lower left", "lower right",
    ]  # fmt: skip


def test_lean_is_the_slope_of_a_stroke_and_ink_its_mean():
    stroke = torch.zeros(3, 1, 9, 9)
    for row in range(9):
        stroke[0, 0, row, 8 - row] = stroke[1, 0, row, 4] = 1  # to the right as one goes up; upright; nothing
    torch.testing.assert_close(changes.lean(stroke), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(changes.ink(stroke), torch.tensor([1 / 9, 1 / 9, 0.0]))


def test_codes_that_are_labels_under_other_names_agree_wholly():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    codes = (labels + 1) % 3
    assert clusters.nmi_and_ari(codes, labels) == (pytest.approx(1), pytest.approx(1))
    table = torch.stack([codes == 0, labels < 0], dim=1).float()
    found = clusters.attribute_information(codes, table, ["first", "never"])
    assert found == {"first": pytest.approx(math.log(3) - 2 / 3 * math.log(2)), "never": 0.0}


class Reads(torch.nn.Module):
    """A head that reads an image's first pixel, as a code one higher."""

    def forward(self, x):
        value = (127.5 * (x[:, 0, 0, 0] + 1)).round().long()
        return {"code": torch.nn.functional.one_hot((value + 1) % 3, 3).float()}


def test_codes_are_assigned_on_known_images_and_scored_on_others():
    known = torch.tensor([0, 1, 2, 2])
    test = torch.tensor([0, 0, 1, 2])
    labels = torch.tensor([0, 1, 1, 2])  # the second is read as another
    first, second = (pixels.byte().view(-1, 1, 1, 1).expand(-1, 1, 2, 2) for pixels in (known, test))
    scores = clusters.code_scores(Reads(), (first, known), (second, labels), 3)
    assert scores.right.tolist() == [1, 0, 1, 1]
    assert scores.codes.tolist() == [1, 1, 2, 0]
    assert scores.classes.tolist() == [2, 0, 1]
    assert scores.table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert clusters.worst_confusion(scores.table) == (0.5, 1, 0)  # half of the ones have the code of zero
    assert clusters.worst_confusion(np.diag([3, 0, 2]))[0] == 0


def test_one_seed_is_measured_by_its_images_and_several_by_the_median_of_their_means():
    seeds = [torch.tensor(values) for values in ([1.0, 1.0], [0.0, 0.0], [0.0, 1.0])]
    assert of_seeds(seeds[:1])["value"] is seeds[0]
    assert of_seeds(seeds) == {"value": 0.5, "n": 2, "range": [0.0, 1.0], "seeds": 3}


def test_a_fresh_reader_bounds_the_information_on_images_that_it_has_not_seen():
    run = start(0)
    codes = torch.arange(240) % 2
    images = (200 * codes.byte()).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)  # black or light
    bound = information_bound(run, "reader", images, codes, 4, DIGIT_READER, classes=2)
    assert bound.shape == (40,)
    assert 0 < bound.mean() <= math.log(2)
    strangers = codes[torch.randperm(240, generator=run.rng("order"))]
    assert information_bound(run, "reader", images, strangers, 4, DIGIT_READER, classes=2).mean() < 0.1


def test_when_a_curve_first_falls_below_a_share_of_its_start():
    assert first_below([2.0, 1.0, 0.1, 0.3], 0.1) == 0.75
    assert first_below([2.0, 1.0, 0.3], 0.1) is None
