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
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tuning import encoded, peak

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


def make_rows(count: int, vocabulary: int, lengths_file: Path | None) -> tuple[list[list[int]], list[int]]:
    draw = np.random.default_rng(0)
    lengths = draw.lognormal(np.log(118), 0.6, count).clip(20, 500).astype(int)
    if lengths_file is not None:
        known = np.loadtxt(lengths_file, dtype=int, ndmin=1)
        lengths = draw.choice(known, count)
    ids = [draw.integers(5, vocabulary, n).tolist() for n in lengths]
    return ids, [round(n * 0.54) for n in lengths]


def write_model(shape: Set, folder: Path, device: str) -> None:
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.groups,
        max_position_embeddings=4096,
        tie_word_embeddings=shape.tied,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    words = {"<pad>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, shape.vocabulary)}}
    names = {"unk_token": "<pad>", "pad_token": "<pad>", "eos_token": "</s>"}
    made = Tokenizer(models.WordLevel(words))
    PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)


def settings_of(shape: Set, args: argparse.Namespace) -> Any:
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


def with_calque(
    model: Path, rows: Any, shape: Set, args: argparse.Namespace, ends: list[float]
) -> list[float]:
    from calque.engines.loading import ModelFiles
    from calque.tuning.loop import tune

    with tempfile.TemporaryDirectory() as out:
        tuned = tune(
            ModelFiles("m", model),
            encoded(rows),
            settings_of(shape, args),
            seed=0,
            folder=Path(out),
            fingerprint={},
            on_step=lambda *_: ends.append(time.perf_counter()),
        )
    return [step["loss"] for step in tuned.log]


def with_others(
    name: str, model: Path, rows: Any, shape: Set, args: argparse.Namespace, ends: list[float]
) -> list[float]:
    import torch
    import transformers

    from calque.tuning.adapt import adapt
    from calque.tuning.loop import _seed

    class Listener(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    on_gpu = args.device == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    flash = on_gpu and importlib.util.find_spec("flash_attn") is not None
    options: dict[str, Any] = {"attn_implementation": "flash_attention_2" if flash else "sdpa"}
    if shape.quantized:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": args.device}
    base = transformers.AutoModelForCausalLM.from_pretrained(
        model, dtype=dtype if shape.rank else torch.float32, **options
    )
    llama = base
    if shape.rank:
        _seed(0, "adapter")
        settings = settings_of(shape, args).model_copy(update={"gradient_checkpointing": False})
        llama = adapt(base, settings)
    common: dict[str, Any] = {
        "per_device_train_batch_size": shape.micro_batch,
        "gradient_accumulation_steps": shape.examples_per_step // shape.micro_batch,
        "gradient_checkpointing": shape.checkpointing,
        "train_sampling_strategy": "sequential",
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "max_steps": args.steps + 1,
        "bf16": on_gpu,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not on_gpu,
    }
    ids, starts = in_our_order(rows, shape, args)
    trainer: Any
    with tempfile.TemporaryDirectory() as out:
        if name == "trl, packed":
            import datasets
            import trl

            table = datasets.Dataset.from_list(
                [
                    {"input_ids": row, "completion_mask": [int(i >= start) for i in range(len(row))]}
                    for row, start in zip(ids, starts, strict=True)
                ]
            )
            each = (
                args.rows_per_step * sum(map(len, ids)) / len(ids)
            )  # as many tokens in a step as the others
            common["per_device_train_batch_size"] = max(1, shape.micro_batch * 140 // PACKED)
            wanted = each / PACKED / common["per_device_train_batch_size"]
            common["gradient_accumulation_steps"] = max(1, round(wanted))
            config = trl.SFTConfig(out, max_length=PACKED, packing=True, **common)
            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            trainer = trl.SFTTrainer(
                llama, args=config, train_dataset=table, processing_class=tokenizer, callbacks=[Listener()]
            )
        else:
            examples: Any = [
                {"input_ids": row, "labels": [-100] * start + row[start:]}
                for row, start in zip(ids, starts, strict=True)
            ]
            trainer = transformers.Trainer(
                llama,
                transformers.TrainingArguments(out, remove_unused_columns=False, **common),
                data_collator=padded,
                train_dataset=examples,
                callbacks=[Listener()],
            )
        trainer.train()
    return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def in_our_order(rows: Any, shape: Set, args: argparse.Namespace) -> Any:
    """The same rows, step by step as our loop takes them."""
    from calque.tuning.batch import plan_of

    plan = plan_of(encoded(rows), settings_of(shape, args), 0, tokens_per_batch=shape.tokens_per_batch)
    order = [row for step in plan.steps() for row in step.rows]
    return [rows[0][row] for row in order], [rows[1][row] for row in order]


def padded(batch: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    longest = max(len(row["input_ids"]) for row in batch)

    def side_by_side(key: str, filler: int) -> Any:
        return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in batch])

    mask = torch.tensor([[int(i < len(row["input_ids"])) for i in range(longest)] for row in batch])
    return {
        "input_ids": side_by_side("input_ids", 0),
        "labels": side_by_side("labels", -100),
        "attention_mask": mask,
    }


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

    shape = chosen(args)
    args.rows_per_step = shape.examples_per_step
    rows = make_rows(args.rows, shape.vocabulary, args.lengths)
    ends: list[float] = []
    if name == "calque":
        losses = with_calque(model, rows, shape, args, ends)
    else:
        losses = with_others(name, model, rows, shape, args, ends)
    share = (
        args.steps * shape.examples_per_step / len(rows[0])
    )  # of the rows in the steps that count, by number
    seconds = ends[-1] - ends[0]
    taken = in_our_order(rows, shape, args)
    first = shape.examples_per_step
    if name == "trl, packed":  # steps of about as many tokens, in an order of its own
        tokens = sum(map(len, rows[0])) * share
        trained = sum(len(row) - start for row, start in zip(*rows, strict=True)) * share
    else:
        tokens = sum(map(len, taken[0][first:]))
        trained = sum(len(r) - s for r, s in zip(taken[0][first:], taken[1][first:], strict=True))
    trunk, head = shape.products
    frozen = bool(shape.rank)
    operations = trunk * tokens * (4 if frozen else 6) + head * trained * (4 if frozen else 6)
    figures = {
        "tokens_per_second": tokens / seconds,
        "trained_tokens_per_second": trained / seconds,
        "of_peak": operations / seconds / matrix_peak(args.device),
        "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9 if args.device == "cuda" else peak() / 1e3,
        "losses": losses,
    }
    print(json.dumps(figures))


def missing(name: str, shape: Set) -> str:
    """What a contender lacks here; empty where it can run."""
    needed = (["trl"] if name.startswith("trl") else []) + (["bitsandbytes"] if shape.quantized else [])
    return ", ".join(module for module in needed if importlib.util.find_spec(module) is None)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps that are timed")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each contender")
    parser.add_argument("--lengths", type=Path, help="a file of row lengths in tokens, one a line")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    results = []
    print(f"{'':10}{'':16}{'tokens/s':>10}{'trained/s':>11}{'of peak':>9}{'peak GB':>9}{'losses apart':>14}")
    for of in args.sets:
        args_of = argparse.Namespace(**{**vars(args), "sets": [of]})
        shape = chosen(args_of)
        runs: dict[str, list[dict[str, Any]]] = {}
        with tempfile.TemporaryDirectory() as folder:
            write_model(shape, Path(folder), args.device)
            for _ in range(args.repeats):
                for name in args.contenders:
                    if lacking := missing(name, shape):
                        print(f"{of:10}{name:16}  not run: {lacking} is not installed", flush=True)
                        continue
                    command = [sys.executable, __file__, "--one", name, "--model", folder, "--sets", of]
                    for option in ("size", "device", "rows", "steps"):
                        command += [f"--{option}", str(getattr(args, option))]
                    command += ["--lengths", str(args.lengths)] if args.lengths else []
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode != 0:  # out of memory is a result, too
                        print(
                            f"{of:10}{name:16}  failed: {done.stderr.strip().splitlines()[-1][:120]}",
                            flush=True,
                        )
                        continue
                    runs.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
        for name, made in runs.items():
            keys = [key for key in made[0] if key != "losses"]
            row: dict[str, Any] = {key: statistics.median(run[key] for run in made) for key in keys}
            apart = ""
            if "calque" in runs and name != "trl, packed":
                ours, its = runs["calque"][0]["losses"], made[0]["losses"]
                row["losses_apart"] = max(abs(a - b) for a, b in zip(ours, its, strict=False))
                apart = f"{row['losses_apart']:.1e}"
            results.append({"set": of, "contender": name, **row, "losses": made[0]["losses"]})
            print(
                f"{of:10}{name:16}{row['tokens_per_second']:>10,.0f}{row['trained_tokens_per_second']:>11,.0f}"
                f"{row['of_peak']:>9.1%}{row['peak_gigabytes']:>9.1f}{apart:>14}",
                flush=True,
            )
    if args.out:
        settings = {key: getattr(args, key) for key in ("size", "device", "rows", "steps", "repeats")}
        args.out.write_text(
            json.dumps({"settings": settings, "results": results}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
