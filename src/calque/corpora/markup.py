"""Markdown and HTML to plain text, in sections: what a reader of the page reads, and where a heading begins a new part.

Left out are scripts, styles, forms, navigation, asides, headers and footers of the page, images, fenced code, front
matter and template tags. Lists keep a dash before each item.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

_SKIPPED = {
    "aside", "button", "canvas", "dialog", "footer", "form", "head", "header", "iframe", "nav", "noscript", "object",
    "script", "select", "style", "svg", "template", "textarea",
}  # fmt: skip
_BLOCKS = {
    "address", "article", "blockquote", "body", "br", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "hr", "html", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


def html_sections(text: str) -> Iterator[str]:
    """The text of an HTML page, a section for each heading with what stands below it, up to the next."""
    page = _Page()
    page.feed(text)
    page.close()
    page.end_block()
    yield from _sections(page.blocks, "\n")


def markdown_sections(text: str) -> Iterator[str]:
    """The text of a Markdown document, a section for each heading with what stands below it, up to the next."""
    yield from _sections(_markdown_blocks(_without_tags(_without_code(_FRONT_MATTER.sub("", text)))), "\n\n")


def _sections(blocks: list[tuple[bool, str]], between: str) -> Iterator[str]:
    """Blocks, each a heading or not, to sections; headings with nothing below go to the next section."""
    section: list[str] = []
    filled = False
    for is_heading, block in blocks:
        if is_heading and filled:
            yield between.join(section)
            section, filled = [], False
        section.append(block)
        filled = filled or not is_heading
    if section:
        yield between.join(section)


class _Page(HTMLParser):
    """Gathers `blocks`: (whether a heading, text with its white space made single)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[tuple[bool, str]] = []
        self._text: list[str] = []
        self._skipped: list[str] = []
        self._heading = self._item = self._keeps_lines = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _SKIPPED:
            self._skipped.append(tag)
        elif not self._skipped and (tag in _BLOCKS or tag in _HEADINGS):
            self.end_block()
            self._heading, self._item = tag in _HEADINGS, tag == "li"
            self._keeps_lines = tag == "pre"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            while self._skipped.pop() != tag:
                pass
        elif not self._skipped and (tag in _BLOCKS or tag in _HEADINGS):
            self.end_block()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(data)

    def end_block(self) -> None:
        """Close the block that is open."""
        text = "".join(self._text)
        text = text.strip("\n") if self._keeps_lines else " ".join(text.split())
        if text.strip():
            self.blocks.append((self._heading, f"- {text}" if self._item else text))
        self._text = []
        self._heading = self._item = self._keeps_lines = False


class _Tags(HTMLParser):
    """Gathers the text between tags as it stands, without the elements that are skipped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.text: list[str] = []
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _SKIPPED:
            self._skipped.append(tag)
        elif tag == "br":
            self.handle_data("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SKIPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            while self._skipped.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.text.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(html.unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self.handle_data(html.unescape(f"&#{name};"))


def _without_tags(text: str) -> str:
    if "<" not in text and "&" not in text:
        return text
    tags = _Tags()
    tags.feed(text)
    tags.close()
    return "".join(tags.text)


_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S+.*$")
_QUOTE = re.compile(r"(?:[ ]{0,3}>[ \t]?)+")
_ITEM = re.compile(r"([ \t]*)[*+-][ \t]+")
_TEMPLATE = re.compile(r"\{[%{:][^{}\n]{0,500}\}{1,2}")
_INLINE = (
    (re.compile(r"!\[[^\[\]\n]{0,500}\](?:\([^()\n]{0,1000}\)|\[[^\[\]\n]{0,200}\])"), ""),
    (re.compile(r"\[([^\[\]\n]{0,500})\]\([^()\n]{0,1000}(?:\([^()\n]{0,500}\)[^()\n]{0,500})?\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,500})\]\[[^\[\]\n]{0,200}\]"), r"\1"),
    (re.compile(r"`{1,2}([^`\n]{1,500})`{1,2}"), r"\1"),
    (re.compile(r"(?<!\\)(\*\*|__)(?=\S)(.{1,1000}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\\*\w])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=\S)\*(?![*\w])"), r"\1"),
    (re.compile(r"(?<![\\_\w])_(?=[^\s_])([^\n]{1,1000}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])"), r"\1"),
)


def _without_code(text: str) -> str:
    """Without fenced blocks of code; one that is not closed goes on to the end."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence = mark[1]
        elif fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        else:
            lines.append(line)
    return "\n".join(lines)


def _markdown_blocks(text: str) -> list[tuple[bool, str]]:
    """(Whether a heading, text) of each paragraph, list or heading."""
    blocks: list[tuple[bool, str]] = []
    lines: list[str] = []

    def end_block(*, heading: bool = False) -> None:
        if lines:
            blocks.append((heading, "\n".join(lines)))
            lines.clear()

    for raw in text.split("\n"):
        line = _QUOTE.sub("", _TEMPLATE.sub("", raw), count=1) if ">" in raw[:4] else _TEMPLATE.sub("", raw)
        heading = _HEADING.match(line)
        if heading:
            end_block()
            if title := _inline(heading[1] or "").strip():
                lines.append(title)
            end_block(heading=True)
        elif _UNDERLINE.match(line) and len(lines) == 1:
            end_block(heading=True)
        elif _RULE.match(line) or _UNDERLINE.match(line) or not line.strip():
            end_block()
        elif not _DEFINITION.match(line):
            inline = _inline(_ITEM.sub(r"\1- ", line, count=1) if _ITEM.match(line) else line).strip()
            if inline.strip("-"):
                lines.append(inline)
    end_block()
    return blocks


def _inline(line: str) -> str:
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return line
