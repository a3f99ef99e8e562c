"""The parts of a recipe in the languages that are asked of them, each with the files that it is made from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from calque.corpora.seed_rows import ALL_ROWS, SeedRows
from calque.curation.sentence_embedding import lacking
from calque.recipes.document import Loc
from calque.recipes.finding import Finder
from calque.recipes.resolved import ResolvedPart
from calque.recipes.schema import Recipe
from calque.recipes.views import CrossLingualPart, Part, ReversedPart, SelectedPart


class Parts:
    """Makes parts, each once; `made` are those by their names, in the order in which they were asked for."""

    def __init__(self, recipe: Recipe, finder: Finder) -> None:
        self.recipe = recipe
        self.finder = finder
        self.made: dict[str, ResolvedPart] = {}

    def missing(self, name: str, target: str, when_missing: str) -> str:
        """Which source of a part is not given, in words; empty where it is."""
        field, code = self.source(name, target)
        if self._pairs_of(name, target):
            return ""
        given = getattr(self.recipe.sources, field)
        if code not in given:
            return f"sources.{field}.{code} is not given"
        if when_missing == "skip" and code == "en" and self.finder.not_in_english(given[code]):
            return f"sources.{field} has no file in English"
        return ""

    def source(self, name: str, target: str) -> tuple[str, str]:
        """The field of `sources` and the language in it that a part is made from."""
        part = self.recipe.demonstrate[name]
        fields = {
            "instruction": "instructions",
            "translation": "translations",
            "cross-lingual": "seed",
            "reversed": "seed",
            "rated": "seed",
            "selected": "passages",
        }
        return fields.get(part.view, "parallel"), target if part.language == "x" else part.language

    def _found(self, name: str) -> Part:
        """A part, its embedding as seen from here; what it lacks is told."""
        part = self.recipe.demonstrate[name]
        if isinstance(part, SelectedPart) and part.kmeans == "faiss" and find_spec("faiss") is None:
            told = "faiss is not installed", "pip install 'calque[faiss]', or say minibatch"
            self.finder.problems.append(self.finder.places.problem(("demonstrate", name, "kmeans"), *told))
        if not isinstance(part, SelectedPart) or part.embedding is None:
            return part
        loc: Loc = ("demonstrate", name, "embedding")
        if not part.diverse:
            problem = self.finder.places.problem(
                loc, "nothing is embedded unless diverse is true", "say diverse: true"
            )
            self.finder.problems.append(problem)
        if (lack := lacking(part.embedding.model))[0]:
            self.finder.problems.append(self.finder.places.problem(loc, *lack))
        place = self.finder.folder / Path(part.embedding.model).expanduser()
        if not place.is_dir():
            return part
        return part.model_copy(update={"embedding": part.embedding.model_copy(update={"model": str(place)})})

    def _rows(self, part: Part) -> SeedRows:
        refine = self.recipe.curate.refine
        if isinstance(part, CrossLingualPart | ReversedPart) and refine is not None:
            return SeedRows(part.rows, refine.held_out if part.rows != "all" else 0.0, refine.seed)
        return ALL_ROWS

    def _pairs_of(self, name: str, target: str) -> list[str]:
        """The languages whose parallel instruction data a part is made from; none for a part from other sources.

        The English side stands beside every language.
        """
        field, code = self.source(name, target)
        if field in ("translations", "seed", "passages"):
            return []
        given = self.recipe.sources.instructions
        there = code in given and not (code == "en" and self.finder.not_in_english(given[code]))
        if field == "instructions" and there:
            return []
        parallel = self.recipe.sources.parallel
        wanted = self.recipe.languages if code == "en" else [code]
        return [language for language in wanted if language in parallel]

    def part(self, name: str, target: str) -> ResolvedPart:
        """The part for a system in `target`; files that are not there are told by the finder."""
        field, code = self.source(name, target)
        label = f"{name}-{code}"
        if label not in self.made:
            part, sources = self._found(name), self.recipe.sources
            files: tuple[Path, ...] = ()
            pairs = seed = None
            parallel = [
                self.finder.parallel(("sources", "parallel", c), sources.parallel[c], c, sources.licence)
                for c in self._pairs_of(name, target)
            ]
            if not parallel and field == "instructions":
                files = self.finder.files(("sources", field, code), sources.instructions[code], code)
            elif field == "translations":
                loc = ("sources", field, code)
                pairs = self.finder.pairs(loc, sources.translations[code], code, sources.licence)
            elif field == "seed" and part.view != "rated":
                loc = ("sources", field, code)
                seed = self.finder.seed(loc, sources.seed[code], code, sources.licence)
            found = tuple(one for one in parallel if one is not None)
            rows = self._rows(part)
            self.made[label] = ResolvedPart(label, part, code, files, pairs, found, seed, rows)
        return self.made[label]
