"""One pass over what is trained on, against all that is asked: which rows hold which questions, and in what form.

The memory that it takes is that of the questions, whatever is trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Literal

from calque.contamination.anchors import Anchored
from calque.contamination.grams import Grams
from calque.contamination.hashing import Words
from calque.contamination.known import SHORTEST, fingerprint, known_sets
from calque.contamination.prompts import NearPrompts, alike, fillings, held, shingles
from calque.contamination.text import sentences, squeezed, units
from calque.prompts.turns import request_in
from calque.records import Demonstration, Message

BLOCK = 2000  # rows that are looked at together
FEWEST_UNITS = 8  # words, below which a question that stands inside a longer prompt may be anybody's
MOST_NEAR = (
    5  # different questions that a prompt may be near to: one near to more is of their template, no more
)
HELD = 0.8  # share of the letters' runs of a question, and of what it is about, that a row has to hold

Kind = Literal["same", "overlap", "near", "passage", "translation"]
KINDS: tuple[Kind, ...] = ("same", "overlap", "near", "passage", "translation")
FIRM: tuple[Kind, ...] = ("same", "overlap", "near")  # the question itself stands in the row


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of an evaluation set: what it asks, and the text or the options that it is about, which may be empty."""

    set: str
    id: str
    language: str
    question: str
    material: str = ""
    file: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that holds a question. Of a well-known set there is no question, but its fingerprint alone.

    `same`: the whole prompt; `overlap`: the question, in part or inside a longer text; `near`: nearly the same prompt;
    `passage`: the text that it is about, without the question; `translation`: equal numbers and names in another
    language. `share` is how much of it was found.
    """

    kind: Kind
    set: str
    asked: int | None
    row: Demonstration
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How texts are compared: runs of so many words or characters, the share of them, and what is nearly the same."""

    words: int = 13
    characters: int = 24
    share: float = 0.5
    near: float = 0.7
    across_languages: bool = True


class Finder:
    """The questions, indexed in every way in which they are looked for."""

    def __init__(self, asked: Sequence[Asked], measure: Measure | None = None) -> None:
        self.asked = asked
        self.measure = measure or Measure()
        plain = cache(squeezed)  # many questions are about one text
        self._questions = [plain(one.question) for one in asked]
        self._materials = [plain(one.material) for one in asked]
        self._filled: Callable[[str], frozenset[str] | None] = cache(
            partial(fillings, self._bare(), MOST_NEAR)
        )
        self._whole: dict[str, list[tuple[str, int | None]]] = {}
        self._by_sentence: dict[str, list[int]] = {}
        self._index_prompts()
        self._texts = list(
            dict.fromkeys(text for one in asked for text in (one.question, one.material) if text)
        )
        place = {text: i for i, text in enumerate(self._texts)}
        self._asking: dict[int, list[int]] = {}
        self._about: dict[int, list[int]] = {}
        for i, one in enumerate(asked):
            if one.question:
                self._asking.setdefault(place[one.question], []).append(i)
            if one.material:
                self._about.setdefault(place[one.material], []).append(i)
        self._words = Words()
        found = [units(text) for text in self._texts]
        self._grams = Grams(found, self.measure.words, self.measure.characters, self._words)
        self._near = NearPrompts(list(zip(self._questions, self._materials, strict=True)), self.measure.near)
        self._anchored = Anchored([f"{one.question}\n{one.material}" for one in asked])

    def scan(self, rows: Iterable[Demonstration]) -> Iterator[Hit]:
        """The hits of each row, in the order of the rows: each question once, by the strongest kind."""
        stream = iter(rows)
        while block := list(islice(stream, BLOCK)):
            found: list[dict[tuple[str, int | None], Hit]] = [{} for _ in block]
            for i, hit in self._hits(block):
                found[i].setdefault((hit.set, hit.asked), hit)
            for hits in found:
                yield from hits.values()

    def _index_prompts(self) -> None:
        for name, fingerprints in known_sets().items():
            for print_ in fingerprints:
                self._whole.setdefault(print_, []).append((name, None))
        for i, one in enumerate(self.asked):
            texts = (one.question, one.material) if one.material else (one.question,)
            for print_ in dict.fromkeys((fingerprint(*texts), fingerprint(*reversed(texts)))):
                if print_:
                    self._whole.setdefault(print_, []).append((one.set, i))
            pieces = [units(piece) for piece in sentences(one.question)] or [[]]
            longest = max(pieces, key=len)
            long = len(self._questions[i].encode(errors="backslashreplace")) >= SHORTEST
            if long and (one.material or len(units(one.question)) >= FEWEST_UNITS):
                self._by_sentence.setdefault("".join(longest), []).append(i)

    def _hits(self, block: Sequence[Demonstration]) -> Iterator[tuple[int, Hit]]:
        """Hits with the numbers of their rows; of one row and question the strongest first."""
        for i, row in enumerate(block):
            for name, asked in dict.fromkeys(
                hit for f in _fingerprints(row) for hit in self._whole.get(f, ())
            ):
                yield i, Hit("same", name, asked, row)
        read = [[units(text) for m in row.messages for text in m.texts] for row in block]
        squeezes = ["".join(unit for text in row for unit in text) for row in read]
        passages: list[tuple[int, Hit]] = []
        for i, hit in self._overlaps(block, read, squeezes):
            if hit.kind == "passage":
                passages.append((i, hit))
            else:
                yield i, hit
        yield from self._near_prompts(block)
        yield from passages
        if self.measure.across_languages:
            yield from self._translations(block)

    def _overlaps(
        self,
        block: Sequence[Demonstration],
        read: Sequence[Sequence[Sequence[str]]],
        squeezes: Sequence[str],
    ) -> Iterator[tuple[int, Hit]]:
        for i, row in enumerate(block):
            pieces = ("".join(units(p)) for m in row.messages for text in m.texts for p in sentences(text))
            for asked in dict.fromkeys(a for piece in pieces for a in self._by_sentence.get(piece, ())):
                if self._questions[asked] in squeezes[i] and self._holds_material(asked, squeezes[i]):
                    yield i, Hit("overlap", self.asked[asked].set, asked, row)
        for shared in self._grams.shared(read, self.measure.share):
            row, whole = block[shared.row], squeezes[shared.row]
            for asked in self._asking.get(shared.text, ()):
                yield shared.row, Hit("overlap", self.asked[asked].set, asked, row, shared.share)
            for asked in self._about.get(shared.text, ()):
                question = self._questions[asked]
                telling = len(question.encode(errors="backslashreplace")) >= SHORTEST
                kind: Kind = "overlap" if telling and question in whole else "passage"
                yield shared.row, Hit(kind, self.asked[asked].set, asked, row, shared.share)

    def _holds_material(self, asked: int, whole: str) -> bool:
        """Whether a squeezed row holds what a question is about: most of its lines, or most of their letters' runs."""
        material = self._materials[asked]
        if not material or material in whole:
            return True
        lines = [squeezed(line) for line in self.asked[asked].material.split("\n")]
        if sum(len(line) for line in lines if line in whole) >= HELD * len(material):
            return True
        return held(shingles(material), shingles(whole)) >= HELD

    def _near_prompts(self, block: Sequence[Demonstration]) -> Iterator[tuple[int, Hit]]:
        requests = [(i, squeezed("\n".join(m.texts))) for i, row in enumerate(block) for m in _requests(row)]
        met: dict[int, list[tuple[int, float]]] = {}
        for number, asked in self._near.meet([(request,) for _, request in requests]):
            question, material = self._questions[asked], self._materials[asked]
            mine = shingles(requests[number][1])
            share = alike(mine, shingles(question + material))
            if share < self.measure.near:
                continue
            if held(shingles(question), mine) >= HELD if material else self._own(question, mine):
                met.setdefault(number, []).append((asked, share))
        for number, found in met.items():
            if len({self._questions[asked] for asked, _ in found}) <= MOST_NEAR:
                i = requests[number][0]
                for asked, share in found:
                    yield i, Hit("near", self.asked[asked].set, asked, block[i], share)

    def _own(self, question: str, runs: frozenset[str]) -> bool:
        """Whether runs that are like a question are like it by more than its template."""
        filled = self._filled(question)
        return filled is None or (bool(filled) and filled <= runs)

    def _bare(self) -> list[str]:
        """The different questions that are about no text and no options: only these are alike by a template alone."""
        pairs = zip(self._questions, self._materials, strict=True)
        return list(dict.fromkeys(question for question, material in pairs if not material))

    def _translations(self, block: Sequence[Demonstration]) -> Iterator[tuple[int, Hit]]:
        for i, row in enumerate(block):
            for message in row.messages:
                for asked, share in self._anchored.meet("\n".join(message.texts)):
                    if self.asked[asked].language != message.language:
                        yield i, Hit("translation", self.asked[asked].set, asked, row, share)


def _requests(row: Demonstration) -> Iterator[Message]:
    yield from (message for message in row.messages if message.role == "user")


def _fingerprints(row: Demonstration) -> Iterator[str]:
    for message in row.messages:
        if message.role == "user":
            yield from _of_request(message)
        elif row.kind == "chat" and message.language == "en":
            yield fingerprint(request_in(message.text))


def _of_request(message: Message) -> Iterator[str]:
    """Of a request with its material in either order, and without a last line, in which a view may ask for English."""
    before_last, _, _ = message.text.rpartition("\n")
    for text in dict.fromkeys((message.text, before_last)):
        if text:
            yield fingerprint(text)
            if message.input:
                yield fingerprint(text, message.input)
                yield fingerprint(message.input, text)
    if message.input:
        yield fingerprint(message.input)
