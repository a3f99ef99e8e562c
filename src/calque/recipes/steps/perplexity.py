"""Candidates of one language to the perplexities of their responses, by the follower that has learnt from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.writing import write_json, write_jsonl
from calque.curation.perplexity import perplexities
from calque.recipes.schema import Recipe
from calque.recipes.steps import Work
from calque.recipes.steps.chunks import in_chunks
from calque.recipes.steps.encode import template_files, template_settings
from calque.records import CrossLingualPair


@dataclass(frozen=True)
class Perplexity:
    """Score every candidate by a system."""

    language: str
    system: str
    recipe: Recipe
    template: str

    kind: ClassVar[Literal["perplexity"]] = "perplexity"
    model: ClassVar[Literal["weights"]] = "weights"
    resumes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`perplexity-LANG`."""
        return f"perplexity-{self.language}"

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
        """The system, and the candidates."""
        return (f"tune-{self.system}", f"generate-{self.language}")

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write perplexities.jsonl {id, perplexity}, null where a pair does not fit the context, and counts.json."""
        tuned, generated = (work.after[name] for name in self.after)
        pairs = list(read_cross_lingual(generated / "candidates.jsonl"))
        progress = work.counted(len(pairs))

        def scored(some: Sequence[CrossLingualPair]) -> list[dict[str, Any]]:
            engine = work.workshop.engine(self.system, tuned, self.recipe.evaluate.precision)
            encode = work.workshop.encoder.encode_answers
            found = perplexities(engine, some, encode, progress=progress)
            return [
                {"id": pair.id, "perplexity": None if value is None else round(value, 6)}
                for pair, value in zip(some, found, strict=True)
            ]

        rows = [row for _, row in in_chunks(work.folder, pairs, scored)]
        write_jsonl(work.folder / "perplexities.jsonl", rows)
        kept = sum(row["perplexity"] is not None for row in rows)
        dropped = {"prompt_too_long": len(rows) - kept} if kept < len(rows) else {}
        counts = {"rows": len(rows), "kept": kept, "dropped": dropped}
        write_json(work.folder / "counts.json", counts)
        return counts
