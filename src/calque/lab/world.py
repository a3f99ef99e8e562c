"""The people, places and things of the lab, and every fact about them. No words: those are in `lexicon`.

People are of five groups. *both*: their facts stand in English and in the other languages before tuning. *taught*:
in English before tuning, in the other languages in the instructions. *development* and *tested*: in English before
tuning, nowhere else until they are asked for, the first when settings are chosen, the second when results are
reported. *passing*: one-off people of whom a text tells; their facts are true in that text alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from calque.randomness import stream

Group = Literal["both", "taught", "development", "tested"]
Split = Literal["learning", "development", "evaluation"]
Random = np.random.Generator
PLACES = "city"  # the relation whose values are the places of the world
SHARES: dict[Group, float] = {"both": 0.4, "taught": 0.2, "development": 0.2, "tested": 0.2}
PASSING: dict[Split, float] = {"learning": 0.5, "development": 0.25, "evaluation": 0.25}


@dataclass(frozen=True)
class Subject:
    """A person, a place or a thing. `gender` is f or m for people."""

    id: str
    kind: Literal["people", "places", "things"]
    gender: str = ""


@dataclass(frozen=True)
class Fact:
    """Of a subject, a relation has a value (its id; of a relation between people, a person's)."""

    subject: Subject
    relation: str
    value: str


@dataclass(frozen=True)
class Entity:
    """A subject with all its facts, by relation."""

    subject: Subject
    facts: Mapping[str, Fact]

    def but(self, relation: str, value: str) -> Entity:
        """The same with one fact otherwise."""
        return replace(self, facts={**self.facts, relation: Fact(self.subject, relation, value)})


@dataclass(frozen=True)
class Frame:
    """What a world is made from: relations of each kind with their values (none: people), ids of things, names."""

    relations: Mapping[str, Mapping[str, Sequence[str]]]
    things: Sequence[str]
    names: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class World:
    """All that is true in it: lasting people by group, places, things; passing people by split.

    `covered` are the values of each relation that instructions may speak of: what is asked of the others can only
    have been learnt elsewhere.
    """

    frame: Frame
    seed: int
    people: Mapping[Group, tuple[Entity, ...]]
    places: tuple[Entity, ...]
    things: tuple[Entity, ...]
    passing: Mapping[Split, tuple[Subject, ...]] = field(repr=False)
    covered: Mapping[str, frozenset[str]]

    def known(self, *groups: Group) -> tuple[Entity, ...]:
        """The people of some groups."""
        return tuple(entity for group in groups for entity in self.people[group])

    def covers(self, fact: Fact) -> bool:
        """Whether instructions may speak of it: people they may always name."""
        values = self.frame.relations[fact.subject.kind][fact.relation]
        return not values or fact.value in self.covered[fact.relation]

    def values(self, fact: Fact) -> Sequence[str]:
        """What the fact's value was drawn from; of a relation between people, the others of the subject's group."""
        values = self.frame.relations[fact.subject.kind][fact.relation]
        if values:
            return values
        groups = [
            *([e.subject for e in group] for group in self.people.values()),
            *(list(subjects) for subjects in self.passing.values()),
        ]
        group = next(g for g in groups if fact.subject in g)
        return [subject.id for subject in group if subject != fact.subject]

    def stranger(
        self, random: Random, split: Split | None, *besides: Subject, covered: bool = False
    ) -> Entity:
        """A passing person of a split (None: of any) with facts drawn at random, other than those `besides`."""
        splits = [split] if split is not None else list(self.passing)
        subjects = [subject for s in splits for subject in self.passing[s]]
        while (subject := _one(random, subjects)) in besides:
            pass
        relations = self.frame.relations["people"]
        if covered:
            relations = {r: [v for v in values if v in self.covered[r]] for r, values in relations.items()}
        return _entity(subject, relations, subjects, random)


def make_world_of(frame: Frame, *, seed: int, people: int, coverage: float) -> World:
    """A world with so many lasting people, drawn from the frame by the seed; `coverage` is the share of covered values."""
    random = stream(seed, "lab", "world")
    subjects = list(_names(frame.names))
    drawn = [subjects[i] for i in random.permutation(len(subjects)).tolist()]
    most = len(drawn) * 2 // 3
    if people > most:
        raise ValueError(f"{people} people are asked for, and there are names for {most}")
    groups: dict[Group, tuple[Entity, ...]] = {}
    start = 0
    for group, share in SHARES.items():
        members = drawn[start : start + round(people * share)]
        start += len(members)
        groups[group] = tuple(_entity(s, frame.relations["people"], members, random) for s in members)
    places = [Subject(city, "places") for city in frame.relations["people"][PLACES]]
    things = [Subject(thing, "things") for thing in frame.things]
    passing: dict[Split, tuple[Subject, ...]] = {}
    rest = drawn[start:]
    for split, share in PASSING.items():
        passing[split] = tuple(rest[: round(len(drawn[start:]) * share)])
        rest = rest[len(passing[split]) :]
    return World(
        frame,
        seed,
        groups,
        tuple(_entity(place, frame.relations["places"], places, random) for place in places),
        tuple(_entity(thing, frame.relations["things"], things, random) for thing in things),
        passing,
        _covered(frame, coverage, stream(seed, "lab", "coverage")),
    )


def _covered(frame: Frame, share: float, random: Random) -> dict[str, frozenset[str]]:
    covered = {}
    for relations in frame.relations.values():
        for relation, values in relations.items():
            chosen = random.permutation(len(values))[: round(share * len(values))].tolist()
            covered[relation] = frozenset(values[i] for i in chosen)
    return covered


def _names(names: Mapping[str, Sequence[str]]) -> Iterator[Subject]:
    for gender in ("f", "m"):
        for name in names[gender]:
            yield Subject(name, "people", gender)


def _entity(
    subject: Subject, relations: Mapping[str, Sequence[str]], others: Sequence[Subject], random: Random
) -> Entity:
    """The subject with a value for each relation; where the values are people, one of the `others`."""
    facts = {}
    for relation, values in relations.items():
        if values:
            value = values[int(random.integers(len(values)))]
        else:
            while (other := _one(random, others)) == subject:
                pass
            value = other.id
        facts[relation] = Fact(subject, relation, value)
    return Entity(subject, facts)


def _one(random: Random, subjects: Sequence[Subject]) -> Subject:
    return subjects[int(random.integers(len(subjects)))]
