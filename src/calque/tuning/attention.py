"""Causal attention by plain batched products, for short rows on a CPU.

torch's fused CPU kernel pays a fixed price per row and head that short rows never earn back. Anything else (long
rows, a mask, a cache, a soft cap, a GPU) goes to transformers' own implementation.
`benchmarks/tuning.py` measures the loop with and without it.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from calque.engines.attention import out_of_the_ordinary, register

NAME = "calque_short_rows"
LONGEST = 384  # tokens; beyond it the fused kernel wins

_future: dict[torch.dtype, torch.Tensor] = {}


def install(model: Any, device: torch.device) -> None:
    """Let `model` use short-row attention, if it stands on a CPU and now uses `sdpa`."""
    if device.type == "cpu" and model.config._attn_implementation == "sdpa":
        register(NAME, short_row_attention)
        model.set_attn_implementation(NAME)


def short_row_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention over `query` [rows, heads, tokens, size], `key` and `value` [rows, groups, tokens, size].

    Returns [rows, tokens, heads, size], as transformers' attention functions do.
    """
    rows, heads, tokens, size = query.shape
    special = out_of_the_ordinary(options) or options.get("cache") is not None
    causal = is_causal if is_causal is not None else getattr(module, "is_causal", True)
    whole = key.shape[2] == tokens and value.shape[3] == size
    if attention_mask is not None or tokens > LONGEST or dropout or special or not causal or not whole:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal=is_causal, **options
        )
        return output, None
    groups = key.shape[1]
    if groups != heads:
        key = key.repeat_interleave(heads // groups, dim=1)
        value = value.repeat_interleave(heads // groups, dim=1)
    flat = (rows * heads, tokens, size)
    scale = scaling if scaling is not None else size**-0.5
    scores = torch.baddbmm(
        _future_mask(tokens, query.dtype), query.reshape(flat), key.reshape(flat).transpose(1, 2), alpha=scale
    )
    weights = torch.softmax(scores, dim=-1, dtype=scores.dtype)
    output = torch.bmm(weights, value.reshape(flat))
    return output.view(rows, heads, tokens, size).transpose(1, 2).contiguous(), None


def _future_mask(tokens: int, dtype: torch.dtype) -> torch.Tensor:
    """[1, tokens, tokens]: minus infinity where the key lies in the future of the query."""
    if dtype not in _future:
        _future[dtype] = torch.full((1, LONGEST, LONGEST), float("-inf"), dtype=dtype).triu(1)
    return _future[dtype][:, :tokens, :tokens]
