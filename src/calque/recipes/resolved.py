"""What a recipe asks for once every `x` is written out: parts, systems and benchmarks, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from calque.corpora.instruction_pairs import InstructionPairFiles
from calque.corpora.pairs import PairFiles as Pairs
from calque.corpora.passages import PassageFiles
from calque.corpora.seed_pairs import SeedFiles
from calque.corpora.seed_rows import ALL_ROWS, SeedRows
from calque.evaluation.shots import NONE, Shots
from calque.recipes.judging import AnyModel
from calque.recipes.measured import ServedSystem, Way
from calque.recipes.refine import Amount
from calque.recipes.rounds import NO_ROUNDS, Rounds
from calque.recipes.schema import Recipe
from calque.recipes.views import ChatPart, Part, PivotPart, RatedPart, SelectedPart
from calque.tuning.settings import TuningSettings


@dataclass(frozen=True, slots=True)
class ResolvedPart:
    """A part in one language, with the files it is made from."""

    name: str
    part: Part
    language: str
    files: tuple[Path, ...] = ()
    pairs: Pairs | None = None
    parallel: tuple[InstructionPairFiles, ...] = ()
    seed: SeedFiles | None = None
    rows: SeedRows = ALL_ROWS

    @property
    def step(self) -> str:
        """The step that makes it."""
        if isinstance(self.part, RatedPart):
            return f"ratings-{self.part.round}-{self.language}"
        return f"{'select' if isinstance(self.part, SelectedPart) else 'demonstrate'}-{self.name}"

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it reads."""
        if self.pairs is not None:
            return self.pairs.paths
        if self.seed is not None:
            return self.seed.paths
        return (*self.files, *(path for files in self.parallel for path in files.paths))


def called(name: str, way: Way) -> str:
    """What a system or role is called in scores when asked in a way."""
    return name if way == "direct" else f"{name}@{way}"


@dataclass(frozen=True, slots=True)
class ResolvedSystem:
    """A system for one language, or for all (`language` empty). An empty mixture is the base model, unless it is `served`.

    `by_way_of_english` are the parts that taught it to answer by way of English: so it is asked.
    """

    name: str
    role: str
    language: str
    mix: Mapping[str, Amount]
    tuning: TuningSettings
    scored_in: tuple[str, ...]
    matched_to: ResolvedMatch | None = None
    starts_from: ResolvedStart | None = None
    answers: tuple[Way, ...] = ("direct",)
    by_way_of_english: Mapping[Way, ChatPart | PivotPart] = field(default_factory=dict)
    served: ServedSystem | None = None

    def asked(self, language: str) -> tuple[Way, ...]:
        """The ways in which it is asked in a language: English is asked for directly, or not at all."""
        return tuple(way for way in self.answers if language != "en" or way == "direct")

    @property
    def stages(self) -> tuple[ResolvedSystem, ...]:
        """The systems that it comes from, the first stage first, itself last."""
        return (*(self.starts_from.system.stages if self.starts_from else ()), self)


@dataclass(frozen=True, slots=True)
class ResolvedMatch:
    """Another system, and what of its tuning this one's is to equal: of its last stage, or of all its stages."""

    system: ResolvedSystem
    by: Literal["steps", "trained_tokens"]
    stages: tuple[ResolvedSystem, ...]


@dataclass(frozen=True, slots=True)
class ResolvedStart:
    """The earlier system, and what becomes of its adapter."""

    system: ResolvedSystem
    adapter: Literal["continue", "merge", "none"]


@dataclass(frozen=True, slots=True)
class ResolvedPassages:
    """The native text of one language."""

    language: str
    sources: tuple[PassageFiles, ...]


@dataclass(frozen=True, slots=True)
class ResolvedBenchmark:
    """A benchmark in one language, and the worked examples that stand before its questions."""

    name: str
    language: str
    files: tuple[Path, ...]
    shots: Shots = NONE


@dataclass(frozen=True, slots=True)
class Resolved:
    """All that a recipe asks for. `notes` say what was left out, and why; `known` are the answers that judges are measured on."""

    recipe: Recipe
    parts: tuple[ResolvedPart, ...]
    systems: tuple[ResolvedSystem, ...]
    benchmarks: tuple[ResolvedBenchmark, ...]
    notes: tuple[str, ...]
    passages: tuple[ResolvedPassages, ...] = ()
    rounds: Rounds = NO_ROUNDS
    known: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    engines: Mapping[str, AnyModel] = field(default_factory=dict)
