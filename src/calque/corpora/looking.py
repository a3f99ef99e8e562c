"""What a file is, by a look at its first rows: its form and the languages in it. Nothing is converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from calque.corpora.exchange import CONVERSATIONS
from calque.corpora.files import form_of, read_lines
from calque.corpora.json_rows import read_json, read_rows
from calque.corpora.pairs import code_of_tag
from calque.corpora.passages import PassageFiles, read_passages
from calque.corpora.text_rows import TEXT_FIELDS, begins_with
from calque.corpora.tmx import read_units
from calque.errors import CalqueError
from calque.identify import UNDETERMINED, identify
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.records import Passage, Rejected

Form = Literal[
    "alpaca", "dolly", "oasst", "pairs", "lines", "squad", "passages", "messages", "index", "open", "questions", "answers", "unknown"
]  # fmt: skip
LOOKED_AT = 200  # rows
READ = 4000  # characters to tell a language by
JSON = (".json", ".jsonl", ".ndjson")
COLUMNS = (".tsv", ".tab", ".txt")


@dataclass(frozen=True, slots=True)
class Look:
    """A file: `rows` is how many it has, 0 where they were not counted.

    `languages`: of request and response (alpaca, dolly, oasst), of the English and the other side (pairs), else of the text.
    `columns` are those of the two sides of a table. `why` says why a file is of no use.
    """

    path: Path
    form: Form
    languages: tuple[str, ...] = ()
    rows: int = 0
    columns: tuple[int, int] = (0, 1)
    why: str = ""

    @property
    def told(self) -> str:
        """In a few words."""
        names = " and ".join(dict.fromkeys(_name(code) for code in self.languages))
        words = {
            "alpaca": "instructions (Alpaca)",
            "dolly": "instructions with their English originals (Dolly)",
            "oasst": "conversations with their English originals (OpenAssistant)",
            "pairs": "parallel sentences",
            "lines": "text, line by line",
            "squad": "questions on texts (SQuAD)",
            "passages": "native text",
            "messages": "conversations",
            "index": "an index of rows that belong together",
            "open": "open questions (Vicuna)",
            "questions": "questions (FastChat)",
            "answers": "answers (FastChat)",
            "unknown": self.why or "of no known form",
        }
        count = f"{self.rows:,} rows, " if self.rows else ""
        return f"{count}{words[self.form]}{f' in {names}' if names else ''}"


def look(path: Path) -> Look:
    """What a file is. A broken one is `unknown`, with the reason; so is what has no form that calque reads."""
    try:
        return _look(path)
    except CalqueError as error:
        return Look(path, "unknown", why=error.problems[0].message)


def language_in(texts: Iterable[object]) -> str:
    """The language of texts taken together, as the registry calls it; empty where it cannot be told. What is no text is left out."""
    joined: list[str] = []
    size = 0
    for text in texts:
        if not isinstance(text, str):
            continue
        joined.append(text)
        size += len(text)
        if size > READ:
            break
    code = identify("\n".join(joined)[: 2 * READ]).code
    try:
        return "" if code == UNDETERMINED else language_of(code).code
    except UnknownLanguageError:
        return ""


def _look(path: Path) -> Look:
    form = form_of(path)
    if form == ".tmx":
        return _tmx(path)
    if form in JSON:
        return _squad(path) if form == ".json" and begins_with(path, b"{") else _json(path)
    if form in (".md", ".markdown", ".mdx", ".html", ".htm", ".xhtml", ".parquet", ".zip"):
        rows = islice(read_passages(PassageFiles("en", (path,))), LOOKED_AT)  # in whatever language it is
        return Look(path, "passages", _languages(row.text for row in rows if isinstance(row, Passage)))
    return _table_or_text(path)


def _squad(path: Path) -> Look:
    value = read_json(path)
    articles = value.get("data") if isinstance(value, dict) else None
    try:
        questions = [qa for a in articles or () for p in a["paragraphs"] for qa in p["qas"]]
        asked = [qa["question"] for qa in questions]
        answered = any(answer["text"] for qa in questions for answer in qa["answers"])
    except (KeyError, TypeError):
        asked, answered = [], False
    if not asked:
        return Look(
            path, "unknown", why="a JSON object, and not in SQuAD's form; rows are to stand in a list"
        )
    if not answered:
        return Look(path, "unknown", why="questions on texts (SQuAD), none of which has an answer")
    return Look(path, "squad", _languages(asked), len(asked))


def _json(path: Path) -> Look:
    head: list[dict[str, Any]] = []
    rows = 0
    for row in read_rows(path):
        rows += 1
        if not isinstance(row, Rejected) and isinstance(row.value, dict) and len(head) < LOOKED_AT:
            head.append(row.value)
    if not head:
        return Look(path, "unknown", why="no row of it is an object")
    fields = Counter(str(field) for row in head for field in row)
    has = {field for field, n in fields.items() if 2 * n >= len(head)}
    if {"orig_instruction", "orig_response", "instruction", "response"} <= has:
        return Look(path, "dolly", ("en", language_in(_texts(head, "response"))), rows)
    if {"message_id", "orig_text", "text", "role"} <= has:
        return Look(path, "oasst", ("en", language_in(_texts(head, "text"))), rows)
    if {"instruction", "output"} <= has:
        both = language_in(_texts(head, "instruction")), language_in(_texts(head, "output"))
        return Look(path, "alpaca", both, rows)
    if has & set(CONVERSATIONS):
        return Look(path, "messages", _languages(_said(head)), rows)
    if "en_row" in has and (
        sides := [f for f in fields if f in has and f.endswith("_row") and f != "en_row"]
    ):
        return Look(path, "index", ("en", code_of_tag(sides[0].removesuffix("_row")) or ""), rows)
    if {"question_id", "turns"} <= has:
        return Look(path, "questions", _languages(_turns(row["turns"] for row in head)), rows)
    if {"question_id", "choices"} <= has:
        answers = (choice.get("turns") for row in head for choice in _objects(row["choices"]))
        return Look(path, "answers", _languages(_turns(answers)), rows)
    if {"question_id", "text"} <= has:
        return Look(path, "open", _languages(_texts(head, "text")), rows)
    by_tag = _sides(row.get("translation", row) for row in head)
    if by_tag:
        return Look(path, "pairs", by_tag, rows)
    text = next((field for field in TEXT_FIELDS if field in has), "")
    if text:
        return Look(path, "passages", _languages(_texts(head, text)), rows)
    return Look(path, "unknown", why=f"its rows have the fields {', '.join(list(fields)[:8])}")


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _turns(rows: Iterable[object]) -> Iterator[object]:
    """The texts of FastChat's turns: texts, or {content: text}, also one list deeper."""
    for turns in rows:
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, list):
                yield from _turns([turn])
            else:
                yield turn.get("content") if isinstance(turn, dict) else turn


def _said(rows: Sequence[Mapping[str, Any]]) -> Iterator[object]:
    """The texts of conversations."""
    for row in rows:
        for turn in _objects(row.get("messages") or row.get("conversations")):
            yield turn.get("content") or turn.get("value")


def _sides(rows: Iterable[Any]) -> tuple[str, ...]:
    """English and the language beside it, of rows that hold texts by language.

    Of several the one that stands most often, and first in the file; fields such as `id` are called as languages are, so it
    has to be one whose text is in it, where there is such a one.
    """
    texts: dict[str, list[str]] = {}
    for row in rows:
        for tag, text in row.items() if isinstance(row, Mapping) else ():
            if isinstance(text, str) and (code := code_of_tag(str(tag))):
                texts.setdefault(code, []).append(text)
    if "en" not in texts:
        return ()
    others = sorted(texts.keys() - {"en"}, key=lambda code: (-len(texts[code]), list(texts).index(code)))
    spoken = next((code for code in others if language_in(texts[code]) == code), None)
    return ("en", spoken or others[0]) if others else ()


def _tmx(path: Path) -> Look:
    units = list(islice(read_units(path), LOOKED_AT))
    sides = _sides(units)
    if not sides:
        return Look(path, "unknown", why="no unit of it has English and another language")
    return Look(path, "pairs", sides, sum(1 for _ in read_units(path)))


def _table_or_text(path: Path) -> Look:
    """Columns with tabs between them are pairs; else it is text, line by line."""
    head = list(islice(_lines(path), LOOKED_AT))
    if not head:
        return Look(path, "unknown", why="it is empty")
    if any("\0" in line for line in head):
        return Look(path, "unknown", why="it is no text")
    cells = [line.split("\t") for line in head]
    width = Counter(map(len, cells)).most_common(1)[0][0]
    rows = sum(1 for _ in read_lines(path))
    if form_of(path) in COLUMNS and width > 1:
        table = [row for row in cells if len(row) == width]
        codes = [_language_of_column([row[i] for row in table]) for i in range(width)]
        others = [i for i, code in enumerate(codes) if code not in ("en", "")]
        if "en" not in codes or not others:
            return Look(path, "unknown", why="no two of its columns are English and another language")
        columns = codes.index("en"), others[0]
        return Look(path, "pairs", ("en", codes[others[0]]), rows, columns)
    if form_of(path) == ".csv":
        return Look(path, "unknown", why="CSV is not read: give TSV, or JSON lines")
    return Look(path, "lines", _languages(head), rows)


def _language_of_column(cells: Sequence[str]) -> str:
    """Empty for labels, which are few and come again and again."""
    return language_in(cells) if 4 * len(set(cells)) >= len(cells) else ""


def _lines(path: Path) -> Iterator[str]:
    return (line for line in read_lines(path) if isinstance(line, str) and line.strip())


def _texts(rows: Sequence[Mapping[str, Any]], field: str) -> Iterator[str]:
    return (row[field] for row in rows if isinstance(row.get(field), str))


def _languages(texts: Iterable[object]) -> tuple[str, ...]:
    code = language_in(texts)
    return (code,) if code else ()


def _name(code: str) -> str:
    return language_of(code).name if code else "an unknown language"
