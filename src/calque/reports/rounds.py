"""Rounds of refinement: how good each evaluator was, and how much of what it chose was chosen before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calque.reports.reading import read_object, shaped

FROM, TO = 0.3, 1.0  # of the axis: an AUC of 0.5 is chance
TICKS = tuple((round(100 * (at - FROM) / (TO - FROM), 2), at) for at in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
PAIRS = {"1-3": "worst and best", "1-2": "worst and middle", "2-3": "middle and best"}


@dataclass(frozen=True, slots=True)
class Auc:
    """How surely two levels are told apart, with its interval; and their places on the axis, in percent."""

    name: str
    value: float
    low: float
    high: float
    style: int

    @property
    def at(self) -> tuple[float, float, float]:
        """Value, low and high on the axis."""
        low, value, high = (
            round(100 * (min(TO, max(FROM, x)) - FROM) / (TO - FROM), 2)
            for x in (self.low, self.value, self.high)
        )
        return value, low, high


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its evaluator on `n` held-out rows; of each language what was kept, and the share kept before; what follows."""

    number: int
    n: int
    accuracy: float
    calibration_error: float
    aucs: tuple[Auc, ...]
    kept: Mapping[str, int]
    overlap: Mapping[str, float]
    follows: str


def read_rounds(places: Mapping[str, Path], ended: str | None = None) -> tuple[Round, ...]:
    """The rounds whose evaluator is measured, by the folders of steps; none where there are none.

    `ended` is why there are not more of them: empty where no more were asked for, None where that is not known yet.
    """
    numbers = sorted(int(found[1]) for name in places if (found := re.fullmatch(r"measure-(\d+)", name)))
    follows = {number: f"round {number + 1}" for number in numbers[:-1]}
    if ended is not None:
        last = f"no more rounds after {ended}" if ended else "none: no more were asked for"
        follows |= dict.fromkeys(numbers[-1:], last)
    rounds = (_round(number, places, follows.get(number, "not known yet")) for number in numbers)
    return tuple(found for found in rounds if found is not None)


def _round(number: int, places: Mapping[str, Path], follows: str) -> Round | None:
    path = places[f"measure-{number}"] / "quality.json"
    row = read_object(path)
    if not row:
        return None
    begins = f"select-kept-{number}-"
    counts = {
        name.removeprefix(begins): read_object(place / "counts.json")
        for name, place in places.items()
        if name.startswith(begins)
    }
    return shaped(
        lambda: Round(
            number,
            int(row["n"]),
            float(row["accuracy"]),
            float(row["calibration_error"]),
            tuple(_auc(pair, row["auc"][pair], style) for style, pair in enumerate(PAIRS)),
            {code: int(one["kept"]) for code, one in counts.items() if one},
            {code: float(one["overlap"]) for code, one in counts.items() if "overlap" in one},
            str(row["stop"]) or follows,
        ),
        path,
    )


def _auc(pair: str, row: Mapping[str, float], style: int) -> Auc:
    return Auc(PAIRS[pair], float(row["value"]), float(row["low"]), float(row["high"]), style)
