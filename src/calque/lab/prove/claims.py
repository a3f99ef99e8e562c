"""Results to rows: a row for every system and family, a row for every claim and way of comparing. All figures of the page are here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np

from calque.errors import Problem, RunError
from calque.lab.prove.crossed import Estimate, Table, estimate, holm, ratio
from calque.lab.prove.experiment import Claim, Experiment, Split
from calque.lab.prove.measure import Key, Results

MEAN = "mean"  # the language of rows that are means over several


@dataclass(frozen=True, slots=True)
class Result:
    """How well a system does on a family in a language: the share of right answers, over seeds and items."""

    experiment: str
    language: str
    asked: str
    system: str
    family: str
    split: str
    measure: str
    value: float
    low: float
    high: float
    seeds: int
    items: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim under one way of comparing: the paired difference, and what may be said of it.

    `p_corrected` is corrected for the number of findings of the experiment in the language (Holm 1979). `kept` is, where the
    claim asks for it, the share of the baseline's value that the method has.
    """

    experiment: str
    language: str
    claim: int
    says: str
    paper: str
    comparison: str
    family: str
    asked: str
    split: str
    measure: str
    method: str
    baseline: str
    method_value: float
    baseline_value: float
    effect: float
    low: float
    high: float
    p: float
    p_corrected: float
    seeds: int
    items: int
    verdict: str
    kept: float | None = None
    kept_low: float | None = None
    kept_high: float | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much tuning a system got: optimiser steps and trained tokens, means over seeds."""

    experiment: str
    language: str
    system: str
    steps: float
    trained_tokens: float


def results_of(results: Sequence[Results]) -> Iterator[Result]:
    """A row for each system, language asked, family, split and measure; with several languages, their means too."""
    for language, group in _groups(results):
        first = group[0]
        for key in first.keys:
            for family in first.experiment.families:
                for split in get_args(Split):
                    for measure in ("score", "fact", "language"):
                        found = _estimate(group, key, family, split, measure)
                        if found is not None:
                            yield Result(
                                first.experiment.name, language, key.asked, key.system, family, split, measure,
                                found.value, found.low, found.high, found.seeds, found.items,
                            )  # fmt: skip


def findings_of(results: Sequence[Results]) -> Iterator[Finding]:
    """Every claim under every way of comparing, by language; with several languages, for their mean too.

    Raises `RunError` where nothing was measured that a claim speaks of: it would be missing among those corrected for.
    """
    for language, group in _groups(results):
        experiment = group[0].experiment
        found = [
            finding
            for number, claim in enumerate(experiment.claims, start=1)
            for finding in _findings(group, experiment, language, number, claim)
        ]
        corrected = holm([finding.p for finding in found])
        yield from (replace(f, p_corrected=p) for f, p in zip(found, corrected, strict=True))


def _findings(
    group: Sequence[Results], experiment: Experiment, language: str, number: int, claim: Claim
) -> Iterator[Finding]:
    for comparison, baseline in claim.against.items():
        keys = (Key(claim.method, claim.asked), Key(baseline, claim.against_asked or claim.asked))
        families = (claim.family, claim.against_family or claim.family)
        tables = [
            _table(group, key, family, claim.split, claim.measure)
            for key, family in zip(keys, families, strict=True)
        ]
        if not all(table.size for table in tables):
            what = f"claim {number} of {experiment.name} ({comparison}, in {language}) has nothing to go by"
            remedy = "mend the experiment: both must be measured by the claim's family, or by against_family"
            raise RunError(Problem(what, remedy=remedy))
        found = estimate(tables[0] - tables[1])
        share = ratio(*tables) if claim.as_share else None
        yield Finding(
            experiment=experiment.name,
            language=language,
            claim=number,
            says=claim.says,
            paper=claim.paper,
            comparison=comparison,
            family=claim.family,
            asked=claim.asked,
            split=claim.split,
            measure=claim.measure,
            method=claim.method,
            baseline=baseline,
            method_value=float(tables[0].mean()),
            baseline_value=float(tables[1].mean()),
            effect=found.value,
            low=found.low,
            high=found.high,
            p=found.p,
            p_corrected=math.nan,
            seeds=found.seeds,
            items=found.items,
            verdict=found.verdict,
            kept=None if share is None else share.value,
            kept_low=None if share is None else share.low,
            kept_high=None if share is None else share.high,
        )


def _groups(results: Sequence[Results]) -> Iterator[tuple[str, Sequence[Results]]]:
    """Each language by itself, then all of them."""
    for one in results:
        yield one.language, [one]
    if len(results) > 1:
        yield MEAN, results


def _estimate(group: Sequence[Results], key: Key, family: str, split: Split, measure: str) -> Estimate | None:
    table = _table(group, key, family, split, measure)
    return estimate(table) if table.size and table.shape[1] > 1 else None


def _table(group: Sequence[Results], key: Key, family: str, split: Split, measure: str) -> Table:
    """The mean over languages of the tables, item by item: the items are the same in all of them."""
    return np.asarray(np.mean([results.table(key, family, split, measure) for results in group], axis=0))


def rounded(row: Result | Finding) -> dict[str, Any]:
    """The row of results.jsonl or claims.jsonl."""
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(row).items()}
