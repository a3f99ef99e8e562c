"""A system that is asked in several ways stands in scores and report once for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out
from calque.reports.folder import read_run


def test_each_way_has_scores_of_its_own(project: Path) -> None:
    words = [
        "systems.x-alpaca.answers=[direct, chat, pivot]",
        "systems.en-alpaca=null",
        "systems.x-crossalpaca=null",
        "comparisons=[[x-alpaca, x-alpaca@chat]]",
        "evaluate.english_tokens=8",
        "evaluate.max_new_tokens.xquad=8",
    ]
    outcome = carry_out(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run")
    names = {path.name for path in (outcome.folder / "steps").glob("evaluate-*")}
    assert names == {
        *(f"evaluate-{s}-xquad-{code}" for s in ("base", "x-alpaca-it") for code in ("en", "it")),
        *(f"evaluate-x-alpaca-it@{way}-xquad-it" for way in ("chat", "pivot")),
    }
    rows = [json.loads(line) for line in (outcome.folder / "scores.jsonl").read_text("utf-8").splitlines()]
    assert {row["model"] for row in rows} == {"base", "x-alpaca-it", "x-alpaca-it@chat", "x-alpaca-it@pivot"}
    run = read_run(outcome.folder)
    assert run.roles == ("base", "x-alpaca", "x-alpaca@chat", "x-alpaca@pivot")
    assert run.unfinished == ()
    report = (outcome.folder / "report.html").read_text("utf-8")
    assert "What an answer cost" in report
    assert "x-alpaca@chat" in report
    again = carry_out(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run")
    assert again.done == 0


def test_what_cannot_be_asked_or_compared_is_told(project: Path) -> None:
    for code in ("en", "it"):
        (project / f"mmlu.{code}.csv").write_text("Chi?,a,b,c,d,A\n", encoding="utf-8")
    words = ["systems.x-alpaca.answers=[pivot]", f"evaluate.mmlu_cloze={project}/mmlu.{{language}}.csv"]
    with pytest.raises(RecipeError) as caught:
        prepare(read_recipe(str(project / "recipe.yaml"), words))
    assert [(p.message, p.remedy) for p in caught.value.problems] == [
        (
            "comparisons: x-alpaca is asked as x-alpaca@pivot, not as x-alpaca",
            "add the way of asking to systems.x-alpaca.answers",
        )
    ]
    prepared = prepare(read_recipe(str(project / "recipe.yaml"), [*words, "comparisons=[]"]))
    assert prepared.resolved.notes == (
        "x-alpaca-it@pivot is not asked mmlu_cloze: options cannot be compared behind half an answer",
    )
    asked = [step.name for step in prepared.steps if step.name.startswith("evaluate-x-alpaca-it")]
    assert asked == ["evaluate-x-alpaca-it@pivot-xquad-it"]
    gone = read_recipe(
        str(project / "recipe.yaml"), ["comparisons=[[base, x-alpaca@chat]]", "systems.x-alpaca=null"]
    )
    assert gone.recipe.comparisons == []
