"""The tuning loop, from top to bottom: load, adapt, step, save.

One optimiser step draws `examples_per_step` rows, runs them in micro-batches by a token budget, and divides the
gradient by the trained tokens of the whole step, over all devices. So neither the budget nor the number of devices
changes what is learnt (but for dropout on a GPU, and where rows cannot draw it for themselves: that is drawn per
device). Under `torchrun` or `accelerate launch` every process calls `tune` with the same arguments; the first one alone
writes and reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from calque.engines.attention import causal_of
from calque.engines.device import best_device, resolve_dtype
from calque.engines.loading import ModelFiles, load_tokenizer
from calque.engines.products import fast_products
from calque.errors import Problem, TuningError
from calque.randomness import stream
from calque.tuning import attention
from calque.tuning.adapt import (
    adapt,
    decay_groups,
    parameter_counts,
    save_tuned,
    tuned_parameters,
    weights_of,
)
from calque.tuning.batch import plan_of
from calque.tuning.checkpoint import Progressed, load_checkpoint, save_checkpoint
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.gradient import Gradient
from calque.tuning.lanes import MOST, Lanes
from calque.tuning.pace import Pace
from calque.tuning.paced import PacedSteps, Taken, normalise, plain_step
from calque.tuning.settings import TuningSettings
from calque.tuning.start import Start, starting_model


@dataclass(frozen=True, slots=True)
class StepLog:
    """One optimiser step; `loss` is the mean over its trained tokens (nats), before the step was taken.

    Under a pace, `loss` is that of all rows that ran; `trained_tokens` are those that count; `admitted` is the share of
    rows that count; and `refreshed_tokens` ran only to tell the losses of rows that are kept out.
    """

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    trained_tokens: int
    examples: int
    admitted: float = 1.0
    refreshed_tokens: int = 0


OnStep = Callable[[StepLog, int], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out: the log, the number of parameters in all and tuned, and by step and group what the pace admitted.

    `notes` say what a user should know of how it ran.
    """

    log: list[dict[str, Any]]
    parameters: int
    trainable: int
    dtype: str
    pace: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()


@fast_products()
def tune(
    base: ModelFiles,
    encoded: EncodedSet,
    settings: TuningSettings,
    *,
    seed: int,
    folder: Path,
    fingerprint: Mapping[str, str],
    start: Start | None = None,
    on_step: OnStep | None = None,
) -> Tuned:
    """Tune `base`, or what an earlier stage made of it (`start`), on `encoded`.

    Checkpoints and then `adapter/` (with `start/`, where it stands on other weights than the base's) or `model/` are
    written into `folder`. Goes on from a checkpoint in `folder` if one is there. Raises `RunError` if that was made
    from something else, `ModelError` if model, tokenizer or adapter do not fit, `TuningError` if the loss is no longer
    finite.
    """
    accelerator = Accelerator(cpu=best_device().type == "cpu")  # else it would not join processes on CPUs
    dtype = resolve_dtype(settings.precision, accelerator.device)
    model, adapter = starting_model(
        base,
        start,
        encoded,
        settings.method,
        folder,
        accelerator,
        dtype,
        quantized=settings.quantized is not None,
    )
    _seed(seed, "adapter")
    model = adapt(model, settings, adapter)
    attention.install(causal_of(model), accelerator.device)
    parameters = tuned_parameters(model)
    fused = accelerator.device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(
        decay_groups(parameters, settings.weight_decay), lr=settings.learning_rate, fused=fused
    )
    joins = accelerator.device.type == "cuda" and dtype == torch.bfloat16  # what its kernels compute in
    loss_of = ResponseLoss(model, join=dtype if joins else None)
    budget = _token_budget(settings, accelerator.device)
    given = settings.tokens_per_batch != "auto"  # then it bounds what runs at once: a row is never cut
    lanes = Lanes(loss_of, accelerator.device, max(1, budget // encoded.longest) if given else MOST)
    plan = plan_of(
        encoded,
        settings,
        seed,
        tokens_per_batch=budget // len(lanes),
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        joined=loss_of.joined,
    )
    progressed = load_checkpoint(folder, fingerprint, parameters, optimizer) or Progressed(0, [])
    log, pace_log = list(progressed.log), list(progressed.pace)
    counts = torch.from_numpy(plan.trained_counts).to(accelerator.device)
    gradient = Gradient(encoded, counts, lanes, accelerator, dtype, seed)
    pace = Pace(settings.pacing, encoded, plan, seed) if settings.pacing.order != "none" else None
    if pace is not None and progressed.state:
        pace.restore(progressed.state)
    take = partial(plain_step, gradient=gradient) if pace is None else PacedSteps(pace, gradient).take
    lanes.train()
    for planned in plan.steps(progressed.steps):
        _seed(seed, "dropout", str(planned.index), str(plan.rank))
        learning_rate = rate_at(planned.index, len(plan), settings)
        taken = take(planned)
        _sum_gradients(parameters, accelerator)
        normalise(taken, list(parameters.values()))
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), settings.max_gradient_norm)
        entry = _entry(taken, learning_rate, float(norm))
        _check_finite(entry)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        if taken.mean_weight > 0:  # else no row counts, and momentum alone must not move the model
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        log.append(asdict(entry))
        pace_log += taken.log
        if on_step is not None and accelerator.is_main_process:
            on_step(entry, len(plan))
        done = planned.index + 1
        if done % settings.checkpoint_steps == 0 and done < len(plan) and accelerator.is_main_process:
            progressed = Progressed(done, log, pace_log, pace.state() if pace is not None else {})
            save_checkpoint(folder, progressed, fingerprint, parameters, optimizer)
    if accelerator.is_main_process:
        save_tuned(
            model, load_tokenizer(base), folder, settings, weights_of(base, folder if start else None).label
        )
    accelerator.wait_for_everyone()
    return Tuned(
        log,
        *parameter_counts(model),
        dtype=str(dtype).removeprefix("torch."),
        pace=pace_log,
        notes=loss_of.notes,
    )


def _entry(taken: Taken, learning_rate: float, norm: float) -> StepLog:
    return StepLog(
        step=taken.step.index + 1,
        loss=round(taken.loss, 6),
        learning_rate=float(f"{learning_rate:.6g}"),
        gradient_norm=round(norm, 6),
        tokens=taken.step.tokens,
        trained_tokens=taken.trained_tokens,
        examples=taken.step.examples,
        admitted=round(taken.admitted, 4),
        refreshed_tokens=taken.refreshed_tokens,
    )


def _sum_gradients(parameters: Mapping[str, torch.nn.Parameter], accelerator: Accelerator) -> None:
    """Over several devices, add the gradients up: each is already divided by the tokens of the whole step."""
    if accelerator.num_processes > 1:
        for parameter in parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch.distributed.all_reduce(parameter.grad)


def _seed(seed: int, *names: str) -> None:
    """New adapters and what rows do not draw themselves have streams of their own, so that no state needs to be kept."""
    torch.manual_seed(int(stream(seed, "torch", *names).integers(2**63 - 1)))


def rate_at(step: int, steps: int, settings: TuningSettings) -> float:
    """Learning rate of step `step` (from 0) of `steps`: linear warm-up, then the schedule down to zero."""
    warmup = math.ceil(settings.warmup_share * steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    share = 1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate * share


def _check_finite(entry: StepLog) -> None:
    if not math.isfinite(entry.loss) or not math.isfinite(entry.gradient_norm):
        remedy = "lower tuning.learning_rate, or set tuning.precision=fp32"
        raise TuningError(Problem(f"the loss is no longer finite at step {entry.step}", remedy=remedy))


def _token_budget(settings: TuningSettings, device: torch.device) -> int:
    if settings.tokens_per_batch != "auto":
        return settings.tokens_per_batch
    return 2048 if device.type == "cpu" else 16384  # small batches stay in a CPU's cache
