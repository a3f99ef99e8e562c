"""A recipe with every `x` written out: which files, parts, systems and benchmarks there are, by language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from pydantic import ValidationError

from calque.errors import CalqueError, Problem, RecipeError
from calque.evaluation.shots import ASKED, NONE, Shots
from calque.prompts.render import load_template
from calque.recipes.document import Loc, Places, in_order
from calque.recipes.finding import Finder
from calque.recipes.links import Links, unknown
from calque.recipes.mistakes import plain
from calque.recipes.others import engines_of, engines_of_rounds, known_answers, template_from
from calque.recipes.parts import Parts
from calque.recipes.refine import Amount
from calque.recipes.resolved import Resolved, ResolvedBenchmark, ResolvedPassages, ResolvedSystem, called
from calque.recipes.rounds import Rounds, expanded, rounds_of, taken_names
from calque.recipes.schema import (
    BENCHMARK_FIELDS,
    ONLY_OPTIONS,
    ChatPart,
    ModelSettings,
    PivotPart,
    RatedPart,
    Recipe,
    SelectedPart,
    ServedSystem,
    System,
    Way,
)
from calque.recipes.sources import Files
from calque.recipes.steps.evaluate import is_asked
from calque.tuning.settings import TuningSettings

ECHO = "say template: alpaca, plain or a file, where /completions has echo; vLLM and SGLang have it"


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
        self.recipe = recipe = expanded(recipe, self.rounds)
        self.places = places
        self.finder = Finder(folder, places)
        self.problems: list[Problem] = self.finder.problems
        self.notes: list[str] = self.finder.notes
        self._untaught: dict[
            tuple[str, str], dict[str, None]
        ] = {}  # systems by a source and language that lack
        self.parts = Parts(recipe, self.finder)

    def resolve(self) -> Resolved:
        """Everything; problems are collected on the way."""
        self._model()
        self._template()
        self._refine()
        systems = [s for role, system in self.recipe.systems.items() for s in self._system(role, system)]
        passages = tuple(self._passages())
        self._differ(systems)
        self._quantized(systems)
        systems = Links(self.recipe, self.places, self.problems, self.notes).drawn(systems)
        benchmarks = list(self._benchmarks())
        self._asked_directly()
        roles = {called(system.role, way) for system in systems for way in system.answers}
        for i, pair in enumerate(self.recipe.comparisons):
            for j, role in enumerate(pair):
                self._compared(role, (i, j))
        judging = self.recipe.judge
        codes = [] if judging is None else self._languages([*judging.languages, "en"])
        self._served_are_asked(systems, benchmarks)
        known = known_answers(self.recipe, self.finder, codes)
        engines_of_rounds(self.given, self.finder)
        if self.problems:
            raise RecipeError(*in_order(self.problems))
        self.notes += _not_asked(systems, benchmarks)
        self.notes += _taught_by_others(self._untaught)
        comparisons = [pair for pair in self.recipe.comparisons if set(pair) <= roles]
        recipe = self.recipe.model_copy(update={"comparisons": comparisons})
        parts = tuple(self.parts.made.values())
        return Resolved(
            recipe,
            parts,
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

    def _template(self) -> None:
        template = template_of(self.recipe.model, self.finder.folder)
        self._readable(template, ("model", "template"))

    def _readable(self, template: str, loc: Loc) -> None:
        try:
            if template != "chat":  # the model's own, which only its tokenizer knows
                load_template(template)
        except CalqueError as error:
            for problem in error.problems:
                self._tell(loc, problem.message, problem.remedy)

    def _served(self, role: str, system: ServedSystem) -> ResolvedSystem:
        """A system behind a server: one for all languages."""
        template = template_from(system.template, self.finder.folder)
        served = system.model_copy(update={"template": template})
        self._readable(served.template, ("systems", role, "template"))
        if served.template != "chat" and "chat" in served.answers:
            message = "two turns do not go by a template of ours"
            self._tell(("systems", role, "answers"), message, "say template: chat, or answers without chat")
        if served.budget is not None and served.price is None:
            message = "what it costs is not known"
            self._tell(("systems", role, "budget"), message, "say price: {read: …, written: …} beside it")
        ways = tuple(dict.fromkeys(served.answers))
        scored_in = tuple(self._scored_in("", served.scored_in))
        return ResolvedSystem(role, role, "", {}, TuningSettings(), scored_in, answers=ways, served=served)

    def _served_are_asked(
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

    def _system(self, role: str, system: System | ServedSystem) -> Iterator[ResolvedSystem]:
        if isinstance(system, ServedSystem):
            yield self._served(role, system)
            return
        mix = {self._known(role, name): amount for name, amount in system.mix.items()}
        mix.pop("", None)
        tuning = self._tuning(role, system)
        in_x = bool(mix) and (self._is_in_x(mix) or self._starts_in_x(system))
        if in_x and system.together:
            yield from self._together(role, system, mix, tuning)
            return
        for target in self.recipe.languages if in_x else [""]:
            label = f"{role}-{target}" if target else role
            missing = {
                name: m for name in mix if (m := self.parts.missing(name, target, system.when_missing))
            }
            if missing and system.when_missing == "skip":
                self.notes.append(f"{label} is left out: {next(iter(missing.values()))}")
                continue
            parts = {
                self.parts.part(name, target).name: amount
                for name, amount in mix.items()
                if name not in missing
            }
            for name, lack in missing.items():
                field, code = self.parts.source(name, target)
                both = "{english: FILE, target: FILE}, or {dolly: FILE}"
                form = {"parallel": both, "seed": "FILE"}.get(field, "FILE")
                field = {"seed": "seed_pairs"}.get(field, field)
                remedy = f"say {field}.{code}={form}"
                self._tell(("systems", role, "mix", name), f"{lack}, and {label} is made from it", remedy)
            if not missing:
                scored_in = tuple(self._scored_in(target, system.scored_in))
                ways = tuple(dict.fromkeys(system.answers))
                yield ResolvedSystem(
                    label,
                    role,
                    target,
                    parts,
                    tuning,
                    scored_in,
                    answers=ways,
                    by_way_of_english=by_way_of_english(self.recipe, role),
                )

    def _together(
        self, role: str, system: System, mix: Mapping[str, Amount], tuning: TuningSettings
    ) -> Iterator[ResolvedSystem]:
        """One system for all languages, from their parts; a language that a part has no source for is left out of it."""
        parts: dict[str, Amount] = {}
        for name, amount in mix.items():
            lacks = {c: self.parts.missing(name, c, system.when_missing) for c in self.recipe.languages}
            for code, lack in lacks.items():
                if not lack:
                    parts[self.parts.part(name, code).name] = amount
                elif not all(lacks.values()):
                    self._untaught.setdefault((self.parts.source(name, code)[0], code), {})[role] = None
            if all(lacks.values()):
                field, code = self.parts.source(name, self.recipe.languages[0])
                word = {"seed": "seed_pairs"}.get(field, field)
                lack = lacks[self.recipe.languages[0]]
                self._tell(
                    ("systems", role, "mix", name),
                    f"{lack}, and {role} is made from it",
                    f"say {word}.{code}=FILE",
                )
        scored_in = tuple(self._scored_in("", system.scored_in))
        ways = tuple(dict.fromkeys(system.answers))
        by_way = by_way_of_english(self.recipe, role)
        yield ResolvedSystem(role, role, "", parts, tuning, scored_in, answers=ways, by_way_of_english=by_way)

    def _starts_in_x(self, system: System) -> bool:
        """Whether what it starts from is of one language, so that there is one of it for each language too."""
        seen: set[str] = set()
        at: System | ServedSystem | None = system
        while at is not None and at.starts_from is not None and at.starts_from.system not in seen:
            seen.add(at.starts_from.system)
            at = self.recipe.systems.get(at.starts_from.system)
            if at is not None and self._is_in_x(at.mix) and not at.together:
                return True
        return False

    def _is_in_x(self, names: Iterable[str]) -> bool:
        parts = (self.recipe.demonstrate.get(name) for name in names)
        return any(part is not None and part.language == "x" for part in parts)

    def _known(self, role: str, name: str) -> str:
        """The name of a part; of one that is not there, that of the nearest, so that what else is wrong shows too."""
        if name in self.recipe.demonstrate:
            return name
        if (
            "demonstrate",
            name,
        ) in self.places.known:  # it was there, and a word of the command line took it out
            rest = ", ".join(
                f"{n}: {amount}" for n, amount in self.recipe.systems[role].mix.items() if n != name
            )
            remedy = f"leave {role} out too: systems.{role}=null; or say systems.{role}.mix={{{rest}}}"
            self._tell(
                ("systems", role, "mix"), f"part {name!r} is left out, and {role} is made from it", remedy
            )
            return ""
        known = list(self.recipe.demonstrate)
        near, problem = unknown(self.places, ("systems", role, "mix"), (name,), "part", name, known)
        self.problems.append(problem)
        return near

    def _tuning(self, role: str, system: System) -> TuningSettings:
        given, own = (tuning.model_dump(exclude_unset=True) for tuning in (self.recipe.tuning, system.tuning))
        try:
            return TuningSettings.model_validate(_merge(given, own))
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._tell(("systems", role, "tuning"), plain(found["msg"]))
            return system.tuning

    def _differ(self, systems: list[ResolvedSystem]) -> None:
        """Two systems under one name would share their steps: `a` in x, written out for zh, and `a-zh`."""
        first: dict[str, ResolvedSystem] = {}
        for system in systems:
            other = first.setdefault(system.name, system)
            if other is not system:
                message = f"with languages written out, system {other.role!r} is called {system.name!r} too"
                self._tell(("systems", system.role), message, "rename one of them")

    def _quantized(self, systems: list[ResolvedSystem]) -> None:
        """Weights are to be held in 4 bits, and the package that does it is not here."""
        wanting = next((system for system in systems if system.tuning.quantized), None)
        if wanting is not None and find_spec("bitsandbytes") is None:
            own = self.recipe.systems[wanting.role].tuning.quantized
            loc: Loc = ("systems", wanting.role, "tuning", "quantized") if own else ("tuning", "quantized")
            self._tell(loc, "the package bitsandbytes is not installed", "pip install 'calque[quantized]'")

    def _benchmarks(self) -> Iterator[ResolvedBenchmark]:
        own = (system.scored_in or [] for system in self.recipe.systems.values())
        wanted = self._languages(
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

    def _spread(self, name: str, given: Files, wanted: list[str]) -> dict[str, Files]:
        if "{language}" in str(given):
            spread = dict.fromkeys(wanted, given)
            if "en" in spread and self.finder.not_in_english(given):
                self.notes.append(f"{name} is not scored in English: there is no such file")
                del spread["en"]
            return spread
        if len(self.recipe.languages) > 1:
            example = f"evaluate.{name}=FOLDER/{name}.{{language}}.json"
            self._tell(("evaluate", name), "one file for several languages", f"say {example}")
        return dict.fromkeys(self.recipe.languages[:1], given)

    def _languages(self, wanted: list[str] | None) -> list[str]:
        """Codes, each once, with the target languages in place of x."""
        names = self.recipe.evaluate.languages if wanted is None else wanted
        codes = [code for name in names for code in (self.recipe.languages if name == "x" else [name])]
        return list(dict.fromkeys(codes))

    def _scored_in(self, target: str, wanted: list[str] | None) -> Iterator[str]:
        for code in self._languages(wanted):
            if not target or code not in self.recipe.languages or code == target:
                yield code

    def _tell(self, loc: Loc, message: str, remedy: str = "") -> None:
        self.problems.append(self.places.problem(loc, message, remedy))


def by_way_of_english(recipe: Recipe, role: str) -> dict[Way, ChatPart | PivotPart]:
    """The parts, of a role or of what it starts from, that teach to answer by way of English; the latest of each view."""
    found: dict[Way, ChatPart | PivotPart] = {}
    seen: set[str] = set()
    while role in recipe.systems and role not in seen:
        seen.add(role)
        system = recipe.systems[role]
        for name in system.mix:
            part = recipe.demonstrate.get(name)
            if isinstance(part, ChatPart | PivotPart):
                found.setdefault(part.view, part)
        role = system.starts_from.system if system.starts_from is not None else ""
    return found


def _taught_by_others(untaught: Mapping[tuple[str, str], Iterable[str]]) -> Iterator[str]:
    """In which languages a source is not given, and which systems, being for all languages, learn it from the others."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (field, code), roles in untaught.items():
        alike.setdefault((field, tuple(roles)), []).append(code)
    for (field, roles), codes in alike.items():
        who = " and ".join(roles) if len(roles) < 3 else f"{len(roles)} systems"
        learn = "learns" if len(roles) == 1 else "learn"
        yield f"sources.{field} is not given in {', '.join(codes)}: {who} {learn} it from the other languages"


def _not_asked(systems: Sequence[ResolvedSystem], benchmarks: Sequence[ResolvedBenchmark]) -> Iterator[str]:
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


def _merge(base: dict[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
