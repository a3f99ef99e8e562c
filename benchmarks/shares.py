"""Where a step of tuning spends its time, for our loop and for HF Trainer, on one thread: products, attention, and the rest.

    python benchmarks/shares.py [--sizes 1.5M 10M 60M-lora] [--precision auto] [--out FILE]

Models and rows are those of `tuning.py`; one step is profiled after one that is not. Products are those of weights, by the clock of torch's
profiler; `reached` is how fast they run, and `peak` how fast a large one does. `at most` says how many times as fast the whole
would be if nothing but its products ran: what no loop can go beyond that computes the same on this processor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import Figures, alone, by_turns, given, write_figures
from torch.profiler import ProfilerActivity, profile

from calque.engines.products import fast_products
from tuning import SIZES, Clock, bf16, make_model, make_rows, tuning_arguments, with_calque, with_trainer

CONTENDERS = ("calque, one lane", "trainer, padded")
PRODUCTS = {"mm", "addmm"}
ATTENTION = {"bmm", "baddbmm", "_softmax", "_softmax_backward_data"}


def is_attention(name: str) -> bool:
    return name in ATTENTION or "scaled_dot_product" in name


class Profiled(Clock):
    """Profiles the second step for its time and the third for its operations, to count which takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.profile = profile(activities=[ProfilerActivity.CPU])
        self.counting = profile(activities=[ProfilerActivity.CPU], with_flops=True)

    def step(self, *of_step: Any, **_: Any) -> None:
        """Called as a clock is."""
        super().step(*of_step)
        if len(self.ends) == 1:
            self.profile.start()
            self.ends[0] = time.perf_counter()
        elif len(self.ends) == 2:
            self.profile.stop()
            self.counting.start()
        elif len(self.ends) == 3:
            self.counting.stop()


def peak(dtype: torch.dtype) -> float:
    """Operations a second of a large product."""
    first, second = torch.randn(2, 1024, 1024).to(dtype)
    with fast_products():
        first @ second
        best = 0.0
        for _ in range(20):
            began = time.perf_counter()
            first @ second
            best = max(best, 2 * 1024**3 / (time.perf_counter() - began))
    return best


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    torch.set_num_threads(1)
    size = SIZES[args.size]
    args.examples_per_step, args.dropout = size.examples_per_step, 0.0
    rows = make_rows(4 * args.examples_per_step, long=size.long)
    watch = Profiled()
    run = with_calque if name.startswith("calque") else with_trainer
    run(model, rows, size, args, name, watch)
    seconds = {"products": 0.0, "attention": 0.0}
    for event in watch.profile.key_averages():
        what = event.key.removeprefix("aten::")
        part = "products" if what in PRODUCTS else "attention" if is_attention(what) else ""
        if part:
            seconds[part] += event.self_cpu_time_total / 1e6
    counted = sum(e.flops for e in watch.counting.key_averages() if e.key.removeprefix("aten::") in PRODUCTS)
    first, second, third, *_ = watch.tokens
    tokens, per_token = second - first, counted / (third - second)
    taken = watch.ends[1] - watch.ends[0]
    figures = {
        "tokens_per_second": tokens / taken,
        "products": seconds["products"] / taken,
        "attention": seconds["attention"] / taken,
        "reached_gflops": per_token * tokens / seconds["products"] / 1e9,
        "peak_gflops": peak(torch.bfloat16 if bf16(args.precision) else torch.float32) / 1e9,
        "operations_per_token": per_token,
    }
    print(json.dumps(figures))


def main() -> None:
    parser = tuning_arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1.5M", "10M", "60M-lora"])
    parser.add_argument("--size", choices=SIZES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    result: dict[str, dict[str, Figures]] = {}
    for size in args.sizes:
        args.size = size
        with tempfile.TemporaryDirectory() as folder:
            make_model(Path(folder), SIZES[size])
            words = ["--model", folder, *given(args, "size", "precision")]
            runs = by_turns(list(CONTENDERS), 1, lambda name, words=words: alone(name, __file__, words))
        result[size] = {name: made[0] for name, made in runs.items()}
    print(
        f"{'':28}{'tokens/s':>10}{'products':>10}{'attention':>11}{'rest':>7}{'reached':>9}{'peak':>6} GFLOP/s"
        f"{'at most':>9}"
    )
    for size, contenders in result.items():
        for name, row in contenders.items():
            rest = 1 - row["products"] - row["attention"]
            most = row["peak_gflops"] / row["reached_gflops"] / row["products"]
            print(
                f"{size:10}{name:18}{row['tokens_per_second']:>10,.0f}{row['products']:>10.0%}{row['attention']:>11.0%}{rest:>7.0%}"
                f"{row['reached_gflops']:>9.0f}{row['peak_gflops']:>6.0f}{'':8}{most:>8.1f}×"
            )
    write_figures(args.out, result)


if __name__ == "__main__":
    main()
