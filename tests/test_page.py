"""What a notebook shows and measures, and hands to the report as plain data."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from IPython.display import Image, Markdown
from torch import nn

from lab_utils import clock, figures, handover, page, sources
from lab_utils.config import FALLBACKS, LabError
from lab_utils.data import batches, digits, faces
from lab_utils.labs import LABS
from lab_utils.labs.spec import Comparison, MissingValueError, Reading, Values, always
from lab_utils.models.gan import Discriminator
from lab_utils.page import Page, layer_in_words, layer_table
from lab_utils.training import checkpoint
from lab_utils.training.gan import Recipe


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: MIME bundles, and pictures as they are."""
    found = []

    def display(item, raw=False):
        assert raw == isinstance(item, dict)
        found.append({"text/markdown": item.data} if isinstance(item, Markdown) else item)

    monkeypatch.setattr(page, "display", display)
    return found


@pytest.fixture
def vae(shown):
    """The page of notebook 01, on which nothing is shown yet but its settings."""
    made = Page("01_vae", "smoke", 0, {})
    shown.clear()
    return made


def kept(made):
    """What a reading decides from."""
    return made.values  # noqa: PD011


def rows(html):
    return [
        [cell.get_text() for cell in row.find_all(["th", "td"])] for row in BeautifulSoup(html, "html.parser")("tr")
    ]


def sides(html):
    return [cell["style"].removeprefix("text-align: ") for cell in BeautifulSoup(html, "html.parser")("th")]


# Its first cell


@pytest.mark.parametrize("name", LABS)
def test_a_page_shows_every_setting(shown, name, capsys):
    made = Page(name, "full", 3, {})
    cells = dict(rows(shown[0]["text/html"])[1:])
    assert list(cells) == list(type(made.settings).__dataclass_fields__)
    for key in cells:
        assert kept(made)[key] == getattr(made.settings, key)
    assert kept(made)["profile"] == "full"
    assert capsys.readouterr().out.startswith("profile full, seed 3, ")
    assert shown[1] == {"text/markdown": "*Settings of this run.*"}
    assert made.run.seed == 3


def test_settings_have_thousands_and_several_values(shown):
    Page("02_kl_ablation", "full", 0, {})
    cells = dict(rows(shown[0]["text/html"])[1:])
    assert cells["train_images"] == "at most 40,000"
    assert cells["sweep"] == "(0.005, 0.03, 0.2, 1.0, 5.0, 25.0, 100.0)"


def test_changes_are_in_force_and_said(shown):
    made = Page("01_vae", "smoke", 0, {"steps": 1})
    assert made.settings.steps == kept(made)["steps"] == 1
    assert dict(rows(shown[0]["text/html"])[1:])["steps"] == "1"
    assert made.budget.endswith(", seed 0, changed: {'steps': 1}.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("01_vae", "fast", 0, {}), "'fast' is not a profile"),
        (("01_vae", "smoke", -1, {}), "SEED=-1"),
        (("01_vae", "smoke", 0, {"step": 1}), "did you mean 'steps'"),
    ],
)
def test_a_bad_first_cell_is_one_line(shown, arguments, says):
    with pytest.raises(LabError, match=says) as error:
        Page(*arguments)
    assert "\n" not in str(error.value)


# Data


@pytest.fixture
def drawn(monkeypatch):
    """60 and 50 pictures of 64×64 in the place of avatars; gives what was asked for."""
    asked = []
    images = np.random.default_rng(0).integers(0, 256, (60, 3, 64, 64), dtype=np.uint8)
    table = pd.DataFrame({"Hat": np.arange(60) % 2, "Beard": np.arange(60) % 3 // 2}).astype(np.uint8)

    def load(data_dir, choice, avatars_drawn, split):
        asked.append((data_dir, choice, avatars_drawn, split))
        parts = faces.Split(images, table), faces.Split(images[:50], table[:50])
        about = {"source": "avatars", "sha256": "ab", "note": "NOT photographs.", "split": split}
        return faces.Faces(*parts, **about, for_judges=np.arange(60))

    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.setattr(faces, "load", load)
    return asked


def test_faces_come_as_many_and_as_large_as_the_settings_say(shown, drawn):
    made = Page("04_gan", "smoke", 0, {"train_images": 40, "test_images": 30})
    shown.clear()
    train, test = made.faces("", "auto")
    assert drawn == [(None, "auto", (400, 200), "test")]
    assert train.images.shape == (40, 3, 32, 32)
    assert (train.images.dtype, train.attributes.dtype) == (torch.uint8, torch.float32)
    assert test.images.shape == (30, 3, 32, 32)
    assert test.attributes.shape == (30, 2)
    assert made.attributes == ["Hat", "Beard"]
    assert made.data["faces"] == {"source": "avatars", "split": "test", "train": 40, "test": 30, "sha256": "ab"}
    assert kept(made)["faces"] == "avatars"
    assert shown == [
        {
            "text/markdown": "**Data in this run:** NOT photographs. Used here: 40 training and 30 test images of "
            "32×32 pixels. Attributes: Hat, Beard."
        }
    ]
    assert made.budget == "Smoke profile, avatars, cpu, seed 0, changed: {'train_images': 40, 'test_images': 30}."


def test_faces_without_a_side_keep_theirs(shown, drawn, vae):
    assert vae.faces("", "avatars")[0].images.shape == (60, 3, 64, 64)  # no more than there are
    assert vae.data["faces"]["train"] == 60


@pytest.mark.parametrize("found", [{}, {"faces": "ab"}, {"faces": "cd"}, {"digits": "cd"}])
def test_data_are_those_that_the_report_found_or_nothing_is_trained_on_them(shown, drawn, vae, monkeypatch, found):
    """Else what stands in for data that were away for a while would be kept, and hold, as if it were of these."""
    asked = checkpoint.Asked(None, "", {}, found)
    monkeypatch.setattr(checkpoint, "asked", lambda: asked)
    if found.get("faces") == "cd":
        with pytest.raises(LabError, match=r"^the faces are not those that the report found: .*; run again"):
            vae.faces("", "auto")
        assert not vae.data
        assert not shown
    else:
        vae.faces("", "auto")
        assert vae.data["faces"]["sha256"] == "ab"


def test_digits_are_the_first_so_many(shown, monkeypatch):
    images = np.arange(50 * 784, dtype=np.uint32).astype(np.uint8).reshape(50, 1, 28, 28)
    parts = digits.Split(images, np.arange(50) % 10)
    about = {"source": "mnist", "sha256": "cd", "note": "MNIST.", "for_judges": np.arange(50)}
    monkeypatch.setattr(digits, "load", lambda data_dir, split: digits.Digits(parts, parts, split=split, **about))
    made = Page("03_cvae_disentanglement", "smoke", 0, {})
    train, test = made.digits("", 20, 10)
    assert torch.equal(train.images, torch.from_numpy(images[:20]))
    assert test.labels.tolist() == list(range(10))
    assert made.budget == "Smoke profile, mnist digits, cpu, seed 0."
    assert kept(made)["digits"] == "mnist"
    assert "20 training and 10 test images of 28×28 pixels." in shown[-1]["text/markdown"]


def test_a_page_judged_on_validation_images_asks_for_them_and_says_so(shown, drawn):
    made = Page("01_vae", "smoke", 0, {}, "validation")
    made.faces("", "auto")
    assert drawn[0][-1] == "validation"
    assert made.data["faces"]["split"] == "validation"
    assert "judged on held-out training images" in made.budget


# The judge


@pytest.fixture
def judged(shown, drawn, vae):
    vae.faces("", "auto")
    shown.clear()
    vae.judge("faces")
    return vae


def test_a_judge_is_shown_with_its_accuracy_and_with_what_its_distances_mean(judged, shown):
    table, caption = shown[0]["text/html"], shown[1]["text/markdown"]
    what = [row[0] for row in rows(table)]
    assert what == ["real images", "as they are", "noised, σ 0.1", "blurred to 12 pixels", "shuffled in 4×4 blocks"]
    accuracy, majority = kept(judged)["judge_accuracy"], kept(judged)["judge_majority"]
    assert f"reads {accuracy:.1%} of the attributes of 50 test images right" in caption
    assert f"{majority:.1%}" in caption
    assert "FCD of real images" not in caption  # the table itself says it
    assert kept(judged)["real_fcd"] == judged.anchors["faces"]["as they are"]


def test_an_fcd_stands_beside_that_of_real_images(judged, shown):
    judged.measure("vae.fcd", 12.5, n=50)
    assert judged.measured["vae.fcd"]["anchors"] == judged.anchors["faces"]
    judged.measure("vae.psnr", 12.5, n=50)
    assert "anchors" not in judged.measured["vae.psnr"]
    for frame in (pd.DataFrame({"of": ["a"], "FCD": [1.0]}), pd.DataFrame({"what": ["FCD"], "a": [1.0]})):
        judged.table(frame, "What it is.")
        assert shown[-1]["text/markdown"].startswith("*What it is. FCD of real images: ")
        assert "as they are; " in shown[-1]["text/markdown"]
    for text, says in (("a: FCD 3.1", True), ("a", False)):
        judged.figure(figures.lines({text: ([0, 1], [0, 1])}, x_label="x", y_label="y"), "What it is.", alt="A line.")
        assert ("FCD of real images: " in shown[-1]["text/markdown"]) == says
    judged.table(pd.DataFrame({"MSE": [1.0]}), "What it is.")
    assert shown[-1]["text/markdown"] == "*What it is.*"


def test_pages_of_both_kinds_keep_the_judges_apart(shown, drawn, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 28, 28), dtype=np.uint8)
    parts = digits.Split(images, np.arange(60) % 10)
    about = {"source": "mnist", "sha256": "cd", "note": "MNIST.", "for_judges": np.arange(60)}
    monkeypatch.setattr(digits, "load", lambda data_dir, split: digits.Digits(parts, parts, split=split, **about))
    made = Page("06_infogan", "smoke", 0, {})
    made.faces("", "auto")
    made.digits("", 60, 60)
    made.judge("digits")
    made.judge("faces")
    assert {"digit_judge_accuracy", "digit_real_fcd", "judge_accuracy", "real_fcd"} <= set(kept(made))
    captions = [one["text/markdown"] for one in shown if "What a distance means" in one.get("text/markdown", "")]
    assert len(captions) == 2
    assert not any("FCD of real images" in caption for caption in captions)  # least of all that of the other kind
    made.measure("infogan_digits.fcd", 3.0, n=60)
    assert made.measured["infogan_digits.fcd"]["anchors"] == made.anchors["digits"]


# Numbers


def test_a_metric_that_the_lab_does_not_list_is_one_line(vae):
    with pytest.raises(LabError, match=r"^vae\.psmr: 01_vae has no such metric; list it in") as error:
        vae.measure("vae.psmr", 1.0, n=1)
    assert "\n" not in str(error.value)
    assert vae.measured == {}


def test_one_value_per_image_gives_mean_number_and_interval(vae):
    values = torch.arange(100.0)
    assert vae.measure("vae.psnr", values, split="test") == pytest.approx(49.5)
    found = vae.measured["vae.psnr"]
    assert set(found) == {"value", "n", "interval", "split"}
    assert (found["value"], found["n"], found["split"]) == (49.5, 100, "test")
    low, high = found["interval"]
    assert 49.5 - 2.2 * 2.9 < low < 49.5 < high < 49.5 + 2.2 * 2.9  # 1.96 standard errors, which are 2.9
    assert kept(vae)["vae.psnr"] == 49.5
    assert kept(vae)["vae.psnr.n"] == 100
    assert (kept(vae)["vae.psnr.low"], kept(vae)["vae.psnr.high"]) == (low, high)


@pytest.mark.parametrize("value", [2, 2.0, torch.tensor(2.0), np.float32(2.0)])
def test_a_single_number_says_of_how_many_it_is(vae, value):
    assert vae.measure("vae.fcd", value, n=200) == 2
    assert vae.measured["vae.fcd"] == {"value": 2, "n": 200}
    json.dumps(vae.measured)
    with pytest.raises(LabError, match="say with n="):
        vae.measure("vae.fcd", value)


def test_a_number_that_is_not_finite_is_missing_for_every_reading(vae):
    assert math.isnan(vae.measure("vae.fcd", float("nan"), n=200))
    assert vae.measured["vae.fcd"] == {"value": None, "n": 200}
    with pytest.raises(MissingValueError, match=r"vae\.fcd"):
        kept(vae)["vae.fcd"]


def test_notes_become_plain_values(vae):
    vae.note(
        tensor=torch.tensor([1, 2]), scalar=torch.tensor(0.5), number=np.float64(0.25), whole=np.int64(7),
        array=np.eye(2), text="Male", several=("a", np.float32(0.5)), nested={"a": torch.tensor(1)},
        nothing=None, lost=float("nan"), losts=[1.0, float("inf")], flag=np.bool_(True),
    )  # fmt: skip
    found = {name: kept(vae).get(name) for name in kept(vae) if name not in vae.settings.__dataclass_fields__}
    assert found == {
        "profile": "smoke", "tensor": [1, 2], "scalar": 0.5, "number": 0.25, "whole": 7, "array": [[1, 0], [0, 1]],
        "text": "Male", "several": ["a", 0.5], "nested": {"a": 1}, "nothing": None, "lost": None, "losts": [1, None],
        "flag": True,
    }  # fmt: skip
    json.dumps(found, allow_nan=False)
    assert type(kept(vae)["whole"]) is int
    with pytest.raises(MissingValueError):
        kept(vae)["lost"]


# What is shown


def test_the_budget_names_profile_data_device_and_seed(vae):
    assert vae.budget == "Smoke profile, cpu, seed 0."
    vae.data = {"digits": {"source": "mnist"}, "faces": {"source": "photographs"}}
    assert vae.budget == "Smoke profile, mnist digits, photographs, cpu, seed 0."


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "mnist digits, photographs, cpu, seed 3."),
        ({"of": ["digits"]}, "mnist digits, cpu, seed 3."),
        ({"of": ()}, "cpu, seed 3."),
        ({"of": ["faces"], "seeds": 3}, "photographs, cpu, seeds 3 to 5."),
    ],
)
def test_a_caption_names_the_data_and_the_seeds_that_it_is_of(shown, about, said):
    made = Page("01_vae", "smoke", 3, {})
    made.data = {"digits": {"source": "mnist"}, "faces": {"source": "photographs"}}
    made.figure(figures.lines({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y"), "A line.", alt="A line.", **about)
    assert shown[-1]["text/markdown"] == f"*A line. Smoke profile, {said}*"


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Conv2d(3, 32, 4, 2, 1), "Conv2d(3, 32, 4×4, stride 2, padding 1)"),
        (nn.Conv2d(3, 1, 3, padding=1), "Conv2d(3, 1, 3×3, padding 1)"),
        (nn.BatchNorm2d(8), "BatchNorm2d(8)"),
        (nn.GroupNorm(1, 8), "GroupNorm(1, 8)"),
        (nn.Linear(3, 4, bias=False), "Linear(in_features=3, out_features=4, bias=False)"),
        (nn.ReLU(), "ReLU"),
    ],
    ids=str,
)
def test_a_layer_is_said_without_what_all_of_its_kind_have(layer, said):
    assert layer_in_words(layer) == said


def test_a_figure_has_its_alt_text_and_a_caption_that_ends_with_the_budget(vae, shown):
    fig = figures.lines({"a": ([1, 2], [3, 4])}, x_label="x", y_label="y")
    vae.figure(fig, "A **line**.", "A line that rises.")
    assert isinstance(shown[0], Image)
    assert (shown[0].alt, shown[0].data) == ("A line that rises.", figures.png(fig))
    assert shown[1:] == [{"text/markdown": "*A **line**. Smoke profile, cpu, seed 0.*"}]


FRAME = pd.DataFrame(
    {"name": ["a & <b>", "c"], "n": [12345, 7], "loss": [1234.5678, 0.00012345], "mixed": [1.5, "none"]}
)


def test_a_table_aligns_numbers_to_the_right_and_writes_them_with_so_many_digits(vae, shown):
    vae.table(FRAME, "Losses.")
    html = shown[0]["text/html"]
    assert sides(html) == ["left", "right", "right", "left"]
    assert rows(html) == [
        ["name", "n", "loss", "mixed"], ["a & <b>", "12,345", "1234.57", "1.50"], ["c", "7", "0.00", "none"]
    ]  # fmt: skip
    assert "12345" in shown[0]["text/plain"]
    assert shown[1:] == [{"text/markdown": "*Losses.*"}]


@pytest.mark.parametrize(
    ("digits", "written"), [(0, ["1235", "0"]), (4, ["1234.5678", "0.0001"]), (None, ["1,234.57", "1.23·10⁻⁴"])]
)
def test_a_table_may_ask_for_other_digits(vae, shown, digits, written):
    vae.table(FRAME, digits=digits)
    assert [row[2] for row in rows(shown[0]["text/html"])[1:]] == written
    assert len(shown) == 1  # no caption


def test_layers_are_shown_with_shapes_and_their_sum(vae, shown):
    network = Discriminator({"real": 1}, width=8, side=32).eval()
    vae.layers(network, torch.zeros(2, 3, 32, 32), caption="The discriminator.")
    found = rows(shown[0]["text/html"])
    assert found[0] == ["layer", "what", "input", "output", "parameters"]
    assert found[1][2:] == ["N×3×32×32", "N×8×16×16", "392"]
    total = sum(p.numel() for p in network.parameters())
    assert sum(int(row[-1].replace(",", "")) for row in found[1:]) == total
    assert shown[1]["text/markdown"] == f"*The discriminator. N images in a batch; {total:,} parameters.*"


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_a_layer_is_one_row_whatever_norm_bounds_it(norm):
    network = Discriminator({"real": 1, "code": 3}, width=8, side=32, norm=norm).eval()
    table = layer_table(network, torch.zeros(1, 3, 32, 32))
    convolutions = table[table["what"].str.startswith("Conv2d(")]
    assert list(convolutions["output"]) == ["N×8×16×16", "N×16×8×8", "N×32×4×4"]
    assert table["what"].str.startswith("Linear(").sum() == 2
    assert table["parameters"].sum() == sum(p.numel() for p in network.parameters())


def test_the_table_of_layers_leaves_the_model_as_it_was():
    network = Discriminator({"real": 1}, width=8, side=32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layer_table(network.eval(), torch.zeros(2, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())


def test_the_source_is_the_text_of_the_file(vae, shown):
    vae.source(batches.by_parts, Recipe)
    for item, bundle in zip((batches.by_parts, Recipe), shown, strict=True):
        text = sources.text_of(item.__module__, item.__name__)
        assert bundle["text/markdown"] == f"```python\n{text}```"
        assert bundle["text/plain"].strip().splitlines() == text.strip().splitlines()[1:]
        assert bundle[handover.SOURCE] == {"module": item.__module__, "name": item.__name__}


TOY = Reading(
    lambda v: ["high" if v["vae.psnr"] > 20 else "low", "images"],
    {"high": "It is {vae.psnr:.1f} dB.", "low": "It is low.", "images": "Of {train_images:plural image}."},
)


@pytest.fixture
def readings(vae, monkeypatch):
    """A page whose lab says two things."""
    monkeypatch.setattr(vae, "lab", page.LABS["01_vae"])
    monkeypatch.setitem(vae.lab.readings, "toy", TOY)
    monkeypatch.setitem(vae.lab.readings, "always", always("{attribute} is told."))
    return vae


def test_a_reading_shows_what_the_reading_of_the_lab_says(readings, shown):
    readings.measure("vae.psnr", 25.0, n=10)
    readings.note(attribute="Hat")
    readings.reading("toy")
    readings.reading("always")
    assert [bundle["text/markdown"] for bundle in shown] == ["It is 25.0 dB. Of 400 images.", "Hat is told."]
    payload = json.loads(json.dumps(shown[0][handover.READING]))
    assert payload["name"] == "toy"
    assert TOY.say(Values(payload["values"])) == shown[0]["text/markdown"]  # as the report does


def test_a_reading_without_its_number_says_which(readings, shown):
    readings.reading("toy")
    assert shown[0]["text/markdown"] == "*Nothing is said of this: `vae.psnr` is not finite or was not measured.*"


def test_what_a_reading_was_given_does_not_change_later(readings, shown):
    readings.measure("vae.psnr", 25.0, n=10)
    readings.reading("toy")
    readings.measure("vae.psnr", 5.0, n=10)
    assert shown[0][handover.READING]["values"]["vae.psnr"] == 25


# Beside other notebooks

COMPARED = Comparison(
    "faces",
    {  # not in the order of the alphabet
        "squared error & <more>": {"01_vae": "vae.test_mse", "02_kl_ablation": "beta1.mse"},
        "active units": {"02_kl_ablation": "beta1.active_units", "01_vae": "vae.active_units"},
    },
)
DATA = {"faces": {"source": "avatars", "sha256": "ab", "train": 3, "test": 2}}
HEAD = ["measured", *(f"{LABS[name].number} {LABS[name].title}" for name in ("01_vae", "02_kl_ablation"))]
OWN = ["0.0061 per pixel (95 %: 0.006 to 0.0062; n 2,000)", "120 directions (n 2,000)"]


@pytest.fixture
def compared(vae, shown, monkeypatch):
    """A page that was just compared."""
    monkeypatch.setitem(vae.lab.comparisons, "toy", COMPARED)
    vae.data = DATA
    vae.measure("vae.test_mse", 0.0061, n=2000, interval=[0.006, 0.0062])
    vae.measure("vae.active_units", 120, n=2000)
    vae.comparison("toy")
    return vae


def record(**changes):
    measured = {"beta1.mse": {"value": 0.005, "n": 0}, "beta1.active_units": {"value": 9, "n": 0}}
    made = {"notebook": "02_kl_ablation", "status": "ok", "profile": "smoke", "seed": 0, "device": "cpu"}
    return made | {"data": DATA, "metrics": measured} | changes


def test_a_live_comparison_shows_its_own_numbers(compared, shown):
    (bundle,) = shown
    assert rows(bundle["text/html"]) == [
        HEAD, ["squared error & <more>", OWN[0], "not run"], ["active units", OWN[1], "not run"]
    ]  # fmt: skip
    assert "The report (make report) fills in what other notebooks measured on the same faces." in bundle["text/html"]
    assert "not run" in bundle["text/plain"]
    assert bundle[handover.COMPARISON] == {"name": "toy", "sha256": "ab"}


def test_the_report_fills_in_what_others_measured_on_the_same_data(compared):
    records = {"01_vae": record(metrics=compared.measured), "02_kl_ablation": record()}
    html = handover.filled(COMPARED, "01_vae", "ab", records, LABS)
    assert rows(html) == [
        HEAD,
        ["squared error & <more>", OWN[0], "0.005 per pixel"],
        ["active units", OWN[1], "9 directions"],
    ]
    assert f'<a href="02_kl_ablation.html">{HEAD[2]}</a>: seed 0, cpu.' in html
    assert f"{HEAD[1]} (this page): seed 0, cpu." in html


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (None, "not run in this report"),
        (record(status="failed"), "not run to its end (failed)"),
        (record(data={"faces": {"source": "photographs", "sha256": "cd"}}),
         "not run on the faces of this page, but on others (photographs)"),
        (record(data={}), "not run on the faces of this page, but on others (none)"),
    ],
)  # fmt: skip
def test_what_cannot_stand_beside_the_numbers_is_left_out_with_its_reason(compared, other, says):
    records = {"01_vae": record(metrics=compared.measured)} | ({"02_kl_ablation": other} if other else {})
    html = handover.filled(COMPARED, "01_vae", "ab", records, LABS)
    assert [row[2] for row in rows(html)[1:]] == ["not run", "not run"]
    assert says in html


def test_a_number_that_another_record_lacks_is_named(compared):
    records = {"01_vae": record(metrics=compared.measured), "02_kl_ablation": record(metrics={})}
    html = handover.filled(COMPARED, "01_vae", "ab", records, LABS)
    assert "but its record holds no beta1.active_units, beta1.mse" in html


# The end


def measure_all(made, but=()):
    for name in made.lab.metrics:
        if name not in but:
            made.measure(name, 0.5, n=1000)


def test_the_metrics_of_the_lab_are_shown_with_their_targets(vae, shown):
    vae.data = DATA
    measure_all(vae)
    vae.measure("vae.psnr", torch.arange(1000.0))
    vae.measure("vae.fcd", float("inf"), n=1000)
    vae.metrics()
    (bundle,) = shown
    payload = bundle[handover.METRICS]
    assert payload == {"data": DATA, "device": "cpu", "seed": 0, "profile": "smoke", "metrics": vae.measured}
    json.dumps(payload, allow_nan=False)
    found = {row[0]: row for row in rows(bundle["text/html"])}
    assert list(found)[1:] == list(vae.lab.metrics)
    assert found["metric"] == list(handover.METRIC_HEAD)
    assert found["vae.psnr"][:2] == ["vae.psnr", "499.50"]
    assert " to " in found["vae.psnr"][2]
    assert found["vae.fcd"][1] == "not finite"
    assert found["vae.test_mse"][3:5] == ["per pixel", "1,000"]
    assert "report C" in found["vae.test_mse"][7]


@pytest.mark.parametrize("but", [["vae.fcd"], ["vae.kl", "vae.active_units"]])
def test_a_page_that_lacks_a_metric_is_refused_in_one_line(vae, shown, but):
    measure_all(vae, but)
    with pytest.raises(LabError, match=f"01_vae: {', '.join(sorted(but))} not measured") as error:
        vae.metrics()
    assert "\n" not in str(error.value)
    assert shown == []


@pytest.mark.parametrize(
    ("profile", "source", "target"),
    [("quick", "photographs", "≥ 250"), ("quick", "avatars", "≥ 400"), ("full", "avatars", ""), ("smoke", "", "")],
)
def test_a_target_is_that_of_the_profile_and_the_data(profile, source, target):
    assert handover.bound(LABS["01_vae"].metrics["vae.elbo_gain"], profile, {source}) == target
    assert "avatars" in FALLBACKS
    units = LABS["01_vae"].metrics["vae.active_units"]
    assert handover.bound(units, "quick", {"avatars"}) == "≥ 116 (set for other data)"


def test_the_end_says_what_identifies_the_run_and_where_its_time_went(vae, shown, monkeypatch):
    monkeypatch.setattr(clock, "_spent", dict.fromkeys(clock.KINDS, 0.25))
    vae.began -= 100
    vae.data = DATA
    vae.end()
    facts, spent = (shown[0][handover.PROVENANCE], shown[1][handover.SPENT])
    assert facts["settings"]["steps"] == vae.settings.steps
    assert facts["data"] == DATA
    assert (facts["seed"], facts["profile"], facts["device"]) == (0, "smoke", "cpu")
    assert facts["packages"]["torch"]
    assert set(spent) == {*clock.KINDS, "other"}
    assert sum(spent.values()) == pytest.approx(100, abs=5)
    assert shown[1]["text/plain"] == ""
    cells = dict(rows(shown[0]["text/html"])[1:])
    assert cells["device name"] == facts["device_name"]
    assert "torch " in cells["packages"]


def test_a_comparison_of_sets_shows_means_of_what_is_one_per_image(vae, shown):
    sets = {"a": {"MSE": torch.tensor([1.0, 2.0]), "FCD": 3.5}, "b": {"MSE": 4, "FCD": torch.tensor(5.0)}}
    assert vae.compare(sets, "A caption.", "set") == {"a": {"MSE": 1.5, "FCD": 3.5}, "b": {"MSE": 4, "FCD": 5}}
    assert rows(shown[0]["text/html"]) == [["set", "MSE", "FCD"], ["a", "1.500", "3.500"], ["b", "4.000", "5.000"]]
