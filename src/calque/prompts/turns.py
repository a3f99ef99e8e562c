"""How a model is asked to go by way of English, in training and at inference alike (`prompts/chat_turns/*.yaml`).

In two turns: a request is answered in English, then a second turn asks for the answer in the language. In one turn: both
answers stand in one, each behind a marker.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from calque.errors import DataError, Problem
from calque.languages import language as language_of
from calque.records import Message


@dataclass(frozen=True, slots=True)
class Turns:
    """The wording in one language, for answers in `target`; `second` are several ways to ask for the answer in it."""

    language: str
    target: str
    first: str
    second: tuple[str, ...]
    pivot: str

    @property
    def digest(self) -> str:
        """8 hex digits that tell one wording from another."""
        text = json.dumps(
            [self.language, self.first, *self.second, self.pivot, _english()], ensure_ascii=False
        )
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def english_first(self, request: Message) -> Message:
        """The request, to be answered in English first."""
        return replace(request, text=f"{request.text}\n{self.first}")

    def now_in_target(self, number: int = 0) -> Message:
        """The turn that asks for the answer in the language, in wording `number`."""
        return Message("user", self.second[number], self.language)

    def in_both(self, request: Message) -> Message:
        """The request, to be answered in English and then in the language, in one."""
        return replace(request, text=f"{request.text}\n{self.pivot}")


@cache
def turns(code: str, target: str) -> Turns:
    """The wording in the language `code` for answers in `target`: those are the same, or `code` is English.

    Raises `DataError` for a language without wording, and names those that have one.
    """
    if code not in turn_languages():
        remedy = "set prompt_language to english (for parts: demonstrate.NAME.prompt_language)"
        message = f"how to ask for an answer by way of English is not known in {language_of(code).name}"
        raise DataError(Problem(message, remedy=f"{remedy}; known are: {', '.join(turn_languages())}"))
    value, name = _read(code), language_of(target).name
    second = tuple(text.format(language=name) for text in value["second"])
    return Turns(code, target, value["first"], second, value["pivot"].format(language=name))


@cache
def turn_languages() -> tuple[str, ...]:
    """The languages that have a wording."""
    folder = resources.files("calque.prompts") / "chat_turns"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def english_turn(request: Message, response: str) -> str:
    """What a model writes in its English turn: what is asked, and the answer to it."""
    form = _english()["english_turn_with_input" if request.input else "english_turn"]
    return str(form).format(request=request.text, input=request.input, response=response)


def request_in(text: str) -> str:
    """What is asked, of an English turn in the form of `english_turn`."""
    before, _, _ = str(_english()["english_turn"]).partition("{request}")
    between = str(_english()["english_turn"]).partition("{request}")[2].partition("{response}")[0]
    return text.removeprefix(before).partition(between)[0]


def marker(code: str) -> str:
    """What stands before the answer in a language where there are two in one."""
    return str(_english()["marker"]).format(language=language_of(code).name)


@cache
def _read(code: str) -> dict[str, Any]:
    file = resources.files("calque.prompts") / "chat_turns" / f"{code}.yaml"
    value: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return value


def _english() -> dict[str, Any]:
    return _read("en")
