"""TeX to MathML: what it must come out as, what is left as its source, and whether the font holds it."""

import io
import json
import re
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont

from lab_utils.config import ROOT
from lab_utils.equations import equation, mathml
from lab_utils.report.html import FONTS, font_face, with_font


def drawn(tex: str, display: str = "block") -> ElementTree.Element:
    return ElementTree.fromstring(mathml(tex, display))


def tags(tex: str, display: str = "block") -> list[str]:
    return [one.tag.rpartition("}")[2] for one in drawn(tex, display).iter()]


def words(tex: str) -> str:
    return "".join(drawn(tex).itertext())


@pytest.mark.parametrize(
    ("tex", "name"),
    [
        (r"\min_G x", "min"),
        (r"\max_{D} V", "max"),
        (r"\lim_{n\to\infty} a", "lim"),
        (r"\sup_x f", "sup"),
        (r"\operatorname*{arg\,max}_x f", "arg\u2009max"),
        (r"\operatorname*{softmin}_x f", "softmin"),
        (r"\arg\max_x f", "arg\u2009max"),
    ],
)
def test_limits_stand_below_where_an_equation_is_displayed_and_beside_in_a_line(tex, name):
    assert "munder" in tags(tex)
    assert "msub" in tags(tex, "inline")
    assert "munder" not in tags(tex, "inline")
    assert words(tex).startswith(name)
    assert "*" not in words(tex)


@pytest.mark.parametrize(
    "name", [r"\operatorname{softplus}(x)", r"\operatorname*{argmin}", r"\log x", r"\mathrm{KL}(q)"]
)
def test_a_function_stands_upright(name):
    first = next(one for one in drawn(name).iter() if (one.text or "").strip())
    assert first.tag.endswith("}mo") or first.get("mathvariant") == "normal" or len(first.text) > 1
    assert "*" not in words(name)


@pytest.mark.parametrize(
    ("tex", "prefix"),
    [("-x", 1), ("[-1, 1]", 1), ("a = -b", 1), ("(a, -b)", 1), ("a - b", 0), ("f(x) - b", 0), (r"x^2 - b", 0),
     (r"\|x\| - b", 0), ("2 - 1", 0), (r"\frac12 - a", 0), (r"e^{-x}", 1)],
)  # fmt: skip
def test_the_sign_of_a_number_is_told_from_a_difference(tex, prefix):
    assert sum(one.get("form") == "prefix" and one.text == "−" for one in drawn(tex).iter()) == prefix


@pytest.mark.parametrize(
    ("tex", "rows"),
    [
        (r"\begin{gather} a=b \\ c=d \end{gather}", 2),
        (r"\begin{gather*} a=b \\ c=d \\ e \end{gather*}", 3),
        (r"\begin{multline} a \\ b \end{multline}", 2),
        (r"\begin{align} a &= b \\ c &= d \label{eq:1} \end{align}", 2),
        (r"\begin{cases} 1 & x>0 \\ 0 & \text{else} \end{cases}", 2),
    ],
)
def test_lines_of_an_equation_are_rows(tex, rows):
    assert tags(tex).count("mtr") == rows


@pytest.mark.parametrize(
    "tex", [r"\begin{equation}\label{eq:1} x^2 \end{equation}", r"x^2 \label{eq:1}", r"x^2 \nonumber"]
)
def test_a_label_is_not_shown(tex):
    assert words(tex) == "x2"


@pytest.mark.parametrize(
    "tex",
    [r"\eqref{eq:1}", r"\text{see }\ref{eq:1}", r"\tag{1} x", r"a \not= b", r"\xrightarrow{n}", r"\newcommand{\a}{b}",
     r"\nosuch{x}", r"\begin{matrix} a", "}{", "", "  ", r"\left(", r"x^2^3", r"\cite{a}"],
)  # fmt: skip
def test_what_cannot_be_drawn_is_its_source_in_a_box(tex):
    shown = mathml(tex)
    assert shown.startswith('<code class="tex">')
    assert "<math" not in shown


@pytest.mark.parametrize(
    ("tex", "text"),
    [(r"\mathbb{1}", "𝟙"), (r"\boldsymbol{\mu}", "𝝁"), (r"\bm{x}", "𝒙"), (r"\mathscr{L}", "ℒ"), (r"\mathcal L", "ℒ"),
     (r"\mathbf{x}", "𝐱"), (r"\lVert x\rVert", "‖x‖"), (r"\lvert x\rvert", "|x|"), ("a ; b", "a;b"),
     (r"z\sim x", "z∼x")],
)  # fmt: skip
def test_letters_and_signs_are_those_of_unicode(tex, text):
    assert words(tex) == text


def test_capitals_of_greek_stand_upright_and_a_slash_is_tight():
    assert [one.get("mathvariant") for one in drawn(r"\Lambda\lambda").iter() if one.text] == ["normal", None]
    (slash,) = (one for one in drawn("w/2").iter() if one.text == "/")
    assert (slash.get("lspace"), slash.get("rspace")) == ("0", "0")


def equations_of_notebooks() -> list[str]:
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                text = re.sub(r"```.*?```|`[^`]*`", "", "".join(cell["source"]), flags=re.DOTALL)
                found += re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
                found += re.findall(r"(?<!\$)\$([^$\n]+?)\$(?!\$)", text)
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def font():
    return TTFont(io.BytesIO((FONTS / "lab-math.woff2").read_bytes()))


@pytest.mark.parametrize("tex", equations_of_notebooks())
def test_each_equation_of_the_notebooks_is_drawn_in_the_font_of_the_page(tex, font):
    shown = ElementTree.fromstring(mathml(tex, "block"))
    signs = {c for c in "".join(shown.itertext()) if not c.isspace()}
    assert {ord(c) for c in signs} <= set(font.getBestCmap()), sorted(signs)
    assert "merror" not in "".join(one.tag for one in shown.iter())


def test_the_font_has_what_a_browser_needs_for_mathematics_and_is_small(font):
    assert "MATH" in font
    assert len(font_face()) < 150_000
    for sign in "{}()[]|‖√∑∏∫⏞⏟":  # that stretch, or grow in a displayed equation
        assert ord(sign) in font.getBestCmap()


def test_a_page_without_an_equation_carries_no_font():
    page = "<style>a</style><p>{}</p>"
    assert with_font(page.format("no")) == page.format("no")
    assert "Lab Math" in with_font(page.format(equation("x")))


@pytest.mark.parametrize("tex", ["f'", "f''(x)", "f\u0027\u0027\u0027", r"\sigma'"])
def test_a_prime_stands_beside_its_letter(tex):
    assert "msup" not in tags(tex)
    (prime,) = (one for one in drawn(tex).iter() if (one.text or "") in ("′", "″", "‴"))
    assert prime.tag.endswith("}mo")


def test_a_prime_and_an_index_stand_together():
    (sub,) = (one for one in drawn("c'_k").iter() if one.tag.endswith("}msub"))
    assert "".join(sub[0].itertext()) == "c′"
    assert "".join(sub[1].itertext()) == "k"
    assert tags("x^{a'}").count("msup") == 1
