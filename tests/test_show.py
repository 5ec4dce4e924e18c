"""What a notebook shows in words: numbers that can be read, settings of every kind."""

import pytest

from lab_utils import config, show


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0064123, "0.006412"),
        (12.3456, "12.35"),
        (999.94, "999.9"),
        (1000.4, "1,000"),
        (-19876.5, "-19,876"),
        (123456789.0, "123,456,789"),
        (116, "116"),
        (18000, "18,000"),
        (0, "0"),
        (2e-7, "2e-07"),
    ],
)
def test_numbers_have_four_digits_and_no_power_of_ten_where_they_are_large(value, words):
    assert show.number(value) == words


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
