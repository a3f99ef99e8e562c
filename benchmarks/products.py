"""fp32 matrix products, and answering, by MKL and by oneDNN: what `calque.engines.products` is there for.

    python benchmarks/products.py [--prompts 64] [--tokens 64] [--out FILE]

On one thread, in seconds of the processor: products of several shapes in GFLOP/s, forward and with both gradients; greedy answers of our
engine in tokens a second at two widths, one below `WIDE`, where the engine itself would stay with MKL. Where oneDNN is not
taken (`onednn_is_faster`) the script says so, and both columns are the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
from common import Figures, arguments, write_figures
from generation import asked, load, make_model

from calque.engines import products
from calque.engines.transformers_engine import TransformersEngine

SHAPES = ((64, 96, 256), (64, 128, 4096), (1024, 96, 256), (1024, 512, 1376))  # rows, in, out
SIZES = ("1.5M", "10M")
LEAST = 2e9  # operations that are timed


def cpu(what: Callable[[], object], times: int = 1) -> float:
    """Seconds of the processor for one turn."""
    began = time.process_time()
    for _ in range(times):
        what()
    return (time.process_time() - began) / times


def product(rows: int, inner: int, outer: int) -> Figures:
    first = torch.randn(rows, inner, requires_grad=True)
    weight = torch.randn(outer, inner, requires_grad=True)
    gradient = torch.randn(rows, outer)
    operations = 2 * rows * inner * outer
    times = max(10, int(LEAST / operations))

    def both() -> None:
        torch.autograd.grad(torch.nn.functional.linear(first, weight), (first, weight), gradient)

    def forward() -> None:
        torch.nn.functional.linear(first.detach(), weight.detach())

    both()
    return {
        "forward": operations / cpu(forward, times) / 1e9,
        "with gradients": 3 * operations / cpu(both, times) / 1e9,
    }


def answering(size: str, given: argparse.Namespace) -> float:
    """Tokens a second of our engine, all answers as long as they may be."""
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), size)
        model, encoder = load(Path(folder))
    engine = TransformersEngine(model, encoder, "m")
    conversations = asked(given)
    engine.complete(conversations[:8], max_new_tokens=8)
    return (
        len(conversations)
        * given.tokens
        / cpu(lambda: engine.complete(conversations, max_new_tokens=given.tokens))
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    faster = products.onednn_is_faster()
    if not faster:
        print("oneDNN is not taken on this processor")
    figures: dict[str, dict[str, Figures]] = {}
    for name, taken in (("MKL", False), ("oneDNN", faster)):
        with (
            patch.object(products, "onednn_is_faster", lambda taken=taken: taken),
            patch.object(products, "WIDE", 0),
        ):
            with products.fast_products():
                for shape in SHAPES:
                    figures.setdefault(f"{shape} GFLOP/s", {})[name] = product(*shape)
            for size in SIZES:
                rate = answering(size, given)
                figures.setdefault(f"answering, {size}, tokens/s", {})[name] = {"greedy": rate}
    for what, row in figures.items():
        told = "; ".join(
            f"{name} {', '.join(f'{k} {v:,.0f}' for k, v in its.items())}" for name, its in row.items()
        )
        print(f"{what}: {told}")
    write_figures(given.out, figures)


if __name__ == "__main__":
    main()
