"""A budget holds for all requests of one purpose, over all processes; portions worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.engines import Completion, Failure, Sampling, Scores
from calque.engines.price import Price, Purse
from calque.engines.store import RequestStore
from calque.engines.stored import StoredEngine
from calque.records import Conversation, Message


class Dear:
    """Each answer reads 100 tokens and writes as many as its prompt says; some fail, a few of them for nothing."""

    identity = "dear"

    def __init__(self, reads: int = 100) -> None:
        self.reads = reads
        self.asked: list[str] = []
        self.portions: list[int] = []

    def rendered(self, conversation: Conversation) -> str:
        return conversation[-1].text

    def answers(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        sampling: Sampling | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Completion | Failure]]:
        self.portions.append(len(conversations))
        for i, conversation in enumerate(conversations):
            text = conversation[-1].text
            self.asked.append(text)
            tokens = int(text.split()[1])
            if "free" in text:
                yield i, Failure("timeout")
                continue
            yield (
                i,
                Failure("no_use", tokens=tokens, prompt_tokens=self.reads)
                if "bad" in text
                else Completion(text, tokens, True, self.reads),
            )

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        raise AssertionError((conversations, choices))

    def requests_for(self, choices: Sequence[str]) -> int:
        raise AssertionError(choices)


def ask(count: int, tokens: int, word: str = "q") -> list[Conversation]:
    return [(Message("user", f"{word} {tokens} {i}", "en"),) for i in range(count)]


def over(found: Sequence[Completion | Failure]) -> int:
    return sum(isinstance(one, Failure) and one.reason == "over_budget" for one in found)


def test_portions_shrink_towards_the_budget(tmp_path: Path) -> None:
    """At 1 and 10 a million, an answer of 10 tokens costs 200 millionths; 0.02 holds for 100 of them.

    First 16; then by the mean nine tenths of what is left: 75, 8; then nine tenths of one, so none.
    """
    with RequestStore(tmp_path / "requests.sqlite") as store:
        dear, purse = Dear(), Purse("here", Price(1.0, 10.0), 0.02)
        found = StoredEngine(dear, store, purse).attempt(ask(400, 10), max_new_tokens=20)
        assert dear.portions == [16, 75, 8]
        assert (len(dear.asked), over(found)) == (99, 301)
        assert store.spent("here") == pytest.approx(99 * 200e-6)


@pytest.mark.parametrize(("free", "portions"), [(16, [16, 16, 75, 8]), (4, [16, 79, 8])])
def test_what_failed_for_nothing_does_not_make_the_rest_cheap(
    tmp_path: Path, free: int, portions: list[int]
) -> None:
    """As above. Of the first 16 all or 4 cost nothing, so that of 100 answers 100 or 88 are left.

    Then the first 16 that cost something, 84 × 0.9, and 9 × 0.9; or 88 × 0.9 and 9 × 0.9.
    """
    with RequestStore(tmp_path / "requests.sqlite") as store:
        dear, purse = Dear(), Purse("here", Price(1.0, 10.0), 0.02)
        asked = [*ask(free, 10, "free"), *ask(400, 10)]
        StoredEngine(dear, store, purse).attempt(asked, max_new_tokens=20)
        assert dear.portions == portions
        assert store.spent("here") <= 0.02


def test_one_budget_holds_for_several_engines_and_over_restarts(tmp_path: Path) -> None:
    for tokens, expected in (
        (10, 0),
        (20, 20),
        (20, 20),
    ):  # 3,000 millionths for 15; then 1,000 left, at 300 each
        with RequestStore(tmp_path / "requests.sqlite") as store:
            dear, purse = Dear(), Purse("here", Price(1.0, 10.0), 0.004)
            count = 15 if tokens == 10 else 20
            found = StoredEngine(dear, store, purse).attempt(ask(count, tokens), max_new_tokens=300)
            assert over(found) == expected
    with RequestStore(tmp_path / "requests.sqlite") as store:
        dear = Dear()
        found = StoredEngine(dear, store, Purse("here", Price(1.0, 10.0), 1.0)).attempt(
            ask(20, 20), max_new_tokens=300
        )
        assert over(found) == 0
        assert store.spent("here") == pytest.approx(15 * 200e-6 + 20 * 300e-6)
        other = StoredEngine(Dear(), store, Purse("elsewhere", Price(1.0, 10.0), 0.01))
        assert over(other.attempt(ask(1, 1, "other"), max_new_tokens=1)) == 0


def test_what_is_of_no_use_has_cost_something_and_what_is_stored_costs_nothing(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests.sqlite") as store:
        purse = Purse("here", Price(1.0, 10.0), 1.0)
        for _ in range(2):
            StoredEngine(Dear(), store, purse).attempt([*ask(1, 10, "bad"), *ask(1, 10)], max_new_tokens=20)
        assert store.spent("here") == pytest.approx(3 * 200e-6)


def test_where_a_server_does_not_say_what_it_read_that_costs_something_all_the_same(tmp_path: Path) -> None:
    """A prompt of 6 characters counts as 2 tokens, a token for 3."""
    with RequestStore(tmp_path / "requests.sqlite") as store:
        silent, purse = Dear(reads=0), Purse("here", Price(1.0, 10.0))
        StoredEngine(silent, store, purse).attempt(ask(1, 10), max_new_tokens=20)
        assert store.spent("here") == pytest.approx((2 + 100) / 1e6)


@given(
    st.floats(0, 0.1), st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.sampled_from([1000, 2000])
)
def test_the_first_portion_never_passes_the_budget(budget: float, tokens: list[int], most: int) -> None:
    """However dear the answers are: later portions go by the mean, the first one by the dearest that may come."""
    with RequestStore(":memory:") as store:
        dear, purse = Dear(), Purse("here", Price(0.0, 10.0), budget)
        asked = [(Message("user", f"q {n} {i}", "en"),) for i, n in enumerate(tokens)]
        StoredEngine(dear, store, purse).attempt(asked, max_new_tokens=most)
        first = dear.portions[0] if dear.portions else 0
        assert first <= 16
        assert first * most * 10e-6 <= budget + 1e-12
