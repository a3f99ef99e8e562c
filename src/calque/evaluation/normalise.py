"""Answers to comparable words. Three normalisers by name; a score says by which it was made.

`squad`   SQuAD 1.1's rules: lower case, ASCII punctuation deleted, English articles deleted, words by spaces.
          XQuAD's published figures use it for every language.
`mlqa`    MLQA's official rules for its seven languages: lower case, Unicode punctuation deleted, articles of the
          language deleted, words by spaces (Chinese: each character of U+4E00 to U+9FA5 is a word).
`calque`  ours, for every language of the registry (`folding` says how letters, digits and marks are unified).

`docs/normalisers.md` says where they differ and why, with worked cases that the tests hold it to.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import regex

from calque.errors import DataError, Problem
from calque.evaluation.folding import fold
from calque.languages import Language
from calque.languages import language as language_of

NormaliserName = Literal["squad", "mlqa", "calque"]
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Cuts a text into the words by which answers are compared. `words` is the rule itself."""

    name: NormaliserName
    language: str
    words: Callable[[str], Words]


@cache
def normaliser(name: NormaliserName, language: str) -> Normaliser:
    """The normaliser of that name for answers in `language`; a `DataError` where it has no rules for it."""
    known = language_of(language)
    if name == "squad":
        return Normaliser(name, known.code, squad_words)
    if name == "calque":
        return Normaliser(name, known.code, lambda text: calque_words(text, known))
    if name == "mlqa":
        if known.code not in MLQA_LANGUAGES:
            raise DataError(
                Problem(
                    f"MLQA has no official rules for {known.name} ({known.code})",
                    remedy="use the normaliser `calque`, which knows every language of the registry",
                )
            )
        return Normaliser(name, known.code, lambda text: mlqa_words(text, known.code))
    raise DataError(Problem(f"unknown normaliser {name!r}", remedy="known are: squad, mlqa, calque"))


def official(language: str) -> NormaliserName:
    """`mlqa` where MLQA has rules for the language, else `calque`."""
    return "mlqa" if language_of(language).code in MLQA_LANGUAGES else "calque"


_ASCII_PUNCTUATION: dict[int, int | None] = {ord(mark): None for mark in string.punctuation}


class _Punctuation(dict[int, int | None]):
    """For `str.translate`: deletes Unicode punctuation and leaves all else; filled as characters are met."""

    def __missing__(self, point: int) -> int | None:
        self[point] = None if unicodedata.category(chr(point)).startswith("P") else point
        return self[point]


_PUNCTUATION = _Punctuation(_ASCII_PUNCTUATION)


def _whole(*articles: str) -> re.Pattern[str]:
    # Not the regex package: there a combining mark belongs to the word, in `re` it ends it, as in the scripts.
    return re.compile(rf"\b(?:{'|'.join(articles)})\b")


_ENGLISH_ARTICLES = _whole("a", "an", "the")
_MLQA_ARTICLES: dict[str, re.Pattern[str] | None] = {
    "en": _ENGLISH_ARTICLES,
    "es": _whole("un", "una", "unos", "unas", "el", "la", "los", "las"),
    "hi": None,
    "vi": _whole("của", "là", "cái", "chiếc", "những"),
    "de": _whole("ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"),
    "ar": re.compile("ال"),  # the script's other alternative, \sال^, can match nowhere
    "zh": None,
}
MLQA_LANGUAGES = tuple(_MLQA_ARTICLES)
_MLQA_CHINESE = re.compile(r"[\u4e00-\u9fa5]|(?:(?![\u4e00-\u9fa5])\S)+")


def squad_words(text: str) -> Words:
    """SQuAD 1.1: English rules, whatever the language."""
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return tuple(_ENGLISH_ARTICLES.sub(" ", bare).split())


def mlqa_words(text: str, code: str) -> Words:
    """MLQA's official rules for one of `MLQA_LANGUAGES`, quirks included."""
    bare = text.lower().translate(_PUNCTUATION)
    articles = _MLQA_ARTICLES[code]
    if articles is not None:
        bare = articles.sub(" ", bare)
    if code != "zh":
        return tuple(bare.split())
    return tuple(word for run in bare.split() for word in _MLQA_CHINESE.findall(run))


_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]"
_CHARACTERS = regex.compile(rf"{_UNSPACED}\p{{M}}*|(?:(?!{_UNSPACED})\S)+")
_PREFIX_ARTICLES = {"ar"}  # where the article is written as one word with its noun


def calque_words(text: str, language: Language) -> Words:
    """Our rules, for every language of the registry; empty only if the text is blank."""
    words = tuple(fold(text, language).split()) or tuple(
        unicodedata.normalize("NFKC", text).casefold().split()
    )
    if language.words == "characters":
        words = tuple(piece for word in words for piece in _CHARACTERS.findall(word))
    if language.code in _PREFIX_ARTICLES:
        return tuple(_without_prefix(word, language.articles) for word in words)
    return tuple(word for word in words if word not in language.articles) or words


def _without_prefix(word: str, articles: Words) -> str:
    for article in articles:
        if word.startswith(article) and len(word) >= len(article) + 2:
            return word[len(article) :]
    return word
