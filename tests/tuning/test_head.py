"""The loss behind a head in chunks equals that of whole logits, and so does its gradient; scales and soft caps are found."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hub
from torch import nn
from torch.nn import functional

from calque.tuning import head as module
from calque.tuning.adapt import adapt
from calque.tuning.batch import IGNORED, collate
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.head import Finish, token_losses
from calque.tuning.settings import TuningSettings

FINISHES = [Finish(), Finish(times=0.25), Finish(by=3.0), Finish(cap=2.0)]
SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}


def by_autograd(head: nn.Linear, hidden: torch.Tensor, labels: torch.Tensor, finish: Finish) -> torch.Tensor:
    return functional.cross_entropy(finish(head(hidden)).float(), labels, reduction="none")


def gradients(
    losses_of: Any, head: nn.Linear, hidden: torch.Tensor, labels: torch.Tensor, finish: Finish, kind: str
) -> dict[str, torch.Tensor]:
    """Losses, and the gradients of their sum, every row of a weight of its own."""
    head.zero_grad()
    leaf = hidden.clone().requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "bf16"):
        losses = losses_of(head, leaf, labels, finish)
    (losses * torch.linspace(-1, 2, len(labels))).sum().backward()
    found = {"losses": losses.detach(), "hidden": leaf.grad}
    found |= {name: p.grad for name, p in head.named_parameters() if p.grad is not None}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("finish", FINISHES, ids=str)
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "tuned"])
@pytest.mark.parametrize("kind", ["fp32", "bf16"])
@pytest.mark.parametrize("rows", [3, 11], ids=["chunks", "one chunk"])  # of logits at a time, of 11
def test_chunks_are_the_whole_and_so_is_the_gradient(
    monkeypatch: pytest.MonkeyPatch, finish: Finish, frozen: bool, kind: str, rows: int
) -> None:
    monkeypatch.setattr(module, "CHUNK", rows * 50)
    monkeypatch.setattr(module, "PIECE", 2 * 50)  # of which a CPU passes over 2 at a time
    torch.manual_seed(0)
    head = nn.Linear(8, 50).requires_grad_(not frozen)
    hidden, labels = torch.randn(11, 8) * 3, torch.randint(0, 50, (11,))
    labels[[0, 7]] = IGNORED
    found, wanted = (
        gradients(way, head, hidden, labels, finish, kind) for way in (token_losses, by_autograd)
    )
    assert found.keys() == wanted.keys() == {"losses", "hidden"} | (set() if frozen else {"weight", "bias"})
    assert found["losses"].dtype == torch.float32
    close = 2e-6 if kind == "fp32" else 2e-2  # eight bits of mantissa
    for name, value in wanted.items():
        assert value.abs().max() > 0.1
        torch.testing.assert_close(found[name], value, atol=close * float(value.abs().max()), rtol=0)
    assert (found["losses"][[0, 7]] == 0).all()
    assert (found["hidden"][[0, 7]] == 0).all()


@pytest.mark.parametrize("finish", FINISHES, ids=str)
def test_losses_that_count_alike_have_the_same_gradient_at_once(
    monkeypatch: pytest.MonkeyPatch, finish: Finish
) -> None:
    monkeypatch.setattr(module, "CHUNK", 3 * 50)
    torch.manual_seed(0)
    head, hidden, labels = nn.Linear(8, 50), torch.randn(11, 8), torch.randint(0, 50, (11,))
    labels[4] = IGNORED
    found = []
    for alike in (True, False):
        head.zero_grad()
        leaf = hidden.clone().requires_grad_(True)
        (token_losses(head, leaf, labels, finish, alike=alike).sum() / 7).backward()
        found.append((leaf.grad, head.weight.grad, head.bias.grad))
    torch.testing.assert_close(found[0], found[1])
    with torch.no_grad():
        assert not token_losses(head, hidden, labels, finish, alike=True).requires_grad


def test_a_label_of_no_probability_has_its_loss() -> None:
    """Its probability is nought in fp32, the logarithm of it is not."""
    head = nn.Linear(1, 3, bias=False)
    head.weight.data[:] = torch.tensor([[0.0], [300.0], [300.0]])
    hidden = torch.ones(2, 1, requires_grad=True)
    losses = token_losses(head, hidden, torch.tensor([0, 1]), Finish(), alike=True)
    losses.sum().backward()
    torch.testing.assert_close(losses, torch.tensor([300.0, 0.0]) + torch.tensor(2.0).log())
    assert head.weight.grad is not None
    assert head.weight.grad.flatten().tolist() == [-1.0, 0.0, 1.0]


def test_losses_in_bf16_are_not_rounded_to_three_digits() -> None:
    torch.manual_seed(0)
    head, hidden, labels = nn.Linear(8, 50).bfloat16(), torch.randn(40, 8).bfloat16(), torch.arange(40)
    losses = token_losses(head, hidden, labels, Finish())
    assert (losses != losses.bfloat16().float()).float().mean() > 0.9


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_learns_the_same_in_chunks(
    rows: EncodedSet, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    arrays = collate(rows, (0, 1, 2))
    given = [torch.from_numpy(part) for part in (arrays.ids, arrays.positions, arrays.labels)]
    torch.manual_seed(0)
    model = hub.LlamaForCausalLM(hub.LlamaConfig(**SIZES, tie_word_embeddings=tied))
    found = []
    for entries in (1 << 26, 1000):  # all at once; 3 tokens at a time
        monkeypatch.setattr(module, "CHUNK", entries)
        model.zero_grad()
        loss = ResponseLoss(model)(*given, alike=True).sum()
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters())])
    assert len(found[0]) == 13 - tied  # the loss, and every parameter once
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("form", "finish"),
    [
        (hub.LlamaConfig(**SIZES), Finish()),
        (hub.GraniteConfig(logits_scaling=3.0, **SIZES), Finish(by=3.0)),
        (hub.CohereConfig(logit_scale=0.3, **SIZES), Finish(times=0.3)),
        (hub.Gemma2Config(final_logit_softcapping=2.0, head_dim=16, **SIZES), Finish(cap=2.0)),
    ],
    ids=["llama", "granite", "cohere", "gemma2"],
)
@pytest.mark.parametrize("adapted", [False, True])
def test_what_stands_behind_the_head_is_found(
    rows: EncodedSet, monkeypatch: pytest.MonkeyPatch, form: Any, finish: Finish, adapted: bool
) -> None:
    monkeypatch.setattr(module, "CHUNK", 1000)
    torch.manual_seed(0)
    model = hub.AutoModelForCausalLM.from_config(form)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    if adapted:
        model = adapt(model, TuningSettings()).eval()
    loss_of = ResponseLoss(model)
    assert (loss_of.finish, loss_of.notes) == (finish, ())
    arrays = collate(rows, (1,))
    found = loss_of(*(torch.from_numpy(part) for part in (arrays.ids, arrays.positions, arrays.labels)))
    ids, trained = (torch.tensor(part) for part in rows.row(1))
    logits = model(input_ids=ids[None].long(), use_cache=False).logits[0, :-1]
    wanted = functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]]
    torch.testing.assert_close(found[: len(wanted)], wanted, atol=1e-4, rtol=1e-4)


def test_where_the_logits_are_something_else_the_whole_model_runs_and_a_note_says_so(
    rows: EncodedSet,
) -> None:
    class Odd(hub.LlamaForCausalLM):
        def forward(self, *args: Any, **options: Any) -> Any:
            found = super().forward(*args, **options)
            found.logits = found.logits**3
            return found

    torch.manual_seed(0)
    model = Odd(hub.LlamaConfig(**SIZES))
    loss_of = ResponseLoss(model)
    assert loss_of.finish is None
    assert "memory grows with tokens_per_batch" in loss_of.notes[0]
    arrays = collate(rows, (1,))
    found = loss_of(*(torch.from_numpy(part) for part in (arrays.ids, arrays.positions, arrays.labels)))
    ids, trained = (torch.tensor(part) for part in rows.row(1))
    logits = model(input_ids=ids[None].long(), use_cache=False).logits[0, :-1]
    wanted = functional.cross_entropy(logits, ids[1:].long(), reduction="none")[trained[1:]]
    torch.testing.assert_close(found[: len(wanted)], wanted)


def test_a_head_with_an_adapter_on_it_is_not_taken_for_its_weight(
    rows: EncodedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TuningSettings.model_validate({"lora": {"target_modules": ["lm_head"], "dropout": 0}})
    torch.manual_seed(0)
    model = adapt(hub.LlamaForCausalLM(hub.LlamaConfig(**SIZES)), settings)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    arrays = collate(rows, (0, 1))
    given = [torch.from_numpy(part) for part in (arrays.ids, arrays.positions, arrays.labels)]
    found = []
    for entries in (1 << 26, 1000):
        monkeypatch.setattr(module, "CHUNK", entries)
        model.zero_grad()
        loss = ResponseLoss(model)(*given).sum()
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(found[0]) == 3
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, whole, atol=1e-4, rtol=1e-4)
