"""Training data that holds what is measured is refused, in whatever view it comes; what only looks like it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.contamination.find import Asked, Finder
from calque.contamination.known import fingerprint, known_sets
from calque.errors import CalqueError, RecipeError
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out
from calque.recipes.watch import Silent
from calque.records import Demonstration, Message, Provenance

LEAK = {"instruction": "Chi?", "input": "Il cane è nel bosco.", "output": "il cane"}


ASKED = [
    Asked("xquad in it", "q1", "it", "Chi abita nel bosco?", "Il cane è nel bosco."),
    Asked("open in it", "o1", "it", "Scrivi una poesia sul mare."),
]


def told(*conversations: tuple[Message, ...], kind: Any = "instruction") -> list[tuple[int, str, str]]:
    made = [Demonstration(kind, c, Provenance("train.json", i)) for i, c in enumerate(conversations, start=1)]
    return [(hit.row.provenance.row, hit.kind, hit.set) for hit in Finder(ASKED).scan(made)]


def user(text: str, material: str = "") -> Message:
    return Message("user", text, "it", input=material)


ANSWER = Message("assistant", "Sì.", "it", trained=True)


def test_prompts_are_compared_by_letters_and_digits() -> None:
    found = told(
        (user("Scrivi una  poesia sul mare!"), ANSWER),
        (user("scrivi una poesia", "sul mare"), ANSWER),
        (user("Scrivi una poesia sul mare.\nPensaci prima in inglese."), ANSWER),
        (user("Scrivi una poesia sul mare e sul sole."), ANSWER),
    )
    assert found == [(n, "same", "open in it") for n in (1, 2, 3)]
    assert told((user("Chi abita nel bosco?"), ANSWER)) == [], "of another text it is another question"
    about = (
        (user("Il cane è nel bosco. Chi abita nel bosco?"), ANSWER),
        (user("Chi abita nel bosco?", "Il cane è nel bosco"), ANSWER),
    )
    assert told(*about) == [(n, "same", "xquad in it") for n in (1, 2)]


def test_the_english_turn_of_a_chat_is_looked_at() -> None:
    english = Message(
        "assistant", "Request: Scrivi una poesia sul mare.\n\nAnswer: Il mare.", "en", trained=True
    )
    chat = (user("Qualcosa"), english, user("Ora in italiano."), ANSWER)
    assert told(chat, kind="chat") == [(1, "same", "open in it")]


def test_short_prompts_are_everybody_s() -> None:
    assert fingerprint("Why?", "") == ""
    assert fingerprint("Explain: quantum physics") == fingerprint("EXPLAIN quantum", " physics.")
    assert fingerprint("为什么天空是蓝色的") != ""
    assert {len(of) for of in known_sets().values()} == {560, 640}


def test_a_run_that_trains_on_its_benchmark_is_refused_before_anything_is_tuned(project: Path) -> None:
    """The benchmark asks who, of a text; the same stands among the instructions."""
    rows = json.loads((project / "instructions.it.json").read_text("utf-8"))
    (project / "instructions.it.json").write_text(json.dumps([*rows, LEAK]), encoding="utf-8")
    started: list[str] = []

    class Listener(Silent):
        def started(self, name: str, why: str) -> None:  # noqa: ARG002
            started.append(name)

    prepared = prepare(read_recipe(str(project / "recipe.yaml")))
    message = r"instructions\.it\.json:25: 1 row holds a question of xquad in it, row 25 for one"
    with pytest.raises(CalqueError, match=message) as caught:
        carry_out(prepared, project / "run", Listener())
    assert "scores on questions that were trained on say nothing" in caught.value.problems[0].remedy
    assert not [name for name in started if name.startswith(("tune", "evaluate"))]
    with pytest.raises(RecipeError, match=message):
        list(check(str(project / "recipe.yaml"), [], everything=True))


def test_a_benchmark_that_is_added_later_is_looked_at_too(project: Path) -> None:
    rows = json.loads((project / "instructions.it.json").read_text("utf-8"))
    leak = {**LEAK, "instruction": "Scrivi una poesia sul mare.", "input": ""}
    (project / "instructions.it.json").write_text(json.dumps([*rows, leak]), encoding="utf-8")
    carry_out(prepare(read_recipe(str(project / "recipe.yaml"))), project / "run")
    (project / "open.jsonl").write_text('{"id": 1, "text": "Scrivi una poesia sul mare"}\n', encoding="utf-8")
    prepared = prepare(read_recipe(str(project / "recipe.yaml"), [f"evaluate.open.it={project}/open.jsonl"]))
    with pytest.raises(CalqueError, match="1 row holds a question of open in it"):
        carry_out(prepared, project / "run")


@pytest.mark.real_data
def test_mt_bench_is_refused_as_training_data(data_folder: Path, project: Path) -> None:
    lines = (data_folder / "mt-bench-multilingual/mt_bench_it-question.jsonl").read_text("utf-8").splitlines()
    rows = [{"instruction": json.loads(line)["turns"][0], "output": "Sì."} for line in lines]
    (project / "instructions.it.json").write_text(json.dumps(rows[:9]), encoding="utf-8")
    words = ["tuning.max_tokens=512", "tuning.overlong=truncate"]
    with pytest.raises(CalqueError, match="9 rows hold questions of MT-bench"):
        carry_out(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run")
