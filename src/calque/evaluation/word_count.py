"""How many words a text has, in languages that write no spaces between them too.

Spaces where the language has them. Chinese, Japanese and Thai: budoux's phrases (after Google's BudouX), which are
words, or in Japanese a word with its particles, so that there are fewer of them than a morphological analyser would
count. Khmer, Lao and Burmese: four letters (marks not counted) to a word, for want of a segmenter; a mean, no segmentation.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

LETTERS_PER_WORD = 4
_COUNTED_BY_LETTERS = ("km", "lo", "my")


def word_count(text: str, language: str) -> int:
    """The number of words (see above)."""
    if language in _COUNTED_BY_LETTERS:
        return sum(unicodedata.category(c) == "Lo" for c in text) // LETTERS_PER_WORD
    if language in ("zh", "ja", "th"):
        return sum(len(_parser(language).parse(run)) for run in text.split())
    return len(text.split())


@cache
def _parser(language: str) -> Any:
    import budoux

    if language == "zh":
        return budoux.load_default_simplified_chinese_parser()
    if language == "ja":
        return budoux.load_default_japanese_parser()
    return budoux.load_default_thai_parser()
