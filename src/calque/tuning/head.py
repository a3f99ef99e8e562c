"""Cross-entropy behind a linear head, a chunk of logits at a time, with the gradient written by hand.

Autograd keeps three or four tensors of the size of the logits, and needs them again for the gradient. Here two stand at
a time, of one chunk. Where it can be the gradient is written while the logits are there, so that no product is done
twice: under a frozen head, and where all losses will count alike. Else the logits are computed again. PyTorch's own
`linear_cross_entropy` does not serve: in bf16 it rounds each loss to three digits, and it knows neither a scale nor a
soft cap. `benchmarks/vocabulary.py` measures both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def token_losses(
    head: nn.Linear, hidden: torch.Tensor, labels: torch.Tensor, finish: Finish, *, alike: bool = False
) -> torch.Tensor:
    """The loss [n] of each label in fp32, nought where it is `IGNORED`; `hidden` [n, size].

    `alike` promises that what is made of the losses has the same derivative by each, as their sum has.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else head.weight.dtype
    parts = (hidden, head.weight, head.bias)
    needed = [torch.is_grad_enabled() and part is not None and part.requires_grad for part in parts]
    at_once = alike or not any(needed[1:])
    apply: Any = _Losses.apply
    losses: torch.Tensor = apply(*parts, labels, finish, dtype, needed if at_once else None)
    return losses


@dataclass
class _Gradients:
    """Gradients of what is needed, filled chunk by chunk: of the hidden states, the weight and the bias."""

    hidden: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None

    @classmethod
    def of(cls, parts: Sequence[torch.Tensor | None], needed: Sequence[bool]) -> _Gradients:
        pairs = zip(parts, needed, strict=True)
        return cls(*(torch.zeros_like(part) if need and part is not None else None for part, need in pairs))

    def add(self, span: slice, gradient: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor) -> None:
        """Take in a chunk: its gradient by the head's output in fp32, and what went into the product."""
        if self.bias is not None:
            self.bias += gradient.sum(0)
        gradient = gradient.to(weight.dtype)
        if self.hidden is not None:
            self.hidden[span] = gradient @ weight
        if self.weight is None:
            return
        if self.weight.dtype == weight.dtype:
            self.weight.addmm_(gradient.t(), rows)
        else:
            self.weight += gradient.t() @ rows  # added up in the weight's own precision


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
        needed: list[bool] | None,
    ) -> torch.Tensor:
        """With `needed` the gradients of these parts are written now, for a derivative of one."""
        ctx.finish, ctx.dtype, ctx.at_once = finish, dtype, needed is not None
        written = _Gradients.of((hidden, weight, bias), needed or [False] * 3)
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            used, added = weight.to(dtype), None if bias is None else bias.to(dtype)
            for span in _spans(len(labels), len(weight)):
                rows = hidden[span].to(dtype)
                logs, slope = _log_probabilities(rows, used, added, finish)
                losses[span] = functional.nll_loss(logs, labels[span], ignore_index=IGNORED, reduction="none")
                if needed is not None and any(needed):
                    written.add(span, _gradient(logs, slope, labels[span], None, finish), rows, used)
                del logs, slope  # before the next are made: two of a chunk's size stand at a time, not three
        kept = (written.hidden, written.weight, written.bias) if ctx.at_once else (hidden, weight, bias)
        ctx.save_for_backward(*kept, labels)
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        hidden, weight, bias, labels = ctx.saved_tensors
        if ctx.at_once:
            of_hidden = None if hidden is None else (hidden * upstream[:, None]).to(hidden.dtype)
            of_others = (None if part is None else part.mul_(upstream[0]) for part in (weight, bias))
            return of_hidden, *of_others, None, None, None, None
        written = _Gradients.of((hidden, weight, bias), ctx.needs_input_grad[:3])
        used, added = weight.to(ctx.dtype), None if bias is None else bias.to(ctx.dtype)
        for span in _spans(len(labels), len(weight)):
            rows = hidden[span].to(ctx.dtype)
            logs, slope = _log_probabilities(rows, used, added, ctx.finish)
            gradient = _gradient(logs, slope, labels[span], upstream[span], ctx.finish)
            written.add(span, gradient, rows, used)
            del logs, slope, gradient
        return written.hidden, written.weight, written.bias, None, None, None, None


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
