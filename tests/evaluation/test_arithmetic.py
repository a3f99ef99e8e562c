"""Numbers as every language writes them; the problems of MGSM and MSVAMP; the language of the steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.engines import Completion, Progress
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.evaluation.last_number import exact_number, last_number
from calque.records import Conversation


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("The answer is 18.", "18"),
        ("9 * 2 = $18 a day", "18"),
        ("Er zahlt 1.234,50 Euro.", "1234.5"),
        ("It costs $1,234.50.", "1234.5"),
        ("La respuesta es 5.600", "5600"),
        ("La respuesta es 5,600", "5600"),
        ("Son 3,5 kg", "3.5"),
        ("sono 0,125", "0.125"),
        ("১২,৩৪,৫৬৭ টাকা", "1234567"),
        ("উত্তর ১৮।", "18"),
        ("الجواب ١٬٢٣٤٫٥", "1234.5"),
        ("คำตอบคือ ๑๘ ฟอง", "18"),
        ("答案是１８元。", "18"),
        ("cela fait 70\u00a0000 dollars", "70000"),
        ("so x = -3", "-3"),
        ("a loss of -$3", "-3"),
        ("8-5", "5"),
        ("- 12", "12"),
        ("\\boxed{42}", "42"),
        ("1.234.567", "1234567"),
        ("version 1.2.3", "3"),
        ("18 of \U000116d0", "18"),  # a digit of a newer Unicode than the interpreter knows
    ],
)
def test_the_last_number(answer: str, number: str) -> None:
    assert last_number(answer) == Decimal(number)


def test_words_are_no_numbers() -> None:
    assert last_number("achtzehn, 十八") is None
    assert exact_number("18 eggs") is None


@given(st.integers(0, 10**9), st.sampled_from([",", ".", "٬", "\u202f"]), st.integers(0, 99))
def test_thousands_marks_change_nothing(whole: int, mark: str, cents: int) -> None:
    grouped = f"{whole:,}".replace(",", mark)
    assert last_number(f"= {grouped}") == whole
    decimal = "," if mark == "." else "."
    assert last_number(f"{grouped}{decimal}{cents:02}") == Decimal(f"{whole}.{cents:02}")


@given(st.integers(-(10**6), 10**6), st.sampled_from("٠০๐०０"))
def test_digits_of_every_script_are_read(number: int, zero: str) -> None:
    own = "".join(chr(ord(zero) + int(c)) if c.isdigit() else c for c in str(number))
    assert last_number(own) == number


class Says:
    """Answers the same to everything."""

    identity = "says"

    def __init__(self, *answers: str) -> None:
        self._answers = answers

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> list[Completion]:
        return [Completion(text, 1, True) for _, text in zip(conversations, self._answers, strict=True)]


def test_scores_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "mgsm_de.tsv"
    file.write_text("Eins?\t18\nZwei?\t5,600\nDrei?\t7\nVier?\tviele\nFünf?\n", encoding="utf-8")
    engine = Says("18", "Das sind zusammen genau 5.600 Dollar.", "There are eight of them in the end.")
    scores = evaluate("mgsm", [file], "de", engine, model="m", out=tmp_path / "out", seed=0)  # type: ignore[arg-type]
    found = {score.metric: score for score in scores}
    assert (round(found["accuracy"].value, 4), found["accuracy"].n) == (0.6667, 3)
    assert "|norm:last_number|" in found["accuracy"].signature
    assert "skipped" not in found["accuracy"].signature
    assert (found["in_language"].value, found["in_language"].n) == (0.5, 2)  # "18" is too short to tell
    assert "|skipped:1|" in found["in_language"].signature
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert [(row["row"], row["reason"]) for row in dropped] == [(4, "bad_number"), (5, "wrong_columns")]


@pytest.mark.real_data
@pytest.mark.parametrize("code", ["en", "es", "de", "zh", "th", "sw", "bn"])
def test_mgsm_is_the_same_in_all_languages(data_folder: Path, code: str) -> None:
    own = items_of("mgsm", [data_folder / "mgsm" / f"mgsm_{code}.tsv"], code, prompt_language="en")
    english = items_of("mgsm", [data_folder / "mgsm" / "mgsm_en.tsv"], "en")
    assert [(i.id, i.golds) for i in own.items] == [(i.id, i.golds) for i in english.items]
    assert (len(own.items), own.dropped) == (250, ())
    assert own.items[0].golds == ("18",)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["English", "German", "Spanish", "Swahili", "Thai", "Chinese"])
def test_msvamp_is_read_whole(data_folder: Path, name: str) -> None:
    found = items_of("msvamp", [data_folder / "msvamp" / f"test_{name}.jsonl*"], name)
    assert (len(found.items), found.dropped) == (1000, ())
    assert found.items[0].golds == ("8",)


@pytest.mark.real_data
def test_tydiqa_has_the_gold_in_its_passages(data_folder: Path) -> None:
    found = items_of("tydiqa", [data_folder / "tydiqa-goldp" / "tydiqa.goldp.sw.train.json.gz"], "sw")
    assert (len(found.items), {note.reason for note in found.notes}) == (2755, {"asked_twice"})


def test_tydiqa_takes_its_language_out_of_the_official_file(tmp_path: Path) -> None:
    questions = [
        {"id": f"{name}-1-0", "question": "?", "answers": [{"text": gold, "answer_start": 0}]}
        for name, gold in (("swahili", "The Bahari"), ("telugu", "x"), ("finnish", "y"))
    ]
    file = tmp_path / "dev.json"
    file.write_text(json.dumps({"data": [{"paragraphs": [{"context": "The Bahari", "qas": questions}]}]}))
    engine = Says("Bahari.")
    scores = evaluate("tydiqa", [file], "sw", engine, model="m", out=tmp_path / "out", seed=0)  # type: ignore[arg-type]
    found = {score.metric: score.value for score in scores}
    assert found["exact_match"] == 1.0  # SQuAD's rules: the English article goes, in Swahili too
    assert found["exact_match_calque"] == 0.0
    dropped = [
        json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()
    ]
    assert dropped == ["other_language", "other_language"]
