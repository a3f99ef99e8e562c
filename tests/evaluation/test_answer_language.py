from __future__ import annotations

import pytest

from calque.evaluation.answer_language import in_language
from calque.evaluation.word_count import word_count


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("il cane è nel bosco", "it", 5),
        ("我们去公园散步吧。", "zh", 5),  # 我们 去 公园 散步 吧。
        ("ช่วยสร้างเรซูเม่ได้ไหม", "th", 5),
        ("สร้าง เรซูเม่", "th", 2),
        ("ខ្ញុំស្រឡាញ់ភាសាខ្មែរ", "km", 2),  # 11 letters
        ("", "zh", 0),
    ],
)
def test_words_are_counted_where_none_are_parted(text: str, language: str, words: int) -> None:
    assert word_count(text, language) == words


@pytest.mark.parametrize(
    ("text", "language", "verdict"),
    [
        ("Roma", "it", None),
        ("42", "zh", None),
        ("La capitale d'Italia è Roma, naturalmente.", "it", True),
        ("The capital of Italy is Rome, of course.", "it", False),
        ("意大利的首都是罗马，这是大家都知道的。", "zh", True),
        ("The capital of Italy is Rome, of course.", "zh", False),
        ("เมืองหลวงของอิตาลีคือกรุงโรม", "th", True),
    ],
)
def test_the_language_of_an_answer(text: str, language: str, verdict: bool | None) -> None:
    assert in_language(text, language) is verdict
