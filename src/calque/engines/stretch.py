"""A stretch of tokens, as a pass has it, through a model of Llama's form by its weights (`form.py`).

The last layer computes its queries and its gated product for those tokens alone whose logits are asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers.cache_utils import Cache

from calque.engines.form import ByWeights, Products, heads_of, layers_of, rotated, thought, turn_of

# Scores of all heads that are held at a time: 16 MB in fp32; beyond it torch's fused attention runs.
MOST = 1 << 22


def stretch_of(causal: Any, products: Products) -> Stretch | None:
    """The stretch of a model as it is now, or none where its modules are not those of the form, or it is not on a CPU."""
    layers = layers_of(causal)
    return None if layers is None else Stretch(causal, layers, products)


class Stretch(ByWeights):
    """Tokens of one row, behind those of a cache; see `stretch_of`."""

    def __call__(
        self,
        ids: torch.Tensor,
        places: torch.Tensor,
        mask: torch.Tensor | None,
        cache: Cache,
        kept: torch.Tensor,
    ) -> torch.Tensor:
        """Logits [kept, vocabulary] of some of the tokens [tokens] in these places.

        `mask` [tokens, all keys] is added to scores; without one each token sees what is before it, and the cache is empty.
        """
        with self.products():
            embedded = self.model.embed_tokens(ids[None])
            turn = turn_of(self.model.rotary_emb, embedded, places[None])
            hidden = embedded[0]
            for i, layer in enumerate(self.layers):
                query, key, value = heads_of(layer, layer.before(hidden))
                heads = query.shape[1]
                both = rotated(torch.cat((query, key), dim=1), turn)
                query = both[:, :heads]
                if mask is None and _fits(heads, len(ids), len(ids), query.dtype):
                    mask = _before(torch.arange(len(ids)), len(ids), query.dtype)  # once for all layers
                keys, values = cache.update(
                    both[:, heads:].transpose(0, 1)[None], value.transpose(0, 1)[None], i
                )
                if i == len(self.layers) - 1:
                    mask = _before(kept, len(ids), hidden.dtype) if mask is None else mask[kept]
                    query, hidden = query[kept], hidden[kept]
                heard = attend(query, keys[0], values[0], mask, layer.scaling)
                hidden = thought(layer, layer.heard(hidden, heard))
        return self.logits(hidden)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """[tokens, heads × size] of queries [tokens, heads, size] to keys and values [groups, all keys, size].

    Without a mask [tokens, all keys] each sees itself and what is before it, by torch's fused attention.
    """
    tokens, heads, size = query.shape
    groups, together = len(key), heads // len(key)
    if mask is None or not _fits(heads, tokens, key.shape[1], query.dtype):
        query = query.transpose(0, 1)[None]
        found = functional.scaled_dot_product_attention(
            query,
            key[None],
            value[None],
            mask,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=together > 1,
        )
        return found[0].transpose(0, 1).flatten(1)
    scores = torch.bmm(
        (query.transpose(0, 1) * scaling).reshape(groups, together * tokens, size), key.transpose(1, 2)
    )
    scores = scores.view(heads, tokens, -1).add_(mask)
    weights = torch.softmax(scores, dim=-1).view(groups, together * tokens, -1)
    return torch.bmm(weights, value).view(heads, tokens, -1).transpose(0, 1).flatten(1)


def _fits(heads: int, tokens: int, keys: int, dtype: torch.dtype) -> bool:
    """Whether plain products are the faster way, and their scores few enough."""
    return heads * tokens * keys <= MOST and dtype == torch.float32


def _before(places: torch.Tensor, keys: int, dtype: torch.dtype) -> torch.Tensor:
    """[places, keys]: minus infinity where a key stands behind the place."""
    later = torch.arange(keys)[None] > places[:, None]
    return torch.zeros(later.shape, dtype=dtype).masked_fill_(later, float("-inf"))
