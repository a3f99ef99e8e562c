"""Rows in, rows kept and rows dropped of every step, and lengths in tokens, as the files of a step say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from calque.reports.reading import number, read_list, read_object, read_rows, shaped

EXAMPLES_PER_REASON = 2
NOT_DRAWN = "not_drawn"  # nothing is wrong with such a row: the limit left it out


@dataclass(frozen=True, slots=True)
class FileCount:
    """A file that was read, with its own counts where they were kept."""

    name: str
    rows: int | None = None
    kept: int | None = None
    dropped: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """One row that was put aside, with its reason."""

    file: str
    row: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a server for one evaluation: requests, tokens read and written, and questions left unanswered, by reason."""

    requests: int
    prompt_tokens: int
    tokens: int
    unanswered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows in = rows kept + rows dropped, for one step; `notes` count rows that were kept all the same.

    Of an evaluation `tokens_per_answer` is the mean of what the model wrote for one, on the way to it too.
    """

    step: str
    kind: str
    rows: int
    kept: int
    dropped: Mapping[str, int]
    files: tuple[FileCount, ...] = ()
    parts: Mapping[str, int] | None = None
    notes: Mapping[str, int] = field(default_factory=dict)
    tokens_per_answer: float = math.nan
    examples: tuple[Drop, ...] = ()
    server: Asked | None = None

    @property
    def adds_up(self) -> bool:
        """Whether no row was lost in silence."""
        return self.rows == self.kept + sum(self.dropped.values())


def read_counts(place: Path, step: str, kind: str) -> Counts | None:
    """What `counts.json` in a step's folder says; nothing where there is none yet."""
    path = place / "counts.json"
    row = read_object(path)
    if "rows" not in row or "kept" not in row:
        return None
    return shaped(
        lambda: Counts(
            step=step,
            kind=kind,
            rows=int(row["rows"]),
            kept=int(row["kept"]),
            dropped=_by_reason(row.get("dropped")),
            files=tuple(_file(file) for file in row.get("files") or ()),
            parts={str(k): int(v) for k, v in row["parts"].items()} if row.get("parts") else None,
            notes=_by_reason(row.get("notes")),
            tokens_per_answer=number(row.get("tokens_per_answer")),
            examples=_examples(place / "dropped.jsonl"),
            server=_asked(row.get("server")),
        ),
        path,
    )


def _asked(row: Any) -> Asked | None:
    if not row:
        return None
    numbers = {key: int(row.get(key) or 0) for key in ("requests", "prompt_tokens", "tokens")}
    return Asked(**numbers, unanswered=_by_reason(row.get("unanswered")))


def _by_reason(row: Any) -> dict[str, int]:
    return {
        str(reason): int(n) for reason, n in sorted((row or {}).items(), key=lambda item: (-item[1], item[0]))
    }


def _file(row: Any) -> FileCount:
    """A file is listed by its name alone, or with its counts."""
    if not isinstance(row, dict):
        return FileCount(PurePath(str(row)).name)
    name = next((row[key] for key in ("file", "name", "path") if row.get(key)), "")
    rows, kept = (None if row.get(key) is None else int(row[key]) for key in ("rows", "kept"))
    return FileCount(PurePath(str(name)).name, rows, kept, _by_reason(row.get("dropped")))


def _examples(path: Path) -> tuple[Drop, ...]:
    """The first rows that were dropped for each reason."""
    kept: dict[str, list[Drop]] = {}
    for drop in read_rows(path, _drop):
        seen = kept.setdefault(drop.reason, [])
        if drop.reason != NOT_DRAWN and len(seen) < EXAMPLES_PER_REASON:
            seen.append(drop)
    return tuple(drop for _, drops in sorted(kept.items()) for drop in drops)


def _drop(row: Mapping[str, Any]) -> Drop:
    text = {key: str(row.get(key) or "") for key in ("file", "reason", "detail", "raw")}
    return Drop(
        PurePath(text["file"]).name, int(row.get("row") or 0), text["reason"], text["detail"], text["raw"]
    )


@dataclass(frozen=True, slots=True)
class Length:
    """Lengths of the rows of one language and kind as they are trained on, in tokens of the model's tokenizer."""

    language: str
    kind: str
    rows: int
    tokens: int
    trained_tokens: int
    longest: int
    truncated: int
    dropped: int


def read_lengths(place: Path) -> tuple[Length, ...]:
    """The rows of `lengths.json` in the folder of an encode step."""
    path = place / "lengths.json"
    return tuple(shaped(partial(_length, row), path) for row in read_list(path))


def _length(row: Mapping[str, Any]) -> Length:
    whole = ("rows", "tokens", "trained_tokens", "longest", "truncated", "dropped")
    return Length(str(row["language"]), str(row["kind"]), **{key: int(row.get(key) or 0) for key in whole})


@dataclass(frozen=True, slots=True)
class Fertility:
    """What the texts of one language take in tokens, without the template.

    Where the language writes no spaces between words, `words` is None and `tokens_per_word` NaN.
    """

    language: str
    tokens: int
    characters: int
    words: int | None
    tokens_per_word: float
    tokens_per_character: float


def read_fertility(place: Path) -> tuple[Fertility, ...]:
    """The rows of `fertility.json` in the folder of an encode step."""
    path = place / "fertility.json"
    return tuple(shaped(partial(_fertility, row), path) for row in read_list(path))


def _fertility(row: Mapping[str, Any]) -> Fertility:
    return Fertility(
        language=str(row["language"]),
        tokens=int(row["tokens"]),
        characters=int(row["characters"]),
        words=None if row["words"] is None else int(row["words"]),
        tokens_per_word=number(row["tokens_per_word"]),
        tokens_per_character=number(row["tokens_per_character"]),
    )
