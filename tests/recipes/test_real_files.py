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
from tests.models import byte_tokenizer, random_llama

pytestmark = pytest.mark.real_data


def texts(data: Path, language: str) -> list[str]:
    packed = data / f"alpaca-en-zh/alpaca_data-0-3252-{language}.json.gz"
    rows = json.loads(gzip.decompress(packed.read_bytes()))
    return [row[field] for row in rows[:1500] for field in ("instruction", "input", "output")]


@pytest.fixture(scope="session")
def real_model(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of one million parameters, with a tokenizer trained on English, Chinese and Arabic rows."""
    packed = data_folder / "ntrex128/newstest2019-ref.arb.txt.gz"
    arabic = gzip.decompress(packed.read_bytes()).decode().splitlines()
    seen = texts(data_folder, "en") + texts(data_folder, "zh") + arabic
    folder = tmp_path_factory.mktemp("real-model")
    model = random_llama(
        folder,
        byte_tokenizer(seen, 4000, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>"),
        hidden=128,
        layers=3,
        seed=1,
        intermediate_size=344,
        num_attention_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    assert 900_000 < model.num_parameters() < 1_300_000
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


@pytest.mark.slow
def test_xcit_in_chinese_by_a_pair_index(data_folder: Path, real_model: Path, tmp_path: Path) -> None:
    """English Alpaca first; then pairs that an index joins, of five ranges of files."""
    alpaca = data_folder / "alpaca-en-zh"
    pairs = f"index: '{alpaca}/pairs-en-zh.jsonl.gz', minimal_score: 1.5"
    files = ", ".join(
        f"{side}: '{alpaca}/alpaca_data-{{range}}-{code}.json.gz'"
        for side, code in (("english", "en"), ("target", "zh"))
    )
    done = calque(
        "run",
        "xcit",
        f"model={real_model}",
        "language=zh",
        f"instructions.en={alpaca}/alpaca_data-51009-52002-en.json.gz",
        f"parallel={{{files}, {pairs}}}",
        f"evaluate.xquad={data_folder}/xquad/xquad.{{language}}.json.gz",
        *(f"systems.{name}=null" for name in ("base", "translated", "mixed", "plug", "crossalpaca")),
        "systems.english.mix.en-instructions=100",
        "systems.xcit.mix={x-instructions: 60, chat: 60}",
        "tuning.max_tokens=4000",
        "tuning.overlong=drop",
        "tuning.examples_per_step=32",
        "evaluate.limit=2",
        "evaluate.english_tokens=32",
        "out=run",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    counts = manifest(tmp_path / "run")
    chat = counts["demonstrate-chat-zh"]
    assert chat["rows"] == 11_063
    assert chat["dropped"]["low_score"] > 1000
    assert counts["mix-xcit-zh"]["parts"] == {"x-instructions-zh": 60, "chat-zh": 60}
    row = json.loads(
        (tmp_path / "run/steps/demonstrate-chat-zh/demonstrations.jsonl").read_text("utf-8").splitlines()[0]
    )
    assert [message["language"] for message in row["messages"]] == ["zh", "en", "zh", "zh"]
    assert row["messages"][0]["text"].startswith("给出三个保持健康的提示。\n")
    assert row["messages"][1]["text"].startswith(
        "Request: Give three tips for staying healthy.\n\nAnswer: 1."
    )
    lineage = json.loads((tmp_path / "run/steps/tune-xcit-zh/lineage.json").read_text("utf-8"))
    assert [stage["system"] for stage in lineage["stages"]] == ["english", "xcit-zh"]
    models = {
        json.loads(line)["model"] for line in (tmp_path / "run/scores.jsonl").read_text("utf-8").splitlines()
    }
    assert models == {"english", "xcit-zh", "xcit-zh@chat"}


@pytest.mark.slow
def test_xcit_in_finnish_by_dolly_and_by_trees(data_folder: Path, real_model: Path, tmp_path: Path) -> None:
    """All instructions come from the parallel files, and conversations have several turns."""
    for name, parallel in (
        ("dolly", f"{{dolly: '{data_folder}/dolly-en-fi/*.gz'}}"),
        ("oasst", f"{{oasst: '{data_folder}/oasst1-en-fi/*.gz', best_branch: true}}"),
    ):
        done = calque(
            "run",
            "xcit",
            f"model={real_model}",
            "language=fi",
            f"parallel={parallel}",
            *(f"systems.{system}=null" for system in ("base", "translated", "mixed", "crossalpaca")),
            "systems.english.mix.en-instructions=20",
            "systems.plug.mix={pivot: 20}",
            "systems.xcit.mix={x-instructions: 20, chat: 20}",
            "tuning.max_tokens=4000",
            "tuning.overlong=drop",
            "tuning.examples_per_step=32",
            f"out={name}",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        counts = manifest(tmp_path / name)
        for part in ("en-instructions-en", "x-instructions-fi", "chat-fi", "pivot-fi"):
            found = counts[f"demonstrate-{part}"]
            assert found["rows"] == found["kept"] + sum(found["dropped"].values())
            assert found["kept"] > 50
    rows = (tmp_path / "oasst/steps/demonstrate-chat-fi/demonstrations.jsonl").read_text("utf-8").splitlines()
    assert max(len(json.loads(row)["messages"]) for row in rows) >= 8


def real_text(data: Path, folder: Path, *settings: str) -> dict[str, Any]:
    """`make real`, with its working folder and its run in `folder`; the counts of the steps."""
    script = Path(__file__).parents[2] / "benchmarks" / "real_text.py"
    done = subprocess.run(
        [sys.executable, str(script), "--data", str(data), "--work", "work", "--out", "run", *settings],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    counts = manifest(folder / "run")
    for name, found in counts.items():
        if "dropped" in found and not name.startswith("mix-"):
            assert found["rows"] == found["kept"] + sum(found["dropped"].values()), name
    return counts


def test_xinstruction_on_real_text_in_two_languages_one_of_them_without_a_seed(
    data_folder: Path, tmp_path: Path
) -> None:
    counts = real_text(
        data_folder,
        tmp_path,
        "language=zh,bn",
        "curate.refine.rounds=1",
        "curate.refine.passages=16",
        "curate.refine.score_rounds=false",
        "curate.refine.held_out=0.1",
        "curate.refine.writing.response_tokens=16",
        "curate.refine.generator.steps=60",
        "tuning.steps=6",
        "tuning.max_tokens=600",
        *(f"systems.{name}=null" for name in ("base", "seed-alone", "random", "longest", "undiversified")),
        "evaluate.limit=2",
    )
    assert counts["passages-bn"]["dropped"]["wrong_script"] > 100, "pages of the guide that are in English"
    assert counts["demonstrate-seed-zh"]["kept"] > 400
    assert not [name for name in counts if name.startswith(("demonstrate-seed-bn", "ratings-1-bn"))]
    assert counts["rate-1-bn"]["kept"] > 0
    parts = counts["mix-xinstruction"]["parts"]
    assert set(parts) == {"seed-zh", "refined-zh", "refined-bn"}
    rows = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text("utf-8").splitlines()]
    assert ("xinstruction", "zh") in {(r["model"], r["language"]) for r in rows if r["benchmark"] == "open"}
    report = (tmp_path / "run/report.html").read_text("utf-8")
    assert "Bengali" in report
    assert str(data_folder) not in report


@pytest.mark.slow
def test_xinstruction_on_real_text_in_ten_languages(data_folder: Path, tmp_path: Path) -> None:
    """The command as it stands in the documentation."""
    counts = real_text(data_folder, tmp_path)
    languages = {name.removeprefix("passages-") for name in counts if name.startswith("passages-")}
    assert languages == {"fi", "sw", "zh", "th", "hi", "bn", "id", "ta", "tr", "ur"}
    assert all(counts[f"select-refined-{code}"]["kept"] > 0 for code in languages)
    assert "measure-2" in counts
