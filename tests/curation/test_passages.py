from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from calque.curation.passages import judged
from calque.curation.settings import PassageSettings
from calque.records import Passage, Provenance

PROSE = (
    "La volpe attraversò il fiume di notte, e nessuno nel villaggio la sentì passare. Al mattino i bambini trovarono le sue "
    "orme nella neve fresca e le seguirono fino al bosco, dove gli alberi erano più fitti e il vento non arrivava mai."
)
OFF = {
    "take_out_boilerplate": False, "least_characters": 1, "most_characters": 10**9, "damaged_characters": False,
    "least_script": 0.0, "most_symbols": 1.0, "most_digits": 1.0, "most_links": 1.0, "most_bullets": 1.0,
    "most_ellipses": 1.0, "most_repeated_lines": 1.0, "most_repeated_text": 1.0, "whole": False, "foreign": 1.0,
}  # fmt: skip


def passage(text: str, row: int = 1) -> Passage:
    return Passage(text, "it", Provenance("a.txt", row))


def reasons(*texts: str, language: str = "it", **settings: Any) -> list[str]:
    passages = [passage(text, row) for row, text in enumerate(texts, start=1)]
    found = judged(passages, PassageSettings(**settings), language)
    return [judged.drop.reason if judged.drop else "" for judged in found]


def test_prose_is_kept_and_each_fault_named() -> None:
    short, cut, english = (
        PROSE[:100],
        PROSE[:-1],
        "It was a dark night. " * 3 + "The fox crossed the wide river alone. " * 5,
    )
    assert reasons(PROSE, short, cut, PROSE * 60, english[:300] + ".") == [
        "",
        "too_short",
        "cut_off",
        "too_long",
        "repeated_text",
    ]
    assert reasons(PROSE, language="es") == ["wrong_language"]


def test_what_is_left_without_boilerplate_is_judged() -> None:
    found = list(
        judged([passage(f"{PROSE}\nLeggi tutto"), passage("Leggi tutto\nok")], PassageSettings(), "it")
    )
    assert (found[0].passage, found[0].taken_out, found[0].drop) == (passage(PROSE), 11, None)
    assert found[1].drop is not None
    assert (found[1].drop.reason, found[1].passage.text) == ("boilerplate", "ok")


def test_a_character_of_chinese_says_more() -> None:
    chinese = "今天天气很好，我们一起去公园里散步，看见了许多美丽的花朵和高大的树木。" * 2
    assert reasons(chinese + "后来下雨了。", language="zh", most_repeated_text=1.0) == [""]
    assert reasons("今天天气很好。", language="zh") == ["too_short"]


@given(st.text(max_size=400))
def test_filters_that_are_off_keep_everything(text: str) -> None:
    assert set(reasons(text or " ", **OFF)) <= {"", "no_letters"}


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="least_characters is more than most_characters"):
        PassageSettings(least_characters=10, most_characters=5)
    with pytest.raises(ValidationError):
        PassageSettings(least_charakters=10)  # type: ignore[call-arg]
