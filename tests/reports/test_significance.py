from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from calque.reports.significance import bootstrap_p, detectable, holm, mcnemar


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (0, 5, 2 / 32), (0, 6, 2 / 64), (1, 9, 22 / 1024), (5, 5, 1.0)]
)
def test_mcnemar_by_hand(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(p)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_a_binomial_test(first: int, second: int) -> None:
    if first + second:
        assert mcnemar(first, second) == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-6)


def test_holm_by_hand() -> None:
    """0.01 × 3; 0.03 × 2; 0.04 × 1, but not below the one before."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    found = holm([0.5, math.nan, 0.01])
    assert (found[0], found[2]) == (0.5, 0.02)
    assert math.isnan(found[1])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_only_raises_and_keeps_the_order(p: list[float]) -> None:
    found = holm(p)
    assert all(a <= b <= 1 for a, b in zip(p, found, strict=True))
    assert [x for _, x in sorted(zip(p, found, strict=True))] == sorted(found)


def test_few_replicates_set_no_floor() -> None:
    assert bootstrap_p(0.1, 0.05, 49, 1999, 100) == pytest.approx(0.05)
    assert bootstrap_p(0.5, 0.1, 0, 1999, 100) == pytest.approx(5.7e-7, rel=0.01)  # five standard errors
    assert bootstrap_p(1.0, 0.0, 0, 1999, 20) == pytest.approx(2 / 2**20)  # all alike: the sign test


def test_six_questions_are_the_least_that_show() -> None:
    assert detectable(0.0, 60, exact=True) == 0.1
    assert detectable(0.05, 60, exact=True) == pytest.approx(0.1401, abs=1e-4)
    assert math.isnan(detectable(0.0, 0, exact=True))
