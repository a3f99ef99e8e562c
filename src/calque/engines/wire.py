"""What goes over the wire to an OpenAI-compatible server and comes back: bodies of requests, and checked answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from calque.engines import Completion, Failure, Sampling
from calque.errors import EngineError, Problem

WITHHELD = "content_filter"
CHARACTERS_PER_TOKEN = 4  # where a server does not say how many tokens it wrote
_HALF_PAIR = re.compile("[\ud800-\udfff]")
NO_ECHO = "say echo: false, and what is written is scored alone; vLLM and SGLang have it, llama.cpp does not"


class WrongAnswerError(ValueError):
    """The body is JSON, but no answer."""


class Usage(BaseModel):
    """What an answer cost in tokens, as far as the server says."""

    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int | None = Field(None, ge=0)


class _Message(BaseModel):
    content: str | None


class ChatChoice(BaseModel):
    """An answer in a chat."""

    message: _Message
    finish_reason: str | None = None


class _Chat(BaseModel):
    choices: list[ChatChoice] = Field(min_length=1)
    usage: Usage | None = None


class _LogProbabilities(BaseModel):
    token_logprobs: list[float | None] = []
    tokens: list[str] = []


class _TextChoice(BaseModel):
    text: str
    finish_reason: str | None = None
    logprobs: _LogProbabilities | None = None


class _Text(BaseModel):
    choices: list[_TextChoice] = Field(min_length=1)
    usage: Usage | None = None


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


def read_chat(data: Any) -> Completion | Failure:
    """The answer in a chat completion; a failure where the server withholds it. Raises `ValueError` for what is none."""
    found = _Chat.model_validate(data)
    choice = found.choices[0]
    text = choice.message.content
    if text is None and choice.finish_reason == "length":
        text = ""  # all the room went into thoughts
    if text is None and choice.finish_reason != WITHHELD:
        raise WrongAnswerError("there is no text in it")
    return _completion(text or "", choice.finish_reason, found.usage)


def read_completion(data: Any) -> Completion | Failure:
    """The answer in a plain completion; a failure where the server withholds it. Raises `ValueError` for what is none."""
    found = _Text.model_validate(data)
    choice = found.choices[0]
    return _completion(choice.text, choice.finish_reason, found.usage)


@dataclass(frozen=True, slots=True)
class Echo:
    """A prompt sent back: its tokens as text, their log-probabilities (the first has none), and what it all cost in tokens."""

    tokens: tuple[str, ...]
    values: tuple[float | None, ...]
    written: int


def read_echo(data: Any) -> Echo:
    """An echoed prompt, without what was written behind it. Raises `ValueError` for what is none.

    `EngineError` where the server tells nothing of the prompt: some do so without a word.
    """
    found = _Text.model_validate(data)
    told = found.choices[0].logprobs
    usage = found.usage or Usage()
    length = usage.prompt_tokens or len(told.tokens if told else ()) - 1
    if told is None or length < 1 or len(told.tokens) < length:
        message = "the server tells no log-probabilities of a prompt, so that choices cannot be compared"
        raise EngineError(Problem(message, "/completions with echo", remedy=NO_ECHO))
    if len(told.token_logprobs) != len(told.tokens):
        raise WrongAnswerError("not every token has a log-probability")
    written = usage.completion_tokens
    written = len(told.tokens) - length if written is None else written
    return Echo(tuple(told.tokens[:length]), tuple(told.token_logprobs[:length]), written)


def likelihood(prompt: Echo, whole: Echo) -> float | Failure:
    """The log-likelihood of what stands behind the prompt in the whole: the whole's less the prompt's, from the first token that differs.

    That is the sum over the choice's own tokens, unless a token spans its beginning. Offsets in the text do not tell where that is: some
    servers have none (SGLang), others count the special tokens, or one character for each byte (vLLM).
    """
    pairs = zip(prompt.tokens, whole.tokens, strict=False)
    shared = next((i for i, (one, other) in enumerate(pairs) if one != other), len(prompt.tokens))
    behind, before = whole.values[shared:], prompt.values[shared:]
    if not behind:
        return Failure("no_probability", "there is no token of the choice")
    values = [value for value in (*behind, *before) if value is not None and math.isfinite(value)]
    if len(values) < len(behind) + len(before):
        return Failure("no_probability", "a token of the choice has no log-probability")
    return sum(values[: len(behind)]) - sum(values[len(behind) :])


def _drawn(sampling: Sampling | None) -> dict[str, Any]:
    if sampling is None:
        return {"temperature": 0.0}
    top_k = {"top_k": sampling.top_k} if sampling.top_k else {}
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed, **top_k}


def withheld(tokens: int, read: int) -> Failure:
    """The failure where a filter keeps an answer back, which may have been written and cost so much."""
    return Failure("withheld", "the server's filter of contents withholds the answer", tokens, read)


def _completion(text: str, reason: str | None, usage: Usage | None) -> Completion | Failure:
    tokens = usage.completion_tokens if usage is not None else None
    if tokens is None:
        tokens = math.ceil(len(text) / CHARACTERS_PER_TOKEN)
    read = usage.prompt_tokens if usage is not None else 0
    if reason == WITHHELD:
        return withheld(tokens, read)
    if reason not in ("stop", "length", None):
        raise WrongAnswerError(f"the answer ended for another reason: {reason}")
    # Half a surrogate pair is a character that was cut in two; no file can hold it. In this process a tokenizer writes U+FFFD.
    return Completion(_HALF_PAIR.sub("\ufffd", text).strip(), tokens, reason == "stop", read)
