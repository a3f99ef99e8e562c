"""Named random streams: all randomness flows from one seed, and adding a step does not reshuffle another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for a seed and a path of names, the same on every machine.

    Streams of different names are independent: `stream(7, "mix", "alpaca")` never depends on `stream(7, "mix", "dolly")`.
    """
    import numpy as np

    return np.random.Generator(np.random.PCG64(int.from_bytes(_digest(seed, names)[:16], "big")))


def rank(seed: int, *names: str) -> bytes:
    """A pseudo-random place in an order. Sorting by it shuffles, and what is added later moves nothing else."""
    return _digest(seed, names)


def rounds(size: int, random: np.random.Generator) -> Iterator[int]:
    """Numbers below `size` without end, in shuffled rounds: all come equally often."""
    while True:
        yield from random.permutation(size).tolist()


def _digest(seed: int, names: tuple[str, ...]) -> bytes:
    return hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
