"""`calque lab`: the proving ground, a small world of which everything is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The proving ground: a small world with known truth, as ordinary files.", no_args_is_help=True
)
Out = Annotated[Path, typer.Argument(metavar="OUT", help="folder to write into")]
Seed = Annotated[int, typer.Option(min=0, help="the world's seed")]
People = Annotated[int, typer.Option(min=40, help="lasting people in the world")]
Targets = Annotated[
    list[str] | None, typer.Option("--language", help="language beside English; again for more")
]
Base = Annotated[
    Path | None,
    typer.Option(
        help="a base made by `calque lab pretrain`, in place of the shipped one; the world is its world"
    ),
]
Coverage = Annotated[
    float, typer.Option(min=0.1, max=1, help="share of the values that instructions speak of")
]


@app.command()
def world(
    out: Out,
    seed: Seed = 0,
    people: People = 300,
    coverage: Coverage = 0.5,
    language: Targets = None,
    base: Base = None,
) -> None:
    """Write a world: instructions, parallel text, passages, benchmarks, the shipped base model, a recipe.

    All languages by default. The shipped base knows the world of seed 0 with 300 people; for another, train one with
    `calque lab pretrain`.
    """
    from calque.lab.files import make_world

    make_world(out, seed=seed, people=people, coverage=coverage, targets=language or (), base=base)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    typer.echo(f"a world in {len(files)} files, {size / 1e6:.1f} MB: {out}")
    typer.echo(f"next: calque run {out / 'crossalpaca.yaml'} out=runs/lab")


@app.command()
def kept(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="a run of recipe xinstruction on a world's passages")
    ],
    base: Base = None,
) -> None:
    """What each selection of a run kept, by the truth: how many passages are sound, and which share of each fault came through.

    And how far the requests that were written for passages speak of what these tell.
    """
    from calque.lab.files import PEOPLE, told_of, world_of
    from calque.lab.kept import kept as kept_of
    from calque.lab.kept import requests, table, told

    seed, people = told_of(base) if base is not None else (0, PEOPLE)
    world = world_of(seed=seed, people=people)
    for line in (*table(kept_of(run, world)), *told(requests(run, world))):
        typer.echo(line)


@app.command()
def pretrain(
    out: Out,
    seed: Seed = 0,
    people: People = 300,
    language: Targets = None,
    layers: Annotated[int, typer.Option(min=1, help="layers of the model")] = 4,
    width: Annotated[int, typer.Option(min=16, help="size of its hidden states, a multiple of 8")] = 160,
    epochs: Annotated[int, typer.Option(min=1, help="passes over the text")] = 5,
    foreign: Annotated[
        float, typer.Option(min=0, help="text in each other language, as a multiple of the default")
    ] = 1,
) -> None:
    """Train the base model of a world from nothing (under twenty minutes on two cores); a bigger one is only numbers."""
    from calque.lab.pretrain import pretrain as train
    from calque.lab.pretrain import sized
    from calque.lab.text import Shares

    size = sized(layers=layers, width=width, epochs=epochs)
    shares = Shares().foreign_times(foreign)
    train(out, seed=seed, people=people, targets=language or (), size=size, shares=shares, tell=typer.echo)
    typer.echo(f"base model: {out}")


@app.command()
def prove(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="all by default")
    ] = None,
    language: Targets = None,
    out: Annotated[Path, typer.Option(help="folder to work in; run again, it goes on from there")] = Path(
        "runs/prove"
    ),
    seeds: Annotated[int | None, typer.Option(min=1, help="run only so many of the seeds")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="runs at a time", show_default="one a core")] = None,
    base: Base = None,
    development: Annotated[
        bool, typer.Option("--development", help="ask about development people, with development seeds")
    ] = False,
) -> None:
    """Put claims to the proof: every experiment over several seeds, held against the truth, on one page.

    In Italian by default.
    """
    from calque.lab.prove.experiment import experiment, experiments
    from calque.lab.prove.prove import prove as carry_out

    chosen = [experiment(name) for name in names or experiments()]
    targets = language or ["it"]
    words = ["calque lab prove", *(names or []), *(f"--language {code}" for code in targets)]
    words += [f"--seeds {seeds}"] if seeds else []
    words += [f"--base {base.name}"] if base else []
    words += ["--development"] if development else []
    page = carry_out(
        chosen, targets, out, jobs=jobs or os.cpu_count() or 1, seeds=seeds, base=base,
        development=development, command=" ".join(words), tell=typer.echo,
    )  # fmt: skip
    typer.echo(f"page: {page}")
