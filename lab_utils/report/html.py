"""Turns an executed notebook into one page that needs no network, no script and no other file."""

import base64
import re
from functools import cache
from html import escape
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jupyter_core.paths import ENV_JUPYTER_PATH
from nbconvert import HTMLExporter
from nbconvert.filters.ansi import strip_ansi
from nbformat import NotebookNode, from_dict

from lab_utils.handover import scale_in_words
from lab_utils.pictures import picture_address
from lab_utils.report.allowed import POLICY, allowed
from lab_utils.report.collect import delivered
from lab_utils.report.execute import INJECTED, last_state
from lab_utils.report.markdown import markdown_html, tex_html
from lab_utils.report.pages import Head
from lab_utils.words import device_line, duration, number, plural, source_lines

TEMPLATES = Path(__file__).parent / "templates"
FONTS = Path(__file__).parent / "fonts"
CSS = (TEMPLATES / "page.css").read_text(encoding="utf-8")
SHOWN = (  # kinds of output, the best first; scripts and widgets are left to their text form
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/latex",
    "text/plain",
)
PICTURES_OF_POINTS = ("image/png", "image/jpeg", "image/gif", "image/webp")
OWN_KINDS = "application/vnd.lab."  # of output, which the page makes something else of
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]")
TITLES = re.compile(r"\x1b\].*?(?:\x07|\x1b\\)|\x1b[()][0-9A-Za-z]", re.DOTALL)  # of windows and links; sets of letters
WIDE_TABLE = 4  # columns, from which on a row is a block of its own on a telephone
LONG_CELL = 24  # characters of a table's cell that is better broken into lines than into words
LONG_LINE = 38  # characters that fit on a telephone; a longer block scrolls and must be reachable by keyboard
NARROW = 328  # pixels of a figure's width that a telephone has
LONG_LOG = 8  # lines that fit into the lowest block that the style sheet has, that of messages
ENLARGE = '<label class="enlarge"><input type="checkbox"> Enlarge the figure</label>'


class PageExporter(HTMLExporter):
    """nbconvert's exporter with equations as MathML and nothing active; the rest is in templates/lab_report."""

    folder: Path | None = None  # in which pictures of the notebook are looked for

    def get_prefix_root_dirs(self) -> list[str]:
        """Where nbconvert's own templates lie: those of the same names that a person has at home change no page."""
        places = [*ENV_JUPYTER_PATH, *super().get_prefix_root_dirs()]
        return [next(place for place in places if Path(place, "nbconvert", "templates", "lab").is_dir())]

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        return markdown_html(source, context.get("cell", {}).get("attachments", {}), self.folder)

    def latex2html(self, source: str) -> str:
        return tex_html(source, self.folder)


def render(notebook: NotebookNode, head: Head, ids: set[str], folder: Path | None = None) -> str:
    """One HTML page; cells that deliver one of ``ids`` get its badge and its anchor.

    Pictures that its Markdown shows from the ``folder`` of the notebook are put into the page.
    """
    exporter = PageExporter(template_name="lab_report", extra_template_basedirs=[str(TEMPLATES)])
    exporter.folder = folder
    exporter.display_data_priority = list(SHOWN)
    exporter.register_filter("latex2html", exporter.latex2html)
    exporter.register_filter("allowed", lambda html: allowed(html, folder))
    resources = {
        "page": head,
        "css": CSS,
        "policy": POLICY,
        "has_title": has_title(notebook),
        "metadata": {"name": head.title},
    }
    body, _ = exporter.from_notebook_node(prepared(notebook, ids), resources=resources)
    return with_font(finish(body))


def with_font(page: str) -> str:
    """The page with the font of its equations in it, if it has any."""
    return page.replace("</style>", f"{font_face()}</style>", 1) if "<math" in page else page


@cache
def font_face() -> str:
    content = base64.b64encode((FONTS / "lab-math.woff2").read_bytes()).decode()
    return f'@font-face {{ font-family: "Lab Math"; src: url(data:font/woff2;base64,{content}) format("woff2"); }}\n'


def has_title(notebook: NotebookNode) -> bool:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.search(r"^# ", text, re.MULTILINE) is not None


def environment() -> Environment:
    """Jinja2 for pages that are no notebook."""
    made = Environment(
        loader=PackageLoader("lab_utils.report"), autoescape=select_autoescape(("html", "j2")),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {word.__name__: word for word in (device_line, duration, number, scale_in_words, source_lines)}
    return made


def prepared(notebook: NotebookNode, ids: set[str]) -> NotebookNode:
    """A copy in which each cell says under ``report`` what the template needs."""
    notebook = from_dict(whole_letters(notebook))
    notebook.metadata.pop("widgets", None)
    seen: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        badges = delivered(cell, ids)
        titles = {INJECTED: "parameters of this run", "parameters": "parameters"}
        title = next((titles[tag] for tag in cell.metadata.get("tags", []) if tag in titles), "code")
        cell.metadata["report"] = {
            "index": index,
            "badges": badges,
            "anchors": [name for name in badges if name not in seen],
            "open": title != "code",
            "summary": f"{title} ({plural(len(cell.source.strip().splitlines()), 'line')})",
        }
        seen.update(badges)
        if cell.cell_type == "code":
            cell.outputs = [shown for shown in map(plain, cell.outputs) if shown]
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip() or cell.get("outputs")]
    return notebook


def whole_letters(value: Any) -> Any:
    """A copy without halves of surrogate pairs, which JSON can hold and no file."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: whole_letters(one) for name, one in value.items()}
    return [whole_letters(one) for one in value] if isinstance(value, list) else value


def plain(output: NotebookNode) -> NotebookNode | None:
    """The output without terminal colours and overwritten lines; None if it holds nothing a page can show."""
    output = NotebookNode(output)
    if output.output_type == "stream":
        lines = printable(output.text).split("\n")
        output.text = "\n".join(last_state(line) for line in lines)
        return output if output.text.strip() else None
    if output.output_type == "error":
        output.traceback = [printable(line) for line in output.traceback or [f"{output.ename}: {output.evalue}"]]
        return output
    found = {mime: shown for mime, value in output.data.items() if (shown := showable(mime, value)) is not None}
    if "text/html" in found and len(found) > 1 and not says_something(allowed(found["text/html"])):
        del found["text/html"]  # a script alone, and a picture beside it
    unknown = [mime for mime in output.data if mime not in found and not mime.startswith(OWN_KINDS)]
    if not found and unknown:
        found["text/html"] = f"<p><em>Left out of this page: {escape(', '.join(unknown))}.</em></p>"
    output.data = found
    return output if found else None


def showable(mime: str, value: Any) -> Any | None:
    """What a page shows of one kind of an output; None if it shows nothing of it."""
    if mime in PICTURES_OF_POINTS:
        return picture_address(mime, value) if isinstance(value, str) else None
    if mime not in SHOWN or not isinstance(value, str):
        return None
    if mime == "text/plain":
        return printable(value)
    if mime == "image/svg+xml" and "xmlns" not in value:
        return value.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return value


def printable(text: str) -> str:
    """A text without the commands of terminals: colours, links, bells."""
    return CONTROLS.sub("", strip_ansi(TITLES.sub("", text)))


def says_something(html: str) -> bool:
    soup = BeautifulSoup(html, "html.parser")
    for remark in soup.select(".left-out"):
        remark.decompose()
    return bool(soup.get_text(strip=True) or soup.find(["img", "table", "hr"]))


def finish(body: str) -> str:
    """What is easier to see to in the finished page than in a template."""
    soup = BeautifulSoup(body, "html.parser")
    remove_loads(soup)
    join_captions(soup)
    scroll_tables(soup)
    for block in soup.find_all("pre"):
        lines = block.get_text().splitlines()
        if len(lines) > LONG_LOG or max(map(len, lines), default=0) > LONG_LINE:
            block["tabindex"] = "0"
    order_headings(soup)
    lead_somewhere(soup)
    return str(soup)


def lead_somewhere(soup: BeautifulSoup) -> None:
    """Links of notebooks as JupyterLab knows them: to headings by their words, to other notebooks by their files."""
    ids = {str(tag["id"]).casefold(): str(tag["id"]) for tag in soup.find_all(id=True)}
    for link in soup.select("main a[href]"):
        href = str(link["href"])
        if href.startswith("#") and (known := ids.get(unquote(href[1:]).casefold())):
            link["href"] = f"#{known}"
        elif re.fullmatch(r"[\w-]+\.ipynb(#.*)?", href):
            link["href"] = href.replace(".ipynb", ".html", 1)


def remove_loads(soup: BeautifulSoup) -> None:
    """Leave nothing that a browser would fetch or run: the page works offline, now and in ten years."""
    # The styles are those of pandas and pygments, which know no dark scheme.
    for tag in soup.select("script, link, iframe, object, embed, base, body style, body meta, form, main input"):
        tag.decompose()
    for tag in soup.find_all(lambda tag: any(name.startswith("on") for name in tag.attrs)):
        tag.attrs = {name: value for name, value in tag.attrs.items() if not name.startswith("on")}
    for tag in soup.find_all(src=re.compile(r"^(?!data:)")):
        link = soup.new_tag("a", href=tag["src"])
        link.string = tag.get("alt") or tag["src"]
        tag.replace_with(link)


def join_captions(soup: BeautifulSoup) -> None:
    """A picture and the text that follows it in the same cell become a figure with its caption.

    On a telephone it is shown whole, and large enough to read by a box to tick.
    """
    for picture in soup.select("div.output.picture"):
        text = picture.find_next_sibling()
        picture.name = "figure"
        if text is not None and "markdown" in text.get("class", []):
            text.name = "figcaption"
            picture.append(text.extract())
        if picture.find("img", width=lambda width: width is not None and float(width) > NARROW):
            picture.insert(0, BeautifulSoup(ENLARGE, "html.parser"))


def scroll_tables(soup: BeautifulSoup) -> None:
    """Put every table in a container of its own that scrolls sideways and can be reached by keyboard."""
    tables = [table for table in soup.find_all("table") if table.find_parent("table") is None]
    for table in tables:
        stack_rows(table)
    for place, table in enumerate(tables, start=1):
        caption = table.find("caption")
        name = caption.get_text(" ", strip=True) if caption else f"Table {place}"
        label = f"Table {place}: {name}" if caption else name
        attributes = {"class": "table", "role": "region", "tabindex": "0", "aria-label": label}
        table.attrs.pop("border", None)
        for cell in table.find_all("th"):  # the corner above pandas' index heads nothing
            cell.name = "th" if cell.get_text(strip=True) else "td"
        for cell in table.find_all("td"):
            if len(cell.get_text(strip=True)) > LONG_CELL:
                cell["class"] = [*cell.get("class", []), "long"]
        table.wrap(soup.new_tag("div", attrs=attributes))


def stack_rows(table: Tag) -> None:
    """Have each cell of a wide table know the head of its column, for screens on which its rows become blocks."""
    head = [cell.get_text(" ", strip=True) for cell in table.select("thead tr:first-child > *")]
    rows = [row.find_all(["th", "td"], recursive=False) for row in table.select("tbody > tr")]
    if len(head) < WIDE_TABLE or any(len(row) != len(head) for row in rows) or table.select("[colspan], [rowspan]"):
        return
    table["class"] = [*table.get_attribute_list("class", []), "stacked"]
    for row in rows:
        for title, cell in zip(head, row, strict=True):
            if cell.name == "td" and title:
                cell["data-label"] = title


def order_headings(soup: BeautifulSoup) -> None:
    """One h1, no level left out on the way down, an id for each, and the h2 in both tables of contents.

    One table stands beside the text on wide screens, the other is folded above it on narrow ones.
    """
    used = {tag["id"] for tag in soup.find_all(id=True)}
    above, entries = 0, []
    for tag in soup.find("main").find_all(re.compile("^h[1-6]$")):
        above = min(max(int(tag.name[1]), 2) if above else 1, above + 1)
        tag.name, tag["id"] = f"h{above}", unused(tag.get_text(), used)
        if above == 2:
            entries.append(f'<li><a href="#{tag["id"]}">{tag.decode_contents()}</a></li>')
    for place in soup.select(".toc ol"):
        for entry in entries:
            link = BeautifulSoup(entry, "html.parser")
            for nested in link.select("a a"):
                nested.unwrap()
            place.append(link)
    for place in [] if entries else soup.select(".toc"):
        place.decompose()


def unused(text: str, used: set[str]) -> str:
    """A heading as an id: its words, with the first number that makes it new; it is then taken."""
    name = re.sub(r"[^\w]+", "-", text.lower()).strip("-") or "section"
    free = next(free for free in chain([name], (f"{name}-{n}" for n in count(2))) if free not in used)
    used.add(free)
    return free
