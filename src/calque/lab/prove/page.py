"""Rows to one self-contained page: claims first, then the paper's figures beside ours, tables, and how it all was made.

Every figure carries, as its title, the row of the file that it stands in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path

import jinja2
from markupsafe import Markup

from calque.corpora.writing import write_text
from calque.lab.prove.claims import MEAN, Effort, Finding, Result
from calque.lab.prove.experiment import Experiment, Figure
from calque.lab.prove.paces import BY_LOSS, EVERYTHING, Paced
from calque.languages import LANGUAGES
from calque.reports import numbers
from calque.reports.layout import portions

Numbered = tuple[int, Result]  # a result with its row (from 1) in results.jsonl


@dataclass(frozen=True, slots=True)
class Point:
    """A place of a curve, in percent of the drawing area; `said` is what it says on hover."""

    at: float
    y: float
    low: float
    high: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One family: curves over the places, or the paper's values."""

    title: str
    places: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    curves: tuple[tuple[str, tuple[Point, ...]], ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure of ours beside the paper's."""

    figure: Figure
    ours: tuple[Panel, ...]
    papers: tuple[Panel, ...]


@dataclass(frozen=True)
class Section:
    """What the page shows of one experiment in one language."""

    experiment: Experiment
    language: str
    findings: Sequence[tuple[int, Finding]]
    results: Sequence[Numbered]
    efforts: Sequence[tuple[int, Effort]]
    paces: Sequence[tuple[int, Paced]] = ()

    @property
    def name(self) -> str:
        """Language in English, or that it is the mean over several."""
        return "mean over languages" if self.language == MEAN else LANGUAGES[self.language].name

    def claims(self) -> list[tuple[Finding, list[tuple[int, Finding]]]]:
        """Each claim with its findings, by way of comparing."""
        by_claim: dict[int, list[tuple[int, Finding]]] = {}
        for row, finding in self.findings:
            by_claim.setdefault(finding.claim, []).append((row, finding))
        return [(found[0][1], found) for found in by_claim.values()]

    @property
    def reach(self) -> float:
        """How far the axis of the effects goes to both sides: 40 points, or so far as the widest interval needs."""
        ends = (abs(end) for _, finding in self.findings for end in (finding.low, finding.high))
        return max([0.4, *ends])

    def tally(self) -> dict[str, int]:
        """How many findings there are of each verdict."""
        verdicts = [finding.verdict for _, finding in self.findings]
        return {v: verdicts.count(v) for v in ("shown", "not shown", "reversed")}

    def result(
        self, system: str, family: str, asked: str = "x", split: str = "all", measure: str = "score"
    ) -> Numbered | None:
        """That one result."""
        return self._by_key.get((system, family, asked, split, measure))

    @cached_property
    def _by_key(self) -> dict[tuple[str, ...], Numbered]:
        return {(r.system, r.family, r.asked, r.split, r.measure): (i, r) for i, r in self.results}

    @cached_property
    def questions(self) -> list[str]:
        """The families that are of questions, not of what selections kept."""
        return [family for family in self.experiment.families if not self.experiment.share(family)]

    def answering(self, asked: str = "x") -> list[str]:
        """The shown systems that were asked any of them in x, or in en."""
        shown = self.experiment.shown
        return [s for s in shown if any(self.result(s, family, asked) for family in self.questions)]

    def effort(self, system: str) -> tuple[int, Effort] | None:
        """How much tuning a system got, with its row in efforts.jsonl."""
        name = system.partition("@")[0]
        return next(((i, e) for i, e in self.efforts if e.system == name), None)

    def drawn(self) -> list[Drawn]:
        """The figures."""
        return [self._draw(figure) for figure in self.experiment.figures]

    def paced(self) -> dict[str, list[Panel]]:
        """By system, a panel for each kind of demonstration: the share that was admitted over the steps."""
        found: dict[str, dict[str, list[tuple[int, Paced]]]] = {}
        for row, paced in self.paces:
            found.setdefault(paced.system, {}).setdefault(paced.kind, []).append((row, paced))
        return {
            system: [_pace_panel(kind, rows) for kind, rows in kinds.items()]
            for system, kinds in found.items()
        }

    def _draw(self, figure: Figure) -> Drawn:
        shown = _systems(figure)
        highest = (
            r.high
            for _, r in self.results
            if r.family in figure.families
            and r.system in shown
            and (r.asked, r.measure, r.split) == ("x", "score", figure.split)
        )
        top = min(1.0, max(highest, default=1.0))
        return Drawn(
            figure,
            tuple(self._panel(figure, family, top) for family in figure.families),
            tuple(_paper_panel(figure, family) for family in figure.families if family in figure.paper),
        )

    def _panel(self, figure: Figure, family: str, top: float) -> Panel:
        labels = list(dict.fromkeys(label for line in figure.lines for label in line.places))
        end, ticks = _axis(top)
        curves = []
        for number, line in enumerate(figure.lines):
            shift = 1.6 * (number - (len(figure.lines) - 1) / 2)
            points = [
                _point(_at(labels, label) + shift, numbered, end, label)
                for label, system in line.places.items()
                if (numbered := self.result(system, family, split=figure.split))
            ]
            curves.append((line.name, tuple(points)))
        return Panel(family, tuple((_at(labels, label), label) for label in labels), ticks, tuple(curves))


def _systems(figure: Figure) -> set[str]:
    return {system for line in figure.lines for system in line.places.values()}


def _point(at: float, numbered: Numbered, end: float, label: str) -> Point:
    row, result = numbered
    value, low, high = (
        100 - 100 * min(max(x, 0.0), end) / end for x in (result.value, result.low, result.high)
    )
    said = f"{numbers.percent(result.value)} · {label}: results.jsonl, row {row}"
    return Point(at, value, low, high, said)


def _paper_panel(figure: Figure, family: str) -> Panel:
    values = figure.paper[family]
    end, ticks = _axis(max(values.values()))
    labels = list(values)
    points = tuple(
        Point(_at(labels, label), y := 100 - 100 * value / end, y, y, f"{label}: the paper")
        for label, value in values.items()
    )
    return Panel(family, tuple((_at(labels, label), label) for label in labels), ticks, (("paper", points),))


def _pace_panel(kind: str, rows: Sequence[tuple[int, Paced]]) -> Panel:
    last = max(paced.last_step for _, paced in rows)

    def point(row: int, paced: Paced) -> Point:
        middle, y = (paced.first_step - 1 + paced.last_step) / 2, 100 - 100 * paced.share
        said = f"{numbers.percent(paced.share)} · steps {paced.first_step} to {paced.last_step}: paces.jsonl, row {row}"
        return Point(100 * middle / last, y, y, y, said)

    curves = [
        (part, tuple(point(row, paced) for row, paced in rows if paced.part == part))
        for part in (EVERYTHING, *BY_LOSS)
    ]
    _, ticks = _axis(1.0)
    return Panel(kind, ((0, "0"), (50, f"{last / 2:.0f}"), (100, f"{last}")), ticks, tuple(curves))


def _at(labels: Sequence[str], label: str) -> float:
    return 8 + 84 * labels.index(label) / max(1, len(labels) - 1)


def _axis(top: float) -> tuple[float, tuple[tuple[float, str], ...]]:
    """The end of an axis from nought, and its ticks as (place from above in percent, label in percent)."""
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.25) if top / s <= 5 or s == 0.25)
    count = max(1, math.ceil(round(top / step, 6)))
    return step * count, tuple((100 - 100 * i / count, f"{100 * step * i:.0f}") for i in range(count + 1))


def write_page(
    sections: Sequence[Section],
    told: Sequence[tuple[str, str]],
    command: str,
    out: Path,
    *,
    development: bool,
) -> Path:
    """Write the page. `told` are facts on the world, the base and the seeds, `command` makes it again."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("calque.lab.prove"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=numbers.percent, points=numbers.points, ends=_ends, forest=_forest, portions=portions
    )
    environment.globals.update(plot=_plot, parts=(EVERYTHING, *BY_LOSS))
    css = (resources.files("calque.reports") / "templates" / "page.css").read_text(encoding="utf-8")
    own = (resources.files("calque.lab.prove") / "templates" / "prove.css").read_text(encoding="utf-8")
    page = environment.get_template("prove.html").render(
        css=Markup(css + own),  # noqa: S704 — our own files
        sections=list(_named(sections)),
        told=told,
        command=command,
        development=development,
    )
    write_text(out, page)
    return out


def _ends(result: Result) -> str:
    return numbers.interval(result.low, result.high)


def _forest(finding: Finding, reach: float) -> Markup:
    """The effect with its interval on an axis from -`reach` to `reach`."""

    def place(x: float) -> str:
        return f"{50 + 50 * min(max(x, -reach), reach) / reach:.1f}%"

    colour = {"shown": "var(--good)", "reversed": "var(--bad)"}.get(finding.verdict, "var(--soft)")
    return Markup(
        '<svg role="img" aria-label="{label}"><line x1="50%" x2="50%" y1="0" y2="100%" stroke="var(--line)"/>'
        '<line x1="{low}" x2="{high}" y1="50%" y2="50%" stroke="{colour}" stroke-width="2"/>'
        '<circle cx="{at}" cy="50%" r="4" fill="{colour}"/></svg>'
    ).format(
        label=f"{numbers.points(finding.effect)} points",
        low=place(finding.low),
        high=place(finding.high),
        at=place(finding.effect),
        colour=colour,
    )


def _plot(panel: Panel) -> Markup:
    """A panel as SVG: places are percentages, so that it fits a phone and a sheet of paper."""
    parts = [Markup('<div class="plot"><h4>{}</h4><div class="up">').format(panel.title)]
    parts += [Markup('<span style="top:{:.1f}%">{}</span>').format(at, label) for at, label in panel.ticks]
    parts.append(Markup('</div><svg role="img" aria-label="{}">').format(panel.title))
    parts += [
        Markup('<line x1="0" x2="100%" y1="{0:.1f}%" y2="{0:.1f}%" stroke="var(--line)"/>').format(at)
        for at, _ in panel.ticks
    ]
    for number, (_, points) in enumerate(panel.curves, start=1):
        parts.append(Markup('<g class="s{}" stroke="currentColor">').format(number))
        parts += [
            Markup(
                '<line x1="{:.1f}%" y1="{:.1f}%" x2="{:.1f}%" y2="{:.1f}%" stroke-width="1.5" opacity=".55"/>'
            ).format(one.at, one.y, other.at, other.y)
            for one, other in pairwise(points)
        ]
        parts += [_dot(point) for point in points]
        parts.append(Markup("</g>"))
    parts.append(Markup('</svg><div class="axis">'))
    parts += [Markup('<span style="left:{:.1f}%">{}</span>').format(at, label) for at, label in panel.places]
    parts.append(Markup("</div></div>"))
    return Markup("").join(parts)


def _dot(point: Point) -> Markup:
    return Markup(
        '<line x1="{0:.1f}%" x2="{0:.1f}%" y1="{1:.1f}%" y2="{2:.1f}%"/>'
        '<rect class="dot" x="{0:.1f}%" y="{3:.1f}%" width="8" height="8"><title>{4}</title></rect>'
    ).format(point.at, point.low, point.high, point.y, point.said)


def _named(sections: Sequence[Section]) -> Iterator[tuple[str, Section]]:
    """Sections with a name to link to."""
    for section in sections:
        yield f"{section.experiment.name}-{section.language}", section
