"""Rows end to end in one sequence, none seeing another: no padding at all, by PyTorch's attention for rows of any length.

For GPUs, where a micro-batch of few rows is else half padding. The boundaries of the rows go to the attention with
the forward pass; positions begin anew in each row. Whether a model keeps rows apart this way is tried out before it is
trusted: what mixes neighbours by other means than attention (convolutions, state spaces) is told by that, and is padded.
On a CPU the same is done row by row, to be compared with; it is not used there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn import functional
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from calque.engines.attention import out_of_the_ordinary, register

NAME = "calque_joined_rows"
NOT_APART = "rows are padded: this model does not keep rows that stand end to end apart"

_joined: ContextVar[bool] = ContextVar("joined", default=False)


def install(model: Any) -> bool:
    """Let `model` take rows end to end, if it now uses `sdpa`; all else goes there as before."""
    if model.config._attn_implementation not in ("sdpa", NAME):
        return False
    register(NAME, joined_row_attention, _mask)
    model.set_attn_implementation(NAME)
    return True


@contextmanager
def end_to_end(starts: torch.Tensor, tokens: int, longest: int) -> Iterator[dict[str, Any]]:
    """What a forward pass over rows end to end is given: `starts` [rows + 1] say where they begin, and where all end.

    `longest` is the number of tokens of the longest; to read it off here would make a GPU wait.
    """
    numbers = torch.arange(tokens, device=starts.device)
    row_of = torch.searchsorted(starts, numbers, right=True) - 1
    reset = _joined.set(True)
    try:
        yield {
            "position_ids": (numbers - starts[row_of])[None],
            **dict.fromkeys(("cu_seq_lens_q", "cu_seq_lens_k"), starts),
            **dict.fromkeys(("max_length_q", "max_length_k"), longest),
        }
    finally:
        _joined.reset(reset)


def joined_row_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention over `query` [1, heads, tokens, size]; returns [1, tokens, heads, size]."""
    if cu_seq_lens_q is None:
        output, _ = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout,
            scaling,
            sliding_window=sliding_window,
            **options,
        )
        return output, None
    if dropout or out_of_the_ordinary(options):
        raise ValueError("rows end to end know neither dropout nor caps, biases or sinks in attention")
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    query, key, value = (part[0].transpose(0, 1).to(dtype) for part in (query, key, value))
    attend = _by_flash if kind == "cuda" else _row_by_row
    return attend(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window)[None], None


def _by_flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    longest: int,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    output = varlen_attn(
        query,
        key,
        value,
        starts,
        starts,
        longest,
        longest,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(output, torch.Tensor)  # noqa: S101 - a pair only where it is asked for
    return output


def _row_by_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    longest: int,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    ones = torch.ones(longest, longest, dtype=torch.bool, device=query.device).tril()
    seen = ones if window is None else ones.triu(1 - window)
    rows = []
    for start, end in zip(starts.tolist(), starts.tolist()[1:], strict=False):
        one, other, third = (part[start:end].transpose(0, 1)[None] for part in (query, key, value))
        mask = seen[: end - start, : end - start]
        row = functional.scaled_dot_product_attention(
            one, other, third, attn_mask=mask, scale=scaling, enable_gqa=True
        )
        rows.append(row[0].transpose(0, 1))
    return torch.cat(rows)


def _mask(*arguments: Any, **options: Any) -> torch.Tensor | None:
    """None for rows end to end: their attention knows the boundaries, and a mask would have tokens × tokens entries."""
    return None if _joined.get() else sdpa_mask(*arguments, **options)


@torch.no_grad()
def keeps_apart(trunk: Any, vocabulary: int, dtype: torch.dtype) -> bool:
    """Whether a row behind another comes out the same to the bit whatever stands there, and as it does alone.

    `dtype` is that which products are computed in.
    """
    device = next(trunk.parameters()).device
    drawn = (
        torch.arange(first, first + n, device=device) % vocabulary for first, n in ((5, 9), (40, 9), (70, 12))
    )
    one, other, row = drawn
    starts = torch.tensor([0, len(one), len(one) + len(row)], dtype=torch.int32, device=device)
    was_training = trunk.training
    trunk.eval()
    behind = []
    try:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            alone = trunk(input_ids=row[None], use_cache=False).last_hidden_state[0].float()
            for before in (one, other):
                ids = torch.cat([before, row])[None]
                with end_to_end(starts, ids.shape[1], len(row)) as how:
                    hidden = trunk(input_ids=ids, use_cache=False, **how).last_hidden_state
                behind.append(hidden[0, len(before) :].float())
    except (RuntimeError, TypeError, ValueError):  # a kernel, an argument or a mask that it does not know
        return False
    finally:
        trunk.train(was_training)
    near = 1e-4 if dtype == torch.float32 else 5e-2
    return torch.equal(*behind) and bool((behind[0] - alone).norm() <= near * alone.norm())
