"""What models that judge say: how often the second system won, whether length explains it, and how far a judge can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.agreement import Alpha, nominal_alpha
from calque.reports.compare import Pair
from calque.reports.people import Verdicts
from calque.reports.reading import number, read_object, read_rows
from calque.reports.win_rates import WinRate, corrected

if TYPE_CHECKING:
    from calque.reports.run import Run

SHARES = {"first": Pair(1.0, 0.0), "second": Pair(0.0, 1.0), "tie": Pair(0.5, 0.5)}
PUT = ("judged", "flipped")  # what was put to the judge, and not decided without


@dataclass(frozen=True, slots=True)
class Quality:
    """How often a judge got known answers right, by kind: share, low, high; and whether its verdicts count."""

    judge: str
    language: str
    kinds: Mapping[str, tuple[float, float, float]]
    usable_from: float
    usable: bool


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """The verdicts of a judge on two systems in a language: `rates` as the step wrote them, `winners` and `put` by item."""

    judge: str
    first: str
    second: str
    benchmark: str
    language: str
    rates: Mapping[str, Any]
    winners: Mapping[str, str]
    put: frozenset[str]


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """A judge on two systems in one language, or in the mean over languages (`language` is empty then, and `pair` None)."""

    judge: str
    first: str
    second: str
    language: str
    win_rate: WinRate
    pair: JudgedPair | None
    usable: bool | None


@dataclass(frozen=True, slots=True)
class Judges:
    """All that was judged, how good the judges are, and how far several agree: alpha by comparison and language."""

    rows: tuple[JudgeRow, ...]
    quality: tuple[Quality, ...]
    agreement: tuple[tuple[str, str, str, Alpha], ...]


def read_judged(place: Path) -> JudgedPair | None:
    """The verdicts in the folder of a step; None where it has none."""
    rates = read_object(place / "rates.json")
    if not rates:
        return None
    rows = list(read_rows(place / "verdicts.jsonl", dict))
    names = [str(rates[name]) for name in ("judge", "first", "second", "benchmark", "language")]
    winners = {str(row["item"]): str(row["winner"]) for row in rows if row["winner"]}
    put = frozenset(str(row["item"]) for row in rows if row["winner"] and row["why"] in PUT)
    return JudgedPair(names[0], names[1], names[2], names[3], names[4], rates, winners, put)


def read_quality(place: Path) -> Quality | None:
    """What a judge was measured to be, in the folder of a step; None where there is nothing."""
    row = read_object(place / "quality.json")
    if not row:
        return None
    kinds = {
        str(kind): (number(of["right"]), number(of["low"]), number(of["high"]))
        for kind, of in row["kinds"].items()
    }
    return Quality(
        str(row["judge"]), str(row["language"]), kinds, number(row["usable_from"]), bool(row["usable"])
    )


def judges(run: Run) -> Judges | None:
    """The verdicts of a run, or None where nothing was judged."""
    if not run.judged and not run.judge_quality:
        return None
    return Judges(
        _corrected([*_rows(run)]), run.judge_quality, tuple(_agreement(run.judged, run.manifest.seed))
    )


def verdicts_of(judged: Iterable[JudgedPair]) -> dict[str, Verdicts]:
    """The verdicts of each judge, by what they are about, to be held against people's."""
    found: dict[str, dict[tuple[str, str, str, str, str], str]] = {}
    for pair in judged:
        for item, winner in pair.winners.items():
            key = (pair.benchmark, pair.language, item, pair.first, pair.second)
            found.setdefault(pair.judge, {})[key] = winner
    return dict(found)


def _corrected(rows: Sequence[JudgeRow]) -> tuple[JudgeRow, ...]:
    """Their tests corrected for being so many, those of unusable judges left out; means over languages are a family of their own."""
    families = [None if row.usable is False else bool(row.language) for row in rows]
    rates = corrected([row.win_rate for row in rows], families)
    return tuple(replace(row, win_rate=rate) for row, rate in zip(rows, rates, strict=True))


def _rows(run: Run) -> Iterator[JudgeRow]:
    roles = {system.name: system.role for system in run.manifest.systems}
    usable = {(q.judge, q.language): q.usable for q in run.judge_quality}
    groups: dict[tuple[str, str, str], list[JudgedPair]] = {}
    for pair in run.judged:
        key = (pair.judge, roles.get(pair.first, pair.first), roles.get(pair.second, pair.second))
        groups.setdefault(key, []).append(pair)
    for (judge, first, second), pairs in groups.items():
        for pair in pairs:
            rate = WinRate.of([_shares(pair)], run.manifest.seed)
            yield JudgeRow(
                judge, first, second, pair.language, rate, pair, usable.get((judge, pair.language))
            )
        if len(pairs) > 1:
            said = [usable.get((judge, pair.language)) for pair in pairs]
            mean = WinRate.of([_shares(pair) for pair in pairs], run.manifest.seed)
            yield JudgeRow(judge, first, second, "", mean, None, False if False in said else said[0])


def _shares(pair: JudgedPair) -> dict[str, Pair]:
    return {item: SHARES[winner] for item, winner in pair.winners.items()}


def _agreement(judged: Sequence[JudgedPair], seed: int) -> Iterator[tuple[str, str, str, Alpha]]:
    """Krippendorff's alpha over what was put to several judges."""
    groups: dict[tuple[str, str, str], list[JudgedPair]] = {}
    for pair in judged:
        groups.setdefault((pair.first, pair.second, pair.language), []).append(pair)
    for (first, second, language), pairs in groups.items():
        if len(pairs) > 1:
            items = sorted({item for pair in pairs for item in pair.put})
            said = [[pair.winners[item] for pair in pairs if item in pair.put] for item in items]
            alpha = nominal_alpha(said, seed)
            if alpha.units and not math.isnan(alpha.value):
                yield first, second, language, alpha
