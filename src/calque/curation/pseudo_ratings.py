"""The three-level set that an evaluator learns from (X-Instruction, refinement). What each level is made of is ours.

3 = a pair of the seed; 2 = what a model of ours made of the same item; 1 = the worst: what an earlier model made of it, the
answer of another item, one in a wrong language, one that breaks off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from calque.curation.settings import Worst
from calque.prompts.cross_lingual import LEVELS
from calque.randomness import rank, stream
from calque.records import CrossLingualPair

Use = Literal["learn", "measure"]
MOST_BINS = 8
ROWS_OF_A_BIN = 16  # at least, on the average, of each level: of fewer, matching would leave nothing
_STOPS = ".!?。！？।؟"


@dataclass(frozen=True, slots=True)
class Rated:
    """A pair with its level, what it was made from, and whether an evaluator learns from it or is measured by it.

    A `reserve` is a further bad pair of an item: it stands in where its length is lacking among the others.
    """

    pair: CrossLingualPair
    level: int
    made_from: str
    use: Use = "learn"
    reserve: bool = False


@dataclass(frozen=True)
class PseudoRatings:
    """The set; `counts` is {"rows", "kept", "dropped": {reason: n}, "levels": {use: {level: n}}, "made_from": {…: n}}."""

    rows: tuple[Rated, ...]
    counts: dict[str, Any]


def pseudo_ratings(
    seed_pairs: Sequence[CrossLingualPair],
    middle: Mapping[str, CrossLingualPair],
    earlier: Mapping[str, CrossLingualPair],
    *,
    worst: Mapping[Worst, float],
    foreign: Sequence[CrossLingualPair] = (),
    measured: float = 0.25,
    match_lengths: bool = True,
    seed: int,
) -> PseudoRatings:
    """A row of each level for each seed pair, in so far as there is one.

    `middle` and `earlier` are what models made, by the id of the seed pair; `worst` are the shares of what level 1 is made
    of (a share that cannot be made of an item falls to the others); `foreign` are pairs in other languages. All rows of a
    `measured` share of the items are kept apart to measure the evaluator by. Dropped are what a model wrote to the letter
    as in the seed (`same_as_seed`), what is empty, and, with `match_lengths`, rows of lengths that one level has more of
    than another (`unmatched_length`), so that length tells nothing of the level. Where level 1 lacks a length, a bad pair of
    another kind stands in, so that few rows are lost.
    """
    dropped: Counter[str] = Counter()
    made = list(_made(seed_pairs, middle, earlier, worst, foreign, seed, dropped))
    order = sorted(seed_pairs, key=lambda pair: rank(seed, "measure", pair.id))
    apart = {pair.id for pair in order[: round(measured * len(order))]}
    kept: list[Rated] = []
    for use in ("learn", "measure"):
        rows = [replace(row, use=use) for id_, row in made if (id_ in apart) == (use == "measure")]
        first = [row for row in rows if not row.reserve]
        matched = length_matched(rows, seed) if match_lengths else first
        dropped["unmatched_length"] += len(first) - len(matched)
        kept += matched
    counts = {
        "rows": len(kept) + dropped.total(),
        "kept": len(kept),
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
        "levels": {use: _levels(row for row in kept if row.use == use) for use in ("learn", "measure")},
        "made_from": dict(sorted(Counter(row.made_from for row in kept).items())),
    }
    return PseudoRatings(tuple(kept), counts)


def length_matched(rows: Sequence[Rated], seed: int) -> list[Rated]:
    """Of each length as many rows of each level: lengths, in characters of the whole pair, by the bins of level 3's quantiles."""
    lengths = np.array([_length(row.pair) for row in rows], dtype=float)
    levels = np.array([row.level for row in rows])
    best = lengths[levels == LEVELS[-1]]
    if not len(best):
        return []
    bins = int(min(MOST_BINS, max(1, len(best) // ROWS_OF_A_BIN)))
    edges = np.quantile(best, np.linspace(0, 1, bins + 1)[1:-1]) if bins > 1 else np.empty(0)
    # What is shorter or longer than nearly all of the best has no counterpart among them.
    low, high = np.quantile(best, (0.01, 0.99)) if len(best) >= 100 else (best.min(), best.max())
    where = np.where((lengths < low) | (lengths > high), -1, np.searchsorted(edges, lengths, side="right"))
    keep: set[int] = set()
    for bin_ in range(bins):
        of_level = [np.flatnonzero((where == bin_) & (levels == level)).tolist() for level in LEVELS]
        fewest = min(map(len, of_level))
        for which in of_level:
            which.sort(key=lambda i: (rows[i].reserve, rank(seed, "length", rows[i].pair.id)))
            keep |= set(which[:fewest])
    return [row for i, row in enumerate(rows) if i in keep]


def _made(
    seed_pairs: Sequence[CrossLingualPair],
    middle: Mapping[str, CrossLingualPair],
    earlier: Mapping[str, CrossLingualPair],
    worst: Mapping[Worst, float],
    foreign: Sequence[CrossLingualPair],
    seed: int,
    dropped: Counter[str],
) -> Iterator[tuple[str, Rated]]:
    """Every row with the id of its seed pair."""
    bad = _Worst(seed_pairs, earlier, foreign, seed)
    for pair, kind in zip(seed_pairs, _dealt(worst, len(seed_pairs), seed), strict=True):
        yield pair.id, Rated(pair, 3, "seed")
        own = middle.get(pair.id)
        if own is None or not own.response.strip() or not own.instruction.strip():
            dropped["empty"] += 1
        elif own.id == pair.id:
            dropped["same_as_seed"] += 1
        else:
            yield pair.id, Rated(own, 2, "own")
        others = (other for other in worst if other != kind and worst[other] > 0)
        made = [(k, b) for k in (kind, *others) if (b := bad.make(k, pair)) is not None]
        dropped["no_worst"] += not made
        for place, (of, one) in enumerate(made):
            yield pair.id, Rated(one, 1, of, reserve=place > 0)


def _dealt(shares: Mapping[Worst, float], count: int, seed: int) -> list[Worst]:
    """A kind for each of `count` items, in the proportions of the shares, shuffled."""
    kinds = [kind for kind, share in shares.items() if share > 0]
    ends = np.cumsum([shares[kind] for kind in kinds])
    places = (np.arange(count) + 0.5) / max(count, 1) * ends[-1]
    dealt = [kinds[int(i)] for i in np.searchsorted(ends, places, side="right")]
    return [dealt[i] for i in stream(seed, "ratings", "worst").permutation(count).tolist()]


class _Worst:
    """Makes bad pairs out of good ones; None where this kind cannot be made of one."""

    def __init__(
        self,
        seed_pairs: Sequence[CrossLingualPair],
        earlier: Mapping[str, CrossLingualPair],
        foreign: Sequence[CrossLingualPair],
        seed: int,
    ) -> None:
        self.earlier = earlier
        self.foreign = foreign
        self.random = stream(seed, "ratings", "made")
        circle = [seed_pairs[i] for i in stream(seed, "ratings", "mismatched").permutation(len(seed_pairs))]
        self.next_of = dict(zip((p.id for p in circle), circle[1:] + circle[:1], strict=True))

    def make(self, kind: Worst, pair: CrossLingualPair) -> CrossLingualPair | None:
        """A bad pair of a kind, made of a good one."""
        if kind == "earlier":
            made = self.earlier.get(pair.id)
        elif kind == "mismatched":
            made = replace(pair, response=self.next_of[pair.id].response)
        elif kind == "truncated":
            keep = int(len(pair.response) * self.random.uniform(0.35, 0.8))
            made = replace(pair, response=pair.response[:keep].rstrip())
        else:
            made = replace(pair, response=self._foreign(pair))
        usable = made is not None and made.response.strip() and made.id != pair.id
        return made if usable else None

    def _foreign(self, pair: CrossLingualPair) -> str:
        """The answer in English where there is one; else one in another language; else English amid the answer."""
        if pair.english:
            return pair.english
        if self.foreign:
            return self.foreign[int(self.random.integers(len(self.foreign)))].response
        sentences = _sentences(pair.response)
        sentences[int(self.random.integers(len(sentences)))] = pair.instruction
        return " ".join(sentences)


def _sentences(text: str) -> list[str]:
    found, start = [], 0
    for i, character in enumerate(text):
        if character in _STOPS and (character in "。！？" or text[i + 1 : i + 2] in ("", " ", "\n")):
            found.append(text[start : i + 1].strip())
            start = i + 1
    return [*found, *([rest] if (rest := text[start:].strip()) else [])] or [text]


def _length(pair: CrossLingualPair) -> int:
    return len(pair.instruction) + len(pair.input) + len(pair.response)


def _levels(rows: Iterable[Rated]) -> dict[str, int]:
    counted = Counter(row.level for row in rows)
    return {str(level): counted[level] for level in LEVELS}
