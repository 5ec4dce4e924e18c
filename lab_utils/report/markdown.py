"""Markdown of notebooks as HTML: equations as MathML, pictures by their address, nothing cleaned yet.

What an author wrote passes the allowlist without its equations; each stands where a mark stood.
"""

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from re import Match
from typing import Any, ClassVar
from urllib.parse import unquote

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath, MathBlockParser, MathInlineParser

from lab_utils.equations import equation, mathml
from lab_utils.report.allowed import allowed, allowed_equation, equation_mark

# Between two dollars: no code, for then they are prices or shell variables, and no other dollar without a backslash.
BETWEEN = r"(?:\\.|[^$`\\])"
# As Pandoc has it: no blank inside of either dollar, but on both sides it may be, and neither digit nor letter after
# them, so that prices and shell variables stay as they are. The "k-th" may stand without its hyphen.
INLINE_MATH = (
    rf"(?s:(?<![$\\])\$(?!\$)(?P<math_inline_tex>(?!\s){BETWEEN}*?(?<!\s)|\s{BETWEEN}+?\s)\$"
    r"(?=(?:th|st|nd|rd|s)\b|[^\w${]|_|\Z))"
)
ENVIRONMENT = r"\\begin\{(?P<math_env_name>[A-Za-z]+\*?)\}(?P<math_env_body>.*?)\\end\{(?P=math_env_name)\}"
DELIMITERS = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))  # of an equation that a cell gives as TeX


class Block(MathBlockParser):
    """Equations on lines of their own, which may hold an environment of their own name."""

    SPECIFICATION: ClassVar = {
        **MathBlockParser.SPECIFICATION,
        "multiline_math": rf"(?s:(?<!\\)[$]{{2}}.*?(?<!\\)[$]{{2}}|\\\\\[.*?\\\\\]|{ENVIRONMENT})",
    }

    def parse_multiline_math(self, m: Match[str], state: Any) -> int:
        end = environment_end(state.src, m.start(), m["math_env_name"]) if m["math_env_name"] else m.end()
        state.add_paragraph(state.src[m.start() : end])
        return end


class Inline(MathInlineParser):
    """Equations in a line of text, which prices and shell variables are not."""

    SPECIFICATION: ClassVar = {
        **MathInlineParser.SPECIFICATION,
        "inline_math_tex": INLINE_MATH,
        "latex_environment": rf"(?s:{ENVIRONMENT})",
    }

    def parse_latex_environment(self, m: Match[str], state: Any) -> int:
        name = m["math_env_name"]
        end = environment_end(state.src, m.start(), name)
        body = state.src[m.start("math_env_body") : end - len(rf"\end{{{name}}}")]
        state.append_token({"type": "latex_environment", "attrs": {"name": name, "body": body}})
        return end


def environment_end(source: str, start: int, name: str) -> int:
    """Where the environment ends that begins at ``start``, with those of the same name in it.

    It is the first end of that name where none is its own.
    """
    depth = 0
    ends = list(re.finditer(rf"\\(begin|end)\{{{re.escape(name)}\}}", source[start:]))
    for found in ends:
        depth += 1 if found[1] == "begin" else -1
        if depth == 0:
            return start + found.end()
    return start + next(found.end() for found in ends if found[1] == "end")


def without_pipes(source: str) -> str:
    r"""Markdown in whose tables an equation holds no pipe, for a table takes each for the end of a cell."""
    fence, lines = "", []
    for line in source.split("\n"):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        lines.append(row_without_pipes(line) if not fence and line.lstrip().startswith("|") else line)
    return "\n".join(lines)


def row_without_pipes(line: str) -> str:
    def replaced(found: Match[str]) -> str:
        return found[0] if found["math_inline_tex"] is None else re.sub(r"\\\\|\\?\|([A-Za-z]?)", bar, found[0])

    return re.sub(rf"`[^`]*`|{INLINE_MATH}", replaced, line)


def bar(found: Match[str]) -> str:
    """A pipe of an equation as a command, and a blank where it would run into a letter."""
    letter = found[1] or ""
    command = {"|": r"\vert", r"\|": r"\Vert"}.get(found[0].removesuffix(letter), found[0])
    return command + (f" {letter}" if letter else "")


class Renderer(IPythonRenderer):
    """Puts a mark where an equation will stand, so that what the author wrote can be cleaned without it."""

    def __init__(self, attachments: dict[str, dict[str, str]]):
        super().__init__(escape=False, attachments=attachments, exclude_anchor_links=True)
        self.equations: list[str] = []

    def marked(self, markup: str) -> str:
        self.equations.append(allowed_equation(markup))
        return equation_mark(len(self.equations) - 1)

    def block_math(self, body: str) -> str:
        return self.marked(equation(body))

    def inline_math(self, body: str) -> str:
        return self.marked(mathml(body))

    def latex_environment(self, name: str, body: str) -> str:
        return self.marked(equation(rf"\begin{{{name}}}{body}\end{{{name}}}"))

    def _embed_image_or_attachment(self, src: str) -> str:
        """An address stays one until what the author wrote is cleaned."""
        return src

    def block_code(self, code: str, info: str | None = None) -> str:
        """Code in a language that nobody colours stands as it is; nbconvert writes the language into it."""
        made = super().block_code(code, info)
        return made if 'class="highlight' in made else f"<pre><code>{escape(code)}</code></pre>\n"


def markdown_html(source: str, attachments: Mapping[str, Mapping[str, str]], folder: Path | None) -> str:
    """Markdown as HTML that passed the allowlist; pictures are the cell's attachments or files of the ``folder``."""
    renderer = Renderer(dict(attachments))
    markdown = MarkdownWithMath(renderer=renderer, block=Block(), inline=Inline(hard_wrap=False))
    attached = {unquote(name): kinds for name, kinds in renderer.attachments.items()}
    return allowed(markdown.render(without_pipes(source)), folder, renderer.equations, attached)


def tex_html(source: str, folder: Path | None) -> str:
    """What a cell gives as TeX: one equation, or text with several."""
    tex = undelimited(source.strip())
    if re.search(r"(?<!\\)\$", tex):
        return markdown_html(source, {}, folder)
    return allowed_equation(equation(tex))


def undelimited(tex: str) -> str:
    """TeX without the one pair of delimiters that it may stand in."""
    for left, right in DELIMITERS:
        if tex.startswith(left) and tex.endswith(right) and len(tex) > len(left + right):
            return tex[len(left) : -len(right)]
    return tex
