"""How good a judge is, on answers whose worth is known: it has to tell right ones from others before its verdicts count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calque.evaluation.judge import Contest, Judged
from calque.evaluation.statistics import mean_interval
from calque.randomness import stream

KINDS = ("shuffled", "other_language", "cut")
CUT = 0.25  # share of its characters that is left of an answer cut short
ITEMS = 100


@dataclass(frozen=True, slots=True)
class Known:
    """A question and a right answer to it; `elsewhere` is a right answer in another language, where there is one."""

    item: str
    question: str
    answer: str
    language: str
    elsewhere: str = ""


def known_contests(known: Sequence[Known], seed: int, items: int = ITEMS) -> Iterator[tuple[str, Contest]]:
    """Contests whose second answer is right, by kind of the first: another question's, in another language, cut short."""
    order = stream(seed, "judge").permutation(len(known)).tolist()[:items]
    drawn = [known[i] for i in order]
    for i, right in enumerate(drawn):
        other = drawn[(i + 1) % len(drawn)].answer
        wrong = {
            "shuffled": other,
            "other_language": right.elsewhere,
            "cut": right.answer[: int(len(right.answer) * CUT)],
        }
        for kind in KINDS:
            if wrong[kind].strip() and wrong[kind] != right.answer:
                yield (
                    kind,
                    Contest(
                        f"{kind}/{right.item}", right.question, wrong[kind], right.answer, right.language
                    ),
                )


def quality(kinds: Sequence[str], judged: Sequence[Judged], seed: int, usable_from: float) -> dict[str, Any]:
    """Of each kind the share of right answers preferred in both orders, with its interval; and whether that is enough.

    A tie, a flip or no verdict is no right verdict. The judge is usable if every kind reaches `usable_from`.
    """
    by_kind: dict[str, list[float]] = {}
    for kind, found in zip(kinds, judged, strict=True):
        by_kind.setdefault(kind, []).append(float(found.winner == "second"))
    rows: Mapping[str, Any] = {
        kind: {"n": len(values), "right": found.value, "low": found.low, "high": found.high}
        for kind, values in by_kind.items()
        for found in [mean_interval(values, seed)]
    }
    usable = bool(rows) and all(row["right"] >= usable_from for row in rows.values())
    return {"kinds": dict(rows), "usable_from": usable_from, "usable": usable}
