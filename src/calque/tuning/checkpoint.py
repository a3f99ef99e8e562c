"""The state of a tuning run on disk, so that a run stopped at any moment goes on to the same last bit.

In it: tuned parameters, optimiser moments, losses so far, the state of the pace, and a fingerprint of what the run is made from. Which rows
come next, and the random state of every step, follow from seed and step (`batch.Plan`, `loop`), on every device.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from calque.errors import Problem, RunError
from calque.tuning.adapt import load_tensors, save_tensors

PREFIX = "checkpoint-"
STATE, TENSORS = "state.json", "state.safetensors"


@dataclass(frozen=True)
class Progressed:
    """What a checkpoint says beside its tensors: optimiser steps done, the log of them, log and state of the pace."""

    steps: int
    log: list[dict[str, Any]]
    pace: list[dict[str, Any]] = field(default_factory=list)
    state: Mapping[str, torch.Tensor] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    progressed: Progressed,
    fingerprint: Mapping[str, str],
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> Path:
    """Write a checkpoint whole or not at all, then delete older ones."""
    target = folder / f"{PREFIX}{progressed.steps:08d}"
    temporary = folder / f".{target.name}.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    tensors: dict[str, torch.Tensor] = {f"parameter/{name}": p for name, p in parameters.items()}
    tensors |= {f"pace/{name}": tensor for name, tensor in progressed.state.items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = value
    save_tensors(tensors, temporary / TENSORS)
    state = {
        "steps": progressed.steps,
        "log": progressed.log,
        "pace": progressed.pace,
        "fingerprint": dict(fingerprint),
    }
    (temporary / STATE).write_text(json.dumps(state), encoding="utf-8")
    for path in temporary.iterdir():
        _flush(path)
    if target.exists():
        _discard(target)
    temporary.rename(target)
    _flush(folder)
    discard_checkpoints(folder, but=target)
    return target


def discard_checkpoints(folder: Path, but: Path | None = None) -> None:
    """Delete all checkpoints of `folder` except `but`, and what a kill left of others."""
    for old in sorted(folder.glob(f"{PREFIX}*")):
        if old != but:
            _discard(old)
    for left in sorted(folder.glob(f".{PREFIX}*")):
        shutil.rmtree(left)


def _discard(checkpoint: Path) -> None:
    """Delete it under another name: a kill halfway must not leave half of one under its own."""
    aside = checkpoint.with_name(f".{checkpoint.name}.discarded")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.rename(aside)
    shutil.rmtree(aside)


def load_checkpoint(
    folder: Path,
    fingerprint: Mapping[str, str],
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> Progressed | None:
    """Put the newest whole checkpoint of `folder` into model and optimiser; None where there is none.

    Raises `RunError` if it was made from something else, and says which part differs.
    """
    found = sorted(path for path in folder.glob(f"{PREFIX}*") if _is_whole(path))
    if not found:
        return None
    state = json.loads((found[-1] / STATE).read_text(encoding="utf-8"))
    theirs = state["fingerprint"]
    differing = sorted(k for k in theirs.keys() | fingerprint.keys() if theirs.get(k) != fingerprint.get(k))
    if differing:
        remedy = "delete the checkpoint to start afresh, or put back what it was made from"
        message = f"the checkpoint was made from other {', '.join(differing)}"
        raise RunError(Problem(message, str(found[-1]), remedy=remedy))
    tensors = load_tensors(found[-1] / TENSORS)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
            optimizer.state[parameter] = {
                key.split("/", 2)[1]: _placed(key.split("/", 2)[1], value, parameter)
                for key, value in tensors.items()
                if key.startswith("optimizer/") and key.split("/", 2)[2] == name
            }
    pace = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith("pace/")}
    return Progressed(state["steps"], state["log"], state["pace"], pace)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is one to go on from."""
    return any(_is_whole(path) for path in folder.glob(f"{PREFIX}*"))


def _is_whole(checkpoint: Path) -> bool:
    return all((checkpoint / name).is_file() for name in (STATE, TENSORS))


def _placed(key: str, value: torch.Tensor, parameter: torch.nn.Parameter) -> torch.Tensor:
    on_cpu = key == "step" and parameter.device.type == "cpu"
    return value if on_cpu else value.to(parameter.device)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
