"""A batch of many equals each alone; the head on trained tokens equals the whole model's logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from calque.tuning import attention
from calque.tuning.batch import collate
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss

CPU = torch.device("cpu")


def load(foundry: Any, architecture: str, short_rows: bool = True) -> Any:
    model = AutoModelForCausalLM.from_pretrained(foundry.model(architecture)).eval()
    if short_rows:
        attention.install(model, CPU)
    return model


def losses(model: Any, encoded: EncodedSet, rows: tuple[int, ...]) -> list[torch.Tensor]:
    arrays = collate(encoded, rows)
    flat = ResponseLoss(model)(*map(torch.from_numpy, (arrays.ids, arrays.positions, arrays.labels)))
    return [flat[torch.from_numpy(arrays.rows == i)] for i in range(len(rows))]


def by_hand(model: Any, encoded: EncodedSet, row: int) -> torch.Tensor:
    """Cross-entropy of the trained tokens of one row, from the whole model's logits, alone and unpadded."""
    ids, trained = (torch.tensor(part) for part in encoded.row(row))
    logits = model(input_ids=ids[None].long(), use_cache=False).logits[0, :-1]
    return functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
@torch.no_grad()
def test_a_batch_of_many_is_each_alone(foundry: Any, rows: EncodedSet, architecture: str) -> None:
    model, plain = load(foundry, architecture), load(foundry, architecture, short_rows=False)
    assert model.config._attn_implementation == attention.NAME
    assert plain.config._attn_implementation == "sdpa"
    together = losses(model, rows, tuple(range(12)))
    for row, found in enumerate(together):
        torch.testing.assert_close(found, by_hand(plain, rows, row), atol=1e-5, rtol=1e-5)


def test_no_row_hears_of_another(foundry: Any, rows: EncodedSet) -> None:
    model = load(foundry, "llama")
    ids = torch.from_numpy(collate(rows, (0, 1, 2)).ids)
    vectors = model.get_input_embeddings()(ids).detach().requires_grad_(True)
    model(inputs_embeds=vectors, use_cache=False).logits[1].sum().backward()
    assert vectors.grad is not None
    assert vectors.grad[0].abs().max() == 0
    assert vectors.grad[2].abs().max() == 0
    assert vectors.grad[1].abs().min() > 0


def test_short_rows_and_long_rows_have_the_same_gradient(foundry: Any, rows: EncodedSet) -> None:
    gradients = []
    for short in (True, False):
        model = load(foundry, "qwen2", short)
        torch.cat(losses(model, rows, (3, 4, 5, 6))).sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("change", ["long", "mask", "cache"])
@torch.no_grad()
def test_what_short_row_attention_does_not_know_goes_to_sdpa(
    foundry: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    model, plain = load(foundry, "llama"), load(foundry, "llama", short_rows=False)
    ids = torch.arange(5, 35).view(2, 15)
    if change == "long":
        monkeypatch.setattr(attention, "LONGEST", 14)
    calls = []
    real = attention.sdpa_attention_forward
    monkeypatch.setattr(
        attention, "sdpa_attention_forward", lambda *a, **k: (calls.append(1), real(*a, **k))[1]
    )
    mask = torch.ones_like(ids)
    if change == "mask":
        mask[0, :4] = 0
    options = {"attention_mask": mask, "max_new_tokens": 3, "do_sample": False, "pad_token_id": 2}
    if change == "cache":
        assert model.generate(ids, **options).tolist() == plain.generate(ids, **options).tolist()
    else:
        found, wanted = (m(ids, attention_mask=mask).logits for m in (model, plain))
        torch.testing.assert_close(found[:, 4:], wanted[:, 4:], atol=1e-5, rtol=1e-5)
    assert calls
