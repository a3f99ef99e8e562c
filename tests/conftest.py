"""What all tests share: where the real files lie, and a small project: a tiny model, files, a recipe for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.models import byte_level, byte_tokenizer, random_llama

settings.register_profile("calque", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("calque")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data files; a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("CALQUE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data files are not here ({folder}); set CALQUE_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_memory_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `calque check` remembers stays out of the user's own folders, and comes from none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
    folder = tmp_path_factory.mktemp("model")
    texts = [text for pair in sentences() for text in pair]
    random_llama(
        folder,
        byte_tokenizer(texts, 400, ["<eos>"], eos_token="<eos>"),
        hidden=32,
        intermediate_size=64,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    return folder


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    """The folder with recipe.yaml, its files and the model."""
    return make_project(tmp_path / "project", tiny_model)


def make_project(folder: Path, model: Path) -> Path:
    """Write the small project into a new folder."""
    folder.mkdir()
    (folder / "model").symlink_to(model)
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


LORA = "tuning={method: lora, learning_rate: 0.05, epochs: 3, examples_per_step: 8, lora: {r: 4, alpha: 8, dropout: 0.0}}"


def carried_out(folder: Path, *words: str) -> Path:
    """Carry the recipe of a project out, with changes; returns the run's folder."""
    from calque.recipes.reading import read_recipe
    from calque.recipes.runner import prepare
    from calque.recipes.runner import run as carry_out

    carry_out(prepare(read_recipe(str(folder / "recipe.yaml"), words)), folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A finished run, only to be read: all weights tuned, en-alpaca, x-alpaca-it, x-crossalpaca-it."""
    return carried_out(make_project(tmp_path_factory.mktemp("full") / "project", tiny_model))


@pytest.fixture(scope="session")
def lora_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The same with adapters; `later` merges that of x-alpaca and gets one of its own. The rows have a licence."""
    folder = make_project(tmp_path_factory.mktemp("lora") / "project", tiny_model)
    later = "systems.later={mix: {en-instructions: all}, starts_from: {system: x-alpaca, adapter: merge}}"
    return carried_out(folder, LORA, later, "systems.en-alpaca=null", "sources.licence=CC-BY-4.0")


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Foundry:
    """Random models of a few thousand parameters in hub form, each made once.

    Tokenizers: `bytes` (byte-level BPE, ends with </s>), `bytes-bos` (the same, with <s> in front), `pieces`
    (Unigram over ▁pieces, <s> in front), `letters` (one token a letter, ids by hand: see `LETTERS`).
    """

    LETTERS = ("<unk>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz", " ", "\n", "<", ">", "/")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[tuple[str, str, str | None], Path] = {}

    def tokenizer(self, kind: str, chat: str | None = None) -> Any:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

        special = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
        text = [text for pair in sentences() for text in pair] + ["### Instruction:\n\n### Response:\n"]
        if kind == "letters":
            vocabulary = {letter: i for i, letter in enumerate(self.LETTERS)}
            made = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
            made.decoder = decoders.Fuse()
            special = special[:3]
        elif kind == "pieces":
            made = Tokenizer(models.Unigram())
            made.pre_tokenizer = pre_tokenizers.Metaspace()
            made.decoder = decoders.Metaspace()
            made.train_from_iterator(
                text, trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>")
            )
        else:
            made = byte_level(text, 400, special)
        begins = kind in ("bytes-bos", "pieces")
        if begins:
            made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        names = {"eos_token": "<|im_end|>" if chat == CHATML else "</s>"}
        if begins:
            names["bos_token"] = "<s>"
        fast = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", **names)
        fast.chat_template = chat
        return fast

    def model(self, architecture: str = "llama", tokenizer: str = "bytes", chat: str | None = None) -> Path:
        key = (architecture, tokenizer, chat)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, architecture: str, kind: str, chat: str | None) -> Path:
        import torch
        import transformers as hub

        folder = self._root / f"model-{len(self._made)}"
        tokenizer = self.tokenizer(kind, chat)
        tokenizer.save_pretrained(folder)
        torch.manual_seed(len(architecture))
        sizes = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
        if architecture == "gpt2":
            dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
            config = hub.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256, **dropout, **sizes)
        else:
            form = {"llama": hub.LlamaConfig, "qwen2": hub.Qwen2Config}[architecture]
            config = form(
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                **sizes,
            )
        model = hub.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(
                    parameter, std=0.2
                )  # far from uniform: an argmax is clear, a mistake shows
        model.save_pretrained(folder)
        return folder


@pytest.fixture(scope="session")
def foundry(tmp_path_factory: pytest.TempPathFactory) -> Foundry:
    """Where tests get their models and tokenizers."""
    return Foundry(tmp_path_factory.mktemp("foundry"))


@pytest.fixture(scope="session")
def chatml() -> str:
    """The chat template of ChatML."""
    return CHATML
