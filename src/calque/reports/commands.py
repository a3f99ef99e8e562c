"""`calque show` and `calque report`: what stands in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(run: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder, finished or not")]) -> None:
    """Show what stands in a run: steps, counts, drops with reasons, scores."""
    from calque.console import make_console
    from calque.reports.show import show as shown

    make_console().print(shown(run))


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")],
    out: Annotated[
        Path | None,
        typer.Option(help="file to write", show_default="RUN/report.html; report.html for several"),
    ] = None,
) -> None:
    """Write one self-contained HTML page, for one run or for several side by side."""
    from calque.reports.page import write_report

    target = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    typer.echo(f"report: {write_report(runs, target)}")
