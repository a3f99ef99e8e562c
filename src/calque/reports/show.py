"""A run on the terminal: its scores as one table, and all that stands in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from calque.reports import numbers
from calque.reports.asked import questions, served
from calque.reports.compare import Difference
from calque.reports.counts import Counts
from calque.reports.folder import read_run
from calque.reports.layout import ANSWERED, Answered, Entry, Grid, Heading, layout
from calque.reports.run import Run
from calque.reports.verdict import english, unscored, verdict

MOST_IN_LINE = 3  # differences with their intervals


def score_table(folder: Path) -> RenderableType:
    """The systems side by side on each benchmark's first metric, with paired differences and their intervals; then in English."""
    run = read_run(folder)
    return Group(_tables(run), *_english(run), *_no_room(run), *_served(run))


def show(folder: Path) -> RenderableType:
    """Steps with their state, counts and drops with reasons, then the scores. A run may be unfinished."""
    run = read_run(folder)
    parts: list[RenderableType] = [Text(f"{run.manifest.recipe or run.name}: {folder}", style="bold")]
    parts += [Text(f"note: {note}", style="yellow") for note in (*run.manifest.notes, *_tuning_notes(run))]
    return Group(*parts, _steps(run), _tables(run), *_english(run), *_no_room(run), *_served(run))


def _tuning_notes(run: Run) -> Iterator[str]:
    return (f"{name}: {note}" for name, lineage in run.lineage.items() for note in lineage.get("notes", ()))


def _english(run: Run) -> Iterator[Text]:
    """A line for each system that was asked in English: its scores, and what tuning cost or gained there."""
    for row in english(run):
        cells = []
        for benchmark, (score, change) in row.cells.items():
            moved = f" ({numbers.points(change.value)} {numbers.points_interval(change)})" if change else ""
            cells.append(f"{benchmark} {numbers.percent(score.value)}{moved}")
        yield Text(f"{row.system.name} in English: {', '.join(cells)}")


def _no_room(run: Run) -> Iterator[Text]:
    """A line for each benchmark of which a prompt did not fit, or not with all examples: its scores are low for that reason."""
    for asked in questions(run):
        which = f"{asked.benchmark} in {asked.language}"
        which += "" if asked.all else f" ({', '.join(asked.systems)})"
        of = numbers.count(asked.counts.kept)
        if asked.too_long:
            share = f"{numbers.count(asked.too_long)} of {of}"
            told = "count as wrong" if asked.counts_as_wrong else "are left out of its pass rates"
            text = f"{which}: {share} prompts did not fit the model's context and {told}"
            yield Text(text, style="yellow")
        if asked.with_fewer:
            share = f"{numbers.count(asked.with_fewer)} of {of}"
            text = f"{which}: {share} prompts had room for fewer examples only"
            yield Text(text, style="yellow")


def _served(run: Run) -> Iterator[Text]:
    """A line for each model behind a server: what it was asked, and what it left unanswered."""
    for one in served(run):
        tokens = f"{numbers.count(one.prompt_tokens)} tokens read, {numbers.count(one.tokens)} written"
        text = f"{one.system} ({one.model}): {numbers.count(one.requests)} requests, {tokens}"
        if one.missing:
            reasons = ", ".join(f"{numbers.count(n)} × {reason}" for reason, n in one.unanswered.items())
            share = f"{numbers.count(one.missing)} of {numbers.count(one.questions)} questions unanswered"
            text += f"; {share} ({reasons}), which count as wrong"
            if one.left_out:
                text += f", but {numbers.count(one.left_out)} that are left out of pass rates"
        yield Text(text, style="yellow" if one.missing else "dim")


def _tables(run: Run) -> RenderableType:
    grids = layout(verdict(run))
    if not grids:
        return Text(unscored(run), style="dim")
    text = (
        "percent; differences in points, paired by question, with 95% intervals; signatures in scores.jsonl"
    )
    return Group(*(part for grid in grids for part in (_table(grid), "")), Text(text, style="dim italic"))


def _table(grid: Grid) -> Table:
    title = [grid.title.text, "" if grid.title.where is None else grid.title.where or "mean"]
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), title_justify="left")
    shown.title = escape(" ".join(filter(None, title))) or None
    placed = grid.down[0].where is not None
    shown.add_column(grid.down_is)  # the one column that folds where the screen is narrow
    if placed:
        shown.add_column("in", no_wrap=True)
    for head in grid.across:
        shown.add_column(_headed(head), justify="right", no_wrap=True)
    # The intervals of many differences stand below them, or a line would not fit a terminal.
    many = sum(isinstance(entry, Difference) for entry in grid.entries[0]) > MOST_IN_LINE
    gap = "\n" if many else " "
    previous = ""
    for head, entries in zip(grid.down, grid.entries, strict=True):
        note = f"{gap}[dim]{escape(head.note)}[/]" if head.note else ""
        name = escape(head.text) + note if head.text != previous else ""
        shown.add_row(
            name,
            *([escape(head.where or "mean")] if placed else []),
            *(_written(entry, gap) for entry in entries),
        )
        previous = head.text if placed else ""
    return shown


def _headed(head: Heading) -> str:
    return "n" if head == ANSWERED else escape(f"{head.text}\n{head.note}".strip())


def _written(entry: Entry, gap: str) -> str:
    match entry:
        case None:
            return numbers.UNKNOWN
        case Answered():
            few = "" if entry.answered == (entry.n, entry.n) else f"{numbers.span(*entry.answered)} of "
            return few + numbers.count(entry.n)
        case Difference():
            colour = {"higher": "green", "lower": "red"}.get(entry.verdict, "default")
            interval = escape(numbers.points_interval(entry))
            return f"[{colour}]{numbers.points(entry.value)}{gap}{interval}[/]"
    return numbers.percent(entry.value)


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
