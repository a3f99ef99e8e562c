"""Matrix products in fp32 on processors that MKL does not know: by oneDNN, which torch carries too.

For fp32 torch asks MKL, which runs AVX2 code on AMD's processors; oneDNN runs AVX-512 code on any: 227 GFLOP/s against 101 on one
core of a Zen 5 (1024 × 512 × 1376). torch asks oneDNN where it is told that bf16 would do; oneDNN computes fp32 by way of bf16
with AMX alone, and in fp32 where there is none. So it is told that on such processors only, and a probe looks whether the
products are those of fp32. On others nothing is changed.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

ONEDNN: Any = torch.backends.mkldnn  # its settings have no types
WIDE = 192  # hidden size below which answering gains nothing: oneDNN makes code for each new shape of a batch
OPERATIONS: Any = torch.ops.mkldnn
FEW = 64  # rows for which weights are laid out
EXACT = 1e-6  # of the longest vectors' product: bf16 would be a thousand times as far


@contextmanager
def fast_products() -> Iterator[None]:
    """What runs inside takes the faster products, where they are fp32's; a decorator too.

    The setting is the process's, not the thread's. One that somebody else has made stays.
    """
    if ONEDNN.matmul.fp32_precision in ("none", "ieee") and onednn_is_faster():
        with _told("bf16"):
            yield
    else:
        yield


def products_of(model: Any) -> Callable[[], AbstractContextManager[None]]:
    """The products for a model that answers, in batches of ever other shapes; a block's beginning.

    On one core of a Zen 5 oneDNN took a Llama of 96 × 6 layers from 3,518 tokens/s to 3,209, one of 272 × 9 from 949 to 1,114
    (benchmarks/products.py).
    """
    return fast_products if is_wide(model) else nullcontext


def is_wide(model: Any) -> bool:
    """Whether a model gains from oneDNN in answering."""
    width = getattr(
        model.config.get_text_config(), "hidden_size", 0
    )  # a model's own code may call it otherwise
    return bool(width >= WIDE)


@contextmanager
def products_in_place() -> Iterator[None]:
    """Inside of `fast_products`, MKL's again: oneDNN copies what does not lie in one piece, as keys in use do not."""
    with _told("none") if onednn_is_faster() else nullcontext():
        yield


def runs_by_itself(weight: torch.Tensor) -> bool:
    """Whether oneDNN is the faster one for products with a weight and takes it without the setting: then threads may run beside one another."""
    return weight.dtype == torch.float32 and onednn_is_faster() and _is_by_itself()


def linear(
    weight: torch.Tensor, bias: torch.Tensor | None, *, laid_out: bool
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The product of rows with a weight that `runs_by_itself`; one that is `laid_out` is copied, and is faster for few rows."""
    weight = _laid_out(weight) if laid_out else weight.detach()
    product = OPERATIONS._linear_pointwise
    return lambda rows: product(rows, weight, bias, "none", [], "")


def linear_sum(
    weight: torch.Tensor, *, laid_out: bool
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The same, added to what there is (first)."""
    weight = _laid_out(weight) if laid_out else weight.detach()
    product = OPERATIONS._linear_pointwise.binary
    return lambda there, rows: product(rows, there, weight, None, "add")


def _laid_out(weight: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = OPERATIONS._reorder_linear_weight(weight.detach(), FEW)
    return found


@cache
def _is_by_itself() -> bool:
    """Whether torch has the operations that its compiler takes for layers, and they are fp32's."""
    names = ("_linear_pointwise", "_reorder_linear_weight")
    if not all(hasattr(OPERATIONS, name) for name in names):
        return False
    draw = torch.Generator().manual_seed(0)
    rows, weight, there = (torch.randn(n, m, generator=draw) for n, m in ((41, 96), (256, 96), (41, 256)))
    exact = rows.double() @ weight.double().t()
    longest = rows.norm(dim=-1).max() * weight.norm(dim=-1).max()
    with torch.no_grad():
        return all(
            float((found - exact).abs().max() / longest) <= EXACT
            for laid_out in (False, True)
            for found in (
                linear(weight, None, laid_out=laid_out)(rows),
                linear_sum(weight, laid_out=laid_out)(there, rows).double() - there.double(),
            )
        )


@contextmanager
def _told(precision: str) -> Iterator[None]:
    before = ONEDNN.matmul.fp32_precision
    ONEDNN.matmul.fp32_precision = precision
    try:
        yield
    finally:
        ONEDNN.matmul.fp32_precision = before


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN runs code for this processor that MKL does not, and computes in fp32 when it may in bf16."""
    return (
        bool(torch._C._has_mkldnn)
        and bool(torch._C.has_mkl)
        and _maker() == "AuthenticAMD"
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and not torch.cpu._is_amx_tile_supported()
        and _are_fp32()
    )


def _maker() -> str:
    """The processor's maker as it calls itself, empty where nothing tells."""
    told = Path("/proc/cpuinfo")
    if not told.is_file():
        return "AuthenticAMD" if "AuthenticAMD" in platform.processor() else ""
    for line in told.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("vendor_id"):
            return line.partition(":")[2].strip()
    return ""


def _are_fp32() -> bool:
    """Whether products of several shapes, single and batched, are as near to the exact ones as fp32's are."""
    draw = torch.Generator().manual_seed(0)
    for shape, other in (((64, 96), (96, 256)), ((300, 512), (512, 700)), ((8, 5, 64), (8, 64, 200))):
        first, second = torch.randn(shape, generator=draw), torch.randn(other, generator=draw)
        exact = first.double() @ second.double()
        longest = first.norm(dim=-1).max() * second.norm(dim=-2).max()
        with _told("bf16"):
            found = first @ second
        if float((found - exact).abs().max() / longest) > EXACT:
            return False
    return True
