"""Nothing that authors or cells write can run, fetch or send from a page, and what was left out leaves a note."""

import base64
import io
import re

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image
from playwright.sync_api import sync_playwright

from lab_utils.report.allowed import POLICY, allowed, allowed_equation
from lab_utils.report.html import render
from lab_utils.report.pages import Head
from tests.conftest import CHROMIUM

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
RUN = "document.title='ran'"
DRAWN = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>{RUN}</script></svg>'
# Of each kind that public collections list: elements, handlers, addresses, foreign content, parsing that changes its
# mind, styles, redirects, forms. Each would set the title, or ask the network.
ACTIVE = [
    f"<script>{RUN}</script>",
    f"<SCRIPT/x>{RUN}</SCRIPT>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<img src=x onerror=\"{RUN}\">",
    f"<img/src=x/onerror={RUN}>",
    f"<svg onload=\"{RUN}\"><circle r=9 /></svg>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin=\"{RUN}\" attributeName=x dur=1s>",
    f"<svg><a xlink:href=\"javascript:{RUN}\"><text y=20>go</text></a></svg>",
    f"<svg><use href=\"data:image/svg+xml,<svg id=x onload={RUN}>#x\"/></svg>",
    f"<body onload=\"{RUN}\">",
    f"<details open ontoggle=\"{RUN}\"><summary>more</summary></details>",
    f"<input autofocus onfocus=\"{RUN}\">",
    f"<div tabindex=0 autofocus onfocus=\"{RUN}\">here</div>",
    f"<marquee onstart=\"{RUN}\">x</marquee>",
    f"<video><source onerror=\"{RUN}\"></video>",
    "<audio autoplay src=\"http://fetched.example/a.mp3\"></audio>",
    f"<a href=\"javascript:{RUN}\">go</a>",
    f"<a href=\" jav&#x09;ascript:{RUN}\">go</a>",
    f"<a href=\"JaVaScRiPt&colon;{RUN}\">go</a>",
    f"<a href=\"vbscript:{RUN}\">go</a>",
    f"<a href=\"data:text/html,<script>{RUN}</script>\">go</a>",
    f"[go](javascript:{RUN})",
    f"[go](  javascript:{RUN})",
    f"![x](javascript:{RUN})",
    f"<javascript:{RUN}>",
    f"<form action=\"javascript:{RUN}\"><button>go</button></form>",
    "<form action=\"http://fetched.example/\"><input name=a value=secret><input type=submit></form>",
    f"<button formaction=\"javascript:{RUN}\">go</button>",
    f"<isindex type=image src=1 onerror=\"{RUN}\">",
    f"<iframe srcdoc=\"<script>parent.{RUN}</script>\"></iframe>",
    "<iframe src=\"http://fetched.example/\"></iframe>",
    f"<object data=\"data:text/html,<script>{RUN}</script>\"></object>",
    "<embed src=\"http://fetched.example/a.swf\">",
    "<img src=\"http://fetched.example/a.png\">",
    "<img srcset=\"http://fetched.example/b.png 2x\">",
    "<picture><source srcset=\"http://fetched.example/c.png\"><img alt=x></picture>",
    "<link rel=stylesheet href=\"http://fetched.example/a.css\">",
    "<style>@import 'http://fetched.example/b.css'; body { background: url(http://fetched.example/d.png) }</style>",
    "<div style=\"background: url(http://fetched.example/e.png)\">x</div>",
    "<div style=\"width: expression(alert(1)); position: fixed; inset: 0; z-index: 99\">over all</div>",
    "<meta http-equiv=refresh content=\"0;url=http://fetched.example/\">",
    "<base href=\"http://fetched.example/\"><a href=\"x\">go</a>",
    f"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror={RUN}&gt;\">",
    f"<math><maction actiontype=statusline xlink:href=\"javascript:{RUN}\">go</maction></math>",
    f"<noscript><p title=\"</noscript><img src=x onerror={RUN}>\">",
    f"<svg></p><style><a id=\"</style><img src=1 onerror={RUN}>\">",
    f"<form><math><mtext></form><form><mglyph><style></math><img src onerror={RUN}>",
    f"<xmp><p title=\"</xmp><svg/onload={RUN}>\"></xmp>",
    f"<textarea></textarea><img src=x onerror={RUN}>",
    f"<template><img src=x onerror={RUN}></template>",
    f"<!--><img src=x onerror={RUN}>-->",
    f"<![CDATA[<img src=x onerror={RUN}>]]>",
    f"$\\text{{<img src=x onerror={RUN}>}}$",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"$$\\text{{</math><script>{RUN}</script>}}$$",
    f"<a title=\"$x$ onmouseover={RUN}\">x</a>",
    f"<p id=\"x\" title='\"><img src=x onerror={RUN}>'>y</p>",
    f"| a |\n|---|\n| <img src=x onerror={RUN}> |",
    f"```mermaid\n</pre><img src=x onerror={RUN}>\n```",
    f"<a ping=\"http://fetched.example/\" href=\"#x\" onclick=\"{RUN}\">go</a>",
    "<portal src=\"http://fetched.example/\"></portal>",
    "<frameset><frame src=\"http://fetched.example/\"></frameset>",
    f"<keygen autofocus onfocus={RUN}>",
    f"<x contenteditable onblur={RUN}>lose focus</x>",
    f"<img src=\"data:image/svg+xml;base64,{base64.b64encode(DRAWN.encode()).decode()}\">",
]  # fmt: skip


def pages():
    """A page in which each stands in the text, and one in which each was put out."""
    html = [part for part in ACTIVE if part.startswith("<")]
    outputs = [
        new_output("display_data", data={kind: part}) for part in html for kind in ("text/html", "text/markdown")
    ]
    outputs += [new_output("display_data", data={"image/svg+xml": DRAWN}), new_output("stream", text=html[0])]
    outputs.append(new_output("error", ename="E", evalue="", traceback=html))
    return {
        "text": new_notebook(cells=[new_markdown_cell(part) for part in ["# Toy", *ACTIVE]]),
        "put out": new_notebook(cells=[new_markdown_cell("# Toy"), new_code_cell("x", outputs=outputs)]),
    }


@pytest.mark.parametrize("policed", [False, True], ids=["by the list alone", "with the policy"])
@pytest.mark.parametrize("where", ["text", "put out"])
@pytest.mark.skipif(not CHROMIUM, reason="needs a browser; on Debian: apt-get install chromium")
def test_nothing_runs_and_nothing_is_asked_for(tmp_path, where, policed):
    html = render(pages()[where], Head("Toy", []), set())
    assert html.count(POLICY) == 1
    file = tmp_path / "page.html"
    file.write_text(html if policed else html.replace(f'content="{POLICY}"', 'content=""'), encoding="utf-8")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page, asked = browser.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        title = page.title()
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for handler in page.evaluate("""() => [...document.querySelectorAll('*')].flatMap(e =>
            [...e.attributes].map(a => a.name + '=' + a.value).filter(a => /^on|javascript:|vbscript:/i.test(a)))"""):
            assert not handler
        for link in page.locator("main a[href]").all():
            assert link.get_attribute("href").startswith(("#", "http://fetched.example/", "x"))
        page.wait_for_timeout(200)
        assert page.title() == title
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert (
            page.locator("form, input:not(header input), button, script, iframe, object, embed, svg, video").count()
            == 0
        )
        browser.close()


def test_what_was_left_out_leaves_a_note():
    said = allowed("<p>Text</p><iframe src='https://a.example'></iframe><script>1</script><script>2</script>")
    soup = BeautifulSoup(said, "html.parser")
    assert soup.p.get_text() == "Text"
    assert soup.select_one(".left-out").get_text() == "Left out of this page: <iframe>, <script>."
    assert "onerror=" in allowed("<p onerror=x>y</p>")
    assert "link that is none" in allowed("<a href='java\nscript:x'>y</a>")


@pytest.mark.parametrize(
    "kept",
    [
        '<table border="1" class="dataframe"><tbody><tr style="text-align:right"><td>a</td></tr></tbody></table>',
        "<p>a <b>b</b> <em>c</em> <code>d</code> &lt; <sup>2</sup></p>",
        '<a href="https://example.org/?a=1&amp;b=2">x</a>',
        '<a href="#part">x</a>',
        '<a href="03_cvae.html">x</a>',
        '<details open=""><summary>a</summary><p>b</p></details>',
        '<div class="highlight"><pre><span class="k">def</span> f</pre></div>',
        '<dl><dt>a</dt><dd>b</dd></dl>',
    ],
)  # fmt: skip
def test_what_a_course_writes_stays_as_it_is(kept):
    assert allowed(kept) == kept


def test_styles_colour_text_and_move_nothing():
    assert allowed('<p style="color: red; position: fixed; background: url(x)">a</p>') == '<p style="color:red">a</p>'


def test_tasks_keep_their_marks():
    assert allowed("<ul><li><input type='checkbox' checked disabled>a</li><li><input type='checkbox'>b</li></ul>") == (
        "<ul><li>☑ a</li><li>☐ b</li></ul>"
    )


def test_pictures_of_the_folder_are_put_in_and_others_are_named(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "img").mkdir(parents=True)
    (folder / "img" / "a b.png").write_bytes(PIXEL)
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (folder / "notes.txt").write_text("text")
    coded = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    assert allowed('<img src="img/a%20b.png" alt="net">', folder) == f'<img alt="net" src="{coded}">'
    for source in (
        "../secret.png",
        str(tmp_path / "secret.png"),
        "notes.txt",
        "gone.png",
        "attachment:x.png",
        "%00.png",
    ):
        said = BeautifulSoup(allowed(f'<img src="{source}" alt="net">', folder), "html.parser")
        assert said.img is None, source
        assert said.get_text().startswith("net"), source
        assert f"picture {source.removeprefix('attachment:')}"[:60] in said.select_one(".left-out").get_text()
    assert (
        allowed('<img src="https://e.example/a.png" alt="far">', folder) == '<a href="https://e.example/a.png">far</a>'
    )
    text = new_notebook(cells=[new_markdown_cell("![net](<img/a b.png>)\n\n![lost](attachment:x.png)")])
    soup = BeautifulSoup(render(text, Head("Toy", []), set(), folder), "html.parser")
    assert soup.main.img["src"] == coded
    assert "picture x.png" in soup.select_one(".left-out").get_text()


def test_an_attached_picture_shows():
    cell = new_markdown_cell(
        "![net](attachment:a.png)", attachments={"a.png": {"image/png": base64.b64encode(PIXEL).decode()}}
    )
    soup = BeautifulSoup(render(new_notebook(cells=[cell]), Head("Toy", []), set()), "html.parser")
    assert soup.main.img["src"].startswith("data:image/webp;base64,")
    assert not soup.select(".left-out")


def test_an_equation_holds_mathml_alone():
    assert "img" not in allowed_equation("<math><mtext>a<img src=x onerror=y></mtext></math>")
    around = '<span class="equation" role="group" aria-label="equation" tabindex="0">{}</span>'
    kept = around.format('<math display="block"><mi>x</mi></math>')
    assert allowed_equation(kept) == kept


def test_a_mark_for_an_equation_that_is_not_there_leaves_nothing():
    assert allowed('a<span data-equation="7"></span>b', None, ["<math></math>"]) == "ab"
    said = allowed('<a title="&lt;span data-equation=&quot;0&quot;>&lt;/span>">x</a>', None, ["<math></math>"])
    assert "<math>" not in said


# Outputs that are not what they say


def main_of(*cells) -> BeautifulSoup:
    return BeautifulSoup(render(new_notebook(cells=[*cells]), Head("Toy", []), set()), "html.parser").main


FORGED = 'x" onerror="alert(1)"><meta http-equiv="refresh" content="0;url=http://example.org/"><form><input></form>'


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"])
def test_what_is_no_picture_puts_nothing_into_the_page(mime):
    output = new_output("display_data", data={mime: FORGED})
    text = render(new_notebook(cells=[new_code_cell("x", outputs=[output])]), Head("Toy", []), set())
    main = BeautifulSoup(text, "html.parser").main
    assert not main.select("meta, form, input, [onerror]")
    assert "http://example.org" not in text
    if mime != "image/svg+xml":  # which a picture may hold: a browser runs nothing of it
        assert mime in main.select_one("em").get_text()


def png(mode: str, size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png("RGB", (4, 4)), "image/webp"),
        (png("RGB", (2, 16_400)), "image/png"),  # higher than a WebP may be
        (png("I;16", (4, 4)), "image/png"),  # 16 bits
        ("AAAA", None),
        ("no base64!", None),
        ("", None),
        (base64.b64encode(b"GIF89a").decode(), None),
    ],
)
def test_a_picture_that_cannot_be_read_takes_no_page_with_it(content, kind):
    output = new_output("display_data", data={"image/png": content, "text/plain": "a plot"})
    text = render(new_notebook(cells=[new_code_cell("x", outputs=[output])]), Head("Toy", []), set())
    main = BeautifulSoup(text, "html.parser").main
    if kind is None:
        assert main.img is None
        assert "a plot" in main.get_text()
    else:
        assert main.img["src"].startswith(f"data:{kind};base64,")


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="d&#9;ata:text/html,x">x</a>',
        '<a href="da\nta:text/html,x">x</a>',
        '<a href="java&#10;script:alert(1)">x</a>',
        '<q cite="javascript:alert(1)">x</q>',
        '<blockquote cite="d&#9;ata:text/html,x">x</blockquote>',
        '<img src="https://[x/a.png">',
        '<img src="attachment:none.png">',
        f'<span data-equation="{"9" * 5000}"></span>',
        "half a pair \ud800",
    ],
)
def test_an_address_that_is_none_leads_nowhere_and_takes_no_page_with_it(markup):
    text = render(new_notebook(cells=[new_markdown_cell(markup)]), Head("Toy", []), set())
    text.encode()
    main = BeautifulSoup(text, "html.parser").main
    for link in main.select("a[href], [cite]"):
        address = re.sub(r"[\x00-\x20]", "", link.get("href") or link.get("cite"))
        assert re.match(r"#|https?:", address)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"application/javascript": "alert(1)"}, "application/javascript"),
        ({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}, "widget-view"),
        ({"text/html": "<script>alert(1)</script>", "text/plain": "in words"}, "in words"),
        ({"text/plain": "\x1b[31mred\x1b[0m \x1b]8;;http://a.b\x07link\x1b]8;;\x07"}, "red link"),
    ],
)
def test_what_a_page_cannot_show_is_said(data, said):
    cell = new_code_cell("x", outputs=[new_output("display_data", data=data)])
    main = main_of(cell)
    assert said in main.get_text()
    assert "alert" not in main.get_text()


def test_an_error_without_a_traceback_and_a_raw_cell_show_as_text():
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    cells = [new_code_cell("", outputs=[error]), new_raw_cell("<b>raw</b>\n  kept")]
    main = main_of(*cells)
    assert "ValueError: no" in main.get_text()
    assert "<b>raw</b>\n  kept" in main.get_text()


def test_code_in_an_unknown_language_stands_as_it_is():
    fences = "```mermaid\nA[x<y] --> B\n```\n\n```no-such\nfoo\n```\n\n```python\nx = 1\n```"
    main = main_of(new_markdown_cell(fences))
    first, second, third = main.find_all("pre")
    assert first.get_text().strip() == "A[x<y] --> B"
    assert second.get_text().strip() == "foo"
    assert third.find_parent(class_="highlight")


def test_classes_of_the_page_are_not_an_authors():
    text = '<div class="toc"><p>Important</p></div><p class="skip">seen</p><p class="failure">no failure</p>'
    main = main_of(new_markdown_cell(text))
    assert {"Important", "seen", "no failure"} <= {p.get_text() for p in main.find_all("p")}
    assert not main.select("p.skip, p.failure, div.toc")


def test_links_of_notebooks_lead_to_pages():
    text = "# Toy\n\n## Training the VAE\n\n[to](#Training-the-VAE) [next](02_kl_ablation.ipynb) [![b](http://a.b/c.png)](http://a.b)"
    main = main_of(new_markdown_cell(text))
    hrefs = {a.get_text(): a["href"] for a in main.select("section a")}
    assert hrefs["to"] == f"#{main.h2['id']}"
    assert hrefs["next"] == "02_kl_ablation.html"
    assert hrefs["b"] == "http://a.b"
