"""What is asked of a benchmark's files, known before any model is: the items, and what is put aside, with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.errors import DataError, Problem, UsageError
from calque.evaluation import shots as few
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.benchmarks import benchmark_of
from calque.evaluation.items import Item, ItemSet
from calque.evaluation.shots import NONE, Shots
from calque.evaluation.source import digest, gather
from calque.evaluation.wording import AS_IT_STANDS, Wording, prompt_language_of, wording
from calque.languages import language as language_of
from calque.randomness import stream
from calque.records import Rejected

ASKED_TWICE = "asked_twice"
SHOWN = "shown_as_example"  # in place of being asked


def items_of(
    benchmark: str,
    files: Sequence[str | Path],
    language: str,
    *,
    prompt_language: str = "item",
    limit: int | None = None,
    shots: Shots = NONE,
) -> ItemSet:
    """What would be asked, without a model: the items, and the rows put aside with their reasons.

    The arguments are those of `evaluate`. Raises `DataError` where no item is left, which is how files of another benchmark show.
    """
    if limit is not None and limit < 1:
        raise UsageError(Problem(f"limit is {limit}: at least one item must be asked"))
    made, code = benchmark_of(benchmark), language_of(language).code
    found = gather(files, made.ending, made.folders)
    words = wording_for(made, code, prompt_language)
    items: list[Item] = []
    dropped: list[Rejected] = []
    for row in made.read(found, made.answer_language(found, code), words):
        if isinstance(row, Item):
            items.append(row)
        else:
            dropped.append(row)
    drawn = _draw(len(items), limit)
    shown = few.Shown({})
    if shots.count:

        def others(files: Sequence[Path]) -> Iterator[Item]:
            rows = made.read(files, made.answer_language(files, code), words)
            return (row for row in rows if isinstance(row, Item))

        shown = few.choose(made, shots, found, items, drawn, others)
    dropped += [put_aside(item, SHOWN) for item in items if item.id in shown.taken]
    left = [(i, item) for i, item in enumerate(items) if item.id not in shown.taken]
    dropped += [put_aside(item, "not_drawn") for i, item in left if i not in drawn]
    kept = tuple(item for i, item in left if i in drawn)
    notes = [put_aside(item, "gold_not_in_context") for item in kept if not item.answerable]
    notes += [put_aside(item, ASKED_TWICE) for item in _repeated(kept)]
    with_examples = tuple(few.shown_before(made, shots, shown, item) for item in kept)
    asked = ItemSet(
        with_examples, tuple(dropped), tuple(notes), len(left), digest(found), shots.signature(shown)
    )
    if not kept:
        reasons = ", ".join(f"{n:,} × {reason}" for reason, n in asked.reasons().items())
        message = f"{benchmark}: no item is left to ask; put aside: {reasons or 'nothing'}"
        remedy = f"give the files of {benchmark} in their official form"
        raise DataError(Problem(message, str(found[0]), remedy=remedy))
    return asked


def _repeated(items: Sequence[Item]) -> Iterator[Item]:
    """Those that ask what an earlier one asks, word for word and with the same options; they count all the same."""
    seen: set[tuple[object, ...]] = set()
    for item in items:
        if item.content in seen:
            yield item
        seen.add(item.content)


def wording_for(made: Benchmark, code: str, prompt_language: str) -> Wording:
    """The texts in which a benchmark in language `code` is asked; `prompt_language` as in `items_of`."""
    if made.form is None:
        return AS_IT_STANDS
    return wording(
        made.form, prompt_language_of(made.form, code) if prompt_language == "item" else prompt_language
    )


def _draw(total: int, limit: int | None) -> frozenset[int]:
    """Which items are asked: drawn at random, a smaller draw part of a larger; the same for every language, seed and run."""
    if limit is None or limit >= total:
        return frozenset(range(total))
    return frozenset(stream(0, "limit").permutation(total)[:limit].tolist())


def put_aside(item: Item, reason: str, more: str = "") -> Rejected:
    """The row of an item that is not asked, or of which something is to be told."""
    return Rejected(item.provenance.dataset, item.provenance.row, reason, item.id + more)
