"""The steps of refinement beside the tuning of its systems: generate, answer, ratings, measure, rate, perplexity, select."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from calque.corpora.seed_pairs import SeedFiles
from calque.recipes.refine import Refine
from calque.recipes.resolved import Resolved, ResolvedPart
from calque.recipes.rounds import GENERATOR, evaluator, follower, kept
from calque.recipes.schema import Recipe
from calque.recipes.steps import Step
from calque.recipes.steps.answer import Answer
from calque.recipes.steps.asking import Other, Own
from calque.recipes.steps.generate import Generate
from calque.recipes.steps.measure import Measure
from calque.recipes.steps.perplexity import Perplexity
from calque.recipes.steps.rate import Rate
from calque.recipes.steps.ratings import Ratings
from calque.recipes.steps.select import Select
from calque.recipes.views import SelectedPart

BY_RATING = ("rating", "worst")


def refinement_steps(resolved: Resolved, template: str) -> Iterator[Step]:
    """All of them, round by round; none where the recipe has no rounds."""
    recipe, refine = resolved.recipe, resolved.recipe.curate.refine
    if refine is None:
        return

    def own(name: str) -> Own:
        return Own(name, recipe, template)

    generator = _other(resolved, "writing") or own(GENERATOR)
    texts = [given.language for given in resolved.passages if given.language in recipe.languages]
    for code in texts:
        yield Generate(generator, code, refine, recipe.seed)
    seeds = {
        part.language: part.seed
        for part in resolved.parts
        if part.part.view == "cross-lingual" and part.rows.side == "tuned" and part.seed is not None
    }
    for number in range(1, resolved.rounds.measured + 1):
        yield from _ratings(number, seeds, refine, resolved, own)
        ratings = tuple(f"ratings-{number}-{code}" for code in seeds)
        rater = _other(resolved, "rating") or own(evaluator(number))
        yield Measure(number, rater, ratings, refine)
        if number <= resolved.rounds.full:
            yield from (Rate(number, code, rater) for code in texts)
    chosen = [(part, part.part) for part in resolved.parts if isinstance(part.part, SelectedPart)]
    foreseen = {part.language for part, settings in chosen if settings.by == "perplexity"}
    yield from (Perplexity(code, own(follower(0))) for code in texts if code in foreseen)
    yield from (select(part, settings, recipe) for part, settings in chosen)


def _other(resolved: Resolved, role: Literal["writing", "answering", "rating"]) -> Other | None:
    """The model that does it in place of one that is tuned here, if the recipe names one."""
    refine = resolved.recipe.curate.refine
    said = getattr(refine, role)
    if said.engine is None:
        return None
    field = f"curate.refine.{role}"
    return Other(said.engine, resolved.engines[said.engine], field, said.may_fail, said.budget)


def select(part: ResolvedPart, settings: SelectedPart, recipe: Recipe) -> Select:
    """The step that makes a part of candidates."""
    number = settings.round if isinstance(settings.round, int) else 0
    scored = f"rate-{number}-{part.language}" if settings.by in BY_RATING else ""
    scored = f"perplexity-{part.language}" if settings.by == "perplexity" else scored
    own = part.name == f"{kept(number)}-{part.language}"
    before = f"select-{kept(number - 1)}-{part.language}" if own and number > 1 else ""
    return Select(part, settings, scored, before, recipe.seed)


def _ratings(
    number: int,
    seeds: dict[str, SeedFiles],
    refine: Refine,
    resolved: Resolved,
    own: Callable[[str], Own],
) -> Iterator[Step]:
    """What the models of a round make of the seed, and the pseudo-ratings made of that."""
    seed, turned = resolved.recipe.seed, refine.middle == "generator"
    newest = own(GENERATOR if turned else follower(number - 1))
    asked = _other(resolved, "writing" if turned else "answering") or newest
    older = own(follower(number - 2) if number > 1 else "")
    middles = {code: Answer(asked, turned, files, refine, seed) for code, files in seeds.items()}
    earlier = {code: Answer(older, False, files, refine, seed) for code, files in seeds.items()}
    yield from middles.values()
    yield from earlier.values()
    for code in seeds:
        foreign = tuple(step.name for other, step in middles.items() if other != code)
        yield Ratings(number, code, middles[code].name, earlier[code].name, foreign, refine, seed)
