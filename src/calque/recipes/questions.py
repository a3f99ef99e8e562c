"""The benchmarks of a recipe in every language that they are given in, and what does not go together with its systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from calque.evaluation.shots import ASKED, NONE, Shots
from calque.recipes.document import Loc
from calque.recipes.finding import Finder
from calque.recipes.measured import ServedSystem
from calque.recipes.resolved import ResolvedBenchmark, ResolvedSystem, called
from calque.recipes.schema import BENCHMARK_FIELDS, ONLY_OPTIONS, Recipe
from calque.recipes.sources import Files
from calque.recipes.steps.evaluate import is_asked

ECHO = "say template: alpaca, plain or a file, where /completions has echo; vLLM and SGLang have it"


class Questions:
    """Finds the benchmarks' files and those of their examples; what is wrong with them is told by the finder."""

    def __init__(self, recipe: Recipe, finder: Finder) -> None:
        self.recipe = recipe
        self.finder = finder

    def made(self) -> list[ResolvedBenchmark]:
        """All of them, in each language."""
        found = list(self._benchmarks())
        self._asked_directly()
        return found

    def _benchmarks(self) -> Iterator[ResolvedBenchmark]:
        own = (system.scored_in or [] for system in self.recipe.systems.values())
        wanted = self.recipe.written_out(
            [*self.recipe.evaluate.languages, *(code for codes in own for code in codes)]
        )
        for name in BENCHMARK_FIELDS:
            given = self.recipe.evaluate.files_of(name)
            if given is None:
                continue
            by_language = given if isinstance(given, dict) else self._spread(name, given, wanted)
            for code, files in by_language.items():
                if code in wanted:
                    found = self.finder.files(("evaluate", name, code), files, code)
                    yield ResolvedBenchmark(name, code, found, self._shots(name, code))

    def _shots(self, name: str, code: str) -> Shots:
        """The worked examples that are to stand before the questions of a benchmark."""
        settings = self.recipe.evaluate
        count = settings.shots_of(name)
        if not count:
            return NONE
        form = settings.examples_as
        if form == "auto":
            form = "turns" if self.recipe.model.template == "chat" else "text"
        given = settings.examples.get(name)
        names = given.get(code) if isinstance(given, dict) else given
        if names is None or names == ASKED:
            return Shots(count, (), names == ASKED, settings.examples_seed, form)
        files = self.finder.files(("evaluate", "examples", name), names, code)
        return Shots(count, files, False, settings.examples_seed, form)

    def _spread(self, name: str, given: Files, wanted: list[str]) -> dict[str, Files]:
        if "{language}" in str(given):
            spread = dict.fromkeys(wanted, given)
            if "en" in spread and self.finder.not_in_english(given):
                self.finder.notes.append(f"{name} is not scored in English: there is no such file")
                del spread["en"]
            return spread
        if len(self.recipe.languages) > 1:
            example = f"evaluate.{name}=FOLDER/{name}.{{language}}.json"
            self._tell(("evaluate", name), "one file for several languages", f"say {example}")
        return dict.fromkeys(self.recipe.languages[:1], given)

    def _asked_directly(self) -> None:
        """Examples show answers that are given directly."""
        shown = any(map(self.recipe.evaluate.shots_of, BENCHMARK_FIELDS))
        for role, system in self.recipe.systems.items():
            if shown and set(system.answers) != {"direct"}:
                message = (
                    "evaluate.shots shows examples of direct answers, and this is asked by way of English too"
                )
                remedy = "set evaluate.shots=0, or answers: [direct]"
                self._tell(("systems", role, "answers"), message, remedy)
            chats = isinstance(system, ServedSystem) and system.template == "chat"
            if shown and chats and self.recipe.evaluate.examples_as == "text":
                message = "evaluate.examples_as is text, and a server with a chat template takes turns alone"
                self._tell(("systems", role), message, "say evaluate.examples_as=auto, or turns")

    def served_are_asked(
        self, systems: Sequence[ResolvedSystem], benchmarks: Sequence[ResolvedBenchmark]
    ) -> None:
        """Tell of systems that are asked nothing, as what is measured takes log-likelihoods of options that the server does not tell; and of
        those to which examples cannot be shown.
        """
        for system in systems:
            if system.served is None or not benchmarks:
                continue
            if system.served.template != "chat" and any(
                benchmark.shots.count and benchmark.shots.form == "turns" for benchmark in benchmarks
            ):
                message = "worked examples as turns do not go by a template of ours"
                self._tell(("systems", system.role, "template"), message, "say evaluate.examples_as=text")
            if system.served.compares:
                continue
            if all(benchmark.name in ONLY_OPTIONS for benchmark in benchmarks):
                names = ", ".join(dict.fromkeys(benchmark.name for benchmark in benchmarks))
                message = f"is asked nothing: {names} take log-likelihoods of options, which its server does not tell"
                self._tell(("systems", system.role), message, ECHO)

    def _tell(self, loc: Loc, message: str, remedy: str = "") -> None:
        self.finder.problems.append(self.finder.places.problem(loc, message, remedy))


def not_asked(systems: Sequence[ResolvedSystem], benchmarks: Sequence[ResolvedBenchmark]) -> Iterator[str]:
    """Of ways of asking and benchmarks that do not go together, a word."""
    for system, name in product(systems, dict.fromkeys(benchmark.name for benchmark in benchmarks)):
        if name not in ONLY_OPTIONS:
            continue
        if system.served is not None and not system.served.compares:
            yield f"{system.name} is not asked {name}: its server tells no log-likelihoods of options ({ECHO})"
        elif "pivot" in system.answers:
            yield f"{called(system.name, 'pivot')} is not asked {name}: options cannot be compared behind half an answer"
    for system in systems:
        if benchmarks and system.mix and system.scored_in and not _is_ever_asked(system, benchmarks):
            given = list(dict.fromkeys(b.language for b in benchmarks if b.language in system.scored_in))
            why = f"no benchmark is given in {', '.join(system.scored_in)}"
            if given:
                ways = " and ".join(system.answers)
                why = f"it answers by {ways}, and of its languages benchmarks are given in {', '.join(given)} alone"
            yield f"{system.name} is tuned and never asked: {why}"


def _is_ever_asked(system: ResolvedSystem, benchmarks: Sequence[ResolvedBenchmark]) -> bool:
    return any(is_asked(system, benchmark, way) for benchmark in benchmarks for way in system.answers)
