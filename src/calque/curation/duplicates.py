"""Passages that say what an earlier one says, to the letter or nearly, however many there are.

What it takes to find them lies on disk: half a kilobyte a passage. Memory is taken for those passages that have a like, and
for a million keys and sketches at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from calque.corpora.scratch import Scratch
from calque.curation.drop import Drop
from calque.near import (
    PERMUTATIONS,
    SKETCHED,
    Keys,
    Numbers,
    band_keys,
    bands_of,
    in_company,
    plain,
    signature,
    sketches,
    twins_among,
)
from calque.records import Passage

_KEYS = 1 << 20  # sorted at a time
_NONE = np.empty(0, dtype=np.int64)


class Duplicates:
    """Takes passages in order, then tells of each whether it is the like of an earlier one.

    `threshold` is the similarity from which two are alike (None: letter for letter alone, case and white space aside);
    `folder` is where to put what is set aside.
    """

    def __init__(self, threshold: float | None, folder: str | Path) -> None:
        self._threshold = threshold
        self._names = Scratch(folder, np.uint64, 3)  # the passage's id, and a digest of its plain text
        self._signatures = Scratch(folder, np.uint32, PERMUTATIONS)

    def add(self, passage: Passage) -> None:
        """The next passage."""
        text = plain(passage.text)
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        self._names.append(np.frombuffer(bytes.fromhex(passage.id) + digest, dtype=np.uint64))
        if self._threshold is not None:
            self._signatures.append(signature(text))

    def drops(self) -> Iterator[Drop | None]:
        """For each passage in order, whether it is the like of an earlier one, and of which (its id).

        What is like a passage that is itself dropped for its likeness to another names that one, or is kept.
        """
        copies = self._copies()
        twins = self._twins(copies)
        for row in range(len(self._names)):
            if row in twins:
                twin, share = twins[row]
                yield Drop(
                    "near_duplicate",
                    f"is like passage {self._id(twin)}: {share:.2f}, where less than {self._threshold:.2f} is asked",
                )
            elif row in copies:
                first = copies[row]
                kept = twins[first][0] if first in twins else first
                yield Drop("duplicate", f"says what passage {self._id(kept)} says, or nearly")
            else:
                yield None

    def _id(self, row: int) -> str:
        return self._names.take(np.array([row]))[0, :1].tobytes().hex()

    def _copies(self) -> dict[int, int]:
        """The row of each copy, and that of the first of its kind."""
        found: dict[int, int] = {}
        for part in range(self._parts()):
            rows, digests = [_NONE], [np.empty((0, 2), dtype=np.uint64)]
            for these, _, names in self._inside(part, self._names, lambda names: names[:, 1]):
                rows.append(these)
                digests.append(names[:, 1:])
            found.update(_later_ones(np.concatenate(rows), np.concatenate(digests)))
        return found

    def _twins(self, copies: dict[int, int]) -> dict[int, tuple[int, float]]:
        """The row of each that is nearly an earlier one: the row of that, and their similarity."""
        if self._threshold is None:
            return {}
        others = np.ones(len(self._signatures), dtype=bool)
        others[list(copies)] = False
        bands = (self._band(band, self._threshold, others) for band in range(bands_of(self._threshold)))
        found = twins_among(bands, self._signatures.take, threshold=self._threshold)
        return {row: (twin, share) for row, twin, share in found}

    def _band(
        self, band: int, threshold: float, others: npt.NDArray[np.bool_]
    ) -> Iterator[tuple[Numbers, Keys]]:
        """Rows and keys of one band, part by part, of passages that may have a like."""
        for part in range(self._parts()):
            rows, keys = [_NONE], [np.empty(0, dtype=np.uint64)]
            of = [np.empty((0, SKETCHED), dtype=np.uint8)]
            for these, its, signatures in self._inside(
                part, self._signatures, lambda block: band_keys(block, threshold, band)
            ):
                wanted = others[these]
                rows.append(these[wanted])
                keys.append(its[wanted])
                of.append(sketches(signatures[wanted]))
            yield in_company(np.concatenate(rows), np.concatenate(keys), np.concatenate(of), threshold)

    def _inside(
        self, part: int, table: Scratch, keys_of: Callable[[npt.NDArray[Any]], Keys]
    ) -> Iterator[tuple[Numbers, Keys, npt.NDArray[Any]]]:
        """Of each block the rows whose keys fall into a part: their numbers, keys, and what stands in them."""
        start = 0
        for block in table.blocks():
            keys = keys_of(block)
            ours = np.flatnonzero(keys % np.uint64(self._parts()) == part)
            yield start + ours, keys[ours], block[ours]
            start += len(block)

    def _parts(self) -> int:
        return 1 + len(self._names) // _KEYS


def _later_ones(rows: Numbers, digests: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Each row whose digest an earlier one has, and the first of these."""
    order = np.lexsort((rows, digests[:, 1], digests[:, 0]))
    again = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
    begins = np.flatnonzero(np.concatenate((order[:1] >= 0, ~again)))
    first = np.repeat(rows[order[begins]], np.diff(begins, append=len(order)))
    copies = np.flatnonzero(again) + 1
    return zip(rows[order[copies]].tolist(), first[copies].tolist(), strict=True)
