"""Adapters on weights in 4 bits: what is held, what is learnt, what is counted, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from tests.models import random_llama
from transformers import AutoModelForCausalLM

from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.errors import ModelError
from calque.tuning.encode import EncodedSet
from calque.tuning.loop import tune
from calque.tuning.settings import TuningSettings


@pytest.fixture(scope="module")
def files(foundry: Any, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A random Llama whose layers are as wide as the blocks that are quantized together (64 weights)."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = foundry.tokenizer("bytes")
    random_llama(
        folder,
        tokenizer,
        hidden=64,
        std=0.1,
        intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id,
    )
    return ModelFiles("tiny", folder)


def test_linear_layers_but_the_head_are_held_in_four_bits(files: ModelFiles) -> None:
    model, plain = (load_model(files, dtype=torch.float32, quantized=q) for q in (True, False))
    packed = {name for name, p in model.named_parameters() if p.dtype == torch.uint8}
    linear = {f"{name}.weight" for name, m in plain.named_modules() if isinstance(m, torch.nn.Linear)}
    assert packed == linear - {"lm_head.weight"}
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        one, other = model(ids).logits, plain(ids).logits
    assert 0 < float((one - other).norm() / other.norm()) < 0.5, "rounded, but the same model"


def test_an_adapter_learns_on_them_and_is_peft_s(
    files: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    logs = {}
    for quantized in ("4bit", None):
        folder = tmp_path / str(quantized)
        folder.mkdir()
        tuned = tune(
            files, rows, settings(quantized=quantized, epochs=4), seed=0, folder=folder, fingerprint={}
        )
        logs[quantized] = tuned
    first, plain = (logs[q].log[0]["loss"] for q in ("4bit", None))
    assert first != plain
    assert first == pytest.approx(plain, rel=0.1)
    assert logs["4bit"].log[-1]["loss"] < first
    assert (logs["4bit"].parameters, logs["4bit"].trainable) == (logs[None].parameters, logs[None].trainable)
    base = AutoModelForCausalLM.from_pretrained(files.folder)
    PeftModel.from_pretrained(base, tmp_path / "4bit" / "adapter")


def test_the_adapter_is_that_of_the_rounded_weights(
    files: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    rounded = load_model(files, dtype=torch.float32, quantized=True).dequantize()
    rounded.save_pretrained(tmp_path / "rounded")
    load_tokenizer(files).save_pretrained(tmp_path / "rounded")
    found = []
    for name, base, quantized in (("a", files, "4bit"), ("b", ModelFiles("r", tmp_path / "rounded"), None)):
        (tmp_path / name).mkdir()
        chosen = settings(quantized=quantized, lora={"target_modules": "all-linear"})
        tuned = tune(base, rows, chosen, seed=0, folder=tmp_path / name, fingerprint={})
        found.append([(step["loss"], step["gradient_norm"]) for step in tuned.log])
    torch.testing.assert_close(torch.tensor(found[0]), torch.tensor(found[1]), rtol=2e-3, atol=0)


def test_a_killed_run_goes_on_to_the_same_adapter(
    files: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    def kill(entry: Any, _: int) -> None:
        if entry.step == 2:
            raise KeyboardInterrupt

    chosen = settings(quantized="4bit", checkpoint_steps=1)
    written = []
    for name, stops in (("whole", []), ("killed", [kill])):
        folder = tmp_path / name
        folder.mkdir()
        for on_step in stops:
            with pytest.raises(KeyboardInterrupt):
                tune(files, rows, chosen, seed=0, folder=folder, fingerprint={}, on_step=on_step)
        tune(files, rows, chosen, seed=0, folder=folder, fingerprint={})
        written.append((folder / "adapter" / "adapter_model.safetensors").read_bytes())
    assert written[0] == written[1]


def test_full_tuning_of_them_is_refused() -> None:
    with pytest.raises(ValidationError, match="cannot be tuned themselves: set method: lora"):
        TuningSettings(method="full", quantized="4bit")


def test_without_the_package_the_extra_is_named(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError) as caught:
        load_model(ModelFiles("m", foundry.model()), dtype=torch.float32, quantized=True)
    assert 'pip install "calque[quantized]"' in caught.value.problems[0].remedy
