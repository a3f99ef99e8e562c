"""Names of languages in a recipe, by any of their aliases."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from calque.languages import UnknownLanguageError
from calque.languages import language as language_of


def _code(name: str) -> str:
    try:
        return language_of(name).code
    except UnknownLanguageError as error:
        raise ValueError(error.problems[0]) from None


def _code_or_x(name: str) -> str:
    return name if name == "x" else _code(name)


Code = Annotated[str, AfterValidator(_code)]
CodeOrX = Annotated[str, AfterValidator(_code_or_x)]
