"""Win rates and their tests, by hand."""

from __future__ import annotations

import math

import pytest

from calque.reports.compare import Pair
from calque.reports.win_rates import WinRate, corrected

SECOND, FIRST = Pair(0.0, 1.0), Pair(1.0, 0.0)


def won(second: int, first: int) -> WinRate:
    wins = [SECOND] * second + [FIRST] * first
    return WinRate.of([{str(i): pair for i, pair in enumerate(wins)}], seed=1)


def test_many_rates_are_tested_together() -> None:
    """15 of 20: McNemar's p is 2 · 21,700 / 2^20 = 0.0414, and twice that beside another test; 19 of 20 stands."""
    one = won(15, 5)
    assert (one.value, one.n, one.verdict) == (0.75, 20, "better")
    assert one.wins is not None
    assert one.wins.p == pytest.approx(2 * 21700 / 2**20)
    found = corrected([one, won(10, 10), won(1, 19), won(9, 0), one, one], [True] * 4 + [False, None])
    assert [rate.verdict for rate in found[:3]] == ["no difference shown", "no difference shown", "worse"]
    assert found[0].wins is not None
    assert found[0].wins.corrected == pytest.approx(
        2 * one.wins.p
    )  # of three tests it is the second smallest
    assert found[3].verdict == "too few to say"
    assert [rate.verdict for rate in found[4:]] == ["better", "better"]  # alone in its family; and in none
    assert found[5] == one


def test_what_would_have_been_seen() -> None:
    """10 of 20: the mean of ±1 has a standard error of 1/√20; 2.80 of them, and half of that as a win rate."""
    assert won(10, 10).detectable == pytest.approx(2.8016 / math.sqrt(20) / 2, rel=0.06)
    nothing = WinRate.of([], seed=1)
    assert (nothing.n, nothing.verdict) == (0, "too few to say")
    assert math.isnan(nothing.detectable)
    assert corrected([nothing], [True]) == [nothing]
