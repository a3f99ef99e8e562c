"""Systems that start from other systems: which one is meant, what becomes of its adapter, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import RecipeError
from calque.recipes.plan import plan
from calque.recipes.reading import read_recipe
from calque.recipes.resolve import resolve
from calque.recipes.resolved import Resolved


def resolved(project: Path, *words: str) -> Resolved:
    read = read_recipe(str(project / "recipe.yaml"), words)
    return resolve(read.recipe, read.folder, read.places)


def with_systems(project: Path, *systems: str) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    added = "".join(f"  {system}\n" for system in systems)
    path.write_text(text.replace("comparisons:", added + "comparisons:"), encoding="utf-8")


def problems(project: Path, *words: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(RecipeError) as caught:
        resolved(project, *words)
    return [(p.line, p.message, p.remedy) for p in caught.value.problems]


def fates(found: Resolved) -> dict[str, tuple[str, str]]:
    return {
        s.name: (s.starts_from.system.name, s.starts_from.adapter) for s in found.systems if s.starts_from
    }


SECOND = "second: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}}"


def test_a_stage_for_all_languages_is_shared(project: Path) -> None:
    with_systems(
        project,
        "third: {mix: {translations: all}, starts_from: {system: second, adapter: merge}}",
        SECOND,
    )
    found = resolved(project, "tuning.method=lora")
    assert fates(found) == {"second-it": ("en-alpaca", "continue"), "third-it": ("second-it", "merge")}
    third = next(s for s in found.systems if s.role == "third")
    assert [stage.name for stage in third.stages] == ["en-alpaca", "second-it", "third-it"]
    names = [step.name for step in plan(found, "plain") if step.kind == "tune"]
    assert names == [
        f"tune-{s}" for s in ("en-alpaca", "x-alpaca-it", "x-crossalpaca-it", "second-it", "third-it")
    ]
    second = next(step for step in plan(found, "plain") if step.name == "tune-second-it")
    assert second.after == ("encode-second-it", "tune-en-alpaca")
    assert second.settings["earlier_adapter"] == "continue"
    alone = next(step for step in plan(found, "plain") if step.name == "tune-en-alpaca")
    assert "earlier_adapter" not in alone.settings


def test_all_stages_of_another_are_a_measure_for_what_starts_from_the_base(project: Path) -> None:
    with_systems(
        project,
        "second: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}}",
        "long: {mix: {x-instructions: all}, matched_to: {system: second, by: steps, stages: all}}",
        "late: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}, matched_to: {system: second, by: steps, stages: all}}",
        "third: {mix: {x-instructions: all}, starts_from: {system: long}}",
        "again: {mix: {x-instructions: all}, matched_to: {system: third, by: steps, stages: all}}",
    )
    assert problems(project) == [
        (19, "systems.late.matched_to.stages: late-it has an earlier stage of its own", "say stages: last, or let it start from the base"),
        (21, "systems.again.matched_to.stages: long-it is itself matched to another", "say stages: last"),
    ]  # fmt: skip


def test_what_becomes_of_the_adapter_under_full_tuning(project: Path) -> None:
    with_systems(
        project,
        "adapter: {mix: {en-instructions: all}, tuning: {method: lora}}",
        "a: {mix: {x-instructions: all}, starts_from: {system: adapter}}",
        "b: {mix: {x-instructions: all}, starts_from: {system: adapter, adapter: continue}}",
        "c: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}}",
        "d: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}, tuning: {method: lora}}",
    )
    found = resolved(project)
    assert fates(found) == {
        "a-it": ("adapter", "none"),
        "b-it": ("adapter", "none"),
        "c-it": ("en-alpaca", "none"),
        "d-it": ("en-alpaca", "none"),
    }
    assert found.notes == (
        "b-it is tuned in full: the adapter of adapter is merged, and all weights are tuned on",
    )


def test_starts_that_cannot_be_are_told_at_once(project: Path) -> None:
    with_systems(
        project,
        "one: {mix: {x-instructions: all}, starts_from: {system: en-alpacca}}",
        "two: {mix: {x-instructions: all}, starts_from: {system: base}}",
        "three: {starts_from: {system: en-alpaca}}",
        "four: {mix: {en-instructions: all}, starts_from: {system: base}}",
        "five: {mix: {x-instructions: all}, starts_from: {system: six}}",
        "six: {mix: {x-instructions: all}, starts_from: {system: five}}",
        "seven: {mix: {x-instructions: all}, starts_from: {system: six}}",
        "eight: {mix: {x-instructions: all}, starts_from: {system: en-alpaca, adapter: merge}, tuning: {method: lora}}",
        "nine: {mix: {x-instructions: all}, starts_from: {system: nine}}",
        "ten: {mix: {x-instructions: all}, matched_to: {system: five, by: steps}}",
    )
    assert problems(project) == [
        (17, "systems.one.starts_from: there is no system 'en-alpacca'", "did you mean 'en-alpaca'?"),
        (18, "systems.two.starts_from: base is not tuned", "leave starts_from out: that is where all systems start"),
        (19, "systems.three.starts_from: there is nothing to tune on: the mix is empty", "say systems.three.mix={PART: all}"),
        (20, "systems.four.starts_from: base is not tuned", "leave starts_from out: that is where all systems start"),
        (21, "systems.five.starts_from: systems start from one another in a circle: five → six → five", ""),
        (24, "systems.eight.starts_from.adapter: en-alpaca is tuned in full, so it has no adapter to merge", "say none, or auto"),
        (25, "systems.nine.starts_from: systems start from one another in a circle: nine → nine", ""),
    ]  # fmt: skip


def test_an_adapter_that_is_trained_on_keeps_its_form(project: Path) -> None:
    with_systems(
        project,
        "second: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}, tuning: {lora: {r: 4, dropout: 0}}}",
        "third: {mix: {x-instructions: all}, starts_from: {system: en-alpaca, adapter: none}}",
    )
    assert problems(project, "tuning.method=lora") == [
        (
            17,
            "systems.second.starts_from.adapter: an adapter that is trained on keeps its form: r is 8 in en-alpaca and 4 here",
            "give both the same tuning.lora, or say merge",
        ),
        (
            18,
            "systems.third.starts_from.adapter: en-alpaca has an adapter, and third-it gets one too",
            "say continue, or merge",
        ),
    ]


def test_what_starts_from_a_system_that_is_left_out_is_left_out_or_told(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8").replace(", en: instructions.en.json", "")
    path.write_text(
        text.replace("en-instructions: all}}", "en-instructions: all}, when_missing: skip}"), encoding="utf-8"
    )
    with_systems(project, SECOND.replace("{mix", "{when_missing: skip, mix"))
    assert resolved(project).notes == (
        "en-alpaca is left out: sources.instructions.en is not given",
        "second-it is left out: en-alpaca, which it starts from, is left out",
    )
    path.write_text(
        path.read_text(encoding="utf-8").replace("second: {when_missing: skip, ", "second: {"),
        encoding="utf-8",
    )
    assert problems(project) == [
        (17, "systems.second.starts_from: en-alpaca is left out, and second-it starts from it", "")
    ]


def test_english_after_a_language_is_a_system_of_that_language(project: Path) -> None:
    with_systems(project, "back: {mix: {en-instructions: all}, starts_from: {system: x-alpaca}}")
    found = resolved(project)
    back = found.systems[-1]
    assert (back.name, back.language, back.scored_in) == ("back-it", "it", ("en", "it"))
    assert fates(found) == {"back-it": ("x-alpaca-it", "none")}
