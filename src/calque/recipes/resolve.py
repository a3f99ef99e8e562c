"""A recipe with every `x` written out: which files, parts, systems and benchmarks there are, by language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calque.errors import Problem, RecipeError
from calque.recipes.document import Loc, Places, in_order
from calque.recipes.finding import Finder
from calque.recipes.links import Links, unknown
from calque.recipes.measured import ServedSystem
from calque.recipes.others import engines_of, engines_of_rounds, known_answers, readable, template_from
from calque.recipes.questions import Questions, not_asked
from calque.recipes.resolved import Resolved, ResolvedPassages, called
from calque.recipes.rounds import Rounds, expanded, rounds_of, taken_names
from calque.recipes.schema import ModelSettings, Recipe
from calque.recipes.systems import Systems
from calque.recipes.views import RatedPart, SelectedPart


def resolve(
    recipe: Recipe, folder: Path, places: Places | None = None, rounds: Rounds | None = None
) -> Resolved:
    """Write out languages and rounds, find all files and check that names fit. Raises `RecipeError` with every problem.

    `rounds` are those to carry out, where it has turned out that there is no need for as many as the recipe asks for.
    """
    return _Resolver(recipe, folder, places or Places(), rounds).resolve()


def template_of(settings: ModelSettings, folder: Path) -> str:
    """The template's name, or the path of a file of one's own, which starts from the recipe's folder."""
    return template_from(settings.template, folder)


class _Resolver:
    def __init__(self, recipe: Recipe, folder: Path, places: Places, rounds: Rounds | None) -> None:
        self.rounds = rounds_of(recipe, rounds)
        self.given = recipe
        self.recipe = expanded(recipe, self.rounds)
        self.places = places
        self.finder = Finder(folder, places)
        self.problems: list[Problem] = self.finder.problems
        self.notes: list[str] = self.finder.notes

    def resolve(self) -> Resolved:
        """Everything; problems are collected on the way."""
        self._model()
        readable(self.finder, template_of(self.recipe.model, self.finder.folder), ("model", "template"))
        self._refine()
        made = Systems(self.recipe, self.finder)
        systems = made.made()
        passages = tuple(self._passages())
        systems = Links(self.recipe, self.places, self.problems, self.notes).drawn(systems)
        questions = Questions(self.recipe, self.finder)
        benchmarks = questions.made()
        questions.served_are_asked(systems, benchmarks)
        for i, pair in enumerate(self.recipe.comparisons):
            for j, role in enumerate(pair):
                self._compared(role, (i, j))
        judging = self.recipe.judge
        codes = [] if judging is None else self.recipe.written_out([*judging.languages, "en"])
        known = known_answers(self.recipe, self.finder, codes)
        engines_of_rounds(self.given, self.finder)
        if self.problems:
            raise RecipeError(*in_order(self.problems))
        self.notes += not_asked(systems, benchmarks)
        self.notes += made.taught_by_others()
        roles = {called(system.role, way) for system in systems for way in system.answers}
        comparisons = [pair for pair in self.recipe.comparisons if set(pair) <= roles]
        recipe = self.recipe.model_copy(update={"comparisons": comparisons})
        return Resolved(
            recipe,
            tuple(made.parts.made.values()),
            tuple(systems),
            tuple(benchmarks),
            tuple(self.notes),
            passages,
            self.rounds,
            known,
            engines_of(self.recipe, self.finder.folder),
        )

    def _refine(self) -> None:
        """Tell what stands in the way of rounds of refinement, and why there are fewer of them."""
        for field, name in taken_names(self.given):
            self._tell((field, name), f"{name} is a name that curate.refine gives itself", "rename it")
        refine = self.given.curate.refine
        for name, part in self.given.demonstrate.items():
            if not isinstance(part, SelectedPart | RatedPart):
                continue
            if refine is None:
                message = f"view {part.view} is made by rounds of refinement, and the recipe has none"
                self._tell(("demonstrate", name), message, "say curate.refine={}")
            elif isinstance(part.round, int) and part.round > refine.rounds:
                self._tell(
                    ("demonstrate", name, "round"), f"there are {refine.rounds} rounds (curate.refine)"
                )
        if self.rounds.why:
            self.notes.append(f"no more rounds after {self.rounds.why}")

    def _passages(self) -> Iterator[ResolvedPassages]:
        """The native text of each of the recipe's languages that has any."""
        sources = self.recipe.sources
        for code, given in sources.passages.items():
            if code not in (*self.recipe.languages, "en"):
                self.notes.append(f"passages in {code} are left out: it is none of the languages")
                continue
            found = self.finder.passages(("sources", "passages", code), given, code, sources.licence)
            if found:
                yield ResolvedPassages(code, found)

    def _compared(self, name: str, within: Loc) -> None:
        """Tell of a comparison with what is no system, or not asked so."""
        role = name.partition("@")[0]
        if role not in self.recipe.systems:
            known = list(self.recipe.systems)
            self.problems.append(unknown(self.places, ("comparisons",), within, "system", name, known)[1])
            return
        every = [called(role, way) for way in self.recipe.systems[role].answers]
        if name not in every:
            message = f"comparisons: {role} is asked as {' and '.join(every)}, not as {name}"
            remedy = f"add the way of asking to systems.{role}.answers"
            self.problems.append(Problem(message, *self.places.at(("comparisons", *within)), remedy))

    def _model(self) -> None:
        """Tell of a base model that is needed and not given."""
        served = all(isinstance(system, ServedSystem) for system in self.recipe.systems.values())
        if self.recipe.model.path or (served and not self.recipe.sources.passages):
            return
        loc = ("model", "path") if self.recipe.model.model_fields_set else ("model",)
        message = f"{'.'.join(loc)!r} is missing"
        self.problems.append(Problem(message, *self.places.at(loc), "say model=FOLDER_OR_HUB_ID"))

    def _tell(self, loc: Loc, message: str, remedy: str = "") -> None:
        self.problems.append(self.places.problem(loc, message, remedy))
