"""Ten questions with what every system answered: as many that were answered rightly as wrongly, drawn by seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from calque.reports.run import Answer, Run, System

SAMPLES = 10
MOST_ANSWERS = 6  # of one question; those of more systems are folded away


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with its text or options and gold answers, and each system's answer; `focus` is the balanced one.

    Of many systems, `answers` are those of the comparison and of the untuned model, and `others` the rest.
    """

    benchmark: str
    language: str
    question: str
    context: str
    choices: tuple[str, ...]
    golds: tuple[str, ...]
    focus: System
    answers: tuple[tuple[System, Answer], ...]
    others: tuple[tuple[System, Answer], ...] = ()


def draw_samples(run: Run, number: int = SAMPLES) -> tuple[Sample, ...]:
    """Draw questions by turns from benchmarks and languages, by turns right and wrong for the system in focus.

    English is drawn from only where nothing else was asked. Where there are too few right (or wrong) ones,
    the others fill up. Questions without a gold answer are of one kind.
    """
    wanted = run.manifest.languages
    places = list(dict.fromkeys((b, la) for _, b, la in run.answer_files))
    places = [place for place in places if place[1] in wanted] or places
    decks = {place: deck for place in places if (deck := _deck(run, *place))}
    chosen: list[tuple[str, str, str]] = []
    turn = 0
    while len(chosen) < number and any(deck[True] or deck[False] for deck in decks.values()):
        for i, (place, deck) in enumerate(decks.items()):
            want = (turn + i) % 2 == 0
            verdict = want if deck[want] else not want
            if deck[verdict] and len(chosen) < number:
                chosen.append((*place, deck[verdict].pop()))
        turn += 1
    return tuple(
        sample for place in decks for sample in _samples(run, place, [c[2] for c in chosen if c[:2] == place])
    )


def _focus(run: Run, benchmark: str, language: str) -> System | None:
    """The system that the recipe is about: the second of the first comparison, else the last one asked."""
    asked = [s for s in run.manifest.systems if (s.name, benchmark, language) in run.answer_files]
    for _, role in run.manifest.comparisons:
        system = run.system_for(role, language)
        if system in asked:
            return system
    return asked[-1] if asked else None


def _deck(run: Run, benchmark: str, language: str) -> dict[bool, list[str]]:
    """Shuffle the ids that the system in focus answered, rightly and wrongly; without a gold none is wrong."""
    focus = _focus(run, benchmark, language)
    answers = {
        answer.id: answer.correct or not answer.golds
        for answer in (run.answers(focus.name, benchmark, language) if focus else ())
    }
    ids = sorted(answers)
    random.Random(f"{run.manifest.seed}:{benchmark}:{language}").shuffle(ids)
    deck = {verdict: [id_ for id_ in ids if answers[id_] == verdict] for verdict in (True, False)}
    return deck if ids else {}


def _samples(run: Run, place: tuple[str, str], ids: list[str]) -> Iterator[Sample]:
    focus = _focus(run, *place)
    if focus is None or not ids:
        return
    given: dict[str, list[tuple[System, Answer]]] = {id_: [] for id_ in ids}
    for system in run.manifest.systems:
        for answer in run.answers(system.name, *place):
            if answer.id in given:
                given[answer.id].append((system, answer))
    first = _first(run, focus)
    for id_ in ids:
        asked = next(answer for system, answer in given[id_] if system == focus)
        few = len(given[id_]) <= MOST_ANSWERS
        yield Sample(
            *place,
            asked.question,
            asked.context,
            asked.choices,
            asked.golds,
            focus,
            tuple(pair for pair in given[id_] if few or pair[0].role in first),
            tuple(pair for pair in given[id_] if not few and pair[0].role not in first),
        )


def _first(run: Run, focus: System) -> set[str]:
    """The roles to look at first: the one in focus, what it is compared with, and the untuned model."""
    baselines = [first for first, second in run.manifest.comparisons if second == focus.role]
    untuned = [run.untuned.role] if run.untuned else []
    return {focus.role, *baselines[:1], *untuned}
