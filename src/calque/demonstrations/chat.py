"""Instruction pairs to chat demonstrations: English first, then the language, in two turns (X-CIT).

A request in x is answered by the English instruction and the English response; then the answer in x is asked for and
given. A conversation of several requests becomes one of twice as many turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from calque.prompts.turns import english_turn, turns
from calque.randomness import rounds, stream
from calque.records import Conversation, Demonstration, InstructionPair, Message

Trained = Literal["both", "last"]


def chat_demonstrations(
    pairs: Iterable[InstructionPair],
    *,
    prompt_language: Literal["target", "english"] = "target",
    trained: Trained = "both",
    english_asked_for: bool = True,
    seed: int,
) -> Iterator[Demonstration]:
    """One demonstration of each pair. `prompt_language` is that of our own words in the user's turns.

    `trained` says whether the English turns are trained on too, or those in x alone. Without `english_asked_for` the
    first turn is the bare request, whose answer in English the model then has to tell from its data alone.
    """
    wordings = None
    for pair in pairs:
        asked = turns("en" if prompt_language == "english" else pair.language, pair.language)
        if wordings is None:
            wordings = rounds(len(asked.second), stream(seed, "chat", pair.language, "wording"))
        messages: list[Message] = []
        for request, english, response in _exchanges(pair):
            first = asked.english_first(request) if english_asked_for else request
            messages += [
                first,
                Message("assistant", english, "en", trained=trained == "both"),
                asked.now_in_target(next(wordings)),
                Message("assistant", response, pair.language, trained=True),
            ]
        yield Demonstration("chat", tuple(messages), pair.provenance)


def _exchanges(pair: InstructionPair) -> Iterator[tuple[Message, str, str]]:
    """Of each request: itself in x, what is written in English, and the response in x."""
    english: Conversation = pair.english
    for i in range(0, len(pair.target), 2):
        written = english_turn(english[i], english[i + 1].text)
        yield pair.target[i], written, pair.target[i + 1].text
