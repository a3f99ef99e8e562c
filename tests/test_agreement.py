"""Krippendorff's alpha: his own examples, one worked by hand, and what must hold for any values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.agreement import nominal_alpha

# Krippendorff 2011, example C: four observers, twelve units, some values missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_the_examples_of_krippendorff() -> None:
    units = [[v for v in column if v is not None] for column in zip(*OBSERVERS, strict=True)]
    found = nominal_alpha(units)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert (found.units, found.values) == (11, 40), "the last unit has one value alone"
    # Example A: two observers, ten units, two values.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert nominal_alpha(list(zip(first, second, strict=True))).value == pytest.approx(0.095, abs=5e-4)


def test_three_units_by_hand() -> None:
    """aa, ab, bb: observed 2 of 6 off the diagonal; a and b 3 times each, so expected 2·3·3 of 6·5 = .6; 1 − (1/3)/.6."""
    found = nominal_alpha(["aa", "ab", "bb"])
    assert found.value == pytest.approx(1 - (1 / 3) / 0.6)
    assert found.low <= found.value <= found.high


def test_a_unit_of_three_values_weighs_by_its_pairs() -> None:
    """The units aab and bb. Off the diagonal: (9 − 5)/2 = 2 and 0, of 5 values: .4; a twice, b three times: 2·2·3/20 = .6."""
    assert nominal_alpha(["aab", "bb"]).value == pytest.approx(1 - 0.4 / 0.6)


def test_what_cannot_be_told_is_no_number() -> None:
    for units in ([], ["a", "b"], ["aa", "aa"]):
        found = nominal_alpha(units)
        assert math.isnan(found.value)
        assert math.isnan(found.low)
    assert nominal_alpha(["aa", "aa"]).units == 2


def test_the_interval_is_of_the_seed_and_holds_the_value() -> None:
    units = ["aa", "ab", "bb", "cc", "ac", "bb", "aa"] * 9
    assert nominal_alpha(units, seed=1) == nominal_alpha(units, seed=1)
    narrow, wide = nominal_alpha(units), nominal_alpha(units[:7])
    assert narrow.high - narrow.low < wide.high - wide.low


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=9), st.permutations("abc"))
def test_alpha_knows_neither_the_order_nor_the_names(units: list[list[str]], names: list[str]) -> None:
    renamed = [[names["abc".index(v)] for v in reversed(unit)] for unit in reversed(units)]
    one, other = nominal_alpha(units, resamples=1).value, nominal_alpha(renamed, resamples=1).value
    assert math.isnan(one) == math.isnan(other)
    assert math.isnan(one) or one == pytest.approx(other)
    assert math.isnan(one) or one <= 1 + 1e-12
