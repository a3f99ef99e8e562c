"""A run on the terminal: its scores as one table, and all that stands in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from calque.reports import numbers
from calque.reports.asked import questions
from calque.reports.counts import Counts
from calque.reports.folder import read_run
from calque.reports.run import Run
from calque.reports.verdict import Row, Verdict, verdict


def score_table(folder: Path) -> RenderableType:
    """The systems side by side on each benchmark's first metric, with paired differences and their intervals."""
    run = read_run(folder)
    return Group(_tables(verdict(run)), *_too_long(run))


def show(folder: Path) -> RenderableType:
    """Steps with their state, counts and drops with reasons, then the scores. A run may be unfinished."""
    run = read_run(folder)
    parts: list[RenderableType] = [Text(f"{run.manifest.recipe or run.name}: {folder}", style="bold")]
    parts += [Text(f"note: {note}", style="yellow") for note in run.manifest.notes]
    return Group(*parts, _steps(run), _tables(verdict(run)), *_too_long(run))


def _too_long(run: Run) -> Iterator[Text]:
    """A line for each benchmark of which a prompt did not fit: its scores are low for that reason."""
    for asked in questions(run):
        if asked.too_long:
            which = f"{asked.benchmark} in {asked.language}" + (
                "" if asked.all else f" ({', '.join(asked.systems)})"
            )
            share = f"{numbers.count(asked.too_long)} of {numbers.count(asked.counts.kept)}"
            text = f"{which}: {share} prompts did not fit the model's context and count as wrong"
            yield Text(text, style="yellow")


def _tables(table: Verdict) -> RenderableType:
    """One table, or two where there are several comparisons: a line of all would not fit a terminal."""
    if not table.rows:
        return Text("nothing was scored yet, or the recipe names no benchmark", style="dim")
    if len(table.comparisons) <= 1:
        return _with_caption(_table(table, scores=True, differences=True))
    return Group(
        _table(table, scores=True, differences=False),
        "",
        _with_caption(_table(table, scores=False, differences=True)),
    )


def _with_caption(shown: Table) -> Group:
    text = "percent; differences in points, paired by question, with 95% intervals"
    return Group(shown, Text(text, style="dim italic"))


def _table(table: Verdict, *, scores: bool, differences: bool) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("benchmark")  # the one column that folds where the screen is narrow
    shown.add_column("in", no_wrap=True)
    for column in table.columns if scores else ():
        shown.add_column(escape(column.role), justify="right", no_wrap=True)
    for first, second in table.comparisons if differences else ():
        shown.add_column(escape(f"{second}\n− {first}"), justify="right", no_wrap=True)
    shown.add_column("n", justify="right", no_wrap=True)
    previous = ""
    for row in table.rows:
        shown.add_row(*_cells(row, row.benchmark != previous, scores=scores, differences=differences))
        previous = row.benchmark
    return shown


def _cells(row: Row, first: bool, *, scores: bool, differences: bool) -> list[str]:
    name = f"{escape(row.benchmark)} [dim]{escape(row.metric.replace('_', ' '))}[/]" if first else ""
    cells = [name, escape(row.language or "mean")]
    if scores:
        cells += [numbers.UNKNOWN if cell is None else numbers.percent(cell.value) for cell in row.cells]
    for difference in row.differences if differences else ():
        if difference is None:
            cells.append(numbers.UNKNOWN)
            continue
        colour = {"higher": "green", "lower": "red"}.get(difference.verdict, "default")
        value = f"{numbers.points(difference.value)} {escape(numbers.points_interval(difference))}"
        cells.append(f"[{colour}]{value}[/]")
    return [*cells, numbers.count(row.n)]


def _steps(run: Run) -> Table:
    counts = {count.step: count for count in run.counts}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("step", "state", "rows", "kept", "dropped"):
        table.add_column(name, justify="right" if name in ("rows", "kept") else "left")
    for step in run.steps:
        count = counts.get(step.name)
        state = "done" if step.done else "[yellow]not done[/]"
        table.add_row(escape(step.name), state, *_counted(count))
    return table


def _counted(count: Counts | None) -> tuple[str, str, str]:
    if count is None:
        return "", "", ""
    dropped = ", ".join(f"{numbers.count(n)} × {reason}" for reason, n in count.dropped.items())
    return numbers.count(count.rows), numbers.count(count.kept), escape(dropped)
