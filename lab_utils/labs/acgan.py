"""Notebook 05: its settings, what it delivers and measures, and what is said of its numbers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from lab_utils.labs.spec import (
    FAILS,
    HOLDS,
    PARTLY,
    PHOTOGRAPHS,
    REAL_FACES,
    UNDECIDED,
    UNSTATED,
    Check,
    Claim,
    Comparison,
    Deliverable,
    Lab,
    Metric,
    Reading,
    Values,
    sign,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Settings:
    """Settings of notebook 05."""

    train_images: PositiveInt  # the first so many of the training split (at most all of it)
    test_images: PositiveInt  # likewise of the test split
    side: Literal[32, 64]  # of an image, to which faces are reduced
    noise: PositiveInt  # dimensions of the noise beside the attributes
    width: PositiveInt  # channels of the widest pictures; 128 at side 64 is the coursework's 4×4×1024
    batch_size: PositiveInt
    steps: PositiveInt
    evaluate_every: PositiveInt  # steps
    trial_width: PositiveInt  # of the networks of the experiment on collusion
    trial_steps: PositiveInt  # of each of its trainings
    trial_seeds: PositiveInt  # SEED and the next ones
    class_weight: PositiveFloat  # of the classification loss beside the game's
    pairs: PositiveInt  # of samples with an attribute off and on, for each attribute
    cas_steps: PositiveInt  # the judge's architecture trained on samples alone
    checkpoint_every: PositiveInt  # steps of a training between two checkpoints
    log_every: PositiveInt  # steps between two points of the training curves


PROFILES = {
    "smoke": Settings(
        train_images=400, test_images=200, side=32, noise=100, width=8, batch_size=20, steps=60, evaluate_every=20,
        trial_width=8, trial_steps=20, trial_seeds=2, class_weight=3.0, pairs=100, cas_steps=6, checkpoint_every=2,
        log_every=2,
    ),
    "quick": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=24, batch_size=16, steps=9000,
        evaluate_every=1000, trial_width=16, trial_steps=400, trial_seeds=3, class_weight=2.5, pairs=1000,
        cas_steps=366, checkpoint_every=200, log_every=20,
    ),
    "long": Settings(
        train_images=12_000, test_images=10_000, side=64, noise=100, width=32, batch_size=16, steps=12_000,
        evaluate_every=2000, trial_width=16, trial_steps=1000, trial_seeds=3, class_weight=2.5, pairs=1000,
        cas_steps=732, checkpoint_every=200, log_every=20,
    ),
    "full": Settings(
        train_images=40_000, test_images=10_000, side=64, noise=100, width=64, batch_size=32, steps=30_000,
        evaluate_every=2000, trial_width=64, trial_steps=2000, trial_seeds=3, class_weight=3.0, pairs=1000,
        cas_steps=5000, checkpoint_every=1000, log_every=20,
    ),
}  # fmt: skip


DELIVERABLES = {
    "acgan.1": Deliverable("Architecture and settings"),
    "acgan.2": Deliverable("Learning curves, each term apart", ("acgan.g_loss_middle", "acgan.g_loss_end")),
    "acgan.3": Deliverable(
        "Ten pairs: the same noise, the attribute off and on",
        ("acgan.flip_rate", "acgan.agreement_share", "acgan.faces_found"),
        checks=(
            Check("acgan.flip_rate", 0.9, 0.6),
            Check("acgan.agreement_share", 0.8, 0.4, PHOTOGRAPHS),
            Check("acgan.faces_found", 0.9, 0.5, PHOTOGRAPHS),
        ),
    ),
    "acgan.4": Deliverable(
        "The attribute from off to on in steps",
        ("acgan.diversity_ratio",),
        checks=(Check("acgan.diversity_ratio", 0.8, 0.5),),
    ),
    "acgan.5": Deliverable(
        "The class head trained on fakes: collusion",
        ("acgan.attribute_accuracy", "acgan.real_ceiling", "acgan.head_gap_fair", "acgan.head_gap_taught"),
        checks=(Check("acgan.attribute_accuracy", 0.9, 0.7), Check("acgan.head_gap_fair", -0.1, -0.6)),
    ),
    "acgan.6": Deliverable("Discussion", ("acgan.fcd", "acgan.cas")),
}

METRICS = {
    "acgan.attribute_accuracy": Metric(
        "Samples that the judge reads as asked, balanced accuracy",
        "fraction",
        higher_is_better=True,
    ),
    "acgan.real_ceiling": Metric(
        "Real test images that the judge reads right, balanced accuracy",
        "fraction",
        higher_is_better=True,
    ),
    "acgan.attribute_error": Metric(
        "Balanced accuracy of the judge on samples and on real test images: how far apart",
        "fraction",
        higher_is_better=False,
        targets={"quick/photographs": 0.05, "long/photographs": 0.03},
    ),
    "acgan.flip_rate": Metric(
        "Pairs from one noise that the judge reads as asked, off and on",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.94, "long/photographs": 0.96},
    ),
    "acgan.other_attribute_agreement": Metric(
        "Other attributes that the judge reads the same in both images of a pair", "fraction"
    ),
    "acgan.agreement_share": Metric(
        "Agreement of the other attributes in a pair, from that of strangers (0) to what the data allow (1)",
        "ratio",
        higher_is_better=True,
        targets={"quick/photographs": 0.9, "long/photographs": 0.95},
    ),
    "acgan.fcd": Metric(
        "FCD to test images of samples asked for the attributes of those",
        "squared distance",
        higher_is_better=False,
        targets={"quick/photographs": 4.0, "long/photographs": 2.8},
    ),
    "acgan.faces_found": Metric(
        "Samples in which a detector finds a face",
        "fraction",
        higher_is_better=True,
        targets={"quick/photographs": 0.95, "long/photographs": 0.97},
    ),
    "real.faces_found": REAL_FACES,
    **{
        f"acgan.{key}_{when}": Metric(f"{title}, {part} third of training", unit)
        for when, part in {"middle": "middle", "end": "last"}.items()
        for key, title, unit in (
            ("g_loss", "G's whole loss", "nats"),
            ("g_class", "G's class loss, before its weight", "nats/attribute"),
            ("d_lead", "Mean logit of real images above that of fakes", "logits"),
        )
    },
    **{
        f"acgan.fcd_{when}": Metric(f"FCD to test images {words} training", "squared distance", higher_is_better=False)
        for when, words in {"middle": "midway through", "end": "at the end of"}.items()
    },
    "acgan.last_flip_rate": Metric(
        "Last attribute told (Big_Lips, where there is one): pairs that the judge reads as asked, off and on",
        "fraction",
        higher_is_better=True,
    ),
    "acgan.last_real_ceiling": Metric(
        "Last attribute told: real test images that the judge reads right, balanced accuracy",
        "fraction",
        higher_is_better=True,
    ),
    "acgan.jaw_change": Metric(
        "First attribute told (Male, where there is one) switched: mean change of a pixel around mouth and chin",
        "of the range",
    ),
    "acgan.beside_change": Metric("First attribute told switched: mean change of a pixel elsewhere", "of the range"),
    "acgan.hair_change": Metric(
        "First attribute told switched: pairs in which a reading of hair changes, of hair attributes the most",
        "fraction",
    ),
    **{
        f"acgan.head_gap_{key}": Metric(
            f"D's class head less the judge on samples, head trained on {where}: mean of the seeds",
            "fraction",
        )
        for key, where in {"fair": "real images", "taught": "fakes, too"}.items()
    },
    "acgan.diversity_ratio": Metric(
        "Diversity within a condition: mean distance of two samples over that of two real images",
        "ratio",
        higher_is_better=True,
        targets={"quick": 0.8, "long": 0.8, "full": 0.9},
    ),
    "acgan.cas": Metric(
        "Balanced accuracy on real test images of a classifier trained on samples",
        "fraction",
        higher_is_better=True,
    ),
}

# What is said of the numbers

CHANCE = 0.6  # a balanced accuracy below this is hardly better than always giving the same answer


def told(v: Values) -> list[str]:
    return ["told", "one" if len(v["headline"]) == 1 else "mean"]


TOLD = Reading(
    told,
    {
        "told": "The generator is told {told:list}.",
        "one": "The headline of this page is {headline:list}, the label least in doubt.",
        "mean": "The headline of this page is the mean over all of them.",
    },
)


def judge(v: Values) -> list[str]:
    if len(v["unread"]) == len(v["names"]):
        return ["level", "blind"]
    return ["level"] + ["unread"] * bool(v["unread"])


JUDGE = Reading(
    judge,
    {
        "level": "On real test images the judge reads {headline:list} right in {judge_accuracy:.1%} of cases, where "
        "always giving the more frequent answer is right in {judge_majority:.1%}. Its balanced accuracy is "
        "{acgan.real_ceiling:.1%}.",
        "blind": "Balanced, it is hardly better than chance at any attribute.",
        "unread": "Balanced, it is hardly better than chance at {unread:list}.",
    },
    lambda v: {"unread": [name for name, value in ceilings(v).items() if value < CHANCE]},
)


def ceilings(v: Values) -> dict[str, float]:
    """The judge's balanced accuracy on real images for each attribute that it has one for."""
    return {name: value for name, value in zip(v["names"], v["judge_balanced"], strict=True) if value is not None}


def curves(v: Values) -> list[str]:
    said = ["ended"] * bool(v.get("ended")) + ["level"] + ["blind"] * (v["class_real"] > v["class_guess"])
    said += ["easier" if v["class_fake"] < v["class_real"] else "harder", "outsider"]
    return said + (["flips" if len(v["flips"]) > 1 else "one_look"] if v["flips"] else [])


CURVES = Reading(
    curves,
    {
        "ended": "**Training ended early:** {ended}.",
        "level": "Over the last fifth of training the class loss is {class_real} nats on real images and {class_fake} "
        "on fakes; knowing nothing but how often each attribute occurs costs {class_guess}.",
        "blind": "On real images the head is no better than that yet.",
        "easier": "The generator's faces are easier for the head to read than real ones: it is paid for faces that are "
        "plain to read.",
        "harder": "The generator's faces are still harder for the head to read than real ones.",
        "outsider": "Neither number says what an outsider reads.",
        "flips": "Of the first {flip_pairs:plural pair}, {first} off and on, the judge reads {flips_first:.0%} as "
        "asked after {evaluate_every:plural step} and {flips_last:.0%} at the end.",
        "one_look": "Of the first {flip_pairs:plural pair}, {first} off and on, the judge reads {flips_last:.0%} as "
        "asked at the end.",
    },
    lambda v: (
        {"flip_pairs": min(100, v["pairs"])}
        | ({"flips_first": v["flips"][0], "flips_last": v["flips"][-1]} if v["flips"] else {})
    ),
)


def control(v: Values) -> list[str]:
    right, real = v["acgan.attribute_accuracy"], v["acgan.real_ceiling"]
    agree, strangers = v["others"], v["strangers"]
    said = ["near_chance"] * (real < CHANCE) + ["asked"]
    said += ["easier" if right > real + 0.01 else "alike" if right >= real - 0.01 else "harder", "rest"]
    beyond = sign(agree - v["attainable"], 0.01)
    said += [{1: "more", 0: "as_much"}.get(beyond, "part" if agree > strangers + 0.01 else "nothing")]
    if "moved" not in v:
        return [*said, "unseen"]
    if v["moved_share"] < 0.1:
        return [*said, "unmoved"]
    together = abs(v["moved_with"] - v["moved_without"]) >= 0.1
    return [*said, "moved", "together" if together else "apart"]


def moved(v: Values) -> dict[str, Any]:
    """The attribute that changes most often with the first, of those that the judge can read."""
    readable = [name for name, value in ceilings(v).items() if value >= CHANCE and name != v["first"]]
    if not readable:
        return {}
    k = max(map(v["names"].index, readable), key=v["changed"].__getitem__)
    shares = {"moved_without": v["share_without"][k], "moved_with": v["share_with"][k]}
    return {"moved": v["names"][k], "moved_share": v["changed"][k], **shares}


CONTROL = Reading(
    control,
    {
        "near_chance": "**At this budget the judge is near chance, so that what it reads means little.**",
        "asked": "On samples the judge reads what was asked for with a balanced accuracy of "
        "{acgan.attribute_accuracy:.1%}, on real images of {acgan.real_ceiling:.1%}.",
        "easier": "Samples are easier to read than real images, which does not make them better faces.",
        "alike": "Samples are about as easy to read as real images.",
        "harder": "Samples are harder to read than real images.",
        "rest": "When {first} is switched, {others:.1%} of the other readings stay as they were; between strangers "
        "{strangers:.1%} agree, and the data allow {attainable:.1%}.",
        "more": "So pairs agree more than the data allow: what a judge reads is more regular than labels.",
        "as_much": "So pairs agree as much as the data allow.",
        "part": "Pairs keep part of what they could.",
        "nothing": "Pairs share no more than strangers do.",
        "unseen": "The judge reads no other attribute well enough to say what changes with {first}.",
        "unmoved": "No other attribute that the judge can read changes often with {first}.",
        "moved": "Of the attributes that the judge can read, {moved} changes most often with {first}, in "
        "{moved_share:.0%} of pairs.",
        "together": "In the data the two go together: {moved_without:.0%} of real test images without {first} have "
        "{moved}, and {moved_with:.0%} of those with it. A generator that has learned the data changes both.",
        "apart": "The data hardly ask for that: {moved_without:.0%} of real test images without {first} have {moved}, "
        "and {moved_with:.0%} of those with it.",
    },
    moved,
)


def strong_discriminator(v: Values) -> list[str]:
    rise = sign(v["acgan.g_loss_end"] - v["acgan.g_loss_middle"], 0.05 * max(0.5, abs(v["acgan.g_loss_middle"])))
    gain = sign(v["acgan.d_lead_end"] - v["acgan.d_lead_middle"], 0.05 * abs(v["acgan.d_lead_middle"]))
    if rise <= 0:
        return ["thirds", "falls" if rise else "level"]
    worse = v["acgan.fcd_end"] > 1.05 * v["acgan.fcd_middle"]
    return ["thirds", "no_lead" if gain < 1 else "worse" if worse else "strong"]


STRONG_DISCRIMINATOR = Reading(
    strong_discriminator,
    {
        "thirds": "G's whole loss goes from {acgan.g_loss_middle:.2f} to {acgan.g_loss_end:.2f}, and in it the class "
        "loss from {acgan.g_class_middle:.2f} to {acgan.g_class_end:.2f} nats before its weight. D's lead, the mean "
        "logit of real images less that of fakes, goes from {acgan.d_lead_middle:.2f} to {acgan.d_lead_end:.2f}; the "
        "FCD was {acgan.fcd_middle} midway and is {acgan.fcd_end} at the end.",
        "strong": "So G's loss rises while D gains, and the images did not get worse.",
        "worse": "So G's loss rises while D gains, but the images got worse, too.",
        "no_lead": "So G's loss rises, but D does not gain.",
        "level": "In G's loss that is a near-tie, so there is no rise to explain.",
        "falls": "So G's loss does not rise; it falls.",
    },
)


def male_brings(v: Values) -> list[str]:
    jaw = v["acgan.jaw_change"] >= max(0.03, 1.2 * v["acgan.beside_change"])
    hair = v["acgan.hair_change"] >= 0.1
    return ["levels", "both" if jaw and hair else "jaw_only" if jaw else "hair_only" if hair else "neither"]


MALE_BRINGS = Reading(
    male_brings,
    {
        "levels": "With the first attribute told (Male, where there is one) a pixel around mouth and chin, where a "
        "beard would be and where a jaw is broad or narrow, changes by {acgan.jaw_change:.1%} in the mean over all "
        "pairs, elsewhere by {acgan.beside_change:.1%}. The reading of hair that changes most does so in "
        "{acgan.hair_change:.0%} of the pairs.",
        "both": "So the lower face stands out, and hair changes.",
        "jaw_only": "So the lower face stands out, and hair hardly changes.",
        "hair_only": "So hair changes, and the lower face does not stand out.",
        "neither": "So the lower face does not stand out, and hair hardly changes.",
    },
)


def comes_with(v: Values) -> list[str]:
    said = ["regions", "flat" if v["regions"]["most"] < 0.03 else "clear"]
    said += ["readings"] if v["changes_with"] else ["no_readings"]
    return said + (male_brings(v) if v["first"] == "Male" else [])


def named_changes(v: Values) -> dict[str, Any]:
    """The attributes that the judge can read and that change in a tenth of the pairs or more, with how often."""
    readable = [name for name, value in ceilings(v).items() if value >= CHANCE and name != v["first"]]
    shares = {name: v["changed"][v["names"].index(name)] for name in readable}
    order = sorted((name for name in shares if shares[name] >= 0.1), key=shares.__getitem__, reverse=True)
    found = {"changes_with": [f"{name} ({shares[name]:.0%})" for name in order[:4]]}
    return found | {f"region_{key}": value for key, value in v["regions"].items()}


COMES_WITH = Reading(
    comes_with,
    {
        "regions": "On average over the pairs the picture changes most {region_most_at}, by {region_most:.1%} of the "
        "range of a pixel, and least {region_least_at}, by {region_least:.1%}.",
        "clear": "That is what an eye sees in the difference above.",
        "flat": "That is little: no part of the face changes in the same way in all pairs.",
        "readings": "Readings that change most often with {first}: {changes_with:list}.",
        "no_readings": "Of what the judge can read nothing changes in a tenth of the pairs.",
        **MALE_BRINGS.sentences,
    },
    named_changes,
)


def steps(v: Values) -> list[str]:
    whole = v["right_end"] - v["left_end"]
    way = "unmoved" if whole < 0.1 else "switch" if v["jump"] > 100 * whole / 2 else "dial"
    return ["ends", way, "draws"] + ["back"] * (v["back"] >= 0.005)


def along(v: Values) -> dict[str, Any]:
    """Where the shares of samples that are read as on lie at both ends, and where they jump most."""
    shares, t = v["step_shares"], v["positions"]
    jumps = [after - before for before, after in pairwise(shares)]
    k = jumps.index(max(jumps))
    ends = {"left_end": shares[0], "right_end": shares[-1], "back": 1 - v["turn_once"] - v["never_turn"]}
    return ends | {"jump": 100 * jumps[k], "before": t[k], "after": t[k + 1]}


STEPS = Reading(
    steps,
    {
        "ends": "The judge reads {first} in {left_end:.1%} of samples at the left end and in {right_end:.1%} at the "
        "right.",
        "unmoved": "The request moves next to nothing that the judge sees.",
        "switch": "The largest step, {jump:.0f} points, comes between t = {before:.2f} and {after:.2f}: more than half "
        "of the whole, a switch rather than a dial.",
        "dial": "The largest step, {jump:.0f} points, comes between t = {before:.2f} and {after:.2f}. It is no more "
        "than half of the whole: faces turn one after another.",
        "draws": "Of the draws of noise {turn_once:.0%} turn from no to yes once and stay so, and {never_turn:.0%} "
        "never change their reading.",
        "back": "The other {back:.0%} turn from yes to no, or more than once.",
    },
    along,
)


def collusion(v: Values) -> list[str]:
    """Each seed has a pair of trainings; a verdict wants all of them to agree."""
    pairs = list(zip(v["fair"], v["taught"], strict=True))  # of head, judge and the head's loss
    verdicts = {seed_verdict(fair[:2], taught[:2]) for fair, taught in pairs}
    flatters = {one in ("collusion", "partly_real") for one in verdicts}
    verdict = verdicts.pop() if len(verdicts) == 1 else "seeds_differ" if len(flatters) == 2 else "mixed"
    if verdict == "mixed":
        verdict = "collusion" if flatters == {True} else "none"
    pleased = min(head - judged for head, judged, _ in v["fair"]) > 0.03
    return ["ended"] * bool(v.get("fakes_ended")) + ["taught", "fair", verdict] + ["pleased"] * pleased + ["loss"]


def seed_verdict(fair: Sequence[float], taught: Sequence[float]) -> str:
    """What one pair of trainings shows, from what head and judge read as asked in either."""
    before, after = fair[0] - fair[1], taught[0] - taught[1]
    if after > max(0.05, before + 0.03):
        return "partly_real" if taught[1] >= fair[1] + 0.02 else "collusion"
    return "early" if max(fair[0], taught[0]) < CHANCE else "none"


def gaps(v: Values) -> dict[str, float]:
    """Means over the seeds of what head and judge read as asked, and of the head's loss, for either way to train it."""
    found = {}
    for name in ("fair", "taught"):
        head, judged, loss = (sum(column) / len(v[name]) for column in zip(*v[name], strict=True))
        found |= {f"head_{name}": head, f"judge_{name}": judged, f"head_loss_{name}": loss}
        found[f"gap_{name}"] = 100 * (head - judged)
    return found


COLLUSION = Reading(
    collusion,
    {
        "ended": "**Ended early:** {fakes_ended:list}.",
        "taught": "The heads that learned from fakes, too, read {head_taught:.1%} of their generators' images as "
        "asked, the judge {judge_taught:.1%}, means of {trial_seeds:plural seed}.",
        "fair": "Where the head learned from real images only, it is {head_fair:.1%} and {judge_fair:.1%}.",
        "collusion": "That is what collusion looks like, with every seed: trained on fakes the head reports more "
        "success than the outsider sees.",
        "partly_real": "With every seed the head that was trained on fakes reports more success. Part of it is real: "
        "the outsider sees more, too, but not as much more.",
        "early": "Neither head reads the orders from its generator's images yet: it is too early to tell.",
        "none": "Trained on fakes the head does not report clearly more than the judge sees, or not clearly more than "
        "the other head does. These numbers show no collusion at this budget, which does not make the rule a safe one.",
        "seeds_differ": "The seeds do not agree on whether the head that was trained on fakes flatters its generator.",
        "pleased": "The head that never learned from a fake also reads {gap_fair:.0f} points more as asked than the "
        "judge does: a generator finds what pleases the one who pays it.",
        "loss": "On these pairs the head's own loss is {head_loss_fair} nats after learning from real images and "
        "{head_loss_taught} after learning from fakes, too. Neither says what an outsider sees.",
    },
    gaps,
)

GRADIENT = Reading(
    lambda v: ["reached"] + ["none"] * (v["reached_real"] == 0),
    {
        "reached": "Of the {weights:plural tensor} of the generator's weights the class loss on fakes reaches "
        "{reached_fake}, that on real images {reached_real}.",
        "none": "All that the term does is to lift the generator's curve: with its weight by {lift_start:.2f} over the "
        "first fifth of this training's steps and by {lift_end:.2f} over the last, a curve that moves because the "
        "discriminator learns.",
    },
    lambda v: {
        "lift_start": v["class_weight"] * v["class_start"],
        "lift_end": v["class_weight"] * v["class_real"],
    },
)


def discussion(v: Values) -> list[str]:
    apart = v["best_flips"] - v["worst_flips"] >= 0.05
    said = ["hardly" if v["best_flips"] <= 0.1 else "depends" if apart else "evenly", "rest", "price"]
    return said + ["narrow"] * (v["acgan.diversity_ratio"] < 0.95) + ["quality", "whom"]


def best_and_worst(v: Values) -> dict[str, Any]:
    flips = dict(zip(v["told"], v["flip_rates"], strict=True))
    best, worst = max(flips, key=flips.__getitem__), min(flips, key=flips.__getitem__)
    found = {"best": best, "best_flips": flips[best], "worst": worst, "worst_flips": flips[worst]}
    return found | {"worst_ceiling": ceilings(v).get(worst)} | gaps(v)


DISCUSSION = Reading(
    discussion,
    {
        "hardly": "**Does it draw what was ordered?** Hardly any pair flips for any attribute.\n\n",
        "depends": "**Does it draw what was ordered?** It depends on the attribute: {best_flips:.0%} of pairs flip for "
        "{best}, {worst_flips:.0%} for {worst}, which the judge reads on real images with a balanced accuracy of "
        "{worst_ceiling:.0%}.\n\n",
        "evenly": "**Does it draw what was ordered?** The attributes are much alike: {best_flips:.0%} of pairs flip "
        "for {best}, {worst_flips:.0%} for {worst}.\n\n",
        "rest": "**Does the rest stay?** In pairs of the headline {acgan.other_attribute_agreement:.1%} of the other "
        "readings stay as they were. Where attributes go together in the data, one would not wish all of them to "
        "stay.\n\n",
        "price": "**At what price?** Diversity within a condition is {acgan.diversity_ratio:.2f} of that of real "
        "images.",
        "narrow": "What is missing may be the class loss's doing, or that of a short training: `class_weight` and "
        "`steps` can tell.",
        "quality": "On real images a classifier taught by samples has a balanced accuracy of {acgan.cas:.1%}, the "
        "judge, taught by real ones, of {acgan.real_ceiling:.1%}. The Fréchet distance of samples to test images is "
        "{acgan.fcd}, that of training images {floor}.\n\n",
        "whom": "**Whom to believe?** On samples the class head's accuracy less the judge's is {gap_taught:+.1f} "
        "points where the head was trained on fakes, and {gap_fair:+.1f} where it was not, both after "
        "{trial_steps:plural step}. A number from inside the game is not a measurement.",
    },
    best_and_worst,
)

READINGS = {
    "told": TOLD,
    "judge": JUDGE,
    "curves": CURVES,
    "strong_discriminator": STRONG_DISCRIMINATOR,
    "control": CONTROL,
    "comes_with": COMES_WITH,
    "steps": STEPS,
    "collusion": COLLUSION,
    "gradient": GRADIENT,
    "discussion": DISCUSSION,
}


def rule_pairs(v: Values) -> list[str]:
    flips = v["acgan.flip_rate"]
    return ["flips", "nearly_all" if flips >= 0.9 else "most" if flips >= 0.5 else "few"]


PAIRS = Reading(
    rule_pairs,
    {
        "flips": "The judge reads {acgan.flip_rate:.1%} of the pairs as asked, off and on.",
        "nearly_all": "So nearly all pairs turn.",
        "most": "So most pairs turn, and many do not.",
        "few": "So most pairs do not turn.",
    },
)


def rule_last(v: Values) -> list[str]:
    seen, real = v["acgan.last_flip_rate"], v["acgan.last_real_ceiling"]
    return ["levels", "faint" if seen < 0.8 else "doubtful" if real < 0.8 else "seen"]


LIPS = Reading(
    rule_last,
    {
        "levels": "The judge reads {acgan.last_flip_rate:.1%} of the pairs of the last attribute told (Big_Lips, where "
        "there is one) as asked; on real images its balanced accuracy is {acgan.last_real_ceiling:.1%}.",
        "faint": "So in many pairs it is not seen.",
        "doubtful": "So the judge sees it in pairs more surely than in real images, where what counts as big is in "
        "doubt.",
        "seen": "So it is seen in real images and in pairs.",
    },
)

CLAIMS = (
    Claim(
        "G's loss rises at the end, not by its class terms, which are low, but because D is strong.",
        "C",
        "AC-GAN, question 2",
        "this course's AC-GAN",
        STRONG_DISCRIMINATOR,
        {"strong": HOLDS, "worse": PARTLY, "no_lead": PARTLY, "level": UNDECIDED, "falls": FAILS},
        ("05/acgan.2",),
        UNSTATED,
    ),
    Claim(
        "Switching Male gives the same face a beard, another shape and other hair.",
        "C",
        "AC-GAN, question 3",
        "this course's AC-GAN",
        MALE_BRINGS,
        {"both": HOLDS, "jaw_only": PARTLY, "hair_only": PARTLY, "neither": FAILS},
        ("05/acgan.3",),
        UNSTATED,
        only_on=("photographs", "celeba"),
    ),
    Claim(
        "In ten pairs the face takes on what is asked, but for two.",
        "C",
        "AC-GAN, question 3",
        "this course's AC-GAN",
        PAIRS,
        {"nearly_all": HOLDS, "most": PARTLY, "few": FAILS},
        ("05/acgan.3",),
        UNSTATED,
    ),
    Claim(
        "Big_Lips is hard to see.",
        "C",
        "AC-GAN, question 3",
        "this course's AC-GAN",
        LIPS,
        {"faint": HOLDS, "doubtful": PARTLY, "seen": FAILS},
        ("05/acgan.3",),
        UNSTATED,
        only_on=("photographs", "celeba"),
    ),
)

COMPARISONS = {
    "gan_acgan": Comparison(
        "faces",
        {"FCD of samples to test images, without and with attributes": {"04_gan": "gan.fcd", "05_acgan": "acgan.fcd"}},
    )
}

FINDING = Reading(
    lambda v: ["flips", "agreement"],
    {
        "flips": "Of pairs from one noise the judge reads {acgan.flip_rate:.1%} as asked, off and on.",
        "agreement": "Of the other readings {acgan.other_attribute_agreement:.1%} stay as they were: on the way from "
        "strangers (0) to what the data allow (1) that is {acgan.agreement_share:.2f}.",
    },
)

LAB = Lab(
    name="05_acgan",
    title="AC-GAN: faces as ordered",
    question="Can a generator be told which attributes a face shall have, and does it then change nothing else?",
    data=("faces",),
    profiles=PROFILES,
    deliverables=DELIVERABLES,
    metrics=METRICS,
    finding=FINDING,
    readings=READINGS,
    claims=CLAIMS,
    comparisons=COMPARISONS,
)
