"""Rounds of refinement (`curate.refine`) written out as ordinary parts and systems, and when there are no more of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calque.curation.rounds import settled
from calque.recipes.measured import System
from calque.recipes.refine import Amount, Refine
from calque.recipes.schema import Recipe
from calque.recipes.views import CrossLingualPart, Part, RatedPart, ReversedPart, SelectedPart

GENERATOR = "generator"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How many rounds are carried out, and how many evaluators are tuned and measured; and why there are not more."""

    full: int
    measured: int
    why: str = ""


NO_ROUNDS = Rounds(0, 0)


def follower(number: int) -> str:
    """The system of a round: `round-0` learns from the seed alone."""
    return f"round-{number}"


def evaluator(number: int) -> str:
    """The system that rates in a round, from 1 on."""
    return f"evaluator-{number}"


def kept(number: int) -> str:
    """The part of the candidates that a round keeps."""
    return f"kept-{number}"


def rounds_of(recipe: Recipe, rounds: Rounds | None) -> Rounds:
    """Those given, or as many as the recipe asks for."""
    asked = recipe.curate.refine.rounds if recipe.curate.refine is not None else 0
    return rounds or Rounds(asked, asked)


def expanded(recipe: Recipe, rounds: Rounds) -> Recipe:
    """The recipe with the parts and systems of its rounds; `last` is written out. Names that a recipe has itself stay its own."""
    refine = recipe.curate.refine
    if refine is None:
        return recipe
    parts = {**_parts(refine, rounds), **recipe.demonstrate}
    parts = {name: _numbered(part, rounds) for name, part in parts.items()}
    systems = {
        **recipe.systems,
        **{n: s for n, s in _systems(refine, rounds).items() if n not in recipe.systems},
    }
    return recipe.model_copy(update={"demonstrate": parts, "systems": systems})


def taken_names(recipe: Recipe) -> list[tuple[str, str]]:
    """Names in the recipe that the rounds need: (`systems` or `demonstrate`, name)."""
    refine = recipe.curate.refine
    if refine is None:
        return []
    most = Rounds(refine.rounds, refine.rounds)
    return [
        *(("systems", name) for name in recipe.systems if name in _systems(refine, most)),
        *(("demonstrate", name) for name in recipe.demonstrate if name in _parts(refine, most)),
    ]


def stop_of(counts: Mapping[str, Mapping[str, Any]], recipe: Recipe, now: Rounds) -> Rounds | None:
    """Fewer rounds than now, if by the counts of the finished steps (by name) there is reason for it.

    An evaluator that cannot tell level 2 from 3 is the last, and what it rates counts in the first round alone.
    """
    refine = recipe.curate.refine
    if refine is None or not refine.stop:
        return None
    for number in range(1, now.measured + 1):
        why = counts.get(f"measure-{number}", {}).get("stop", "")
        if why and (max(1, number - 1), number) != (now.full, now.measured):
            return Rounds(max(1, number - 1), number, f"round {number}: {why}")
        if number < now.full and (why := _settled(counts, number, refine, recipe)):
            return Rounds(number, number, f"round {number}: {why}")
    return None


def _settled(counts: Mapping[str, Mapping[str, Any]], number: int, refine: Refine, recipe: Recipe) -> str:
    """Why no round follows, over all languages; empty where one is not selected yet."""
    names = [f"select-{kept(number)}-{code}" for code in recipe.languages if code in recipe.sources.passages]
    if not names or not all("overlap" in counts.get(name, {}) for name in names):
        return ""
    rows = sum(counts[name]["kept"] for name in names)
    same = sum(counts[name]["overlap"] * counts[name]["kept"] for name in names)
    return settled(same / rows, refine.settled) if rows else ""


def _numbered(part: Part, rounds: Rounds) -> Part:
    if isinstance(part, SelectedPart):
        number = rounds.full if part.round == "last" else min(part.round, rounds.full)
        return part.model_copy(update={"round": number})
    return part


def _parts(refine: Refine, rounds: Rounds) -> dict[str, Part]:
    parts: dict[str, Part] = {
        "seed-reversed": ReversedPart(view="reversed", rows="tuned"),
        "seed-tuned": CrossLingualPart(view="cross-lingual", rows="tuned"),
    }
    for number in range(1, rounds.measured + 1):
        parts[f"rated-{number}"] = RatedPart(view="rated", round=number)
    for number in range(1, rounds.full + 1):
        parts[kept(number)] = SelectedPart(view="selected", round=number, count=refine.keep)
    return parts


def _systems(refine: Refine, rounds: Rounds) -> dict[str, System]:
    scored: list[str] | None = None if refine.score_rounds else []
    systems: dict[str, System] = {}
    if refine.writing.engine is None:
        reversed_: dict[str, Amount] = {"seed-reversed": "all"}
        systems[GENERATOR] = System(mix=reversed_, tuning=refine.generator, together=True, scored_in=[])
    needed = rounds.full if refine.score_rounds else rounds.measured - 1
    for number in range(needed + 1):
        mix: dict[str, Amount] = {"seed-tuned": "all", **({kept(number): "all"} if number else {})}
        systems[follower(number)] = System(mix=mix, tuning=refine.follower, together=True, scored_in=scored)
    for number in range(1, rounds.measured + 1) if refine.rating.engine is None else ():
        rated: dict[str, Amount] = {f"rated-{number}": "all"}
        systems[evaluator(number)] = System(mix=rated, tuning=refine.evaluator, together=True, scored_in=[])
    return systems
