"""The base that is shipped: small, loadable, strong in English."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from calque.engines.loading import find_model, load_model, load_tokenizer
from calque.lab.files import world_of
from calque.lab.lexicon import lexicon
from calque.lab.pretrain import COPYING_GATE, RECALL_GATE, copying, recall
from calque.prompts.encoding import make_encoder

BASE = Path(str(resources.files("calque.lab"))) / "base"


def test_it_is_small_and_in_hub_form() -> None:
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 8_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in BASE.iterdir()}


def test_it_passes_its_gates() -> None:
    import torch

    files = find_model(str(BASE))
    model, tokenizer = load_model(files, dtype=torch.float32), load_tokenizer(files)
    assert 1_000_000 < model.num_parameters() < 3_000_000
    written = json.loads((BASE / "gates.json").read_text(encoding="utf-8"))
    world = world_of(seed=written["seed"], people=written["people"])
    assert recall(model, tokenizer, world) >= RECALL_GATE
    assert copying(model, tokenizer, world, count=100) >= COPYING_GATE


def test_its_vocabulary_covers_the_prompts() -> None:
    tokenizer = load_tokenizer(find_model(str(BASE)))
    assert make_encoder(tokenizer, "plain").stop_id == tokenizer.eos_token_id
    for text in lexicon("it").data["instructions"]["memory"]:
        assert len(tokenizer(text)["input_ids"]) <= 2 * len(text.split()) + 2
