"""Rows end to end, without padding, are each alone: losses, gradients, and not a bit of one in another."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hub
from torch import nn

from calque.tuning import joined
from calque.tuning.adapt import adapt
from calque.tuning.batch import IGNORED, Plan, collate
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.settings import TuningSettings

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
FORMS = {
    "llama": hub.LlamaConfig(**SIZES),
    "qwen2": hub.Qwen2Config(**SIZES),
    "mistral, window of 8": hub.MistralConfig(**SIZES, sliding_window=8),
    "gpt2": hub.GPT2Config(
        vocab_size=300, n_embd=32, n_layer=2, n_head=4, attn_pdrop=0, resid_pdrop=0, embd_pdrop=0
    ),
}


def make(form: Any) -> Any:
    torch.manual_seed(0)
    model = hub.AutoModelForCausalLM.from_config(deepcopy(form))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    return model


def run(model: Any, rows: EncodedSet, which: tuple[int, ...], join: bool) -> tuple[list[torch.Tensor], Any]:
    """Losses of each row, and the gradient of their sum."""
    loss_of = ResponseLoss(model, join=torch.float32 if join else None)
    assert loss_of.joined == join
    assert loss_of.notes == ()
    arrays = collate(rows, which, joined=join)
    given = [torch.from_numpy(part) for part in (arrays.ids, arrays.positions, arrays.labels)]
    starts = None if arrays.starts is None else torch.from_numpy(arrays.starts)
    model.zero_grad()
    flat = loss_of(*given, starts, arrays.longest)
    flat.sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return [flat[torch.from_numpy(arrays.rows == i)].detach() for i in range(len(which))], gradients


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_rows_end_to_end_are_each_alone(rows: EncodedSet, form: Any) -> None:
    which = (3, 7, 0, 11, 5)
    plain = make(form)
    alone = [run(plain, rows, (row,), join=False)[0][0] for row in which]
    padded, wanted = run(plain, rows, which, join=False)
    found, gradients = run(make(form), rows, which, join=True)
    for one, other, third in zip(found, alone, padded, strict=True):
        known = slice(len(one))
        torch.testing.assert_close(one, other[known], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one, third[known], atol=1e-4, rtol=1e-4)
    for name, value in wanted.items():
        torch.testing.assert_close(gradients[name], value, atol=1e-3, rtol=1e-3)


def test_no_row_hears_of_another(rows: EncodedSet) -> None:
    model = make(FORMS["llama"])
    loss_of = ResponseLoss(model, join=torch.float32)
    arrays = collate(rows, (0, 1, 2), joined=True)
    assert arrays.starts is not None
    vectors = model.get_input_embeddings()(torch.from_numpy(arrays.ids)).detach().requires_grad_(True)
    with joined.end_to_end(torch.from_numpy(arrays.starts), arrays.ids.shape[1], arrays.longest) as how:
        hidden = loss_of._parts[0](inputs_embeds=vectors, use_cache=False, **how).last_hidden_state
    first, second = arrays.starts[1:3].tolist()
    hidden[0, first:second].sum().backward()
    assert vectors.grad is not None
    assert vectors.grad[0, :first].abs().max() == 0
    assert vectors.grad[0, second:].abs().max() == 0
    assert vectors.grad[0, first:second].abs().amax(1).min() > 0


def test_recomputed_activations_know_the_boundaries_too(rows: EncodedSet) -> None:
    found = []
    for again in (False, True):
        model = adapt(
            make(FORMS["llama"]), TuningSettings(method="full", gradient_checkpointing=again)
        ).train()
        found.append(run(model, rows, (3, 7, 0), join=True))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        assert torch.equal(one, other)
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["mamba", "bloom", "eager"])
def test_a_model_that_does_not_keep_rows_apart_is_padded_and_a_note_says_so(
    rows: EncodedSet, name: str
) -> None:
    if name == "mamba":  # its state goes on from row to row
        model = make(hub.MambaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1))
    elif name == "bloom":  # its positions are told by a mask
        model = make(hub.BloomConfig(vocab_size=300, hidden_size=32, n_layer=1, n_head=4))
    else:
        model = make(FORMS["llama"])
        model.set_attn_implementation("eager")
    loss_of = ResponseLoss(model, join=torch.float32)
    assert not loss_of.joined
    assert loss_of.notes == (joined.NOT_APART,)


def test_one_that_leaks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any) -> torch.Tensor:
        parts = (part.transpose(0, 1)[None] for part in (query, key, value))
        output = nn.functional.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True)
        return output[0].transpose(0, 1)

    monkeypatch.setattr(joined, "_row_by_row", leaking)
    assert not ResponseLoss(make(FORMS["llama"]), join=torch.float32).joined


def test_arrays_by_hand() -> None:
    tokens = np.array([5, 6, 7, 8, 9, 10, 11, 12], dtype=np.int32)
    trained = np.array([0, 1, 1, 0, 0, 0, 0, 1], dtype=np.bool_)
    rows = EncodedSet(tokens, trained, np.array([0, 3, 5, 8]))
    arrays = collate(rows, (2, 0), joined=True)
    assert arrays.ids.tolist() == [[10, 11, 12, 5, 6, 7]]
    assert arrays.starts is not None
    assert (arrays.starts.tolist(), arrays.longest) == ([0, 3, 6], 3)
    assert arrays.positions[:3].tolist() == [1, 3, 4]
    assert arrays.labels[:4].tolist() == [12, 6, 7, IGNORED]
    assert arrays.rows[:4].tolist() == [0, 1, 1, -1]


def test_end_to_end_more_rows_fit_a_micro_batch() -> None:
    lengths, ones = np.array([9, 2, 2, 2]), np.ones(4, dtype=np.int64)
    cut = {
        end_to_end: Plan(lengths, ones, 1, 4, 15, 0, joined=end_to_end)
        .step_of(0, 0, np.arange(4))
        .micro_batches
        for end_to_end in (False, True)
    }
    assert cut == {False: ((0,), (1, 2, 3)), True: ((0, 1, 2, 3),)}
    assert Plan(lengths, ones, 1, 4, 1, 0, joined=True).step_of(0, 0, np.arange(4)).micro_batches == (
        (0,),
        (1,),
        (2,),
        (3,),
    )
