from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import RecipeError, UsageError
from calque.recipes.reading import packaged, read_recipe


def problems(name: str | Path, *words: str) -> list[tuple[str, int | None, str, str]]:
    with pytest.raises(RecipeError) as caught:
        read_recipe(str(name), words)
    return [(Path(p.file).name, p.line, p.message, p.remedy) for p in caught.value.problems]


def test_the_packaged_recipe_needs_only_model_and_files() -> None:
    words = ["model=some/model", "language=zh", "instructions=a.json", "translations=b.tsv"]
    recipe = read_recipe("crossalpaca", words).recipe
    assert recipe.languages == ["zh"]
    assert recipe.model.path == "some/model"
    assert recipe.sources.instructions == {"zh": "a.json"}
    assert recipe.sources.translations == {"zh": "b.tsv"}
    assert recipe.demonstrate["translations"].model_dump()["count"] == 20000
    assert (recipe.tuning.lora.r, recipe.tuning.lora.alpha, recipe.tuning.examples_per_step) == (8, 16, 128)
    assert packaged() == ["crossalpaca", "xcit", "xcit-ablations", "xinstruction"]


def test_three_mistakes_are_told_at_once_with_their_lines(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("seed: 3", "seed: minus one").replace("template: plain", "templat: plain")
    text = text.replace("learning_rate: 0.001", "learning_rate: -1")
    path.write_text(text, encoding="utf-8")
    found = problems(path)
    assert [(file, line) for file, line, _, _ in found] == [
        ("recipe.yaml", 2),
        ("recipe.yaml", 4),
        ("recipe.yaml", 18),
    ]
    by_line = {line: (message, remedy) for _, line, message, remedy in found}
    assert by_line[4] == ("there is no setting 'model.templat'", "did you mean 'template'?")
    assert "seed" in by_line[2][0]
    assert "not 'minus one'" in by_line[2][0]
    assert "greater than 0" in by_line[18][0]


def test_settings_of_a_system_are_written_as_they_were_given(project: Path) -> None:
    """Written out in full they would hide the recipe's own when the run's recipe.yaml is read."""
    words = ["systems.x-alpaca.tuning.lora.r=2", "language=Italian"]
    recipe = read_recipe(str(project / "recipe.yaml"), words).recipe
    written = recipe.model_dump(mode="json")
    assert written["systems"]["x-alpaca"]["tuning"] == {"lora": {"r": 2}}
    assert written["systems"]["base"]["tuning"] == {}
    assert written["languages"] == ["it"]


def test_missing_settings_say_what_to_write() -> None:
    found = problems("crossalpaca")
    assert [(message, remedy) for _, _, message, remedy in found] == [
        ("'languages' is missing", "say language=zh, or languages=[zh, it]"),
        ("'model' is missing", "say model=FOLDER_OR_HUB_ID"),
    ]


def test_a_recipe_that_does_not_exist_has_a_near_name() -> None:
    assert problems("crosalpaca")[0][3].startswith("did you mean crossalpaca?")


def test_an_unknown_language_is_told_with_the_word_that_names_it() -> None:
    found = problems("crossalpaca", "model=m", "language=itt")
    assert found[0][0] == "command line (language=itt)"
    assert "itt" in found[0][2]


def test_a_setting_that_stands_twice_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: a\nseed: 1\nname: b\n", encoding="utf-8")
    assert problems(path) == [("r.yaml", 3, "'name' stands twice, first in line 1", "")]


def test_what_is_not_yaml_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: a\nseed: [1\nmodel: x\n", encoding="utf-8")
    file, line, message, _ = problems(path)[0]
    assert (file, line) == ("r.yaml", 3)
    assert message.startswith("not valid YAML")


def test_a_word_without_equals_is_wrong_usage() -> None:
    with pytest.raises(UsageError):
        read_recipe("crossalpaca", ["model"])


def test_several_languages_spread_over_the_sources() -> None:
    words = ["model=m", "language=it,zh", "instructions=a.{language}.json", "translations=b.{language}.tsv"]
    sources = read_recipe("crossalpaca", words).recipe.sources
    assert list(sources.instructions) == ["en", "it", "zh"]
    assert list(sources.translations) == ["it", "zh"]


def test_changes_reach_nested_settings_and_keep_the_rest(project: Path) -> None:
    words = ["tuning.epochs=5", "demonstrate.translations.count=3", "evaluate.limit=2"]
    recipe = read_recipe(str(project / "recipe.yaml"), words).recipe
    assert (recipe.tuning.epochs, recipe.tuning.learning_rate) == (5, 0.001)
    assert recipe.demonstrate["translations"].model_dump()["count"] == 3
    assert recipe.evaluate.limit == 2
    assert recipe.evaluate.xquad == "xquad.{language}.json"


def test_null_takes_a_system_out(project: Path) -> None:
    recipe = read_recipe(
        str(project / "recipe.yaml"), ["systems.en-alpaca=null", "demonstrate.en-instructions=null"]
    )
    assert list(recipe.recipe.systems) == ["base", "x-alpaca", "x-crossalpaca"]
    assert list(recipe.recipe.demonstrate) == ["x-instructions", "translations"]
    assert recipe.recipe.comparisons == [("x-alpaca", "x-crossalpaca")]
    without = read_recipe(str(project / "recipe.yaml"), ["systems.x-alpaca=null"])
    assert without.recipe.comparisons == []


def test_paths_on_the_command_line_start_from_the_working_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["instructions.it=other.json", "model.template=mine.yaml", "evaluate.mmlu.it=tests"]
    recipe = read_recipe("project/recipe.yaml", words).recipe
    assert recipe.model.template == str(tmp_path / "mine.yaml")
    assert recipe.evaluate.mmlu == {"it": str(tmp_path / "tests")}
    assert read_recipe("project/recipe.yaml", ["model.template=plain"]).recipe.model.template == "plain"
    assert recipe.sources.instructions["it"] == str(tmp_path / "other.json")
    assert recipe.sources.instructions["en"] == "instructions.en.json"
