"""Rows of token ids in one length, and where their tokens stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def padded(
    rows: Sequence[list[int]], padding: int, device: Any, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids [rows, longest], filled up on the left or the right, and the mask that is 1 where a row's own ids are."""
    longest = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        gap = longest - len(row)
        ids.append([padding] * gap + row if left else row + [padding] * gap)
        mask.append([0] * gap + [1] * len(row) if left else [1] * len(row) + [0] * gap)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """The place of each token in its row, from 0; of padding on the left 0 too."""
    return (mask.cumsum(1) - 1).clamp(min=0)
