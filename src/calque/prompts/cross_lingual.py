"""How a model is asked across languages, in training and in use alike (`prompts/cross_lingual.yaml`): X-Instruction.

An instruction in English that is to be answered in another language; a text of which the instruction is asked for; an
instruction and a response that are to be rated.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from calque.languages import language as language_of
from calque.records import Conversation, Message

Origin = Literal["seed", "web"]
LEVELS = (1, 2, 3)


def instruction_request(instruction: str, material: str, language: str, origin: Origin) -> Message:
    """An English instruction to be answered in `language`, as answers of that origin are asked for."""
    suffix = str(_texts()["suffixes"][origin]).format(language=language_of(language).name)
    return Message("user", f"{instruction} {suffix}", "en", input=material)


def reversed_request(text: str, language: str, *, tuned: bool = True) -> Message:
    """A text in `language`, and the question which instruction it answers; one that is not `tuned` for it is told more."""
    wording = _texts()["reversed" if tuned else "reversed_untuned"]
    asked = str(wording).format(language=language_of(language).name)
    return Message("user", asked, "en", input=text)


def rating_request(instruction: str, material: str, response: str, language: str) -> Conversation:
    """The question how good a response in `language` is; the answer is one of `rating_tokens`."""
    asked = str(_texts()["rated"]).format(language=language_of(language).name)
    whole = f"{instruction}\n{material}" if material else instruction
    before, _, rest = str(_texts()["rated_pair"]).partition("{instruction}")
    between = rest.partition("{response}")[0]
    return (Message("user", asked, "en", input=f"{before}{whole}{between}{response}"),)


def rating_tokens() -> tuple[str, ...]:
    """What the evaluator writes for the levels 1, 2 and 3."""
    return tuple(str(token) for token in _texts()["ratings"])


@cache
def _texts() -> dict[str, Any]:
    file = resources.files("calque.prompts") / "cross_lingual.yaml"
    texts: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return texts
