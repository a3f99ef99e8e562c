"""Which candidates are kept: the best by rating, or by one of the measures that a rating must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from calque.randomness import rank
from calque.records import CrossLingualPair

By = Literal["rating", "worst", "perplexity", "random", "longest", "all"]
Amount = int | float | Literal["all"]


def ordered(
    pairs: Sequence[CrossLingualPair], scores: Sequence[float] | None, by: By, *, seed: int
) -> list[int]:
    """Indices of the pairs, the first to be kept first; equals in an order drawn by seed.

    `scores` are ratings, from the top or (`worst`) from the bottom, or perplexities, from the bottom; `longest` goes by the
    response's characters.
    """
    drawn = [rank(seed, "select", pair.id) for pair in pairs]
    if by in ("random", "all"):
        return sorted(range(len(pairs)), key=drawn.__getitem__)
    if by == "longest":
        return sorted(range(len(pairs)), key=lambda i: (-len(pairs[i].response), drawn[i]))
    if scores is None:
        raise ValueError(f"{by} needs scores")
    sign = -1 if by == "rating" else 1
    return sorted(range(len(pairs)), key=lambda i: (sign * scores[i], drawn[i]))


def wanted(amount: Amount, there: int) -> int:
    """How many of `there` an amount asks for: a share, all, or a count, which is that of a language that has as many."""
    if amount == "all":
        return there
    return round(amount * there) if isinstance(amount, float) else min(amount, there)
