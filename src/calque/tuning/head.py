"""Cross-entropy behind a linear head, a chunk of logits at a time, with the gradient written by hand.

Autograd keeps three or four tensors of the size of the logits, and needs them again for the gradient. Here two stand at
a time, of one chunk. Under a frozen head the gradient is written while the logits are there, so that no product is
done twice; a head that is tuned computes them again. PyTorch's own `linear_cross_entropy` does not serve: in bf16 it
rounds each loss to three digits, and it knows neither a scale nor a soft cap. `benchmarks/vocabulary.py` measures both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from calque.tuning.batch import IGNORED

CHUNK = 1 << 26  # logits at a time: 256 MB in fp32


@dataclass(frozen=True, slots=True)
class Finish:
    """What a model does to the output of its head before it calls it logits: times, by, and a soft cap."""

    times: float = 1.0
    by: float = 1.0
    cap: float | None = None

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits, in the operations and the order of the architectures, so that the bits are theirs."""
        if self.times != 1:
            logits = logits * self.times
        if self.by != 1:
            logits = logits / self.by
        if self.cap is not None:
            logits = torch.tanh(logits / self.cap) * self.cap
        return logits


def finishes(causal: Any) -> Iterator[Finish]:
    """How the logits may come out of the head, as far as the model names a scale or a cap; plainly at last."""
    config = causal.config.get_text_config()
    caps = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
    for cap in {getattr(config, name, None) for name in caps} - {None}:
        yield Finish(cap=cap)
    decoder = causal.get_decoder()
    for owner, name in ((causal, "logit_scale"), (config, "logits_scaling"), (decoder, "lm_head_multiplier")):
        if isinstance(factor := getattr(owner, name, None), (int, float)):
            yield Finish(times=factor)
            yield Finish(by=factor)
    yield Finish()


def token_losses(head: nn.Linear, hidden: torch.Tensor, labels: torch.Tensor, finish: Finish) -> torch.Tensor:
    """The loss [n] of each label in fp32, nought where it is `IGNORED`; `hidden` [n, size]."""
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else head.weight.dtype
    losses: torch.Tensor = _Losses.apply(hidden, head.weight, head.bias, labels, finish, dtype)
    return losses


class _Losses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        finish: Finish,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        ctx.finish, ctx.dtype = finish, dtype
        ctx.frozen = not any(ctx.needs_input_grad[1:3])
        ahead = torch.empty_like(hidden) if ctx.frozen and ctx.needs_input_grad[0] else None
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            used, added = weight.to(dtype), None if bias is None else bias.to(dtype)
            for span in _spans(len(labels), len(weight)):
                logs, slope = _log_probabilities(hidden[span].to(dtype), used, added, finish)
                losses[span] = functional.nll_loss(logs, labels[span], ignore_index=IGNORED, reduction="none")
                if ahead is not None:
                    ahead[span] = _gradient(logs, slope, labels[span], None, finish).to(dtype) @ used
        ctx.save_for_backward(*([ahead] if ctx.frozen else [hidden, weight, bias, labels]))
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        if ctx.frozen:
            (ahead,) = ctx.saved_tensors
            return (ahead * upstream[:, None]).to(ahead.dtype), None, None, None, None, None
        hidden, weight, bias, labels = ctx.saved_tensors
        of_hidden, of_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        of_bias = None if bias is None else torch.zeros_like(bias)
        used, added = weight.to(ctx.dtype), None if bias is None else bias.to(ctx.dtype)
        for span in _spans(len(labels), len(weight)):
            rows = hidden[span].to(ctx.dtype)
            logs, slope = _log_probabilities(rows, used, added, ctx.finish)
            gradient = _gradient(logs, slope, labels[span], upstream[span], ctx.finish)
            if of_bias is not None:
                of_bias += gradient.sum(0)
            gradient = gradient.to(ctx.dtype)
            of_hidden[span] = gradient @ used
            if ctx.dtype == of_weight.dtype:
                of_weight.addmm_(gradient.t(), rows)
            else:
                of_weight += gradient.t() @ rows  # added up in the weight's own precision
        return of_hidden, of_weight, of_bias, None, None, None


def _spans(rows: int, vocabulary: int) -> Iterator[slice]:
    size = max(1, CHUNK // vocabulary)
    return (slice(start, start + size) for start in range(0, rows, size))


def _log_probabilities(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, finish: Finish
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """In fp32 [n, vocabulary]: the log of the softmax, and under a soft cap its derivative."""
    logits = functional.linear(hidden, weight, bias).float()
    if finish.times != finish.by:
        logits.mul_(finish.times / finish.by)
    if finish.cap is None:
        return torch.log_softmax(logits, -1), None
    bent = logits.div_(finish.cap).tanh_()
    logs = torch.log_softmax(bent * finish.cap, -1)
    return logs, bent.square_().neg_().add_(1)


def _gradient(
    logs: torch.Tensor,
    slope: torch.Tensor | None,
    labels: torch.Tensor,
    upstream: torch.Tensor | None,
    finish: Finish,
) -> torch.Tensor:
    """The gradient of the losses by the head's output, each row times `upstream`; it takes the place of `logs`."""
    idle = labels == IGNORED
    gradient = logs.exp_()
    gradient[torch.arange(len(labels), device=labels.device), labels.where(~idle, 0)] -= 1
    row = (~idle).float() * (finish.times / finish.by)
    gradient *= (row if upstream is None else row * upstream)[:, None]
    return gradient if slope is None else gradient.mul_(slope)
