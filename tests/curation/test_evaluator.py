"""Ratings from three log-likelihoods, and how good an evaluator is: literal values, and what stops a run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.curation.conftest import Fixed

from calque.curation.evaluator import auc, fault, quality
from calque.curation.rating import Rating, rate, rating_of
from calque.curation.rounds import cannot_tell, overlap, settled
from calque.records import CrossLingualPair, Provenance


def test_a_rating_is_the_expectation_over_three_tokens() -> None:
    assert rating_of([math.log(0.1), math.log(0.1), math.log(0.2)]).probabilities == pytest.approx(
        (0.25, 0.25, 0.5)
    )
    assert rating_of([math.log(0.1), math.log(0.1), math.log(0.2)]).value == pytest.approx(2.25)
    assert rating_of([-1e4, -1e4, -1e4 + 100]).value == pytest.approx(3)
    assert (Rating((0.4, 0.4, 0.2)).level, Rating((0.2, 0.3, 0.5)).level) == (1, 3)


def test_what_does_not_fit_has_no_rating() -> None:
    pair = CrossLingualPair("Who?", "Io", "it", Provenance("s", 1))
    engine = Fixed([(), (0.0, 0.0, 0.0)])
    found = rate(engine, [pair, pair])
    assert found[0] is None
    assert found[1] is not None
    assert found[1].value == pytest.approx(2)
    assert engine.asked[0][1] == ("1", "2", "3")


def sure(*levels: int) -> list[Rating]:
    return [Rating(tuple(0.8 if level == own else 0.1 for level in (1, 2, 3))) for own in levels]  # type: ignore[arg-type]


def test_quality_by_hand() -> None:
    found = quality([1, 1, 2, 2, 3, 3], sure(1, 1, 2, 3, 3, 3))
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.auc["1-2"].value == 1
    assert found.auc["2-3"].value == pytest.approx(
        0.75
    )  # one pair of four is a tie, … two of four: (1+1+.5+.5)/4
    assert found.calibration_error == pytest.approx(abs(0.8 - 5 / 6))
    assert found.mean_ratings["1"] == pytest.approx(1.3)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    found = auc(np.array([1.0, 2.0, 4.0]), np.array([3.0, 4.0]))
    assert found.value == pytest.approx((2 + 2.5) / 6)
    whole = auc(np.array([1.0] * 30), np.array([2.0] * 30))
    assert (whole.value, whole.low, whole.high) == (1.0, 0.9, 1.0)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12)
)
def test_auc_and_its_mirror(lower: list[int], higher: list[int]) -> None:
    one, other = (
        auc(np.array(lower, float), np.array(higher, float)),
        auc(np.array(higher, float), np.array(lower, float)),
    )
    counted = sum((h > x) + (h == x) / 2 for h in higher for x in lower) / (len(lower) * len(higher))
    assert one.value == pytest.approx(counted)
    assert one.value + other.value == pytest.approx(1)
    assert 0 <= one.low <= one.value <= one.high <= 1


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(1), 0
    for _ in range(400):
        found = auc(random.normal(0, 1, 60), random.normal(1, 1, 60))
        held += found.low <= 0.7602 <= found.high  # the AUC of two normal curves one apart
    assert 0.91 < held / 400 < 0.985


def test_one_that_cannot_tell_the_worst_stops_the_run_with_a_reason() -> None:
    levels = [1, 2, 3] * 40
    blind = quality(levels, sure(*np.random.default_rng(0).permutation(levels).tolist()))
    assert "does not tell the worst from the best: of 40 and 40 held-out rows its AUC is" in fault(blind, 0.6)
    seeing = quality(levels, sure(*levels))
    assert fault(blind, 0) == ""
    assert fault(seeing, 0.6) == cannot_tell(seeing) == ""
    with pytest.raises(ValueError, match="no row of level 2"):
        quality([1, 3], sure(1, 3))


def test_when_to_stop() -> None:
    levels = [1] * 40 + [2] * 40 + [3] * 40
    blurred = quality(levels, sure(*[1] * 40, *[2, 3] * 40))
    assert "cannot tell level 2 from 3 any more: AUC 0.50" in cannot_tell(blurred)
    reversed_ = quality(levels, sure(*[1] * 40, *[3] * 40, *[2] * 40))
    assert "rates level 2 above 3, not below it: AUC 0.00" in cannot_tell(reversed_)
    assert fault(blurred, 0.6) == ""
    assert overlap(["a", "b", "c"], ["b", "c", "d", "e"]) == 0.5
    assert settled(0.5, 0.9) == ""
    assert settled(0.95, 0.9) == "the selection has settled: 95% of it was selected in the round before"
