"""One answer at a time, as it is written: for a conversation, where `transformers_engine` is for many questions.

Greedy or drawn, it is the same answer that the engine gives. What the model has read of a conversation is kept between its turns.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from calque.engines import Completion, Sampling
from calque.engines.attention import causal_of
from calque.engines.drawing import Drawing
from calque.engines.passes import common
from calque.engines.probing import is_plain
from calque.engines.products import products_of
from calque.prompts.encoding import Encoder
from calque.records import Conversation

BROKEN = "\ufffd"  # the beginning of a character whose other bytes are still to come


class Writer:
    """A model and its encoder, writing; `model` is used as it is, with the attention that it came with."""

    def __init__(self, model: Any, encoder: Encoder) -> None:
        self.model = model
        self.encoder = encoder
        self.longest: int = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        takes = inspect.signature(causal_of(model).forward).parameters
        self._last_alone = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self._read: list[int] = []  # what the cache holds
        self._cache: Any = None

    def room(self, conversation: Conversation) -> int:
        """Tokens that the model's context leaves for an answer; not above 0 where the prompt itself does not fit."""
        return self.longest - len(self._prompt(conversation))

    def write(
        self, conversation: Conversation, *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Generator[str, None, Completion]:
        """The answer in pieces, each as soon as it is settled. The generator's value is the `Completion`.

        Characters that are not whole yet, and what may be the beginning of a stop string, are held back.
        """
        prompt = self._prompt(conversation)
        drawing = None if sampling is None else Drawing(sampling, [prompt], self.model.device)
        written: list[int] = []
        shown, text, finished = "", "", False
        while len(written) < max_new_tokens and not finished:
            logits = self._next([*prompt, *written])
            scores = logits if drawing is None else drawing(logits, logits)
            written.append(int(scores[0].argmax()))
            text, finished = self.encoder.decode(written)
            settled = text if finished else self._settled(text)
            if settled.startswith(shown) and settled != shown:
                yield settled[len(shown) :]
                shown = settled
        if text.startswith(shown) and text != shown:
            yield text[len(shown) :]
        tokens = len(written) - (written[-1:] == [self.encoder.stop_id])
        return Completion(text, tokens, finished, len(prompt))

    def _prompt(self, conversation: Conversation) -> list[int]:
        return self.encoder.encode_prompts([conversation])[0]

    def _settled(self, text: str) -> str:
        """The text without an end that more tokens may still change."""
        text = text.rstrip(BROKEN)
        for stop in self.encoder.renderer.stops:
            for length in range(min(len(stop) - 1, len(text)), 0, -1):
                if text.endswith(stop[:length]):
                    return text[:-length].rstrip()
        return text

    @torch.inference_mode()
    def _next(self, ids: list[int]) -> torch.Tensor:
        """Logits [1, vocabulary] behind all of `ids`; of what was read before only the rest is read."""
        known = self._known(ids)
        row = torch.tensor([ids[known:]], device=self.model.device)
        cache, self._cache = self._cache if known else None, None  # stopped half-way, it would be of no use
        with products_of(self.model)():
            output = self.model(input_ids=row, past_key_values=cache, use_cache=True, **self._last_alone)
        self._cache, self._read = getattr(output, "past_key_values", None), list(ids)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _known(self, ids: list[int]) -> int:
        """How many of `ids`, from the first on, the cache holds; it is cut to these. The last one is always read."""
        if self._cache is None:
            return 0
        same = common(np.array(self._read), np.array(ids[:-1]))
        if same < len(self._read):
            if not is_plain(self._cache) or not same:  # other caches cannot be taken back
                return 0
            self._cache.crop(same - len(self._read))
        return same
