"""Engines: conversations in, completions or choice scores out. What a model is, nobody above here knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from calque.errors import EngineError, Problem, UsageError
from calque.records import Conversation


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    `tokens` counts what was generated, the stop token left out; `finished` is false where the limit cut it off.
    `prompt_tokens` is what the prompt cost, where a server tells it.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer; never an answer itself. `reason` is a short fixed key to count by (`timeout`).

    What was written all the same, and is of no use, has cost tokens. `final` failures would be the same if asked again.
    """

    reason: str
    detail: str = ""
    tokens: int = field(default=0, compare=False)
    prompt_tokens: int = field(default=0, compare=False)

    @property
    def final(self) -> bool:
        """Whether the server, or the model behind it, will not answer this; rather than that it could not just now."""
        return self.reason in FINAL


class RefusesEverythingError(EngineError):
    """A server refused so many requests, with none answered, that it seems to refuse them all."""


TOO_LONG = "too_long"  # for the model's context
FINAL = frozenset({"refused", "withheld", "no_probability", TOO_LONG})
Scores = tuple[float, ...]  # log-likelihoods of choices, in nats


class CountedScores(Scores):
    """Log-likelihoods for which a server was asked: `prompt_tokens` were read for them, `tokens` written."""

    tokens: int = 0
    prompt_tokens: int = 0

    @classmethod
    def of(cls, scores: Iterable[float], tokens: int, prompt_tokens: int) -> CountedScores:
        """These, at that cost."""
        made = cls(scores)
        made.tokens, made.prompt_tokens = tokens, prompt_tokens
        return made


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn; where none is given they are greedy.

    Of the probabilities at `temperature` the `top_k` largest are kept (0: all), and of these the fewest that hold
    `top_p`. What is drawn for a conversation depends on `seed` and the conversation alone, never on its batch.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `UsageError` for what cannot be drawn from."""
        if not 0 < self.temperature < float("inf"):
            remedy = "give one above 0, or no sampling at all for greedy answers"
            raise UsageError(Problem(f"temperature is {self.temperature}", remedy=remedy))
        if not 0 < self.top_p <= 1:
            raise UsageError(Problem(f"top_p is {self.top_p}", remedy="give a share above 0, at most 1"))
        if self.top_k < 0:
            raise UsageError(Problem(f"top_k is {self.top_k}", remedy="give 0 (all) or more"))


class Progress(Protocol):
    """Called with the number of items done since the last call."""

    def __call__(self, done: int, /) -> None:
        """Take note of `done` more items."""


Told = TypeVar("Told")


def in_order(told: Iterable[tuple[int, Told]], count: int, progress: Progress | None = None) -> list[Told]:
    """What is told by its place, each place of `count` once, in the order of the places."""
    found: dict[int, Told] = {}
    for place, one in told:
        found[place] = one
        if progress is not None:
            progress(1)
    return [found[place] for place in range(count)]


class Engine(Protocol):
    """A model that answers. Results stand in the order of the conversations."""

    @property
    def identity(self) -> str:
        """What the model is: a content address, the same for the same weights and settings."""

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        progress: Progress | None = None,
    ) -> list[Completion]:
        """Answers, greedy or drawn, to conversations whose last message is the user's."""

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-likelihood of each choice as the answer (summed over its tokens, without the stop token)."""


class Answering(Protocol):
    """The part of an engine that tells every answer as soon as it is there, by its place; some may be failures."""

    @property
    def identity(self) -> str:
        """What the model is, and how conversations are put to it."""

    def rendered(self, conversation: Conversation) -> str:
        """What the model is shown: equal texts are equal questions."""

    def answers(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Iterator[tuple[int, Completion | Failure]]:
        """Answers as they come, each once."""

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        """Log-likelihoods of choices as they come, each once."""

    def requests_for(self, choices: Sequence[str]) -> int:
        """How many requests it takes to compare choices."""
