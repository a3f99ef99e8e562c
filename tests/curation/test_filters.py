"""Each filter by itself: what it keeps, and what it drops with which reason."""

from __future__ import annotations

import pytest

from calque.curation.characters import damaged, digits, length, links, script, symbols
from calque.curation.drop import Drop, first_drop
from calque.curation.language import mixed_languages, wrong_language
from calque.curation.lines import _data, bullets, cut_off, ellipses, phrases, without_boilerplate
from calque.curation.repetition import repeated_lines, repeated_text
from calque.languages import LANGUAGES

ITALIAN = "La volpe attraversò il fiume di notte, e nessuno nel villaggio la sentì passare vicino alle case."
ENGLISH = "The fox crossed the river by night, and nobody in the village heard her pass close to the houses."
THAI = "ลูกเสือเป็นสัตว์ป่าที่อาศัยอยู่ในป่าทึบของเอเชียตะวันออกเฉียงใต้และกินเนื้อเป็นอาหารหลัก"


def reason(drop: Drop | None) -> str:
    return drop.reason if drop else ""


def test_length() -> None:
    assert [reason(length("x" * n, least=3, most=5)) for n in (2, 3, 5, 6)] == [
        "too_short",
        "",
        "",
        "too_long",
    ]
    assert length("x" * 1200, least=3, most=1000) == Drop("too_long", "characters: 1,200, at most 1,000")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("perché così è", False),
        ("«àéîõü» œuvre — “quoted” …", False),
        ("Âge et Ãlvar", False),
        ("perch\ufffd cos", True),
        ("perché cosÃ\x83Â¬ Ã¨ la vita", True),
        ("Itâ€™s done", True),
    ],
)
def test_damaged_characters(text: str, wrong: bool) -> None:
    assert (reason(damaged(text)) == "damaged_characters") == wrong


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (THAI, "th", ""),
        (THAI, "it", "wrong_script"),
        (THAI + " WWW", "th", ""),
        (ITALIAN, "ru", "wrong_script"),
        ("ひらがなと漢字とカタカナ", "ja", ""),
        ("漢字漢字ひ", "ja", ""),
        ("한국어 漢字", "ko", ""),
        ("12 34 !", "it", "no_letters"),
    ],
)
def test_script(text: str, language: str, expected: str) -> None:
    assert reason(script(text, language, least=0.6)) == expected


def test_symbols_digits_and_links_are_shares() -> None:
    assert reason(symbols("abcd efgh |", most=0.11)) == "symbols"
    assert reason(symbols("abcd efgh i|", most=0.11)) == ""
    assert reason(symbols("नमस्ते दुनिया, कैसे हो?", most=0.0)) == ""
    assert symbols("ab||", most=0.1) == Drop("symbols", "symbols among the characters: 0.50, at most 0.10")
    assert reason(digits("ab 12", most=0.49)) == "digits"
    assert reason(digits("ab ๑๒", most=0.49)) == "digits"
    assert reason(digits("ab 12", most=0.5)) == ""
    assert links("ab https://a.it/1", most=0.8) == Drop(
        "links", "characters in addresses: 0.82, at most 0.80"
    )
    assert reason(links("scrivi a me@a.it", most=0.3)) == "links"
    assert reason(links("scrivi a @me", most=0.0)) == ""


def test_repetition() -> None:
    assert reason(repeated_lines("uno\ndue\nuno", most=0.33)) == "repeated_lines"
    assert reason(repeated_lines("uno\ndue\n\ntre", most=0.0)) == ""
    assert reason(repeated_lines("uno", most=0.0)) == ""
    twice = ITALIAN + " " + ITALIAN
    assert reason(repeated_text(ITALIAN, most=0.0)) == ""
    assert reason(repeated_text(twice, most=0.4)) == "repeated_text"
    assert reason(repeated_text(THAI + THAI, most=0.4)) == "repeated_text"
    assert reason(repeated_text("short short short", most=0.0)) == ""


def test_lines() -> None:
    assert reason(bullets("- a\n* b\n1. c\nd", most=0.74)) == "bullets"
    assert reason(bullets("- a\n* b\n1. c\nd", most=0.75)) == ""
    assert reason(bullets("-5 gradi\n1.5 metri", most=0.0)) == ""
    assert reason(ellipses("a...\nb…\nc", most=0.6)) == "ellipses"
    assert reason(ellipses("a...b\nc.", most=0.0)) == ""


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("È finita.", True), ('Disse: "Basta!"', True), ("Lo sai? (No.)", True), ("结束了。」", True), ("खत्म हुआ।", True),
        ("انتهت؟", True), ("ختم ہوا۔", True), ("Nato nel 1951.[1][23]", True), ("Serve:\n- una pala", True),
        ("Serve\n12) una pala", True), ("È fini", False), ("Poi,", False), ("Poi…", False), ("Poi ...", False),
        ("Poi […]", False), ("结束", False), ("Nato nel[1]", False),
    ],
)  # fmt: skip
def test_a_text_that_ends_amid_a_sentence(text: str, whole: bool) -> None:
    assert reason(cut_off(text, without_stops=False)) == ("" if whole else "cut_off")


def test_thai_has_no_full_stop_but_dots() -> None:
    assert cut_off(THAI, without_stops=True) is None
    assert cut_off(THAI + "...", without_stops=True) == Drop("cut_off", f"ends with {(THAI + '...')[-20:]!r}")


def test_lines_of_boilerplate_are_taken_out_and_sentences_are_not() -> None:
    text = (
        f"Titolo\n\n{ITALIAN}\n\nLeggi tutto | Condividi su Facebook\n© 2020 Casa\n\n* Text: A. B.\n\nFine."
    )
    expected = f"Titolo\n\n{ITALIAN}\n\nFine."
    assert without_boilerplate(text, "it") == (
        expected,
        len("Leggi tutto | Condividi su Facebook© 2020 Casa* Text: A. B."),
    )
    about = f"{ITALIAN} Che cosa dica la privacy policy di questo sito, non lo sa nessuno."
    assert without_boilerplate(about, "it") == (about, 0)
    assert without_boilerplate("อ่านเพิ่มเติม\n" + THAI, "th") == (THAI, 13)
    assert without_boilerplate("阅读更多\n" + THAI, "th") == ("阅读更多\n" + THAI, 0)


def test_languages_have_phrases_of_their_own_and_a_new_one_those_of_english() -> None:
    assert LANGUAGES.keys() >= _data()["phrases"].keys()
    own = {code: set(phrases(code)) - set(phrases("en")) for code in _data()["phrases"] if code != "en"}
    assert {code for code, found in own.items() if len(found) < 8} == set()
    assert all(p == p.casefold().strip() and len(p) > 2 for code in own for p in phrases(code))
    assert phrases("none of them") == phrases("en")


def test_language() -> None:
    assert wrong_language(ITALIAN, "it", sure=0.75) is None
    found = wrong_language(ENGLISH, "it", sure=0.75)
    assert found is not None
    assert found.detail.startswith("is in en (")
    assert wrong_language(ENGLISH, "it", sure=1.1) is None
    assert reason(wrong_language("12 34", "it", sure=1.1)) == "wrong_language"


def test_languages_line_by_line() -> None:
    mixed = f"{ITALIAN}\n{ENGLISH}\nShort line"
    assert mixed_languages(mixed, "it", least=0.4, sure=0.75) is None
    found = mixed_languages(mixed, "it", least=0.7, sure=0.75)
    share = len(ITALIAN) / (len(ITALIAN) + len(ENGLISH))
    detail = f"characters in it: {share:.2f}, at least 0.70; most of the rest is in en"
    assert found == Drop("mixed_languages", detail)
    assert mixed_languages(ENGLISH, "it", least=0.7, sure=0.75) is None


def test_the_first_filter_that_drops_decides() -> None:
    def never(text: str) -> Drop | None:
        raise AssertionError(text)

    assert first_drop("x", [lambda _: None, lambda t: Drop("a", t), never]) == Drop("a", "x")
    assert first_drop("x", []) is None
