"""MMLU without options: the likeliest text wins, by the whole and by the character."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from calque.engines import Completion, Progress
from calque.errors import ModelError
from calque.evaluation.evaluate import evaluate
from calque.records import Conversation


class Judge:
    """Gives out log-likelihoods question by question; must not be asked to write."""

    identity = "judge"

    def __init__(self, *scores: tuple[float, ...]) -> None:
        self.scores = list(scores)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def complete(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, progress: Progress | None = None
    ) -> list[Completion]:
        raise AssertionError((conversations, max_new_tokens, progress))

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        assert progress is None
        self.asked = [(str(c[0].input), tuple(row)) for c, row in zip(conversations, choices, strict=True)]
        return self.scores


ROWS = "Wo?,Rom,Konstantinopel,Bonn,Ulm,B\nWer?,Ada,Bo,Cleo,Dido,A\nWas?,Ei,Tee,Eis,Brot,C\n"


def test_the_likeliest_text_counts_and_long_texts_are_not_held_back(tmp_path: Path) -> None:
    (tmp_path / "x_test.csv").write_text(ROWS, encoding="utf-8")
    # 1: whole Rom (−4), by the character Konstantinopel (−7/14 = −.5); 2: Ada both ways; 3: did not fit the model.
    judge = Judge((-4.0, -7.0, -4.5, -6.0), (-1.0, -2.0, -8.0, -9.0), ())
    scores = evaluate(
        "mmlu_cloze", [tmp_path / "x_test.csv"], "de", judge, model="m", out=tmp_path / "out", seed=0
    )
    assert judge.asked[0] == ("Frage: Wo?", ("Rom", "Konstantinopel", "Bonn", "Ulm"))
    assert {s.metric: round(s.value, 4) for s in scores} == {
        "accuracy_cloze": 0.3333,
        "accuracy_cloze_per_character": 0.6667,
    }
    assert {(s.n, s.answered) for s in scores} == {(3, 2)}
    assert "|norm:cloze|shots:0|n:3/3|" in scores[0].signature
    notes = (tmp_path / "out" / "notes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["reason"] for line in notes] == ["prompt_too_long"]


def test_what_is_no_number_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x_test.csv").write_text(ROWS, encoding="utf-8")
    broken = Judge((float("nan"),) * 4, (0.0,) * 4, (0.0,) * 4)
    with pytest.raises(ModelError, match="not a number"):
        evaluate(
            "mmlu_cloze", [tmp_path / "x_test.csv"], "de", broken, model="m", out=tmp_path / "out", seed=0
        )
