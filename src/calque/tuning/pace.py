"""The pace of a run: losses last seen by row, the λ of each group that follows from them, and who is admitted.

A table of losses and a count of uses are all its state. Everything else follows from seed, step and settings, on every
device alike, so that a run resumes to the bit and two processes do what one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from calque.errors import Problem, TuningError
from calque.randomness import stream
from calque.tuning.batch import Plan, Step
from calque.tuning.encode import EncodedSet
from calque.tuning.pacing import diverse_threshold, share_at, threshold_for, weights
from calque.tuning.settings import PacingSettings

Vector = npt.NDArray[np.float32]
TERCILES = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """The pace of one step. `thresholds` [groups] are what difficulties are held against.

    `difficulty` [all rows] is given where it is known before the step; else the step's own losses tell it.
    """

    thresholds: Vector
    difficulty: Vector | None


class Pace:
    """Which rows count when. `difficulty` is the loss, its negative (hardest-first), or a random number."""

    def __init__(self, settings: PacingSettings, rows: EncodedSet, plan: Plan, seed: int) -> None:
        self.settings = settings
        self.plan = plan
        self.seed = seed
        self.groups = np.asarray(rows.groups)
        self.kinds = rows.kinds
        self.members = [np.flatnonzero(self.groups == g) for g in range(len(rows.kinds))]
        self.paced_steps = len(plan) if settings.order == "drop-hardest" else settings.until * len(plan)
        self.losses = np.full(len(rows), np.nan, dtype=np.float32)
        self.seen = np.full(len(rows), -1, dtype=np.int32)
        self.used = np.zeros(len(rows), dtype=np.int32)
        self.idle = 0  # steps in a row that admitted nothing
        self._chance = stream(seed, "pace").random(len(rows), dtype=np.float32)

    @property
    def selects(self) -> bool:
        """Whether rows that are not admitted are left out of the computation."""
        return self.settings.spend == "selection"

    def share(self, index: int) -> float:
        """The share of the rows to be admitted in step `index`."""
        if self.settings.order == "drop-hardest":
            return 1 - self.settings.dropped
        return share_at(index / self.paced_steps, self.settings.start, self.settings.schedule)

    def stale(self, index: int) -> npt.NDArray[np.int64]:
        """The rows whose losses have to be computed before step `index`, without learning from them."""
        by_loss = self.selects and self.settings.order != "random"
        if not by_loss or index % self.settings.refresh_steps or self._admits_all(index):
            return np.zeros(0, dtype=np.int64)
        unknown = np.isnan(self.losses)
        if unknown.any():
            return np.flatnonzero(unknown)
        return np.flatnonzero(self.admitted(self.turn(index)) == 0)

    def refresh(self, rows: npt.NDArray[np.int64], losses: Vector, index: int) -> None:
        """Note the losses of rows as of step `index`."""
        self.losses[rows], self.seen[rows] = losses, index

    def turn(self, index: int) -> Turn:
        """The pace of step `index`."""
        difficulty = self._difficulty()
        known_before = self.selects or self.settings.order == "random"
        return Turn(self._thresholds(difficulty, index), difficulty if known_before else None)

    def admitted(self, turn: Turn) -> Vector:
        """The weight of every row by what is known of it before the step."""
        difficulty = turn.difficulty if turn.difficulty is not None else self._difficulty()
        given = torch.from_numpy(difficulty), torch.from_numpy(turn.thresholds[self.groups])
        found: Vector = weights(*given, self.settings).numpy()
        return found

    def chosen(self, turn: Turn, planned: Step) -> Step:
        """As many of the admitted rows as were planned, the least used first, equals in an order of the step's own."""
        pool = np.flatnonzero(self.admitted(turn) > 0)
        chance = stream(self.seed, "turn", str(planned.index)).random(len(self.losses))
        order = pool[np.lexsort((chance[pool], self.used[pool]))]
        return self.plan.step_of(planned.index, planned.epoch, order[: planned.examples])

    def close(self, step: Step, turn: Turn, losses: Vector, weight: Vector) -> list[dict[str, Any]]:
        """Note what a step came to, losses and weights in the order of its rows; return its rows for `pace.jsonl`.

        Raises `TuningError` where nothing was admitted for a whole epoch, or for all of the paced part.
        """
        rows = np.asarray(step.rows, dtype=np.int64)
        self.refresh(rows, losses, step.index)
        self.used[rows[weight > 0]] += 1
        self.idle = 0 if (weight > 0).any() else self.idle + 1
        if self.idle >= min(self.plan.steps_per_epoch, self.paced_steps):
            self._refuse(turn)
        if self.selects:
            return self._log(step.index, turn, np.arange(len(self.losses)), self.losses, self.admitted(turn))
        return self._log(step.index, turn, rows, losses, weight)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that cannot be told from seed and step."""
        arrays = {"losses": self.losses, "seen": self.seen, "used": self.used}
        return {**{k: torch.from_numpy(v) for k, v in arrays.items()}, "idle": torch.tensor([self.idle])}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a `state`."""
        for name in ("losses", "seen", "used"):
            getattr(self, name)[:] = state[name].numpy()
        self.idle = int(state["idle"])

    def _admits_all(self, index: int) -> bool:
        return index >= self.paced_steps or (self.settings.threshold is None and self.share(index) >= 1)

    def _difficulty(self) -> Vector:
        if self.settings.order == "random":
            return self._chance
        return -self.losses if self.settings.order == "hardest-first" else self.losses.copy()

    def _thresholds(self, difficulty: Vector, index: int) -> Vector:
        """λ of each group; infinite where all are admitted, and where nothing of a group was seen yet."""
        settings, share = self.settings, self.share(index)
        everything = np.full(len(self.kinds), np.inf, dtype=np.float32)
        if self._admits_all(index):
            return everything
        current = [self._current(difficulty, members, index) for members in self.members]
        if settings.threshold is not None:
            grown = settings.threshold * settings.growth ** (index // self.plan.steps_per_epoch)
            found = np.full(len(self.kinds), grown, dtype=np.float32)
        elif settings.by_kind:
            found = np.asarray([threshold_for(c, share) if len(c) else np.inf for c in current], np.float32)
        else:
            together = np.sort(np.concatenate(current))
            found = (
                everything if not len(together) else np.full_like(everything, threshold_for(together, share))
            )
        if settings.weights == "diverse" and settings.order == "easiest-first":
            pairs = zip(current, found, strict=True)
            return np.asarray([diverse_threshold(c, f, settings.diversity) for c, f in pairs], np.float32)
        return found

    def _current(self, difficulty: Vector, members: npt.NDArray[np.int64], index: int) -> Vector:
        """The difficulties of a group's rows that still tell something of the model, sorted."""
        if self.settings.order == "random":
            return np.sort(difficulty[members])
        since = -1 if self.selects else index - self.settings.memory
        return np.sort(difficulty[members[(self.seen[members] >= 0) & (self.seen[members] >= since)]])

    def _log(
        self, index: int, turn: Turn, rows: npt.NDArray[np.int64], losses: Vector, weight: Vector
    ) -> list[dict[str, Any]]:
        """For each group: λ, its rows, how many are admitted, and the same by tercile of loss, the easiest first.

        There are no terciles while the loss of a row is not known, as under random selection.
        """
        found = []
        for g, kind in enumerate(self.kinds):
            own = np.flatnonzero(self.groups[rows] == g)
            own = own[np.argsort(losses[own], kind="stable")]
            known = not np.isnan(losses[own]).any()
            parts = np.array_split(own, TERCILES) if known else []
            threshold = float(turn.thresholds[g])
            found.append(
                {
                    "step": index + 1,
                    "group": kind,
                    "lambda": round(threshold, 6) if np.isfinite(threshold) else None,
                    "rows": len(own),
                    "admitted": int((weight[own] > 0).sum()),
                    "terciles": [[len(part), int((weight[part] > 0).sum())] for part in parts],
                }
            )
        return found

    def _refuse(self, turn: Turn) -> None:
        lowest = float(np.nanmin(self.losses)) if not np.isnan(self.losses).all() else float("nan")
        raise TuningError(
            Problem(
                f"the pace has admitted no row in {self.idle} steps: λ is {float(turn.thresholds.max()):.3g}, "
                f"and the lowest loss of a row is {lowest:.3g}",
                remedy="raise tuning.pacing.threshold, or leave it out, so that a share of the rows is admitted",
            )
        )
