"""What all tests share: where the real files lie, and a small project: a tiny model, files, a recipe for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data files; a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("CALQUE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data files are not here ({folder}); set CALQUE_DATA to their folder")
    return folder


ANIMALS = ["il cane", "il gatto", "la mucca", "il cavallo", "la pecora", "il lupo", "la volpe", "il corvo"]
ENGLISH = ["the dog", "the cat", "the cow", "the horse", "the sheep", "the wolf", "the fox", "the raven"]
PLACES = [("nel bosco", "in the wood"), ("sul monte", "on the mountain"), ("in città", "in town")]


def sentences() -> list[tuple[str, str]]:
    """24 pairs: English, Italian."""
    return [
        (f"{english} is {where}", f"{animal} è {dove}")
        for animal, english in zip(ANIMALS, ENGLISH, strict=True)
        for dove, where in PLACES
    ]


def squad(language: str) -> dict[str, Any]:
    """Four questions in the form of SQuAD."""
    paragraphs = []
    for i, (english, italian) in enumerate(sentences()[:4]):
        context = italian if language == "it" else english
        subject = " ".join(context.split()[:2])
        question = "Chi?" if language == "it" else "Who?"
        answers = [{"text": subject, "answer_start": 0}]
        paragraphs.append(
            {"context": context, "qas": [{"id": f"q{i}", "question": question, "answers": answers}]}
        )
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}


RECIPE = """\
name: small
seed: 3
languages: [it]
model: {path: model, template: plain}
sources:
  instructions: {it: instructions.it.json, en: instructions.en.json}
  translations: {it: pairs.tsv}
demonstrate:
  x-instructions: {view: instruction}
  en-instructions: {view: instruction, language: en}
  translations: {view: translation, count: 12}
systems:
  base: {}
  en-alpaca: {mix: {en-instructions: all}}
  x-alpaca: {mix: {x-instructions: all}}
  x-crossalpaca: {mix: {x-instructions: all, translations: all}}
comparisons: [[x-alpaca, x-crossalpaca]]
tuning: {method: full, learning_rate: 0.001, epochs: 2, examples_per_step: 8, checkpoint_steps: 2}
evaluate:
  xquad: xquad.{language}.json
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte-level tokenizer, in hub form."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([text for pair in sentences() for text in pair], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    """The folder with recipe.yaml, its files and the model."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "model").symlink_to(tiny_model)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for language, side in (("en", 0), ("it", 1)):
        ask = "Say where it is." if language == "en" else "Di' dov'è."
        rows = [
            {"instruction": ask, "input": " ".join(pair[side].split()[:2]), "output": pair[side]}
            for pair in sentences()
        ]
        write_json(folder / f"instructions.{language}.json", rows)
        write_json(folder / f"xquad.{language}.json", squad(language))
    lines = "".join(f"{english}\t{italian}\n" for english, italian in sentences())
    (folder / "pairs.tsv").write_text(lines, encoding="utf-8")
    return folder


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
