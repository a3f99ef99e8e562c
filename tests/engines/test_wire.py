"""Likelihoods out of echoes as servers send them: what each leaves out or counts in its own way, by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calque.engines import Completion, Failure
from calque.engines.wire import Echo, WrongAnswerError, likelihood, read_chat, read_completion, read_echo
from calque.errors import EngineError


def body(tokens: list[str], values: list[float | None], prompt_tokens: int | None, **more: Any) -> Any:
    """An echo of `prompt_tokens` tokens, and what was written behind it."""
    told = {"tokens": tokens, "token_logprobs": values, **more}
    usage = (
        {} if prompt_tokens is None else {"usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 1}}
    )
    return {"choices": [{"text": "".join(tokens), "finish_reason": "length", "logprobs": told}], **usage}


def test_vllm_counts_the_special_token_in_its_offsets_and_shows_half_characters() -> None:
    """A prompt of <s> and two tokens; the choice is 城, of three bytes, each a token by itself."""
    prompt = read_echo(
        body(["<s>", "in", " der", "?"], [None, -1.0, -2.0, -9.0], 3, text_offset=[0, 3, 5, 9])
    )
    half = ["<s>", "in", " der", "\ufffd", "\ufffd", "\ufffd", "!"]
    whole = read_echo(body(half, [None, -1.0, -2.0, -0.5, -0.25, -0.125, -9.0], 6, text_offset=[0] * 7))
    assert prompt == Echo(("<s>", "in", " der"), (None, -1.0, -2.0), 1)
    assert likelihood(prompt, whole) == -0.875


def test_sglang_tells_no_offsets() -> None:
    prompt = read_echo(body(["a", " b", "x"], [None, -1.0, -9.0], 2, text_offset=[-1, -1, -1]))
    whole = read_echo(body(["a", " b", " c", "x"], [None, -1.0, -3.5, -9.0], 3, text_offset=[-1] * 4))
    assert likelihood(prompt, whole) == -3.5


def test_a_stop_token_that_is_not_told_is_not_taken_for_the_choice() -> None:
    """The model writes its stop token behind the echo, and the server leaves it out of the list."""
    whole = read_echo(body(["a", " b", " c"], [None, -1.0, -3.5], 3))
    assert likelihood(Echo(("a", " b"), (None, -1.0), 1), whole) == -3.5


def test_without_a_count_of_tokens_the_last_is_what_was_written() -> None:
    assert read_echo(body(["a", " b", "x"], [None, -1.0, -9.0], None)).tokens == ("a", " b")


def test_of_a_token_across_the_end_of_the_prompt_the_prompt_s_part_is_taken_off() -> None:
    """Alone ' b' had -1, ' bc' has -4: the choice 'c' comes to -3."""
    assert likelihood(Echo(("a", " b"), (None, -1.0), 1), Echo(("a", " bc"), (None, -4.0), 1)) == -3.0
    split = Echo(("a", " b", "c", "d"), (None, -1.0, -2.0, -0.5), 1)
    assert likelihood(Echo(("a", " bc"), (None, -4.0), 1), split) == 0.5
    nothing = likelihood(Echo(("a",), (None,), 1), Echo(("a",), (None,), 1))
    assert isinstance(nothing, Failure)
    unknown = likelihood(Echo(("a",), (None,), 1), Echo(("a", "b"), (None, None), 1))
    assert isinstance(unknown, Failure)
    assert (unknown.reason, unknown.final) == ("no_probability", True)
    first = likelihood(Echo(("a",), (None,), 1), Echo(("ab",), (None,), 1))
    assert isinstance(first, Failure)


def test_an_echo_of_what_was_written_alone_is_refused() -> None:
    """As llama.cpp does it: taken for an echo, every choice would have the same likelihood."""
    with pytest.raises(EngineError, match="no log-probabilities of a prompt"):
        read_echo(body(["x"], [-1.0], 40))
    with pytest.raises(EngineError, match="no log-probabilities of a prompt"):
        read_echo({"choices": [{"text": "x", "finish_reason": "length"}]})
    with pytest.raises(WrongAnswerError):
        read_echo(body(["a", "b"], [None], 2))


def test_half_a_character_comes_as_in_this_process_and_a_whole_one_as_it_is() -> None:
    """A server that cuts an answer by UTF-16 leaves the first half of U+1F98A."""
    cut, whole = json.loads(r'["La volpe \ud83e", "La volpe \ud83e\udd8a"]')
    usage = {"completion_tokens": 4}
    for text, expected in ((cut, "La volpe \ufffd"), (whole, "La volpe \U0001f98a")):
        chat = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage}
        plain = {"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage}
        assert read_chat(chat) == read_completion(plain) == Completion(expected, 4, True)
