"""What verdicts come to: win rate, the same with length held equal, and how often they turn with the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calque.engines.price import Price
from calque.evaluation.judge import Judged
from calque.evaluation.statistics import RESAMPLES, Interval, mean_interval
from calque.randomness import stream

Floats = npt.NDArray[np.float64]
SHARES = {"first": 0.0, "tie": 0.5, "second": 1.0}
STEPS, ENOUGH, RIDGE = 50, 1e-9, 1e-3


@dataclass(frozen=True, slots=True)
class Rates:
    """How the second system fared against the first; rates are shares of what was decided, ties half, `None` where unknown.

    `controlled` is the rate that would be expected of answers of equal length; `flips` the share of the pairs put to
    the judge whose verdict changed with the order, `first_shown` that in which the answer shown first won both times.
    `lengths` are mean characters of either system's answers. `counts` says why each was decided as it was.
    """

    n: int
    decided: int
    win_rate: Interval | None
    controlled: Interval | None
    flips: float | None
    first_shown: float | None
    wrong_language: tuple[int, int]
    lengths: tuple[float, float]
    ratings: tuple[float, float] | None
    counts: Mapping[str, int]
    failures: Mapping[str, int]
    tokens: int
    prompt_tokens: int
    cost: float

    def to_row(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def rates(judged: Sequence[Judged], seed: int, price: Price | None = None) -> Rates:
    """Sum up the verdicts on two systems in one language."""
    decided = [j for j in judged if j.winner]
    shares = [SHARES[j.winner] for j in decided]
    lengths = [(len(j.contest.first), len(j.contest.second)) for j in decided]
    twice = [j for j in judged if j.said]
    by_language = [j.winner for j in decided if j.why == "language"]
    both = by_language.count("tie")
    rated = [j.ratings for j in judged if j.ratings]
    tokens, prompt_tokens = sum(j.tokens for j in judged), sum(j.prompt_tokens for j in judged)
    return Rates(
        n=len(judged),
        decided=len(decided),
        win_rate=mean_interval(shares, seed) if shares else None,
        controlled=controlled(shares, [b - a for a, b in lengths], seed),
        flips=_share([j.why == "flipped" for j in twice]),
        first_shown=_share([j.said == ("first", "second") for j in twice]),
        wrong_language=(by_language.count("second") + both, by_language.count("first") + both),
        lengths=(_mean([a for a, _ in lengths]), _mean([b for _, b in lengths])),
        ratings=(_mean([a for a, _ in rated]), _mean([b for _, b in rated])) if rated else None,
        counts=dict(Counter(j.why for j in judged)),
        failures=dict(Counter(j.failure for j in judged if j.failure)),
        tokens=tokens,
        prompt_tokens=prompt_tokens,
        cost=(price or Price()).of(prompt_tokens, tokens),
    )


def controlled(shares: Sequence[float], longer_by: Sequence[float], seed: int) -> Interval | None:
    """The win rate at equal length, by logistic regression on tanh of the standardised difference in length.

    That is the form of length-controlled AlpacaEval (Dubois et al. 2024) without its terms for single questions. None where
    there are fewer than 10 verdicts, or no difference in length.
    """
    y, x = np.asarray(shares, dtype=np.float64), np.asarray(longer_by, dtype=np.float64)
    if len(y) < 10 or not x.std():
        return None
    x = np.tanh(x / x.std())
    value = _at_equal_length(y, x)
    random = stream(seed, "controlled")
    drawn = random.integers(0, len(y), size=(RESAMPLES // 4, len(y)))
    low, high = np.percentile([_at_equal_length(y[rows], x[rows]) for rows in drawn], [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def _at_equal_length(y: Floats, x: Floats) -> float:
    """Newton's method for P(win) = σ(a + b·x), lightly held to nought so that a clean sweep has an end; σ(a)."""
    design = np.stack([np.ones_like(x), x], axis=1)
    weights = np.zeros(2)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (y - p) - RIDGE * weights
        step = np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design + RIDGE * np.eye(2), gradient)
        weights = np.clip(weights + step, -20, 20)
        if np.abs(step).max() < ENOUGH:
            break
    return float(1 / (1 + np.exp(-weights[0])))


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
