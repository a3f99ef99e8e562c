"""Selections that were made diverse: what was taken, beside the best alone, by part and language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.reports.reading import read_object, shaped

COMMONEST = 5  # pairs that are shown


@dataclass(frozen=True, slots=True)
class Instructions:
    """What some instructions are like; `commonest` has verb, noun (perhaps empty) and how often."""

    n: int
    clusters: int
    largest_cluster: int
    verb_nouns: int
    near_duplicates: int
    commonest: tuple[tuple[str, str, int], ...]

    @property
    def largest_share(self) -> float:
        """Of the instructions, those in the largest cluster."""
        return self.largest_cluster / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class Diversity:
    """One selection: of how many clusters, how many of them ran dry, and what was taken and would have been."""

    part: str
    language: str
    clusters: int
    dry: int
    taken: Instructions
    best: Instructions


def read_diversity(places: Mapping[str, Path]) -> tuple[Diversity, ...]:
    """The diverse selections, by the folders of steps; none where there are none."""
    named = ((re.fullmatch(r"select-(.+)-(\w+)", name), place) for name, place in places.items())
    found = (_diversity(name[1], name[2], place / "figures.json") for name, place in named if name)
    return tuple(one for one in found if one is not None)


def _diversity(part: str, language: str, path: Path) -> Diversity | None:
    row = read_object(path)
    if not row:
        return None
    return shaped(
        lambda: Diversity(
            part,
            language,
            int(row["clusters"]),
            int(row["dry"]),
            _instructions(row["taken"]),
            _instructions(row["best"]),
        ),
        path,
    )


def _instructions(row: Mapping[str, Any]) -> Instructions:
    return Instructions(
        int(row["instructions"]),
        int(row["clusters"]),
        int(row["largest_cluster"]),
        int(row["verb_nouns"]),
        int(row["near_duplicates"]),
        tuple((str(verb), str(noun), int(n)) for verb, noun, n in row["commonest"][:COMMONEST]),
    )
