"""A system behind a server and a benchmark in a language to scores and answers.

What the server refuses or withholds counts as a wrong answer, up to a share, and is told; what it could not answer just now
is asked again by the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from calque.corpora.writing import write_json, write_jsonl
from calque.engines import TOO_LONG, Completion, CountedScores, Failure, Scores
from calque.engines.stored import OVER_BUDGET, StoredEngine
from calque.errors import EngineError, Problem, RunError
from calque.recipes.measured import ServedSystem
from calque.recipes.steps import Work
from calque.recipes.steps.asking import CHARACTERS, Expected, cost_of, engine_settings, purse_of, told
from calque.recipes.steps.encode import template_files, template_settings
from calque.recipes.steps.evaluate import Evaluate
from calque.records import Conversation, Message

if TYPE_CHECKING:
    from calque.evaluation.asking import Asking
    from calque.evaluation.items import Item
    from calque.evaluation.shots import Shots

Answer = TypeVar("Answer", Completion, Scores)


@dataclass(frozen=True)
class EvaluateServed(Evaluate):
    """Ask a model behind a server every item of a benchmark in one language, and score the answers."""

    kind: ClassVar[Literal["evaluate", "evaluate_served"]] = "evaluate_served"
    model: ClassVar[Literal["", "weights"]] = ""

    @property
    def served(self) -> ServedSystem:
        """The model and its server."""
        if self.system.served is None:
            raise AssertionError(f"{self.system.name} is not served")
        return self.system.served

    @property
    def shots(self) -> Shots:
        """The worked examples: as the server's own template takes them, if nothing else is said."""
        form: Literal["turns", "text"] = "turns" if self.served.template == "chat" else "text"
        shots = self.benchmark.shots
        return replace(shots, form=form) if self.evaluate.examples_as == "auto" else shots

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked, and which model it is; nothing of the base model, nor of the way to the server."""
        own = ("precision", *template_settings(self.model_settings))
        said = {name: value for name, value in super().settings.items() if name not in own}
        asked = engine_settings(self.served)
        for name in ("answers", "scored_in", "may_fail", "budget"):
            asked.pop(name)
        return {**said, "engine": asked, "compares": self.served.compares}

    @property
    def files(self) -> tuple[Path, ...]:
        """The benchmark's files, and a template of one's own."""
        of_base = template_files(self.template)
        read = tuple(path for path in super().files if path not in of_base)
        return (*read, *template_files(self.served.template))

    def _asking(self) -> Asking:
        return replace(super()._asking(), compares=self.served.compares)

    def expected(self) -> Expected:
        """What it is asked at most, every answer being as long as it may be."""
        from calque.evaluation.benchmarks import benchmark_of

        made, asked = benchmark_of(self.benchmark.name), self._asking()
        items = self._items().items
        lengths = [
            sum(len(text) for message in item.conversation for text in message.texts) for item in items
        ]
        turns = int(made.writes) + int(self.way == "chat")
        options = [1 + len(item.choices or item.compared) if asked.chooses(made) else 0 for item in items]
        read = sum(n * (turns + more) for n, more in zip(lengths, options, strict=True)) / CHARACTERS
        longest = self.evaluate.max_new_tokens.get(self.benchmark.name, made.max_new_tokens)
        english = self.evaluate.english_tokens if self.way != "direct" else 0
        written = len(items) * (longest * int(made.writes) + english) + sum(options)
        if self.way == "chat":
            read += len(items) * english
        requests = len(items) * turns + sum(options)
        return Expected(requests, round(read), written, cost_of(self.served, round(read), written))

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write what any evaluation writes, and unanswered.jsonl {item, reason, detail}; the counts tell requests and tokens too."""
        from calque.recipes.steps.other_engines import other_engine

        place = f"systems.{self.system.role}"
        purse = purse_of(self.served, place, self.served.budget)
        with other_engine(work.workshop, place, self.served, purse) as engine:
            asked = _Asked(engine, self.served, place, self._items().items)
            counts = self._evaluated(work, asked)
        rows = [
            {"item": item, "reason": failure.reason, "detail": failure.detail}
            for item, failure in asked.unanswered.items()
        ]
        write_jsonl(work.folder / "unanswered.jsonl", rows)
        counts["server"] = {
            "requests": asked.counts.requests,
            "prompt_tokens": asked.prompt_tokens,
            "tokens": asked.tokens,
            "unanswered": dict(sorted(Counter(row["reason"] for row in rows).items())),
        }
        write_json(work.folder / "counts.json", counts)
        return counts


class _Asked(StoredEngine):
    """An engine whose final failures are empty answers, as long as they are few; it counts what went to and fro."""

    def __init__(self, engine: StoredEngine, served: ServedSystem, place: str, items: Sequence[Item]) -> None:
        super().__init__(engine.engine, engine.store, engine.purse)
        self.served = served
        self.place = place
        self.items = items
        self.tokens = self.prompt_tokens = 0
        self.unanswered: dict[str, Failure] = {}

    def settled(
        self,
        conversations: Sequence[Conversation],
        found: Sequence[Answer | Failure],
        instead: Callable[[Failure], Answer],
    ) -> list[Answer]:
        """The answers; raises where the budget is spent, what failed may yet be answered, or too much will not be.

        A prompt that is too long is no failure of the server's: it is noted as of a model in this process.
        """
        failed = {
            name: answer
            for name, answer in zip(self._names(conversations), found, strict=True)
            if isinstance(answer, Failure) and answer.reason != TOO_LONG
        }
        self.unanswered |= failed
        for answer in found:
            if isinstance(answer, Completion | CountedScores | Failure):
                self.tokens += answer.tokens
                self.prompt_tokens += answer.prompt_tokens
        refuse_failures(failed.values(), len(self.items), self.served, self.place)
        return [instead(answer) if isinstance(answer, Failure) else answer for answer in found]

    def _names(self, conversations: Sequence[Conversation]) -> list[str]:
        """Which items are asked: all of them, or some again with fewer examples before the same question.

        Items with one question are asked again together, in their order.
        """
        if len(conversations) == len(self.items):
            return [item.id for item in self.items]
        of_question: dict[Message, list[str]] = {}
        for item in reversed(self.items):
            of_question.setdefault(item.conversation[-1], []).append(item.id)
        return [of_question[conversation[-1]].pop() for conversation in conversations]


def refuse_failures(failed: Iterable[Failure], count: int, served: ServedSystem, place: str) -> None:
    """Raise where the budget is spent, where what failed may yet be answered, or where too much will not be."""
    failures = list(failed)
    reasons = Counter(failure.reason for failure in failures)
    if reasons[OVER_BUDGET]:
        there = count - len(failures)
        message = f"{place}: what is left of the budget of {served.budget:g} holds for {there:,} of {count:,} questions"
        remedy = f"raise {place}.budget, or lower evaluate.limit; answers that are there are kept"
        raise RunError(Problem(message, remedy=remedy))
    again = [failure for failure in failures if not failure.final]
    if not again and len(failures) <= served.may_fail * count:
        return
    told_of = (again or failures)[0]
    listed = ", ".join(f"{n:,} × {reason}" for reason, n in reasons.most_common())
    message = f"{place}: {len(failures):,} of {count:,} questions were not answered ({listed}); one of them: {told_of.detail}"
    remedy = "run again: the answers that came are kept, and only these are asked again"
    if not again:
        remedy = f"see why; or raise {place}.may_fail, and what is refused or withheld counts as wrong"
    raise EngineError(Problem(message, remedy=remedy))


def told_of_served(steps: Iterable[object]) -> Iterator[str]:
    """A line for each served system: what it will be asked at most, what that costs, and how long it takes."""
    by_system: dict[str, list[EvaluateServed]] = {}
    for step in steps:
        if isinstance(step, EvaluateServed):
            by_system.setdefault(step.system.name, []).append(step)
    for name, asked in by_system.items():
        yield told(f"system {name}", [step.expected() for step in asked], asked[0].served)
