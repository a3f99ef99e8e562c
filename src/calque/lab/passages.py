"""Native passages in the languages of the lab, some with a fault of a known kind; and clean pairs of a request and its answer.

What is wrong with a passage stands in no file: `truth` says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from calque.lab.lexicon import Lexicon, lexicon
from calque.lab.tasks import Told, some, tell
from calque.lab.world import Entity, Random, Subject, World
from calque.randomness import stream

Fault = Literal["", "truncated", "mixed", "boilerplate", "mismatched", "translated"]

PASSAGES = 3000
SEED_PAIRS = 300
FAULTS: dict[Fault, float] = {
    "": 0.5, "truncated": 0.1, "mixed": 0.1, "boilerplate": 0.1, "mismatched": 0.1, "translated": 0.1,
}  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """A text about someone. `fault` says what is wrong with it; `told` is what a whole one tells of `subject`."""

    id: str
    text: str
    fault: Fault
    subject: Subject
    told: tuple[Told, ...]

    def to_row(self) -> dict[str, str]:
        """The row of a file: no word of the fault."""
        return {"id": self.id, "text": self.text}


def passages(world: World, words: Lexicon, count: int = PASSAGES) -> Iterator[Passage]:
    """`count` passages in one language, about passing people and those of group both, shuffled.

    truncated    the end is missing, in mid-sentence
    mixed        some of its sentences stand in English
    boilerplate  lines of a web page stand around it
    mismatched   the headline promises another person than the text tells of
    translated   word by word: forms of other genders and cases than the sentences ask for
    """
    random = stream(world.seed, "lab", "passages", words.language)
    faults: list[Fault] = [f for f, share in FAULTS.items() for _ in range(round(share * count))]
    for i, which in enumerate(random.permutation(len(faults)).tolist()):
        fault = faults[which]
        entity = _someone(world, random)
        told = tell(entity, some(entity, random, 2, 4), random)
        text = _with_fault(fault, entity, told, world, words, random)
        yield Passage(f"{words.language}-{i:05}", text, fault, entity.subject, told)


def seed_pairs(world: World, words: Lexicon, count: int = SEED_PAIRS) -> list[dict[str, Any]]:
    """Alpaca rows of an English request and the text in another language that answers it."""
    random = stream(world.seed, "lab", "seed pairs", words.language)
    rows = []
    for _ in range(count):
        entity = _someone(world, random)
        told = tell(entity, some(entity, random, 2, 4), random)
        asked = request(entity.subject, told, int(random.integers(3)))
        rows.append({"instruction": asked, "input": "", "output": words.join(t.say(words) for t in told)})
    return rows


def request(subject: Subject, told: tuple[Told, ...], wording: int) -> str:
    """The English request that a text answers."""
    return lexicon("en").request(subject, [t.fact.relation for t in told], wording)


def _someone(world: World, random: Random) -> Entity:
    if random.random() < 0.5:
        return world.stranger(random, "learning")
    people = world.known("both")
    return people[int(random.integers(len(people)))]


def _with_fault(
    fault: Fault, entity: Entity, told: tuple[Told, ...], world: World, words: Lexicon, random: Random
) -> str:
    sentences = [t.say(words) for t in told]
    title = words.fill(words.data["titles"][int(random.integers(3))], entity.subject)
    if fault == "truncated":
        whole = words.join(sentences)
        return f"{title}\n{whole[: int(len(whole) * random.uniform(0.35, 0.8))]}"
    if fault == "mixed":
        english = lexicon("en")
        other = int(random.integers(len(told)))
        sentences = [t.say(english if i == other else words) for i, t in enumerate(told)]
    if fault == "mismatched":
        stranger = world.stranger(random, "learning", entity.subject)
        title = words.fill(words.data["titles"][int(random.integers(3))], stranger.subject)
    if fault == "translated":
        sentences = [_word_by_word(t, words, random) for t in told]
    lines = [title, words.join(sentences)]
    if fault == "boilerplate":
        dirt = words.data["boilerplate"]
        chosen = [dirt[i] for i in random.permutation(len(dirt))[:3].tolist()]
        lines = [chosen[0], *lines, *chosen[1:]]
    return "\n".join(lines)


def _word_by_word(told: Told, words: Lexicon, random: Random) -> str:
    """A sentence as a poor translation has it: English order of the words, the bare form of every value, another gender."""
    english, fact = lexicon("en"), told.fact
    gender = {"f": "m", "m": "f"}.get(fact.subject.gender, fact.subject.gender)
    wrong = replace(fact, subject=replace(fact.subject, gender=gender))
    sentence = words.statement(wrong, told.phrasing)
    pieces = sentence.rstrip(".。").split() if words.data.get("joint", " ") else list(sentence.rstrip("。"))
    if len(pieces) > 3:
        i = int(random.integers(len(pieces) - 2))
        pieces[i], pieces[i + 1] = pieces[i + 1], pieces[i]
    text = (words.data.get("joint", " ") or "").join(pieces) + (
        "。" if not words.data.get("joint", " ") else "."
    )
    return text if random.random() < 0.8 else f"{text[:-1]} {english.answer(fact)}{text[-1]}"
