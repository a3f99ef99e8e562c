"""Parts made from a seed: English instructions with answers in x."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.corpora.demonstration_files import read_demonstrations
from calque.errors import DataError, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare, run
from calque.recipes.systems import _taught_by_others

PARTS = (
    "demonstrate.seed={view: cross-lingual}",
    "demonstrate.generator={view: reversed}",
    "systems.follower={mix: {seed: all}}",
    "systems.generator={mix: {generator: 5}}",
)


def seeded(project: Path, rows: int) -> list[str]:
    file = project / "seed.it.json"
    pairs = [{"instruction": f"Tell of dog {i}.", "output": f"il cane {i}"} for i in range(rows)]
    file.write_text(json.dumps(pairs), encoding="utf-8")
    return [f"seed_pairs={project}/seed.{{language}}.json", *PARTS]


def test_parts_of_a_seed_are_parts_like_others(project: Path) -> None:
    words = [
        *seeded(project, 12),
        "systems.x-crossalpaca=null",
        "systems.x-alpaca=null",
        "evaluate.xquad=null",
    ]
    folder = run(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run").folder
    demonstrated = folder / "steps" / "demonstrate-seed-it" / "demonstrations.jsonl"
    first = next(read_demonstrations(demonstrated))
    assert first.messages[0].text == "Tell of dog 0. Answer in Italian, as an assistant would."
    mixed = list(read_demonstrations(folder / "steps" / "mix-generator-it" / "demonstrations.jsonl"))
    assert {d.languages for d in mixed} == {("en", "en", "en")}
    assert len(mixed) == 5


def test_languages_without_a_source_are_told_in_one_line_whatever_many_systems_there_are() -> None:
    three = {"seed-alone": None, "random": None, "xinstruction": None}
    untaught = {("seed", "th"): three, ("seed", "hi"): three, ("parallel", "hi"): {"random": None}}
    assert list(_taught_by_others(untaught)) == [
        "sources.seed is not given in th, hi: 3 systems learn it from the other languages",
        "sources.parallel is not given in hi: random learns it from the other languages",
    ]


def test_a_seed_of_three_rows_ends_the_run_before_any_tuning(project: Path) -> None:
    words = seeded(project, 3)
    with pytest.raises(
        DataError, match="a seed of 3 rows is too small to learn from: at least 10 are needed"
    ):
        run(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run")
    assert not list((project / "run" / "steps").glob("tune-*"))


def test_a_missing_seed_is_told_with_what_to_say(project: Path) -> None:
    with pytest.raises(RecipeError) as refused:
        prepare(read_recipe(str(project / "recipe.yaml"), PARTS))
    found = [(p.message, p.remedy) for p in refused.value.problems]
    lack = "systems.follower.mix.seed: sources.seed.it is not given, and follower-it is made from it"
    assert found[0] == (lack, "say seed_pairs.it=FILE")
