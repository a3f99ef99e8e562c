"""`calque lab`: the proving ground, a small world of which everything is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The proving ground: a small world with known truth, as ordinary files.", no_args_is_help=True
)
Out = Annotated[Path, typer.Argument(metavar="OUT", help="folder to write into")]
Seed = Annotated[int, typer.Option(min=0, help="the world's seed")]
People = Annotated[int, typer.Option(min=40, help="lasting people in the world")]


@app.command()
def world(out: Out, seed: Seed = 0, people: People = 240) -> None:
    """Write a world: instructions, parallel text, benchmarks, the shipped base model, a recipe.

    The shipped base knows the world of seed 0 with 240 people; for another, train one with `calque lab pretrain`.
    """
    from calque.lab.files import make_world

    make_world(out, seed=seed, people=people)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    typer.echo(f"a world of {people} people in {len(files)} files, {size / 1e6:.1f} MB: {out}")
    typer.echo(f"next: calque run {out / 'crossalpaca.yaml'} out=runs/lab")


@app.command()
def pretrain(out: Out, seed: Seed = 0, people: People = 240) -> None:
    """Train the base model of a world from nothing (about ten minutes on two cores)."""
    from calque.lab.pretrain import pretrain as train

    train(out, seed=seed, people=people, tell=typer.echo)
    typer.echo(f"base model: {out}")
