"""Means over seeds and items: intervals worked out by hand, and held against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from calque.lab.prove.crossed import estimate, holm, ratio


def test_an_interval_by_hand() -> None:
    # Seeds' means 1 and 3, items' means 1, 2, 3; no interaction. MS(seed) = 3·(1+1)/1 = 6, MS(item) = 2·2/2 = 2, MS(rest) = 0.
    found = estimate(np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]))
    # Variance (6 + 2 − 0)/6 = 4/3; degrees of freedom 8²/(6²/1 + 2²/2) = 64/38 = 1.684; t(.975) = 5.176
    assert (found.value, found.seeds, found.items) == (2.0, 2, 3)
    assert found.high - found.value == pytest.approx(5.176 * (4 / 3) ** 0.5, rel=2e-3)
    assert found.verdict == "not shown"


def test_what_varies_by_chance_alone_is_no_less_sure_than_it_is() -> None:
    # Rows and columns agree to the last bit, the rest does not: MS(seed) = MS(item) = 0, MS(rest) = 1.
    found = estimate(np.array([[0.5, -0.5], [-0.5, 0.5]]))
    assert found.value == 0
    # Variance 1/4, degrees of freedom 1 (those of the rest).
    assert found.high == pytest.approx(12.706 / 2, rel=1e-3)


def test_of_one_seed_the_interval_is_over_items() -> None:
    found = estimate(np.array([[1.0, 2.0, 3.0, 4.0]]))
    # s² = 5/3, over 4: .4167; t(.975, 3) = 3.1824
    assert found.high - found.value == pytest.approx(3.1824 * (5 / 12) ** 0.5, rel=1e-3)


def test_where_nothing_varies_there_is_no_doubt() -> None:
    found = estimate(np.full((3, 4), 0.25))
    assert (found.low, found.high, found.p, found.verdict) == (0.25, 0.25, 0.0, "shown")
    assert estimate(np.zeros((3, 4))).verdict == "not shown"


def test_verdicts_follow_the_interval() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, (5, 200))
    assert estimate(noise + 0.3).verdict == "shown"
    assert estimate(noise - 0.3).verdict == "reversed"


def test_a_share_of_a_baseline_by_hand() -> None:
    method = np.array([[0.2, 0.4], [0.4, 0.6]])
    # Of a baseline that is .8 everywhere the share is that of each cell, m/.8, and so is the interval.
    found, alone = ratio(method, np.full((2, 2), 0.8)), estimate(method)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.5, alone.low / 0.8, alone.high / 0.8))
    # Of one that is twice the method in each cell the share is a half without doubt.
    sure = ratio(method, 2 * method)
    assert sure is not None
    assert (sure.value, sure.low, sure.high) == pytest.approx((0.5, 0.5, 0.5))
    assert ratio(method, np.zeros((2, 2))) is None


def test_fewer_than_two_items_have_no_interval() -> None:
    with pytest.raises(ValueError, match="fewer than two items"):
        estimate(np.ones((5, 1)))


@pytest.mark.parametrize(("by_seed", "by_item", "rest"), [(0.1, 0.3, 0.4), (0.0, 0.3, 0.4), (0.1, 0.0, 0.4)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(
    by_seed: float, by_item: float, rest: float
) -> None:
    """400 simulated experiments of 5 seeds and 60 items each: 95% ± 5 of the intervals hold the mean."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        table = (
            random.normal(0, by_seed, (5, 1))
            + random.normal(0, by_item, (1, 60))
            + random.normal(0, rest, (5, 60))
        )
        found = estimate(table)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 400 <= 1.0


def test_holm_by_hand() -> None:
    # Sorted .01 ×4, .02 ×3, .03 ×2, .2 ×1: .04, .06, .06, .2
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([]) == []
