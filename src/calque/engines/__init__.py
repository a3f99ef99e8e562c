"""Engines: conversations in, completions or choice scores out. What a model is, nobody above here knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from calque.records import Conversation


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    `tokens` counts what was generated, the stop token left out; `finished` is false where the limit cut it off.
    """

    text: str
    tokens: int
    finished: bool


class Progress(Protocol):
    """Called with the number of items done since the last call."""

    def __call__(self, done: int, /) -> None:
        """Take note of `done` more items."""


class Engine(Protocol):
    """A model that answers. Results stand in the order of the conversations."""

    @property
    def identity(self) -> str:
        """What the model is: a content address, the same for the same weights and settings."""

    def complete(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, progress: Progress | None = None
    ) -> list[Completion]:
        """Greedy answers to conversations whose last message is the user's."""

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-likelihood of each choice as the answer (summed over its tokens, without the stop token)."""
