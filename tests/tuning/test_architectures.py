"""The same figures for the hub's architectures: positions, masks, heads and caps are each one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hub

from calque.engines.loading import find_model, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine
from calque.prompts.encoding import make_encoder
from calque.records import Message
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.head import Finish
from calque.tuning.loop import tune
from calque.tuning.settings import TuningSettings

pytestmark = pytest.mark.slow

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
GPTJ = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "rotary_dim": 8}
OPT = {**SIZES, "ffn_dim": 64, "word_embed_proj_dim": 32, "dropout": 0.0}
NEOX = {**SIZES, "num_key_value_heads": 4}
# What stands between head and logits.
ARCHITECTURES: dict[str, tuple[Callable[..., Any], dict[str, Any], Finish]] = {
    "bloom": (hub.BloomConfig, {"hidden_size": 32, "n_layer": 2, "n_head": 4}, Finish()),
    "cohere": (hub.CohereConfig, SIZES, Finish(times=0.0625)),
    "falcon": (hub.FalconConfig, {k: SIZES[k] for k in list(SIZES)[:1] + list(SIZES)[2:4]}, Finish()),
    "gemma2": (hub.Gemma2Config, {**SIZES, "head_dim": 8, "sliding_window": 64}, Finish(cap=30.0)),
    "gemma3": (hub.Gemma3TextConfig, {**SIZES, "head_dim": 8, "sliding_window": 64}, Finish()),
    "gpt_neox": (hub.GPTNeoXConfig, NEOX, Finish()),
    "gptj": (hub.GPTJConfig, GPTJ, Finish()),
    "mistral": (hub.MistralConfig, {**SIZES, "sliding_window": 64}, Finish()),
    "mixtral": (hub.MixtralConfig, {**SIZES, "num_local_experts": 2}, Finish()),
    "mpt": (hub.MptConfig, {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 256}, Finish()),
    "opt": (hub.OPTConfig, OPT, Finish()),
    "phi": (hub.PhiConfig, SIZES, Finish()),
    "qwen3": (hub.Qwen3Config, {**SIZES, "head_dim": 8}, Finish()),
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest, foundry: Any, tmp_path: Path) -> tuple[Path, Finish]:
    """A random model of the architecture in a folder, and what stands behind its head."""
    form, sizes, finish = ARCHITECTURES[request.param]
    tokenizer = foundry.tokenizer("bytes")
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), tokenizer.eos_token_id)
    torch.manual_seed(0)
    model = hub.AutoModelForCausalLM.from_config(form(vocab_size=len(tokenizer), **sizes, **ends))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model", finish


def test_the_first_loss_is_that_of_whole_logits_row_by_row_and_it_falls(
    architecture: tuple[Path, Finish], tmp_path: Path
) -> None:
    folder, finish = architecture
    draw = np.random.default_rng(0)
    rows = [draw.integers(5, 250, n).tolist() for n in (12, 40, 25, 70, 9, 33)]
    model = load_model(find_model(str(folder)), dtype=torch.float32, device=torch.device("cpu")).eval()
    assert ResponseLoss(model).finish == finish
    found = []
    with torch.no_grad():
        for row in rows:
            logits = model(input_ids=torch.tensor([row])).logits[0].float().log_softmax(-1)
            found += [-float(logits[i - 1, row[i]]) for i in range(len(row) // 2, len(row))]
    encoded = EncodedSet(
        np.concatenate(rows).astype(np.int32),
        np.concatenate([np.arange(len(row)) >= len(row) // 2 for row in rows]),
        np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
    )
    for method in ("full", "lora"):
        settings = TuningSettings(
            method=method,  # type: ignore[arg-type]
            learning_rate=1e-2,
            schedule="constant",
            warmup_share=0,
            examples_per_step=6,
            precision="fp32",
            epochs=4,
        )
        out = tmp_path / method
        out.mkdir()
        log = tune(find_model(str(folder)), encoded, settings, seed=0, folder=out, fingerprint={}).log
        assert log[0]["loss"] == pytest.approx(sum(found) / len(found), abs=2e-4)
        assert log[-1]["loss"] < log[0]["loss"]


def test_a_batch_answers_as_its_members_do(architecture: tuple[Path, Finish]) -> None:
    files = find_model(str(architecture[0]))
    model = load_model(files, dtype=torch.float32, device=torch.device("cpu"))
    engine = TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "m")
    asked = [
        (Message("user", text, "en"),)
        for text in ("a", "the dog", "the cat in the wood is long, and longer yet")
    ]
    whole = engine.complete(asked, max_new_tokens=8)
    assert whole == [engine.complete([one], max_new_tokens=8)[0] for one in asked]
    choices = [["A", "B", "the fox"]] * 3
    for row, one in zip(engine.choose(asked, choices), asked, strict=True):
        assert row == pytest.approx(engine.choose([one], choices[:1])[0], abs=1e-4)


def test_choices_behind_a_shared_prompt_count_as_each_does_alone(architecture: tuple[Path, Finish]) -> None:
    _compare_choices(architecture[0])


@pytest.mark.parametrize("form", [hub.MambaConfig, hub.FalconH1Config], ids=["mamba", "hybrid"])
def test_models_without_keys_of_every_position_choose_too(form: Any, foundry: Any, tmp_path: Path) -> None:
    tokenizer = foundry.tokenizer("bytes")
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), tokenizer.eos_token_id)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2}
    if form is not hub.MambaConfig:
        sizes |= {
            "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "mamba_d_ssm": 32,
            "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 16,
        }  # fmt: skip
    torch.manual_seed(0)
    model = hub.AutoModelForCausalLM.from_config(form(vocab_size=len(tokenizer), **sizes, **ends))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    _compare_choices(tmp_path)


def _compare_choices(folder: Path) -> None:
    """Scores of a batch of prompts, some longer than a sliding window, against one forward pass for each choice."""
    files = find_model(str(folder))
    model = load_model(files, dtype=torch.float32, device=torch.device("cpu"))
    engine = TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "m")
    asked = [(Message("user", text, "en"),) for text in ("the dog", "il lupo è nel bosco " * 6, "a")]
    choices = [("in the wood", "A", "on the mountain and in town"), ("no", "not at all"), ("A", "B")]
    found = engine.choose(asked, choices)
    for prompt, row, scores in zip(engine.encoder.encode_prompts(asked), choices, found, strict=True):
        for answer, score in zip(engine.encoder.encode_answers(row), scores, strict=True):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + answer]), use_cache=False).logits[0].log_softmax(-1)
            alone = sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(answer))
            assert score == pytest.approx(alone, abs=1e-4)
