"""When a difference is more than chance: tests, their correction where there are many, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LEVEL = 0.05
POWER = 0.8  # a difference that is there is to be found four times in five
_NORMAL = NormalDist()
_REACH = _NORMAL.inv_cdf(1 - LEVEL / 2) + _NORMAL.inv_cdf(POWER)  # 2.80 standard errors


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value (McNemar 1947): that of a fair coin over the questions that one alone got right."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    if not n:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(fewer + 1)]
    return min(1.0, 2 * math.fsum(math.exp(log - n * math.log(2)) for log in logs))


def bootstrap_p(value: float, error: float, tail: int, replicates: int, n: int) -> float:
    """Two-sided, from the replicates on zero's other side (`tail`).

    Where there are none, so that their number sets a floor, the normal distribution with the bootstrap's standard error goes
    on, but not below the sign test of `n` questions that all say the same.
    """
    found = min(1.0, 2 * (tail + 1) / (replicates + 1))
    if tail:
        return found
    beyond = 2 * _NORMAL.cdf(-abs(value) / error) if error > 0 else 0.0
    return min(found, max(beyond, 2 * 0.5**n))


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for being many (Holm 1979), in the order given; NaN is no test and stays NaN."""
    order = sorted((i for i, x in enumerate(p) if not math.isnan(x)), key=lambda i: p[i])
    corrected, highest = [math.nan] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p[i]))
        corrected[i] = highest
    return corrected


def detectable(error: float, n: int, exact: bool) -> float:
    """The smallest difference that a test at 5%, uncorrected, finds with 80% power, given the standard error.

    By McNemar's test no fewer than six questions are enough, all to the same side, however alike the systems are.
    """
    return max(_REACH * error, 6 / n if exact else 0.0) if n else math.nan
