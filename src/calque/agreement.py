"""Krippendorff's alpha for nominal values: how far several raters agree beyond chance, some values missing.

Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011. The interval is a bootstrap over the units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calque.randomness import stream

RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alpha:
    """1 is perfect agreement, 0 what chance would give, less than 0 worse; with its 95% interval.

    NaN where it cannot be told: no unit has two values, or all values are the same. `units` are those with two
    values or more, and `values` how many they have in all.
    """

    value: float
    low: float
    high: float
    units: int
    values: int


def nominal_alpha(units: Iterable[Sequence[Hashable]], seed: int = 0, resamples: int = RESAMPLES) -> Alpha:
    """Alpha over units, each given by the values that raters gave it, in any order; units with one value do not count."""
    counts = [Counter(values) for values in units if len(values) > 1]
    if not counts:
        return Alpha(math.nan, math.nan, math.nan, 0, 0)
    known = {value: i for i, value in enumerate(dict.fromkeys(v for of in counts for v in of))}
    table = np.zeros((len(counts), len(known)))
    for row, of in zip(table, counts, strict=True):
        for value, n in of.items():
            row[known[value]] = n
    kinds, times = np.unique(table, axis=0, return_counts=True)
    (value,) = _alphas(kinds, times[np.newaxis, :].astype(np.float64))
    if math.isnan(value):
        return Alpha(math.nan, math.nan, math.nan, len(counts), int(table.sum()))
    drawn = stream(seed, "alpha").multinomial(len(counts), times / len(counts), size=resamples)
    alphas = _alphas(kinds, drawn.astype(np.float64))
    low, high = (float(bound) for bound in np.nanpercentile(alphas, [2.5, 97.5]))
    return Alpha(float(value), min(low, value), max(high, value), len(counts), int(table.sum()))


def _alphas(kinds: Floats, times: Floats) -> Floats:
    """Alpha for each row of `times`, which says how often each kind of unit is there; NaN where all values are one.

    A unit with m values, n of them c, disagrees in (m² − Σ n²) / (m − 1): its part of the coincidence matrix off the
    diagonal.
    """
    m = kinds.sum(axis=1)
    disagreement = (m**2 - (kinds**2).sum(axis=1)) / (m - 1)
    n = times @ m
    observed = (times @ disagreement) / n
    expected = (n**2 - ((times @ kinds) ** 2).sum(axis=1)) / (n * (n - 1))
    ratio: Floats = np.divide(observed, expected, out=np.full_like(n, np.nan), where=expected > 0)
    return 1.0 - ratio
