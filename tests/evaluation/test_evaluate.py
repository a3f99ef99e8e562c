"""Whole evaluations with a scripted engine: official forms, damaged files, the real files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calque.engines import Completion, Progress
from calque.errors import CalqueError, DataError, ModelError, UsageError
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.evaluation.scores import Score, mean_over_languages, read_scores
from calque.evaluation.wording import wording, wording_languages
from calque.records import Conversation


class Scripted:
    """Answers by a function of the question's material; chooses always the same letter."""

    identity = "scripted"

    def __init__(self, answer: Callable[[str], str], favourite: str = "A", worst: float = -5.0) -> None:
        self._answer, self._favourite, self._worst = answer, favourite, worst

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        progress: Progress | None = None,
    ) -> list[Completion]:
        if progress:
            progress(len(conversations))
        texts = [self._answer(str(conversation[-1].input)) for conversation in conversations]
        return [Completion(text, len(text), finished=True) for text in texts]

    def choose(
        self,
        conversations: Sequence[Conversation],  # noqa: ARG002
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> list[tuple[float, ...]]:
        return [tuple(-1.0 if c == self._favourite else self._worst for c in of) for of in choices]


def question(id_: str, text: str, *golds: str) -> dict[str, Any]:
    return {"id": id_, "question": text, "answers": [{"text": g, "answer_start": 0} for g in golds]}


def squad_file(path: Path, context: str, *questions: Any) -> Path:
    data = {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(
    benchmark: str, file: Path, language: str, engine: Scripted, out: Path, **more: Any
) -> dict[str, Score]:
    scores = evaluate(benchmark, [file], language, engine, model="m", out=out, seed=3, **more)
    assert read_scores(out / "scores.jsonl") == scores
    counts = json.loads((out / "counts.json").read_text(encoding="utf-8"))
    assert counts["rows"] == counts["kept"] + sum(counts["dropped"].values())
    assert counts["kept"] == len(rows(out / "answers.jsonl"))
    assert sum(counts["dropped"].values()) == len(rows(out / "dropped.jsonl"))
    return {f"{score.benchmark} {score.metric}": score for score in scores}


def test_xquad_scores_by_hand(tmp_path: Path) -> None:
    file = squad_file(
        tmp_path / "xquad.es.json",
        "El rey vive en la torre.",
        question("1", "¿Quién?", "El rey"),
        question("2", "¿Dónde?", "en la torre", "torre"),
        question("3", "¿Qué?", "un dragón"),
    )
    answers = {"¿Quién?": "rey", "¿Dónde?": "vive en la torre", "¿Qué?": ""}
    engine = Scripted(lambda asked: answers[asked.rsplit(": ", 1)[1]])
    scores = run("xquad", file, "es", engine, tmp_path / "out")
    assert scores["xquad exact_match"].value == pytest.approx(1 / 3)
    # rey = rey; vive en torre / en torre: 2·(2/3)/(5/3) = 0.8; nothing.
    assert scores["xquad f1"].value == pytest.approx(1.8 / 3)
    # SQuAD keeps el, la: rey / el rey 2/3; vive en la torre / en la torre: 6/7.
    assert scores["xquad f1_squad"].value == pytest.approx((2 / 3 + 6 / 7) / 3)
    assert scores["xquad exact_match_squad"].value == 0.0
    assert scores["xquad containment"].value == pytest.approx(2 / 3)
    assert scores["xquad exact_match_calque"].value == pytest.approx(1 / 3)
    score = scores["xquad f1"]
    assert (score.n, score.answered, score.ceiling) == (3, 2, pytest.approx(2 / 3))
    assert score.low <= score.value <= score.high
    assert "norm:mlqa" in score.signature
    assert str(tmp_path) not in score.signature
    notes = rows(tmp_path / "out" / "notes.jsonl")
    assert [(n["reason"], n["row"]) for n in notes] == [("gold_not_in_context", 3)]


def test_what_cannot_be_asked_is_put_aside_with_its_reason(tmp_path: Path) -> None:
    broken = {**question("5", "e?", "x"), "answers": [{"text": 5}]}
    file = squad_file(
        tmp_path / "q.json",
        "x y",
        question("1", "a?", "x"),
        question("1", "b?", "x"),
        question("2", "c?"),
        question("3", " ", "x"),
        broken,
        question("6", "f?", "\ud800"),
        "no question",
    )
    run("xquad", file, "en", Scripted(lambda _: "x"), tmp_path / "out")
    found = [(row["row"], row["reason"]) for row in rows(tmp_path / "out" / "dropped.jsonl")]
    assert found == [
        (2, "duplicate_id"),
        (3, "no_gold"),
        (4, "empty_question"),
        (5, "wrong_type"),
        (6, "invalid_utf8"),
        (7, "wrong_type"),
    ]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    file = squad_file(tmp_path / "q.json", "x y", *(question(str(i), f"{i}?", "x") for i in range(30)))
    engine = Scripted(lambda asked: "x" if "1" in asked else "y")
    for name in ("one", "two"):
        run("xquad", file, "en", engine, tmp_path / name, limit=20)
    first = {p.name: p.read_bytes() for p in (tmp_path / "one").iterdir()}
    assert first == {p.name: p.read_bytes() for p in (tmp_path / "two").iterdir()}
    assert len(rows(tmp_path / "one" / "answers.jsonl")) == 20
    small = {i.id for i in items_of("xquad", [file], "en", limit=5).items}
    assert small < {i.id for i in items_of("xquad", [file], "en", limit=20).items}


def test_mlqa_is_asked_in_one_language_and_scored_in_the_other(tmp_path: Path) -> None:
    file = squad_file(
        tmp_path / "test-context-ar-question-zh.json", "الكتاب قديم", question("1", "什么？", "الكتاب")
    )
    score = run("mlqa", file, "zh", Scripted(lambda _: "كتاب"), tmp_path / "out")["mlqa exact_match"]
    assert (score.value, score.language) == (1.0, "zh")  # the article goes by the rules of the context
    assert "context:ar" in score.signature
    asked = items_of("mlqa", [file], "zh").items[0].conversation[-1]
    assert asked.text == wording("qa", "zh").instruction
    assert asked.input == "文本：الكتاب قديم\n问题：什么？"
    with pytest.raises(DataError, match="asks in 'zh', not in 'ar'"):
        items_of("mlqa", [file], "ar")


def test_mmlu_by_likelihood_and_by_letter(tmp_path: Path) -> None:
    file = tmp_path / "law_test.csv"
    file.write_text(
        'one?,p,q,r,s,A\n"two, then?",p,q,r,s,B\nthree?,p,q,r,C\nfour?,p,q,r,s,E\nfive?,p,,r,s,A\n',
        encoding="utf-8",
    )
    engine = Scripted(lambda asked: "The answer is B." if "two" in asked else "q", favourite="A")
    scores = run("mmlu", file, "en", engine, tmp_path / "out")
    assert scores["mmlu accuracy_choice"].value == 0.5
    assert scores["mmlu accuracy_generated"].value == 0.5
    assert "tokens:" not in scores["mmlu accuracy_choice"].signature
    found = [(row["row"], row["reason"]) for row in rows(tmp_path / "out" / "dropped.jsonl")]
    assert found == [(3, "wrong_columns"), (4, "bad_letter"), (5, "empty_option")]
    impossible = Scripted(lambda _: "", worst=float("-inf"))
    assert run("mmlu", file, "en", impossible, tmp_path / "inf")["mmlu accuracy_choice"].value == 0.5
    assert rows(tmp_path / "inf" / "answers.jsonl")[0]["log_likelihoods"] == [-1.0, None, None, None]
    with pytest.raises(ModelError, match="not a number"):
        run("mmlu", file, "en", Scripted(lambda _: "", worst=float("nan")), tmp_path / "nan")


class Short(Scripted):
    """Has no room for questions about two."""

    def complete(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, progress: Progress | None = None
    ) -> list[Completion]:
        made = super().complete(conversations, max_new_tokens=max_new_tokens, progress=progress)
        asked = zip(made, conversations, strict=True)
        return [Completion("", 0, False) if "two" in str(c[-1].input) else done for done, c in asked]

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        made = super().choose(conversations, choices, progress=progress)
        asked = zip(made, conversations, strict=True)
        return [() if "two" in str(c[-1].input) else row for row, c in asked]


def test_a_prompt_that_does_not_fit_is_wrong_and_noted(tmp_path: Path) -> None:
    file = tmp_path / "law_test.csv"
    file.write_text("one?,p,q,r,s,A\ntwo?,p,q,r,s,A\n", encoding="utf-8")
    scores = run("mmlu", file, "en", Short(lambda _: "A"), tmp_path / "out")
    for metric in ("accuracy_choice", "accuracy_generated"):
        score = scores[f"mmlu {metric}"]
        assert (score.value, score.n, score.answered, score.ceiling) == (0.5, 2, 1, 1.0)
    [note] = rows(tmp_path / "out" / "notes.jsonl")
    assert (note["row"], note["reason"]) == (2, "prompt_too_long")
    assert [row.get("fits", True) for row in rows(tmp_path / "out" / "answers.jsonl")] == [True, False]


def test_bbh_per_task_and_the_mean_over_tasks(tmp_path: Path) -> None:
    folder = tmp_path / "bbh"
    folder.mkdir()
    picks = "Which?\nOptions:\n(A) red\n(B) blue"
    tasks = {
        "colours": [{"input": picks, "target": "(B)"}],
        "sums": [{"input": f"{i} - 40 =", "target": str(i - 40)} for i in (1, 2, 3)],
    }
    for name, examples in tasks.items():
        (folder / f"{name}.json").write_text(json.dumps({"examples": examples}), encoding="utf-8")
    engine = Scripted(lambda asked: "B." if "Which" in asked else "-39.")
    scores = run("bbh", folder, "en", engine, tmp_path / "out")
    assert scores["bbh/colours exact_match"].value == 1.0
    assert scores["bbh/sums exact_match"].value == pytest.approx(1 / 3)
    assert scores["bbh exact_match"].value == pytest.approx(2 / 3)  # over tasks; over items it would be 1/2
    assert scores["bbh exact_match"].n == 4


@pytest.mark.parametrize(
    ("benchmark", "name", "text", "said"),
    [
        ("xquad", "q.json", '{"data": [{"title": ', "q.json"),
        ("xquad", "q.json", '{"rows": []}', 'no list "data"'),
        ("xquad", "q.json", '{"data": []}', "q.json: xquad: no item is left to ask; put aside: nothing"),
        ("mmlu", "q.json", "{}\n[1,2]\n", "mmlu: no item is left to ask; put aside: 2 × wrong_columns"),
        ("xquad", "xquad.de.json", '{"data": []}', "in 'de', not in 'en'"),
        ("mmlu", "m.csv", 'a?,1,2,3,4,A\n"b?,1,2,3,4,A\n', "m.csv:2: is not valid CSV"),
        ("bbh", "b.json", "[]", 'no list "examples"'),
        ("xqad", "b.json", "[]", "did you mean 'xquad'"),
    ],
)
def test_damaged_files_are_refused_by_name(
    tmp_path: Path, benchmark: str, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CalqueError, match=re.escape(said)):
        run(benchmark, file, "en", Scripted(lambda _: ""), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="limit is 0"):
        items_of("xquad", [tmp_path], "en", limit=0)


def test_means_over_languages() -> None:
    first = Score("b", "es", "f1", 0.2, 0.1, 0.3, 10, 9, 1.0, "m", "b|lang:es|v1")
    second = replace(first, language="de", value=0.6, low=0.5, high=0.7, n=30, signature="b|lang:de|v1")
    (mean,) = mean_over_languages([first, second])
    assert (mean.language, mean.n, mean.answered) == ("mean", 40, 18)
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.4, 0.3, 0.5))
    assert mean.signature == "b|lang:es+de|v1"
    assert mean_over_languages([first]) == []
    with pytest.raises(DataError, match="stand for the same"):
        mean_over_languages([first, first])


@pytest.mark.parametrize("row", ["[]", '{"benchmark": "b"}', '{"benchmark": '])
def test_a_row_that_is_no_score_is_refused(tmp_path: Path, row: str) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text(row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"scores\.jsonl"):
        read_scores(file)


def test_every_wording_has_its_places() -> None:
    for form, places in (
        ("qa", ["context", "question"]),
        ("mmlu", ["question", "options"]),
        ("mmlu_cloze", ["question"]),
        ("bbh", ["question"]),
    ):
        assert {"en", "es", "de", "zh", "ar", "it"} <= set(wording_languages(form))
        for code in wording_languages(form):
            made = wording(form, code)
            assert re.findall(r"\{(\w+)\}", made.input) == places
            assert 8 < len(made.instruction) < 130
    with pytest.raises(DataError, match="no benchmark prompts of the form 'qa' in Polish"):
        wording("qa", "pl")


def test_a_language_without_prompts_is_asked_in_english_and_the_signature_tells(tmp_path: Path) -> None:
    file = squad_file(tmp_path / "xquad.pl.json", "Kot śpi.", question("1", "Kto?", "Kot"))
    (asked,) = items_of("xquad", [file], "pl").items[0].conversation
    assert (asked.text, asked.language) == (wording("qa", "en").instruction, "en")
    score = run("xquad", file, "pl", Scripted(lambda _: "Kot"), tmp_path / "out")["xquad f1"]
    assert "|prompt:item=en|" in score.signature
    in_english = run("xquad", file, "pl", Scripted(lambda _: "Kot"), tmp_path / "en", prompt_language="en")
    assert "|prompt:en|" in in_english["xquad f1"].signature


@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "es", "de", "zh", "ar"])
def test_real_xquad_is_whole_and_scored_fast(tmp_path: Path, data_folder: Path, language: str) -> None:
    file = data_folder / "xquad" / f"xquad.{language}.json.gz"
    golds = iter([item.golds[0] for item in items_of("xquad", [file], language).items])
    engine = Scripted(lambda _: next(golds))  # by order: a few questions stand in a file twice
    scores = run("xquad", file, language, engine, tmp_path / "out")
    assert scores["xquad exact_match"].value == scores["xquad f1_calque"].value == 1.0
    assert scores["xquad f1"].n == 1190
    assert {score.ceiling for score in scores.values()} == {1.0}


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mmlu-en", "mmlu-ar"])
def test_real_mmlu_has_its_questions(data_folder: Path, name: str) -> None:
    found = items_of("mmlu", [data_folder / name], name[-2:])
    assert found.total + len(found.dropped) == 14042  # 14,327 rows less 285 of dev
    assert len({item.group for item in found.items}) == 57


@pytest.mark.real_data
def test_real_bbh_has_its_questions(data_folder: Path) -> None:
    found = items_of("bbh", [data_folder / "bbh-en"], "en")
    assert found.total + len(found.dropped) == 5146
    assert len({item.group for item in found.items}) == 21


@pytest.mark.real_data
def test_real_mlqa_counts_as_a_search_of_the_text_does(data_folder: Path) -> None:
    import gzip

    path = data_folder / "mlqa" / "dev-context-zh-question-en.json.gz"
    text = gzip.decompress(path.read_bytes()).decode("utf-8")
    found = items_of("mlqa", [path], "en")
    assert found.total + len(found.dropped) == len(re.findall(r'"question":', text)) > 0
    assert {item.language for item in found.items} == {"zh"}
