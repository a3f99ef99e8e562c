"""All mistakes in a recipe at once, of form, names and files, each with its place and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from calque.errors import RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare

Told = tuple[str, int | None, str, str]


def told(project: Path, *words: str) -> list[Told]:
    """What is told of the project's recipe before anything is done."""
    with pytest.raises(RecipeError) as caught:
        prepare(read_recipe(str(project / "recipe.yaml"), words))
    return [(Path(p.file).name, p.line, p.message, p.remedy) for p in caught.value.problems]


def rewrite(project: Path, *changes: tuple[str, str]) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def test_form_names_and_files_are_told_at_once_in_the_order_of_the_lines(project: Path) -> None:
    rewrite(
        project,
        ("tuning: {method: full, learning_rate", "methd: lora\ntuning: {method: full, learning_rat"),
        ("x-alpaca: {mix: {x-instructions: all}}", "x-alpaca: {mix: {x-instruction: all}}"),
        ("[[x-alpaca, x-crossalpaca]]", "[[base, x-alpacka]]"),
        ("  xquad:", "  languages: [en, x, itt]\n  xquad:"),
        ("template: plain", "template: plane"),
    )
    (project / "pairs.tsv").unlink()
    (project / "instructions.it.json").rename(project / "instruction.it.json")
    found = told(project)
    assert [line for _, line, _, _ in found] == [4, 6, 7, 15, 17, 18, 19, 21]
    assert {file for file, _, _, _ in found} == {"recipe.yaml"}
    assert [(message.split(": ")[0], remedy.split("; ")[0]) for _, _, message, remedy in found[3:5]] == [
        ("systems.x-alpaca.mix", "did you mean 'x-instructions'?"),
        ("comparisons", "did you mean 'x-alpaca'?"),
    ]
    assert found[0][2] == "model.template: unknown prompt template 'plane'"
    assert found[1][2].startswith("sources.instructions.it: ")
    assert found[1][2].endswith("instructions.it.json: there is no such file")
    assert found[1][3] == "did you mean 'instruction.it.json'?"
    assert found[6][2:] == ("there is no setting 'tuning.learning_rat'", "did you mean 'learning_rate'?")
    assert found[7][2] == "evaluate.languages.2: unknown language 'itt'"
    assert found[7][3].startswith("did you mean 'it' (Italian)?")


def test_the_tuning_of_a_system_is_checked_like_that_of_the_recipe(project: Path) -> None:
    rewrite(project, ("en-alpaca: {", "en-alpaca: {tuning: {learning_rat: 1, lora: {rr: 2}, epochs: 0}, "))
    assert told(project) == [
        ("recipe.yaml", 14, "there is no setting 'systems.en-alpaca.tuning.lora.rr'", "did you mean 'r'?"),
        (
            "recipe.yaml",
            14,
            "systems.en-alpaca.tuning.epochs: should be greater than or equal to 1, not 0",
            "",
        ),
        (
            "recipe.yaml",
            14,
            "there is no setting 'systems.en-alpaca.tuning.learning_rat'",
            "did you mean 'learning_rate'?",
        ),
    ]


def test_a_wrong_view_has_a_near_one_and_does_not_hide_the_missing_file(project: Path) -> None:
    rewrite(project, ("x-instructions: {view: instruction}", "x-instructions: {view: instructions}"))
    (project / "instructions.it.json").unlink()
    wrong, missing = sorted(told(project), key=lambda found: -(found[1] or 0))
    assert wrong == (
        "recipe.yaml",
        9,
        "demonstrate.x-instructions.view: there is no view 'instructions'",
        "did you mean 'instruction'?",
    )
    assert (missing[1], missing[2].split(":")[0]) == (6, "sources.instructions.it")


def test_a_part_without_a_view(project: Path) -> None:
    rewrite(project, ("x-instructions: {view: instruction}", "x-instructions: {language: x}"))
    assert told(project) == [
        (
            "recipe.yaml",
            9,
            "'demonstrate.x-instructions.view' is missing",
            (
                "say view: instruction, or view: translation, or view: chat, or view: pivot, "
                "or view: cross-lingual, or view: reversed, or view: selected, or view: rated"
            ),
        )
    ]


def test_an_unknown_part_does_not_hide_that_a_file_is_missing(project: Path) -> None:
    rewrite(project, ("translations: all}}", "translation: all}}"))
    (project / "pairs.tsv").unlink()
    assert [(line, message.split(": ")[0]) for _, line, message, _ in told(project)] == [
        (7, "sources.translations.it"),
        (16, "systems.x-crossalpaca.mix"),
    ]


def test_of_the_forms_of_a_source_the_nearest_is_told_of(project: Path) -> None:
    rewrite(project, ("{it: pairs.tsv}", "{it: {englsh: a.en, target: a.it}}"))
    assert told(project) == [
        ("recipe.yaml", 7, "'sources.translations.it.english' is missing", ""),
        ("recipe.yaml", 7, "there is no setting 'sources.translations.it.englsh'", "did you mean 'english'?"),
    ]


@pytest.mark.parametrize(
    ("word", "message", "remedy"),
    [
        ("demonstrate.translation.count=5", "there is no part 'translation'", "did you mean 'translations'?"),
        (
            "demonstrate.translation={count: 5}",
            "there is no part 'translation'",
            "did you mean 'translations'?",
        ),
        (
            "systems.x-alpaka.mix.x-instructions=5",
            "there is no system 'x-alpaka'",
            "did you mean 'x-alpaca'?",
        ),
        (
            "systems.x-alpaka={tuning: {epochs: 2}}",
            "there is no system 'x-alpaka'",
            "did you mean 'x-alpaca'?",
        ),
        ("systems.x-alpaka=null", "there is no system 'x-alpaka'", "did you mean 'x-alpaca'?"),
        ("tunning.epochs=5", "there is no setting 'tunning'", "did you mean 'tuning'?"),
        (
            "systems.x-alpaca.mix.x-instruction=5",
            "systems.x-alpaca.mix: there is no part 'x-instruction'",
            "did you mean 'x-instructions'?",
        ),
        ("evaluate.bbh=&a [*a]", "a list or mapping holds itself", ""),
    ],
)
def test_a_word_of_the_command_line_is_named_with_its_mistake(
    project: Path, word: str, message: str, remedy: str
) -> None:
    assert told(project, word) == [(f"command line ({word})", None, message, remedy)]


def test_a_system_or_part_given_whole_is_new(project: Path) -> None:
    words = [
        "demonstrate.more={view: instruction, language: en}",
        "systems.small={mix: {more: 5}}",
        "systems.plain={}",
    ]
    recipe = read_recipe(str(project / "recipe.yaml"), words).recipe
    assert list(recipe.demonstrate)[-1] == "more"
    assert list(recipe.systems)[-2:] == ["small", "plain"]


def test_a_removed_system_takes_its_comparisons_along_and_others_keep_their_place(project: Path) -> None:
    rewrite(project, ("[[x-alpaca, x-crossalpaca]]", "\n  - [en-alpaca, x-alpaca]\n  - [base, x-alpacka]"))
    (found,) = told(project, "systems.en-alpaca=null")
    assert (found[1], found[2]) == (17, "comparisons: there is no system 'x-alpacka'")


@pytest.mark.parametrize(
    ("name", "where"), [("a/b", "systems"), ("a b", "systems"), ("é", "systems"), ("a/b", "demonstrate")]
)
def test_names_are_such_that_folders_can_have_them(project: Path, name: str, where: str) -> None:
    given = {"systems": "{mix: {x-instructions: all}}", "demonstrate": "{view: instruction}"}[where]
    rewrite(project, (f"{where}:\n", f"{where}:\n  {name}: {given}\n"))
    assert [(message, remedy) for _, _, message, remedy in told(project)] == [
        (
            f"{where}.{name}: is no name that a folder can have everywhere",
            "names are made of the letters A to Z and a to z, digits, _, . and -",
        )
    ]


def test_a_value_that_holds_itself_and_one_nested_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: a\nsystems: &a\n  b: *a\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"r\.yaml:3: a list or mapping holds itself"):
        read_recipe(str(path))
    path.write_text("name: " + "[" * 5000, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"r\.yaml: is nested too deep"):
        read_recipe(str(path))


WRONG = [None, 5, "zzz", [], {"a": 1}, [["x"]]]
SETTINGS = ["languages", "model", "sources", "demonstrate", "systems", "comparisons", "tuning", "evaluate"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_whatever_stands_in_place_of_a_setting_is_told_with_a_place(project: Path, setting: str) -> None:
    path = project / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    for value in [wrong for wrong in WRONG if (setting, wrong) != ("comparisons", [])]:
        path.write_text(yaml.safe_dump({**recipe, setting: value}), encoding="utf-8")
        assert {file for file, _, _, _ in told(project)} == {"recipe.yaml"}, value


def test_a_benchmark_that_is_none_is_told_with_what_was_meant(project: Path) -> None:
    (first,) = told(project, "evaluate.xqad=FILE")
    assert first[2:] == ("there is no setting 'evaluate.xqad'", "did you mean 'xquad'?")
    (second,) = told(project, "evaluate.max_new_tokens.mmlv=5")
    assert "there is no benchmark 'mmlv'" in second[2]


@pytest.mark.parametrize(
    ("word", "name"), [("language=it,xx", "language"), ("languages=[it, xx]", "languages")]
)
def test_a_bad_language_is_called_as_it_was_written(project: Path, word: str, name: str) -> None:
    ((file, line, message, _),) = told(project, word)
    assert (file, line, message) == (f"command line ({word})", None, f"{name}: unknown language 'xx'")


def test_a_part_that_is_taken_out_takes_the_systems_with_it_that_are_made_from_it(project: Path) -> None:
    rewrite(
        project, ("x-crossalpaca: {mix: {x-instructions: all", "x-crossalpaca: {mix: {x-instructions: 0.5")
    )
    assert told(project, "demonstrate.translations=null") == [
        (
            "recipe.yaml",
            16,
            "systems.x-crossalpaca.mix: part 'translations' is left out, and x-crossalpaca is made from it",
            "leave x-crossalpaca out too: systems.x-crossalpaca=null; or say systems.x-crossalpaca.mix={x-instructions: 0.5}",
        )
    ]
    words = ("demonstrate.translations=null", "systems.x-crossalpaca=null")
    read = prepare(read_recipe(str(project / "recipe.yaml"), words))
    assert [system.name for system in read.resolved.systems] == ["base", "en-alpaca", "x-alpaca-it"]
