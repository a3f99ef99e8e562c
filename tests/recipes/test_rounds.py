"""Rounds of refinement: written out as parts, systems and steps; when they end; and the whole recipe on a small project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.corpora.demonstration_files import read_demonstrations
from calque.engines import Completion, keeping
from calque.engines.transformers_engine import TransformersEngine
from calque.errors import RecipeError, RunError
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.rounds import Rounds, stop_of
from calque.recipes.runner import Prepared, prepare, run
from calque.records import Conversation
from calque.reports.folder import read_run
from calque.reports.page import write_report
from calque.reports.verdict import verdict

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
LOOSE = ("curate.refine.least_auc=0", "curate.refine.stop=false", "curate.refine.match_lengths=false")


def words(project: Path) -> list[str]:
    """The recipe on 24 seed pairs and 36 passages, most of which are nothing like a good text.

    In fp32, so that what the generator learns by heart does not depend on the processor.
    """
    animals, places = ["il cane", "il gatto", "la mucca", "il lupo"], ["nel bosco", "sul monte", "in città"]
    seed = [
        {"instruction": f"Tell of {a} {p} {i}.", "output": f"{a} è {p}, e dorme {i} ore."}
        for a in animals
        for p in places
        for i in (2, 3)
    ]
    (project / "seed.json").write_text(json.dumps(seed, ensure_ascii=False), encoding="utf-8")
    texts = [
        {"text": f"{a} vive {p} da {i} anni e mangia il pane."}
        for a in animals
        for p in places
        for i in range(3)
    ]
    (project / "texts.jsonl").write_text("".join(json.dumps(t) + "\n" for t in texts), encoding="utf-8")
    return [
        "xinstruction",
        f"model={project}/model",
        "model.template=plain",
        "language=it",
        f"seed_pairs={project}/seed.json",
        f"passages={project}/texts.jsonl",
        "curate.passages={least_characters: 10, near_duplicates: null, foreign: 1, whole: false}",
        "curate.refine.rounds=2",
        "curate.refine.writing={instruction_tokens: 24, response_tokens: 12}",
        "curate.refine.generator={epochs: 40, learning_rate: 0.01}",
        "tuning={method: full, learning_rate: 0.001, epochs: 1, examples_per_step: 4, precision: fp32}",
        f"evaluate.xquad={project}/xquad.{{language}}.json",
        "evaluate.languages=[x]",
        "evaluate.max_new_tokens.xquad=4",
        "systems.longest=null",
        "systems.undiversified=null",
    ]


def prepared(project: Path, *more: str) -> Prepared:
    name, *given = words(project)
    return prepare(read_recipe(name, [*given, *more]))


def names(found: Prepared) -> list[str]:
    return [step.name for step in found.steps]


def test_rounds_are_ordinary_steps_in_order(project: Path) -> None:
    steps = names(prepared(project))
    order = [
        "demonstrate-seed-reversed-it", "tune-generator", "generate-it", "tune-round-0", "answer-round-0-it",
        "ratings-1-it", "tune-evaluator-1", "measure-1", "rate-1-it", "select-kept-1-it", "tune-round-1",
        "answer-round-1-it", "ratings-2-it", "tune-evaluator-2", "measure-2", "rate-2-it", "select-refined-it",
        "tune-xinstruction",
    ]  # fmt: skip
    assert [name for name in steps if name in order] == order
    assert "tune-round-3" not in steps
    assert "evaluate-round-1-xquad-it" in steps
    assert not [name for name in steps if name.startswith(("evaluate-generator", "evaluate-evaluator"))]
    five = names(prepared(project, "curate.refine.rounds=5"))
    assert "measure-5" in five
    unscored = names(prepared(project, "curate.refine.score_rounds=false"))
    assert "tune-round-1" in unscored
    assert "tune-round-2" not in unscored


def test_what_is_made_later_is_said_to_be_held_against_the_benchmarks_then(project: Path) -> None:
    name, *changes = words(project)
    lines = list(check(name, changes, everything=True))
    (told,) = [line for line in lines if "looked at" in line]
    assert told.startswith("    note: looked at once they are made: ")
    assert "kept-1-it" in told


def test_what_a_recipe_cannot_ask_of_rounds(project: Path) -> None:
    for change, told in (
        ("curate.refine=null", "view selected is made by rounds of refinement, and the recipe has none"),
        ("demonstrate.best.round=4", "there are 2 rounds"),
        ("systems.round-1={mix: {seed: all}}", "round-1 is a name that curate.refine gives itself"),
    ):
        with pytest.raises(RecipeError, match=told):
            prepared(project, change)


def test_when_rounds_end(project: Path) -> None:
    recipe = prepared(project, "curate.refine.rounds=4").read.recipe
    now = Rounds(4, 4)
    blind = {"stop": "cannot tell"}
    assert stop_of({"measure-1": {"stop": ""}}, recipe, now) is None
    assert stop_of({"measure-1": blind}, recipe, now) == Rounds(1, 1, "round 1: cannot tell")
    found = stop_of({"measure-1": {"stop": ""}, "measure-3": blind}, recipe, now)
    assert found == Rounds(2, 3, "round 3: cannot tell")
    assert stop_of({"measure-3": blind}, recipe, Rounds(2, 3)) is None
    kept = {"kept": 100, "overlap": 0.97}
    settled = stop_of({"select-kept-2-it": kept}, recipe, now)
    assert settled == Rounds(
        2, 2, "round 2: the selection has settled: 97% of it was selected in the round before"
    )
    assert stop_of({"select-kept-4-it": kept}, recipe, now) is None
    off = prepared(project, "curate.refine.rounds=4", "curate.refine.stop=false").read.recipe
    assert stop_of({"measure-1": blind}, off, now) is None


def test_the_recipe_goes_through_and_is_cached(project: Path) -> None:
    found = prepared(project, *LOOSE)
    outcome = run(found, project / "run")
    assert outcome.done == len(found.steps)
    steps = project / "run" / "steps"
    counts = {
        s["name"]: s["counts"]
        for s in json.loads((project / "run" / "manifest.json").read_text("utf-8"))["steps"]
    }
    assert counts["mix-xinstruction"]["parts"]["seed-it"] == 24
    assert counts["ratings-1-it"]["levels"]["measure"]["3"] == 3
    candidates = counts["generate-it"]["kept"]
    refined = list(read_demonstrations(steps / "select-refined-it" / "demonstrations.jsonl"))
    assert len(refined) == round(candidates / 4) == counts["select-random-it"]["kept"]
    assert counts["select-unfiltered-it"]["kept"] == candidates
    assert all(d.messages[0].text.endswith("Answer in Italian.") and "rating" in d.scores for d in refined)
    assert 0 <= counts["select-kept-2-it"]["overlap"] <= 1
    ratings = [
        json.loads(line)["rating"]
        for line in (steps / "rate-1-it" / "ratings.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(ratings) == candidates
    assert all(1 <= rating <= 3 for rating in ratings)
    scored = {
        json.loads(line)["model"]
        for line in (project / "run" / "scores.jsonl").read_text("utf-8").splitlines()
    }
    assert {"base", "seed-alone", "round-0", "round-2", "random", "xinstruction"} <= scored
    verdicts = verdict(read_run(project / "run"))
    assert {column.role for column in verdicts.columns} == scored
    assert run(prepared(project, *LOOSE), project / "run").done == 0


def test_a_generator_that_was_stopped_is_asked_the_rest_and_nothing_twice(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 passages in portions of 8, stopped in the third portion; then all 36, of which the 12 others are asked."""
    written = TransformersEngine.answers
    asked: list[str] = []
    most = 19

    def answers(
        self: TransformersEngine, conversations: Sequence[Conversation], **how: Any
    ) -> Iterator[tuple[int, Completion]]:
        nonlocal asked
        for i, answer in written(self, conversations, **how):
            text = conversations[i][-1].text + conversations[i][-1].input
            if len(asked) == most or "Tell of" in text:
                raise KeyboardInterrupt  # where it is to be stopped, or once the follower is asked
            asked += [text] if "anni e mangia" in text else []
            yield i, answer

    def stopped(passages: int | str, out: str) -> list[dict[str, Any]]:
        asked.clear()
        with pytest.raises(KeyboardInterrupt):
            run(prepared(project, *LOOSE, f"curate.refine.passages={passages}"), project / out)
        file = project / out / "steps" / "generate-it" / "candidates.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []

    monkeypatch.setattr(TransformersEngine, "answers", answers)
    monkeypatch.setattr(keeping, "PORTION", 8)
    assert stopped(24, "run") == []
    assert len(asked) == 19
    first, most = set(asked[:16]), 1000
    found = stopped(24, "run")
    assert len(asked) == 8
    assert len({*asked, *first}) == 24
    assert found == stopped(24, "straight")
    before = {*asked}
    assert stopped("all", "run")
    assert len(asked) == 12
    assert not before & {*asked}


def test_an_evaluator_that_learnt_nothing_ends_the_run_and_says_so(project: Path) -> None:
    why = "it does not tell the worst from the best"
    with pytest.raises(RunError, match=f"the evaluator of round 1 is of no use: {why}"):
        run(prepared(project, "curate.refine.match_lengths=false"), project / "run")
    assert not (project / "run" / "steps" / "rate-1-it").exists()
    assert not (project / "run" / "steps" / "measure-1").exists(), "it is measured again where more is given"
    page = write_report([project / "run"], project / "report.html").read_text("utf-8")
    for text in ("This run is not finished: measure-1", "calibration error", "round 1, middle and best", why):
        assert text in page


def test_it_stops_by_itself_and_the_last_round_counts(project: Path) -> None:
    loose = ("curate.refine.least_auc=0", "curate.refine.match_lengths=false")
    done = run(prepared(project, *loose), project / "run")
    manifest = json.loads((project / "run" / "manifest.json").read_text("utf-8"))
    steps = [step["name"] for step in manifest["steps"]]
    assert "measure-1" in steps
    assert "measure-2" not in steps
    assert any(
        "no more rounds after round 1: the evaluator cannot tell level 2 from 3" in n
        for n in manifest["notes"]
    )
    assert (manifest["rounds"]["full"], manifest["rounds"]["measured"]) == (1, 1)
    assert manifest["rounds"]["why"].startswith("round 1: the evaluator cannot tell level 2 from 3")
    assert "rate-1-it" in next(s for s in manifest["steps"] if s["name"] == "select-refined-it")["after"]
    assert done.steps == len(steps)
    assert run(prepared(project, *loose), project / "run").done == 0


def command(project: Path, out: str) -> list[str]:
    start = [sys.executable, "-c", "from calque.cli import main; main()", "run"]
    return [*start, *words(project), *LOOSE, "tuning.checkpoint_steps=1", f"out={out}"]


@pytest.mark.slow
def test_killed_in_the_rounds_the_same_bytes_come_out(project: Path) -> None:
    def files(out: str) -> dict[str, Any]:
        steps = project / out / "steps"
        return {str(p.relative_to(steps)): p.read_bytes() for p in steps.rglob("*") if p.is_file()}

    for moment in ("steps/generate-it", "partial/rate-1-it@*", "partial/tune-evaluator-2@*/checkpoint-*3"):
        process = subprocess.Popen(
            command(project, "run"), cwd=project, env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        while not list((project / "run").glob(moment)):
            assert process.poll() is None, f"it ended before {moment}"
        process.send_signal(signal.SIGKILL)
        process.wait()
    for out in ("run", "straight"):
        done = subprocess.run(
            command(project, out), cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert files("run") == files("straight")
