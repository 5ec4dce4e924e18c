"""The pages in headless Chromium: wide and narrow, light and dark, printed, by keyboard, without network or scripts."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from IPython.display import Code
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lab_utils import figures, handover
from lab_utils.labs import LABS
from lab_utils.report.html import render
from lab_utils.report.pages import Failure, Head, Link
from tests.conftest import CHROMIUM

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser; on Debian: apt-get install chromium")

TOYS = ["good", "failed"]
PAGES = [*TOYS, "index", *LABS]
WIDE, NARROW = 1280, 360  # CSS pixels
PAPER = (673, 1001)  # CSS pixels inside the margins of A4
LARGEST = 2_000_000  # bytes
BAR = re.compile(r"^(.*?):\s+\d+%\|")  # of tqdm

# The functions below run in the page. Pages hold no script of their own.
OPEN = "open => document.querySelectorAll('details').forEach(d => d.open = open)"
WITHOUT_COLOURS = "document.querySelectorAll('.highlight pre').forEach(code => code.textContent = code.textContent)"
WIDTH_OF_DOCUMENT = "document.documentElement.scrollWidth"
STICKING_OUT = """() => {
  const reached = e => {
    for (let a = e; a; a = a.parentElement)
      if (a.scrollWidth > a.clientWidth && /auto|scroll/.test(getComputedStyle(a).overflowX)) return a.tabIndex >= 0;
    return false;
  };
  return [...document.querySelectorAll('main *')]
    .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth && !reached(e))
    .map(e => e.outerHTML.slice(0, 100));
}"""
CLIPPED = """() => [...document.querySelectorAll('.table, pre, .equation, .frame, table, img')]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1
    || (e.clientHeight && e.scrollHeight > e.clientHeight + 1 && getComputedStyle(e).overflowY != 'visible'))
  .map(e => [e.outerHTML.slice(0, 100), e.getBoundingClientRect().right, e.scrollWidth, e.clientWidth])"""
PICTURES = """() => Promise.all([...document.images].map(async image => {
  image.loading = 'eager';
  await image.decode().catch(() => null);
  return {alt: image.alt, natural: image.naturalWidth, start: image.outerHTML.slice(0, 100)};
}))"""
DANGLING = """() => [...document.querySelectorAll('a[href^="#"]')]
  .map(a => a.getAttribute('href').slice(1)).filter(id => !document.getElementById(decodeURIComponent(id)))"""
COLOURS = """() => ['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g)
  .slice(0, 3).reduce((sum, value) => sum + Number(value) / 765, 0))"""

CODE = f'''@decorated
class Model(nn.Module):
    """What it does."""
    def forward(self, x: Tensor) -> Tensor:  # a comment
        return None if x is True and not 1.5e3 in [0x1, 2] else print(f"{{x}} and\\n", {"long line of code " * 12!r})
'''
SUM = " + ".join(rf"\frac{{x_{{{i}}}^2}}{{2\sigma_{{{i}}}^2}}" for i in range(9))
TEXT = rf"""# Toy

**Question.** Does it show?

## Maths

With $\beta = \frac{{1}}{{2}}$:

$${SUM}$$

```python
{CODE}
```

| symbol | meaning |
|---|---|
| $z$ | latent |

## Training
"""


def out(kind, content, **metadata):
    return new_output("display_data", data={kind: content}, metadata={kind: metadata} if metadata else {})


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def every_kind_of_output():
    """Cells whose outputs are what notebooks show, each somewhat larger than a page likes."""
    curve = {"a": (range(9), np.linspace(2, 1, 9)), "b": (range(9), np.linspace(1, 2, 9))}
    plot = figures.image(figures.lines(curve, x_label="step", y_label="loss"), "Two lines that cross.")
    picture = base64.b64encode(plot.data).decode()
    frame = pd.DataFrame(np.arange(48).reshape(4, 12) / 7, columns=[f"dimension {i}" for i in range(12)])
    words = pd.DataFrame({f"column {i}": ["a sentence that explains what was measured here"] * 12 for i in range(10)})
    bar = "".join(f"\rtraining: {i:3d}%|{'█' * (i // 10):10}| {i}/100 [00:{i:02d}<00:00]" for i in range(101))
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "IntProgress(value=1)"}
    source = out("text/html", Code(CODE, language="python")._repr_html_())
    return [
        new_markdown_cell(TEXT),
        new_code_cell('PROFILE = "quick"', metadata={"tags": ["parameters"]}),
        new_code_cell('PROFILE = "smoke"', metadata={"tags": ["injected-parameters"]}),
        new_code_cell("fit()", outputs=[printed(bar + "\n", "stderr"), printed("epoch and its losses " * 9 + "\n")]),
        new_code_cell("log()", outputs=[printed("".join(f"epoch {i}/200\n" for i in range(200)))]),
        new_code_cell(
            CODE,
            metadata={"tags": ["toy.1"]},
            outputs=[
                out("image/png", picture, alt=plot.alt, width=plot.width),
                out("text/markdown", "*Two lines, $\\beta = 1$.*"),
            ],
        ),
        new_markdown_cell("## Tables"),
        new_code_cell("frame", outputs=[out("text/html", frame.to_html())], metadata={"tags": ["toy.2", "toy.3"]}),
        new_code_cell("words", outputs=[out("text/html", words.to_html(index=False))]),
        new_code_cell("table", outputs=[out("text/html", handover.table(list(words), words.head(3).to_numpy()))]),
        new_code_cell("bar", outputs=[new_output("display_data", data=widget), out("text/latex", "$$x^2$$")]),
        new_code_cell("say()", outputs=[source, out("text/markdown", "- it is **good**\n- it is `code`\n\n### Part")]),
        new_markdown_cell("## Provenance"),
        new_code_cell("page.end()", outputs=[out("text/html", frame.head(1).to_html())]),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A folder with one synthetic notebook as a good page and as a page whose run failed."""
    folder = tmp_path_factory.mktemp("toys")
    trace = ["\x1b[31mTraceback\x1b[0m (most recent call last)", "  in " + "a_long_path/" * 20, "ValueError: no"]
    error = new_output("error", ename="ValueError", evalue="no", traceback=trace)
    cells = every_kind_of_output()
    ended = [*cells[:12], new_code_cell("raise ValueError('no')", outputs=[error])]
    failure = Failure("This run failed", "ValueError: no", cell=12, where="cell 12", log="a.log")
    facts = [("Profile", "quick"), ("Data", "digits: mnist (60,000 training, 10,000 test)")]
    for name, shown, failed in (("good", cells, None), ("failed", ended, failure)):
        head = Head("Toy", facts, failed, previous=Link("failed.html", "Failed"))
        (folder / f"{name}.html").write_text(render(new_notebook(cells=shown), head, {"toy.1", "toy.2", "toy.3"}))
    return folder


def path_of(name, request):
    if name in TOYS:
        return request.getfixturevalue("toys") / f"{name}.html"
    report = request.getfixturevalue("smoke")
    return report / "index.html" if name == "index" else report / "html" / f"{name}.html"


@pytest.fixture(scope="module", params=PAGES)
def path(request):
    return path_of(request.param, request)


@pytest.fixture(scope="module")
def opened(browser, path):
    """The page, open once for all tests of it, and the addresses that it asked for."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page, asked
    page.close()


@pytest.fixture
def view(opened):
    """Show the page at a width, in a scheme and medium, with everything that folds open or closed."""

    def shown(width=WIDE, height=900, scheme="light", media="screen", unfold=True):
        page, _ = opened
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(media=media, color_scheme=scheme)
        page.evaluate(OPEN, unfold)
        return page

    return shown


@pytest.fixture
def good(browser, toys):
    """The good toy page, for tests that click and type."""
    page = browser.new_page(viewport={"width": NARROW, "height": 700})
    page.goto((toys / "good.html").as_uri())
    yield page
    page.close()


def test_the_page_is_small_enough(path):
    assert path.stat().st_size <= LARGEST


def test_nothing_comes_from_elsewhere(opened):
    page, asked = opened
    page.evaluate(PICTURES)
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    # What asks only under other conditions: a larger screen, a click, a print.
    loading = (
        "script, link, iframe, object, embed, video, audio, source, base, [srcset], [ping], meta[http-equiv=refresh]"
    )
    assert page.locator(loading).count() == 0
    assert not re.search(r"url\((?!data:)|@import", "".join(page.locator("style").all_inner_texts()))


def test_everything_is_there_without_scripts(browser, path, view):
    words = view(unfold=False).inner_text("body")
    context = browser.new_context(java_script_enabled=False, offline=True, viewport={"width": WIDE, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    plain = page.inner_text("body")
    context.close()
    assert len(plain) > 500
    assert set(words.split()) <= set(plain.split())


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_what_is_wider_than_the_screen_scrolls_by_itself(view, width):
    page = view(width)
    assert page.evaluate(WIDTH_OF_DOCUMENT) <= width
    assert page.evaluate(STICKING_OUT) == []


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_axe_finds_no_violation(path, view, width, scheme):
    options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    page = view(width, scheme=scheme)
    if path.stem in LABS:  # thousands of coloured words take long; the toy pages have every colour of code
        page.evaluate(WITHOUT_COLOURS)
    result = Axe().run(page, options=options).response
    found = {rule["id"]: [node["html"][:150] for node in rule["nodes"][:3]] for rule in result["violations"]}
    assert found == {}, json.dumps(found, indent=1)


def test_every_picture_shows_and_is_told_in_words(view):
    for picture in view(NARROW).evaluate(PICTURES):
        assert picture["natural"] > 0, picture
        assert len(picture["alt"]) > 3, picture
        assert not picture["alt"].startswith("No description"), picture  # what nbconvert writes where there is none


def test_figures_are_whole_on_a_telephone_and_can_be_enlarged(path, view):
    shown = "[...document.querySelectorAll('figure img')].map(image => image.clientWidth)"
    assert view(WIDE).locator(".enlarge:visible").count() == 0
    page = view(NARROW)
    fitting = page.evaluate(shown)
    assert max(fitting, default=0) <= NARROW
    boxes = page.locator(".enlarge input")
    assert boxes.count() == sum(width > 0 for width in fitting) or path.name == "index.html"
    for box in boxes.all():
        box.check()
    stated = page.evaluate(
        "[...document.querySelectorAll('figure img')].map(image => Number(image.getAttribute('width')))"
    )
    for width, large in zip(stated, page.evaluate(shown), strict=True):
        assert large >= min(width, 500)  # of 787 at most: letters of 10 points become 8 pixels


@pytest.mark.parametrize(("width", "place"), [(WIDE, "nav.toc"), (NARROW, "details.toc")])
def test_contents_lead_to_every_part(path, view, width, place):
    page = view(width)
    links = page.locator(f"{'details.toc' if path.name == 'index.html' else place} a")  # its first screen is a summary
    below = page.locator("main h2").count() - page.locator(".glance h2").count()
    assert links.count() >= below > 0
    for link in links.all():
        assert link.is_visible()
    assert page.locator(".toc:visible").count() == 1
    assert page.evaluate(DANGLING) == []


def test_code_is_folded_but_for_parameters(path, opened):
    page, _ = opened
    page.reload()
    blocks = page.locator("details.code")
    for block in blocks.all():
        title = block.locator("summary").inner_text()
        assert (block.get_attribute("open") is not None) == title.startswith("parameters"), title
        assert block.locator("pre").is_visible() == title.startswith("parameters"), title
    assert blocks.count() > 5 or path.name == "index.html"


def test_dark_and_light_follow_the_reader(view):
    text, back = view(scheme="light").evaluate(COLOURS)
    assert text < 0.3
    assert back > 0.9
    text, back = view(scheme="dark").evaluate(COLOURS)
    assert text > 0.8
    assert back < 0.2


def test_equations_are_drawn(path, view):
    page = view(NARROW)
    heights = page.evaluate("[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)")
    assert len(heights) >= 2 or path.name == "index.html"
    assert min(heights, default=1) > 0
    assert page.locator("code.tex").count() == 0


@pytest.mark.parametrize("path", ["good", *LABS], indirect=True)
def test_provenance_comes_last(view):
    assert view().locator("main h2").last.inner_text() == "Provenance"


def test_a_progress_bar_leaves_one_line(view):
    for text in view().locator("pre.output").all_inner_texts():
        bars = [match[1] for match in map(BAR.match, text.splitlines()) if match]
        assert len(bars) == len(set(bars)), text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_cuts_nothing_off(view, scheme):
    page = view(*PAPER, scheme=scheme, media="print", unfold=False)
    assert page.evaluate(WIDTH_OF_DOCUMENT) <= PAPER[0]
    assert page.evaluate(CLIPPED) == []
    text, back = page.evaluate(COLOURS)
    assert (text, back) == (0, 1)
    assert page.locator(".toc:visible").count() == 0


def test_tables_stay_whole_on_paper(view):
    page = view(*PAPER, media="print", unfold=False)
    for kind, name, value in (
        ("table", "breakInside", "avoid"),
        ("tr", "breakInside", "avoid"),
        ("figure", "breakInside", "avoid"),
        (".equation", "breakInside", "avoid"),
        ("thead", "display", "table-header-group"),
    ):
        styles = f"[...document.querySelectorAll('{kind}')].map(e => getComputedStyle(e).{name})"
        assert set(page.evaluate(styles)) <= {value}, kind


def test_the_pdf_holds_the_whole_page(view):
    page = view(*PAPER, media="print", unfold=False)
    height = page.evaluate("document.documentElement.scrollHeight")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= height / PAPER[1]


def test_one_click_opens_code(good):
    block = good.locator("details.code", has_text="long line of code")
    assert not block.locator("pre").is_visible()
    block.locator("summary").click()
    assert block.locator("pre").is_visible()


def test_one_box_opens_all_code_on_the_screen_and_for_the_printer(good):
    blocks = good.locator("details.code pre")
    good.get_by_label("Show all code").check()
    assert all(block.is_visible() for block in blocks.all())
    good.emulate_media(media="print")
    assert all(block.is_visible() for block in blocks.all())
    good.emulate_media(media="screen")
    good.get_by_label("Show all code").uncheck()
    good.emulate_media(media="print")
    assert sum(block.is_visible() for block in blocks.all()) == 2  # both cells of parameters


def test_what_a_run_printed_wraps_on_a_telephone(good):
    printed = good.locator("pre.output").all()
    assert any(len(line) > 100 for block in printed for line in block.inner_text().splitlines())
    assert all(block.evaluate("e => e.scrollWidth <= e.clientWidth") for block in printed)


@pytest.mark.parametrize(("kind", "width"), [(".table", 700), (".equation", NARROW), (".frame", NARROW)])
def test_arrow_keys_scroll_what_is_too_wide(good, kind, width):
    good.set_viewport_size({"width": width, "height": 700})  # on a telephone the rows of wide tables are blocks
    for box in good.locator(".enlarge input:visible").all():
        box.check()
    wide = next(e for e in good.locator(kind).all() if e.evaluate("e => e.scrollWidth > e.clientWidth"))
    wide.focus()
    good.keyboard.press("ArrowRight")
    good.wait_for_function("e => e.scrollLeft > 0", arg=wide.element_handle(), timeout=5000)


def test_rows_of_wide_tables_are_blocks_on_a_telephone(good):
    cells = good.locator("table.stacked tbody tr").first.locator("td[data-label]")
    assert cells.count() > 3
    tops = [cell.bounding_box()["y"] for cell in cells.all()]
    assert tops == sorted(set(tops))
    label = "e => getComputedStyle(e, '::before').content"
    assert cells.first.evaluate(label).strip('"') == f"{cells.first.get_attribute('data-label')}: "


def test_the_table_of_contents_leads_there_on_a_telephone(good):
    good.locator("details.toc summary").click()
    good.locator("details.toc a", has_text="Tables").click()
    assert good.url.endswith("#tables")
    good.wait_for_function(
        "Math.abs(document.getElementById('tables').getBoundingClientRect().top) < 100", timeout=5000
    )


def test_a_failed_page_says_so_at_the_top_and_leads_to_the_cell(browser, toys):
    page = browser.new_page(viewport={"width": NARROW, "height": 700})
    page.goto((toys / "failed.html").as_uri())
    banner = page.get_by_role("alert")
    assert "ValueError: no" in banner.inner_text()
    assert banner.bounding_box()["y"] < 700
    banner.get_by_role("link").click()
    page.wait_for_function(
        "document.querySelector(':target pre.error').getBoundingClientRect().top < 700", timeout=5000
    )
    page.close()
