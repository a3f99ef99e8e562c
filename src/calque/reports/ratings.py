"""What people said who rated answers blind: `ratings.jsonl` beside the run, one line a rating.

A rating holds for two answers to a question, not for two systems as such: `answers` is a digest of them, so that ratings
of answers which the run no longer holds are known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.reports.reading import read_rows

if TYPE_CHECKING:
    from calque.reports.run import Answer, Run

RATINGS = "ratings.jsonl"
VERDICTS = ("first", "second", "tie", "both_bad")
SAME = "same"  # both answers are the same to the letter: nobody is asked


@dataclass(frozen=True, slots=True)
class Rating:
    """One verdict of one rater on the answers of two systems; nobody's where both answers are the same.

    `left` says which system's answer stood on the left; `seconds` is how long the rater looked, where it is known.
    """

    benchmark: str
    language: str
    item: str
    first: str
    second: str
    answers: str
    verdict: str
    rater: str
    left: str = ""
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.verdict not in (*VERDICTS, SAME):
            raise ValueError(f"verdict {self.verdict!r} is none of {', '.join((*VERDICTS, SAME))}")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Rating:
        """Read one row of `ratings.jsonl`."""
        seconds = row.get("seconds")
        texts = {name: str(row[name]) for name in ("benchmark", "language", "item", "first", "second")}
        return cls(
            **texts,
            answers=str(row["answers"]),
            verdict=str(row["verdict"]),
            rater=str(row["rater"]),
            left=str(row.get("left") or ""),
            seconds=None if seconds is None else float(seconds),
        )

    def to_row(self) -> dict[str, Any]:
        """The form of `ratings.jsonl`."""
        return asdict(self)

    @property
    def place(self) -> tuple[str, str]:
        """Benchmark and language."""
        return self.benchmark, self.language


def read_ratings(folder: Path) -> tuple[Rating, ...]:
    """The ratings of a run's folder; none where nobody rated. A row of another form is a `RunError` with its line."""
    return tuple(read_rows(folder / RATINGS, Rating.of))


def digest_of(first: Answer, second: Answer) -> str:
    """16 hex digits of the question and both answers, the first system's first."""
    shown = [first.question, first.context, list(first.choices), first.answer, second.answer]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def standing(run: Run) -> tuple[tuple[Rating, ...], int]:
    """The ratings of answers that the run holds, and how many there are of answers that it no longer holds."""
    now = dict(_digests(run))
    found = tuple(r for r in run.ratings if now.get((*r.place, r.item, r.first, r.second)) == r.answers)
    return found, len(run.ratings) - len(found)


def _digests(run: Run) -> Iterator[tuple[tuple[str, ...], str]]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for rating in run.ratings:
        wanted.setdefault(rating.place, set()).add(rating.item)
    pairs = {(rating.place, rating.first, rating.second) for rating in run.ratings}
    given: dict[tuple[str, str, str], dict[str, Answer]] = {}
    for place, first, second in sorted(pairs):
        for name in (first, second):
            if (name, *place) not in given:
                answers = run.answers(name, *place)
                given[name, *place] = {a.id: a for a in answers if a.id in wanted[place]}
        before, after = given[first, *place], given[second, *place]
        for item in sorted(before.keys() & after.keys()):
            yield (*place, item, first, second), digest_of(before[item], after[item])
