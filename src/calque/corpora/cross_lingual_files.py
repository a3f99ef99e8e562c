"""Cross-lingual pairs on disk, as JSON lines, so that one step leaves them for the next. What was written comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_rows
from calque.corpora.writing import write_jsonl
from calque.errors import DataError, Problem
from calque.records import CrossLingualPair, Provenance, Rejected


def write_cross_lingual(path: str | Path, pairs: Iterable[CrossLingualPair]) -> int:
    """Write pairs, atomically, and return how many."""
    return write_jsonl(path, (cross_lingual_row(pair) for pair in pairs))


def read_cross_lingual(path: str | Path) -> Iterator[CrossLingualPair]:
    """The pairs of a file that `write_cross_lingual` wrote; another form is a `DataError` with its line."""
    for row in read_rows(path):
        if isinstance(row, Rejected):
            raise DataError(Problem(f"{row.reason}: {row.detail}", str(path), row.row))
        try:
            yield cross_lingual_pair(row.value)
        except (KeyError, TypeError, ValueError) as wrong:
            raise DataError(Problem(f"is no cross-lingual pair: {wrong}", str(path), row.line)) from wrong


def cross_lingual_row(pair: CrossLingualPair) -> dict[str, Any]:
    """A pair as plain values."""
    source = pair.provenance
    row: dict[str, Any] = {
        "id": pair.id,
        "instruction": pair.instruction,
        "response": pair.response,
        "language": pair.language,
        "dataset": source.dataset,
        "row": source.row,
        "licence": source.licence,
    }
    return row | {name: text for name in ("input", "english") if (text := getattr(pair, name))}


def cross_lingual_pair(row: dict[str, Any]) -> CrossLingualPair:
    """The pair of such a row."""
    source = Provenance(str(row["dataset"]), int(row["row"]), str(row["licence"]))
    texts = (str(row["instruction"]), str(row["response"]), str(row["language"]))
    return CrossLingualPair(*texts, source, str(row.get("input", "")), str(row.get("english", "")))
