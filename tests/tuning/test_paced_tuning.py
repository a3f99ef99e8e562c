"""Tuning under a pace: what counts when, the gradient's scale, and the same bits whatever stops or splits it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM

from calque.engines.loading import ModelFiles
from calque.errors import TuningError
from calque.tuning.batch import Plan
from calque.tuning.encode import EncodedSet, write_encoded
from calque.tuning.loop import Tuned, tune
from calque.tuning.pace import Pace
from calque.tuning.settings import PacingSettings, TuningSettings


class Stop(BaseException):
    """What a test throws into the loop."""


@pytest.fixture
def grouped(rows: EncodedSet) -> EncodedSet:
    """The rows in two groups, every third one of the second."""
    groups = np.asarray([i % 3 == 0 for i in range(24)], dtype=np.int32)
    return EncodedSet(rows.tokens, rows.trained, rows.offsets, groups, ("it instruction", "it chat"))


def run(base: ModelFiles, rows: EncodedSet, made: TuningSettings, folder: Path, **changes: Any) -> Tuned:
    folder.mkdir(exist_ok=True)
    return tune(base, rows, made, **{"seed": 0, "folder": folder, "fingerprint": {}, **changes})


def tensors(folder: Path) -> Mapping[str, torch.Tensor]:
    return load_file(next(folder.glob("adapter/*.safetensors")))


def close(one: Path, other: Path, atol: float) -> None:
    for name, tensor in tensors(one).items():
        torch.testing.assert_close(tensor, tensors(other)[name], atol=atol, rtol=0, msg=name)


def row_losses(base: ModelFiles, rows: EncodedSet) -> list[torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(base.folder).eval()
    found = []
    for i in range(len(rows)):
        ids, trained = (torch.tensor(part) for part in rows.row(i))
        logits = model(input_ids=ids[None].long()).logits[0, :-1]
        found.append(functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]])
    return found


def pacing(**changes: Any) -> dict[str, Any]:
    return {"order": "easiest-first", "start": 0.5, "until": 1.0, **changes}


@pytest.mark.parametrize("form", ["hard", "linear", "mixture"])
def test_a_step_is_the_weighted_mean_by_hand(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, form: str
) -> None:
    """Under a λ by value: the gradient is that of Σ v L / Σ v n, done again with torch alone."""
    losses = row_losses(base, rows)
    means = torch.stack([loss.mean() for loss in losses])
    limit = float(means.detach().median())
    v = {
        "hard": (means < limit).float(),
        "linear": (1 - means / limit).clamp(min=0),
        "mixture": torch.where(means < limit, (limit * (1 / means - 1 / limit)), 0).clamp(
            max=1
        ),  # ζ = λ λ/2 / (λ/2)
    }[form].detach()
    paced = pacing(weights=form, threshold=limit)
    made = settings(method="full", examples_per_step=24, warmup_share=0, pacing=paced, max_gradient_norm=1e9)
    tuned = run(base, rows, made, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base.folder)
    count = sum(float(w) * len(loss) for w, loss in zip(v, losses, strict=True))
    for i in range(len(rows)):
        ids, trained = (torch.tensor(part) for part in rows.row(i))
        logits = model(input_ids=ids[None].long()).logits[0, :-1]
        loss = functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]]
        (float(v[i]) * loss.sum() / count).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    assert tuned.log[0]["gradient_norm"] == pytest.approx(float(norm), rel=1e-3)
    assert tuned.log[0]["admitted"] == pytest.approx(float((v > 0).float().mean()), abs=1e-4)
    assert tuned.log[0]["trained_tokens"] == sum(len(x) for w, x in zip(v, losses, strict=True) if w > 0)
    assert tuned.log[0]["tokens"] == int(rows.offsets[-1]), "all rows run"
    assert tuned.log[0]["loss"] == pytest.approx(torch.cat(losses).mean().item(), abs=1e-5)


def test_a_pace_that_admits_everything_is_plain_tuning(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    plain = run(base, rows, settings(), tmp_path / "plain")
    for spend in ("weighting", "selection"):
        paced = run(base, rows, settings(pacing=pacing(start=1.0, spend=spend)), tmp_path / spend)
        assert [row["admitted"] for row in paced.log] == [1, 1, 1]
        assert [row["refreshed_tokens"] for row in paced.log] == [0, 0, 0], "nobody needs to know"
    close(tmp_path / "plain", tmp_path / "weighting", atol=1e-6)
    assert plain.pace == []


def test_the_share_grows_and_stands_in_the_log(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    made = settings(epochs=8, learning_rate=1e-6, pacing=pacing(start=0.25))
    tuned = run(base, grouped, made, tmp_path)
    admitted = [row["admitted"] for row in tuned.log]
    assert admitted[0] == 1, "nothing is known of the losses before the first step"
    assert sum(admitted[1:7]) / 6 < 0.5 < sum(admitted[-6:]) / 6
    row = tuned.pace[-1]
    assert set(row) == {"step", "group", "lambda", "rows", "admitted", "terciles"}
    assert len(tuned.pace) == 24 * 2
    assert {row["group"] for row in tuned.pace} == {"it instruction", "it chat"}
    assert tuned.pace[0]["lambda"] is None
    assert sum(n for n, _ in row["terciles"]) == row["rows"]
    early = [row for row in tuned.pace if 3 < row["step"] < 10]
    easy, hard = (sum(row["terciles"][i][1] for row in early) for i in (0, 2))
    assert easy > 3 * hard


ORDERS = ["easiest-first", "random", "hardest-first", "drop-hardest"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("spend", ["weighting", "selection"])
def test_controls_admit_what_they_say(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path, order: str, spend: str
) -> None:
    made = settings(epochs=8, learning_rate=1e-6, pacing=pacing(start=0.25, order=order, spend=spend))
    tuned = run(base, grouped, made, tmp_path)
    early = [row for row in tuned.pace if 3 < row["step"] < 10]
    if (order, spend) == ("random", "selection"):
        assert all(row["terciles"] == [] for row in early), "losses of rows that are kept out are not known"
        shares = [0.25 + 0.75 * (row["step"] - 1) / 24 for row in early]
        wanted = [round(share * row["rows"]) for share, row in zip(shares, early, strict=True)]
        assert [row["admitted"] for row in early] == wanted
        return
    shares = [
        sum(row["terciles"][i][1] for row in early) / max(1, sum(row["terciles"][i][0] for row in early))
        for i in range(3)
    ]
    if order == "easiest-first":
        assert shares[0] > 0.8
        assert shares[2] < 0.2
    elif order == "hardest-first":
        assert shares[2] > 0.8
        assert shares[0] < 0.2
    elif order == "drop-hardest":
        assert shares[:2] == [1, 1]
        assert 0.4 < shares[2] < 1
    else:
        assert max(shares) < 0.8
    if spend == "selection":
        plain = sum(int(n) for n in grouped.lengths) * 8
        refreshed = sum(row["refreshed_tokens"] for row in tuned.log)
        assert (refreshed > 0) == (order != "random")
        assert all(row["examples"] <= 8 for row in tuned.log)
        assert sum(row["tokens"] for row in tuned.log) < 1.2 * plain
        assert all(row["trained_tokens"] < row["tokens"] for row in tuned.log), "only prompts do not count"


def test_rows_that_are_kept_out_have_their_turn(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under selection the least used come first, so that in the end all were used alike."""
    used: list[np.ndarray[Any, Any]] = []
    close_ = Pace.close

    def spy(self: Pace, *arguments: Any) -> Any:
        found = close_(self, *arguments)
        used.append(self.used.copy())
        return found

    monkeypatch.setattr(Pace, "close", spy)
    made = settings(epochs=8, learning_rate=1e-6, pacing=pacing(start=0.4, until=0.5, spend="selection"))
    run(base, grouped, made, tmp_path)
    assert (used[5] == 0).any()
    assert used[-1].sum() == 8 * 24
    assert used[-1].min() >= 7


def test_one_of_eight_is_eight_of_one(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    for form, spend in (("linear", "weighting"), ("diverse", "selection")):
        logs = {}
        for budget in (1, 100_000):
            paced = pacing(weights=form, spend=spend, refresh_steps=2)
            made = settings(tokens_per_batch=budget, learning_rate=1e-3, epochs=2, pacing=paced)
            logs[budget] = run(base, grouped, made, tmp_path / f"{form}-{budget}").log
        for one, eight in zip(logs[1], logs[100_000], strict=True):
            assert one["loss"] == pytest.approx(eight["loss"], abs=2e-6)
            assert one["gradient_norm"] == pytest.approx(eight["gradient_norm"], rel=1e-4)
            assert (one["admitted"], one["trained_tokens"]) == (eight["admitted"], eight["trained_tokens"])
        close(tmp_path / f"{form}-1", tmp_path / f"{form}-100000", atol=2e-6)


@pytest.mark.parametrize("spend", ["weighting", "selection"])
@pytest.mark.parametrize("stop", [3, 4, 7])
def test_stopped_and_resumed_is_never_stopped(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path, spend: str, stop: int
) -> None:
    paced = pacing(weights="mixture", spend=spend, refresh_steps=2, memory=3)
    made = settings(epochs=3, checkpoint_steps=2, lora={"dropout": 0.5}, pacing=paced)

    def on_step(entry: Any, _: int) -> None:
        if entry.step == stop:
            raise Stop

    straight = run(base, grouped, made, tmp_path / "straight")
    with pytest.raises(Stop):
        run(base, grouped, made, tmp_path / "stopped", on_step=on_step)
    resumed = run(base, grouped, made, tmp_path / "stopped")
    assert json.dumps([resumed.log, resumed.pace]) == json.dumps([straight.log, straight.pace])
    one, other = (tmp_path / name / "adapter/adapter_model.safetensors" for name in ("stopped", "straight"))
    assert one.read_bytes() == other.read_bytes()


def test_a_pace_that_admits_nothing_for_an_epoch_is_an_error(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    for spend in ("weighting", "selection"):
        made = settings(epochs=4, pacing=pacing(threshold=0.01, spend=spend))
        with pytest.raises(
            TuningError, match=r"admitted no row in 3 steps: λ is 0\.01, and the lowest loss"
        ) as caught:
            run(base, rows, made, tmp_path / spend)
        assert "tuning.pacing.threshold" in caught.value.problems[0].remedy


def test_a_step_that_admits_nothing_moves_nothing(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    """λ lies between the two lowest losses: of three steps, that with the easiest row alone learns anything."""
    lowest, second = sorted(float(loss.detach().mean()) for loss in row_losses(base, rows))[:2]
    made = settings(pacing=pacing(threshold=(lowest + second) / 2), warmup_share=0, learning_rate=1e-6)
    tuned = run(base, rows, made, tmp_path)
    assert sorted(row["admitted"] for row in tuned.log) == [0, 0, 1 / 8]
    for row in tuned.log:
        assert (row["gradient_norm"] > 0) == (row["admitted"] > 0)
        assert (row["trained_tokens"] > 0) == (row["admitted"] > 0)


def test_thresholds_by_kind_or_for_all(grouped: EncodedSet) -> None:
    plan = Plan(grouped.lengths, grouped.trained_counts, 1, 8, 2048, 0)

    def thresholds(**changes: Any) -> list[float]:
        pace = Pace(PacingSettings(**pacing(**changes)), grouped, plan, 0)
        pace.refresh(np.arange(24), np.arange(24, dtype=np.float32) + 1, 0)
        return pace.turn(0).thresholds.tolist()

    # losses 1 to 24; the second group has 1, 4, 7, …, 22, the first the 16 others
    assert thresholds() == [14.0, 13.0]
    assert thresholds(by_kind=False) == [13.0, 13.0]
    assert thresholds(threshold=5.0) == [5.0, 5.0]
    assert thresholds(start=1.0) == [float("inf")] * 2
    assert thresholds(by_kind=False, weights="diverse", diversity=2.0)[1] > 13


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
    if entry.step == int(stop):
        os.kill(os.getpid(), signal.SIGKILL)

tune(ModelFiles("tiny", Path(base)), read_encoded(Path(rows)), TuningSettings.model_validate_json(settings),
     seed=0, folder=Path(out), fingerprint={}, on_step=on_step)
PartialState().destroy_process_group()
"""


def start(launcher: list[str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, *launcher, str(folder / "script.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.mark.parametrize("spend", ["weighting", pytest.param("selection", marks=pytest.mark.slow)])
def test_two_processes_are_one(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path, spend: str
) -> None:
    paced = pacing(weights="linear", spend=spend, refresh_steps=2)
    made = settings(learning_rate=1e-3, epochs=2, pacing=paced)
    for name in ("rows", "two"):
        (tmp_path / name).mkdir()
    write_encoded(grouped, tmp_path / "rows")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    arguments = (str(base.folder), str(tmp_path / "rows"), str(tmp_path / "two"), "0", made.model_dump_json())
    done = start(launcher, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    run(base, grouped, made, tmp_path / "one")
    close(tmp_path / "two", tmp_path / "one", atol=1e-5)


def test_killed_and_resumed_is_never_stopped(
    base: ModelFiles, grouped: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    """A true SIGKILL, in a process of its own; the rest of the run in this one."""
    made = settings(epochs=2, checkpoint_steps=2, pacing=pacing(spend="selection", refresh_steps=3))
    for name in ("rows", "killed"):
        (tmp_path / name).mkdir()
    write_encoded(grouped, tmp_path / "rows")
    arguments = (
        str(base.folder),
        str(tmp_path / "rows"),
        str(tmp_path / "killed"),
        "5",
        made.model_dump_json(),
    )
    killed = start([], tmp_path, *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = run(base, grouped, made, tmp_path / "killed")
        straight = run(base, grouped, made, tmp_path / "straight")
    finally:
        torch.set_num_threads(threads)
    assert json.dumps([resumed.log, resumed.pace]) == json.dumps([straight.log, straight.pace])
    one, other = (tmp_path / name / "adapter/adapter_model.safetensors" for name in ("killed", "straight"))
    assert one.read_bytes() == other.read_bytes()
