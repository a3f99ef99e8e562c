"""Answers token by token: rows that end make room at once for those that wait, and no step computes what is not needed.

Prompts run in falling length, those that begin alike one behind the other. Those that fit run together, in `passes` or
padded on the left, and the head on their last positions only; their keys and values then stand in `Columns`, and each
step runs the newest token of every row. What several begin with is kept once, in `Stems`. A row that ends leaves at that step; waiting prompts, which are never longer than
the columns in use, enter once a quarter of the places is free. `generate` of transformers makes masks anew and lets the cache grow by copying it at every token, and
keeps ended rows to the end of their batch.

Whether a model can be run so is found out by a probe: its logits must be those of a plain pass. Models with other caches
(sliding windows, state spaces) or attention of their own are left to `generate`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from calque.engines import Sampling
from calque.engines.attention import causal_of
from calque.engines.columns import NAME, Columns, install
from calque.engines.drawing import Drawing
from calque.engines.form import OPERATIONS, Operations
from calque.engines.padding import padded, positions
from calque.engines.passes import Passes, Rows
from calque.engines.probing import are_those_alone, takes_ours
from calque.engines.products import onednn_is_faster, products_of
from calque.engines.stems import Stem, Stems, alike_together, stems_of
from calque.engines.step import Step, step_of

LOGITS = 1 << 27  # held at a time: half a gigabyte in fp32
SPARE = 64  # columns beyond the longest row, so that columns are moved seldom
FREE = 0.25  # of the places, before prompts enter again


@dataclass
class Answer:
    """A row that is being answered: which prompt's, its length, and what has been written."""

    prompt: int
    length: int
    written: list[int] = field(default_factory=list)


def make_decoder(model: Any, stop_id: int, passes: Passes | None = None) -> Decoder | None:
    """The decoder of a model, or none where the model cannot be run so: it is left as it was.

    With `passes` prompts run in these.
    """
    causal = causal_of(model)
    if not takes_ours(causal):
        return None
    decoder = Decoder(causal, stop_id, passes)
    if decoder.agrees():
        return decoder
    causal.set_attn_implementation("sdpa")
    return None


class Decoder:
    """Greedy or drawn continuations of prompts; see `make_decoder`."""

    def __init__(self, model: Any, stop_id: int, passes: Passes | None = None) -> None:
        self.model = model
        self.stop_id = stop_id
        self.passes = passes
        self.products = products_of(model)
        self.shares = False  # whether rows may share stems
        self.step: Step | None = None
        self.by_weights = False  # whether steps may go by the model's weights, without its modules
        install()
        model.set_attn_implementation(NAME)

    def in_passes(self, passes: Passes) -> Decoder:
        """Another one of the same model, whose prompts run in passes of their own."""
        other = copy.copy(self)
        other.passes = passes
        return other

    @torch.inference_mode()
    def agrees(self) -> bool:
        """Whether two rows of unequal lengths get the logits that each gets alone, at their prompts and one token on.

        Where they also do with a stem that they share, rows may from now on; where they do by the model's weights, steps go by these.
        """
        operations = self._agree()
        if operations is None:
            return False
        if self.passes is not None and self.model.device.type == "cpu":
            with suppress(RuntimeError):  # an attention that is out of the ordinary
                self.shares = self._agree(Stems(2, 3), [Stem(0, 3), Stem(0, 3)]) is not None
        self.step = step_of(self.model, self.products) if operations <= OPERATIONS else None
        self.by_weights = self.step is not None and self._agree() is not None
        return True

    def _agree(self, stems: Stems | None = None, which: Sequence[Stem] = ()) -> set[str] | None:
        """The operations of a step where rows get those logits, else none."""
        cache = self._columns(2, 9, 0, stems)
        size = self.model.config.get_text_config().vocab_size
        prompts = [[i % size for i in range(3, 3 + length)] for length in (7, 4)]
        found = [self._enter(cache, prompts, which)]
        now = [Answer(i, len(ids), [5 % size]) for i, ids in enumerate(prompts)]
        onednn_is_faster()  # found out here: it computes what is none of the model's
        operations = Operations()
        with operations:
            found.append(self._step(cache, now))
        for i, ids in enumerate(prompts):
            row = torch.tensor([[*ids, 5 % size]], device=self.model.device)
            if not are_those_alone(self.model, row, torch.stack([logits[i] for logits in found])):
                return None
        return operations.seen

    @torch.inference_mode()
    def answers(
        self,
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        tokens_at_a_time: int,
        sampling: Sampling | None = None,
    ) -> Iterator[tuple[int, list[int]]]:
        """(place of the prompt, ids written) as answers end, the stop token included.

        `tokens_at_a_time` bounds rows × (prompt and answer); prompts of less than a quarter of the room of the longest
        run apart, more of them at a time.
        """
        self.step = (
            step_of(self.model, self.products) if self.by_weights else None
        )  # of the weights that it has now
        try:
            order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
            while order:
                longest = len(prompts[order[0]]) + max_new_tokens
                like = [i for i in order if 4 * (len(prompts[i]) + max_new_tokens) >= longest]
                order = order[len(like) :]
                if self.passes is not None:
                    like = alike_together(prompts, like)
                stems = stems_of([prompts[i] for i in like]) if self.shares else []
                lengths = [len(prompts[i]) for i in like]
                cache = self._cache(lengths, stems, max_new_tokens, tokens_at_a_time)
                drawing = None if sampling is None else Drawing(sampling, (), self.model.device)
                by_prompt = dict(zip(like, stems, strict=True)) if stems else {}
                yield from self._run(
                    [(i, prompts[i]) for i in like], max_new_tokens, cache, drawing, by_prompt
                )
        finally:
            if self.passes is not None:
                self.passes.forget()  # weights may change before the next answers

    def _cache(self, lengths: list[int], stems: Sequence[Stem], more: int, tokens_at_a_time: int) -> Columns:
        """Room for prompts of these lengths and `more` tokens behind each, as many at a time as there is room for."""
        shared = 0.0
        if stems:
            lengths = [n - stem.tokens for n, stem in zip(lengths, stems, strict=True)]
            longest = max(stem.tokens for stem in stems)
            shared = longest * (stems[-1].number + 1) / len(stems)  # a row's part of the stems
        rows = min(max(1, int(tokens_at_a_time / (max(lengths) + more + shared))), len(lengths))
        width = max(lengths) + more + SPARE
        parted = Stems(rows, longest) if stems else None
        return self._columns(rows, width, max(lengths), parted)

    def _columns(self, rows: int, width: int, longest: int, stems: Stems | None) -> Columns:
        model, heads = self.model, self.model.config.get_text_config()
        number = getattr(heads, "num_attention_heads", 1)
        shared = getattr(heads, "num_key_value_heads", number) != number
        return Columns(rows, width, model.dtype, model.device, longest, stems, tokens_last=shared)

    def _run(
        self,
        prompts: list[tuple[int, list[int]]],
        max_new_tokens: int,
        cache: Columns,
        drawing: Drawing | None,
        stems: Mapping[int, Stem],
    ) -> Iterator[tuple[int, list[int]]]:
        """Answers to numbered prompts, in their order."""
        waiting = prompts[::-1]
        now: list[Answer] = []
        while now or waiting:
            logits = [self._step(cache, now)] if now else []
            free = cache.rows - len(now)
            if waiting and free >= max(1, FREE * cache.rows):
                entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
                parted = [stems[i] for i, _ in entering if stems]
                logits.append(self._enter(cache, [ids for _, ids in entering], parted))
                now += [Answer(i, len(ids)) for i, ids in entering]
                if drawing is not None:
                    drawing.add([ids for _, ids in entering])
            tokens = self._pick(torch.cat(logits) if len(logits) > 1 else logits[0], drawing)
            kept = []
            for row, (answer, token) in enumerate(zip(now, tokens, strict=True)):
                answer.written.append(token)
                if token == self.stop_id or len(answer.written) == max_new_tokens:
                    yield answer.prompt, answer.written
                else:
                    kept.append(row)
            if len(kept) < len(now):
                standing = cache.keep(kept)
                now = [now[row] for row in standing]
                if drawing is not None:
                    drawing.keep(standing)

    @staticmethod
    def _pick(logits: torch.Tensor, drawing: Drawing | None) -> list[int]:
        """The next token of each row."""
        if drawing is not None:
            return drawing.tokens(logits)
        if logits.device.type == "cpu":
            likeliest: list[int] = logits.float().numpy().argmax(-1).tolist()  # a tenth of what torch's takes
        else:
            likeliest = logits.argmax(-1).tolist()
        return likeliest

    def _step(self, cache: Columns, now: list[Answer]) -> torch.Tensor:
        """Logits [rows, vocabulary] behind the newest token of each row."""
        cache.advance()
        device = self.model.device
        newest = torch.tensor([[answer.written[-1]] for answer in now], device=device)
        places = torch.tensor([[answer.length + len(answer.written) - 1] for answer in now], device=device)
        if self.step is not None:
            return self.step(newest, places, cache)
        return self._logits(newest, cache.mask(), places, cache)

    def _enter(self, cache: Columns, prompts: list[list[int]], stems: Sequence[Stem] = ()) -> torch.Tensor:
        """Logits [rows, vocabulary] behind prompts, which then stand in the cache, parted if they have stems."""
        if self.passes is not None:
            return self._enter_in_passes(self.passes, cache, prompts, stems)
        ids, mask = padded(prompts, 0, self.model.device, left=True)
        own = DynamicCache(config=self.model.config)
        logits = self._logits(ids, mask, positions(mask), own)
        cache.enter([(layer.keys, layer.values) for layer in own.layers], [len(prompt) for prompt in prompts])
        return logits

    @staticmethod
    def _enter_in_passes(
        passes: Passes, cache: Columns, prompts: list[list[int]], stems: Sequence[Stem]
    ) -> torch.Tensor:
        rows = [np.array(prompt) for prompt in prompts]
        found = []
        for begin, end, trunk in passes.cut([Rows(len(row), [row]) for row in rows], LOGITS):
            own = rows[begin:end]
            logits, which, tree = passes.run(own, trunk, [1] * len(own))
            found.append(logits[torch.from_numpy(np.concatenate(which)).to(logits.device)])
            paths = tree.paths
            if cache.stems is not None:
                parted = stems[begin:end]
                new = cache.stems.lacking(parted)
                layers = passes.laid_out([paths[i][: parted[i].tokens] for i in new]) if new else []
                cache.stems.enter(layers, [parted[i] for i in new], parted)
                paths = [path[stem.tokens :] for path, stem in zip(paths, parted, strict=True)]
            cache.enter(passes.laid_out(paths), [len(path) for path in paths])
        return torch.cat(found)

    def _logits(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        with self.products():
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits
