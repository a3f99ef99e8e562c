"""Drawn answers: the same in every batch and order, by the probabilities that were asked for."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch

from calque.engines import Sampling
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine
from calque.errors import UsageError
from calque.prompts.encoding import make_encoder
from calque.records import Message

ASK = [
    "the dog",
    "where is the cat in the wood and on the mountain?",
    "la mucca",
    "a",
    "the wolf is in town\nnow",
]


def engine(foundry: Any, **options: Any) -> TransformersEngine:
    files = ModelFiles("m", foundry.model("llama", "bytes-bos"))
    model = load_model(files, dtype=torch.float32)
    return TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "m", **options)


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text, "en"),)


def test_a_draw_depends_on_seed_and_conversation_alone(foundry: Any) -> None:
    made = engine(foundry)
    sampling = Sampling(temperature=0.9, top_p=0.95, top_k=50, seed=4)
    together = made.complete([ask(t) for t in ASK], max_new_tokens=12, sampling=sampling)
    turned = made.complete([ask(t) for t in reversed(ASK)], max_new_tokens=12, sampling=sampling)
    alone = [made.complete([ask(t)], max_new_tokens=12, sampling=sampling)[0] for t in ASK]
    small = engine(foundry, tokens_per_batch=40)
    assert together == list(reversed(turned)) == alone
    assert small.complete([ask(t) for t in ASK], max_new_tokens=12, sampling=sampling) == together
    assert made.complete([ask(t) for t in ASK], max_new_tokens=12, sampling=Sampling(seed=5)) != together
    assert made.complete([ask(t) for t in ASK], max_new_tokens=12) != together


def test_the_likeliest_token_alone_is_the_greedy_answer(foundry: Any) -> None:
    made = engine(foundry)
    greedy = made.complete([ask(t) for t in ASK], max_new_tokens=8)
    assert made.complete([ask(t) for t in ASK], max_new_tokens=8, sampling=Sampling(top_k=1)) == greedy
    cold = Sampling(temperature=1e-4)
    assert made.complete([ask(t) for t in ASK], max_new_tokens=8, sampling=cold) == greedy


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(), {"x": 0.5, "y": 0.3, "z": 0.2}),
        (Sampling(top_k=2), {"x": 0.625, "y": 0.375}),
        (Sampling(top_p=0.6), {"x": 0.625, "y": 0.375}),
        (Sampling(temperature=0.5), {"x": 25 / 38, "y": 9 / 38, "z": 4 / 38}),
    ],
)
def test_tokens_come_as_often_as_they_are_likely(
    foundry: Any, sampling: Sampling, wanted: dict[str, float]
) -> None:
    made = engine(foundry)
    ids = {t: made.encoder.encode_answers([t])[0][0] for t in "xyz"}

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        logits = torch.full((*hidden.shape[:2], len(made.encoder.tokenizer)), -1e9)
        for token, share in (("x", 0.5), ("y", 0.3), ("z", 0.2)):
            logits[..., ids[token]] = math.log(share)
        return logits

    made.model.lm_head.forward = forward
    answers = made.complete([ask(f"n {i}") for i in range(2000)], max_new_tokens=1, sampling=sampling)
    counts = Counter(answer.text for answer in answers)
    assert set(counts) == set(wanted)
    for token, share in wanted.items():
        assert abs(counts[token] / 2000 - share) < 4 * math.sqrt(share * (1 - share) / 2000)


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"temperature": math.inf}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": -1}]
)
def test_what_cannot_be_drawn_from_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)
