"""Which prompts share a stem, and the products and sums that rows get from theirs, by hand."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from calque.engines.stems import MOST, WORTH, Stem, Stems, stems_of

PASSAGE = list(range(20))


def test_neighbours_that_have_half_of_their_tokens_in_common() -> None:
    first, second = [*PASSAGE, 50, 51], [*PASSAGE, 60]
    assert stems_of([first, second]) == [Stem(0, 20), Stem(0, 20)]
    assert stems_of([first, first]) == [Stem(0, 21), Stem(0, 21)], "the last token is a row's own"
    alone = [70, 71, 72, 73]
    assert stems_of([first, second, alone]) == [Stem(0, 20), Stem(0, 20), Stem(1, 3)]
    assert stems_of([first, second, list(range(100, 141))]) == [], "60 = 20 + 20 + 40 - 20: too few share"
    long = [*PASSAGE, *range(100, 142)]
    assert stems_of([first, second, second, second, long])[-1] == Stem(1, 61), "20 are less than half of it"
    assert stems_of([PASSAGE[:15], PASSAGE[:15]]) == [], "16 tokens at least"
    assert [stem.number for stem in stems_of([first] * (MOST + 2))] == [0] * MOST + [1] * 2
    assert stems_of([[5]]) == stems_of([]) == []


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40), max_size=12))
def test_stems_are_shared(prompts: list[list[int]]) -> None:
    found = stems_of(sorted(prompts))
    assert len(found) in (0, len(prompts))
    first: dict[int, list[int]] = {}
    for prompt, stem in zip(sorted(prompts), found, strict=False):
        assert 0 <= stem.tokens < len(prompt)
        assert first.setdefault(stem.number, prompt[: stem.tokens]) == prompt[: stem.tokens]
    if found:
        assert sum(stem.tokens for stem in found) >= WORTH * sum(map(len, first.values()))


def layers(*stems: list[float]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Keys of one number, and values that are ten times as much, padded on the left with what must not be seen."""
    longest = max(map(len, stems))
    keys = torch.tensor([[99.0] * (longest - len(stem)) + stem for stem in stems], dtype=torch.float32)
    keys = keys[:, None, :, None]
    return [(keys, 10 * keys)]


def test_products_and_sums_by_hand() -> None:
    """Two rows of stem 7, one of stem 8; the first leaves, then stem 8's, then a row of stem 9 enters."""
    stems = Stems(3, 4)
    rows = [Stem(7, 2), Stem(7, 2), Stem(8, 1)]
    assert stems.lacking(rows) == [0, 2]
    stems.enter(layers([1, 2], [3]), [rows[0], rows[2]], rows)

    def scores(*queries: float) -> list[list[float]]:
        found = stems.scores(0, torch.tensor(queries, dtype=torch.float32)[:, None, None, None])
        return found[:, 0, 0].masked_fill(stems.mask()[:, 0, 0] < 0, 0).tolist()

    def sums(*weights: list[float]) -> list[float]:
        return stems.sums(0, torch.tensor(weights, dtype=torch.float32)[:, None, None]).flatten().tolist()

    assert scores(1, 10, 100) == [[1, 2], [10, 20], [0, 300]]
    assert sums([1, 0], [0.5, 0.5], [0, 2]) == [10, 15, 60]
    stems.keep([2, 1])  # the last row moved to the place of the first
    assert scores(100, 10) == [[0, 300], [10, 20]]
    stems.keep([0])
    assert stems.stems == [Stem(8, 1)]
    assert scores(2) == [[6]]
    assert stems.lacking([Stem(9, 3), Stem(8, 1), Stem(9, 3)]) == [0]
    stems.enter(layers([4, 5, 6]), [Stem(9, 3)], [Stem(9, 3), Stem(8, 1), Stem(9, 3)])
    assert scores(1, 2, 3, 4) == [[0, 0, 3], [8, 10, 12], [0, 0, 9], [16, 20, 24]]
    assert sums([0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]) == [30, 40, 30, 50]
    stems.keep([])
    assert stems.stems == []
