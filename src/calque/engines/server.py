"""A model behind any OpenAI-compatible server (vLLM, SGLang, llama.cpp, the vendors'), as an engine."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from calque.engines import Completion, Failure, Progress, Sampling, Scores, in_order
from calque.engines.asking import Limits, Request, ask
from calque.engines.store import canonical
from calque.engines.stored import whole
from calque.engines.wire import chat_body, completion_body, echo_body, read_chat, read_completion, read_echo
from calque.errors import EngineError, ModelError, Problem
from calque.prompts.render import TemplateRenderer, load_template
from calque.records import Conversation

NO_CHOICES = "score what it writes, or set the engine's template (alpaca, plain, a file) where the server offers /completions with echo"


@dataclass(frozen=True)
class ServerEngine:
    """Chat completions of one model; with a `template` of ours, plain completions, and log-likelihoods of choices.

    `key` is the name of the environment variable that holds the key, or empty. `revision` is any word that tells apart
    what goes by one name (a served checkpoint). `parameters` go into every request as they stand.
    """

    url: str
    model: str
    revision: str = ""
    key: str = ""
    template: str = "chat"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse addresses that are none, or that hold a password."""
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            remedy = "give it as http://HOST:PORT/v1"
            raise ModelError(Problem("this is no address of a server", self.url, remedy=remedy))
        if address.username or address.password:
            remedy = "name an environment variable as `key`"
            raise ModelError(
                Problem("a server's address must hold no password", address.hostname, remedy=remedy)
            )

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
        if any(m.role == "assistant" for m in conversation):
            remedy = "set the engine's template to chat"
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
        """Log-likelihoods by echo: one request a choice. A conversation fails where one of its choices does."""
        if self._renderer is None:
            raise ModelError(
                Problem("choices cannot be compared by chat completions", self.model, remedy=NO_CHOICES)
            )
        prompts = [self.rendered(c) for c in conversations]
        places = [(i, j) for i, row in enumerate(choices) for j in range(len(row))]
        requests = (
            Request(
                n,
                "completions",
                echo_body(self.model, prompts[i] + choices[i][j], self.parameters),
                partial(read_echo, start=len(prompts[i])),
            )
            for n, (i, j) in enumerate(places)
        )
        known: dict[int, dict[int, float | Failure]] = {}
        for n, value in self._ask(requests, len(places)):
            i, j = places[n]
            known.setdefault(i, {})[j] = value
            if len(known[i]) == len(choices[i]):
                row = [v for _, v in sorted(known.pop(i).items())]
                failed = next((v for v in row if isinstance(v, Failure)), None)
                yield i, tuple(v for v in row if not isinstance(v, Failure)) if failed is None else failed

    def _ask(self, requests: Iterator[Request[Any]], total: int) -> Iterator[tuple[int, Any]]:
        return ask(self.url, self._secret, requests, total, self.limits, direct=_is_loopback(self.url))


def _messages(conversation: Conversation) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.text + ("\n\n" + m.input if m.input else "")} for m in conversation]


def _is_loopback(url: str) -> bool:
    """Whether a server is on this machine, so that no proxy stands before it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
