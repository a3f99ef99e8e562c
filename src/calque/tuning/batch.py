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

    `limit` is a number of steps in place of `epochs`: rows come round as often as it takes. `joined`: the rows of a
    micro-batch stand end to end, without padding.
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
    joined: bool = False

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
        """Rows in falling length, cut so that all with their padding stays within the budget (at least one row each)."""
        start = 0
        while start < len(rows):
            if self.joined:
                ends = np.cumsum(self.lengths[list(rows[start:])])
                fit = max(1, int(np.searchsorted(ends, self.tokens_per_batch, side="right")))
            else:
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
    joined: bool = False,
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
        joined=joined,
    )
    if settings.trained_tokens is not None:
        return replace(plan, limit=plan.nearest(settings.trained_tokens))
    return replace(plan, limit=settings.steps)


@dataclass(frozen=True, slots=True)
class Arrays:
    """A micro-batch: ids [rows, width], padded on the right; for each trained token the flat position that predicts it.

    `positions` [n] index into rows × width; `labels` [n] are the trained ids; `rows` [n] say whose they are. Behind
    them, places up to a round number have the label `IGNORED`, and no loss. With `starts` [rows + 1] the rows stand end
    to end, ids [1, tokens]: there each begins, and there all end. `longest` has the most tokens.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    longest: int
    starts: npt.NDArray[np.int32] | None = None


def collate(encoded: EncodedSet, rows: Rows, pad: int = 0, *, joined: bool = False) -> Arrays:
    """Put rows side by side, or end to end. Padding stands on the right, where under causal attention no token can see it.

    Widths and numbers of labels are rounded up: on a CPU the kernels of every new shape are compiled and kept, which
    otherwise costs more memory than all else (see benchmarks/tuning.py).
    """
    found = [encoded.row(row) for row in rows]
    longest = max(len(tokens) for tokens, _ in found)
    if joined:
        starts = np.cumsum([0, *(len(tokens) for tokens, _ in found)])
        ids = np.concatenate([tokens for tokens, _ in found])[None].astype(np.int64)
    else:
        width = min(_round_up(longest, 16), encoded.longest)
        starts = np.arange(len(rows) + 1) * width
        ids = np.full((len(rows), width), pad, dtype=np.int64)
        for i, (tokens, _) in enumerate(found):
            ids[i, : len(tokens)] = tokens
    targets = [
        np.flatnonzero(trained[1:]) + 1 for _, trained in found
    ]  # nothing predicts the first token of a row
    idle = np.zeros(_round_up(sum(map(len, targets)), 64) - sum(map(len, targets)), dtype=np.int64)
    positions = [start + at - 1 for start, at in zip(starts, targets, strict=False)]
    labels = [tokens[at] for (tokens, _), at in zip(found, targets, strict=True)]
    owners = [np.full(len(at), i) for i, at in enumerate(targets)]
    return Arrays(
        ids,
        np.concatenate([*positions, idle]).astype(np.int64),
        np.concatenate([*labels, idle + IGNORED]).astype(np.int64),
        np.concatenate([*owners, idle - 1]).astype(np.int64),
        longest,
        starts.astype(np.int32) if joined else None,
    )


def _round_up(number: int, grain: int) -> int:
    return -(-number // grain) * grain
