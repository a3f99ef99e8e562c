"""Which language a text is in, line by line too: py3langid's model where the script leaves a choice, the script where it does not.

py3langid (Barbaresi 2021, after Lui and Baldwin 2012) is a naive Bayes classifier over byte n-grams whose model comes in
its wheel. `benchmarks/identification.py` holds it against what else does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

UNDETERMINED = "und"
FEWEST_LETTERS = 3  # of an alphabet; a text of fewer letters says nothing

# Scripts by their Unicode names, with the code of ISO 15924 that `languages` has for them.
SCRIPTS = {
    "Latin": "Latn", "Cyrillic": "Cyrl", "Greek": "Grek", "Arabic": "Arab", "Hebrew": "Hebr", "Devanagari": "Deva",
    "Bengali": "Beng", "Tamil": "Taml", "Telugu": "Telu", "Gujarati": "Gujr", "Gurmukhi": "Guru", "Kannada": "Knda",
    "Malayalam": "Mlym", "Oriya": "Orya", "Sinhala": "Sinh", "Thai": "Thai", "Lao": "Laoo", "Khmer": "Khmr",
    "Myanmar": "Mymr", "Tibetan": "Tibt", "Georgian": "Geor", "Armenian": "Armn", "Ethiopic": "Ethi",
    "Hangul": "Kore", "Hiragana": "Jpan", "Katakana": "Jpan", "Han": "Hans",
}  # fmt: skip

# Languages of a script, where it has but one in the model (or one that all others are rare beside).
ONE_LANGUAGE = {
    "Grek": "el", "Hebr": "he", "Taml": "ta", "Telu": "te", "Gujr": "gu", "Guru": "pa", "Knda": "kn", "Mlym": "ml",
    "Orya": "or", "Sinh": "si", "Thai": "th", "Laoo": "lo", "Khmr": "km", "Mymr": "my", "Tibt": "dz", "Geor": "ka",
    "Armn": "hy", "Ethi": "am", "Kore": "ko", "Jpan": "ja", "Hans": "zh",
}  # fmt: skip
SEVERAL = {
    "Cyrl": ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg", "tt", "ba"),
    "Arab": ("ar", "fa", "ur", "ps", "ug", "sdh"),
    "Deva": ("hi", "mr", "ne", "sa", "gom"),
    "Beng": ("bn", "as"),
}  # all others are written in Latin letters
KANA = 0.05  # a text whose letters are Chinese characters is Japanese if so many of its letters are kana
_SAME = {
    "nn": "no",
    "ary": "ar",
    "arz": "ar",
    "yue": "zh",
    "wuu": "zh",
    "uzs": "uz",
    "hbo": "he",
    "grc": "el",
}
_NO_LANGUAGE = frozenset({"zxx", "ext"})


@dataclass(frozen=True, slots=True)
class Guess:
    """A language's code, or `und`, and how sure that is: the probability among the languages that it could be."""

    code: str
    confidence: float


def identify(text: str, among: Collection[str] | None = None) -> Guess:
    """The language of a text, out of `among` (codes; all that the model knows by default).

    `und` where there are no letters, too few of an alphabet, or none of `among` is written in the text's script.
    """
    shares, letters = _counted(text)
    if not shares:
        return Guess(UNDETERMINED, 0.0)
    script = max(shares, key=lambda name: (shares[name], name))
    if script == "Hans" and shares.get("Jpan", 0.0) >= KANA:
        script = "Jpan"
    one = ONE_LANGUAGE.get(script)
    if script == "Hans" and among is not None and "zh" not in among:
        one = "ja"  # short Japanese may do without kana
    if one is not None:
        sure = shares[script] + (shares.get("Hans", 0.0) if script == "Jpan" else 0.0)
        return Guess(one, sure) if among is None or one in among else Guess(UNDETERMINED, 0.0)
    if letters < FEWEST_LETTERS:
        return Guess(UNDETERMINED, 0.0)
    return _by_model(text, script, frozenset(among) if among is not None else None)


def identify_lines(text: str, among: Collection[str] | None = None) -> Iterator[tuple[str, Guess]]:
    """Each line that is not blank, with its language."""
    for line in text.splitlines():
        if line.strip():
            yield line, identify(line, among)


def script_shares(text: str) -> dict[str, float]:
    """The share of the letters that each script has (ISO 15924), largest first; empty where there are no letters.

    Hiragana and katakana are `Jpan`, Chinese characters `Hans`, whichever language they stand in; other scripts `Zyyy`.
    """
    return _counted(text)[0]


def _counted(text: str) -> tuple[dict[str, float], int]:
    points = np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)
    names, table = _scripts()
    counts = np.bincount(table[points], minlength=len(names) + 1)[1:]
    letters = int(counts.sum())
    by_code: dict[str, int] = {}
    for name, count in zip(names, counts.tolist(), strict=True):
        if count:
            by_code[name] = by_code.get(name, 0) + count
    ordered = sorted(by_code.items(), key=lambda item: (-item[1], item[0]))
    return {code: count / letters for code, count in ordered}, letters


@lru_cache(maxsize=1)
def _scripts() -> tuple[list[str], npt.NDArray[np.uint8]]:
    """Codes of scripts, and for every code point the number of its script (from 1), nought where it is no letter."""
    import regex

    everything = "".join(chr(c) if not 0xD800 <= c < 0xE000 else " " for c in range(0x110000))
    table = np.zeros(0x110000, dtype=np.uint8)
    for found in regex.finditer(r"\p{L}+", everything):
        table[found.start() : found.end()] = len(SCRIPTS) + 1
    for number, name in enumerate(SCRIPTS, start=1):
        for found in regex.finditer(rf"(?V1)[\p{{Script={name}}}&&[\p{{L}}\p{{M}}]]+", everything):
            table[found.start() : found.end()] = number
    return [*SCRIPTS.values(), "Zyyy"], table


def _by_model(text: str, script: str, among: frozenset[str] | None) -> Guess:
    possible, columns = _columns(script, among)
    if not possible:
        return Guess(UNDETERMINED, 0.0)
    identifier = _identifier()
    scores = identifier._raw_score(identifier._encode(text))[columns]  # restricting it otherwise is global
    scores = scores / math.sqrt(max(1, len(text.encode("utf-8", errors="surrogatepass"))))
    shares = np.exp(scores - scores.max())
    by_code = dict.fromkeys(possible, 0.0)
    for code, share in zip(possible, shares.tolist(), strict=True):
        by_code[code] = max(by_code[code], share)
    best = max(by_code, key=lambda code: by_code[code])
    return Guess(best, by_code[best] / sum(by_code.values()))


@lru_cache(maxsize=256)
def _columns(script: str, among: frozenset[str] | None) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The languages that a text in the script may be in, and their columns in the model."""
    own = SEVERAL.get(script)
    elsewhere = {code for codes in SEVERAL.values() for code in codes} | set(ONE_LANGUAGE.values())
    kept = [
        (_SAME.get(code, code), column)
        for column, code in enumerate(_identifier().nb_classes)
        if code not in _NO_LANGUAGE
        and (_SAME.get(code, code) in own if own is not None else _SAME.get(code, code) not in elsewhere)
        and (among is None or _SAME.get(code, code) in among)
    ]
    return tuple(code for code, _ in kept), np.asarray([column for _, column in kept], dtype=np.int64)


_lock = Lock()
_loaded: list[Any] = []


def _identifier() -> Any:
    with _lock:
        if not _loaded:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            _loaded.append(LanguageIdentifier.from_model_file(MODEL_FILE))
        return _loaded[0]
