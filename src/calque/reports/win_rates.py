"""Win rates, whether people or a judge preferred: how often the second system won, and what a test says of all of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from calque.reports.compare import FEWEST, Difference, Pairs, difference
from calque.reports.significance import holm

_SAID = {"higher": "better", "lower": "worse"}


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of items won by the second system, ties half, and its 95% interval by bootstrap over the items.

    An item that several raters rated counts once, by the mean of what they said. `wins` is the difference of both systems'
    shares, with its test; None where nothing could be paired.
    """

    value: float
    low: float
    high: float
    n: int
    wins: Difference | None = None

    @classmethod
    def of(cls, pairs: Sequence[Pairs], seed: int) -> Self:
        """From what share of its raters each item won for either system."""
        found = difference(pairs, seed)
        if found is None:
            return cls(math.nan, math.nan, math.nan, 0)
        value, low, high = ((bound + 1) / 2 for bound in (found.value, found.low, found.high))
        return cls(value, low, high, found.n, found)

    @property
    def verdict(self) -> str:
        """What the test allows to say, in words."""
        found = "too few to say" if self.wins is None else self.wins.verdict
        return _SAID.get(found, found)

    @property
    def detectable(self) -> float:
        """How far from a half a win rate would have been seen (`significance`): half as far as the shares are apart."""
        return math.nan if self.wins is None else self.wins.detectable / 2


def corrected(rates: Sequence[WinRate], families: Sequence[bool | None]) -> list[WinRate]:
    """The same, their tests corrected by Holm for being so many in their family.

    What has no family (None) is not tested, nor are too few items.
    """
    found = list(rates)
    for family in dict.fromkeys(families):
        told = [
            (i, rate.wins) for i, rate in enumerate(rates) if family is not None and families[i] is family
        ]
        tested = [(i, wins) for i, wins in told if wins is not None and wins.n >= FEWEST]
        for (i, wins), p in zip(tested, holm([wins.p for _, wins in tested]), strict=True):
            found[i] = replace(rates[i], wins=replace(wins, corrected=p))
    return found
