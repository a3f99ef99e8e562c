"""What is written down of a step, its key, and the reason why it has to be done again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from calque.recipes.code_version import code_version
from calque.recipes.hashes import Hashes
from calque.recipes.steps import Step
from calque.recipes.steps.workshop import Workshop

FILE = "step.json"
PACKAGES = ("torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors", "numpy")


@cache
def versions() -> dict[str, str]:
    """Of the packages that can change figures, those that are installed here."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@dataclass(frozen=True)
class Inputs:
    """All that a step depends on; `after` holds a digest of each earlier step's outputs, not their keys."""

    kind: str
    settings: dict[str, Any]
    files: list[dict[str, str]]
    after: dict[str, str]
    model: str
    code: str

    @property
    def key(self) -> str:
        """Content address of the step."""
        return _digest(asdict(self))


@dataclass(frozen=True)
class Record:
    """`step.json`: what a finished step was made from, what it made, and with which versions.

    Versions are no part of the key: an upgrade does not tune anew what was tuned, but the manifest tells of both.
    """

    name: str
    inputs: Inputs
    outputs: list[dict[str, str]]
    counts: dict[str, Any]
    versions: dict[str, str]

    @property
    def digest(self) -> str:
        """Content address of the outputs: equal outputs need no later step to be done again."""
        return _digest(self.outputs)

    def to_row(self) -> dict[str, Any]:
        """The form of `step.json`."""
        inputs = asdict(self.inputs)
        return {
            "name": self.name,
            "kind": inputs.pop("kind"),
            "key": self.inputs.key,
            "settings": inputs.pop("settings"),
            "inputs": inputs,
            "outputs": self.outputs,
            "counts": self.counts,
            "versions": self.versions,
        }


def inputs_of(step: Step, done: Mapping[str, Record], workshop: Workshop) -> Inputs:
    """What `step` depends on now. Of a file its name and its content count, never its folder."""
    hashes = workshop.hashes
    return Inputs(
        step.kind,
        step.settings,
        [{"name": path.name, "sha256": hashes.sha256(path)} for path in step.files],
        {name: done[name].digest for name in step.after},
        _model_sha256(step, workshop),
        code_version(step.kind),
    )


def _model_sha256(step: Step, workshop: Workshop) -> str:
    if step.model == "weights":
        return workshop.weights_sha256
    return workshop.tokenizer_sha256 if step.model == "tokenizer" else ""


def read_record(folder: Path) -> Record | None:
    """The record of a finished step; None where there is none, or none that can be read."""
    try:
        row = json.loads((folder / FILE).read_text(encoding="utf-8"))
        inputs = Inputs(kind=row["kind"], settings=row["settings"], **row["inputs"])
        return Record(row["name"], inputs, row["outputs"], row["counts"], row["versions"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def outputs_of(folder: Path, hashes: Hashes, *, settled: bool = False) -> list[dict[str, str]]:
    """Name and content address of every file in a step's folder; `settled` as in `Hashes.sha256`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
    return [
        {"name": path.relative_to(folder).as_posix(), "sha256": hashes.sha256(path, settled=settled)}
        for path in paths
    ]


def differences(old: Inputs, new: Inputs) -> Iterator[str]:
    """In words, what made a step's key change."""
    for name in sorted({*old.settings, *new.settings}):
        before, after = old.settings.get(name), new.settings.get(name)
        if before != after:
            yield f"{name}: {_short(before)} → {_short(after)}"
    was = {file["name"]: file["sha256"] for file in old.files}
    now = {file["name"]: file["sha256"] for file in new.files}
    for name in sorted({*was, *now}):
        if name not in now:
            yield f"{name} is no longer read"
        elif name not in was:
            yield f"{name} is new"
        elif was[name] != now[name]:
            yield f"{name} has changed"
    for name in sorted({*old.after, *new.after}):
        if old.after.get(name) != new.after.get(name):
            yield f"{name} came out otherwise"
    if old.model != new.model:
        yield "the base model has changed"
    if old.code != new.code:
        yield "calque's code for it has changed"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
