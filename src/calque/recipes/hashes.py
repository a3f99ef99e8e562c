"""Content addresses of files, remembered while size and times of a file stay as they were.

Only what is read again is spared: what decides is always the content. A file that changed within two seconds of
being hashed is not trusted, since its next change might not show in its times.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from calque.corpora.files import sha256_of
from calque.corpora.writing import write_json

SETTLED_NS = 2_000_000_000


class Hashes:
    """SHA-256 of files, kept in one JSON file that may be deleted at any time."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known = _read(store)
        self._changed = False

    def sha256(self, path: Path, *, settled: bool = False) -> str:
        """SHA-256 of a file's bytes, in hex. `settled` vouches that nobody is still writing it."""
        if not path.is_file():
            return sha256_of(path)  # which says what is wrong
        seen = path.stat()
        place, marks = _marks(seen)
        known = self._known.get(place)
        if known is not None and known[:-1] == marks:
            return str(known[-1])
        digest = sha256_of(path)
        if settled or time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns) > SETTLED_NS:
            self._known[place] = [*marks, digest]
            self._changed = True
        return digest

    def knows(self, path: Path) -> bool:
        """Whether a file's hash can be told without reading it."""
        place, marks = _marks(path.stat())
        return place in self._known and self._known[place][:-1] == marks

    def save(self) -> None:
        """Write down what was learnt."""
        if self._changed:
            write_json(self._store, self._known)
            self._changed = False


def _marks(seen: os.stat_result) -> tuple[str, list[object]]:
    """Where a file lies, and what changes with it. Not its path: steps are renamed when they are done."""
    return f"{seen.st_dev}:{seen.st_ino}", [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns]


def _read(store: Path) -> dict[str, list[object]]:
    """What was written down before; whatever has another form counts for nothing, for it can be learnt again."""
    try:
        value = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    known = value.items() if isinstance(value, dict) else ()
    return {place: marks for place, marks in known if isinstance(marks, list)}
