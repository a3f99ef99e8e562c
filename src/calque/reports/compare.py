"""Two systems on the same questions: the difference of their scores, its paired bootstrap interval and a test.

Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004: resample the questions,
not the answers of each system on their own, since a hard question is hard for both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calque.reports.run import Answer
from calque.reports.significance import LEVEL, bootstrap_p, detectable, mcnemar

REPLICATES = 2000
FEWEST = 20  # below this number of questions a bootstrap interval is too narrow to be believed


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, as a share; `low` and `high` bound its 95% interval; `n` questions were paired.

    Where no question has a gold answer it is not `graded`: more of it is neither better nor worse. `p` is that of McNemar's
    exact test where answers are right or wrong, else of the paired bootstrap; `corrected` is it after Holm's correction over
    all that a report tests; `detectable` is how large a difference would have been seen (`significance`).
    """

    value: float
    low: float
    high: float
    n: int
    graded: bool = True
    p: float = math.nan
    corrected: float = math.nan
    detectable: float = math.nan

    @property
    def verdict(self) -> str:
        """What the test allows to say, in words; the interval where there is none."""
        if not self.graded:
            return "not graded"
        if self.n < FEWEST:
            return "too few to say"
        p = self.p if math.isnan(self.corrected) else self.corrected
        if not math.isnan(p):
            if p >= LEVEL or not self.value:
                return "no difference shown"
            return "higher" if self.value > 0 else "lower"
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "no difference shown"


@dataclass(frozen=True, slots=True)
class Pair:
    """One question that both systems were asked: what each got, and the question's weight in the mean.

    It is `graded` where it has a gold answer.
    """

    first: float
    second: float
    weight: float = 1.0
    graded: bool = True


Pairs = Mapping[str, Pair]


def pair(
    first: Iterable[Answer], second: Iterable[Answer], metric: str, score: float = math.nan
) -> dict[str, Pair]:
    """The questions that both systems were asked, by id, as `metric` judged them.

    `correct` stands in for it in answers without any metrics; answers that it does not apply to are left out.

    Some benchmarks are the mean over items, others the mean over the means of their groups (tasks, subjects).
    The one that comes nearer to the second system's `score` gives the weights, so that a difference is one of
    the scores that stand in the table.
    """
    before = {answer.id: _value(answer, metric) for answer in first if _has(answer, metric)}
    both = {answer.id: answer for answer in second if answer.id in before and _has(answer, metric)}
    sizes = Counter(answer.group for answer in both.values())
    by_item = {
        id_: Pair(before[id_], _value(answer, metric), graded=bool(answer.golds))
        for id_, answer in both.items()
    }
    by_group = {
        id_: replace(by_item[id_], weight=len(both) / len(sizes) / sizes[answer.group])
        for id_, answer in both.items()
    }
    return min((by_item, by_group), key=lambda pairs: abs(_mean_of_second(pairs) - score)) if both else {}


def _has(answer: Answer, metric: str) -> bool:
    return metric in answer.metrics or not answer.metrics


def _value(answer: Answer, metric: str) -> float:
    return answer.metrics.get(metric, float(answer.correct))


def _mean_of_second(pairs: Pairs) -> float:
    return math.fsum(p.second * p.weight for p in pairs.values()) / math.fsum(
        p.weight for p in pairs.values()
    )


def difference(languages: Sequence[Pairs], seed: int) -> Difference | None:
    """Average the mean differences over the languages; None where nothing could be paired.

    A question that several languages share is drawn for all of them together, so that parallel test sets do
    not count as independent evidence. Questions with equal differences are drawn as one kind with its number:
    the same distribution, and no more memory than there are kinds.
    """
    languages = [pairs for pairs in languages if pairs]
    if not languages:
        return None
    ids = sorted({id_ for pairs in languages for id_ in pairs})
    nobody = Pair(0.0, 0.0, 0.0)
    rows = [[pairs.get(id_, nobody) for pairs in languages] for id_ in ids]
    weights = [[p.weight for p in row] for row in rows]
    gains = [[p.weight * (p.second - p.first) for p in row] for row in rows]
    kinds, counts = np.unique(np.hstack([weights, gains]), axis=0, return_counts=True)
    weight, gain = np.hsplit(kinds, 2)
    value = float(np.mean((counts @ gain) / (counts @ weight)))
    draws = np.random.default_rng(seed).multinomial(len(ids), counts / len(ids), size=REPLICATES)
    drawn = draws @ weight
    means = np.divide(draws @ gain, drawn, out=np.zeros_like(drawn), where=drawn > 0).mean(axis=1)
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    n, graded = sum(map(len, languages)), any(p.graded for pairs in languages for p in pairs.values())
    if not graded:
        return Difference(value, min(low, value), max(high, value), n, graded)
    exact, error = _right_or_wrong(languages), float(means.std())
    if exact:
        p = mcnemar(*_discordant(languages[0]))
    else:
        tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
        p = bootstrap_p(value, error, tail, REPLICATES, len(ids))
    seen = detectable(error, len(ids), exact)
    return Difference(value, min(low, value), max(high, value), n, graded, p, detectable=seen)


def _right_or_wrong(languages: Sequence[Pairs]) -> bool:
    """Whether McNemar's test applies: one language, answers right or wrong, all of the same weight."""
    found = [p for pairs in languages for p in pairs.values()]
    same = len({p.weight for p in found}) == 1
    return len(languages) == 1 and same and all({p.first, p.second} <= {0.0, 1.0} for p in found)


def _discordant(pairs: Pairs) -> tuple[int, int]:
    """How many questions the first alone got right, and the second alone."""
    return (
        sum(p.first > p.second for p in pairs.values()),
        sum(p.second > p.first for p in pairs.values()),
    )


def mean(values: Sequence[float]) -> float:
    """Average values where every one is known, else NaN: a mean over fewer languages compares unlike things."""
    return math.fsum(values) / len(values) if values else math.nan
