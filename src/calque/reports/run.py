"""What stands in a run folder, as frozen values. A run may be unfinished: what is missing is simply not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.reports.contamination import Contamination
from calque.reports.counts import Counts, Fertility, Length
from calque.reports.diversity import Diversity
from calque.reports.passages import Passages
from calque.reports.ratings import Rating
from calque.reports.reading import number, read_rows
from calque.reports.rounds import Round

if TYPE_CHECKING:
    from calque.reports.judges import JudgedPair, Quality


@dataclass(frozen=True, slots=True)
class System:
    """A model under test. Systems of one role differ in their language alone; `""` is a system for all.

    One that is made to work for others, as a generator, is not `scored`. One that is asked in several ways stands here several times, as `NAME`, `NAME@chat` and `NAME@pivot`.
    One that is `served` is a model behind a server, by its name there.
    """

    name: str
    role: str
    language: str = ""
    scored: bool = True
    served: str = ""

    @property
    def tuned_as(self) -> str:
        """The name under which it was tuned."""
        return self.name.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the run; not `done` while it stands under `partial/` or has no folder at all."""

    name: str
    kind: str
    key: str
    done: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was run: recipe, model, systems and the pairs of roles to compare (the second against the first)."""

    recipe: str
    seed: int
    calque: str
    command: str
    versions: Mapping[str, str]
    model: Mapping[str, Any]
    languages: tuple[str, ...]
    systems: tuple[System, ...]
    comparisons: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One score: `value`, `low`, `high` and `ceiling` are shares between 0 and 1, NaN where unknown."""

    benchmark: str
    language: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    answered: int
    ceiling: float
    model: str
    signature: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Score:
        """Read one row of `scores.jsonl`."""
        n = int(row.get("n") or 0)
        answered = row.get("answered")
        return cls(
            benchmark=str(row["benchmark"]),
            language=str(row.get("language") or ""),
            metric=str(row["metric"]),
            value=number(row.get("value")),
            low=number(row.get("low")),
            high=number(row.get("high")),
            n=n,
            answered=n if answered is None else int(answered),
            ceiling=number(row.get("ceiling")),
            model=str(row["model"]),
            signature=str(row.get("signature") or ""),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one system. `metrics` holds what each metric gave it, between 0 and 1.

    `before` is what the system wrote on the way to it, as in an English turn.
    """

    id: str
    group: str
    question: str
    golds: tuple[str, ...]
    answer: str
    correct: bool
    finished: bool
    metrics: Mapping[str, float]
    context: str = ""
    choices: tuple[str, ...] = ()
    fits: bool = True
    before: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Answer:
        """Read one row of `answers.jsonl`."""
        return cls(
            id=str(row["id"]),
            group=str(row.get("group") or ""),
            question=str(row.get("question") or ""),
            golds=tuple(str(gold) for gold in row.get("golds") or ()),
            answer=str(row.get("answer") or ""),
            correct=bool(row.get("correct")),
            finished=bool(row.get("finished", True)),
            metrics={str(k): float(v) for k, v in (row.get("metrics") or {}).items() if v is not None},
            context=str(row.get("context") or ""),
            choices=tuple(str(choice) for choice in row.get("choices") or ()),
            fits=bool(row.get("fits", True)),
            before=str(row.get("before") or ""),
        )


@dataclass(frozen=True, slots=True)
class LossPoint:
    """One optimiser step: the mean loss per trained token, in nats."""

    step: int
    loss: float
    learning_rate: float
    tokens: int
    trained_tokens: int
    refreshed_tokens: int = 0


@dataclass(frozen=True, slots=True)
class PacePoint:
    """What the pace admitted of one kind in one step: of all rows, and of each third of them, the easiest first."""

    step: int
    group: str
    rows: int
    admitted: int
    terciles: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder. Answers stay on disk until they are asked for.

    Mappings are keyed by the system's name; `asked` and `answer_files` by system, benchmark and language.
    """

    name: str
    manifest: Manifest
    recipe_text: str
    steps: tuple[Step, ...]
    scores: tuple[Score, ...]
    counts: tuple[Counts, ...]
    lengths: Mapping[str, tuple[Length, ...]]
    fertility: Mapping[str, tuple[Fertility, ...]]
    losses: Mapping[str, tuple[LossPoint, ...]]
    pace: Mapping[str, tuple[PacePoint, ...]]
    lineage: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, tuple[tuple[str, bool], ...]]
    passages: tuple[Passages, ...]
    asked: Mapping[tuple[str, str, str], Counts]
    answer_files: Mapping[tuple[str, str, str], Path]
    ratings: tuple[Rating, ...] = ()
    rounds: tuple[Round, ...] = ()
    diversity: tuple[Diversity, ...] = ()
    judged: tuple[JudgedPair, ...] = ()
    judge_quality: tuple[Quality, ...] = ()
    contamination: Contamination | None = None
    candidate_contamination: Contamination | None = None

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Names of the steps that are not done."""
        return tuple(step.name for step in self.steps if not step.done)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles, in the manifest's order."""
        return tuple(dict.fromkeys(system.role for system in self.manifest.systems))

    @property
    def trained(self) -> tuple[System, ...]:
        """The systems by the names under which they were tuned, each once, in whatever ways it is asked."""
        found: dict[str, System] = {}
        for system in self.manifest.systems:
            found.setdefault(system.tuned_as, replace(system, name=system.tuned_as))
        return tuple(found.values())

    def answers(self, system: str, benchmark: str, language: str) -> Iterator[Answer]:
        """Answers of a system to a benchmark in a language; none where it was not asked."""
        path = self.answer_files.get((system, benchmark, language))
        if path is not None:
            yield from read_rows(path, Answer.of)

    def graded(self, system: str, benchmark: str, language: str) -> tuple[Answer, ...]:
        """The same without their texts, and kept: every comparison under every metric asks for them again."""
        path = self.answer_files.get((system, benchmark, language))
        if path is None or not path.is_file():
            return ()
        seen = path.stat()
        return _graded(path, seen.st_size, seen.st_mtime_ns)

    def score(self, system: str, benchmark: str, language: str, metric: str) -> Score | None:
        """That one score, if it is there."""
        for score in self.scores:
            if (score.model, score.benchmark, score.language, score.metric) == (
                system,
                benchmark,
                language,
                metric,
            ):
                return score
        return None

    def system_for(self, role: str, language: str) -> System | None:
        """The system that plays `role` in `language`: the one made for it, else one that serves all languages."""
        shared = None
        for system in self.manifest.systems:
            if system.role == role:
                if system.language == language:
                    return system
                if system.language not in self.manifest.languages:
                    shared = shared or system
        return shared

    @property
    def untuned(self) -> System | None:
        """The model as it came: the first system that serves all languages and has no tuning step."""
        tuned = {step.name.removeprefix("tune-") for step in self.steps if step.kind == "tune"}
        for system in self.manifest.systems:
            if not system.language and not system.served and system.tuned_as not in tuned:
                return system
        return None


@lru_cache(
    maxsize=64
)  # a benchmark in a language under a few dozen systems, which is what is drawn at a time
def _graded(path: Path, _size: int, _changed: int) -> tuple[Answer, ...]:
    return tuple(
        replace(answer, question="", answer="", context="", choices=(), before="")
        for answer in read_rows(path, Answer.of)
    )
