from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.demonstrations.mixture import Part, mix
from calque.errors import DataError
from calque.records import Demonstration, Message, Provenance


def rows(*texts: str) -> list[Demonstration]:
    return [
        Demonstration("instruction", (Message("user", t, "it"),), Provenance("f", i))
        for i, t in enumerate(texts)
    ]


def numbered(name: str, count: int) -> list[Demonstration]:
    return rows(*(f"{name} {i}" for i in range(count)))


def test_counts_are_exact_for_counts_shares_and_all() -> None:
    made = mix(
        [Part("a", numbered("a", 10), 4), Part("b", numbered("b", 10), 0.25), Part("c", numbered("c", 3))],
        seed=0,
    )
    assert made.counts == {
        "rows": 23,
        "kept": 9,
        "parts": {"a": 4, "b": 2, "c": 3},
        "dropped": {"not_drawn": 14},
    }
    assert sorted(d.messages[0].text[0] for d in made.demonstrations) == list("aaaabbccc")


def test_what_stands_twice_is_trained_once() -> None:
    made = mix([Part("a", rows("x", "y", "x")), Part("b", rows("y", "z"))], seed=0)
    assert made.counts == {"rows": 5, "kept": 3, "parts": {"a": 2, "b": 1}, "dropped": {"duplicate": 2}}
    assert {d.messages[0].text for d in made.demonstrations} == {"x", "y", "z"}


def test_rows_are_never_repeated_to_reach_a_count() -> None:
    with pytest.raises(DataError, match=r"4 rows of a are asked for, and there are 2 different ones"):
        mix([Part("a", rows("x", "y", "x"), 4)], seed=0)


@given(less=st.integers(0, 40), more=st.integers(0, 40), seed=st.integers(0, 3))
def test_a_smaller_amount_is_part_of_a_larger_one(less: int, more: int, seed: int) -> None:
    """So that an ablation by amount adds rows, and does not exchange them; the order of the shared stays too."""
    less, more = sorted((less, more))
    small = mix([Part("a", numbered("a", 40), less)], seed=seed).demonstrations
    large = mix([Part("a", numbered("a", 40), more)], seed=seed).demonstrations
    assert [d for d in large if d in small] == list(small)


def test_a_part_more_moves_nothing_else() -> None:
    one = mix([Part("a", numbered("a", 20), 10)], seed=0).demonstrations
    two = mix([Part("a", numbered("a", 20), 10), Part("b", numbered("b", 20), 5)], seed=0).demonstrations
    assert [d for d in two if d.messages[0].text.startswith("a")] == list(one)
    assert list(one) != sorted(one, key=lambda d: d.provenance.row)
