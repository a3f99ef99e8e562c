"""Dropout by rows: what a row draws depends on key, row and call, and on nothing that runs beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM

from calque.engines.loading import ModelFiles
from calque.tuning.adapt import adapt
from calque.tuning.dropout import RowDropout, how_drawn, repeating
from calque.tuning.encode import EncodedSet
from calque.tuning.loop import tune


def drawn(rows: tuple[int, ...], width: int, calls: int = 1, key: int = 7, p: float = 0.5) -> torch.Tensor:
    """The masks [calls, rows, width, 8] of ones."""
    with RowDropout(key, rows):
        return torch.stack([functional.dropout(torch.ones(len(rows), width, 8), p) for _ in range(calls)])


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
    st.integers(1, 20),
    st.integers(0, 12),
)
def test_what_a_row_draws_is_its_own(rows: list[int], width: int, padding: int) -> None:
    together = drawn(tuple(rows), width + padding, calls=3)
    for i, row in enumerate(rows):
        assert torch.equal(together[:, i, :width], drawn((row,), width, calls=3)[:, 0])


def test_a_mask_is_the_same_on_every_machine() -> None:
    assert drawn((1,), 2).flatten().tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0]


def test_rows_calls_and_keys_draw_apart() -> None:
    masks = [*drawn((1, 2), 50, calls=2).flatten(0, 1), *drawn((1, 2), 50, key=8).flatten(0, 1)]
    alike = [(a == b).float().mean().item() for i, a in enumerate(masks) for b in masks[:i]]
    assert all(0.35 < share < 0.65 for share in alike)


def test_what_is_kept_is_scaled_up() -> None:
    mask = drawn(tuple(range(40)), 100, p=0.2)
    assert mask.unique().tolist() == pytest.approx([0, 1.25], abs=1e-5)  # 0.2 is 13107 / 65536
    assert drawn((1,), 2).unique().tolist() == [0, 2]
    assert mask.mean().item() == pytest.approx(1, abs=0.01)
    assert not drawn((1,), 3, p=1.0).any()
    assert drawn((1,), 3, p=0.0).all()


def test_what_does_not_train_draws_nothing() -> None:
    ones, before = torch.ones(1, 4, 4), torch.get_rng_state()
    with RowDropout(0, (0,)) as dropout:
        assert torch.equal(functional.dropout(ones, 0.5, training=False), ones)
        assert torch.equal(nn.Dropout(0.5).eval()(ones), ones)
        assert dropout.calls == 0
        assert not torch.equal(nn.Dropout(0.5)(ones), ones)
        changed = functional.dropout(ones, 0.5, inplace=True)
    assert changed is ones
    assert torch.equal(torch.get_rng_state(), before)


def test_where_rows_are_not_told_apart_the_micro_batch_draws() -> None:
    with RowDropout(3, (5, 6)):
        flat = functional.dropout(torch.ones(9, 8), 0.5)
    with RowDropout(3, (5, 9)):
        assert torch.equal(functional.dropout(torch.ones(9, 8), 0.5), flat)
    with RowDropout(3, (4, 6)):
        assert not torch.equal(functional.dropout(torch.ones(9, 8), 0.5), flat)


@pytest.mark.parametrize("backward", [torch.Tensor.backward, torch.autograd.backward])
def test_what_is_run_again_draws_what_it_drew(backward: Callable[[torch.Tensor], None]) -> None:
    gradients = []
    for again in (False, True):
        values = torch.ones(2, 5, 8, requires_grad=True)
        with RowDropout(1, (0, 1)) as dropout:
            found = functional.dropout(values, 0.5)
            for _ in range(2):  # a square's gradient needs the mask in backward
                square = lambda x: functional.dropout(x.square(), 0.5)  # noqa: E731
                found = (
                    checkpoint(square, found, use_reentrant=False, context_fn=repeating)
                    if again
                    else square(found)
                )
            backward(found.sum())
            assert dropout.calls == 3
        gradients.append(values.grad)
    assert gradients[0] is not None
    assert gradients[0].any()
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_threads_draw_each_their_own() -> None:
    found: dict[int, torch.Tensor] = {}

    def draw(row: int) -> None:
        found[row] = drawn((row,), 50, calls=50)

    threads = [Thread(target=draw, args=(row,)) for row in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, masks in found.items():
        assert torch.equal(masks, drawn((row,), 50, calls=50))


class Layer(nn.Module):
    """Draws as it is told to."""

    def __init__(self, draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))
        self.draw = draw

    def forward(self) -> torch.Tensor:
        return self.draw(torch.ones(1, 2, 8) * self.weight.square()).sum()


def unknowing(values: torch.Tensor) -> torch.Tensor:
    """A checkpoint that does not know of rows that draw."""
    again: torch.Tensor = checkpoint(
        lambda x: functional.dropout(x.square(), 0.5).square(), values, use_reentrant=False
    )
    return again


def knowing(values: torch.Tensor) -> torch.Tensor:
    again: torch.Tensor = checkpoint(
        lambda x: functional.dropout(x.square(), 0.5).square(),
        values,
        use_reentrant=False,
        context_fn=repeating,
    )
    return again


@pytest.mark.parametrize(
    ("draw", "how"),
    [
        (lambda x: x, "nothing"),
        (nn.Dropout(0.5), "by rows"),
        (nn.Dropout(0.0), "nothing"),
        (knowing, "by rows"),
        (unknowing, "otherwise"),
        (lambda x: functional.dropout1d(x, 0.5), "otherwise"),
        (lambda x: functional.dropout(x, 0.5) + torch.rand(()), "otherwise"),
        (lambda x: functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5), "otherwise"),
    ],
)
def test_how_a_model_draws(draw: Any, how: str) -> None:
    layer, before = Layer(draw).eval(), torch.get_rng_state()
    assert how_drawn(layer, layer) == how
    assert torch.equal(torch.get_rng_state(), before)
    assert not layer.training
    assert layer.weight.grad is None


def test_attention_draws_by_rows_where_it_is_eager(base: ModelFiles) -> None:
    ids = torch.zeros(1, 2, dtype=torch.long)
    for attention, how in (("eager", "by rows"), ("sdpa", "otherwise")):
        model = AutoModelForCausalLM.from_pretrained(
            base.folder, attention_dropout=0.5, attn_implementation=attention
        )
        assert how_drawn(model, lambda model=model: model(ids).logits.sum()) == how


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_draws_by_rows(base: ModelFiles, settings: Any, dtype: torch.dtype) -> None:
    ids = torch.zeros(1, 2, dtype=torch.long)
    for again in (False, True):
        made = settings(lora={"dropout": 0.05}, gradient_checkpointing=again)
        model = adapt(AutoModelForCausalLM.from_pretrained(base.folder, dtype=dtype), made)
        assert how_drawn(model, lambda model=model: model(input_ids=ids).logits.sum()) == "by rows"


@pytest.mark.parametrize("changes", [{"tokens_per_batch": 1}, {"gradient_checkpointing": True}])
def test_neither_the_budget_nor_a_checkpoint_changes_what_is_drawn(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    logs = []
    for i, more in enumerate(({}, changes)):
        made = settings(lora={"dropout": 0.5}, learning_rate=1e-3, **more)
        (tmp_path / str(i)).mkdir()
        logs.append(tune(base, rows, made, seed=0, folder=tmp_path / str(i), fingerprint={}).log)
    for one, other in zip(*logs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-6)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)
