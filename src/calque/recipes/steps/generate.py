"""Passages of one language to candidates: an English instruction for each, written by the generator (X-Instruction).

The generator is a system that was tuned for it, or another model of the recipe (`curate.refine.writing.engine`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.ledger import Ledger
from calque.corpora.passage_files import stored_passages
from calque.corpora.writing import write_json
from calque.curation.written import plain
from calque.engines import Completion, Failure
from calque.errors import DataError, Problem
from calque.prompts.cross_lingual import reversed_request
from calque.recipes.refine import Refine
from calque.recipes.steps import Work
from calque.recipes.steps.asking import Expected, Other, Own
from calque.records import Passage

WRITTEN = ("instruction_tokens", "temperature", "top_p", "top_k")  # of how it is written
WORDING = 500  # characters of the request, more or less


@dataclass(frozen=True)
class Generate:
    """Ask the generator which instruction each passage answers."""

    generator: Own | Other
    language: str
    refine: Refine
    seed: int

    kind: ClassVar[Literal["generate"]] = "generate"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`generate-LANG`."""
        return f"generate-{self.language}"

    @property
    def model(self) -> Literal["weights", ""]:
        """The base model's weights, unless another model writes."""
        return self.generator.needs

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked and how it writes, and how many passages are taken."""
        said = self.refine.writing.model_dump(mode="json", include=set(WRITTEN))
        said |= {"language": self.language, "passages": self.refine.passages, "seed": self.seed}
        return {**said, **self.generator.settings}

    @property
    def files(self) -> tuple[Path, ...]:
        """Another model's, where it lies in a folder; and the template, if it is a file of one's own."""
        return self.generator.files

    @property
    def after(self) -> tuple[str, ...]:
        """The passages, and the generator, if it is tuned."""
        return (f"passages-{self.language}", *self.generator.after)

    def expected(self, counts: Mapping[str, Any]) -> Expected:
        """What is asked of another model at most, by the counts of the passages."""
        from calque.curation.selection import wanted

        if not isinstance(self.generator, Other):
            return Expected(0, 0, 0, None)
        kept = max(1, int(counts["kept"]))
        requests = wanted(self.refine.passages, int(counts["kept"]))
        characters = requests * (WORDING + counts["characters"] / kept)
        return self.generator.expected(requests, characters, self.refine.writing.instruction_tokens)

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write candidates.jsonl, dropped.jsonl and counts.json."""
        from calque.curation.generate import candidate, draw_passages

        stored = list(stored_passages(work.after[self.after[0]] / "passages.parquet"))
        passages = draw_passages(stored, self.refine.passages, self.seed)
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
            if isinstance(self.generator, Other):
                remedy = "look at what it wrote (dropped.jsonl of the step), and give it more room"
            raise DataError(Problem(message, remedy=remedy))
        write_cross_lingual(work.folder / "candidates.jsonl", found)
        counts = {**ledger_counts, "rows": len(stored)}
        if len(passages) < len(stored):
            counts["dropped"] = {**counts["dropped"], "not_drawn": len(stored) - len(passages)}
        write_json(work.folder / "counts.json", counts)
        return counts

    def _written(self, passages: Sequence[Passage], work: Work) -> Iterator[tuple[Passage, dict[str, Any]]]:
        writing, generator = self.refine.writing, self.generator
        sampling = writing.sampling(self.seed)
        if isinstance(generator, Other):
            asked = [(reversed_request(passage.text, passage.language, tuned=False),) for passage in passages]
            answers = generator.complete(
                work, asked, max_new_tokens=writing.instruction_tokens, sampling=sampling
            )
            for passage, answer in zip(passages, answers, strict=True):
                if isinstance(answer, Failure):
                    yield passage, {"failure": answer.reason, "detail": answer.detail}
                else:
                    yield passage, {**_row(answer), "text": plain(answer.text)}
            return
        asked = [(reversed_request(passage.text, passage.language),) for passage in passages]
        made = generator.complete(work, asked, max_new_tokens=writing.instruction_tokens, sampling=sampling)
        yield from ((passage, _row(answer)) for passage, answer in zip(passages, made, strict=True))


def _row(answer: Completion) -> dict[str, Any]:
    return {"text": answer.text, "tokens": answer.tokens, "finished": answer.finished}
