"""An encoded mixture and the base model to a tuned model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.writing import json_line, write_json, write_jsonl
from calque.recipes.code_version import code_version
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.steps import Work

if TYPE_CHECKING:
    from calque.tuning.loop import Tuned
    from calque.tuning.settings import TuningSettings

ELSEWHERE = {"max_tokens", "overlong"}  # settled when the rows were encoded
HARMLESS = {"checkpoint_steps"}  # changes no bit of what comes out
ENDS = ("epochs", "steps", "trained_tokens")  # each says when tuning ends
EXTENT = (*ENDS, "examples_per_step")  # what, with the rows, says how much tuning a system gets


@dataclass(frozen=True)
class Tune:
    """Tune the base on the mixture of one system."""

    system: ResolvedSystem
    seed: int

    kind: ClassVar[Literal["tune"]] = "tune"
    files: ClassVar[tuple[Path, ...]] = ()
    model: ClassVar[Literal["weights"]] = "weights"
    resumes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`tune-SYSTEM`."""
        return f"tune-{self.system.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the outcome depends on."""
        settings = self.system.tuning.model_dump(mode="json", exclude=ELSEWHERE | HARMLESS)
        if self.system.tuning.method == "full":
            del settings["lora"]
        if self.system.matched_to is not None:
            other = self.system.matched_to.system.tuning.model_dump(mode="json", include=set(EXTENT))
            settings = {key: value for key, value in settings.items() if key not in ENDS}
            settings["matched_to"] = {"by": self.system.matched_to.by, **other}
        return {**settings, "seed": self.seed}

    @property
    def after(self) -> tuple[str, ...]:
        """The encoded mixture, and that of the system it is matched to."""
        own, match = f"encode-{self.system.name}", self.system.matched_to
        return (own,) if match is None else tuple(dict.fromkeys((own, f"encode-{match.system.name}")))

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write `adapter/` or `model/`, loss.jsonl and lineage.json."""
        from calque.tuning.encode import read_encoded
        from calque.tuning.loop import StepLog, tune

        workshop = work.workshop
        workshop.release()
        losses = _LiveLog(work.folder / "loss.jsonl")

        def on_step(entry: StepLog, steps: int) -> None:
            if work.leads:
                losses.add(entry.step, asdict(entry))
            work.progress(entry.step, steps, f"loss {entry.loss:.3f}")

        step = json.loads((work.after[self.after[0]] / "step.json").read_text(encoding="utf-8"))
        tuned = tune(
            workshop.base,
            read_encoded(work.after[self.after[0]]),
            self._tuning(work),
            seed=self.seed,
            folder=work.folder,
            fingerprint={
                "base model": workshop.weights_sha256,
                "encoded rows": json.dumps(step["outputs"], sort_keys=True),
                "settings": json.dumps(self.settings, sort_keys=True),
                "code": code_version("tune"),
            },
            on_step=on_step,
        )
        if work.leads:
            self._write(work, tuned)
        return {
            "steps": len(tuned.log),
            "tokens": sum(row["tokens"] for row in tuned.log),
            "trained_tokens": sum(row["trained_tokens"] for row in tuned.log),
            "examples": sum(row["examples"] for row in tuned.log),
        }

    def _tuning(self, work: Work) -> TuningSettings:
        """The system's settings; matched to another system, with that one's steps or trained tokens for an end."""
        match = self.system.matched_to
        if match is None:
            return self.system.tuning
        from calque.tuning.batch import plan_of
        from calque.tuning.encode import read_encoded

        other = read_encoded(work.after[self.after[-1]])
        plan = plan_of(other, match.system.tuning, self.seed, tokens_per_batch=1)
        amount = len(plan) if match.by == "steps" else plan.trained_tokens()
        ends = {**dict.fromkeys(("steps", "trained_tokens")), match.by: amount}
        return self.system.tuning.model_copy(update=ends)

    def _write(self, work: Work, tuned: Tuned) -> None:
        from calque.tuning.checkpoint import discard_checkpoints

        workshop = work.workshop
        write_jsonl(work.folder / "loss.jsonl", tuned.log)
        lineage = {
            "base": workshop.base.label,
            "base_sha256": workshop.weights_sha256,
            "method": self.system.tuning.method,
            "start": "base",
            "adapter": "none" if self.system.tuning.method == "full" else "adapter",
            "parameters": tuned.parameters,
            "trainable": tuned.trainable,
            "precision": tuned.dtype,
            "settings": self.settings,
        }
        write_json(work.folder / "lineage.json", lineage)
        discard_checkpoints(work.folder)


class _LiveLog:
    """The losses while they come, for those who watch; a run that goes on first drops what it will write again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = False

    def add(self, step: int, row: dict[str, Any]) -> None:
        """Append the row of a step (from 1)."""
        if not self._opened:
            self._opened = True
            before = self._path.read_bytes().splitlines(keepends=True) if self._path.is_file() else []
            self._path.write_bytes(b"".join(before[: step - 1]))
        with self._path.open("ab") as stream:
            stream.write(json_line(row))
