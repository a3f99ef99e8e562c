"""Nearly the same prompts, by MinHash: 64 minima of hashed runs of five letters, in 16 bands (Broder 1997).

Two prompts that share 70% of their runs meet in a band with probability .99; whether they do share them is then counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from calque.contamination.hashing import Hashes, mixed, runs
from calque.randomness import stream

LENGTH = 5  # letters of a run
SHORTEST = 24  # letters: of a shorter prompt too little is left when one word is changed
BANDS, ROWS = 16, 4
CHUNK = 1 << 19  # letters that are hashed at a time: 4 MB, which stays in the cache


class NearPrompts:
    """A fixed collection of prompts, each of one or several texts squeezed to their letters and digits."""

    def __init__(self, prompts: Sequence[Sequence[str]]) -> None:
        random = stream(0, "minhash")
        most = np.iinfo(np.uint64).max
        self._factors = random.integers(1, most, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
        mine, bands = self._bands(prompts)
        self._sorted = []
        for band in bands.T:
            order = np.argsort(band, kind="stable")
            self._sorted.append((band[order], mine[order]))

    def meet(self, prompts: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
        """Pairs of a prompt of these and one of the collection that may be nearly the same, each once, in order."""
        mine, bands = self._bands(prompts)
        met: set[tuple[int, int]] = set()
        for band, (values, owners) in zip(bands.T, self._sorted, strict=True):
            low, high = np.searchsorted(values, band, "left"), np.searchsorted(values, band, "right")
            for i in np.flatnonzero(high > low):
                met.update((int(mine[i]), int(owner)) for owner in owners[low[i] : high[i]])
        yield from sorted(met)

    def _bands(self, prompts: Sequence[Sequence[str]]) -> tuple[npt.NDArray[np.int64], Hashes]:
        """Which prompts are long enough, and for each of them a hash of each band."""
        long = [i for i, prompt in enumerate(prompts) if sum(map(len, prompt)) >= SHORTEST]
        texts = list(dict.fromkeys(text for i in long for text in prompts[i] if len(text) >= LENGTH))
        place = {text: i for i, text in enumerate(texts)}
        minima = self._minima(texts)
        most = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, np.uint64)
        bands = np.zeros((len(long), BANDS), np.uint64)
        with np.errstate(over="ignore"):
            for row, i in zip(bands, long, strict=True):
                known = [minima[place[text]] for text in prompts[i] if text in place]
                signature = np.minimum.reduce(known) if known else most
                for part in signature.reshape(BANDS, ROWS).T:
                    row[:] = mixed(row * np.uint64(31) + part)
        return np.array(long, dtype=np.int64), bands

    def _minima(self, texts: Sequence[str]) -> Hashes:
        """For each text the minima of its hashed runs; a text must have one."""
        minima = np.empty((len(texts), BANDS * ROWS), np.uint64)
        ends = np.cumsum([len(text) for text in texts])
        start = 0
        while start < len(texts):
            room = (int(ends[start - 1]) if start else 0) + CHUNK
            stop = max(start + 1, int(np.searchsorted(ends, room, "right")))
            some = texts[start:stop]
            letters = np.frombuffer("".join(some).encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
            of = np.repeat(np.arange(len(some)), [len(text) for text in some])
            hashes, owners = runs(mixed(letters.astype(np.uint64)), of, LENGTH)
            starts = np.flatnonzero(np.diff(owners, prepend=-1))
            with np.errstate(over="ignore"):
                for k, factor in enumerate(self._factors):
                    values = hashes * factor
                    values ^= values >> np.uint64(29)
                    minima[start:stop, k] = np.minimum.reduceat(values * factor, starts)
            start = stop
        return minima


def shingles(text: str) -> frozenset[str]:
    """The runs of letters of a squeezed text."""
    return frozenset(text[i : i + LENGTH] for i in range(max(1, len(text) - LENGTH + 1)))


def alike(first: frozenset[str], second: frozenset[str]) -> float:
    """Share of the runs of both together that both have (Jaccard)."""
    return len(first & second) / max(1, len(first | second))


def held(part: frozenset[str], whole: frozenset[str]) -> float:
    """Share of the runs of `part` that `whole` has."""
    return len(part & whole) / max(1, len(part))
