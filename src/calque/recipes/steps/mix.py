"""Parts to the mixture of one system, with exact counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.demonstration_files import read_demonstrations, write_demonstrations
from calque.corpora.writing import write_json, write_jsonl
from calque.demonstrations.mixture import Part, mix, too_few
from calque.errors import DataError, Problem
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.steps import Work
from calque.recipes.steps.contamination import CANDIDATES, contaminated
from calque.recipes.steps.contamination import NAME as CONTAMINATION
from calque.records import Demonstration, Rejected


@dataclass(frozen=True)
class Mix:
    """Draw so many demonstrations of each part and shuffle them."""

    system: ResolvedSystem
    parts: tuple[str, ...]
    seed: int
    drops_contaminated: bool = False

    kind: ClassVar[Literal["mix"]] = "mix"
    files: ClassVar[tuple[Path, ...]] = ()
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`mix-SYSTEM`."""
        return f"mix-{self.system.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """How much of each part, in the order in which duplicates are decided."""
        return {"mix": [[part, amount] for part, amount in self.system.mix.items()], "seed": self.seed}

    @property
    def after(self) -> tuple[str, ...]:
        """The steps that make the parts, in the mixture's order; and what rows hold questions, where such are dropped."""
        looked = dict.fromkeys(map(_looked_at_by, self.parts)) if self.drops_contaminated else ()
        return (*self.parts, *looked)

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def short_of(self, counts: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
        """What the counts of the parts, by their steps, tell already: those that have fewer rows than are asked for."""
        for step, (part, amount) in zip(self.parts, self.system.mix.items(), strict=True):
            there = counts[step]["kept"] if step in counts else None
            if there is not None and isinstance(amount, int) and amount > there:
                yield self._named(too_few(part, amount, f"{there:,}"))

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write demonstrations.jsonl and counts.json; and dropped.jsonl, where rows that hold questions are dropped."""
        dropped: list[Rejected] = []
        parts = [
            Part(name, list(self._clean(name, step, work, dropped)), amount)
            for step, (name, amount) in zip(self.parts, self.system.mix.items(), strict=True)
        ]
        try:
            mixture = mix(parts, seed=self.seed)
        except DataError as error:
            raise DataError(*(self._named(problem) for problem in error.problems)) from None
        if not mixture.demonstrations:
            message = f"system {self.system.name} has no demonstration to learn from"
            raise DataError(Problem(message, remedy="give one of its parts more than 0 rows"))
        write_demonstrations(work.folder / "demonstrations.jsonl", mixture.demonstrations)
        counts = mixture.counts
        if dropped:
            reasons = {**counts["dropped"], "contaminated": len(dropped)}
            counts = {
                **counts,
                "rows": counts["rows"] + len(dropped),
                "dropped": dict(sorted(reasons.items())),
            }
            write_jsonl(work.folder / "dropped.jsonl", (row.to_row() for row in dropped))
        write_json(work.folder / "counts.json", counts)
        work.progress(len(mixture.demonstrations), len(mixture.demonstrations))
        return dict(counts)

    def _clean(self, part: str, step: str, work: Work, dropped: list[Rejected]) -> Iterator[Demonstration]:
        """The part's rows; those that hold what is asked, where they are to be dropped, are added to `dropped`."""
        found: dict[str, str] = {}
        if self.drops_contaminated:
            by = _looked_at_by(step)
            found = contaminated(work.after[by], part if by == CONTAMINATION else "")
        for row in read_demonstrations(work.after[step] / "demonstrations.jsonl"):
            if row.id in found:
                source = row.provenance
                text = " ".join(text for message in row.messages for text in message.texts)
                dropped.append(
                    Rejected(source.dataset, source.row, "contaminated", found[row.id], text[:500])
                )
            else:
                yield row

    def _named(self, problem: Problem) -> Problem:
        """The problem with the system it is of: parts are shared."""
        return replace(problem, message=f"system {self.system.name}: {problem.message}")


def _looked_at_by(step: str) -> str:
    """The step that has looked for questions in what a step makes: of what is selected, in the candidates."""
    return CANDIDATES if step.startswith("select-") else CONTAMINATION
