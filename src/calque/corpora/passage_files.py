"""Passages on disk as Parquet, by one schema: id, text, language, dataset, row, licence, source; all not null.

`row` is an integer and all else is text; `id` is the content address. So a step leaves them, and so the next reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from calque.corpora.files import open_bytes
from calque.corpora.writing import atomic
from calque.errors import DataError, Problem
from calque.records import Passage, Provenance

_ROW_GROUP = 1000


def passage_schema() -> Any:
    """The Parquet schema of passages (a `pyarrow.Schema`)."""
    import pyarrow as pa

    texts = ("id", "text", "language", "dataset", "row", "licence", "source")
    return pa.schema(
        [pa.field(name, pa.int64() if name == "row" else pa.string(), nullable=False) for name in texts]
    )


def write_passages(path: str | Path, passages: Iterable[Passage]) -> int:
    """Write passages, atomically, and return how many. The same passages give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, rows, count = passage_schema(), map(_row, passages), 0
    with (
        atomic(path) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd", version="2.6") as writer,
    ):
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def stored_passages(path: str | Path) -> Iterator[Passage]:
    """Read back what `write_passages` wrote; another form is a `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            if not file.schema_arrow.equals(passage_schema()):
                raise DataError(Problem("holds other columns than passages have", str(path)))
            for batch in file.iter_batches(_ROW_GROUP):
                yield from map(_passage, batch.to_pylist())
        except (pa.ArrowException, OSError) as wrong:
            raise DataError(Problem(f"cannot be read as Parquet ({wrong})", str(path))) from wrong


def _row(passage: Passage) -> dict[str, Any]:
    origin = passage.provenance
    return {
        "id": passage.id,
        "text": passage.text,
        "language": passage.language,
        "dataset": origin.dataset,
        "row": origin.row,
        "licence": origin.licence,
        "source": passage.source,
    }


def _passage(row: dict[str, Any]) -> Passage:
    origin = Provenance(row["dataset"], row["row"], row["licence"])
    return Passage(row["text"], row["language"], origin, row["source"])
