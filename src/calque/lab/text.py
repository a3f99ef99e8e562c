"""What the base reads before it is tuned: mostly English, some of the other language, one document a row.

A document is one piece of text, or a question and its answer as two: they are tokenised apart, as prompts and answers are.

English states everything, over and over, in many forms, and holds questions with their answers, as the web does.
The other language tells of passing people and of those of group *both*, and holds no question with an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from calque.lab.lexicon import Lexicon
from calque.lab.tasks import Task, Tasks, pick, some, tell
from calque.lab.world import Entity, World

ALL_PHRASINGS = (0, 1, 2, 3)
Document = tuple[str, ...]


@dataclass(frozen=True)
class Shares:
    """How many documents of each sort there are."""

    portraits: int = 24  # of each lasting person, place and thing, in English
    readings: int = 9000  # a text about passing people, a question, its answer
    logic: int = 4000  # comparing, counting, two steps
    recalls: int = 4000  # a question on what is known, its answer
    choices: int = 3000  # with four options
    retellings: int = 3000  # a fact, and the same in other words
    foreign_portraits: int = 12  # of each person of group both, each place and thing
    foreign_passing: int = 1800  # paragraphs about passing people
    bilingual: int = 2400  # a sentence and its translation, in passing


def documents(
    world: World, english: Lexicon, foreign: Lexicon, shares: Shares, random: np.random.Generator
) -> list[Document]:
    """All documents, shuffled."""
    lasting = (*world.known("both", "taught", "tested"), *world.places, *world.things)
    shared = (*world.known("both"), *world.places, *world.things)
    made = [
        *_portraits(lasting, english, shares.portraits, random),
        *_portraits(shared, foreign, shares.foreign_portraits, random),
        *(_paragraph(world.stranger(random), foreign, random) for _ in range(shares.foreign_passing)),
        *(_bilingual(world, shared, english, foreign, random) for _ in range(shares.bilingual)),
        *(_retelling(pick(random, lasting), english, random) for _ in range(shares.retellings)),
        *_questions(world, lasting, english, shares, random),
    ]
    return [made[i] for i in random.permutation(len(made)).tolist()]


def _paragraph(entity: Entity, words: Lexicon, random: np.random.Generator) -> Document:
    return (" ".join(told.say(words) for told in tell(entity, some(entity, random, 2, 5), random)),)


def _portraits(
    entities: tuple[Entity, ...], words: Lexicon, times: int, random: np.random.Generator
) -> Iterator[Document]:
    for entity in entities:
        for _ in range(times):
            yield _paragraph(entity, words, random)


def _retelling(entity: Entity, words: Lexicon, random: np.random.Generator) -> Document:
    told = tell(entity, some(entity, random, 1, 1), random)[0]
    other = (told.phrasing + 1 + int(random.integers(3))) % 4
    return (f"{told.say(words)} In other words: {words.statement(told.fact, other)}",)


def _bilingual(
    world: World, shared: tuple[Entity, ...], english: Lexicon, foreign: Lexicon, random: np.random.Generator
) -> Document:
    entity = world.stranger(random) if random.random() < 0.6 else pick(random, shared)
    told = tell(entity, some(entity, random, 1, 2), random)
    sides = [" ".join(t.say(words) for t in told) for words in (english, foreign)]
    if random.random() < 0.5:
        sides.reverse()
    return (sides[0] + "\n", sides[1])


def _questions(
    world: World, lasting: tuple[Entity, ...], words: Lexicon, shares: Shares, random: np.random.Generator
) -> Iterator[Document]:
    make = Tasks(world, random, ALL_PHRASINGS)
    for _ in range(shares.readings):
        yield _asked(make.text(2 if random.random() < 0.3 else 1), words, random)
    for i in range(shares.logic):
        yield _asked((make.same, make.count, make.two_steps)[i % 3](), words, random)
    for _ in range(shares.recalls):
        yield _asked(make.memory(lasting), words, random)
    for _ in range(shares.choices):
        yield _asked(make.choice(lasting), words, random)


def _asked(task: Task, words: Lexicon, random: np.random.Generator) -> Document:
    """A question with its answer, in one of the forms in which texts hold them."""
    text = "" if task.kind in ("same", "count", "two_steps") else task.text(words)
    question, answer = task.question(words), task.answer(words)
    lines = [*([text] if text else []), question]
    lines += [f"{letter}. {option}" for letter, option in zip("ABCD", task.choices(words), strict=False)]
    form = int(random.integers(3))
    if form == 0:
        lines = [f"Text: {line}" if line is text and text else line for line in lines]
        return "\n".join(lines).replace(question, f"Question: {question}", 1) + "\nAnswer:", answer
    return "\n".join(lines) + ("\n\n" if form == 1 else "\n"), answer
