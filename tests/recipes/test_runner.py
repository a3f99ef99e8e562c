"""A recipe carried out on small files: what is done, what is done again, what stays to the byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calque.errors import CalqueError, DataError, ModelError, RecipeError, RunError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import Outcome, prepare
from calque.recipes.runner import run as carry_out
from calque.recipes.watch import Silent

SCRATCH = ("partial", "earlier", "log.jsonl", ".lock")


class Listener(Silent):
    """Remembers what was done, and why."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}
        self.notes: list[str] = []

    def started(self, name: str, why: str) -> None:
        self.done[name] = why

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(project: Path, *words: str, out: str = "run") -> tuple[Outcome, Listener]:
    listener = Listener()
    read = read_recipe(str(project / "recipe.yaml"), words)
    return carry_out(prepare(read), project / out, listener), listener


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All that a finished run holds, but for scratch and clock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in SCRATCH
    }


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_leaves_what_it_promises_and_the_second_does_nothing(project: Path) -> None:
    outcome, listener = run(project)
    folder = outcome.folder
    assert list(listener.done) == [
        "demonstrate-en-instructions-en",
        "demonstrate-x-instructions-it",
        "demonstrate-translations-it",
        "contamination",
        *("mix-en-alpaca", "encode-en-alpaca", "mix-x-alpaca-it", "encode-x-alpaca-it"),
        *("mix-x-crossalpaca-it", "encode-x-crossalpaca-it"),
        *("evaluate-base-xquad-en", "evaluate-base-xquad-it"),
        *("tune-en-alpaca", "evaluate-en-alpaca-xquad-en", "evaluate-en-alpaca-xquad-it"),
        *("tune-x-alpaca-it", "evaluate-x-alpaca-it-xquad-en", "evaluate-x-alpaca-it-xquad-it"),
        *(
            "tune-x-crossalpaca-it",
            "evaluate-x-crossalpaca-it-xquad-en",
            "evaluate-x-crossalpaca-it-xquad-it",
        ),
    ]
    for name in ("recipe.yaml", "manifest.json", "scores.jsonl", "report.html", "log.jsonl"):
        assert (folder / name).stat().st_size > 0
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    counts = {step["name"]: step["counts"] for step in manifest["steps"]}
    assert counts["demonstrate-translations-it"]["dropped"] == {"not_drawn": 12}
    assert counts["mix-x-crossalpaca-it"]["parts"] == {"x-instructions-it": 24, "translations-it": 12}
    assert counts["tune-x-crossalpaca-it"] == {
        "steps": 10,  # 36 rows in steps of 8, twice
        "tokens": counts["encode-x-crossalpaca-it"]["tokens"] * 2,
        "trained_tokens": counts["encode-x-crossalpaca-it"]["trained_tokens"] * 2,
        "examples": 72,
    }
    assert manifest["comparisons"] == [["x-alpaca", "x-crossalpaca"]]
    assert manifest["model"]["path"] == "model"
    assert str(project) not in (folder / "manifest.json").read_text(encoding="utf-8")
    scores = rows(folder / "scores.jsonl")
    assert {score["model"] for score in scores} == {"base", "en-alpaca", "x-alpaca-it", "x-crossalpaca-it"}
    assert all(score["n"] == 4 and score["low"] <= score["value"] <= score["high"] for score in scores)
    first = bytes_of(folder)
    again, listener = run(project)
    assert (again.done, listener.done) == (0, {})
    assert bytes_of(folder) == first


def test_a_changed_setting_redoes_what_depends_on_it_and_says_so(project: Path) -> None:
    run(project)
    before = bytes_of(project / "run")
    _, listener = run(project, "demonstrate.translations.share_into_target=1.0")
    assert list(listener.done) == [
        "demonstrate-translations-it",
        "contamination",
        "mix-x-crossalpaca-it",
        "encode-x-crossalpaca-it",
        "tune-x-crossalpaca-it",
        "evaluate-x-crossalpaca-it-xquad-en",
        "evaluate-x-crossalpaca-it-xquad-it",
    ]
    assert listener.done["demonstrate-translations-it"] == "share_into_target: 0.5 → 1.0"
    assert listener.done["mix-x-crossalpaca-it"] == "demonstrate-translations-it came out otherwise"
    outcome, listener = run(project)
    assert outcome.done == 0, "changed back, the earlier steps are taken again"
    assert bytes_of(project / "run") == before


def test_what_another_run_has_made_from_the_same_is_taken_from_there(project: Path) -> None:
    first, _ = run(project)
    listener = Listener()
    words = ("systems.x-alpaca.tuning.learning_rate=0.02",)
    read = read_recipe(str(project / "recipe.yaml"), words)
    outcome = carry_out(prepare(read), project / "other", listener, reuse=[first.folder])
    assert list(listener.done) == [
        "tune-x-alpaca-it", "evaluate-x-alpaca-it-xquad-en", "evaluate-x-alpaca-it-xquad-it",
    ]  # fmt: skip
    assert f"tune-en-alpaca is taken from {first.folder}" in listener.notes
    alone, _ = run(project, *words, out="alone")
    assert bytes_of(outcome.folder) == bytes_of(alone.folder)
    weights = first.folder / "steps" / "tune-en-alpaca" / "model" / "model.safetensors"
    damaged = weights.read_bytes()[:-1] + b"!"
    weights.unlink()
    weights.write_bytes(damaged)
    listener = Listener()
    carry_out(prepare(read), project / "third", listener, reuse=[first.folder])
    assert "tune-en-alpaca" in listener.done  # what is damaged there is not taken over
    with pytest.raises(RunError, match="there is no run in this folder"):
        carry_out(prepare(read), project / "fourth", reuse=[project])


def test_a_changed_file_counts_by_its_content_not_by_its_date(project: Path) -> None:
    run(project)
    os.utime(project / "instructions.it.json")
    assert run(project)[0].done == 0
    path = project / "xquad.it.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Chi?", "Chi mai?"), encoding="utf-8")
    _, listener = run(project)
    asked = ("base", "en-alpaca", "x-alpaca-it", "x-crossalpaca-it")
    assert set(listener.done) == {"contamination", *(f"evaluate-{system}-xquad-it" for system in asked)}
    assert listener.done["evaluate-base-xquad-it"] == "xquad.it.json has changed"


def test_an_equal_outcome_stops_the_wave(project: Path) -> None:
    """A row that is dropped anyway changes a file, and nothing behind the step that reads it."""
    run(project)
    with (project / "pairs.tsv").open("a", encoding="utf-8") as stream:
        stream.write("same\tsame\n")
    _, listener = run(project)
    assert next(iter(listener.done)) == "demonstrate-translations-it"
    assert "tune-x-alpaca-it" not in listener.done


def test_a_step_whose_files_were_touched_is_done_again(project: Path) -> None:
    run(project)
    before = bytes_of(project / "run")
    (project / "run/steps/mix-x-alpaca-it/demonstrations.jsonl").write_text("", encoding="utf-8")
    _, listener = run(project)
    assert listener.done == {"mix-x-alpaca-it": "its files were changed by another hand"}
    assert bytes_of(project / "run") == before


def test_a_system_that_is_no_longer_asked_for_is_kept_aside(project: Path) -> None:
    run(project)
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  en-alpaca: {mix: {en-instructions: all}}\n", ""), encoding="utf-8")
    _, listener = run(project)
    assert list(listener.done) == ["contamination"], "there is less to look through"
    assert "tune-en-alpaca is no longer asked for; it was moved to earlier/" in listener.notes
    assert not (project / "run/steps/tune-en-alpaca").exists()
    path.write_text(text, encoding="utf-8")
    assert run(project)[0].done == 0


def test_the_resolved_recipe_makes_the_same_run_elsewhere(project: Path) -> None:
    outcome, _ = run(project, "tuning.epochs=1")
    read = read_recipe(str(outcome.folder))
    carry_out(prepare(read), project / "other")
    first, second = bytes_of(outcome.folder), bytes_of(project / "other")
    del first["report.html"], second["report.html"]
    assert first == second


MOMENTS = [
    "partial/encode-*",
    "partial/tune-en-alpaca@*/checkpoint-*",
    "partial/tune-x-alpaca-it@*/checkpoint-*3",
    "partial/evaluate-x-crossalpaca-it-*",
]


def test_killed_again_and_again_the_same_bytes_come_out(project: Path) -> None:
    """SIGKILL as soon as each of these stands there, each time in the run that the last kill left."""
    command = [sys.executable, "-c", "from calque.cli import main; main()", "run", "recipe.yaml"]
    command.append("tuning.checkpoint_steps=1")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for moment in MOMENTS:
        process = subprocess.Popen(
            [*command, "out=run"], cwd=project, env=environment, stdout=subprocess.DEVNULL
        )
        while not list((project / "run").glob(moment)):
            assert process.poll() is None, f"it ended before {moment}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (project / "run/manifest.json").exists()
    again = subprocess.run(
        [*command, "out=run"], cwd=project, env=environment, capture_output=True, check=False
    )
    assert again.returncode == 0, again.stderr.decode()
    killed = bytes_of(project / "run")
    (project / "run").rename(project / "killed")
    whole = subprocess.run(
        [*command, "out=run"], cwd=project, env=environment, capture_output=True, check=False
    )
    assert whole.returncode == 0, whole.stderr.decode()
    assert bytes_of(project / "run") == killed


def test_a_kill_during_clean_up_leaves_a_run_that_can_be_finished(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting a checkpoint is not one moment: its first file is gone, the second still there."""
    delete = shutil.rmtree

    def interrupted(path: Path, **options: Any) -> None:
        if path.exists() and "checkpoint" in path.name:
            (path / "state.json").unlink()
            raise KeyboardInterrupt
        delete(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(project, "tuning.epochs=1")
    monkeypatch.undo()
    assert list((project / "run/partial").glob("tune-en-alpaca@*/model"))
    run(project, "tuning.epochs=1")
    straight, _ = run(project, "tuning.epochs=1", out="straight")
    assert bytes_of(project / "run") == bytes_of(straight.folder)


def test_all_faults_in_the_data_are_told_at_once(project: Path) -> None:
    rows = json.loads((project / "instructions.it.json").read_text(encoding="utf-8"))
    (project / "instructions.it.json").write_text(json.dumps(rows)[:-40], encoding="utf-8")
    (project / "pairs.tsv").write_text("only one column\n", encoding="utf-8")
    with pytest.raises(CalqueError) as caught:
        run(project)
    assert {Path(p.file).name for p in caught.value.problems} == {"instructions.it.json", "pairs.tsv"}
    assert not (project / "run/manifest.json").exists()


def test_bad_rows_are_put_aside_and_the_counts_add_up(project: Path) -> None:
    path = project / "instructions.it.json"
    given = json.loads(path.read_text(encoding="utf-8"))
    given[6]["output"] = 7
    given[9]["output"] = " "
    path.write_text(json.dumps(given), encoding="utf-8")
    outcome, _ = run(project)
    folder = outcome.folder / "steps/demonstrate-x-instructions-it"
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    assert (counts["rows"], counts["kept"], counts["dropped"]) == (
        24,
        22,
        {"empty_response": 1, "wrong_type": 1},
    )
    dropped = rows(folder / "dropped.jsonl")
    assert [(row["file"], row["row"], row["reason"]) for row in dropped] == [
        ("instructions.it.json", 7, "wrong_type"),
        ("instructions.it.json", 10, "empty_response"),
    ]


def test_a_row_over_the_limit_is_an_error_that_names_the_remedies(project: Path) -> None:
    with pytest.raises(DataError, match="longer than 16 tokens") as caught:
        run(project, "tuning.max_tokens=16")
    assert "tuning.overlong=drop" in str(caught.value)


def test_a_row_over_the_context_shows_before_anything_is_tuned(project: Path) -> None:
    """Of two systems the second alone has the long row: the first must not be tuned for nothing."""
    with (project / "pairs.tsv").open("a", encoding="utf-8") as stream:
        stream.write("the dog " * 300 + "\til cane\n")
    listener = Listener()
    changes = ["demonstrate.translations.count=all", "tuning.max_tokens=4000"]
    read = read_recipe(str(project / "recipe.yaml"), changes)
    with pytest.raises(ModelError, match=r"the longest row has \d+ tokens, but the model reads only 512"):
        carry_out(prepare(read), project / "run", listener)
    assert not [name for name in listener.done if name.startswith(("tune", "evaluate"))]


def test_a_broken_benchmark_shows_before_anything_is_tuned(project: Path) -> None:
    (project / "xquad.it.json").write_text('{"data": [', encoding="utf-8")
    listener = Listener()
    read = read_recipe(str(project / "recipe.yaml"))
    with pytest.raises(RecipeError, match=r"xquad\.it\.json"):
        carry_out(prepare(read), project / "run", listener)
    assert not any(name.startswith("tune") for name in listener.done)


def test_files_of_another_benchmark_show_before_anything_is_tuned(project: Path) -> None:
    listener = Listener()
    read = read_recipe(str(project / "recipe.yaml"), [f"evaluate.mmlu.it={project / 'xquad.it.json'}"])
    with pytest.raises(RecipeError, match=r"xquad\.it\.json: mmlu: no item is left to ask"):
        carry_out(prepare(read), project / "run", listener)
    assert not [name for name in listener.done if name.startswith(("tune", "evaluate"))]


def test_a_folder_that_is_no_model_is_refused(project: Path) -> None:
    (project / "model").unlink()
    (project / "model").mkdir()
    with pytest.raises(ModelError, match=r"no config\.json"):
        run(project)


def test_a_folder_with_other_things_is_not_touched(project: Path) -> None:
    (project / "run").mkdir()
    (project / "run/thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=r"thesis\.tex"):
        run(project)
    assert [path.name for path in (project / "run").iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_work_in_one_run(project: Path) -> None:
    import fcntl

    (project / "run").mkdir()
    with (project / "run/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process"):
            run(project)


def test_no_translations_is_the_baseline_to_the_byte(project: Path) -> None:
    """So that an ablation by amount begins where it should."""
    outcome, _ = run(project, "demonstrate.translations.count=0")
    answers = [
        (outcome.folder / f"steps/evaluate-{system}-it-xquad-it/answers.jsonl").read_bytes()
        for system in ("x-alpaca", "x-crossalpaca")
    ]
    assert answers[0] == answers[1]
    with pytest.raises(DataError, match="system x-alpaca-it has no demonstration to learn from"):
        run(project, "systems.x-alpaca.mix={x-instructions: 0}")


def test_an_upgrade_tunes_nothing_anew_and_is_told(project: Path) -> None:
    outcome, _ = run(project)
    path = outcome.folder / "steps/tune-en-alpaca/step.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps({**before, "versions": {**before["versions"], "peft": "0.1.0"}}), encoding="utf-8"
    )
    again, listener = run(project)
    assert (again.done, listener.done) == (0, {})
    versions = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))["versions"]
    assert versions["peft"] == f"0.1.0, {before['versions']['peft']}"
    assert versions["torch"] == before["versions"]["torch"]


def test_a_file_given_for_two_languages_is_refused_before_anything_is_tuned(project: Path) -> None:
    listener = Listener()
    read = read_recipe(str(project / "recipe.yaml"), [f"evaluate.xquad.it={project / 'xquad.en.json'}"])
    with pytest.raises(CalqueError, match="by its name this file is in 'en', not in 'it'"):
        carry_out(prepare(read), project / "run", listener)
    assert not [name for name in listener.done if name.startswith(("tune", "evaluate"))]


def test_a_matched_system_is_tuned_as_long_as_the_other(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    added = "".join(
        f"  by-{by}: {{mix: {{x-instructions: all}}, matched_to: {{system: x-crossalpaca, by: {by}}}, scored_in: [x]}}\n"
        for by in ("steps", "trained_tokens")
    )
    path.write_text(text.replace("comparisons:", added + "comparisons:"), encoding="utf-8")
    outcome, listener = run(project, "systems.en-alpaca=null")
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    counts = {step["name"]: step["counts"] for step in manifest["steps"]}
    other = counts["tune-x-crossalpaca-it"]
    assert counts["tune-by-steps-it"]["steps"] == other["steps"] == 10
    one_step = (
        counts["tune-by-trained_tokens-it"]["trained_tokens"] / counts["tune-by-trained_tokens-it"]["steps"]
    )
    assert abs(counts["tune-by-trained_tokens-it"]["trained_tokens"] - other["trained_tokens"]) <= one_step
    assert [name for name in listener.done if name.startswith("evaluate-by-steps")] == [
        "evaluate-by-steps-it-xquad-it"
    ]
    _, later = run(project, "systems.en-alpaca=null", "demonstrate.translations.count=20")
    again = [name for name in later.done if name.startswith("tune")]
    assert again == ["tune-x-crossalpaca-it", "tune-by-steps-it", "tune-by-trained_tokens-it"]


def test_the_longest_answer_is_a_setting_of_each_benchmark(project: Path) -> None:
    outcome, _ = run(
        project, "systems.en-alpaca=null", "evaluate.max_new_tokens.xquad=3", "systems.x-crossalpaca=null"
    )
    signatures = {row["signature"] for row in rows(outcome.folder / "scores.jsonl")}
    assert all("|tokens:3|" in signature for signature in signatures)
    with pytest.raises(RecipeError, match="there is no benchmark 'xqad'"):
        read_recipe(str(project / "recipe.yaml"), ["evaluate.max_new_tokens.xqad=3"])
