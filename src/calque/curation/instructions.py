"""What a set of English instructions is like: what they ask for, in verb and noun, and how many are nearly the same.

Verb and noun are told without a parser: the first word, and the first word behind it that is no function word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from calque.near import near_duplicates, signatures

ALIKE = 0.7  # similarity from which two instructions are near-duplicates
_WORD = re.compile(r"[a-z']+")
_FUNCTION_WORDS = frozenset([
    "a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "every", "all", "no", "my",
    "your", "his", "her", "its", "our", "their", "me", "you", "him", "us", "them", "it", "i", "we", "they",
    "he", "she", "who", "what", "which", "whose", "and", "or", "but", "if", "of", "in", "on", "at", "to",
    "for", "from", "with", "by", "about", "as", "into", "is", "are", "was", "were", "be", "been", "being",
    "do", "does", "did", "can", "could", "will", "would", "should", "may", "might", "must", "not", "please",
    "short", "brief", "long", "detailed", "one", "two", "three", "four", "five", "good", "new", "following",
    "given", "how", "why", "when", "where",
])  # fmt: skip


def verb_noun(instruction: str) -> tuple[str, str]:
    """The first word, and the first one behind it that is no function word; an empty string for one that is not there."""
    words = _WORD.findall(instruction.lower())
    if words[:1] == ["please"]:
        words = words[1:]
    verb = words[0] if words else ""
    return verb, next((word for word in words[1:] if word not in _FUNCTION_WORDS), "")


def verb_nouns(instructions: Iterable[str]) -> Counter[tuple[str, str]]:
    """How often each pair of verb and noun occurs."""
    return Counter(map(verb_noun, instructions))


def near_duplicate_instructions(instructions: Sequence[str]) -> int:
    """How many instructions are nearly the same as an earlier one (Jaccard similarity of 5-grams of characters, 0.7)."""
    return int((near_duplicates(signatures(instructions), threshold=ALIKE) >= 0).sum())
