"""What a notebook shows in words: settings of every kind."""

import pytest

from lab_utils import config, show


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
