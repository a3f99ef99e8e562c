"""The terminal of a run: a bar where there is a screen, plain lines where there is none."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

EVERY = 10.0  # seconds between two lines about the same step, where there is no screen
WIDTH_OF_LOGS = 120


def make_console() -> Console:
    """The terminal; where there is none, lines of a log, wide enough for a table of several systems."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH_OF_LOGS)
    return console


class Screen:
    """Shows a run as it goes; see `calque.recipes.watch.Watcher`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._steps = self._seen = 0
        self._cached = 0
        self._last = 0.0

    def planned(self, steps: int) -> None:
        """So many steps there are in all."""
        self._steps = steps

    def cached(self, name: str) -> None:  # noqa: ARG002 — the protocol's
        """Count it; how many there were is told with the next step that is not."""
        self._seen += 1
        self._cached += 1

    def started(self, name: str, why: str) -> None:
        """Say so, and why it is done again."""
        self._seen += 1
        self._tell_cached()
        self._last = time.monotonic()
        again = f"  [yellow]again: {escape(why)}[/]" if why else ""
        self._print(f"[dim]{self._place()}[/] {escape(name)} ...{again}")
        self._task = self._bar.add_task(name, total=None, amount="", note="")

    def progressed(self, name: str, done: int, total: int, note: str = "") -> None:
        """Move the bar; without a screen, say so every ten seconds."""
        amount = f"{done:,}/{total:,}" if total else f"{done:,}"
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, amount=amount, note=note)
        now = time.monotonic()
        if not self.console.is_terminal and now - self._last >= EVERY:
            self._last = now
            self._print(f"        {escape(name)}: {amount} {escape(note)}")

    def finished(self, name: str, counts: dict[str, Any], seconds: float) -> None:  # noqa: ARG002 — the protocol's
        """Say what came out."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._print(f"        {seconds:5.1f} s  {escape(summary(counts))}")

    def note(self, text: str) -> None:
        """Say it."""
        self._print(f"[yellow]note:[/] {escape(text)}")

    def ended(self) -> None:
        """Tell of the cached steps that nothing came after."""
        self._tell_cached()

    def _tell_cached(self) -> None:
        if self._cached:
            standing = "1 step stands" if self._cached == 1 else f"{self._cached} steps stand"
            self._print(f"[dim]{standing} already[/]")
            self._cached = 0

    def _place(self) -> str:
        return f"{self._seen:>3}/{self._steps}"

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def summary(counts: dict[str, Any]) -> str:
    """Counts in one line: rows, what was dropped and why, tokens, steps."""
    words = []
    if "rows" in counts:
        words.append(f"{counts['rows']:,} rows, {counts['kept']:,} kept")
        words += [f"{n:,} × {reason}" for reason, n in counts.get("dropped", {}).items()]
    words += [f"{name}: {n:,}" for name, n in counts.get("parts", {}).items()]
    words += [f"noted: {n:,} × {reason}" for reason, n in counts.get("notes", {}).items()]
    if "steps" in counts:
        words.append(f"{counts['steps']:,} steps")
    if "tokens" in counts:
        words.append(f"{counts['tokens']:,} tokens")
    if "trained_tokens" in counts:
        words.append(f"{counts['trained_tokens']:,} trained")
    return ", ".join(words)
