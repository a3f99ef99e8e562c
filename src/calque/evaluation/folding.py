"""Unify what readers take as the same: case, digits, forms of letters, punctuation. Used by our normaliser."""

from __future__ import annotations

import unicodedata

import regex

from calque.languages import Language

_TURKISH = str.maketrans({"İ": "i", "I": "ı"})
_ALEF = str.maketrans(dict.fromkeys("أإآٱ", "ا"))
_PERSIAN = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک"})
_ARABIC_MARKS = regex.compile(r"[\u0610-\u061A\u0640\u064B-\u065F\u0670\u06D6-\u06ED]")
_HEBREW_MARKS = regex.compile(r"[\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7]")
_INVISIBLE = regex.compile(r"\p{Cf}")
_DIGIT = regex.compile(r"(?![0-9])\p{Nd}")
_INITIALS = regex.compile(r"\b\p{L}(?:\.\p{L})+\b\.?")
_THOUSANDS = regex.compile(r"(?<![\d.,٬٫])\d{1,3}([.,٬])\d{3}(?:\1\d{3})*(?!\d)")
_DECIMAL = regex.compile(r"(?<=\d)[.,٫](?=\d)")
_APOSTROPHE = regex.compile(r"(?<=[\p{L}\p{N}\p{M}])['’ʼ](?=[\p{L}\p{N}])")
_MARKS = regex.compile(r"[\p{P}\p{S}]")
_POINT = "\ue000"  # stands for a decimal point while punctuation is cleared


def fold(text: str, language: Language) -> str:
    """The text with case, digits, forms and punctuation unified; words are parted by spaces.

    In order: compatibility forms (NFKC); case, with the dots of Turkish; marks and forms of Arabic and Hebrew
    letters; decimal digits of all scripts to ASCII; numbers (1.000 and 1,000 to 1000, 3,5 to 3.5); initials
    (u.s. to us); elided articles dropped; apostrophes inside words deleted; all else of punctuation and symbols
    to spaces.
    """
    text = _letters(unicodedata.normalize("NFKC", text), language)
    text = _DIGIT.sub(lambda match: str(unicodedata.decimal(match[0], match[0])), text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(match[1], ""), text)
    text = _DECIMAL.sub(_POINT, text)
    text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    if language.elided:
        text = regex.sub(rf"\b(?:{'|'.join(language.elided)})['’ʼ](?=\w)", " ", text)
    text = _APOSTROPHE.sub("", text)
    return str(_MARKS.sub(" ", text)).replace(_POINT, ".")


def _letters(text: str, language: Language) -> str:
    if language.code == "tr":
        text = text.translate(_TURKISH)
    text = unicodedata.normalize("NFKC", text.casefold()).replace("i\u0307", "i")
    text = _INVISIBLE.sub("", text)
    if language.script == "Arab":
        text = _ARABIC_MARKS.sub("", text).translate(_ALEF)
        return text if language.code == "ar" else text.translate(_PERSIAN)
    return _HEBREW_MARKS.sub("", text) if language.script == "Hebr" else text
