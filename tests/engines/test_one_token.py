"""One token's attention: the same on one core and on several, whoever shares keys, and what is hidden is not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from calque.engines import one_token
from calque.engines.columns import Columns
from calque.engines.one_token import Part, attend, parted

HIDDEN = [0, 0, 3, 9, 4]  # columns of each row, of ten


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_parts_by_hand() -> None:
    """A cut behind the second row has 3 × 3 columns fewer, one behind the third 2 × 4, and then one 1 × 5."""
    assert parted(HIDDEN, 9) == [Part(0, 2, 0), Part(2, 5, 3)]
    assert parted(HIDDEN, 10) == [Part(0, 5, 0)]
    assert parted([5, 6], 1) == [Part(0, 1, 5), Part(1, 2, 6)]
    assert parted([2], 1) == [Part(0, 1, 2)]
    assert parted([], 1) == []


@pytest.mark.parametrize("groups", [1, 2, 4])
@torch.inference_mode()
def test_it_is_plain_attention_and_what_is_hidden_is_not_read(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(5, 4, 1, 6, generator=draw)
    key, value = (torch.randn(5, groups, 10, 6, generator=draw) for _ in range(2))
    mask = torch.zeros(5, 1, 1, 10)
    for row, n in enumerate(HIDDEN):
        mask[row, ..., :n] = float("-inf")
    wanted = functional.scaled_dot_product_attention(query, key, value, mask, scale=0.3, enable_gqa=True)
    several = attend(query, key, value, mask, 0.3)
    monkeypatch.setattr(one_token, "ALONE", 0)
    plain = attend(query, key, value, mask, 0.3)
    monkeypatch.undo()
    parts = parted(HIDDEN, 1)
    for begin, end, n in parts:
        key[begin:end, :, :n] = value[begin:end, :, :n] = float("nan")
    for found in (several, plain, attend(query, key, value, mask, 0.3, parts)):
        torch.testing.assert_close(found, wanted.transpose(1, 2))


@pytest.mark.parametrize("tokens_last", [False, True])
def test_parts_follow_the_rows(tokens_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.engines.columns.LEAST", 1)
    columns = Columns(3, 9, torch.float32, torch.device("cpu"), tokens_last=tokens_last)
    columns.enter([(torch.ones(2, 1, 5, 2), torch.ones(2, 1, 5, 2))], [5, 2])
    assert columns.parts == [Part(0, 1, 0), Part(1, 2, 3)]
    columns.enter([(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))], [1])
    assert columns.parts == [Part(0, 1, 0), Part(1, 2, 3), Part(2, 3, 4)]
    columns.keep([1, 2])
    assert (columns.first, columns.parts) == (3, [Part(0, 1, 1), Part(1, 2, 0)])
