"""TeX as MathML, which a browser draws without a script."""

import html
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)

# What latex2mathml does not know, or knows under another name. The name of an operator whose limits stand under it
# gets a star, which :func:`limits_below` takes off again.
TEX_REPAIRS = (
    (r"\\label\s*\{[^{}]*\}|\\(nonumber|notag)(?![A-Za-z])", ""),
    (r"\\(begin|end)\{equation\*?\}", ""),
    (r"\\(begin|end)\{(aligned|split|align|eqnarray)\*?\}", r"\\\1{align*}"),
    (r"\\(begin|end)\{(gather|gathered|multline)\*?\}", r"\\\1{matrix}"),
    (r"\\(mathcal|mathscr|mathbb|mathbf|mathrm)\s*([A-Za-z])(?![A-Za-z{])", r"\\\1{\2}"),
    (r"\\mathscr(?![A-Za-z])", r"\\mathcal"),
    (r"\\[lr]Vert(?![A-Za-z])", r"\\|"),
    (r"\\[lr]vert(?![A-Za-z])", r"|"),
    (r"\\arg\s*\\(max|min)(?![A-Za-z])", r"\\operatorname*{arg\,\1}"),
)
REFUSED = re.compile(r"\\(not|tag|eqref|ref|cite|xrightarrow|xleftarrow|require|def|newcommand)(?![A-Za-z])")
FUNCTIONS = {"log", "exp", "ln", "det", "sin", "cos", "tan", "tanh", "dim", "arg"}
LIMITS = {"min", "max", "sup", "inf", "lim", "lim\u2006sup", "lim\u2006inf"}  # in a displayed equation what is below
SPACES = {r"\,": "\u2009", r"\;": "\u2005", r"\:": "\u2005", r"\ ": " ", "~": " ", r"\!": ""}
PRIMES = "′″‴⁗"
SIGNS = {"\u2212", "-", "+"}
BEFORE_A_SIGN = set("([{=,;<>≤≥≈∝→⟹⟨")  # a sign after one of these is that of a number
BOLD_ITALIC = {("A", "Z"): 0x1D468, ("a", "z"): 0x1D482, ("Α", "Ω"): 0x1D71C, ("α", "ω"): 0x1D736}
DOUBLE_STRUCK = {("0", "9"): 0x1D7D8}


def mathml(tex: str, display: str = "inline") -> str:
    """An equation as MathML, or as its source where that does not work."""
    source = html.escape(tex.strip(), quote=False)
    refused = f'<code class="tex">{source}</code>'
    repaired = repaired_tex(tex)
    if REFUSED.search(repaired) or not repaired.strip():
        return refused
    try:
        tree = ElementTree.fromstring(convert(repaired, display=display))
    except Exception:  # its errors share no base class, and a page without an equation beats no page
        return refused
    if any(re.match(r"\\|[{}]", text_of(one)) for one in tree.iter(tag("mi"))):  # an unknown command, unmatched braces
        return refused
    repair(tree, display == "block")
    return ElementTree.tostring(tree, encoding="unicode")


def equation(tex: str) -> str:
    markup = mathml(tex, "block")
    return f'<span class="equation" role="group" aria-label="equation" tabindex="0">{markup}</span>'


# TeX


def repaired_tex(tex: str) -> str:
    for pattern, replacement in TEX_REPAIRS:
        tex = re.sub(pattern, replacement, tex)
    return re.sub(r"\\operatorname(\*?)\s*\{([^{}]*)\}", lambda found: operator(*found.groups()), tex)


def operator(star: str, name: str) -> str:
    """A named operator without the commands for spaces in its name, which latex2mathml takes for letters."""
    for command, space in SPACES.items():
        name = name.replace(command, space)
    name = re.sub(r"\\(mathrm|text|rm)\s*", "", name)
    return rf"\operatorname{{{name}{star}}}"


# MathML: what latex2mathml writes in a way that MathML Core, and so Chromium and Firefox, does not show


def repair(tree: Element, block: bool) -> None:
    for one in tree.iter():
        if one.tag == tag("mi"):
            repair_symbol(one)
        elif one.tag == tag("mn"):
            repair_digits(one)
        elif one.tag == tag("mo"):
            repair_operator(one)
        elif one.tag in (tag("msub"), tag("munder")):
            limits_below(one, block)
        elif one.tag in (tag("msup"), tag("msubsup")) and text_of(one[-1]) and set(text_of(one[-1])) <= set(PRIMES):
            prime_beside(one)
    for parent in tree.iter():
        for before, sign in zip([None, *parent][:-1], parent, strict=True) if len(parent) else ():
            if sign.tag == tag("mo") and text_of(sign) in SIGNS and (before is None or opens(before)):
                sign.set("form", "prefix")
    for one in list(tree.iter(tag("mo"))):
        if text_of(one).endswith("*") and len(text_of(one)) > 1:  # a starred operator that nothing stands under
            one.text = text_of(one)[:-1]


def repair_symbol(one: Element) -> None:
    text, variant = text_of(one), one.get("mathvariant")
    if text in FUNCTIONS:
        as_function(one)
    elif text == "~":
        one.tag, one.text = tag("mo"), "∼"
    elif text == ";":
        one.tag = tag("mo")
        one.set("separator", "true")
    elif variant == "bold-italic":
        one.text = "".join(shifted(c, BOLD_ITALIC) for c in text)
        del one.attrib["mathvariant"]
    elif len(text) == 1 and "Α" <= text <= "Ω" and variant is None:
        one.set("mathvariant", "normal")  # capitals of Greek stand upright, as TeX has them


def repair_digits(one: Element) -> None:
    if one.get("mathvariant") == "double-struck":
        one.text = "".join(shifted(c, DOUBLE_STRUCK) for c in text_of(one))
        del one.attrib["mathvariant"]


def repair_operator(one: Element) -> None:
    text = text_of(one)
    if text == "/":
        one.attrib |= {"lspace": "0", "rspace": "0"}
    elif re.fullmatch(r"[A-Za-z][A-Za-z\u2006\u2009 ]+\*?", text):
        as_function(one)


def as_function(one: Element) -> None:
    """An upright name with a thin space on either side, but not at the start."""
    one.tag = tag("mo")
    one.attrib |= {"lspace": "0.17em", "rspace": "0.17em"}


def limits_below(one: Element, block: bool) -> None:
    """What is under a maximum or a limit stands below it in a displayed equation, and beside it in a line of text."""
    name = text_of(one[0])
    if one[0].tag == tag("mo") and (name in LIMITS or name.endswith("*")):
        one[0].text = name.removesuffix("*") or name
        one[0].attrib.pop("movablelimits", None)
        one.tag = tag("munder" if block else "msub")


def prime_beside(one: Element) -> None:
    """A prime is drawn raised already: it stands beside its letter, for as an exponent it would float."""
    base, prime = one[0], one[-1]
    prime.tag = tag("mo")
    prime.attrib |= {"lspace": "0", "rspace": "0"}
    one.remove(prime)
    if one.tag == tag("msup"):
        one.tag = tag("mrow")
        one.append(prime)
    else:  # with an index, which stands below the two
        one.tag = tag("msub")
        both = Element(tag("mrow"))
        both.extend([base, prime])
        one[0] = both


def opens(one: Element) -> bool:
    """Whether a sign after this is that of a number: after a bracket, a comma or a relation."""
    last = list(nested(one))[-1]
    return last.tag == tag("mo") and text_of(last) in BEFORE_A_SIGN and last.get("form") != "postfix"


def nested(one: Element) -> Iterator[Element]:
    yield from one.iter()


def shifted(character: str, alphabets: dict[tuple[str, str], int]) -> str:
    """A letter or digit in another alphabet of Unicode's mathematical ones; any other character as it is."""
    for (first, last), start in alphabets.items():
        if first <= character <= last:
            return chr(start + ord(character) - ord(first))
    return character


def text_of(one: Element) -> str:
    return (one.text or "").strip()


def tag(name: str) -> str:
    return f"{{{MATHML}}}{name}"
