"""Whether a model can be run with masks, positions and keys and values of ours, and whether it then says what a plain pass says."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from calque.engines.columns import NAME

TAKEN = frozenset({"attention_mask", "position_ids", "past_key_values", "logits_to_keep"})


def takes_ours(causal: Any) -> bool:
    """Whether a model takes masks, positions and a cache, and has plain attention: no windows, no state, none of its own."""
    return (
        set(inspect.signature(causal.forward).parameters) >= TAKEN
        and causal.config._attn_implementation in ("sdpa", NAME)
        and is_plain(DynamicCache(config=causal.config))
    )


def is_plain(cache: Any) -> bool:
    """Whether a cache is one of transformers' that holds keys and values of all tokens, and nothing else."""
    return isinstance(cache, DynamicCache) and all(type(layer) is DynamicLayer for layer in cache.layers)


def are_those_alone(model: Any, row: torch.Tensor, logits: torch.Tensor) -> bool:
    """Whether `logits` [tokens, vocabulary] are those of the last tokens of the row [1, all tokens] run by itself."""
    near = 1e-4 if model.dtype == torch.float32 else 0.05
    alone = model(input_ids=row, use_cache=False).logits[0, -len(logits) :].float()
    return torch.allclose(logits.float(), alone, rtol=near, atol=near * max(1.0, float(alone.abs().max())))
