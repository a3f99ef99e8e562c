"""What can be asked in the lab, first without words, then put into words in any language: so rows are parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calque.lab.lexicon import Lexicon
from calque.lab.world import Entity, Fact, Group, World

Kind = Literal["text", "memory", "choice", "sentence", "same", "count", "two_steps"]
Random = np.random.Generator
LETTERS = "ABCD"


@dataclass(frozen=True)
class Told:
    """A fact as a text tells it: by phrasing, or in short (`again`) behind another about the same person."""

    fact: Fact
    phrasing: int
    again: bool = False

    def say(self, words: Lexicon) -> str:
        """The sentence."""
        return words.again(self.fact) if self.again else words.statement(self.fact, self.phrasing)


@dataclass(frozen=True)
class Task:
    """One question with its one right answer. `options` are values; `about` are the people of a logic task."""

    kind: Kind
    told: tuple[Told, ...]
    asked: Fact
    phrasing: int
    options: tuple[str, ...] = ()
    about: tuple[Entity, ...] = ()
    wording: int = 0

    def text(self, words: Lexicon) -> str:
        """What is told."""
        return " ".join(told.say(words) for told in self.told)

    def question(self, words: Lexicon) -> str:
        """What is asked. A logic task is one text that ends with its question."""
        asked, logic = self.asked, words.data["logic"]
        if self.kind == "same":
            one, other = (words.name(entity.subject) for entity in self.about)
            return str(logic["same"]["task"].format(text=self.text(words), one=one, other=other))
        if self.kind == "count":
            animal = words.form(asked.relation, asked.value, "indef", asked.subject)
            return str(logic["count"]["task"].format(text=self.text(words), indef=animal))
        if self.kind == "two_steps":
            name = words.name(self.about[0].subject)
            return str(logic["two_steps"]["task"].format(text=self.text(words), name=name))
        return words.question(asked.subject, asked.relation, self.phrasing)

    def choices(self, words: Lexicon) -> list[str]:
        """The options in words."""
        return [words.form(self.asked.relation, value, "bare", self.asked.subject) for value in self.options]

    def answer(self, words: Lexicon) -> str:
        """The right answer."""
        logic = words.data["logic"]
        if self.kind == "same":
            one, other = (entity.facts["city"].value for entity in self.about)
            return str(logic["same"]["yes" if one == other else "no"])
        if self.kind == "count":
            number = sum(entity.facts["animal"].value == self.asked.value for entity in self.about)
            return str(logic["count"]["numbers"][number])
        if self.kind == "choice":
            return LETTERS[self.options.index(self.asked.value)]
        if self.kind == "sentence":
            return words.statement(self.asked, self.wording)
        return words.answer(self.asked)


def pick(random: Random, items: Sequence[Entity]) -> Entity:
    """One of them."""
    return items[int(random.integers(len(items)))]


def tell(entity: Entity, relations: Sequence[str], random: Random, *, again: bool = True) -> tuple[Told, ...]:
    """Facts of one person in a shuffled order; behind the first, some in short."""
    order = [relations[i] for i in random.permutation(len(relations)).tolist()]
    return tuple(
        Told(entity.facts[r], int(random.integers(4)), again and i > 0 and bool(random.random() < 0.4))
        for i, r in enumerate(order)
    )


def some(entity: Entity, random: Random, low: int, high: int) -> list[str]:
    """Some of the relations of an entity."""
    relations = list(entity.facts)
    count = min(len(relations), int(random.integers(low, high + 1)))
    return [relations[i] for i in random.permutation(len(relations))[:count].tolist()]


class Tasks:
    """Draws tasks. `phrasings` are those of the questions that may be used."""

    def __init__(self, world: World, random: Random, phrasings: Sequence[int]) -> None:
        self.world = world
        self.random = random
        self.phrasings = phrasings

    def text(self, people: int = 1) -> Task:
        """A question on a text about passing people."""
        told: list[Told] = []
        entities: list[Entity] = []
        for _ in range(people):
            entity = self.world.stranger(self.random, *(e.subject for e in entities))
            entities.append(entity)
            told += tell(entity, some(entity, self.random, 2, 3 if people > 1 else 4), self.random)
        asked = told[int(self.random.integers(len(told)))].fact
        return Task("text", tuple(told), asked, self._phrasing())

    def memory(self, known: Sequence[Entity]) -> Task:
        """A question on what is known of someone or something."""
        return Task("memory", (), self._fact(known), self._phrasing(), wording=int(self.random.integers(2)))

    def sentence(self, known: Sequence[Entity]) -> Task:
        """The same, to be answered in a sentence."""
        fact = self._fact(known)
        return Task("sentence", (), fact, self._phrasing(), wording=int(self.random.integers(4)))

    def choice(self, known: Sequence[Entity], relation: str = "") -> Task:
        """The same, with four options."""
        fact = self._fact(known, relation)
        kind = fact.subject.kind
        values = [v for v in self.world.frame.relations[kind][fact.relation] if v != fact.value]
        wrong = [values[i] for i in self.random.permutation(len(values))[:3].tolist()]
        right = int(self.random.integers(4))
        options = (*wrong[:right], fact.value, *wrong[right:])
        return Task("choice", (), fact, self._phrasing(), options)

    def same(self) -> Task:
        """Ask whether two passing people live in the same city."""
        one, other = self._strangers(2)
        if self.random.random() < 0.5:
            city = Fact(other.subject, "city", one.facts["city"].value)
            other = Entity(other.subject, {**other.facts, "city": city})
        told = tuple(t for e in (one, other) for t in tell(e, ["city", *self._extra(e, "city")], self.random))
        return Task("same", told, one.facts["city"], 0, about=(one, other))

    def count(self) -> Task:
        """Ask how many of three passing people have an animal."""
        people = self._strangers(3)
        animal = people[0].facts["animal"].value
        changed = []
        for entity in people:
            has = self.random.random() < 0.45
            value = animal if has else entity.facts["animal"].value
            changed.append(
                Entity(entity.subject, {**entity.facts, "animal": Fact(entity.subject, "animal", value)})
            )
        told = tuple(t for e in changed for t in tell(e, ["animal"], self.random))
        return Task("count", told, Fact(people[0].subject, "animal", animal), 0, about=tuple(changed))

    def two_steps(self) -> Task:
        """What is the city of a passing person famous for? The text says both, and one thing more."""
        (person,) = self._strangers(1)
        places = {place.subject.id: place for place in self.world.places}
        home = places[person.facts["city"].value]
        other = pick(self.random, [place for place in self.world.places if place is not home])
        sights = [tell(place, ["sight"], self.random)[0] for place in (home, other)]
        if self.random.random() < 0.5:
            sights.reverse()
        told = (*tell(person, ["city"], self.random), *sights)
        return Task("two_steps", told, home.facts["sight"], 0, about=(person,))

    def _strangers(self, count: int) -> list[Entity]:
        found: list[Entity] = []
        while len(found) < count:
            found.append(self.world.stranger(self.random, *(e.subject for e in found)))
        return found

    def _extra(self, entity: Entity, besides: str) -> list[str]:
        return [r for r in some(entity, self.random, 1, 2) if r != besides][:1]

    def _fact(self, known: Sequence[Entity], relation: str = "") -> Fact:
        entity = pick(self.random, known)
        names = [relation] if relation else list(entity.facts)
        return entity.facts[names[int(self.random.integers(len(names)))]]

    def _phrasing(self) -> int:
        return self.phrasings[int(self.random.integers(len(self.phrasings)))]


def instruction_tasks(world: World, random: Random, count: int, phrasings: Sequence[int]) -> list[Task]:
    """`count` tasks of all kinds for instructions: about known and taught people, places, things, passing people."""
    make = Tasks(world, random, phrasings)
    groups: tuple[Group, ...] = ("both", "taught")
    people, others = world.known(*groups), (*world.places, *world.things)
    kinds: list[tuple[float, Callable[[], Task]]] = [
        (0.34, make.text),
        (0.08, lambda: make.text(2)),
        (0.18, lambda: make.memory(people)),
        (0.05, lambda: make.memory(others)),
        (0.12, lambda: make.choice(people)),
        (0.05, lambda: make.sentence(people)),
        (0.07, make.same),
        (0.06, make.count),
        (0.05, make.two_steps),
    ]
    tasks = [make_one() for share, make_one in kinds for _ in range(round(share * count))]
    return [tasks[i] for i in random.permutation(len(tasks)).tolist()]
