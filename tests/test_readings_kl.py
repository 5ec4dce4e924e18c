"""What notebook 02 says of its numbers: every sentence where it is true, every verdict at its margin."""

import math

import pytest
import torch

from lab_utils.data.batches import to_unit
from lab_utils.labs.kl import LAB, PROFILES, WEIGHTS
from lab_utils.labs.spec import FAILS, HOLDS, PARTLY, UNDECIDED, MissingValueError, Values, values_of
from lab_utils.metrics.fidelity import chroma
from lab_utils.metrics.latents import interpolated
from lab_utils.training.fit import snapshots


def arms(**columns):
    """Metrics of the weights 0, 1 and 100, a triple for each name."""
    return {f"beta{w}.{name}": triple[i] for name, triple in columns.items() for i, w in enumerate((0, 1, 100))}


def faces(prior=(0.14, 0.99, 1.0), fitted=0.98, real=0.98):
    return arms(prior_faces_found=prior) | {"beta0.fitted_faces_found": fitted, "real.faces_found": real}


def weights(sharp=(0.5, 0.4, 0.1), mse=(0.01, 0.02, 0.05), fcd=(90.0, 30.0, 200.0), fitted=20.0, **found):
    return arms(sharpness_ratio=sharp, mse=mse, prior_fcd=fcd) | {"beta0.fitted_fcd": fitted} | faces(**found)


def colours(zero, one, hundred=0.7):
    return arms(chroma_ratio=(zero, one, hundred))


def trained(first=600.0, highest=795.0, last=764.0, steps=585, left=0.002):
    found = {"elbo_first": first, "elbo_highest": highest, "elbo_last": last, "steps": steps, "evaluate_every": 117}
    return found | {"kl_hundred": left, "loss_hundred": 300.0}


def used(units, rate=0.4):
    return {"latent": 50, "beta100.active_units": units, "beta100.kl": rate}


def judged(balanced):
    return {"judge_accuracy": 0.9, "judge_majority": 0.8, "judge_balanced": balanced, "real_fcd": 1.5}


def traded(
    rate=(700.0, 30.0, 0.002), distortion=(56.0, 89.0, 300.0), elbo=(756.0, 119.0, 300.0), mmd=(0.39, 1e-4, 0.0)
):
    return arms(kl=rate, recon=distortion, neg_elbo=elbo, prior_mmd=mmd)


def fits(zero=25.0, one=29.0, prior=(90.0, 30.0, 100.0), mse=(0.01, 0.02, 0.05)):
    return arms(prior_fcd=prior, mse=mse) | {"beta0.fitted_fcd": zero, "beta1.fitted_fcd": one} | faces()


def toy(gap=(9.0, 0.02, 0.0), kl=(5.0, 2.1, 0.001)):
    names = ("0", "1", "100")
    return {key: dict(zip(names, triple, strict=True)) for key, triple in (("toy_gap", gap), ("toy_kl", kl))}


def swept(off=1.0, mse=(0.009, 0.011, 0.045), fcd=(22.0, 31.0, 97.0), change=0.004, collapsed=0.0003):
    rows = [
        {"in theory": rate, "distortion": theory * off, "by theory": theory, "error at z = μ": error, "FCD": distance}
        for rate, theory, error, distance in zip((168.0, 36.0, 0.11), (57.0, 82.0, 289.0), mse, fcd, strict=True)
    ]
    at_hundred = {"sweep100.kl": 0.105, "sweep100.kl_change": change, "sweep100.active_units": 1}
    return {"swept": rows, "sweep": (0.005, 1.0, 100.0), "beta100.kl": collapsed} | at_hundred


ALIKE = weights((1.0, 1.0, 1.0), (0.02, 0.02, 0.02), (30.0, 30.0, 30.0), prior=(0.99, 0.99, 0.99), fitted=20.0)
UNHEARD = {"real.faces_found": 0.89}

CASES = {
    "settings": {"always": {"latent": 50, "learning_rate": 1e-4, "batch_size": 100, "steps": 1}},
    "constant": {"always": {"pixels": 12_288}},
    "objective": {
        "one_look": trained(600.0, 600.0, 600.0, steps=117),
        "falls": trained(600.0, 600.0, 500.0),
        "rises": trained(600.0, 764.0, 764.0),
        "peaks": trained(),
        "met": trained(left=0.29),
        "apart": trained(left=0.31),
    },
    "collapse": {"one_face": used(0, 0.0), "no_bit": used(1, 0.69), "left": used(10, 0.70)},
    "colours": {
        "chroma": colours(0.97, 0.9),
        "tie": colours(0.91, 0.9),
        "nearer": colours(0.97, 0.9),
        "deeper": colours(1.2, 0.9),
        "paler": colours(0.8, 0.9),
    },
    "judge": {"judge": judged(0.8), "chance": judged(0.59), "floor": judged(0.6)},
    "samples": {
        "distances": weights(),
        "between": weights(fcd=(33.1, 30.0, 33.1)),
        "zero": weights(fcd=(27.0, 30.0, 33.1)),
        "undecided": weights(fcd=(90.0, 30.0, 32.9)),
        "detector": weights(),
        "deaf": weights(real=0.89),
        "disagree": weights(fcd=(29.9, 30.0, 200.0)),
    },
    "toy": {"gaps": toy(), "collapsed": toy(), "spikes": toy()},
    "sweep": {
        "theory": swept(1.09),
        "off": swept(1.11),
        "both": swept(),
        "errors": swept(fcd=(32.0, 31.0, 97.0)),
        "settled": swept(change=0.02),
        "unsettled": swept(change=0.021),
        "lower": swept(collapsed=0.05),
        "alike": swept(collapsed=0.06),
    },
    "trade": {
        "rates": traded(),
        "traded": traded(),
        "not_traded": traded(distortion=(56.0, 89.0, 88.0)),
        "lowest": traded(),
        "not_lowest": traded(elbo=(756.0, 300.0, 299.0)),
        "dear": traded(),
        "far": traded(),
        "near": traded(mmd=(0.005, 0.001, 0.0)),
    },
    "fitted": {
        "zero": fits(),
        "detector": fits(),
        "decoder": fits(),
        "one_off": fits(one=26.9),
        "one_alike": fits(one=27.1),
        "one_worse": fits(one=33.1),
        "better": fits(),
    },
    "weights_of_kl": {
        "blurs": weights((0.5, 0.4, 0.35)),
        "no_blur": weights((0.5, 0.4, 0.37)),
        "best": weights(mse=(0.0189, 0.02, 0.05)),
        "not_best": weights(mse=(0.0191, 0.02, 0.05)),
        "cannot": weights(fitted=33.1),
        "prior_fails": weights(fitted=32.9),
        "no_worse": weights(fcd=(32.9, 30.0, 200.0), prior=(0.8, 0.99, 1.0)),
        "witness": weights(),
        "not_decoder": weights(),
        "holds": weights(fitted=60.0),
        "partly": weights(),
        "fails": ALIKE,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "outcome"), [(name, outcome) for name, one in LAB.readings.items() for outcome in one.sentences]
)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


SILENT = [
    ("samples", weights(fcd=(29.9, 30.0, 200.0), prior=(0.8, 0.99, 1.0)), "disagree"),
    ("judge", judged(0.6), "chance"),
    ("trade", traded(distortion=(95.0, 89.0, 300.0)), "dear"),  # it saves nothing
    ("trade", traded(rate=(60.0, 30.0, 0.0)), "dear"),  # it saves more than it costs
    ("fitted", fits(prior=(32.9, 30.0, 100.0)) | faces((0.8, 0.99, 1.0)), "decoder"),  # there was nothing to mend
    ("weights_of_kl", weights(fitted=33.1), "not_decoder"),
    ("weights_of_kl", weights(real=0.89), "witness"),
    ("weights_of_kl", weights(fcd=(32.9, 30.0, 200.0), real=0.89), "prior_fails"),  # nobody else has seen it
    ("toy", toy(kl=(5.0, 2.1, 0.06)), "collapsed"),
    ("toy", toy(gap=(0.9, 0.02, 0.0)), "spikes"),
    ("sweep", swept(mse=(0.012, 0.011, 0.045)), "both"),
    ("sweep", swept(mse=(0.012, 0.011, 0.045)), "errors"),
    ("fitted", fits(zero=33.1), "decoder"),
    ("fitted", fits(zero=30.1), "better"),
    ("fitted", fits(mse=(0.03, 0.02, 0.05)), "better"),
]


@pytest.mark.parametrize(("reading", "values", "outcome"), SILENT)
def test_a_sentence_that_is_not_true_is_not_said(reading, values, outcome):
    assert outcome not in LAB.readings[reading].outcomes(Values(values))


def test_a_decoder_is_cleared_by_one_rule():
    several = (weights(), weights(fitted=33.1), weights(fcd=(32.9, 30.0, 200.0)), weights(fitted=32.9))
    for values in (*several, weights() | {"beta0.fitted_faces_found": 0.5}, ALIKE):
        values = Values(values | {"beta1.fitted_fcd": 29.0})
        assert ("decoder" in LAB.readings["fitted"].outcomes(values)) == (
            "prior_fails" in LAB.readings["weights_of_kl"].outcomes(values)
        )


def test_the_detector_may_see_what_the_judge_does_not():
    near = {"fcd": (32.9, 30.0, 200.0)}
    assert "prior_fails" in LAB.readings["weights_of_kl"].outcomes(Values(weights(**near)))
    assert "cannot" in LAB.readings["weights_of_kl"].outcomes(
        Values(weights(**near) | {"beta0.fitted_faces_found": 0.7})
    )
    assert "no_worse" in LAB.readings["weights_of_kl"].outcomes(Values(weights(**near) | UNHEARD))


def claim(words):
    found = [one for one in LAB.claims if words in one.text]
    assert len(found) == 1, words
    return found[0]


CLAIMS = [
    ("100 blurs", weights(fitted=60.0), HOLDS, ["0.100", "0.400", "0.01", "0.02", "0.05", "90.00", "30.00", "60.00"]),
    ("100 blurs", weights(), PARTLY, ["20.00", "14%", "98%", "99%", "the prior that fails, not the decoder"]),
    ("100 blurs", ALIKE, FAILS, ["0.02", "30"]),
    ("100 blurs", ALIKE | {"beta0.prior_fcd": 34.0}, PARTLY, ["34.00", "the prior that fails"]),
    ("100 blurs", ALIKE | {"beta100.sharpness_ratio": 0.8}, PARTLY, ["0.800"]),
    ("100 blurs", ALIKE | {"beta0.mse": 0.01}, PARTLY, ["0.01"]),
    ("reconstructions deeper", colours(0.97, 0.9), HOLDS, ["0.970", "0.900", "0.700", "not beyond"]),
    ("reconstructions deeper", colours(1.2, 0.9), HOLDS, ["1.200", "0.900"]),
    ("reconstructions deeper", colours(0.91, 0.9), UNDECIDED, ["0.910", "0.900", "near-tie"]),
    ("reconstructions deeper", colours(0.8, 0.9), FAILS, ["0.800", "0.900"]),
]


@pytest.mark.parametrize(("words", "values", "verdict", "said"), CLAIMS)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    text, found = claim(words).decide(Values(values))
    assert found == verdict, text
    assert "**" not in text
    for number in said:
        assert number in text


def test_a_claim_is_decided_by_metrics_alone_and_by_what_the_page_shows():
    for words, values, *_ in CLAIMS:
        assert set(values) <= set(LAB.metrics)
        assert claim(words).reading in LAB.readings.values()
        assert {name.removeprefix("02/") for name in claim(words).shown} <= set(LAB.deliverables)
        unused = {"beta100.prior_fcd", "beta100.prior_faces_found"}  # of which no claim says anything
        for name in set(values) - unused:
            with pytest.raises(MissingValueError):
                claim(words).decide(Values({key: value for key, value in values.items() if key != name}))


def test_what_is_not_finite_is_not_spoken_of():
    values = values_of({"beta100.active_units": {"value": None}}) | {"latent": 50}
    assert "beta100.active_units" in LAB.readings["collapse"].say(Values(values))


def test_every_weight_of_the_pages_has_its_metrics():
    assert {name.split(".")[0] for name in LAB.metrics} == {
        *(f"beta{weight:g}" for weight in WEIGHTS), "sweep100", "real",
    }  # fmt: skip
    for settings in PROFILES.values():
        assert list(settings.sweep) == sorted(settings.sweep)
        assert settings.sweep[-1] == 100
        assert settings.sweep_steps >= 20  # so that there is a last tenth
    for name, metric in LAB.metrics.items():
        assert name.split(".")[0].removeprefix("beta").removeprefix("sweep") in metric.title or name.startswith("real")


# What the notebook measures by.


def test_chroma_is_nothing_for_grey_and_the_same_for_bytes():
    grey = torch.full((2, 3, 4, 4), 0.4)
    assert chroma(grey) == 0
    red = torch.stack([torch.full((4, 4), value) for value in (0.9, 0.4, 0.1)])[None]
    assert chroma(red) == pytest.approx(0.8)
    assert chroma(torch.cat([red, torch.zeros_like(red)])) == pytest.approx(0.4)
    images = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert chroma(images) == chroma(to_unit(images))


def test_codes_between_two_lie_at_equal_steps():
    path = interpolated(torch.tensor([0.0, 1.0]), torch.tensor([1.0, -1.0]), 5)
    assert torch.allclose(path[:, 0], torch.linspace(0, 1, 5))
    assert torch.allclose(path[:, 1], torch.linspace(1, -1, 5))


@pytest.mark.parametrize("steps", [1, 2, 7, 600])
def test_snapshots_are_taken_after_their_share_of_the_steps(steps):
    done = 0
    taken, after_step = snapshots(lambda: torch.tensor(done), steps)
    for _ in range(steps):
        done += 1
        after_step(done)
    assert {share: int(at) for share, at in taken.items()} == {
        share: math.ceil(share * steps)
        for share in (0.1, 0.5, 1.0)
        if math.ceil(share * steps) not in [math.ceil(later * steps) for later in (0.5, 1.0) if later > share]
    }
