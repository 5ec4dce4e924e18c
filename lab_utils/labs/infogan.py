"""Notebook 06: its settings, what it delivers and measures, and what is said of its numbers."""

import math
from dataclasses import replace
from typing import Any, Literal

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.cvae import COMPARISONS
from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    PARTLY,
    REAL_FACES,
    UNDECIDED,
    UNSTATED,
    Check,
    Claim,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Values,
    always,
    sign,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 06."""

    train_images: PositiveInt  # faces: the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of a face, to which they are reduced
    noise: PositiveInt  # dimensions of the noise beside the codes, for faces
    width: PositiveInt  # channels of the widest pictures of faces
    batch_size: PositiveInt  # faces
    steps: PositiveInt  # faces
    code_weight: PositiveFloat  # of −log Q(c|x) beside the game's loss, for faces
    evaluate_every: PositiveInt  # steps; faces
    train_digits: PositiveInt
    test_digits: PositiveInt
    digit_noise: PositiveInt
    digit_width: PositiveInt
    digit_batch_size: PositiveInt
    digit_steps: PositiveInt
    digit_evaluate_every: PositiveInt  # steps
    plain_digit_steps: PositiveInt  # of the InfoGAN without neighbours
    continuous_weight: PositiveFloat  # of the squared error of the continuous codes
    neighbours: PositiveInt  # of a digit, of which those count that have it among theirs
    agreement_weight: PositiveFloat  # of what neighbours share, beside the game's loss
    compared_digits: PositiveInt  # the first so many training digits, among which neighbours are looked for
    group_steps: PositiveInt  # of the network that sorts digits into groups before the game
    seeds: PositiveInt  # groups: SEED and the next ones, for the median
    reader_images: PositiveInt  # samples that a fresh reader of the codes is trained on; a fifth as many test it
    reader_steps: PositiveInt  # of a reader of faces
    digit_reader_steps: PositiveInt
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # steps between two points of the training curves


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, side=32, noise=100, width=8, batch_size=20, steps=40, code_weight=1.0,
        evaluate_every=20, train_digits=1000, test_digits=400, digit_noise=62, digit_width=8, digit_batch_size=100,
        digit_steps=20, digit_evaluate_every=10, plain_digit_steps=10, continuous_weight=0.5, neighbours=5,
        agreement_weight=2.0, compared_digits=1000, group_steps=10, seeds=2, reader_images=500, reader_steps=7,
        digit_reader_steps=2, checkpoint_every=2, log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=24, batch_size=16, steps=6000,
        code_weight=1.0, evaluate_every=1000, train_digits=60_000, test_digits=10_000, digit_noise=62, digit_width=32,
        digit_batch_size=128, digit_steps=900, digit_evaluate_every=300, plain_digit_steps=400, continuous_weight=0.5,
        neighbours=10, agreement_weight=2.0, compared_digits=20_000, group_steps=1000, seeds=1, reader_images=5_000,
        reader_steps=156, digit_reader_steps=264, checkpoint_every=100, log_every=10,
    ),
    "long": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=32, batch_size=16, steps=9000,
        code_weight=1.0, evaluate_every=1000, train_digits=60_000, test_digits=10_000, digit_noise=62, digit_width=32,
        digit_batch_size=128, digit_steps=2000, digit_evaluate_every=500, plain_digit_steps=1000,
        continuous_weight=0.5, neighbours=10, agreement_weight=2.0, compared_digits=30_000, group_steps=2000, seeds=3,
        reader_images=5_000, reader_steps=312, digit_reader_steps=528, checkpoint_every=200, log_every=10,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, side=64, noise=100, width=64, batch_size=32, steps=20_000,
        code_weight=1.0, evaluate_every=1000, train_digits=60_000, test_digits=10_000, digit_noise=62, digit_width=64,
        digit_batch_size=128, digit_steps=3744, digit_evaluate_every=468, plain_digit_steps=1872,
        continuous_weight=0.5, neighbours=10, agreement_weight=2.0, compared_digits=60_000, group_steps=3000, seeds=5,
        reader_images=20_000, reader_steps=1248, digit_reader_steps=264, checkpoint_every=1000, log_every=10,
    ),
}  # fmt: skip


DELIVERABLES = {
    "infogan.1": Deliverable("Architecture, order of updates, the bound derived"),
    "infogan.2": Deliverable(
        "Faces, a 2-way code: two rows, same noise",
        ("infogan_faces2.code_effect", "infogan_faces2.diversity", "infogan_faces2.mi_bound", "infogan.faces_found"),
        checks=(
            Check("infogan_faces2.code_effect", 0.3, 0.1),
            Check("infogan_faces2.diversity", 0.7, 0.4),
        ),
    ),
    "infogan.3": Deliverable(
        "Faces, a 13-way code: 13 columns, same noise",
        ("infogan_faces13.code_effect", "infogan_faces13.diversity", "infogan_faces13.mi_bound"),
        checks=(
            Check("infogan_faces13.code_effect", 0.3, 0.1),
            Check("infogan_faces13.diversity", 0.7, 0.4),
        ),
    ),
    "infogan.4": Deliverable("Losses of D, G and the conditional entropy"),
    "infogan.5": Deliverable(
        "Digits: a 10-way and two continuous codes",
        (
            "infogan_digits.mi_bound",
            "infogan_digits.first_bound",
            "infogan_digits.fcd",
            "infogan_digits.label_consistency",
        ),
        checks=(Check("infogan_digits.mi_bound", 2.0, 1.0),),
    ),
    "infogan.6": Deliverable(
        "What each code found",
        (
            "infogan_digits.accuracy",
            "infogan_digits.group_accuracy",
            "infogan_plain.accuracy",
            "infogan_faces2.best_attribute",
        ),
        checks=(Check("infogan_digits.accuracy", 0.9, 0.6),),
    ),
    "infogan.7": Deliverable("Discussion, and CVAE against InfoGAN"),
}

METRICS = {
    "infogan_digits.accuracy": Metric(
        "Digits: test images whose code is the one assigned to their label",
        "fraction",
        higher_is_better=True,
        targets={"quick": 0.9, "long": 0.95, "full": 0.95},
        reference=0.95,
        whence="InfoGAN's paper (5 % error), its own training",
    ),
    "infogan_digits.group_accuracy": Metric(
        "Digits, before the game: test images in the group assigned to their label",
        "fraction",
        higher_is_better=True,
    ),
    **{
        f"infogan_digits.{which}_bound": Metric(
            f"Digits, {which} continuous code: bound on I(c; x)", "nats", higher_is_better=True
        )
        for which in ("first", "second")
    },
    "infogan.faces_found": Metric(
        "Faces: samples in which a detector finds a face",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.9, "long/photographs": 0.95},
    ),
    "real.faces_found": REAL_FACES,
    "infogan.fcd": Metric("Faces: FCD of samples to test images", "squared distance", higher_is_better=False),
    **{
        f"infogan_faces{k}.code_effect": Metric(
            f"Faces, {k}-way code: pixel distance between two codes at equal noise, over that of two noises at equal "
            "code",
            "ratio",
            higher_is_better=True,
            targets={"quick": 0.3, "long": 0.4},
        )
        for k in (2, 13)
    },
    **{
        f"infogan_faces{k}.diversity": Metric(
            f"Faces, {k}-way code: mean distance of two samples of equal code in the judge's features, over that of "
            "test images",
            "ratio",
            higher_is_better=True,
            targets={"quick": 0.7, "long": 0.7},
        )
        for k in (2, 13)
    },
    "infogan_digits.label_consistency": Metric(
        "Digits: samples in which the judge reads the digit that their code was assigned to",
        "fraction",
        higher_is_better=True,
    ),
    "infogan_digits.nmi": Metric(
        "Digits: normalised mutual information of code and label",
        "index",
        higher_is_better=True,
    ),
    "infogan_digits.ari": Metric("Digits: adjusted Rand index of code and label", "index", higher_is_better=True),
    "infogan_digits.mi_bound": Metric("Digits: bound on I(c; x), at most ln 10 = 2.303", "nats", higher_is_better=True),
    "infogan_plain.accuracy": Metric(
        "Digits, InfoGAN without neighbours, shorter budget: test images whose code is the one assigned to their label",
        "fraction",
        higher_is_better=True,
    ),
    "infogan_faces2.mi_bound": Metric(
        "Faces, 2-way code: bound on I(c; x), at most ln 2 = 0.693",
        "nats",
        higher_is_better=True,
    ),
    "infogan_faces13.mi_bound": Metric(
        "Faces, 13-way code: bound on I(c; x), at most ln 13 = 2.565",
        "nats",
        higher_is_better=True,
    ),
    "infogan_faces13.mi_ratio": Metric(
        "Faces, 13-way code: bound on I(c; x) over ln 13",
        "ratio",
        higher_is_better=True,
        targets={"quick": 0.8, "full": 0.95},
    ),
    "infogan_faces2.best_attribute": Metric(
        "Faces, 2-way code: largest mutual information with an attribute that the judge reads",
        "nats",
    ),
    "infogan_faces2.hair_information": Metric(
        "Faces, 2-way code: largest mutual information with a colour or shape of hair, beyond chance",
        "nats",
    ),
    "infogan_faces2.sex_information": Metric(
        "Faces, 2-way code: mutual information with Male (avatars, which have no sex: with Beard), beyond chance",
        "nats",
    ),
    "infogan_digits.fcd": Metric("Digits: FCD of samples to test images", "squared distance", higher_is_better=False),
    "infogan_digits.sharpness_ratio": Metric("Digits: variance of the Laplacian, samples over test", "ratio"),
    "infogan_faces.loss_rises": Metric(
        "Faces: rises in all movement of the generator's loss, over twenty stretches (0: it only fell)",
        "fraction",
    ),
    "infogan_digits.loss_rises": Metric(
        "Digits: rises in all movement of the generator's loss, over twenty stretches (0: it only fell)",
        "fraction",
    ),
}
METRICS = {
    name: replace(metric, kind="digits" if name.startswith(("infogan_digits.", "infogan_plain.")) else "faces")
    for name, metric in METRICS.items()
}

# Readings


def rule_ended(v: Values) -> list[str]:
    return ["early" if v["ended"] else "whole"]


ENDED = Reading(
    rule_ended,
    {
        "early": "**Ended early:** {ended:list}.",
        "whole": "Every training ran to its end.",
    },
)

SIZES = always(
    "Faces are drawn by networks of width {width} at {side}×{side} pixels. They are told {noise} dimensions of "
    "noise, a 2-way and a 13-way code, in one model under this course's recipe (notebook 04, where the layers "
    "stand).\n\nDigits have the learning rates of InfoGAN's authors except that D's is {d_rate:g} in place of their "
    "0.0002 (G's is {g_rate:g}), and smaller networks than theirs. A batch holds {batch_size} faces or "
    "{digit_batch_size} digits."
)

LIGHT = 0.05  # of the range of a pixel: a change of an area of the picture that can be seen


def light_of_areas(v: Values) -> bool:
    """Whether the 2-way code changes the brightness of some area of the faces to be seen."""
    most, _, least, _ = v["code2_squares"]
    return max(abs(most), abs(least)) > LIGHT


def rule_two_way(v: Values) -> list[str]:
    seen = "seen" if v["infogan_faces2.code_effect"] >= 0.3 else "faint"
    narrow = ["narrow"] if v["infogan_faces2.diversity"] < 0.7 else []
    return ["change", seen, *narrow, *(["squares", "light"] if light_of_areas(v) else ["even"]), "attributes"]


def of_two_way(v: Values) -> dict[str, Any]:
    names = ("by_code", "by_noise", "most", "most_at", "least", "least_at")
    return dict(zip(names, [*v["code2_change"], *v["code2_squares"]], strict=True))


TWO_WAY = Reading(
    rule_two_way,
    {
        "change": "From one value of the code to the other a pixel changes by {by_code:.1%} of its range on average, "
        "from one draw of noise to the next by {by_noise:.1%}.",
        "seen": "So what the code does can be seen beside what the noise does.",
        "faint": "The code does much less than the noise.",
        "narrow": "But at equal code samples are much more alike than real faces are.",
        "squares": "In eight by eight squares, and on average over the ten faces, the second value of the code "
        "changes brightness by {most:+.1%} at the {most_at} and by {least:+.1%} at the {least_at}; all other squares "
        "lie between.",
        "light": "So the code sets, at least in part, how light large areas of the picture are.",
        "even": "In none of eight by eight squares does brightness change by more than a twentieth of its range.",
        "attributes": "Whether that is one of the attributes is measured further down, in the judge's readings.",
    },
    of_two_way,
)


def rule_thirteen_way(v: Values) -> list[str]:
    seen = "seen" if v["infogan_faces13.code_effect"] >= 0.3 else "faint"
    narrow = ["narrow"] if v["infogan_faces13.diversity"] < 0.7 else []
    light = ["light"] if max(v["column_light"]) - min(v["column_light"]) > LIGHT else []
    return ["change", seen, *narrow, "columns", *light]


THIRTEEN_WAY = Reading(
    rule_thirteen_way,
    {
        "change": "From one value of the code to the next a pixel changes by {by_code:.1%} of its range on average, "
        "from one draw of noise to the next by {by_noise:.1%}.",
        "seen": "So what the code does can be seen beside what the noise does.",
        "faint": "The code does much less than the noise.",
        "narrow": "But at equal code samples are much more alike than real faces are.",
        "columns": "The mean brightness of a value's faces, on a scale from 0 to 1, runs from {column_darkest:.2f} to "
        "{column_lightest:.2f}.",
        "light": "Brightness is a part of what this code sets.",
    },
    lambda v: (
        dict(zip(("by_code", "by_noise"), v["code13_change"], strict=True))
        | {"column_darkest": min(v["column_light"]), "column_lightest": max(v["column_light"])}
    ),
)


def rule_entropy(v: Values) -> list[str]:
    both = all(v.get(f"{data}_soon") is not None for data in ("faces", "digits"))
    return ["course", "soon" if both else "on_its_way"]


ENTROPY = Reading(
    rule_entropy,
    {
        "course": "The conditional entropy must become small, not large: it says what remains unknown of the code "
        "once the image is seen. It goes from {faces_start:.2f} to {faces_end:.2f} nats/image for faces and from "
        "{digits_start:.2f} to {digits_end:.2f} for digits.",
        "soon": "It falls below a tenth of its start after {faces_soon:.0%} of the training for faces and after "
        "{digits_soon:.0%} for digits. From then on it says little more: a code is easy to obey, and neither how "
        "good the images are nor what the code means can be seen in this loss.",
        "on_its_way": "In this budget at least one of the two has not fallen below a tenth of its start.",
    },
)


def rule_floor(v: Values) -> list[str]:
    return ["levels", "flat" if v["loss_from_probabilities"] < v["floor"] + 0.05 else "above"]


FLOOR = Reading(
    rule_floor,
    {
        "levels": "Given probabilities, the loss ends at {loss_from_probabilities:.4f}, given logits at "
        "{loss_from_logits:.4f}. The floor is {floor:.4f}, which is where report C's curve lay flat.",
        "flat": "Down there the code is read nearly with certainty. The flat line is a limit of the loss: it says "
        "neither that a third of a nat stayed unknown nor that the images had converged.",
        "above": "This budget has not reached it.",
    },
    lambda v: {"floor": math.log(1 + math.exp(-1))},
)


def rule_continuous(v: Values) -> list[str]:
    most = max(abs(v[f"{which}_{what}"]) for which in ("first", "second") for what in ("ink", "lean"))
    return ["levels", "faint" if most < 0.5 else "seen"]


CONTINUOUS = Reading(
    rule_continuous,
    {
        "levels": "From −2 to 2 the first code changes ink by {first_ink:+.2f} and lean by {first_lean:+.2f} "
        "standard deviations of the test digits. The second changes ink by {second_ink:+.2f} and lean by "
        "{second_lean:+.2f}.",
        "faint": "All of that is little beside what people differ by: neither code controls ink or lean to any use.",
        "seen": "What is well below a half cannot be told from the differences between people; the larger changes "
        "can be seen in the figure.",
    },
)

MOST = {"digits": math.log(10), "faces2": math.log(2), "faces13": math.log(13)}  # nats that a code can hold


def left_open(v: Values) -> dict[str, float]:
    """What may remain unknown of each code once the image is seen, in nats, and all that the code holds."""
    left = {f"left.{code}": min(most, most - v[f"infogan_{code}.mi_bound"]) for code, most in MOST.items()}
    return left | {f"most.{code}": most for code, most in MOST.items()}


def rule_large_entropy(v: Values) -> list[str]:
    shares = {code: v[f"left.{code}"] / most for code, most in MOST.items()}
    if v["infogan_digits.accuracy"] > 0.5 and shares["digits"] > 0.5:
        return ["levels", "large"]
    return ["levels", "small" if max(shares.values()) < 0.25 else "open"]


LARGE_ENTROPY = Reading(
    rule_large_entropy,
    {
        "levels": "For digits H(c|x) is at most {left.digits} of {most.digits} nats, and the code is that of the "
        "label in {infogan_digits.accuracy:.1%} of test images. For faces at most {left.faces2} of {most.faces2} "
        "nats remain unknown of the 2-way code, and at most {left.faces13} of {most.faces13} of the 13-way code.",
        "large": "So the code follows the digit although more than half of it is left open.",
        "small": "Less than a quarter of every code is left open: what training brings about is a small entropy.",
        "open": "At least a quarter of one code is left open, from which nothing follows for or against a large "
        "entropy.",
    },
    left_open,
)


def rule_groups(v: Values) -> list[str]:
    said = ["graph", "groups", *(["seeds"] if v["seeds"] > 1 else [])]
    return [*said, "heads", "best" if v["taken"] >= max(v["of_heads"]) - 0.01 else "not_best"]


GROUPS = Reading(
    rule_groups,
    {
        "graph": "Of the neighbours {purity:.1%} are of the same digit; {loners:.1%} of the digits have none that is "
        "mutual and are compared with themselves. No label was used to find them.",
        "groups": "Of the test digits {infogan_digits.group_accuracy:.1%} are in the group that is assigned to their "
        "label.",
        "seeds": "That is the median over {seeds:plural seed}, which run from {least:.1%} to {most:.1%}; all other "
        "numbers on digits are those of the first.",
        "heads": "The heads of the first network reach {of_heads_in_words}; taken is the one whose readings share "
        "most, with {taken:.1%}.",
        "best": "Labels would have chosen none that is more than a point better.",
        "not_best": "Labels would have chosen another.",
    },
    lambda v: {
        "least": min(v["accuracies"]),
        "most": max(v["accuracies"]),
        "of_heads_in_words": ", ".join(f"{share:.1%}" for share in v["of_heads"]),
    },
)


def rule_digits(v: Values) -> list[str]:
    kept = v["infogan_digits.accuracy"] - v["taken"]
    game = "better" if kept > 0.01 else "worse" if kept < -0.01 else "kept"
    return ["assigned", game, "confusion", "samples", "judge"]


def of_digits(v: Values) -> dict[str, Any]:
    share, label, code = v["confusion"]
    return {"share": share, "label": label, "code": code}


DIGITS = Reading(
    rule_digits,
    {
        "assigned": "**Digits.** After the game {infogan_digits.accuracy:.1%} of the test digits have the code that "
        "was assigned to their label, before it {taken:.1%} were in its group; chance would be about a tenth.",
        "better": "The game has mended some of what the groups got wrong.",
        "worse": "The game has lost some of what the groups got right.",
        "kept": "So the game keeps what the groups had found.",
        "confusion": "The most frequent confusion: {share:.0%} of the {label}s have the code of {code}.",
        "samples": "In {infogan_digits.label_consistency:.1%} of samples the judge reads the digit that their code "
        "was assigned to.",
        "judge": "Of real test digits this judge, which was taught with labels, reads {digit_judge_accuracy:.1%} "
        "right (always the most frequent: {digit_judge_majority:.1%}).",
    },
    of_digits,
)


def rule_continuous_read(v: Values) -> list[str]:
    both = [v[f"infogan_digits.{which}_bound"] for which in ("first", "second")]
    return [
        "bounds",
        "read"
        if min(both) > 0.5
        else "unread"
        if max(both) < 0.2
        else "one_alone"
        if min(both) < 0.2 and max(both) > 0.5
        else "part",
    ]


CONTINUOUS_READ = Reading(
    rule_continuous_read,
    {
        "bounds": "Of the continuous codes a fresh reader finds at least {infogan_digits.first_bound:.2f} and "
        "{infogan_digits.second_bound:.2f} nats in an image.",
        "read": "Both are obeyed.",
        "unread": "So little of either reaches the image that one could leave them out.",
        "one_alone": "So one of them is obeyed, and the other hardly.",
        "part": "They are obeyed in part.",
    },
)


def rule_faces(v: Values) -> list[str]:
    nats = v["infogan_faces2.best_attribute"]
    said = ["two_way", "hardly" if nats < 0.05 else "part" if nats < 0.35 else "most"]
    if nats < 0.05 and v["infogan_faces2.mi_bound"] > 0.35:
        said += ["nameless", *(["light"] if light_of_areas(v) else [])]
    return [*said, "thirteen_way", "judge", *(["weak"] if v["judge_accuracy"] < v["judge_majority"] + 0.02 else [])]


def of_faces(v: Values) -> dict[str, Any]:
    both = {size: zip(("name", "read", "nats"), v[f"attribute{size}"], strict=True) for size in (2, 13)}
    return {f"{what}{size}": value for size, named in both.items() for what, value in named}


FACES = Reading(
    rule_faces,
    {
        "two_way": "**Faces.** The 2-way code shares most with {name2}, which the judge reads in {read2:.0%} of "
        "samples: {nats2} nats.",
        "hardly": "That is hardly anything.",
        "part": "That is a part of what a binary attribute can hold.",
        "most": "That is most of what a binary attribute can hold.",
        "nameless": "Yet the code is obeyed, so it sets something that these attributes do not name, or that the "
        "judge does not read.",
        "light": "By the pairs of faces above it sets how light large areas of the picture are.",
        "thirteen_way": "The 13-way code shares most with {name13} (read in {read13:.0%}): {nats13} nats.",
        "judge": "Of its readings of real test images {judge_accuracy:.1%} are right, where always giving the more "
        "frequent answer would reach {judge_majority:.1%}.",
        "weak": "A judge that is no better than that cannot say what a code means.",
    },
    of_faces,
)


def leads(v: Values, margin: float) -> bool:
    """Whether the accuracy with neighbours is ahead of plain InfoGAN's by more than the margin."""
    return v["infogan_digits.accuracy"] - v["infogan_plain.accuracy"] > margin


def rule_neighbours(v: Values) -> list[str]:
    said = ["plain"]
    if leads(v, 0.05) and v["plain_left"] < 0.7:
        said.append("obeyed")
    return [*said, *(["paper"] if v["infogan_plain.accuracy"] < 0.9 else [])]


NEIGHBOURS = Reading(
    rule_neighbours,
    {
        "plain": "Plain InfoGAN, from random weights, reaches {infogan_plain.accuracy:.1%} after {plain_steps:plural "
        "step} with this seed.",
        "obeyed": "And yet Q leaves only {plain_left:.2f} of {ln10:.2f} nats of the plain code open: an obeyed code "
        "is not yet a meaningful one.",
        "paper": "The method's authors report an error of 5 % for plain InfoGAN. This run, with smaller networks and "
        "{plain_steps:plural step}, neither shows nor refutes that.",
    },
    lambda _: {"ln10": math.log(10)},
)


def rule_meaning(v: Values) -> list[str]:
    return ["two_numbers", *(["neighbours"] if leads(v, 0.1) else [])]


MEANING = Reading(
    rule_meaning,
    {
        "two_numbers": "Here samples carry at least {carried:.1%} of the ln 10 nats of the digits' code, and "
        "{infogan_digits.accuracy:.1%} of the test digits have the code of their label. The first number says how "
        "well a code is obeyed, the second what it means, and the first does not bring the second about.",
        "neighbours": "What helps is the term on neighbours, which says what should not count. By itself it is a way "
        "to cluster digits; InfoGAN adds the generator.",
    },
    lambda v: {"carried": max(0.0, v["infogan_digits.mi_bound"]) / math.log(10)},
)


def rule_hair_not_sex(v: Values) -> list[str]:
    hair, sex = v["infogan_faces2.hair_information"], v["infogan_faces2.sex_information"]
    if v["infogan_faces2.mi_bound"] < 0.5 * math.log(2):
        return ["shared", "disobeyed"]
    if max(hair, sex) < 0.05:
        return ["shared", "neither"]
    return ["shared", "hair" if hair > 2 * sex else "both" if hair > sex else "sex"]


HAIR_NOT_SEX = Reading(
    rule_hair_not_sex,
    {
        "shared": "Of {ln2} nats the 2-way code shares at most {infogan_faces2.hair_information} with an attribute "
        "of hair and {infogan_faces2.sex_information} with Male (Beard for avatars, which have no sex), each less what "
        "shuffled codes share. With no attribute does it share more than {infogan_faces2.best_attribute}.",
        "disobeyed": "But the faces do not obey the code yet.",
        "neither": "So neither hair nor sex explains the code.",
        "hair": "That is hair, more than twice as much as sex.",
        "both": "That is more hair than sex, but not more than twice as much.",
        "sex": "So hair explains no more of the code than sex does.",
    },
    lambda v: {"ln2": math.log(2)},
)


def rule_steadiness(v: Values) -> list[str]:
    return ["range" if v["seeds"] > 1 else "one_seed", "rises"]


STEADINESS = Reading(
    rule_steadiness,
    {
        "range": "Over {seeds:plural seed} the accuracy of the groups runs from {least:.1%} to {most:.1%}.",
        "one_seed": "How far another seed would end from here cannot be judged from one.",
        "rises": "Of all that the generator's loss moved, {infogan_digits.loss_rises:.0%} were rises (between the "
        "means of at most twenty equal stretches of training). In a game that need be no failure, but it is why such "
        "a curve does not say when to stop.",
    },
    lambda v: {"least": min(v["accuracies"]), "most": max(v["accuracies"])},
)

READINGS = {
    "sizes": SIZES,
    "ended": ENDED,
    "two_way": TWO_WAY,
    "thirteen_way": THIRTEEN_WAY,
    "entropy": ENTROPY,
    "floor": FLOOR,
    "groups": GROUPS,
    "continuous": CONTINUOUS,
    "continuous_read": CONTINUOUS_READ,
    "large_entropy": LARGE_ENTROPY,
    "digits": DIGITS,
    "faces": FACES,
    "neighbours": NEIGHBOURS,
    "meaning": MEANING,
    "hair_not_sex": HAIR_NOT_SEX,
    "steadiness": STEADINESS,
}


def rule_thirteen_less(v: Values) -> list[str]:
    two, thirteen = (v[f"infogan_faces{k}.code_effect"] for k in (2, 13))
    if thirteen < 0.1:
        return ["effects", "neither"]
    return ["effects", {1: "less", 0: "tie", -1: "more"}[sign(two - thirteen, 0.1 * two)]]


THIRTEEN_LESS = Reading(
    rule_thirteen_less,
    {
        "effects": "Another value of the 13-way code changes the pixels {infogan_faces13.code_effect} times as much as "
        "other noise does, another value of the 2-way code {infogan_faces2.code_effect} times.",
        "less": "So both control the face, and the 13-way code less.",
        "tie": "So both control the face, and neither clearly more.",
        "more": "So both control the face, and the 13-way code more.",
        "neither": "So the 13-way code hardly controls anything.",
    },
)

SWINGS = Reading(
    lambda v: ["rises", "swings" if 0.25 <= v["infogan_faces.loss_rises"] <= 0.75 else "one_way"],
    {
        "rises": "Of all that the generator's loss on faces moved between the means of twenty stretches of training, "
        "{infogan_faces.loss_rises:.0%} were rises.",
        "swings": "A loss that goes one way would have nearly none or nearly all: this one goes both ways.",
        "one_way": "So it goes one way nearly all along.",
    },
)

CLAIMS = (
    Claim(
        "In InfoGAN's objective the conditional entropy should be large, and a minus sign makes that a minimum.",
        "C",
        "InfoGAN on faces, loss",
        "the codes of faces, and of digits",
        LARGE_ENTROPY,
        {"large": HOLDS, "small": FAILS, "open": UNDECIDED},
        ("06/infogan.4", "06/infogan.6"),
        UNSTATED,
    ),
    Claim(
        "The 2-way code is hair style, and not sex as in the AC-GAN.",
        "C",
        "InfoGAN on faces, 2-way code",
        "the same",
        HAIR_NOT_SEX,
        {"disobeyed": UNDECIDED, "neither": FAILS, "hair": HOLDS, "both": PARTLY, "sex": FAILS},
        ("06/infogan.2", "06/infogan.6"),
        UNSTATED,
    ),
    Claim(
        "The 13-way code controls features of the face, and less clearly than the 2-way code does.",
        "C",
        "InfoGAN on faces, 13-way code",
        "the same",
        THIRTEEN_LESS,
        {"less": HOLDS, "more": PARTLY, "tie": PARTLY, "neither": FAILS},
        ("06/infogan.2", "06/infogan.3"),
        UNSTATED,
    ),
    Claim(
        "InfoGAN's loss swings.",
        "C",
        "InfoGAN on faces, loss",
        "the same",
        SWINGS,
        {"swings": HOLDS, "one_way": FAILS},
        ("06/infogan.4",),
        UNSTATED,
    ),
)

FINDING = Reading(
    lambda v: ["digits", "faces"],
    {
        "digits": "Trained without a label, the 10-way code puts {infogan_digits.accuracy:.1%} of test digits under "
        "the value that is assigned to their label.",
        "faces": "Another value of the 13-way code changes a face's pixels {infogan_faces13.code_effect:.2f} times as "
        "much as other noise does.",
    },
)

LAB = Lab(
    name="06_infogan",
    title="InfoGAN: codes that nobody taught",
    question="What does a generator put into a code that must be readable from its images, if no label is given?",
    data=("digits", "faces"),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
    comparisons=COMPARISONS,
)
