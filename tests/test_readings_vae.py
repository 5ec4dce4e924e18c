"""What notebook 01 says of its numbers: every sentence where it is true, the verdict of its claim, and the words."""

import pytest

from lab_utils.labs.spec import OTHER_DATA, MissingValueError, Values
from lab_utils.labs.vae import LAB

CODE = {
    "latent": 128, "importance_samples": 20, "evaluate_every": 183,
    "vae.kl": 358.0, "vae.active_units": 128, "vae.iwae_bound": 14_300.0,
    "vae.iwae_bound.n": 200, "elbo_few": 13_900.0, "test_above": 250.0, "sigma": 0.0763, "sigma_images": 2000,
    "vae.test_elbo": 14_600.0, "pca.log_likelihood": 14_350.0, "vae.elbo_gain": 250.0,
}  # fmt: skip
ERRORS = {
    "vae.test_mse": 0.0048, "vae.test_mse_sampled": 0.0049, "vae.pca_test_mse": 0.005, "vae.mse_ratio": 0.96,
    "plain.test_mse": 0.006, "plain_steps": 549,
}  # fmt: skip
PRIOR = {
    "attribute": "Male", "judge_accuracy": 0.95, "majority": 0.78, "judge_balanced": 0.8, "vae.fcd": 8.0,
    "prior_fcd": 9.0, "rebuilt_fcd": 7.0, "vae.fcd_ratio": 1.14, "real.faces_found": 0.98, "plain_faces": 0.5,
    "vae.faces_found": 0.99, "vae.prior_faces_found": 0.96,
    "prior_kid": 0.2, "mixture_kid": 0.17, "rebuilt_kid": 0.15,
}  # fmt: skip
MAP = PRIOR | {
    "vae.tsne_trustworthiness": 0.79, "vae.knn_accuracy": 0.82, "vae.knn_accuracy.low": 0.79, "map_vote": 0.79,
    "vae.map_accuracy": 0.6,
}  # fmt: skip
FLOOR = {"latent": 128, "kl_report": 64.2, "kl_plain": 3.5, "vae.kl": 358.0, "report_worse_by": 60.0}
DISCUSSION = (
    ERRORS | PRIOR | {"latent": 128, "vae.psnr": 22.7, "vae.ssim": 0.65, "sigma": 0.0763, "report_sigma": 2.77}
) | {"kl_plain": 3.5}

CASES: dict[str, dict[str, dict]] = {
    "code": {
        "noise": CODE,
        "all_units": CODE,
        "most_units": CODE | {"vae.active_units": 116},
        "few_units": CODE | {"vae.active_units": 115},
        "test_higher": CODE | {"test_above": 0.5},
        "test_lower": CODE | {"test_above": -0.5},
        "test_alike": CODE | {"test_above": -0.4},
        "gains": CODE,
        "loses": CODE | {"vae.elbo_gain": -3.0},
        "bounds": CODE,
        "posterior": CODE,
        "no_gap": CODE | {"elbo_few": 14_299.0},
    },
    "linear": {
        "errors": ERRORS,
        "below": ERRORS,
        "alike": ERRORS | {"vae.mse_ratio": 1.009},
        "above": ERRORS | {"vae.mse_ratio": 1.02},
        "plain_below": ERRORS | {"plain.test_mse": 0.004},
        "plain_alike": ERRORS | {"plain.test_mse": 0.00504},
        "plain_above": ERRORS,
    },
    "test_error": {"always": ERRORS},
    "prior": {
        "faces": PRIOR,
        "no_faces": PRIOR | {"real.faces_found": 0.89},
        "judge": PRIOR,
        "chance": PRIOR | {"judge_balanced": 0.59},
        "distances": PRIOR,
        "mended": PRIOR,
        "undecided": PRIOR | {"prior_kid": 0.17},
        "not_mended": PRIOR | {"prior_fcd": 8.2},
        "able": PRIOR | {"vae.fcd_ratio": 1.31},
        "unable": PRIOR,
    },
    "neighbours": {
        "trust": MAP,
        "map": MAP,
        "keeps": MAP | {"vae.map_accuracy": 0.65},
        "little": MAP,
        "mixed": MAP | {"vae.map_accuracy": 0.54},
        "vote": MAP,
        "written": MAP,
        "not_written": MAP | {"vae.knn_accuracy.low": 0.78},
        "taught": MAP,
    },
    "floor": {
        "on_floor": FLOOR,
        "above_floor": FLOOR | {"kl_report": 64.64},
        "plain": FLOOR,
        "hidden": FLOOR,
        "best": FLOOR,
        "worse": FLOOR,
        "better": FLOOR | {"report_worse_by": -0.05},
        "as_good": FLOOR | {"report_worse_by": -0.04},
    },
    "discussion": {
        "survives": DISCUSSION,
        "narrow": DISCUSSION,
        "wide": DISCUSSION | {"vae.test_mse_sampled": 0.0051},
        "prior": DISCUSSION,
        "stray": DISCUSSION,
        "noise": DISCUSSION,
        "price": DISCUSSION,
    },
}
SENTENCES = [(name, outcome) for name, reading in LAB.readings.items() for outcome in reading.sentences]


@pytest.mark.parametrize(("reading", "outcome"), SENTENCES)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


def test_no_case_is_of_a_sentence_that_there_is_not():
    assert [(name, outcome) for name, of in CASES.items() for outcome in of] == SENTENCES


@pytest.mark.parametrize(
    ("reading", "values", "others"),
    [
        ("code", CODE | {"vae.active_units": 116}, {"all_units", "few_units"}),
        ("code", CODE | {"test_above": -250.0}, {"test_higher", "test_alike"}),
        ("code", CODE | {"elbo_few": 14_400.0}, {"posterior"}),
        ("linear", ERRORS, {"above", "alike", "plain_below"}),
        ("code", CODE | {"vae.elbo_gain": -3.0}, {"gains"}),
        ("prior", PRIOR | {"real.faces_found": 0.2}, {"faces"}),
        ("prior", PRIOR | {"judge_balanced": 0.59}, {"able", "unable", "mended", "not_mended"}),
        ("prior", PRIOR | {"vae.fcd_ratio": 1.34, "mixture_kid": 0.16}, {"able"}),
        ("discussion", DISCUSSION | {"prior_kid": 0.17}, {"stray"}),
        ("floor", FLOOR | {"kl_plain": 32.0}, {"hidden"}),
        ("discussion", DISCUSSION | {"prior_fcd": 8.2}, {"stray"}),
        ("discussion", DISCUSSION | {"judge_balanced": 0.59}, {"stray"}),
    ],
)
def test_a_sentence_is_not_said_where_it_is_not_true(reading, values, others):
    assert not others & set(LAB.readings[reading].outcomes(Values(values)))


def test_words_state_the_numbers():
    said = {name: LAB.readings[name].text(Values(next(iter(cases.values())))) for name, cases in CASES.items()}
    assert "358 nats" in said["code"]
    assert "at least about 400 nats" in said["code"]
    assert "14,600 nats, 250 above the 14,350 nats" in said["code"]
    assert "4% lower than PCA's" in said["linear"]
    assert "1.20 times the error of PCA: in 549 steps" in said["linear"]
    assert "ends at 64.20 nats/image, on its floor of 64:" in said["floor"]
    assert "36 times as much" in said["discussion"]


@pytest.mark.parametrize("name", ["code", "linear", "test_error", "prior", "neighbours", "floor", "discussion"])
def test_what_is_not_finite_gives_a_line(name):
    values = Values(dict.fromkeys(next(iter(CASES[name].values()))))
    with pytest.raises(MissingValueError):
        LAB.readings[name].text(values)
    assert LAB.readings[name].say(values).startswith("*Nothing is said of this")


# The claim


def test_the_error_of_the_vae_was_measured_on_other_photographs():
    claim = LAB.claims[0]
    assert "0.0641" in claim.text
    assert (claim.report, claim.shown) == ("C", ("01/vae.3",))
    assert claim.reading is LAB.readings["test_error"]
    assert claim.figures_of not in {"photographs", "celeba", "avatars"}  # so that on any of them it is other data
    words, verdict = claim.decide(Values({"vae.test_mse": 0.006}))  # a metric alone decides it
    assert verdict == OTHER_DATA
    for number in ("0.006 on [0, 1]", "0.024 on [−1, 1]", "0.0160", "0.0641"):
        assert number in words


def test_the_claim_waits_for_its_number():
    for values in ({}, {"vae.test_mse": None}):
        with pytest.raises(MissingValueError):
            LAB.claims[0].decide(Values(values))
