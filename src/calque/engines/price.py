"""What a model costs, and what may be spent on it: requests are put in portions that the budget holds for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from calque.engines.store import RequestStore

FIRST = 16  # requests at most before their mean cost is known
KEPT_BACK = 0.1  # share of what is left, for requests dearer than those before


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, per million tokens read and written; in whatever currency."""

    read: float = 0.0
    written: float = 0.0

    def of(self, prompt_tokens: float, tokens: float) -> float:
        """The cost of so many tokens."""
        return (prompt_tokens * self.read + tokens * self.written) / 1e6


@dataclass(frozen=True, slots=True)
class Purse:
    """The price of a model, and the most that all requests of one purpose may cost together (None: no end).

    Several models may share a purpose. What was spent on it is kept in the store, so that a run that goes on counts it too.
    """

    purpose: str
    price: Price
    budget: float | None = None

    def pay(self, store: RequestStore, prompt_tokens: int, tokens: int) -> None:
        """Note what an answer, or what should have been one, has cost."""
        if cost := self.price.of(prompt_tokens, tokens):
            store.spend(self.purpose, cost)

    def portions(
        self, store: RequestStore, count: int, dearest: float, paid: Callable[[], int]
    ) -> Iterator[int]:
        """Sizes of the portions of `count` requests that may be put one after the other; they end where it may not hold.

        A request costs `dearest` at most. As long as none has cost anything, a portion is such that it holds for that; the later
        ones go by the mean so far of those that did: `paid` tells how many they are. What failed for nothing tells no price.
        """
        if self.budget is None:
            if count:
                yield count
            return
        before, paid_before, put = store.spent(self.purpose), paid(), 0
        while put < count:
            spent, known = store.spent(self.purpose), paid() - paid_before
            each = (spent - before) / known if known else dearest
            left = (self.budget - spent) * (1 - KEPT_BACK if known else 1)
            size = count - put if each <= 0 else min(count - put, int(left / each))
            size = size if known else min(size, FIRST)
            if size < 1:
                return
            put += size
            yield size
