"""The claims about GANs: what each verdict needs, and the numbers in the words."""

import re

import pytest

from lab_utils.report import claims
from lab_utils.report.claims import FAILS, HOLDS, PARTLY, UNDECIDED


def sharp(gan, vae):
    return {"04/gan.sharpness_ratio": gan, "04/vae.sharpness_ratio": vae}


def follow(d, g):
    return {"04/gan.d_loss_fcd_correlation": d, "04/gan.g_loss_fcd_correlation": g}


def ratios(one, two):
    return {"04/dcgan_one_to_one.d_loss": one, "04/dcgan_one_to_two.d_loss": two}


def draws(diversity, no_hair):
    """Of VAE and GAN; of VAE, GAN, real images, and those that the VAE rebuilt."""
    values = {f"04/{name}.diversity": value for name, value in zip(("vae", "gan"), diversity, strict=True)}
    return values | {
        f"04/{name}.no_hair": value for name, value in zip(("vae", "gan", "real", "rebuilt"), no_hair, strict=True)
    }


def losses(swing, rough):
    """Of DCGAN and WGAN-GP."""
    columns = {"swing": swing, "roughness": rough}
    return {
        f"04/{arm}.loss_{key}": column[i]
        for key, column in columns.items()
        for i, arm in enumerate(("dcgan", "wgangp"))
    }


def collapse(diversity, fcd, dcgan=0.7):
    """Of the report's settings, after half of the epochs, and after as many at half the width."""
    columns, values = {"diversity": diversity, "fcd": fcd}, {"04/dcgan.diversity": dcgan}
    for i, arm in enumerate(("report", "report_few_epochs", "report_half_width")):
        values |= {f"04/{arm}.{key}": column[i] for key, column in columns.items()}
    return values


def ending(loss, lead, fcd=(70.0, 60.0)):
    """From the middle to the end; the FCD halfway and at the end."""
    columns = {"g_loss": loss, "d_lead": lead}
    values = {
        f"04/report.{key}_{when}": v
        for key, pair in columns.items()
        for when, v in zip(("middle", "end"), pair, strict=True)
    }
    return values | {"04/report_few_epochs.fcd": fcd[0], "04/report.fcd": fcd[1]}


CASES = [
    ("sharper", sharp(0.92, 0.22), HOLDS, ["0.920", "0.220"]),
    ("sharper", sharp(1.95, 0.22), PARTLY, ["1.950", "0.220", "overdoes"]),
    ("sharper", sharp(0.41, 0.4), UNDECIDED, ["0.410", "0.400", "near-tie"]),
    ("sharper", sharp(0.3, 0.4), FAILS, ["0.300", "0.400"]),
    ("says nothing", follow(0.2, -0.3), HOLDS, ["0.200", "-0.300", "D's loss goes its own way, G's goes its own way"]),
    ("says nothing", follow(-0.96, 0.97), PARTLY, ["-0.960", "0.970", "D's loss rises, G's falls", "drifts"]),
    ("says nothing", follow(0.6, 0.6), PARTLY, ["0.600", "D's loss falls"]),
    ("says nothing", follow(0.9, 0.85), FAILS, ["0.900", "0.850", "D's loss falls, G's falls"]),
    ("two G steps|Two G steps", ratios(0.01, 0.4), HOLDS, ["0.01", "0.400", "1.386"]),
    ("two G steps|Two G steps", ratios(0.15, 0.4), PARTLY, ["0.150", "0.400", "does not bring it to zero either"]),
    ("two G steps|Two G steps", ratios(0.4, 0.43), UNDECIDED, ["0.400", "0.430", "near-tie"]),
    ("two G steps|Two G steps", ratios(0.4, 0.2), FAILS, ["0.400", "0.200"]),
    ("two G steps|Two G steps", ratios(0.001, 0.02), FAILS, ["0.001", "0.02"]),
    ("bald", draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.8)), HOLDS, ["0.700", "0.800", "94.0%", "73.0%", "62.0%", "80.0%"]),
    ("bald", draws((0.7, 0.8), (0.94, 0.73, 0.62, 0.93)), PARTLY, ["93.0%", "near-tie: hair"]),  # it is the blur
    ("bald", draws((0.7, 0.8), (0.06, 0.2, 0.21, 0.19)), PARTLY, ["6.0%", "20.0%", "21.0%", "19.0%"]),
    ("bald", draws((0.9, 0.8), (0.94, 0.73, 0.62, 0.8)), PARTLY, ["0.900"]),
    ("bald", draws((0.9, 0.8), (0.73, 0.94, 0.62, 0.7)), FAILS, ["73.0%", "94.0%"]),
    ("bald", draws((0.8, 0.8), (1.0, 1.0, 1.0, 1.0)), UNDECIDED, ["near-tie: variety, hair"]),
    ("WGAN-GP", losses((0.5, 0.1), (0.9, 0.3)), HOLDS, ["50.0%", "10.0%", "0.900", "0.300"]),
    ("WGAN-GP", losses((0.5, 0.45), (0.9, 0.3)), PARTLY, ["45.0%", "near-tie: deviation"]),
    ("WGAN-GP", losses((0.5, 0.9), (0.9, 0.3)), PARTLY, ["90.0%", "0.300"]),
    ("WGAN-GP", losses((0.5, 0.45), (0.9, 0.85)), UNDECIDED, ["near-tie: deviation, roughness"]),
    ("WGAN-GP", losses((0.1, 0.5), (0.3, 0.9)), FAILS, ["10.0%", "0.300"]),
    ("[Ff]ewer", collapse((0.35, 0.3, 0.68), (70.0, 69.0, 40.0)), HOLDS, ["0.350", "70.00", "0.680", "40.00", "0.700"]),
    ("[Ff]ewer", collapse((0.35, 0.68, 0.2), (70.0, 40.0, 90.0)), HOLDS, ["0.680", "0.200", "90.00"]),
    ("[Ff]ewer", collapse((0.35, 0.5, 0.2), (70.0, 40.0, 90.0)), PARTLY, ["0.500"]),
    ("[Ff]ewer", collapse((0.35, 0.28, 0.23), (73.6, 69.5, 80.4)), FAILS, ["0.280", "0.230", "73.60", "69.50"]),
    ("[Ff]ewer", collapse((0.35, 0.36, 0.68), (70.0, 40.0, 90.0)), FAILS, ["0.360"]),  # no more varied, or further off
    ("[Ff]ewer", collapse((0.66, 0.6, 0.68), (20.0, 30.0, 10.0)), UNDECIDED, ["0.660", "no collapse to cure"]),
    ("G's loss rises", ending((4.0, 5.0), (6.0, 8.0)), HOLDS, ["4.000", "5.000", "6.000", "8.000", "70.00", "60.00"]),
    ("G's loss rises", ending((4.0, 5.0), (6.0, 8.0), (60.0, 70.0)), PARTLY, ["got worse"]),
    ("G's loss rises", ending((4.0, 5.0), (6.0, 5.0)), PARTLY, ["6.000", "5.000"]),
    ("G's loss rises", ending((4.0, 4.2), (6.0, 8.0)), UNDECIDED, ["4.200", "near-tie"]),
    ("G's loss rises", ending((6.1, 4.5), (10.5, 8.0)), FAILS, ["6.100", "4.500", "10.50", "8.000"]),
    ("G's loss rises", ending((0.7, 0.9), (-0.1, 0.2)), HOLDS, ["-0.100", "0.200"]),  # D was behind
]  # fmt: skip


def claim(words):
    return next(one for one in claims.CLAIMS if re.search(words, one.text) and one.metrics[0].startswith("04/"))


@pytest.mark.parametrize(("words", "values", "verdict", "said"), CASES)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    measured, found = claim(words).decide(values)
    assert found == verdict, measured
    for number in said:
        assert number in measured


def test_metrics_that_a_claim_names_are_all_that_it_uses():
    for words, values, *_ in CASES:
        assert set(values) == set(claim(words).metrics)


def test_every_claim_about_gans_can_end_in_every_verdict():
    ends = {claim(words).text: {case[2] for case in CASES if case[0] == words} for words, *_ in CASES}
    about = {one.text for one in claims.CLAIMS if all(name.startswith("04/") for name in one.metrics)}
    assert set(ends) == about
    for text, verdicts in ends.items():
        undecided = set() if "says nothing" in text else {UNDECIDED}  # a weak correlation is what that claim says
        assert verdicts == {HOLDS, PARTLY, FAILS} | undecided, text
