"""Causal attention by plain batched products (`causal.py`), for short rows on a CPU.

torch's fused CPU kernel pays a fixed price per row and head that short rows never earn back. Anything else (long
rows, a mask, a cache, a soft cap, a GPU) goes to transformers' own implementation.
`benchmarks/attention.py` measures both, `benchmarks/tuning.py` the loop with and without it.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from calque.engines.attention import out_of_the_ordinary, register
from calque.tuning.causal import CausalAttention

NAME = "calque_short_rows"
LONGEST = 768  # tokens; in fp32 the fused kernel wins soon behind it


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
    tokens, size = query.shape[2:]
    special = out_of_the_ordinary(options) or options.get("cache") is not None
    causal = is_causal if is_causal is not None else getattr(module, "is_causal", True)
    whole = key.shape[2] == tokens and value.shape[3] == size
    if attention_mask is not None or tokens > LONGEST or dropout or special or not causal or not whole:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal=is_causal, **options
        )
        return output, None
    scale = scaling if scaling is not None else size**-0.5
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    attend: Any = CausalAttention.apply
    output = attend(query.to(dtype), key.to(dtype), value.to(dtype), scale)
    return output.transpose(1, 2).contiguous(), None
