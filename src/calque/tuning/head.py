"""Cross-entropy behind a linear head, a chunk of logits at a time, with the gradient written by hand.

Autograd keeps three or four tensors of the size of the logits, and needs them again for the gradient. Here two stand at
a time, of one chunk. Where it can be the gradient is written while the logits are there, so that no product is done
twice: under a frozen head, where all losses will count alike, and where all logits are one chunk. Else they are computed
again. PyTorch's own `linear_cross_entropy` does not serve: in bf16 it rounds each loss to three digits, and it knows
neither a scale nor a soft cap. `benchmarks/vocabulary.py` measures both.
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
PIECE = 1 << 20  # of them that a CPU passes over at a time


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

    def add(
        self,
        span: slice,
        gradient: torch.Tensor,
        rows: torch.Tensor,
        weight: torch.Tensor,
        by: torch.Tensor | None = None,
    ) -> None:
        """Take in a chunk: its gradient by the head's output, what went into the product, and what each row counts [n, 1].

        Rows are weighed where they are short: before and behind the products.
        """
        if self.bias is not None:
            self.bias += (gradient if by is None else gradient * by).sum(0, dtype=torch.float32)
        if self.hidden is not None:
            found = gradient @ weight
            self.hidden[span] = found if by is None else found * by
        if self.weight is None:
            return
        weighed = rows if by is None else (rows * by).to(rows.dtype)
        if self.weight.dtype == weight.dtype:
            self.weight.addmm_(gradient.t(), weighed)
        else:
            self.weight += gradient.t() @ weighed  # added up in the weight's own precision


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
            spans = list(_spans(len(labels), len(weight)))
            keeps = needed is None and len(spans) == 1  # what is one chunk is kept for the way back
            wanted = keeps or (needed is not None and any(needed))
            gradient = None
            for span in spans:
                rows = hidden[span].to(dtype)
                logits = functional.linear(rows, used, added)
                losses[span] = _turned(logits, labels[span], finish, to_gradient=wanted)
                if keeps:
                    gradient = logits
                elif wanted:
                    written.add(span, logits, rows, used)
                del logits  # before the next are made
        kept = (written.hidden, written.weight, written.bias) if ctx.at_once else (hidden, weight, bias)
        ctx.save_for_backward(*kept, labels, gradient)
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        hidden, weight, bias, labels, gradient = ctx.saved_tensors
        if ctx.at_once:
            of_hidden = None if hidden is None else (hidden * upstream[:, None]).to(hidden.dtype)
            of_others = (None if part is None else part.mul_(upstream[0]) for part in (weight, bias))
            return of_hidden, *of_others, None, None, None, None
        written = _Gradients.of((hidden, weight, bias), ctx.needs_input_grad[:3])
        used, added = weight.to(ctx.dtype), None if bias is None else bias.to(ctx.dtype)
        for span in _spans(len(labels), len(weight)):
            rows = hidden[span].to(ctx.dtype)
            logits = gradient  # of the one chunk there is, where it was kept
            if logits is None:
                logits = functional.linear(rows, used, added)
                _turned(logits, labels[span], ctx.finish)
            written.add(span, logits, rows, used, upstream[span][:, None])
            del logits
        return written.hidden, written.weight, written.bias, None, None, None, None


def _spans(rows: int, vocabulary: int, size: int | None = None) -> Iterator[slice]:
    size = max(1, (size or CHUNK) // vocabulary)
    return (slice(start, start + size) for start in range(0, rows, size))


def _turned(
    output: torch.Tensor, labels: torch.Tensor, finish: Finish, *, to_gradient: bool = True
) -> torch.Tensor:
    """The losses [n] in fp32 behind the head's output [n, vocabulary], which is turned into their gradient.

    A piece at a time, which a CPU then finds in its cache at each pass.
    """
    on_cpu = output.device.type == "cpu"
    losses = torch.empty(len(labels), dtype=torch.float32, device=output.device)
    spans = list(_spans(len(labels), output.shape[1], PIECE if on_cpu else None))
    full = output.dtype == torch.float32
    piece = output if full else torch.empty_like(output[spans[0]], dtype=torch.float32)
    factor = finish.times / finish.by
    for span in spans:
        label = labels[span]
        logits = output[span] if full else piece[: len(label)].copy_(output[span])
        idle = label == IGNORED
        at = label.where(~idle, 0)[:, None]
        if factor != 1:
            logits = logits * factor
        slope = None
        if finish.cap is not None:
            bent = torch.tanh(logits / finish.cap)
            logits, slope = bent * finish.cap, bent.square_().neg_().add_(1)
        most, of_label = logits.amax(1), logits.gather(1, at)[:, 0]
        chances = torch.softmax(logits, -1, out=logits if on_cpu else None)
        # by the largest probability, which is no less than one by the vocabulary: the label's may be nought
        losses[span] = (most - chances.amax(1).log() - of_label).where(~idle, 0)
        if not to_gradient:
            continue
        chances.scatter_add_(1, at, chances.new_full(at.shape, -1))
        if factor != 1:
            chances.mul_(factor)
        if slope is not None:
            chances.mul_(slope)
        if not on_cpu or bool(idle.any()):  # asked for on a CPU alone: a GPU would be waited for
            chances.masked_fill_(idle[:, None], 0)
        if chances.data_ptr() != output[span].data_ptr():
            output[span] = chances
    return losses
