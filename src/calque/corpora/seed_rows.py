"""Which pairs of a seed are taken: all of them or so many, or one side of a split by which some are kept from what is tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calque.corpora.ledger import Ledger
from calque.corpora.seed_pairs import SeedFiles, read_seed
from calque.errors import DataError, Problem
from calque.randomness import rank
from calque.records import CrossLingualPair

LEAST = 10  # pairs


@dataclass(frozen=True, slots=True)
class SeedRows:
    """Those on one `side` of a split by which the share `held_out` is held out, or all; of `count` pairs, or of all."""

    side: Literal["all", "tuned", "held"] = "all"
    held_out: float = 0.0
    count: int | float | Literal["all"] = "all"


ALL_ROWS = SeedRows()


def seed_rows(files: SeedFiles, rows: SeedRows, seed: int, ledger: Ledger) -> list[CrossLingualPair]:
    """The pairs that are taken, in the order of the files; the others count as `not_drawn`.

    Which pair is held out depends on the pair and the seed alone; under one seed fewer pairs are part of more. Raises
    `DataError` for a seed that is too small, or smaller than `count`.
    """
    there = list(ledger.keep(read_seed(files)))
    pairs = _drawn(there, rows.count, files, seed)
    if len(pairs) < LEAST:
        few = "row" if len(pairs) == 1 else "rows"
        message = f"a seed of {len(pairs)} {few} is too small to learn from: at least {LEAST} are needed"
        if dropped := ledger.counts()["dropped"]:
            message += f" (put aside: {', '.join(f'{n:,} × {reason}' for reason, n in dropped.items())})"
        remedy = (
            "give more, or leave the language out of sources.seed: it is then learnt from the others alone"
        )
        raise DataError(Problem(message, str(files.paths[-1]), remedy=remedy))
    if rows.side == "all":
        ledger.set_aside("not_drawn", len(there) - len(pairs))
        return pairs
    order = sorted(pairs, key=lambda pair: rank(seed, "seed", files.language, pair.id))
    held = {pair.id for pair in order[: round(rows.held_out * len(pairs))]}
    taken = [pair for pair in pairs if (pair.id in held) == (rows.side == "held")]
    ledger.set_aside("not_drawn", len(there) - len(taken))
    return taken


def _drawn(
    pairs: list[CrossLingualPair], count: float | Literal["all"], files: SeedFiles, seed: int
) -> list[CrossLingualPair]:
    if count == "all":
        return pairs
    wanted = round(count * len(pairs)) if isinstance(count, float) else int(count)
    if wanted > len(pairs):
        message = f"{wanted:,} seed pairs are asked for, and there are {len(pairs):,}"
        raise DataError(Problem(message, str(files.paths[-1]), remedy="ask for fewer (curate.refine.seed)"))
    order = sorted(pairs, key=lambda pair: rank(seed, "seed drawn", files.language, pair.id))
    drawn = {pair.id for pair in order[:wanted]}
    return [pair for pair in pairs if pair.id in drawn]
