"""Choices by the first token of a chat: what a server tells of it, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from calque.curation.rating import rating_of
from calque.engines import CountedScores, Failure
from calque.engines.first_token import first_token_body, read_first_token
from calque.errors import EngineError

RATINGS = ("1", "2", "3")


def chat(*told: tuple[str, float], content: str | None = "2", reason: str = "length") -> Any:
    """The answer of a server that tells the likeliest first tokens, with their probabilities."""
    likeliest = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in told]
    first = {"token": content or "", "logprob": -0.1, "top_logprobs": likeliest}
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": reason}
    usage = {"prompt_tokens": 40, "completion_tokens": 1}
    return {"choices": [{**choice, "logprobs": {"content": [first]}}], "usage": usage}


def test_the_tokens_of_a_choice_go_together_and_what_is_not_told_has_no_share() -> None:
    """0.5 + 0.25 for 2, 0.125 for 3: of 0.875 these are six and one sevenths, so 15/7 is expected."""
    found = read_first_token(chat(("2", 0.5), (" 2", 0.25), ("3", 0.125), ("Two", 0.1)), RATINGS)
    assert isinstance(found, CountedScores)
    assert found == pytest.approx((-math.inf, math.log(0.75), math.log(0.125)))
    assert (found.prompt_tokens, found.tokens) == (40, 1)
    assert rating_of(found).probabilities == pytest.approx((0.0, 6 / 7, 1 / 7))
    assert rating_of(found).value == pytest.approx(15 / 7)


def test_where_no_choice_is_told_nothing_is_guessed() -> None:
    found = read_first_token(chat(("<think>", 0.9), ("22", 0.05)), RATINGS)
    assert isinstance(found, Failure)
    assert (found.reason, found.final, found.prompt_tokens, found.tokens) == ("no_probability", True, 40, 1)
    assert (
        found.detail
        == "none of 1, 2, 3 is among the 2 likeliest first tokens, which begin with '<think>', '22'"
    )
    unlikely = chat(("1", 1.0), ("2", 1.0))
    for one in unlikely["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        one["logprob"] = -9999.0  # stands for minus infinity: taken at its word, both would be as likely
    assert isinstance(read_first_token(unlikely, RATINGS), Failure)
    nothing = {"choices": [{"message": {"content": ""}, "finish_reason": "stop", "logprobs": None}]}
    assert isinstance(read_first_token(nothing, RATINGS), Failure)


def test_a_server_that_tells_no_tokens_is_found_out_and_one_that_withholds_is_not_asked_again() -> None:
    silent = {"choices": [{"message": {"content": "2"}, "finish_reason": "length"}]}
    with pytest.raises(EngineError, match=r"no log-probabilities of what it writes(.|\n)*has echo"):
        read_first_token(silent, RATINGS)
    withheld = read_first_token(chat(("2", 0.9), content=None, reason="content_filter"), RATINGS)
    assert isinstance(withheld, Failure)
    assert withheld.reason == "withheld"
    with pytest.raises(ValueError, match="choices"):
        read_first_token({"error": "busy"}, RATINGS)


def test_one_token_is_asked_for_and_parameters_go_before() -> None:
    body = first_token_body("m", [{"role": "user", "content": "?"}], {})
    assert (body["max_tokens"], body["temperature"]) == (1, 0.0)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    assert first_token_body("m", [], {"top_logprobs": 5})["top_logprobs"] == 5
