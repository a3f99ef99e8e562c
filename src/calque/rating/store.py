"""Where ratings are kept: SQLite beside the run, each rating on the disk before the next pair is shown.

After each change all of them are written out anew as `ratings.jsonl`, which is what reports read.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple, fields
from pathlib import Path

from calque.corpora.writing import write_jsonl
from calque.errors import Problem, RunError
from calque.rating.pairs import Pair
from calque.reports.ratings import RATINGS, SAME, Rating

DATABASE = "ratings.sqlite"
NOBODY = ""
_KEY = ("benchmark", "language", "item", "first", "second", "answers", "rater")
_COLUMNS = [field.name for field in fields(Rating)]
_TABLES = f"""
create table if not exists ratings (
    {", ".join(f"{name} {'real' if name == 'seconds' else 'text not null'}" for name in _COLUMNS)},
    number integer not null,
    primary key ({", ".join(_KEY)})
)
"""


class Store:
    """The ratings of one run. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        path = folder / DATABASE
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute(_TABLES)
            self._db.execute(f"select {', '.join(_COLUMNS)}, number from ratings limit 1")  # noqa: S608
        except sqlite3.Error as error:
            remedy = f"move it away; what was rated stands in {RATINGS} too"
            raise RunError(
                Problem(f"cannot be used as the store of ratings: {error}", str(path), remedy=remedy)
            ) from None
        self._write_out()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    def rate(
        self, pair: Pair, verdict: str, rater: str, left: str, seconds: float | None, number: int
    ) -> None:
        """Keep one verdict; one that the rater gave before on the same pair is replaced.

        `number` says in which order a rater rated.
        """
        rating = Rating(
            pair.benchmark, pair.language, pair.item, pair.first, pair.second, pair.answers, verdict, rater, left,
            None if seconds is None else round(seconds, 1),
        )  # fmt: skip
        self._keep([(rating, number)])

    def note_same(self, pairs: Iterable[Pair]) -> None:
        """Keep as drawn those pairs whose answers are the same."""
        self._keep(
            (Rating(p.benchmark, p.language, p.item, p.first, p.second, p.answers, SAME, NOBODY), 0)
            for p in pairs
        )

    def take_back(self, rating: Rating) -> None:
        """Forget one rating."""
        with self._lock:
            self._db.execute(
                f"delete from ratings where {' and '.join(f'{name} = ?' for name in _KEY)}",  # noqa: S608
                [getattr(rating, name) for name in _KEY],
            )
        self._write_out()

    def of(self, rater: str) -> list[tuple[int, Rating]]:
        """What one rater rated, each with its number, the earliest first."""
        return self._select("where rater = ? order by number", rater)

    def raters(self) -> list[str]:
        """The names of all who rated."""
        with self._lock:
            found = self._db.execute(
                "select distinct rater from ratings where rater <> '' order by rater"
            ).fetchall()
        return [str(name) for (name,) in found]

    def _keep(self, ratings: Iterable[tuple[Rating, int]]) -> None:
        rows = [(*astuple(rating), number) for rating, number in ratings]
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        with self._lock, closing(self._db.cursor()) as cursor:
            cursor.execute("begin immediate")
            cursor.executemany(f"insert or replace into ratings values ({marks})", rows)  # noqa: S608
            cursor.execute("commit")
        self._write_out()

    def _select(self, how: str, *values: str) -> list[tuple[int, Rating]]:
        columns = ", ".join(_COLUMNS)
        with self._lock:
            rows = self._db.execute(f"select number, {columns} from ratings {how}", values).fetchall()  # noqa: S608
        return [(int(number), Rating(*row)) for number, *row in rows]

    def _write_out(self) -> None:
        found = self._select("order by language, benchmark, item, first, second, answers, rater")
        if found or (self.folder / RATINGS).exists():
            write_jsonl(self.folder / RATINGS, (rating.to_row() for _, rating in found))
