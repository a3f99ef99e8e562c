"""Demonstrations to token ids and loss mask: rows a second and peak memory against the tokenizer alone, datasets.map and TRL.

    python benchmarks/encoding.py [--sizes 10000 100000] [--repeats 1] [--clock cpu] [--out FILE]

Made-up Italian conversations of one request (120 characters on average) and one answer (400), out of 50,000 words by
Zipf's law, under a byte-level BPE of 16,000 entries trained on some of them.

bare         `tokenizer(texts)` on 1,000 rendered rows at a time, and nothing else: the tokenizer's own batch speed
calque       from JSON lines to arrays on disk: read, render, tokenise in segments, mask, count lengths and fertility by
             language, check stop tokens, write; what the step `encode` of a run does
map          datasets.map in batches over the same rows: prompt and whole row tokenised, the mask by the prompt's length
trl          what SFTTrainer does with rows of `prompt` and `completion` before the first step
first step   from the arrays on disk to the end of the first optimiser step (1.5M parameters, 8 rows), imports left out

Each run is a process of its own. Time is that of the processor over all threads (`--clock cpu`, the tokenizer runs on one
thread then) or of the clock on the wall with as many threads as there are cores. Memory is the process's peak above
what it held after its imports. datasets and TRL take part where they can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    Memory,
    alone,
    arguments,
    by_turns,
    byte_tokenizer,
    given,
    medians,
    random_llama,
    settings_of,
    write_figures,
)

from tuning import SIZES, make_model

CONTENDERS = ("bare", "calque", "map", "trl", "first step")
WORDS, ENTRIES = 50_000, 16_000
PROMPT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Response:\n"
)


def write_rows(path: Path, rows: int) -> None:
    """Demonstrations as a run keeps them."""
    from calque.corpora.demonstration_files import write_demonstrations
    from calque.records import Demonstration, Message, Provenance

    draw = np.random.default_rng(0)
    letters = (
        np.array(list("bcdfglmnprstv")),
        np.array(["a", "e", "i", "o", "u", "è", "ò", "ar", "en", "io"]),
    )
    syllables = [a + b for a in letters[0] for b in letters[1]]
    words = np.array(["".join(draw.choice(syllables, int(draw.integers(1, 5)))) for _ in range(WORDS)])
    share = 1 / np.arange(1, WORDS + 1)
    share /= share.sum()

    def text(length: int) -> str:
        chosen = words[draw.choice(WORDS, max(3, length // 6), p=share)]
        return f"{' '.join(chosen).capitalize()}."

    lengths = draw.lognormal(0, 0.6, (rows, 2)) * (100, 330)

    def made() -> Any:
        for i, (asked, answered) in enumerate(lengths.astype(int).tolist()):
            turn = (
                Message("user", text(asked), "it"),
                Message("assistant", text(answered), "it", trained=True),
            )
            yield Demonstration("instruction", turn, Provenance("made-up.jsonl", i + 1))

    write_demonstrations(path, made())


def write_tokenizer(rows: Path, folder: Path) -> None:
    """A byte-level BPE trained on the first rows."""
    with rows.open(encoding="utf-8") as lines:
        texts = [
            m["text"]
            for line, _ in zip(lines, range(5000), strict=False)
            for m in json.loads(line)["messages"]
        ]
    marks = dict.fromkeys(("eos_token", "pad_token"), "</s>")
    byte_tokenizer([*texts, PROMPT], ENTRIES, **marks).save_pretrained(folder)


def load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def sides(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8") as lines:
        found = [[m["text"] for m in json.loads(line)["messages"]] for line in lines]
    return [(PROMPT.format(asked), answered) for asked, answered in found]


def bare(path: Path, folder: Path, _: Path) -> Any:
    tokenizer = load(folder)
    texts = [asked + answered for asked, answered in sides(path)]

    def work() -> int:
        return sum(
            len(row)
            for start in range(0, len(texts), 1000)
            for row in tokenizer(texts[start : start + 1000], add_special_tokens=False)["input_ids"]
        )

    return work


def with_calque(path: Path, folder: Path, out: Path) -> Any:
    from calque.corpora.demonstration_files import read_demonstrations
    from calque.prompts.encoding import make_encoder
    from calque.tuning.encode import check_stop_tokens, encode_demonstrations, write_encoded

    encoder = make_encoder(load(folder), "alpaca")

    def work() -> int:
        encoding = encode_demonstrations(
            read_demonstrations(path), encoder, max_tokens=4096, overlong="error"
        )
        encoded = encoding.arrays()
        check_stop_tokens(encoded, [encoder.stop_id], 0)
        write_encoded(encoded, out)
        return int(encoded.offsets[-1])

    return work


def with_map(path: Path, folder: Path, out: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    tokenizer = load(folder)

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        prompts = [PROMPT.format(messages[0]["text"]) for messages in batch["messages"]]
        whole = [
            prompt + messages[1]["text"] + tokenizer.eos_token
            for prompt, messages in zip(prompts, batch["messages"], strict=True)
        ]
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        starts = map(len, tokenizer(prompts, add_special_tokens=False)["input_ids"])
        labels = [[-100] * start + row[start:] for row, start in zip(ids, starts, strict=True)]
        return {"input_ids": ids, "labels": labels}

    def work() -> int:
        table = datasets.Dataset.from_json(str(path), cache_dir=str(out))
        made = table.map(encode, batched=True, remove_columns=table.column_names)
        return sum(map(len, made.with_format("numpy")["input_ids"]))

    return work


def with_trl(path: Path, folder: Path, out: Path) -> Any:
    import datasets
    import trl

    datasets.disable_progress_bars()
    tokenizer = load(folder)
    model = random_llama(16, 1, vocab_size=ENTRIES)
    rows = [{"prompt": asked, "completion": answered} for asked, answered in sides(path)]
    options = trl.SFTConfig(str(out), max_length=4096, report_to="none", use_cpu=True, disable_tqdm=True)

    def work() -> int:
        table = datasets.Dataset.from_list(rows)
        trainer = trl.SFTTrainer(model, args=options, train_dataset=table, processing_class=tokenizer)
        return sum(map(len, trainer.train_dataset.with_format("numpy")["input_ids"]))

    return work


def first_step(path: Path, folder: Path, out: Path) -> Any:
    from calque.engines.loading import ModelFiles
    from calque.tuning.encode import read_encoded
    from calque.tuning.loop import tune
    from calque.tuning.settings import TuningSettings

    with_calque(path, folder, out)()
    make_model(folder / "model", SIZES["1.5M"], ENTRIES)
    settings = TuningSettings(
        method="full", examples_per_step=8, steps=1, precision="fp32", checkpoint_steps=10**9
    )

    def work() -> int:
        tuned = tune(
            ModelFiles("m", folder / "model"),
            read_encoded(out),
            settings,
            seed=0,
            folder=out,
            fingerprint={},
        )
        return int(tuned.log[0]["tokens"])

    return work


WAYS = {"bare": bare, "calque": with_calque, "map": with_map, "trl": with_trl, "first step": first_step}


def run_one(name: str, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    with tempfile.TemporaryDirectory() as out:
        work = WAYS[name](args.path, args.folder, Path(out))
        memory = Memory()
        clock = time.process_time if args.clock == "cpu" else time.perf_counter
        began = clock()
        tokens = work()
        seconds = clock() - began
    print(json.dumps({"seconds": seconds, "tokens": tokens, "peak_megabytes": memory.peak()}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args)
        return
    needs = {"map": "datasets", "trl": "trl"}
    names = [n for n in args.contenders if n not in needs or importlib.util.find_spec(needs[n])]
    environment = dict(os.environ)
    if args.clock == "cpu":
        environment |= {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    results = []
    print(f"{'rows':>8} {'':11}{'seconds':>9}{'rows/s':>9}{'tokens/s':>12}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tokenizer"
        for rows in args.sizes:
            path = Path(place) / f"{rows}.jsonl"
            write_rows(path, rows)
            if not folder.is_dir():
                write_tokenizer(path, folder)
            words = ["--path", str(path), "--folder", str(folder), *given(args, "clock")]
            runs = by_turns(
                names,
                args.repeats,
                lambda name, words=words: alone(name, __file__, words, env=environment),
            )
            for name, made in runs.items():
                row = medians(made)
                results.append({"rows": rows, "contender": name, **row})
                each = "" if name == "first step" else f"{rows / row['seconds']:>9,.0f}"
                print(
                    f"{rows:>8,} {name:11}{row['seconds']:>9.2f}{each:>9}{row['tokens'] / row['seconds']:>12,.0f}"
                    f"{row['peak_megabytes']:>9.0f}",
                    flush=True,
                )
            path.unlink()
    write_figures(args.out, {"settings": settings_of(args, "clock", "repeats"), "results": results})


if __name__ == "__main__":
    main()
