"""What every attention of ours shares: how transformers learns of it, and what it leaves to transformers' own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

Attention = Callable[..., Any]


def register(name: str, attention: Attention, mask: Attention = sdpa_mask) -> None:
    """Make an attention known to transformers under a name, with what makes its masks."""
    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, mask)


def out_of_the_ordinary(options: Mapping[str, Any]) -> bool:
    """Whether an attention function is asked for a soft cap, biases of positions or sinks."""
    return any(options.get(name) is not None for name in ("softcap", "position_bias", "s_aux"))


def causal_of(model: Any) -> Any:
    """The causal model itself, without the adapter around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
