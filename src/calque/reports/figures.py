"""Geometry of the figures, in percent of the drawing area; the templates draw them as SVG.

Horizontal places are percentages, so that a figure fits a phone and a sheet of paper without its text scaling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from calque.reports.run import LossPoint, Run, Score, System
from calque.reports.verdict import benchmarks, metrics

POINTS = 160  # of a loss curve; longer ones are averaged
STYLES = 6  # colours, each with a mark
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and the figure that stands there."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A score with its whisker, and its ceiling if that is below 1; `style` is the number of its role."""

    system: System
    style: int
    score: Score
    at: float
    low: float | None
    high: float | None
    ceiling: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One benchmark: its dots by language, on an axis of their own."""

    benchmark: str
    metric: str
    ticks: tuple[Tick, ...]
    groups: tuple[tuple[str, tuple[Dot, ...]], ...]


def score_panels(run: Run) -> tuple[Panel, ...]:
    """Lay out each benchmark's first metric, languages below one another, systems in the manifest's order."""
    return tuple(
        panel for name in benchmarks(run) if (panel := _panel(run, name, metrics(run, name)[0])).groups
    )


def _panel(run: Run, benchmark: str, metric: str) -> Panel:
    found: list[tuple[str, list[tuple[System, Score]]]] = []
    for language in run.manifest.languages:
        systems = [system for role in run.roles if (system := run.system_for(role, language))]
        scores = [(s, score) for s in systems if (score := run.score(s.name, benchmark, language, metric))]
        if scores:
            found.append((language, scores))
    top = max((_known(s.high, s.value) for _, scores in found for _, s in scores), default=1.0)
    ticks = axis(0.0, min(1.0, top) if top <= 1 else top)
    end = ticks[-1].value
    groups = tuple((la, tuple(_dot(run, s, score, end) for s, score in scores)) for la, scores in found)
    return Panel(benchmark, metric, ticks, groups)


def _dot(run: Run, system: System, score: Score, end: float) -> Dot:
    def place(value: float) -> float | None:
        return None if math.isnan(value) or value > end else round(100 * value / end, 2)

    ceiling = place(score.ceiling) if score.ceiling < 1 else None
    at = place(score.value) or 0.0
    return Dot(system, style_of(run, system.role), score, at, place(score.low), place(score.high), ceiling)


def style_of(run: Run, role: str) -> int:
    """Number a role's colour and mark: the same one everywhere on the page."""
    return run.roles.index(role) % STYLES if role in run.roles else 0


def _known(first: float, second: float) -> float:
    return next((x for x in (first, second) if not math.isnan(x)), 0.0)


def axis(low: float, high: float, most: int = 5) -> tuple[Tick, ...]:
    """Choose round figures that enclose the data, at most `most` steps."""
    high = high if high > low else low + 0.01
    step = next((s for s in STEPS if high / s - low / s <= most), 10.0 ** math.ceil(math.log10(high - low)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(
        Tick(round(100 * (i - first) / (last - first), 2), round(i * step, 10))
        for i in range(first, last + 1)
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses of one system: `line` is the points of an SVG polyline in a box of 100 by 100."""

    system: System
    style: int
    line: str
    first: float
    last: float
    steps: int
    tokens: int
    trained_tokens: int


@dataclass(frozen=True, slots=True)
class LossPanel:
    """The curves of the systems of one language, on axes that all panels share upwards."""

    language: str
    steps: tuple[Tick, ...]
    losses: tuple[Tick, ...]
    curves: tuple[Curve, ...]


def loss_panels(run: Run) -> tuple[LossPanel, ...]:
    """Lay out the loss curves, one panel per language of the systems."""
    drawn = {name: list(_averaged(points)) for name, points in run.losses.items()}
    values = [y for points in drawn.values() for _, y in points if not math.isnan(y)]
    if not values:
        return ()
    losses = axis(min(values), max(values))
    languages = dict.fromkeys(s.language for s in run.trained if s.name in drawn)
    return tuple(panel for language in languages for panel in _loss_panels(run, drawn, language, losses))


def _loss_panels(
    run: Run, drawn: dict[str, list[tuple[float, float]]], language: str, losses: tuple[Tick, ...]
) -> Iterator[LossPanel]:
    """The curves of one language; in several panels of equal axes where they are more than one can tell apart."""
    systems = [s for s in run.trained if s.language == language and s.name in drawn]
    longest = max(run.losses[s.name][-1].step for s in systems)
    step = next((s * 10**k for k in range(9) for s in (1, 2, 5) if s * 10**k * 4 >= longest), longest)
    steps = tuple(Tick(round(100 * x / longest, 2), x) for x in range(0, longest + 1, step))
    for start in range(0, len(systems), STYLES):
        part = systems[start : start + STYLES]
        curves = tuple(_curve(run, s, drawn[s.name], longest, losses) for s in part)
        yield LossPanel(language, steps, losses, curves)


def _curve(
    run: Run, system: System, drawn: Sequence[tuple[float, float]], longest: int, losses: tuple[Tick, ...]
) -> Curve:
    bottom, top = losses[0].value, losses[-1].value
    places = [(100 * x / longest, 100 * (top - y) / (top - bottom)) for x, y in drawn if not math.isnan(y)]
    points = run.losses[system.name]
    tail = [p.loss for p in points[-max(1, len(points) // 10) :]]
    return Curve(
        system=system,
        style=style_of(run, system.role),
        line=" ".join(f"{x:.2f},{y:.2f}" for x, y in places),
        first=points[0].loss,
        last=sum(tail) / len(tail),
        steps=points[-1].step,
        tokens=sum(p.tokens for p in points),
        trained_tokens=sum(p.trained_tokens for p in points),
    )


def _averaged(points: Sequence[LossPoint]) -> Iterator[tuple[float, float]]:
    """Average neighbours until there are few enough points to draw."""
    size = -(-len(points) // POINTS)
    for start in range(0, len(points), size):
        part = points[start : start + size]
        yield sum(p.step for p in part) / len(part), sum(p.loss for p in part) / len(part)
