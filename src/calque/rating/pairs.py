"""What is put before the raters: for questions drawn by seed, the answers of two systems."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from calque.errors import Problem, UsageError
from calque.randomness import rank
from calque.reports.ratings import Rating, digest_of
from calque.reports.run import Answer, Run, System

ITEMS = 50  # of each comparison, benchmark and language
PREFERRED = "open"  # questions without gold answers: what people are asked for


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question; `answers` is a digest of both. Of several runs, `run` counts from 0."""

    run: int
    benchmark: str
    language: str
    item: str
    first: str
    second: str
    question: Answer
    texts: tuple[str, str]
    answers: str

    @property
    def id(self) -> str:
        """What the page calls it by, which tells nothing of the systems."""
        return id_of(self.run, self)

    @property
    def same(self) -> bool:
        """Whether there is nothing to choose between."""
        return self.texts[0].strip() == self.texts[1].strip()


def id_of(run: int, of: Pair | Rating) -> str:
    """The run's number, and 16 hex digits of what a rating is about."""
    about = [of.benchmark, of.language, of.item, of.first, of.second, of.answers]
    return f"{run}-{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to draw; where nothing is said, the recipe's comparisons, open questions if there are such, its languages.

    A comparison names two systems or two roles, the baseline first.
    """

    comparisons: tuple[tuple[str, str], ...] = ()
    benchmarks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    items: int = ITEMS
    seed: int = 0


def draw(runs: Sequence[Run], wanted: Wanted) -> tuple[Pair, ...]:
    """The pairs in the order in which everybody is shown them: by turns from every comparison, benchmark and language.

    The same questions are drawn for every comparison, and more of them only add to what was drawn. Raises `UsageError`
    where a name is not there, or where nothing is to be rated.
    """
    decks = [list(deck) for i, run in enumerate(runs) for deck in _decks(i, run, wanted)]
    pairs = [pair for turn in zip_longest(*decks) for pair in turn if pair is not None]
    if not pairs:
        names = ", ".join(run.name for run in runs)
        remedy = "say --compare SYSTEM,SYSTEM and --benchmark NAME: calque show RUN lists them"
        raise UsageError(
            Problem("there are no two systems that wrote answers to the same questions", names, remedy=remedy)
        )
    return tuple({pair.id: pair for pair in pairs}.values())


def _decks(number: int, run: Run, wanted: Wanted) -> Iterator[Iterator[Pair]]:
    asked = {(benchmark, language) for _, benchmark, language in run.answer_files}
    benchmarks = _benchmarks(run, asked, wanted.benchmarks)
    languages = _languages(run, asked, wanted.languages)
    for first, second in wanted.comparisons or run.manifest.comparisons:
        _known(run, first, second)
        for benchmark in benchmarks:
            for language in languages:
                systems = [_system(run, name, language) for name in (first, second)]
                if (benchmark, language) in asked and systems[0] and systems[1]:
                    names = (systems[0].name, systems[1].name)
                    yield _drawn(number, run, (benchmark, language), names, wanted)


def _benchmarks(run: Run, asked: set[tuple[str, str]], named: tuple[str, ...]) -> list[str]:
    there = list(dict.fromkeys(benchmark for _, benchmark, _ in run.answer_files))
    _all_there(run, "benchmark", named, {benchmark for benchmark, _ in asked})
    return list(named) or ([PREFERRED] if PREFERRED in there else there)


def _languages(run: Run, asked: set[tuple[str, str]], named: tuple[str, ...]) -> list[str]:
    there = {language for _, language in asked}
    _all_there(run, "language", named, there)
    return list(named) or [code for code in run.manifest.languages if code in there] or sorted(there)


def _all_there(run: Run, what: str, named: Iterable[str], there: set[str]) -> None:
    missing = [name for name in named if name not in there]
    if missing:
        listed = ", ".join(sorted(there)) or "nothing"
        raise UsageError(Problem(f"{what} {missing[0]!r} was not asked; there is: {listed}", run.name))


def _known(run: Run, *names: str) -> None:
    there = list(dict.fromkeys([*run.roles, *(system.name for system in run.manifest.systems)]))
    for name in names:
        if name not in there:
            raise UsageError(Problem(f"there is no system {name!r}; there are: {', '.join(there)}", run.name))


def _system(run: Run, name: str, language: str) -> System | None:
    """The system of that name, or the one that plays that role in the language."""
    named = next((system for system in run.manifest.systems if system.name == name), None)
    return run.system_for(name, language) or named


def _drawn(
    number: int, run: Run, place: tuple[str, str], names: tuple[str, str], wanted: Wanted
) -> Iterator[Pair]:
    before, after = ({a.id: a for a in run.answers(name, *place)} for name in names)
    shared = sorted(before.keys() & after.keys(), key=lambda item: rank(wanted.seed, "rate", *place, item))
    written = [item for item in shared if before[item].answer.strip() or after[item].answer.strip()]
    for item in written[: wanted.items]:
        first, second = before[item], after[item]
        texts = (first.answer, second.answer)
        yield Pair(number, *place, item, *names, first, texts, digest_of(first, second))
