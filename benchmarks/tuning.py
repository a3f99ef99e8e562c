"""Our tuning loop against the trainers of the hub: tokens a second, trained tokens a second, peak memory, losses.

    python benchmarks/tuning.py [--size 1.5M] [--steps N] [--repeats 3] [--precision auto] [--dropout 0] [--only NAMES]
                                [--out FILE]

All tune the same random Llama on the same synthetic rows: lengths lognormal, 20 to 500 tokens with a mean near 140 (3,000
to 4,096 for the size `long`), the last 46% of each trained, a vocabulary of 8192. Each run is a process of its own;
contenders take turns, so that a busy machine troubles all of them alike. The first step is not counted. Tokens are those
of the rows of the steps that are timed, never padding. Memory is the process's peak above what it held after its imports:
of all of them with the model and the optimiser's state. Trainers that take
rows as they come are given them in our order: in fp32 the losses of every step must then agree, and the table says how
far they lie apart at most. `--dropout` is the adapter's; what is drawn is not
the same for all then. `calque, one lane` runs one micro-batch after the other, `calque, sdpa` takes torch's fused attention. TRL takes part where it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import (
    Memory,
    alone,
    arguments,
    by_turns,
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

VOCABULARY = 8192
MICRO_BATCH = 8  # rows of a micro-batch, for the trainers that count rows
PACKED = 1024  # tokens of a packed row
CONTENDERS = (
    "calque",
    "calque, one lane",
    "calque, sdpa",
    "trainer, padded",
    "trainer, grouped",
    "trl",
    "trl, packed",
)
IN_OUR_ORDER = ("calque", "calque, one lane", "calque, sdpa", "trainer, padded", "trl")


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


def make_rows(count: int, *, long: bool = False) -> Rows:
    """Token ids of rows, and from where on each is trained."""
    draw, lengths = lognormal_lengths(count)
    return rows_of(draw.integers(3000, 4097, count) if long else lengths, draw, VOCABULARY)


def make_model(folder: Path, size: Size = SIZES["1.5M"], vocabulary: int = VOCABULARY) -> None:
    random_llama(size.hidden, size.layers, vocab_size=vocabulary).save_pretrained(folder)
    word_tokenizer(vocabulary).save_pretrained(folder)


class Clock:
    """When each step ended, the tokens of all until then, and what the process holds from now on."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.tokens: list[int] = []
        self.memory = Memory()

    def step(self, *of_step: Any, **_: Any) -> None:
        """Called with our step's log, or with what a trainer of the hub gives its listeners: settings and state."""
        self.ends.append(time.perf_counter())
        if len(of_step) > 1 and hasattr(of_step[1], "num_input_tokens_seen"):
            self.tokens.append(int(of_step[1].num_input_tokens_seen))
        else:
            self.tokens.append(of_step[0].tokens + (self.tokens[-1] if self.tokens else 0))


def tuning_settings(size: Size, args: argparse.Namespace) -> Any:
    """Our settings; the others are given theirs to match."""
    from calque.tuning.settings import LoraSettings, TuningSettings

    return TuningSettings(
        method=size.method,
        lora=LoraSettings(dropout=args.dropout),
        learning_rate=1e-3,
        schedule="constant",
        warmup_share=0,
        examples_per_step=args.examples_per_step,
        precision=args.precision,
        checkpoint_steps=10**9,
    )


def with_calque(
    model: Path, rows: Rows, size: Size, args: argparse.Namespace, name: str, clock: Clock | None = None
) -> tuple[Clock, list[float]]:
    import calque.tuning.loop  # noqa: F401
    from calque.tuning import attention, lanes

    if name == "calque, sdpa":
        attention.LONGEST = 0
    if name == "calque, one lane":
        lanes.MOST = 1
    clock = clock or Clock()
    tuned = with_ours(model, encoded(rows), tuning_settings(size, args), clock.step)
    return clock, [step["loss"] for step in tuned.log]


def with_trainer(
    model: Path, rows: Rows, size: Size, args: argparse.Namespace, name: str, clock: Clock | None = None
) -> tuple[Clock, list[float]]:
    import torch
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments  # noqa: F401

    import calque.tuning.adapt  # noqa: F401

    if name.startswith("trl"):
        import datasets  # noqa: F401
        from trl import SFTConfig, SFTTrainer  # noqa: F401
    settings = tuning_settings(size, args)
    ordered = in_our_order(rows, settings)
    micro_batch = min(size.micro_batch, args.examples_per_step)
    options: dict[str, Any] = {
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": args.examples_per_step // micro_batch,
        "learning_rate": 1e-3,
        "num_train_epochs": 1,
        "bf16": bf16(args.precision),
        "use_cpu": not torch.accelerator.is_available(),
        "seed": 0,
        "include_num_input_tokens_seen": "non_padding",  # which a GPU would wait for at each micro-batch
    }
    if name == "trainer, grouped":
        options["train_sampling_strategy"] = "group_by_length"
    if name == "trl, packed":
        options |= packed_steps(rows, args.examples_per_step, size.packed, micro_batch)
    clock = clock or Clock()
    llama = AutoModelForCausalLM.from_pretrained(model)
    if size.method == "lora":
        llama = adapted(llama, settings)
    return clock, train(name, llama, model, ordered, options, size.packed, clock.step)


def bf16(precision: str) -> bool:
    import torch

    from calque.engines.device import best_device, resolve_dtype

    return resolve_dtype(precision, best_device()) == torch.bfloat16


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    size = SIZES[args.size]
    rows = make_rows((args.steps + 1) * args.examples_per_step, long=size.long)
    if name.startswith("calque"):
        clock, losses = with_calque(model, rows, size, args, name)
    else:
        clock, losses = with_trainer(model, rows, size, args, name)
    if len(clock.ends) < 2:
        sys.exit("all rows went into one step, which is not counted: take more --steps")
    seconds = clock.ends[-1] - clock.ends[0]
    # Rows that are grouped by length come longest first: the step that is not counted is not one of as many tokens.
    tokens = clock.tokens[-1] - clock.tokens[0]
    trained = tokens * counted(rows)[1] / counted(rows)[0]
    figures = {
        "tokens_per_second": tokens / seconds,
        "trained_tokens_per_second": trained / seconds,
        "peak_megabytes": clock.memory.peak(),
        "losses": losses,
    }
    print(json.dumps(figures))


def contenders(only: str | None) -> list[str]:
    known = importlib.util.find_spec("trl") is not None
    names = [name for name in CONTENDERS if known or not name.startswith("trl")]
    return [name for name in names if only is None or name == "calque" or name in only.split(";")]


def tuning_arguments(doc: str | None, *, repeats: int = 1) -> argparse.ArgumentParser:
    """The parser of a benchmark that tunes this model."""
    parser = arguments(doc, repeats=repeats)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    parser = tuning_arguments(__doc__, repeats=3)
    parser.add_argument("--size", choices=SIZES, default="1.5M", help="model, and what of it is tuned")
    parser.add_argument("--steps", type=int, help="optimiser steps that are timed")
    parser.add_argument("--examples-per-step", type=int)
    parser.add_argument("--dropout", type=float, default=0.0, help="of the adapter, of all contenders")
    parser.add_argument("--only", help="contenders beside ours, with `;` between; all by default")
    args = parser.parse_args()
    args.steps = args.steps or SIZES[args.size].steps
    args.examples_per_step = args.examples_per_step or SIZES[args.size].examples_per_step
    if args.one:
        run_one(args.one, args.model, args)
        return
    options = ("size", "steps", "examples_per_step", "precision", "dropout")
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), SIZES[args.size])
        words = ["--model", folder, *given(args, *options)]
        runs = by_turns(contenders(args.only), args.repeats, lambda name: alone(name, __file__, words))
    table = {name: medians(made) for name, made in runs.items()}
    for name, row in table.items():
        row["calque_is"] = statistics.median(
            ours["tokens_per_second"] / its["tokens_per_second"]
            for ours, its in zip(runs["calque"], runs[name], strict=True)
        )
        row["losses_apart"] = math.nan
        if name in IN_OUR_ORDER:
            row["losses_apart"] = losses_apart(runs["calque"][0]["losses"], runs[name][0]["losses"])
    print(
        f"{args.size:18}{'tokens/s':>10}{'trained/s':>11}{'peak MB':>9}{'losses apart':>14}{'calque is':>11}"
    )
    for name, row in table.items():
        apart_by = f"{row['losses_apart']:.1e}" if name in IN_OUR_ORDER else "other order"
        print(
            f"{name:18}{row['tokens_per_second']:>10,.0f}{row['trained_tokens_per_second']:>11,.0f}"
            f"{row['peak_megabytes']:>9,.0f}{apart_by:>14}{row['calque_is']:>10.2f}×"
        )
    settings = {**settings_of(args, *options, "repeats"), "bf16": bf16(args.precision)}
    write_figures(args.out, {"settings": settings, "medians": table, "runs": runs})


if __name__ == "__main__":
    main()
