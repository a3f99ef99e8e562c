"""Plain text to texts: a whole file, its paragraphs (between blank lines), or its lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calque.corpora.files import open_bytes, read_lines
from calque.errors import DataError, Problem
from calque.records import Rejected

LARGEST = 2_000_000  # bytes of a text; what is larger is no passage but a dump
_PEEKED = 8192


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it stands in a file: its 1-based row (of plain text, its first line), and what is said of it."""

    text: str
    row: int
    source: str = ""
    licence: str = ""


def read_plain(path: Path, unit: Literal["document", "paragraph", "line"]) -> Iterator[Text | Rejected]:
    """The texts of a file. One with a line that cannot be read is `Rejected` as a whole, with the reason of that line.

    A text of more than `LARGEST` bytes is `Rejected` (`too_large`) and never held in memory. A file that begins with
    binary data is a `DataError`.
    """
    _refuse_binary(path)
    open_text = _Open(path.name)
    for row, line in enumerate(read_lines(path, longest=LARGEST), start=1):
        blank = isinstance(line, str) and not line.strip()
        if isinstance(line, Rejected):
            open_text.wrong = open_text.wrong or line
        elif not blank or unit == "document":
            open_text.add(row, line)
        if unit == "line" or (unit == "paragraph" and blank):
            yield from open_text.end()
    yield from open_text.end()


class _Open:
    """The text that is being read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: list[str] = []
        self.first = self.size = 0
        self.wrong: Rejected | None = None

    def add(self, row: int, line: str) -> None:
        """One more line of it."""
        self.first = self.first or row
        self.size += len(line.encode()) + 1
        if self.size <= LARGEST:
            self.lines.append(line)
        else:
            del self.lines[1:]

    def end(self) -> Iterator[Text | Rejected]:
        """What has been read, if anything, and begin anew."""
        if self.wrong is not None:
            yield self.wrong
        elif self.size > LARGEST:
            detail = f"the text that begins here has {self.size:,} bytes; at most {LARGEST:,} are read"
            yield Rejected(self.file, self.first, "too_large", detail, self.lines[0][:500])
        elif self.lines:
            yield Text("\n".join(self.lines), self.first)
        self.wrong, self.first, self.size, self.lines = None, 0, 0, []


def _refuse_binary(path: Path) -> None:
    with open_bytes(path) as stream:
        if b"\0" in stream.read(_PEEKED) and not _is_utf16(path):
            raise DataError(
                Problem(
                    "is binary data, not text",
                    str(path),
                    remedy="name its form by its ending, or leave it out",
                )
            )


def _is_utf16(path: Path) -> bool:
    """Whether it begins with the mark of UTF-16, of which `read_lines` tells."""
    with open_bytes(path) as stream:
        return stream.read(2) in (b"\xff\xfe", b"\xfe\xff")
