"""Held-out seed pairs of one language to what a model makes of them: an answer of its own, or an instruction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.ledger import Ledger
from calque.corpora.seed_pairs import SeedFiles
from calque.corpora.seed_rows import SeedRows, seed_rows
from calque.corpora.writing import write_json
from calque.curation.written import plain
from calque.engines import Failure, Sampling
from calque.prompts.cross_lingual import instruction_request, reversed_request
from calque.recipes.refine import Refine
from calque.recipes.steps import Work
from calque.recipes.steps.asking import Other, Own
from calque.recipes.steps.demonstrate import seed_settings
from calque.records import CrossLingualPair, Rejected


@dataclass(frozen=True)
class Answer:
    """Ask a model what it answers to a seed instruction, or (`turned`) which instruction a seed text answers."""

    system: Own | Other
    turned: bool
    seed_files: SeedFiles
    refine: Refine
    seed: int

    kind: ClassVar[Literal["answer"]] = "answer"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`answer-SYSTEM-LANG`, or `answer-by-ENGINE-LANG`."""
        who = f"by-{self.system.name}" if isinstance(self.system, Other) else self.system.name or "base"
        return f"answer-{who}-{self.seed_files.language}"

    @property
    def model(self) -> Literal["weights", ""]:
        """The base model's weights, unless another model answers."""
        return self.system.needs

    @property
    def settings(self) -> dict[str, Any]:
        """Which pairs, and how the model is asked."""
        said = {
            "language": self.seed_files.language,
            **seed_settings(self.seed_files, self._rows, self.seed),
            "turned": self.turned,
            "tokens": self._tokens,
        }
        if self._sampling is not None:
            said["sampling"] = asdict(self._sampling)
        return {**said, **self.system.settings}

    @property
    def _tokens(self) -> int:
        writing = self.refine.writing
        return writing.instruction_tokens if self.turned else writing.response_tokens

    @property
    def _sampling(self) -> Sampling | None:
        said = self.refine.writing if self.turned else self.refine.answering
        return said.sampling(self.seed)

    @property
    def _rows(self) -> SeedRows:
        return SeedRows("held", self.refine.held_out, self.refine.seed)

    @property
    def files(self) -> tuple[Path, ...]:
        """The seed; another model's, where it lies in a folder; and the template, if it is a file of one's own."""
        return (*self.seed_files.paths, *self.system.files)

    @property
    def after(self) -> tuple[str, ...]:
        """The tuned model, if it is one."""
        return self.system.after

    def preflight(self) -> str:
        """Nothing: the parts made from the seed have been read by then."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write seed.jsonl, answers.jsonl, dropped.jsonl and counts.json. Row i of answers.jsonl is of row i of seed.jsonl."""
        with Ledger(work.folder / "dropped.jsonl") as ledger:
            pairs = seed_rows(self.seed_files, self._rows, self.seed, ledger)
            if isinstance(self.system, Other):
                pairs, made = self._by_another(self.system, pairs, work, ledger)
            else:
                made = self._by_system(self.system, pairs, work)
            counts = ledger.counts()
        write_cross_lingual(work.folder / "seed.jsonl", pairs)
        write_cross_lingual(work.folder / "answers.jsonl", made)
        write_json(work.folder / "counts.json", counts)
        return counts

    def _by_another(
        self, model: Other, pairs: Sequence[CrossLingualPair], work: Work, ledger: Ledger
    ) -> tuple[list[CrossLingualPair], list[CrossLingualPair]]:
        """The pairs that were answered, and the answers."""
        asked = [(self._asked(pair),) for pair in pairs]
        answers = model.complete(work, asked, max_new_tokens=self._tokens, sampling=self._sampling)
        both: list[tuple[CrossLingualPair, CrossLingualPair]] = []
        for pair, answer in zip(pairs, answers, strict=True):
            if isinstance(answer, Failure):
                source = pair.provenance
                ledger.drop(Rejected(source.dataset, source.row, answer.reason, answer.detail))
            else:
                both.append((pair, self._made(pair, plain(answer.text) if self.turned else answer.text)))
        return [pair for pair, _ in both], [made for _, made in both]

    def _by_system(
        self, system: Own, pairs: Sequence[CrossLingualPair], work: Work
    ) -> list[CrossLingualPair]:
        asked = [(self._asked(pair),) for pair in pairs]
        answers = system.complete(work, asked, max_new_tokens=self._tokens, sampling=self._sampling)
        return [self._made(pair, answer.text) for pair, answer in zip(pairs, answers, strict=True)]

    def _asked(self, pair: CrossLingualPair) -> Any:
        if self.turned:
            tuned = not isinstance(self.system, Other)
            return reversed_request(pair.response, pair.language, tuned=tuned)
        return instruction_request(pair.instruction, pair.input, pair.language, "seed")

    def _made(self, pair: CrossLingualPair, text: str) -> CrossLingualPair:
        if self.turned:
            return replace(pair, instruction=text, input="", english="")
        return replace(pair, response=text, english="")
