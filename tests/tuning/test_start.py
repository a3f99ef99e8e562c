"""Stages: an adapter trained on, an adapter merged, all weights tuned on; each is what it says to the last logit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from calque.engines.loading import ModelFiles, load_model
from calque.engines.weights import stored_dtype
from calque.errors import ModelError
from calque.tuning import start as module
from calque.tuning.adapt import weights_of
from calque.tuning.encode import EncodedSet
from calque.tuning.loop import tune
from calque.tuning.start import Start, earlier_lineage

IDS = torch.arange(5, 25)[None]


def stage(base: ModelFiles, rows: EncodedSet, made: Any, folder: Path, start: Start | None = None) -> Any:
    folder.mkdir(exist_ok=True)
    return tune(base, rows, made, seed=0, folder=folder, fingerprint={}, start=start)


def logits(base: ModelFiles, folder: Path) -> torch.Tensor:
    model = load_model(weights_of(base, folder), dtype=torch.float32)
    if (folder / "adapter").is_dir():
        model = PeftModel.from_pretrained(model, folder / "adapter").eval()
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


@pytest.fixture
def first(base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path) -> Path:
    """A first stage with LoRA, 3 steps."""
    stage(base, rows, settings(), tmp_path / "first")
    return tmp_path / "first"


def test_two_stages_on_the_same_rows_begin_where_the_first_ended(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, first: Path
) -> None:
    """Whatever becomes of the adapter, the second stage's first loss is the loss of the first stage's model."""
    whole = settings(examples_per_step=24)
    seen = {}
    for fate in ("continue", "merge"):
        seen[fate] = stage(base, rows, whole, tmp_path / fate, Start(first, fate)).log[0]["loss"]
    seen["full"] = stage(
        base, rows, settings(method="full", examples_per_step=24), tmp_path / "full", Start(first, "none")
    ).log[0]["loss"]
    plain = stage(base, rows, whole, tmp_path / "plain").log[0]["loss"]
    assert seen["merge"] == pytest.approx(seen["continue"], abs=2e-5)
    assert seen["full"] == pytest.approx(seen["continue"], abs=2e-5)
    assert abs(plain - seen["continue"]) > 0.1


@pytest.mark.parametrize("fate", ["continue", "merge"])
def test_a_stage_that_learns_nothing_is_the_one_before(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, first: Path, fate: Any
) -> None:
    still = settings(learning_rate=1e-30)
    stage(base, rows, still, tmp_path / "second", Start(first, fate))
    assert (tmp_path / "second" / "start").is_dir() == (fate == "merge")
    torch.testing.assert_close(logits(base, tmp_path / "second"), logits(base, first), atol=1e-5, rtol=0)
    stage(base, rows, still, tmp_path / "third", Start(tmp_path / "second", "continue"))
    assert (tmp_path / "third" / "start").is_dir() == (fate == "merge"), (
        "what an adapter stands on lies beside it"
    )
    torch.testing.assert_close(logits(base, tmp_path / "third"), logits(base, first), atol=1e-5, rtol=0)
    label = json.loads((tmp_path / "third/adapter/adapter_config.json").read_text())[
        "base_model_name_or_path"
    ]
    assert label == ("start" if fate == "merge" else base.label)


def test_merged_weights_are_those_of_the_base_plus_the_update(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, first: Path
) -> None:
    stage(base, rows, settings(), tmp_path / "second", Start(first, "merge"))
    adapter = load_file(first / "adapter/adapter_model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    down, up = (adapter[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    before = AutoModelForCausalLM.from_pretrained(base.folder).get_parameter(f"{name}.weight")
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "second/start").get_parameter(f"{name}.weight")
    torch.testing.assert_close(after, before + 16 / 8 * up @ down, atol=1e-6, rtol=0)


def test_after_full_tuning_an_adapter_stands_on_its_weights(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    stage(base, rows, settings(method="full"), full)
    stage(base, rows, settings(learning_rate=1e-30), tmp_path / "second", Start(full, "none"))
    torch.testing.assert_close(logits(base, tmp_path / "second"), logits(base, full), atol=1e-6, rtol=0)
    stage(base, rows, settings(method="full", learning_rate=1e-30), tmp_path / "third", Start(full, "none"))
    torch.testing.assert_close(logits(base, tmp_path / "third"), logits(base, full), atol=1e-6, rtol=0)


def test_an_earlier_adapter_of_other_form_is_refused(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, first: Path
) -> None:
    other = settings(lora={"r": 4, "alpha": 4.0, "target_modules": ["q_proj"]})
    with pytest.raises(ModelError) as caught:
        stage(base, rows, other, tmp_path / "second", Start(first, "continue"))
    assert caught.value.problems[0].message == (
        "the earlier adapter cannot be trained on: its r is 8, not 4, its alpha is 16.0, not 4.0, "
        "its target_modules is ['q_proj', 'v_proj'], not ['q_proj']"
    )
    stage(base, rows, other, tmp_path / "second", Start(first, "merge"))


def test_the_dropout_is_that_of_the_stage(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, first: Path
) -> None:
    wet, dry = (
        stage(base, rows, settings(lora={"dropout": p}), tmp_path / str(p), Start(first, "continue")).log
        for p in (0.5, 0.0)
    )
    assert wet[0]["loss"] != pytest.approx(dry[0]["loss"], abs=1e-4)


def test_a_merge_that_is_not_exact_is_refused(
    base: ModelFiles,
    rows: EncodedSet,
    settings: Any,
    tmp_path: Path,
    first: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(module.TOLERANCE, torch.float32, 1e-12)
    with pytest.raises(ModelError, match="merging in float32 changes the logits by") as caught:
        stage(base, rows, settings(), tmp_path / "second", Start(first, "merge"))
    assert "continue" in caught.value.problems[0].remedy
    assert not (tmp_path / "second/start").exists()
    monkeypatch.undo()
    path = first / "adapter/adapter_model.safetensors"
    save_file({name: tensor * float("nan") for name, tensor in load_file(path).items()}, path)
    with pytest.raises(ModelError, match=r"the adapter cannot be merged|changes the logits by nan"):
        stage(base, rows, settings(), tmp_path / "second", Start(first, "merge"))


def test_a_bf16_base_stays_bf16(foundry: Any, rows: EncodedSet, settings: Any, tmp_path: Path) -> None:
    half = tmp_path / "half"
    model = AutoModelForCausalLM.from_pretrained(foundry.model(), dtype=torch.bfloat16)
    model.save_pretrained(half)
    foundry.tokenizer("bytes").save_pretrained(half)
    base = ModelFiles("half", half)
    stage(base, rows, settings(), tmp_path / "first")
    stage(base, rows, settings(), tmp_path / "second", Start(tmp_path / "first", "merge"))
    assert stored_dtype(half) == stored_dtype(tmp_path / "second/start") == torch.bfloat16


def test_a_stage_of_another_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_text(json.dumps({"base": "llama", "base_sha256": "a" * 64}))
    assert earlier_lineage(tmp_path, "a" * 64)["base"] == "llama"
    with pytest.raises(ModelError, match=r"tuned from another base model, llama \(aaaaaaaaaaaa\)"):
        earlier_lineage(tmp_path, "b" * 64)
