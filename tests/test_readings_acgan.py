"""What notebook 05 says of its numbers, and what it reads of pairs."""

import pytest
import torch

from lab_utils.labs.acgan import LAB
from lab_utils.labs.spec import Values
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
    "acgan.accuracy_ratio": 1.11,
    "agree": 0.7,
    "strangers": 0.57,
    "changed": [0.95, 0.4, 0.2],
    "share_with": [1.0, 0.2, 0.3],
    "share_without": [0.0, 0.6, 0.25],
}
STEPS = {
    "first": "Male",
    "positions": [0.0, 0.5, 1.0],
    "step_shares": [0.0, 0.5, 1.0],
    "turn_once": 0.9,
    "never_turn": 0.1,
}
COLLUSION = {  # first where the head learned from real images only
    "fakes_ended": "",
    "heads": [0.95, 0.97],
    "judged": [0.89, 0.85],
    "head_losses": [0.31, 0.15],
    "steps": 2569,
    "evaluate_every": 367,
    "trial_steps": 734,
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
    "control": {
        "near_chance": CONTROL | CHANCE,
        "asked": CONTROL,
        "easier": CONTROL,
        "alike": CONTROL | {"acgan.accuracy_ratio": 1.005},
        "harder": CONTROL | {"acgan.accuracy_ratio": 0.98},
        "rest": CONTROL,
        "much": CONTROL | {"agree": 0.8},
        "part": CONTROL,
        "nothing": CONTROL | {"agree": 0.575},
        "unseen": CONTROL | {"judge_balanced": [0.87, 0.55, None]},
        "unmoved": CONTROL | {"changed": [0.95, 0.09, 0.02]},
        "moved": CONTROL,
        "together": CONTROL,
        "apart": CONTROL | {"changed": [0.95, 0.1, 0.2]},
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
        "ended": COLLUSION | {"fakes_ended": "a weight is not finite before step 367 of 734"},
        "taught": COLLUSION,
        "fair": COLLUSION,
        "collusion": COLLUSION,
        "partly_real": COLLUSION | {"heads": [0.8, 0.99], "judged": [0.78, 0.85]},
        "early": COLLUSION | {"heads": [0.5, 0.5], "judged": [0.5, 0.5]},
        "none": COLLUSION | {"heads": [0.95, 0.92]},
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


def test_what_moves_is_an_attribute_that_the_judge_can_read():
    moved = CONTROL | {"changed": [0.95, 0.9, 0.2], "judge_balanced": [0.87, 0.59, 0.7]}
    assert "Of the attributes that the judge can read, Big_Lips changes most often" in said("control", moved)
    assert "30% of those with it" in said("control", moved)


@pytest.mark.parametrize(
    ("heads", "judged", "outcome"),
    [
        ([0.85, 0.91], [0.85, 0.85], "collusion"),  # more than five points, and three more than the other head
        ([0.85, 0.89], [0.85, 0.85], "none"),
        ([0.90, 0.92], [0.85, 0.85], "none"),
        ([0.85, 0.97], [0.85, 0.88], "partly_real"),  # the judge sees two points more, too
        ([0.85, 0.97], [0.85, 0.86], "collusion"),
        ([0.55, 0.59], [0.55, 0.59], "early"),
        ([0.55, 0.61], [0.55, 0.59], "none"),
    ],
)
def test_collusion_is_more_than_a_head_that_reads_well(heads, judged, outcome):
    values = Values(COLLUSION | {"heads": heads, "judged": judged})
    found = set(LAB.readings["collusion"].outcomes(values))
    assert found & {"collusion", "partly_real", "early", "none"} == {outcome}


def test_the_budget_of_the_trial_is_never_above_that_of_the_whole():
    assert "after 1 step." in said("discussion", DISCUSSION | {"steps": 1})
    assert "+12.0 points" in said("discussion", DISCUSSION)
    assert "−3.0 points" in said("discussion", DISCUSSION | {"heads": [0.95, 0.82]})


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


def test_one_attribute_is_set_and_the_requests_stay():
    noise, requests = torch.zeros(2, 4), torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    given = acgan.asked(noise, requests, 0, 0.25)
    assert given.tolist() == [[0, 0, 0, 0, 0.75, 0.25, 0, 1]] * 2
    assert requests.tolist() == [[0, 1], [1, 1]]


def test_a_gradient_reaches_the_weights_that_a_term_depends_on():
    network = Discriminator({"real": 1, "attributes": 2}, width=4, side=32)
    logits = network(torch.zeros(2, 3, 32, 32))
    whole = len(list(network.parameters()))
    assert acgan.reached(logits["real"].sum(), network) == whole - 2  # all but weight and bias of the other head
    assert acgan.reached(torch.zeros(1, requires_grad=True).sum(), network) == 0
