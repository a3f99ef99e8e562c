"""`calque init`, `run`, `evaluate` and `check`: what begins with a recipe, or makes one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from calque.errors import Problem, UsageError
from calque.languages import language as known

if TYPE_CHECKING:
    from calque.recipes.reading import Read

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="a packaged recipe (crossalpaca), a .yaml file, or a run's folder"),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="changes to the recipe: model=… language=zh instructions=FILE translations=FILE evaluate.xquad=FILE "
        "tuning.epochs=2 systems.NAME=null (without it), out=FOLDER, and reuse=RUN (steps that stand there, made from the same, are not done again)",
    ),
]


def init(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="what there is to learn from and to measure by: files, folders"
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="base model: a folder in hub form, or a hub id")] = None,
    language: Annotated[
        str | None, typer.Option(help="target languages, as it or it,zh", show_default="those of the files")
    ] = None,
    method: Annotated[
        Literal["crossalpaca", "xcit", "xinstruction"] | None,
        typer.Option(show_default="what the files allow"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="file to write", show_default="METHOD-LANGUAGE.yaml")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing: take what is proposed")] = False,
) -> None:
    """Look at your files, ask what they do not tell, and write a recipe with comments. Overwrites nothing."""
    from calque.recipes.beginning import Given, begin

    codes = tuple(known(code.strip()).code for code in (language or "").split(",") if code.strip())
    live = not yes and sys.stdin.isatty()
    ask = (lambda question, proposed: typer.prompt(question, default=proposed or None)) if live else None
    written = begin(Given(tuple(files or ()), model or "", codes, method or "", out), ask, typer.echo)
    typer.echo(f"written: {written}\nnext: calque check {written}")


def run(recipe: RecipeName, changes: Words = None) -> None:
    """Carry out a recipe in a folder (out=FOLDER). Run again, it goes on where it stopped."""
    from calque.recipes.reading import read_recipe

    words, out, reuse = _out(changes or [])
    read = read_recipe(recipe, words)
    if out is None:
        out = Path(recipe) if Path(recipe).is_dir() else Path("runs") / read.recipe.name
    _carry_out(read, out, reuse)


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="folder of a model in hub form, or a hub id; none with --server"
        ),
    ] = None,
    suite: Annotated[
        str, typer.Option(help="crossalpaca, xinstruction or xcit (what the paper measured), or all")
    ] = "all",
    language: Annotated[
        str, typer.Option(help="codes, with commas between them; English is scored beside them")
    ] = "",
    data: Annotated[
        Path, typer.Option(help="folder with the official files, under their usual names")
    ] = Path("data"),
    out: Annotated[
        Path | None, typer.Option(help="the run's folder", show_default="runs/MODEL-SUITE")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many questions of each")] = None,
    shots: Annotated[
        int, typer.Option(min=0, help="worked examples before each question, where there are right answers")
    ] = 0,
    template: Annotated[
        str | None,
        typer.Option(help="alpaca, plain, chat, or a YAML file [default: alpaca; with --server chat]"),
    ] = None,
    prompt_language: Annotated[
        str, typer.Option(help="language of the prompts: item (that of the questions) or en")
    ] = "item",
    seed: Annotated[int, typer.Option(min=0, help="draws questions and bootstrap samples")] = 0,
    server: Annotated[
        str, typer.Option(help="in place of MODEL: an OpenAI-compatible server, as http://localhost:8000/v1")
    ] = "",
    served: Annotated[
        str, typer.Option("--model", metavar="NAME", help="with --server: the model's name as it knows it")
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="VARIABLE", help="with --server: environment variable that holds its key")
    ] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="with --server: requests at a time")] = 32,
) -> None:
    """Score a model on benchmark suites, without a recipe. Run again, it goes on where it stopped."""
    from calque.recipes.official_files import SUITES
    from calque.recipes.suites import look, recipe_of

    codes = [known(code.strip()).code for code in language.split(",") if code.strip()]
    _one_of("--suite", suite, tuple(SUITES))
    _one_of("--prompt-language", prompt_language, ("item", "en"))
    if not set(codes) - {"en"}:
        remedy = "say --language zh, or --language zh,ar; English is scored beside them"
        raise UsageError(Problem("no target language is given", "command line", remedy=remedy))
    asked: str | dict[str, Any]
    if bool(model) == bool(server) or bool(server) != bool(served):
        remedy = "say calque evaluate FOLDER_OR_HUB_ID, or calque evaluate --server URL --model NAME"
        raise UsageError(
            Problem("one model is to be named, here or behind a server", "command line", remedy=remedy)
        )
    asked = model or {"server": server, "model": served, "key": key, "concurrency": concurrency}
    found = look(suite, codes, data, prompt_language, shots)
    for one in found:
        line = f"{one.questions:,} questions{one.examples}" if one.questions else one.why_not
        typer.echo(f"{one.benchmark} in {one.language}: {line}")
    read = recipe_of(
        found,
        asked,
        suite=suite,
        seed=seed,
        limit=limit,
        template=template or ("chat" if server else "alpaca"),
        prompt_language=prompt_language,
        shots=shots,
    )
    _carry_out(read, out or Path("runs") / f"{Path(model or served).name}-{suite}", [])


def check(
    recipe: RecipeName,
    changes: Words = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="read all rows, look for contamination, count tokens; what stays as it is is not read again",
        ),
    ] = False,
) -> None:
    """Look at a recipe, its files and the first rows of each without spending anything: all mistakes, counts, steps."""
    from calque.recipes.checking import check as look
    from calque.recipes.remembered import users_folder

    words, out, _ = _out(changes or [])
    for line in look(recipe, words, out, everything=everything, memory=users_folder()):
        typer.echo(line)


def _carry_out(read: Read, out: Path, reuse: list[Path]) -> None:
    """Carry a recipe out, and print its scores and where the report is."""
    from calque.console import Screen, make_console
    from calque.recipes.ranks import ranks
    from calque.recipes.runner import follow, prepare
    from calque.recipes.runner import run as carry_out

    prepared = prepare(read)
    if not ranks().leads:
        follow(prepared, out)
        return
    console = make_console()
    with Screen(console) as screen:
        outcome = carry_out(prepared, out, screen, reuse)
        screen.ended()
    from calque.reports.show import score_table

    console.print(score_table(out))
    if not outcome.done:
        console.print(f"nothing to do: all {outcome.steps} steps stand already", highlight=False)
    console.print(f"report: {outcome.report}", highlight=False, soft_wrap=True)


def _one_of(option: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        remedy = f"there are: {', '.join(allowed)}"
        raise UsageError(Problem(f"{option} {given}: there is none", "command line", remedy=remedy))


def _out(words: list[str]) -> tuple[list[str], Path | None, list[Path]]:
    """The words that change the recipe, the folder that `out=` names, and those that `reuse=` names."""
    outs = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    if len(outs) > 1 or "" in outs:
        raise UsageError(Problem("out= is to name one folder, once", "command line"))
    reused = [word.removeprefix("reuse=") for word in words if word.startswith("reuse=")]
    runs = [Path(name.strip()).expanduser() for names in reused for name in names.split(",") if name.strip()]
    if reused and not runs:
        raise UsageError(Problem("reuse= is to name the folder of a run", "command line"))
    rest = [word for word in words if not word.startswith(("out=", "reuse="))]
    return rest, Path(outs[0]).expanduser() if outs else None, runs
