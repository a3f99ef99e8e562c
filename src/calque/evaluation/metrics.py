"""How right a short answer is: exact match, F1 over words, containment; the best over all golds counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from calque.evaluation.normalise import Normaliser, Words


@dataclass(frozen=True, slots=True)
class Match:
    """Exact match, F1 and containment of one answer, each in [0, 1]."""

    exact_match: float
    f1: float
    containment: float


def match(answer: str, golds: Sequence[str], rules: Normaliser) -> Match:
    """The best of each measure over all golds, words being cut by `rules`. There must be a gold."""
    words = rules.words(answer)
    targets = [rules.words(gold) for gold in golds]
    return Match(
        exact_match=max(float(words == target) for target in targets),
        f1=max(f1(words, target) for target in targets),
        containment=max(float(contains(words, target)) for target in targets),
    )


def f1(answer: Words, gold: Words) -> float:
    """Harmonic mean of precision and recall over bags of words; 0 where none is shared, as in the official scripts.

    So two texts that are both empty after normalisation have exact match 1 and F1 0, there as here.
    """
    shared = sum((Counter(answer) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def contains(answer: Words, gold: Words) -> bool:
    """Whether the words of the gold stand in the answer, one after another; no words only in no words."""
    if not gold:
        return not answer
    return any(answer[i : i + len(gold)] == gold for i in range(len(answer) - len(gold) + 1))


def findable(context: str, golds: Sequence[str], rules: Normaliser) -> bool:
    """Whether some gold stands in the text it is to be found in, to the letter or after normalisation."""
    if any(gold in context for gold in golds):
        return True
    words = rules.words(context)
    return any(contains(words, rules.words(gold)) for gold in golds)
