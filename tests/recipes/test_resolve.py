from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.resolve import resolve
from calque.recipes.resolved import Resolved


def resolved(folder: Path, *words: str) -> Resolved:
    read = read_recipe(str(folder / "recipe.yaml"), words)
    return resolve(read.recipe, read.folder, read.places)


def test_x_is_written_out(project: Path) -> None:
    found = resolved(project)
    assert [s.name for s in found.systems] == ["base", "en-alpaca", "x-alpaca-it", "x-crossalpaca-it"]
    assert [p.name for p in found.parts] == ["en-instructions-en", "x-instructions-it", "translations-it"]
    assert found.systems[3].mix == {"x-instructions-it": "all", "translations-it": "all"}
    assert [(b.name, b.language) for b in found.benchmarks] == [("xquad", "en"), ("xquad", "it")]
    assert found.systems[2].scored_in == ("en", "it")


def test_a_system_of_its_own_settings(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("en-alpaca: {", "en-alpaca: {tuning: {method: lora, lora: {r: 2}}, "), encoding="utf-8"
    )
    by_name = {s.name: s.tuning for s in resolved(project).systems}
    assert (by_name["en-alpaca"].method, by_name["en-alpaca"].lora.r) == ("lora", 2)
    assert (by_name["en-alpaca"].epochs, by_name["x-alpaca-it"].method) == (2, "full")


@pytest.mark.parametrize("own", [True, False])
def test_a_package_that_is_not_here_is_told_before_anything_is_spent(
    project: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    path = project / "recipe.yaml"
    old, new = ("en-alpaca: {", "en-alpaca: {tuning: {method: lora, quantized: 4bit}, ")
    if not own:
        old, new = "method: full", "method: lora, quantized: 4bit"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert {s.tuning.quantized for s in resolved(project).systems} == ({None, "4bit"} if own else {"4bit"})
    monkeypatch.setattr("calque.recipes.systems.find_spec", {}.get)
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    (problem,) = caught.value.problems
    assert problem.message.endswith("the package bitsandbytes is not installed")
    assert (problem.line, problem.remedy) == (14 if own else 18, "pip install 'calque[quantized]'")


def test_every_missing_file_is_named_at_once(project: Path) -> None:
    (project / "pairs.tsv").unlink()
    (project / "instructions.it.json").rename(project / "instruction.it.json")
    (project / "xquad.it.json").unlink()
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    found = [(p.line, p.message.replace(str(project), "P"), p.remedy) for p in caught.value.problems]
    said = "there is no such file"
    assert found == [
        (
            6,
            f"sources.instructions.it: P/instructions.it.json: {said}",
            "did you mean 'instruction.it.json'?",
        ),
        (7, f"sources.translations.it: P/pairs.tsv: {said}", ""),
        (20, f"evaluate.xquad.it: P/xquad.it.json: {said}", "did you mean 'xquad.en.json'?"),
    ]


def test_a_baseline_without_its_source_is_left_out_and_said(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8").replace(", en: instructions.en.json", "")
    path.write_text(
        text.replace("en-instructions: all}}", "en-instructions: all}, when_missing: skip}"), encoding="utf-8"
    )
    found = resolved(project)
    assert [s.name for s in found.systems] == ["base", "x-alpaca-it", "x-crossalpaca-it"]
    assert found.notes == ("en-alpaca is left out: sources.instructions.en is not given",)


def test_an_english_file_that_is_not_there_leaves_out_what_may_be_left_out(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace(
        "{it: instructions.it.json, en: instructions.en.json}", "instructions.{language}.json"
    )
    path.write_text(text, encoding="utf-8")
    assert [s.name for s in resolved(project).systems][1] == "en-alpaca"
    (project / "instructions.en.json").unlink()
    with pytest.raises(RecipeError, match=r"instructions\.en\.json: there is no such file"):
        resolved(project)
    path.write_text(
        text.replace("en-instructions: all}}", "en-instructions: all}, when_missing: skip}"), encoding="utf-8"
    )
    found = resolved(project)
    assert [s.name for s in found.systems] == ["base", "x-alpaca-it", "x-crossalpaca-it"]
    assert found.notes == ("en-alpaca is left out: sources.instructions has no file in English",)
    (project / "instructions.it.json").unlink()
    with pytest.raises(RecipeError, match=r"instructions\.it\.json: there is no such file"):
        resolved(project)


def test_a_source_that_is_not_given_is_told_at_the_part_that_needs_it(project: Path) -> None:
    path = project / "recipe.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("translations: {it: pairs.tsv}", "translations: {}"),
        encoding="utf-8",
    )
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    lack = "sources.translations.it is not given"
    assert [(p.line, p.message, p.remedy) for p in caught.value.problems] == [
        (
            16,
            f"systems.x-crossalpaca.mix.translations: {lack}, and x-crossalpaca-it is made from it",
            "say translations.it=FILE",
        )
    ]


def test_two_systems_may_not_come_to_one_name(project: Path) -> None:
    """They would share a step: the one tuned last night would stand in for the other."""
    with_systems(project, "x-alpaca-it: {mix: {en-instructions: all}}")
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    assert [(p.line, p.message) for p in caught.value.problems] == [
        (17, "systems.x-alpaca-it: with languages written out, system 'x-alpaca' is called 'x-alpaca-it' too")
    ]


@pytest.mark.parametrize("written", ["ita", "Italian", "IT"])
def test_a_language_may_be_called_by_any_of_its_names(project: Path, written: str) -> None:
    path = project / "recipe.yaml"
    plain, path_text = resolved(project), path.read_text(encoding="utf-8")
    text = path_text.replace("languages: [it]", f"languages: [{written}]").replace("{it: ", f"{{{written}: ")
    text = text.replace(
        "xquad: xquad.{language}.json", f"xquad: {{{written}: xquad.it.json}}\n  languages: [{written}]"
    )
    path.write_text(
        text.replace("{view: instruction}", f"{{view: instruction, language: {written}}}"), encoding="utf-8"
    )
    found = resolved(project)
    assert found.recipe.languages == ["it"]
    assert [(p.name, p.language, p.paths) for p in found.parts] == [
        (p.name, p.language, p.paths) for p in plain.parts
    ]
    assert [(b.name, b.language) for b in found.benchmarks] == [("xquad", "it")]
    assert found.systems[-1].scored_in == ("it",)


def test_a_language_under_two_of_its_names_is_refused(project: Path) -> None:
    with pytest.raises(RecipeError, match=r"sources\.instructions: it is given twice, as 'it' and as 'ita'"):
        resolved(project, "instructions.ita=other.json")


def test_tuning_that_does_not_fit_together_is_told_at_the_system(project: Path) -> None:
    with_systems(project, "control: {mix: {x-instructions: all}, tuning: {steps: 4}}")
    with pytest.raises(RecipeError) as caught:
        resolved(project, "tuning.trained_tokens=99")
    assert [(p.line, p.message) for p in caught.value.problems] == [
        (17, "systems.control.tuning: steps and trained_tokens cannot both say when tuning ends")
    ]


def test_unknown_names_have_a_near_one(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8").replace("[[x-alpaca,", "[[x-alpacca,")
    path.write_text(text.replace("{x-instructions: all, tr", "{x-instruction: all, tr"), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    assert {(p.message, p.remedy) for p in caught.value.problems} == {
        ("systems.x-crossalpaca.mix: there is no part 'x-instruction'", "did you mean 'x-instructions'?"),
        ("comparisons: there is no system 'x-alpacca'", "did you mean 'x-alpaca'?"),
    }


def with_systems(project: Path, *systems: str) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("comparisons:", "".join(f"  {s}\n" for s in systems) + "comparisons:"), encoding="utf-8"
    )


def test_a_system_is_matched_to_that_of_its_language(project: Path) -> None:
    with_systems(
        project,
        "control: {mix: {x-instructions: all}, matched_to: {system: x-crossalpaca, by: steps}, scored_in: [x]}",
        "english: {mix: {x-instructions: all}, matched_to: {system: en-alpaca, by: trained_tokens}}",
    )
    control, english = resolved(project).systems[-2:]
    assert control.matched_to is not None
    assert english.matched_to is not None
    assert (control.matched_to.system.name, control.matched_to.by) == ("x-crossalpaca-it", "steps")
    assert (english.matched_to.system.name, english.matched_to.by) == ("en-alpaca", "trained_tokens")
    assert (control.scored_in, english.scored_in) == (("it",), ("en", "it"))


def test_what_a_system_cannot_be_matched_to(project: Path) -> None:
    with_systems(
        project,
        "one: {mix: {x-instructions: all}, matched_to: {system: x-crossalpacca, by: steps}}",
        "two: {mix: {x-instructions: all}, matched_to: {system: base, by: steps}}",
        "three: {mix: {x-instructions: all}, matched_to: {system: one, by: steps}}",
        "four: {mix: {en-instructions: all}, matched_to: {system: x-alpaca, by: steps}}",
    )
    with pytest.raises(RecipeError) as caught:
        resolved(project)
    assert [(p.message, p.remedy) for p in caught.value.problems] == [
        ("systems.one.matched_to: there is no system 'x-crossalpacca'", "did you mean 'x-crossalpaca'?"),
        ("systems.two.matched_to: base is not tuned", ""),
        ("systems.three.matched_to: one is itself matched to another", ""),
        ("systems.four.matched_to: x-alpaca is left out", ""),
    ]
