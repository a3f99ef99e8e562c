from __future__ import annotations

import pytest

from calque.languages import LANGUAGES, UnknownLanguageError, language


@pytest.mark.parametrize(
    ("tag", "code"),
    [("zh", "zh"), ("zho-CN", "zh"), ("Chinese", "zh"), ("zh_Hans", "zh"), ("es-LA", "es"), ("ITA", "it")],
)
def test_codes_and_aliases(tag: str, code: str) -> None:
    assert language(tag).code == code


def test_no_alias_stands_for_two_languages() -> None:
    tags = [tag for row in LANGUAGES.values() for tag in (row.code, *row.aliases)]
    assert len(set(tags)) == len(tags)
    assert all(tag == tag.lower() for tag in tags)


def test_an_unknown_code_says_what_may_be_meant() -> None:
    with pytest.raises(
        UnknownLanguageError, match=r"unknown language 'chinees'\n.*did you mean 'zh' \(Chinese\)"
    ):
        language("chinees")


def test_direction_and_words() -> None:
    assert {code for code, row in LANGUAGES.items() if row.direction == "rtl"} == {"ar", "fa", "he", "ur"}
    assert {code for code, row in LANGUAGES.items() if row.words == "characters"} == {
        "zh",
        "ja",
        "th",
        "km",
        "lo",
        "my",
    }
