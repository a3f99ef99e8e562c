"""What will be asked of models behind servers, at most, and what that costs: told before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from calque.errors import Problem
from calque.recipes.judging import ServerModel
from calque.recipes.others import keys_not_set
from calque.recipes.steps.evaluate_served import EvaluateServed, told_of_served
from calque.recipes.steps.judge import Judge, JudgeKnown, told_of_judges


def told_before(steps: Iterable[object]) -> Iterator[str]:
    """A line for each served system, and for each judge."""
    found = list(steps)
    yield from told_of_served(found)
    yield from told_of_judges(found)


def without_key(steps: Iterable[object]) -> list[Problem]:
    """A problem for each key that steps need and that is not set."""
    return list(dict.fromkeys(keys_not_set(_servers(steps))))


def _servers(steps: Iterable[object]) -> Iterator[ServerModel]:
    for step in steps:
        if isinstance(step, EvaluateServed):
            yield step.served
        elif isinstance(step, Judge | JudgeKnown) and isinstance(step.engine, ServerModel):
            yield step.engine
