"""How a judge is asked about answers (`prompts/judge/*.yaml`): which of two is better, or how good one is."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from calque.languages import language as language_of
from calque.records import Conversation, Message

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class JudgeWording:
    """The wording in one language. The verdict is asked for in JSON, whose keys and values are the same in all."""

    language: str
    pairwise: str
    single: str

    @property
    def digest(self) -> str:
        """8 hex digits that tell one wording from another."""
        return hashlib.sha256(json.dumps([self.pairwise, self.single]).encode()).hexdigest()[:8]

    def which(self, question: str, a: str, b: str, language: str) -> Conversation:
        """Which of two answers is better, that should be in `language`."""
        return self._ask(self.pairwise, question=question, a=a, b=b, language=language_of(language).name)

    def how_good(self, question: str, answer: str, language: str) -> Conversation:
        """How good an answer is, from 1 to 10, that should be in `language`."""
        return self._ask(self.single, question=question, a=answer, language=language_of(language).name)

    def _ask(self, wording: str, **values: str) -> Conversation:
        """Put values into {places} in one pass, so that braces in an answer stay as they are."""
        text = re.sub(r"\{(question|a|b|language)\}", lambda place: values[place[1]], wording)
        return (Message("user", text, self.language),)


@cache
def judge_wording(code: str) -> JudgeWording:
    """The wording in a language, or in English where there is none in it."""
    code = code if code in judge_languages() else ENGLISH
    file = resources.files("calque.prompts") / "judge" / f"{code}.yaml"
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    return JudgeWording(code, value["pairwise"], value["single"])


@cache
def judge_languages() -> tuple[str, ...]:
    """The languages that have a wording."""
    folder = resources.files("calque.prompts") / "judge"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))
