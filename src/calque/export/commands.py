"""`calque export`: what leaves a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from calque.languages import language as known


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder")],
    out: Annotated[Path, typer.Option(help="folder to write, which is not there yet")],
    system: Annotated[
        str | None, typer.Option(help="system or role", show_default="what the last comparison is about")
    ] = None,
    language: Annotated[str | None, typer.Option(help="language, where a role has a system for each")] = None,
    merged: Annotated[
        bool, typer.Option("--merged/--adapter", help="the whole model, or the adapter alone")
    ] = True,
    data: Annotated[
        bool, typer.Option("--data", help="in place of the model the demonstrations it was trained on")
    ] = False,
    form: Annotated[
        Literal["messages", "sharegpt", "alpaca"], typer.Option(help="with --data: the form of the rows")
    ] = "messages",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option(help="of a merged model; auto is that of the weights it is made from"),
    ] = "auto",
    shard_size: Annotated[str, typer.Option(help="largest file of weights")] = "5GB",
    base: Annotated[
        str | None, typer.Option(help="folder or hub id of the base model, where it has been moved")
    ] = None,
    base_name: Annotated[
        str | None, typer.Option(help="what card and adapter call the base model, as ORG/NAME on the hub")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace an earlier export")] = False,
) -> None:
    """Write a tuned model in the hub's form, or what it learnt from, each with its card."""
    from calque.export.data import export_data
    from calque.export.model import ModelExport, export_model
    from calque.export.placing import refuse_taken
    from calque.recipes.tuned import read_tuned

    refuse_taken(out, force=force)
    tuned = read_tuned(run)
    chosen = tuned.wanted(system, known(language).code if language else None, tuned=True)
    if data:
        lines = export_data(tuned, chosen, out, form, force=force)
    else:
        asked = ModelExport("merged" if merged else "adapter", precision, shard_size, base, base_name, force)
        lines = export_model(tuned, chosen, out, asked)
    for line in lines:
        typer.echo(line)
