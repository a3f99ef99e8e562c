"""How a translation is asked for, in each language that has a pool of wordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from calque.errors import DataError, Problem
from calque.languages import language as language_of


@dataclass(frozen=True)
class Wordings:
    """The pool of one language: wordings with places for the languages, and how each language is said in it.

    The place {from} is for the language of the text; all others ({into}, {in}, {name}) are for the language asked for.
    """

    language: str
    texts: tuple[str, ...]
    phrases: Mapping[str, Mapping[str, str]]

    def ask(self, number: int, source: str, target: str) -> str:
        """Wording `number` of the pool, asking to translate from `source` into `target` (codes)."""
        return self.fill(self.texts[number], source, target)

    def fill(self, text: str, source: str, target: str) -> str:
        """A text in the pool's language, with the languages in their places."""
        return text.format(**{**self._forms(target), "from": self._forms(source)["from"]})

    def _forms(self, code: str) -> Mapping[str, str]:
        if code in self.phrases:
            return self.phrases[code]
        if self.language == "en":
            return dict.fromkeys(("from", "into"), language_of(code).name)
        remedy = "set demonstrate.NAME.prompt_language to english, or add the phrase to the language's file"
        message = f"how to say the language {code!r} in {self.language!r} is not known"
        raise DataError(Problem(message, remedy=remedy))


@cache
def wordings(code: str) -> Wordings:
    """The pool of a language. Raises `DataError` for a language without one, and names those that have."""
    folder = resources.files("calque.prompts") / "translation"
    file = folder / f"{code}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir()))
        raise DataError(
            Problem(
                f"there are no wordings that ask for a translation in {language_of(code).name}",
                remedy=f"set demonstrate.NAME.prompt_language to english; pools there are: {known}",
            )
        )
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Wordings(code, tuple(value["wordings"]), value.get("phrases", {}))
