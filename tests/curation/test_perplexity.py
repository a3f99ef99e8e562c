"""Perplexities from log-likelihoods: literal values, and what is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from calque.curation.perplexity import perplexities
from calque.records import CrossLingualPair, Provenance


class Fixed:
    """An engine that gives each conversation the next of its scores."""

    identity = "fixed"

    def __init__(self, scores: Sequence[tuple[float, ...]]) -> None:
        self.scores = list(scores)
        self.asked: list[Any] = []

    def complete(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is written")

    def choose(self, conversations: Any, choices: Any, **_: Any) -> Any:
        self.asked += list(zip(conversations, choices, strict=True))
        return self.scores


def pair(response: str) -> CrossLingualPair:
    return CrossLingualPair("Tell of it.", response, "it", Provenance("p", 1))


def test_perplexity_is_of_a_token_behind_the_instruction_as_web_text_is_asked_for() -> None:
    engine = Fixed([(3 * math.log(1 / 4),), (), (math.log(1 / 2),)])
    pairs = [pair("tre parole qui"), pair("troppo lungo"), pair("una")]
    found = perplexities(engine, pairs, lambda texts: [[0] * len(text.split()) for text in texts])
    assert found == [pytest.approx(4), None, pytest.approx(2)]
    ((message,), (choice,)) = engine.asked[0]
    assert (message.text, choice) == ("Tell of it. Answer in Italian.", "tre parole qui")
