"""Log-likelihoods of the answers to a prompt, the prompt being run once for all of them.

The prompts of a batch run together, padded on the left; their keys and values are then laid out once for each answer,
and the answers run behind them, padded on the right. The first token of an answer is predicted by the prompt's end, so
that where all answers are of one token nothing else runs at all. What keeps no keys and values of every position (state
space models, linear attention) is given prompt and answer as one row each.

Where a model can be run in `passes`, prompts that begin alike share that too, and nothing is padded (`score_in_passes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from calque.engines.padding import padded, positions
from calque.engines.passes import Passes, Rows


@dataclass(frozen=True, slots=True)
class Asked:
    """Token ids of a prompt, and of each answer behind it (each of one token or more)."""

    prompt: list[int]
    answers: list[list[int]]


def score_in_passes(
    passes: Passes, asked: Sequence[Asked], logits: int
) -> Iterator[tuple[int, tuple[float, ...]]]:
    """(place in `asked`, log-likelihoods in nats of its answers), as passes end; `logits` are held at a time at most."""
    order = sorted(range(len(asked)), key=lambda i: asked[i].prompt)
    rows = [_rows(asked[i]) for i in order]
    try:
        for begin, end, trunk in passes.cut(rows, logits):
            found = _in_one_pass(passes, [asked[i] for i in order[begin:end]], rows[begin:end], trunk)
            yield from zip(order[begin:end], found, strict=True)
    finally:
        passes.forget()  # weights may change before the next scores


def _rows(one: Asked) -> Rows:
    """A prompt with each of its answers, less the last token; answers of one token need nothing but the prompt."""
    begun = sorted({tuple(answer[:-1]) for answer in one.answers})
    return Rows(len(one.prompt), [np.array([*one.prompt, *more]) for more in begun])


@torch.inference_mode()
def _in_one_pass(
    passes: Passes, asked: Sequence[Asked], rows: Sequence[Rows], trunk: int
) -> list[tuple[float, ...]]:
    flat = [row for of in rows for row in of.rows]
    logits, which, _ = passes.run(flat, trunk, [len(row) - of.prompt + 1 for of in rows for row in of.rows])
    places: list[np.ndarray[Any, Any]] = []
    tokens: list[int] = []
    at = 0
    for one, of in zip(asked, rows, strict=True):
        begun = {tuple(row[of.prompt :].tolist()): which[at + j] for j, row in enumerate(of.rows)}
        at += len(of.rows)
        for answer in one.answers:
            places.append(begun[tuple(answer[:-1])])
            tokens += answer
    where = torch.from_numpy(np.concatenate(places)).to(logits.device)
    chosen = logits[where, torch.tensor(tokens, device=logits.device)] - logits.logsumexp(-1)[where]
    begins = list(accumulate((len(of) for of in places), initial=0))
    sums = np.add.reduceat(chosen.double().cpu().numpy(), begins[:-1]).tolist()
    ends = list(accumulate((len(one.answers) for one in asked), initial=0))
    return [tuple(sums[start:end]) for start, end in pairwise(ends)]


@torch.inference_mode()
def score_choices(model: Any, asked: Sequence[Asked], padding: int) -> list[tuple[float, ...]]:
    """Log-likelihood in nats of each answer, in the order of `asked`; `padding` is any token's id."""
    rows = [(i, answer) for i, one in enumerate(asked) for answer in one.answers]
    several = any(len(answer) > 1 for _, answer in rows)
    ids, mask = padded([one.prompt for one in asked], padding, model.device, left=True)
    output = model(
        input_ids=ids, attention_mask=mask, position_ids=positions(mask), logits_to_keep=1, use_cache=several
    )
    cache = getattr(output, "past_key_values", None)
    if several and not _holds_every_position(cache):
        scores = _one_by_one(model, [(asked[i].prompt, answer) for i, answer in rows], padding)
    else:
        first = output.logits[:, -1].float().log_softmax(-1)
        scores = [float(first[i, answer[0]]) for i, answer in rows]
    if several and _holds_every_position(cache):
        longer = [r for r, (_, answer) in enumerate(rows) if len(answer) > 1]
        behind = _behind(model, cache, mask, [rows[r] for r in longer], padding)
        for r, value in zip(longer, behind, strict=True):
            scores[r] += value
    ends = list(accumulate((len(one.answers) for one in asked), initial=0))
    return [tuple(scores[start:end]) for start, end in pairwise(ends)]


def _behind(
    model: Any, cache: Any, mask: torch.Tensor, rows: Sequence[tuple[int, list[int]]], padding: int
) -> list[float]:
    """What all tokens of answers but the first add, the prompts' keys and values being in `cache`."""
    prompts = torch.tensor([i for i, _ in rows], device=model.device)
    cache.batch_select_indices(prompts)
    ids, own = padded([answer[:-1] for _, answer in rows], padding, model.device, left=False)
    whole = torch.cat((mask[prompts], own), dim=1)
    places = positions(whole)[:, mask.shape[1] :]
    logits = model(
        input_ids=ids, attention_mask=whole, position_ids=places, past_key_values=cache, use_cache=True
    ).logits
    return [_sum(logits[r, : len(answer) - 1], answer[1:]) for r, (_, answer) in enumerate(rows)]


def _one_by_one(model: Any, rows: Sequence[tuple[list[int], list[int]]], padding: int) -> list[float]:
    """Prompt and answer in one row; rows of one length together, since these models see their padding."""
    scores = [0.0] * len(rows)
    lengths = [len(prompt) + len(answer) for prompt, answer in rows]
    for length in sorted(set(lengths)):
        which = [r for r in range(len(rows)) if lengths[r] == length]
        ids, mask = padded([[*rows[r][0], *rows[r][1][:-1]] for r in which], padding, model.device, left=True)
        keep = max(len(rows[r][1]) for r in which)
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=keep, use_cache=False).logits
        for row, r in enumerate(which):
            answer = rows[r][1]
            scores[r] = _sum(logits[row, -len(answer) :], answer)
    return scores


def _sum(logits: torch.Tensor, ids: Sequence[int]) -> float:
    """The log-probabilities of tokens, each by the logits of its position."""
    logits = logits.float()
    chosen = logits.gather(1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
    return float((chosen - logits.logsumexp(-1)).sum())


def _holds_every_position(cache: Any) -> bool:
    attention = (DynamicLayer, DynamicSlidingWindowLayer)
    return isinstance(cache, DynamicCache) and all(type(layer) in attention for layer in cache.layers)
