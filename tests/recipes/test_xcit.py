"""The packaged recipe on a small project: it goes through, is cached, survives kills in stage 2, and changes by one word."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calque.recipes.reading import read_recipe
from calque.recipes.resolved import Resolved
from calque.recipes.runner import prepare, run


def words(project: Path, recipe: str = "xcit") -> list[str]:
    return [
        recipe,
        f"model={project}/model",
        "model.template=plain",
        "language=it",
        f"instructions.en={project}/instructions.en.json",
        f"parallel={{english: {project}/instructions.en.json, target: {project}/instructions.it.json}}",
        f"translations={project}/pairs.tsv",
        "demonstrate.translations.count=12",
        f"evaluate.xquad={project}/xquad.{{language}}.json",
        "evaluate.max_new_tokens.xquad=8",
        "evaluate.english_tokens=8",
        "tuning.examples_per_step=2",
    ]


def resolved(project: Path, *more: str, recipe: str = "xcit") -> Resolved:
    name, *given = words(project, recipe)
    return prepare(read_recipe(name, [*given, *more])).resolved


def calque(project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(project, *more), cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def command(project: Path, *more: str) -> list[str]:
    return [sys.executable, "-c", "from calque.cli import main; main()", "run", *words(project), *more]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def manifest(run: Path) -> dict[str, Any]:
    return {s["name"]: s["counts"] for s in json.loads((run / "manifest.json").read_text("utf-8"))["steps"]}


MORE = ("tuning.checkpoint_steps=1", "systems.xcit.mix.x-instructions=0.5", "systems.xcit.mix.chat=0.5")


def test_the_recipe_goes_through_and_is_cached(project: Path) -> None:
    def go() -> tuple[int, Path]:
        name, *given = words(project)
        outcome = run(prepare(read_recipe(name, [*given, *MORE])), project / "run")
        return outcome.done, outcome.folder

    done, folder = go()
    assert done > 30
    counts = manifest(folder)
    assert counts["mix-xcit-it"]["parts"] == {"x-instructions-it": 12, "chat-it": 12, "en-instructions-en": 0}
    assert counts["tune-xcit-it"]["steps"] == 36
    report = (folder / "report.html").read_text("utf-8")
    for shown in (
        "english → <small>(continue)</small> xcit-it",
        "percent admitted",
        "What an answer cost",
        "xcit@chat",
    ):
        assert shown in report
    scores = {json.loads(line)["model"] for line in (folder / "scores.jsonl").read_text("utf-8").splitlines()}
    assert scores == {
        *("base", "english", "translated-it", "mixed-it", "mixed-it@chat"),
        *("crossalpaca-it", "plug-it@pivot", "xcit-it", "xcit-it@chat"),
    }
    assert go() == (0, folder)


@pytest.mark.slow
def test_killed_in_stage_2_the_same_bytes_come_out(project: Path) -> None:
    for moment in ("partial/tune-xcit-it@*/checkpoint-*3", "partial/evaluate-xcit-it@chat-xquad-it@*"):
        process = subprocess.Popen(
            command(project, *MORE, "out=run"), cwd=project, env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        while not list((project / "run").glob(moment)):
            assert process.poll() is None, f"it ended before {moment}"
        process.send_signal(signal.SIGKILL)
        process.wait()
    for out in ("run", "straight"):
        done = calque(project, *MORE, f"out={out}")
        assert done.returncode == 0, done.stderr
    assert manifest(project / "run") == manifest(project / "straight")
    for name in ("tune-xcit-it", "evaluate-xcit-it@chat-xquad-it"):
        one, other = (project / out / "steps" / name for out in ("run", "straight"))
        files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
        assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files), name


def test_one_word_changes_a_thing(project: Path) -> None:
    def xcit(*more: str) -> Any:
        return next(s for s in resolved(project, *more).systems if s.role == "xcit")

    assert xcit().tuning.pacing.order == "easiest-first"
    for order in ("none", "random", "hardest-first", "drop-hardest"):
        assert xcit(f"systems.xcit.tuning.pacing.order={order}").tuning.pacing.order == order
    assert xcit("systems.xcit.starts_from=null").starts_from is None
    assert xcit("systems.xcit.mix.chat=0").mix["chat-it"] == 0
    left = resolved(project, "systems.plug=null")
    assert [pair for pair in left.recipe.comparisons if "plug@pivot" in pair] == []
    assert "plug" not in {s.role for s in left.systems}


def test_english_is_tuned_once_for_ten_languages(project: Path) -> None:
    name, *given = words(project)
    given = [
        word
        for word in given
        if not word.startswith(("language", "parallel", "translations", "demonstrate", "evaluate"))
    ]
    for code in ("zh", "it", "fi"):
        target = project / f"instructions.{code}.json"
        if not target.exists():
            target.write_text((project / "instructions.it.json").read_text("utf-8"), encoding="utf-8")
    parallel = f"parallel={{english: {project}/instructions.en.json, target: '{project}/instructions.{{language}}.json'}}"
    steps = prepare(read_recipe(name, [*given, "language=zh,it,fi", parallel])).steps
    tunings = [step for step in steps if step.kind == "tune"]
    assert [step.name for step in tunings if step.name.startswith(("tune-english", "tune-xcit"))] == [
        "tune-english",
        "tune-xcit-zh",
        "tune-xcit-it",
        "tune-xcit-fi",
    ]
    assert all("tune-english" in step.after for step in tunings if step.name.startswith("tune-xcit"))


def test_a_system_is_asked_as_it_was_taught(project: Path) -> None:
    name, *given = words(project, "xcit-ablations")
    changes = [
        "demonstrate.chat-last.prompt_language=english",
        "systems.reversed.answers=[direct, chat, pivot]",
    ]
    steps = {step.name: step.settings for step in prepare(read_recipe(name, [*given, *changes])).steps}

    def asked(system: str) -> tuple[str, bool]:
        settings = steps[f"evaluate-{system}-xquad-it"]
        return settings["words"], settings["english_asked_for"]

    assert asked("xcit-it@chat") == asked("reversed-it@chat") == asked("reversed-it@pivot") == ("item", True)
    assert asked("chat-last-it@chat") == ("en", True)
    assert asked("chat-unasked-it@chat") == ("item", False)
    assert "words" not in steps["evaluate-xcit-it-xquad-it"]


def test_the_grid_of_ablations_is_sound(project: Path) -> None:
    found = resolved(project, recipe="xcit-ablations")
    by_role = {system.role: system for system in found.systems}
    assert {pair[0].partition("@")[0] for pair in found.recipe.comparisons} <= by_role.keys()
    reversed_ = by_role["reversed"]
    assert [stage.role for stage in reversed_.stages] == ["second-first", "reversed"]
    assert by_role["second-first"].scored_in == ()
    for name, by in (
        ("without-chat-steps", "steps"),
        ("plug-tokens", "trained_tokens"),
        ("plug-steps", "steps"),
        ("crossalpaca-steps", "steps"),
        ("no-pace-tokens", "trained_tokens"),
    ):
        match = by_role[name].matched_to
        assert match is not None
        assert (match.system.name, match.by) == ("xcit-it", by)
        assert [stage.name for stage in match.stages] == ["xcit-it"]
    whole = by_role["mixed-tokens"].matched_to
    assert whole is not None
    assert [stage.name for stage in whole.stages] == ["english", "xcit-it"]
    assert by_role["merged"].starts_from is not None
    assert by_role["merged"].starts_from.adapter == "merge"
    assert by_role["no-pace"].tuning.pacing.order == "none"


@pytest.mark.slow
def test_the_grid_goes_through(project: Path) -> None:
    name, *given = words(project, "xcit-ablations")
    done = subprocess.run(
        [sys.executable, "-c", "from calque.cli import main; main()", "run", name, *given, "evaluate.limit=1", "out=run"],
        cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = manifest(project / "run")
    xcit = counts["tune-xcit-it"]
    for system in ("translated-tokens", "plug-tokens", "no-pace-tokens"):
        tuned = counts[f"tune-{system}-it"]
        assert (
            abs(tuned["trained_tokens"] - xcit["trained_tokens"])
            <= 2 * tuned["trained_tokens"] / tuned["steps"]
        )
    assert counts["tune-translated-steps-it"]["steps"] == xcit["steps"]


def test_a_system_that_is_never_asked_is_told_of(project: Path) -> None:
    """English is asked for directly alone, and PLUG answers in no other way than with both languages."""
    never = "plug-it is tuned and never asked: it answers by pivot, and of its languages benchmarks are given in en alone"
    assert not any("never asked" in note for note in resolved(project).notes)
    notes = resolved(project, f"evaluate.xquad={{en: {project}/xquad.en.json}}").notes
    assert [note for note in notes if "never asked" in note] == [never]
    alone = resolved(
        project, f"evaluate.xquad={{en: {project}/xquad.en.json}}", "systems.translated.scored_in=[x]"
    ).notes
    assert "translated-it is tuned and never asked: no benchmark is given in it" in alone
