"""What a translation leaves as it is: numbers, and names in Latin letters. By these a question is known in translation.

Equal numbers and names say less than equal words: what is found so is told, and nothing is refused for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from calque.contamination.text import folded

FEWEST = 4  # anchors in common
FEWEST_NUMBERS = (
    2  # of them: by names alone, whoever writes of Harry Potter would translate what others wrote of him
)
ALIKE = 0.6  # share of the anchors of both that both have
MOST_SHARED = 100  # texts of the collection that hold an anchor: a commoner one leads to none of them

_NUMBER = regex.compile(r"\d+(?:[.,\u066b\u066c\u2019'\u00a0 ]\d{3})*(?:[.,\u066b]\d+)?")
_MARKS = regex.compile(r"\D")
_LATIN = regex.compile(r"\p{Latin}{3,}")
_OTHER_LETTERS = regex.compile(r"(?!\p{Latin})\p{L}")
_NAME = regex.compile(r"(?<=[\p{Ll}\p{N},;)\"'\u2019] )\p{Lu}\p{Latin}{2,}")


@dataclass(frozen=True, slots=True)
class Anchors:
    """Of a text: its numbers of two digits or more, its names, and all its words in Latin letters.

    Names are capitalised words inside a sentence; in a text of another script, whatever stands in Latin letters.
    """

    numbers: frozenset[str]
    names: frozenset[str]
    words: frozenset[str]
    latin: bool

    @classmethod
    def of(cls, text: str) -> Anchors:
        """Find them."""
        words = frozenset(folded(word) for word in _LATIN.findall(text))
        latin = len(_OTHER_LETTERS.findall(text)) < sum(map(len, words))
        names = frozenset(folded(name) for name in _NAME.findall(text)) if latin else words
        numbers = (_MARKS.sub("", number) for number in _NUMBER.findall(folded(text)))
        return cls(frozenset(n for n in numbers if len(n) > 1), names, words, latin)

    @property
    def all(self) -> frozenset[str]:
        """Numbers and names."""
        return self.numbers | self.names


def alike(first: Anchors, second: Anchors) -> tuple[int, float]:
    """How many anchors two texts share, and the share of all that they could: all numbers, and the names of the one with fewer.

    German writes all nouns with capitals, and Arabic or Chinese its own letters for most names: so the fewer count.
    """
    numbers = len(first.numbers & second.numbers)
    names = max(len(first.names & second.words), len(second.names & first.words))
    fewer = min(len(first.names), len(second.names))
    names = min(names, fewer)
    if numbers < FEWEST_NUMBERS:
        return 0, 0.0
    return numbers + names, (numbers + names) / max(1, len(first.numbers | second.numbers) + fewer)


class Anchored:
    """A fixed collection of texts, known by their anchors."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._anchors = [Anchors.of(text) for text in texts]
        holders: dict[str, list[int]] = {}
        for i, found in enumerate(self._anchors):
            if len(found.all) >= FEWEST:
                for anchor in found.all:
                    holders.setdefault(anchor, []).append(i)
        self._holders = {anchor: of for anchor, of in holders.items() if len(of) <= MOST_SHARED}

    def meet(self, text: str) -> Iterator[tuple[int, float]]:
        """The texts of the collection of which this may be a translation, and how far their anchors are the same."""
        if not any(c.isdigit() for c in text) and len(text) < 200:
            return
        mine = Anchors.of(text)
        if len(mine.all) < FEWEST:
            return
        met = Counter(i for anchor in mine.all for i in self._holders.get(anchor, ()))
        for i in sorted(i for i, times in met.items() if times >= FEWEST // 2):
            both, share = alike(mine, self._anchors[i])
            if both >= FEWEST and share >= ALIKE:
                yield i, share
