"""The loss of trained tokens, without ever computing a logit that is not needed.

The trunk runs over a micro-batch; the head and the loss run over the positions that predict trained tokens, in chunks
whose logits are computed again in the backward pass once they would fill more than `CHUNK` entries. So the memory of
the head does not grow with rows × length × vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

CHUNK = 1 << 26  # logits held at a time: 256 MB in fp32


class ResponseLoss(nn.Module):
    """Cross-entropy of the trained tokens of a micro-batch under a causal language model.

    Models whose logits are more than head(trunk(x)), by a scale or a soft cap, are found by a probe at construction,
    which asks for equality to the bit; for them the whole model runs, and its logits are picked.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._parts = (causal.get_decoder(), causal.get_output_embeddings())  # a tuple: not registered twice
        self.split = self._head_is_all(causal)

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each place [n], nought where the label is ignored. `ids` [rows, tokens]; the others as in `batch.Arrays`."""
        if not self.split:
            logits = self.model(input_ids=ids, use_cache=False).logits.flatten(0, 1)[positions]
            return functional.cross_entropy(logits.float(), labels, reduction="none")
        trunk, head = self._parts
        hidden = trunk(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)[positions]
        size = max(1, CHUNK // head.weight.shape[0])
        if len(labels) <= size:
            return _token_losses(head, hidden, labels)
        losses: list[torch.Tensor] = [
            checkpoint(_token_losses, head, hidden[i : i + size], labels[i : i + size], use_reentrant=False)
            for i in range(0, len(labels), size)
        ]
        return torch.cat(losses)

    def _head_is_all(self, causal: Any) -> bool:
        trunk, head = self._parts
        if trunk is None or head is None or not hasattr(head, "weight"):
            return False
        was_training = causal.training
        causal.eval()
        with torch.no_grad():
            ids = torch.arange(8, device=head.weight.device).remainder(head.weight.shape[0])[None]
            whole = causal(input_ids=ids, use_cache=False).logits
            parts = head(trunk(input_ids=ids, use_cache=False).last_hidden_state)
        causal.train(was_training)
        return torch.equal(whole.float(), parts.float())


def _token_losses(head: nn.Module, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(head(hidden).float(), labels, reduction="none")
