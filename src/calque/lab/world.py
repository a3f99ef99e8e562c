"""The people, places and things of the lab, and every fact about them. No words: those are in `lexicon`.

People are of four groups. *both*: their facts stand in English and in the other language before tuning. *taught*:
in English before tuning, in the other language in the instructions. *tested*: in English before tuning, nowhere else
until the evaluation. *passing*: one-off people of whom a text tells; their facts are true in that text alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from calque.randomness import stream

Group = Literal["both", "taught", "tested", "passing"]
PLACES = "city"  # the relation whose values are the places of the world
SHARES: dict[Group, float] = {"both": 0.5, "taught": 0.25, "tested": 0.25}


@dataclass(frozen=True)
class Subject:
    """A person, a place or a thing. `gender` is f or m for people."""

    id: str
    kind: Literal["people", "places", "things"]
    gender: str = ""


@dataclass(frozen=True)
class Fact:
    """Of a subject, a relation has a value (its id)."""

    subject: Subject
    relation: str
    value: str


@dataclass(frozen=True)
class Entity:
    """A subject with all its facts, by relation."""

    subject: Subject
    facts: Mapping[str, Fact]


@dataclass(frozen=True)
class Frame:
    """What a world is made from: relations of each kind with their values, ids of things, names of people."""

    relations: Mapping[str, Mapping[str, Sequence[str]]]
    things: Sequence[str]
    names: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class World:
    """All that is true in it. `people` by group; names of passing people are drawn from `passing`."""

    frame: Frame
    seed: int
    people: Mapping[Group, tuple[Entity, ...]]
    places: tuple[Entity, ...]
    things: tuple[Entity, ...]
    passing: tuple[Subject, ...] = field(repr=False)

    def known(self, *groups: Group) -> tuple[Entity, ...]:
        """The people of some groups."""
        return tuple(entity for group in groups for entity in self.people[group])

    def stranger(self, random: np.random.Generator, *besides: Subject) -> Entity:
        """A passing person with facts drawn at random, other than those `besides`."""
        while (subject := self.passing[int(random.integers(len(self.passing)))]) in besides:
            pass
        return _entity(subject, self.frame.relations["people"], random)


def make_world_of(frame: Frame, *, seed: int, people: int) -> World:
    """A world with so many lasting people, drawn from the frame by the seed."""
    random = stream(seed, "lab", "world")
    subjects = list(_names(frame.names))
    order = random.permutation(len(subjects))
    drawn = [subjects[i] for i in order.tolist()]
    if people > len(drawn) * 2 // 3:
        raise ValueError(f"{people} people are asked for, and there are names for {len(drawn) * 2 // 3}")
    groups: dict[Group, tuple[Entity, ...]] = {}
    start = 0
    for group, share in SHARES.items():
        end = start + round(people * share)
        groups[group] = tuple(_entity(s, frame.relations["people"], random) for s in drawn[start:end])
        start = end
    places = [Subject(city, "places") for city in frame.relations["people"][PLACES]]
    things = [Subject(thing, "things") for thing in frame.things]
    return World(
        frame,
        seed,
        groups,
        tuple(_entity(place, frame.relations["places"], random) for place in places),
        tuple(_entity(thing, frame.relations["things"], random) for thing in things),
        tuple(drawn[start:]),
    )


def _names(names: Mapping[str, Sequence[str]]) -> Iterator[Subject]:
    for gender in ("f", "m"):
        for name in names[gender]:
            yield Subject(name, "people", gender)


def _entity(subject: Subject, relations: Mapping[str, Sequence[str]], random: np.random.Generator) -> Entity:
    return Entity(
        subject,
        {
            relation: Fact(subject, relation, values[int(random.integers(len(values)))])
            for relation, values in relations.items()
        },
    )
