"""The newest token of every row through a model of Llama's form by its weights (`form.py`)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from calque.engines.columns import Columns
from calque.engines.form import ByWeights, Layer, Products, heads_of, layers_of, rotated, thought, turn_of
from calque.engines.one_token import attend
from calque.engines.products import fast_products, products_in_place


def step_of(causal: Any, products: Products) -> Step | None:
    """The step of a model as it is now, or none where its modules are not those of the form, or it is not on a CPU."""
    layers = layers_of(causal, laid_out=True)
    return None if layers is None else Step(causal, layers, products)


class Step(ByWeights):
    """One token of every row; see `step_of`."""

    def __init__(self, causal: Any, layers: list[Layer], products: Products) -> None:
        super().__init__(causal, layers, products, laid_out=True)
        self.in_place = products_in_place if self.products is fast_products else nullcontext

    def __call__(self, newest: torch.Tensor, places: torch.Tensor, cache: Columns) -> torch.Tensor:
        """Logits [rows, vocabulary] behind the tokens [rows, 1], which stand in these places of their rows."""
        with self.products():
            embedded = self.model.embed_tokens(newest)
            turn = turn_of(self.model.rotary_emb, embedded, places)
            hidden, mask = embedded[:, 0], cache.mask()
            for i, layer in enumerate(self.layers):
                heard = self._attention(i, layer.before(hidden), turn, cache, mask)
                hidden = thought(layer, layer.heard(hidden, heard))
        return self.logits(hidden)

    def _attention(
        self,
        i: int,
        hidden: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        cache: Columns,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """[rows, heads × size] of hidden states [rows, width]."""
        layer = self.layers[i]
        query, key, value = heads_of(layer, hidden)
        heads = query.shape[1]
        both = rotated(torch.cat((query, key), dim=1), turn)
        keys, values = cache.update(both[:, heads:, None], value[:, :, None], i)
        with self.in_place():
            return attend(both[:, :heads, None], keys, values, mask, layer.scaling, cache.parts).flatten(1)
