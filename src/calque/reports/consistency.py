"""Whether a system knows in one language what it knows in another: the same questions asked in both, verdict by verdict.

Two accuracies may be equal although other questions are right in each. `same` is the share of questions that are right in
both or wrong in both; `kappa` (Cohen 1960) is how far that goes beyond what the two accuracies alone would give by chance
(0), 1 being the same questions. Qi, Fernández, Bisazza, "Cross-Lingual Consistency of Factual Knowledge", EMNLP 2023, ask
the like of candidates' ranks. Only where ids say that the questions are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from calque.reports.compare import FEWEST, REPLICATES
from calque.reports.run import Run, System
from calque.reports.verdict import ENGLISH, benchmarks

SHARED = 0.9  # of the shorter list of ids: fewer in common are numbers that happen to be alike


@dataclass(frozen=True, slots=True)
class Consistency:
    """A system on `n` questions of a benchmark asked in two languages; shares of questions, and kappa with its 95% interval.

    Kappa is NaN where all answers in a language are right, or all wrong.
    """

    system: System
    benchmark: str
    languages: tuple[str, str]
    n: int
    both: float
    only_first: float
    only_second: float
    kappa: float
    low: float
    high: float

    @property
    def same(self) -> float:
        """The share with the same verdict."""
        return 1.0 - self.only_first - self.only_second


def consistency(run: Run) -> tuple[Consistency, ...]:
    """Each system in English and in each other language that it was asked in; in all pairs where not in English."""
    return tuple(_found(run))


def _found(run: Run) -> Iterator[Consistency]:
    for benchmark in benchmarks(run):
        for system in run.manifest.systems:
            asked = [ENGLISH, *run.manifest.languages]
            verdicts = {language: _verdicts(run, system.name, benchmark, language) for language in asked}
            told = [language for language, of in verdicts.items() if of]
            pairs = combinations(told, 2) if ENGLISH not in told else [(ENGLISH, x) for x in told[1:]]
            for first, second in pairs:
                one, other = verdicts[first], verdicts[second]
                ids = sorted(one.keys() & other.keys())
                if len(ids) >= max(FEWEST, SHARED * min(len(one), len(other))):
                    yield _compared(
                        system,
                        benchmark,
                        (first, second),
                        [(one[i], other[i]) for i in ids],
                        run.manifest.seed,
                    )


def _verdicts(run: Run, system: str, benchmark: str, language: str) -> dict[str, bool]:
    return {answer.id: answer.correct for answer in run.graded(system, benchmark, language) if answer.golds}


def _compared(
    system: System, benchmark: str, languages: tuple[str, str], verdicts: list[tuple[bool, bool]], seed: int
) -> Consistency:
    cells = ((True, True), (True, False), (False, True), (False, False))
    counts = np.array([verdicts.count(cell) for cell in cells], dtype=np.float64)
    n = len(verdicts)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=REPLICATES).astype(np.float64)
    (kappa,), kappas = _kappas(counts[np.newaxis, :]), _kappas(drawn)
    low = high = math.nan
    if not math.isnan(kappa):
        low, high = (float(bound) for bound in np.nanquantile(kappas, [0.025, 0.975]))
        low, high = min(low, float(kappa)), max(high, float(kappa))
    both, first, second, _ = (float(share) for share in counts / n)
    return Consistency(system, benchmark, languages, n, both, first, second, float(kappa), low, high)


def _kappas(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cohen's kappa of each row of [both, first alone, second alone, neither]."""
    both, first, second, neither = (counts / counts.sum(axis=1, keepdims=True)).T
    one, other = both + first, both + second
    chance = one * other + (1 - one) * (1 - other)
    varied = (one > 0) & (one < 1) & (other > 0) & (other < 1)
    kappa: npt.NDArray[np.float64] = np.divide(
        both + neither - chance, 1 - chance, out=np.full_like(chance, np.nan), where=varied
    )
    return kappa
