"""A pair of instruction and response with its level, to a demonstration for the evaluator (X-Instruction)."""

from __future__ import annotations

from calque.prompts.cross_lingual import LEVELS, rating_request, rating_tokens
from calque.records import CrossLingualPair, Demonstration, Message


def rated_demonstration(pair: CrossLingualPair, level: int) -> Demonstration:
    """The question how good the response is, and the token of `level` (1, 2 or 3), which alone is trained on."""
    asked = rating_request(pair.instruction, pair.input, pair.response, pair.language)
    answer = Message("assistant", rating_tokens()[LEVELS.index(level)], "en", trained=True)
    return Demonstration("rated", (*asked, answer), pair.provenance)
