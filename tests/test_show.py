"""What a notebook shows in words: settings of every kind, and numbers beside those of other notebooks."""

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

from lab_utils import config, show
from lab_utils.catalogue import NOTEBOOKS
from lab_utils.models.gan import Discriminator
from lab_utils.report import outputs, tables


@pytest.mark.parametrize("notebook", config.LABS)
def test_settings_show_every_field(monkeypatch, notebook):
    shown = []
    monkeypatch.setattr(show, "display", lambda item, **_: shown.append(item))
    lab = config.settings(notebook, "full")
    show.settings(lab)
    for name in lab.__dataclass_fields__:
        assert f">{name}</td>" in shown[0]["text/html"]


def test_settings_show_thousands_and_several_values(monkeypatch):
    shown = []
    monkeypatch.setattr(show, "display", lambda item, **_: shown.append(item))
    show.settings(config.settings("02", "full"))
    assert ">40,000</td>" in shown[0]["text/html"]
    assert ">(0.1, 3.0, 10.0, 30.0)</td>" in shown[0]["text/html"]


ROWS = {  # not in the order of the alphabet
    "squared error & <more>": {"01_vae": "vae.test_mse", "02_kl_ablation": "beta1.mse"},
    "active units": {"02_kl_ablation": "beta1.active_units", "01_vae": "vae.active_units"},
}
MEASURED = {
    "vae.test_mse": {"value": 0.0061, "n": 2000, "interval": (0.006, 0.0062)},
    "vae.active_units": {"value": 120, "n": 2000},
    "vae.fcd": {"value": float("nan"), "n": 2000},
}
FACES = {"faces": {"source": "avatars", "sha256": "ab", "train": 3, "test": 2}}


def compare(rows=ROWS, measured=MEASURED, kind="faces"):
    show.comparison(rows, measured, notebook="01_vae", kind=kind, data=FACES)


def cells(html):
    rows = BeautifulSoup(html, "html.parser").find_all("tr")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]


def test_a_live_comparison_shows_its_own_numbers_and_the_report_fills_in_the_others(monkeypatch):
    shown = []
    monkeypatch.setattr(show, "display", lambda item, **_: shown.append(item))
    compare()
    head = ["measured", "01 VAE: faces from noise", "02 What the KL term does"]
    own = ["0.0061 per pixel (95 %: 0.006 to 0.0062; n 2,000)", "120 dimensions (n 2,000)"]
    live = [head, ["squared error & <more>", own[0], "not run"], ["active units", own[1], "not run"]]
    assert cells(shown[0]["text/html"]) == live
    assert "make report" in shown[0]["text/html"]
    assert "not run" in shown[0]["text/plain"]
    assert list(shown[0][tables.COMPARISON]["measured"]) == ["vae.active_units", "vae.test_mse"]  # and no more

    cell = new_code_cell("", outputs=[new_output("display_data", data=shown[0])])
    executed = nbformat.reads(nbformat.writes(new_notebook(cells=[cell])), as_version=4)
    record = {"status": "ok", "seed": 0, "device": "cpu", "data": FACES, "metrics": {}}
    theirs = {"beta1.mse": {"value": 0.005, "unit": "per pixel"}, "beta1.active_units": {"value": 9, "unit": ""}}
    records = {"01_vae": record, "02_kl_ablation": record | {"metrics": theirs}}
    outputs.fill_comparisons(executed, records, tables.titles(NOTEBOOKS))
    filled = [head, [live[1][0], own[0], "0.005 per pixel"], ["active units", own[1], "9"]]
    assert cells(executed.cells[0].outputs[0].data["text/html"]) == filled


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": {"x": {"07_gone": "vae.kl"}}}, "no vae.kl of 07_gone on faces"),
        ({"rows": {"x": {"02_kl_ablation": "beta1.lk"}}}, "no beta1.lk of 02_kl_ablation on faces"),
        ({"rows": {"x": {"03_cvae_disentanglement": "cvae_conv.cas"}}}, "on faces"),
        ({"kind": "digits"}, "of 01_vae on digits"),
        ({"measured": {"vae.test_mse": {"value": 1.0, "n": 1}}}, "01_vae: its comparison needs vae.active_units"),
    ],
)
def test_a_comparison_that_could_never_be_filled_is_one_line(change, says):
    with pytest.raises(config.LabError, match=says) as caught:
        compare(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_a_layer_is_one_row_whatever_norm_bounds_it(norm):
    network = Discriminator({"real": 1, "code": 3}, width=8, side=32, norm=norm).eval()
    rows = show.layers(network, torch.zeros(1, 3, 32, 32))
    convolutions = rows[rows["what"].str.startswith("Conv2d(")]
    assert list(convolutions["output"]) == ["N×8×16×16", "N×16×8×8", "N×32×4×4"]
    assert rows["what"].str.startswith("Linear(").sum() == 2
    assert rows["parameters"].sum() == sum(p.numel() for p in network.parameters())


def test_plural():
    assert [show.plural(n, "epoch") for n in (0, 1, 2, 1000)] == ["0 epochs", "1 epoch", "2 epochs", "1,000 epochs"]
