"""Parts to the mixture of one system, with exact counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.demonstration_files import read_demonstrations, write_demonstrations
from calque.corpora.writing import write_json
from calque.demonstrations.mixture import Part, mix
from calque.errors import DataError, Problem
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.steps import Work


@dataclass(frozen=True)
class Mix:
    """Draw so many demonstrations of each part and shuffle them."""

    system: ResolvedSystem
    parts: tuple[str, ...]
    seed: int

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
        """The steps that make the parts, in the mixture's order."""
        return self.parts

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write demonstrations.jsonl and counts.json."""
        parts = [
            Part(name, list(read_demonstrations(work.after[step] / "demonstrations.jsonl")), amount)
            for step, (name, amount) in zip(self.after, self.system.mix.items(), strict=True)
        ]
        try:
            mixture = mix(parts, seed=self.seed)
        except DataError as error:
            raise DataError(*(self._named(problem) for problem in error.problems)) from None
        if not mixture.demonstrations:
            message = f"system {self.system.name} has no demonstration to learn from"
            raise DataError(Problem(message, remedy="give one of its parts more than 0 rows"))
        write_demonstrations(work.folder / "demonstrations.jsonl", mixture.demonstrations)
        write_json(work.folder / "counts.json", mixture.counts)
        work.progress(len(mixture.demonstrations), len(mixture.demonstrations))
        return dict(mixture.counts)

    def _named(self, problem: Problem) -> Problem:
        """The problem with the system it is of: parts are shared."""
        return replace(problem, message=f"system {self.system.name}: {problem.message}")
