"""Adapters: what changes, what is saved, and models whose layers have other names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config

from calque.engines.loading import ModelFiles, load_model
from calque.errors import ModelError
from calque.tuning.adapt import adapt, decay_groups, load_tuned, parameter_counts, tuned_parameters
from calque.tuning.encode import EncodedSet
from calque.tuning.loop import tune
from calque.tuning.settings import TuningSettings

IDS = torch.arange(5, 25)[None]


def test_the_defaults_are_those_of_alpaca_lora() -> None:
    settings = TuningSettings()
    lora = settings.lora
    assert (settings.method, lora.r, lora.alpha, lora.dropout) == ("lora", 8, 16, 0.05)
    assert (settings.learning_rate, settings.epochs, settings.examples_per_step) == (3e-4, 1, 128)


@pytest.mark.parametrize(("architecture", "adapted"), [("llama", {"q_proj", "v_proj"}), ("gpt2", {"c_attn"})])
def test_what_is_adapted(foundry: Any, architecture: str, adapted: set[str]) -> None:
    model = load_model(ModelFiles("m", foundry.model(architecture)), dtype=torch.float32)
    model = adapt(model, TuningSettings())
    names = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in tuned_parameters(model)}
    assert names == adapted
    assert all(".lora_" in name for name in tuned_parameters(model))


def test_adapter_parameters_by_hand(foundry: Any) -> None:
    model = adapt(load_model(ModelFiles("m", foundry.model()), dtype=torch.float32), TuningSettings())
    # Per layer: q_proj 32 → 32 with 8 × (32 + 32), v_proj 32 → 16 (two groups of 8) with 8 × (32 + 16); two layers.
    assert parameter_counts(model)[1] == 2 * (8 * 64 + 8 * 48)


def test_layers_by_wish_and_layers_that_are_not_there(foundry: Any) -> None:
    files = ModelFiles("m", foundry.model("gpt2"))

    def adapted(modules: Any) -> Any:
        settings = TuningSettings.model_validate({"lora": {"target_modules": modules}})
        return adapt(load_model(files, dtype=torch.float32), settings)

    names = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in tuned_parameters(adapted("all-linear"))}
    assert names == {"c_attn", "c_proj", "c_fc"}
    with pytest.raises(ModelError, match="does not fit the model") as caught:
        adapted(["query"])
    assert str(caught.value.problems[0].remedy).endswith("all-linear, or some of: c_attn, c_fc, c_proj")


def test_an_architecture_that_peft_does_not_know(foundry: Any) -> None:
    model = load_model(ModelFiles("m", foundry.model("gpt2")), dtype=torch.float32)
    model.config.__class__ = type("Novel", (GPT2Config,), {"model_type": "novel"})
    with pytest.raises(ModelError) as caught:
        adapt(model, TuningSettings())
    assert "set tuning.lora.target_modules" in caught.value.problems[0].remedy


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen2"])
def test_the_adapter_is_peft_s_and_the_base_is_untouched(
    foundry: Any, rows: EncodedSet, settings: Any, tmp_path: Path, architecture: str
) -> None:
    files = ModelFiles("tiny/base", foundry.model(architecture))
    tuned = tune(files, rows, settings(), seed=0, folder=tmp_path, fingerprint={})
    assert tuned.parameters > tuned.trainable > 0
    base = AutoModelForCausalLM.from_pretrained(files.folder).eval()
    plain = base(IDS).logits.detach()
    reloaded = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    ours = load_tuned(load_model(files, dtype=torch.float32), tmp_path)
    with torch.no_grad():
        assert torch.equal(reloaded(IDS).logits, ours(IDS).logits)
        assert (reloaded(IDS).logits - plain).abs().max() > 1e-3
        with reloaded.disable_adapter():
            assert torch.equal(reloaded(IDS).logits, plain)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == files.label
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_full_tuning_saves_a_model_of_the_hub(
    foundry: Any, rows: EncodedSet, settings: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = ModelFiles("tiny", foundry.model())
    tuned = tune(files, rows, settings(method="full"), seed=0, folder=tmp_path, fingerprint={})
    assert tuned.parameters == tuned.trainable
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    before = dict(AutoModelForCausalLM.from_pretrained(files.folder).named_parameters())
    assert not any(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert model.config._attn_implementation == "sdpa"
    assert "calque" not in (tmp_path / "model" / "config.json").read_text()
    assert AutoTokenizer.from_pretrained(tmp_path / "model").eos_token == "</s>"
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_biases_and_norms_do_not_decay() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))
    groups = decay_groups(tuned_parameters(model), 0.1)
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.1), (3, 0.0)]
