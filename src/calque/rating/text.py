"""Texts for the page, paragraph by paragraph, each with its direction."""

from __future__ import annotations

import unicodedata

from calque.languages import LANGUAGES

_RIGHT_TO_LEFT = ("R", "AL")
_OWN = 1 / 3  # share of letters of the language's own direction, below which a line is of the other one


def paragraphs(text: str, language: str) -> list[tuple[str, str]]:
    """The lines of a text, each with `ltr` or `rtl`: that of the language, unless most letters are of the other.

    So an English answer to an Arabic question reads as English, and an Arabic one that begins with a Latin name as
    Arabic. Empty lines at the ends are left out.
    """
    return [(direction(line, language), line) for line in text.strip("\n").split("\n")]


def direction(text: str, language: str) -> str:
    """`rtl` or `ltr`."""
    classes = [unicodedata.bidirectional(c) for c in text]
    letters = {"rtl": sum(c in _RIGHT_TO_LEFT for c in classes), "ltr": classes.count("L")}
    own = direction_of(language)
    other = "ltr" if own == "rtl" else "rtl"
    return other if letters[own] < _OWN * sum(letters.values()) else own


def direction_of(language: str) -> str:
    """The direction in which a language is written; `ltr` for one that the registry does not know."""
    return LANGUAGES[language].direction if language in LANGUAGES else "ltr"
