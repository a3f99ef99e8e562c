"""The command line: the commands of each part of calque, and what ends them. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import calque
from calque.chat.command_line import chat
from calque.errors import CalqueError, UsageError
from calque.export.commands import export
from calque.lab.commands import app as lab
from calque.rating.commands import rate
from calque.recipes.commands import check, evaluate, init, run
from calque.reports.commands import report, show

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
for command in (init, run, evaluate, check, show, report, rate, export, chat):
    app.command()(command)
app.add_typer(lab, name="lab")


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


def main() -> None:
    """The program `calque`."""
    # Threads that spin long while they wait take the cores from those that have work, where runs share a machine; those
    # that never spin are woken too late. Two cores, 1.8M parameters, tokens/s alone and for each of two at once:
    # passive 7,100 and 4,100; 1,000 turns 8,300 and 4,700; 10,000 turns 10,700 and 1,400.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    sys.exit(app())
