from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.corpora.ledger import Ledger
from calque.records import Rejected


@given(st.lists(st.sampled_from(["", "empty_response", "wrong_type"])), st.integers(0, 3))
def test_rows_are_kept_plus_dropped(reasons: list[str], spare: int) -> None:
    """Whatever comes: one line in the file for each row put aside with a fault, and sums that are right."""
    rows = [Rejected("a", i, reason) if reason else i for i, reason in enumerate(reasons)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dropped.jsonl"
        with Ledger(path) as ledger:
            kept = list(ledger.keep(rows))
            spare = min(spare, len(kept))
            ledger.set_aside("not_drawn", spare)
        counts = ledger.counts()
        written = [json.loads(line) for line in path.read_text().splitlines()]
    assert counts["rows"] == len(rows) == counts["kept"] + sum(counts["dropped"].values())
    assert counts["kept"] == len(kept) - spare
    assert Counter(row["reason"] for row in written) == Counter(r for r in reasons if r)


def test_a_row_kept_before_can_be_dropped_later(tmp_path: Path) -> None:
    with Ledger(tmp_path / "dropped.jsonl") as ledger:
        assert list(ledger.keep(["a", "b"])) == ["a", "b"]
        ledger.drop(Rejected("f.json", 2, "too_long", "900 tokens", "b"))
    assert ledger.counts() == {"rows": 2, "kept": 1, "dropped": {"too_long": 1}}
    [row] = (tmp_path / "dropped.jsonl").read_text().splitlines()
    assert json.loads(row) == {
        "file": "f.json",
        "row": 2,
        "reason": "too_long",
        "detail": "900 tokens",
        "raw": "b",
    }


def test_nothing_is_left_of_a_ledger_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with Ledger(tmp_path / "dropped.jsonl") as ledger:
            list(ledger.keep([Rejected("a", 1, "wrong_type")]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
