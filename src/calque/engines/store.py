"""Requests and their answers in one SQLite file, so that nothing is asked, or paid for, twice.

A row is the request as it was put, under the hash of it, and the answer in JSON. Failures are no rows. What is
kept is committed at once, in the write-ahead log: a killed process loses none of it, a power cut perhaps the last second's.
Beside them stands what was spent, by purpose: on failures too, and never again on what came from here.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calque.errors import Problem, RunError

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (purpose TEXT PRIMARY KEY, cost REAL NOT NULL) STRICT, WITHOUT ROWID;
"""
INSERT = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)"
WAIT = 60.0  # seconds for another process that writes
AT_ONCE = 500  # keys in one query


class RequestStore:
    """The answers to requests. A request is a mapping of plain values that says all that the answer depends on."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            remedy = "move it away: all that it holds is then asked again"
            raise RunError(
                Problem(f"the store of requests cannot be read: {error}", self.path.name, remedy=remedy)
            ) from error

    def get(self, keys: Sequence[str]) -> dict[str, Any]:
        """Those answers that are there, by key."""
        found: dict[str, Any] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", some)  # noqa: S608
            found.update((key, json.loads(answer)) for key, answer in rows)
        return found

    def put(self, request: Mapping[str, Any], answer: Any) -> None:
        """Keep an answer; that which is there already stays."""
        self._database.execute(INSERT, _row(request, answer))

    def put_together(self, answers: Iterable[tuple[Mapping[str, Any], Any]]) -> None:
        """Keep requests and their answers, all of them or none."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(INSERT, (_row(*one) for one in answers))

    def spend(self, purpose: str, cost: float) -> None:
        """Note that so much more was spent."""
        row = (
            "INSERT INTO spent VALUES (?, ?) ON CONFLICT (purpose) DO UPDATE SET cost = cost + excluded.cost"
        )
        self._database.execute(row, (purpose, cost))

    def spent(self, purpose: str) -> float:
        """What was spent on a purpose, in all processes that had this store."""
        found = self._database.execute("SELECT cost FROM spent WHERE purpose = ?", (purpose,)).fetchone()
        return float(found[0]) if found else 0.0

    def __len__(self) -> int:
        """How many answers there are."""
        return int(self._database.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Leave the file whole and alone."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _row(request: Mapping[str, Any], answer: Any) -> tuple[str, str, str]:
    text = canonical(request)
    return _key(text), text, json.dumps(answer)


def canonical(request: Mapping[str, Any]) -> str:
    """The one spelling of a request, in ASCII: text may hold what no encoding can write."""
    return json.dumps(request, sort_keys=True, separators=(",", ":"))


def key_of(request: Mapping[str, Any]) -> str:
    """The key of a request: SHA-256 of its spelling."""
    return _key(canonical(request))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
