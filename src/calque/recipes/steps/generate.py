"""Passages of one language to candidates: an English instruction for each, written by the generator (X-Instruction)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.ledger import Ledger
from calque.corpora.passage_files import stored_passages
from calque.corpora.writing import write_json
from calque.engines import Sampling
from calque.errors import DataError, Problem
from calque.prompts.cross_lingual import reversed_request
from calque.recipes.refine import Refine
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.schema import Recipe
from calque.recipes.steps import Work
from calque.recipes.steps.chunks import in_chunks
from calque.recipes.steps.encode import template_files, template_settings
from calque.records import Passage


@dataclass(frozen=True)
class Generate:
    """Ask the generator which instruction each passage answers."""

    generator: ResolvedSystem
    language: str
    refine: Refine
    recipe: Recipe
    template: str

    kind: ClassVar[Literal["generate"]] = "generate"
    model: ClassVar[Literal["weights"]] = "weights"
    resumes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`generate-LANG`."""
        return f"generate-{self.language}"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked and how it writes, and how many passages are taken."""
        return {
            "language": self.language,
            "passages": self.refine.passages,
            **self.refine.writing.model_dump(mode="json", exclude={"response_tokens"}),
            "precision": self.recipe.evaluate.precision,
            "seed": self.recipe.seed,
            **template_settings(self.recipe.model),
        }

    @property
    def files(self) -> tuple[Path, ...]:
        """The template, if it is a file of one's own."""
        return template_files(self.template)

    @property
    def after(self) -> tuple[str, ...]:
        """The generator, and the passages."""
        return (f"tune-{self.generator.name}", f"passages-{self.language}")

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write candidates.jsonl, dropped.jsonl and counts.json."""
        from calque.curation.generate import candidate, draw_passages

        stored = list(stored_passages(work.after[self.after[1]] / "passages.parquet"))
        passages = draw_passages(stored, self.refine.passages, self.recipe.seed)
        seen: set[str] = set()
        with Ledger(work.folder / "dropped.jsonl") as ledger:
            found = list(
                ledger.keep(candidate(passage, row, seen) for passage, row in self._written(passages, work))
            )
            ledger_counts = ledger.counts()
        if not found:
            reasons = ", ".join(f"{n} × {reason}" for reason, n in ledger_counts["dropped"].items())
            message = f"no instruction that the generator wrote for {self.language} can be used ({reasons})"
            remedy = "tune the generator longer or on more seed pairs (curate.refine.generator), or give it more room"
            raise DataError(Problem(message, remedy=remedy))
        write_cross_lingual(work.folder / "candidates.jsonl", found)
        counts = {**ledger_counts, "rows": len(stored)}
        if len(passages) < len(stored):
            counts["dropped"] = {**counts["dropped"], "not_drawn": len(stored) - len(passages)}
        write_json(work.folder / "counts.json", counts)
        return counts

    def _written(self, passages: Sequence[Passage], work: Work) -> Iterator[tuple[Passage, dict[str, Any]]]:
        writing, progress = self.refine.writing, work.counted(len(passages))
        sampling = None
        if writing.temperature > 0:
            sampling = Sampling(writing.temperature, writing.top_p, writing.top_k, self.recipe.seed)

        def write(some: Sequence[Passage]) -> list[dict[str, Any]]:
            engine = work.workshop.engine(
                self.generator.name, work.after[self.after[0]], self.recipe.evaluate.precision
            )
            asked = [(reversed_request(passage.text, passage.language),) for passage in some]
            answers = engine.complete(
                asked, max_new_tokens=writing.instruction_tokens, sampling=sampling, progress=progress
            )
            return [{"text": a.text, "tokens": a.tokens, "finished": a.finished} for a in answers]

        return in_chunks(work.folder, passages, write)
