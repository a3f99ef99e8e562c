"""Attention block by block is that of torch, forward and backward."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from calque.tuning import causal
from calque.tuning.attention import short_row_attention
from calque.tuning.causal import CausalAttention

Gradients = tuple[torch.Tensor, ...]


def heads(rows: int, groups: int, together: int, tokens: int, size: int) -> list[torch.Tensor]:
    """Queries, keys, values, and what comes down to the outcome."""
    draw = torch.Generator().manual_seed(0)
    counts = (groups * together, groups, groups, groups * together)
    return [torch.randn(rows, count, tokens, size, generator=draw) for count in counts]


def by_torch(given: list[torch.Tensor], scaling: float) -> tuple[torch.Tensor, Gradients]:
    query, key, value = (part.clone().requires_grad_() for part in given[:3])
    found = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=True
    )
    return found, torch.autograd.grad(found, (query, key, value), given[3])


def by_blocks(given: list[torch.Tensor], scaling: float) -> tuple[torch.Tensor, Gradients]:
    query, key, value = (part.clone().requires_grad_() for part in given[:3])
    found = CausalAttention.apply(query, key, value, scaling)
    return found, torch.autograd.grad(found, (query, key, value), given[3])


@given(
    rows=st.integers(1, 3),
    groups=st.integers(1, 2),
    together=st.integers(1, 3),
    tokens=st.integers(1, 80),
    size=st.integers(1, 9),
    kept=st.sampled_from([0, causal.KEPT]),
    block=st.sampled_from([16, 32, 128]),
)
def test_it_is_torchs(
    rows: int, groups: int, together: int, tokens: int, size: int, kept: int, block: int
) -> None:
    made = heads(rows, groups, together, tokens, size)
    with patch.multiple(causal, KEPT=kept, BLOCK=block):
        found, gradients = by_blocks(made, 0.3)
    wanted, theirs = by_torch(made, 0.3)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_token_by_hand() -> None:
    """The first token hears itself alone; the second, of two equal keys, the mean of both values."""
    query = torch.ones(1, 1, 2, 1)
    value = torch.tensor([2.0, 6.0]).view(1, 1, 2, 1)
    found = CausalAttention.apply(query, torch.ones(1, 1, 2, 1), value, 1.0)
    assert found.flatten().tolist() == [2.0, 4.0]


def test_under_autocast_it_computes_in_bf16() -> None:
    """Rotation leaves queries and keys in fp32, where values come in bf16; gradients come back in the dtype of each."""
    query, key, value, upstream = heads(2, 2, 2, 200, 8)
    given = [query.requires_grad_(), key.requires_grad_(), value.bfloat16().requires_grad_()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = short_row_attention(nn.Module(), *given, None, scaling=0.3)
    assert (found.dtype, found.shape) == (torch.bfloat16, (2, 200, 4, 8))
    wanted, theirs = by_torch([query, key, value, upstream], 0.3)
    torch.testing.assert_close(found.float(), wanted.transpose(1, 2), rtol=0, atol=0.03)
    gradients = torch.autograd.grad(found, given, upstream.transpose(1, 2).bfloat16())
    assert [part.dtype for part in gradients] == [torch.float32, torch.float32, torch.bfloat16]
    for one, other in zip(gradients, theirs, strict=True):
        assert float((one.float() - other).abs().max()) <= 0.03 * float(other.abs().max())


def test_heads_that_lie_in_pieces_are_taken_too() -> None:
    made = heads(2, 2, 2, 40, 8)
    apart = [part.transpose(1, 2).contiguous().transpose(1, 2) for part in made]
    found, gradients = by_blocks(apart, 1.0)
    whole, others = by_blocks(made, 1.0)
    assert torch.equal(found, whole)
    assert all(torch.equal(one, other) for one, other in zip(gradients, others, strict=True))


@pytest.mark.parametrize("tokens", [1, 16, 127, 129, 200, 385, 1024])
def test_blocks_cover_each_token_once(tokens: int) -> None:
    blocks = list(causal._blocks(tokens))
    assert [i for start, end in blocks for i in range(start, end)] == list(range(tokens))
    assert all(end - start <= 1.5 * causal.BLOCK + 16 for start, end in blocks)
