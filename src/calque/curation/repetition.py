"""Filters on repetition inside a text (after Rae et al. 2021, Gopher, A1.1, by characters so that all scripts count alike)."""

from __future__ import annotations

import numpy as np

from calque.curation.drop import Drop, too_high
from calque.near import ngram_hashes

NGRAM = 20  # characters: three or four words, which do not come again by chance


def repeated_lines(text: str, *, most: float) -> Drop | None:
    """`repeated_lines`: characters in lines that stood there before, as a share of those in all lines."""
    lines = [line for raw in text.split("\n") if (line := raw.strip())]
    if len(lines) < 2:
        return None
    seen: set[str] = set()
    total = again = 0
    for line in lines:
        total += len(line)
        again += len(line) if line in seen else 0
        seen.add(line)
    return too_high("repeated_lines", "characters in repeated lines", again / total, most)


def repeated_text(text: str, *, most: float) -> Drop | None:
    """`repeated_text`: places from which 20 characters stand as they stood before, as a share of all places."""
    if len(text) < 2 * NGRAM:
        return None
    hashes = np.sort(ngram_hashes(text, NGRAM))
    again = np.count_nonzero(hashes[1:] == hashes[:-1]) / len(hashes)
    return too_high("repeated_text", "places where 20 characters come again", again, most)
