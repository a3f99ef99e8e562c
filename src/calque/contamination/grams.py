"""Which texts of a fixed collection share runs of words with a stream of others; a sorted array of hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calque.contamination.hashing import Hashes, Numbers, Words, runs
from calque.contamination.text import in_characters

MOST_SHARED = 50  # texts of the collection that hold the same run: from there on it is a stock phrase


@dataclass(frozen=True, slots=True)
class Shared:
    """Text `text` of the collection shares `share` of its runs with text `row` of a block."""

    row: int
    text: int
    share: float


class Grams:
    """Runs of `words` words, or of `characters` characters where a text is in a script without spaces between words.

    Texts that are shorter than a run, or made of stock phrases alone, have none: see `has`.
    """

    def __init__(self, texts: Sequence[Sequence[str]], words: int, characters: int, known: Words) -> None:
        self._lengths = (words, characters)
        self._known = known
        found: list[tuple[Hashes, Numbers]] = []
        for length, joint in ((words, False), (characters, True)):
            mine = [i for i, text in enumerate(texts) if in_characters(text) is joint]
            found += [self._runs([texts[i] for i in mine], mine, length)]
        hashes = np.concatenate([h for h, _ in found])
        owners = np.concatenate([o for _, o in found])
        order = np.lexsort((owners, hashes))
        hashes, owners = hashes[order], owners[order]
        first = np.ones(len(hashes), bool)  # of the same run in the same text
        first[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
        values, times = np.unique(hashes[first], return_counts=True)
        telling = times <= MOST_SHARED
        self._owners = owners[first][np.repeat(telling, times)]
        self._values, self._times = values[telling], times[telling]
        self._first = np.concatenate([[0], np.cumsum(self._times)[:-1]]).astype(np.int64)
        self._totals = np.bincount(self._owners, minlength=len(texts))

    def has(self, text: int) -> bool:
        """Whether a text of the collection has runs to be found by."""
        return bool(self._totals[text])

    def shared(self, block: Sequence[Sequence[Sequence[str]]], share: float) -> list[Shared]:
        """Of a block of rows, each several texts in units, those that hold at least `share` of a text's runs."""
        rows: list[Numbers] = []
        texts: list[Numbers] = []
        which: list[Numbers] = []
        flat = [text for row in block for text in row]
        row_of = np.array([i for i, row in enumerate(block) for _ in row], dtype=np.int64)
        for length in dict.fromkeys(self._lengths):
            hashes, of = self._runs(flat, range(len(flat)), length)
            at = np.searchsorted(self._values, hashes)
            at[at == len(self._values)] = 0
            met = self._values[at] == hashes if len(self._values) else np.zeros(len(hashes), bool)
            at, of = at[met], of[met]
            times = self._times[at]
            each = np.repeat(self._first[at], times) + _within(times)
            texts.append(self._owners[each])
            rows.append(row_of[np.repeat(of, times)])
            which.append(np.repeat(at, times))
        if not any(map(len, rows)):
            return []
        met_once = np.unique(
            np.stack([np.concatenate(rows), np.concatenate(texts), np.concatenate(which)]), axis=1
        )
        pairs, counts = np.unique(met_once[:2], axis=1, return_counts=True)
        shares = counts / self._totals[pairs[1]]
        return [
            Shared(int(row), int(text), float(found))
            for row, text, found in zip(*pairs, shares, strict=True)
            if found >= share
        ]

    def _runs(
        self, texts: Sequence[Sequence[str]], names: Sequence[int], length: int
    ) -> tuple[Hashes, Numbers]:
        values = self._known.hashes([unit for text in texts for unit in text])
        of = np.repeat(np.array(names, dtype=np.int64), [len(text) for text in texts])
        return runs(values, of, length)


def _within(times: Numbers) -> Numbers:
    """0, 1, …, n − 1 for each n."""
    ends = np.cumsum(times)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - times, times)
