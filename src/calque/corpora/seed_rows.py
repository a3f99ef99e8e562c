"""Which pairs of a seed are taken: all of them, or one side of a split by which some are kept from what is tuned."""

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
    """All pairs, or those on one `side` of a split by which the share `held_out` is held out."""

    side: Literal["all", "tuned", "held"] = "all"
    held_out: float = 0.0


ALL_ROWS = SeedRows()


def seed_rows(files: SeedFiles, rows: SeedRows, seed: int, ledger: Ledger) -> list[CrossLingualPair]:
    """The pairs that are taken, in the order of the files; the others count as `not_drawn`.

    Which pair is held out depends on the pair and the seed alone. Raises `DataError` for a seed that is too small.
    """
    pairs = list(ledger.keep(read_seed(files)))
    if len(pairs) < LEAST:
        few = "row" if len(pairs) == 1 else "rows"
        message = f"a seed of {len(pairs)} {few} is too small to learn from: at least {LEAST} are needed"
        remedy = (
            "give more, or leave the language out of sources.seed: it is then learnt from the others alone"
        )
        raise DataError(Problem(message, str(files.paths[-1]), remedy=remedy))
    if rows.side == "all":
        return pairs
    order = sorted(pairs, key=lambda pair: rank(seed, "seed", files.language, pair.id))
    held = {pair.id for pair in order[: round(rows.held_out * len(pairs))]}
    taken = [pair for pair in pairs if (pair.id in held) == (rows.side == "held")]
    ledger.set_aside("not_drawn", len(pairs) - len(taken))
    return taken
