"""What notebook 04 says of its numbers, every verdict at its margin, and the plain form of its step."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from lab_utils.data.batches import to_signed
from lab_utils.labs.gan import LAB
from lab_utils.labs.spec import FAILS, HOLDS, PARTLY, UNDECIDED, MissingValueError, Values
from lab_utils.metrics.stability import of_discriminator, roughness, swing
from lab_utils.models.linear import LinearGenerator
from lab_utils.run import Run, noise
from lab_utils.training.conditions import nothing
from lab_utils.training.gan import DCGAN, EVEN, PROJECT, WGAN_GP, Game, gan_step, make_gan, plain_gan_step, recipe_table


def named(values, *names):
    return dict(zip(names, values, strict=True))


def sharp(gan, vae):
    return {"gan.sharpness_ratio": gan, "vae_beside.sharpness_ratio": vae}


def follow(d, g, evaluations=20):
    names = ("gan.d_loss_fcd_correlation", "gan.g_loss_fcd_correlation", "gan.d_loss_fcd_correlation.n")
    return named((d, g, evaluations), *names)


def over_seeds(values):
    """Metrics, each the mean of one value for each seed, with those values."""
    found = {name: sum(each) / len(each) for name, each in values.items()}
    return found | {f"{name}.by_seed": list(each) for name, each in values.items()}


def ratios(one, two):
    """D's loss with one step of G for each of D and with two, of each seed."""
    return over_seeds({"dcgan_one_to_one.d_loss": one, "dcgan_one_to_two.d_loss": two})


def draws(diversity, no_hair):
    """Of VAE and GAN; of VAE, GAN, real images, and those that the VAE rebuilt."""
    shares = named(no_hair, "vae_beside.no_hair", "gan.no_hair", "real.no_hair", "rebuilt.no_hair")
    return named(diversity, "vae_beside.diversity", "gan.diversity") | shares


def steady(swings, rough):
    """Of DCGAN and WGAN-GP, each with a value for each seed."""
    found = named(swings, "dcgan.loss_swing", "wgangp.loss_swing")
    return over_seeds(found | named(rough, "dcgan.loss_roughness", "wgangp.loss_roughness"))


def rescue(report, early, slim):
    """Gaussians found under the report's settings, after half of the steps, and after as many at half the width."""
    return named((report, early, slim), "toy_report.modes", "toy_report_early.modes", "toy_half_width.modes")


def in_the_plane(report=1.0, one_to_two=4.0, five_to_one=8.0, seeds=((8, 7), (8, 8), (8, 8))):
    """Gaussians found on average, and by each seed with DCGAN at 1 : 1, at 5 : 1 and with WGAN-GP."""
    by_seed = named(seeds, "toy_one_to_one.modes", "toy_five_to_one.modes", "toy_wgangp.modes")
    found = over_seeds({"toy_report.modes": (report,) * 2, "toy_dcgan.modes": (one_to_two,) * 2} | by_seed)
    found |= rescue(report, 1.0, 1.0) | {"toy_five_to_one.modes": five_to_one}
    return found | {"toy_seeds": 2}


def along(one_to_one, wgangp):
    return {"toy_one_to_one.loss_distance": one_to_one, "toy_wgangp.loss_distance": wgangp}


def against_noise(learned, best=0.5):
    return {"toy_d.loss": learned, "toy_best_loss": best}


def leads(first, last, ended=""):
    """Mean logits of real images with fakes at 0, in the first and the last fifth."""
    found = {"ended": ended, "first.real": first, "last.real": last, "first.fake": 0.0, "last.fake": 0.0}
    return found | {f"{when}.{net}": 1.0 for when in ("first", "last") for net in ("discriminator", "generator")}


def sampled(gan=3.0, linear=9.0, ratio=0.4, detected=0.97):
    """FCD of the GAN and of eigenfaces, how the spectra compare, and in how many test images a face is found."""
    found = {"gan.fcd": gan, "linear.fcd": linear, "real_fcd": 0.4, "gan.spectrum_ratio": ratio}
    found |= {"gan_spectrum": ratio * 0.9, "vae_spectrum": 0.9}
    return found | {"gan.faces_found": 0.96, "real.faces_found": detected}


def fcds(dcgan, wgangp, small, linear=14.0):
    """Of each seed; and of the eigenfaces that this course's recipe begins as."""
    found = over_seeds({"dcgan.fcd": dcgan, "wgangp.fcd": wgangp, "small.fcd": small})
    return found | {"arm_seeds": len(small), "linear.fcd": linear}


def judged(accuracy, majority, *hair):
    return {"judge_accuracy": accuracy, "judge_majority": majority, "hair": list(hair)}


def opponents(kid, fcd):
    """Of GAN and VAE."""
    found = named(kid, "gan.kid", "vae_beside.kid") | named(fcd, "gan.fcd", "vae_beside.fcd")
    found |= {"gan.coverage": 0.7, "vae_beside.coverage": 0.5}
    return found | {"steps": 7000, "batch_size": 16, "vae_steps": 3000, "vae_batch_size": 64}


def ends(*broken):
    return fcds((20.0, 22.0), (30.0, 29.0), (10.0, 9.5)) | {"gan.coverage": 0.76, "broken": list(broken)}


LIKELY = judged(0.88, 0.76, "Black_Hair", "Wavy_Hair")
BALD, TIE = draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.8)), draws((0.8, 0.8), (1, 1, 1, 1))
CLEAR, CLOSE = ((0.5, 0.6), (0.1, 0.2)), ((0.5, 0.6), (0.45, 0.55))  # of DCGAN and WGAN-GP, two seeds each
WORSE = ((0.1, 0.2), (0.5, 0.6))
RANKED = fcds((20.0, 22.0), (30.0, 29.0), (10.0, 11.0))

CASES: dict[str, dict[str, dict]] = {
    "judge": {"accuracy": LIKELY, "blind": judged(0.76, 0.76), "hair": LIKELY, "no_hair": judged(0.9, 0.8)},
    "best_possible": {
        "losses": against_noise(0.51),
        "near": against_noise(0.529),
        "short": against_noise(0.531),
    },
    "plane": {
        "found": in_the_plane(),
        "collapse": in_the_plane(report=3.9),
        "part": in_the_plane(report=4.0),
        "none": in_the_plane(report=7.0),
        "ratios": in_the_plane(),
        "more_d": in_the_plane(one_to_two=6.9),
        "ratio_tie": in_the_plane(one_to_two=7.0),
        "more_g": in_the_plane(one_to_two=8.0, five_to_one=6.9),
        "cures": in_the_plane(),
        "no_cure": in_the_plane(seeds=((8, 7), (7, 8), (6, 6))),
    },
    "cured": {
        "whole": rescue(1.0, 1.0, 1.5),
        "remedied": rescue(1.0, 1.0, 1.5),
        "no_collapse": rescue(7.5, 7.0, 8.0),
        "cured": rescue(1.0, 2.0, 7.5),
        "helped": rescue(1.0, 3.0, 3.0),
        "not_cured": rescue(1.0, 1.9, 2.8),
    },
    "toy_losses": {
        "levels": along(0.2, -0.9),
        "one_to_one_follows": along(-0.7, -0.9),
        "one_to_one_silent": along(0.69, -0.9),
        "wgangp_follows": along(0.2, -0.7),
        "wgangp_silent": along(0.2, -0.69),
    },
    "curves": {
        "ended": leads(1.0, 0.5, "a weight is not finite before step 40 of 60"),
        "losses": leads(1.0, 0.5),
        "lead": leads(1.0, 0.5),
        "ahead": leads(1.0, 1.11),
        "as_before": leads(1.0, 1.09),
        "harder": leads(1.0, 0.11),
        "lost": leads(1.0, 0.1),
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
        "few": follow(0.2, 0.2, evaluations=9),
    },
    "samples": {
        "faces": sampled(detected=0.9),
        "no_faces": sampled(detected=0.89),
        "begun": sampled(),
        "better": sampled(gan=8.9),
        "no_better": sampled(gan=9.0),
        "spectrum": sampled(),
        "closer": sampled(ratio=0.99),
        "further": sampled(ratio=1.0),
    },
    "shortened": {
        "ends": {"truncated_coverage": [0.4, 0.6, 0.7, 0.9]},
        "price": {"truncated_coverage": [0.87, 0.6, 0.7, 0.9]},
        "no_price": {"truncated_coverage": [0.89, 0.6, 0.7, 0.9]},
    },
    "recipes": {
        "order": RANKED,
        "close": fcds((11.0, 30.0), (40.0, 39.0), (10.0, 11.0)),
        "start": fcds((20.0, 22.0), (30.0, 29.0), (10.0, 11.0), linear=11.6),
        "apart": RANKED,
        "fewest": RANKED,
    },
    "two_steps": {
        "ends": ratios((0.01, 0.02), (0.4, 0.5)),
        "kept_up": ratios((0.01, 0.02), (0.4, 0.5)),
        "higher": ratios((0.15, 0.2), (0.4, 0.5)),
        "tie": ratios((0.4, 0.4), (0.43, 0.42)),
        "lower": ratios((0.4, 0.4), (0.2, 0.3)),
        "zero": ratios((0.001, 0.002), (0.02, 0.03)),
    },
    "steadier": {
        "deviation": steady(CLEAR, CLEAR),
        "roughness": steady(CLEAR, CLEAR),
        "by_both": steady(CLEAR, CLEAR),
        "by_one": steady(WORSE, CLEAR),
        "by_neither": steady(WORSE, WORSE),
        "undecided": steady(CLOSE, CLOSE),
        "deviation_tie": steady(CLOSE, CLEAR),
        "roughness_tie": steady(CLEAR, CLOSE),
    },
    "vae_and_gan": {
        "distances": opponents((0.1, 0.2), (3.0, 12.0)),
        "closer": opponents((0.1, 0.2), (3.0, 12.0)),
        "further": opponents((0.2, 0.2), (12.0, 12.0)),
        "disagree": opponents((0.2, 0.1), (3.0, 12.0)),
        "coverage": opponents((0.1, 0.2), (3.0, 12.0)),
        "seen": opponents((0.1, 0.2), (3.0, 12.0)),
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
    "discussion": {
        "spread": ends(),
        "broken": ends("a weight is not finite before step 40 of 60"),
        "none_broken": ends(),
        "coverage": ends(),
    },
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


# Further rules at their margins: what is not said, and why.


@pytest.mark.parametrize(
    ("reading", "values", "unsaid"),
    [
        ("judge", judged(0.77, 0.76), {"blind"}),
        ("plane", in_the_plane(one_to_two=7.0, five_to_one=6.0), {"more_d", "more_g"}),  # one apart is a near-tie
        ("plane", in_the_plane(seeds=((8, 7), (7, 8), (8, 8))), {"no_cure"}),
        ("toy_losses", along(0.2, 0.9), {"wgangp_follows"}),  # that would be further from zero, the nearer the samples
        ("curves", leads(1.0, 0.5), {"ended"}),
        ("loss_and_quality", follow(0.2, 0.2, evaluations=10), {"few"}),
        ("recipes", fcds((11.1, 30.0), (40.0, 39.0), (10.0, 11.0)), {"close"}),
        ("recipes", fcds((40.0, 42.0), (30.0, 29.0), (10.0, 11.0)), {"fewest"}),
        ("recipes", fcds((20.0, 22.0), (30.0, 29.0), (10.0, 11.0), linear=11.7), {"start"}),
        ("recipes", fcds((9.0, 9.2), (30.0, 29.0), (10.0, 11.0), linear=10.0), {"start"}),  # it is not ahead
        ("bald", draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.67)), {"blur"}),
        ("copies", {"gan.nn_distance_ratio": 1.15}, {"further"}),
    ],
)
def test_a_sentence_is_not_said_where_it_is_not_true(reading, values, unsaid):
    assert not unsaid & set(LAB.readings[reading].outcomes(Values(values)))


def said(reading, values):
    return LAB.readings[reading].text(Values(values))


@pytest.mark.parametrize(
    ("first", "last", "stands"),
    [
        (0.5, 0.61, "ahead"),
        (0.5, 0.59, "as_before"),
        (0.5, 0.41, "as_before"),
        (0.5, 0.39, "harder"),
        (0.15, 0.11, "as_before"),
        (0.15, 0.1, "lost"),
        (0.1, 0.1, "lost"),  # what has no lead is not as well off as anything
        (-1.0, -0.8, "lost"),  # it gains, and is still behind
        (-1.0, 0.11, "ahead"),
    ],
)
def test_where_d_stands_at_the_end_is_said_in_one_way(first, last, stands):
    outcomes = set(LAB.readings["curves"].outcomes(Values(leads(first, last))))
    assert outcomes & {"ahead", "as_before", "harder", "lost"} == {stands}


def test_dcgan_may_follow_the_distance_either_way_and_wgangp_only_towards_zero():
    for r, outcomes in (
        (0.9, {"one_to_one_follows", "wgangp_silent"}),
        (-0.9, {"one_to_one_follows", "wgangp_follows"}),
    ):
        assert set(LAB.readings["toy_losses"].outcomes(Values(along(r, r)))) == {"levels"} | outcomes
    assert "the nearer the samples, the nearer its loss is to zero" in said("toy_losses", along(0.2, -0.9))


def test_a_cure_finds_all_eight_with_every_seed():
    assert "are found by DCGAN at 5 : 1 and WGAN-GP." in said("plane", in_the_plane())
    assert "are found by DCGAN at 1 : 1." in said("plane", in_the_plane(seeds=((8, 8), (8, 7), (7, 8))))
    others = in_the_plane(report=8.0, one_to_two=8.0, seeds=((8, 7), (8, 7), (7, 8)))
    assert "are found by report C's settings and DCGAN at 1 : 2." in said("plane", others)


def test_the_divergence_is_what_the_best_loss_leaves():
    assert "0.500, with a divergence of 0.443 nats" in said("best_possible", against_noise(0.51))  # ln 2 − 0.25


def test_the_recipes_are_ranked_by_their_means_with_the_range_of_each():
    words = said("recipes", RANKED)
    assert "10.50 (this course's recipe; 10.00 to 11.00)" in words
    assert "the largest 29.50 (WGAN-GP; 29.00 to 30.00)" in words
    assert "ahead of every seed of DCGAN (20.00 to 22.00)" in words


def test_what_each_model_has_seen_is_steps_times_batch():
    assert "The GAN has seen 112,000 images in its training, the VAE 192,000." in said(
        "vae_and_gan", CASES["vae_and_gan"]["seen"]
    )


def test_the_spread_is_of_the_three_recipes_alone():
    values = ends()
    values |= over_seeds({"even.fcd": [90.0, 1.0]})  # which stands in no picture of the three
    assert "from 9.500 to 30.00 under three recipes and 2 seeds" in said("discussion", values)


# The claims: the verdict at each margin, and what the words hold.

CLAIMS = [
    ("sharper", sharp(0.92, 0.22), HOLDS, ["0.920", "0.220"]),
    ("sharper", sharp(1.95, 0.22), PARTLY, ["1.950", "0.220", "overdoes"]),
    ("sharper", sharp(0.41, 0.4), UNDECIDED, ["0.410", "0.400", "near-tie"]),
    ("sharper", sharp(0.3, 0.4), FAILS, ["0.300", "0.400"]),
    ("bald", BALD, HOLDS, ["0.700", "0.800", "94.0%", "73.0%", "62.0%", "80.0%"]),
    ("bald", draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.93)), PARTLY, ["93.0%", "In hair", "near-tie"]),  # it is the blur
    ("bald", draws((0.7, 0.8), (0.06, 0.2, 0.21, 0.19)), PARTLY, ["6.0%", "20.0%", "21.0%", "19.0%"]),
    ("bald", draws((0.9, 0.8), (0.94, 0.73, 0.62, 0.8)), PARTLY, ["0.900"]),
    ("bald", draws((0.9, 0.8), (0.73, 0.94, 0.62, 0.7)), FAILS, ["73.0%", "94.0%"]),
    ("bald", TIE, UNDECIDED, ["In variety", "In hair", "near-tie"]),
    ("cured", rescue(1.0, 3.0, 7.5), HOLDS, ["find 1.0 of", "3.0", "7.5", "is fewer steps and half the width"]),
    ("cured", rescue(1.0, 7.5, 7.5), HOLDS, ["what helped is fewer steps."]),
    ("cured", rescue(1.0, 3.0, 3.0), PARTLY, ["were found by fewer steps,"]),
    ("cured", rescue(4.0, 1.0, 3.0), PARTLY, ["were found by half the width,"]),  # each remedy by itself
    ("cured", rescue(1.0, 2.9, 3.8), FAILS, ["2.9", "3.8", "Neither cures it"]),
    ("cured", rescue(7.0, 7.5, 7.0), HOLDS, ["what helped is fewer steps."]),  # all, if from less than one below
    ("cured", rescue(1.0, 7.0, 7.5), HOLDS, ["what helped is fewer steps and half the width."]),
    ("cured", rescue(7.0, 7.0, 7.5), HOLDS, ["what helped is half the width."]),
    ("cured", rescue(1.0, 7.4, 7.4), PARTLY, ["found by fewer steps, but not all"]),
    ("cured", rescue(7.0, 7.4, 7.4), FAILS, ["7.4", "Neither cures it"]),
    ("cured", rescue(7.4, 7.5, 1.0), HOLDS, ["find 7.4 of", "what helped is fewer steps."]),
    ("cured", rescue(7.5, 1.0, 1.0), UNDECIDED, ["find 7.5 of", "no collapse to cure"]),
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
    over_several = {name for name, metric in LAB.metrics.items() if "mean of the seeds" in metric.title}
    known = set(LAB.metrics) | {f"{name}.n" for name in LAB.metrics} | {f"{name}.by_seed" for name in over_several}
    for _, values, *_ in CLAIMS:
        assert set(values) <= known


def test_two_steps_are_judged_by_as_many_seeds_as_there_are_values():
    assert "means of 1 seed." in said("two_steps", ratios((0.01,), (0.4,)))
    assert "means of 3 seeds." in said("two_steps", ratios((0.01, 0.02, 0.03), (0.4, 0.5, 0.6)))
    with pytest.raises(MissingValueError):  # a mean without its seeds decides nothing
        said("two_steps", {"dcgan_one_to_one.d_loss": 0.01, "dcgan_one_to_two.d_loss": 0.4})


@pytest.mark.parametrize("one", LAB.claims, ids=lambda one: one.text)
def test_a_claim_names_what_the_lab_has(one):
    assert one.report == "C"
    assert one.shown
    assert {name.removeprefix("04/") for name in one.shown} <= set(LAB.deliverables)
    assert set(one.verdicts) <= set(one.reading.sentences)


# What the page shows and measures by.


def toy(recipe, inputs=4):
    run = Run(seed=0, device=torch.device("cpu"), precision=torch.float32)
    return run, make_gan(run, "toy", recipe, inputs, {}, width=8, side=16)


def eigenfaces():
    """A linear generator for the toy's images."""
    directions = torch.randn(4, 3 * 16 * 16, generator=torch.Generator().manual_seed(0))
    return LinearGenerator(torch.zeros(3 * 16 * 16), 0.1 * directions)


def pairs(*gans):
    """The generators, then the discriminators."""
    return [gan.generator for gan in gans], [gan.discriminator for gan in gans]


# One pass over real and fake images together rounds otherwise than two; batch norm takes them apart.
@pytest.mark.parametrize(
    ("recipe", "inputs", "within"),
    [
        (EVEN, 4, 0.0),
        (replace(EVEN, same_fakes=True), 4, 0.0),
        (replace(PROJECT, average=0.0, mirror=False), eigenfaces(), 1e-6),
    ],
    ids=["other fakes", "the same fakes", "this course's"],
)
def test_the_plain_step_is_the_step_that_runs(recipe, inputs, within):
    (run, plain), (_, full), (_, before) = (toy(recipe, inputs) for _ in range(3))
    if recipe.norm == "spectral":  # each pass moves the norm, and the plain form takes one more in a turn
        for gan in (plain, full):
            gan.discriminator.eval()
    images = torch.randint(0, 256, (24, 3, 16, 16), generator=run.rng("images"), dtype=torch.uint8)
    step, rng = gan_step(Game(full, run, run.rng("game"), recipe, nothing())), run.rng("game")
    for batch in images.split(8):
        first = noise(8, 4, rng)
        second = first if recipe.same_fakes else noise(8, 4, rng)
        seen, expected = plain_gan_step(plain, recipe, to_signed(batch), (first, second)), step(batch)
        assert seen == {name: pytest.approx(expected[name].item(), rel=0, abs=within) for name in seen}
    z, real = run.noise(8, 4, "shown"), to_signed(images[:8])
    drawn, logits = ([network(x) for network in pair] for pair, x in zip(pairs(plain, full), (z, real), strict=True))
    torch.testing.assert_close(*drawn, rtol=0, atol=within)
    torch.testing.assert_close(*logits, rtol=0, atol=within)
    for mine, theirs, its in zip(plain.networks, full.networks, before.networks, strict=True):
        # Batch norm counts every pass of the generator, and the plain form draws the same fakes twice.
        values = dict(mine.named_parameters()) if recipe.same_fakes else mine.state_dict()
        for name, value in values.items():
            # A bias ahead of batch norm changes no image; its gradient is rounding, of which Adam makes whole steps.
            assert within or torch.equal(value, theirs.state_dict()[name]), name
        assert any(not torch.equal(value, its.state_dict()[name]) for name, value in values.items())


def test_both_turns_look_at_other_fakes_where_the_recipe_says_so():
    """The noise that a step draws: a batch for each turn, or one for both."""
    for same, wanted in ((True, 1), (False, 2)):
        recipe = replace(EVEN, same_fakes=same)
        run, gan = toy(recipe)
        rng, counted = run.rng("game"), run.rng("game")
        gan_step(Game(gan, run, rng, recipe, nothing()))(torch.zeros(8, 3, 16, 16, dtype=torch.uint8))
        for _ in range(wanted):
            noise(8, 4, counted)
        assert torch.equal(rng.get_state(), counted.get_state())


def test_the_size_of_a_gan_is_that_of_both_networks():
    _, gan = toy(DCGAN)
    assert gan.size == sum(p.numel() for one in (gan.generator, gan.discriminator) for p in one.parameters())


def test_recipes_stand_side_by_side():
    table = recipe_table(DCGAN, WGAN_GP, PROJECT)
    assert list(table["recipe"]) == ["DCGAN", "WGAN-GP", "this course's"]
    assert list(table["D : G steps"]) == ["1 : 2", "5 : 1", "1 : 1"]
    assert list(table["penalty λ"]) == ["none", "10", "none"]


def test_the_loss_of_d_is_measured_in_each_training_over_its_own_stretch():
    curves = [pd.DataFrame({"discriminator": values}) for values in ([9.0] * 6 + [1.0, 1.0, 4.0, 3.0], [2.0, 1.0])]
    found = of_discriminator(curves)
    assert found["end"] == [pytest.approx(8 / 3), 1.0]  # the last third
    assert found["swing"] == [pytest.approx(0.5 / 3.5), 0.0]  # the last fifth
    assert found["roughness"][0] == roughness([9.0, 1.0, 1.0, 4.0, 3.0])  # the second half


def test_swing_is_relative_to_the_level_and_roughness_to_neither_scale_nor_zero():
    curve = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    assert roughness(curve) == pytest.approx(1, abs=0.03)
    assert roughness([3 + 7 * value for value in curve]) == pytest.approx(roughness(curve))
    assert roughness(range(1000)) < 0.01
    assert swing([-1.0, -3.0]) == pytest.approx(0.5)
    assert swing([10.0, 30.0]) == pytest.approx(swing([1.0, 3.0]))
