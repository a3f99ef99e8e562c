"""A score with all that one must know to compare it, its file, and means over languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_rows
from calque.errors import DataError, Problem
from calque.records import Rejected

VERSION = "v1"
_FORMS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


@dataclass(frozen=True, slots=True)
class Score:
    """One row of `scores.jsonl`. `value`, `low`, `high` (95%) and `ceiling` are shares in [0, 1].

    `n` items count in `value`; `answered` of them got an answer that is not empty; `ceiling` is the share that
    can be answered at all. `signature` says how the score was made: two scores compare if theirs agree.
    """

    benchmark: str
    language: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    answered: int
    ceiling: float
    model: str
    signature: str

    def to_row(self) -> dict[str, Any]:
        """The form of `scores.jsonl`."""
        return asdict(self)


def read_scores(path: str | Path) -> list[Score]:
    """The rows of a `scores.jsonl`; a row of another form is a `DataError` with its line."""
    scores = []
    for row in read_rows(path):
        if isinstance(row, Rejected):
            raise DataError(Problem(f"is no row of scores: {row.detail}", str(path), row.row))
        scores.append(_score(row.value, str(path), row.line))
    return scores


def _score(value: Any, file: str, line: int) -> Score:
    if not isinstance(value, dict):
        raise DataError(Problem("is no row of scores: not an object", file, line))
    for field in fields(Score):
        found = value.get(field.name)
        if type(found) not in _FORMS[str(field.type)]:
            raise DataError(Problem(f"is no row of scores: {field.name!r} is {found!r}", file, line))
    return Score(**{field.name: value[field.name] for field in fields(Score)})


def mean_over_languages(scores: Iterable[Score], name: str = "mean") -> list[Score]:
    """For each benchmark, metric and model with two languages or more: a row whose language is `name`.

    Each language weighs the same. The interval is the mean of the intervals' ends: exact if the languages erred
    together, as on parallel items, and too wide otherwise, never too narrow. In the signature, a field in which
    the languages differ holds all its values, joined by `+`.
    """
    groups: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in scores:
        languages = groups.setdefault((score.benchmark, score.metric, score.model), {})
        if score.language in languages:
            where = f"{score.benchmark}, {score.metric}, {score.model}, {score.language}"
            raise DataError(Problem(f"two scores stand for the same: {where}", remedy="keep one of them"))
        languages[score.language] = score
    return [_mean(list(found.values()), name) for found in groups.values() if len(found) > 1]


def _mean(scores: list[Score], name: str) -> Score:
    first, n = scores[0], len(scores)
    return Score(
        benchmark=first.benchmark,
        language=name,
        metric=first.metric,
        value=sum(s.value for s in scores) / n,
        low=sum(s.low for s in scores) / n,
        high=sum(s.high for s in scores) / n,
        n=sum(s.n for s in scores),
        answered=sum(s.answered for s in scores),
        ceiling=sum(s.ceiling for s in scores) / n,
        model=first.model,
        signature=_joined([s.signature for s in scores]),
    )


def _joined(signatures: list[str]) -> str:
    parts = [signature.split("|") for signature in signatures]
    merged: dict[str, list[str]] = {}
    for part in (part for signature in parts for part in signature):
        key, mark, value = part.partition(":")
        values = merged.setdefault(key + mark, [])
        if value not in values:
            values.append(value)
    return "|".join(key + "+".join(values) for key, values in merged.items())
