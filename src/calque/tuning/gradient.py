"""The gradient of one optimiser step, micro-batch by micro-batch: all trained tokens alike, or rows by weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator

from calque.randomness import stream
from calque.tuning.batch import Plan, Rows, Step, collate
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.lanes import Lanes

Vector = npt.NDArray[np.float32]
Weigh = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Gradient:
    """What all steps of a run need: the rows, their losses under the model, and the device."""

    rows: EncodedSet
    counts: torch.Tensor  # trained tokens of each row, on the device
    lanes: Lanes
    accelerator: Accelerator
    dtype: torch.dtype
    seed: int

    def add_up(self, step: Step) -> float:
        """Add up the gradient of the mean loss over the step's trained tokens; return that loss."""

        def add(loss_of: ResponseLoss, rows: Rows) -> torch.Tensor:
            losses, _ = self._losses(loss_of, rows, alike=True)
            (losses.sum() / step.trained_tokens).backward()
            total: torch.Tensor = losses.detach().sum()
            return total

        sums = self.lanes.run(step.micro_batches, add, self._key(step))
        total = math.fsum(map(float, sums))  # read at the end: until then the device need not wait for us
        if self.accelerator.num_processes > 1:
            summed = torch.tensor(total, device=self.accelerator.device, dtype=torch.float64)
            total = float(self.accelerator.reduce(summed, "sum"))
        return total / step.trained_tokens

    def add_up_weighted(self, step: Step, weigh: Weigh) -> tuple[Vector, Vector]:
        """Add up the gradient of Σ weight × loss / trained tokens; return loss and weight of each row of `step.rows`.

        `weigh(rows, losses)` gives weights [rows] for the numbers of rows and their mean losses, on the device. The sum
        is not normalised yet: by what, is known only when the whole step has run.
        """

        def add(loss_of: ResponseLoss, rows: Rows) -> torch.Tensor:
            losses, owners = self._losses(loss_of, rows)
            numbers = torch.tensor(rows, device=losses.device)
            means = self._means(losses.detach(), owners, numbers)
            weight = weigh(numbers, means)
            of_token = torch.cat([weight, weight.new_zeros(1)])[owners]
            ((losses * of_token).sum() / step.trained_tokens).backward()
            return torch.stack([means, weight])

        return self._gathered(step.rows, self.lanes.run(step.micro_batches, add, self._key(step)))

    @torch.no_grad()
    def measure(self, rows: npt.NDArray[np.int64], plan: Plan) -> tuple[Step, Vector]:
        """The losses of rows without a gradient and without dropout, in the order of the step that they would make."""
        step = plan.step_of(0, 0, rows)

        def losses_of(loss_of: ResponseLoss, batch: Rows) -> torch.Tensor:
            losses, owners = self._losses(loss_of, batch)
            means = self._means(losses, owners, torch.tensor(batch, device=losses.device))
            return torch.stack([means, means])

        self.lanes.train(False)
        seen = self.lanes.run(step.micro_batches, losses_of)
        self.lanes.train()
        return step, self._gathered(step.rows, seen)[0]

    def _key(self, step: Step) -> int:
        """Of what rows draw in a step; that of a step which is resumed is no other."""
        return int(stream(self.seed, "dropout", str(step.index)).integers(2**63 - 1))

    def _losses(self, loss_of: ResponseLoss, rows: Rows, *, alike: bool = False) -> tuple[Any, torch.Tensor]:
        """Loss of each place, and the row in the micro-batch that it is of (behind the last row for idle places)."""
        arrays, device = collate(self.rows, rows, joined=loss_of.joined), self.accelerator.device
        ids, positions, labels, owners = (
            torch.from_numpy(array).to(device)
            for array in (arrays.ids, arrays.positions, arrays.labels, arrays.rows)
        )
        starts = None if arrays.starts is None else torch.from_numpy(arrays.starts).to(device)
        with torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            losses = loss_of(ids, positions, labels, starts, arrays.longest, alike=alike)
        return losses, owners.remainder(len(rows) + 1)

    def _means(self, losses: torch.Tensor, owners: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        sums = losses.new_zeros(len(rows) + 1).index_add(0, owners, losses)
        return sums[:-1] / self.counts[rows]

    def _gathered(self, rows: Rows, seen: Sequence[torch.Tensor]) -> tuple[Vector, Vector]:
        """Two figures of each row, of all devices: every `world`-th row was this one's."""
        both = torch.zeros(2, len(rows), device=self.accelerator.device)
        if seen:
            both[:, self.accelerator.process_index :: self.accelerator.num_processes] = torch.cat(
                list(seen), 1
            )
        if self.accelerator.num_processes > 1:
            torch.distributed.all_reduce(both)
        first, second = both.cpu().numpy()
        return first, second


def scale(parameters: Iterable[torch.nn.Parameter], factor: float) -> None:
    """Multiply all gradients."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        torch._foreach_mul_(gradients, factor)
