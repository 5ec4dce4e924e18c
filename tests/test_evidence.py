"""How sure a verdict is: over seeds, inside tolerances, at which budget; and which seeds a report may quote."""

import json
import random
from dataclasses import dataclass

import pytest

from lab_utils import spread
from lab_utils.config import LabError
from lab_utils.handover import allowed_in_words, sureness
from lab_utils.labs import LABS
from lab_utils.labs.evidence import FAIR, NONE, STRONG, WEAK, decide, moved, possible
from lab_utils.labs.spec import (
    BEATEN,
    FAILS,
    HOLDS,
    OTHER_DATA,
    PARTLY,
    TOY,
    UNDECIDED,
    UNSTATED,
    Budget,
    Claim,
    Metric,
    MissingValueError,
    Reading,
    Tolerance,
    Values,
)
from lab_utils.report.claims import by_seed, tolerances
from tests.test_labs import CLAIMS, measured

NARROW = {"a": Tolerance(absolute=0.1), "b": Tolerance(absolute=0.1), "c": Tolerance(absolute=0.1)}


@dataclass(frozen=True)
class Steps:
    steps: int
    batch_size: int = 32


def claim(rule=lambda v: ["more" if v["a"] > v["b"] else "less"], budget=UNSTATED) -> Claim:
    said = {"more": "{a} above {b}.", "less": "{a} below {b}."}
    return Claim("It is.", "C", "a toy", "a toy", Reading(rule, said), {"more": HOLDS, "less": FAILS}, ("x",), budget)


def of(*seeds, **tolerance) -> tuple:
    """A claim that a is above b, decided from pairs of them by seed."""
    values = {seed: Values(a=a, b=b) for seed, (a, b) in enumerate(seeds)}
    found = decide(claim(), values, tolerance or NARROW)
    return found.verdict, found.grade


@pytest.mark.parametrize(
    ("a", "found"),
    [(1.3, (HOLDS, WEAK)), (1.19, (UNDECIDED, NONE)), (0.81, (UNDECIDED, NONE)), (0.7, (FAILS, WEAK))],
)
def test_with_one_seed_a_verdict_counts_if_no_corner_of_the_tolerances_has_another(a, found):
    assert of((a, 1.0)) == found


@pytest.mark.parametrize(
    ("seeds", "found"),
    [
        ([(1.01, 1.0), (1.02, 1.0), (1.05, 1.04)], (HOLDS, FAIR)),  # closer than the tolerances, and paired
        ([(1.01, 1.0), (1.02, 1.0)], (HOLDS, WEAK)),
        ([(1.5, 1.0), (1.5, 1.0), (0.9, 1.0)], (UNDECIDED, NONE)),
        ([(0.5, 1.0), (0.5, 1.0), (0.9, 1.0)], (FAILS, FAIR)),
    ],
)
def test_with_several_seeds_each_must_say_the_same(seeds, found):
    assert of(*seeds) == found


def test_seeds_within_a_run_count_like_seeds_of_the_run():
    def values(a, b):
        mean = {"a": sum(a) / len(a), "b": sum(b) / len(b)}
        return {0: Values(mean | {"a.by_seed": a, "b.by_seed": b})}

    alike = decide(claim(), values([1.01, 2.01, 3.01], [1.0, 2.0, 3.0]), NARROW)
    assert (alike.verdict, alike.grade) == (HOLDS, FAIR)
    assert "3 seeds, all alike" in alike.evidence
    apart = decide(claim(), values([1.01, 2.01, 2.99], [1.0, 2.0, 3.0]), NARROW)
    assert apart.verdict == UNDECIDED
    assert "“holds” by 2 and “does not hold” by 1" in apart.evidence
    mixed = {0: Values({"a": 1.05, "a.by_seed": [1.0, 1.1], "b": 1.0})}  # b is of one seed
    assert decide(claim(), mixed, NARROW).verdict == UNDECIDED


def test_a_mean_that_says_other_than_each_seed_decides_nothing():
    def nonlinear(v):
        return ["more" if (v["a"] - v["b"]) ** 2 > 0.5 else "less"]

    values = {0: Values({"a": 1.0, "b": 1.0, "a.by_seed": [0.0, 2.0], "b.by_seed": [1.0, 1.0]})}
    found = decide(claim(nonlinear), values, NARROW)
    assert found.verdict == UNDECIDED
    assert "their mean does not" in found.evidence


@pytest.mark.parametrize(
    ("budget", "steps", "found"),
    [
        (Budget(100, 32, "a", "steps"), 9, (UNDECIDED, NONE)),
        (Budget(100, 32, "a", "steps"), 10, (HOLDS, FAIR)),
        (Budget(100, 32, "a", "steps"), 50, (HOLDS, STRONG)),
        (TOY, 1, (HOLDS, FAIR)),
        (UNSTATED, 1, (HOLDS, FAIR)),
    ],
)
def test_a_small_share_of_the_reports_budget_decides_nothing(budget, steps, found):
    values = {seed: Values(a=2.0, b=1.0) for seed in range(3)}
    decision = decide(claim(budget=budget), values, NARROW, Steps(steps))
    assert (decision.verdict, decision.grade) == found
    if isinstance(budget, Budget):
        assert f"{steps} of the report's 100 steps ({steps} %; a), in batches of 32" in decision.evidence


def test_an_undecided_outcome_has_no_grade():
    tie = Claim(
        "It is.", "C", "a toy", "a toy", Reading(lambda v: ["tie"], {"tie": "{a}"}), {"tie": UNDECIDED}, ("x",), TOY
    )
    assert decide(tie, {0: Values(a=1.0)}, NARROW).grade == NONE


def test_a_metric_that_a_rule_asks_for_only_in_another_case_moves_too():
    def branching(v):
        return ["more"] if v["a"] > 0.95 or v["b"] > 2.05 else ["less"]

    values = Values(a=0.5, b=2.0)
    assert decide(claim(branching), {0: values}, NARROW).verdict == UNDECIDED


def test_what_is_missing_is_said():
    with pytest.raises(MissingValueError):
        decide(claim(), {0: Values(a=1.0)}, NARROW)


@pytest.mark.parametrize(("lab", "one"), CLAIMS, ids=lambda one: getattr(one, "text", getattr(one, "name", "")))
def test_no_verdict_changes_inside_the_tolerances_without_being_undecided(lab, one):
    allowed, chance = tolerances(lab, LABS), random.Random(1)
    for seed in range(6):
        values = measured(lab, seed)
        found = decide(one, {0: values}, allowed)
        if found.verdict == UNDECIDED or possible(one, [values], allowed)[0] > 1:  # seeds say more than tolerances
            continue
        for _ in range(40):
            here = moved(values, {name: chance.uniform(-1, 1) for name in allowed}, allowed)
            assert one.decide(here)[1] == found.verdict


def test_every_claim_can_be_decided_over_seeds():
    for lab, one in CLAIMS:
        alike = (dict.fromkeys(range(3), measured(lab, seed)) for seed in range(60))
        verdicts = (decide(one, values, tolerances(lab, LABS)).verdict for values in alike)
        assert any(verdict in (HOLDS, PARTLY, FAILS, BEATEN, OTHER_DATA) for verdict in verdicts), one.text


# Which seeds are of a report


def entry(**changed) -> dict:
    values = {"a.loss": {"values": [1.0, 2.0]}, "b.loss": {"values": [3.0, None], "by_seed": [[2.0, 4.0], [3.0, 5.0]]}}
    made = {"notebook": "01_toy", "changes": {}, "seeds": [7, 8], "data": {"digits": "aa"}, "metrics": values} | changed
    return made | {
        "metrics": {
            name: {"mean": None, "interval": None, "unit": "", "n": 2, **one} for name, one in made["metrics"].items()
        }
    }


def record(**changed) -> dict:
    metrics = {"a.loss": {"value": 1.0}, "b.loss": {"value": 3.0, "by_seed": [2.0, 4.0]}}
    return {"status": "ok", "seed": 7, "data": {"digits": {"sha256": "aa"}}, "metrics": metrics} | changed


@pytest.mark.parametrize(
    ("entries", "one", "found"),
    [
        ([entry()], record(), True),
        ([entry()], record(seed=8), False),
        ([entry()], record(seed=9), False),
        ([entry()], record(status="failed"), False),
        ([entry()], record(data={"digits": {"sha256": "bb"}}), False),
        ([entry(changes={"steps": 1})], record(), False),
        ([entry(seeds=[7], metrics={"a.loss": {"values": [1.0]}})], record(metrics={"a.loss": {"value": 1.0}}), False),
        ([entry()], record(metrics={"a.loss": {"value": 1.5}}), False),  # of other code
        ([entry()], record(metrics=record()["metrics"] | {"c.loss": {"value": 1.0}}), False),  # of older code
        ([entry(metrics={"a.loss": {"values": [1.0, 2.0]}, "b.loss": {"values": [3.0, 1.0]}})], record(), False),
        ([], record(), False),
    ],
)
def test_other_seeds_count_if_the_reports_own_run_is_among_them(entries, one, found, tmp_path):
    (tmp_path / "seeds.json").write_text(json.dumps({"profile": "quick", "results": entries}))
    assert set(spread.of_report(tmp_path, {"01_toy": one})) == ({"01_toy"} if found else set())


def test_a_report_without_seeds_has_none_and_a_damaged_file_is_one_line(tmp_path):
    assert spread.of_report(tmp_path, {"01_toy": record()}) == {}
    (tmp_path / "seeds.json").write_text("[1]")
    with pytest.raises(LabError, match=r"seeds\.json is damaged") as error:
        spread.of_report(tmp_path, {})
    assert "\n" not in str(error.value)


def test_a_claim_of_two_notebooks_is_decided_over_the_seeds_that_both_have():
    first, second = list(LABS.values())[:2]
    labs = {lab.name: lab for lab in (first, second)}
    own = Values({"a": 1.0, "01/a": 1.0, "02/b": 3.0})
    given = {
        first.name: {"seeds": [0, 1, 2], "metrics": {"a": {"values": [1.0, 1.1, 1.2]}}},
        second.name: {"seeds": [0, 2, 5], "metrics": {"b": {"values": [3.0, 3.2, 3.5]}}},
    }
    found = by_seed(own, first, labs, [*labs], given)
    assert {seed: (values["a"], values["01/a"], values["02/b"]) for seed, values in found.items()} == {
        0: (1.0, 1.0, 3.0),
        2: (1.2, 1.2, 3.2),
    }
    assert next(iter(found.values())) == own
    assert list(by_seed(own, first, labs, [*labs], {first.name: given[first.name]}).values()) == [own]


# How sure a number is, as a page says it


@pytest.mark.parametrize(
    ("entry", "over_seeds", "said"),
    [
        ({"value": 1.5}, None, "± 10 %"),
        ({"value": 1.5, "interval": [1.4, 1.6]}, None, "95 %: 1.400 to 1.600"),
        ({"value": 1.5, "range": [1.2, 1.9], "seeds": 3}, None, "1.200 to 1.900 (3 seeds)"),
        ({"value": 1.5, "range": [1.5, 1.5], "seeds": 1}, None, "± 10 %"),
        (
            {"value": 1.5, "interval": [1.4, 1.6]},
            {"mean": 1.55, "interval": [1.3, 1.8], "n": 3},
            "mean 1.550 (95 %: 1.300 to 1.800; 3 seeds); 95 %: 1.400 to 1.600 (images)",
        ),
        ({"value": 1.5}, {"mean": 1.5, "interval": None, "n": 1}, "± 10 %"),
    ],
)
def test_a_page_says_of_a_number_how_far_it_could_be_another(entry, over_seeds, said):
    spec = Metric("Loss", "nats/image", tolerance=Tolerance(relative=0.1))
    assert sureness(spec, entry, over_seeds) == said


def test_a_tolerance_in_words():
    assert allowed_in_words(Tolerance(relative=0.3, absolute=0.05)) == "± 30 % or 0.05"
    assert allowed_in_words(Tolerance()) == ""
