"""What earlier checks came to, kept by the content that they were made from: of unchanged files nothing is read twice.

What went well is kept and nothing else, for a fault may be mended by something that no key tells of, as a package.
The folder may be deleted at any time, and serves any number of recipes; where it cannot be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from calque.corpora.writing import write_json
from calque.errors import CalqueError
from calque.recipes.code_version import digest_of
from calque.recipes.hashes import Hashes
from calque.recipes.record import versions
from calque.recipes.steps import Step

MOST = 2000  # outcomes; the oldest go first


class Looked(NamedTuple):
    """What a step on trial came to: its counts, and what is told of it."""

    counts: Mapping[str, Any]
    lines: Sequence[str]


def users_folder() -> Path:
    """The folder for what may be lost: `CALQUE_CACHE`, or else as the XDG directories have it."""
    own, shared = os.environ.get("CALQUE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own).expanduser() if own else Path(shared or "~/.cache").expanduser() / "calque"


class Remembered:
    """Outcomes of steps on trial, in `folder`. A file of more than `largest` bytes is not read for its hash alone."""

    def __init__(self, folder: Path, largest: int | None = None) -> None:
        self.largest = largest
        self.hashes = Hashes(folder / "hashes.json")
        self._store = folder / "checked.json"
        self._known = _read(self._store)
        self._changed = False

    def key(self, step: Step, after: Sequence[str], model: str = "") -> str:
        """Content address of all that a step on trial depends on; `after` has the keys of the steps before it.

        Empty where one of its files cannot be read or is too large, or where a step before it has none.
        """
        try:
            if any(map(self._too_large, step.files)):
                return ""
            files = [[path.name, self.hashes.sha256(path)] for path in step.files]
        except (CalqueError, OSError):
            return ""
        return (
            self.key_of(step.kind, step.name, step.settings, files, list(after), model) if all(after) else ""
        )

    def _too_large(self, path: Path) -> bool:
        return self.largest is not None and path.stat().st_size > self.largest and not self.hashes.knows(path)

    def key_of(self, *about: Any) -> str:
        """Content address of values, of all of calque's code and of the packages that can change figures."""
        text = json.dumps([about, digest_of("."), versions()], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()

    def get(self, key: str) -> Looked | None:
        """What is known by a key."""
        row = self._known.get(key)
        return Looked(*row) if row is not None else None

    def put(self, key: str, looked: Looked) -> None:
        """Learn an outcome; one without a key is not kept."""
        if key:
            self._known[key] = list(looked)
            self._changed = True

    def save(self) -> None:
        """Write down what was learnt, if it can be written."""
        with suppress(OSError):
            self.hashes.save()
            if self._changed:
                write_json(self._store, dict(list(self._known.items())[-MOST:]))


def _read(store: Path) -> dict[str, list[Any]]:
    """What was written down before; whatever has another form counts for nothing."""
    try:
        value = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = value.items() if isinstance(value, dict) else ()
    return {key: row for key, row in known if isinstance(row, list) and len(row) == 2}
