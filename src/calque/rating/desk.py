"""Who is shown what next, on which side, and what a verdict of left or right says of the systems."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calque.randomness import rank
from calque.rating.pairs import Pair, id_of
from calque.rating.store import Store
from calque.reports.ratings import Rating

SIDES = ("left", "right", "tie", "both_bad")
LONGEST_LOOK = 1800.0  # seconds; who looked longer was away
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as a rater sees it, and how far the rater has come: `done` of `total`."""

    pair: Pair
    left: str
    right: str
    done: int
    total: int


class Desk:
    """What stands behind the page: pairs, and a store for each run.

    All raters are shown the pairs in the same order, so that those who stop early have rated the same ones.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        stores: Sequence[Store],
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pairs = tuple(pair for pair in pairs if not pair.same)
        self.languages = tuple(sorted({pair.language for pair in self.pairs}))
        self.stores = stores
        self._seed = seed
        self._clock = clock
        self._since: dict[tuple[str, str], float] = {}
        for i, store in enumerate(stores):
            store.note_same(pair for pair in pairs if pair.same and pair.run == i)

    def name_of(self, typed: str) -> str:
        """The rater's name as it is kept: spaces put in order; of somebody known, as it was written first."""
        name = " ".join("".join(c if c.isprintable() else " " for c in typed).split())[:LONGEST_NAME].strip()
        known = (rater for store in self.stores for rater in store.raters())
        return next((rater for rater in known if rater.casefold() == name.casefold()), name)

    def next(self, rater: str, languages: Sequence[str]) -> Shown | None:
        """The first pair that the rater has not rated, in a language that the rater reads; None where all are rated."""
        mine = [pair for pair in self.pairs if pair.language in languages]
        rated = {id_of(i, r) for i, store in enumerate(self.stores) for _, r in store.of(rater)}
        open_ = [pair for pair in mine if pair.id not in rated]
        if not open_:
            return None
        pair = open_[0]
        left, right = pair.texts if self._first_is_left(pair, rater) else reversed(pair.texts)
        self._since.setdefault((rater, pair.id), self._clock())
        return Shown(pair, left, right, len(mine) - len(open_), len(mine))

    def judge(self, rater: str, pair_id: str, side: str) -> bool:
        """Keep a verdict: one of `SIDES`. False where there is no such pair or side."""
        pair = next((pair for pair in self.pairs if pair.id == pair_id), None)
        if pair is None or side not in SIDES:
            return False
        since = self._since.pop((rater, pair.id), None)
        seconds = None if since is None else self._clock() - since
        straight = self._first_is_left(pair, rater)
        verdict = {"left": "first" if straight else "second", "right": "second" if straight else "first"}
        self.stores[pair.run].rate(
            pair,
            verdict.get(side, side),
            rater,
            "first" if straight else "second",
            seconds if seconds is not None and seconds <= LONGEST_LOOK else None,
            1 + max((number for number, _, _ in self._rated(rater)), default=0),
        )
        return True

    def undo(self, rater: str) -> bool:
        """Take the rater's last verdict back; False where there is none."""
        mine = self._rated(rater)
        if not mine:
            return False
        _, run, rating = max(mine, key=lambda entry: entry[:2])
        self.stores[run].take_back(rating)
        return True

    def rated_by(self, rater: str) -> int:
        """How many pairs the rater has rated, of those shown here."""
        return len(self._rated(rater))

    def _rated(self, rater: str) -> list[tuple[int, int, Rating]]:
        """What the rater rated of what is shown here: number, run, rating."""
        here = {pair.id for pair in self.pairs}
        found = ((n, i, r) for i, store in enumerate(self.stores) for n, r in store.of(rater))
        return [(n, i, r) for n, i, r in found if id_of(i, r) in here]

    def _first_is_left(self, pair: Pair, rater: str) -> bool:
        """Drawn for each pair and rater: the same after a restart, and as often one as the other."""
        return rank(self._seed, "side", pair.id, rater)[0] % 2 == 0
