"""How the tables of a verdict are laid out, for the page and the terminal: benchmarks down and systems across.

Where there are many systems the tables turn: systems down and benchmarks across, a table for each language, or several
where one would be wider than a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from calque.reports.compare import Difference
from calque.reports.verdict import Cell, Row, Verdict

MOST_ACROSS = 6  # systems or comparisons that fit a page side by side
MOST_BESIDE = 4  # systems that leave room for the difference beside them
MOST_BENCHMARKS = 7  # columns of figures with their intervals, whose heads are longer than those of systems


@dataclass(frozen=True, slots=True)
class Answered:
    """How many of `n` questions were answered, and the ceiling: the lowest and the highest over the systems."""

    answered: tuple[int, int]
    n: int
    ceiling: tuple[float, float]


T = TypeVar("T")
Entry = Cell | Difference | Answered | None


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a row, a column or a table, with a note in small.

    `where` is the language that it is about, and `""` the mean over all; None where it is about no one language.
    """

    text: str
    note: str = ""
    where: str | None = None
    role: str = ""

    @property
    def label(self) -> str:
        """The head in one line."""
        return f"{self.text} {self.note}".strip()


ANSWERED = Heading("answered")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the heads down and across, an entry for each of both, and what they are, as in `benchmark`, `system`.

    The `title` says what all rows and columns have in common.
    """

    down: tuple[Heading, ...]
    across: tuple[Heading, ...]
    entries: tuple[tuple[Entry, ...], ...]
    down_is: str
    across_is: str
    title: Heading = Heading("")

    def turned(self) -> Grid:
        """The same with its columns as rows."""
        entries = tuple(zip(*self.entries, strict=True))
        return replace(
            self,
            down=self.across,
            across=self.down,
            entries=entries,
            down_is=self.across_is,
            across_is=self.down_is,
        )


def layout(verdict: Verdict) -> tuple[Grid, ...]:
    """One table; or two, the differences first, where all that is compared would be too wide for one."""
    if not verdict.rows:
        return ()
    if max(len(verdict.columns), len(verdict.comparisons)) <= MOST_ACROSS:
        return tuple(_grids(verdict))
    return tuple(
        portion
        for title, part in _parts(verdict)
        for grid in _grids(part)
        for portion in _portions(_told_once(replace(grid.turned(), title=title)))
    )


def portions(items: Sequence[T], most: int = MOST_BENCHMARKS) -> list[Sequence[T]]:
    """Cut a list into as few parts of at most `most` as there must be, as even as can be."""
    number = -(-len(items) // most)
    bounds = [len(items) * i // max(number, 1) for i in range(number + 1)]
    return [items[start:end] for start, end in pairwise(bounds)]


def _portions(grid: Grid) -> Iterator[Grid]:
    """The grid in portions that fit a page, one below another."""
    for columns in portions(range(len(grid.across))):
        entries = tuple(tuple(row[i] for i in columns) for row in grid.entries)
        yield replace(grid, across=tuple(grid.across[i] for i in columns), entries=entries)


def _grids(verdict: Verdict) -> Iterator[Grid]:
    down = tuple(Heading(row.benchmark, row.metric.replace("_", " "), row.language) for row in verdict.rows)
    roles = tuple(
        Heading(column.role, column.language and f"in {column.language}", role=column.role)
        for column in verdict.columns
    )
    differences = tuple(Heading(second, f"− {first}") for first, second in verdict.comparisons)
    if len(differences) <= 1 and len(roles) <= MOST_BESIDE:
        entries = tuple((*row.cells, *row.differences, _answered(row)) for row in verdict.rows)
        yield Grid(down, (*roles, *differences, ANSWERED), entries, "benchmark", "system")
        return
    if differences:
        changes = tuple(row.differences for row in verdict.rows)
        yield Grid(down, differences, changes, "benchmark", "comparison")
    scores = tuple((*row.cells, _answered(row)) for row in verdict.rows)
    yield Grid(down, (*roles, ANSWERED), scores, "benchmark", "system")


def _parts(verdict: Verdict) -> Iterator[tuple[Heading, Verdict]]:
    """The verdict by language; and by benchmark, where each has several metrics."""
    several = len({(row.benchmark, row.metric) for row in verdict.rows}) > len(
        {row.benchmark for row in verdict.rows}
    )
    parts: dict[Heading, list[Row]] = {}
    for row in verdict.rows:
        title = Heading(row.benchmark if several else "", where=row.language)
        parts.setdefault(title, []).append(row)
    for title, rows in parts.items():
        yield title, replace(verdict, rows=tuple(rows))


def _told_once(grid: Grid) -> Grid:
    """What the title says need not stand at the head of every column."""
    across = tuple(
        Heading(head.note) if grid.title.text else Heading(head.text, head.note) for head in grid.across
    )
    return replace(grid, across=across)


def _answered(row: Row) -> Answered:
    return Answered(row.answered, row.n, row.ceiling)
