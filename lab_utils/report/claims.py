"""What the five reports claimed, what was measured here, and the verdict: the table that closes the index.

A claim is decided by metrics alone, those of the report that the index belongs to. Imports nothing heavy.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab_utils.catalogue import number
from lab_utils.report.request import number_of

Values = Mapping[str, float]  # by notebook and metric, as in "04/gan.fcd"

HOLDS, PARTLY, FAILS = "holds", "holds in part", "does not hold"
UNDECIDED = "undecided"  # a near-tie, or a run too short to tell
BEATEN = "beaten"  # a figure, on the report's own data
OTHER_DATA = "other data"  # a figure that was measured on other data than the report's: neither beaten nor missed
NOT_RUN = "not run"


@dataclass(frozen=True)
class Claim:
    """One claim. ``decide`` turns the metrics that it names into what was measured, in words, and the verdict."""

    text: str  # as the report has it, in one sentence
    report: str  # A to E, or "A and B"
    metrics: tuple[str, ...]  # as in "04/gan.fcd"
    shown: tuple[str, ...]  # deliverables to look at, as in "04/gan.6"
    decide: Callable[[Values], tuple[str, str]]
    figures_of: str | None = None  # the source whose figure it is ("mnist"); on any other the verdict is OTHER_DATA
    test_images: int | None = None  # of that source, on which the figure was measured; on others OTHER_DATA, too


def test_loss(v: Values) -> tuple[str, str]:
    test, train = v["03/cvae_mlp.test_loss"], v["03/cvae_mlp.train_loss"]
    below = 127.52 - test
    words = (
        f"{number(test)} nats/image (the report: 127.52{', a near-tie' if abs(below) <= 1 else ''}); gap to the "
        f"training loss {number(test - train)} (the report: 4.22)"
    )
    return words, HOLDS if abs(below) <= 1 else BEATEN if below > 0 else FAILS


def test_error(v: Values) -> tuple[str, str]:
    value = v["01/vae.test_mse"]
    return f"{number(value)} on [0, 1], {number(4 * value)} on [−1, 1] (the report: 0.0160 and 0.0641)", OTHER_DATA


def weights_of_kl(v: Values) -> tuple[str, str]:
    sharp, error, prior = (
        {w: v[f"02/beta{w}.{key}"] for w in (0, 1, 100)} for key in ("sharpness_ratio", "mse", "prior_fcd")
    )
    fitted = v["02/beta0.fitted_fcd"]
    blurs, best = sharp[100] < 0.9 * sharp[1], error[0] < 0.95 * min(error[1], error[100])
    strays, mended = prior[0] > 1.1 * prior[1], fitted <= 1.1 * prior[1]
    words = (
        f"reconstructions have {number(sharp[100])} of the images' sharpness at ×100, {number(sharp[1])} at ×1; their "
        f"error is {number(error[0])} at ×0, {number(error[1])} at ×1, {number(error[100])} at ×100; samples of ×0 "
        f"have an FCD of {number(prior[0])} (×1: {number(prior[1])}), and of {number(fitted)} with z from a Gaussian "
        "fitted to its codes"
    )
    if strays and mended:
        words += ": it is the prior that fails, not the decoder"
    parts = [blurs, best, strays and not mended]
    return words, HOLDS if all(parts) else PARTLY if any([*parts, strays]) else FAILS


def colours(v: Values) -> tuple[str, str]:
    zero, one, hundred = (v[f"02/beta{w}.chroma_ratio"] for w in (0, 1, 100))
    tie = abs(zero - one) <= 0.02 * one
    words = (
        f"chroma of the reconstructions over that of the test images: {number(zero)} at ×0, {number(one)} at ×1, "
        f"{number(hundred)} at ×100"
    )
    if tie:
        words += "; ×0 and ×1 are a near-tie"
    elif one < zero <= 1:
        words += "; ×0 is nearer to the images, not beyond them"
    return words, UNDECIDED if tie else HOLDS if zero > one else FAILS


def stable_but_blurry(v: Values) -> tuple[str, str]:
    cvae, infogan = v["03/cvae_conv.loss_rises"], v["06/infogan_digits.loss_rises"]
    conv, mlp, game = (
        v[f"{name}.sharpness_ratio"] for name in ("03/cvae_conv", "03/cross_entropy", "06/infogan_digits")
    )
    words = (
        f"rises make up {cvae:.0%} of the movement of the CVAE's training loss and {infogan:.0%} of that of InfoGAN's "
        f"generator, whose loss need not fall; samples have {number(conv)} (convolutional CVAE, its KL weighted), "
        f"{number(mlp)} (MLP CVAE) and {number(game)} (InfoGAN) of the sharpness of real digits"
    )
    parts = [cvae < 0.5 * infogan, max(conv, mlp) < 0.9 * min(1, game)]
    return words, HOLDS if all(parts) else PARTLY if any(parts) else FAILS


def squared_error(v: Values) -> tuple[str, str]:
    sharp, read, error = (
        (v[f"03/squared_error.{key}"], v[f"03/cross_entropy.{key}"])
        for key in ("sharpness_ratio", "label_consistency", "test_mse")
    )
    words = (
        f"squared error against cross-entropy: {number(sharp[0])} and {number(sharp[1])} of the sharpness of real "
        f"digits; the judge reads {read[0]:.1%} and {read[1]:.1%} of samples as wanted; error on test images "
        f"{number(error[0])} and {number(error[1])}"
    )
    off = abs(1 - sharp[0]) - abs(1 - sharp[1])
    signs = [sign(off, 0.02), sign(read[1] - read[0], 0.01), sign(error[0] - error[1], 0.02 * error[1])]
    return words + ties(signs, ("sharpness", "reading", "error")), majority(signs)


def sign(worse: float, margin: float) -> int:
    """1 if something is worse by more than the margin, −1 if better, 0 for a near-tie."""
    return 0 if abs(worse) <= margin else 1 if worse > 0 else -1


def ties(signs: list[int], names: tuple[str, ...]) -> str:
    tied = [name for name, one in zip(names, signs, strict=True) if one == 0]
    return f" (near-tie: {', '.join(tied)})" if tied else ""


def majority(signs: list[int]) -> str:
    """What several measures say together of the claim that something is worse."""
    if 1 not in signs:
        return FAILS if -1 in signs else UNDECIDED
    return PARTLY if -1 in signs else HOLDS


def eleven_filters(v: Values) -> tuple[str, str]:
    names = ("image_energy_least", "image_energy_most", "label_filters")
    least, most, found = (v[f"03/cvae_conv.{name}"] for name in names)
    words = (
        "eleven are the channels that the encoder's first convolution sees; every filter reaches over all of them and "
        f"has {least:.0%} to {most:.0%} of its squared weights on the image; of the decoder's eleven filters {found} "
        f"answer{'s' if found == 1 else ''} mostly to one label"
    )
    return words, HOLDS if found >= 10 else PARTLY if found else FAILS


def large_entropy(v: Values) -> tuple[str, str]:
    accuracy = v["06/infogan_digits.accuracy"]
    most = {"digits": math.log(10), "faces2": math.log(2), "faces13": math.log(13)}
    left = {code: min(h, h - v[f"06/infogan_{code}.mi_bound"]) for code, h in most.items()}
    shares = {code: left[code] / h for code, h in most.items()}
    words = (
        f"H(c|x) is at most {number(left['digits'])} of {number(most['digits'])} nats for digits, where the code is "
        f"that of the label in {accuracy:.1%} of test images; {number(left['faces2'])} of {number(most['faces2'])} and "
        f"{number(left['faces13'])} of {number(most['faces13'])} for faces"
    )
    if accuracy > 0.5 and shares["digits"] > 0.5:
        return words, HOLDS
    return words, FAILS if max(shares.values()) < 0.25 else UNDECIDED


def hair_not_sex(v: Values) -> tuple[str, str]:
    names = ("hair_information", "sex_information", "best_attribute")
    hair, sex, best = (v[f"06/infogan_faces2.{name}"] for name in names)
    words = (
        f"of {number(math.log(2))} nats the 2-way code shares at most {number(hair)} with an attribute of hair, "
        f"{number(sex)} with Male (avatars: Beard) and at most {number(best)} with any"
    )
    if v["06/infogan_faces2.mi_bound"] < 0.5 * math.log(2):
        return f"{words}; but the faces do not obey the code yet", UNDECIDED
    if max(hair, sex) < 0.05:
        return f"{words}: neither explains the code", FAILS
    return words, HOLDS if hair > 2 * sex else PARTLY if hair > sex else FAILS


# 04, GAN


def sharper(v: Values) -> tuple[str, str]:
    gan, vae = v["04/gan.sharpness_ratio"], v["04/vae.sharpness_ratio"]
    words = f"variance of the Laplacian over that of real images: GAN {number(gan)}, VAE {number(vae)}"
    ahead = sign(gan - vae, 0.05 * vae)
    if ahead <= 0:
        return words + (" (a near-tie)" if ahead == 0 else ""), FAILS if ahead else UNDECIDED
    if abs(1 - gan) < abs(1 - vae):
        return words, HOLDS
    return f"{words}; the GAN overdoes it, and noise counts as sharp", PARTLY


def loss_and_quality(v: Values) -> tuple[str, str]:
    found = [v[f"04/gan.{network}_loss_fcd_correlation"] for network in "dg"]
    ways = ["falls" if value >= 0.5 else "rises" if value <= -0.5 else "goes its own way" for value in found]
    words = (
        f"over the epochs of one GAN its FCD has a rank correlation of {number(found[0])} with D's loss and of "
        f"{number(found[1])} with G's (1: the lower the better): as images get closer D's loss {ways[0]}, G's {ways[1]}"
    )
    strength = max(abs(value) for value in found)
    if strength < 0.5:
        return words, HOLDS
    words += "; but what drifts in the same training correlates"
    return words, FAILS if min(found) >= 0.8 else PARTLY


def two_steps(v: Values) -> tuple[str, str]:
    one, two = v["04/dcgan_one_to_one.d_loss"], v["04/dcgan_one_to_two.d_loss"]
    words = (
        f"D's loss ends at {number(two)} nats with two steps of G for each of D, at {number(one)} with one "
        f"({number(2 * math.log(2))} if D cannot tell)"
    )
    raised, zero = sign(two - one, 0.2 * one), 0.05
    if raised < 0 or two < zero:
        return words, FAILS
    if raised == 0:
        return f"{words} (a near-tie)", UNDECIDED
    return (words, HOLDS) if one < zero else (f"{words}: higher, but one step does not bring it to zero either", PARTLY)


def bald(v: Values) -> tuple[str, str]:
    vae, gan = v["04/vae.diversity"], v["04/gan.diversity"]
    hairless = {name: v[f"04/{name}.no_hair"] for name in ("vae", "rebuilt", "gan", "real")}
    words = (
        f"two samples are {number(vae)} (VAE) and {number(gan)} (GAN) times as far apart as two real images; no "
        f"attribute says bald, but the judge reads none of hair in {hairless['vae']:.1%} of the VAE's samples, "
        f"{hairless['gan']:.1%} of the GAN's, {hairless['real']:.1%} of real images, and {hairless['rebuilt']:.1%} of "
        "real ones as the VAE rebuilds them, blurred too"
    )
    others = max(share for name, share in hairless.items() if name != "vae")
    signs = [sign(gan - vae, 0.05 * gan), sign(hairless["vae"] - others, 0.05)]
    return words + ties(signs, ("variety", "hair")), all_of(signs)


def steadier(v: Values) -> tuple[str, str]:
    swing, rough = ((v[f"04/dcgan.loss_{key}"], v[f"04/wgangp.loss_{key}"]) for key in ("swing", "roughness"))
    words = (
        f"D's loss, DCGAN against WGAN-GP: its standard deviation is {swing[0]:.1%} and {swing[1]:.1%} of its mean at "
        f"the end, its roughness (0: a smooth line, 1: noise) {number(rough[0])} and {number(rough[1])}"
    )
    signs = [sign(dcgan - wgangp, 0.2 * dcgan) for dcgan, wgangp in (swing, rough)]
    return words + ties(signs, ("deviation", "roughness")), all_of(signs)


def cured(v: Values) -> tuple[str, str]:
    arms = ("report", "report_few_epochs", "report_half_width")
    whole, few, half = ((v[f"04/{arm}.diversity"], v[f"04/{arm}.fcd"]) for arm in arms)
    dcgan = v["04/dcgan.diversity"]
    words = (
        f"diversity (test images: 1) and FCD under the report's settings: {number(whole[0])} and {number(whole[1])}; "
        f"after half of the epochs {number(few[0])} and {number(few[1])}, and {number(half[0])} and {number(half[1])} "
        f"at half the width; DCGAN's settings have a diversity of {number(dcgan)}"
    )
    if whole[0] >= 0.9 * dcgan:
        return f"{words}: there was no collapse to cure", UNDECIDED
    tried = ((whole, few), (few, half))  # each remedy by itself
    better = [then[0] for before, then in tried if then[0] > 1.1 * before[0] and then[1] < 0.95 * before[1]]
    return words, HOLDS if max(better, default=0) >= 0.9 * dcgan else PARTLY if better else FAILS


def strong_discriminator(v: Values) -> tuple[str, str]:
    loss, lead = ((v[f"04/report.{key}_middle"], v[f"04/report.{key}_end"]) for key in ("g_loss", "d_lead"))
    half, end = v["04/report_few_epochs.fcd"], v["04/report.fcd"]
    words = (
        f"under the report's settings, from the middle to the last third, G's loss goes from {number(loss[0])} to "
        f"{number(loss[1])} nats and D's lead (logits of real above fake) from {number(lead[0])} to {number(lead[1])}; "
        f"FCD from {number(half)} halfway to {number(end)}"
    )
    rise, gain = (sign(then - before, 0.1 * abs(before)) for before, then in (loss, lead))
    if rise <= 0:
        return words + ("" if rise else " (the loss: a near-tie)"), FAILS if rise else UNDECIDED
    if gain == 1 and end > 1.05 * half:
        return f"{words}: D gains, but the images got worse, too", PARTLY
    return words, HOLDS if gain == 1 else PARTLY


def all_of(signs: list[int]) -> str:
    """What several measures say of a claim that needs each of them."""
    if 1 in signs:
        return HOLDS if set(signs) == {1} else PARTLY
    return FAILS if -1 in signs else UNDECIDED


CLAIMS = (
    Claim(
        "The CVAE's test loss is 127.5 nats/image.", "D", ("03/cvae_mlp.test_loss", "03/cvae_mlp.train_loss"),
        ("03/cvae.3",), test_loss, figures_of="mnist", test_images=10_000,
    ),
    Claim(
        "The VAE's mean squared error on test images is 0.0641.", "C", ("01/vae.test_mse",), ("01/vae.3",), test_error,
        figures_of="report C's photographs",
    ),
    Claim(
        "The KL term times 100 blurs; times 0 reconstructs best and cannot generate.", "E",
        (
            *(f"02/beta{w}.{key}" for w in (0, 1, 100) for key in ("sharpness_ratio", "mse", "prior_fcd")),
            "02/beta0.fitted_fcd",
        ),
        ("02/kl.3", "02/kl.4", "02/kl.7"), weights_of_kl,
    ),
    Claim(
        "The KL term times 0 gives deeper colours.", "E", tuple(f"02/beta{w}.chroma_ratio" for w in (0, 1, 100)),
        ("02/kl.3",), colours,
    ),
    Claim(
        "A CVAE is more stable than InfoGAN, but blurry.", "A and B",
        (
            "03/cvae_conv.loss_rises", "06/infogan_digits.loss_rises", "03/cvae_conv.sharpness_ratio",
            "03/cross_entropy.sharpness_ratio", "06/infogan_digits.sharpness_ratio",
        ),
        ("03/cvae.10", "06/infogan.7"), stable_but_blurry,
    ),
    Claim(
        "Squared error looks worse than cross-entropy.", "A",
        tuple(
            f"03/{loss}.{key}" for loss in ("squared_error", "cross_entropy")
            for key in ("sharpness_ratio", "label_consistency", "test_mse")
        ),
        ("03/cvae.8",), squared_error,
    ),
    Claim(
        "The eleven filters are one image and ten labels.", "A and B",
        tuple(f"03/cvae_conv.{key}" for key in ("image_energy_least", "image_energy_most", "label_filters")),
        ("03/cvae.2",), eleven_filters,
    ),
    Claim(
        "InfoGAN's conditional entropy must be large.", "C",
        (*(f"06/infogan_{code}.mi_bound" for code in ("digits", "faces2", "faces13")), "06/infogan_digits.accuracy"),
        ("06/infogan.4", "06/infogan.6"), large_entropy,
    ),
    Claim(
        "InfoGAN's code is hair style, not sex.", "C",
        tuple(
            f"06/infogan_faces2.{key}" for key in ("hair_information", "sex_information", "best_attribute", "mi_bound")
        ),
        ("06/infogan.2", "06/infogan.6"), hair_not_sex,
    ),
    Claim(
        "A GAN's images are sharper than a VAE's.", "C", ("04/gan.sharpness_ratio", "04/vae.sharpness_ratio"),
        ("04/gan.6",), sharper,
    ),
    Claim(
        "A GAN's loss says nothing about quality.", "C",
        ("04/gan.d_loss_fcd_correlation", "04/gan.g_loss_fcd_correlation"), ("04/gan.2",), loss_and_quality,
    ),
    Claim(
        "Two G steps for each D step keep D's loss from zero.", "C",
        ("04/dcgan_one_to_one.d_loss", "04/dcgan_one_to_two.d_loss"), ("04/gan.8",), two_steps,
    ),
    Claim(
        "A VAE's samples are bald and less varied than a GAN's.", "C",
        (
            *(f"04/{name}.diversity" for name in ("vae", "gan")),
            *(f"04/{name}.no_hair" for name in ("vae", "gan", "real", "rebuilt")),
        ),
        ("04/gan.6",), bald,
    ),
    Claim(
        "WGAN-GP steadies the loss.", "C",
        tuple(f"04/{arm}.loss_{key}" for arm in ("dcgan", "wgangp") for key in ("swing", "roughness")),
        ("04/gan.5",), steadier,
    ),
    Claim(
        "Fewer epochs or fewer parameters cured the collapse.", "C",
        (
            "04/dcgan.diversity",
            *(
                f"04/{arm}.{key}" for arm in ("report", "report_few_epochs", "report_half_width")
                for key in ("diversity", "fcd")
            ),
        ),
        ("04/gan.8",), cured,
    ),
    Claim(
        "G's loss rises at the end because D is strong.", "C",
        (
            *(f"04/report.{key}_{when}" for key in ("g_loss", "d_lead") for when in ("middle", "end")),
            "04/report_few_epochs.fcd", "04/report.fcd",
        ),
        ("04/gan.2", "04/gan.8"), strong_discriminator,
    ),
)  # fmt: skip


def rows(records: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each claim; ``records`` are the metrics files by notebook.

    A row has ``claim``, ``measured`` (words) and ``verdict``: NOT_RUN until all its notebooks have run to their end.
    """
    values = measured(records)
    return [row(claim, values, records) for claim in CLAIMS]


def measured(records: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    """Finite values of the runs that came to their end, by notebook's number and metric."""
    return {
        f"{number_of(name)}/{metric}": entry["value"]
        for name, record in records.items()
        if record["status"] == "ok"
        for metric, entry in record["metrics"].items()
        if entry["value"] is not None
    }


def row(claim: Claim, values: Values, records: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if lacking := [name for name in claim.metrics if name not in values]:
        return {"claim": claim, "measured": needed(lacking, values), "verdict": NOT_RUN}
    data = data_of(claim, records)
    if unlike := [kind for kind, used in data.items() if len({one.get("sha256") for one in used}) > 1]:
        return {"claim": claim, "measured": f"needs its notebooks on the same {', '.join(unlike)}", "verdict": NOT_RUN}
    words, verdict = claim.decide(values)
    if not same_data(claim, data):
        words, verdict = f"{words}; measured on other data than the report's", OTHER_DATA
    return {"claim": claim, "measured": words, "verdict": verdict}


def needed(lacking: list[str], values: Values) -> str:
    """What a claim waits for: notebooks of which nothing is known, metrics of the others."""
    known = {name.split("/")[0] for name in values}
    notebooks = dict.fromkeys(name.split("/")[0] for name in lacking if name.split("/")[0] not in known)
    metrics = [name for name in lacking if name.split("/")[0] in known]
    return f"needs {', '.join([*(f'notebook {number}' for number in notebooks), *metrics])}"


def data_of(claim: Claim, records: Mapping[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What the notebooks of a claim used, by kind of data."""
    numbers = {name.split("/")[0] for name in claim.metrics}
    used = [record["data"] for name, record in records.items() if number_of(name) in numbers]
    return {kind: [data[kind] for data in used if kind in data] for kind in ("digits", "faces")}


def same_data(claim: Claim, data: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether a figure may be set beside the report's; True for a claim that is no figure."""
    return claim.figures_of is None or any(
        one.get("source") == claim.figures_of and claim.test_images in (None, one.get("test"))
        for used in data.values()
        for one in used
    )
