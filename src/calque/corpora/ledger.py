"""The ledger at the door: every row that comes in is kept or dropped with a reason, and the sums are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from calque.corpora.writing import atomic, json_line
from calque.records import Rejected

Record = TypeVar("Record")


class Ledger:
    """Counts rows and writes the dropped to a file, which takes its name when the ledger is closed.

    with Ledger(folder / "dropped.jsonl") as ledger:
        kept = list(ledger.keep(read_alpaca(...)))
    """

    def __init__(self, dropped: str | Path) -> None:
        self._stack = ExitStack()
        self._stream = self._stack.enter_context(atomic(dropped))
        self._rows = 0
        self._dropped: Counter[str] = Counter()

    def keep(self, records: Iterable[Record | Rejected]) -> Iterator[Record]:
        """Pass the records on, and drop the rejected."""
        for record in records:
            self._rows += 1
            if isinstance(record, Rejected):
                self.drop(record)
            else:
                yield record

    def drop(self, rejected: Rejected) -> None:
        """Write down a row as dropped: one of `keep`, or one kept before that a later step puts aside."""
        self._dropped[rejected.reason] += 1
        self._stream.write(json_line(rejected.to_row()))

    def set_aside(self, reason: str, rows: int) -> None:
        """Count kept rows as dropped without writing them, where nothing is wrong with them (`not_drawn`)."""
        if rows:
            self._dropped[reason] += rows

    @property
    def kept(self) -> int:
        """Rows that came in and are still kept."""
        return self._rows - self._dropped.total()

    def counts(self) -> dict[str, Any]:
        """Give {"rows", "kept", "dropped": {reason: n}}; rows = kept + all dropped, always."""
        return {"rows": self._rows, "kept": self.kept, "dropped": dict(sorted(self._dropped.items()))}

    def close(self) -> None:
        """Finish the file of the dropped."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
