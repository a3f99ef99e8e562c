"""Texts as they are compared: without case, forms, marks that come and go, and punctuation; in words or in characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import regex

_JOINT = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # scripts without spaces between words
_UNITS = regex.compile(rf"[{_JOINT}]\p{{M}}*|(?:(?![{_JOINT}])[\p{{L}}\p{{N}}\p{{M}}])+")
_JOINT_ONE = regex.compile(rf"[{_JOINT}]")
_ASCII = regex.compile(r"[a-z0-9]+")
_ENDS = regex.compile(r"[.!?:;\n\u3002\uff01\uff1f\uff1a\uff1b\u061f\u061b\u06d4\u0964\u2026]+")
_COMES_AND_GOES = dict.fromkeys((1600, *range(1611, 1632), 1648, 775))  # vowels, kashida, a dot
_DIGIT = regex.compile(r"(?![0-9])\p{Nd}")


def folded(text: str) -> str:
    """The text with one form for each letter and digit."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_COMES_AND_GOES)
    return str(_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), plain))


def units(text: str) -> list[str]:
    """The words of a text; of a script that puts no spaces between words, its characters with their marks."""
    plain = folded(text)
    return list((_ASCII if plain.isascii() else _UNITS).findall(plain))


def squeezed(text: str) -> str:
    """Its letters, digits and marks alone."""
    return "".join(units(text))


def sentences(text: str) -> list[str]:
    """Pieces between full stops, question marks, colons and line ends of all scripts."""
    return [piece for piece in _ENDS.split(text) if piece.strip()]


def in_characters(found: Sequence[str]) -> bool:
    """Whether most units of a text are characters of a script without spaces."""
    text = "".join(found)
    return not text.isascii() and len(_JOINT_ONE.findall(text)) * 2 > len(found)
