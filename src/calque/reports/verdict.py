"""The table that says whether the method is better than its baseline, per benchmark and language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from calque.reports.compare import FEWEST, Difference, Pairs, difference, mean, pair
from calque.reports.run import Run, Score, System
from calque.reports.significance import holm

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Column:
    """A role and the language it is asked in; `""` is the language of the row."""

    role: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its interval, or a mean over languages without one."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark and metric in one language, or in the mean over languages (`language` is empty then).

    `cells` follow the columns and `differences` the manifest's comparisons. `answered` and `ceiling` are the
    lowest and the highest over the systems.
    """

    benchmark: str
    metric: str
    language: str
    cells: tuple[Cell | None, ...]
    differences: tuple[Difference | None, ...]
    n: int
    answered: tuple[int, int]
    ceiling: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rows by benchmark, and for each comparison how often the second role was higher, lower, or neither."""

    columns: tuple[Column, ...]
    comparisons: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    def detectable(self, comparison: int) -> tuple[float, float] | None:
        """Where no difference was shown: the least and the most that would have been seen; None where there is no such."""
        missed = [
            found.detectable
            for row in self.rows
            if row.language and (found := row.differences[comparison]) is not None
            if found.verdict == "no difference shown" and not math.isnan(found.detectable)
        ]
        return (min(missed), max(missed)) if missed else None

    @property
    def tests(self) -> int:
        """How many differences were tested together."""
        found = [d for row in self.rows if row.language for d in row.differences if d is not None]
        return sum(not math.isnan(d.corrected) for d in found)

    def tally(self, comparison: int) -> dict[str, int]:
        """Count the verdicts of one comparison over benchmarks and languages, means left out."""
        return tally(row.differences[comparison] for row in self.rows if row.language)

    @property
    def ungraded(self) -> tuple[str, ...]:
        """Benchmarks without gold answers: their differences are no wins and no losses."""
        rows = [row for row in self.rows if any(d is not None and not d.graded for d in row.differences)]
        return tuple(dict.fromkeys(row.benchmark for row in rows))


def verdict(run: Run, every_metric: bool = False) -> Verdict:
    """Set the systems side by side, on each benchmark's first metric or on every metric."""
    columns = tuple(_columns(run))
    rows = [
        row
        for benchmark in benchmarks(run)
        for metric in (metrics(run, benchmark) if every_metric else metrics(run, benchmark)[:1])
        for row in _rows(run, columns, benchmark, metric)
    ]
    return Verdict(columns, run.manifest.comparisons, _corrected(run, rows))


def _corrected(run: Run, rows: list[Row]) -> tuple[Row, ...]:
    """P-values by Holm: over all comparisons, benchmarks and languages by the first metric of each, and so on for each next.

    Means over languages are a family of their own.
    """
    ranks = {(b, m): rank for b in benchmarks(run) for rank, m in enumerate(metrics(run, b))}
    families: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    for i, row in enumerate(rows):
        for j, found in enumerate(row.differences):
            if found is not None and found.graded and found.n >= FEWEST:
                family = (ranks[row.benchmark, row.metric], bool(row.language))
                families.setdefault(family, []).append((i, j))
    changed = [list(row.differences) for row in rows]
    for places in families.values():
        tested = [found for i, j in places if (found := rows[i].differences[j]) is not None]
        for (i, j), one, p in zip(places, tested, holm([t.p for t in tested]), strict=True):
            changed[i][j] = replace(one, corrected=p)
    return tuple(replace(row, differences=tuple(of)) for row, of in zip(rows, changed, strict=True))


def unscored(run: Run) -> str:
    """Why there is no table, where no target language was scored."""
    elsewhere = {score.language for score in run.scores}
    if not elsewhere:
        return "Nothing was scored yet, or the recipe names no benchmark."
    targets = ", ".join(run.manifest.languages)
    return f"Nothing was scored in {targets}; the scores in {', '.join(sorted(elsewhere))} stand in scores.jsonl."


def benchmarks(run: Run) -> tuple[str, ...]:
    """List the benchmarks that were asked as a whole, in the order of the scores; their tasks are left out."""
    asked = {benchmark for _, benchmark, _ in run.answer_files}
    found = dict.fromkeys(score.benchmark for score in run.scores)
    return tuple(name for name in found if not asked or name in asked)


def metrics(run: Run, benchmark: str) -> tuple[str, ...]:
    """List a benchmark's metrics in the order of the scores; the first is the one that headlines use."""
    return tuple(dict.fromkeys(score.metric for score in run.scores if score.benchmark == benchmark))


def gains(run: Run, first: str, second: str, benchmark: str, language: str, metric: str) -> Pairs:
    """Pair the answers of two systems, by their names."""
    score = run.score(second, benchmark, language, metric)
    answers = [run.graded(system, benchmark, language) for system in (first, second)]
    return pair(answers[0], answers[1], metric, score.value if score else math.nan)


def _columns(run: Run) -> Iterator[Column]:
    """Give a column to each role, and one more to a role made for a language that is none of the targets."""
    languages = run.manifest.languages
    for role in run.roles:
        systems = [s for s in run.manifest.systems if s.role == role]
        if not any(s.scored for s in systems):
            continue
        own = {s.language for s in systems}
        for language in sorted(own - set(languages) - {""}):
            yield Column(role, language)
        yield Column(role)


def _rows(run: Run, columns: tuple[Column, ...], benchmark: str, metric: str) -> Iterator[Row]:
    rows = []
    pairs: list[list[Pairs]] = [[] for _ in run.manifest.comparisons]
    for language in run.manifest.languages:
        found = {column: _score(run, column, benchmark, language, metric) for column in columns}
        scores = [score for column, score in found.items() if score and not column.language]
        if not scores:
            continue
        for paired, (first, second) in zip(pairs, run.manifest.comparisons, strict=True):
            paired.append(_pairs(run, first, second, benchmark, language, metric))
        rows.append(
            Row(
                benchmark=benchmark,
                metric=metric,
                language=language,
                cells=tuple(Cell(s.value, s.low, s.high) if s else None for s in found.values()),
                differences=tuple(difference([paired[-1]], run.manifest.seed) for paired in pairs),
                n=max(score.n for score in scores),
                answered=(min(s.answered for s in scores), max(s.answered for s in scores)),
                ceiling=(min(s.ceiling for s in scores), max(s.ceiling for s in scores)),
            )
        )
    yield from rows
    if len(rows) > 1:
        yield _mean_row(rows, pairs, run.manifest.seed)


def _mean_row(rows: list[Row], pairs: list[list[Pairs]], seed: int) -> Row:
    cells = [[row.cells[i] for row in rows] for i in range(len(rows[0].cells))]
    return Row(
        benchmark=rows[0].benchmark,
        metric=rows[0].metric,
        language="",
        cells=tuple(Cell(mean([c.value for c in column if c])) if all(column) else None for column in cells),
        differences=tuple(difference(paired, seed) if all(paired) else None for paired in pairs),
        n=sum(row.n for row in rows),
        answered=(sum(row.answered[0] for row in rows), sum(row.answered[1] for row in rows)),
        ceiling=(min(row.ceiling[0] for row in rows), max(row.ceiling[1] for row in rows)),
    )


def _score(run: Run, column: Column, benchmark: str, language: str, metric: str) -> Score | None:
    system = run.system_for(column.role, column.language or language)
    return run.score(system.name, benchmark, column.language or language, metric) if system else None


def _pairs(run: Run, first: str, second: str, benchmark: str, language: str, metric: str) -> Pairs:
    systems = [run.system_for(role, language) for role in (first, second)]
    if systems[0] is None or systems[1] is None:
        return {}
    return gains(run, systems[0].name, systems[1].name, benchmark, language, metric)


@dataclass(frozen=True, slots=True)
class English:
    """A system's English score on one benchmark beside that of the untuned model: what tuning made it forget."""

    system: System
    cells: Mapping[str, tuple[Cell, Difference | None]]


def tally(differences: Iterable[Difference | None]) -> dict[str, int]:
    """Count what the differences allow to say; those that are not graded say nothing of better or worse."""
    verdicts = [d.verdict for d in differences if d is not None]
    order = ("higher", "lower", "no difference shown", "too few to say")
    return {verdict: verdicts.count(verdict) for verdict in order if verdict in verdicts}


def english(run: Run) -> tuple[English, ...]:
    """Collect English before and after, on each benchmark's first metric, the tests a family; empty where no English was asked."""
    before = run.untuned
    found: list[tuple[System, dict[str, tuple[Cell, Difference | None]]]] = []
    for system in run.manifest.systems:
        cells: dict[str, tuple[Cell, Difference | None]] = {}
        for benchmark in benchmarks(run):
            metric = metrics(run, benchmark)[0]
            score = run.score(system.name, benchmark, ENGLISH, metric)
            if score is None:
                continue
            change = None
            if before is not None and system != before and not system.served:
                paired = gains(run, before.name, system.name, benchmark, ENGLISH, metric)
                change = difference([paired], run.manifest.seed)
            cells[benchmark] = (Cell(score.value, score.low, score.high), change)
        if cells:
            found.append((system, cells))
    tested = [(cells, name, d) for _, cells in found for name, (_, d) in cells.items() if d and d.n >= FEWEST]
    for (cells, name, one), p in zip(tested, holm([d.p for _, _, d in tested]), strict=True):
        cells[name] = (cells[name][0], replace(one, corrected=p))
    return tuple(English(system, cells) for system, cells in found)
