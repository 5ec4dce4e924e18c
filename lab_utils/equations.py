"""TeX as MathML, which a browser draws without a script. An equation comes out right, or its source stands in a box."""

import html
import re
import unicodedata
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)

BRACED = r"\{((?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*\})*)\}"  # an argument, with at most one more pair of braces in it
SIZED = r"\\(left|right|middle|[bB]igg?[lmr]?)"
LENGTH = r"-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|pc|mu)"
OLD_FONTS = r"rm|bf|it|sf|tt|cal|frak"
ALIGNED = "aligned|alignedat|gathered|split|array"
END = r"(?![A-Za-z])"  # of the name of a command

# What latex2mathml does not know, or knows under another name. The name of an operator whose limits stand under it
# gets a star, which :func:`limits_below` takes off again.
TEX_REPAIRS = (
    (r"(?<!\\)%[^\n]*\n", "\n"),
    (rf"\\label\s*\{{[^{{}}]*\}}|\\(nonumber|notag){END}", ""),
    (rf"(?<!\\)\\\\\*?\s*\[\s*{LENGTH}\s*\]|(?<!\\)\\\\\*", r"\\\\ "),  # a line's end with a distance, or a star
    (r"&\s*(?=\\end)", "& {} "),  # without which the last row is lost
    (rf"(\\begin\{{(?:{ALIGNED})\}})\s*\[[tcb]\]", r"\1"),
    (r"@\{\}", ""),
    (r"\\(begin|end)\{equation\*?\}", ""),
    (r"\\(begin|end)\{(aligned|split|align|eqnarray)\*?\}", r"\\\1{align*}"),
    (r"\\(begin|end)\{(gather|gathered|multline)\*?\}", r"\\\1{matrix}"),
    (rf"\{{\s*\\({OLD_FONTS}){END}((?:[^{{}}\\]|\\.|{BRACED})*)\}}", r"{\\math\1{\2}}"),
    (rf"\\(mathbbm|mathds|Bbb){END}", r"\\mathbb"),
    (rf"\\(mathscr|scr){END}", r"\\mathcal"),
    (rf"\\pmb{END}", r"\\boldsymbol"),
    (rf"\\mathnormal{END}", ""),
    (r"\\(mathcal|mathbb|mathbf)\s*([A-Za-z])(?![A-Za-z{])", r"\\\1{\2}"),
    (rf"{SIZED}\s*<", r"\\\1\\langle "),
    (rf"{SIZED}\s*>", r"\\\1\\rangle "),
    (rf"\\[lr]?Vert{END}", r"\\|"),
    (rf"\\[lr]?vert{END}", r"|"),
    (rf"\\lbrace{END}", r"\\{"),
    (rf"\\rbrace{END}", r"\\}"),
    (rf"\\lbrack{END}", r"["),
    (rf"\\rbrack{END}", r"]"),
    (rf"\\backslash{END}", r"\\setminus"),
    (rf"\\colon{END}", r"\\mathpunct{:}"),
    (r":=", r"\\coloneqq "),
    (r"(?<=\d)\{,\}(?=\d)", r"\\mathord{,}"),  # which parts thousands
    (r"\\arg\s*\\(max|min)(?![A-Za-z])", r"\\operatorname*{arg\,\1}"),
)
ENVIRONMENTS = r"align\*|matrix|[pbBvV]matrix|smallmatrix|array|cases"  # that are left of all once TeX is repaired
FONTS = "bb|bf|cal|frak|it|rm|sf|tt"
KINDS = "ring|bin|close|op|open|ord|punct|rel|strut"
# What neither the converter nor MathML Core draws as TeX does, by the reason for which it is no equation here.
REFUSED = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"\\(not|tag|eqref|ref|cite|require|verb|href|class|style|unicode|hline|hdashline|cline){END}",
        rf"\\(def|let|newcommand|renewcommand|providecommand|newenvironment|renewenvironment){END}",
        rf"\\(DeclareMathOperator|[xe]def|gdef|global){END}",
        rf"\\(boxed|fbox|b?cancel|sout|color|textcolor|colorbox|fcolorbox|rule){END}",
        rf"\\(genfrac|mathchoice|sideset|skew|smash|raise|lower|moveleft|moveright|nolimits){END}",
        rf"\\([lr]lap|clap|shoveleft|shoveright|hfil|var(inj|proj)lim|varlim(inf|sup)){END}",
        rf"\\(Huge|huge|LARGE|Large|large|normalsize|small|footnotesize|scriptsize|[tT]iny){END}",
        rf"\\x(?!i{END})[A-Za-z]+",  # arrows with a text, and a cross over a formula
        rf"\\(({OLD_FONTS.removeprefix('rm|')}|oldstyle|mit){END})",  # that the repair has left
        rf"\\math(?!({FONTS}|sfit|{KINDS}){END})[a-z]+",
        r"\\mathsf(it)?\s*\{[^{}]*\d|\\mathsf(it)?\s*\d",  # the converter sets such a digit with serifs
        r"\\(mathop|operatorname)(?!\s*\{)|\\operatorname\s*\{[^{}]*[^A-Za-z\s*{}]",
        rf"\\begin\s*\{{(?!(?:{ENVIRONMENTS})\}})",
        r"\\begin\{(?!array)[^{}]*\}\s*[\[{][lcr|\s]+[\]}]",  # which is taken for columns
        r"\\begin\{array\}(?!\s*\{[lcr\s]+\})",
        r"\\(kern|mkern|hskip|mskip|hspace|mspace)\s*\{?\s*-",  # draws one thing over another
        r"(?<!\\)(?:\\\\)*(?:\\[\[\]()]|[$%#])",  # delimiters of an equation inside it, a comment, a parameter
    )
)
TEXTS = r"text|mbox|hbox|textrm|textnormal|textup|textmd|textbf|textit|textsf|texttt|emph"
LIMITS = {"min", "max", "sup", "inf", "lim", "lim\u2006sup", "lim\u2006inf", "arg\u2009max", "arg\u2009min"} | {
    "det", "gcd", "Pr", "inj\u2006lim", "proj\u2006lim", "plim",
}  # fmt: skip
SPACES = {r"\,": "\u2009", r"\;": "\u2005", r"\:": "\u2005", r"\ ": " ", "~": " ", r"\!": ""}
DELIMITERS = {
    r"\{": "{", r"\}": "}", r"\|": "‖", ".": "", r"\langle": "⟨", r"\rangle": "⟩", r"\lfloor": "⌊", r"\rfloor": "⌋",
    r"\lceil": "⌈", r"\rceil": "⌉", r"\setminus": "∖", r"\mid": "∣", r"\uparrow": "↑", r"\downarrow": "↓",
}  # fmt: skip
PRIMES = "′″‴⁗"
SIGNS = {"\u2212", "-", "+"}
BEFORE_A_SIGN = set("([{=,;<>≤≥≈∝→⟹⟨")  # a sign after one of these is that of a number
LARGE = set("∑∏∐⋂⋃⋀⋁⨀⨁⨂⨄⨆")  # limits stand under and over these where an equation is displayed
ORDINARY = set("∞∅⊤⊥∠")  # letters, though the converter takes them for operators
RELATIONS = set(":‖·")  # operators, though Unicode calls them punctuation
ALPHABETS = {  # by the names that Unicode has for those of mathvariant, the best first
    "bold": ("BOLD",), "bold-italic": ("BOLD ITALIC", "BOLD"), "italic": ("ITALIC",), "script": ("SCRIPT",),
    "double-struck": ("DOUBLE-STRUCK",), "fraktur": ("FRAKTUR", "BLACK-LETTER"), "sans-serif": ("SANS-SERIF",),
    "sans-serif-italic": ("SANS-SERIF ITALIC",), "monospace": ("MONOSPACE",),
}  # fmt: skip
CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}
LEAVES = {"mi", "mn", "mo", "mtext"}


class NotDrawnError(ValueError):
    """An equation that would not come out right."""


def mathml(tex: str, display: str = "inline") -> str:
    """An equation as MathML, or as its source where that does not work."""
    try:
        return ElementTree.tostring(drawn(tex, display), encoding="unicode")
    except Exception:  # the converter's errors share no base class, and a page without an equation beats no page
        return f'<code class="tex">{html.escape(tex.strip(), quote=False)}</code>'


def equation(tex: str) -> str:
    markup = mathml(tex, "block")
    return f'<span class="equation" role="group" aria-label="equation" tabindex="0">{markup}</span>'


def drawn(tex: str, display: str) -> Element:
    """The tree of an equation, or an error if it is not sure to be what the author wrote."""
    repaired = repaired_tex(tex)
    if not repaired.strip() or unbalanced(tex) or any(pattern.search(repaired) for pattern in REFUSED):
        raise NotDrawnError(tex)
    tree = ElementTree.fromstring(convert(repaired, display=display))
    if incomplete(tree):
        raise NotDrawnError(tex)
    repair(tree, display == "block")
    if any(faulty(one) for one in tree.iter()):
        raise NotDrawnError(tex)
    for one in tree.iter():
        one.text = one.text and "".join(map(unmasked, one.text))
    return tree


def unbalanced(tex: str) -> bool:
    """Whether a brace is without its other one; those that are to be seen have a backslash."""
    depth = 0
    for brace in re.sub(r"\\.", "", tex, flags=re.DOTALL):
        depth += (brace == "{") - (brace == "}")
        if depth < 0:
            return True
    return depth > 0


def incomplete(tree: Element) -> bool:
    """Whether a fraction, an index or an accent lacks one of its parts, or a brace was left that nothing opens."""
    loose = any(text_of(one) in ("{", "}") for one in tree.iter(tag("mi")))
    return loose or any(len(one) != CHILDREN.get(name_of(one), len(one)) for one in tree.iter())


def faulty(one: Element) -> bool:
    """Whether this is TeX that is left, or something that MathML Core does not draw."""
    name, text = name_of(one), text_of(one)
    if name in LEAVES and (len(one) or "\\" in text or ("$" in text and name == "mtext")):
        return True
    return (
        (name == "mn" and not all(c.isdecimal() or c == "." for c in text))  # a length, such as 2mm
        or (one.get("fence") == "true" and text.isalnum())
        or one.get("linebreak") == "newline"
        or name in ("menclose", "merror", "mfenced")
    )


# TeX


def repaired_tex(tex: str) -> str:
    tex = re.sub(rf"\\({TEXTS})\s*{BRACED}", lambda found: text_command(*found.group(1, 2)), tex)
    for pattern, replacement in TEX_REPAIRS:
        tex = re.sub(pattern, replacement, tex)
    tex = re.sub(rf"\\mathop\s*{BRACED}", lambda found: large_operator(found[1]), tex)
    tex = re.sub(rf"\\operatorname(\*?)\s*{BRACED}", lambda found: operator(*found.group(1, 2)), tex)
    # A single letter, which the converter sets slanted without a second pair of braces.
    return re.sub(r"\\mathrm\s*\{\s*([A-Za-z])\s*\}", r"\\mathrm{{\1}}", tex)


def text_command(command: str, content: str) -> str:
    """Words in an equation, and the equations in these words, without what TeX escapes in them."""
    parts = re.split(r"(?<!\\)\$", content)
    if len(parts) % 2 == 0 or (len(parts) > 1 and unbalanced(content)):
        return rf"\{command}{{\$}}"  # is refused
    made = [
        rf"\{command}{{{masked_text(part)}}}" if place % 2 == 0 else f"{{{part}}}"
        for place, part in enumerate(parts)
        if part
    ]
    return made[0] if len(made) == 1 else "{" + "".join(made) + "}"


def masked_text(text: str) -> str:
    """Words in which the converter will find nothing to interpret, and no backslash if TeX knows what it means."""
    for command, space in SPACES.items():
        text = text.replace(command, space)
    text = re.sub(r"\\([_%$#&{}])", lambda found: masked(found[1]), text)
    text = re.sub(r"[{}]", "", text)
    return re.sub(r"[<>&%#$_^]", lambda found: masked(found[0]), text)


def masked(character: str) -> str:
    """A character of private use that stands for one which the converter would interpret."""
    return chr(0xE000 + ord(character))


def unmasked(character: str) -> str:
    return chr(ord(character) - 0xE000) if 0xE000 < ord(character) < 0xE080 else character


def large_operator(content: str) -> str:
    """What TeX is told to set as an operator: a name in upright letters, or a sign."""
    upright = re.match(rf"\s*\\(mathrm|text|textrm|operatorname\*?){END}", content)
    if upright and not re.search(r"\\math(?!rm)", content):
        return rf"\operatorname*{{{content}}}"
    return rf"\mathop{{{content}*}}"


def operator(star: str, name: str) -> str:
    """A named operator without the commands for spaces in its name, which latex2mathml takes for letters."""
    plain = name
    for command, space in SPACES.items():
        plain = plain.replace(command, space)
    plain = re.sub(rf"\\(mathrm|text|textrm|rm|operatorname\*?){END}\s*", "", plain)
    plain = re.sub(r"\\arg\s*(?=\\)", "arg\u2009", plain)
    plain = re.sub(rf"\\(arg|max|min|sup|inf|lim|log|exp){END}\s*", r"\1", plain)
    plain = re.sub(r"[{}]", "", plain) if "\\" not in plain else plain
    if re.fullmatch(r"[A-Za-z\s]+", plain):
        return rf"\operatorname{{{plain.strip()}{star}}}"
    if re.fullmatch(r"[\w\s.-]+", plain):
        return rf"\mathop{{\text{{{plain.replace('_', masked('_'))}}}{star}}}"
    return rf"\mathop{{\mathrm{{{name}}}{star}}}"


# MathML: what latex2mathml writes in a way that MathML Core, and so Chromium and Firefox, does not show


def repair(tree: Element, block: bool) -> None:
    for one in tree.iter():
        if one.get("mathvariant", "normal") != "normal":
            repair_alphabet(one)
    for one in tree.iter():
        if name_of(one) in ("mi", "mo") and len(one):
            flatten(one)
    for one in list(tree.iter()):
        if one.tag == tag("mi"):
            repair_symbol(one)
        elif one.tag == tag("mo"):
            repair_operator(one)
    for one in tree.iter():
        if one.tag in (tag("msub"), tag("munder"), tag("msubsup"), tag("munderover"), tag("msup"), tag("mover")):
            limits_below(one, block)
        if one.tag in (tag("msup"), tag("msubsup")):
            primes_beside(one)
    for parent in tree.iter():
        for before, sign in pairwise([None, *parent]):
            if sign.tag == tag("mo") and text_of(sign) in SIGNS and (before is None or opens(before)):
                sign.set("form", "prefix")
    for one in list(tree.iter(tag("mo"))):
        if text_of(one).endswith("*") and len(text_of(one)) > 1:  # a starred operator that nothing stands under
            one.text = text_of(one)[:-1]


def repair_alphabet(one: Element) -> None:
    """Letters and digits as those of Unicode's alphabets, for a browser does not heed which alphabet an element names.

    What is bold and has no bold form of its own, such as a plus, keeps the attribute: the style sheet sees to it.
    """
    text, variant = one.text or "", one.get("mathvariant")
    named_function = one.tag != tag("mtext") and len(text) > 1 and text.isalpha()  # which stays upright
    one.text = text if named_function else "".join(in_alphabet(character, variant) for character in text)
    if named_function or one.text != text or not variant.startswith("bold"):
        del one.attrib["mathvariant"]


def in_alphabet(character: str, variant: str) -> str:
    """A letter or digit in one of the mathematical alphabets; a sign as it is if it has no such form."""
    name = unicodedata.name(character, "").removeprefix("MATHEMATICAL ")
    name = re.sub(r"LATIN |GREEK |LETTER |LUNATE ", "", name)
    names = ALPHABETS[variant]
    if variant == "bold-italic" and "Α" <= character <= "Ω":  # capitals of Greek stand upright
        names = ("BOLD",)
    for full in (f"{before}{alphabet} {name}" for before in ("MATHEMATICAL ", "") for alphabet in names):
        found = named(full)
        if found:
            return found
    if name == "SMALL H" and variant == "italic":
        return "ℎ"  # which Unicode calls a constant
    if character.isalnum() and unicodedata.normalize("NFKC", character) == character:
        raise NotDrawnError(character)
    return character


def named(name: str) -> str:
    try:
        return unicodedata.lookup(name)
    except KeyError:
        return ""


def flatten(one: Element) -> None:
    """An operator or a letter that holds others holds their text: the browser draws nothing else in it."""
    inside = list(one.iter())[1:]
    if any(name_of(inner) not in LEAVES | {"mrow", "mspace"} for inner in inside):
        raise NotDrawnError(one.tag)
    one.text = "".join(flat_text(inner) for inner in inside)
    for inner in list(one):
        one.remove(inner)
    if one.tag == tag("mi"):
        one.set("mathvariant", "normal")


def flat_text(one: Element) -> str:
    if one.tag == tag("mspace"):
        return "\u2009"
    text = (one.text or "").strip(" \n")
    plain_letter = one.tag == tag("mi") and len(text) == 1 and text.isalpha() and one.get("mathvariant") is None
    return in_alphabet(text, "italic") if plain_letter and text.isascii() else text


def repair_symbol(one: Element) -> None:
    text = text_of(one)
    if len(text) > 1 and text.isascii() and text.isalpha() and text != "mod":
        as_function(one)
    elif text == "~":
        one.tag, one.text = tag("mo"), "∼"
    elif text == ";":
        one.tag = tag("mo")
        one.set("separator", "true")
    elif text == "⧵":
        one.tag, one.text = tag("mo"), "∖"
    elif is_operator(text) and one.get("mathvariant") is None:
        one.tag = tag("mo")
        if unicodedata.category(text) in ("Ps", "Pe") or text == "‖":
            one.set("stretchy", "false")
    elif len(text) == 1 and "Α" <= text <= "Ω" and one.get("mathvariant") is None:
        one.set("mathvariant", "normal")  # capitals of Greek stand upright, as TeX has them


def is_operator(text: str) -> bool:
    """Whether this is a sign that has space about it or a bracket, which the converter takes for a letter."""
    if len(text) != 1 or text in ORDINARY:
        return False
    return text in RELATIONS or unicodedata.category(text) in ("Sm", "Ps", "Pe")


def repair_operator(one: Element) -> None:
    text = DELIMITERS.get(text_of(one), text_of(one)) if one.get("minsize") else text_of(one)
    one.text = text
    if one.get("minsize"):
        one.set("stretchy", "true")  # for only such an operator heeds its size
    if text == "/" or not text:
        one.attrib |= {"lspace": "0", "rspace": "0"}
    elif text in ORDINARY:
        one.tag = tag("mi")
    elif text[0].isalpha():
        as_function(one)


def as_function(one: Element) -> None:
    """An upright name with a thin space on either side, but not at the start."""
    one.tag = tag("mo")
    one.attrib |= {"lspace": "0.17em", "rspace": "0.17em"}


def limits_below(one: Element, block: bool) -> None:
    """What is under a maximum or a limit stands below it in a displayed equation, and beside it in a line of text."""
    base = one[0]
    name = text_of(base).removesuffix("*") or text_of(base)
    below = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
    if base.tag != tag("mo"):
        return
    if name in LARGE:  # the browser itself sets these beside where it is short of height
        if name_of(one) not in below and not block:
            base.set("movablelimits", "false")  # for the author asked for it
        one.tag = tag(below.get(name_of(one), name_of(one)))
        base.text = name
    elif name in LIMITS or name != text_of(base):
        base.text = name
        base.attrib.pop("movablelimits", None)
        if block:
            one.tag = tag(below.get(name_of(one), name_of(one)))


def primes_beside(one: Element) -> None:
    """A prime is drawn raised already: it stands beside its letter, for as an exponent it would float."""
    base, exponent = one[0], one[-1]
    parts = list(exponent) if exponent.tag == tag("mrow") else [exponent]
    primes = [part for part in parts if text_of(part) and set(text_of(part)) <= set(PRIMES)]
    if not primes or parts[: len(primes)] != primes:
        return
    both = Element(tag("mrow"))
    both.extend([base, prime_sign(primes)])
    one[0] = both
    if len(primes) < len(parts):  # something else is an exponent besides
        for prime in primes:
            exponent.remove(prime)
        return
    one.remove(exponent)
    if one.tag == tag("msubsup"):  # with an index, which stands below the two
        one.tag = tag("msub")
    else:
        one.tag = tag("mrow")
        one[:] = list(both)


def prime_sign(primes: list[Element]) -> Element:
    """One sign for all of them."""
    count = sum(PRIMES.index(sign) + 1 for prime in primes for sign in text_of(prime))
    sign = Element(tag("mo"), {"lspace": "0", "rspace": "0"})
    sign.text = PRIMES[count - 1] if count <= len(PRIMES) else PRIMES[0] * count
    return sign


def opens(one: Element) -> bool:
    """Whether a sign after this is that of a number: after a bracket, a comma or a relation."""
    last = list(one.iter())[-1]
    return last.tag == tag("mo") and text_of(last) in BEFORE_A_SIGN and last.get("form") != "postfix"


def text_of(one: Element) -> str:
    return (one.text or "").strip()


def name_of(one: Element) -> str:
    return one.tag.rpartition("}")[2]


def tag(name: str) -> str:
    return f"{{{MATHML}}}{name}"
