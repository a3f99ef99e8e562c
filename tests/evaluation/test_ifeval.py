"""Verifiable instructions by hand-worked cases, quirks of the official checks included; the real files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.engines import Completion, Progress
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.evaluation.ifeval import instructions
from calque.evaluation.instructions import Instruction, loosened
from calque.evaluation.sentences import sentence_count
from calque.records import Conversation

ENGLISH = "the weather in the north of the country is cold and wet"


@pytest.mark.parametrize(
    ("name", "wants", "answer", "followed"),
    [
        ("punctuation:no_comma", {}, "One and two.", True),
        ("punctuation:no_comma", {}, "One, two.", False),
        ("punctuation:no_comma", {}, "  ", False),  # nothing was answered
        ("keywords:existence", {"keywords": ["Cat", "dog"]}, "concatenated DOGS", True),  # inside words too
        ("keywords:existence", {"keywords": ["cat", "dog"]}, "a cat", False),
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "concatenated", True),  # whole words alone
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "A CAT.", False),
        ("keywords:frequency", {"keyword": "no", "frequency": 2, "relation": "at least"}, "no, now", True),
        ("keywords:frequency", {"keyword": "no", "frequency": 2, "relation": "less than"}, "no, now", False),
        ("keywords:frequency", {"keyword": "no", "frequency": 2, "relation": "como máximo"}, "no, now", True),
        ("keywords:letter_frequency", {"letter": "A", "let_frequency": 2, "let_relation": "at least"}, "aA", True),
        ("length_constraints:number_words", {"num_words": 4, "relation": "at least"}, "well-known a_b it's", True),
        ("length_constraints:number_words", {"num_words": 5, "relation": "less than"}, "well-known a_b it's", False),
        ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "less than"}, "A b. C d!", True),
        ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}, "A b. C d!", False),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb\n***", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\n***\nb", False),  # an empty one
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
            "First.\n\n'then, it",
            True,
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "En mi opinión"},
            "En mi opinión, sí.\n\nPero",
            True,
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "then"},
            "First.\n\nthen",
            False,
        ),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] and []", True),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[na\nme] and [x]", False),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP. S. more", True),
        ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\np.p.s more", True),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nPS more", False),
        ("detectable_content:postscript", {"postscript_marker": "Nota"}, "NOTA: más", True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 3}, "* a\n - b\n-c\n**d**", True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n - b\n-c", False),  # exactly
        ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", True),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "**", False),
        ("detectable_format:multiple_sections", {"num_sections": 2, "section_spliter": "Section"}, "Section1 Section 2", True),
        ("detectable_format:multiple_sections", {"num_sections": 2, "section_spliter": "Section"}, "Section A Section B", False),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', True),
        ("detectable_format:json_format", {}, 'Here: {"a": 1}', False),
        ("detectable_format:title", {}, "<<a>> b", True),
        ("detectable_format:title", {}, "<< >> b", False),
        ("detectable_format:constrained_response", {}, "Well. My answer is maybe. Or not.", True),
        ("detectable_format:constrained_response", {}, "my answer is maybe.", False),
        ("startend:end_checker", {"end_phrase": "Any other questions?"}, 'x "any other questions?" ', True),
        ("startend:end_checker", {"end_phrase": "Any other questions?"}, "any other questions? No", False),
        ("startend:quotation", {}, '"a" and "b"', True),
        ("startend:quotation", {}, "“a”", False),
        ("startend:quotation", {}, '"', False),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, " say it. No.", True),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "Sure! Say it.", False),
        ("combination:two_responses", {}, "a******b", True),
        ("combination:two_responses", {}, "a****** a", False),
        ("combination:two_responses", {}, "******a******b", True),
        ("combination:two_responses", {}, "a************b", False),
        ("change_case:english_capital", {}, ENGLISH.upper(), True),
        ("change_case:english_lowercase", {}, ENGLISH, True),
        ("change_case:english_lowercase", {}, "il tempo nel nord del paese è freddo e umido", False),
        ("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "at least"}, "I AM well-READ, U.S.A.", True),
        ("language:response_language", {"language": "it"}, "il tempo nel nord del paese è freddo", True),
        ("language:response_language", {"language": "it"}, ENGLISH, False),
        ("language:response_language", {"language": "th"}, "อากาศหนาว", True),
        ("special_character:enie", {"let_frequency": 2}, "Ñu, an\u0303o y no", True),
        ("special_character:enie", {"let_frequency": 1}, "Ñu, año y no", False),
        ("special_character:dieresis", {"let_frequency": 1}, "El pingüino", True),
        ("special_character:tildes", {"num_words": 2, "relation": "como máximo"}, "Sí, así está", False),
        ("punctuation:question_marks", {}, "¿Sí?", True),
        ("punctuation:question_marks", {}, "Sí?", False),
        ("punctuation:exclamation_marks", {}, "¡Sí!", True),
    ],
)  # fmt: skip
def test_rules_of_ifeval(name: str, wants: dict[str, Any], answer: str, followed: bool) -> None:
    assert Instruction(name, wants, "en").is_followed(answer) is followed


def test_lists_in_spanish_are_counted_by_the_rules_of_its_authors() -> None:
    bullets = Instruction("detectable_format:number_bullet_lists", {"num_bullets": 1}, "es")
    assert bullets.is_followed("* a\n- b")  # the instruction names * alone
    words = Instruction("length_constraints:number_words", {"num_words": 2, "relation": "como máximo"}, "es")
    assert words.is_followed("1. uno\n2. dos")
    assert not words.is_followed("uno dos 3")


@pytest.mark.parametrize(
    ("name", "wants", "language", "answer", "followed"),
    [
        ("keywords:existence", {"keywords": ["cat"]}, "en", "concatenated", False),  # whole words here
        ("keywords:existence", {"keywords": ["แบงค์"]}, "th", "คนชื่อแบงค์คือ", True),
        ("keywords:number_frequency", {"number": "3", "frequency": 2, "relation": "exactly"}, "id", "33", True),
        ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "th", "ก *** ข ***", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "th", "ก\n***\n***\nข", True),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "id", "[nama] []", False),
        ("detectable_content:postscript", {"postscript_marker": "ป.ล."}, "th", "ลาก่อน\nป. ล. คิดถึง", True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "id", "* **a**\n- b\n-c", True),
        ("detectable_format:multiple_sections", {"num_sections": 2, "section_title": "ส่วน"}, "th", "ส่วน 1\nx\nส่วน ๒\ny", True),
        ("detectable_format:multiple_sections", {"num_sections": 1, "section_title": "BAGIAN"}, "id", "BAGIAN A BAGIAN B", False),
        ("detectable_format:constrained_response", {}, "th", "คำตอบของฉันคือไม่", True),
        ("startend:quotation", {}, "id", '" "', False),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Apa?"}, "id", "Apa?", False),  # and no answer
        ("combination:two_responses", {}, "id", "a******a", True),
        ("startend:first_word", {"first_word": "จิ๊บ"}, "th", "จิ๊บๆ นก", True),
    ],
)  # fmt: skip
def test_rules_of_sea_ifeval(
    name: str, wants: dict[str, Any], language: str, answer: str, followed: bool
) -> None:
    assert Instruction(name, wants, language, "sea").is_followed(answer) is followed


def test_loosened_forms() -> None:
    assert loosened("Sure:\n*a*\nb") == ["Sure:\n*a*\nb", "*a*\nb", "Sure:\n*a*", "*a*", "Sure:\na\nb", "a\nb", "Sure:\na", "a"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith paid $3.50 to J. Doe. He left!", 2),
        ("“¿Sí?” dijo. Y no…", 3),
        ("# Title\n1. One thing\n2. Another.", 3),
        ("天気がいい。散歩しよう！", 2),
        ("यह एक है। यह दो है।", 2),
        ("", 0),
    ],
)
def test_sentences(text: str, sentences: int) -> None:
    assert sentence_count(text) == sentences


class Says:
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


def test_scores_of_prompts_and_of_instructions(tmp_path: Path) -> None:
    rows = [
        {"key": 1, "prompt": "a", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"relation": None}]},
        {
            "key": 2,
            "prompt": "b",
            "instruction_id_list": ["en:startend:quotation", "en:detectable_format:title", "en:punctuation:no_comma"],
            "kwargs": [{}, {}, {}],
        },
        {"key": 3, "prompt": "c", "instruction_id_list": ["fr:punctuation:no_comma"], "kwargs": [{}]},
        {"key": 4, "prompt": "d", "instruction_id_list": ["en:magic:spell"], "kwargs": [{}]},
        {"key": 5, "prompt": "e", "instruction_id_list": ["en:magic:spell"], "kwargs": []},
    ]  # fmt: skip
    file = tmp_path / "input.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = ["Sure, here:\nIl tempo nel nord del paese è freddo.", '"<<x>> y"']
    scores = evaluate("ifeval", [file], "en", Says(*said), model="m", out=tmp_path / "out", seed=0)  # type: ignore[arg-type]
    found = {score.metric: score for score in scores}
    assert {metric: score.value for metric, score in found.items()} == {
        "prompt_strict": 0.5,  # the first has a comma, in its first line
        "prompt_loose": 1.0,
        "prompt_strict_in_language": 0.5,
        "in_language": 0.0,  # of one that is long enough
        "instruction_strict": 0.75,
        "instruction_loose": 1.0,
    }
    assert found["instruction_strict"].low <= 0.75 <= found["instruction_strict"].high
    dropped = [
        json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()
    ]
    assert dropped == ["other_language", "unknown_instruction", "wrong_type"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "language", "count", "dropped"),
    [
        ("m-ifeval/en_input_data.jsonl", "en", 541, {}),
        ("m-ifeval/es_input_data.jsonl", "es", 115, {}),
        ("sea-ifeval/en_sea_ifeval.jsonl", "en", 105, {}),
        ("sea-ifeval/id_sea_ifeval.jsonl", "id", 105, {}),
        ("sea-ifeval/th_sea_ifeval.jsonl", "th", 100, {"words_without_spaces": 5}),
    ],
)
def test_every_instruction_of_the_files_can_be_checked(
    data_folder: Path, file: str, language: str, count: int, dropped: dict[str, int]
) -> None:
    found = items_of("ifeval", [data_folder / file], language)
    assert (len(found.items), found.reasons()) == (count, dropped)
    for item in found.items:
        for one in instructions(item):
            assert one.is_followed("Ja, 1!") in (True, False)  # nothing that it wants is missing
