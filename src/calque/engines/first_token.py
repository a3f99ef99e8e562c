"""Choices of one character compared in a chat, by the likeliest first tokens that a server tells (`top_logprobs`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from calque.engines import CountedScores, Failure
from calque.engines.wire import WITHHELD, ChatChoice, Usage, chat_body, withheld
from calque.errors import EngineError, Problem

MOST = 20  # likeliest tokens that are asked for: OpenAI tells no more of them, nor does vLLM unless told to
UNLIKELY = -9999.0  # what servers say in place of the logarithm of nothing
NOT_TOLD = "name a server that tells them, or a template where its /completions has echo"


class _Alternative(BaseModel):
    token: str
    logprob: float


class _Token(BaseModel):
    top_logprobs: list[_Alternative] = []


class _Tokens(BaseModel):
    content: list[_Token] | None = None


class _Choice(ChatChoice):
    logprobs: _Tokens | None = None


class _Chat(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Usage | None = None


def first_token_body(
    model: str, messages: Sequence[Mapping[str, str]], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of a chat completion of one token, the likeliest ones to be told beside it."""
    told = {"logprobs": True, "top_logprobs": MOST}
    return chat_body(model, messages, 1, None, {**told, **parameters})


def read_first_token(data: Any, choices: Sequence[str]) -> CountedScores | Failure:
    """Log-likelihoods of choices as the first token, whatever spaces it has; −∞ of one that is not among those told.

    A failure where none of them is: then nothing is known of any. Raises `EngineError` where the server tells of no
    tokens, and `ValueError` for what is no answer.
    """
    found = _Chat.model_validate(data)
    choice, usage = found.choices[0], found.usage or Usage()
    written = 1 if usage.completion_tokens is None else usage.completion_tokens
    if choice.finish_reason == WITHHELD:
        return withheld(written, usage.prompt_tokens)
    tokens = choice.logprobs.content if choice.logprobs is not None else None
    likeliest = tokens[0].top_logprobs if tokens else []
    if not likeliest and choice.message.content:
        message = (
            "the server tells no log-probabilities of what it writes, so that choices cannot be compared"
        )
        raise EngineError(Problem(message, "/chat/completions with top_logprobs", remedy=NOT_TOLD))
    scores = [
        _log_sum([one.logprob for one in likeliest if one.token.strip() == text.strip()]) for text in choices
    ]
    if any(math.isfinite(score) for score in scores):
        return CountedScores.of(scores, written, usage.prompt_tokens)
    first = ", ".join(repr(one.token) for one in likeliest[:3]) or "none"
    detail = f"none of {', '.join(choices)} is among the {len(likeliest)} likeliest first tokens, which begin with {first}"
    return Failure("no_probability", detail, written, usage.prompt_tokens)


def _log_sum(values: Sequence[float]) -> float:
    """The logarithm of the sum of the probabilities that are known."""
    known = [value for value in values if math.isfinite(value) and value > UNLIKELY]
    if not known:
        return -math.inf
    return max(known) + math.log(math.fsum(math.exp(value - max(known)) for value in known))
