"""Causal attention by plain products, block of queries by block, its gradient written by hand.

A block sees no further than its own last token: of rows of many blocks half of the scores are never computed, which a mask alone would
compute and throw away. Of long rows the weights are computed again on the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

BLOCK = 128  # queries
KEPT = 1 << 23  # weights that are kept for the way back; of more all are computed again


class CausalAttention(torch.autograd.Function):
    """`apply(query, key, value, scaling)`: [rows, heads, tokens, size] of queries of that shape.

    Keys and values are [rows, groups, tokens, size]; all three are of one dtype, which scores and weights have too.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """What each query hears, in its shape."""
        rows, heads, tokens, size = query.shape
        together = heads // key.shape[1]
        folded = query.reshape(-1, together, tokens, size)
        key, value = key.reshape(-1, tokens, size), value.reshape(-1, tokens, size)
        keeps = any(ctx.needs_input_grad) and rows * heads * tokens * tokens <= KEPT
        parts, kept = [], []
        for start, end in _blocks(tokens):
            weights = _weights(folded, key, start, end, scaling)
            parts.append(torch.bmm(weights, value[:, :end]))
            if keeps:
                kept.append(weights)
        ctx.save_for_backward(folded, key, value, *kept)
        ctx.scaling, ctx.shape = scaling, query.shape
        return _together(parts, together).view(query.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """The gradients of queries, keys and values."""
        query, key, value, *kept = ctx.saved_tensors
        together, tokens, size = query.shape[1:]
        gradient = gradient.reshape(query.shape)
        parts = []
        for i, (start, end) in reversed(list(enumerate(_blocks(tokens)))):  # the last sees all keys
            weights = kept[i] if kept else _weights(query, key, start, end, ctx.scaling)
            upstream = _block(gradient, start, end)
            by_value = torch.bmm(weights.transpose(1, 2), upstream)
            of_weights = torch.bmm(upstream, value[:, :end].transpose(1, 2))
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            parts.append(torch.bmm(of_scores, key[:, :end]))
            by_key = torch.bmm(of_scores.transpose(1, 2), _block(query, start, end))
            if end == tokens:
                of_key, of_value = by_key, by_value
            else:
                of_key[:, :end] += by_key
                of_value[:, :end] += by_value
        shape = (ctx.shape[0], -1, tokens, size)
        return (
            _together(parts[::-1], together).mul_(ctx.scaling).view(ctx.shape),
            of_key.mul_(ctx.scaling).view(shape),
            of_value.view(shape),
            None,
        )


def _weights(query: torch.Tensor, key: torch.Tensor, start: int, end: int, scaling: float) -> torch.Tensor:
    """[rows × groups, heads of a group × queries, keys up to `end`] of a block."""
    mask = _later(start, end, query.shape[1], query.dtype)
    keys = key[:, :end].transpose(1, 2)
    scores = torch.baddbmm(mask, _block(query, start, end), keys, alpha=scaling)
    return torch.softmax(scores, dim=-1, dtype=scores.dtype)


def _block(heads: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """[rows × groups, heads of a group × tokens of the block, size]."""
    return heads[:, :, start:end].reshape(len(heads), -1, heads.shape[-1])


def _together(parts: list[torch.Tensor], together: int) -> torch.Tensor:
    """[rows × groups, heads of a group, tokens, size] of those of all blocks, which need no copy where there is one."""
    apart = [part.view(len(part), together, -1, part.shape[-1]) for part in parts]
    return apart[0] if len(apart) == 1 else torch.cat(apart, 2)


def _blocks(tokens: int) -> Iterator[tuple[int, int]]:
    """Where blocks begin and end: as equal as may be, in steps of 16 tokens."""
    number = max(1, round(tokens / BLOCK))
    size = -(-tokens // (number * 16)) * 16
    return ((start, min(tokens, start + size)) for start in range(0, tokens, size))


@lru_cache(64)
def _later(start: int, end: int, together: int, dtype: torch.dtype) -> torch.Tensor:
    """[1, together × (end - start), end]: minus infinity where a key stands behind the query."""
    mask = torch.full((end - start, end), float("-inf"), dtype=dtype).triu(1 + start)
    return mask.repeat(together, 1)[None]
