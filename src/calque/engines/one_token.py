"""The attention of one new token of every row to the keys and values of its row, on a CPU.

`scaled_dot_product_attention` for one query takes up to four times what two batched products take. A core by itself has
these from numpy, whose library runs a product of one vector where MKL's runs one of matrices, and gets through keys and values
twice as fast or more (python benchmarks/step.py). It is bound by memory there: so what the mask hides of a part of the rows is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from calque.engines.stems import Stems

SHARED = "_calque_shared"  # what keys carry: the stems of their rows, and of which layer they are
ALONE = 1 << 17  # multiplications of one product, up to which numpy's library keeps it on one core


class Part(NamedTuple):
    """Rows [begin, end), of which the mask hides the first `hidden` columns."""

    begin: int
    end: int
    hidden: int


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
    parts: Sequence[Part] = (),
) -> torch.Tensor:
    """[rows, 1, heads, size] of `query` [rows, heads, 1, size] to `key` and `value` [rows, groups, columns, size].

    `parts` are all rows in their order; none are one of all columns.
    """
    shared: tuple[Stems, int] | None = getattr(key, SHARED, None)
    rows, heads, _, size = query.shape
    groups, columns = key.shape[1], key.shape[2]
    together = heads // groups  # heads that share keys and values
    query = query.reshape(rows, groups, together, size) * (scaling if scaling is not None else size**-0.5)
    by_numpy = (
        torch.get_num_threads() == 1
        and query.dtype == torch.float32
        and together * size * columns <= ALONE
        and not torch.is_grad_enabled()
    )
    parts = parts or [Part(0, rows, 0)]
    scores = _scores(query, key, parts) if by_numpy else _product(query, key.transpose(2, 3))
    if shared is not None:
        stems, layer = shared
        scores = torch.cat((stems.scores(layer, query), scores), dim=-1)
    scores.add_(mask)
    weights = torch.softmax(scores, dim=-1)
    own = weights[..., -columns:]
    output = _sums(own, value, parts) if by_numpy else _product(own, value)
    if shared is not None:
        output = output + stems.sums(layer, weights[..., :-columns])
    return output.view(rows, 1, heads, -1)


def parted(hidden: Sequence[int], least: int) -> list[Part]:
    """Rows with so many hidden columns each, in parts: each cut has at least `least` fewer columns to read."""
    if not hidden:
        return []
    ahead = np.minimum.accumulate(hidden)
    behind = np.minimum.accumulate(hidden[::-1])[::-1]
    counts = np.arange(1, len(hidden))
    fewer = counts * ahead[:-1] + counts[::-1] * behind[1:] - len(hidden) * ahead[-1]
    if not len(fewer) or fewer.max() < least:
        return [Part(0, len(hidden), int(ahead[-1]))]
    at = int(fewer.argmax()) + 1
    others = [Part(begin + at, end + at, n) for begin, end, n in parted(hidden[at:], least)]
    return [*parted(hidden[:at], least), *others]


def _product(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    found = torch.bmm(one.flatten(0, 1), other.flatten(0, 1))
    return found.view(*one.shape[:3], other.shape[3])


def _scores(query: torch.Tensor, key: torch.Tensor, parts: Sequence[Part]) -> torch.Tensor:
    """[rows, groups, together, columns], 0 in those that are hidden."""
    queries, keys = query.numpy(), key.transpose(2, 3).numpy()
    found = np.empty((*queries.shape[:3], keys.shape[3]), np.float32)
    for begin, end, hidden in parts:
        found[begin:end, ..., :hidden] = 0.0
        np.matmul(queries[begin:end], keys[begin:end, ..., hidden:], out=found[begin:end, ..., hidden:])
    return torch.from_numpy(found)


def _sums(weights: torch.Tensor, value: torch.Tensor, parts: Sequence[Part]) -> torch.Tensor:
    """[rows, groups, together, size]."""
    by, values = weights.numpy(), value.numpy()
    found = np.empty((*by.shape[:3], values.shape[3]), np.float32)
    for begin, end, hidden in parts:
        np.matmul(by[begin:end, ..., hidden:], values[begin:end, :, hidden:], out=found[begin:end])
    return torch.from_numpy(found)
