"""How good an evaluator is, by pseudo-ratings that it has not learnt from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from calque.curation.rating import Rating
from calque.prompts.cross_lingual import LEVELS

PAIRS = ((1, 2), (2, 3), (1, 3))
BINS = 10  # of confidence


@dataclass(frozen=True, slots=True)
class Auc:
    """How often the higher of two levels gets the higher rating (ties count half), with its 95% interval."""

    value: float
    low: float
    high: float
    n: tuple[int, int]


@dataclass(frozen=True)
class Quality:
    """Accuracy of the likeliest level; AUC of pairs of levels (`2-3`); calibration error (ECE): how far confidence is from accuracy."""

    n: int
    accuracy: float
    auc: Mapping[str, Auc]
    calibration_error: float
    mean_ratings: Mapping[str, float]

    def to_row(self) -> dict[str, Any]:
        """Plain values, as they stand in `quality.json`."""
        return asdict(self)


def quality(levels: Sequence[int], ratings: Sequence[Rating]) -> Quality:
    """The quality on rows of known levels. A level without rows is a `ValueError`."""
    given, values = np.array(levels), np.array([rating.value for rating in ratings])
    missing = [level for level in LEVELS if not (given == level).any()]
    if missing:
        raise ValueError(f"there is no row of level {missing[0]}")
    right = np.array([rating.level for rating in ratings]) == given
    sure = np.array([max(rating.probabilities) for rating in ratings])
    return Quality(
        len(given),
        float(right.mean()),
        {f"{low}-{high}": auc(values[given == low], values[given == high]) for low, high in PAIRS},
        _calibration_error(sure, right),
        {str(level): float(values[given == level].mean()) for level in LEVELS},
    )


def auc(lower: npt.NDArray[np.float64], higher: npt.NDArray[np.float64]) -> Auc:
    """The AUC with an interval by DeLong et al. (1988).

    Where no pair is in disorder (or all are), the variance is unknown; then the bound is that of the rule of three.
    """
    m, n = len(higher), len(lower)
    ranks = rankdata(np.concatenate([higher, lower]))
    above = (ranks[:m] - rankdata(higher)) / n  # share of the lower that each higher one beats
    below = 1 - (ranks[m:] - rankdata(lower)) / m
    value = float(above.mean())
    spread = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    if spread == 0:
        margin = min(1.0, 3 / min(m, n))
        return Auc(value, max(0.0, value - margin), min(1.0, value + margin), (n, m))
    margin = 1.959964 * math.sqrt(spread)
    return Auc(value, max(0.0, value - margin), min(1.0, value + margin), (n, m))


def fault(found: Quality, least_auc: float) -> str:
    """Why an evaluator is of no use, in words; empty where it is of use: it must tell the worst from the best.

    A `least_auc` of 0 asks nothing.
    """
    worst = found.auc["1-3"]
    if least_auc == 0:
        return ""
    if worst.value < least_auc or worst.low <= 0.5:
        return (
            f"it does not tell the worst from the best: of {worst.n[0]} and {worst.n[1]} held-out rows its AUC is "
            f"{worst.value:.2f} [{worst.low:.2f}, {worst.high:.2f}], at least {least_auc:.2f} is asked, and more than 0.5 for sure"
        )
    return ""


def _calibration_error(sure: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The mean distance of confidence and accuracy, over bins of equal width, weighed by their rows."""
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [
        abs(float(sure[which == b].mean()) - float(right[which == b].mean())) * int((which == b).sum())
        for b in set(which.tolist())
    ]
    return sum(gaps) / len(sure)
