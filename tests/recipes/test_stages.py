"""Two stages in a run: the second begins with what the first made, is cached by it, and resumes after a kill."""

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

from calque.errors import ModelError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out
from calque.recipes.watch import Silent

SYSTEMS = """\
  second: {mix: {x-instructions: all}, starts_from: {system: en-alpaca}}
  third: {mix: {translations: all}, starts_from: {system: second, adapter: merge}, scored_in: [x]}
"""
LORA = (
    "tuning.method=lora",
    "tuning.learning_rate=0.01",
    "systems.x-alpaca=null",
    "systems.x-crossalpaca=null",
)


class Listener(Silent):
    def __init__(self) -> None:
        self.done: dict[str, str] = {}

    def started(self, name: str, why: str) -> None:
        self.done[name] = why


@pytest.fixture
def staged(project: Path) -> Path:
    """The project with two stages after English."""
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8").replace("comparisons:", SYSTEMS + "comparisons:")
    path.write_text(text, encoding="utf-8")
    return project


def run(project: Path, *words: str, out: str = "run") -> Listener:
    listener = Listener()
    carry_out(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / out, listener)
    return listener


def tunings(listener: Listener) -> list[str]:
    return [name for name in listener.done if name.startswith("tune")]


def lineage(project: Path, system: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / f"run/steps/tune-{system}/lineage.json").read_text("utf-8"))
    return found


def test_stages_are_chained_cached_and_told(staged: Path) -> None:
    listener = run(staged, *LORA)
    assert tunings(listener) == ["tune-en-alpaca", "tune-second-it", "tune-third-it"]
    steps = staged / "run/steps"
    assert sorted(p.name for p in (steps / "tune-third-it").iterdir() if p.is_dir()) == ["adapter", "start"]
    assert not (steps / "tune-second-it/start").exists()
    first, second, third = lineage(staged, "third-it")["stages"]
    sha = lineage(staged, "third-it")["base_sha256"]
    key = json.loads((steps / "tune-en-alpaca/step.json").read_text("utf-8"))["key"]
    assert first == {"system": "en-alpaca", "method": "lora", "starts_from": "base", "earlier_adapter": "none",
                     "base_sha256": sha, "key": key}  # fmt: skip
    assert (second["starts_from"], second["earlier_adapter"]) == ("en-alpaca", "continue")
    assert (third["starts_from"], third["earlier_adapter"], "key" in third) == ("second-it", "merge", False)
    assert lineage(staged, "third-it")["start"] == "second-it"
    report = (staged / "run/report.html").read_text("utf-8")
    assert "en-alpaca → <small>(continue)</small> second-it → <small>(merge)</small> third-it" in report
    manifest = json.loads((staged / "run/manifest.json").read_text("utf-8"))
    assert manifest["systems"][-1]["stages"] == ["en-alpaca", "second-it", "third-it"]
    assert run(staged, *LORA).done == {}


def test_an_earlier_stage_that_comes_out_otherwise_redoes_the_later_ones(staged: Path) -> None:
    run(staged, *LORA)
    listener = run(staged, *LORA, "systems.second.tuning.epochs=1")
    assert tunings(listener) == ["tune-second-it", "tune-third-it"]
    assert listener.done["tune-third-it"] == "tune-second-it came out otherwise"
    again = run(staged, *LORA, "systems.third.starts_from.adapter=continue", "systems.second.tuning.epochs=1")
    assert again.done["tune-third-it"] == 'earlier_adapter: "merge" → "continue"'


def test_full_tuning_in_stages(staged: Path) -> None:
    words = ("systems.third.starts_from.adapter=none", "systems.x-alpaca=null", "systems.x-crossalpaca=null")
    assert tunings(run(staged, *words)) == ["tune-en-alpaca", "tune-second-it", "tune-third-it"]
    assert (staged / "run/steps/tune-third-it/model/config.json").is_file()


def test_a_stage_of_another_base_is_refused(staged: Path) -> None:
    """By the run's own keys this cannot be; somebody copied a step into the folder."""
    run(staged, *LORA)
    path = staged / "run/steps/tune-en-alpaca/lineage.json"
    shutil.rmtree(staged / "run/steps/tune-second-it")
    path.write_text(
        path.read_text("utf-8").replace('"base_sha256": "', '"base_sha256": "0'), encoding="utf-8"
    )
    step = json.loads((path.parent / "step.json").read_text("utf-8"))
    from calque.recipes.folder import RunFolder
    from calque.recipes.runner import workshop_of
    from calque.recipes.steps import Work, unheard

    prepared = prepare(read_recipe(str(staged / "recipe.yaml"), LORA))
    (tune,) = [s for s in prepared.steps if s.name == "tune-second-it"]
    folder = RunFolder(staged / "run")
    after = {name: folder.place(name) for name in tune.after}
    with pytest.raises(ModelError, match="tuned from another base model"):
        tune.carry_out(Work(staged, after, workshop_of(prepared, folder), unheard))
    assert step["name"] == "tune-en-alpaca"


@pytest.mark.slow
def test_killed_in_a_later_stage_the_same_bytes_come_out(staged: Path) -> None:
    command = [sys.executable, "-c", "from calque.cli import main; main()", "run", "recipe.yaml", *LORA]
    command += ["tuning.checkpoint_steps=1", "tuning.lora.dropout=0.3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for moment in (
        "partial/tune-second-it@*/checkpoint-*2",
        "partial/tune-third-it@*/start",
        "partial/tune-third-it@*/checkpoint-*2",
    ):
        process = subprocess.Popen(
            [*command, "out=run"], cwd=staged, env=environment, stdout=subprocess.DEVNULL
        )
        while not list((staged / "run").glob(moment)):
            assert process.poll() is None, f"it ended before {moment}"
        process.send_signal(signal.SIGKILL)
        process.wait()
    for out in ("run", "straight"):
        done = subprocess.run(
            [*command, f"out={out}"], cwd=staged, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    for name in ("tune-second-it", "tune-third-it", "evaluate-third-it-xquad-it"):
        one, other = staged / "run/steps" / name, staged / "straight/steps" / name
        files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
        assert files == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
        assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files), name


def test_a_paced_stage_writes_what_it_admitted_and_others_are_matched_to_what_counted(staged: Path) -> None:
    path = staged / "recipe.yaml"
    control = "  control: {mix: {translations: all}, matched_to: {system: third, by: trained_tokens}}\n"
    for by in ("steps", "trained_tokens"):
        control += f"  all-{by}: {{mix: {{translations: all}}, matched_to: {{system: third, by: {by}, stages: all}}}}\n"
    path.write_text(
        path.read_text("utf-8").replace("comparisons:", control + "comparisons:"), encoding="utf-8"
    )
    listener = run(staged, *LORA, "systems.third.tuning.pacing={order: easiest-first, until: 1}")
    order = tunings(listener)
    assert order.index("tune-third-it") < order.index("tune-control-it")
    steps = {
        s["name"]: s["counts"] for s in json.loads((staged / "run/manifest.json").read_text("utf-8"))["steps"]
    }
    third, control_ = steps["tune-third-it"], steps["tune-control-it"]
    assert third["trained_tokens"] < steps["encode-third-it"]["trained_tokens"] * 2
    assert third["refreshed_tokens"] == 0
    assert (
        abs(control_["trained_tokens"] - third["trained_tokens"]) <= third["trained_tokens"] / third["steps"]
    )
    stages = [steps[f"tune-{name}"] for name in ("en-alpaca", "second-it", "third-it")]
    assert steps["tune-all-steps-it"]["steps"] == sum(stage["steps"] for stage in stages)
    trained, enough = steps["tune-all-trained_tokens-it"], sum(stage["trained_tokens"] for stage in stages)
    assert abs(trained["trained_tokens"] - enough) <= enough / trained["steps"]
    rows = (staged / "run/steps/tune-third-it/pace.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(row)["group"] for row in rows} == {"en translation", "it translation"}
    assert not (staged / "run/steps/tune-control-it/pace.jsonl").exists()
    assert "percent admitted" in (staged / "run/report.html").read_text("utf-8")
