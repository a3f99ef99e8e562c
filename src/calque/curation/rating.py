"""Ratings from an evaluator: the expectation over its three rating tokens, from one forward pass a pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calque.engines import Engine, Progress
from calque.prompts.cross_lingual import LEVELS, rating_request, rating_tokens
from calque.records import Conversation, CrossLingualPair


@dataclass(frozen=True, slots=True)
class Rating:
    """Probabilities of the levels 1, 2 and 3, which sum to 1."""

    probabilities: tuple[float, float, float]

    @property
    def value(self) -> float:
        """The expected level, between 1 and 3."""
        return sum(level * p for level, p in zip(LEVELS, self.probabilities, strict=True))

    @property
    def level(self) -> int:
        """The likeliest level; of equals the lower."""
        return LEVELS[max(range(len(LEVELS)), key=lambda i: (self.probabilities[i], -i))]


def rate(
    engine: Engine, pairs: Sequence[CrossLingualPair], *, progress: Progress | None = None
) -> list[Rating | None]:
    """A rating of each pair; None where it does not fit the model's context."""
    scores = engine.choose(*rating_requests(pairs), progress=progress)
    return [rating_of(row) if row else None for row in scores]


def rating_requests(pairs: Sequence[CrossLingualPair]) -> tuple[list[Conversation], list[tuple[str, ...]]]:
    """What an evaluator is asked of each pair, and the answers among which it chooses."""
    asked = [rating_request(p.instruction, p.input, p.response, p.language) for p in pairs]
    return asked, [rating_tokens()] * len(asked)


def rating_of(log_likelihoods: Sequence[float]) -> Rating:
    """The rating by the log-likelihoods (in nats) of the three tokens; what else the model might write does not count."""
    highest = max(log_likelihoods)
    one, two, three = (math.exp(value - highest) for value in log_likelihoods)
    total = one + two + three
    return Rating((one / total, two / total, three / total))
