"""How the tables of a verdict are laid out, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calque.reports.compare import Difference
from calque.reports.verdict import Cell, Row, Verdict

MOST_BESIDE = 4  # systems that leave room for the difference beside them


@dataclass(frozen=True, slots=True)
class Answered:
    """How many of `n` questions were answered, and the ceiling: the lowest and the highest over the systems."""

    answered: tuple[int, int]
    n: int
    ceiling: tuple[float, float]


Entry = Cell | Difference | Answered | None


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a row or a column, with a note in small; `where` is a row's language, and `""` the mean over all."""

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
    """A table: what stands across, what stands down, and an entry for each of both; `corner` names what stands down."""

    corner: str
    across: tuple[Heading, ...]
    down: tuple[Heading, ...]
    entries: tuple[tuple[Entry, ...], ...]


def layout(verdict: Verdict) -> tuple[Grid, ...]:
    """One table; or two, the differences first, where all that is compared would be too wide for one."""
    return tuple(_grids(verdict)) if verdict.rows else ()


def _grids(verdict: Verdict) -> Iterator[Grid]:
    down = tuple(Heading(row.benchmark, row.metric.replace("_", " "), row.language) for row in verdict.rows)
    roles = tuple(
        Heading(column.role, column.language and f"in {column.language}", role=column.role)
        for column in verdict.columns
    )
    differences = tuple(Heading(second, f"− {first}") for first, second in verdict.comparisons)
    if len(differences) <= 1 and len(roles) <= MOST_BESIDE:
        entries = tuple((*row.cells, *row.differences, _answered(row)) for row in verdict.rows)
        yield Grid("benchmark", (*roles, *differences, ANSWERED), down, entries)
        return
    if differences:
        yield Grid("benchmark", differences, down, tuple(row.differences for row in verdict.rows))
    scores = tuple((*row.cells, _answered(row)) for row in verdict.rows)
    yield Grid("benchmark", (*roles, ANSWERED), down, scores)


def _answered(row: Row) -> Answered:
    return Answered(row.answered, row.n, row.ceiling)
