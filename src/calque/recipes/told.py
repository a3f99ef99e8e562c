"""What will be asked of models behind servers, at most, and what that costs: told before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from calque.errors import Problem
from calque.recipes.judging import ServerModel
from calque.recipes.others import keys_not_set
from calque.recipes.steps.answer import Answer
from calque.recipes.steps.asking import Other, told
from calque.recipes.steps.evaluate_served import EvaluateServed, told_of_served
from calque.recipes.steps.generate import Generate
from calque.recipes.steps.judge import Judge, JudgeKnown, told_of_judges
from calque.recipes.steps.measure import Measure
from calque.recipes.steps.rate import Rate


def told_before(steps: Iterable[object], counts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each served system, each model that writes instructions, and each judge.

    `counts` are those of the steps that are done, by their names.
    """
    found = list(steps)
    yield from told_of_writing(found, counts)
    yield from told_of_served(found)
    yield from told_of_judges(found)


def without_key(steps: Iterable[object]) -> list[Problem]:
    """A problem for each key that steps need and that is not set."""
    return list(dict.fromkeys(keys_not_set(_servers(steps))))


def told_of_writing(steps: Iterable[object], counts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for the model that writes instructions in place of a generator; none before the passages are there."""
    writing = written_elsewhere(steps)
    if writing and all(step.after[0] in counts for step in writing):
        expected = [step.expected(counts[step.after[0]]) for step in writing]
        generator = writing[0].generator
        if isinstance(generator, Other):
            yield told(f"engine {generator.name} writes instructions", expected, generator.model)


def written_elsewhere(steps: Iterable[object]) -> list[Generate]:
    """The steps whose instructions another model writes, so that their cost hangs on the passages."""
    return [step for step in steps if isinstance(step, Generate) and isinstance(step.generator, Other)]


def _servers(steps: Iterable[object]) -> Iterator[ServerModel]:
    for step in steps:
        if isinstance(step, EvaluateServed):
            yield step.served
        elif isinstance(step, Judge | JudgeKnown) and isinstance(step.engine, ServerModel):
            yield step.engine
        elif isinstance(other := _other(step), Other) and isinstance(other.model, ServerModel):
            yield other.model


def _other(step: object) -> object:
    """Who writes, answers or rates in a step of refinement."""
    if isinstance(step, Generate):
        return step.generator
    if isinstance(step, Answer):
        return step.system
    return step.evaluator if isinstance(step, Measure | Rate) else None
