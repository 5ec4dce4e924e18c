"""What notebook 04 says of its numbers, every verdict at its margin, and the plain form of its step."""

from dataclasses import replace

import pytest
import torch

from lab_utils.data.batches import to_signed
from lab_utils.labs.gan import LAB
from lab_utils.labs.spec import FAILS, HOLDS, PARTLY, UNDECIDED, MissingValueError, Values
from lab_utils.metrics.stability import roughness, swing
from lab_utils.run import Run, noise
from lab_utils.training.conditions import nothing
from lab_utils.training.gan import DCGAN, PROJECT, WGAN_GP, Game, gan_step, make_gan, plain_gan_step, recipe_table


def named(values, *names):
    return dict(zip(names, values, strict=True))


def sharp(gan, vae):
    return {"gan.sharpness_ratio": gan, "vae.sharpness_ratio": vae}


def follow(d, g, epochs=20):
    names = ("gan.d_loss_fcd_correlation", "gan.g_loss_fcd_correlation", "gan.d_loss_fcd_correlation.n")
    return named((d, g, epochs), *names)


def ratios(one, two):
    return {"dcgan_one_to_one.d_loss": one, "dcgan_one_to_two.d_loss": two}


def draws(diversity, no_hair):
    """Of VAE and GAN; of VAE, GAN, real images, and those that the VAE rebuilt."""
    shares = named(no_hair, "vae.no_hair", "gan.no_hair", "real.no_hair", "rebuilt.no_hair")
    return named(diversity, "vae.diversity", "gan.diversity") | shares


def steady(swings, rough):
    """Of DCGAN and WGAN-GP."""
    swings = named(swings, "dcgan.loss_swing", "wgangp.loss_swing")
    return swings | named(rough, "dcgan.loss_roughness", "wgangp.loss_roughness")


def collapse(diversity, fcd, dcgan=0.7):
    """Of the report's settings, after half of the steps, and after as many at half the width."""
    arms = ("report", "report_few_epochs", "report_half_width")
    found = named(diversity, *(f"{arm}.diversity" for arm in arms)) | named(fcd, *(f"{arm}.fcd" for arm in arms))
    return found | {"dcgan.diversity": dcgan}


def ending(loss, lead, fcd=(70.0, 60.0)):
    """From the middle to the end; the FCD halfway and at the end."""
    found = named(loss, "report.g_loss_middle", "report.g_loss_end")
    found |= named(lead, "report.d_lead_middle", "report.d_lead_end")
    return found | named(fcd, "report_few_epochs.fcd", "report.fcd")


def leads(first, last, ended=""):
    """Mean logits of real images with fakes at 0, in the first and the last fifth."""
    found = {"ended": ended, "first.real": first, "last.real": last, "first.fake": 0.0, "last.fake": 0.0}
    return found | {f"{when}.{net}": 1.0 for when in ("first", "last") for net in ("discriminator", "generator")}


def fcds(dcgan, wgangp, gan_short):
    return {"dcgan.fcd": dcgan, "wgangp.fcd": wgangp, "gan_short.fcd": gan_short}


def judged(accuracy, majority, *hair):
    return {"judge_accuracy": accuracy, "judge_majority": majority, "hair": list(hair)}


def opponents(gan, vae, ratio, vae_mse=0.005, pca_mse=0.004):
    found = {"gan.kid": gan, "vae.kid": vae, "gan.fcd_ratio": ratio, "gan.coverage": 0.7, "vae.coverage": 0.5}
    return found | {"vae_mse": vae_mse, "pca_mse": pca_mse}


def against_dcgan(report, report_fcd):
    return {"report.diversity": report, "dcgan.diversity": 0.7, "report.fcd": report_fcd, "dcgan.fcd": 25.0}


def ends(*broken):
    return fcds(20.0, 30.0, 10.0) | {"gan.coverage": 0.76, "broken": list(broken)}


LIKELY = judged(0.88, 0.76, "Black_Hair", "Wavy_Hair")
BALD, TIE, COLLAPSE = draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.8)), draws((0.8, 0.8), (1, 1, 1, 1)), (0.35, 0.3, 0.2)

CASES: dict[str, dict[str, dict]] = {
    "judge": {"accuracy": LIKELY, "blind": judged(0.7, 0.76), "hair": LIKELY, "no_hair": judged(0.9, 0.8)},
    "curves": {
        "ended": leads(1.0, 0.5, "a weight is not finite before step 40 of 60"),
        "losses": leads(1.0, 0.5),
        "lead": leads(1.0, 0.5),
        "ahead": leads(1.0, 2.0),
        "harder": leads(2.0, 1.0),
        "lost": leads(-1.0, -0.5),
    },
    "loss_and_quality": {
        "correlation": follow(0.2, -0.3),
        "d_lower": follow(0.5, 0.0),
        "d_higher": follow(-0.5, 0.0),
        "d_apart": follow(0.49, 0.0),
        "g_lower": follow(0.0, 0.5),
        "g_higher": follow(0.0, -0.5),
        "g_apart": follow(0.0, -0.49),
        "nothing": follow(0.49, -0.49),
        "something": follow(0.9, 0.79),
        "as_usual": follow(0.8, 0.8),
        "few": follow(0.2, 0.2, epochs=3),
    },
    "recipes": {
        "order": fcds(20.0, 30.0, 10.0),
        "close": fcds(10.9, 30.0, 10.0),
        "fewest": fcds(20.0, 30.0, 10.0),
    },
    "steadier": {
        "deviation": steady((0.5, 0.1), (0.9, 0.3)),
        "roughness": steady((0.5, 0.1), (0.9, 0.3)),
        "by_both": steady((0.5, 0.1), (0.9, 0.3)),
        "by_one": steady((0.5, 0.9), (0.9, 0.3)),
        "by_neither": steady((0.1, 0.5), (0.3, 0.9)),
        "undecided": steady((0.5, 0.45), (0.9, 0.85)),
        "deviation_tie": steady((0.5, 0.45), (0.9, 0.3)),
        "roughness_tie": steady((0.5, 0.1), (0.9, 0.85)),
    },
    "vae_and_gan": {
        "distances": opponents(0.1, 0.2, 0.6),
        "closer": opponents(0.1, 0.2, 0.6),
        "further": opponents(0.2, 0.1, 1.0),
        "disagree": opponents(0.2, 0.1, 0.6),
        "coverage": opponents(0.1, 0.2, 0.6),
        "opponent": opponents(0.1, 0.2, 0.6),
        "better_than_pca": opponents(0.1, 0.2, 0.6, vae_mse=0.003),
        "worse_than_pca": opponents(0.1, 0.2, 0.6, vae_mse=0.004),
    },
    "sharper": {
        "ratios": sharp(0.92, 0.22),
        "sharper": sharp(0.92, 0.22),
        "overdone": sharp(1.95, 0.22),
        "tie": sharp(0.41, 0.4),
        "softer": sharp(0.3, 0.4),
    },
    "bald": {
        "variety": BALD,
        "hair": BALD,
        "rebuilt": BALD,
        "blur": BALD,
        "both": BALD,
        "varied_only": draws((0.7, 0.8), (0.06, 0.2, 0.21, 0.19)),
        "hair_only": draws((0.9, 0.8), (0.94, 0.73, 0.62, 0.8)),
        "neither": draws((0.9, 0.8), (0.73, 0.94, 0.62, 0.7)),
        "undecided": TIE,
        "variety_tie": TIE,
        "hair_tie": TIE,
    },
    "copies": {
        "distance": {"gan.nn_distance_ratio": 1.0},
        "close": {"gan.nn_distance_ratio": 0.79},
        "closer": {"gan.nn_distance_ratio": 0.8},
        "no_closer": {"gan.nn_distance_ratio": 0.97},
        "further": {"gan.nn_distance_ratio": 1.16},
    },
    "two_steps": {
        "ends": ratios(0.01, 0.4),
        "kept_up": ratios(0.01, 0.4),
        "higher": ratios(0.15, 0.4),
        "tie": ratios(0.4, 0.43),
        "lower": ratios(0.4, 0.2),
        "zero": ratios(0.001, 0.02),
    },
    "report_settings": {
        "collapsed": against_dcgan(0.4, 50.0),
        "narrow": against_dcgan(0.4, 20.0),
        "further": against_dcgan(0.63, 50.0),
        "harmless": against_dcgan(0.63, 25.0),
    },
    "cured": {
        "whole": collapse(COLLAPSE, (70.0, 69.0, 90.0)),
        "remedied": collapse(COLLAPSE, (70.0, 69.0, 90.0)),
        "no_collapse": collapse((0.66, 0.6, 0.68), (20.0, 30.0, 10.0)),
        "cured": collapse((0.35, 0.3, 0.68), (70.0, 69.0, 40.0)),
        "helped": collapse((0.35, 0.5, 0.2), (70.0, 40.0, 90.0)),
        "not_cured": collapse(COLLAPSE, (70.0, 69.0, 90.0)),
    },
    "strong_discriminator": {
        "thirds": ending((4.0, 5.0), (6.0, 8.0)),
        "strong": ending((4.0, 5.0), (6.0, 8.0)),
        "worse": ending((4.0, 5.0), (6.0, 8.0), (60.0, 70.0)),
        "no_lead": ending((4.0, 5.0), (6.0, 5.0)),
        "level": ending((4.0, 4.2), (6.0, 8.0)),
        "falls": ending((6.1, 4.5), (10.5, 8.0)),
    },
    "discussion": {"spread": ends(), "broken": ends("DCGAN", "WGAN-GP"), "none_broken": ends(), "coverage": ends()},
}


@pytest.mark.parametrize(
    ("reading", "outcome"), [(name, outcome) for name, one in LAB.readings.items() for outcome in one.sentences]
)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


def test_there_are_no_cases_of_sentences_that_are_gone():
    assert {name: set(cases) for name, cases in CASES.items()} == {
        name: set(reading.sentences) for name, reading in LAB.readings.items()
    }


def test_a_sentence_about_a_number_that_is_not_finite_is_not_said():
    values = Values(follow(None, 0.5))
    with pytest.raises(MissingValueError):
        LAB.readings["loss_and_quality"].text(values)
    assert "gan.d_loss_fcd_correlation" in LAB.readings["loss_and_quality"].say(values)


# The claims: the verdict at each margin, and what the words hold.

CLAIMS = [
    ("sharper", sharp(0.92, 0.22), HOLDS, ["0.920", "0.220"]),
    ("sharper", sharp(1.95, 0.22), PARTLY, ["1.950", "0.220", "overdoes"]),
    ("sharper", sharp(0.41, 0.4), UNDECIDED, ["0.410", "0.400", "near-tie"]),
    ("sharper", sharp(0.3, 0.4), FAILS, ["0.300", "0.400"]),
    ("loss_and_quality", follow(0.2, -0.3), HOLDS, ["0.200", "−0.300", "D's loss goes its own way. G's loss goes"]),
    (
        "loss_and_quality",
        follow(-0.96, 0.97),
        PARTLY,
        ["−0.960", "0.970", "D's loss rises", "G's loss falls", "drift"],
    ),
    ("loss_and_quality", follow(0.6, 0.6), PARTLY, ["0.600", "D's loss falls"]),
    ("loss_and_quality", follow(0.9, 0.85), FAILS, ["0.900", "0.850", "D's loss falls", "G's loss falls", "drifts"]),
    ("two_steps", ratios(0.01, 0.4), HOLDS, ["0.01", "0.400", "1.386"]),
    ("two_steps", ratios(0.15, 0.4), PARTLY, ["0.150", "0.400", "does not bring it to zero either"]),
    ("two_steps", ratios(0.4, 0.43), UNDECIDED, ["0.400", "0.430", "near-tie"]),
    ("two_steps", ratios(0.4, 0.2), FAILS, ["0.400", "0.200"]),
    ("two_steps", ratios(0.001, 0.02), FAILS, ["0.001", "0.02"]),
    ("bald", BALD, HOLDS, ["0.700", "0.800", "94.0%", "73.0%", "62.0%", "80.0%"]),
    ("bald", draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.93)), PARTLY, ["93.0%", "In hair", "near-tie"]),  # it is the blur
    ("bald", draws((0.7, 0.8), (0.06, 0.2, 0.21, 0.19)), PARTLY, ["6.0%", "20.0%", "21.0%", "19.0%"]),
    ("bald", draws((0.9, 0.8), (0.94, 0.73, 0.62, 0.8)), PARTLY, ["0.900"]),
    ("bald", draws((0.9, 0.8), (0.73, 0.94, 0.62, 0.7)), FAILS, ["73.0%", "94.0%"]),
    ("bald", TIE, UNDECIDED, ["In variety", "In hair", "near-tie"]),
    ("steadier", steady((0.5, 0.1), (0.9, 0.3)), HOLDS, ["50.0%", "10.0%", "0.900", "0.300"]),
    ("steadier", steady((0.5, 0.45), (0.9, 0.3)), PARTLY, ["45.0%", "deviations are a near-tie"]),
    ("steadier", steady((0.5, 0.9), (0.9, 0.3)), PARTLY, ["90.0%", "0.300"]),
    ("steadier", steady((0.5, 0.45), (0.9, 0.85)), UNDECIDED, ["deviations are a near-tie", "roughnesses are a near"]),
    ("steadier", steady((0.1, 0.5), (0.3, 0.9)), FAILS, ["10.0%", "0.300"]),
    ("cured", collapse((0.35, 0.3, 0.68), (70.0, 69.0, 40.0)), HOLDS, ["0.350", "70.00", "0.680", "40.00", "0.700"]),
    ("cured", collapse((0.35, 0.68, 0.2), (70.0, 40.0, 90.0)), HOLDS, ["0.680", "0.200", "90.00", "is fewer steps"]),
    ("cured", collapse((0.35, 0.5, 0.2), (70.0, 40.0, 90.0)), PARTLY, ["0.500", "came from fewer steps"]),
    ("cured", collapse((0.35, 0.28, 0.23), (73.6, 69.5, 80.4)), FAILS, ["0.280", "0.230", "73.60", "69.50"]),
    ("cured", collapse((0.35, 0.36, 0.68), (70.0, 40.0, 90.0)), FAILS, ["0.360"]),  # no more varied, or further off
    ("cured", collapse((0.66, 0.6, 0.68), (20.0, 30.0, 10.0)), UNDECIDED, ["0.660", "no collapse to cure"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 8.0)), HOLDS, ["4.000", "5.000", "8.000", "70.00", "60.00"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 8.0), (60.0, 70.0)), PARTLY, ["6.000", "got worse"]),
    ("strong_discriminator", ending((4.0, 5.0), (6.0, 5.0)), PARTLY, ["6.000", "5.000"]),
    ("strong_discriminator", ending((4.0, 4.2), (6.0, 8.0)), UNDECIDED, ["4.200", "near-tie"]),
    ("strong_discriminator", ending((6.1, 4.5), (10.5, 8.0)), FAILS, ["6.100", "4.500", "10.50", "8.000"]),
    ("strong_discriminator", ending((0.7, 0.9), (-0.1, 0.2)), HOLDS, ["−0.100", "0.200"]),  # D was behind
]


def claim(reading):
    return next(one for one in LAB.claims if one.reading is LAB.readings[reading])


@pytest.mark.parametrize(("reading", "values", "verdict", "said"), CLAIMS)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(reading, values, verdict, said):
    measured, found = claim(reading).decide(Values(values))
    assert found == verdict, measured
    for words in said:
        assert words in measured
    assert "*" not in measured  # the index shows it as text


def test_a_claim_is_decided_by_metrics_alone():
    for _, values, *_ in CLAIMS:
        assert {name.removesuffix(".n") for name in values} <= set(LAB.metrics)


def test_every_claim_can_end_in_every_verdict():
    found = {one.text: {case[2] for case in CLAIMS if claim(case[0]) is one} for one in LAB.claims}
    assert len(found) == 7
    for text, verdicts in found.items():
        undecided = set() if "says nothing" in text else {UNDECIDED}  # a weak correlation is what that claim says
        assert verdicts == {HOLDS, PARTLY, FAILS} | undecided, text


@pytest.mark.parametrize("one", LAB.claims, ids=lambda one: one.text)
def test_a_claim_names_what_the_lab_has(one):
    assert one.report == "C"
    assert one.shown
    assert {name.removeprefix("04/") for name in one.shown} <= set(LAB.deliverables)
    assert set(one.verdicts) <= set(one.reading.sentences)


# What the page shows and measures by.


def toy(recipe):
    run = Run(seed=0, device=torch.device("cpu"), precision=torch.float32)
    return run, make_gan(run, "toy", recipe, 4, {}, width=8, side=16)


def test_the_plain_step_is_the_step_that_runs():
    recipe = replace(DCGAN, generator_steps=1)
    (run, plain), (_, full) = toy(recipe), toy(recipe)
    images = torch.randint(0, 256, (24, 3, 16, 16), generator=run.rng("images"), dtype=torch.uint8)
    step, rng = gan_step(Game(full, run, run.rng("game"), recipe, nothing())), run.rng("game")
    for batch in images.split(8):
        seen = plain_gan_step(plain, recipe, to_signed(batch), (noise(8, 4, rng), noise(8, 4, rng)))
        expected = step(batch)
        assert seen == {name: expected[name] for name in seen}
    for mine, theirs in zip(plain.networks, full.networks, strict=True):
        before = toy(recipe)[1].networks[plain.networks.index(mine)].state_dict()
        for name, value in mine.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name
        assert any(not torch.equal(value, before[name]) for name, value in mine.state_dict().items())


def test_the_size_of_a_gan_is_that_of_both_networks():
    _, gan = toy(DCGAN)
    assert gan.size == sum(p.numel() for one in (gan.generator, gan.discriminator) for p in one.parameters())


def test_recipes_stand_side_by_side():
    table = recipe_table(DCGAN, WGAN_GP, PROJECT)
    assert list(table["recipe"]) == ["DCGAN", "WGAN-GP", "this course's"]
    assert list(table["D : G steps"]) == ["1 : 2", "5 : 1", "1 : 1"]
    assert list(table["penalty λ"]) == ["none", "10", "none"]


def test_swing_is_relative_to_the_level_and_roughness_to_neither_scale_nor_zero():
    curve = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    assert roughness(curve) == pytest.approx(1, abs=0.03)
    assert roughness([3 + 7 * value for value in curve]) == pytest.approx(roughness(curve))
    assert roughness(range(1000)) < 0.01
    assert swing([-1.0, -3.0]) == pytest.approx(0.5)
    assert swing([10.0, 30.0]) == pytest.approx(swing([1.0, 3.0]))
