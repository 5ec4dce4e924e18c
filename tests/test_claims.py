"""Claims that the index alone shows: which verdict follows from which numbers. The others are tested with their lab."""

import pytest

from lab_utils.labs import LABS
from lab_utils.labs.spec import BEATEN, FAILS, HOLDS, PARTLY, UNDECIDED, MissingValueError, Values
from tests.test_labs import CLAIMS


def arms(**by_seed):
    """Means and seeds of metrics of the eight Gaussians: ``report_loss_distance`` is toy_report.loss_distance."""
    found = {}
    for name, values in by_seed.items():
        arm, measure = next(
            (name.removesuffix(f"_{measure}"), measure)
            for measure in ("loss_distance", "loss_swing", "loss_roughness", "d_loss")
            if name.endswith(f"_{measure}")
        )
        found |= {f"toy_{arm}.{measure}": sum(values) / len(values), f"toy_{arm}.{measure}.by_seed": list(values)}
    return found


def steady(swing, roughness):
    on_faces = {f"{name}.loss_{measure}": 0.5 for name in ("dcgan", "wgangp") for measure in ("swing", "roughness")}
    return on_faces | arms(
        dcgan_loss_swing=swing[0], wgangp_loss_swing=swing[1],
        dcgan_loss_roughness=roughness[0], wgangp_loss_roughness=roughness[1],
    )  # fmt: skip


def read_from(report, wgangp):
    on_faces = {f"gan.{network}_loss_fcd_correlation": 0.8 for network in "dg"}
    return on_faces | arms(report_loss_distance=report, wgangp_loss_distance=wgangp)


CLEAR, CLOSE, WORSE = ((0.5, 0.6), (0.1, 0.2)), ((0.5, 0.5), (0.5, 0.5)), ((0.1, 0.2), (0.5, 0.6))


def ratios(one, two):
    on_faces = {f"dcgan_one_to_{ratio}.d_loss": 0.3 for ratio in ("one", "two")}
    return on_faces | arms(one_to_one_d_loss=one, dcgan_d_loss=two)


def weights(measure, zero=None, one=None, hundred=None):
    values = {0: zero, 1: one, 100: hundred}
    return {f"beta{weight}.{measure}": value for weight, value in values.items() if value is not None}


def clearer(one, zero):
    found = {}
    for weight, errors in {1: one, 0: zero}.items():
        names = ("mse_early", "mse_midway", "mse")
        found |= {f"beta{weight}.{name}": error for name, error in zip(names, errors, strict=True)}
    return found


def blurred(*errors):
    names = ("mse_early", "mse_midway", "mse")
    found = {f"beta100.{name}": error for name, error in zip(names, errors, strict=True)}
    return found | {"beta1.mse": 0.015, "beta100.sharpness_ratio": 0.07}


def told(plain, by_prior):
    return {"cvae_conv.label_consistency": plain, "cvae_label_prior.label_consistency": by_prior}


CASES = [
    ("map of the latent", {"vae.map_accuracy": 0.65}, HOLDS, "65.0%"),
    ("map of the latent", {"vae.map_accuracy": 0.64}, PARTLY, "hardly lie in regions"),
    ("map of the latent", {"vae.map_accuracy": 0.54}, FAILS, "mixed"),
    ("prior deeper", weights("prior_chroma_ratio", 0.9, 0.8, 0.7), HOLDS, "0.900"),
    ("prior deeper", weights("prior_chroma_ratio", 0.9, 0.89, 0.7), UNDECIDED, "near-tie"),
    ("prior deeper", weights("prior_chroma_ratio", 0.8, 0.7, 0.9), FAILS, "not the deepest"),
    ("falls steadily", weights("loss_rises", None, 0.09, 0.01), HOLDS, "9.0%"),
    ("falls steadily", weights("loss_rises", None, 0.11, 0.01), PARTLY, "one of the curves"),
    ("falls steadily", weights("loss_rises", None, 0.11, 0.2), FAILS, "neither"),
    ("grow clearer", clearer((0.03, 0.02, 0.01), (0.03, 0.02, 0.01)), HOLDS, "0.03"),
    ("grow clearer", clearer((0.03, 0.02, 0.0199), (0.03, 0.02, 0.01)), PARTLY, "one of the two"),
    ("grow clearer", clearer((0.01, 0.02, 0.01), (0.03, 0.02, 0.02)), FAILS, "not grow clearer"),
    ("times 1 samples from the prior are mostly blurry", {"beta1.prior_sharpness_ratio": 0.49}, HOLDS, "0.490"),
    ("times 1 samples from the prior are mostly blurry", {"beta1.prior_sharpness_ratio": 0.5}, FAILS, "0.500"),
    ("times 0 samples from the prior are mostly blurry", {"beta0.prior_sharpness_ratio": 0.49}, HOLDS, "0.490"),
    ("times 0 samples from the prior are mostly blurry", {"beta0.prior_sharpness_ratio": 0.5}, FAILS, "0.500"),
    ("very blurry at epochs", blurred(0.04, 0.04, 0.03), HOLDS, "0.015"),
    ("very blurry at epochs", blurred(0.04, 0.04, 0.02), PARTLY, "a part of the time"),
    ("very blurry at epochs", blurred(0.02, 0.02, 0.02), FAILS, "not much worse"),
    ("divergence of pictures", weights("prior_variety", None, 0.7, 0.9), HOLDS, "further apart"),
    ("divergence of pictures", weights("prior_variety", None, 0.7, 0.75), UNDECIDED, "near-tie"),
    ("divergence of pictures", weights("prior_variety", None, 0.7, 0.01), FAILS, "grow alike"),
    ("123.3", {"cvae_mlp.running_loss": 124.3}, HOLDS, "near-tie"),
    ("123.3", {"cvae_mlp.running_loss": 122.2}, BEATEN, "122.20"),
    ("123.3", {"cvae_mlp.running_loss": 124.4}, FAILS, "124.40"),
    ("fill holes", {"completion.nll_cvae": 72.0, "completion.nll_baseline": 98.0}, HOLDS, "72.00"),
    ("fill holes", {"completion.nll_cvae": 97.5, "completion.nll_baseline": 98.0}, UNDECIDED, "near-tie"),
    ("fill holes", {"completion.nll_cvae": 99.5, "completion.nll_baseline": 98.0}, FAILS, "one answer"),
    ("Filling the condition", {"cvae_conv.label_consistency": 0.9}, HOLDS, "90.0%"),
    ("Filling the condition", {"cvae_conv.label_consistency": 0.74}, PARTLY, "far from always"),
    ("Filling the condition", {"cvae_conv.label_consistency": 0.4}, FAILS, "40.0%"),
    ("cannot be told", told(0.7, 0.9), HOLDS, "90.0%"),
    ("cannot be told", told(0.7, 0.89), PARTLY, "often does it"),
    ("cannot be told", told(0.4, 0.89), FAILS, "does not help"),
    ("grid of noise", {"cvae_conv.label_leakage": 0.2}, HOLDS, "nearly free"),
    ("grid of noise", {"cvae_conv.label_leakage": 0.5}, PARTLY, "a part"),
    ("grid of noise", {"cvae_conv.label_leakage": 0.86}, FAILS, "86.0%"),
    ("cannot be read", read_from((0.2, -0.6), (-0.9, -0.7)), HOLDS, "every seed"),
    ("cannot be read", read_from((0.2, -0.6), (-0.9, -0.6)), PARTLY, "not every"),
    ("cannot be read", read_from((0.2, -0.7), (0.9, -0.9)), UNDECIDED, "Some"),
    ("cannot be read", read_from((0.8, -0.7), (0.1, 0.2)), FAILS, "does follow"),
    ("Two G steps", ratios((0.01, 0.04), (0.4, 0.5)), HOLDS, "0.450"),
    ("Two G steps", ratios((0.01, 0.3), (0.4, 0.5)), PARTLY, "does not bring it to zero either"),
    ("Two G steps", ratios((0.4, 0.3), (0.41, 0.5)), UNDECIDED, "not clearly raise"),
    ("Two G steps", ratios((0.4, 0.4), (0.2, 0.1)), FAILS, "does not hold it up"),
    ("Two G steps", ratios((0.001, 0.001), (0.02, 0.03)), FAILS, "near zero"),
    ("WGAN-GP steadies", steady(CLEAR, CLEAR), HOLDS, "55.0%"),
    ("WGAN-GP steadies", steady(CLEAR, CLOSE), PARTLY, "By the roughness the seeds disagree"),
    ("WGAN-GP steadies", steady(CLOSE, CLOSE), UNDECIDED, "Neither"),
    ("WGAN-GP steadies", steady(WORSE, WORSE), FAILS, "By neither"),
    ("its losses swing", {"dcgan.loss_swing": 0.25}, HOLDS, "25.0%"),
    ("its losses swing", {"dcgan.loss_swing": 0.24}, FAILS, "hardly swings"),
    ("D is very strong", {"dcgan_one_to_two.d_loss": 0.69}, HOLDS, "1.386"),
    ("D is very strong", {"dcgan_one_to_two.d_loss": 0.7}, FAILS, "not very strong"),
    ("In ten pairs the face", {"acgan.flip_rate": 0.9}, HOLDS, "90.0%"),
    ("In ten pairs the face", {"acgan.flip_rate": 0.89}, PARTLY, "many do not"),
    ("In ten pairs the face", {"acgan.flip_rate": 0.49}, FAILS, "do not turn"),
    ("Big_Lips", {"acgan.last_flip_rate": 0.9, "acgan.last_real_ceiling": 0.79}, PARTLY, "in doubt"),
    ("Big_Lips", {"acgan.last_flip_rate": 0.79, "acgan.last_real_ceiling": 0.9}, HOLDS, "not seen"),
    ("Big_Lips", {"acgan.last_flip_rate": 0.8, "acgan.last_real_ceiling": 0.8}, FAILS, "in pairs"),
    ("13-way code", {"infogan_faces2.code_effect": 0.8, "infogan_faces13.code_effect": 0.6}, HOLDS, "0.600"),
    ("13-way code", {"infogan_faces2.code_effect": 0.8, "infogan_faces13.code_effect": 0.8}, PARTLY, "neither clearly"),
    ("13-way code", {"infogan_faces2.code_effect": 0.6, "infogan_faces13.code_effect": 0.8}, PARTLY, "code more"),
    ("13-way code", {"infogan_faces2.code_effect": 0.6, "infogan_faces13.code_effect": 0.09}, FAILS, "hardly"),
    ("InfoGAN's loss swings", {"infogan_faces.loss_rises": 0.25}, HOLDS, "25%"),
    ("InfoGAN's loss swings", {"infogan_faces.loss_rises": 0.76}, FAILS, "one way"),
]  # fmt: skip


def claim(words):
    (found,) = ((lab, one) for lab, one in CLAIMS if words in one.text)
    return found


@pytest.mark.parametrize(("words", "values", "verdict", "said"), CASES)
def test_a_verdict_follows_from_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    lab, one = claim(words)
    measured, found = one.decide(Values(values))
    assert found == verdict, measured
    assert said in measured
    assert {name.removesuffix(".by_seed") for name in values} <= set(lab.metrics)
    for name in values:
        with pytest.raises(MissingValueError):
            one.decide(Values({key: value for key, value in values.items() if key != name}))


def test_every_verdict_of_a_claim_that_the_index_alone_shows_is_reached():
    shown = {id(reading) for lab in LABS.values() for reading in lab.readings.values()}
    for _, one in CLAIMS:
        cases = [case for case in CASES if claim(case[0])[1] is one]
        if id(one.reading) not in shown and cases:
            assert {case[2] for case in cases} == set(one.verdicts.values()), one.text
