"""Keys and values of the rows being answered.

The newest token of every row stands in the same column, so that a step writes one column in place, whatever the rows'
lengths; a row's oldest token stands where its length says, and a mask hides what lies before. Rows leave and enter at
any column. Neighbours that begin late are a part of their own, whose hidden columns are not read (`one_token.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from calque.engines.attention import out_of_the_ordinary, register
from calque.engines.one_token import SHARED, Part, attend, parted
from calque.engines.products import products_in_place

if TYPE_CHECKING:
    from calque.engines.stems import Stems

NAME = "calque_one_token"
LEAST = 1 << 14  # numbers of keys that are worth another product


class Columns(Cache):  # type: ignore[misc]
    """A cache of transformers' for `rows` rows in `width` columns, of which [first, end) are in use.

    No row that enters is longer than `longest`, or than those that are in; `width` is more than that, and than any row becomes.
    With `stems` the columns hold what is a row's own, behind its stem. Where heads share keys, `tokens_last` has these with the
    tokens innermost: products of several queries with keys are then up to four times as fast, and those of one are slower.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
        longest: int = 0,
        stems: Stems | None = None,
        *,
        tokens_last: bool = False,
    ) -> None:
        super().__init__(layers=[])
        self.tokens_last = (
            tokens_last and device.type == "cpu"
        )  # the kernels of a GPU want the size innermost
        self.stems = stems
        self.longest = longest
        self.rows, self.width = rows, width
        self.keys: list[torch.Tensor] = []  # each [rows, groups, size, width]
        self.values: list[torch.Tensor] = []  # each [rows, groups, width, size]
        self.hidden = torch.full((rows, 1, 1, width), float("-inf"), dtype=dtype, device=device)
        self.starts: list[int] = []  # the first column of each row, of which there are now so many
        self.parts: list[Part] = []  # all of these rows
        self.first = self.end = 0

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the newest column [rows, groups, 1, size] of a layer; returns all of its columns in use."""
        n = key.shape[0]
        keys, values = self.keys[layer_idx][:n], self.values[layer_idx][:n]
        keys[..., self.end - 1] = key[:, :, 0]
        values[:, :, self.end - 1] = value[:, :, 0]
        found = keys[..., self.first : self.end].transpose(2, 3)
        if self.stems is not None:
            setattr(found, SHARED, (self.stems, layer_idx))
        return found, values[:, :, self.first : self.end]

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        """Columns in use before the newest."""
        return self.end - 1 - self.first

    def mask(self) -> torch.Tensor:
        """[rows, 1, 1, stems' tokens and columns in use]: minus infinity where a row does not reach back so far."""
        own = self.hidden[: len(self.starts), :, :, self.first : self.end]
        return own if self.stems is None else torch.cat((self.stems.mask(), own), dim=-1)

    def advance(self) -> None:
        """Open the next column, in the room that older rows have left if there is none."""
        if self.end == self.width:
            self._shift()
        self.end += 1

    def enter(self, layers: Sequence[tuple[torch.Tensor, torch.Tensor]], lengths: list[int]) -> None:
        """Take in rows: keys and values [rows, groups, tokens, size] of each layer, padded on the left."""
        if not self.keys:
            self._allocate(layers)
        n, more, longest = len(self.starts), len(lengths), max(lengths)
        if n == 0:
            self.end = max(longest, self.longest)
        span = slice(self.end - longest, self.end)
        for i, (keys, values) in enumerate(layers):
            self.keys[i][n : n + more, ..., span] = keys.transpose(2, 3)
            self.values[i][n : n + more, :, span] = values
        for row, length in enumerate(lengths, start=n):
            self.starts.append(self.end - length)
            self._unhide(row)
        self._stand()

    def keep(self, rows: list[int]) -> list[int]:
        """Let all rows go but `rows` (rising). The last move into free places; returns which now stands where."""
        wanted = set(rows)
        free = [place for place in range(len(rows)) if place not in wanted]
        moved = [row for row in rows if row >= len(rows)]
        standing = list(range(len(rows)))
        if free:
            for place, row in zip(free, moved, strict=True):
                standing[place] = row
            device = self.hidden.device
            to, of = torch.tensor(free, device=device), torch.tensor(moved, device=device)
            for tensor in (*self.keys, *self.values, self.hidden):
                tensor[to] = tensor[of]
        self.starts = [self.starts[row] for row in standing]
        self._stand()
        if self.stems is not None:
            self.stems.keep(standing)
        return standing

    def _allocate(self, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        for keys, values in layers:
            _, groups, _, size = keys.shape
            _, _, _, value_size = values.shape
            if self.tokens_last:
                self.keys.append(keys.new_zeros(self.rows, groups, size, self.width))
            else:
                self.keys.append(keys.new_zeros(self.rows, groups, self.width, size).transpose(2, 3))
            self.values.append(values.new_zeros(self.rows, groups, self.width, value_size))

    def _stand(self) -> None:
        """Find out where the columns in use begin, for all rows and for those of each part."""
        self.first = min(self.starts, default=0)
        numbers = self.keys[0].shape[1] * self.keys[0].shape[2]
        self.parts = parted([start - self.first for start in self.starts], max(1, LEAST // numbers))

    def _unhide(self, row: int) -> None:
        self.hidden[row, ..., : self.starts[row]] = float("-inf")
        self.hidden[row, ..., self.starts[row] :] = 0.0

    def _shift(self) -> None:
        """Move the columns in use to the left, as far as leaves room before the newest for a row that is `longest`."""
        n, first, end = len(self.starts), self.first, self.end
        by = min(first, end - self.longest)
        for keys, values in zip(self.keys, self.values, strict=True):
            keys[:n, ..., first - by : end - by] = keys[:n, ..., first:end].clone()
            values[:n, :, first - by : end - by] = values[:n, :, first:end].clone()
        self.starts = [start - by for start in self.starts]
        for row in range(n):
            self._unhide(row)
        self.first, self.end = first - by, end - by


def one_token_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention over `query` [rows, heads, tokens, size] to `key` and `value` [rows, groups, columns, size].

    One token on a CPU goes through two batched products, and two more to its stem where rows share some; everything else
    goes through transformers' own function. Returns [rows, tokens, heads, size].
    """
    tokens = query.shape[2]
    special = out_of_the_ordinary(options) or options.get("cache") is not None
    if tokens > 1 or special or query.device.type != "cpu" or attention_mask is None:
        if hasattr(key, SHARED):
            raise RuntimeError("stems are for plain attention of one token on a CPU")
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **options
        )
        return output, None
    with products_in_place():
        return attend(query, key, value, attention_mask, scaling), None


def install() -> None:
    """Make the attention known to transformers."""
    register(NAME, one_token_attention)
