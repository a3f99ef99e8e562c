"""The plan of a training run: which rows make which optimiser step, in which micro-batches.

A pure function of lengths, settings and seed: to resume is to skip steps, and no sampler has a state of its own.
Inside a step rows are sorted by length and cut by a token budget, so that hardly anything is padding, and the
composition of a step never depends on the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np
import numpy.typing as npt

from calque.randomness import stream
from calque.tuning.encode import EncodedSet
from calque.tuning.settings import TuningSettings

Rows = tuple[int, ...]

IGNORED = -100  # the label that torch's cross-entropy passes over


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step. `rows` are all of it, in falling length, and `trained_tokens` theirs; `micro_batches` are this device's."""

    index: int
    epoch: int
    rows: Rows
    micro_batches: tuple[Rows, ...]
    examples: int
    tokens: int
    trained_tokens: int


@dataclass(frozen=True)
class Plan:
    """All steps of a run. Device `rank` of `world` gets every `world`-th row of a step in the order of length.

    `limit` is a number of steps in place of `epochs`: rows come round as often as it takes.
    """

    lengths: npt.NDArray[np.int64]
    trained_counts: npt.NDArray[np.int64]
    epochs: int
    examples_per_step: int
    tokens_per_batch: int
    seed: int
    rank: int = 0
    world: int = 1
    limit: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass; the last one may be smaller."""
        return -(-len(self.lengths) // self.examples_per_step)

    def __len__(self) -> int:
        return self.limit if self.limit is not None else self.epochs * self.steps_per_epoch

    def steps(self, start: int = 0) -> Iterator[Step]:
        """The steps from index `start` on."""
        yield from islice(self._endless(start), max(0, len(self) - start))

    def trained_tokens(self) -> int:
        """Tokens trained on in all steps, over all devices."""
        return sum(step.trained_tokens for step in self.steps())

    def nearest(self, trained_tokens: int) -> int:
        """The number of steps (at least one) after which the tokens trained on come nearest to `trained_tokens`."""
        total = 0
        for step in self._endless(0):
            before, total = total, total + step.trained_tokens
            if total >= trained_tokens:
                nearer_before = trained_tokens - before < total - trained_tokens
                return max(1, step.index if nearer_before else step.index + 1)
        raise AssertionError("the steps have no end")

    def _endless(self, start: int) -> Iterator[Step]:
        """The steps from `start` on, epoch after epoch without end."""
        for epoch in count(start // self.steps_per_epoch):
            order = stream(self.seed, "order", str(epoch)).permutation(len(self.lengths))
            for i in range(self.steps_per_epoch):
                index = epoch * self.steps_per_epoch + i
                if index >= start:
                    rows = order[i * self.examples_per_step : (i + 1) * self.examples_per_step]
                    yield self.step_of(index, epoch, rows)

    def step_of(self, index: int, epoch: int, rows: npt.NDArray[np.int64]) -> Step:
        """The step of these rows: sorted by length, dealt to the devices, cut into micro-batches."""
        by_length = sorted(rows.tolist(), key=lambda row: (-int(self.lengths[row]), row))
        return Step(
            index=index,
            epoch=epoch,
            rows=tuple(by_length),
            micro_batches=tuple(self._cut(by_length[self.rank :: self.world])),
            examples=len(by_length),
            tokens=int(self.lengths[rows].sum()),
            trained_tokens=int(self.trained_counts[rows].sum()),
        )

    def _cut(self, rows: Sequence[int]) -> Iterator[Rows]:
        """Rows in falling length, cut so that rows × longest stays within the budget (at least one row each)."""
        start = 0
        while start < len(rows):
            fit = max(1, self.tokens_per_batch // int(self.lengths[rows[start]]))
            yield tuple(rows[start : start + fit])
            start += fit


def plan_of(
    encoded: EncodedSet,
    settings: TuningSettings,
    seed: int,
    *,
    tokens_per_batch: int,
    rank: int = 0,
    world: int = 1,
) -> Plan:
    """The plan that settings make of encoded rows: so many epochs, or steps, or tokens to train on."""
    plan = Plan(
        lengths=encoded.lengths,
        trained_counts=encoded.trained_counts,
        epochs=settings.epochs,
        examples_per_step=settings.examples_per_step,
        tokens_per_batch=tokens_per_batch,
        seed=seed,
        rank=rank,
        world=world,
    )
    if settings.trained_tokens is not None:
        return replace(plan, limit=plan.nearest(settings.trained_tokens))
    return replace(plan, limit=settings.steps)


@dataclass(frozen=True, slots=True)
class Arrays:
    """A micro-batch: ids [rows, width], padded on the right; for each trained token the flat position that predicts it.

    `positions` [n] index into rows × width; `labels` [n] are the trained ids; `rows` [n] say whose they are. Behind
    them, places up to a round number have the label `IGNORED`, and no loss.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def collate(encoded: EncodedSet, rows: Rows, pad: int = 0) -> Arrays:
    """Put rows side by side. Padding stands on the right, where under causal attention no token can see it.

    Widths and numbers of labels are rounded up: on a CPU the kernels of every new shape are compiled and kept, which
    otherwise costs more memory than all else (see benchmarks/tuning.py).
    """
    longest = max(int(encoded.offsets[r + 1] - encoded.offsets[r]) for r in rows)
    width = min(_round_up(longest, 16), encoded.longest)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    positions: list[npt.NDArray[np.integer]] = []
    labels: list[npt.NDArray[np.integer]] = []
    owners: list[npt.NDArray[np.integer]] = []
    for i, row in enumerate(rows):
        tokens, trained = encoded.row(row)
        ids[i, : len(tokens)] = tokens
        targets = np.flatnonzero(trained[1:]) + 1  # the first token of a row has nothing to predict it
        positions.append(i * width + targets - 1)
        labels.append(tokens[targets])
        owners.append(np.full(len(targets), i))
    count = sum(map(len, labels))
    idle = np.zeros(_round_up(count, 64) - count, dtype=np.int64)
    positions.append(idle)
    labels.append(idle + IGNORED)
    owners.append(idle - 1)
    return Arrays(
        ids,
        np.concatenate(positions).astype(np.int64),
        np.concatenate(labels).astype(np.int64),
        np.concatenate(owners).astype(np.int64),
    )


def _round_up(number: int, grain: int) -> int:
    return -(-number // grain) * grain
