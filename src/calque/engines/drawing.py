"""Drawing tokens so that a row gets the same ones in whatever batch it stands: every row has a generator of its own.

The largest of log p + Gumbel noise is a draw from p (Gumbel-max), so that greedy generation over the noisy scores samples.
Beside drawing by the cumulated probabilities it has the virtue that rounding in the logits, which does depend on the
batch, changes a draw as seldom as it changes a greedy choice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.generation import LogitsProcessor

from calque.engines import Sampling


class Drawing(LogitsProcessor):  # type: ignore[misc]
    """Scores of a batch to noisy ones, whose largest is the token drawn; one object a batch, called once a token."""

    def __init__(self, sampling: Sampling, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self.filters = [TemperatureLogitsWarper(sampling.temperature)] if sampling.temperature != 1 else []
        if sampling.top_k:
            self.filters.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self.filters.append(TopPLogitsWarper(sampling.top_p))
        self.seed, self.device = sampling.seed, device
        self.generators: list[torch.Generator] = []
        self.add(prompts)

    def add(self, prompts: Sequence[Sequence[int]]) -> None:
        """Rows to come behind those that are there."""
        self.generators += [
            torch.Generator(self.device).manual_seed(_seed(self.seed, prompt)) for prompt in prompts
        ]

    def keep(self, rows: Sequence[int]) -> None:
        """Let all rows go but these, which then stand in this order."""
        self.generators = [self.generators[row] for row in rows]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (rows, vocabulary) of the next tokens, filtered, with each row's own noise added."""
        scores = scores.float()
        for filtered in self.filters:
            scores = filtered(input_ids, scores)
        waiting = torch.empty_like(scores)
        for row, generator in zip(waiting, self.generators, strict=True):
            row.exponential_(generator=generator)
        return scores - waiting.log_()


def _seed(seed: int, prompt: Sequence[int]) -> int:
    """A row's seed (63 bits), by the seed and its prompt alone."""
    content = json.dumps([seed, *prompt]).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1
