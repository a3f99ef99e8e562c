"""What several answers begin with, its keys and values kept once: rows that ask about one passage read it once a step.

A prompt is parted: the stem that it shares with prompts beside it, and what is its own, which stands in `Columns`. One
product takes the queries of all rows of a stem to its keys; their scores stand before those of the row's own columns, under
one softmax, so that the attention is what it was (Juravsky et al. 2024, "Hydragen", merge two softmaxes instead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch

from calque.engines.passes import SHORTEST_TRUNK, common

MOST = 16  # rows of one stem: stems of fewer rows are computed with as many as the largest has
WORTH = 1.5  # times that the tokens of stems must be shared, on average
Layers = Sequence[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Stem:
    """The stem of a prompt: its number, and its tokens."""

    number: int
    tokens: int


def stems_of(prompts: Sequence[Sequence[int]]) -> list[Stem]:
    """The stem of each prompt, shared by neighbours that have half of the longer one's tokens in common; none if few share.

    All of a prompt that stands alone but its last token is its stem: so its own columns are few, as the others' are.
    """
    rows = [np.array(prompt) for prompt in prompts]
    groups: list[tuple[int, int]] = []  # (prompts, tokens that they share)
    for i, row in enumerate(rows):
        if groups and groups[-1][0] < MOST:
            count, tokens = groups[-1]
            alike = min(tokens, common(rows[i - 1], row), len(row) - 1)
            if alike >= SHORTEST_TRUNK and 2 * alike >= max(tokens, len(row) - 1):
                groups[-1] = (count + 1, alike)
                continue
        groups.append((1, len(row) - 1))
    shared = sum(tokens for _, tokens in groups)
    if not shared or sum(n * tokens for n, tokens in groups) < WORTH * shared:
        return []
    return [Stem(number, tokens) for number, (n, tokens) in enumerate(groups) for _ in range(n)]


def alike_together(prompts: Sequence[list[int]], which: Sequence[int]) -> list[int]:
    """Prompts that begin alike together, and these groups in falling length."""
    groups = groups_alike(prompts, which)
    groups.sort(key=lambda group: -max(len(prompts[i]) for i in group))
    return [i for group in groups for i in group]


def groups_alike(
    prompts: Sequence[list[int]], which: Sequence[int], most: int | None = None
) -> list[list[int]]:
    """Prompts in order, in groups (of `most`) in which each shares half of its tokens or more with the one before."""
    groups: list[list[int]] = []
    for i in sorted(which, key=lambda i: prompts[i]):
        before = prompts[groups[-1][-1]] if groups and len(groups[-1]) != most else []
        if before and 2 * common(np.array(before), np.array(prompts[i])) >= len(prompts[i]):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


class Stems:
    """Stems of at most `longest` tokens, at most `room` of them, and which row has which."""

    def __init__(self, room: int, longest: int) -> None:
        self.room, self.longest = room, longest
        self.keys: list[torch.Tensor] = []  # each [room, groups, size, longest], a stem's tokens last
        self.values: list[torch.Tensor] = []  # each [room, groups, longest, size]
        self.hidden = torch.empty(0)
        self.stems: list[Stem] = []
        self.of: list[int] = []  # the place of each row's stem

    def lacking(self, stems: Sequence[Stem]) -> list[int]:
        """Which of the rows' stems are not there yet: of each the first row."""
        known = {stem.number for stem in self.stems}
        first = {stem.number: i for i, stem in reversed(list(enumerate(stems)))}
        return sorted(i for number, i in first.items() if number not in known)

    def enter(self, layers: Layers, new: Sequence[Stem], stems: Sequence[Stem]) -> None:
        """Take in the keys and values [new, groups, tokens, size] of stems, padded on the left, and rows that have `stems`."""
        if new and not self.keys:
            self._allocate(layers)
        span = slice(len(self.stems), len(self.stems) + len(new))
        for i, (keys, values) in enumerate(layers):
            tokens = keys.shape[2]
            self.keys[i][span] = 0.0
            self.values[i][span] = 0.0
            self.keys[i][span, ..., self.longest - tokens :] = keys.transpose(2, 3)
            self.values[i][span, :, self.longest - tokens :] = values
        for place, stem in enumerate(new, start=len(self.stems)):
            self.hidden[place, ..., : self.longest - stem.tokens] = float("-inf")
            self.hidden[place, ..., self.longest - stem.tokens :] = 0.0
        self.stems += new
        place_of = {stem.number: place for place, stem in enumerate(self.stems)}
        self.of += [place_of[stem.number] for stem in stems]
        self._lay_out()

    def keep(self, standing: Sequence[int]) -> None:
        """Let rows go: now that at each place of `standing` is there. The last stems move into the places of those without rows."""
        self.of = [self.of[row] for row in standing]
        wanted = sorted(set(self.of))
        free = [place for place in range(len(wanted)) if place not in set(self.of)]
        moved = [place for place in wanted if place >= len(wanted)]
        if free:
            device = self.hidden.device
            to, of = torch.tensor(free, device=device), torch.tensor(moved, device=device)
            for tensor in (*self.keys, *self.values, self.hidden):
                tensor[to] = tensor[of]
        now = {place: place for place in wanted} | dict(zip(moved, free, strict=True))
        stems = {now[place]: self.stems[place] for place in wanted}
        self.stems = [stems[place] for place in range(len(wanted))]
        self.of = [now[place] for place in self.of]
        self._lay_out()

    def mask(self) -> torch.Tensor:
        """[rows, 1, 1, tokens]: minus infinity where a row's stem does not reach back so far."""
        return self.hidden[self._stem, :, :, self._first :]

    def scores(self, layer: int, query: torch.Tensor) -> torch.Tensor:
        """Products [rows, groups, together, tokens] of queries [rows, groups, together, size] with their stems' keys."""
        keys = self.keys[layer][: len(self.stems), ..., self._first :]
        found = torch.bmm(self._by_stem(query), keys.flatten(0, 1))
        return self._by_row(found, query.shape)

    def sums(self, layer: int, weights: torch.Tensor) -> torch.Tensor:
        """Sums [rows, groups, together, size] of stems' values by weights [rows, groups, together, tokens]."""
        values = self.values[layer][: len(self.stems), :, self._first :]
        found = torch.bmm(self._by_stem(weights), values.flatten(0, 1))
        return self._by_row(found, weights.shape)

    def _by_stem(self, rows: torch.Tensor) -> torch.Tensor:
        """[stems × groups, slots × together, …] of [rows, groups, together, …]."""
        _, groups, together, size = rows.shape
        laid = rows.new_zeros(len(self.stems), groups, self._slots, together, size)
        laid[self._stem, :, self._slot] = rows
        return laid.view(len(self.stems) * groups, self._slots * together, size)

    def _by_row(self, laid: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        _, groups, together, _ = shape
        found = laid.view(len(self.stems), groups, self._slots, together, -1)
        return found[self._stem, :, self._slot]

    def _allocate(self, layers: Layers) -> None:
        for keys, values in layers:
            _, groups, _, size = keys.shape
            self.keys.append(keys.new_empty(self.room, groups, size, self.longest))
            self.values.append(values.new_empty(self.room, groups, self.longest, values.shape[3]))
        keys = layers[0][0]
        self.hidden = keys.new_empty(self.room, 1, 1, self.longest)

    def _lay_out(self) -> None:
        """Which slot of its stem each row has, and how far back the longest stem reaches."""
        slots = [0] * len(self.of)
        ordered = sorted(range(len(self.of)), key=lambda row: self.of[row])
        for _, rows in groupby(ordered, key=lambda row: self.of[row]):
            for slot, row in enumerate(rows):
                slots[row] = slot
        self._slots = max(slots, default=0) + 1
        device = self.hidden.device
        self._stem, self._slot = torch.tensor(self.of, device=device), torch.tensor(slots, device=device)
        self._first = self.longest - max((stem.tokens for stem in self.stems), default=0)
