"""One optimiser step under a pace: refresh what is stale, choose or weigh the rows, keep the gradient's scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from calque.tuning.batch import Step
from calque.tuning.gradient import Gradient, Weigh, scale
from calque.tuning.pace import Pace, Turn
from calque.tuning.pacing import weights


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step came to. `loss` is the mean over the trained tokens of all rows that ran, whatever they count.

    `admitted` is the share of rows that count: of the step's, or under selection of all there are. `mean_weight` is that
    of the trained tokens, by which the gradient is still to be divided.
    """

    step: Step
    loss: float
    trained_tokens: int
    admitted: float = 1.0
    refreshed_tokens: int = 0
    mean_weight: float = 1.0
    log: list[dict[str, Any]] = field(default_factory=list)


def plain_step(step: Step, gradient: Gradient) -> Taken:
    """Add up the gradient of a step whose rows all count alike."""
    return Taken(step, gradient.add_up(step), step.trained_tokens)


class PacedSteps:
    """Takes the steps of a run under its pace."""

    def __init__(self, pace: Pace, gradient: Gradient) -> None:
        self.pace = pace
        self.gradient = gradient
        self._device = gradient.accelerator.device
        self._groups = torch.from_numpy(pace.groups.astype(np.int64)).to(self._device)

    def take(self, planned: Step) -> Taken:
        """Add up the gradient of a step, not normalised yet. Raises `TuningError` if the pace admits nothing."""
        pace = self.pace
        refreshed = self._refresh(planned.index)
        turn = pace.turn(planned.index)
        step = pace.chosen(turn, planned) if pace.selects else planned
        losses, weight = self.gradient.add_up_weighted(step, self._weigh(turn))
        log = pace.close(step, turn, losses, weight)
        rows = sum(row["rows"] for row in log)
        counts = pace.plan.trained_counts[list(step.rows)]
        return Taken(
            step=step,
            loss=float(np.average(losses, weights=counts)) if step.rows else float(np.nanmean(pace.losses)),
            trained_tokens=int(counts[weight > 0].sum()),
            admitted=sum(row["admitted"] for row in log) / rows,
            refreshed_tokens=refreshed,
            mean_weight=math.fsum((weight.astype(np.float64) * counts).tolist())
            / max(1, step.trained_tokens),
            log=log,
        )

    def _refresh(self, index: int) -> int:
        """Compute the losses that are stale; return how many tokens that took."""
        stale = self.pace.stale(index)
        if not len(stale):
            return 0
        step, losses = self.gradient.measure(stale, self.pace.plan)
        self.pace.refresh(np.asarray(step.rows), losses, index)
        return step.tokens

    def _weigh(self, turn: Turn) -> Weigh:
        settings = self.pace.settings
        thresholds = torch.from_numpy(turn.thresholds).to(self._device)
        known = None if turn.difficulty is None else torch.from_numpy(turn.difficulty).to(self._device)
        sign = -1 if settings.order == "hardest-first" else 1

        def weigh(rows: torch.Tensor, losses: torch.Tensor) -> torch.Tensor:
            difficulty = sign * losses if known is None else known[rows]
            return weights(difficulty, thresholds[self._groups[rows]], settings)

        return weigh


def normalise(taken: Taken, parameters: Sequence[torch.nn.Parameter]) -> None:
    """Divide the gradient by the mean weight, so that weights below one do not lower the learning rate unnoticed."""
    if taken.mean_weight not in (0.0, 1.0):
        scale(parameters, 1 / taken.mean_weight)
