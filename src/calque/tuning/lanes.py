"""Micro-batches side by side on a CPU: each core runs its own, in place of all cores sharing the products of one.

Small products do not fill two cores. Two lanes of half the token budget tuned 1.5M and 10M parameters 11 and 24% faster, and 60M with
an adapter 5% (docs/speed-tables.md, `calque, one lane`); on two cores, nothing is measured on more. Lanes share the weights; each has
gradients of its own, which are added up in a fixed order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from threading import Event
from typing import Any, TypeVar

import torch
from torch import nn

from calque.engines.lanes import without_idle
from calque.tuning.batch import Rows
from calque.tuning.dropout import RowDropout, how_drawn
from calque.tuning.forward import ResponseLoss

T = TypeVar("T")

MOST = 4
GRADIENTS = 1 << 28  # bytes that the further lanes' gradients may take, all together


class Lanes:
    """Runs work on micro-batches, each with a `ResponseLoss` over the same weights: `first`'s, whose gradients count.

    There is one lane, and no thread, where the device is no CPU, where torch has one thread, where the model draws what rows
    cannot draw for themselves (`tuning/dropout.py`: draws would depend on which thread comes first), where weights are more
    than plain parameters (quantized), and where gradients would take too much; and never more than `most`.
    """

    def __init__(self, first: ResponseLoss, device: torch.device, most: int = MOST) -> None:
        self.first = first
        self._lanes = [first]
        self._threads = torch.get_num_threads()
        wanted = min(self._threads, MOST, most, 1 + _fitting(first)) if device.type == "cpu" else 1
        wanted = without_idle(self._threads, wanted)
        drawn = how_drawn(first, partial(_probed, first)) if device.type == "cpu" else "otherwise"
        self._by_rows = drawn == "by rows"
        if wanted > 1 and drawn != "otherwise" and all(type(p) is nn.Parameter for p in first.parameters()):
            self._lanes += [_sharing(first) for _ in range(wanted - 1)]

    def __len__(self) -> int:
        return len(self._lanes)

    def train(self, mode: bool = True) -> None:
        """Set all lanes to training, or to measuring."""
        for lane in self._lanes:
            lane.train(mode)

    def run(
        self, batches: Sequence[Rows], work: Callable[[ResponseLoss, Rows], T], key: int | None = None
    ) -> list[T]:
        """The outcome of `work` for each micro-batch, in order; what it adds to gradients stands in those of `first` then.

        With `key` dropout is drawn by rows, where it can be: the same for the same key and row, whatever lane runs it.
        """

        def one(lane: ResponseLoss, rows: Rows) -> T:
            with RowDropout(key, rows) if self._by_rows and key is not None else nullcontext():
                return work(lane, rows)

        if len(self) == 1 or len(batches) < len(self):
            return [one(self.first, rows) for rows in batches]
        graded = torch.is_grad_enabled()  # each thread's own, as autocast is
        stopped = Event()

        def drive(lane: int) -> list[T]:
            found: list[T] = []
            try:
                with torch.set_grad_enabled(graded):
                    for rows in batches[lane :: len(self)]:
                        if stopped.is_set():
                            break
                        found.append(one(self._lanes[lane], rows))
            except BaseException:
                stopped.set()
                raise
            return found

        share = self._threads // len(self)
        try:
            with ThreadPoolExecutor(len(self), initializer=torch.set_num_threads, initargs=(share,)) as pool:
                try:
                    found = list(pool.map(drive, range(len(self))))
                except BaseException:
                    stopped.set()  # Ctrl-C comes here
                    raise
        finally:
            torch.set_num_threads(self._threads)  # the workers' number would be that of threads to come
            self._add_up()
        return [found[i % len(self)][i // len(self)] for i in range(len(batches))]

    def _add_up(self) -> None:
        for lane in self._lanes[1:]:
            for ours, its in zip(self.first.parameters(), lane.parameters(), strict=True):
                if its.grad is not None:
                    ours.grad = its.grad if ours.grad is None else ours.grad.add_(its.grad)
                    its.grad = None


def _fitting(first: ResponseLoss) -> int:
    """Further lanes whose gradients fit."""
    size = sum(p.numel() * p.element_size() for p in first.parameters() if p.requires_grad)
    return GRADIENTS // max(1, size)


def _probed(first: ResponseLoss) -> torch.Tensor:
    """A loss, of a row of two tokens."""
    ids = torch.zeros(1, 2, dtype=torch.long, device=next(first.parameters()).device)
    losses: torch.Tensor = first(ids, ids[0, :1], ids[0, :1])
    return losses.sum()


def _sharing(first: ResponseLoss) -> ResponseLoss:
    """Another one over the same weights, with gradients of its own."""
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.data, requires_grad=p.requires_grad) for p in first.parameters()
    }
    return copy.deepcopy(first, shared)
