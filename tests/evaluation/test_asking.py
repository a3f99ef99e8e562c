"""Asking by way of English: what is put to the model, what of its words is graded, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.engines import Completion, Progress
from calque.errors import DataError
from calque.evaluation.asking import asking
from calque.evaluation.benchmarks import benchmark_of
from calque.evaluation.evaluate import evaluate
from calque.prompts.turns import turns
from calque.records import Conversation


class Recorder:
    """Answers by turn and remembers what it was asked."""

    identity = "recorder"

    def __init__(self, *answers: str, room: int = 10_000) -> None:
        self.answers, self.room = answers, room
        self.asked: list[tuple[Conversation, int]] = []
        self.compared: list[Conversation] = []

    def complete(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, progress: Progress | None = None
    ) -> list[Completion]:
        turn = len({limit for _, limit in self.asked})
        self.asked += [(conversation, max_new_tokens) for conversation in conversations]
        if progress:
            progress(len(conversations))
        if max_new_tokens > self.room:
            return [Completion("", 0, False) for _ in conversations]
        text = self.answers[min(turn, len(self.answers) - 1)]
        return [Completion(text, len(text), True) for _ in conversations]

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        self.compared += conversations
        if progress:
            progress(len(conversations))
        return [tuple(-float(i) for i, _ in enumerate(of)) for of in choices]


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    qas = [{"id": "1", "question": "Chi?", "answers": [{"text": "il cane", "answer_start": 0}]}]
    data = {"data": [{"title": "t", "paragraphs": [{"context": "il cane è qui", "qas": qas}]}]}
    path = tmp_path / "q.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def run(engine: Any, path: Path, out: Path, benchmark: str = "xquad", **more: Any) -> dict[str, Any]:
    seen: list[int] = []
    ways = {
        key: more.pop(key) for key in ("way", "words", "english_tokens", "english_asked_for") if key in more
    }
    put = asking(ways.pop("way", "direct"), "it", **ways)
    scores = evaluate(
        benchmark, [path], "it", engine, model="m", out=out, seed=0, put=put, progress=seen.append, **more
    )
    (answer,) = (json.loads(line) for line in (out / "answers.jsonl").read_text("utf-8").splitlines())
    counts = json.loads((out / "counts.json").read_text("utf-8"))
    assert sum(seen) == put.passes(benchmark_of(benchmark))
    found = {score.metric: score for score in scores}
    return {"answer": answer, "scores": found, "cost": counts["tokens_per_answer"], "notes": counts["notes"]}


def test_directly(squad: Path, tmp_path: Path) -> None:
    engine = Recorder("il cane")
    found = run(engine, squad, tmp_path / "out")
    assert found["cost"] == 7
    assert "before" not in found["answer"]
    assert "way:" not in found["scores"]["f1"].signature
    assert len(engine.asked) == 1


def test_in_two_turns_the_last_answer_counts(squad: Path, tmp_path: Path) -> None:
    engine = Recorder("Request: Who?\n\nAnswer: the dog", "il cane")
    found = run(engine, squad, tmp_path / "out", way="chat", english_tokens=99)
    (first, limit), (second, last) = engine.asked
    asked = turns("it", "it")
    assert first[-1].text.endswith(f"\n{asked.first}")
    assert "Chi?" in first[-1].input
    assert [m.role for m in second] == ["user", "assistant", "user"]
    assert second[0] == first[0]
    assert (second[1].text, second[1].language) == ("Request: Who?\n\nAnswer: the dog", "en")
    assert second[2].text == asked.second[0]
    assert (limit, last) == (99, 64)
    assert found["scores"]["exact_match"].value == 1
    assert found["answer"]["answer"] == "il cane"
    assert found["answer"]["before"] == "Request: Who?\n\nAnswer: the dog"
    assert found["cost"] == 7 + len("Request: Who?\n\nAnswer: the dog")
    assert f"|way:chat|turns:{asked.digest}|english_tokens:99|" in found["scores"]["f1"].signature


def test_without_being_asked_for_english(squad: Path, tmp_path: Path) -> None:
    """As a model is asked that was taught so: the first turn is the bare question."""
    engine = Recorder("the dog", "il cane")
    found = run(engine, squad, tmp_path / "out", way="chat", english_asked_for=False)
    (first, _), (second, _) = engine.asked
    assert turns("it", "it").first not in first[-1].text
    assert second[:1] == first
    assert "|way:chat-unasked|" in found["scores"]["f1"].signature


def test_in_one_answer_what_stands_behind_the_marker_counts(squad: Path, tmp_path: Path) -> None:
    both = "[English]\nthe dog\n\n[Italian]\nil cane"
    engine = Recorder(both)
    found = run(engine, squad, tmp_path / "out", way="pivot", words="en")
    ((asked, limit),) = engine.asked
    assert asked[-1].text.endswith("Answer in English first, then in Italian.")
    assert limit == 64 + 256
    assert (found["answer"]["answer"], found["answer"]["before"]) == ("il cane", both)
    assert found["scores"]["exact_match"].value == 1
    assert found["cost"] == len(both)
    late = run(Recorder("[English]\nil cane"), squad, tmp_path / "late", way="pivot")
    assert (late["answer"]["answer"], late["scores"]["f1"].value) == ("", 0)
    assert late["scores"]["f1"].answered == 0


def test_an_english_turn_without_room_leaves_the_question_unanswered(squad: Path, tmp_path: Path) -> None:
    found = run(Recorder("il cane", room=100), squad, tmp_path / "out", way="chat")
    assert (found["answer"]["answer"], found["answer"]["fits"]) == ("", False)
    assert found["notes"] == {"prompt_too_long": 1}


def test_options_are_compared_behind_the_english_turn_and_not_behind_half_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "storia_test.csv"
    path.write_text("Chi?,il cane,il gatto,la volpe,il lupo,A\n", encoding="utf-8")
    engine = Recorder("the dog", "A")
    found = run(engine, path, tmp_path / "chat", "mmlu", way="chat")
    assert engine.compared[0][1].text == "the dog"
    assert found["scores"].keys() == {"accuracy_choice", "accuracy_generated"}
    engine = Recorder("[English]\nA\n[Italian]\nA")
    found = run(engine, path, tmp_path / "pivot", "mmlu", way="pivot")
    assert engine.compared == []
    assert found["scores"].keys() == {"accuracy_generated"}
    assert found["scores"]["accuracy_generated"].value == 1


def test_a_language_without_wording_is_refused_and_english_ones_help() -> None:
    with pytest.raises(DataError, match="is not known in Polish"):
        asking("chat", "pl", "item")
    assert asking("chat", "pl", "en").wording is not None
    assert asking("direct", "pl", "item").wording is None
