"""Parallel instruction data in a recipe: forms, files, views, and what is told where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from calque.errors import CalqueError, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.relocate import relocated
from calque.recipes.resolve import resolve
from calque.recipes.resolved import Resolved
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out

PARTS = """\
  chat: {view: chat}
  pivot: {view: pivot}
systems:
  talks: {mix: {chat: 0.5, pivot: 3}}
"""
PARALLEL = "parallel={english: instructions.en.json, target: instructions.it.json}"


@pytest.fixture
def parallel(project: Path) -> Path:
    """The project with two more parts and a system of them."""
    path = project / "recipe.yaml"
    path.write_text(path.read_text("utf-8").replace("systems:\n", PARTS, 1), encoding="utf-8")
    return project


def resolved(project: Path, *words: str) -> Resolved:
    read = read_recipe(str(project / "recipe.yaml"), words)
    return resolve(read.recipe, read.folder, read.places)


def told(project: Path, *words: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(RecipeError) as caught:
        prepare(read_recipe(str(project / "recipe.yaml"), words))
    return [(p.line, p.message.replace(str(project), "P"), p.remedy) for p in caught.value.problems]


def here(project: Path, word: str) -> str:
    """Names on the command line start from the working folder."""
    return word.replace("instructions.", f"{project}/instructions.").replace("dolly.", f"{project}/dolly.")


def test_views_are_made_and_mixed(parallel: Path) -> None:
    outcome = carry_out(
        prepare(read_recipe(str(parallel / "recipe.yaml"), [here(parallel, PARALLEL)])), parallel / "run"
    )
    steps = {s["name"]: s for s in json.loads((outcome.folder / "manifest.json").read_text("utf-8"))["steps"]}
    assert steps["mix-talks-it"]["counts"]["parts"] == {"chat-it": 12, "pivot-it": 3}
    assert steps["demonstrate-chat-it"]["counts"]["files"] == ["instructions.en.json", "instructions.it.json"]
    lengths = json.loads((outcome.folder / "steps/encode-talks-it/lengths.json").read_text("utf-8"))
    assert {(row["language"], row["kind"], row["rows"]) for row in lengths} == {
        ("it", "chat", 12),
        ("it", "pivot", 3),
    }
    kinds = json.loads((outcome.folder / "steps/encode-talks-it/kinds.json").read_text("utf-8"))
    assert kinds == ["it chat", "it pivot"]
    again = carry_out(prepare(read_recipe(str(outcome.folder))), parallel / "again")
    first, second = (
        folder / "steps/mix-talks-it/demonstrations.jsonl" for folder in (outcome.folder, again.folder)
    )
    assert first.read_bytes() == second.read_bytes()


def test_long_conversations_are_left_out_where_that_is_asked_for(parallel: Path) -> None:
    def counts(*words: str) -> dict[str, dict[str, int]]:
        read = read_recipe(str(parallel / "recipe.yaml"), [here(parallel, PARALLEL), *words])
        outcome = carry_out(prepare(read), parallel / "run")
        steps = json.loads((outcome.folder / "manifest.json").read_text("utf-8"))["steps"]
        return next(s["counts"] for s in steps if s["name"] == "demonstrate-chat-it")

    rows = json.loads((parallel / "instructions.it.json").read_text("utf-8"))
    lengths = sorted(sum(map(len, row.values())) for row in rows)
    middle = lengths[len(lengths) // 2]
    kept = sum(length <= middle for length in lengths)
    found = counts(f"demonstrate.chat.longest={middle}", "systems.talks.mix.chat=1")
    assert (found["kept"], found["dropped"]["too_long"]) == (kept, len(rows) - kept)


def test_instructions_that_are_not_given_come_from_the_parallel_files(parallel: Path) -> None:
    text = (parallel / "recipe.yaml").read_text("utf-8")
    (parallel / "recipe.yaml").write_text(
        text.replace(
            "instructions: {it: instructions.it.json, en: instructions.en.json}", "instructions: {}"
        ),
        encoding="utf-8",
    )
    found = {part.name: part for part in resolved(parallel, here(parallel, PARALLEL)).parts}
    for name in ("x-instructions-it", "en-instructions-en"):
        assert [path.name for path in found[name].paths] == ["instructions.en.json", "instructions.it.json"]
    outcome = carry_out(
        prepare(read_recipe(str(parallel / "recipe.yaml"), [here(parallel, PARALLEL)])), parallel / "run"
    )
    row = json.loads(
        (outcome.folder / "steps/demonstrate-en-instructions-en/demonstrations.jsonl")
        .read_text("utf-8")
        .splitlines()[0]
    )
    assert row["messages"][0]["language"] == "en"
    assert row["messages"][1] == {
        "role": "assistant",
        "text": "the dog is in the wood",
        "language": "en",
        "trained": True,
    }


def test_forms_of_files(parallel: Path) -> None:
    (parallel / "dolly.jsonl").write_text("{}\n", encoding="utf-8")
    part = {p.name: p for p in resolved(parallel, here(parallel, "parallel={dolly: dolly.jsonl}")).parts}[
        "chat-it"
    ]
    assert [path.name for path in part.parallel[0].dolly] == ["dolly.jsonl"]
    part = {
        p.name: p
        for p in resolved(
            parallel, here(parallel, "parallel.it={oasst: dolly.jsonl, best_branch: true}")
        ).parts
    }["chat-it"]
    assert part.parallel[0].best_branch
    for name in ("0-3", "3-6"):
        (parallel / f"dolly.{name}.en.json").write_text("[]", encoding="utf-8")
    (parallel / "dolly.3-6.it.json").write_text("[]", encoding="utf-8")
    word = "parallel={english: 'dolly.{range}.en.json', target: 'dolly.{range}.{language}.json', index: dolly.jsonl}"
    (files,) = {p.name: p for p in resolved(parallel, here(parallel, word)).parts}["chat-it"].parallel
    assert [(pair.english.name, pair.target.name, pair.section) for pair in files.alpaca] == [
        ("dolly.3-6.en.json", "dolly.3-6.it.json", "3-6")
    ]
    assert files.index is not None
    read = read_recipe(str(parallel / "recipe.yaml"), [here(parallel, word)])
    moved = relocated(read, parallel / "elsewhere")["sources"]["parallel"]["it"]
    assert moved == {"english": "../dolly.{range}.en.json", "target": "../dolly.{range}.{language}.json",
                     "index": "../dolly.jsonl", "minimal_score": 0.0}  # fmt: skip


def test_what_is_wrong_is_told_with_its_place(parallel: Path) -> None:
    lack = "sources.parallel.it is not given, and talks-it is made from it"
    remedy = "say parallel.it={english: FILE, target: FILE}, or {dolly: FILE}"
    assert told(parallel) == [
        (15, f"systems.talks.mix.chat: {lack}", remedy),
        (15, f"systems.talks.mix.pivot: {lack}", remedy),
    ]
    (found,) = told(parallel, here(parallel, "parallel={dolly: dolly.jsonl}"))
    assert "dolly.jsonl: there is no such file" in found[1]
    (parallel / "dolly.1.json").write_text("[]", encoding="utf-8")
    (parallel / "dolly.2.json").write_text("[]", encoding="utf-8")
    (found,) = told(
        parallel, here(parallel, "parallel={english: 'dolly.*.json', target: instructions.it.json}")
    )
    assert found[1] == "sources.parallel.it: 2 files in English and 1 in it are no pairs"
    (found,) = told(parallel, here(parallel, PARALLEL), "demonstrate.chat.language=en")
    assert found[1].startswith("demonstrate.chat.language: by way of English one comes to another language")
    (found,) = told(parallel, here(parallel, PARALLEL), "demonstrate.chat.trained=first")
    assert found[1].startswith("demonstrate.chat.trained: ")
    (found,) = told(parallel, here(parallel, "parallel={dolly: dolly.1.json, best_branch: true}"))
    assert "best_branch" in found[1]


def test_rows_that_do_not_match_stop_the_run(parallel: Path) -> None:
    rows = json.loads((parallel / "instructions.it.json").read_text("utf-8"))
    (parallel / "instructions.it.json").write_text(json.dumps(rows[:-1]), encoding="utf-8")
    with pytest.raises(CalqueError, match=r"has 24 rows, and .* has 23"):
        carry_out(
            prepare(read_recipe(str(parallel / "recipe.yaml"), [here(parallel, PARALLEL)])), parallel / "run"
        )


def test_a_changed_setting_of_the_files_redoes_the_part(parallel: Path) -> None:
    def step(word: str) -> Any:
        prepared = prepare(read_recipe(str(parallel / "recipe.yaml"), [here(parallel, word)]))
        return next(s for s in prepared.steps if s.name == "demonstrate-chat-it").settings

    one = step(PARALLEL)
    index = PARALLEL.replace("}", ", index: instructions.en.json, minimal_score: 0.5}")
    assert one != step(index)
    assert yaml.safe_load(yaml.safe_dump(one)) == one
