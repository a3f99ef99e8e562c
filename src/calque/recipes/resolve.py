"""A recipe with every `x` written out: which files, parts, systems and benchmarks there are, by language."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from calque.corpora.files import expand
from calque.corpora.pairs import PairFiles as Pairs
from calque.errors import DataError, Problem, RecipeError
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.recipes.schema import BENCHMARK_FIELDS, Amount, Files, PairFiles, PairTable, Part, Recipe, System
from calque.tuning.settings import TuningSettings


@dataclass(frozen=True, slots=True)
class ResolvedPart:
    """A part in one language, with the files it is made from."""

    name: str
    part: Part
    language: str
    files: tuple[Path, ...] = ()
    pairs: Pairs | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it reads."""
        return self.pairs.paths if self.pairs is not None else self.files


@dataclass(frozen=True, slots=True)
class ResolvedSystem:
    """A system for one language, or for all (`language` empty). An empty mixture is the base model."""

    name: str
    role: str
    language: str
    mix: Mapping[str, Amount]
    tuning: TuningSettings
    scored_in: tuple[str, ...]
    matched_to: ResolvedMatch | None = None


@dataclass(frozen=True, slots=True)
class ResolvedMatch:
    """Another system, and what of its tuning this one's is to equal."""

    system: ResolvedSystem
    by: Literal["steps", "trained_tokens"]


@dataclass(frozen=True, slots=True)
class ResolvedBenchmark:
    """A benchmark in one language."""

    name: str
    language: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """All that a recipe asks for. `notes` say what was left out, and why."""

    recipe: Recipe
    parts: tuple[ResolvedPart, ...]
    systems: tuple[ResolvedSystem, ...]
    benchmarks: tuple[ResolvedBenchmark, ...]
    notes: tuple[str, ...]


def resolve(recipe: Recipe, folder: Path) -> Resolved:
    """Write out languages, find all files and check that names fit. Raises `RecipeError` with every problem."""
    return _Resolver(recipe, folder).resolve()


class _Resolver:
    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.folder = folder
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.parts: dict[str, ResolvedPart] = {}

    def resolve(self) -> Resolved:
        """Everything; problems are collected on the way."""
        systems = self._matched(
            [s for role, system in self.recipe.systems.items() for s in self._system(role, system)]
        )
        benchmarks = list(self._benchmarks())
        roles = {system.role for system in systems}
        for pair in self.recipe.comparisons:
            for role in pair:
                if role not in self.recipe.systems:
                    self._unknown("comparisons", "system", role, list(self.recipe.systems))
        if self.problems:
            raise RecipeError(*dict.fromkeys(self.problems))
        comparisons = [pair for pair in self.recipe.comparisons if set(pair) <= roles]
        recipe = self.recipe.model_copy(update={"comparisons": comparisons})
        return Resolved(
            recipe, tuple(self.parts.values()), tuple(systems), tuple(benchmarks), tuple(self.notes)
        )

    def _system(self, role: str, system: System) -> Iterator[ResolvedSystem]:
        unknown = [name for name in system.mix if name not in self.recipe.demonstrate]
        for name in unknown:
            self._unknown(f"systems.{role}.mix", "part", name, list(self.recipe.demonstrate))
        try:
            merged = _merge(self.recipe.tuning.model_dump(exclude_unset=True), system.tuning)
            tuning = TuningSettings.model_validate(merged)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                name = ".".join(map(str, found["loc"]))
                self.problems.append(Problem(f"systems.{role}.tuning.{name}: {found['msg'].lower()}"))
            return
        if unknown:
            return
        in_x = any(self.recipe.demonstrate[name].language == "x" for name in system.mix)
        for target in self.recipe.languages if in_x else [""]:
            missing = [m for name in system.mix for m in self._missing(name, target)]
            label = f"{role}-{target}" if target else role
            if missing and system.when_missing == "skip":
                self.notes.append(f"{label} is left out: {missing[0]} is not given")
                continue
            self.problems += [
                Problem(f"system {label!r} needs {m}", remedy=f"say {m.removeprefix('sources.')}=FILE")
                for m in missing
            ]
            if missing:
                continue
            mix = {self._part(name, target).name: amount for name, amount in system.mix.items()}
            yield ResolvedSystem(
                label, role, target, mix, tuning, tuple(self._scored_in(target, system.scored_in))
            )

    def _matched(self, systems: list[ResolvedSystem]) -> list[ResolvedSystem]:
        """The systems, each that is matched to another with that other one."""
        found = []
        for system in systems:
            match = self.recipe.systems[system.role].matched_to
            if match is None:
                found.append(system)
                continue
            if match.system not in self.recipe.systems:
                self._unknown(
                    f"systems.{system.role}.matched_to", "system", match.system, list(self.recipe.systems)
                )
                continue
            others = [s for s in systems if s.role == match.system and s.language in ("", system.language)]
            other = self.recipe.systems[match.system]
            if not others or not others[0].mix or other.matched_to is not None:
                reason = "is itself matched to another" if other.matched_to else "is not tuned"
                self.problems.append(
                    Problem(
                        f"systems.{system.role}.matched_to: {match.system} {reason if others else 'is left out'}"
                    )
                )
                continue
            found.append(replace(system, matched_to=ResolvedMatch(others[0], match.by)))
        return found

    def _missing(self, name: str, target: str) -> Iterator[str]:
        part = self.recipe.demonstrate[name]
        field = "instructions" if part.view == "instruction" else "translations"
        code = target if part.language == "x" else part.language
        if code not in getattr(self.recipe.sources, field):
            yield f"sources.{field}.{code}"

    def _part(self, name: str, target: str) -> ResolvedPart:
        part = self.recipe.demonstrate[name]
        code = target if part.language == "x" else part.language
        label = f"{name}-{code}"
        if label not in self.parts:
            files: tuple[Path, ...] = ()
            pairs = None
            if part.view == "instruction":
                files = self._files(self.recipe.sources.instructions[code], code)
            else:
                pairs = self._pairs(code)
            self.parts[label] = ResolvedPart(label, part, code, files, pairs)
        return self.parts[label]

    def _pairs(self, code: str) -> Pairs | None:
        source = self.recipe.sources.translations[code]
        licence = self.recipe.sources.licence
        if isinstance(source, PairFiles):
            english = self._files(source.english, code)
            target = self._files(source.target, code)
            return (
                Pairs(code, english=english[0], target=target[0], licence=licence)
                if english and target
                else None
            )
        name = source.file if isinstance(source, PairTable) else source
        found = self._files(name, code)
        columns = (source.english_column, source.target_column) if isinstance(source, PairTable) else (0, 1)
        if not found:
            return None
        return Pairs(
            code, path=found[0], english_column=columns[0], target_column=columns[1], licence=licence
        )

    def _benchmarks(self) -> Iterator[ResolvedBenchmark]:
        own = (system.scored_in or [] for system in self.recipe.systems.values())
        wanted = self._languages(
            [*self.recipe.evaluate.languages, *(code for codes in own for code in codes)]
        )
        for name in BENCHMARK_FIELDS:
            given = getattr(self.recipe.evaluate, name)
            if given is None:
                continue
            by_language = given if isinstance(given, dict) else self._spread(name, given, wanted)
            for code, files in by_language.items():
                try:
                    known = language_of(code).code
                except UnknownLanguageError as error:
                    self.problems += error.problems
                    continue
                if known in wanted:
                    found = self._files(files, code)
                    yield ResolvedBenchmark(name, known, found)

    def _spread(self, name: str, given: Files, wanted: list[str]) -> dict[str, Files]:
        if "{language}" in str(given):
            spread = dict.fromkeys(wanted, given)
            names = [given] if isinstance(given, str) else given
            if "en" in spread and not any(self._is_there(self._path(n, "en")) for n in names):
                self.notes.append(f"{name} is not scored in English: there is no such file")
                del spread["en"]
            return spread
        if len(self.recipe.languages) > 1:
            example = f"evaluate.{name}=FOLDER/{name}.{{language}}.json"
            self.problems.append(
                Problem(f"evaluate.{name}: one file for several languages", remedy=f"say {example}")
            )
        return {self.recipe.languages[0]: given}

    def _languages(self, wanted: list[str] | None = None) -> list[str]:
        codes = []
        for code in self.recipe.evaluate.languages if wanted is None else wanted:
            try:
                codes += self.recipe.languages if code == "x" else [language_of(code).code]
            except UnknownLanguageError as error:
                self.problems += error.problems
        return list(dict.fromkeys(codes))

    def _scored_in(self, target: str, wanted: list[str] | None) -> Iterator[str]:
        for code in self._languages(wanted):
            if not target or code not in self.recipe.languages or code == target:
                yield code

    def _files(self, names: Files, code: str) -> tuple[Path, ...]:
        found: list[Path] = []
        for name in [names] if isinstance(names, str) else names:
            path = self._path(name, code)
            try:
                found += [path] if path.is_dir() else expand(path)
            except DataError as error:
                self.problems += error.problems
        return tuple(found)

    def _is_there(self, path: Path) -> bool:
        try:
            return path.is_dir() or bool(expand(path))
        except DataError:
            return False

    def _path(self, name: str, code: str) -> Path:
        return self.folder / Path(name.replace("{language}", code)).expanduser()

    def _unknown(self, place: str, what: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        self.problems.append(Problem(f"{place}: there is no {what} {name!r}", remedy=remedy))


def _merge(base: dict[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
