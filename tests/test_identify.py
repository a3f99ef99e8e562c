"""Which language a text is in, by script and by model."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.identify import UNDETERMINED, Guess, identify, identify_lines, script_shares


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Il gatto dorme sul divano", "it"),
        ("The cat is asleep on the sofa", "en"),
        ("Habari ya asubuhi, ninaenda sokoni", "sw"),
        ("Kissa nukkuu sohvalla", "fi"),
        ("猫在睡觉", "zh"),
        ("猫は寝ている", "ja"),
        ("고양이가 자고 있다", "ko"),
        ("สวัสดีครับ", "th"),
        ("السلام عليكم ورحمة الله", "ar"),
        ("یہ ایک کتاب ہے", "ur"),
        ("Привіт, як справи сьогодні?", "uk"),
        ("बिल्ली सोफ़े पर सो रही है", "hi"),
        ("Η γάτα κοιμάται", "el"),
    ],
)
def test_sentences_of_many_scripts(text: str, code: str) -> None:
    assert identify(text).code == code


@pytest.mark.parametrize("text", ["", "  \n", "123 + 4 = ?", "ok", "…!"])
def test_what_has_no_language_is_undetermined(text: str) -> None:
    assert identify(text) == Guess(UNDETERMINED, 0.0)


def test_a_choice_of_languages_is_kept_to() -> None:
    assert identify("Il gatto dorme sul divano", ["es", "de"]).code in ("es", "de")
    assert identify("Γειά σου κόσμε", ["it", "en"]).code == UNDETERMINED
    assert identify("猫在睡觉", ["zh", "en"]) == Guess("zh", 1.0)


def test_script_shares_are_of_letters_alone() -> None:
    assert script_shares("Pisa 1234, 比萨!") == {"Latn": 4 / 6, "Hans": 2 / 6}
    assert script_shares("ひらカタ漢字") == {"Jpan": 4 / 6, "Hans": 2 / 6}
    assert script_shares("12 !") == {}
    assert list(script_shares("สวัสดี")) == ["Thai"]  # vowel signs are part of the script


def test_lines_have_languages_of_their_own() -> None:
    text = "Il gatto dorme sul divano rosso.\n\nThe cat is asleep on the sofa.\n***\n"
    assert [(line[:6], guess.code) for line, guess in identify_lines(text)] == [
        ("Il gat", "it"), ("The ca", "en"), ("***", UNDETERMINED),
    ]  # fmt: skip


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    guess = identify(text)
    assert 0 <= guess.confidence <= 1
    assert sum(script_shares(text).values()) == pytest.approx(1 if script_shares(text) else 0)


def test_threads_agree() -> None:
    texts = ["Il gatto dorme sul divano", "Der Hund schläft auf dem Sofa", "El perro duerme"] * 20
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(identify, texts)) == [identify(text) for text in texts]


@pytest.mark.real_data
def test_real_sentences(data_folder: Path) -> None:
    for folder, code in (
        ("ita_Latn", "it"),
        ("swh_Latn", "sw"),
        ("urd_Arab", "ur"),
        ("zho_Hans", "zh"),
        ("vie_Latn", "vi"),
    ):
        path = data_folder / "sib200-flores" / folder / "test.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
        assert len(texts) == 204
        assert sum(identify(text).code == code for text in texts) >= 200
