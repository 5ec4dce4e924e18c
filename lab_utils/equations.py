"""TeX as MathML, which a browser draws without a script."""

import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert

# What latex2mathml does not know or writes in a way that MathML Core, and so Chromium, does not show.
TEX_REPAIRS = (
    (r"\\(begin|end)\{(aligned|split|align|eqnarray)\*?\}", r"\\\1{align*}"),
    (r"\\(mathcal|mathbb|mathbf|mathrm)\s*([A-Za-z])(?![A-Za-z{])", r"\\\1{\2}"),
)
FUNCTIONS = "log|exp|ln|det|sin|cos|tan|tanh|dim|arg"
MATHML_REPAIRS = (
    (rf"<mi>({FUNCTIONS})</mi>", r'<mo lspace="0.17em" rspace="0.17em">\1</mo>'),
    (r"<mo>([A-Za-z]{2,})</mo>", r'<mo lspace="0.17em" rspace="0.17em">\1</mo>'),
    (r"<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"),
    (r"<mi>;</mi>", '<mo separator="true">;</mo>'),
)


def mathml(tex: str, display: str = "inline") -> str:
    """An equation as MathML, or as its source where that does not work."""
    source = html.escape(tex.strip(), quote=False)
    repaired = tex
    for pattern, replacement in TEX_REPAIRS:
        repaired = re.sub(pattern, replacement, repaired)
    try:
        markup = convert(repaired, display=display)
        ElementTree.fromstring(markup)
    except Exception:  # its errors share no base class, and a page without an equation beats no page
        return f'<code class="tex">{source}</code>'
    if re.search(r"<mi>(\\|[{}])", markup):  # a command it does not know, or braces that do not match
        return f'<code class="tex">{source}</code>'
    for pattern, replacement in MATHML_REPAIRS:
        markup = re.sub(pattern, replacement, markup)
    return markup


def equation(tex: str) -> str:
    markup = mathml(tex, "block")
    return f'<span class="equation" role="group" aria-label="equation" tabindex="0">{markup}</span>'
