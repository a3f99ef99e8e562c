"""What the pace admitted when: geometry of one panel for each paced system and kind of demonstration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from calque.reports.figures import Tick
from calque.reports.reading import read_rows, shaped
from calque.reports.run import PacePoint, Run

POINTS = 50  # of a line; longer ones are summed up
TERCILES = ("easiest third", "middle third", "hardest third")


def read_pace(place: Path) -> tuple[PacePoint, ...]:
    """The rows of `pace.jsonl` in the folder of a tune step; none where the system has no pace."""
    path = place / "pace.jsonl"
    return tuple(read_rows(path, partial(_point, path)))


def _point(path: Path, row: Mapping[str, Any]) -> PacePoint:
    def made() -> PacePoint:
        thirds = tuple((int(rows), int(admitted)) for rows, admitted in row["terciles"])
        return PacePoint(int(row["step"]), str(row["group"]), int(row["rows"]), int(row["admitted"]), thirds)

    return shaped(made, path)


@dataclass(frozen=True, slots=True)
class Line:
    """The admitted share over the steps, as points of an SVG polyline in a box of 100 by 100."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class PacePanel:
    """One system and kind: all its rows, and its rows by tercile of loss at the time, the easiest first."""

    system: str
    group: str
    steps: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class PaceCost:
    """What a paced system cost in tokens: those that ran to be learnt from, those that counted, those of refreshes."""

    system: str
    tokens: int
    trained_tokens: int
    refreshed_tokens: int


def pace_panels(run: Run) -> tuple[PacePanel, ...]:
    """A panel for each paced system and kind of demonstration, in the manifest's order."""
    return tuple(
        _panel(system.name, group, [point for point in points if point.group == group])
        for system in run.trained
        if (points := run.pace.get(system.name))
        for group in dict.fromkeys(point.group for point in points)
    )


def pace_costs(run: Run) -> tuple[PaceCost, ...]:
    """What each paced system cost."""
    return tuple(
        PaceCost(
            system.name,
            sum(point.tokens for point in losses),
            sum(point.trained_tokens for point in losses),
            sum(point.refreshed_tokens for point in losses),
        )
        for system in run.trained
        if system.name in run.pace and (losses := run.losses.get(system.name))
    )


def _panel(system: str, group: str, points: Sequence[PacePoint]) -> PacePanel:
    last = points[-1].step
    step = next((s * 10**k for k in range(9) for s in (1, 2, 5) if s * 10**k * 4 >= last), last)
    ticks = tuple(Tick(round(100 * at / last, 2), at) for at in range(0, last + 1, step))
    of_all = [(point.step, point.rows, point.admitted) for point in points]
    lines = [Line("all", _drawn(of_all, last))]
    for third, name in enumerate(TERCILES):
        part = [(p.step, *p.terciles[third]) for p in points if len(p.terciles) > third]
        lines += [Line(name, _drawn(part, last))] if part else []
    return PacePanel(system, group, ticks, tuple(lines))


def _drawn(points: Sequence[tuple[int, int, int]], last: int) -> str:
    return " ".join(f"{100 * at / last:.2f},{100 - 100 * share:.2f}" for at, share in _summed(points))


def _summed(points: Sequence[tuple[int, int, int]]) -> Iterator[tuple[float, float]]:
    """Step and admitted share, neighbours taken together until there are few enough to draw."""
    size = -(-len(points) // POINTS)
    for start in range(0, len(points), size):
        part = points[start : start + size]
        rows = sum(rows for _, rows, _ in part)
        if rows:
            yield sum(at for at, _, _ in part) / len(part), sum(n for _, _, n in part) / rows
