from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import calque.corpora.scratch
from calque.corpora.scratch import Scratch


def test_rows_come_back_in_order_and_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calque.corpora.scratch, "_BLOCK", 40)  # two rows of two int64, and some
    table = Scratch(tmp_path, np.int64, 2)
    assert (len(table), list(table.blocks())) == (0, [])
    for row in ((1, 2), (3, 4), (5, 6), (-7, 8), (9, 2**40)):
        table.append(row)
    assert [block.tolist() for block in table.blocks()] == [[[1, 2], [3, 4]], [[5, 6], [-7, 8]], [[9, 2**40]]]
    assert table.take(np.array([4, 0, 4])).tolist() == [[9, 2**40], [1, 2], [9, 2**40]]
    assert table.take(np.array([], dtype=np.int64)).shape == (0, 2)
    assert len(table) == 5


def test_a_row_of_another_width_is_refused(tmp_path: Path) -> None:
    table = Scratch(tmp_path, np.uint32, 3)
    with pytest.raises(ValueError, match="shape"):
        table.append((1, 2))


def test_the_file_has_no_name(tmp_path: Path) -> None:
    table = Scratch(tmp_path, np.uint8, 1)
    table.append((1,))
    assert list(tmp_path.iterdir()) == []
