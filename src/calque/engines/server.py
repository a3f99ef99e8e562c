"""A model behind any OpenAI-compatible server (vLLM, SGLang, llama.cpp, the vendors'), as an engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from calque.engines import Completion, CountedScores, Failure, Progress, Sampling, Scores, in_order
from calque.engines.address import fault_of, proxy_of
from calque.engines.asking import Limits, Request, ask
from calque.engines.first_token import first_token_body, read_first_token
from calque.engines.store import canonical
from calque.engines.stored import whole
from calque.engines.wire import (
    Echo,
    chat_body,
    completion_body,
    echo_body,
    likelihood,
    read_chat,
    read_completion,
    read_echo,
)
from calque.errors import EngineError, ModelError, Problem
from calque.prompts.render import TemplateRenderer, load_template
from calque.records import Conversation

NO_CHOICES = "score what it writes, or set the engine's template (alpaca, plain, a file) where the server offers /completions with echo"


@dataclass(frozen=True)
class ServerEngine:
    """Chat completions of one model; with a `template` of ours, plain completions, and log-likelihoods of choices.

    A chat tells those of choices of one character alone, as the first token. `echo` says that /completions can send a prompt back with its log-probabilities, without which there are none of choices.
    `key` is the name of the environment variable that holds the key, or empty. `revision` is any word that tells apart
    what goes by one name (a served checkpoint). `parameters` go into every request as they stand.
    """

    url: str
    model: str
    revision: str = ""
    key: str = ""
    template: str = "chat"
    echo: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse addresses that are none, or that hold a password."""
        if (fault := fault_of(self.url)) is not None:
            raise ModelError(fault)

    @cached_property
    def identity(self) -> str:
        """The model's name and all that goes with each request; not the host, on which no answer depends, nor the key."""
        said = {
            "model": self.model,
            "revision": self.revision,
            "template": self._form,
            "parameters": self.parameters,
        }
        return canonical(said)

    @cached_property
    def _form(self) -> Any:
        if self._renderer is None:
            return "chat"
        template = self._renderer.template
        return {
            "between": template.between,
            "stops": template.stops,
        }  # the words themselves stand in what is shown

    @cached_property
    def _renderer(self) -> TemplateRenderer | None:
        return None if self.template == "chat" else TemplateRenderer(load_template(self.template), "")

    @cached_property
    def _secret(self) -> str:
        if not self.key:
            return ""
        found = os.environ.get(self.key, "").strip()
        if not found:
            message = f"the environment variable {self.key}, which should hold the server's key, is not set"
            raise EngineError(Problem(message, self.url, remedy=f"export {self.key}=…"))
        return found

    def rendered(self, conversation: Conversation) -> str:
        """The messages as they go over the wire, or the text of the template."""
        if self._renderer is None:
            return canonical({"messages": _messages(conversation)})
        if any(m.role == "assistant" and m.stops for m in conversation):
            remedy = "set its template to chat; or, for worked examples, say evaluate.examples_as=text"
            raise ModelError(
                Problem(
                    "a conversation of several turns does not go by a template of ours",
                    self.model,
                    remedy=remedy,
                )
            )
        return "".join(segment.text for segment in self._renderer.prompt(conversation))

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        progress: Progress | None = None,
    ) -> list[Completion]:
        """Answers to all, or an `EngineError`. What came before it is lost: use a `StoredEngine`."""
        written = self.answers(conversations, max_new_tokens=max_new_tokens, sampling=sampling)
        return whole(in_order(written, len(conversations), progress))

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[Scores]:
        """Log-likelihoods for all, or an `EngineError`."""
        return whole(in_order(self.scores(conversations, choices), len(conversations), progress))

    def answers(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Iterator[tuple[int, Completion | Failure]]:
        """Answers in the order in which they come."""
        requests: Iterator[Request[Completion]]
        if self._renderer is None:
            requests = (
                Request(
                    i,
                    "chat/completions",
                    chat_body(self.model, _messages(c), max_new_tokens, sampling, self.parameters),
                    read_chat,
                )
                for i, c in enumerate(conversations)
            )
        else:
            stops = self._renderer.stops
            requests = (
                Request(
                    i,
                    "completions",
                    completion_body(
                        self.model, self.rendered(c), stops, max_new_tokens, sampling, self.parameters
                    ),
                    read_completion,
                )
                for i, c in enumerate(conversations)
            )
        return self._ask(requests, len(conversations))

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        """Log-likelihoods by echo: a request for the prompt, and one for each choice. A conversation fails where one of them does.

        In a chat a request for both, of which the likeliest first tokens are read.
        """
        if self._renderer is None:
            yield from self._first_tokens(conversations, choices)
            return
        if not self.echo:
            raise ModelError(
                Problem("choices cannot be compared without echo", self.model, remedy=NO_CHOICES)
            )
        prompts = [self.rendered(c) for c in conversations]
        places = [
            (i, j) for i, row in enumerate(choices) for j in range(-1, len(row))
        ]  # −1: the prompt alone
        requests = (
            Request(
                n,
                "completions",
                echo_body(self.model, prompts[i] + (choices[i][j] if j >= 0 else ""), self.parameters),
                read_echo,
            )
            for n, (i, j) in enumerate(places)
        )
        known: dict[int, dict[int, Echo | Failure]] = {}
        for n, echo in self._ask(requests, len(places)):
            i, j = places[n]
            known.setdefault(i, {})[j] = echo
            if len(known[i]) == len(choices[i]) + 1:
                yield i, _compared([one for _, one in sorted(known.pop(i).items())])

    def requests_for(self, choices: Sequence[str]) -> int:
        """One in a chat; else one for the prompt, and one for each choice."""
        return 1 if self._renderer is None else 1 + len(choices)

    def _first_tokens(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        longer = next((text for row in choices for text in row if len(text.strip()) != 1), None)
        if longer is not None:
            message = (
                f"choices longer than a character, as {longer!r}, cannot be compared by chat completions"
            )
            raise ModelError(Problem(message, self.model, remedy=NO_CHOICES))
        requests = (
            Request(
                i,
                "chat/completions",
                first_token_body(self.model, _messages(c), self.parameters),
                partial(read_first_token, choices=choices[i]),
            )
            for i, c in enumerate(conversations)
        )
        return self._ask(requests, len(conversations))

    def _ask(self, requests: Iterator[Request[Any]], total: int) -> Iterator[tuple[int, Any]]:
        return ask(self.url, self._secret, requests, total, self.limits, proxy=proxy_of(self.url))


def _messages(conversation: Conversation) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.text + ("\n\n" + m.input if m.input else "")} for m in conversation]


def _compared(echoes: Sequence[Echo | Failure]) -> Scores | Failure:
    """The likelihoods of the choices behind the prompt, whose echo comes first; a failure costs what came all the same."""
    came = [echo for echo in echoes if isinstance(echo, Echo)]
    read, written = sum(len(echo.tokens) for echo in came), sum(echo.written for echo in came)
    failed = next((echo for echo in echoes if isinstance(echo, Failure)), None)
    values = [likelihood(came[0], echo) for echo in came[1:]] if failed is None else []
    failed = failed or next((value for value in values if isinstance(value, Failure)), None)
    if failed is not None:
        return replace(failed, tokens=written, prompt_tokens=read)
    return CountedScores.of((v for v in values if not isinstance(v, Failure)), written, read)
