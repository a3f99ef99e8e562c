"""The answers of finished runs, and what they selected, as tables: seeds × items, for each system, language asked, family, split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calque.corpora.json_rows import read_rows
from calque.errors import Problem, RunError
from calque.lab.prove.carry_out import variant_run
from calque.lab.prove.crossed import Table
from calque.lab.prove.experiment import Experiment, Split
from calque.lab.prove.selections import Shares, read_selections
from calque.lab.tasks import REQUESTS
from calque.lab.truth import Truth
from calque.records import Rejected

METRICS = {
    "xquad": "exact_match",
    "mlqa": "exact_match",
    "mmlu": "accuracy_choice",
    "mmlu_cloze": "accuracy_cloze",
    "bbh": "exact_match",
}
SPOKEN = ("xquad", "mlqa", "bbh", "open")  # benchmarks whose answers have a language


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer: whether it is right by its benchmark's rules, in which language it is, whether its value is covered.

    Of open questions, right is what is true and in the language that was asked for. `fact` is right in any language. Of texts
    that were requested there is a second item (group `…-text`): whether it is a text at all, of whomever.
    """

    score: float
    fact: float
    language: str
    covered: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """Whose answers, to questions in which language: `asked` is x or en."""

    system: str
    asked: str


Answers = dict[Key, dict[int, dict[str, Graded]]]  # by seed and item


class Results:
    """All graded answers of an experiment in one language, and what its selections kept."""

    def __init__(
        self, experiment: Experiment, language: str, answers: Answers, shares: Shares | None = None
    ) -> None:
        self.experiment = experiment
        self.language = language
        self.answers = answers
        self.shares = shares or {}

    @property
    def keys(self) -> list[Key]:
        """All of which something is known: systems as they were asked, and selections."""
        return list(dict.fromkeys((*self.answers, *(Key(name, "x") for name in self.shares))))

    def table(self, key: Key, family: str, split: Split = "all", measure: str = "score") -> Table:
        """Seeds × items of a measure (`score`, `fact`, `language`); no items where nothing was asked.

        The items of a family of selections are passages, and all its table has is a score.
        """
        if share := self.experiment.share(family):
            known = (key.asked, split, measure) == ("x", "all", "score")
            rows = self.shares.get(key.system, {}).get(share, []) if known else []
            return np.array(rows) if rows else np.zeros((0, 0))
        by_seed = self.answers.get(key, {})
        if not by_seed:
            return np.zeros((0, 0))
        first = next(iter(by_seed.values()))
        wanted = set(self.experiment.families[family])
        items = [
            item
            for item, graded in first.items()
            if wanted.intersection(graded.groups)
            and split in ("all", "covered" if graded.covered else "uncovered")
        ]
        code = self.language if key.asked == "x" else "en"
        return np.array([[_value(answers[i], measure, code) for i in items] for answers in by_seed.values()])

    def languages_of(self, key: Key, family: str) -> Mapping[str, float]:
        """Shares of answers by their language: that asked for (`asked`), `en` or another code, `?`."""
        wanted = set(self.experiment.families[family])
        code = self.language if key.asked == "x" else "en"
        found = [
            "asked" if graded.language in (code, "any") else graded.language
            for answers in self.answers.get(key, {}).values()
            for graded in answers.values()
            if wanted.intersection(graded.groups)
        ]
        return {name: found.count(name) / len(found) for name in sorted(set(found))}


def _value(graded: Graded, measure: str, code: str) -> float:
    if measure == "language":
        return float(graded.language in (code, "any"))
    return graded.fact if measure == "fact" else graded.score


def read_results(
    experiment: Experiment, language: str, runs: Mapping[int, Path], truths: Mapping[str, Truth]
) -> Results:
    """Grade the answers of runs by seed. `truths` are those of questions in x and in en.

    Raises `RunError` where a run lacks a benchmark that its fellows have.
    """
    answers: Answers = {}
    for seed, folder in runs.items():
        for key, benchmark, path in _evaluations(experiment, language, folder):
            graded = answers.setdefault(key, {}).setdefault(seed, {})
            code = language if key.asked == "x" else "en"
            graded.update(_grade(benchmark, path, truths[key.asked], code))
    shares = read_selections(experiment, language, runs, truths["x"].world)
    for key, by_seed in answers.items():
        if len({frozenset(items) for items in by_seed.values()}) > 1 or len(by_seed) < len(runs):
            raise RunError(
                Problem(f"{key.system} was not asked the same by every seed", remedy="run prove again")
            )
    return Results(experiment, language, answers, shares)


def _evaluations(experiment: Experiment, language: str, folder: Path) -> Iterator[tuple[Key, str, Path]]:
    for system in experiment.asked:
        variant, _, bare = system.rpartition("/")
        name, at, way = bare.partition("@")
        steps = variant_run(folder, variant) / "steps"
        for benchmark in [*METRICS, "open"]:
            for asked, code in (("x", language), ("en", "en")):
                for called in (f"{name}{at}{way}", f"{name}-{language}{at}{way}"):
                    path = steps / f"evaluate-{called}-{benchmark}-{code}" / "answers.jsonl"
                    if path.is_file():
                        yield Key(system, asked), benchmark, path


def _grade(benchmark: str, path: Path, truth: Truth, code: str) -> Iterator[tuple[str, Graded]]:
    for row in read_rows(path):
        if isinstance(row, Rejected):
            raise RunError(Problem(f"is damaged: {row.detail}", str(path), row.row))
        answer: Any = row.value
        verdict = truth.verdict(benchmark.removesuffix("_cloze"), answer["id"], answer["answer"])
        spoken = verdict.language in (code, "any") or answer["group"] == "from"  # a translation into English
        right = answer["metrics"][METRICS[benchmark]] if benchmark in METRICS else verdict.right * spoken
        graded = Graded(
            score=float(right),
            fact=float(verdict.right) if benchmark in SPOKEN else float(right),
            language=verdict.language,
            covered=truth.covered(benchmark.removesuffix("_cloze"), answer["id"]),
            groups=(benchmark, f"{benchmark}/{answer['group']}"),
        )
        yield f"{benchmark}/{answer['id']}", graded
        if answer["group"] in REQUESTS:
            formed = truth.well_formed(answer["answer"])
            groups = (f"{benchmark}/{answer['group']}-text",)
            yield (
                f"{benchmark}/{answer['id']}-text",
                replace(graded, score=formed, fact=formed, groups=groups),
            )
