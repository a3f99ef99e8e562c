"""What is said of each comparison before the tables: how often it was won, in what effort, and what English cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calque.reports.effort import Effort, efforts
from calque.reports.run import Run
from calque.reports.verdict import English, Verdict, tally


@dataclass(frozen=True, slots=True)
class Lead:
    """Verdicts on the second role against the first, and on the second in English against the untuned model.

    `detectable` bounds what would have been seen where no difference was shown. `efforts` are those of the first and of the second, where both were tuned.
    """

    first: str
    second: str
    tally: Mapping[str, int]
    efforts: tuple[Effort, Effort] | None
    english: Mapping[str, int]
    detectable: tuple[float, float] | None = None


def leads(run: Run, verdict: Verdict, english: tuple[English, ...]) -> tuple[Lead, ...]:
    """One of each comparison of which something can be said."""
    changes = {
        second: [change for row in english if row.system.role == second for _, change in row.cells.values()]
        for _, second in verdict.comparisons
    }
    found = (
        Lead(first, second, verdict.tally(i), effort, tally(changes[second]), verdict.detectable(i))
        for i, ((first, second), effort) in enumerate(zip(verdict.comparisons, efforts(run), strict=True))
    )
    return tuple(lead for lead in found if lead.tally)
