"""Dropout on a CPU that each row draws for itself: its masks follow from seed, step and row alone.

torch draws from one generator for the whole process: a mask depends on which thread comes first, and on what else is in
the micro-batch. Here neither the number of cores, nor that of processes, nor the token budget changes a mask. Rows are
told apart where they stand along the first of three axes or more; elsewhere (a head's adapter, experts) a mask is the
micro-batch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from calque.randomness import rank
from calque.tuning.batch import Rows

STEPS = 1 << 16  # of 16 random bits: p is rounded to one of so many
STRIDE = 0x9E3779B97F4A7C15F39CC0605CEDC835  # between the states that a row's masks begin at; odd, so that all differ

_current: ContextVar[RowDropout | None] = ContextVar("row_dropout", default=None)


class RowDropout(TorchFunctionMode):
    """While it is entered, in this thread, `functional.dropout` draws for each of `rows`, the micro-batch that runs.

    `key` is the step's. Masks are told apart by the order of the calls, which `repeating` keeps where a checkpoint
    runs a piece of the model again.
    """

    _push: Any = TorchFunctionMode.__enter__
    _pop: Any = TorchFunctionMode.__exit__

    def __init__(self, key: int, rows: Rows) -> None:
        super().__init__()
        self.calls = 0
        self._states = [int.from_bytes(rank(key, str(row))[:16], "big") for row in rows]
        self._bits = np.random.PCG64(0)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._push()
        return self

    def __exit__(self, *raised: object) -> None:
        self._pop(*raised)
        _current.reset(self._token)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.dropout:
            return self._dropout(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _dropout(
        self, values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training or p == 0:
            return values
        mask = self._mask(values, round(p * STEPS))
        return values.mul_(mask) if inplace else values * mask

    def _mask(self, values: torch.Tensor, lost: int) -> torch.Tensor:
        """In the shape of `values`: nought in `lost` of `STEPS` places, else what makes up for it.

        What a row draws begins alike, however wide the padding.
        """
        by_row = values.ndim > 2 and len(values) == len(self._states)
        states = self._states if by_row else self._states[:1]
        size = values.numel() // len(states)
        words = -(-size // 4)
        drawn = np.empty((len(states), words), np.uint64)
        for row, state in zip(drawn, states, strict=True):
            self._bits.state = _state(state + self.calls * STRIDE)
            row[:] = self._bits.random_raw(words)
        self.calls += 1
        kept = drawn.view(np.uint16)[:, :size] >= lost
        return torch.from_numpy(kept).view(values.shape).to(values.dtype).mul_(STEPS / max(1, STEPS - lost))

    @contextmanager
    def _from_call(self, call: int) -> Iterator[None]:
        before, self.calls = self.calls, call
        self._push()  # `Tensor.backward` runs outside of the mode
        try:
            yield
        finally:
            self._pop(None, None, None)
            self.calls = before


def _state(state: int) -> Any:
    """Of numpy's PCG64: 16 of its bits for each place take less time than torch's own draw of a mask."""
    increment = 0x5851F42D4C957F2D14057B7EF767814F
    return {
        "bit_generator": "PCG64",
        "state": {"state": state % 2**128, "inc": increment},
        "has_uint32": 0,
        "uinteger": 0,
    }


def repeating() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The `context_fn` of a checkpoint (`torch.utils.checkpoint`): what it runs again draws what it drew."""
    current = _current.get()
    if current is None:
        return nullcontext(), nullcontext()
    return nullcontext(), current._from_call(current.calls)


def how_drawn(
    model: nn.Module, loss: Callable[[], torch.Tensor]
) -> Literal["nothing", "by rows", "otherwise"]:
    """What `model` draws in training: all of it `by rows` if `RowDropout` takes it over, attention's inside of torch not.

    A probe, which leaves the generator as it was and no gradient; `loss` runs the model on one row.
    """
    was_training, before = model.training, torch.get_rng_state()
    model.train()
    try:
        with torch.no_grad():
            loss()
        if _is(before):
            return "nothing"
        torch.set_rng_state(before)
        gradients = _gradients(model, loss)
        drew_elsewhere = not _is(before)
        torch.default_generator.manual_seed(
            0
        )  # a checkpoint that does not know `repeating` draws from it again
        others = _gradients(model, loss)
        same = all(torch.equal(one, other) for one, other in zip(gradients, others, strict=True))
        return "by rows" if same and not drew_elsewhere else "otherwise"
    finally:
        torch.set_rng_state(before)
        model.train(was_training)


def _is(state: torch.Tensor) -> bool:
    return torch.equal(torch.get_rng_state(), state)


def _gradients(model: nn.Module, loss: Callable[[], torch.Tensor]) -> list[torch.Tensor]:
    with RowDropout(0, (0,)):
        torch.autograd.backward(loss())
    found = [p.grad for p in model.parameters() if p.grad is not None]
    model.zero_grad(set_to_none=True)
    return found
