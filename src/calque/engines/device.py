"""What this machine computes on, and in which precision."""

from __future__ import annotations

import torch

from calque.engines.products import onednn_is_faster


def best_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    if torch.accelerator.is_available():
        found = torch.accelerator.current_accelerator()
        if found is not None:
            return found
    return torch.device("cpu")


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is both native and faster than fp32 on `device`: tensor cores on a GPU, AMX tiles on a CPU.

    Of CPUs with AVX-512 bf16 alone AMD's gain by it: a Zen 5 tuned 10M parameters at 5,506 tokens/s against 3,781. One of
    Intel's lost: 162 GFLOP/s against 270 in fp32 in a matrix product, 4,100 tokens/s against 5,200 in tuning 1.8M.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported()) or (
            onednn_is_faster() and bool(torch.cpu._is_avx512_bf16_supported())
        )
    return False


def resolve_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of `auto`, `bf16` or `fp32` on `device`."""
    if precision == "auto":
        return torch.bfloat16 if computes_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def answering_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype to answer in. `auto` is fp32 on a CPU, where answers then do not depend on the batch they stand in."""
    if precision == "auto" and device.type == "cpu":
        return torch.float32
    return resolve_dtype(precision, device)
