"""One root for every error that a user can mend; each leaf says whose matter it is.

Anything that is not a `CalqueError` is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: what is wrong, where, and what to do about it.

    `line` is 1-based; `file` may be a path or "command line".
    """

    message: str
    file: str = ""
    line: int | None = None
    remedy: str = ""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line is not None else "")
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}\n    {self.remedy}" if self.remedy else text


class CalqueError(Exception):
    """The user can mend it: the message names the place and the remedy. Exit code 1."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class DataError(CalqueError):
    """A file that was given cannot be used: missing, truncated, of another form, of unequal length."""


class RecipeError(CalqueError):
    """The recipe, or what the command line changed in it, is wrong. Holds all problems at once."""


class ModelError(CalqueError):
    """A model folder, tokenizer or adapter cannot be used, or does not fit the rest."""


class EngineError(CalqueError):
    """A model server does not answer, or not all that it was asked. What did come is kept."""


class RunError(CalqueError):
    """A run folder, a step's cache or a checkpoint does not fit what is asked of it."""


class TuningError(CalqueError):
    """Tuning cannot go on, for a reason that the recipe can mend."""


class UsageError(CalqueError):
    """The command was called wrongly. Exit code 2."""


def raise_all(error: type[CalqueError], problems: Iterable[Problem]) -> None:
    """Raise `error` with every problem, or do nothing if there is none."""
    found = tuple(problems)
    if found:
        raise error(*found)
