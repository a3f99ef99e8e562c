"""The registry of languages: codes, names, script, direction, and what answer normalisation must know.

Adding a language is one row in `LANGUAGES` (and, for prompts in it, one file in each folder of `prompts/`).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from calque.errors import CalqueError, Problem


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    `articles` are the words that QA scoring leaves out; `elided` are those that cling to the next word with
    an apostrophe (l'anno). `words` says how text is cut into words: by spaces, or by characters where the
    script writes none (Chinese, Thai).
    """

    code: str
    name: str
    native_name: str
    script: str
    direction: Literal["ltr", "rtl"] = "ltr"
    words: Literal["spaces", "characters"] = "spaces"
    articles: tuple[str, ...] = ()
    elided: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


_ROWS = (
    Language("en", "English", "English", "Latn", articles=("a", "an", "the"), aliases=("eng", "english")),
    Language(
        "es", "Spanish", "español", "Latn",
        articles=("un", "una", "unos", "unas", "el", "la", "los", "las"), aliases=("spa", "spanish", "es-la"),
    ),
    Language(
        "de", "German", "Deutsch", "Latn",
        articles=("ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"),
        aliases=("deu", "ger", "german"),
    ),
    Language(
        "it", "Italian", "italiano", "Latn",
        articles=("un", "uno", "una", "il", "lo", "la", "i", "gli", "le"),
        elided=("l", "un", "dell", "nell", "all", "dall", "sull"), aliases=("ita", "italian"),
    ),
    Language(
        "fr", "French", "français", "Latn",
        articles=("un", "une", "des", "le", "la", "les"), elided=("l", "d"), aliases=("fra", "fre", "french"),
    ),
    Language(
        "pt", "Portuguese", "português", "Latn",
        articles=("um", "uma", "uns", "umas", "o", "a", "os", "as"), aliases=("por", "portuguese", "pt-br"),
    ),
    Language("nl", "Dutch", "Nederlands", "Latn", articles=("de", "het", "een"), aliases=("nld", "dutch")),
    Language(
        "zh", "Chinese", "中文", "Hans", words="characters",
        aliases=("zho", "cmn", "chinese", "zh-cn", "zho-cn", "zh-hans", "zh-s"),
    ),
    Language("ja", "Japanese", "日本語", "Jpan", words="characters", aliases=("jpn", "japanese")),
    Language("ko", "Korean", "한국어", "Kore", aliases=("kor", "korean")),
    Language("ar", "Arabic", "العربية", "Arab", direction="rtl", articles=("ال",), aliases=("ara", "arb", "arabic")),
    Language("fa", "Persian", "فارسی", "Arab", direction="rtl", aliases=("fas", "pes", "persian")),
    Language("he", "Hebrew", "עברית", "Hebr", direction="rtl", aliases=("heb", "hebrew")),
    Language("ur", "Urdu", "اردو", "Arab", direction="rtl", aliases=("urd", "urdu")),
    Language("hi", "Hindi", "हिन्दी", "Deva", aliases=("hin", "hindi")),
    Language("bn", "Bengali", "বাংলা", "Beng", aliases=("ben", "bengali")),
    Language("ta", "Tamil", "தமிழ்", "Taml", aliases=("tam", "tamil")),
    Language("te", "Telugu", "తెలుగు", "Telu", aliases=("tel", "telugu")),
    Language("th", "Thai", "ไทย", "Thai", words="characters", aliases=("tha", "thai")),
    Language("km", "Khmer", "ខ្មែរ", "Khmr", words="characters", aliases=("khm", "khmer")),
    Language("lo", "Lao", "ລາວ", "Laoo", words="characters", aliases=("lao",)),
    Language("my", "Burmese", "မြန်မာ", "Mymr", words="characters", aliases=("mya", "burmese")),
    Language("vi", "Vietnamese", "Tiếng Việt", "Latn", aliases=("vie", "vietnamese")),
    Language("id", "Indonesian", "Bahasa Indonesia", "Latn", aliases=("ind", "indonesian")),
    Language("tr", "Turkish", "Türkçe", "Latn", aliases=("tur", "turkish")),
    Language("fi", "Finnish", "suomi", "Latn", aliases=("fin", "finnish")),
    Language("sw", "Swahili", "Kiswahili", "Latn", aliases=("swa", "swh", "swahili")),
    Language("ru", "Russian", "русский", "Cyrl", aliases=("rus", "russian")),
    Language("pl", "Polish", "polski", "Latn", aliases=("pol", "polish")),
    Language("cs", "Czech", "čeština", "Latn", aliases=("ces", "cze", "czech")),
    Language("el", "Greek", "ελληνικά", "Grek", aliases=("ell", "greek")),
    Language("et", "Estonian", "eesti", "Latn", aliases=("est", "estonian")),
    Language("ht", "Haitian Creole", "Kreyòl ayisyen", "Latn", aliases=("hat", "haitian")),
    Language("qu", "Quechua", "Runasimi", "Latn", aliases=("que", "quy", "quechua")),
    Language("eu", "Basque", "euskara", "Latn", aliases=("eus", "basque")),
    Language("bg", "Bulgarian", "български", "Cyrl", aliases=("bul", "bulgarian")),
    Language("mk", "Macedonian", "македонски", "Cyrl", aliases=("mkd", "macedonian")),
    Language("sr", "Serbian", "српски", "Cyrl", aliases=("srp", "serbian")),
    Language("hr", "Croatian", "hrvatski", "Latn", aliases=("hrv", "croatian")),
    Language("hu", "Hungarian", "magyar", "Latn", articles=("a", "az", "egy"), aliases=("hun", "hungarian")),
    Language("lt", "Lithuanian", "lietuvių", "Latn", aliases=("lit", "lithuanian")),
    Language("sq", "Albanian", "shqip", "Latn", aliases=("sqi", "albanian")),
)  # fmt: skip

LANGUAGES: dict[str, Language] = {language.code: language for language in _ROWS}
_BY_ALIAS = {alias: language for language in _ROWS for alias in (language.code, *language.aliases)}


class UnknownLanguageError(CalqueError):
    """A code that the registry does not know."""


def code_or_name(written: str) -> str:
    """The code of a language as a file writes it; what the registry does not know stays as it is."""
    try:
        return language(written).code
    except UnknownLanguageError:
        return written


def language(code: str) -> Language:
    """The language of a code or alias (`zh`, `zho-CN`, `Chinese`), whatever its case."""
    found = _BY_ALIAS.get(code.lower().replace("_", "-"))
    if found is None:
        near = difflib.get_close_matches(code.lower(), _BY_ALIAS, n=1)
        meant = f"did you mean {_BY_ALIAS[near[0]].code!r} ({_BY_ALIAS[near[0]].name})? " if near else ""
        raise UnknownLanguageError(
            Problem(f"unknown language {code!r}", remedy=f"{meant}known are: {', '.join(LANGUAGES)}")
        )
    return found
