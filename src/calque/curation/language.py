"""Filters on the language of a text, as a whole and line by line."""

from __future__ import annotations

from calque.curation.drop import Drop
from calque.identify import UNDETERMINED, identify

LONG_ENOUGH = 60  # characters of a line whose language can be told


def wrong_language(text: str, language: str, *, sure: float) -> Drop | None:
    """`wrong_language`: the text is in another, as far as that is `sure`, or in none that can be told.

    Near relatives (Indonesian and Malay) are often taken for one another, and then with little confidence.
    """
    guess = identify(text)
    if guess.code != language and (guess.confidence >= sure or guess.code == UNDETERMINED):
        return Drop("wrong_language", f"is in {guess.code} ({guess.confidence:.2f}), not in {language}")
    return None


def mixed_languages(text: str, language: str, *, least: float, sure: float) -> Drop | None:
    """`mixed_languages`: of the characters in lines long enough to tell (60), too small a share is in the language."""
    lines = [line for raw in text.split("\n") if len(line := raw.strip()) >= LONG_ENOUGH]
    if len(lines) < 2:
        return None
    others: dict[str, int] = {}
    for line in lines:
        guess = identify(line)
        if guess.code not in (language, UNDETERMINED) and guess.confidence >= sure:
            others[guess.code] = others.get(guess.code, 0) + len(line)
    share = 1 - sum(others.values()) / sum(map(len, lines))
    if share < least:
        most = max(others, key=lambda code: (others[code], code))
        detail = f"characters in {language}: {share:.2f}, at least {least:.2f}; most of the rest is in {most}"
        return Drop("mixed_languages", detail)
    return None
