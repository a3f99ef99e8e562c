from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.reports.compare import Difference, Pair, difference, mean, pair
from calque.reports.run import Answer


def answer(id_: str, value: float, group: str = "g") -> Answer:
    row = {"id": id_, "group": group, "golds": ["g"], "correct": value == 1, "metrics": {"f1": value}}
    return Answer.of(row)


def pairs(*gains: float) -> dict[str, Pair]:
    return {str(i): Pair(0.0, gain) for i, gain in enumerate(gains)}


def test_the_difference_is_that_of_the_means_of_what_both_were_asked() -> None:
    first = [answer("a", 0.5), answer("b", 1.0), answer("c", 0.0)]
    second = [answer("b", 0.5), answer("a", 1.0), answer("z", 1.0)]
    paired = pair(first, second, "f1")
    assert paired == {"b": Pair(1.0, 0.5), "a": Pair(0.5, 1.0)}
    found = difference([paired], seed=0)
    assert found is not None
    assert (found.value, found.n) == (0.0, 2)


def test_the_verdict_stands_for_a_metric_in_answers_without_any() -> None:
    bare = [replace(answer("a", value), metrics={}) for value in (1.0, 0.0)]
    assert pair(bare[:1], bare[1:], "other") == {"a": Pair(1.0, 0.0)}


def test_what_a_metric_does_not_apply_to_is_not_paired() -> None:
    both = [answer("a", 1.0), replace(answer("b", 1.0), metrics={})]
    assert set(pair(both, both, "f1")) == {"a", "b"}
    assert pair(both[:1], both[:1], "other") == {}


def test_a_mean_of_tasks_weighs_each_task_alike() -> None:
    """Tasks of 1 and 3 questions: the mean of the tasks is (1 + 1/3) / 2 = 2/3, that of the questions 2/4."""
    second = [answer("a", 1.0, "one"), *(answer(c, float(c == "b"), "three") for c in "bcd")]
    first = [answer(a.id, 0.0, a.group) for a in second]
    by_task, by_item = (difference([pair(first, second, "f1", score)], seed=0) for score in (2 / 3, 0.5))
    assert by_task is not None
    assert by_item is not None
    assert by_task.value == pytest.approx(2 / 3)
    assert by_item.value == 0.5


def test_languages_are_averaged_and_a_shared_question_is_drawn_once() -> None:
    """Ten languages of the same test set are no ten times as much evidence: the interval stays as wide."""
    gains = [1.0, -1.0] * 30
    one = difference([pairs(*gains)], seed=0)
    ten = difference([pairs(*gains)] * 10, seed=0)
    assert one is not None
    assert ten is not None
    assert (one.value, ten.value, ten.n) == (0.0, 0.0, 600)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    assert 0.2 < one.high < 0.3, "1.96 × 1 / √60 = 0.253"


@settings(max_examples=30)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=50), st.integers(0, 3))
def test_the_value_lies_in_its_interval(gains: list[float], seed: int) -> None:
    found = difference([pairs(*gains)], seed)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(math.fsum(gains) / len(gains))
    assert found == difference([pairs(*gains)], seed)


@pytest.mark.parametrize(
    ("low", "high", "n", "words"),
    [
        (0.01, 0.2, 20, "higher"),
        (-0.2, -0.01, 20, "lower"),
        (0.0, 0.2, 20, "no difference shown"),
        (0.01, 0.2, 19, "too few to say"),
    ],
)
def test_what_an_interval_allows_to_say(low: float, high: float, n: int, words: str) -> None:
    assert Difference(0.1, low, high, n).verdict == words


def test_without_gold_answers_more_is_neither_better_nor_worse() -> None:
    """All 30 questions differ, and yet nothing is higher; one gold answer among them makes it a matter of quality."""
    first, second = (
        [Answer.of({"id": str(i), "golds": [], "metrics": {"finished": value}}) for i in range(30)]
        for value in (0.0, 1.0)
    )
    found = difference([pair(first, second, "finished")], seed=0)
    assert found == Difference(1.0, 1.0, 1.0, 30, graded=False)
    assert found.verdict == "not graded"
    graded = Answer.of({"id": "0", "golds": ["g"], "metrics": {"finished": 1.0}})
    mixed = difference([pair(first, [graded, *second[1:]], "finished")], seed=0)
    assert mixed is not None
    assert mixed.verdict == "higher"


def test_nothing_paired_is_no_difference() -> None:
    assert pair([answer("a", 1)], [answer("b", 1)], "f1") == {}
    assert difference([{}], seed=0) is None
    assert math.isnan(mean([0.5, math.nan]))


def test_right_or_wrong_is_tested_exactly() -> None:
    """Nine questions gained and one lost: 2 × (1 + 10) / 2¹⁰ = 0.0215."""
    found = difference([{**pairs(*[1.0] * 9, *[0.0] * 30), "lost": Pair(1.0, 0.0)}], seed=0)
    assert found is not None
    assert found.p == pytest.approx(22 / 1024)
    assert found.verdict == "higher"
    assert replace(found, corrected=0.06).verdict == "no difference shown"


def test_no_change_at_all_would_have_been_seen_from_six_questions() -> None:
    found = difference([pairs(*[0.0] * 40)], seed=0)
    assert found is not None
    assert (found.p, found.verdict, found.detectable) == (1.0, "no difference shown", 6 / 40)


def test_what_would_have_been_seen_is_2_8_standard_errors() -> None:
    """Gains of ±½ with a mean of 0: the standard error of 100 of them is 0.05."""
    found = difference([pairs(*[0.5, -0.5] * 50)], seed=0)
    assert found is not None
    assert found.detectable == pytest.approx(2.8016 * 0.05, rel=0.05)
    assert found.p > 0.9
