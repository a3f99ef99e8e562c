"""Passages that say what an earlier one says, to the letter or nearly, however many there are.

What it takes to find them lies on disk: half a kilobyte a passage. Memory is taken for those passages that have a like, and
for a million keys and sketches at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

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
            rows, digests = self._part(part)
            order = np.lexsort((rows, digests[:, 1], digests[:, 0]))
            again = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
            begins = np.flatnonzero(np.concatenate((order[:1] >= 0, ~again)))
            first = np.repeat(rows[order[begins]], np.diff(begins, append=len(order)))
            copies = np.flatnonzero(again) + 1
            found.update(zip(rows[order[copies]].tolist(), first[copies].tolist(), strict=True))
        return found

    def _part(self, part: int) -> tuple[Numbers, npt.NDArray[np.uint64]]:
        """The rows whose digests fall into a part, and the digests."""
        rows, digests, start = [_NONE], [np.empty((0, 2), dtype=np.uint64)], 0
        for block in self._names.blocks():
            ours = np.flatnonzero(block[:, 1] % np.uint64(self._parts()) == part)
            rows.append(start + ours)
            digests.append(block[ours, 1:])
            start += len(block)
        return np.concatenate(rows), np.concatenate(digests)

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
            rows, keys, start = [_NONE], [np.empty(0, dtype=np.uint64)], 0
            of = [np.empty((0, SKETCHED), dtype=np.uint8)]
            for block in self._signatures.blocks():
                key = band_keys(block, threshold, band)
                inside = key % np.uint64(self._parts()) == part
                ours = np.flatnonzero(inside & others[start : start + len(block)])
                rows.append(start + ours)
                keys.append(key[ours])
                of.append(sketches(block[ours]))
                start += len(block)
            yield in_company(np.concatenate(rows), np.concatenate(keys), np.concatenate(of), threshold)

    def _parts(self) -> int:
        return 1 + len(self._names) // _KEYS
