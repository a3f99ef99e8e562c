"""The command line: parse, call, print. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

import calque
from calque.errors import CalqueError, Problem, UsageError
from calque.lab.commands import app as lab
from calque.languages import language as known

if TYPE_CHECKING:
    from calque.recipes.reading import Read

INTERRUPTED = 130


class _Guarded(TyperGroup):
    """Turns what a user can mend into its message and exit code; a bug of ours keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CalqueError as error:
            for problem in error.problems:
                typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
                typer.echo(str(problem), err=True)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
        except KeyboardInterrupt:
            typer.echo("\nstopped; the same command goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Guarded,
    help="Make a language model that is strong in English follow instructions in another language, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(lab, name="lab")

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


@app.command()
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


@app.command()
def run(recipe: RecipeName, changes: Words = None) -> None:
    """Carry out a recipe in a folder (out=FOLDER). Run again, it goes on where it stopped."""
    from calque.recipes.reading import read_recipe

    words, out, reuse = _out(changes or [])
    read = read_recipe(recipe, words)
    if out is None:
        out = Path(recipe) if Path(recipe).is_dir() else Path("runs") / read.recipe.name
    _carry_out(read, out, reuse)


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


@app.command()
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


@app.command()
def check(recipe: RecipeName, changes: Words = None) -> None:
    """Read a recipe and all its files without spending anything: every mistake at once, then counts and steps."""
    from calque.console import make_console
    from calque.recipes.checking import check as look

    words, out, _ = _out(changes or [])
    console = make_console()
    for line in look(recipe, words, out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@app.command()
def show(run: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder, finished or not")]) -> None:
    """Show what stands in a run: steps, counts, drops with reasons, scores."""
    from calque.console import make_console
    from calque.reports.show import show as shown

    make_console().print(shown(run))


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def chat(
    model: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="a run's folder, a model's folder, or a hub id")
    ],
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="system or role; again to hear several", show_default="what the last comparison is about"
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="of what you say and of the answers", show_default="the system's")
    ] = None,
    answers: Annotated[
        Literal["direct", "chat", "pivot"] | None,
        typer.Option(
            help="chat: English first, in a turn of its own; pivot: both in one",
            show_default="as it was scored",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy, as scores are")] = 0,
    top_p: Annotated[float, typer.Option(help="of the probabilities the fewest that hold this share")] = 1,
    top_k: Annotated[int, typer.Option(min=0, help="of the probabilities so many; 0 is all")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="draws the answers")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="longest answer")] = 512,
    english_tokens: Annotated[
        int, typer.Option(min=1, help="room for what is written in English first")
    ] = 256,
    lines: Annotated[
        bool, typer.Option("--lines", help="from a pipe: each line is a request of its own")
    ] = False,
    base: Annotated[
        str | None, typer.Option(help="folder or hub id of the base model, where it has been moved")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="of a model without a run", show_default="its own, else plain")
    ] = None,
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="as in evaluating")] = "auto",
) -> None:
    """Talk to a tuned model in its language. Reads a pipe too: echo hello | calque chat RUN."""
    from calque.chat.begin import begin
    from calque.engines import Sampling

    drawn = temperature > 0 or top_p < 1 or top_k > 0
    terminal = begin(
        model,
        systems=system or (),
        language=known(language).code if language else None,
        answers=answers,
        sampling=Sampling(temperature or 1.0, top_p, top_k, seed) if drawn else None,
        max_tokens=max_tokens,
        english_tokens=english_tokens,
        lines=lines,
        base=base,
        template=template,
        precision=precision,
    )
    raise typer.Exit(terminal.run())


def _one_of(option: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        remedy = f"there are: {', '.join(allowed)}"
        raise UsageError(Problem(f"{option} {given}: there is none", "command line", remedy=remedy))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"calque {calque.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


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


def main() -> None:
    """The program `calque`."""
    # Threads that spin long while they wait take the cores from those that have work, where runs share a machine; those
    # that never spin are woken too late. Two cores, 1.8M parameters, tokens/s alone and for each of two at once:
    # passive 7,100 and 4,100; 1,000 turns 8,300 and 4,700; 10,000 turns 10,700 and 1,400.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    sys.exit(app())
