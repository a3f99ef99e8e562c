"""Our tuning loop against the trainers of the hub: tokens a second, trained tokens a second, peak memory, losses.

    python benchmarks/tuning.py [--size 1.5M] [--steps N] [--repeats 3] [--precision auto] [--out FILE]

All tune the same random Llama on the same synthetic rows: lengths lognormal, 20 to 500 tokens with a mean near 140 (3,000
to 4,096 for the size `long`), the last 46% of each trained, a vocabulary of 8192. Each run is a process of its own;
contenders take turns, so that a busy machine troubles all of them alike. The first step is not counted. Tokens are those
of the rows, never padding. Memory is the peak of the process above what it held before the first step. Trainers that take
rows as they come are given them in our order: in fp32 the losses of every step must then agree, and the table says how
far they lie apart at most. TRL takes part where it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = 8192
MICRO_BATCH = 8  # rows of a micro-batch, for the trainers that count rows
PACKED = 1024  # tokens of a packed row
CONTENDERS = ("calque", "calque, sdpa", "trainer, padded", "trainer, grouped", "trl", "trl, packed")
IN_OUR_ORDER = ("calque", "calque, sdpa", "trainer, padded", "trl")


@dataclass(frozen=True)
class Size:
    """A model and how much of it is tuned; rows of a step, and steps that are timed."""

    hidden: int
    layers: int
    method: str = "full"
    long: bool = False
    examples_per_step: int = 128
    steps: int = 6
    micro_batch: int = MICRO_BATCH
    packed: int = PACKED


SIZES = {
    "1.5M": Size(96, 6),
    "10M": Size(272, 9, examples_per_step=64, steps=4),
    "60M-lora": Size(512, 18, method="lora", examples_per_step=16, steps=4),
    "long": Size(96, 6, long=True, examples_per_step=4, steps=6, micro_batch=1, packed=4096),
}


def make_rows(count: int, *, long: bool = False) -> tuple[list[list[int]], list[int]]:
    """Token ids of rows, and from where on each is trained."""
    draw = np.random.Generator(np.random.PCG64(0))
    lengths = draw.lognormal(np.log(118), 0.6, count).clip(20, 500).astype(int)
    if long:
        lengths = draw.integers(3000, 4097, count)
    ids = [draw.integers(5, VOCABULARY, n).tolist() for n in lengths]
    return ids, [round(n * 0.54) for n in lengths]


def make_model(folder: Path, size: Size = SIZES["1.5M"], vocabulary: int = VOCABULARY) -> None:
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.hidden * 8 // 3,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words = {"<pad>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, vocabulary)}}
    names = {"unk_token": "<pad>", "pad_token": "<pad>", "eos_token": "</s>"}
    made = Tokenizer(models.WordLevel(words))
    PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)


class Clock:
    """When each step ended, and what the process held before the first."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.before = peak()

    def step(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def peak() -> float:
    """Megabytes of resident memory, at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def settings_of(size: Size, args: argparse.Namespace) -> Any:
    """Our settings; the others are given theirs to match."""
    from calque.tuning.settings import LoraSettings, TuningSettings

    return TuningSettings(
        method=size.method,
        lora=LoraSettings(dropout=0.0),
        learning_rate=1e-3,
        schedule="constant",
        warmup_share=0,
        examples_per_step=args.examples_per_step,
        precision=args.precision,
        checkpoint_steps=10**9,
    )


def encoded(rows: Any) -> Any:
    """Rows as our loop takes them."""
    from calque.tuning.encode import EncodedSet

    ids, starts = rows
    lengths = [len(row) for row in ids]
    return EncodedSet(
        np.concatenate(ids).astype(np.int32),
        np.concatenate([np.arange(n) >= start for n, start in zip(lengths, starts, strict=True)]),
        np.concatenate([[0], np.cumsum(lengths)]),
    )


def in_our_order(rows: Any, size: Size, args: argparse.Namespace) -> Any:
    """The same rows, step by step as our loop takes them."""
    from calque.tuning.batch import plan_of

    plan = plan_of(encoded(rows), settings_of(size, args), 0, tokens_per_batch=2048)
    order = [row for step in plan.steps() for row in step.rows]
    return [rows[0][row] for row in order], [rows[1][row] for row in order]


def with_calque(
    model: Path, rows: Any, size: Size, args: argparse.Namespace, short_rows: bool
) -> tuple[Clock, list[float]]:
    from calque.engines.loading import ModelFiles
    from calque.tuning import attention
    from calque.tuning.loop import tune

    if not short_rows:
        attention.LONGEST = 0
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        tuned = tune(
            ModelFiles("m", model),
            encoded(rows),
            settings_of(size, args),
            seed=0,
            folder=Path(out),
            fingerprint={},
            on_step=clock.step,
        )
    return clock, [step["loss"] for step in tuned.log]


def with_trainer(
    model: Path, rows: Any, size: Size, args: argparse.Namespace, name: str
) -> tuple[Clock, list[float]]:
    import torch
    import transformers

    from calque.tuning.adapt import adapt
    from calque.tuning.loop import _seed

    ids, starts = in_our_order(rows, size, args)
    examples: Any = [
        {"input_ids": row, "labels": [-100] * start + row[start:], "length": len(row)}
        for row, start in zip(ids, starts, strict=True)
    ]

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in batch)

        def padded(key: str, filler: int) -> torch.Tensor:
            return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in batch])

        mask = torch.tensor(
            [[1] * len(r["input_ids"]) + [0] * (longest - len(r["input_ids"])) for r in batch]
        )
        return {"input_ids": padded("input_ids", 0), "labels": padded("labels", -100), "attention_mask": mask}

    clock = Clock()

    class Listener(transformers.TrainerCallback):
        on_step_end = staticmethod(clock.step)

    common: dict[str, Any] = {
        "per_device_train_batch_size": size.micro_batch,
        "gradient_accumulation_steps": max(1, args.examples_per_step // size.micro_batch),
        "train_sampling_strategy": "group_by_length" if name == "trainer, grouped" else "sequential",
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "num_train_epochs": 1,
        "bf16": bf16(args.precision),
        "save_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.accelerator.is_available(),
        "seed": 0,
    }
    llama = transformers.AutoModelForCausalLM.from_pretrained(model)
    if size.method == "lora":
        _seed(0, "adapter")  # the same adapter to begin with
        llama = adapt(llama, settings_of(size, args))
    trainer: Any
    with tempfile.TemporaryDirectory() as out:
        if name.startswith("trl"):
            import datasets
            import trl

            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            table = datasets.Dataset.from_list(
                [
                    {"input_ids": row, "completion_mask": [int(i >= start) for i in range(len(row))]}
                    for row, start in zip(ids, starts, strict=True)
                ]
            )
            packing = name == "trl, packed"
            if packing:  # as many tokens in a step as the others have
                packed_rows = args.examples_per_step * sum(map(len, ids)) / len(ids) / size.packed
                common["gradient_accumulation_steps"] = max(1, round(packed_rows / size.micro_batch))
            options = trl.SFTConfig(out, max_length=size.packed, packing=packing, **common)
            trainer = trl.SFTTrainer(
                llama, args=options, train_dataset=table, processing_class=tokenizer, callbacks=[Listener()]
            )
        else:
            options = transformers.TrainingArguments(out, remove_unused_columns=False, **common)
            trainer = transformers.Trainer(
                llama, options, data_collator=collate, train_dataset=examples, callbacks=[Listener()]
            )
        clock.before = peak()
        trainer.train()
    return clock, [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def bf16(precision: str) -> bool:
    import torch

    from calque.engines.device import best_device, resolve_dtype

    return resolve_dtype(precision, best_device()) == torch.bfloat16


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    size = SIZES[args.size]
    rows = make_rows((args.steps + 1) * args.examples_per_step, long=size.long)
    if name.startswith("calque"):
        clock, losses = with_calque(model, rows, size, args, short_rows=name == "calque")
    else:
        clock, losses = with_trainer(model, rows, size, args, name)
    # One epoch in steps of equal numbers of rows: the steps counted hold steps / (steps + 1) of all tokens. Packed rows
    # fill steps of other sizes; there, too, every token is seen once, and all the steps but the first are timed.
    share = (len(clock.ends) - 1) / len(clock.ends)
    seconds = clock.ends[-1] - clock.ends[0]
    tokens = sum(map(len, rows[0])) * share
    trained = sum(len(row) - start for row, start in zip(*rows, strict=True)) * share
    figures = {
        "tokens_per_second": tokens / seconds,
        "trained_tokens_per_second": trained / seconds,
        "peak_megabytes": peak() - clock.before,
        "losses": losses,
    }
    print(json.dumps(figures))


def contenders() -> list[str]:
    known = importlib.util.find_spec("trl") is not None
    return [name for name in CONTENDERS if known or not name.startswith("trl")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="1.5M", help="model, and what of it is tuned")
    parser.add_argument("--steps", type=int, help="optimiser steps that are timed")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contender")
    parser.add_argument("--examples-per-step", type=int)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.steps = args.steps or SIZES[args.size].steps
    args.examples_per_step = args.examples_per_step or SIZES[args.size].examples_per_step
    if args.one:
        run_one(args.one, args.model, args)
        return
    names = contenders()
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), SIZES[args.size])
        for turn in range(args.repeats):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                command = [sys.executable, __file__, "--one", name, "--model", folder]
                for option in ("size", "steps", "examples_per_step", "precision"):
                    command += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    sys.exit(f"{name}: {done.stderr}")
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
                print(f"{turn + 1}/{args.repeats} {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    numbers = ("tokens_per_second", "trained_tokens_per_second", "peak_megabytes")
    medians = {
        name: {key: statistics.median(r[key] for r in made) for key in numbers} for name, made in runs.items()
    }
    for name in names:
        ratios = [
            ours["tokens_per_second"] / its["tokens_per_second"]
            for ours, its in zip(runs["calque"], runs[name], strict=True)
        ]
        medians[name]["calque_is"] = statistics.median(ratios)
        apart = [
            abs(ours - its)
            for ours, its in zip(runs["calque"][0]["losses"], runs[name][0]["losses"], strict=False)
        ]
        medians[name]["losses_apart"] = max(apart) if name in IN_OUR_ORDER else math.nan
    print(
        f"{args.size:18}{'tokens/s':>10}{'trained/s':>11}{'peak MB':>9}{'losses apart':>14}{'calque is':>11}"
    )
    for name, row in medians.items():
        apart_by = f"{row['losses_apart']:.1e}" if name in IN_OUR_ORDER else "other order"
        print(
            f"{name:18}{row['tokens_per_second']:>10,.0f}{row['trained_tokens_per_second']:>11,.0f}"
            f"{row['peak_megabytes']:>9,.0f}{apart_by:>14}{row['calque_is']:>10.2f}×"
        )
    if args.out:
        keys = ("size", "steps", "repeats", "examples_per_step", "precision")
        result = {
            "settings": {**{key: getattr(args, key) for key in keys}, "bf16": bf16(args.precision)},
            "medians": medians,
            "runs": runs,
        }
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
