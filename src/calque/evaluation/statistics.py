"""Intervals by bootstrap. The bootstrap of a mean needs only how often each distinct value is drawn: multinomials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calque.randomness import stream

RESAMPLES = 1000
_CELLS = 1 << 20  # counts held at a time: 8 MB

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95% percentile bootstrap interval, widened to hold the mean where rounding would not."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of a − b over the `n` ids that both have, its interval, and the two-sided bootstrap p-value.

    `unpaired` counts the ids that only one of them has.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    unpaired: int


def mean_interval(scores: Sequence[float], seed: int, resamples: int = RESAMPLES) -> Interval:
    """The mean of scores with its interval. There must be a score."""
    return stratified_interval([scores], seed, resamples)


def stratified_interval(strata: Sequence[Sequence[float]], seed: int, resamples: int = RESAMPLES) -> Interval:
    """The plain mean of the strata's means, each stratum resampled within itself. None may be empty."""
    if not strata or not all(len(scores) for scores in strata):
        raise ValueError("there is no mean of no scores")
    random = stream(seed, "bootstrap")
    means: Floats = np.zeros(resamples)
    for scores in strata:
        means += _resampled_means(np.asarray(scores, dtype=np.float64), resamples, random)
    value = sum(sum(scores) / len(scores) for scores in strata) / len(strata)
    low, high = _percentiles(means / len(strata))
    return Interval(value, min(low, value), max(high, value))


def pooled_intervals(
    counts: Sequence[Sequence[float]],
    score: Callable[[Sequence[float]], Mapping[str, float]],
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, Interval]:
    """Metrics of the sums of the items' counts, with intervals: the items are resampled, then summed. None may be empty."""
    rows = np.asarray(counts, dtype=np.float64)
    kinds, times = np.unique(rows, axis=0, return_counts=True)
    random, found = stream(seed, "pooled"), []
    for size in _chunks(resamples, max(1, _CELLS // len(kinds))):
        found += [
            score(sums) for sums in (random.multinomial(len(rows), times / len(rows), size=size) @ kinds)
        ]
    whole = score(rows.sum(axis=0))
    intervals = {}
    for metric, value in whole.items():
        low, high = _percentiles(np.array([drawn[metric] for drawn in found]))
        intervals[metric] = Interval(value, min(low, value), max(high, value))
    return intervals


def paired_difference(
    first: Mapping[str, float], second: Mapping[str, float], seed: int, resamples: int = RESAMPLES
) -> Difference:
    """Compare two systems on the items that both answered, by id. There must be a shared id."""
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise ValueError("the two systems share no item")
    differences = np.array([first[key] - second[key] for key in shared], dtype=np.float64)
    means = _resampled_means(differences, resamples, stream(seed, "paired"))
    value = float(differences.mean())
    low, high = _percentiles(means)
    tail = min(int(np.sum(means <= 0)), int(np.sum(means >= 0)))
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    unpaired = len(first.keys() ^ second.keys())
    return Difference(value, min(low, value), max(high, value), p, len(shared), unpaired)


def _resampled_means(scores: Floats, resamples: int, random: np.random.Generator) -> Floats:
    values, counts = np.unique(scores, return_counts=True)
    if len(values) == 1:
        return np.full(resamples, values[0])
    shares = counts / len(scores)
    chunks = [
        (random.multinomial(len(scores), shares, size=size) * values).sum(axis=1) / len(scores)
        for size in _chunks(resamples, max(1, _CELLS // len(values)))
    ]
    return np.concatenate(chunks)


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _percentiles(means: Floats) -> tuple[float, float]:
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
