"""A model in this process: greedy or drawn answers with a key-value cache, and log-likelihoods of choices."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from calque.engines import Completion, Progress, Sampling, Scores, in_order
from calque.engines.choosing import Asked, score_choices
from calque.engines.decode import LOGITS, make_decoder
from calque.engines.drawing import Drawing
from calque.engines.lanes import Lanes
from calque.engines.padding import padded
from calque.engines.passes import make_passes
from calque.engines.products import products_of
from calque.prompts.encoding import Encoder
from calque.records import Conversation

TOKENS = 16384
KEPT = 1 << 29  # bytes of keys and values


class TransformersEngine:
    """Batches prompts by length under a token budget (prompt and answer, padding included), as a rule `tokens_for` the model."""

    def __init__(
        self, model: Any, encoder: Encoder, identity: str, *, tokens_per_batch: int | None = None
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.identity = identity
        self.tokens_per_batch = tokens_for(model) if tokens_per_batch is None else tokens_per_batch
        self.stop_id = encoder.stop_id
        # Greedy, whatever sampling, penalties or other stop tokens the model's own folder asks for.
        model.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=self.stop_id, pad_token_id=self.stop_id
        )
        self.passes = make_passes(model)
        self.decoder = make_decoder(model, self.stop_id, self.passes)
        self.lanes = None if self.passes is None else Lanes(self.decoder, self.passes)
        self.longest = getattr(model.config, "max_position_embeddings", None) or 1 << 30

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        progress: Progress | None = None,
    ) -> list[Completion]:
        """Greedy answers, or drawn ones. A prompt that leaves no room for an answer in the model's context stays unanswered."""
        written = self.answers(conversations, max_new_tokens=max_new_tokens, sampling=sampling)
        return in_order(written, len(conversations), progress)

    def rendered(self, conversation: Conversation) -> str:
        """The segments of the prompt: special tokens and text that reads like them are kept apart."""
        segments = self.encoder.renderer.prompt(conversation)
        return json.dumps([[s.text, s.token, s.template] for s in segments], ensure_ascii=False)

    def answers(
        self, conversations: Sequence[Conversation], *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Iterator[tuple[int, Completion]]:
        """Answers as they end; those that do not fit first."""
        prompts = self.encoder.encode_prompts(conversations)
        room = self.longest - max_new_tokens
        fitting = [i for i, ids in enumerate(prompts) if len(ids) <= room]
        yield from ((i, Completion("", 0, False)) for i, ids in enumerate(prompts) if len(ids) > room)
        for i, ids in self._written(prompts, fitting, max_new_tokens, sampling):
            text, finished = self.encoder.decode(ids)
            length = ids.index(self.stop_id) if self.stop_id in ids else len(ids)
            yield i, Completion(text, length, finished, len(prompts[i]))

    def _written(
        self,
        prompts: Sequence[list[int]],
        which: Sequence[int],
        max_new_tokens: int,
        sampling: Sampling | None,
    ) -> Iterator[tuple[int, list[int]]]:
        """Token ids behind the prompts `which`, as they end: by our decoder where the model lets it."""
        if self.decoder is not None:
            asked = [prompts[i] for i in which]
            run = self.decoder if self.lanes is None else self.lanes
            for place, ids in run.answers(asked, max_new_tokens, self.tokens_per_batch, sampling):
                yield which[place], ids
            return
        for batch in self._batches(prompts, which, max_new_tokens):
            written = self._generate([prompts[i] for i in batch], max_new_tokens, sampling)
            yield from zip(batch, written, strict=True)

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-likelihood of each choice behind its prompt, in nats; see `scores`."""
        return in_order(self.scores(conversations, choices), len(conversations), progress)

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores]]:
        """Log-likelihoods of a prompt's choices, as soon as the last of them is known.

        What prompts begin with alike runs once, and a prompt once for all of its choices. One that does not fit the
        model's context with its longest choice gets no scores: an empty tuple.
        """
        prompts = self.encoder.encode_prompts(conversations)
        texts = sorted({choice for row in choices for choice in row})
        ids_of = dict(zip(texts, self.encoder.encode_answers(texts), strict=True))
        answers = [[ids_of[choice] for choice in row] for row in choices]
        longest = [max(map(len, row), default=0) for row in answers]
        fitting = [i for i, ids in enumerate(prompts) if len(ids) + longest[i] <= self.longest and answers[i]]
        yield from ((i, ()) for i in sorted({*range(len(prompts))} - {*fitting}))
        if self.lanes is not None:
            rows = [Asked(prompts[i], answers[i]) for i in fitting]
            yield from ((fitting[i], found) for i, found in self.lanes.scores(rows))
            return
        for batch in self._choice_batches(prompts, answers, fitting):
            asked = [Asked(prompts[i], answers[i]) for i in batch]
            with products_of(self.model)():
                found = score_choices(self.model, asked, self.stop_id)
            yield from zip(batch, found, strict=True)

    def requests_for(self, choices: Sequence[str]) -> int:
        """As many as texts: the prompt and each choice."""
        return 1 + len(choices)

    def _choice_batches(
        self, prompts: Sequence[Sequence[int]], answers: Sequence[list[list[int]]], which: Sequence[int]
    ) -> Iterator[list[int]]:
        """Indices `which` in falling length, cut by the token budget and by the room that logits of the answers take."""
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        batch: list[int] = []
        rows = behind = 0
        for i in sorted(which, key=lambda i: (-len(prompts[i]), i)):
            deep = max(map(len, answers[i])) - 1
            more = len(answers[i]) if deep else 1
            longest = len(prompts[batch[0] if batch else i]) + max(behind, deep)
            room = max(longest / self.tokens_per_batch, max(behind, deep) * vocabulary / LOGITS)
            if batch and (rows + more) * room > 1:
                yield batch
                batch, rows, behind = [], 0, 0
            batch.append(i)
            rows, behind = rows + more, max(behind, deep)
        if batch:
            yield batch

    def _batches(
        self, prompts: Sequence[Sequence[int]], which: Sequence[int], more: int
    ) -> Iterator[list[int]]:
        """Indices `which` in falling length, cut by the token budget."""
        order = sorted(which, key=lambda i: (-len(prompts[i]), i))
        start = 0
        while start < len(order):
            fit = max(1, self.tokens_per_batch // (len(prompts[order[start]]) + more))
            yield order[start : start + fit]
            start += fit

    @torch.inference_mode()
    def _generate(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> list[list[int]]:
        ids, mask = padded(prompts, self.stop_id, self.model.device, left=True)
        drawing = None if sampling is None else [Drawing(sampling, prompts, self.model.device)]
        with products_of(self.model)():
            output = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_new_tokens, logits_processor=drawing
            )
        return [list(row) for row in output[:, ids.shape[1] :].tolist()]


def tokens_for(model: Any) -> int:
    """Tokens whose keys and values stand at a time: on a CPU up to twice as many where these are few bytes.

    A step of few rows is mostly calls: 64 rows of a model of 1.5M wrote 1.2 times as many tokens a second as 41.
    """
    config = model.config.get_text_config()
    numbers = getattr(config, "num_hidden_layers", 0) * getattr(config, "hidden_size", 0)
    if model.device.type != "cpu" or not numbers:
        return TOKENS
    bytes_of_one = 2 * numbers * model.dtype.itemsize  # fewer where heads share keys
    room: int = min(2 * TOKENS, max(TOKENS, KEPT // bytes_of_one))
    return room
