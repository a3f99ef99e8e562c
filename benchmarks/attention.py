"""Causal attention in tuning, forward and backward: by blocks (`calque.tuning.causal`) against torch's fused one, on one thread.

    python benchmarks/attention.py [--repeats 10] [--out FILE]

Milliseconds, the best of some turns, of rows of several lengths in fp32 and in bf16, four heads of 24 and of 128. Gradients are compared too:
how far they lie apart at most, as a share of the largest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from common import Figures, arguments, write_figures
from torch.nn import functional

from calque.engines.products import fast_products
from calque.tuning.causal import CausalAttention

SHAPES = (  # rows, heads, tokens, size
    (7, 4, 144, 24),
    (4, 4, 256, 24),
    (2, 4, 512, 24),
    (1, 4, 1024, 24),
    (1, 4, 4096, 24),
    (2, 4, 512, 128),
    (1, 4, 1024, 128),
)
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def by_blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = CausalAttention.apply(query, key, value, query.shape[-1] ** -0.5)
    return found


def gradients(
    attention: Attention, heads: list[torch.Tensor], upstream: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(attention(*heads), heads, upstream)


def best(what: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest turn, after one that is not counted."""
    what()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    args = arguments(__doc__, repeats=10).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result: dict[str, Figures] = {}
    print(f"{'rows, heads, tokens, size':32}{'blocks, ms':>12}{'torch, ms':>12}{'ratio':>8}{'apart':>10}")
    for dtype in (torch.float32, torch.bfloat16):
        for shape in SHAPES:
            heads = [torch.randn(shape).to(dtype).requires_grad_() for _ in range(3)]
            upstream = torch.randn(shape).to(dtype)
            ways: dict[str, Attention] = {
                "blocks": by_blocks,
                "torch": partial(functional.scaled_dot_product_attention, is_causal=True),
            }
            with fast_products():
                ours, its = (gradients(way, heads, upstream) for way in ways.values())
                seconds = {
                    name: best(partial(gradients, way, heads, upstream), args.repeats)
                    for name, way in ways.items()
                }
            apart = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, its, strict=True))
            name = f"{str(dtype).removeprefix('torch.')} {shape}"
            result[name] = {f"{way}_ms": 1000 * s for way, s in seconds.items()} | {"apart": apart}
            print(
                f"{name:32}{1000 * seconds['blocks']:>12.1f}{1000 * seconds['torch']:>12.1f}"
                f"{seconds['torch'] / seconds['blocks']:>7.2f}×{apart:>10.1e}"
            )
    write_figures(args.out, result)


if __name__ == "__main__":
    main()
