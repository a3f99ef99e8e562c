"""Seed pairs of one language and what models made of them, to the pseudo-ratings of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import cross_lingual_row, read_cross_lingual
from calque.corpora.demonstration_files import write_demonstrations
from calque.corpora.writing import write_json, write_jsonl
from calque.demonstrations.rated import rated_demonstration
from calque.errors import DataError, Problem
from calque.prompts.cross_lingual import LEVELS
from calque.recipes.refine import Refine
from calque.recipes.steps import Work
from calque.records import CrossLingualPair


@dataclass(frozen=True)
class Ratings:
    """Make the three levels. `middle` and `earlier` are the steps whose answers they are made of; `foreign` likewise."""

    round: int
    language: str
    middle: str
    earlier: str
    foreign: tuple[str, ...]
    refine: Refine
    seed: int

    kind: ClassVar[Literal["ratings"]] = "ratings"
    files: ClassVar[tuple[Path, ...]] = ()
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`ratings-ROUND-LANG`."""
        return f"ratings-{self.round}-{self.language}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the levels are made of."""
        return {
            **self.refine.model_dump(mode="json", include={"worst", "match_lengths", "measured"}),
            "levels": [self.middle, self.earlier],
            "language": self.language,
            "seed": self.seed,
        }

    @property
    def after(self) -> tuple[str, ...]:
        """The answers."""
        return tuple(dict.fromkeys((self.middle, self.earlier, *self.foreign)))

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write demonstrations.jsonl (to learn from), measure.jsonl {level, made_from, pair} and counts.json."""
        from calque.curation.pseudo_ratings import pseudo_ratings

        pairs = list(read_cross_lingual(work.after[self.middle] / "seed.jsonl"))
        foreign = [
            pair for step in self.foreign for pair in read_cross_lingual(work.after[step] / "seed.jsonl")
        ]
        found = pseudo_ratings(
            pairs,
            _by_seed(work.after[self.middle]),
            _by_seed(work.after[self.earlier]),
            worst=self.refine.worst.shares,
            foreign=foreign,
            measured=self.refine.measured,
            match_lengths=self.refine.match_lengths,
            seed=self.seed,
        )
        counts = found.counts
        for use, levels in counts["levels"].items():
            if not all(levels.values()):
                raise DataError(self._too_few(use, levels, counts["dropped"]))
        learnt = [rated_demonstration(row.pair, row.level) for row in found.rows if row.use == "learn"]
        measured = [row for row in found.rows if row.use == "measure"]
        write_demonstrations(work.folder / "demonstrations.jsonl", learnt)
        write_jsonl(
            work.folder / "measure.jsonl",
            (
                {"level": row.level, "made_from": row.made_from, "pair": cross_lingual_row(row.pair)}
                for row in measured
            ),
        )
        write_json(work.folder / "counts.json", counts)
        work.progress(len(pairs), len(pairs))
        return counts

    def _too_few(self, use: str, levels: Mapping[str, int], dropped: Mapping[str, int]) -> Problem:
        missing = ", ".join(level for level in map(str, LEVELS) if not levels[level])
        why = ", ".join(f"{n} × {reason}" for reason, n in dropped.items())
        message = f"round {self.round}, {self.language}: there is no pseudo-rating of level {missing} to {use} by ({why})"
        remedy = "give more seed pairs, hold out more of them (curate.refine.held_out), or set match_lengths: false"
        return Problem(message, remedy=remedy)


def _by_seed(folder: Path) -> dict[str, CrossLingualPair]:
    """What a model made, by the id of the seed pair."""
    seed, made = (read_cross_lingual(folder / name) for name in ("seed.jsonl", "answers.jsonl"))
    return {pair.id: own for pair, own in zip(seed, made, strict=True)}
