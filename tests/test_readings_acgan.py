"""What notebook 05 says of its numbers, the claims that they decide, and what it reads of pairs."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from lab_utils.labs.acgan import LAB, MALE_BRINGS
from lab_utils.labs.spec import FAILS, HOLDS, PARTLY, UNDECIDED, Values
from lab_utils.metrics import control
from lab_utils.models.gan import Discriminator
from lab_utils.training import acgan

JUDGED = {
    "names": ["Male", "Smiling", "Big_Lips"],
    "told": ["Male", "Smiling", "Big_Lips"],
    "headline": ["Male"],
    "first": "Male",
    "judge_accuracy": 0.9,
    "judge_majority": 0.7,
    "judge_balanced": [0.87, 0.85, 0.7],
    "acgan.real_ceiling": 0.87,
}
CURVES = {
    "first": "Male",
    "pairs": 1000,
    "ended": "",
    "class_real": 0.27,
    "class_fake": 0.08,
    "class_guess": 0.54,
    "flips": [0.0, 0.5, 0.9],
    "evaluate_every": 367,
}
CONTROL = JUDGED | {
    "acgan.attribute_accuracy": 0.97,
    "others": 0.7,
    "strangers": 0.57,
    "attainable": 0.75,
    "changed": [0.95, 0.4, 0.2],
    "share_with": [1.0, 0.2, 0.3],
    "share_without": [0.0, 0.6, 0.25],
}


def ending(loss, lead, fcd=(7.0, 6.0)):
    """G's loss and D's lead from the middle third to the last; the FCD midway and at the end."""
    found = dict(zip(("acgan.g_loss_middle", "acgan.g_loss_end"), loss, strict=True))
    found |= dict(zip(("acgan.d_lead_middle", "acgan.d_lead_end"), lead, strict=True))
    found |= {"acgan.g_class_middle": 0.2, "acgan.g_class_end": 0.1}
    return found | dict(zip(("acgan.fcd_middle", "acgan.fcd_end"), fcd, strict=True))


STEPS = {
    "first": "Male",
    "positions": [0.0, 0.5, 1.0],
    "step_shares": [0.0, 0.5, 1.0],
    "turn_once": 0.9,
    "never_turn": 0.1,
}
REGIONS = {"most": 0.12, "most_at": "at the lower middle", "least": 0.01, "least_at": "at the upper left"}


def male(jaw=0.08, beside=0.05, hair=0.4):
    """How much the picture changes at the jaw and elsewhere with Male, and in how many pairs a reading of hair does."""
    return {"acgan.jaw_change": jaw, "acgan.beside_change": beside, "acgan.hair_change": hair}


def changed(most=0.12, **brought):
    """How much the picture changes where it does most, what changes with Male, and the readings that change."""
    measured = male(**brought)
    read = {"names": ["Male", "Smiling", "Long_Hair"], "changed": [0.95, 0.2, measured["acgan.hair_change"]]}
    return JUDGED | read | measured | {"regions": REGIONS | {"most": most}}


COLLUSION = {  # of each seed what the head reads as asked, what the judge reads, and the head's loss
    "fakes_ended": [],
    "fair": [[0.95, 0.89, 0.31], [0.93, 0.89, 0.29]],
    "taught": [[0.97, 0.85, 0.15], [0.99, 0.87, 0.13]],
    "trial_seeds": 2,
    "trial_steps": 600,
}
GRADIENT = {
    "weights": 14,
    "reached_fake": 14,
    "reached_real": 0,
    "class_start": 0.4,
    "class_real": 0.3,
    "class_weight": 3.0,
}
DISCUSSION = (
    JUDGED
    | COLLUSION
    | {
        "flip_rates": [0.94, 0.97, 0.72],
        "acgan.other_attribute_agreement": 0.71,
        "acgan.diversity_ratio": 0.91,
        "acgan.cas": 0.82,
        "acgan.fcd": 3.6,
        "floor": 1.5,
    }
)


def both_seeds(fair, taught):
    """Two seeds of the same numbers: what head and judge read as asked, head trained on real images and on fakes."""
    return COLLUSION | {"fair": [[*fair, 0.3]] * 2, "taught": [[*taught, 0.15]] * 2}


CHANCE = {"judge_balanced": [0.5, 0.5, None], "acgan.real_ceiling": 0.5}

CASES: dict[str, dict[str, dict]] = {
    "told": {
        "told": JUDGED,
        "one": JUDGED,
        "mean": JUDGED | {"headline": ["Male", "Smiling", "Big_Lips"]},
    },
    "judge": {
        "level": JUDGED,
        "blind": JUDGED | {"judge_balanced": [0.5, 0.59, 0.5]},
        "unread": JUDGED | {"judge_balanced": [0.87, 0.85, 0.59]},
    },
    "curves": {
        "ended": CURVES | {"ended": "the discriminator's loss is zero before step 1,101 of 2,569"},
        "level": CURVES,
        "blind": CURVES | {"class_real": 0.55},
        "easier": CURVES,
        "harder": CURVES | {"class_fake": 0.3},
        "outsider": CURVES | {"flips": []},
        "flips": CURVES,
        "one_look": CURVES | {"flips": [0.1]},
    },
    "strong_discriminator": {
        "thirds": ending((4.0, 5.0), (6.0, 8.0)),
        "strong": ending((4.0, 5.0), (6.0, 8.0), (7.0, 7.3)),
        "worse": ending((4.0, 5.0), (6.0, 8.0), (7.0, 7.4)),
        "no_lead": ending((4.0, 5.0), (6.0, 6.2)),
        "level": ending((4.0, 4.1), (6.0, 8.0)),
        "falls": ending((4.0, 3.7), (6.0, 8.0)),
    },
    "control": {
        "near_chance": CONTROL | CHANCE,
        "asked": CONTROL,
        "easier": CONTROL,
        "alike": CONTROL | {"acgan.attribute_accuracy": 0.879},
        "harder": CONTROL | {"acgan.attribute_accuracy": 0.859},
        "rest": CONTROL,
        "more": CONTROL | {"others": 0.761},
        "as_much": CONTROL | {"others": 0.741},
        "part": CONTROL | {"others": 0.581},
        "nothing": CONTROL | {"others": 0.579},
        "unseen": CONTROL | {"judge_balanced": [0.87, 0.55, None]},
        "unmoved": CONTROL | {"changed": [0.95, 0.09, 0.02]},
        "moved": CONTROL,
        "together": CONTROL,
        "apart": CONTROL | {"changed": [0.95, 0.1, 0.2]},
    },
    "comes_with": {
        "regions": changed(),
        "flat": changed(most=0.029),
        "clear": changed(most=0.03),
        "readings": changed(),
        "no_readings": changed() | {"changed": [0.95, 0.09, 0.09]},
        "levels": changed(),
        "both": changed(hair=0.1),
        "jaw_only": changed(hair=0.09),
        "hair_only": changed(jaw=0.059),
        "neither": changed(jaw=0.059, hair=0.09),
    },
    "steps": {
        "ends": STEPS,
        "unmoved": STEPS | {"step_shares": [0.5, 0.52, 0.55]},
        "switch": STEPS | {"step_shares": [0.0, 0.6, 1.0]},
        "dial": STEPS,
        "draws": STEPS,
        "back": STEPS | {"turn_once": 0.8},
    },
    "collusion": {
        "ended": COLLUSION | {"fakes_ended": ["a weight is not finite before step 367 of 734"]},
        "taught": COLLUSION,
        "fair": COLLUSION,
        "collusion": COLLUSION,
        "partly_real": both_seeds((0.8, 0.78), (0.99, 0.85)),
        "early": both_seeds((0.5, 0.5), (0.5, 0.5)),
        "none": both_seeds((0.95, 0.89), (0.92, 0.85)),
        "seeds_differ": COLLUSION | {"taught": [[0.97, 0.85, 0.15], [0.91, 0.87, 0.13]]},
        "pleased": COLLUSION,
        "loss": COLLUSION,
    },
    "gradient": {"reached": GRADIENT | {"reached_real": 3}, "none": GRADIENT},
    "discussion": {
        "hardly": DISCUSSION | {"flip_rates": [0.0, 0.1, 0.05]},
        "depends": DISCUSSION,
        "evenly": DISCUSSION | {"flip_rates": [0.94, 0.97, 0.93]},
        "rest": DISCUSSION,
        "price": DISCUSSION,
        "narrow": DISCUSSION,
        "quality": DISCUSSION | {"acgan.diversity_ratio": 0.96},
        "whom": DISCUSSION,
    },
}


@pytest.mark.parametrize(
    ("reading", "outcome"), [(name, outcome) for name, reading in LAB.readings.items() for outcome in reading.sentences]
)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


@pytest.mark.parametrize("reading", LAB.readings)
def test_no_case_is_left_over(reading):
    assert set(CASES[reading]) == set(LAB.readings[reading].sentences)


def said(reading: str, values: dict) -> str:
    return LAB.readings[reading].text(Values(values))


@pytest.mark.parametrize(
    ("others", "outcome"),
    [
        (0.9, "more"),
        (0.761, "more"),
        (0.759, "as_much"),
        (0.741, "as_much"),
        (0.739, "part"),
        (0.581, "part"),
        (0.579, "nothing"),
        (0.5, "nothing"),
    ],
)
def test_pairs_keep_all_that_the_data_allow_within_a_point_of_it(others, outcome):
    outcomes = set(LAB.readings["control"].outcomes(Values(CONTROL | {"others": others})))
    assert outcomes & {"more", "as_much", "part", "nothing"} == {outcome}
    words = said("control", CONTROL | {"others": others})
    assert ("So pairs agree as much as the data allow." in words) == (outcome == "as_much")
    assert ("more than the data allow: what a judge reads is more regular" in words) == (outcome == "more")


def test_what_moves_is_an_attribute_that_the_judge_can_read():
    moved = CONTROL | {"changed": [0.95, 0.9, 0.2], "judge_balanced": [0.87, 0.59, 0.7]}
    assert "Of the attributes that the judge can read, Big_Lips changes most often" in said("control", moved)
    assert "30% of those with it" in said("control", moved)


@pytest.mark.parametrize(
    ("fair", "taught", "outcome"),
    [
        ((0.85, 0.85), (0.91, 0.85), "collusion"),  # more than five points, and three more than the other head
        ((0.85, 0.85), (0.89, 0.85), "none"),
        ((0.90, 0.85), (0.92, 0.85), "none"),
        ((0.85, 0.85), (0.97, 0.88), "partly_real"),  # the judge sees two points more, too
        ((0.85, 0.85), (0.97, 0.86), "collusion"),
        ((0.55, 0.55), (0.59, 0.59), "early"),
        ((0.55, 0.55), (0.61, 0.59), "none"),
    ],
)
def test_collusion_is_more_than_a_head_that_reads_well(fair, taught, outcome):
    found = set(LAB.readings["collusion"].outcomes(Values(both_seeds(fair, taught))))
    assert found & {"collusion", "partly_real", "early", "none", "seeds_differ"} == {outcome}


def test_every_seed_has_a_verdict_and_all_must_agree():
    one = COLLUSION | {"fair": COLLUSION["fair"][:1], "taught": COLLUSION["taught"][:1], "trial_seeds": 1}
    assert "collusion" in LAB.readings["collusion"].outcomes(Values(one))
    other = COLLUSION | {"taught": [[0.97, 0.85, 0.15], [0.91, 0.87, 0.13]]}  # twelve points more, and four
    assert "seeds_differ" in LAB.readings["collusion"].outcomes(Values(other))


FLATTERS = {  # a seed of each verdict: what head and judge read as asked, head trained on real images and on fakes
    "collusion": ((0.85, 0.85), (0.97, 0.85)),
    "partly_real": ((0.80, 0.78), (0.99, 0.85)),
    "early": ((0.5, 0.5), (0.5, 0.5)),
    "none": ((0.95, 0.89), (0.92, 0.85)),
}


@pytest.mark.parametrize(
    ("seeds", "outcome"),
    [
        (("collusion", "collusion"), "collusion"),
        (("collusion", "partly_real"), "collusion"),  # both flatter; that the outsider sees more is true of one alone
        (("partly_real", "collusion", "collusion"), "collusion"),
        (("partly_real", "partly_real"), "partly_real"),
        (("early", "early"), "early"),
        (("early", "none"), "none"),  # neither does
        (("none", "early", "none"), "none"),
        (("collusion", "none"), "seeds_differ"),
        (("collusion", "early"), "seeds_differ"),
        (("partly_real", "none"), "seeds_differ"),
        (("partly_real", "early"), "seeds_differ"),
        (("collusion", "partly_real", "none"), "seeds_differ"),
    ],
)
def test_seeds_agree_if_all_flatter_or_none_does(seeds, outcome):
    fair, taught = ([[*FLATTERS[seed][k], 0.3] for seed in seeds] for k in (0, 1))
    values = Values(COLLUSION | {"fair": fair, "taught": taught, "trial_seeds": len(seeds)})
    found = set(LAB.readings["collusion"].outcomes(values))
    assert found & {"collusion", "partly_real", "early", "none", "seeds_differ"} == {outcome}


def test_a_generator_pleases_its_head_if_every_seed_says_so():
    flattered = both_seeds((0.95, 0.91), (0.92, 0.85))
    assert "reads 4 points more" in said("collusion", flattered)
    flattered["fair"] = [[0.95, 0.91, 0.3], [0.93, 0.905, 0.3]]
    assert "pleased" not in LAB.readings["collusion"].outcomes(Values(flattered))


def test_heads_and_judges_are_quoted_as_means_of_the_seeds():
    words = said("collusion", COLLUSION)
    for number in ("98.0%", "86.0%", "means of 2 seeds", "94.0%", "89.0%", "0.300 nats", "0.140 after"):
        assert number in words


def test_the_end_quotes_the_gaps_of_the_trial_and_its_budget():
    assert "+12.0 points" in said("discussion", DISCUSSION)
    assert "+5.0 where it was not, both after 600 steps." in said("discussion", DISCUSSION)
    assert "after 1 step." in said("discussion", DISCUSSION | {"trial_steps": 1})
    below = [[0.82, 0.85, 0.2], [0.84, 0.87, 0.2]]
    assert "−3.0 points" in said("discussion", DISCUSSION | {"taught": below})


def test_what_comes_with_an_attribute_is_read_by_a_judge_that_can():
    assert "Readings that change most often with Male: Long_Hair (40%) and Smiling (20%)." in said(
        "comes_with", changed()
    )
    unread = changed() | {"judge_balanced": [0.87, 0.59, None]} | male(hair=0.0)
    assert {"no_readings", "jaw_only"} <= set(LAB.readings["comes_with"].outcomes(Values(unread)))
    many = {"names": [*"abcdef"], "changed": [0.9, 0.2, 0.5, 0.3, 0.4, 0.6], "judge_balanced": [0.9] * 6, "first": "a"}
    assert "with a: f (60%), c (50%), e (40%) and d (30%)." in said("comes_with", changed() | many)  # four at most
    assert "most at the lower middle, by 12.0%" in said("comes_with", changed())


@pytest.mark.parametrize("outcome", ["both", "jaw_only", "hair_only", "neither"])
def test_the_page_says_of_male_what_decides_the_claim(outcome):
    values = Values(CASES["comes_with"][outcome])
    assert LAB.readings["comes_with"].outcomes(values)[-2:] == MALE_BRINGS.outcomes(values) == ["levels", outcome]
    assert LAB.readings["comes_with"].text(values).endswith(MALE_BRINGS.text(values))


def test_nothing_is_said_of_male_where_another_attribute_is_first():
    other = changed() | {"names": ["Eyeglasses", "Smiling", "Long_Hair"], "first": "Eyeglasses"}
    assert LAB.readings["comes_with"].outcomes(Values(other)) == ["regions", "clear", "readings"]
    assert "Male" not in said("comes_with", other)
    assert "avatars" not in claim("male_brings").only_on  # which have no sex: the index says that the data are others


# The claims


CLAIMS = [
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 8.0)), HOLDS, ["4.00 to 5.00", "6.00 to 8.00", "0.20 to 0.10"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 8.0), (7.0, 7.3)), HOLDS, ["7.300"]),  # a twentieth is little
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 8.0), (7.0, 7.4)), PARTLY, ["7.400", "got worse"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 6.2)), PARTLY, ["6.00 to 6.20", "D does not gain"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 5.0)), PARTLY, ["6.00 to 5.00", "D does not gain"]),
    ("strong_discriminator", ending((4.0, 4.1), (6.0, 8.0)), UNDECIDED, ["4.00 to 4.10", "near-tie"]),
    ("strong_discriminator", ending((0.1, 0.12), (6.0, 8.0)), UNDECIDED, ["0.10 to 0.12"]),  # little beside a half
    ("strong_discriminator", ending((0.1, 0.13), (6.0, 8.0)), HOLDS, ["0.10 to 0.13"]),
    ("strong_discriminator", ending((4.0, 3.7), (6.0, 8.0)), FAILS, ["4.00 to 3.70", "it falls"]),
    ("strong_discriminator", ending((0.7, 0.9), (-0.1, 0.2)), HOLDS, ["−0.10 to 0.20"]),  # D was behind
    ("strong_discriminator", ending((-0.9, -0.7), (1.0, 1.2)), HOLDS, ["−0.90 to −0.70"]),  # as with the hinge loss
    ("male_brings", male(), HOLDS, ["by 8.0% in the mean over all pairs, elsewhere by 5.0%", "in 40% of the pairs"]),
    ("male_brings", male(jaw=0.061, hair=0.1), HOLDS, ["by 6.1%", "in 10% of", "stands out, and hair changes"]),
    ("male_brings", male(jaw=0.061, hair=0.09), PARTLY, ["by 6.1%", "in 9% of", "stands out, and hair hardly changes"]),
    ("male_brings", male(jaw=0.059), PARTLY, ["by 5.9%", "hair changes, and the lower face does not stand out"]),
    ("male_brings", male(jaw=0.029, beside=0.01), PARTLY, ["by 2.9%"]),  # too little to be seen
    ("male_brings", male(jaw=0.03, beside=0.01), HOLDS, ["by 3.0%"]),
    ("male_brings", male(jaw=0.059, hair=0.09), FAILS, ["lower face does not stand out, and hair hardly changes"]),
]


def claim(reading):
    reading = MALE_BRINGS if reading == "male_brings" else LAB.readings[reading]
    return next(one for one in LAB.claims if one.reading is reading)


@pytest.mark.parametrize(("reading", "values", "verdict", "words"), CLAIMS)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(reading, values, verdict, words):
    measured, found = claim(reading).decide(Values(values))
    assert found == verdict, measured
    for number in words:
        assert number in measured
    assert "*" not in measured  # the index shows it as text


def test_a_claim_is_decided_by_metrics_alone():
    for _, values, *_ in CLAIMS:
        assert set(values) <= set(LAB.metrics)


@pytest.mark.parametrize("one", LAB.claims, ids=lambda one: one.text)
def test_a_claim_names_what_the_lab_has(one):
    assert one.report == "C"
    assert one.shown
    assert {name.removeprefix("05/") for name in one.shown} <= set(LAB.deliverables)
    assert set(one.verdicts) <= set(one.reading.sentences)


def test_a_number_that_is_not_there_leaves_one_line():
    unread = CURVES | {"class_fake": None}
    assert LAB.readings["curves"].say(Values(unread)).startswith("*Nothing is said of this: `class_fake`")


def bright(*channels: tuple[int, int, int]) -> torch.Tensor:
    """Uint8 images N×3×8×8 of one colour each."""
    return torch.tensor(channels, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8) * 255


def colour_judge(x: torch.Tensor) -> torch.Tensor:
    """Reads an attribute for each bright channel."""
    return x.mean((2, 3)) - 0.5


def test_pairs_are_read_row_by_row():
    off, on = bright((0, 0, 1), (1, 1, 0)), bright((1, 0, 1), (1, 0, 0))
    read = control.read_pairs(colour_judge, off, on, column=0)
    assert read.right.tolist() == [1, 0.5]
    assert read.flipped.tolist() == [1, 0]
    assert read.others.tolist() == [1, 0.5]
    assert read.strangers.tolist() == [0.5, 0]  # each image off beside the other's on
    assert read.changed.tolist() == [[1, 0, 0], [0, 1, 0]]
    both = control.averaged([read, read])
    assert both.right.tolist() == read.right.tolist()
    assert control.means([read]) == {"right": 0.75, "flipped": 0.5, "others": 0.75, "strangers": 0.25}


def test_turning_once_is_from_no_to_yes_and_not_back():
    path = torch.tensor([[0, 1, 0, 1, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 0]])
    assert control.turning(path) == pytest.approx((0.2, 0.4))


def test_an_attribute_goes_from_off_to_on_and_the_requests_stay():
    gan = SimpleNamespace(sampler=torch.nn.Identity())  # whose images are what it is given
    noise, without, having = torch.zeros(2, 1), torch.tensor([[0.0, 1.0]] * 2), torch.tensor([[1.0, 1.0]] * 2)
    requests = control.Coupled(without, having)
    shown = [(2 * images - 1).tolist() for images in acgan.steps(gan, noise, requests, [0.0, 0.25, 1.0])]
    assert shown == [[[0, 1, 0, 0, 1]] * 2, [[0, 0.75, 0.25, 0, 1]] * 2, [[0, 0, 1, 0, 1]] * 2]
    off, on = acgan.make_pairs(gan, noise, requests)
    assert off.dtype == torch.uint8
    assert off.tolist() == [[128, 255, 128, 128, 255]] * 2
    assert on.tolist() == [[128, 128, 255, 128, 255]] * 2
    assert requests.without.tolist() == [[0, 1]] * 2


def test_what_changes_differently_in_each_pair_counts_for_nothing():
    off = torch.full((2, 3, 16, 16), 0.5)
    on = off.clone()
    on[:, :, 8:, 4:12] += 0.25  # the middle of the lower half, in both pairs
    on[:, :, :4, :4] -= 0.125
    on[0, :, 4:8, 4:8] += 0.5
    on[1, :, 4:8, 4:8] -= 0.5
    found = acgan.change_by_region(off, on)
    assert (found["most"], found["most_at"]) == (0.25, "at the centre")  # the first of four
    assert (found["least"], found["least_at"]) == (0.0, "at the upper middle")
    assert (found["jaw"], found["beside"]) == (0.25, pytest.approx(0.125 / 12))


def test_a_training_is_seen_in_thirds_with_the_class_loss_before_its_weight():
    rows = {"generator": [9, 1, 1, 2, 2, 2], "class": [9, 3, 3, 6, 6, 6], "real": [0, 1, 2, 3, 4, 5], "fake": [0] * 6}
    found = acgan.thirds(pd.DataFrame(rows, dtype=float), weight=3.0)
    assert found == {
        "g_loss_middle": (6.0, 2), "g_class_middle": (1.5, 2), "d_lead_middle": (2.5, 2),
        "g_loss_end": (8.0, 2), "g_class_end": (2.0, 2), "d_lead_end": (4.5, 2),
    }  # fmt: skip


def test_a_gradient_reaches_the_weights_that_a_term_depends_on():
    network = Discriminator({"real": 1, "attributes": 2}, width=4, side=32)
    logits = network(torch.zeros(2, 3, 32, 32))
    whole = len(list(network.parameters()))
    assert acgan.reached(logits["real"].sum(), network) == whole - 2  # all but weight and bias of the other head
    assert acgan.reached(torch.zeros(1, requires_grad=True).sum(), network) == 0
