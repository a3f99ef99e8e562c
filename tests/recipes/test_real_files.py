"""The recipe on real files, with a random model: real rows, real scripts, real lengths."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real_data


def texts(data: Path, language: str) -> list[str]:
    packed = data / f"alpaca-en-zh/alpaca_data-0-3252-{language}.json.gz"
    rows = json.loads(gzip.decompress(packed.read_bytes()))
    return [row[field] for row in rows[:1500] for field in ("instruction", "input", "output")]


@pytest.fixture(scope="session")
def real_model(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of one million parameters, with a tokenizer trained on English, Chinese and Arabic rows."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("real-model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    packed = data_folder / "ntrex128/newstest2019-ref.arb.txt.gz"
    arabic = gzip.decompress(packed.read_bytes()).decode().splitlines()
    tokenizer.train_from_iterator(texts(data_folder, "en") + texts(data_folder, "zh") + arabic, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    assert 900_000 < model.num_parameters() < 1_300_000
    model.save_pretrained(folder)
    return folder


def calque(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from calque.cli import main; main()", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def manifest(run: Path) -> dict[str, Any]:
    return {s["name"]: s["counts"] for s in json.loads((run / "manifest.json").read_text("utf-8"))["steps"]}


def test_chinese_with_lora(data_folder: Path, real_model: Path, tmp_path: Path) -> None:
    """The command of the README, word by word, but for the limits."""
    done = calque(
        "run",
        "crossalpaca",
        f"model={real_model}",
        "language=zh",
        f"instructions={data_folder}/alpaca-en-zh/alpaca_data-3252-6382-zh.json.gz",
        f"translations={data_folder}/tico19/all.en-zh.tmx.gz",
        f"evaluate.xquad={data_folder}/xquad/xquad.{{language}}.json.gz",
        f"evaluate.mlqa={data_folder}/mlqa/dev-context-{{language}}-question-{{language}}.json*",
        f"evaluate.bbh.en={data_folder}/bbh-en",
        "demonstrate.translations.count=200",
        "systems.x-alpaca.mix.x-instructions=200",
        "systems.x-crossalpaca.mix.x-instructions=200",
        "tuning.max_tokens=4000",
        "tuning.overlong=truncate",
        "evaluate.limit=4",
        "out=run",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "en-alpaca is left out: sources.instructions.en is not given" in done.stdout
    counts = manifest(tmp_path / "run")
    assert counts["demonstrate-translations-zh"]["rows"] == 3071
    assert counts["mix-x-crossalpaca-zh"]["parts"] == {"x-instructions-zh": 200, "translations-zh": 200}
    assert counts["tune-x-crossalpaca-zh"]["steps"] == 4
    rows = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text("utf-8").splitlines()]
    asked = {(r["benchmark"], r["language"], r["n"]) for r in rows}
    assert {("xquad", "en", 4), ("xquad", "zh", 4), ("mlqa", "en", 4), ("mlqa", "zh", 4)} <= asked
    assert any(r["benchmark"] == "bbh" and r["language"] == "en" for r in rows)
    report = (tmp_path / "run/report.html").read_text("utf-8")
    assert "x-crossalpaca-zh" in report or "zh" in report
    assert str(tmp_path) not in report


@pytest.mark.slow
def test_arabic_and_german_at_once_with_full_tuning(
    data_folder: Path, real_model: Path, tmp_path: Path
) -> None:
    """Two target languages in one command; English instructions stand in where no translated Alpaca is to be had."""
    ntrex = data_folder / "ntrex128"
    english = f"{data_folder}/alpaca-en-zh/alpaca_data-3252-6382-en.json.gz"
    done = calque(
        "run",
        "crossalpaca",
        f"model={real_model}",
        "language=ar,de",
        f"instructions={{en: '{english}', ar: '{english}', de: '{english}'}}",
        f"translations.ar={{english: '{ntrex}/newstest2019-src.eng.txt', target: '{ntrex}/newstest2019-ref.arb.txt.gz'}}",
        f"translations.de={{english: '{data_folder}/tatoeba-laser/tatoeba.deu-eng.eng', "
        f"target: '{data_folder}/tatoeba-laser/tatoeba.deu-eng.deu'}}",
        f"evaluate.mmlu={{ar: '{data_folder}/mmlu-ar', en: '{data_folder}/mmlu-en'}}",
        f"evaluate.xquad={data_folder}/xquad/xquad.{{language}}.json.gz",
        "demonstrate.translations.count=100",
        "systems.x-alpaca.mix.x-instructions=100",
        "systems.en-alpaca.mix.en-instructions=100",
        "systems.x-crossalpaca.mix.x-instructions=100",
        "tuning={method: full, max_tokens: 3000, overlong: drop, examples_per_step: 32}",
        "evaluate.limit=4",
        "out=run",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    counts = manifest(tmp_path / "run")
    assert counts["demonstrate-translations-ar"]["rows"] == 1997
    assert counts["demonstrate-translations-de"]["rows"] == 1000
    rows = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text("utf-8").splitlines()]
    means = {r["model"] for r in rows if r["benchmark"] == "xquad" and r["language"] == "mean"}
    assert means == {"base", "en-alpaca", "x-alpaca", "x-crossalpaca"}
