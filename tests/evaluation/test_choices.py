"""Benchmarks whose answer is one of several texts: official forms, bad rows, the real files, grades by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.engines import Completion
from calque.errors import DataError
from calque.evaluation.asked import items_of
from calque.evaluation.benchmarks import benchmark_of
from calque.evaluation.evaluate import evaluate
from calque.evaluation.items import Item
from calque.evaluation.scores import Score
from calque.evaluation.wording import wording, wording_languages
from calque.records import Conversation

FORMS = {
    "nli": ["context", "question"], "paraphrase": ["context", "question"], "copa": ["context", "question"],
    "story": ["context"], "sentence": [], "reading": ["context", "question", "options"],
}  # fmt: skip


class Rating:
    """Holds of each text what a table says, −9 of any other; writes the letter A."""

    identity = "rating"

    def __init__(self, **of: float) -> None:
        self.of = of
        self.asked: list[Conversation] = []

    def complete(self, conversations: Sequence[Conversation], **_: Any) -> list[Completion]:
        return [Completion("A", 1, finished=True) for _ in conversations]

    def choose(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]], **_: Any
    ) -> list[tuple[float, ...]]:
        self.asked += conversations
        return [tuple(self.of.get(text, -9.0) for text in row) for row in choices]


def put(path: Path, *rows: Any, lines: bool = True) -> Path:
    texts = [json.dumps(row, ensure_ascii=False) if lines else "\t".join(row) for row in rows]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def run(benchmark: str, file: Path, language: str, engine: Any, out: Path, **more: Any) -> dict[str, Score]:
    scores = evaluate(benchmark, [file], language, engine, model="m", out=out, seed=3, **more)
    return {f"{score.benchmark} {score.metric}": score for score in scores}


def reasons(benchmark: str, file: Path, language: str) -> tuple[list[Item], dict[str, int]]:
    found = items_of(benchmark, [file], language)
    assert found.counts()["rows"] == len(found.items) + len(found.dropped)
    return list(found.items), found.reasons()


@pytest.mark.parametrize("form", FORMS)
def test_every_wording_has_its_places(form: str) -> None:
    import re

    languages = wording_languages(form)
    assert {"en", "es", "de", "zh", "ar", "it", "sw", "th", "tr", "vi", "hi"} <= set(languages)
    for code in languages:
        made = wording(form, code)
        assert re.findall(r"\{(\w+)\}", made.input) == FORMS[form]
        assert 5 < len(made.instruction) < 130
        if form in ("nli", "paraphrase"):
            labels = made.words("labels")
            assert len(set(labels)) == {"nli": 3, "paraphrase": 2}[form]
            assert not any(a != b and b.startswith(a) for a in labels for b in labels), code


def test_xnli_in_its_three_forms(tmp_path: Path) -> None:
    rows = [["He sleeps.", "He is awake.", "contradiction"], ["He sleeps.", "He rests.", "entailment"]]
    dev = put(tmp_path / "dev-en.tsv", *rows, ["only one"], ["a", "b", "other"], ["a", "b", ""], lines=False)
    items, dropped = reasons("xnli", dev, "en")
    assert [(i.id, i.golds, i.choices) for i in items] == [
        ("dev-en:1", ("C",), ("Yes", "Maybe", "No")),
        ("dev-en:2", ("A",), ("Yes", "Maybe", "No")),
    ]
    assert items[0].conversation[0].input == "First sentence: He sleeps.\nSecond sentence: He is awake."
    assert dropped == {"wrong_columns": 1, "bad_label": 1, "no_gold": 1}
    test = put(tmp_path / "test-en.tsv", *(row[:2] for row in rows), lines=False)
    with pytest.raises(DataError, match="no labels"):
        items_of("xnli", [test], "en")
    (tmp_path / "test-labels.txt").write_text("neutral\nentailment\n", encoding="utf-8")
    assert [item.golds for item in reasons("xnli", test, "en")[0]] == [("B",), ("A",)]
    beside = benchmark_of("xnli").beside  # an evaluation depends on them too
    assert (beside(test), beside(tmp_path / "elsewhere" / "test.tsv")) == (
        (tmp_path / "test-labels.txt",),
        (),
    )
    whole = put(
        tmp_path / "xnli.test.tsv",
        ["language", "gold_label", "sentence1_binary_parse", "sentence1", "sentence2"],
        ["de", "neutral", "", "Er schläft.", "Er träumt."],
        ["fr", "neutral", "", "Il dort.", "Il rêve."],
        lines=False,
    )
    (german,), dropped = reasons("xnli", whole, "de")
    assert (german.context, german.golds, dropped) == ("Er schläft.", ("B",), {"other_language": 1})


def test_labels_are_compared_by_their_sum_and_a_language_without_words_gets_english_ones(
    tmp_path: Path,
) -> None:
    rows = [["Kot śpi.", "Kot leży.", "entailment"], ["Kot śpi.", "Kot je.", "contradiction"]]
    file = put(tmp_path / "dev-pl.tsv", *rows, lines=False)
    scores = run("xnli", file, "pl", Rating(Yes=-1.0, No=-2.0), tmp_path / "out")
    assert list(scores) == ["xnli accuracy"]
    assert (scores["xnli accuracy"].value, scores["xnli accuracy"].n) == (0.5, 2)
    assert "|prompt:item=en|" in scores["xnli accuracy"].signature


def test_xcopa_by_sum_by_character_and_by_byte(tmp_path: Path) -> None:
    row = {
        "premise": "雨が降った。",
        "choice1": "傘",
        "choice2": "umbrella",
        "question": "effect",
        "label": 1,
    }
    file = put(tmp_path / "test.zh.jsonl", {**row, "idx": 7})
    ((item,), _) = reasons("xcopa", file, "zh")
    assert item.id == "test:7"
    assert item.conversation[0].input == "雨が降った。\n结果发生了什么？"
    # −2 and −8: per character −2 and −1, per byte −2/3 and −1.
    scores = run("xcopa", file, "zh", Rating(傘=-2.0, umbrella=-8.0), tmp_path / "out")
    found = {name.removeprefix("xcopa "): score.value for name, score in scores.items()}
    assert found == {"accuracy": 0.0, "accuracy_per_character": 1.0, "accuracy_per_byte": 0.0}


def test_xcopa_puts_bad_rows_aside(tmp_path: Path) -> None:
    good = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 0, "idx": 0}
    file = put(
        tmp_path / "val.sw.jsonl",
        good, good, {**good, "idx": 1, "label": 2}, {**good, "idx": 2, "choice2": " "},
        {**good, "idx": 3, "label": None}, {**good, "question": "why"}, {**good, "idx": 4, "premise": ""}, {**good, "idx": 5},
    )  # fmt: skip
    items, dropped = reasons("xcopa", file, "sw")
    assert [item.id for item in items] == ["val:0", "val:5"]
    assert dropped == {
        "bad_label": 1, "duplicate_id": 1, "empty_option": 1, "empty_question": 1, "no_gold": 1, "wrong_type": 1,
    }  # fmt: skip
    notes = items_of("xcopa", [file], "sw").notes
    assert [(note.reason, note.row) for note in notes] == [("asked_twice", 8)]


def test_xstorycloze_in_its_official_form(tmp_path: Path) -> None:
    head = [
        "InputStoryid", "InputSentence1", "InputSentence2", "InputSentence3", "InputSentence4",
        "RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2", "AnswerRightEnding",
    ]  # fmt: skip
    story = ["s1", "Ana left.", "It rained.", "She ran.", "She fell.", "She laughed.", "She got up.", "2"]
    file = put(tmp_path / "spring2016.val.es.tsv.split_20_80_eval.tsv", head, story, ["s2"], [*story[:7], "3"],
               lines=False)  # fmt: skip
    (item,), dropped = reasons("xstorycloze", file, "es")
    assert (item.id, item.golds, item.choices) == ("s1", ("B",), ("She laughed.", "She got up."))
    assert item.conversation[0].input == "Ana left. It rained. She ran. She fell."
    assert dropped == {"bad_label": 1, "wrong_columns": 1}
    engine = Rating(**{"She laughed.": -3.0, "She got up.": -2.0})
    assert run("xstorycloze", file, "es", engine, tmp_path / "out")["xstorycloze accuracy"].value == 1.0
    with pytest.raises(DataError, match="no column InputStoryid"):
        items_of("xstorycloze", [put(tmp_path / "x.tsv", story, lines=False)], "es")


def test_xwinograd_compares_what_stands_behind_the_pronoun(tmp_path: Path) -> None:
    tokens = ["The", "cup", "hit", "the", "jug", "as", "it", "fell", "."]
    candidates = [["The cup", [0, 2], ["The", "cup"], True], ["the jug", [3, 5], ["the", "jug"], False]]
    row = ["en", "original", "?", "The cup hit the jug as it fell.", json.dumps(tokens)]
    last = [json.dumps(["it", [6, 7], ["it"]]), json.dumps(candidates)]
    wrong = [json.dumps(["she", [6, 7], ["she"]]), json.dumps(candidates)]
    file = put(tmp_path / "dataset.tsv", [*row, *last], [*row, *wrong], ["jp", *row[1:], *last], lines=False)
    (item,), dropped = reasons("xwinograd", file, "en")
    cup, jug = "The cup hit the jug as The cup", "The cup hit the jug as the jug"
    assert item.compared == (f"{cup} fell.", f"{jug} fell.", cup, jug)
    assert item.choices == ("The cup", "the jug")
    assert dropped == {"other_language": 1, "pronoun_not_found": 1}
    # Whole: −12 < −11; behind the pronoun: −12 + 10 > −11 + 8.
    engine = Rating(**{f"{cup} fell.": -12.0, f"{jug} fell.": -11.0, cup: -10.0, jug: -8.0})
    scores = run("xwinograd", file, "en", engine, tmp_path / "out")
    assert (scores["xwinograd accuracy"].value, scores["xwinograd accuracy_whole"].value) == (1.0, 0.0)
    assert [i.language for i in reasons("xwinograd", file, "ja")[0]] == ["ja"]


def test_pawsx_with_and_without_a_header(tmp_path: Path) -> None:
    head = put(
        tmp_path / "test_2k.tsv",
        ["id", "sentence1", "sentence2", "label"], ["4", "A b.", "B a.", "0"], ["5", "A.", "NS", "1"],
        ["6", "A.", "B.", "2"], lines=False,
    )  # fmt: skip
    (item,), dropped = reasons("pawsx", head, "de")
    assert (item.id, item.choices, item.golds) == ("test_2k:4", ("Nein", "Ja"), ("A",))
    assert dropped == {"bad_label": 1, "empty_question": 1}
    bare = put(tmp_path / "dev-es.tsv", ["A b.", "B a.", "1"], lines=False)
    ((other,), _) = reasons("pawsx", bare, "es")
    assert (other.id, other.choices, other.golds) == ("dev-es:1", ("No", "Sí"), ("B",))


def test_belebele_in_its_three_forms(tmp_path: Path) -> None:
    official = {
        "flores_passage": "P.", "question": "Q?", "mc_answer1": "a", "mc_answer2": "b", "mc_answer3": "c",
        "mc_answer4": "d", "correct_answer_num": "3", "dialect": "eng_Latn",
    }  # fmt: skip
    answers = [{"text": text, "correct": text == "c"} for text in "abcd"]
    passage = {"text": "P.", "items": [{"question": "Q?", "answers": answers}] * 2}
    prompt = {
        "text": "P.",
        "question": "Q?",
        **{f"choice{i}": text for i, text in enumerate("abcd", start=1)},
    }
    sea = {"id": 3, "label": 2, "prompts": [prompt]}
    for number, (row, ids) in enumerate([(official, ["1.1"]), (passage, ["1.1", "1.2"]), (sea, ["1.1"])]):
        items, dropped = reasons("belebele", put(tmp_path / f"{number}.jsonl", row), "en")
        assert ([item.id for item in items], dropped) == (ids, {})
        assert items[0].golds == ("C",)
        assert items[0].conversation[0].input == "Text: P.\nQuestion: Q?\nA. a\nB. b\nC. c\nD. d"
    scores = run("belebele", tmp_path / "0.jsonl", "en", Rating(C=-1.0), tmp_path / "out")
    assert scores["belebele accuracy_choice"].value == 1.0
    assert scores["belebele accuracy_generated"].value == 0.0


def test_global_mmlu_by_culture(tmp_path: Path) -> None:
    options = dict(zip(("option_a", "option_b", "option_c", "option_d"), "wxyz", strict=True))
    rows = [
        {
            "sample_id": f"s/{i}",
            "question": f"{i}?",
            "answer": letter,
            "cultural_sensitivity_label": label,
            **options,
        }
        for i, (letter, label) in enumerate([("A", "CS"), ("B", "CA"), ("B", "CA"), ("A", "-"), ("E", "-")])
    ]
    file = put(tmp_path / "test.jsonl", *rows)
    scores = run("global_mmlu", file, "sw", Rating(A=-1.0), tmp_path / "out")
    found = {name: score.value for name, score in scores.items() if "choice" in name}
    assert found == {
        "global_mmlu/CS accuracy_choice": 1.0,
        "global_mmlu/CA accuracy_choice": 0.0,
        "global_mmlu accuracy_choice": 0.5,
    }
    assert reasons("global_mmlu", file, "sw")[1] == {"bad_letter": 1}


def test_exams_asks_the_questions_of_one_language(tmp_path: Path) -> None:
    question = {"stem": "Koj?", "choices": [{"text": t, "label": x} for t, x in (("da", "A"), ("ne", "B"))]}
    rows = [
        {
            "id": "1",
            "question": question,
            "answerKey": "B",
            "info": {"language": "North Macedonian", "subject": "x"},
        },
        {"id": "2", "question": question, "answerKey": "@", "info": {"language": "North Macedonian"}},
        {"id": "3", "question": question, "answerKey": "A", "info": {"language": "Serbian"}},
        {"id": "4", "question": question},
    ]
    (item,), dropped = reasons("exams", put(tmp_path / "dev.jsonl", *rows), "mk")
    assert (item.id, item.golds, item.group) == ("1", ("B",), "x")
    assert dropped == {"bad_letter": 1, "other_language": 1, "wrong_type": 1}


def test_mlqa_with_contexts_in_two_languages_is_scored_in_each_and_by_their_mean(tmp_path: Path) -> None:
    for context, text, golds in (
        ("de", "Der Hund schläft.", ["Hund", "Katze"]),
        ("es", "El gato.", ["gato"]),
    ):
        asked = [{"id": str(i), "question": f"{i}?", "answers": [{"text": g}]} for i, g in enumerate(golds)]
        data = {"data": [{"title": "t", "paragraphs": [{"context": text, "qas": asked}]}]}
        (tmp_path / f"dev-context-{context}-question-zh.json").write_text(json.dumps(data), encoding="utf-8")

    class Dog(Rating):
        def complete(self, conversations: Sequence[Conversation], **_: Any) -> list[Completion]:
            return [Completion("der Hund", 1, finished=True) for _ in conversations]

    scores = run("mlqa", tmp_path, "zh", Dog(), tmp_path / "out")
    # By German rules "der" is an article; the mean weighs both languages alike.
    german, spanish = scores["mlqa/context-de exact_match"], scores["mlqa/context-es exact_match"]
    assert (german.value, spanish.value, scores["mlqa exact_match"].value) == (0.5, 0.0, 0.25)
    assert (german.n, german.ceiling, scores["mlqa exact_match"].n) == (2, 0.5, 3)
    assert "|context:de|" in german.signature
    assert "|context:de+es|" in scores["mlqa exact_match"].signature


REAL = [
    ("xnli", "xnli/test-sw.tsv.gz", "sw", 5010), ("xnli", "xnli/dev-ur.tsv.gz", "ur", 2490),
    ("xcopa", "xcopa/data/et/test.et.jsonl", "et", 500), ("xwinograd", "xwinograd/dataset.tsv.gz", "pt", 259),
    ("xwinograd", "xwinograd/dataset.tsv.gz", "ja", 959), ("pawsx", "pawsx/test-zh.labelled.tsv.gz", "zh", 1975),
    ("belebele", "belebele/deu_Latn.jsonl.gz", "de", 900),
    ("belebele", "belebele/th_belebele.seahelm.jsonl.gz", "th", 895),
    ("global_mmlu", "global-mmlu-lite/global_mmlu_lite_id_test.jsonl.gz", "id", 400),
    ("exams", "exams/multilingual-dev.jsonl.tar.gz", "vi", 305),
    ("mlqa", "mlqa/dev-context-*-question-zh.json*", "zh", 1547),
]  # fmt: skip


@pytest.mark.real_data
@pytest.mark.parametrize(("benchmark", "file", "language", "n"), REAL)
def test_real_files_have_their_questions(
    data_folder: Path, benchmark: str, file: str, language: str, n: int
) -> None:
    if not list(data_folder.glob(file)):
        pytest.skip(f"{file} is not here")
    found = items_of(benchmark, [data_folder / file], language)
    assert len(found.items) == n
