"""Means over seeds and items at once, with intervals that hold for new seeds and new items alike.

Every seed answers the same items, so a table of seeds × items has three sources of chance: the seed (which data were
drawn, in which order), the item, and the rest. Its mean varies by σ²(seed)/S + σ²(item)/I + σ²(rest)/SI, which the
mean squares of a two-way table estimate as (MS(seed) + MS(item) − MS(rest)) / SI, with degrees of freedom after
Satterthwaite (1946). Treating items as fixed, or answers as independent, would both claim more than was seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% interval and two-sided p-value against nought, over so many seeds and items."""

    value: float
    low: float
    high: float
    p: float
    seeds: int
    items: int

    @property
    def verdict(self) -> str:
        """What the interval allows to say of a claim that the mean is above nought."""
        if self.low > 0:
            return "shown"
        return "reversed" if self.high < 0 else "not shown"


def estimate(table: Table) -> Estimate:
    """The mean of a table [seeds, items]. At least two items are needed; of one seed, the interval is over items alone."""
    seeds, items = table.shape
    if items < 2:
        raise ValueError("there is no interval over fewer than two items")
    value = float(table.mean())
    squares, freedom = _mean_squares(table)
    if seeds == 1:
        variance, degrees = squares[1] / items, float(items - 1)
    else:
        seed, item, rest = squares
        combined = max(seed, rest) + max(item, rest) - rest  # no source of chance varies by less than nothing
        variance = combined / (seeds * items)
        spread = sum(s**2 / f for s, f in zip(squares, freedom, strict=True))
        degrees = combined**2 / spread if spread else math.inf
    return _around(value, math.sqrt(variance), degrees, seeds, items)


def ratio(method: Table, baseline: Table) -> Estimate | None:
    """The mean of one table over that of another, of the same seeds and items; None where the latter is nought.

    By linearising: a cell adds (m − Rb) / mean(b) to the ratio R, so that the interval covers seeds and items as above.
    """
    whole = float(baseline.mean())
    if whole == 0:
        return None
    share = float(method.mean()) / whole
    return estimate(share + (method - share * baseline) / whole)


def _mean_squares(table: Table) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean squares of seeds, items and the rest, with their degrees of freedom."""
    seeds, items = table.shape
    mean = table.mean()
    by_seed, by_item = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_seed[:, None] - by_item[None, :] + mean
    freedom = (float(seeds - 1), float(items - 1), float((seeds - 1) * (items - 1)))
    sums = (items * ((by_seed - mean) ** 2).sum(), seeds * ((by_item - mean) ** 2).sum(), (rest**2).sum())
    squares = [float(s / f) if f else 0.0 for s, f in zip(sums, freedom, strict=True)]
    return (squares[0], squares[1], squares[2]), freedom


def _around(value: float, error: float, degrees: float, seeds: int, items: int) -> Estimate:
    from scipy import stats

    if error == 0:
        return Estimate(value, value, value, float(value == 0), seeds, items)
    reach = float(stats.t.ppf(0.975, degrees)) * error
    p = float(2 * stats.t.sf(abs(value) / error, degrees))
    return Estimate(value, value - reach, value + reach, p, seeds, items)


def holm(values: list[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in their order."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    corrected, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, values[i] * (len(values) - rank)))
        corrected[i] = highest
    return corrected
