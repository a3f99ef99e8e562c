"""Parts to one mixture, with exact counts, no row twice, and nothing lost in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calque.errors import DataError, Problem
from calque.randomness import rank
from calque.records import Demonstration

Amount = int | float | Literal["all"]


@dataclass(frozen=True)
class Part:
    """Demonstrations of one kind, and how many of them to take: a count, a share in (0, 1], or all."""

    name: str
    demonstrations: Sequence[Demonstration]
    amount: Amount = "all"


@dataclass(frozen=True)
class Mixture:
    """What was drawn, shuffled; `counts` is {"rows", "kept", "parts": {name: n}, "dropped": {reason: n}}."""

    demonstrations: tuple[Demonstration, ...]
    counts: dict[str, Any]


def mix(parts: Sequence[Part], *, seed: int) -> Mixture:
    """Draw each part's amount and shuffle.

    A demonstration that an earlier row or part already holds is dropped (`duplicate`) before anything is drawn.
    Under one seed a smaller amount is part of a larger one. Raises `DataError` where a part has fewer than asked.
    """
    taken: list[tuple[bytes, Demonstration]] = []
    seen: set[str] = set()
    of_part: dict[str, int] = {}
    dropped: Counter[str] = Counter()
    for part in parts:
        unique = list(_unique(part, seen, seed))
        dropped["duplicate"] += len(part.demonstrations) - len(unique)
        wanted = _wanted(part, len(unique))
        dropped["not_drawn"] += len(unique) - wanted
        of_part[part.name] = wanted
        unique.sort(key=lambda entry: entry[0])
        taken += [(place, row) for _, place, row in unique[:wanted]]
    taken.sort(key=lambda entry: entry[0])
    counts = {
        "rows": sum(len(part.demonstrations) for part in parts),
        "kept": len(taken),
        "parts": of_part,
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
    }
    return Mixture(tuple(row for _, row in taken), counts)


def _unique(part: Part, seen: set[str], seed: int) -> Iterator[tuple[bytes, bytes, Demonstration]]:
    """The part's rows that were not seen yet: rank in the draw, rank in the mixture, row."""
    for row in part.demonstrations:
        id_ = row.id
        if id_ not in seen:
            seen.add(id_)
            yield rank(seed, "draw", part.name, id_), rank(seed, "mix", id_), row


def _wanted(part: Part, there: int) -> int:
    if part.amount == "all":
        return there
    if isinstance(part.amount, float):
        return round(part.amount * there)
    if part.amount > there:
        raise DataError(too_few(part.name, part.amount, f"{there:,} different ones"))
    return part.amount


def too_few(part: str, amount: int, there: str) -> Problem:
    """That a part has fewer rows than are asked for."""
    message = f"{amount:,} rows of {part} are asked for, and there are {there}"
    remedy = "ask for fewer, or for a share (0.5), or for all: rows are never repeated"
    return Problem(message, remedy=remedy)
