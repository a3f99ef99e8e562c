"""Which option a free answer means."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import regex

from calque.evaluation.normalise import normaliser
from calque.evaluation.wording import LETTERS


def parse(answer: str, choices: Sequence[str], language: str) -> str:
    """The letter of the option that an answer means; "" if none can be read.

    In this order, on the answer in NFKC form (so that Ａ is A):
    1. the answer is one letter, maybe among punctuation: that letter, small ones too (`b`, `(B)`, `B.`);
    2. the answer equals the text of exactly one option under the normaliser `calque`, with or without that
       option's letter in front (`B. Rome`);
    3. the first capital letter of an option that stands alone: next to no Latin letter, digit, mark or apostrophe
       (`The answer is C`, `答案是C。`). An `A` before a space and a small Latin letter is an article, no answer.
    """
    text = unicodedata.normalize("NFKC", answer).strip()
    letters = LETTERS[: len(choices)]
    alone = regex.sub(r"[\p{P}\p{S}\s]", "", text).upper()
    if len(alone) == 1 and alone in letters:
        return str(alone)
    words = normaliser("calque", language).words
    said = words(text)
    options = [(letter, words(choice)) for letter, choice in zip(letters, choices, strict=True)]
    same = [letter for letter, option in options if said in (option, (letter.lower(), *option))]
    if len(same) == 1:
        return same[0]
    found = regex.search(
        rf"(?<![\p{{Latin}}\p{{N}}\p{{M}}'’])(?!A\s\p{{Ll}})[{letters}](?![\p{{Latin}}\p{{N}}\p{{M}}'’])",
        text,
    )
    return str(found[0]) if found else ""
