"""`calque chat`: the words behind it. Those that begin with a slash are in `commands`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from calque.languages import language as known


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
