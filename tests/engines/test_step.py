"""A step by the model's weights: the logits of its modules, and none where these compute something else."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.llama.modeling_llama import LlamaMLP

from calque.engines import products
from calque.engines.decode import Decoder, make_decoder
from calque.engines.form import needs_no_setting
from calque.engines.passes import make_passes
from calque.engines.step import step_of

SIZES: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
FORMS: list[tuple[type[PretrainedConfig], dict[str, Any]]] = [
    (LlamaConfig, {}),
    (LlamaConfig, {"attention_bias": True, "mlp_bias": True, "head_dim": 16, "hidden_act": "gelu"}),
    (LlamaConfig, {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    (MistralConfig, {"sliding_window": None}),
    (Qwen2Config, {}),
    (Qwen3Config, {"head_dim": 16}),
]
PROMPTS = [[3 + (7 * i + 5 * j) % 190 for j in range(2 + 5 * i)] for i in range(6)]


def model_of(form: type[PretrainedConfig], **options: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(form(**{**SIZES, **options})).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def decoder(model: Any) -> Decoder:
    made = make_decoder(model, -1, make_passes(model))
    assert made is not None
    return made


def greedy(made: Decoder) -> dict[int, list[int]]:
    return dict(made.answers(PROMPTS, 6, 100))


def alone(model: Any) -> dict[int, list[int]]:
    """Token by token, without a cache, by the model's own attention."""
    written: dict[int, list[int]] = {}
    with torch.no_grad():
        for i, prompt in enumerate(PROMPTS):
            written[i] = []
            while len(written[i]) < 6:
                logits = model(torch.tensor([prompt + written[i]]), use_cache=False).logits
                written[i].append(int(logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize(("form", "options"), FORMS)
def test_answers_by_the_weights_are_greedy(
    form: type[PretrainedConfig], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(form, **options)
    made = decoder(model)
    assert made.by_weights
    wanted = alone(model)

    def by_modules(*_: Any) -> None:
        raise AssertionError("a step by the model's modules")

    monkeypatch.setattr(made, "_logits", by_modules)
    assert greedy(made) == wanted


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("form", "options"), FORMS)
def test_answers_by_onednn_are_greedy(
    form: type[PretrainedConfig], options: dict[str, Any], *, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the processor: as where oneDNN is faster, its weights laid out or as they are."""
    if not products._is_by_itself():
        pytest.skip("this torch has no such products")
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "WIDE", 0)
    monkeypatch.setattr("calque.engines.form.is_small", lambda _: small)
    model = model_of(form, **options)
    made = decoder(model)
    assert made.by_weights
    assert needs_no_setting(model)
    assert greedy(made) == alone(model)


def test_in_bf16_too() -> None:
    assert decoder(model_of(LlamaConfig).bfloat16()).by_weights


def test_what_computes_something_else_goes_by_its_modules() -> None:
    """Granite's parts have Llama's names; it multiplies what a layer adds."""
    model = model_of(GraniteConfig, residual_multiplier=0.5)
    made = decoder(model)
    assert step_of(model, nullcontext) is not None
    assert not made.by_weights
    assert greedy(made) == alone(model)


def test_a_clamp_is_found_out_where_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LlamaMLP.forward

    def clamped(self: Any, hidden: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = whole(self, hidden).clamp(-1e6, 1e6)
        return found

    monkeypatch.setattr(LlamaMLP, "forward", clamped)
    assert not decoder(model_of(LlamaConfig)).by_weights


def test_hooks_are_called() -> None:
    model = model_of(LlamaConfig)
    made = decoder(model)
    before = greedy(made)
    hook = model.model.layers[1].mlp.register_forward_hook(lambda _module, _given, found: -found)
    assert greedy(made) == alone(model) != before
    hook.remove()
    assert greedy(made) == before


def test_steps_go_by_the_weights_that_there_are_now() -> None:
    """Tuned in place, loaded anew, put in place of others, or with an adapter around them."""
    from peft import LoraConfig, get_peft_model

    model = model_of(LlamaConfig)
    made = decoder(model)
    answers = [greedy(made)]

    def changed() -> None:
        answers.append(greedy(made))
        assert answers[-1] == alone(model)
        assert answers[-1] not in answers[:-1]

    attention, mlp = model.model.layers[0].self_attn, model.model.layers[0].mlp
    with torch.no_grad():
        attention.q_proj.weight.mul_(-1.5)
    changed()
    attention.v_proj.weight.data = -2 * attention.v_proj.weight
    changed()
    mlp.down_proj.weight = torch.nn.Parameter(-3 * mlp.down_proj.weight)
    changed()
    adapter = LoraConfig(target_modules=["k_proj", "o_proj", "up_proj"], init_lora_weights=False)
    adapted = get_peft_model(model, adapter).eval()
    for parameter in adapted.parameters():
        parameter.data = parameter.data * 1.5
    assert step_of(model, nullcontext) is not None
    changed()


def test_a_model_is_saved_as_it_was(tmp_path: Path) -> None:
    """What an engine is made of shares no storage that safetensors refuses, and is still tuned by its gradients."""
    model = model_of(LlamaConfig)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    greedy(decoder(model))
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in before.items())
    model.set_attn_implementation("sdpa")
    model(torch.tensor([PROMPTS[1]])).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
