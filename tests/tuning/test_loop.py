"""The loop: losses by hand, 1 × 8 = 8 × 1, schedules, and resuming to the last bit."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM

from calque.engines.loading import ModelFiles
from calque.errors import ModelError, RunError
from calque.tuning.checkpoint import discard_checkpoints
from calque.tuning.encode import EncodedSet, write_encoded
from calque.tuning.loop import StepLog, Tuned, TuningError, rate_at, tune
from calque.tuning.settings import TuningSettings

PRINT = {"rows": "a"}


def run(base: ModelFiles, rows: EncodedSet, settings: TuningSettings, folder: Path, **changes: Any) -> Tuned:
    options = {"seed": 0, "folder": folder, "fingerprint": PRINT, **changes}
    folder.mkdir(exist_ok=True)
    return tune(base, rows, settings, **options)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    (found,) = [*folder.glob("adapter/*.safetensors"), *folder.glob("model/*.safetensors")]
    return load_file(found)


def close(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], atol: float) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=atol, rtol=0, msg=name)


def test_the_first_loss_is_the_mean_over_the_trained_tokens(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    tuned = run(base, rows, settings(examples_per_step=24), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base.folder).eval()
    total, count = 0.0, 0
    for i in range(len(rows)):
        ids, trained = (torch.tensor(part) for part in rows.row(i))
        logits = model(input_ids=ids[None].long()).logits[0, :-1]
        found = functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]]
        total, count = total + found.sum().item(), count + len(found)
    (step,) = tuned.log
    assert step["loss"] == pytest.approx(total / count, abs=1e-5)
    assert step["trained_tokens"] == count == int(rows.trained.sum())
    assert step["tokens"] == int(rows.offsets[-1])
    assert step["examples"] == 24


@pytest.mark.parametrize("method", ["lora", "full"])
def test_one_of_eight_is_eight_of_one(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, method: str
) -> None:
    found = {}
    for budget in (1, 100_000):
        made = settings(method=method, tokens_per_batch=budget, learning_rate=1e-3, schedule="constant")
        found[budget] = run(base, rows, made, tmp_path / str(budget))
    assert len(found[1].log) == 3
    for one, eight in zip(found[1].log, found[100_000].log, strict=True):
        assert one["loss"] == pytest.approx(eight["loss"], abs=2e-6)
        assert one["gradient_norm"] == pytest.approx(eight["gradient_norm"], rel=1e-4)
    close(tensors(tmp_path / "1"), tensors(tmp_path / "100000"), atol=1e-6)


def test_a_step_is_adamw_on_the_clipped_gradient(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    """One step of full tuning, done again with torch alone."""
    made = settings(
        method="full", examples_per_step=24, warmup_share=0, weight_decay=0.1, max_gradient_norm=0.5
    )
    tuned = run(base, rows, made, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base.folder)
    count = int(rows.trained.sum())
    for i in range(len(rows)):
        ids, trained = (torch.tensor(part) for part in rows.row(i))
        logits = model(input_ids=ids[None].long()).logits[0, :-1]
        (
            functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]].sum() / count
        ).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    assert float(norm) > 0.5
    assert tuned.log[0]["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    after = tensors(tmp_path)
    for name, parameter in model.named_parameters():
        # AdamW's first step: p − lr · (g / (|g| + eps) + decay · p)
        gradient = parameter.grad
        assert gradient is not None
        decay = 0.1 if parameter.ndim > 1 else 0.0
        wanted = parameter - 0.01 * (gradient / (gradient.abs() + 1e-8) + decay * parameter)
        clear = gradient.abs() > 1e-6  # below that, rounding decides
        torch.testing.assert_close(after[name][clear], wanted.detach()[clear], atol=1e-5, rtol=0)


def test_rates_as_literals() -> None:
    def rates(**changes: Any) -> list[float]:
        settings = TuningSettings(learning_rate=1.0, **changes)
        return [round(rate_at(step, 10, settings), 6) for step in range(10)]

    assert rates(schedule="linear", warmup_share=0.2) == [
        0.5,
        1,
        1,
        0.875,
        0.75,
        0.625,
        0.5,
        0.375,
        0.25,
        0.125,
    ]
    assert rates(schedule="constant", warmup_share=0.2) == [0.5, *[1.0] * 9]
    # cos(π/5) = .809017, cos(2π/5) = .309017; (1 + c) / 2 = .904508, .654508
    assert rates(schedule="cosine", warmup_share=0)[::2] == [1.0, 0.904508, 0.654508, 0.345492, 0.095492]
    assert rate_at(0, 1, TuningSettings(learning_rate=1.0, warmup_share=0.1)) == 1.0


class Stop(BaseException):
    """What a test throws into the loop."""


def stop_after(step: int) -> Any:
    def on_step(entry: StepLog, steps: int) -> None:
        if entry.step == step:
            raise Stop

    return on_step


def whole(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "checkpoint" not in str(path)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("method", "stop", "again"), [("lora", 1, False), ("lora", 4, True), ("full", 5, False)]
)
def test_stopped_and_resumed_is_never_stopped(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, method: str, stop: int, again: bool
) -> None:
    lora = {"dropout": 0.5}
    made = settings(method=method, epochs=2, checkpoint_steps=2, lora=lora, gradient_checkpointing=again)
    straight = run(base, rows, made, tmp_path / "straight")
    with pytest.raises(Stop):
        run(base, rows, made, tmp_path / "stopped", on_step=stop_after(stop))
    seen: list[int] = []
    resumed = run(base, rows, made, tmp_path / "stopped", on_step=lambda entry, _: seen.append(entry.step))
    kept = {1: 0, 4: 2, 5: 4}[stop]  # a checkpoint follows the report of its step
    assert seen == list(range(kept + 1, 7))
    assert json.dumps(resumed.log) == json.dumps(straight.log)
    assert whole(tmp_path / "stopped") == whole(tmp_path / "straight")


def test_dropout_is_drawn_anew_every_step(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    """The rate is so low that nothing but dropout changes the loss of the same rows, in an order of their own."""
    made = settings(lora={"dropout": 0.9}, examples_per_step=24, epochs=3, learning_rate=1e-3)
    without = settings(examples_per_step=24, epochs=3, learning_rate=1e-3)
    one, two = run(base, rows, made, tmp_path / "a"), run(base, rows, without, tmp_path / "b")
    assert [row["loss"] for row in one.log] != [row["loss"] for row in two.log]
    norms = [row["gradient_norm"] for row in one.log]
    assert len(set(norms)) == 3


def test_a_checkpoint_of_something_else_is_refused(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    made = settings(checkpoint_steps=1)
    with pytest.raises(Stop):
        run(base, rows, made, tmp_path, on_step=stop_after(2), fingerprint={"rows": "a", "settings": "b"})
    with pytest.raises(RunError, match="made from other rows, settings\n"):
        run(base, rows, made, tmp_path, fingerprint={"rows": "c", "settings": "d"})


def test_a_half_written_checkpoint_counts_for_nothing(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    straight = run(base, rows, settings(), tmp_path / "straight")
    half = tmp_path / "half" / ".checkpoint-00000002.writing"
    half.mkdir(parents=True)
    (half / "state.json").write_text('{"steps": 2, "lo')
    assert run(base, rows, settings(checkpoint_steps=2), tmp_path / "half").log == straight.log
    assert whole(tmp_path / "half") == whole(tmp_path / "straight")
    assert [path.name for path in (tmp_path / "half").glob("*checkpoint*")] == ["checkpoint-00000002"]


@pytest.mark.parametrize("lost", ["state.json", "state.safetensors"])
def test_half_a_checkpoint_is_passed_over(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, lost: str
) -> None:
    made = settings(checkpoint_steps=1)
    straight = run(base, rows, made, tmp_path / "straight")
    with pytest.raises(Stop):
        run(base, rows, made, tmp_path / "stopped", on_step=stop_after(3))
    whole_one = tmp_path / "stopped" / "checkpoint-00000002"
    shutil.copytree(whole_one, half := whole_one.with_name("checkpoint-00000003"))
    (half / lost).unlink()
    seen: list[int] = []
    resumed = run(base, rows, made, tmp_path / "stopped", on_step=lambda entry, _: seen.append(entry.step))
    assert seen == [3]
    assert resumed.log == straight.log
    assert whole(tmp_path / "stopped") == whole(tmp_path / "straight")


def test_a_kill_while_a_checkpoint_is_deleted_leaves_none_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint-00000007"
    checkpoint.mkdir()
    (checkpoint / "state.json").write_text("{}")

    def killed(path: Path, **_: Any) -> None:
        if path.exists():
            raise Stop

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(Stop):
        discard_checkpoints(tmp_path)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [".checkpoint-00000007.discarded"]
    discard_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_checkpoint_is_kept(base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path) -> None:
    run(base, rows, settings(checkpoint_steps=1), tmp_path)
    assert [path.name for path in tmp_path.glob("*checkpoint*")] == ["checkpoint-00000002"]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_bf16_runs_and_learns(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, method: str
) -> None:
    made = settings(method=method, precision="bf16", epochs=4, schedule="constant")
    tuned = run(base, rows, made, tmp_path)
    assert tuned.dtype == "bfloat16"
    assert tuned.log[-1]["loss"] < tuned.log[0]["loss"] - 0.1
    fp32 = run(base, rows, settings(method=method), tmp_path / "fp32")
    assert tuned.log[0]["loss"] == pytest.approx(fp32.log[0]["loss"], rel=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in tensors(tmp_path).values())


def test_gradient_checkpointing_changes_nothing(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    plain = run(base, rows, settings(), tmp_path / "plain")
    saving = run(base, rows, settings(gradient_checkpointing=True), tmp_path / "saving")
    for one, other in zip(plain.log, saving.log, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-6)
    close(tensors(tmp_path / "plain"), tensors(tmp_path / "saving"), atol=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    with pytest.raises(TuningError, match="no longer finite at step"):
        run(base, rows, settings(method="full", learning_rate=1e38, epochs=2), tmp_path)
    assert not (tmp_path / "model").exists()


def test_rows_that_the_model_cannot_read(
    base: ModelFiles, foundry: Any, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    strange = EncodedSet(rows.tokens + 300, rows.trained, rows.offsets)
    with pytest.raises(ModelError, match="its tokenizer gives token 5"):
        run(base, strange, settings(), tmp_path)
    long = EncodedSet(rows.tokens, rows.trained, rows.offsets[[0, 24]])
    gpt2 = ModelFiles("gpt2", foundry.model("gpt2"))
    with pytest.raises(ModelError, match="but the model reads only 256") as caught:
        run(gpt2, long, settings(), tmp_path)
    assert caught.value.problems[0].remedy.startswith("set tuning.max_tokens=256, ")


SCRIPT = """
import os, signal, sys
from pathlib import Path
from accelerate import PartialState
from calque.engines.loading import ModelFiles
from calque.tuning.encode import read_encoded
from calque.tuning.loop import tune
from calque.tuning.settings import TuningSettings

base, rows, out, stop, settings = sys.argv[1:]

def on_step(entry, steps):
    print(entry.step, flush=True)
    if entry.step == int(stop):
        os.kill(os.getpid(), signal.SIGKILL)

tune(ModelFiles("tiny", Path(base)), read_encoded(Path(rows)), TuningSettings.model_validate_json(settings),
     seed=0, folder=Path(out), fingerprint={"rows": "a"}, on_step=on_step)
PartialState().destroy_process_group()
"""


def start(launcher: list[str], script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launcher, str(script), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def test_killed_and_resumed_is_never_stopped(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    """A true SIGKILL, in a process of its own; the rest of the run in this one."""
    made = settings(epochs=2, checkpoint_steps=2, lora={"dropout": 0.5})
    for name in ("rows", "killed"):
        (tmp_path / name).mkdir()
    write_encoded(rows, tmp_path / "rows")
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = (
        str(base.folder),
        str(tmp_path / "rows"),
        str(tmp_path / "killed"),
        "5",
        made.model_dump_json(),
    )
    killed = start([], tmp_path / "script.py", *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.split() == ["1", "2", "3", "4", "5"]
    assert (tmp_path / "killed" / "checkpoint-00000004").is_dir()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = run(base, rows, made, tmp_path / "killed")
        straight = run(base, rows, made, tmp_path / "straight")
    finally:
        torch.set_num_threads(threads)
    assert json.dumps(resumed.log) == json.dumps(straight.log)
    assert whole(tmp_path / "killed") == whole(tmp_path / "straight")


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.slow)])
def test_two_processes_are_one(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, method: str
) -> None:
    made = settings(method=method, learning_rate=1e-3, checkpoint_steps=2, lora={"dropout": 0.5})
    for name in ("rows", "two"):
        (tmp_path / name).mkdir()
    write_encoded(rows, tmp_path / "rows")
    (tmp_path / "script.py").write_text(SCRIPT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    arguments = (str(base.folder), str(tmp_path / "rows"), str(tmp_path / "two"), "0", made.model_dump_json())
    done = start(launcher, tmp_path / "script.py", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["1", "2", "3"]  # the first process alone reports
    run(base, rows, made, tmp_path / "one")
    close(tensors(tmp_path / "two"), tensors(tmp_path / "one"), atol=1e-5)


def test_the_log_is_of_plain_numbers(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    log = run(base, rows, settings(), tmp_path).log
    assert [row["step"] for row in log] == [1, 2, 3]
    assert json.loads(json.dumps(log)) == log
    assert all(math.isfinite(value) for row in log for value in row.values())
    assert set(log[0]) == {
        "step",
        "loss",
        "learning_rate",
        "gradient_norm",
        "tokens",
        "trained_tokens",
        "examples",
        "admitted",
        "refreshed_tokens",
    }
