"""Near-duplicate texts by MinHash over character n-grams, so that scripts without spaces between words work too.

Broder (1997) for the signatures; bands (locality-sensitive hashing) find the pairs worth comparing. All of it is
deterministic: no seed but the one below, no order but that of the texts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Signatures: TypeAlias = npt.NDArray[np.uint32]

PERMUTATIONS = 128
NGRAM = 5  # characters
RECALL = 0.95  # at the threshold itself; more above it
_EMPTY = np.uint32(0xFFFFFFFF)
_BLOCK = 2048  # n-grams hashed at a time, so that the work stays in the cache
_draw = np.random.Generator(np.random.PCG64(20240519))
_A = (_draw.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32) | np.uint32(1))[:, None]
_B = _draw.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32)[:, None]


def plain(text: str) -> str:
    """The text as it is compared: compatibility forms, case and white space made one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngram_hashes(text: str, n: int = NGRAM) -> npt.NDArray[np.uint32]:
    """A hash of each n-gram of characters, in order; of a shorter text one of the whole; none of an empty one."""
    points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )
    if not len(points):
        return np.empty(0, dtype=np.uint32)
    n = min(n, len(points))
    total = np.zeros(len(points) - n + 1, dtype=np.uint64)
    for i in range(n):
        total = total * np.uint64(0x100000001B3) + points[i : len(points) - n + 1 + i]
    return _mixed(total)


def signature(text: str, n: int = NGRAM) -> Signatures:
    """The signature of one text, 128 numbers. The share in which two agree estimates their n-grams' Jaccard similarity.

    Of an empty text all are the highest number, which agrees with nothing.
    """
    hashes = ngram_hashes(plain(text), n)
    least = np.full(PERMUTATIONS, _EMPTY, dtype=np.uint32)
    for start in range(0, len(hashes), _BLOCK):
        np.minimum(least, (_A * hashes[None, start : start + _BLOCK] + _B).min(axis=1), out=least)
    return least


def signatures(texts: Iterable[str], n: int = NGRAM) -> Signatures:
    """Signatures as the rows of an array: 512 bytes a text."""
    rows = [signature(text, n) for text in texts]
    return np.stack(rows) if rows else np.empty((0, PERMUTATIONS), dtype=np.uint32)


def similarity(one: Signatures, other: Signatures) -> float:
    """The estimated Jaccard similarity of two texts; 0 where one is empty."""
    return float(((one == other) & (one != _EMPTY)).mean())


def near_duplicates(rows: Signatures, *, threshold: float, fixed: int = 0) -> npt.NDArray[np.int64]:
    """For each text the row of an earlier kept one that it is like (similarity at least `threshold`), else -1.

    The first of several is kept, and is what the later ones name; a text like a dropped one alone is kept. The first
    `fixed` rows are always kept: so texts are held against others, as training data against an evaluation set.
    """
    twins = np.full(len(rows), -1, dtype=np.int64)
    buckets: dict[tuple[int, int], list[int]] = {}
    for row, keys in _in_company(rows, threshold):
        if row >= fixed:
            found = sorted({other for key in keys for other in buckets.get(key, ())})
            if found:
                like = ((rows[found] == rows[row]) & (rows[row] != _EMPTY)).mean(axis=1) >= threshold
                if like.any():
                    twins[row] = found[int(like.argmax())]
                    continue
        for key in keys:
            buckets.setdefault(key, []).append(row)
    return twins


def rows_per_band(threshold: float) -> int:
    """How many numbers of a signature make a band: the most that find pairs at the threshold with `RECALL`."""
    fits = (r for r in range(PERMUTATIONS, 1, -1) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL)
    return next(fits, 1)


def _in_company(rows: Signatures, threshold: float) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """In order, each text that agrees with another in a whole band, with its keys: (band, first text of that band)."""
    width = rows_per_band(threshold)
    firsts = np.full((len(rows), PERMUTATIONS // width), -1, dtype=np.int32)
    for band in range(firsts.shape[1]):
        keys = np.zeros(len(rows), dtype=np.uint64)
        for column in range(band * width, (band + 1) * width):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, column]
        _, first, which, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        shared = count[which] > 1
        firsts[shared, band] = first[which[shared]]
    for row in np.flatnonzero((firsts >= 0).any(axis=1)).tolist():
        yield row, [(band, first) for band, first in enumerate(firsts[row].tolist()) if first >= 0]


def _mixed(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """The keys scattered evenly over 32 bits (the end of MurmurHash3, Appleby)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return (keys >> np.uint64(32)).astype(np.uint32)
