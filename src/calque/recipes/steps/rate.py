"""Candidates of one language to ratings by the evaluator of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.writing import write_json, write_jsonl
from calque.curation.rating import rate
from calque.recipes.schema import Recipe
from calque.recipes.steps import Work
from calque.recipes.steps.chunks import in_chunks
from calque.recipes.steps.encode import template_files, template_settings
from calque.records import CrossLingualPair


@dataclass(frozen=True)
class Rate:
    """Rate every candidate."""

    round: int
    language: str
    evaluator: str
    recipe: Recipe
    template: str

    kind: ClassVar[Literal["rate"]] = "rate"
    model: ClassVar[Literal["weights"]] = "weights"
    resumes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`rate-ROUND-LANG`."""
        return f"rate-{self.round}-{self.language}"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked."""
        return {"precision": self.recipe.evaluate.precision, **template_settings(self.recipe.model)}

    @property
    def files(self) -> tuple[Path, ...]:
        """The template, if it is a file of one's own."""
        return template_files(self.template)

    @property
    def after(self) -> tuple[str, ...]:
        """The evaluator, which must have been found to be of use, and the candidates."""
        return (f"tune-{self.evaluator}", f"measure-{self.round}", f"generate-{self.language}")

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write ratings.jsonl {id, rating, probabilities}, both null where a pair does not fit the context, and counts.json."""
        pairs = list(read_cross_lingual(work.after[f"generate-{self.language}"] / "candidates.jsonl"))
        progress = work.counted(len(pairs))

        def rated(some: Sequence[CrossLingualPair]) -> list[dict[str, Any]]:
            tuned = work.after[f"tune-{self.evaluator}"]
            engine = work.workshop.engine(self.evaluator, tuned, self.recipe.evaluate.precision)
            return [
                {
                    "id": pair.id,
                    "rating": round(rating.value, 6) if rating is not None else None,
                    "probabilities": [round(p, 6) for p in rating.probabilities]
                    if rating is not None
                    else None,
                }
                for pair, rating in zip(some, rate(engine, some, progress=progress), strict=True)
            ]

        rows = [row for _, row in in_chunks(work.folder, pairs, rated)]
        write_jsonl(work.folder / "ratings.jsonl", rows)
        kept = sum(row["rating"] is not None for row in rows)
        dropped = {"prompt_too_long": len(rows) - kept} if kept < len(rows) else {}
        counts = {"rows": len(rows), "kept": kept, "dropped": dropped}
        write_json(work.folder / "counts.json", counts)
        return counts
