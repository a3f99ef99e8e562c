"""Worked examples in a recipe: settings, files that count as inputs, mistakes, and runs from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from calque.errors import RecipeError
from calque.evaluation.shots import NONE, Shots
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.relocate import write_recipe
from calque.recipes.resolve import resolve
from calque.recipes.resolved import ResolvedBenchmark
from calque.recipes.runner import prepare, run
from calque.recipes.suites import look, recipe_of
from calque.recipes.watch import Silent


def benchmarks(project: Path, *words: str) -> dict[str, ResolvedBenchmark]:
    read = read_recipe(str(project / "recipe.yaml"), words)
    return {b.language: b for b in resolve(read.recipe, read.folder, read.places).benchmarks}


def put_dev(project: Path, language: str) -> Path:
    """A file of examples in the form of SQuAD, of two questions."""
    rows = [
        {"id": str(i), "question": f"d{i}?", "answers": [{"text": "sì", "answer_start": 0}]} for i in range(2)
    ]
    data = {"data": [{"title": "t", "paragraphs": [{"context": "sì o no", "qas": rows}]}]}
    path = project / f"dev.{language}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_settings_reach_the_benchmark(project: Path) -> None:
    assert benchmarks(project)["it"].shots == NONE
    assert benchmarks(project, "evaluate.shots=2")["it"].shots == Shots(2, form="text")
    assert benchmarks(project, "evaluate.shots={mmlu: 2}")["it"].shots == NONE
    chat = benchmarks(project, "evaluate.shots.xquad=2", "model.template=chat", "evaluate.examples_seed=5")
    assert chat["it"].shots == Shots(2, seed=5, form="turns")
    dev = put_dev(project, "it")
    given = benchmarks(project, "evaluate.shots=1", f"evaluate.examples.xquad.it={dev}")
    assert given["it"].shots == Shots(1, (dev,), form="text")
    assert given["en"].shots == Shots(1, form="text")
    (project / "dev.en.json").write_bytes(dev.read_bytes())
    spread = benchmarks(
        project, "evaluate.shots=1", f"evaluate.examples.xquad={project}/dev.{{language}}.json"
    )
    assert spread["en"].shots.files == (project / "dev.en.json",)
    asked = benchmarks(project, "evaluate.shots=1", "evaluate.examples.xquad=asked")
    assert asked["it"].shots == Shots(1, from_asked=True, form="text")


def test_a_recipe_with_examples_reads_the_same_from_its_run(project: Path) -> None:
    dev = put_dev(project, "it")
    recipe = project / "recipe.yaml"
    value = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    value["evaluate"] |= {"shots": 1, "examples": {"xquad": {"it": "dev.it.json", "en": "asked"}}}
    recipe.write_text(yaml.safe_dump(value), encoding="utf-8")
    (project / "run").mkdir()
    write_recipe(read_recipe(str(recipe), []), project / "run/recipe.yaml")
    read = read_recipe(str(project / "run/recipe.yaml"), [])
    found = {b.language: b for b in resolve(read.recipe, read.folder, read.places).benchmarks}
    assert found["it"].shots.files[0].resolve() == dev.resolve()
    assert found["en"].shots.from_asked


def test_files_of_examples_are_files_of_the_step_and_check_tells_of_them(project: Path) -> None:
    dev = put_dev(project, "it")
    words = ["evaluate.shots=2", f"evaluate.examples.xquad.it={dev}"]
    steps = {step.name: step for step in prepare(read_recipe(str(project / "recipe.yaml"), words)).steps}
    assert dev in steps["evaluate-base-xquad-it"].files
    assert steps["evaluate-base-xquad-it"].settings["shots"] == 2
    lines = list(check(str(project / "recipe.yaml"), words))
    assert "benchmark xquad in it: 4 questions, each behind 2 examples of dev.it.json" in lines
    assert (
        "benchmark xquad in en: 2 questions, 2 × shown_as_example, each behind 2 examples taken out of the questions"
        in lines
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("evaluate.shots=-1", "greater than or equal to 0"),
        ("evaluate.shots.ifeval=2", "ifeval has no right answers"),
        ("evaluate.shots.xqad=2", "there is no benchmark 'xqad'"),
        ("evaluate.examples.xqad=asked", "there is no benchmark 'xqad'"),
        ("evaluate.examples_as=chat", "turns"),
    ],
)
def test_bad_settings_are_refused(project: Path, word: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        benchmarks(project, word)


def test_bad_files_are_told_by_check(project: Path) -> None:
    recipe = str(project / "recipe.yaml")
    with pytest.raises(RecipeError, match=r"dev\.json: there is no such file"):
        benchmarks(project, "evaluate.shots=1", f"evaluate.examples.xquad={project}/dev.json")
    with pytest.raises(RecipeError, match="5 examples are to be shown, and there are 4"):
        list(check(recipe, ["evaluate.shots=5"]))
    same = f"evaluate.examples.xquad={project}/xquad.{{language}}.json"
    with pytest.raises(RecipeError, match="the examples are to come from what is asked"):
        list(check(recipe, ["evaluate.shots=1", same]))


def test_examples_are_of_direct_answers(project: Path) -> None:
    recipe = project / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8").replace("base: {}", "base: {answers: [direct, chat]}")
    recipe.write_text(text, encoding="utf-8")
    assert benchmarks(project)["it"].shots == NONE
    with pytest.raises(RecipeError, match=r"systems.base.answers: evaluate.shots shows examples of direct"):
        benchmarks(project, "evaluate.shots=1")


def test_a_suite_is_asked_behind_examples(project: Path) -> None:
    found = {(one.benchmark, one.language): one for one in look("crossalpaca", ["it"], project, shots=1)}
    assert (found["xquad", "it"].questions, found["xquad", "it"].examples) == (
        3, ", each behind 1 example taken out of the questions"
    )  # fmt: skip
    found = {(one.benchmark, one.language): one for one in look("crossalpaca", ["it"], project)}
    recipe = recipe_of(tuple(found.values()), "model", suite="crossalpaca", shots=1).recipe
    assert recipe.evaluate.shots_of("xquad") == 1
    assert recipe.evaluate.shots_of("ifeval") == 0


def test_a_run_says_in_every_score_what_was_shown(project: Path) -> None:
    words = ["evaluate.shots=1", "evaluate.max_new_tokens.xquad=4", "systems.en-alpaca=null"]
    words += ["systems.x-alpaca=null", "systems.x-crossalpaca=null"]
    run(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run", Silent())
    rows = (project / "run/scores.jsonl").read_text(encoding="utf-8").splitlines()
    signatures = {json.loads(row)["signature"] for row in rows}
    assert signatures
    assert all("|shots:1|examples:asked|examples_seed:0|examples_as:text|" in s for s in signatures)
