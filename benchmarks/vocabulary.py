"""The head and the loss by size of vocabulary and batch: peak memory and time of ours, of plain logits, and of PyTorch's own.

    python benchmarks/vocabulary.py [--vocabularies 8192 65536 262144] [--rows 4 16] [--clock cpu] [--out FILE]

One micro-batch of rows of 128 tokens, 46% of them trained, forward and backward through a Llama of two layers of 256: what
is measured is the head. `frozen` tunes an adapter, `tuned` everything, with the embedding tied to the head.

calque    the trunk on all tokens, the head on trained ones, in chunks (tuning/head.py)
whole     the same, but all logits of trained tokens at once, as autograd does it
trainer   the model's own loss on all logits, prompt and padding too, as HF Trainer and a plain TRL run have it
torch     torch.nn.functional.linear_cross_entropy on trained tokens, with the chunks that it picks itself

Each run is a process of its own, of one thread; contenders take turns. Memory is the process's peak in the passes above
what it held just before: on a CPU resident memory, else what PyTorch held on the device. Time is of the second
and later passes: processor seconds by default (`--clock cpu`), which other work on the machine hardly changes. `apart`
is how far the loss lies from that of `trainer`, as a share of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
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
    write_figures,
)

CONTENDERS = ("calque", "whole", "torch", "trainer")
LENGTH, TRAINED, PASSES = 128, 0.46, 2


def make_model(vocabulary: int, head: str, device: Any, dtype: Any) -> Any:
    from calque.tuning.adapt import adapt
    from calque.tuning.settings import TuningSettings

    model = random_llama(256, 2, vocab_size=vocabulary, intermediate_size=704, max_position_embeddings=2048)
    model = model.to(device=device, dtype=dtype)
    method = "lora" if head == "frozen" else "full"
    return adapt(model, TuningSettings.model_validate({"method": method, "lora": {"dropout": 0}})).train()


def loss_function(name: str, model: Any, ids: Any, trained: Any) -> Callable[[], Any]:
    """What gives the mean loss of the trained tokens, the contender's way."""
    import torch
    from torch.nn import functional

    from calque.engines.attention import causal_of
    from calque.tuning import head
    from calque.tuning.forward import ResponseLoss

    labels = ids.where(trained, -100)
    if name == "trainer":
        return lambda: model(input_ids=ids, labels=labels).loss
    at = (trained[:, 1:].flatten()).nonzero()[:, 0]
    positions = at // (LENGTH - 1) * LENGTH + at % (LENGTH - 1)
    wanted = ids[:, 1:].flatten()[at]
    inner = causal_of(model)
    if name == "torch":

        def with_torch() -> Any:
            hidden = inner.model(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)[positions]
            options = torch.nn.LinearCrossEntropyOptions()
            weight = inner.lm_head.weight
            return functional.linear_cross_entropy(hidden, weight, wanted, options=options)

        return with_torch
    if name == "whole":
        head.token_losses = lambda linear, hidden, labels, *_, **__: functional.cross_entropy(  # type: ignore[assignment]
            linear(hidden).float(), labels, reduction="none"
        )
    loss_of = ResponseLoss(model)
    return lambda: loss_of(ids, positions, wanted, alike=True).mean()


def run_one(name: str, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    import torch

    torch.set_num_threads(1)
    device = torch.device(args.device)
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    vocabulary, rows = args.vocabularies[0], args.rows[0]
    model = make_model(vocabulary, args.head, device, dtype)
    ids = torch.randint(5, vocabulary, (rows, LENGTH), device=device)
    trained = (torch.arange(LENGTH, device=device) >= round(LENGTH * (1 - TRAINED))).expand(rows, -1)
    loss_of = loss_function(name, model, ids, trained)
    loss_of().item()  # what is made once is there
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    memory = Memory()
    clock = time.process_time if args.clock == "cpu" and not on_gpu else time.perf_counter
    spent = []
    for _ in range(1 + PASSES):
        began = clock()
        loss = loss_of()
        loss.backward()
        value = loss.item()
        spent.append(clock() - began)
        model.zero_grad()
    most = torch.cuda.max_memory_allocated() / 2**20 - before if on_gpu else memory.peak()
    seconds = min(spent[1:])
    figures = {"tokens_per_second": rows * LENGTH / seconds, "peak_megabytes": most, "loss": value}
    print(json.dumps(figures))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[8192, 65536, 262144])
    parser.add_argument("--rows", type=int, nargs="+", default=[4, 16], help="rows of a micro-batch")
    parser.add_argument("--heads", nargs="+", choices=["frozen", "tuned"], default=["frozen", "tuned"])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--head", default="frozen", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args)
        return
    results = []
    print(f"{'vocabulary':>10}{'rows':>6} {'head':8}{'':9}{'tokens/s':>10}{'peak MB':>9}{'apart':>9}")
    for vocabulary in args.vocabularies:
        for rows in args.rows:
            for head in args.heads:
                words = ["--vocabularies", str(vocabulary), "--rows", str(rows), "--head", head]
                words += given(args, "clock", "device", "precision")
                runs = by_turns(
                    args.contenders,
                    args.repeats,
                    lambda name, words=words: alone(name, __file__, words),
                )
                for name, made in runs.items():
                    row = {**medians(made), "apart": None}
                    if "trainer" in runs:
                        known = runs["trainer"][0]["loss"]
                        row["apart"] = abs(made[0]["loss"] - known) / known
                    results.append(
                        {"vocabulary": vocabulary, "rows": rows, "head": head, "contender": name, **row}
                    )
                    print(
                        f"{vocabulary:>10,}{rows:>6} {head:8}{name:9}{row['tokens_per_second']:>10,.0f}"
                        f"{row['peak_megabytes']:>9,.0f}{'' if row['apart'] is None else format(row['apart'], '.0e'):>9}",
                        flush=True,
                    )
    settings = settings_of(args, "clock", "device", "precision", "repeats")
    write_figures(args.out, {"settings": settings, "results": results})


if __name__ == "__main__":
    main()
