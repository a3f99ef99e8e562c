"""Rows of tokens run through a model so that what they begin with alike runs once, and nothing is padded.

The rows of a pass are one row of a batch: a tree, in which a row goes on from where it parts from the one before it, its tokens in the
places they would have alone, seeing what stands before them in their own row (a mask says so). Instructions, worked examples and
passages that are asked about several times are thus computed once, and the head runs on the tokens that are asked for. What many passes begin
with stays: the trunk, whose keys and values are kept from one pass to the next.

Whether a model can be run so is found out by a probe (`make_passes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache

from calque.engines.attention import causal_of
from calque.engines.form import OPERATIONS, Operations
from calque.engines.probing import are_those_alone, takes_ours
from calque.engines.products import onednn_is_faster, products_of
from calque.engines.stretch import Stretch, stretch_of

Ids = np.ndarray[Any, np.dtype[np.int64]]
SHORTEST_TRUNK = 16  # tokens; to keep fewer is not worth a pass of its own
OF_PASSES = {"aten::index", "aten::scaled_dot_product_attention"}  # operations of passes alone
REFUSALS = (
    RuntimeError,
    ValueError,
    IndexError,
    TypeError,
)  # what models raise at a mask that they do not know
MORE = 1.25  # a pass may grow by so much for rows that share most of what is there


@dataclass(frozen=True)
class Tree:
    """Rows as one: token ids and positions [tokens], additive mask [tokens, trunk + tokens], and the place of each row's tokens.

    Places count from the beginning of the trunk. A row that stands alone needs no mask: it is plain causal attention, at
    half the cost.
    """

    ids: Ids
    positions: Ids
    mask: np.ndarray[Any, np.dtype[np.float32]] | None
    paths: list[Ids]


def grow(rows: Sequence[Ids], trunk: int) -> Tree:
    """The tree of rows that all begin with the same `trunk` tokens, which are not in it. Each shares with the row before."""
    stem = np.arange(trunk)
    paths: list[Ids] = []
    blocks: list[
        tuple[int, int, int]
    ] = []  # (place of the token before, or −1; begin; end), from the trunk's end
    size = 0
    for i, row in enumerate(rows):
        shared = trunk if i == 0 else max(trunk, common(rows[i - 1], row))
        before = stem if i == 0 else paths[-1][:shared]
        new = np.arange(size, size + len(row) - shared) + trunk
        paths.append(np.concatenate((before, new)))
        blocks.append((int(before[-1]) - trunk if shared > trunk else -1, size, size + len(new)))
        size += len(new)
    if not trunk and all(begin == end for _, begin, end in blocks[1:]):
        return Tree(rows[0], np.arange(size), None, paths)
    ids, places = np.empty(size, np.int64), np.empty(size, np.int64)
    mask = np.full((size, trunk + size), -np.inf, np.float32)
    causal = np.triu(np.full((max(e - b for _, b, e in blocks),) * 2, -np.inf, np.float32), 1)
    for row, (parent, begin, end) in zip(rows, blocks, strict=True):
        own = end - begin
        ids[begin:end] = row[len(row) - own :]
        places[begin:end] = np.arange(len(row) - own, len(row))
        mask[begin:end, :trunk] = 0.0
        if parent >= 0:
            mask[begin:end, trunk : trunk + begin] = mask[parent, trunk : trunk + begin]
        mask[begin:end, trunk + begin : trunk + end] = causal[:own, :own]
    return Tree(ids, places, mask, paths)


def common(one: Ids, other: Ids) -> int:
    """How many tokens two rows begin with alike."""
    n = min(len(one), len(other))
    parts = np.flatnonzero(one[:n] != other[:n])
    return int(parts[0]) if len(parts) else n


class Trunk(Cache):  # type: ignore[misc]
    """Keys and values of what all rows of a pass begin with; those of the pass itself stand behind them until the next one."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.ids: Ids = np.empty(0, np.int64)
        self.keys: list[torch.Tensor] = []  # each [1, groups, tokens, size], the trunk's tokens first
        self.values: list[torch.Tensor] = []

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a layer, those of this pass among them."""
        if layer_idx == len(self.keys):
            self.keys.append(key)
            self.values.append(value)
        else:
            n = len(self.ids)
            self.keys[layer_idx] = torch.cat((self.keys[layer_idx][:, :, :n], key), dim=2)
            self.values[layer_idx] = torch.cat((self.values[layer_idx][:, :, :n], value), dim=2)
        return self.keys[layer_idx], self.values[layer_idx]

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        """Tokens of the trunk."""
        return len(self.ids)

    def get_query_offset(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        """Where the tokens of a pass begin."""
        return len(self.ids)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:  # noqa: ARG002
        """How many keys there are, and from where on."""
        return len(self.ids) + query_length, 0


@dataclass(frozen=True)
class Rows:
    """Rows of several answers to one prompt, the prompt's length, and the positions of each row whose logits are asked for.

    `rows` all begin with the prompt; of each the logits from the prompt's last token on are wanted.
    """

    prompt: int
    rows: list[Ids]


class Passes:
    """Runs rows through a model; see `make_passes`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.trunk = Trunk()
        config = model.config.get_text_config()
        # A token pays for attention to its whole pass. On a CPU 256 tokens fill the products, whatever the model's size
        # (1.3M and 12M parameters: 64 tokens and 1,024 cost 1.3 times as much).
        self.room = 256 if model.device.type == "cpu" else 4096
        self.vocabulary = int(config.vocab_size)
        self.products = products_of(model)
        self.by_weights = False  # whether passes may go by the model's weights, without its modules
        self.stretch: Stretch | None = None

    def cut(self, asked: Sequence[Rows], logits: int) -> Iterator[tuple[int, int, int]]:
        """(first, end, trunk) of each pass over `asked` in their order, `logits` being how many of these there is room for."""
        self.stretch = (
            stretch_of(self.model, self.products) if self.by_weights else None
        )  # of the weights that it has now
        alike = [0, *(common(a.rows[0], b.rows[0]) for a, b in pairwise(asked))]
        begin = trunk = 0
        while begin < len(asked):
            trunk = min(trunk, alike[begin])  # what is there of the last one
            trunk = trunk if trunk >= SHORTEST_TRUNK else 0
            end = self._fill(asked, alike, begin, trunk, logits)
            shared = min(alike[begin + 1 : end + 1], default=0) if end < len(asked) else 0
            if shared >= trunk + SHORTEST_TRUNK:
                trunk = shared
                end = self._fill(asked, alike, begin, trunk, logits)
            trunk = min(trunk, *(one.prompt - 1 for one in asked[begin:end]))
            yield begin, end, trunk
            begin = end

    def _fill(self, asked: Sequence[Rows], alike: Sequence[int], begin: int, trunk: int, logits: int) -> int:
        """How far a pass from `begin` goes."""
        size = wanted = 0
        for i in range(begin, len(asked)):
            one = asked[i]
            if i > begin and alike[i] < trunk:
                return i
            shared = trunk if i == begin else max(trunk, min(alike[i], one.prompt))
            own = len(one.rows[0]) - shared + sum(len(row) - one.prompt for row in one.rows[1:])
            heads = 1 + sum(len(row) - one.prompt for row in one.rows)
            most = self.room * (MORE if 4 * own <= self.room else 1.0)
            if i > begin and (size + own > most or (wanted + heads) * self.vocabulary > logits):
                return i
            size, wanted = size + own, wanted + heads
        return len(asked)

    def run(
        self, rows: Sequence[Ids], trunk: int, wanted: Sequence[int]
    ) -> tuple[torch.Tensor, list[Ids], Tree]:
        """Logits [positions, vocabulary] of a pass, and which of them are each row's: those of its last `wanted` tokens.

        All rows begin with the same `trunk` tokens and have more than these.
        """
        self._move(rows[0][:trunk])
        tree = grow(rows, trunk)
        places = [path[len(path) - n :] - trunk for path, n in zip(tree.paths, wanted, strict=True)]
        kept, back = np.unique(np.concatenate(places), return_inverse=True)
        logits = self._forward(tree.ids, tree.positions, tree.mask, kept)
        ends = np.cumsum([len(of) for of in places])[:-1]
        return logits, np.split(back, ends), tree

    def forget(self) -> None:
        """Let keys and values go."""
        self.trunk = Trunk()

    def laid_out(self, paths: Sequence[Ids]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values [rows, groups, tokens, size], by layer, along paths of the pass that has just run, padded on the left."""
        longest = max(map(len, paths))
        places = np.zeros((len(paths), longest), np.int64)
        for i, path in enumerate(paths):
            places[i, longest - len(path) :] = path
        index = torch.from_numpy(places.reshape(-1)).to(self.model.device)

        def rows(tensor: torch.Tensor) -> torch.Tensor:
            found = tensor[0].index_select(1, index)
            return found.view(found.shape[0], len(paths), longest, -1).transpose(0, 1)

        layers = zip(self.trunk.keys, self.trunk.values, strict=True)
        return [(rows(keys), rows(values)) for keys, values in layers]

    def _move(self, ids: Ids) -> None:
        """Let the trunk be `ids`: what it has of them stays, the rest runs."""
        n = common(self.trunk.ids, ids)
        self.trunk.ids = ids[:n]
        if n < len(ids):
            tree = grow([ids], n)
            self._forward(tree.ids, tree.positions, tree.mask, np.array([len(ids) - n - 1]))
            self.trunk.ids = ids

    def _forward(self, ids: Ids, positions: Ids, mask: Any, kept: Ids) -> torch.Tensor:
        device, dtype = self.model.device, self.model.dtype
        if not len(self.trunk.ids):
            self.trunk.keys, self.trunk.values = [], []
        if self.stretch is not None:
            found = self.stretch(
                torch.from_numpy(ids),
                torch.from_numpy(positions),
                None if mask is None else torch.from_numpy(mask).to(dtype),
                self.trunk,
                torch.from_numpy(kept),
            )
            return found.float()
        with self.products():
            output = self.model(
                input_ids=torch.from_numpy(ids)[None].to(device),
                attention_mask=None if mask is None else torch.from_numpy(mask)[None, None].to(device, dtype),
                position_ids=torch.from_numpy(positions)[None].to(device),
                past_key_values=self.trunk,
                use_cache=True,
                logits_to_keep=torch.from_numpy(kept).to(device),
            )
        logits: torch.Tensor = output.logits[0].float()
        return logits


def make_passes(model: Any) -> Passes | None:
    """The passes of a model, or none where it cannot be run so."""
    causal = causal_of(model)
    if not takes_ours(causal):
        return None
    passes = Passes(causal)
    operations = _agree(passes)
    if operations is None:
        return None
    passes.stretch = stretch_of(causal, passes.products) if operations <= OPERATIONS | OF_PASSES else None
    passes.by_weights = passes.stretch is not None and _agree(passes) is not None
    passes.stretch = None
    return passes


@torch.inference_mode()
def _agree(passes: Passes) -> set[str] | None:
    """The operations of a pass, where rows that part, behind a trunk and without, get the logits that each gets alone; else none."""
    size = passes.vocabulary
    stem = [i % size for i in range(3, 12)]
    rows = [
        np.array([*stem, *(i % size for i in more)]) for more in ((20, 21, 22), (20, 30), (40, 41, 42, 43))
    ]
    onednn_is_faster()  # found out here: it computes what is none of the model's
    operations = Operations()
    try:
        for trunk in (0, 4, 9):
            with operations:
                logits, which, _ = passes.run(rows, trunk, [2] * len(rows))
            for row, of in zip(rows, which, strict=True):
                alone = torch.from_numpy(row)[None].to(passes.model.device)
                if not are_those_alone(passes.model, alone, logits[torch.from_numpy(of)]):
                    return None
    except REFUSALS:
        return None
    finally:
        passes.forget()
    return operations.seen
