"""Ask a model the items of a benchmark and write down what it answered and how right that was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calque.corpora.writing import write_json, write_jsonl
from calque.engines import Engine, Progress
from calque.evaluation import shots as few
from calque.evaluation.asked import items_of, put_aside, wording_for
from calque.evaluation.asking import Asking
from calque.evaluation.asking import replies as ask
from calque.evaluation.benchmark import Benchmark, Grader, Pooled
from calque.evaluation.benchmarks import benchmark_of
from calque.evaluation.items import Item, ItemSet, Reply
from calque.evaluation.scores import VERSION, Score
from calque.evaluation.shots import NONE, Shots
from calque.evaluation.statistics import RESAMPLES, mean_interval, pooled_intervals, stratified_interval
from calque.languages import language as language_of

TOO_LONG = "prompt_too_long"  # for the model's context: it counts as a wrong answer
FEWER = "fewer_examples"  # than were to be shown, because the model's context holds no more


def evaluate(
    benchmark: str,
    files: Sequence[str | Path],
    language: str,
    engine: Engine,
    *,
    model: str,
    out: str | Path,
    seed: int,
    prompt_language: str = "item",
    limit: int | None = None,
    max_new_tokens: int | None = None,
    put: Asking | None = None,
    shots: Shots = NONE,
    asked: ItemSet | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """Evaluate in a language; write scores, answers, dropped rows, notes and counts into folder `out`.

    `files` are files, patterns or folders. `language` is that of the questions. `prompt_language` is `item` (the
    same; English where it has no prompts, which the signature tells as `prompt:item=en`) or the code of a language that
    has prompts. `limit` draws so many items. `put` says how it is asked where that is not directly (see `asking`). `shots` are
    the examples before each question; a prompt that is too long for the model's context with them is asked with
    fewer, which is noted. `asked` is what `items_of` gives for the same, where it has been read already. The files' bytes depend on nothing but the arguments
    and the answers. `progress` hears of every item each time that it is put to the engine.
    """
    made = benchmark_of(benchmark)
    if asked is None:
        asked = items_of(
            benchmark, files, language, prompt_language=prompt_language, limit=limit, shots=shots
        )
    tokens = made.max_new_tokens if max_new_tokens is None else max_new_tokens
    put = put or Asking()
    asked, replies = _replies(made, asked, engine, tokens, put, progress)
    graders = {language: put.graders(made, language) for language in {i.language: 0 for i in asked.items}}
    grades = [
        _grade(graders[item.language], item, reply) for item, reply in zip(asked.items, replies, strict=True)
    ]
    settings = _Settings(made, language_of(language).code, prompt_language, tokens, seed, model, put)
    scores = [
        *_scores(settings, asked, graders, replies, grades),
        *_pooled_scores(settings, asked, replies),
    ]
    folder = Path(out)
    write_jsonl(folder / "answers.jsonl", _answers(made, asked.items, replies, grades))
    write_jsonl(folder / "dropped.jsonl", (row.to_row() for row in asked.dropped))
    write_jsonl(folder / "notes.jsonl", (row.to_row() for row in asked.notes))
    cost = round(sum(reply.tokens for reply in replies) / len(replies), 2)
    write_json(folder / "counts.json", {**asked.counts(), "tokens_per_answer": cost})
    write_jsonl(folder / "scores.jsonl", (score.to_row() for score in scores))
    return scores


def _replies(
    made: Benchmark,
    asked: ItemSet,
    engine: Engine,
    tokens: int,
    put: Asking,
    progress: Progress | None,
) -> tuple[ItemSet, list[Reply]]:
    """What came back, and the items as they were asked in the end: with fewer examples where those left no room."""
    items = list(asked.items)
    replies = ask(made, items, engine, tokens, put, progress)
    again: dict[int, Item] = {i: items[i] for i, reply in enumerate(replies) if not reply.fits}
    cut: set[int] = set()
    while again := {i: less for i, item in again.items() if (less := few.fewer(item)) is not None}:
        cut |= set(again)
        for i, reply in zip(again, ask(made, list(again.values()), engine, tokens, put, None), strict=True):
            items[i], replies[i] = again[i], reply
        again = {i: item for i, item in again.items() if not replies[i].fits}
    too_long = [
        put_aside(item, TOO_LONG) for item, reply in zip(items, replies, strict=True) if not reply.fits
    ]
    lessened = [put_aside(items[i], FEWER, f": {few.examples_of(items[i])}") for i in sorted(cut)]
    notes = (*asked.notes, *too_long, *lessened)
    shots = (*asked.shots, f"fewer:{len(cut)}") if cut else asked.shots
    return replace(asked, items=tuple(items), notes=notes, shots=shots), replies


def _grade(graders: Sequence[Grader], item: Item, reply: Reply) -> dict[str, float]:
    return {metric: value for grader in graders for metric, value in grader.grade(item, reply).items()}


@dataclass(frozen=True, slots=True)
class _Settings:
    benchmark: Benchmark
    language: str
    prompt_language: str
    tokens: int
    seed: int
    model: str
    put: Asking

    def signature(
        self,
        name: str,
        asked: ItemSet,
        graders: Mapping[str, Grader | Pooled],
        skipped: int = 0,
    ) -> str:
        """How a score was made, as `name|key:value|…`.

        `graders` are those that gave it, by the language of the golds; `skipped` items the metric does not apply to.
        """
        grader = next(iter(graders.values()))
        parts = [name, f"lang:{self.language}"]
        if list(graders) != [self.language]:
            parts.append(f"context:{'+'.join(graders)}")
        words = wording_for(self.benchmark, self.language, self.prompt_language)
        fallen_back = self.prompt_language == "item" and words.language not in ("", self.language)
        parts.append(f"prompt:{self.prompt_language}" + (f"={words.language}" if fallen_back else ""))
        parts.append(f"wording:{words.digest}")
        norms = dict.fromkeys(one.norm for one in graders.values())
        parts += [f"norm:{'+'.join(norms)}", *asked.shots]
        if isinstance(grader, Pooled) or grader.reads_text:
            parts.append(f"tokens:{self.tokens}")
        parts += self.put.signature
        parts += [f"n:{len(asked.items)}/{asked.total}", f"data:{asked.data}"]
        parts += [f"skipped:{skipped}"] if skipped else []
        return "|".join([*parts, f"seed:{self.seed}", f"bootstrap:{RESAMPLES}", VERSION])


def _scores(
    settings: _Settings,
    asked: ItemSet,
    graders: Mapping[str, Sequence[Grader]],
    replies: Sequence[Reply],
    grades: Sequence[Mapping[str, float]],
) -> Iterator[Score]:
    """A row per metric; by group first where the benchmark is scored by group. `graders` by the language of the golds."""
    name = settings.benchmark.name
    everything = range(len(asked.items))
    groups: dict[str, list[int]] = {}
    for i in everything:
        groups.setdefault(asked.items[i].group if settings.benchmark.per_group else "", []).append(i)
    for position, grader in enumerate(graders[asked.items[0].language]):
        own = [graders[item.language][position] for item in asked.items]
        answerable = [one.answerable(item) for one, item in zip(own, asked.items, strict=True)]
        answered = [grader.answered(reply) for reply in replies]
        for metric in grader.metrics:
            judged = {group: [i for i in of if metric in grades[i]] for group, of in groups.items()}
            kept = [group for group, of in judged.items() if of]
            rows = [(f"{name}/{group}", [group]) for group in kept if group]
            for label, of in [*rows, (name, kept)] if kept else []:
                members = [i for group in of for i in judged[group]]
                strata = [[grades[i][metric] for i in judged[group]] for group in of]
                if not settings.benchmark.weighs_groups:
                    strata = [[grades[i][metric] for i in members]]
                interval = (
                    mean_interval(strata[0], settings.seed)
                    if len(strata) == 1
                    else stratified_interval(strata, settings.seed)
                )
                yield Score(
                    benchmark=label,
                    language=settings.language,
                    metric=metric,
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    n=len(members),
                    answered=sum(answered[i] for i in members),
                    ceiling=sum(answerable[i] for i in members) / len(members),
                    model=settings.model,
                    signature=settings.signature(
                        label,
                        asked,
                        {asked.items[i].language: own[i] for i in members},
                        sum(len(groups[g]) for g in of) - len(members),
                    ),
                )


def _pooled_scores(settings: _Settings, asked: ItemSet, replies: Sequence[Reply]) -> Iterator[Score]:
    """A row per metric of all answers together."""
    name = settings.benchmark.name
    for pooled in settings.benchmark.pooled(asked.items[0].language):
        counts = [pooled.counts(item, reply) for item, reply in zip(asked.items, replies, strict=True)]
        for metric, interval in pooled_intervals(counts, pooled.score, settings.seed).items():
            yield Score(
                benchmark=name,
                language=settings.language,
                metric=metric,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                n=len(asked.items),
                answered=sum(bool(reply.text.strip()) for reply in replies),
                ceiling=sum(item.answerable for item in asked.items) / len(asked.items),
                model=settings.model,
                signature=settings.signature(name, asked, {asked.items[0].language: pooled}),
            )


def _answers(
    made: Benchmark, items: Sequence[Item], replies: Sequence[Reply], grades: Sequence[Mapping[str, float]]
) -> Iterator[dict[str, Any]]:
    for item, reply, grade in zip(items, replies, grades, strict=True):
        row: dict[str, Any] = {
            "id": item.id,
            "group": item.group,
            "question": item.question,
            "golds": list(item.golds),
            "answer": reply.text,
            "correct": grade.get(made.verdict) == 1.0,
            "finished": reply.finished,
            "metrics": dict(grade),
        }
        if not reply.fits:
            row["fits"] = False
        if reply.before:
            row["before"] = reply.before
        if item.context:
            row["context"] = item.context
        if item.choices:
            row["choices"] = list(item.choices)
        if reply.log_likelihoods:
            # A choice that the model holds impossible has log-likelihood −∞, which JSON cannot say.
            row["log_likelihoods"] = [x if math.isfinite(x) else None for x in reply.log_likelihoods]
        yield row
