"""Open-ended questions: every file's own field names; no right and wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from calque.engines import Completion, Progress
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.records import Conversation

ROWS = [
    {"question_id": 1, "category": "generic", "text": "Come stai?"},
    {"id": "k_1", "prompt": " Perché? "},
    {"id": 7, "label": "math", "query": "Quanto fa due più due?"},
    {"idx": 3, "Skill": "Math", "Instruction": "Conta."},
    {"question_id": 82, "category": "writing", "turns": ["Scrivi.", "Riscrivi."]},
    {"question_id": "a1", "turns": [{"content": "Componi."}]},
    {"question_id": 1, "text": "Ancora?"},
    {"text": "Chi sono?"},
    {"question_id": 9},
    {"question_id": 10, "text": 4},
    {"question_id": 11, "text": "  "},
]


class Parrot:
    """Repeats the question; never comes to an end with the last one."""

    identity = "parrot"

    def complete(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, progress: Progress | None = None
    ) -> list[Completion]:
        assert (max_new_tokens, progress) == (512, None)
        return [Completion(c[0].text, 1, i + 1 < len(conversations)) for i, c in enumerate(conversations)]


def test_questions_are_asked_as_they_stand_and_bad_rows_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    found = items_of("open", [path], "it")
    assert [(i.id, i.group, i.conversation[0].text) for i in found.items] == [
        ("1", "generic", "Come stai?"),
        ("k_1", "", "Perché?"),
        ("7", "math", "Quanto fa due più due?"),
        ("3", "Math", "Conta."),
        ("82", "writing", "Scrivi."),
        ("a1", "", "Componi."),
    ]
    assert [(r.row, r.reason) for r in found.dropped] == [
        (7, "duplicate_id"),
        (8, "missing_field"),
        (9, "missing_field"),
        (10, "wrong_type"),
        (11, "empty_question"),
    ]
    score, language = evaluate("open", [path], "it", Parrot(), model="m", out=tmp_path / "out", seed=0)  # type: ignore[arg-type]
    assert (score.metric, round(score.value, 4), score.n, score.answered, score.ceiling) == (
        "finished",
        0.8333,
        6,
        6,
        1.0,
    )
    assert (language.metric, language.value, language.n) == (
        "in_language",
        1.0,
        1,
    )  # the others are too short
    first = json.loads((tmp_path / "out" / "answers.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (first["golds"], first["answer"]) == ([], "Come stai?")


@pytest.mark.real_data
def test_the_question_files_of_many_benchmarks_are_read(data_folder: Path) -> None:
    for name, count in (
        ("vicuna80-multilingual/questions_Italian.jsonl", 80),
        ("llmzoo100-multilingual/it100.jsonl", 100),
        ("hplt-oasst50-multilingual/test_fi.jsonl", 50),
        ("fastchat-en/mt_bench-question.jsonl", 80),
        ("mt-bench-multilingual/mt_bench_it-question.jsonl", 80),
        ("koala-testset/*.jsonl", 180),
        ("wizardlm-testset/*.jsonl", 218),
        ("arena-hard-multilingual/question-en.jsonl", 500),
    ):
        found = items_of("open", [data_folder / name], "it")
        assert (len(found.items), len(found.dropped)) == (count, 0), name
