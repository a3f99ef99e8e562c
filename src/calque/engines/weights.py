"""Weights by the headers of their files: whether they are whole, how many numbers they hold, in which precision. Nothing is loaded.

A safetensors file is the length of its header (8 bytes, little-endian), the header in JSON, and the tensors end to end.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.errors import ModelError, Problem, raise_all

if TYPE_CHECKING:
    import torch

AGAIN = "download the model again"
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    struct.error,
)  # what JSON of another form gives


def check_weights(name: str, folder: Path) -> None:
    """Raise `ModelError` for every file of the model `name` that is cut off, and for files that its index misses."""
    found = [_cut_off(path) for path in sorted(folder.glob("*.safetensors"))]
    found += [_missing(path) for path in sorted(folder.glob("*.safetensors.index.json"))]
    raise_all(ModelError, (Problem(message, name, remedy=AGAIN) for message in found if message))


def count_parameters(folder: Path) -> int:
    """Numbers in all weights of a folder."""
    return sum(
        math.prod(tensor["shape"])
        for path in sorted(folder.glob("*.safetensors"))
        for tensor in _tensors(path)[1]
    )


def stored_dtype(folder: Path) -> torch.dtype:
    """The precision in which most of a folder's numbers are stored."""
    import torch

    numbers: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        for tensor in _tensors(path)[1]:
            numbers[tensor["dtype"]] += math.prod(tensor["shape"])
    found, _ = numbers.most_common(1)[0]
    known = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    if found not in known:
        remedy = f"give a model in one of {', '.join(known)}, or set starts_from.adapter: continue"
        raise ModelError(
            Problem(f"nothing can be merged into weights of type {found}", str(folder), remedy=remedy)
        )
    return known[found]


def _cut_off(path: Path) -> str:
    size = path.stat().st_size
    try:
        start, tensors = _tensors(path)
        wanted = start + max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
    except _UNREADABLE:
        return f"{path.name} is no safetensors file, or not a whole one"
    return (
        "" if size == wanted else f"{path.name} has {size:,} bytes, and should by its header have {wanted:,}"
    )


def _missing(index: Path) -> str:
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except _UNREADABLE:
        return f"{index.name} is no index of weights"
    missing = sorted(name for name in named if not (index.parent / name).is_file())
    return (
        f"{len(missing)} of {len(named)} files of weights are missing, {missing[0]} for one"
        if missing
        else ""
    )


def _tensors(path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Where the tensors of a file begin, and what the header says of each."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(min(length, path.stat().st_size)))
    return 8 + length, [tensor for name, tensor in header.items() if name != "__metadata__"]
