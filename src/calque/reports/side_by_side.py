"""Several runs side by side: the same system in each of them, and what was set differently."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calque.reports.compare import Difference, difference, pair
from calque.reports.run import Run, Score
from calque.reports.verdict import benchmarks, metrics


@dataclass(frozen=True, slots=True)
class SharedRow:
    """One system on one benchmark in each run, and each later run's difference to the first."""

    benchmark: str
    metric: str
    language: str
    system: str
    scores: tuple[Score | None, ...]
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What several runs share and where they part; `unlike` holds a value per run for each setting that differs."""

    names: tuple[str, ...]
    rows: tuple[SharedRow, ...]
    unlike: tuple[tuple[str, tuple[str, ...]], ...]


def side_by_side(runs: Sequence[Run]) -> SideBySide:
    """Compare runs by the names of their systems, on each benchmark's first metric in the first run that has it."""
    return SideBySide(names=_names(runs), rows=tuple(_rows(runs)), unlike=tuple(_unlike(runs)))


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Call runs by their folders' names, and number those that are called alike."""
    names = [run.name for run in runs]
    return tuple(
        n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)
    )


def _rows(runs: Sequence[Run]) -> Iterator[SharedRow]:
    headline = {b: metrics(run, b)[0] for run in reversed(runs) for b in benchmarks(run)}
    keys = dict.fromkeys(
        (score.benchmark, score.metric, score.language, score.model)
        for run in runs
        for score in run.scores
        if headline.get(score.benchmark) == score.metric
    )
    for benchmark, metric, language, system in keys:
        scores = tuple(run.score(system, benchmark, language, metric) for run in runs)
        if sum(score is not None for score in scores) < 2:
            continue
        differences = tuple(
            _difference(runs[0], run, system, benchmark, language, metric) if score else None
            for run, score in zip(runs[1:], scores[1:], strict=True)
        )
        yield SharedRow(benchmark, metric, language, system, scores, differences)


def _difference(
    first: Run, second: Run, system: str, benchmark: str, language: str, metric: str
) -> Difference | None:
    score = second.score(system, benchmark, language, metric)
    answers = [run.graded(system, benchmark, language) for run in (first, second)]
    paired = pair(answers[0], answers[1], metric, score.value if score else math.nan)
    return difference([paired], first.manifest.seed)


def _unlike(runs: Sequence[Run]) -> Iterator[tuple[str, tuple[str, ...]]]:
    facts = [dict(_facts(run)) for run in runs]
    for key in dict.fromkeys(key for known in facts for key in known):
        values = tuple(known.get(key, "") for known in facts)
        if len(set(values)) > 1:
            yield key, values


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    manifest = run.manifest
    yield "recipe", manifest.recipe
    yield "seed", str(manifest.seed)
    yield "calque", manifest.calque
    yield "languages", ", ".join(manifest.languages)
    yield from ((f"model.{key}", str(value)) for key, value in manifest.model.items())
    yield from ((f"versions.{key}", value) for key, value in manifest.versions.items())
    yield from (pair_ for name, lineage in run.lineage.items() for pair_ in _settings(name, lineage))
    yield from ((f"{c.step}: rows kept", str(c.kept)) for c in run.counts)


def _settings(system: str, lineage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{system}: method", str(lineage.get("method", ""))
    settings = lineage.get("settings") or {}
    yield from ((f"{system}: {key}", str(value)) for key, value in settings.items())
