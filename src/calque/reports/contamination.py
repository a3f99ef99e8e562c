"""What the training data held of what was asked, as the step `contamination` wrote it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from calque.reports.reading import read_object, read_rows, shaped

EXAMPLES = 3  # of each set and kind
WORDS = {
    "same": "the whole prompt",
    "overlap": "inside a longer text, or in part",
    "near": "nearly the same prompt",
    "passage": "the text alone that it is about",
    "aligned": "the same question in another language",
    "translation": "perhaps a translation: equal numbers and names",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Of a set of `asked` questions, how many were found by each kind, and how many rows hold one."""

    set: str
    asked: int
    items: Mapping[str, int]
    rows: Mapping[str, int]

    @property
    def clean(self) -> int:
        """Questions of which nothing was found."""
        return self.asked - sum(self.items.values())


@dataclass(frozen=True, slots=True)
class Example:
    """A row and the question that it holds, each with its file and row."""

    kind: str
    set: str
    asked: str
    asked_at: str
    text: str
    text_at: str


@dataclass(frozen=True, slots=True)
class Contamination:
    """`rows` of training data were held against `sets`; `when_found` is what the recipe says is done.

    `made_later` are parts that were not there yet.
    """

    rows: int
    dropped: int
    when_found: str
    sets: tuple[Held, ...]
    traps: tuple[str, ...]
    made_later: tuple[str, ...]
    examples: tuple[Example, ...]

    @property
    def found(self) -> tuple[Held, ...]:
        """The sets of which anything was found."""
        return tuple(held for held in self.sets if held.items or held.rows)


def read_contamination(place: Path) -> Contamination | None:
    """What stands in the folder of the step; nothing where it is not done."""
    path = place / "counts.json"
    row = read_object(path)
    if "sets" not in row:
        return None
    return shaped(partial(_contamination, row, place), path)


def _contamination(row: Mapping[str, Any], place: Path) -> Contamination:
    return Contamination(
        rows=int(row["rows"]),
        dropped=sum(int(n) for n in (row.get("dropped") or {}).values()),
        when_found=str(row["when_found"]),
        sets=tuple(_held(one) for one in row["sets"]),
        traps=tuple(str(trap) for trap in row.get("traps") or ()),
        made_later=tuple(str(part) for part in row.get("made_later") or ()),
        examples=_examples(place / "hits.jsonl"),
    )


def _held(row: Mapping[str, Any]) -> Held:
    items, rows = ({str(k): int(v) for k, v in row[name].items()} for name in ("items", "rows"))
    return Held(str(row["set"]), int(row["asked"]), items, rows)


def _examples(path: Path) -> tuple[Example, ...]:
    """The first hits of each set and kind."""
    kept: dict[tuple[str, str], list[Example]] = {}
    for example in read_rows(path, _example):
        seen = kept.setdefault((example.set, example.kind), [])
        if len(seen) < EXAMPLES:
            seen.append(example)
    order = list(WORDS)
    keys = sorted(kept, key=lambda key: (key[0], order.index(key[1]) if key[1] in order else len(order)))
    return tuple(example for key in keys for example in kept[key])


def _example(row: Mapping[str, Any]) -> Example:
    return Example(
        kind=str(row["kind"]),
        set=str(row["set"]),
        asked=str(row["asked"]),
        asked_at=f"{row['item_file']}:{row['item_row']}" if row["item_file"] else "",
        text=str(row["text"]),
        text_at=f"{row['file']}:{row['row']}",
    )
