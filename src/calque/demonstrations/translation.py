"""Sentence pairs to translation-following demonstrations, both ways (CrossAlpaca, section 3).

One pass over the pairs, with memory for the drawn ones alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeVar

from calque.demonstrations.wordings import wordings
from calque.errors import DataError, Problem
from calque.randomness import rounds, stream
from calque.records import Demonstration, Message, SentencePair

if TYPE_CHECKING:
    import numpy as np

PromptLanguage = Literal["source", "english", "target"]
T = TypeVar("T")


def translation_demonstrations(
    pairs: Iterable[SentencePair],
    *,
    language: str,
    count: int | None,
    share_into_target: float = 0.5,
    prompt_language: PromptLanguage = "source",
    seed: int,
    shuffled: bool = False,
) -> list[Demonstration]:
    """`count` demonstrations (None: one of each pair) between English and `language`, drawn without replacement.

    round(count × share_into_target) of them lead from English into `language`, the others back; no pair serves
    twice. `prompt_language` is that of the request: of the text (`source`), `english`, or `language` (`target`). With
    `shuffled`, each sentence gets the translation of another one of those drawn: same texts, nothing to learn from the
    pairing. Raises `DataError` where there are fewer pairs than `count`.
    """
    drawn, seen = _draw(pairs, count, stream(seed, "translation", language, "draw"))
    if count is not None and len(drawn) < count:
        raise DataError(
            Problem(
                f"{count:,} translations are asked for, and there are {seen:,} sentence pairs: none is used twice",
                remedy=f"set the part's count to at most {seen}, or to all, or give more parallel text",
            )
        )
    if shuffled:
        drawn = _shuffled(drawn, stream(seed, "translation", language, "shuffle"))
    order = stream(seed, "translation", language, "order").permutation(len(drawn)).tolist()
    into = round(len(drawn) * share_into_target)
    made = []
    for source, target, chosen in (("en", language, order[:into]), (language, "en", order[into:])):
        asked_in = {"source": source, "english": "en", "target": language}[prompt_language]
        if not chosen:
            continue
        pool = wordings(asked_in)
        numbers = rounds(len(pool.texts), stream(seed, "translation", language, "wording", target))
        for i in chosen:
            request = Message("user", pool.ask(next(numbers), source, target), asked_in)
            made.append(_demonstration(drawn[i], request, target))
    mixed = stream(seed, "translation", language, "mix").permutation(len(made))
    return [made[i] for i in mixed.tolist()]


def _demonstration(pair: SentencePair, request: Message, target: str) -> Demonstration:
    sentence, translation = (pair.target, pair.english) if target == "en" else (pair.english, pair.target)
    answer = Message("assistant", translation, target, trained=True)
    return Demonstration("translation", (replace(request, input=sentence), answer), pair.provenance)


def _shuffled(pairs: list[SentencePair], random: np.random.Generator) -> list[SentencePair]:
    """Each English sentence with the next one's translation in a random circle, so that none keeps its own."""
    circle = [pairs[i] for i in random.permutation(len(pairs)).tolist()]
    return [
        replace(one, target=other.target) for one, other in zip(circle, circle[1:] + circle[:1], strict=True)
    ]


def _draw(items: Iterable[T], count: int | None, random: np.random.Generator) -> tuple[list[T], int]:
    """`count` of the items, each equally likely (Li 1994, algorithm L), and how many items there were."""
    stock = iter(items)
    if count is None:
        everything = list(stock)
        return everything, len(everything)
    if count == 0:
        return [], sum(1 for _ in stock)  # read on to the end: faults in the file show whatever the count
    drawn = list(islice(stock, count))
    seen = len(drawn)
    if seen < count:
        return drawn, seen
    weight = math.exp(math.log(1 - random.random()) / count)
    following = seen + _skip(weight, random)
    for item in stock:
        seen += 1
        if seen == following:
            drawn[int(random.integers(count))] = item
            weight *= math.exp(math.log(1 - random.random()) / count)
            following = seen + _skip(weight, random)
    return drawn, seen


def _skip(weight: float, random: np.random.Generator) -> int:
    """How many items on the next drawn one stands."""
    return math.floor(math.log(1 - random.random()) / math.log1p(-weight)) + 1
