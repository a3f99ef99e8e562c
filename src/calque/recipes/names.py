"""Names in a recipe: of languages, by any of their aliases, and of systems and parts."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

from calque.errors import Problem
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of

V = TypeVar("V")


def _code(name: str) -> str:
    try:
        return language_of(name).code
    except UnknownLanguageError as error:
        raise ValueError(error.problems[0]) from None


def _code_or_x(name: str) -> str:
    return name if name == "x" else _code(name)


def _each_once(value: Any) -> Any:
    """Refuse a mapping that has a language under two of its names: the second would take the first one's place."""
    seen: dict[str, object] = {}
    for name in value if isinstance(value, dict) else ():
        try:
            code = language_of(str(name)).code
        except UnknownLanguageError:
            continue  # for `Code` to tell
        if code in seen:
            raise ValueError(Problem(f"{code} is given twice, as {seen[code]!r} and as {name!r}"))
        seen[code] = name
    return value


def _of_a_folder(name: str) -> str:
    """Steps are named after systems and parts, and folders after steps."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        remedy = "names are made of the letters A to Z and a to z, digits, _, . and -"
        raise ValueError(Problem("is no name that a folder can have everywhere", remedy=remedy))
    return name


Code = Annotated[str, AfterValidator(_code)]
CodeOrX = Annotated[str, AfterValidator(_code_or_x)]
ByLanguage = Annotated[dict[Code, V], BeforeValidator(_each_once)]
Name = Annotated[str, AfterValidator(_of_a_folder)]
