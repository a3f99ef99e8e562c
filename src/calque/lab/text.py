"""What the base reads before it is tuned: mostly English, a little of every other language, one document a row.

A document is one piece of text, or a question and its answer as two: they are tokenised apart, as prompts and answers
are, and of the two the answer alone is learnt: what a question tells of passing people nobody could foresee.

English states everything, over and over, in many forms, and holds questions with their answers, as the web does. The
other languages are a small share of the text: they tell and ask of passing people and of those of group *both* alone, and
are met beside English now and then. Where a language spells names in its own way, a name and its spelling are met together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from calque.lab.lexicon import Lexicon, lexicon
from calque.lab.tasks import LETTERS, LOGIC, Task, Tasks, pick, some, tell
from calque.lab.world import Entity, Random, Subject, World

ALL_PHRASINGS = (0, 1, 2, 3)
Document = tuple["Piece", ...]


@dataclass(frozen=True)
class Piece:
    """A stretch of text, and whether it is learnt or only read."""

    text: str
    learnt: bool = True


@dataclass(frozen=True)
class Shares:
    """How many documents of each sort there are."""

    portraits: int = 24  # of each lasting person, place and thing, in English
    readings: int = 10000  # a text about passing people, a question, its answer
    logic: int = 4000  # comparing, counting, two steps
    recalls: int = 5000  # a question on what is known, its answer
    choices: int = 1500  # with four options: half on what is known, half on a text
    notes: int = 2500  # notes, and the text made of them
    retellings: int = 3000  # a fact, and the same in other words
    foreign_portraits: int = 5  # of each person of group both, each place and thing, in each other language
    foreign_passing: int = 500  # paragraphs about passing people, in each other language
    foreign_readings: int = 800  # a text about passing people, a question, its answer, in each other language
    foreign_recalls: int = 300  # a question on those of group both, its answer, in each other language
    bilingual: int = 1400  # a sentence and its translation, in passing, for each other language

    def foreign_times(self, times: float) -> Shares:
        """The same with so many times the text in every other language."""
        names = ("foreign_portraits", "foreign_passing", "foreign_readings", "foreign_recalls", "bilingual")
        return replace(self, **{name: round(times * getattr(self, name)) for name in names})


def documents(world: World, languages: Sequence[Lexicon], shares: Shares, random: Random) -> list[Document]:
    """All documents, shuffled. `languages` are those beside English."""
    english = lexicon("en")
    lasting = (*world.known(*world.people), *world.places, *world.things)
    shared = (*world.known("both"), *world.places, *world.things)
    made = [
        *_portraits(lasting, english, shares.portraits, random),
        *(_retelling(pick(random, lasting), english, random) for _ in range(shares.retellings)),
        *_questions(world, lasting, english, shares, random),
    ]
    for foreign in languages:
        made += _portraits(shared, foreign, shares.foreign_portraits, random)
        made += [
            _paragraph(world.stranger(random, None), foreign, random) for _ in range(shares.foreign_passing)
        ]
        made += [_bilingual(world, shared, english, foreign, random) for _ in range(shares.bilingual)]
        made += _foreign_questions(world, shared, foreign, shares, random)
        made += _spellings(world, english, foreign, random)
    return [made[i] for i in random.permutation(len(made)).tolist()]


def _paragraph(entity: Entity, words: Lexicon, random: Random) -> Document:
    return (Piece(words.join(told.say(words) for told in tell(entity, some(entity, random, 2, 5), random))),)


def _portraits(
    entities: tuple[Entity, ...], words: Lexicon, times: int, random: Random
) -> Iterator[Document]:
    for entity in entities:
        for _ in range(times):
            yield _paragraph(entity, words, random)


def _retelling(entity: Entity, words: Lexicon, random: Random) -> Document:
    told = tell(entity, some(entity, random, 1, 1), random)[0]
    other = (told.phrasing + 1 + int(random.integers(3))) % 4
    return (Piece(f"{told.say(words)} In other words: {words.statement(told.fact, other)}"),)


def _bilingual(
    world: World, shared: tuple[Entity, ...], english: Lexicon, foreign: Lexicon, random: Random
) -> Document:
    entity = world.stranger(random, None) if random.random() < 0.6 else pick(random, shared)
    told = tell(entity, some(entity, random, 1, 2), random)
    sides = [words.join(t.say(words) for t in told) for words in (english, foreign)]
    if random.random() < 0.5:
        sides.reverse()
    return (Piece(sides[0] + "\n"), Piece(sides[1]))


def _spellings(world: World, english: Lexicon, foreign: Lexicon, random: Random) -> Iterator[Document]:
    """Each name beside its spelling, three to a document, where the two differ."""
    everyone: list[Subject] = [entity.subject for entity in world.known(*world.people)]
    everyone += [subject for subjects in world.passing.values() for subject in subjects]
    pairs = [(english.name(s), foreign.name(s)) for s in everyone if english.name(s) != foreign.name(s)]
    for _ in range(4):
        order = random.permutation(len(pairs)).tolist()
        for start in range(0, len(order), 3):
            some_pairs = [pairs[i][:: 1 if random.random() < 0.5 else -1] for i in order[start : start + 3]]
            yield (Piece("\n".join(f"{one} = {other}" for one, other in some_pairs)),)


def _questions(
    world: World, lasting: tuple[Entity, ...], words: Lexicon, shares: Shares, random: Random
) -> Iterator[Document]:
    make = Tasks(world, random, ALL_PHRASINGS)
    for _ in range(shares.readings):
        yield _asked(make.text(2 if random.random() < 0.3 else 1), words, random)
    for i in range(shares.logic):
        yield _asked(make.logic(LOGIC[i % len(LOGIC)]), words, random)
    for _ in range(shares.recalls):
        yield _asked(make.memory(lasting), words, random)
    for i in range(shares.choices):
        text = make.text().told if i % 2 else ()
        yield _asked(make.choice(lasting, told=text), words, random)
    for _ in range(shares.notes):
        yield _asked(make.notes(), words, random)


def _foreign_questions(
    world: World, shared: tuple[Entity, ...], words: Lexicon, shares: Shares, random: Random
) -> Iterator[Document]:
    make = Tasks(world, random, ALL_PHRASINGS)
    for _ in range(shares.foreign_readings):
        yield _asked(make.text(2 if random.random() < 0.3 else 1), words, random)
    for _ in range(shares.foreign_recalls):
        yield _asked(make.memory(shared), words, random)


def _asked(task: Task, words: Lexicon, random: Random) -> Document:
    """A question with its answer, in one of the forms in which texts hold them."""
    text = "" if task.kind in (*LOGIC, "notes") else task.text(words)
    lines = [*([text] if text else []), task.question(words)]
    lines += [f"{letter}. {option}" for letter, option in zip(LETTERS, task.choices(words), strict=False)]
    form = int(random.integers(3))
    if form == 0 and task.kind != "notes" and words.language == "en":
        asked = 1 if text else 0
        lines = [f"Text: {line}" if i < asked else line for i, line in enumerate(lines)]
        lines[asked] = f"Question: {lines[asked]}"
        return Piece("\n".join(lines) + "\nAnswer:"), Piece(task.answer(words))
    end = "\n\n" if form == 1 else "\n"
    return Piece("\n".join(lines) + end), Piece(task.answer(words))
