"""Filters on the lines of a text, and lines that are taken out of it: navigation, cookie notices, credits."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import yaml

from calque.curation.drop import Drop, too_high

_BULLET = re.compile(r"[-*•‣◦▪●○■□►▶➤·–—*+]\s|\(?\d{1,3}[.)]\s")
_DOTS = ("...", "…")
_CUT = re.compile(r"(?:\.\.\.|…|,|;|:|-|–|—|\[\.\.\.\]|\[…\]|\(…\)|\(\.\.\.\))$")
_ENDS = ".!?。！？．؟۔।॥။។։።፧｡‼⁇⁉"
_NOTES = re.compile(r"(?:\s*\[\d{1,3}\])+$")  # of an encyclopedia
_CLOSING = "\"'”’»«›‹)]}）】」』〉》*_“‘„\u200f\u200e"
_LONGEST = 200  # characters of a line that is nothing but boilerplate
_LEAST = 0.2  # of such a line is made of the phrases: a sentence may speak of cookies too


def bullets(text: str, *, most: float) -> Drop | None:
    """`bullets`: lines that are items of a list, as a share of all."""
    lines = _lines(text)
    share = sum(1 for line in lines if _BULLET.match(line)) / max(1, len(lines))
    return too_high("bullets", "lines that are list items", share, most)


def ellipses(text: str, *, most: float) -> Drop | None:
    """`ellipses`: lines that break off with dots, as the teasers of other pages do, as a share of all."""
    lines = _lines(text)
    share = sum(1 for line in lines if line.endswith(_DOTS)) / max(1, len(lines))
    return too_high("ellipses", "lines that end in dots", share, most)


def cut_off(text: str, *, without_stops: bool) -> Drop | None:
    """`cut_off`: the text ends amid a sentence. A last list item may end as it likes.

    `without_stops` is of languages that end no sentence with a sign (Thai): there only dots, commas and the like tell.
    """
    last = _NOTES.sub("", text.rstrip().rpartition("\n")[2].strip())
    bare = last.rstrip(_CLOSING)
    if _CUT.search(last) or _CUT.search(bare):
        return Drop("cut_off", f"ends with {last[-20:]!r}")
    if without_stops or _BULLET.match(last) or bare[-1:] in _ENDS:
        return None
    return Drop("cut_off", f"ends with {last[-20:]!r}")


def without_boilerplate(text: str, language: str) -> tuple[str, int]:
    """The text without lines that are nobody's words, and how many characters they had.

    Such a line has at most 200 characters, of which phrases of the language or of English (`boilerplate.yaml`) make a
    fifth, or begins as credits do.
    """
    folded = text.casefold()
    found = [phrase for phrase in phrases(language) if phrase in folded]
    if not found and not any(credit in folded for credit in _credits()):
        return text, 0
    kept, taken = [], 0
    for line in text.split("\n"):
        if len(line) <= _LONGEST and line.strip(" \t-*•") and _is_boilerplate(line.casefold(), found):
            taken += len(line.strip())
        else:
            kept.append(line)
    if not taken:
        return text, 0
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), taken


def _is_boilerplate(line: str, found: list[str]) -> bool:
    bare = line.lstrip(" \t-*•")
    inside = sum(len(phrase) for phrase in found if phrase in line)
    return inside >= _LEAST * len(bare) or bare.startswith(_credits())


@cache
def phrases(language: str) -> tuple[str, ...]:
    """The phrases of boilerplate in a language and in English, in lower case."""
    by_language = _data()["phrases"]
    return tuple(dict.fromkeys(p.casefold() for code in (language, "en") for p in by_language.get(code, ())))


@cache
def _credits() -> tuple[str, ...]:
    return tuple(beginning.casefold() for beginning in _data()["credits"])


@cache
def _data() -> dict[str, dict[str, list[str]]]:
    text = (resources.files("calque.curation") / "boilerplate.yaml").read_text(encoding="utf-8")
    data: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return data


def _lines(text: str) -> list[str]:
    return [line for raw in text.split("\n") if (line := raw.strip())]
