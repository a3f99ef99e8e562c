"""Worked examples before a question: which, from where, never what is asked; how they are rendered; what has no room."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.engines import Completion
from calque.errors import DataError, UsageError
from calque.evaluation.asked import items_of
from calque.evaluation.benchmarks import BENCHMARKS
from calque.evaluation.evaluate import evaluate
from calque.evaluation.shots import Shots, own_files, right_answer
from calque.prompts.encoding import make_encoder
from calque.records import Conversation

if TYPE_CHECKING:
    from tests.conftest import Foundry


def xcopa(path: Path, *premises: str) -> Path:
    """Rows whose second choice, `PREMISE's effect`, is right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"premise": p, "choice1": "nothing", "choice2": f"{p}'s effect", "question": "effect", "label": 1, "idx": i}
        for i, p in enumerate(premises)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def mmlu(path: Path, *questions: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{q},w,x,y,z,C\n" for q in questions), encoding="utf-8")
    return path


def texts(conversation: Conversation) -> list[str]:
    return [m.input.split("\n")[0] if m.role == "user" else m.text for m in conversation]


def test_examples_come_from_the_val_split_beside_the_file_the_same_for_all_and_in_its_order(
    tmp_path: Path,
) -> None:
    file = xcopa(tmp_path / "en/test.en.jsonl", "fire", "rain")
    val = xcopa(tmp_path / "en/val.en.jsonl", "a", "b", "c", "d", "e", "f")
    assert own_files(BENCHMARKS["xcopa"], [file]) == (val,)
    asked = items_of("xcopa", [file], "en", shots=Shots(3))
    shown = [texts(item.conversation)[:-1] for item in asked.items]
    assert shown[0] == shown[1]
    premises = shown[0][::2]
    assert len(premises) == 3
    assert premises == sorted(premises)
    assert shown[0][1::2] == [f"{premise}'s effect" for premise in premises]
    assert [texts(item.conversation)[-1] for item in asked.items] == ["fire", "rain"]
    assert asked.shots[0] == "shots:3"
    assert asked.shots[1].startswith("examples:val.en.jsonl@")
    assert asked.shots[2:] == ("examples_seed:0", "examples_as:turns")
    assert items_of("xcopa", [file], "en", shots=Shots(3)).items == asked.items
    others = {
        tuple(texts(items_of("xcopa", [file], "en", shots=Shots(3, seed=s)).items[0].conversation))
        for s in range(9)
    }
    assert len(others) > 1


def test_a_file_that_is_named_without_its_folder_has_its_own_examples_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xcopa(tmp_path / "test.en.jsonl", "fire")
    xcopa(tmp_path / "val.en.jsonl", "a", "b")
    monkeypatch.chdir(tmp_path)
    asked = items_of("xcopa", ["test.en.jsonl"], "en", shots=Shots(1))
    assert asked.shots[1].startswith("examples:val.en.jsonl@")


def test_what_is_shown_of_the_file_asked_is_not_asked_and_is_counted(tmp_path: Path) -> None:
    file = xcopa(tmp_path / "test.it.jsonl", "a", "b", "c", "d", "a", "b", "c", "d")
    asked = items_of("xcopa", [file], "it", shots=Shots(1))
    (example,) = {tuple(texts(item.conversation)[:-1]) for item in asked.items}
    assert len(asked.items) == 6  # the other row that asks the same goes too
    assert example[0] not in {texts(item.conversation)[-1] for item in asked.items}
    assert asked.counts()["dropped"] == {"shown_as_example": 2}
    assert (asked.total, asked.shots[1]) == (6, "examples:asked")
    with pytest.raises(DataError, match="9 examples are to be shown, and there are 8"):
        items_of("xcopa", [file], "it", shots=Shots(9))
    with pytest.raises(DataError, match=r"no item is left to ask.*8 × shown_as_example"):
        items_of("xcopa", [file], "it", shots=Shots(8))


def test_with_a_limit_the_same_is_asked_with_and_without_examples(tmp_path: Path) -> None:
    file = xcopa(tmp_path / "test.it.jsonl", *"abcdefgh")
    bare = items_of("xcopa", [file], "it", limit=5)
    shown = items_of("xcopa", [file], "it", limit=5, shots=Shots(3))
    assert [i.id for i in shown.items] == [i.id for i in bare.items]
    assert shown.reasons() == {"shown_as_example": 3}


def test_a_given_file_takes_the_place_of_the_own_one_and_asked_of_both(tmp_path: Path) -> None:
    file = xcopa(tmp_path / "test.en.jsonl", "fire", "rain", "snow")
    xcopa(tmp_path / "val.en.jsonl", "a")
    other = xcopa(tmp_path / "mine.jsonl", "b")
    asked = items_of("xcopa", [file], "en", shots=Shots(1, (other,)))
    assert texts(asked.items[0].conversation) == ["b", "b's effect", "fire"]
    assert items_of("xcopa", [file], "en", shots=Shots(1, from_asked=True)).shots[1] == "examples:asked"


def test_a_question_is_never_its_own_example(tmp_path: Path) -> None:
    file = xcopa(tmp_path / "test.en.jsonl", "fire", "rain")
    other = xcopa(tmp_path / "mine.jsonl", "fire", "b", "rain", "c")
    asked = items_of("xcopa", [file], "en", shots=Shots(2, (other,)))
    assert texts(asked.items[0].conversation) == ["b", "b's effect", "c", "c's effect", "fire"]
    with pytest.raises(DataError, match="3 examples are to be shown, and there are 2"):
        items_of("xcopa", [file], "en", shots=Shots(3, (other,)))
    copied = xcopa(tmp_path / "copy.jsonl", "fire", "rain")
    for given_file in (file, copied):
        with pytest.raises(DataError, match="the examples are to come from what is asked"):
            items_of("xcopa", [file], "en", shots=Shots(1, (given_file,)))


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 12), st.booleans())
def test_rows_add_up_and_nothing_shown_is_asked(seed: int, count: int, limit: int, twice: bool) -> None:
    with TemporaryDirectory() as folder:
        file = xcopa(Path(folder) / "test.it.jsonl", *"abcdefgh", *("abc" if twice else ""))
        asked = items_of("xcopa", [file], "it", limit=limit, shots=Shots(count, seed=seed))
    counts: Any = asked.counts()
    assert counts["rows"] == counts["kept"] + sum(counts["dropped"].values()) == 8 + 3 * twice
    for item in asked.items:
        *before, question = texts(item.conversation)
        assert len(before) == 2 * count
        assert question not in before[::2]


def test_every_subject_of_mmlu_has_its_own_examples(tmp_path: Path) -> None:
    for subject in ("art", "law"):
        mmlu(tmp_path / f"test/{subject}_test.csv", f"{subject} asked")
        mmlu(tmp_path / f"dev/{subject}_dev.csv", *(f"{subject} {i}" for i in range(5)))
    asked = items_of("mmlu", [tmp_path], "en", shots=Shots(5))
    for item, subject in zip(asked.items, ("art", "law"), strict=True):
        assert texts(item.conversation) == [
            part for i in range(5) for part in (f"Question: {subject} {i}", "C")
        ] + [f"Question: {subject} asked"]
    mmlu(tmp_path / "dev/law_dev.csv", "only one")
    with pytest.raises(DataError, match="5 examples are to be shown, and there are 1 of law"):
        items_of("mmlu", [tmp_path], "en", shots=Shots(5))


def test_the_right_answer_is_what_the_model_would_have_to_say(tmp_path: Path) -> None:
    file = mmlu(tmp_path / "art_test.csv", "q")
    (letters,), (cloze,) = (items_of(name, [file], "en").items for name in ("mmlu", "mmlu_cloze"))
    assert right_answer(BENCHMARKS["mmlu"], letters) == "C"
    assert right_answer(BENCHMARKS["mmlu_cloze"], cloze) == "y"
    row = (
        'en\ts\tx\tHe met Tom, for he waited.\t["He"," met"," Tom",","," for"," he"," waited","."]\t'
        '["he",[5,6],["he"]]\t[["He",[0,1],["He"],true],["Tom",[2,3],["Tom"],false]]'
    )
    (tmp_path / "dataset.tsv").write_text(row + "\n", encoding="utf-8")
    (who,) = items_of("xwinograd", [tmp_path / "dataset.tsv"], "en").items
    assert right_answer(BENCHMARKS["xwinograd"], who) == "He met Tom, for He waited."


def test_where_no_answer_is_right_none_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"id": 1, "text": "Why?"}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="open has no right answers"):
        items_of("open", [file], "en", shots=Shots(1))
    with pytest.raises(UsageError, match="shots is -1"):
        Shots(-1)


def rendered(tokenizer: Any, template: str, conversation: Conversation) -> str:
    return "".join(
        segment.text for segment in make_encoder(tokenizer, template).renderer.prompt(conversation)
    )


def test_a_running_text_ends_nowhere_and_turns_end_as_answers_do(
    tmp_path: Path, foundry: Foundry, chatml: str
) -> None:
    file = mmlu(tmp_path / "test/art_test.csv", "asked")
    mmlu(tmp_path / "dev/art_dev.csv", "shown")
    ask = "Answer the multiple-choice question. Reply only with the letter of the correct answer."
    form = "Question: {}\nA. w\nB. x\nC. y\nD. z"
    for how, stop in (("text", ""), ("turns", "</s>")):
        (item,) = items_of("mmlu", [file], "en", shots=Shots(1, form=how)).items
        assert rendered(foundry.tokenizer("bytes"), "plain", item.conversation) == (
            f"{ask}\n{form.format('shown')}\n\nC{stop}\n\n{ask}\n{form.format('asked')}\n\n"
        )
    chat = foundry.tokenizer("bytes", chatml)
    (item,) = items_of("mmlu", [file], "en", shots=Shots(1, form="text")).items
    assert rendered(chat, "chat", item.conversation) == (
        f"<|im_start|>user\n{ask}\n\n{form.format('shown')}\n\nC\n\n{ask}\n\n{form.format('asked')}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    (item,) = items_of("mmlu", [file], "en", shots=Shots(1)).items
    assert rendered(chat, "chat", item.conversation) == (
        f"<|im_start|>user\n{ask}\n\n{form.format('shown')}<|im_end|>\n<|im_start|>assistant\nC<|im_end|>\n"
        f"<|im_start|>user\n{ask}\n\n{form.format('asked')}<|im_end|>\n<|im_start|>assistant\n"
    )


class Narrow:
    """Has room for so many messages; chooses the last option, and goes on with a question of its own."""

    identity = "narrow"

    def __init__(self, room: int) -> None:
        self.room = room

    def complete(self, conversations: Sequence[Conversation], **_: Any) -> list[Completion]:
        return [
            Completion(f"C\n\n{c[-1].text}\nQuestion: and", 9, finished=False)
            if len(c) <= self.room
            else Completion("", 0, finished=False)
            for c in conversations
        ]

    def choose(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]], **_: Any
    ) -> list[tuple[float, ...]]:
        return [
            tuple(float(i) for i in range(len(of))) if len(c) <= self.room else ()
            for c, of in zip(conversations, choices, strict=True)
        ]


def test_what_has_no_room_is_asked_with_fewer_examples_which_is_told(tmp_path: Path) -> None:
    file = xcopa(tmp_path / "test.en.jsonl", "fire", "rain")
    xcopa(tmp_path / "val.en.jsonl", *"abcd")
    for room, kept, notes, shots in (
        (9, 4, {}, "shots:4|"),
        (6, 2, {"fewer_examples": 2}, "|fewer:2|"),
        (1, 0, {"fewer_examples": 2}, "|fewer:2|"),
    ):
        scores = evaluate(
            "xcopa", [file], "en", Narrow(room), model="m", out=tmp_path / "out", seed=0, shots=Shots(4)
        )
        assert (scores[0].metric, scores[0].value) == ("accuracy", 1.0)
        assert shots in scores[0].signature
        counts = json.loads((tmp_path / "out/counts.json").read_text(encoding="utf-8"))
        assert counts["notes"] == notes
        told = [json.loads(line) for line in (tmp_path / "out/notes.jsonl").read_text().splitlines()]
        assert all(row["detail"].endswith(f": {kept}") for row in told)
    scores = evaluate(
        "xcopa", [file], "en", Narrow(0), model="m", out=tmp_path / "out", seed=0, shots=Shots(4)
    )
    counts = json.loads((tmp_path / "out/counts.json").read_text(encoding="utf-8"))
    assert (scores[0].value, counts["notes"]) == (0.0, {"fewer_examples": 2, "prompt_too_long": 2})


def test_an_answer_in_a_running_text_ends_where_the_next_question_begins(tmp_path: Path) -> None:
    file = mmlu(tmp_path / "test/art_test.csv", "asked")
    mmlu(tmp_path / "dev/art_dev.csv", "shown")
    for form, answer in (("text", "C"), ("turns", None)):
        out = tmp_path / form
        evaluate("mmlu", [file], "en", Narrow(9), model="m", out=out, seed=0, shots=Shots(1, form=form))
        (row,) = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
        assert row["answer"] == answer if answer else row["answer"].startswith("C\n\nAnswer the")
        assert row["finished"] == (form == "text")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("benchmark", "code", "source"),
    [
        ("xnli", "sw", "dev-sw.tsv.gz"), ("pawsx", "de", "dev-de.tsv.gz"), ("exams", "vi", "multilingual-train.jsonl.tar.gz"),
        ("global_mmlu", "id", "global_mmlu_lite_id_dev.jsonl"), ("xcopa", "th", "val.th.jsonl"), ("xquad", "ar", "asked"),
    ],
)  # fmt: skip
def test_the_real_files_have_their_own_examples(
    data_folder: Path, benchmark: str, code: str, source: str
) -> None:
    from calque.recipes.official_files import find

    asked = items_of(benchmark, find(benchmark, code, data_folder), code, limit=20, shots=Shots(5))
    assert asked.shots[1].partition("@")[0] == f"examples:{source}"
    assert all(len(item.conversation) == 11 for item in asked.items)
