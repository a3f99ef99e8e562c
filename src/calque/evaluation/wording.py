"""The prompts of the benchmarks, as data per language (`prompts/benchmarks/*.yaml`), in Alpaca's form."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from calque.errors import DataError, Problem
from calque.languages import language as language_of
from calque.records import Conversation, Message

Form = str  # the name of a block in the files
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Wording:
    """How a benchmark asks in one language: the instruction, the material with {placeholders}, and what `more` it says."""

    language: str
    instruction: str
    input: str
    more: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def digest(self) -> str:
        """8 hex digits that tell one wording from another."""
        more = "".join(f"\n{key}: {'|'.join(words)}" for key, words in self.more)
        text = f"{self.language}\n{self.instruction}\n{self.input}{more}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def words(self, key: str) -> tuple[str, ...]:
        """The words of the form under `key`, such as the labels that answers are chosen from."""
        return dict(self.more)[key]

    def conversation(
        self, question: str, *, context: str = "", choices: tuple[str, ...] = ()
    ) -> Conversation:
        """The one user message by which an item is asked, zero-shot."""
        values = {"question": question, "context": context, "options": options(choices)}
        material = re.sub(r"\{(question|context|options)\}", lambda match: values[match[1]], self.input)
        return (Message("user", self.instruction, self.language, input=material),)


AS_IT_STANDS = Wording("", "", "{question}")  # of questions that are requests themselves


def options(choices: tuple[str, ...]) -> str:
    """Choices as lines `A. …`."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


@cache
def wording(form: Form, language: str) -> Wording:
    """The packaged wording of a form in a language; a `DataError` that names the file to add where there is none."""
    code = language_of(language).code
    block = _blocks(code).get(form)
    if block is None:
        raise DataError(
            Problem(
                f"there are no benchmark prompts of the form {form!r} in {language_of(code).name} ({code})",
                remedy=f"add them to src/calque/prompts/benchmarks/{code}.yaml (en.yaml shows the form), or set the "
                f"prompt language to en; there are: {', '.join(wording_languages(form))}",
            )
        )
    more = {
        key: tuple(value) if isinstance(value, list) else (value,)
        for key, value in block.items()
        if key not in ("instruction", "input")
    }
    return Wording(code, block["instruction"], block["input"], tuple(sorted(more.items())))


def prompt_language_of(form: Form, language: str) -> str:
    """The language in which items are asked that are to be asked in their own: English where that has no wording."""
    code = language_of(language).code
    return code if form in _blocks(code) else "en"


@cache
def wording_languages(form: Form) -> tuple[str, ...]:
    """The languages that have prompts of a form."""
    codes = sorted(f.name.removesuffix(".yaml") for f in _folder().iterdir() if f.name.endswith(".yaml"))
    return tuple(code for code in codes if form in _blocks(code))


@cache
def _blocks(code: str) -> dict[str, Any]:
    """The blocks of a language's file by form; none where there is no file."""
    file = _folder().joinpath(f"{code}.yaml")
    return dict(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _folder() -> Traversable:
    return resources.files("calque.prompts").joinpath("benchmarks")
