"""A system and a benchmark in a language to scores and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.json_rows import read_json
from calque.recipes.measured import Way
from calque.recipes.resolved import ResolvedBenchmark, ResolvedSystem, called
from calque.recipes.schema import ONLY_OPTIONS, ModelSettings
from calque.recipes.schema import Evaluate as Settings
from calque.recipes.steps import Work
from calque.recipes.steps.encode import template_files, template_settings
from calque.recipes.views import ChatPart

if TYPE_CHECKING:
    from calque.engines import Engine
    from calque.evaluation.asking import Asking
    from calque.evaluation.items import ItemSet
    from calque.evaluation.shots import Shots


def is_asked(system: ResolvedSystem, benchmark: ResolvedBenchmark, way: Way) -> bool:
    """Whether a system is asked a benchmark in a way: options alone cannot be compared behind half an answer (pivot), nor by a
    server that tells no log-likelihoods.
    """
    scored = benchmark.language in system.scored_in and way in system.asked(benchmark.language)
    compares = way != "pivot" and (system.served is None or system.served.compares)
    return scored and (compares or benchmark.name not in ONLY_OPTIONS)


@dataclass(frozen=True)
class Evaluate:
    """Ask a system every item of a benchmark in one language, and score the answers."""

    system: ResolvedSystem
    benchmark: ResolvedBenchmark
    evaluate: Settings
    model_settings: ModelSettings
    template: str
    seed: int
    way: Way = "direct"

    kind: ClassVar[Literal["evaluate", "evaluate_served"]] = "evaluate"
    model: ClassVar[Literal["", "weights"]] = "weights"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`evaluate-SYSTEM-BENCHMARK-LANG`."""
        return f"evaluate-{self._asked}-{self.benchmark.name}-{self.benchmark.language}"

    @property
    def _asked(self) -> str:
        return called(self.system.name, self.way)

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked; the system's name stands in every score."""
        return {
            "benchmark": self.benchmark.name,
            "language": self.benchmark.language,
            "prompt_language": self.evaluate.prompt_language,
            "limit": self.evaluate.limit,
            "max_new_tokens": self.evaluate.max_new_tokens.get(self.benchmark.name),
            "precision": self.evaluate.precision,
            **template_settings(self.model_settings),
            "system": self._asked,
            "seed": self.seed,
            **self._shown,
            **({"way": self.way, **self._by_way} if self.way != "direct" else {}),
        }

    @property
    def _by_way(self) -> dict[str, Any]:
        """How it is asked by way of English: as it was taught, or else in the language of the other prompts."""
        part = self.system.by_way_of_english.get(self.way)
        words = self.evaluate.prompt_language
        if part is not None:
            words = "en" if part.prompt_language == "english" else "item"
        asked_for = part.english_asked_for if isinstance(part, ChatPart) else True
        room = self.evaluate.english_tokens
        return {"words": words, "english_tokens": room, "english_asked_for": asked_for}

    @property
    def shots(self) -> Shots:
        """The worked examples before each question."""
        return self.benchmark.shots

    @property
    def _shown(self) -> dict[str, Any]:
        """The worked examples; the files that they come from are among the files."""
        shots = self.shots
        if not shots.count:
            return {}
        return {
            "shots": shots.count,
            "examples_seed": shots.seed,
            "examples_as": shots.form,
            "from_asked": shots.from_asked,
        }

    @property
    def files(self) -> tuple[Path, ...]:
        """The benchmark's files, those of its examples, what is read with them, and a template of one's own."""
        from calque.evaluation.benchmarks import benchmark_of
        from calque.evaluation.source import gather

        made = benchmark_of(self.benchmark.name)
        asked = gather(self.benchmark.files, made.ending, made.folders)
        read = (*asked, *self.shots.sources(made, asked))
        beside = dict.fromkeys(file for path in read for file in made.beside(path))
        return (*read, *beside, *template_files(self.template))

    @property
    def after(self) -> tuple[str, ...]:
        """The tuned model, if the system is not the base itself."""
        return (f"tune-{self.system.name}",) if self.system.mix else ()

    def preflight(self) -> str:
        """Read the benchmark: a fault in it must not show after hours of tuning."""
        from calque.evaluation.benchmarks import benchmark_of
        from calque.evaluation.shots import told

        self._asking()
        asked = self._items()
        dropped = "".join(f", {n:,} × {reason}" for reason, n in asked.reasons().items())
        words = asked.items[0].conversation[-1].language
        has_form = benchmark_of(self.benchmark.name).form is not None  # else it is asked as it stands
        falls_back = has_form and self.evaluate.prompt_language == "item" and words != self.benchmark.language
        prompts = (
            f", asked in {words}: there are no prompts in {self.benchmark.language}" if falls_back else ""
        )
        return f"{len(asked.items):,} questions{dropped}{prompts}{told(asked.shots)}"

    def _asking(self) -> Asking:
        from calque.evaluation.asking import asking

        return asking(self.way, self.benchmark.language, **self._by_way)

    def questions(self) -> Iterator[tuple[str, ...]]:
        """The texts of every question: itself, and the text or the options that it is about."""
        for item in self._items().items:
            yield tuple(text for text in (item.question, item.context or " ".join(item.choices)) if text)

    def _items(self) -> ItemSet:
        from calque.evaluation.asked import items_of

        return items_of(
            self.benchmark.name,
            self.benchmark.files,
            self.benchmark.language,
            prompt_language=self.evaluate.prompt_language,
            limit=self.evaluate.limit,
            shots=self.shots,
        )

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write scores.jsonl, answers.jsonl, dropped.jsonl, notes.jsonl and counts.json."""
        tuned = work.after[self.after[0]] if self.after else None
        engine = work.workshop.engine(self.system.name, tuned, self.evaluate.precision)
        return self._evaluated(work, engine)

    def _evaluated(self, work: Work, engine: Engine) -> dict[str, Any]:
        """Ask an engine, score, and write it all down; the counts."""
        from calque.evaluation.benchmarks import benchmark_of
        from calque.evaluation.evaluate import evaluate

        made = benchmark_of(self.benchmark.name)
        asked = self._items()
        evaluate(
            self.benchmark.name,
            self.benchmark.files,
            self.benchmark.language,
            engine,
            model=self._asked,
            out=work.folder,
            seed=self.seed,
            prompt_language=self.evaluate.prompt_language,
            limit=self.evaluate.limit,
            max_new_tokens=self.evaluate.max_new_tokens.get(self.benchmark.name),
            put=self._asking(),
            shots=self.shots,
            asked=asked,
            progress=work.counted(self._asking().passes(made) * len(asked.items)),
        )
        return dict(read_json(work.folder / "counts.json"))
