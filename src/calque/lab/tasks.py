"""What can be asked in the lab, first without words, then put into words in any language: so rows are parallel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calque.lab.lexicon import AGAIN, Lexicon
from calque.lab.world import Entity, Fact, Random, Split, Subject, World

Kind = Literal[
    "text",
    "memory",
    "choice",
    "sentence",
    "notes",
    "portrait",
    "into",
    "from",
    "request",
    "across",
    "same",
    "count",
    "two_steps",
    "visited",
]

TRANSLATION: tuple[Kind, ...] = ("into", "from")  # from English into the other language, and back
REQUESTS: tuple[Kind, ...] = ("request", "across")  # in the language; in English, to be answered in it
LOGIC: tuple[Kind, ...] = ("same", "count", "two_steps", "visited")
LETTERS = "ABCD"


@dataclass(frozen=True)
class Told:
    """A fact as a text tells it: by phrasing, `AGAIN` being in short behind another about the same subject."""

    fact: Fact
    phrasing: int

    def say(self, words: Lexicon) -> str:
        """The sentence."""
        return words.statement(self.fact, self.phrasing)


@dataclass(frozen=True)
class Task:
    """One question with its right answer. `told` is the text that it is about, or, of what is to be written, the answer.

    `options` are values; `about` are the people of a logic task.
    """

    kind: Kind
    told: tuple[Told, ...]
    asked: Fact
    phrasing: int
    options: tuple[str, ...] = ()
    about: tuple[Entity, ...] = ()
    wording: int = 0

    @property
    def subject(self) -> Subject:
        """Whom or what the question is about."""
        return self.about[0].subject if self.about else self.asked.subject

    def text(self, words: Lexicon) -> str:
        """What is told, as a text."""
        return words.join(told.say(words) for told in self.told)

    def question(self, words: Lexicon) -> str:
        """What is asked. A logic task is one text that ends with its question; notes are lines under a name."""
        if self.kind in LOGIC:
            return words.join([self.text(words), self._logic(words)])
        if self.kind == "notes":
            lines = [f"{words.label(t.fact.relation)}: {words.answer(t.fact)}" for t in self.told]
            return "\n".join([words.name(self.subject), *lines])
        if self.kind == "portrait":
            return ""
        if self.kind in REQUESTS:
            return words.request(self.subject, [t.fact.relation for t in self.told], self.wording)
        return words.question(self.asked.subject, self.asked.relation, self.phrasing)

    def _logic(self, words: Lexicon) -> str:
        template = words.data["logic"][self.kind]["question"]
        if self.kind == "same":
            one, other = (words.name(entity.subject) for entity in self.about)
            return words.fill(template, self.subject, one=one, other=other)
        if self.kind == "count":
            animal = words.data["relations"][self.asked.relation]["values"][self.asked.value]
            return words.fill(template, self.subject, animal)
        return words.fill(template, self.subject)

    def instruction(self, words: Lexicon) -> str:
        """What is to be done with the question."""
        if self.kind in LOGIC:
            template: Any = words.data["logic"][self.kind]["instruction"]
        else:
            template = words.data["instructions"][self.kind]
        return words.fill(template[self.wording] if self.kind == "memory" else template, self.subject)

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
        if self.kind in ("notes", "portrait", *REQUESTS):
            return self.text(words)
        return words.answer(self.asked)


def pick(random: Random, items: Sequence[Entity]) -> Entity:
    """One of them."""
    return items[int(random.integers(len(items)))]


def tell(entity: Entity, relations: Sequence[str], random: Random, *, again: bool = True) -> tuple[Told, ...]:
    """Facts of one subject in a shuffled order; behind the first, some in short."""
    order = [relations[i] for i in random.permutation(len(relations)).tolist()]
    return tuple(
        Told(
            entity.facts[r],
            AGAIN if again and i > 0 and bool(random.random() < 0.4) else int(random.integers(4)),
        )
        for i, r in enumerate(order)
    )


def some(entity: Entity, random: Random, low: int, high: int) -> list[str]:
    """Some of the relations of an entity."""
    relations = list(entity.facts)
    count = min(len(relations), int(random.integers(low, high + 1)))
    return [relations[i] for i in random.permutation(len(relations))[:count].tolist()]


class Tasks:
    """Draws tasks. `phrasings` are those of the questions that may be used; passing people are of `split` (None: any).

    With `covered`, only facts that instructions may speak of are told and asked for.
    """

    def __init__(
        self,
        world: World,
        random: Random,
        phrasings: Sequence[int],
        split: Split | None = None,
        *,
        covered: bool = False,
    ) -> None:
        self.world = world
        self.random = random
        self.phrasings = phrasings
        self.split = split
        self.covered = covered

    def text(self, people: int = 1) -> Task:
        """A question on a text about passing people."""
        told: list[Told] = []
        for entity in self._strangers(people):
            told += tell(entity, some(entity, self.random, 2, 3 if people > 1 else 4), self.random)
        asked = told[int(self.random.integers(len(told)))].fact
        return Task("text", tuple(told), asked, self._phrasing())

    def memory(self, known: Sequence[Entity]) -> Task:
        """A question on what is known of someone or something."""
        return Task("memory", (), self._fact(known), self._phrasing(), wording=int(self.random.integers(2)))

    def sentence(self, known: Sequence[Entity] = ()) -> Task:
        """The same, to be answered in a sentence; where nobody is known, on a text about a passing person."""
        told = () if known else self.text().told
        fact = told[int(self.random.integers(len(told)))].fact if told else self._fact(known)
        return Task("sentence", told, fact, self._phrasing(), wording=int(self.random.integers(4)))

    def choice(self, known: Sequence[Entity], relation: str = "", told: tuple[Told, ...] = ()) -> Task:
        """A question with four options, on what is known or, if something is `told`, on its first fact."""
        fact = told[0].fact if told else self._fact(known, relation)
        values = [
            v
            for v in self.world.values(fact)
            if v != fact.value and self._may(fact.subject, fact.relation, v)
        ]
        wrong = [values[i] for i in self.random.permutation(len(values))[:3].tolist()]
        right = int(self.random.integers(4))
        options = (*wrong[:right], fact.value, *wrong[right:])
        return Task("choice", told, fact, self._phrasing(), options)

    def notes(self) -> Task:
        """Notes on a passing person, to be written out in sentences."""
        (entity,) = self._strangers(1)
        told = tell(entity, some(entity, self.random, 2, 3), self.random)
        return Task("notes", told, told[0].fact, 0)

    def translation(self, kind: Kind) -> Task:
        """Sentences about a passing person, to be translated into the other language, or from it."""
        (entity,) = self._strangers(1)
        told = tell(entity, some(entity, self.random, 1, 2), self.random)
        return Task(kind, told, told[0].fact, 0, wording=int(self.random.integers(20)))

    def request(self, split: Split) -> tuple[Task, Task]:
        """A text on a passing person asked for in the language, and the same asked for in English."""
        entity = self.world.stranger(self.random, split)
        told = tell(entity, some(entity, self.random, 2, 4), self.random)
        wording = int(self.random.integers(3))
        one, other = (Task(kind, told, told[0].fact, 0, wording=wording) for kind in REQUESTS)
        return one, other

    def portrait(self, known: Sequence[Entity]) -> Task:
        """Two sentences on what is known of someone or something."""
        entity = self._sayable(pick(self.random, known), 2, known)
        told = tell(entity, some(entity, self.random, 2, 2), self.random)
        return Task("portrait", told, told[0].fact, 0)

    def same(self) -> Task:
        """Ask whether two passing people live in the same city."""
        one, other = self._strangers(2)
        if self.random.random() < 0.5:
            other = other.but("city", one.facts["city"].value)
        told = tuple(t for e in (one, other) for t in tell(e, ["city", *self._extra(e, "city")], self.random))
        return Task("same", told, one.facts["city"], 0, about=(one, other))

    def count(self) -> Task:
        """Ask how many of three passing people have an animal."""
        people = self._strangers(3)
        animal = people[0].facts["animal"].value
        about = tuple(e.but("animal", animal) if self.random.random() < 0.45 else e for e in people)
        told = tuple(t for e in about for t in tell(e, ["animal"], self.random))
        return Task("count", told, Fact(people[0].subject, "animal", animal), 0, about=about)

    def two_steps(self) -> Task:
        """What is the city of a passing person famous for? The text says both, and one thing more."""
        (person,) = self._strangers(1)
        places = [p for p in self.world.places if not self.covered or self.world.covers(p.facts["sight"])]
        home, other = (places[i] for i in self.random.permutation(len(places))[:2].tolist())
        person = person.but("city", home.subject.id)
        sights = [tell(place, ["sight"], self.random)[0] for place in (home, other)]
        if self.random.random() < 0.5:
            sights.reverse()
        told = (*tell(person, ["city"], self.random), *sights)
        return Task("two_steps", told, home.facts["sight"], 0, about=(person,))

    def visited(self) -> Task:
        """Where does the one live whom a passing person visits? The text says it, and where a third one lives."""
        one, other, third = self._strangers(3)
        one = one.but("visits", other.subject.id)
        homes = [tell(entity, ["city"], self.random)[0] for entity in (other, third)]
        if self.random.random() < 0.5:
            homes.reverse()
        told = (*tell(one, ["visits"], self.random), *homes)
        return Task("visited", told, other.facts["city"], 0, about=(one, other))

    def logic(self, kind: Kind) -> Task:
        """A task of one of the kinds in `LOGIC`."""
        make = {"same": self.same, "count": self.count, "two_steps": self.two_steps, "visited": self.visited}
        return make[kind]()

    def _strangers(self, count: int) -> list[Entity]:
        found: list[Entity] = []
        while len(found) < count:
            others = (entity.subject for entity in found)
            found.append(self.world.stranger(self.random, self.split, *others, covered=self.covered))
        return found

    def _extra(self, entity: Entity, besides: str) -> list[str]:
        return [r for r in some(entity, self.random, 1, 2) if r != besides][:1]

    def _fact(self, known: Sequence[Entity], relation: str = "") -> Fact:
        entity = self._sayable(pick(self.random, known), 1, known, relation)
        names = [relation] if relation else list(entity.facts)
        return entity.facts[names[int(self.random.integers(len(names)))]]

    def _sayable(self, entity: Entity, least: int, known: Sequence[Entity], relation: str = "") -> Entity:
        """The entity with the facts that may be told; another one if there are fewer than `least` of them."""
        while True:
            facts = {r: f for r, f in entity.facts.items() if not self.covered or self.world.covers(f)}
            if len(facts) >= least and (not relation or relation in facts):
                return Entity(entity.subject, facts)
            entity = pick(self.random, known)

    def _may(self, subject: Subject, relation: str, value: str) -> bool:
        return not self.covered or self.world.covers(Fact(subject, relation, value))

    def _phrasing(self) -> int:
        return self.phrasings[int(self.random.integers(len(self.phrasings)))]
