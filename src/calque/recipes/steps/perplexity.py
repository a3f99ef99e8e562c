"""Candidates of one language to the perplexities of their responses, by the follower that has learnt from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.writing import write_json, write_jsonl
from calque.curation.perplexity import perplexities
from calque.recipes.steps import Work
from calque.recipes.steps.asking import Own
from calque.recipes.steps.chunks import in_chunks
from calque.records import CrossLingualPair


@dataclass(frozen=True)
class Perplexity:
    """Score every candidate by a system."""

    language: str
    system: Own

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
        return self.system.settings

    @property
    def files(self) -> tuple[Path, ...]:
        """The template, if it is a file of one's own."""
        return self.system.files

    @property
    def after(self) -> tuple[str, ...]:
        """The system, and the candidates."""
        return (*self.system.after, f"generate-{self.language}")

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write perplexities.jsonl {id, perplexity}, null where a pair does not fit the context, and counts.json."""
        pairs = list(read_cross_lingual(work.after[f"generate-{self.language}"] / "candidates.jsonl"))
        progress = work.counted(len(pairs))

        def scored(some: Sequence[CrossLingualPair]) -> list[dict[str, Any]]:
            encode = work.workshop.encoder.encode_answers
            found = perplexities(self.system.engine(work), some, encode, progress=progress)
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
