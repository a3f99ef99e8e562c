"""Demonstrations on disk: JSON lines, or Parquet by one explicit schema. Both give back what was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from calque.corpora.files import open_bytes
from calque.corpora.json_rows import read_rows
from calque.corpora.writing import atomic, write_jsonl
from calque.errors import DataError, Problem
from calque.records import Demonstration, Rejected, from_row, to_row

_ROW_GROUP = 10_000


def write_demonstrations(path: str | Path, demonstrations: Iterable[Demonstration]) -> int:
    """Write demonstrations, atomically, as Parquet if the name ends so, else as JSON lines; return how many.

    The same demonstrations give the same bytes.
    """
    rows = (to_row(d) for d in demonstrations)
    if Path(path).suffix != ".parquet":
        return write_jsonl(path, rows)
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema()
    count = 0
    with (
        atomic(path) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd", version="2.6") as writer,
    ):
        while group := [_flat(row) for row in islice(rows, _ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def read_demonstrations(path: str | Path) -> Iterator[Demonstration]:
    """Read back what `write_demonstrations` wrote, or anyone in that form; a bad row is a `DataError` with its line."""
    return _read_parquet(path) if Path(path).suffix == ".parquet" else _read_jsonl(path)


def parquet_schema() -> Any:
    """The one Parquet schema of demonstrations (a `pyarrow.Schema`)."""
    import pyarrow as pa

    message = pa.struct(
        [
            pa.field("role", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("language", pa.string(), nullable=False),
            pa.field("input", pa.string(), nullable=False),
            pa.field("trained", pa.bool_(), nullable=False),
        ]
    )
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("messages", pa.list_(message), nullable=False),
            pa.field("dataset", pa.string(), nullable=False),
            pa.field("row", pa.int64(), nullable=False),
            pa.field("licence", pa.string(), nullable=False),
            pa.field("scores", pa.map_(pa.string(), pa.float64()), nullable=False),
        ]
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    messages = [{"input": "", "trained": False, **message} for message in row["messages"]]
    return {**row, "messages": messages, "scores": list(row.get("scores", {}).items())}


def _read_jsonl(path: str | Path) -> Iterator[Demonstration]:
    for row in read_rows(path):
        if isinstance(row, Rejected):
            raise DataError(Problem(f"{row.reason}: {row.detail}", str(path), row.row))
        yield _demonstration(row.value, path, row.line)


def _read_parquet(path: str | Path) -> Iterator[Demonstration]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path) as stream:
        try:
            table = pq.ParquetFile(stream)
        except pa.ArrowInvalid as wrong:
            raise DataError(Problem(f"cannot be read as Parquet ({wrong})", str(path))) from wrong
        count = 0
        for batch in table.iter_batches(1000):
            for row in batch.to_pylist():
                count += 1
                yield _demonstration({**row, "scores": dict(row.get("scores") or ())}, path, count)


def _demonstration(row: Any, path: str | Path, line: int) -> Demonstration:
    try:
        _check_form(row)
        return from_row(row)
    except (ValueError, TypeError) as wrong:
        remedy = "expected is the form in which calque writes demonstrations"
        raise DataError(Problem(f"is no demonstration: {wrong}", str(path), line, remedy)) from wrong


def _check_form(row: Any) -> None:
    if not isinstance(row, dict):
        raise TypeError("the row is not an object")
    messages, scores = row.get("messages", []), row.get("scores", {})
    if not (isinstance(messages, list) and all(isinstance(message, dict) for message in messages)):
        raise TypeError("messages is not a list of objects")
    if not isinstance(scores, dict):
        raise TypeError("scores is not an object")
