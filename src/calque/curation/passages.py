"""Which passages are kept: the filters that a setting asks for, and duplicates, exact and near."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from calque.curation.characters import damaged, digits, length, links, script, symbols
from calque.curation.drop import Drop, Filter, first_drop, too_high
from calque.curation.language import mixed_languages, wrong_language
from calque.curation.lines import bullets, cut_off, ellipses, without_boilerplate
from calque.curation.repetition import repeated_lines, repeated_text
from calque.curation.settings import PassageSettings
from calque.near import PERMUTATIONS, near_duplicates, plain, signature, similarity
from calque.records import Passage

WITHOUT_STOPS = ("th", "lo")  # languages that end no sentence with a sign
DENSE = 3  # characters of an alphabet for one of Chinese or Japanese


def filters_of(settings: PassageSettings, language: str) -> tuple[Filter, ...]:
    """The filters for passages in a language, the cheap ones first. A new one is one function and a line here."""
    s = settings
    dense = DENSE if language in ("zh", "ja") else 1
    filters: list[Filter] = [
        partial(length, least=s.least_characters // dense, most=s.most_characters // dense)
    ]
    if s.damaged_characters:
        filters.append(damaged)
    filters += [
        partial(links, most=s.most_links),
        partial(bullets, most=s.most_bullets),
        partial(ellipses, most=s.most_ellipses),
        partial(repeated_lines, most=s.most_repeated_lines),
    ]
    if s.whole:
        filters.append(partial(cut_off, without_stops=language in WITHOUT_STOPS))
    filters += [
        partial(symbols, most=s.most_symbols),
        partial(digits, most=s.most_digits),
        partial(script, language=language, least=s.least_script),
        partial(repeated_text, most=s.most_repeated_text),
    ]
    if s.foreign < 1:
        filters.append(partial(wrong_language, language=language, sure=s.foreign))
        filters.append(partial(mixed_languages, language=language, least=s.least_language, sure=s.foreign))
    return tuple(filters)


@dataclass(frozen=True, slots=True)
class Judged:
    """A passage as it would be kept, how many characters of boilerplate were taken out of it, and why it is dropped."""

    passage: Passage
    taken_out: int
    drop: Drop | None


def judged(passages: Iterable[Passage], settings: PassageSettings, language: str) -> Iterator[Judged]:
    """Each passage with what the filters say of it; duplicates are another matter (`duplicates`)."""
    filters = filters_of(settings, language)
    for passage in passages:
        before, taken, drop = passage.text, 0, None
        if settings.take_out_boilerplate:
            text, taken = without_boilerplate(before, language)
            if taken:
                passage = replace(passage, text=text)  # noqa: PLW2901 — what follows is about what is left
                share = taken / max(1, len(before))
                drop = too_high("boilerplate", "characters in boilerplate", share, settings.most_boilerplate)
        yield Judged(passage, taken, drop or first_drop(passage.text, filters))


class Duplicates:
    """Remembers of each passage what it takes to find its like: 512 bytes of signature, and its address."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = threshold
        self._ids: list[bytes] = []
        self._first: dict[bytes, int] = {}
        self._copies: dict[int, int] = {}
        self._rows = array("q")  # of which there are signatures
        self._signatures = bytearray()

    def add(self, passage: Passage) -> None:
        """The next passage, in order."""
        row = len(self._ids)
        self._ids.append(bytes.fromhex(passage.id))
        text = plain(passage.text)
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        first = self._first.setdefault(digest, row)
        if first != row:
            self._copies[row] = first
        elif self._threshold is not None:
            self._rows.append(row)
            self._signatures += signature(text).tobytes()

    def drops(self) -> Sequence[Drop | None]:
        """For each passage, whether it is the like of an earlier one, and of which (its id).

        What is like a passage that is itself dropped for its likeness to another names that one, or is kept.
        """
        found: list[Drop | None] = [None] * len(self._ids)
        twins = self._near_duplicates()
        for row, (twin, share) in twins.items():
            detail = f"is like passage {self._ids[twin].hex()}: {share:.2f}, where less than {self._threshold:.2f} is asked"
            found[row] = Drop("near_duplicate", detail)
        for row, first in self._copies.items():
            kept = twins[first][0] if first in twins else first
            found[row] = Drop("duplicate", f"says what passage {self._ids[kept].hex()} says, or nearly")
        return found

    def _near_duplicates(self) -> dict[int, tuple[int, float]]:
        if self._threshold is None:
            return {}
        signatures = np.frombuffer(self._signatures, dtype=np.uint32).reshape(len(self._rows), PERMUTATIONS)
        twins = near_duplicates(signatures, threshold=self._threshold).tolist()
        return {
            self._rows[at]: (self._rows[twin], similarity(signatures[at], signatures[twin]))
            for at, twin in enumerate(twins)
            if twin >= 0
        }
