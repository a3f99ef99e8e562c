"""Weights and thresholds worked out by hand, and what must hold of them whatever the losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from calque.tuning.pacing import (
    diverse_threshold,
    hard,
    linear,
    logarithmic,
    mixture,
    share_at,
    threshold_for,
    weights,
)
from calque.tuning.settings import PacingSettings, TuningSettings


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def f(*values: float) -> Any:
    return np.asarray(values, dtype=np.float32)


def test_hard_and_linear_by_hand() -> None:
    assert hard(t(0.5, 1.9, 2.0, 3.0), t(2, 2, 2, 2)).tolist() == [1, 1, 0, 0]
    assert linear(t(0.5, 1.5, 2.0, 3.0), t(2, 2, 2, 2)).tolist() == [0.75, 0.25, 0, 0]


def test_logarithmic_by_hand() -> None:
    # λ = .75: log(L + .25) / log(.25); L = 0 → 1; L = .25 → log .5 / log .25 = .5; L = .75 → log 1 = 0
    assert logarithmic(t(0, 0.25, 0.75, 0.9), t(*[0.75] * 4)).tolist() == pytest.approx([1, 0.5, 0, 0])


def test_mixture_by_hand() -> None:
    # λ₁ = 4, λ₂ = 1: ζ = 4/3; L = 2 → 4/3 × (1/2 − 1/4) = 1/3; L = 1 → 1; L = 4 → 0
    found = mixture(t(0.5, 1, 2, 4, 9), t(*[4] * 5), t(*[1] * 5))
    assert found.tolist() == pytest.approx([1, 1, 1 / 3, 0, 0])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("hard", [1, 1, 0]),
        ("diverse", [1, 1, 0]),
        ("linear", [0.75, 0.5, 0]),
        # rescaled to λ = ½: L/(2λ) = 1/8, 1/4: log(5/8) / log(1/2), log(3/4) / log(1/2)
        ("logarithmic", [0.678072, 0.415037, 0]),
        ("mixture", [1, 1, 0]),  # λ₂ = ½ λ = 1
    ],
)
def test_every_form_under_a_threshold_and_under_none(form: Any, expected: list[float]) -> None:
    settings = PacingSettings(order="easiest-first", weights=form)
    losses = t(0.5, 1.0, 2.5)
    assert weights(losses, t(2, 2, 2), settings).tolist() == pytest.approx(expected, abs=1e-6)
    assert weights(losses, t(*[math.inf] * 3), settings).tolist() == [1, 1, 1]
    control = PacingSettings(order="hardest-first", weights=form)
    assert weights(-losses, t(-1.5, -1.5, -1.5), control).tolist() == [0, 0, 1], "controls weigh hard"


def test_shares_by_hand() -> None:
    assert [share_at(p, 0.2, "linear") for p in (0, 0.5, 1, 2)] == pytest.approx([0.2, 0.6, 1, 1])
    assert share_at(0.5, 0.2, "root") == pytest.approx(math.sqrt(0.04 + 0.96 / 2))
    assert [share_at(p, 0.25, "geometric") for p in (0, 0.5, 1)] == pytest.approx([0.25, 0.5, 1])
    assert share_at(0, 0.2, "root") == pytest.approx(0.2)


def test_thresholds_by_hand() -> None:
    losses = f(1, 2, 3, 4)
    assert threshold_for(losses, 0.5) == 3, "the least loss that stays out"
    assert threshold_for(losses, 0.01) == 2, "one at least is admitted"
    assert threshold_for(losses, 1.0) == threshold_for(f(1), 0.5) == math.inf
    equal = threshold_for(f(2, 2, 2, 2), 0.25)
    assert 2 < equal < 2.000001, "of equal losses all are admitted"


def test_diversity_by_hand() -> None:
    # λ = 1, γ = 2; λ + γ / (√i + √(i−1)) for i = 1, 2, 3, 4: 3, 1.828, 1.636, 1.536
    assert 1.7 < diverse_threshold(f(0.5, 1.7, 1.7, 1.7), np.float32(1), 2.0) < 1.700001
    assert diverse_threshold(f(3.5, 4), np.float32(1), 2.0) == 1
    assert diverse_threshold(f(2.9, 4), np.float32(1), 2.0) == np.nextafter(np.float32(2.9), np.float32(9))
    assert diverse_threshold(f(1, 1.5), np.float32(1), 2.0) == np.nextafter(np.float32(1.5), np.float32(9))
    assert diverse_threshold(f(1, 9), np.float32(math.inf), 2.0) == math.inf


LOSSES = arrays(np.float32, st.integers(1, 40), elements=st.floats(0.015625, 16, width=32))


@given(LOSSES, st.floats(0.01, 1))
def test_a_threshold_admits_the_share_and_of_the_rest_only_equals(losses: Any, share: float) -> None:
    found = np.sort(losses)
    admitted = int((found < threshold_for(found, share)).sum())
    wanted = min(len(found), max(1, round(share * len(found))))
    assert admitted >= wanted
    assert (found[wanted - 1 : admitted] == found[wanted - 1]).all()


@given(LOSSES, st.floats(0.0625, 20, width=32), st.sampled_from(["hard", "linear", "logarithmic", "mixture"]))
def test_weights_fall_from_one_to_nought_and_stop_at_the_threshold(
    losses: Any, threshold: float, form: Any
) -> None:
    found = torch.from_numpy(np.sort(losses))
    given = torch.full_like(found, threshold)
    weight = weights(found, given, PacingSettings(order="easiest-first", weights=form))
    assert ((weight >= 0) & (weight <= 1.000001)).all()
    assert (weight[1:] <= weight[:-1] + 1e-6).all()
    assert (weight[found >= given] == 0).all()


@given(LOSSES, st.floats(0.0625, 20, width=32), st.floats(0, 4))
def test_diversity_admits_just_those_that_the_paper_s_rule_admits(
    losses: Any, threshold: float, gamma: float
) -> None:
    found = np.sort(losses)
    limit = diverse_threshold(found, np.float32(threshold), gamma)
    rule = [
        float(loss) < threshold + gamma / (math.sqrt(i) + math.sqrt(i - 1))
        for i, loss in enumerate(found, start=1)
    ]
    first = [loss for loss, passed in zip(found, rule, strict=True) if passed]
    assert [loss for loss in found if loss < limit][: len(first)] == first
    assert all(loss == first[-1] for loss in found[len(first) :] if loss < limit)


def test_settings_are_off_by_default_and_refuse_what_does_not_go_together() -> None:
    assert TuningSettings().pacing.order == "none"
    with pytest.raises(ValidationError, match="random is told by a share: leave it out"):
        PacingSettings(order="random", threshold=2.0)
