from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.engines import Completion
from calque.errors import DataError
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.evaluation.language_confusion import confusion
from calque.records import Conversation

ITALIAN = "Il tempo nel nord del paese è freddo."
ENGLISH = "The weather in the north is cold."


@pytest.mark.parametrize(
    ("answer", "language", "found"),
    [
        (f"{ITALIAN}\n{ITALIAN}", "it", {"line_pass": 1.0, "line_accuracy": 1.0}),
        (f"{ITALIAN}\n{ENGLISH}", "it", {"line_pass": 0.0, "line_accuracy": 0.5}),
        (f"{ITALIAN}\nThe end", "it", {"line_pass": 1.0, "line_accuracy": 1.0}),  # too short to count
        ("Sì, certo.", "it", {}),
        (f"{ITALIAN}\nQ: {ENGLISH}", "it", {"line_pass": 1.0, "line_accuracy": 1.0}),  # cut off there
        (ENGLISH, "zh", {"line_pass": 0.0, "line_accuracy": 0.0}),
        ("今天是晴朗的一天，我们去公园散步吧。", "zh", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 1.0}),
        ("今天是晴朗的一天，我们去听music吧。", "zh", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 0.0}),
        ("今天是晴朗的一天，我们去用GitHub和gpt吧。", "zh", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 1.0}),
        ("วันนี้อากาศดีเราไปฟังmusicกันเถอะ", "th", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 0.0}),
        ("ថ្ងៃនេះអាកាសធាតុល្អ យើងទៅដើរលេងសួនច្បារ", "km", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 1.0}),
        ("ມື້ນີ້ອາກາດດີພວກເຮົາໄປຍ່າງຫຼິ້ນກັນເທາະ", "lo", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 1.0}),
        ("今日はとても良い天気ですので散歩に行きましょう", "ja", {"line_pass": 1.0, "line_accuracy": 1.0, "word_pass": 1.0}),
    ],
)  # fmt: skip
def test_pass_rates_by_hand(answer: str, language: str, found: dict[str, float]) -> None:
    assert confusion(answer, language) == found


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("pattern", "language", "groups"),
    [
        (
            "monolingual/*/es.csv",
            "es",
            {
                "monolingual-dolly_human_edited": 100,
                "monolingual-native_prompts": 100,
                "monolingual-okapi": 100,
            },
        ),
        (
            "crosslingual/*/it.csv*",
            "it",
            {"crosslingual-complex_prompts": 99, "crosslingual-okapi": 100, "crosslingual-sharegpt": 100},
        ),
    ],
)
def test_the_files_by_source(data_folder: Path, pattern: str, language: str, groups: dict[str, int]) -> None:
    found = items_of("language_confusion", [data_folder / "language-confusion" / pattern], language)
    counted = {group: sum(i.group == group for i in found.items) for group in {i.group for i in found.items}}
    assert counted == groups
    assert found.dropped == ()
    asked_in = "en" if "cross" in pattern else language
    assert {item.conversation[0].language for item in found.items} == {asked_in}


class Answers:
    """Gives its answers in turn."""

    identity = "answers"

    def __init__(self, *answers: str) -> None:
        self.answers = answers

    def complete(self, conversations: Sequence[Conversation], **_: Any) -> list[Completion]:
        return [Completion(text, len(text), finished=True) for text in self.answers[: len(conversations)]]


def test_an_answer_that_says_nothing_is_skipped_and_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("prompt,source,language\na,okapi,it\nb,okapi,it\nc,okapi,it\n", encoding="utf-8")
    found = evaluate(
        "language_confusion", [file], "it", Answers(ITALIAN, "", "Sì."), model="m", out=tmp_path / "o", seed=0
    )
    scores = {score.metric: score for score in found if score.benchmark == "language_confusion"}
    assert (scores["line_pass"].value, scores["line_pass"].n) == (1.0, 1)
    assert "|skipped:2|" in scores["line_pass"].signature
    assert (scores["long_enough"].value, scores["long_enough"].n) == (pytest.approx(1 / 3), 3)


def test_rows_of_other_languages_and_other_files(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("prompt,source,language\nCiao?,okapi,it\nHola,okapi,es\n ,okapi,it\n", encoding="utf-8")
    found = items_of("language_confusion", [file], "it")
    assert [item.question for item in found.items] == ["Ciao?"]
    assert [(row.row, row.reason) for row in found.dropped] == [(2, "other_language"), (3, "empty_question")]
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="its columns are a, b"):
        items_of("language_confusion", [file], "it")
