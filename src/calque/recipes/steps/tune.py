"""An encoded mixture and the base model, or an earlier system's, to a tuned model."""

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
    from calque.tuning.start import Start

ELSEWHERE = {"max_tokens", "overlong"}  # settled when the rows were encoded
HARMLESS = {"checkpoint_steps"}  # changes no bit of what comes out
ENDS = ("epochs", "steps", "trained_tokens")  # each says when tuning ends
EXTENT = (*ENDS, "examples_per_step")  # what, with the rows, says how much tuning a system gets


@dataclass(frozen=True)
class Tune:
    """Tune the base, or what an earlier system made of it, on the mixture of one system."""

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
        if not _is_paced(self.system):
            del settings["pacing"]
        if self.system.matched_to is not None:
            match = self.system.matched_to
            extents = [stage.tuning.model_dump(mode="json", include=set(EXTENT)) for stage in match.stages]
            settings = {key: value for key, value in settings.items() if key not in ENDS}
            settings["matched_to"] = {"by": match.by, "stages": extents}
        if self.system.starts_from is not None:
            settings["earlier_adapter"] = self.system.starts_from.adapter
        return {**settings, "seed": self.seed}

    @property
    def after(self) -> tuple[str, ...]:
        """The encoded mixture, those of the stages it is matched to, and the model of the one it starts from.

        How many tokens a paced stage is trained on, only its tuning tells: then it comes first.
        """
        names = [f"encode-{self.system.name}"]
        if self.system.matched_to is not None:
            stages = self.system.matched_to.stages
            names += [f"{'tune' if self._by_outcome(stage) else 'encode'}-{stage.name}" for stage in stages]
        if self.system.starts_from is not None:
            names.append(self._earlier)
        return tuple(dict.fromkeys(names))

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write `adapter/` (with `start/`, if it does not stand on the base) or `model/`, loss.jsonl, perhaps pace.jsonl, and lineage.json."""
        from calque.tuning.encode import read_encoded
        from calque.tuning.loop import StepLog, tune

        stages = self._stages(work)
        workshop = work.workshop
        workshop.release()
        losses = _LiveLog(work.folder / "loss.jsonl")

        def on_step(entry: StepLog, steps: int) -> None:
            if work.leads:
                losses.add(entry.step, asdict(entry))
            work.progress(entry.step, steps, f"loss {entry.loss:.3f}")

        tuned = tune(
            workshop.base,
            read_encoded(work.after[f"encode-{self.system.name}"]),
            self._tuning(work),
            seed=self.seed,
            folder=work.folder,
            fingerprint=self._fingerprint(work),
            start=self._start(work),
            on_step=on_step,
        )
        if work.leads:
            self._write(work, tuned, stages)
        summed = ["tokens", "trained_tokens", "examples", *(["refreshed_tokens"] if tuned.pace else [])]
        return {"steps": len(tuned.log), **{name: sum(row[name] for row in tuned.log) for name in summed}}

    def _by_outcome(self, stage: ResolvedSystem) -> bool:
        """Whether it is matched to what a stage's pace let count. Of two paced ones the plans are matched."""
        match = self.system.matched_to
        if match is None or match.by == "steps":
            return False
        return _is_paced(stage) and not _is_paced(self.system)

    @property
    def _earlier(self) -> str:
        """The step that tunes the system it starts from; empty where it starts from the base."""
        start = self.system.starts_from
        return f"tune-{start.system.name}" if start is not None else ""

    def _start(self, work: Work) -> Start | None:
        from calque.tuning.start import Start

        start = self.system.starts_from
        return Start(work.after[self._earlier], start.adapter) if start is not None else None

    def _stages(self, work: Work) -> list[dict[str, Any]]:
        """The earlier stages, as their lineage tells of them. Raises `ModelError` for those of another base model."""
        from calque.tuning.start import earlier_lineage

        if self.system.starts_from is None:
            return []
        folder = work.after[self._earlier]
        stages: list[dict[str, Any]] = earlier_lineage(folder, work.workshop.weights_sha256)["stages"]
        stages[-1]["key"] = _step(folder)["key"]
        return stages

    def _fingerprint(self, work: Work) -> dict[str, str]:
        """What a checkpoint must have been made from to be gone on from."""
        made_from = {
            "base model": work.workshop.weights_sha256,
            "encoded rows": _outputs(work.after[f"encode-{self.system.name}"]),
            "settings": json.dumps(self.settings, sort_keys=True),
            "code": code_version("tune"),
        }
        if self._earlier:
            made_from["earlier stage"] = _outputs(work.after[self._earlier])
        return made_from

    def _tuning(self, work: Work) -> TuningSettings:
        """The system's settings; matched to another system, with that one's steps or trained tokens for an end."""
        match = self.system.matched_to
        if match is None:
            return self.system.tuning
        amount = sum(self._amount(stage, match.by, work) for stage in match.stages)
        ends = {**dict.fromkeys(("steps", "trained_tokens")), match.by: amount}
        return self.system.tuning.model_copy(update=ends)

    def _amount(self, stage: ResolvedSystem, by: Literal["steps", "trained_tokens"], work: Work) -> int:
        """Steps, or tokens trained on, of a stage of the system that this one is matched to."""
        from calque.tuning.batch import plan_of
        from calque.tuning.encode import read_encoded

        if self._by_outcome(stage):
            return int(_step(work.after[f"tune-{stage.name}"])["counts"]["trained_tokens"])
        encoded = read_encoded(work.after[f"encode-{stage.name}"])
        plan = plan_of(encoded, stage.tuning, self.seed, tokens_per_batch=1)
        return len(plan) if by == "steps" else plan.trained_tokens()

    def _write(self, work: Work, tuned: Tuned, stages: list[dict[str, Any]]) -> None:
        from calque.tuning.checkpoint import discard_checkpoints

        workshop = work.workshop
        write_jsonl(work.folder / "loss.jsonl", tuned.log)
        if tuned.pace:
            write_jsonl(work.folder / "pace.jsonl", tuned.pace)
        start, method = self.system.starts_from, self.system.tuning.method
        stage = {
            "system": self.system.name,
            "method": method,
            "starts_from": start.system.name if start is not None else "base",
            "earlier_adapter": start.adapter if start is not None else "none",
            "base_sha256": workshop.weights_sha256,
        }
        lineage = {
            "base": workshop.base.label,
            "base_sha256": workshop.weights_sha256,
            "method": method,
            "start": "base" if start is None else start.system.name,
            "adapter": "none" if method == "full" else "adapter",
            "stages": [*stages, stage],
            "parameters": tuned.parameters,
            "trainable": tuned.trainable,
            "precision": tuned.dtype,
            "notes": list(tuned.notes),
            "settings": self.settings,
        }
        write_json(work.folder / "lineage.json", lineage)
        discard_checkpoints(work.folder)


def _is_paced(system: ResolvedSystem) -> bool:
    return system.tuning.pacing.order != "none"


def _step(folder: Path) -> dict[str, Any]:
    """What is written down of a finished step."""
    step: dict[str, Any] = json.loads((folder / "step.json").read_text(encoding="utf-8"))
    return step


def _outputs(folder: Path) -> str:
    return json.dumps(_step(folder)["outputs"], sort_keys=True)


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
