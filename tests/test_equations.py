"""TeX to MathML: what it must come out as, what is left as its source, and whether the font holds it."""

import io
import json
import re
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from lab_utils.config import ROOT
from lab_utils.equations import equation, mathml
from lab_utils.report.html import FONTS, font_face, with_font
from lab_utils.report.markdown import markdown_html, tex_html


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
        (r"\argmin_x f", "arg\u2009min"),
        (r"\mathop{\rm argmin}_x f", "argmin"),
        (r"\mathop{\mathrm{arg\,min}}_x f", "arg\u2009min"),
        (r"\operatorname*{\mathrm{arg\,min}}_x f", "arg\u2009min"),
        (r"\operatorname*{\arg\min}_x f", "arg\u2009min"),
        (r"\operatorname*{\mathbb{E}}_{x\sim p}[f]", "𝔼"),
        (r"\mathop{\mathbb{E}}_{x\sim p}[f]", "𝔼"),
        (r"\mathop{\mathrm{E}}_x f", "E"),
        (r"\operatorname*{\mathrm{E}}_x f", "E"),
    ],
)
def test_limits_stand_below_where_an_equation_is_displayed_and_beside_in_a_line(tex, name):
    assert "munder" in tags(tex)
    assert "msub" in tags(tex, "inline")
    assert "munder" not in tags(tex, "inline")
    assert words(tex).startswith(name)
    assert "*" not in words(tex)


def test_limits_may_be_on_both_sides():
    assert "munderover" in tags(r"\max_a^b x")
    assert "munderover" in tags(r"\operatorname*{\mathbb{E}}_a^b x")


@pytest.mark.parametrize(
    "tex", [r"\bigcup_{i} A_i", r"\sum_i a", r"\left(\sum_i a\right)", r"\prod_i a", r"\mathop{\sum}_i a"]
)
def test_limits_of_a_large_sign_are_below_it_where_there_is_height(tex):
    for display in ("block", "inline"):  # a browser moves them beside in a line, as it does for all that is movable
        assert "munder" in tags(tex, display)
    (sign,) = (one for one in drawn(tex).iter() if one.text in ("⋃", "∑", "∏"))
    assert sign.get("movablelimits") is None


def test_limits_that_the_author_puts_below_stay_there():
    (sign,) = (one for one in drawn(r"\sum\limits_i a", "inline").iter() if one.text == "∑")
    assert sign.get("movablelimits") == "false"
    assert "munder" in tags(r"\lim\limits_n a", "inline")


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
        (r"\begin{align} a &= b \\[4pt] c &= d \\* e \end{align}", 3),
        (r"\begin{cases} 1 & x \\[ -0.5em ] 0 & y \end{cases}", 2),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & \end{bmatrix}", 2),
        (r"\begin{array}{@{}l@{}} a \\ b \end{array}", 2),
        (r"\begin{aligned}[t] a &= b \\ c &= d \end{aligned}", 2),
    ],
)
def test_lines_of_an_equation_are_rows(tex, rows):
    assert tags(tex).count("mtr") == rows
    assert not re.search(r"pt|em|[\[\]*]", words(tex).strip("[]"))


@pytest.mark.parametrize(
    "tex", [r"\begin{equation}\label{eq:1} x^2 \end{equation}", r"x^2 \label{eq:1}", r"x^2 \nonumber"]
)
def test_a_label_is_not_shown(tex):
    assert words(tex) == "x2"


@pytest.mark.parametrize(
    "tex",
    [r"\eqref{eq:1}", r"\text{see }\ref{eq:1}", r"\tag{1} x", r"a \not= b", r"\xrightarrow{n}", r"\newcommand{\a}{b}",
     r"\nosuch{x}", r"\begin{matrix} a", "}{", "", "  ", r"\left(", r"x^2^3", r"\cite{a}",
     # braces, and parts that are not there
     "{a", r"\frac{1}{2", r"\sqrt{x", r"\frac{a}", r"\hat", "x^", r"\sqrt", r"\text{if {a {b} c}}",
     # lost by a browser
     r"\cancel{x}", r"\boxed{x=1}", r"\begin{array}{c|c} a & b \end{array}",
     r"\begin{array}{c} a \\ \hline b \end{array}",
     r"\color{red}{x}", r"\textcolor{red}{x}", r"a=b \\ c=d", r"\Large x", r"\rule{1em}{1em}", r"a\mkern-3mu b",
     # definitions
     r"\DeclareMathOperator{\KL}{KL} \KL", r"\renewcommand{\a}{b} x", r"\let\a\b x", r"\def\a{b} \a",
     # no equation
     r"\begin{theorem} Let $x$ be real. \end{theorem}", r"\begin{tabular}{c} a \end{tabular}",
     "a$ and $b", r"a\] and \[b",
     "50% of x", "#1",
     # what the converter reads in another way
     r"\begin{alignat}{2} a &= b \end{alignat}", r"\begin{dcases} a \end{dcases}",
     r"\begin{matrix} {c} & b \end{matrix}",
     "2mm", r"\big\nosuch", r"\big x^{\big", r"\mathop{x^2}_i", r"\operatorname* x", r"\sum\nolimits_i", r"\verb|x|",
     r"\genfrac{}{}{0pt}{}{a}{b} c",
     # letters that Unicode does not have
     r"\mathit{12}", r"\mathsf{K1}", r"\mathbfit{x}", r"\mathcal{1}", r"{x \bf y}",
     r"\text{\nosuch x}", r"\text{a $b}", r"\text{\(x\)}"],
)  # fmt: skip
def test_what_cannot_be_drawn_is_its_source_in_a_box(tex):
    shown = mathml(tex)
    assert shown.startswith('<code class="tex">')
    assert "<math" not in shown


@pytest.mark.parametrize(
    ("tex", "text"),
    [(r"\mathbb{1}", "𝟙"), (r"\boldsymbol{\mu}", "𝝁"), (r"\bm{x}", "𝒙"), (r"\mathscr{L}", "ℒ"), (r"\mathcal L", "ℒ"),
     (r"\mathbf{x}", "𝐱"), (r"\lVert x\rVert", "‖x‖"), (r"\lvert x\rvert", "|x|"), ("a ; b", "a;b"),
     (r"z\sim x", "z∼x"), (r"\mathbf{0}", "𝟎"), (r"\boldsymbol{0}", "𝟎"), (r"\boldsymbol{\epsilon\phi}", "𝝐𝝓"),
     (r"\boldsymbol{\Lambda}", "𝚲"), (r"\boldsymbol{\nabla}", "𝛁"), (r"\boldsymbol{\mathcal{L}}", "𝓛"),
     (r"\mathcal{ABL}", "𝒜ℬℒ"), (r"\mathbb{RE}", "ℝ𝔼"), (r"\mathsf{KL}", "𝖪𝖫"), (r"\mathtt{abc}", "𝚊𝚋𝚌"),
     (r"{\cal L}", "ℒ"), (r"{\cal AB}", "𝒜ℬ"), (r"{\bf x0}", "𝐱𝟎"), (r"\mathbbm{1}", "𝟙"), (r"\mathds{1}", "𝟙"),
     (r"\mathsf T", "𝖳"), (r"\mathfrak g", "𝔤"), (r"\mathfrak{C}", "ℭ"), (r"\Bbb R", "ℝ"), (r"\mathit{h}", "ℎ"),
     (r"\pmb{x}", "𝒙"), (r"\textbf{ab 1}", "𝐚𝐛\u00a0𝟏"), (r"\mathop{AB}", "𝐴𝐵"), (r"x := 3", "x≔3"),
     (r"50\% + \$5", "50%+$5"), (r"a \setminus b", "a∖b"), ("x % why\n+ 1", "x+1")],
)  # fmt: skip
def test_letters_and_signs_are_those_of_unicode(tex, text):
    assert words(tex) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [(r"\big\{ x \big\}", "{x}"), (r"\big\| x \big\|", "‖x‖"), (r"\bigl\langle x \bigr\rangle", "⟨x⟩"),
     (r"\Big\lfloor x \Big\rfloor", "⌊x⌋"), (r"\Bigl\lVert x \Bigr\rVert", "‖x‖"), (r"\Bigg\vert x", "|x"),
     (r"\biggl\lceil x \biggr\rceil", "⌈x⌉"), (r"\big< x \big>", "⟨x⟩"), (r"\left< x \right>", "⟨x⟩"),
     (r"\big. x \big|", "x|"), (r"\big/", "/"), (r"\bigl\lbrace x \bigr\rbrack", "{x]")],
)  # fmt: skip
def test_brackets_of_a_given_size(tex, text):
    assert words(tex) == text
    for one in drawn(tex).iter():
        assert one.get("minsize") is None or one.get("stretchy") == "true"


@pytest.mark.parametrize(
    ("tex", "text"),
    [(r"\text{if $x>0$}", "if\u00a0x>0"), (r"\text{if $x_{1}$ or $y$}", "if\u00a0x1\u00a0or\u00a0y"),
     (r"\text{train\_loss}", "train_loss"), (r"\text{50\% of \$5}", "50%\u00a0of\u00a0$5"), (r"\text{a~b}", "a\u00a0b"),
     (r"\text{\{a\}}", "{a}"), (r"\text{a<b & c}", "a<b\u00a0&\u00a0c"), (r"\text{a {b} c}", "a\u00a0b\u00a0c"),
     (r"\operatorname{train\_loss}", "train_loss"), (r"\operatorname{F1}", "F1")],
)  # fmt: skip
def test_words_are_without_what_tex_escapes_in_them(tex, text):
    assert words(tex).replace(" ", "\u00a0") == text


@pytest.mark.parametrize(
    "sign", [r"\pm", r"\implies", r"\iff", r"\leqslant", r"\setminus", r"\perp", "≤", "×", "·", ":", r"\langle", "→"]
)
def test_signs_are_operators(sign):
    assert [one.tag.rpartition("}")[2] for one in drawn(f"a {sign} b").iter() if one.text] == ["mi", "mo", "mi"]


@pytest.mark.parametrize("name", ["sinh", "arctan", "deg", "sec", "lg", "log", "tanh", "arccos", "coth", "ker"])
def test_a_function_is_apart_from_its_argument(name):
    (function,) = (one for one in drawn(rf"\{name} x").iter() if one.text == name)
    assert function.tag.endswith("}mo")
    assert function.get("rspace") == "0.17em"


def test_infinity_is_a_letter_and_a_differential_is_upright():
    assert tags(r"x \to \infty")[-1] == "mi"
    for tex in (r"\mathrm{d}x", r"\mathrm dx", r"{\rm d}x"):
        assert [one.get("mathvariant") for one in drawn(tex).iter() if one.text] == ["normal", None]


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


@pytest.mark.parametrize(("tex", "text"), [(r"f^{\prime}", "f′"), (r"f^{\prime\prime}", "f″"), (r"f^\prime", "f′")])
def test_a_prime_may_be_written_as_an_exponent(tex, text):
    assert "msup" not in tags(tex)
    assert words(tex) == text


@pytest.mark.parametrize("tex", ["f'^2", r"f^{\prime 2}"])
def test_a_prime_and_an_exponent_are_two_things(tex):
    (power,) = (one for one in drawn(tex).iter() if one.tag.endswith("}msup"))
    assert ["".join(part.itertext()) for part in power] == ["f′", "2"]


def test_a_prime_and_an_index_stand_together():
    (sub,) = (one for one in drawn("c'_k").iter() if one.tag.endswith("}msub"))
    assert "".join(sub[0].itertext()) == "c′"
    assert "".join(sub[1].itertext()) == "k"
    assert tags("x^{a'}").count("msup") == 1


def page_of(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def written(markdown: str) -> BeautifulSoup:
    return page_of(markdown_html(markdown, {}, None))


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $6 today.", "A **$5** one and **$6** one.", "Set $HOME and $PATH first.", "$5/$6, $5-$10",
     "$HOME/$USER", "${A}:${B}", "US$5 and US$6", r"\$5 and \$6", "`$a` and `b$`"],
)  # fmt: skip
def test_prices_and_shell_variables_are_no_equations(text):
    page = written(text)
    assert page.find("math") is None
    assert page.find(class_="tex") is None
    assert page.get_text().strip() == re.sub(r"[*`\\]", "", text)


@pytest.mark.parametrize(
    ("text", "equations"),
    [("$x$, $ y $ and ($z$)", ["x", "y", "z"]), ("the $k$th, $k$s, $k$-means", ["k"] * 3), (r"$x = \$5$ in", ["x=$5"]),
     ("$a +\nb$", ["a+b"]), (r"\\(x\\) \\[y\\] $$z$$", ["x", "y", "z"]), ("$2$", ["2"]),
     (r"\begin{Bmatrix} a \end{Bmatrix}", ["{a}"]),
     (r"\begin{array}{c} a \\ \begin{array}{c} b \end{array} \\ d \end{array}", ["abd"])],
)  # fmt: skip
def test_equations_in_markdown(text, equations):
    page = written(text)
    assert [one.get_text() for one in page.find_all("math")] == equations
    assert "$" not in re.sub(r"=\$", "", page.get_text())


def test_an_environment_that_is_no_equation_is_its_source_in_a_box():
    text = r"\begin{theorem} Let $x$ be real. \end{theorem}"
    page = written(text)
    assert page.find(class_="tex").get_text() == text
    assert page.find("math") is None


def test_a_table_keeps_its_cells():
    rows = ["| $q(z|x)$ | `a` |", r"| $\|x\|$ | $\left|a\right|$ |", "| $5 | $6 |"]
    page = written("\n".join(["| a | b |", "|---|---|", *rows]))
    cells = [cell.get_text() for cell in page.find_all("td")]
    assert cells == ["q(z|x)", "a", "‖x‖", "|a|", "$5", "$6"]
    code = "```\n| $a|b$ | c |\n```"
    assert "| $a|b$ | c |" in written(code).get_text()


@pytest.mark.parametrize(
    ("text", "equations"),
    [("$a$ and $b$", 2), (r"\[x^2\]", 1), ("$$x^2$$", 1), (r"$\displaystyle x$", 1), (r"\(x\)", 1), ("x^2", 1),
     (r"$x = \$5$", 1), ("Loss $x$ here", 1), (r"\[a\] and \[b\]", 0), (r"\begin{tabular}{c} a \end{tabular}", 0)],
)  # fmt: skip
def test_what_a_cell_gives_as_tex(text, equations):
    page = page_of(tex_html(text, None))
    assert len(page.find_all("math")) == equations
    assert bool(page.select("code.tex")) == (equations == 0)
    assert "$" not in page.get_text().replace("=$", "")
