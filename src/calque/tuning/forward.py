"""The loss of trained tokens, without ever computing a logit that is not needed.

The trunk runs over a micro-batch; the head and the loss run over the positions that predict trained tokens, and in
chunks where their logits would be many (`tuning/head.py`). So the memory of the head does not grow with
rows × length × vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from calque.engines.attention import causal_of
from calque.tuning import head as chunked
from calque.tuning.dropout import repeating
from calque.tuning.head import Finish, finishes
from calque.tuning.joined import NOT_APART, end_to_end, install, keeps_apart

WHOLE = (
    "the logits of this model are more than its head's, in a way that is not known: they are computed for every "
    "token, and memory grows with tokens_per_batch × vocabulary"
)


class ResponseLoss(nn.Module):
    """Cross-entropy of the trained tokens of a micro-batch under a causal language model.

    What stands between head and logits (nothing, a scale, a soft cap) is found by a probe at construction, which asks
    for equality to the bit. Of a model that does something else `finish` is None: all of it runs, and its logits are picked.
    With `join`, the dtype that products are computed in, rows may come end to end (`tuning/joined.py`), if the model keeps
    them apart: then it is `joined`.
    """

    def __init__(self, model: Any, *, join: torch.dtype | None = None) -> None:
        super().__init__()
        self.model = model
        causal = causal_of(model)
        self._parts = (causal.get_decoder(), causal.get_output_embeddings())  # a tuple: not registered twice
        self.finish = self._find_finish(causal)
        self.joined = join is not None and self._keeps_apart(causal, join)
        self.notes = (
            *([WHOLE] if self.finish is None else []),
            *([NOT_APART] if join is not None and not self.joined else []),
        )

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        labels: torch.Tensor,
        starts: torch.Tensor | None = None,
        longest: int = 0,
        *,
        alike: bool = False,
    ) -> torch.Tensor:
        """Loss of each place [n], nought where the label is ignored. `ids` [rows, tokens]; the others as in `batch.Arrays`.

        `alike` promises that all losses will count the same, as in their sum: the head then does less.
        """
        if self.finish is None:
            logits = self.model(input_ids=ids, use_cache=False).logits.flatten(0, 1)[positions]
            return functional.cross_entropy(logits.float(), labels, reduction="none")
        trunk, head = self._parts
        hidden = self._hidden(trunk, ids, starts, longest).flatten(0, 1)[positions]
        if type(head) is nn.Linear:
            return chunked.token_losses(head, hidden, labels, self.finish, alike=alike)
        size = max(1, chunked.CHUNK // head.weight.shape[0])
        if len(labels) <= size:
            return _token_losses(head, hidden, labels, self.finish)
        losses: list[torch.Tensor] = [  # a head with an adapter on it, or of another make
            checkpoint(
                _token_losses,
                head,
                hidden[i : i + size],
                labels[i : i + size],
                self.finish,
                use_reentrant=False,
                context_fn=repeating,
            )
            for i in range(0, len(labels), size)
        ]
        return torch.cat(losses)

    @staticmethod
    def _hidden(trunk: Any, ids: torch.Tensor, starts: torch.Tensor | None, longest: int) -> Any:
        if starts is None:
            return trunk(input_ids=ids, use_cache=False).last_hidden_state
        with end_to_end(starts, ids.shape[1], longest) as how:
            return trunk(input_ids=ids, use_cache=False, **how).last_hidden_state

    def _keeps_apart(self, causal: Any, dtype: torch.dtype) -> bool:
        trunk, head = self._parts
        return self.finish is not None and install(causal) and keeps_apart(trunk, head.weight.shape[0], dtype)

    @torch.no_grad()
    def _find_finish(self, causal: Any) -> Finish | None:
        trunk, head = self._parts
        if trunk is None or head is None or not hasattr(head, "weight"):
            return None
        was_training = causal.training
        causal.eval()
        ids = torch.arange(8, device=head.weight.device).remainder(head.weight.shape[0])[None]
        whole = causal(input_ids=ids, use_cache=False).logits.float()
        plain = head(trunk(input_ids=ids, use_cache=False).last_hidden_state)
        causal.train(was_training)
        return next((f for f in finishes(causal) if torch.equal(f(plain).float(), whole)), None)


def _token_losses(
    head: nn.Module, hidden: torch.Tensor, labels: torch.Tensor, finish: Finish
) -> torch.Tensor:
    return functional.cross_entropy(finish(head(hidden)).float(), labels, reduction="none")
