"""`calque rate`: the page on which people rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.errors import Problem, UsageError
from calque.languages import language as known


def rate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")],
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="two systems or roles, the baseline first; several times",
            show_default="the recipe's",
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="benchmark; several times", show_default="open questions, else all"),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="language code; several times", show_default="the recipe's")
    ] = None,
    items: Annotated[
        int,
        typer.Option(min=1, help="questions of each comparison, benchmark and language, drawn by the seed"),
    ] = 50,
    seed: Annotated[int, typer.Option(min=0, help="draws questions and sides")] = 0,
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0 lets others in")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="port", show_default="8733, or a free one")
    ] = None,
    browser: Annotated[bool, typer.Option(help="open the page in the browser")] = True,
) -> None:
    """Let people rate answers blind, two at a time, on a local page. Run again, it goes on where they stopped."""
    from calque.rating.pairs import Wanted
    from calque.rating.serve import rate as serve

    pairs = [tuple(name.strip() for name in pair.split(",")) for pair in compare or []]
    if any(len(pair) != 2 or "" in pair or pair[0] == pair[1] for pair in pairs):
        raise UsageError(
            Problem("--compare takes two systems, as in --compare base,x-alpaca", "command line")
        )
    wanted = Wanted(
        tuple((first, second) for first, second in pairs),
        tuple(benchmark or ()),
        tuple(known(code).code for code in language or ()),
        items,
        seed,
    )
    serve(runs, wanted, host=host, port=port, browser=browser, say=typer.echo)
