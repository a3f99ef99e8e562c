"""Candidates of one language, and their ratings or perplexities, to the demonstrations that a follower is tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.demonstration_files import read_demonstrations, write_demonstrations
from calque.corpora.json_rows import read_rows
from calque.corpora.writing import write_json
from calque.demonstrations.cross_lingual import cross_lingual_demonstrations
from calque.recipes.resolved import ResolvedPart
from calque.recipes.steps import Work
from calque.recipes.views import SelectedPart
from calque.records import CrossLingualPair, Rejected, with_score

if TYPE_CHECKING:
    from calque.curation.embedding import Vectors

QUANTILES = (0, 0.1, 0.5, 0.9, 1)


@dataclass(frozen=True)
class Select:
    """Take the best, or by another measure as many. `scored` is the step that rates or scores; empty where none is needed.

    `before` is the selection of the round before, which this one is held against.
    """

    part: ResolvedPart
    settings_of: SelectedPart
    scored: str
    before: str
    seed: int

    kind: ClassVar[Literal["select"]] = "select"
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`select-PART-LANG`."""
        return self.part.step

    @property
    def settings(self) -> dict[str, Any]:
        """What is taken."""
        settings = self.settings_of.model_dump(
            mode="json", exclude={"view", "round", "language", "embedding"}
        )
        if (embedding := self.settings_of.embedding) is not None:
            settings["embedding"] = "a folder" if self.files else [embedding.model, embedding.revision]
        return {**settings, "language": self.part.language, "seed": self.seed}

    @property
    def files(self) -> tuple[Path, ...]:
        """The model that embeds, where it lies in a folder."""
        from calque.curation.sentence_embedding import place_of

        embedding = self.settings_of.embedding
        place = place_of(embedding.model) if embedding is not None else None
        return tuple(sorted(path for path in place.rglob("*") if path.is_file())) if place else ()

    @property
    def after(self) -> tuple[str, ...]:
        """The candidates, their scores, and the selection before."""
        return (f"generate-{self.part.language}", *filter(None, (self.scored, self.before)))

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write demonstrations.jsonl, counts.json, and, of a diverse selection, figures.json."""
        import numpy as np

        from calque.curation.rounds import overlap
        from calque.curation.selection import ordered, wanted

        settings = self.settings_of
        pairs = list(read_cross_lingual(work.after[self.after[0]] / "candidates.jsonl"))
        rows, all_scores = len(pairs), None
        if self.scored:
            given = self._scores(work.after[self.scored])
            pairs = [pair for pair in pairs if given[pair.id] is not None]
            all_scores = [score for pair in pairs if (score := given[pair.id]) is not None]
        amount: int | float | Literal["all"] = "all" if settings.by == "all" else settings.count
        count = wanted(amount, len(pairs))
        order = ordered(pairs, all_scores, settings.by, seed=self.seed)
        taken = order[:count]
        if settings.diverse:
            taken = self._diverse(pairs, all_scores, order, count, work.folder)
        scores = None if all_scores is None else [all_scores[i] for i in taken]
        made = list(cross_lingual_demonstrations((pairs[i] for i in taken), "web"))
        if scores is not None:
            made = [with_score(d, self._score, score) for d, score in zip(made, scores, strict=True)]
        write_demonstrations(work.folder / "demonstrations.jsonl", made)
        dropped = {"not_rated": rows - len(pairs), "not_selected": len(pairs) - len(made)}
        counts: dict[str, Any] = {
            "rows": rows,
            "kept": len(made),
            "dropped": {reason: n for reason, n in dropped.items() if n},
        }
        if isinstance(amount, int) and amount > count:
            counts["asked_for"] = amount
        if scores:
            counts["ratings" if self._score == "rating" else "perplexities"] = [
                round(float(q), 3) for q in np.quantile(scores, QUANTILES)
            ]
        if self.before:
            earlier = read_demonstrations(work.after[self.before] / "demonstrations.jsonl")
            counts["overlap"] = overlap([d.id for d in earlier], [d.id for d in made])
        write_json(work.folder / "counts.json", counts)
        work.progress(rows, rows)
        return counts

    def _diverse(
        self,
        pairs: Sequence[CrossLingualPair],
        scores: Sequence[float] | None,
        order: Sequence[int],
        count: int,
        folder: Path,
    ) -> list[int]:
        """Of the first of the order, the same number from each cluster of instructions."""
        from calque.curation.diversify import diversify

        pool = list(order[: max(count, round(self.settings_of.among * len(order)))])
        # The place in the order serves as the rating where there is none, or where more of it is not better.
        worth = [-float(place) for place in range(len(pool))]
        if scores is not None and self.settings_of.by == "rating":
            worth = [scores[i] for i in pool]
        found = diversify(
            [pairs[i].instruction for i in pool],
            worth,
            count,
            clusters=self.settings_of.clusters,
            vectors=self._vectors([pairs[i].instruction for i in pool]),
            kmeans=self.settings_of.kmeans,
            seed=self.seed,
        )
        write_json(folder / "figures.json", found.figures)
        return [pool[i] for i in found.taken]

    def _vectors(self, instructions: Sequence[str]) -> Vectors | None:
        from calque.curation.sentence_embedding import sentence_vectors

        embedding = self.settings_of.embedding
        if embedding is None:
            return None
        return sentence_vectors(instructions, embedding.model, embedding.revision)

    @property
    def _score(self) -> Literal["rating", "perplexity"]:
        return "perplexity" if self.settings_of.by == "perplexity" else "rating"

    def _scores(self, folder: Path) -> dict[str, float | None]:
        path = folder / ("perplexities.jsonl" if self._score == "perplexity" else "ratings.jsonl")
        rows = (row.value for row in read_rows(path) if not isinstance(row, Rejected))
        return {row["id"]: row[self._score] for row in rows}
