"""Whether an answer is in the language that was asked for, where there is enough of it to tell.

`in_language` is the share of such answers. Those of fewer than five words (`word_count`), as short spans and single
numbers are, do not count; the signature says how many were skipped.
"""

from __future__ import annotations

from calque.evaluation.benchmark import Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.word_count import word_count

FEWEST_WORDS = 5
# Told apart by few words: either is taken for the other, as in SEA-HELM.
_HARDLY_ANOTHER = {"id": "ms", "ms": "id"}


def in_language(text: str, language: str) -> bool | None:
    """Whether a text is in the language; None where it is too short to tell."""
    if word_count(text, language) < FEWEST_WORDS and len(text.split()) < FEWEST_WORDS:
        return None
    return is_in(text, language)


def is_in(text: str, language: str) -> bool:
    """Whether a text is in the language, however short it is."""
    from calque.identify import identify

    return identify(text).code in (language, _HARDLY_ANOTHER.get(language))


def _grade(item: Item, reply: Reply) -> dict[str, float]:
    found = in_language(reply.text, item.language)
    return {} if found is None else {"in_language": float(found)}


LANGUAGE = Grader("identify", ("in_language",), _grade)
