"""What may stand on a page of what authors and cells wrote: text, tables, equations, pictures. The rest is left out.

A page is opened by people who did not write its notebook. What is left out leaves a note. The policy in the head of
each page is the second line: under it a browser fetches and runs nothing, whatever got through.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

import nh3
from bs4 import BeautifulSoup, Tag

from lab_utils.pictures import PICTURES, local_picture, picture_address
from lab_utils.words import plural

Attached = Mapping[str, Mapping[str, str]]  # pictures of a cell, base64, by name and kind


def named(text: str) -> set[str]:
    return set(text.split())


DATA = re.compile(rf"data:({'|'.join(map(re.escape, sorted(set(PICTURES.values()))))});base64,[A-Za-z0-9+/=\s]*", re.I)
MATHML = named(
    "math maction menclose merror mfenced mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot "
    "mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none"
)
MATHML_ATTRIBUTES = named(
    "accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height "
    "largeop linethickness lspace mathvariant maxsize minsize movablelimits notation rowlines rowspacing rspace "
    "scriptlevel separator stretchy symmetric voffset width"
)
AROUND_EQUATION = {"class", "role", "aria-label", "tabindex"}
POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
TAGS = named(
    "a abbr b blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption "
    "figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary "
    "sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
ATTRIBUTES = {
    "*": {"class", "id", "title", "lang", "dir", "style", "role", "aria-label", "tabindex"},
    "a": {"href"}, "img": {"src", "alt", "width", "height"}, "col": {"span"}, "colgroup": {"span"},
    "details": {"open"}, "ol": {"start", "reversed", "type"}, "li": {"value"}, "time": {"datetime"},
    "td": {"colspan", "rowspan", "headers", "align"}, "th": {"colspan", "rowspan", "headers", "align", "scope"},
    "table": {"border"}, "q": {"cite"}, "blockquote": {"cite"}, "span": {"data-equation"},
}  # fmt: skip
STYLES = named(  # what colours and sets text, and moves nothing
    "background-color border border-bottom border-collapse border-left border-right border-top color font-size "
    "font-style font-weight height margin-left max-width min-width padding text-align text-decoration "
    "vertical-align white-space width"
)
WITH_CONTENT = {"script", "style", "noscript", "template", "title", "textarea", "xmp", "svg", "math"}
SCHEMES = {"http", "https", "mailto"}  # of links
EQUATION = re.compile(r'<span data-equation="(\d{1,6})"></span>')
CLASSES = re.compile(r"dataframe|highlight|language-[\w-]+|[a-z]{1,2}\d?")  # of tables and code; a page has its own


def equation_mark(place: int) -> str:
    """What stands for the equation of that number in what is yet to be cleaned."""
    return f'<span data-equation="{place}"></span>'


def allowed(
    html: str, folder: Path | None = None, equations: list[str] | None = None, attached: Attached | None = None
) -> str:
    """HTML that an author or a cell wrote, with what the list allows and a note about the rest.

    Pictures in the notebook's ``folder``, and those that are ``attached`` to the cell, are put into the page.
    ``equations`` are markup of this project's own, put in the places that were marked for them once all else is clean.
    """
    soup = BeautifulSoup(html, "html.parser")
    left = Counter(left_out(soup))
    for anchor in soup.select("a[name]:not([id])"):
        anchor["id"] = anchor["name"]
    for box in soup.select("li > input[type=checkbox]"):
        box.replace_with("☑ " if box.has_attr("checked") else "☐ ")
    for picture in soup.find_all("img"):
        embed(picture, folder, attached or {}, soup, left)
    clean = nh3.clean(
        str(soup), tags=TAGS, clean_content_tags=WITH_CONTENT, attributes=ATTRIBUTES, attribute_filter=pictures_alone,
        link_rel=None, url_schemes=SCHEMES | {"data"}, filter_style_properties=STYLES,
    )  # fmt: skip
    made = equations or []
    clean = EQUATION.sub(lambda found: "".join(made[int(found[1]) : int(found[1]) + 1]), clean)
    return clean + note(left)


def allowed_equation(markup: str) -> str:
    """An equation as :mod:`lab_utils.equations` makes it, with MathML alone in it, or with its source."""
    return nh3.clean(
        markup, tags=MATHML | {"span", "code"}, clean_content_tags=WITH_CONTENT - {"math"},
        attributes={"*": MATHML_ATTRIBUTES, "span": AROUND_EQUATION, "code": AROUND_EQUATION},
    )  # fmt: skip


def pictures_alone(tag: str, attribute: str, value: str) -> str | None:
    """Keep ``data:`` for pictures of known kinds, and nothing else for them."""
    if (tag, attribute) == ("img", "src"):
        return value if DATA.fullmatch(value) else None
    if attribute in ("href", "cite"):
        return value if link_allowed(value) else None
    if attribute == "class":
        return " ".join(name for name in value.split() if CLASSES.fullmatch(name)) or None
    return value


def left_out(soup: BeautifulSoup) -> Iterable[str]:
    """What the list will leave out, by name, once for each."""
    for tag in soup.find_all(True):
        if tag.name not in TAGS and tag.name not in ("style", "input") and not tag.find_parent(WITH_CONTENT):
            yield f"<{tag.name}>"
        if tag.name == "input" and not (tag.parent and tag.parent.name == "li" and tag.get("type") == "checkbox"):
            yield "<input>"
        for name, value in tag.attrs.items():
            if name.startswith("on"):
                yield f"{name}="
            elif name in ("href", "xlink:href", "action", "formaction") and not link_allowed(str(value)):
                yield "link that is none"


def link_allowed(url: str) -> bool:
    """Whether a link leads to a page or an address; browsers drop blanks and control characters before they look."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", url), re.IGNORECASE)
    return scheme is None or scheme[1].lower() in SCHEMES


def embed(picture: Tag, folder: Path | None, attached: Attached, soup: BeautifulSoup, left: Counter) -> None:
    """Put a picture of the notebook or its folder in; one from elsewhere becomes a link, for nothing is fetched."""
    source = str(picture.get("src", ""))
    if source.startswith("attachment:"):
        source = attachment(source, attached) or source
        picture["src"] = source
    if DATA.fullmatch(source):
        return
    found = local_picture(source, folder)
    if found is not None:
        coded = base64.b64encode(found.read_bytes()).decode()
        picture["src"] = f"data:{PICTURES[found.suffix.lower()]};base64,{coded}"
        return
    name = picture.get("alt") or source
    if picture.find_parent("a"):  # that leads somewhere already
        picture.replace_with(str(name))
    elif re.match(r"https?:", source, re.IGNORECASE):
        link = soup.new_tag("a", href=source)
        link.string = name
        picture.replace_with(link)
    else:
        left[f"picture {source.removeprefix('attachment:')[:60] or 'without a source'}"] += 1
        picture.replace_with(str(name))


def attachment(source: str, attached: Attached) -> str | None:
    """The address of a picture that is attached to a cell, by ``attachment:name``; None if there is none."""
    kinds = attached.get(unquote(source.removeprefix("attachment:")), {})
    made = (picture_address(mime, content) for mime, content in kinds.items() if isinstance(content, str))
    return next(filter(None, made), None)


def note(left: Counter) -> str:
    if not left:
        return ""
    what = ", ".join(
        plural(n, name) if n > 1 and not name.startswith("<") else name for name, n in sorted(left.items())
    )
    escaped = what.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<p class="left-out">Left out of this page: {escaped}.</p>'
