"""The part of a recipe that says how many worked examples stand before a question, and where they come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from calque.evaluation.benchmarks import BENCHMARKS
from calque.recipes.sources import Form, PerLanguage

Count = Annotated[int, Field(ge=0)]


class ShotsSettings(Form):
    """Few-shot: worked examples before each question."""

    shots: Count | dict[str, Count] = Field(
        0,
        description="worked examples before each question, of all benchmarks that have right answers to show, or by benchmark",
    )
    examples: dict[str, PerLanguage] = Field(
        default_factory=dict,
        description="files that examples are drawn from, by benchmark, in its own form; `asked` = the files that are asked, less "
        "what is shown of them. Where nothing is said: the benchmark's own split for it beside the file (dev, val, "
        "train), else `asked`",
    )
    examples_seed: int = Field(
        0, ge=0, description="draws the examples; apart from `seed`, so that all runs show the same"
    )
    examples_as: Literal["auto", "turns", "text"] = Field(
        "auto",
        description="each example a turn of the conversation, or all in one text; auto = turns in a model's own chat "
        "template, else text",
    )

    @field_validator("shots", "examples")
    @classmethod
    def _known(cls, given: object) -> object:
        unknown = [name for name in given if name not in BENCHMARKS] if isinstance(given, dict) else []
        if unknown:
            raise ValueError(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
        return given

    @field_validator("shots")
    @classmethod
    def _shown(cls, given: Count | dict[str, Count]) -> Count | dict[str, Count]:
        bare = (
            [n for n, count in given.items() if count and not BENCHMARKS[n].shows]
            if isinstance(given, dict)
            else []
        )
        if bare:
            raise ValueError(f"{bare[0]} has no right answers, so that no example can be shown")
        return given

    def shots_of(self, benchmark: str) -> int:
        """How many examples stand before each question of a benchmark."""
        if isinstance(self.shots, dict):
            return self.shots.get(benchmark, 0)
        return self.shots if BENCHMARKS[benchmark].shows else 0
