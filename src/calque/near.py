"""Near-duplicate texts by MinHash over character n-grams, so that scripts without spaces between words work too.

Broder (1997) for the signatures; bands (locality-sensitive hashing) find the pairs worth comparing. All of it is
deterministic: no seed but the one below, no order but that of the texts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Signatures: TypeAlias = npt.NDArray[np.uint32]
Numbers: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = npt.NDArray[np.uint64]
Sketches: TypeAlias = npt.NDArray[np.uint8]

PERMUTATIONS = 128
NGRAM = 5  # characters
RECALL = 0.95  # at the threshold itself; more above it
_EMPTY = np.uint32(0xFFFFFFFF)
SKETCHED = 64  # numbers of a sketch
_GROUP = 512  # texts that agree in a band, of which all pairs are looked at
_PAIRS = 1 << 16  # looked at at a time
_COMPARED = 1024  # earlier texts that one is compared with at a time
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
    every, all_sketches = np.arange(len(rows), dtype=np.int64), sketches(rows)
    bands = (
        [in_company(every, band_keys(rows, threshold, band), all_sketches, threshold)]
        for band in range(bands_of(threshold))
    )
    twins = np.full(len(rows), -1, dtype=np.int64)
    for row, twin, _ in twins_among(bands, rows.__getitem__, threshold=threshold, fixed=fixed):
        twins[row] = twin
    return twins


def bands_of(threshold: float) -> int:
    """How many bands a signature has."""
    return PERMUTATIONS // rows_per_band(threshold)


def band_keys(rows: Signatures, threshold: float, band: int) -> Keys:
    """A number for each text that stands for one band of its signature."""
    width = rows_per_band(threshold)
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in range(band * width, (band + 1) * width):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, column]
    return keys


def sketches(rows: Signatures) -> Sketches:
    """Half of each signature in one byte a number: what agrees in a signature agrees here. Shape (texts, 64)."""
    return rows[:, :SKETCHED].astype(np.uint8)


def in_company(rows: Numbers, keys: Keys, of: Sketches, threshold: float) -> tuple[Numbers, Keys]:
    """Of the texts of a band (`of` are their sketches) those that may be like another with the same key.

    None that is like another is put aside, but most of what agrees in a band by chance: its pairs grow with the square of the
    number of texts.
    """
    least = _least(threshold)
    order, sizes = _grouped(keys)
    keys = keys[order]
    may = sizes > _GROUP  # a group as large as that is compared as it is
    apart, first = 1, np.flatnonzero((sizes > 1) & ~may)
    while len(first):
        first = first[first + apart < len(keys)]
        first = first[keys[first] == keys[first + apart]]
        open_pairs = first[~(may[first] & may[first + apart])]  # of a crowd that is alike, few
        for begin in range(0, len(open_pairs), _PAIRS):
            one = open_pairs[begin : begin + _PAIRS]
            alike = one[(of[order[one]] == of[order[one + apart]]).sum(axis=1) >= least]
            may[alike] = may[alike + apart] = True
        apart += 1
    return rows[order[may]], keys[may]


def _least(threshold: float) -> int:
    """How many numbers of two sketches agree at least where so large a share of their signatures does."""
    return SKETCHED - PERMUTATIONS + int(np.ceil(threshold * PERMUTATIONS))


def twins_among(
    bands: Iterable[Iterable[tuple[Numbers, Keys]]],
    signatures_of: Callable[[Numbers], Signatures],
    *,
    threshold: float,
    fixed: int = 0,
) -> Iterator[tuple[int, int, float]]:
    """Each text that is like an earlier kept one, in order: its row, the row of that one, their similarity.

    `bands` gives for each band the rows and keys of all texts, perhaps in parts that share no key; `signatures_of` gives
    the signatures of some rows. Memory is taken for texts alone that agree with another in a whole band.
    """
    groups = [_groups(parts) for parts in bands]
    rows: Numbers = np.unique(np.concatenate([members for members, _ in groups]))
    places = [np.searchsorted(rows, members).astype(np.int32) for members, _ in groups]
    starts = [start for _, start in groups]
    del groups
    at = np.full((len(rows), len(places)), -1, dtype=np.int32)
    for band, members in enumerate(places):
        at[members, band] = np.arange(len(members), dtype=np.int32)
    kept, least = np.ones(len(rows), dtype=bool), _least(threshold)
    held = np.empty((len(rows), SKETCHED), dtype=np.uint8)
    for begin in range(0, len(rows), _COMPARED):
        held[begin : begin + _COMPARED] = sketches(signatures_of(rows[begin : begin + _COMPARED]))
    for place in range(int(np.searchsorted(rows, fixed)), len(rows)):
        before = [places[band][starts[band][i] : i] for band, i in enumerate(at[place].tolist()) if i >= 0]
        others = np.unique(np.concatenate(before))
        others = others[kept[others]]
        company = rows[others[(held[others] == held[place]).sum(axis=1) >= least]]
        if not len(company):
            continue
        own = signatures_of(rows[place : place + 1])
        for begin in range(0, len(company), _COMPARED):
            some = company[begin : begin + _COMPARED]
            alike = ((signatures_of(some) == own) & (own != _EMPTY)).mean(axis=1)
            if (alike >= threshold).any():
                first = int((alike >= threshold).argmax())
                kept[place] = False
                yield int(rows[place]), int(some[first]), float(alike[first])
                break


def rows_per_band(threshold: float) -> int:
    """How many numbers of a signature make a band: the most that find pairs at the threshold with `RECALL`."""
    fits = (r for r in range(PERMUTATIONS, 1, -1) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL)
    return next(fits, 1)


def _groups(parts: Iterable[tuple[Numbers, Keys]]) -> tuple[Numbers, npt.NDArray[np.int32]]:
    """The rows that share their key with another, group by group and in order, and where in this the group of each begins."""
    members, starts, count = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int32)], 0
    for rows, keys in parts:
        order, sizes = _grouped(keys)
        shared = order[sizes > 1]
        begins = np.flatnonzero(np.diff(keys[shared], prepend=~keys[shared[:1]]))
        members.append(rows[shared])
        starts.append((count + np.repeat(begins, np.diff(begins, append=len(shared)))).astype(np.int32))
        count += len(shared)
    return np.concatenate(members), np.concatenate(starts)


def _grouped(keys: Keys) -> tuple[Numbers, Numbers]:
    """The order in which equal keys stand together, each group in its own order; and the size of the group of each there."""
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    sizes = np.diff(begins, append=len(order))
    return order, np.repeat(sizes, sizes)


def _mixed(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """The keys scattered evenly over 32 bits (the end of MurmurHash3, Appleby)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return (keys >> np.uint64(32)).astype(np.uint32)
