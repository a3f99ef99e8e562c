"""Tuning on a GPU: tokens a second, share of the matrix peak, peak memory, against TRL and HF Trainer. See gpu.sh.

    python benchmarks/gpu.py [--sets 7B-lora 1B-full 8B-qlora] [--size full] [--device cuda] [--out FILE]

Random Llamas of real shapes in bf16; 2,000 rows whose lengths are lognormal (mean 140 tokens, 20 to 500, 46% trained) or
those of a file (`--lengths`, one number a line); one epoch, cut off after `--steps` steps. The first step is not counted.

7B-lora   Llama-2-7B's shape, LoRA r 8 on q and v, 128 rows a step
1B-full   Llama-3.2-1B's shape, all parameters, 128 rows a step
8B-qlora  Llama-3.1-8B's shape in 4 bits, LoRA r 32 on all linear layers, 2 rows × 4 accumulated, activations recomputed

calque           our loop
trl, packed      TRL with packing, and FlashAttention 2 where flash_attn is installed; else attention of PyTorch
trainer, flash   HF Trainer, rows padded to the longest of each micro-batch, FlashAttention 2 or PyTorch's attention

Each run is a process of its own; contenders take turns. Tokens are those of the rows, never padding. `of peak` is the
share of the measured rate of a bf16 product of 8192 × 8192 matrices that the model's own products make up, by the
tokens of the rows: 2 operations a parameter and token forward, 4 backward (2 where the weights are frozen), the head on
trained tokens. Memory is what PyTorch held at most. `losses apart` compares each step's loss with ours: rows come in our
order, but for packing. `--device cpu --size tiny` runs all of it in miniature, to see that it runs: its times say nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    Failed,
    Memory,
    alone,
    arguments,
    given,
    medians,
    random_llama,
    settings_of,
    word_tokenizer,
    write_figures,
)
from trainers import (
    Rows,
    adapted,
    counted,
    encoded,
    in_our_order,
    lognormal_lengths,
    losses_apart,
    packed_steps,
    rows_of,
    train,
    with_ours,
)

CONTENDERS = ("calque", "trl, packed", "trainer, flash")
PACKED = 2048


@dataclass(frozen=True)
class Set:
    """A shape of Llama and how it is tuned."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    groups: int
    vocabulary: int
    tied: bool = False
    rank: int = 0  # of the adapter; 0: all parameters
    modules: list[str] | str = "auto"
    quantized: bool = False
    examples_per_step: int = 128
    micro_batch: int = 8
    checkpointing: bool = False
    tokens_per_batch: int = 8192

    @property
    def products(self) -> tuple[float, float]:
        """Matrix parameters of the trunk, and of the head."""
        size = self.hidden // self.heads
        attention = self.hidden * size * (2 * self.heads + 2 * self.groups)
        return self.layers * (attention + 3 * self.hidden * self.intermediate), self.hidden * self.vocabulary


SETS = {
    "7B-lora": Set(4096, 11008, 32, 32, 32, 32000, rank=8, tokens_per_batch=4096),
    "1B-full": Set(2048, 8192, 16, 32, 8, 128256, tied=True),
    "8B-qlora": Set(
        4096, 14336, 32, 32, 8, 128256, rank=32, modules="all-linear", quantized=True,
        examples_per_step=8, micro_batch=2, checkpointing=True,
    ),
}  # fmt: skip


def chosen(args: argparse.Namespace) -> Set:
    found = SETS[args.sets[0]]
    if args.size == "full":
        return found
    return replace(
        found, hidden=64, intermediate=128, layers=2, heads=4, groups=4 if found.groups == 32 else 2,
        vocabulary=512, rank=min(found.rank, 4), examples_per_step=4, micro_batch=2, tokens_per_batch=1024,
    )  # fmt: skip


def make_rows(count: int, vocabulary: int, lengths_file: Path | None) -> Rows:
    draw, lengths = lognormal_lengths(count)
    if lengths_file is not None:
        lengths = draw.choice(np.loadtxt(lengths_file, dtype=int, ndmin=1), count)
    return rows_of(lengths, draw, vocabulary)


def write_model(shape: Set, folder: Path, device: str) -> None:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = random_llama(
            shape.hidden,
            shape.layers,
            vocab_size=shape.vocabulary,
            intermediate_size=shape.intermediate,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.groups,
            tie_word_embeddings=shape.tied,
        )
    model.save_pretrained(folder)
    word_tokenizer(shape.vocabulary).save_pretrained(folder)


def tuning_settings(shape: Set, args: argparse.Namespace) -> Any:
    from calque.tuning.settings import TuningSettings

    lora = {"r": max(1, shape.rank), "alpha": 16, "dropout": 0.0, "target_modules": shape.modules}
    return TuningSettings.model_validate(
        {
            "method": "lora" if shape.rank else "full",
            "lora": lora,
            "quantized": "4bit" if shape.quantized else None,
            "learning_rate": 1e-4,
            "schedule": "constant",
            "warmup_share": 0,
            "examples_per_step": shape.examples_per_step,
            "tokens_per_batch": shape.tokens_per_batch,
            "gradient_checkpointing": shape.checkpointing,
            "precision": "bf16" if args.device == "cuda" else "fp32",
            "steps": args.steps + 1,
            "checkpoint_steps": 10**9,
        }
    )


def with_others(
    name: str, model: Path, rows: Rows, shape: Set, args: argparse.Namespace, on_step: Callable[..., None]
) -> list[float]:
    import torch
    import transformers

    on_gpu = args.device == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    flash = on_gpu and importlib.util.find_spec("flash_attn") is not None
    loading: dict[str, Any] = {"attn_implementation": "flash_attention_2" if flash else "sdpa"}
    if shape.quantized:
        loading["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        loading["device_map"] = {"": args.device}
    llama = transformers.AutoModelForCausalLM.from_pretrained(
        model, dtype=dtype if shape.rank else torch.float32, **loading
    )
    settings = tuning_settings(shape, args)
    if shape.rank:
        llama = adapted(llama, settings.model_copy(update={"gradient_checkpointing": False}))
    ordered = in_our_order(rows, settings)
    options: dict[str, Any] = {
        "per_device_train_batch_size": shape.micro_batch,
        "gradient_accumulation_steps": shape.examples_per_step // shape.micro_batch,
        "gradient_checkpointing": shape.checkpointing,
        "learning_rate": 1e-4,
        "max_steps": args.steps + 1,
        "bf16": on_gpu,
        "use_cpu": not on_gpu,
    }
    if name == "trl, packed":
        as_long = max(1, shape.micro_batch * 140 // PACKED)  # as many tokens as the others' micro-batches
        options |= packed_steps(ordered, shape.examples_per_step, PACKED, as_long)
    return train(name, llama, model, ordered, options, PACKED, on_step)


def matrix_peak(device: str) -> float:
    """Operations a second of a product of square matrices, the best of some."""
    import torch

    n, dtype = (8192, torch.bfloat16) if device == "cuda" else (1024, torch.float32)
    one = torch.randn(n, n, device=device, dtype=dtype)
    best = 0.0
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(5):
            one @ one
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 5 * 2 * n**3 / (time.perf_counter() - began))
    return best


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    import torch

    shape, settings = chosen(args), tuning_settings(chosen(args), args)
    rows = make_rows(args.rows, shape.vocabulary, args.lengths)
    ends: list[float] = []
    memory = Memory()

    def on_step(*_: Any, **__: Any) -> None:
        ends.append(time.perf_counter())

    if name == "calque":
        losses = [step["loss"] for step in with_ours(model, encoded(rows), settings, on_step).log]
    else:
        losses = with_others(name, model, rows, shape, args, on_step)
    seconds = ends[-1] - ends[0]
    if name == "trl, packed":  # steps of about as many tokens, in an order of its own
        share = args.steps * shape.examples_per_step / len(rows[0])  # of the rows in the steps that count
        tokens, trained = (count * share for count in counted(rows))
    else:
        ids, starts = in_our_order(rows, settings)
        first = shape.examples_per_step
        tokens, trained = counted((ids[first:], starts[first:]))
    trunk, head = shape.products
    frozen = bool(shape.rank)
    operations = trunk * tokens * (4 if frozen else 6) + head * trained * (4 if frozen else 6)
    figures = {
        "tokens_per_second": tokens / seconds,
        "trained_tokens_per_second": trained / seconds,
        "of_peak": operations / seconds / matrix_peak(args.device),
        "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9
        if args.device == "cuda"
        else memory.peak() / 1e3,
        "losses": losses,
    }
    print(json.dumps(figures))


def missing(name: str, shape: Set) -> str:
    """What a contender lacks here; empty where it can run."""
    needed = (["trl"] if name.startswith("trl") else []) + (["bitsandbytes"] if shape.quantized else [])
    return ", ".join(module for module in needed if importlib.util.find_spec(module) is None)


def attempts(
    args: argparse.Namespace, shape: Set, words: list[str]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """The runs of each contender, and why others have none: out of memory is a result, too."""
    runs: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    for _ in range(args.repeats):
        for name in args.contenders:
            if lacking := missing(name, shape):
                failed[name] = f"not run: {lacking} is not installed"
                continue
            try:
                runs.setdefault(name, []).append(alone(name, __file__, words))
            except Failed as error:
                failed[name] = f"failed: {error}"
    return {name: made for name, made in runs.items() if made}, failed


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps that are timed")
    parser.add_argument("--lengths", type=Path, help="a file of row lengths in tokens, one a line")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    options = ("size", "device", "rows", "steps")
    results: list[dict[str, Any]] = []
    print(f"{'':10}{'':16}{'tokens/s':>10}{'trained/s':>11}{'of peak':>9}{'peak GB':>9}{'losses apart':>14}")
    for of in args.sets:
        shape = chosen(argparse.Namespace(**{**vars(args), "sets": [of]}))
        with tempfile.TemporaryDirectory() as folder:
            write_model(shape, Path(folder), args.device)
            words = ["--model", folder, "--sets", of, *given(args, *options)]
            words += ["--lengths", str(args.lengths)] if args.lengths else []
            runs, failed = attempts(args, shape, words)
        for name, why in failed.items():
            results.append({"set": of, "contender": name, "failed": why})
            print(f"{of:10}{name:16}  {why.strip().splitlines()[-1][:120]}", flush=True)
        for name, made in runs.items():
            row = medians(made)
            apart = ""
            if "calque" in runs and name != "trl, packed":
                row["losses_apart"] = losses_apart(runs["calque"][0]["losses"], made[0]["losses"])
                apart = f"{row['losses_apart']:.1e}"
            results.append({"set": of, "contender": name, **row, "losses": made[0]["losses"]})
            print(
                f"{of:10}{name:16}{row['tokens_per_second']:>10,.0f}{row['trained_tokens_per_second']:>11,.0f}"
                f"{row['of_peak']:>9.1%}{row['peak_gigabytes']:>9.1f}{apart:>14}",
                flush=True,
            )
    write_figures(args.out, {"settings": settings_of(args, *options, "repeats"), "results": results})


if __name__ == "__main__":
    main()
