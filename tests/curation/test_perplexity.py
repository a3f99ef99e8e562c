"""Perplexities from log-likelihoods: literal values, and what is asked."""

from __future__ import annotations

import math

import pytest
from tests.curation.conftest import Fixed

from calque.curation.perplexity import perplexities
from calque.records import CrossLingualPair, Provenance


def pair(response: str) -> CrossLingualPair:
    return CrossLingualPair("Tell of it.", response, "it", Provenance("p", 1))


def test_perplexity_is_of_a_token_behind_the_instruction_as_web_text_is_asked_for() -> None:
    engine = Fixed([(3 * math.log(1 / 4),), (), (math.log(1 / 2),)])
    pairs = [pair("tre parole qui"), pair("troppo lungo"), pair("una")]
    found = perplexities(engine, pairs, lambda texts: [[0] * len(text.split()) for text in texts])
    assert found == [pytest.approx(4), None, pytest.approx(2)]
    ((message,), (choice,)) = engine.asked[0]
    assert (message.text, choice) == ("Tell of it. Answer in Italian.", "tre parole qui")
