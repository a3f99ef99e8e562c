"""Truth on tap: is an answer right, in which language is it, does a request fit a passage, what is wrong with a passage.

For measuring alone. No method may see it: nothing but `prove` imports this module, and a contract checks that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from calque.lab.lexicon import AGAIN, Lexicon, lexicon
from calque.lab.passages import Passage
from calque.lab.sets import Sets
from calque.lab.tasks import LETTERS, LOGIC, REQUESTS, TRANSLATION, Task
from calque.lab.world import Fact, Subject, World

Said = tuple[str, str]  # of a subject, a relation and its value


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is worth: whether the fact is right, and the language it stands in.

    Of a text that was requested, `right` is a share. `language` is a code; `?` where it is no answer to the question in any
    of the languages, `any` where the words are the same in all of them.
    """

    right: float
    language: str


class Truth:
    """What is true of the tasks of one split, for answers in `languages`; the first is the one that was asked for."""

    def __init__(self, world: World, sets: Sets, languages: tuple[str, ...]) -> None:
        self.world = world
        self.sets = sets
        self.words = {code: lexicon(code) for code in languages}
        self._people = {e.subject.id: e for e in world.known(*world.people)}
        self._said: dict[tuple[str, str, str], Mapping[str, Said]] = {}
        self._short_answers: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}

    def covered(self, benchmark: str, item: str) -> bool:
        """Whether instructions may speak of the fact that an item asks for."""
        return self.world.covers(self.sets[benchmark][item].asked)

    def verdict(self, benchmark: str, item: str, answer: str) -> Verdict:
        """What an answer to an item is worth."""
        task = self.sets[benchmark][item]
        if task.kind == "choice":
            letter = answer.strip().strip(".()").upper()
            return Verdict(letter == task.answer(lexicon("en")), "any" if letter in LETTERS else "?")
        if task.kind in TRANSLATION:
            return self._translated(task, answer)
        if task.kind in ("notes", "portrait", "sentence"):
            return self._written(task, answer)
        if task.kind in REQUESTS:
            return self._requested(task, answer)
        if (benchmark, item) not in self._short_answers:
            self._short_answers[benchmark, item] = [
                (code, plain(text), right)
                for code, words in self.words.items()
                for text, right in _possible(task, words, self.world)
            ]
        return self._short(self._short_answers[benchmark, item], answer)

    def _short(self, possible: Sequence[tuple[str, str, bool]], answer: str) -> Verdict:
        """A word or two: compared with every possible answer in every language."""
        given = plain(answer)
        found: dict[str, bool] = {}
        for code, text, right in possible:
            if text == given:
                found[code] = found.get(code, False) or right
        return Verdict(any(found.values()), _language(found, len(self.words)))

    def _translated(self, task: Task, answer: str) -> Verdict:
        """A translation, to the letter; the language asked for is the first, English the last."""
        given = plain(answer)
        codes = list(self.words) if task.kind == "into" else list(self.words)[::-1]
        right = {code: plain(task.text(self.words[code])) == given for code in codes}
        language = next((code for code, same in right.items() if same), "?")
        return Verdict(right[codes[0]], language)

    def _written(self, task: Task, answer: str) -> Verdict:
        """Sentences: each must state a fact of the subject, in one language, and none may be wrong.

        A question must be answered and nothing else said, notes must be told whole, a portrait must say two things.
        """
        best = Verdict(False, "?")
        for code, words in self.words.items():
            sayings = self._sayings(task.subject, code, words)
            said = [sayings.get(plain(sentence)) for sentence in sentences(answer)]
            if not said or None in said:
                continue
            facts = {fact for fact in said if fact is not None}
            if task.kind == "sentence":
                right = facts == {(task.asked.relation, task.asked.value)}
            elif task.kind == "notes":
                right = facts == {(t.fact.relation, t.fact.value) for t in task.told}
            else:
                known = self._people[task.subject.id].facts
                right = len(facts) > 1 and all(known[relation].value == value for relation, value in facts)
            best = Verdict(right, code) if right or best.language == "?" else best
        return best

    def _requested(self, task: Task, answer: str) -> Verdict:
        """A text on a passing person, of whom any value may be told: the share of what it says and ought to say that is right.

        Of the relations that are asked for, those that it tells, once each, in one language; over the sentences that it
        has or ought to have, whichever are more. A headline is no sentence, unless it is another person's.
        """
        best = Verdict(0.0, "?")
        asked = {t.fact.relation for t in task.told}
        for code, words in self.words.items():
            sayings = self._sayings(task.subject, code, words)
            given = sentences(_without_title(answer, task.subject, words))
            told = {saying[0] for sentence in given if (saying := sayings.get(plain(sentence)))}
            share = len(asked & told) / max(len(asked), len(given))
            best = Verdict(share, code) if told and (best.language == "?" or share > best.right) else best
        return best

    def well_formed(self, answer: str) -> float:
        """The share of sentences, in the language asked for, that say something of one and the same person, whoever it is."""
        code, words = next(iter(self.words.items()))
        best = 0.0
        for name, subject in self._named.items():
            if name in answer:
                sayings = self._sayings(subject, code, words)
                given = sentences(_without_title(answer, subject, words))
                said = sum(plain(sentence) in sayings for sentence in given)
                best = max(best, said / max(1, len(given)))
        return best

    @cached_property
    def _named(self) -> dict[str, Subject]:
        """Everyone of the world, passing people too, by the name in the language asked for."""
        words = next(iter(self.words.values()))
        people = [entity.subject for entity in self._people.values()]
        people += [subject for subjects in self.world.passing.values() for subject in subjects]
        return {words.name(subject): subject for subject in people}

    def _sayings(self, subject: Subject, code: str, words: Lexicon) -> Mapping[str, Said]:
        """As the function, remembered: every seed and system is asked of the same subjects."""
        key = (subject.kind, subject.id, code)
        if key not in self._said:
            self._said[key] = _sayings(subject, words, self.world)
        return self._said[key]


def fits(passage: Passage, request: str) -> bool:
    """Whether a passage answers an English request to the letter: its person, and all that it tells, in its order."""
    english, relations = lexicon("en"), [t.fact.relation for t in passage.told]
    wanted = (english.request(passage.subject, relations, i) for i in range(len(english.data["requests"])))
    return plain(request) in map(plain, wanted)


def _without_title(text: str, subject: Subject, words: Lexicon) -> str:
    title, line, rest = text.partition("\n")
    titles = (plain(words.fill(form, subject)) for form in words.data["titles"])
    return rest if line and plain(title) in titles else text


def plain(text: str) -> str:
    """Text as it is compared: case, width and outer punctuation left out."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip(" .。!?؟،,;:\"'“”")


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [part.strip() for part in re.split(r"(?<=[.。])\s*", text) if part.strip()]


def _possible(task: Task, words: Lexicon, world: World) -> Iterator[tuple[str, bool]]:
    """Every answer that one can give in a language, and whether it is right."""
    if task.kind in ("same", "count"):
        logic = words.data["logic"][task.kind]
        answers = logic["numbers"] if task.kind == "count" else [logic["yes"], logic["no"]]
        right = task.answer(words)
        yield from ((str(answer), str(answer) == right) for answer in answers)
        return
    fact = task.asked
    for value in (fact.value, *world.values(fact)):
        said = Fact(fact.subject, fact.relation, value)
        yield words.answer(said), value == fact.value
        for phrasing in range(4) if task.kind not in LOGIC else ():
            yield words.statement(said, phrasing), value == fact.value


def _sayings(subject: Subject, words: Lexicon, world: World) -> Mapping[str, Said]:
    """Every sentence that says something of a subject in a language, and what it says."""
    found = {}
    for relation in words.relations(subject.kind):
        some = Fact(subject, relation, "")
        for value in world.frame.relations[subject.kind][relation] or world.values(some):
            fact = Fact(subject, relation, value)
            for phrasing in (*range(words.phrasings(relation)), AGAIN):
                found[plain(words.statement(fact, phrasing))] = (relation, value)
    return found


def _language(found: Mapping[str, bool], languages: int) -> str:
    """The language of a short answer; where several have the same word, the one in which it is right, or all."""
    if not found:
        return "?"
    if len(found) == languages > 1:
        return "any"
    return next((code for code, right in found.items() if right), next(iter(found)))
