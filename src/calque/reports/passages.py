"""Native text by language: how much there was, what was kept, and what was dropped for which kind of reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from calque.reports.counts import Counts
from calque.reports.reading import read_object, shaped

KEPT, OTHER = "kept", "not text worth learning from"
GROUPS: Mapping[str, tuple[str, ...]] = {
    KEPT: (),
    "length": ("too_short", "too_long", "too_many_tokens"),
    "language and script": ("wrong_language", "mixed_languages", "wrong_script", "no_letters"),
    OTHER: (),
    "duplicates": ("duplicate", "near_duplicate"),
    "unreadable": (
        "empty",
        "binary",
        "too_large",
        "invalid_utf8",
        "invalid_json",
        "missing_field",
        "wrong_type",
    ),
}  # each with its reasons; OTHER has those of none
STYLES = dict(zip(GROUPS, (3, 1, 2, 0, 4, 5), strict=True))  # what is kept is green


@dataclass(frozen=True, slots=True)
class Passages:
    """The passages of one language; `characters` and `tokens` are those of the kept: all, then three quantiles."""

    language: str
    counts: Counts
    characters: tuple[int, ...]
    tokens: tuple[int, ...]
    boilerplate_taken_out: int


def read_passages(place: Path, counts: Counts | None) -> Passages | None:
    """What `statistics.json` in a step's folder says; nothing where there is none yet."""
    path = place / "statistics.json"
    row = read_object(path)
    if counts is None or not row:
        return None
    return shaped(
        lambda: Passages(
            language=str(row["language"]),
            counts=counts,
            characters=_sum_and_quantiles(row["characters"]),
            tokens=_sum_and_quantiles(row["tokens"]),
            boilerplate_taken_out=int(row["boilerplate_taken_out"]),
        ),
        path,
    )


def _sum_and_quantiles(row: Mapping[str, Any]) -> tuple[int, ...]:
    return (int(row["all"]), *(int(value) for value in row["quantiles"]))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in percent of it."""

    group: str
    style: int
    rows: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """All passages of a language, cut into what was kept and why the others were dropped."""

    passages: Passages
    parts: tuple[Part, ...]


def bars(passages: Sequence[Passages]) -> tuple[Bar, ...]:
    """A bar for each language that has passages at all."""
    return tuple(_bar(one) for one in passages if one.counts.rows)


def _bar(one: Passages) -> Bar:
    known = {reason: group for group, reasons in GROUPS.items() for reason in reasons}
    rows = dict.fromkeys(GROUPS, 0) | {KEPT: one.counts.kept}
    for reason, n in one.counts.dropped.items():
        rows[known.get(reason, OTHER)] += n
    starts = accumulate(rows.values(), initial=0)
    share = 100 / one.counts.rows
    parts = [
        Part(group, STYLES[group], n, round(start * share, 2), round(n * share, 2))
        for (group, n), start in zip(rows.items(), starts, strict=False)
        if n
    ]
    return Bar(one, tuple(parts))
