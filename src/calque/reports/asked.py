"""How many questions of each benchmark were asked, which were put aside, and which could not be answered at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from calque.reports.counts import Counts
from calque.reports.run import Run

OF_LANGUAGE = ("language_confusion",)  # all of its metrics are of the language that answers are in
TOO_LONG = "prompt_too_long"
FEWER = "fewer_examples"


@dataclass(frozen=True, slots=True)
class Asked:
    """A benchmark in a language and the systems for which it came to the same counts; `all` where it did for all."""

    benchmark: str
    language: str
    systems: tuple[str, ...]
    all: bool
    counts: Counts

    @property
    def too_long(self) -> int:
        """How many prompts left no room for an answer in the model's context."""
        return self.counts.notes.get(TOO_LONG, 0)

    @property
    def counts_as_wrong(self) -> bool:
        """Whether what is not answered is wrong; else it is left out of the scores, which say so."""
        return self.benchmark not in OF_LANGUAGE

    @property
    def with_fewer(self) -> int:
        """How many prompts had room for fewer worked examples only than were to be shown."""
        return self.counts.notes.get(FEWER, 0)


def questions(run: Run) -> tuple[Asked, ...]:
    """List what was asked, by benchmark and language; systems with the same counts stand together."""
    groups: dict[tuple[str, str], dict[tuple[object, ...], list[tuple[str, Counts]]]] = {}
    for system in run.manifest.systems:
        for (name, benchmark, language), counts in run.asked.items():
            if name == system.name:
                alike = (counts.rows, counts.kept, *counts.dropped.items(), *counts.notes.items())
                groups.setdefault((benchmark, language), {}).setdefault(alike, []).append((name, counts))
    benchmarks = list(dict.fromkeys(benchmark for benchmark, _ in groups))
    languages = list(dict.fromkeys((*run.manifest.languages, *(language for _, language in groups))))
    order = sorted(groups, key=lambda place: (benchmarks.index(place[0]), languages.index(place[1])))
    return tuple(
        Asked(*place, tuple(name for name, _ in same), len(groups[place]) == 1, same[0][1])
        for place in order
        for same in groups[place].values()
    )


@dataclass(frozen=True, slots=True)
class Served:
    """What a model behind a server was asked in all: requests, tokens read and written, questions, and those left unanswered.

    What is unanswered counts as wrong, but for the `left_out`, of benchmarks where it is no part of the scores.
    """

    system: str
    model: str
    requests: int
    prompt_tokens: int
    tokens: int
    questions: int
    unanswered: Mapping[str, int]
    left_out: int

    @property
    def missing(self) -> int:
        """How many questions it left unanswered."""
        return sum(self.unanswered.values())


def served(run: Run) -> tuple[Served, ...]:
    """Those behind a server, in the manifest's order."""
    found = []
    for system in run.manifest.systems:
        asked = [
            (benchmark, c.server, c.kept)
            for (name, benchmark, _), c in run.asked.items()
            if name == system.name and c.server is not None
        ]
        if asked:
            missing: Counter[str] = Counter()
            for _, one, _ in asked:
                missing.update(one.unanswered)
            found.append(
                Served(
                    system.name,
                    system.served,
                    sum(one.requests for _, one, _ in asked),
                    sum(one.prompt_tokens for _, one, _ in asked),
                    sum(one.tokens for _, one, _ in asked),
                    sum(kept for _, _, kept in asked),
                    dict(missing),
                    sum(sum(one.unanswered.values()) for name, one, _ in asked if name in OF_LANGUAGE),
                )
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system wrote for an answer, in tokens on average, in each benchmark and language; NaN where not asked."""

    system: str
    tokens: tuple[float, ...]


def costs(run: Run) -> tuple[tuple[tuple[str, str], ...], tuple[Cost, ...]]:
    """Benchmarks and languages, and what an answer cost there; nothing where no system is asked in a way of its own."""
    if not any("@" in system.name for system in run.manifest.systems):
        return (), ()
    places = tuple((asked.benchmark, asked.language) for asked in questions(run))
    places = tuple(dict.fromkeys(places))
    found = []
    for system in run.manifest.systems:
        counts = [run.asked.get((system.name, *place)) for place in places]
        tokens = tuple(c.tokens_per_answer if c is not None else math.nan for c in counts)
        if not all(map(math.isnan, tokens)):
            found.append(Cost(system.name, tokens))
    return places, tuple(found)
