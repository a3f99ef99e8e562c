"""Who wins a race of tokens: the one that has the largest score and noise, as if all of them had been computed."""

from __future__ import annotations

import math

import pytest
import torch

from calque.engines import Sampling, drawing, race
from calque.engines.drawing import Drawing
from calque.engines.race import winners

PROMPTS = [[i, 2 * i + 1] for i in range(5)]


def drawers(count: int, **options: float) -> list[Drawing]:
    sampling = Sampling(seed=4, **options)  # type: ignore[arg-type]
    return [Drawing(sampling, PROMPTS, torch.device("cpu")) for _ in range(count)]


def test_winners_by_hand() -> None:
    """−log(−log(1 − u)) is −log(log 2) = 0.37 for 1/2 and −log(log 4/3) = 1.25 for 1/4: 0.88 more."""
    uniform = torch.tensor([[0.5, 0.25, 0.5]], dtype=torch.float64)

    def won(*scores: float) -> list[int]:
        row = torch.tensor([scores])
        found: list[int] = winners(row, row.softmax(-1), uniform).tolist()
        return found

    assert won(0.87, 0.0, -1.0) == [1]
    assert won(0.89, 0.0, -1.0) == [0]
    assert won(1.0, -math.inf, 1.0) == [0], "the first of equals"
    assert won(-math.inf, -math.inf, 1.0) == [2]


def test_a_number_that_is_nought_wins() -> None:
    """Its noise is infinite; where the score is too small for a probability, the quotient is no number."""
    uniform = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    for behind in (1.0, 200.0):
        row = torch.tensor([[behind, 0.0]])
        assert winners(row, row.softmax(-1), uniform).tolist() == [1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 1e-4},
        {"top_k": 5},
        {"top_p": 0.9},
        {"top_p": 0.3},
        {"temperature": 0.7, "top_p": 0.8, "top_k": 40},
    ],
)
def test_tokens_are_those_of_the_noisy_scores(
    options: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "AT_A_TIME", 2 * 3000)  # two rows at a time, and one
    monkeypatch.setattr(drawing, "one_uniform_each", lambda: True)
    monkeypatch.setattr(torch.Tensor, "exponential_", exponential)
    one, other = drawers(2, **options)
    scale = torch.Generator().manual_seed(0)
    for spread in (0.1, 1.0, 3.0, 30.0) * 3:
        scores = spread * torch.randn(5, 3000, generator=scale)
        assert other.tokens(scores) == one(scores, scores).argmax(-1).tolist()


def exponential(into: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """As torch makes them itself; MKL, where it is asked in place of that, makes others."""
    uniform = torch.empty(into.shape, dtype=torch.float64).uniform_(generator=generator)
    return into.copy_(-torch.log1p(-uniform))


def test_equal_scores_at_the_edge_of_the_nucleus() -> None:
    """All alike: which of them are in it only the sorting knows."""
    one, other = drawers(2, top_p=0.5)
    scores = torch.zeros(5, 64)
    for _ in range(20):
        assert other.tokens(scores) == one(scores, scores).argmax(-1).tolist()


def test_numbers_that_are_made_otherwise_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(into: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
        return exponential(into, generator=generator).mul_(2.0)

    monkeypatch.setattr(torch.Tensor, "exponential_", otherwise)
    race.one_uniform_each.cache_clear()
    try:
        assert not race.one_uniform_each()
        one, other = drawers(2)
        scores = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
        assert other.tokens(scores) == one(scores, scores).argmax(-1).tolist()
    finally:
        race.one_uniform_each.cache_clear()
