"""Nearly the same prompts: by MinHash those that may be, and then by counting the runs of letters that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from calque.near import NGRAM, Signatures, rows_per_band, signatures

SHORTEST = 24  # letters: of a shorter prompt too little is left when one word is changed


class NearPrompts:
    """A fixed collection of prompts, each of one or several texts squeezed to their letters and digits."""

    def __init__(self, prompts: Sequence[Sequence[str]], threshold: float) -> None:
        self._width = rows_per_band(threshold)
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

    def _bands(
        self, prompts: Sequence[Sequence[str]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """Which prompts are long enough, and for each of them a hash of each band of its signature."""
        long = [i for i, prompt in enumerate(prompts) if sum(map(len, prompt)) >= SHORTEST]
        texts = list(dict.fromkeys(text for i in long for text in prompts[i]))
        place = {text: i for i, text in enumerate(texts)}
        of_text = signatures(texts)
        rows: Signatures = np.array(
            [np.minimum.reduce([of_text[place[text]] for text in prompts[i]]) for i in long], dtype=np.uint32
        ).reshape(len(long), of_text.shape[1])
        width = self._width
        bands = np.zeros((len(long), rows.shape[1] // width), np.uint64)
        with np.errstate(over="ignore"):
            for column in range(bands.shape[1] * width):
                band = bands[:, column // width]
                band[:] = band * np.uint64(0x9E3779B97F4A7C15) + rows[:, column]
        return np.array(long, dtype=np.int64), bands


def shingles(text: str) -> frozenset[str]:
    """The runs of letters of a squeezed text."""
    return frozenset(text[i : i + NGRAM] for i in range(max(1, len(text) - NGRAM + 1)))


def alike(first: frozenset[str], second: frozenset[str]) -> float:
    """Share of the runs of both together that both have (Jaccard)."""
    return len(first & second) / max(1, len(first | second))


def held(part: frozenset[str], whole: frozenset[str]) -> float:
    """Share of the runs of `part` that `whole` has."""
    return len(part & whole) / max(1, len(part))


def fillings(questions: Sequence[str], most: int, question: str) -> frozenset[str] | None:
    """Of a question of a template the runs that are its own, None of any other question; all of them squeezed.

    It is of a template where more than `most` of the questions beside it hold half of its runs, each of them. What no more
    than `most` of these hold fills it: a name, a number.
    """
    runs = shingles(question)
    family = [other for other in questions if other != question and _holds_half(other, runs)]
    if len(family) <= most:
        return None
    return frozenset(run for run in runs if sum(run in other for other in family) <= most)


def _holds_half(text: str, runs: frozenset[str]) -> bool:
    """Whether a text holds half of the runs; most show before all were looked for that they do not."""
    lacking = len(runs) // 2
    for run in runs:
        if run not in text:
            lacking -= 1
            if lacking < 0:
                return False
    return True
