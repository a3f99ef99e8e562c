"""Filters on the characters of a text: how many, in which script, and how many of them are no words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from calque.curation.drop import Drop, too_high
from calque.identify import script_shares
from calque.languages import LANGUAGES

_LETTER, _DIGIT, _MARK, _SPACE, _SYMBOL = range(5)
_USED_AS_SYMBOLS = "#*/\\_|{}[]<>@&%~^`="
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"'）」]+|[\w.+-]+@[\w-]+\.[\w.-]+")
_ALSO = {"Jpan": ("Hans",), "Kore": ("Hans",), "Hant": ("Hans",)}  # scripts that stand beside a script


def length(text: str, *, least: int, most: int) -> Drop | None:
    """`too_short`, `too_long`: characters, white space included."""
    if len(text) < least:
        return Drop("too_short", f"characters: {len(text):,}, at least {least:,}")
    return Drop("too_long", f"characters: {len(text):,}, at most {most:,}") if len(text) > most else None


def damaged(text: str) -> Drop | None:
    """`damaged_characters`: characters were lost in some earlier conversion (U+FFFD), or UTF-8 was read as Latin-1."""
    lost = text.count("\ufffd")
    wrong = len(_MISREAD.findall(text))
    if lost or wrong > len(text) * 0.002:
        return Drop("damaged_characters", f"lost: {lost}, misread: {wrong}")
    return None


_MISREAD = re.compile(r"[ÃÂ][\x80-\xbf]|â€[\x80-\xbf™œ\u009d“”˜]|[àØÙ][\x80-\xbf¤¥¦§¨©]{2}")


def script(text: str, language: str, *, least: float) -> Drop | None:
    """`wrong_script`: too small a share of the letters is in the script of the language. Without letters it is `no_letters`."""
    shares = script_shares(text)
    if not shares:
        return Drop("no_letters", "there is no letter in it")
    own = LANGUAGES[language].script
    share = sum(shares.get(name, 0.0) for name in (own, *_ALSO.get(own, ())))
    if share < least:
        return Drop("wrong_script", f"letters in {own}: {share:.2f}, at least {least:.2f}")
    return None


def symbols(text: str, *, most: float) -> Drop | None:
    """`symbols`: signs that are neither letters, digits nor punctuation, as a share of all but white space."""
    return too_high("symbols", "symbols among the characters", _shares(text)[_SYMBOL], most)


def digits(text: str, *, most: float) -> Drop | None:
    """`digits`: digits as a share of all but white space."""
    return too_high("digits", "digits among the characters", _shares(text)[_DIGIT], most)


def links(text: str, *, most: float) -> Drop | None:
    """`links`: the characters of addresses (web, mail) as a share of all."""
    if "://" not in text and "www." not in text and "@" not in text:
        return None
    inside = sum(len(found) for found in _LINK.findall(text))
    return too_high("links", "characters in addresses", inside / max(1, len(text)), most)


def _shares(text: str) -> npt.NDArray[np.float64]:
    """Shares of letters, digits, punctuation, (none) and symbols among the characters that are not white space."""
    points = np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)
    counts = np.bincount(_classes()[points], minlength=5).astype(np.float64)
    counts[_SPACE] = 0.0
    shares: npt.NDArray[np.float64] = counts / max(1.0, float(counts.sum()))
    return shares


@lru_cache(maxsize=1)
def _classes() -> npt.NDArray[np.uint8]:
    """For every code point what it is."""
    by_category = {
        "L": _LETTER,
        "M": _LETTER,
        "N": _DIGIT,
        "P": _MARK,
        "Z": _SPACE,
        "C": _SPACE,
        "S": _SYMBOL,
    }
    table = np.array([by_category[unicodedata.category(chr(c))[0]] for c in range(0x110000)], dtype=np.uint8)
    table[[ord(c) for c in _USED_AS_SYMBOLS]] = _SYMBOL
    return table
