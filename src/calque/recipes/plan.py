"""A resolved recipe to its steps, in the order in which they are carried out.

All steps on data come first, so that a bad file shows before anything expensive; then system by system, earlier stages
before those that start from them; judges last. Served systems are asked before anything is tuned: a wrong address, key or limit
must not show after hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calque.recipes.refinement import refinement_steps
from calque.recipes.resolved import Resolved, ResolvedSystem
from calque.recipes.steps import Step
from calque.recipes.steps.contamination import CandidateContamination, Contamination
from calque.recipes.steps.demonstrate import Demonstrate
from calque.recipes.steps.encode import Encode
from calque.recipes.steps.evaluate import Evaluate, is_asked
from calque.recipes.steps.evaluate_served import EvaluateServed
from calque.recipes.steps.generate import Generate
from calque.recipes.steps.judge import judges
from calque.recipes.steps.mix import Mix
from calque.recipes.steps.passages import Passages
from calque.recipes.steps.tune import Tune
from calque.recipes.views import RatedPart, SelectedPart


def plan(resolved: Resolved, template: str) -> tuple[Step, ...]:
    """Every step; each stands behind those it needs."""
    recipe = resolved.recipe
    tuned = [system for system in resolved.systems if system.mix]
    read = tuple(part for part in resolved.parts if not isinstance(part.part, SelectedPart | RatedPart))
    steps: list[Step] = [Passages(given, recipe.curate.passages) for given in resolved.passages]
    steps += [Demonstrate(part, recipe.sources.licence, recipe.seed) for part in read]
    if tuned:
        later = tuple(part.name for part in resolved.parts if isinstance(part.part, SelectedPart))
        looked = Contamination(read, later, resolved.benchmarks, recipe.contamination, recipe.evaluate)
        steps.append(looked)
    drops = recipe.contamination.when_found == "drop"
    made_by = {part.name: part.step for part in resolved.parts}
    early = {step.name for step in steps}
    late: list[Step] = list(refinement_steps(resolved, template))
    codes = tuple(step.language for step in late if isinstance(step, Generate))
    if codes and tuned:
        candidates = CandidateContamination(
            (), (), resolved.benchmarks, recipe.contamination, recipe.evaluate, codes
        )
        late.insert(len(codes), candidates)
    for system in tuned:
        parts = tuple(made_by[name] for name in system.mix)
        mixed = Mix(system, parts, recipe.seed, drops)
        data: list[Step] = [mixed, Encode(system, recipe.model, template)]
        (steps if early.issuperset(parts) else late).extend(data)
    steps += late
    for system in _stage_by_stage(resolved.systems):
        if system.mix:
            steps.append(Tune(system, recipe.seed))
        asked = Evaluate if system.served is None else EvaluateServed
        steps += [
            asked(system, benchmark, recipe.evaluate, recipe.model, template, recipe.seed, way)
            for way in system.answers
            for benchmark in resolved.benchmarks
            if is_asked(system, benchmark, way)
        ]
    steps += judges(resolved, [step for step in steps if isinstance(step, Evaluate)])
    return tuple(_in_order(steps))


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps in their order, but each behind those that it needs."""
    by_name = {step.name: step for step in steps}
    found: dict[str, Step] = {}

    def put(step: Step) -> None:
        if step.name not in found:
            for name in step.after:
                put(by_name[name])
            found[step.name] = step

    for step in steps:
        put(step)
    return list(found.values())


def _stage_by_stage(systems: Sequence[ResolvedSystem]) -> list[ResolvedSystem]:
    """The systems in their order, but each behind those that it starts from or is matched to."""
    by_name = {system.name: system for system in sorted(systems, key=lambda system: system.served is None)}
    return [
        by_name[name]
        for name in dict.fromkeys(name for system in by_name.values() for name in _before(system))
    ]


def _before(system: ResolvedSystem) -> Iterator[str]:
    """The names of the systems that it needs, and its own."""
    for other in (system.starts_from, system.matched_to):
        if other is not None:
            yield from _before(other.system)
    yield system.name
