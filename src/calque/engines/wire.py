"""What goes over the wire to an OpenAI-compatible server and comes back: bodies of requests, and checked answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from calque.engines import Completion, Sampling

CHARACTERS_PER_TOKEN = 4  # where a server does not say how many tokens it wrote


class WrongAnswerError(ValueError):
    """The body is JSON, but no answer."""


class _Usage(BaseModel):
    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int | None = Field(None, ge=0)


class _Message(BaseModel):
    content: str


class _ChatChoice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Chat(BaseModel):
    choices: list[_ChatChoice] = Field(min_length=1)
    usage: _Usage | None = None


class _LogProbabilities(BaseModel):
    token_logprobs: list[float | None]
    text_offset: list[int]
    tokens: list[str]


class _TextChoice(BaseModel):
    text: str
    finish_reason: str | None = None
    logprobs: _LogProbabilities | None = None


class _Text(BaseModel):
    choices: list[_TextChoice] = Field(min_length=1)
    usage: _Usage | None = None


def chat_body(
    model: str,
    messages: Sequence[Mapping[str, str]],
    max_new_tokens: int,
    sampling: Sampling | None,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "model": model,
        "messages": messages,
        "max_tokens": max_new_tokens,
        **_drawn(sampling),
        **parameters,
    }


def completion_body(
    model: str,
    prompt: str,
    stops: Sequence[str],
    max_new_tokens: int,
    sampling: Sampling | None,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a plain completion."""
    stop = {"stop": list(stops)} if stops else {}
    return {
        "model": model,
        "prompt": prompt,
        "max_tokens": max_new_tokens,
        **stop,
        **_drawn(sampling),
        **parameters,
    }


def echo_body(model: str, text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body that has a text's own log-probabilities sent back."""
    return {
        "model": model,
        "prompt": text,
        "max_tokens": 1,
        "temperature": 0.0,
        "echo": True,
        "logprobs": 1,
        **parameters,
    }


def read_chat(data: Any) -> Completion:
    """The answer in a chat completion. Raises `ValueError` for what is none."""
    found = _Chat.model_validate(data)
    choice = found.choices[0]
    return _completion(choice.message.content, choice.finish_reason, found.usage)


def read_completion(data: Any) -> Completion:
    """The answer in a plain completion. Raises `ValueError` for what is none."""
    found = _Text.model_validate(data)
    choice = found.choices[0]
    return _completion(choice.text, choice.finish_reason, found.usage)


def read_echo(data: Any, start: int) -> float:
    """The log-likelihood of an echoed text from character `start` on, what was written behind it left out.

    Raises `ValueError` where a token spans `start`: its likelihood is not that of the choice alone.
    """
    choice = _Text.model_validate(data).choices[0]
    if choice.logprobs is None:
        raise WrongAnswerError("the server sent no log-probabilities")
    tokens = list(
        zip(choice.logprobs.text_offset, choice.logprobs.tokens, choice.logprobs.token_logprobs, strict=True)
    )
    echoed = tokens[:-1]  # the last was written
    inside = [value for offset, _, value in echoed if offset >= start]
    if not inside or not any(offset == start for offset, _, _ in echoed):
        raise WrongAnswerError("a token spans the end of the prompt and the beginning of the choice")
    values = [value for value in inside if value is not None and math.isfinite(value)]
    if len(values) < len(inside):
        raise WrongAnswerError("a token of the choice has no log-probability")
    return sum(values)


def _drawn(sampling: Sampling | None) -> dict[str, Any]:
    if sampling is None:
        return {"temperature": 0.0}
    top_k = {"top_k": sampling.top_k} if sampling.top_k else {}
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed, **top_k}


def _completion(text: str, reason: str | None, usage: _Usage | None) -> Completion:
    if reason not in ("stop", "length", None):
        raise WrongAnswerError(f"the answer ended for another reason: {reason}")
    tokens = usage.completion_tokens if usage is not None else None
    if tokens is None:
        tokens = math.ceil(len(text) / CHARACTERS_PER_TOKEN)
    return Completion(text.strip(), tokens, reason == "stop", usage.prompt_tokens if usage is not None else 0)
