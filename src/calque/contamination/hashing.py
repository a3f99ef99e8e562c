"""Hashes of 64 bits of runs of words or characters, in arrays: a whole block of texts at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

MOST_KNOWN = 1 << 20  # words whose hashes are remembered: about 150 MB
_BASE = np.uint64(0x9E3779B97F4A7C15)


class Words:
    """Words to hashes, the same in every run and on every machine."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def hashes(self, words: Sequence[str]) -> Hashes:
        """The hash of each word."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        known = self._known
        try:
            return np.array([known[word] for word in words], dtype=np.uint64)
        except KeyError:
            for word in set(words) - known.keys():
                digest = hashlib.blake2b(word.encode(errors="backslashreplace"), digest_size=8).digest()
                known[word] = int.from_bytes(digest, "big")
            return np.array([known[word] for word in words], dtype=np.uint64)


def runs(values: Hashes, of: Numbers, length: int) -> tuple[Hashes, Numbers]:
    """A hash of each run of `length` values that lies within one text; `of` says to which text each value belongs.

    The second array says which text each run is of.
    """
    count = len(values) - length + 1
    if count <= 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    total = np.zeros(count, np.uint64)
    power = np.uint64(length)
    with np.errstate(over="ignore"):
        for i in range(length):
            total += values[i : i + count] * power
            power = power * _BASE + np.uint64(1)
    within = of[:count] == of[length - 1 :]
    return mixed(total[within]), of[:count][within]


def mixed(values: Hashes) -> Hashes:
    """The values, their bits well mixed (the end of splitmix64)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
