"""The rows of a JSON list or of JSON lines, one after the other, in memory for a row and not for the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from calque.corpora.files import form_of, read_chunks, read_lines, read_text
from calque.errors import DataError, Problem
from calque.records import Rejected

_DECODER = json.JSONDecoder()
_INCOMPLETE = "its end is missing: fetch it again"
_LONGEST_WORD = 9  # `-Infinity`: so near the end of a file, what is no word yet may be the beginning of one
_LONGEST_BREAK = 3  # "1" may go on as "1e+5": so many characters after a number must be known to tell its end


@dataclass(frozen=True, slots=True)
class JsonRow:
    """One value: its 1-based row, the line on which it begins, and its text as it stands in the file."""

    row: int
    line: int
    value: Any
    raw: str


def read_rows(path: str | Path, *, longest: int | None = None) -> Iterator[JsonRow | Rejected]:
    """Rows of a JSON list, or of JSON lines where the name says so (`.jsonl`, `.ndjson`, also packed).

    Of JSON lines, row = line; blank lines are no rows; a line that does not parse is `Rejected` (`invalid_json`). A
    list that does not parse, and either kind of file with its end cut off, is a `DataError`. A string that has no
    form in UTF-8 (half a surrogate pair) makes its row `Rejected` (`invalid_utf8`). So does a line of more than
    `longest` bytes (`too_large`).
    """
    return _lines(path, longest) if form_of(path) in (".jsonl", ".ndjson") else _list(path)


def read_json(path: str | Path) -> Any:
    """A whole JSON document; what does not parse is a `DataError` with its line."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        if _ends_early(text.rstrip(), wrong):
            last = text.count("\n", 0, len(text.rstrip())) + 1
            raise DataError(Problem("the file breaks off here", str(path), last, _INCOMPLETE)) from wrong
        problem = f"is not valid JSON: {wrong.msg} (column {wrong.colno})"
        raise DataError(Problem(problem, str(path), wrong.lineno)) from wrong
    except RecursionError as wrong:
        raise DataError(Problem("is nested too deep to be read", str(path))) from wrong


def _ends_early(text: str, wrong: json.JSONDecodeError) -> bool:
    """Whether the end of a document is missing: inside a string, between two values, or inside a word or escape."""
    amid_word = wrong.pos > len(text) - _LONGEST_WORD and not text.endswith(("}", "]"))
    return wrong.msg.startswith("Unterminated") or wrong.pos >= len(text) or amid_word


def _lines(path: str | Path, longest: int | None) -> Iterator[JsonRow | Rejected]:
    name = Path(path).name
    whole = 0
    for row, line in enumerate(read_lines(path, keep_ends=True, longest=longest), start=1):
        if isinstance(line, Rejected):
            yield line
            continue
        text = line.strip()
        if not text:
            continue
        if whole == 0 and text == "[":
            remedy = "name the file .json if it is one list"
            raise DataError(Problem("is a JSON list, not one JSON value a line", str(path), row, remedy))
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as wrong:
            if not line.endswith("\n"):
                raise DataError(_broken_off(path, row, row, whole)) from wrong
            yield Rejected(name, row, "invalid_json", str(wrong), text[:500])
            continue
        whole += 1
        yield _checked(name, JsonRow(row, row, value, text))


def _list(path: str | Path) -> Iterator[JsonRow | Rejected]:
    name = Path(path).name
    window = _Window(path)
    if window.next() != "[":
        found = {"{": "an object", "": "nothing"}.get(window.next(), "something else")
        remedy = {
            "an object": "if it holds one JSON object a line, name it .jsonl",
            "nothing": "the file is empty: fetch it again",
        }.get(found, "a .json file of rows begins with [")
        problem = Problem(
            f"expected a list of rows, [...], and found {found}", str(path), window.line, remedy
        )
        raise DataError(problem)
    window.move(1)
    if window.next() == "]":
        window.move(1)
    else:
        while True:
            yield _checked(name, window.value())
            mark = window.next()
            if mark not in (",", "]"):
                window.fail("a comma or the end of the list is missing")
            window.move(1)
            if mark == "]":
                break
            window.next()
    if window.next():
        window.fail("there is more after the end of the list")


class _Window:
    """The part of a document that is being read: `text[at:]`, and on which line that is."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.chunks = read_chunks(path)
        self.text, self.at, self.line, self.rows, self.more = "", 0, 1, 0, True

    def next(self) -> str:
        """The next character that is not blank; "" at the end of the file."""
        while True:
            while self.at < len(self.text):
                character = self.text[self.at]
                if character not in " \t\r\n":
                    return character
                self.move(1)
            if not self._read_on():
                return ""

    def move(self, characters: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + characters)
        self.at += characters

    def value(self) -> JsonRow:
        """The value that begins here, as the next row."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as wrong:
                # Near the end of what has been read, or inside a string, the rest may still come.
                open_end = wrong.msg.startswith("Unterminated") or wrong.pos > len(self.text) - 16
                if open_end and self._read_on():
                    continue
                if wrong.msg.startswith("Unterminated") or (
                    open_end and not self.text.rstrip().endswith("]")
                ):
                    last = self.line + self.text.count("\n", self.at, len(self.text.rstrip()))
                    raise DataError(_broken_off(self.path, self.line, last, self.rows)) from wrong
                self.move(wrong.pos - self.at)
                self.fail(wrong.msg)
            except RecursionError as wrong:
                raise DataError(
                    Problem("is nested too deep to be read", str(self.path), self.line)
                ) from wrong
            length = end - self.at
            if len(self.text) - end < _LONGEST_BREAK and self._read_on():
                continue
            self.rows += 1
            row = JsonRow(self.rows, self.line, value, self.text[self.at : self.at + length])
            self.move(length)
            return row

    def fail(self, message: str) -> NoReturn:
        """Say what is wrong here: that the file breaks off, if this is its end."""
        if not self.next():
            raise DataError(_broken_off(self.path, self.line, self.line, self.rows))
        problem = f"is not valid JSON: {message}, after {_whole(self.rows)}"
        raise DataError(Problem(problem, str(self.path), self.line))

    def _read_on(self) -> bool:
        """Read at least as much again as is open; False at the end of the file."""
        open_part = self.text[self.at :]
        pieces, wanted = [open_part], max(1, len(open_part))
        while self.more and wanted > 0:
            piece = next(self.chunks, None)
            if piece is None:
                self.more = False
            else:
                pieces.append(piece)
                wanted -= len(piece)
        self.text, self.at = "".join(pieces), 0
        return len(pieces) > 1


def _checked(name: str, row: JsonRow) -> JsonRow | Rejected:
    if "\\ud" in row.raw.lower():
        try:
            json.dumps(row.value, ensure_ascii=False).encode()
        except UnicodeEncodeError as wrong:
            return Rejected(name, row.row, "invalid_utf8", f"line {row.line}: {wrong.reason}", row.raw[:500])
    return row


def _broken_off(path: str | Path, begun: int, line: int, whole: int) -> Problem:
    inside = f"inside the row that begins on line {begun}, " if begun != line else ""
    problem = f"the file breaks off here, {inside}after {_whole(whole)}"
    return Problem(problem, str(path), line, _INCOMPLETE)


def _whole(rows: int) -> str:
    return "1 whole row" if rows == 1 else f"{rows} whole rows"
